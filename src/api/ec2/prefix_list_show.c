/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed prefix lists: what there is. AWS's own lists (com.amazonaws.REGION.s3, ...) hold the
 * addresses of AWS's services; none of these is reachable here without leaving the cloud, so there
 * are no such lists, and DescribePrefixLists, which shows only these, shows none.
 */
#include <stdio.h>
#include <string.h>

#include "api/actions.h"
#include "api/ec2/prefix_list.h"

DESCRIBE_PARAMS(describe_params, "PrefixListId");

static int describe_managed(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(
        c, &(struct describe){.kind = KIND_PREFIX_LIST, .ids = &p->ids, .set = "prefixListSet"});
}

/* What the filters of DescribePrefixLists may name. */
struct service_list {
    char *id, *name;
};
static const struct field service_fields[] = {
    FIELD(0, FT_STR, struct service_list, id, "prefixListId", .filter = "prefix-list-id"),
    FIELD(0, FT_STR, struct service_list, name, "prefixListName", .filter = "prefix-list-name"),
};
static const struct desc service_desc =
    DESC("service prefix list", struct service_list, service_fields);

static int describe_services(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    struct page page;
    int r;

    list_each (char *, id, p->ids)
        return call_error(c,
                          strncmp(*id, "pl-", 3) ? "InvalidPrefixListId.Malformed"
                                                 : "InvalidPrefixListID.NotFound",
                          "The prefix list ID '%.128s' does not exist", *id);
    r = describe_begin(&page, c, &service_desc, "prefixListSet");
    return r < 0 ? r : describe_end(&page);
}

const struct list *prefix_list_entries_of(struct call *c, const struct prefix_list *pl,
                                          int64_t version) {
    const struct prefix_version *v = NULL;
    char id[ID_MAX + 1];

    if (version == pl->version)
        return &pl->entries;
    if (version >= pl->oldest && version < pl->version)
        v = txn_get(c->txn, KIND_PREFIX_VERSION, c->scope,
                    prefix_version_id(pl->o.id, version, id));
    if (!v) {
        call_error(c, "InvalidParameterValue",
                   "The prefix list '%s' does not have the version %lld.", pl->o.id,
                   (long long)version);
        return NULL;
    }
    return &v->entries;
}

struct entries_params {
    char *id;
    struct optint version;
};
static const struct field entries_fields[] = {
    FIELD(0, FT_STR, struct entries_params, id, "PrefixListId", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, struct entries_params, version, "TargetVersion", .min = 0,
          .max = INT64_MAX),
};
static const struct desc entries_desc =
    DESC("GetManagedPrefixListEntries", struct entries_params, entries_fields);

/* An entry's key in pages: its bytes as hexadecimal digits stand in the order of the entries. */
static char *entry_key(const struct prefix_entry *e, char out[64]) {
    size_t n = e->cidr.ip.family == IP_V4 ? 4 : 16, at = 0;

    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(out + at, 64 - at, "%02x", e->cidr.ip.b[i]);
    snprintf(out + at, 64 - at, "/%03u", e->cidr.len);
    return out;
}

static int get_entries(struct call *c, const void *params) {
    const struct entries_params *p = params;
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, p->id);
    const struct list *entries;
    struct page page;
    char key[64];
    int r;

    entries =
        pl ? prefix_list_entries_of(c, pl, p->version.set ? p->version.v : pl->version) : NULL;
    if (!entries)
        return -1;
    r = describe_begin(&page, c, &prefix_entry_desc, "entrySet");
    if (r < 0)
        return r;
    list_each (struct prefix_entry, e, *entries)
        if (!describe_row(&page, entry_key(e, key), e))
            break;
    return describe_end(&page);
}

static bool get_resource_id(const struct look *look, const void *obj, struct buf *out) {
    buf_adds(out, ((const struct obj *)obj)->id);
    return true;
}

static const struct field association_fields[] = {
    {.type = FT_GET, .wire = "resourceId", .get = get_resource_id},
    {.type = FT_GET, .wire = "resourceOwner", .get = get_owner_id},
};
static const struct desc association_desc = DESC("association", struct obj, association_fields);

static const struct field associations_fields[] = {
    FIELD(0, FT_STR, struct one_id, id, "PrefixListId", .flags = FF_REQUIRED),
};
static const struct desc associations_desc =
    DESC("GetManagedPrefixListAssociations", struct one_id, associations_fields);

/* In the order of their ids: rtb-... stand before sg-... */
static int get_associations(struct call *c, const void *params) {
    const struct one_id *p = params;
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, p->id);
    const struct obj *last = NULL;
    struct page page;
    struct cursor cur;
    int r;

    if (!pl)
        return -1;
    r = describe_begin(&page, c, &association_desc, "prefixListAssociationSet");
    if (r < 0)
        return r;
    for (int i = 0; i < 2; i++) {
        enum kind k = i ? KIND_SECURITY_GROUP : KIND_ROUTE_TABLE;
        uint16_t field = i ? SG_BY_PREFIX_LIST : RTB_BY_PREFIX_LIST;
        bool more = cursor_by_in(c->ix, &cur, k, field, pl->o.id, c->scope, NULL);

        for (; more && !page.stop; more = cursor_next(&cur)) {
            if (cur.obj != last)
                describe_row(&page, ((const struct obj *)cur.obj)->id, cur.obj);
            last = cur.obj;
        }
    }
    return describe_end(&page);
}

static const struct action rows[] = {
    {"DescribeManagedPrefixLists", &describe_params, describe_managed, ACT_FILTERS, "prefixListSet",
     .page_min = 1, .page_max = 100},
    {"DescribePrefixLists", &describe_params, describe_services, ACT_FILTERS, "prefixListSet"},
    {"GetManagedPrefixListAssociations", &associations_desc, get_associations, ACT_PAGES,
     "prefixListAssociationSet", .page_min = 5, .page_max = 255},
    {"GetManagedPrefixListEntries", &entries_desc, get_entries, ACT_PAGES, "entrySet",
     .page_min = 1, .page_max = 100},
};
ACTIONS(prefix_list_show_actions, rows);
