/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/text.h"
#include "dataplane/view.h"
#include "link/owner.h"
#include "vpcctl/ctl.h"
#include "vpcctl/print.h"

#define DELIVERER_MAX (64 * 1024)

/* What a daemon answers to "status", or an object {"error": why}. */
static json_t *state_of(const struct ctl *ctl, enum daemon daemon) {
    json_t *request = json_pack("{ss}", "cmd", "status"), *answer = NULL;
    int fd = daemon_connect(ctl, daemon);

    if (fd < 0) {
        json_decref(request);
        return json_pack("{ss}", "error", daemon_error(daemon, fd));
    }
    answer = daemon_ask(fd, request);
    close(fd);
    json_decref(request);
    return answer ? answer : json_pack("{ss}", "error", "no answer");
}

static bool bad(const json_t *state) {
    return json_object_get(state, "error") != NULL;
}

static void print_worker(const json_t *w) {
    const char *name;
    const json_t *count;

    if (bad(w)) {
        printf("%s\n", text_in(w, "error"));
        return;
    }
    printf("vpcd       pid %lld, version %s, up %lld s, on %s, %s\n", number_in(w, "pid"),
           text_in(w, "version"), number_in(w, "uptime_s"), text_in(w, "listen"),
           json_is_true(json_object_get(w, "ready")) ? "ready" : "not ready yet");
    printf("           ");
    json_object_foreach(json_object_get(w, "objects"), name, count) {
        if (json_integer_value(count))
            printf("%s %lld  ", name, (long long)json_integer_value(count));
    }
    printf("\n");
}

static void print_instance(const json_t *row) {
    const json_t *plug;
    size_t i;

    printf("%-21s %-8s", text_in(row, "id"), text_in(row, "state"));
    if (number_in(row, "pid") && strcmp(text_in(row, "state"), "running") == 0)
        printf(" pid %lld", number_in(row, "pid"));
    printf("\n");
    json_array_foreach(json_object_get(row, "interfaces"), i, plug) {
        const json_t *open = json_object_get(plug, "open");

        printf("  %-23s %-16s %s%s", text_in(plug, "id"), text_in(plug, "address"),
               text_in(plug, "device"),
               !open                ? ""
               : json_is_true(open) ? ", a tap, open"
                                    : ", a tap that nobody has open");
        if (number_in(plug, "lost"))
            printf(", %lld packets lost", number_in(plug, "lost"));
        printf("\n");
    }
}

/* What waits for delivery vpc-logs knows. */
static void print_flow_logs(const json_t *f) {
    long long logs = number_in(f, "logs"), interfaces = number_in(f, "interfaces");

    if (!logs)
        return;
    printf("%lld flow log%s of %lld interface%s: %lld records written, %lld held until their "
           "window ends\n",
           logs, logs == 1 ? "" : "s", interfaces, interfaces == 1 ? "" : "s",
           number_in(f, "records"), number_in(f, "records_held"));
    if (number_in(f, "skipdata"))
        printf("note: SKIPDATA was written %lld times; %lld records found no room here\n",
               number_in(f, "skipdata"), number_in(f, "records_lost"));
    printf("\n");
}

static void print_services(const json_t *s) {
    const char *name;
    json_t *n;

    if (!s)
        return;
    if (!json_is_true(json_object_get(s, "connected")))
        printf("note: vpc-services does not run; DHCP, DNS, metadata and time are not answered\n");
    json_object_foreach(json_object_get((json_t *)(uintptr_t)s, "counts"), name, n) {
        printf("  %-26s %12lld\n", name, (long long)json_integer_value(n));
    }
    printf("\n");
}

/* Whether packets go on without the agent: "" where it cannot be seen. */
static const char *without_agent(const struct ctl *ctl) {
    struct dataplane_view *view;
    struct owner owner;
    char dir[OWNER_PIN_DIR];
    int r = owner_of(ctl->dir, &owner);

    if (r == 0)
        r = dataplane_view_open(owner_pin_dir(&owner, dir), &view);
    if (r == -ENOENT)
        return "; there is no data plane, and no packet passes";
    if (r < 0)
        return "";
    dataplane_view_close(view);
    return "; packets and instances go on without it";
}

static void print_agent(const struct ctl *ctl, const json_t *a) {
    const json_t *row;
    size_t i;

    if (bad(a)) {
        printf("%s%s\n", text_in(a, "error"), without_agent(ctl));
        return;
    }
    printf("vpc-agent  pid %lld, version %s, %s, %lld flows\n\n", number_in(a, "pid"),
           text_in(a, "version"),
           json_is_true(json_object_get(a, "connected")) ? "in step with vpcd"
                                                         : "no connection to vpcd",
           number_in(a, "flows"));
    if (*text_in(a, "unlimited"))
        printf("note: instances have no limit on %s (vpcctl doctor says why)\n\n",
               text_in(a, "unlimited"));
    if (number_in(a, "lacking"))
        printf(
            "note: %lld sets of rules found no room in the data plane and allow nothing (the log "
            "names them)\n\n",
            number_in(a, "lacking"));
    json_array_foreach(json_object_get(a, "instances"), i, row) {
        print_instance(row);
    }
    if (json_array_size(json_object_get(a, "instances")))
        printf("\n");
    print_services(json_object_get(a, "services"));
    print_flow_logs(json_object_get(a, "flow_logs"));
    print_drop_counts(a, false);
}

/* What vpc-logs says of itself in a file of its own; or an object {"error": why}. */
static json_t *state_of_deliverer(const struct ctl *ctl) {
    _buf_ struct buf text = BUF_INIT;
    json_t *state = NULL;
    char path[300];
    pid_t pid;

    snprintf(path, sizeof(path), "%s/logs/vpc-logs.lock", ctl->dir);
    pid = lock_holder(path);
    snprintf(path, sizeof(path), "%s/logs/vpc-logs.json", ctl->dir);
    if (pid && read_file(path, DELIVERER_MAX, &text) == 0)
        state = json_loads(buf_str(&text), 0, NULL);
    if (state && json_integer_value(json_object_get(state, "pid")) == pid)
        return state;
    json_decref(state);
    return json_pack("{ss}", "error", pid ? "it is starting" : "vpc-logs does not run");
}

static void print_deliverer(const json_t *d) {
    const json_t *row;
    char bytes[24];
    size_t i;

    if (bad(d)) {
        printf("%s: records of flow logs wait in the spool\n", text_in(d, "error"));
        return;
    }
    printf("vpc-logs   pid %lld, %lld batches (%s) wait, %lld delivered: %lld records to log "
           "groups, %lld files to S3\n",
           number_in(d, "pid"), number_in(d, "waiting"),
           bytes_text((unsigned long long)number_in(d, "waiting_bytes"), bytes),
           number_in(d, "batches"), number_in(d, "records"), number_in(d, "objects"));
    if (number_in(d, "given_up"))
        printf("note: %lld batches were given up (the log says why)\n", number_in(d, "given_up"));
    json_array_foreach(json_object_get(d, "down"), i, row) {
        printf("note: %s cannot be reached, %lld times by now\n", text_in(row, "name"),
               number_in(row, "failures"));
    }
}

int ctl_status(const struct ctl *ctl) {
    bool json = ctl->argc == 1 && strcmp(ctl->argv[0], "--json") == 0;
    json_t *worker, *agent, *deliverer;
    int status;

    if (ctl->argc && !json)
        return complain(EXIT_USAGE, "status takes only --json");
    worker = state_of(ctl, DAEMON_WORKER);
    agent = state_of(ctl, DAEMON_AGENT);
    deliverer = state_of_deliverer(ctl);
    status = bad(worker) || bad(agent);
    if (json) {
        json_t *both =
            json_pack("{s:o,s:o,s:o}", "vpcd", worker, "agent", agent, "logs", deliverer);

        json_dumpf(both, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(both);
        return status;
    }
    print_worker(worker);
    if (!bad(agent))
        print_deliverer(deliverer);
    print_agent(ctl, agent);
    json_decref(deliverer);
    json_decref(worker);
    json_decref(agent);
    return status;
}

int ctl_console(const struct ctl *ctl) {
    uint8_t *output = NULL;
    size_t len = 0;
    json_t *answer;
    int r;

    if (ctl->argc != 1)
        return complain(EXIT_USAGE, "usage: vpcctl console INSTANCE");
    answer = daemon_call(ctl, DAEMON_AGENT,
                         json_pack("{ssss}", "cmd", "console", "instance", ctl->argv[0]));
    if (!answer)
        return 1;
    r = base64_decode(text_in(answer, "output"), &output, &len);
    json_decref(answer);
    if (r < 0)
        return complain(1, "the answer could not be read");
    /* On a terminal the bytes of an instance must not command it. */
    for (size_t i = 0; isatty(STDOUT_FILENO) && i < len; i++)
        if ((output[i] < 0x20 && output[i] != '\n' && output[i] != '\t') || output[i] >= 0x7f)
            output[i] = '?';
    fwrite(output, 1, len, stdout);
    free(output);
    return 0;
}
