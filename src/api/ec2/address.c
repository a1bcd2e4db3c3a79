/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic IPs: allocations of public addresses, and their associations with private ones. */
#include <string.h>

#include "api/ec2/eni.h"

/* Finds the caller's allocation by its id or by its address, whichever is given. */
static const struct address *find_address(struct call *c, const char *allocation_id,
                                          const struct ip *public_ip) {
    char text[IP_TEXT];
    struct cursor cur;

    if (allocation_id && public_ip->family) {
        call_error(c, "InvalidParameterCombination",
                   "You may specify public IP or allocation id, but not both in the same call");
        return NULL;
    }
    if (allocation_id)
        return call_get(c, KIND_ADDRESS, allocation_id);
    if (!public_ip->family) {
        call_error(c, "MissingParameter", "Either public IP or allocation id must be specified");
        return NULL;
    }
    index_each_in(c->ix, cur, KIND_ADDRESS, c->scope) {
        if (ip_equal(&((const struct address *)cur.obj)->public_ip, public_ip)) {
            txn_depend(c->txn, cur.obj);
            return cur.obj;
        }
    }
    call_error(c, "InvalidAddress.NotFound", "Address '%s' not found.", ip_format(public_ip, text));
    return NULL;
}

static int check_border_group(struct call *c, const char *group) {
    if (group && strcmp(group, region_name(c->scope.region)) != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter networkBorderGroup is invalid. There is one "
                          "for the region: %s.",
                          group, region_name(c->scope.region));
    return 0;
}

struct allocate {
    char *domain;
    struct ip address;
    char *pool, *border_group, *own_pool, *ipam_pool;
    struct list tag_specifications;
};
static const struct field allocate_fields[] = {
    FIELD(0, FT_STR, struct allocate, domain, "Domain"),
    FIELD(0, FT_IP, struct allocate, address, "Address"),
    FIELD(0, FT_STR, struct allocate, pool, "PublicIpv4Pool"),
    FIELD(0, FT_STR, struct allocate, border_group, "NetworkBorderGroup"),
    FIELD(0, FT_STR, struct allocate, own_pool, "CustomerOwnedIpv4Pool"),
    FIELD(0, FT_STR, struct allocate, ipam_pool, "IpamPoolId"),
    TAG_SPECIFICATIONS(struct allocate),
};
static const struct desc allocate_desc = DESC("AllocateAddress", struct allocate, allocate_fields);

int addresses_check_max(struct call *c) {
    struct cursor cur;
    size_t count = 0;

    index_each_in(c->ix, cur, KIND_ADDRESS, c->scope) count++;
    if (count >= ADDRESSES_MAX)
        return call_error(c, "AddressLimitExceeded",
                          "The maximum number of addresses has been reached.");
    return 0;
}

static int check_allocate(struct call *c, const struct allocate *p) {
    static const enum kind taggable[] = {KIND_ADDRESS};

    if (p->domain && strcmp(p->domain, "vpc") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter domain is invalid. Only 'vpc' is offered.",
                          p->domain);
    if (p->pool && strcmp(p->pool, "amazon") != 0)
        return call_error(c, "InvalidPublicIpv4PoolID.NotFound",
                          "The pool ID '%.64s' does not exist.", p->pool);
    if (p->own_pool)
        return call_error(c, "UnsupportedOperation",
                          "Pools of customer-owned addresses are not offered.");
    if (p->ipam_pool)
        return call_error(c, "InvalidIpamPoolId.NotFound",
                          "The ipam-pool ID '%.64s' does not exist", p->ipam_pool);
    if (check_border_group(c, p->border_group) < 0 || addresses_check_max(c) < 0)
        return -1;
    return call_tags_check(c, &p->tag_specifications, taggable, 1);
}

static int allocate_address(struct call *c, const void *params) {
    const struct allocate *p = params;
    struct address *a;
    char text[IP_TEXT];

    if (check_allocate(c, p) < 0)
        return -1;
    a = call_new(c, KIND_ADDRESS);
    if (!a || call_tags(c, &p->tag_specifications, a) < 0)
        return a ? -1 : call_no_memory(c);
    if (!p->address.family) {
        if (public_ip_allocate(c, a->o.id, &a->public_ip) < 0)
            return -1;
    } else if (public_ip_take(c) < 0) {
        return -1;
    } else if (!public_ip_usable(&api_config(c->api)->public_pool, &p->address) ||
               !public_ip_claim(c, &p->address, a->o.id)) {
        return call_error(c, "InvalidAddress.NotFound", "Address '%s' not found.",
                          ip_format(&p->address, text));
    } else {
        a->public_ip = p->address;
    }
    txn_put(c->txn, a);
    xml_text(&c->xml, "publicIp", ip_format(&a->public_ip, text));
    xml_text(&c->xml, "allocationId", a->o.id);
    xml_text(&c->xml, "publicIpv4Pool", "amazon");
    xml_text(&c->xml, "networkBorderGroup", region_name(c->scope.region));
    xml_text(&c->xml, "domain", "vpc");
    return 0;
}

struct release {
    char *allocation_id;
    struct ip public_ip;
    char *border_group;
};
static const struct field release_fields[] = {
    FIELD(0, FT_STR, struct release, allocation_id, "AllocationId"),
    FIELD(0, FT_IP, struct release, public_ip, "PublicIp"),
    FIELD(0, FT_STR, struct release, border_group, "NetworkBorderGroup"),
};
static const struct desc release_desc = DESC("ReleaseAddress", struct release, release_fields);

static int release_address(struct call *c, const void *params) {
    const struct release *p = params;
    const struct address *a = find_address(c, p->allocation_id, &p->public_ip);
    char text[IP_TEXT];

    if (!a || check_border_group(c, p->border_group) < 0)
        return -1;
    if (a->association_id)
        return call_error(c, "InvalidIPAddress.InUse", "Address %s is in use.",
                          ip_format(&a->public_ip, text));
    address_transfer_drop(c, a->o.id);
    public_ip_release(c, &a->public_ip);
    txn_delete(c->txn, a);
    return call_return_true(c);
}

struct describe_addresses {
    struct list ids;        /* allocations */
    struct list public_ips; /* as text */
};
static const struct field describe_addresses_fields[] = {
    FIELD(0, FT_STRS, struct describe_addresses, ids, "AllocationId"),
    FIELD(0, FT_STRS, struct describe_addresses, public_ips, "PublicIp"),
};
static const struct desc describe_addresses_desc =
    DESC("DescribeAddresses", struct describe_addresses, describe_addresses_fields);

static bool has_public_ip(struct call *c, const void *obj, void *arg) {
    const struct list *public_ips = arg;
    char text[IP_TEXT];

    return strs_has(public_ips, ip_format(&((const struct address *)obj)->public_ip, text));
}

static int describe_addresses(struct call *c, const void *params) {
    const struct describe_addresses *p = params;
    struct describe d = {.kind = KIND_ADDRESS, .ids = &p->ids, .set = "addressesSet"};
    struct ip ip;

    list_each (char *, text, p->public_ips) {
        if (ip_parse(*text, &ip) < 0)
            return call_error(c, "InvalidParameterValue",
                              "Value (%.64s) for parameter publicIp is invalid. It is not a valid "
                              "IP address.",
                              *text);
        if (!find_address(c, NULL, &ip))
            return -1;
    }
    if (p->public_ips.n) {
        d.keep = has_public_ip;
        d.arg = (void *)(uintptr_t)&p->public_ips;
    }
    return describe(c, &d);
}

struct associate {
    char *allocation_id;
    struct ip public_ip;
    char *instance_id, *eni_id;
    struct ip private_ip;
    uint8_t reassociate;
};
static const struct field associate_fields[] = {
    FIELD(0, FT_STR, struct associate, allocation_id, "AllocationId"),
    FIELD(0, FT_IP, struct associate, public_ip, "PublicIp"),
    FIELD(0, FT_STR, struct associate, instance_id, "InstanceId"),
    FIELD(0, FT_STR, struct associate, eni_id, "NetworkInterfaceId"),
    FIELD(0, FT_IP, struct associate, private_ip, "PrivateIpAddress"),
    FIELD(0, FT_TRI, struct associate, reassociate, "AllowReassociation"),
};
static const struct desc associate_desc =
    DESC("AssociateAddress", struct associate, associate_fields);

/* The one interface of an instance; an instance with several must be asked for by interface. */
static const struct network_interface *only_eni(struct call *c, const char *instance_id) {
    const struct instance *i = call_get(c, KIND_INSTANCE, instance_id);

    if (!i)
        return NULL;
    if (i->state == INSTANCE_PENDING) {
        call_error(c, "InvalidInstanceID",
                   "The pending instance '%s' is not in a valid state for this operation.",
                   i->o.id);
        return NULL;
    }
    if (i->state != INSTANCE_RUNNING && i->state != INSTANCE_STOPPED) {
        call_error(c, "IncorrectInstanceState",
                   "The instance '%s' is not in a state in which an address can be associated.",
                   i->o.id);
        return NULL;
    }
    return eni_only(c, i);
}

static const struct network_interface *named_eni(struct call *c, const char *id) {
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, id);
    const struct instance *i =
        eni && eni->instance_id ? txn_get(c->txn, KIND_INSTANCE, c->scope, eni->instance_id) : NULL;

    if (eni && eni_check_managed(c, eni) < 0)
        return NULL;
    if (i && i->state == INSTANCE_PENDING) {
        call_error(c, "IncorrectInstanceState",
                   "The instance '%s' to which '%s' is attached is not in a valid state for this "
                   "operation.",
                   i->o.id, eni->o.id);
        return NULL;
    }
    return eni;
}

static const struct network_interface *find_target(struct call *c, const struct associate *p) {
    if (p->instance_id && p->eni_id) {
        call_error(c, "InvalidParameterCombination",
                   "You may specify either an instance or a network interface, but not both.");
        return NULL;
    }
    if (p->eni_id)
        return named_eni(c, p->eni_id);
    if (p->instance_id)
        return only_eni(c, p->instance_id);
    call_error(c, "MissingParameter",
               "Either an instance or a network interface must be specified");
    return NULL;
}

/* Ends the association that the allocation has. An instance that was launched with a public address
 * gets one again (EC2 user guide, "Public IPv4 addresses"). */
static int end_association(struct call *c, const struct address *a) {
    const struct network_interface *have =
        a->eni_id ? index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, a->eni_id) : NULL;
    struct network_interface *eni;

    if (have && eni_check_managed(c, have) < 0)
        return -1;
    eni = have ? txn_edit(c->txn, have) : NULL;
    if (!eni)
        return call_no_memory(c);
    list_each (struct eni_address, each, eni->addresses)
        if (each->allocation_id && strcmp(each->allocation_id, a->o.id) == 0)
            public_ip_drop(c, each);
    public_ip_regain(c, eni);
    txn_put(c->txn, eni);
    return 0;
}

/*
 * What stands in the way of the association:
 *  1. it is there already: nothing to do, its id is the answer (*ret_same)
 *  2. the elastic IP is associated elsewhere, or the private address has another elastic IP:
 *     moved, unless AllowReassociation=false
 *  3. an address given at launch is released
 */
static int make_way(struct call *c, const struct associate *p, const struct address *a,
                    const char *eni_id, const struct ip *private_ip, bool *ret_same) {
    const struct network_interface *eni;
    struct network_interface *copy;
    const struct eni_address *target;

    *ret_same =
        a->association_id && strcmp(a->eni_id, eni_id) == 0 && ip_equal(&a->private_ip, private_ip);
    if (*ret_same)
        return 0;
    if (a->association_id) {
        if (p->reassociate == TRI_FALSE)
            return call_error(c, "Resource.AlreadyAssociated",
                              "resource %s is already associated with associate-id %s", a->o.id,
                              a->association_id);
        if (end_association(c, a) < 0)
            return -1;
    }
    eni = index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, eni_id);
    target = eni_find(eni, private_ip);
    if (target->allocation_id && p->reassociate == TRI_FALSE)
        return call_error(c, "Resource.AlreadyAssociated",
                          "resource %s is already associated with associate-id %s", eni_id,
                          target->association_id);
    if (target->public_ip.family) {
        copy = txn_edit(c->txn, eni);
        if (!copy)
            return call_no_memory(c);
        public_ip_drop(c, eni_find(copy, private_ip));
        txn_put(c->txn, copy);
    }
    return 0;
}

int address_associate(struct call *c, const char *allocation_id, const char *eni_id,
                      const struct ip *private_ip) {
    struct network_interface *eni =
        txn_edit(c->txn, index_get(c->ix, KIND_NETWORK_INTERFACE, c->scope, eni_id));
    struct address *a = txn_edit(c->txn, index_get(c->ix, KIND_ADDRESS, c->scope, allocation_id));
    struct eni_address *target;
    char id[64];

    if (!eni || !a)
        return call_no_memory(c);
    obj_make_id("eipassoc-", id);
    obj_set(&a->o, &a->association_id, id);
    obj_set(&a->o, &a->eni_id, eni_id);
    a->private_ip = *private_ip;
    target = eni_find(eni, private_ip);
    target->public_ip = a->public_ip;
    obj_set(&eni->o, &target->allocation_id, a->o.id);
    obj_set(&eni->o, &target->association_id, id);
    txn_put(c->txn, a);
    txn_put(c->txn, eni);
    return 0;
}

static int associate_address(struct call *c, const void *params) {
    const struct associate *p = params;
    const struct address *a = find_address(c, p->allocation_id, &p->public_ip);
    const struct network_interface *eni = a ? find_target(c, p) : NULL;
    const struct internet_gateway *gateway;
    char eni_id[64], allocation_id[64], text[IP_TEXT];
    struct ip private_ip;
    bool same;

    if (!eni)
        return -1;
    private_ip = p->private_ip.family ? p->private_ip : eni_primary(eni)->ip;
    if (!eni_find(eni, &private_ip))
        return call_error(c, "InvalidParameterValue",
                          "Address %s is not a private address of the interface '%s'.",
                          ip_format(&private_ip, text), eni->o.id);
    gateway = vpc_gateway(c->ix, eni->vpc_id);
    if (!gateway)
        return call_error(c, "Gateway.NotAttached",
                          "Network %s is not attached to any internet gateway", eni->vpc_id);
    txn_touch(c->txn, gateway); /* its detaching must not miss this address */
    /* Both objects may be replaced on the way: from here on by their ids. */
    strcpy(eni_id, eni->o.id);
    strcpy(allocation_id, a->o.id);
    if (make_way(c, p, a, eni_id, &private_ip, &same) < 0 ||
        (!same && address_associate(c, allocation_id, eni_id, &private_ip) < 0))
        return -1;
    a = index_get(c->ix, KIND_ADDRESS, c->scope, allocation_id);
    call_return_true(c);
    xml_text(&c->xml, "associationId", a->association_id);
    return 0;
}

struct disassociate {
    char *association_id;
    struct ip public_ip;
};
static const struct field disassociate_fields[] = {
    FIELD(0, FT_STR, struct disassociate, association_id, "AssociationId"),
    FIELD(0, FT_IP, struct disassociate, public_ip, "PublicIp"),
};
static const struct desc disassociate_desc =
    DESC("DisassociateAddress", struct disassociate, disassociate_fields);

static int disassociate_address(struct call *c, const void *params) {
    const struct disassociate *p = params;
    const struct address *a = NULL;
    struct cursor cur;
    char text[IP_TEXT];

    if (p->association_id) {
        index_each_by(c->ix, cur, KIND_ADDRESS, ADDRESS_BY_ASSOCIATION, p->association_id) {
            const struct address *each = cur.obj;

            if (each->o.scope.account == c->scope.account &&
                each->o.scope.region == c->scope.region)
                a = each;
        }
        if (!a)
            return call_error(c, "InvalidAssociationID.NotFound",
                              "The association ID '%.64s' does not exist", p->association_id);
    } else {
        a = find_address(c, NULL, &p->public_ip);
        if (!a)
            return -1;
        if (!a->association_id)
            return call_error(c, "InvalidAssociationID.NotFound", "Address %s is not associated.",
                              ip_format(&a->public_ip, text));
    }
    if (end_association(c, a) < 0)
        return -1;
    return call_return_true(c);
}

static const struct action rows[] = {
    {"AllocateAddress", &allocate_desc, allocate_address},
    {"AssociateAddress", &associate_desc, associate_address},
    {"DescribeAddresses", &describe_addresses_desc, describe_addresses, ACT_FILTER, "addressesSet"},
    {"DisassociateAddress", &disassociate_desc, disassociate_address},
    {"ReleaseAddress", &release_desc, release_address},
};
ACTIONS(address_actions, rows);
