# SPDX-License-Identifier: Apache-2.0
"""ICMP errors: those which quote a flow's packet pass with that flow, translated outside and inside, and nothing else does.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a, b (public addresses)    groups: UDP 9000-9999 in, UDP out;
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- d                          no rule for ICMP anywhere
    host 198.18.x.1 --- uplink
"""
import itertools
import random
import socket
import struct
import types

import pytest

from conftest import udp as udp_rule
from conftest import until
from frames import ICMP, ICMP6, checksum, ether, icmp, ip, packed, pseudo, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(9001)
DATA = random.Random(4).randbytes(2000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = vpc = cloud.vpc(ipv6=True)
    w.near, w.far = cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.subnet(vpc, "10.0.2.0/24", 2)
    udp_only = cloud.group(vpc, "udp", [udp_rule(9000, 9999, cidr="0.0.0.0/0", cidr6="::/0")],
                           egress=[udp_rule(0, 65535, cidr="0.0.0.0/0", cidr6="::/0")])
    w.a, w.b = cloud.instances(2, w.near, [udp_only], ipv6=True, public=True)
    w.d = cloud.instance(w.far, [udp_only], ipv6=True)
    return w


WAYS = [("a", "b", 4), ("a", "b", 6), ("a", "d", 4), ("a", "d", 6), ("a", "host", 4), ("a", "host", 6), ("a", "b's public", 4),
        ("host", "a's public", 4), ("host", "a", 6)]


def ends(w, way):
    """(sender, its own address, receiver, the address to send to)"""
    sender, receiver, family = way
    place = w.host if sender == "host" else getattr(w, sender)
    own = (w.cloud.host if family == 4 else w.cloud.host6) if sender == "host" else place.ip if family == 4 else place.ip6
    if receiver == "host":
        return place, own, w.host, w.cloud.host if family == 4 else w.cloud.host6
    to = getattr(w, receiver[0])
    return place, own, to, to.public_ip if "public" in receiver else to.ip if family == 4 else to.ip6


def quoted_faults(f, family):
    """What is wrong with the checksums of a packet that is quoted whole."""
    q = f.transport[8:]
    head, src, dst = (20, q[12:16], q[16:20]) if family == 4 else (40, q[8:24], q[24:40])
    faults = ["IPv4 header"] if family == 4 and checksum(q[:20]) else []
    if checksum(pseudo(src, dst, 17, len(q) - head) + q[head:]):
        faults.append("UDP")
    return faults


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_a_closed_port_is_told(w, way):
    """The receiver's kernel says "port unreachable"; the sender's recognizes its own packet and tells the program."""
    sender, own, receiver, address = ends(w, way)
    port = next(ports)
    with sender.udp("::" if way[2] == 6 else "0.0.0.0") as s, sender.wire() as at:
        s.connect((address, port))
        s.settimeout(5)
        s.send(b"hello")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
        kind = (ICMP, 3, 3) if way[2] == 4 else (ICMP6, 1, 4)
        f = at.receive(lambda f: (f.protocol, f.type, f.code) == kind)
        assert not f.faults and f.source == address
        q = f.transport[8:]
        at = 12 if way[2] == 4 else 8
        size = 4 if way[2] == 4 else 16
        assert q[at:at + size] == packed(s.getsockname()[0]) and q[at + size:at + 2 * size] == packed(address)
        assert q[-5:] == b"hello" and q[20 if way[2] == 4 else 40:][:4] == struct.pack("!HH", s.getsockname()[1], port)


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_every_checksum_of_the_quotation(w, way):
    """The quoted packet whole, as it came, by hand: each checksum is right after the translation, inside and outside."""
    sender, own, receiver, address = ends(w, way)
    port, family = next(ports), way[2]
    reply_mac = w.a.mac if receiver is w.a else w.b.mac if receiver is w.b else w.d.mac if receiver is w.d else None
    with sender.udp("::" if family == 6 else "0.0.0.0") as s, sender.wire() as at_sender, receiver.wire() as at_receiver:
        if receiver is not w.host:
            receiver_mac = reply_mac
        s.sendto(DATA[:99], (address, port))
        got = at_receiver.receive(lambda f: f.protocol == 17 and f.dport == port)
        whole = bytearray(got.raw[14:])
        at = 26 if family == 4 else 46
        whole[at:at + 2] = b"\0\0"  # left to offload, perhaps: completed here
        head = 20 if family == 4 else 40
        src, dst = packed(got.source), packed(got.destination)
        whole[at:at + 2] = struct.pack("!H", checksum(pseudo(src, dst, 17, len(whole) - head) + bytes(whole[head:])) or 0xffff)
        kind, code = (3, 13) if family == 4 else (1, 1)
        error = ip(got.destination, got.source, icmp(kind, code, 0, 0, bytes(whole), family=family))
        at_receiver.send(ether(got.src, got.dst, error))
        f = at_sender.receive(lambda f: (f.type, f.code) == (kind, code))
        assert not f.faults and not quoted_faults(f, family)
        assert (f.source, f.destination) == (address, s.getsockname()[0] if s.getsockname()[0] not in ("::", "0.0.0.0") else own)


@pytest.mark.parametrize("family", [4, 6])
def test_errors_of_no_flow(w, family):
    """What quotes a packet that was never sent, another's, or one's own; or goes to somebody else: the groups decide."""
    a, b, d = (x.ip if family == 4 else x.ip6 for x in (w.a, w.b, w.d))
    kind = 3 if family == 4 else 1
    port = next(ports)
    with w.a.udp("::" if family == 6 else "0.0.0.0", 5000) as s, w.a.wire() as at_a, w.b.wire() as at_b, w.d.wire() as at_d:
        s.sendto(b"known", (b, port))
        at_b.receive(lambda f: f.dport == port)
        quote = lambda src, dst, sport, dport: ip(src, dst, udp(sport, dport, b"known"))
        error = lambda src, dst, inside: ip(src, dst, icmp(kind, 1, 0, 0, inside, family=family))
        lies = [(w.b, at_b, error(b, a, quote(a, b, 5001, port))), (w.b, at_b, error(b, a, quote(a, b, 5000, port + 1))),
                (w.b, at_b, error(b, a, quote(b, a, port, 5000))), (w.b, at_b, error(b, a, quote(a, d, 5000, port))),
                (w.b, at_b, error(b, d, quote(a, b, 5000, port))), (w.d, at_d, error(d, a, quote(a, b, 5000, port))),
                (w.b, at_b, error(b, a, quote(a, b, 5000, port)[:24 if family == 4 else 44])),
                (w.a, at_a, error(a, b, quote(a, b, 5000, port)))]
        for place, at, packet in lies:
            with w.cloud.dropping("security-group-egress"):
                at.send(ether(ROUTER_MAC, place.mac, packet))
        with w.cloud.dropping("spoofed-address"): # the flow's own, but from another's address
            at_b.send(ether(ROUTER_MAC, w.b.mac, error(d, a, quote(a, b, 5000, port))))
        at_b.send(ether(ROUTER_MAC, w.b.mac, error(b, a, quote(a, b, 5000, port))))
        seen, ours = [], lambda f: f.protocol in (ICMP, ICMP6) and (f.type, f.code) == (kind, 1)  # b's kernel has a code of its own
        at_a.receive(ours, seen=seen)
        assert not [f for f in seen + at_a.drain() + at_b.drain() + at_d.drain() if ours(f)]


def test_network_acls_want_a_rule_for_the_error(w):
    """AWS: path MTU discovery needs its own rule in a network ACL. Without one the flow's errors stop at the border."""
    acl = w.ec2.create_network_acl(VpcId=w.vpc["VpcId"])["NetworkAcl"]["NetworkAclId"]
    for egress in (False, True):
        w.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Protocol="17", RuleAction="allow", Egress=egress,
                                       CidrBlock="0.0.0.0/0", PortRange={"From": 0, "To": 65535})
    association = [a for t in w.ec2.describe_network_acls()["NetworkAcls"] for a in t["Associations"] if a["SubnetId"] == w.far][0]
    made = w.ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)["NewAssociationId"]
    try:
        with w.a.udp("0.0.0.0") as s:
            s.connect((w.d.ip, next(ports)))
            s.settimeout(5)
            with w.cloud.dropping("network-acl-egress"):
                s.send(b"closed")
            w.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=110, Protocol="1", RuleAction="allow", Egress=True,
                                           CidrBlock="0.0.0.0/0", IcmpTypeCode={"Type": 3, "Code": 3})
            def refused():
                s.settimeout(0.2)
                try:
                    s.send(b"closed")
                    s.recv(100)
                except socket.timeout:
                    return False
                except ConnectionRefusedError:
                    return True
            until(refused, "the error comes through", 10)
    finally:
        w.ec2.replace_network_acl_association(AssociationId=made, NetworkAclId=association["NetworkAclId"])


def test_a_checksum_inside_a_quotation(w):
    """A sum that somebody would write into the quotation later, over what was compared with the flow: malformed."""
    port = next(ports)
    with w.a.udp("0.0.0.0", 5002) as s, w.b.wire() as at_b:
        s.sendto(b"known", (w.b.ip, port))
        at_b.receive(lambda f: f.dport == port)
        error = ip(w.b.ip, w.a.ip, icmp(3, 1, 0, 0, ip(w.a.ip, w.b.ip, udp(5002, port, b"known"))))
        at_b.socket.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
        for start, offset in ((34 + 8 + 20, 0), (34 + 8, 12), (34, 4)):
            with w.cloud.dropping("malformed"):
                at_b.send(struct.pack("=BBHHHH", 1, 0, 0, 0, start, offset) + ether(ROUTER_MAC, w.b.mac, error))
