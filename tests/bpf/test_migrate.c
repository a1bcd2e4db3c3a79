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
#include <unistd.h>

#include <bpf/bpf.h>
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

/* ---- from layout 1, which was in use before this one ---- */

static int to_first(const void *key, const void *value, void *arg) {
    const struct flow_value *f = value;
    struct flow_value_1 old = {
        .seq = f->seq,
        .state = f->state,
        .verdict = f->verdict,
        .partner = f->partner,
        .last_ns = f->last_ns,
        .start_ns = f->start_ns,
        .packets = f->packets,
        .bytes = f->bytes,
        .timeouts = f->timeouts,
        .near = f->near,
        .distant = f->distant,
        .tcp_flags = f->tcp_flags,
    };

    return bpf_map_update_elem(*(int *)arg, key, &old, BPF_ANY);
}

static struct flow_value flow(bool from_a, uint16_t port) {
    struct packet k = migrate_packet(from_a, port, ACK);
    struct flow_value f;

    assert_int_equal(world_flow(&w, from_a ? &a : &b, &k, &f), 0);
    return f;
}

/* As if the build before had opened the flows: its table in the place of ours. What it counted was
 * before there were flow logs. */
static void test_from_first(void **state) {
    static const struct world_rule in[] = {{DIR_INGRESS, 4, IPPROTO_TCP, 80, 80, "10.0.0.0/8", 0}};
    LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
    int first = bpf_map_create(BPF_MAP_TYPE_HASH, "flows", sizeof(struct flow_key),
                               sizeof(struct flow_value_1), 1000, &opts);
    _buf_ struct buf err = BUF_INIT;
    struct packet k = migrate_packet(true, MIGRATE_FIRST, ACK);
    struct flow_value f;
    char path[128];

    assert_true(first >= 0);
    world_rules(&w, &b, in, 1);
    open_flow(MIGRATE_FIRST);
    open_flow(MIGRATE_SECOND);
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_FLOWS, to_first, &first), 0);
    world_rules(&w, &b, in, 0);
    world_bump(&w, 1, false, true);
    dataplane_close(w.dp);
    snprintf(path, sizeof path, "%s/flows_v2", w.pin_dir);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/flows_v1", w.pin_dir);
    assert_int_equal(bpf_obj_pin(first, path), 0);
    assert_int_equal(dataplane_open(w.pin_dir, &w.dp, &err), 0);

    expect_pass(&w, &a, &k, NULL);
    f = flow(true, MIGRATE_FIRST);
    assert_int_equal(f.state, FLOW_REPLIED | FLOW_OPEN);
    assert_int_equal(f.packets, 3);
    assert_int_equal(f.told.packets, 2);
    assert_int_equal(f.told.bytes, f.bytes / 3 * 2);
    assert_int_equal(f.told.tcp_flags, SYN);
    assert_int_equal(flow(false, MIGRATE_FIRST).packets, 1);
    assert_int_equal(dataplane_activate(w.dp), 0);
    assert_int_equal(flow(true, MIGRATE_SECOND).told.packets, 2);
    assert_int_equal(access(path, F_OK), -1);
    k = migrate_packet(false, MIGRATE_SECOND, ACK);
    expect_pass(&w, &b, &k, NULL);
    close(first);
}

/* Layout 3 with nothing before it. */
static void test_fresh(void **state) {
    world_run("%s %s-fresh fresh", getenv("MIGRATE_NEXT"), w.pin_dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_from_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrate, setup, teardown),
        cmocka_unit_test(test_fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
