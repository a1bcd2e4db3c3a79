/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of every kind: there and back, unknown fields, damage. */
#include "model/test_random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "model/codec.h"
#include "model/vpc.h"

#define ROUNDS 200 /* of each kind */

static void *decode(const struct obj *like, const struct buf *doc, int expect) {
    char key[OBJ_KEY_MAX];
    void *o = NULL;

    assert_int_equal(obj_decode(obj_key(like, key), 7, buf_str(doc), doc->len, &o), expect);
    return o;
}

static void every_kind_comes_back_as_it_went(void **state) {
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        for (int i = 0; i < ROUNDS; i++) {
            _buf_ struct buf doc = BUF_INIT;
            _buf_ struct buf again = BUF_INIT;
            struct obj *o = random_object(k, 5, 9), *back, *copy;

            obj_encode(o, &doc);
            back = decode(o, &doc, 0);
            assert_true(same_fields(kind_info(k)->desc, o, back));
            assert_int_equal(back->version, 7);
            assert_string_equal(back->id, o->id);
            assert_true(back->scope.account == o->scope.account &&
                        back->scope.region == o->scope.region);
            /* A copy is whole, and its own. */
            copy = obj_clone(back);
            obj_unref(back);
            assert_true(same_fields(kind_info(k)->desc, o, copy));
            obj_encode(copy, &again);
            assert_int_equal(again.len, doc.len);
            assert_memory_equal(buf_str(&again), buf_str(&doc), doc.len);
            obj_unref(copy);
            obj_unref(o);
        }
    }
}

/* Fields that a newer version may add, at every level. */
static void add_unknown(struct buf *doc) {
    buf_add_varint(doc, 900 << 3 | 0);
    buf_add_varint(doc, random_below(1u << 31));
    buf_add_varint(doc, 901 << 3 | 2);
    buf_add_varint(doc, 5);
    buf_adds(doc, "later");
}

static void unknown_fields_are_kept(void **state) {
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        _buf_ struct buf doc = BUF_INIT;
        _buf_ struct buf again = BUF_INIT;
        struct obj *o = random_object(k, 5, 9), *back, *copy;

        obj_encode(o, &doc);
        add_unknown(&doc);
        back = decode(o, &doc, 0);
        copy = obj_clone(back);
        obj_encode(copy, &again);
        assert_int_equal(again.len, doc.len);
        assert_memory_equal(buf_str(&again), buf_str(&doc), doc.len);
        obj_unref(copy);
        obj_unref(back);
        obj_unref(o);
    }
}

static void unknown_fields_within_lists_are_kept(void **state) {
    struct vpc *v = obj_new(KIND_VPC, (struct scope){0}, "vpc-1"), *back;
    struct cidr_association *a = list_add(&v->cidrs, sizeof(*a));
    _buf_ struct buf unknown = BUF_INIT;
    _buf_ struct buf doc = BUF_INIT;

    cidr_parse("10.0.0.0/16", &a->cidr);
    add_unknown(&unknown);
    a->unknown = (struct blob){.len = (uint32_t)unknown.len, .data = malloc(unknown.len)};
    memcpy(a->unknown.data, unknown.data, unknown.len);
    obj_encode(v, &doc);
    back = decode(&v->o, &doc, 0);
    assert_true(same_fields(&vpc_desc, v, back));
    assert_int_equal(list_at(back->cidrs, struct cidr_association, 0)->unknown.len, unknown.len);
    obj_unref(back);
    obj_unref(v);
}

/* Cut anywhere or with any byte changed: refused, or a document that is whole in itself. */
static void damage_is_refused_or_harmless(void **state) {
    for (enum kind k = 1; k < KIND_COUNT; k++) {
        for (int i = 0; i < ROUNDS; i++) {
            struct obj *o = random_object(k, 5, 9);
            _buf_ struct buf doc = BUF_INIT;
            char key[OBJ_KEY_MAX];
            uint8_t *copy;
            void *back = NULL;
            size_t len;
            int r;

            obj_encode(o, &doc);
            len = random_below((uint32_t)doc.len + 1);
            if (random_below(2))
                len = doc.len;
            /* Of exactly this size, so that a read behind it is seen by the sanitizer. */
            copy = malloc(len ? len : 1);
            if (len) {
                memcpy(copy, doc.data, len);
                for (uint32_t n = random_below(4); n; n--)
                    copy[random_below((uint32_t)len)] = (uint8_t)random_below(256);
            }
            r = obj_decode(obj_key(o, key), 1, copy, len, &back);
            assert_true(r == 0 || r == -EBADMSG);
            assert_true((r == 0) == (back != NULL));
            if (back) {
                _buf_ struct buf once = BUF_INIT;
                _buf_ struct buf twice = BUF_INIT;
                void *again;

                obj_encode(back, &once);
                again = decode(o, &once, 0);
                obj_encode(again, &twice);
                assert_int_equal(once.len, twice.len);
                assert_memory_equal(buf_str(&once), buf_str(&twice), once.len);
                obj_unref(again);
                obj_unref(back);
            }
            free(copy);
            obj_unref(o);
        }
    }
}

static void certain_damage_is_refused(void **state) {
    static const struct {
        const char *doc;
        size_t len;
        const char *what;
    } bad[] = {
        {"\x00", 1, "field 0"},
        {"\x0a", 1, "a length that is missing"},
        {"\x0a\x05"
         "ab",
         4, "fewer bytes than it says"},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a length beyond everything"},
        {"\x0a\x04\x0a\x00\x00\x01", 6, "a CIDR of 4 bytes"},
        {"\x0a\x05\x0a\x00\x00\x00\x21", 7, "a CIDR /33"},
        {"\x08\x01", 2, "a number where a CIDR belongs"},
        {"\x12\x03"
         "a\0b",
         5, "a string with a NUL"},
        {"\x0b\x01", 2, "wire type 3"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 12, "a varint of more than 64 bits"},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        void *o = NULL;

        if (obj_decode("us-east-1/000000000001/vpc/vpc-1", 1, bad[i].doc, bad[i].len, &o) !=
            -EBADMSG)
            fail_msg("not refused: %s", bad[i].what);
        assert_null(o);
    }
}

static void keys_there_and_back(void **state) {
    static const char *const bad[] = {"",
                                      "us-east-1",
                                      "us-east-1/000000000001/vpc",
                                      "us-east-1/000000000001/vpc/",
                                      "mars-1/000000000001/vpc/vpc-1",
                                      "us-east-1/x/vpc/vpc-1",
                                      "us-east-1/1000000000000/vpc/vpc-1",
                                      "us-east-1/000000000000/vpc/vpc-1",
                                      "us-east-1/000000000001/rocket/vpc-1",
                                      "//vpc/vpc-1"};
    struct scope s;
    enum kind k;
    const char *id;

    for (enum kind kind = 1; kind < KIND_COUNT; kind++) {
        for (int i = 0; i < 50; i++) {
            struct obj *o = random_object(kind, 1000, 30);
            char key[OBJ_KEY_MAX];

            assert_int_equal(obj_key_parse(obj_key(o, key), &s, &k, &id), 0);
            assert_true(s.account == o->scope.account && s.region == o->scope.region);
            assert_int_equal(k, kind);
            assert_string_equal(id, o->id);
            obj_unref(o);
        }
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(obj_key_parse(bad[i], &s, &k, &id), -EINVAL);
    /* An id may hold slashes: claims do. */
    assert_int_equal(obj_key_parse("-/-/claim/ip/subnet-1/10.0.0.1", &s, &k, &id), 0);
    assert_string_equal(id, "ip/subnet-1/10.0.0.1");
}

/* A number that means two fields would lose one of them. */
static void check_numbers(const struct desc *d, int depth) {
    assert_true(depth < 6);
    for (uint16_t i = 0; i < d->n_fields; i++) {
        for (uint16_t k = 0; k < i; k++)
            assert_true(!d->fields[i].num || d->fields[i].num != d->fields[k].num);
        if (d->fields[i].num && d->fields[i].sub)
            check_numbers(d->fields[i].sub, depth + 1);
        assert_true(!d->fields[i].num || d->unknown >= 0);
    }
}

static void field_numbers_are_unique(void **state) {
    for (enum kind k = 1; k < KIND_COUNT; k++)
        check_numbers(kind_info(k)->desc, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_comes_back_as_it_went),
        cmocka_unit_test(unknown_fields_are_kept),
        cmocka_unit_test(unknown_fields_within_lists_are_kept),
        cmocka_unit_test(damage_is_refused_or_harmless),
        cmocka_unit_test(certain_damage_is_refused),
        cmocka_unit_test(keys_there_and_back),
        cmocka_unit_test(field_numbers_are_unique),
    };

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
