/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/published.h"

#include <stdlib.h>
#include <string.h>

static int slot_cmp(const struct slot *a, const struct slot *b) {
    return entry_cmp(&a->e, &b->e);
}

static int unit_cmp(const struct unit *a, const struct unit *b) {
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->scope.region != b->scope.region)
        return a->scope.region < b->scope.region ? -1 : 1;
    if (a->scope.account != b->scope.account)
        return a->scope.account < b->scope.account ? -1 : 1;
    return strcmp(a->id, b->id);
}

/* The macros of tree.h are generic in style; these uses are exempt from the sign warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#ifndef __unused
#define __unused __attribute__((unused))
#endif
RB_GENERATE_STATIC(slot_tree, slot, link, slot_cmp)
RB_GENERATE_STATIC(unit_tree, unit, link, unit_cmp)
#pragma GCC diagnostic pop

void published_init(struct published *p) {
    RB_INIT(&p->slots);
    RB_INIT(&p->units);
    for (int i = 0; i < UNIT_KINDS; i++)
        TAILQ_INIT(&p->dirty[i]);
    TAILQ_INIT(&p->lacking);
}

void published_free(struct published *p) {
    struct unit *u;

    while ((u = RB_MIN(unit_tree, &p->units))) {
        unit_clean(p, u);
        unit_drop(p, u);
    }
}

struct unit *published_first(const struct published *p) {
    return RB_MIN(unit_tree, (struct unit_tree *)(uintptr_t)&p->units);
}

struct unit *published_next(struct unit *u) {
    return RB_NEXT(unit_tree, NULL, u);
}

struct unit *unit_find(const struct published *p, enum unit_kind kind, struct scope scope,
                       const char *id) {
    struct unit probe = {.kind = kind, .scope = scope, .id = (char *)(uintptr_t)id};

    return RB_FIND(unit_tree, (struct unit_tree *)(uintptr_t)&p->units, &probe);
}

struct unit *unit_get(struct published *p, enum unit_kind kind, struct scope scope,
                      const char *id) {
    struct unit *u = unit_find(p, kind, scope, id);

    if (u)
        return u;
    u = calloc(1, sizeof(*u));
    if (!u)
        return NULL;
    u->kind = kind;
    u->scope = scope;
    u->id = strdup(id);
    if (!u->id) {
        free(u);
        return NULL;
    }
    LIST_INIT(&u->slots);
    RB_INSERT(unit_tree, &p->units, u);
    return u;
}

void unit_drop(struct published *p, struct unit *u) {
    while (!LIST_EMPTY(&u->slots))
        slot_drop(p, LIST_FIRST(&u->slots));
    unit_lacks(p, u, false);
    RB_REMOVE(unit_tree, &p->units, u);
    entries_free(&u->under);
    entries_free(&u->next);
    free(u->vpc_id);
    free(u->id);
    free(u);
}

void unit_mark(struct published *p, struct unit *u) {
    if (u->dirty)
        return;
    u->dirty = true;
    TAILQ_INSERT_TAIL(&p->dirty[u->kind], u, queue);
}

void unit_clean(struct published *p, struct unit *u) {
    if (!u->dirty)
        return;
    u->dirty = false;
    TAILQ_REMOVE(&p->dirty[u->kind], u, queue);
}

void unit_lacks(struct published *p, struct unit *u, bool lacking) {
    if (u->lacking) {
        TAILQ_REMOVE(&p->lacking, u, lacks);
        p->n_lacking--;
    }
    u->lacking = lacking;
    if (lacking) {
        TAILQ_INSERT_TAIL(&p->lacking, u, lacks);
        p->n_lacking++;
    }
}

struct slot *slot_find(const struct published *p, enum entry_map map, const void *key) {
    struct slot probe = {.e.map = (uint8_t)map};
    size_t len = map == ENTRY_MAPS ? sizeof(uint32_t) : entry_map_info(map)->key_len;

    memcpy(probe.e.key, key, len);
    return RB_FIND(slot_tree, (struct slot_tree *)(uintptr_t)&p->slots, &probe);
}

struct slot *slot_add(struct published *p, struct unit *owner, const struct entry *e) {
    struct slot *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->e = *e;
    s->owner = owner;
    LIST_INSERT_HEAD(&owner->slots, s, sibling);
    RB_INSERT(slot_tree, &p->slots, s);
    return s;
}

void slot_own(struct slot *s, struct unit *owner) {
    LIST_REMOVE(s, sibling);
    s->owner = owner;
    LIST_INSERT_HEAD(&owner->slots, s, sibling);
}

void slot_drop(struct published *p, struct slot *s) {
    LIST_REMOVE(s, sibling);
    RB_REMOVE(slot_tree, &p->slots, s);
    free(s);
}
