# SPDX-License-Identifier: Apache-2.0
"""NAT gateways, on real packets, each byte verified.

    vpc 10.0.0.0/16, internet gateway
      subnet 10.0.1.0/24 --0.0.0.0/0--> NAT gateway          a (no public address), s (no public address)
      subnet 10.0.2.0/24 --0.0.0.0/0--> internet gateway     NAT gateway (an elastic IP); b (public address)
      subnet 10.0.3.0/24 --0.0.0.0/0--> NAT gateway          empty
    host 198.18.x.1 --- uplink
"""
import hashlib
import itertools
import random
import socket
import struct
import subprocess
import threading
import types

import pytest

from conftest import BOUND, everything, until
from frames import ACK, FIN, RST, SYN, ether, icmp, ipv4, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(21000)
MEGABYTE = random.Random(1).randbytes(1 << 20)
OFFLOADS = ("tx", "off"), ("tso", "off"), ("gso", "off"), ("gro", "off"), ("rx", "off")


def table_to(w, subnets, **target):
    table = w.ec2.create_route_table(VpcId=w.vpc["VpcId"])["RouteTable"]["RouteTableId"]
    for s in subnets:
        w.ec2.associate_route_table(RouteTableId=table, SubnetId=s)
    w.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    return table


def nat_gateway(w, subnet, **more):
    if more.get("ConnectivityType") != "private":
        more["AllocationId"] = w.ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = w.ec2.create_nat_gateway(SubnetId=subnet, **more)["NatGateway"]["NatGatewayId"]

    def look():
        row = w.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
        return row["State"] == "available" and row
    return until(look, f"{nat} is available")


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = cloud.vpc()
    w.private, w.public = cloud.subnet(w.vpc, "10.0.1.0/24"), cloud.subnet(w.vpc, "10.0.2.0/24")
    open_ = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0")])
    w.a, w.s = cloud.instances(2, w.private, [open_])
    w.b = cloud.instance(w.public, [open_], public=True)
    row = nat_gateway(w, w.public)
    w.nat, w.address = row["NatGatewayId"], row["NatGatewayAddresses"][0]["PublicIp"]
    w.inside = row["NatGatewayAddresses"][0]["PrivateIp"]
    w.table = table_to(w, [w.private], NatGatewayId=w.nat)
    w.up = w.host.wire()
    # The change is in force once a packet gets through.
    until(lambda: w.a.ping(cloud.host), "the NAT gateway carries packets")
    return w


def numbers(f):
    """Sequence number and acknowledgement."""
    return struct.unpack("!II", f.transport[4:12])


def from_outside(w, inside):
    w.up.send(ether(ROUTER_MAC, w.up.mac, ipv4(w.cloud.host, w.address, inside)))


def test_tcp_out_and_back(w):
    port = next(ports)
    with w.host.serve(w.cloud.host, port) as listener, w.a.dial(w.cloud.host, port) as c, listener.accept()[0] as s:
        assert s.getpeername()[0] == w.address and s.getpeername()[1] >= 1024
        assert c.getsockname()[0] == w.a.ip and c.getpeername() == (w.cloud.host, port)
        c.sendall(b"question")
        assert s.recv(100) == b"question"
        s.sendall(b"answer")
        assert c.recv(100) == b"answer"


def test_two_instances_with_the_same_port(w):
    """Both are seen with one address, and told apart by the port."""
    port, own = next(ports), next(ports)
    outside = w.host.udp(w.cloud.host, port)
    peers = {}
    inside = {name: getattr(w, name).udp(getattr(w, name).ip, own) for name in "as"}
    for name, s in inside.items():
        s.sendto(name.encode(), (w.cloud.host, port))
        data, peer = outside.recvfrom(100)
        assert data == name.encode() and peer[0] == w.address
        peers[name] = peer
    assert peers["a"] != peers["s"]
    for name, s in inside.items():
        outside.sendto(b"to " + name.encode(), peers[name])
        assert s.recv(100) == b"to " + name.encode()
    outside.close()


def test_each_byte_of_what_is_translated(w):
    """Through packet sockets at both ends: nothing but addresses, one port and checksums has changed."""
    for protocol, build in (("udp", lambda p, q: udp(p, q, b"odd")), ("tcp", lambda p, q: tcp(p, q, SYN, 77, 0, b""))):
        sport, dport = next(ports), next(ports)
        with w.a.wire() as at_a:
            w.up.drain()
            at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, build(sport, dport), identification=99)))
            f = w.up.receive(lambda f: f.dport == dport)
            assert f.faults == [] and f.source == w.address
            want = ether(w.up.mac, ROUTER_MAC, ipv4(w.address, w.cloud.host, build(f.sport, dport), identification=99))
            assert f.raw == want, protocol
            if protocol == "udp":
                from_outside(w, udp(dport, f.sport, b"back"))
                g = at_a.receive(lambda f: f.sport == dport)
                assert g.raw == ether(w.a.mac, ROUTER_MAC, ipv4(w.cloud.host, w.a.ip, udp(dport, sport, b"back")))
    with w.a.wire() as at_a:
        w.up.drain()
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, icmp(8, number=4242, data=b"echo"))))
        f = w.up.receive(lambda f: f.type == 8)
        assert f.faults == [] and f.raw == ether(w.up.mac, ROUTER_MAC, ipv4(w.address, w.cloud.host, icmp(8, number=f.number, data=b"echo")))
        g = at_a.receive(lambda f: f.type == 0)
        assert (g.source, g.destination, g.number, g.faults) == (w.cloud.host, w.a.ip, 4242, [])


def test_a_megabyte_without_offloads(w):
    """Both ways, with checksums that are computed and verified at each end."""
    places = (w.a, w.host)
    for value in ("off", "on"):
        for p in places:
            args = [x for name, _ in OFFLOADS for x in (name, value)]
            subprocess.run(["nsenter", f"--net={p.namespace}", "ethtool", "-K", p.device, *args], check=True, stdout=subprocess.DEVNULL)
        port, got = next(ports), []
        with w.host.serve(w.cloud.host, port) as listener, w.a.dial(w.cloud.host, port) as c, listener.accept()[0] as s:
            for one, other in ((c, s), (s, c)):
                other.settimeout(BOUND)
                sender = threading.Thread(target=one.sendall, args=(MEGABYTE,))
                sender.start()
                data = b""
                while len(data) < len(MEGABYTE):
                    data += other.recv(1 << 16)
                sender.join()
                got.append(hashlib.sha256(data).digest())
        assert got == [hashlib.sha256(MEGABYTE).digest()] * 2


def test_nothing_begins_outside(w):
    for inside in (tcp(9, 22), udp(9, 5353), icmp(8)):
        with w.cloud.dropping("nat-unsolicited"):
            from_outside(w, inside)
    # Nor inside: the gateway's own address answers nobody.
    for inside in (tcp(9, 22), udp(9, 53)):
        with w.cloud.dropping("nat-unsolicited"), w.b.wire() as at_b:
            at_b.send(ether(ROUTER_MAC, w.b.mac, ipv4(w.b.ip, w.inside, inside)))


def test_what_it_does_not_translate(w):
    with w.a.wire() as at_a:
        for inside, protocol in ((icmp(13), None), (icmp(0, number=1), None), (b"x" * 20, 47), (b"x" * 20, 132)):
            with w.cloud.dropping("nat-protocol"):
                at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, inside, protocol=protocol)))


def test_a_connection_that_it_does_not_know_is_reset(w):
    sport, dport = next(ports), next(ports)
    with w.a.wire() as at_a, w.cloud.dropping("nat-idle", 2):
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, tcp(sport, dport, ACK, 100, 200, b"data"))))
        f = at_a.receive(lambda f: f.dport == sport)
        assert (f.source, f.sport, f.faults) == (w.cloud.host, dport, [])
        assert (f.flags, *numbers(f)) == (RST, 200, 0), "a reset, no FIN, with the number that the sender expects"
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, tcp(sport, dport, FIN, 100, 0, b"data"))))
        f = at_a.receive(lambda f: f.dport == sport)
        assert (f.flags, *numbers(f), f.faults) == (RST | ACK, 0, 105, [])


def test_hairpin_to_a_public_address_of_this_host(w):
    """Out through NAT, and back in to an instance with a public address: which sees the gateway's address."""
    port = next(ports)
    with w.b.serve(w.b.ip, port) as listener, w.a.dial(w.b.public_ip, port) as c, listener.accept()[0] as s:
        assert s.getpeername()[0] == w.address
        s.sendall(b"answer")
        assert c.recv(100) == b"answer" and c.getpeername()[0] == w.b.public_ip


def test_acls_on_both_sides_of_the_gateway(w):
    """A packet crosses four borders; each can refuse it, and the answer likewise."""
    ec2 = w.ec2

    def acl_of(subnet):
        row = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
        return next(a["NetworkAclAssociationId"] for a in row["Associations"] if a["SubnetId"] == subnet), row["NetworkAclId"]

    assert w.a.ping(w.cloud.host, seconds=5)
    for subnet, egress, cidr, reason in ((w.private, True, w.cloud.host, "network-acl-egress"),
                                         (w.public, False, w.a.ip, "network-acl-ingress"),
                                         (w.public, True, w.cloud.host, "network-acl-egress"),
                                         (w.public, False, w.cloud.host, "network-acl-ingress"),
                                         (w.public, True, w.a.ip, "network-acl-egress"),
                                         (w.private, False, w.cloud.host, "network-acl-ingress")):
        association, old = acl_of(subnet)
        acl = ec2.create_network_acl(VpcId=w.vpc["VpcId"])["NetworkAcl"]["NetworkAclId"]
        for out in (True, False):
            ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=out, CidrBlock="0.0.0.0/0")
        ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Protocol="-1", RuleAction="deny", Egress=egress, CidrBlock=cidr + "/32")
        association = ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)["NewAssociationId"]
        until(lambda: not w.a.ping(w.cloud.host, seconds=0.2), f"{reason} {cidr}")
        with w.cloud.dropping(reason):
            w.a.ping(w.cloud.host, seconds=0.2)
        ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=old)
        until(lambda: w.a.ping(w.cloud.host), "open again")
        ec2.delete_network_acl(NetworkAclId=acl)


def test_a_connection_survives_what_does_not_concern_it(w):
    port = next(ports)
    with w.host.serve(w.cloud.host, port) as listener, w.a.dial(w.cloud.host, port) as c, listener.accept()[0] as s:
        peer = s.getpeername()
        for i in range(5):
            w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock=f"192.0.{i}.0/24", NatGatewayId=w.nat)
            c.sendall(b"still")
            assert s.recv(100) == b"still"
            s.sendall(b"here")
            assert c.recv(100) == b"here"
        assert s.getpeername() == peer
    for i in range(5):
        w.ec2.delete_route(RouteTableId=w.table, DestinationCidrBlock=f"192.0.{i}.0/24")


def test_private_connectivity(w):
    """Onward inside the VPC by the gateway's private address; never to the internet."""
    subnet = w.cloud.subnet(w.vpc, "10.0.3.0/24")
    row = nat_gateway(w, subnet, ConnectivityType="private")
    nat, address = row["NatGatewayId"], row["NatGatewayAddresses"][0]["PrivateIp"]
    w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock="10.0.2.0/24", NatGatewayId=nat)
    port = next(ports)
    with w.b.serve(w.b.ip, port) as listener:
        def through():
            with w.a.dial(w.b.ip, port) as c, listener.accept()[0] as s:
                s.sendall(b"answer")
                return c.recv(100) == b"answer" and s.getpeername()[0] == address
        until(through, "by the private NAT gateway")
    w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock=w.cloud.host + "/32", NatGatewayId=nat)
    until(lambda: not w.a.ping(w.cloud.host, seconds=0.2), "the route is in force")
    with w.cloud.dropping("no-public-address"):
        w.a.ping(w.cloud.host, seconds=0.2)
    w.ec2.delete_route(RouteTableId=w.table, DestinationCidrBlock=w.cloud.host + "/32")
    w.ec2.delete_route(RouteTableId=w.table, DestinationCidrBlock="10.0.2.0/24")
    until(lambda: w.a.ping(w.cloud.host), "as before")


def test_a_gateway_that_is_deleted_ends_its_flows(w):
    port = next(ports)
    with w.host.serve(w.cloud.host, port) as listener, w.s.dial(w.cloud.host, port) as c, listener.accept()[0] as s:
        c.sendall(b"before")
        assert s.recv(100) == b"before"
        sport = s.getpeername()[1]
        w.ec2.delete_nat_gateway(NatGatewayId=w.nat)
        until(lambda: not w.a.ping(w.cloud.host, seconds=0.2), "it is gone")
        with w.cloud.dropping("blackhole"):
            c.sendall(b"after")
        with w.cloud.dropping("uplink-unknown"):
            from_outside(w, tcp(port, sport, ACK, 1, 1))
        s.settimeout(0.2)
        with pytest.raises(socket.timeout):
            s.recv(100)
