# SPDX-License-Identifier: Apache-2.0
"""Flow logs against a capture: a packet is a segment on the wire, whoever cuts it.

    a ---- b    one subnet; a flow log of each. The capture is a packet socket on a's device, which also tells of
                what is to be cut later (PACKET_VNET_HDR), so it counts segments by itself
"""
import errno
import socket
import struct
import threading
import types

import pytest

import flowlogs
from conftest import Cloud, everything, inside, until

SOL_PACKET, PACKET_VNET_HDR, UDP_SEGMENT = 263, 15, 103
OFFLOADS = "tso", "gso", "gro", "tx-udp-segmentation"


@pytest.fixture(scope="module")
def w():
    cloud = Cloud(options=["--flow-log-window", "1"])
    try:
        cloud.start()
        w = types.SimpleNamespace(cloud=cloud)
        w.vpc = cloud.vpc(ipv6=True)
        w.subnet = cloud.subnet(w.vpc, "10.0.1.0/24", number6=1)
        group = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0"), everything(cidr6="::/0")])
        w.a, w.b = cloud.instances(2, w.subnet, [group], ipv6=True)
        w.of_a, w.of_b = flowlogs.create(cloud, w.a.eni), flowlogs.create(cloud, w.b.eni)
        until(lambda: cloud.agent(cmd="status")["flow_logs"]["interfaces"] == 2, "both are recorded")
        yield w
    finally:
        cloud.close()


@pytest.fixture(params=["off", "on"])
def offloads(request, w):
    for place in w.a, w.b:
        for name in OFFLOADS:
            place.run("ethtool", "-K", place.device, name, request.param, check=False)
    yield request.param
    for place in w.a, w.b:
        for name in OFFLOADS:
            place.run("ethtool", "-K", place.device, name, "on", check=False)


class Capture:
    """Packets and IP bytes by (source, destination, source port, destination port), as segments."""

    def __init__(self, place):
        with inside(place.namespace):
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.bind((place.device, 3))
        self.socket.setblocking(False)
        self.sums, self.large = {}, 0

    def count(self, wanted_port):
        while True:
            try:
                data = self.socket.recv(1 << 17)
            except OSError as e:
                assert e.errno == errno.EAGAIN
                break
            gso = struct.unpack_from("=BBHHHH", data)[3]
            frame = data[10:]
            kind, ip = struct.unpack_from("!H", frame, 12)[0], frame[14:]
            if kind == 0x0800:
                family, total, l4 = socket.AF_INET, struct.unpack_from("!H", ip, 2)[0], (ip[0] & 15) * 4
                source, destination, protocol = ip[12:16], ip[16:20], ip[9]
            elif kind == 0x86dd:
                family, total, l4 = socket.AF_INET6, 40 + struct.unpack_from("!H", ip, 4)[0], 40
                source, destination, protocol = ip[8:24], ip[24:40], ip[6]
            else:
                continue
            if protocol not in (6, 17):
                continue
            sport, dport = struct.unpack_from("!HH", ip, l4)
            if wanted_port not in (sport, dport):
                continue
            headers = l4 + ((ip[l4 + 12] >> 4) * 4 if protocol == 6 else 8)
            n = max(1, -(-(total - headers) // gso)) if gso else 1
            self.large += n > 1
            key = socket.inet_ntop(family, source), socket.inet_ntop(family, destination), str(sport), str(dport)
            packets, size = self.sums.get(key, (0, 0))
            self.sums[key] = packets + n, size + total + (n - 1) * headers
        self.socket.close()
        return self.sums


def told(log, eni, key):
    wanted = dict(zip(("pkt_srcaddr", "pkt_dstaddr", "srcport", "dstport"), key, strict=True), eni=eni)
    return log.packets(**wanted), log.bytes(**wanted)


def compare(w, capture, port):
    sums = capture.count(port)
    assert len(sums) == 2 or all(key[3] == str(port) for key in sums), sums
    assert sums
    for log, eni in (w.of_a, w.a.eni), (w.of_b, w.b.eni):
        for key, sent in sums.items():
            until(lambda log=log, eni=eni, key=key, sent=sent: told(log, eni, key)[0] >= sent[0], f"{sent} of {key}", 20, 0.1)
        log.settle(eni)
        assert {key: told(log, eni, key) for key in sums} == sums
    return sums


@pytest.mark.parametrize("family", [4, 6])
def test_tcp(w, offloads, family):
    """A megabyte there, a little back: each side's records are what was on the wire."""
    address = w.b.ip if family == 4 else w.b.ip6
    port = 6000 + family + (10 if offloads == "on" else 0)
    capture = Capture(w.a)
    with w.b.serve(address, port) as listening, w.a.dial(address, port) as here:
        there = listening.accept()[0]
        sender = threading.Thread(target=lambda: (here.sendall(b"x" * (1 << 20)), here.shutdown(socket.SHUT_WR)))
        sender.start()
        got = 0
        while data := there.recv(1 << 20):
            got += len(data)
        sender.join()
        assert got == 1 << 20
        there.sendall(b"y" * 5000)
        there.close()
        while here.recv(1 << 16):
            pass
    compare(w, capture, port)
    assert (capture.large > 0) == (offloads == "on")


@pytest.mark.parametrize("family", [4, 6])
def test_udp(w, offloads, family):
    """Forty datagrams in each of five calls: the same sums whether the sender's kernel cuts them or a device later."""
    address = w.b.ip if family == 4 else w.b.ip6
    port = 6100 + family + (10 if offloads == "on" else 0)
    capture = Capture(w.a)
    with w.b.udp(address, port) as there, w.a.udp(w.a.ip if family == 4 else w.a.ip6) as here:
        here.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        for _ in range(5):
            here.sendto(b"z" * 39500, (address, port))
            for i in range(40):
                assert len(there.recv(2000)) == (500 if i == 39 else 1000)
    sums = compare(w, capture, port)
    headers = 28 if family == 4 else 48
    assert list(sums.values()) == [(200, 5 * 39500 + 200 * headers)]
    assert (capture.large > 0) == (offloads == "on")
