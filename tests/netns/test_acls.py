# SPDX-License-Identifier: Apache-2.0
"""Network ACLs: stateless, at the borders of subnets, in the order of their numbers.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 [ACL one] --- a, n (all groups open)
    subnet 10.0.2.0/24, 2001:db8:..02::/64 [ACL two] --- c
"""
import contextlib
import itertools
import socket
import threading
import types

import pytest

from conftest import everything, until
from frames import ICMP, TCP, UDP, checksum, ether, icmp, ip, tcp, udp

ROUTER_MAC = "06:00:00:00:00:01"
EGRESS, INGRESS = True, False
ports = itertools.count(20000)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True)
    w.subnets = [cloud.subnet(w.vpc, f"10.0.{n}.0/24", n) for n in (1, 2)]
    w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0", cidr6="::/0")])
    w.one, w.two = (w.ec2.create_network_acl(VpcId=w.vpc["VpcId"])["NetworkAcl"]["NetworkAclId"] for _ in range(2))
    w.default = w.ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [w.vpc["VpcId"]]}, {"Name": "default", "Values": ["true"]}])["NetworkAcls"][0]["NetworkAclId"]
    w.a, w.n = cloud.instances(2, w.subnets[0], [w.open], ipv6=True, public=True)
    w.c = cloud.instance(w.subnets[1], [w.open], ipv6=True)
    w.at_a, w.at_c, w.at_n = (i.wire() for i in (w.a, w.c, w.n))
    return w


def use(w, subnet, acl):
    rows = w.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
    mine = next(a for a in rows["Associations"] if a["SubnetId"] == subnet)
    if rows["NetworkAclId"] != acl:
        w.ec2.replace_network_acl_association(AssociationId=mine["NetworkAclAssociationId"], NetworkAclId=acl)


def entry(w, acl, number, egress, action="allow", protocol=-1, cidr="0.0.0.0/0", ports=None, kind=None, replace=False):
    more = {"Ipv6CidrBlock" if ":" in cidr else "CidrBlock": cidr}
    if ports:
        more["PortRange"] = {"From": ports[0], "To": ports[-1]}
    if kind:
        more["IcmpTypeCode"] = {"Type": kind[0], "Code": kind[1]}
    call = w.ec2.replace_network_acl_entry if replace else w.ec2.create_network_acl_entry
    call(NetworkAclId=acl, RuleNumber=number, Egress=egress, RuleAction=action, Protocol=str(protocol), **more)


def clear(w, acl):
    for row in w.ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]["Entries"]:
        if row["RuleNumber"] < 32767:
            w.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=row["RuleNumber"], Egress=row["Egress"])


def wide(w, acl):
    """Everything in and out, behind all others."""
    for egress in (EGRESS, INGRESS):
        entry(w, acl, 30000, egress)
        entry(w, acl, 30001, egress, cidr="::/0")


@pytest.fixture(autouse=True)
def bare(w):
    """Each test begins with two ACLs that refuse everything but what it adds; none is associated."""
    for subnet in w.subnets:
        use(w, subnet, w.default)
    for acl in (w.one, w.two):
        clear(w, acl)


def goes(w, who, to, inside):
    """Where a packet ends: True at `to`, or the reason of its drop."""
    wire, at = {id(w.a): w.at_a, id(w.c): w.at_c}[id(who)], {id(w.a): w.at_a, id(w.c): w.at_c, id(w.n): w.at_n}[id(to)]
    return packet_goes(w, wire, who, at, ip(who.ip, to.ip, inside))


def packet_goes(w, wire, who, at, packet):
    at.drain()
    before = w.cloud.drops()
    wire.send(ether(ROUTER_MAC, who.mac, packet))

    def look():
        if [f for f in at.drain() if f.raw[14:] == packet]:
            return "arrived"
        now = w.cloud.drops()
        return next((r for r in ("network-acl-egress", "network-acl-ingress", "security-group-ingress", "security-group-egress")
                     if now.get(r, 0) > before.get(r, 0)), None)
    return until(look, "arrival or a drop", 5, 0.001)


def six(w, who, to, inside):
    wire, at = {id(w.a): w.at_a, id(w.c): w.at_c}[id(who)], {id(w.a): w.at_a, id(w.c): w.at_c}[id(to)]
    return packet_goes(w, wire, who, at, ip(who.ip6, to.ip6, inside))


def test_default_allows(w):
    assert goes(w, w.a, w.c, udp(next(ports), 9, b"x")) == "arrived"
    assert six(w, w.a, w.c, udp(next(ports), 9, b"x")) == "arrived"


def test_a_new_acl_refuses_both_ways_and_not_inside(w):
    use(w, w.subnets[0], w.one)
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 9, b"out")) == "network-acl-egress", "the ACL", 5)
    assert goes(w, w.c, w.a, udp(next(ports), 9, b"in")) == "network-acl-ingress"
    assert six(w, w.a, w.c, udp(next(ports), 9, b"out")) == "network-acl-egress"
    assert six(w, w.c, w.a, udp(next(ports), 9, b"in")) == "network-acl-ingress"
    packet = ip(w.a.ip, w.n.ip, udp(next(ports), 9, b"near"))
    w.at_n.drain()
    w.at_a.send(ether(w.n.mac, w.a.mac, packet))
    w.at_n.receive(lambda f: f.raw[14:] == packet, "a neighbour's packet")
    assert w.a.ping(w.n.ip)


def test_order_decides(w):
    wide(w, w.two)
    use(w, w.subnets[1], w.two)
    entry(w, w.two, 200, INGRESS, "deny", UDP, ports=(7,))
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 7, b"x")) == "network-acl-ingress", "the refusal", 5)
    assert goes(w, w.a, w.c, udp(next(ports), 8, b"x")) == "arrived"
    entry(w, w.two, 100, INGRESS, "allow", UDP, f"{w.a.ip}/32", ports=(5, 10))
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 7, b"x")) == "arrived", "the lower number", 5)
    entry(w, w.two, 50, INGRESS, "deny", -1, "10.0.1.0/24")
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 7, b"x")) == "network-acl-ingress", "a lower one", 5)


@pytest.mark.parametrize("family", [4, 6])
def test_answers_need_their_own_rule(w, family):
    """A connection comes about only when ephemeral ports are let out again."""
    everywhere, address = ("0.0.0.0/0", w.c.ip) if family == 4 else ("::/0", w.c.ip6)
    entry(w, w.two, 100, INGRESS, protocol=TCP, cidr=everywhere, ports=(80,))
    use(w, w.subnets[1], w.two)
    with w.c.serve(address, 80):
        with w.cloud.dropping("network-acl-egress"):
            assert not w.a.opens(address, 80, 1)
        entry(w, w.two, 100, EGRESS, protocol=TCP, cidr=everywhere, ports=(1024, 65535))
        until(lambda: w.a.opens(address, 80, 1), "the connection", 5)
        assert w.a.refused(w.cloud, address, 81, "network-acl-ingress")


def test_icmp_types(w):
    entry(w, w.two, 100, INGRESS, protocol=ICMP, kind=(8, -1))
    use(w, w.subnets[1], w.two)
    with w.cloud.dropping("network-acl-egress"):
        assert not w.a.ping(w.c.ip)
    entry(w, w.two, 100, EGRESS, protocol=ICMP, kind=(0, 0))
    until(lambda: w.a.ping(w.c.ip), "the reply's rule", 5)
    assert goes(w, w.a, w.c, icmp(13)) == "network-acl-ingress"
    entry(w, w.two, 101, INGRESS, protocol=58, cidr="::/0", kind=(128, -1))
    entry(w, w.two, 101, EGRESS, protocol=58, cidr="::/0", kind=(129, -1))
    until(lambda: w.a.ping(w.c.ip6), "ICMPv6", 5)


def test_a_protocol_by_its_number(w):
    entry(w, w.two, 100, INGRESS, protocol=47)
    use(w, w.subnets[1], w.two)
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 9, b"x")) == "network-acl-ingress", "the ACL", 5)
    packet = ip(w.a.ip, w.c.ip, b"\0" * 16, protocol=47)
    assert packet_goes(w, w.at_a, w.a, w.at_c, packet) == "arrived"


@contextlib.contextmanager
def connection(w):
    with w.c.serve(w.c.ip, next(ports)) as listener, w.a.dial(w.c.ip, listener.getsockname()[1]) as client:
        with listener.accept()[0] as server:
            yield client, server


def test_a_change_acts_on_running_connections_both_ways(w):
    """Refused one way, then the other; the connection itself survives, and all that was sent arrives in the end."""
    wide(w, w.two)
    use(w, w.subnets[1], w.two)
    with connection(w) as (client, server):
        for n, (egress, sender, receiver) in enumerate(((INGRESS, client, server), (EGRESS, server, client))):
            sender.sendall(b"one")
            assert receiver.recv(10) == b"one"
            reason = "network-acl-egress" if egress else "network-acl-ingress"
            entry(w, w.two, 10, egress, "deny", TCP, ports=(1, 65535))
            until(lambda: _refuses(w, reason), "the refusal", 5)
            with w.cloud.dropping(reason):
                sender.sendall(b"two")
            receiver.setblocking(False)
            with pytest.raises(BlockingIOError):
                receiver.recv(10)
            w.ec2.delete_network_acl_entry(NetworkAclId=w.two, RuleNumber=10, Egress=egress)
            receiver.settimeout(20)
            assert receiver.recv(10) == b"two"


def _refuses(w, reason):
    if reason == "network-acl-ingress":
        return goes(w, w.a, w.c, tcp(next(ports), 9)) == reason
    return goes(w, w.c, w.a, tcp(next(ports), 9)) == reason


def test_a_tracked_connection_survives_other_changes(w):
    """The group's rule is gone; then an ACL and a route change that do not concern it: it goes on."""
    group = w.cloud.group(w.vpc, "narrow", [{"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}])
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[group])
    wide(w, w.two)
    use(w, w.subnets[1], w.two)
    table = w.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [w.vpc["VpcId"]]}])["RouteTables"][0]["RouteTableId"]
    try:
        until(lambda: goes(w, w.a, w.c, udp(next(ports), 9, b"x")) == "security-group-ingress", "the narrow group", 5)
        with connection(w) as (client, server):
            client.sendall(b"1")
            assert server.recv(1) == b"1"
            w.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=w.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"])
            until(lambda: goes(w, w.a, w.c, tcp(next(ports), 9)) == "security-group-ingress", "the rule's end", 5)
            entry(w, w.two, 20, INGRESS, "deny", UDP, ports=(0, 65535))
            until(lambda: goes(w, w.a, w.c, udp(next(ports), 9, b"x")) == "network-acl-ingress", "the ACL", 5)
            w.ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24", NetworkInterfaceId=w.n.eni)
            client.sendall(b"2")
            assert server.recv(1) == b"2"
            server.sendall(b"3")
            assert client.recv(1) == b"3"
            w.ec2.delete_route(RouteTableId=table, DestinationCidrBlock="192.0.2.0/24")
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.open])


def test_the_internet_gateway_is_a_border(w):
    """In and out by the uplink, the address outside counts; the host's ping needs a rule for the request and one for the answer."""
    entry(w, w.one, 100, INGRESS, protocol=ICMP, cidr=f"{w.cloud.host}/32", kind=(8, -1))
    use(w, w.subnets[0], w.one)
    until(lambda: goes(w, w.c, w.a, udp(next(ports), 9, b"x")) == "network-acl-ingress", "the ACL", 5)
    host = w.cloud.host_place()
    public = w.ec2.describe_instances(InstanceIds=[w.a.id])["Reservations"][0]["Instances"][0]["PublicIpAddress"]
    with host.socket(socket.AF_INET, socket.SOCK_RAW, ICMP) as s:
        s.bind((w.cloud.host, 0))
        s.settimeout(5)
        with w.cloud.dropping("network-acl-egress"):
            s.sendto(ping(77), (public, 0))
        entry(w, w.one, 100, EGRESS, protocol=ICMP, cidr=f"{w.cloud.host}/32", kind=(0, -1))
        until(lambda: _answered(s, public), "the answer", 5)


def ping(number):
    raw = bytes([8, 0, 0, 0]) + number.to_bytes(2, "big") + b"\0\1acl?"
    return raw[:2] + checksum(raw).to_bytes(2, "big") + raw[4:]


def _answered(s, public):
    s.sendto(ping(78), (public, 0))
    s.settimeout(0.5)
    try:
        while True:
            raw, where = s.recvfrom(1000)
            if where[0] == public and raw[20] == 0:
                return True
    except socket.timeout:
        return False


def churn(w, stop, counts):
    """Associations change between two ACLs that differ in what concerns nobody here, and entries come and go."""
    acls = (w.two, w.one)
    while not stop.is_set():
        acl = acls[counts[0] % 2]
        entry(w, acl, 20, INGRESS, "deny", cidr=f"172.16.{counts[0] % 200}.0/24")
        use(w, w.subnets[1], acl)
        w.ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=20, Egress=INGRESS)
        counts[0] += 1


def test_no_packet_is_lost_or_let_through_while_acls_change(w):
    """Of flows that are new and of one that goes on: each packet that both states allow arrives, none that both refuse."""
    for acl in (w.one, w.two):
        wide(w, acl)
        entry(w, acl, 10, INGRESS, "deny", UDP, ports=(5001,))
    use(w, w.subnets[1], w.two)
    until(lambda: goes(w, w.a, w.c, udp(next(ports), 5001, b"x")) == "network-acl-ingress", "the ACL", 5)
    stop, counts, sent, lost = threading.Event(), [0], 0, 0
    changes = threading.Thread(target=churn, args=(w, stop, counts))
    with w.c.udp("0.0.0.0", 5000) as right, w.c.udp("0.0.0.0", 5001) as wrong:
        wrong.setblocking(False)
        changes.start()
        try:
            while counts[0] < 60 and changes.is_alive():
                wanted = set()
                for n in range(20):
                    data = sent.to_bytes(4, "big")
                    for port in (5001, 5000):  # half of a known flow
                        w.at_a.send(ether(ROUTER_MAC, w.a.mac, ip(w.a.ip, w.c.ip, udp(1024 + sent % 12000 if n % 2 else 1000, port, data))))
                    wanted.add(data)
                    sent += 1
                right.settimeout(2)
                try:
                    while wanted:
                        wanted.remove(right.recv(10))
                except socket.timeout:
                    lost += len(wanted)
                with pytest.raises(BlockingIOError):
                    wrong.recv(10)
        finally:
            stop.set()
            changes.join()
    print(f"{counts[0]} changes, {sent} packets")
    assert counts[0] >= 60 and not lost
