/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder of documents on any bytes, as any kind (the first byte): what it takes encodes to a
 * document that it takes again, and that then stays the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *decode(enum kind k, const void *data, size_t len) {
    char key[OBJ_KEY_MAX];
    void *o = NULL;

    scope_key((struct scope){.account = 1, .region = 1}, k, "an-id", key);
    return obj_decode(key, 1, data, len, &o) == 0 ? o : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf once = BUF_INIT, twice = BUF_INIT;
    enum kind k;
    uint8_t *copy;
    void *o, *again;

    if (!size)
        return 0;
    k = (enum kind)(1 + data[0] % (KIND_COUNT - 1));
    /* Of exactly this size, so that a read behind it is seen. */
    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    o = decode(k, copy, size - 1);
    if (o) {
        obj_encode(o, &once);
        again = decode(k, buf_str(&once), once.len);
        if (!again)
            abort();
        obj_encode(again, &twice);
        if (once.len != twice.len || memcmp(buf_str(&once), buf_str(&twice), once.len) != 0)
            abort();
        obj_unref(again);
        again = obj_clone(o);
        obj_unref(o);
        obj_unref(again);
    }
    buf_free(&once);
    buf_free(&twice);
    free(copy);
    return 0;
}
