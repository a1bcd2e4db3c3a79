/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "stream/frame.h"

/* Encodes, decodes, encodes again: the same bytes. */
static void round_trip(const struct stream_frame *f, struct stream_frame *ret_frame,
                       struct buf *bytes) {
    _buf_ struct buf again = BUF_INIT;
    const char *why = NULL;

    buf_reset(bytes);
    assert_int_equal(frame_encode(bytes, f), 0);
    assert_int_equal(frame_length(bytes->data, bytes->len), bytes->len);
    if (frame_decode(bytes->data, bytes->len, ret_frame, &why) < 0)
        fail_msg("%s", why);
    assert_int_equal(ret_frame->type, f->type);
    assert_int_equal(frame_encode(&again, ret_frame), 0);
    assert_int_equal(again.len, bytes->len);
    assert_memory_equal(again.data, bytes->data, bytes->len);
}

static void all_types(void **state) {
    struct stream_frame out;
    _buf_ struct buf b = BUF_INIT;
    char key[STREAM_KEY_MAX + 1], name[STREAM_NAME_MAX + 1];

    memset(key, 'k', STREAM_KEY_MAX);
    key[STREAM_KEY_MAX] = 0;
    memset(name, 'n', STREAM_NAME_MAX);
    name[STREAM_NAME_MAX] = 0;
    round_trip(&(struct stream_frame){.type = STREAM_HELLO, .hello = {1, 7, 2, name, name}}, &out,
               &b);
    assert_int_equal(out.hello.newest, 7);
    assert_int_equal(out.hello.role, 2);
    assert_string_equal(out.hello.host, name);
    assert_string_equal(out.hello.state, name);
    round_trip(&(struct stream_frame){.type = STREAM_SNAP_BEGIN}, &out, &b);
    round_trip(
        &(struct stream_frame){
            .type = STREAM_OBJECT, .number = UINT64_MAX - 1, .key = key, .data = "a\0b", .len = 3},
        &out, &b);
    assert_true(out.number == UINT64_MAX - 1);
    assert_string_equal(out.key, key);
    assert_int_equal(out.len, 3);
    assert_memory_equal(out.data, "a\0b", 3);
    round_trip(&(struct stream_frame){.type = STREAM_DELETE, .number = 5, .key = "x"}, &out, &b);
    assert_string_equal(out.key, "x");
    round_trip(&(struct stream_frame){.type = STREAM_SNAP_END, .number = 9}, &out, &b);
    round_trip(&(struct stream_frame){.type = STREAM_REVISION, .number = 10}, &out, &b);
    assert_int_equal(out.number, 10);
    round_trip(
        &(struct stream_frame){
            .type = STREAM_REPORT, .kind = 65535, .key = "", .data = "z", .len = 1},
        &out, &b);
    assert_int_equal(out.kind, 65535);
}

static void encode_refuses(void **state) {
    static char data[STREAM_DATA_MAX + 1], key[STREAM_KEY_MAX + 2];
    _buf_ struct buf b = BUF_INIT;

    memset(key, 'k', STREAM_KEY_MAX + 1);
    buf_adds(&b, "before");
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = STREAM_DELETE, .key = key}),
                     -EINVAL);
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = STREAM_DELETE, .key = ""}),
                     -EINVAL);
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = STREAM_DELETE, .key = "a\nb"}),
                     -EINVAL);
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = STREAM_OBJECT,
                                                             .key = "k",
                                                             .data = data,
                                                             .len = sizeof(data)}),
                     -EMSGSIZE);
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = 99}), -EINVAL);
    assert_int_equal(b.len, strlen("before"));
    key[STREAM_KEY_MAX] = 0;
    assert_int_equal(frame_encode(&b, &(struct stream_frame){.type = STREAM_OBJECT,
                                                             .key = key,
                                                             .data = data,
                                                             .len = STREAM_DATA_MAX}),
                     0);
}

static void lengths(void **state) {
    assert_int_equal(frame_length("\0\0\0\0", 4), -EMSGSIZE);
    assert_int_equal(frame_length("\1\0\0\0", 4), 5);
    assert_int_equal(frame_length("\1\0\0", 3), 0);
    assert_int_equal(frame_length(NULL, 0), 0);
    assert_int_equal(frame_length("\0\0\x20\0", 4), STREAM_FRAME_MAX + 4);
    assert_int_equal(frame_length("\1\0\x20\0", 4), -EMSGSIZE);
    assert_int_equal(frame_length("\xff\xff\xff\xff", 4), -EMSGSIZE);
}

static void decode_refuses(void **state) {
#define BYTES(s)                                                                                   \
    { (s), sizeof(s) - 1 }
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        BYTES("\1\0\0\0\0"),     /* no type 0 */
        BYTES("\1\0\0\0\x08"),   /* nor 8 */
        BYTES("\2\0\0\0\2x"),    /* something behind the end */
        BYTES("\1\0\0\0\1"),     /* an empty greeting */
        BYTES("\5\0\0\0\1vpcX"), /* the same, and nothing else (found by the fuzzer) */
        BYTES("\x0c\0\0\0\1vpcX\1\0\1\0\1\0\0"),     /* another magic */
        BYTES("\x0c\0\0\0\1vpcd\1\0\1\0\1\0\1"),     /* a name longer than the frame */
        BYTES("\x0b\0\0\0\4\0\0\0\0\0\0\0\0\0\0"),   /* an empty key */
        BYTES("\x0c\0\0\0\4\0\0\0\0\0\0\0\0\2\0k"),  /* a key longer than the frame */
        BYTES("\x0c\0\0\0\4\0\0\0\0\0\0\0\0\1\0\0"), /* a NUL in a key */
        BYTES("\x0c\0\0\0\3\0\0\0\0\0\0\0\0\1\0\n"), /* a control character */
        BYTES("\x08\0\0\0\6\0\0\0\0\0\0\0"),         /* half a number */
        BYTES("\x04\0\0\0\7\0\0\xff"),               /* half a length */
    };
    struct stream_frame f;
    const char *why;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(frame_length(bad[i].bytes, bad[i].len), bad[i].len);
        why = NULL;
        assert_int_equal(frame_decode(bad[i].bytes, bad[i].len, &f, &why), -EPROTO);
        assert_non_null(why);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types),
        cmocka_unit_test(encode_refuses),
        cmocka_unit_test(lengths),
        cmocka_unit_test(decode_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
