# SPDX-License-Identifier: Apache-2.0
"""NAT gateways (VPC user guide, "NAT gateways"; EC2 API reference). Their addresses later on:
test_nat_gateway_addresses.py."""
import re

import pytest

from conftest import error_code, filters, make_subnet
from net import Net, interface


@pytest.fixture
def net(ec2):
    return Net(ec2, gateway=True)


def allocate(ec2):
    return ec2.allocate_address(Domain="vpc")["AllocationId"]


def make(ec2, subnet, **params):
    if params.get("ConnectivityType") != "private":
        params.setdefault("AllocationId", allocate(ec2))
    return ec2.create_nat_gateway(SubnetId=subnet, **params)["NatGateway"]["NatGatewayId"]


def show(ec2, nat):
    return ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]


def address(ec2, allocation):
    return ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]


def test_public_gateway(ec2, net):
    allocation = allocate(ec2)
    created = ec2.create_nat_gateway(SubnetId=net.subnet, AllocationId=allocation, ClientToken="once", TagSpecifications=[
        {"ResourceType": "natgateway", "Tags": [{"Key": "Name", "Value": "out"}]}])
    nat = created["NatGateway"]
    assert created["ClientToken"] == "once" and nat["State"] == "pending"
    assert re.fullmatch("nat-[0-9a-f]{17}", nat["NatGatewayId"])
    shown = show(ec2, nat["NatGatewayId"])
    assert shown == {**nat, "State": "available"}
    assert shown["ConnectivityType"] == "public" and shown["SubnetId"] == net.subnet and shown["VpcId"] == net.vpc
    assert shown["Tags"] == [{"Key": "Name", "Value": "out"}] and "DeleteTime" not in shown
    eip = address(ec2, allocation)
    (only,) = shown["NatGatewayAddresses"]
    assert only == {"AllocationId": allocation, "NetworkInterfaceId": eip["NetworkInterfaceId"],
                    "PrivateIp": eip["PrivateIpAddress"], "PublicIp": eip["PublicIp"]}
    again = ec2.create_nat_gateway(SubnetId=net.subnet, AllocationId=allocation, ClientToken="once", TagSpecifications=[
        {"ResourceType": "natgateway", "Tags": [{"Key": "Name", "Value": "out"}]}])["NatGateway"]
    assert again["NatGatewayId"] == nat["NatGatewayId"]


def test_its_interface_is_the_gateways_own(ec2, net, account):
    nat = make(ec2, net.subnet, PrivateIpAddress="10.0.0.77")
    eni = interface(ec2, show(ec2, nat)["NatGatewayAddresses"][0]["NetworkInterfaceId"])
    assert eni["InterfaceType"] == "nat_gateway" and eni["RequesterManaged"] is True and eni["Status"] == "in-use"
    assert eni["PrivateIpAddress"] == "10.0.0.77" and eni["Groups"] == [] and eni["SourceDestCheck"] is False
    assert eni["Description"] == f"Interface for NAT Gateway {nat}"
    attachment = eni["Attachment"]
    assert attachment["AttachmentId"].startswith("ela-attach-") and attachment["InstanceOwnerId"] == "amazon-aws"
    assert attachment["Status"] == "attached" and "InstanceId" not in attachment
    found = ec2.describe_network_interfaces(Filters=filters(interface_type="nat_gateway", vpc_id=net.vpc))
    assert [e["NetworkInterfaceId"] for e in found["NetworkInterfaces"]] == [eni["NetworkInterfaceId"]]


def test_its_interface_is_nobody_elses(ec2, net):
    nat = make(ec2, net.subnet)
    eni = show(ec2, nat)["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    eip = show(ec2, nat)["NatGatewayAddresses"][0]["AllocationId"]
    attachment = interface(ec2, eni)["Attachment"]["AttachmentId"]
    assert error_code(ec2.delete_network_interface, NetworkInterfaceId=eni) == "InvalidNetworkInterface.InUse"
    assert error_code(ec2.detach_network_interface, AttachmentId=attachment) == "OperationNotPermitted"
    instance = net.run()["InstanceId"]
    assert error_code(ec2.attach_network_interface, NetworkInterfaceId=eni, InstanceId=instance,
                      DeviceIndex=1) == "InvalidNetworkInterface.InUse"
    for call, params in [
            (ec2.modify_network_interface_attribute, {"NetworkInterfaceId": eni, "SourceDestCheck": {"Value": True}}),
            (ec2.reset_network_interface_attribute, {"NetworkInterfaceId": eni, "SourceDestCheck": "true"}),
            (ec2.assign_private_ip_addresses, {"NetworkInterfaceId": eni, "SecondaryPrivateIpAddressCount": 1}),
            (ec2.unassign_private_ip_addresses, {"NetworkInterfaceId": eni, "PrivateIpAddresses": ["10.0.0.9"]}),
            (ec2.associate_address, {"AllocationId": allocate(ec2), "NetworkInterfaceId": eni}),
            (ec2.associate_address, {"AllocationId": eip, "InstanceId": instance}),
            (ec2.disassociate_address, {"AssociationId": address(ec2, eip)["AssociationId"]})]:
        assert error_code(call, **params) == "OperationNotPermitted"
    assert error_code(ec2.release_address, AllocationId=eip) == "InvalidIPAddress.InUse"
    assert show(ec2, nat)["State"] == "available"


def test_private_gateway(ec2):
    net = Net(ec2)  # without an internet gateway
    nat = show(ec2, make(ec2, net.subnet, ConnectivityType="private"))
    assert nat["State"] == "available" and nat["ConnectivityType"] == "private"
    (only,) = nat["NatGatewayAddresses"]
    assert "PublicIp" not in only and "AllocationId" not in only and only["PrivateIp"].startswith("10.0.0.")


def test_parameters_are_checked(ec2, net):
    code = lambda **params: error_code(ec2.create_nat_gateway, **{"SubnetId": net.subnet, **params})
    assert code() == "MissingParameter"
    assert code(ConnectivityType="odd", AllocationId=allocate(ec2)) == "InvalidParameterValue"
    assert code(ConnectivityType="private", AllocationId=allocate(ec2)) == "InvalidParameterCombination"
    assert code(AllocationId="eipalloc-0123456789abcdef0") == "InvalidElasticIpID.NotFound"
    assert code(AllocationId="nonsense") == "InvalidElasticIpID.Malformed"
    assert code(SubnetId="subnet-0123456789abcdef0", AllocationId=allocate(ec2)) == "InvalidSubnetID.NotFound"
    assert code(AllocationId=allocate(ec2), PrivateIpAddress="10.9.0.1") == "InvalidParameterValue"
    taken = net.eni()["PrivateIpAddress"]
    assert code(AllocationId=allocate(ec2), PrivateIpAddress=taken) == "InvalidIPAddress.InUse"
    assert ec2.describe_nat_gateways()["NatGateways"] == []


def test_other_accounts_address_does_not_exist(ec2, other, net):
    assert error_code(ec2.create_nat_gateway, SubnetId=net.subnet,
                      AllocationId=allocate(other.ec2)) == "InvalidElasticIpID.NotFound"
    nat = make(ec2, net.subnet)
    assert error_code(other.ec2.describe_nat_gateways, NatGatewayIds=[nat]) == "NatGatewayNotFound"
    assert error_code(other.ec2.delete_nat_gateway, NatGatewayId=nat) == "NatGatewayNotFound"
    assert error_code(other.ec2.create_nat_gateway, SubnetId=net.subnet,
                      AllocationId=allocate(other.ec2)) == "InvalidSubnetID.NotFound"


def test_without_an_internet_gateway_it_fails(ec2):
    net = Net(ec2)
    allocation = allocate(ec2)
    created = ec2.create_nat_gateway(SubnetId=net.subnet, AllocationId=allocation)["NatGateway"]
    assert created["State"] == "pending"
    nat = show(ec2, created["NatGatewayId"])
    assert nat["State"] == "failed" and nat["FailureCode"] == "Gateway.NotAttached"
    assert nat["FailureMessage"] == f"Network {net.vpc} has no Internet gateway attached"
    assert nat["NatGatewayAddresses"] == [{"AllocationId": allocation}]
    assert "AssociationId" not in address(ec2, allocation)
    ec2.delete_nat_gateway(NatGatewayId=nat["NatGatewayId"])
    assert show(ec2, nat["NatGatewayId"])["State"] == "deleted"


def test_with_an_address_in_use_it_fails(ec2, net):
    allocation = show(ec2, make(ec2, net.subnet))["NatGatewayAddresses"][0]["AllocationId"]
    nat = show(ec2, make(ec2, net.subnet, AllocationId=allocation))
    assert nat["State"] == "failed" and nat["FailureCode"] == "Resource.AlreadyAssociated"
    assert nat["FailureMessage"] == f"Elastic IP address {allocation} is already associated"


def test_without_free_addresses_it_fails(ec2, net):
    small = make_subnet(ec2, net.vpc, "10.0.9.0/28")
    net.eni(SubnetId=small, SecondaryPrivateIpAddressCount=10)
    nat = show(ec2, make(ec2, small))
    assert nat["State"] == "failed" and nat["FailureCode"] == "InsufficientFreeAddressesInSubnet"


def test_deleted_gateway(ec2, net):
    nat = make(ec2, net.subnet)
    before = show(ec2, nat)
    (only,) = before["NatGatewayAddresses"]
    assert ec2.delete_nat_gateway(NatGatewayId=nat)["NatGatewayId"] == nat
    after = show(ec2, nat)
    assert after.pop("DeleteTime") >= after["CreateTime"]
    assert after == {**before, "State": "deleted"}
    assert "AssociationId" not in address(ec2, only["AllocationId"])
    assert error_code(ec2.describe_network_interfaces,
                      NetworkInterfaceIds=[only["NetworkInterfaceId"]]) == "InvalidNetworkInterfaceID.NotFound"
    assert error_code(ec2.delete_nat_gateway, NatGatewayId=nat) == "NatGatewayNotFound"
    assert error_code(ec2.delete_nat_gateway, NatGatewayId="nat-0123456789abcdef0") == "NatGatewayNotFound"
    assert error_code(ec2.delete_nat_gateway, NatGatewayId="igw-0123456789abcdef0") == "NatGatewayMalformed"


def test_it_keeps_its_network(ec2, net):
    nat = make(ec2, net.subnet)
    assert error_code(ec2.delete_subnet, SubnetId=net.subnet) == "DependencyViolation"
    assert error_code(ec2.detach_internet_gateway, InternetGatewayId=net.gateway, VpcId=net.vpc) == "DependencyViolation"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.detach_internet_gateway(InternetGatewayId=net.gateway, VpcId=net.vpc)
    ec2.delete_subnet(SubnetId=net.subnet)
    ec2.delete_vpc(VpcId=net.vpc)


def test_waiters(ec2, net):
    nat = make(ec2, net.subnet)
    quick = {"Delay": 1, "MaxAttempts": 1}
    ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig=quick)
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat], WaiterConfig=quick)


def test_filters(ec2, net):
    public, private = make(ec2, net.subnet), make(ec2, make_subnet(ec2, net.vpc), ConnectivityType="private")
    gone = make(ec2, net.subnet, ConnectivityType="private")
    ec2.delete_nat_gateway(NatGatewayId=gone)
    ec2.create_tags(Resources=[private], Tags=[{"Key": "kind", "Value": "inner"}])

    def ids(**values):
        return {g["NatGatewayId"] for g in ec2.describe_nat_gateways(Filters=filters(**values))["NatGateways"]}

    assert ids(vpc_id=net.vpc) == {public, private, gone}
    assert ids(subnet_id=net.subnet) == {public, gone}
    assert ids(state="available") == {public, private} and ids(state=["deleted", "failed"]) == {gone}
    assert ids(nat_gateway_id=private) == {private}
    assert ids(tag_key="kind") == {private} and ids(**{"tag:kind": "inn*"}) == {private}
    assert error_code(ec2.describe_nat_gateways, Filters=filters(odd="x")) == "InvalidParameterValue"


def test_quota_is_of_a_zone(ec2, net):
    inner = make_subnet(ec2, net.vpc, AvailabilityZone="us-east-1a")
    last = [make(ec2, inner, ConnectivityType="private") for _ in range(50)][-1]
    code = error_code(ec2.create_nat_gateway, SubnetId=inner, ConnectivityType="private")
    assert code == "NatGatewayLimitExceeded"
    make(ec2, make_subnet(ec2, net.vpc, "10.0.2.0/24", AvailabilityZone="us-east-1b"), ConnectivityType="private")
    ec2.delete_nat_gateway(NatGatewayId=last)
    make(ec2, inner, ConnectivityType="private")
