# SPDX-License-Identifier: Apache-2.0
"""Virtual private gateways, propagation, customer gateways (Site-to-Site VPN user guide; EC2 API
reference)."""
import re

import pytest

from conftest import error_code, filters, make_table, make_vpc


def make(ec2, vpc=None, **params):
    gateway = ec2.create_vpn_gateway(Type="ipsec.1", **params)["VpnGateway"]["VpnGatewayId"]
    if vpc:
        ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    return gateway


def show(ec2, gateway):
    return ec2.describe_vpn_gateways(VpnGatewayIds=[gateway])["VpnGateways"][0]


def propagating(ec2, table):
    table = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    return [g["GatewayId"] for g in table["PropagatingVgws"]]


def test_new_gateway_is_detached(ec2):
    created = ec2.create_vpn_gateway(Type="ipsec.1", TagSpecifications=[
        {"ResourceType": "vpn-gateway", "Tags": [{"Key": "a", "Value": "b"}]}])["VpnGateway"]
    assert re.fullmatch("vgw-[0-9a-f]{17}", created["VpnGatewayId"])
    assert created["State"] == "available" and created["Type"] == "ipsec.1" and created["VpcAttachments"] == []
    assert created["AmazonSideAsn"] == 64512 and created["Tags"] == [{"Key": "a", "Value": "b"}]
    assert show(ec2, created["VpnGatewayId"]) == created


@pytest.mark.parametrize("asn,ok", [(64512, True), (65534, True), (4200000000, True), (4294967294, True),
                                    (64511, False), (65535, False), (4199999999, False), (4294967295, False)])
def test_private_asns_only(ec2, asn, ok):
    if ok:
        assert show(ec2, make(ec2, AmazonSideAsn=asn))["AmazonSideAsn"] == asn
    else:
        assert error_code(ec2.create_vpn_gateway, Type="ipsec.1", AmazonSideAsn=asn) == "InvalidParameterValue"


def test_type_and_zone_are_checked(ec2):
    assert error_code(ec2.create_vpn_gateway, Type="ipsec.2") == "InvalidParameterValue"
    assert error_code(ec2.create_vpn_gateway, Type="ipsec.1", AvailabilityZone="moon-1a") == "InvalidParameterValue"
    assert show(ec2, make(ec2, AvailabilityZone="us-east-1a"))["AvailabilityZone"] == "us-east-1a"


def test_attach_and_detach(ec2, vpc):
    gateway = make(ec2)
    assert ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)["VpcAttachment"] == {"State": "attaching", "VpcId": vpc}
    assert show(ec2, gateway)["VpcAttachments"] == [{"State": "attached", "VpcId": vpc}]
    assert ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)["VpcAttachment"]["State"] == "attached"
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    assert show(ec2, gateway)["VpcAttachments"] == [{"State": "detached", "VpcId": vpc}]
    assert error_code(ec2.detach_vpn_gateway, VpnGatewayId=gateway,
                      VpcId=vpc) == "InvalidVpnGatewayAttachment.NotFound"


def test_one_to_one(ec2, vpc):
    gateway = make(ec2, vpc)
    assert error_code(ec2.attach_vpn_gateway, VpnGatewayId=make(ec2), VpcId=vpc) == "InvalidVpcState"
    assert error_code(ec2.attach_vpn_gateway, VpnGatewayId=gateway,
                      VpcId=make_vpc(ec2)) == "VpnGatewayAttachmentLimitExceeded"


def test_attached_gateway_is_in_use(ec2, vpc):
    gateway = make(ec2, vpc)
    assert error_code(ec2.delete_vpn_gateway, VpnGatewayId=gateway) == "IncorrectState"
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpn_gateway(VpnGatewayId=gateway)
    ec2.delete_vpc(VpcId=vpc)


def test_deleted_gateway_is_shown_and_of_no_use(ec2, vpc):
    gateway = make(ec2)
    ec2.delete_vpn_gateway(VpnGatewayId=gateway)
    assert show(ec2, gateway)["State"] == "deleted"
    assert error_code(ec2.attach_vpn_gateway, VpnGatewayId=gateway, VpcId=vpc) == "InvalidVpnGatewayID.NotFound"
    assert error_code(ec2.delete_vpn_gateway, VpnGatewayId=gateway) == "InvalidVpnGatewayID.NotFound"


def test_propagation(ec2, vpc):
    gateway, table = make(ec2, vpc), make_table(ec2, vpc)
    ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert propagating(ec2, table) == [gateway]
    ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert propagating(ec2, table) == []
    ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    assert propagating(ec2, table) == []


def test_propagation_needs_an_attached_gateway(ec2, vpc):
    table = make_table(ec2, vpc)
    for gateway in (make(ec2), make(ec2, make_vpc(ec2))):
        assert error_code(ec2.enable_vgw_route_propagation, GatewayId=gateway,
                          RouteTableId=table) == "Gateway.NotAttached"
    assert error_code(ec2.enable_vgw_route_propagation, GatewayId="vgw-0123456789abcdef0",
                      RouteTableId=table) == "InvalidVpnGatewayID.NotFound"


def test_filters(ec2, vpc):
    attached, free = make(ec2, vpc, AmazonSideAsn=64999), make(ec2)

    def ids(**values):
        return {g["VpnGatewayId"] for g in ec2.describe_vpn_gateways(Filters=filters(**values))["VpnGateways"]}

    assert ids(amazon_side_asn="64999") == {attached}
    assert ids(**{"attachment.vpc-id": vpc}) == {attached}
    assert ids(**{"attachment.state": "attached"}) == {attached}
    assert ids(state="available", type="ipsec.1") == {attached, free}
    assert ids(vpn_gateway_id=free) == {free}


def test_other_account_sees_nothing(ec2, other, vpc):
    gateway = make(ec2, vpc)
    assert error_code(other.ec2.describe_vpn_gateways, VpnGatewayIds=[gateway]) == "InvalidVpnGatewayID.NotFound"
    assert other.ec2.describe_vpn_gateways()["VpnGateways"] == []


def customer(ec2, **params):
    params = {"Type": "ipsec.1", "BgpAsn": 65000, "IpAddress": "198.51.100.7", **params}
    return ec2.create_customer_gateway(**params)["CustomerGateway"]


def test_new_customer_gateway(ec2):
    created = customer(ec2, DeviceName="router", BgpAsn=65010)
    assert re.fullmatch("cgw-[0-9a-f]{17}", created["CustomerGatewayId"])
    assert {k: created[k] for k in ("BgpAsn", "IpAddress", "State", "Type", "DeviceName", "Tags")} == {
        "BgpAsn": "65010", "IpAddress": "198.51.100.7", "State": "available", "Type": "ipsec.1",
        "DeviceName": "router", "Tags": []}
    assert ec2.describe_customer_gateways(
        CustomerGatewayIds=[created["CustomerGatewayId"]])["CustomerGateways"] == [created]


def test_identical_request_names_the_one_that_is_there(ec2):
    first = customer(ec2)["CustomerGatewayId"]
    assert customer(ec2)["CustomerGatewayId"] == first
    assert customer(ec2, DeviceName="second")["CustomerGatewayId"] != first
    assert customer(ec2, BgpAsn=65001)["CustomerGatewayId"] != first
    ec2.delete_customer_gateway(CustomerGatewayId=first)
    assert customer(ec2)["CustomerGatewayId"] != first


@pytest.mark.parametrize("params,code", [
    ({"Type": "ipsec.9"}, "InvalidParameterValue"), ({"IpAddress": "0.0.0.0"}, "InvalidParameterValue"),
    ({"IpAddress": "224.0.0.1"}, "InvalidParameterValue"), ({"IpAddress": "127.0.0.1"}, "InvalidParameterValue"),
    ({"IpAddress": "not an address"}, "InvalidParameterValue"), ({"BgpAsn": 0}, "InvalidParameterValue"),
    ({"BgpAsn": 7224}, "InvalidParameterValue"), ({"PublicIp": "198.51.100.8"}, "InvalidParameterCombination"),
    ({"CertificateArn": "nonsense"}, "InvalidParameterValue")])
def test_customer_gateway_is_checked(ec2, params, code):
    params = {"Type": "ipsec.1", "BgpAsn": 65000, "IpAddress": "198.51.100.7", **params}
    assert error_code(ec2.create_customer_gateway, **params) == code


def test_customer_gateway_needs_an_address_or_a_certificate(ec2):
    assert error_code(ec2.create_customer_gateway, Type="ipsec.1", BgpAsn=65000) == "MissingParameter"
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/x"
    created = ec2.create_customer_gateway(Type="ipsec.1", BgpAsn=65000, CertificateArn=arn)["CustomerGateway"]
    assert created["CertificateArn"] == arn and "IpAddress" not in created


def test_deleted_customer_gateway_is_shown(ec2):
    gateway = customer(ec2)["CustomerGatewayId"]
    ec2.delete_customer_gateway(CustomerGatewayId=gateway)
    assert ec2.describe_customer_gateways(CustomerGatewayIds=[gateway])["CustomerGateways"][0]["State"] == "deleted"
    for gone in (gateway, "cgw-0123456789abcdef0"):
        assert error_code(ec2.delete_customer_gateway, CustomerGatewayId=gone) == "InvalidCustomerGatewayID.NotFound"


def test_customer_gateway_filters(ec2):
    gateway, second = customer(ec2)["CustomerGatewayId"], customer(ec2, BgpAsn=65001)["CustomerGatewayId"]

    def ids(**values):
        return {g["CustomerGatewayId"]
                for g in ec2.describe_customer_gateways(Filters=filters(**values))["CustomerGateways"]}

    assert ids(bgp_asn="65001") == {second}
    assert ids(ip_address="198.51.100.*", type="ipsec.1", state="available") == {gateway, second}
    assert ids(customer_gateway_id=gateway) == {gateway}
