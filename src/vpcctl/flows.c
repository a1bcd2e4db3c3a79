/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpcctl flows: the flows that live now, one line each, those that were used last first. With
 * --follow, and as `flows top`, what they carry (flow_watch.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vpcctl/flow_query.h"
#include "vpcctl/flow_watch.h"
#include "vpcctl/print.h"

#define SHOWN_DEFAULT 100
#define SHOWN_MAX 1000000

#define USAGE                                                                                      \
    "usage: vpcctl flows " FLOW_QUERY_USAGE "\n"                                                   \
    "           [--max N] [--json] | --follow [--refused] ... | top [--by WHAT] [--once] ..."

static int newest_first(const void *a, const void *b) {
    uint64_t x = ((const struct flow *)a)->last_ns, y = ((const struct flow *)b)->last_ns;

    return x < y ? 1 : x > y ? -1 : 0;
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
    flow_query_print_end(text_in(o, "from"), text_in(o, "from_instance"), text_in(o, "from_name"));
    printf(" to ");
    flow_query_print_end(text_in(o, "to"), text_in(o, "to_instance"), text_in(o, "to_name"));
    printf(", %lld packets (%s) there, %lld (%s) back, idle %s, for %s\n", number_in(o, "packets"),
           bytes_text((unsigned long long)number_in(o, "bytes"), a), number_in(o, "packets_back"),
           bytes_text((unsigned long long)number_in(o, "bytes_back"), b),
           duration_text(number_in(o, "idle_ms"), c), duration_text(number_in(o, "age_ms"), d));
}

static void show(struct flow_query *q, size_t max, bool as_json) {
    size_t shown = q->n < max ? q->n : max;
    json_t *rows = json_array();

    qsort(q->flows, q->n, sizeof(*q->flows), newest_first);
    for (size_t i = 0; i < shown; i++)
        json_array_append_new(rows, flow_query_json(q, &q->flows[i]));
    if (as_json) {
        json_t *all = json_pack("{s:I,s:o}", "matched", (json_int_t)q->n, "flows", rows);

        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(all);
        return;
    }
    for (size_t i = 0; i < shown; i++)
        print_flow(json_array_get(rows, i));
    if (q->n > shown)
        printf("%zu of %zu flows; --max shows more\n", shown, q->n);
    else
        printf("%zu flow%s\n", q->n, q->n == 1 ? "" : "s");
    json_decref(rows);
}

static int list(struct flow_query *q, size_t max, bool as_json) {
    int r = flow_query_look(q);

    if (r < 0)
        return complain(1, "the flow table cannot be read: %s", strerror(-r));
    show(q, max, as_json);
    return 0;
}

/* 1: took two words, 0: one, -1: none. */
static int watch_option(struct flow_watch *w, bool top, const char *arg, const char *value) {
    int64_t n;

    if (strcmp(arg, "--refused") == 0 && !top) {
        w->refused = true;
        return 0;
    }
    if (strcmp(arg, "--once") == 0 && top) {
        w->count = 1;
        return 0;
    }
    if (value && strcmp(arg, "--interval") == 0 && int_parse(value, 1, 3600, &n) == 0) {
        w->seconds = (unsigned)n;
        return 1;
    }
    if (value && strcmp(arg, "--count") == 0 && int_parse(value, 1, INT32_MAX, &n) == 0) {
        w->count = (unsigned)n;
        return 1;
    }
    if (value && strcmp(arg, "--by") == 0 && top)
        return flow_watch_by(value, &w->by) ? 1 : -1;
    return -1;
}

int ctl_flows(const struct ctl *ctl) {
    struct flow_query q = {.protocol = -1};
    struct flow_watch w = {.seconds = 1};
    bool top = ctl->argc && strcmp(ctl->argv[0], "top") == 0, follow = false;
    int status;

    for (int i = top; i < ctl->argc; i++) {
        const char *arg = ctl->argv[i], *value = i + 1 < ctl->argc ? ctl->argv[i + 1] : NULL;
        int64_t n = 0;
        int words;

        if (strcmp(arg, "--json") == 0) {
            w.json = true;
        } else if (strcmp(arg, "--follow") == 0 && !top) {
            follow = true;
        } else if (value && strcmp(arg, "--max") == 0 && int_parse(value, 1, SHOWN_MAX, &n) == 0) {
            w.max = (size_t)n;
            i++;
        } else if (flow_query_option(&q, arg, value)) {
            i++;
        } else if ((words = watch_option(&w, top, arg, value)) >= 0) {
            i += words;
        } else {
            return complain(EXIT_USAGE, "flows: '%s %s'?\n%s", arg, value ? value : "", USAGE);
        }
    }
    if (w.refused)
        follow = true;
    status = flow_query_open(ctl, &q);
    if (!status)
        status = top      ? flow_watch_top(&q, &w)
                 : follow ? flow_watch_follow(&q, &w)
                          : list(&q, w.max ? w.max : SHOWN_DEFAULT, w.json);
    flow_query_close(&q);
    return status;
}
