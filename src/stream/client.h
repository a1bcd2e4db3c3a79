/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's end of the state stream. It connects, and connects again with a growing pause (100 ms
 * to 2 s) whenever the connection ends. Each connection begins with a snapshot:
 *
 *   snapshot_begin, object..., snapshot_end(revision)      what is not named is gone
 *   {object | deletion..., revision(revision)}...          one committed transaction each
 *   down(why)                                              then all over again
 *
 * An agent acts at snapshot_end and at revision only: between them it may have been told half a
 * transaction, and `down` may come instead of the other half; the next snapshot then says how
 * things are. What it knew stays in force while the stream is down.
 *
 * Reports are not kept for a later connection: at each snapshot_end the agent says its whole state
 * again.
 */
#ifndef VPCD_STREAM_CLIENT_H
#define VPCD_STREAM_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct stream_client;

#define STREAM_ANY_UID ((uid_t)-1)

struct stream_client_options {
    const char *host;  /* this machine's name */
    const char *state; /* hash of the state directory; a daemon of another one is refused */
    uid_t server_uid;  /* who must have made the socket, or STREAM_ANY_UID */
    size_t max_queue;  /* bytes of reports that may wait, 0: 16 MiB; beyond, it connects anew */
};

/* All from the loop, none from inside a function of this file. All must be there. */
struct stream_client_handlers {
    void (*snapshot_begin)(void *arg);
    void (*object)(void *arg, const char *key, uint64_t version, const void *data, size_t len);
    void (*deletion)(void *arg, const char *key, uint64_t version);
    void (*snapshot_end)(void *arg, uint64_t revision);
    void (*revision)(void *arg, uint64_t revision);
    /* Also for each attempt that failed; `why` is for people. */
    void (*down)(void *arg, const char *why);
};

/* Begins to connect; the strings are copied. */
int stream_client_new(struct event_base *base, const char *path,
                      const struct stream_client_options *options,
                      const struct stream_client_handlers *handlers, void *arg,
                      struct stream_client **ret_client);

/* Without `down`. Not from inside a handler. NULL is fine. */
void stream_client_free(struct stream_client *c);

/* -ENOTCONN before the daemon greeted and while down, -EINVAL, -EMSGSIZE, -ENOMEM. */
int stream_client_report(struct stream_client *c, uint16_t kind, const char *id, const void *data,
                         size_t len);

#endif
