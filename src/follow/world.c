/* SPDX-License-Identifier: Apache-2.0 */
#include "follow/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "stream/client.h"

struct change {
    struct obj *old, *new;
};

struct world {
    struct index *ix;
    struct stream_client *client;
    struct world_handlers handlers;
    struct list changes; /* struct change, since the last transaction's end */
    struct index *named; /* during a snapshot: what it named; the rest goes at its end */
    const char *from;
    bool connected;
    char last_why[256];
};

static bool is_other(const char *key) {
    return key[0] == '@';
}

static void note(struct world *w, struct obj *old, struct obj *new) {
    struct change *c = list_add(&w->changes, sizeof(*c));

    if (!c) {
        /* Half a picture is none: without it, what is in force stays, until a new start. */
        log_error("memory is short; ending so that everything is read afresh");
        abort();
    }
    c->old = old;
    c->new = new ? obj_ref(new) : NULL;
}

static void on_deletion(void *arg, const char *key, uint64_t version) {
    struct world *w = arg;
    struct scope s;
    enum kind k;
    const char *id;
    void *old;

    if (is_other(key)) {
        if (w->handlers.other)
            w->handlers.other(w->handlers.arg, key, NULL, 0);
        return;
    }
    if (obj_key_parse(key, &s, &k, &id) < 0)
        return;
    old = index_remove(w->ix, k, s, id);
    if (old)
        note(w, old, NULL);
}

/* Versions begin anew with each life of an id: only the content tells whether two are the same. */
static bool same_content(const struct obj *have, const void *data, size_t len) {
    _buf_ struct buf doc = BUF_INIT;

    obj_encode(have, &doc);
    return !doc.failed && doc.len == len && memcmp(buf_str(&doc), data, len) == 0;
}

static void on_object(void *arg, const char *key, uint64_t version, const void *data, size_t len) {
    struct world *w = arg;
    const struct obj *have;
    void *obj, *old = NULL;
    struct obj *o;
    int r;

    if (is_other(key)) {
        if (w->handlers.other)
            w->handlers.other(w->handlers.arg, key, data, len);
        return;
    }
    r = obj_decode(key, version, data, len, &obj);
    if (r < 0) {
        /* A kind or value that this build does not know: what it cannot read is not in force. */
        log_error("the stream's object %s cannot be read: %s", key, strerror(-r));
        on_deletion(w, key, version);
        return;
    }
    o = obj;
    have = index_get(w->ix, o->kind, o->scope, o->id);
    if (w->named && index_put(w->named, o, NULL) < 0)
        abort();
    /* A snapshot repeats what is known. */
    if (!w->named || !have || !same_content(have, data, len)) {
        if (index_put(w->ix, o, &old) < 0)
            abort();
        note(w, old, o);
    }
    obj_unref(o);
}

static void settle(struct world *w, bool snapshot) {
    struct list changes = w->changes;

    w->changes = (struct list){0};
    list_each (struct change, c, changes)
        w->handlers.changed(w->handlers.arg, c->old, c->new);
    w->handlers.settled(w->handlers.arg, snapshot);
    list_each (struct change, c, changes) {
        obj_unref(c->old);
        obj_unref(c->new);
    }
    free(changes.items);
}

static void on_snapshot_begin(void *arg) {
    struct world *w = arg;

    index_free(w->named);
    w->named = index_new();
    if (!w->named)
        abort();
    if (w->handlers.other)
        w->handlers.other(w->handlers.arg, NULL, NULL, 0);
}

static void drop_unnamed(struct world *w) {
    struct list gone = {0}; /* of struct obj *: the index must not change during a walk */
    struct cursor c;

    for (enum kind k = 1; k < KIND_COUNT; k++) {
        index_each_all(w->ix, c, k) {
            const struct obj *o = c.obj;
            const struct obj **slot;

            if (index_get(w->named, k, o->scope, o->id))
                continue;
            slot = list_add(&gone, sizeof(*slot));
            if (!slot)
                abort();
            *slot = o;
        }
    }
    list_each (const struct obj *, o, gone)
        note(w, index_remove(w->ix, (*o)->kind, (*o)->scope, (*o)->id), NULL);
    free(gone.items);
}

static void on_snapshot_end(void *arg, uint64_t revision) {
    struct world *w = arg;

    drop_unnamed(w);
    index_free(w->named);
    w->named = NULL;
    w->connected = true;
    w->last_why[0] = 0;
    settle(w, true);
}

static void on_revision(void *arg, uint64_t revision) {
    settle(arg, false);
}

static void on_down(void *arg, const char *why) {
    struct world *w = arg;

    /* Attempts repeat; say each reason once. */
    if (strcmp(why, w->last_why) != 0)
        log_warn("no stream from %s: %s; what is in force stays", w->from, why);
    snprintf(w->last_why, sizeof(w->last_why), "%s", why);
    w->connected = false;
    /* Half a transaction, or half a snapshot: the objects are in the index, so their changes are
     * kept and told with the next snapshot, which also says what of them is so. */
    index_free(w->named);
    w->named = NULL;
}

int world_new(struct event_base *base, const char *path, const char *state, const char *from,
              const struct world_handlers *handlers, struct world **ret_world) {
    static const struct stream_client_handlers stream = {
        on_snapshot_begin, on_object, on_deletion, on_snapshot_end, on_revision, on_down,
    };
    struct world *w = calloc(1, sizeof(*w));
    char host[256] = "host";
    struct stream_client_options options = {
        .host = host, .state = state, .server_uid = STREAM_ANY_UID};
    int r = -ENOMEM;

    if (!w)
        return r;
    w->handlers = *handlers;
    w->from = from;
    w->ix = index_new();
    gethostname(host, sizeof(host) - 1);
    if (w->ix)
        r = stream_client_new(base, path, &options, &stream, w, &w->client);
    if (r < 0) {
        world_free(w);
        return r;
    }
    *ret_world = w;
    return 0;
}

void world_free(struct world *w) {
    if (!w)
        return;
    stream_client_free(w->client);
    list_each (struct change, c, w->changes) {
        obj_unref(c->old);
        obj_unref(c->new);
    }
    free(w->changes.items);
    index_free(w->named);
    index_free(w->ix);
    free(w);
}

const struct index *world_index(const struct world *w) {
    return w->ix;
}

bool world_connected(const struct world *w) {
    return w->connected;
}

void world_report(struct world *w, enum report_kind kind, const char *id, const char *first,
                  const char *second) {
    _buf_ struct buf data = BUF_INIT;

    buf_add(&data, first, strlen(first) + 1);
    buf_add(&data, second, strlen(second) + 1);
    if (!data.failed)
        stream_client_report(w->client, (uint16_t)kind, id, data.data, data.len);
}
