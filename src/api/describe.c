/* SPDX-License-Identifier: Apache-2.0 */
#include "api/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/cleanup.h"
#include "base/text.h"

/*
 * A token is base64 of a seal and of the last key shown: it stays good whatever is created or
 * deleted meanwhile, and when the server starts again. The seal ties it to the request that it is
 * for: the action, the caller's account and region, the filters. It is no secret: a forged one
 * only begins elsewhere in a list that is the caller's own.
 */
#define SEAL_LEN 12

static int token_seal(struct call *c, const void *key, size_t len, uint8_t seal[SEAL_LEN]) {
    _buf_ struct buf b = BUF_INIT;
    uint8_t digest[EVP_MAX_MD_SIZE];

    buf_addf(&b, "%s %llu %u %u", c->action->name, (unsigned long long)c->scope.account,
             c->scope.region, c->filters->n);
    list_each (struct filter, f, *c->filters) {
        buf_add(&b, f->name, strlen(f->name) + 1);
        buf_addf(&b, "%u ", f->values.n);
        list_each (char *, v, f->values)
            buf_add(&b, *v, strlen(*v) + 1);
    }
    buf_add(&b, key, len);
    if (b.failed || EVP_Digest(b.data, b.len, digest, NULL, EVP_sha256(), NULL) != 1)
        return call_no_memory(c);
    memcpy(seal, digest, SEAL_LEN);
    return 0;
}

static int token_refuse(struct call *c) {
    return call_error(c, "InvalidParameterValue",
                      "Value ( %.64s ) for parameter NextToken is invalid. The token is invalid.",
                      c->next_token);
}

static int token_decode(struct call *c, char **ret_key) {
    _free_ uint8_t *token = NULL;
    uint8_t seal[SEAL_LEN];
    size_t len;

    *ret_key = NULL;
    if (!c->next_token || !*c->next_token)
        return 0;
    if (base64_decode(c->next_token, &token, &len) < 0 || len <= SEAL_LEN ||
        memchr(token + SEAL_LEN, 0, len - SEAL_LEN))
        return token_refuse(c);
    if (token_seal(c, token + SEAL_LEN, len - SEAL_LEN, seal) < 0)
        return -1;
    if (memcmp(seal, token, SEAL_LEN) != 0)
        return token_refuse(c);
    *ret_key = strndup((char *)token + SEAL_LEN, len - SEAL_LEN);
    return *ret_key ? 0 : call_no_memory(c);
}

static int write_token(struct call *c, const char *last_key) {
    uint8_t token[SEAL_LEN + sizeof((struct page){0}.last_key)];
    size_t len = strlen(last_key);
    _free_ char *text = NULL;

    if (token_seal(c, last_key, len, token) < 0)
        return -1;
    memcpy(token + SEAL_LEN, last_key, len);
    text = base64_encode(token, SEAL_LEN + len);
    if (!text)
        return call_no_memory(c);
    xml_text(&c->xml, "nextToken", text);
    return 0;
}

int describe_begin(struct page *p, struct call *c, const struct desc *view, const char *set) {
    *p = (struct page){.c = c, .view = view, .set = set, .left = PAGE_DEFAULT};
    if (!(c->action->flags & ACT_PAGES))
        p->left = INT64_MAX; /* nobody could ask for the rest; such things have small limits */
    c->filter_steps = FILTER_STEPS_MAX;
    c->look.steps = &c->filter_steps;
    list_each (struct filter, f, *c->filters) {
        if (!filter_known(view, f->name))
            return call_error(c, "InvalidParameterValue", "The filter '%.128s' is invalid",
                              f->name);
        if (!f->values.n)
            return call_error(c, "InvalidParameterValue", "The filter '%.128s' has no value",
                              f->name);
    }
    if (c->max_results.set) {
        int min = c->action->page_min ? c->action->page_min : PAGE_MIN;
        int max = c->action->page_max ? c->action->page_max : PAGE_DEFAULT;

        if (c->max_results.v < min || c->max_results.v > max)
            return call_error(c, "InvalidParameterValue",
                              "Value ( %lld ) for parameter maxResults is invalid. Expecting a "
                              "value from %d to %d.",
                              (long long)c->max_results.v, min, max);
        p->left = c->max_results.v;
    }
    if (token_decode(c, &p->after_mem) < 0)
        return -1;
    p->after = p->after_mem;
    if (set)
        xml_open(&c->xml, set);
    return 0;
}

bool describe_wants(struct page *p, const char *key, const void *row) {
    struct call *c = p->c;

    if (p->after && strcmp(key, p->after) <= 0)
        return false;
    if (!filters_match(p->view, &c->look, row, c->filters)) {
        if (!c->filter_steps)
            p->stop = true;
        return false;
    }
    if (p->left == 0) {
        p->more = p->stop = true;
        return false;
    }
    p->left--;
    snprintf(p->last_key, sizeof(p->last_key), "%s", key);
    return true;
}

bool describe_row(struct page *p, const char *key, const void *row) {
    if (describe_wants(p, key, row)) {
        xml_open(&p->c->xml, "item");
        xml_fields(&p->c->xml, p->view, &p->c->look, row);
        xml_close(&p->c->xml, "item");
    }
    return !p->stop;
}

int describe_end(struct page *p) {
    if (!p->c->filter_steps && !p->more) {
        free(p->after_mem);
        p->after_mem = NULL;
        return call_error(p->c, "FilterLimitExceeded",
                          "These filters take too long over this many resources. Use fewer values "
                          "and wildcards, ids, or a filter by VPC or subnet besides.");
    }
    if (p->set)
        xml_close(&p->c->xml, p->set);
    free(p->after_mem);
    p->after_mem = NULL;
    return p->more ? write_token(p->c, p->last_key) : 0;
}

/* The least id of all cursors. An object that several of them have is passed by all at once. */
static bool scan_choose(struct scan *s) {
    s->obj = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct obj *o = s->cursors[i].obj, *best = s->obj;

        if (o && (!best || strcmp(o->id, best->id) < 0))
            s->obj = o;
    }
    return s->obj;
}

bool scan_begin(struct scan *s, const struct call *c, enum kind k, const struct desc *view,
                const char *after_id) {
    bool own = view == kind_info(k)->desc; /* another view may use a name for something else */

    s->n = 0;
    list_each (struct filter, f, *c->filters) {
        const struct field *field = s->n || !own ? NULL : filter_indexed(view, f);

        if (!field)
            continue;
        list_each (char *, v, f->values)
            cursor_by_in(c->ix, &s->cursors[s->n++], k, field->num, *v, c->scope, after_id);
    }
    if (!s->n)
        cursor_in(c->ix, &s->cursors[s->n++], k, c->scope, after_id);
    return scan_choose(s);
}

bool scan_next(struct scan *s) {
    for (size_t i = 0; i < s->n; i++)
        if (s->cursors[i].obj == s->obj)
            cursor_next(&s->cursors[i]);
    return scan_choose(s);
}

static int by_id(const void *a, const void *b) {
    return strcmp((*(struct obj *const *)a)->id, (*(struct obj *const *)b)->id);
}

/* All ids that are not there are named in one error. */
static int find_ids(struct call *c, const struct describe *d, const void **found, size_t *ret_n) {
    const struct kind_info *info = kind_info(d->kind);
    _buf_ struct buf missing = BUF_INIT;
    size_t n = 0, n_missing = 0;

    list_each (char *, id, *d->ids) {
        const void *obj;

        if (strncmp(*id, info->prefix, strlen(info->prefix)) != 0)
            return call_error(c, info->malformed, "Invalid id: \"%.128s\" (expecting \"%s...\")",
                              *id, info->prefix);
        obj = index_get(c->ix, d->kind, c->scope, *id);
        if (!obj) {
            buf_addf(&missing, "%s%.128s", n_missing++ ? ", " : "", *id);
            continue;
        }
        found[n++] = obj;
    }
    if (n_missing)
        return call_error(c, info->not_found, "The %s ID%s '%s' do%s not exist",
                          d->noun ? d->noun : info->name, n_missing > 1 ? "s" : "",
                          buf_str(&missing), n_missing > 1 ? "" : "es");
    qsort(found, n, sizeof(*found), by_id);
    *ret_n = n;
    return 0;
}

int describe(struct call *c, const struct describe *d) {
    const struct desc *view = d->view ? d->view : kind_info(d->kind)->desc;
    struct page page;
    struct scan scan;
    int r = describe_begin(&page, c, view, d->set);

    if (r < 0)
        return r;
    if (d->ids && d->ids->n) {
        _free_ const void **found = calloc(d->ids->n, sizeof(*found));
        size_t n = 0;

        if (!found)
            return call_no_memory(c);
        r = find_ids(c, d, found, &n);
        for (size_t i = 0; r == 0 && i < n; i++)
            if ((!i || found[i] != found[i - 1]) && (!d->keep || d->keep(c, found[i], d->arg)))
                if (!describe_row(&page, ((const struct obj *)found[i])->id, found[i]))
                    break;
    } else {
        for (bool more = scan_begin(&scan, c, d->kind, view, page.after); more;
             more = scan_next(&scan))
            if ((!d->keep || d->keep(c, scan.obj, d->arg)) &&
                !describe_row(&page, ((const struct obj *)scan.obj)->id, scan.obj))
                break;
    }
    if (r < 0) {
        free(page.after_mem);
        return r;
    }
    return describe_end(&page);
}
