/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* tc ingress on the host end of an ENI's veth or tap: all that the ENI sends. */

SEC("tc") int eni(struct __sk_buff *skb) {
    struct port_key port_key = {.ifindex = skb->ifindex};
    struct pkt *p = pkt_get();
    struct port_value *port;
    enum flow_use use;
    int reason;

    if (!p)
        return TC_ACT_SHOT;
    port = bpf_map_lookup_elem(&ports, &port_key);
    if (!port)
        return pkt_drop(DROP_NOT_READY);
    reason = parse(skb, p); /* 1 */
    if (reason && !service_may_be(reason))
        return pkt_drop((u32)reason);
    p->key.eni = port->eni;
    p->vpc = port->vpc;
    if (!mac_equal(p->eth_src.b, port->mac))
        return pkt_refuse(p, DROP_SPOOFED_MAC);
    if (reason) /* 3, what only the link hears */
        return service_enter(skb, (u32)reason);
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
        reason = slow_path(skb, p, use, slow_eni_as); /* 4 to 12 */
        if (reason == TO_SERVICE)                     /* 3 */
            return service_enter(skb, DROP_LINK_LOCAL);
        if (reason)
            return deliver_refused(skb, p, (u32)reason);
    }
    return deliver(skb, p);
}
