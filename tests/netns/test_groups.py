# SPDX-License-Identifier: Apache-2.0
"""Security groups between two instances.

    subnet 10.0.1.0/24 --- a (group clients)
                       \\-- b (group servers)
    subnet 10.0.2.0/24 --- c (group clients)

A change is in force a moment after the API's answer (test_changes.py measures it): what comes first waits for it.
"""
import contextlib
import types

import pytest

from conftest import everything, tcp, until


@pytest.fixture(scope="module")
def world(cloud):
    vpc = cloud.vpc()
    near, far = cloud.subnet(vpc, "10.0.1.0/24"), cloud.subnet(vpc, "10.0.2.0/24")
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), clients=cloud.group(vpc, "clients"), servers=cloud.group(vpc, "servers"))
    w.a, w.b, w.c = (cloud.instance(near, [w.clients]), cloud.instance(near, [w.servers]), cloud.instance(far, [w.clients]))
    w.b.listen(80)
    return w


def greeted(w, who):
    return who.connect(w.b.ip, 80, 2) == w.b.id


def refused(w, who, port=80, reason="security-group-ingress"):
    return who.refused(w.cloud, w.b.ip, port, reason)


@contextlib.contextmanager
def ingress(w, rule):
    """The rule of the servers meanwhile, and until it is gone at the end."""
    w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=[rule])
    try:
        yield
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.servers, IpPermissions=[rule])
        until(lambda: not w.a.opens(w.b.ip, 80, 0.3), "the rule's end")


def test_nothing_comes_in_without_a_rule(world):
    assert refused(world, world.a)
    with world.cloud.dropping("security-group-ingress"):
        assert not world.a.ping(world.b.ip)


@pytest.mark.parametrize("who", ["a", "c"])
def test_a_rule_that_names_a_group_lets_its_members_in(world, who):
    with ingress(world, tcp(80, group=world.clients)):
        until(lambda: greeted(world, getattr(world, who)), "the rule")
        assert refused(world, getattr(world, who), 81)
    assert refused(world, getattr(world, who))


def test_replies_need_no_rule_and_icmp_is_tracked(world):
    with ingress(world, {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.1.0/24"}]}):
        until(lambda: world.a.ping(world.b.ip), "the rule")
        assert not world.c.ping(world.b.ip), "10.0.2.0/24 is not in the rule's CIDR"


def test_a_tracked_connection_survives_the_removal_of_its_rule(world):
    with ingress(world, tcp(80, cidr="10.0.0.0/16")):
        until(lambda: greeted(world, world.a), "the rule")
        client = world.a.dial(world.b.ip, 80)
        lines = client.makefile("rw")
        assert lines.readline().strip() == world.b.id
    assert refused(world, world.a), "a new connection finds no rule"
    lines.write("still here\n")
    lines.flush()
    assert lines.readline() == "still here\n"
    client.close()


def test_no_way_out_without_an_egress_rule(world):
    rules = world.ec2.describe_security_groups(GroupIds=[world.clients])["SecurityGroups"][0]["IpPermissionsEgress"]
    with ingress(world, everything(cidr="0.0.0.0/0")):
        until(lambda: greeted(world, world.a), "the rule")
        world.ec2.revoke_security_group_egress(GroupId=world.clients, IpPermissions=rules)
        try:
            until(lambda: not world.a.opens(world.b.ip, 80, 0.3), "the way out is closed")
            assert refused(world, world.a, reason="security-group-egress")
        finally:
            world.ec2.authorize_security_group_egress(GroupId=world.clients, IpPermissions=rules)
        until(lambda: greeted(world, world.a), "the way out")
