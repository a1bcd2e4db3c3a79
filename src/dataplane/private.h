/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this directory share. */
#ifndef VPCD_DATAPLANE_PRIVATE_H
#define VPCD_DATAPLANE_PRIVATE_H

#include "abi/flow_log.h"
#include "dataplane/dataplane.h"
#include "dataplane/view.h"

struct vpcd_bpf; /* the skeleton */

struct dataplane {
    struct vpcd_bpf *skel;
    struct vpcd_bpf *dry; /* NULL until the first dataplane_try */
    char *pin_dir;
    int fds[DATAPLANE_MAPS];
};

/* One row a map: its name in the object (`section`, where it is one of variables), and the layout
 * that its pin's name carries. */
struct dataplane_map_row {
    const char *name;
    uint32_t layout;
    uint32_t key_size, value_size; /* of one entry, as the agent sees it */
    const char *section;
};
extern const struct dataplane_map_row dataplane_maps[DATAPLANE_MAPS];

#define PIN_PATH 512
/* "DIR/NAME_vLAYOUT"; -ENAMETOOLONG. */
int pin_path(const char *dir, const char *name, uint32_t layout, char ret_path[PIN_PATH]);

/* Runs a program that walks a table, outside of any device. Its packet's first bytes are `ret`. */
int run_walk(int prog, uint32_t ret[2]);

/* What flow_log.c needs of the skeleton. */
struct log_state *dataplane_log_state(struct dataplane *dp);
int dataplane_log_tell(struct dataplane *dp, uint32_t *ret_done);
int dataplane_log_lost(struct dataplane *dp);

/* dataplane_view_flows on a map's descriptor. */
int flows_each(int flows, dataplane_flow_fn *each, void *arg);

/* Makes `dir` on a BPF file system, mounting /sys/fs/bpf if need be; `err` says what is missing. */
int pin_dir_make(const char *dir, struct buf *err);
/* Removes pins that no map of this build has. */
int pin_dir_clean(const char *dir);

#endif
