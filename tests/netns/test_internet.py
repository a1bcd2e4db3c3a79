# SPDX-License-Identifier: Apache-2.0
"""The internet gateway. 'The internet' is the host: its end of the uplink is the first address of each pool.

    vpc 10.0.0.0/16, internet gateway, routes 0.0.0.0/0 and ::/0
      subnet 10.0.1.0/24 --- a (public address), b (public address), n (none)
    vpc 10.0.0.0/16, internet gateway
      subnet 10.0.1.0/24 --- t (public address)
                              \\
    host 198.18.x.1 ---------- uplink
      \\-- netns `behind` 203.0.113.9 (a network that the host could forward to)
"""
import contextlib
import ipaddress
import itertools
import socket
import struct
import subprocess
import types

import botocore.exceptions
import pytest

from conftest import BOUND, Cloud, Instance, Place, everything, permission, until
from conftest import tcp as tcp_rule
from frames import ACK, RST, SYN, ether, icmp, ip, ipv4, ipv6, packed, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(20000)


def make_world(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = cloud.vpc(ipv6=True)
    w.subnet = cloud.subnet(w.vpc, "10.0.1.0/24", 1)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    w.open = cloud.group(w.vpc, "open", all_of, egress=all_of)
    w.a, w.b = cloud.instances(2, w.subnet, [w.open], ipv6=True, public=True)
    w.up = w.host.wire()
    w.table = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [w.vpc["VpcId"]]}])["RouteTables"][0]["RouteTableId"]
    w.igw = w.ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [w.vpc["VpcId"]]}])["InternetGateways"][0]["InternetGatewayId"]
    return w


@pytest.fixture(scope="module")
def w(cloud):
    w = make_world(cloud)
    w.n = cloud.instance(w.subnet, [w.open], ipv6=True)
    twin = cloud.vpc()
    w.t = cloud.instance(cloud.subnet(twin, "10.0.1.0/24"), [cloud.group(twin, "open", [everything(cidr="0.0.0.0/0")])], public=True)
    return w


def refused_api(code, call, **args):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**args)
    assert e.value.response["Error"]["Code"] == code


def talk(client, server):
    client.sendall(b"question")
    assert server.recv(100) == b"question"
    server.sendall(b"answer")
    assert client.recv(100) == b"answer"


@contextlib.contextmanager
def connected(client, server, address, bind):
    """A TCP connection from place to place, to this address; `bind` is where the server listens."""
    port = next(ports)
    with server.serve(bind, port) as listener, client.dial(address, port) as c, listener.accept()[0] as s:
        s.settimeout(BOUND)
        yield c, s


# Translation

def test_out_through_the_public_address(w):
    with connected(w.a, w.host, w.cloud.host, w.cloud.host) as (c, s):
        talk(c, s)
        assert c.getsockname()[0] == w.a.ip and c.getpeername()[0] == w.cloud.host
        assert s.getpeername() == (w.a.public_ip, c.getsockname()[1]), "1:1: the port stays"


def test_in_through_the_public_address(w):
    with connected(w.host, w.a, w.a.public_ip, w.a.ip) as (c, s):
        talk(c, s)
        assert c.getpeername()[0] == w.a.public_ip and c.getsockname()[0] == w.cloud.host
        assert s.getsockname()[0] == w.a.ip and s.getpeername() == c.getsockname()


def test_ipv6_passes_untranslated(w):
    with connected(w.a, w.host, w.cloud.host6, "::") as (c, s):
        talk(c, s)
        assert s.getpeername()[:2] == c.getsockname()[:2] and s.getpeername()[0] == w.a.ip6
    with connected(w.host, w.a, w.a.ip6, "::") as (c, s):
        talk(c, s)
        assert s.getpeername()[:2] == (w.cloud.host6, c.getsockname()[1]) and s.getsockname()[0] == w.a.ip6


def test_udp_both_ways(w):
    for host, own, public in ((w.cloud.host, w.a.ip, w.a.public_ip), (w.cloud.host6, w.a.ip6, w.a.ip6)):
        outside, inside_ = w.host.udp(host, next(ports)), w.a.udp(own, next(ports))
        inside_.sendto(b"out", outside.getsockname()[:2])
        data, peer = outside.recvfrom(100)
        assert data == b"out" and peer[:2] == (public, inside_.getsockname()[1])
        outside.sendto(b"back", peer)
        data, peer = inside_.recvfrom(100)
        assert data == b"back" and peer[:2] == (host, outside.getsockname()[1])
        outside.close(), inside_.close()


def test_echo_both_ways(w):
    for address in (w.cloud.host, w.cloud.host6):
        assert w.a.ping(address, seconds=5)
    for address in (w.a.public_ip, w.a.ip6):
        done = subprocess.run(["ping", "-n", "-q", "-c", "1", "-W", "5", address], stdout=subprocess.DEVNULL)
        assert done.returncode == 0, address
    with w.a.wire() as at_a:
        w.up.drain()
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, icmp(8, number=77, data=b"echo"))))
        f = w.up.receive(lambda f: f.type == 8)
        assert (f.source, f.destination, f.number, f.faults) == (w.a.public_ip, w.cloud.host, 77, [])
        f = at_a.receive(lambda f: f.type == 0)
        assert (f.source, f.destination, f.number, f.faults) == (w.cloud.host, w.a.ip, 77, [])


# Who has no public address, and what has no route

def test_without_a_public_address_nothing_passes(w):
    for inside in (tcp(1, 80), udp(1, 80), icmp(8)):
        with w.cloud.dropping("no-public-address"), w.n.wire() as at_n:
            at_n.send(ether(ROUTER_MAC, w.n.mac, ipv4(w.n.ip, w.cloud.host, inside)))
    unused = w.cloud.pool.rsplit(".", 1)[0] + ".250"
    for target in (unused, w.n.ip, w.a.ip):
        with w.cloud.dropping("uplink-unknown"):
            w.up.send(ether(ROUTER_MAC, w.up.mac, ipv4(w.cloud.host, target, udp(1, 2))))
    with w.n.udp(w.n.ip6) as s, w.host.udp(w.cloud.host6) as h:
        s.sendto(b"IPv6 is public as it is", h.getsockname()[:2])
        assert h.recv(100)


@pytest.mark.parametrize("family", [4, 6])
def test_only_with_a_route(w, family):
    """The route goes, and the packets of a running connection with it; it returns, and they go on."""
    to = {"DestinationCidrBlock": "0.0.0.0/0"} if family == 4 else {"DestinationIpv6CidrBlock": "::/0"}
    host = w.cloud.host if family == 4 else w.cloud.host6
    with connected(w.a, w.host, host, host) as (c, s):
        talk(c, s)
        w.ec2.delete_route(RouteTableId=w.table, **to)
        try:
            until(lambda: not passes_udp(w, w.a, host, "no-route"), "the route's end", 5)
            with w.cloud.dropping("no-route"):
                c.sendall(b"question")
            other = w.cloud.host6 if family == 4 else w.cloud.host
            assert w.a.ping(other, seconds=5), "the other family's route is untouched"
        finally:
            w.ec2.create_route(RouteTableId=w.table, GatewayId=w.igw, **to)
        assert s.recv(100) == b"question", "a retransmission finds the route"
        s.sendall(b"answer")
        assert c.recv(100) == b"answer"


def passes_udp(w, who, host, reason):
    """Whether a datagram reaches the host; if not, it was dropped for this reason."""
    port = next(ports)
    with w.host.udp(host, port) as h, who.udp("0.0.0.0" if ":" not in host else "::") as s:
        before = w.cloud.drops().get(reason, 0)
        s.sendto(b"?", (host, port))
        h.setblocking(False)

        def look():
            with contextlib.suppress(BlockingIOError):
                return h.recv(10)
            return "dropped" if w.cloud.drops().get(reason, 0) > before else None
        return until(look, f"arrival or {reason}", 5) == b"?"


def test_a_replaced_route(w):
    """To a middlebox instead of the gateway, and back."""
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": False})
    with w.b.wire() as at_b, w.a.udp("0.0.0.0") as s:
        w.ec2.replace_route(RouteTableId=w.table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=w.b.eni)

        def at_middlebox():
            s.sendto(b"via b", (w.cloud.host, 9))
            return [f for f in at_b.drain() if f.payload == b"via b"]
        f = until(at_middlebox, "packets at the middlebox", 5)[-1]
        assert (f.source, f.destination, f.dst) == (w.a.ip, w.cloud.host, w.b.mac), "not translated on the way there"
        w.ec2.replace_route(RouteTableId=w.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=w.igw)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": True})
    until(lambda: w.a.opens(w.cloud.host, 9) or passes_udp(w, w.a, w.cloud.host, "no-route"), "the gateway again", 5)
    with connected(w.a, w.host, w.cloud.host, w.cloud.host) as (c, s):
        talk(c, s)


def test_a_route_to_the_host_alone(w):
    """A /32 to the gateway, and nothing else: the longest prefix decides."""
    w.ec2.delete_route(RouteTableId=w.table, DestinationCidrBlock="0.0.0.0/0")
    w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock=w.cloud.host + "/32", GatewayId=w.igw)
    try:
        until(lambda: passes_udp(w, w.a, w.cloud.host, "no-route"), "the route", 5)
        with w.cloud.dropping("no-route"), w.a.udp("0.0.0.0") as s:
            s.sendto(b"?", (w.b.public_ip, 9))
    finally:
        w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock="0.0.0.0/0", GatewayId=w.igw)
        w.ec2.delete_route(RouteTableId=w.table, DestinationCidrBlock=w.cloud.host + "/32")


def test_the_gateway_stays_while_addresses_are_mapped(w):
    refused_api("DependencyViolation", w.ec2.detach_internet_gateway, InternetGatewayId=w.igw, VpcId=w.vpc["VpcId"])
    with connected(w.a, w.host, w.cloud.host, w.cloud.host) as (c, s):
        talk(c, s)


# Elastic addresses

def test_elastic_addresses_take_effect_at_once(w):
    """Associate, move, take away: what runs over the old association stops, new packets follow the new one."""
    eip = w.ec2.allocate_address(Domain="vpc")
    address, allocation = eip["PublicIp"], eip["AllocationId"]
    first, second = w.cloud.instances(2, w.subnet, [w.open])
    nic = lambda i: {"AllocationId": allocation, "NetworkInterfaceId": i.eni}
    try:
        with w.cloud.dropping("uplink-unknown"):
            w.up.send(ether(ROUTER_MAC, w.up.mac, ipv4(w.cloud.host, address, udp(1, 2))))
        w.ec2.associate_address(**nic(first))
        until(lambda: passes_udp(w, first, w.cloud.host, "no-public-address"), "the association", 5)
        inward = w.host.serve(w.cloud.host, next(ports))
        with connected(first, w.host, w.cloud.host, w.cloud.host) as (c, s), connected(w.host, first, address, first.ip) as (c2, s2):
            assert s.getpeername()[0] == address
            talk(c, s), talk(c2, s2)
            w.ec2.associate_address(AllowReassociation=True, **nic(second))
            until(lambda: not passes_udp(w, first, w.cloud.host, "no-public-address"), "the end of the old association", 5)
            with w.cloud.dropping("no-public-address"):
                c.sendall(b"too late")
            with second.wire() as at_second, first.wire() as at_first:
                c2.sendall(b"whoever has the address")
                assert at_second.receive(lambda f: b"whoever" in f.payload).destination == second.ip
                assert not [f for f in at_first.drain() if b"whoever" in f.payload]
            s.setblocking(False)
            with pytest.raises((BlockingIOError, ConnectionError)):
                s.recv(100)
        inward.close()
        with connected(w.host, second, address, second.ip) as (c, s), connected(second, w.host, w.cloud.host, w.cloud.host) as (c2, s2):
            talk(c, s), talk(c2, s2)
            assert s2.getpeername()[0] == address
            association = w.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0]["AssociationId"]
            w.ec2.disassociate_address(AssociationId=association)
            until(lambda: not passes_udp(w, second, w.cloud.host, "no-public-address"), "the disassociation", 5)
            with w.cloud.dropping("uplink-unknown"):
                c.sendall(b"nobody")
            with w.cloud.dropping("no-public-address"):
                c2.sendall(b"nobody")
        w.ec2.associate_address(**nic(first))
        until(lambda: passes_udp(w, first, w.cloud.host, "no-public-address"), "the association again", 5)
        with connected(w.host, first, address, first.ip) as (c, s):
            talk(c, s)
    finally:
        w.ec2.terminate_instances(InstanceIds=[first.id, second.id])
        until(lambda: "AssociationId" not in w.ec2.describe_addresses(AllocationIds=[allocation])["Addresses"][0], "released by termination")
        w.ec2.release_address(AllocationId=allocation)
    with w.cloud.dropping("uplink-unknown"):
        w.up.send(ether(ROUTER_MAC, w.up.mac, ipv4(w.cloud.host, address, udp(1, 2))))


def test_an_address_moves_to_another_vpc(w):
    """Running flows of the outside, of a neighbour and of another VPC: none of them reaches the old owner once more."""
    eip = w.ec2.allocate_address(Domain="vpc")
    nic = lambda i: {"AllocationId": eip["AllocationId"], "NetworkInterfaceId": i.eni}
    old = w.cloud.instance(w.subnet, [w.open])
    new_vpc = w.cloud.vpc()
    new = w.cloud.instance(w.cloud.subnet(new_vpc, "10.0.1.0/24"), [w.cloud.group(new_vpc, "open", [everything(cidr="0.0.0.0/0")])])
    with old.wire() as at_old, new.wire() as at_new, w.host.udp(w.cloud.host) as h, w.a.udp(w.a.ip) as a, w.t.udp(w.t.ip) as t:
        def send(data):
            for s in (h, a, t):
                s.sendto(data, (eip["PublicIp"], 9))

        def heard(wire, data):
            return [f.source for f in wire.drain() if f.payload == data]
        sources = {w.cloud.host, w.a.public_ip, w.t.public_ip}
        w.ec2.associate_address(**nic(old))
        got = set()
        until(lambda: send(b"first") or got.update(heard(at_old, b"first")) or got == sources, "the old owner hears all", 5)
        w.ec2.associate_address(AllowReassociation=True, **nic(new))
        got = set()
        until(lambda: send(b"second") or got.update(heard(at_new, b"second")) or got == sources, "the new owner hears all", 5)
        at_old.drain()
        send(b"third")
        got = set()
        until(lambda: got.update(heard(at_new, b"third")) or got == sources, "the new owner alone", 5)
        assert not heard(at_old, b"third")
    w.ec2.terminate_instances(InstanceIds=[old.id, new.id])
    until(lambda: "AssociationId" not in w.ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0], "the address is free")
    w.ec2.release_address(AllocationId=eip["AllocationId"])


def test_a_detached_gateway(w):
    """Without mapped addresses it may go, and IPv6 with it; attached again, all is as before."""
    vpc = w.cloud.vpc(ipv6=True)
    i = w.cloud.instance(w.cloud.subnet(vpc, "10.0.1.0/24", 1), [w.cloud.group(vpc, "open", [everything(cidr6="::/0")])], ipv6=True)
    igw = w.ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc["VpcId"]]}])["InternetGateways"][0]["InternetGatewayId"]
    until(lambda: passes_udp(w, i, w.cloud.host6, "blackhole"), "IPv6 passes", 5)
    w.ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=vpc["VpcId"])
    until(lambda: not passes_udp(w, i, w.cloud.host6, "blackhole"), "the gateway's end", 5)
    with w.cloud.dropping("uplink-unknown"):
        w.up.send(ether(ROUTER_MAC, w.up.mac, ipv6(w.cloud.host6, i.ip6, udp(1, 2))))
    w.ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc["VpcId"])
    until(lambda: passes_udp(w, i, w.cloud.host6, "blackhole"), "the gateway again", 5)
    with connected(w.host, i, i.ip6, "::") as (c, s):
        talk(c, s)


# Hairpin

def test_anothers_public_address(w):
    """Round in the gateway: each sees the other's public address, in its own VPC and in another."""
    for other in (w.b, w.t):
        with connected(w.a, other, other.public_ip, other.ip) as (c, s):
            talk(c, s)
            assert c.getpeername()[0] == other.public_ip and s.getpeername() == (w.a.public_ip, c.getsockname()[1])


def test_its_own_public_address(w):
    with connected(w.a, w.a, w.a.public_ip, w.a.ip) as (c, s):
        talk(c, s)
        assert c.getpeername()[0] == w.a.public_ip and s.getpeername()[0] == w.a.public_ip


def test_round_the_gateway_one_is_no_member(w):
    """A rule that names a group does not match there; a rule for the public address does."""
    guarded = w.cloud.group(w.vpc, "guarded", [everything(group=w.open), tcp_rule(80, cidr=w.b.public_ip + "/32")])
    g = w.cloud.instance(w.subnet, [guarded], public=True)
    try:
        with g.serve("0.0.0.0", 80):
            assert w.a.opens(g.ip, 80) and w.b.opens(g.ip, 80)
            assert w.b.opens(g.public_ip, 80)
            assert w.a.refused(w.cloud, g.public_ip, 80, "security-group-ingress")
    finally:
        w.ec2.terminate_instances(InstanceIds=[g.id])


# The host

@pytest.mark.parametrize("make, reason", [
    (lambda w: ipv4(w.a.public_ip, w.b.public_ip, udp(1, 2)), "spoofed-address"),
    (lambda w: ipv4(w.cloud.pool.rsplit(".", 1)[0] + ".77", w.b.public_ip, udp(1, 2)), "spoofed-address"),
    (lambda w: ipv4("169.254.169.254", w.b.public_ip, udp(1, 2)), "spoofed-address"),
    (lambda w: ipv6("fe80::5", w.b.ip6, udp(1, 2)), "spoofed-address"),
    (lambda w: ipv6(w.a.ip6, w.b.ip6, udp(1, 2)), "spoofed-address"),
    (lambda w: ipv4("127.0.0.1", w.b.public_ip, udp(1, 2)), "bad-source"),
    (lambda w: ipv4(w.cloud.host, w.b.ip, udp(1, 2)), "uplink-unknown"),
    (lambda w: ipv4(w.cloud.host, "10.0.1.1", udp(1, 2)), "uplink-unknown"),
    (lambda w: ipv6("2600::1", w.cloud.host6[:-1] + "9999", udp(1, 2)), "uplink-unknown"),
    (lambda w: ipv4(w.cloud.host, w.b.public_ip, udp(1, 2), fragment=0x0010), "fragment-without-first"),
    (lambda w: ipv6("2600::1", "ff02::1", udp(1, 2)), "multicast"),
])
def test_what_may_not_come_in(w, make, reason):
    before = w.cloud.drops().get(reason, 0)
    assert arrived(w, make(w)) == []
    assert w.cloud.drops().get(reason, 0) > before


def arrived(w, packet):
    """What b hears of a packet that the host sends into the uplink."""
    with w.b.wire() as at_b:
        w.up.send(ether(ROUTER_MAC, w.up.mac, packet), ether(ROUTER_MAC, w.up.mac, ipv4(w.cloud.host, w.b.public_ip, udp(1, 2, b"marker"))))
        seen = []
        at_b.receive(lambda f: f.payload == b"marker", seen=seen)
        return [f for f in seen if f.protocol == 17]


def test_the_vpcs_own_addresses_do_not_come_from_outside(w):
    for source in ("10.0.1.77", w.a.ip, w.b.ip, "10.0.1.1", "10.0.200.1"):
        with w.cloud.dropping("spoofed-address"):
            assert arrived(w, ipv4(source, w.b.public_ip, udp(1, 2))) == []


@pytest.fixture
def behind(w):
    """A network that the host forwards to, and settings that would let anybody use it."""
    names = ["net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.accept_source_route"]
    was = {n: subprocess.run(["sysctl", "-n", n], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for n in names}
    name, device = "vpcd-test-behind", "vtbehind"
    run = lambda *a: subprocess.run(a, check=True)
    subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", device, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "addr", "add", "203.0.113.1/24", "dev", device)
        run("ip", "addr", "add", "2001:db8:9:9::1/64", "dev", device, "nodad")
        run("ip", "link", "set", device, "up")
        inside = ["ip", "-n", name]
        run(*inside, "addr", "add", "203.0.113.9/24", "dev", "eth0")
        run(*inside, "addr", "add", "2001:db8:9:9::9/64", "dev", "eth0", "nodad")
        run(*inside, "link", "set", "eth0", "up")
        run(*inside, "route", "add", "default", "via", "203.0.113.1")
        for n in names:
            run("sysctl", "-qw", f"{n}=1")
        run("sysctl", "-qw", f"net.ipv4.conf.{w.host.device}.accept_source_route=1", f"net.ipv4.conf.{device}.accept_source_route=1")
        place = Place()
        place.namespace, place.device = f"/run/netns/{name}", "eth0"
        yield place
    finally:
        for n in names:
            subprocess.run(["sysctl", "-qw", f"{n}={was[n]}"])
        subprocess.run(["ip", "netns", "del", name])
        subprocess.run(["ip", "link", "del", device], stderr=subprocess.DEVNULL)


def test_the_hosts_other_addresses_and_networks(w, behind):
    """With ip_forward=1 the host would forward, and it would answer at all its addresses: nothing gets that far."""
    listed = subprocess.run(["ip", "-o", "addr", "show", "scope", "global"], stdout=subprocess.PIPE, text=True).stdout
    own = {x.split()[3].split("/")[0] for x in listed.splitlines()} - {w.cloud.host, w.cloud.host6}
    assert {"203.0.113.1", "2001:db8:9:9::1"} <= own
    with behind.wire() as at_behind, w.a.wire() as at_a:
        w.up.drain()
        for target in sorted(own) + ["203.0.113.9", "2001:db8:9:9::9", "8.8.8.8", "2600::1"]:
            if ":" in target and ipaddress.ip_address(target).is_link_local:
                continue
            source = w.a.ip6 if ":" in target else w.a.ip
            for inside in (tcp(1, 80, data=b"host"), udp(1, 80, b"host"), icmp(8 if "." in target else 128, family=4 if "." in target else 6, data=b"host")):
                with w.cloud.dropping("uplink-destination"):
                    at_a.send(ether(ROUTER_MAC, w.a.mac, ip(source, target, inside)))
        assert not [f for f in at_behind.drain() + w.up.drain() if b"host" in f.payload]
        # A public address of the pool that nobody has is not the host's either.
        with w.cloud.dropping("uplink-destination"):
            at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.pool.rsplit(".", 1)[0] + ".250", udp(1, 2))))


def test_source_routes_lead_nowhere(w, behind):
    """An IPv4 source route makes a host that accepts them forward where the packet says."""
    route = lambda kind: bytes([kind, 7, 4]) + packed("203.0.113.9") + b"\0"
    with behind.wire() as at_behind, w.a.wire() as at_a:
        at_behind.drain()
        for kind in (131, 137):
            at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, udp(1, 2, b"loose"), options=route(kind))))
        at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, udp(1, 2, b"marker"))))
        seen = []
        w.up.receive(lambda f: f.payload == b"marker", seen=seen)
        assert not [f for f in at_behind.drain() + seen if b"loose" in f.raw]


def test_networks_behind_the_host_do_not_get_in_by_private_addresses(w, behind):
    """What the host forwards from elsewhere may reach a public address (as from the internet), a private one never."""
    run = lambda *a: subprocess.run(a, check=True)
    run("ip", "route", "add", "10.0.1.0/24", "dev", w.host.device, "via", w.a.public_ip, "onlink")
    try:
        with w.cloud.dropping("uplink-unknown"), behind.udp("203.0.113.9") as s:
            s.sendto(b"private", (w.a.ip, 9))
    finally:
        run("ip", "route", "del", "10.0.1.0/24", "dev", w.host.device)
    with w.a.udp(w.a.ip, next(ports)) as server, behind.udp("203.0.113.9") as s:
        s.sendto(b"public", (w.a.public_ip, server.getsockname()[1]))
        assert server.recvfrom(100) == (b"public", s.getsockname())


def test_forwarding_reverse_path_filters_and_a_chain_that_drops(w, behind):
    """ip_forward=1, rp_filter=1 and a FORWARD chain that drops do not stop what vpcd carries."""
    if subprocess.run(["nft", "--version"], stdout=subprocess.DEVNULL).returncode:
        pytest.skip("no nft")
    subprocess.run(["nft", "-f", "-"], check=True, text=True,
                   input="table inet vpcdtest {\n chain forward {\n type filter hook forward priority 0; policy drop;\n }\n}\n")
    try:
        with connected(w.a, w.host, w.cloud.host, w.cloud.host) as (c, s), connected(w.host, w.a, w.a.public_ip, w.a.ip) as (c2, s2), \
                connected(w.a, w.b, w.b.ip, w.b.ip) as (c3, s3), connected(w.a, w.t, w.t.public_ip, w.t.ip) as (c4, s4), \
                connected(w.host, w.a, w.a.ip6, "::") as (c5, s5), connected(w.a, w.host, w.cloud.host6, "::") as (c6, s6):
            for pair in ((c, s), (c2, s2), (c3, s3), (c4, s4), (c5, s5), (c6, s6)):
                talk(*pair)
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "vpcdtest"], check=True)


# Only the host's ports that are named

@pytest.fixture(scope="module")
def strict():
    made = Cloud(options=("--uplink-allow", "tcp/8080,udp/5353"))
    try:
        made.start()
        yield make_world(made)
    finally:
        made.close()


def test_only_the_named_ports_of_the_host(strict):
    w = strict
    for host, own in ((w.cloud.host, w.a.ip), (w.cloud.host6, w.a.ip6)):
        servers = [w.host.serve(host, 8080), w.host.serve(host, 8081), w.host.serve(host, 5353)]
        assert w.a.opens(host, 8080)
        assert w.a.refused(w.cloud, host, 8081, "uplink-port")
        assert w.a.refused(w.cloud, host, 5353, "uplink-port")
        for s in servers:
            s.close()
        assert w.a.ping(host, seconds=5)
        family = 4 if "." in host else 6
        with w.a.wire() as at_a:
            at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, udp(1, 5353, b"allowed"))))
            w.up.receive(lambda f: f.payload == b"allowed")
            others = [udp(1, 8080), udp(1, 53), udp(5353, 1), tcp(8080, 1, ACK), tcp(8080, 22), tcp(1, 8081, ACK), tcp(1, 0)]
            others += [icmp(k, family=4) for k in (0, 3, 5, 11, 13)] if family == 4 else [icmp(k, family=6) for k in (1, 2, 129, 139)]
            w.up.drain()
            for inside in others:
                with w.cloud.dropping("uplink-port"):
                    at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, inside)))
            with w.cloud.dropping("uplink-port", 2):
                at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, bytes(20), protocol=132)), ether(ROUTER_MAC, w.a.mac, ip(own, host, bytes(20), protocol=47)))
            assert not [f for f in w.up.drain() if f.source in (w.a.public_ip, w.a.ip6) and f.type != 136]


def test_answers_to_what_the_host_began(strict):
    w = strict
    for public, bind in ((w.a.public_ip, w.a.ip), (w.a.ip6, w.a.ip6)):
        with connected(w.host, w.a, public, bind) as (c, s):
            talk(c, s)
        host = w.cloud.host if "." in public else w.cloud.host6
        with w.host.udp(host, next(ports)) as h, w.a.udp(bind, next(ports)) as s:
            h.sendto(b"question", (public, s.getsockname()[1]))
            data, peer = s.recvfrom(100)
            s.sendto(b"answer", peer)
            assert h.recv(100) == b"answer"
            with w.cloud.dropping("uplink-port"), w.a.udp(bind) as other:
                other.sendto(b"not asked", peer)
        done = subprocess.run(["ping", "-n", "-q", "-c", "1", "-W", "5", public], stdout=subprocess.DEVNULL)
        assert done.returncode == 0


def test_neighbours_are_not_restricted_by_the_hosts_ports(strict):
    with connected(strict.a, strict.b, strict.b.public_ip, strict.b.ip) as (c, s):
        talk(c, s)


def test_by_default_the_host_is_closed():
    """Without --uplink-allow: echo, answers to the host, and nothing else."""
    made = Cloud(options=())
    try:
        w = make_world(made.start())
        for host, public, bind in ((w.cloud.host, w.a.public_ip, w.a.ip), (w.cloud.host6, w.a.ip6, w.a.ip6)):
            with w.host.serve(host, 8080):
                assert w.a.refused(w.cloud, host, 8080, "uplink-port")
            with w.cloud.dropping("uplink-port"), w.a.udp(bind) as s:
                s.sendto(b"?", (host, 8080))
            assert w.a.ping(host, seconds=5)
            with connected(w.host, w.a, public, bind) as (c, s):
                talk(c, s)
    finally:
        made.close()


def test_two_clouds_on_one_host(w, strict, behind):
    """Each has its own pool; even a host that forwards does not carry packets from one to the other."""
    for one, other in ((w, strict), (strict, w)):
        with one.a.wire() as at_one, other.a.wire() as at_other:
            for source, target in ((one.a.ip, other.a.public_ip), (one.a.ip6, other.a.ip6), (one.a.ip, other.cloud.host), (one.a.ip6, other.cloud.host6)):
                for inside in (tcp(1, 80, data=b"over"), udp(1, 80, b"over"), icmp(8 if "." in source else 128, family=4 if "." in source else 6, data=b"over")):
                    with one.cloud.dropping("uplink-destination"):
                        at_one.send(ether(ROUTER_MAC, one.a.mac, ip(source, target, inside)))
            assert not [f for f in at_other.drain() if b"over" in f.raw]


@pytest.mark.parametrize("where, offset", [("the destination port", 2), ("the source port", 0)])
def test_a_checksum_written_over_what_was_judged(strict, where, offset):
    """Root inside leaves a checksum to be filled in (a virtio header with NEEDS_CSUM) and says where: over another field.
    A device without offload fills it in after the rules were asked. The packet must arrive as it was judged, or not."""
    w = strict
    data_end = w.host.device[:-1] + "d"
    subprocess.run(["ethtool", "-K", data_end, "tx", "off"], check=True, stdout=subprocess.DEVNULL)
    try:
        with w.a.wire() as at_a:
            at_a.socket.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
            w.up.drain()
            virtio = struct.pack("=BBHHHH", 1, 0, 0, 0, 34, offset)
            at_a.send(virtio + ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, udp(4000, 5353, b"written over"))))
            at_a.send(bytes(10) + ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, udp(4000, 5353, b"marker"))))
            seen = []
            w.up.receive(lambda f: f.payload == b"marker", seen=seen)
            assert [f for f in seen if b"written over" in f.raw and (f.source, f.destination, f.sport, f.dport) !=
                    (w.a.public_ip, w.cloud.host, 4000, 5353)] == []
    finally:
        subprocess.run(["ethtool", "-K", data_end, "tx", "on"], check=True, stdout=subprocess.DEVNULL)
