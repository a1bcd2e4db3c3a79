/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of flow logs. What it reads, and why nothing is lost or told twice: src/bpf/log.h,
 * log_packets.h.
 *
 * Keys of active flows wait in a ring, from which they are taken into memory when it is half full,
 * and at a window's end. They are then given to flow_log_tell in batches, through a mapped array;
 * its records come by the other ring. When that is full, the program says how far it came.
 *
 * The window of `log_packets` is raised, then all programs are waited for that may have read the
 * number before: the kernel does so when a map inside a map is replaced. What is left under older
 * numbers then changes no more.
 */
#include "dataplane/flow_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/cleanup.h"
#include "dataplane/private.h"

/* Keys in memory; beyond, their flows are told before the window's end. */
#define KEYS_MAX MAX_FLOWS
#define RING_KEYS (LOG_KEYS_BYTES / 56) /* a key and its header in the ring */
#define PACKETS_BATCH 1024
#define WALK_KEYS (64 * LOG_BATCH)

struct flow_log {
    struct dataplane *dp;
    flow_log_record_fn *each;
    void *arg;
    struct log_state *state;
    struct log_batch_value *batch; /* LOG_BATCH of them, shared with the program */
    struct ring_buffer *keys_ring, *records_ring;
    int epoll;
    int inner, outer; /* a map in a map, to wait for programs */
    struct flow_key *keys;
    size_t n, room;
    uint32_t asked;
};

/* ---- rings ---- */

static int on_record(void *ctx, void *data, size_t size) {
    struct flow_log *log = ctx;

    if (size >= sizeof(struct log_record))
        log->each(data, log->arg);
    return 0;
}

static int keys_add(struct flow_log *log, const struct flow_key *key) {
    if (log->n == log->room) {
        size_t room = log->room ? log->room * 2 : 1024;
        struct flow_key *more = reallocarray(log->keys, room, sizeof(*more));

        if (!more)
            return -ENOMEM;
        log->keys = more;
        log->room = room;
    }
    log->keys[log->n++] = *key;
    return 0;
}

static int on_key(void *ctx, void *data, size_t size) {
    return size >= sizeof(struct flow_key) ? keys_add(ctx, data) : 0;
}

/* Room for all that the ring may hold, so that no key is taken out of it and has no place. */
static int keys_reserve(struct flow_log *log) {
    struct flow_key *more;

    if (log->room - log->n >= RING_KEYS)
        return 0;
    more = reallocarray(log->keys, log->n + 2 * RING_KEYS, sizeof(*more));
    if (!more)
        return -ENOMEM;
    log->keys = more;
    log->room = log->n + 2 * RING_KEYS;
    return 0;
}

static int take_records(struct flow_log *log) {
    int r = ring_buffer__consume(log->records_ring);

    return r < 0 ? r : 0;
}

static int take_keys(struct flow_log *log) {
    int r = keys_reserve(log);

    if (r == 0)
        r = ring_buffer__consume(log->keys_ring);
    return r < 0 ? r : 0;
}

/* ---- telling ---- */

/* One batch: the keys from `at` on. Returns how many of them are done. */
static int tell_batch(struct flow_log *log, size_t at, bool quiet) {
    uint32_t n = 0, done;
    int r;

    for (; n < LOG_BATCH && at + n < log->n; n++)
        log->batch[n] = (struct log_batch_value){.key = log->keys[at + n], .quiet = quiet};
    if (n < LOG_BATCH)
        memset(&log->batch[n], 0, sizeof(log->batch[n]));
    r = dataplane_log_tell(log->dp, &done);
    return r < 0 ? r : (int)done;
}

/* Tells all keys in memory and forgets them. */
static int tell_keys(struct flow_log *log, bool quiet) {
    size_t at = 0;
    int r = 0, stuck = 0;

    while (r >= 0 && at < log->n) {
        r = tell_batch(log, at, quiet);
        if (r < 0)
            break;
        stuck = r ? 0 : stuck + 1;
        at += (size_t)r;
        r = stuck > 3 ? -EIO : take_records(log);
    }
    memmove(log->keys, log->keys + at, (log->n - at) * sizeof(*log->keys));
    log->n -= at;
    if (log->n == 0 && log->room > 2 * RING_KEYS) { /* memory for a busy time is given back */
        free(log->keys);
        log->keys = NULL;
        log->room = 0;
    }
    return r < 0 ? r : 0;
}

struct walk {
    struct flow_log *log;
    bool quiet;
};

static int tell_untold(const struct flow_key *key, const struct flow_value *value, void *arg) {
    struct walk *walk = arg;
    int r;

    if (value->packets == value->told.packets && value->bytes == value->told.bytes)
        return 0;
    r = keys_add(walk->log, key);
    return r == 0 && walk->log->n >= WALK_KEYS ? tell_keys(walk->log, walk->quiet) : r;
}

/* ---- refused and single packets ---- */

static int wait_for_programs(struct flow_log *log) {
    uint32_t zero = 0;

    return bpf_map_update_elem(log->outer, &zero, &log->inner, BPF_ANY) < 0 ? -errno : 0;
}

static struct log_record packets_record(const struct log_packets_key *k,
                                        const struct log_packets_value *v) {
    struct log_record r = {
        .first_ns = v->first_ns,
        .last_ns = v->last_ns,
        .packets = v->packets,
        .bytes = v->bytes,
        .far_packets = v->packets,
        .far_bytes = v->bytes,
        .kind = LOG_PACKETS,
        .flags = v->flags,
        .near = v->near,
        .far = v->far,
        .vpc = v->vpc,
        .far_vpc = v->far_vpc,
        .tcp_flags = v->tcp_flags,
        .key = {.eni = v->near,
                .family = k->family,
                .proto = k->proto,
                .src = k->src,
                .dst = k->dst,
                .sport = k->sport,
                .dport = k->dport},
        .src = k->src,
        .dst = k->dst,
        .sport = k->sport,
        .dport = k->dport,
    };

    if (k->place == LOG_GATEWAY || k->place == LOG_GATEWAY_OUT) {
        *(k->place == LOG_GATEWAY ? &r.gateway_action : &r.gateway_out_action) = k->action;
        r.flags = (r.flags & ((1u << FLOW_GATEWAY_SHIFT) - 1)) | k->at << FLOW_GATEWAY_SHIFT;
    } else if (k->place == LOG_NEAR) {
        r.near_action = k->action;
    } else {
        r.far_action = k->action;
    }
    return r;
}

/* Those of older windows. Each is deleted before it is handed over, so that no death between the
 * two makes it come twice. */
static int take_packets(struct flow_log *log, uint32_t window) {
    int fd = dataplane_map_fd(log->dp, DATAPLANE_LOG_PACKETS), r;
    _free_ struct log_packets_key *keys = NULL;
    _free_ struct log_packets_value *values = NULL;
    uint32_t room = PACKETS_BATCH, at = 0, next = 0, n;
    bool begun = false;

    for (;;) {
        if (!keys) {
            keys = calloc(room, sizeof(*keys));
            values = calloc(room, sizeof(*values));
            if (!keys || !values)
                return -ENOMEM;
        }
        n = room;
        r = bpf_map_lookup_batch(fd, begun ? &at : NULL, &next, keys, values, &n, NULL) < 0 ? -errno
                                                                                            : 0;
        if (r == -ENOSPC &&
            room < LOG_MAX_PACKETS) { /* a bucket with more than there is room for */
            room *= 2;
            free(keys);
            free(values);
            keys = NULL;
            values = NULL;
            continue;
        }
        if (r < 0 && r != -ENOENT)
            return r;
        for (uint32_t i = 0; i < n; i++) {
            struct log_record record;

            if (keys[i].window == window || bpf_map_delete_elem(fd, &keys[i]) < 0)
                continue;
            __atomic_fetch_sub(&log->state->packets_entries, 1, __ATOMIC_RELAXED);
            record = packets_record(&keys[i], &values[i]);
            log->each(&record, log->arg);
        }
        if (r == -ENOENT)
            return 0;
        begun = true;
        at = next;
    }
}

/* ---- the API ---- */

int flow_log_drain(struct flow_log *log) {
    int r = take_keys(log), s = take_records(log);

    if (r == 0 && log->n > KEYS_MAX)
        r = tell_keys(log, false);
    return r < 0 ? r : s;
}

int flow_log_read(struct flow_log *log) {
    uint32_t window = log->state->window + 1;
    int r;

    __atomic_store_n(&log->state->window, window, __ATOMIC_SEQ_CST);
    r = flow_log_drain(log);
    if (r == 0)
        r = tell_keys(log, false);
    if (r == 0 && __atomic_load_n(&log->state->packets_entries, __ATOMIC_SEQ_CST) != 0) {
        r = wait_for_programs(log);
        if (r == 0)
            r = take_packets(log, window);
    }
    if (r == 0 && __atomic_exchange_n(&log->state->lost, 0, __ATOMIC_SEQ_CST))
        r = dataplane_log_lost(log->dp);
    return r < 0 ? r : take_records(log);
}

/* Tells every half that has something untold: to nobody (`quiet`), or now. */
static int catch_up(struct flow_log *log, bool quiet) {
    struct walk walk = {log, quiet};
    int r = flows_each(dataplane_map_fd(log->dp, DATAPLANE_FLOWS), tell_untold, &walk);

    return r == 0 ? tell_keys(log, quiet) : r;
}

/* All marks are void from now on. */
static void epoch_raise(struct flow_log *log) {
    if (++log->state->last == 0)
        log->state->last = 1;
    __atomic_store_n(&log->state->epoch, log->state->last, __ATOMIC_SEQ_CST);
}

static void epoch_end(struct flow_log *log) {
    __atomic_store_n(&log->state->epoch, 0, __ATOMIC_SEQ_CST);
}

int flow_log_ask(struct flow_log *log, uint32_t key) {
    struct log_eni_value value = {0};
    int fd = dataplane_map_fd(log->dp, DATAPLANE_LOG_ENIS), r;

    if (!log->asked) {
        epoch_raise(log);
        r = catch_up(log, true);
        if (r < 0) {
            epoch_end(log);
            return r;
        }
    }
    if (bpf_map_update_elem(fd, &key, &value, BPF_NOEXIST) < 0) {
        r = errno == EEXIST ? 0 : errno == E2BIG ? -ENOSPC : -errno;
        if (r < 0 && !log->asked)
            epoch_end(log);
        return r;
    }
    log->asked++;
    return 0;
}

int flow_log_dismiss(struct flow_log *log, uint32_t key) {
    int fd = dataplane_map_fd(log->dp, DATAPLANE_LOG_ENIS);

    if (bpf_map_delete_elem(fd, &key) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (--log->asked == 0)
        epoch_end(log);
    return 0;
}

int flow_log_asked(struct flow_log *log, flow_log_asked_fn *each, void *arg) {
    int fd = dataplane_map_fd(log->dp, DATAPLANE_LOG_ENIS), r;
    uint32_t key, next;
    bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;

    while (more) {
        key = next;
        more = bpf_map_get_next_key(fd, &key, &next) == 0; /* `each` may dismiss it */
        r = each(key, arg);
        if (r)
            return r;
    }
    return 0;
}

static int count_asked(uint32_t key, void *arg) {
    (void)key;
    ((struct flow_log *)arg)->asked++;
    return 0;
}

int flow_log_fd(const struct flow_log *log) {
    return log->epoll;
}

static int open_rings(struct flow_log *log) {
    struct ring_buffer *rings[2];

    log->keys_ring =
        ring_buffer__new(dataplane_map_fd(log->dp, DATAPLANE_LOG_KEYS), on_key, log, NULL);
    log->records_ring =
        ring_buffer__new(dataplane_map_fd(log->dp, DATAPLANE_LOG_RECORDS), on_record, log, NULL);
    log->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!log->keys_ring || !log->records_ring || log->epoll < 0)
        return -errno;
    rings[0] = log->keys_ring;
    rings[1] = log->records_ring;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (epoll_ctl(log->epoll, EPOLL_CTL_ADD, ring_buffer__epoll_fd(rings[i]), &event) < 0)
            return -errno;
    }
    return 0;
}

static int open_maps(struct flow_log *log) {
    LIBBPF_OPTS(bpf_map_create_opts, opts);
    void *batch = mmap(NULL, LOG_BATCH * sizeof(*log->batch), PROT_READ | PROT_WRITE, MAP_SHARED,
                       dataplane_map_fd(log->dp, DATAPLANE_LOG_BATCH), 0);

    if (batch == MAP_FAILED)
        return -errno;
    log->batch = batch;
    log->inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, 4, 4, 1, NULL);
    if (log->inner < 0)
        return -errno;
    opts.inner_map_fd = (uint32_t)log->inner;
    log->outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, 4, 4, 1, &opts);
    return log->outer < 0 ? -errno : 0;
}

int flow_log_open(struct dataplane *dp, flow_log_record_fn *each, void *arg,
                  struct flow_log **ret_log) {
    struct flow_log *log = calloc(1, sizeof(*log));
    int r;

    if (!log)
        return -ENOMEM;
    *log = (struct flow_log){
        .dp = dp, .each = each, .arg = arg, .epoll = -1, .inner = -1, .outer = -1};
    log->state = dataplane_log_state(dp);
    r = open_rings(log);
    if (r == 0)
        r = open_maps(log);
    if (r == 0)
        r = flow_log_asked(log, count_asked, log);
    if (r == 0 && log->asked) {
        epoch_raise(log);
        r = catch_up(log, false);
    } else if (r == 0) {
        epoch_end(log);
    }
    if (r < 0) {
        flow_log_free(log);
        return r;
    }
    *ret_log = log;
    return 0;
}

void flow_log_free(struct flow_log *log) {
    if (!log)
        return;
    ring_buffer__free(log->keys_ring);
    ring_buffer__free(log->records_ring);
    if (log->batch)
        munmap(log->batch, LOG_BATCH * sizeof(*log->batch));
    if (log->epoll >= 0)
        close(log->epoll);
    if (log->inner >= 0)
        close(log->inner);
    if (log->outer >= 0)
        close(log->outer);
    free(log->keys);
    free(log);
}
