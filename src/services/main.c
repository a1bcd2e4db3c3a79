/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vpc-services: all that parses what instances send to the link. It has no privileges and no
 * network of its own: sockets and state come from the agent, which runs as root.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/notify.h"
#include "services/dhcp.h"
#include "services/dns.h"
#include "services/filter.h"
#include "services/frame.h"
#include "services/imds.h"
#include "services/ntp.h"
#include "services/router.h"

#define EXIT_CONFIG 78 /* starting again would not help: vpcd/supervisor.h */

static const char usage[] =
    "Usage: vpc-services --state-dir DIR\n\n"
    "The part of vpcd that answers instances: DHCP, DNS, metadata, time. vpcd starts it.\n\n"
    "  --help, --version\n";

/* The services; each registers itself at its doors. NULL, or what is wrong in words. */
static const struct {
    const char *name;
    const char *(*start)(struct services *s, const struct services_options *o);
} parts[] = {
    {"DHCP", dhcp_start},     {"DNS", dns_start},
    {"metadata", imds_start}, {"router advertisements", router_start},
    {"time", ntp_start},
};

static int parse(int argc, char **argv, struct services_options *ret) {
    enum { STATE_DIR = 256, HELP, VERSION };
    static const struct option longs[] = {{"state-dir", 1, NULL, STATE_DIR},
                                          {"help", 0, NULL, HELP},
                                          {"version", 0, NULL, VERSION},
                                          {0}};
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case STATE_DIR:
            ret->state_dir = optarg;
            break;
        case 'h':
        case HELP:
            fputs(usage, stdout);
            return 1;
        case VERSION:
            printf("vpc-services %s\n", VPCD_VERSION);
            return 1;
        default:
            return -EINVAL;
        }
    }
    if (!ret->state_dir || optind < argc) {
        fprintf(stderr, "vpc-services: see vpc-services --help\n");
        return -EINVAL;
    }
    return 0;
}

static void on_end(evutil_socket_t sig, short what, void *arg) {
    event_base_loopbreak(arg);
}

static int start(struct services *s, const struct services_options *o) {
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const char *why = parts[i].start ? parts[i].start(s, o) : NULL;

        if (why) {
            log_error("%s: %s", parts[i].name, why);
            return -EINVAL;
        }
    }
    return 0;
}

static int run(const struct services_options *o) {
    struct services *s = NULL;
    struct services_gift gift;
    struct event_base *base;
    struct event *ends[2];
    char path[PATH_MAX], state[PATH_MAX];
    int r;

    if (!realpath(o->state_dir, state)) {
        log_error("--state-dir %s: %s", o->state_dir, strerror(errno));
        return EXIT_CONFIG;
    }
    snprintf(path, sizeof(path), "%.4000s/services/sockets.sock", state);
    r = gift_receive(path, &gift);
    if (r < 0) {
        log_error("the sockets of the agent: %s", strerror(-r));
        return 1;
    }
    r = filter_install();
    if (r < 0) /* a kernel without it: it has no rights all the same */
        log_warn("no filter of system calls: %s", strerror(-r));
    base = event_base_new();
    if (!base)
        return 1;
    snprintf(path, sizeof(path), "%.4000s/services/feed.sock", state);
    r = services_new(base, path, state, &gift, &s);
    if (r == 0)
        r = start(s, o);
    ends[0] = evsignal_new(base, SIGTERM, on_end, base);
    ends[1] = evsignal_new(base, SIGINT, on_end, base);
    if (r == 0 && ends[0] && ends[1]) {
        event_add(ends[0], NULL);
        event_add(ends[1], NULL);
        notify_systemd("READY=1");
        event_base_dispatch(base);
    } else {
        log_error("cannot start: %s", strerror(-r));
        r = r < 0 ? r : -ENOMEM;
    }
    services_free(s);
    for (int i = 0; i < 2; i++)
        if (ends[i])
            event_free(ends[i]);
    event_base_free(base);
    return r < 0;
}

int main(int argc, char **argv) {
    struct services_options o = {0};
    int r = parse(argc, argv, &o);
    struct rlimit files;

    if (r != 0)
        return r < 0 ? EXIT_CONFIG : 0;
    log_setup("vpc-services", LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    /* A descriptor for each connection: SERVICES_CONNS is more than most shells allow. */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (geteuid() == 0) {
        log_error("this reads what instances send: never as root");
        return EXIT_CONFIG;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return EXIT_CONFIG;
    return run(&o);
}
