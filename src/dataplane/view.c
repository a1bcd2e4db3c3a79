/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/cleanup.h"
#include "dataplane/private.h"

#define BATCH 4096u
#define BATCH_MAX (1u << 20) /* a single bucket never holds more */

struct dataplane_view {
    int flows, enis;
};

static int open_map(const char *pin_dir, const char *name, uint32_t layout) {
    LIBBPF_OPTS(bpf_obj_get_opts, opts, .file_flags = BPF_F_RDONLY);
    char path[PIN_PATH];
    int r = pin_path(pin_dir, name, layout, path);

    if (r < 0)
        return r;
    r = bpf_obj_get_opts(path, &opts);
    return r < 0 ? -errno : r;
}

int dataplane_view_open(const char *pin_dir, struct dataplane_view **ret_view) {
    struct dataplane_view *v = calloc(1, sizeof(*v));
    int r;

    if (!v)
        return -ENOMEM;
    v->enis = -1;
    r = v->flows = open_map(pin_dir, "flows", FLOW_LAYOUT);
    if (r >= 0)
        r = v->enis = open_map(pin_dir, "enis", MAPS_LAYOUT);
    if (r < 0) {
        dataplane_view_close(v);
        return r;
    }
    *ret_view = v;
    return 0;
}

void dataplane_view_close(struct dataplane_view *v) {
    if (!v)
        return;
    if (v->flows >= 0)
        close(v->flows);
    if (v->enis >= 0)
        close(v->enis);
    free(v);
}

int flows_each(int flows, dataplane_flow_fn *each, void *arg) {
    _free_ struct flow_key *keys = NULL;
    _free_ struct flow_value *values = NULL;
    uint32_t room = 0, at = 0, next = 0, n;
    bool begun = false;
    int r = -ENOSPC;

    for (;;) {
        if (r == -ENOSPC) { /* a bucket with more than there was room for */
            room = room ? room * 2 : BATCH;
            free(keys);
            free(values);
            keys = calloc(room, sizeof(*keys));
            values = calloc(room, sizeof(*values));
            if (!keys || !values || room > BATCH_MAX)
                return -ENOMEM;
        }
        n = room;
        r = bpf_map_lookup_batch(flows, begun ? &at : NULL, &next, keys, values, &n, NULL) < 0
                ? -errno
                : 0;
        if (r == -ENOSPC)
            continue;
        if (r < 0 && r != -ENOENT)
            return r;
        for (uint32_t i = 0; i < n; i++) {
            int stop = each(&keys[i], &values[i], arg);

            if (stop)
                return stop;
        }
        if (r == -ENOENT) /* the end */
            return 0;
        begun = true;
        at = next;
    }
}

int dataplane_view_flows(struct dataplane_view *v, dataplane_flow_fn *each, void *arg) {
    return flows_each(v->flows, each, arg);
}

int dataplane_view_flow(struct dataplane_view *v, const struct flow_key *key,
                        struct flow_value *ret_value) {
    return bpf_map_lookup_elem(v->flows, key, ret_value) < 0 ? -errno : 0;
}

int dataplane_view_eni(struct dataplane_view *v, __u32 number, struct eni_value *ret_value) {
    struct eni_key key = {.eni = number};

    return bpf_map_lookup_elem(v->enis, &key, ret_value) < 0 ? -errno : 0;
}
