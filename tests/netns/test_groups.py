# SPDX-License-Identifier: Apache-2.0
"""Security groups between two instances.

    subnet 10.0.1.0/24 --- a (group clients)
                       \\-- b (group servers)
    subnet 10.0.2.0/24 --- c (group clients)
"""
import pytest

from conftest import everything, tcp


@pytest.fixture(scope="module")
def world(cloud):
    vpc = cloud.vpc()
    near, far = cloud.subnet(vpc, "10.0.1.0/24"), cloud.subnet(vpc, "10.0.2.0/24")
    clients = cloud.group(vpc, "clients")
    servers = cloud.group(vpc, "servers")
    a, b, c = (cloud.instance(near, [clients]), cloud.instance(near, [servers]), cloud.instance(far, [clients]))
    b.listen(80)

    class World:
        pass
    w = World()
    w.cloud, w.ec2, w.a, w.b, w.c, w.clients, w.servers = cloud, cloud.client(), a, b, c, clients, servers
    return w


def test_nothing_comes_in_without_a_rule(world):
    before = world.cloud.drops().get("security-group-ingress", 0)
    assert world.a.connect(world.b.ip, 80) is None
    assert not world.a.ping(world.b.ip)
    assert world.cloud.drops()["security-group-ingress"] > before


@pytest.mark.parametrize("who", ["a", "c"])
def test_a_rule_that_names_a_group_lets_its_members_in(world, who):
    rule = [tcp(80, group=world.clients)]
    world.ec2.authorize_security_group_ingress(GroupId=world.servers, IpPermissions=rule)
    try:
        assert getattr(world, who).connect(world.b.ip, 80) == world.b.id
        assert getattr(world, who).connect(world.b.ip, 81) is None
    finally:
        world.ec2.revoke_security_group_ingress(GroupId=world.servers, IpPermissions=rule)
    assert getattr(world, who).connect(world.b.ip, 80) is None


def test_replies_need_no_rule_and_icmp_is_tracked(world):
    rule = [{"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.1.0/24"}]}]
    world.ec2.authorize_security_group_ingress(GroupId=world.servers, IpPermissions=rule)
    try:
        assert world.a.ping(world.b.ip)
        assert not world.c.ping(world.b.ip), "10.0.2.0/24 is not in the rule's CIDR"
    finally:
        world.ec2.revoke_security_group_ingress(GroupId=world.servers, IpPermissions=rule)


def test_a_tracked_connection_survives_the_removal_of_its_rule(world):
    import socket
    import subprocess
    rule = [tcp(80, cidr="10.0.0.0/16")]
    world.ec2.authorize_security_group_ingress(GroupId=world.servers, IpPermissions=rule)
    code = ("import socket,sys\n"
            f"c=socket.create_connection(({world.b.ip!r},80),5); f=c.makefile('rw'); print(f.readline().strip(),flush=True)\n"
            "for line in sys.stdin:\n"
            "    f.write(line); f.flush(); print(f.readline().strip(), flush=True)\n")
    client = world.a.start("/usr/bin/python3", "-c", code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline().strip() == world.b.id
    world.ec2.revoke_security_group_ingress(GroupId=world.servers, IpPermissions=rule)
    assert world.a.connect(world.b.ip, 80) is None, "a new connection finds no rule"
    client.stdin.write("still here\n")
    client.stdin.flush()
    assert client.stdout.readline().strip() == "still here"
    client.kill()


def test_no_way_out_without_an_egress_rule(world):
    rules = world.ec2.describe_security_groups(GroupIds=[world.clients])["SecurityGroups"][0]["IpPermissionsEgress"]
    world.ec2.authorize_security_group_ingress(GroupId=world.servers, IpPermissions=[everything(cidr="0.0.0.0/0")])
    try:
        assert world.a.connect(world.b.ip, 80) == world.b.id
        world.ec2.revoke_security_group_egress(GroupId=world.clients, IpPermissions=rules)
        assert world.a.connect(world.b.ip, 80) is None
    finally:
        world.ec2.authorize_security_group_egress(GroupId=world.clients, IpPermissions=rules)
        world.ec2.revoke_security_group_ingress(GroupId=world.servers, IpPermissions=[everything(cidr="0.0.0.0/0")])
