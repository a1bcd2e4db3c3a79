/* SPDX-License-Identifier: Apache-2.0 */
/* A credentials file of any bytes: what comes out has no character that could end a header. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deliver/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text) {
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    struct credentials c;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (credentials_parse(text, 1, &c) == 0) {
        if (!c.key[0] || !c.secret[0])
            abort();
        check(c.key);
        check(c.secret);
        check(c.token);
    }
    free(text);
    return 0;
}
