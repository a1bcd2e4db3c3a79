/* SPDX-License-Identifier: Apache-2.0 */
/* Time: an instance's NTP question goes to the host's NTP server by vpc-upstream, and its answer
 * back, both looked at. Without a server there is no answer; it is counted, and doctor says so. */
#ifndef VPCD_SERVICES_NTP_H
#define VPCD_SERVICES_NTP_H

#include "services/services.h"

#define NTP_PACKET 48
#define NTP_WAITING_PER_ENI 16

/* A client's question, of version 1 to 4, without extensions and signatures. */
bool ntp_question_is_valid(const void *data, size_t len);
/* A server's answer to this question. */
bool ntp_answer_is_valid(const uint8_t question[NTP_PACKET], const void *data, size_t len);

const char *ntp_start(struct services *s, const struct services_options *o);

#endif
