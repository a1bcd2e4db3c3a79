# SPDX-License-Identifier: Apache-2.0
"""A middlebox at the internet gateway: what comes in and what goes out passes m.

                        host
                         |  uplink
                   internet gateway [edge table: subnets of a -> m]
                   /                \\
    subnet 10.0.2.0/24, ..02::/64    subnet 10.0.1.0/24, ..01::/64
    [default -> gateway] m (forwards)  [default -> m] a (public address)
"""
import contextlib
import itertools
import types

import pytest

from conftest import BOUND, everything, until
from conftest import tcp as tcp_rule
from frames import ICMP, ICMP6, TCP

ports = itertools.count(21000)
FORWARD = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
           "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True)
    w.subnets = [cloud.subnet(w.vpc, f"10.0.{n}.0/24", n) for n in (1, 2)]
    w.igw = w.ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [w.vpc["VpcId"]]}])["InternetGateways"][0]["InternetGatewayId"]
    w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0", cidr6="::/0")])
    w.narrow = cloud.group(w.vpc, "narrow", [tcp_rule(80, cidr=f"{cloud.host}/32", cidr6=f"{cloud.host6}/128")])
    w.a = cloud.instance(w.subnets[0], [w.open], ipv6=True, public=True)
    w.m = cloud.instance(w.subnets[1], [w.open], ipv6=True)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})
    w.public = w.ec2.describe_instances(InstanceIds=[w.a.id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
    forwards(w.m)
    w.nets = {4: "10.0.1.0/24", 6: next(s["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"] for s in w.ec2.describe_subnets(SubnetIds=w.subnets[:1])["Subnets"])}
    w.inner, w.edge = (w.ec2.create_route_table(VpcId=w.vpc["VpcId"])["RouteTable"]["RouteTableId"] for _ in range(2))
    w.ec2.associate_route_table(RouteTableId=w.inner, SubnetId=w.subnets[0])
    w.ec2.create_route(RouteTableId=w.inner, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=w.m.eni)
    w.ec2.create_route(RouteTableId=w.inner, DestinationIpv6CidrBlock="::/0", NetworkInterfaceId=w.m.eni)
    w.ec2.create_route(RouteTableId=w.edge, DestinationCidrBlock=w.nets[4], NetworkInterfaceId=w.m.eni)
    w.ec2.create_route(RouteTableId=w.edge, DestinationIpv6CidrBlock=w.nets[6], NetworkInterfaceId=w.m.eni)
    w.at_a, w.at_m, w.host = w.a.wire(), w.m.wire(), cloud.host_place()
    return w


def forwards(instance):
    """It forwards, and keeps its default route while it does."""
    route6 = instance.run("ip", "-6", "route", "show", "default").stdout.split("proto")[0].split()
    instance.run("sysctl", "-qw", *FORWARD)
    instance.run("ip", "-6", "route", "replace", *route6)


def accepted(server, client):
    """The server's end of this connection; earlier ones are closed."""
    while True:
        s, peer = server.accept()
        if peer[1] == client.getsockname()[1]:
            s.settimeout(BOUND)
            return s
        s.close()


@contextlib.contextmanager
def edge(w):
    association = w.ec2.associate_route_table(RouteTableId=w.edge, GatewayId=w.igw)["AssociationId"]
    try:
        yield
    finally:
        w.ec2.disassociate_route_table(AssociationId=association)


def outside(w, family):
    return (w.cloud.host, w.public) if family == 4 else (w.cloud.host6, w.a.ip6)


def seen(w, wire, protocol):
    """Sources of the frames of this protocol that came in since the last look."""
    return {f.source for f in wire.drain() if f.protocol == protocol}


@pytest.mark.parametrize("family", [4, 6])
def test_inward_through_the_middlebox(w, family):
    """A connection from the host: both directions pass m, a sees the host's own address, m a's private one."""
    host, public = outside(w, family)
    private = w.a.ip if family == 4 else w.a.ip6
    with edge(w), w.a.serve(private, 80) as server:
        until(lambda: w.host.opens(public, 80, 1) and seen(w, w.at_m, TCP) == {host, private}, "connections by way of m", 10)
        with w.host.dial(public, 80) as client, accepted(server, client) as s:
            assert s.getpeername()[0] == host
            client.sendall(b"?" * 5000)
            got = b""
            while len(got) < 5000:
                got += s.recv(5000)
            s.sendall(b"!")
            assert client.recv(1) == b"!"
            assert seen(w, w.at_m, TCP) == {host, private}


@pytest.mark.parametrize("family", [4, 6])
def test_outward_through_the_middlebox(w, family):
    """The gateway translates what m forwards with a's address to a's public one; the answer comes back by m."""
    host, public = outside(w, family)
    private = w.a.ip if family == 4 else w.a.ip6
    with edge(w), w.host.serve(host, next(ports)) as server:
        seen(w, w.at_m, TCP)
        until(lambda: w.a.opens(host, server.getsockname()[1], 1) and seen(w, w.at_m, TCP) == {host, private}, "connections by way of m", 10)
        s, peer = server.accept()
        s.close()
        assert peer[0] == public
        assert w.a.ping(host)
        assert seen(w, w.at_m, ICMP if family == 4 else ICMP6) >= {host, private}


def test_the_receivers_groups_see_the_source(w):
    """a's rule by the host's address matches behind m, too; m's groups and ACL are asked before."""
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.a.eni, Groups=[w.narrow])
    try:
        with edge(w), w.a.serve(w.a.ip, 80) as server:
            until(lambda: w.host.opens(w.public, 80, 1), "the rule by address", 10)
            server.accept()[0].close()
            assert w.host.refused(w.cloud, w.public, 81, "security-group-ingress")
            w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, Groups=[w.narrow])
            until(lambda: not w.host.opens(w.public, 443, 0.1) and seen(w, w.at_m, TCP) == set(), "m's own groups", 10)
            w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, Groups=[w.open])
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.a.eni, Groups=[w.open])


def test_without_the_edge_table_it_comes_in_directly(w):
    with w.a.serve(w.a.ip, 80):
        until(lambda: _inward(w) == "a", "directly to a", 10)
        with edge(w):
            until(lambda: _inward(w) == "m", "by way of m", 10)
            w.ec2.delete_route(RouteTableId=w.edge, DestinationCidrBlock=w.nets[4])
            until(lambda: _inward(w) == "a", "local", 10)
            w.ec2.create_route(RouteTableId=w.edge, DestinationCidrBlock=w.nets[4], NetworkInterfaceId=w.m.eni)
            until(lambda: _inward(w) == "m", "by way of m again", 10)
            w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": True})
            with w.cloud.dropping("not-destination"):
                until(lambda: _inward(w) is None, "m checks its destinations", 10)
            w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})


def _inward(w):
    """Who gets a SYN from outside first."""
    seen(w, w.at_m, TCP), seen(w, w.at_a, TCP)
    with w.host.tcp_socket(w.public) as s:
        s.setblocking(False)
        s.connect_ex((w.public, 80))
        try:
            return until(lambda: w.cloud.host in seen(w, w.at_m, TCP) and "m" or w.cloud.host in seen(w, w.at_a, TCP) and "a", "arrival", 0.3, 0.002)
        except AssertionError:
            return None
