/* SPDX-License-Identifier: Apache-2.0 */
#include "model/prefix_list.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/regions.h"
#include "model/vpc.h"

uint8_t prefix_list_ip_family(const struct prefix_list *pl) {
    return pl->family == PREFIX_LIST_IPV6 ? IP_V6 : IP_V4;
}

int prefix_entry_cmp(const void *a, const void *b) {
    const struct cidr *x = &((const struct prefix_entry *)a)->cidr;
    const struct cidr *y = &((const struct prefix_entry *)b)->cidr;
    int order = ip_cmp(&x->ip, &y->ip);

    return order ? order : (x->len > y->len) - (x->len < y->len);
}

struct prefix_entry *prefix_entry_find(const struct list *entries, const struct cidr *cidr) {
    const struct prefix_entry key = {.cidr = *cidr};

    if (!entries->n)
        return NULL;
    return bsearch(&key, entries->items, entries->n, sizeof(key), prefix_entry_cmp);
}

char *prefix_version_id(const char *list_id, int64_t version, char *out) {
    snprintf(out, ID_MAX + 1, "%s/%010lld", list_id, (long long)version);
    return out;
}

static bool get_arn(const struct look *look, const void *obj, struct buf *out) {
    const struct obj *o = obj;

    buf_addf(out, "arn:aws:ec2:%s:%012llu:prefix-list/%s", region_name(o->scope.region),
             (unsigned long long)o->scope.account, o->id);
    return true;
}

static const struct field entry_fields[] = {
    FIELD(1, FT_CIDR, struct prefix_entry, cidr, "cidr"),
    FIELD(2, FT_STR, struct prefix_entry, description, "description"),
};
const struct desc prefix_entry_desc = DESC_STORED("entry", struct prefix_entry, entry_fields);

static const char *const families[] = {"", "IPv4", "IPv6", NULL};
static const char *const states[] = {
    "",  "create-complete", "modify-complete", "restore-complete", "modify-failed", "delete-failed",
    NULL};

static const struct field prefix_list_fields[] = {
    {.type = FT_GET, .wire = "prefixListId", .filter = "prefix-list-id", .get = get_id},
    FIELD(2, FT_ENUM, struct prefix_list, family, "addressFamily", .names = families),
    FIELD(5, FT_ENUM, struct prefix_list, state, "state", .names = states),
    FIELD(9, FT_STR, struct prefix_list, state_message, "stateMessage"),
    {.type = FT_GET, .wire = "prefixListArn", .get = get_arn},
    FIELD(PREFIX_LIST_BY_NAME, FT_STR, struct prefix_list, name, "prefixListName",
          .filter = "prefix-list-name", .flags = FF_INDEXED),
    FIELD(3, FT_INT, struct prefix_list, max_entries, "maxEntries"),
    FIELD(4, FT_INT, struct prefix_list, version, "version"),
    FIELD(6, FT_LIST, struct prefix_list, entries, NULL, .sub = &prefix_entry_desc),
    FIELD(7, FT_INT, struct prefix_list, oldest, NULL),
    FIELD(8, FT_LIST, struct prefix_list, tags, "tagSet", .filter = "", .sub = &tag_desc),
    {.type = FT_GET, .wire = "ownerId", .filter = "owner-id", .get = get_owner_id},
};
const struct desc prefix_list_desc =
    DESC_STORED("prefix list", struct prefix_list, prefix_list_fields);

static const struct field prefix_version_fields[] = {
    FIELD(1, FT_LIST, struct prefix_version, entries, NULL, .sub = &prefix_entry_desc),
};
const struct desc prefix_version_desc =
    DESC_STORED("prefix list version", struct prefix_version, prefix_version_fields);
