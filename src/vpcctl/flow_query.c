/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcctl/flow_query.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "link/owner.h"
#include "vpcctl/print.h"

/* ---- whose ---- */

/* The agent's interfaces, or NULL without an agent. */
static json_t *ask_interfaces(const struct ctl *ctl) {
    _close_ int fd = daemon_connect(ctl, DAEMON_AGENT);
    json_t *request = json_pack("{ss}", "cmd", "interfaces");
    json_t *answer = fd < 0 ? NULL : daemon_ask(fd, request);

    json_decref(request);
    return answer;
}

const json_t *flow_query_interface(const struct flow_query *q, const char *id) {
    return json_object_get(json_object_get(q->interfaces, "interfaces"), id);
}

static void forget_ends(struct flow_query *q) {
    struct flow_end *e, *next;

    HASH_ITER (hh, q->ends, e, next) {
        HASH_DEL(q->ends, e);
        free(e);
    }
}

const struct flow_end *flow_query_end(struct flow_query *q, uint32_t number) {
    static const struct flow_end outside = {.id = "outside", .instance = "", .name = "", .vpc = ""};
    struct eni_value v = {0};
    struct flow_end *e;

    HASH_FIND(hh, q->ends, &number, sizeof(number), e);
    if (!number || e)
        return e ? e : &outside;
    e = calloc(1, sizeof(*e));
    if (!e)
        return &outside;
    e->number = number;
    if (dataplane_view_eni(q->view, number, &v) < 0)
        strcpy(e->id, "gone");
    else
        memcpy(e->id, v.id, sizeof(v.id));
    e->row = flow_query_interface(q, e->id);
    e->instance = text_in(e->row, "instance");
    e->name = text_in(e->row, "name");
    e->vpc = text_in(e->row, "vpc");
    HASH_ADD(hh, q->ends, number, sizeof(e->number), e);
    return e;
}

/* ---- which ---- */

static bool has_group(const json_t *row, const char *group) {
    const json_t *g;
    size_t i;

    json_array_foreach(json_object_get(row, "groups"), i, g) {
        if (strcmp(text_in(g, "id"), group) == 0 || strcmp(text_in(g, "name"), group) == 0)
            return true;
    }
    return false;
}

bool flow_query_wants(const struct flow_query *q, const struct flow_end *e) {
    return (!q->of || strcmp(e->id, q->of) == 0 || strcmp(e->instance, q->of) == 0) &&
           (!q->vpc || strcmp(e->vpc, q->vpc) == 0) && (!q->group || has_group(e->row, q->group));
}

static uint64_t timeout_ns(const struct flow_value *f) {
    uint32_t ms = f->state & FLOW_CLOSING ? f->timeouts.closing_ms
                  : f->state & FLOW_OPEN  ? f->timeouts.open_ms
                                          : f->timeouts.half_ms;

    return ms * UINT64_C(1000000);
}

static bool has_address(const struct flow_query *q, const struct flow_key *k) {
    return q->address.family == k->family &&
           (memcmp(q->address.b, &k->src, 16) == 0 || memcmp(q->address.b, &k->dst, 16) == 0);
}

static bool matches(struct flow_query *q, const struct flow *f) {
    const struct flow_key *k = &f->key;

    if (q->protocol >= 0 && q->protocol != k->proto && !(q->protocol == 1 && k->proto == 58))
        return false;
    if (q->port && q->port != be16toh(k->sport) && q->port != be16toh(k->dport))
        return false;
    if (q->address.family && !has_address(q, k) && !has_address(q, &f->value.partner))
        return false;
    return (!q->of && !q->vpc && !q->group) || flow_query_wants(q, flow_query_end(q, k->eni)) ||
           flow_query_wants(q, flow_query_end(q, f->value.verdict.far));
}

static int note(const struct flow_key *key, const struct flow_value *value, void *arg) {
    struct flow_query *q = arg;
    struct flow f = {.key = *key, .value = *value, .last_ns = value->last_ns};

    if (!(value->verdict.flags & FLOW_FORWARD) || value->state & FLOW_DEAD || !matches(q, &f))
        return 0;
    if (dataplane_view_flow(q->view, &value->partner, &f.back) < 0)
        f.back = (struct flow_value){0};
    if (f.back.last_ns > f.last_ns)
        f.last_ns = f.back.last_ns;
    if (f.last_ns + timeout_ns(value) < q->now_ns)
        return 0;
    if (q->n == q->room) {
        size_t room = q->room ? q->room * 2 : 256;
        struct flow *more = reallocarray(q->flows, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        q->flows = more;
        q->room = room;
    }
    q->flows[q->n++] = f;
    return 0;
}

int flow_query_look(struct flow_query *q) {
    json_t *interfaces = ask_interfaces(q->ctl);

    forget_ends(q); /* they may have other groups, names, instances now */
    json_decref(q->interfaces);
    q->interfaces = interfaces;
    q->n = 0;
    q->now_ns = mono_ns();
    return dataplane_view_flows(q->view, note, q);
}

/* ---- options, life ---- */

int flow_query_option(struct flow_query *q, const char *arg, const char *value) {
    int64_t n = 0;

    if (!value)
        return 0;
    if (strcmp(arg, "--of") == 0 || strcmp(arg, "--instance") == 0 ||
        strcmp(arg, "--interface") == 0)
        q->of = value;
    else if (strcmp(arg, "--vpc") == 0)
        q->vpc = value;
    else if (strcmp(arg, "--group") == 0)
        q->group = value;
    else if (strcmp(arg, "--address") == 0)
        return ip_parse(value, &q->address) == 0;
    else if (strcmp(arg, "--protocol") == 0)
        return protocol_parse(value, &q->protocol);
    else if (strcmp(arg, "--port") == 0 && int_parse(value, 1, 65535, &n) == 0)
        q->port = (int)n;
    else
        return 0;
    return 1;
}

int flow_query_open(const struct ctl *ctl, struct flow_query *q) {
    char dir[OWNER_PIN_DIR];
    struct owner owner;
    int r = owner_of(ctl->dir, &owner);

    q->ctl = ctl;
    if (r < 0)
        return complain(1, "state directory %s: %s", ctl->dir, strerror(-r));
    r = dataplane_view_open(owner_pin_dir(&owner, dir), &q->view);
    if (r < 0)
        return complain(1,
                        r == -ENOENT ? "there is no data plane of %s (or one of another version)"
                                     : "the data plane of %s cannot be read: this needs root",
                        ctl->dir);
    return 0;
}

void flow_query_close(struct flow_query *q) {
    forget_ends(q);
    json_decref(q->interfaces);
    free(q->flows);
    dataplane_view_close(q->view);
}

/* ---- how it looks ---- */

static const char *state_text(const struct flow *f) {
    uint32_t s = f->value.state | f->back.state;
    bool tcp = f->key.proto == 6;

    if (s & FLOW_CLOSING || (s & FLOW_FIN_FORWARD && s & FLOW_FIN_REVERSE))
        return "closing";
    if (s & FLOW_OPEN)
        return tcp ? "established" : "stream";
    if (s & FLOW_REPLIED)
        return "answered";
    return tcp ? "opening" : "unanswered";
}

json_t *flow_query_json(struct flow_query *q, const struct flow *f) {
    struct ip src = {.family = f->key.family}, dst = src, arrives = src;
    char src_text[IP_TEXT], dst_text[IP_TEXT], arrives_text[IP_TEXT];
    const struct flow_end *from = flow_query_end(q, f->key.eni);
    const struct flow_end *to = flow_query_end(q, f->value.verdict.far);
    bool ports = f->key.proto == 6 || f->key.proto == 17;
    json_t *o;

    memcpy(src.b, &f->key.src, 16);
    memcpy(dst.b, &f->key.dst, 16);
    memcpy(arrives.b, &f->value.partner.src, 16);
    o = json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "from",
        from->id, "from_instance", from->instance, "from_name", from->name, "to", to->id,
        "to_instance", to->instance, "to_name", to->name, "protocol", f->key.proto, "source",
        ip_format(&src, src_text), "destination", ip_format(&dst, dst_text), "arrives_at",
        ip_format(&arrives, arrives_text), "state", state_text(f), "tracked",
        (int)!!(f->value.verdict.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST)), "packets",
        (json_int_t)f->value.packets, "bytes", (json_int_t)f->value.bytes, "packets_back",
        (json_int_t)f->back.packets, "bytes_back", (json_int_t)f->back.bytes, "age_ms",
        (json_int_t)((q->now_ns - f->value.start_ns) / 1000000), "idle_ms",
        (json_int_t)(q->now_ns > f->last_ns ? (q->now_ns - f->last_ns) / 1000000 : 0));
    if (ports) {
        json_object_set_new(o, "sport", json_integer(be16toh(f->key.sport)));
        json_object_set_new(o, "dport", json_integer(be16toh(f->key.dport)));
    }
    return o;
}

void flow_query_print_end(const char *id, const char *instance, const char *name) {
    printf("%s", *instance ? instance : id);
    if (*name) {
        putchar(' ');
        print_name(name);
    }
}
