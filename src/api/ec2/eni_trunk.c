/* SPDX-License-Identifier: Apache-2.0 */
/* Trunk and branch interfaces. Nobody can make either (eni_check_type), so none can be associated.
 */
#include <string.h>

#include "api/ec2/eni.h"

struct associate_trunk {
    char *branch_id, *trunk_id;
    struct optint vlan, gre_key;
};
static const struct field associate_fields[] = {
    FIELD(0, FT_STR, struct associate_trunk, branch_id, "BranchInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct associate_trunk, trunk_id, "TrunkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_OPTINT, struct associate_trunk, vlan, "VlanId"),
    FIELD(0, FT_OPTINT, struct associate_trunk, gre_key, "GreKey"),
};
static const struct desc associate_desc =
    DESC("AssociateTrunkInterface", struct associate_trunk, associate_fields);

static int associate_trunk_interface(struct call *c, const void *params) {
    const struct associate_trunk *p = params;
    const struct network_interface *trunk = call_get(c, KIND_NETWORK_INTERFACE, p->trunk_id);
    const struct network_interface *branch =
        trunk ? call_get(c, KIND_NETWORK_INTERFACE, p->branch_id) : NULL;

    if (!branch)
        return -1;
    return call_error(c, "InvalidParameterValue",
                      "The network interface '%s' is not of type trunk.", trunk->o.id);
}

struct disassociate_trunk {
    char *association_id;
};
static const struct field disassociate_fields[] = {
    FIELD(0, FT_STR, struct disassociate_trunk, association_id, "AssociationId",
          .flags = FF_REQUIRED),
};
static const struct desc disassociate_desc =
    DESC("DisassociateTrunkInterface", struct disassociate_trunk, disassociate_fields);

static int no_association(struct call *c, const char *id) {
    return call_error(c, "InvalidAssociationID.NotFound",
                      "The association ID '%.64s' does not "
                      "exist",
                      id);
}

static int disassociate_trunk_interface(struct call *c, const void *params) {
    return no_association(c, ((const struct disassociate_trunk *)params)->association_id);
}

/* No association has a row; filters and pages are judged all the same. */
static const struct field association_fields[] = {
    FIELD(0, FT_STR, struct disassociate_trunk, association_id, "associationId",
          .filter = "association-id|gre-key|interface-protocol|vlan-id"),
};
static const struct desc association_desc =
    DESC("trunk association", struct disassociate_trunk, association_fields);

DESCRIBE_PARAMS(associations_params, "AssociationId");

static int describe_trunk_interface_associations(struct call *c, const void *params) {
    const struct describe_ids *p = params;
    struct page page;

    if (p->ids.n)
        return no_association(c, list_str(p->ids, 0));
    if (describe_begin(&page, c, &association_desc, "interfaceAssociationSet") < 0)
        return -1;
    return describe_end(&page);
}

static const struct action rows[] = {
    {"AssociateTrunkInterface", &associate_desc, associate_trunk_interface, ACT_TOKEN},
    {"DescribeTrunkInterfaceAssociations", &associations_params,
     describe_trunk_interface_associations, ACT_FILTERS, "interfaceAssociationSet"},
    {"DisassociateTrunkInterface", &disassociate_desc, disassociate_trunk_interface, ACT_TOKEN},
};
ACTIONS(eni_trunk_actions, rows);
