# SPDX-License-Identifier: Apache-2.0
"""VPCs: CreateVpc, DeleteVpc, DescribeVpcs and their attributes (VPC user guide, EC2 API reference)."""
import re

import pytest

from conftest import (default_group, error_code, filters, main_table, make_gateway, make_group, make_subnet,
                      make_table, make_vpc)


def test_create_answers_pending_and_describe_available(ec2):
    created = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]
    assert created["State"] == "pending"
    described = ec2.describe_vpcs(VpcIds=[created["VpcId"]])["Vpcs"][0]
    assert described["State"] == "available"


def test_create_answers_all_that_describe_shows(ec2, account):
    created = ec2.create_vpc(CidrBlock="10.1.0.0/20")["Vpc"]
    described = ec2.describe_vpcs(VpcIds=[created["VpcId"]])["Vpcs"][0]
    assert {**created, "State": "available"} == {"Ipv6CidrBlockAssociationSet": [], "Tags": [], **described}
    assert described["OwnerId"] == account.id
    assert described["CidrBlock"] == "10.1.0.0/20"
    assert described["InstanceTenancy"] == "default"
    assert described["IsDefault"] is False
    association = described["CidrBlockAssociationSet"][0]
    assert association["CidrBlock"] == "10.1.0.0/20"
    assert association["CidrBlockState"] == {"State": "associated"}
    assert re.fullmatch("vpc-cidr-assoc-[0-9a-f]{17}", association["AssociationId"])


def test_ids_have_17_hex_digits(ec2, vpc):
    assert re.fullmatch("vpc-[0-9a-f]{17}", vpc)


@pytest.mark.parametrize("cidr", ["10.0.0.0/15", "10.0.0.0/29", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.0/32"])
def test_size_must_be_16_to_28(ec2, cidr):
    assert error_code(ec2.create_vpc, CidrBlock=cidr) == "InvalidVpc.Range"


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.0.0/28", "198.51.100.0/24"])
def test_sizes_16_and_28_and_public_ranges_are_allowed(ec2, cidr):
    assert make_vpc(ec2, cidr)


@pytest.mark.parametrize("cidr", ["10.0.0.0", "10.0.0.256/16", "ten/16", "10.0.0.0/33", "10.0.0.0/-1", "2001:db8::/56"])
def test_malformed_cidr_is_an_invalid_parameter(ec2, cidr):
    assert error_code(ec2.create_vpc, CidrBlock=cidr) == "InvalidParameterValue"


def test_host_bits_of_the_cidr_are_dropped(ec2):
    # CreateVpc: "we modify the specified CIDR block to its canonical form"
    assert ec2.create_vpc(CidrBlock="100.68.0.18/18")["Vpc"]["CidrBlock"] == "100.68.0.0/18"


def test_vpcs_may_overlap(ec2):
    assert make_vpc(ec2, "10.0.0.0/16") != make_vpc(ec2, "10.0.0.0/16")


def test_missing_cidr_is_a_missing_parameter(account):
    from raw import Raw
    assert Raw(account).call("CreateVpc").code == "MissingParameter"


def test_comes_with_a_main_route_table_whose_route_is_local(ec2, vpc):
    tables = ec2.describe_route_tables(Filters=filters(vpc_id=vpc))["RouteTables"]
    assert len(tables) == 1
    assert [(r["DestinationCidrBlock"], r["GatewayId"], r["State"], r["Origin"]) for r in tables[0]["Routes"]] == \
        [("10.0.0.0/16", "local", "active", "CreateRouteTable")]
    association = tables[0]["Associations"][0]
    assert association["Main"] is True and "SubnetId" not in association
    assert association["AssociationState"]["State"] == "associated"


def test_comes_with_a_default_group_open_inside_and_out(ec2, vpc):
    group = default_group(ec2, vpc)
    assert group["Description"] == "default VPC security group"
    (inward,), (outward,) = group["IpPermissions"], group["IpPermissionsEgress"]
    assert inward["IpProtocol"] == "-1" and inward["UserIdGroupPairs"][0]["GroupId"] == group["GroupId"]
    assert outward["IpProtocol"] == "-1" and outward["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]


def test_comes_with_a_default_acl_that_allows_all(ec2, vpc):
    (acl,) = ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]
    assert acl["IsDefault"] is True and acl["Associations"] == []
    entries = sorted((e["Egress"], e["RuleNumber"], e["RuleAction"], e["Protocol"], e["CidrBlock"])
                     for e in acl["Entries"])
    assert entries == [(False, 100, "allow", "-1", "0.0.0.0/0"), (False, 32767, "deny", "-1", "0.0.0.0/0"),
                       (True, 100, "allow", "-1", "0.0.0.0/0"), (True, 32767, "deny", "-1", "0.0.0.0/0")]


def test_with_ipv6_gets_a_56_of_its_own(ec2):
    prefixes = set()
    for _ in range(3):
        vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True)
        (association,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"]
        assert association["Ipv6CidrBlockState"]["State"] == "associated"
        assert association["Ipv6CidrBlock"].endswith("::/56")
        prefixes.add(association["Ipv6CidrBlock"])
    assert len(prefixes) == 3


def test_with_ipv6_has_a_local_route_and_open_egress_for_it(ec2):
    vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True)
    prefix = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    assert prefix in [r.get("DestinationIpv6CidrBlock") for r in main_table(ec2, vpc)["Routes"]]
    (outward,) = default_group(ec2, vpc)["IpPermissionsEgress"]
    assert outward["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}]
    (acl,) = ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]
    assert (101, "::/0", "allow") in [(e["RuleNumber"], e.get("Ipv6CidrBlock"), e["RuleAction"]) for e in acl["Entries"]]


def test_dns_attributes_of_a_new_vpc(ec2, vpc):
    # VPC user guide, "DNS attributes": support on; hostnames only on in a default VPC.
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"] is True
    assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"] is False


@pytest.mark.parametrize("name", ["EnableDnsSupport", "EnableDnsHostnames", "EnableNetworkAddressUsageMetrics"])
def test_attribute_can_be_changed(ec2, vpc, name):
    attribute = name[0].lower() + name[1:]
    for value in (True, False, True):
        ec2.modify_vpc_attribute(VpcId=vpc, **{name: {"Value": value}})
        assert ec2.describe_vpc_attribute(VpcId=vpc, Attribute=attribute)[name]["Value"] is value


def test_two_attributes_cannot_be_changed_at_once(ec2, vpc):
    assert error_code(ec2.modify_vpc_attribute, VpcId=vpc, EnableDnsSupport={"Value": True},
                      EnableDnsHostnames={"Value": True}) == "InvalidParameterCombination"


def test_unknown_attribute_is_refused(ec2, vpc):
    assert error_code(ec2.describe_vpc_attribute, VpcId=vpc, Attribute="enableMagic") == "InvalidParameterValue"


def test_delete_takes_the_parts_that_came_with_it(ec2, vpc):
    ec2.delete_vpc(VpcId=vpc)
    assert error_code(ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"
    for describe, list_name in ((ec2.describe_route_tables, "RouteTables"),
                                (ec2.describe_security_groups, "SecurityGroups"),
                                (ec2.describe_network_acls, "NetworkAcls")):
        assert describe(Filters=filters(vpc_id=vpc))[list_name] == []


def test_deleted_vpc_is_not_found(ec2, vpc):
    ec2.delete_vpc(VpcId=vpc)
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "InvalidVpcID.NotFound"


@pytest.mark.parametrize("child", [make_subnet, make_table, make_group, lambda ec2, vpc: make_gateway(ec2, vpc)])
def test_with_a_dependent_cannot_be_deleted(ec2, vpc, child):
    child(ec2, vpc)
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"


def test_prefix_of_a_deleted_vpc_is_free_again(ec2):
    """The pool would run dry otherwise."""
    seen = []
    for _ in range(2):
        vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True)
        seen.append(ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
        ec2.delete_vpc(VpcId=vpc)
    assert seen[0] == seen[1]


def test_malformed_id_is_malformed_and_unknown_id_not_found(ec2):
    assert error_code(ec2.describe_vpcs, VpcIds=["subnet-0123456789abcdef0"]) == "InvalidVpcID.Malformed"
    assert error_code(ec2.describe_vpcs, VpcIds=["vpc-0123456789abcdef0"]) == "InvalidVpcID.NotFound"


def test_filters(ec2):
    a = make_vpc(ec2, "10.7.0.0/16")
    b = make_vpc(ec2, "10.8.0.0/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": "blue"}]}])

    def ids(*given):
        return {v["VpcId"] for v in ec2.describe_vpcs(Filters=list(given))["Vpcs"]}

    assert ids({"Name": "cidr", "Values": ["10.7.0.0/16"]}) == {a}
    assert ids({"Name": "cidr-block-association.cidr-block", "Values": ["10.8.*"]}) == {b}
    assert ids({"Name": "is-default", "Values": ["false"]}) == {a, b}
    assert ids({"Name": "vpc-id", "Values": [a, b]}) == {a, b}
    assert ids({"Name": "vpc-id", "Values": [a, b]}, {"Name": "tag:Name", "Values": ["blue"]}) == {b}
    assert ids({"Name": "tag-key", "Values": ["Name"]}) == {b}
    assert ids({"Name": "state", "Values": ["available"]}) >= {a, b}
    assert ids({"Name": "state", "Values": ["pending"]}) == set()


def test_default_vpc_can_be_deleted_once_it_is_empty(ec2):
    (vpc,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    vpc = vpc["VpcId"]
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    (gateway,) = ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    for subnet in ec2.describe_subnets(Filters=filters(vpc_id=vpc))["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=vpc)
    # It does not come back by itself.
    assert ec2.describe_vpcs()["Vpcs"] == []
