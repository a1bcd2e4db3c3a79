/* SPDX-License-Identifier: Apache-2.0 */
/* network/interfaces/macs/: the interfaces of the instance, each by its MAC address. */
#include <string.h>

#include "base/text.h"
#include "model/vpc.h"
#include "services/imds_tree.h"

/* In the order of their device indexes, as DescribeInstances has them. */
static void list_macs(const struct imds_view *v, struct buf *out) {
    const struct network_interface *last = NULL, *next;
    char text[MAC_TEXT];
    struct cursor c;

    do {
        next = NULL;
        index_each_by(v->req->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, v->instance->o.id) {
            const struct network_interface *eni = c.obj;

            if ((!last || eni->device_index > last->device_index) &&
                (!next || eni->device_index < next->device_index))
                next = eni;
        }
        last = next;
        if (next) {
            imds_line(out, mac_format(next->mac, text));
            buf_addc(out, '/');
        }
    } while (next);
}

static bool enter_mac(struct imds_view *v, const char *name) {
    uint8_t mac[6];
    struct cursor c;

    if (mac_parse(name, mac) < 0)
        return false;
    index_each_by(v->req->ix, c, KIND_NETWORK_INTERFACE, ENI_BY_INSTANCE, v->instance->o.id) {
        const struct network_interface *eni = c.obj;

        if (memcmp(eni->mac, mac, sizeof(mac)) == 0)
            v->eni = eni;
    }
    if (!v->eni)
        return false;
    v->vpc = index_get(v->req->ix, KIND_VPC, v->eni->o.scope, v->eni->vpc_id);
    v->subnet = index_get(v->req->ix, KIND_SUBNET, v->eni->o.scope, v->eni->subnet_id);
    return v->vpc && v->subnet;
}

static void addresses(const struct list *l, struct buf *out) {
    char text[IP_TEXT];

    list_each (struct eni_address, a, *l)
        imds_line(out, ip_format(&a->ip, text));
}

static void prefixes(const struct list *l, struct buf *out) {
    char text[CIDR_TEXT];

    list_each (struct eni_prefix, p, *l)
        imds_line(out, cidr_format(&p->cidr, text));
}

static void blocks(const struct list *l, struct buf *out) {
    char text[CIDR_TEXT];

    list_each (struct cidr_association, a, *l)
        imds_line(out, cidr_format(&a->cidr, text));
}

static void block(const struct cidr *cidr, struct buf *out) {
    char text[CIDR_TEXT];

    buf_adds(out, cidr_format(cidr, text));
}

static void public_ips(const struct imds_view *v, struct buf *out) {
    char text[IP_TEXT];

    list_each (struct eni_address, a, v->eni->addresses)
        if (a->public_ip.family)
            imds_line(out, ip_format(&a->public_ip, text));
}

static bool enter_public_ip(struct imds_view *v, const char *name) {
    struct ip ip;

    if (ip_parse(name, &ip) < 0)
        return false;
    list_each (struct eni_address, a, v->eni->addresses)
        if (a->public_ip.family && ip_equal(&a->public_ip, &ip))
            v->public_ip = ip;
    return v->public_ip.family;
}

static bool get_association(const struct imds_view *v, struct buf *out) {
    char text[IP_TEXT];

    list_each (struct eni_address, a, v->eni->addresses)
        if (ip_equal(&a->public_ip, &v->public_ip))
            imds_line(out, ip_format(&a->ip, text));
    return true;
}

/* A leaf of the interface: it is there when the statement has added anything. */
#define VALUE(name_, statement_)                                                                   \
    static bool name_(const struct imds_view *v, struct buf *out) {                                \
        statement_;                                                                                \
        return out->len > 0;                                                                       \
    }

VALUE(get_device, buf_addf(out, "%lld", (long long)v->eni->device_index))
VALUE(get_card, buf_adds(out, "0")) /* as DescribeInstances says of every interface */
VALUE(get_eni_id, buf_adds(out, v->eni->o.id))
VALUE(get_ipv6s, addresses(&v->eni->addresses6, out))
VALUE(get_prefixes4, prefixes(&v->eni->prefixes, out))
VALUE(get_prefixes6, prefixes(&v->eni->prefixes6, out))
VALUE(get_host_name, imds_host_name(v, v->eni, out))
VALUE(get_ipv4s, addresses(&v->eni->addresses, out))
VALUE(get_owner, buf_addf(out, "%012llu", (unsigned long long)v->eni->o.scope.account))
VALUE(get_public_name, imds_public_name(v, v->eni, out))
VALUE(get_public_ips, public_ips(v, out))
VALUE(get_group_names, imds_groups(v, v->eni, true, out))
VALUE(get_group_ids, imds_groups(v, v->eni, false, out))
VALUE(get_subnet, buf_adds(out, v->eni->subnet_id))
VALUE(get_subnet4, block(&v->subnet->cidr, out))
VALUE(get_subnet6, blocks(&v->subnet->cidrs6, out))
VALUE(get_vpc, buf_adds(out, v->eni->vpc_id))
VALUE(get_vpc4, block(&v->vpc->cidr, out))
VALUE(get_vpc4s, blocks(&v->vpc->cidrs, out))
VALUE(get_vpc6s, blocks(&v->vpc->cidrs6, out))

static bool get_mac(const struct imds_view *v, struct buf *out) {
    char text[MAC_TEXT];

    buf_adds(out, mac_format(v->eni->mac, text));
    return true;
}

static const struct imds_node an_association = {"", .get = get_association};
static const struct imds_node interface[] = {
    {"device-number", .get = get_device},
    {"interface-id", .get = get_eni_id},
    {"ipv4-associations", .list = public_ips, .enter = enter_public_ip,
     .children = &an_association},
    {"ipv4-prefix", "2021-07-15", .get = get_prefixes4},
    {"ipv6-prefix", "2021-07-15", .get = get_prefixes6},
    {"ipv6s", "2016-06-30", .get = get_ipv6s},
    {"local-hostname", .get = get_host_name},
    {"local-ipv4s", .get = get_ipv4s},
    {"mac", .get = get_mac},
    {"network-card", "2020-11-01", .get = get_card},
    {"owner-id", .get = get_owner},
    {"public-hostname", .get = get_public_name},
    {"public-ipv4s", .get = get_public_ips},
    {"security-group-ids", .get = get_group_ids},
    {"security-groups", .get = get_group_names},
    {"subnet-id", .get = get_subnet},
    {"subnet-ipv4-cidr-block", .get = get_subnet4},
    {"subnet-ipv6-cidr-blocks", "2016-06-30", .get = get_subnet6},
    {"vpc-id", .get = get_vpc},
    {"vpc-ipv4-cidr-block", .get = get_vpc4},
    {"vpc-ipv4-cidr-blocks", "2016-06-30", .get = get_vpc4s},
    {"vpc-ipv6-cidr-blocks", "2016-06-30", .get = get_vpc6s},
    {NULL},
};
static const struct imds_node an_interface = {"", .children = interface};
static const struct imds_node interfaces[] = {
    {"macs", .list = list_macs, .enter = enter_mac, .children = &an_interface},
    {NULL},
};
const struct imds_node imds_network[] = {
    {"interfaces", .children = interfaces},
    {NULL},
};
