/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows live through a change of their layout. This program opens flows with layout 2; then
 * migrate_next, which is built with layout 3, opens the same pins and goes on with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "migrate.h"

static struct world w;
static struct world_eni a, b;

static int setup(void **state) {
    static const struct world_rule out = {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0};

    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 100);
    a = world_eni(&w, 1, 1, 1, 0);
    b = world_eni(&w, 2, 1, 1, 0);
    world_addr(&w, &a, "10.0.1.4", NULL);
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_rules(&w, &a, &out, 1);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

static void open_flow(uint16_t port) {
    struct packet k = migrate_packet(true, port, SYN);

    expect_pass(&w, &a, &k, NULL);
    k = migrate_packet(false, port, SYN | ACK);
    expect_pass(&w, &b, &k, NULL);
    k = migrate_packet(true, port, ACK);
    expect_pass(&w, &a, &k, NULL);
}

static void test_migrate(void **state) {
    static const struct world_rule in[] = {{DIR_INGRESS, 4, IPPROTO_TCP, 80, 80, "10.0.0.0/8", 0}};
    const char *next = getenv("MIGRATE_NEXT");

    assert_non_null(next);
    world_rules(&w, &b, in, 1);
    open_flow(MIGRATE_FIRST);
    open_flow(MIGRATE_SECOND);
    world_rules(&w, &b, in, 0);
    world_bump(&w, 1, false, true);
    struct packet k = migrate_packet(true, MIGRATE_NONE, SYN);
    expect_drop(&w, &a, &k, DROP_GROUP_INGRESS);
    dataplane_close(w.dp);
    w.dp = NULL;
    world_run("%s %s", next, w.pin_dir);
}

/* Layout 3 with nothing before it. */
static void test_fresh(void **state) {
    world_run("%s %s-fresh fresh", getenv("MIGRATE_NEXT"), w.pin_dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_migrate),
        cmocka_unit_test(test_fresh),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
