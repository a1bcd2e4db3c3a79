/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "packet.h"
#include "rules/compile.h"
#include "rules/test_packet.h"

const uint8_t rig_router_mac[6] = {2, 0, 0, 1, 1, 1}, rig_host_mac[6] = {2, 0, 0, 2, 2, 2},
              rig_service_mac[6] = {2, 0, 0, 3, 3, 3};

#define RETRIES 1000

#define must(expression) must_at((expression), #expression, __LINE__)
static void must_at(int r, const char *what, int line) {
    if (r >= 0)
        return;
    fprintf(stderr, "rig.c:%d: %s: %s\n", line, what, strerror(-r));
    abort();
}

static const enum dataplane_map map_of[] = {
    [ENTRY_RULE_TABLES] = DATAPLANE_RULE_TABLES,
    [ENTRY_RULE_ADDRS] = DATAPLANE_RULE_ADDRS,
    [ENTRY_RULE_PORTS] = DATAPLANE_RULE_PORTS,
    [ENTRY_RULE_SETS] = DATAPLANE_RULE_SETS,
    [ENTRY_ACL_ADDRS] = DATAPLANE_ACL_ADDRS,
    [ENTRY_ACL_PORTS] = DATAPLANE_ACL_PORTS,
    [ENTRY_ROUTES] = DATAPLANE_ROUTES,
    [ENTRY_SUBNETS] = DATAPLANE_SUBNETS,
    [ENTRY_EDGES] = DATAPLANE_EDGES,
    [ENTRY_RESOLVERS] = DATAPLANE_RESOLVERS,
    [ENTRY_ENIS] = DATAPLANE_ENIS,
    [ENTRY_ADDRS] = DATAPLANE_ADDRS,
    [ENTRY_PUBLICS] = DATAPLANE_PUBLICS,
    [ENTRY_NATS] = DATAPLANE_NATS,
    [ENTRY_NAT_SOURCES] = DATAPLANE_NAT_SOURCES,
    [ENTRY_NAT_ADDRS] = DATAPLANE_NAT_ADDRS,
    [ENTRY_EGRESS_GATEWAYS] = DATAPLANE_EGRESS_GATEWAYS,
    [ENTRY_VPCS] = DATAPLANE_VPCS,
};
_Static_assert(ARRAY_SIZE(map_of) == ENTRY_MAPS, "a row for each map");

/* --- What the planner asks ---------------------------------------------------------------- */

static int number_of(void *data, enum number_kind kind, const char *id, uint32_t *ret) {
    return dataplane_number(((struct rig *)data)->dp, kind, id, ret);
}

/* The counter outlives the planner, as the agent's would. */
static int table_new(void *data, uint32_t *ret) {
    static uint32_t last;

    *ret = ++last;
    return 0;
}

static struct vpc_value vpc_now(void *data, uint32_t vpc) {
    struct vpc_key key = {.vpc = vpc};
    struct vpc_value v = {0};

    dataplane_get(((struct rig *)data)->dp, DATAPLANE_VPCS, &key, &v);
    return v;
}

/* Nothing here is larger than the maps, but the kernel's allocator may have nothing at this moment:
 * such a unit allows nothing until it is tried again. */
static void problem(void *data, const struct obj *o, int error, const char *what) {
    printf("the planner about %s: %s: %s\n", o->id, what, strerror(-error));
}

struct sweeping {
    struct rig *g;
    enum entry_map map;
};

static int sweep_one(const void *key, const void *value, void *arg) {
    struct sweeping *s = arg;

    if (plan_owns(s->g->plan, s->map, key))
        return 0;
    return dataplane_del(s->g->dp, map_of[s->map], key);
}

static int sweep(struct rig *g, enum entry_map map) {
    struct sweeping s = {.g = g, .map = map};

    return dataplane_each(g->dp, map_of[map], sweep_one, &s);
}

static int emit(void *data, const struct plan_op *op) {
    static const uint8_t none[ENTRY_KEY_MAX];
    uint8_t number[ENTRY_KEY_MAX] = {0};
    struct rig *g = data;

    switch (op->kind) {
    case PLAN_PUT:
        return dataplane_put(g->dp, map_of[op->map], op->key, op->value);
    case PLAN_DELETE:
        return dataplane_del(g->dp, map_of[op->map], op->key);
    case PLAN_SWEEP:
        return sweep(g, op->map);
    case PLAN_DROP_LATER:
        memcpy(number, op->key, sizeof(uint32_t));
        entries_add(&g->later, op->map, number, (uint8_t[ENTRY_VALUE_MAX]){1});
        return 0;
    case PLAN_SWEEP_LATER:
        entries_add(&g->later, op->map, none, (uint8_t[ENTRY_VALUE_MAX]){0});
        return 0;
    }
    return -1;
}

/* Nothing runs between our packets, so the grace period is over at once. */
static void carry_out_later(struct rig *g) {
    for (size_t i = 0; i < g->later.n; i++) {
        const struct entry *e = &g->later.e[i];
        uint32_t table;

        memcpy(&table, e->key, sizeof(table));
        if (e->value[0])
            must(plan_drop(g->plan, table, emit, g));
        else
            must(sweep(g, e->map));
    }
    entries_free(&g->later);
}

/* --- Devices and configuration ------------------------------------------------------------ */

/* As the agent does with what found no room. */
static void retry_lacking(struct rig *g, const struct index *ix) {
    for (int i = 0; plan_lacking(g->plan); i++) {
        if (i == RETRIES) {
            fprintf(stderr, "%zu units found no room\n", plan_lacking(g->plan));
            abort();
        }
        plan_retry(g->plan);
        must(plan_flush(g->plan, ix, emit, g));
        carry_out_later(g);
    }
}

static void run(const char *command) {
    if (system(command) == 0)
        return;
    fprintf(stderr, "failed: %s\n", command);
    abort();
}

static void enter(int ns) {
    must(setns(ns, CLONE_NEWNET) < 0 ? -errno : 0);
}

static uint32_t index_of(const char *name) {
    uint32_t index = if_nametoindex(name);

    must(index ? 0 : -errno);
    return index;
}

/* A namespace for the other ends of all devices: it has no addresses, so it never speaks itself.
 * What goes through its own pair of devices is a fence (replay.c). */
static void make_peers_ns(struct rig *g) {
    g->own_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    must(g->own_ns < 0 || unshare(CLONE_NEWNET) < 0 ? -errno : 0);
    g->peers_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    must(g->peers_ns < 0 ? -errno : 0);
    run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    run("ip link add fence type veth peer name fencep && ip link set fence up && "
        "ip link set fencep up");
    g->fence = index_of("fence");
    g->fence_peer = index_of("fencep");
    enter(g->own_ns);
}

/* The peer is in the other namespace: bpf_redirect_peer delivers nowhere else. */
static uint32_t make_device(struct rig *g, const char *name, uint32_t *ret_peer) {
    char command[256], peer[32];

    snprintf(peer, sizeof(peer), "%sp", name);
    snprintf(command, sizeof(command),
             "ip link add %s mtu 9001 type veth peer name %s mtu 9001 netns /proc/%d/fd/%d && "
             "ip link set %s up",
             name, peer, (int)getpid(), g->peers_ns, name);
    run(command);
    enter(g->peers_ns);
    snprintf(command, sizeof(command), "ip link set %s up", peer);
    run(command);
    *ret_peer = index_of(peer);
    enter(g->own_ns);
    return index_of(name);
}

static void skip(const char *why) {
    printf("SKIP: %s\n", why);
    exit(77);
}

/* What runs that were killed left pinned. */
static void tidy_up(void) {
    DIR *d = opendir("/sys/fs/bpf");
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char path[300];
        int pid;

        if (sscanf(e->d_name, "vpcd-oracle-%d", &pid) != 1 || kill(pid, 0) == 0)
            continue;
        snprintf(path, sizeof(path), "/sys/fs/bpf/%s", e->d_name);
        dataplane_destroy(path);
    }
    if (d)
        closedir(d);
}

void rig_open(struct rig *g) {
    _buf_ struct buf err = BUF_INIT;
    int r;

    *g = (struct rig){0};
    if (geteuid() != 0)
        skip("not root: BPF programs cannot be loaded");
    if (unshare(CLONE_NEWNET) < 0)
        skip("no network namespace of our own");
    tidy_up();
    snprintf(g->pin_dir, sizeof(g->pin_dir), "/sys/fs/bpf/vpcd-oracle-%d", (int)getpid());
    r = dataplane_open(g->pin_dir, &g->dp, &err);
    if (r == -EPERM || r == -ENOTSUP)
        skip(buf_str(&err));
    if (r < 0)
        fprintf(stderr, "%s\n", buf_str(&err));
    must(r);
    /* The kernel's own packets would be counted among ours. */
    run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    make_peers_ns(g);
    g->uplink = make_device(g, "uplink", &g->uplink_peer);
    g->services = make_device(g, "services", &g->services_peer);
    for (int i = 0; i < RIG_DEVICES; i++) {
        char name[16];

        snprintf(name, sizeof(name), "d%d", i);
        g->ports[i].ifindex = make_device(g, name, &g->ports[i].peer);
    }
    must(dataplane_activate(g->dp));
    must(dataplane_attach_uplink(g->dp, g->uplink));
    must(dataplane_attach_services(g->dp, g->services));
    must(dataplane_drops(g->dp, g->drops));
}

void rig_close(struct rig *g) {
    plan_free(g->plan);
    entries_free(&g->later);
    dataplane_close(g->dp);
    must(dataplane_destroy(g->pin_dir));
    close(g->own_ns);
    close(g->peers_ns);
}

static void configure(struct rig *g, const struct oracle_host *host) {
    struct service_config_value services = {.ifindex = host->services ? g->services : 0};
    struct config_value c = {.uplink_ifindex = host->uplink ? g->uplink : 0,
                             .host4 = compile_addr(&host->address4),
                             .host6 = compile_addr(&host->address6),
                             .pool4 = compile_addr(&host->pool4.ip),
                             .pool6 = compile_addr(&host->pool6.ip),
                             .pool4_len = host->pool4.len,
                             .pool6_len = host->pool6.len};
    struct uplink_port_key tcp = {6, PACKET_OPEN_TCP}, udp = {17, PACKET_OPEN_UDP};
    struct uplink_port_value allowed = {1};
    struct host_net_value refused = {1};
    struct host_net_key net = {0};
    struct cidr own;
    uint32_t zero = 0;

    must(cidr_parse(PACKET_OWN_NET, &own));
    net.prefixlen = HOST_NET_PREFIX + own.len;
    net.family = own.ip.family;
    net.addr = compile_addr(&own.ip);
    c.flags = (host->open ? CONFIG_HOST_OPEN : 0) | (host->anywhere ? CONFIG_UPLINK_ANY : 0);
    memcpy(c.uplink_mac, rig_host_mac, 6);
    memcpy(c.router_mac, rig_router_mac, 6);
    c.router6.b[0] = 0xfe;
    c.router6.b[1] = 0x80;
    c.router6.b[15] = 1;
    must(dataplane_put(g->dp, DATAPLANE_CONFIG, &zero, &c));
    memcpy(services.mac, rig_service_mac, 6);
    must(dataplane_put(g->dp, DATAPLANE_SERVICE_CONFIG, &zero, &services));
    must(dataplane_put(g->dp, DATAPLANE_UPLINK_PORTS, &tcp, &allowed));
    must(dataplane_put(g->dp, DATAPLANE_UPLINK_PORTS, &udp, &allowed));
    must(dataplane_put(g->dp, DATAPLANE_HOST_NETS, &net, &refused));
}

struct rig_port *rig_port(struct rig *g, const char *eni) {
    for (int i = 0; i < RIG_DEVICES; i++)
        if (strcmp(g->ports[i].eni, eni) == 0)
            return &g->ports[i];
    return NULL;
}

static void attach(struct rig *g, const struct network_interface *eni) {
    struct dataplane_port port = {.kind = LINK_VETH};
    struct rig_port *at = rig_port(g, "");

    if (!at) {
        fprintf(stderr, "more interfaces than devices\n");
        abort();
    }
    must(number_of(g, NUMBER_ENI, eni->o.id, &port.eni));
    must(number_of(g, NUMBER_VPC, eni->vpc_id, &port.vpc));
    port.ifindex = at->ifindex;
    memcpy(port.mac, eni->mac, 6);
    must(dataplane_attach_eni(g->dp, &port));
    snprintf(at->eni, sizeof(at->eni), "%s", eni->o.id);
    at->number = port.eni;
    memcpy(at->mac, eni->mac, 6);
}

static void detach(struct rig *g, struct rig_port *at) {
    must(dataplane_detach_eni(g->dp, at->number));
    at->eni[0] = 0;
}

static bool is_here(const struct world *w, const struct network_interface *eni) {
    return eni->instance_id && world_on_host(NULL, w->ix, eni);
}

/* A device for each attached interface, and for no other. */
static void attach_all(struct rig *g, const struct world *w) {
    struct cursor c;

    for (int i = 0; i < RIG_DEVICES; i++) {
        struct rig_port *at = &g->ports[i];
        const struct network_interface *eni;

        if (!at->eni[0])
            continue;
        eni = index_get(w->ix, KIND_NETWORK_INTERFACE, w->scope, at->eni);
        if (eni && is_here(w, eni) && memcmp(eni->mac, at->mac, 6) == 0)
            continue;
        detach(g, at);
    }
    index_each_all(w->ix, c, KIND_NETWORK_INTERFACE) {
        const struct network_interface *eni = c.obj;

        if (is_here(w, eni) && !rig_port(g, eni->o.id))
            attach(g, eni);
    }
}

void rig_world(struct rig *g, const struct world *w, const struct oracle_host *host) {
    const struct plan_callbacks callbacks = {.number_of = number_of,
                                             .table_new = table_new,
                                             .vpc_now = vpc_now,
                                             .on_host = world_on_host,
                                             .problem = problem,
                                             .data = g};

    /* Names come back in the next world with another meaning. */
    for (int i = 0; i < RIG_DEVICES; i++)
        if (g->ports[i].eni[0])
            detach(g, &g->ports[i]);
    plan_free(g->plan);
    g->plan = plan_new(&callbacks);
    if (!g->plan)
        abort();
    configure(g, host);
    must(plan_full(g->plan, w->ix, emit, g));
    carry_out_later(g);
    retry_lacking(g, w->ix);
    attach_all(g, w);
    rig_no_flows(g);
}

void rig_change(struct rig *g, struct world *w) {
    for (size_t i = 0; i < w->n_changes; i++)
        must(plan_change(g->plan, w->ix, w->changes[i].old, w->changes[i].new));
    must(plan_flush(g->plan, w->ix, emit, g));
    carry_out_later(g);
    retry_lacking(g, w->ix);
    attach_all(g, w);
    world_settle(w);
}

/* --- Packets ------------------------------------------------------------------------------ */

uint32_t rig_number(struct rig *g, const struct network_interface *eni) {
    uint32_t number = 0;

    if (eni)
        must(number_of(g, NUMBER_ENI, eni->o.id, &number));
    return number;
}

static int forget(const void *key, const void *value, void *arg) {
    return dataplane_del(((struct rig *)arg)->dp, DATAPLANE_FLOWS, key);
}

static int forget_count(const void *key, const void *value, void *arg) {
    return dataplane_del(((struct rig *)arg)->dp, DATAPLANE_NAT_COUNTS, key);
}

void rig_no_flows(struct rig *g) {
    must(dataplane_each(g->dp, DATAPLANE_FLOWS, forget, g));
    must(dataplane_each(g->dp, DATAPLANE_NAT_COUNTS, forget_count, g));
}

/* The half that a packet from `eni` began; what an earlier one left may still be there. */
struct search {
    uint32_t eni;
    struct ip src, dst; /* of the packet, as it entered */
    uint64_t start_ns;  /* of the newest so far */
    struct rig_outcome *outcome;
};

static int find_forward(const void *key, const void *value, void *arg) {
    const struct flow_key *k = key;
    const struct flow_value *f = value;
    struct search *s = arg;

    if (!(f->verdict.flags & FLOW_FORWARD) || k->eni != s->eni || f->start_ns < s->start_ns ||
        memcmp(&k->src, s->src.b, sizeof(k->src)) != 0 ||
        memcmp(&k->dst, s->dst.b, sizeof(k->dst)) != 0)
        return 0;
    s->start_ns = f->start_ns;
    s->outcome->flow = true;
    s->outcome->verdict = f->verdict;
    s->outcome->timeouts = f->timeouts;
    return 0;
}

void rig_before(struct rig *g, const struct network_interface *from) {
    uint32_t number = rig_number(g, from);

    /* Its allowance is no matter of one packet. */
    if (from && rig_port(g, from->o.id))
        must(dataplane_put(g->dp, DATAPLANE_SERVICE_STATS, &number,
                           &(struct service_stats_value){0}));
}

void rig_drops(struct rig *g, struct rig_outcome *ret) {
    uint64_t after[DROP_SLOTS];

    must(dataplane_drops(g->dp, after));
    for (unsigned i = 0; i < DROP_SLOTS; i++) {
        if (after[i] != g->drops[i])
            ret->reason = i;
        ret->counted += (unsigned)(after[i] - g->drops[i]);
    }
    memcpy(g->drops, after, sizeof(after));
}

void rig_flow(struct rig *g, const struct network_interface *from, const void *frame,
              struct rig_outcome *ret) {
    struct search search = {.eni = rig_number(g, from),
                            .src = packet_src(frame),
                            .dst = packet_dst(frame),
                            .outcome = ret};

    must(dataplane_each(g->dp, DATAPLANE_FLOWS, find_forward, &search));
}

void rig_send(struct rig *g, const struct network_interface *from, const void *frame, size_t len,
              struct rig_outcome *ret) {
    const struct rig_port *at = from ? rig_port(g, from->o.id) : NULL;
    struct __sk_buff ctx = {0};
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
                .data_out = ret->frame, .data_size_out = sizeof(ret->frame), .ctx_in = &ctx,
                .ctx_size_in = sizeof(ctx), .repeat = 1);

    rig_before(g, from);
    /* Whoever has no device sends from one that is nobody's. */
    ctx.ifindex = at ? at->ifindex : from ? g->ports[RIG_DEVICES - 1].ifindex : g->uplink;
    ret->reason = ret->counted = 0;
    ret->flow = false;
    must(bpf_prog_test_run_opts(dataplane_prog_fd(g->dp, from ? PROG_ENI : PROG_UPLINK), &opts));
    rig_drops(g, ret);
    /* Of these two the sender is told: the message takes the packet's place. */
    ret->accepted = opts.retval == TC_ACT_REDIRECT && ret->reason != DROP_TOO_BIG &&
                    ret->reason != DROP_NAT_RESET;
    ret->len = opts.data_size_out;
    if (ret->accepted)
        rig_flow(g, from, frame, ret);
}
