# SPDX-License-Identifier: Apache-2.0
"""One instance floods; what it costs, and whom.

    subnet 10.0.1.0/24 --- f (floods) [tracked]
                       \\-- v (is flooded) [tracked: in by CIDR]
                       \\-- o (is flooded, too) [untracked: all in, all out]
                       \\-- x, y (two others) [tracked]
    host --- uplink --- f, x (public addresses)

An interface may have 16,384 half-open flows; the frames are forged, so that nothing but the packet path costs time.
"""
import contextlib
import itertools
import os
import random
import signal
import threading
import time
import types

import pytest

from conftest import BOUND, everything, until
from frames import SYN, ether, ipv4, ipv6, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
HALF_OPEN = 16384
FLOOD = HALF_OPEN + 4000
ports = itertools.count(20000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    vpc = cloud.vpc(ipv6=True)
    w.subnet = cloud.subnet(vpc, "10.0.1.0/24", 1)
    w.tracked = cloud.group(vpc, "tracked", [everything(cidr="10.0.0.0/16", cidr6="::/1"), everything(cidr=cloud.host + "/32")])
    w.untracked = cloud.group(vpc, "untracked", [everything(cidr="0.0.0.0/0", cidr6="::/0")])
    w.x, w.y = cloud.instance(w.subnet, [w.tracked], ipv6=True, public=True), cloud.instance(w.subnet, [w.tracked], ipv6=True)
    w.o = cloud.instance(w.subnet, [w.untracked], ipv6=True)
    return w


@pytest.fixture
def f(w):
    """Each flood has an instance of its own, and one that it meets."""
    f, v = w.cloud.instances(2, w.subnet, [w.tracked], ipv6=True, public=True)
    f.victim = v
    yield f
    w.ec2.terminate_instances(InstanceIds=[f.id, v.id])


class Talk:
    """An established connection that must go on."""

    def __init__(self, client, server, address, bind=None):
        with server.serve(bind or address, next(ports)) as listener:
            self.c = client.dial(address, listener.getsockname()[1])
            self.s = listener.accept()[0]
        self.s.settimeout(BOUND)

    def on(self):
        start = time.monotonic()
        self.c.sendall(b"?")
        assert self.s.recv(1) == b"?"
        self.s.sendall(b"!")
        assert self.c.recv(1) == b"!"
        return time.monotonic() - start


def flood(wire, frames):
    """Sends them all."""
    for raw in frames:
        try:
            wire.socket.send(raw)
        except OSError:  # the queue is full: as on a real network, lost
            pass


def made(f, to_mac, to, kind, count=FLOOD, seed=None):
    seed = seed or time.time_ns()
    print("seed", seed)
    rng = random.Random(seed)
    flows = set()
    while len(flows) < count:
        flows.add((rng.randrange(1, 65536), rng.randrange(1, 65536)))
    src, build = (f.ip6, ipv6) if ":" in to else (f.ip, ipv4)
    return [ether(to_mac, f.mac, build(src, to, kind(s, d))) for s, d in flows]


KINDS = {"SYN": lambda s, d: tcp(s, d, SYN), "UDP": lambda s, d: udp(s, d, b"flood")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", [4, 6])
def test_a_flood_costs_its_sender(w, f, kind, family):
    """The flooder's own new connections are refused and counted. Everybody's established flows go on, the flooder's too;
    and others' new connections open, at once."""
    v = f.victim
    address = (lambda i: i.ip) if family == 4 else (lambda i: i.ip6)
    others = [Talk(w.x, w.y, address(w.y)), Talk(f, w.y, address(w.y)), Talk(w.x, v, address(v)), Talk(w.x, w.host, w.cloud.host)]
    server = w.y.serve(address(w.y), next(ports))
    port = server.getsockname()[1]
    during, over = [], threading.Event()

    def meanwhile():
        while not over.is_set():
            for talk in others:
                during.append(talk.on())
            start = time.monotonic()
            w.x.dial(address(w.y), port).close()
            server.accept()[0].close()
            during.append(time.monotonic() - start)
    watcher = threading.Thread(target=meanwhile)
    frames = made(f, v.mac, address(v), KINDS[kind])
    before = w.cloud.drops().get("conntrack-allowance", 0)
    with f.wire() as at_f:
        watcher.start()
        flood(at_f, frames)
        over.set()
        watcher.join()
    assert w.cloud.drops().get("conntrack-allowance", 0) > before, "conntrack_allowance_exceeded is counted"
    assert len(during) >= 5 and max(during) < 5, max(during)
    for talk in others:
        talk.on()
    # The flooder has no room; the others have.
    assert f.refused(w.cloud, address(w.y), port, "conntrack-allowance")
    assert w.x.opens(address(w.y), port)
    assert w.y.ping(address(w.x), seconds=5)
    print(f"{len(during)} exchanges during the flood, the slowest {max(during) * 1e3:.1f} ms")


def test_a_flood_of_untracked_flows_costs_nobody(w, f):
    """Rules that track nothing at the receiver: it takes new connections all the time."""
    o = w.o
    server = o.serve("0.0.0.0", 80)
    talk = Talk(w.x, o, o.ip)
    with f.wire() as at_f:
        flood(at_f, made(f, o.mac, o.ip, KINDS["UDP"]))
    talk.on()
    for _ in range(20):
        assert w.x.opens(o.ip, 80)
        server.accept()[0].close()


def test_a_flood_that_no_rule_admits_leaves_nothing(w, f):
    """Refused packets make no flow: the same instance's connections still open."""
    closed = w.cloud.group(w.ec2.describe_subnets(SubnetIds=[w.subnet])["Subnets"][0], "closed")
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=f.victim.eni, Groups=[closed])
    with f.wire() as at_f:
        before = w.cloud.drops().get("security-group-ingress", 0)

        def in_force():
            at_f.send(ether(f.victim.mac, f.mac, ipv4(f.ip, f.victim.ip, udp(next(ports), 7))))
            return w.cloud.drops().get("security-group-ingress", 0) > before
        until(in_force, "the closed group", 5)
        with w.cloud.dropping("security-group-ingress", 15000):
            flood(at_f, made(f, f.victim.mac, f.victim.ip, KINDS["SYN"]))
    server = w.y.serve(w.y.ip, next(ports))
    assert f.opens(w.y.ip, server.getsockname()[1])


def test_a_flood_from_outside(w, f):
    """From the host to a public address: the receiver's quota, and nobody else's."""
    with w.host.wire() as up:
        before = w.cloud.drops().get("conntrack-allowance", 0)
        rng = random.Random(7)
        flows = {(rng.randrange(1, 65536), rng.randrange(1, 65536)) for _ in range(FLOOD)}
        talk = Talk(w.host, f, f.public_ip, f.ip)
        flood(up, [ether(ROUTER_MAC, up.mac, ipv4(w.cloud.host, f.public_ip, tcp(s, d, SYN))) for s, d in flows])
        talk.on()
        until(lambda: w.cloud.drops().get("conntrack-allowance", 0) > before, "the receiver's quota", 5)
    server = w.x.serve(w.x.ip, next(ports))
    assert w.host.opens(w.x.public_ip, server.getsockname()[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_from_outside_does_not_close_its_victim(w, f, kind):
    """Unanswered flows to a port that is open fill the half-open quota: the victim's own new connections open all the
    same, and so do new ones to it."""
    server, at_f = w.y.serve(w.y.ip, next(ports)), f.serve(f.ip, next(ports))
    with w.host.wire() as up:
        rng = random.Random(8)
        flows = {(rng.randrange(1, 65536), rng.randrange(1, 65536)) for _ in range(FLOOD)}
        flood(up, [ether(ROUTER_MAC, up.mac, ipv4(w.cloud.host, f.public_ip, KINDS[kind](s, d))) for s, d in flows])
    for _ in range(10):
        assert f.opens(w.y.ip, server.getsockname()[1], 2)
        assert w.x.opens(f.ip, at_f.getsockname()[1], 2)


def resident(pid):
    """Kilobytes of memory that a process has."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def test_the_daemons_do_not_grow(w, f):
    """Tables are the kernel's, with limits: a flood, and drops that are told of, cost the daemons no memory."""
    pids = {w.cloud.agent_pid(), w.cloud.supervisor.pid, *(int(p) for p in open(f"/proc/{w.cloud.supervisor.pid}/task/{w.cloud.supervisor.pid}/children").read().split())}
    with f.wire() as at_f:
        flood(at_f, made(f, f.victim.mac, f.victim.ip, KINDS["UDP"]))
        before = {p: resident(p) for p in pids}
        for kind in KINDS.values():
            flood(at_f, made(f, f.victim.mac, f.victim.ip, kind))
            flood(at_f, made(f, "02:00:00:00:00:99", "10.0.1.250", kind))
        w.cloud.drops()
    grown = {p: resident(p) - before[p] for p in pids}
    assert max(grown.values()) < 8192, grown


def test_a_flood_while_nobody_manages(own_cloud):
    """All daemons killed: the flooder is held to its quota all the same, others' flows go on, and their new ones open."""
    vpc = own_cloud.vpc(ipv6=True)
    subnet = own_cloud.subnet(vpc, "10.0.1.0/24", 1)
    tracked = own_cloud.group(vpc, "tracked", [everything(cidr="10.0.0.0/16", cidr6="::/1")])
    f, v, x, y = own_cloud.instances(4, subnet, [tracked], ipv6=True)
    talks = [Talk(x, y, y.ip), Talk(x, v, v.ip6), Talk(f, y, y.ip)]
    server = y.serve(y.ip, next(ports))
    agent = own_cloud.agent_pid()
    os.killpg(own_cloud.supervisor.pid, signal.SIGKILL)
    own_cloud.supervisor.wait(BOUND)
    with contextlib.suppress(ProcessLookupError):
        os.kill(agent, signal.SIGKILL)
    until(lambda: not own_cloud.agent_pid(), "the agent's end")
    with f.wire() as at_f:
        for kind in KINDS.values():
            flood(at_f, made(f, v.mac, v.ip, kind))
            for talk in talks:
                assert talk.on() < 1
            for _ in range(20):
                x.dial(y.ip, server.getsockname()[1], seconds=2).close()
                server.accept()[0].close()
    assert not f.opens(y.ip, server.getsockname()[1], 2)
    own_cloud.start()
    assert own_cloud.drops().get("conntrack-allowance", 0) > 0
    for talk in talks:
        talk.on()
