/* SPDX-License-Identifier: Apache-2.0 */
/* The numbered entries of network ACLs (VPC user guide, "Network ACL rules"). */
#include <string.h>
#include <strings.h>

#include "api/actions.h"

enum { PROTOCOL_ICMP = 1, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17, PROTOCOL_ICMPV6 = 58 };

struct entry_params {
    char *acl_id;
    struct optint number;
    uint8_t egress; /* enum tri */
    char *protocol, *action;
    struct cidr cidr, cidr6;
    struct optint from, to, icmp_type, icmp_code;
};
#define E struct entry_params
static const struct field entry_fields[] = {
    FIELD(0, FT_STR, E, acl_id, "NetworkAclId", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, E, number, "RuleNumber", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, E, egress, "Egress", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, E, protocol, "Protocol", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, E, action, "RuleAction", .flags = FF_REQUIRED),
    FIELD(0, FT_CIDR, E, cidr, "CidrBlock"),
    FIELD(0, FT_CIDR, E, cidr6, "Ipv6CidrBlock"),
    FIELD(0, FT_OPTINT, E, from, "PortRange.From"),
    FIELD(0, FT_OPTINT, E, to, "PortRange.To"),
    FIELD(0, FT_OPTINT, E, icmp_type, "Icmp.Type"),
    FIELD(0, FT_OPTINT, E, icmp_code, "Icmp.Code"),
};
static const struct desc create_entry_desc = DESC("CreateNetworkAclEntry", E, entry_fields);
static const struct desc replace_entry_desc = DESC("ReplaceNetworkAclEntry", E, entry_fields);
/* The first three name an entry. */
static const struct desc delete_entry_desc = {.name = "DeleteNetworkAclEntry",
                                              .size = sizeof(E),
                                              .fields = entry_fields,
                                              .n_fields = 3,
                                              .unknown = -1};

/* The ACL that the call names, when it may have an entry of that number. NULL: the error is set. */
static const struct network_acl *find_acl(struct call *c, const struct entry_params *p) {
    if (p->number.v < 1 || p->number.v >= ACL_RULE_LAST) {
        call_error(c, "InvalidParameterValue",
                   "Value (%lld) for parameter ruleNumber is invalid. Rulenumber must be in range "
                   "1..%d",
                   (long long)p->number.v, ACL_RULE_LAST - 1);
        return NULL;
    }
    return call_get(c, KIND_NETWORK_ACL, p->acl_id);
}

static int no_entry(struct call *c, const struct entry_params *p) {
    return call_error(c, "InvalidNetworkAclEntry.NotFound", "no %s entry with number %lld",
                      p->egress == TRI_TRUE ? "egress" : "ingress", (long long)p->number.v);
}

static int read_cidr(struct call *c, const struct entry_params *p, struct cidr *ret) {
    const struct cidr *given = p->cidr.ip.family ? &p->cidr : &p->cidr6;
    char text[CIDR_TEXT];

    if (p->cidr.ip.family && p->cidr6.ip.family)
        return call_error(c, "InvalidParameterCombination",
                          "The parameters CidrBlock and Ipv6CidrBlock cannot be used together");
    if (!given->ip.family)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter CidrBlock or Ipv6CidrBlock");
    if (given->ip.family != (given == &p->cidr ? IP_V4 : IP_V6))
        return call_error(c, "InvalidParameterValue",
                          "Value (%s) for parameter %s is invalid. This is not a valid CIDR block.",
                          cidr_format(given, text),
                          given == &p->cidr ? "cidrBlock" : "ipv6CidrBlock");
    *ret = cidr_mask(given);
    return 0;
}

static int in_range(struct call *c, const struct optint *v, const char *name, int64_t min,
                    int64_t max) {
    if (!v->set)
        return call_error(c, "MissingParameter", "The request must contain the parameter %s", name);
    if (v->v < min || v->v > max)
        return call_error(c, "InvalidParameterValue",
                          "Value (%lld) for parameter %s is invalid. It must be from %lld to %lld.",
                          (long long)v->v, name, (long long)min, (long long)max);
    return 0;
}

/* Ports for TCP and UDP, type and code for ICMP of the entry's family; others have neither, and
 * what is given for them is without effect (EC2 API reference, CreateNetworkAclEntry). */
static int read_ports(struct call *c, const struct entry_params *p, struct acl_entry *e) {
    int64_t icmp = e->cidr.ip.family == IP_V6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP;

    if (e->protocol == PROTOCOL_TCP || e->protocol == PROTOCOL_UDP) {
        if (in_range(c, &p->from, "PortRange.From", 0, 65535) < 0 ||
            in_range(c, &p->to, "PortRange.To", 0, 65535) < 0)
            return -1;
        if (p->from.v > p->to.v)
            return call_error(c, "InvalidParameterValue", "Invalid port range (%lld:%lld)",
                              (long long)p->from.v, (long long)p->to.v);
        e->from = p->from;
        e->to = p->to;
    } else if (e->protocol == icmp) {
        if (in_range(c, &p->icmp_type, "Icmp.Type", -1, 255) < 0 ||
            in_range(c, &p->icmp_code, "Icmp.Code", -1, 255) < 0)
            return -1;
        e->icmp_type = p->icmp_type;
        e->icmp_code = p->icmp_code;
    }
    return 0;
}

/* What the entry shall say, but for its number and direction. */
static int read_entry(struct call *c, const struct entry_params *p, struct acl_entry *e) {
    if (read_cidr(c, p, &e->cidr) < 0)
        return -1;
    e->allow = strcasecmp(p->action, "allow") == 0;
    if (!e->allow && strcasecmp(p->action, "deny") != 0)
        return call_error(
            c, "InvalidParameterValue",
            "Value (%.64s) for parameter ruleAction is invalid. It must be allow or deny.",
            p->action);
    if (sg_protocol_parse(p->protocol, &e->protocol) < 0)
        return call_error(c, "InvalidParameterValue",
                          "Invalid value '%.64s' for IP protocol. Unknown protocol.", p->protocol);
    return read_ports(c, p, e);
}

/* One more of the direction and family fits, not counting the entry `but`. */
static int check_room(struct call *c, const struct network_acl *a, const struct acl_entry *wanted,
                      const struct acl_entry *but) {
    size_t count = 0;

    list_each (struct acl_entry, e, a->entries)
        count +=
            e != but && e->egress == wanted->egress && e->cidr.ip.family == wanted->cidr.ip.family;
    return count < ACL_ENTRIES_MAX
               ? 0
               : call_error(c, "NetworkAclEntryLimitExceeded",
                            "The maximum number of network acl entries has been reached.");
}

static int create_network_acl_entry(struct call *c, const void *params) {
    const struct entry_params *p = params;
    const struct network_acl *a = find_acl(c, p);
    struct acl_entry wanted = {.number = p->number.v, .egress = p->egress == TRI_TRUE}, *e;
    struct network_acl *n;

    if (!a || read_entry(c, p, &wanted) < 0)
        return -1;
    if (network_acl_find(a, wanted.egress, wanted.number))
        return call_error(c, "NetworkAclEntryAlreadyExists",
                          "The network acl entry identified by %lld already exists.",
                          (long long)wanted.number);
    if (check_room(c, a, &wanted, NULL) < 0)
        return -1;
    n = txn_edit(c->txn, a);
    e = n ? network_acl_add(n, wanted.egress, wanted.number) : NULL;
    if (!e)
        return call_no_memory(c);
    *e = wanted;
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int replace_network_acl_entry(struct call *c, const void *params) {
    const struct entry_params *p = params;
    const struct network_acl *a = find_acl(c, p);
    struct acl_entry wanted = {.number = p->number.v, .egress = p->egress == TRI_TRUE}, *e;
    struct network_acl *n;

    if (!a || read_entry(c, p, &wanted) < 0)
        return -1;
    e = network_acl_find(a, wanted.egress, wanted.number);
    if (!e)
        return no_entry(c, p);
    if (check_room(c, a, &wanted, e) < 0)
        return -1;
    n = txn_edit(c->txn, a);
    if (!n)
        return call_no_memory(c);
    e = network_acl_find(n, wanted.egress, wanted.number);
    acl_entry_reset(e);
    *e = wanted;
    txn_put(c->txn, n);
    return call_return_true(c);
}

static int delete_network_acl_entry(struct call *c, const void *params) {
    const struct entry_params *p = params;
    const struct network_acl *a = find_acl(c, p);
    bool egress = p->egress == TRI_TRUE;
    struct network_acl *n;

    if (!a)
        return -1;
    if (!network_acl_find(a, egress, p->number.v))
        return no_entry(c, p);
    n = txn_edit(c->txn, a);
    if (!n)
        return call_no_memory(c);
    network_acl_cut(n, network_acl_find(n, egress, p->number.v));
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateNetworkAclEntry", &create_entry_desc, create_network_acl_entry},
    {"DeleteNetworkAclEntry", &delete_entry_desc, delete_network_acl_entry},
    {"ReplaceNetworkAclEntry", &replace_entry_desc, replace_network_acl_entry},
};
ACTIONS(network_acl_entry_actions, rows);
