# SPDX-License-Identifier: Apache-2.0
"""Network interfaces, each rule of EC2 a test.

    VPC 10.0.0.0/16
      subnet 10.0.0.0/24 (us-east-1a)    interfaces, instances on paper
"""
import ipaddress

import pytest
from conftest import error_code
from net import Net, addresses, instance, interface


@pytest.fixture
def net(ec2):
    return Net(ec2)


def test_create_answers_pending_then_available(ec2, net):
    eni = net.eni(Description="first")
    assert eni["Status"] == "pending"
    seen = interface(ec2, eni["NetworkInterfaceId"])
    assert (seen["Status"], seen["Description"], seen["SourceDestCheck"]) == ("available", "first", True)
    assert (seen["VpcId"], seen["SubnetId"], seen["AvailabilityZone"]) == (net.vpc, net.subnet, "us-east-1a")
    assert [g["GroupId"] for g in seen["Groups"]] == [net.default_group]
    assert seen["MacAddress"].startswith("02:")
    assert "Attachment" not in seen


def test_macs_and_addresses_differ(net):
    enis = [net.eni() for _ in range(30)]
    assert len({e["MacAddress"] for e in enis}) == 30
    assert len({e["PrivateIpAddress"] for e in enis}) == 30


def test_automatic_addresses_are_none_of_the_reserved_ones(ec2, net):
    small = ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.9.0/28")["Subnet"]["SubnetId"]
    given = sorted(ipaddress.ip_address(net.eni(SubnetId=small)["PrivateIpAddress"]) for _ in range(11))
    assert given == [ipaddress.ip_address(f"10.0.9.{n}") for n in range(4, 15)]
    assert error_code(net.eni, SubnetId=small) == "InsufficientFreeAddressesInSubnet"


def test_subnet_counts_free_addresses(ec2, net):
    def free():
        return ec2.describe_subnets(SubnetIds=[net.subnet])["Subnets"][0]["AvailableIpAddressCount"]

    assert free() == 251
    eni = net.eni(SecondaryPrivateIpAddressCount=2)
    assert free() == 248
    ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
    assert free() == 251


@pytest.mark.parametrize("address", ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.255", "10.0.1.5", "1.2.3.4"])
def test_address_that_is_reserved_or_elsewhere(net, address):
    assert error_code(net.eni, PrivateIpAddress=address) == "InvalidParameterValue"


def test_address_that_is_no_address(net):
    assert error_code(net.eni, PrivateIpAddress="10.0.0.x") == "InvalidParameterValue"


def test_address_in_use(ec2, net):
    first = net.eni(PrivateIpAddress="10.0.0.50")
    assert first["PrivateIpAddress"] == "10.0.0.50"
    assert error_code(net.eni, PrivateIpAddress="10.0.0.50") == "InvalidIPAddress.InUse"
    ec2.delete_network_interface(NetworkInterfaceId=first["NetworkInterfaceId"])
    assert net.eni(PrivateIpAddress="10.0.0.50")["PrivateIpAddress"] == "10.0.0.50"


def test_a_refused_call_takes_no_address(net):
    """The second address is refused, so the first is not taken either."""
    wish = [{"PrivateIpAddress": "10.0.0.60", "Primary": True}, {"PrivateIpAddress": "10.0.0.1"}]
    assert error_code(net.eni, PrivateIpAddresses=wish) == "InvalidParameterValue"
    net.eni(PrivateIpAddress="10.0.0.60")


def test_primary_stands_first(ec2, net):
    wish = [{"PrivateIpAddress": "10.0.0.70"}, {"PrivateIpAddress": "10.0.0.71", "Primary": True}]
    eni = net.eni(PrivateIpAddresses=wish)
    assert eni["PrivateIpAddress"] == "10.0.0.71"
    assert addresses(eni) == ["10.0.0.71", "10.0.0.70"]
    assert [a["Primary"] for a in eni["PrivateIpAddresses"]] == [True, False]


def test_secondary_without_primary_gets_one(net):
    eni = net.eni(PrivateIpAddresses=[{"PrivateIpAddress": "10.0.0.72"}])
    assert addresses(eni)[1:] == ["10.0.0.72"]
    assert eni["PrivateIpAddresses"][0]["Primary"] and eni["PrivateIpAddress"] == addresses(eni)[0]


def test_only_one_primary(net):
    wish = [{"PrivateIpAddress": "10.0.0.70", "Primary": True}, {"PrivateIpAddress": "10.0.0.71", "Primary": True}]
    assert error_code(net.eni, PrivateIpAddresses=wish) == "InvalidParameterCombination"
    assert error_code(net.eni, PrivateIpAddress="10.0.0.72", PrivateIpAddresses=wish[:1]) == \
        "InvalidParameterCombination"


def test_more_addresses_than_any_type_has(net):
    assert error_code(net.eni, SecondaryPrivateIpAddressCount=64) == "PrivateIpAddressLimitExceeded"


def test_names_of_addresses(account):
    west = account.client("ec2", "eu-west-1")
    subnet = west.describe_subnets()["Subnets"][0]["SubnetId"]
    eni = west.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    dashed = eni["PrivateIpAddress"].replace(".", "-")
    assert eni["PrivateDnsName"] == f"ip-{dashed}.eu-west-1.compute.internal"


def test_unknown_subnet(ec2, net):
    assert error_code(net.eni, SubnetId="subnet-0123456789abcdef0") == "InvalidSubnetID.NotFound"
    assert error_code(net.eni, SubnetId="vpc-1") == "InvalidSubnetID.Malformed"


def test_another_accounts_interface_does_not_exist(net, other):
    eni = net.eni()["NetworkInterfaceId"]
    assert error_code(other.ec2.describe_network_interfaces, NetworkInterfaceIds=[eni]) == \
        "InvalidNetworkInterfaceID.NotFound"
    assert error_code(other.ec2.delete_network_interface, NetworkInterfaceId=eni) == \
        "InvalidNetworkInterfaceID.NotFound"
    assert error_code(other.ec2.create_network_interface, SubnetId=net.subnet) == "InvalidSubnetID.NotFound"


# IPv6


def test_ipv6_needs_a_subnet_with_it(ec2, net):
    assert error_code(net.eni, Ipv6AddressCount=1) == "InvalidParameterCombination"
    eni = net.eni()["NetworkInterfaceId"]
    assert error_code(ec2.assign_ipv6_addresses, NetworkInterfaceId=eni, Ipv6AddressCount=1) == \
        "InvalidParameterCombination"


def test_ipv6_addresses(ec2):
    net = Net(ec2, ipv6=True)
    block = ipaddress.ip_network(net.cidr6)
    eni = net.eni(Ipv6AddressCount=2)
    given = [ipaddress.ip_address(a["Ipv6Address"]) for a in eni["Ipv6Addresses"]]
    assert len(set(given)) == 2 and all(a in block for a in given)
    wanted = str(block[0x1234])
    assert net.eni(Ipv6Addresses=[{"Ipv6Address": wanted}])["Ipv6Addresses"] == [{"Ipv6Address": wanted}]
    assert error_code(net.eni, Ipv6Addresses=[{"Ipv6Address": wanted}]) == "InvalidIPAddress.InUse"
    for reserved in (block[0], block[3], block[-1]):
        assert error_code(net.eni, Ipv6Addresses=[{"Ipv6Address": str(reserved)}]) == "InvalidParameterValue"
    assert net.eni()["Ipv6Addresses"] == []


def test_subnet_that_assigns_ipv6(ec2):
    net = Net(ec2, ipv6=True)
    ec2.modify_subnet_attribute(SubnetId=net.subnet, AssignIpv6AddressOnCreation={"Value": True})
    assert len(net.eni()["Ipv6Addresses"]) == 1
    assert len(net.eni(Ipv6AddressCount=2)["Ipv6Addresses"]) == 2
    assert net.eni(Ipv6AddressCount=0)["Ipv6Addresses"] == []


def test_assign_and_unassign_ipv6(ec2):
    net = Net(ec2, ipv6=True)
    eni = net.eni(PrivateIpAddress="10.0.0.10")["NetworkInterfaceId"]
    wanted = str(ipaddress.ip_network(net.cidr6)[99])
    assert ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[wanted])["AssignedIpv6Addresses"] == [wanted]
    more = ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6AddressCount=1)["AssignedIpv6Addresses"]
    assert [a["Ipv6Address"] for a in interface(ec2, eni)["Ipv6Addresses"]] == [wanted] + more
    gone = ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Addresses=[wanted])
    assert gone["UnassignedIpv6Addresses"] == [wanted]
    assert [a["Ipv6Address"] for a in interface(ec2, eni)["Ipv6Addresses"]] == more
    assert error_code(ec2.unassign_ipv6_addresses, NetworkInterfaceId=eni, Ipv6Addresses=[wanted]) == \
        "InvalidParameterValue"


# Groups


def test_groups(ec2, net):
    a, b = net.group("a"), net.group("b")
    eni = net.eni(Groups=[b, a, b])
    assert {g["GroupId"]: g["GroupName"] for g in eni["Groups"]} == {a: "a", b: "b"}
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni["NetworkInterfaceId"], Groups=[a])
    assert [g["GroupId"] for g in interface(ec2, eni["NetworkInterfaceId"])["Groups"]] == [a]
    assert error_code(ec2.delete_security_group, GroupId=a) == "DependencyViolation"
    ec2.delete_security_group(GroupId=b)


def test_group_that_is_not_there(net):
    assert error_code(net.eni, Groups=["sg-0123456789abcdef0"]) == "InvalidGroup.NotFound"


def test_group_of_another_vpc(ec2, net):
    elsewhere = Net(ec2, "10.7.0.0/16", "10.7.0.0/24").default_group
    assert error_code(net.eni, Groups=[elsewhere]) == "InvalidParameter"


def test_groups_of_an_interface_are_limited(ec2, net):
    groups = [net.group(f"g{n}") for n in range(17)]
    assert len(net.eni(Groups=groups[:16])["Groups"]) == 16
    assert error_code(net.eni, Groups=groups) == "SecurityGroupsPerInterfaceLimitExceeded"


# Attributes


def test_modify_one_attribute_at_a_time(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, Description={"Value": "other"})
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    seen = interface(ec2, eni)
    assert (seen["Description"], seen["SourceDestCheck"]) == ("other", False)
    assert error_code(ec2.modify_network_interface_attribute, NetworkInterfaceId=eni, Description={"Value": "x"},
                      SourceDestCheck={"Value": True}) == "InvalidParameterCombination"
    assert error_code(ec2.modify_network_interface_attribute, NetworkInterfaceId=eni) == "InvalidParameterCombination"


def test_describe_attribute(ec2, net):
    eni = net.run()["NetworkInterfaces"][0]
    ask = {"NetworkInterfaceId": eni["NetworkInterfaceId"]}
    describe = ec2.describe_network_interface_attribute
    assert describe(Attribute="description", **ask)["Description"] == {"Value": ""}
    assert describe(Attribute="sourceDestCheck", **ask)["SourceDestCheck"] == {"Value": True}
    assert describe(Attribute="groupSet", **ask)["Groups"] == eni["Groups"]
    attachment = describe(Attribute="attachment", **ask)["Attachment"]
    assert attachment["AttachmentId"] == eni["Attachment"]["AttachmentId"]
    assert error_code(describe, Attribute="colour", **ask) == "InvalidParameterValue"


def test_tags_at_creation(ec2, net):
    tags = [{"Key": "Name", "Value": "web"}]
    eni = net.eni(TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}])
    assert eni["TagSet"] == tags
    found = ec2.describe_network_interfaces(Filters=[{"Name": "tag:Name", "Values": ["w*"]}])["NetworkInterfaces"]
    assert [e["NetworkInterfaceId"] for e in found] == [eni["NetworkInterfaceId"]]
    wrong = [{"ResourceType": "vpc", "Tags": tags}]
    assert error_code(net.eni, TagSpecifications=wrong) == "InvalidParameterValue"


@pytest.mark.parametrize("name, value", [
    ("vpc-id", "VpcId"), ("subnet-id", "SubnetId"), ("network-interface-id", "NetworkInterfaceId"),
    ("mac-address", "MacAddress"), ("private-ip-address", "PrivateIpAddress"), ("description", "Description"),
    ("addresses.private-ip-address", "PrivateIpAddress"), ("private-dns-name", "PrivateDnsName"),
    ("status", "Status"), ("availability-zone", "AvailabilityZone"), ("owner-id", "OwnerId"),
    ("interface-type", "InterfaceType")])
def test_filters(ec2, net, name, value):
    eni = interface(ec2, net.eni(Description="wanted")["NetworkInterfaceId"])
    Net(ec2, "10.9.0.0/16", "10.9.0.0/24").eni()
    found = ec2.describe_network_interfaces(Filters=[{"Name": name, "Values": [eni[value]]}])["NetworkInterfaces"]
    assert eni in found
    assert ec2.describe_network_interfaces(Filters=[{"Name": name, "Values": ["nothing"]}])["NetworkInterfaces"] == []


def test_pages(ec2, net):
    made = {net.eni()["NetworkInterfaceId"] for _ in range(12)}
    pages = list(ec2.get_paginator("describe_network_interfaces").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(p["NetworkInterfaces"]) for p in pages] == [5, 5, 2]
    assert {e["NetworkInterfaceId"] for p in pages for e in p["NetworkInterfaces"]} == made


def test_client_token_makes_one(ec2, net):
    first = net.eni(ClientToken="once")
    assert net.eni(ClientToken="once")["NetworkInterfaceId"] == first["NetworkInterfaceId"]
    assert error_code(net.eni, ClientToken="once", Description="other") == "IdempotentParameterMismatch"


def test_dry_run_makes_none(ec2, net):
    assert error_code(net.eni, DryRun=True) == "DryRunOperation"
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


# Secondary addresses


def test_assign_and_unassign(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    one = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.80"])
    assert one["AssignedPrivateIpAddresses"] == [{"PrivateIpAddress": "10.0.0.80"}]
    two = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
    assert len(two["AssignedPrivateIpAddresses"]) == 2
    assert len(addresses(interface(ec2, eni))) == 4
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.80"])
    assert "10.0.0.80" not in addresses(interface(ec2, eni))
    net.eni(PrivateIpAddress="10.0.0.80")


def test_unassign_what_is_primary_or_not_there(ec2, net):
    eni = net.eni(PrivateIpAddress="10.0.0.10")
    for address in (eni["PrivateIpAddress"], "10.0.0.99"):
        assert error_code(ec2.unassign_private_ip_addresses, NetworkInterfaceId=eni["NetworkInterfaceId"],
                          PrivateIpAddresses=[address]) == "InvalidParameterValue"


def test_reassignment_only_when_allowed(ec2, net):
    a, b = (net.eni(PrivateIpAddress=f"10.0.0.{n}")["NetworkInterfaceId"] for n in (10, 11))
    move = {"NetworkInterfaceId": b, "PrivateIpAddresses": ["10.0.0.81"]}
    ec2.assign_private_ip_addresses(NetworkInterfaceId=a, PrivateIpAddresses=["10.0.0.81"])
    assert error_code(ec2.assign_private_ip_addresses, **move) == "InvalidIPAddress.InUse"
    ec2.assign_private_ip_addresses(AllowReassignment=True, **move)
    assert "10.0.0.81" in addresses(interface(ec2, b)) and "10.0.0.81" not in addresses(interface(ec2, a))


def test_reassignment_of_a_primary(ec2, net):
    a, b = net.eni(), net.eni()
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=b["NetworkInterfaceId"],
                      AllowReassignment=True, PrivateIpAddresses=[a["PrivateIpAddress"]]) == "InvalidParameterValue"


def test_type_limits_addresses(ec2, net):
    """A t3.micro's interface has two addresses (data/instance-types.tsv)."""
    eni = net.run(InstanceType="t3.micro")["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1) == \
        "PrivateIpAddressLimitExceeded"


# Attachment


def test_attach_and_detach(ec2, net):
    i, eni = net.run()["InstanceId"], net.eni()["NetworkInterfaceId"]
    attached = ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=eni, DeviceIndex=1)
    seen = interface(ec2, eni)
    assert seen["Status"] == "in-use"
    assert (seen["Attachment"]["InstanceId"], seen["Attachment"]["DeviceIndex"]) == (i, 1)
    assert seen["Attachment"]["DeleteOnTermination"] is False
    assert len(instance(ec2, i)["NetworkInterfaces"]) == 2
    assert error_code(ec2.delete_network_interface, NetworkInterfaceId=eni) == "InvalidNetworkInterface.InUse"
    ec2.detach_network_interface(AttachmentId=attached["AttachmentId"])
    assert interface(ec2, eni)["Status"] == "available"
    ec2.delete_network_interface(NetworkInterfaceId=eni)


def test_attach_twice(ec2, net):
    a, b = net.run()["InstanceId"], net.run()["InstanceId"]
    eni = net.eni()["NetworkInterfaceId"]
    ec2.attach_network_interface(InstanceId=a, NetworkInterfaceId=eni, DeviceIndex=1)
    assert error_code(ec2.attach_network_interface, InstanceId=b, NetworkInterfaceId=eni, DeviceIndex=1) == \
        "InvalidNetworkInterface.InUse"


def test_attach_at_a_taken_index(ec2, net):
    i = net.run()["InstanceId"]
    assert error_code(ec2.attach_network_interface, InstanceId=i, NetworkInterfaceId=net.eni()["NetworkInterfaceId"],
                      DeviceIndex=0) == "InvalidParameterValue"


def test_type_limits_interfaces(ec2, net):
    """A t3.micro has two interfaces."""
    i = net.run(InstanceType="t3.micro")["InstanceId"]
    ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=net.eni()["NetworkInterfaceId"], DeviceIndex=1)
    assert error_code(ec2.attach_network_interface, InstanceId=i, NetworkInterfaceId=net.eni()["NetworkInterfaceId"],
                      DeviceIndex=2) == "AttachmentLimitExceeded"


def test_attach_what_has_too_many_addresses(ec2, net):
    i = net.run(InstanceType="t3.micro")["InstanceId"]
    eni = net.eni(SecondaryPrivateIpAddressCount=5)["NetworkInterfaceId"]
    assert error_code(ec2.attach_network_interface, InstanceId=i, NetworkInterfaceId=eni, DeviceIndex=1) == \
        "PrivateIpAddressLimitExceeded"


def test_attach_in_another_zone(ec2, net):
    i = net.run()["InstanceId"]
    there = ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.2.0/24", AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"]
    eni = net.eni(SubnetId=there)["NetworkInterfaceId"]
    assert error_code(ec2.attach_network_interface, InstanceId=i, NetworkInterfaceId=eni, DeviceIndex=1) == \
        "InvalidParameterCombination"


def test_attach_to_what_is_terminated_or_unknown(ec2, net):
    i, eni = net.run()["InstanceId"], net.eni()["NetworkInterfaceId"]
    ec2.terminate_instances(InstanceIds=[i])
    assert error_code(ec2.attach_network_interface, InstanceId=i, NetworkInterfaceId=eni, DeviceIndex=1) == \
        "IncorrectInstanceState"
    assert error_code(ec2.attach_network_interface, InstanceId="i-0123456789abcdef0", NetworkInterfaceId=eni,
                      DeviceIndex=1) == "InvalidInstanceID.NotFound"


def test_primary_stays_attached(ec2, net):
    attachment = net.run()["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]
    assert error_code(ec2.detach_network_interface, AttachmentId=attachment) == "OperationNotPermitted"


def test_detach_what_is_not_attached(ec2, net, other):
    assert error_code(ec2.detach_network_interface, AttachmentId="eni-0123456789abcdef0") == \
        "InvalidNetworkInterfaceAttachmentId.Malformed"
    assert error_code(ec2.detach_network_interface, AttachmentId="eni-attach-0123456789abcdef0") == \
        "InvalidAttachmentID.NotFound"
    attachment = net.run()["NetworkInterfaces"][0]["Attachment"]["AttachmentId"]
    assert error_code(other.ec2.detach_network_interface, AttachmentId=attachment) == "InvalidAttachmentID.NotFound"


def test_delete_on_termination(ec2, net):
    i, kept, gone = net.run(InstanceType="t3.large")["InstanceId"], net.eni()["NetworkInterfaceId"], net.eni()["NetworkInterfaceId"]
    ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=kept, DeviceIndex=1)
    attachment = ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=gone, DeviceIndex=2)["AttachmentId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=gone, Attachment={
        "AttachmentId": attachment, "DeleteOnTermination": True})
    ec2.terminate_instances(InstanceIds=[i])
    left = ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert [(e["NetworkInterfaceId"], e["Status"]) for e in left] == [(kept, "available")]


def test_subnet_and_vpc_stay_while_interfaces_are_there(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    assert error_code(ec2.delete_subnet, SubnetId=net.subnet) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    ec2.delete_subnet(SubnetId=net.subnet)
    ec2.delete_vpc(VpcId=net.vpc)
