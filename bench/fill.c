/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a state directory with network interfaces, through the code that calls use, so that what is
 * measured on it is what many calls would have left:
 *
 *     bench-fill STATE-DIR ACCOUNT INTERFACES
 *
 *     VPC 10.N.0.0/16 -- 16 subnets /20 -- up to 4,000 interfaces each, in the default group
 *
 * Prints the id of the last VPC, subnet and group, then some interfaces' ids, a line each. vpcd
 * must not run on it meanwhile.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/actions.h"
#include "api/limits.h"
#include "base/io.h"

#define PER_SUBNET 4000
#define SUBNETS 16
#define PER_CALL 500
#define SHOWN 1000

static struct {
    struct event_base *base;
    struct state *state;
    struct api *api;
    uint64_t account;
    long wanted, made;
    char vpc[64], subnet[64], group[64];
    bool done;
    int status;
} F;

static const struct list none;

static int make_account(struct call *c) {
    char id[16];
    struct account *a;

    snprintf(id, sizeof(id), "%012llu", (unsigned long long)F.account);
    if (!index_get(c->ix, KIND_ACCOUNT, (struct scope){0}, id)) {
        a = txn_new(c->txn, KIND_ACCOUNT, (struct scope){0}, id);
        a->created = c->now;
        limit_set(a, LIMIT_NETWORK_INTERFACES, F.wanted + 100000);
        txn_put(c->txn, a);
    }
    return defaults_make(c);
}

static int make_vpc(struct call *c) {
    struct vpc_parts parts = {0};
    const struct vpc *v;
    char text[32];

    snprintf(text, sizeof(text), "10.%ld.0.0/16", F.made / (PER_SUBNET * SUBNETS));
    cidr_parse(text, &parts.cidr);
    v = vpc_create(c, &parts, &none);
    if (v)
        snprintf(F.vpc, sizeof(F.vpc), "%s", v->o.id);
    return v ? 0 : -1;
}

static int make_subnet(struct call *c) {
    const struct vpc *v = index_get(c->ix, KIND_VPC, c->scope, F.vpc);
    struct cidr cidr = {.ip = ip_add(&v->cidr.ip, F.made / PER_SUBNET % SUBNETS * 4096), .len = 20};
    static const struct cidr no_cidr6;
    const struct subnet *s = subnet_create(c, v, "us-east-1a", &cidr, &no_cidr6, &none);

    if (s)
        snprintf(F.subnet, sizeof(F.subnet), "%s", s->o.id);
    return s ? 0 : -1;
}

static int make_interfaces(struct call *c) {
    struct eni_wish wish = {.subnet = index_get(c->ix, KIND_SUBNET, c->scope, F.subnet),
                            .description = "of a benchmark",
                            .addresses6_count = 0};

    for (int i = 0; i < PER_CALL && F.made < F.wanted; i++, F.made++) {
        const struct network_interface *eni = eni_create(c, &wish);

        if (!eni)
            return -1;
        snprintf(F.group, sizeof(F.group), "%s", list_str(eni->groups, 0));
    }
    return 0;
}

static int run(struct txn *t, void *arg) {
    static struct buf body;
    int (*step)(struct call * c) = *(int (**)(struct call *))arg;
    struct call c = {.api = F.api,
                     .scope = {.account = F.account, .region = region_by_name("us-east-1")},
                     .txn = t,
                     .ix = txn_index(t),
                     .look = {.ix = txn_index(t)},
                     .xml = {.out = &body},
                     .body = &body,
                     .filters = &none,
                     .now = time_ms()};
    int r = step(&c);

    if (c.error_code)
        fprintf(stderr, "bench-fill: %s: %s\n", c.error_code, c.error_message);
    buf_reset(&body);
    free(c.error_message);
    return r;
}

static void done(void *arg, int status) {
    F.done = true;
    F.status = status;
}

/* One step as one call, durable when this returns. */
static void call(int (*step)(struct call *c)) {
    long before = F.made;

    F.done = false;
    state_call(F.state, run, done, &step);
    while (!F.done)
        event_base_loop(F.base, EVLOOP_ONCE);
    if (F.status < 0 || (step == make_interfaces && F.made == before)) {
        fprintf(stderr, "bench-fill: stopped at %ld of %ld\n", F.made, F.wanted);
        exit(1);
    }
}

/* Some of them, spread over all. */
static void show(void) {
    struct scope scope = {.account = F.account, .region = region_by_name("us-east-1")};
    long every = F.made / SHOWN ? F.made / SHOWN : 1, n = 0;
    struct cursor cur;

    printf("%s\n%s\n%s\n", F.vpc, F.subnet, F.group);
    index_each_in(state_index(F.state), cur, KIND_NETWORK_INTERFACE, scope) {
        if (n++ % every == 0)
            printf("%s\n", ((const struct obj *)cur.obj)->id);
    }
}

int main(int argc, char **argv) {
    struct store_options options = {0};
    struct api_config config = {.paper = true};
    char dir[4096], error[STORE_TEXT] = "";

    if (argc != 4) {
        fprintf(stderr, "Usage: bench-fill STATE-DIR ACCOUNT INTERFACES\n");
        return 2;
    }
    F.account = strtoull(argv[2], NULL, 10);
    F.wanted = strtol(argv[3], NULL, 10);
    snprintf(dir, sizeof(dir), "%s/db", argv[1]);
    F.base = event_base_new();
    if (make_dirs(dir, 0700) < 0 ||
        state_open(F.base, "sqlite", dir, &options, &F.state, error) < 0) {
        fprintf(stderr, "bench-fill: %s: %s\n", dir, error);
        return 1;
    }
    config.state = F.state;
    cidr_parse("203.0.113.0/24", &config.public_pool);
    cidr_parse("2001:db8:4700::/40", &config.ipv6_pool);
    if (api_new(&config, &F.api, error) < 0)
        return 1;
    call(make_account);
    while (F.made < F.wanted) {
        if (F.made % (PER_SUBNET * SUBNETS) == 0)
            call(make_vpc);
        if (F.made % PER_SUBNET == 0)
            call(make_subnet);
        call(make_interfaces);
    }
    show();
    api_free(F.api);
    state_close(F.state);
    event_base_free(F.base);
    return 0;
}
