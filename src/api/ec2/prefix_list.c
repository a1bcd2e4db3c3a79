/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed prefix lists: create, change, restore, delete.
 *
 * A change of the entries makes a new version: what the list held goes aside as an object of its
 * own, and the list holds the new entries. EC2 answers such calls before it did what they ask
 * ("modify-in-progress") and tells the end in the list's state; here the state has its end value
 * at once, and the answers are EC2's.
 */
#include "api/ec2/prefix_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/actions.h"
#include "api/limits.h"
#include "base/cleanup.h"
#include "base/text.h"

#define NAME_MAX_CHARS 255

static const char *const families[] = {"", "IPv4", "IPv6", NULL};

struct entry_param {
    struct cidr cidr;
    char *description;
};
static const struct field add_fields[] = {
    FIELD(0, FT_CIDR, struct entry_param, cidr, "Cidr", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct entry_param, description, "Description", .max = 255),
};
static const struct desc add_desc = DESC("AddPrefixListEntry", struct entry_param, add_fields);
static const struct field remove_fields[] = {
    FIELD(0, FT_CIDR, struct entry_param, cidr, "Cidr", .flags = FF_REQUIRED),
};
static const struct desc remove_desc =
    DESC("RemovePrefixListEntry", struct entry_param, remove_fields);

static int check_name(struct call *c, const char *name) {
    static const char *const reserved[] = {"com.amazonaws.", "com.amazon.", "com.aws."};

    if (!*name || utf8_count(name) > NAME_MAX_CHARS)
        return call_error(c, "InvalidParameterValue",
                          "The prefix list name must have from 1 to %d characters.",
                          NAME_MAX_CHARS);
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        if (strncasecmp(name, reserved[i], strlen(reserved[i])) == 0)
            return call_error(c, "InvalidParameterValue",
                              "The prefix list name must not begin with %s", reserved[i]);
    return 0;
}

static int check_max(struct call *c, int64_t max) {
    if (max < 1 || max > PREFIX_LIST_ENTRIES_MAX)
        return call_error(c, "InvalidParameterValue", "Must specify a max size between 1 and %d",
                          PREFIX_LIST_ENTRIES_MAX);
    return 0;
}

/* The list's name of the CIDR: without host bits. 0, or an error when it is of the other family. */
static int settle_cidr(struct call *c, const struct prefix_list *pl, const struct cidr *given,
                       struct cidr *ret_cidr) {
    char text[CIDR_TEXT];

    if (given->ip.family != prefix_list_ip_family(pl))
        return call_error(c, "InvalidParameterValue", "The CIDR '%s' is not a valid %s CIDR.",
                          cidr_format(given, text), families[pl->family]);
    *ret_cidr = cidr_mask(given);
    return 0;
}

static int by_cidr(const void *a, const void *b) {
    const struct prefix_entry x = {.cidr = *(const struct cidr *)a};
    const struct prefix_entry y = {.cidr = *(const struct cidr *)b};

    return prefix_entry_cmp(&x, &y);
}

/* No CIDR may stand in a call twice, be it to add or to remove. */
static int check_once(struct call *c, const struct prefix_list *pl, const struct list *add,
                      const struct list *remove) {
    _free_ struct cidr *all = calloc(add->n + remove->n + 1, sizeof(*all));
    char text[CIDR_TEXT];
    size_t n = 0;

    if (!all)
        return call_no_memory(c);
    list_each (struct entry_param, p, *add)
        if (settle_cidr(c, pl, &p->cidr, &all[n++]) < 0)
            return -1;
    list_each (struct entry_param, p, *remove)
        if (settle_cidr(c, pl, &p->cidr, &all[n++]) < 0)
            return -1;
    if (n)
        qsort(all, n, sizeof(*all), by_cidr);
    for (size_t i = 1; i < n; i++)
        if (cidr_equal(&all[i - 1], &all[i]))
            return call_error(c, "InvalidParameterValue",
                              "Request cannot contain Cidr %s more than once in "
                              "AddPrefixListEntries and RemovePrefixListEntries",
                              cidr_format(&all[i], text));
    return 0;
}

static int remove_entry(struct call *c, struct prefix_list *pl, const struct cidr *given) {
    struct cidr cidr = cidr_mask(given);
    struct prefix_entry *e = prefix_entry_find(&pl->entries, &cidr);
    char text[CIDR_TEXT];

    if (!e)
        return call_error(c, "InvalidPrefixListModification",
                          "The entry with the CIDR (%s) does not exist.", cidr_format(&cidr, text));
    desc_clear(&prefix_entry_desc, e);
    list_cut(&pl->entries, sizeof(*e), (uint32_t)(e - (struct prefix_entry *)pl->entries.items));
    return 0;
}

/* Puts an entry at the end, where the caller sorts it from, or gives one a new description. `old`:
 * the entries that are in order. */
static int add_entry(struct call *c, struct prefix_list *pl, const struct list *old,
                     const struct entry_param *p) {
    const char *description = p->description && *p->description ? p->description : NULL;
    struct cidr cidr = cidr_mask(&p->cidr);
    struct prefix_entry *e = prefix_entry_find(old, &cidr);
    char text[CIDR_TEXT];

    if (e && strcmp(e->description ? e->description : "", description ? description : "") == 0)
        return call_error(c, "InvalidPrefixListModification",
                          "An entry with the CIDR (%s) and description (%s) already exists.",
                          cidr_format(&cidr, text), description ? description : "");
    if (!e && pl->entries.n >= pl->max_entries)
        return call_error(c, "PrefixListMaxEntriesExceeded",
                          "You've reached the maximum number of entries for the prefix list.");
    if (!e)
        e = list_add(&pl->entries, sizeof(*e));
    if (!e)
        return call_no_memory(c);
    e->cidr = cidr;
    obj_set(&pl->o, &e->description, description);
    return 0;
}

static int change_entries(struct call *c, struct prefix_list *pl, const struct list *add,
                          const struct list *remove) {
    struct list old;

    if (add->n > PREFIX_LIST_CALL_ENTRIES_MAX || remove->n > PREFIX_LIST_CALL_ENTRIES_MAX)
        return call_error(c, "InvalidParameterValue",
                          "The number of entries per request cannot exceeds limit (%d).",
                          PREFIX_LIST_CALL_ENTRIES_MAX);
    if (check_once(c, pl, add, remove) < 0)
        return -1;
    list_each (struct entry_param, p, *remove)
        if (remove_entry(c, pl, &p->cidr) < 0)
            return -1;
    for (uint32_t i = 0, n = pl->entries.n; i < add->n; i++) {
        old = (struct list){.items = pl->entries.items, .n = n};
        if (add_entry(c, pl, &old, list_at(*add, struct entry_param, i)) < 0)
            return -1;
    }
    if (pl->entries.n)
        qsort(pl->entries.items, pl->entries.n, sizeof(struct prefix_entry), prefix_entry_cmp);
    return 0;
}

/* <prefixList> as EC2 answers before it is done: the version is still the former one. */
static void show_list(struct call *c, const struct prefix_list *pl, int64_t version,
                      const char *state) {
    struct prefix_list shown = *pl;

    shown.version = version;
    shown.state_message = NULL;
    xml_open(&c->xml, "prefixList");
    xml_fields_as(&c->xml, &prefix_list_desc, &c->look, &shown, "state", state);
    xml_close(&c->xml, "prefixList");
}

struct create_list {
    char *name;
    struct list entries;
    int64_t max;
    struct list tag_specifications;
    uint8_t family;
};
static const struct field create_fields[] = {
    FIELD(0, FT_STR, struct create_list, name, "PrefixListName", .flags = FF_REQUIRED),
    FIELD(0, FT_LIST, struct create_list, entries, "Entry", .sub = &add_desc),
    FIELD(0, FT_INT, struct create_list, max, "MaxEntries", .flags = FF_REQUIRED),
    FIELD(0, FT_ENUM, struct create_list, family, "AddressFamily", .flags = FF_REQUIRED,
          .names = families),
    TAG_SPECIFICATIONS(struct create_list),
};
static const struct desc create_desc =
    DESC("CreateManagedPrefixList", struct create_list, create_fields);

static int create_list(struct call *c, const void *params) {
    static const enum kind taggable[] = {KIND_PREFIX_LIST};
    static const struct list none;
    const struct create_list *p = params;
    struct prefix_list *pl;

    if (check_name(c, p->name) < 0 || check_max(c, p->max) < 0 ||
        call_tags_check(c, &p->tag_specifications, taggable, 1) < 0)
        return -1;
    if ((int64_t)index_count_in(c->ix, KIND_PREFIX_LIST, c->scope) >=
        limit_of(c->ix, c->scope.account, LIMIT_PREFIX_LISTS))
        return call_error(c, "PrefixListLimitExceeded",
                          "The maximum number of prefix lists has been reached.");
    pl = call_new(c, KIND_PREFIX_LIST);
    if (!pl || call_tags(c, &p->tag_specifications, pl) < 0)
        return -1;
    obj_set(&pl->o, &pl->name, p->name);
    pl->family = p->family;
    pl->max_entries = p->max;
    pl->version = pl->oldest = 1;
    pl->state = PREFIX_LIST_CREATED;
    if (change_entries(c, pl, &p->entries, &none) < 0)
        return -1;
    txn_put(c->txn, pl);
    show_list(c, pl, 1, "create-in-progress");
    return 0;
}

/* Versions that are too many go, the oldest first; `pl` is being edited. */
static void trim_history(struct call *c, struct prefix_list *pl) {
    int64_t entries = 0, oldest = pl->version;
    char id[ID_MAX + 1];

    for (; oldest > pl->oldest; oldest--) {
        const struct prefix_version *v = index_get(c->ix, KIND_PREFIX_VERSION, c->scope,
                                                   prefix_version_id(pl->o.id, oldest - 1, id));

        entries += v ? (int64_t)v->entries.n : 0;
        if (entries > PREFIX_LIST_HISTORY_MAX || pl->version - oldest >= PREFIX_LIST_VERSIONS_MAX)
            break;
    }
    for (; pl->oldest < oldest; pl->oldest++) {
        const struct prefix_version *v = txn_get(c->txn, KIND_PREFIX_VERSION, c->scope,
                                                 prefix_version_id(pl->o.id, pl->oldest, id));

        if (v)
            txn_delete(c->txn, v);
    }
}

/* The entries that the list has now go aside as those of its version, and the version after it
 * begins. `pl` is being edited and has them still. */
static int begin_version(struct call *c, struct prefix_list *pl) {
    char id[ID_MAX + 1];
    struct prefix_version *v = txn_new(c->txn, KIND_PREFIX_VERSION, c->scope,
                                       prefix_version_id(pl->o.id, pl->version, id));

    if (!v)
        return call_no_memory(c);
    list_each (struct prefix_entry, e, pl->entries) {
        struct prefix_entry *copy = list_add(&v->entries, sizeof(*copy));

        if (!copy || desc_copy(&prefix_entry_desc, copy, e) < 0)
            return call_no_memory(c);
    }
    txn_put(c->txn, v);
    pl->version++;
    trim_history(c, pl);
    return 0;
}

static int check_version(struct call *c, const struct prefix_list *pl, int64_t version) {
    if (version == pl->version)
        return 0;
    return call_error(c, "PrefixListVersionMismatch",
                      "The prefix list has the incorrect version number.");
}

/* 0, also when a resource has no room: then the list's state says so. */
static int change_max(struct call *c, struct prefix_list *pl, int64_t max) {
    _buf_ struct buf ids = BUF_INIT, text = BUF_INIT;

    if (check_max(c, max) < 0)
        return -1;
    if (max < pl->entries.n)
        return call_error(c, "InvalidParameterValue",
                          "The prefix list has %u entries; its maximum number of entries cannot be "
                          "%lld.",
                          pl->entries.n, (long long)max);
    if (max > pl->max_entries)
        prefix_list_no_room(c, pl, max, &ids);
    if (!ids.len) {
        pl->max_entries = max;
        return 0;
    }
    buf_addf(&text, "The following resources do not support the new maximum size: %s",
             buf_str(&ids));
    pl->state = PREFIX_LIST_MODIFY_FAILED;
    obj_set(&pl->o, &pl->state_message, buf_str(&text));
    return 0;
}

struct modify_list {
    char *id;
    struct optint version, max;
    char *name;
    struct list add, remove;
};
#define VERSION_MAX .min = 0, .max = INT64_MAX
static const struct field modify_fields[] = {
    FIELD(0, FT_STR, struct modify_list, id, "PrefixListId", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, struct modify_list, version, "CurrentVersion", VERSION_MAX),
    FIELD(0, FT_STR, struct modify_list, name, "PrefixListName"),
    FIELD(0, FT_LIST, struct modify_list, add, "AddEntry", .sub = &add_desc),
    FIELD(0, FT_LIST, struct modify_list, remove, "RemoveEntry", .sub = &remove_desc),
    FIELD(0, FT_OPTINT, struct modify_list, max, "MaxEntries"),
};
static const struct desc modify_desc =
    DESC("ModifyManagedPrefixList", struct modify_list, modify_fields);

static int modify_list(struct call *c, const void *params) {
    const struct modify_list *p = params;
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, p->id);
    bool entries = p->add.n || p->remove.n;
    struct prefix_list *n;

    if (!pl || (p->version.set && check_version(c, pl, p->version.v) < 0))
        return -1;
    if (entries && p->max.set)
        return call_error(c, "InvalidParameterCombination",
                          "You cannot modify the entries and the maximum entries for the prefix "
                          "list in the same request.");
    if (!entries && !p->max.set && !p->name)
        return call_error(c, "MissingParameter",
                          "The request must contain entries to add or remove, a maximum number of "
                          "entries, or a name.");
    if (p->name && check_name(c, p->name) < 0)
        return -1;
    n = txn_edit(c->txn, pl);
    if (!n)
        return call_no_memory(c);
    n->state = PREFIX_LIST_MODIFIED;
    obj_set(&n->o, &n->state_message, NULL);
    if (entries && (begin_version(c, n) < 0 || change_entries(c, n, &p->add, &p->remove) < 0))
        return -1;
    if (p->max.set && change_max(c, n, p->max.v) < 0)
        return -1;
    if (p->name && n->state == PREFIX_LIST_MODIFIED)
        obj_set(&n->o, &n->name, p->name);
    txn_put(c->txn, n);
    show_list(c, n, pl->version, "modify-in-progress");
    return 0;
}

struct restore_list {
    char *id;
    int64_t previous, current;
};
static const struct field restore_fields[] = {
    FIELD(0, FT_STR, struct restore_list, id, "PrefixListId", .flags = FF_REQUIRED),
    FIELD(0, FT_INT, struct restore_list, previous, "PreviousVersion", VERSION_MAX,
          .flags = FF_REQUIRED),
    FIELD(0, FT_INT, struct restore_list, current, "CurrentVersion", VERSION_MAX,
          .flags = FF_REQUIRED),
};
static const struct desc restore_desc =
    DESC("RestoreManagedPrefixListVersion", struct restore_list, restore_fields);

static int restore_list(struct call *c, const void *params) {
    const struct restore_list *p = params;
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, p->id);
    const struct list *former;
    struct prefix_list *n;

    if (!pl || check_version(c, pl, p->current) < 0)
        return -1;
    former = prefix_list_entries_of(c, pl, p->previous);
    if (!former)
        return -1;
    if (former->n > pl->max_entries)
        return call_error(c, "PrefixListMaxEntriesExceeded",
                          "Version %lld has more entries than the prefix list's maximum.",
                          (long long)p->previous);
    n = txn_edit(c->txn, pl);
    if (!n || begin_version(c, n) < 0)
        return call_no_memory(c);
    desc_clear_list(&prefix_entry_desc, &n->entries);
    list_each (struct prefix_entry, e, *former) {
        struct prefix_entry *copy = list_add(&n->entries, sizeof(*copy));

        if (!copy || desc_copy(&prefix_entry_desc, copy, e) < 0)
            return call_no_memory(c);
    }
    n->state = PREFIX_LIST_RESTORED;
    obj_set(&n->o, &n->state_message, NULL);
    txn_put(c->txn, n);
    show_list(c, n, pl->version, "restore-in-progress");
    return 0;
}

struct list_id {
    char *id;
};
static const struct field delete_fields[] = {
    FIELD(0, FT_STR, struct list_id, id, "PrefixListId", .flags = FF_REQUIRED),
};
static const struct desc delete_desc =
    DESC("DeleteManagedPrefixList", struct list_id, delete_fields);

static int delete_list(struct call *c, const void *params) {
    const struct list_id *p = params;
    const struct prefix_list *pl = call_get(c, KIND_PREFIX_LIST, p->id);
    struct prefix_list *n;
    char id[ID_MAX + 1];

    if (!pl)
        return -1;
    show_list(c, pl, pl->version, "delete-in-progress");
    if (prefix_list_in_use(c, pl)) {
        n = txn_edit(c->txn, pl);
        if (!n)
            return call_no_memory(c);
        n->state = PREFIX_LIST_DELETE_FAILED;
        obj_set(&n->o, &n->state_message,
                "The prefix list is in use. Remove all references to it and try again.");
        txn_put(c->txn, n);
        return 0;
    }
    for (int64_t v = pl->oldest; v < pl->version; v++) {
        const void *former =
            txn_get(c->txn, KIND_PREFIX_VERSION, c->scope, prefix_version_id(pl->o.id, v, id));

        if (former)
            txn_delete(c->txn, former);
    }
    txn_delete(c->txn, pl);
    return 0;
}

static const struct action rows[] = {
    {"CreateManagedPrefixList", &create_desc, create_list, ACT_TOKEN},
    {"DeleteManagedPrefixList", &delete_desc, delete_list},
    {"ModifyManagedPrefixList", &modify_desc, modify_list},
    {"RestoreManagedPrefixListVersion", &restore_desc, restore_list},
};
ACTIONS(prefix_list_actions, rows);
