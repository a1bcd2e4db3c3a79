/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata service: whatever an instance sends, in whatever pieces, gets one whole reply or
 * none; an instance that must show a token gets nothing without one; and nothing of another
 * instance is in any reply. The first byte says who asks and how long the pieces are.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/vpc.h"
#include "services/imds_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OTHERS "0THERS-SECRET"

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

static const struct scope scope = {.account = 1, .region = 1};
static struct index *ix;
static struct asker askers[3];

static void put(void *obj) {
    CHECK(index_put(ix, obj, NULL) == 0);
    obj_unref(obj);
}

static void add_tag(struct list *tags, const char *key, const char *value) {
    struct tag *t = list_add(tags, sizeof(*t));

    t->key = strdup(key);
    t->value = strdup(value);
}

/* Three instances: with all there is; one that needs a token; and one whose data nobody may see. */
static void add_instance(int n) {
    struct instance *i;
    struct network_interface *e;
    struct eni_address *a;
    char id[32];

    snprintf(id, sizeof(id), "i-%d", n);
    i = obj_new(KIND_INSTANCE, scope, id);
    i->metadata = metadata_options_default;
    i->metadata.tags = STATE_ENABLED;
    if (n == 1)
        i->metadata.tokens = TOKENS_REQUIRED;
    obj_set(&i->o, &i->vpc_id, "vpc-1");
    obj_set(&i->o, &i->zone, "us-east-1a");
    obj_set(&i->o, &i->type, "t3.micro");
    obj_set(&i->o, &i->key_name, n == 2 ? OTHERS : "key");
    obj_set(&i->o, &i->public_key, n == 2 ? OTHERS : "ssh-rsa AAAA");
    add_tag(&i->tags, n == 2 ? OTHERS : "Name", n == 2 ? OTHERS : "web");
    i->user_data.data = (uint8_t *)strdup(n == 2 ? OTHERS : "#!/bin/sh");
    i->user_data.len = (uint32_t)strlen((char *)i->user_data.data);
    put(i); /* the index keeps it */
    snprintf(id, sizeof(id), "eni-%d", n);
    e = obj_new(KIND_NETWORK_INTERFACE, scope, id);
    obj_set(&e->o, &e->vpc_id, "vpc-1");
    obj_set(&e->o, &e->subnet_id, "subnet-1");
    snprintf(id, sizeof(id), "i-%d", n);
    obj_set(&e->o, &e->instance_id, id);
    a = list_add(&e->addresses, sizeof(*a));
    a->ip = ip_v4(0x0a000105);
    a->primary = true;
    a->public_ip = ip_v4(0xcb007105);
    e->mac[0] = 2;
    e->mac[5] = (uint8_t)n;
    put(e);
    askers[n] = (struct asker){.number = (uint32_t)n + 1,
                               .eni = e,
                               .vpc = index_get(ix, KIND_VPC, scope, "vpc-1"),
                               .subnet = index_get(ix, KIND_SUBNET, scope, "subnet-1"),
                               .instance = i};
}

static void set_up(void) {
    struct vpc *v = obj_new(KIND_VPC, scope, "vpc-1");
    struct subnet *s = obj_new(KIND_SUBNET, scope, "subnet-1");

    ix = index_new();
    v->dns_hostnames = true;
    CHECK(cidr_parse("10.0.0.0/16", &v->cidr) == 0);
    obj_set(&v->o, &v->dhcp_options_id, "default");
    CHECK(cidr_parse("10.0.1.0/24", &s->cidr) == 0);
    obj_set(&s->o, &s->vpc_id, "vpc-1");
    put(v);
    put(s);
    for (int n = 0; n < 3; n++)
        add_instance(n);
}

static int feed(const struct asker *who, const uint8_t *data, size_t size, size_t piece,
                struct buf *out, int *ret_hops) {
    static struct imds imds;
    struct imds_conn *c = imds_conn_new();
    int status = 0;

    for (size_t at = 0; at < size && !status; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        /* A copy of its own, so that reading beyond it is seen. */
        uint8_t *copy = malloc(n);

        memcpy(copy, data + at, n);
        status = imds_conn_feed(c, &imds, ix, who, IP_V4, 1000, copy, n, out, ret_hops);
        free(copy);
        CHECK(status || !out->len);
    }
    imds_conn_free(c);
    return status;
}

static void check_reply(int status, const struct buf *out, bool head_only) {
    const char *end = strstr(buf_str(out), "\r\n\r\n"), *length;
    char line[32];

    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    CHECK(!out->failed && end && strncmp(out->data, line, strlen(line)) == 0);
    length = strstr(out->data, "\r\nContent-Length: ");
    CHECK(length && length < end);
    CHECK(head_only || strtoul(length + 18, NULL, 10) == out->len - (size_t)(end + 4 - out->data));
    CHECK(!memmem(out->data, out->len, OTHERS, strlen(OTHERS)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _buf_ struct buf whole = BUF_INIT, pieces = BUF_INIT;
    const struct asker *who;
    int status, hops = 0, hops_pieces = 0;
    bool put_asked, head_only;

    if (!ix)
        set_up();
    if (size < 1)
        return 0;
    who = &askers[data[0] & 1];
    status = feed(who, data + 1, size - 1, size, &whole, &hops);
    CHECK(feed(who, data + 1, size - 1, 1 + data[0] / 2 % 32u, &pieces, &hops_pieces) == status);
    CHECK(hops == hops_pieces && whole.len == pieces.len);
    if (!status)
        return 0;
    put_asked = size > 4 && memcmp(data + 1, "PUT ", 4) == 0;
    head_only = size > 5 && memcmp(data + 1, "HEAD ", 5) == 0;
    check_reply(status, &whole, head_only);
    /* Refused by the reader of heads, or the hops that the instance's options name. */
    CHECK(hops == 0 || (put_asked && hops == 1));
    CHECK(put_asked || who == &askers[0] || status != 200);
    return 0;
}
