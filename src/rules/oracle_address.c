/* SPDX-License-Identifier: Apache-2.0 */
/* Whose an address is: private, public, inside a VPC, of the host, of nobody. */
#include <string.h>

#include "model/instance.h"
#include "rules/oracle_private.h"

bool within(const struct ip *ip, const char *prefix) {
    struct cidr c;

    return cidr_parse(prefix, &c) == 0 && cidr_contains_ip(&c, ip);
}

bool within_any(const struct ip *ip, const char *const *prefixes) {
    for (; *prefixes; prefixes++)
        if (within(ip, *prefixes))
            return true;
    return false;
}

const char *const multicast[] = {"224.0.0.0/4", "255.255.255.255/32", "ff00::/8", NULL};
/* "This network" and loopback: never on a wire (RFC 6890). */
const char *const host_only[] = {"0.0.0.0/8", "127.0.0.0/8", "::/128", "::1/128", NULL};
const char *const link_local[] = {"169.254.0.0/16", "fe80::/10", NULL};
/* AWS: "packets to 169.254.168.0/22 and fd00:ec2::/32 are not forwarded". */
const char *const services[] = {"169.254.0.0/16", "fe80::/10", "fd00:ec2::/32", NULL};
/* What is no address of the internet (RFC 6890). */
const char *const not_global[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10",
                                  "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
                                  "192.168.0.0/16", "240.0.0.0/4",    "::/64",
                                  "fc00::/7",       "fe80::/10",      NULL};

bool is_here(const struct way *w, const struct network_interface *eni) {
    return eni->instance_id && (!w->host->on_host || w->host->on_host(w->host->data, w->ix, eni));
}

/* "The blackhole state indicates that the route's target isn't available" (EC2 API, Route). */
bool is_running(const struct way *w, const struct network_interface *eni) {
    const struct instance *i =
        eni->instance_id ? index_get(w->ix, KIND_INSTANCE, eni->o.scope, eni->instance_id) : NULL;

    return i && i->state != INSTANCE_STOPPED && i->state != INSTANCE_TERMINATED;
}

bool has_private(const struct network_interface *eni, const struct ip *ip) {
    return eni_find(eni, ip) || eni_prefix_of(eni, ip);
}

/* The interface of the VPC that has this private address; NULL: nobody. */
const struct network_interface *find_private(const struct way *w, const char *vpc_id,
                                             const struct ip *ip) {
    struct cursor c;

    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_VPC, vpc_id) {
        if (is_here(w, c.obj) && has_private(c.obj, ip))
            return c.obj;
    }
    return NULL;
}

const struct internet_gateway *gateway_of(const struct way *w, const char *vpc_id) {
    struct cursor c;

    return cursor_by(w->ix, &c, KIND_INTERNET_GATEWAY, IGW_BY_VPC, vpc_id) ? c.obj : NULL;
}

/*
 * The public address that stands for a private one, if any: "An internet gateway performs
 * one-to-one NAT" for IPv4; "IPv6 addresses are globally unique, and therefore public by default".
 */
bool public_of(const struct way *w, const struct network_interface *eni,
               const struct ip *private_ip, struct ip *ret) {
    const struct eni_address *a = eni_find(eni, private_ip);

    if (!gateway_of(w, eni->vpc_id))
        return false;
    *ret = private_ip->family == IP_V6 ? *private_ip : a ? a->public_ip : (struct ip){0};
    return ret->family != IP_NONE;
}

/* The interface behind a public address, and its private address. */
const struct network_interface *find_public(const struct way *w, const struct ip *ip,
                                            struct ip *ret_private) {
    struct ip public_ip;
    char text[IP_TEXT];
    struct cursor c;

    index_each_by(w->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_PUBLIC_IP, ip_format(ip, text)) {
        const struct network_interface *eni = c.obj;

        if (!is_here(w, eni))
            continue;
        list_each (struct eni_address, a, eni->addresses) {
            if (public_of(w, eni, &a->ip, &public_ip) && ip_equal(&public_ip, ip)) {
                *ret_private = a->ip;
                return eni;
            }
        }
    }
    if (ip->family != IP_V6)
        return NULL;
    /* The address that is public is the private one itself. */
    index_each_all(w->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (is_here(w, eni) && has_private(eni, ip) && public_of(w, eni, ip, &public_ip)) {
            *ret_private = *ip;
            return eni;
        }
    }
    return NULL;
}

/* Whether the address lies in one of the VPC's networks, or is somebody's there. */
bool is_inside(const struct way *w, const struct network_interface *eni, const struct ip *ip) {
    const struct vpc *v = index_get(w->ix, KIND_VPC, eni->o.scope, eni->vpc_id);

    if (find_private(w, eni->vpc_id, ip))
        return true;
    if (!v)
        return false;
    if (cidr_contains_ip(&v->cidr, ip))
        return true;
    list_each (struct cidr_association, a, v->cidrs)
        if (cidr_contains_ip(&a->cidr, ip))
            return true;
    list_each (struct cidr_association, a, v->cidrs6)
        if (cidr_contains_ip(&a->cidr, ip))
            return true;
    return false;
}

const struct ip *host_address(const struct way *w, uint8_t family) {
    return family == IP_V4 ? &w->host->address4 : &w->host->address6;
}

bool in_pool(const struct way *w, const struct ip *ip) {
    const struct cidr *pool = ip->family == IP_V4 ? &w->host->pool4 : &w->host->pool6;

    return pool->ip.family && cidr_contains_ip(pool, ip);
}
