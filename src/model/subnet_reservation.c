/* SPDX-License-Identifier: Apache-2.0 */
#include "model/subnet_reservation.h"

#include "model/index.h"
#include "model/vpc.h"

static bool get_type(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct subnet_reservation *)obj)->prefix ? "prefix" : "explicit");
    return true;
}

static const struct field subnet_reservation_fields[] = {
    {.type = FT_GET, .wire = "subnetCidrReservationId", .get = get_id},
    FIELD(RESERVATION_BY_SUBNET, FT_STR, struct subnet_reservation, subnet_id, "subnetId",
          .filter = "subnet-id", .flags = FF_INDEXED | FF_COUNTED),
    FIELD(2, FT_CIDR, struct subnet_reservation, cidr, "cidr"),
    FIELD(3, FT_BOOL, struct subnet_reservation, prefix, NULL),
    {.type = FT_GET, .wire = "reservationType", .filter = "reservationType", .get = get_type},
    {.type = FT_GET, .wire = "ownerId", .get = get_owner_id},
    FIELD(4, FT_STR, struct subnet_reservation, description, "description"),
    FIELD(5, FT_LIST, struct subnet_reservation, tags, "tagSet", .filter = "", .sub = &tag_desc),
};
const struct desc subnet_reservation_desc =
    DESC_STORED("subnet CIDR reservation", struct subnet_reservation, subnet_reservation_fields);

const struct subnet_reservation *
subnet_reservation_at(const struct index *ix, const char *subnet_id, const struct cidr *cidr) {
    struct cursor c;

    index_each_by(ix, c, KIND_SUBNET_RESERVATION, RESERVATION_BY_SUBNET, subnet_id) {
        const struct subnet_reservation *r = c.obj;

        if (cidr_overlaps(&r->cidr, cidr))
            return r;
    }
    return NULL;
}
