/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/flow_queue.h"

#include <stdlib.h>
#include <string.h>

struct flow_command *flow_command_new(enum flow_command_kind kind) {
    struct flow_command *c = calloc(1, sizeof(*c));

    if (c)
        c->kind = kind;
    return c;
}

static bool copy(const char **text) {
    *text = strdup(*text ? *text : "");
    return *text;
}

struct flow_command *flow_command_log(enum flow_command_kind kind, const struct flowlog_log *log) {
    struct flow_command *c = flow_command_new(kind);
    bool whole;

    if (!c)
        return NULL;
    c->log = *log;
    /* Each one, so that none is left that is not ours. */
    whole = copy(&c->log.id);
    whole &= copy(&c->log.resource);
    whole &= copy(&c->log.region);
    whole &= copy(&c->log.destination);
    whole &= copy(&c->log.format);
    if (whole)
        return c;
    flow_command_free(c);
    return NULL;
}

void flow_command_free(struct flow_command *c) {
    free((char *)(uintptr_t)c->log.id);
    free((char *)(uintptr_t)c->log.resource);
    free((char *)(uintptr_t)c->log.region);
    free((char *)(uintptr_t)c->log.destination);
    free((char *)(uintptr_t)c->log.format);
    flowlog_eni_free(&c->eni);
    free(c);
}
