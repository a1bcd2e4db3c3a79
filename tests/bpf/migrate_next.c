/* SPDX-License-Identifier: Apache-2.0 */
/* The second half of test_migrate.c: a build with another layout of flows takes over. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "migrate.h"

#define check(expression)                                                                          \
    do {                                                                                           \
        if (!(expression)) {                                                                       \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #expression);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static struct world w;
static struct world_eni a = {.number = 1}, b = {.number = 2};

static bool passes(const struct world_eni *from, uint16_t port) {
    struct packet k = migrate_packet(from == &a, port, ACK);
    struct outcome out;

    world_send(&w, from, &k, &out);
    return out.action == TC_ACT_REDIRECT;
}

static int flow(const struct world_eni *from, uint16_t port, struct flow_value *ret) {
    struct packet k = migrate_packet(from == &a, port, ACK);

    return world_flow(&w, from, &k, ret);
}

static bool pinned(const char *name) {
    char path[128];

    snprintf(path, sizeof path, "%s/%s", w.pin_dir, name);
    return access(path, F_OK) == 0;
}

static void go_on(void) {
    struct flow_value f;
    uint32_t entries;

    a.ifindex = if_nametoindex("eni1");
    b.ifindex = if_nametoindex("eni2");
    check(a.ifindex && b.ifindex);

    /* Before the switch: our programs bring over what they meet, both halves. */
    check(pinned("flows_v2") && pinned("flows_v3"));
    check(flow(&a, MIGRATE_FIRST, &f) == -ENOENT);
    check(passes(&a, MIGRATE_FIRST));
    check(flow(&a, MIGRATE_FIRST, &f) == 0);
    check(f.migrated_ns && f.packets == 3 && f.state == (FLOW_REPLIED | FLOW_OPEN));
    check(f.near.eni == a.number && f.distant.eni == b.number);
    check(flow(&b, MIGRATE_FIRST, &f) == 0 && f.packets == 1);
    check(passes(&b, MIGRATE_FIRST));
    check(flow(&a, MIGRATE_SECOND, &f) == -ENOENT);
    check(!passes(&a, MIGRATE_NONE));

    /* The switch brings over the rest and forgets the older table. */
    check(dataplane_activate(w.dp) == 0);
    check(!pinned("flows_v2") && pinned("flows_v3"));
    check(flow(&a, MIGRATE_SECOND, &f) == 0 && f.migrated_ns && f.packets == 2);
    check(passes(&b, MIGRATE_SECOND) && passes(&a, MIGRATE_SECOND));
    check(!passes(&a, MIGRATE_NONE));
    entries = world_flow_entries(&w);
    check(entries == 4);
    check(dataplane_activate(w.dp) == 0);
    check(world_flow_entries(&w) == entries);
}

int main(int argc, char **argv) {
    _buf_ struct buf err = BUF_INIT;

    check(argc >= 2);
    snprintf(w.pin_dir, sizeof w.pin_dir, "%s", argv[1]);
    if (dataplane_open(w.pin_dir, &w.dp, &err) < 0) {
        fprintf(stderr, "%s\n", buf_str(&err));
        return 1;
    }
    if (argc == 2) {
        go_on();
    } else {
        check(dataplane_activate(w.dp) == 0);
        check(dataplane_destroy(w.pin_dir) == 0);
    }
    dataplane_close(w.dp);
    return 0;
}
