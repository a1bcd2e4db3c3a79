# SPDX-License-Identifier: Apache-2.0
"""The host is a border, and a tunnel would be one: with settings that would carry anything (ip_forward=1, rp_filter=1, tunnel
devices that listen on every address, a FORWARD chain that drops), nothing gets where it should not. What the host's other
addresses and networks refuse is in test_internet.py, what frames may not be is in test_source.py.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a, b (public addresses)
    host 198.18.x.1 --- uplink, --uplink-allow tcp/8080; vtvx: a VXLAN device (external, UDP 4789)
"""
import shutil
import socket
import struct
import subprocess
import types

import pytest

from conftest import Cloud, everything, until
from frames import ether, icmp, ip, ipv4, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
TUNNELS = 4789, 8472, 6081, 4790, 500, 4500, 51820


@pytest.fixture(scope="module")
def w():
    made = Cloud(options=("--uplink-allow", "tcp/8080"))
    try:
        made.start()
        w = types.SimpleNamespace(cloud=made, host=made.host_place())
        vpc = made.vpc(ipv6=True)
        subnet = made.subnet(vpc, "10.0.1.0/24", 1)
        all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
        w.a, w.b = made.instances(2, subnet, [made.group(vpc, "open", all_of, egress=all_of)], ipv6=True, public=True)
        yield w
    finally:
        made.close()


@pytest.fixture(scope="module", autouse=True)
def settings():
    names = {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "1", "net.ipv6.conf.all.forwarding": "1"}
    was = {n: subprocess.run(["sysctl", "-n", n], stdout=subprocess.PIPE, text=True, check=True).stdout.strip() for n in names}
    for n, value in names.items():
        subprocess.run(["sysctl", "-qw", f"{n}={value}"], check=True)
    if shutil.which("nft"):
        subprocess.run(["nft", "-f", "-"], check=True, text=True,
                       input="table inet vpcdborders {\n chain forward {\n type filter hook forward priority 0; policy drop;\n }\n}\n")
    yield
    if shutil.which("nft"):
        subprocess.run(["nft", "delete", "table", "inet", "vpcdborders"])
    for n, value in was.items():
        subprocess.run(["sysctl", "-qw", f"{n}={value}"])


@pytest.fixture(scope="module")
def tunnel():
    """A VXLAN device of the host that takes whatever comes to UDP 4789 at any of its addresses; what it received."""
    made = subprocess.run(["ip", "link", "add", "vtvx", "type", "vxlan", "external", "dstport", "4789"], stderr=subprocess.DEVNULL)
    if made.returncode:
        pytest.skip("no VXLAN device here")
    try:
        subprocess.run(["ip", "link", "set", "vtvx", "up"], check=True)
        yield lambda: int(open("/sys/class/net/vtvx/statistics/rx_packets").read())
    finally:
        subprocess.run(["ip", "link", "del", "vtvx"])


def forged(w, vni=77):
    """What a tunnel would take for a frame of a's neighbour: VXLAN with a VNI, and a group number of its own."""
    inner = ether(w.b.mac, w.a.mac, ipv4("10.0.1.99", w.b.ip, udp(1, 2, b"forged")))
    return struct.pack("!BBHI", 0x88, 0, 99, vni << 8) + inner


def test_tunnel_packets_of_an_instance(w, tunnel):
    """To the host at its end of the uplink, and at each other address it has: refused, counted, never decapsulated."""
    listed = subprocess.run(["ip", "-o", "addr", "show", "scope", "global"], stdout=subprocess.PIPE, text=True).stdout
    others = {x.split()[3].split("/")[0] for x in listed.splitlines()} - {w.cloud.host, w.cloud.host6}
    before, up = tunnel(), w.host.wire()
    with w.a.wire() as at_a, up:
        for host in [w.cloud.host, w.cloud.host6, *others]:
            own = w.a.ip6 if ":" in host else w.a.ip
            reason = "uplink-port" if host in (w.cloud.host, w.cloud.host6) else "uplink-destination"
            for port in TUNNELS:
                with w.cloud.dropping(reason):
                    at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, udp(4789, port, forged(w)))))
            for protocol in (4, 41, 47, 50, 51, 97, 115, 137):  # IPIP, 6in4, GRE, ESP, AH, EtherIP, L2TP, MPLS
                if ":" in host and protocol == 51:
                    continue
                with w.cloud.dropping(reason):
                    at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, bytes(8) + forged(w), protocol=protocol)))
        assert not [f for f in up.drain() if b"forged" in f.raw]
    assert tunnel() == before


def test_tunnel_packets_to_the_router(w, tunnel):
    """The implicit router's address, the subnet's others, link-local ones: no tunnel ends there."""
    before = tunnel()
    with w.a.wire() as at_a, w.b.wire() as at_b:
        for target, reason in (("10.0.1.1", "to-router"), ("10.0.1.2", "no-such-address"), ("10.0.1.255", "no-such-address"), ("169.254.169.254", "link-local")):
            with w.cloud.dropping(reason):
                at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, target, udp(4789, 4789, forged(w)))))
        with w.cloud.dropping("link-local"):
            at_a.send(ether(ROUTER_MAC, w.a.mac, ip(w.a.ip6, "fe80::1", udp(4789, 4789, forged(w)))))
        assert not [f for f in at_b.drain() if b"forged" in f.raw]
    assert tunnel() == before


def test_tunnels_between_instances_are_packets(w, tunnel):
    """Between two instances UDP 4789 is their own affair: it arrives as it is, and nobody looks inside."""
    before = tunnel()
    with w.a.wire() as at_a, w.b.wire() as at_b:
        at_a.send(ether(w.b.mac, w.a.mac, ipv4(w.a.ip, w.b.ip, udp(4789, 4789, forged(w)))))
        f = at_b.receive(lambda f: b"forged" in f.raw)
        assert (f.dport, f.payload) == (4789, forged(w)) and not f.faults
        assert not [f for f in at_b.drain() if b"forged" in f.raw]
    assert tunnel() == before


def test_tunnel_packets_from_outside(w, tunnel):
    """By the uplink, to an instance's public address: a datagram like any other. With an inside source: refused."""
    before, up = tunnel(), w.host.wire()
    with up, w.a.wire() as at_a, w.b.wire() as at_b:
        up.send(ether(ROUTER_MAC, up.mac, ipv4(w.cloud.host, w.a.public_ip, udp(4789, 4789, forged(w)))))
        assert at_a.receive(lambda f: b"forged" in f.raw).payload == forged(w)
        for source in (w.b.ip, w.b.public_ip, "169.254.1.1"):
            with w.cloud.dropping("spoofed-address"):
                up.send(ether(ROUTER_MAC, up.mac, ipv4(source, w.a.public_ip, udp(4789, 4789, forged(w)))))
        with w.cloud.dropping("uplink-unknown"):
            up.send(ether(ROUTER_MAC, up.mac, ipv4(w.cloud.host, "10.0.1.1", udp(4789, 4789, forged(w)))))
        assert not [f for f in at_b.drain() + at_a.drain() if b"forged" in f.raw]
    assert tunnel() == before


@pytest.mark.parametrize("family", [4, 6])
def test_services_of_the_host(w, family):
    """Sockets on every address of the host: only the port that is named is reached, and pieces do not slip past."""
    host, own = (w.cloud.host, w.a.ip) if family == 4 else (w.cloud.host6, w.a.ip6)
    anywhere = "0.0.0.0" if family == 4 else "::"
    with w.host.serve(anywhere, 8080), w.host.serve(anywhere, 8081) as other, w.host.udp(anywhere, 8080) as datagrams:
        assert w.a.opens(host, 8080)
        assert w.a.refused(w.cloud, host, other.getsockname()[1], "uplink-port")
        with w.cloud.dropping("uplink-port"), w.a.udp(anywhere) as s:
            s.sendto(b"?", (host, 8080))
        with w.a.wire() as at_a, w.cloud.dropping("uplink-port"), w.cloud.dropping("fragment-without-first"):
            whole = udp(8080, 8080, bytes(900))
            header = lambda at, more: [(44, struct.pack("!BBHI", 0, 0, at | more, 5))]
            for at, part, more in ((0, whole[:400], 1), (400, whole[400:], 0)):
                at_a.send(ether(ROUTER_MAC, w.a.mac, ip(own, host, part, protocol=17, extensions=header(at, more)) if family == 6 else
                                ipv4(own, host, part, protocol=17, fragment=at // 8 | more << 13)))
        datagrams.settimeout(0.2)
        with pytest.raises(socket.timeout):
            datagrams.recv(2000)


def test_errors_do_not_open_the_host(w):
    """An ICMP error of an instance that quotes nothing known does not reach the host, whatever it quotes."""
    up = w.host.wire()
    with w.a.wire() as at_a, up:
        quotes = [ipv4(w.cloud.host, w.a.ip, udp(22, 5000, b"forged")), ipv4(w.cloud.host, w.a.public_ip, tcp(8080, 5000, data=b"forged")),
                  ipv4(w.a.public_ip, w.cloud.host, udp(5000, 22, b"forged")), ipv4(w.cloud.host, w.b.public_ip, udp(22, 5000, b"forged"))]
        for quote in quotes:
            for kind, code in ((3, 4), (3, 1), (11, 0), (12, 0), (5, 1), (4, 0)):
                with w.cloud.dropping("uplink-port"):
                    at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, w.cloud.host, icmp(kind, code, 0, 0, quote))))
        assert not [f for f in up.drain() if b"forged" in f.raw]


def test_what_goes_on_all_the_same(w):
    """The settings do not stop what may pass."""
    with w.host.serve(w.cloud.host, 8080):
        assert w.a.opens(w.cloud.host, 8080)
    with w.b.serve(w.b.ip, 80):
        assert w.a.opens(w.b.ip, 80) and w.a.opens(w.b.public_ip, 80) and w.host.opens(w.b.public_ip, 80)
