# SPDX-License-Identifier: Apache-2.0
"""Internet gateways (VPC user guide, "Internet gateways"; EC2 API reference)."""
import re

from conftest import error_code, make_gateway, make_vpc


def show(ec2, gateway):
    return ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]


def test_new_gateway_is_detached(ec2, account):
    created = ec2.create_internet_gateway()["InternetGateway"]
    assert re.fullmatch("igw-[0-9a-f]{17}", created["InternetGatewayId"])
    assert created["Attachments"] == [] and created["OwnerId"] == account.id and created["Tags"] == []
    assert show(ec2, created["InternetGatewayId"]) == created


def test_attached_gateway_is_available(ec2, vpc):
    gateway = make_gateway(ec2, vpc)
    assert show(ec2, gateway)["Attachments"] == [{"State": "available", "VpcId": vpc}]


def test_attached_gateway_cannot_be_attached_again(ec2, vpc):
    gateway = make_gateway(ec2, vpc)
    assert error_code(ec2.attach_internet_gateway, InternetGatewayId=gateway,
                      VpcId=make_vpc(ec2)) == "Resource.AlreadyAssociated"


def test_vpc_has_one_gateway(ec2, vpc):
    make_gateway(ec2, vpc)
    assert error_code(ec2.attach_internet_gateway, InternetGatewayId=make_gateway(ec2), VpcId=vpc) == "InvalidParameterValue"


def test_attached_gateway_cannot_be_deleted(ec2, vpc):
    assert error_code(ec2.delete_internet_gateway, InternetGatewayId=make_gateway(ec2, vpc)) == "DependencyViolation"


def test_detached_gateway_can_be_deleted(ec2, vpc):
    gateway = make_gateway(ec2, vpc)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert show(ec2, gateway)["Attachments"] == []
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert error_code(ec2.describe_internet_gateways,
                      InternetGatewayIds=[gateway]) == "InvalidInternetGatewayID.NotFound"


def test_detach_from_where_it_is_not(ec2, vpc):
    assert error_code(ec2.detach_internet_gateway, InternetGatewayId=make_gateway(ec2), VpcId=vpc) == "Gateway.NotAttached"
    elsewhere = make_gateway(ec2, make_vpc(ec2))
    assert error_code(ec2.detach_internet_gateway, InternetGatewayId=elsewhere, VpcId=vpc) == "Gateway.NotAttached"


def test_unknown_gateway_or_vpc(ec2, vpc):
    assert error_code(ec2.attach_internet_gateway, InternetGatewayId="igw-0123456789abcdef0",
                      VpcId=vpc) == "InvalidInternetGatewayID.NotFound"
    assert error_code(ec2.attach_internet_gateway, InternetGatewayId=make_gateway(ec2),
                      VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    assert error_code(ec2.describe_internet_gateways,
                      InternetGatewayIds=["nat-0123456789abcdef0"]) == "InvalidInternetGatewayId.Malformed"


def test_filters(ec2, vpc):
    attached, free = make_gateway(ec2, vpc), make_gateway(ec2)

    def ids(name, value):
        return {g["InternetGatewayId"] for g in ec2.describe_internet_gateways(
            Filters=[{"Name": name, "Values": [value]}])["InternetGateways"]}

    assert ids("attachment.vpc-id", vpc) == {attached}
    assert attached in ids("attachment.state", "available") and free not in ids("attachment.state", "available")
    assert ids("internet-gateway-id", free) == {free}
