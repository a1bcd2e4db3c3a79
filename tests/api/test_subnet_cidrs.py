# SPDX-License-Identifier: Apache-2.0
"""A subnet's blocks and attributes (VPC user guide, "Subnet CIDR blocks"; EC2 API reference)."""
import re

import pytest

from conftest import error, error_code, filters, make_subnet, make_vpc
from net import Net
from raw import Raw

NOT_FOUND = "InvalidSubnetCidrBlockAssociationID.NotFound"


@pytest.fixture
def six(ec2):
    """A VPC with IPv6 and its /56 as the beginning of a /64: six[1] + "a::/64"."""
    vpc = make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True)
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    assert block.endswith("00::/56")
    return vpc, block[:-len("00::/56")]


def describe(ec2, subnet):
    return ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]


def associate(ec2, subnet, cidr):
    return ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=cidr)["Ipv6CidrBlockAssociation"]


def test_ipv6_later(ec2, six):
    vpc, start = six
    subnet = make_subnet(ec2, vpc)
    association = associate(ec2, subnet, start + "07::99/64")
    assert re.fullmatch("subnet-cidr-assoc-[0-9a-f]{17}", association["AssociationId"])
    assert association["Ipv6CidrBlock"] == start + "07::/64"
    assert association["Ipv6CidrBlockState"] == {"State": "associating"}
    (shown,) = describe(ec2, subnet)["Ipv6CidrBlockAssociationSet"]
    assert shown == {**association, "Ipv6CidrBlockState": {"State": "associated"}}
    eni = ec2.create_network_interface(SubnetId=subnet, Ipv6AddressCount=1)["NetworkInterface"]
    assert eni["Ipv6Addresses"][0]["Ipv6Address"].startswith(start + "07:")


def test_one_ipv6_block_a_subnet(ec2, six):
    vpc, start = six
    subnet = make_subnet(ec2, vpc, Ipv6CidrBlock=start + "01::/64")
    assert error_code(associate, ec2=ec2, subnet=subnet, cidr=start + "02::/64") == "CidrLimitExceeded"


@pytest.mark.parametrize("tail, code", [("02::/63", "InvalidSubnet.Range"), ("02::/65", "InvalidSubnet.Range"),
                                        ("01::/64", "InvalidSubnet.Conflict")])
def test_block_that_does_not_fit(ec2, six, tail, code):
    vpc, start = six
    make_subnet(ec2, vpc, "10.0.9.0/24", Ipv6CidrBlock=start + "01::/64")
    subnet = make_subnet(ec2, vpc)
    assert error_code(associate, ec2=ec2, subnet=subnet, cidr=start + tail) == code
    assert error_code(make_subnet, ec2=ec2, vpc=vpc, cidr="10.0.7.0/24", Ipv6CidrBlock=start + tail) == code


def test_block_outside_of_the_vpc(ec2, six):
    subnet = make_subnet(ec2, six[0])
    assert error_code(associate, ec2=ec2, subnet=subnet, cidr="2001:db8::/64") == "InvalidSubnet.Range"
    assert error_code(associate, ec2=ec2, subnet=subnet, cidr="10.0.0.0/24") == "InvalidParameterValue"
    assert error_code(associate, ec2=ec2, subnet="subnet-0123456789abcdef0", cidr="2001:db8::/64") == "InvalidSubnetID.NotFound"


def test_block_goes_once_nothing_is_in_it(ec2, other):
    net = Net(ec2, ipv6=True)
    (association,) = describe(ec2, net.subnet)["Ipv6CidrBlockAssociationSet"]
    ec2.modify_subnet_attribute(SubnetId=net.subnet, AssignIpv6AddressOnCreation={"Value": True})
    eni = net.eni()["NetworkInterfaceId"]
    assert error(ec2.disassociate_subnet_cidr_block, AssociationId=association["AssociationId"])[0] == "InvalidCidrBlock.InUse"
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    assert error_code(other.ec2.disassociate_subnet_cidr_block, AssociationId=association["AssociationId"]) == NOT_FOUND
    answer = ec2.disassociate_subnet_cidr_block(AssociationId=association["AssociationId"])
    assert answer["SubnetId"] == net.subnet
    assert answer["Ipv6CidrBlockAssociation"]["Ipv6CidrBlockState"] == {"State": "disassociating"}
    shown = describe(ec2, net.subnet)
    assert shown["Ipv6CidrBlockAssociationSet"] == [] and shown["AssignIpv6AddressOnCreation"] is False
    assert error_code(ec2.disassociate_subnet_cidr_block, AssociationId=association["AssociationId"]) == NOT_FOUND


def test_host_bits_of_the_cidr_are_dropped(ec2, vpc):
    # CreateSubnet: "we modify the specified CIDR block to its canonical form"
    assert ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.3.7/24")["Subnet"]["CidrBlock"] == "10.0.3.0/24"


@pytest.mark.parametrize("params, code", [
    ({"CidrBlock": "10.0.1.0/24", "OutpostArn": "arn:aws:outposts:us-east-1:123456789012:outpost/op-1"}, "UnsupportedOperation"),
    ({"CidrBlock": "10.0.1.0/24", "Ipv6Native": "true"}, "UnsupportedOperation"),
    ({"Ipv4IpamPoolId": "ipam-pool-1", "Ipv4NetmaskLength": "24"}, "InvalidIpamPoolId.NotFound"),
    ({"Ipv6IpamPoolId": "ipam-pool-1"}, "InvalidIpamPoolId.NotFound"),
    ({"Ipv4NetmaskLength": "24"}, "MissingParameter"),
    ({}, "MissingParameter"),
    ({"CidrBlock": "2001:db8::/64"}, "InvalidParameterValue"),
    ({"CidrBlock": "10.0.1.0/24", "Ipv6CidrBlock": "10.0.0.0/24"}, "InvalidParameterValue"),
    ({"CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a", "AvailabilityZoneId": "use1-az1"}, "InvalidParameterCombination"),
    ({"CidrBlock": "10.0.1.0/24", "AvailabilityZoneId": "use1-az9"}, "InvalidParameterValue"),
])
def test_what_cannot_be_asked_for(account, vpc, params, code):
    assert Raw(account).call("CreateSubnet", VpcId=vpc, **params).code == code


def test_attributes_of_outposts_are_refused(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    for params in ({"EnableLniAtDeviceIndex": 1}, {"DisableLniAtDeviceIndex": {"Value": True}},
                   {"MapCustomerOwnedIpOnLaunch": {"Value": True}, "CustomerOwnedIpv4Pool": "ipv4pool-coip-1"}):
        assert error_code(ec2.modify_subnet_attribute, SubnetId=subnet, **params) == "UnsupportedOperation"


def test_filters(ec2, account, six):
    vpc, start = six
    make_subnet(ec2, vpc, "10.0.9.0/28", AvailabilityZone="us-east-1b")
    subnet = make_subnet(ec2, vpc, AvailabilityZone="us-east-1c", Ipv6CidrBlock=start + "01::/64")
    for params in ({"MapPublicIpOnLaunch": {"Value": True}}, {"EnableDns64": {"Value": True}},
                   {"EnableResourceNameDnsARecordOnLaunch": {"Value": True}},
                   {"EnableResourceNameDnsAAAARecordOnLaunch": {"Value": True}},
                   {"PrivateDnsHostnameTypeOnLaunch": "resource-name"}):
        ec2.modify_subnet_attribute(SubnetId=subnet, **params)
    ec2.create_tags(Resources=[subnet], Tags=[{"Key": "Name", "Value": "x"}])
    shown = describe(ec2, subnet)
    assert shown["Ipv6Native"] is False and shown["MapCustomerOwnedIpOnLaunch"] is False

    def ids(name, value):
        found = ec2.describe_subnets(Filters=[{"Name": name, "Values": [value]}, {"Name": "vpc-id", "Values": [vpc]}])
        return [s["SubnetId"] for s in found["Subnets"]]

    launch = "private-dns-name-options-on-launch."
    for name, value in (("availability-zone", "us-east-1c"), ("availabilityZone", "us-east-1c"),
                        ("availability-zone-id", shown["AvailabilityZoneId"]), ("availabilityZoneId", "use1-az3"),
                        ("available-ip-address-count", "251"), ("cidr-block", "10.0.1.0/24"), ("cidr", "10.0.1.0/24"),
                        ("cidrBlock", "10.0.1.0/24"), ("enable-dns64", "true"),
                        ("ipv6-cidr-block-association.ipv6-cidr-block", start + "01::/64"),
                        ("ipv6-cidr-block-association.association-id",
                         shown["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]),
                        ("ipv6-cidr-block-association.state", "associated"), ("map-public-ip-on-launch", "true"),
                        (launch + "hostname-type", "resource-name"), (launch + "enable-resource-name-dns-a-record", "true"),
                        (launch + "enable-resource-name-dns-aaaa-record", "true"), ("subnet-arn", shown["SubnetArn"]),
                        ("subnet-id", subnet), ("tag:Name", "x"), ("tag-key", "Name")):
        assert ids(name, value) == [subnet], name
    for name, value in (("default-for-az", "false"), ("defaultForAz", "false"), ("ipv6-native", "false"),
                        ("map-customer-owned-ip-on-launch", "false"), ("owner-id", account.id), ("state", "available")):
        assert len(ids(name, value)) == 2, name
    for name in ("customer-owned-ipv4-pool", "enable-lni-at-device-index", "outpost-arn"):
        assert ids(name, "*") == [], name


def test_200_subnets_a_vpc(ec2, vpc):
    for n in range(200):
        make_subnet(ec2, vpc, f"10.0.{n}.0/24")
    assert error_code(make_subnet, ec2=ec2, vpc=vpc, cidr="10.0.200.0/24") == "SubnetLimitExceeded"
