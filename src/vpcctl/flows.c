/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpcctl flows: the flows that live now, one line each, those that were used last first. Read from
 * the pinned flow table, so an agent need not live; where one does, it names the instances.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/ip.h"
#include "base/text.h"
#include "dataplane/view.h"
#include "link/owner.h"
#include "vpcctl/ctl.h"
#include "vpcctl/print.h"

#define SHOWN_DEFAULT 100
#define SHOWN_MAX 1000000

#define USAGE                                                                                      \
    "usage: vpcctl flows [--of INTERFACE|INSTANCE] [--address ADDRESS] [--port PORT]\n"            \
    "           [--protocol tcp|udp|icmp|N] [--max N] [--json]"

struct flow {
    struct flow_key key;
    struct flow_value value; /* of the half that began it */
    struct flow_value back;  /* of the other; zeroes when it is gone */
    uint64_t last_ns;
};

struct query {
    struct dataplane_view *view;
    const json_t *instances; /* the agent's status; NULL: unknown */
    const char *of;
    struct ip address;
    int protocol; /* -1: any */
    int port;     /* 0: any */
    size_t max;
    bool json;
    uint64_t now_ns;
    struct flow *flows;
    size_t n, room, matched;
};

/* ---- which ---- */

static uint64_t timeout_ns(const struct flow_value *f) {
    uint32_t ms = f->state & FLOW_CLOSING ? f->timeouts.closing_ms
                  : f->state & FLOW_OPEN  ? f->timeouts.open_ms
                                          : f->timeouts.half_ms;

    return ms * UINT64_C(1000000);
}

static bool has_address(const struct query *q, const struct flow_key *k) {
    return q->address.family == k->family &&
           (memcmp(q->address.b, &k->src, 16) == 0 || memcmp(q->address.b, &k->dst, 16) == 0);
}

static const char *interface_id(const struct query *q, uint32_t number, char out[25]) {
    struct eni_value v;

    if (!number)
        return "outside";
    if (dataplane_view_eni(q->view, number, &v) < 0)
        return "gone";
    memcpy(out, v.id, sizeof(v.id));
    out[24] = 0;
    return out;
}

/* The instance of an interface, from the agent's status; "" when nobody knows. */
static const char *instance_of(const struct query *q, const char *eni) {
    const json_t *instance, *plug;
    size_t i, j;

    json_array_foreach(q->instances, i, instance) {
        json_array_foreach(json_object_get(instance, "interfaces"), j, plug) {
            if (strcmp(text_in(plug, "id"), eni) == 0)
                return text_in(instance, "id");
        }
    }
    return "";
}

static bool is_of(const struct query *q, uint32_t number) {
    char id[25];
    const char *eni = interface_id(q, number, id);

    return strcmp(eni, q->of) == 0 || strcmp(instance_of(q, eni), q->of) == 0;
}

static bool matches(const struct query *q, const struct flow *f) {
    const struct flow_key *k = &f->key;

    if (q->protocol >= 0 && q->protocol != k->proto && !(q->protocol == 1 && k->proto == 58))
        return false;
    if (q->port && q->port != be16toh(k->sport) && q->port != be16toh(k->dport))
        return false;
    if (q->address.family && !has_address(q, k) && !has_address(q, &f->value.partner))
        return false;
    return !q->of || is_of(q, k->eni) || is_of(q, f->value.verdict.far);
}

static int note(const struct flow_key *key, const struct flow_value *value, void *arg) {
    struct query *q = arg;
    struct flow f = {.key = *key, .value = *value, .last_ns = value->last_ns};

    if (!(value->verdict.flags & FLOW_FORWARD) || value->state & FLOW_DEAD)
        return 0;
    if (dataplane_view_flow(q->view, &value->partner, &f.back) < 0)
        f.back = (struct flow_value){0};
    if (f.back.last_ns > f.last_ns)
        f.last_ns = f.back.last_ns;
    if (f.last_ns + timeout_ns(value) < q->now_ns || !matches(q, &f))
        return 0;
    q->matched++;
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

static int newest_first(const void *a, const void *b) {
    uint64_t x = ((const struct flow *)a)->last_ns, y = ((const struct flow *)b)->last_ns;

    return x < y ? 1 : x > y ? -1 : 0;
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

static json_t *flow_json(const struct query *q, const struct flow *f) {
    struct ip src = {.family = f->key.family}, dst = src, arrives = src;
    char src_text[IP_TEXT], dst_text[IP_TEXT], arrives_text[IP_TEXT], from_id[25], to_id[25];
    const char *from = interface_id(q, f->key.eni, from_id);
    const char *to = interface_id(q, f->value.verdict.far, to_id);
    bool ports = f->key.proto == 6 || f->key.proto == 17;
    json_t *o;

    memcpy(src.b, &f->key.src, 16);
    memcpy(dst.b, &f->key.dst, 16);
    memcpy(arrives.b, &f->value.partner.src, 16);
    o = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I}", "from", from,
                  "from_instance", instance_of(q, from), "to", to, "to_instance",
                  instance_of(q, to), "protocol", f->key.proto, "source", ip_format(&src, src_text),
                  "destination", ip_format(&dst, dst_text), "arrives_at",
                  ip_format(&arrives, arrives_text), "state", state_text(f), "tracked",
                  (int)!!(f->value.verdict.flags & (FLOW_TRACKED_SRC | FLOW_TRACKED_DST)),
                  "packets", (json_int_t)f->value.packets, "bytes", (json_int_t)f->value.bytes,
                  "packets_back", (json_int_t)f->back.packets, "bytes_back",
                  (json_int_t)f->back.bytes, "age_ms",
                  (json_int_t)((q->now_ns - f->value.start_ns) / 1000000), "idle_ms",
                  (json_int_t)(q->now_ns > f->last_ns ? (q->now_ns - f->last_ns) / 1000000 : 0));
    if (ports) {
        json_object_set_new(o, "sport", json_integer(be16toh(f->key.sport)));
        json_object_set_new(o, "dport", json_integer(be16toh(f->key.dport)));
    }
    return o;
}

static void print_side(const char *eni, const char *instance) {
    printf("%s%s", *instance ? instance : eni, "");
}

static void print_flow(const json_t *o) {
    char protocol[16], a[24], b[24], c[24], d[24];

    printf("%-6s ", protocol_text((int)number_in(o, "protocol"), protocol));
    print_end(text_in(o, "source"), json_object_get(o, "sport"));
    printf(" > ");
    print_end(text_in(o, "destination"), json_object_get(o, "dport"));
    if (strcmp(text_in(o, "destination"), text_in(o, "arrives_at")) != 0)
        printf(" (at %s)", text_in(o, "arrives_at"));
    printf("  %s%s\n       ", text_in(o, "state"),
           json_is_true(json_object_get(o, "tracked")) ? "" : ", untracked");
    print_side(text_in(o, "from"), text_in(o, "from_instance"));
    printf(" to ");
    print_side(text_in(o, "to"), text_in(o, "to_instance"));
    printf(", %lld packets (%s) there, %lld (%s) back, idle %s, for %s\n", number_in(o, "packets"),
           bytes_text((unsigned long long)number_in(o, "bytes"), a), number_in(o, "packets_back"),
           bytes_text((unsigned long long)number_in(o, "bytes_back"), b),
           duration_text(number_in(o, "idle_ms"), c), duration_text(number_in(o, "age_ms"), d));
}

static void show(const struct query *q) {
    size_t shown = q->n < q->max ? q->n : q->max;
    json_t *rows = json_array();

    for (size_t i = 0; i < shown; i++)
        json_array_append_new(rows, flow_json(q, &q->flows[i]));
    if (q->json) {
        json_t *all = json_pack("{s:I,s:o}", "matched", (json_int_t)q->matched, "flows", rows);

        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(all);
        return;
    }
    for (size_t i = 0; i < shown; i++)
        print_flow(json_array_get(rows, i));
    if (q->matched > shown)
        printf("%zu of %zu flows; --max shows more\n", shown, q->matched);
    else
        printf("%zu flow%s\n", q->matched, q->matched == 1 ? "" : "s");
    json_decref(rows);
}

/* ---- the command ---- */

static int read_options(const struct ctl *ctl, struct query *q) {
    for (int i = 0; i < ctl->argc; i++) {
        const char *arg = ctl->argv[i], *value = i + 1 < ctl->argc ? ctl->argv[i + 1] : NULL;
        int64_t n = 0;

        if (strcmp(arg, "--json") == 0) {
            q->json = true;
            continue;
        }
        i++;
        if (value && strcmp(arg, "--of") == 0)
            q->of = value;
        else if (value && strcmp(arg, "--address") == 0 && ip_parse(value, &q->address) == 0)
            continue;
        else if (value && strcmp(arg, "--port") == 0 && int_parse(value, 1, 65535, &n) == 0)
            q->port = (int)n;
        else if (value && strcmp(arg, "--max") == 0 && int_parse(value, 1, SHOWN_MAX, &n) == 0)
            q->max = (size_t)n;
        else if (value && strcmp(arg, "--protocol") == 0 && protocol_parse(value, &q->protocol))
            continue;
        else
            return complain(EXIT_USAGE, "flows: '%s %s'?\n%s", arg, value ? value : "", USAGE);
    }
    return 0;
}

/* The agent's instances, or NULL without an agent. */
static json_t *ask_instances(const struct ctl *ctl) {
    _close_ int fd = daemon_connect(ctl, DAEMON_AGENT);
    json_t *request = json_pack("{ss}", "cmd", "status");
    json_t *answer = fd < 0 ? NULL : daemon_ask(fd, request);

    json_decref(request);
    return answer;
}

int ctl_flows(const struct ctl *ctl) {
    struct query q = {.protocol = -1, .max = SHOWN_DEFAULT};
    char dir[OWNER_PIN_DIR];
    struct timespec now;
    struct owner owner;
    json_t *status;
    int r = read_options(ctl, &q);

    if (r)
        return r;
    r = owner_of(ctl->dir, &owner);
    if (r < 0)
        return complain(1, "state directory %s: %s", ctl->dir, strerror(-r));
    r = dataplane_view_open(owner_pin_dir(&owner, dir), &q.view);
    if (r < 0)
        return complain(1,
                        r == -ENOENT ? "there is no data plane of %s (or one of another version)"
                                     : "the data plane of %s cannot be read: this needs root",
                        ctl->dir);
    clock_gettime(CLOCK_MONOTONIC, &now);
    q.now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    status = ask_instances(ctl);
    q.instances = json_object_get(status, "instances");
    r = dataplane_view_flows(q.view, note, &q);
    if (r == 0) {
        qsort(q.flows, q.n, sizeof(*q.flows), newest_first);
        show(&q);
    } else {
        complain(1, "the flow table cannot be read: %s", strerror(-r));
    }
    free(q.flows);
    json_decref(status);
    dataplane_view_close(q.view);
    return r < 0;
}
