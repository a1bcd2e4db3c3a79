# SPDX-License-Identifier: Apache-2.0
"""Datagrams in pieces, through groups and ACLs, within a subnet, across two, by public addresses, to the host.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a (all), b (UDP 9000 only; public addresses)
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- d (all)
    host 198.18.x.1 --- uplink
"""
import contextlib
import itertools
import random
import struct
import types

import pytest

from conftest import everything, until
from conftest import udp as udp_rule
from frames import TCP, UDP, ether, icmp, ip, packed, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
MORE = 0x2000
DATA = random.Random(9).randbytes(1 << 16)
numbers = itertools.count(100)
ports = itertools.count(30000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = vpc = cloud.vpc(ipv6=True)
    w.near, w.far = cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.subnet(vpc, "10.0.2.0/24", 2)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    open_group = cloud.group(vpc, "open", all_of, egress=all_of)
    one_port = cloud.group(vpc, "one port", [udp_rule(9000, cidr="0.0.0.0/0", cidr6="::/0")], egress=all_of)
    w.a = cloud.instance(w.near, [open_group], ipv6=True, public=True)
    w.b = cloud.instance(w.near, [one_port], ipv6=True, public=True)
    w.d = cloud.instance(w.far, [open_group], ipv6=True)
    return w


def pieces(source, destination, inside, at, number=None):
    """The IP packets of a datagram cut at these places."""
    whole, number = bytes(inside.summed(packed(source), packed(destination))), number or next(numbers)
    ends = [0, *at, len(whole)]
    made = []
    for i, (start, end) in enumerate(zip(ends, ends[1:])):
        more = i + 2 < len(ends)
        if ":" in source:
            header = (44, struct.pack("!BBHI", 0, 0, start | more, number))
            made.append(ip(source, destination, whole[start:end], protocol=inside.protocol, extensions=[header]))
        else:
            made.append(ip(source, destination, whole[start:end], protocol=inside.protocol, identification=number,
                           fragment=start // 8 | (MORE if more else 0)))
    return made


WAYS = [("a", "b", 4), ("a", "b", 6), ("a", "d", 4), ("a", "d", 6), ("d", "b", 4), ("a", "host", 4), ("a", "host", 6),
        ("a", "b's public", 4), ("host", "b's public", 4), ("host", "b", 6)]


def ends(w, way):
    """(sender, receiver, the address to send to, the address to listen at)"""
    sender, receiver, family = way
    place = {"host": w.host}.get(sender) or getattr(w, sender)
    if receiver == "host":
        return place, w.host, *[w.cloud.host if family == 4 else w.cloud.host6] * 2
    to = getattr(w, receiver[0])
    if "public" in receiver:
        return place, to, to.public_ip, to.ip
    return place, to, *[to.ip if family == 4 else to.ip6] * 2


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_large_datagrams_of_real_kernels(w, way):
    """60,000 bytes of UDP, cut by the sender's kernel and put together by the receiver's; and the answer.

    Pieces of IPv6 that the uplink has no room for are lost, and their sender cuts the next ones smaller."""
    sender, receiver, address, bind = ends(w, way)
    with sender.udp("::" if ":" in address else "0.0.0.0") as c, receiver.udp(bind, 9000) as s:
        c.setsockopt(*(((41, 23, 0)) if ":" in address else (0, 10, 0)))  # no path MTU discovery
        s.setsockopt(*(((41, 23, 0)) if ":" in address else (0, 10, 0)))
        def cross(sender, to, receiver, data):
            receiver.settimeout(1)
            for _ in range(5):
                sender.sendto(data, to)
                with contextlib.suppress(TimeoutError):
                    return receiver.recvfrom(1 << 17)
            raise AssertionError(f"{len(data)} bytes did not arrive")
        for size in (9500, 20000, 60000):
            got, peer = cross(c, (address, 9000), s, DATA[:size])
            assert got == DATA[:size]
            assert cross(s, peer, c, got[::-1])[0] == DATA[:size][::-1]


@pytest.mark.parametrize("family", [4, 6])
def test_large_pings(w, family):
    for to in (w.d,):
        done = w.a.run("ping", f"-{family}", "-n", "-q", "-c", 2, "-W", 5, "-i", "0.05", "-s", 30000, to.ip if family == 4 else to.ip6, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("family", [4, 6])
def test_later_pieces_go_where_the_first_may(w, family):
    """A port that the receiver's groups refuse: neither the first piece nor any later one arrives."""
    own, b = (w.a.ip, w.b.ip) if family == 4 else (w.a.ip6, w.b.ip6)
    send = lambda at, packets: at.send(*[ether(w.b.mac, w.a.mac, p) for p in packets])
    with w.a.wire() as at_a, w.b.wire() as at_b:
        with w.cloud.dropping("security-group-ingress"), w.cloud.dropping("fragment-without-first", 2):
            send(at_a, pieces(own, b, udp(1, 9001, DATA[:2000]), [800, 1600]))
        with w.cloud.dropping("fragment-without-first", 2):
            send(at_a, pieces(own, b, udp(1, 9000, DATA[:2000]), [800, 1600])[1:])
        with w.cloud.dropping("fragment"):
            first, second, third = pieces(own, b, udp(1, 9000, b"overlap" + DATA[:2000]), [800, 1600])
            other = pieces(own, b, udp(1, 9000, DATA[:2000]), [792, 1600], number=next(numbers) - 1)[1]
            send(at_a, [first, other])
        with w.cloud.dropping("fragment-without-first"):
            send(at_a, [third])
        send(at_a, pieces(own, b, udp(1, 9000, DATA[:2000]), [800, 1600]))
        got = [at_b.receive(lambda f: f.fragment is not None and f.source == own and f.protocol == UDP) for _ in range(4)]
        assert b"overlap" in got[0].payload
        assert b"".join(f.payload for f in got[1:])[8:] == DATA[:2000]
        assert not [f for f in at_b.drain() if f.source == own]


def test_others_pieces(w):
    """With the same addresses and number, from another interface: it is no piece of this datagram."""
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": False})
    try:
        with w.a.wire() as at_a, w.b.wire() as at_b, w.d.wire() as at_d:
            first, second = pieces(w.a.ip, w.d.ip, udp(5, 6, DATA[:1600]), [800])
            at_a.send(ether(ROUTER_MAC, w.a.mac, first))
            at_d.receive(lambda f: f.fragment is not None)
            def refused():
                before = w.cloud.drops().get("fragment-without-first", 0)
                at_b.send(ether(ROUTER_MAC, w.b.mac, second))
                until(lambda: w.cloud.drops() != before, "a drop")
                return w.cloud.drops().get("fragment-without-first", 0) > before
            until(refused, "b's piece is refused as such")
            at_a.send(ether(ROUTER_MAC, w.a.mac, second))
            assert at_d.receive(lambda f: f.fragment is not None).payload == second[20:]
            assert not [f for f in at_d.drain() if f.fragment is not None]
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": True})


def test_acls_see_the_ports(w):
    """A network ACL is asked for each piece, with the first one's ports; a change acts on the next piece."""
    acl = w.ec2.create_network_acl(VpcId=w.vpc["VpcId"])["NetworkAcl"]["NetworkAclId"]
    def entry(number, port, action, replace=False):
        call = w.ec2.replace_network_acl_entry if replace else w.ec2.create_network_acl_entry
        call(NetworkAclId=acl, RuleNumber=number, Protocol="17", RuleAction=action, Egress=False, CidrBlock="0.0.0.0/0", PortRange={"From": port, "To": port})
    entry(100, 700, "allow")
    entry(200, 701, "deny")
    association = [a for t in w.ec2.describe_network_acls()["NetworkAcls"] for a in t["Associations"] if a["SubnetId"] == w.far][0]
    made = w.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)["NewAssociationId"]
    try:
        with w.a.wire() as at_a, w.d.wire() as at_d:
            def passes(port):
                first, second = pieces(w.a.ip, w.d.ip, udp(5, port, DATA[:1600]), [800])
                at_a.send(ether(ROUTER_MAC, w.a.mac, first), ether(ROUTER_MAC, w.a.mac, second))
                return [at_d.receive(lambda f: f.fragment is not None).payload for _ in range(2)] == [first[20:], second[20:]]
            assert passes(700)
            with w.cloud.dropping("network-acl-ingress"), w.cloud.dropping("fragment-without-first"):
                at_a.send(*[ether(ROUTER_MAC, w.a.mac, p) for p in pieces(w.a.ip, w.d.ip, udp(5, 701, DATA[:1600]), [800])])
            first, second = pieces(w.a.ip, w.d.ip, udp(5, 700, DATA[:1600]), [800])
            at_a.send(ether(ROUTER_MAC, w.a.mac, first))
            at_d.receive(lambda f: f.fragment is not None)
            entry(100, 700, "deny", replace=True)
            with w.cloud.dropping("network-acl-ingress"):
                at_a.send(ether(ROUTER_MAC, w.a.mac, second))
    finally:
        w.ec2.replace_network_acl_association(AssociationId=made, NetworkAclId=association["NetworkAclId"])


@pytest.mark.parametrize("family", [4, 6])
def test_too_small_to_be_judged(w, family):
    """RFC 1858: a first piece without all of the transport header, and one that would write over it."""
    own, d = (w.a.ip, w.d.ip) if family == 4 else (w.a.ip6, w.d.ip6)
    with w.a.wire() as at_a, w.d.wire() as at_d:
        for inside, at in ((tcp(1, 80, data=DATA[:100]), [8]), (tcp(1, 80, data=DATA[:100]), [16, 24])):
            with w.cloud.dropping("fragment"):
                at_a.send(ether(ROUTER_MAC, w.a.mac, pieces(own, d, inside, at)[0]))
        assert not [f for f in at_d.drain() if f.protocol == TCP]


def test_errors_in_pieces_are_errors_of_nobody(w):
    """An ICMP error in fragments is judged by the rules, which at b admit no ICMP."""
    with w.a.wire() as at_a:
        quote = ip(w.b.ip, w.a.ip, udp(9000, 77, DATA[:900]))
        with w.cloud.dropping("security-group-ingress"):
            at_a.send(ether(w.b.mac, w.a.mac, pieces(w.a.ip, w.b.ip, icmp(3, 3, 0, 0, quote), [400])[0]))
