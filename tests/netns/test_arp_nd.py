# SPDX-License-Identifier: Apache-2.0
"""Who answers ARP and neighbour discovery, and for whom. The answers are made by the data plane.

    vpc 10.0.0.0/16   subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a (asks), b, router 10.0.1.1, fe80::1
                      subnet 10.0.2.0/24, 2001:db8:..02::/64 --- far
    vpc 10.0.0.0/16   subnet 10.0.1.0/24                     --- other (same CIDR)
    host --- uplink --- the public pool
"""
import ipaddress
import types

import pytest

from conftest import everything, until
from frames import ARP, BROADCAST, Frame, arp, checksum, ether, ipv6, mac_bytes, ns, packed, pseudo, solicited_node

ROUTER_MAC = "06:00:00:00:00:01"
ZERO = "00:00:00:00:00:00"


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    vpc, twin = cloud.vpc(ipv6=True), cloud.vpc(ipv6=True)
    near, far, there = cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.subnet(vpc, "10.0.2.0/24", 2), cloud.subnet(twin, "10.0.1.0/24", 1)
    closed, closed2 = cloud.group(vpc, "closed", egress=[]), cloud.group(twin, "closed", egress=[])
    w.a, w.b = cloud.instances(2, near, [closed], ipv6=True, public=True)  # no rule at all: ARP needs none
    w.far = cloud.instance(far, [closed], ipv6=True)
    w.other = cloud.instance(there, [closed2], ipv6=True)
    w.wires = {i.id: i.wire() for i in (w.a, w.b, w.far, w.other)}
    w.wire = w.wires[w.a.id]
    return w


def ask(w, target, sender=None, dst=BROADCAST):
    w.wire.send(ether(dst, w.a.mac, arp(1, w.a.mac, sender or w.a.ip, ZERO, target), ARP))


def solicit(w, target, source=None, dst=None, mac=None):
    dst = dst or solicited_node(target)
    eth = "33:33:" + packed(dst)[12:].hex(":")
    w.wire.send(ether(eth, w.a.mac, ipv6(source or w.a.ip6, dst, ns(target, mac or w.a.mac), hops=255)))


def unanswered(w, send, reason="arp-unknown"):
    """It is dropped for the reason; what comes next, the answer for the router, comes first."""
    w.wire.drain()
    with w.cloud.dropping(reason):
        send()
    ask(w, "10.0.1.1")
    seen = []
    w.wire.receive(lambda f: f.kind == ARP and f.spa == "10.0.1.1", seen=seen)
    assert seen == []
    for i in (w.b, w.far, w.other):
        assert [f for f in w.wires[i.id].drain() if f.kind == ARP or f.type == 135] == [], "nobody else hears a question"


@pytest.mark.parametrize("who", ["router", "neighbour"])
@pytest.mark.parametrize("unicast", [False, True])
def test_arp_is_answered(w, who, unicast):
    target, mac = ("10.0.1.1", ROUTER_MAC) if who == "router" else (w.b.ip, w.b.mac)
    ask(w, target, dst=mac if unicast else BROADCAST)
    f = w.wire.receive(lambda f: f.kind == ARP and f.spa == target)
    assert (f.op, f.sha, f.spa, f.tha, f.tpa, f.src, f.dst) == (2, mac, target, w.a.mac, w.a.ip, mac, w.a.mac)
    assert not w.wires[w.b.id].drain(), "the neighbour itself is not asked"


@pytest.mark.parametrize("who", ["router", "neighbour"])
@pytest.mark.parametrize("source", ["global", "link-local"])
def test_nd_is_answered(w, who, source):
    target, mac = ("fe80::1", ROUTER_MAC) if who == "router" else (w.b.ip6, w.b.mac)
    link_local = str(ipaddress.ip_address(packed("fe80::") [:8] + bytes([mac_bytes(w.a.mac)[0] ^ 2]) + mac_bytes(w.a.mac)[1:3] + b"\xff\xfe" + mac_bytes(w.a.mac)[3:]))
    sender = w.a.ip6 if source == "global" else link_local
    for dst in (solicited_node(target), target):
        w.wire.drain()
        solicit(w, target, sender, dst)
        f = w.wire.receive(lambda f: f.type == 136)
        assert f.faults == [], "our own checksums"
        assert (f.source, f.destination, f.src, f.dst, f.ttl, f.code) == (target, sender, mac, w.a.mac, 255, 0)
        flags, option = f.transport[4], f.transport[24:]
        assert f.transport[8:24] == packed(target) and option == b"\2\1" + mac_bytes(mac)
        assert bool(flags & 0x80) == (who == "router") and flags & 0x60 == 0x60, "router, solicited, override"
        assert len(f.raw) == 86


def test_arp_is_not_answered(w):
    unknown = ["10.0.1.250", "10.0.1.0", "10.0.1.255", "10.0.1.2", "10.0.1.3", w.far.ip, "10.0.2.1", "169.254.169.254", "8.8.8.8",
               "0.0.0.0", "255.255.255.255", w.cloud.host, w.b.public_ip, w.a.public_ip, w.a.ip]
    if w.other.ip not in (w.a.ip, w.b.ip):
        unknown.append(w.other.ip)
    for target in unknown:
        unanswered(w, lambda: ask(w, target))


def test_nd_is_not_answered(w):
    for target in (w.far.ip6, w.other.ip6, w.a.ip6, "2001:db8::1", w.cloud.host6, "fe80::2", "2600::1", "::"):
        unanswered(w, lambda: solicit(w, target))


def test_probes_are_not_answered(w):
    """Duplicate address detection must find nobody, or an instance could never use its own address."""
    for target in (w.a.ip, w.b.ip, "10.0.1.1", "10.0.1.250"):
        unanswered(w, lambda: ask(w, target, sender="0.0.0.0"))
    for target in (w.a.ip6, w.b.ip6, "fe80::1"):
        # A probe has no source and names no MAC.
        unanswered(w, lambda: w.wire.send(ether("33:33:" + packed(solicited_node(target))[12:].hex(":"), w.a.mac,
                                                ipv6("::", solicited_node(target), ns(target), hops=255))))


def test_arping_finds_no_duplicate(w):
    done = w.a.run("arping", "-D", "-c", "1", "-w", "1", "-I", "eth0", w.a.ip, check=False)
    assert done.returncode == 0, done.stdout
    done = w.a.run("arping", "-c", "1", "-w", "5", "-I", "eth0", w.b.ip, check=False)
    assert done.returncode == 0 and w.b.mac.upper() in done.stdout, done.stdout


def test_duplicate_address_detection_of_the_kernel(w):
    """An own IPv6 address, taken off and added again with DAD, leaves `tentative` for good, not `dadfailed`."""
    w.a.run("sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=1", "net.ipv6.conf.eth0.dad_transmits=1")
    w.a.run("ip", "addr", "del", w.a.ip6 + "/128", "dev", "eth0")
    with w.cloud.dropping("arp-unknown"):
        w.a.run("ip", "addr", "add", w.a.ip6 + "/128", "dev", "eth0")
        until(lambda: "tentative" not in w.a.run("ip", "addr", "show", "dev", "eth0", "to", w.a.ip6).stdout, "DAD's end")
    shown = w.a.run("ip", "addr", "show", "dev", "eth0", "to", w.a.ip6).stdout
    assert w.a.ip6 in shown and "dadfailed" not in shown


def test_the_kernels_own_tables(w):
    """What an instance's kernel learns for itself."""
    w.a.run("ping", "-n", "-q", "-c", "1", "-W", "1", w.b.ip, check=False)
    w.a.run("ping", "-n", "-q", "-c", "1", "-W", "1", "2600::1", check=False)
    assert w.b.mac in w.a.run("ip", "neigh", "show", w.b.ip, "dev", "eth0").stdout
    assert ROUTER_MAC in w.a.run("ip", "neigh", "show", "fe80::1", "dev", "eth0").stdout


def test_a_terminated_neighbour_is_forgotten(w):
    groups = [g["GroupId"] for g in w.ec2.describe_network_interfaces(NetworkInterfaceIds=[w.a.eni])["NetworkInterfaces"][0]["Groups"]]
    subnet = w.ec2.describe_network_interfaces(NetworkInterfaceIds=[w.a.eni])["NetworkInterfaces"][0]["SubnetId"]
    short = w.cloud.instance(subnet, groups, ipv6=True)
    ask(w, short.ip)
    assert w.wire.receive(lambda f: f.kind == ARP and f.spa == short.ip).sha == short.mac
    w.ec2.terminate_instances(InstanceIds=[short.id])

    def gone():
        before = w.cloud.drops().get("arp-unknown", 0)
        w.wire.drain()
        ask(w, short.ip)
        until(lambda: w.cloud.drops().get("arp-unknown", 0) > before or [f for f in w.wire.drain() if f.kind == ARP and f.spa == short.ip], "either")
        return w.cloud.drops().get("arp-unknown", 0) > before
    until(gone, "nobody answers for the terminated instance", 10)
    unanswered(w, lambda: solicit(w, short.ip6))


def test_the_host_asks_on_the_uplink(w):
    """For every address of the pool but its own, whether anybody has it or not."""
    host = w.cloud.host_place()
    with host.wire() as up:
        for target in (w.a.public_ip, w.cloud.pool.rsplit(".", 1)[0] + ".200"):
            up.send(ether(BROADCAST, up.mac, arp(1, up.mac, w.cloud.host, ZERO, target), ARP))
            f = up.receive(lambda f: f.kind == ARP and f.spa == target)
            assert (f.op, f.sha, f.tpa) == (2, ROUTER_MAC, w.cloud.host)
        for target in (w.a.ip6, str(ipaddress.ip_address(w.cloud.host6) + 0x1234)):
            dst = solicited_node(target)
            up.send(ether("33:33:" + packed(dst)[12:].hex(":"), up.mac, ipv6(w.cloud.host6, dst, ns(target, up.mac), hops=255)))
            f = up.receive(lambda f: f.type == 136 and f.source == target)
            assert (f.src, f.destination, f.faults) == (ROUTER_MAC, w.cloud.host6, [])
        for target in (w.cloud.host, "192.0.2.1", w.a.ip, "8.8.8.8"):
            with w.cloud.dropping("arp-unknown"):
                up.send(ether(BROADCAST, up.mac, arp(1, up.mac, w.cloud.host, ZERO, target), ARP))
