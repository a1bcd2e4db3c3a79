/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpc-agent wires: the stream (world) to the packet path (enforce) and to the instances
 * (reconcile).
 *
 * The order of the start: what runs goes on running until the first snapshot was read whole. Then
 * the maps are filled, the programs of this build take over, the uplink opens, instances are looked
 * at.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/control.h"
#include "agent/down.h"
#include "agent/enforce.h"
#include "agent/flow_logs.h"
#include "agent/inside.h"
#include "agent/instances.h"
#include "agent/interfaces.h"
#include "agent/options.h"
#include "agent/recent.h"
#include "agent/reconcile.h"
#include "agent/serve.h"
#include "agent/trace.h"
#include "follow/world.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"

#define EXIT_CONFIG 78 /* starting again would not help: vpcd/supervisor.h */
#define SWEEP_SECONDS 60

struct agent {
    struct agent_options options;
    struct owner owner;
    struct event_base *base;
    struct rtnl *rtnl;
    struct dataplane *dp;
    struct uplink uplink;
    struct services_net services;
    struct guests guests;
    struct plugs plugs;
    struct enforce *enforce;
    struct reconcile *reconcile;
    struct world *world;
    struct serve *serve;
    struct control *control;
    struct recent *recent;
    struct flow_logs flow_logs;
    struct event *signals[3], *sweep;
    uint32_t flows; /* live, at the last sweep */
    bool open;      /* programs active, uplink open */
};

static void changed(void *arg, const struct obj *old, const struct obj *new) {
    struct agent *a = arg;

    enforce_change(a->enforce, world_index(a->world), old, new);
    reconcile_change(a->reconcile, old, new);
    flow_logs_change(&a->flow_logs, world_index(a->world), old, new);
    serve_change(a->serve, old, new);
}

static void settled(void *arg, bool snapshot) {
    struct agent *a = arg;
    int r = enforce_flush(a->enforce, world_index(a->world), false);

    if (r == 0 && !a->open) {
        r = dataplane_activate(a->dp);
        if (r == 0)
            r = outside_open(a->rtnl, a->dp, &a->uplink);
        a->open = r == 0;
        if (r < 0) {
            log_error("the data plane cannot be opened: %s", strerror(-r));
            event_base_loopbreak(a->base);
            return;
        }
    }
    if (a->open)
        flow_logs_settled(&a->flow_logs, snapshot);
    serve_settled(a->serve);
    if (!snapshot)
        return;
    reconcile_all(a->reconcile);
    if (a->open) {
        log_info("in step with vpcd");
        world_report(a->world, REPORT_READY, "", "", "");
        notify_systemd("READY=1");
    }
}

static int complain(const char *what, int r) {
    log_error("%s: %s", what, strerror(-r));
    return r;
}

/* Somebody deleted the uplink or the services' device, an administrator say: it comes back. */
static void device_gone(void *arg, int ifindex) {
    _buf_ struct buf err = BUF_INIT;
    struct agent *a = arg;
    struct link_info info;
    int r;

    if (ifindex ? ifindex == a->services.ifindex
                : link_get_index(a->rtnl, a->services.ifindex, &info) == -ENODEV) {
        const char *what;

        log_warn("the services' device was deleted; it is made again");
        r = services_net_ensure(&a->owner, a->rtnl, a->dp, &a->services, &what);
        if (r < 0)
            complain(what, r);
    }
    if (ifindex ? ifindex != a->uplink.host_ifindex
                : link_get_index(a->rtnl, a->uplink.host_ifindex, &info) != -ENODEV)
        return;
    log_warn("the uplink's device was deleted; it is made again");
    r = outside_prepare(&a->owner, a->rtnl, a->dp, &a->options.outside, &a->uplink, &err);
    if (r == 0 && a->open)
        r = outside_open(a->rtnl, a->dp, &a->uplink);
    if (r < 0) {
        log_error("the uplink: %s", err.len ? buf_str(&err) : strerror(-r));
        event_base_loopbreak(a->base);
    }
}

/* vpcctl */

/* What an instance's user data printed, as base64: it may hold any byte. */
static json_t *console(struct agent *a, const struct instances *in, const char *id) {
    _buf_ struct buf log = BUF_INIT;
    _free_ char *text = NULL;
    char path[256];

    if (!guest_find(&a->guests, id))
        return instances_no_exec(in, id);
    snprintf(path, sizeof(path), "%s/%s", a->guests.console, id);
    if (read_file(path, CONSOLE_MAX, &log) < 0)
        return json_pack("{s:s}", "error", "its console cannot be read");
    text = base64_encode(buf_str(&log), log.len);
    return text ? json_pack("{s:s}", "output", text) : NULL;
}

static json_t *drops(struct agent *a) {
    uint64_t packets[DROP_SLOTS];
    json_t *rows = json_array();

    if (dataplane_drops(a->dp, packets) < 0)
        return rows;
    for (unsigned i = 1; i < DROP_SLOTS; i++)
        if (packets[i])
            json_array_append_new(rows,
                                  json_pack("{s:s,s:I,s:s}", "reason", drop_name(i), "packets",
                                            (json_int_t)packets[i], "means", drop_sentence(i)));
    return rows;
}

static int sweep(struct agent *a, uint32_t *ret_deleted, uint32_t *ret_live) {
    return a->flow_logs.reader ? flow_reader_sweep(a->flow_logs.reader, ret_deleted, ret_live)
                               : dataplane_sweep(a->dp, ret_deleted, ret_live);
}

static json_t *answer(void *arg, const char *cmd, const json_t *request) {
    struct agent *a = arg;
    const struct tracer tracer = {.ix = world_index(a->world),
                                  .dp = a->dp,
                                  .plugs = &a->plugs,
                                  .outside = &a->options.outside,
                                  .uplink = &a->uplink};
    const struct instances in = {world_index(a->world), &a->guests, &a->plugs};
    const char *id = json_string_value(json_object_get(request, "instance"));
    uint32_t deleted, live;
    json_t *told;

    if (strcmp(cmd, "instance") == 0) {
        told = id ? instances_find(&in, id) : NULL;
        return told ? told : json_pack("{s:s}", "error", "no such instance on this host");
    }
    if (strcmp(cmd, "console") == 0)
        return console(a, &in, id ? id : "");
    if (strcmp(cmd, "exec") == 0) /* control.c does it, but for what is no guest */
        return instances_no_exec(&in, id ? id : "");
    if (strcmp(cmd, "trace") == 0)
        return trace(&tracer, request);
    if (strcmp(cmd, "interfaces") == 0)
        return interfaces_json(world_index(a->world));
    if (strcmp(cmd, "drops") == 0) { /* without the walk over all flows that status takes */
        told = recent_json(a->recent, &tracer, request);
        json_object_set_new(told, "drops", drops(a));
        return told;
    }
    if (strcmp(cmd, "status") != 0)
        return NULL;
    if (sweep(a, &deleted, &live) == 0)
        a->flows = live;
    told =
        json_pack("{s:s,s:i,s:b,s:b,s:o,s:o,s:i,s:s,s:i}", "version", VPCD_VERSION, "pid",
                  (int)getpid(), "connected", (int)world_connected(a->world), "open", (int)a->open,
                  "instances", instances_json(&in), "drops", drops(a), "flows", (int)(a->flows / 2),
                  "unlimited", cgroup_unlimited(), "lacking", (int)enforce_lacking(a->enforce));
    json_object_set_new(told, "services", serve_status(a->serve));
    if (a->flow_logs.reader)
        json_object_set_new(told, "flow_logs", flow_reader_status(a->flow_logs.reader));
    return told;
}

static void on_sweep(evutil_socket_t fd, short what, void *arg) {
    struct agent *a = arg;
    uint32_t deleted;

    if (a->flow_logs.reader)
        flow_reader_sweep_soon(a->flow_logs.reader);
    else
        dataplane_sweep(a->dp, &deleted, &a->flows);
}

static void on_end(evutil_socket_t sig, short what, void *arg) {
    struct agent *a = arg;

    event_base_loopbreak(a->base);
}

/* Helpers that start commands in instances end when those do. */
static void on_child(evutil_socket_t sig, short what, void *arg) {
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static int start_dataplane(struct agent *a) {
    _buf_ struct buf err = BUF_INIT;
    char dir[OWNER_PIN_DIR];
    const char *what;
    int r = dataplane_open(owner_pin_dir(&a->owner, dir), &a->dp, &err);

    if (r < 0) {
        log_error("no data plane: %s", err.len ? buf_str(&err) : strerror(-r));
        return r;
    }
    r = rtnl_open(-1, &a->rtnl);
    if (r < 0)
        return complain("route netlink", r);
    r = outside_prepare(&a->owner, a->rtnl, a->dp, &a->options.outside, &a->uplink, &err);
    if (r < 0) {
        log_error("%s", buf_str(&err));
        return r;
    }
    a->services.netns_fd = -1;
    r = services_net_ensure(&a->owner, a->rtnl, a->dp, &a->services, &what);
    return r < 0 ? complain(what, r) : 0;
}

/* Without them everything else goes on. */
static void start_flow_logs(struct agent *a) {
    const struct flow_reader_options options = {.dp = a->dp,
                                                .state_dir = a->owner.dir,
                                                .group = a->options.spool_group,
                                                .window = a->options.flow_log_window,
                                                .spool_bytes = a->options.spool_bytes};
    int r = flow_reader_new(&options, &a->flow_logs.reader);

    a->flow_logs.dp = a->dp;
    if (r < 0)
        log_error("there are no flow logs: %s", strerror(-r));
}

static int start_rest(struct agent *a) {
    const char *unlimited;
    const struct world_handlers handlers = {.changed = changed, .settled = settled, .arg = a};
    const struct timeval interval = {.tv_sec = SWEEP_SECONDS};
    char path[256];
    int r;

    r = guests_open(&a->owner, &a->guests);
    if (r < 0)
        return complain("instances of before", r);
    if (a->guests.unreadable)
        log_warn("%u records of instances could not be read (another version?): those were ended",
                 a->guests.unreadable);
    cgroup_limit_all(a->owner.hash);
    unlimited = cgroup_unlimited();
    if (*unlimited)
        log_warn("instances have no limit on %s: cgroup version 2 has no such controller here",
                 unlimited);
    r = plugs_open(&a->plugs, &a->owner, a->rtnl, a->dp, a->options.tap_user);
    if (r < 0)
        return complain("devices of before", r);
    r = enforce_new(a->base, a->dp, &a->enforce);
    if (r == 0)
        r = reconcile_new(a->base, &a->guests, &a->plugs, device_gone, a, &a->reconcile);
    if (r == 0)
        r = recent_new(a->base, a->dp, &a->recent);
    start_flow_logs(a);
    snprintf(path, sizeof(path), "%s/run/stream.sock", a->owner.dir);
    if (r == 0)
        r = world_new(a->base, path, a->owner.dir, "vpcd", &handlers, &a->world);
    if (r == 0)
        r = serve_new(a->base, &a->owner, &a->services, world_index(a->world), &a->plugs,
                      &a->serve);
    if (r < 0)
        return complain("start", r);
    reconcile_set_world(a->reconcile, a->world);
    snprintf(path, sizeof(path), "%s/agent/control.sock", a->owner.dir);
    r = control_open(a->base, path, &a->guests, answer, a, &a->control);
    if (r < 0)
        return complain(path, r);
    a->sweep = event_new(a->base, -1, EV_PERSIST, on_sweep, a);
    a->signals[0] = evsignal_new(a->base, SIGTERM, on_end, a);
    a->signals[1] = evsignal_new(a->base, SIGINT, on_end, a);
    a->signals[2] = evsignal_new(a->base, SIGCHLD, on_child, a);
    if (!a->sweep || !a->signals[0] || !a->signals[1] || !a->signals[2])
        return -ENOMEM;
    event_add(a->sweep, &interval);
    for (int i = 0; i < 3; i++)
        event_add(a->signals[i], NULL);
    return 0;
}

static int run(struct agent *a) {
    int status = EXIT_CONFIG;

    signal(SIGPIPE, SIG_IGN);
    a->base = event_base_new();
    if (a->base && start_dataplane(a) == 0) {
        status = 1;
        if (start_rest(a) == 0) {
            event_base_dispatch(a->base);
            status = a->open ? 0 : 1;
        }
    }
    /* Devices, programs, maps and instances stay as they are. */
    control_close(a->control);
    flow_reader_free(a->flow_logs.reader);
    recent_free(a->recent);
    reconcile_free(a->reconcile);
    enforce_free(a->enforce);
    serve_free(a->serve);
    world_free(a->world);
    services_net_close(&a->services);
    plugs_close(&a->plugs);
    for (int i = 0; i < 3; i++)
        if (a->signals[i])
            event_free(a->signals[i]);
    if (a->sweep)
        event_free(a->sweep);
    rtnl_close(a->rtnl);
    dataplane_close(a->dp);
    if (a->base)
        event_base_free(a->base);
    return status;
}

int main(int argc, char **argv) {
    static struct agent a;
    char path[256];
    int r = agent_options_parse(argc, argv, &a.options), lock;

    if (r != 0)
        return r < 0 ? EXIT_CONFIG : 0;
    log_setup("vpc-agent", LOG_INFO);
    if (geteuid() != 0) {
        log_error("the agent must run as root: it loads BPF programs and makes namespaces");
        return EXIT_CONFIG;
    }
    r = owner_of(a.options.state_dir, &a.owner);
    if (r == -ENOENT && a.options.down)
        return 0;
    if (r < 0) {
        log_error("--state-dir %s: %s", a.options.state_dir, strerror(-r));
        return EXIT_CONFIG;
    }
    snprintf(path, sizeof(path), "%s/agent", a.owner.dir);
    r = make_dirs(path, 0700);
    if (r < 0) {
        complain(path, r);
        return EXIT_CONFIG;
    }
    snprintf(path, sizeof(path), "%s/agent/lock", a.owner.dir);
    if (a.options.down) {
        r = down_stop_agent(path);
        if (r < 0) {
            complain("the running agent does not end", r);
            return 1;
        }
    }
    lock = lock_take(path);
    if (lock < 0) {
        log_error("another agent of %s runs (pid %d)", a.owner.dir, (int)lock_holder(path));
        return 1;
    }
    if (a.options.down)
        return down(&a.owner) < 0 ? 1 : 0;
    return run(&a);
}
