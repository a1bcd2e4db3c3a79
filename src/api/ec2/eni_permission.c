/* SPDX-License-Identifier: Apache-2.0 */
/* What other accounts may do with an interface. An account that somebody granted INSTANCE-ATTACH to
 * still does not see the interface; see AttachNetworkInterface for what it may do. */
#include <string.h>

#include "api/ec2/eni.h"
#include "model/eni_permission.h"

struct create_permission {
    char *eni_id, *account, *service, *permission;
};
static const struct field create_permission_fields[] = {
    FIELD(0, FT_STR, struct create_permission, eni_id, "NetworkInterfaceId", .flags = FF_REQUIRED),
    FIELD(0, FT_STR, struct create_permission, account, "AwsAccountId"),
    FIELD(0, FT_STR, struct create_permission, service, "AwsService"),
    FIELD(0, FT_STR, struct create_permission, permission, "Permission", .flags = FF_REQUIRED),
};
static const struct desc create_permission_desc =
    DESC("CreateNetworkInterfacePermission", struct create_permission, create_permission_fields);

static const struct eni_permission *find_permission(struct call *c, const char *eni_id) {
    struct cursor cur;

    index_each_by(c->ix, cur, KIND_ENI_PERMISSION, ENI_PERMISSION_BY_ENI, eni_id) {
        return cur.obj;
    }
    return NULL;
}

static int check_permission(struct call *c, const struct create_permission *p,
                            const struct network_interface *eni) {
    if (p->service)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter awsService is invalid. Services cannot be "
                          "granted permissions.",
                          p->service);
    if (!p->account)
        return call_error(c, "MissingParameter",
                          "The request must contain the parameter AwsAccountId");
    if (!account_id_valid(p->account))
        return call_error(c, "InvalidUserID.Malformed", "Invalid user id: \"%.64s\"", p->account);
    if (strcmp(p->permission, "EIP-ASSOCIATE") == 0)
        return call_error(c, "UnsupportedOperation",
                          "The permission EIP-ASSOCIATE is not offered.");
    if (strcmp(p->permission, "INSTANCE-ATTACH") != 0)
        return call_error(c, "InvalidParameterValue",
                          "Value (%.64s) for parameter permission is invalid. It must be "
                          "INSTANCE-ATTACH or EIP-ASSOCIATE.",
                          p->permission);
    /* "You can grant permission to a single account only, and only one account at a time." */
    if (find_permission(c, eni->o.id))
        return call_error(c, "InvalidParameterValue",
                          "The network interface '%s' has a permission already.", eni->o.id);
    return 0;
}

static int create_permission(struct call *c, const void *params) {
    const struct create_permission *p = params;
    const struct network_interface *eni = call_get(c, KIND_NETWORK_INTERFACE, p->eni_id);
    struct eni_permission *permission;

    if (!eni || check_permission(c, p, eni) < 0)
        return -1;
    permission = call_new(c, KIND_ENI_PERMISSION);
    if (!permission)
        return call_no_memory(c);
    obj_set(&permission->o, &permission->eni_id, p->eni_id);
    obj_set(&permission->o, &permission->account, p->account);
    obj_set(&permission->o, &permission->permission, p->permission);
    txn_put(c->txn, permission);
    txn_touch(c->txn, eni); /* one permission, whoever grants it */
    call_object(c, "interfacePermission", permission);
    return 0;
}

struct delete_permission {
    char *id;
    uint8_t force;
};
static const struct field delete_permission_fields[] = {
    FIELD(0, FT_STR, struct delete_permission, id, "NetworkInterfacePermissionId",
          .flags = FF_REQUIRED),
    FIELD(0, FT_TRI, struct delete_permission, force, "Force"),
};
static const struct desc delete_permission_desc =
    DESC("DeleteNetworkInterfacePermission", struct delete_permission, delete_permission_fields);

static int delete_permission(struct call *c, const void *params) {
    const struct delete_permission *p = params;
    const struct eni_permission *permission = call_get(c, KIND_ENI_PERMISSION, p->id);

    if (!permission)
        return -1;
    txn_delete(c->txn, permission);
    return call_return_true(c);
}

void eni_permissions_drop(struct call *c, const char *eni_id) {
    const struct eni_permission *permission;

    while ((permission = find_permission(c, eni_id)) && !txn_failed(c->txn))
        txn_delete(c->txn, permission);
}

DESCRIBE_PARAMS(permissions_params, "NetworkInterfacePermissionId");

static int describe_permissions(struct call *c, const void *params) {
    const struct describe_ids *p = params;

    return describe(c, &(struct describe){.kind = KIND_ENI_PERMISSION,
                                          .ids = &p->ids,
                                          .set = "networkInterfacePermissions"});
}

static const struct action rows[] = {
    {"CreateNetworkInterfacePermission", &create_permission_desc, create_permission},
    {"DeleteNetworkInterfacePermission", &delete_permission_desc, delete_permission},
    {"DescribeNetworkInterfacePermissions", &permissions_params, describe_permissions, ACT_FILTERS,
     "networkInterfacePermissions"},
};
ACTIONS(eni_permission_actions, rows);
