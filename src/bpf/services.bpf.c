/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* tc ingress on the data plane's end of the services' veth: answers, and nothing else. */

SEC("tc") int services(struct __sk_buff *skb) {
    struct service_config_value *s = service_config_get();
    struct pkt *p = pkt_get();
    int reason;

    if (!p || !s)
        return TC_ACT_SHOT;
    if (s->ifindex != skb->ifindex)
        return pkt_drop(DROP_NOT_READY);
    reason = parse(skb, p); /* 1 */
    /* What nobody else may say: an answer of DHCP, a router's advertisement. */
    if (reason && reason != DROP_DHCP && reason != DROP_SPOOFED_ARP)
        return pkt_drop(DROP_SERVICE_ANSWER);
    p->key.eni = 0;
    return service_answer(skb);
}
