# SPDX-License-Identifier: Apache-2.0
"""Addresses and interfaces that come, go and move while instances run.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a eth0, b eth0          [open]
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- a eth1 or b eth1 (nic)  [second], g eth0 [guarded: group open only]
    host --- uplink
"""
import itertools
import types

import pytest

from conftest import BOUND, everything, until
from frames import ARP, BROADCAST, arp, ether, ip, ipv4, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(20000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = cloud.vpc(ipv6=True)
    w.near, w.far = cloud.subnet(w.vpc, "10.0.1.0/24", 1), cloud.subnet(w.vpc, "10.0.2.0/24", 2)
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    w.open, w.second = cloud.group(w.vpc, "open", all_of, egress=all_of), cloud.group(w.vpc, "second", all_of, egress=all_of)
    w.guarded = cloud.group(w.vpc, "guarded", [everything(group=w.open)])
    w.a, w.b = cloud.instances(2, w.near, [w.open], ipv6=True)
    w.g = cloud.instance(w.far, [w.guarded], ipv6=True)
    w.at_a, w.at_b, w.at_g = w.a.wire(), w.b.wire(), w.g.wire()
    w.wires = {w.a.id: w.at_a, w.b.id: w.at_b, w.g.id: w.at_g}
    return w


def verdict(w, frame, wire, at, reason):
    """True: the frame arrived; False: it was dropped for this reason."""
    data = frame[14:]
    at.drain()
    before = w.cloud.drops().get(reason, 0)
    wire.send(frame)
    return until(lambda: [f for f in at.drain() if f.raw[14:] == data] or ("dropped" if w.cloud.drops().get(reason, 0) > before else None),
                 f"arrival or {reason}", 5, 0.001) != "dropped"


def sends(w, who, source, to, reason="spoofed-address"):
    """Whether `who` may send from this address."""
    target = to.ip if "." in source else to.ip6
    return verdict(w, ether(ROUTER_MAC, who.mac, ip(source, target, udp(next(ports), 9, b"from"))), w.wires[who.id], w.wires[to.id], reason)


def reaches(w, address, who, at, reason="no-such-address"):
    """Whether a packet of `who` to the address arrives at `at`."""
    source = who.ip if "." in address else who.ip6
    return verdict(w, ether(ROUTER_MAC, who.mac, ip(source, address, udp(next(ports), 9, b"to"))), w.wires[who.id], w.wires[at.id], reason)


ASSIGN = {4: ("assign_private_ip_addresses", "unassign_private_ip_addresses", "PrivateIpAddresses"),
          6: ("assign_ipv6_addresses", "unassign_ipv6_addresses", "Ipv6Addresses")}


@pytest.mark.parametrize("family", [4, 6])
def test_secondary_addresses(w, family):
    """One's own as soon as it is assigned, for sources, destinations and rules that name a group; nobody's afterwards."""
    address = "10.0.1.100" if family == 4 else w.a.ip6.rsplit(":", 4)[0] + ":abcd:0:0:100"
    assign, unassign, key = ASSIGN[family]
    assert not sends(w, w.a, address, w.b)
    assert not reaches(w, address, w.b, w.a)
    getattr(w.ec2, assign)(NetworkInterfaceId=w.a.eni, **{key: [address]})
    until(lambda: sends(w, w.a, address, w.b), "the address as a source", 5)
    until(lambda: reaches(w, address, w.b, w.a), "the address as a destination", 5)
    assert sends(w, w.a, address, w.g, "security-group-ingress"), "the group of the interface is that of each of its addresses"
    until(lambda: address.replace(":0:0:", "::") in w.a.run("ip", "addr", "show", "dev", "eth0").stdout, "the address on the device")
    with w.a.serve(address, 80) as server, w.b.dial(address, 80) as c, server.accept()[0] as s:
        s.settimeout(BOUND)
        c.sendall(b"?")
        assert s.recv(1) == b"?"
        assert not sends(w, w.b, address, w.a), "nobody else's"
        getattr(w.ec2, unassign)(NetworkInterfaceId=w.a.eni, **{key: [address]})
        until(lambda: not sends(w, w.a, address, w.b), "its end as a source", 5)
        until(lambda: not reaches(w, address, w.b, w.a), "its end as a destination", 5)
        with w.cloud.dropping("no-such-address"):
            c.sendall(b"?")
    until(lambda: address.replace(":0:0:", "::") not in w.a.run("ip", "addr", "show", "dev", "eth0").stdout, "its end on the device")


@pytest.mark.parametrize("family", [4, 6])
def test_prefixes(w, family):
    """Every address of a /28 or /80 is the interface's, none beside it; on its device only who puts it there."""
    head = w.a.ip6.rsplit(":", 4)[0] + ":abc"
    used = [int(i.ip.rsplit(".", 1)[1]) // 16 for i in (w.a, w.b)]
    free = 16 * next(n for n in range(1, 14) if n not in used and n + 1 not in used)
    prefix, first, last, beside = \
        (f"10.0.1.{free}/28", f"10.0.1.{free}", f"10.0.1.{free + 15}", f"10.0.1.{free + 16}") if family == 4 else \
        (head + "d::/80", head + "d::", head + "d:ffff:ffff:ffff", head + "e::")
    assign, unassign, _ = ASSIGN[family]
    key = f"Ipv{family}Prefixes"
    assert not sends(w, w.a, last, w.b)
    getattr(w.ec2, assign)(NetworkInterfaceId=w.a.eni, **{key: [prefix]})
    until(lambda: sends(w, w.a, last, w.b), "the last address as a source", 5)
    assert sends(w, w.a, first, w.b) and not sends(w, w.a, beside, w.b) and not sends(w, w.b, last, w.a)
    assert reaches(w, first, w.b, w.a) and reaches(w, last, w.b, w.a) and not reaches(w, beside, w.b, w.a)
    assert sends(w, w.a, last, w.g, "security-group-ingress"), "the group of the interface is that of the prefix, too"
    w.a.run("ip", "addr", "add", f"{last}/{32 if family == 4 else 128}", "dev", "eth0",
            *(["nodad"] if family == 6 else []))
    with w.a.serve(last, 80) as server, w.b.dial(last, 80) as c, server.accept()[0] as s:
        s.settimeout(BOUND)
        c.sendall(b"?")
        assert s.recv(1) == b"?"
    getattr(w.ec2, unassign)(NetworkInterfaceId=w.a.eni, **{key: [prefix]})
    until(lambda: not sends(w, w.a, last, w.b), "its end as a source", 5)
    until(lambda: not reaches(w, first, w.b, w.a), "its end as a destination", 5)
    w.a.run("ip", "addr", "del", f"{last}/{32 if family == 4 else 128}", "dev", "eth0", check=False)


def test_an_address_reassigned_to_another(w):
    address = "10.0.1.101"
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.a.eni, PrivateIpAddresses=[address])
    until(lambda: sends(w, w.a, address, w.b), "a has it", 5)
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.b.eni, PrivateIpAddresses=[address], AllowReassignment=True)
    until(lambda: sends(w, w.b, address, w.a), "b has it", 5)
    assert not sends(w, w.a, address, w.b)
    w.at_a.send(ether(BROADCAST, w.a.mac, arp(1, w.a.mac, w.a.ip, "00:00:00:00:00:00", address), ARP))
    assert w.at_a.receive(lambda f: f.kind == ARP and f.spa == address).sha == w.b.mac
    w.ec2.unassign_private_ip_addresses(NetworkInterfaceId=w.b.eni, PrivateIpAddresses=[address])
    until(lambda: not sends(w, w.b, address, w.a), "nobody has it", 5)


def test_an_address_given_to_another(w):
    """Taken from one interface and then given to another of the subnet."""
    address = "10.0.1.103"
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.a.eni, PrivateIpAddresses=[address])
    until(lambda: sends(w, w.a, address, w.b), "a has it", 5)
    w.ec2.unassign_private_ip_addresses(NetworkInterfaceId=w.a.eni, PrivateIpAddresses=[address])
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.b.eni, PrivateIpAddresses=[address])
    until(lambda: sends(w, w.b, address, w.a), "b has it", 5)
    assert not sends(w, w.a, address, w.b)
    w.ec2.unassign_private_ip_addresses(NetworkInterfaceId=w.b.eni, PrivateIpAddresses=[address])
    until(lambda: not sends(w, w.b, address, w.a), "nobody has it", 5)


def test_an_elastic_address_of_a_secondary_one(w):
    """1:1 by address, not by interface: the primary one still has none."""
    address = "10.0.1.102"
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.a.eni, PrivateIpAddresses=[address])
    eip = w.ec2.allocate_address(Domain="vpc")
    w.ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=w.a.eni, PrivateIpAddress=address)
    with w.host.wire() as up:
        def out(source):
            before = w.cloud.drops().get("no-public-address", 0)
            up.drain()
            w.at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(source, w.cloud.host, udp(next(ports), 9, b"out"))))
            return until(lambda: [f.source for f in up.drain() if f.payload == b"out"] or
                         ("dropped" if w.cloud.drops().get("no-public-address", 0) > before else None), "arrival or drop", 5)
        until(lambda: out(address) == [eip["PublicIp"]], "the association", 5)
        assert out(w.a.ip) == "dropped"
        w.at_a.drain()
        up.send(ether(ROUTER_MAC, up.mac, ipv4(w.cloud.host, eip["PublicIp"], udp(1, 9, b"in"))))
        assert w.at_a.receive(lambda f: f.payload == b"in").destination == address
        association = w.ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0]["AssociationId"]
        w.ec2.disassociate_address(AssociationId=association)
        until(lambda: out(address) == "dropped", "the end of the association", 5)
    w.ec2.release_address(AllocationId=eip["AllocationId"])
    w.ec2.unassign_private_ip_addresses(NetworkInterfaceId=w.a.eni, PrivateIpAddresses=[address])


def nobody(w, address):
    """Whether a packet to it is dropped because nobody has the address; on its way out the interface has it without a device."""
    before = w.cloud.drops().get("no-such-address", 0)
    w.at_b.send(ether(ROUTER_MAC, w.b.mac, ipv4(w.b.ip, address, udp(next(ports), 9))))
    w.at_b.send(ether(ROUTER_MAC, w.b.mac, ipv4(w.b.ip, w.a.ip, udp(next(ports), 9, b"marker"))))
    w.at_a.receive(lambda f: f.payload == b"marker")
    return w.cloud.drops().get("no-such-address", 0) > before


def attach(w, nic, to):
    attachment = w.ec2.attach_network_interface(NetworkInterfaceId=nic["NetworkInterfaceId"], InstanceId=to.id, DeviceIndex=1)["AttachmentId"]
    until(lambda: nic["PrivateIpAddress"] in to.run("ip", "addr", "show", "dev", "eth1", check=False).stdout, "the interface is there")
    return attachment


def test_a_second_interface(w):
    """Each interface has its own MAC, addresses and groups: none may borrow from its sister, though one root has both.
    Moved to another instance, all of it moves along."""
    nic = w.ec2.create_network_interface(SubnetId=w.far, Groups=[w.second], Ipv6AddressCount=1)["NetworkInterface"]
    own, own6, mac = nic["PrivateIpAddress"], nic["Ipv6Addresses"][0]["Ipv6Address"], nic["MacAddress"]
    assert not reaches(w, own, w.b, w.a, "no-such-address"), "an interface that is attached to nothing"
    attachment = attach(w, nic, w.a)
    with w.a.wire("eth1") as at_eth1:
        def send(wire, src_mac, source, target, at, reason):
            return verdict(w, ether(ROUTER_MAC, src_mac, ip(source, target, udp(next(ports), 9, b"x"))), wire, at, reason)
        assert send(at_eth1, mac, own, w.b.ip, w.at_b, "spoofed-address")
        assert send(at_eth1, mac, own6, w.b.ip6, w.at_b, "spoofed-address")
        assert not send(at_eth1, mac, w.a.ip, w.b.ip, w.at_b, "spoofed-address"), "the sister's address"
        assert not send(at_eth1, mac, w.a.ip6, w.b.ip6, w.at_b, "spoofed-address")
        assert not send(at_eth1, w.a.mac, own, w.b.ip, w.at_b, "spoofed-mac"), "the sister's MAC"
        assert not send(w.at_a, w.a.mac, own, w.b.ip, w.at_b, "spoofed-address")
        assert not send(w.at_a, mac, own, w.b.ip, w.at_b, "spoofed-mac")
        assert not send(at_eth1, mac, own, w.g.ip, w.at_g, "security-group-ingress"), "the sister's group"
        assert send(w.at_a, w.a.mac, w.a.ip, w.g.ip, w.at_g, "security-group-ingress")
        w.at_b.send(ether(ROUTER_MAC, w.b.mac, ipv4(w.b.ip, own, udp(1, 9, b"to eth1"))))
        assert at_eth1.receive(lambda f: f.payload == b"to eth1").dst == mac
    with w.a.serve(own, 80) as server, w.b.dial(own, 80) as c, server.accept()[0] as s:
        s.settimeout(BOUND)
        c.sendall(b"?")
        assert s.recv(1) == b"?"
        w.ec2.detach_network_interface(AttachmentId=attachment)
        until(lambda: nobody(w, own), "it is detached", 10)
        with w.cloud.dropping("no-such-address"):
            c.sendall(b"?")
    until(lambda: w.ec2.describe_network_interfaces(NetworkInterfaceIds=[nic["NetworkInterfaceId"]])["NetworkInterfaces"][0]["Status"] == "available",
          "it may be attached again")
    attachment = attach(w, nic, w.b)
    with w.b.wire("eth1") as at_eth1:
        w.at_a.send(ether(ROUTER_MAC, w.a.mac, ipv4(w.a.ip, own, udp(1, 9, b"moved"))))
        assert at_eth1.receive(lambda f: f.payload == b"moved").dst == mac
    w.ec2.detach_network_interface(AttachmentId=attachment)
