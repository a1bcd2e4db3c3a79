/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Stages 6 and 9: network ACLs, for packets that cross a subnet's border. Number 0 allows all.
 * Other numbers come with a later issue, and until then refuse: better than to ignore them.
 */
#ifndef VPCD_BPF_ACL_H
#define VPCD_BPF_ACL_H

#include "bpf/packet.h"

static __always_inline int acl_egress(const struct subnet_value *subnet) {
    return subnet->acl_out ? DROP_ACL_EGRESS : 0;
}

static __always_inline int acl_ingress(u32 subnet) {
    struct subnet_key key = {.subnet = subnet};
    struct subnet_value *s = bpf_map_lookup_elem(&subnets, &key);

    if (!s)
        return DROP_NOT_READY;
    return s->acl_in ? DROP_ACL_INGRESS : 0;
}

#endif
