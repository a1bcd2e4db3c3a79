# SPDX-License-Identifier: Apache-2.0
"""Secondary CIDR blocks of VPCs (VPC user guide, "VPC CIDR blocks"; EC2 API reference)."""
import re

import pytest

from conftest import (default_group, error, error_code, filters, main_table, make_gateway, make_group, make_subnet,
                      make_table, make_vpc)
from raw import Raw


def associate(ec2, vpc, cidr):
    return ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=cidr)["CidrBlockAssociation"]


def associate6(ec2, vpc):
    return ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]


def describe(ec2, vpc):
    return ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]


def blocks(ec2, vpc):
    return [a["CidrBlock"] for a in describe(ec2, vpc)["CidrBlockAssociationSet"]]


def local_routes(table):
    return {r.get("DestinationCidrBlock") or r["DestinationIpv6CidrBlock"]
            for r in table["Routes"] if r["GatewayId"] == "local"}


def test_second_block_gets_local_routes_and_subnets(ec2, vpc):
    own = make_table(ec2, vpc)
    association = associate(ec2, vpc, "10.5.0.99/16")
    assert re.fullmatch("vpc-cidr-assoc-[0-9a-f]{17}", association["AssociationId"])
    assert association["CidrBlock"] == "10.5.0.0/16"
    assert association["CidrBlockState"] == {"State": "associating"}
    assert describe(ec2, vpc)["CidrBlockAssociationSet"][1] == {**association, "CidrBlockState": {"State": "associated"}}
    assert describe(ec2, vpc)["CidrBlock"] == "10.0.0.0/16"
    for table in (main_table(ec2, vpc), ec2.describe_route_tables(RouteTableIds=[own])["RouteTables"][0]):
        assert local_routes(table) == {"10.0.0.0/16", "10.5.0.0/16"}
    make_subnet(ec2, vpc, "10.5.9.0/24")


def test_block_goes_again_once_no_subnet_is_in_it(ec2, vpc):
    association = associate(ec2, vpc, "10.5.0.0/16")["AssociationId"]
    subnet = make_subnet(ec2, vpc, "10.5.9.0/24")
    assert error(ec2.disassociate_vpc_cidr_block, AssociationId=association)[:2] == (
        "InvalidCidrBlock.InUse", f"The vpc {vpc} currently has a subnet within CIDR block 10.5.0.0/16")
    ec2.delete_subnet(SubnetId=subnet)
    answer = ec2.disassociate_vpc_cidr_block(AssociationId=association)
    assert answer["VpcId"] == vpc
    assert answer["CidrBlockAssociation"]["CidrBlockState"] == {"State": "disassociating"}
    assert blocks(ec2, vpc) == ["10.0.0.0/16"]
    assert local_routes(main_table(ec2, vpc)) == {"10.0.0.0/16"}
    assert error_code(ec2.disassociate_vpc_cidr_block,
                      AssociationId=association) == "InvalidVpcCidrBlockAssociationID.NotFound"


def test_primary_block_stays(ec2, vpc):
    primary = describe(ec2, vpc)["CidrBlockAssociationSet"][0]["AssociationId"]
    assert error_code(ec2.disassociate_vpc_cidr_block, AssociationId=primary) == "OperationNotPermitted"


def test_five_blocks_in_all(ec2, vpc):
    for n in range(2, 6):
        associate(ec2, vpc, f"10.{n}.0.0/16")
    assert error(associate, ec2=ec2, vpc=vpc, cidr="10.9.0.0/16")[:2] == (
        "CidrLimitExceeded", f"This network '{vpc}' has met its maximum number of allowed CIDRs: 5")


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.3.0/24"])
def test_blocks_do_not_overlap(ec2, vpc, cidr):
    assert error_code(associate, ec2=ec2, vpc=vpc, cidr=cidr) == "InvalidVpc.Range"


@pytest.mark.parametrize("cidr", ["10.5.0.0/15", "10.5.0.0/29", "0.0.0.0/16", "127.1.0.0/16", "169.254.0.0/16", "224.0.0.0/16"])
def test_blocks_that_no_vpc_has(ec2, vpc, cidr):
    assert error_code(associate, ec2=ec2, vpc=vpc, cidr=cidr) == "InvalidVpc.Range"
    assert error_code(ec2.create_vpc, CidrBlock=cidr) == "InvalidVpc.Range"


RESTRICTED = [  # "IPv4 CIDR block association restrictions"
    ("10.7.0.0/16", ["172.16.0.0/16", "192.168.0.0/16", "198.19.0.0/16"],
     ["10.0.0.0/16", "100.64.0.0/16", "203.0.112.0/24", "198.18.0.0/16"]),
    ("10.1.0.0/16", ["10.0.0.0/16", "10.0.7.0/24"], ["10.2.0.0/16"]),
    ("172.20.0.0/16", ["10.0.0.0/16", "192.168.0.0/24", "172.31.0.0/16", "198.19.1.0/24"],
     ["172.21.0.0/16", "100.64.0.0/16"]),
    ("192.168.0.0/24", ["10.0.0.0/16", "172.16.0.0/16", "198.19.0.0/16"], ["192.168.1.0/24", "100.64.0.0/16"]),
    ("198.19.0.0/20", ["10.0.0.0/16", "172.16.0.0/16", "192.168.0.0/16"], ["100.64.0.0/16", "203.0.112.0/24"]),
    ("100.64.0.0/16", ["10.0.0.0/16", "172.16.0.0/16", "192.168.0.0/16", "198.19.0.0/16"],
     ["100.65.0.0/16", "203.0.112.0/24"]),
]


@pytest.mark.parametrize("primary, refused, allowed", RESTRICTED)
def test_ranges_that_go_together(ec2, primary, refused, allowed):
    vpc = make_vpc(ec2, primary)
    for cidr in refused:
        code, message, _ = error(associate, ec2=ec2, vpc=vpc, cidr=cidr)
        assert code == "InvalidVpc.Range" and message.startswith(f"The CIDR '{cidr}' is restricted.")
    for cidr in allowed:
        associate(ec2, vpc, cidr)


def test_range_10_0_is_closed_by_any_block_of_10_0_to_10_1(ec2):
    vpc = make_vpc(ec2, "10.7.0.0/16")
    associate(ec2, vpc, "10.1.0.0/16")
    assert error_code(associate, ec2=ec2, vpc=vpc, cidr="10.0.0.0/16") == "InvalidVpc.Range"


def test_block_must_not_hold_the_destination_of_a_route(ec2, vpc):
    gateway, table = make_gateway(ec2, vpc), make_table(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.5.0.0/24", GatewayId=gateway)
    for cidr in ("10.5.0.0/24", "10.5.0.0/16"):
        assert error_code(associate, ec2=ec2, vpc=vpc, cidr=cidr) == "InvalidVpc.Range"
    associate(ec2, vpc, "10.5.0.0/25")


def test_block_must_not_hold_an_entry_of_a_routes_prefix_list(ec2, vpc):
    entries = [{"Cidr": "192.0.2.0/24"}, {"Cidr": "10.5.0.0/24"}]
    name = ec2.create_managed_prefix_list(PrefixListName="far", AddressFamily="IPv4", MaxEntries=3,
                                          Entries=entries)["PrefixList"]["PrefixListId"]
    ec2.create_route(RouteTableId=main_table(ec2, vpc)["RouteTableId"], DestinationPrefixListId=name,
                     GatewayId=make_gateway(ec2, vpc))
    assert error_code(associate, ec2=ec2, vpc=vpc, cidr="10.5.0.0/16") == "InvalidVpc.Range"
    associate(ec2, vpc, "10.5.0.0/25")


def test_ipv6_later(ec2, vpc):
    association = associate6(ec2, vpc)
    assert association["Ipv6CidrBlock"].endswith("::/56")
    assert association["Ipv6CidrBlockState"] == {"State": "associating"}
    assert association["NetworkBorderGroup"] == "us-east-1" and association["Ipv6Pool"] == "Amazon"
    (shown,) = describe(ec2, vpc)["Ipv6CidrBlockAssociationSet"]
    assert shown == {**association, "Ipv6CidrBlockState": {"State": "associated"}}
    assert association["Ipv6CidrBlock"] in local_routes(main_table(ec2, vpc))
    make_subnet(ec2, vpc, Ipv6CidrBlock=association["Ipv6CidrBlock"].replace("/56", "/64"))


def test_ipv6_opens_what_was_open(ec2, vpc):
    """The default ACL and groups as they were made let all IPv4 out; now IPv6 too."""
    open_group, closed_group = make_group(ec2, vpc, "open"), make_group(ec2, vpc, "closed")
    ec2.revoke_security_group_egress(GroupId=closed_group, IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    own = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    associate6(ec2, vpc)
    groups = {g["GroupId"]: g["IpPermissionsEgress"] for g in
              ec2.describe_security_groups(Filters=filters(vpc_id=vpc))["SecurityGroups"]}
    for group in (open_group, default_group(ec2, vpc)["GroupId"]):
        (out,) = groups[group]
        assert (out["IpRanges"], out["Ipv6Ranges"]) == ([{"CidrIp": "0.0.0.0/0"}], [{"CidrIpv6": "::/0"}])
    assert groups[closed_group] == []
    acls = {a["NetworkAclId"]: a for a in ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]}
    six = lambda acl: [(e["Egress"], e["RuleNumber"], e["RuleAction"]) for e in acl["Entries"] if "Ipv6CidrBlock" in e]
    assert six(acls.pop(own)) == [(True, 32768, "deny"), (False, 32768, "deny")]
    (default,) = acls.values()
    assert six(default) == [(True, 101, "allow"), (True, 32768, "deny"), (False, 101, "allow"), (False, 32768, "deny")]


def test_ipv6_does_not_open_an_acl_that_was_changed(ec2, vpc):
    (acl,) = ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]
    ec2.create_network_acl_entry(NetworkAclId=acl["NetworkAclId"], RuleNumber=90, Egress=False, Protocol="-1",
                                 RuleAction="deny", CidrBlock="192.0.2.0/24")
    associate6(ec2, vpc)
    (acl,) = ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]
    assert [(e["Egress"], e["RuleNumber"]) for e in acl["Entries"] if "Ipv6CidrBlock" in e] == [
        (True, 101), (True, 32768), (False, 32768)]


def test_ipv6_block_goes_and_is_free_again(ec2, vpc):
    association = associate6(ec2, vpc)
    subnet = make_subnet(ec2, vpc, Ipv6CidrBlock=association["Ipv6CidrBlock"].replace("/56", "/64"))
    assert error_code(ec2.disassociate_vpc_cidr_block,
                      AssociationId=association["AssociationId"]) == "InvalidCidrBlock.InUse"
    ec2.delete_subnet(SubnetId=subnet)
    answer = ec2.disassociate_vpc_cidr_block(AssociationId=association["AssociationId"])
    assert answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"] == {"State": "disassociating"}
    assert describe(ec2, vpc)["Ipv6CidrBlockAssociationSet"] == []
    assert local_routes(main_table(ec2, vpc)) == {"10.0.0.0/16"}
    assert associate6(ec2, vpc)["Ipv6CidrBlock"] == association["Ipv6CidrBlock"]


def test_up_to_five_ipv6_blocks(ec2, vpc):
    made = {associate6(ec2, vpc)["Ipv6CidrBlock"] for _ in range(5)}
    assert len(made) == 5
    assert error_code(associate6, ec2=ec2, vpc=vpc) == "CidrLimitExceeded"


@pytest.mark.parametrize("params, code", [
    ({}, "MissingParameter"),
    ({"CidrBlock": "10.5.0.0/16", "AmazonProvidedIpv6CidrBlock": True}, "InvalidParameterCombination"),
    ({"CidrBlock": "2001:db8::/56"}, "InvalidParameterValue"),
    ({"CidrBlock": "10.5.0.0"}, "InvalidParameterValue"),
    ({"Ipv6CidrBlock": "2001:db8::/56"}, "MissingParameter"),
    ({"Ipv6CidrBlock": "2001:db8::/56", "Ipv6Pool": "ipv6pool-ec2-1"}, "InvalidPoolID.NotFound"),
    ({"Ipv4IpamPoolId": "ipam-pool-1", "Ipv4NetmaskLength": 24}, "InvalidIpamPoolId.NotFound"),
    ({"Ipv6IpamPoolId": "ipam-pool-1", "Ipv6NetmaskLength": 56}, "InvalidIpamPoolId.NotFound"),
    ({"Ipv4NetmaskLength": 24}, "MissingParameter"),
    ({"CidrBlock": "10.5.0.0/16", "Ipv6CidrBlockNetworkBorderGroup": "us-east-1"}, "InvalidParameterCombination"),
    ({"AmazonProvidedIpv6CidrBlock": True, "Ipv6CidrBlockNetworkBorderGroup": "us-east-1-wl1"}, "InvalidParameterValue"),
])
def test_what_cannot_be_asked_for(account, ec2, vpc, params, code):
    assert error_code(ec2.associate_vpc_cidr_block, VpcId=vpc, **params) == code
    if code != "InvalidParameterCombination" or "Ipv6CidrBlockNetworkBorderGroup" in params:
        assert Raw(account).call("CreateVpc", **{k: str(v).lower() for k, v in params.items()}).code == code


def test_border_group_of_the_region(ec2):
    vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True, Ipv6CidrBlockNetworkBorderGroup="us-east-1")
    assert describe(ec2, vpc)["Ipv6CidrBlockAssociationSet"][0]["NetworkBorderGroup"] == "us-east-1"


def test_other_accounts_blocks_do_not_exist(ec2, other, vpc):
    association = associate(ec2, vpc, "10.5.0.0/16")["AssociationId"]
    assert error_code(other.ec2.disassociate_vpc_cidr_block,
                      AssociationId=association) == "InvalidVpcCidrBlockAssociationID.NotFound"
    assert error_code(associate, ec2=other.ec2, vpc=vpc, cidr="10.6.0.0/16") == "InvalidVpcID.NotFound"


def test_filters(ec2, vpc):
    make_vpc(ec2, "10.9.0.0/16")
    four, six = associate(ec2, vpc, "10.5.0.0/16"), associate6(ec2, vpc)
    for name, value in (("cidr-block-association.cidr-block", "10.5.0.0/16"),
                        ("cidr-block-association.association-id", four["AssociationId"]),
                        ("ipv6-cidr-block-association.ipv6-cidr-block", six["Ipv6CidrBlock"]),
                        ("ipv6-cidr-block-association.association-id", six["AssociationId"]),
                        ("ipv6-cidr-block-association.ipv6-pool", "Amazon"),
                        ("ipv6-cidr-block-association.state", "associated")):
        found = ec2.describe_vpcs(Filters=[{"Name": name, "Values": [value]}])["Vpcs"]
        assert [v["VpcId"] for v in found] == [vpc], name


def test_tenancy_is_default(ec2, vpc):
    assert error_code(ec2.create_vpc, CidrBlock="10.0.0.0/16", InstanceTenancy="dedicated") == "InvalidParameterValue"
    assert error_code(ec2.modify_vpc_tenancy, VpcId=vpc, InstanceTenancy="default") == "InvalidTenancy"
    assert error_code(ec2.modify_vpc_tenancy, VpcId=vpc, InstanceTenancy="dedicated") == "UnsupportedTenancy"


def test_dns_hostnames_need_dns_support(ec2, vpc):
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    assert error_code(ec2.modify_vpc_attribute, VpcId=vpc, EnableDnsHostnames={"Value": True}) == "InvalidParameterValue"
