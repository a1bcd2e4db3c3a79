/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations of a subnet's addresses. */
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "base/cleanup.h"
#include "model/subnet_reservation.h"

/* What prefixes are made of: /28 and /80 (EC2 user guide, "Assigning prefixes"). */
static uint8_t prefix_length(uint8_t family) {
    return family == IP_V4 ? 28 : 80;
}

struct create_params {
    char *subnet_id;
    struct cidr cidr;
    char *type, *description;
    struct list tag_specifications;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_params, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, struct create_params, cidr, "Cidr", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_params, type, "ReservationType", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_params, description, "Description", .max = 255),
    TAG_SPECIFICATIONS(struct create_params),
};
static const struct desc create_desc =
    DESC("CreateSubnetCidrReservation", struct create_params, create_fields);

static int check_cidr(struct call *c, const struct subnet *s, const struct cidr *cidr,
                      bool prefix) {
    const struct subnet_reservation *other;
    const struct cidr *outer = cidr->ip.family == IP_V4 ? &s->cidr : subnet_cidr6(s);
    char text[CIDR_TEXT], text2[CIDR_TEXT];

    cidr_format(cidr, text);
    if (!outer || !cidr_contains(outer, cidr))
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter cidr is invalid. It does not fall within the "
                          "subnet's address range.",
                          text);
    if (prefix && cidr->len > prefix_length(cidr->ip.family))
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter cidr is invalid. A reservation for prefixes "
                          "has a netmask of /%d or shorter.",
                          text, prefix_length(cidr->ip.family));
    other = subnet_reservation_at(c->ix, s->o.id, cidr);
    if (other)
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter cidr is invalid. It overlaps with the "
                          "reservation %s (%s).",
                          text, other->o.id, cidr_format(&other->cidr, text2));
    if (index_count_by(c->ix, KIND_SUBNET_RESERVATION, RESERVATION_BY_SUBNET, s->o.id) >=
        RESERVATIONS_MAX)
        return call_error(c, "SubnetCidrReservationLimitExceeded",
                          "The maximum number of CIDR reservations of a subnet has been reached.");
    return 0;
}

static int create_subnet_cidr_reservation(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_SUBNET_RESERVATION};
    const struct create_params *p = params;
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    struct cidr cidr = cidr_mask(&p->cidr);
    bool prefix = strcmp(p->type, "prefix") == 0;
    struct subnet_reservation *r;

    if (!s || call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if (!prefix && strcmp(p->type, "explicit") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter reservationType is invalid. It must be "
                          "prefix or explicit.",
                          p->type);
    if (check_cidr(c, s, &cidr, prefix) < 0)
        return -1;
    r = call_new(c, KIND_SUBNET_RESERVATION);
    if (!r || call_tags(c, &p->tag_specifications, r) < 0)
        return -1;
    obj_set(&r->o, &r->subnet_id, s->o.id);
    obj_set(&r->o, &r->description, p->description);
    r->cidr = cidr;
    r->prefix = prefix;
    txn_put(c->txn, r);
    /* Two that overlap must not both come to be, nor one in a subnet that goes. */
    txn_touch(c->txn, s);
    call_object(c, "subnetCidrReservation", r);
    return 0;
}

struct reservation_id {
    char *id;
};
static const struct field reservation_id_fields[] = {
    FIELD(0, FT_STR, struct reservation_id, id, "SubnetCidrReservationId", .flags = FF_REQUIRED),
};
static const struct desc reservation_id_desc =
    DESC("DeleteSubnetCidrReservation", struct reservation_id, reservation_id_fields);

static int delete_subnet_cidr_reservation(struct call *c, const void *params) {
    const struct reservation_id *p = params;
    const struct subnet_reservation *r = call_get(c, KIND_SUBNET_RESERVATION, p->id);

    if (!r)
        return -1;
    call_object(c, "deletedSubnetCidrReservation", r);
    txn_delete(c->txn, r);
    return 0;
}

void subnet_reservations_delete(struct call *c, const char *subnet_id) {
    struct cursor cur;

    while (cursor_by(c->ix, &cur, KIND_SUBNET_RESERVATION, RESERVATION_BY_SUBNET, subnet_id))
        txn_delete(c->txn, cur.obj);
}

struct get_params {
    char *subnet_id;
};
static const struct field get_fields[] = {
    FIELD(0, FT_STR, struct get_params, subnet_id, "SubnetId", .flags = FF_REQUIRED),
};
static const struct desc get_desc =
    DESC("GetSubnetCidrReservations", struct get_params, get_fields);

/* One page over both families, in the order of their ids, is shown as two lists. */
static int get_subnet_cidr_reservations(struct call *c, const void *params) {
    const struct get_params *p = params;
    static const struct {
        uint8_t family;
        const char *set;
    } sets[] = {{IP_V4, "subnetIpv4CidrReservationSet"}, {IP_V6, "subnetIpv6CidrReservationSet"}};
    const struct subnet_reservation *shown[RESERVATIONS_MAX];
    struct page page;
    struct cursor cur;
    size_t n = 0;

    if (!call_get(c, KIND_SUBNET, p->subnet_id) ||
        describe_begin(&page, c, &subnet_reservation_desc, NULL) < 0)
        return -1;
    index_each_by(c->ix, cur, KIND_SUBNET_RESERVATION, RESERVATION_BY_SUBNET, p->subnet_id) {
        const struct subnet_reservation *r = cur.obj;

        if (describe_wants(&page, r->o.id, r) && n < ARRAY_SIZE(shown))
            shown[n++] = r;
        if (page.stop)
            break;
    }
    for (size_t k = 0; k < ARRAY_SIZE(sets); k++) {
        xml_open(&c->xml, sets[k].set);
        for (size_t i = 0; i < n; i++)
            if (shown[i]->cidr.ip.family == sets[k].family)
                call_object(c, "item", shown[i]);
        xml_close(&c->xml, sets[k].set);
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"CreateSubnetCidrReservation", &create_desc, create_subnet_cidr_reservation},
    {"DeleteSubnetCidrReservation", &reservation_id_desc, delete_subnet_cidr_reservation},
    {"GetSubnetCidrReservations", &get_desc, get_subnet_cidr_reservations, ACT_FILTERS},
};
ACTIONS(subnet_reservation_actions, rows);
