/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame decoder on any bytes: it reads nothing beyond them (ASan), and what it accepts encodes
 * to the very same bytes.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "stream/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_frame(const uint8_t *data, size_t len) {
    static struct stream_frame frame;
    const char *why = NULL;
    struct buf again = BUF_INIT;
    /* A copy of exactly this size, so that a read behind the frame is seen. */
    uint8_t *copy = malloc(len);

    if (!copy)
        return;
    memcpy(copy, data, len);
    if (frame_decode(copy, len, &frame, &why) < 0) {
        if (!why)
            abort();
    } else if (frame_encode(&again, &frame) < 0 || again.len != len ||
               memcmp(again.data, copy, len) != 0) {
        abort();
    }
    buf_free(&again);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    while (size) {
        int64_t len = frame_length(data, size);

        if (len <= 0 || (size_t)len > size)
            return 0;
        check_frame(data, (size_t)len);
        data += len;
        size -= (size_t)len;
    }
    return 0;
}
