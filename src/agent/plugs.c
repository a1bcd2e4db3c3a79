/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/plugs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "model/vpc.h"

static struct plug *plug_new(struct plugs *p, const char *eni_id) {
    struct plug *plug = calloc(1, sizeof(*plug));

    if (plug) {
        snprintf(plug->eni_id, sizeof(plug->eni_id), "%s", eni_id);
        HASH_ADD_STR(p->all, eni_id, plug);
    }
    return plug;
}

static void plug_free(struct plugs *p, struct plug *plug) {
    HASH_DEL(p->all, plug);
    free(plug->addrs);
    free(plug);
}

/* One of a former agent, which perhaps ran with another --tap-user. */
static void found_tap(const struct plugs *p, const struct link_info *link) {
    int r = tap_set_user(link->name, p->tap_user);

    if (r < 0)
        log_warn("%s keeps the user who may open it: %s", link->name,
                 r == -EBUSY ? "a virtual machine has it open" : strerror(-r));
}

int plugs_open(struct plugs *p, const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
               uid_t tap_user) {
    _free_ struct link_info *links = NULL;
    size_t n = 0;
    int r;

    *p = (struct plugs){.owner = owner, .rtnl = rtnl, .dp = dp, .tap_user = tap_user};
    r = owner_list(owner, rtnl, &links, &n);
    for (size_t i = 0; r == 0 && i < n; i++) {
        const char *what = owner_what(owner, &links[i]);
        struct plug *plug;

        if (!what || strncmp(what, "eni-", 4) != 0)
            continue;
        plug = plug_new(p, what);
        if (!plug)
            return -ENOMEM;
        plug->ifindex = links[i].ifindex;
        plug->kind = strcmp(links[i].kind, "tun") == 0 ? LINK_TAP : LINK_VETH;
        if (plug->kind == LINK_TAP)
            found_tap(p, &links[i]);
        r = dataplane_number(dp, NUMBER_ENI, what, &plug->number);
    }
    return r;
}

void plugs_close(struct plugs *p) {
    struct plug *plug, *next;

    HASH_ITER (hh, p->all, plug, next) {
        plug_free(p, plug);
    }
}

struct plug *plug_find(struct plugs *p, const char *eni_id) {
    struct plug *plug;

    HASH_FIND_STR(p->all, eni_id, plug);
    return plug;
}

struct plug *plug_find_ifindex(struct plugs *p, int ifindex) {
    struct plug *plug, *next;

    HASH_ITER (hh, p->all, plug, next) {
        if (plug->ifindex == ifindex)
            return plug;
    }
    return NULL;
}

static void tell(struct plugs *p, const struct plug *plug, const struct network_interface *eni) {
    if (p->told)
        p->told(p->told_arg, plug, eni);
}

void plug_lost(struct plugs *p, struct plug *plug) {
    tell(p, plug, NULL);
    dataplane_detach_eni(p->dp, plug->number);
    plug_free(p, plug);
}

void plug_remove(struct plugs *p, struct plug *plug) {
    tell(p, plug, NULL);
    dataplane_detach_eni(p->dp, plug->number);
    eni_unplug(p->rtnl, plug->ifindex);
    plug_free(p, plug);
}

/* What the instance shall have of addresses; the caller frees them. */
static int wanted(const struct index *ix, const struct network_interface *eni,
                  struct plug_address **ret, size_t *ret_n) {
    const struct subnet *s = index_get(ix, KIND_SUBNET, eni->o.scope, eni->subnet_id);
    size_t n = (size_t)eni->addresses.n + eni->addresses6.n, i = 0;
    struct plug_address *addrs = s ? calloc(n + 1, sizeof(*addrs)) : NULL;

    if (!s)
        return -ENOENT;
    if (!addrs)
        return -ENOMEM;
    list_each (struct eni_address, a, eni->addresses)
        addrs[i++] = (struct plug_address){.ip = a->ip, .subnet_len = s->cidr.len};
    list_each (struct eni_address, a, eni->addresses6)
        addrs[i++] = (struct plug_address){.ip = a->ip, .subnet_len = 64};
    *ret = addrs;
    *ret_n = n;
    return 0;
}

static bool same_addrs(const struct plug *plug, const struct plug_address *addrs, size_t n) {
    if (plug->n_addrs != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!ip_equal(&plug->addrs[i].ip, &addrs[i].ip) ||
            plug->addrs[i].subnet_len != addrs[i].subnet_len)
            return false;
    return true;
}

static int attach(struct plugs *p, const struct plug *plug, const struct network_interface *eni) {
    struct dataplane_port port = {
        .ifindex = (uint32_t)plug->ifindex, .kind = plug->kind, .eni = plug->number};
    int r = dataplane_number(p->dp, NUMBER_VPC, eni->vpc_id, &port.vpc);

    memcpy(port.mac, eni->mac, 6);
    if (r == 0)
        r = dataplane_attach_eni(p->dp, &port);
    return r < 0 ? r : eni_open(p->rtnl, plug->ifindex);
}

int plug_close(struct plugs *p, struct plug *plug) {
    int r;

    if (plug->closed)
        return 0;
    plug->fresh = false;
    r = dataplane_detach_eni(p->dp, plug->number);
    if (r == 0)
        r = link_set_up(p->rtnl, plug->ifindex, false);
    plug->closed = r == 0;
    return r;
}

static int make_device(const struct plugs *p, struct plug *plug, const struct plug_spec *spec,
                       int netns_fd) {
    const struct tap_spec tap = {.id = spec->id, .mtu = ENI_MTU, .user = p->tap_user};

    if (plug->kind == LINK_TAP)
        return tap_make(p->owner, p->rtnl, &tap, &plug->ifindex);
    return eni_plug(p->owner, p->rtnl, netns_fd, spec, &plug->ifindex);
}

int plug_ensure(struct plugs *p, const struct index *ix, const struct network_interface *eni,
                int netns_fd) {
    struct plug *plug = plug_find(p, eni->o.id);
    _free_ struct plug_address *addrs = NULL;
    struct plug_spec spec = {.id = eni->o.id, .device = (unsigned)eni->device_index};
    enum link_kind kind = netns_fd < 0 ? LINK_TAP : LINK_VETH;
    size_t n;
    int r = wanted(ix, eni, &addrs, &n);

    if (r < 0)
        return r;
    /* It moved to another instance: the device in the former one goes. */
    if (plug && (plug->kind != kind ||
                 (*plug->instance_id && strcmp(plug->instance_id, eni->instance_id) != 0))) {
        plug_remove(p, plug);
        plug = NULL;
    }
    memcpy(spec.mac, eni->mac, 6);
    spec.addrs = addrs;
    spec.n_addrs = n;
    if (!plug) {
        r = dataplane_number(p->dp, NUMBER_ENI, eni->o.id, &spec.number);
        plug = r == 0 ? plug_new(p, eni->o.id) : NULL;
        if (!plug)
            return r < 0 ? r : -ENOMEM;
        plug->number = spec.number;
        plug->kind = kind;
        r = make_device(p, plug, &spec, netns_fd);
        if (r < 0) {
            plug_free(p, plug);
            return r;
        }
    } else if (kind == LINK_VETH && !same_addrs(plug, addrs, n)) {
        spec.number = plug->number;
        r = eni_readdress(p->rtnl, plug->ifindex, netns_fd, plug->addrs, plug->n_addrs, &spec);
        if (r < 0)
            return r;
    }
    snprintf(plug->instance_id, sizeof(plug->instance_id), "%s", eni->instance_id);
    free(plug->addrs);
    plug->addrs = TAKE_PTR(addrs);
    plug->n_addrs = n;
    if (!plug->fresh) {
        tell(p, plug, eni);
        r = attach(p, plug, eni);
        plug->fresh = r == 0;
        plug->closed &= r != 0;
    }
    return r;
}
