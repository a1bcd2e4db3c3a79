# SPDX-License-Identifier: Apache-2.0
"""The whole product on this machine, for tests with real packets.

                       host (root namespace)
    boto3 --HTTP-- vpcd worker --stream-- vpc-agent --BPF-- [veth] -- instance (namespace i-...)
                                              \\--BPF-- uplink veth -- host's stack (198.18.x.1)

`cloud` is one vpcd with its agent, a state directory of its own, and pools that are nobody's. Tests make
what they need with its EC2 client and send packets with commands in the instances' namespaces.
"""
import contextlib
import copy
import ctypes
import ipaddress
import itertools
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import boto3
import botocore.config
import pytest

import frames

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VPCD_BUILD", os.path.join(TOP, "build"))
BOUND = 30  # seconds that anything may take before the test gives up

for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]


def until(condition, what, bound=BOUND, pause=0.02):
    """Waits until condition() is true; its value. The pause only limits how often it is asked."""
    deadline = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {bound} s: {what}")
        select.select([], [], [], pause)


@contextlib.contextmanager
def inside(namespace):
    """This thread is in the network namespace (a file) meanwhile; sockets made here stay there."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as back, open(namespace) as there:
        if libc.setns(there.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            assert libc.setns(back.fileno(), 0x40000000) == 0


class Place:
    """A network namespace: an instance's, the host's own, or one that a test made. Sockets in it, held by the test."""
    namespace = "/proc/self/ns/net"
    device = None  # where its packets come in and go out
    ports = itertools.count(20000)

    def socket(self, *args):
        with inside(self.namespace):
            return socket.socket(*args)

    def tcp_socket(self, address):
        return self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)

    def serve(self, address, port):
        """A listening TCP socket; its kernel answers, accept() when you like."""
        s = self.tcp_socket(address)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(1024)
        s.settimeout(BOUND)
        return s

    def udp(self, address, port=0):
        s = self.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address, port))
        s.settimeout(BOUND)
        return s

    def dial(self, address, port, source=None, seconds=BOUND):
        """A connected TCP socket, or OSError."""
        s = self.tcp_socket(address)
        try:
            s.settimeout(seconds)
            if source:
                s.bind(source)
            s.connect((address, port))
            s.settimeout(BOUND)
            return s
        except OSError:
            s.close()
            raise

    def opens(self, address, port, seconds=5):
        """Whether a TCP connection comes about. For the answer no, refused() is faster and surer."""
        try:
            self.dial(address, port, seconds=seconds).close()
            return True
        except OSError:
            return False

    def refused(self, cloud, address, port, reason):
        """Begins a TCP connection and waits until its SYN was dropped for this reason, and for nothing else."""
        before = cloud.drops()
        with self.tcp_socket(address) as s:
            s.setblocking(False)
            s.connect_ex((address, port))
            until(lambda: cloud.drops().get(reason, 0) > before.get(reason, 0) or
                  s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or _connected(s), f"a drop for {reason}", 5)
            assert not _connected(s), f"{address} port {port} answered"
            assert cloud.drops().get(reason, 0) > before.get(reason, 0), \
                f"dropped for another reason: {before} {cloud.drops()}"
        return True

    def wire(self, device=None):
        return Wire(self, device or self.device)


def _connected(s):
    try:
        s.getpeername()
        return True
    except OSError:
        return False


class Wire:
    """A packet socket on a device: frames as they are, in and out."""

    def __init__(self, place, device):
        self.socket = place.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind((device, 3))  # ETH_P_ALL
        self.mac = frames.mac_text(self.socket.getsockname()[4])

    def send(self, *raw):
        for frame in raw:
            self.socket.send(frame)

    def receive(self, wanted, what="a frame", bound=5, seen=None):
        """The first frame that came in and that wanted(frame) likes; all before it are put into `seen`."""
        deadline = time.monotonic() + bound
        while True:
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                raw, where = self.socket.recvfrom(70000)
            except (socket.timeout, BlockingIOError):
                raise AssertionError(f"{what} did not come; but {seen}") from None
            if where[2] == socket.PACKET_OUTGOING:
                continue
            frame = frames.Frame(raw)
            if wanted(frame):
                return frame
            if seen is not None:
                seen.append(frame)

    def drain(self):
        """What came in so far, and forgets it."""
        self.socket.setblocking(False)
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                raw, where = self.socket.recvfrom(70000)
                if where[2] != socket.PACKET_OUTGOING:
                    got.append(frames.Frame(raw))
        return got

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Instance(Place):
    """An instance that runs; commands in its network namespace, as root of the host."""
    device = "eth0"

    def __init__(self, cloud, row):
        self.cloud, self.id = cloud, row["InstanceId"]
        self.namespace = f"/run/netns/{self.id}"
        self.ip = row["PrivateIpAddress"]
        self.public_ip = row.get("PublicIpAddress")
        self.eni = row["NetworkInterfaces"][0]["NetworkInterfaceId"]
        self.mac = row["NetworkInterfaces"][0]["MacAddress"]
        addresses6 = row["NetworkInterfaces"][0]["Ipv6Addresses"]
        self.ip6 = addresses6[0]["Ipv6Address"] if addresses6 else None

    def command(self, *args):
        return ["nsenter", f"--net=/run/netns/{self.id}", *map(str, args)]

    def run(self, *args, timeout=BOUND, check=True, **more):
        """Runs to its end; the finished process, with its output as text."""
        done = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, **more)
        if check:
            assert done.returncode == 0, f"{args} in {self.id}: {done.stdout}"
        return done

    def start(self, *args, **more):
        """In the background; ended with the test."""
        process = subprocess.Popen(self.command(*args), **more)
        self.cloud.processes.append(process)
        return process

    def ping(self, address, count=1, seconds=1):
        return self.run("ping", "-n", "-q", "-c", count, "-i", "0.05", "-W", seconds, address, check=False).returncode == 0

    def listen(self, port, address=None, family=4):
        """A TCP server that greets everybody with its instance's id and echoes; it listens at the return."""
        code = ("import socket,sys,threading\n"
                f"s=socket.socket({'socket.AF_INET6' if family == 6 else 'socket.AF_INET'})\n"
                "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n"
                f"s.bind(({address or ('::' if family == 6 else '0.0.0.0')!r}, {port})); s.listen(128)\n"
                "print('listening', flush=True)\n"
                "def serve(c):\n"
                f"    c.sendall(b'{self.id}\\n')\n"
                "    while True:\n"
                "        d = c.recv(65536)\n"
                "        if not d: break\n"
                "        c.sendall(d)\n"
                "    c.close()\n"
                "while True:\n"
                "    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()\n")
        process = self.start("/usr/bin/python3", "-c", code, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"listening\n"
        return process

    def connect(self, address, port, seconds=1.0):
        """The greeting of the server there, or None when no connection comes about in time."""
        code = ("import socket,sys\n"
                f"c=socket.create_connection(({address!r}, {port}), {seconds})\n"
                f"c.settimeout({seconds})\n"
                "print(c.makefile().readline().strip())\n")
        done = self.run("/usr/bin/python3", "-c", code, check=False)
        return done.stdout.strip() if done.returncode == 0 else None


def free_pools():
    """Pools of public addresses that no route of the host names: another run of these tests may have some, too."""
    while True:
        n = random.randrange(1, 512)
        pools = f"198.{18 + n // 256}.{n % 256}.0/24", f"2001:db8:{n % 256:x}00::/40"
        routes = subprocess.run(["ip", "-o", "route", "show", "table", "all"], stdout=subprocess.PIPE, text=True, check=True).stdout
        routes += subprocess.run(["ip", "-6", "-o", "route", "show", "table", "all"], stdout=subprocess.PIPE, text=True, check=True).stdout
        if n % 256 and not any(pool in routes for pool in pools):
            return pools


class Cloud:
    def __init__(self, pool=None, pool6=None, options=("--uplink-allow", "all")):
        """Pools of its own unless given."""
        free = free_pools()
        pool, pool6 = pool or free[0], pool6 or free[1]
        self.directory = tempfile.mkdtemp(prefix="vpcd-netns-")
        os.chmod(self.directory, 0o755)
        self.pool, self.pool6, self.options = pool, pool6, list(options)
        self.host = pool.rsplit(".", 1)[0] + ".1"
        self.host6 = pool6.split("/")[0] + "1"
        self.port, self.processes, self.supervisor = 0, [], None
        self.account_keys = None  # those of DIR/credentials

    # The daemons

    def start(self, build=BUILD):
        command = [os.path.join(build, "vpcd"), "--state-dir", self.directory, "--listen", f"127.0.0.1:{self.port}",
                   "--public-pool", self.pool, "--ipv6-pool", self.pool6, *self.options]
        if "--dns-upstream" not in self.options:
            command += ["--dns-upstream", "none"]  # nothing of a test leaves the machine
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.supervisor = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        line, deadline = b"", time.monotonic() + BOUND
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            ready = left > 0 and select.select([self.supervisor.stdout], [], [], left)[0]
            more = os.read(self.supervisor.stdout.fileno(), 4096) if ready else b""
            if not more:
                raise AssertionError("vpcd was not ready: " + self.log_text())
            line += more
        self.endpoint = line.decode().split()[-1]
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    def log_text(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as f:
            return f.read()

    def stop(self):
        """Ends the daemons; packets go on."""
        if self.supervisor and self.supervisor.poll() is None:
            self.supervisor.send_signal(signal.SIGTERM)
            self.supervisor.wait(BOUND)

    def down(self):
        self.stop()
        agent = self.agent_pid()
        if agent:
            os.kill(agent, signal.SIGTERM)
            until(lambda: not self.agent_pid(), "the agent's end")
        subprocess.run([os.path.join(BUILD, "vpc-agent"), "--state-dir", self.directory, "--down"], check=True,
                       timeout=BOUND)

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.down()
        shutil.rmtree(self.directory, ignore_errors=True)

    def pid_in(self, name):
        """The process that holds a lock file, or None."""
        path = os.path.join(self.directory, name)
        done = subprocess.run(["flock", "-n", path, "true"]) if os.path.exists(path) else None
        text = open(path).read().split() if done and done.returncode else []
        return int(text[0]) if text else None

    def agent_pid(self):
        return self.pid_in("agent/lock")

    def agent(self, **request):
        """What the agent's control socket answers."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(BOUND)
            s.connect(os.path.join(self.directory, "agent/control.sock"))
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile().readline())

    def drops(self):
        """Packets dropped by reason, since the data plane was made."""
        return {row["reason"]: row["packets"] for row in self.agent(cmd="drops")["drops"]}

    @contextlib.contextmanager
    def dropping(self, reason, packets=1):
        """What happens meanwhile makes this many packets be dropped for the reason (more, if others send too)."""
        before = self.drops()
        yield
        until(lambda: self.drops().get(reason, 0) >= before.get(reason, 0) + packets,
              f"{packets} dropped for {reason}: {before} {self.drops()}", 5)

    def host_place(self):
        """The host's own namespace, its device the host's end of the uplink."""
        place = Place()
        with open("/proc/net/route") as table:
            net = socket.inet_aton(self.pool.split("/")[0])[::-1].hex().upper()
            place.device = next(line.split()[0] for line in table if line.split()[1] == net)
        return place

    # The API

    def tenant(self):
        """The same cloud for another account."""
        def vpcctl(*args):
            return subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", self.directory, *args], check=True,
                                  stdout=subprocess.PIPE, text=True, timeout=BOUND).stdout
        other = copy.copy(self)
        other.account_keys = dict(re.findall(r"^(aws_\w+) = (\S+)$", vpcctl("key", "create", vpcctl("account", "create").strip()), re.M))
        return other

    def keys(self):
        if self.account_keys:
            return self.account_keys
        text = open(os.path.join(self.directory, "credentials")).read()
        return dict(re.findall(r"^(aws_\w+) = (\S+)$", text, re.M))

    def client(self, service="ec2", region="us-east-1"):
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region,
                            config=botocore.config.Config(retries={"max_attempts": 0}), **self.keys())

    def vpc(self, cidr="10.0.0.0/16", ipv6=False, internet=True):
        """A VPC with an internet gateway and routes to it."""
        ec2 = self.client()
        vpc = ec2.create_vpc(CidrBlock=cidr, AmazonProvidedIpv6CidrBlock=ipv6)["Vpc"]
        if internet:
            igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc["VpcId"])
            table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["RouteTables"][0]
            ec2.create_route(RouteTableId=table["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=igw)
            if ipv6:
                ec2.create_route(RouteTableId=table["RouteTableId"], DestinationIpv6CidrBlock="::/0", GatewayId=igw)
        return ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]

    def subnet(self, vpc, cidr, number6=None):
        """number6: which /64 of the VPC's /56."""
        more = {}
        if number6 is not None:
            prefix = vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
            more["Ipv6CidrBlock"] = str(list(ipaddress.ip_network(prefix).subnets(new_prefix=64))[number6])
        return self.client().create_subnet(VpcId=vpc["VpcId"], CidrBlock=cidr, **more)["Subnet"]["SubnetId"]

    def group(self, vpc, name, ingress=(), egress=None):
        """ingress and egress: lists of IpPermissions; egress None leaves the rule that lets all out."""
        ec2 = self.client()
        group = ec2.create_security_group(VpcId=vpc["VpcId"], GroupName=name, Description=name)["GroupId"]
        if ingress:
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(ingress))
        if egress is not None:
            rules = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
            ec2.revoke_security_group_egress(GroupId=group, IpPermissions=rules)
            if egress:
                ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(egress))
        return group

    def instance(self, subnet, groups, **more):
        """An instance that runs. More parameters of RunInstances may be given."""
        return self.instances(1, subnet, groups, **more)[0]

    def instances(self, count, subnet, groups, public=False, ipv6=False, address=None, **more):
        ec2 = self.client()
        nic = {"DeviceIndex": 0, "SubnetId": subnet, "Groups": list(groups), "AssociatePublicIpAddress": public}
        if ipv6:
            nic["Ipv6AddressCount"] = 1
        if address:
            nic["PrivateIpAddress"] = address
        ids = [i["InstanceId"] for i in ec2.run_instances(
            ImageId="ami-netns", InstanceType="t3.micro", MinCount=count, MaxCount=count, NetworkInterfaces=[nic],
            **more)["Instances"]]
        return [Instance(self, row) for row in self.running(ids)]

    def running(self, ids):
        """The rows of these instances, once all run."""
        ec2 = self.client()

        def look():
            rows = [i for r in ec2.describe_instances(InstanceIds=ids)["Reservations"] for i in r["Instances"]]
            assert all(i["State"]["Name"] in ("pending", "running") for i in rows), rows
            return all(i["State"]["Name"] == "running" for i in rows) and sorted(rows, key=lambda i: i["AmiLaunchIndex"])
        return until(look, f"{ids} run")


def tcp(first, last=None, cidr=None, group=None, cidr6=None):
    """An IpPermission for TCP ports."""
    return permission("tcp", first, last if last is not None else first, cidr, group, cidr6)


def udp(first, last=None, cidr=None, group=None, cidr6=None):
    return permission("udp", first, last if last is not None else first, cidr, group, cidr6)


def everything(cidr=None, group=None, cidr6=None):
    return permission("-1", -1, -1, cidr, group, cidr6)


def permission(protocol, first, last, cidr=None, group=None, cidr6=None):
    row = {"IpProtocol": protocol, "FromPort": first, "ToPort": last}
    if protocol == "-1":
        del row["FromPort"], row["ToPort"]
    if cidr:
        row["IpRanges"] = [{"CidrIp": cidr}]
    if cidr6:
        row["Ipv6Ranges"] = [{"CidrIpv6": cidr6}]
    if group:
        row["UserIdGroupPairs"] = [{"GroupId": group}]
    return row


def pytest_collection_modifyitems(items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root: network namespaces and BPF"))


@pytest.fixture(scope="session")
def cloud():
    made = Cloud()
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture
def own_cloud():
    """A vpcd of the test's own, to kill and to take down."""
    made = Cloud()
    try:
        made.start()
        yield made
    finally:
        made.close()
