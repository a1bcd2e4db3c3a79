/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "deliver/key.h"

#define PAUSE_FIRST 1000
#define PAUSE_MAX 300000

int64_t queue_pause(unsigned failures, uint8_t random) {
    int64_t pause = PAUSE_FIRST;

    for (unsigned i = 1; i < failures && pause < PAUSE_MAX; i++)
        pause *= 2;
    pause = pause < PAUSE_MAX ? pause : PAUSE_MAX;
    return pause - pause / 4 + pause / 2 * random / 255; /* 3/4 to 5/4 */
}

void queue_init(struct queue *q) {
    *q = (struct queue){.ready = -1, .notify = -1};
}

void queue_free(struct queue *q) {
    struct batch *b, *b_next;
    struct object *o, *o_next;
    struct flow *f, *f_next;
    struct destination *d, *d_next;

    HASH_ITER (hh, q->all, b, b_next) {
        HASH_DEL(q->all, b);
        free(b);
    }
    HASH_ITER (hh, q->objects, o, o_next) {
        HASH_DEL(q->objects, o);
        free(o->key);
        free(o);
    }
    HASH_ITER (hh, q->flows, f, f_next) {
        HASH_DEL(q->flows, f);
        spool_batch_free(&f->head);
        free(f);
    }
    HASH_ITER (hh, q->destinations, d, d_next) {
        HASH_DEL(q->destinations, d);
        free(d->name);
        free(d);
    }
    if (q->ready >= 0)
        close(q->ready);
    if (q->notify >= 0)
        close(q->notify);
    queue_init(q);
}

int queue_open(struct queue *q, const char *directory) {
    _close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), notify = -1;
    char path[64];

    if (fd < 0)
        return -errno;
    notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (notify < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (inotify_add_watch(notify, path, IN_MOVED_TO | IN_CREATE | IN_ONLYDIR) < 0)
        return -errno;
    q->ready = TAKE_FD(fd);
    q->notify = TAKE_FD(notify);
    return 0;
}

static struct destination *find_destination(struct queue *q, const struct spool_meta *m) {
    char name[SPOOL_DESTINATION_MAX + 128], bucket[KEY_BUCKET_MAX];
    struct destination *d;
    const char *folder;

    if (m->destination_type == SPOOL_S3) {
        if (key_of_arn(m->destination, bucket, &folder) < 0)
            return NULL;
        snprintf(name, sizeof(name), "s3 %012" PRIu64 " %s", m->account, bucket);
    } else {
        snprintf(name, sizeof(name), "logs %012" PRIu64 " %s %s", m->account, m->region,
                 m->destination);
    }
    HASH_FIND_STR(q->destinations, name, d);
    if (d)
        return d;
    d = calloc(1, sizeof(*d));
    if (!d || !(d->name = strdup(name))) {
        free(d);
        return NULL;
    }
    HASH_ADD_KEYPTR(hh, q->destinations, d->name, strlen(d->name), d);
    return d;
}

/* The flow log of a batch; made from the batch's own head when it is the first one. */
static struct flow *find_flow(struct queue *q, const char *name, const struct spool_name *n) {
    struct spool_batch head;
    struct destination *d;
    struct flow *f;

    HASH_FIND_STR(q->flows, n->flow_log, f);
    if (f)
        return f;
    if (spool_batch_read(q->ready, name, &head) < 0) {
        spool_batch_free(&head);
        return NULL;
    }
    d = find_destination(q, &head.meta);
    f = d && strcmp(head.meta.flow_log, n->flow_log) == 0 ? calloc(1, sizeof(*f)) : NULL;
    if (!f) {
        spool_batch_free(&head);
        return NULL;
    }
    snprintf(f->id, sizeof(f->id), "%s", n->flow_log);
    snprintf(f->told, sizeof(f->told), "?");
    f->head = head;
    f->destination = d;
    f->next_of = d->flows;
    d->flows = f;
    HASH_ADD_STR(q->flows, id, f);
    return f;
}

static int by_end(const struct batch *a, const struct batch *b) {
    return a->end != b->end ? (a->end < b->end ? -1 : 1) : strcmp(a->name, b->name);
}

static struct object *find_object(struct queue *q, struct flow *f, const char *key) {
    struct object *o;

    HASH_FIND_STR(q->objects, key, o);
    if (!o)
        o = queue_object(q, f, key);
    if (o)
        o->planned = true;
    return o;
}

static void add_batch(struct queue *q, const char *name, const char *key) {
    struct spool_name n;
    struct flow *f;
    struct object *o;
    struct batch *b;

    if (!spool_name_parse(name, &n) || !(f = find_flow(q, name, &n))) {
        q->strange++;
        return;
    }
    HASH_FIND_STR(q->all, name, b);
    if (b)
        return;
    b = calloc(1, sizeof(*b) + strlen(name) + 1);
    if (!b)
        return; /* it is found at the next look */
    memcpy(b->name, name, strlen(name) + 1);
    b->flow = f;
    b->end = n.end;
    b->size = n.size;
    q->bytes += b->size;
    HASH_ADD_STR(q->all, name, b);
    f->unsorted |= f->batches && by_end(f->batches->prev, b) > 0;
    DL_APPEND(f->batches, b);
    f->waiting += b->size;
    o = key ? find_object(q, f, key) : NULL;
    if (o)
        queue_object_add(o, b);
}

static int look_at_all(struct queue *q,
                       bool (*on_batch)(void *arg, const char *name, const char **ret_key),
                       void *arg) {
    int fd = openat(q->ready, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d) {
        int r = -errno;

        if (fd >= 0)
            close(fd);
        return r;
    }
    q->strange = 0;
    while ((e = readdir(d))) {
        const char *key = NULL;

        if (e->d_name[0] != '.' && on_batch(arg, e->d_name, &key))
            add_batch(q, e->d_name, key);
    }
    closedir(d);
    return 0;
}

int queue_look(struct queue *q, bool (*on_batch)(void *arg, const char *name, const char **ret_key),
               void *arg, bool all) {
    char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    while ((n = read(q->notify, buffer, sizeof(buffer))) > 0) {
        for (char *p = buffer; p < buffer + n;) {
            const struct inotify_event *e = (const void *)p;
            const char *key = NULL;

            all |= (e->mask & IN_Q_OVERFLOW) != 0;
            if (e->len && on_batch(arg, e->name, &key))
                add_batch(q, e->name, key);
            p += sizeof(*e) + e->len;
        }
    }
    return all ? look_at_all(q, on_batch, arg) : 0;
}

int queue_remove(struct queue *q, struct batch *b) {
    if (unlinkat(q->ready, b->name, 0) < 0 && errno != ENOENT)
        return -errno;
    q->bytes -= b->size;
    HASH_DEL(q->all, b);
    free(b);
    return 0;
}

struct object *queue_object(struct queue *q, struct flow *f, const char *key) {
    struct object *o = calloc(1, sizeof(*o));

    if (!o || !(o->key = strdup(key))) {
        free(o);
        return NULL;
    }
    o->flow = f;
    DL_APPEND(f->objects, o);
    HASH_ADD_KEYPTR(hh, q->objects, o->key, strlen(o->key), o);
    return o;
}

void queue_object_add(struct object *o, struct batch *b) {
    DL_DELETE(o->flow->batches, b);
    o->flow->waiting -= b->size;
    DL_APPEND(o->batches, b);
    o->size += b->size;
}

void queue_object_free(struct queue *q, struct object *o) {
    DL_DELETE(o->flow->objects, o);
    HASH_DEL(q->objects, o);
    free(o->key);
    free(o);
}

void queue_sort(struct flow *f) {
    if (f->unsorted)
        DL_SORT(f->batches, by_end);
    f->unsorted = false;
}

void queue_object_sort(struct object *o) {
    DL_SORT(o->batches, by_end);
}

static void prune_flows(struct queue *q, struct destination *d) {
    for (struct flow **at = &d->flows; *at;) {
        struct flow *f = *at;

        if (f->batches || f->objects) {
            at = &f->next_of;
            continue;
        }
        *at = f->next_of;
        HASH_DEL(q->flows, f);
        spool_batch_free(&f->head);
        free(f);
    }
}

void queue_prune(struct queue *q) {
    struct destination *d, *next;

    HASH_ITER (hh, q->destinations, d, next) {
        if (!d->busy)
            prune_flows(q, d);
        if (d->flows || d->busy)
            continue;
        HASH_DEL(q->destinations, d);
        free(d->name);
        free(d);
    }
}
