/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading, switching, leaving.
 *
 * Each open loads this build's programs anew; they use the pinned maps where those exist and make
 * and pin the others. Devices carry stubs that call into the pinned array `progs`; activate writes
 * our programs there, one update a hook, and from then on the array (not this process) holds them.
 * An update is atomic: a packet meets the old program or the new one, and both use the same maps;
 * between two updates, one hook is new and another old, which is fine for the same reason.
 * The array's entries go when its last user reference goes: the pin is that reference.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>

#include "base/cleanup.h"
#include "dataplane/private.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wcast-align"
#if FLOW_LAYOUT == 2
#include "vpcd_layout2.skel.h"
#else
#include "vpcd_layout3.skel.h"
#endif
#pragma GCC diagnostic pop

const struct dataplane_map_row dataplane_maps[DATAPLANE_MAPS] = {
    [DATAPLANE_PORTS] = {"ports", MAPS_LAYOUT, sizeof(struct port_key), sizeof(struct port_value)},
    [DATAPLANE_LINKS] = {"links", MAPS_LAYOUT, sizeof(struct link_key), sizeof(struct link_value)},
    [DATAPLANE_VPCS] = {"vpcs", MAPS_LAYOUT, sizeof(struct vpc_key), sizeof(struct vpc_value)},
    [DATAPLANE_ENIS] = {"enis", MAPS_LAYOUT, sizeof(struct eni_key), sizeof(struct eni_value)},
    [DATAPLANE_SUBNETS] = {"subnets", MAPS_LAYOUT, sizeof(struct subnet_key),
                           sizeof(struct subnet_value)},
    [DATAPLANE_EDGES] = {"edges", EDGE_LAYOUT, sizeof(struct subnet_key),
                         sizeof(struct edge_value)},
    [DATAPLANE_ROUTES] = {"routes", MAPS_LAYOUT, sizeof(struct route_key),
                          sizeof(struct route_value)},
    [DATAPLANE_ADDRS] = {"addrs", MAPS_LAYOUT, sizeof(struct addr_key), sizeof(struct addr_value)},
    [DATAPLANE_PUBLICS] = {"publics", MAPS_LAYOUT, sizeof(struct public_key),
                           sizeof(struct public_value)},
    [DATAPLANE_NATS] = {"nats", NAT_LAYOUT, sizeof(struct nat_key), sizeof(struct nat_value)},
    [DATAPLANE_NAT_SOURCES] = {"nat_sources", NAT_LAYOUT, sizeof(struct nat_source_key),
                               sizeof(struct nat_source_value)},
    [DATAPLANE_NAT_ADDRS] = {"nat_addrs", NAT_LAYOUT, sizeof(struct addr_key),
                             sizeof(struct nat_addr_value)},
    [DATAPLANE_NAT_COUNTS] = {"nat_counts", NAT_LAYOUT, sizeof(struct flow_key),
                              sizeof(struct nat_count_value)},
    [DATAPLANE_EGRESS_GATEWAYS] = {"egress_gateways", NAT_LAYOUT, sizeof(struct vpc_key),
                                   sizeof(struct egress_gateway_value)},
    [DATAPLANE_RESOLVERS] = {"resolvers", SERVICE_LAYOUT, sizeof(struct subnet_key),
                             sizeof(struct resolver_value)},
    [DATAPLANE_SERVICE_CONFIG] = {"service_config", SERVICE_LAYOUT, sizeof(uint32_t),
                                  sizeof(struct service_config_value)},
    [DATAPLANE_SERVICE_STATS] = {"service_stats", SERVICE_LAYOUT, sizeof(struct eni_key),
                                 sizeof(struct service_stats_value)},
    [DATAPLANE_RULE_TABLES] = {"rule_tables", RULE_LAYOUT, sizeof(struct rule_table_key),
                               sizeof(struct rule_table_value)},
    [DATAPLANE_RULE_ADDRS] = {"rule_addrs", RULE_LAYOUT, sizeof(struct rule_addr_key),
                              sizeof(struct rule_bits)},
    [DATAPLANE_RULE_PORTS] = {"rule_ports", RULE_LAYOUT, sizeof(struct rule_port_key),
                              sizeof(struct rule_bits)},
    [DATAPLANE_RULE_SETS] = {"rule_sets", RULE_LAYOUT, sizeof(struct rule_set_key),
                             sizeof(struct rule_bits)},
    [DATAPLANE_ACL_ADDRS] = {"acl_addrs", ACL_LAYOUT, sizeof(struct rule_addr_key),
                             sizeof(struct acl_addr_value)},
    [DATAPLANE_ACL_PORTS] = {"acl_ports", ACL_LAYOUT, sizeof(struct rule_port_key),
                             sizeof(struct acl_port_value)},
    [DATAPLANE_UPLINK_PORTS] = {"uplink_ports", MAPS_LAYOUT, sizeof(struct uplink_port_key),
                                sizeof(struct uplink_port_value)},
    [DATAPLANE_HOST_NETS] = {"host_nets", MAPS_LAYOUT, sizeof(struct host_net_key),
                             sizeof(struct host_net_value)},
    [DATAPLANE_NUMBERS] = {"numbers", MAPS_LAYOUT, sizeof(struct number_key),
                           sizeof(struct number_value)},
    [DATAPLANE_CONFIG] = {"config", MAPS_LAYOUT, sizeof(uint32_t), sizeof(struct config_value)},
    [DATAPLANE_ENI_STATS] = {"eni_stats", STATS_LAYOUT, sizeof(struct eni_key),
                             sizeof(struct eni_stats_value)},
    [DATAPLANE_FLOWS] = {"flows", FLOW_LAYOUT, sizeof(struct flow_key), sizeof(struct flow_value)},
    [DATAPLANE_RINGS] = {"rings", MAPS_LAYOUT, sizeof(struct ring_key), sizeof(struct ring_value)},
    [DATAPLANE_FRAGMENTS] = {"fragments", FRAGMENT_LAYOUT, sizeof(struct fragment_key),
                             sizeof(struct fragment_value)},
    [DATAPLANE_FLOW_TOTAL] = {"flow_total", FLOW_LAYOUT, sizeof(uint32_t),
                              sizeof(struct flow_total_value)},
    /* These two keep their form for ever: stubs of any age count and call through them. */
    [DATAPLANE_DROPS] = {"drops", 1, sizeof(uint32_t), sizeof(uint64_t)},
    [DATAPLANE_DROP_EVENTS] = {"drop_events", EVENT_LAYOUT, 0, 0},
    [DATAPLANE_PROGS] = {"progs", 1, sizeof(uint32_t), sizeof(uint32_t)},
    [DATAPLANE_LOG_STATE] = {"log_state", LOG_LAYOUT, sizeof(uint32_t), sizeof(struct log_state),
                             ".data.log"},
    [DATAPLANE_LOG_KEYS] = {"log_keys", LOG_LAYOUT, 0, 0},
    [DATAPLANE_LOG_RECORDS] = {"log_records", LOG_LAYOUT, 0, 0},
    [DATAPLANE_LOG_ENIS] = {"log_enis", LOG_LAYOUT, sizeof(uint32_t), sizeof(struct log_eni_value)},
    [DATAPLANE_LOG_PACKETS] = {"log_packets", LOG_LAYOUT, sizeof(struct log_packets_key),
                               sizeof(struct log_packets_value)},
    [DATAPLANE_LOG_BATCH] = {"log_batch", LOG_LAYOUT, sizeof(uint32_t),
                             sizeof(struct log_batch_value)},
};

/* libbpf's own words, kept for the error text while we load. */
static struct buf *libbpf_words;

static int libbpf_say(enum libbpf_print_level level, const char *format, va_list args) {
    char *text;
    int n;

    if (level != LIBBPF_WARN || !libbpf_words)
        return 0;
    n = vasprintf(&text, format, args);
    if (n < 0)
        return 0;
    buf_adds(libbpf_words, text);
    free(text);
    return n;
}

/* Why loading failed, as far as the error number and libbpf tell. -EACCES is the verifier's. */
static int explain(int error, const struct buf *words, struct buf *err) {
    const char *tail = buf_str(words);
    size_t len = strlen(tail), shown = 3000;

    if (error == -EPERM)
        buf_adds(err, "no right to load BPF programs (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, or "
                      "root). In a container: docker run --cap-add BPF --cap-add NET_ADMIN "
                      "--cap-add SYS_ADMIN --cap-add PERFMON -v /sys/fs/bpf:/sys/fs/bpf, or "
                      "--privileged.");
    else
        buf_addf(err, "cannot load the packet path (kernel 6.1 or later is needed): %s",
                 strerror(-error));
    if (len)
        buf_addf(err, "\n%s", len > shown ? tail + len - shown : tail);
    return error;
}

/* A table of flows that is there already keeps its size, whatever this build would give it. */
static int keep_size(struct bpf_map *map, const char *path) {
    struct bpf_map_info info = {0};
    uint32_t len = sizeof info;
    int fd = bpf_obj_get(path), r;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    r = bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ? -errno : 0;
    close(fd);
    return r < 0 ? r : bpf_map__set_max_entries(map, info.max_entries);
}

/* Every map of the table is pinned, and taken over where it is pinned already. The maps are looked
 * up here and not after loading: libbpf gives a map that was taken over the name it had when it was
 * made, and then `flows_before` is called `flows`, too. */
static int set_pins(const char *pin_dir, struct vpcd_bpf *skel,
                    struct bpf_map *ret_maps[DATAPLANE_MAPS]) {
    char path[PIN_PATH];
    int r;

    for (int i = 0; i < DATAPLANE_MAPS; i++) {
        const struct dataplane_map_row *row = &dataplane_maps[i];
        struct bpf_map *map =
            bpf_object__find_map_by_name(skel->obj, row->section ? row->section : row->name);

        r = pin_path(pin_dir, row->name, row->layout, path);
        if (r < 0)
            return r;
        if (!map || bpf_map__key_size(map) != row->key_size ||
            bpf_map__value_size(map) != row->value_size)
            return -EINVAL;
        r = i == DATAPLANE_FLOWS ? keep_size(map, path) : 0;
        if (r == 0)
            r = bpf_map__set_pin_path(map, path);
        if (r < 0)
            return r;
        ret_maps[i] = map;
    }
    /* The older table is taken over where there is one; else an empty map stands in for it. */
    r = pin_path(pin_dir, "flows", FLOW_LAYOUT - 1, path);
    if (r < 0)
        return r;
    if (access(path, F_OK) == 0) {
        r = keep_size(skel->maps.flows_before, path);
        return r < 0 ? r : bpf_map__set_pin_path(skel->maps.flows_before, path);
    }
    return bpf_map__set_max_entries(skel->maps.flows_before, 1);
}

/* Tells the programs how many flows there may be. */
static int tell_limit(struct dataplane *dp, const struct bpf_map *flows) {
    struct flow_total_value total;
    uint32_t zero = 0;
    int r = dataplane_get(dp, DATAPLANE_FLOW_TOTAL, &zero, &total);

    if (r < 0 || total.limit == bpf_map__max_entries(flows))
        return r;
    total.limit = bpf_map__max_entries(flows);
    return dataplane_put(dp, DATAPLANE_FLOW_TOTAL, &zero, &total);
}

/* The programs as this kernel can take them, not loaded yet; NULL and errno. */
static struct vpcd_bpf *open_programs(void) {
    struct vpcd_bpf *skel = vpcd_bpf__open();
    struct btf *kernel;

    if (!skel)
        return NULL;
    kernel = btf__load_vmlinux_btf();
    skel->rodata->has_kern_ctx =
        kernel && btf__find_by_name_kind(kernel, "bpf_cast_to_kern_ctx", BTF_KIND_FUNC) > 0;
    btf__free(kernel);
    return skel;
}

static int load(struct dataplane *dp) {
    struct bpf_map *maps[DATAPLANE_MAPS];
    int r;

    dp->skel = open_programs();
    if (!dp->skel)
        return -errno;
    r = set_pins(dp->pin_dir, dp->skel, maps);
    if (r < 0)
        return r;
    r = vpcd_bpf__load(dp->skel);
    if (r < 0)
        return r;
    for (int i = 0; i < DATAPLANE_MAPS; i++)
        dp->fds[i] = bpf_map__fd(maps[i]);
    return tell_limit(dp, maps[DATAPLANE_FLOWS]);
}

int dataplane_open(const char *pin_dir, struct dataplane **ret_dp, struct buf *err) {
    _buf_ struct buf words = BUF_LIMIT(32 << 20);
    struct dataplane *dp;
    libbpf_print_fn_t before;
    int r;

    r = pin_dir_make(pin_dir, err);
    if (r < 0)
        return r;
    dp = calloc(1, sizeof *dp);
    if (!dp || !(dp->pin_dir = strdup(pin_dir))) {
        dataplane_close(dp);
        return -ENOMEM;
    }
    libbpf_words = &words;
    before = libbpf_set_print(libbpf_say);
    r = load(dp);
    libbpf_set_print(before);
    libbpf_words = NULL;
    if (r < 0) {
        dataplane_close(dp);
        return explain(r, &words, err);
    }
    *ret_dp = dp;
    return 0;
}

void dataplane_close(struct dataplane *dp) {
    if (!dp)
        return;
    vpcd_bpf__destroy(dp->dry);
    vpcd_bpf__destroy(dp->skel);
    free(dp->pin_dir);
    free(dp);
}

int dataplane_prog_fd(struct dataplane *dp, enum prog_index index) {
    switch (index) {
    case PROG_ENI:
        return bpf_program__fd(dp->skel->progs.eni);
    case PROG_UPLINK:
        return bpf_program__fd(dp->skel->progs.uplink);
    case PROG_SERVICES:
        return bpf_program__fd(dp->skel->progs.services);
    case PROG_GUARD:
        return bpf_program__fd(dp->skel->progs.guard);
    default:
        return -EINVAL;
    }
}

int dataplane_map_fd(struct dataplane *dp, enum dataplane_map map) {
    return dp->fds[map];
}

int run_walk(int prog, uint32_t ret[2]) {
    uint8_t packet[64] = {0}, out[sizeof packet];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof packet,
                .data_out = out, .data_size_out = sizeof out, .repeat = 1);
    int r = bpf_prog_test_run_opts(prog, &opts);

    if (r < 0)
        return r;
    memcpy(ret, out, 2 * sizeof *ret);
    return 0;
}

int dataplane_activate(struct dataplane *dp) {
    static const enum prog_index hooks[] = {PROG_GUARD, PROG_SERVICES, PROG_ENI, PROG_UPLINK};
    uint32_t nothing[2];
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
        uint32_t key = hooks[i];
        int fd = dataplane_prog_fd(dp, hooks[i]);
        if (bpf_map_update_elem(dp->fds[DATAPLANE_PROGS], &key, &fd, BPF_ANY) < 0)
            return -errno;
    }
    r = run_walk(bpf_program__fd(dp->skel->progs.flow_migrate_all), nothing);
    return r < 0 ? r : pin_dir_clean(dp->pin_dir);
}

int dataplane_sweep(struct dataplane *dp, uint32_t *ret_deleted, uint32_t *ret_live) {
    uint32_t result[2];
    int r = run_walk(bpf_program__fd(dp->skel->progs.flow_sweep), result);

    if (r < 0)
        return r;
    *ret_deleted = result[0];
    *ret_live = result[1];
    return 0;
}

struct log_state *dataplane_log_state(struct dataplane *dp) {
    return &dp->skel->data_log->log_state;
}

int dataplane_log_tell(struct dataplane *dp, uint32_t *ret_done) {
    uint32_t result[2];
    int r = run_walk(bpf_program__fd(dp->skel->progs.flow_log_tell), result);

    if (r == 0)
        *ret_done = result[0];
    return r;
}

int dataplane_log_lost(struct dataplane *dp) {
    uint32_t nothing[2];

    return run_walk(bpf_program__fd(dp->skel->progs.flow_log_lost), nothing);
}

/* The same object again, on the same maps, as a dry run; its own are those that are not pinned. */
static int load_dry(struct dataplane *dp) {
    struct bpf_map *maps[DATAPLANE_MAPS];
    struct vpcd_bpf *skel = open_programs();
    struct bpf_program *prog;
    int r;

    if (!skel)
        return -errno;
    skel->rodata->dry_run = 1;
    bpf_object__for_each_program(prog, skel->obj) {
        bpf_program__set_autoload(prog, prog == skel->progs.eni || prog == skel->progs.uplink);
    }
    r = set_pins(dp->pin_dir, skel, maps);
    if (r == 0)
        r = vpcd_bpf__load(skel);
    if (r < 0) {
        vpcd_bpf__destroy(skel);
        return r;
    }
    dp->dry = skel;
    return 0;
}

int dataplane_try(struct dataplane *dp, uint32_t ifindex, const void *frame, size_t len,
                  struct dataplane_outcome *ret) {
    struct __sk_buff ctx = {.ifindex = ifindex};
    uint8_t out[4096];
    LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = (uint32_t)len,
                .data_out = out, .data_size_out = sizeof out, .ctx_in = &ctx,
                .ctx_size_in = sizeof ctx, .repeat = 1);
    struct port_key port = {.ifindex = ifindex};
    struct port_value value;
    bool from_eni = dataplane_get(dp, DATAPLANE_PORTS, &port, &value) == 0;
    const struct bpf_program *prog;
    int r = dp->dry ? 0 : load_dry(dp);

    if (r < 0)
        return r;
    prog = from_eni ? dp->dry->progs.eni : dp->dry->progs.uplink;
    memset(&dp->dry->bss->dry_result, 0, sizeof dp->dry->bss->dry_result);
    r = bpf_prog_test_run_opts(bpf_program__fd(prog), &opts);
    if (r < 0)
        return r;
    *ret = (struct dataplane_outcome){
        .accepted = opts.retval == TC_ACT_REDIRECT,
        .reason = dp->dry->bss->dry_result.reason,
        .verdict = dp->dry->bss->dry_result.verdict,
        .service = dp->dry->bss->dry_result.service,
    };
    return 0;
}
