# SPDX-License-Identifier: Apache-2.0
"""Egress-only internet gateways (VPC user guide; EC2 API reference)."""
import re

from conftest import error_code, filters, make_vpc


def make(ec2, vpc, **params):
    return ec2.create_egress_only_internet_gateway(VpcId=vpc, **params)["EgressOnlyInternetGateway"]


def ids(ec2, **values):
    return {g["EgressOnlyInternetGatewayId"] for g in ec2.describe_egress_only_internet_gateways(
        Filters=filters(**values))["EgressOnlyInternetGateways"]}


def test_new_gateway_is_attached(ec2, vpc):
    created = make(ec2, vpc, TagSpecifications=[{"ResourceType": "egress-only-internet-gateway",
                                                 "Tags": [{"Key": "Name", "Value": "out"}]}])
    assert re.fullmatch("eigw-[0-9a-f]{17}", created["EgressOnlyInternetGatewayId"])
    assert created["Attachments"] == [{"State": "attached", "VpcId": vpc}]
    assert created["Tags"] == [{"Key": "Name", "Value": "out"}]
    (shown,) = ec2.describe_egress_only_internet_gateways(
        EgressOnlyInternetGatewayIds=[created["EgressOnlyInternetGatewayId"]])["EgressOnlyInternetGateways"]
    assert shown == created


def test_same_token_makes_one(ec2, vpc):
    first = ec2.create_egress_only_internet_gateway(VpcId=vpc, ClientToken="t")
    again = ec2.create_egress_only_internet_gateway(VpcId=vpc, ClientToken="t")
    assert first["ClientToken"] == "t"
    assert first["EgressOnlyInternetGateway"] == again["EgressOnlyInternetGateway"]


def test_vpc_has_one(ec2, vpc):
    make(ec2, vpc)
    assert error_code(ec2.create_egress_only_internet_gateway, VpcId=vpc) == "InvalidParameterValue"
    make(ec2, make_vpc(ec2))


def test_keeps_its_vpc(ec2, vpc):
    gateway = make(ec2, vpc)["EgressOnlyInternetGatewayId"]
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    assert ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)["ReturnCode"] is True
    ec2.delete_vpc(VpcId=vpc)


def test_unknown_and_foreign(ec2, other, vpc):
    gateway = make(ec2, vpc)["EgressOnlyInternetGatewayId"]
    assert error_code(ec2.create_egress_only_internet_gateway, VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    for client, gone in ((ec2, "eigw-0123456789abcdef0"), (other.ec2, gateway)):
        assert error_code(client.delete_egress_only_internet_gateway,
                          EgressOnlyInternetGatewayId=gone) == "InvalidGatewayID.NotFound"
        assert error_code(client.describe_egress_only_internet_gateways,
                          EgressOnlyInternetGatewayIds=[gone]) == "InvalidGatewayID.NotFound"
    assert error_code(ec2.delete_egress_only_internet_gateway,
                      EgressOnlyInternetGatewayId="igw-0123456789abcdef0") == "InvalidEgressOnlyInternetGatewayId.Malformed"
    assert ids(other.ec2) == set()


def test_filters_by_tag(ec2, vpc):
    gateway = make(ec2, vpc)["EgressOnlyInternetGatewayId"]
    make(ec2, make_vpc(ec2))
    ec2.create_tags(Resources=[gateway], Tags=[{"Key": "role", "Value": "egress"}])
    assert ids(ec2, tag_key="role") == {gateway}
    found = ec2.describe_egress_only_internet_gateways(Filters=[{"Name": "tag:role", "Values": ["egr*"]}])
    assert [g["EgressOnlyInternetGatewayId"] for g in found["EgressOnlyInternetGateways"]] == [gateway]
