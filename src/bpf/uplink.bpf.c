/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* tc ingress on the data plane's end of the uplink: all that the host (the outside) sends. */

SEC("tc") int uplink(struct __sk_buff *skb) {
    struct config_value *c = config_get();
    struct pkt *p = pkt_get();
    enum flow_use use;
    int reason;

    if (!p || !c)
        return TC_ACT_SHOT;
    if (c->uplink_ifindex != skb->ifindex)
        return pkt_drop(DROP_NOT_READY);
    reason = parse(skb, p); /* 1 */
    if (reason)
        return pkt_drop((u32)reason);
    p->key.eni = 0;
    p->vpc = 0;
    if (p->kind == PKT_ARP) /* 2 */
        return arp_answer(skb);
    if (p->kind == PKT_NS)
        return nd_answer(skb);
    if (p->fragment == FRAGMENT_LATER) {
        reason = fragment_follow();
        if (reason)
            return pkt_refuse(p, (u32)reason);
    }
    use = flow_use(p);
    if (use != FLOW_HIT) {
        reason = slow_path(skb, p, use, slow_uplink_as);
        if (reason)
            return deliver_refused(skb, p, (u32)reason);
    }
    return deliver(skb, p);
}
