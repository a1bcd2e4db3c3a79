/* SPDX-License-Identifier: Apache-2.0 */
/* Filter patterns: the examples of the user guide's page, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "logs/pattern.h"

static bool matches(const char *pattern, const char *message) {
    struct pattern *p = NULL;
    const char *why;
    bool result;

    if (pattern_parse(pattern, &p, &why) < 0)
        fail_msg("%s: %s", pattern, why);
    result = pattern_match(p, message, strlen(message));
    pattern_free(p);
    return result;
}

static void test_terms(void **state) {
    const char *bad = "[ERROR 400] BAD REQUEST", *missing = "[ERROR 419] MISSING ARGUMENTS";
    const char *internal = "[ERROR 500] INTERNAL SERVER ERROR";

    assert_true(matches("", bad));
    assert_true(matches("\"   \"", bad));
    assert_true(matches("ERROR", bad));
    assert_false(matches("error", bad));
    assert_false(matches("ERROR ARGUMENTS", bad));
    assert_true(matches("ERROR ARGUMENTS", missing));
    assert_true(matches("ERROR -ARGUMENTS", bad));
    assert_false(matches("ERROR -ARGUMENTS", missing));
    assert_true(matches("\"INTERNAL SERVER ERROR\"", internal));
    assert_false(matches("\"SERVER INTERNAL\"", internal));
    assert_true(matches("?BAD ?MISSING", missing));
    assert_true(matches("?BAD ?MISSING", bad));
    assert_false(matches("?BAD ?MISSING", internal));
    assert_true(matches("?BAD ?MISSING INTERNAL", internal)); /* ? is ignored beside others */
    assert_false(matches("?INTERNAL REQUEST", internal));
    assert_true(matches("-\"10.0.0.1\"", "10.0.0.2"));
    assert_true(matches("\"a \\\"b\\\"\"", "say a \"b\""));
}

static const char ssh[] =
    "2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 "
    "20 4249 1418530010 1418530070 ACCEPT OK";

static void test_words(void **state) {
    assert_true(
        matches("[version, account, eni, source, destination, srcport, destport=\"22\", "
                "protocol=\"6\", packets, bytes, windowstart, windowend, action=\"ACCEPT\", "
                "flowlogstatus]",
                ssh));
    assert_false(matches("[version, account, eni, source, destination, srcport, destport=\"22\", "
                         "protocol=\"6\", packets, bytes, windowstart, windowend, "
                         "action=\"REJECT\", flowlogstatus]",
                         ssh));
    assert_true(matches("[..., action = ACCEPT, status]", ssh));
    assert_true(matches("[v, ..., status=OK]", ssh));
    assert_true(matches("[v=2, ...]", ssh));
    assert_false(matches("[v, status]", ssh));
    assert_true(matches("[a, b, c, src=172.31.*, ...]", ssh));
    assert_false(matches("[a, b, c, src=10.*, ...]", ssh));
    assert_true(matches("[a, b, c, src!=10.*, ...]", ssh));
    assert_true(matches("[..., packets >= 20, bytes>4000, s, e, a, st]", ssh));
    assert_false(matches("[..., packets > 20, bytes, s, e, a, st]", ssh));
    assert_true(matches("[..., action = REJECT || action = ACCEPT, st]", ssh));
    assert_true(matches("[..., (p = 23 || p = 22) && p != 24, pr, n, b, s, e, a, st]", ssh));
    assert_false(matches("[..., p = 22 && p != 22, pr, n, b, s, e, a, st]", ssh));
    assert_true(
        matches("[ip, id, user, time, request = *.html*, status = 4*, size]",
                "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" "
                "404 1534"));
    assert_false(matches("[a, b]", ""));
    assert_true(matches("[...]", ""));
}

static void test_refused(void **state) {
    static const struct {
        const char *text;
        int error;
    } rows[] = {
        {"{ $.a = 1 }", -ENOTSUP},
        {"%regex%", -ENOTSUP},
        {"[a=%x%]", -ENOTSUP},
        {"10.0.0.1", -EINVAL},
        {"eni-1", -EINVAL},
        {"\"open", -EINVAL},
        {"-", -EINVAL},
        {"[", -EINVAL},
        {"[a", -EINVAL},
        {"[a b]", -EINVAL},
        {"[a,]", -EINVAL},
        {"[a, ..., b, ...]", -EINVAL},
        {"[a=]", -EINVAL},
        {"[a > x]", -EINVAL},
        {"[a = 1 && b = 2]", -EINVAL},
        {"[(a]", -EINVAL},
        {"[(a = 1]", -EINVAL},
        {"[a] b", -EINVAL},
    };
    char deep[64] = "[";
    struct pattern *p;
    const char *why;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (pattern_parse(rows[i].text, &p, &why) != rows[i].error)
            fail_msg("%s is not refused as it should be", rows[i].text);
    memset(deep + 1, '(', 40);
    strcpy(deep + 41, "a = 1");
    assert_int_equal(pattern_parse(deep, &p, &why), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terms),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
