/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flows that test_migrate.c (layout 2) opens and migrate_next.c (layout 3) goes on with:
 * a (10.0.1.4, device eni1) to b (10.0.1.5, device eni2), let in by a rule that is gone since.
 */
#ifndef VPCD_TESTS_BPF_MIGRATE_H
#define VPCD_TESTS_BPF_MIGRATE_H

#include "world.h"

static inline struct packet migrate_packet(bool from_a, uint16_t client_port, unsigned flags) {
    static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 1}, mac_b[6] = {2, 0, 0, 0, 0, 2};
    struct packet k;

    packet_eth(&k, from_a ? mac_b : mac_a, from_a ? mac_a : mac_b, ETH_P_IP);
    packet_ip(&k, from_a ? "10.0.1.4" : "10.0.1.5", from_a ? "10.0.1.5" : "10.0.1.4", IPPROTO_TCP);
    packet_tcp(&k, from_a ? client_port : 80, from_a ? 80 : client_port, flags, 5);
    packet_finish(&k);
    return k;
}

#define MIGRATE_FIRST 5001  /* met by a packet before the switch */
#define MIGRATE_SECOND 5002 /* brought over by the switch */
#define MIGRATE_NONE 5003

#endif
