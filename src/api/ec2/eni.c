/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and unmaking network interfaces.
 *
 * What an interface has and nobody else may have is claimed in its name: its private addresses
 * (eni_claim.c), and its MAC by the claim mac/VPC/MAC. Its set of groups is counted (sgset.c).
 * Public addresses: address.c.
 */
#include "api/ec2/eni.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/ec2/flow_log.h"
#include "api/limits.h"
#include "base/io.h"
#include "base/text.h"

int eni_check_managed(struct call *c, const struct network_interface *eni) {
    if (eni->requester_managed)
        return call_error(c, "OperationNotPermitted",
                          "The network interface '%s' is managed by a service, and changed through "
                          "it alone.",
                          eni->o.id);
    return 0;
}

const struct network_interface *eni_only(struct call *c, const struct instance *i) {
    const struct network_interface *eni = NULL;
    struct cursor cur;
    size_t n = 0;

    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, i->o.id) {
        eni = cur.obj;
        n++;
    }
    if (n == 1)
        return eni;
    call_error(c, "InvalidInstanceID",
               "There are %s interfaces attached to instance '%s'. Please specify an interface ID "
               "for the operation instead.",
               n ? "multiple" : "no", i->o.id);
    return NULL;
}

const struct instance_type *eni_instance_type(struct call *c, const struct network_interface *eni) {
    const struct instance *i =
        eni->instance_id ? txn_get(c->txn, KIND_INSTANCE, c->scope, eni->instance_id) : NULL;

    return i ? instance_type_find(i->type) : NULL;
}

/* Groups */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The ids in order, each once, all of groups of the VPC. */
static int groups_settle(struct call *c, const struct vpc *v, const struct list *ids,
                         struct list *ret_groups) {
    const struct security_group *g;

    if (!ids || !ids->n) {
        g = vpc_default_group(c->ix, v->o.id);
        if (!g || strs_add(ret_groups, g->o.id) < 0)
            return call_no_memory(c);
        txn_depend(c->txn, g);
        return 0;
    }
    list_each (char *, id, *ids) {
        if (strs_has(ret_groups, *id))
            continue;
        g = call_get(c, KIND_SECURITY_GROUP, *id);
        if (!g)
            return -1;
        if (!security_group_in_vpc(g, v->o.id))
            return call_error(c, "InvalidParameter",
                              "Security group %s and subnet belong to different networks.", *id);
        if (strs_add(ret_groups, *id) < 0)
            return call_no_memory(c);
        if (ret_groups->n > interface_groups_max(c))
            return call_error(c, "SecurityGroupsPerInterfaceLimitExceeded",
                              "The maximum number of security groups per interface has been "
                              "reached: %lld.",
                              (long long)interface_groups_max(c));
    }
    qsort(ret_groups->items, ret_groups->n, sizeof(char *), by_text);
    return 0;
}

static void strs_clear(struct list *l) {
    list_each (char *, s, *l)
        free(*s);
    free(l->items);
    *l = (struct list){0};
}

int eni_set_groups(struct call *c, struct network_interface *eni, const struct list *groups) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, eni->vpc_id);
    struct list settled = {0};
    int64_t number;
    int r = v ? groups_settle(c, v, groups, &settled) : call_no_memory(c);

    if (r == 0)
        r = sgset_take(c, v, &settled, &number);
    if (r < 0) {
        strs_clear(&settled);
        return r;
    }
    if (eni->sgset)
        sgset_drop(c, eni->vpc_id, eni->sgset);
    eni->sgset = number;
    strs_clear(&eni->groups);
    eni->groups = settled;
    return 0;
}

/* Interfaces */

static char *mac_claim(const struct network_interface *eni, char *out) {
    char text[MAC_TEXT];

    snprintf(out, ID_MAX + 1, "mac/%s/%s", eni->vpc_id, mac_format(eni->mac, text));
    return out;
}

static void make_mac(struct call *c, struct network_interface *eni) {
    char claim[ID_MAX + 1];

    do {
        random_bytes(eni->mac, sizeof(eni->mac));
        eni->mac[0] = 0x02; /* locally administered, unicast */
    } while (!txn_claim(c->txn, c->scope, mac_claim(eni, claim), eni->o.id));
}

/* Address number i comes before the others, whose order stays. */
static void make_primary(struct network_interface *eni, uint32_t i) {
    struct eni_address *a = eni->addresses.items, chosen = a[i];

    memmove(a + 1, a, i * sizeof(*a));
    a[0] = chosen;
    list_each (struct eni_address, each, eni->addresses)
        each->primary = each == a;
}

/* What is asked for by name comes before what is taken from the rest. */
static int add_prefixes(struct call *c, struct network_interface *eni, const struct subnet *s,
                        uint8_t family, const struct list *wanted, int64_t count) {
    if (wanted) {
        list_each (struct prefix_param, p, *wanted)
            if (eni_add_prefix(c, eni, s, family, &p->cidr) < 0)
                return -1;
    }
    for (int64_t i = 0; i < count; i++)
        if (eni_add_prefix(c, eni, s, family, NULL) < 0)
            return -1;
    return 0;
}

static int add_ipv4(struct call *c, struct network_interface *eni, const struct eni_wish *w) {
    if (w->primary && eni_add_address(c, eni, w->subnet, IP_V4, w->primary) < 0)
        return -1;
    if (w->secondary) {
        list_each (struct private_ip_param, p, *w->secondary) {
            if (p->primary != TRI_TRUE && eni_add_address(c, eni, w->subnet, IP_V4, &p->ip) < 0)
                return -1;
        }
    }
    if (add_prefixes(c, eni, w->subnet, IP_V4, w->prefixes, w->prefix_count) < 0)
        return -1;
    for (int64_t i = w->primary ? 1 : 0; i <= w->secondary_count; i++)
        if (eni_add_address(c, eni, w->subnet, IP_V4, NULL) < 0)
            return -1;
    if (!w->primary)
        make_primary(eni, eni->addresses.n - 1);
    return 0;
}

int eni_make_primary6(struct call *c, struct network_interface *eni) {
    if (!eni->addresses6.n)
        return call_error(c, "InvalidParameterCombination",
                          "A primary IPv6 address can only be enabled for an interface that has an "
                          "IPv6 address.");
    list_at(eni->addresses6, struct eni_address, 0)->primary = true;
    return 0;
}

static int add_ipv6(struct call *c, struct network_interface *eni, const struct eni_wish *w) {
    int64_t count = w->addresses6_count;
    bool named = w->addresses6 && w->addresses6->n, primary = w->primary6;

    if (count < 0)
        count = w->subnet->assign_ipv6 && !named && !(w->prefixes6 && w->prefixes6->n) &&
                !w->prefix6_count;
    if (named) {
        list_each (struct ipv6_param, p, *w->addresses6) {
            if (eni_add_address(c, eni, w->subnet, IP_V6, &p->ip) < 0)
                return -1;
            primary |= p->primary == TRI_TRUE && eni->addresses6.n == 1;
        }
    }
    if (add_prefixes(c, eni, w->subnet, IP_V6, w->prefixes6, w->prefix6_count) < 0)
        return -1;
    for (int64_t i = 0; i < count; i++)
        if (eni_add_address(c, eni, w->subnet, IP_V6, NULL) < 0)
            return -1;
    return primary ? eni_make_primary6(c, eni) : 0;
}

static int check_enis_max(struct call *c) {
    int64_t max = limit_of(c->ix, c->scope.account, LIMIT_NETWORK_INTERFACES);

    if ((int64_t)index_count_in(c->ix, KIND_NETWORK_INTERFACE, c->scope) >= max)
        return call_error(c, "NetworkInterfaceLimitExceeded",
                          "The maximum number of network interfaces has been reached: %lld.",
                          (long long)max);
    return 0;
}

const struct network_interface *eni_create(struct call *c, const struct eni_wish *w) {
    struct network_interface *eni;

    if (check_enis_max(c) < 0)
        return NULL;
    eni = call_new(c, KIND_NETWORK_INTERFACE);
    if (!eni) {
        call_no_memory(c);
        return NULL;
    }
    txn_touch(c->txn, w->subnet); /* its deletion must not miss this interface */
    obj_set(&eni->o, &eni->vpc_id, w->subnet->vpc_id);
    obj_set(&eni->o, &eni->subnet_id, w->subnet->o.id);
    obj_set(&eni->o, &eni->zone, w->subnet->zone);
    obj_set(&eni->o, &eni->description, w->description ? w->description : "");
    obj_set(&eni->o, &eni->interface_type, w->interface_type ? w->interface_type : "interface");
    eni->source_dest_check = !w->requester_managed;
    eni->requester_managed = w->requester_managed;
    eni->tracking = w->tracking;
    if (eni->o.no_memory) {
        call_no_memory(c);
        return NULL;
    }
    /* What a gateway has is no instance's: no group holds for it. */
    if ((!w->requester_managed && eni_set_groups(c, eni, w->groups) < 0) ||
        add_ipv4(c, eni, w) < 0 || add_ipv6(c, eni, w) < 0 || eni_check_counts(c, NULL, eni) < 0 ||
        (w->tag_specifications && call_tags(c, w->tag_specifications, eni) < 0))
        return NULL;
    make_mac(c, eni);
    txn_put(c->txn, eni);
    return eni;
}

int eni_delete(struct call *c, const struct network_interface *eni) {
    struct network_interface *copy = txn_edit(c->txn, eni);
    char claim[ID_MAX + 1];

    if (!copy)
        return call_no_memory(c);
    for (size_t i = 0; i < 2; i++) {
        const uint8_t family = i ? IP_V6 : IP_V4;

        while (eni_addresses(copy, family)->n)
            eni_cut_address(c, copy, family, eni_addresses(copy, family)->n - 1);
        while (eni_prefixes(copy, family)->n)
            eni_cut_prefix(c, copy, family, eni_prefixes(copy, family)->n - 1);
    }
    txn_release(c->txn, c->scope, mac_claim(copy, claim));
    sgset_drop(c, copy->vpc_id, copy->sgset);
    flow_logs_drop(c, copy->o.id);
    eni_permissions_drop(c, copy->o.id);
    txn_delete(c->txn, eni);
    return 0;
}
