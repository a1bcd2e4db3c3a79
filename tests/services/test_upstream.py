# SPDX-License-Identifier: Apache-2.0
"""vpc-upstream by itself.

    this test --seqpacket--> vpc-upstream --UDP, TCP--> Upstream (a DNS server of the test), or an NTP one

The test speaks as vpc-services does; nothing here needs root, and nothing leaves the loopback.
"""
import contextlib
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import pytest

from upstream import Upstream

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VPCD_BUILD", os.path.join(TOP, "build"))
ROOT = os.geteuid() == 0
USER = 65534
BOUND = 20


class Asker:
    """One end of vpc-upstream's socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(BOUND)
        self.socket.connect(path)
        self.number = 0

    def send(self, kind, data):
        self.number += 1
        self.socket.send(struct.pack("=QHHI", self.number, kind, len(data), 0) + data)
        return self.number

    def question(self, name, kind="A"):
        wire = dns.name.from_text(name).to_wire()
        return self.send(1, struct.pack("=HBB", dns.rdatatype.from_text(kind), len(wire), 0) + wire)

    def receive(self):
        data = self.socket.recv(1 << 17)
        if not data:
            raise ConnectionError("closed")
        number, kind, length, zero = struct.unpack("=QHHI", data[:16])
        assert len(data) == 16 + length and zero == 0
        return number, kind, data[16:]

    def ask(self, name, kind="A"):
        """The answer as a message; None: there is none."""
        asked = self.question(name, kind)
        number, _, data = self.receive()
        assert number == asked
        return dns.message.from_wire(data) if data else None

    def addresses(self, name, kind="A"):
        m = self.ask(name, kind)
        return sorted(r.to_text() for rrset in m.answer for r in rrset) if m and m.rcode() == 0 else None


class Program:
    def __init__(self, state, *args):
        self.path = os.path.join(state, "upstream", "sock")
        self.process = subprocess.Popen([os.path.join(BUILD, "vpc-upstream"), "--state-dir", state, *args],
                                        stderr=subprocess.PIPE, text=True,
                                        **({"user": USER, "group": USER, "extra_groups": []} if ROOT else {}))
        deadline = time.monotonic() + BOUND
        while True:
            with contextlib.suppress(OSError):
                self.asker()
                return
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < deadline
            select.select([], [], [], 0.01)

    def asker(self):
        return Asker(self.path)

    def end(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)
        return self.process.wait(BOUND)


@pytest.fixture
def state():
    top = tempfile.mkdtemp(prefix="vpcd-upstream-")
    os.chmod(top, 0o755)
    os.mkdir(os.path.join(top, "upstream"))
    if ROOT:
        os.chown(os.path.join(top, "upstream"), USER, USER)
    yield top
    shutil.rmtree(top)


@pytest.fixture
def up():
    with Upstream() as u:
        u.zone["www.example.com", "A"] = ["192.0.2.1"]
        yield u


@pytest.fixture
def program(state, up):
    p = Program(state, "--dns-upstream", up.address)
    yield p
    if p.process.poll() is None:
        assert p.end() == 0


def test_answers_are_remembered(program, up):
    asker = program.asker()
    assert asker.addresses("www.example.com") == ["192.0.2.1"]
    assert asker.addresses("WWW.example.com") == ["192.0.2.1"]
    assert program.asker().addresses("www.example.com") == ["192.0.2.1"]
    assert up.asked("www.example.com", "A") == 1
    # And that there is none.
    for _ in range(2):
        assert asker.ask("none.example.com").rcode() == dns.rcode.NXDOMAIN
        assert asker.ask("www.example.com", "AAAA").rcode() == dns.rcode.NOERROR
    assert up.asked("none.example.com", "A") == up.asked("www.example.com", "AAAA") == 1


def test_what_does_not_fit_is_asked_over_tcp(program, up):
    up.zone["many.example.com", "A"] = sorted(f"192.0.2.{i}" for i in range(1, 250))
    assert program.asker().addresses("many.example.com") == up.zone["many.example.com", "A"]
    assert [t for n, _, t in up.questions if n == "many.example.com"] == ["udp", "tcp"]


def test_aliases_are_followed(program, up):
    up.zone["alias.example.com", "A"] = ["CNAME www.example.com."]
    assert program.asker().addresses("alias.example.com") == ["192.0.2.1", "www.example.com."]


def test_any_bytes_in_a_name(program, up):
    name = b"a\\.b\\000c\\\\\\255.example.com".decode()
    assert program.asker().ask(name).rcode() == dns.rcode.NXDOMAIN
    assert up.questions[0][0].count(".") == 3  # and one of them quoted


def test_many_questions_at_once(program, up):
    asker = program.asker()
    numbers = {asker.question(f"n{i}.example.com") for i in range(150)}
    while numbers:
        number, _, data = asker.receive()
        assert data
        numbers.remove(number)


def test_without_upstream_it_says_so_and_comes_back(program, up):
    asker = program.asker()
    assert asker.addresses("www.example.com") == ["192.0.2.1"]
    up.silent = True
    begin = time.monotonic()
    assert asker.ask("later.example.com") is None
    assert time.monotonic() - begin < 10  # vpc-services gives up after 4; here the place is free again then
    assert asker.addresses("www.example.com") == ["192.0.2.1"]  # what is known stays known
    up.silent = False
    up.zone["next.example.com", "A"] = ["192.0.2.2"]  # the other name's failure is remembered for some seconds
    deadline = time.monotonic() + 10
    while asker.addresses("next.example.com") != ["192.0.2.2"]:
        assert time.monotonic() < deadline


def test_a_dead_server_does_not_matter_beside_a_living_one(state, up):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))  # takes questions and says nothing
        p = Program(state, "--dns-upstream", f"127.0.0.1:{taken.getsockname()[1]},{up.address}")
        asker = p.asker()
        for i in range(5):
            up.zone[f"n{i}.example.com", "A"] = [f"192.0.2.{i}"]
            assert asker.addresses(f"n{i}.example.com") == [f"192.0.2.{i}"]
        assert p.end() == 0


def test_servers_of_both_families(state):
    with Upstream("::1") as six:
        six.zone["www.example.com", "A"] = ["192.0.2.6"]
        p = Program(state, "--dns-upstream", six.address)
        assert p.asker().addresses("www.example.com") == ["192.0.2.6"]
        assert p.end() == 0


def test_none(state):
    p = Program(state, "--dns-upstream", "none")
    assert p.asker().ask("www.example.com") is None
    assert p.end() == 0


@pytest.mark.parametrize("bad", [b"", b"\0" * 15, struct.pack("=QHHI", 1, 9, 0, 0), struct.pack("=QHHI", 1, 1, 5, 0),
                                 struct.pack("=QHHI", 1, 1, 4, 0) + struct.pack("=HBB", 1, 0, 0),
                                 struct.pack("=QHHI", 1, 1, 7, 0) + struct.pack("=HBB", 1, 3, 0) + b"\x05ab",
                                 struct.pack("=QHHI", 1, 1, 7, 0) + struct.pack("=HBB", 1, 3, 0) + b"\0ab",
                                 struct.pack("=QHHI", 1, 1, 6, 0) + struct.pack("=HBB", 1, 2, 0) + b"\xc0\0",
                                 struct.pack("=QHHI", 1, 2, 47, 0) + b"x" * 47, b"x" * 5000], ids=lambda bad: f"{len(bad)}-{bad[8:9].hex()}")
def test_who_speaks_otherwise_is_not_heard(program, bad):
    asker = program.asker()
    asker.socket.send(bad)
    with pytest.raises(ConnectionError):
        asker.receive()
    assert program.asker().addresses("www.example.com") == ["192.0.2.1"]


@pytest.mark.skipif(not ROOT, reason="asks as another user")
def test_strangers_may_not_ask(program):
    code = ("import socket, sys; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
            "s.connect(sys.argv[1]); sys.exit(s.recv(1) != b'')")
    assert subprocess.run(["/usr/bin/python3", "-c", code, program.path], user=1, group=1, extra_groups=[],
                          timeout=BOUND).returncode == 0
    assert program.asker().addresses("www.example.com") == ["192.0.2.1"]


def test_killed_and_started_again(state, up):
    p = Program(state, "--dns-upstream", up.address)
    p.end(signal.SIGKILL)
    p = Program(state, "--dns-upstream", up.address)
    assert p.asker().addresses("www.example.com") == ["192.0.2.1"]
    assert p.end() == 0


@pytest.mark.parametrize("args", [["--dns-upstream", "name.example.com"], ["--dns-upstream", "192.0.2.1:0"],
                                  ["--dns-upstream", "192.0.2.1,"], ["--dns-upstream", "[::1]x"],
                                  ["--dns-upstream", "::1:99999999"], ["--ntp-server", "here"], ["--peer", "x"], ["more"]])
def test_wrong_options(state, args):
    done = subprocess.run([os.path.join(BUILD, "vpc-upstream"), "--state-dir", state, *args], timeout=BOUND, text=True,
                          stderr=subprocess.PIPE, **({"user": USER, "group": USER, "extra_groups": []} if ROOT else {}))
    assert done.returncode == 78
    assert args[-1] in done.stderr or "--help" in done.stderr


@pytest.mark.skipif(not ROOT, reason="root only")
def test_never_as_root(state):
    done = subprocess.run([os.path.join(BUILD, "vpc-upstream"), "--state-dir", state], timeout=BOUND, text=True,
                          stderr=subprocess.PIPE)
    assert done.returncode == 78 and "root" in done.stderr


@pytest.mark.skipif(not ROOT, reason="needs a network and a mount namespace")
def test_resolv_conf_is_followed():
    """The next test, where port 53 and /etc/resolv.conf are nobody else's."""
    script = "mount --make-rprivate / && ip link set lo up && exec \"$@\""
    done = subprocess.run(["unshare", "-n", "-m", "sh", "-ec", script, "sh", "/usr/bin/python3", "-m", "pytest", "-q", "-p",
                           "no:cacheprovider", "-k", "test_in_place_of_resolv_conf", __file__], stdout=subprocess.PIPE,
                          env={**os.environ, "VPCD_OWN_RESOLV_CONF": "1"}, text=True, timeout=60)
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout


def in_place_of_resolv_conf(state):
    conf = os.path.join(state, "resolv.conf")

    def servers(text):
        with open(conf, "w") as f:
            f.write(text)

    servers("# none yet\nsearch example.com\n")
    subprocess.run(["mount", "--bind", conf, "/etc/resolv.conf"], check=True)
    with Upstream("127.0.0.1", 53) as one, Upstream("127.0.0.2", 53) as two:
        one.zone["www.example.com", "A"] = ["192.0.2.1"]
        two.zone["www.example.com", "A"] = ["192.0.2.2"]
        p = Program(state)
        asker = p.asker()

        def becomes(addresses):
            deadline = time.monotonic() + BOUND
            while asker.addresses("www.example.com") != addresses:
                assert time.monotonic() < deadline, f"not {addresses}"
                select.select([], [], [], 0.05)

        becomes(None)
        servers("nameserver 127.0.0.1\nnameserver fe80::1%lo\noptions edns0\n")
        becomes(["192.0.2.1"])
        servers("; another network\nnameserver\t127.0.0.2 # here\n")
        becomes(["192.0.2.2"])  # what the other network said is forgotten
        servers("")
        becomes(None)
        assert p.end() == 0


def test_the_time_without_a_server(program):
    asker = program.asker()
    asker.send(2, b"\x23" + b"\0" * 47)
    number, kind, data = asker.receive()
    # An NTP server of this machine, if there is one, may answer.
    assert (number, kind) == (1, 2) and len(data) in (0, 48)


if os.environ.get("VPCD_OWN_RESOLV_CONF"):  # test_resolv_conf_is_followed runs it
    test_in_place_of_resolv_conf = in_place_of_resolv_conf
