/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two processes write to one store, without asking each other.
 *
 *     parent: handle, replica        child: handle, replica
 *              \                      /
 *               one file, shared mode
 *
 * Each counts up documents that it finds in its replica, which is what it loaded, its own committed
 * writes and what the watch reports. An update that is lost, or a replica that misses or disorders
 * a change, shows in the sum: every success raises exactly one version by one.
 */
#include "helper.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "store/store.h"

#define KEYS 6
#define SUCCESSES 2000 /* of each process */
#define IN_FLIGHT 4

struct writer {
    struct event_base *base;
    struct store *store;
    uint64_t versions[KEYS];
    bool busy[KEYS];
    int meet_fd; /* to the other process */
    uint32_t successes, conflicts, their_conflicts, in_flight;
    bool wrong;
};

struct call {
    struct writer *w;
    uint32_t key;
};

static uint32_t key_number(const char *key) {
    return (uint32_t)(key[0] - 'a');
}

static void on_watch(void *arg, const struct store_doc *docs, size_t n) {
    struct writer *w = arg;

    for (size_t i = 0; i < n; i++)
        w->versions[key_number(docs[i].key)] = docs[i].version;
}

static int on_load(void *arg, const struct store_doc *doc) {
    on_watch(arg, doc, 1);
    return 0;
}

static void on_done(void *arg, const struct store_result *result) {
    struct call *c = arg;
    struct writer *w = c->w;

    w->busy[c->key] = false;
    w->in_flight--;
    if (result->status == 0) {
        w->versions[c->key]++;
        w->successes++;
    } else if (result->status == -EAGAIN) {
        w->conflicts++;
        store_resume(w->store);
    } else if (result->status != -ECANCELED) {
        w->wrong = true;
    }
    free(c);
}

static void submit_one(struct writer *w) {
    uint32_t k = random_below(KEYS);
    struct call *c;
    struct store_txn *t;
    char key[2] = {(char)('a' + k), 0};

    if (w->busy[k])
        return;
    c = malloc(sizeof(*c));
    *c = (struct call){w, k};
    w->busy[k] = true;
    w->in_flight++;
    t = store_txn_new(on_done, c);
    store_txn_put(t, key, w->versions[k], "x", 1);
    if (store_submit(w->store, t) < 0)
        w->wrong = true;
}

static void on_late(evutil_socket_t fd, short what, void *arg) {
    ((struct writer *)arg)->wrong = true;
}

static uint64_t writer_sum(const struct writer *w) {
    uint64_t sum = 0;

    for (size_t i = 0; i < KEYS; i++)
        sum += w->versions[i];
    return sum;
}

/* Tells the other a number and waits for its own. */
static int meet(struct writer *w, uint32_t mine, uint32_t *ret_theirs) {
    int r = write_all(w->meet_fd, &mine, sizeof(mine));

    return r < 0 ? r : read_all(w->meet_fd, ret_theirs, sizeof(*ret_theirs));
}

/* Opens, makes its successes, then follows until it sees all of both. 0: all right. */
static int writer_run(const char *db, struct writer *w) {
    struct store_options options = {.watch = on_watch, .watch_arg = w, .shared = true};
    struct timeval bound = {30, 0};
    char error[STORE_TEXT];
    struct event *late;
    uint32_t theirs;

    w->base = event_base_new();
    late = evtimer_new(w->base, on_late, w);
    evtimer_add(late, &bound);
    if (store_open(w->base, "sqlite", db, &options, &w->store, error) < 0 ||
        store_load(w->store, on_load, w) < 0 || meet(w, 0, &theirs) < 0)
        return 1;
    while (!w->wrong && (w->successes < SUCCESSES || w->in_flight)) {
        if (w->in_flight < IN_FLIGHT && w->successes + w->in_flight < SUCCESSES)
            submit_one(w);
        event_base_loop(w->base, w->in_flight < IN_FLIGHT ? EVLOOP_NONBLOCK : EVLOOP_ONCE);
    }
    while (!w->wrong && writer_sum(w) < 2 * SUCCESSES)
        event_base_loop(w->base, EVLOOP_ONCE);
    event_free(late);
    store_close(w->store);
    event_base_free(w->base);
    if (meet(w, w->conflicts, &w->their_conflicts) < 0 || !(w->conflicts + w->their_conflicts))
        return 1;
    return w->wrong || writer_sum(w) != 2 * SUCCESSES;
}

static void two_writers(void **state) {
    struct writer w = {0};
    char dir[32], db[64];
    int status = 0, fds[2];
    pid_t pid;

    temp_dir_make(dir);
    snprintf(db, sizeof(db), "%s/db", dir);
    fflush(stdout);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        random_below(2); /* another sequence than the parent's */
        close(fds[0]);
        w.meet_fd = fds[1];
        _exit(writer_run(db, &w));
    }
    close(fds[1]);
    w.meet_fd = fds[0];
    assert_int_equal(writer_run(db, &w), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(fds[0]);
    printf("%d + %d updates, %u and %u conflicts\n", SUCCESSES, SUCCESSES, w.conflicts,
           w.their_conflicts);
    temp_dir_remove(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_writers)};

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
