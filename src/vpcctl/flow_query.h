/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which flows live, and whose they are: what `vpcctl flows` in all its forms asks. Flows come from
 * the pinned flow table, so an agent need not live; where one does, it says who has the interfaces.
 */
#ifndef VPCD_VPCCTL_FLOW_QUERY_H
#define VPCD_VPCCTL_FLOW_QUERY_H

#include <uthash.h>

#include "base/ip.h"
#include "dataplane/view.h"
#include "vpcctl/ctl.h"

/* An interface as people know it; texts are "" where nobody says. */
struct flow_end {
    uint32_t number;
    char id[25]; /* "outside", "gone" */
    const char *instance, *name, *vpc;
    const json_t *row; /* the agent's, or NULL */
    UT_hash_handle hh;
};

struct flow {
    struct flow_key key;
    struct flow_value value; /* of the half that began it */
    struct flow_value back;  /* of the other; zeroes when it is gone */
    uint64_t last_ns;
};

struct flow_query {
    const struct ctl *ctl;
    struct dataplane_view *view;
    json_t *interfaces; /* the agent's answer; NULL: there is none */
    struct flow_end *ends;
    /* What is wanted; NULL, no family, -1 and 0: anything. One end has to be all of the first four.
     */
    const char *of; /* an instance or an interface */
    const char *vpc, *group;
    struct ip address;
    int protocol, port;
    /* What was found at the last look. */
    struct flow *flows;
    size_t n, room;
    uint64_t now_ns;
};

#define FLOW_QUERY_USAGE                                                                           \
    "[--of INTERFACE|INSTANCE] [--vpc VPC] [--group GROUP]\n"                                      \
    "           [--address ADDRESS] [--port PORT] [--protocol tcp|udp|icmp|N]"

/* Takes an option of the query: 1, or 0 for another. */
int flow_query_option(struct flow_query *q, const char *arg, const char *value);
/* 0, or an exit status after a message. */
int flow_query_open(const struct ctl *ctl, struct flow_query *q);
void flow_query_close(struct flow_query *q);

/* Fills q->flows with those that are wanted. 0 or -errno. */
int flow_query_look(struct flow_query *q);
/* Whose a number is; 0: outside. Asks the agent again when it is a new one. */
const struct flow_end *flow_query_end(struct flow_query *q, uint32_t number);
/* Whether an interface is the wanted one, or of it. */
bool flow_query_wants(const struct flow_query *q, const struct flow_end *end);
/* By its id; NULL: the agent does not know it. */
const json_t *flow_query_interface(const struct flow_query *q, const char *id);

json_t *flow_query_json(struct flow_query *q, const struct flow *f);
/* "i-..." or the interface, and its name. */
void flow_query_print_end(const char *id, const char *instance, const char *name);

#endif
