# SPDX-License-Identifier: Apache-2.0
"""/28 and /80 prefixes of network interfaces.

    VPC 10.0.0.0/16
      subnet 10.0.0.0/24 (us-east-1a)    the first and the last /28 hold reserved addresses
"""
import ipaddress

import pytest
from conftest import error_code
from net import Net, addresses, interface


@pytest.fixture
def net(ec2):
    return Net(ec2, ipv6=True)


def free(ec2, net):
    return ec2.describe_subnets(SubnetIds=[net.subnet])["Subnets"][0]["AvailableIpAddressCount"]


def prefixes(eni):
    return [p["Ipv4Prefix"] for p in eni.get("Ipv4Prefixes", [])]


def prefixes6(eni):
    return [p["Ipv6Prefix"] for p in eni.get("Ipv6Prefixes", [])]


def block6(net, n):
    """The /80 number n of the subnet."""
    network = ipaddress.ip_network(net.cidr6)
    return str(ipaddress.ip_network((int(network[0]) + (n << 48), 80)))


def test_counted_prefixes(ec2, net):
    eni = net.eni(Ipv4PrefixCount=2)
    given = [ipaddress.ip_network(p) for p in prefixes(eni)]
    assert len(set(given)) == 2
    for p in given:
        assert p.prefixlen == 28 and p.subnet_of(ipaddress.ip_network("10.0.0.0/24"))
        assert p not in (ipaddress.ip_network("10.0.0.0/28"), ipaddress.ip_network("10.0.0.240/28"))
    assert len(addresses(eni)) == 1
    assert free(ec2, net) == 251 - 1 - 32
    assert prefixes(interface(ec2, eni["NetworkInterfaceId"])) == prefixes(eni)
    ec2.delete_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"])
    assert free(ec2, net) == 251


def test_an_interface_without_has_no_element(net):
    assert "Ipv4Prefixes" not in net.eni()


def test_named_prefix_excludes_its_addresses(ec2, net):
    eni = net.eni(PrivateIpAddress="10.0.0.100", Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.16/28"}])
    assert prefixes(eni) == ["10.0.0.16/28"] and addresses(eni) == ["10.0.0.100"]
    assert error_code(net.eni, PrivateIpAddress="10.0.0.16") == "InvalidIPAddress.InUse"
    assert error_code(net.eni, PrivateIpAddress="10.0.0.31") == "InvalidIPAddress.InUse"
    net.eni(PrivateIpAddress="10.0.0.32")
    assert error_code(net.eni, Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.16/28"}]) == "InvalidIPAddress.InUse"
    assert error_code(net.eni, Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.32/28"}]) == "InvalidIPAddress.InUse"


@pytest.mark.parametrize("prefix", ["10.0.0.16/27", "10.0.0.17/28", "10.0.1.0/28", "10.0.0.0/28", "10.0.0.240/28",
                                    "10.0.0.16", "fd00::/28"])
def test_what_is_no_prefix_of_the_subnet(net, prefix):
    assert error_code(net.eni, Ipv4Prefixes=[{"Ipv4Prefix": prefix}]) == "InvalidParameterValue"


def test_a_fragmented_subnet_has_no_prefixes_left(ec2, net):
    small = ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.9.0/26")["Subnet"]["SubnetId"]
    net.eni(SubnetId=small, PrivateIpAddress="10.0.9.20")  # in the second /28; the third is free
    assert prefixes(net.eni(SubnetId=small, PrivateIpAddress="10.0.9.5", Ipv4PrefixCount=1)) == ["10.0.9.32/28"]
    assert error_code(net.eni, SubnetId=small, PrivateIpAddress="10.0.9.6", Ipv4PrefixCount=1) == \
        "InsufficientCidrBlocks"


def test_ways_exclude_each_other(net):
    for params in ({"Ipv4PrefixCount": 1, "SecondaryPrivateIpAddressCount": 1},
                   {"Ipv4PrefixCount": 1, "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}]},
                   {"Ipv6PrefixCount": 1, "Ipv6AddressCount": 1},
                   {"Ipv6PrefixCount": 1, "Ipv6Addresses": [{"Ipv6Address": "fd00::1"}]}):
        assert error_code(net.eni, **params) == "InvalidParameterCombination"


def test_assign_and_unassign(ec2, net):
    eni = net.eni(PrivateIpAddress="10.0.0.100")["NetworkInterfaceId"]
    given = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4Prefixes=["10.0.0.16/28"])
    assert given["AssignedIpv4Prefixes"] == [{"Ipv4Prefix": "10.0.0.16/28"}]
    assert given["AssignedPrivateIpAddresses"] == []
    more = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4PrefixCount=1)["AssignedIpv4Prefixes"]
    assert prefixes(interface(ec2, eni)) == ["10.0.0.16/28", more[0]["Ipv4Prefix"]]
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4Prefixes=["10.0.0.16/28"])
    assert prefixes(interface(ec2, eni)) == [more[0]["Ipv4Prefix"]]
    assert error_code(ec2.unassign_private_ip_addresses, NetworkInterfaceId=eni, Ipv4Prefixes=["10.0.0.16/28"]) == \
        "InvalidParameterValue"
    net.eni(PrivateIpAddress="10.0.0.16")
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=eni) == "InvalidParameterCombination"


def test_reassignment_takes_nothing_out_of_a_prefix(ec2, net):
    net.eni(PrivateIpAddress="10.0.0.100", Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.16/28"}])
    eni = net.eni(PrivateIpAddress="10.0.0.101")["NetworkInterfaceId"]
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=eni, PrivateIpAddresses=["10.0.0.20"],
                      AllowReassignment=True) == "InvalidIPAddress.InUse"


def test_counted_ipv6_prefixes(ec2, net):
    eni = net.eni(Ipv6PrefixCount=3)
    given = [ipaddress.ip_network(p) for p in prefixes6(eni)]
    assert len(set(given)) == 3
    assert all(p.prefixlen == 80 and p.subnet_of(ipaddress.ip_network(net.cidr6)) for p in given)
    assert "Ipv6Addresses" not in eni or eni["Ipv6Addresses"] == []


def test_ipv6_prefixes_and_addresses_exclude_each_other(ec2, net):
    prefix, other = block6(net, 5), block6(net, 6)
    inside = str(ipaddress.ip_network(prefix)[77])
    eni = net.eni(PrivateIpAddress="10.0.0.100", Ipv6Prefixes=[{"Ipv6Prefix": prefix}])["NetworkInterfaceId"]
    assert error_code(net.eni, Ipv6Addresses=[{"Ipv6Address": inside}]) == "InvalidIPAddress.InUse"
    assert error_code(net.eni, Ipv6Prefixes=[{"Ipv6Prefix": prefix}]) == "InvalidIPAddress.InUse"
    net.eni(Ipv6Addresses=[{"Ipv6Address": str(ipaddress.ip_network(other)[9])}])
    assert error_code(ec2.assign_ipv6_addresses, NetworkInterfaceId=eni, Ipv6Prefixes=[other]) == \
        "InvalidIPAddress.InUse"
    gone = ec2.unassign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6Prefixes=[prefix])
    assert gone["UnassignedIpv6Prefixes"] == [prefix]
    net.eni(Ipv6Addresses=[{"Ipv6Address": inside}])
    given = ec2.assign_ipv6_addresses(NetworkInterfaceId=eni, Ipv6PrefixCount=2)["AssignedIpv6Prefixes"]
    assert sorted(prefixes6(interface(ec2, eni))) == sorted(given) and len(given) == 2


def test_the_first_ipv6_block_is_reserved(net):
    assert error_code(net.eni, Ipv6Prefixes=[{"Ipv6Prefix": block6(net, 0)}]) == "InvalidParameterValue"
    assert error_code(net.eni, Ipv6Prefixes=[{"Ipv6Prefix": block6(net, 1).replace("/80", "/79")}]) == \
        "InvalidParameterValue"


def test_ipv6_prefix_needs_a_block(ec2):
    assert error_code(Net(ec2, cidr="10.9.0.0/16", subnet="10.9.0.0/24").eni, Ipv6PrefixCount=1) == \
        "InvalidParameterCombination"


def test_a_prefix_takes_the_place_of_an_address(ec2, net):
    one = net.run(InstanceType="t3.micro")  # two addresses an interface
    eni = one["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4PrefixCount=1)
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=eni, Ipv4PrefixCount=1) == \
        "PrivateIpAddressLimitExceeded"


def test_prefixes_are_for_nitro(ec2, net):
    one = net.run(InstanceType="t2.small")
    eni = one["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert error_code(ec2.assign_private_ip_addresses, NetworkInterfaceId=eni, Ipv4PrefixCount=1) == \
        "UnsupportedOperation"


def test_run_instances(ec2, net):
    one = net.run(InstanceType="m5.large", NetworkInterfaces=[
        {"DeviceIndex": 0, "SubnetId": net.subnet, "Ipv4PrefixCount": 2, "Ipv6PrefixCount": 1}])
    shown = one["NetworkInterfaces"][0]
    assert len(shown["Ipv4Prefixes"]) == 2 and len(shown["Ipv6Prefixes"]) == 1
    eni = interface(ec2, shown["NetworkInterfaceId"])
    assert prefixes(eni) == [p["Ipv4Prefix"] for p in shown["Ipv4Prefixes"]]
    assert error_code(net.run, InstanceType="m5.large", MinCount=2, MaxCount=2, NetworkInterfaces=[
        {"DeviceIndex": 0, "SubnetId": net.subnet, "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.0.16/28"}]}]) == \
        "InvalidParameterCombination"


def test_a_refused_call_takes_no_prefix(ec2, net):
    before = free(ec2, net)
    assert error_code(net.eni, Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.16/28"}, {"Ipv4Prefix": "10.0.0.16/28"}]) == \
        "InvalidIPAddress.InUse"
    assert free(ec2, net) == before
