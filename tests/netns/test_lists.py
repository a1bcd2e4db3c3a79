# SPDX-License-Identifier: Apache-2.0
"""Prefix lists in rules, and groups that serve another VPC of their account: what comes through.

    VPC 10.0.0.0/16  10.0.1.0/24, 2001:db8:..01::/64 --- a [clients]
                                                     \\-- c [clients]
                                                     \\-- b [servers]   its rules name lists
    VPC 10.1.0.0/16  10.1.1.0/24 --- x [friends]      friends is a group of the first VPC
                                 \\-- y [friends]
                                 \\-- z [default]
"""
import importlib
import itertools
import os
import sys
import types

import pytest

from conftest import until
from conftest import tcp as tcp_rule

ports = itertools.count(7000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True)
    subnet = cloud.subnet(w.vpc, "10.0.1.0/24", 1)
    w.clients, w.servers = cloud.group(w.vpc, "clients"), cloud.group(w.vpc, "servers")
    w.a, w.b, w.c = (cloud.instance(subnet, [g], ipv6=True) for g in (w.clients, w.servers, w.clients))
    return w


def comes_through(who, address, port):
    """Once the change is in force: true within the bound of until()."""
    return until(lambda: who.opens(address, port, seconds=0.5), f"{who.ip} reaches {address} port {port}")


def is_kept_out(w, who, address, port):
    until(lambda: not who.opens(address, port, seconds=0.5), f"{who.ip} no longer reaches {address} port {port}")
    return who.refused(w.cloud, address, port, "security-group-ingress")


@pytest.mark.parametrize("family", [4, 6])
def test_a_list_in_a_rule_follows_its_entries(w, family):
    a, b, c = (i.ip if family == 4 else i.ip6 for i in (w.a, w.b, w.c))
    host = lambda address: {"Cidr": address + ("/32" if family == 4 else "/128")}
    port = next(ports)
    pl = w.ec2.create_managed_prefix_list(PrefixListName="l", AddressFamily=f"IPv{family}", MaxEntries=5,
                                          Entries=[host(a)])["PrefixList"]["PrefixListId"]
    permission = {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": [{"PrefixListId": pl}]}
    with w.b.serve(b, port):
        w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=[permission])
        assert comes_through(w.a, b, port) and is_kept_out(w, w.c, b, port)
        w.ec2.modify_managed_prefix_list(PrefixListId=pl, AddEntries=[host(c)])
        assert comes_through(w.c, b, port) and w.a.opens(b, port)
        w.ec2.modify_managed_prefix_list(PrefixListId=pl, RemoveEntries=[host(a)])
        assert is_kept_out(w, w.a, b, port) and w.c.opens(b, port)
        w.ec2.restore_managed_prefix_list_version(PrefixListId=pl, PreviousVersion=1, CurrentVersion=3)
        assert comes_through(w.a, b, port) and is_kept_out(w, w.c, b, port)
        # Another list's rule for the same port does not take the first one's place.
        empty = w.ec2.create_managed_prefix_list(PrefixListName="e", AddressFamily=f"IPv{family}", MaxEntries=1)[
            "PrefixList"]["PrefixListId"]
        (made,) = [r for r in w.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [w.servers]}])[
            "SecurityGroupRules"] if r.get("PrefixListId") == pl]
        w.ec2.modify_security_group_rules(GroupId=w.servers, SecurityGroupRules=[{
            "SecurityGroupRuleId": made["SecurityGroupRuleId"], "SecurityGroupRule": {
                "IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListId": empty}}])
        assert is_kept_out(w, w.a, b, port)


def raw_calls(cloud):
    """Signed calls that are newer than Debian's botocore."""
    sys.path.append(os.path.join(os.path.dirname(__file__), "..", "api"))
    raw = importlib.import_module("raw")
    keys = cloud.keys()
    return raw.Raw(types.SimpleNamespace(vpcd=cloud, key=keys["aws_access_key_id"], secret=keys["aws_secret_access_key"]))


def test_a_group_in_another_vpc_of_its_account(w):
    """Its rules are about the VPC where they are applied: members there, not those at home."""
    port = next(ports)
    friends = w.cloud.group(w.vpc, "friends")
    w.ec2.authorize_security_group_ingress(GroupId=friends, IpPermissions=[tcp_rule(port, group=friends)])
    second = w.cloud.vpc("10.1.0.0/16", internet=False)
    subnet = w.cloud.subnet(second, "10.1.1.0/24")
    assert raw_calls(w.cloud).call("AssociateSecurityGroupVpc", GroupId=friends, VpcId=second["VpcId"]).status == 200
    x, y = (w.cloud.instance(subnet, [friends]) for _ in range(2))
    (default,) = w.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [second["VpcId"]]}])["SecurityGroups"]
    z = w.cloud.instance(subnet, [default["GroupId"]])
    with y.serve(y.ip, port):
        assert comes_through(x, y.ip, port) and z.refused(w.cloud, y.ip, port, "security-group-ingress")
