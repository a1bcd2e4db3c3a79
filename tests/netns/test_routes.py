# SPDX-License-Identifier: Apache-2.0
"""Route tables, and a middlebox that they lead to.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 [table one] --- a [clients]
    subnet 10.0.2.0/24, 2001:db8:..02::/64 [main table] --- m (forwards), n (neighbour of m)
    subnet 10.0.3.0/24, 2001:db8:..03::/64 [table three] --- c [servers]
"""
import itertools
import types

import pytest

from conftest import BOUND, everything, until
from conftest import tcp as tcp_rule
from frames import ether, ip, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
ports = itertools.count(20000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True, internet=False)
    w.subnets = [cloud.subnet(w.vpc, f"10.0.{n}.0/24", n) for n in (1, 2, 3)]
    w.main = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [w.vpc["VpcId"]]}])["RouteTables"][0]["RouteTableId"]
    w.one, w.three = (w.ec2.create_route_table(VpcId=w.vpc["VpcId"])["RouteTable"]["RouteTableId"] for _ in range(2))
    w.association = w.ec2.associate_route_table(RouteTableId=w.one, SubnetId=w.subnets[0])["AssociationId"]
    w.ec2.associate_route_table(RouteTableId=w.three, SubnetId=w.subnets[2])
    all_of = [everything(cidr="0.0.0.0/0", cidr6="::/0")]
    w.clients, w.open = cloud.group(w.vpc, "clients"), cloud.group(w.vpc, "open", all_of)
    w.servers = cloud.group(w.vpc, "servers", [everything(group=w.clients)])
    w.a = cloud.instance(w.subnets[0], [w.clients], ipv6=True)
    w.m, w.n = cloud.instances(2, w.subnets[1], [w.open], ipv6=True)
    w.c = cloud.instance(w.subnets[2], [w.servers], ipv6=True)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})
    w.m.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth0.rp_filter=0",
            "net.ipv4.conf.all.send_redirects=0", "net.ipv4.conf.eth0.send_redirects=0")
    w.at_a, w.at_m, w.at_n, w.at_c = (i.wire() for i in (w.a, w.m, w.n, w.c))
    return w


def goes(w, to, inside=None):
    """Where a packet of a to this address ends: at `m`, `n` or `c`, or the reason why it was dropped."""
    source = w.a.ip if "." in to else w.a.ip6
    packet = ip(source, to, inside or udp(next(ports), 9, b"route"))
    for wire in (w.at_m, w.at_n, w.at_c):
        wire.drain()
    before = w.cloud.drops()
    w.at_a.send(ether(ROUTER_MAC, w.a.mac, packet))

    def look():
        for name, wire in (("m", w.at_m), ("n", w.at_n), ("c", w.at_c)):
            if [f for f in wire.drain() if f.raw[14:] == packet]:
                return name
        now = w.cloud.drops()
        return next((r for r in now if now[r] > before.get(r, 0) and r not in ("multicast-listener", "router-solicitation", "arp-unknown")), None)
    try:
        return until(look, "arrival or a drop", 2, 0.001)
    except AssertionError:
        return "lost"  # into a device that was just going


def route(w, to, target, table=None, replace=False):
    key = "DestinationIpv6CidrBlock" if ":" in to else "DestinationCidrBlock"
    call = w.ec2.replace_route if replace else w.ec2.create_route
    call(RouteTableId=table or w.one, NetworkInterfaceId=target.eni, **{key: to})


def unroute(w, to, table=None):
    w.ec2.delete_route(RouteTableId=table or w.one, **{"DestinationIpv6CidrBlock" if ":" in to else "DestinationCidrBlock": to})


def test_local_and_nothing_else(w):
    for address, where in ((w.c.ip, "c"), (w.m.ip, "m"), (w.c.ip6, "c"), (w.m.ip6, "m"), ("10.0.3.200", "no-such-address"), ("10.0.99.1", "no-such-address"),
                           ("10.0.1.1", "to-router"), ("192.0.2.1", "no-route"), ("10.1.0.1", "no-route"), ("2600::1", "no-route")):
        assert goes(w, address) == where, address


@pytest.mark.parametrize("nets", [("192.0.2.0/24", "192.0.2.128/25", "192.0.2.1", "192.0.2.129"), ("2600::/16", "2600:8000::/17", "2600::1", "2600:8000::1")],
                         ids=["IPv4", "IPv6"])
def test_the_longest_prefix_decides(w, nets):
    wide, narrow, in_wide, in_narrow = nets
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.n.eni, SourceDestCheck={"Value": False})
    route(w, wide, w.m)
    until(lambda: goes(w, in_narrow) == "m", "the wide route", 5)
    route(w, narrow, w.n)
    until(lambda: goes(w, in_narrow) == "n", "the narrow route", 5)
    assert goes(w, in_wide) == "m"
    route(w, wide, w.n, replace=True)
    until(lambda: goes(w, in_wide) == "n", "the replaced route", 5)
    unroute(w, narrow)
    unroute(w, wide)
    until(lambda: goes(w, in_wide) == "no-route", "no route", 5)
    assert goes(w, in_narrow) == "no-route"
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.n.eni, SourceDestCheck={"Value": True})


def test_the_target_checks_its_destinations(w):
    for to, address in (("192.0.2.0/24", "192.0.2.1"), ("2600::/16", "2600::1")):
        route(w, to, w.n)
        until(lambda: goes(w, address) != "no-route", "the route", 5)
        assert goes(w, address) == "not-destination"
        unroute(w, to)


def test_a_route_of_the_other_family_or_table_does_not_count(w):
    route(w, "0.0.0.0/0", w.m)
    route(w, "::/0", w.m, table=w.three)
    try:
        until(lambda: goes(w, "192.0.2.1") == "m", "the route", 5)
        assert goes(w, "2600::1") == "no-route"
    finally:
        unroute(w, "0.0.0.0/0")
        unroute(w, "::/0", table=w.three)


def test_link_local_services_are_never_forwarded(w):
    """With a default route to a middlebox neither the metadata service's address nor any other of them leaves."""
    route(w, "0.0.0.0/0", w.m)
    try:
        until(lambda: goes(w, "192.0.2.1") == "m", "the route", 5)
        for address in ("169.254.169.254", "169.254.169.253", "169.254.168.1", "169.254.1.1"):
            assert goes(w, address) == "link-local"
    finally:
        unroute(w, "0.0.0.0/0")


def test_link_local_services_of_ipv6_are_never_forwarded(w):
    route(w, "::/0", w.m)
    try:
        until(lambda: goes(w, "2600::1") == "m", "the route", 5)
        for address in ("fe80::1", "fd00:ec2::254", "fd00:ec2::253", "fd00:ec2:ffff::1"):
            assert goes(w, address) == "link-local"
    finally:
        unroute(w, "::/0")


def test_a_target_that_is_gone(w):
    """blackhole: the route stays, the packets do not pass, and no wider route is taken instead."""
    gone = w.cloud.instance(w.subnets[1], [w.open])
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=gone.eni, SourceDestCheck={"Value": False})
    route(w, "0.0.0.0/0", w.m)
    route(w, "192.0.2.0/24", gone)
    w.ec2.terminate_instances(InstanceIds=[gone.id])
    try:
        until(lambda: goes(w, "192.0.2.1") == "blackhole", "the blackhole", 10)
        rows = w.ec2.describe_route_tables(RouteTableIds=[w.one])["RouteTables"][0]["Routes"]
        assert [r["State"] for r in rows if r.get("DestinationCidrBlock") == "192.0.2.0/24"] == ["blackhole"]
        assert goes(w, "192.0.3.1") == "m"
    finally:
        unroute(w, "192.0.2.0/24")
        unroute(w, "0.0.0.0/0")


def test_a_stopped_middlebox(w):
    """Its route is a blackhole until it runs again."""
    box = w.cloud.instance(w.subnets[1], [w.open])
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=box.eni, SourceDestCheck={"Value": False})
    route(w, "192.0.2.0/24", box)
    state = lambda: [r["State"] for r in w.ec2.describe_route_tables(RouteTableIds=[w.one])["RouteTables"][0]["Routes"]
                     if r.get("DestinationCidrBlock") == "192.0.2.0/24"]
    try:
        w.ec2.stop_instances(InstanceIds=[box.id])
        until(lambda: state() == ["blackhole"], "the blackhole")
        until(lambda: goes(w, "192.0.2.1") == "blackhole", "the blackhole", 10)
        w.ec2.start_instances(InstanceIds=[box.id])
        w.cloud.running([box.id])
        assert state() == ["active"]
        with box.wire() as at_box:
            def arrives():
                packet = ip(w.a.ip, "192.0.2.1", udp(next(ports), 9, b"again"))
                w.at_a.send(ether(ROUTER_MAC, w.a.mac, packet))
                return [f for f in at_box.drain() if f.raw[14:] == packet]
            until(arrives, "packets at the middlebox", 10)
    finally:
        unroute(w, "192.0.2.0/24")
        w.ec2.terminate_instances(InstanceIds=[box.id])


def test_a_virtual_private_gateway_without_a_vpn(w):
    """Both families: dropped for just that while it is attached, and a blackhole when it is not."""
    gateway = w.ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    w.ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=w.vpc["VpcId"])
    state = lambda: {r["State"] for r in w.ec2.describe_route_tables(RouteTableIds=[w.one])["RouteTables"][0]["Routes"] if r.get("GatewayId") == gateway}
    nets = {"192.0.2.0/24": "192.0.2.1", "2600::/16": "2600::1"}
    try:
        for net, inside in nets.items():
            w.ec2.create_route(RouteTableId=w.one, GatewayId=gateway, **{"DestinationIpv6CidrBlock" if ":" in net else "DestinationCidrBlock": net})
            until(lambda: goes(w, inside) == "no-vpn", f"no-vpn for {net}", 10)
        assert state() == {"active"}
        w.ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=w.vpc["VpcId"])
        for net, inside in nets.items():
            until(lambda: goes(w, inside) == "blackhole", f"the blackhole for {net}", 10)
        assert state() == {"blackhole"}
    finally:
        for net in nets:
            unroute(w, net)
        w.ec2.delete_vpn_gateway(VpnGatewayId=gateway)


def test_associations(w):
    """The table of a subnet is the one that is associated, else the main one."""
    route(w, "192.0.2.0/24", w.m, table=w.main)
    assert goes(w, "192.0.2.1") == "no-route"
    w.association = w.ec2.replace_route_table_association(AssociationId=w.association, RouteTableId=w.main)["NewAssociationId"]
    until(lambda: goes(w, "192.0.2.1") == "m", "the main table", 5)
    w.association = w.ec2.replace_route_table_association(AssociationId=w.association, RouteTableId=w.one)["NewAssociationId"]
    until(lambda: goes(w, "192.0.2.1") == "no-route", "table one", 5)
    w.ec2.disassociate_route_table(AssociationId=w.association)
    until(lambda: goes(w, "192.0.2.1") == "m", "the main table again", 5)
    w.association = w.ec2.associate_route_table(RouteTableId=w.one, SubnetId=w.subnets[0])["AssociationId"]
    until(lambda: goes(w, "192.0.2.1") == "no-route", "table one again", 5)
    unroute(w, "192.0.2.0/24", table=w.main)


def test_a_middlebox_between_two_subnets(w):
    """Routes for whole subnets lead through m both ways. The server's rule that names the clients' group does not match
    what m forwards, though the source is a client's; one with the client's CIDR does."""
    assert goes(w, w.c.ip) == "c", "without the middlebox the group matches"
    route(w, "10.0.3.0/24", w.m)
    route(w, "10.0.1.0/24", w.m, table=w.three)
    rule = [tcp_rule(80, cidr="10.0.1.0/24")]
    try:
        until(lambda: goes(w, w.c.ip) == "m", "the way through m", 5)
        w.at_c.drain()
        with w.cloud.dropping("security-group-ingress"):
            w.at_a.send(ether(ROUTER_MAC, w.a.mac, ip(w.a.ip, w.c.ip, tcp(next(ports), 80))))
        assert not [f for f in w.at_c.drain() if f.protocol == 6]
        assert w.a.refused(w.cloud, w.c.ip, 80, "security-group-ingress")
        w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=rule)
        with w.c.serve(w.c.ip, 80) as server:
            until(lambda: w.a.opens(w.c.ip, 80, 1), "the rule by CIDR", 10)
            server.accept()[0].close()
            w.at_m.drain()
            with w.a.dial(w.c.ip, 80) as client, server.accept()[0] as s:
                s.settimeout(BOUND)
                assert s.getpeername()[0] == w.a.ip
                client.sendall(b"?")
                assert s.recv(1) == b"?"
                s.sendall(b"!")
                assert client.recv(1) == b"!"
            assert {f.source for f in w.at_m.drain() if f.protocol == 6} == {w.a.ip, w.c.ip}, "both directions pass m"
        w.ec2.revoke_security_group_ingress(GroupId=w.servers, IpPermissions=rule)
    finally:
        unroute(w, "10.0.3.0/24")
        unroute(w, "10.0.1.0/24", table=w.three)
    until(lambda: goes(w, w.c.ip) == "c", "the direct way again", 5)


def test_within_a_subnet_no_table_is_asked(w):
    """A route for the subnet itself does not lead its own neighbours astray."""
    route(w, "10.0.2.0/24", w.m, table=w.one)
    try:
        until(lambda: goes(w, w.n.ip) == "m", "from another subnet through m", 5)
        w.at_n.drain()
        w.at_m.send(ether(w.n.mac, w.m.mac, ip(w.m.ip, w.n.ip, udp(1, 9, b"neighbour"))))
        assert w.at_n.receive(lambda f: f.payload == b"neighbour").src == w.m.mac
    finally:
        unroute(w, "10.0.2.0/24")
