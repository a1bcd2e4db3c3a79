/* SPDX-License-Identifier: Apache-2.0 */
/* vpcctl: what no EC2 call does. One function a command; each returns the exit status. */
#ifndef VPCD_VPCCTL_CTL_H
#define VPCD_VPCCTL_CTL_H

#include <jansson.h>
#include <stdbool.h>

struct ctl {
    char dir[256]; /* the state directory */
    int argc;      /* behind the command's name */
    char **argv;
};

#define EXIT_USAGE 2
#define EXIT_UNREACHED 125 /* exec: the command did not run; as docker and others say it */

int ctl_status(const struct ctl *ctl);
int ctl_drops(const struct ctl *ctl);
int ctl_flows(const struct ctl *ctl);
int ctl_trace(const struct ctl *ctl);
int ctl_instance(const struct ctl *ctl);
int ctl_exec(const struct ctl *ctl);
int ctl_console(const struct ctl *ctl);
int ctl_account(const struct ctl *ctl);
int ctl_key(const struct ctl *ctl);
int ctl_stop(const struct ctl *ctl);
int ctl_down(const struct ctl *ctl);
int ctl_doctor(const struct ctl *ctl);

/* Says "vpcctl: ..." and returns `status`. */
int complain(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A connection to the worker's or the agent's socket, or -errno. */
enum daemon { DAEMON_WORKER, DAEMON_AGENT };
int daemon_connect(const struct ctl *ctl, enum daemon daemon);
/* Why that failed, in words. */
const char *daemon_error(enum daemon daemon, int error);

/* One request, one answer (owned by the caller), over a connection. NULL: no answer came. */
json_t *daemon_ask(int fd, const json_t *request);
/* Connects, asks, says what is wrong: connection, or the answer's "error". Takes the request
 * over.*/
json_t *daemon_call(const struct ctl *ctl, enum daemon daemon, json_t *request);

/* The counters of an agent's answer, by reason. */
void print_drop_counts(const json_t *agent, bool with_meaning);

/* One line of JSON; at most `max` bytes. NULL at the end of the connection. */
json_t *read_json_line(int fd, size_t max);

#endif
