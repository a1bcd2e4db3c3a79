# SPDX-License-Identifier: Apache-2.0
"""The whole product, as tests/netns has it, with instances on taps (ami-tap): opened by the test itself (Tap), or
by QEMU (machine.py)."""
import contextlib
import errno
import fcntl
import importlib.util
import os
import select
import struct
import subprocess
import sys

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(TOP, "tests/netns"))  # behind our own directory: for what its conftest imports
spec = importlib.util.spec_from_file_location("netns_conftest", os.path.join(TOP, "tests/netns/conftest.py"))
netns = importlib.util.module_from_spec(spec)
spec.loader.exec_module(netns)
import frames  # noqa: E402  of tests/netns

pytest_collection_modifyitems = netns.pytest_collection_modifyitems
until, BUILD, BOUND = netns.until, netns.BUILD, netns.BOUND

USER, UID = "nobody", 65534  # --tap-user
TUNSETIFF, TUNSETOFFLOAD, TUNSETPERSIST = 0x400454ca, 0x400454d0, 0x400454cb
OFFLOAD_SUMS, OFFLOAD_TSO4 = 1, 2
VNET = 10  # bytes of struct virtio_net_hdr


def link(device):
    """The device as `ip` shows it; "" when there is none."""
    return subprocess.run(["ip", "-d", "link", "show", device], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


class Tap:
    """A program that has a tap open, as one does that runs a virtual machine."""

    def __init__(self, device, offload=0, uid=UID):
        self.offload = offload
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        request = struct.pack("16sH22x", device.encode(), 0x0002 | 0x1000 | 0x4000)  # IFF_TAP, IFF_NO_PI, IFF_VNET_HDR
        try:
            os.seteuid(uid)  # who opens /dev/net/tun is the host's business; who takes the device, the kernel's
            fcntl.ioctl(self.fd, TUNSETIFF, request)
            fcntl.ioctl(self.fd, TUNSETOFFLOAD, offload)
        except OSError:
            os.close(self.fd)
            raise
        finally:
            os.seteuid(0)
        # The kernel begins to send a little after the device was opened.
        until(lambda: "state UP" in link(device) or ",UP" not in link(device), f"{device} is up")

    def send(self, frame, vnet=bytes(VNET)):
        os.write(self.fd, vnet + frame)

    def receive(self, wanted=lambda frame: True, what="a frame", bound=5):
        """The first frame that comes and that wanted(frame) likes; frame.vnet is its header of flags."""
        seen = []
        deadline = select.poll()
        deadline.register(self.fd, select.POLLIN)
        for _ in range(1000):
            assert deadline.poll(bound * 1000), f"{what} did not come; but {seen}"
            raw = os.read(self.fd, 70000)
            frame = frames.Frame(raw[VNET:])
            frame.vnet = raw[:VNET]
            if wanted(frame):
                return frame
            seen.append(frame)
        raise AssertionError(f"{what} did not come; but {seen[:10]}")

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Machine:
    """An instance on taps, whoever runs the machine behind them."""

    def __init__(self, cloud, row):
        self.cloud, self.id = cloud, row["InstanceId"]
        self.look(row)

    def look(self, row=None):
        if not row:
            row = self.cloud.client().describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]
        self.enis = sorted(row["NetworkInterfaces"], key=lambda e: e["Attachment"]["DeviceIndex"])
        self.state = row["State"]["Name"]
        if self.enis:
            self.eni, self.mac, self.ip = (self.enis[0][k] for k in ("NetworkInterfaceId", "MacAddress", "PrivateIpAddress"))
            self.ip6 = next((a["Ipv6Address"] for a in self.enis[0]["Ipv6Addresses"]), None)
        return self

    def taps(self):
        """What the agent says of its taps, by device index."""
        return self.cloud.agent(cmd="instance", instance=self.id).get("interfaces", [])

    def await_state(self, name):
        until(lambda: self.look().state == name, f"{self.id} is {name}")
        return self

    @property
    def tap(self):
        return self.taps()[0]["device"]


def vpcctl(cloud, *args, **more):
    """Runs vpcctl; the finished process with its output as text."""
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, *map(str, args)]
    more = {"stdin": subprocess.DEVNULL, "timeout": BOUND, **more}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


class Net:
    """A VPC of both families with two subnets; `open` lets everything in, `closed` nothing."""

    def __init__(self, cloud, cidr):
        self.cloud = cloud
        self.vpc = cloud.vpc(cidr, ipv6=True)
        cloud.client().modify_vpc_attribute(VpcId=self.vpc["VpcId"], EnableDnsHostnames={"Value": True})
        self.subnets = [cloud.subnet(self.vpc, cidr.replace("0.0/16", f"{n + 1}.0/24"), n) for n in range(2)]
        self.subnet = self.subnets[0]
        self.open = cloud.group(self.vpc, "open", [netns.everything(cidr="0.0.0.0/0"), netns.everything(cidr6="::/0")])
        self.closed = cloud.group(self.vpc, "closed")

    def machine(self, groups=None, kind="t3.micro", interfaces=1, **more):
        """Its interfaces are in one subnet after the other."""
        nics = [{"DeviceIndex": n, "SubnetId": self.subnets[n], "Groups": groups or [self.open], "Ipv6AddressCount": 1}
                for n in range(interfaces)]
        made = self.cloud.client().run_instances(ImageId="ami-tap", InstanceType=kind, MinCount=1, MaxCount=1,
                                                 NetworkInterfaces=nics, **more)["Instances"][0]
        return Machine(self.cloud, self.cloud.running([made["InstanceId"]])[0])

    def peer(self, groups=None, subnet=0):
        return self.cloud.instance(self.subnets[subnet], groups or [self.open], ipv6=True)


def started(*options):
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no /dev/net/tun here")
    made = netns.Cloud(options=("--uplink-allow", "all", *options))
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="module")
def cloud():
    yield from started("--tap-user", USER)


@pytest.fixture
def own_cloud():
    """A vpcd of the test's own, to kill and to take down."""
    yield from started("--tap-user", USER)


@pytest.fixture(scope="module")
def net(cloud):
    return Net(cloud, "10.0.0.0/16")


@contextlib.contextmanager
def fails(number):
    try:
        yield
    except OSError as e:
        assert e.errno == number, f"{e} instead of {errno.errorcode[number]}"
    else:
        raise AssertionError(f"no error instead of {errno.errorcode[number]}")
