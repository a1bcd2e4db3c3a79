# SPDX-License-Identifier: Apache-2.0
"""A virtual machine in a VPC: Debian's kernel in QEMU, its network as `vpcctl instance` says.

    QEMU, the user of --tap-user
      net0  all offloads      --- tap --- BPF --- veth --- near, friend, stranger   (subnet 10.0.1.0/24)
      net1  no offload at all --- tap --- BPF --- veth --- beside                   (subnet 10.0.2.0/24)
      net2  plugged in while it runs

What QEMU's cards see is dumped (Guest.dump), so what a test expects of frames is what the machine got.
"""
import hashlib
import os
import random
import signal
import threading

import pytest

import frames
from conftest import netns, until, vpcctl
from qemu import Guest

NO_OFFLOAD = ",csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off," \
             "host_tso4=off,host_tso6=off,host_ecn=off,host_ufo=off"
BLOB = random.Random(7).randbytes(2_000_000)


def plain(words):
    """The second card offers nothing to the machine."""
    return [word + NO_OFFLOAD if ",netdev=net1," in word else word for word in words]


@pytest.fixture(scope="module")
def groups(cloud, net):
    """`machine` lets group `friend` in by TCP 80, of both families, and everybody by TCP 7."""
    friend = cloud.group(net.vpc, "friend")
    web = cloud.group(net.vpc, "web", [netns.tcp(80, group=friend), netns.tcp(7, cidr="0.0.0.0/0", cidr6="::/0")])
    cloud.client().authorize_security_group_ingress(GroupId=friend, IpPermissions=[netns.tcp(7, group=web)])
    return {"friend": friend, "web": web}


@pytest.fixture(scope="module")
def machine(net, groups):
    return net.machine(groups=[groups["web"]], kind="t3.medium", interfaces=2)


@pytest.fixture(scope="module")
def guest(machine):
    with Guest(machine, plain) as made:
        for n in range(2):
            made.configure(machine.enis[n])
        made.run("mkdir /www && httpd -p 80 -h /www && (nc -ll -p 7 -e cat &)")
        yield made


@pytest.fixture(scope="module")
def friend(net, groups):
    return net.peer([groups["friend"]])


@pytest.fixture(scope="module")
def beside(net, groups):
    return net.peer([groups["friend"]], subnet=1)


def fetch(place, address, path="/blob"):
    """What the machine's web server answers to this place."""
    with place.dial(address, 80) as s:
        s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        answer = b""
        while more := s.recv(65536):
            answer += more
    return answer.split(b"\r\n\r\n", 1)[1]


def serve(place, address, data):
    """Gives the data to whoever connects to TCP port 7 of this place, once."""
    listener = place.serve(address, 7)

    def work():
        with listener, listener.accept()[0] as s:
            s.sendall(data)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_its_cards(machine, guest):
    """One for each interface, with its MAC and the VPC's MTU, its addresses by DHCP; the first is eth0."""
    for n, eni in enumerate(machine.enis):
        name = guest.device(eni["MacAddress"])
        assert name == f"eth{n}" and guest.run(f"cat /sys/class/net/{name}/mtu") == "9001\n"
    assert all(t["open"] for t in machine.taps())
    assert "a tap, open" in vpcctl(machine.cloud, "status").stdout


def test_groups_decide(cloud, net, groups, machine, guest, friend):
    """Both ways and both families: who may, may; who may not, is refused for that reason."""
    stranger = net.peer([net.closed])
    guest.run("echo hello >/www/hello")
    for to_guest, to_friend, to_stranger in ((machine.ip, friend.ip, stranger.ip), (machine.ip6, friend.ip6, stranger.ip6)):
        assert fetch(friend, to_guest, "/hello") == b"hello\n"
        assert stranger.refused(cloud, to_guest, 80, "security-group-ingress")
        thread = serve(friend, to_friend, b"greetings\n")
        assert guest.run(f"nc -w 5 {to_friend} 7") == "greetings\n"
        thread.join(5)
        with cloud.dropping("security-group-ingress"):
            guest.run(f"nc -w 1 {to_stranger} 7", check=False)
        with cloud.dropping("security-group-ingress"):
            guest.run(f"nc -w 1 {to_friend} 22", check=False)
    # A rule less: new connections are refused, at once.
    ec2, rule = cloud.client(), [netns.tcp(80, group=groups["friend"])]
    ec2.revoke_security_group_ingress(GroupId=groups["web"], IpPermissions=rule)
    assert friend.refused(cloud, machine.ip, 80, "security-group-ingress")
    ec2.authorize_security_group_ingress(GroupId=groups["web"], IpPermissions=rule)
    assert fetch(friend, machine.ip, "/hello") == b"hello\n"


def test_services_of_the_link(cloud, net, machine, guest, friend):
    """Names, metadata: the machine asks what EC2's images ask, and is answered as itself."""
    name = "ip-" + friend.ip.replace(".", "-")
    assert guest.run("cat /etc/resolv.conf") == "nameserver 10.0.0.2\nsearch ec2.internal\n"
    assert guest.run("hostname") == "ip-" + machine.ip.replace(".", "-") + "\n"
    for server in "", "169.254.169.253", "fd00:ec2::253":
        assert f"Address: {friend.ip}\n" in guest.run(f"nslookup -type=a {name}.ec2.internal {server}")
    assert f"name = {name}.ec2.internal" in guest.run(f"nslookup {friend.ip}")
    token = guest.run(r"printf 'PUT /latest/api/token HTTP/1.0\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n' | "
                      "nc 169.254.169.254 80").split("\r\n\r\n")[1].strip()
    for path, want in (("instance-id", machine.id), ("local-ipv4", machine.ip), ("mac", machine.mac),
                       ("network/interfaces/macs", "".join(sorted(f"{e['MacAddress']}/\n" for e in machine.enis)).strip())):
        got = guest.run(f"wget -qO- --header 'X-aws-ec2-metadata-token: {token}' http://169.254.169.254/latest/meta-data/{path}")
        assert "\n".join(sorted(got.split())) == want, path
    status, text = guest.run("wget -qO- --header 'X-aws-ec2-metadata-token: no' http://169.254.169.254/latest/meta-data/mac", check=None)
    assert status == 1 and "401" in text


def bulk(guest, place, addresses):
    """Two megabytes each way, both families; they arrive as they were sent."""
    want = hashlib.sha256(BLOB).hexdigest()
    for to_guest, to_place in addresses:
        thread = serve(place, to_place, BLOB)
        assert guest.run(f"nc -w 5 {to_place} 7 >/www/blob; sha256sum </www/blob").split()[0] == want
        thread.join(5)
        assert hashlib.sha256(fetch(place, to_guest)).hexdigest() == want


def check_dump(dumped, mac):
    """Every frame to the machine bears its MAC (or is for many); none is for somebody else. Those with TCP data."""
    got = [f for f in dumped if f.src != mac]
    assert got and all(f.dst == mac or int(f.dst[:2], 16) & 1 for f in got), got
    assert all(f.src == mac for f in dumped if f not in got)
    data = [f for f in got if f.protocol == frames.TCP and f.payload]
    assert data and {f.dst for f in data} == {mac}
    return data


def test_all_offloads(machine, guest, friend):
    """Segments of many packets reach the machine, and leave it, whole: with their sums left to others."""
    bulk(guest, friend, ((machine.ip, friend.ip), (machine.ip6, friend.ip6)))
    dumped = guest.dump("net0")
    data = check_dump(dumped, machine.mac)
    for family in frames.IPV4, frames.IPV6:
        big = [f for f in data if f.kind == family and f.length > 9001]
        assert big and all(f.vnet[0] & 1 and f.vnet[1] for f in big)
        assert any(f.length > 9001 for f in dumped if f.src == machine.mac and f.kind == family)


def test_no_offload(machine, guest, beside):
    """To a machine that takes none, every packet comes with a right checksum, and none is larger than its MTU."""
    eni = machine.enis[1]
    bulk(guest, beside, ((eni["PrivateIpAddress"], beside.ip), (eni["Ipv6Addresses"][0]["Ipv6Address"], beside.ip6)))
    dumped = guest.dump("net1")
    data = check_dump(dumped, eni["MacAddress"])
    for family in frames.IPV4, frames.IPV6:
        assert len([f for f in data if f.kind == family]) >= len(BLOB) // 9001
    for f in dumped:
        assert not f.faults and not f.vnet[0] & 1 and not f.vnet[1], f
        assert len(f.raw) <= 9001 + 14, f


def test_the_agent_is_killed(cloud, machine, guest, friend):
    """A connection goes on, while there is no agent and afterwards; and new ones open meanwhile."""
    with friend.dial(machine.ip, 7) as s:
        def echo(data):
            s.sendall(data)
            assert s.recv(100) == data
        echo(b"1")
        agent = cloud.agent_pid()
        os.kill(agent, signal.SIGKILL)
        echo(b"2")
        assert friend.opens(machine.ip, 80)
        until(lambda: cloud.agent_pid() not in (None, agent), "another agent")

        def there():
            try:
                return [t for t in machine.taps() if t["open"]]
            except (OSError, ValueError):
                return []
        until(lambda: len(there()) == 2, "the taps at the new agent")
        echo(b"3")


def test_an_interface_is_plugged_in_while_it_runs(cloud, net, groups, machine, guest, friend):
    """AttachNetworkInterface makes the tap; netdev_add and device_add of QEMU's monitor, the card."""
    ec2 = cloud.client()
    eni = ec2.create_network_interface(SubnetId=net.subnets[1], Groups=[groups["web"]], Ipv6AddressCount=1)["NetworkInterface"]
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"], InstanceId=machine.id, DeviceIndex=2)
    tap = until(lambda: machine.taps()[2:], "the tap")[0]
    guest.qmp("netdev_add", type="tap", id="net2", ifname=tap["device"], script="no", downscript="no")
    guest.qmp("device_add", driver="virtio-net-pci", id="eni2", netdev="net2", mac=tap["mac"], host_mtu=tap["mtu"])
    name = guest.device(eni["MacAddress"])
    assert name == "eth2" and guest.run(f"cat /sys/class/net/{name}/mtu") == "9001\n"
    # The second subnet through this card, in place of the other one; its addresses come by DHCP, too.
    guest.run("ip link set eth1 down")
    assert guest.configure(eni) == "eth2"
    try:
        peer = net.peer([groups["friend"]], subnet=1)
        guest.run("echo plugged >/www/hello")
        for address in eni["PrivateIpAddress"], eni["Ipv6Addresses"][0]["Ipv6Address"]:
            assert fetch(peer, address, "/hello") == b"plugged\n"
        # Out in the other order: first the card, then the tap.
        guest.qmp("device_del", id="eni2")
        guest.event("DEVICE_DELETED", device="eni2")
        assert not guest.run(f"grep -il {eni['MacAddress']} /sys/class/net/*/address", check=None)[1]
        guest.qmp("netdev_del", id="net2")
        until(lambda: not machine.taps()[2]["open"], "QEMU closes it")
        ec2.detach_network_interface(AttachmentId=attachment["AttachmentId"])
        until(lambda: len(machine.taps()) == 2, "the tap's end")
        assert fetch(friend, machine.ip, "/hello") == b"plugged\n"
    finally:
        guest.run("ip link set eth1 up")


def test_stopped_and_started(cloud, machine, guest, friend):
    """The machine lives on with its cable pulled, and goes on when it is plugged in again."""
    ec2 = cloud.client()
    assert friend.opens(machine.ip, 80)
    ec2.stop_instances(InstanceIds=[machine.id])
    machine.await_state("stopped")
    assert friend.refused(cloud, machine.ip, 80, "no-link")
    assert not friend.opens(machine.ip, 80, seconds=0.2) and guest.run("echo alive") == "alive\n"
    ec2.start_instances(InstanceIds=[machine.id])
    machine.await_state("running")
    assert friend.opens(machine.ip, 80)


def test_the_machine_ends(cloud, machine, guest, friend):
    """Nobody reads any more: packets are counted as such, the instance is as it was."""
    guest.process.kill()
    guest.process.wait()
    until(lambda: not any(t["open"] for t in machine.taps()), "the taps' end")
    assert friend.refused(cloud, machine.ip, 80, "tap-not-open")
    assert machine.look().state == "running"
