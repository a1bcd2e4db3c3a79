# SPDX-License-Identifier: Apache-2.0
"""Flow logs of a virtual machine: what a tap brings in one piece, to be cut later, counts as the packets it becomes.

    the test, as the machine --- tap --- BPF --- veth --- peer         a flow log of each
"""
import struct

import pytest

import flowlogs
import frames
from conftest import USER, Net, Tap, started, until

ROUTER = "06:00:00:00:00:01"
NEEDS_CSUM, GSO_UDP_L4 = 1, 5  # linux/virtio_net.h
SIZE, LAST, PIECES = 1000, 500, 40


@pytest.fixture(scope="module")
def cloud():
    yield from started("--tap-user", USER, "--flow-log-window", "1")


def whole(machine, peer, port, family):
    """PIECES datagrams as one frame, and its header: gso_segs is not in there, and the kernel leaves it 0."""
    here, there = (machine.ip, peer.ip) if family == 4 else (machine.ip6, peer.ip6)
    start = 14 + (20 if family == 4 else 40)
    data = b"z" * (SIZE * (PIECES - 1) + LAST)
    frame = bytearray(frames.ether(ROUTER, machine.mac, frames.ip(here, there, frames.udp(7000, port, data))))
    partial = ~frames.checksum(frames.pseudo(frames.packed(here), frames.packed(there), frames.UDP, 8 + len(data))) & 0xffff
    struct.pack_into("!H", frame, start + 6, partial)
    return bytes(frame), struct.pack("=BBHHHH", NEEDS_CSUM, GSO_UDP_L4, start + 8, SIZE, start, 6)


@pytest.mark.parametrize("family", [4, 6])
def test_a_frame_of_many_packets(cloud, family):
    net = Net(cloud, f"10.{family}.0.0/16")
    machine, peer = net.machine(), net.peer()
    logs = [(flowlogs.create(cloud, eni), eni) for eni in (machine.eni, peer.eni)]
    until(lambda: cloud.agent(cmd="status")["flow_logs"]["interfaces"] >= 2 * (1 + (family == 6)), "both are recorded")
    port = 7000 + family
    frame, vnet = whole(machine, peer, port, family)
    with Tap(machine.tap) as tap, peer.udp(peer.ip if family == 4 else peer.ip6, port) as there:
        for _ in range(5):
            tap.send(frame, vnet)
            assert [len(there.recv(2000)) for _ in range(PIECES)] == [SIZE] * (PIECES - 1) + [LAST]
    headers = 28 if family == 4 else 48
    for log, eni in logs:
        log.wait_packets(5 * PIECES, eni=eni, dstport=port)
        log.settle(eni)
        assert log.bytes(eni=eni, dstport=port) == 5 * (SIZE * (PIECES - 1) + LAST + PIECES * headers)
        assert log.packets(eni=eni, dstport=port) == 5 * PIECES
