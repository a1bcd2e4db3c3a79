/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends over a real socket in one loop; and each end against a peer that misbehaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "stream/client.h"
#include "stream/conn.h"
#include "stream/server.h"

#define DOCS 40

/* Everything that either side ever reported, as text; and the documents, at the daemon and the
 * agent. */
static struct {
    char dir[32], path[64];
    struct event_base *base;
    struct stream_server *server;
    struct stream_client *client;
    struct buf server_log, client_log;
    uint64_t versions[DOCS], replica[DOCS];
    uint64_t revision, replica_revision;
    size_t doc_len, downs, snapshots;
    bool quiet; /* no text */
    struct stream_agent *agent;
} T;

static char *key_of(size_t i, char out[16]) {
    snprintf(out, 16, "key/%03u", (unsigned)i);
    return out;
}

/* ---- the daemon ---- */

static uint64_t on_snapshot(void *arg, struct stream_agent *agent) {
    _free_ char *data = calloc(1, T.doc_len + 1);
    char key[16];

    T.agent = agent;
    buf_addf(&T.server_log, "up %s;", stream_agent_host(agent));
    for (size_t i = 0; i < DOCS; i++)
        if (T.versions[i])
            stream_agent_object(agent, key_of(i, key), T.versions[i], data, T.doc_len);
    return T.revision;
}

static void on_report(void *arg, struct stream_agent *agent, uint16_t kind, const char *id,
                      const void *data, size_t len) {
    buf_addf(&T.server_log, "report %u %s %.*s;", kind, id, (int)len, (const char *)data);
}

static void on_agent_down(void *arg, struct stream_agent *agent, const char *why) {
    T.agent = NULL;
    buf_addf(&T.server_log, "down %s;", why);
}

static void on_refused(void *arg, const char *why) {
    buf_addf(&T.server_log, "refused %s;", why);
}

static const struct stream_server_handlers server_handlers = {
    .snapshot = on_snapshot, .report = on_report, .down = on_agent_down, .refused = on_refused};

static void serve(const struct stream_server_options *given) {
    struct stream_server_options options = given ? *given : (struct stream_server_options){0};

    if (!options.peer_uid)
        options.peer_uid = getuid();
    options.host = "daemon";
    options.state = "5eed";
    assert_int_equal(stream_server_new(T.base, T.path, &options, &server_handlers, NULL, &T.server),
                     0);
}

/* ---- the agent ---- */

static void on_begin(void *arg) {
    T.snapshots++;
    memset(T.replica, 0, sizeof(T.replica));
    if (!T.quiet)
        buf_adds(&T.client_log, "begin;");
}

static void on_object(void *arg, const char *key, uint64_t version, const void *data, size_t len) {
    T.replica[strtoul(key + 4, NULL, 10) % DOCS] = version;
    if (!T.quiet)
        buf_addf(&T.client_log, "object %s %d %zu;", key, (int)version, len);
}

static void on_deletion(void *arg, const char *key, uint64_t version) {
    T.replica[strtoul(key + 4, NULL, 10) % DOCS] = 0;
    if (!T.quiet)
        buf_addf(&T.client_log, "delete %s %d;", key, (int)version);
}

static void on_end(void *arg, uint64_t revision) {
    T.replica_revision = revision;
    if (!T.quiet)
        buf_addf(&T.client_log, "end %d;", (int)revision);
}

static void on_revision(void *arg, uint64_t revision) {
    T.replica_revision = revision;
    if (!T.quiet)
        buf_addf(&T.client_log, "revision %d;", (int)revision);
}

static void on_down(void *arg, const char *why) {
    T.downs++;
    buf_addf(&T.client_log, "down %s;", why);
}

static const struct stream_client_handlers client_handlers = {.snapshot_begin = on_begin,
                                                              .object = on_object,
                                                              .deletion = on_deletion,
                                                              .snapshot_end = on_end,
                                                              .revision = on_revision,
                                                              .down = on_down};

static void follow(const char *state, uid_t uid) {
    struct stream_client_options options = {.host = "host-1", .state = state, .server_uid = uid};

    assert_int_equal(stream_client_new(T.base, T.path, &options, &client_handlers, NULL, &T.client),
                     0);
}

/* ---- the loop, with a bound ---- */

static void on_late(evutil_socket_t fd, short what, void *arg) {
    fail_msg("nothing happened for 20 s; server: '%.300s' client: '%.300s'", buf_str(&T.server_log),
             buf_str(&T.client_log));
}

static struct event *bound_begin(void) {
    struct event *late = evtimer_new(T.base, on_late, NULL);
    struct timeval bound = {20, 0};

    evtimer_add(late, &bound);
    return late;
}

static void wait_text(const struct buf *log, const char *text) {
    struct event *late = bound_begin();

    while (!strstr(buf_str(log), text))
        event_base_loop(T.base, EVLOOP_ONCE);
    event_free(late);
}

static void expect(struct buf *log, const char *text) {
    assert_string_equal(buf_str(log), text);
    buf_reset(log);
}

static int set_up(void **state) {
    memset(&T, 0, sizeof(T));
    snprintf(T.dir, sizeof(T.dir), "/tmp/vpcd-stream-XXXXXX");
    if (!mkdtemp(T.dir))
        return -1;
    snprintf(T.path, sizeof(T.path), "%s/sock", T.dir);
    T.base = event_base_new();
    return T.base ? 0 : -1;
}

static int tear_down(void **state) {
    stream_client_free(T.client);
    stream_server_free(T.server);
    event_base_free(T.base);
    buf_free(&T.server_log);
    buf_free(&T.client_log);
    unlink(T.path);
    rmdir(T.dir);
    return 0;
}

/* ---- a peer by hand ---- */

/* A raw connection to the server. */
static int raw_connect(void) {
    int fd = unix_connect(T.path);

    assert_true(fd >= 0);
    return fd;
}

static void raw_send(int fd, const struct stream_frame *f) {
    _buf_ struct buf b = BUF_INIT;

    assert_int_equal(frame_encode(&b, f), 0);
    assert_int_equal(write_all(fd, b.data, b.len), 0);
}

static struct stream_frame hello_of(uint8_t role) {
    return (struct stream_frame){
        .type = STREAM_HELLO,
        .hello = {STREAM_PROTOCOL_OLDEST, STREAM_PROTOCOL_NEWEST, role, "raw", "5eed"}};
}

/* ---- both ends ---- */

static void snapshot_then_changes(void **state) {
    T.versions[1] = 3;
    T.versions[2] = 1;
    T.doc_len = 5;
    T.revision = 10;
    serve(NULL);
    follow("5eed", getuid());
    assert_int_equal(stream_client_report(T.client, 1, "x", "", 0), -ENOTCONN);
    wait_text(&T.client_log, "end");
    expect(&T.client_log, "begin;object key/001 3 5;object key/002 1 5;end 10;");
    expect(&T.server_log, "up host-1;");
    assert_int_equal(stream_server_agents(T.server), 1);
    stream_server_object(T.server, "key/003", 1, "abc", 3);
    stream_server_delete(T.server, "key/001", 3);
    stream_server_revision(T.server, 11);
    wait_text(&T.client_log, "revision");
    expect(&T.client_log, "object key/003 1 3;delete key/001 3;revision 11;");
    assert_int_equal(stream_client_report(T.client, 7, "i-1", "running", 7), 0);
    wait_text(&T.server_log, "running");
    expect(&T.server_log, "report 7 i-1 running;");
    assert_int_equal(stream_server_object(T.server, "", 1, "", 0), -EINVAL);
    stream_agent_close(T.agent, "enough");
    wait_text(&T.server_log, "down enough;");
    wait_text(&T.client_log, "down the other side closed it;");
}

/* The daemon dies and comes back; the agent finds it again by itself. */
static void reconnects(void **state) {
    follow("5eed", getuid());
    wait_text(&T.client_log, "down No such file");
    T.revision = 1;
    serve(NULL);
    wait_text(&T.client_log, "end 1;");
    stream_server_free(T.server);
    T.server = NULL;
    wait_text(&T.client_log, "down the other side closed it;");
    buf_reset(&T.client_log);
    T.revision = 2;
    serve(NULL);
    wait_text(&T.client_log, "end 2;");
    assert_int_equal(T.snapshots, 2);
}

/* Who greets in the middle of a batch must not be told half of it. */
static void greeting_within_a_batch(void **state) {
    serve(NULL);
    stream_server_object(T.server, "key/001", 1, "", 0); /* a batch is open */
    T.versions[1] = 1;
    follow("5eed", getuid());
    while (T.client && stream_client_report(T.client, 1, "greeted", "", 0) < 0)
        event_base_loop(T.base, EVLOOP_ONCE);
    wait_text(&T.server_log, "greeted");
    assert_int_equal(stream_server_agents(T.server), 0);
    assert_int_equal(T.snapshots, 0);
    T.revision = 5;
    stream_server_revision(T.server, 5);
    wait_text(&T.client_log, "end 5;");
    expect(&T.client_log, "begin;object key/001 1 0;end 5;");
}

static void wrong_peers(void **state) {
    struct stream_server_options options = {.peer_uid = getuid() + 1};

    serve(&options);
    follow("5eed", getuid());
    wait_text(&T.server_log, "refused its user may not connect;");
    stream_server_free(T.server);
    stream_client_free(T.client);
    buf_reset(&T.client_log);
    serve(NULL);
    follow("5eed", getuid() + 1);
    wait_text(&T.client_log, "down the socket was made by another user;");
    stream_client_free(T.client);
    buf_reset(&T.client_log);
    follow("other", getuid());
    wait_text(&T.server_log, "refused the other side belongs to another state directory;");
    wait_text(&T.client_log, "down the other side closed it;");
}

static void too_many_agents(void **state) {
    struct stream_server_options options = {.max_agents = 2};
    struct stream_frame hello = hello_of(STREAM_ROLE_AGENT);
    int a, b, c;

    serve(&options);
    a = raw_connect();
    b = raw_connect();
    c = raw_connect();
    wait_text(&T.server_log, "refused there are too many agents;");
    close(a);
    wait_text(&T.server_log, "refused the other side closed it;");
    buf_reset(&T.server_log);
    a = raw_connect();
    raw_send(a, &hello);
    wait_text(&T.server_log, "up raw;");
    close(a);
    close(b);
    close(c);
}

/* ---- the server against bad agents ---- */

static void greeting_takes_too_long(void **state) {
    struct stream_server_options options = {.greeting_ms = 20};
    int fd;

    serve(&options);
    fd = raw_connect();
    assert_int_equal(write_all(fd, "\x0c", 1), 0);
    wait_text(&T.server_log, "refused it said nothing in time;");
    close(fd);
}

static void slow_reader(void **state) {
    struct stream_server_options options = {.max_queue = 1024 * 1024};
    _free_ char *data = calloc(1, 64 * 1024);
    struct stream_frame hello = hello_of(STREAM_ROLE_AGENT);
    int fd;

    T.doc_len = 512 * 1024;
    for (size_t i = 0; i < DOCS; i++)
        T.versions[i] = 1; /* a snapshot of 20 MiB is no fault of the reader's */
    serve(&options);
    fd = raw_connect();
    raw_send(fd, &hello);
    wait_text(&T.server_log, "up raw;");
    for (uint64_t i = 0; i < 10; i++) {
        stream_server_object(T.server, "key/000", 2 + i, data, 64 * 1024);
        stream_server_revision(T.server, 1 + i);
    }
    event_base_loop(T.base, EVLOOP_NONBLOCK);
    assert_int_equal(stream_server_agents(T.server), 1);
    for (uint64_t i = 10; i < 20; i++) {
        stream_server_object(T.server, "key/000", 2 + i, data, 64 * 1024);
        stream_server_revision(T.server, 1 + i);
    }
    wait_text(&T.server_log, "down it did not keep up;");
    assert_int_equal(stream_server_agents(T.server), 0);
    close(fd);
}

static struct stream_frame greeting(uint16_t oldest, uint16_t newest, uint8_t role) {
    struct stream_frame f = hello_of(role);

    f.hello.oldest = oldest;
    f.hello.newest = newest;
    return f;
}

static void bad_agents(void **state) {
    const struct stream_frame hello = hello_of(STREAM_ROLE_AGENT);
    const struct {
        struct stream_frame first, second;
        const char *raw, *why;
    } bad[] = {
        {{.type = STREAM_REPORT, .key = ""}, .why = "refused it did not greet first;"},
        {hello_of(STREAM_ROLE_DAEMON), .why = "refused both sides have the same role;"},
        {greeting(0, 0, STREAM_ROLE_AGENT), .why = "refused the other side is too old"},
        {greeting(2, 3, STREAM_ROLE_AGENT), .why = "refused the other side is too new"},
        {hello, hello, .why = "down a frame that an agent does not send;"},
        {hello,
         {.type = STREAM_OBJECT, .key = "k"},
         .why = "down a frame that an agent does not send;"},
        {.raw = "\xff\xff\xff\xff", .why = "refused a frame of impossible length;"},
        {.raw = "\5\1\1\1GET / HTTP", .why = "refused a frame of impossible length;"},
        {hello, .raw = "\1\1\1\1", .why = "down a frame of impossible length;"},
    };

    serve(NULL);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int fd = raw_connect();

        if (bad[i].first.type)
            raw_send(fd, &bad[i].first);
        if (bad[i].second.type)
            raw_send(fd, &bad[i].second);
        if (bad[i].raw)
            assert_int_equal(write_all(fd, bad[i].raw, strlen(bad[i].raw)), 0);
        wait_text(&T.server_log, bad[i].why);
        buf_reset(&T.server_log);
        close(fd);
    }
}

/* ---- the client against bad daemons ---- */

struct raw_daemon {
    int listen_fd, fd;
    struct event *accept;
};

static void on_raw_accept(evutil_socket_t fd, short what, void *arg) {
    struct raw_daemon *d = arg;

    if (d->fd >= 0)
        close(d->fd);
    d->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

static void raw_wait(struct raw_daemon *d) {
    struct event *late = bound_begin();

    while (d->fd < 0)
        event_base_loop(T.base, EVLOOP_ONCE);
    event_free(late);
}

static void bad_daemons(void **state) {
    const struct stream_frame hello = hello_of(STREAM_ROLE_DAEMON);
    const struct stream_frame begin = {.type = STREAM_SNAP_BEGIN};
    const struct stream_frame end = {.type = STREAM_SNAP_END, .number = 5};
    const struct {
        const struct stream_frame *frames[5];
        const char *why;
    } bad[] = {
        {{&begin}, "down a frame out of its order;"},
        {{&hello, &hello}, "down a frame out of its order;"},
        {{&hello, &end}, "down a frame out of its order;"},
        {{&hello, &(struct stream_frame){.type = STREAM_OBJECT, .key = "k"}},
         "down a frame out of its order;"},
        {{&hello, &begin, &begin}, "down a frame out of its order;"},
        {{&hello, &begin, &(struct stream_frame){.type = STREAM_DELETE, .key = "k"}},
         "down a frame out of its order;"},
        {{&hello, &begin, &end, &begin}, "down a frame out of its order;"},
        {{&hello, &begin, &end, &(struct stream_frame){.type = STREAM_REPORT, .key = "k"}},
         "down a frame out of its order;"},
        {{&hello, &begin, &end, &(struct stream_frame){.type = STREAM_REVISION, .number = 4}},
         "down a revision older than the last;"},
    };
    struct raw_daemon d = {.fd = -1};

    d.listen_fd = unix_listen(T.path, 0600);
    assert_true(d.listen_fd >= 0);
    d.accept = event_new(T.base, d.listen_fd, EV_READ | EV_PERSIST, on_raw_accept, &d);
    event_add(d.accept, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        follow("5eed", getuid());
        raw_wait(&d);
        for (size_t j = 0; j < 5 && bad[i].frames[j]; j++)
            raw_send(d.fd, bad[i].frames[j]);
        wait_text(&T.client_log, bad[i].why);
        stream_client_free(T.client);
        T.client = NULL;
        buf_reset(&T.client_log);
        close(d.fd);
        d.fd = -1;
    }
    event_free(d.accept);
    close(d.listen_fd);
}

/* ---- random ---- */

static uint32_t below(uint32_t n) {
    return (uint32_t)random() % n;
}

static uint32_t seed_random(void) {
    const char *given = getenv("VPCD_SEED");
    uint32_t seed;

    random_bytes(&seed, sizeof(seed));
    if (given)
        seed = (uint32_t)strtoul(given, NULL, 0);
    srandom(seed);
    printf("seed: VPCD_SEED=%u\n", seed);
    return seed;
}

/* Bytes at random, and right frames with some bytes changed, cut at random places. */
static void random_bytes_to_the_server(void **state) {
    seed_random();
    serve(NULL);
    for (int i = 0; i < 400; i++) {
        struct stream_frame hello = hello_of(STREAM_ROLE_AGENT);
        _buf_ struct buf b = BUF_INIT;
        struct event *late;
        size_t at = 0;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        assert_int_equal(stream_server_adopt(T.server, fds[0]), 0);
        if (below(4))
            frame_encode(&b, &hello);
        for (uint32_t j = below(6); j; j--) {
            struct stream_frame report = {.type = (enum stream_type)(1 + below(8)),
                                          .kind = 1,
                                          .key = "id",
                                          .data = "0123456789",
                                          .len = below(10),
                                          .hello = hello.hello};
            frame_encode(&b, &report);
        }
        for (uint32_t j = below(40); j; j--)
            buf_addc(&b, (char)below(256));
        for (uint32_t j = below(4); j && b.len; j--)
            b.data[below((uint32_t)b.len)] = (char)below(256);
        while (at < b.len) {
            size_t n = 1 + below(64);

            n = n > b.len - at ? b.len - at : n;
            if (write(fds[1], b.data + at, n) < 0)
                break;
            at += n;
            event_base_loop(T.base, EVLOOP_NONBLOCK);
        }
        close(fds[1]);
        late = bound_begin();
        while (!strstr(buf_str(&T.server_log), "down ") &&
               !strstr(buf_str(&T.server_log), "refused "))
            event_base_loop(T.base, EVLOOP_ONCE);
        event_free(late);
        buf_reset(&T.server_log);
    }
    assert_int_equal(stream_server_agents(T.server), 0);
}

/* Changes at random, with connections that break at random: the replica is right at every revision.
 */
static void replica_follows(void **state) {
    static char data[3000];

    seed_random();
    T.quiet = true;
    T.doc_len = 100;
    serve(NULL);
    follow("5eed", getuid());
    wait_text(&T.server_log, "up");
    for (int i = 0; i < 2000; i++) {
        struct event *late;

        for (uint32_t j = 1 + below(5); j; j--) {
            uint32_t k = below(DOCS);
            char key[16];

            key_of(k, key);
            if (T.versions[k] && below(3) == 0) {
                stream_server_delete(T.server, key, T.versions[k]);
                T.versions[k] = 0;
            } else {
                stream_server_object(T.server, key, ++T.versions[k], data, below(sizeof(data)));
            }
        }
        stream_server_revision(T.server, ++T.revision);
        if (T.agent && below(200) == 0)
            stream_agent_close(T.agent, "by chance");
        if (below(20))
            continue;
        late = bound_begin();
        while (T.replica_revision < T.revision)
            event_base_loop(T.base, EVLOOP_ONCE);
        event_free(late);
        assert_memory_equal(T.versions, T.replica, sizeof(T.versions));
    }
    printf("%zu snapshots, %zu connections lost\n", T.snapshots, T.downs);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(snapshot_then_changes),
        T(reconnects),
        T(greeting_within_a_batch),
        T(wrong_peers),
        T(too_many_agents),
        T(greeting_takes_too_long),
        T(slow_reader),
        T(bad_agents),
        T(bad_daemons),
        T(random_bytes_to_the_server),
        T(replica_follows),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
