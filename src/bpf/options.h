/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stage 1 for the options of IPv4: whole, and no source route among them. */
#ifndef VPCD_BPF_OPTIONS_H
#define VPCD_BPF_OPTIONS_H

#include "bpf/packet.h"

#define IPV4_OPTIONS_MAX 40
#define IPV4_OPTION_END 0
#define IPV4_OPTION_NOP 1
#define IPV4_LOOSE_ROUTE 131
#define IPV4_STRICT_ROUTE 137

/* Options: a source route would lead where no rule was asked. */
STAGE int parse_options(struct __sk_buff *skb, u32 len) {
    u32 off = 0;

    for (int i = 0; i < IPV4_OPTIONS_MAX && off < len; i++) {
        u8 type, size;
        if (bpf_skb_load_bytes(skb, ETH_LEN + 20 + off, &type, 1))
            return DROP_TRUNCATED;
        if (type == IPV4_OPTION_END)
            return 0;
        if (type == IPV4_LOOSE_ROUTE || type == IPV4_STRICT_ROUTE)
            return DROP_EXTENSIONS;
        if (type == IPV4_OPTION_NOP) {
            off++;
            continue;
        }
        if (off + 2 > len || bpf_skb_load_bytes(skb, ETH_LEN + 21 + off, &size, 1))
            return DROP_MALFORMED;
        if (size < 2 || off + size > len)
            return DROP_MALFORMED;
        off += size;
    }
    return 0;
}

#endif
