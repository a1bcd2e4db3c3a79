/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "model/account.h"
#include "model/address.h"
#include "model/eni_permission.h"
#include "model/flow_log.h"
#include "model/instance.h"
#include "model/key_pair.h"
#include "model/network_acl.h"
#include "model/network_interface.h"
#include "model/object.h"
#include "model/prefix_list.h"
#include "model/route_table.h"
#include "model/security_group.h"
#include "model/vpc.h"

static const struct field tag_fields[] = {
    FIELD(1, FT_STR, struct tag, key, "key", .filter = "tag-key"),
    FIELD(2, FT_STR, struct tag, value, "value", .filter = "tag-value"),
};
const struct desc tag_desc = DESC_STORED("tag", struct tag, tag_fields);

#define TAGGED(s) offsetof(struct s, tags)

static const struct kind_info kinds[] = {
    [KIND_NONE] = {.name = ""},
    [KIND_ACCOUNT] = {.name = "account", .desc = &account_desc},
    [KIND_KEY] = {.name = "key", .desc = &access_key_desc},
    [KIND_CLAIM] = {.name = "claim", .desc = &claim_desc},
    [KIND_TOKEN] = {.name = "token", .desc = &token_desc},
    [KIND_SGSET] = {.name = "sgset", .desc = &sgset_desc, .on_stream = true},
    [KIND_VPC] = {.name = "vpc",
                  .prefix = "vpc-",
                  .resource_type = "vpc",
                  .not_found = "InvalidVpcID.NotFound",
                  .malformed = "InvalidVpcID.Malformed",
                  .desc = &vpc_desc,
                  .tags = TAGGED(vpc),
                  .on_stream = true},
    [KIND_SUBNET] = {.name = "subnet",
                     .prefix = "subnet-",
                     .resource_type = "subnet",
                     .not_found = "InvalidSubnetID.NotFound",
                     .malformed = "InvalidSubnetID.Malformed",
                     .desc = &subnet_desc,
                     .tags = TAGGED(subnet),
                     .on_stream = true},
    [KIND_ROUTE_TABLE] = {.name = "route-table",
                          .prefix = "rtb-",
                          .resource_type = "route-table",
                          .not_found = "InvalidRouteTableID.NotFound",
                          .malformed = "InvalidRouteTableID.Malformed",
                          .desc = &route_table_desc,
                          .tags = TAGGED(route_table),
                          .on_stream = true},
    [KIND_INTERNET_GATEWAY] = {.name = "internet-gateway",
                               .prefix = "igw-",
                               .resource_type = "internet-gateway",
                               .not_found = "InvalidInternetGatewayID.NotFound",
                               .malformed = "InvalidInternetGatewayID.Malformed",
                               .desc = &internet_gateway_desc,
                               .tags = TAGGED(internet_gateway),
                               .on_stream = true},
    [KIND_NETWORK_ACL] = {.name = "network-acl",
                          .prefix = "acl-",
                          .resource_type = "network-acl",
                          .not_found = "InvalidNetworkAclID.NotFound",
                          .malformed = "InvalidNetworkAclId.Malformed",
                          .desc = &network_acl_desc,
                          .tags = TAGGED(network_acl),
                          .on_stream = true},
    [KIND_SECURITY_GROUP] = {.name = "security-group",
                             .prefix = "sg-",
                             .resource_type = "security-group",
                             .not_found = "InvalidGroup.NotFound",
                             .malformed = "InvalidGroupId.Malformed",
                             .desc = &security_group_desc,
                             .tags = TAGGED(security_group),
                             .on_stream = true},
    [KIND_NETWORK_INTERFACE] = {.name = "network-interface",
                                .prefix = "eni-",
                                .resource_type = "network-interface",
                                .not_found = "InvalidNetworkInterfaceID.NotFound",
                                .malformed = "InvalidNetworkInterfaceId.Malformed",
                                .desc = &network_interface_desc,
                                .tags = TAGGED(network_interface),
                                .on_stream = true},
    [KIND_ADDRESS] = {.name = "elastic-ip",
                      .prefix = "eipalloc-",
                      .resource_type = "elastic-ip",
                      .not_found = "InvalidAllocationID.NotFound",
                      .malformed = "InvalidAllocationID.NotFound",
                      .desc = &address_desc,
                      .tags = TAGGED(address)},
    [KIND_INSTANCE] = {.name = "instance",
                       .prefix = "i-",
                       .resource_type = "instance",
                       .not_found = "InvalidInstanceID.NotFound",
                       .malformed = "InvalidInstanceID.Malformed",
                       .desc = &instance_desc,
                       .tags = TAGGED(instance),
                       .on_stream = true},
    [KIND_DHCP_OPTIONS] = {.name = "dhcp-options",
                           .prefix = "dopt-",
                           .resource_type = "dhcp-options",
                           .not_found = "InvalidDhcpOptionID.NotFound",
                           .malformed = "InvalidDhcpOptionsId.Malformed",
                           .desc = &dhcp_options_desc,
                           .tags = TAGGED(dhcp_options),
                           .on_stream = true},
    [KIND_PREFIX_LIST] = {.name = "prefix-list",
                          .prefix = "pl-",
                          .resource_type = "prefix-list",
                          .not_found = "InvalidPrefixListID.NotFound",
                          .malformed = "InvalidPrefixListId.Malformed",
                          .desc = &prefix_list_desc,
                          .tags = TAGGED(prefix_list),
                          .on_stream = true},
    [KIND_PREFIX_VERSION] = {.name = "prefix-list-version", .desc = &prefix_version_desc},
    [KIND_KEY_PAIR] = {.name = "key-pair",
                       .prefix = "key-",
                       .resource_type = "key-pair",
                       .not_found = "InvalidKeyPair.NotFound",
                       .malformed = "InvalidKeyPair.Malformed",
                       .desc = &key_pair_desc,
                       .tags = TAGGED(key_pair)},
    [KIND_FLOW_LOG] = {.name = "flow-log",
                       .prefix = "fl-",
                       .resource_type = "vpc-flow-log",
                       .not_found = "InvalidFlowLogId.NotFound",
                       .malformed = "InvalidFlowLogId.NotFound",
                       .desc = &flow_log_desc,
                       .tags = TAGGED(flow_log)},
    [KIND_ENI_PERMISSION] = {.name = "network-interface-permission",
                             .prefix = "eni-perm-",
                             .not_found = "InvalidNetworkInterfacePermissionID.NotFound",
                             .malformed = "InvalidNetworkInterfacePermissionID.Malformed",
                             .desc = &eni_permission_desc},
    /* Behind KIND_ADDRESS, with whose prefix ids are looked up (kind_by_id). */
    [KIND_ADDRESS_TRANSFER] = {.name = "address-transfer",
                               .prefix = "eipalloc-",
                               .not_found = "InvalidAllocationID.NotFound",
                               .malformed = "InvalidAllocationID.NotFound",
                               .desc = &address_transfer_desc},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == KIND_COUNT, "a row for each kind");

const struct kind_info *kind_info(enum kind k) {
    return &kinds[k];
}
