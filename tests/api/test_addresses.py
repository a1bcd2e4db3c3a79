# SPDX-License-Identifier: Apache-2.0
"""Elastic IPs and addresses given at launch.

    pool 203.0.113.0/24 (.1 is the host's)
      |  internet gateway
    VPC 10.0.0.0/16, subnet 10.0.0.0/24    interfaces, instances on paper
"""
import ipaddress

import pytest
from conftest import Vpcd, error_code
from net import Net, instance, interface

POOL = ipaddress.ip_network("203.0.113.0/24")


@pytest.fixture
def net(ec2):
    return Net(ec2, gateway=True)


@pytest.fixture
def eip(ec2):
    address = ec2.allocate_address(Domain="vpc")
    yield address
    seen = ec2.describe_addresses(AllocationIds=[address["AllocationId"]])["Addresses"][0]
    if "AssociationId" in seen:
        ec2.disassociate_address(AssociationId=seen["AssociationId"])
    ec2.release_address(AllocationId=address["AllocationId"])


def described(ec2, eip):
    return ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0]


def test_allocate(ec2, eip):
    assert ipaddress.ip_address(eip["PublicIp"]) in POOL
    assert (eip["Domain"], eip["NetworkBorderGroup"], eip["PublicIpv4Pool"]) == ("vpc", "us-east-1", "amazon")
    seen = described(ec2, eip)
    assert seen["PublicIp"] == eip["PublicIp"] and "AssociationId" not in seen
    assert ec2.describe_addresses(PublicIps=[eip["PublicIp"]])["Addresses"] == [seen]


def test_a_released_address_is_not_given_out_at_once(ec2):
    given = []
    for _ in range(20):
        address = ec2.allocate_address()
        given.append(address["PublicIp"])
        ec2.release_address(AllocationId=address["AllocationId"])
    assert len(set(given)) == 20


def test_a_pool_is_given_out_whole_and_no_more():
    """Of a /29, the first is the network, the second the host's, the last not used: five are left."""
    keys = [("AKIAPOOL", "secret", "000000000042"), ("AKIAPOOM", "secret", "000000000043")]
    vpcd = Vpcd(credentials=keys, options=["--public-pool", "198.51.100.8/29"]).start()
    try:
        one, two = vpcd.client("AKIAPOOL", "secret"), vpcd.client("AKIAPOOM", "secret")
        given = [one.allocate_address()["PublicIp"] for _ in range(3)] + [two.allocate_address()["PublicIp"] for _ in range(2)]
        assert sorted(given) == [f"198.51.100.{n}" for n in range(10, 15)]
        assert error_code(one.allocate_address) == "InsufficientAddressCapacity"
        two.release_address(AllocationId=two.describe_addresses()["Addresses"][0]["AllocationId"])
        one.allocate_address()
    finally:
        vpcd.close()


def test_parameters_of_allocation(ec2):
    assert error_code(ec2.allocate_address, Domain="standard") == "InvalidParameterValue"
    assert error_code(ec2.allocate_address, NetworkBorderGroup="eu-west-1") == "InvalidParameterValue"
    assert error_code(ec2.allocate_address, Address="8.8.8.8") == "InvalidAddress.NotFound"
    assert error_code(ec2.allocate_address, Address=str(POOL[1])) == "InvalidAddress.NotFound"


def test_another_accounts_address_does_not_exist(eip, other, account):
    assert error_code(other.ec2.release_address, AllocationId=eip["AllocationId"]) == "InvalidAllocationID.NotFound"
    assert error_code(other.ec2.release_address, PublicIp=eip["PublicIp"]) == "InvalidAddress.NotFound"
    assert other.ec2.describe_addresses()["Addresses"] == []
    assert account.client("ec2", "eu-west-1").describe_addresses()["Addresses"] == []


def test_neither_and_both(ec2, eip):
    assert error_code(ec2.release_address) == "MissingParameter"
    assert error_code(ec2.release_address, PublicIp=eip["PublicIp"], AllocationId=eip["AllocationId"]) == \
        "InvalidParameterCombination"


def test_tags_and_filters(ec2):
    tags = [{"Key": "Name", "Value": "door"}]
    address = ec2.allocate_address(TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": tags}])
    ec2.allocate_address()
    for name, value in (("tag:Name", "door"), ("public-ip", address["PublicIp"]),
                        ("allocation-id", address["AllocationId"])):
        found = ec2.describe_addresses(Filters=[{"Name": name, "Values": [value]}])["Addresses"]
        assert [a["AllocationId"] for a in found] == [address["AllocationId"]]
        assert found[0]["Tags"] == tags
    for a in ec2.describe_addresses()["Addresses"]:
        ec2.release_address(AllocationId=a["AllocationId"])


def test_address_attribute(ec2, eip):
    seen = ec2.describe_addresses_attribute(AllocationIds=[eip["AllocationId"]], Attribute="domain-name")["Addresses"]
    assert seen == [{"PublicIp": eip["PublicIp"], "AllocationId": eip["AllocationId"]}]


def test_associate_with_an_interface(ec2, net, eip):
    eni = net.eni()
    made = ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=eni["NetworkInterfaceId"])
    seen = described(ec2, eip)
    assert seen["AssociationId"] == made["AssociationId"]
    assert (seen["NetworkInterfaceId"], seen["PrivateIpAddress"]) == (eni["NetworkInterfaceId"], eni["PrivateIpAddress"])
    association = interface(ec2, eni["NetworkInterfaceId"])["Association"]
    assert (association["PublicIp"], association["AllocationId"]) == (eip["PublicIp"], eip["AllocationId"])
    assert association["IpOwnerId"] == seen["NetworkInterfaceOwnerId"]
    ec2.disassociate_address(AssociationId=made["AssociationId"])
    assert "AssociationId" not in described(ec2, eip)
    assert "Association" not in interface(ec2, eni["NetworkInterfaceId"])


def test_associate_with_a_secondary_address(ec2, net, eip):
    eni = net.eni(PrivateIpAddresses=[{"PrivateIpAddress": "10.0.0.20", "Primary": True}, {"PrivateIpAddress": "10.0.0.21"}])
    eni = eni["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=eni, PrivateIpAddress="10.0.0.21")
    seen = interface(ec2, eni)
    assert "Association" not in seen
    assert seen["PrivateIpAddresses"][1]["Association"]["PublicIp"] == eip["PublicIp"]
    assert error_code(ec2.associate_address, AllocationId=eip["AllocationId"], NetworkInterfaceId=eni,
                      PrivateIpAddress="10.0.0.22") == "InvalidParameterValue"
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.21"])
    assert "AssociationId" not in described(ec2, eip)


def test_associate_with_an_instance(ec2, net, eip):
    i = net.run()["InstanceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=i)
    assert instance(ec2, i)["PublicIpAddress"] == eip["PublicIp"]
    assert described(ec2, eip)["InstanceId"] == i
    found = ec2.describe_addresses(Filters=[{"Name": "instance-id", "Values": [i]}])["Addresses"]
    assert [a["PublicIp"] for a in found] == [eip["PublicIp"]]
    ec2.disassociate_address(PublicIp=eip["PublicIp"])
    assert "PublicIpAddress" not in instance(ec2, i)


def test_associate_with_an_instance_of_two_interfaces(ec2, net, eip):
    i = net.run()["InstanceId"]
    ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=net.eni()["NetworkInterfaceId"], DeviceIndex=1)
    assert error_code(ec2.associate_address, AllocationId=eip["AllocationId"], InstanceId=i) == "InvalidInstanceID"


def test_associate_needs_a_gateway(ec2, eip):
    eni = Net(ec2).eni()["NetworkInterfaceId"]
    assert error_code(ec2.associate_address, AllocationId=eip["AllocationId"], NetworkInterfaceId=eni) == \
        "Gateway.NotAttached"


def test_gateway_stays_while_addresses_are_mapped(ec2, net, eip):
    ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=net.eni()["NetworkInterfaceId"])
    assert error_code(ec2.detach_internet_gateway, InternetGatewayId=net.gateway, VpcId=net.vpc) == "DependencyViolation"


def test_same_association_again(ec2, net, eip):
    ask = {"AllocationId": eip["AllocationId"], "NetworkInterfaceId": net.eni()["NetworkInterfaceId"]}
    first = ec2.associate_address(**ask)["AssociationId"]
    assert ec2.associate_address(**ask)["AssociationId"] == first
    assert ec2.associate_address(AllowReassociation=False, **ask)["AssociationId"] == first


def test_reassociation(ec2, net, eip):
    a, b = net.eni()["NetworkInterfaceId"], net.eni()["NetworkInterfaceId"]
    first = ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=a)["AssociationId"]
    assert error_code(ec2.associate_address, AllocationId=eip["AllocationId"], NetworkInterfaceId=b,
                      AllowReassociation=False) == "Resource.AlreadyAssociated"
    assert ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=b)["AssociationId"] != first
    assert "Association" not in interface(ec2, a)
    assert interface(ec2, b)["Association"]["PublicIp"] == eip["PublicIp"]


def test_a_second_address_for_one_interface(ec2, net, eip):
    second = ec2.allocate_address()
    eni = net.eni()["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=eni)
    assert error_code(ec2.associate_address, AllocationId=second["AllocationId"], NetworkInterfaceId=eni,
                      AllowReassociation=False) == "Resource.AlreadyAssociated"
    ec2.associate_address(AllocationId=second["AllocationId"], NetworkInterfaceId=eni)
    assert "AssociationId" not in described(ec2, eip)
    assert interface(ec2, eni)["Association"]["PublicIp"] == second["PublicIp"]
    ec2.disassociate_address(PublicIp=second["PublicIp"])
    ec2.release_address(AllocationId=second["AllocationId"])


def test_associated_address_is_not_released(ec2, net, eip):
    ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=net.eni()["NetworkInterfaceId"])
    assert error_code(ec2.release_address, AllocationId=eip["AllocationId"]) == "InvalidIPAddress.InUse"


def test_what_is_not_associated(ec2, eip):
    assert error_code(ec2.disassociate_address, AssociationId="eipassoc-0123456789abcdef0") == \
        "InvalidAssociationID.NotFound"
    assert error_code(ec2.disassociate_address, PublicIp=eip["PublicIp"]) == "InvalidAssociationID.NotFound"


def test_deleting_the_interface_ends_the_association(ec2, net, eip):
    eni = net.eni()["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=eni)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    assert "AssociationId" not in described(ec2, eip)


# Addresses given at launch


def test_address_at_launch_is_no_allocation(ec2, net):
    asked = [{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}]
    i = net.run(NetworkInterfaces=asked)
    association = i["NetworkInterfaces"][0]["Association"]
    assert association["PublicIp"] == i["PublicIpAddress"]
    assert association["IpOwnerId"] == "amazon"
    assert ec2.describe_addresses()["Addresses"] == []
    ec2.terminate_instances(InstanceIds=[i["InstanceId"]])
    ec2.detach_internet_gateway(InternetGatewayId=net.gateway, VpcId=net.vpc)


def test_subnet_gives_addresses(ec2, net):
    assert "PublicIpAddress" not in net.run()
    ec2.modify_subnet_attribute(SubnetId=net.subnet, MapPublicIpOnLaunch={"Value": True})
    assert "PublicIpAddress" in net.run()
    refused = [{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": False}]
    assert "PublicIpAddress" not in net.run(NetworkInterfaces=refused)


def test_stop_releases_start_gives_another(ec2, net):
    i = net.run(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}])
    ec2.stop_instances(InstanceIds=[i["InstanceId"]])
    assert "PublicIpAddress" not in instance(ec2, i["InstanceId"])
    ec2.start_instances(InstanceIds=[i["InstanceId"]])
    again = instance(ec2, i["InstanceId"])
    assert again["PublicIpAddress"] != i["PublicIpAddress"]
    assert again["PrivateIpAddress"] == i["PrivateIpAddress"]


def test_elastic_address_stays_through_a_stop(ec2, net, eip):
    i = net.run()["InstanceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=i)
    ec2.stop_instances(InstanceIds=[i])
    assert instance(ec2, i)["PublicIpAddress"] == eip["PublicIp"]
    ec2.start_instances(InstanceIds=[i])
    assert instance(ec2, i)["PublicIpAddress"] == eip["PublicIp"]


def test_elastic_address_takes_the_place_of_the_given_one(ec2, net, eip):
    i = net.run(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}])
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=i["InstanceId"])
    assert instance(ec2, i["InstanceId"])["PublicIpAddress"] == eip["PublicIp"]
    # What was given at launch is free again.
    freed = ec2.allocate_address(Address=i["PublicIpAddress"])
    ec2.release_address(AllocationId=freed["AllocationId"])


@pytest.fixture
def public(net):
    """An instance that was launched with a public address."""
    asked = [{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}]
    return net.run(NetworkInterfaces=asked)["InstanceId"]


@pytest.mark.parametrize("how", ["disassociated", "moved"])
def test_public_address_comes_back(ec2, net, eip, public, how):
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=public)
    if how == "moved":
        to = net.run()["InstanceId"]
        ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=to)
        assert instance(ec2, to)["PublicIpAddress"] == eip["PublicIp"]
    else:
        ec2.disassociate_address(PublicIp=eip["PublicIp"])
    i = instance(ec2, public)
    assert i["PublicIpAddress"] != eip["PublicIp"]
    association = i["NetworkInterfaces"][0]["Association"]
    assert (association["PublicIp"], association["IpOwnerId"]) == (i["PublicIpAddress"], "amazon")


def test_public_address_does_not_come_back(ec2, net, eip, public):
    def left_with(i):
        ec2.disassociate_address(PublicIp=eip["PublicIp"])
        return instance(ec2, i).get("PublicIpAddress")

    never = net.run()["InstanceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=never)
    assert left_with(never) is None
    # Not while it is stopped, but when it starts again.
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=public)
    ec2.stop_instances(InstanceIds=[public])
    assert left_with(public) is None
    ec2.start_instances(InstanceIds=[public])
    assert "PublicIpAddress" in instance(ec2, public)
    # Not with a second interface.
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=public)
    ec2.attach_network_interface(InstanceId=public, DeviceIndex=1, NetworkInterfaceId=net.eni()["NetworkInterfaceId"])
    assert left_with(public) is None


def test_termination_keeps_elastic_addresses_allocated(ec2, net, eip):
    i = net.run()["InstanceId"]
    ec2.associate_address(AllocationId=eip["AllocationId"], InstanceId=i)
    ec2.terminate_instances(InstanceIds=[i])
    assert "AssociationId" not in described(ec2, eip)
