/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: what is put comes out, whole or not at all, within the bounds, and follows no link. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "flowlog/spool.h"

static char top[64], path[512];

static const struct spool_meta plain = {
    .flow_log = "fl-0123456789abcdef0",
    .eni = "eni-0123456789abcdef1",
    .account = 1,
    .region = "us-east-1",
    .destination_type = SPOOL_S3,
    .destination = "arn:aws:s3:::bucket/a folder/",
    .traffic = SPOOL_ALL,
    .header = "version account-id",
    .start = 1700000000,
    .end = 1700000060,
};

static int set_up(void **state) {
    snprintf(top, sizeof(top), "/tmp/vpcd-spool-XXXXXX");
    assert_non_null(mkdtemp(top));
    return 0;
}

static int tear_down(void **state) {
    snprintf(path, sizeof(path), "rm -rf %s", top);
    return system(path);
}

static const char *in(const char *name) {
    snprintf(path, sizeof(path), "%s/%s", top, name);
    return path;
}

static struct spool *open_spool(const struct spool_limits *limits) {
    struct spool *s = NULL;

    assert_int_equal(spool_open(in("spool"), (gid_t)-1, limits, &s), 0);
    return s;
}

/* Names in ready/, at most 64; how many. */
static int names(char out[64][SPOOL_NAME_MAX]) {
    DIR *d = opendir(in("spool/ready"));
    struct dirent *e;
    int n = 0;

    assert_non_null(d);
    while ((e = readdir(d)))
        if (e->d_name[0] != '.' && n < 64)
            snprintf(out[n++], SPOOL_NAME_MAX, "%.*s", (int)SPOOL_NAME_MAX - 1, e->d_name);
    closedir(d);
    return n;
}

static void test_round_trip(void **state) {
    struct spool *s = open_spool(NULL);
    struct spool_meta meta = plain;
    char found[64][SPOOL_NAME_MAX];
    struct spool_name name;
    struct spool_batch b;
    const char *at, *record;
    int64_t seconds;
    size_t len;
    int dir;

    meta.hive = meta.skipped = true;
    assert_int_equal(spool_put(s, &meta, "17 2 a\n18 2 bc\n", 15), 0);
    assert_int_equal(spool_sync(s), 0);
    assert_int_equal(names(found), 1);
    assert_true(spool_name_parse(found[0], &name));
    assert_string_equal(name.flow_log, meta.flow_log);
    assert_string_equal(name.eni, meta.eni);
    assert_int_equal(name.account, 1);
    assert_int_equal(name.end, meta.end);
    dir = open(in("spool/ready"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(spool_batch_read(dir, found[0], &b), 0);
    assert_int_equal(name.size, (uint64_t)(b.lines - b.text.data) + b.lines_len);
    assert_string_equal(b.meta.destination, meta.destination);
    assert_string_equal(b.meta.header, meta.header);
    assert_string_equal(b.meta.region, meta.region);
    assert_int_equal(b.meta.start, meta.start);
    assert_int_equal(b.meta.end, meta.end);
    assert_int_equal(b.meta.traffic, SPOOL_ALL);
    assert_int_equal(b.meta.destination_type, SPOOL_S3);
    assert_true(b.meta.hive && b.meta.skipped && !b.meta.per_hour);
    at = b.lines;
    assert_true(spool_batch_next(&b, &at, &seconds, &record, &len));
    assert_int_equal(seconds, 17);
    assert_memory_equal(record, "2 a", len);
    assert_true(spool_batch_next(&b, &at, &seconds, &record, &len));
    assert_int_equal(seconds, 18);
    assert_int_equal(len, 4);
    assert_false(spool_batch_next(&b, &at, &seconds, &record, &len));
    spool_batch_free(&b);
    close(dir);
    spool_close(s);
}

static void test_refused(void **state) {
    static const char *const lines[] = {"",
                                        "x 2\n",
                                        "17\n",
                                        "17 2",
                                        "17 \n",
                                        "17 2\n\n",
                                        "17 a\tb\n",
                                        "1234567890123 2\n",
                                        "17 \xc3\xa4\n"};
    struct spool *s = open_spool(NULL);
    char found[64][SPOOL_NAME_MAX];
    struct spool_meta meta;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_int_equal(spool_put(s, &plain, lines[i], strlen(lines[i])), -EINVAL);
    meta = plain, meta.flow_log = "fl-../../etc";
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -EINVAL);
    meta = plain, meta.eni = "fl-1";
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -EINVAL);
    meta = plain, meta.destination = "a\nheader b";
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -EINVAL);
    meta = plain, meta.header = "";
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -EINVAL);
    meta = plain, meta.start = meta.end + 1;
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -EINVAL);
    assert_int_equal(names(found), 0);
    spool_close(s);
}

/* One account reaches its bound, the other one goes on; all reach the spool's. */
static void test_bounds(void **state) {
    struct spool_limits limits = {.bytes = 2500, .account_bytes = 1000, .batches = 100};
    char found[64][SPOOL_NAME_MAX];
    struct spool_meta meta = plain;
    struct spool *s = open_spool(&limits);
    int n = 0, all = 0, dir;

    while (spool_put(s, &meta, "1 2\n", 4) == 0)
        n++;
    assert_in_range(n, 2, 4);
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -ENOSPC);
    for (meta.account = 2; meta.account < 9; meta.account++)
        while (spool_put(s, &meta, "1 2\n", 4) == 0)
            all++;
    assert_int_equal(names(found), n + all);
    assert_true(spool_stats(s).bytes <= limits.bytes);
    assert_true(spool_stats(s).refused >= 9);
    /* The bounds hold for the next writer too. */
    spool_close(s);
    s = open_spool(&limits);
    meta.account = 1;
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -ENOSPC);
    spool_close(s);
    /* What the reader took makes room. */
    dir = open(in("spool/ready"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < n + all; i++)
        assert_int_equal(unlinkat(dir, found[i], 0), 0);
    close(dir);
    s = open_spool(&limits);
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), 0);
    spool_close(s);
    limits.batches = 1;
    s = open_spool(&limits);
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -ENOSPC);
    spool_close(s);
}

/* Small files of one account leave room for another's; also those that an earlier writer put. */
static void test_bound_of_files(void **state) {
    struct spool_limits limits = {.batches = 12};
    struct spool_meta meta = plain;
    struct spool *s = open_spool(&limits);

    for (int i = 0; i < 4; i++)
        assert_int_equal(spool_put(s, &meta, "1 2\n", 4), 0);
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -ENOSPC);
    meta.account++;
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), 0);
    spool_close(s);
    s = open_spool(&limits);
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), 0);
    meta.account--;
    assert_int_equal(spool_put(s, &meta, "1 2\n", 4), -ENOSPC);
    spool_close(s);
}

/* Links that stand where the spool's directories should be are not followed. */
static void test_links(void **state) {
    struct spool *s = NULL;
    char other[128];

    snprintf(other, sizeof(other), "%s/other", top);
    assert_int_equal(mkdir(other, 0755), 0);
    assert_int_equal(symlink(other, in("spool")), 0);
    assert_int_equal(spool_open(in("spool"), (gid_t)-1, NULL, &s), -ENOTDIR);
    assert_int_equal(unlink(in("spool")), 0);
    assert_int_equal(mkdir(in("spool"), 0755), 0);
    assert_int_equal(symlink(other, in("spool/ready")), 0);
    assert_int_equal(spool_open(in("spool"), (gid_t)-1, NULL, &s), -ENOTDIR);
    assert_null(s);
}

/* A reader's file under another name, a link, a pipe: refused, and nothing waits. */
static void test_strange_files(void **state) {
    struct spool *s = open_spool(NULL);
    int dir = open(in("spool/ready"), O_RDONLY | O_DIRECTORY);
    struct spool_name name;
    struct spool_batch b;

    assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
    assert_int_equal(mkfifoat(dir, "pipe", 0600), 0);
    assert_int_equal(spool_batch_read(dir, "link", &b), -EBADMSG);
    assert_int_equal(spool_batch_read(dir, "pipe", &b), -EBADMSG);
    assert_int_equal(spool_batch_read(dir, "none", &b), -ENOENT);
    assert_false(spool_name_parse("link", &name));
    assert_false(spool_name_parse("1_fl-1_eni-1_000000000001_1_0123456789abcdeg", &name));
    assert_true(spool_name_parse("1_fl-1_eni-1_000000000001_1_0123456789abcdef", &name));
    assert_false(spool_name_parse("1_fl-1_eni-1_000000000001_1_0123456789abcdef0", &name));
    close(dir);
    spool_close(s);
}

/* kill -9 at any moment: what is in ready/ is whole. */
static void test_killed(void **state) {
    size_t len = 1 << 20;
    char *lines = malloc(len);
    char found[64][SPOOL_NAME_MAX];
    int dir, n;

    assert_non_null(lines);
    for (size_t i = 0; i < len; i += 4)
        memcpy(lines + i, "1 2\n", 4);
    spool_close(open_spool(NULL));
    for (int round = 0; round < 8; round++) {
        struct timespec pause = {.tv_nsec = (long)(random() % 20) * 1000000};
        pid_t pid = fork();

        if (pid == 0) {
            struct spool *s = open_spool(NULL);

            while (spool_put(s, &plain, lines, len) == 0)
                ;
            _exit(0);
        }
        nanosleep(&pause, NULL); /* the moment is random: nothing is waited for */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    dir = open(in("spool/ready"), O_RDONLY | O_DIRECTORY);
    n = names(found);
    for (int i = 0; i < n; i++) {
        struct spool_batch b;

        assert_int_equal(spool_batch_read(dir, found[i], &b), 0);
        assert_int_equal(b.lines_len, len);
        spool_batch_free(&b);
    }
    close(dir);
    /* The next writer clears what was half written. */
    spool_close(open_spool(NULL));
    assert_int_equal(rmdir(in("spool/new")), 0);
    free(lines);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bound_of_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strange_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
