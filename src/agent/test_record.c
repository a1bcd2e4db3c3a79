/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "agent/record.h"
#include "base/io.h"

static void ids(void **state) {
    static const char *const bad[] = {
        "", "i-", "i-../x", "x-12", "i-12G", "i-1/2", "i-0123456789abcdef01", "I-12", "i-1 "};

    assert_true(record_id_valid("i-0123456789abcdef0"));
    assert_true(record_id_valid("i-1a2b3c4d"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(record_id_valid(bad[i]));
}

static struct record sample(void) {
    return (struct record){.id = "i-0123456789abcdef0",
                           .slot = 4095,
                           .pid = 4194304,
                           .start = UINT64_MAX,
                           .boot = "01234567-89ab-cdef-0123-456789abcdef",
                           .boots = 7};
}

static void assert_same(const struct record *a, const struct record *b) {
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->slot, b->slot);
    assert_int_equal(a->pid, b->pid);
    assert_true(a->start == b->start);
    assert_string_equal(a->boot, b->boot);
    assert_true(a->boots == b->boots);
}

static void round_trip(void **state) {
    struct record a = sample(), b;
    char text[512], dir[] = "/tmp/vpcd-record-XXXXXX", path[128];

    assert_true(record_format(&a, text, sizeof(text)) > 0);
    assert_int_equal(record_parse(text, &b), 0);
    assert_same(&a, &b);
    assert_int_equal(record_format(&a, text, 20), -ENOSPC);

    assert_non_null(mkdtemp(dir));
    assert_int_equal(record_read(dir, a.id, &b), -ENOENT);
    assert_int_equal(record_write(dir, &a), 0);
    memset(&b, 0, sizeof(b));
    assert_int_equal(record_read(dir, a.id, &b), 0);
    assert_same(&a, &b);
    /* A record under another's name is not believed. */
    snprintf(path, sizeof(path), "%s/i-12345678", dir);
    assert_true(record_format(&a, text, sizeof(text)) > 0);
    assert_int_equal(write_file_atomic(path, text, strlen(text), 0600), 0);
    assert_int_equal(record_read(dir, "i-12345678", &b), -EBADMSG);
    assert_int_equal(record_remove(dir, "i-12345678"), 0);
    assert_int_equal(record_remove(dir, a.id), 0);
    assert_int_equal(record_remove(dir, a.id), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void cut_short(void **state) {
    struct record a = sample(), b;
    char text[512];
    int n = record_format(&a, text, sizeof(text));

    /* Half a record is none; without the last line end it is whole. */
    for (int len = 0; len < n - 1; len++) {
        char part[512];

        memcpy(part, text, (size_t)len);
        part[len] = 0;
        assert_int_equal(record_parse(part, &b), -EBADMSG);
    }
    text[n] = 'x';
    text[n + 1] = 0;
    assert_int_equal(record_parse(text, &b), -EBADMSG);
}

static void processes(void **state) {
    struct record me = {.pid = getpid()};
    int fd;

    assert_int_equal(boot_id(me.boot), 0);
    assert_int_equal(process_start(me.pid, &me.start), 0);
    fd = process_open(&me);
    assert_true(fd >= 0);
    close(fd);
    me.start++;
    assert_int_equal(process_open(&me), -ESRCH);
    me.start--;
    me.boot[0] = me.boot[0] == '0' ? '1' : '0';
    assert_int_equal(process_open(&me), -ESRCH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(cut_short),
        cmocka_unit_test(processes),
    };

    return cmocka_run_group_tests_name("agent-record", tests, NULL, NULL);
}
