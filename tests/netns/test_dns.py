# SPDX-License-Identifier: Apache-2.0
"""The VPC's resolver, asked by real clients.

    one    10.0.1.5, public, i-...   +-- vpc 10.0.0.0/16 + IPv6 (one, mate) --+
    mate   10.0.1.6                  |                                        |-- vpc-services -- vpc-upstream -- Upstream
    other  10.0.1.5, public, i-...   +-- vpc 10.0.0.0/16 + IPv6 (other) ------+                    (a server of the test)

`one` and `other` have the same addresses. Names of the world are those of Upstream's zone.
"""
import concurrent.futures
import os
import re
import signal
import socket
import struct
import sys
import threading
import time

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.reversename
import pytest

from conftest import BOUND, Cloud, until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "services"))
from upstream import Upstream  # noqa: E402

SERVERS = ["10.0.0.2", "169.254.169.253", "fd00:ec2::253"]


class World:
    def __init__(self):
        self.up = Upstream().__enter__()
        self.up.zone["www.example.com", "A"] = ["192.0.2.1"]
        self.up.zone["www.example.com", "AAAA"] = ["2001:db8::1"]
        self.up.zone["many.example.com", "A"] = sorted(f"192.0.2.{i}" for i in range(1, 200))
        self.up.zone["rebind.example.com", "A"] = ["10.0.1.6"]
        self.cloud = Cloud(options=("--dns-upstream", self.up.address)).start()

    def make(self):
        cloud, ec2 = self.cloud, self.cloud.client()
        self.ec2 = ec2
        self.vpcs, self.subnets = [], []
        for _ in range(2):
            vpc = cloud.vpc("10.0.0.0/16", ipv6=True)
            ec2.modify_vpc_attribute(VpcId=vpc["VpcId"], EnableDnsHostnames={"Value": True})
            subnet = cloud.subnet(vpc, "10.0.1.0/24", 1)
            ec2.modify_subnet_attribute(SubnetId=subnet, EnableResourceNameDnsARecordOnLaunch={"Value": True})
            ec2.modify_subnet_attribute(SubnetId=subnet, EnableResourceNameDnsAAAARecordOnLaunch={"Value": True})
            self.vpcs.append(vpc)
            self.subnets.append(subnet)
        groups = [cloud.group(v, "nothing", egress=[]) for v in self.vpcs]  # no group has a say in it
        self.groups = groups
        self.one = cloud.instance(self.subnets[0], [groups[0]], public=True, ipv6=True, address="10.0.1.5")
        self.mate = cloud.instance(self.subnets[0], [groups[0]], address="10.0.1.6")
        self.other = cloud.instance(self.subnets[1], [groups[1]], public=True, ipv6=True, address="10.0.1.5")
        return self

    def close(self):
        self.cloud.close()
        self.up.__exit__()


@pytest.fixture(scope="module")
def world():
    made = World()
    try:
        yield made.make()
    finally:
        made.close()


def dig(instance, name, kind="A", *options, server="169.254.169.253"):
    """(status, flags, the answers' data) of dig."""
    text = instance.run("dig", f"@{server}", "+tries=1", "+time=8", "+noall", "+comments", "+answer", *options, name,
                        kind).stdout
    status = re.search(r"status: (\w+)", text).group(1)
    flags = re.search(r"flags: ([^;]*);", text).group(1).split()
    return status, flags, sorted(line.split(None, 4)[4] for line in text.splitlines() if line and line[0] != ";")


def answers(*args, **more):
    return dig(*args, **more)[2]


def ec2_name(address):
    return "ec2-" + address.replace(".", "-") + ".compute-1.amazonaws.com"


def exchange(place, wire, server="169.254.169.253", seconds=BOUND):
    """One datagram there and one back; None: nothing came."""
    with place.udp("::" if ":" in server else "0.0.0.0") as s:
        s.settimeout(seconds)
        s.sendto(wire, (server, 53))
        try:
            return s.recv(65536)
        except TimeoutError:
            return None


def named(world, name):
    """The pid of a program of this cloud."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            argv = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(argv[0]) == name.encode() and world.cloud.directory.encode() in argv:
            return int(pid)
    return None


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_every_way_to_the_resolver(world, server, transport):
    for place, id in ((world.one, world.one.id), (world.other, world.other.id)):
        status, flags, data = dig(place, "ip-10-0-1-5.ec2.internal", "A", transport, server=server)
        assert (status, data) == ("NOERROR", ["10.0.1.5"]) and "ra" in flags and "tc" not in flags
        assert answers(place, f"{id}.ec2.internal", "AAAA", transport, server=server) == [place.ip6]
        assert answers(place, "www.example.com", "A", transport, server=server) == ["192.0.2.1"]


def test_names_of_this_vpc(world):
    one, mate, other = world.one, world.mate, world.other
    assert answers(mate, f"{one.id}.ec2.internal") == ["10.0.1.5"]
    assert answers(mate, f"{one.id}.ec2.internal", "AAAA") == [one.ip6]
    assert dig(other, f"{one.id}.ec2.internal")[0] == "NXDOMAIN"
    assert answers(mate, ec2_name(one.public_ip)) == ["10.0.1.5"]
    assert answers(other, ec2_name(one.public_ip)) == [one.public_ip]
    assert answers(one, "5.1.0.10.in-addr.arpa", "PTR") == ["ip-10-0-1-5.ec2.internal."]
    assert answers(one, dns.reversename.from_address(one.ip6).to_text(), "PTR") == [f"{one.id}.ec2.internal."]
    assert answers(one, dns.reversename.from_address(one.public_ip).to_text(), "PTR") == [ec2_name(one.public_ip) + "."]
    assert dig(one, "none.ec2.internal")[0] == "NXDOMAIN"
    assert dig(one, "ip-10-0-1-5.ec2.internal", "MX")[0::2] == ("NOERROR", [])
    # What DescribeInstances shows is what resolves.
    row = world.ec2.describe_instances(InstanceIds=[one.id])["Reservations"][0]["Instances"][0]
    assert answers(mate, row["PrivateDnsName"]) == ["10.0.1.5"] == answers(mate, row["PublicDnsName"])


def test_equal_addresses_ask_at_once(world):
    """Two interfaces with one address, their questions mixed: each is told its own."""
    names = [ec2_name(world.one.public_ip), ec2_name(world.other.public_ip)]
    told = {world.one: {names[0]: "10.0.1.5", names[1]: world.other.public_ip},
            world.other: {names[0]: world.one.public_ip, names[1]: "10.0.1.5"}}
    start = threading.Barrier(4)

    def ask(place, server):
        wrong = 0
        with place.udp("::", 5354) if ":" in server else place.udp("0.0.0.0", 5353) as s:  # equal ports, too
            s.connect((server, 53))
            start.wait(BOUND)
            for i in range(150):
                query = dns.message.make_query(names[i % 2], "A")
                s.send(query.to_wire())
                reply = dns.message.from_wire(s.recv(4096))
                assert reply.id == query.id
                wrong += reply.answer[0][0].to_text() != told[place][names[i % 2]]
        return wrong

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(ask, place, server) for place in (world.one, world.other) for server in SERVERS[1:]]
        assert [j.result(BOUND) for j in jobs] == [0, 0, 0, 0]


def test_glibc_and_python(world):
    """getaddrinfo, with the resolv.conf that DHCP would write."""
    def resolve(*command):
        script = ("printf 'nameserver 10.0.0.2\\nsearch ec2.internal\\noptions timeout:8\\n' >$1/resolv && "
                  "mount --bind $1/resolv /etc/resolv.conf && shift && exec \"$@\"")
        return world.one.run("unshare", "-m", "sh", "-ec", script, "sh", world.cloud.directory, *command).stdout

    assert resolve("getent", "ahostsv4", "ip-10-0-1-6").split()[0] == "10.0.1.6"
    assert resolve("getent", "hosts", "10.0.1.6").split() == ["10.0.1.6", "ip-10-0-1-6.ec2.internal"]
    assert set(re.findall(r"^\S+", resolve("getent", "ahosts", "www.example.com"), re.M)) == {"192.0.2.1", "2001:db8::1"}
    code = "import socket; print(len({a[4][0] for a in socket.getaddrinfo('many.example.com', 80, socket.AF_INET)}))"
    assert resolve("/usr/bin/python3", "-c", code) == "199\n"  # does not fit a datagram
    assert resolve("sh", "-c", "getent hosts none.example.com || echo none") == "none\n"


def test_names_follow_the_state_at_once(world):
    subnet, group = world.subnets[0], world.groups[0]
    later = world.cloud.instance(subnet, [group])
    assert answers(world.one, f"{later.id}.ec2.internal") == [later.ip]
    address = world.ec2.allocate_address(Domain="vpc")
    assert dig(world.one, ec2_name(address["PublicIp"]))[0] == "NXDOMAIN"  # nobody's: the world says no
    world.ec2.associate_address(AllocationId=address["AllocationId"], NetworkInterfaceId=later.eni)
    until(lambda: answers(world.one, ec2_name(address["PublicIp"])) == [later.ip], "the name of the elastic IP", 2)
    assert answers(world.other, ec2_name(address["PublicIp"])) == [address["PublicIp"]]
    world.ec2.modify_private_dns_name_options(InstanceId=later.id, EnableResourceNameDnsARecord=False)
    until(lambda: dig(world.one, f"{later.id}.ec2.internal")[0::2] == ("NOERROR", []), "no record of the name", 2)
    world.ec2.disassociate_address(PublicIp=address["PublicIp"])
    world.ec2.release_address(AllocationId=address["AllocationId"])
    world.ec2.terminate_instances(InstanceIds=[later.id])
    until(lambda: dig(world.one, f"{later.id}.ec2.internal")[0] == "NXDOMAIN", "the name is gone", 20)


def test_attributes_of_the_vpc(world):
    vpc, other = world.vpcs[1]["VpcId"], world.other
    world.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    until(lambda: dig(other, "ip-10-0-1-5.ec2.internal")[0] == "NXDOMAIN", "no private names", 2)
    assert dig(other, "5.1.0.10.in-addr.arpa", "PTR")[0] == "NXDOMAIN"
    assert dig(world.one, ec2_name(other.public_ip))[0] == "NXDOMAIN"
    assert answers(other, "www.example.com") == ["192.0.2.1"]
    world.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": False})
    query = dns.message.make_query("www.example.com", "A").to_wire()
    until(lambda: exchange(other, query, seconds=0.3) is None, "no resolver", 5)
    assert answers(world.one, "www.example.com") == ["192.0.2.1"]  # of that VPC only
    world.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True})
    world.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    until(lambda: exchange(other, query, seconds=0.3), "the resolver", 5)
    assert answers(other, "ip-10-0-1-5.ec2.internal") == ["10.0.1.5"]


def test_the_world_is_asked_once(world):
    world.up.zone["once.example.com", "A"] = ["192.0.2.77"]
    for place in (world.one, world.other, world.mate):
        for transport in ("+notcp", "+tcp"):
            assert answers(place, "once.example.com", "A", transport) == ["192.0.2.77"]
    assert world.up.asked("once.example.com", "A") == 1
    before = len(world.up.questions)
    # What is nobody else's business is not asked there: the VPC's names, private reverse zones, local names.
    for name, kind in (("ip-10-0-1-5.ec2.internal", "A"), ("x.ec2.internal", "A"), ("9.9.168.192.in-addr.arpa", "PTR"),
                       ("lb._dns-sd._udp.0.1.0.10.in-addr.arpa", "PTR"), ("db.corp.internal", "A"), ("printer.local", "A"),
                       ("gateway", "A"), ("localhost", "A"), ("1.0.0.127.in-addr.arpa", "PTR"), ("www.example.com", "ANY")):
        assert dig(world.one, name, kind, "+notcp")[0] in ("NOERROR", "NXDOMAIN")
    assert world.up.questions[before:] == []
    assert answers(world.one, "rebind.example.com") == ["10.0.1.6"]  # as on AWS


def test_large_answers(world):
    many = world.up.zone["many.example.com", "A"]
    status, flags, data = dig(world.one, "many.example.com", "A", "+ignore")
    assert (status, data) == ("NOERROR", []) and "tc" in flags
    for server in SERVERS:
        assert answers(world.one, "many.example.com", server=server) == many  # dig asks again over TCP


def test_edns(world):
    query = dns.message.make_query("WWW.example.COM", "A")
    plain = dns.message.from_wire(exchange(world.one, query.to_wire()))
    assert plain.edns == -1 and plain.question[0].name.to_text() == "WWW.example.COM."
    query.use_edns(0, 0, 4096, options=[dns.edns.GenericOption(10, b"12345678"), dns.edns.GenericOption(65001, b"x")])
    reply = dns.message.from_wire(exchange(world.one, query.to_wire()))
    assert (reply.rcode(), reply.edns, reply.payload, reply.options) == (0, 0, 1232, ())
    query.use_edns(1)
    assert dns.message.from_wire(exchange(world.one, query.to_wire())).rcode() == dns.rcode.BADVERS


def test_what_is_no_question(world):
    query = bytearray(dns.message.make_query("www.example.com", "A").to_wire())
    query[2] |= 0x80  # an answer: answered by nobody, or two resolvers could be set on each other
    assert exchange(world.one, bytes(query), seconds=0.5) is None
    assert exchange(world.one, b"x", seconds=0.2) is None
    assert dns.message.from_wire(exchange(world.one, bytes(query[:2]) + b"\x01\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1")).rcode() \
        == dns.rcode.FORMERR
    assert dig(world.one, "www.example.com", "A", "+norecurse")[0] == "REFUSED"
    assert dig(world.one, "version.bind", "TXT", "-c", "CH")[0] == "REFUSED"
    # A transfer is refused; dig tells it in its own way.
    assert "Transfer failed" in world.one.run("dig", "@10.0.0.2", "ec2.internal", "AXFR", check=False).stdout


def test_connections(world):
    """Questions one behind the other, in one segment and byte by byte; the answers in any order."""
    s = world.one.dial("10.0.0.2", 53)
    queries = [dns.message.make_query(f"ip-10-0-1-{i}.ec2.internal" if i % 2 else "www.example.com", "A") for i in range(60)]
    data = b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in queries)
    s.sendall(data[:-40])
    for byte in data[-40:]:
        s.send(bytes([byte]))
    replies, stream = {}, s.makefile("rb")
    for _ in queries:
        reply = dns.message.from_wire(stream.read(struct.unpack("!H", stream.read(2))[0]))
        replies[reply.id] = reply
    assert all(replies[q.id].answer[0][0].to_text() == (f"10.0.1.{i}" if i % 2 else "192.0.2.1")
               for i, q in enumerate(queries))
    # One that sends half a question holds nobody up but itself; what is none ends the connection.
    s.sendall(b"\0\x20half")
    assert answers(world.one, "ip-10-0-1-9.ec2.internal", "A", "+tcp") == ["10.0.1.9"]
    t = world.one.dial("10.0.0.2", 53)
    t.sendall(b"\0\x03abc")
    assert t.recv(10) == b""
    s.close()
    t.close()


def test_one_interface_cannot_take_all_connections(world):
    taken = []
    try:
        for _ in range(80):
            taken.append(world.one.dial("10.0.0.2", 53, seconds=5))
        closed = sum(1 for s in taken[64:] if s.recv(1) == b"")
        assert closed == 16
        assert answers(world.other, "ip-10-0-1-9.ec2.internal", "A", "+tcp") == ["10.0.1.9"]
    finally:
        for s in taken:
            s.close()


def test_a_flood_is_held_at_the_interface(world):
    """More than 1,024 a second are not answered; who shares nothing with the flood but the host does not notice."""
    query = dns.message.make_query("ip-10-0-1-9.ec2.internal", "A").to_wire()
    until(lambda: exchange(world.one, query, seconds=0.3), "quiet after the tests before")
    with world.one.udp("0.0.0.0") as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        s.connect(("169.254.169.253", 53))
        s.setblocking(False)
        got, sent, begin, mine = 0, 0, time.monotonic(), []
        while time.monotonic() < begin + 2:
            for _ in range(50):
                try:
                    s.send(query)
                    sent += 1
                except BlockingIOError:
                    pass
            if sent % 2000 == 0:
                mine.append(exchange(world.other, query, seconds=2))
            while True:
                try:
                    s.recv(4096)
                    got += 1
                except BlockingIOError:
                    break
        elapsed = time.monotonic() - begin
    assert sent > 4000, "no flood"
    assert 500 < got <= 1024 * (elapsed + 2), f"{got} answers to {sent} questions in {elapsed:.1f} s"
    assert mine and all(mine)
    until(lambda: exchange(world.one, query, seconds=0.5), "the flooder is served again")


def test_without_upstream(world):
    assert answers(world.one, "www.example.com") == ["192.0.2.1"]
    world.up.silent = True
    begin = time.monotonic()
    assert dig(world.one, "silent.example.com")[0] == "SERVFAIL"
    assert time.monotonic() - begin < 6
    assert answers(world.one, "ip-10-0-1-5.ec2.internal") == ["10.0.1.5"]
    assert answers(world.one, "www.example.com") == ["192.0.2.1"]
    world.up.silent = False
    world.up.zone["back.example.com", "A"] = ["192.0.2.5"]
    until(lambda: answers(world.one, "back.example.com") == ["192.0.2.5"], "upstream again")


@pytest.mark.parametrize("program", ["vpc-upstream", "vpc-services"])
def test_killed(world, program):
    old = until(lambda: named(world, program), f"{program} runs")
    connection = world.one.dial("10.0.0.2", 53)
    os.kill(old, signal.SIGKILL)
    until(lambda: named(world, program) not in (old, None), f"{program} runs again")
    name = f"after-{program}.example.com"
    world.up.zone[name, "A"] = ["192.0.2.6"]
    query = dns.message.make_query(name, "A").to_wire()
    until(lambda: (r := exchange(world.one, query, seconds=1)) and dns.message.from_wire(r).rcode() == 0, "names resolve")
    assert answers(world.one, f"{world.mate.id}.ec2.internal") == ["10.0.1.6"]
    connection.close()
