/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent must know of an instance after its own death: a small file
 * STATE/agent/instances/ID, written before the instance does anything.
 *
 * It need not outlive the machine's power: processes do not either. So nothing is synced, and a
 * file that is not whole counts as none.
 *
 * A process is named by boot, pid and start time; all three agree, or it is another one.
 */
#ifndef VPCD_AGENT_RECORD_H
#define VPCD_AGENT_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/process.h"

#define INSTANCE_ID_SIZE 32

struct record {
    char id[INSTANCE_ID_SIZE];
    unsigned slot;  /* which range of user ids */
    pid_t pid;      /* 0: made, not started */
    uint64_t start; /* of the process, in clock ticks since the boot */
    char boot[37];
    int64_t boots; /* the caller's number of this start */
};

/* "i-" and up to 17 hexadecimal digits: what may become a file name, a host name, a cgroup. */
bool record_id_valid(const char *id);

int record_write(const char *dir, const struct record *record);
int record_read(const char *dir, const char *id, struct record *ret_record); /* -EBADMSG */
int record_remove(const char *dir, const char *id);                          /* fine when absent */

/* The text form, for the two above and the tests. */
int record_parse(const char *text, struct record *ret_record);
int record_format(const struct record *record, char *out, size_t size);

/* Calls `each` for every record of `dir`. One that cannot be read (of another version, damaged)
 * comes as its name alone, with slot RECORD_NO_SLOT: what bears that name must still be found. */
#define RECORD_NO_SLOT (~0u)
int record_each(const char *dir, int (*each)(const struct record *record, void *arg), void *arg);

int boot_id(char out[37]);
/* A pidfd of the very process, or -ESRCH. */
int process_open(const struct record *record);

#endif
