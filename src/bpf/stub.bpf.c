/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is attached to the devices, and stays when everything else is replaced: a call into the
 * pinned array `progs`. One update of an entry there switches all devices. If there is nothing to
 * call, the packet ends here.
 */

SEC("tc") int stub_eni(struct __sk_buff *skb) {
    bpf_tail_call(skb, &progs, PROG_ENI);
    return pkt_drop(DROP_NOT_READY);
}

SEC("tc") int stub_uplink(struct __sk_buff *skb) {
    bpf_tail_call(skb, &progs, PROG_UPLINK);
    return pkt_drop(DROP_NOT_READY);
}

SEC("tc") int stub_services(struct __sk_buff *skb) {
    bpf_tail_call(skb, &progs, PROG_SERVICES);
    return pkt_drop(DROP_NOT_READY);
}

SEC("tc") int stub_guard(struct __sk_buff *skb) {
    bpf_tail_call(skb, &progs, PROG_GUARD);
    return pkt_drop(DROP_NOT_READY);
}
