/* SPDX-License-Identifier: Apache-2.0 */
#include "rules/batch.h"

void batch_free(struct batch *b) {
    entries_free(&b->unreachable);
    entries_free(&b->publish);
    entries_free(&b->gone);
    entries_free(&b->generations);
    entries_free(&b->ended);
    entries_free(&b->later);
}

bool batch_failed(const struct batch *b) {
    return b->unreachable.failed || b->publish.failed || b->gone.failed || b->generations.failed ||
           b->ended.failed || b->later.failed;
}

void batch_sort(struct batch *b) {
    entries_sort(&b->unreachable);
    entries_sort(&b->publish);
    entries_sort(&b->gone);
}

int batch_emit_all(const struct entries *es, enum plan_op_kind kind, plan_emit_fn *emit,
                   void *data) {
    int r = 0;

    for (size_t i = 0; i < es->n && r >= 0; i++) {
        const struct entry *e = &es->e[kind == PLAN_PUT ? i : es->n - 1 - i];
        struct plan_op op = {.kind = kind,
                             .map = e->map,
                             .key = e->key,
                             .value = kind == PLAN_PUT ? e->value : NULL};

        r = emit(data, &op);
    }
    return r < 0 ? r : 0;
}

static int emit_sweep(enum entry_map from, enum entry_map to, enum plan_op_kind kind,
                      plan_emit_fn *emit, void *data) {
    int r = 0;

    for (int map = (int)from; map <= (int)to && r >= 0; map++) {
        struct plan_op op = {.kind = kind, .map = (enum entry_map)map};

        r = emit(data, &op);
    }
    return r < 0 ? r : 0;
}

int batch_emit(const struct batch *b, bool full, plan_emit_fn *emit, void *data) {
    int r;

    if ((r = batch_emit_all(&b->unreachable, PLAN_DELETE, emit, data)) < 0 ||
        (r = batch_emit_all(&b->publish, PLAN_PUT, emit, data)) < 0 ||
        (r = batch_emit_all(&b->gone, PLAN_DELETE, emit, data)) < 0)
        return r;
    if (full && (r = emit_sweep(ENTRY_SUBNETS, ENTRY_PUBLICS, PLAN_SWEEP, emit, data)) < 0)
        return r;
    if ((r = batch_emit_all(&b->generations, PLAN_PUT, emit, data)) < 0 ||
        (r = batch_emit_all(&b->ended, PLAN_DELETE, emit, data)) < 0)
        return r;
    if (full && (r = emit_sweep(ENTRY_VPCS, ENTRY_VPCS, PLAN_SWEEP, emit, data)) < 0)
        return r;
    if ((r = batch_emit_all(&b->later, PLAN_DROP_LATER, emit, data)) < 0)
        return r;
    return full ? emit_sweep(ENTRY_RULE_TABLES, ENTRY_ROUTES, PLAN_SWEEP_LATER, emit, data) : 0;
}
