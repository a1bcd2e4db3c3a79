/* SPDX-License-Identifier: Apache-2.0 */
/* Filter patterns from any bytes, on any message: the first line is the pattern, the rest the
 * message. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "logs/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t n = end ? (size_t)(end - data) : size, left = end ? size - n - 1 : 0;
    char *text = malloc(n + 1), *message = malloc(left ? left : 1);
    struct pattern *p = NULL;
    const char *why = NULL;

    if (text && message) {
        memcpy(text, data, n);
        text[n] = 0;
        if (left)
            memcpy(message, end + 1, left);
        if (pattern_parse(text, &p, &why) == 0) {
            bool first = pattern_match(p, message, left);

            if (first != pattern_match(p, message, left))
                abort();
            pattern_free(p);
        } else if (!why) {
            abort();
        }
    }
    free(text);
    free(message);
    return 0;
}
