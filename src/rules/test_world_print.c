/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/text.h"
#include "model/account.h"
#include "model/gateway.h"
#include "model/nat_gateway.h"
#include "model/network_acl.h"
#include "model/peering.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "rules/test_world.h"

static const char *text(const struct ip *ip) {
    static char out[4][IP_TEXT];
    static int i;

    return ip_format(ip, out[i++ & 3]);
}

static void print_groups(const struct world *w) {
    struct cursor c;
    char cidr[CIDR_TEXT], protocol[16];

    index_each_all(w->ix, c, KIND_SECURITY_GROUP) {
        const struct security_group *g = c.obj;

        printf("  %s of %s\n", g->o.id, g->vpc_id);
        list_each (struct sg_rule, r, g->rules)
            printf("    %s %s %lld-%lld %s%s%s%s\n", r->egress ? "out" : "in ",
                   sg_protocol_name(r->protocol, protocol), (long long)r->from, (long long)r->to,
                   r->prefix_list_id ? r->prefix_list_id : cidr_format(&r->cidr, cidr),
                   r->group_id ? r->group_id : "", r->peering_id ? " by " : "",
                   r->peering_id ? r->peering_id : "");
    }
    index_each_all(w->ix, c, KIND_SGSET) {
        const struct sgset *s = c.obj;

        printf("  set %s:", s->o.id);
        list_each (char *, g, s->groups)
            printf(" %s", *g);
        printf("\n");
    }
}

static void print_paths(const struct world *w) {
    struct cursor c;
    char cidr[CIDR_TEXT];

    index_each_all(w->ix, c, KIND_SUBNET) {
        const struct subnet *s = c.obj;
        const struct cidr *c6 = subnet_cidr6(s);
        const struct route_table *t = route_table_of_subnet(w->ix, s->vpc_id, s->o.id);

        printf("  %s of %s: %s", s->o.id, s->vpc_id, cidr_format(&s->cidr, cidr));
        printf(" %s, routes %s, acl %s\n", c6 ? cidr_format(c6, cidr) : "", t ? t->o.id : "none",
               s->acl_id ? s->acl_id : "none");
    }
    index_each_all(w->ix, c, KIND_ROUTE_TABLE) {
        const struct route_table *t = c.obj;

        printf("  %s of %s\n", t->o.id, t->vpc_id);
        list_each (struct route_association, a, t->associations)
            if (a->gateway_id)
                printf("    of %s\n", a->gateway_id);
        list_each (struct route, r, t->routes)
            printf("    %s -> %s%s\n",
                   r->prefix_list_id ? r->prefix_list_id : cidr_format(&r->cidr, cidr), r->target,
                   r->origin == ROUTE_ORIGIN_PROPAGATED ? " (propagated)" : "");
    }
    index_each_all(w->ix, c, KIND_INTERNET_GATEWAY) {
        const struct internet_gateway *g = c.obj;

        printf("  %s at %s\n", g->o.id, g->vpc_id ? g->vpc_id : "nothing");
    }
    index_each_all(w->ix, c, KIND_NAT_GATEWAY) {
        const struct nat_gateway *g = c.obj;

        printf("  %s in %s of %s: state %d, %s:", g->o.id, g->subnet_id, g->vpc_id, g->state,
               g->connectivity == NAT_PUBLIC ? "public" : "private");
        list_each (struct nat_address, a, g->addresses)
            printf(" %s %s", text(&a->ip), text(&a->public_ip));
        printf("\n");
    }
    index_each_all(w->ix, c, KIND_EGRESS_ONLY_GATEWAY)
        printf("  %s at %s\n", ((const struct obj *)c.obj)->id,
               ((const struct egress_only_gateway *)c.obj)->vpc_id);
    index_each_all(w->ix, c, KIND_PEERING) {
        const struct peering *p = c.obj;

        printf("  %s: %s - %s, status %d\n", p->o.id, p->requester.vpc_id, p->accepter.vpc_id,
               p->status);
    }
}

static void print_acls(const struct world *w) {
    char cidr[CIDR_TEXT], protocol[16];
    struct cursor c;

    index_each_all(w->ix, c, KIND_NETWORK_ACL) {
        const struct network_acl *a = c.obj;

        printf("  %s of %s\n", a->o.id, a->vpc_id);
        list_each (struct acl_entry, e, a->entries)
            printf("    %s %lld %s %s ports %lld-%lld type %lld code %lld %s\n",
                   e->egress ? "out" : "in ", (long long)e->number, e->allow ? "allow" : "deny ",
                   sg_protocol_name(e->protocol, protocol), (long long)e->from.v,
                   (long long)e->to.v, (long long)e->icmp_type.v, (long long)e->icmp_code.v,
                   cidr_format(&e->cidr, cidr));
    }
    index_each_all(w->ix, c, KIND_PREFIX_LIST) {
        const struct prefix_list *pl = c.obj;

        printf("  %s:", pl->o.id);
        list_each (struct prefix_entry, e, pl->entries)
            printf(" %s", cidr_format(&e->cidr, cidr));
        printf("\n");
    }
}

void world_print(const struct world *w) {
    struct cursor c;
    char cidr[CIDR_TEXT], mac[MAC_TEXT];

    index_each_all(w->ix, c, KIND_VPC) {
        printf("  %s: %s\n", ((const struct obj *)c.obj)->id,
               cidr_format(&((const struct vpc *)c.obj)->cidr, cidr));
    }
    print_paths(w);
    print_acls(w);
    print_groups(w);
    index_each_all(w->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *e = c.obj;

        printf("  %s of %s in %s: %s, set %lld, check %d, %s\n", e->o.id, e->vpc_id, e->subnet_id,
               mac_format(e->mac, mac), (long long)e->sgset, e->source_dest_check,
               e->instance_id ? "attached" : "not attached");
        list_each (struct eni_address, a, e->addresses)
            printf("    %s %s\n", text(&a->ip), text(&a->public_ip));
        list_each (struct eni_address, a, e->addresses6)
            printf("    %s\n", text(&a->ip));
        list_each (struct eni_prefix, p, e->prefixes)
            printf("    %s\n", cidr_format(&p->cidr, cidr));
        list_each (struct eni_prefix, p, e->prefixes6)
            printf("    %s\n", cidr_format(&p->cidr, cidr));
    }
    fflush(stdout);
}
