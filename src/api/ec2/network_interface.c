/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces and their attributes. */
#include <string.h>

#include "api/ec2/eni.h"
#include "base/text.h"

#define DESCRIPTION_MAX 255

struct create_eni {
    char *subnet_id;
    char *description;
    struct list groups;
    char *interface_type;
    struct eni_addresses_param addresses;
    uint8_t primary_ipv6;
    struct list tag_specifications;
};
static const struct field create_eni_fields[] = {
    FIELD(0, FT_STR, struct create_eni, subnet_id, "SubnetId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_eni, description, "Description", .max = DESCRIPTION_MAX),
    FIELD(0, FT_STRS, struct create_eni, groups, "SecurityGroupId"),
    FIELD(0, FT_STR, struct create_eni, interface_type, "InterfaceType"),
    ENI_ADDRESSES_PARAM(struct create_eni, addresses),
    FIELD(0, FT_TRI, struct create_eni, primary_ipv6, "EnablePrimaryIpv6"),
    TAG_SPECIFICATIONS(struct create_eni),
};
static const struct desc create_eni_desc =
    DESC("CreateNetworkInterface", struct create_eni, create_eni_fields);

static int create_network_interface(struct call *c, const void *params) {
    const struct create_eni *p = params;
    static const enum kind taggable[] = {KIND_NETWORK_INTERFACE};
    const struct subnet *s = call_get(c, KIND_SUBNET, p->subnet_id);
    const struct network_interface *eni;
    struct eni_wish wish = {.subnet = s,
                            .description = p->description,
                            .groups = &p->groups,
                            .primary6 = p->primary_ipv6 == TRI_TRUE,
                            .tag_specifications = &p->tag_specifications};

    if (!s)
        return -1;
    if (eni_check_type(c, p->interface_type) < 0 ||
        call_tags_check(c, &p->tag_specifications, taggable, 1) < 0 ||
        eni_wish_addresses(c, &p->addresses, &wish) < 0)
        return -1;
    eni = eni_create(c, &wish);
    if (!eni)
        return -1;
    xml_open(&c->xml, "networkInterface");
    /* EC2 answers `pending`; the next Describe says `available`. */
    xml_fields_as(&c->xml, &network_interface_desc, &c->look, eni, "status", "pending");
    xml_close(&c->xml, "networkInterface");
    xml_text(&c->xml, "clientToken", c->client_token);
    return 0;
}

struct eni_id {
    char *id;
};
static const struct field eni_id_fields[] = {
    FIELD(0, FT_STR, struct eni_id, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
};
static const struct desc eni_id_desc = DESC("NetworkInterfaceId", struct eni_id, eni_id_fields);

static int delete_network_interface(struct call *c, const void *params) {
    const struct eni_id *p = params;
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, p->id);

    if (!eni)
        return -1;
    if (eni->instance_id || eni->requester_managed)
        return call_error(c, "InvalidNetworkInterface.InUse",
                          "Network interface '%s' is currently in use.", p->id);
    if (eni_delete(c, eni) < 0)
        return -1;
    return call_return_true(c);
}

DESCRIBE_PARAMS(describe_enis_params, "NetworkInterfaceId");

static int describe_network_interfaces(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_NETWORK_INTERFACE,
                                          .ids = &p->ids,
                                          .set = "networkInterfaceSet"});
}

struct eni_attribute {
    char *id;
    char *attribute;
};
static const struct field eni_attribute_fields[] = {
    FIELD(0, FT_STR, struct eni_attribute, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct eni_attribute, attribute, "Attribute", .flags = FF_REQUIRED),
};
static const struct desc eni_attribute_desc =
    DESC("DescribeNetworkInterfaceAttribute", struct eni_attribute, eni_attribute_fields);

/* The element of the whole description that the attribute is called like. */
static void emit_element(struct call *c, const struct network_interface *eni, const char *wire) {
    const struct desc *d = &network_interface_desc;

    for (uint16_t i = 0; i < d->n_fields; i++)
        if (d->fields[i].wire && strcmp(d->fields[i].wire, wire) == 0)
            d->fields[i].emit(&c->xml, &c->look, eni);
}

static int describe_network_interface_attribute(struct call *c, const void *params) {
    const struct eni_attribute *p = params;
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, p->id);

    if (!eni)
        return -1;
    xml_text(&c->xml, "networkInterfaceId", eni->o.id);
    if (strcmp(p->attribute, "description") == 0) {
        xml_open(&c->xml, "description");
        xml_text(&c->xml, "value", eni->description);
        xml_close(&c->xml, "description");
    } else if (strcmp(p->attribute, "sourceDestCheck") == 0) {
        xml_open(&c->xml, "sourceDestCheck");
        xml_bool(&c->xml, "value", eni->source_dest_check);
        xml_close(&c->xml, "sourceDestCheck");
    } else if (strcmp(p->attribute, "groupSet") == 0 || strcmp(p->attribute, "attachment") == 0) {
        emit_element(c, eni, p->attribute);
    } else if (strcmp(p->attribute, "associatePublicIpAddress") == 0) {
        xml_bool(&c->xml, "associatePublicIpAddress", eni->auto_public);
    } else {
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter attribute is invalid. Unknown attribute.",
                          p->attribute);
    }
    return 0;
}

struct modify_eni {
    char *id;
    char *description;
    struct list groups;
    uint8_t source_dest_check;
    char *attachment_id;
    uint8_t delete_on_termination;
    uint8_t primary_ipv6, public_ip;
    uint8_t srd, srd_udp;
    struct eni_tracking_param tracking;
};
static const struct field modify_eni_fields[] = {
    FIELD(0, FT_STR, struct modify_eni, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct modify_eni, description, "Description.Value", .max = DESCRIPTION_MAX),
    FIELD(0, FT_STRS, struct modify_eni, groups, "SecurityGroupId"),
    FIELD(0, FT_TRI, struct modify_eni, source_dest_check, "SourceDestCheck.Value"),
    FIELD(0, FT_STR, struct modify_eni, attachment_id, "Attachment.AttachmentId"),
    FIELD(0, FT_TRI, struct modify_eni, delete_on_termination, "Attachment.DeleteOnTermination"),
    FIELD(0, FT_TRI, struct modify_eni, primary_ipv6, "EnablePrimaryIpv6"),
    FIELD(0, FT_TRI, struct modify_eni, public_ip, "AssociatePublicIpAddress"),
    FIELD(0, FT_TRI, struct modify_eni, srd, "EnaSrdSpecification.EnaSrdEnabled"),
    FIELD(0, FT_TRI, struct modify_eni, srd_udp,
          "EnaSrdSpecification.EnaSrdUdpSpecification.EnaSrdUdpEnabled"),
    ENI_TRACKING_PARAM(struct modify_eni, tracking),
};
static const struct desc modify_eni_desc =
    DESC("ModifyNetworkInterfaceAttribute", struct modify_eni, modify_eni_fields);

static int modify_attachment(struct call *c, const struct modify_eni *p,
                             struct network_interface *eni) {
    if (!p->attachment_id || !p->delete_on_termination)
        return call_error(c, "MissingParameter",
                          "The request must contain both Attachment.AttachmentId and "
                          "Attachment.DeleteOnTermination");
    if (!eni->attachment_id || strcmp(eni->attachment_id, p->attachment_id) != 0)
        return call_error(c, "InvalidAttachmentID.NotFound",
                          "The attachment '%.64s' does not exist.", p->attachment_id);
    eni->delete_on_termination = p->delete_on_termination == TRI_TRUE;
    return 0;
}

static int modify_primary_ipv6(struct call *c, const struct modify_eni *p,
                               struct network_interface *eni) {
    const struct eni_address *first =
        eni->addresses6.n ? list_at(eni->addresses6, struct eni_address, 0) : NULL;

    if (p->primary_ipv6 == TRI_TRUE)
        return eni_make_primary6(c, eni);
    if (first && first->primary)
        return call_error(c, "InvalidParameterCombination",
                          "A primary IPv6 address cannot be disabled once it is enabled.");
    return 0;
}

/* The primary interface of an instance that is there gets or loses its public address at once. */
static int modify_public_ip(struct call *c, const struct modify_eni *p,
                            struct network_interface *eni) {
    struct eni_address *primary = list_at(eni->addresses, struct eni_address, 0);

    eni->auto_public = p->public_ip == TRI_TRUE;
    if (!eni->auto_public) {
        if (!primary->allocation_id)
            public_ip_drop(c, primary);
        return 0;
    }
    return eni->instance_id && eni->device_index == 0 ? public_ip_auto(c, eni) : 0;
}

static int modify_eni(struct call *c, const struct modify_eni *p, bool attachment,
                      struct network_interface *eni) {
    if (p->description)
        obj_set(&eni->o, &eni->description, p->description);
    if (p->source_dest_check)
        eni->source_dest_check = p->source_dest_check == TRI_TRUE;
    eni_set_tracking(&p->tracking, &eni->tracking);
    if (p->srd == TRI_TRUE || p->srd_udp == TRI_TRUE)
        return call_error(c, "UnsupportedOperation", "ENA Express is not offered.");
    if (p->groups.n && eni_set_groups(c, eni, &p->groups) < 0)
        return -1;
    if (attachment && modify_attachment(c, p, eni) < 0)
        return -1;
    if (p->primary_ipv6 && modify_primary_ipv6(c, p, eni) < 0)
        return -1;
    return p->public_ip ? modify_public_ip(c, p, eni) : 0;
}

static int modify_network_interface_attribute(struct call *c, const void *params) {
    const struct modify_eni *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    bool attachment = p->attachment_id || p->delete_on_termination;
    int given = !!p->description + !!p->groups.n + !!p->source_dest_check + attachment +
                !!p->primary_ipv6 + !!p->public_ip + (p->srd || p->srd_udp) +
                eni_tracking_given(&p->tracking);
    struct network_interface *eni;

    if (!have || eni_check_managed(c, have) < 0)
        return -1;
    if (given != 1)
        return call_error(c, "InvalidParameterCombination",
                          given ? "Only one attribute may be modified at a time."
                                : "An attribute to modify must be specified.");
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    if (modify_eni(c, p, attachment, eni) < 0)
        return -1;
    txn_put(c->txn, eni);
    return call_return_true(c);
}

struct reset_eni {
    char *id;
    char *source_dest_check; /* whatever it says: there is one attribute to reset */
};
static const struct field reset_eni_fields[] = {
    FIELD(0, FT_STR, struct reset_eni, id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct reset_eni, source_dest_check, "SourceDestCheck"),
};
static const struct desc reset_eni_desc =
    DESC("ResetNetworkInterfaceAttribute", struct reset_eni, reset_eni_fields);

static int reset_network_interface_attribute(struct call *c, const void *params) {
    const struct reset_eni *p = params;
    const struct network_interface *have = call_get(c, KIND_NETWORK_INTERFACE, p->id);
    struct network_interface *eni;

    if (!have || eni_check_managed(c, have) < 0)
        return -1;
    if (!p->source_dest_check)
        return call_error(c, "MissingParameter", "The request must contain the attribute to reset");
    eni = txn_edit(c->txn, have);
    if (!eni)
        return call_no_memory(c);
    eni->source_dest_check = true;
    txn_put(c->txn, eni);
    return call_return_true(c);
}

static const struct action rows[] = {
    {"CreateNetworkInterface", &create_eni_desc, create_network_interface, ACT_TOKEN},
    {"DeleteNetworkInterface", &eni_id_desc, delete_network_interface},
    {"DescribeNetworkInterfaceAttribute", &eni_attribute_desc,
     describe_network_interface_attribute},
    {"DescribeNetworkInterfaces", &describe_enis_params, describe_network_interfaces, ACT_FILTERS,
     "networkInterfaceSet"},
    {"ModifyNetworkInterfaceAttribute", &modify_eni_desc, modify_network_interface_attribute},
    {"ResetNetworkInterfaceAttribute", &reset_eni_desc, reset_network_interface_attribute},
};
ACTIONS(network_interface_actions, rows);
