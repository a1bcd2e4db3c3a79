/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP: any bytes get no answer, or a whole one that gives nothing but the interface's own. */
#include <stdlib.h>
#include <string.h>

#include "services/dhcp.h"
#include "services/test_asker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
    do {                                                                                           \
        if (!(x))                                                                                  \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct test_asker t;
    static struct dhcp_reply r;
    static const uint8_t nothing[4];
    enum dhcp_result result;
    size_t at = 240;
    uint8_t *copy;

    if (!t.ix)
        test_asker_make(&t);
    copy = malloc(size ? size : 1);
    memcpy(copy, data, size);
    result = dhcp_answer(t.ix, &t.who, copy, size, &r);
    if (result == DHCP_ANSWER || result == DHCP_NAK) {
        CHECK(r.len >= 300 && r.len <= DHCP_REPLY_MAX && r.bytes[0] == 2);
        CHECK(memcmp(r.bytes + 4, copy + 4, 4) == 0);
        CHECK(memcmp(r.bytes + 16, "\x0a\0\x01\x05", 4) == 0 ||
              memcmp(r.bytes + 16, nothing, 4) == 0);
        CHECK(result != DHCP_NAK || !r.to.family);
        CHECK(!r.to.family || eni_find(t.eni, &r.to));
        while (r.bytes[at] != 255) {
            CHECK(at + 2u + r.bytes[at + 1] < r.len);
            at += 2u + r.bytes[at + 1];
        }
    }
    free(copy);
    return 0;
}
