/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data plane as an onlooker sees it: the pinned maps of a directory, read and never written,
 * whether an agent lives or not. Functions return 0 or -errno.
 */
#ifndef VPCD_DATAPLANE_VIEW_H
#define VPCD_DATAPLANE_VIEW_H

#include <stddef.h>

#include "abi/maps.h"

struct dataplane_view;

/* -ENOENT: there is none, or one of another layout; -EPERM: only root may look. */
int dataplane_view_open(const char *pin_dir, struct dataplane_view **ret_view);
void dataplane_view_close(struct dataplane_view *view); /* NULL is fine */

/* Every entry of the flow table, two a flow, until `each` returns other than 0 (then returned).
 * Entries that come or go meanwhile may be missed. About 0.3 s for a million. */
typedef int dataplane_flow_fn(const struct flow_key *key, const struct flow_value *value,
                              void *arg);
int dataplane_view_flows(struct dataplane_view *view, dataplane_flow_fn *each, void *arg);

/* -ENOENT: no such flow, no such interface. */
int dataplane_view_flow(struct dataplane_view *view, const struct flow_key *key,
                        struct flow_value *ret_value);
int dataplane_view_eni(struct dataplane_view *view, __u32 number, struct eni_value *ret_value);

#endif
