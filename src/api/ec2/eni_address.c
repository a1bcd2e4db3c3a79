/* SPDX-License-Identifier: Apache-2.0 */
/* The private addresses and prefixes of an interface that is there already, of either family. */
#include <string.h>

#include "api/ec2/eni.h"

struct assign {
    char *id;
    struct list addresses; /* as text */
    struct optint count;
    struct list prefixes; /* as text */
    struct optint prefix_count;
    uint8_t reassign; /* IPv4 */
};
#define ASSIGN_COUNT(m_, wire_) FIELD(0, FT_OPTINT, struct assign, m_, wire_, .min = 1, .max = 255)
#define ASSIGN_TEXTS(m_, wire_) FIELD(0, FT_STRS, struct assign, m_, wire_, .max = CIDR_TEXT)
#define ASSIGN_ID FIELD(0, FT_STR, struct assign, id, "NetworkInterfaceId", .flags = FF_REQUIRED)

static const struct field assign_ipv4_fields[] = {
    ASSIGN_ID,
    ASSIGN_TEXTS(addresses, "PrivateIpAddress"),
    ASSIGN_COUNT(count, "SecondaryPrivateIpAddressCount"),
    ASSIGN_TEXTS(prefixes, "Ipv4Prefix"),
    ASSIGN_COUNT(prefix_count, "Ipv4PrefixCount"),
    FIELD(0, FT_TRI, struct assign, reassign, "AllowReassignment"),
};
static const struct desc assign_ipv4_desc =
    DESC("AssignPrivateIpAddresses", struct assign, assign_ipv4_fields);

static const struct field assign_ipv6_fields[] = {
    ASSIGN_ID,
    ASSIGN_TEXTS(addresses, "Ipv6Addresses"),
    ASSIGN_COUNT(count, "Ipv6AddressCount"),
    ASSIGN_TEXTS(prefixes, "Ipv6Prefix"),
    ASSIGN_COUNT(prefix_count, "Ipv6PrefixCount"),
};
static const struct desc assign_ipv6_desc =
    DESC("AssignIpv6Addresses", struct assign, assign_ipv6_fields);

static const struct field unassign_ipv4_fields[] = {
    ASSIGN_ID,
    ASSIGN_TEXTS(addresses, "PrivateIpAddress"),
    ASSIGN_TEXTS(prefixes, "Ipv4Prefix"),
};
static const struct desc unassign_ipv4_desc =
    DESC("UnassignPrivateIpAddresses", struct assign, unassign_ipv4_fields);

static const struct field unassign_ipv6_fields[] = {
    ASSIGN_ID,
    ASSIGN_TEXTS(addresses, "Ipv6Addresses"),
    ASSIGN_TEXTS(prefixes, "Ipv6Prefix"),
};
static const struct desc unassign_ipv6_desc =
    DESC("UnassignIpv6Addresses", struct assign, unassign_ipv6_fields);

static int parse_ip(struct call *c, const char *text, uint8_t family, struct ip *ret_ip) {
    if (ip_parse(text, ret_ip) < 0 || ret_ip->family != family)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter address is invalid. It is not a valid %s "
                          "address.",
                          text, family == IP_V4 ? "IPv4" : "IPv6");
    return 0;
}

static int parse_prefix(struct call *c, const char *text, uint8_t family, struct cidr *ret_prefix) {
    if (cidr_parse(text, ret_prefix) < 0 || ret_prefix->ip.family != family)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter prefix is invalid. It is not a valid %s "
                          "prefix.",
                          text, family == IP_V4 ? "IPv4" : "IPv6");
    return 0;
}

/* Takes the address from the other interface of the subnet that has it as a secondary one. */
static int take_from_other(struct call *c, const struct network_interface *eni,
                           const struct ip *ip) {
    const char *owner = eni_ip_owner(c, eni->subnet_id, ip);
    const struct network_interface *other =
        owner ? txn_get(c->txn, KIND_NETWORK_INTERFACE, c->scope, owner) : NULL;
    struct eni_address *a = other ? eni_find(other, ip) : NULL;
    struct network_interface *copy;

    if (!a)
        return 0; /* nobody's, or within a prefix, which is not taken apart */
    if (a->primary)
        return call_error(c, "InvalidParameterValue",
                          "The primary private address of an interface cannot be reassigned.");
    copy = txn_edit(c->txn, other);
    if (!copy)
        return call_no_memory(c);
    eni_cut_address(c, copy, IP_V4, (uint32_t)(a - (struct eni_address *)other->addresses.items));
    txn_put(c->txn, copy);
    return 0;
}

static int add_all(struct call *c, const struct assign *p, uint8_t family, const struct subnet *s,
                   struct network_interface *eni) {
    struct cidr prefix;
    struct ip ip;

    list_each (char *, text, p->addresses) {
        if (parse_ip(c, *text, family, &ip) < 0)
            return -1;
        if (p->reassign == TRI_TRUE && eni_find(eni, &ip))
            continue; /* it is there */
        if ((p->reassign == TRI_TRUE && take_from_other(c, eni, &ip) < 0) ||
            eni_add_address(c, eni, s, family, &ip) < 0)
            return -1;
    }
    list_each (char *, text, p->prefixes)
        if (parse_prefix(c, *text, family, &prefix) < 0 ||
            eni_add_prefix(c, eni, s, family, &prefix) < 0)
            return -1;
    for (int64_t i = 0; i < p->count.v; i++)
        if (eni_add_address(c, eni, s, family, NULL) < 0)
            return -1;
    for (int64_t i = 0; i < p->prefix_count.v; i++)
        if (eni_add_prefix(c, eni, s, family, NULL) < 0)
            return -1;
    return 0;
}

/* One item of a list of the reply: text in an element of its own, or alone. */
static void show_item(struct call *c, const char *element, const char *text) {
    if (!element) {
        xml_text(&c->xml, "item", text);
        return;
    }
    xml_open(&c->xml, "item");
    xml_text(&c->xml, element, text);
    xml_close(&c->xml, "item");
}

/* What each family calls the parts of its reply. */
static const struct words {
    const char *addresses, *address, *prefixes, *prefix;
} assigned4 = {"assignedPrivateIpAddressesSet", "privateIpAddress", "assignedIpv4PrefixSet",
               "ipv4Prefix"},
  assigned6 = {"assignedIpv6Addresses", NULL, "assignedIpv6PrefixSet", NULL};

static int assign(struct call *c, const struct assign *p, uint8_t family) {
    const struct words *words = family == IP_V4 ? &assigned4 : &assigned6;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    const struct subnet *s = have ? call_get(c, KIND_SUBNET, have->subnet_id) : NULL;
    int ways = !!p->addresses.n + p->count.set + !!p->prefixes.n + p->prefix_count.set;
    struct network_interface *eni;
    const struct list *addresses, *prefixes;
    char text[CIDR_TEXT];

    if (!s || eni_check_managed(c, have) < 0)
        return -1;
    if (ways != 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one of addresses, a count of them, prefixes and a count of them "
                          "must be specified.");
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    if (add_all(c, p, family, s, eni) < 0 ||
        eni_check_counts(c, eni_instance_type(c, eni), eni) < 0)
        return -1;
    txn_put(c->txn, eni);
    xml_text(&c->xml, "networkInterfaceId", p->id);
    addresses = eni_addresses(eni, family);
    prefixes = eni_prefixes(eni, family);
    xml_open(&c->xml, words->addresses);
    for (uint32_t i = eni_addresses(have, family)->n; i < addresses->n; i++)
        show_item(c, words->address,
                  ip_format(&list_at(*addresses, struct eni_address, i)->ip, text));
    xml_close(&c->xml, words->addresses);
    xml_open(&c->xml, words->prefixes);
    for (uint32_t i = eni_prefixes(have, family)->n; i < prefixes->n; i++)
        show_item(c, words->prefix,
                  cidr_format(&list_at(*prefixes, struct eni_prefix, i)->cidr, text));
    xml_close(&c->xml, words->prefixes);
    return 0;
}

static int assign_private_ip_addresses(struct call *c, const void *params) {
    return assign(c, params, IP_V4) < 0 ? -1 : call_return_true(c);
}

static int assign_ipv6_addresses(struct call *c, const void *params) {
    return assign(c, params, IP_V6);
}

static int not_assigned(struct call *c, const char *what, const char *id) {
    return call_error(c, "InvalidParameterValue",
                      "Some of the specified %s are not assigned to interface %s", what, id);
}

static int cut_addresses(struct call *c, const struct list *texts, uint8_t family,
                         struct network_interface *eni) {
    struct ip ip;

    list_each (char *, text, *texts) {
        struct eni_address *a;

        if (parse_ip(c, *text, family, &ip) < 0)
            return -1;
        a = eni_find(eni, &ip);
        if (!a)
            return not_assigned(c, "addresses", eni->o.id);
        if (a->primary)
            return call_error(c, "InvalidParameterValue",
                              "The primary %s address of an interface cannot be unassigned.",
                              family == IP_V4 ? "private" : "IPv6");
        eni_cut_address(c, eni, family,
                        (uint32_t)(a - (struct eni_address *)eni_addresses(eni, family)->items));
    }
    return 0;
}

static int cut_prefixes(struct call *c, const struct list *texts, uint8_t family,
                        struct network_interface *eni) {
    const struct list *have = eni_prefixes(eni, family);
    struct cidr prefix;

    list_each (char *, text, *texts) {
        uint32_t i = 0;

        if (parse_prefix(c, *text, family, &prefix) < 0)
            return -1;
        while (i < have->n && !cidr_equal(&list_at(*have, struct eni_prefix, i)->cidr, &prefix))
            i++;
        if (i == have->n)
            return not_assigned(c, "prefixes", eni->o.id);
        eni_cut_prefix(c, eni, family, i);
    }
    return 0;
}

static int unassign(struct call *c, const struct assign *p, uint8_t family) {
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    struct network_interface *eni = have ? txn_edit(c->txn, have) : NULL;

    if (!eni)
        return have ? call_no_memory(c) : -1;
    if (eni_check_managed(c, have) < 0)
        return -1;
    if (!p->addresses.n && !p->prefixes.n)
        return call_error(c, "MissingParameter",
                          "The request must contain addresses or prefixes to unassign");
    if (cut_addresses(c, &p->addresses, family, eni) < 0 ||
        cut_prefixes(c, &p->prefixes, family, eni) < 0)
        return -1;
    txn_put(c->txn, eni);
    return 0;
}

static int unassign_private_ip_addresses(struct call *c, const void *params) {
    return unassign(c, params, IP_V4) < 0 ? -1 : call_return_true(c);
}

static int unassign_ipv6_addresses(struct call *c, const void *params) {
    const struct assign *p = params;

    if (unassign(c, p, IP_V6) < 0)
        return -1;
    xml_text(&c->xml, "networkInterfaceId", p->id);
    xml_open(&c->xml, "unassignedIpv6Addresses");
    list_each (char *, text, p->addresses)
        xml_text(&c->xml, "item", *text);
    xml_close(&c->xml, "unassignedIpv6Addresses");
    xml_open(&c->xml, "unassignedIpv6PrefixSet");
    list_each (char *, text, p->prefixes)
        xml_text(&c->xml, "item", *text);
    xml_close(&c->xml, "unassignedIpv6PrefixSet");
    return 0;
}

static const struct action rows[] = {
    {"AssignIpv6Addresses", &assign_ipv6_desc, assign_ipv6_addresses},
    {"AssignPrivateIpAddresses", &assign_ipv4_desc, assign_private_ip_addresses},
    {"UnassignIpv6Addresses", &unassign_ipv6_desc, unassign_ipv6_addresses},
    {"UnassignPrivateIpAddresses", &unassign_ipv4_desc, unassign_private_ip_addresses},
};
ACTIONS(eni_address_actions, rows);
