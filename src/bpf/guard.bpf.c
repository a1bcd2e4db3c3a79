/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * tc egress on the host ends: only what the data plane redirected may go out to an ENI, so the host
 * itself (its own neighbour discovery, a stray route, a packet socket) never gets in behind the
 * rules. bpf_redirect_peer does not pass here; bpf_redirect does, and is known by its mark, which
 * ends here.
 */

SEC("tc") int guard(struct __sk_buff *skb) {
    if (skb->mark != GUARD_MARK)
        return pkt_drop(DROP_HOST_TO_ENI);
    skb->mark = 0;
    return TC_ACT_OK;
}
