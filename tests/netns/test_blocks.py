# SPDX-License-Identifier: Apache-2.0
"""Blocks that come to a VPC while its instances run.

    block 10.0.0.0/16   subnet 10.0.1.0/24   --- a
    block 10.5.0.0/16   subnet 10.5.1.0/24   --- b      associated later
    IPv6 block          both subnets                    associated later still
"""
import types

import pytest

from conftest import everything, until


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(internet=False)
    w.id = w.vpc["VpcId"]
    w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0", cidr6="::/0")])
    w.subnets = [cloud.subnet(w.vpc, "10.0.1.0/24")]
    w.a = cloud.instance(w.subnets[0], [w.open])
    w.ec2.associate_vpc_cidr_block(VpcId=w.id, CidrBlock="10.5.0.0/16")
    w.subnets.append(cloud.subnet(w.vpc, "10.5.1.0/24"))
    w.b = cloud.instance(w.subnets[1], [w.open])
    return w


def test_blocks_of_a_vpc_reach_each_other(w):
    assert w.a.ping(w.b.ip) and w.b.ping(w.a.ip)


def test_ipv6_comes_to_instances_that_run(w):
    """To a VPC, its subnets and its interfaces, one after the other."""
    block = w.ec2.associate_vpc_cidr_block(VpcId=w.id, AmazonProvidedIpv6CidrBlock=True)["Ipv6CidrBlockAssociation"]
    w.association = block["AssociationId"]
    addresses = []
    for number, (subnet, instance) in enumerate(zip(w.subnets, (w.a, w.b))):
        w.ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=block["Ipv6CidrBlock"].replace("00::/56", f"0{number}::/64"))
        answer = w.ec2.assign_ipv6_addresses(NetworkInterfaceId=instance.eni, Ipv6AddressCount=1)
        addresses += answer["AssignedIpv6Addresses"]
        if addresses[-1] not in instance.run("ip", "-6", "addr").stdout:
            # what DHCPv6 would do
            instance.run("ip", "-6", "addr", "replace", addresses[-1] + "/128", "dev", "eth0", "nodad")
    for instance, there in ((w.a, addresses[1]), (w.b, addresses[0])):
        until(lambda: instance.ping(there), f"{instance.id} reaches {there}")
    w.addresses = addresses


def test_ipv6_is_gone_once_it_is_unassigned(w):
    for subnet, instance, address in zip(w.subnets, (w.a, w.b), w.addresses):
        w.ec2.unassign_ipv6_addresses(NetworkInterfaceId=instance.eni, Ipv6Addresses=[address])
    until(lambda: not w.a.ping(w.addresses[1]), "an address that nobody has is not reached")
    for subnet in w.subnets:
        (shown,) = w.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
        w.ec2.disassociate_subnet_cidr_block(AssociationId=shown["Ipv6CidrBlockAssociationSet"][0]["AssociationId"])
    w.ec2.disassociate_vpc_cidr_block(AssociationId=w.association)
    # IPv4 goes on
    assert w.a.ping(w.b.ip)
