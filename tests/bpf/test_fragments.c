/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of datagrams, in order, out of it, overlapping, too small, of others. The world:
 * standard.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "standard.h"

static uint32_t next_id = 1;

static struct packet whole(const struct world_eni *e, const char *src, const char *dst,
                           uint8_t proto, uint16_t dport) {
    struct packet k;

    packet_eth(&k, world_router_mac, e ? e->mac : world_host_mac,
               strchr(dst, ':') ? ETH_P_IPV6 : ETH_P_IP);
    packet_ip(&k, src, dst, proto);
    if (proto == IPPROTO_TCP)
        packet_tcp(&k, 4000, dport, SYN, 2000);
    else if (proto == IPPROTO_UDP)
        packet_udp(&k, 4000, dport, 2000);
    else
        packet_icmp(&k, strchr(dst, ':') ? 128 : 8, 0, dport, 2000);
    for (size_t i = k.len - 2000; i < k.len; i++)
        k.data[i] = (uint8_t)(i * 7);
    packet_finish(&k);
    return k;
}

/* `len` bytes from `at` of what follows the IP header. */
static struct packet piece(const struct packet *k, size_t at, size_t len, bool more, uint32_t id) {
    bool v6 = k->data[12] == 0x86;
    size_t head = v6 ? 54u : 34u;
    struct packet f = {.l3 = 14, .l4 = head, .proto = 0xfe};
    uint16_t place = (uint16_t)(v6 ? at | more : at / 8 | (more ? 0x2000u : 0));

    memcpy(f.data, k->data, head);
    f.len = head;
    if (v6) {
        uint8_t header[8] = {k->data[20], 0, (uint8_t)(place >> 8), (uint8_t)place};
        memcpy(header + 4, &id, 4);
        packet_bytes(&f, header, 8);
        f.data[20] = 44;
    } else {
        memcpy(f.data + 18, &id, 2);
        f.data[20] = (uint8_t)(place >> 8);
        f.data[21] = (uint8_t)place;
    }
    packet_bytes(&f, k->data + head + at, len);
    packet_finish(&f);
    return f;
}

struct way {
    const struct world_eni *from;
    const char *src, *dst;
    const char *seen_src, *seen_dst;
};

static const struct way ways[] = {
    {&a, "10.0.1.4", "10.0.1.5", "10.0.1.4", "10.0.1.5"},
    {&a, "fd00:0:0:1::4", "fd00:0:0:1::5", "fd00:0:0:1::4", "fd00:0:0:1::5"},
    {&a, "10.0.1.4", "10.0.2.4", "10.0.1.4", "10.0.2.4"},
    {&a, "10.0.1.4", "203.0.113.1", "203.0.113.10", "203.0.113.1"},
    {&a, "10.0.1.4", "203.0.113.11", "203.0.113.10", "10.0.2.4"},
    {NULL, "203.0.113.1", "203.0.113.11", "203.0.113.1", "10.0.2.4"},
    {&c, "2001:db8:ff00:2::4", "2001:db8:ff00::1", "2001:db8:ff00:2::4", "2001:db8:ff00::1"},
};

/* A datagram in three pieces arrives as it was sent, translated, and its checksum is right. */
static void test_in_order(void **state) {
    static const uint8_t protocols[] = {IPPROTO_UDP, IPPROTO_TCP, 1};

    for (size_t i = 0; i < ARRAY_SIZE(ways) * 3; i++) {
        const struct way *y = &ways[i / 3];
        bool v6 = strchr(y->dst, ':');
        uint8_t proto = protocols[i % 3] == 1 && v6 ? IPPROTO_ICMPV6 : protocols[i % 3];
        struct packet k = whole(y->from, y->src, y->dst, proto, 80), got = {0};
        size_t total = k.len - k.l4, at[] = {0, 800, 1600, total};
        uint32_t id = next_id++;
        char text[IP_TEXT];

        for (int n = 0; n < 3; n++) {
            struct packet f = piece(&k, at[n], at[n + 1] - at[n], n < 2, id);
            size_t head = v6 ? 62 : 34;
            struct outcome out;
            struct ip src, dst;
            world_send(&w, y->from, &f, &out);
            if (out.reason != DROP_NONE)
                fail_msg("way %zu protocol %u piece %d: %s", i / 3, proto, n,
                         drop_name(out.reason));
            src = packet_src(out.data);
            dst = packet_dst(out.data);
            assert_string_equal(ip_format(&src, text), y->seen_src);
            assert_string_equal(ip_format(&dst, text), y->seen_dst);
            if (!v6)
                assert_int_equal(checksum(out.data + 14, 20, 0), 0);
            if (n == 0) { /* the whole again, to look at its sum */
                packet_bytes(&got, out.data, 14 + (v6 ? 40u : 20u));
                got.data[v6 ? 20 : 23] = proto;
            }
            packet_bytes(&got, out.data + head, out.len - head);
        }
        if (v6) {
            got.data[18] = (uint8_t)(total >> 8);
            got.data[19] = (uint8_t)total;
        } else {
            got.data[16] = (uint8_t)((total + 20) >> 8);
            got.data[17] = (uint8_t)(total + 20);
            got.data[20] = got.data[21] = got.data[24] = got.data[25] = 0;
            uint16_t sum = checksum(got.data + 14, 20, 0);
            got.data[24] = (uint8_t)(sum >> 8);
            got.data[25] = (uint8_t)sum;
        }
        assert_int_equal(got.len, k.len);
        assert_null(packet_checksums(got.data, got.len));
    }
}

static struct packet the_whole(bool v6) {
    return v6 ? whole(&a, "fd00:0:0:1::4", "fd00:0:0:1::5", IPPROTO_UDP, 81)
              : whole(&a, "10.0.1.4", "10.0.1.5", IPPROTO_UDP, 81);
}

#define send(e, k, at, len, more, id, reason)                                                      \
    do {                                                                                           \
        struct packet piece_ = piece(k, at, len, more, id);                                        \
        expect_at(&w, e, &piece_, reason, NULL, __LINE__);                                         \
    } while (0)

/* Which sequences are refused, and what becomes of the rest. */
static void test_order(void **state) {
    for (int v6 = 0; v6 < 2; v6++) {
        struct packet k = the_whole(v6);
        uint32_t id = next_id++;

        /* A later one without its first, or before it. */
        send(&a, &k, 800, 800, true, id, DROP_FRAGMENT_LATE);
        send(&a, &k, 0, 800, true, id, DROP_NONE);
        send(&a, &k, 800, 800, true, id, DROP_NONE);
        /* After the last nothing follows, and what is complete is over. */
        send(&a, &k, 1600, 408, false, id, DROP_NONE);
        send(&a, &k, 1600, 408, false, id, DROP_FRAGMENT_LATE);
        /* One that is missing does not stop those behind it; it comes too late itself, and ends
         * all. */
        id = next_id++;
        send(&a, &k, 0, 800, true, id, DROP_NONE);
        send(&a, &k, 1200, 400, true, id, DROP_NONE);
        send(&a, &k, 800, 400, true, id, DROP_FRAGMENT);
        send(&a, &k, 1600, 408, false, id, DROP_FRAGMENT_LATE);
        /* Overlaps: the header again, by one unit, within; all that follows is refused. */
        for (size_t at = 8; at < 800; at += 264) {
            id = next_id++;
            send(&a, &k, 0, 800, true, id, DROP_NONE);
            send(&a, &k, at, 800, true, id, DROP_FRAGMENT);
            send(&a, &k, 800, 800, true, id, DROP_FRAGMENT_LATE);
        }
        /* Another last one. */
        id = next_id++;
        send(&a, &k, 0, 800, true, id, DROP_NONE);
        send(&a, &k, 1200, 408, false, id, DROP_NONE);
        send(&a, &k, 1608, 8, false, id, DROP_FRAGMENT);
        /* Sizes: no multiple of 8, nothing, beyond the end of the largest datagram. */
        id = next_id++;
        send(&a, &k, 0, 801, true, id, DROP_FRAGMENT);
        send(&a, &k, 0, 0, true, id, DROP_FRAGMENT);
        send(&a, &k, 0, 800, true, id, DROP_NONE);
        struct packet far = piece(&k, 0, 800, false, id);
        far.data[v6 ? 56 : 20] = v6 ? 0xff : 0x1f;
        far.data[v6 ? 57 : 21] = v6 ? 0xf8 : 0xff;
        packet_finish(&far);
        expect_drop(&w, &a, &far, DROP_FRAGMENT);
    }
}

/* The first one has the whole transport header, or is none. */
static void test_tiny(void **state) {
    for (int v6 = 0; v6 < 2; v6++) {
        const char *src = v6 ? "fd00:0:0:1::4" : "10.0.1.4";
        const char *dst = v6 ? "fd00:0:0:1::5" : "10.0.1.5";
        struct packet k = whole(&a, src, dst, IPPROTO_TCP, 82);
        uint32_t id = next_id++;

        send(&a, &k, 0, 8, true, id, DROP_FRAGMENT);
        send(&a, &k, 0, 16, true, id, DROP_FRAGMENT);
        if (!v6) /* RFC 1858: an offset of one unit lies in TCP's header */
            send(&a, &k, 8, 16, true, id, DROP_FRAGMENT);
        send(&a, &k, 0, 24, true, id, DROP_NONE);
        k.data[k.l4 + 12] = 15 << 4; /* a header of 60 bytes */
        send(&a, &k, 0, 56, true, next_id++, DROP_FRAGMENT);
        send(&a, &k, 0, 64, true, next_id++, DROP_NONE);
    }
    /* Neighbour discovery does not come in pieces (RFC 6980). */
    struct packet ns, f;
    packet_ns(&ns, a.mac, "fd00:0:0:1::4", "fd00:0:0:1::5");
    f = piece(&ns, 0, 24, true, next_id++);
    expect_drop(&w, &a, &f, DROP_ND_INVALID);
    /* A fragment header around a whole packet changes nothing (RFC 6946). */
    struct packet k = the_whole(true);
    send(&a, &k, 0, k.len - k.l4, false, next_id++, DROP_NONE);
}

/* Only what came in there, between these addresses, with this number and protocol. */
static void test_not_others(void **state) {
    struct packet k = the_whole(false), other;
    uint32_t id = next_id++;

    send(&a, &k, 0, 800, true, id, DROP_NONE);
    send(&a, &k, 800, 800, true, id + 1000, DROP_FRAGMENT_LATE);
    other = whole(&a, "10.0.1.4", "10.0.2.4", IPPROTO_UDP, 81);
    send(&a, &other, 800, 800, true, id, DROP_FRAGMENT_LATE);
    other = whole(&a, "10.0.1.4", "10.0.1.5", IPPROTO_TCP, 81);
    send(&a, &other, 800, 800, true, id, DROP_FRAGMENT_LATE);
    /* Another interface that may send from any address. */
    struct eni_value v = world_eni_get(&w, &b), before = v;
    v.flags &= ~(uint32_t)ENI_SRC_DST_CHECK;
    world_eni_put(&w, &b, &v);
    other = whole(&b, "10.0.1.4", "10.0.2.4", IPPROTO_UDP, 81);
    send(&a, &other, 0, 800, true, id, DROP_SPOOFED_MAC);
    struct packet mine = whole(&a, "10.0.1.4", "10.0.2.4", IPPROTO_UDP, 81);
    send(&a, &mine, 0, 800, true, id, DROP_NONE);
    send(&b, &other, 800, 800, true, id, DROP_FRAGMENT_LATE);
    send(&a, &mine, 800, 800, true, id, DROP_NONE);
    world_eni_put(&w, &b, &before);
    send(&a, &k, 800, 800, true, id, DROP_NONE);
    next_id += 2000;
}

/* What the rules refuse leaves nothing behind, and a later one is asked again. */
static void test_rules(void **state) {
    const struct world_rule some[] = {{DIR_INGRESS, 4, IPPROTO_UDP, 81, 81, "0.0.0.0/0", 0}};
    struct packet k = the_whole(false), no = whole(&a, "10.0.1.4", "10.0.1.5", IPPROTO_UDP, 83);
    uint32_t id = next_id++;

    world_rules(&w, &b, some, 1);
    world_bump(&w, 1, false, true);
    send(&a, &no, 0, 800, true, id, DROP_GROUP_INGRESS);
    send(&a, &no, 800, 800, true, id, DROP_FRAGMENT_LATE);
    send(&a, &k, 0, 800, true, id, DROP_NONE);
    send(&a, &no, 0, 800, true, id, DROP_GROUP_INGRESS); /* the same number, another port */
    send(&a, &k, 800, 800, true, id, DROP_NONE);
    standard_open_all(&b);
    world_bump(&w, 1, false, true);
}

/* One that begins more than there are places for loses its own; its neighbour does not. */
static void test_places(void **state) {
    struct packet k = the_whole(false), mine = whole(&c, "10.0.2.4", "10.0.1.5", IPPROTO_UDP, 81);
    uint32_t id = next_id++;
    struct outcome out;
    unsigned lost = 0;

    send(&c, &mine, 0, 800, true, id, DROP_NONE);
    for (uint32_t i = 0; i < 1000; i++)
        send(&a, &k, 0, 800, true, 20000 + i, DROP_NONE);
    for (uint32_t i = 0; i < 1000; i++) {
        struct packet later = piece(&k, 800, 800, true, 20000 + i);
        world_send(&w, &a, &later, &out);
        lost += out.reason == DROP_FRAGMENT_LATE;
    }
    assert_true(lost >= 1000 - FRAGMENTS_PER_ENI && lost < 1000);
    send(&c, &mine, 800, 800, true, id, DROP_NONE);
}

/* A /80 has addresses without number: whoever has it has no more places than others, so that nobody
 * outside fills the table by asking all of them. */
static void test_places_of_a_prefix(void **state) {
    const struct ip net = packet_dst(standard_udp(NULL, HOST6, "2001:db8:ff00:2:7::", 1, 2).data);
    struct addr_key key = {.vpc = 1, .family = ADDR_PREFIX6, .addr = world_abi(&net)};
    struct public_key public_key = {.family = ADDR_PREFIX6, .addr = key.addr};
    struct addr_value v = {.eni = c.number};
    struct public_value public_value = {.vpc = 1, .eni = c.number};
    unsigned passed = 0;

    assert_int_equal(dataplane_put(w.dp, DATAPLANE_ADDRS, &key, &v), 0);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_PUBLICS, &public_key, &public_value), 0);
    for (int later = 0; later < 2; later++) {
        for (unsigned i = 0; i < 4 * FRAGMENTS_PER_ENI; i++) {
            struct packet k, f;
            struct outcome out;
            char dst[64];

            snprintf(dst, sizeof dst, "2001:db8:ff00:2:7::%x", i + 1);
            k = whole(NULL, HOST6, dst, IPPROTO_UDP, 81);
            f = piece(&k, later ? 800 : 0, 800, true, 30000);
            world_send(&w, NULL, &f, &out);
            assert_true(later || out.reason == DROP_NONE);
            passed += later && out.reason == DROP_NONE;
        }
    }
    assert_in_range(passed, 1, FRAGMENTS_PER_ENI);
}

/* Its segments would be fragments that nobody looked at. */
static void test_no_segments(void **state) {
    static const char *const ends[][2] = {{"10.0.1.4", "10.0.1.5"},
                                          {"fd00:0:0:1::4", "fd00:0:0:1::5"}};
    struct outcome out;

    for (size_t i = 0; i < ARRAY_SIZE(ends) * 2; i++) {
        struct packet k = whole(&a, ends[i / 2][0], ends[i / 2][1], IPPROTO_TCP, 81);
        struct packet f = piece(&k, i % 2 ? 800 : 0, 800, true, next_id);

        world_send_gso(&w, &a, &f, 400, &out);
        assert_int_equal(out.reason, DROP_MALFORMED);
        /* Nor bytes behind the packet's end, which would be in them. */
        world_send_gso(&w, &a, &k, 400, &out);
        assert_int_equal(out.reason, DROP_NONE);
        packet_bytes(&k, "hidden", 6);
        world_send_gso(&w, &a, &k, 400, &out);
        assert_int_equal(out.reason, DROP_MALFORMED);
    }
}

static int setup(void **state) {
    int r = standard_setup(state);
    struct config_value v;
    uint32_t zero = 0;

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    v.flags = CONFIG_HOST_OPEN;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    return r;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_not_others),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_places_of_a_prefix),
        cmocka_unit_test(test_no_segments),
    };

    return cmocka_run_group_tests(tests, setup, standard_teardown);
}
