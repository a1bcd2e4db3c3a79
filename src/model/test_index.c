/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index against a naive twin: an array of objects that is searched from end to end. Random puts
 * and removals of all kinds; after each some, everything that can be asked is asked of both.
 */
#include "model/test_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/index.h"

#define STEPS 6000
#define IDS 12
#define SCOPES 5

static struct obj *twin[KIND_COUNT * IDS * SCOPES + 1];
static size_t twin_n;

static bool same_place(const struct obj *a, const struct obj *b) {
    return a->kind == b->kind && a->scope.account == b->scope.account &&
           a->scope.region == b->scope.region && strcmp(a->id, b->id) == 0;
}

static size_t twin_find(const struct obj *o) {
    size_t i = 0;

    while (i < twin_n && !same_place(twin[i], o))
        i++;
    return i;
}

static void put(struct index *ix, struct obj *o) {
    size_t i = twin_find(o);
    void *old = NULL;

    assert_int_equal(index_put(ix, o, &old), 0);
    assert_ptr_equal(old, i < twin_n ? twin[i] : NULL);
    if (i < twin_n)
        obj_unref(twin[i]);
    obj_unref(old);
    twin[i] = o; /* the reference of random_object */
    twin_n += i == twin_n;
}

static void take(struct index *ix, const struct obj *like) {
    size_t i = twin_find(like);
    struct obj *o = index_remove(ix, like->kind, like->scope, like->id);

    assert_ptr_equal(o, i < twin_n ? twin[i] : NULL);
    if (!o)
        return;
    obj_unref(twin[i]);
    twin[i] = twin[--twin_n];
    obj_unref(o);
}

/* Whether this one field, a string or an address, has the value. */
static bool is_value(const struct field *f, const void *p, const char *value) {
    char text[IP_TEXT];

    if (f->type == FT_IP)
        return ((const struct ip *)p)->family && strcmp(ip_format(p, text), value) == 0;
    return *(char *const *)p && strcmp(*(char *const *)p, value) == 0;
}

/* Whether the object has the value in the field that `number` stands for (index.h). */
static bool has_value(const struct obj *o, uint16_t number, const char *value) {
    const struct desc *d = kind_info(o->kind)->desc;

    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];
        const struct list *l = field_at(f, o);

        if ((f->type == FT_STR || f->type == FT_IP) && f->num == number)
            return is_value(f, field_at(f, o), value);
        if (f->type == FT_STRS && f->num == number)
            return strs_has(l, value);
        for (uint32_t n = 0; f->type == FT_LIST && f->num == number / 256 && n < l->n; n++) {
            for (uint16_t k = 0; k < f->sub->n_fields; k++) {
                const struct field *g = &f->sub->fields[k];

                if (g->num == number % 256 &&
                    is_value(g, field_at(g, (char *)l->items + n * f->sub->size), value))
                    return true;
            }
        }
    }
    return false;
}

static void check_in(const struct index *ix, enum kind k, struct scope s) {
    const char *last = NULL;
    struct cursor c;
    size_t n = 0;

    index_each_in(ix, c, k, s) {
        const struct obj *o = c.obj;

        assert_true(!last || strcmp(last, o->id) < 0); /* in order */
        assert_ptr_equal(twin[twin_find(o)], o);
        last = o->id;
        n++;
    }
    assert_int_equal(index_count_in(ix, k, s), n);
    for (size_t i = 0; i < twin_n; i++)
        n -= twin[i]->kind == k && twin[i]->scope.account == s.account &&
             twin[i]->scope.region == s.region;
    assert_int_equal(n, 0);
}

static void check_by(const struct index *ix, enum kind k, uint16_t field, const char *value) {
    struct cursor c;
    size_t n = 0;

    index_each_by(ix, c, k, field, value) {
        assert_true(has_value(c.obj, field, value));
        n++;
    }
    for (size_t i = 0; i < twin_n; i++)
        n -= twin[i]->kind == k && has_value(twin[i], field, value);
    assert_int_equal(n, 0);
}

static void check_tally(const struct index *ix, enum kind k, const struct field *f,
                        const char *value) {
    size_t count = 0;
    int64_t sums[WEIGHTS] = {0}, weights[WEIGHTS];
    struct cursor c;

    if (f->flags & FF_COUNTED) {
        index_each_by(ix, c, k, f->num, value) {
            count++;
            if (kind_info(k)->weigh)
                kind_info(k)->weigh(c.obj, weights);
            for (int w = 0; kind_info(k)->weigh && w < WEIGHTS; w++)
                sums[w] += weights[w];
        }
        assert_int_equal(index_count_by(ix, k, f->num, value), count);
        for (enum weight w = 0; w < WEIGHTS; w++)
            assert_int_equal(index_sum_by(ix, k, f->num, value, w), sums[w]);
    }
}

static void check_fields(const struct index *ix, enum kind k, const char *value) {
    const struct desc *d = kind_info(k)->desc;

    for (uint16_t i = 0; i < d->n_fields; i++) {
        const struct field *f = &d->fields[i];

        if (f->flags & FF_INDEXED)
            check_by(ix, k, f->num, value);
        check_tally(ix, k, f, value);
        if (f->type != FT_LIST)
            continue;
        for (uint16_t n = 0; n < f->sub->n_fields; n++)
            if (f->sub->fields[n].flags & FF_INDEXED && f->sub->fields[n].type == FT_STR)
                check_by(ix, k, (uint16_t)INDEX_SUBFIELD(f->num, f->sub->fields[n].num), value);
    }
}

/* Every address that objects have is found, in all of them. */
static size_t check_addresses(const struct index *ix, enum kind k) {
    const struct desc *d = kind_info(k)->desc;
    char text[IP_TEXT];
    size_t checked = 0;

    for (size_t i = 0; i < twin_n; i++) {
        for (uint16_t n = 0; twin[i]->kind == k && n < d->n_fields; n++) {
            const struct field *f = &d->fields[n];
            const struct list *l = field_at(f, twin[i]);

            for (uint16_t m = 0; f->type == FT_LIST && l->n && m < f->sub->n_fields; m++) {
                const struct field *g = &f->sub->fields[m];

                if (g->type != FT_IP || !(g->flags & FF_INDEXED))
                    continue;
                check_by(ix, k, (uint16_t)INDEX_SUBFIELD(f->num, g->num),
                         ip_format(field_at(g, l->items), text));
                checked++;
            }
        }
    }
    return checked;
}

static void check_all(const struct index *ix) {
    static const char *const values[] = {"", "a", "vpc-1", "vpc-2", "sg-1", "nowhere"};

    for (enum kind k = 1; k < KIND_COUNT; k++) {
        size_t count = 0, walked = 0;
        struct cursor c;

        for (size_t i = 0; i < twin_n; i++)
            count += twin[i]->kind == k;
        index_each_all(ix, c, k) walked++;
        assert_int_equal(index_count(ix, k), count);
        assert_int_equal(walked, count);
        check_in(ix, k, random_scope(SCOPES));
        if (k == KIND_NETWORK_INTERFACE && count > 10)
            assert_true(check_addresses(ix, k) > 0);
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
            check_fields(ix, k, values[i]);
    }
}

static void index_is_its_twin(void **state) {
    struct index *ix = index_new();

    for (int step = 0; step < STEPS; step++) {
        enum kind k = 1 + random_below(KIND_COUNT - 1);
        struct obj *o = random_object(k, IDS, SCOPES);
        size_t i = twin_find(o);

        assert_ptr_equal(index_get(ix, k, o->scope, o->id), i < twin_n ? twin[i] : NULL);
        if (random_below(3)) {
            put(ix, o);
        } else {
            take(ix, o);
            obj_unref(o);
        }
        if (step % 100 == 0)
            check_all(ix);
    }
    check_all(ix);
    index_free(ix);
    /* The index held references of its own: the twin's objects are still whole. */
    for (size_t i = 0; i < twin_n; i++) {
        assert_int_equal(twin[i]->refs, 1);
        obj_unref(twin[i]);
    }
    twin_n = 0;
}

static void a_walk_goes_on_behind_an_id(void **state) {
    struct index *ix = index_new();
    const struct scope s = {.account = 1, .region = 1}, neighbour = {.account = 2, .region = 1};
    struct cursor c;
    char id[16];

    for (int i = 0; i < 10; i += 2) {
        struct obj *o, *n;

        snprintf(id, sizeof(id), "vpc-%d", i);
        o = obj_new(KIND_VPC, s, id);
        n = obj_new(KIND_VPC, neighbour, id);
        index_put(ix, o, NULL);
        index_put(ix, n, NULL);
        obj_unref(o);
        obj_unref(n);
    }
    for (int i = 0; i < 8; i++) {
        /* Behind one that is there, and behind one that is not. */
        snprintf(id, sizeof(id), "vpc-%d", i);
        assert_true(cursor_in(ix, &c, KIND_VPC, s, id));
        snprintf(id, sizeof(id), "vpc-%d", (i / 2 + 1) * 2);
        assert_string_equal(((const struct obj *)c.obj)->id, id);
    }
    assert_false(cursor_in(ix, &c, KIND_VPC, s, "vpc-8"));
    assert_false(cursor_in(ix, &c, KIND_VPC, s, "vpc-9"));
    assert_false(cursor_in(ix, &c, KIND_SUBNET, s, NULL));
    index_free(ix);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_is_its_twin),
        cmocka_unit_test(a_walk_goes_on_behind_an_id),
    };

    random_seed_print();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
