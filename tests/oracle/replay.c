/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One packet socket hears every device of the peers' namespace, in order of arrival. The kernel
 * queues what a veth receives on the CPU that sent it, first in, first out; we stay on one CPU
 * meanwhile. So a frame through a pair of devices of its own, the fence, arrives behind all that
 * was queued when it was sent. A redirected packet may be queued once more behind a first fence,
 * never behind a second: "nothing else arrives" needs no waiting.
 */
#include "replay.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>
#include <linux/virtio_net.h>

#include "judge.h"

#define BOUND 5.0 /* seconds: for a fence, and for the event that tells a packet's fate */

struct replay_counts replay_counts;

static int sock = -1;

/* What arrived; of the first, all. */
struct arrivals {
    unsigned n;
    int ifindex; /* where */
    unsigned char type;
    bool elsewhere; /* another arrived at another device */
    struct virtio_net_hdr offload;
    size_t len;
    uint8_t frame[RIG_FRAME];
};

static void must(int r, const char *what) {
    if (r >= 0)
        return;
    fprintf(stderr, "replay.c: %s: %s\n", what, strerror(errno));
    abort();
}

static void option(int name) {
    int on = 1;

    must(setsockopt(sock, SOL_PACKET, name, &on, sizeof(on)), "setsockopt");
}

void replay_open(struct rig *g) {
    struct sockaddr_ll all = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};

    must(setns(g->peers_ns, CLONE_NEWNET), "setns");
    sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(sock, "packet socket");
    option(PACKET_VNET_HDR);
    option(PACKET_IGNORE_OUTGOING);
    must(bind(sock, (struct sockaddr *)&all, sizeof(all)), "bind");
    must(setns(g->own_ns, CLONE_NEWNET), "setns");
}

void replay_close(void) {
    close(sock);
}

static void transmit(uint32_t ifindex, const struct virtio_net_hdr *offload, const void *frame,
                     size_t len) {
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6, .sll_ifindex = (int)ifindex};
    struct iovec parts[] = {{(void *)(uintptr_t)offload, sizeof(*offload)},
                            {(void *)(uintptr_t)frame, len}};
    struct msghdr m = {
        .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 2};

    must(sendmsg(sock, &m, 0) < 0 ? -1 : 0, "send");
}

/* Notes the next arrival; true: it is the fence. */
static bool receive(struct rig *g, struct arrivals *a) {
    static uint8_t frame[RIG_FRAME];
    struct pollfd ready = {.fd = sock, .events = POLLIN};
    struct virtio_net_hdr offload;
    struct sockaddr_ll from;
    struct iovec parts[] = {{&offload, sizeof(offload)}, {frame, sizeof(frame)}};
    struct msghdr m = {
        .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = parts, .msg_iovlen = 2};
    ssize_t n;

    if (poll(&ready, 1, (int)(BOUND * 1000)) != 1) {
        fprintf(stderr, "replay.c: a fence did not arrive\n");
        abort();
    }
    n = recvmsg(sock, &m, 0);
    must(n < (ssize_t)sizeof(offload) ? -1 : 0, "receive");
    if (from.sll_ifindex == (int)g->fence_peer)
        return true;
    if (a->n++ == 0) {
        a->ifindex = from.sll_ifindex;
        a->type = from.sll_pkttype;
        a->offload = offload;
        a->len = (size_t)n - sizeof(offload);
        memcpy(a->frame, frame, a->len);
    }
    a->elsewhere |= from.sll_ifindex != a->ifindex;
    return false;
}

/* All that was on its way has arrived. */
static void fence(struct rig *g, struct arrivals *a) {
    static const uint8_t frame[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

    for (int i = 0; i < 2; i++) {
        transmit(g->fence, &(struct virtio_net_hdr){0}, frame, sizeof(frame));
        while (!receive(g, a))
            ;
    }
}

static unsigned sum_at(const struct packet *k) {
    return k->proto == IPPROTO_TCP ? 16 : 6;
}

/* Leaves in the checksum's place the sum of the pseudo header, as a stack does for its device. */
static struct virtio_net_hdr make_partial(struct packet *k) {
    const uint8_t *ip = k->data + k->l3;
    bool v4 = ip[0] >> 4 == 4;
    uint8_t *at = k->data + k->l4 + sum_at(k);
    uint32_t rest = k->proto + (uint32_t)(k->len - k->l4);
    uint16_t sum = (uint16_t)~checksum(ip + (v4 ? 12 : 8), v4 ? 8 : 32, rest);

    at[0] = (uint8_t)(sum >> 8);
    at[1] = (uint8_t)sum;
    return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                   .csum_start = (uint16_t)k->l4,
                                   .csum_offset = (uint16_t)sum_at(k)};
}

/* What a device does with such a packet. */
static const char *complete(struct arrivals *a, const struct packet *k) {
    size_t start = a->offload.csum_start, at = start + a->offload.csum_offset;
    uint16_t sum;

    if (!(a->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
        return NULL;
    if (start != k->l4 || at != k->l4 + sum_at(k) || at + 2 > a->len)
        return "place of the checksum to compute";
    sum = checksum(a->frame + start, a->len - start, 0);
    if (!sum)
        sum = 0xffff;
    a->frame[at] = (uint8_t)(sum >> 8);
    a->frame[at + 1] = (uint8_t)sum;
    return NULL;
}

/* Of the two frames, what may differ: the checksum, which has two zeroes, and what a NAT gateway
 * chose anew. */
static void blank(uint8_t *frame, const struct packet *k, bool translated) {
    bool icmp = k->proto == IPPROTO_ICMP;

    if (translated)
        memset(frame + k->l4 + (icmp ? 4 : 0), 0, 2);
    memset(frame + k->l4 + (icmp ? 2 : sum_at(k)), 0, 2);
}

static bool same_bytes(const struct rig_outcome *o, const struct rig_outcome *dry,
                       const struct packet *k, bool partial, bool translated) {
    static uint8_t one[RIG_FRAME], other[RIG_FRAME];

    if (o->len != dry->len)
        return false;
    memcpy(one, o->frame, o->len);
    memcpy(other, dry->frame, o->len);
    if (partial || translated) {
        blank(one, k, translated);
        blank(other, k, translated);
    }
    return memcmp(one, other, o->len) == 0;
}

static uint32_t peer_of(struct rig *g, const struct network_interface *eni) {
    const struct rig_port *port = eni ? rig_port(g, eni->o.id) : NULL;

    return !eni ? g->uplink_peer : port ? port->peer : 0;
}

bool replay_can(struct rig *g, const struct oracle_packet *p) {
    return peer_of(g, p->from) != 0;
}

static const char *refusal_differs(struct rig *g, const struct oracle_packet *p,
                                   const struct oracle_verdict *v, const struct rig_outcome *o,
                                   const struct arrivals *a) {
    /* Of these two an interface is told. */
    bool told = p->from && (v->reason == DROP_TOO_BIG || v->reason == DROP_NAT_RESET);

    if (o->counted != 1)
        return o->counted ? "sent for real: count of drops"
               : a->n     ? "sent for real: accepted"
                          : "sent for real: not counted";
    if (o->reason != v->reason)
        return "sent for real: reason";
    if (told ? a->n > 1 || (a->n && a->ifindex != (int)peer_of(g, p->from)) : a->n != 0)
        return "sent for real: dropped, but something arrived";
    return NULL;
}

static const char *arrival_differs(struct rig *g, const struct oracle_verdict *v,
                                   const struct rig_outcome *o, const struct arrivals *a) {
    uint32_t to = v->service ? g->services_peer : peer_of(g, v->to);

    if (o->counted)
        return "sent for real: dropped";
    if (!a->n)
        return "sent for real: it arrived nowhere";
    if (a->ifindex != (int)to || a->elsewhere)
        return "sent for real: it arrived elsewhere";
    if (a->n != 1)
        return "sent for real: it arrived more than once";
    /* Who receives it takes it for its own. The uplink's device has a MAC of its own here. */
    if (to != g->uplink_peer && a->type != PACKET_HOST)
        return "sent for real: packet type";
    return NULL;
}

static const char *judge(struct rig *g, const struct oracle_packet *p,
                         const struct oracle_verdict *v, const struct packet *k,
                         const struct rig_outcome *dry, bool partial, bool begins,
                         struct rig_outcome *o, struct arrivals *a) {
    const char *what;

    if (!v->accepted)
        return refusal_differs(g, p, v, o, a);
    what = arrival_differs(g, v, o, a);
    if (!what)
        what = complete(a, k);
    if (what)
        return what;
    o->accepted = true;
    o->len = a->len;
    memcpy(o->frame, a->frame, a->len);
    rig_flow(g, p->from, k->data, o);
    what = v->service ? question_differs(p, v, o) : delivery_differs(p, v, o, begins);
    if (!what && !same_bytes(o, dry, k, partial, is_translated(v->gateway)))
        what = "sent for real: not the bytes of the test run";
    return what;
}

const char *replay(struct rig *g, const struct oracle_packet *p, const struct oracle_verdict *v,
                   const struct packet *k, const struct rig_outcome *dry, bool partial, bool begins,
                   struct rig_outcome *ret) {
    static struct arrivals a;
    struct virtio_net_hdr offload = {0};
    struct packet sent = *k;
    double start = now();
    cpu_set_t before, one;
    const char *what;

    memset(&a, 0, offsetof(struct arrivals, frame));
    ret->accepted = ret->flow = false;
    ret->reason = ret->counted = 0;
    must(sched_getaffinity(0, sizeof(before), &before), "affinity");
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    must(sched_setaffinity(0, sizeof(one), &one), "affinity");
    rig_before(g, p->from);
    if (partial)
        offload = make_partial(&sent);
    transmit(peer_of(g, p->from), &offload, sent.data, sent.len);
    /* It arrives or is counted, and then whatever else there is arrives. */
    do {
        fence(g, &a);
        rig_drops(g, ret);
    } while (!a.n && !ret->counted && now() < start + BOUND);
    fence(g, &a);
    rig_drops(g, ret);
    must(sched_setaffinity(0, sizeof(before), &before), "affinity");
    what = judge(g, p, v, k, dry, partial, begins, ret, &a);
    replay_counts.delivered += v->accepted;
    replay_counts.refused += !v->accepted;
    replay_counts.partial += v->accepted && partial;
    replay_counts.seconds += now() - start;
    return what;
}
