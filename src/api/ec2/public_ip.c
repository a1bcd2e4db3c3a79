/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public addresses of the pool.
 *
 *     claim  public/ADDRESS    owner: the elastic IP (eipalloc-) or, for an address given at
 *                              launch, the interface
 *     claim  public-cursor     owner: the address given out last
 *
 * all in the scope of nobody, as the pool is one for all accounts and regions. The search goes on
 * behind the last address given, round the pool: packets may still be on their way to an address
 * just released, so it is the last to be given out again. An account may have a share of the pool,
 * over all regions.
 */
#include <stdio.h>
#include <string.h>

#include "api/ec2/eni.h"

#define POOL_TINY 64 /* a smaller pool is not shared out: the first account may have all of it */

static const struct scope everybody;

static char *public_claim(const struct ip *ip, char *out) {
    char text[IP_TEXT];

    snprintf(out, ID_MAX + 1, "public/%s", ip_format(ip, text));
    return out;
}

/* Not the network's address, not the host's (the first), not the last. */
bool public_ip_usable(const struct cidr *pool, const struct ip *ip) {
    struct ip host = ip_add(&pool->ip, 1), last = cidr_last(pool);

    return cidr_contains_ip(pool, ip) && !ip_equal(ip, &pool->ip) && !ip_equal(ip, &host) &&
           !ip_equal(ip, &last);
}

bool public_ip_claim(struct call *c, const struct ip *ip, const char *owner) {
    char claim[ID_MAX + 1];

    return txn_claim(c->txn, everybody, public_claim(ip, claim), owner);
}

static struct ip last_given(struct call *c, const struct cidr *pool) {
    const struct claim *cursor = index_get(c->ix, KIND_CLAIM, everybody, "public-cursor");
    struct ip ip;

    return cursor && ip_parse(cursor->owner, &ip) == 0 && cidr_contains_ip(pool, &ip) ? ip
                                                                                      : pool->ip;
}

static void set_last_given(struct call *c, const struct ip *ip) {
    char text[IP_TEXT];

    txn_release(c->txn, everybody, "public-cursor");
    txn_claim(c->txn, everybody, "public-cursor", ip_format(ip, text));
}

/* Usable addresses: all but the network's, the host's and the last. */
unsigned public_ip_share(const struct api_config *config) {
    uint64_t size = cidr_size(&config->public_pool);
    uint64_t all = size > 3 ? size - 3 : 0, share = all < POOL_TINY ? all : all / 2;

    return config->account_addresses ? config->account_addresses : (unsigned)share;
}

/* Elastic addresses, and those given at launch, which are in interfaces only. */
static int64_t count_public(struct call *c) {
    int64_t n = 0;

    for (uint16_t region = 1; region <= region_count(); region++) {
        const struct scope scope = {.account = c->scope.account, .region = region};

        n += (int64_t)index_count_in(c->ix, KIND_ADDRESS, scope);
        n += index_sum_in(c->ix, KIND_NETWORK_INTERFACE, scope, WEIGHT_PUBLIC_IPS);
    }
    return n;
}

/* How many public addresses the account may still get. */
static int64_t public_left(struct call *c) {
    if (!c->public_counted) {
        c->public_left = (int64_t)public_ip_share(api_config(c->api)) - count_public(c);
        c->public_counted = true;
    }
    return c->public_left;
}

int public_ip_take(struct call *c) {
    if (public_left(c) <= 0)
        return call_error(c, "AddressLimitExceeded",
                          "The account has reached its limit of %u public IPv4 addresses, elastic "
                          "ones and those of instances, in all regions together.",
                          public_ip_share(api_config(c->api)));
    c->public_left--;
    return 0;
}

static bool claim_free(struct call *c, const char *owner, struct ip *ret_ip) {
    const struct cidr *pool = &api_config(c->api)->public_pool;
    struct ip ip = last_given(c, pool), last = cidr_last(pool);

    for (uint64_t i = cidr_size(pool); i > 0; i--) {
        ip = ip_equal(&ip, &last) ? pool->ip : ip_add(&ip, 1);
        if (public_ip_usable(pool, &ip) && public_ip_claim(c, &ip, owner)) {
            set_last_given(c, &ip);
            *ret_ip = ip;
            return true;
        }
    }
    return false;
}

int public_ip_allocate(struct call *c, const char *owner, struct ip *ret_ip) {
    if (public_ip_take(c) < 0)
        return -1;
    if (claim_free(c, owner, ret_ip))
        return 0;
    return call_error(c, "InsufficientAddressCapacity", "The pool of public addresses is used up.");
}

void public_ip_release(struct call *c, const struct ip *ip) {
    char claim[ID_MAX + 1];

    txn_release(c->txn, everybody, public_claim(ip, claim));
}

void public_ip_drop(struct call *c, struct eni_address *a) {
    const struct address *have =
        a->allocation_id ? index_get(c->ix, KIND_ADDRESS, c->scope, a->allocation_id) : NULL;
    struct address *copy = have ? txn_edit(c->txn, have) : NULL;

    if (a->public_ip.family && !a->allocation_id)
        public_ip_release(c, &a->public_ip);
    if (copy) {
        obj_set(&copy->o, &copy->association_id, NULL);
        obj_set(&copy->o, &copy->eni_id, NULL);
        copy->private_ip = (struct ip){0};
        txn_put(c->txn, copy);
    }
    a->public_ip = (struct ip){0};
    str_set(&a->allocation_id, NULL);
    str_set(&a->association_id, NULL);
}

void public_ips_drop(struct call *c, struct network_interface *eni) {
    list_each (struct eni_address, a, eni->addresses)
        public_ip_drop(c, a);
}

int public_ip_auto(struct call *c, struct network_interface *eni) {
    struct eni_address *a = list_at(eni->addresses, struct eni_address, 0);

    return a->public_ip.family ? 0 : public_ip_allocate(c, eni->o.id, &a->public_ip);
}

bool public_ip_automatic(struct call *c, const struct network_interface *eni) {
    struct cursor cur;
    int count = 0;

    if (!eni->auto_public || !eni->instance_id)
        return false;
    index_each_by(c->ix, cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, eni->instance_id) count++;
    return count == 1;
}

void public_ip_regain(struct call *c, struct network_interface *eni) {
    struct eni_address *a = list_at(eni->addresses, struct eni_address, 0);
    const struct instance *i;

    if (a->public_ip.family || !public_ip_automatic(c, eni))
        return;
    i = txn_get(c->txn, KIND_INSTANCE, c->scope, eni->instance_id);
    if (i && i->state == INSTANCE_RUNNING && public_left(c) > 0 &&
        claim_free(c, eni->o.id, &a->public_ip))
        c->public_left--;
}
