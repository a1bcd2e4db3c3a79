/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each look walks the whole flow table, about 0.3 s for a million flows, and keeps what every flow
 * had carried by then. A flow that began after the first look counts from its beginning. What one
 * carried after the last look before its entry went is not seen; flow logs have it.
 */
#include "vpcctl/flow_watch.h"

#include <endian.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "vpcctl/print.h"

#define ROWS_DEFAULT 20
#define RECENT_MAX 1024 /* refused packets that the agent keeps */

static const char *const by_names[] = {"flow", "instance", "interface", "vpc"};

bool flow_watch_by(const char *text, enum flow_by *ret_by) {
    for (unsigned i = 0; i < ARRAY_SIZE(by_names); i++)
        if (strcmp(by_names[i], text) == 0) {
            *ret_by = i;
            return true;
        }
    return false;
}

struct counts {
    uint64_t packets, bytes, packets_back, bytes_back;
};

/* What a flow had carried at the last look. */
struct seen {
    struct flow_key key;
    uint64_t start_ns; /* another flow may have the same key later */
    struct counts had, since;
    unsigned look;
    UT_hash_handle hh;
};

struct watch {
    struct flow_query *q;
    const struct flow_watch *w;
    struct seen *seen;
    unsigned look;
    long long drops_seen; /* -1: not asked yet */
};

static struct counts minus(const struct counts *a, const struct counts *b) {
    return (struct counts){a->packets - b->packets, a->bytes - b->bytes,
                           a->packets_back - b->packets_back, a->bytes_back - b->bytes_back};
}

/* Notes what it has carried since the last look; NULL: memory is short. */
static struct seen *see(struct watch *watch, const struct flow *f) {
    const struct counts now = {f->value.packets, f->value.bytes, f->back.packets, f->back.bytes};
    struct seen *s;

    HASH_FIND(hh, watch->seen, &f->key, sizeof(f->key), s);
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s)
            return NULL;
        s->key = f->key;
        HASH_ADD(hh, watch->seen, key, sizeof(s->key), s);
        if (watch->look == 0) { /* it is older than we are */
            s->had = now;
            s->start_ns = f->value.start_ns;
        }
    }
    if (s->start_ns != f->value.start_ns || now.packets < s->had.packets ||
        now.packets_back < s->had.packets_back)
        s->had = (struct counts){0};
    s->start_ns = f->value.start_ns;
    s->since = minus(&now, &s->had);
    s->had = now;
    s->look = watch->look;
    return s;
}

static void forget_old(struct watch *watch, bool all) {
    struct seen *s, *next;

    HASH_ITER (hh, watch->seen, s, next) {
        if (!all && s->look == watch->look)
            continue;
        HASH_DEL(watch->seen, s);
        free(s);
    }
}

static bool has_traffic(const struct seen *s) {
    return s && (s->since.packets || s->since.packets_back);
}

/* What counts.* is called in JSON, in place of the totals. */
static json_t *row_of(struct watch *watch, const struct flow *f, const struct seen *s) {
    json_t *o = flow_query_json(watch->q, f);

    json_object_set_new(o, "packets", json_integer((json_int_t)s->since.packets));
    json_object_set_new(o, "bytes", json_integer((json_int_t)s->since.bytes));
    json_object_set_new(o, "packets_back", json_integer((json_int_t)s->since.packets_back));
    json_object_set_new(o, "bytes_back", json_integer((json_int_t)s->since.bytes_back));
    return o;
}

static void print_time(long long age_ms) {
    long long ms = time_ms() - age_ms;
    time_t at = (time_t)(ms / 1000);
    struct tm tm;

    localtime_r(&at, &tm);
    printf("%02d:%02d:%02d.%03lld  ", tm.tm_hour, tm.tm_min, tm.tm_sec, ms % 1000);
}

static void print_tuple(const json_t *o) {
    char protocol[16];

    printf("%s ", protocol_text((int)number_in(o, "protocol"), protocol));
    print_end(text_in(o, "source"), json_object_get(o, "sport"));
    printf(" > ");
    print_end(text_in(o, "destination"), json_object_get(o, "dport"));
}

static void print_json(const json_t *o) {
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
}

/* ---- follow ---- */

static void follow_flow(struct watch *watch, const struct flow *f, const struct seen *s) {
    json_t *o = row_of(watch, f, s);
    char a[24], b[24];

    if (watch->w->json) {
        json_object_set_new(o, "time_ms", json_integer(time_ms() - number_in(o, "idle_ms")));
        json_object_set_new(o, "action", json_string("ACCEPT"));
        print_json(o);
        json_decref(o);
        return;
    }
    print_time(number_in(o, "idle_ms"));
    print_tuple(o);
    printf("  ");
    flow_query_print_end(text_in(o, "from"), text_in(o, "from_instance"), text_in(o, "from_name"));
    printf(" to ");
    flow_query_print_end(text_in(o, "to"), text_in(o, "to_instance"), text_in(o, "to_name"));
    printf("  %lld packets (%s) there, %lld (%s) back, %s\n", number_in(o, "packets"),
           bytes_text((unsigned long long)number_in(o, "bytes"), a), number_in(o, "packets_back"),
           bytes_text((unsigned long long)number_in(o, "bytes_back"), b), text_in(o, "state"));
    json_decref(o);
}

static bool wants_id(const struct flow_query *q, const char *id) {
    struct flow_end e = {.row = flow_query_interface(q, id)};

    snprintf(e.id, sizeof(e.id), "%s", id);
    e.instance = text_in(e.row, "instance");
    e.vpc = text_in(e.row, "vpc");
    return flow_query_wants(q, &e);
}

static bool wants_drop(const struct flow_query *q, const json_t *row) {
    char address[IP_TEXT];

    if (q->protocol >= 0 && q->protocol != number_in(row, "protocol") &&
        !(q->protocol == 1 && number_in(row, "protocol") == 58))
        return false;
    if (q->port && q->port != number_in(row, "sport") && q->port != number_in(row, "dport"))
        return false;
    if (q->address.family) {
        ip_format(&q->address, address);
        if (strcmp(address, text_in(row, "source")) != 0 &&
            strcmp(address, text_in(row, "destination")) != 0)
            return false;
    }
    return (!q->of && !q->vpc && !q->group) || wants_id(q, text_in(row, "interface")) ||
           (*text_in(row, "receiver") && wants_id(q, text_in(row, "receiver")));
}

static void follow_drop(struct watch *watch, json_t *row) {
    if (watch->w->json) {
        json_object_set_new(row, "time_ms", json_integer(time_ms() - number_in(row, "age_ms")));
        json_object_set_new(row, "action", json_string("REJECT"));
        print_json(row);
        return;
    }
    print_time(number_in(row, "age_ms"));
    print_tuple(row);
    printf("  ");
    flow_query_print_end(text_in(row, "interface"), text_in(row, "instance"), text_in(row, "name"));
    printf("  REFUSED  %s", text_in(row, "reason"));
    if (*text_in(row, "by"))
        printf("  (%s)", text_in(row, "by"));
    printf("\n");
}

/* Refused packets that came since the last look. False: there is no agent to ask. */
static bool follow_drops(struct watch *watch) {
    _close_ int fd = daemon_connect(watch->q->ctl, DAEMON_AGENT);
    json_t *request =
        json_pack("{ss,sI,si}", "cmd", "drops", "since",
                  (json_int_t)(watch->drops_seen < 0 ? 0 : watch->drops_seen), "last", RECENT_MAX);
    json_t *answer = fd < 0 ? NULL : daemon_ask(fd, request), *row;
    size_t i;

    json_decref(request);
    if (!answer)
        return false;
    json_array_foreach(json_object_get(answer, "recent"), i, row) {
        if (watch->drops_seen >= 0 && wants_drop(watch->q, row))
            follow_drop(watch, row);
    }
    watch->drops_seen = number_in(answer, "seen");
    json_decref(answer);
    return true;
}

static int look(struct watch *watch) {
    int r = flow_query_look(watch->q);

    return r < 0 ? complain(1, "the flow table cannot be read: %s", strerror(-r)) : 0;
}

int flow_watch_follow(struct flow_query *q, const struct flow_watch *w) {
    struct watch watch = {.q = q, .w = w, .drops_seen = -1};
    int status = 0;

    for (unsigned shown = 0; !status && (!w->count || shown <= w->count); shown++) {
        if (shown)
            poll(NULL, 0, (int)w->seconds * 1000);
        status = look(&watch);
        for (size_t i = 0; !status && !w->refused && i < q->n; i++) {
            const struct seen *s = see(&watch, &q->flows[i]);

            if (has_traffic(s) && watch.look)
                follow_flow(&watch, &q->flows[i], s);
        }
        forget_old(&watch, false);
        if (!status && !follow_drops(&watch) && w->refused)
            status = complain(1, "the agent does not answer: only it knows of refused packets");
        fflush(stdout);
        watch.look++;
    }
    forget_old(&watch, true);
    return status;
}

/* ---- top ---- */

struct row {
    char id[64];
    const char *name; /* of the look's interfaces */
    const struct flow *flow;
    uint64_t out, in, packets; /* bytes sent and received; packets of both */
    UT_hash_handle hh;
};

static struct row *row_for(struct row **rows, const char *id, const char *name) {
    struct row *r;

    HASH_FIND_STR(*rows, id, r);
    if (!r) {
        r = calloc(1, sizeof(*r));
        if (!r)
            return NULL;
        snprintf(r->id, sizeof(r->id), "%s", id);
        r->name = name;
        HASH_ADD_STR(*rows, id, r);
    }
    return r;
}

static void add(struct row **rows, struct watch *watch, uint32_t eni, uint64_t out, uint64_t in,
                uint64_t packets) {
    const struct flow_end *e = flow_query_end(watch->q, eni);
    const char *id = watch->w->by == FLOW_BY_VPC         ? e->vpc
                     : watch->w->by == FLOW_BY_INTERFACE ? e->id
                                                         : e->instance;
    struct row *r;

    /* The outside is nobody; who is not an instance (or whose VPC nobody tells) is named so. */
    if (!eni)
        return;
    r = row_for(rows, *id ? id : e->id, watch->w->by == FLOW_BY_VPC ? "" : e->name);
    if (!r)
        return;
    r->out += out;
    r->in += in;
    r->packets += packets;
}

static void gather(struct watch *watch, struct row **rows) {
    char id[64];

    for (size_t i = 0; i < watch->q->n; i++) {
        const struct flow *f = &watch->q->flows[i];
        const struct seen *s = see(watch, f);
        struct row *r;

        if (!has_traffic(s))
            continue;
        if (watch->w->by != FLOW_BY_FLOW) {
            uint64_t packets = s->since.packets + s->since.packets_back;

            add(rows, watch, f->key.eni, s->since.bytes, s->since.bytes_back, packets);
            add(rows, watch, f->value.verdict.far, s->since.bytes_back, s->since.bytes, packets);
            continue;
        }
        snprintf(id, sizeof(id), "%zu", i);
        r = row_for(rows, id, "");
        if (!r)
            continue;
        r->flow = f;
        r->out = s->since.bytes;
        r->in = s->since.bytes_back;
        r->packets = s->since.packets + s->since.packets_back;
    }
}

static int most_first(const struct row *a, const struct row *b) {
    uint64_t x = a->out + a->in, y = b->out + b->in;

    return x < y ? 1 : x > y ? -1 : strcmp(a->id, b->id);
}

static json_t *top_json(struct watch *watch, const struct row *r) {
    json_t *o = r->flow ? flow_query_json(watch->q, r->flow)
                        : json_pack("{s:s,s:s}", "id", r->id, "name", r->name);

    json_object_set_new(o, r->flow ? "bytes" : "bytes_out", json_integer((json_int_t)r->out));
    json_object_set_new(o, r->flow ? "bytes_back" : "bytes_in", json_integer((json_int_t)r->in));
    json_object_set_new(o, "packets", json_integer((json_int_t)r->packets));
    if (r->flow)
        json_object_del(o, "packets_back");
    return o;
}

static void print_top_row(struct watch *watch, const struct row *r) {
    char out[24], in[24];
    unsigned s = watch->w->seconds;

    printf("%10s/s %10s/s %9llu  ", bytes_text(r->out / s, out), bytes_text(r->in / s, in),
           (unsigned long long)(r->packets / s));
    if (r->flow) {
        json_t *o = flow_query_json(watch->q, r->flow);

        print_tuple(o);
        printf("  ");
        flow_query_print_end(text_in(o, "from"), text_in(o, "from_instance"),
                             text_in(o, "from_name"));
        printf(" to ");
        flow_query_print_end(text_in(o, "to"), text_in(o, "to_instance"), text_in(o, "to_name"));
        json_decref(o);
    } else {
        flow_query_print_end(r->id, "", r->name);
    }
    printf("\n");
}

static size_t rows_of_screen(const struct flow_watch *w) {
    struct winsize size;

    if (w->max)
        return w->max;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 6
               ? (size_t)size.ws_row - 4
               : ROWS_DEFAULT;
}

static void show_top(struct watch *watch, struct row **rows) {
    size_t max = rows_of_screen(watch->w), n = 0, all = HASH_COUNT(*rows);
    json_t *list = json_array();
    struct row *r, *next;

    HASH_SORT(*rows, most_first);
    if (!watch->w->json) {
        if (isatty(STDOUT_FILENO) && watch->w->count != 1)
            printf("\033[H\033[2J");
        printf("%12s %12s %9s  %s\n", watch->w->by == FLOW_BY_FLOW ? "there" : "sent",
               watch->w->by == FLOW_BY_FLOW ? "back" : "received", "packets/s",
               by_names[watch->w->by]);
    }
    HASH_ITER (hh, *rows, r, next) {
        if (n++ < max) {
            if (watch->w->json)
                json_array_append_new(list, top_json(watch, r));
            else
                print_top_row(watch, r);
        }
        HASH_DEL(*rows, r);
        free(r);
    }
    if (watch->w->json) {
        json_t *o = json_pack("{s:i,s:s,s:I,s:O}", "seconds", (int)watch->w->seconds, "by",
                              by_names[watch->w->by], "rows", (json_int_t)all, "top", list);

        print_json(o);
        json_decref(o);
    } else if (all > max) {
        printf("and %zu more\n", all - max);
    }
    json_decref(list);
    fflush(stdout);
}

int flow_watch_top(struct flow_query *q, const struct flow_watch *w) {
    struct watch watch = {.q = q, .w = w};
    struct row *rows = NULL;
    int status = 0;

    for (unsigned shown = 0; !status && (!w->count || shown <= w->count); shown++) {
        if (shown)
            poll(NULL, 0, (int)w->seconds * 1000);
        status = look(&watch);
        if (status)
            break;
        gather(&watch, &rows);
        if (shown)
            show_top(&watch, &rows);
        forget_old(&watch, false);
        watch.look++;
    }
    forget_old(&watch, true);
    return status;
}
