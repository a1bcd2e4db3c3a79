/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no rights. The rest is tests/agent/test_link_root.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "link/netns.h"
#include "link/owner.h"
#include "link/uplink.h"

static void names(void **state) {
    struct owner a, b;
    char name[IFNAMSIZ], other[IFNAMSIZ], prefix[IFNAMSIZ], alias[LINK_ALIAS_SIZE];
    struct link_info link = {.ifindex = 1};

    assert_int_equal(owner_of("/tmp/../usr/lib/", &a), 0);
    assert_string_equal(a.dir, "/usr/lib");
    assert_int_equal(owner_of("/usr/libexec", &b), 0);
    assert_string_not_equal(a.hash, b.hash);
    assert_int_equal(strlen(owner_eni_name(&a, OWNER_ENI_MAX, name)), 15);
    assert_int_equal(strlen(owner_tap_name(&a, "eni-0123456789abcdef0", 0, name)), 15);
    assert_memory_equal(name, owner_prefix(&a, prefix), strlen(prefix));
    assert_string_not_equal(name, owner_tap_name(&a, "eni-0123456789abcdef0", 1, other));
    assert_string_not_equal(name, owner_tap_name(&a, "eni-0123456789abcdef1", 0, other));
    assert_string_not_equal(name, owner_tap_name(&b, "eni-0123456789abcdef0", 0, other));
    assert_int_equal(owner_of("/", &a), -EINVAL);
    assert_int_equal(owner_of("/nonexistent", &a), -ENOENT);

    /* Both marks are needed, and a directory whose path begins with ours is not ours. */
    snprintf(link.name, sizeof(link.name), "%s", owner_eni_name(&a, 7, name));
    assert_null(owner_what(&a, &link));
    snprintf(link.alias, sizeof(link.alias), "%s", owner_alias(&a, "eni-7", alias));
    assert_string_equal(owner_what(&a, &link), "eni-7");
    assert_null(owner_what(&b, &link));
    snprintf(link.alias, sizeof(link.alias), "vpcd /usr/lib64 eni-7");
    assert_null(owner_what(&a, &link));
    snprintf(link.alias, sizeof(link.alias), "%s", owner_alias(&a, "eni-7", alias));
    link.name[1] = 'x';
    assert_null(owner_what(&a, &link));
}

static void bad_names(void **state) {
    assert_true(netns_name_valid("i-0123456789abcdef0"));
    assert_false(netns_name_valid(""));
    assert_false(netns_name_valid(".."));
    assert_false(netns_name_valid("a/b"));
}

static void addresses(void **state) {
    const uint8_t mac[6] = {0x02, 0x11, 0x22, 0x33, 0x44, 0x55};
    struct ip local = {.family = IP_V6}, host;
    struct cidr pool;
    char text[IP_TEXT];

    link_local_of_mac(mac, local.b);
    assert_string_equal(ip_format(&local, text), "fe80::11:22ff:fe33:4455");
    assert_int_equal(cidr_parse("203.0.113.128/25", &pool), 0);
    host = uplink_host_address(&pool);
    assert_string_equal(ip_format(&host, text), "203.0.113.129");
    assert_int_equal(cidr_parse("2001:db8::/48", &pool), 0);
    host = uplink_host_address(&pool);
    assert_string_equal(ip_format(&host, text), "2001:db8::1");
    host = uplink_host_address(&(struct cidr){0});
    assert_int_equal(host.family, IP_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(addresses),
    };

    return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
