/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instance identity documents: what an instance is, signed so that others believe it. The key is
 * this installation's, made at the first start; who verifies takes its certificate from
 * STATE/services/identity/certificate.pem.
 */
#ifndef VPCD_SERVICES_IMDS_IDENTITY_H
#define VPCD_SERVICES_IMDS_IDENTITY_H

#include "base/buf.h"
#include "services/imds_tree.h"

struct identity;

/* The key and its certificate in the directory, made there if there are none. 0, or -errno with a
 * sentence in `*ret_why`. */
int identity_open(const char *dir, struct identity **ret_identity, const char **ret_why);
void identity_free(struct identity *id); /* NULL is fine */

/* dynamic/instance-identity/document (EC2 user guide, "Instance identity documents"). False: the
 * instance has no interface any more. */
bool identity_document(const struct imds_view *v, struct buf *out);

enum identity_form {
    IDENTITY_SIGNATURE, /* RSA with SHA-256 over the document */
    IDENTITY_PKCS7,     /* the document and its signature as PKCS #7, without the certificate */
    IDENTITY_FORMS,
};
/* In base64, lines of 76 characters. What was signed last for an instance is kept: a flood of
 * questions costs one signature. False: it cannot be made. */
bool identity_sign(struct identity *id, const struct instance *i, const struct buf *document,
                   enum identity_form form, struct buf *out);

#endif
