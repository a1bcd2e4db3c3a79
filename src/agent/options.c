/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/options.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define GROUP 478 /* where there is no such group: vpcd/main.c */

static const char usage[] =
    "Usage: vpc-agent --state-dir DIR [OPTIONS]\n\n"
    "The part of vpcd that carries packets and instances on this host. vpcd starts it.\n\n"
    "  --public-pool CIDR      public IPv4 addresses\n"
    "  --ipv6-pool CIDR        where VPCs get their IPv6 prefixes from\n"
    "  --uplink-allow PORTS    the host's own ports that instances may reach: tcp/8080,udp/53 or "
    "all\n"
    "  --tap-user NAME         who may open the taps of virtual machines (root)\n"
    "  --spool-group GID       who takes flow log batches (group vpcd, else 478)\n"
    "  --flow-log-spool-bytes N\n"
    "                          how much of flow logs may wait for delivery (1 GiB)\n"
    "  --flow-log-window SECONDS\n"
    "                          for tests: how long a flow log's minute lasts (60)\n"
    "  --down                  take instances, devices and the data plane away, and end\n"
    "  --help, --version\n";

static int pool(const char *text, uint8_t family, struct cidr *ret) {
    if (cidr_parse(text, ret) < 0 || ret->ip.family != family || !cidr_is_canonical(ret)) {
        fprintf(stderr, "vpc-agent: '%s' is no pool: a network in CIDR form is\n", text);
        return -EINVAL;
    }
    return 0;
}

static int user(const char *name, uid_t *ret) {
    const struct passwd *pw = getpwnam(name);

    if (!pw) {
        fprintf(stderr, "vpc-agent: --tap-user %s: there is no such user\n", name);
        return -EINVAL;
    }
    *ret = pw->pw_uid;
    return 0;
}

static int number(const char *text, const char *option, int64_t min, int64_t max, int64_t *ret) {
    int r = int_parse(text, min, max, ret);

    if (r < 0)
        fprintf(stderr, "vpc-agent: %s %s: a number from %lld to %lld is wanted\n", option, text,
                (long long)min, (long long)max);
    return r;
}

/* The worker's, as vpcd chooses it. */
static gid_t default_group(void) {
    const struct group *g = getgrnam("vpcd");

    return g ? g->gr_gid : GROUP;
}

int agent_options_parse(int argc, char **argv, struct agent_options *ret) {
    enum {
        STATE_DIR = 256,
        PUBLIC_POOL,
        IPV6_POOL,
        UPLINK_ALLOW,
        SPOOL_GROUP,
        SPOOL_BYTES_MAX,
        FLOW_LOG_WINDOW,
        TAP_USER,
        DOWN,
        HELP,
        VERSION
    };
    static const struct option longs[] = {
        {"state-dir", 1, NULL, STATE_DIR},
        {"public-pool", 1, NULL, PUBLIC_POOL},
        {"ipv6-pool", 1, NULL, IPV6_POOL},
        {"uplink-allow", 1, NULL, UPLINK_ALLOW},
        {"tap-user", 1, NULL, TAP_USER},
        {"spool-group", 1, NULL, SPOOL_GROUP},
        {"flow-log-spool-bytes", 1, NULL, SPOOL_BYTES_MAX},
        {"flow-log-window", 1, NULL, FLOW_LOG_WINDOW},
        {"down", 0, NULL, DOWN},
        {"help", 0, NULL, HELP},
        {"version", 0, NULL, VERSION},
        {0},
    };
    struct agent_options o = {.spool_group = default_group()};
    int64_t n = 0;
    _buf_ struct buf err = BUF_INIT;
    int c, r = 0;

    while (r == 0 && (c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        switch (c) {
        case STATE_DIR:
            o.state_dir = optarg;
            break;
        case PUBLIC_POOL:
            r = pool(optarg, IP_V4, &o.outside.pool4);
            break;
        case IPV6_POOL:
            r = pool(optarg, IP_V6, &o.outside.pool6);
            break;
        case UPLINK_ALLOW:
            o.outside.allow = optarg;
            r = outside_check_allow(optarg, &err);
            if (r < 0)
                fprintf(stderr, "vpc-agent: --uplink-allow: %s\n", buf_str(&err));
            break;
        case TAP_USER:
            r = user(optarg, &o.tap_user);
            break;
        case SPOOL_GROUP:
            r = number(optarg, "--spool-group", 1, INT32_MAX, &n);
            o.spool_group = (gid_t)n;
            break;
        case SPOOL_BYTES_MAX:
            r = number(optarg, "--flow-log-spool-bytes", 65536, INT64_MAX, &o.spool_bytes);
            break;
        case FLOW_LOG_WINDOW:
            r = number(optarg, "--flow-log-window", 1, 60, &o.flow_log_window);
            break;
        case DOWN:
            o.down = true;
            break;
        case 'h':
        case HELP:
            fputs(usage, stdout);
            return 1;
        case VERSION:
            printf("vpc-agent %s\n", VPCD_VERSION);
            return 1;
        default:
            r = -EINVAL;
        }
    }
    if (r == 0 && (!o.state_dir || optind < argc)) {
        fprintf(stderr, "vpc-agent: see vpc-agent --help\n");
        r = -EINVAL;
    }
    if (r == 0)
        *ret = o;
    return r;
}
