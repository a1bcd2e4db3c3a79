# SPDX-License-Identifier: Apache-2.0
"""What an interface may not send. The groups let everything in and out, so only the source check and the parser
stand between `a`, whose root forges frames, and its neighbours, who listen on the wire.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a (forges) [group open]
                                           \\-- b (neighbour, listens) [group open]
                                           \\-- m (SourceDestCheck off) [group members]
                                           \\-- v (lets only group members in) [group guarded]
"""
import ipaddress
import itertools
import os
import struct
import subprocess
import types

import pytest

from conftest import BUILD, everything, until
from frames import (ACK, ARP, BROADCAST, ICMP, IPV4, IPV6, ROUTER6, SYN, TCP, UDP, VLAN, arp, ether, icmp, ip, ipv4, ipv6, na,
                    ns, packed, ra, solicited_node, tcp, udp, vlan)

ROUTER_MAC = "06:00:00:00:00:01"
STRANGE_MAC = "02:de:ad:be:ef:01"
QUIET = ("multicast-listener", "router-solicitation")  # what kernels say by themselves
LATE = ("security-group-ingress", "no-such-address", "no-link", "no-route", "no-public-address", "uplink-unknown")
# ... and what connections of earlier tests, closed by now, send once more
marks = itertools.count()


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    vpc = cloud.vpc(ipv6=True)
    net = w.net = cloud.subnet(vpc, "10.0.1.0/24", 1)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    w.open = cloud.group(vpc, "open", all_of, egress=all_of)
    w.members = cloud.group(vpc, "members", all_of, egress=all_of)
    w.guarded = cloud.group(vpc, "guarded", [everything(group=w.members)])
    w.a, w.b = cloud.instances(2, net, [w.open], ipv6=True, public=True)
    w.m = cloud.instance(net, [w.members], ipv6=True)
    w.v = cloud.instance(net, [w.guarded], ipv6=True)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})
    w.wire_a, w.wire_b, w.wire_m, w.wire_v = (i.wire() for i in (w.a, w.b, w.m, w.v))
    w.host = cloud.host_place()
    w.wire_host = w.host.wire()
    return w


def frame(w, inside, dst=None, src=None, kind=None):
    return ether(dst or w.b.mac, src or w.a.mac, inside, kind)


def marker(w, who=None):
    """A frame that must arrive at b, and its payload."""
    data = b"marker %d" % next(marks)
    who = who or w.a
    return frame(w, ipv4(who.ip, w.b.ip, udp(5, 9, data)), src=who.mac), data


def assert_dropped(w, raw, reason, wire=None, who=None):
    """These frames are dropped, all of them for this reason, and b, who hears a marker after them, never heard any."""
    wire = wire or w.wire_a
    w.wire_b.drain()
    w.wire_host.drain()
    before = w.cloud.drops()
    wire.send(*raw)
    until(lambda: changed(w, before), "a drop", 5)
    last, data = marker(w, who)
    wire.send(last)
    heard = []
    w.wire_b.receive(lambda f: f.payload == data, "the marker", seen=heard)
    heard = [f for f in heard if not is_answer(w, f)]
    assert heard == [], f"came through: {heard}"
    assert [f for f in w.wire_host.drain() if f.payload or f.kind == ARP] == []
    counted = changed(w, before)
    assert counted[reason] == len(raw) or (reason in LATE and counted[reason] > len(raw))
    assert not counted.keys() - {reason, *LATE}


def is_answer(w, f):
    """The data plane's true answer to a question of b's own kernel."""
    truth = {"10.0.1.1": ROUTER_MAC, ROUTER6: ROUTER_MAC}
    for i in (w.a, w.m, w.v):
        truth[i.ip] = truth[i.ip6] = i.mac
    if f.kind == ARP:
        return f.op == 2 and f.tha == w.b.mac and truth.get(f.spa) == f.sha == f.src
    if f.protocol == 58 and f.type == 136:
        target = str(ipaddress.ip_address(f.transport[8:24]))
        return truth.get(target) == f.src and f.transport[26:32].hex(":") == f.src and f.source == target
    return False


def changed(w, before):
    return {k: n - before.get(k, 0) for k, n in w.cloud.drops().items() if n != before.get(k, 0) and k not in QUIET}


EVIL = b"evil"


def u(sport=1000, dport=9):
    return udp(sport, dport, EVIL)


CASES = {
    # The frame's own addresses
    "mac of a neighbour": ("spoofed-mac", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u()), src=w.b.mac)]),
    "mac of the router": ("spoofed-mac", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u()), src=ROUTER_MAC)]),
    "mac of nobody": ("spoofed-mac", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u()), src=STRANGE_MAC)]),
    "mac all zero": ("spoofed-mac", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u()), src="00:00:00:00:00:00")]),
    "mac broadcast": ("spoofed-mac", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u()), src=BROADCAST)]),
    "mac of a neighbour, IPv6": ("spoofed-mac", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u()), src=w.b.mac)]),
    "mac and address of a neighbour": ("spoofed-mac", lambda w: [frame(w, ipv4(w.m.ip, w.b.ip, u()), src=w.m.mac)]),
    "mac of a neighbour, ARP": ("spoofed-mac", lambda w: [frame(w, arp(1, w.b.mac, w.b.ip, "00:00:00:00:00:00", w.a.ip), BROADCAST, w.b.mac, ARP)]),
    # Source addresses of others
    "address of a neighbour": ("spoofed-address", lambda w: [frame(w, ip(w.m.ip, w.b.ip, u())), frame(w, ip(w.m.ip6, w.b.ip6, u()))]),
    "address of the receiver": ("spoofed-address", lambda w: [frame(w, ip(w.b.ip, w.b.ip, u())), frame(w, ip(w.b.ip6, w.b.ip6, u()))]),
    "address of nobody in the subnet": ("spoofed-address", lambda w: [frame(w, ip("10.0.1.250", w.b.ip, u()))]),
    "address of the router": ("spoofed-address", lambda w: [frame(w, ip("10.0.1.1", w.b.ip, u())), frame(w, ip(ROUTER6, w.b.ip6, u()))]),
    "address of the metadata service": ("spoofed-address", lambda w: [frame(w, ip("169.254.169.254", w.b.ip, u()))]),
    "address of the internet": ("spoofed-address", lambda w: [frame(w, ip("8.8.8.8", w.b.ip, u())), frame(w, ip("2600::1", w.b.ip6, u()))]),
    "address of the host": ("spoofed-address", lambda w: [frame(w, ip(w.cloud.host, w.b.ip, u())), frame(w, ip(w.cloud.host6, w.b.ip6, u()))]),
    "its own public address": ("spoofed-address", lambda w: [frame(w, ip(w.a.public_ip, w.b.ip, u()))]),
    "its own public address, outward": ("spoofed-address", lambda w: [frame(w, ip(w.a.public_ip, w.cloud.host, u()), dst=ROUTER_MAC)]),
    "link-local": ("spoofed-address", lambda w: [frame(w, ip("169.254.9.9", w.b.ip, u())), frame(w, ip("fe80::9", w.b.ip6, u()))]),
    "class E": ("spoofed-address", lambda w: [frame(w, ip("240.0.0.1", w.b.ip, u()))]),
    "a neighbour's address over TCP": ("spoofed-address", lambda w: [frame(w, ip(w.m.ip, w.b.ip, tcp(1, 2, f))) for f in (SYN, ACK, 0)]),
    "a neighbour's address over ICMP": ("spoofed-address", lambda w: [frame(w, ip(w.m.ip, w.b.ip, icmp(8))), frame(w, ip(w.m.ip6, w.b.ip6, icmp(128, family=6)))]),
    "a neighbour's address over GRE": ("spoofed-address", lambda w: [frame(w, ip(w.m.ip, w.b.ip, EVIL * 4, protocol=47)), frame(w, ip(w.m.ip6, w.b.ip6, EVIL * 4, protocol=47))]),
    # Sources that nobody may have
    "unspecified, loopback, multicast": ("bad-source", lambda w: [frame(w, ip(s, w.b.ip, u())) for s in ("0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255")]),
    "unspecified, loopback, multicast, IPv6": ("bad-source", lambda w: [frame(w, ip(s, w.b.ip6, u())) for s in ("::", "::1", "ff02::1")]),
    "IPv4-mapped": ("ipv4-mapped", lambda w: [frame(w, ipv6("::ffff:" + w.a.ip, w.b.ip6, u())),
                                              frame(w, ipv6(w.a.ip6, "::ffff:" + w.b.ip, u())),
                                              frame(w, ipv6("::ffff:" + w.a.ip, "::ffff:" + w.b.ip, u()))]),
    "IPv4-compatible": ("spoofed-address", lambda w: [frame(w, ipv6("::" + w.a.ip, w.b.ip6, u()))]),
    # ARP
    "ARP with a foreign sender MAC": ("spoofed-arp", lambda w: [frame(w, arp(op, w.m.mac, w.a.ip, w.b.mac, w.b.ip), dst, kind=ARP) for op in (1, 2) for dst in (BROADCAST, w.b.mac)]),
    "ARP with a foreign sender address": ("spoofed-arp", lambda w: [frame(w, arp(op, w.a.mac, spa, w.b.mac, w.b.ip), dst, kind=ARP)
                                                                     for op in (1, 2) for dst in (BROADCAST, w.b.mac) for spa in (w.m.ip, w.b.ip, "10.0.1.1", "8.8.8.8", w.a.public_ip)]),
    "gratuitous ARP for others": ("spoofed-arp", lambda w: [frame(w, arp(op, w.a.mac, spa, "00:00:00:00:00:00", spa), BROADCAST, kind=ARP) for op in (1, 2) for spa in (w.m.ip, "10.0.1.1")]),
    "gratuitous ARP for itself": ("arp-unknown", lambda w: [frame(w, arp(op, w.a.mac, w.a.ip, BROADCAST, w.a.ip), BROADCAST, kind=ARP) for op in (1, 2)]),
    "an unasked ARP reply": ("arp-unknown", lambda w: [frame(w, arp(2, w.a.mac, w.a.ip, w.b.mac, w.b.ip), kind=ARP)]),
    "ARP of other kinds": ("arp-unknown", lambda w: [frame(w, arp(op, w.a.mac, w.a.ip, w.b.mac, w.b.ip), kind=ARP) for op in (0, 3, 4, 8, 9, 0xffff)]),
    "malformed ARP": ("malformed", lambda w: [frame(w, struct.pack("!HH", *hp) + arp(1, w.a.mac, w.a.ip, w.b.mac, w.b.ip)[4:], kind=ARP) for hp in ((6, IPV4), (1, IPV6))] +
                                             [frame(w, struct.pack("!HHBB", 1, IPV4, *l) + arp(1, w.a.mac, w.a.ip, w.b.mac, w.b.ip)[6:], kind=ARP) for l in ((6, 16), (8, 4), (0, 0))]),
    "short ARP": ("truncated", lambda w: [frame(w, arp(1, w.a.mac, w.a.ip, w.b.mac, w.b.ip)[:n], kind=ARP) for n in (1, 8, 27)]),
    # Neighbour discovery
    "NA for others": ("arp-unknown", lambda w: [frame(w, ipv6(src, dst, na(w.m.ip6, mac), hops=255), eth) for src in (w.m.ip6, w.a.ip6, "fe80::1")
                                                for mac in (w.a.mac, w.m.mac) for dst, eth in ((w.b.ip6, w.b.mac), ("ff02::1", "33:33:00:00:00:01"))]),
    "NS from a foreign address": ("spoofed-arp", lambda w: [frame(w, ipv6(src, solicited_node(w.b.ip6), ns(w.b.ip6, w.a.mac), hops=255)) for src in (w.m.ip6, "2600::1")]),
    "NS with a foreign MAC": ("spoofed-arp", lambda w: [frame(w, ipv6(w.a.ip6, dst, ns(w.b.ip6, w.m.mac), hops=255)) for dst in (w.b.ip6, solicited_node(w.b.ip6))]),
    "NS that came through a router": ("nd-invalid", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, ns(w.b.ip6, w.a.mac), hops=h)) for h in (254, 64, 0)]),
    "NS with a wrong checksum": ("nd-invalid", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, ns(w.b.ip6, w.a.mac).summed(packed(w.a.ip6), packed(w.m.ip6)), protocol=58, hops=255))]),
    "NS behind an extension header": ("nd-invalid", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, ns(w.b.ip6, w.a.mac), hops=255, extensions=[(60, bytes(8))]))]),
    "router advertisement": ("spoofed-arp", lambda w: [frame(w, ipv6(src, dst, ra(w.a.mac), hops=255), eth) for src in ("fe80::1", w.a.ip6) for dst, eth in ((w.b.ip6, w.b.mac), ("ff02::1", "33:33:00:00:00:01"))]),
    "ICMPv6 redirect": ("spoofed-arp", lambda w: [frame(w, ipv6("fe80::1", w.b.ip6, icmp(137, data=bytes(32), family=6), hops=255))]),
    # What is no packet of a VPC
    "VLAN tag": ("vlan-tagged", lambda w: [frame(w, vlan(n, IPV4, ipv4(w.a.ip, w.b.ip, u())), kind=VLAN) for n in (0, 1, 4094)]),
    "VLAN tag, IPv6 and ARP": ("vlan-tagged", lambda w: [frame(w, vlan(5, IPV6, ipv6(w.a.ip6, w.b.ip6, u())), kind=VLAN), frame(w, vlan(5, ARP, arp(1, w.a.mac, w.a.ip, w.b.mac, w.b.ip)), kind=VLAN)]),
    "two VLAN tags": ("vlan-tagged", lambda w: [frame(w, vlan(5, VLAN, vlan(6, IPV4, ipv4(w.a.ip, w.b.ip, u()))), kind=k) for k in (VLAN, 0x88a8)]),
    "other protocols of Ethernet": ("ethertype", lambda w: [frame(w, bytes(60), dst, kind=k) for k in (0x0026, 0x0842, 0x8035, 0x8847, 0x8863, 0x888e, 0x88cc, 0x88e5, 0x9000)
                                                            for dst in (w.b.mac, BROADCAST, "01:80:c2:00:00:0e")]),
    "broadcast and multicast": ("multicast", lambda w: [frame(w, ip(w.a.ip, d, u()), e) for d, e in (("255.255.255.255", BROADCAST), ("224.0.0.1", "01:00:5e:00:00:01"), ("239.1.2.3", w.b.mac))] +
                                                       [frame(w, ip(w.a.ip6, "ff02::1", u()), e) for e in ("33:33:00:00:00:01", w.b.mac)]),
    "a neighbour's address in a broadcast frame": ("multicast", lambda w: [frame(w, ip(w.a.ip, w.b.ip, u()), BROADCAST), frame(w, ip(w.a.ip6, w.b.ip6, u()), "33:33:00:00:00:01")]),
    "the subnet's broadcast address": ("no-such-address", lambda w: [frame(w, ip(w.a.ip, d, u()), w.b.mac) for d in ("10.0.1.255", "10.0.1.0", "10.0.255.255")]),
    "loopback": ("malformed", lambda w: [frame(w, ip(w.a.ip, d, u())) for d in ("127.0.0.1", "0.0.0.0")] + [frame(w, ip(w.a.ip6, d, u())) for d in ("::1", "::")]),
    "the router itself": ("to-router", lambda w: [frame(w, ip(w.a.ip, "10.0.1.1", i), ROUTER_MAC) for i in (u(), icmp(8), tcp(1, 22))]),
    "link-local destinations": ("link-local", lambda w: [frame(w, ip(w.a.ip, d, u())) for d in ("169.254.169.254", "169.254.0.1")] + [frame(w, ip(w.a.ip6, "fe80::1", u()))]),
    # Malformed IPv4
    "IPv4 version": ("malformed", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u(), version=v), kind=IPV4) for v in (0, 5, 6, 15)]),
    "IPv4 header length": ("malformed", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u(), ihl=n)) for n in (0, 4, 15)]),
    "IPv4 total length": ("malformed", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u(), total=n)) for n in (0, 19)]),
    "IPv4 longer than its frame": ("truncated", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u(), total=n)) for n in (33, 1500, 65535)]),
    "IPv4 cut short": ("truncated", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, u())[:n]) for n in (1, 19)]),
    "UDP cut short": ("truncated", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, bytes(u())[:n], protocol=UDP)) for n in (0, 1, 7)] + [frame(w, ipv6(w.a.ip6, w.b.ip6, bytes(u())[:n], protocol=UDP)) for n in (0, 7)]),
    "TCP cut short": ("truncated", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, bytes(tcp(1, 2))[:n], protocol=TCP)) for n in (0, 4, 19)]),
    "TCP data offset": ("malformed", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, tcp(1, 2, doff=n))) for n in (0, 4, 6, 15)]),
    "UDP length": ("malformed", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, udp(1, 2, EVIL, length=n))) for n in (0, 7, 13, 65535)]),
    "ICMP cut short": ("truncated", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, bytes(icmp(8))[:n], protocol=ICMP)) for n in (0, 4, 7)]),
    # Malformed IPv6
    "IPv6 version": ("malformed", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), version=v), kind=IPV6) for v in (0, 4, 15)]),
    "IPv6 longer than its frame": ("truncated", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), length=n)) for n in (13, 65535)]),
    "IPv6 cut short": ("truncated", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u())[:n]) for n in (1, 39)]),
    "IPv6 jumbogram": ("truncated", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), length=0, extensions=[(0, struct.pack("!BBBBI", 0, 0, 0xc2, 4, 70000))]))]),
    "extension header beyond the packet": ("truncated", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(60, bytes([0, 200]) + bytes(6))]))]),
    "hop-by-hop not first": ("malformed", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(60, bytes(8)), (0, bytes(8))]))]),
    "routing header": ("ipv6-extensions", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(43, bytes([0, 2, t, 1]) + bytes(4) + packed(w.m.ip6))])) for t in (0, 2, 3, 4)]),
    "too many extension headers": ("ipv6-extensions", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(60, bytes(8))] * n)) for n in (8, 40)]),
    # Fragments
    "IPv4 fragments that nobody may send": ("fragment", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, i, fragment=f, protocol=p)) for p, i in ((17, u()), (6, tcp(1, 2)), (1, icmp(8, data=b"1234567")))
                                                                   for f in (0x2000, 0x2001, 0x1fff)]),
    "IPv4 fragments alone": ("fragment-without-first", lambda w: [frame(w, ipv4(w.a.ip, w.b.ip, i, fragment=f, protocol=p)) for p, i in ((17, u()), (6, tcp(1, 2)), (1, icmp(8))) for f in (2, 0x100)]),
    "IPv6 fragments that nobody may send": ("fragment", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(44, struct.pack("!BBHI", 0, 0, f, 77))])) for f in (1, 9, 0xfff8)]),
    "IPv6 fragments alone": ("fragment-without-first", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(44, struct.pack("!BBHI", 0, 0, f, 77))])) for f in (8, 0x800)]),
    "IPv6 fragments behind options": ("fragment-without-first", lambda w: [frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(60, bytes(8)), (44, struct.pack("!BBHI", 0, 0, 8, 77))]))]),
    "DHCP answers": ("dhcp", lambda w: [frame(w, ipv4(src, dst, udp(67, 68, bytes(240))), e) for src in (w.a.ip, "10.0.1.1") for dst, e in ((w.b.ip, w.b.mac), ("255.255.255.255", BROADCAST))] +
                                       [frame(w, ipv6(src, dst, udp(547, 546, bytes(8)))) for src in (w.a.ip6, "fe80::7") for dst in (w.b.ip6, "fe80::9")]),
    "DHCP of others": ("dhcp", lambda w: [frame(w, ipv4("0.0.0.0", w.b.ip, udp(68, 67, bytes(240))), w.b.mac), frame(w, ipv6("fe80::7", w.b.ip6, udp(546, 547, bytes(8))), w.b.mac)]),
}


@pytest.mark.parametrize("case", CASES)
def test_dropped(w, case):
    reason, made = CASES[case]
    assert_dropped(w, made(w), reason)


def test_the_harness_would_see_it(w):
    """The same kinds of frames, honest: all arrive at b."""
    w.wire_b.drain()
    honest = [frame(w, ipv4(w.a.ip, w.b.ip, u())), frame(w, ipv6(w.a.ip6, w.b.ip6, u())),
              frame(w, ipv4(w.a.ip, w.b.ip, tcp(1000, 2000, ACK))), frame(w, ipv4(w.a.ip, w.b.ip, icmp(8))),
              frame(w, ipv4(w.a.ip, w.b.ip, EVIL * 5, protocol=47)),
              frame(w, ipv6(w.a.ip6, w.b.ip6, u(), extensions=[(0, bytes(8)), (60, bytes(8))])),
              frame(w, ipv6(w.a.ip6, w.b.ip6, EVIL * 5, protocol=132))]
    w.wire_a.send(*honest)
    last, data = marker(w)
    w.wire_a.send(last)
    heard = []
    w.wire_b.receive(lambda f: f.payload == data, seen=heard)
    heard = [f for f in heard if not is_answer(w, f)]
    assert [f.raw[14:] for f in heard] == [h[14:] for h in honest]
    assert all(f.dst == w.b.mac for f in heard)


def test_padding_does_not_hide_anything(w):
    """Bytes behind the IP packet's end are no part of it: the ports that count are those inside."""
    w.wire_b.drain()
    w.wire_a.send(frame(w, ipv4(w.a.ip, w.b.ip, udp(1, 9, b"short")) + bytes(40)))
    got = w.wire_b.receive(lambda f: f.protocol == UDP)
    assert got.payload == b"short" and not got.faults


def test_a_vlan_device_of_the_instance(w):
    """The tag as the kernel carries it beside the packet, not in it."""
    if w.a.run("ip", "link", "add", "link", "eth0", "name", "vlan7", "type", "vlan", "id", 7, check=False).returncode:
        pytest.skip("this kernel has no VLAN devices")
    try:
        w.a.run("ip", "link", "set", "vlan7", "up")
        with w.cloud.dropping("vlan-tagged"), w.a.wire("vlan7") as tagged:
            tagged.send(frame(w, ipv4(w.a.ip, w.b.ip, u())))
    finally:
        w.a.run("ip", "link", "del", "vlan7")


def test_root_inside_changes_its_mac(w):
    """Another MAC on the device, or another device on it: nothing it sends passes, until the MAC is its own again."""
    w.wire_b.drain()
    w.b.run("ip", "link", "set", "eth0", "address", STRANGE_MAC)
    try:
        with w.cloud.dropping("spoofed-mac"):
            s = w.b.udp("0.0.0.0")
            s.sendto(EVIL, (w.a.ip, 9))
    finally:
        w.b.run("ip", "link", "set", "eth0", "address", w.b.mac)
    assert w.b.ping(w.a.ip, seconds=5)
    w.a.run("ip", "link", "add", "link", "eth0", "name", "mv", "address", STRANGE_MAC, "type", "macvlan", "mode", "bridge")
    try:
        w.a.run("ip", "link", "set", "mv", "up")
        with w.cloud.dropping("spoofed-mac"), w.a.wire("mv") as mv:
            mv.send(frame(w, ipv4(w.a.ip, w.b.ip, u()), src=STRANGE_MAC))
    finally:
        w.a.run("ip", "link", "del", "mv")


def test_root_inside_takes_an_address(w):
    """Addresses that an instance gives itself do not work, in either direction."""
    taken = "10.0.1.240"
    w.a.run("ip", "addr", "add", taken + "/24", "dev", "eth0")
    w.a.run("ip", "addr", "add", w.m.ip6 + "/128", "dev", "eth0", "nodad")
    try:
        with w.cloud.dropping("spoofed-address"):
            w.a.udp(taken).sendto(EVIL, (w.b.ip, 9))
        with w.cloud.dropping("spoofed-arp"):  # its first word is a question for the router's MAC
            w.a.udp(w.m.ip6).sendto(EVIL, (w.b.ip6, 9))
        with w.cloud.dropping("no-such-address"):
            w.wire_b.send(ether(w.a.mac, w.b.mac, ipv4(w.b.ip, taken, u())))
        w.wire_a.drain()
        w.wire_b.send(ether(w.a.mac, w.b.mac, ipv6(w.b.ip6, w.m.ip6, udp(1, 9, b"for m"))))
        w.wire_m.receive(lambda f: f.payload == b"for m")
        assert not [f for f in w.wire_a.drain() if f.payload == b"for m"]
    finally:
        w.a.run("ip", "addr", "del", taken + "/24", "dev", "eth0")
        w.a.run("ip", "addr", "del", w.m.ip6 + "/128", "dev", "eth0")


@pytest.mark.parametrize("family", [4, 6])
def test_foreign_sources_with_the_check_off(w, family):
    """They pass the source check of m, and every rule by address, as on AWS's appliances."""
    source = "192.0.2.77" if family == 4 else "2600::77"
    to = w.b.ip if family == 4 else w.b.ip6
    w.wire_m.send(ether(w.b.mac, w.m.mac, ip(source, to, udp(7, 9, b"through m"))))
    got = w.wire_b.receive(lambda f: f.payload == b"through m")
    assert (got.source, got.src) == (source, w.m.mac)


@pytest.mark.parametrize("family", [4, 6])
def test_a_rule_that_names_a_group_does_not_match_foreign_sources(w, family):
    """m is a member, but only with its own address; not with that of nobody, of b, or of another member."""
    own, to, foreign = ((w.m.ip, w.v.ip, ("192.0.2.77", "10.0.1.200", w.b.ip, w.a.ip)) if family == 4 else
                        (w.m.ip6, w.v.ip6, ("2600::77", w.b.ip6, w.a.ip6)))
    w.wire_v.drain()
    with w.cloud.dropping("security-group-ingress", len(foreign)):
        for source in foreign:
            w.wire_m.send(ether(w.v.mac, w.m.mac, ip(source, to, udp(8, 9, EVIL))))
    w.wire_m.send(ether(w.v.mac, w.m.mac, ip(own, to, udp(8, 9, b"mine"))))
    heard = []
    w.wire_v.receive(lambda f: f.payload == b"mine", seen=heard)
    assert heard == []


def test_an_appliance_may_not_borrow_a_members_address(w):
    """Even the address of a member does not carry that member's groups when somebody else sends it."""
    member = w.cloud.instance(w.net, [w.members], ipv6=True)
    try:
        for source, to in ((member.ip, w.v.ip), (member.ip6, w.v.ip6)):
            with w.cloud.dropping("security-group-ingress"):
                w.wire_m.send(ether(w.v.mac, w.m.mac, ip(source, to, udp(8, 9, EVIL))))
    finally:
        w.ec2.terminate_instances(InstanceIds=[member.id])


@pytest.mark.parametrize("reason, made", [
    ("spoofed-mac", lambda w: ether(w.b.mac, w.a.mac, ipv4(w.m.ip, w.b.ip, u()))),
    ("bad-source", lambda w: ether(w.b.mac, w.m.mac, ipv4("127.0.0.1", w.b.ip, u()))),
    ("bad-source", lambda w: ether(w.b.mac, w.m.mac, ipv6("::1", w.b.ip6, u()))),
    ("ipv4-mapped", lambda w: ether(w.b.mac, w.m.mac, ipv6("::ffff:10.0.1.7", w.b.ip6, u()))),
    ("spoofed-address", lambda w: ether(w.b.mac, w.m.mac, ipv4("169.254.169.254", w.b.ip, u()))),
    ("spoofed-address", lambda w: ether(w.b.mac, w.m.mac, ipv6("fe80::1", w.b.ip6, u()))),
    ("spoofed-arp", lambda w: ether(w.b.mac, w.m.mac, arp(2, w.m.mac, w.a.ip, w.b.mac, w.b.ip), ARP)),
    ("spoofed-arp", lambda w: ether(w.b.mac, w.m.mac, arp(1, w.m.mac, "10.0.1.1", w.b.mac, w.b.ip), ARP)),
    ("spoofed-arp", lambda w: ether(w.b.mac, w.m.mac, ipv6(w.a.ip6, w.b.ip6, ns(w.b.ip6, w.m.mac), hops=255))),
    ("no-public-address", lambda w: ether(ROUTER_MAC, w.m.mac, ipv4("192.0.2.77", w.cloud.host, u()))),
])
def test_what_the_check_being_off_does_not_allow(w, reason, made):
    """The MAC, ARP and ND are still one's own, what is no source is none, and the gateway translates addresses of the VPC only."""
    assert_dropped(w, [made(w)], reason, w.wire_m, w.m)


def test_the_check_goes_on_and_off_at_once(w):
    """Set again, the next packets of the same flow are refused."""
    raw = ether(w.b.mac, w.m.mac, ipv4("192.0.2.99", w.b.ip, udp(77, 9, b"check")))

    def arrives():
        w.wire_b.drain()
        before = w.cloud.drops()
        w.wire_m.send(raw)
        until(lambda: "spoofed-address" in changed(w, before) or [f for f in w.wire_b.drain() if f.payload == b"check"], "either")
        return "spoofed-address" not in changed(w, before)

    assert arrives()
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": True})
    try:
        until(lambda: not arrives(), "the check's return", 5)
        with w.cloud.dropping("spoofed-address", 5):
            w.wire_m.send(*[raw] * 5)
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})
    until(arrives, "the check's end", 5)


def test_vpcctl_shows_why(w):
    """Each reason with its counter, by name, and a sentence for people."""
    w.wire_a.send(*[frame(w, ipv4(w.a.ip, w.b.ip, u()), src=STRANGE_MAC)] * 3)
    for command in (["status"], ["drops"]):
        shown = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, *command], stdout=subprocess.PIPE, text=True, check=True).stdout
        lines = [line.split() for line in shown.splitlines() if "spoofed-mac" in line]
        assert lines and str(w.cloud.drops()["spoofed-mac"]) in lines[0], shown
    assert "The frame's source MAC is not the interface's own." in shown
