/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Describe calls: ids, filters and pages over the caller's objects of one kind.
 *
 *     static int describe_vpcs(struct call *c, const void *params)
 *     {
 *         const struct describe_ids *p = params;
 *
 *         return describe(c, &(struct describe){.kind = KIND_VPC, .ids = &p->ids, .set =
 * "vpcSet"});
 *     }
 */
#ifndef VPCD_API_DESCRIBE_H
#define VPCD_API_DESCRIBE_H

#include "api/call.h"

#define PAGE_DEFAULT 1000
#define PAGE_MIN 5

/* The parameters of most Describe calls besides the shared ones: DESCRIBE_PARAMS(name, "VpcId") */
struct describe_ids {
    struct list ids; /* of strings */
};
#define DESCRIBE_PARAMS(name_, wire_)                                                              \
    static const struct field name_##_fields[] = {                                                 \
        FIELD(0, FT_STRS, struct describe_ids, ids, wire_)};                                       \
    static const struct desc name_ = DESC(#name_, struct describe_ids, name_##_fields)

struct describe {
    enum kind kind;
    const struct list *ids;  /* or NULL */
    const char *set;         /* element around the items */
    const struct desc *view; /* NULL: the kind's own */
    const char *noun;        /* what an error says the ids are of; NULL: the kind's name */
    bool (*keep)(struct call *c, const void *obj, void *arg); /* NULL: all */
    void *arg;
};

int describe(struct call *c, const struct describe *d);

/*
 * The caller's objects of a kind that may pass the call's filters, in the order of their ids, from
 * behind `after_id` on: by the index where a filter allows that, else all of them. `view`: what the
 * filters are about.
 *
 *     for (bool more = scan_begin(&s, c, kind, view, NULL); more; more = scan_next(&s)) ... s.obj
 */
struct scan {
    const void *obj;
    struct cursor cursors[FILTER_INDEX_VALUES]; /* one for each value; obj NULL: at its end */
    size_t n;
};
bool scan_begin(struct scan *s, const struct call *c, enum kind k, const struct desc *view,
                const char *after_id);
bool scan_next(struct scan *s);

/*
 * The same over rows that are not objects: filters by `view`, pages by the row's key, which grows
 * from row to row. Call describe_begin, describe_row for each row in order until it says stop, and
 * describe_end.
 */
struct page {
    struct call *c;
    const struct desc *view;
    const char *set;
    const char *after; /* rows up to this key were shown on earlier pages */
    char *after_mem;
    int64_t left;
    char *last; /* key of the last row shown, once the page is full: there is more */
    char last_key[256];
    bool more; /* there is a next page */
    bool stop; /* no row more will be shown */
};

int describe_begin(struct page *p, struct call *c, const struct desc *view, const char *set);
/* True: go on. `key` orders the rows. */
bool describe_row(struct page *p, const char *key, const void *row);
/* Whether a row with this key passes pages and filters; for rows that write themselves. */
bool describe_wants(struct page *p, const char *key, const void *row);
int describe_end(struct page *p);

#endif
