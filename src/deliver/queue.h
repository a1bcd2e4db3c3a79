/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What waits in the spool, as vpc-logs sees it: batches by flow log, flow logs by destination.
 *
 *     destination (a log group; a bucket, for one account) --- flow log --- batch, batch, ...
 *                                                                  \--- object --- batch, batch,
 * ...
 *
 * A batch waits at its flow log until it is delivered (log group), or until an object is planned of
 * it (S3). Retries belong to the destination: one that is down holds up no other.
 */
#ifndef VPCD_DELIVER_QUEUE_H
#define VPCD_DELIVER_QUEUE_H

#include <stdbool.h>
#include <uthash.h>

#include "flowlog/spool.h"

struct destination;
struct flow;
struct object;

struct batch {
    struct batch *prev, *next; /* of its flow log or of its object */
    struct flow *flow;
    int64_t end;
    uint64_t size;
    UT_hash_handle hh; /* by name */
    char name[];
};

struct object {
    struct object *prev, *next; /* of its flow log */
    struct flow *flow;
    char *key;
    struct batch *batches;
    uint64_t size;
    bool planned; /* written down: these batches and no others */
    bool sending;
    UT_hash_handle hh; /* by key, in one bucket (key has the flow log's id) */
};

struct flow {
    char id[32];
    struct spool_batch head; /* of the first batch that was seen: the meta of all of them */
    struct destination *destination;
    struct batch *batches; /* in the order of their windows' ends, once queue_sort was called */
    bool unsorted;
    struct object *objects;
    uint64_t waiting;     /* bytes in `batches` */
    char told[64];        /* the status that was told last; "?" for none */
    struct flow *next_of; /* of its destination */
    UT_hash_handle hh;
};

struct destination {
    char *name; /* "s3 ACCOUNT BUCKET", "logs ACCOUNT REGION GROUP" */
    struct flow *flows;
    unsigned failures; /* in a row */
    int64_t due;       /* not before this time, monotonic milliseconds */
    bool busy;         /* something is being sent there */
    UT_hash_handle hh;
};

struct queue {
    int ready;  /* STATE/spool/ready, -1 as long as it is not there */
    int notify; /* inotify, -1 like it */
    struct destination *destinations;
    struct flow *flows;
    struct batch *all; /* by name */
    struct object *objects;
    uint64_t bytes, strange; /* strange: files that are no batches */
};

void queue_init(struct queue *q);
void queue_free(struct queue *q);

/* Opens STATE/spool/ready, if it is there by now. 0, -ENOENT, other -errno. */
int queue_open(struct queue *q, const char *directory);
/* Takes in what is new. The first call, and one after events were lost, looks at the whole
 * directory. `on_batch` sees each new batch before it waits: false when it is known (and gone). */
int queue_look(struct queue *q, bool (*on_batch)(void *arg, const char *name, const char **ret_key),
               void *arg, bool all);

/* The batches of a flow log, or of an object, into their order. */
void queue_sort(struct flow *f);
void queue_object_sort(struct object *o);
/* Forgets flow logs and destinations of which nothing waits. */
void queue_prune(struct queue *q);

/* Ends a batch: its file is removed, it is freed. 0 or -errno (then it stays). */
int queue_remove(struct queue *q, struct batch *b);
/* An object of these batches of the flow, which leave its list; NULL when memory is short. */
struct object *queue_object(struct queue *q, struct flow *f, const char *key);
void queue_object_add(struct object *o, struct batch *b);
/* Without its batches, which must be gone. */
void queue_object_free(struct queue *q, struct object *o);

/* The pause after so many failures in a row, in milliseconds, varied by `random` (0 to 255). */
int64_t queue_pause(unsigned failures, uint8_t random);

#endif
