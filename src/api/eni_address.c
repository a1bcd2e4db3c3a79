/* SPDX-License-Identifier: Apache-2.0 */
/* The private addresses of an interface that is there already. */
#include <string.h>

#include "api/eni.h"

/* Addresses that a call names, as text: parsed, of the right family. */
static int parse_ip(struct call *c, const char *text, uint8_t family, struct ip *ret_ip) {
    if (ip_parse(text, ret_ip) < 0 || ret_ip->family != family)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter address is invalid. It is not a valid %s "
                          "address.",
                          text, family == IP_V4 ? "IPv4" : "IPv6");
    return 0;
}

static int find_ipv4(const struct network_interface *eni, const struct ip *ip) {
    list_each (struct eni_address, a, eni->addresses)
        if (ip_equal(&a->ip, ip))
            return (int)(a - (struct eni_address *)eni->addresses.items);
    return -1;
}

static int find_ipv6(const struct network_interface *eni, const struct ip *ip) {
    list_each (struct eni_address, a, eni->addresses6)
        if (ip_equal(&a->ip, ip))
            return (int)(a - (struct eni_address *)eni->addresses6.items);
    return -1;
}

struct assign_ipv4 {
    char *id;
    struct list addresses;
    struct optint count;
    uint8_t reassign;
};
static const struct field assign_ipv4_fields[] = {
    FIELD(0, FT_STR, struct assign_ipv4, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct assign_ipv4, addresses, "PrivateIpAddress", .max = IP_TEXT),
    FIELD(0, FT_OPTINT, struct assign_ipv4, count, "SecondaryPrivateIpAddressCount", .min = 1,
          .max = 255),
    FIELD(0, FT_TRI, struct assign_ipv4, reassign, "AllowReassignment"),
};
static const struct desc assign_ipv4_desc =
    DESC("AssignPrivateIpAddresses", struct assign_ipv4, assign_ipv4_fields);

/* Takes the address from the other interface of the subnet that has it as a secondary one. */
static int take_from_other(struct call *c, const struct network_interface *eni,
                           const struct ip *ip) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_SUBNET, eni->subnet_id) {
        const struct network_interface *other = cur.obj;
        int i = find_ipv4(other, ip);
        struct network_interface *copy;

        if (i < 0 || strcmp(other->o.id, eni->o.id) == 0)
            continue;
        if (i == 0)
            return call_error(c, "InvalidParameterValue",
                              "The primary private address of an interface cannot be reassigned.");
        copy = txn_edit(c->txn, other);
        if (!copy)
            return call_no_memory(c);
        eni_cut_ipv4(c, copy, (uint32_t)i);
        txn_put(c->txn, copy);
        return 0;
    }
    return 0;
}

static int assign_private_ip_addresses(struct call *c, const void *params) {
    const struct assign_ipv4 *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    const struct subnet *s = have ? call_get(c, KIND_SUBNET, have->subnet_id) : NULL;
    struct network_interface *eni;
    char text[IP_TEXT];
    uint32_t before;

    if (!s)
        return -1;
    if (!p->addresses.n == !p->count.set)
        return call_error(c, "InvalidParameterCombination",
                          "Either privateIpAddresses or secondaryPrivateIpAddressCount must be "
                          "specified.");
    if (eni_check_counts(c, eni_instance_type(c, have),
                         (int64_t)have->addresses.n + p->addresses.n + p->count.v, 0) < 0)
        return -1;
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    before = eni->addresses.n;
    list_each (char *, address, p->addresses) {
        struct ip ip;

        if (parse_ip(c, *address, IP_V4, &ip) < 0 ||
            (p->reassign == TRI_TRUE && take_from_other(c, eni, &ip) < 0) ||
            eni_add_ipv4(c, eni, s, &ip) < 0)
            return -1;
    }
    for (int64_t i = 0; i < p->count.v; i++)
        if (eni_add_ipv4(c, eni, s, NULL) < 0)
            return -1;
    txn_put(c->txn, eni);
    xml_text(&c->xml, "networkInterfaceId", p->id);
    xml_open(&c->xml, "assignedPrivateIpAddressesSet");
    for (uint32_t i = before; i < eni->addresses.n; i++) {
        const struct eni_address *a = list_at(eni->addresses, struct eni_address, i);

        xml_open(&c->xml, "item");
        xml_text(&c->xml, "privateIpAddress", ip_format(&a->ip, text));
        xml_close(&c->xml, "item");
    }
    xml_close(&c->xml, "assignedPrivateIpAddressesSet");
    return call_return_true(c);
}

struct unassign {
    char *id;
    struct list addresses;
};
static const struct field unassign_ipv4_fields[] = {
    FIELD(0, FT_STR, struct unassign, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct unassign, addresses, "PrivateIpAddress", .flags = FF_REQUIRED,
          .max = IP_TEXT),
};
static const struct desc unassign_ipv4_desc =
    DESC("UnassignPrivateIpAddresses", struct unassign, unassign_ipv4_fields);

static int unassign_private_ip_addresses(struct call *c, const void *params) {
    const struct unassign *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    struct network_interface *eni = have ? txn_edit(c->txn, have) : NULL;

    if (!eni)
        return have ? call_no_memory(c) : -1;
    list_each (char *, address, p->addresses) {
        struct ip ip;
        int i;

        if (parse_ip(c, *address, IP_V4, &ip) < 0)
            return -1;
        i = find_ipv4(eni, &ip);
        if (i < 0)
            return call_error(c, "InvalidParameterValue",
                              "Some of the specified addresses are not assigned to interface %s",
                              p->id);
        if (i == 0)
            return call_error(c, "InvalidParameterValue",
                              "The primary private address of an interface cannot be unassigned.");
        eni_cut_ipv4(c, eni, (uint32_t)i);
    }
    txn_put(c->txn, eni);
    return call_return_true(c);
}

struct assign_ipv6 {
    char *id;
    struct list addresses;
    struct optint count;
};
static const struct field assign_ipv6_fields[] = {
    FIELD(0, FT_STR, struct assign_ipv6, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct assign_ipv6, addresses, "Ipv6Addresses", .max = IP_TEXT),
    FIELD(0, FT_OPTINT, struct assign_ipv6, count, "Ipv6AddressCount", .min = 1, .max = 255),
};
static const struct desc assign_ipv6_desc =
    DESC("AssignIpv6Addresses", struct assign_ipv6, assign_ipv6_fields);

static int assign_ipv6_addresses(struct call *c, const void *params) {
    const struct assign_ipv6 *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    const struct subnet *s = have ? call_get(c, KIND_SUBNET, have->subnet_id) : NULL;
    struct network_interface *eni;
    char text[IP_TEXT];
    uint32_t before;

    if (!s)
        return -1;
    if (!p->addresses.n == !p->count.set)
        return call_error(c, "InvalidParameterCombination",
                          "Either ipv6Addresses or ipv6AddressCount must be specified.");
    if (eni_check_counts(c, eni_instance_type(c, have), 0,
                         (int64_t)have->addresses6.n + p->addresses.n + p->count.v) < 0)
        return -1;
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    before = eni->addresses6.n;
    list_each (char *, address, p->addresses) {
        struct ip ip;

        if (parse_ip(c, *address, IP_V6, &ip) < 0 || eni_add_ipv6(c, eni, s, &ip) < 0)
            return -1;
    }
    for (int64_t i = 0; i < p->count.v; i++)
        if (eni_add_ipv6(c, eni, s, NULL) < 0)
            return -1;
    txn_put(c->txn, eni);
    xml_open(&c->xml, "assignedIpv6Addresses");
    for (uint32_t i = before; i < eni->addresses6.n; i++)
        xml_text(&c->xml, "item",
                 ip_format(&list_at(eni->addresses6, struct eni_address, i)->ip, text));
    xml_close(&c->xml, "assignedIpv6Addresses");
    xml_text(&c->xml, "networkInterfaceId", p->id);
    return 0;
}

static const struct field unassign_ipv6_fields[] = {
    FIELD(0, FT_STR, struct unassign, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct unassign, addresses, "Ipv6Addresses", .flags = FF_REQUIRED,
          .max = IP_TEXT),
};
static const struct desc unassign_ipv6_desc =
    DESC("UnassignIpv6Addresses", struct unassign, unassign_ipv6_fields);

static int unassign_ipv6_addresses(struct call *c, const void *params) {
    const struct unassign *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    struct network_interface *eni = have ? txn_edit(c->txn, have) : NULL;
    char text[IP_TEXT];

    if (!eni)
        return have ? call_no_memory(c) : -1;
    xml_text(&c->xml, "networkInterfaceId", p->id);
    xml_open(&c->xml, "unassignedIpv6Addresses");
    list_each (char *, address, p->addresses) {
        struct ip ip;
        int i;

        if (parse_ip(c, *address, IP_V6, &ip) < 0)
            return -1;
        i = find_ipv6(eni, &ip);
        if (i < 0)
            return call_error(c, "InvalidParameterValue",
                              "Some of the specified addresses are not assigned to interface %s",
                              p->id);
        eni_cut_ipv6(c, eni, (uint32_t)i);
        xml_text(&c->xml, "item", ip_format(&ip, text));
    }
    xml_close(&c->xml, "unassignedIpv6Addresses");
    txn_put(c->txn, eni);
    return 0;
}

static const struct action rows[] = {
    {"AssignIpv6Addresses", &assign_ipv6_desc, assign_ipv6_addresses},
    {"AssignPrivateIpAddresses", &assign_ipv4_desc, assign_private_ip_addresses},
    {"UnassignIpv6Addresses", &unassign_ipv6_desc, unassign_ipv6_addresses},
    {"UnassignPrivateIpAddresses", &unassign_ipv4_desc, unassign_private_ip_addresses},
};
ACTIONS(eni_address_actions, rows);
