/* SPDX-License-Identifier: Apache-2.0 */
#include "services/test_imds_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "model/regions.h"
#include "model/security_group.h"
#include "model/vpc.h"
#include "services/imds_conn.h"
#include "services/imds_identity.h"

struct index *ix;
struct imds imds;
int64_t now = 1000;
struct scope scope;

void world_put(void *obj) {
    assert_non_null(obj);
    assert_int_equal(index_put(ix, obj, NULL), 0);
    obj_unref(obj);
}

static struct cidr block(const char *text) {
    struct cidr c;

    assert_int_equal(cidr_parse(text, &c), 0);
    return c;
}

static void add_block(struct list *l, const char *text) {
    struct cidr_association *a = list_add(l, sizeof(*a));

    a->cidr = block(text);
}

static struct eni_address *add_address(struct list *l, const char *text) {
    struct eni_address *a = list_add(l, sizeof(*a));

    a->primary = l->n == 1;
    assert_int_equal(ip_parse(text, &a->ip), 0);
    return a;
}

static void add_vpc(const char *id, const char *subnet_id, const char *dhcp) {
    struct vpc *v = obj_new(KIND_VPC, scope, id);
    struct subnet *s = obj_new(KIND_SUBNET, scope, subnet_id);

    v->cidr = block("10.0.0.0/16");
    v->dns_support = v->dns_hostnames = true;
    obj_set(&v->o, &v->dhcp_options_id, dhcp);
    add_block(&v->cidrs, "10.0.0.0/16");
    obj_set(&s->o, &s->vpc_id, id);
    obj_set(&s->o, &s->zone, "us-east-1b");
    s->cidr = block("10.0.1.0/24");
    if (strcmp(id, "vpc-a") == 0) {
        add_block(&v->cidrs, "10.1.0.0/16");
        add_block(&v->cidrs6, "2001:db8::/56");
        add_block(&s->cidrs6, "2001:db8::/64");
    }
    world_put(v);
    world_put(s);
}

static struct network_interface *new_eni(const char *id, const char *vpc, const char *subnet,
                                         const char *instance, int64_t index, const char *mac) {
    struct network_interface *e = obj_new(KIND_NETWORK_INTERFACE, scope, id);

    obj_set(&e->o, &e->vpc_id, vpc);
    obj_set(&e->o, &e->subnet_id, subnet);
    obj_set(&e->o, &e->instance_id, instance);
    e->device_index = index;
    assert_int_equal(mac_parse(mac, e->mac), 0);
    return e;
}

static void add_tag(struct list *tags, const char *key, const char *value) {
    struct tag *t = list_add(tags, sizeof(*t));

    t->key = strdup(key);
    t->value = strdup(value);
}

static struct instance *new_instance(const char *id, const char *vpc, const char *subnet) {
    struct instance *i = obj_new(KIND_INSTANCE, scope, id);

    obj_set(&i->o, &i->image_id, "ami-0000000000000netns");
    i->state = INSTANCE_RUNNING;
    obj_set(&i->o, &i->type, "t3.micro");
    obj_set(&i->o, &i->vpc_id, vpc);
    obj_set(&i->o, &i->subnet_id, subnet);
    obj_set(&i->o, &i->zone, "us-east-1b");
    obj_set(&i->o, &i->reservation_id, "r-1");
    i->launch_time = 1479573131123;
    i->metadata = metadata_options_default;
    return i;
}

int world_set_up(void **state) {
    static char dir[] = "/tmp/vpcd-test-imds-XXXXXX";
    struct network_interface *e;
    struct security_group *g;
    struct dhcp_options *d;
    struct dhcp_option *o;
    struct instance *i;
    const char *why;

    scope = (struct scope){.account = 1, .region = region_by_name("us-east-1")};
    ix = index_new();
    memset(imds.key, 7, sizeof(imds.key));
    assert_non_null(mkdtemp(dir));
    assert_int_equal(identity_open(dir, &imds.identity, &why), 0);
    *state = dir;
    d = obj_new(KIND_DHCP_OPTIONS, scope, "dopt-1");
    o = list_add(&d->options, sizeof(*o));
    o->key = strdup("domain-name");
    strs_add(&o->values, "corp.example");
    world_put(d);
    add_vpc("vpc-a", "subnet-a", "default");
    add_vpc("vpc-b", "subnet-b", "dopt-1");
    g = obj_new(KIND_SECURITY_GROUP, scope, "sg-1");
    obj_set(&g->o, &g->name, "web");
    world_put(g);
    g = obj_new(KIND_SECURITY_GROUP, scope, "sg-2");
    obj_set(&g->o, &g->name, "ssh");
    world_put(g);

    e = new_eni("eni-1", "vpc-a", "subnet-a", "i-1", 0, "02:00:00:00:00:01");
    assert_int_equal(ip_parse("203.0.113.5", &add_address(&e->addresses, "10.0.1.5")->public_ip),
                     0);
    add_address(&e->addresses, "10.0.1.6");
    add_address(&e->addresses6, "2001:db8::5");
    strs_add(&e->groups, "sg-1");
    strs_add(&e->groups, "sg-2");
    ((struct eni_prefix *)list_add(&e->prefixes, sizeof(struct eni_prefix)))->cidr =
        block("10.0.1.32/28");
    world_put(e);
    e = new_eni("eni-2", "vpc-a", "subnet-a", "i-1", 1, "02:00:00:00:00:02");
    add_address(&e->addresses, "10.0.1.9");
    strs_add(&e->groups, "sg-2");
    world_put(e);
    e = new_eni("eni-3", "vpc-b", "subnet-b", "i-2", 0, "02:00:00:00:00:03");
    add_address(&e->addresses, "10.0.1.5");
    world_put(e);
    world_put(new_eni("eni-4", "vpc-b", "subnet-b", NULL, 0, "02:00:00:00:00:04"));

    i = new_instance("i-1", "vpc-a", "subnet-a");
    obj_set(&i->o, &i->key_name, "mine");
    obj_set(&i->o, &i->public_key, "ssh-ed25519 AAAA mine");
    i->user_data.data = malloc(6);
    memcpy(i->user_data.data, "a\0b\r\n\xff", 6);
    i->user_data.len = 6;
    i->metadata.tags = STATE_ENABLED;
    i->metadata.hop_limit = 2;
    i->metadata.ipv6 = STATE_ENABLED;
    add_tag(&i->tags, "Name", "web server");
    add_tag(&i->tags, "a@b:c", "");
    add_tag(&i->tags, "has/slash", "x");
    world_put(i);
    i = new_instance("i-2", "vpc-b", "subnet-b");
    add_tag(&i->tags, "Name", "hidden");
    world_put(i);
    return 0;
}

int world_tear_down(void **state) {
    char path[200];

    identity_free(imds.identity);
    index_free(ix);
    snprintf(path, sizeof(path), "%s/key.pem", (char *)*state);
    unlink(path);
    snprintf(path, sizeof(path), "%s/certificate.pem", (char *)*state);
    unlink(path);
    return rmdir(*state);
}

/* ---- asking ---- */

struct answer ask_by(const char *eni, uint8_t family, const char *request, size_t piece) {
    struct imds_conn *c = imds_conn_new();
    _buf_ struct buf out = BUF_INIT;
    struct answer a = {0};
    struct asker who;
    const char *end;
    size_t n = strlen(request);

    assert_true(asker_of(ix, index_get(ix, KIND_NETWORK_INTERFACE, scope, eni), 1, &who));
    for (size_t at = 0; at < n && !a.status; at += piece)
        a.status = imds_conn_feed(c, &imds, ix, &who, family, now, request + at,
                                  n - at < piece ? n - at : piece, &out, &a.hops);
    imds_conn_free(c);
    if (!a.status)
        return a;
    end = strstr(buf_str(&out), "\r\n\r\n");
    assert_non_null(end);
    snprintf(a.head, sizeof(a.head), "%.*s", (int)(end - out.data + 2), out.data);
    a.len = out.len - (size_t)(end + 4 - out.data);
    assert_true(a.len < sizeof(a.body));
    memcpy(a.body, end + 4, a.len);
    return a;
}

struct answer ask(const char *eni, const char *request) {
    return ask_by(eni, IP_V4, request, 4096);
}

struct answer get(const char *eni, const char *path) {
    char request[4096];

    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n", path);
    return ask(eni, request);
}

struct answer meta(const char *eni, const char *path) {
    char full[512];

    snprintf(full, sizeof(full), "/latest/meta-data/%s", path);
    return get(eni, full);
}

struct answer put_token(const char *eni, const char *headers) {
    char request[1024];

    snprintf(request, sizeof(request),
             "PUT /latest/api/token HTTP/1.1\r\nHost: 169.254.169.254\r\n%s\r\n", headers);
    return ask(eni, request);
}

struct answer get_with(const char *eni, const char *token) {
    char request[1024];

    snprintf(request, sizeof(request),
             "GET /latest/meta-data/instance-id HTTP/1.1\r\nHost: x\r\n"
             "x-AWS-ec2-metadata-token: %.500s\r\n\r\n",
             token);
    return ask(eni, request);
}

void set_options(const char *id, struct metadata_options m) {
    struct instance *i = obj_clone(index_get(ix, KIND_INSTANCE, scope, id));

    i->metadata = m;
    world_put(i);
}
