/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of the spool from any bytes: nothing is read beyond them (ASan), and one that is accepted
 * would be accepted by the writer and is written to the very same bytes again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "flowlog/spool_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const uint8_t *data, size_t size) {
    char *name = malloc(size + 1);
    struct spool_name n;

    if (!name)
        return;
    memcpy(name, data, size);
    name[size] = 0;
    if (spool_name_parse(name, &n) && (strchr(name, '/') || n.account > 999999999999ULL))
        abort();
    free(name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct buf text = BUF_INIT, again = BUF_INIT;
    struct spool_batch b;

    check_name(data, size);
    buf_add(&text, data, size);
    if (spool_batch_parse(&text, &b) == 0) {
        const char *at = b.lines, *record;
        int64_t seconds;
        size_t len, sum = 0;

        if (spool_text_check(&b.meta, b.lines, b.lines_len) < 0)
            abort();
        spool_text_head(&b.meta, b.lines_len, &again);
        buf_add(&again, b.lines, b.lines_len);
        if (again.len != size || memcmp(again.data, data, size) != 0)
            abort();
        while (spool_batch_next(&b, &at, &seconds, &record, &len))
            sum += len;
        if (at != b.lines + b.lines_len || sum > b.lines_len)
            abort();
    }
    spool_batch_free(&b);
    buf_free(&again);
    return 0;
}
