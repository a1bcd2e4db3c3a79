/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ntp.h"

#include <string.h>

#define MODE_CLIENT 3
#define MODE_SERVER 4
#define ORIGIN 24   /* in an answer: the question's */
#define TRANSMIT 40 /* time of sending */

static unsigned mode(const uint8_t *p) {
    return p[0] & 7;
}

static unsigned version(const uint8_t *p) {
    return p[0] >> 3 & 7;
}

bool ntp_question_is_valid(const void *data, size_t len) {
    const uint8_t *p = data;

    return len == NTP_PACKET && mode(p) == MODE_CLIENT && version(p) >= 1 && version(p) <= 4;
}

bool ntp_answer_is_valid(const uint8_t question[NTP_PACKET], const void *data, size_t len) {
    const uint8_t *p = data;

    return len == NTP_PACKET && mode(p) == MODE_SERVER && version(p) == version(question) &&
           memcmp(p + ORIGIN, question + TRANSMIT, 8) == 0;
}
