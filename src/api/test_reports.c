/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent reports of an instance, and what goes away with time. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/instance_ops.h"
#include "base/io.h"

static const struct scope scope = {.account = 7, .region = 1};
static struct event_base *base;
static struct state *state;
static struct api *api;
static char directory[] = "/tmp/vpcd-reports-XXXXXX";

/* One call of an action, as api.c makes it. */
struct ask {
    const struct actions *family;
    const char *name, *params;
    int (*run)(struct call *c, void *arg);
    void *arg;
    struct buf body;
    char code[64];
    bool done;
};

static int run_action(struct call *c, const struct ask *a) {
    const struct action *row = a->family->rows;
    struct form form = {0};
    struct param_error error;
    void *params;
    int r;

    while (strcmp(row->name, a->name) != 0)
        row++;
    params = calloc(1, row->params->size);
    assert_int_equal(form_add(&form, a->params, strlen(a->params)), 0);
    assert_int_equal(form_sort(&form), 0);
    assert_int_equal(params_decode(row->params, &form, params, &error), 0);
    r = row->run(c, params);
    desc_clear(row->params, params);
    free(params);
    form_free(&form);
    return r;
}

static int ask_run(struct txn *t, void *arg) {
    struct ask *a = arg;
    static const struct list no_filters;
    struct call c = {.api = api,
                     .scope = scope,
                     .txn = t,
                     .ix = txn_index(t),
                     .look = {.ix = txn_index(t)},
                     .xml = {.out = &a->body},
                     .body = &a->body,
                     .filters = &no_filters,
                     .now = time_ms()};
    int r;

    if (!index_get(c.ix, KIND_ACCOUNT, (struct scope){0}, "000000000007"))
        txn_put(t, txn_new(t, KIND_ACCOUNT, (struct scope){0}, "000000000007"));
    r = defaults_make(&c);
    if (r == 0)
        r = a->run ? a->run(&c, a->arg) : run_action(&c, a);
    snprintf(a->code, sizeof(a->code), "%s", c.error_code ? c.error_code : "");
    free(c.error_message);
    return r;
}

static void ask_done(void *arg, int status) {
    assert_int_equal(status, 0);
    ((struct ask *)arg)->done = true;
}

static void ask(struct ask *a) {
    state_call(state, ask_run, ask_done, a);
    while (!a->done)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    buf_free(&a->body);
}

static void act(const struct actions *family, const char *name, const char *params) {
    struct ask a = {.family = family, .name = name, .params = params};

    ask(&a);
    assert_string_equal(a.code, "");
}

static int nothing(struct call *c, void *arg) {
    return 0;
}

/* The report is a call of its own; one behind it is done after it. */
static void report(const char *id, const char *what, const char *why) {
    struct ask a = {.run = nothing};

    api_instance_report(api, id, what, why);
    ask(&a);
}

static const struct instance *the(const char *id) {
    return index_get(state_index(state), KIND_INSTANCE, scope, id);
}

static const char *state_of(const char *id) {
    return instance_state_names[the(id)->state];
}

static size_t count_enis(const char *id) {
    struct cursor cur;
    size_t n = 0;

    index_each_by(state_index(state), cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, id) n++;
    return n;
}

/* A new instance; its id in static memory. */
static const char *launch(const char *more) {
    static char id[64];
    const struct instance *newest = NULL;
    struct cursor cur;
    char params[256];

    snprintf(params, sizeof(params), "ImageId=ami-netns&MinCount=1&MaxCount=1%s", more);
    act(&instance_run_actions, "RunInstances", params);
    index_each_in(state_index(state), cur, KIND_INSTANCE, scope) {
        const struct instance *i = cur.obj;

        if (i->state == INSTANCE_PENDING)
            newest = i;
    }
    assert_non_null(newest);
    snprintf(id, sizeof(id), "%s", newest->o.id);
    return id;
}

static void act_on(const char *name, const char *id) {
    char params[128];

    snprintf(params, sizeof(params), "InstanceId.1=%s", id);
    act(&instance_state_actions, name, params);
}

static void test_states_follow_the_reports(void **s) {
    const char *id = launch("");

    assert_string_equal(state_of(id), "pending");
    report(id, "stopped", ""); /* older than the launch */
    assert_string_equal(state_of(id), "pending");
    report(id, "running", "");
    assert_string_equal(state_of(id), "running");
    report(id, "terminated", ""); /* nobody asked for that */
    assert_string_equal(state_of(id), "running");
    act_on("StopInstances", id);
    assert_string_equal(state_of(id), "stopping");
    report(id, "running", "");
    assert_string_equal(state_of(id), "stopping");
    report(id, "stopped", "");
    assert_string_equal(state_of(id), "stopped");
    act_on("StartInstances", id);
    assert_string_equal(state_of(id), "pending");
    assert_int_equal(the(id)->boots, 2);
    report(id, "running", "");
    act_on("TerminateInstances", id);
    assert_string_equal(state_of(id), "shutting-down");
    assert_int_equal(count_enis(id), 1); /* until its end is certain */
    report(id, "terminated", "");
    assert_string_equal(state_of(id), "terminated");
    assert_int_equal(count_enis(id), 0);
    report(id, "running", "");
    assert_string_equal(state_of(id), "terminated");
}

static void test_public_address_goes_when_stopped(void **s) {
    const char *id = launch(""); /* in a default subnet: it has one */
    struct ip before, after;

    report(id, "running", "");
    before = eni_primary(instance_primary_eni(state_index(state), the(id)))->public_ip;
    assert_int_equal(before.family, IP_V4);
    act_on("StopInstances", id);
    after = eni_primary(instance_primary_eni(state_index(state), the(id)))->public_ip;
    assert_true(ip_equal(&before, &after)); /* it still runs */
    report(id, "stopped", "");
    after = eni_primary(instance_primary_eni(state_index(state), the(id)))->public_ip;
    assert_int_equal(after.family, IP_NONE);
    act_on("TerminateInstances", id);
    report(id, "terminated", "");
}

static void test_failure_terminates_with_its_reason(void **s) {
    const char *id = launch("");

    report(id, "failed", "no more namespaces");
    assert_string_equal(state_of(id), "terminated");
    assert_string_equal(the(id)->reason_code, "Server.InternalError");
    assert_string_equal(the(id)->reason, "Server.InternalError: no more namespaces");
    assert_int_equal(count_enis(id), 0);
}

static void test_its_own_end_stops_it_or_terminates_it(void **s) {
    const char *id = launch("");

    report(id, "running", "");
    report(id, "stopped", "");
    assert_string_equal(state_of(id), "stopped");
    assert_string_equal(the(id)->reason_code, "Client.InstanceInitiatedShutdown");
    act_on("TerminateInstances", id);
    report(id, "terminated", "");
    id = launch("&InstanceInitiatedShutdownBehavior=terminate");
    report(id, "running", "");
    report(id, "stopped", "");
    assert_string_equal(state_of(id), "terminated");
    assert_int_equal(count_enis(id), 0);
}

static void test_unknown_instances_and_words_are_ignored(void **s) {
    const char *id = launch("");

    report("i-0123456789abcdef0", "running", "");
    report("", "running", "");
    report(id, "dancing", "");
    report(id, "", NULL);
    assert_string_equal(state_of(id), "pending");
    report(id, "failed", NULL);
}

/* Sets the times that the sweep looks at. */
static int age(struct call *c, void *arg) {
    struct instance *i = txn_edit(c->txn, index_get(c->ix, KIND_INSTANCE, scope, arg));
    struct token *fresh = txn_new(c->txn, KIND_TOKEN, scope, "X/fresh"),
                 *old = txn_new(c->txn, KIND_TOKEN, scope, "X/old");

    i->terminated -= 2 * 3600 * 1000;
    fresh->created = c->now - 23 * 3600 * 1000;
    old->created = c->now - 25 * 3600 * 1000;
    txn_put(c->txn, i);
    txn_put(c->txn, fresh);
    txn_put(c->txn, old);
    return 0;
}

static void test_sweep(void **s) {
    char old[64], recent[64];
    struct ask a = {.run = age, .arg = old}, b = {.run = nothing};

    strcpy(old, launch(""));
    report(old, "failed", "");
    strcpy(recent, launch(""));
    report(recent, "failed", "");
    ask(&a);
    api_sweep(api);
    ask(&b);
    assert_null(the(old));
    assert_non_null(the(recent));
    assert_null(index_get(state_index(state), KIND_TOKEN, scope, "X/old"));
    assert_non_null(index_get(state_index(state), KIND_TOKEN, scope, "X/fresh"));
}

static int setup(void **s) {
    struct api_config config = {0};
    struct store_options options = {0};
    char error[STORE_TEXT] = "";

    if (!mkdtemp(directory) || !(base = event_base_new()))
        return -1;
    if (state_open(base, "sqlite", directory, &options, &state, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return -1;
    }
    config.state = state;
    cidr_parse("203.0.113.0/24", &config.public_pool);
    cidr_parse("2600:1f00::/40", &config.ipv6_pool);
    return api_new(&config, &api, error);
}

static int teardown(void **s) {
    char command[256];

    api_free(api);
    state_close(state);
    event_base_free(base);
    snprintf(command, sizeof(command), "rm -rf %s", directory);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_follow_the_reports),
        cmocka_unit_test(test_public_address_goes_when_stopped),
        cmocka_unit_test(test_failure_terminates_with_its_reason),
        cmocka_unit_test(test_its_own_end_stops_it_or_terminates_it),
        cmocka_unit_test(test_unknown_instances_and_words_are_ignored),
        cmocka_unit_test(test_sweep),
    };

    return cmocka_run_group_tests_name("reports", tests, setup, teardown);
}
