# SPDX-License-Identifier: Apache-2.0
"""Three VPCs with the same CIDR, the same addresses in them, and groups that let everything pass.

    account 1   vpc 1   10.0.1.0/24 --- a 10.0.1.10, b 10.0.1.11
    account 1   vpc 2   10.0.1.0/24 --- a 10.0.1.10, b 10.0.1.11, only 10.0.1.12
    account 2   vpc 3   10.0.1.0/24 --- a 10.0.1.10, b 10.0.1.11
"""
import contextlib
import socket
import types

import botocore.exceptions
import pytest

from conftest import everything, tcp as tcp_rule, until
from frames import ACK, ARP, BROADCAST, SYN, arp, ether, icmp, ip, ipv4, ipv6, ns, solicited_node, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ZERO = "00:00:00:00:00:00"


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, vpcs=[])
    for n, owner in enumerate((cloud, cloud, cloud.tenant())):
        v = types.SimpleNamespace(cloud=owner, number=n, ec2=owner.client())
        v.vpc = owner.vpc(ipv6=True, internet=False)
        v.subnet = owner.subnet(v.vpc, "10.0.1.0/24", 1)
        all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
        v.group = owner.group(v.vpc, "open", all_of, egress=all_of)
        v.a, v.b = (owner.instance(v.subnet, [v.group], ipv6=True, address=x) for x in ("10.0.1.10", "10.0.1.11"))
        v.wires = [v.a.wire(), v.b.wire()]
        v.server, v.server6 = v.b.serve("0.0.0.0", 80), v.b.serve("::", 81)
        w.vpcs.append(v)
    v = w.vpcs[1]
    v.only = v.cloud.instance(v.subnet, [v.group], ipv6=True, address="10.0.1.12")
    v.only_server = v.only.serve("0.0.0.0", 80)
    v.wires.append(v.only.wire())
    return w


def heard(v, data):
    return [f for wire in v.wires for f in wire.drain() if data in f.raw]


def test_they_have_the_same_addresses_and_other_macs(w):
    assert {v.a.ip for v in w.vpcs} == {"10.0.1.10"}
    assert len({i.mac for v in w.vpcs for i in (v.a, v.b)}) == 6
    assert len({v.vpc["OwnerId"] for v in w.vpcs}) == 2


def test_tcp_reaches_the_own_one(w):
    """The same five-tuple three times at once; each ends at the server of its own VPC."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(v.a.dial("10.0.1.11", 80, source=("10.0.1.10", 40000))) for v in w.vpcs]
        servers = []
        for v in w.vpcs:
            s, peer = v.server.accept()
            servers.append(stack.enter_context(s))
            assert peer == ("10.0.1.10", 40000)
            v.server.setblocking(False)
            with pytest.raises(BlockingIOError):
                v.server.accept()
            v.server.settimeout(30)
        for n, (c, s) in enumerate(zip(clients, servers)):
            c.sendall(b"from %d" % n)
            assert s.recv(100) == b"from %d" % n
            s.sendall(b"to %d" % n)
        for n, c in enumerate(clients):
            assert c.recv(100) == b"to %d" % n


def test_tcp_over_ipv6_reaches_the_own_one(w):
    for v in w.vpcs:
        with v.a.dial(v.b.ip6, 81), v.server6.accept()[0]:
            pass


@pytest.mark.parametrize("make", [lambda d: udp(7, 9, d), lambda d: icmp(8, number=3, data=d), lambda d: tcp(9, 10, SYN, data=d),
                                  lambda d: tcp(9, 10, ACK, data=d)], ids=["udp", "icmp", "syn", "ack"])
def test_a_packet_is_heard_in_its_own_vpc_only(w, make):
    for v in w.vpcs:
        data = b"packet of %d" % v.number
        v.wires[0].send(ether(v.b.mac, v.a.mac, ipv4(v.a.ip, v.b.ip, make(data))))
        v.wires[1].receive(lambda f: data in f.raw)
        assert not any(heard(o, data) for o in w.vpcs if o is not v)


def test_an_address_of_another_vpc_is_nobody(w):
    """10.0.1.12 is there in VPC 2 only."""
    for v in (w.vpcs[0], w.vpcs[2]):
        for inside in (udp(7, 9, b"lost"), icmp(8, data=b"lost"), tcp(1, 80, data=b"lost")):
            with w.cloud.dropping("no-such-address"):
                v.wires[0].send(ether(ROUTER_MAC, v.a.mac, ipv4(v.a.ip, "10.0.1.12", inside)))
        with w.cloud.dropping("arp-unknown"):
            v.wires[0].send(ether(BROADCAST, v.a.mac, arp(1, v.a.mac, v.a.ip, ZERO, "10.0.1.12"), ARP))
    assert not heard(w.vpcs[1], b"lost")
    assert w.vpcs[1].a.opens("10.0.1.12", 80)


def test_arp_tells_the_own_neighbour(w):
    for v in w.vpcs:
        v.wires[0].send(ether(BROADCAST, v.a.mac, arp(1, v.a.mac, v.a.ip, ZERO, "10.0.1.11"), ARP))
        assert v.wires[0].receive(lambda f: f.kind == ARP and f.spa == "10.0.1.11").sha == v.b.mac


def test_ipv6_addresses_of_another_vpc(w):
    """They are known, and there is no way to them."""
    for v in w.vpcs:
        for other in w.vpcs:
            if other is v:
                continue
            for inside in (udp(7, 9, b"lost6"), icmp(128, family=6, data=b"lost6"), tcp(1, 81, data=b"lost6")):
                with w.cloud.dropping("no-route"):
                    v.wires[0].send(ether(ROUTER_MAC, v.a.mac, ipv6(v.a.ip6, other.b.ip6, inside)))
            with w.cloud.dropping("arp-unknown"):
                v.wires[0].send(ether("33:33:ff:00:00:00", v.a.mac, ipv6(v.a.ip6, solicited_node(other.b.ip6), ns(other.b.ip6, v.a.mac), hops=255)))
            assert not heard(other, b"lost6")


def test_guessed_macs(w):
    """A frame to the MAC of another VPC's interface does not get there, whatever address is in it."""
    me, other = w.vpcs[0], w.vpcs[1]
    for mac in (other.b.mac, other.only.mac, w.vpcs[2].b.mac):
        for dst in ("10.0.1.11", "10.0.1.12", "10.0.1.10"):
            me.wires[0].send(ether(mac, me.a.mac, ipv4(me.a.ip, dst, udp(7, 9, b"guessed"))))
        me.wires[0].send(ether(mac, me.a.mac, ipv6(me.a.ip6, other.b.ip6, udp(7, 9, b"guessed"))))
        me.wires[0].send(ether(mac, me.a.mac, arp(1, me.a.mac, me.a.ip, mac, "10.0.1.12"), ARP))
    me.wires[0].send(ether(me.b.mac, me.a.mac, ipv4(me.a.ip, me.b.ip, udp(7, 9, b"marker"))))
    me.wires[1].receive(lambda f: f.payload == b"marker")
    assert not heard(other, b"guessed") and not heard(w.vpcs[2], b"guessed")
    # And with a stolen MAC as its own it is not even looked at.
    with w.cloud.dropping("spoofed-mac"):
        me.wires[0].send(ether(other.b.mac, other.a.mac, ipv4(me.a.ip, me.b.ip, udp(7, 9, b"guessed"))))


def test_the_source_of_another_vpc(w):
    with w.cloud.dropping("spoofed-address", 2):
        w.vpcs[0].wires[0].send(ether(ROUTER_MAC, w.vpcs[0].a.mac, ipv4("10.0.1.12", "10.0.1.11", udp(7, 9))),
                                ether(ROUTER_MAC, w.vpcs[0].a.mac, ipv6(w.vpcs[1].b.ip6, w.vpcs[0].b.ip6, udp(7, 9))))


def test_no_call_joins_them(w):
    """Groups, subnets and interfaces of another VPC or account cannot be named."""
    first, second, foreign = w.vpcs

    def refused(code, call, **args):
        with pytest.raises(botocore.exceptions.ClientError) as e:
            call(**args)
        assert e.value.response["Error"]["Code"] in code

    refused(("InvalidSubnetID.NotFound",), foreign.ec2.run_instances, ImageId="ami-netns", InstanceType="t3.micro", MinCount=1, MaxCount=1,
            SubnetId=first.subnet, SecurityGroupIds=[foreign.group])
    refused(("InvalidGroup.NotFound", "InvalidParameter", "InvalidSecurityGroupID.NotFound"), second.ec2.run_instances, ImageId="ami-netns",
            InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=second.subnet, SecurityGroupIds=[first.group])
    refused(("InvalidGroup.NotFound",), foreign.ec2.authorize_security_group_ingress, GroupId=foreign.group, IpPermissions=[everything(group=first.group)])
    refused(("InvalidGroup.NotFound",), second.ec2.authorize_security_group_ingress, GroupId=second.group, IpPermissions=[everything(group=first.group)])
    refused(("InvalidGroup.NotFound", "InvalidParameter", "InvalidSecurityGroupID.NotFound"), first.ec2.modify_network_interface_attribute,
            NetworkInterfaceId=first.a.eni, Groups=[second.group])
    refused(("InvalidNetworkInterfaceID.NotFound",), foreign.ec2.modify_network_interface_attribute, NetworkInterfaceId=first.a.eni, SourceDestCheck={"Value": False})
    table = second.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [second.vpc["VpcId"]]}])["RouteTables"][0]["RouteTableId"]
    refused(("InvalidParameterValue", "InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.NotFound"), second.ec2.create_route, RouteTableId=table,
            DestinationCidrBlock="192.0.2.0/24", NetworkInterfaceId=first.a.eni)


def test_a_terminated_instances_address_given_away(w):
    """Flows of the old owner die with it, on both sides, though tracked: the new owner's groups are asked."""
    v = w.vpcs[0]
    quiet = v.cloud.group(v.vpc, "quiet")  # all out, nothing in
    client = v.cloud.instance(v.subnet, [quiet], ipv6=True)
    old = v.cloud.instance(v.subnet, [v.group], address="10.0.1.50")
    server = old.serve("0.0.0.0", 80)
    talk = client.dial("10.0.1.50", 80, source=(client.ip, 5555))
    peer = server.accept()[0]
    talk.sendall(b"before")
    assert peer.recv(100) == b"before"
    peer.close()
    v.ec2.terminate_instances(InstanceIds=[old.id])

    def free():
        try:
            return v.cloud.instances(1, v.subnet, [quiet], address="10.0.1.50")[0]
        except botocore.exceptions.ClientError as e:
            assert e.response["Error"]["Code"] == "InvalidIPAddress.InUse"
            return None
    new = until(free, "the address is free again")
    with new.wire() as at_new, client.wire() as at_client:
        for inside in (tcp(5555, 80, ACK, data=b"stale"), tcp(5555, 80, data=b"stale"), udp(5555, 80, b"stale")):
            with w.cloud.dropping("security-group-ingress"):
                at_client.send(ether(new.mac, client.mac, ipv4(client.ip, new.ip, inside)))
        for inside in (tcp(80, 5555, ACK, data=b"stale"), tcp(80, 5555, SYN | ACK, data=b"stale")):
            with w.cloud.dropping("security-group-ingress"):
                at_new.send(ether(client.mac, new.mac, ipv4(new.ip, client.ip, inside)))
        for wire in (at_new, at_client):
            assert not [f for f in wire.drain() if b"stale" in f.raw]
    talk.close()
