/* SPDX-License-Identifier: Apache-2.0 */
#include "api/dump.h"

#include <jansson.h>
#include <string.h>

#include "api/actions.h"
#include "api/logs/action.h"

static json_t *params(const struct desc *d) {
    json_t *rows = json_object();

    for (uint16_t i = 0; d && i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];

        json_object_set_new(
            rows, f->wire,
            f->sub ? json_pack("{s:b,s:o}", "list", f->type == FT_LIST, "members", params(f->sub))
                   : json_pack("{s:b}", "list", f->type == FT_STRS));
    }
    return rows;
}

static json_t *elements(const struct desc *d) {
    json_t *rows = json_object();

    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];

        if (f->wire)
            json_object_set_new(rows, f->wire, f->sub ? elements(f->sub) : json_object());
    }
    return rows;
}

/* All names of filters, those of lists with their prefix. */
static void filters(const struct desc *d, const char *prefix, json_t *out) {
    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        char name[256];

        if (!f->filter)
            continue;
        if (f->sub) {
            snprintf(name, sizeof(name), "%s%s%s", prefix, f->filter, *f->filter ? "." : "");
            filters(f->sub, name, out);
            continue;
        }
        for (const char *at = f->filter; *at;) {
            size_t n = strcspn(at, "|");

            snprintf(name, sizeof(name), "%s%.*s", prefix, (int)n, at);
            json_array_append_new(out, json_string(name));
            at += n + (at[n] == '|');
        }
    }
}

/* Those of CloudWatch Logs: what a member may be. */
static json_t *logs_actions(void) {
    static const char *const types[] = {"string", "integer", "boolean", "strings", "map", "events"};
    json_t *actions = json_object();
    size_t n;
    const struct logs_actions *const *all = logs_families(&n);

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < all[i]->n; k++) {
            const struct logs_action *a = &all[i]->rows[k];
            json_t *members = json_object();

            for (size_t m = 0; m < a->n; m++)
                json_object_set_new(
                    members, a->members[m].name,
                    json_pack("{s:s,s:b,s:I,s:I,s:i,s:s?}", "type", types[a->members[m].type],
                              "required", (int)a->members[m].required, "min",
                              (json_int_t)a->members[m].min, "max", (json_int_t)a->members[m].max,
                              "items", (int)a->members[m].items, "pattern", a->members[m].pattern));
            json_object_set_new(actions, a->name, members);
        }
    }
    return actions;
}

int api_dump(FILE *out) {
    json_t *actions = json_object(), *kinds = json_object(), *root;
    size_t n;
    const struct actions *const *families = api_families(&n);
    int r;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < families[i]->n; k++) {
            const struct action *a = &families[i]->rows[k];

            json_object_set_new(actions, a->name,
                                json_pack("{s:o,s:b,s:b,s:b,s:s?}", "params", params(a->params),
                                          "filters", (a->flags & ACT_FILTER) != 0, "pages",
                                          (a->flags & ACT_PAGES) != 0, "token",
                                          (a->flags & ACT_TOKEN) != 0, "set", a->set));
        }
    }
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        json_t *names;

        if (!kind_info(k)->resource_type)
            continue;
        names = json_array();
        filters(kind_info(k)->desc, "", names);
        json_object_set_new(
            kinds, kind_info(k)->name,
            json_pack("{s:o,s:o}", "elements", elements(kind_info(k)->desc), "filters", names));
    }
    root = json_pack("{s:o,s:o,s:o}", "actions", actions, "kinds", kinds, "logs", logs_actions());
    r = json_dumpf(root, out, JSON_INDENT(1) | JSON_SORT_KEYS);
    json_decref(root);
    return r < 0 ? -1 : 0;
}
