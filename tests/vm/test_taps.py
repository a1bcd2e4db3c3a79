# SPDX-License-Identifier: Apache-2.0
"""Taps of instances (ami-tap), each opened by the test in a virtual machine's place, byte by byte.

    the test, as the machine --- tap v<hash>t<digits> --- BPF --- veth --- peer, a namespace instance
"""
import errno
import os
import signal
import struct
import subprocess

import pytest

import frames
from conftest import BOUND, BUILD, OFFLOAD_SUMS, OFFLOAD_TSO4, Net, TUNSETPERSIST, Tap, fails, fcntl, link, until, vpcctl

ROUTER = "06:00:00:00:00:01"


def exchanges(machine, peer, tap):
    """A datagram each way."""
    with peer.udp("0.0.0.0", 7001) as s:
        tap.send(frames.ether(ROUTER, machine.mac, frames.ipv4(machine.ip, peer.ip, frames.udp(7000, 7001, b"ping"))))
        data, where = s.recvfrom(100)
        assert (data, where) == (b"ping", (machine.ip, 7000))
        s.sendto(b"pong", where)
        return tap.receive(lambda f: f.protocol == frames.UDP and f.payload == b"pong", "the answer")


@pytest.fixture(scope="module")
def peer(net):
    return net.peer()


@pytest.fixture
def machine(net):
    made = net.machine()
    yield made
    net.cloud.client().terminate_instances(InstanceIds=[made.id])


def test_a_tap_as_it_is_made(cloud, net, machine):
    row, = machine.taps()
    text = link(row["device"])
    assert "tun type tap pi off vnet_hdr on persist on user nobody" in text and "mtu 9001" in text
    assert f"vpcd {cloud.directory} {machine.eni}" in text and "multi_queue" not in text
    assert "UP" in text and "NO-CARRIER" in text and not row["open"]
    assert (row["mac"], row["address"], row["addresses"]) == (machine.mac, machine.ip, [machine.ip, machine.ip6])
    assert open(f"/proc/sys/net/ipv6/conf/{row['device']}/disable_ipv6").read() == "1\n"
    filters = subprocess.run(["tc", "filter", "show", "dev", row["device"], "egress"], stdout=subprocess.PIPE, text=True).stdout
    assert "stub_guard" in filters
    for name in "ami-tap", "ami-00000000000746170":
        assert cloud.client().describe_images(ImageIds=[name])["Images"][0]["Name"] == "tap"


def test_packets_and_macs(cloud, machine, peer):
    with Tap(machine.tap) as tap:
        until(lambda: machine.taps()[0]["open"], "its carrier")
        answer = exchanges(machine, peer, tap)
        assert (answer.dst, answer.source, answer.destination, answer.faults) == (machine.mac, peer.ip, machine.ip, [])
        # Neighbours: the router and everybody else answer with one MAC; and IPv6.
        tap.send(frames.ether(frames.BROADCAST, machine.mac, frames.arp(1, machine.mac, machine.ip, "00:00:00:00:00:00", peer.ip), frames.ARP))
        told = tap.receive(lambda f: f.kind == frames.ARP and f.op == 2, "an ARP reply")
        assert (told.dst, told.spa) == (machine.mac, peer.ip)
        with peer.udp("::", 7001) as s:
            tap.send(frames.ether(ROUTER, machine.mac, frames.ipv6(machine.ip6, peer.ip6, frames.udp(7000, 7001, b"six"))))
            assert s.recvfrom(100)[1][:2] == (machine.ip6, 7000)
            s.sendto(b"answer", (machine.ip6, 7000))
        answer = tap.receive(lambda f: f.payload == b"answer", "the answer")
        assert (answer.dst, answer.faults) == (machine.mac, [])
        for reason, mac, source in (("spoofed-mac", "02:00:00:00:00:99", machine.ip), ("spoofed-address", machine.mac, "10.0.9.250")):
            with cloud.dropping(reason):
                tap.send(frames.ether(ROUTER, mac, frames.ipv4(source, peer.ip, frames.udp(7000, 7001, b"no"))))


def test_sums_by_what_the_machine_takes(machine, peer):
    """What a namespace sends has its checksum left to the device: done for who does not take it, left for who does."""
    for offload in 0, OFFLOAD_SUMS:
        with Tap(machine.tap, offload) as tap:
            with peer.udp("0.0.0.0") as s:
                s.sendto(b"sum" * 100, (machine.ip, 9))
            got = tap.receive(lambda f: f.protocol == frames.UDP and f.dport == 9, "the datagram")
            left = got.vnet[0] & 1  # VIRTIO_NET_HDR_F_NEEDS_CSUM
            assert (left, got.faults) == ((1, ["transport checksum"]) if offload else (0, []))


def test_segments_by_what_the_machine_takes(machine, peer):
    """A TCP segment of many packets is cut for who does not take such, with every sum right."""
    for offload in 0, OFFLOAD_SUMS | OFFLOAD_TSO4:
        with Tap(machine.tap, offload) as tap, peer.serve(peer.ip, 7100 + offload) as server:
            def send(flags, seq, ack):
                tap.send(frames.ether(ROUTER, machine.mac, frames.ipv4(machine.ip, peer.ip, frames.tcp(7000, 7100 + offload, flags, seq, ack))))
            send(frames.SYN, 1, 0)
            start = tap.receive(lambda f: f.flags == frames.SYN | frames.ACK, "SYN and ACK")
            there = struct.unpack("!I", start.transport[4:8])[0]
            send(frames.ACK, 2, there + 1)
            with server.accept()[0] as connection:
                connection.sendall(bytes(range(200)) * 16)  # 3,200 bytes; without an MSS option a segment has 536
                got, sizes = b"", []
                while len(got) < 3200:
                    f = tap.receive(lambda f: f.protocol == frames.TCP and f.payload, "a segment")
                    at = (struct.unpack("!I", f.transport[4:8])[0] - there - 1) % 2**32
                    assert offload or (f.faults == [] and not f.vnet[0] & 1)
                    if at == len(got):
                        got += f.payload
                        sizes.append(len(f.payload))
                    send(frames.ACK, 2, (there + 1 + len(got)) % 2**32)
                assert got == bytes(range(200)) * 16
                assert max(sizes) > 536 if offload else max(sizes) <= 536, sizes


def test_who_may_open_it(machine):
    with fails(errno.EPERM):
        Tap(machine.tap, uid=12345)
    with Tap(machine.tap), fails(errno.EBUSY): # a second one would read along
        Tap(machine.tap, uid=0)
    Tap(machine.tap, uid=0).close()


def test_nobody_reads(cloud, net, machine, peer):
    with peer.udp("0.0.0.0") as s:
        with cloud.dropping("tap-not-open", 3):
            for _ in range(3):
                s.sendto(b"hello", (machine.ip, 9))
        assert "a tap that nobody has open" in vpcctl(cloud, "status").stdout
        # Open, but its reader sleeps: the queue fills, and then packets are lost, and counted.
        with Tap(machine.tap):
            until(lambda: machine.taps()[0]["open"], "its carrier")
            for _ in range(3000):
                s.sendto(b"hello", (machine.ip, 9))
            assert until(lambda: machine.taps()[0]["lost"], "packets that were lost") >= 1000
            assert "packets lost" in vpcctl(cloud, "instance", machine.id).stdout
        with cloud.dropping("tap-not-open"):
            until(lambda: not machine.taps()[0]["open"], "its carrier's end")
            s.sendto(b"hello", (machine.ip, 9))
    assert machine.look().state == "running"
    assert exchanges(machine, peer, Tap(machine.tap)).faults == []


def test_stop_and_start(cloud, machine, peer):
    ec2 = cloud.client()
    device = machine.tap
    with Tap(device) as tap:
        exchanges(machine, peer, tap)
        ec2.stop_instances(InstanceIds=[machine.id])
        machine.await_state("stopped")
        assert "state DOWN" in link(device)
        with fails(errno.EIO):
            tap.send(bytes(64))
        with peer.udp("0.0.0.0") as s, cloud.dropping("no-link"):
            s.sendto(b"hello", (machine.ip, 7000))
        ec2.start_instances(InstanceIds=[machine.id])
        machine.await_state("running")
        assert machine.tap == device
        exchanges(machine, peer, tap)  # the same program goes on


def test_interfaces_come_and_go(cloud, net, machine, peer):
    ec2 = cloud.client()
    eni = ec2.create_network_interface(SubnetId=net.subnet, Groups=[net.open])["NetworkInterface"]["NetworkInterfaceId"]
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=machine.id, DeviceIndex=1)["AttachmentId"]
    row = until(lambda: machine.taps()[1:], "the second tap")[0]
    assert (row["id"], row["index"], row["mac"]) == (eni, 1, machine.look().enis[1]["MacAddress"])
    words = vpcctl(cloud, "instance", machine.id, "--qemu").stdout
    assert words.count("-netdev") == 2 and f"ifname={row['device']}," in words and f"mac={row['mac']}," in words
    with Tap(row["device"]) as tap:
        machine.mac, machine.ip = row["mac"], row["address"]
        exchanges(machine, peer, tap)
        # Whoever still has it open when it is detached has nothing in the hand.
        ec2.detach_network_interface(AttachmentId=attachment, Force=True)
        until(lambda: not link(row["device"]), "its end")
        with fails(errno.EBADFD):
            tap.send(bytes(64))
    assert len(machine.taps()) == 1
    # Elsewhere it is a veth; and back.
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=peer.id, DeviceIndex=1)
    until(lambda: not link(row["device"]) and row["mac"] in peer.run("ip", "link").stdout, "a veth in the namespace instance")
    ec2.detach_network_interface(AttachmentId=ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Attachment"]["AttachmentId"])
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=machine.id, DeviceIndex=1)
    with Tap(until(lambda: machine.taps()[1:], "the second tap")[0]["device"]) as tap:
        exchanges(machine, peer, tap)


def test_a_deleted_tap_is_made_again(machine, peer):
    row, = machine.taps()
    subprocess.run(["ip", "link", "delete", row["device"]], check=True)
    again = until(lambda: [t for t in machine.taps() if t["ifindex"] != row["ifindex"]], "another")[0]
    assert again["device"] == row["device"]
    with Tap(again["device"]) as tap:
        exchanges(machine, peer, tap)
        # The user may end its persistence, and then it goes with the descriptor.
        fcntl.ioctl(tap.fd, TUNSETPERSIST, 0)
    until(lambda: [t for t in machine.taps() if t["ifindex"] != again["ifindex"]], "a third")
    with Tap(machine.tap) as tap:
        exchanges(machine, peer, tap)


def test_a_name_that_is_taken(cloud, net, machine):
    """A device that is not ours keeps its name; the tap gets another."""
    ec2 = cloud.client()
    eni = ec2.create_network_interface(SubnetId=net.subnet, Groups=[net.open])["NetworkInterface"]["NetworkInterfaceId"]

    def attach():
        attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=machine.id, DeviceIndex=1)["AttachmentId"]
        return until(lambda: machine.taps()[1:], "the tap")[0]["device"], attachment
    name, attachment = attach()
    ec2.detach_network_interface(AttachmentId=attachment)
    until(lambda: not link(name), "its end")
    assert attach()[0] == name
    ec2.detach_network_interface(AttachmentId=ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Attachment"]["AttachmentId"])
    until(lambda: not link(name), "its end")
    subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name[:-1] + "-"], check=True)
    try:
        assert attach()[0] != name and "veth" in link(name)
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


def test_terminated_leaves_nothing(cloud, net):
    machine = net.machine(interfaces=2)
    devices = [t["device"] for t in machine.taps()]
    ec2 = cloud.client()
    ec2.modify_network_interface_attribute(NetworkInterfaceId=machine.enis[1]["NetworkInterfaceId"], Attachment={
        "AttachmentId": machine.enis[1]["Attachment"]["AttachmentId"], "DeleteOnTermination": False})
    with Tap(devices[0]):
        ec2.terminate_instances(InstanceIds=[machine.id])
        kept = machine.enis[1]["NetworkInterfaceId"]
        machine.await_state("terminated")
        until(lambda: not any(map(link, devices)), "the taps' end")
    left = [e["NetworkInterfaceId"] for e in ec2.describe_network_interfaces()["NetworkInterfaces"]]
    assert kept in left and machine.eni not in left
    assert cloud.agent(cmd="instance", instance=machine.id) == {"error": "no such instance on this host"}
    ec2.delete_network_interface(NetworkInterfaceId=kept)


def test_what_vpcctl_says(cloud, machine, peer):
    done = vpcctl(cloud, "exec", machine.id, "--", "true")
    assert done.returncode == 125 and "virtual machine" in done.stdout
    done = vpcctl(cloud, "console", machine.id)
    assert done.returncode == 1 and "virtual machine" in done.stdout
    assert cloud.client().get_console_output(InstanceId=machine.id).get("Output", "") == ""
    text = vpcctl(cloud, "instance", machine.id).stdout
    assert all(word in text for word in (machine.id, machine.ip, machine.ip6, machine.mac, machine.tap, "qemu-system-"))
    assert f"dev='{machine.tap}' managed='no'" in vpcctl(cloud, "instance", machine.id, "--libvirt").stdout
    assert f'"host_dev_name": "{machine.tap}"' in vpcctl(cloud, "instance", machine.id, "--firecracker").stdout
    assert vpcctl(cloud, "instance", peer.id).returncode == 0
    assert vpcctl(cloud, "instance", peer.id, "--qemu").returncode == 1
    assert vpcctl(cloud, "instance", "i-0123456789abcdef0").returncode == 1
    assert vpcctl(cloud, "instance").returncode == 2
    # vhost where the kernel has it: seen in mounts of its own, so nobody else is told of a device that is none.
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "instance", machine.id, "--qemu"]
    for vhost in False, True:
        script = f"mount -t tmpfs none /dev; {'touch /dev/vhost-net' if vhost else 'true'}; exec \"$@\""
        done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *command], stdout=subprocess.PIPE, text=True, timeout=BOUND)
        assert (",vhost=on " in done.stdout) == vhost and "ifname=" in done.stdout


def test_an_agent_that_is_killed(own_cloud):
    net = Net(own_cloud, "10.1.0.0/16")
    machine, peer, stopped = net.machine(), net.peer(), net.machine()
    own_cloud.client().stop_instances(InstanceIds=[stopped.id])
    stopped.await_state("stopped")
    before, down = machine.taps(), stopped.tap
    with Tap(machine.tap) as tap:
        agent = own_cloud.agent_pid()
        own_cloud.supervisor.kill()
        own_cloud.supervisor.wait()
        os.kill(agent, signal.SIGKILL)
        until(lambda: not own_cloud.agent_pid(), "the agent's end")
        exchanges(machine, peer, tap)  # nobody is needed for that
        own_cloud.options[own_cloud.options.index("nobody")] = "daemon"
        own_cloud.start()
        assert [dict(t, open=False) for t in machine.taps()] == [dict(t, open=False) for t in before]
        exchanges(machine, peer, tap)
        assert "keeps the user" in own_cloud.log_text()
    assert "state DOWN" in link(down) and stopped.look().state == "stopped"
    # One that nobody has open gets the new user.
    assert open(f"/sys/class/net/{down}/owner").read() == "1\n" and open(f"/sys/class/net/{machine.tap}/owner").read() == "65534\n"
    assert vpcctl(own_cloud, "exec", machine.id, "--", "true").returncode == 125


def test_down_with_an_open_tap(own_cloud):
    net = Net(own_cloud, "10.2.0.0/16")
    machine = net.machine(interfaces=2)
    devices = [t["device"] for t in machine.taps()]
    with Tap(devices[0]):
        assert vpcctl(own_cloud, "down", timeout=60).returncode == 0
        own_cloud.supervisor.wait(BOUND)
        assert not any(map(link, devices))
    # As after the machine's restart: what should run gets its taps again, by the names that configurations have.
    own_cloud.start()
    until(lambda: [t["device"] for t in machine.taps()] == devices, "its taps")
    peer = net.peer()
    with Tap(machine.tap) as tap:
        exchanges(machine, peer, tap)


def test_a_user_that_is_not_there():
    done = subprocess.run([os.path.join(BUILD, "vpc-agent"), "--state-dir", "/nonexistent", "--tap-user", "no-such-user"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BOUND)
    assert done.returncode == 78 and "no such user" in done.stdout


def test_a_host_without_taps(own_cloud, tmp_path):
    """The instance does not run, and says why. (vpcd stands in mounts where /dev/net/tun is not.)"""
    own_cloud.stop()
    program = tmp_path / "vpcd"
    program.write_text("#!/bin/sh\nexec unshare -m sh -c 'mount -t tmpfs none /dev/net; exec \"$@\"' sh "
                       f'{os.path.join(BUILD, "vpcd")} "$@"\n')
    program.chmod(0o755)
    own_cloud.start(build=str(tmp_path))
    net = Net(own_cloud, "10.3.0.0/16")
    made = own_cloud.client().run_instances(ImageId="ami-tap", MinCount=1, MaxCount=1, SubnetId=net.subnet)["Instances"][0]

    def end():
        row = own_cloud.client().describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
        return row if row["State"]["Name"] == "terminated" else None
    assert "/dev/net/tun is missing" in until(end, "its end")["StateReason"]["Message"]
