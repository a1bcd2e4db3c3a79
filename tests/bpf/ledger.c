/* SPDX-License-Identifier: Apache-2.0 */
#include "ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

void ledger_free(struct ledger *l) {
    free(l->lines);
    *l = (struct ledger){0};
}

static bool is_icmp(uint8_t proto) {
    return proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* Headers and sizes as RFC 791, 8200, 9293 and 768 have them; no code in common with the packet
 * path. */
struct line line_of(const uint8_t *frame, size_t len, uint32_t gso_size) {
    struct line l = {.packets = 1};
    const uint8_t *ip = frame + 14, *l4;
    size_t total, header, more;
    bool later = false;

    if (frame[12] == 0x86) {
        l.family = 6;
        l.proto = ip[6];
        total = 40 + (size_t)(ip[4] << 8 | ip[5]);
        l4 = ip + 40;
        memcpy(&l.src, ip + 8, 16);
        memcpy(&l.dst, ip + 24, 16);
    } else {
        l.family = 4;
        l.proto = ip[9];
        total = (size_t)(ip[2] << 8 | ip[3]);
        l4 = ip + (ip[0] & 15) * 4;
        later = (ip[6] & 0x1f) || ip[7];
        memcpy(&l.src, ip + 12, 4);
        memcpy(&l.dst, ip + 16, 4);
    }
    assert_true(total + 14 <= len);
    l.bytes = total;
    if (later)
        return l;
    if (l.proto == IPPROTO_TCP || l.proto == IPPROTO_UDP) {
        memcpy(&l.sport, l4, 2);
        memcpy(&l.dport, l4 + 2, 2);
    }
    if (l.proto == IPPROTO_TCP)
        l.tcp_flags = (l4[13] & 7) | ((l4[13] & SYN) ? l4[13] & ACK : 0);
    if (gso_size) {
        header = (size_t)(l4 - ip) + (l.proto == IPPROTO_TCP ? (size_t)(l4[12] >> 4) * 4 : 8);
        more = total > header ? (total - header - 1) / gso_size : 0;
        l.packets += more;
        l.bytes += more * header;
    }
    return l;
}

void ledger_add(struct ledger *l, uint32_t at, uint8_t place, uint8_t action, struct line line) {
    if (l->n == l->room) {
        l->room = l->room ? l->room * 2 : 1024;
        l->lines = reallocarray(l->lines, l->room, sizeof(*l->lines));
        assert_non_null(l->lines);
    }
    line.at = at;
    line.place = place;
    line.action = action;
    l->lines[l->n++] = line;
}

void ledger_record(struct ledger *l, const struct log_record *r) {
    uint32_t gateway = LOG_GATEWAY_KEY_OF(r->flags >> FLOW_GATEWAY_SHIFT);
    struct line in = {.family = r->key.family,
                      .proto = r->key.proto,
                      .src = r->key.src,
                      .dst = r->key.dst,
                      .sport = r->key.sport,
                      .dport = r->key.dport,
                      .tcp_flags = r->tcp_flags,
                      .packets = r->packets,
                      .bytes = r->bytes},
                out = in;

    if (r->kind == LOG_LOST)
        return;
    assert_true(r->first_ns <= r->last_ns && r->first_ns);
    out.src = r->src;
    out.dst = r->dst;
    out.sport = r->sport;
    out.dport = r->dport;
    out.packets = r->far_packets;
    out.bytes = r->far_bytes;
    if (is_icmp(r->key.proto))
        in.sport = in.dport = out.sport = out.dport = 0;
    if (r->near_action)
        ledger_add(l, r->near, LOG_NEAR, r->near_action, in);
    if (r->far_action)
        ledger_add(l, r->far, LOG_FAR, r->far_action, out);
    if (r->gateway_action)
        ledger_add(l, gateway, LOG_GATEWAY, r->gateway_action, in);
    if (r->gateway_out_action)
        ledger_add(l, gateway, LOG_GATEWAY_OUT, r->gateway_out_action, out);
}

/* All but the sums. */
static int same(const void *x, const void *y) {
    const struct line *a = x, *b = y;

    if (a->at != b->at)
        return a->at < b->at ? -1 : 1;
    return memcmp(&a->place, &b->place,
                  offsetof(struct line, tcp_flags) - offsetof(struct line, place));
}

void ledger_sum(struct ledger *l) {
    size_t kept = 0;

    if (!l->n)
        return;
    qsort(l->lines, l->n, sizeof(*l->lines), same);
    for (size_t i = 1; i < l->n; i++) {
        if (same(&l->lines[kept], &l->lines[i]) == 0) {
            l->lines[kept].packets += l->lines[i].packets;
            l->lines[kept].bytes += l->lines[i].bytes;
            l->lines[kept].tcp_flags |= l->lines[i].tcp_flags;
        } else {
            l->lines[++kept] = l->lines[i];
        }
    }
    l->n = kept + 1;
}

static void print_line(const char *what, const struct line *l) {
    char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
    int family = l->family == 4 ? AF_INET : AF_INET6;

    inet_ntop(family, &l->src, src, sizeof(src));
    inet_ntop(family, &l->dst, dst, sizeof(dst));
    fprintf(
        stderr,
        "%s: at %x place %u action %u proto %u %s:%u > %s:%u packets %llu bytes %llu flags %x\n",
        what, l->at, l->place, l->action, l->proto, src, ntohs(l->sport), dst, ntohs(l->dport),
        (unsigned long long)l->packets, (unsigned long long)l->bytes, l->tcp_flags);
}

void ledger_compare(struct ledger *sent, struct ledger *told, int line) {
    size_t i = 0, j = 0;
    int wrong = 0;

    ledger_sum(sent);
    ledger_sum(told);
    while ((i < sent->n || j < told->n) && wrong < 12) {
        int order = i == sent->n ? 1 : j == told->n ? -1 : same(&sent->lines[i], &told->lines[j]);
        const struct line *s = &sent->lines[i], *t = &told->lines[j];

        if (order == 0 && s->packets == t->packets && s->bytes == t->bytes &&
            s->tcp_flags == t->tcp_flags) {
            i++;
            j++;
            continue;
        }
        wrong++;
        if (order <= 0)
            print_line("sent", &sent->lines[i++]);
        if (order >= 0)
            print_line("told", &told->lines[j++]);
    }
    if (wrong)
        fail_msg("line %d: what was told is not what was sent", line);
}
