/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a virtual machine sends and sees at its tap, byte by byte: checksums that it leaves to its
 * device, packets to be segmented, and all that the data plane translates or makes.
 *
 *   the test, as machine t --- tap4  10.0.1.7, 203.0.113.12    (virtio headers, no offload towards
 * it) the test, as machine u --- tap5  10.0.2.7, 203.0.113.13 the test, as the host  --- uplinkp (a
 * packet socket), its other end is the uplink
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "base/cleanup.h"
#include "world.h"

#define HOST "203.0.113.1"

static struct world w;
static struct world_eni t, u;
static int tap_t = -1, tap_u = -1, up = -1;

static int tap_make(const char *name, struct world_eni *e, uint32_t number, uint32_t subnet) {
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    struct dataplane_port port = {.kind = LINK_TAP, .eni = number, .vpc = 1};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return -1;
    strcpy(ifr.ifr_name, name);
    assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
    world_run("ip link set %s mtu 9001 up", name);
    *e = world_eni(&w, number, 1, subnet, if_nametoindex(name));
    port.ifindex = e->ifindex;
    memcpy(port.mac, e->mac, 6);
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    return fd;
}

static int setup(void **state) {
    static const struct world_rule all[] = {{DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
                                            {DIR_EGRESS, 6, -1, -1, -1, "::/0", 0},
                                            {DIR_INGRESS, 4, IPPROTO_UDP, -1, -1, "0.0.0.0/0", 0},
                                            {DIR_INGRESS, 4, IPPROTO_TCP, -1, -1, "0.0.0.0/0", 0}};
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    struct config_value v;
    uint32_t zero = 0;

    world_open(&w);
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", NULL, 100);
    world_subnet(&w, 2, 1, "10.0.2.0/24", NULL, 100);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    tap_t = tap_make("tap4", &t, 4, 1);
    if (tap_t < 0) {
        printf("SKIP: no taps here\n");
        exit(77);
    }
    tap_u = tap_make("tap5", &u, 5, 2);
    world_addr(&w, &t, "10.0.1.7", "203.0.113.12");
    world_addr(&w, &u, "10.0.2.7", "203.0.113.13");
    world_rules(&w, &t, all, 2);
    world_rules(&w, &u, all, 4);
    world_run("ip link set uplinkp address 02:00:00:00:02:02; ethtool -K %s tx off >/dev/null",
              "uplink");
    assert_int_equal(dataplane_attach_uplink(w.dp, w.uplink), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    v.flags = CONFIG_HOST_OPEN;
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_CONFIG, &zero, &v), 0);
    up = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
    at.sll_ifindex = (int)if_nametoindex("uplinkp");
    assert_int_equal(bind(up, (struct sockaddr *)&at, sizeof at), 0);
    return 0;
}

static int teardown(void **state) {
    close(tap_t);
    close(tap_u);
    close(up);
    world_close(&w);
    return 0;
}

/* The next IPv4 frame that comes out there; its length. */
static size_t next_frame(int fd, bool virtio, uint8_t *frame, size_t size) {
    for (int i = 0; i < 100; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        uint8_t raw[12000];
        size_t skip = virtio ? sizeof(struct virtio_net_hdr) : 0;
        ssize_t n;
        if (poll(&p, 1, 3000) <= 0)
            break;
        struct sockaddr_ll from = {0};
        socklen_t len = sizeof from;
        n = virtio ? read(fd, raw, sizeof raw)
                   : recvfrom(fd, raw, sizeof raw, 0, (struct sockaddr *)&from, &len);
        if (n < (ssize_t)skip + 34 || from.sll_pkttype == PACKET_OUTGOING ||
            raw[skip + 12] != 0x08 || raw[skip + 13] != 0x00)
            continue;
        if (virtio && (raw[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM))
            fail_msg("a tap without offload was left a checksum to compute");
        assert_true((size_t)n - skip <= size);
        memcpy(frame, raw + skip, (size_t)n - skip);
        return (size_t)n - skip;
    }
    fail_msg("nothing came");
    return 0;
}

/* False: the kernel refuses such a header itself. */
static bool tap_try(int fd, const struct virtio_net_hdr *h, const struct packet *k) {
    uint8_t raw[sizeof *h + PACKET_MAX];

    memcpy(raw, h, sizeof *h);
    memcpy(raw + sizeof *h, k->data, k->len);
    return write(fd, raw, sizeof *h + k->len) == (ssize_t)(sizeof *h + k->len);
}

static void tap_write(int fd, const struct virtio_net_hdr *h, const struct packet *k) {
    assert_true(tap_try(fd, h, k));
}

static struct packet datagram(const char *dst, uint8_t proto, size_t payload, bool dont) {
    struct packet k;

    packet_eth(&k, world_router_mac, t.mac, ETH_P_IP);
    packet_ip(&k, "10.0.1.7", dst, proto);
    if (proto == IPPROTO_TCP)
        packet_tcp(&k, 5000, 80, SYN, payload);
    else
        packet_udp(&k, 5000, 80, payload);
    for (size_t i = k.len - payload; i < k.len; i++)
        k.data[i] = (uint8_t)(i * 11);
    k.data[20] = dont ? 0x40 : 0;
    packet_finish(&k);
    return k;
}

/* As a machine with offload leaves it: the field holds the pseudo header's sum. */
static struct virtio_net_hdr partial(struct packet *k) {
    struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                               .csum_start = (uint16_t)k->l4,
                               .csum_offset = k->proto == IPPROTO_TCP ? 16 : 6};
    size_t len = k->len - k->l4;
    uint8_t tail[4] = {0, k->proto, (uint8_t)(len >> 8), (uint8_t)len};
    uint16_t sum = (uint16_t)~checksum(tail, 4, (uint16_t)~checksum(k->data + 26, 8, 0));

    k->data[k->l4 + h.csum_offset] = (uint8_t)(sum >> 8);
    k->data[k->l4 + h.csum_offset + 1] = (uint8_t)sum;
    return h;
}

static void assert_whole(const uint8_t *frame, size_t len, const char *src, const char *dst) {
    struct ip s = packet_src(frame), d = packet_dst(frame);
    char text[IP_TEXT];

    assert_string_equal(ip_format(&s, text), src);
    assert_string_equal(ip_format(&d, text), dst);
    const char *wrong = packet_checksums(frame, len);
    if (wrong)
        fail_msg("%s checksum", wrong);
}

/* A sum left to the device is right wherever it comes out: at another tap, by two translations,
 * outside. */
static void test_left_to_the_device(void **state) {
    static const struct {
        const char *dst, *seen_src, *seen_dst;
    } rows[] = {{"10.0.2.7", "10.0.1.7", "10.0.2.7"},
                {"203.0.113.13", "203.0.113.12", "10.0.2.7"},
                {HOST, "203.0.113.12", HOST}};
    uint8_t frame[4096];

    for (size_t i = 0; i < ARRAY_SIZE(rows) * 4; i++) {
        struct packet k = datagram(rows[i / 4].dst, i % 2 ? IPPROTO_TCP : IPPROTO_UDP,
                                   i % 4 < 2 ? 99 : 1400, true);
        struct virtio_net_hdr h = partial(&k);
        bool out = rows[i / 4].dst[0] == '2' && strcmp(rows[i / 4].dst, HOST) == 0;
        tap_write(tap_t, &h, &k);
        size_t n = next_frame(out ? up : tap_u, !out, frame, sizeof frame);
        assert_int_equal(n, k.len);
        assert_whole(frame, n, rows[i / 4].seen_src, rows[i / 4].seen_dst);
    }
}

/* The same of a datagram that is cut at the gateway. */
static void test_cut(void **state) {
    for (int offload = 0; offload < 2; offload++) {
        struct packet k = datagram(HOST, IPPROTO_UDP, 3500, false), got = k;
        struct virtio_net_hdr h = {0};
        size_t at = 0;

        if (offload)
            h = partial(&k);
        tap_write(tap_t, &h, &k);
        while (at < 3508) {
            uint8_t frame[2048];
            size_t n = next_frame(up, false, frame, sizeof frame);
            unsigned place = (unsigned)(frame[20] << 8 | frame[21]);
            assert_true(n <= 1514 && checksum(frame + 14, 20, 0) == 0);
            assert_int_equal((place & 0x1fff) * 8, at);
            assert_int_equal(place & 0x2000, at + n - 34 < 3508 ? 0x2000 : 0);
            memcpy(got.data + 26, frame + 26, 8);
            memcpy(got.data + 34 + at, frame + 34, n - 34);
            at += n - 34;
        }
        assert_int_equal(at, 3508);
        got.data[24] = got.data[25] = 0;
        uint16_t sum = checksum(got.data + 14, 20, 0);
        got.data[24] = (uint8_t)(sum >> 8);
        got.data[25] = (uint8_t)sum;
        assert_whole(got.data, got.len, "203.0.113.12", HOST);
    }
}

/* "Fragmentation needed", about a whole packet, one with its sum missing, one of many segments. */
static void test_told(void **state) {
    for (int how = 0; how < 3; how++) {
        struct packet k = datagram(HOST, IPPROTO_TCP, 3600, true);
        struct virtio_net_hdr h = {0};
        uint8_t frame[2048];

        k.data[k.l4 + 13] = ACK;
        packet_finish(&k);
        if (how)
            h = partial(&k);
        if (how == 2) {
            h.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
            h.gso_size = 1800;
            h.hdr_len = 54;
        }
        tap_write(tap_t, &h, &k);
        size_t n = next_frame(tap_t, true, frame, sizeof frame);
        assert_int_equal(n, 14 + 576);
        assert_whole(frame, n, "10.0.1.1", "10.0.1.7");
        assert_int_equal(frame[34] << 8 | frame[35], 3 << 8 | 4);
        assert_int_equal(frame[40] << 8 | frame[41], 1500);
        assert_memory_equal(frame + 42, k.data + 14, 548);
    }
}

/* An error from outside about what the machine sent, with all of it quoted: translated to the last
 * sum. */
static void test_error(void **state) {
    struct packet k = datagram(HOST, IPPROTO_UDP, 60, true), error;
    struct virtio_net_hdr h = partial(&k);
    uint8_t frame[2048], inside[2048] = {0};

    tap_write(tap_t, &h, &k);
    size_t n = next_frame(up, false, frame, sizeof frame);
    packet_eth(&error, world_router_mac, world_host_mac, ETH_P_IP);
    packet_ip(&error, HOST, "203.0.113.12", IPPROTO_ICMP);
    packet_bytes(&error, (uint8_t[8]){3, 3}, 8);
    packet_bytes(&error, frame + 14, n - 14);
    packet_finish(&error);
    assert_int_equal(send(up, error.data, error.len, 0), error.len);
    n = next_frame(tap_t, true, frame, sizeof frame);
    assert_whole(frame, n, HOST, "10.0.1.7");
    memcpy(inside + 14, frame + 42, n - 42);
    assert_whole(inside, n - 28, "10.0.1.7", HOST);
}

static uint64_t drops_of(unsigned reason) {
    uint64_t packets[DROP_SLOTS];

    assert_int_equal(dataplane_drops(w.dp, packets), 0);
    return packets[reason];
}

/* A sum that would be written over what is judged, or over a part of the packet that it does not
 * cover. */
static void test_sums_that_go_astray(void **state) {
    static const struct {
        uint16_t start, offset;
        bool passes;
    } rows[] = {
        {34, 6, true},   {34, 0, false},  {34, 2, false}, {34, 4, false},
        {14, 12, false}, {14, 16, false}, {0, 6, false},  {26, 14, false},
        {40, 0, false},  {42, 0, true}, /* inside */
    };
    uint8_t frame[2048];

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct packet k = datagram("10.0.2.7", IPPROTO_UDP, 60, true);
        struct virtio_net_hdr h = partial(&k);
        uint64_t before = drops_of(DROP_MALFORMED);

        h.csum_start = rows[i].start;
        h.csum_offset = rows[i].offset;
        if (!tap_try(tap_t, &h, &k)) {
            assert_false(rows[i].passes);
            continue;
        }
        if (rows[i].passes)
            next_frame(tap_u, true, frame, sizeof frame);
        assert_int_equal(drops_of(DROP_MALFORMED) - before, !rows[i].passes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_left_to_the_device),
                                       cmocka_unit_test(test_cut), cmocka_unit_test(test_told),
                                       cmocka_unit_test(test_error),
                                       cmocka_unit_test(test_sums_that_go_astray)};

    return cmocka_run_group_tests(tests, setup, teardown);
}
