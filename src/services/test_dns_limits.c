/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an interface can take up of the resolver, and what becomes of questions when the process
 * that asks the world is slow, silent, gone or mad. The test is that process, and the interfaces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/io.h"
#include "model/regions.h"
#include "services/dns.h"
#include "services/dns_wire.h"
#include "services/frame.h"
#include "services/private.h"
#include "services/upstream.h"
#include "services/upstream_client.h"

static char dir[64], path[128];
static struct event_base *base;
static struct index *ix;
static struct services *services;
static struct upstream *upstream;
static struct dns *dns;
static int listener, peer;

static void *made(enum kind k, const char *id) {
    return obj_new(k, (struct scope){.account = 1, .region = region_by_name("us-east-1")}, id);
}

static void put(void *o) {
    assert_int_equal(index_put(ix, o, NULL), 0);
    obj_unref(o);
}

static void add_eni(uint32_t number) {
    struct network_interface *n;
    char id[16], key[64];

    snprintf(id, sizeof(id), "eni-%u", number);
    snprintf(key, sizeof(key), "us-east-1/000000000001/network-interface/%s", id);
    n = made(KIND_NETWORK_INTERFACE, id);
    obj_set(&n->o, &n->vpc_id, "vpc-1");
    obj_set(&n->o, &n->subnet_id, "subnet-1");
    put(n);
    services_alone_number(services, number, key);
}

static void listen_again(void) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};

    strcpy(at.sun_path, path);
    unlink(path);
    listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(listener, 4), 0);
}

static int setup(void **state) {
    struct vpc *v;

    strcpy(dir, "/tmp/vpcd-dns-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/upstream", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, UPSTREAM_SOCKET);
    base = event_base_new();
    ix = index_new();
    services = services_alone(base, ix);
    v = made(KIND_VPC, "vpc-1");
    v->dns_support = v->dns_hostnames = true;
    put(v);
    put(made(KIND_SUBNET, "subnet-1"));
    for (uint32_t i = 1; i <= 20; i++)
        add_eni(i);
    upstream = upstream_new(base, dir);
    dns = dns_new(services, upstream);
    listener = peer = -1;
    return 0;
}

static int teardown(void **state) {
    char command[96];

    dns_free(dns);
    upstream_free(upstream);
    services_free(services);
    index_free(ix);
    event_base_free(base);
    if (listener >= 0)
        close(listener);
    if (peer >= 0)
        close(peer);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* ---- the two sides ---- */

/* A datagram of the interface. Its answer goes nowhere: the counters tell. */
static void ask(uint32_t number, const char *name) {
    struct question q = {.services = services, .number = number, .family = IP_V4, .fd = -1};
    uint8_t msg[300] = {0, 7, 1, 0, 0, 1};
    static const uint8_t end[] = {0, 1, 0, 1};
    struct dns_name n;

    assert_true(dns_name_set(&n, name));
    memcpy(msg + DNS_HEADER, n.wire, n.len);
    memcpy(msg + DNS_HEADER + n.len, end, sizeof(end));
    services->on_udp[DOOR_DNS].fn(services->on_udp[DOOR_DNS].arg, &q, msg,
                                  DNS_HEADER + n.len + sizeof(end));
}

static void ask_many(uint32_t number, int n) {
    char name[64];

    for (int i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "n%d-%u.example.com", i, number);
        ask(number, name);
    }
}

static uint64_t count(enum service_count c) {
    return services_counted(services, c);
}

/* The questions that came to the other side; the last one's header. */
static int read_questions(struct upstream_header *ret_last) {
    uint8_t data[sizeof(*ret_last) + UPSTREAM_QUESTION_MAX];
    int n = 0;

    if (peer < 0)
        peer = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    while (recv(peer, data, sizeof(data), 0) > 0) {
        memcpy(ret_last, data, sizeof(*ret_last));
        n++;
    }
    return n;
}

static void turn(void) {
    event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- tests ---- */

static void nobody_takes_all_places(void **state) {
    struct upstream_header last;
    uint64_t relayed;
    int got;

    listen_again();
    ask_many(1, 400);
    assert_in_range(count(COUNT_DNS_RELAYED), 64, DNS_WAITING_PER_ENI);
    assert_int_equal(count(COUNT_DNS_FAILED), 400 - count(COUNT_DNS_RELAYED));
    got = read_questions(&last);
    assert_int_equal(got, count(COUNT_DNS_RELAYED));
    /* Nineteen more do the same, and whoever comes last still has some. */
    for (uint32_t i = 2; i <= 19; i++)
        ask_many(i, 400);
    assert_true(upstream_waiting(upstream) < UPSTREAM_QUESTIONS);
    relayed = count(COUNT_DNS_RELAYED);
    ask_many(20, 4);
    assert_int_equal(count(COUNT_DNS_RELAYED), relayed + 4);
    /* The socket does not hold so many; all get there, in order, as it is read. */
    for (int i = 0; i < 1000 && got < (int)relayed + 4; i++) {
        got += read_questions(&last);
        turn();
    }
    assert_int_equal(got, relayed + 4);
    assert_int_equal(last.id, relayed + 4);
}

static void questions_have_a_rate(void **state) {
    for (int i = 0; i < 3000; i++)
        ask(1, "ip-10-0-0-1.ec2.internal");
    assert_in_range(count(COUNT_DNS_QUERIES), DNS_RATE, 2 * DNS_RATE);
    assert_int_equal(count(COUNT_DNS_QUERIES) + count(COUNT_DNS_LIMITED), 3000);
    ask(2, "ip-10-0-0-1.ec2.internal"); /* of each interface its own */
    assert_int_equal(count(COUNT_DNS_QUERIES) + count(COUNT_DNS_LIMITED), 3001);
    assert_true(count(COUNT_DNS_LIMITED) < 3000 - DNS_RATE + 1);
}

static void without_the_process_it_fails_at_once(void **state) {
    struct upstream_header last;

    ask(1, "www.example.com");
    assert_int_equal(count(COUNT_DNS_FAILED), 1);
    listen_again(); /* and as soon as it is there it is asked */
    ask(1, "www.example.com");
    assert_int_equal(count(COUNT_DNS_FAILED), 1);
    assert_int_equal(read_questions(&last), 1);
}

static void what_waits_ends_with_the_process(void **state) {
    struct upstream_header last;

    listen_again();
    ask_many(1, 10);
    assert_int_equal(read_questions(&last), 10);
    close(peer);
    close(listener);
    peer = -1;
    listen_again();
    turn();
    assert_int_equal(count(COUNT_DNS_FAILED), 10);
    assert_int_equal(upstream_waiting(upstream), 0);
    ask_many(1, 1);
    assert_int_equal(read_questions(&last), 1);
    /* Started again between two questions, without the loop in between. */
    close(peer);
    close(listener);
    peer = -1;
    listen_again();
    ask_many(1, 1);
    assert_int_equal(read_questions(&last), 1);
    assert_int_equal(count(COUNT_DNS_FAILED), 11);
}

static void what_it_says_wrongly_is_no_answer(void **state) {
    struct upstream_header h;

    for (int i = 0; i < 3; i++) {
        uint64_t failed = count(COUNT_DNS_FAILED);

        listen_again();
        ask(1, "www.example.com");
        assert_int_equal(read_questions(&h), 1);
        if (i == 0) { /* shorter than a header */
            assert_int_equal(send(peer, &h, sizeof(h) - 1, 0), sizeof(h) - 1);
        } else if (i == 1) { /* of another length than it says */
            h.len = 5;
            assert_int_equal(send(peer, &h, sizeof(h), 0), sizeof(h));
        } else { /* no answer to the question, and an answer to none */
            uint8_t both[sizeof(h) + 12] = {0};

            h.len = 12;
            memcpy(both, &h, sizeof(h));
            assert_int_equal(send(peer, both, sizeof(both), 0), sizeof(both));
            h.id += 1000;
            memcpy(both, &h, sizeof(h));
            assert_int_equal(send(peer, both, sizeof(both), 0), sizeof(both));
        }
        turn();
        assert_int_equal(count(COUNT_DNS_FAILED), failed + 1);
        assert_int_equal(upstream_waiting(upstream), 0);
        /* Who does not know the form is hung up on. */
        assert_int_equal(send(peer, &h, 1, MSG_NOSIGNAL), i == 2 ? 1 : -1);
        close(peer);
        close(listener);
        peer = -1;
        turn();
    }
    listener = -1;
}

static void silence_has_an_end(void **state) {
    uint64_t begin = mono_ns();
    struct upstream_header last;

    listen_again();
    ask_many(1, 5);
    while (upstream_waiting(upstream) && mono_ns() - begin < 20000000000u)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(count(COUNT_DNS_FAILED), 5);
    assert_true(mono_ns() - begin >= (UPSTREAM_WAIT_MS - 100) * 1000000ull);
    /* Too late: nobody waits any more. */
    assert_int_equal(read_questions(&last), 5);
    last.len = 0;
    assert_int_equal(send(peer, &last, sizeof(last), 0), sizeof(last));
    turn();
    assert_int_equal(count(COUNT_DNS_FAILED), 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_takes_all_places, setup, teardown),
        cmocka_unit_test_setup_teardown(questions_have_a_rate, setup, teardown),
        cmocka_unit_test_setup_teardown(without_the_process_it_fails_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_waits_ends_with_the_process, setup, teardown),
        cmocka_unit_test_setup_teardown(what_it_says_wrongly_is_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(silence_has_an_end, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
