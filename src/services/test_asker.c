/* SPDX-License-Identifier: Apache-2.0 */
#include "services/test_asker.h"

#include <stdlib.h>
#include <string.h>

static const struct scope scope = {.account = 1, .region = 1};

static void must(bool ok) {
    if (!ok)
        abort();
}

/* The index keeps it, and so do we. */
static void put(struct test_asker *t, void *obj) {
    must(index_put(t->ix, obj, NULL) == 0);
    obj_unref(obj);
}

static struct cidr net(const char *text) {
    struct cidr c;

    must(cidr_parse(text, &c) == 0);
    return c;
}

static void add_address(struct list *l, const char *text) {
    struct eni_address *a = list_add(l, sizeof(*a));

    must(a && ip_parse(text, &a->ip) == 0);
    a->primary = l->n == 1;
}

void test_asker_option(struct test_asker *t, const char *key, const char *value) {
    struct dhcp_option *found = NULL;

    list_each (struct dhcp_option, o, t->options->options)
        if (strcmp(o->key, key) == 0)
            found = o;
    if (!found) {
        found = list_add(&t->options->options, sizeof(*found));
        must(found && (found->key = strdup(key)));
    }
    for (uint32_t i = 0; i < found->values.n; i++)
        free(list_str(found->values, i));
    found->values.n = 0;
    if (value)
        must(strs_add(&found->values, value) == 0);
}

void test_asker_make(struct test_asker *t) {
    struct cidr_association *six;

    *t = (struct test_asker){.ix = index_new()};
    must(t->ix);
    must((t->vpc = obj_new(KIND_VPC, scope, "vpc-1")));
    t->vpc->cidr = net("10.0.0.0/16");
    t->vpc->dns_support = t->vpc->dns_hostnames = true;
    obj_set(&t->vpc->o, &t->vpc->dhcp_options_id, "dopt-1");
    must((t->subnet = obj_new(KIND_SUBNET, scope, "subnet-1")));
    t->subnet->cidr = net("10.0.1.0/24");
    six = list_add(&t->subnet->cidrs6, sizeof(*six));
    must(six);
    six->cidr = net("2001:db8:1:1::/64");
    obj_set(&t->subnet->o, &t->subnet->vpc_id, "vpc-1");
    obj_set(&t->subnet->o, &t->subnet->hostname_type, "ip-name");
    must((t->instance = obj_new(KIND_INSTANCE, scope, "i-1")));
    must((t->eni = obj_new(KIND_NETWORK_INTERFACE, scope, "eni-1")));
    obj_set(&t->eni->o, &t->eni->vpc_id, "vpc-1");
    obj_set(&t->eni->o, &t->eni->subnet_id, "subnet-1");
    obj_set(&t->eni->o, &t->eni->instance_id, "i-1");
    memcpy(t->eni->mac, "\x02\0\0\0\0\x05", 6);
    add_address(&t->eni->addresses, "10.0.1.5");
    add_address(&t->eni->addresses, "10.0.1.6");
    add_address(&t->eni->addresses6, "2001:db8:1:1::5");
    add_address(&t->eni->addresses6, "2001:db8:1:1::6");
    must((t->options = obj_new(KIND_DHCP_OPTIONS, scope, "dopt-1")));
    test_asker_option(t, "domain-name", "ec2.internal");
    test_asker_option(t, "domain-name-servers", "AmazonProvidedDNS");
    put(t, t->vpc);
    put(t, t->subnet);
    put(t, t->instance);
    put(t, t->eni);
    put(t, t->options);
    t->who = (struct asker){
        .number = 7, .eni = t->eni, .vpc = t->vpc, .subnet = t->subnet, .instance = t->instance};
}

void test_asker_free(struct test_asker *t) {
    index_free(t->ix);
}
