/* SPDX-License-Identifier: Apache-2.0 */
#include "model/eni_permission.h"

#include "model/vpc.h"
#include "model/xml.h"

static void emit_state(struct xml *x, const struct look *look, const void *obj) {
    xml_open(x, "permissionState");
    xml_text(x, "state", "granted");
    xml_close(x, "permissionState");
}

static const struct field eni_permission_fields[] = {
    {.type = FT_GET,
     .wire = "networkInterfacePermissionId",
     .filter = "network-interface-permission.network-interface-permission-id",
     .get = get_id},
    FIELD(ENI_PERMISSION_BY_ENI, FT_STR, struct eni_permission, eni_id, "networkInterfaceId",
          .filter = "network-interface-permission.network-interface-id", .flags = FF_INDEXED),
    FIELD(2, FT_STR, struct eni_permission, account, "awsAccountId",
          .filter = "network-interface-permission.aws-account-id"),
    FIELD(3, FT_STR, struct eni_permission, permission, "permission",
          .filter = "network-interface-permission.permission"),
    {.type = FT_EMIT, .wire = "permissionState", .emit = emit_state},
};
const struct desc eni_permission_desc =
    DESC_STORED("network interface permission", struct eni_permission, eni_permission_fields);
