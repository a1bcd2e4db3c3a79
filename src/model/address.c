/* SPDX-License-Identifier: Apache-2.0 */
#include "model/address.h"

#include <string.h>

#include "model/index.h"
#include "model/network_interface.h"
#include "model/regions.h"
#include "model/vpc.h"

static bool get_address_instance(const struct look *look, const void *obj, struct buf *out) {
    const struct address *a = obj;
    const struct network_interface *eni =
        a->eni_id ? index_get(look->ix, KIND_NETWORK_INTERFACE, a->o.scope, a->eni_id) : NULL;

    if (!eni || !eni->instance_id)
        return false;
    buf_adds(out, eni->instance_id);
    return true;
}

static bool get_address_owner(const struct look *look, const void *obj, struct buf *out) {
    return ((const struct address *)obj)->eni_id && get_owner_id(look, obj, out);
}

static bool get_domain(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "vpc");
    return true;
}

static bool get_pool(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, "amazon");
    return true;
}

static bool get_region(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, region_name(((const struct obj *)obj)->scope.region));
    return true;
}

static const struct field allocation_fields[] = {
    FIELD(1, FT_IP, struct address, public_ip, "publicIp", .filter = "public-ip"),
    {.type = FT_GET, .wire = "allocationId", .filter = "allocation-id", .get = get_id},
    FIELD(ADDRESS_BY_ASSOCIATION, FT_STR, struct address, association_id, "associationId",
          .filter = "association-id", .flags = FF_INDEXED),
    {.type = FT_GET, .wire = "domain", .filter = "domain", .get = get_domain},
    {.type = FT_GET, .wire = "instanceId", .filter = "instance-id", .get = get_address_instance},
    FIELD(ADDRESS_BY_ENI, FT_STR, struct address, eni_id, "networkInterfaceId",
          .filter = "network-interface-id", .flags = FF_INDEXED),
    {.type = FT_GET,
     .wire = "networkInterfaceOwnerId",
     .filter = "network-interface-owner-id",
     .get = get_address_owner},
    FIELD(4, FT_IP, struct address, private_ip, "privateIpAddress", .filter = "private-ip-address"),
    {.type = FT_GET, .wire = "publicIpv4Pool", .get = get_pool},
    {.type = FT_GET,
     .wire = "networkBorderGroup",
     .filter = "network-border-group",
     .get = get_region},
    FIELD(5, FT_LIST, struct address, tags, "tagSet", .filter = "", .sub = &tag_desc),
    FIELD(6, FT_STR, struct address, domain_name, NULL),
};
const struct desc address_desc = DESC_STORED("address", struct address, allocation_fields);

/* Its reverse DNS name, a whole name with the dot at its end. */
static bool get_ptr_record(const struct look *look, const void *obj, struct buf *out) {
    const struct address *a = obj;
    size_t n = a->domain_name ? strlen(a->domain_name) : 0;

    if (!n)
        return false;
    buf_addf(out, "%s%s", a->domain_name, a->domain_name[n - 1] == '.' ? "" : ".");
    return true;
}

static const struct field attribute_fields[] = {
    FIELD(0, FT_IP, struct address, public_ip, "publicIp"),
    {.type = FT_GET, .wire = "allocationId", .get = get_id},
    {.type = FT_GET, .wire = "ptrRecord", .get = get_ptr_record},
};
const struct desc address_attribute_desc =
    DESC("address attribute", struct address, attribute_fields);

static bool get_transfer_status(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct address_transfer *)obj)->accepted ? "accepted" : "pending");
    return true;
}

static const struct field transfer_fields[] = {
    FIELD(1, FT_IP, struct address_transfer, public_ip, "publicIp"),
    {.type = FT_GET, .wire = "allocationId", .get = get_id},
    FIELD(TRANSFER_BY_ACCOUNT, FT_STR, struct address_transfer, account, "transferAccountId",
          .flags = FF_INDEXED),
    FIELD(3, FT_TIME, struct address_transfer, expires, "transferOfferExpirationTimestamp"),
    FIELD(4, FT_TIME, struct address_transfer, accepted, "transferOfferAcceptedTimestamp"),
    {.type = FT_GET, .wire = "addressTransferStatus", .get = get_transfer_status},
};
const struct desc address_transfer_desc =
    DESC_STORED("address transfer", struct address_transfer, transfer_fields);
