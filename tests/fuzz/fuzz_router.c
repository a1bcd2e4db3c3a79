/* SPDX-License-Identifier: Apache-2.0 */
/* Router solicitations and questions for the time. The first byte: from `::`? */
#include <stdlib.h>
#include <string.h>

#include "services/ntp.h"
#include "services/router.h"
#include "services/test_asker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct test_asker t;
    uint8_t *copy;

    if (!t.ix)
        test_asker_make(&t);
    if (!size)
        return 0;
    copy = malloc(size);
    memcpy(copy, data + 1, size - 1);
    if (router_solicitation_is_valid(&t.who, data[0] & 1, copy, size - 1) &&
        (size - 1 < 8 || copy[0] != 133))
        abort();
    if (ntp_question_is_valid(copy, size - 1) && ntp_answer_is_valid(copy, copy, size - 1))
        abort();
    free(copy);
    return 0;
}
