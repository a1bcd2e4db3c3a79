/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcd/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "follow/tell.h"
#include "stream/report.h"
#include "stream/server.h"

struct publish {
    struct state *state;
    struct api *api;
    struct stream_server *server;
    uint64_t revision; /* transactions published since the start */
    bool batch;        /* something was told since the last revision */
    void (*ready_fn)(void *arg);
    void *arg;
    bool ready;
};

static bool wanted(const struct kind_info *kind) {
    return kind->on_stream;
}

static void changed(void *arg, const struct obj *old, const struct obj *new, bool last) {
    struct publish *p = arg;

    if ((old || new) && wanted(kind_info((new ? new : old)->kind)))
        p->batch |= tell_object(p->server, old, new);
    if (last && p->batch) {
        stream_server_revision(p->server, ++p->revision);
        p->batch = false;
    }
}

static void send_all(void *arg, const struct index *ix) {
    tell_all(arg, ix, wanted);
}

static uint64_t snapshot(void *arg, struct stream_agent *agent) {
    struct publish *p = arg;

    log_info("the agent of %s follows", stream_agent_host(agent));
    state_settled(p->state, send_all, agent);
    return p->revision;
}

static void report(void *arg, struct stream_agent *agent, uint16_t kind, const char *id,
                   const void *data, size_t len) {
    struct publish *p = arg;
    const char *first = data, *second;
    size_t n = strnlen(first, len);

    if (kind == REPORT_READY) {
        p->ready = true;
        p->ready_fn(p->arg);
        return;
    }
    second = n < len ? first + n + 1 : "";
    if (n == len || (n + 1 < len && strnlen(second, len - n - 1) == len - n - 1)) {
        stream_agent_close(agent, "a report was not two strings");
        return;
    }
    if (n + 1 == len)
        second = "";
    if (kind == REPORT_INSTANCE)
        api_instance_report(p->api, id, first, second);
}

static void down(void *arg, struct stream_agent *agent, const char *why) {
    log_warn("the agent of %s is gone: %s", stream_agent_host(agent), why);
}

static void refused(void *arg, const char *why) {
    log_warn("an agent was refused: %s", why);
}

int publish_new(struct event_base *base, const char *state_dir, struct state *state,
                struct api *api, void (*ready)(void *arg), void *arg,
                struct publish **ret_publish) {
    static const struct stream_server_handlers handlers = {snapshot, report, down, refused};
    struct publish *p = calloc(1, sizeof(*p));
    char host[256] = "host", path[4200];
    struct stream_server_options options = {.host = host, .state = state_dir, .peer_uid = 0};
    int r;

    if (!p)
        return -ENOMEM;
    *p = (struct publish){.state = state, .api = api, .ready_fn = ready, .arg = arg};
    gethostname(host, sizeof(host) - 1);
    snprintf(path, sizeof(path), "%s/run/stream.sock", state_dir);
    r = stream_server_new(base, path, &options, &handlers, p, &p->server);
    if (r < 0) {
        free(p);
        return r;
    }
    state_on_change(state, changed, p);
    *ret_publish = p;
    return 0;
}

void publish_free(struct publish *p) {
    if (!p)
        return;
    state_on_change(p->state, NULL, NULL);
    stream_server_free(p->server);
    free(p);
}

size_t publish_agents(const struct publish *p) {
    return stream_server_agents(p->server);
}

bool publish_is_ready(const struct publish *p) {
    return p->ready && stream_server_agents(p->server) > 0;
}
