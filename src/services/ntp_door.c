/* SPDX-License-Identifier: Apache-2.0 */
/* Questions for the time at their socket, each under way to vpc-upstream for a while. */
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "services/frame.h"
#include "services/ntp.h"
#include "services/upstream.h"
#include "services/upstream_client.h"

struct waiting {
    uint32_t number;
    unsigned n;
    UT_hash_handle hh;
};

struct asked {
    struct question q;
    uint8_t packet[NTP_PACKET];
};

static struct waiting *all;

static bool enter(uint32_t number) {
    struct waiting *w;

    HASH_FIND(hh, all, &number, sizeof(number), w);
    if (!w) {
        w = calloc(1, sizeof(*w));
        if (!w)
            return false;
        w->number = number;
        HASH_ADD(hh, all, number, sizeof(w->number), w);
    }
    if (w->n >= NTP_WAITING_PER_ENI)
        return false;
    w->n++;
    return true;
}

static void leave(uint32_t number) {
    struct waiting *w;

    HASH_FIND(hh, all, &number, sizeof(number), w);
    if (w && --w->n == 0) {
        HASH_DEL(all, w);
        free(w);
    }
}

static void on_answer(void *arg, const void *data, size_t len) {
    struct asked *a = arg;

    if (len && ntp_answer_is_valid(a->packet, data, len))
        services_answer(&a->q, data, len);
    else
        services_count(a->q.services, COUNT_TIME_NO_SERVER);
    leave(a->q.number);
    free(a);
}

static void on_question(void *arg, const struct question *q, const void *data, size_t len) {
    struct asked *a;

    if (!ntp_question_is_valid(data, len)) {
        services_count(q->services, COUNT_TIME_BAD);
        return;
    }
    services_count(q->services, COUNT_TIME_REQUESTS);
    if (!enter(q->number))
        return; /* it has enough under way */
    a = malloc(sizeof(*a));
    if (a) {
        a->q = *q;
        memcpy(a->packet, data, sizeof(a->packet));
        if (upstream_ask(arg, UPSTREAM_TIME, data, len, on_answer, a) == 0)
            return;
    }
    services_count(q->services, COUNT_TIME_NO_SERVER);
    leave(q->number);
    free(a);
}

const char *ntp_start(struct services *s, const struct services_options *o) {
    services_on_udp(s, DOOR_TIME, on_question, services_upstream(s));
    return NULL;
}
