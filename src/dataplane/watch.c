/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of dropped packets. */
#include <errno.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dataplane/private.h"

struct dataplane_watch {
    struct ring_buffer *ring;
    dataplane_drop_fn *each;
    void *arg;
};

static int on_record(void *ctx, void *data, size_t size) {
    struct dataplane_watch *w = ctx;

    if (size >= sizeof(struct drop_event))
        w->each(data, w->arg);
    return 0;
}

int dataplane_watch_new(struct dataplane *dp, dataplane_drop_fn *each, void *arg,
                        struct dataplane_watch **ret_watch) {
    struct dataplane_watch *w = calloc(1, sizeof *w);

    if (!w)
        return -ENOMEM;
    *w = (struct dataplane_watch){.each = each, .arg = arg};
    w->ring = ring_buffer__new(dp->fds[DATAPLANE_DROP_EVENTS], on_record, w, NULL);
    if (!w->ring) {
        int r = -errno;

        free(w);
        return r;
    }
    *ret_watch = w;
    return 0;
}

void dataplane_watch_free(struct dataplane_watch *w) {
    if (!w)
        return;
    ring_buffer__free(w->ring);
    free(w);
}

int dataplane_watch_fd(const struct dataplane_watch *w) {
    return ring_buffer__epoll_fd(w->ring);
}

int dataplane_watch_read(struct dataplane_watch *w) {
    return ring_buffer__consume(w->ring);
}
