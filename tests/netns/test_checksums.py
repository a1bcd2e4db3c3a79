# SPDX-License-Identifier: Apache-2.0
"""Every checksum that a receiver gets, verified by code that is not the kernel's; and whole streams, with and
without offloads. Without them (`ethtool -K eth0 tx off`) each packet leaves its sender complete, as on a wire.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a, b (public addresses)
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- d
    host 198.18.x.1 --- uplink
"""
import contextlib
import hashlib
import itertools
import json
import os
import random
import socket
import subprocess
import threading
import types

import pytest

from conftest import BOUND, BUILD, everything
from frames import ACK, ether, icmp, ip, ipv6, ns, packed, solicited_node, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(20000)
MEGABYTE = random.Random(1).randbytes(1 << 20)
OFFLOADS = ("tx", "off"), ("tso", "off"), ("gso", "off"), ("gro", "off"), ("rx", "off")


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    vpc = cloud.vpc(ipv6=True)
    near, far = cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.subnet(vpc, "10.0.2.0/24", 2)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    group = cloud.group(vpc, "open", all_of, egress=all_of)
    w.a, w.b = cloud.instances(2, near, [group], ipv6=True, public=True)
    w.d = cloud.instance(far, [group], ipv6=True)
    w.addresses = {"host": (w.host, w.cloud.host, w.cloud.host6)}
    for name in "abd":
        i = getattr(w, name)
        w.addresses[name] = (i, i.ip, i.ip6)
    w.addresses["b's public"] = (w.b, w.b.public_ip, None)
    w.addresses["a's public"] = (w.a, w.a.public_ip, None)
    return w


@contextlib.contextmanager
def offloads_off(*places):
    def set_all(value):
        for p in places:
            args = [x for name, _ in OFFLOADS for x in (name, value)]
            subprocess.run(["nsenter", f"--net={p.namespace}", "ethtool", "-K", p.device, *args], check=True, stdout=subprocess.DEVNULL)
    set_all("off")
    try:
        yield
    finally:
        set_all("on")


def stream(client, server, address, bind, size=len(MEGABYTE)):
    """As many bytes over TCP, at once in both directions; both ends compare the hash of all they got."""
    port, results = next(ports), {}
    data = (MEGABYTE * (size // len(MEGABYTE) + 1))[:size]
    wanted = hashlib.sha256(data).hexdigest()

    def pump(name, s):
        got = hashlib.sha256()
        sender = threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)))
        sender.start()
        while True:
            more = s.recv(1 << 17)
            if not more:
                break
            got.update(more)
        sender.join()
        results[name] = got.hexdigest()

    with server.serve(bind, port) as listener, client.dial(address, port) as c, listener.accept()[0] as s:
        s.settimeout(BOUND)
        threads = [threading.Thread(target=pump, args=x) for x in (("client", c), ("server", s))]
        for t in threads:
            t.start()
        for t in threads:
            t.join(BOUND)
    assert results == {"client": wanted, "server": wanted}


WAYS = [("a", "b", 4), ("a", "b", 6), ("a", "d", 4), ("a", "d", 6), ("a", "host", 4), ("a", "host", 6), ("host", "a's public", 4),
        ("host", "a", 6), ("a", "b's public", 4), ("a", "a's public", 4)]


def ends(w, way):
    client, server, family = way
    place, v4, v6 = w.addresses[server]
    bind = "::" if family == 6 else place.ip if hasattr(place, "ip") else v4
    return w.addresses[client][0], place, v4 if family == 4 else v6, bind


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_a_megabyte_with_offloads(w, way):
    stream(*ends(w, way))


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_a_megabyte_without_offloads_and_every_checksum(w, way):
    """Captured where it is received, at both ends: no frame has a fault."""
    client, server, address, bind = ends(w, way)
    with offloads_off(*{client.namespace + client.device: client, server.namespace + server.device: server}.values()):
        with client.wire() as at_client, server.wire() as at_server:
            stream(client, server, address, bind, 200_000)
            for wire in (at_client, at_server):
                got = [f for f in wire.drain() if f.protocol == 6]
                assert len(got) > 20
                assert [f for f in got if f.faults] == []
                assert max(len(f.raw) for f in got) <= (9015 if "host" not in way else 1514)


@pytest.mark.parametrize("way", WAYS, ids=lambda w: f"{w[0]} to {w[1]}, IPv{w[2]}")
def test_udp_and_echo_without_offloads(w, way):
    """Sizes odd and even, UDP's checksum that is zero, echo requests and replies, large and small."""
    client, server, address, bind = ends(w, way)
    local = "0.0.0.0" if ":" not in address else "::"
    with offloads_off(*{client.namespace + client.device: client, server.namespace + server.device: server}.values()):
        with client.udp(local, next(ports)) as c, server.udp(bind, next(ports)) as s, server.wire() as at_server, client.wire() as at_client:
            for n in (0, 1, 2, 7, 100, 999, 1400):
                data = MEGABYTE[:n]
                c.sendto(data, (address, s.getsockname()[1]))
                got, peer = s.recvfrom(65536)
                assert got == data
                s.sendto(data[::-1], peer)
                assert c.recv(65536) == data[::-1]
            for n in (0, 1, 56, 1400):
                done = subprocess.run(["nsenter", f"--net={client.namespace}", "ping", "-n", "-q", "-c", "1", "-W", "5", "-s", str(n), address],
                                      stdout=subprocess.PIPE, text=True)
                assert done.returncode == 0, done.stdout
            frames = at_server.drain() + at_client.drain()
            assert sum(f.protocol == 17 for f in frames) >= 14 and sum(f.type in (0, 8, 128, 129) for f in frames) >= 8
            assert [f for f in frames if f.faults] == []


def test_a_checksum_of_zero_stays(w):
    """UDP over IPv4 without a checksum has none after translation either; with one that happens to sum up to 0, ffff."""
    host = w.host.wire()
    with w.a.wire() as at_a, host:
        bare = bytearray(ip(w.a.ip, w.cloud.host, udp(5, 9, b"no checksum")))
        bare[26:28] = b"\0\0"
        at_a.send(ether(ROUTER_MAC, w.a.mac, bytes(bare)))
        f = host.receive(lambda f: f.payload == b"no checksum")
        assert f.transport[6:8] == b"\0\0" and f.source == w.a.public_ip and not f.faults
        # Payloads whose sum comes out as zero, which UDP writes as ffff: before the translation, and after it.
        for source in (w.a.ip, w.a.public_ip):
            word = next(n.to_bytes(2, "big") for n in range(65536)
                        if udp(5, 10, n.to_bytes(2, "big")).summed(packed(source), packed(w.cloud.host))[6:8] == b"\xff\xff")
            at_a.send(ether(ROUTER_MAC, w.a.mac, ip(w.a.ip, w.cloud.host, udp(5, 10, word))))
            assert not host.receive(lambda f: f.dport == 10).faults


def test_wrong_checksums_stay_wrong(w):
    """A translation changes a checksum by the difference: it never makes a broken packet whole."""
    host = w.host.wire()
    with w.a.wire() as at_a, host:
        for inside, at in ((udp(5, 9, b"broken"), 26), (tcp(5, 9, ACK, data=b"broken"), 36), (icmp(8, data=b"broken"), 22)):
            raw = bytearray(ip(w.a.ip, w.cloud.host, inside))
            raw[at] ^= 0x55
            at_a.send(ether(ROUTER_MAC, w.a.mac, bytes(raw)))
            assert host.receive(lambda f: b"broken" in f.payload).faults
        raw = bytearray(ip(w.a.ip, w.cloud.host, udp(5, 9, b"header")))
        raw[10] ^= 0x55
        at_a.send(ether(ROUTER_MAC, w.a.mac, bytes(raw)))
        assert host.receive(lambda f: b"header" in f.payload).faults == ["IPv4 header checksum"]


def test_what_the_data_plane_makes(w):
    """Neighbour advertisements: for many targets, senders and option layouts, the checksum is right."""
    with w.a.wire() as at_a:
        link_local = "fe80::" + str(random.Random(2).randrange(1, 9999))
        for source in (w.a.ip6, link_local):
            for target in ("fe80::1", w.b.ip6):
                for mac in (w.a.mac, None):
                    dst = solicited_node(target)
                    at_a.send(ether("33:33:" + packed(dst)[12:].hex(":"), w.a.mac, ipv6(source, dst, ns(target, mac), hops=255)))
                    f = at_a.receive(lambda f: f.type == 136)
                    assert not f.faults and f.destination == source


@pytest.mark.parametrize("family", [4, 6])
def test_segmentation_between_instances(w, family):
    """Super-packets of 9,001-byte segments pass whole, and what they carry is right."""
    address = w.b.ip if family == 4 else w.b.ip6
    with w.b.wire() as at_b:
        stream(w.a, w.b, address, "0.0.0.0" if family == 4 else "::", 16 << 20)
        sizes = [len(f.raw) for f in at_b.drain() if f.protocol == 6]
    assert max(sizes) > 9015, "offloads were on: packets of many segments arrive as one"


@pytest.mark.parametrize("family", [4, 6])
def test_segments_are_counted_as_on_the_wire(w, family):
    """The flow counts segments of 9,001 bytes and the headers of each, though they pass as few large packets."""
    address, size, header = (w.b.ip, 8 << 20, 52) if family == 4 else (w.b.ip6, 8 << 20, 72)
    with w.b.serve("0.0.0.0" if family == 4 else "::", next(ports)) as listener, w.b.wire() as at_b:
        with w.a.dial(address, listener.getsockname()[1]) as c, listener.accept()[0] as s:
            s.settimeout(BOUND)
            sender = threading.Thread(target=c.sendall, args=(MEGABYTE * 8,))
            sender.start()
            got = 0
            while got < size:
                got += len(s.recv(1 << 20))
            sender.join()
            port = c.getsockname()[1]
            shown = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, "flows", "--port", str(port), "--json"],
                                   stdout=subprocess.PIPE, text=True, check=True, timeout=BOUND)
            flow, = json.loads(shown.stdout)["flows"]
            arrived = [f for f in at_b.drain() if f.sport == port]
    assert flow["packets"] >= size / (9001 - header)
    assert len(arrived) < flow["packets"], "several segments arrive as one"
    # 8 bytes of options more in the SYN; what was sent again is counted again.
    assert flow["bytes"] >= size + flow["packets"] * header
    assert flow["bytes"] < size * 1.05 + flow["packets"] * header


@pytest.mark.parametrize("family", [4, 6])
def test_large_datagrams(w, family):
    """8,000 bytes of UDP fit the 9,001 inside, within a subnet and between two; the largest possible too."""
    for to in (w.b, w.d):
        address = to.ip if family == 4 else to.ip6
        largest = 9001 - 8 - (20 if family == 4 else 40)
        for offloads in (contextlib.nullcontext(), offloads_off(w.a, to)):
            with offloads, w.a.udp("0.0.0.0" if family == 4 else "::") as c, to.udp(address, next(ports)) as s, to.wire() as at:
                for n in (8000, largest):
                    c.sendto(MEGABYTE[:n], (address, s.getsockname()[1]))
                    assert s.recv(65536) == MEGABYTE[:n]
                if not isinstance(offloads, contextlib.nullcontext):
                    assert [f for f in at.drain() if f.faults] == []


def test_datagrams_that_the_kernel_segments(w):
    """UDP with GSO (UDP_SEGMENT): each segment arrives as a datagram of its own."""
    for address, local in ((w.b.ip, "0.0.0.0"), (w.b.ip6, "::"), (w.cloud.host, "0.0.0.0"), (w.cloud.host6, "::")):
        to = w.host if address in (w.cloud.host, w.cloud.host6) else w.b
        with w.a.udp(local) as c, to.udp(address, next(ports)) as s:
            c.setsockopt(socket.IPPROTO_UDP, 103, 1000)
            c.sendto(MEGABYTE[:9500], (address, s.getsockname()[1]))
            got = [s.recv(65536) for _ in range(10)]
            assert b"".join(got) == MEGABYTE[:9500] and len(got[0]) == 1000
