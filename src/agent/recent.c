/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/recent.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/trace_names.h"

#define LAST_DEFAULT 20

struct recent {
    struct dataplane_watch *watch;
    struct event *event;
    uint64_t seen;                       /* so many came in all */
    struct drop_event drops[RECENT_MAX]; /* number n is at n % RECENT_MAX */
};

static void on_drop(const struct drop_event *drop, void *arg) {
    struct recent *r = arg;

    r->drops[r->seen++ % RECENT_MAX] = *drop;
}

static void on_readable(evutil_socket_t fd, short what, void *arg) {
    struct recent *r = arg;

    dataplane_watch_read(r->watch);
}

int recent_new(struct event_base *base, struct dataplane *dp, struct recent **ret_recent) {
    struct recent *recent = calloc(1, sizeof(*recent));
    int r;

    if (!recent)
        return -ENOMEM;
    r = dataplane_watch_new(dp, on_drop, recent, &recent->watch);
    if (r == 0) {
        recent->event = event_new(base, dataplane_watch_fd(recent->watch), EV_READ | EV_PERSIST,
                                  on_readable, recent);
        r = recent->event && event_add(recent->event, NULL) == 0 ? 0 : -ENOMEM;
    }
    if (r < 0) {
        recent_free(recent);
        return r;
    }
    *ret_recent = recent;
    return 0;
}

void recent_free(struct recent *r) {
    if (!r)
        return;
    if (r->event)
        event_free(r->event);
    dataplane_watch_free(r->watch);
    free(r);
}

static int64_t age_ms(uint64_t ns) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec - (int64_t)ns) / 1000000;
}

static json_t *drop_json(const struct drop_event *d, uint64_t number, const struct tracer *t,
                         const struct network_interface *eni) {
    const struct network_interface *to = trace_receiver(t, eni, d);
    const struct flow_key *k = &d->key;
    struct ip src = {.family = k->family}, dst = {.family = k->family};
    char src_text[IP_TEXT], dst_text[IP_TEXT], by[128];
    json_t *row;

    memcpy(src.b, &k->src, sizeof(src.b));
    memcpy(dst.b, &k->dst, sizeof(dst.b));
    trace_drop(t, d, by);
    row = json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:i,s:s}", "number", (json_int_t)number,
                    "age_ms", (json_int_t)age_ms(d->ns), "interface",
                    eni      ? eni->o.id
                    : k->eni ? "gone"
                             : "outside",
                    "instance", eni && eni->instance_id ? eni->instance_id : "", "name",
                    eni ? trace_name(t->ix, eni) : "", "reason", drop_name(d->reason), "protocol",
                    k->proto, "source", ip_format(&src, src_text), "destination",
                    ip_format(&dst, dst_text), "length", (int)d->ip_len, "by", by);
    json_object_set_new(row, "receiver", json_string(to ? to->o.id : ""));
    if (k->proto == 6 || k->proto == 17) {
        json_object_set_new(row, "sport", json_integer(be16toh(k->sport)));
        json_object_set_new(row, "dport", json_integer(be16toh(k->dport)));
    } else if (k->proto == 1 || k->proto == 58) {
        json_object_set_new(row, "icmp_type", json_integer(be16toh(d->rule) >> 8));
        json_object_set_new(row, "icmp_code", json_integer(be16toh(d->rule) & 0xff));
    }
    return row;
}

/* Whether the row is of the interface or instance that was asked for, at either end. */
static bool is_wanted(const char *wanted, const struct network_interface *eni,
                      const struct network_interface *to) {
    const struct network_interface *ends[] = {eni, to};

    for (int i = 0; i < 2; i++)
        if (ends[i] && (strcmp(ends[i]->o.id, wanted) == 0 ||
                        (ends[i]->instance_id && strcmp(ends[i]->instance_id, wanted) == 0)))
            return true;
    return false;
}

json_t *recent_json(struct recent *r, const struct tracer *tracer, const json_t *request) {
    struct trace_number numbers[RECENT_MAX];
    struct tracer with_numbers = *tracer;
    const struct tracer *t = &with_numbers;
    size_t n_numbers = 0;
    int64_t since = json_integer_value(json_object_get(request, "since"));
    int64_t last = json_integer_value(json_object_get(request, "last"));
    const char *wanted = json_string_value(json_object_get(request, "of"));
    json_t *rows = json_array();
    uint64_t oldest;

    dataplane_watch_read(r->watch);
    oldest = r->seen > RECENT_MAX ? r->seen - RECENT_MAX : 0;
    if (last <= 0)
        last = LAST_DEFAULT;
    if (since > 0 && (uint64_t)since > oldest)
        oldest = (uint64_t)since;
    for (uint64_t n = r->seen; n > oldest; n--)
        numbers[n_numbers++].number = r->drops[(n - 1) % RECENT_MAX].key.eni;
    with_numbers.known = numbers;
    with_numbers.n_known = trace_numbers(tracer, numbers, n_numbers);
    for (uint64_t n = r->seen; n > oldest && json_array_size(rows) < (size_t)last; n--) {
        const struct drop_event *d = &r->drops[(n - 1) % RECENT_MAX];
        const struct network_interface *eni = trace_interface(t, d->key.eni);

        if (!wanted || is_wanted(wanted, eni, trace_receiver(t, eni, d)))
            json_array_insert_new(rows, 0, drop_json(d, n, t, eni));
    }
    return json_pack("{s:I,s:o}", "seen", (json_int_t)r->seen, "recent", rows);
}
