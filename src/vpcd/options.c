/* SPDX-License-Identifier: Apache-2.0 */
#include "vpcd/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#define STATE_DIR_MAX 85 /* see link/owner.h */
#define CONFIG_MAX (64 * 1024)

enum option_id {
    OPT_STATE_DIR = 256,
    OPT_LISTEN,
    OPT_STORE,
    OPT_USER,
    OPT_REGIONS,
    OPT_PUBLIC_POOL,
    OPT_IPV6_POOL,
    OPT_UPLINK,
    OPT_UPLINK_ALLOW,
    OPT_FLOW_LOG_WINDOW,
    OPT_UPLINK_MASQUERADE,
    OPT_TAP_USER,
    OPT_DNS_UPSTREAM,
    OPT_NTP_SERVER,
    OPT_NO_AGENT,
    OPT_CREDENTIALS_FILE,
    OPT_CREDENTIAL,
    OPT_TLS_CERT,
    OPT_TLS_KEY,
    OPT_PLAIN_HTTP,
    OPT_RATE,
    OPT_ACCOUNT_INSTANCES,
    OPT_ACCOUNT_ADDRESSES,
    OPT_ACCOUNT_LOG_BYTES,
    OPT_S3_ENDPOINT,
    OPT_S3_REGION,
    OPT_S3_CREDENTIALS,
    OPT_S3_CA,
    OPT_S3_SECONDS,
    OPT_SPOOL_BYTES,
    OPT_CONFIG,
    OPT_WORKER,
    OPT_SHARED,
    OPT_DUMP_API,
    OPT_HELP,
    OPT_VERSION,
};

static const struct {
    enum option_id id;
    const char *name, *arg; /* arg NULL: takes none */
    const char *help;       /* NULL: not shown, and not for the configuration file */
} rows[] = {
    {OPT_STATE_DIR, "state-dir", "DIR", "where the state is kept (/var/lib/vpcd)"},
    {OPT_LISTEN, "listen", "ADDR:PORT", "where the API answers (127.0.0.1:4780)"},
    {OPT_STORE, "store", "ENGINE", "sqlite (the default)"},
    {OPT_USER, "user", "NAME", "the user that the API runs as (vpcd, else an unprivileged uid)"},
    {OPT_REGIONS, "regions", "A,B,...", "the regions that are served (all of AWS's)"},
    {OPT_PUBLIC_POOL, "public-pool", "CIDR",
     "public IPv4 addresses; the first is the host's (203.0.113.0/24)"},
    {OPT_IPV6_POOL, "ipv6-pool", "CIDR", "where VPCs get their IPv6 /56 from (2001:db8:4700::/40)"},
    {OPT_UPLINK, "uplink", "DEV", NULL},
    {OPT_UPLINK_ALLOW, "uplink-allow", "PORTS",
     "the host's own ports that instances may reach: tcp/8080,udp/53 or all"},
    {OPT_FLOW_LOG_WINDOW, "flow-log-window", "SECONDS",
     "for tests: how long a flow log's minute lasts, 1 to 60"},
    {OPT_UPLINK_MASQUERADE, "uplink-masquerade", NULL,
     "let instances out through the host's own forwarding"},
    {OPT_TAP_USER, "tap-user", "NAME", "who may open the taps of virtual machines (root)"},
    {OPT_DNS_UPSTREAM, "dns-upstream", "ADDR,...",
     "who knows the names of the world: ADDR[:PORT],... or none (/etc/resolv.conf)"},
    {OPT_NTP_SERVER, "ntp-server", "ADDR", "who knows the time (127.0.0.1)"},
    {OPT_NO_AGENT, "no-agent", NULL, "the API alone: no root, no packets; instances run on paper"},
    {OPT_CREDENTIALS_FILE, "credentials-file", "FILE",
     "access keys to know, a line each: ACCESSKEY:SECRET:ACCOUNT"},
    {OPT_CREDENTIAL, "credential", "A:S:ACCOUNT", "one access key (for tests: `ps` shows it)"},
    {OPT_TLS_CERT, "tls-cert", "FILE", "certificate (PEM) for HTTPS"},
    {OPT_TLS_KEY, "tls-key", "FILE", "and its key"},
    {OPT_PLAIN_HTTP, "plain-http", NULL,
     "allow HTTP without TLS on an address that is not loopback"},
    {OPT_RATE, "rate", "N", "calls a second that an account may make (20000; 0: no limit)"},
    {OPT_ACCOUNT_INSTANCES, "account-instances", "N",
     "instances that an account may have, in all regions (1000)"},
    {OPT_ACCOUNT_ADDRESSES, "account-addresses", "N",
     "public IPv4 addresses that an account may have, in all regions (half of the pool)"},
    {OPT_ACCOUNT_LOG_BYTES, "account-log-bytes", "N",
     "bytes of log groups' events that an account may have, in all regions (1 GiB)"},
    {OPT_S3_ENDPOINT, "flow-log-s3-endpoint", "URL",
     "the S3-compatible server that flow logs of type s3 go to"},
    {OPT_S3_REGION, "flow-log-s3-region", "NAME", "its region, as requests are signed (us-east-1)"},
    {OPT_S3_CREDENTIALS, "flow-log-s3-credentials", "FILE",
     "its access keys, a profile for each account's number, else [default]"},
    {OPT_S3_CA, "flow-log-s3-ca", "FILE", "certificates (PEM) to trust for it (the system's)"},
    {OPT_S3_SECONDS, "flow-log-s3-seconds", "N",
     "how long records are gathered for one file (300)"},
    {OPT_SPOOL_BYTES, "flow-log-spool-bytes", "N",
     "flow log records that may wait on disk for their destination (1 GiB)"},
    {OPT_CONFIG, "config", "FILE", "more options, a line each: NAME = VALUE"},
    {OPT_WORKER, "worker", NULL, NULL},
    {OPT_SHARED, "shared", NULL, NULL},
    {OPT_DUMP_API, "dump-api", NULL, NULL},
    {OPT_HELP, "help", NULL, "this text"},
    {OPT_VERSION, "version", NULL, "the version"},
};

static void print_help(void) {
    printf("Usage: vpcd [OPTIONS]\n\nA virtual private cloud that you own: the EC2 API, enforced "
           "on real packets of this host.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char left[64];

        if (!rows[i].help)
            continue;
        snprintf(left, sizeof(left), "--%s %s", rows[i].name, rows[i].arg ? rows[i].arg : "");
        printf("  %-28s %s\n", left, rows[i].help);
    }
}

static int fail(const char *what, const char *value, const char *advice) {
    fprintf(stderr, "vpcd: %s '%s': %s\n", what, value, advice);
    return -EINVAL;
}

static int parse_pool(const char *value, uint8_t family, struct cidr *ret) {
    const char *name = family == IP_V4 ? "--public-pool" : "--ipv6-pool";
    struct cidr c;

    if (cidr_parse(value, &c) < 0 || c.ip.family != family || !cidr_is_canonical(&c))
        return fail(name, value, "not a network in CIDR form");
    if (family == IP_V4 && (c.len < 8 || c.len > 29))
        return fail(name, value, "must be a /8 to a /29");
    if (family == IP_V6 && (c.len < 16 || c.len > 55))
        return fail(name, value, "must be a /16 to a /55: it holds a /56 for each VPC");
    *ret = c;
    return 0;
}

static int parse_config(const char *path, struct options *o);

static int take(enum option_id id, const char *value, struct options *o) {
    int64_t number;
    struct ip ip;

    switch (id) {
    case OPT_STATE_DIR:
        o->state_dir = value;
        return *value ? 0 : fail("--state-dir", value, "must not be empty");
    case OPT_LISTEN:
        o->listen = value;
        return 0;
    case OPT_STORE:
        o->store = value;
        return strcmp(value, "sqlite") == 0 ? 0 : fail("--store", value, "this build knows sqlite");
    case OPT_USER:
        o->user = value;
        return 0;
    case OPT_REGIONS:
        o->regions = value;
        return 0;
    case OPT_PUBLIC_POOL:
        o->public_pool_text = value;
        return parse_pool(value, IP_V4, &o->public_pool);
    case OPT_IPV6_POOL:
        o->ipv6_pool_text = value;
        return parse_pool(value, IP_V6, &o->ipv6_pool);
    case OPT_UPLINK:
        return fail("--uplink", value, "a real device as the uplink is not offered yet");
    case OPT_FLOW_LOG_WINDOW:
        o->flow_log_window = value;
        return int_parse(value, 1, 60, &number) == 0 ? 0
                                                     : fail("--flow-log-window", value, "1 to 60");
    case OPT_DNS_UPSTREAM:
        o->dns_upstream = value;
        return *value ? 0 : fail("--dns-upstream", value, "expected ADDR[:PORT],... or none");
    case OPT_NTP_SERVER:
        o->ntp_server = value;
        return ip_parse(value, &ip) == 0 ? 0 : fail("--ntp-server", value, "expected an address");
    case OPT_UPLINK_ALLOW:
        o->uplink_allow = value;
        return 0;
    case OPT_UPLINK_MASQUERADE:
        return fail("--uplink-masquerade", "",
                    "is not offered yet: instances reach the host, not what is behind it");
    case OPT_TAP_USER:
        o->tap_user = value;
        return 0;
    case OPT_NO_AGENT:
        o->no_agent = true;
        return 0;
    case OPT_CREDENTIALS_FILE:
        o->credentials_file = value;
        return 0;
    case OPT_CREDENTIAL:
        if (o->n_credentials == CREDENTIALS_MAX)
            return fail("--credential", "...", "too many; use --credentials-file");
        o->credentials[o->n_credentials++] = value;
        return 0;
    case OPT_TLS_CERT:
        o->tls_cert = value;
        return 0;
    case OPT_TLS_KEY:
        o->tls_key = value;
        return 0;
    case OPT_PLAIN_HTTP:
        o->plain_http = true;
        return 0;
    case OPT_RATE:
        if (int_parse(value, 0, 10000000, &number) < 0)
            return fail("--rate", value, "must be a number of calls a second");
        o->rate = o->burst = (unsigned)number;
        return 0;
    case OPT_ACCOUNT_INSTANCES:
        if (int_parse(value, 1, 10000000, &number) < 0)
            return fail("--account-instances", value, "must be a number of instances");
        o->account_instances = (unsigned)number;
        return 0;
    case OPT_ACCOUNT_ADDRESSES:
        if (int_parse(value, 1, 10000000, &number) < 0)
            return fail("--account-addresses", value, "must be a number of addresses");
        o->account_addresses = (unsigned)number;
        return 0;
    case OPT_ACCOUNT_LOG_BYTES:
        if (int_parse(value, 1024, INT64_MAX, &number) < 0)
            return fail("--account-log-bytes", value, "must be a number of bytes");
        o->account_log_bytes = (uint64_t)number;
        return 0;
    case OPT_S3_ENDPOINT:
        o->s3_endpoint = value;
        if (strncmp(value, "https://", 8) != 0 && strncmp(value, "http://", 7) != 0)
            return fail("--flow-log-s3-endpoint", value, "must begin with https:// or http://");
        if (strpbrk(strstr(value, "://") + 3, "/?#@ "))
            return fail("--flow-log-s3-endpoint", value,
                        "must end with the host's name and port: buckets are asked for by path");
        return 0;
    case OPT_S3_REGION:
        o->s3_region = value;
        return *value ? 0 : fail("--flow-log-s3-region", value, "must not be empty");
    case OPT_S3_CREDENTIALS:
        o->s3_credentials = value;
        return 0;
    case OPT_S3_CA:
        o->s3_ca = value;
        return 0;
    case OPT_S3_SECONDS:
        o->s3_seconds = value;
        return int_parse(value, 1, 86400, &number) < 0
                   ? fail("--flow-log-s3-seconds", value, "must be a number of seconds")
                   : 0;
    case OPT_SPOOL_BYTES:
        o->spool_bytes = value;
        return int_parse(value, 1024 * 1024, INT64_MAX, &number) < 0
                   ? fail("--flow-log-spool-bytes", value,
                          "must be a number of bytes, a MiB or more")
                   : 0;
    case OPT_CONFIG:
        return parse_config(value, o);
    case OPT_WORKER:
        o->worker = true;
        return 0;
    case OPT_SHARED:
        o->shared = true;
        return 0;
    case OPT_DUMP_API:
        o->dump_api = true;
        return 0;
    case OPT_HELP:
        print_help();
        return 1;
    case OPT_VERSION:
        printf("vpcd %s\n", VPCD_VERSION);
        return 1;
    }
    return -EINVAL;
}

static char *trim(char *s) {
    s += strspn(s, " \t\r");
    for (size_t n = strlen(s); n && strchr(" \t\r", s[n - 1]); n--)
        s[n - 1] = 0;
    return s;
}

static int parse_line(const char *path, int number, char *line, struct options *o) {
    char *value = strchr(line, '=');
    const char *name;

    if (value)
        *value++ = 0;
    name = trim(line);
    value = value ? trim(value) : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strcmp(rows[i].name, name) != 0 || !rows[i].help || rows[i].id == OPT_CONFIG)
            continue;
        if (rows[i].arg ? !value : value && strcmp(value, "true") != 0)
            break;
        return take(rows[i].id, value ? value : "", o);
    }
    fprintf(stderr, "vpcd: %s:%d: '%s' is no option, or has no value where it needs one\n", path,
            number, name);
    return -EINVAL;
}

/* The text stays in memory: options point into it. */
static int parse_config(const char *path, struct options *o) {
    struct buf text = BUF_INIT;
    char *line, *next;
    int r = read_file(path, CONFIG_MAX, &text), number = 0;

    if (r < 0)
        return fail("--config", path, strerror(-r));
    for (line = buf_take(&text); line && r == 0; line = next) {
        number++;
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        line = trim(line);
        if (*line && *line != '#')
            r = parse_line(path, number, line, o);
    }
    return r;
}

int options_parse(int argc, char **argv, struct options *ret) {
    struct option longs[ARRAY_SIZE(rows) + 1] = {0};
    static char dir[PATH_MAX];
    struct options o = {
        .state_dir = "/var/lib/vpcd",
        .listen = "127.0.0.1:4780",
        .store = "sqlite",
        .public_pool_text = "203.0.113.0/24",
        .ipv6_pool_text = "2001:db8:4700::/40",
        .rate = 20000,
        .burst = 20000,
    };
    int c;

    parse_pool(o.public_pool_text, IP_V4, &o.public_pool);
    parse_pool(o.ipv6_pool_text, IP_V6, &o.ipv6_pool);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        longs[i] = (struct option){rows[i].name, rows[i].arg != NULL, NULL, (int)rows[i].id};
    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        int r;

        if (c == 'h')
            c = OPT_HELP;
        if (c < OPT_STATE_DIR) {
            fprintf(stderr, "vpcd: see vpcd --help\n");
            return -EINVAL;
        }
        r = take((enum option_id)c, optarg ? optarg : "", &o);
        if (r != 0)
            return r;
    }
    if (optind < argc)
        return fail("argument", argv[optind], "vpcd takes only options; see vpcd --help");
    if (!o.s3_endpoint != !o.s3_credentials) {
        fprintf(stderr, "vpcd: --flow-log-s3-endpoint and --flow-log-s3-credentials go together\n");
        return -EINVAL;
    }
    if (!o.tls_cert != !o.tls_key) {
        fprintf(stderr, "vpcd: --tls-cert and --tls-key go together\n");
        return -EINVAL;
    }
    if (!o.dump_api) {
        int r = make_dirs(o.state_dir, 0755);

        if (r < 0)
            return fail("--state-dir", o.state_dir,
                        r == -EACCES
                            ? "the user that the API runs as cannot reach it; choose one like "
                              "/var/lib/vpcd"
                            : strerror(-r));
        if (!realpath(o.state_dir, dir))
            return fail("--state-dir", o.state_dir, strerror(errno));
        if (strlen(dir) > STATE_DIR_MAX || strpbrk(dir, " \t\n"))
            return fail("--state-dir", dir,
                        "must be at most 85 characters without blanks: it is part of the names of "
                        "sockets and devices");
        o.state_dir = dir;
    }
    *ret = o;
    return 0;
}
