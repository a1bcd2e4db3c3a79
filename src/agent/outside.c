/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/outside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

/* The router of every subnet has this MAC: locally administered, and no interface's (those begin
 * with 02). */
static const uint8_t router_mac[6] = {0x06, 0x00, 0x00, 0x00, 0x00, 0x01};

typedef int port_fn(void *arg, uint32_t proto, uint32_t port);

static int each_port(const char *allow, port_fn *fn, void *arg, struct buf *err) {
    while (allow && *allow) {
        size_t n = strcspn(allow, ",");
        char item[32] = "";
        int64_t port;
        uint32_t proto;
        int r;

        if (n < sizeof(item))
            memcpy(item, allow, n);
        proto = strncmp(item, "tcp/", 4) == 0 ? 6 : strncmp(item, "udp/", 4) == 0 ? 17 : 0;
        if (!proto || int_parse(item + 4, 1, 65535, &port) < 0) {
            buf_addf(err, "'%.*s' is no port: tcp/8080, udp/53, ..., or all",
                     (int)(n < 64 ? n : 64), allow);
            return -EINVAL;
        }
        r = fn(arg, proto, (uint32_t)port);
        if (r < 0)
            return r;
        allow += n + (allow[n] == ',');
    }
    return 0;
}

static int ignore_port(void *arg, uint32_t proto, uint32_t port) {
    return 0;
}

int outside_check_allow(const char *allow, struct buf *err) {
    return allow && strcmp(allow, "all") == 0 ? 0 : each_port(allow, ignore_port, NULL, err);
}

static int put_port(void *arg, uint32_t proto, uint32_t port) {
    struct uplink_port_key key = {.proto = proto, .port = port};
    struct uplink_port_value value = {.allowed = 1};

    return dataplane_put(arg, DATAPLANE_UPLINK_PORTS, &key, &value);
}

static int del_port(const void *key, const void *value, void *arg) {
    return dataplane_del(arg, DATAPLANE_UPLINK_PORTS, key);
}

static void set_addr(struct abi_addr *to, const struct ip *from) {
    memcpy(to, from->b, sizeof(from->b));
}

int outside_prepare(const struct owner *owner, struct rtnl *rtnl, struct dataplane *dp,
                    const struct outside_options *o, struct uplink *ret_uplink, struct buf *err) {
    struct config_value config = {0};
    char clash[CIDR_TEXT] = "";
    uint32_t zero = 0;
    bool all = o->allow && strcmp(o->allow, "all") == 0;
    int r = uplink_ensure(owner, rtnl, &o->pool4, &o->pool6, ret_uplink, clash);

    if (r == -EADDRINUSE)
        buf_addf(err,
                 "a pool of public addresses overlaps the host's own route to %s: choose others "
                 "with --public-pool and --ipv6-pool",
                 clash);
    else if (r < 0)
        buf_addf(err, "the uplink cannot be made: %s", strerror(-r));
    if (r < 0)
        return r;
    config.flags = all ? CONFIG_HOST_OPEN : 0;
    config.uplink_ifindex = (uint32_t)ret_uplink->data_ifindex;
    memcpy(config.uplink_mac, ret_uplink->host_mac, 6);
    memcpy(config.router_mac, router_mac, 6);
    set_addr(&config.host4, &ret_uplink->host4);
    set_addr(&config.host6, &ret_uplink->host6);
    set_addr(&config.pool4, &o->pool4.ip);
    set_addr(&config.pool6, &o->pool6.ip);
    config.pool4_len = o->pool4.len;
    config.pool6_len = o->pool6.len;
    ((uint8_t *)&config.router6)[0] = ROUTER6_FIRST >> 8;
    ((uint8_t *)&config.router6)[1] = ROUTER6_FIRST & 0xff;
    ((uint8_t *)&config.router6)[15] = ROUTER6_LAST;
    r = dataplane_put(dp, DATAPLANE_CONFIG, &zero, &config);
    if (r == 0)
        r = dataplane_each(dp, DATAPLANE_UPLINK_PORTS, del_port, dp);
    if (r == 0 && !all)
        r = each_port(o->allow, put_port, dp, err);
    if (r < 0 && !err->len)
        buf_addf(err, "the data plane cannot be told of the uplink: %s", strerror(-r));
    return r;
}

struct asked {
    uint32_t proto, port;
};

static int is_port(void *arg, uint32_t proto, uint32_t port) {
    const struct asked *a = arg;

    return a->proto == proto && a->port == port ? -EEXIST : 0;
}

static bool allows(void *data, uint8_t protocol, uint16_t port) {
    const struct outside_options *o = data;
    struct asked a = {protocol, port};
    _buf_ struct buf err = BUF_INIT;

    return each_port(o->allow, is_port, &a, &err) == -EEXIST;
}

void outside_oracle(const struct outside_options *o, const struct uplink *uplink,
                    struct oracle_host *ret_host) {
    *ret_host = (struct oracle_host){.uplink = true,
                                     .services = true,
                                     .address4 = uplink->host4,
                                     .address6 = uplink->host6,
                                     .pool4 = o->pool4,
                                     .pool6 = o->pool6,
                                     .open = o->allow && strcmp(o->allow, "all") == 0,
                                     .allows = allows,
                                     .data = (void *)(uintptr_t)o};
}

int outside_open(struct rtnl *rtnl, struct dataplane *dp, const struct uplink *uplink) {
    int r = dataplane_attach_uplink(dp, (uint32_t)uplink->data_ifindex);

    return r < 0 ? r : uplink_open(rtnl, uplink);
}
