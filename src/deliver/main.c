/* SPDX-License-Identifier: Apache-2.0 */
/* vpc-logs: its command line. It holds STATE/logs/vpc-logs.lock: one for a state directory. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/io.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/text.h"
#include "deliver/deliver.h"
#include "logs/logs.h"

#define EXIT_USAGE 78 /* sysexits' EX_CONFIG: starting again would not help */
#define GATHER_SECONDS 300

static const char help[] =
    "Usage: vpc-logs [OPTIONS]\n\n"
    "Delivers the records of flow logs: from the spool to log groups and to S3.\n\n"
    "  --state-dir DIR               vpcd's (/var/lib/vpcd)\n"
    "  --s3-endpoint URL             the S3-compatible server\n"
    "  --s3-region NAME              its region, as requests are signed (us-east-1)\n"
    "  --s3-credentials FILE         its access keys, a profile for each account's number, else "
    "[default]\n"
    "  --s3-ca FILE                  certificates (PEM) to trust for it (the system's)\n"
    "  --s3-seconds N                how long records are gathered for one file (300)\n"
    "  --account-log-bytes N         bytes of log groups' events that an account may have (1 GiB)\n"
    "  --help, --version\n";

enum { STATE_DIR = 256, ENDPOINT, REGION, CREDENTIALS, CA, SECONDS, LOG_BYTES, HELP, VERSION };

static const struct option longs[] = {
    {"state-dir", 1, NULL, STATE_DIR},
    {"s3-endpoint", 1, NULL, ENDPOINT},
    {"s3-region", 1, NULL, REGION},
    {"s3-credentials", 1, NULL, CREDENTIALS},
    {"s3-ca", 1, NULL, CA},
    {"s3-seconds", 1, NULL, SECONDS},
    {"account-log-bytes", 1, NULL, LOG_BYTES},
    {"help", 0, NULL, HELP},
    {"version", 0, NULL, VERSION},
    {0},
};

static int number(const char *name, const char *text, int64_t min, int64_t max, int64_t *ret) {
    int r = int_parse(text, min, max, ret);

    if (r < 0)
        fprintf(stderr, "vpc-logs: --%s '%s': must be a number from %lld\n", name, text,
                (long long)min);
    return r;
}

/* 0, 1 to end well, -EINVAL. */
static int parse(int argc, char **argv, struct deliver_options *o) {
    int64_t bytes = 0;
    int c;

    while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        int r = 0;

        if (c == STATE_DIR)
            o->state_dir = optarg;
        else if (c == ENDPOINT)
            o->endpoint = optarg;
        else if (c == REGION)
            o->region = optarg;
        else if (c == CREDENTIALS)
            o->credentials = optarg;
        else if (c == CA)
            o->ca = optarg;
        else if (c == SECONDS)
            r = number("s3-seconds", optarg, 1, 86400, &o->seconds);
        else if (c == LOG_BYTES)
            r = number("account-log-bytes", optarg, 1024, INT64_MAX, &bytes);
        else if (c == HELP || c == 'h')
            return printf("%s", help), 1;
        else if (c == VERSION)
            return printf("vpc-logs %s\n", VPCD_VERSION), 1;
        else
            r = -EINVAL;
        if (r < 0)
            return -EINVAL;
    }
    o->account_log_bytes = (uint64_t)bytes;
    if (optind < argc || !o->endpoint != !o->credentials) {
        fprintf(stderr, optind < argc
                            ? "vpc-logs takes only options; see vpc-logs --help\n"
                            : "vpc-logs: --s3-endpoint and --s3-credentials go together\n");
        return -EINVAL;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct deliver_options o = {
        .state_dir = "/var/lib/vpcd", .region = "us-east-1", .seconds = GATHER_SECONDS};
    int r = parse(argc, argv, &o), lock, signals;
    char path[4200];
    sigset_t set;

    if (r != 0)
        return r < 0 ? EXIT_USAGE : 0;
    log_setup("vpc-logs", LOG_INFO);
    /* Started through a descriptor, some kernels call the process after that. */
    prctl(PR_SET_NAME, "vpc-logs");
    prctl(PR_SET_DUMPABLE, 0); /* it holds access keys */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    snprintf(path, sizeof(path), "%s/" LOGS_DIRECTORY, o.state_dir);
    r = make_dirs(path, 0700);
    snprintf(path, sizeof(path), "%s/" LOGS_DIRECTORY "/vpc-logs.lock", o.state_dir);
    lock = r < 0 ? r : lock_take(path);
    if (lock < 0) {
        log_error("%s: %s", path,
                  lock == -EWOULDBLOCK ? "another vpc-logs runs here" : strerror(-lock));
        return lock == -EWOULDBLOCK ? 1 : EXIT_USAGE;
    }
    notify_systemd("READY=1");
    return deliver_run(&o, signals);
}
