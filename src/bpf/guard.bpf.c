/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tc egress on the host ends: only what the data plane redirected may go out to an ENI, so the host
 * itself (its own neighbour discovery, a stray route, a packet socket) never gets in behind the
 * rules. bpf_redirect_peer does not pass here; bpf_redirect does, and is known by its mark, which
 * ends here.
 *
 * A tap that nobody has open has no carrier. The kernel would throw the packet away in its queue,
 * where nobody counts it.
 */

enum netdev_state_t { __LINK_STATE_NOCARRIER = 2 };

static __always_inline int has_carrier(struct __sk_buff *skb) {
    const struct sk_buff *kernel = (const void *)skb;
    u64 bit = 1ull << bpf_core_enum_value(enum netdev_state_t, __LINK_STATE_NOCARRIER);

    return !(BPF_CORE_READ(kernel, dev, state) & bit);
}

SEC("tc") int guard(struct __sk_buff *skb) {
    if (skb->mark != GUARD_MARK)
        return pkt_drop(DROP_HOST_TO_ENI);
    skb->mark = 0;
    return has_carrier(skb) ? TC_ACT_OK : pkt_drop(DROP_NOT_OPEN);
}
