/* SPDX-License-Identifier: Apache-2.0 */
/* The store of log groups: names, order, limits, what is delivered once, what goes away. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "logs/logs.h"

#define NOW 1700000000000LL
#define DAY 86400000LL

static char top[64];
static struct logs *l;
static const struct logs_owner owner = {1, "us-east-1"}, other = {2, "us-east-1"},
                               elsewhere = {1, "eu-west-1"};

static struct logs *open_with(const struct logs_limits *limits) {
    char error[LOGS_ERROR];
    struct logs *made = NULL;

    if (logs_open(top, limits, &made, error) < 0)
        fail_msg("%s", error);
    return made;
}

static int set_up(void **state) {
    snprintf(top, sizeof(top), "/tmp/vpcd-logs-XXXXXX");
    assert_non_null(mkdtemp(top));
    l = open_with(NULL);
    return 0;
}

static int tear_down(void **state) {
    char command[128];

    logs_close(l);
    snprintf(command, sizeof(command), "rm -rf %s", top);
    return system(command);
}

static int64_t make_group(const struct logs_owner *o, const char *name) {
    int64_t id = 0;

    assert_int_equal(logs_group_create(l, o, name, NOW, &id), 0);
    return id;
}

static struct log_event event(int64_t time, const char *message) {
    return (struct log_event){.at.time = time, .message = message, .len = strlen(message)};
}

struct seen {
    char text[1024];
    int left;
};

static int see_event(void *arg, const struct log_event *e) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%.*s ", (int)e->len,
             e->message);
    return --s->left == 0;
}

static int see_group(void *arg, const struct log_group *g) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s ", g->name);
    return --s->left == 0;
}

static int see_stream(void *arg, const struct log_stream *g) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s ", g->name);
    return --s->left == 0;
}

static const char *events(struct log_event_query q, int most) {
    static struct seen s;

    s = (struct seen){.left = most};
    if (!q.until)
        q.until = INT64_MAX;
    assert_in_range(logs_events(l, &q, see_event, &s), 0, 1);
    return s.text;
}

static const char *groups(const struct logs_owner *o, const char *prefix, const char *after) {
    static struct seen s;

    s = (struct seen){.left = 100};
    assert_int_equal(logs_groups(l, o, prefix, after, see_group, &s), 0);
    return s.text;
}

static const char *streams(struct log_stream_query q) {
    static struct seen s;

    s = (struct seen){.left = 100};
    assert_int_equal(logs_streams(l, &q, see_stream, &s), 0);
    return s.text;
}

static void test_groups(void **state) {
    struct log_group g;

    make_group(&owner, "b");
    make_group(&owner, "a/2");
    make_group(&owner, "a/1");
    make_group(&other, "a/3");
    make_group(&elsewhere, "a/4");
    assert_int_equal(logs_group_create(l, &owner, "b", NOW, NULL), -EEXIST);
    assert_string_equal(groups(&owner, "", ""), "a/1 a/2 b ");
    assert_string_equal(groups(&owner, "a/", ""), "a/1 a/2 ");
    assert_string_equal(groups(&owner, "", "a/1"), "a/2 b ");
    assert_string_equal(groups(&other, "", ""), "a/3 ");
    assert_int_equal(logs_group_find(l, &other, "b", &g), -ENOENT);
    assert_int_equal(logs_group_delete(l, &other, "b"), -ENOENT);
    assert_int_equal(logs_group_retain(l, &owner, "b", 7), 0);
    assert_int_equal(logs_group_find(l, &owner, "b", &g), 0);
    assert_int_equal(g.retention, 7);
    assert_int_equal(g.created, NOW);
    assert_int_equal(logs_group_delete(l, &owner, "b"), 0);
    assert_int_equal(logs_group_delete(l, &owner, "b"), -ENOENT);
    assert_int_equal(logs_group_find(l, &owner, "b", &g), -ENOENT);
    make_group(&owner, "b"); /* the name is free at once */
    assert_int_equal(logs_account_delete(l, 1), 0);
    assert_string_equal(groups(&owner, "", ""), "");
    assert_string_equal(groups(&elsewhere, "", ""), "");
    assert_string_equal(groups(&other, "", ""), "a/3 ");
}

static void test_streams(void **state) {
    int64_t g = make_group(&owner, "g"), a, b, c;
    struct log_event e = event(NOW, "x");
    struct log_stream s;

    assert_int_equal(logs_stream_create(l, &owner, g, "eni-a", NOW, &a), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "eni-b", NOW, &b), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "other", NOW, &c), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "eni-a", NOW, NULL), -EEXIST);
    assert_int_equal(logs_stream_create(l, &owner, g + 100, "eni-a", NOW, NULL), -ENOENT);
    assert_int_equal(logs_stream_find(l, g, "eni-a", &s), 0);
    assert_int_equal(s.last, -1);
    assert_int_equal(logs_put(l, &owner, g, b, &e, 1, NOW + 5), 0);
    e.at.time = NOW - 10;
    assert_int_equal(logs_put(l, &owner, g, b, &e, 1, NOW + 6), 0);
    e.at.time = NOW + 1;
    assert_int_equal(logs_put(l, &owner, g, a, &e, 1, NOW + 7), 0);
    assert_int_equal(logs_stream_find(l, g, "eni-b", &s), 0);
    assert_int_equal(s.first, NOW - 10);
    assert_int_equal(s.last, NOW);
    assert_int_equal(s.ingested, NOW + 6);
    assert_string_equal(streams((struct log_stream_query){.group = g}), "eni-a eni-b other ");
    assert_string_equal(streams((struct log_stream_query){.group = g, .descending = true}),
                        "other eni-b eni-a ");
    assert_string_equal(streams((struct log_stream_query){.group = g, .prefix = "eni-"}),
                        "eni-a eni-b ");
    assert_string_equal(
        streams((struct log_stream_query){.group = g, .prefix = "eni-", .descending = true}),
        "eni-b eni-a ");
    assert_string_equal(streams((struct log_stream_query){.group = g, .after_name = "eni-a"}),
                        "eni-b other ");
    assert_string_equal(streams((struct log_stream_query){.group = g, .by_time = true}),
                        "other eni-b eni-a ");
    assert_string_equal(streams((struct log_stream_query){.group = g,
                                                          .by_time = true,
                                                          .descending = true,
                                                          .after_name = "eni-a",
                                                          .after_time = NOW + 1}),
                        "eni-b other ");
    assert_int_equal(logs_stream_delete(l, g, "eni-b"), 0);
    assert_int_equal(logs_stream_delete(l, g, "eni-b"), -ENOENT);
    assert_string_equal(streams((struct log_stream_query){.group = g}), "eni-a other ");
    assert_int_equal(logs_put(l, &owner, g, b, &e, 1, NOW), -ENOENT);
    assert_string_equal(events((struct log_event_query){.group = g}, 100), "x ");
}

static void test_events(void **state) {
    int64_t g = make_group(&owner, "g"), s, t;
    struct log_event first[] = {event(10, "a"), event(20, "c"), event(20, "d")};
    struct log_event second[] = {event(15, "b"), event(30, "e")};
    struct log_event_query q = {.group = g};

    assert_int_equal(logs_stream_create(l, &owner, g, "s", NOW, &s), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "t", NOW, &t), 0);
    assert_int_equal(logs_put(l, &owner, g, s, first, 3, NOW), 0);
    assert_int_equal(logs_put(l, &owner, g, t, second, 2, NOW), 0);
    assert_string_equal(events(q, 100), "a b c d e ");
    assert_string_equal(events(q, 2), "a b ");
    q.from = 15, q.until = 30;
    assert_string_equal(events(q, 100), "b c d ");
    q.backward = true;
    assert_string_equal(events(q, 100), "d c b ");
    q = (struct log_event_query){.group = g, .stream = s};
    assert_string_equal(events(q, 100), "a c d ");
    q.has_after = true, q.after = (struct log_position){20, 2};
    assert_string_equal(events(q, 100), "d ");
    q.backward = true;
    assert_string_equal(events(q, 100), "a ");
}

static void test_limits(void **state) {
    struct logs_limits limits = {.account_bytes = 100, .account_groups = 2, .account_streams = 2};
    struct log_event e = event(NOW, "0123456789");
    int64_t g, s;

    logs_close(l);
    l = open_with(&limits);
    g = make_group(&owner, "g");
    make_group(&elsewhere, "g");
    assert_int_equal(logs_group_create(l, &owner, "h", NOW, NULL), -EDQUOT);
    make_group(&other, "h");
    assert_int_equal(logs_stream_create(l, &owner, g, "s", NOW, &s), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "t", NOW, NULL), 0);
    assert_int_equal(logs_stream_create(l, &owner, g, "u", NOW, NULL), -EDQUOT);
    assert_int_equal(logs_put(l, &owner, g, s, &e, 1, NOW), 0);
    assert_int_equal(logs_put(l, &owner, g, s, &e, 1, NOW), 0);
    assert_int_equal(logs_put(l, &owner, g, s, &e, 1, NOW), -EDQUOT);
    assert_string_equal(events((struct log_event_query){.group = g}, 9), "0123456789 0123456789 ");
    /* What is deleted makes room once it is swept. */
    assert_int_equal(logs_group_delete(l, &owner, "g"), 0);
    while (logs_sweep(l, NOW) == 1)
        ;
    g = make_group(&owner, "h");
    assert_int_equal(logs_stream_create(l, &owner, g, "s", NOW, &s), 0);
    assert_int_equal(logs_put(l, &owner, g, s, &e, 1, NOW), 0);
}

static void test_retention(void **state) {
    int64_t g = make_group(&owner, "g"), s;
    struct log_event e[] = {event(NOW - 2 * DAY, "old"), event(NOW, "new")};
    struct log_group found;

    assert_int_equal(logs_stream_create(l, &owner, g, "s", NOW, &s), 0);
    assert_int_equal(logs_put(l, &owner, g, s, e, 2, NOW), 0);
    assert_int_equal(logs_sweep(l, NOW), 0);
    assert_string_equal(events((struct log_event_query){.group = g}, 9), "old new ");
    assert_int_equal(logs_group_retain(l, &owner, "g", 1), 0);
    assert_int_equal(logs_sweep(l, NOW), 0);
    assert_string_equal(events((struct log_event_query){.group = g}, 9), "new ");
    assert_int_equal(logs_group_find(l, &owner, "g", &found), 0);
    assert_int_equal(found.bytes, 3 + LOGS_EVENT_OVERHEAD);
}

/* More than one step of the sweep, with another group untouched. */
static void test_sweep(void **state) {
    static struct log_event many[5000];
    int64_t g = make_group(&owner, "g"), h = make_group(&owner, "h"), s, t;
    int steps = 0;

    for (int i = 0; i < 5000; i++)
        many[i] = event(NOW + i, "x");
    assert_int_equal(logs_stream_create(l, &owner, g, "s", NOW, &s), 0);
    assert_int_equal(logs_stream_create(l, &owner, h, "s", NOW, &t), 0);
    assert_int_equal(logs_put(l, &owner, g, s, many, 5000, NOW), 0);
    assert_int_equal(logs_put(l, &owner, h, t, many, 1, NOW), 0);
    assert_int_equal(logs_group_delete(l, &owner, "g"), 0);
    while (logs_sweep(l, NOW) == 1)
        steps++;
    assert_in_range(steps, 3, 6);
    assert_string_equal(events((struct log_event_query){.group = g}, 9), "");
    assert_string_equal(events((struct log_event_query){.group = h}, 9), "x ");
}

static int see_tag(void *arg, const char *key, const char *value) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s=%s ", key, value);
    return 0;
}

static void test_tags(void **state) {
    const char *keys[] = {"a", "b"}, *values[] = {"1", "2"};
    struct seen s = {0};
    int64_t g = make_group(&owner, "g");

    assert_int_equal(logs_tag(l, g, keys, values, 2), 0);
    values[0] = "3";
    assert_int_equal(logs_tag(l, g, keys, values, 1), 0);
    assert_int_equal(logs_tag(l, g, keys + 1, NULL, 1), 0);
    assert_int_equal(logs_tags(l, g, see_tag, &s), 0);
    assert_string_equal(s.text, "a=3 ");
    for (int i = 0; i < 60; i++) {
        char key[8];
        const char *k = key, *v = "x";

        snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(logs_tag(l, g, &k, &v, 1), i < 49 ? 0 : -EDQUOT);
    }
}

static int see_batch(void *arg, const char *batch, const char *object, bool done) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s:%s:%d ", batch,
             object ? object : "-", done);
    return 0;
}

static const char *known(void) {
    static struct seen s;

    s = (struct seen){0};
    assert_int_equal(logs_known(l, see_batch, &s), 0);
    return s.text;
}

static void test_delivered_once(void **state) {
    struct log_event e[] = {event(NOW, "x"), event(NOW, "y")};
    const char *batches[] = {"one", "two"};
    struct log_group g;

    for (int i = 0; i < 3; i++)
        assert_int_equal(logs_deliver(l, &owner, "g", "eni-1-all", "batch", e, 2, NOW), 0);
    assert_int_equal(logs_group_find(l, &owner, "g", &g), 0);
    assert_string_equal(events((struct log_event_query){.group = g.id}, 9), "x y ");
    assert_string_equal(known(), "batch:-:1 ");
    assert_int_equal(logs_deliver(l, &owner, "g", "eni-2-all", "other", e, 1, NOW), 0);
    assert_string_equal(events((struct log_event_query){.group = g.id}, 9), "x y x ");
    assert_int_equal(logs_plan(l, "key", batches, 2), 0);
    assert_string_equal(known(), "batch:-:1 one:key:0 other:-:1 two:key:0 ");
    assert_int_equal(logs_plan_done(l, "key"), 0);
    assert_int_equal(logs_forget(l, (const char *[]){"batch", "other", "two"}, 3), 0);
    assert_string_equal(known(), "one:key:1 ");
}

static int see_status(void *arg, const struct logs_owner *o, const char *flow_log,
                      const char *message) {
    struct seen *s = arg;

    snprintf(s->text + strlen(s->text), sizeof(s->text) - strlen(s->text), "%s:%s ", flow_log,
             message ? message : "-");
    return 0;
}

static const char *statuses(int64_t *version) {
    static struct seen s;

    s = (struct seen){0};
    assert_int_equal(logs_statuses(l, version, see_status, &s), 0);
    return s.text;
}

static void test_statuses(void **state) {
    int64_t version = 0;

    assert_int_equal(logs_status_set(l, "fl-1", &owner, NULL), 0);
    assert_int_equal(logs_status_set(l, "fl-2", &owner, "Access error"), 0);
    assert_string_equal(statuses(&version), "fl-1:- fl-2:Access error ");
    assert_string_equal(statuses(&version), "");
    assert_int_equal(logs_status_set(l, "fl-2", &owner, "Access error"), 0);
    assert_string_equal(statuses(&version), "");
    assert_int_equal(logs_status_set(l, "fl-2", &owner, NULL), 0);
    assert_string_equal(statuses(&version), "fl-2:- ");
}

/* Two handles, as the two programs have: each sees what the other one did. */
static void test_two_handles(void **state) {
    struct logs *second = open_with(NULL);
    struct log_group g;

    make_group(&owner, "g");
    assert_int_equal(logs_group_find(second, &owner, "g", &g), 0);
    assert_int_equal(logs_group_delete(second, &owner, "g"), 0);
    assert_int_equal(logs_group_find(l, &owner, "g", &g), -ENOENT);
    logs_close(second);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_groups),    T(test_streams),     T(test_events), T(test_limits),
        T(test_retention), T(test_sweep),       T(test_tags),   T(test_delivered_once),
        T(test_statuses),  T(test_two_handles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
