/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpcd: started as root, the supervisor, which starts this program again as the worker and, unless
 * --no-agent says otherwise, vpc-agent. Started by anybody else: the worker alone, on paper.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/dump.h"
#include "base/log.h"
#include "base/user.h"
#include "vpcd/options.h"
#include "vpcd/supervisor.h"
#include "vpcd/worker.h"

#define WORKER_UID 478 /* where there is no user vpcd; a system uid that Debian gives to nobody */
#define AGENT_ARGS_MAX 32

/* The worker's user: --user, else "vpcd", else a fixed uid. */
static int find_user(const struct options *o, struct supervisor_config *config) {
    const struct passwd *pw = getpwnam(o->user ? o->user : "vpcd");

    if (!pw && o->user) {
        fprintf(stderr, "vpcd: --user %s: there is no such user\n", o->user);
        return -EINVAL;
    }
    config->uid = pw ? pw->pw_uid : WORKER_UID;
    config->gid = pw ? pw->pw_gid : WORKER_UID;
    if (config->uid == 0) {
        fprintf(stderr, "vpcd: --user must not be root: the worker needs no privileges\n");
        return -EINVAL;
    }
    return 0;
}

static int own_path(char out[PATH_MAX]) {
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 16);

    if (n < 0) {
        fprintf(stderr, "vpcd: /proc/self/exe: %s\n", strerror(errno));
        return -errno;
    }
    out[n] = 0;
    return 0;
}

static void agent_argv(const struct options *o, gid_t worker, char *path,
                       char *argv[AGENT_ARGS_MAX]) {
    static char group[16];
    const char *const args[] = {
        path,
        "--state-dir",
        o->state_dir,
        "--public-pool",
        o->public_pool_text,
        "--ipv6-pool",
        o->ipv6_pool_text,
        "--spool-group",
        group,
        o->uplink_allow ? "--uplink-allow" : NULL,
        o->uplink_allow,
        o->flow_log_window ? "--flow-log-window" : NULL,
        o->flow_log_window,
        o->spool_bytes ? "--flow-log-spool-bytes" : NULL,
        o->spool_bytes,
        o->tap_user ? "--tap-user" : NULL,
        o->tap_user,
    };
    int n = 0;

    snprintf(group, sizeof(group), "%u", (unsigned)worker);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        if (args[i])
            argv[n++] = (char *)(uintptr_t)args[i];
    argv[n] = NULL;
}

/* The program beside our own. */
static void beside(const char *self, const char *name, char out[PATH_MAX]) {
    const char *slash = strrchr(self, '/');

    snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name);
}

/* What asks the host's network for instances: names of the world, the time. */
static struct supervisor_child upstream_child(const struct options *o, const char *self) {
    static char path[PATH_MAX], peer[16];
    static char *argv[12];
    struct supervisor_child c = {.name = "upstream", .argv = argv, .dir = "upstream"};
    uid_t services;
    gid_t group;
    const char *const args[] = {
        path,
        "--state-dir",
        o->state_dir,
        "--peer",
        peer,
        o->dns_upstream ? "--dns-upstream" : NULL,
        o->dns_upstream,
        o->ntp_server ? "--ntp-server" : NULL,
        o->ntp_server,
    };
    int n = 0;

    user_find(SERVICES_USER, SERVICES_UID, &services, &group);
    user_find(UPSTREAM_USER, UPSTREAM_UID, &c.uid, &c.gid);
    beside(self, "vpc-upstream", path);
    snprintf(peer, sizeof(peer), "%u", (unsigned)services);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        if (args[i])
            argv[n++] = (char *)(uintptr_t)args[i];
    argv[n] = NULL;
    return c;
}

/* What delivers flow logs; as the worker's user, for both have the log groups' file open. */
static struct supervisor_child logs_child(const struct options *o, const char *self, uid_t uid,
                                          gid_t gid) {
    static char path[PATH_MAX], bytes[24];
    static char *argv[20];
    const char *const args[] = {
        path,
        "--state-dir",
        o->state_dir,
        o->s3_endpoint ? "--s3-endpoint" : NULL,
        o->s3_endpoint,
        o->s3_region ? "--s3-region" : NULL,
        o->s3_region,
        o->s3_credentials ? "--s3-credentials" : NULL,
        o->s3_credentials,
        o->s3_ca ? "--s3-ca" : NULL,
        o->s3_ca,
        o->s3_seconds ? "--s3-seconds" : NULL,
        o->s3_seconds,
        o->account_log_bytes ? "--account-log-bytes" : NULL,
        o->account_log_bytes ? bytes : NULL,
    };
    int n = 0;

    beside(self, "vpc-logs", path);
    snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)o->account_log_bytes);
    for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
        if (args[i])
            argv[n++] = (char *)(uintptr_t)args[i];
    argv[n] = NULL;
    return (struct supervisor_child){
        .name = "log deliverer", .argv = argv, .uid = uid, .gid = gid, .optional = true};
}

static int supervise(const struct options *o, int argc, char **argv) {
    static char self[PATH_MAX], agent[PATH_MAX], services[PATH_MAX];
    char *agent_args[AGENT_ARGS_MAX], *services_args[4],
        **worker = calloc((size_t)argc + 4, sizeof(*worker));
    struct supervisor_config config = {.state_dir = o->state_dir};
    struct supervisor_child children[SUPERVISOR_CHILDREN_MAX], row;
    int n = 0;

    if (!worker || find_user(o, &config) < 0 || own_path(self) < 0)
        return SUPERVISOR_EXIT_CONFIG;
    /* The same command line; the directory as it really is, for whoever looks with ps. */
    worker[n++] = self;
    for (int i = 1; i < argc; i++)
        worker[n++] = argv[i];
    worker[n++] = (char *)(uintptr_t) "--state-dir";
    worker[n++] = (char *)(uintptr_t)o->state_dir;
    worker[n++] = (char *)(uintptr_t) "--worker";
    worker[n] = NULL;
    children[config.n_children++] = (struct supervisor_child){
        .name = "worker", .argv = worker, .uid = config.uid, .gid = config.gid};
    if (!o->no_agent) {
        beside(self, "vpc-agent", agent);
        agent_argv(o, config.gid, agent, agent_args);
        children[config.n_children++] =
            (struct supervisor_child){.name = "agent", .argv = agent_args, .lock = "agent/lock"};
        services_args[0] = services;
        services_args[1] = (char *)(uintptr_t) "--state-dir";
        services_args[2] = (char *)(uintptr_t)o->state_dir;
        services_args[3] = NULL;
        beside(self, "vpc-services", services);
        row = (struct supervisor_child){
            .name = "services", .argv = services_args, .optional = true, .no_network = true};
        user_find(SERVICES_USER, SERVICES_UID, &row.uid, &row.gid);
        children[config.n_children++] = row;
        children[config.n_children++] = upstream_child(o, self);
        children[config.n_children++] = logs_child(o, self, config.uid, config.gid);
    }
    config.children = children;
    n = supervisor_run(&config);
    free(worker);
    return n;
}

int main(int argc, char **argv) {
    static struct options o;
    int r = options_parse(argc, argv, &o);

    if (r != 0)
        return r < 0 ? SUPERVISOR_EXIT_CONFIG : 0;
    log_setup("vpcd", LOG_INFO);
    if (o.dump_api)
        return api_dump(stdout) < 0 ? 1 : 0;
    if (geteuid() == 0 && !o.worker)
        return supervise(&o, argc, argv);
    if (geteuid() != 0 && !o.no_agent && !o.worker) {
        fprintf(
            stderr,
            "vpcd: without root there are no packets: start it with sudo, or with --no-agent\n");
        return SUPERVISOR_EXIT_CONFIG;
    }
    return worker_run(&o);
}
