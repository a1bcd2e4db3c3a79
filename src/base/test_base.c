/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/ip.h"
#include "base/lock.h"
#include "base/text.h"

static struct cidr C(const char *s) {
    struct cidr c;

    assert_int_equal(cidr_parse(s, &c), 0);
    return c;
}

static void
cidr_text(void **state) {
    static const char *const bad[] = {"10.0.0.0",    "10.0.0.0/33", "::/129",    "10.0.0/8",
                                      "10.0.0.0/08", "10.0.0.0/+8", "10.0.0.0/", "/8",
                                      "a/8",         "10.0.0.0/8 "};
    char out[CIDR_TEXT];
    struct cidr c;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(cidr_parse(bad[i], &c) < 0);
    c = C("10.1.2.3/9");
    assert_false(cidr_is_canonical(&c));
    c = cidr_mask(&c);
    assert_string_equal(cidr_format(&c, out), "10.0.0.0/9");
    c = C("2001:db8::5/65");
    c = cidr_mask(&c);
    assert_string_equal(cidr_format(&c, out), "2001:db8::/65");
}

static void cidr_sets(void **state) {
    struct cidr all4 = C("0.0.0.0/0"), all6 = C("::/0"), a = C("10.0.0.0/16"),
                b = C("10.0.128.0/17");
    struct ip mapped, last;
    char out[IP_TEXT];

    assert_int_equal(ip_parse("::ffff:10.0.0.1", &mapped), 0);
    assert_true(cidr_contains_ip(&all6, &mapped));
    assert_false(cidr_contains_ip(&all4, &mapped));
    assert_false(cidr_overlaps(&all4, &all6));
    assert_true(cidr_overlaps(&b, &a));
    assert_false(cidr_contains(&b, &a));
    last = cidr_last(&a);
    assert_string_equal(ip_format(&last, out), "10.0.255.255");
    last = ip_add(&last, 1);
    assert_string_equal(ip_format(&last, out), "10.1.0.0");
    last = ip_add(&last, -257);
    assert_string_equal(ip_format(&last, out), "10.0.254.255");
    assert_int_equal(cidr_size(&a), 65536);
    assert_true(cidr_size(&all6) == UINT64_MAX);
}

static void wildcards(void **state) {
    char many_a[256] = {0};
    uint64_t steps;

    memset(many_a, 'a', sizeof(many_a) - 1);
    assert_true(wildcard_match("*", ""));
    assert_true(wildcard_match("a*c?e", "abbbcde"));
    assert_false(wildcard_match("a*c?e", "abbbcdf"));
    assert_true(wildcard_match("a\\*b", "a*b"));
    assert_false(wildcard_match("a\\*b", "axb"));
    assert_false(wildcard_match("", "a"));
    assert_true(wildcard_match("*ab*ab", "xabyabzab"));
    assert_true(wildcard_match("?", "\u00fc"));
    assert_true(wildcard_match("*?z", "\u4e16\U0001f600z"));
    assert_false(wildcard_match("??", "\u4e16"));
    assert_true(wildcard_match("??", "\xff\xfe"));
    steps = 1000;
    assert_true(wildcard_match_within("*b", "aaab", &steps));
    assert_in_range(steps, 980, 996);
    steps = 1000;
    assert_false(wildcard_match_within("*aaaaaaaaaaaaaaaaaaaab", many_a, &steps));
    assert_int_equal(steps, 0);
    assert_false(wildcard_match_within("a", "a", &steps));
}

static void base64(void **state) {
    uint8_t data[40], *back;
    size_t len;

    for (size_t n = 0; n < sizeof(data); n++) {
        _free_ char *text = NULL;

        random_bytes(data, n);
        text = base64_encode(data, n);
        assert_int_equal(base64_decode(text, &back, &len), 0);
        assert_int_equal(len, n);
        assert_memory_equal(back, data, n);
        free(back);
    }
    assert_true(base64_decode("a", &back, &len) < 0);
    assert_true(base64_decode("ab=c", &back, &len) < 0);
    assert_true(base64_decode("ab%=", &back, &len) < 0);
}

static void buffers(void **state) {
    _buf_ struct buf b = BUF_LIMIT(16);
    struct reader r;

    buf_addf(&b, "%s-%d", "ab", 7);
    assert_string_equal(buf_str(&b), "ab-7");
    buf_add(&b, "0123456789012345", 16);
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "ab-7");
    buf_reset(&b);
    buf_add_varint(&b, UINT64_MAX);
    buf_add_varint(&b, 300);
    r = reader_of(b.data, b.len);
    assert_true(read_varint(&r) == UINT64_MAX);
    assert_int_equal(read_varint(&r), 300);
    assert_false(r.bad);
    assert_int_equal(read_varint(&r), 0);
    assert_true(r.bad);
}

static void numbers(void **state) {
    uint8_t mac[6];
    char out[32];
    int64_t v;

    assert_int_equal(int_parse("65535", 0, 65535, &v), 0);
    assert_true(int_parse("65536", 0, 65535, &v) < 0);
    assert_true(int_parse("1x", 0, 9, &v) < 0);
    assert_true(int_parse(" 1", 0, 9, &v) < 0);
    assert_int_equal(mac_parse("02:0a:ff:00:01:7f", mac), 0);
    assert_string_equal(mac_format(mac, out), "02:0a:ff:00:01:7f");
    assert_true(mac_parse("02:0a:ff:00:01", mac) < 0);
    assert_true(mac_parse("02:0a:ff:00:01:7f:1", mac) < 0);
    assert_string_equal(time_format(1700000000123, out), "2023-11-14T22:13:20.123Z");
}

static void locks(void **state) {
    char dir[] = "/tmp/vpcd-lock-XXXXXX", path[64];
    struct stat st;
    pid_t pid = 0;
    int fd;

    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/lock", dir);
    assert_int_equal(lock_holder(path), 0);
    fd = lock_take(path);
    assert_true(fd >= 0);
    assert_int_equal(lock_take(path), -EWOULDBLOCK);
    assert_int_equal(lock_holder(path), getpid());
    {
        _close_ int holder = lock_holder_open(path, &pid);

        assert_true(holder >= 0);
        assert_int_equal(pid, getpid());
    }
    /* Only the owner may open it, and a file that names another process is not believed. */
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(dprintf(fd, " "), 1);
    assert_int_equal(pwrite(fd, "1\n1\n", 4, 0), 4);
    assert_int_equal(lock_holder(path), 0);
    close(fd);
    assert_int_equal(lock_holder(path), 0);
    assert_int_equal(lock_holder_open(path, &pid), -ESRCH);
    unlink(path);
    rmdir(dir);
}

static void utf8(void **state) {
    static const char *const good[] = {"", "a\t\r\n~", "\u00fc\u07ff\u0800\uffef",
                                       "\U00010000\U0010ffff"};
    static const char *const bad[] = {"\x01",
                                      "\xff",
                                      "\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xef\xbf\xbe",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "a\xe4\xb8"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(utf8_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(utf8_valid(bad[i]));
    assert_int_equal(utf8_count("a\u00fc\u4e16\U0001f600"), 4);
    assert_int_equal(utf8_count("\xff\xff"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locks),     cmocka_unit_test(cidr_text), cmocka_unit_test(cidr_sets),
        cmocka_unit_test(wildcards), cmocka_unit_test(base64),    cmocka_unit_test(buffers),
        cmocka_unit_test(numbers),   cmocka_unit_test(utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
