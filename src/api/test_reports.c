/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent reports of an instance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/ec2/instance_ops.h"
#include "api/test_calls.h"

static int nothing(struct call *c, void *arg) {
    return 0;
}

/* The report is a call of its own; one behind it is done after it. */
static void report(const char *id, const char *what, const char *why) {
    struct calls_ask a = {.run = nothing};

    api_instance_report(calls_api(), id, what, why);
    calls_ask(&a);
}

static const struct instance *the(const char *id) {
    return index_get(calls_index(), KIND_INSTANCE, calls_scope, id);
}

static const char *state_of(const char *id) {
    return instance_state_names[the(id)->state];
}

static size_t count_enis(const char *id) {
    struct cursor cur;
    size_t n = 0;

    index_each_by(calls_index(), cur, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, id) n++;
    return n;
}

/* A new instance; its id in static memory. */
static const char *launch(const char *more) {
    static char id[64];
    char params[256];

    snprintf(params, sizeof(params), "ImageId=ami-netns&MinCount=1&MaxCount=1%s", more);
    snprintf(id, sizeof(id), "%s",
             calls_act(&instance_run_actions, "RunInstances", params, "instanceId"));
    return id;
}

static void act_on(const char *name, const char *id) {
    char params[128];

    snprintf(params, sizeof(params), "InstanceId.1=%s", id);
    calls_act(&instance_state_actions, name, params, NULL);
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
    before = eni_primary(instance_primary_eni(calls_index(), the(id)))->public_ip;
    assert_int_equal(before.family, IP_V4);
    act_on("StopInstances", id);
    after = eni_primary(instance_primary_eni(calls_index(), the(id)))->public_ip;
    assert_true(ip_equal(&before, &after)); /* it still runs */
    report(id, "stopped", "");
    after = eni_primary(instance_primary_eni(calls_index(), the(id)))->public_ip;
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

static void test_user_data_goes_when_terminated(void **s) {
    const char *id = launch("&UserData=YWJj");

    assert_int_equal(the(id)->user_data.len, 3);
    report(id, "running", "");
    act_on("TerminateInstances", id);
    report(id, "terminated", "");
    assert_int_equal(the(id)->user_data.len, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_follow_the_reports),
        cmocka_unit_test(test_public_address_goes_when_stopped),
        cmocka_unit_test(test_failure_terminates_with_its_reason),
        cmocka_unit_test(test_its_own_end_stops_it_or_terminates_it),
        cmocka_unit_test(test_unknown_instances_and_words_are_ignored),
        cmocka_unit_test(test_user_data_goes_when_terminated),
    };

    return cmocka_run_group_tests_name("reports", tests, calls_setup, calls_teardown);
}
