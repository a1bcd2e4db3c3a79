/* SPDX-License-Identifier: Apache-2.0 */
/* Whether clang has the fuzzer's runtime: this links, or it has not. */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    return 0;
}
