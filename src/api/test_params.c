/* SPDX-License-Identifier: Apache-2.0 */
/* Forms and the decoding of parameters: values, lists, limits, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/params.h"
#include "base/buf.h"
#include "base/cleanup.h"

static const char *const colors[] = {"", "red", "blue", NULL};

struct item {
    char *name;
    struct list values;
};
static const struct field item_fields[] = {
    FIELD(0, FT_STR, struct item, name, "Name", .flags = FF_REQUIRED),
    FIELD(0, FT_STRS, struct item, values, "Value"),
};
static const struct desc item_desc = DESC("item", struct item, item_fields);

struct inner {
    struct ip ip;
    struct cidr cidr;
};
static const struct field inner_fields[] = {
    FIELD(0, FT_IP, struct inner, ip, "Ip"),
    FIELD(0, FT_CIDR, struct inner, cidr, "Cidr"),
};
static const struct desc inner_desc = DESC("inner", struct inner, inner_fields);

struct params {
    char *text, *needed, *dotted;
    int64_t number;
    struct optint maybe;
    bool yes;
    uint8_t tri, color;
    struct blob blob;
    uint8_t mac[6];
    struct list items, ids;
    struct inner inner;
};
static const struct field param_fields[] = {
    FIELD(0, FT_STR, struct params, text, "Text", .min = 2, .max = 5),
    FIELD(0, FT_STR, struct params, needed, "Needed", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct params, dotted, "Dotted.Value"),
    FIELD(0, FT_INT, struct params, number, "Number", .min = -5, .max = 5),
    FIELD(0, FT_OPTINT, struct params, maybe, "Maybe"),
    FIELD(0, FT_BOOL, struct params, yes, "Yes"),
    FIELD(0, FT_TRI, struct params, tri, "Tri"),
    FIELD(0, FT_ENUM, struct params, color, "Color", .names = colors),
    FIELD(0, FT_BLOB, struct params, blob, "Blob", .max = 4),
    FIELD(0, FT_MAC, struct params, mac, "Mac"),
    FIELD(0, FT_LIST, struct params, items, "Item", .sub = &item_desc),
    FIELD(0, FT_STRS, struct params, ids, "Id"),
    FIELD(0, FT_STRUCT, struct params, inner, "Inner", .sub = &inner_desc),
};
static const struct desc param_desc = DESC("params", struct params, param_fields);

static struct params P;
static struct param_error E;

/* "" when the form is taken, else the error's code. P then is what was decoded. */
static const char *decode(const char *text) {
    struct form f = {0};
    const char *code = "";
    int r = form_add(&f, text, strlen(text));

    desc_clear(&param_desc, &P);
    P = (struct params){0};
    if (r == 0)
        r = form_sort(&f);
    if (r < 0) {
        form_free(&f);
        return r == -EEXIST ? "twice" : r == -E2BIG ? "too many" : "form";
    }
    if (params_decode(&param_desc, &f, &P, &E) < 0 || params_unused(&f, &E) < 0)
        code = E.code;
    form_free(&f);
    return code;
}

#define OK(text) assert_string_equal(decode("Needed=x&" text), "")
#define BAD(text, code) assert_string_equal(decode("Needed=x&" text), code)

static void texts(void **state) {
    OK("Text=ab");
    assert_string_equal(P.text, "ab");
    OK("Text=a%20+%26%3D");
    assert_string_equal(P.text, "a  &=");
    OK("Text=%C3%BCx");
    BAD("Text=a", "InvalidParameterValue");
    BAD("Text=abcdef", "InvalidParameterValue");
    OK("Dotted.Value=v");
    assert_string_equal(P.dotted, "v");
    BAD("Dotted=v", "UnknownParameter");
    BAD("text=ab", "UnknownParameter");
}

static void required(void **state) {
    assert_string_equal(decode(""), "MissingParameter");
    assert_string_equal(decode("Needed="), "MissingParameter");
    assert_string_equal(decode("Needed"), "MissingParameter");
    assert_string_equal(decode("Needed=x"), "");
    BAD("Item.1.Value.1=x", "MissingParameter"); /* Item.1.Name */
}

static void numbers(void **state) {
    OK("Number=-5&Maybe=0");
    assert_true(P.number == -5 && P.maybe.set && P.maybe.v == 0);
    OK("");
    assert_false(P.maybe.set);
    OK("Maybe=2147483647");
    for (const char *const *bad =
             (const char *const[]){"Number=6", "Number=-6", "Number=", "Number=x", "Number=1x",
                                   "Number=0x1", "Number= 1", "Number=99999999999999999999",
                                   "Number=1.5", "Maybe=2147483648", "Maybe=--1", NULL};
         *bad; bad++) {
        _buf_ struct buf text = BUF_INIT;

        buf_addf(&text, "Needed=x&%s", *bad);
        assert_string_equal(decode(buf_str(&text)), "InvalidParameterValue");
    }
}

static void booleans(void **state) {
    OK("Yes=true&Tri=false");
    assert_true(P.yes && P.tri == TRI_FALSE);
    OK("Yes=True&Tri=TRUE");
    assert_true(P.yes && P.tri == TRI_TRUE);
    OK("");
    assert_true(!P.yes && P.tri == TRI_UNSET);
    BAD("Yes=1", "InvalidParameterValue");
    BAD("Tri=", "InvalidParameterValue");
}

static void words_blobs_and_addresses(void **state) {
    OK("Color=blue&Blob=YWJjZA==&Mac=02:00:00:00:00:01&Inner.Ip=10.0.0.1&Inner.Cidr=2001:db8::/32");
    assert_int_equal(P.color, 2);
    assert_true(P.blob.len == 4 && memcmp(P.blob.data, "abcd", 4) == 0);
    assert_int_equal(P.mac[5], 1);
    assert_true(P.inner.ip.family == IP_V4 && P.inner.cidr.len == 32);
    BAD("Color=green", "InvalidParameterValue");
    BAD("Color=", "InvalidParameterValue");
    BAD("Blob=YWJjZGU=", "InvalidParameterValue");
    BAD("Blob=***", "InvalidParameterValue");
    BAD("Mac=02:00", "InvalidParameterValue");
    BAD("Inner.Ip=10.0.0", "InvalidParameterValue");
    BAD("Inner.Cidr=10.0.0.0/33", "InvalidParameterValue");
    BAD("Inner.X=1", "UnknownParameter");
    BAD("Inner=1", "UnknownParameter");
}

static void lists_follow_their_numbers(void **state) {
    OK("Id.10=c&Id.2=b&Id.0=a");
    assert_int_equal(P.ids.n, 3);
    assert_string_equal(list_str(P.ids, 0), "a");
    assert_string_equal(list_str(P.ids, 1), "b");
    assert_string_equal(list_str(P.ids, 2), "c");
    OK("Item.2.Name=two&Item.1.Name=one&Item.1.Value.1=x&Item.1.Value.2=y");
    assert_int_equal(P.items.n, 2);
    assert_string_equal(list_at(P.items, struct item, 0)->name, "one");
    assert_int_equal(list_at(P.items, struct item, 0)->values.n, 2);
    BAD("Id=a", "UnknownParameter");
    BAD("Id.x=a", "UnknownParameter");
    BAD("Id.1x=a", "UnknownParameter");
    BAD("Id.-1=a", "UnknownParameter");
    BAD("Id.1.2=a", "UnknownParameter");
    BAD("Item.1=a", "MissingParameter");
    BAD("Item.1.Name=a&Item.1.Color=b", "UnknownParameter");
    /* Two names of one number. */
    BAD("Id.1=a&Id.01=b", "UnknownParameter");
    BAD("Id.99999999999999999999999=a", "UnknownParameter");
}

static void a_list_has_a_limit(void **state) {
    _buf_ struct buf text = BUF_INIT;

    buf_adds(&text, "Needed=x");
    for (int i = 0; i < LIST_PARAMS_MAX; i++)
        buf_addf(&text, "&Id.%d=v", i);
    assert_string_equal(decode(buf_str(&text)), "");
    assert_int_equal(P.ids.n, LIST_PARAMS_MAX);
    buf_adds(&text, "&Id.5000=v");
    assert_string_equal(decode(buf_str(&text)), "InvalidParameterValue");
}

static void a_form_has_a_limit(void **state) {
    _buf_ struct buf text = BUF_INIT;

    for (int i = 0; i <= FORM_PAIRS_MAX; i++)
        buf_addf(&text, "&p%d=", i);
    assert_string_equal(decode(buf_str(&text)), "too many");
}

/* Decodes a form and returns how many pairs it looked at; *ret_pairs: how many it has. */
static size_t cost(const char *text, size_t *ret_pairs) {
    struct form f = {0};
    size_t steps;

    assert_int_equal(form_add(&f, text, strlen(text)), 0);
    assert_int_equal(form_sort(&f), 0);
    desc_clear(&param_desc, &P);
    P = (struct params){0};
    params_decode(&param_desc, &f, &P, &E);
    *ret_pairs = f.n;
    steps = f.steps;
    form_free(&f);
    return steps;
}

/* Pairs that belong to a list without being items of it used to be walked once for each item. */
static void work_grows_with_the_form(void **state) {
    _buf_ struct buf flat = BUF_INIT;
    _buf_ struct buf nested = BUF_INIT;
    size_t n;

    buf_adds(&flat, "Needed=x");
    for (int i = 0; i < LIST_PARAMS_MAX; i++)
        buf_addf(&flat, "&Id.%d=v", i);
    for (int i = 0; i < FORM_PAIRS_MAX - LIST_PARAMS_MAX - 1; i++)
        buf_addf(&flat, "&Id.%d.z%d=", i % LIST_PARAMS_MAX, i);
    assert_in_range(cost(buf_str(&flat), &n), FORM_PAIRS_MAX, 20 * FORM_PAIRS_MAX);
    assert_int_equal(n, FORM_PAIRS_MAX);
    assert_int_equal(P.ids.n, LIST_PARAMS_MAX);

    buf_adds(&nested, "Needed=x");
    for (int i = 0; i < LIST_PARAMS_MAX; i++)
        buf_addf(&nested, "&Item.%d.Name=n&Item.%d.Value.1=v&Item.%d.Value.2=v&Item.%d.Value.q=", i,
                 i, i, i);
    /* Each item asks for two fields: a search of 12 steps each, and some more. */
    assert_in_range(cost(buf_str(&nested), &n), FORM_PAIRS_MAX, 30 * FORM_PAIRS_MAX);
    assert_int_equal(P.items.n, LIST_PARAMS_MAX);
}

static void forms(void **state) {
    assert_string_equal(decode("&&Needed=x&"), "");
    assert_string_equal(decode("Needed=a=b"), "");
    assert_string_equal(P.needed, "a=b");
    assert_string_equal(decode("Needed=x&Needed=y"), "twice");
    assert_string_equal(decode("Needed=x&Nee%64ed=y"), "twice");
    for (const char *const *bad = (const char *const[]){"a=%", "a=%4", "a=%zz", "%00=1", "a=%00",
                                                        "a=%ff", "a=%01", "\xff", "%c3=1", NULL};
         *bad; bad++)
        assert_string_equal(decode(*bad), "form");
}

/* The second part of a form that is refused leaves the first one whole. */
static void a_bad_part_behind_a_good_one(void **state) {
    struct form f = {0};

    assert_int_equal(form_add(&f, "a=1", 3), 0);
    assert_int_equal(form_add(&f, "b=\0", 3), -EINVAL);
    assert_string_equal(form_find(&f, "a")->value, "1");
    form_free(&f);
}

static void long_names_are_refused(void **state) {
    _buf_ struct buf text = BUF_INIT;

    buf_adds(&text, "Needed=x&Item.");
    for (int i = 0; i < 400; i++)
        buf_addc(&text, '0');
    buf_adds(&text, "1.Name=x");
    /* Item.1 by its value; the name that was sent is not the one that is looked for. */
    assert_string_not_equal(decode(buf_str(&text)), "");
}

static int clear(void **state) {
    desc_clear(&param_desc, &P);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(required),
        cmocka_unit_test(numbers),
        cmocka_unit_test(booleans),
        cmocka_unit_test(words_blobs_and_addresses),
        cmocka_unit_test(lists_follow_their_numbers),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(a_form_has_a_limit),
        cmocka_unit_test(work_grows_with_the_form),
        cmocka_unit_test(forms),
        cmocka_unit_test(a_bad_part_behind_a_good_one),
        cmocka_unit_test(long_names_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, clear);
}
