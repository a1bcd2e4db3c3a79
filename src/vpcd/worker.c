/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker wires: store and state, keys, API, HTTP, the stream to the agents, vpcctl's socket.
 * The order of the start: state, keys, stream, HTTP; "ready" once HTTP answers and the host's data
 * plane stands (without an agent: at once).
 */
#include "vpcd/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "base/io.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "http/http.h"
#include "logs/logs.h"
#include "vpcd/control.h"
#include "vpcd/keys.h"
#include "vpcd/publish.h"
#include "vpcd/supervisor.h"

#define EXIT_FINAL SUPERVISOR_EXIT_CONFIG
#define GRACE_MS 2000
#define SWEEP_SECONDS 60
#define BUSY_PAUSE_MS 50
#define BUSY_TRIES 100

struct worker {
    const struct options *options;
    struct event_base *base;
    struct state *state;
    struct api *api;
    struct http_server *http;
    struct publish *publish;
    struct control *control;
    int64_t started;
    struct event *sweep;
    bool listening, told;
    int exit_status;
};

static void stop(struct worker *w, int status) {
    w->exit_status = status;
    event_base_loopbreak(w->base);
}

static void tell_ready(void *arg) {
    struct worker *w = arg;

    if (w->told || !w->listening || (w->publish && !publish_is_ready(w->publish)))
        return;
    w->told = true;
    printf("vpcd ready on %s://%s\n", w->options->tls_cert ? "https" : "http",
           http_server_address(w->http));
    fflush(stdout);
    notify_systemd("READY=1");
}

/* The port that the system chose for "--listen HOST:0" is kept, so that clients find a worker that
 * was started again. STATE/run/port has it. */
static bool wants_any_port(const char *listen) {
    size_t len = strlen(listen);

    return len > 2 && strcmp(listen + len - 2, ":0") == 0;
}

static const char *last_listen(const struct options *o, char ret_listen[300]) {
    char path[4200], port[8] = "";
    int64_t number;
    FILE *f;

    snprintf(path, sizeof(path), "%s/run/port", o->state_dir);
    f = fopen(path, "re");
    if (!f)
        return NULL;
    if (fscanf(f, "%7s", port) != 1)
        port[0] = 0;
    fclose(f);
    if (int_parse(port, 1, 65535, &number) < 0 || strlen(o->listen) > 280)
        return NULL;
    snprintf(ret_listen, 300, "%.*s%lld", (int)strlen(o->listen) - 1, o->listen, (long long)number);
    return ret_listen;
}

static void keep_port(const struct worker *w) {
    const char *port = strrchr(http_server_address(w->http), ':');
    char path[4200];
    FILE *f;

    snprintf(path, sizeof(path), "%s/run/port", w->options->state_dir);
    f = fopen(path, "we");
    if (!f || !port || fprintf(f, "%s\n", port + 1) < 0)
        log_error("%s: %s", path, strerror(errno));
    if (f)
        fclose(f);
}

static int start_http(struct worker *w) {
    const struct options *o = w->options;
    bool any = wants_any_port(o->listen);
    char last[300];
    struct http_config config = {
        .base = w->base,
        .listen = o->listen,
        .tls_cert = o->tls_cert,
        .tls_key = o->tls_key,
        .ctx = w->api,
        .handle = api_handle,
        .render_error = api_render_error,
        .error_type = "text/xml;charset=UTF-8",
    };
    const char *why = "";
    int r = -EADDRINUSE;

    if (!o->tls_cert && !o->plain_http && !http_listen_is_loopback(o->listen)) {
        log_error("--listen %s is not a loopback address: give --tls-cert and --tls-key, or "
                  "--plain-http to send "
                  "everything unencrypted",
                  o->listen);
        return -EINVAL;
    }
    if (any && last_listen(o, last)) {
        config.listen = last;
        r = http_server_new(&config, &w->http, &why);
        config.listen = o->listen;
    }
    if (r < 0) /* somebody else has it now */
        r = http_server_new(&config, &w->http, &why);
    if (r == 0 && any)
        keep_port(w);
    if (r < 0)
        log_error("--listen %s: %s: %s", o->listen, why, strerror(-r));
    return r;
}

static void keys_ready(void *arg, int status) {
    struct worker *w = arg;
    char path[4200];
    int r = 0;

    if (status < 0) {
        stop(w, EXIT_FINAL);
        return;
    }
    snprintf(path, sizeof(path), "%s/run/stream.sock", w->options->state_dir);
    if (!w->options->no_agent)
        r = publish_new(w->base, w->options->state_dir, w->state, w->api, tell_ready, w,
                        &w->publish);
    if (r < 0)
        log_error("%s: %s", path, strerror(-r));
    if (r < 0 || start_http(w) < 0) {
        stop(w, EXIT_FINAL);
        return;
    }
    w->listening = true;
    tell_ready(w);
}

/* vpcctl status */

static json_t *status(struct worker *w) {
    const struct http_counters *h = http_server_counters(w->http);
    struct store_stats s = store_stats(state_store(w->state));
    const struct index *ix = state_index(w->state);
    json_t *objects = json_object();

    for (enum kind k = 1; k < KIND_COUNT; k++)
        if (kind_info(k)->resource_type)
            json_object_set_new(objects, kind_info(k)->name,
                                json_integer((json_int_t)index_count(ix, k)));
    return json_pack("{s:s,s:i,s:s,s:I,s:b,s:I,s:o,s:{s:I,s:I,s:I,s:I,s:I,s:I},s:{s:I,s:I,s:I}}",
                     "version", VPCD_VERSION, "pid", (int)getpid(), "listen",
                     http_server_address(w->http), "uptime_s",
                     (json_int_t)((time_ms() - w->started) / 1000), "ready", (int)w->told, "agents",
                     (json_int_t)(w->publish ? publish_agents(w->publish) : 0), "objects", objects,
                     "http", "open", (json_int_t)h->open, "requests", (json_int_t)h->requests,
                     "bad_requests", (json_int_t)h->bad_requests, "timeouts",
                     (json_int_t)(h->timeout_request + h->timeout_idle + h->timeout_write),
                     "refused", (json_int_t)(h->refused_peer + h->over_budget + h->too_large),
                     "starved", (json_int_t)h->starved, "store", "transactions", (json_int_t)s.txns,
                     "commits", (json_int_t)s.commits, "conflicts", (json_int_t)s.conflicts);
}

/* `vpcctl account create` and `delete`: who gets a number that somebody had finds no log groups. */
struct account_call {
    struct worker *w;
    struct control_call *call;
};

static void account_done(void *arg, json_t *answer) {
    struct account_call *a = arg;
    const char *id = json_string_value(json_object_get(answer, "id"));
    int64_t number;

    if (id && int_parse(id, 1, 999999999999, &number) == 0)
        api_forget_logs(a->w->api, (uint64_t)number);
    control_reply(a->call, answer);
    free(a);
}

static void account_command(struct worker *w, const json_t *request, struct control_call *call) {
    struct account_call *a = malloc(sizeof(*a));

    if (!a) {
        control_reply(call, json_pack("{s:s}", "error", "memory is short"));
        return;
    }
    *a = (struct account_call){w, call};
    keys_command(w->state, request, account_done, a);
}

/* Of the commands on accounts, those that begin or end one. */
static bool begins_or_ends(const json_t *request) {
    const char *action = json_string_value(json_object_get(request, "action"));

    return action && (strcmp(action, "create") == 0 || strcmp(action, "delete") == 0);
}

static void command(void *arg, const json_t *request, struct control_call *call) {
    struct worker *w = arg;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));

    if (!w->listening)
        control_reply(call, json_pack("{s:s}", "error", "vpcd is starting"));
    else if (cmd && strcmp(cmd, "status") == 0)
        control_reply(call, status(w));
    else if (cmd && strcmp(cmd, "account") == 0 && begins_or_ends(request))
        account_command(w, request, call);
    else if (cmd && (strcmp(cmd, "account") == 0 || strcmp(cmd, "key") == 0))
        keys_command(w->state, request, control_reply, call);
    else
        control_reply(call, json_pack("{s:s}", "error", "unknown command"));
}

static void on_stopped(void *arg) {
    struct worker *w = arg;

    stop(w, 0);
}

static void on_signal(evutil_socket_t sig, short what, void *arg) {
    struct worker *w = arg;

    if (w->http)
        http_server_stop(w->http, GRACE_MS, on_stopped, w);
    else
        stop(w, 0);
}

static void on_swept(void *arg, bool more) {
    struct worker *w = arg;
    const struct timeval pause = {.tv_sec = more ? 0 : SWEEP_SECONDS};

    event_add(w->sweep, &pause); /* in either case, other calls come before */
}

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;

    if (store_error(state_store(w->state))) {
        /* The state cannot be written any more: begin afresh from what is on disk. */
        log_error("the store is dead: %s", store_error(state_store(w->state)));
        stop(w, 1);
        return;
    }
    api_sweep(w->api, on_swept, w);
}

static int open_state(struct worker *w) {
    const struct options *o = w->options;
    struct store_options so = {.shared = o->shared};
    struct api_config config = {
        .regions = o->regions,
        .public_pool = o->public_pool,
        .ipv6_pool = o->ipv6_pool,
        .paper = o->no_agent,
        .calls_per_second = o->rate,
        .calls_burst = o->burst,
        .account_instances = o->account_instances,
        .account_addresses = o->account_addresses,
    };
    char dir[4200], logs_dir[4200], error[STORE_TEXT] = "";
    int r;

    snprintf(logs_dir, sizeof(logs_dir), "%s/" LOGS_DIRECTORY, o->state_dir);
    config.base = w->base;
    config.logs_dir = logs_dir;
    config.account_log_bytes = o->account_log_bytes;
    snprintf(dir, sizeof(dir), "%s/run", o->state_dir);
    r = make_dirs(dir, 0711);
    if (r < 0) {
        log_error("%s: %s", dir, strerror(-r));
        return r;
    }
    snprintf(dir, sizeof(dir), "%s/db", o->state_dir);
    r = state_open(w->base, o->store, dir, &so, &w->state, error);
    /* The worker of a vpcd that was killed a moment ago may still be ending. */
    for (int i = 0; r == -EBUSY && i < BUSY_TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = BUSY_PAUSE_MS * 1000000L}, NULL);
        r = state_open(w->base, o->store, dir, &so, &w->state, error);
    }
    if (r < 0) {
        log_error("the state in %s: %s", dir, *error ? error : strerror(-r));
        return r;
    }
    config.state = w->state;
    r = api_new(&config, &w->api, error);
    if (r < 0) {
        log_error("--regions: %s", error);
        return r;
    }
    snprintf(dir, sizeof(dir), "%s/run/control.sock", o->state_dir);
    r = control_new(w->base, dir, command, w, &w->control);
    if (r < 0)
        log_error("%s: %s", dir, strerror(-r));
    return r;
}

int worker_run(const struct options *o) {
    struct worker w = {.options = o, .started = time_ms()};
    struct event *signals[2] = {0};
    const struct timeval interval = {.tv_sec = SWEEP_SECONDS};
    struct rlimit files;

    /* Started through a descriptor, some kernels call the process after that. */
    prctl(PR_SET_NAME, "vpcd");
    /* Connections need descriptors; what the hard limit allows is ours to use. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    w.base = event_base_new();
    if (!w.base || open_state(&w) < 0) {
        w.exit_status = EXIT_FINAL;
        goto out;
    }
    signals[0] = evsignal_new(w.base, SIGTERM, on_signal, &w);
    signals[1] = evsignal_new(w.base, SIGINT, on_signal, &w);
    w.sweep = event_new(w.base, -1, 0, on_sweep, &w);
    if (!signals[0] || !signals[1] || !w.sweep) {
        w.exit_status = 1;
        goto out;
    }
    event_add(signals[0], NULL);
    event_add(signals[1], NULL);
    event_add(w.sweep, &interval);
    keys_start(w.state, o, keys_ready, &w);
    if (!w.exit_status)
        event_base_dispatch(w.base);
out:
    if (w.http)
        http_server_free(w.http);
    publish_free(w.publish);
    control_free(w.control);
    state_close(w.state);
    api_free(w.api);
    for (int i = 0; i < 2; i++)
        if (signals[i])
            event_free(signals[i]);
    if (w.sweep)
        event_free(w.sweep);
    if (w.base)
        event_base_free(w.base);
    return w.exit_status;
}
