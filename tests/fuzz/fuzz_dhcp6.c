/* SPDX-License-Identifier: Apache-2.0 */
/* DHCPv6: any bytes get no answer, or a whole one. */
#include <stdlib.h>
#include <string.h>

#include "services/dhcp6.h"
#include "services/test_asker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

/* Options one behind another, to the very end. */
static void check_options(const uint8_t *p, size_t len) {
    while (len) {
        size_t n;

        CHECK(len >= 4);
        n = 4u + (size_t)(p[2] << 8 | p[3]);
        CHECK(n <= len);
        if (p[1] == 3)
            check_options(p + 16, n - 16);
        p += n;
        len -= n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct test_asker t;
    static struct dhcp6_reply r;
    uint8_t *copy;

    if (!t.ix)
        test_asker_make(&t);
    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    if (dhcp6_answer(t.ix, &t.who, copy, size, &r) == DHCP_ANSWER) {
        CHECK(r.len >= 4 && r.len <= sizeof(r.bytes) && (r.bytes[0] == 2 || r.bytes[0] == 7));
        CHECK(memcmp(r.bytes + 1, copy + 1, 3) == 0);
        check_options(r.bytes + 4, r.len - 4);
    }
    free(copy);
    return 0;
}
