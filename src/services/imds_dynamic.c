/* SPDX-License-Identifier: Apache-2.0 */
/* dynamic/: the instance's identity document, and whether it is monitored in detail. */
#include "base/cleanup.h"
#include "services/imds_identity.h"
#include "services/imds_tree.h"

static bool get_monitoring(const struct imds_view *v, struct buf *out) {
    buf_adds(out, v->instance->monitoring ? "enabled" : "disabled");
    return true;
}

static bool get_document(const struct imds_view *v, struct buf *out) {
    return identity_document(v, out);
}

static bool signed_form(const struct imds_view *v, enum identity_form form, struct buf *out) {
    _buf_ struct buf document = BUF_INIT;

    return v->imds->identity && identity_document(v, &document) &&
           identity_sign(v->imds->identity, v->instance, &document, form, out);
}

static bool get_pkcs7(const struct imds_view *v, struct buf *out) {
    return signed_form(v, IDENTITY_PKCS7, out);
}

static bool get_signature(const struct imds_view *v, struct buf *out) {
    return signed_form(v, IDENTITY_SIGNATURE, out);
}

static const struct imds_node fws[] = {
    {"instance-monitoring", .get = get_monitoring},
    {NULL},
};
static const struct imds_node identity[] = {
    {"document", .get = get_document},
    {"pkcs7", .get = get_pkcs7},
    {"rsa2048", .get = get_pkcs7},
    {"signature", .get = get_signature},
    {NULL},
};
const struct imds_node imds_dynamic[] = {
    {"fws", .children = fws},
    {"instance-identity", .children = identity},
    {NULL},
};
