/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 in the middle of 16 clients.
 *
 *     child: 16 clients, each with one transaction in flight  --- acknowledged --->  parent
 *            committer thread, group commit                   <---- SIGKILL -------
 *
 * Transaction number T of all, the n-th of client c, writes four documents:
 *     count           = T, expecting version T - 1: so the order of all is known
 *     client/c/a      = n
 *     client/c/b      = n
 *     log/c/n         = T, expecting absence
 * The parent kills at a random moment and opens the same file again. What is there must be a whole
 * number of whole transactions, the first so many, and among them every acknowledged one. The next
 * child goes on from there.
 */
#include "helper.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/store.h"

#define CLIENTS 16
#define ROUNDS 40
#define MAX_TXNS 200000
#define BOUND_MS 20000

struct ack {
    uint32_t client, n;
};

/* What was read from the store. */
struct content {
    uint32_t count;
    uint32_t a[CLIENTS], b[CLIENTS], logs[CLIENTS];
    bool seen[MAX_TXNS + 1]; /* by T */
};

static int read_doc(void *arg, const struct store_doc *doc) {
    struct content *c = arg;
    unsigned client, n;
    uint32_t value;

    if (doc->len != sizeof(value))
        return -EBADMSG;
    memcpy(&value, doc->value, sizeof(value));
    if (strcmp(doc->key, "count") == 0) {
        c->count = value;
        return doc->version == value ? 0 : -EBADMSG;
    }
    if (sscanf(doc->key, "client/%u/", &client) == 1 && client < CLIENTS) {
        *(strchr(doc->key, 'a') ? &c->a[client] : &c->b[client]) = value;
        return doc->version == value ? 0 : -EBADMSG;
    }
    if (sscanf(doc->key, "log/%u/%u", &client, &n) != 2 || client >= CLIENTS)
        return -EBADMSG;
    if (value > MAX_TXNS || c->seen[value] || doc->version != 1)
        return -EBADMSG;
    c->seen[value] = true;
    c->logs[client]++;
    return 0;
}

/* ---- the child: it may not use cmocka's asserts; it ends with 1 when something is wrong ---- */

struct child {
    struct store *store;
    int ack_fd;
    uint32_t submitted;
    struct client {
        struct child *child;
        uint32_t number, n;
    } clients[CLIENTS];
};

static void child_submit(struct client *c);

static void child_done(void *arg, const struct store_result *result) {
    struct client *c = arg;
    struct ack ack = {c->number, c->n};

    if (result->status || write_all(c->child->ack_fd, &ack, sizeof(ack)) < 0)
        _exit(1);
    child_submit(c);
}

static void put_number(struct store_txn *t, uint32_t version, uint32_t value, const char *key) {
    store_txn_put(t, key, version, &value, sizeof(value));
}

static void child_submit(struct client *c) {
    struct store_txn *t = store_txn_new(child_done, c);
    uint32_t total = ++c->child->submitted;
    char key[64];

    if (total > MAX_TXNS)
        _exit(1);
    c->n++;
    put_number(t, total - 1, total, "count");
    snprintf(key, sizeof(key), "client/%u/a", c->number);
    put_number(t, c->n - 1, c->n, key);
    snprintf(key, sizeof(key), "client/%u/b", c->number);
    put_number(t, c->n - 1, c->n, key);
    snprintf(key, sizeof(key), "log/%u/%u", c->number, c->n);
    put_number(t, 0, total, key);
    if (store_submit(c->child->store, t) < 0)
        _exit(1);
}

static void child_run(const char *dir, int ack_fd) {
    static struct content content;
    static struct child child;
    struct event_base *base;
    char error[STORE_TEXT];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    base = event_base_new();
    child.ack_fd = ack_fd;
    if (!base || store_open(base, "sqlite", dir, NULL, &child.store, error) < 0 ||
        store_load(child.store, read_doc, &content) < 0)
        _exit(1);
    child.submitted = content.count;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        child.clients[i] = (struct client){&child, i, content.a[i]};
        child_submit(&child.clients[i]);
    }
    event_base_dispatch(base);
    _exit(1);
}

/* ---- the parent ---- */

/* Reads `n` acknowledgements, or with n = 0 all until the end, and remembers the last of each. */
static uint32_t read_acks(int fd, uint32_t n, uint32_t acked[CLIENTS]) {
    struct pollfd p = {.fd = fd, .events = POLLIN};
    uint32_t got = 0;
    struct ack ack;

    while (!n || got < n) {
        int r;

        assert_true(poll(&p, 1, BOUND_MS) > 0);
        r = read_all(fd, &ack, sizeof(ack));
        if (r == -ENODATA && !n)
            return got;
        if (r < 0)
            fail_msg("the child ended by itself");
        /* A client hears of its own in order. */
        assert_int_equal(ack.n, acked[ack.client] + 1);
        acked[ack.client] = ack.n;
        got++;
    }
    return got;
}

static void check_content(const char *dir, uint32_t acked[CLIENTS]) {
    _free_ struct content *c = calloc(1, sizeof(*c));
    struct event_base *base = event_base_new();
    char error[STORE_TEXT];
    struct store *s = NULL;
    uint32_t sum = 0;

    if (store_open(base, "sqlite", dir, NULL, &s, error) < 0)
        fail_msg("%s", error);
    assert_int_equal(store_load(s, read_doc, c), 0);
    store_close(s);
    event_base_free(base);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        assert_true(c->a[i] >= acked[i]);     /* what was acknowledged is there */
        assert_true(c->a[i] <= acked[i] + 1); /* one in flight each */
        assert_int_equal(c->a[i], c->b[i]);   /* and whole */
        assert_int_equal(c->a[i], c->logs[i]);
        sum += c->a[i];
        acked[i] = c->a[i];
    }
    assert_int_equal(c->count, sum);
    for (uint32_t t = 1; t <= sum; t++)
        assert_true(c->seen[t]);
}

static void kill_and_reopen(void **state) {
    uint32_t acked[CLIENTS] = {0}, total = 0;
    uint64_t began = mono_ns();
    char dir[32], db[64];

    temp_dir_make(dir);
    snprintf(db, sizeof(db), "%s/db", dir);
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t wanted = 1 + random_below(round % 2 ? 30 : 1500);
        uint64_t until, spin = random_below(2000000);
        int fds[2];
        pid_t pid;

        assert_int_equal(pipe(fds), 0);
        fflush(stdout);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            child_run(db, fds[1]);
        }
        close(fds[1]);
        total += read_acks(fds[0], wanted, acked);
        /* Somewhere within the next groups, not always right behind an acknowledgement. */
        for (until = mono_ns() + spin; mono_ns() < until;)
            ;
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        total += read_acks(fds[0], 0, acked);
        close(fds[0]);
        check_content(db, acked);
    }
    printf("%u transactions acknowledged, %d kills, %u ms\n", total, ROUNDS,
           (unsigned)((mono_ns() - began) / 1000000));
    temp_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(kill_and_reopen)};

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
