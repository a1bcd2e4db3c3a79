# SPDX-License-Identifier: Apache-2.0
"""Peering and egress-only internet gateways, on real packets.

    account 1   vpc A 10.1.0.0/16, IPv6, internet gateway                  a
                vpc B 10.2.0.0/16, IPv6, egress-only internet gateway      b
                vpc D 10.2.0.0/16 (B's addresses, of no peering with A)    d
    account 2   vpc C 10.3.0.0/16                                          c
    peerings    A - B, B - C; routes both ways
    host 198.18.x.1 --- uplink
"""
import itertools
import types

import pytest

from conftest import everything, permission, until
from frames import ACK, SYN, ether, icmp, ip, ipv4, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(22000)


def table_of(cloud, vpc):
    return cloud.client().describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["RouteTables"][0]["RouteTableId"]


def peer(near, a, far, b):
    """A connection between VPC `a` of one account and `b` of another (or the same), with routes."""
    account = far.client("sts").get_caller_identity()["Account"]
    pcx = near.client().create_vpc_peering_connection(VpcId=a["VpcId"], PeerVpcId=b["VpcId"], PeerOwnerId=account)
    pcx = pcx["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def accepted():
        try:
            far.client().accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
        except far.client().exceptions.ClientError as e:
            if "NotFound" in str(e) or "StateTransition" in str(e):
                return False
            raise
        return True
    until(accepted, f"{pcx} can be accepted")
    for cloud, own, other in ((near, a, b), (far, b, a)):
        cloud.client().create_route(RouteTableId=table_of(cloud, own), DestinationCidrBlock=other["CidrBlock"], VpcPeeringConnectionId=pcx)
    return pcx


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), other=cloud.tenant(), host=cloud.host_place())
    w.A, w.B = cloud.vpc("10.1.0.0/16", ipv6=True), cloud.vpc("10.2.0.0/16", ipv6=True, internet=False)
    w.C, w.D = w.other.vpc("10.3.0.0/16", internet=False), cloud.vpc("10.2.0.0/16", internet=False)
    everybody = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    for name, owner, vpc, cidr in (("a", cloud, w.A, "10.1.1.0/24"), ("b", cloud, w.B, "10.2.1.0/24"),
                                   ("c", w.other, w.C, "10.3.1.0/24"), ("d", cloud, w.D, "10.2.1.0/24")):
        v6 = name in "ab"
        subnet = owner.subnet(vpc, cidr, 1 if v6 else None)
        group = owner.group(vpc, "open-" + name, everybody, egress=everybody)
        address = {"address": "10.2.1.10"} if name in "bd" else {}
        setattr(w, name, owner.instance(subnet, [group], ipv6=v6, public=name == "a", **address))
        setattr(w, "subnet_" + name, subnet)
    w.ab = peer(cloud, w.A, cloud, w.B)
    w.bc = peer(cloud, w.B, w.other, w.C)
    w.up = w.host.wire()
    until(lambda: w.a.ping(w.b.ip) and w.b.ping(w.c.ip), "the peerings carry packets")
    return w


def test_both_ways_and_to_the_right_vpc(w):
    """10.2.1.10 is b and d: A's peering is with B."""
    for client, server in ((w.a, w.b), (w.b, w.a), (w.b, w.c), (w.c, w.b)):
        port = next(ports)
        with server.serve(server.ip, port) as listener, client.dial(server.ip, port) as c, listener.accept()[0] as s:
            assert s.getpeername() == c.getsockname() and c.getsockname()[0] == client.ip
            s.sendall(b"answer")
            assert c.recv(100) == b"answer"
    with w.a.wire() as at_a, w.b.wire() as at_b, w.d.wire() as at_d:
        at_d.drain()
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.b.ip, udp(1000, 2000, b"whose?"))))
        f = at_b.receive(lambda f: f.dport == 2000)
        assert (f.source, f.faults) == (w.a.ip, [])
        assert not [f for f in at_d.drain() if f.dport == 2000]


def test_not_transitive_and_no_way_through_the_peers_gateways(w):
    ec2, other = w.ec2, w.other.client()
    table_a, table_c = table_of(w.cloud, w.A), table_of(w.other, w.C)
    # A to C through B, C to A, and C to the internet through B: routes may say so, nobody is there.
    ec2.create_route(RouteTableId=table_a, DestinationCidrBlock="10.3.0.0/16", VpcPeeringConnectionId=w.ab)
    other.create_route(RouteTableId=table_c, DestinationCidrBlock="0.0.0.0/0", VpcPeeringConnectionId=w.bc)
    for sender, target in ((w.a, w.c.ip), (w.c, w.a.ip), (w.c, w.cloud.host), (w.c, w.a.public_ip)):
        with sender.wire() as wire:
            def goes():
                before = w.cloud.drops().get("no-such-address", 0)
                wire.send(ether(ROUTER_MAC, sender.mac, ipv4(sender.ip, target, udp(1, 2))))
                return until(lambda: w.cloud.drops().get("no-such-address", 0) > before or None, "dropped", 1)
            until(goes, f"{sender.ip} to {target}")
    ec2.delete_route(RouteTableId=table_a, DestinationCidrBlock="10.3.0.0/16")
    other.delete_route(RouteTableId=table_c, DestinationCidrBlock="0.0.0.0/0")


def test_replies_need_a_route_back(w):
    table = table_of(w.cloud, w.B)
    w.ec2.delete_route(RouteTableId=table, DestinationCidrBlock=w.A["CidrBlock"])
    until(lambda: not w.a.ping(w.b.ip, seconds=0.2), "the route back is gone")
    with w.cloud.dropping("no-route"):
        w.a.ping(w.b.ip, seconds=0.2)
    w.ec2.create_route(RouteTableId=table, DestinationCidrBlock=w.A["CidrBlock"], VpcPeeringConnectionId=w.ab)
    until(lambda: w.a.ping(w.b.ip), "and there again")


def test_a_group_of_the_peer(w):
    """b lets in a's group, by name; d's group has the number that a's has in its own VPC."""
    group = w.cloud.group(w.B, "from-a", [])
    group_a = w.ec2.describe_instances(InstanceIds=[w.a.id])["Reservations"][0]["Instances"][0]["SecurityGroups"][0]["GroupId"]
    b2 = w.cloud.instance(w.subnet_b, [group])
    assert not w.a.ping(b2.ip, seconds=0.2)
    rule = permission("icmp", -1, -1)
    rule["UserIdGroupPairs"] = [{"GroupId": group_a, "VpcId": w.A["VpcId"], "VpcPeeringConnectionId": w.ab}]
    w.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    until(lambda: w.a.ping(b2.ip), "a's group is let in")
    with w.cloud.dropping("security-group-ingress"):
        assert not w.b.ping(b2.ip, seconds=0.2), "the sets of B and of A have the same numbers"
    w.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule])
    until(lambda: not w.a.ping(b2.ip, seconds=0.2), "and no longer")


def test_acls_of_both_subnets(w):
    for vpc, subnet, egress, cidr, reason in ((w.A, w.subnet_a, True, w.b.ip, "network-acl-egress"), (w.B, w.subnet_b, False, w.a.ip, "network-acl-ingress")):
        row = w.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]["NetworkAclId"]
        w.ec2.create_network_acl_entry(NetworkAclId=row, RuleNumber=50, Protocol="-1", RuleAction="deny", Egress=egress, CidrBlock=cidr + "/32")
        until(lambda: not w.a.ping(w.b.ip, seconds=0.2), reason)
        with w.cloud.dropping(reason):
            w.a.ping(w.b.ip, seconds=0.2)
        w.ec2.delete_network_acl_entry(NetworkAclId=row, RuleNumber=50, Egress=egress)
        until(lambda: w.a.ping(w.b.ip), "open again")


def test_a_source_inside_the_peer_does_not_come_from_outside(w):
    """Rules that name the peer's networks mean those inside."""
    with w.cloud.dropping("spoofed-address"):
        w.up.send(ether(ROUTER_MAC, w.up.mac, ipv4(w.b.ip, w.a.public_ip, udp(1, 2))))


def test_egress_only(w):
    """IPv6 out and its answers in; nothing else comes in, though b's group allows all."""
    eigw = w.ec2.create_egress_only_internet_gateway(VpcId=w.B["VpcId"])["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    table = table_of(w.cloud, w.B)
    w.ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=eigw)
    until(lambda: w.b.ping(w.cloud.host6), "the gateway carries packets")
    port = next(ports)
    with w.host.serve(w.cloud.host6, port) as listener, w.b.dial(w.cloud.host6, port) as c, listener.accept()[0] as s:
        assert s.getpeername()[:2] == c.getsockname()[:2] and s.getpeername()[0] == w.b.ip6
        s.sendall(b"answer")
        assert c.recv(100) == b"answer"
        for inside in (tcp(9, 22), tcp(9, 22, ACK, 5, 5), udp(9, 53), icmp(128, family=6)):
            with w.cloud.dropping("uplink-unknown"):
                w.up.send(ether(ROUTER_MAC, w.up.mac, ip(w.cloud.host6, w.b.ip6, inside)))
        # To another VPC's instance with a public IPv6 address, and the answer back; not the reverse.
        with w.a.serve(w.a.ip6, port) as there, w.b.dial(w.a.ip6, port) as out, there.accept()[0] as end:
            end.sendall(b"across")
            assert out.recv(100) == b"across" and end.getpeername()[0] == w.b.ip6
        with w.a.wire() as at_a, w.cloud.dropping("uplink-destination"):
            at_a.send(ether(ROUTER_MAC, w.a.mac, ip(w.a.ip6, w.b.ip6, tcp(7, 22, SYN))))
        # An internet gateway beside it makes the addresses public, but the way out stays what it is.
        igw = w.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        w.ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=w.B["VpcId"])

        def refused():
            before = w.cloud.drops().get("egress-only", 0)
            w.up.send(ether(ROUTER_MAC, w.up.mac, ip(w.cloud.host6, w.b.ip6, tcp(9, 22))))
            return until(lambda: w.cloud.drops().get("egress-only", 0) > before or None, "refused", 1)
        with w.b.wire() as at_b:
            until(refused, "nothing begins outside")
            assert not [f for f in at_b.drain() if f.dport == 22], "refused on the way in, not b's answer on the way out"
        s.sendall(b"still")
        assert c.recv(100) == b"still"
        w.ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=w.B["VpcId"])
        # Deleted: both directions end.
        w.ec2.delete_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0")
        w.ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=eigw)
        until(lambda: not w.b.ping(w.cloud.host6, seconds=0.2), "it is gone")
        with w.cloud.dropping("egress-only"):
            s.sendall(b"after")


def test_a_connection_that_is_deleted_stops_at_once(w):
    port = next(ports)
    with w.b.serve(w.b.ip, port) as listener, w.a.dial(w.b.ip, port) as c, listener.accept()[0] as s:
        c.sendall(b"before")
        assert s.recv(100) == b"before"
        w.other.client().delete_vpc_peering_connection(VpcPeeringConnectionId=w.bc)
        until(lambda: not w.b.ping(w.c.ip, seconds=0.2), "B - C is gone")
        c.sendall(b"A - B is not")
        assert s.recv(100) == b"A - B is not"
        w.ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=w.ab)
        until(lambda: not w.a.ping(w.b.ip, seconds=0.2), "A - B is gone")
        with w.cloud.dropping("blackhole"):
            c.sendall(b"after")
