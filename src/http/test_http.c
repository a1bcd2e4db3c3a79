/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the server that need no socket; tests/http has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/cleanup.h"
#include "http/address.h"
#include "http/head.h"
#include "http/peers.h"

static const struct http_limits limits = {.head = 1024, .target = 64, .headers = 4, .body = 1000};

static int feed(struct http_head *h, const char *text, size_t *ret_used) {
    return http_head_feed(h, &limits, text, strlen(text), ret_used);
}

static void head_in_pieces(void **state) {
    static const char text[] = "POST /a/b?c=d?e HTTP/1.1\r\nHost: h:80\r\nX-Empty:\r\n"
                               "X-Blanks: \t a  b \t\r\nContent-Length: 7\r\n\r\n";

    for (size_t piece = 1; piece < sizeof(text); piece++) {
        struct http_head h = {0};
        size_t at = 0, used;
        int status = HEAD_MORE;

        while (status == HEAD_MORE) {
            size_t n = strlen(text) - at < piece ? strlen(text) - at : piece;

            assert_true(n > 0);
            status = http_head_feed(&h, &limits, text + at, n, &used);
            at += used;
        }
        assert_int_equal(status, HEAD_DONE);
        assert_int_equal(at, strlen(text));
        assert_string_equal(h.method, "POST");
        assert_string_equal(h.target, "/a/b?c=d?e");
        assert_string_equal(h.path, "/a/b");
        assert_string_equal(h.query, "c=d?e");
        assert_int_equal(h.header_count, 4);
        assert_string_equal(h.headers[0].name, "Host");
        assert_string_equal(h.headers[0].value, "h:80");
        assert_string_equal(h.headers[1].value, "");
        assert_string_equal(h.headers[2].value, "a  b");
        assert_int_equal(h.content_length, 7);
        assert_true(h.keep_alive);
        http_head_reset(&h);
    }
}

static void head_ends_where_it_ends(void **state) {
    struct http_head h = {0};
    size_t used;

    assert_int_equal(feed(&h, "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /next", &used), HEAD_DONE);
    assert_int_equal(used, 27);
    http_head_reset(&h);
}

static void head_keep_alive(void **state) {
    static const struct {
        const char *text;
        bool keep_alive;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: x, CLOSE\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct http_head h = {0};
        size_t used;

        assert_int_equal(feed(&h, rows[i].text, &used), HEAD_DONE);
        assert_int_equal(h.keep_alive, rows[i].keep_alive);
        http_head_reset(&h);
    }
}

static void head_limits(void **state) {
    static const struct {
        const char *text;
        int status;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: h\r\na: b\r\na: b\r\na: b\r\n\r\n", HEAD_DONE},
        {"GET / HTTP/1.1\r\nHost: h\r\na: b\r\na: b\r\na: b\r\na: b\r\n\r\n", 431},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", HEAD_DONE},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n", 413},
    };
    char target[128] = "GET /";
    struct http_head h = {0};
    size_t used;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(feed(&h, rows[i].text, &used), rows[i].status);
        http_head_reset(&h);
    }
    memset(target + 5, 'x', 64);
    assert_int_equal(feed(&h, target, &used), 414);
    assert_non_null(h.why);
    http_head_reset(&h);
}

static void addresses(void **state) {
    static const char *const good[] = {"127.0.0.1:4780", "[::1]:4780", "0.0.0.0:0", "[::]:65535"};
    static const char *const bad[] = {
        "",           "127.0.0.1",   "127.0.0.1:",   ":80",          "::1:80",
        "[::1]",      "[::1]:65536", "localhost:80", "[1.2.3.4]:80", "1.2.3.4:-1",
        "1.2.3.4:+1", "1.2.3.4:1x",  "[::1:80"};
    struct sockaddr_storage addr;
    char text[ADDRESS_TEXT];
    socklen_t len;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(address_parse(good[i], &addr, &len), 0);
        assert_string_equal(address_format((struct sockaddr *)&addr, text), good[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (address_parse(bad[i], &addr, &len) == 0)
            fail_msg("'%s' was taken", bad[i]);
    assert_true(http_listen_is_loopback("127.9.9.9:1"));
    assert_true(http_listen_is_loopback("[::1]:1"));
    assert_false(http_listen_is_loopback("0.0.0.0:1"));
    assert_false(http_listen_is_loopback("[::]:1"));
    assert_false(http_listen_is_loopback("[::ffff:127.0.0.1]:1x"));
}

static struct ip I(const char *text) {
    struct ip ip;

    assert_int_equal(ip_parse(text, &ip), 0);
    return ip;
}

static void
peers_count_each_address(void **state) {
    struct ip a = I("10.0.0.1"), b = I("10.0.0.2"), c = I("2001:db8::1"), d = I("2001:db8::ffff"),
              e = I("2001:db8:0:1::1");
    struct peer_use *use[4];
    struct peers peers;

    peers_init(&peers);
    use[0] = peers_enter(&peers, &a, 2);
    use[1] = peers_enter(&peers, &a, 2);
    assert_non_null(use[0]);
    assert_ptr_equal(use[0], use[1]);
    assert_null(peers_enter(&peers, &a, 2));
    use[2] = peers_enter(&peers, &b, 2);
    assert_non_null(use[2]);
    assert_ptr_not_equal(use[2], use[0]);
    peers_leave(&peers, use[0]);
    assert_ptr_equal(peers_enter(&peers, &a, 2), use[1]);
    peers_leave(&peers, use[1]);
    peers_leave(&peers, use[1]);
    peers_leave(&peers, use[2]);

    /* One /64 is one client, another is another. */
    use[0] = peers_enter(&peers, &c, 1);
    assert_null(peers_enter(&peers, &d, 1));
    use[1] = peers_enter(&peers, &e, 1);
    assert_non_null(use[1]);
    peers_leave(&peers, use[0]);
    peers_leave(&peers, use[1]);
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        assert_null(peers.bucket[i]);
}

static void peers_by_the_thousand(void **state) {
    static struct peer_use *use[5000];
    struct ip ip = I("10.0.0.0");
    struct peers peers;

    peers_init(&peers);
    for (size_t i = 0; i < ARRAY_SIZE(use); i++) {
        struct ip one = ip_add(&ip, (int64_t)i);

        use[i] = peers_enter(&peers, &one, 1);
        assert_non_null(use[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(use); i++)
        peers_leave(&peers, use[i * 7 % ARRAY_SIZE(use)]);
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        assert_null(peers.bucket[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(head_in_pieces),
        cmocka_unit_test(head_ends_where_it_ends),
        cmocka_unit_test(head_keep_alive),
        cmocka_unit_test(head_limits),
        cmocka_unit_test(addresses),
        cmocka_unit_test(peers_count_each_address),
        cmocka_unit_test(peers_by_the_thousand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
