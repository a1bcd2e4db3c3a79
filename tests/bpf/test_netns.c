/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real packets between namespaces, to be sure of what PROG_TEST_RUN cannot show: that redirected
 * packets arrive, that checksums hold where nobody offloads them, that the host cannot get in.
 *
 *   namespace "host" (the test's own; programs are attached here)
 *     upd ---- uph 203.0.113.1/24       the uplink, both ends here
 *     eni1     eni2     eni3
 *      |        |        |
 *   [ns a]   [ns b]   [ns c]            each a namespace, eth0 inside, ethtool -K tx off
 *   10.0.1.4 10.0.1.5 10.0.2.4  (fd00::1:4, fd00::1:5, fd00::2:4 as /112), a also 203.0.113.10
 *
 * and a tap, which the test itself holds: t 10.0.1.7, 203.0.113.12
 *
 * Groups: all out; in: TCP 80, UDP 53 and ICMP from 10.0.0.0/8; c: nothing in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "world.h"

static struct world w;
static struct world_eni a, b, c;
static int host_ns, ns[3];

static void enter(int fd) {
    assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

/* A namespace kept by its descriptor. */
static int make_ns(void) {
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    enter(host_ns);
    return fd;
}

static uint32_t make_device(int i, const char *mac, const char *v4, const char *router,
                            const char *v6) {
    char name[16];

    snprintf(name, sizeof name, "eni%d", i + 1);
    world_run(
        "ip link add %s mtu 9001 type veth peer name eth0 mtu 9001 address %s netns /proc/%d/fd/%d",
        name, mac, (int)getpid(), ns[i]);
    world_run("ip link set %s up", name);
    uint32_t ifindex = if_nametoindex(name);
    enter(ns[i]);
    world_run("echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    world_run("ip link set lo up; ip link set eth0 up; ip addr add %s dev eth0", v4);
    world_run("ip route add default via %s", router);
    world_run("ip addr add %s dev eth0; ip -6 route add default via fe80::1 dev eth0", v6);
    world_run("ethtool -K eth0 tx off tso off gso off >/dev/null 2>&1 || true");
    enter(host_ns);
    return ifindex;
}

static int setup(void **state) {
    static const struct world_rule out4 = {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
                                   out6 = {DIR_EGRESS, 6, -1, -1, -1, "::/0", 0};
    const struct world_rule in[] = {
        out4,
        out6,
        {DIR_INGRESS, 4, IPPROTO_TCP, 80, 80, "0.0.0.0/0", 0},
        {DIR_INGRESS, 4, IPPROTO_UDP, 53, 53, "10.0.0.0/8", 0},
        {DIR_INGRESS, 4, IPPROTO_ICMP, -1, -1, "0.0.0.0/0", 0},
        {DIR_INGRESS, 6, IPPROTO_TCP, 80, 80, "fd00::/16", 0},
        {DIR_INGRESS, 6, IPPROTO_ICMPV6, -1, -1, "fd00::/16", 0},
    };
    struct uplink_port_key port = {IPPROTO_TCP, 8080};
    struct uplink_port_value allowed = {1};
    struct config_value config;
    uint32_t zero = 0;

    world_open(&w);
    host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        ns[i] = make_ns();
    world_vpc(&w, 1);
    world_subnet(&w, 1, 1, "10.0.1.0/24", "fd00::1:0/112", 100);
    world_subnet(&w, 2, 1, "10.0.2.0/24", "fd00::2:0/112", 100);
    world_route(&w, 100, "10.0.0.0/16", ROUTE_LOCAL, 0);
    world_route(&w, 100, "fd00::/96", ROUTE_LOCAL, 0);
    world_route(&w, 100, "0.0.0.0/0", ROUTE_IGW, 1);
    a = world_eni(
        &w, 1, 1, 1,
        make_device(0, "02:00:00:00:00:01", "10.0.1.4/24", "10.0.1.1", "fd00::1:4/112 nodad"));
    b = world_eni(&w, 2, 1, 1,
                  make_device(1, "02:00:00:00:00:02", "10.0.1.5/24", "10.0.1.1", "fd00::1:5/112"));
    c = world_eni(
        &w, 3, 1, 2,
        make_device(2, "02:00:00:00:00:03", "10.0.2.4/24", "10.0.2.1", "fd00::2:4/112 nodad"));
    world_addr(&w, &a, "10.0.1.4", "203.0.113.10");
    world_addr(&w, &b, "10.0.1.5", NULL);
    world_addr(&w, &c, "10.0.2.4", NULL);
    world_addr(&w, &a, "fd00::1:4", NULL);
    world_addr(&w, &b, "fd00::1:5", NULL);
    world_addr(&w, &c, "fd00::2:4", NULL);
    world_rules(&w, &a, in, ARRAY_SIZE(in));
    world_rules(&w, &b, in, ARRAY_SIZE(in));
    world_rules(&w, &c, in, 2);

    world_run(
        "ip link set uplinkp address 02:00:00:00:02:02 && ip addr add 203.0.113.1/24 dev uplinkp");
    world_run("ethtool -K uplinkp tx off tso off gso off >/dev/null 2>&1 || true");
    assert_int_equal(dataplane_attach_uplink(w.dp, w.uplink), 0);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_UPLINK_PORTS, &port, &allowed), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_CONFIG, &zero, &config), 0);
    assert_int_equal(config.uplink_ifindex, w.uplink);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

/* A socket that belongs to a namespace; used from anywhere. */
static int socket_in(int ns_fd, int family, int type) {
    enter(ns_fd);
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    enter(host_ns);
    assert_true(fd >= 0);
    return fd;
}

struct endpoint {
    struct sockaddr_storage sa;
    socklen_t len;
};

static struct endpoint endpoint(const char *addr, uint16_t port) {
    struct endpoint e = {0};

    if (strchr(addr, ':')) {
        struct sockaddr_in6 *s = (struct sockaddr_in6 *)&e.sa;
        *s = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        assert_int_equal(inet_pton(AF_INET6, addr, &s->sin6_addr), 1);
        e.len = sizeof *s;
    } else {
        struct sockaddr_in *s = (struct sockaddr_in *)&e.sa;
        *s = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        assert_int_equal(inet_pton(AF_INET, addr, &s->sin_addr), 1);
        e.len = sizeof *s;
    }
    return e;
}

static int listener(int ns_fd, const char *addr, uint16_t port) {
    struct endpoint e = endpoint(addr, port);
    int fd = socket_in(ns_fd, e.sa.ss_family, SOCK_STREAM), one = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    /* A new IPv6 address is tentative until nobody answered for it. */
    for (int64_t end = time_ms() + 5000; bind(fd, (struct sockaddr *)&e.sa, e.len) < 0;) {
        assert_true(errno == EADDRNOTAVAIL && time_ms() < end);
        poll(NULL, 0, 10);
    }
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static bool ready(int fd, short events, int ms) {
    struct pollfd p = {.fd = fd, .events = events};

    return poll(&p, 1, ms) == 1;
}

/* Connects, and sends `bytes` through; -1: no answer within `ms`. */
static int transfer(int from_ns, const char *addr, uint16_t port, int listen_fd, size_t bytes,
                    int ms) {
    struct endpoint e = endpoint(addr, port);
    _close_ int fd = socket_in(from_ns, e.sa.ss_family, SOCK_STREAM), accepted = -1;
    static uint8_t data[65536], got[65536];
    size_t sent = 0, received = 0;

    (void)connect(fd, (struct sockaddr *)&e.sa, e.len);
    if (!ready(listen_fd, POLLIN, ms))
        return -1;
    accepted = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    assert_true(accepted >= 0);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    while (received < bytes) {
        struct pollfd p[2] = {{.fd = fd, .events = sent < bytes ? POLLOUT : 0},
                              {.fd = accepted, .events = POLLIN}};
        if (poll(p, 2, 5000) <= 0)
            return -1;
        if (p[0].revents & POLLOUT) {
            size_t at = sent % sizeof data;
            ssize_t n = send(fd, data + at, sizeof data - at, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        if (p[1].revents & POLLIN) {
            ssize_t n = recv(accepted, got, sizeof got, 0);
            if (n <= 0)
                return -1;
            for (size_t i = 0; i < (size_t)n; i++)
                assert_int_equal(got[i], data[(received + i) % sizeof data]);
            received += (size_t)n;
        }
    }
    return 0;
}

static uint64_t drops_of(unsigned reason) {
    uint64_t packets[DROP_SLOTS];

    assert_int_equal(dataplane_drops(w.dp, packets), 0);
    return packets[reason];
}

static void test_local(void **state) {
    _close_ int in_b = listener(ns[1], "10.0.1.5", 80), in_b6 = listener(ns[1], "fd00::1:5", 80);

    assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 1 << 20, 5000), 0); /* same subnet */
    assert_int_equal(transfer(ns[2], "10.0.1.5", 80, in_b, 1 << 20, 5000), 0); /* by the router */
    assert_int_equal(transfer(ns[0], "fd00::1:5", 80, in_b6, 1 << 20, 5000), 0);
    assert_int_equal(transfer(ns[2], "fd00::1:5", 80, in_b6, 1 << 20, 5000), 0);
}

static void test_refused(void **state) {
    _close_ int in_c = listener(ns[2], "10.0.2.4", 80), in_b = listener(ns[1], "10.0.1.5", 81);
    uint64_t before = drops_of(DROP_GROUP_INGRESS);

    assert_int_equal(transfer(ns[0], "10.0.2.4", 80, in_c, 1, 300), -1);
    assert_int_equal(transfer(ns[0], "10.0.1.5", 81, in_b, 1, 300), -1);
    assert_true(drops_of(DROP_GROUP_INGRESS) >= before + 2);
}

/* Through the gateway, in and out, checksums of both directions looked at by the receivers. */
static void test_internet(void **state) {
    _close_ int host = listener(host_ns, "203.0.113.1", 8080),
                closed = listener(host_ns, "203.0.113.1", 8081),
                in_a = listener(ns[0], "10.0.1.4", 80);
    uint64_t before = drops_of(DROP_UPLINK_PORT);

    assert_int_equal(transfer(ns[0], "203.0.113.1", 8080, host, 1 << 20, 5000), 0);
    assert_int_equal(transfer(ns[0], "203.0.113.1", 8081, closed, 1, 300), -1);
    assert_true(drops_of(DROP_UPLINK_PORT) > before);
    assert_int_equal(transfer(host_ns, "203.0.113.10", 80, in_a, 1 << 20, 5000), 0);
    before = drops_of(DROP_NO_PUBLIC);
    assert_int_equal(transfer(ns[1], "203.0.113.1", 8080, host, 1, 300), -1);
    assert_true(drops_of(DROP_NO_PUBLIC) > before);
    /* Its own public address: out and in again. */
    assert_int_equal(transfer(ns[0], "203.0.113.10", 80, in_a, 1 << 20, 5000), 0);
}

static void test_offloads(void **state) {
    _close_ int in_b = listener(ns[1], "10.0.1.5", 80),
                host = listener(host_ns, "203.0.113.1", 8080);

    for (int i = 0; i < 2; i++) {
        enter(ns[i]);
        world_run("ethtool -K eth0 tx on tso on gso on >/dev/null 2>&1 || true");
        enter(host_ns);
    }
    assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 8 << 20, 5000), 0);
    /* Partial checksums through a translation, and segments of 1,500 at the uplink. */
    enter(ns[0]);
    world_run("ip route add 203.0.113.0/24 via 10.0.1.1 mtu lock 1500");
    enter(host_ns);
    assert_int_equal(transfer(ns[0], "203.0.113.1", 8080, host, 8 << 20, 5000), 0);
}

static void test_ping(void **state) {
    static const char *const from_a[] = {"10.0.1.5", "fd00::1:5", "203.0.113.1"};

    for (size_t i = 0; i < ARRAY_SIZE(from_a); i++) {
        enter(ns[0]);
        world_run("ping -n -c 2 -i 0.01 -W 3 %s >/dev/null", from_a[i]);
        enter(host_ns);
    }
}

/* --- A tap: what a virtual machine would see ---------------------------------------------- */

static struct world_eni t;
static int tap_fd = -1;

/* t: 10.0.1.7, fd00::1:7, public 203.0.113.12; no offloads, so every checksum is in the frame. */
static void tap_open(void) {
    static const struct world_rule all[] = {
        {DIR_EGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
        {DIR_EGRESS, 6, -1, -1, -1, "::/0", 0},
        {DIR_INGRESS, 4, -1, -1, -1, "0.0.0.0/0", 0},
        {DIR_INGRESS, 6, -1, -1, -1, "::/0", 0},
    };
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    struct dataplane_port port = {.kind = LINK_TAP, .eni = 4, .vpc = 1};

    strcpy(ifr.ifr_name, "tap4");
    tap_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (tap_fd < 0)
        return;
    assert_int_equal(ioctl(tap_fd, TUNSETIFF, &ifr), 0);
    world_run("ip link set tap4 up");
    t = world_eni(&w, 4, 1, 1, if_nametoindex("tap4"));
    port.ifindex = t.ifindex;
    memcpy(port.mac, t.mac, 6);
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    world_addr(&w, &t, "10.0.1.7", "203.0.113.12");
    world_addr(&w, &t, "fd00::1:7", NULL);
    world_rules(&w, &t, all, ARRAY_SIZE(all));
    world_bump(&w, 1, true, true);
}

/* The next frame that is no ARP and no neighbour discovery of others; 0: none came. */
static size_t tap_read(uint8_t *frame, size_t size) {
    ssize_t n = ready(tap_fd, POLLIN, 3000) ? read(tap_fd, frame, size) : 0;

    return n > 0 ? (size_t)n : 0;
}

static void tap_send(const struct packet *k) {
    assert_int_equal(write(tap_fd, k->data, k->len), k->len);
}

static void datagram(int from_ns, const char *to, uint16_t port) {
    struct endpoint e = endpoint(to, port);
    _close_ int fd = socket_in(from_ns, e.sa.ss_family, SOCK_DGRAM);

    assert_int_equal(sendto(fd, "five!", 5, 0, (struct sockaddr *)&e.sa, e.len), 5);
}

static void expect_frame(const char *src, const char *dst) {
    uint8_t frame[2048];
    size_t n = tap_read(frame, sizeof frame);
    char text[IP_TEXT];

    assert_true(n > 0);
    assert_memory_equal(frame, t.mac, 6);
    struct ip s = packet_src(frame), d = packet_dst(frame);
    assert_string_equal(ip_format(&s, text), src);
    assert_string_equal(ip_format(&d, text), dst);
    const char *wrong = packet_checksums(frame, n);
    if (wrong)
        fail_msg("%s checksum is wrong", wrong);
}

static void test_tap(void **state) {
    struct packet k;
    uint8_t frame[2048];

    tap_open();
    if (tap_fd < 0)
        skip();
    packet_arp(&k, t.mac, ARPOP_REQUEST, "10.0.1.7", "10.0.1.1");
    tap_send(&k);
    assert_int_equal(tap_read(frame, sizeof frame), 42);
    assert_memory_equal(frame + 22, world_router_mac, 6);
    packet_ns(&k, t.mac, "fd00::1:7", "fe80::1");
    tap_send(&k);
    expect_frame("fe80::1", "fd00::1:7");
    for (int offload = 0; offload < 2; offload++) {
        enter(ns[0]);
        world_run("ethtool -K eth0 tx %s >/dev/null 2>&1 || true", offload ? "on" : "off");
        enter(host_ns);
        world_run("ethtool -K uplinkp tx %s >/dev/null 2>&1 || true", offload ? "on" : "off");
        datagram(ns[0], "10.0.1.7", 99);
        expect_frame("10.0.1.4", "10.0.1.7");
        datagram(ns[0], "fd00::1:7", 99);
        expect_frame("fd00::1:4", "fd00::1:7");
        datagram(ns[0], "203.0.113.12", 99); /* both addresses translated */
        expect_frame("203.0.113.10", "10.0.1.7");
        datagram(host_ns, "203.0.113.12", 99);
        expect_frame("203.0.113.1", "10.0.1.7");
    }
    close(tap_fd);
}

/* A whole frame from inside, not by the guest's own stack. */
static void send_frame(int ns_fd, const void *data, size_t len) {
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};

    enter(ns_fd);
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    to.sll_ifindex = (int)if_nametoindex("eth0");
    ssize_t n = sendto(fd, data, len, 0, (struct sockaddr *)&to, sizeof to);
    close(fd);
    enter(host_ns);
    assert_int_equal(n, len);
}

/* What PROG_TEST_RUN itself refuses to run. */
static void test_truncated(void **state) {
    uint64_t before = drops_of(DROP_TRUNCATED);
    struct packet k;

    packet_eth(&k, b.mac, a.mac, ETH_P_IP);
    packet_ip(&k, "10.0.1.4", "10.0.1.5", IPPROTO_UDP);
    for (size_t len = 15; len < 34; len++)
        send_frame(ns[0], k.data, len);
    packet_eth(&k, b.mac, a.mac, ETH_P_IPV6);
    packet_ip(&k, "fd00::1:4", "fd00::1:5", IPPROTO_UDP);
    for (size_t len = 15; len < 54; len++)
        send_frame(ns[0], k.data, len);
    assert_int_equal(drops_of(DROP_TRUNCATED) - before, 19 + 39);
}

/* The host cannot send into an ENI, by whatever way. */
static void test_host_stays_out(void **state) {
    uint64_t before = drops_of(DROP_HOST_TO_ENI);
    struct packet k;
    struct sockaddr_ll to = {
        .sll_family = AF_PACKET, .sll_halen = 6, .sll_ifindex = (int)a.ifindex};
    _close_ int raw = socket(AF_PACKET, SOCK_RAW, 0);

    packet_eth(&k, a.mac, world_router_mac, ETH_P_IP);
    packet_ip(&k, "10.0.1.1", "10.0.1.4", IPPROTO_UDP);
    packet_udp(&k, 1, 2, 3);
    packet_finish(&k);
    /* The sender may be told that the queue refused it. */
    (void)!sendto(raw, k.data, k.len, 0, (struct sockaddr *)&to, sizeof to);
    assert_int_equal(drops_of(DROP_HOST_TO_ENI) - before, 1);
}

/* Programs taken away (`progs` empty): nothing passes, in no direction. */
static void test_fails_closed(void **state) {
    _close_ int in_b = listener(ns[1], "10.0.1.5", 80);
    uint32_t key = PROG_ENI;
    uint64_t before = drops_of(DROP_NOT_READY);

    assert_int_equal(dataplane_del(w.dp, DATAPLANE_PROGS, &key), 0);
    assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 1, 200), -1);
    assert_true(drops_of(DROP_NOT_READY) > before);
    assert_int_equal(dataplane_activate(w.dp), 0);
    assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 1 << 16, 5000), 0);
}

/* The data plane's process is gone: old and new connections go on. */
static void test_without_us(void **state) {
    _close_ int in_b = listener(ns[1], "10.0.1.5", 80);
    _buf_ struct buf err = BUF_INIT;

    dataplane_close(w.dp);
    w.dp = NULL;
    for (int i = 0; i < 20; i++)
        assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 1 << 14, 5000), 0);
    assert_int_equal(dataplane_open(w.pin_dir, &w.dp, &err), 0);
    assert_int_equal(dataplane_activate(w.dp), 0);
    assert_int_equal(transfer(ns[0], "10.0.1.5", 80, in_b, 1 << 14, 5000), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_internet),     cmocka_unit_test(test_ping),
        cmocka_unit_test(test_tap),          cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_truncated),    cmocka_unit_test(test_host_stays_out),
        cmocka_unit_test(test_fails_closed), cmocka_unit_test(test_without_us),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
