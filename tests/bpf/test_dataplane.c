/* SPDX-License-Identifier: Apache-2.0 */
/* The library itself: entries, numbers, pins, starting again, taking everything away. */
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/capability.h>

#include "base/cleanup.h"
#include "world.h"

static struct world w;

static int setup(void **state) {
    world_open(&w);
    return 0;
}

static int teardown(void **state) {
    world_close(&w);
    return 0;
}

static void reopen(void) {
    _buf_ struct buf err = BUF_INIT;

    dataplane_close(w.dp);
    w.dp = NULL;
    if (dataplane_open(w.pin_dir, &w.dp, &err) < 0)
        fail_msg("%s", buf_str(&err));
}

static void test_entries(void **state) {
    struct vpc_key key = {7};
    struct vpc_value in = {3, 4}, out = {9, 9};

    assert_int_equal(dataplane_get(w.dp, DATAPLANE_VPCS, &key, &out), -ENOENT);
    assert_int_equal(out.gen_net, 9);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_VPCS, &key, &in), 0);
    assert_int_equal(dataplane_put(w.dp, DATAPLANE_VPCS, &key, &in), 0);
    reopen();
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_VPCS, &key, &out), 0);
    assert_memory_equal(&in, &out, sizeof in);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_VPCS, &key), 0);
    assert_int_equal(dataplane_del(w.dp, DATAPLANE_VPCS, &key), 0);
}

static int count_and_delete(const void *key, const void *value, void *arg) {
    unsigned *seen = arg;

    (*seen)++;
    return dataplane_del(w.dp, DATAPLANE_ROUTES, key);
}

static int stop_at_once(const void *key, const void *value, void *arg) {
    return -EINTR;
}

static void test_each(void **state) {
    unsigned seen = 0;

    for (uint32_t i = 0; i < 100; i++) {
        char text[CIDR_TEXT];
        snprintf(text, sizeof text, "10.%u.0.0/%u", i, 16 + i % 8);
        world_route(&w, 5, text, ROUTE_LOCAL, i);
    }
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_ROUTES, stop_at_once, NULL), -EINTR);
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_ROUTES, count_and_delete, &seen), 0);
    assert_int_equal(seen, 100);
    seen = 0;
    assert_int_equal(dataplane_each(w.dp, DATAPLANE_ROUTES, count_and_delete, &seen), 0);
    assert_int_equal(seen, 0);
}

/* A full map says so. */
static void test_full(void **state) {
    struct uplink_port_key key = {6, 0};
    struct uplink_port_value value = {1};
    int r = 0;

    for (uint32_t i = 0; i <= MAX_UPLINK_PORTS && r == 0; i++) {
        key.port = i;
        key.proto = i >> 16 ? 17 : 6;
        r = dataplane_put(w.dp, DATAPLANE_UPLINK_PORTS, &key, &value);
    }
    assert_int_equal(r, -ENOSPC);
}

static void test_numbers(void **state) {
    uint32_t a, b, c, again;

    assert_int_equal(dataplane_number(w.dp, NUMBER_ENI, "eni-1", &a), 0);
    assert_int_equal(dataplane_number(w.dp, NUMBER_ENI, "eni-2", &b), 0);
    assert_int_equal(dataplane_number(w.dp, NUMBER_VPC, "eni-1", &c), 0);
    assert_true(a && b && c && a != b && a != c && b != c);
    reopen();
    assert_int_equal(dataplane_number(w.dp, NUMBER_ENI, "eni-1", &again), 0);
    assert_int_equal(a, again);
    assert_int_equal(dataplane_number_new(w.dp, &again), 0);
    assert_true(again > a && again > b && again > c);
    assert_int_equal(
        dataplane_number(w.dp, NUMBER_ENI, "an id of much more than thirty-one bytes", &a),
        -ENAMETOOLONG);
}

static void test_publish(void **state) {
    struct vpc_key key = {9};
    struct vpc_value v;

    assert_int_equal(dataplane_publish(w.dp, 9, DATAPLANE_GEN_NET), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_VPCS, &key, &v), -ENOENT);
    world_vpc(&w, 9);
    assert_int_equal(dataplane_publish(w.dp, 9, DATAPLANE_GEN_NET), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_VPCS, &key, &v), 0);
    /* Whoever counts up from what he wrote last does not meet our value. */
    assert_true(v.gen_net != 1 && v.gen_net != 2 && v.gen_sg == 1);
}

static void test_devices(void **state) {
    struct dataplane_port port = {.ifindex = 99999, .kind = LINK_VETH, .eni = 5, .vpc = 9};
    struct eni_stats_value stats;

    world_vpc(&w, 9);
    assert_int_equal(dataplane_attach_eni(w.dp, &port), -ENODEV);
    port.ifindex = world_veth("dev5");
    for (int i = 0; i < 3; i++) /* again, and after a restart */
        assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    reopen();
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    assert_int_equal(dataplane_eni_stats(w.dp, 5, &stats), 0);
    /* On another device: the first is its port no more. */
    struct port_key old = {port.ifindex};
    struct port_value value;
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_PORTS, &old, &value), 0);
    port.ifindex = world_veth("dev6");
    assert_int_equal(dataplane_attach_eni(w.dp, &port), 0);
    assert_int_equal(dataplane_get(w.dp, DATAPLANE_PORTS, &old, &value), -ENOENT);
    assert_int_equal(dataplane_detach_eni(w.dp, 5), 0);
    assert_int_equal(dataplane_detach_eni(w.dp, 5), 0);
    assert_int_equal(dataplane_eni_stats(w.dp, 5, &stats), -ENOENT);
    world_run("tc filter show dev dev5 ingress | grep -q stub_eni");
    world_run("tc filter show dev dev5 egress | grep -q stub_guard");
    world_run("test $(tc filter show dev dev5 ingress | grep -c stub_eni) = 1");
}

static unsigned pins(void) {
    DIR *d = opendir(w.pin_dir);
    unsigned n = 0;
    struct dirent *e;

    while (d && (e = readdir(d)))
        n += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

/* Pins that no map of this build has go with the switch, not before. */
static void test_old_pins(void **state) {
    char path[256], from[256];
    unsigned before = pins();

    snprintf(from, sizeof from, "%s/drops_v1", w.pin_dir);
    snprintf(path, sizeof path, "%s/ports_v0", w.pin_dir);
    world_run("bpftool map pin pinned %s %s", from, path);
    reopen();
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(dataplane_activate(w.dp), 0);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(pins(), before);
}

/* A pin that does not fit its name is refused with its name, and nothing is broken. */
static void test_wrong_pin(void **state) {
    _buf_ struct buf err = BUF_INIT;
    struct dataplane *dp = NULL;
    char dir[256];

    snprintf(dir, sizeof dir, "%s-wrong", w.pin_dir);
    world_run("mkdir %s && bpftool map pin pinned %s/drops_v1 %s/ports_v%d", dir, w.pin_dir, dir,
              MAPS_LAYOUT);
    assert_int_equal(dataplane_open(dir, &dp, &err), -EINVAL);
    assert_null(dp);
    assert_non_null(strstr(buf_str(&err), "ports"));
    assert_int_equal(dataplane_destroy(dir), 0);
}

static void test_no_bpffs(void **state) {
    _buf_ struct buf err = BUF_INIT;
    struct dataplane *dp = NULL;

    assert_int_equal(dataplane_open("/tmp/vpcd-test-pins", &dp, &err), -ENOTSUP);
    assert_non_null(strstr(buf_str(&err), "/tmp/vpcd-test-pins"));
    rmdir("/tmp/vpcd-test-pins");
    assert_int_equal(dataplane_destroy("/tmp/vpcd-test-pins"), 0);
}

/* Without the right, the error says what is missing. */
static void test_no_right(void **state) {
    int status, out[2];
    char text[512] = "";
    pid_t pid;

    assert_int_equal(pipe(out), 0);
    pid = fork();
    if (pid == 0) {
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct none[2] = {0};
        struct buf err = BUF_INIT;
        struct dataplane *dp;
        char dir[256];
        snprintf(dir, sizeof dir, "%s-other", w.pin_dir);
        if (syscall(SYS_capset, &header, none) < 0) /* still uid 0, but for no other use */
            _exit(2);
        int r = dataplane_open(dir, &dp, &err);
        ssize_t n = write(out[1], buf_str(&err), strlen(buf_str(&err)));
        _exit(n > 0 && r == -EPERM ? 0 : 1);
    }
    close(out[1]);
    ssize_t n = read(out[0], text, sizeof text - 1);
    close(out[0]);
    assert_true(n > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_non_null(strstr(text, "CAP_BPF"));
    world_run("rmdir %s-other", w.pin_dir);
}

/* Nothing is left, and it may be done twice. */
static void test_destroy(void **state) {
    char dir[64];

    strcpy(dir, w.pin_dir);
    dataplane_close(w.dp);
    w.dp = NULL;
    assert_int_equal(dataplane_destroy(dir), 0);
    assert_int_equal(access(dir, F_OK), -1);
    assert_int_equal(dataplane_destroy(dir), 0);
}

static void test_drop_texts(void **state) {
    assert_string_equal(drop_name(DROP_GROUP_INGRESS), "security-group-ingress");
    assert_string_equal(drop_name(DROP_COUNT), "?");
    assert_string_equal(drop_sentence(999), "?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),    cmocka_unit_test(test_each),
        cmocka_unit_test(test_full),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_publish),    cmocka_unit_test(test_devices),
        cmocka_unit_test(test_old_pins),   cmocka_unit_test(test_wrong_pin),
        cmocka_unit_test(test_no_bpffs),   cmocka_unit_test(test_no_right),
        cmocka_unit_test(test_drop_texts), cmocka_unit_test(test_destroy),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
