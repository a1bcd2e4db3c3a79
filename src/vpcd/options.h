/* SPDX-License-Identifier: Apache-2.0 */
/* vpcd's command line and configuration file. */
#ifndef VPCD_VPCD_OPTIONS_H
#define VPCD_VPCD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"

#define CREDENTIALS_MAX 1024

struct options {
    const char *state_dir; /* absolute */
    const char *listen;
    const char *store; /* "sqlite" */
    const char *user;
    const char *regions; /* NULL: all */
    const char *tls_cert, *tls_key;
    const char *credentials_file;
    const char *credentials[CREDENTIALS_MAX]; /* ACCESSKEY:SECRET:ACCOUNT */
    size_t n_credentials;
    struct cidr public_pool, ipv6_pool;
    const char *public_pool_text, *ipv6_pool_text;
    const char *uplink_allow;
    const char *flow_log_window;           /* for tests; NULL: a minute is one */
    const char *dns_upstream, *ntp_server; /* NULL: vpc-upstream's own defaults */
    const char *tap_user;
    bool no_agent;
    bool plain_http;      /* on an address that is not loopback */
    bool worker;          /* started by the supervisor */
    bool shared;          /* for tests: other workers write to the same database */
    unsigned rate, burst; /* calls a second for each account */
    unsigned account_instances, account_addresses; /* see api_config */
    uint64_t account_log_bytes;                    /* 0: the default */
    /* Where flow logs go to S3; NULL: nowhere. */
    const char *s3_endpoint, *s3_region, *s3_credentials, *s3_ca, *s3_seconds;
    const char *spool_bytes; /* of the agent; NULL: its default */
    bool dump_api;
};

/*
 * Values point into argv and into memory that lives as long as the process. 0, or 1 to end with
 * success (--help, --version), or -EINVAL after a message that says what to do.
 */
int options_parse(int argc, char **argv, struct options *ret_options);

#endif
