/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of the state stream: any number of agents, each of which gets a snapshot when it
 * comes and from then on every change. Documents are opaque here: a key, a version, bytes.
 *
 * Changes are told in batches: stream_server_object and _delete for each document of a committed
 * transaction, then stream_server_revision. An agent that greets in the middle of a batch gets its
 * snapshot behind it, so that nobody is told half a transaction.
 *
 * What an agent says was checked for form, not for sense; it comes from whoever may connect.
 */
#ifndef VPCD_STREAM_SERVER_H
#define VPCD_STREAM_SERVER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct stream_server;
struct stream_agent;

struct stream_server_options {
    const char *host;     /* this machine's name */
    const char *state;    /* hash of the state directory; an agent of another one is refused */
    uid_t peer_uid;       /* who may connect; 0 is root */
    size_t max_agents;    /* 0: 64. Beyond, new connections are refused */
    size_t max_queue;     /* bytes, 0: 16 MiB. An agent with more unread changes is disconnected; it
                             will connect again and get a fresh snapshot, which is not counted */
    unsigned greeting_ms; /* 0: 5,000. For the greeting */
};

/* All from the loop, none from inside a function of this file. Any but `snapshot` may be NULL. */
struct stream_server_handlers {
    /* Call stream_agent_object for every document; returns the revision that they are. */
    uint64_t (*snapshot)(void *arg, struct stream_agent *agent);
    void (*report)(void *arg, struct stream_agent *agent, uint16_t kind, const char *id,
                   const void *data, size_t len);
    /* One that had its snapshot is gone; `agent` must be forgotten. */
    void (*down)(void *arg, struct stream_agent *agent, const char *why);
    /* One that never got that far. */
    void (*refused)(void *arg, const char *why);
};

/* Listens on a Unix socket of mode 0600 at `path`. The strings are copied. */
int stream_server_new(struct event_base *base, const char *path,
                      const struct stream_server_options *options,
                      const struct stream_server_handlers *handlers, void *arg,
                      struct stream_server **ret_server);

/* Closes all, without calling handlers. Not from inside a handler. NULL is fine. */
void stream_server_free(struct stream_server *s);

/* Takes over a connected socket, as if it had been accepted. 0, -EACCES, -EBUSY, -ENOMEM. */
int stream_server_adopt(struct stream_server *s, int fd);

/*
 * To every agent. -EINVAL, -EMSGSIZE for a key or bytes that no frame holds (nobody was told),
 * -ENOMEM (all agents are disconnected, for they cannot know everything now).
 */
int stream_server_object(struct stream_server *s, const char *key, uint64_t version,
                         const void *data, size_t len);
int stream_server_delete(struct stream_server *s, const char *key, uint64_t version);
int stream_server_revision(struct stream_server *s, uint64_t revision);

/* Only inside the snapshot handler. Errors as above; the agent is disconnected then. */
int stream_agent_object(struct stream_agent *a, const char *key, uint64_t version, const void *data,
                        size_t len);

const char *stream_agent_host(const struct stream_agent *a);
void stream_agent_close(struct stream_agent *a, const char *why); /* `why`: a literal */
size_t stream_server_agents(const struct stream_server *s);       /* that had their snapshot */

#endif
