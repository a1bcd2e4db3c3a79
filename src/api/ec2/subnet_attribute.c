/* SPDX-License-Identifier: Apache-2.0 */
/* The attributes of subnets that are switched one at a time. */
#include <string.h>

#include "api/actions.h"

struct modify_subnet {
    char *subnet_id;
    uint8_t map_public_ip, assign_ipv6, dns64, name_a, name_aaaa;
    uint8_t map_customer_ip, no_lni;
    char *hostname_type, *customer_pool;
    struct optint lni;
};
static const struct field modify_subnet_fields[] = {
    FIELD(0, FT_STR, struct modify_subnet, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct modify_subnet, map_public_ip, "MapPublicIpOnLaunch.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, assign_ipv6, "AssignIpv6AddressOnCreation.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, dns64, "EnableDns64.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, name_a, "EnableResourceNameDnsARecordOnLaunch.Value"),
    FIELD(0, FT_TRI, struct modify_subnet, name_aaaa,
          "EnableResourceNameDnsAAAARecordOnLaunch.Value"),
    FIELD(0, FT_STR, struct modify_subnet, hostname_type, "PrivateDnsHostnameTypeOnLaunch"),
    FIELD(0, FT_TRI, struct modify_subnet, map_customer_ip, "MapCustomerOwnedIpOnLaunch.Value"),
    FIELD(0, FT_STR, struct modify_subnet, customer_pool, "CustomerOwnedIpv4Pool"),
    FIELD(0, FT_OPTINT, struct modify_subnet, lni, "EnableLniAtDeviceIndex"),
    FIELD(0, FT_TRI, struct modify_subnet, no_lni, "DisableLniAtDeviceIndex.Value"),
};
static const struct desc modify_subnet_desc =
    DESC("ModifySubnetAttribute", struct modify_subnet, modify_subnet_fields);

static void set_bool(bool *dst, uint8_t tri) {
    if (tri)
        *dst = tri == TRI_TRUE;
}

static int modify_subnet_attribute(struct call *c, const void *params) {
    const struct modify_subnet *p = params;
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    int given = !!p->map_public_ip + !!p->assign_ipv6 + !!p->dns64 + !!p->name_a + !!p->name_aaaa +
                !!p->hostname_type;
    struct subnet *n;

    if (!s)
        return -1;
    if (p->map_customer_ip || p->customer_pool || p->lni.set || p->no_lni)
        return call_error(c, "UnsupportedOperation",
                          "The subnet '%s' is not on an Outpost: it has no customer-owned "
                          "addresses and no local network interfaces.",
                          s->o.id);
    if (given != 1)
        return call_error(c, "InvalidParameterCombination",
                          "Exactly one attribute must be specified.");
    if (p->hostname_type && strcmp(p->hostname_type, "ip-name") != 0 &&
        strcmp(p->hostname_type, "resource-name") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter privateDnsHostnameTypeOnLaunch is invalid. "
                          "It must be ip-name "
                          "or resource-name.",
                          p->hostname_type);
    if (p->assign_ipv6 == TRI_TRUE && !subnet_cidr6(s))
        return call_error(c, "InvalidParameterValue",
                          "Invalid value 'true' for assignIpv6AddressOnCreation. Subnet must have "
                          "IPv6 CIDR block "
                          "associated first.");
    n = txn_edit(c->txn, s);
    if (!n)
        return call_no_memory(c);
    set_bool(&n->map_public_ip, p->map_public_ip);
    set_bool(&n->assign_ipv6, p->assign_ipv6);
    set_bool(&n->dns64, p->dns64);
    set_bool(&n->resource_name_dns_a, p->name_a);
    set_bool(&n->resource_name_dns_aaaa, p->name_aaaa);
    if (p->hostname_type)
        obj_set(&n->o, &n->hostname_type, p->hostname_type);
    txn_put(c->txn, n);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"ModifySubnetAttribute", &modify_subnet_desc, modify_subnet_attribute},
};
ACTIONS(subnet_attribute_actions, rows);
