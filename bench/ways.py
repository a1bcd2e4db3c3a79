# SPDX-License-Identifier: Apache-2.0
"""The ways between two namespaces that bench/path.py compares; each makes its own and takes it away.

    Wire      a --- veth --- b                               nothing in between
    Kernel    a --- bridge --- router + nftables --- bridge --- b   stateful, accept by a chain of N rules
    Ovn       a --- OVN switch, router, switch --- b         on Open vSwitch's user-space datapath, N ACLs
    Vpcd      a --- vpcd's packet path --- b                 two subnets, groups with N rules

Of N rules only the last one matches; the others are for single addresses and ports that nobody has.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "netns"))
from conftest import BUILD, Cloud, tcp, udp, until  # noqa: E402

ENDS = os.path.join(BUILD, "bench", "bench-ends")
BULK_SECONDS, ASK_SECONDS, OPEN_SECONDS, BLAST_SECONDS = 2, 1, 1, 1


def run(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True, **more).stdout


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{namespace}", *map(str, command)]


def rule_of(n):
    """The n-th rule that nobody meets: an address and a port."""
    return f"172.20.{n // 250}.{n % 250 + 1}", 20000 + n


class Way:
    """Two ends, `a` and `b`: namespaces; servers run in b, which has `address`. stand() makes it, close() takes away what there is."""

    def __init__(self, kind, rules=None):
        self.name, self.rules = kind if rules is None else f"{kind} {rules}", rules
        self.namespaces, self.servers = [], []

    def stand(self):
        self.make()
        self.serve()

    def namespace(self, name):
        run("ip", "netns", "add", name)
        self.namespaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def veth(self, here, there, hub, port, address, gateway=None):
        """eth0 in the namespace `here` or `there`, its other end `port` in `hub`."""
        run("ip", "-n", hub, "link", "add", port, "mtu", 9001, "type", "veth", "peer", "name", "eth0", "mtu", 9001, "netns", there)
        run("ip", "-n", hub, "link", "set", port, "up")
        run("ip", "-n", there, "addr", "add", address, "dev", "eth0")
        run("ip", "-n", there, "link", "set", "eth0", "up")
        if gateway:
            run("ip", "-n", there, "route", "add", "default", "via", gateway)
        return here

    def serve(self):
        server = subprocess.Popen(inside(self.b, ENDS, "serve"), stdout=subprocess.PIPE)
        self.servers.append(server)
        assert server.stdout.readline() == b"ready\n"
        server = subprocess.Popen(inside(self.b, "iperf3", "-s", "--forceflush"), stdout=subprocess.PIPE)
        self.servers.append(server)
        while b"listening" not in server.stdout.readline():
            pass

    def ends(self, values, *command):
        """What bench-ends prints; zeroes, said aloud, where so much is lost on this way that it gives up."""
        try:
            return [float(x) for x in run(*inside(self.a, ENDS, *command), timeout=60).split()]
        except subprocess.SubprocessError as error:
            print(f"{self.name}: {command[0]} failed, counted as 0: {error}", file=sys.stderr)
            return [0.0] * values

    def arrived(self):
        """Packets that came to b so far."""
        return json.loads(run(*inside(self.b, "ip", "-j", "-s", "link", "show", "eth0")))[0]["stats64"]["rx"]["packets"]

    def bulk(self):
        try:
            report = json.loads(run(*inside(self.a, "iperf3", "-J", "-t", BULK_SECONDS, "-c", self.address), timeout=60))
            return report["end"]["sum_received"]["bits_per_second"] / 1e9
        except (subprocess.SubprocessError, KeyError) as error:
            print(f"{self.name}: iperf3 failed, counted as 0: {error}", file=sys.stderr)
            return 0.0

    def measure(self):
        bulk = self.bulk()
        rate, p50, p99 = self.ends(3, "ask", self.address, ASK_SECONDS)
        opened, = self.ends(1, "open", self.address, OPEN_SECONDS)
        before = self.arrived()
        seconds, = self.ends(1, "blast", self.address, BLAST_SECONDS)
        return {"TCP throughput, Gbit/s": bulk,
                "UDP request-response, 1/s": rate,
                "  latency p50, us": p50,
                "  latency p99, us": p99,
                "TCP connections, 1/s": opened,
                "small UDP packets, 1/s": (self.arrived() - before) / (seconds or BLAST_SECONDS)}

    def close(self):
        for server in reversed(self.servers):
            server.kill()
            server.wait()
        for name in self.namespaces:
            subprocess.run(["ip", "netns", "del", name])


class Wire(Way):
    def __init__(self):
        super().__init__("wire")

    def make(self):
        self.a, self.b, self.address = self.namespace("vb-wa"), self.namespace("vb-wb"), "10.99.0.2"
        self.veth(self.a, self.b, self.a, "wire", "10.99.0.2/24")
        run("ip", "-n", self.a, "addr", "add", "10.99.0.1/24", "dev", "wire")


class Kernel(Way):
    """The kernel's own: a bridge for each subnet, forwarding between them, nftables with connection tracking."""

    def __init__(self, rules):
        super().__init__("kernel", rules)

    def make(self):
        hub = self.namespace(f"vb-k{self.rules}")
        self.address = "10.98.2.2"
        for number, side in enumerate("ab", 1):
            end = self.namespace(f"{hub}-{side}")
            setattr(self, side, end)
            run("ip", "-n", hub, "link", "add", f"br{side}", "type", "bridge")
            run("ip", "-n", hub, "link", "set", f"br{side}", "mtu", 9001, "up")
            run("ip", "-n", hub, "addr", "add", f"10.98.{number}.1/24", "dev", f"br{side}")
            self.veth(end, end, hub, f"p{side}", f"10.98.{number}.2/24", f"10.98.{number}.1")
            run("ip", "-n", hub, "link", "set", f"p{side}", "master", f"br{side}")
        run(*inside(hub, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
        lines = ["ct state established,related accept"]
        lines += [f"ip saddr {a} tcp dport {p} accept" for a, p in map(rule_of, range(self.rules - 1))]
        lines += ["ip saddr 10.98.0.0/16 accept"]
        text = "table inet filter { chain forward { type filter hook forward priority 0; policy drop;\n" + "\n".join(lines) + "\n}\n}\n"
        run(*inside(hub, "nft", "-f", "-"), input=text)


class Ovn(Way):
    """One chassis, the daemons in a namespace and a directory of their own."""

    def __init__(self, rules):
        super().__init__("ovn", rules)
        self.directory = tempfile.mkdtemp(prefix="vpcd-bench-ovn-")

    def make(self):
        self.hub = self.namespace(f"vb-o{self.rules}")
        self.address = "10.95.2.2"
        self.env = dict(os.environ, **{k: self.directory for k in ("OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR", "OVN_RUNDIR", "OVN_LOGDIR",
                                                                   "OVN_DBDIR", "OVS_SYSCONFDIR")})
        self.daemons()
        for number, side in enumerate("ab", 1):
            end = self.namespace(f"{self.hub}-{side}")
            setattr(self, side, end)
            self.veth(end, end, self.hub, f"p{side}", f"10.95.{number}.2/24", f"10.95.{number}.1")
            mac = json.loads(run("ip", "-n", end, "-j", "link", "show", "eth0"))[0]["address"]
            self.vs("add-port", "br-int", f"p{side}", "--", "set", "Interface", f"p{side}", f"external_ids:iface-id=l{side}")
            self.nb("ls-add", f"s{side}", "--", "lsp-add", f"s{side}", f"l{side}",
                    "--", "lsp-set-addresses", f"l{side}", f"{mac} 10.95.{number}.2")
            if side == "a":
                self.nb("lr-add", "r")
            self.nb("lrp-add", "r", f"r{side}", f"02:00:00:00:00:0{number}", f"10.95.{number}.1/24",
                    "--", "lsp-add", f"s{side}", f"sr{side}", "--", "lsp-set-type", f"sr{side}", "router",
                    "--", "lsp-set-addresses", f"sr{side}", "router", "--", "lsp-set-options", f"sr{side}", f"router-port=r{side}")
        self.nb("pg-add", "pg", "la", "lb")
        commands = [["acl-add", "pg", "to-lport", "900", "outport==@pg && ip", "drop"],
                    ["acl-add", "pg", "from-lport", "1000", "inport==@pg && ip4", "allow-related"],
                    ["acl-add", "pg", "to-lport", "1000", "outport==@pg && ip4.src==10.95.0.0/16", "allow-related"]]
        commands += [["acl-add", "pg", "to-lport", "1000", f"outport==@pg && ip4.src=={a} && tcp.dst=={p}", "allow-related"]
                     for a, p in map(rule_of, range(self.rules - 1))]
        for start in range(0, len(commands), 100):
            self.nb(*[word for command in commands[start:start + 100] for word in ["--", *command]][1:])
        for attempt in range(6):  # ovn-controller 23.03 now and then stops before it has asked the switch for its features
            controller = self.daemon("ovn-controller", f"unix:{self.directory}/conf.sock")
            try:
                return until(lambda: subprocess.run(inside(self.a, "ping", "-c1", "-W1", self.address), stdout=subprocess.DEVNULL).returncode == 0,
                             "OVN's path", 10)
            except AssertionError:
                controller.terminate()
                controller.wait()
        raise AssertionError("OVN made no path")

    def daemon(self, *command):
        log = open(os.path.join(self.directory, os.path.basename(command[0]) + ".out"), "ab")
        self.servers.append(subprocess.Popen(inside(self.hub, *command), env=self.env, stdout=log, stderr=log))
        return self.servers[-1]

    def daemons(self):
        d = self.directory
        for name, schema in (("conf", "openvswitch/vswitch"), ("nb", "ovn/ovn-nb"), ("sb", "ovn/ovn-sb")):
            run("ovsdb-tool", "create", f"{d}/{name}.db", f"/usr/share/{schema}.ovsschema")
            self.daemon("ovsdb-server", f"--remote=punix:{d}/{name}.sock", f"--unixctl={d}/{name}.ctl", f"{d}/{name}.db")
            until(lambda: os.path.exists(f"{d}/{name}.sock"), f"ovsdb-server for {name}")
        self.vs("--no-wait", "init")
        self.vs("--no-wait", "set", "Open_vSwitch", ".", "external_ids:system-id=bench", f"external_ids:ovn-remote=unix:{d}/sb.sock",
                "external_ids:ovn-encap-type=geneve", "external_ids:ovn-encap-ip=127.0.0.1",
                "external_ids:ovn-bridge-datapath-type=netdev", "other_config:userspace-tso-enable=true")
        self.daemon("ovs-vswitchd", f"unix:{d}/conf.sock", f"--unixctl={d}/vs.ctl")
        self.vs("add-br", "br-int", "--", "set", "bridge", "br-int", "datapath_type=netdev", "fail-mode=secure")
        self.nb("init")
        self.daemon("ovn-northd", f"--ovnnb-db=unix:{d}/nb.sock", f"--ovnsb-db=unix:{d}/sb.sock", f"--unixctl={d}/northd.ctl")

    def vs(self, *command):
        run("ovs-vsctl", f"--db=unix:{self.directory}/conf.sock", "--timeout=60", *command, env=self.env)

    def nb(self, *command):
        run("ovn-nbctl", f"--db=unix:{self.directory}/nb.sock", "--timeout=120", *command, env=self.env)

    def close(self):
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Vpcd(Way):
    """Two instances of one cloud; each way has a VPC of its own."""
    GROUP = 60  # rules that a group may have

    def __init__(self, cloud, rules):
        super().__init__("vpcd", rules)
        self.cloud = cloud

    def make(self):
        cloud, number = self.cloud, 100 + self.rules % 97
        vpc = cloud.vpc(f"10.{number}.0.0/16", internet=False)
        near, far = cloud.subnet(vpc, f"10.{number}.1.0/24"), cloud.subnet(vpc, f"10.{number}.2.0/24")
        permissions = [tcp(p, cidr=f"{a}/32") for a, p in map(rule_of, range(self.rules - 2))]
        permissions += [tcp(0, 65535, cidr=f"10.{number}.0.0/16"), udp(0, 65535, cidr=f"10.{number}.0.0/16")]
        groups = [cloud.group(vpc, f"g{i}", permissions[i:i + self.GROUP]) for i in range(0, len(permissions), self.GROUP)]
        a, b = cloud.instance(near, groups), cloud.instance(far, groups)
        self.a, self.b, self.address = a.id, b.id, b.ip
        until(lambda: a.ping(b.ip) or a.opens(b.ip, 1, 0.2) or cloud.agent(cmd="status")["open"], "the path")

    def program(self):
        """ns a packet in the program at an interface while small packets run: (packets, ns), by the kernel's own statistics."""
        def so_far():
            shown = json.loads(run("bpftool", "-j", "prog", "show"))
            rows = [row for row in shown if row.get("name") == "stub_eni" and row.get("run_cnt")]  # it calls the others, and is measured with them
            return sum(row["run_cnt"] for row in rows), sum(row["run_time_ns"] for row in rows)

        with open("/proc/sys/kernel/bpf_stats_enabled", "w") as switch:
            switch.write("1")
        try:
            before = so_far()
            self.ends(1, "blast", self.address, BLAST_SECONDS)
            after = so_far()
        finally:
            with open("/proc/sys/kernel/bpf_stats_enabled", "w") as switch:
                switch.write("0")
        return after[0] - before[0], after[1] - before[1]
