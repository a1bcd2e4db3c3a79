/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real devices, in namespaces made for the test (none has a name, the machine sees nothing):
 *
 *     "host" namespace                         "instance" namespace
 *       v<hash>e7  =============================  eth0  10.1.2.4/24, 2001:db8:1::4/128
 *       v<hash>e8  =============================  eth1  10.1.3.4/24
 *       v<hash>u ==== v<hash>d
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "link/addr.h"
#include "link/eni.h"
#include "link/monitor.h"
#include "link/netns.h"
#include "link/uplink.h"

static struct owner owner;
static struct rtnl *host;
static int instance_fd;

static struct cidr C(const char *s) {
    struct cidr c = {0};

    if (*s)
        assert_int_equal(cidr_parse(s, &c), 0);
    return c;
}

static struct plug_address
A(const char *s, uint8_t len) {
    struct plug_address a = {.subnet_len = len};

    assert_int_equal(ip_parse(s, &a.ip), 0);
    return a;
}

static bool
has_addr(struct rtnl *rtnl, int ifindex, const char *text) {
    _free_ struct cidr *addrs = NULL;
    struct cidr want = C(text);
    size_t n;

    assert_int_equal(addr_list(rtnl, ifindex, &addrs, &n), 0);
    for (size_t i = 0; i < n; i++)
        if (cidr_equal(&addrs[i], &want))
            return true;
    return false;
}

/* Somebody sends to `to`: which device inside would it leave by? Asked with a connected socket. */
static void source_for(const char *to, char out[IP_TEXT]) {
    struct netns_visit visit;
    struct ip ip;
    int fd;

    assert_int_equal(ip_parse(to, &ip), 0);
    assert_int_equal(netns_enter(instance_fd, &visit), 0);
    fd = socket(ip.family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    netns_leave(&visit);
    assert_true(fd >= 0);
    if (ip.family == IP_V4) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(9)};
        socklen_t len = sizeof(sa);

        memcpy(&sa.sin_addr, ip.b, 4);
        assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
        memcpy(ip.b, &sa.sin_addr, 4);
    } else {
        struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
        socklen_t len = sizeof(sa);

        memcpy(&sa.sin6_addr, ip.b, 16);
        assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
        memcpy(ip.b, &sa.sin6_addr, 16);
    }
    close(fd);
    ip_format(&ip, out);
}

static void eni_life(void **state) {
    struct plug_address first[] = {A("10.1.2.4", 24), A("10.1.2.9", 24), A("2001:db8:1::4", 64)};
    struct plug_address later[] = {A("10.1.2.4", 24), A("10.1.2.10", 24), A("2001:db8:1::5", 64)};
    struct plug_address second[] = {A("10.1.3.4", 24)};
    struct plug_spec spec = {
        .id = "eni-7", .number = 7, .mac = {2, 1, 2, 3, 4, 5}, .addrs = first, .n_addrs = 3};
    struct plug_spec spec1 = {.id = "eni-8",
                              .number = 8,
                              .device = 1,
                              .mac = {2, 1, 2, 3, 4, 6},
                              .addrs = second,
                              .n_addrs = 1};
    _rtnl_ struct rtnl *inside = NULL;
    _free_ struct link_info *links = NULL;
    struct link_info link, eth;
    char text[IP_TEXT];
    int ifindex, ifindex1;
    size_t n;

    assert_int_equal(rtnl_open(instance_fd, &inside), 0);
    assert_int_equal(eni_plug(&owner, host, instance_fd, &spec, &ifindex), 0);
    assert_int_equal(eni_plug(&owner, host, instance_fd, &spec, &ifindex1), -EEXIST);
    assert_int_equal(link_get_index(host, ifindex, &link), 0);
    assert_false(link.up);
    assert_string_equal(link.kind, "veth");
    assert_string_equal(owner_what(&owner, &link), "eni-7");
    assert_int_equal(eni_open(host, ifindex), 0);
    assert_int_equal(link_get_index(host, ifindex, &link), 0);
    assert_true(link.up);

    assert_int_equal(link_get(inside, "eth0", &eth), 0);
    assert_memory_equal(eth.mac, spec.mac, 6);
    assert_int_equal(eth.mtu, 9001);
    assert_true(has_addr(inside, eth.ifindex, "10.1.2.4/24"));
    assert_true(has_addr(inside, eth.ifindex, "10.1.2.9/24"));
    assert_true(has_addr(inside, eth.ifindex, "2001:db8:1::4/128"));
    assert_true(has_addr(inside, eth.ifindex, "fe80::1:2ff:fe03:405/64"));
    assert_false(has_addr(host, ifindex, "fe80::1:2ff:fe03:405/64"));
    source_for("198.51.100.1", text);
    assert_string_equal(text, "10.1.2.4");
    source_for("2001:db8:ffff::1", text);
    assert_string_equal(text, "2001:db8:1::4");

    /* A second interface does not take the default routes over. */
    assert_int_equal(eni_plug(&owner, host, instance_fd, &spec1, &ifindex1), 0);
    assert_int_equal(eni_open(host, ifindex1), 0);
    source_for("198.51.100.1", text);
    assert_string_equal(text, "10.1.2.4");
    source_for("10.1.3.77", text);
    assert_string_equal(text, "10.1.3.4");

    /* Other addresses; the routes are there still. */
    spec.addrs = later;
    assert_int_equal(eni_readdress(host, ifindex, instance_fd, first, 3, &spec), 0);
    assert_true(has_addr(inside, eth.ifindex, "10.1.2.10/24"));
    assert_false(has_addr(inside, eth.ifindex, "10.1.2.9/24"));
    assert_true(has_addr(inside, eth.ifindex, "2001:db8:1::5/128"));
    assert_false(has_addr(inside, eth.ifindex, "2001:db8:1::4/128"));
    source_for("198.51.100.1", text);
    assert_string_equal(text, "10.1.2.4");
    source_for("2001:db8:ffff::1", text);
    assert_string_equal(text, "2001:db8:1::5");

    assert_int_equal(owner_list(&owner, host, &links, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(eni_unplug(host, ifindex1), 0);
    assert_int_equal(eni_unplug(host, ifindex1), 0);
    assert_int_equal(link_get(inside, "eth1", &eth), -ENODEV);
    assert_int_equal(owner_delete_links(&owner, host), 0);
    assert_int_equal(link_get(inside, "eth0", &eth), -ENODEV);
}

static void note_gone(int ifindex, const char *name, void *arg) {
    int *wanted = arg;

    if (ifindex == *wanted)
        *wanted = 0;
}

static void instance_deletes_its_device(void **state) {
    struct plug_address addr[] = {A("10.1.2.4", 24)};
    struct plug_spec spec = {
        .id = "eni-7", .number = 7, .mac = {2, 1, 2, 3, 4, 5}, .addrs = addr, .n_addrs = 1};
    _rtnl_ struct rtnl *inside = NULL;
    struct link_monitor *monitor;
    struct link_info eth;
    int ifindex, dummy;

    assert_int_equal(rtnl_open(instance_fd, &inside), 0);
    assert_int_equal(eni_plug(&owner, host, instance_fd, &spec, &ifindex), 0);
    assert_int_equal(link_monitor_open(&monitor), 0);
    assert_int_equal(link_get(inside, "eth0", &eth), 0);
    assert_int_equal(link_delete(inside, eth.ifindex), 0);
    for (int wait = 0; ifindex && wait < 50; wait++) {
        struct pollfd p = {.fd = link_monitor_fd(monitor), .events = POLLIN};

        poll(&p, 1, 100);
        assert_true(link_monitor_read(monitor, note_gone, &ifindex) >= 0);
    }
    assert_int_equal(ifindex, 0);
    link_monitor_close(monitor);

    /* And takes the name for a device of its own: the interface comes under another name. */
    {
        struct veth_end a = {.name = "eth0", .netns_fd = -1}, b = {.name = "x", .netns_fd = -1};

        assert_int_equal(link_create_veth(inside, &a, &b, "mine", 1500, &dummy), 0);
    }
    assert_int_equal(eni_plug(&owner, host, instance_fd, &spec, &ifindex), 0);
    assert_int_equal(link_get(inside, "eth1", &eth), 0);
    assert_memory_equal(eth.mac, spec.mac, 6);
    assert_int_equal(link_delete(inside, dummy), 0);
    assert_int_equal(owner_delete_links(&owner, host), 0);
}

static void uplink(void **state) {
    struct cidr pool4 = C("203.0.113.0/24"), pool6 = C("2001:db8:99::/48"), none = C(""),
                wide = C("203.0.0.0/16"), other = C("198.51.100.0/24");
    struct uplink up, again;
    struct link_info link;
    char clash[CIDR_TEXT];

    assert_int_equal(uplink_ensure(&owner, host, &pool4, &pool6, &up, clash), 0);
    assert_int_equal(link_get_index(host, up.host_ifindex, &link), 0);
    assert_false(link.up);
    assert_int_equal(uplink_open(host, &up), 0);
    assert_true(has_addr(host, up.host_ifindex, "203.0.113.1/32"));
    assert_true(has_addr(host, up.host_ifindex, "2001:db8:99::1/128"));
    /* Again: the same devices; our own routes are no clash. */
    assert_int_equal(uplink_ensure(&owner, host, &pool4, &pool6, &again, clash), 0);
    assert_int_equal(up.host_ifindex, again.host_ifindex);
    assert_int_equal(up.data_ifindex, again.data_ifindex);
    assert_int_equal(uplink_open(host, &again), 0);
    /* Another pool. */
    assert_int_equal(uplink_ensure(&owner, host, &other, &none, &again, clash), 0);
    assert_int_equal(uplink_open(host, &again), 0);
    assert_true(has_addr(host, up.host_ifindex, "198.51.100.1/32"));
    assert_false(has_addr(host, up.host_ifindex, "203.0.113.1/32"));
    assert_false(has_addr(host, up.host_ifindex, "2001:db8:99::1/128"));
    assert_int_equal(owner_delete_links(&owner, host), 0);

    /* A pool that the host uses itself. */
    {
        struct veth_end a = {.name = "lan0", .netns_fd = -1}, b = {.name = "lan1", .netns_fd = -1};
        struct cidr lan = C("203.0.113.77/28");
        int dummy;

        assert_int_equal(link_create_veth(host, &a, &b, "lan", 1500, &dummy), 0);
        assert_int_equal(link_set_up(host, dummy, true), 0);
        assert_int_equal(addr_add(host, dummy, &lan), 0);
        assert_int_equal(uplink_ensure(&owner, host, &wide, &none, &up, clash), -EADDRINUSE);
        assert_true(strncmp(clash, "203.0.113.", 10) == 0);
        assert_int_equal(uplink_ensure(&owner, host, &other, &none, &up, clash), 0);
        assert_int_equal(owner_delete_links(&owner, host), 0);
        assert_int_equal(link_get(host, "lan0", &link), 0);
        assert_int_equal(link_delete(host, dummy), 0);
    }
}

static int give_up(const struct nlmsghdr *msg, void *arg) {
    return -ECANCELED;
}

static void many(void **state) {
    struct plug_address addr[] = {A("10.1.2.4", 24)};
    struct plug_spec spec = {.id = "eni-7", .mac = {2, 1, 2, 3, 4, 5}, .addrs = addr, .n_addrs = 1};
    _free_ struct link_info *links = NULL;
    char buf[RTNL_REQUEST_SIZE];
    int ifindex;
    size_t n;

    /* More devices than one answer of the kernel holds. */
    for (uint32_t i = 1; i <= 60; i++) {
        spec.number = i;
        spec.device = i;
        assert_int_equal(eni_plug(&owner, host, instance_fd, &spec, &ifindex), 0);
    }
    assert_int_equal(owner_list(&owner, host, &links, &n), 0);
    assert_int_equal(n, 60);
    /* A list that was given up, as one is that changed meanwhile, is in nobody's way. */
    for (int i = 0; i < 3; i++) {
        struct nlmsghdr *msg = rtnl_request(buf, RTM_GETLINK, NLM_F_DUMP);

        mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
        assert_int_equal(rtnl_query(host, msg, give_up, NULL), -ECANCELED);
    }
    assert_int_equal(owner_delete_links(&owner, host), 0);
}

/* Two fresh namespaces: this process moves to the first, the second stays open as a descriptor. */
static int setup(void **state) {
    if (owner_of("/usr/lib", &owner) < 0 || unshare(CLONE_NEWNET) < 0)
        return -1;
    instance_fd = netns_open_pid(getpid());
    if (unshare(CLONE_NEWNET) < 0)
        return -1;
    return rtnl_open(-1, &host);
}

static int teardown(void **state) {
    rtnl_close(host);
    close(instance_fd);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eni_life),
        cmocka_unit_test(instance_deletes_its_device),
        cmocka_unit_test(uplink),
        cmocka_unit_test(many),
    };

    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0) {
        printf("skipped: network namespaces need root\n");
        return 77;
    }
    return cmocka_run_group_tests_name("link-root", tests, setup, teardown);
}
