/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flow logs at work: a thread of its own reads what the kernel counted, window by window, and puts
 * batches into the spool. So neither a million flows nor a slow disk holds up the rest of the
 * agent.
 *
 * The thread shares nothing with it. The functions below copy what they are given into a queue,
 * which the thread carries out from one flow_reader_settled to the next; they never wait.
 */
#ifndef VPCD_AGENT_FLOW_READER_H
#define VPCD_AGENT_FLOW_READER_H

#include <jansson.h>
#include <sys/types.h>

#include "dataplane/dataplane.h"
#include "flowlog/window.h"

struct flow_reader;

struct flow_reader_options {
    struct dataplane *dp;
    const char *state_dir;
    gid_t group;         /* who may read the spool; (gid_t)-1: the caller's own */
    int64_t window;      /* seconds; 0: 60 */
    int64_t spool_bytes; /* 0: the default */
};

/* 0 or -errno. The thread waits for the first flow_reader_settled. */
int flow_reader_new(const struct flow_reader_options *options, struct flow_reader **ret_reader);
/* Writes what there is and ends the thread; NULL is fine. */
void flow_reader_free(struct flow_reader *r);

/* As flowlog_eni, flowlog_log... Takes over what `eni` points to; texts of a log are copied. A lack
 * of memory for a copy is remembered, and everything that is covered gets SKIPDATA. */
void flow_reader_eni(struct flow_reader *r, uint32_t number, uint32_t vpc, uint32_t gateway,
                     struct flowlog_eni *eni);
void flow_reader_eni_gone(struct flow_reader *r, uint32_t number);
void flow_reader_log(struct flow_reader *r, const struct flowlog_log *log);
void flow_reader_log_gone(struct flow_reader *r, const char *id);
/* What came since the last time is one change; the first time, all that there is. */
void flow_reader_settled(struct flow_reader *r);

/* dataplane_sweep, not at the same time as the thread's own. */
int flow_reader_sweep(struct flow_reader *r, uint32_t *ret_deleted, uint32_t *ret_live);
/* The thread does it, after it read: then flows that go have told their rest. */
void flow_reader_sweep_soon(struct flow_reader *r);

/* What vpcctl status shows; owned by the caller. */
json_t *flow_reader_status(struct flow_reader *r);

#endif
