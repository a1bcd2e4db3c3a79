/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stubs on devices: tc ingress calls the hook's program, tc egress the guard. A stub that is there
 * already is replaced by the same, in one step.
 *
 * Order: an ENI is in `links` and `ports` only once the stubs are in place, and leaves them first.
 * Flows that others cached towards it hold its device's number, so the VPC's path is published
 * again whenever that changes.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

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

static int attach(uint32_t ifindex, enum bpf_tc_attach_point point, struct bpf_program *prog) {
    LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
                .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
    LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .flags = BPF_TC_F_REPLACE,
                .prog_fd = bpf_program__fd(prog));
    int r = bpf_tc_hook_create(&hook);

    if (r < 0 && r != -EEXIST)
        return r;
    hook.attach_point = point;
    return bpf_tc_attach(&hook, &opts);
}

static int attach_quiet(uint32_t ifindex, enum bpf_tc_attach_point point,
                        struct bpf_program *prog) {
    libbpf_print_fn_t before = libbpf_set_print(NULL); /* it reports -EEXIST to stderr */
    int r = attach(ifindex, point, prog);

    libbpf_set_print(before);
    return r;
}

/* Unless the device is another ENI's by now. */
static int port_forget(struct dataplane *dp, uint32_t ifindex, uint32_t eni) {
    struct port_key key = {.ifindex = ifindex};
    struct port_value port;

    if (dataplane_get(dp, DATAPLANE_PORTS, &key, &port) < 0 || port.eni != eni)
        return 0;
    return dataplane_del(dp, DATAPLANE_PORTS, &key);
}

int dataplane_attach_eni(struct dataplane *dp, const struct dataplane_port *port) {
    struct port_key port_key = {.ifindex = port->ifindex};
    struct port_value port_value = {.eni = port->eni, .vpc = port->vpc};
    struct link_key link_key = {.eni = port->eni};
    struct link_value link_value = {.ifindex = port->ifindex, .kind = port->kind}, link_was;
    struct eni_key eni_key = {.eni = port->eni};
    struct eni_stats_value stats = {0};
    struct service_stats_value service = {0};
    int r;

    memcpy(port_value.mac, port->mac, 6);
    if (bpf_map_update_elem(dp->fds[DATAPLANE_SERVICE_STATS], &eni_key, &service, BPF_NOEXIST) <
            0 &&
        errno != EEXIST)
        return errno == E2BIG ? -ENOSPC : -errno;
    if (bpf_map_update_elem(dp->fds[DATAPLANE_ENI_STATS], &eni_key, &stats, BPF_NOEXIST) < 0 &&
        errno != EEXIST)
        return errno == E2BIG ? -ENOSPC : -errno;
    r = attach_quiet(port->ifindex, BPF_TC_EGRESS, dp->skel->progs.stub_guard);
    if (r == 0)
        r = attach_quiet(port->ifindex, BPF_TC_INGRESS, dp->skel->progs.stub_eni);
    if (r == 0 && dataplane_get(dp, DATAPLANE_LINKS, &link_key, &link_was) == 0 &&
        memcmp(&link_was, &link_value, sizeof link_was) == 0)
        return dataplane_put(dp, DATAPLANE_PORTS, &port_key, &port_value); /* as it was */
    /* The ENI's former device, if it had one, is its port no more. */
    if (r == 0 && dataplane_get(dp, DATAPLANE_LINKS, &link_key, &link_was) == 0)
        r = port_forget(dp, link_was.ifindex, port->eni);
    if (r == 0)
        r = dataplane_put(dp, DATAPLANE_LINKS, &link_key, &link_value);
    if (r == 0)
        r = dataplane_put(dp, DATAPLANE_PORTS, &port_key, &port_value);
    if (r == 0)
        r = dataplane_publish(dp, port->vpc, DATAPLANE_GEN_NET);
    return r;
}

int dataplane_detach_eni(struct dataplane *dp, uint32_t eni) {
    struct link_key link_key = {.eni = eni};
    struct eni_key eni_key = {.eni = eni};
    struct port_key port_key;
    struct port_value port = {0};
    struct link_value link;
    int r = dataplane_get(dp, DATAPLANE_LINKS, &link_key, &link);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    port_key.ifindex = link.ifindex;
    (void)dataplane_get(dp, DATAPLANE_PORTS, &port_key, &port);
    r = port_forget(dp, link.ifindex, eni);
    if (r == 0)
        r = dataplane_del(dp, DATAPLANE_LINKS, &link_key);
    if (r == 0 && port.eni == eni)
        r = dataplane_publish(dp, port.vpc, DATAPLANE_GEN_NET);
    if (r == 0)
        r = dataplane_del(dp, DATAPLANE_ENI_STATS, &eni_key);
    if (r == 0)
        r = dataplane_del(dp, DATAPLANE_SERVICE_STATS, &eni_key);
    return r;
}

int dataplane_attach_uplink(struct dataplane *dp, uint32_t ifindex) {
    int r = attach_quiet(ifindex, BPF_TC_EGRESS, dp->skel->progs.stub_guard);

    return r < 0 ? r : attach_quiet(ifindex, BPF_TC_INGRESS, dp->skel->progs.stub_uplink);
}

int dataplane_attach_services(struct dataplane *dp, uint32_t ifindex) {
    int r = attach_quiet(ifindex, BPF_TC_EGRESS, dp->skel->progs.stub_guard);

    return r < 0 ? r : attach_quiet(ifindex, BPF_TC_INGRESS, dp->skel->progs.stub_services);
}
