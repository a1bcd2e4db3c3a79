/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A header and slots, one an interface; a free slot has no id. Slots are found by a table in memory
 * and given out lowest first.
 */
#include "agent/flow_held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/cleanup.h"

#define MAGIC "vpcdheld"
#define VERSION 1
#define SLOTS_MIN 1024u
#define SLOTS_MAX (1u << 22)

struct slot {
    char id[32]; /* "": free */
    int64_t since[FLOW_HELD_PACES];
};

struct header {
    char magic[8];
    uint32_t version, slots;
    int64_t last;    /* when the kernel was read, as long as it counts */
    int64_t reading; /* it is being read now */
    char boot[32];   /* most of the boot id */
};
_Static_assert(sizeof(struct header) == 64 && sizeof(struct slot) == 48, "as it is in the file");

struct place {
    char id[32];
    uint32_t slot;
    uint8_t old; /* paces of the agent before us that were not set since, as bits */
    UT_hash_handle hh;
};

struct flow_held {
    int fd;
    struct header *map; /* and the slots behind it */
    uint32_t slots;     /* that are mapped */
    uint32_t free;      /* none is free below */
    struct place *places;
    int64_t all_since; /* when any interface lost something; 0: it did not */
};

static struct slot *slot_at(const struct flow_held *h, uint32_t i) {
    return (struct slot *)(h->map + 1) + i;
}

static size_t size_of(uint32_t slots) {
    return sizeof(struct header) + slots * sizeof(struct slot);
}

static void boot_id(char out[32]) {
    _close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(out, 0, 32);
    if (fd >= 0 && read(fd, out, 32) < 0)
        memset(out, 0, 32);
}

static int map(struct flow_held *h, uint32_t slots) {
    void *p;

    if (ftruncate(h->fd, (off_t)size_of(slots)) < 0)
        return -errno;
    p = h->map ? mremap(h->map, size_of(h->slots), size_of(slots), MREMAP_MAYMOVE)
               : mmap(NULL, size_of(slots), PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    h->map = p;
    h->slots = slots;
    h->map->slots = slots;
    return 0;
}

static struct place *place_add(struct flow_held *h, const char *id, uint32_t slot) {
    struct place *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    strncpy(p->id, id, sizeof(p->id) - 1);
    p->slot = slot;
    HASH_ADD_STR(h->places, id, p);
    return p;
}

static void place_free(struct flow_held *h, struct place *p) {
    memset(slot_at(h, p->slot), 0, sizeof(struct slot));
    if (p->slot < h->free)
        h->free = p->slot;
    HASH_DEL(h->places, p);
    free(p);
}

/* What the file has of before. */
static int take_over(struct flow_held *h) {
    struct header *m = h->map;
    char boot[32];

    boot_id(boot);
    if (memcmp(m->magic, MAGIC, sizeof(m->magic)) != 0 || m->version != VERSION)
        memset(m, 0, size_of(h->slots));
    if (m->reading || memcmp(m->boot, boot, sizeof(boot)) != 0)
        h->all_since = m->last;
    for (uint32_t i = 0; i < h->slots; i++) {
        struct slot *s = slot_at(h, i);
        struct place *p;

        s->id[sizeof(s->id) - 1] = 0;
        if (!s->id[0])
            continue;
        p = place_add(h, s->id, i);
        if (!p)
            return -ENOMEM;
        p->old = (1u << FLOW_HELD_PACES) - 1;
    }
    memcpy(m->magic, MAGIC, sizeof(m->magic));
    m->version = VERSION;
    m->slots = h->slots;
    memcpy(m->boot, boot, sizeof(m->boot));
    return 0;
}

int flow_held_open(const char *path, struct flow_held **ret_held) {
    struct flow_held *h = calloc(1, sizeof(*h));
    struct stat st;
    uint32_t slots = SLOTS_MIN;
    int r;

    if (!h)
        return -ENOMEM;
    h->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = h->fd < 0 || fstat(h->fd, &st) < 0 ? -errno : 0;
    if (r == 0 && (size_t)st.st_size > size_of(slots) && (size_t)st.st_size <= size_of(SLOTS_MAX))
        slots = (uint32_t)(((size_t)st.st_size - sizeof(struct header)) / sizeof(struct slot));
    if (r == 0)
        r = map(h, slots);
    if (r == 0)
        r = take_over(h);
    if (r < 0) {
        flow_held_close(h);
        return r;
    }
    *ret_held = h;
    return 0;
}

void flow_held_close(struct flow_held *h) {
    struct place *p, *next;

    if (!h)
        return;
    HASH_ITER (hh, h->places, p, next) {
        HASH_DEL(h->places, p);
        free(p);
    }
    if (h->map)
        munmap(h->map, size_of(h->slots));
    if (h->fd >= 0)
        close(h->fd);
    free(h);
}

void flow_held_cut(const struct flow_held *h, flow_held_fn *each, void *arg) {
    const struct place *p, *next;

    for (p = h->places; p; p = next) {
        next = p->hh.next;
        for (unsigned k = 0; k < FLOW_HELD_PACES; k++)
            if (p->old & 1u << k && slot_at(h, p->slot)->since[k])
                each(p->id, k, slot_at(h, p->slot)->since[k], arg);
    }
    for (unsigned k = 0; h->all_since && k < FLOW_HELD_PACES; k++)
        each(NULL, k, h->all_since, arg);
}

static int free_slot(struct flow_held *h, uint32_t *ret_slot) {
    int r;

    while (h->free < h->slots && slot_at(h, h->free)->id[0])
        h->free++;
    if (h->free == h->slots) {
        if (h->slots * 2 > SLOTS_MAX)
            return -ENOSPC;
        r = map(h, h->slots * 2);
        if (r < 0)
            return r;
    }
    *ret_slot = h->free;
    return 0;
}

int flow_held_set(struct flow_held *h, const char *id, unsigned pace, int64_t since) {
    struct place *p;
    struct slot *s;
    uint32_t slot;
    int r;

    HASH_FIND_STR(h->places, id, p);
    if (!p) {
        if (!since)
            return 0;
        r = free_slot(h, &slot);
        if (r < 0)
            return r;
        p = place_add(h, id, slot);
        if (!p)
            return -ENOMEM;
        memcpy(slot_at(h, slot)->id, p->id, sizeof(p->id));
    }
    p->old &= (uint8_t) ~(1u << pace);
    s = slot_at(h, p->slot);
    s->since[pace] = since;
    if (!s->since[0] && !s->since[1])
        place_free(h, p);
    return 0;
}

void flow_held_read_begins(struct flow_held *h) {
    h->map->reading = 1;
}

void flow_held_read_done(struct flow_held *h, int64_t now) {
    h->map->last = now;
    h->map->reading = 0;
}

void flow_held_tidy(struct flow_held *h) {
    struct place *p, *next;

    HASH_ITER (hh, h->places, p, next) {
        struct slot *s = slot_at(h, p->slot);

        for (unsigned k = 0; k < FLOW_HELD_PACES; k++)
            if (p->old & 1u << k)
                s->since[k] = 0;
        p->old = 0;
        if (!s->since[0] && !s->since[1])
            place_free(h, p);
    }
}
