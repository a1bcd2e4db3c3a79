/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Managed prefix lists (EC2 API reference, ManagedPrefixList): named sets of CIDRs of one family,
 * which rules of security groups and routes name.
 *
 * The object holds the entries that count now. Those of each former version are an object of their
 * own, which only the API reads: a list changes often and its history is long.
 */
#ifndef VPCD_MODEL_PREFIX_LIST_H
#define VPCD_MODEL_PREFIX_LIST_H

#include "model/object.h"

struct prefix_entry {
    struct cidr cidr; /* canonical, of the list's family */
    char *description;
    struct blob unknown;
};

/* What was last done with it. Nothing takes time here, but some calls fail as EC2's do: they answer
 * that the work began, and the state tells that it could not be done, and why. */
enum prefix_list_state {
    PREFIX_LIST_CREATED = 1,
    PREFIX_LIST_MODIFIED = 2,
    PREFIX_LIST_RESTORED = 3,
    PREFIX_LIST_MODIFY_FAILED = 4, /* a resource has no room for the new maximum size */
    PREFIX_LIST_DELETE_FAILED = 5, /* still in use */
};

struct prefix_list {
    struct obj o;
    char *name;
    uint8_t family;      /* enum prefix_list_family */
    int64_t max_entries; /* 1 to 1,000: what a reference counts in groups and route tables */
    int64_t version;     /* 1 when created; one more with each change of the entries */
    uint8_t state;       /* enum prefix_list_state */
    char *state_message; /* why it failed, or NULL */
    struct list entries; /* struct prefix_entry, ordered by ip_cmp, then length; no CIDR twice */
    int64_t oldest;      /* first version whose entries are still kept */
    struct list tags;
    struct blob unknown;
};

enum prefix_list_family {
    PREFIX_LIST_IPV4 = 1,
    PREFIX_LIST_IPV6 = 2,
};

/* The entries of a former version. Id: LIST/VERSION, as prefix_version_id writes it. */
struct prefix_version {
    struct obj o;
    struct list entries; /* as above */
    struct blob unknown;
};

enum {
    PREFIX_LIST_BY_NAME = 1,
};

extern const struct desc prefix_list_desc, prefix_version_desc, prefix_entry_desc;

/* The family of its CIDRs: IP_V4 or IP_V6. */
uint8_t prefix_list_ip_family(const struct prefix_list *pl);
/* The entry with this CIDR, or NULL. */
struct prefix_entry *prefix_entry_find(const struct list *entries, const struct cidr *cidr);
/* The order of entries, for qsort and bsearch. */
int prefix_entry_cmp(const void *a, const void *b);
/* The version with ten digits, so that a walk passes them in order; `out` holds ID_MAX + 1. */
char *prefix_version_id(const char *list_id, int64_t version, char *out);

#endif
