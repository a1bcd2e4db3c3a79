/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/if.h>
#include <dirent.h>
#include <signal.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "world.h"

const uint8_t world_router_mac[6] = {2, 0, 0, 0, 1, 1}, world_host_mac[6] = {2, 0, 0, 0, 2, 2};

#define must(expression) must_at((expression), #expression, __LINE__)
static void must_at(int r, const char *what, int line) {
    if (r == 0)
        return;
    fprintf(stderr, "world.c:%d: %s: %s\n", line, what, strerror(r < 0 ? -r : r));
    abort();
}

void world_run(const char *format, ...) {
    char command[512];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    int r = system(command);
    if (r != 0) {
        fprintf(stderr, "failed: %s\n", command);
        abort();
    }
}

uint32_t world_veth(const char *name) {
    world_run("ip link add %s type veth peer name %sp", name, name);
    world_run("ip link set %s up && ip link set %sp up", name, name);
    return if_nametoindex(name);
}

struct abi_addr world_abi(const struct ip *ip) {
    struct abi_addr a = {0};

    memcpy(a.b, ip->b, 16);
    return a;
}

static struct ip address(const char *text) {
    struct ip ip;

    must(ip_parse(text, &ip));
    return ip;
}

static struct cidr prefix(const char *text) {
    struct cidr c;

    must(cidr_parse(text, &c));
    return c;
}

static void skip_all(const char *why) {
    printf("SKIP: %s\n", why);
    exit(77);
}

static void configure(struct world *w) {
    struct config_value c = {.uplink_ifindex = w->uplink, .pool4_len = 24, .pool6_len = 40};
    struct ip pool4 = address("203.0.113.0"), host4 = address("203.0.113.1"),
              pool6 = address("2001:db8:ff00::"), host6 = address("2001:db8:ff00::1"),
              router6 = address("fe80::1");
    uint32_t zero = 0;

    memcpy(c.uplink_mac, world_host_mac, 6);
    memcpy(c.router_mac, world_router_mac, 6);
    c.pool4 = world_abi(&pool4);
    c.host4 = world_abi(&host4);
    c.pool6 = world_abi(&pool6);
    c.host6 = world_abi(&host6);
    c.router6 = world_abi(&router6);
    must(dataplane_put(w->dp, DATAPLANE_CONFIG, &zero, &c));
}

/* What tests that were killed left pinned. */
static void tidy_up(void) {
    DIR *d = opendir("/sys/fs/bpf");
    struct dirent *e;

    while (d && (e = readdir(d))) {
        char path[300];
        int pid;

        if (sscanf(e->d_name, "vpcd-test-%d", &pid) != 1 || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof(path), "/sys/fs/bpf/%s", e->d_name);
        dataplane_destroy(path);
    }
    if (d)
        closedir(d);
}

void world_open(struct world *w) {
    _buf_ struct buf err = BUF_INIT;
    int r;

    memset(w, 0, sizeof *w);
    if (geteuid() != 0)
        skip_all("not root: BPF programs cannot be loaded");
    if (unshare(CLONE_NEWNET) < 0)
        skip_all("no network namespace of our own");
    tidy_up();
    snprintf(w->pin_dir, sizeof w->pin_dir, "/sys/fs/bpf/vpcd-test-%d", (int)getpid());
    r = dataplane_open(w->pin_dir, &w->dp, &err);
    if (r == -EPERM || r == -ENOTSUP)
        skip_all(buf_str(&err));
    if (r < 0) {
        fprintf(stderr, "%s\n", buf_str(&err));
        abort();
    }
    /* The kernel's own chatter on the devices would be counted among ours. */
    world_run("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
    world_run("ip link set lo up");
    w->uplink = world_veth("uplink");
    w->next_table = 1000;
    must(dataplane_activate(w->dp));
    configure(w);
}

void world_close(struct world *w) {
    dataplane_close(w->dp);
    must(dataplane_destroy(w->pin_dir));
    w->dp = NULL;
}

void world_vpc(struct world *w, uint32_t vpc) {
    struct vpc_key key = {vpc};
    struct vpc_value v = {.gen_net = 1, .gen_sg = 1};

    must(dataplane_put(w->dp, DATAPLANE_VPCS, &key, &v));
}

void world_bump(struct world *w, uint32_t vpc, bool net, bool sg) {
    struct vpc_key key = {vpc};
    struct vpc_value v;

    must(dataplane_get(w->dp, DATAPLANE_VPCS, &key, &v));
    v.gen_net += net;
    v.gen_sg += sg;
    must(dataplane_put(w->dp, DATAPLANE_VPCS, &key, &v));
}

void world_subnet(struct world *w, uint32_t subnet, uint32_t vpc, const char *v4, const char *v6,
                  uint32_t route_table) {
    struct subnet_key key = {subnet};
    struct subnet_value v = {.vpc = vpc, .route_table = route_table};
    struct cidr c = prefix(v4);

    v.v4 = world_abi(&c.ip);
    v.v4_len = c.len;
    if (v6) {
        c = prefix(v6);
        v.v6 = world_abi(&c.ip);
        v.v6_len = c.len;
    }
    must(dataplane_put(w->dp, DATAPLANE_SUBNETS, &key, &v));
}

void world_route(struct world *w, uint32_t table, const char *cidr, uint32_t kind,
                 uint32_t target) {
    struct cidr c = prefix(cidr);
    struct route_key key = {.prefixlen = ROUTE_PREFIX + c.len,
                            .table = table,
                            .family = c.ip.family,
                            .addr = world_abi(&c.ip)};
    struct route_value v = {.kind = kind, .target = target};

    must(dataplane_put(w->dp, DATAPLANE_ROUTES, &key, &v));
}

struct world_eni world_eni(struct world *w, uint32_t n, uint32_t vpc, uint32_t subnet,
                           uint32_t ifindex) {
    struct world_eni e = {
        .number = n, .vpc = vpc, .subnet = subnet, .mac = {2, 0, 0, 0, 0, (uint8_t)n}};
    struct eni_value v = {.vpc = vpc,
                          .subnet = subnet,
                          .sgset = n,
                          .flags = ENI_SRC_DST_CHECK,
                          .quota_flows = DEFAULT_QUOTA_FLOWS,
                          .quota_half = DEFAULT_QUOTA_HALF,
                          .quota_untracked = DEFAULT_QUOTA_UNTRACKED,
                          .tcp_half_ms = DEFAULT_TCP_HALF_MS,
                          .tcp_open_ms = DEFAULT_TCP_OPEN_MS,
                          .tcp_closing_ms = DEFAULT_TCP_CLOSING_MS,
                          .udp_single_ms = DEFAULT_UDP_SINGLE_MS,
                          .udp_stream_ms = DEFAULT_UDP_STREAM_MS,
                          .other_ms = DEFAULT_OTHER_MS};
    struct dataplane_port port = {.kind = LINK_VETH, .eni = n, .vpc = vpc};
    char name[16];

    snprintf(name, sizeof name, "eni%u", n);
    e.ifindex = ifindex ? ifindex : world_veth(name);
    memcpy(v.mac, e.mac, 6);
    snprintf(v.id, sizeof v.id, "eni-%017u", n);
    world_eni_put(w, &e, &v);
    port.ifindex = e.ifindex;
    memcpy(port.mac, e.mac, 6);
    must(dataplane_attach_eni(w->dp, &port));
    return e;
}

struct eni_value world_eni_get(struct world *w, const struct world_eni *e) {
    struct eni_key key = {e->number};
    struct eni_value v;

    must(dataplane_get(w->dp, DATAPLANE_ENIS, &key, &v));
    return v;
}

void world_eni_put(struct world *w, const struct world_eni *e, const struct eni_value *v) {
    struct eni_key key = {e->number};

    must(dataplane_put(w->dp, DATAPLANE_ENIS, &key, v));
}

void world_addr(struct world *w, const struct world_eni *e, const char *addr,
                const char *public_addr) {
    struct ip ip = address(addr);
    struct addr_key key = {.vpc = e->vpc, .family = ip.family, .addr = world_abi(&ip)};
    struct addr_value v = {.eni = e->number, .flags = ADDR_PRIMARY};

    if (public_addr) {
        struct ip pub = address(public_addr);
        struct public_key public_key = {.family = ip.family, .addr = world_abi(&pub)};
        struct public_value public_value = {.vpc = e->vpc, .eni = e->number};
        public_value.private_addr = key.addr;
        v.flags |= ADDR_HAS_PUBLIC;
        v.public_addr = public_key.addr;
        must(dataplane_put(w->dp, DATAPLANE_PUBLICS, &public_key, &public_value));
    }
    must(dataplane_put(w->dp, DATAPLANE_ADDRS, &key, &v));
}

void world_nat(struct world *w, uint32_t nat, uint32_t vpc, uint32_t subnet, uint32_t index,
               const char *private_addr, const char *public_addr) {
    struct ip inner = address(private_addr);
    struct nat_key key = {nat};
    struct nat_value v = {.vpc = vpc, .subnet = subnet, .sources = index + 1};
    struct nat_source_key source_key = {nat, index};
    struct nat_source_value source = {.private_addr = world_abi(&inner)};
    struct addr_key inside = {.vpc = vpc, .family = inner.family, .addr = source.private_addr};
    struct addr_key outside = {.vpc = 0, .family = inner.family};
    struct nat_addr_value at = {nat, index};

    if (public_addr) {
        struct ip outer = address(public_addr);

        source.public_addr = outside.addr = world_abi(&outer);
        must(dataplane_put(w->dp, DATAPLANE_NAT_ADDRS, &outside, &at));
    }
    must(dataplane_put(w->dp, DATAPLANE_NAT_ADDRS, &inside, &at));
    must(dataplane_put(w->dp, DATAPLANE_NAT_SOURCES, &source_key, &source));
    must(dataplane_put(w->dp, DATAPLANE_NATS, &key, &v));
}

/* --- Rules, the naive way ----------------------------------------------------------------- */

static void set_bit(struct rule_bits *bits, size_t i) {
    bits->w[i / 64] |= 1ull << (i % 64);
}

static bool rule_at(const struct world_rule *r, enum direction dir, uint8_t family) {
    return r->dir == dir && r->family == family;
}

/* Whether rule r covers all that is in the class of rule `class`. */
static bool covers_addr(const struct world_rule *r, const struct cidr *class) {
    struct cidr c;

    if (!r->cidr)
        return false;
    c = prefix(r->cidr);
    return cidr_contains(&c, class);
}

/* Each port on its own; a rule for all ports and one for all protocols are shorter prefixes. */
static void put_ports(struct world *w, uint32_t table, enum direction dir, uint8_t family,
                      const struct world_rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int from = rules[i].from < 0 ? 0 : rules[i].from, to = rules[i].from < 0 ? 0 : rules[i].to;
        if (!rule_at(&rules[i], dir, family))
            continue;
        for (int port = from; port <= to; port++) {
            struct rule_port_key key = {.table = table, .dir = (uint8_t)dir, .family = family};
            struct rule_bits bits = {0};
            key.prefixlen = rules[i].proto < 0  ? RULE_PORT_ANY_PROTO
                            : rules[i].from < 0 ? RULE_PORT_PROTO
                                                : RULE_PORT_PROTO + 16;
            if (rules[i].proto >= 0)
                key.proto = (uint8_t)rules[i].proto;
            if (rules[i].from >= 0)
                key.port = htons((uint16_t)port);
            for (size_t j = 0; j < n; j++) {
                bool proto = rules[j].proto < 0 || rules[j].proto == rules[i].proto;
                bool ports = rules[j].proto < 0 || rules[j].from < 0 ||
                             (rules[i].from >= 0 && rules[j].from <= port && port <= rules[j].to);
                if (rule_at(&rules[j], dir, family) && proto && ports)
                    set_bit(&bits, j);
            }
            must(dataplane_put(w->dp, DATAPLANE_RULE_PORTS, &key, &bits));
        }
    }
}

static void put_addrs(struct world *w, uint32_t vpc, uint32_t table, enum direction dir,
                      uint8_t family, const struct world_rule *rules, size_t n) {
    for (size_t i = 0; i < n; i++) {
        struct rule_bits bits = {0};
        if (!rule_at(&rules[i], dir, family))
            continue;
        if (!rules[i].cidr) {
            struct rule_set_key key = {.table = table,
                                       .dir = (uint8_t)dir,
                                       .family = family,
                                       .sgset = rules[i].set,
                                       .vpc = rules[i].vpc ? rules[i].vpc : vpc};
            for (size_t j = 0; j < n; j++)
                if (rule_at(&rules[j], dir, family) && !rules[j].cidr &&
                    rules[j].set == rules[i].set && rules[j].vpc == rules[i].vpc)
                    set_bit(&bits, j);
            must(dataplane_put(w->dp, DATAPLANE_RULE_SETS, &key, &bits));
            continue;
        }
        struct cidr class = prefix(rules[i].cidr);
        struct rule_addr_key key = {.prefixlen = RULE_ADDR_PREFIX + class.len,
                                    .table = table,
                                    .dir = (uint8_t)dir,
                                    .family = family,
                                    .addr = world_abi(&class.ip)};
        for (size_t j = 0; j < n; j++)
            if (rule_at(&rules[j], dir, family) && covers_addr(&rules[j], &class))
                set_bit(&bits, j);
        must(dataplane_put(w->dp, DATAPLANE_RULE_ADDRS, &key, &bits));
    }
}

static void put_table(struct world *w, uint32_t table, enum direction dir, uint8_t family,
                      const struct world_rule *rules, size_t n) {
    struct rule_table_key key = {.table = table, .dir = (uint8_t)dir, .family = family};
    struct rule_table_value v = {0};

    for (size_t i = 0; i < n; i++) {
        if (!rule_at(&rules[i], dir, family) || !rules[i].cidr || prefix(rules[i].cidr).len)
            continue;
        set_bit(&v.any_addr, i);
        bool all = rules[i].from < 0 || (rules[i].from == 0 && rules[i].to == 65535);
        if (all && (rules[i].proto < 0 || rules[i].proto == IPPROTO_TCP))
            v.flags |= RULE_ALL_TCP;
        if (all && (rules[i].proto < 0 || rules[i].proto == IPPROTO_UDP))
            v.flags |= RULE_ALL_UDP;
    }
    must(dataplane_put(w->dp, DATAPLANE_RULE_TABLES, &key, &v));
}

void world_rules(struct world *w, const struct world_eni *e, const struct world_rule *rules,
                 size_t n) {
    static const uint8_t families[] = {4, 6};
    uint32_t table = w->next_table++;
    struct eni_value v = world_eni_get(w, e);

    for (int dir = DIR_INGRESS; dir <= DIR_EGRESS; dir++) {
        for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
            put_table(w, table, (enum direction)dir, families[f], rules, n);
            put_addrs(w, e->vpc, table, (enum direction)dir, families[f], rules, n);
            put_ports(w, table, (enum direction)dir, families[f], rules, n);
        }
    }
    v.sg_table = table;
    world_eni_put(w, e, &v);
}

/* --- Running packets ---------------------------------------------------------------------- */

static unsigned drop_between(const uint64_t before[DROP_SLOTS], const uint64_t after[DROP_SLOTS]) {
    unsigned reason = DROP_NONE;
    uint64_t sum = 0;

    for (unsigned i = 0; i < DROP_SLOTS; i++) {
        if (after[i] != before[i])
            reason = i;
        sum += after[i] - before[i];
    }
    if (sum > 1) {
        fprintf(stderr, "one packet was counted as dropped %llu times\n", (unsigned long long)sum);
        abort();
    }
    return reason;
}

void world_send_gso(struct world *w, const struct world_eni *from, const struct packet *k,
                    uint32_t gso_size, struct outcome *ret) {
    struct __sk_buff ctx = {.ifindex = from ? from->ifindex : w->uplink, .gso_size = gso_size},
                     ctx_out;
    uint64_t before[DROP_SLOTS], after[DROP_SLOTS];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = k->data, .data_size_in = (uint32_t)k->len,
                .data_out = ret->data, .data_size_out = sizeof ret->data, .ctx_in = &ctx,
                .ctx_size_in = sizeof ctx, .ctx_out = &ctx_out, .ctx_size_out = sizeof ctx_out,
                .repeat = 1);

    must(dataplane_drops(w->dp, before));
    must(bpf_prog_test_run_opts(dataplane_prog_fd(w->dp, from ? PROG_ENI : PROG_UPLINK), &opts));
    must(dataplane_drops(w->dp, after));
    ret->action = (int)opts.retval;
    ret->reason = drop_between(before, after);
    ret->len = opts.data_size_out;
    ret->mark = ctx_out.mark;
}

void world_send(struct world *w, const struct world_eni *from, const struct packet *k,
                struct outcome *ret) {
    world_send_gso(w, from, k, 0, ret);
}

void expect_at(struct world *w, const struct world_eni *from, const struct packet *k,
               unsigned reason, struct outcome *ret, int line) {
    struct outcome out;

    world_send(w, from, k, &out);
    /* Who sends what is too big, or goes on with a connection that a NAT gateway does not know, is
     * told: the message takes the packet's place. */
    if ((out.reason == DROP_TOO_BIG || out.reason == DROP_NAT_RESET) &&
        out.action == TC_ACT_REDIRECT)
        out.action = TC_ACT_SHOT;
    if (out.reason != reason || out.action != (reason ? TC_ACT_SHOT : TC_ACT_REDIRECT))
        fail_msg("line %d: action %d, reason %s; expected %s", line, out.action,
                 drop_name(out.reason), drop_name(reason));
    if (ret)
        *ret = out;
}

static int count_flow(const void *key, const void *value, void *arg) {
    (void)key;
    (void)value;
    ++*(uint32_t *)arg;
    return 0;
}

uint32_t world_flow_entries(struct world *w) {
    uint32_t n = 0;

    must(dataplane_each(w->dp, DATAPLANE_FLOWS, count_flow, &n));
    return n;
}

int world_flow(struct world *w, const struct world_eni *from, const struct packet *k,
               struct flow_value *ret) {
    struct ip src = packet_src(k->data), dst = packet_dst(k->data);
    struct flow_key key = {.eni = from ? from->number : 0,
                           .family = src.family,
                           .proto = k->proto,
                           .src = world_abi(&src),
                           .dst = world_abi(&dst)};

    if (k->proto == IPPROTO_TCP || k->proto == IPPROTO_UDP) {
        memcpy(&key.sport, k->data + k->l4, 2);
        memcpy(&key.dport, k->data + k->l4 + 2, 2);
    } else {
        memcpy(&key.sport, k->data + k->l4 + 4, 2);
        key.dport = htons((uint16_t)(k->data[k->l4] << 8));
    }
    return dataplane_get(w->dp, DATAPLANE_FLOWS, &key, ret);
}
