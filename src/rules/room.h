/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Room in the data plane's maps of tables: what each account takes of them, and tables that nobody
 * names any more but that stay for a grace period. Private to the planner.
 *
 * An account is the owner of the VPC. Its tables in force may take ROOM_SHARE of each map, with its
 * retired ones twice that: so a few accounts cannot fill a map, and one that changes its rules all
 * the time cannot either.
 */
#ifndef VPCD_RULES_ROOM_H
#define VPCD_RULES_ROOM_H

#include <bsd/sys/tree.h>

#include "rules/entry.h"

#define ROOM_SHARE 16 /* an account's tables in force: a sixteenth of each map */

/* Entries of each map of tables. */
struct room_count {
    size_t n[ENTRY_SUBNETS];
};

struct room_account {
    RB_ENTRY(room_account) link;
    uint64_t account;
    struct room_count live, retired;
};

struct room_retired {
    RB_ENTRY(room_retired) link;
    uint32_t table;
    struct room_account *of;
    struct entries under; /* written with the number 0 */
};

RB_HEAD(room_accounts, room_account);
RB_HEAD(room_tables, room_retired);

struct room {
    struct room_accounts accounts;
    struct room_tables retired;
    size_t share; /* 0: ROOM_SHARE of the maps; else this many entries of each */
};

void room_init(struct room *r);
void room_free(struct room *r);

void room_add_up(const struct entries *es, struct room_count *ret);
/* Whether the account may have `want` in place of `instead`, which is in force now. */
bool room_fits(const struct room *r, uint64_t account, const struct room_count *want,
               const struct entries *instead);
/* The table is in force; 0 or -ENOMEM. */
int room_take(struct room *r, uint64_t account, const struct entries *es);
/* It is no more, and its entries went elsewhere. */
void room_give(struct room *r, uint64_t account, const struct entries *es);
/* It was in force and waits for its deletion. Takes the entries over. 0 or -ENOMEM. */
int room_retire(struct room *r, uint64_t account, uint32_t table, struct entries *es);

struct room_retired *room_find(const struct room *r, uint32_t table);
void room_drop(struct room *r, struct room_retired *t);

#endif
