# SPDX-License-Identifier: Apache-2.0
"""The services of the link: who reaches them, as whom, and who does not.

    vpc 1 10.0.0.0/16 --- a 10.0.1.5 (options set: domain one.example)
    vpc 2 10.0.0.0/16 --- b 10.0.1.5 (domain two.example), c
    the services' namespace --- its veth --- programs

DHCP asked by a unicast message to the subnet's router is the service that these tests talk to: it needs one datagram
each way, and its answer tells for whom it is.
"""
import contextlib
import glob
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import types

import pytest

from conftest import BOUND, BUILD, Place, everything, until
from frames import ether, ipv4, ipv6, mac_bytes, tcp, udp, SYN

ROUTER_MAC = "06:00:00:00:00:01"
ANSWER = 5  # seconds; on a loaded machine


def options_of(data):
    found, at = {}, 240
    while data[at] != 255:
        found[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


class Client:
    """A DHCP client of one interface, with its address: it renews."""

    def __init__(self, instance):
        self.instance = instance
        self.s = instance.udp(instance.ip, 68)
        self.s.settimeout(ANSWER)

    def renew(self, address=None, to="10.0.1.1"):
        """The answer's transaction is the question's; its address and options."""
        xid = random.randbytes(4)
        head = b"\1\1\6\0" + xid + bytes(4) + socket.inet_aton(address or self.instance.ip) + bytes(12)
        self.s.sendto(head + mac_bytes(self.instance.mac) + bytes(202) + b"\x63\x82\x53\x63" + bytes([53, 1, 3, 255]), (to, 67))
        while True:
            data, where = self.s.recvfrom(2000)
            if data[4:8] == xid:
                assert where == (to, 67)
                return socket.inet_ntoa(data[16:20]), options_of(data)

    def domain(self):
        return self.renew()[1][15].decode()


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.subnets = []
    for n, domain in enumerate(("one.example", "two.example")):
        vpc = cloud.vpc(ipv6=True)
        options = w.ec2.create_dhcp_options(DhcpConfigurations=[
            {"Key": "domain-name", "Values": [domain]},
            {"Key": "domain-name-servers", "Values": ["AmazonProvidedDNS"]}])["DhcpOptions"]["DhcpOptionsId"]
        w.ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc["VpcId"])
        w.subnets.append((vpc["VpcId"], cloud.subnet(vpc, "10.0.1.0/24", 1), cloud.group(vpc, "g", [everything(cidr="10.0.0.0/16")])))
    w.a = cloud.instance(w.subnets[0][1], [w.subnets[0][2]], address="10.0.1.5", ipv6=True)
    w.b = cloud.instance(w.subnets[1][1], [w.subnets[1][2]], address="10.0.1.5", ipv6=True)
    w.c = cloud.instance(w.subnets[1][1], [w.subnets[1][2]], ipv6=True)
    with open("/proc/net/dev"):
        w.services = services_of(cloud)
    return w


def services_of(cloud):
    """The services' namespace of this vpcd, and its device on the host."""
    links = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True, check=True).stdout
    line = next(line for line in links.splitlines() if f"vpcd {cloud.directory} services" in line)
    device = line.split()[1].split("@")[0]
    place = Place()
    place.namespace = f"/run/netns/vpcd-{device[1:7]}-services"
    place.device, place.host_device = "svc0", device
    assert os.path.exists(place.namespace)
    return place


def number_of(cloud, instance):
    """The number of its interface, which its device's name has."""
    links = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True, check=True).stdout
    line = next(line for line in links.splitlines() if f"vpcd {cloud.directory} {instance.eni}" in line)
    return int(line.split()[1].split("@")[0][8:], 16)


def pid_of(cloud, program):
    """Of this vpcd's process of the name; None."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError), open(path, "rb") as f:
            words = f.read().split(b"\0")
            if words[0].endswith(b"/" + program.encode()) and cloud.directory.encode() in words:
                return int(path.split("/")[2])
    return None


def test_equal_addresses_ask_at_once(w):
    a, b = Client(w.a), Client(w.b)
    wrong, count = [], 200

    def ask(client, domain):
        for _ in range(count):
            if client.domain() != domain:
                wrong.append(client.instance.id)
    threads = [threading.Thread(target=ask, args=x) for x in ((a, "one.example"), (b, "two.example"))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_what_it_says(w):
    address, options = Client(w.a).renew()
    assert address == w.a.ip
    assert options[6] == socket.inet_aton("10.0.0.2") and options[3] == options[54] == socket.inet_aton("10.0.1.1")
    assert options[51] == struct.pack("!I", 3600) and options[26] == struct.pack("!H", 9001)
    assert options[12] == b"ip-10-0-1-5"
    # Another address is none of this interface's, and the answer is for the whole link.
    with w.a.wire() as wire:
        client = Client(w.a)
        client.s.settimeout(0.01)
        with pytest.raises(socket.timeout):
            client.renew("10.0.1.77")
        nak = wire.receive(lambda f: f.raw[:6] == b"\xff" * 6 and f.raw[23] == 17, "a refusal to everybody")
        assert options_of(nak.raw[42:])[53] == b"\6"


def test_nobody_asks_as_another(w):
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1"
    with w.c.wire() as wire:
        with w.cloud.dropping("spoofed-address", 2):
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4(w.b.ip, "169.254.169.253", udp(5000, 53, question))),
                      ether(ROUTER_MAC, w.c.mac, ipv6(w.b.ip6, "fd00:ec2::253", udp(5000, 53, question))))
        with w.cloud.dropping("spoofed-address"):
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4(w.b.ip, "169.254.169.254", tcp(5000, 80, SYN))))
        # Nobody's address yet, but only for DHCP; another's MAC for nothing.
        with w.cloud.dropping("bad-source"):
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4("0.0.0.0", "10.0.0.2", udp(5000, 53, question))))
        with w.cloud.dropping("spoofed-mac"):
            wire.send(ether(ROUTER_MAC, w.b.mac, ipv4("0.0.0.0", "255.255.255.255", udp(68, 67, bytes(300)))))
        # A question in the name of another interface, by its MAC inside.
        before = w.cloud.agent(cmd="status")["services"]["counts"].get("dhcp-bad", 0)
        wire.send(ether("ff:ff:ff:ff:ff:ff", w.c.mac, ipv4("0.0.0.0", "255.255.255.255", udp(
            68, 67, b"\1\1\6\0abcd" + bytes(20) + mac_bytes(w.b.mac) + bytes(202) + b"\x63\x82\x53\x63" + bytes([53, 1, 1, 255])))))
        until(lambda: w.cloud.agent(cmd="status")["services"]["counts"].get("dhcp-bad", 0) > before, "it is counted as bad", 10)


def test_what_is_no_service(w):
    with w.c.wire() as wire:
        with w.cloud.dropping("link-local", 3):
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4(w.c.ip, "169.254.169.254", udp(5000, 53, b"x" * 12))),
                      ether(ROUTER_MAC, w.c.mac, ipv4(w.c.ip, "169.254.169.250", tcp(5000, 80, SYN))),
                      ether(ROUTER_MAC, w.c.mac, ipv6(w.c.ip6, "fd00:ec2::253", tcp(5000, 80, SYN))))
        with w.cloud.dropping("dhcp", 2):  # to somebody who is no server, and from one
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4(w.c.ip, w.b.ip, udp(68, 67, bytes(300)))),
                      ether(w.b.mac, w.c.mac, ipv4(w.c.ip, w.b.ip, udp(67, 68, bytes(300)))))


def test_outside_does_not_reach_them(w):
    """Neither the host, nor the uplink, nor an instance by the addresses inside."""
    host = Place()
    with host.wire(w.services.host_device) as wire:
        with w.cloud.dropping("host-to-interface"), contextlib.suppress(OSError):  # ENOBUFS: dropped on its way out
            wire.send(ether("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:99", ipv4("16.0.0.5", "172.17.1.5", udp(5000, 53, b"x" * 12))))
    uplink = w.cloud.host_place()
    with uplink.wire() as wire:
        for dst in ("169.254.169.253", "172.17.1.5", "10.0.0.2"):
            with w.cloud.dropping("uplink-unknown"):
                wire.send(ether(ROUTER_MAC, wire.mac, ipv4("192.0.2.7", dst, udp(5000, 53, b"x" * 12))))
    with w.c.wire() as wire, w.services.wire() as inside:
        with w.cloud.dropping("spoofed-address"):
            wire.send(ether(ROUTER_MAC, w.c.mac, ipv4("16.0.0.5", "172.17.1.5", udp(5000, 53, b"MARK" * 4))))
        with pytest.raises(OSError):
            w.c.dial("172.17.1.5", 53, seconds=0.3)
        assert not [f for f in inside.drain() if b"MARK" in f.raw]


def test_only_answers_come_back(w):
    """Whoever took the services over could say no more than answers, to whom a number names."""
    number = number_of(w.cloud, w.c)
    low = ".".join(w.c.ip.split(".")[2:])
    client = f"16.0.{number >> 8}.{number & 255}"
    mac = "02:00:00:00:00:01"
    refused = [
        ipv4(f"172.17.{low}", client, udp(5353, 5000, b"x")),  # no service's port
        ipv4(f"172.17.{low}", client, tcp(80, 5000, SYN)),
        ipv4(f"172.25.{low}", client, udp(53, 5000, b"x")),  # no service
        ipv4("10.0.1.9", client, udp(53, 5000, b"x")),
        ipv4("172.17.1.250", client, udp(53, 5000, b"x")),  # an address that it does not have
        ipv4("172.17.0.0", client, udp(53, 5000, b"x")),  # DNS to everybody
        ipv4(f"172.17.{low}", "10.0.1.5", udp(53, 5000, b"x")),
        ipv6("fd00:ec2::253", "fd76:7064::" + f"{number:x}:0:0:0:5", udp(53, 5000, b"x")),
        ipv6("fd00:ec2::1", "fd76:7063:0:" + f"{number:x}::5", udp(53, 5000, b"x")),
    ]
    with w.services.wire() as inside, w.c.wire() as outside:
        outside.drain()
        for packet in refused:
            with w.cloud.dropping("no-answer-of-a-service"):
                inside.send(ether(ROUTER_MAC, mac, packet))
        # And what is one, arrives as the instance expects it.
        inside.send(ether(ROUTER_MAC, mac, ipv4(f"172.17.{low}", client, udp(53, 5000, b"hello"))))
        got = outside.receive(lambda f: b"hello" in f.raw, "an answer")
        assert got.raw[26:34] == socket.inet_aton("10.0.0.2") + socket.inet_aton(w.c.ip)
        assert got.raw[:12] == mac_bytes(w.c.mac) + mac_bytes(ROUTER_MAC)
        assert not [f for f in outside.drain() if len(f.raw) > 34 and f.raw[26:30] != socket.inet_aton("10.0.0.2") and b"x" == f.raw[-1:]]


def test_a_flood_starves_nobody(w):
    stop = threading.Event()

    def flood():
        with w.c.wire() as wire:
            frame = ether(ROUTER_MAC, w.c.mac, ipv4(w.c.ip, "169.254.169.253", udp(5000, 53, b"\0" * 40)))
            while not stop.is_set():
                wire.send(*[frame] * 64)
    client = Client(w.b)
    thread = threading.Thread(target=flood)
    before = w.cloud.drops().get("linklocal-allowance", 0)
    thread.start()
    try:
        until(lambda: w.cloud.drops().get("linklocal-allowance", 0) > before + 5000, "the flood is cut off", BOUND)
        for _ in range(50):
            assert client.domain() == "two.example"
        over = Client(w.c)
        over.s.settimeout(0.5)
        with contextlib.closing(over.s), pytest.raises(socket.timeout):  # who floods has spent its own allowance
            for _ in range(3):
                over.renew()
    finally:
        stop.set()
        thread.join()
    until(lambda: (lambda c: c.s.settimeout(1) or _answers(c))(Client(w.c)), "the next second is a new one", 10)


def _answers(client):
    try:
        return client.domain() == "two.example"
    except socket.timeout:
        return False
    finally:
        client.s.close()


def test_connections_of_one_are_bounded(w):
    held = []
    try:
        def connect():
            s = w.c.dial("169.254.169.254", 80)
            s.settimeout(ANSWER)
            held.append(s)
        for _ in range(64):
            connect()
        s = w.c.dial("169.254.169.254", 80)
        s.settimeout(ANSWER)
        held.append(s)
        with contextlib.suppress(ConnectionResetError):
            assert s.recv(1) == b"", "the 65th was served"
        with w.b.dial("169.254.169.254", 80) as other:
            other.sendall(b"GET /latest/meta-data/instance-id HTTP/1.0\r\n\r\n")
            assert other.recv(100).startswith(b"HTTP/1.")
    finally:
        for s in held:
            s.close()


def test_dns_off(w):
    vpc = w.subnets[0][0]
    w.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    try:
        with w.a.udp(w.a.ip) as s, w.cloud.dropping("dns-off", 2):
            until(lambda: s.sendto(b"x" * 12, ("10.0.0.2", 53)) and w.cloud.drops().get("dns-off", 0), "it is off", 5)
            s.sendto(b"x" * 12, ("169.254.169.253", 53))
            with w.a.udp(w.a.ip6) as six:
                six.sendto(b"x" * 12, ("fd00:ec2::253", 53))
    finally:
        w.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})


def test_trace_tells(w):
    def trace(*args):
        done = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, "trace", w.a.id, *args, "--live"],
                              stdout=subprocess.PIPE, text=True, timeout=BOUND)
        return done.stdout
    for to, what, name in (("169.254.169.254", "tcp/80", "metadata"), ("10.0.0.2", "udp/53", "DNS"), ("169.254.169.123", "udp/123", "time")):
        out = trace(to, what)
        assert f"answered by the {name} service of the host" in out and "decide the same" in out, out
    out = trace("169.254.169.254", "tcp/81")
    assert "link-local" in out and "decide the same" in out, out


class TimeServer(threading.Thread):
    """The host's NTP server: one that is always at the second that its questions say."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind((address, 123))
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                q, who = self.s.recvfrom(100)
                assert len(q) == 48 and q[0] & 7 == 3
                self.s.sendto(bytes([0x24, 1]) + bytes(10) + b"TEST" + bytes(8) + q[40:48] + q[40:48] + q[40:48], who)


def test_time(w):
    """By a vpcd of its own, whose host has a server at another loopback address, and after that none."""
    from conftest import Cloud
    address = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.77"
    cloud = Cloud(options=("--uplink-allow", "all", "--ntp-server", address))
    question = bytes([0x23]) + bytes(39) + b"\1\2\3\4\5\6\7\10"
    try:
        cloud.start()
        vpc = cloud.vpc(ipv6=True)
        i = cloud.instance(cloud.subnet(vpc, "10.0.1.0/24", 1), [cloud.group(vpc, "g")], ipv6=True)
        server = TimeServer(address)
        for mine, service in ((i.ip, "169.254.169.123"), (i.ip6, "fd00:ec2::123")):
            with i.udp(mine) as s:
                s.settimeout(2)
                s.sendto(question[:40], (service, 123))  # no question
                for _ in range(5):
                    s.sendto(question, (service, 123))
                    with contextlib.suppress(socket.timeout):
                        answer, where = s.recvfrom(100)
                        break
                assert answer[0] == 0x24 and answer[24:32] == question[40:] and where[:2] == (service, 123)
        server.s.close()
        with i.udp(i.ip) as s:
            def unanswered():
                s.sendto(question, ("169.254.169.123", 123))
                return cloud.agent(cmd="status")["services"]["counts"].get("time-no-server")
            until(unanswered, "it is counted", BOUND, 0.2)
        assert cloud.agent(cmd="status")["services"]["counts"]["time-bad"] == 2
        done = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "doctor"], stdout=subprocess.PIPE, text=True)
        assert re.search(r"^note +time .*--ntp-server", done.stdout, re.M), done.stdout
        assert re.search(r"^ok +vpc-services", done.stdout, re.M), done.stdout
    finally:
        cloud.close()


def test_death_costs_nothing(own_cloud):
    """vpc-services is killed: no packet of the instances' own, no lease; its agent too."""
    vpc = own_cloud.vpc()
    subnet = own_cloud.subnet(vpc, "10.0.1.0/24")
    group = own_cloud.group(vpc, "g", [everything(cidr="10.0.0.0/16")])
    x, y = own_cloud.instances(2, subnet, [group])
    client = Client(x)
    assert client.renew()[0] == x.ip
    here, there = x.udp(x.ip, 7000), y.udp(y.ip, 7000)
    lost = deaths = 0
    for victim in ("vpc-services", "vpc-agent", "vpc-services"):
        pid = pid_of(own_cloud, victim)
        os.kill(pid, signal.SIGKILL)
        for n in range(200):
            here.sendto(b"%d" % n, (y.ip, 7000))
            lost += there.recv(100) != b"%d" % n
        # What is asked meanwhile waits in the socket; the lease is what it was. Only where both have died in turn
        # the sockets are new ones, and the client asks again, as all do.
        until(lambda: pid_of(own_cloud, victim) not in (None, pid), f"another {victim}")
        if victim == "vpc-services" and deaths:
            client.s.settimeout(1)
            until(lambda: renews(client, x.ip), "an answer", 20)
        else:
            assert client.renew()[0] == x.ip
        deaths += victim == "vpc-agent"
    assert lost == 0
    assert not {"no-link", "internal-error", "link-local"} & set(own_cloud.drops())


def renews(client, address):
    try:
        return client.renew()[0] == address
    except socket.timeout:
        return False


def test_it_has_no_rights(w):
    pid = pid_of(w.cloud, "vpc-services")
    status = open(f"/proc/{pid}/status").read()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status and "CapEff:\t0000000000000000" in status and "CapBnd" in status
    assert "Uid:\t0" not in status
    devices = open(f"/proc/{pid}/net/dev").read()
    assert devices.count(":") == 1 and " lo:" in devices, "it has a network"
    uid = os.stat(f"/proc/{pid}").st_uid if os.stat(f"/proc/{pid}").st_uid else int(status.split("Uid:")[1].split()[0])
    assert uid not in (0, os.stat(w.cloud.directory + "/db").st_uid)
    for path in ("db", "agent", "run/stream.sock", "agent/services.secret", "credentials"):
        done = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "cat", os.path.join(w.cloud.directory, path)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert done.returncode != 0 and "denied" in done.stderr or path == "run/stream.sock", (path, done.stderr)
