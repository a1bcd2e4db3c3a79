# SPDX-License-Identifier: Apache-2.0
"""What is no plain packet, through a NAT gateway: fragments of UDP (and of nothing else), ICMP errors, what is too big.
The world is test_nat.py's: a behind the gateway, the host outside.
"""
import itertools
import random
import struct
import subprocess

import pytest

from conftest import BOUND
from frames import ICMP, UDP, checksum, ether, icmp, ipv4, packed, pseudo, tcp, udp
from test_mtu import exchange, forget_sizes, pieces_of
from test_nat import ROUTER_MAC, w  # noqa: F401: the fixture

DATA = random.Random(12).randbytes(1 << 16)
ports = itertools.count(26000)
MORE = 0x2000


def pieces(source, destination, inside, at, number):
    whole = bytes(inside.summed(packed(source), packed(destination)))
    return [ipv4(source, destination, whole[:at], protocol=inside.protocol, fragment=MORE, identification=number),
            ipv4(source, destination, whole[at:], protocol=inside.protocol, fragment=at // 8, identification=number)]


def test_fragmented_datagrams_out_and_back(w):
    """By the kernels of both ends: 9,001-byte pieces from a, which are cut again; 1,500-byte pieces back."""
    with w.a.udp("0.0.0.0") as c, w.host.udp(w.cloud.host, next(ports)) as s:
        for x in (c, s):
            x.setsockopt(0, 10, 0)  # no path MTU discovery
        for size in (2000, 20000, 60000):
            c.sendto(DATA[:size], s.getsockname())
            got, peer = s.recvfrom(1 << 17)
            assert got == DATA[:size] and peer[0] == w.address
            s.sendto(got[::-1], peer)
            assert c.recv(1 << 17) == DATA[:size][::-1]


def test_each_byte_of_a_fragmented_datagram(w):
    """The first piece has the port of the gateway and a checksum over all; the second one is as it was."""
    port = next(ports)
    with w.a.wire() as at_a, w.host.wire() as up:
        for packet in pieces(w.a.ip, w.cloud.host, udp(port, 7, DATA[:1200]), 800, 321):
            at_a.send(ether(ROUTER_MAC, w.a.mac, packet))
        first, second = pieces_of(up, 321, 1208)
        assert {(f.source, f.destination) for f in (first, second)} == {(w.address, w.cloud.host)}
        data = first.payload + second.payload
        assert not first.faults + second.faults and data[8:] == DATA[:1200] and data[2:4] == b"\0\7"
        assert int.from_bytes(data[:2], "big") >= 1024
        assert checksum(pseudo(packed(w.address), packed(w.cloud.host), UDP, len(data)) + data) == 0


def test_other_fragments_are_refused(w):
    """AWS: a NAT gateway takes fragments of UDP, and not of TCP and ICMP."""
    with w.a.wire() as at_a:
        for inside in (tcp(next(ports), 80, data=DATA[:1200]), icmp(8, data=DATA[:1200])):
            first, later = pieces(w.a.ip, w.cloud.host, inside, 800, next(ports))
            with w.cloud.dropping("fragment"):
                at_a.send(ether(ROUTER_MAC, w.a.mac, first))
            with w.cloud.dropping("fragment-without-first"):
                at_a.send(ether(ROUTER_MAC, w.a.mac, later))


def test_a_closed_port_outside_is_told(w):
    """The host's "port unreachable" finds the program behind the gateway; the quotation names its own port again."""
    port = next(ports)
    with w.a.udp("0.0.0.0") as s, w.a.wire() as at_a:
        s.connect((w.cloud.host, port))
        s.settimeout(5)
        s.send(b"hello")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
        f = at_a.receive(lambda f: (f.protocol, f.type, f.code) == (ICMP, 3, 3))
        q = f.transport[8:]
        assert not f.faults and checksum(q[:20]) == 0 and q[12:20] == packed(w.a.ip) + packed(w.cloud.host)
        assert q[20:24] == struct.pack("!HH", s.getsockname()[1], port)


def test_an_error_from_inside_is_told_outside(w):
    """a closes its socket and the host goes on: a's "port unreachable" reaches the host as the gateway's."""
    with w.host.udp(w.cloud.host, next(ports)) as s, w.host.wire() as up:
        with w.a.udp("0.0.0.0") as c:
            c.sendto(b"hello", s.getsockname())
            peer = s.recvfrom(100)[1]
        s.connect(peer)
        s.send(b"still there?")
        with pytest.raises(ConnectionRefusedError):
            s.recv(100)
        f = up.receive(lambda f: (f.protocol, f.type, f.code) == (ICMP, 3, 3))
        q = f.transport[8:]
        assert not f.faults and f.source == w.address and checksum(q[:20]) == 0
        assert q[12:20] == packed(w.cloud.host) + packed(w.address) and q[22:24] == struct.pack("!H", peer[1])


def test_tcp_finds_its_size_through_the_gateway(w):
    """The host announces large segments; the router tells a that 1,500 is all there is."""
    forget_sizes(w.a)
    before = w.cloud.drops().get("too-big", 0)
    subprocess.run(["ip", "link", "set", w.host.device, "mtu", "9001"], check=True, timeout=BOUND)
    try:
        assert exchange(w.a, w.host, w.cloud.host, w.cloud.host, 1 << 20)
    finally:
        subprocess.run(["ip", "link", "set", w.host.device, "mtu", "1500"], check=True, timeout=BOUND)
    assert w.cloud.drops().get("too-big", 0) > before
