/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways that keep state: the addresses of NAT gateways, and who has an egress-only gateway. */
#include <errno.h>

#include "model/gateway.h"
#include "model/index.h"
#include "model/nat_gateway.h"
#include "rules/compile.h"

static void nat_addr(uint32_t vpc, const struct ip *ip, const struct nat_addr_value *v,
                     struct entries *out) {
    struct addr_key key = {.vpc = vpc, .family = ip->family, .addr = compile_addr(ip)};

    entries_add(out, ENTRY_NAT_ADDRS, &key, v);
}

int compile_nat(const struct index *ix, const struct compile_env *env,
                const struct nat_gateway *nat, struct entries *out) {
    struct nat_key key = {0};
    struct nat_value v = {0};
    struct cursor c;
    bool internet;
    int r;

    if (nat->state != NAT_AVAILABLE)
        return 0;
    if ((r = env->number_of(env->data, NUMBER_NAT, nat->o.id, &key.nat)) < 0 ||
        (r = env->number_of(env->data, NUMBER_VPC, nat->vpc_id, &v.vpc)) < 0 ||
        (r = env->number_of(env->data, NUMBER_SUBNET, nat->subnet_id, &v.subnet)) < 0)
        return r;
    internet = cursor_by(ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, nat->vpc_id);
    list_each (struct nat_address, a, nat->addresses) {
        struct nat_source_key source_key = {.nat = key.nat, .index = v.sources};
        struct nat_source_value source = {.private_addr = compile_addr(&a->ip)};
        struct nat_addr_value here = {.nat = key.nat, .index = v.sources};

        if (a->failure || v.sources == MAX_NAT_SOURCES)
            continue;
        v.sources++;
        nat_addr(v.vpc, &a->ip, &here, out);
        if (nat->connectivity == NAT_PUBLIC && a->public_ip.family) {
            source.public_addr = compile_addr(&a->public_ip);
            if (internet)
                nat_addr(0, &a->public_ip, &here, out);
        }
        entries_add(out, ENTRY_NAT_SOURCES, &source_key, &source);
    }
    if (v.sources)
        entries_add(out, ENTRY_NATS, &key, &v);
    return out->failed ? -ENOMEM : 0;
}

int compile_egress_gateway(const struct index *ix, const struct compile_env *env,
                           const struct egress_only_gateway *gateway, struct entries *out) {
    struct egress_gateway_value v = {0};
    struct vpc_key key = {0};
    int r;

    (void)ix;
    if (!gateway->vpc_id)
        return 0;
    if ((r = env->number_of(env->data, NUMBER_EGRESS_GATEWAY, gateway->o.id, &v.gateway)) < 0 ||
        (r = env->number_of(env->data, NUMBER_VPC, gateway->vpc_id, &key.vpc)) < 0)
        return r;
    entries_add(out, ENTRY_EGRESS_GATEWAYS, &key, &v);
    return out->failed ? -ENOMEM : 0;
}
