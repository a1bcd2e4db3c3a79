# SPDX-License-Identifier: Apache-2.0
"""9,001 bytes inside a VPC, 1,500 through its internet gateway: what does not fit is cut where it may be, and else its
sender is told, so that TCP recovers.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a, b (public addresses)
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- d
    host 198.18.x.1 --- uplink
"""
import contextlib
import random
import subprocess
import threading
import types

import pytest

from conftest import BOUND, everything, until
from frames import ICMP, ICMP6, UDP, checksum, ether, ip, ipv4, packed, pseudo, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
DF, MORE = 0x4000, 0x2000
DATA = random.Random(7).randbytes(1 << 16)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    vpc = cloud.vpc(ipv6=True)
    near, far = cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.subnet(vpc, "10.0.2.0/24", 2)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    w.group = cloud.group(vpc, "open", all_of, egress=all_of)
    w.a, w.b = cloud.instances(2, near, [w.group], ipv6=True, public=True)
    w.d = cloud.instance(far, [w.group], ipv6=True)
    return w


@contextlib.contextmanager
def offload(place, *features, value="off"):
    def set_all(value):
        args = [x for f in features for x in (f, value)]
        subprocess.run(["nsenter", f"--net={place.namespace}", "ethtool", "-K", place.device, *args], check=True, stdout=subprocess.DEVNULL)
    set_all(value)
    try:
        yield
    finally:
        set_all("on" if value == "off" else "off")


def sent(w, source, destination, inside, **more):
    """As an instance's stack would send it to its router; IPv4 with DF unless told otherwise."""
    if "." in source:
        more.setdefault("fragment", DF)
    return ether(ROUTER_MAC, w.a.mac, ip(source, destination, inside, **more))


def the_error(at, family):
    """The next "too big" that arrives: (frame, the MTU it names, the packet it quotes)."""
    kind = (ICMP, 3, 4) if family == 4 else (ICMP6, 2, 0)
    f = at.receive(lambda f: (f.protocol, f.type, f.code) == kind)
    assert not f.faults
    mtu = int.from_bytes(f.transport[4:8], "big")
    return f, mtu, f.transport[8:]


@pytest.mark.parametrize("family", [4, 6])
def test_who_is_told_what(w, family):
    """From the subnet's router, the size that fits, and as much of the packet as there is room for."""
    host, own, b = (w.cloud.host, w.a.ip, w.b.public_ip) if family == 4 else (w.cloud.host6, w.a.ip6, w.b.ip6)
    router = "10.0.1.1" if family == 4 else "fe80::1"
    up = w.host.wire()
    with w.a.wire() as at_a, up:
        for inside in (udp(1, 2, DATA[:1500]), tcp(1, 2, data=DATA[:1500])):
            raw = sent(w, own, host, inside)
            with w.cloud.dropping("too-big"):
                at_a.send(raw)
            f, mtu, quoted = the_error(at_a, family)
            assert (f.source, f.destination, f.src, f.dst, mtu) == (router, own, ROUTER_MAC, w.a.mac, 1500)
            assert f.length == (576 if family == 4 else 1280) and raw[14:].startswith(quoted)
        if family == 4: # another's public address lies behind the same gateway
            at_a.send(sent(w, own, b, udp(1, 2, DATA[:1500])))
            assert the_error(at_a, family)[1] == 1500
        at_a.send(sent(w, own, host, udp(1, 2, DATA[:1472 if family == 4 else 1452])))
        assert len(up.receive(lambda f: f.protocol == UDP and f.dport == 2).raw) == 1514
        assert not [f for f in up.drain() if len(f.raw) > 1514]


@pytest.mark.parametrize("family", [4, 6])
def test_larger_than_the_vpc(w, family):
    """Root inside may make its device's MTU as large as it likes: 9,001 it is all the same."""
    own, b = (w.a.ip, w.b.ip) if family == 4 else (w.a.ip6, w.b.ip6)
    w.a.run("ip", "link", "set", "eth0", "mtu", 20000)
    try:
        with w.a.wire() as at_a, w.b.wire() as at_b:
            header = 28 if family == 4 else 48
            for dont in (DF, 0)[:1 if family == 6 else 2]:
                raw = sent(w, own, b, udp(1, 3, DATA[:9002 - header]), **({"fragment": dont} if family == 4 else {}))
                with w.cloud.dropping("too-big"):
                    at_a.send(raw)
                assert the_error(at_a, family)[1] == 9001
            at_a.send(sent(w, own, b, udp(1, 3, DATA[:9001 - header])))
            f = at_b.receive(lambda f: f.dport == 3)
            assert f.length == 9001 and f.payload == DATA[:9001 - header]
    finally:
        w.a.run("ip", "link", "set", "eth0", "mtu", 9001)


def exchange(client, server, address, bind, size):
    """A stream one way; true when all arrived."""
    with server.serve(bind, 0) as listener, client.dial(address, listener.getsockname()[1]) as c, listener.accept()[0] as s:
        data, got = (DATA * (size // len(DATA) + 1))[:size], bytearray()
        sender = threading.Thread(target=c.sendall, args=(data,))
        sender.start()
        s.settimeout(BOUND)
        while len(got) < size:
            got += s.recv(1 << 17)
        sender.join(BOUND)
        return bytes(got) == data


def forget_sizes(place):
    """What its kernel has learnt of paths."""
    for family in ("-4", "-6"):
        subprocess.run(["nsenter", f"--net={place.namespace}", "ip", family, "route", "flush", "cache"], check=True, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("offloads", ["on", "off"])
@pytest.mark.parametrize("way", ["the host", "the host, IPv6", "by public addresses"])
def test_tcp_finds_its_size(w, way, offloads):
    """The receiver announces segments for 9,001 bytes, so only the message can tell the sender."""
    up = w.host.device
    to = w.b if way == "by public addresses" else w.host
    address = {"the host": w.cloud.host, "the host, IPv6": w.cloud.host6}.get(way, w.b.public_ip)
    bind = w.b.ip if to is w.b else address
    before = w.cloud.drops().get("too-big", 0)
    forget_sizes(w.a)
    if to is w.host:
        subprocess.run(["ip", "link", "set", up, "mtu", "9001"], check=True)
    try:
        with (offload(w.a, "tso", "gso", "tx") if offloads == "off" else contextlib.nullcontext()):
            assert exchange(w.a, to, address, bind, 3 << 20)
    finally:
        if to is w.host:
            subprocess.run(["ip", "link", "set", up, "mtu", "1500"], check=True)
    assert 1 <= w.cloud.drops().get("too-big", 0) - before < 100


def pieces_of(at, identification, size):
    """The fragments of one datagram, as they arrive."""
    pieces = []
    while sum(len(f.payload) for f in pieces) < size:
        pieces.append(at.receive(lambda f: f.identification == identification and f.fragment & 0x3fff))
    return pieces


def reassembled(frames):
    """The payload of IPv4 fragments, each checked as a frame of its own."""
    data = b""
    pieces = sorted(frames, key=lambda f: f.fragment & 0x1fff)
    for i, f in enumerate(pieces):
        assert not f.faults and f.length <= 1500 and len(f.raw) == 14 + f.length
        assert (f.fragment & 0x1fff) * 8 == len(data) and bool(f.fragment & MORE) == (i + 1 < len(pieces))
        data += f.payload
    return data


@pytest.mark.parametrize("size", [1473, 1480, 2952, 2953, 5000, 8973])
def test_what_may_be_cut_is_cut(w, size):
    """A datagram without DF leaves in pieces of 1,500, translated and with its checksum; each piece is right."""
    up = w.host.wire()
    with w.a.wire() as at_a, up:
        whole = udp(70, 7, DATA[:size])
        at_a.send(sent(w, w.a.ip, w.cloud.host, whole, fragment=0, identification=size))
        pieces = pieces_of(up, size, size + 8)
        assert {(f.source, f.destination, f.dst) for f in pieces} == {(w.a.public_ip, w.cloud.host, pieces[0].dst)}
        data = reassembled(pieces)
        assert data == whole.summed(packed(w.a.public_ip), packed(w.cloud.host))


@pytest.mark.parametrize("offloads", ["on", "off"])
def test_large_datagrams_reach_the_host(w, offloads):
    """Through the kernels of both ends: a checksum that the sender leaves to its device is completed."""
    with (offload(w.a, "tx") if offloads == "off" else contextlib.nullcontext()):
        with w.a.udp("0.0.0.0") as c, w.host.udp(w.cloud.host) as s:
            c.setsockopt(0, 10, 0) # IP_MTU_DISCOVER, IP_PMTUDISC_DONT
            for size in (1473, 4000, 8973):
                c.sendto(DATA[:size], s.getsockname())
                got, peer = s.recvfrom(65536)
                assert got == DATA[:size] and peer[0] == w.a.public_ip


def test_a_fragment_is_cut_again(w):
    """Its offset and its "more fragments" go on: 4,000 bytes of a larger datagram, first and last piece."""
    up = w.host.wire()
    with w.a.wire() as at_a, up:
        whole = bytes(udp(71, 7, DATA[:6000]).summed(packed(w.a.ip), packed(w.cloud.host)))
        for offset, part, more in ((0, whole[:4000], MORE), (4000, whole[4000:], 0)):
            at_a.send(sent(w, w.a.ip, w.cloud.host, part, protocol=UDP, fragment=offset // 8 | more, identification=99))
        data = reassembled(pieces_of(up, 99, len(whole)))
        assert data[8:] == DATA[:6000]
        assert checksum(pseudo(packed(w.a.public_ip), packed(w.cloud.host), UDP, len(data)) + data) == 0


def test_not_more_messages_than_a_few(w):
    """A flood of packets that are too big makes no flood of messages; others are told all the same."""
    with w.a.wire() as at_a, w.b.wire() as at_b:
        raw = sent(w, w.a.ip, w.cloud.host, udp(1, 2, DATA[:1500]))
        with w.cloud.dropping("too-big", 2000):
            for _ in range(2000):
                at_a.send(raw)
        told = [f for f in at_a.drain() if f.type == 3 and f.code == 4]
        assert 50 <= len(told) <= 1000
        at_b.send(ether(ROUTER_MAC, w.b.mac, ipv4(w.b.ip, w.cloud.host, udp(1, 2, DATA[:1500]), fragment=DF)))
        assert the_error(at_b, 4)[1] == 1500


@pytest.mark.parametrize("family", [4, 6])
def test_jumbo_frames_inside(w, family):
    """A ping of 9,001 bytes that must not be fragmented, within the subnet and to the next."""
    for to in (w.b, w.d):
        size = 9001 - (28 if family == 4 else 48)
        address = to.ip if family == 4 else to.ip6
        done = w.a.run("ping", f"-{family}", "-n", "-q", "-c", 1, "-W", 5, "-M", "do", "-s", size, address, check=False)
        assert done.returncode == 0, done.stdout
