/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows by hand: a clock that the test moves, a destination that keeps what it gets.
 *
 *     vpc-a: subnet-a: eni 1 "eni-1", eni 2 "eni-2"        vpc-b: subnet-b: eni 3 "eni-3"
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "flowlog/window.h"

#define FORMAT "${interface-id} ${srcport} ${packets} ${start} ${end} ${action} ${log-status}"
#define BATCHES 256

struct batch {
    char log[32], eni[32], header[128];
    char *lines;
    int64_t start, end;
    bool skipped;
};

static struct {
    struct flowlog *f;
    struct batch batches[BATCHES];
    unsigned n;
    int refuse;
    int64_t held[8];
} t;

static int put(void *arg, const struct spool_meta *meta, const char *lines, size_t len) {
    struct batch *b = &t.batches[t.n];

    if (t.refuse)
        return t.refuse;
    assert_true(t.n < BATCHES);
    assert_true(meta->start <= meta->end && len && lines[len - 1] == '\n');
    *b = (struct batch){.lines = strndup(lines, len),
                        .start = meta->start,
                        .end = meta->end,
                        .skipped = meta->skipped};
    snprintf(b->log, sizeof(b->log), "%s", meta->flow_log);
    snprintf(b->eni, sizeof(b->eni), "%s", meta->eni);
    snprintf(b->header, sizeof(b->header), "%s", meta->header);
    t.n++;
    return 0;
}

static void held(void *arg, uint32_t number, const char *id, enum flowlog_pace pace,
                 int64_t since) {
    assert_int_equal(id[4] - '0', number);
    t.held[number] = since;
}

static void forget(void) {
    while (t.n)
        free(t.batches[--t.n].lines);
}

static void know(uint32_t number, int64_t now) {
    struct flowlog_eni e = {.account = 1, .region = "us-east-1"};
    bool b = number == 3;

    snprintf(e.id, sizeof(e.id), "eni-%u", number);
    strcpy(e.vpc, b ? "vpc-b" : "vpc-a");
    strcpy(e.subnet, b ? "subnet-b" : "subnet-a");
    assert_int_equal(flowlog_eni(t.f, number, b ? 20 : 10, 0, &e, now, 0), 0);
}

static int setup(void **state) {
    const struct flowlog_options o = {
        .window = 60, .records_max = 100, .seed = 4711, .put = put, .held = held};

    memset(&t, 0, sizeof(t));
    assert_int_equal(flowlog_new(&o, &t.f), 0);
    assert_false(flowlog_turn(t.f, 1200, 0, 1000));
    know(1, 1200);
    know(2, 1200);
    know(3, 1200);
    return 0;
}

static int teardown(void **state) {
    flowlog_free(t.f);
    forget();
    return 0;
}

static void log_of(const char *id, const char *resource, uint8_t traffic, bool slow, int64_t now) {
    const struct flowlog_log l = {.id = id,
                                  .resource = resource,
                                  .account = 1,
                                  .region = "us-east-1",
                                  .traffic = traffic,
                                  .destination_type = SPOOL_LOG_GROUP,
                                  .destination = "group",
                                  .format = FORMAT,
                                  .pace = slow ? FLOWLOG_SLOW : FLOWLOG_FAST};

    assert_int_equal(flowlog_log(t.f, &l, now, 0), 0);
}

/* One packet at `second` from eni 1 to 2. */
static void packet(int64_t second, uint16_t sport, uint8_t near_action, uint8_t far_action) {
    const struct log_record raw = {.kind = LOG_FLOW,
                                   .near = 1,
                                   .far = 2,
                                   .vpc = 10,
                                   .near_action = near_action,
                                   .far_action = far_action,
                                   .packets = 1,
                                   .bytes = 40,
                                   .far_packets = 1,
                                   .far_bytes = 40,
                                   .first_ns = (uint64_t)second * 1000000000,
                                   .last_ns = (uint64_t)second * 1000000000,
                                   .key = {.family = 4, .proto = 17, .sport = htobe16(sport)},
                                   .sport = htobe16(sport)};

    flowlog_add(t.f, &raw, second, 0);
}

static void turn(int64_t now) {
    forget();
    while (flowlog_turn(t.f, now, 0, 1))
        ;
}

/* The lines that a log got of an interface since the last forget(). */
static void got(const char *log, const char *eni, const char *wanted) {
    _buf_ struct buf all = BUF_INIT;

    for (unsigned i = 0; i < t.n; i++)
        if (strcmp(t.batches[i].log, log) == 0 && strcmp(t.batches[i].eni, eni) == 0)
            buf_adds(&all, t.batches[i].lines);
    assert_string_equal(buf_str(&all), wanted);
}

static void test_covers(void **state) {
    log_of("fl-e", "eni-1", SPOOL_ALL, false, 1200);
    log_of("fl-s", "subnet-a", SPOOL_REJECT, false, 1200);
    log_of("fl-v", "vpc-a", SPOOL_ACCEPT, false, 1200);
    assert_true(flowlog_eni_covered(t.f, 1) && flowlog_eni_covered(t.f, 2));
    assert_false(flowlog_eni_covered(t.f, 3));
    packet(1201, 5, LOG_ACCEPT, LOG_REJECT);
    packet(1203, 5, LOG_ACCEPT, LOG_REJECT);
    assert_int_equal(flowlog_next(t.f), 1260);
    turn(1259);
    assert_int_equal(t.n, 0);
    turn(1260);
    got("fl-e", "eni-1", "1201 eni-1 5 2 1201 1203 ACCEPT OK\n");
    got("fl-e", "eni-2", "");
    got("fl-s", "eni-2", "1201 eni-2 5 2 1201 1203 REJECT OK\n");
    got("fl-s", "eni-1", ""); /* there was traffic, only none that was refused */
    got("fl-v", "eni-1", "1201 eni-1 5 2 1201 1203 ACCEPT OK\n");
    assert_string_equal(t.batches[0].header,
                        "interface-id srcport packets start end action log-status");
    assert_true(t.batches[0].start == 1200 && t.batches[0].end == 1260);
    turn(1320);
    got("fl-e", "eni-1", "1260 eni-1 - - 1260 1320 - NODATA\n");
    got("fl-s", "eni-2", "1260 eni-2 - - 1260 1320 - NODATA\n");
    assert_int_equal(t.n, 5);
}

/* Later than its log; and a log later than traffic, which is not in it. */
static void test_later(void **state) {
    log_of("fl-v", "vpc-a", SPOOL_ALL, false, 1200);
    packet(1210, 1, LOG_ACCEPT, LOG_NONE);
    log_of("fl-e", "eni-1", SPOOL_ALL, false, 1220);
    packet(1230, 1, LOG_ACCEPT, LOG_NONE);
    while (flowlog_turn(t.f, 1260, 0, 1))
        ;
    got("fl-v", "eni-1",
        "1210 eni-1 1 1 1210 1210 ACCEPT OK\n1230 eni-1 1 1 1230 1230 ACCEPT OK\n");
    got("fl-e", "eni-1", "1230 eni-1 1 1 1230 1230 ACCEPT OK\n");
    know(4, 1280);
    turn(1320);
    got("fl-v", "eni-4", "1280 eni-4 - - 1280 1320 - NODATA\n");
}

static void test_slow_windows(void **state) {
    log_of("fl-6", "vpc-a", SPOOL_ALL, true, 1200);
    log_of("fl-1", "vpc-a", SPOOL_ALL, false, 1200);
    for (int64_t s = 1200; s < 1800; s += 30) {
        if (s % 60 == 0)
            turn(s);
        packet(s, 9, LOG_ACCEPT, LOG_NONE);
        if (s % 60 == 0 && s > 1200)
            got("fl-6", "eni-1", "");
    }
    turn(1800);
    got("fl-1", "eni-1", "1740 eni-1 9 2 1740 1770 ACCEPT OK\n");
    got("fl-6", "eni-1", "1200 eni-1 9 20 1200 1770 ACCEPT OK\n");
    got("fl-6", "eni-2", "1200 eni-2 - - 1200 1800 - NODATA\n");
}

static void test_bound_writes_early(void **state) {
    struct flowlog_stats s;
    uint64_t before;

    log_of("fl-6", "eni-1", SPOOL_ALL, true, 1200);
    for (uint16_t i = 0; i < 1000; i++)
        packet(1201, i, LOG_ACCEPT, LOG_NONE);
    s = flowlog_stats(t.f);
    assert_true(s.held <= 100 && s.held_most <= 101 && s.early >= 9 && s.lost == 0);
    before = s.records;
    turn(1800);
    s = flowlog_stats(t.f);
    assert_int_equal(s.records, 1000);
    assert_true(before > 900 && s.held == 0 && s.skipped == 0);
    for (unsigned i = 0; i < t.n; i++)
        assert_null(strstr(t.batches[i].lines, "NODATA"));
}

static void test_lost(void **state) {
    const struct log_record lost = {.kind = LOG_LOST, .near = 1, .records = 3};

    log_of("fl-1", "vpc-a", SPOOL_ALL, false, 1200);
    log_of("fl-6", "vpc-a", SPOOL_ALL, true, 1200);
    flowlog_add(t.f, &lost, 1230, 0);
    packet(1240, 1, LOG_ACCEPT, LOG_NONE);
    turn(1260);
    got("fl-1", "eni-1",
        "1240 eni-1 1 1 1240 1240 ACCEPT OK\n1200 eni-1 - - 1200 1260 - SKIPDATA\n");
    assert_true(t.batches[0].skipped);
    got("fl-1", "eni-2", "1200 eni-2 - - 1200 1260 - NODATA\n");
    turn(1320);
    got("fl-1", "eni-1", "1260 eni-1 - - 1260 1320 - NODATA\n");
    flowlog_lost(t.f, 2, FLOWLOG_FAST, 1111); /* a run before this one was killed */
    turn(1380);
    got("fl-1", "eni-2", "1111 eni-2 - - 1111 1380 - SKIPDATA\n");
    turn(1800);
    got("fl-6", "eni-1",
        "1240 eni-1 1 1 1240 1240 ACCEPT OK\n1200 eni-1 - - 1200 1800 - SKIPDATA\n");
}

/* A full spool: what it lost is told as soon as there is room, once. */
static void test_full_spool(void **state) {
    log_of("fl-1", "eni-1", SPOOL_ALL, false, 1200);
    packet(1210, 1, LOG_ACCEPT, LOG_NONE);
    assert_int_equal(t.held[1], 1210);
    t.refuse = -ENOSPC;
    turn(1260);
    turn(1320);
    packet(1330, 2, LOG_ACCEPT, LOG_NONE);
    turn(1380);
    assert_true(t.held[1]);
    assert_int_equal(flowlog_stats(t.f).lost, 2);
    t.refuse = 0;
    turn(1440);
    got("fl-1", "eni-1",
        "1200 eni-1 - - 1200 1380 - SKIPDATA\n1380 eni-1 - - 1380 1440 - NODATA\n");
    assert_int_equal(t.held[1], 0);
    turn(1500);
    got("fl-1", "eni-1", "1440 eni-1 - - 1440 1500 - NODATA\n");
    /* NODATA alone is nothing lost. */
    t.refuse = -ENOSPC;
    turn(1560);
    t.refuse = 0;
    turn(1620);
    got("fl-1", "eni-1", "1560 eni-1 - - 1560 1620 - NODATA\n");
}

static void test_ends(void **state) {
    log_of("fl-e", "eni-1", SPOOL_ALL, false, 1200);
    log_of("fl-v", "vpc-a", SPOOL_ALL, true, 1200);
    packet(1210, 1, LOG_ACCEPT, LOG_ACCEPT);
    flowlog_log_gone(t.f, "fl-e", 1215, 0);
    got("fl-e", "eni-1", "1210 eni-1 1 1 1210 1210 ACCEPT OK\n");
    assert_false(flowlog_log_known(t.f, "fl-e"));
    flowlog_eni_gone(t.f, 1);
    packet(1216, 1, LOG_ACCEPT, LOG_NONE); /* the rest of its flow */
    forget();
    flowlog_eni_forget(t.f, 1, 1220, 0);
    got("fl-v", "eni-1", "1210 eni-1 1 2 1210 1216 ACCEPT OK\n");
    assert_int_equal(t.held[1], 0);
    turn(1800);
    got("fl-v", "eni-1", "");
    got("fl-v", "eni-2", "1210 eni-2 1 1 1210 1210 ACCEPT OK\n");
    /* An end of the agent. */
    packet(1810, 1, LOG_NONE, LOG_ACCEPT);
    forget();
    flowlog_flush(t.f, 1811, 0);
    got("fl-v", "eni-2", "1810 eni-2 1 1 1810 1810 ACCEPT OK\n");
    assert_int_equal(t.held[2], 0);
}

/* Another instance's from now on: the records of before say the one before. */
static void test_changed_interface(void **state) {
    struct flowlog_eni e = {.account = 1,
                            .region = "us-east-1",
                            .id = "eni-1",
                            .vpc = "vpc-a",
                            .subnet = "subnet-a",
                            .instance = "i-2"};
    const struct flowlog_log l = {.id = "fl-i",
                                  .resource = "eni-1",
                                  .account = 1,
                                  .region = "us-east-1",
                                  .traffic = SPOOL_ALL,
                                  .destination_type = SPOOL_LOG_GROUP,
                                  .destination = "group",
                                  .format = "${instance-id} ${packets}"};

    assert_int_equal(flowlog_log(t.f, &l, 1200, 0), 0);
    packet(1210, 1, LOG_ACCEPT, LOG_NONE);
    assert_int_equal(flowlog_eni(t.f, 1, 10, 0, &e, 1220, 0), 0);
    packet(1230, 1, LOG_ACCEPT, LOG_NONE);
    while (flowlog_turn(t.f, 1260, 0, 1000))
        ;
    got("fl-i", "eni-1", "1210 - 1\n1230 i-2 1\n");
}

/* A strange account's log of the same VPC covers nothing. */
static void test_strangers(void **state) {
    const struct flowlog_log l = {.id = "fl-x",
                                  .resource = "vpc-a",
                                  .account = 2,
                                  .region = "us-east-1",
                                  .traffic = SPOOL_ALL,
                                  .destination_type = SPOOL_LOG_GROUP,
                                  .destination = "group",
                                  .format = FORMAT};

    assert_int_equal(flowlog_log(t.f, &l, 1200, 0), 0);
    assert_false(flowlog_eni_covered(t.f, 1));
}

static void test_clock(void **state) {
    log_of("fl-1", "eni-1", SPOOL_ALL, false, 1200);
    turn(1250);
    packet(1255, 1, LOG_ACCEPT, LOG_NONE);
    turn(100000); /* a machine that slept */
    got("fl-1", "eni-1", "1255 eni-1 1 1 1255 1255 ACCEPT OK\n");
    assert_int_equal(flowlog_next(t.f), 100020);
    turn(5000); /* set back */
    assert_int_equal(flowlog_next(t.f), 5040);
    turn(5040);
    got("fl-1", "eni-1", "5000 eni-1 - - 5000 5040 - NODATA\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_covers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slow_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound_writes_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_spool, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_interface, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strangers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_clock, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
