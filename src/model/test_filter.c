/* SPDX-License-Identifier: Apache-2.0 */
/* Filters over a VPC and a security group: names, values, lists, tags, what is computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "model/filter.h"
#include "model/index.h"
#include "model/security_group.h"
#include "model/vpc.h"

static struct fixture {
    struct index *ix;
    struct look look;
    struct vpc *v;
    struct security_group *g;
} F;

static void add_tag(struct list *tags, const char *key, const char *value) {
    struct tag *t = list_add(tags, sizeof(*t));

    str_set(&t->key, key);
    str_set(&t->value, value);
}

static void add_cidr(struct list *list, const char *id, const char *cidr) {
    struct cidr_association *a = list_add(list, sizeof(*a));

    str_set(&a->id, id);
    cidr_parse(cidr, &a->cidr);
}

static void add_rule(bool egress, int64_t protocol, int64_t port, const char *cidr) {
    struct sg_rule *r = list_add(&F.g->rules, sizeof(*r));

    r->egress = egress;
    r->protocol = protocol;
    r->from = r->to = port;
    str_set(&r->id, "sgr-1");
    cidr_parse(cidr, &r->cidr);
}

static int set_up(void **state) {
    const struct scope s = {.account = 12, .region = 1};

    F.ix = index_new();
    F.look = (struct look){.ix = F.ix};
    F.v = obj_new(KIND_VPC, s, "vpc-1");
    cidr_parse("10.0.0.0/16", &F.v->cidr);
    str_set(&F.v->tenancy, "default");
    add_cidr(&F.v->cidrs, "vpc-cidr-assoc-1", "10.0.0.0/16");
    add_cidr(&F.v->cidrs, "vpc-cidr-assoc-2", "10.1.0.0/16");
    add_tag(&F.v->tags, "Name", "blue*green");
    add_tag(&F.v->tags, "empty", "");
    F.g = obj_new(KIND_SECURITY_GROUP, s, "sg-1");
    str_set(&F.g->name, "web");
    str_set(&F.g->vpc_id, "vpc-1");
    /* First one without ports: it must not disturb the ports of the others. */
    add_rule(false, SG_RULE_ANY, SG_RULE_ANY, "192.168.0.0/16");
    add_rule(false, 6, 80, "0.0.0.0/0");
    add_rule(true, 17, 53, "::/0");
    return 0;
}

static int tear_down(void **state) {
    obj_unref(F.v);
    obj_unref(F.g);
    index_free(F.ix);
    return 0;
}

/* One filter with up to two values. */
static bool match(const struct desc *d, const void *obj, const char *name, const char *a,
                  const char *b) {
    struct list filters = {0};
    struct filter *f = list_add(&filters, sizeof(*f));
    bool yes;

    str_set(&f->name, name);
    if (a)
        strs_add(&f->values, a);
    if (b)
        strs_add(&f->values, b);
    yes = filters_match(d, &F.look, obj, &filters);
    desc_clear_list(&filter_desc, &filters);
    return yes;
}

#define VPC(name, a, b) match(&vpc_desc, F.v, name, a, b)
#define GROUP(name, a) match(&security_group_desc, F.g, name, a, NULL)

static void any_value_matches(void **state) {
    assert_true(VPC("vpc-id", "vpc-1", NULL));
    assert_true(VPC("vpc-id", "vpc-2", "vpc-1"));
    assert_false(VPC("vpc-id", "vpc-2", "vpc-3"));
    assert_false(VPC("vpc-id", NULL, NULL));
    assert_true(VPC("vpc-id", "vpc-?", NULL));
    assert_false(VPC("vpc-id", "VPC-1", NULL));
}

static void a_field_has_all_its_names(void **state) {
    assert_true(VPC("cidr", "10.0.0.0/16", NULL));
    assert_true(VPC("cidr-block", "10.0.0.0/16", NULL));
    assert_true(VPC("cidrBlock", "10.0.0.0/16", NULL));
    assert_false(filter_known(&vpc_desc, "cidr-bloc"));
    assert_false(filter_known(&vpc_desc, "cidr|cidr-block"));
    assert_false(filter_known(&vpc_desc, ""));
}

static void any_item_of_a_list_matches(void **state) {
    assert_true(VPC("cidr-block-association.cidr-block", "10.1.*", NULL));
    assert_true(VPC("cidr-block-association.association-id", "vpc-cidr-assoc-2", NULL));
    assert_false(VPC("cidr-block-association.cidr-block", "10.2.*", NULL));
    assert_true(filter_known(&vpc_desc, "ipv6-cidr-block-association.state"));
    assert_false(VPC("ipv6-cidr-block-association.state", "*", NULL)); /* it has none */
    assert_false(filter_known(&vpc_desc, "cidr-block-association"));
    assert_false(filter_known(&vpc_desc, "cidr-block-association."));
}

static void booleans_are_words(void **state) {
    assert_true(VPC("is-default", "false", NULL));
    assert_false(VPC("is-default", "False", NULL));
    assert_false(VPC("is-default", "true", NULL));
}

static void tags(void **state) {
    assert_true(VPC("tag:Name", "blue\\*green", NULL));
    assert_true(VPC("tag:Name", "blue*", NULL));
    assert_false(VPC("tag:name", "*", NULL));
    assert_true(VPC("tag:empty", "", NULL));
    assert_false(VPC("tag:absent", "", NULL));
    assert_true(VPC("tag-key", "Name", NULL));
    assert_true(VPC("tag-value", "", NULL));
    assert_false(VPC("tag-key", "nam*", NULL));
    assert_true(filter_known(&vpc_desc, "tag:anything at all"));
    assert_false(filter_known(&cidr4_desc, "tag:x"));
}

static void computed_values(void **state) {
    assert_true(VPC("owner-id", "000000000012", NULL));
    assert_true(VPC("state", "available", NULL));
    assert_true(GROUP("ip-permission.from-port", "80"));
    assert_true(GROUP("ip-permission.cidr", "192.168.0.0/16"));
    assert_true(GROUP("ip-permission.cidr", "0.0.0.0/0"));
    assert_true(GROUP("ip-permission.protocol", "-1"));
    assert_true(GROUP("egress.ip-permission.to-port", "53"));
    assert_true(GROUP("egress.ip-permission.ipv6-cidr", "::/0"));
    assert_false(GROUP("ip-permission.to-port", "53"));
    assert_false(GROUP("ip-permission.group-id", "*"));
    assert_false(GROUP("egress.ip-permission.cidr", "0.0.0.0/0"));
}

static void all_filters_must_match(void **state) {
    struct list filters = {0};
    struct filter *f;

    assert_true(filters_match(&vpc_desc, &F.look, F.v, &filters));
    f = list_add(&filters, sizeof(*f));
    str_set(&f->name, "vpc-id");
    strs_add(&f->values, "vpc-1");
    assert_true(filters_match(&vpc_desc, &F.look, F.v, &filters));
    f = list_add(&filters, sizeof(*f));
    str_set(&f->name, "state");
    strs_add(&f->values, "pending");
    assert_false(filters_match(&vpc_desc, &F.look, F.v, &filters));
    desc_clear_list(&filter_desc, &filters);
}

static const struct field *indexed(const struct desc *d, const char *name, const char *value) {
    struct filter f = {.name = (char *)(uintptr_t)name};
    const struct field *field;

    strs_add(&f.values, value);
    field = filter_indexed(d, &f);
    f.name = NULL;
    desc_clear(&filter_desc, &f);
    return field;
}

static void some_filters_have_an_index(void **state) {
    const struct field *f = indexed(&security_group_desc, "vpc-id", "vpc-1");

    assert_non_null(f);
    assert_int_equal(f->num, SG_BY_VPC);
    assert_non_null(indexed(&security_group_desc, "vpc-id", ""));
    assert_null(indexed(&security_group_desc, "vpc-id", "vpc-*"));
    assert_null(indexed(&security_group_desc, "vpc-id", "vpc-?"));
    assert_null(indexed(&security_group_desc, "vpc-id", "vpc-\\1"));
    assert_null(indexed(&security_group_desc, "group-id", "sg-1"));
    assert_null(indexed(&security_group_desc, "description", "x"));
    assert_null(indexed(&security_group_desc, "tag:vpc-id", "x"));
    assert_null(indexed(&vpc_desc, "cidr-block-association.association-id", "x"));
}

static void filters_have_a_budget(void **state) {
    char pattern[256] = "*", text[256] = "";
    uint64_t steps = FILTER_STEPS_MAX;
    struct look look = {.ix = F.ix, .steps = &steps};
    struct list filters = {0};
    struct filter *f = list_add(&filters, sizeof(*f));

    memset(pattern + 1, 'a', 120);
    strcat(pattern, "b");
    memset(text, 'a', sizeof(text) - 1);
    add_tag(&F.v->tags, "long", text);
    str_set(&f->name, "vpc-id");
    strs_add(&f->values, "vpc-1");
    assert_true(filters_match(&vpc_desc, &look, F.v, &filters));
    assert_in_range(FILTER_STEPS_MAX - steps, 1, 500); /* what a usual one costs */
    strs_add(&f->values, "vpc-2");
    f = list_add(&filters, sizeof(*f));
    str_set(&f->name, "tag:long");
    strs_add(&f->values, pattern);
    steps = FILTER_STEPS_MAX;
    assert_false(filters_match(&vpc_desc, &look, F.v, &filters));
    /* 135 positions of 121 steps, 120 of ever fewer. */
    assert_in_range(FILTER_STEPS_MAX - steps, 23000, 25000);
    steps = 1000;
    assert_false(filters_match(&vpc_desc, &look, F.v, &filters));
    assert_int_equal(steps, 0);
    desc_clear_list(&filter_desc, &filters);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(any_value_matches),
        T(a_field_has_all_its_names),
        T(any_item_of_a_list_matches),
        T(booleans_are_words),
        T(tags),
        T(computed_values),
        T(all_filters_must_match),
        T(some_filters_have_an_index),
        T(filters_have_a_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
