/* SPDX-License-Identifier: Apache-2.0 */
/* vpcctl drops: how many packets were dropped for which reason, and which ones lately. */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "vpcctl/ctl.h"
#include "vpcctl/print.h"

#define FOLLOW_MS 300
#define LAST_MAX 1024

#define USAGE "usage: vpcctl drops [--last N] [--of INTERFACE|INSTANCE] [--follow] [--json]"

void print_drop_counts(const json_t *agent, bool with_meaning) {
    const json_t *row;
    size_t i;

    if (json_array_size(json_object_get(agent, "drops")) == 0) {
        printf("no packet was dropped\n");
        return;
    }
    printf("%-24s %12s\n", "dropped because", "packets");
    json_array_foreach(json_object_get(agent, "drops"), i, row) {
        printf("%-24s %12lld", text_in(row, "reason"), number_in(row, "packets"));
        printf("%s%s\n", with_meaning ? "  " : "", with_meaning ? text_in(row, "means") : "");
    }
}

static void print_when(long long age_ms) {
    struct timespec now;
    long long ms;
    struct tm tm;
    time_t at;

    clock_gettime(CLOCK_REALTIME, &now);
    ms = (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000 - age_ms;
    at = (time_t)(ms / 1000);
    localtime_r(&at, &tm);
    printf("%02d:%02d:%02d.%03lld", tm.tm_hour, tm.tm_min, tm.tm_sec, ms % 1000);
}

static void print_row(const json_t *row) {
    char protocol[16];

    print_when(number_in(row, "age_ms"));
    printf("  %s", text_in(row, "interface"));
    if (*text_in(row, "name")) {
        putchar(' ');
        print_name(text_in(row, "name"));
    }
    printf("  %s ", protocol_text((int)number_in(row, "protocol"), protocol));
    print_end(text_in(row, "source"), json_object_get(row, "sport"));
    printf(" > ");
    print_end(text_in(row, "destination"), json_object_get(row, "dport"));
    if (json_object_get(row, "icmp_type"))
        printf(" type %lld code %lld", number_in(row, "icmp_type"), number_in(row, "icmp_code"));
    printf("  %s", text_in(row, "reason"));
    if (*text_in(row, "by"))
        printf("  (%s)", text_in(row, "by"));
    printf("\n");
}

static void print_recent(const json_t *answer) {
    const json_t *row;
    size_t i;

    json_array_foreach(json_object_get(answer, "recent"), i, row) {
        print_row(row);
    }
    fflush(stdout);
}

static int follow(const struct ctl *ctl, json_t *request) {
    long long seen = -1;
    int status = 0;

    while (!status) {
        json_t *answer = daemon_call(ctl, DAEMON_AGENT, json_incref(request));

        if (!answer) {
            status = 1;
            break;
        }
        if (seen >= 0)
            print_recent(answer);
        seen = number_in(answer, "seen");
        json_object_set_new(request, "since", json_integer(seen));
        json_object_set_new(request, "last", json_integer(LAST_MAX));
        json_decref(answer);
        poll(NULL, 0, FOLLOW_MS);
    }
    json_decref(request);
    return status;
}

int ctl_drops(const struct ctl *ctl) {
    json_t *request = json_pack("{ss}", "cmd", "drops"), *answer;
    bool json = false, following = false;
    int64_t last;

    for (int i = 0; i < ctl->argc; i++) {
        const char *arg = ctl->argv[i], *value = i + 1 < ctl->argc ? ctl->argv[i + 1] : NULL;

        if (strcmp(arg, "--json") == 0) {
            json = true;
        } else if (strcmp(arg, "--follow") == 0) {
            following = true;
        } else if (strcmp(arg, "--of") == 0 && value) {
            json_object_set_new(request, "of", json_string(value));
            i++;
        } else if (strcmp(arg, "--last") == 0 && value &&
                   int_parse(value, 1, LAST_MAX, &last) == 0) {
            json_object_set_new(request, "last", json_integer(last));
            i++;
        } else {
            json_decref(request);
            return complain(EXIT_USAGE, "drops: '%s'? (N is 1 to %d)\n%s", arg, LAST_MAX, USAGE);
        }
    }
    if (following)
        return follow(ctl, request);
    answer = daemon_call(ctl, DAEMON_AGENT, request);
    if (!answer)
        return 1;
    if (json) {
        json_dumpf(answer, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        print_drop_counts(answer, true);
        if (json_array_size(json_object_get(answer, "recent")))
            printf("\nthe last of them, and what decides about such a packet now:\n");
        print_recent(answer);
    }
    json_decref(answer);
    return 0;
}
