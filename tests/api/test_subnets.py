# SPDX-License-Identifier: Apache-2.0
"""Subnets (VPC user guide, "Subnets for your VPC"; EC2 API reference, CreateSubnet and the rest)."""
import re

import pytest

from conftest import error_code, filters, make_subnet, make_table, make_vpc


def show(ec2, subnet):
    return ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]


def test_create_answers_what_describe_shows(ec2, vpc, account):
    created = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]
    described = show(ec2, created["SubnetId"])
    assert created == {"Ipv6CidrBlockAssociationSet": [], "Tags": [], **described}
    assert re.fullmatch("subnet-[0-9a-f]{17}", created["SubnetId"])
    assert created["State"] == "available"
    assert created["VpcId"] == vpc and created["OwnerId"] == account.id
    assert created["DefaultForAz"] is False and created["MapPublicIpOnLaunch"] is False
    assert created["AssignIpv6AddressOnCreation"] is False
    assert created["SubnetArn"] == f"arn:aws:ec2:us-east-1:{account.id}:subnet/{created['SubnetId']}"
    assert created["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "ip-name"


@pytest.mark.parametrize("cidr,free", [("10.0.1.0/24", 251), ("10.0.0.0/28", 11), ("10.0.0.0/16", 65531)])
def test_five_addresses_are_reserved(ec2, vpc, cidr, free):
    assert show(ec2, make_subnet(ec2, vpc, cidr))["AvailableIpAddressCount"] == free


@pytest.mark.parametrize("cidr", ["10.0.0.0/29", "10.0.0.0/30", "10.0.0.0/15"])
def test_size_must_be_16_to_28(ec2, vpc, cidr):
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock=cidr) == "InvalidSubnet.Range"


@pytest.mark.parametrize("cidr", ["10.1.0.0/24", "192.168.0.0/24", "9.255.255.0/24"])
def test_must_be_inside_the_vpc(ec2, vpc, cidr):
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock=cidr) == "InvalidSubnet.Range"


def test_larger_than_its_vpc_is_refused(ec2):
    vpc = make_vpc(ec2, "10.0.0.0/24")
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.0.0/16") == "InvalidSubnet.Range"


@pytest.mark.parametrize("cidr", ["10.0.1.0/24", "10.0.1.128/25", "10.0.0.0/16", "10.0.1.16/28", "10.0.0.0/23"])
def test_must_not_overlap_another(ec2, vpc, cidr):
    make_subnet(ec2, vpc, "10.0.1.0/24")
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock=cidr) == "InvalidSubnet.Conflict"


def test_neighbours_do_not_overlap(ec2, vpc):
    make_subnet(ec2, vpc, "10.0.1.0/24")
    assert make_subnet(ec2, vpc, "10.0.0.0/24") and make_subnet(ec2, vpc, "10.0.2.0/23")


def test_cidr_of_a_deleted_subnet_is_free_again(ec2, vpc):
    ec2.delete_subnet(SubnetId=make_subnet(ec2, vpc))
    assert make_subnet(ec2, vpc)


def test_may_fill_its_vpc(ec2, vpc):
    assert make_subnet(ec2, vpc, "10.0.0.0/16")


def test_of_an_unknown_vpc_is_refused(ec2):
    assert error_code(ec2.create_subnet, VpcId="vpc-0123456789abcdef0", CidrBlock="10.0.0.0/24") == "InvalidVpcID.NotFound"


@pytest.mark.parametrize("zone", ["us-east-1a", "us-east-1b", "us-east-1c"])
def test_zone_by_name_and_its_id(ec2, vpc, zone):
    (known,) = ec2.describe_availability_zones(ZoneNames=[zone])["AvailabilityZones"]
    subnet = show(ec2, make_subnet(ec2, vpc, AvailabilityZone=zone))
    assert subnet["AvailabilityZone"] == zone and subnet["AvailabilityZoneId"] == known["ZoneId"]


def test_zone_by_id(ec2, vpc):
    zone = ec2.describe_availability_zones()["AvailabilityZones"][1]
    assert show(ec2, make_subnet(ec2, vpc, AvailabilityZoneId=zone["ZoneId"]))["AvailabilityZone"] == zone["ZoneName"]


@pytest.mark.parametrize("zone", ["us-east-1q", "eu-west-1a", "us-east-1", ""])
def test_unknown_zone_is_refused(ec2, vpc, zone):
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=zone) == "InvalidParameterValue"


def test_ipv6_is_a_64_of_the_vpc(ec2):
    vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True)
    prefix = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    first = prefix.replace("/56", "/64")
    subnet = show(ec2, make_subnet(ec2, vpc, Ipv6CidrBlock=first))
    (association,) = subnet["Ipv6CidrBlockAssociationSet"]
    assert association["Ipv6CidrBlock"] == first and association["Ipv6CidrBlockState"]["State"] == "associated"
    assert re.fullmatch("subnet-cidr-assoc-[0-9a-f]{17}", association["AssociationId"])
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/24", Ipv6CidrBlock=first) == "InvalidSubnet.Conflict"
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/24", Ipv6CidrBlock=prefix) == "InvalidSubnet.Range"
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/24",
                      Ipv6CidrBlock="2001:db8:ffff::/64") == "InvalidSubnet.Range"


def test_ipv6_needs_a_vpc_with_ipv6(ec2, vpc):
    assert error_code(ec2.create_subnet, VpcId=vpc, CidrBlock="10.0.2.0/24",
                      Ipv6CidrBlock="2001:db8:ffff::/64") == "InvalidSubnet.Range"


def test_uses_the_default_acl(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    (acl,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"]
    assert acl["IsDefault"] and acl["VpcId"] == vpc
    (association,) = acl["Associations"]
    assert association["SubnetId"] == subnet and association["NetworkAclId"] == acl["NetworkAclId"]


@pytest.mark.parametrize("parameter,shown", [
    ({"MapPublicIpOnLaunch": {"Value": True}}, lambda s: s["MapPublicIpOnLaunch"]),
    ({"EnableResourceNameDnsARecordOnLaunch": {"Value": True}},
     lambda s: s["PrivateDnsNameOptionsOnLaunch"]["EnableResourceNameDnsARecord"]),
    ({"PrivateDnsHostnameTypeOnLaunch": "resource-name"},
     lambda s: s["PrivateDnsNameOptionsOnLaunch"]["HostnameType"] == "resource-name"),
])
def test_attribute_can_be_changed(ec2, vpc, parameter, shown):
    subnet = make_subnet(ec2, vpc)
    assert not shown(show(ec2, subnet))
    ec2.modify_subnet_attribute(SubnetId=subnet, **parameter)
    assert shown(show(ec2, subnet))


def test_one_attribute_in_a_call(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    assert error_code(ec2.modify_subnet_attribute, SubnetId=subnet, MapPublicIpOnLaunch={"Value": True},
                      EnableDns64={"Value": True}) == "InvalidParameterCombination"


def test_ipv6_on_creation_needs_an_ipv6_cidr(ec2, vpc):
    assert error_code(ec2.modify_subnet_attribute, SubnetId=make_subnet(ec2, vpc),
                      AssignIpv6AddressOnCreation={"Value": True}) == "InvalidParameterValue"


def test_with_an_interface_cannot_be_deleted(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    assert show(ec2, subnet)["AvailableIpAddressCount"] == 250
    assert error_code(ec2.delete_subnet, SubnetId=subnet) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=subnet)
    assert error_code(ec2.describe_subnets, SubnetIds=[subnet]) == "InvalidSubnetID.NotFound"


def test_delete_ends_its_route_table_association(ec2, vpc):
    subnet, table = make_subnet(ec2, vpc), make_table(ec2, vpc)
    ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
    ec2.delete_subnet(SubnetId=subnet)
    assert ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Associations"] == []


def test_malformed_and_unknown_ids(ec2):
    assert error_code(ec2.describe_subnets, SubnetIds=["vpc-0123456789abcdef0"]) == "InvalidSubnetID.Malformed"
    assert error_code(ec2.delete_subnet, SubnetId="subnet-0123456789abcdef0") == "InvalidSubnetID.NotFound"


def test_filters(ec2, vpc):
    a = make_subnet(ec2, vpc, "10.0.1.0/24", AvailabilityZone="us-east-1a")
    b = make_subnet(ec2, vpc, "10.0.2.0/25", AvailabilityZone="us-east-1b")

    def ids(**given):
        return {s["SubnetId"] for s in ec2.describe_subnets(Filters=filters(vpc_id=vpc, **given))["Subnets"]}

    assert ids() == {a, b}
    assert ids(cidr_block="10.0.1.0/24") == {a}
    assert ids(availability_zone="us-east-1b") == {b}
    assert ids(available_ip_address_count="123") == {b}
    assert ids(state="available") == {a, b}
    assert ids(default_for_az="true") == set()
    assert ids(subnet_id=[a]) == {a}
    assert ids(map_public_ip_on_launch="true") == set()
