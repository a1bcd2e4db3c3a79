/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of txn.h one by one, over SQLite.
 *
 *     S.a    the state under test
 *     S.b    a second writer of the same file with an event loop of its own: it runs only when a
 *            test lets it, so that a conflict happens exactly where the test wants it
 *
 * Calls are written as a few letters in a script; what is told comes back as text in S.log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "model/account.h"
#include "model/vpc.h"
#include "store/txn.h"

static const struct scope here = {.account = 1, .region = 1};

static struct test {
    char dir[64], db[80];
    struct event_base *base, *base_b;
    struct state *a, *b;
    struct buf log;
    unsigned waiting;
} S;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    return remove(path);
}

static struct state *open_state(struct event_base *base, uint64_t max_bytes) {
    struct store_options options = {.shared = true, .max_bytes = max_bytes};
    char error[STORE_TEXT] = "";
    struct state *s = NULL;

    if (state_open(base, "sqlite", S.db, &options, &s, error) < 0)
        fail_msg("%s", error);
    return s;
}

static int set_up(void **state) {
    S = (struct test){.dir = "/tmp/vpcd-txn-XXXXXX"};
    assert_non_null(mkdtemp(S.dir));
    snprintf(S.db, sizeof(S.db), "%s/db", S.dir);
    S.base = event_base_new();
    S.base_b = event_base_new();
    S.a = open_state(S.base, 0);
    S.b = open_state(S.base_b, 0);
    return 0;
}

static int tear_down(void **state) {
    state_close(S.a);
    state_close(S.b);
    event_base_free(S.base);
    event_base_free(S.base_b);
    buf_free(&S.log);
    nftw(S.dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* Calls */

struct call {
    char name;                                    /* in the log */
    int (*act)(struct txn *t, struct call *call); /* the handler */
    const char *id, *text;
    unsigned runs, value;
    bool others; /* the other writer's: not in the log */
};

static int run(struct txn *t, void *arg) {
    struct call *c = arg;

    c->runs++;
    return c->act(t, c);
}

static void done(void *arg, int status) {
    struct call *c = arg;

    S.waiting--;
    if (!c->others)
        buf_addf(&S.log, "%c%s%s;", c->name, status ? " " : "", status ? strerror(-status) : "");
}

static void start(struct state *s, struct call *c) {
    S.waiting++;
    state_call(s, run, done, c);
}

static void on_late(evutil_socket_t fd, short what, void *arg) {
    fail_msg("nothing happened for 20 s");
}

static void settle(struct event_base *base, const unsigned *left) {
    struct event *late = evtimer_new(base, on_late, NULL);
    const struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    while (*left)
        event_base_loop(base, EVLOOP_ONCE);
    event_free(late);
}

static void finish(void) {
    settle(S.base, &S.waiting);
}

static int claim(struct txn *t, struct call *c) {
    return txn_claim(t, here, c->id, c->text) ? 0 : -EEXIST;
}

/* A call of the other writer, from its beginning to its end. */
static void other_writer(int (*act)(struct txn *, struct call *), const char *id,
                         const char *text) {
    static unsigned n;
    char barrier[32];
    struct call calls[] = {{.act = claim, .id = barrier, .text = "", .others = true},
                           {.act = act, .id = id, .text = text, .others = true}};
    unsigned before = S.waiting;

    /* The first one only commits, by which the writer learns what this one has done. */
    snprintf(barrier, sizeof(barrier), "barrier-%u", n++);
    for (int i = 0; i < 2; i++) {
        S.waiting = 0;
        start(S.b, &calls[i]);
        settle(S.base_b, &S.waiting);
    }
    S.waiting = before;
}

static void expect_log(const char *text) {
    assert_string_equal(buf_str(&S.log), text);
    buf_reset(&S.log);
}

/* Handlers */

static int nothing(struct txn *t, struct call *c) {
    return 0;
}

static int create(struct txn *t, struct call *c) {
    struct vpc *v = txn_new(t, KIND_VPC, here, c->id);

    obj_set(&v->o, &v->tenancy, c->text);
    txn_put(t, v);
    return 0;
}

/* Appends its text: an update that is lost or made twice shows. */
static int append(struct txn *t, struct call *c) {
    const struct vpc *have = txn_get(t, KIND_VPC, here, c->id);
    struct vpc *v = have ? txn_edit(t, have) : NULL;
    char text[1024];

    if (!v)
        return -ENOENT;
    snprintf(text, sizeof(text), "%s%s", v->tenancy ? v->tenancy : "", c->text);
    obj_set(&v->o, &v->tenancy, text);
    txn_put(t, v);
    return 0;
}

static int delete_it(struct txn *t, struct call *c) {
    const struct vpc *v = txn_get(t, KIND_VPC, here, c->id);

    if (!v)
        return -ENOENT;
    txn_delete(t, v);
    return 0;
}

static int look(struct txn *t, struct call *c) {
    const struct vpc *v = txn_get(t, KIND_VPC, here, c->id);

    c->value = v && v->tenancy ? (unsigned)strlen(v->tenancy) : 0;
    return 0;
}

static int release(struct txn *t, struct call *c) {
    txn_release(t, here, c->id);
    return 0;
}

/* The object "child" of "parent", which is only depended on, or touched. */
static int child_that_checks(struct txn *t, struct call *c) {
    return txn_get(t, KIND_VPC, here, c->id) ? create(t, &(struct call){.id = "child"}) : -ENOENT;
}

static const struct vpc *get(const struct state *s, const char *id) {
    return index_get(state_index(s), KIND_VPC, here, id);
}

static const char *text_of(const struct state *s, const char *id) {
    const struct vpc *v = get(s, id);

    return v ? v->tenancy ? v->tenancy : "" : "(none)";
}

static struct call call(char name, int (*act)(struct txn *, struct call *), const char *id,
                        const char *text) {
    return (struct call){.name = name, .act = act, .id = id, .text = text};
}

/* Everything as a state that is opened now finds it. */
static void expect_on_disk(const char *id, const char *text) {
    struct event_base *base = event_base_new();
    struct state *fresh = open_state(base, 0);

    assert_string_equal(text_of(fresh, id), text);
    state_close(fresh);
    event_base_free(base);
}

/* Tests */

static void a_call_is_seen_at_once_and_done_when_durable(void **state) {
    struct call c = call('c', create, "v", "x");

    start(S.a, &c);
    assert_string_equal(text_of(S.a, "v"), "x");
    expect_log("");
    finish();
    expect_log("c;");
    expect_on_disk("v", "x");
}

static void a_read_waits_for_what_it_saw(void **state) {
    struct call c = call('c', create, "v", "xyz"), r = call('r', look, "v", NULL);

    start(S.a, &c);
    start(S.a, &r);
    assert_int_equal(r.value, 3);
    expect_log("");
    finish();
    expect_log("c;r;");
}

static void a_read_of_a_quiet_state_is_done_at_once(void **state) {
    struct call r = call('r', nothing, NULL, NULL);

    start(S.a, &r);
    expect_log("r;");
}

static void an_error_waits_for_what_it_saw_too(void **state) {
    struct call c = call('c', claim, "name", "a"), d = call('d', claim, "name", "b");

    /* d's refusal rests on c: were c undone, d would have been wrong. */
    start(S.a, &c);
    start(S.a, &d);
    expect_log("");
    finish();
    expect_log("c;d;");
    assert_int_equal(d.runs, 1);
}

static int claim_two_and_fail(struct txn *t, struct call *c) {
    txn_claim(t, here, "one", "x");
    txn_put(t, txn_new(t, KIND_VPC, here, "v"));
    txn_release(t, here, "kept");
    return -EINVAL;
}

static void a_failing_call_leaves_nothing(void **state) {
    struct call k = call('k', claim, "kept", "x"), c = call('c', claim_two_and_fail, NULL, NULL);

    start(S.a, &k);
    start(S.a, &c);
    assert_null(index_get(state_index(S.a), KIND_CLAIM, here, "one"));
    assert_null(get(S.a, "v"));
    assert_non_null(index_get(state_index(S.a), KIND_CLAIM, here, "kept"));
    finish();
    expect_log("k;c;");
}

static void conflicting_calls_run_again_in_their_order(void **state) {
    struct call c = call('c', create, "v", "0"), x = call('x', append, "v", "x"),
                y = call('y', append, "v", "y"), r = call('r', look, "v", NULL);

    start(S.a, &c);
    finish();
    /* S.a does not know yet, when x and y run for the first time. */
    other_writer(append, "v", "b");
    start(S.a, &x);
    start(S.a, &y);
    start(S.a, &r);
    assert_string_equal(text_of(S.a, "v"), "0xy");
    finish();
    expect_log("c;x;y;r;");
    assert_string_equal(text_of(S.a, "v"), "0bxy");
    assert_int_equal(r.value, 4);
    assert_int_equal(x.runs, 2);
    assert_int_equal(y.runs, 2);
    expect_on_disk("v", "0bxy");
}

static void of_two_claims_one_is_had(void **state) {
    struct call c = call('c', claim, "name", "a");

    other_writer(claim, "name", "b");
    start(S.a, &c);
    finish();
    assert_int_equal(c.runs, 2);
    assert_string_equal(
        ((const struct claim *)index_get(state_index(S.a), KIND_CLAIM, here, "name"))->owner, "b");
}

static void a_released_claim_is_free(void **state) {
    struct call c = call('c', claim, "name", "a"), d = call('d', release, "name", NULL),
                e = call('e', claim, "name", "e");

    start(S.a, &c);
    start(S.a, &d);
    start(S.a, &e);
    finish();
    expect_log("c;d;e;");
    assert_string_equal(
        ((const struct claim *)index_get(state_index(S.a), KIND_CLAIM, here, "name"))->owner, "e");
}

static void a_deletion_conflicts_with_a_change(void **state) {
    struct call c = call('c', create, "v", "0"), d = call('d', append, "v", "x");

    start(S.a, &c);
    finish();
    other_writer(delete_it, "v", NULL);
    start(S.a, &d);
    finish();
    assert_int_equal(d.runs, 2);
    assert_null(get(S.a, "v"));
    expect_on_disk("v", "(none)");
}

static void a_child_is_not_made_under_a_deleted_parent(void **state) {
    struct call c = call('c', create, "parent", ""), d = call('d', child_that_checks, "parent", "");

    start(S.a, &c);
    finish();
    other_writer(delete_it, "parent", NULL);
    start(S.a, &d);
    assert_non_null(get(S.a, "child"));
    finish();
    assert_null(get(S.a, "child"));
    expect_on_disk("child", "(none)");
}

static int touch(struct txn *t, struct call *c) {
    const struct vpc *v = txn_get(t, KIND_VPC, here, c->id);

    if (!v)
        return -ENOENT;
    txn_touch(t, v);
    txn_touch(t, v);
    return 0;
}

static void a_touch_is_one_new_version(void **state) {
    struct call c = call('c', create, "v", "0"), d = call('d', touch, "v", NULL);
    uint64_t before;

    start(S.a, &c);
    finish();
    before = get(S.a, "v")->o.version;
    start(S.a, &d);
    finish();
    assert_int_equal(get(S.a, "v")->o.version, before + 1);
    assert_string_equal(text_of(S.a, "v"), "0");
    /* And makes another writer's deletion, which did not see it, run again. */
    other_writer(nothing, NULL, NULL);
    expect_on_disk("v", "0");
}

static int create_and_delete(struct txn *t, struct call *c) {
    create(t, c);
    return delete_it(t, c);
}

static int delete_and_create(struct txn *t, struct call *c) {
    delete_it(t, c);
    return create(t, c);
}

static void a_life_within_one_call(void **state) {
    struct call c = call('c', create_and_delete, "v", "0"), d = call('d', create, "v", "1"),
                e = call('e', delete_and_create, "v", "2"), f = call('f', append, "v", "3");

    start(S.a, &c);
    start(S.a, &d);
    start(S.a, &e);
    start(S.a, &f);
    finish();
    expect_log("c;d;e;f;");
    assert_string_equal(text_of(S.a, "v"), "23");
    expect_on_disk("v", "23");
}

/* Lets the other writer change the same object in every one of its runs. */
static int append_after_another(struct txn *t, struct call *c) {
    int r = append(t, c);

    other_writer(append, c->id, ".");
    return r;
}

static void a_call_gives_up_after_runs_max(void **state) {
    struct call c = call('c', create, "v", "0"), d = call('d', append_after_another, "v", "x"),
                r = call('r', look, "v", NULL);

    start(S.a, &c);
    finish();
    start(S.a, &d);
    finish();
    expect_log("c;d Resource temporarily unavailable;");
    assert_int_equal(d.runs, STATE_RUNS_MAX);
    /* Its write is taken back, and the state goes on. */
    assert_null(strchr(text_of(S.a, "v"), 'x'));
    d = call('d', append, "v", "x");
    start(S.a, &d);
    start(S.a, &r);
    finish();
    expect_log("d;r;");
    assert_int_equal(r.value, 1 + STATE_RUNS_MAX + 1);
}

/* Full */

static int create_large(struct txn *t, struct call *c) {
    struct vpc *v = txn_new(t, KIND_VPC, here, c->id);
    _free_ char *text = malloc(600001);

    memset(text, 'x', 600000);
    text[600000] = 0;
    obj_set(&v->o, &v->tenancy, text);
    txn_put(t, v);
    return txn_claim(t, here, "large", c->id) ? 0 : -EEXIST;
}

static void what_does_not_fit_leaves_the_index_as_it_was(void **state) {
    struct call c = call('c', create, "v", "0"), large = call('l', create_large, "large", NULL),
                x = call('x', append, "v", "x"), r = call('r', look, "large", NULL);

    state_close(S.a);
    state_close(S.b);
    S.b = NULL;
    S.a = open_state(S.base, 400 * 1024);
    start(S.a, &c);
    start(S.a, &large);
    start(S.a, &x);
    start(S.a, &r);
    assert_int_equal(r.value, 600000);
    finish();
    expect_log("c;l No space left on device;x;r;");
    assert_int_equal(large.runs, 1);
    assert_int_equal(r.value, 0); /* what it first saw never was */
    assert_null(get(S.a, "large"));
    assert_null(index_get(state_index(S.a), KIND_CLAIM, here, "large"));
    assert_string_equal(text_of(S.a, "v"), "0x");
}

/* Who follows the changes */

static void on_change(void *arg, const struct obj *old, const struct obj *new, bool last) {
    const struct obj *o = new ? new : old;

    if (o && o->kind == KIND_VPC)
        buf_addf(&S.log, "%s %d-%d", o->id, old ? (int)old->version : 0,
                 new ? (int)new->version : 0);
    if (last && S.log.len && S.log.data[S.log.len - 1] != ';')
        buf_adds(&S.log, ";");
}

static void changes_are_told_once_durable_and_in_order(void **state) {
    struct call c = call('c', create, "v", "0"), x = call('x', append, "v", "x"),
                d = call('d', delete_it, "v", NULL);

    state_on_change(S.a, on_change, NULL);
    start(S.a, &c);
    start(S.a, &x);
    start(S.a, &d);
    expect_log("");
    finish();
    expect_log("v 0-1;c;v 1-2;x;v 2-0;d;");
    state_on_change(S.a, NULL, NULL);
}

static void changes_of_others_are_told(void **state) {
    struct call x = call('x', append, "v", "x");

    state_on_change(S.a, on_change, NULL);
    other_writer(create, "v", "0");
    while (!get(S.a, "v"))
        event_base_loop(S.base, EVLOOP_ONCE);
    expect_log("v 0-1;");
    other_writer(append, "v", "b");
    start(S.a, &x);
    finish();
    expect_log("v 1-2;v 2-3;x;");
    state_on_change(S.a, NULL, NULL);
}

static void note_text(void *arg, const struct index *ix) {
    const struct vpc *v = index_get(ix, KIND_VPC, here, "v");

    buf_addf(&S.log, "(%s)", v ? v->tenancy : "none");
}

static void a_settled_look_sees_the_disk_alone(void **state) {
    struct call c = call('c', create, "v", "0"), x = call('x', append, "v", "x"),
                y = call('y', append, "v", "y");

    start(S.a, &c);
    state_settled(S.a, note_text, NULL);
    finish();
    start(S.a, &x);
    start(S.a, &y);
    state_settled(S.a, note_text, NULL);
    assert_string_equal(text_of(S.a, "v"), "0xy");
    finish();
    state_settled(S.a, note_text, NULL);
    expect_log("(none)c;(0)x;y;(0xy)");
}

/* A done function may make the next call. */
static struct call next;

static void done_and_next(void *arg, int status) {
    done(arg, status);
    if (next.name)
        start(S.a, &next);
}

static void a_done_function_may_call(void **state) {
    struct call c = call('c', create, "v", "0");

    next = call('n', look, "v", NULL);
    S.waiting++;
    state_call(S.a, run, done_and_next, &c);
    finish();
    expect_log("c;n;");
    next = (struct call){0};
}

static void closing_answers_what_waits(void **state) {
    struct call c = call('c', create, "v", "0"), r = call('r', look, "v", NULL);

    start(S.a, &c);
    start(S.a, &r);
    state_close(S.a);
    S.a = NULL;
    assert_int_equal(S.waiting, 0);
    /* Either word is true of a call that was under way; what is told done is on disk. */
    if (strncmp(buf_str(&S.log), "c;", 2) == 0)
        expect_on_disk("v", "0");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(a_call_is_seen_at_once_and_done_when_durable),
        T(a_read_waits_for_what_it_saw),
        T(a_read_of_a_quiet_state_is_done_at_once),
        T(an_error_waits_for_what_it_saw_too),
        T(a_failing_call_leaves_nothing),
        T(conflicting_calls_run_again_in_their_order),
        T(of_two_claims_one_is_had),
        T(a_released_claim_is_free),
        T(a_deletion_conflicts_with_a_change),
        T(a_child_is_not_made_under_a_deleted_parent),
        T(a_touch_is_one_new_version),
        T(a_life_within_one_call),
        T(a_call_gives_up_after_runs_max),
        T(what_does_not_fit_leaves_the_index_as_it_was),
        T(changes_are_told_once_durable_and_in_order),
        T(changes_of_others_are_told),
        T(a_settled_look_sees_the_disk_alone),
        T(a_done_function_may_call),
        T(closing_answers_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
