#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The packet path beside the wire: the same traffic between two namespaces in three ways, in one run.

    wire      a --- veth --- b                             nothing in between
    bridge    a --- veth --- bridge + nftables --- veth --- b   stateful accept by the kernel's own tracking (or, where
                                                             the kernel has none for bridges, a router + nftables)
    vpcd      a --- veth --- vpcd's packet path --- veth --- b  a security group's rule

    sudo bench/path.py [ROUNDS]        needs root, iperf3 and nftables; about a minute

Each round measures the three one after the other; the table has medians and, because machines drift, the
medians of the ratios within a round. Bulk is TCP with GSO; a transaction is a UDP question and its answer; a
connection is opened, greeted and closed.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "netns"))
from conftest import Cloud, everything  # noqa: E402

SECONDS = 2
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 7)); print("ready", flush=True)
while True:
    d, a = s.recvfrom(64); s.sendto(d, a)
"""
ASK = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5); s.connect((sys.argv[1], 7))
s.send(b"x"); s.recv(64)
start, n = time.perf_counter(), 4000
for _ in range(n):
    s.send(b"x"); s.recv(64)
print(n / (time.perf_counter() - start))
"""
GREET = """
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", 8)); s.listen(512); print("ready", flush=True)
while True:
    c, _ = s.accept(); c.sendall(b"hello"); c.close()
"""
OPEN = """
import socket, sys, time
start, n = time.perf_counter(), 1500
for _ in range(n):
    c = socket.create_connection((sys.argv[1], 8), 5)
    while c.recv(64): pass
    c.close()
print(n / (time.perf_counter() - start))
"""


def run(*command):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True).stdout


class Pair:
    """Two ends with commands that run in their namespaces."""

    def __init__(self, name, a, b, address):
        self.name, self.a, self.b, self.address, self.servers = name, a, b, address, []
        for code in (ECHO, GREET):
            self.serve("/usr/bin/python3", "-c", code)
        self.servers.append(subprocess.Popen(self.inside(b, "iperf3", "-s", "--forceflush"), stdout=subprocess.PIPE))
        while b"listening" not in self.servers[-1].stdout.readline():
            pass

    @staticmethod
    def inside(namespace, *command):
        return ["nsenter", f"--net=/run/netns/{namespace}", *command]

    def serve(self, *command):
        process = subprocess.Popen(self.inside(self.b, *command), stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"ready\n"
        self.servers.append(process)

    def measure(self):
        bulk = json.loads(run(*self.inside(self.a, "iperf3", "-J", "-t", SECONDS, "-c", self.address)))
        return {
            "bulk TCP, Gbit/s": bulk["end"]["sum_received"]["bits_per_second"] / 1e9,
            "UDP transactions/s": float(run(*self.inside(self.a, "/usr/bin/python3", "-c", ASK, self.address))),
            "TCP connections/s": float(run(*self.inside(self.a, "/usr/bin/python3", "-c", OPEN, self.address))),
        }

    def close(self):
        for process in self.servers:
            process.kill()
            process.wait()


def wire(made):
    for name in ("vb-a", "vb-b"):
        run("ip", "netns", "add", name)
        made.append(name)
    run("ip", "link", "add", "vb0", "mtu", "9001", "netns", "vb-a", "type", "veth", "peer", "name", "vb0", "mtu", "9001",
        "netns", "vb-b")
    for name, address in (("vb-a", "10.99.0.1/24"), ("vb-b", "10.99.0.2/24")):
        run("ip", "-n", name, "addr", "add", address, "dev", "vb0")
        run("ip", "-n", name, "link", "set", "vb0", "up")
    return Pair("wire", "vb-a", "vb-b", "10.99.0.2")


def ends(made, hub):
    """Two namespaces at a third one, in which the kernel forwards."""
    for name in (hub, f"{hub}-a", f"{hub}-b"):
        run("ip", "netns", "add", name)
        made.append(name)
    run("ip", "-n", hub, "link", "set", "lo", "up")
    for side in "ab":
        run("ip", "-n", hub, "link", "add", f"p{side}", "mtu", "9001", "type", "veth", "peer", "name", "eth0", "mtu", "9001",
            "netns", f"{hub}-{side}")
        run("ip", "-n", hub, "link", "set", f"p{side}", "up")
        run("ip", "-n", f"{hub}-{side}", "link", "set", "eth0", "up")


def rules(hub, family, *lines):
    text = f"table {family} filter {{ chain forward {{ type filter hook forward priority 0; policy drop;\n"
    text += "\n".join(lines) + "\n}\n}\n"
    subprocess.run(Pair.inside(hub, "nft", "-f", "-"), input=text, text=True, check=True, stderr=subprocess.DEVNULL)


def bridge(made):
    ends(made, "vb-br")
    run("ip", "-n", "vb-br", "link", "add", "br0", "type", "bridge")
    run("ip", "-n", "vb-br", "link", "set", "br0", "mtu", "9001", "up")
    for number, side in enumerate("ab", 1):
        run("ip", "-n", "vb-br", "link", "set", f"p{side}", "master", "br0")
        run("ip", "-n", f"vb-br-{side}", "addr", "add", f"10.98.0.{number}/24", "dev", "eth0")
    rules("vb-br", "bridge", "ether type arp accept", "ct state established,related accept", "ip saddr 10.98.0.0/24 accept")
    return Pair("bridge", "vb-br-a", "vb-br-b", "10.98.0.2")


def router(made):
    """Where the kernel cannot track on a bridge: it routes, and tracks there."""
    ends(made, "vb-rt")
    for number, side in enumerate("ab", 1):
        run("ip", "-n", "vb-rt", "addr", "add", f"10.96.{number}.1/24", "dev", f"p{side}")
        run("ip", "-n", f"vb-rt-{side}", "addr", "add", f"10.96.{number}.2/24", "dev", "eth0")
        run("ip", "-n", f"vb-rt-{side}", "route", "add", "default", "via", f"10.96.{number}.1")
    run(*Pair.inside("vb-rt", "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
    rules("vb-rt", "inet", "ct state established,related accept", "ip saddr 10.96.0.0/16 accept")
    return Pair("router", "vb-rt-a", "vb-rt-b", "10.96.2.2")


def vpcd(cloud):
    vpc = cloud.vpc("10.97.0.0/16")
    subnet = cloud.subnet(vpc, "10.97.1.0/24")
    group = cloud.group(vpc, "bench", ingress=[everything(cidr="10.97.0.0/16")])
    a, b = cloud.instances(2, subnet, [group])
    return Pair("vpcd", a.id, b.id, b.ip)


def main(rounds):
    missing = [p for p in ("iperf3", "nft", "nsenter", "ip") if not shutil.which(p)]
    if missing or os.geteuid() != 0:
        sys.exit("bench/path.py needs root and: " + ", ".join(missing or ["sudo"]))
    made, pairs, cloud = [], [], Cloud(pool="198.18.99.0/24", pool6="2001:db8:9a00::/40")
    try:
        cloud.start()
        pairs.append(wire(made))
        for kernel in (bridge, router):
            try:
                pairs.append(kernel(made))
                break
            except subprocess.CalledProcessError:
                print(f"this kernel does not do: {kernel.__name__} + nftables with connection tracking", file=sys.stderr)
        pairs.append(vpcd(cloud))
        results = [{pair.name: pair.measure() for pair in pairs} for _ in range(rounds)]
    finally:
        for pair in pairs:
            pair.close()
        for name in made:
            subprocess.run(["ip", "netns", "del", name])
        cloud.close()
    names = [pair.name for pair in pairs]
    print(f"{rounds} rounds; medians, and the ratio to the wire within a round\n")
    print(f"{'':22}" + "".join(f"{name:>12}" for name in names) + "".join(f"{name + '/wire':>14}" for name in names[1:]))
    for what in results[0]["wire"]:
        row = f"{what:22}" + "".join(f"{statistics.median(r[name][what] for r in results):12.1f}" for name in names)
        row += "".join(f"{statistics.median(r[name][what] / r['wire'][what] for r in results):14.2f}" for name in names[1:])
        print(row)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
