/* SPDX-License-Identifier: Apache-2.0 */
/* What interfaces hold besides themselves: claims and the numbers of their sets of groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/ec2/instance_ops.h"
#include "api/test_calls.h"

static char subnet[64], group_a[64], group_b[64];

static int find_subnet(struct call *c, void *arg) {
    struct cursor cur;

    assert_true(cursor_in(c->ix, &cur, KIND_SUBNET, c->scope, NULL));
    snprintf(subnet, sizeof(subnet), "%s", ((const struct obj *)cur.obj)->id);
    return 0;
}

static int setup(void **s) {
    struct calls_ask a = {.run = find_subnet};
    const struct subnet *sub;
    char params[256];

    if (calls_setup(s) != 0)
        return -1;
    calls_ask(&a);
    sub = index_get(calls_index(), KIND_SUBNET, calls_scope, subnet);
    for (int i = 0; i < 2; i++) {
        snprintf(params, sizeof(params), "GroupName=g%d&GroupDescription=test&VpcId=%s", i,
                 sub->vpc_id);
        snprintf(i ? group_b : group_a, sizeof(group_a), "%s",
                 calls_act(&security_group_actions, "CreateSecurityGroup", params, "groupId"));
    }
    return 0;
}

static const struct network_interface *create(char id[64], const char *group, const char *second) {
    char params[512];

    snprintf(params, sizeof(params), "SubnetId=%s&SecurityGroupId.1=%s%s%s", subnet, group,
             second ? "&SecurityGroupId.2=" : "", second ? second : "");
    snprintf(id, 64, "%s",
             calls_act(&network_interface_actions, "CreateNetworkInterface", params,
                       "networkInterfaceId"));
    return index_get(calls_index(), KIND_NETWORK_INTERFACE, calls_scope, id);
}

static void destroy(const char *id) {
    char params[128];

    snprintf(params, sizeof(params), "NetworkInterfaceId=%s", id);
    calls_act(&network_interface_actions, "DeleteNetworkInterface", params, NULL);
}

static void test_equal_sets_have_one_number(void **s) {
    size_t sets = index_count(calls_index(), KIND_SGSET);
    char a[64], ab[64], ba[64], b[64], again[64];
    int64_t number_a, number_ab, number_b;

    number_a = create(a, group_a, NULL)->sgset;
    number_ab = create(ab, group_a, group_b)->sgset;
    assert_int_equal(create(ba, group_b, group_a)->sgset, number_ab);
    number_b = create(b, group_b, NULL)->sgset;
    assert_true(number_a > 0 && number_ab > 0 && number_b > 0);
    assert_true(number_a != number_ab && number_ab != number_b && number_b != number_a);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets + 3);
    /* A set is gone once nobody has it, but its number is not given again. */
    destroy(ab);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets + 3);
    destroy(a);
    destroy(ba);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets + 1);
    assert_true(create(again, group_a, NULL)->sgset > number_b);
    destroy(again);
    destroy(b);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets);
}

static void test_other_groups_are_another_set(void **s) {
    size_t sets = index_count(calls_index(), KIND_SGSET);
    const struct network_interface *eni;
    char id[64], params[256];
    int64_t before;

    before = create(id, group_a, NULL)->sgset;
    snprintf(params, sizeof(params), "NetworkInterfaceId=%s&SecurityGroupId.1=%s", id, group_b);
    calls_act(&network_interface_actions, "ModifyNetworkInterfaceAttribute", params, NULL);
    eni = index_get(calls_index(), KIND_NETWORK_INTERFACE, calls_scope, id);
    assert_int_not_equal(eni->sgset, before);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets + 1);
    /* The same groups once more: nothing is counted twice. */
    before = eni->sgset;
    calls_act(&network_interface_actions, "ModifyNetworkInterfaceAttribute", params, NULL);
    eni = index_get(calls_index(), KIND_NETWORK_INTERFACE, calls_scope, id);
    assert_int_equal(eni->sgset, before);
    destroy(id);
    assert_int_equal(index_count(calls_index(), KIND_SGSET), sets);
}

static size_t claims(void) {
    return index_count(calls_index(), KIND_CLAIM);
}

static void test_claims_go_with_what_they_are_for(void **s) {
    char eni[64], instance[64], address[64], params[256];
    size_t before;

    /* The pool's cursor stays once an address was given out. */
    snprintf(address, sizeof(address), "%s",
             calls_act(&address_actions, "AllocateAddress", "", "allocationId"));
    before = claims();
    create(eni, group_a, group_b);
    assert_int_equal(claims(), before + 3); /* address, MAC, set */
    snprintf(params, sizeof(params), "NetworkInterfaceId=%s&SecondaryPrivateIpAddressCount=3", eni);
    calls_act(&eni_address_actions, "AssignPrivateIpAddresses", params, NULL);
    assert_int_equal(claims(), before + 6);
    snprintf(params, sizeof(params), "NetworkInterfaceId=%s&AllocationId=%s", eni, address);
    calls_act(&address_actions, "AssociateAddress", params, NULL);
    assert_int_equal(claims(), before + 6);
    destroy(eni);
    assert_int_equal(claims(), before);
    snprintf(params, sizeof(params), "AllocationId=%s", address);
    calls_act(&address_actions, "ReleaseAddress", params, NULL);
    assert_int_equal(claims(), before - 1);

    snprintf(instance, sizeof(instance), "%s",
             calls_act(&instance_run_actions, "RunInstances",
                       "ImageId=ami-netns&MinCount=1&MaxCount=1", "instanceId"));
    assert_int_equal(claims(), before - 1 + 4); /* and its public address */
    api_instance_report(calls_api(), instance, "failed", "");
    calls_act(&address_actions, "DescribeAddresses", "", NULL);
    assert_int_equal(claims(), before - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_sets_have_one_number),
        cmocka_unit_test(test_other_groups_are_another_set),
        cmocka_unit_test(test_claims_go_with_what_they_are_for),
    };

    return cmocka_run_group_tests_name("eni", tests, setup, calls_teardown);
}
