/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What came to an end is shown for a while and then gone: gateways for an hour, peerings as the VPC
 * peering guide says. And a request for a peering that nobody answers ends by itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/ec2/gateway.h"
#include "api/test_calls.h"

#define MINUTE (60 * 1000ll)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* One object that came to its end so long ago. */
struct past {
    enum kind kind;
    const char *id;
    int64_t ago;
    bool stays;
    uint8_t state; /* NAT gateways, peerings */
};
static const struct past objects[] = {
    {KIND_NAT_GATEWAY, "nat-0", 61 * MINUTE, false, NAT_DELETED},
    {KIND_NAT_GATEWAY, "nat-1", 59 * MINUTE, true, NAT_DELETED},
    {KIND_NAT_GATEWAY, "nat-2", 61 * MINUTE, false, NAT_FAILED},
    {KIND_NAT_GATEWAY, "nat-3", 59 * MINUTE, true, NAT_FAILED},
    {KIND_NAT_GATEWAY, "nat-4", 99 * DAY, true, NAT_AVAILABLE},
    {KIND_VPN_GATEWAY, "vgw-0", 61 * MINUTE, false, 0},
    {KIND_VPN_GATEWAY, "vgw-1", 59 * MINUTE, true, 0},
    {KIND_CUSTOMER_GATEWAY, "cgw-0", 61 * MINUTE, false, 0},
    {KIND_CUSTOMER_GATEWAY, "cgw-1", 59 * MINUTE, true, 0},
    {KIND_PEERING, "pcx-0", MINUTE, false, PEERING_REJECTED},
    {KIND_PEERING, "pcx-1", -MINUTE, true, PEERING_REJECTED},
    {KIND_PEERING, "pcx-2", 99 * DAY, true, PEERING_ACTIVE},
    {KIND_PEERING, "pcx-3", 49 * HOUR, false, PEERING_PENDING}, /* expired so long ago */
    {KIND_PEERING, "pcx-4", 47 * HOUR, true, PEERING_PENDING},
    {KIND_PEERING, "pcx-5", -DAY, true, PEERING_PENDING}, /* not yet */
};
#define N (sizeof(objects) / sizeof(objects[0]))

static void fill_peering(struct peering *p, const struct past *past, int64_t time) {
    obj_set(&p->o, &p->requester.vpc_id, "vpc-1");
    obj_set(&p->o, &p->requester.account, "000000000001");
    obj_set(&p->o, &p->requester.region, "us-east-1");
    obj_set(&p->o, &p->accepter.vpc_id, "vpc-2");
    obj_set(&p->o, &p->accepter.account, "000000000001");
    obj_set(&p->o, &p->accepter.region, "us-east-1");
    p->status = past->state;
    if (past->state == PEERING_PENDING)
        p->expires = time;
    else if (past->state != PEERING_ACTIVE)
        p->gone = time;
}

static int make(struct call *c, void *arg) {
    for (size_t i = 0; i < N; i++) {
        const struct past *past = &objects[i];
        int64_t time = c->now - past->ago;
        void *o = txn_new(c->txn, past->kind, calls_scope, past->id);

        if (past->kind == KIND_NAT_GATEWAY) {
            ((struct nat_gateway *)o)->state = past->state;
            ((struct nat_gateway *)o)->created = time;
            if (past->state == NAT_DELETED)
                ((struct nat_gateway *)o)->deleted = time;
        } else if (past->kind == KIND_VPN_GATEWAY) {
            ((struct vpn_gateway *)o)->deleted = time;
        } else if (past->kind == KIND_CUSTOMER_GATEWAY) {
            ((struct customer_gateway *)o)->deleted = time;
        } else {
            fill_peering(o, past, time);
        }
        txn_put(c->txn, o);
    }
    return 0;
}

static void on_step(void *arg, bool more) {
    assert_false(more);
    *(bool *)arg = true;
}

static int nothing(struct call *c, void *arg) {
    return 0;
}

static void test_the_sweep_takes_what_had_its_time(void **s) {
    struct calls_ask first = {.run = make}, after = {.run = nothing};
    bool done = false;

    calls_ask(&first);
    api_sweep(calls_api(), on_step, &done);
    calls_ask(&after);
    assert_true(done);
    for (size_t i = 0; i < N; i++)
        if (!index_get(calls_index(), objects[i].kind, calls_scope, objects[i].id) ==
            objects[i].stays)
            fail_msg("%s %s", objects[i].id, objects[i].stays ? "went" : "stays");
}

static void refused(const char *action, const char *id) {
    char params[64];
    struct calls_ask a = {.family = &peering_actions, .name = action, .params = params};

    snprintf(params, sizeof(params), "VpcPeeringConnectionId=%s", id);
    calls_ask(&a);
    assert_string_equal(a.code, "InvalidStateTransition");
}

static void test_an_expired_request_cannot_be_answered(void **s) {
    const char *shown = calls_act(&peering_actions, "DescribeVpcPeeringConnections",
                                  "VpcPeeringConnectionId.1=pcx-4", "code");

    assert_string_equal(shown, "expired");
    refused("AcceptVpcPeeringConnection", "pcx-4");
    refused("RejectVpcPeeringConnection", "pcx-4");
    refused("DeleteVpcPeeringConnection", "pcx-4");
    shown = calls_act(&peering_actions, "DescribeVpcPeeringConnections",
                      "VpcPeeringConnectionId.1=pcx-5", "code");
    assert_string_equal(shown, "pending-acceptance");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_sweep_takes_what_had_its_time),
        cmocka_unit_test(test_an_expired_request_cannot_be_answered),
    };

    return cmocka_run_group_tests_name("past", tests, calls_setup, calls_teardown);
}
