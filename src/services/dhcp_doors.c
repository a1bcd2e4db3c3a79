/* SPDX-License-Identifier: Apache-2.0 */
/* DHCP of both families at their sockets. */
#include <string.h>

#include "abi/service.h"
#include "services/dhcp6.h"

static void count(struct services *s, enum dhcp_result r, bool v6) {
    if (r == DHCP_BAD)
        services_count(s, v6 ? COUNT_DHCP6_BAD : COUNT_DHCP_BAD);
    else
        services_count(s, v6 ? COUNT_DHCP6_REQUESTS : COUNT_DHCP_REQUESTS);
    if (r == DHCP_NAK)
        services_count(s, COUNT_DHCP_NAKS);
}

/* Where the answer goes is told by the address it comes from (abi/service.h): the last 16 bits are
 * those of the receiver's, 0 is everybody. */
static void send4(const struct question *q, const struct dhcp_reply *reply) {
    struct question to = *q;
    uint8_t *low = to.to.sin6_addr.s6_addr + 14;

    low[0] = reply->to.b[2];
    low[1] = reply->to.b[3];
    services_answer(&to, reply->bytes, reply->len);
}

static void on_dhcp(void *arg, const struct question *q, const void *data, size_t len) {
    static struct dhcp_reply reply4;
    static struct dhcp6_reply reply6;
    struct services *s = q->services;
    struct asker who;
    enum dhcp_result r;

    if (!services_asker(s, q->number, &who))
        return;
    if (q->family == IP_V4) {
        r = q->what == SERVICE_DHCP ? dhcp_answer(services_index(s), &who, data, len, &reply4)
                                    : DHCP_BAD;
        if (r == DHCP_ANSWER || r == DHCP_NAK)
            send4(q, &reply4);
    } else {
        r = dhcp6_answer(services_index(s), &who, data, len, &reply6);
        if (r == DHCP_ANSWER)
            services_answer(q, reply6.bytes, reply6.len);
    }
    count(s, r, q->family == IP_V6);
}

const char *dhcp_start(struct services *s, const struct services_options *o) {
    services_on_udp(s, DOOR_DHCP, on_dhcp, NULL);
    return NULL;
}
