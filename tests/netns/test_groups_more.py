# SPDX-License-Identifier: Apache-2.0
"""Security groups, sentence by sentence, judged by single frames: what a rule admits, and what it must not.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a [senders]
                                           \\-- c [senders, extra]
                                           \\-- b [target]   the group whose rules each test sets
    subnet 10.0.2.0/24, 2001:db8:..02::/64 --- d [senders]
"""
import contextlib
import itertools
import time
import types

import pytest

from conftest import everything, permission, until
from conftest import tcp as tcp_rule
from conftest import udp as udp_rule
from frames import ACK, RST, SYN, ether, icmp, ip, ipv4, ipv6, tcp, udp

marks = itertools.count(1)


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True)
    near, far = cloud.subnet(w.vpc, "10.0.1.0/24", 1), cloud.subnet(w.vpc, "10.0.2.0/24", 2)
    w.near = near
    w.senders, w.extra, w.target = (cloud.group(w.vpc, n) for n in ("senders", "extra", "target"))
    w.marker = cloud.group(w.vpc, "marker", [udp_rule(9, cidr="0.0.0.0/0", cidr6="::/0")], egress=[everything(cidr="10.0.0.0/8")])
    w.a = cloud.instance(near, [w.senders], ipv6=True)
    w.c = cloud.instance(near, [w.senders, w.extra], ipv6=True)
    w.b = cloud.instance(near, [w.target], ipv6=True)
    w.d = cloud.instance(far, [w.senders], ipv6=True)
    for i in (w.a, w.b, w.c, w.d):
        i.wires = i.wire()
    return w


@contextlib.contextmanager
def rules(w, ingress=(), egress=None, group=None):
    """The group's rules meanwhile. The probe's port makes sure that these rules, and no earlier ones, are in force."""
    group = group or w.target
    probe = 30000 + next(marks)
    ingress = list(ingress) + [udp_rule(probe, cidr="10.0.0.0/16")]
    w.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ingress)
    was = w.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    if egress is not None:
        w.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=was)
        if egress:
            w.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=list(egress))
        # The order of changes is that of the calls: this one is the last.
        w.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[udp_rule(probe, cidr="10.0.0.0/16")])
        probe = 30000 + next(marks)
        ingress[-1] = udp_rule(probe, cidr="10.0.0.0/16")
        w.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ingress[-1:])
    w.probe = probe
    until(lambda: admitted(w, w.a, udp(4, probe), w.b), "the rules come into force", 5)
    try:
        yield
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=ingress)
        if egress is not None:
            if egress:
                w.ec2.revoke_security_group_egress(GroupId=group, IpPermissions=list(egress))
            w.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=was)
        until(lambda: not admitted(w, w.a, udp(next(marks) + 10000, probe), w.b), "the rules' end", 5)


def admitted(w, who, inside, to=None, family=4, reason="security-group-ingress", **more):
    """Whether the frame arrives; if not, it must have been dropped for the reason."""
    to = to or w.b
    src, dst = (who.ip, to.ip) if family == 4 else (who.ip6, to.ip6)
    packet = ip(src, dst, inside, **more)
    to.wires.drain()
    before = w.cloud.drops().get(reason, 0)
    who.wires.send(ether(to.mac if who is not w.d else "06:00:00:00:00:01", who.mac, packet))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for f in to.wires.drain():
            if f.raw[14:14 + len(packet)] == packet:
                return True
        if w.cloud.drops().get(reason, 0) > before:
            return False
    raise AssertionError(f"neither arrived nor dropped for {reason}: {w.cloud.drops()}")


def t(port, flags=SYN, sport=None):
    return tcp(sport or 1024 + next(marks), port, flags)


def u(port):
    return udp(1024 + next(marks), port)


@pytest.mark.parametrize("protocol, kind, rule", [("tcp", t, tcp_rule), ("udp", u, udp_rule)])
@pytest.mark.parametrize("family", [4, 6])
def test_port_ranges(w, protocol, kind, rule, family):
    world = {"cidr": "0.0.0.0/0"} if family == 4 else {"cidr6": "::/0"}
    with rules(w, [rule(1000, 1999, **world), rule(80, **world), rule(65535, **world), rule(0, **world)]):
        got = {port for port in (0, 1, 79, 80, 81, 999, 1000, 1001, 1023, 1024, 1500, 1535, 1536, 1999, 2000, 2047, 65534, 65535)
               if admitted(w, w.a, kind(port), family=family)}
        assert got == {0, 80, 1000, 1001, 1023, 1024, 1500, 1535, 1536, 1999, 65535}
        other = u if kind is t else t
        assert not admitted(w, w.a, other(80), family=family), "another protocol"
        assert not admitted(w, w.a, kind(80), family=10 - family), "another family"


@pytest.mark.parametrize("number", [2, 4, 33, 41, 47, 50, 51, 89, 94, 112, 132, 136, 253, 255])
def test_protocols_by_number(w, number):
    with rules(w, [permission(str(number), -1, -1, cidr="10.0.0.0/16", cidr6="::/0")]):
        data = bytes(24)
        for family in (4, 6):
            assert admitted(w, w.a, data, family=family, protocol=number)
            assert not admitted(w, w.a, data, family=family, protocol=46 if number != 46 else 45)
            assert not admitted(w, w.a, t(80), family=family)


def test_a_reply_of_another_protocol_is_tracked(w):
    """Protocols without ports are tracked by their addresses: the answer needs no rule."""
    assert not admitted(w, w.a, bytes(24), protocol=142)
    w.ec2.authorize_security_group_ingress(GroupId=w.senders, IpPermissions=[permission("142", -1, -1, cidr="10.0.0.0/16")])
    try:
        until(lambda: admitted(w, w.b, bytes(24), w.a, protocol=142), "the rule", 5)
        assert admitted(w, w.a, bytes(24), w.b, protocol=142), "the answer"
        assert not admitted(w, w.c, bytes(24), w.b, protocol=142), "of another instance it is none"
        assert not admitted(w, w.a, bytes(24), w.b, protocol=143), "of another protocol it is none"
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.senders, IpPermissions=[permission("142", -1, -1, cidr="10.0.0.0/16")])


@pytest.mark.parametrize("first, last, yes, no", [
    (8, -1, [(8, 0)], [(0, 0), (3, 1), (13, 0), (11, 0)]),
    (8, 0, [(8, 0)], [(8, 1), (0, 0)]),
    (3, 4, [(3, 4)], [(3, 3), (3, 5), (4, 3), (8, 0)]),
    (3, -1, [(3, 0), (3, 4), (3, 15)], [(4, 0), (11, 0)]),
    (0, -1, [(0, 0)], [(8, 0)]),
    (-1, -1, [(0, 0), (3, 4), (8, 0), (11, 1), (13, 0), (255, 255)], []),
])
def test_icmp_types_and_codes(w, first, last, yes, no):
    with rules(w, [permission("icmp", first, last, cidr="10.0.0.0/16")]):
        for kind, code in yes + no:
            assert admitted(w, w.a, icmp(kind, code, number=next(marks))) == ((kind, code) in yes), (kind, code)
        assert not admitted(w, w.a, icmp(yes[0][0], yes[0][1], number=next(marks), family=6), family=6), "not for IPv6"
        assert not admitted(w, w.a, bytes(icmp(8)), family=6, protocol=1), "ICMP in IPv6 is no ICMP"
        assert not admitted(w, w.a, t(8)) and not admitted(w, w.a, u(8))


@pytest.mark.parametrize("first, last, yes, no", [
    (128, -1, [(128, 0)], [(129, 0), (1, 4), (2, 0)]),
    (2, 0, [(2, 0)], [(1, 0), (128, 0)]),
    (-1, -1, [(1, 4), (2, 0), (3, 0), (128, 0), (129, 0), (200, 7)], []),
])
def test_icmpv6_types_and_codes(w, first, last, yes, no):
    with rules(w, [permission("icmpv6", first, last, cidr6="::/0")]):
        for kind, code in yes + no:
            got = admitted(w, w.a, icmp(kind, code, number=next(marks), family=6), family=6)
            assert got == ((kind, code) in yes), (kind, code)
        assert not admitted(w, w.a, icmp(8, number=next(marks)))
        assert not admitted(w, w.a, bytes(icmp(128, family=6)), protocol=58), "ICMPv6 in IPv4 is no ICMPv6"


@pytest.mark.parametrize("rule", [everything, lambda **a: tcp_rule(0, 65535, **a), lambda **a: permission("58", -1, -1, **a)])
def test_rules_of_one_family_never_admit_the_other(w, rule):
    """Even the widest: ::/0 is no IPv4 address, 0.0.0.0/0 no IPv6 one, mapped ones included."""
    with rules(w, [rule(cidr6="::/0")]):
        for inside in (t(80), u(53), icmp(8, number=next(marks))):
            assert not admitted(w, w.a, inside)
    with rules(w, [rule(cidr6="::ffff:0:0/96")]):
        assert not admitted(w, w.a, t(80))
    with rules(w, [rule(cidr="0.0.0.0/0")]):
        for inside in (t(80), u(53), icmp(128, number=next(marks), family=6), icmp(8, number=next(marks), family=6)):
            assert not admitted(w, w.a, inside, family=6)


def test_the_prefix_of_a_rule(w):
    with rules(w, [tcp_rule(80, cidr=f"{w.a.ip}/32", cidr6=f"{w.c.ip6}/128"), tcp_rule(81, cidr="10.0.2.0/24"), tcp_rule(82, cidr="10.0.0.0/15"),
                   tcp_rule(83, cidr="11.0.0.0/8")]):
        assert [admitted(w, i, t(80)) for i in (w.a, w.c, w.d)] == [True, False, False]
        assert [admitted(w, i, t(80), family=6) for i in (w.a, w.c, w.d)] == [False, True, False]
        assert [admitted(w, i, t(81)) for i in (w.a, w.c, w.d)] == [False, False, True]
        assert [admitted(w, i, t(82)) for i in (w.a, w.c, w.d)] == [True, True, True]
        assert [admitted(w, i, t(83)) for i in (w.a, w.c, w.d)] == [False, False, False]


@pytest.mark.parametrize("family", [4, 6])
def test_rules_of_a_wide_prefix_hold_inside_a_narrow_one(w, family):
    """The most specific prefix does not hide the rules of those around it."""
    key = "cidr" if family == 4 else "cidr6"
    own = f"{w.a.ip}/32" if family == 4 else f"{w.a.ip6}/128"
    wide = "0.0.0.0/0" if family == 4 else "::/0"
    middle = "10.0.1.0/24" if family == 4 else "2001:db8::/32"
    with rules(w, [tcp_rule(80, **{key: own}), tcp_rule(81, **{key: wide}), tcp_rule(82, **{key: middle})]):
        assert [admitted(w, w.a, t(p), family=family) for p in (80, 81, 82, 83)] == [True, True, True, False]
        assert [admitted(w, w.c, t(p), family=family) for p in (80, 81, 82)] == [False, True, True]


def test_rules_are_not_mixed(w):
    """The address of one rule with the port or the protocol of another is no rule."""
    with rules(w, [tcp_rule(80, cidr=f"{w.a.ip}/32"), tcp_rule(90, cidr="10.0.2.0/24"), udp_rule(90, group=w.extra),
                   permission("icmp", 8, -1, group=w.extra)]):
        seen = {(i.id, name): admitted(w, i, make) for i in (w.a, w.c, w.d)
                for name, make in (("t80", t(80)), ("t90", t(90)), ("u90", u(90)), ("u80", u(80)), ("echo", icmp(8, number=next(marks))))}
        assert {k for k, v in seen.items() if v} == {(w.a.id, "t80"), (w.d.id, "t90"), (w.c.id, "u90"), (w.c.id, "echo")}


def test_several_groups_on_an_interface(w):
    """Of the sender: any of them may be named. Of the receiver: the rules of all hold together."""
    with rules(w, [tcp_rule(80, group=w.extra), tcp_rule(81, group=w.senders)]):
        assert [admitted(w, w.a, t(p)) for p in (80, 81)] == [False, True]
        assert [admitted(w, w.c, t(p)) for p in (80, 81)] == [True, True]
        assert [admitted(w, w.c, t(p), family=6) for p in (80, 81)] == [True, True]
        more = w.cloud.group(w.vpc, "more", [tcp_rule(82, cidr="10.0.0.0/16")])
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, Groups=[w.target, more])
        try:
            until(lambda: admitted(w, w.a, t(82)), "the new group's rule", 5)
            assert [admitted(w, w.a, t(p)) for p in (80, 81)] == [False, True]
            assert not admitted(w, w.a, t(82), family=6)
        finally:
            w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, Groups=[w.target])
            until(lambda: not admitted(w, w.a, t(82)), "its end", 5)
            w.ec2.delete_security_group(GroupId=more)


def test_self_reference(w):
    """A group that admits itself: its members, and nobody else."""
    club = w.cloud.group(w.vpc, "club")
    w.ec2.authorize_security_group_ingress(GroupId=club, IpPermissions=[everything(group=club)])
    x, y = w.cloud.instances(2, w.near, [club], ipv6=True)
    x.wires, y.wires = x.wire(), y.wire()
    try:
        for family in (4, 6):
            assert admitted(w, x, t(80), y, family=family)
            assert admitted(w, y, u(80), x, family=family)
            assert not admitted(w, w.a, t(80), y, family=family)
    finally:
        w.ec2.terminate_instances(InstanceIds=[x.id, y.id])


def test_the_default_group(w):
    """All from itself, all out, and nothing else."""
    default = w.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [w.vpc["VpcId"]]},
                                                      {"Name": "group-name", "Values": ["default"]}])["SecurityGroups"][0]["GroupId"]
    x, y = w.cloud.instances(2, w.near, [default], ipv6=True)
    x.wires, y.wires = x.wire(), y.wire()
    try:
        for family in (4, 6):
            assert admitted(w, x, t(80), y, family=family)
            assert not admitted(w, w.a, t(80), y, family=family)
    finally:
        w.ec2.terminate_instances(InstanceIds=[x.id, y.id])


def test_egress_rules(w):
    """Out only by a rule: port, protocol, CIDR, group; IPv6 by rules of its own."""
    inward = [everything(cidr="10.0.0.0/16", cidr6="::/0")]
    w.ec2.authorize_security_group_ingress(GroupId=w.senders, IpPermissions=inward)
    out = "security-group-egress"
    try:
        with rules(w, egress=[tcp_rule(80, cidr="10.0.1.0/24"), udp_rule(53, group=w.extra), permission("icmp", 8, 0, cidr=f"{w.a.ip}/32"),
                              tcp_rule(443, cidr6="::/0")]):
            assert admitted(w, w.b, t(80), w.a, reason=out)
            assert not admitted(w, w.b, t(81), w.a, reason=out)
            assert not admitted(w, w.b, u(80), w.a, reason=out)
            assert not admitted(w, w.b, t(443), w.a, reason=out)
            assert not admitted(w, w.b, u(53), w.a, reason=out), "a is not in the group"
            assert admitted(w, w.b, u(53), w.c, reason=out)
            assert admitted(w, w.b, u(53), w.c, reason=out, family=6)
            assert admitted(w, w.b, icmp(8, number=next(marks)), w.a, reason=out)
            assert not admitted(w, w.b, icmp(8, number=next(marks)), w.c, reason=out)
            assert not admitted(w, w.b, icmp(13, number=next(marks)), w.a, reason=out)
            assert admitted(w, w.b, t(443), w.a, reason=out, family=6)
            assert not admitted(w, w.b, t(80), w.a, reason=out, family=6)
        with rules(w, egress=[]):
            for family in (4, 6):
                for inside in (t(80), u(80), icmp(8 if family == 4 else 128, number=next(marks), family=family)):
                    assert not admitted(w, w.b, inside, w.a, reason=out, family=family)
            # Answers to what came in need no egress rule.
            assert admitted(w, w.a, udp(7777, w.probe))
            assert admitted(w, w.b, udp(w.probe, 7777), w.a, reason=out)
            assert not admitted(w, w.b, udp(w.probe, 7778), w.a, reason=out), "another port is no answer"
            assert not admitted(w, w.b, udp(w.probe, 7777), w.c, reason=out), "another host is none either"
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.senders, IpPermissions=inward)


def test_sixty_rules(w):
    """As many as AWS allows in a group by default: the first, the last, and every one between."""
    many = [tcp_rule(2000 + 2 * i, cidr=f"10.0.{1 + i % 2}.0/24") for i in range(59)]
    with rules(w, many):
        for i in range(59):
            assert admitted(w, w.a if i % 2 == 0 else w.d, t(2000 + 2 * i)), i
        for i in (0, 1, 30, 57, 58):
            assert not admitted(w, w.d if i % 2 == 0 else w.a, t(2000 + 2 * i)), i
            assert not admitted(w, w.a, t(2001 + 2 * i)), i


def test_three_hundred_rules(w):
    """Five groups of sixty rules each on one interface: every one of them is looked at."""
    groups = [w.cloud.group(w.vpc, f"sixty {g}", [tcp_rule(10000 + 200 * g + 3 * i, cidr=f"10.0.{1 + i % 2}.0/24") for i in range(60)]) for g in range(5)]
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, Groups=groups)
    try:
        until(lambda: admitted(w, w.d, t(10000 + 200 * 4 + 3 * 59)), "the groups", 5)
        for g in range(5):
            for i in range(60):
                port = 10000 + 200 * g + 3 * i
                assert admitted(w, w.a if i % 2 == 0 else w.d, t(port)), (g, i)
                if i % 10 < 2:
                    assert not admitted(w, w.d if i % 2 == 0 else w.a, t(port)), (g, i)
                    assert not admitted(w, w.a, t(port + 1)), (g, i)
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, Groups=[w.target])
        until(lambda: not admitted(w, w.d, t(10000 + 200 * 4 + 3 * 59)), "their end", 5)


@pytest.mark.parametrize("family", [4, 6])
def test_a_ping_lets_only_its_own_answer_in(w, family):
    """b pings a. From a come in: the answer with that number; no question, no other answer. Whatever the number is:
    in 2048 the request's type hides (8 << 8), in 32768 that of IPv6."""
    ask, answer = (8, 0) if family == 4 else (128, 129)
    inward = [permission("icmp", 8, -1, cidr="10.0.0.0/16"), permission("icmpv6", 128, -1, cidr6="::/0")]
    w.ec2.authorize_security_group_ingress(GroupId=w.senders, IpPermissions=inward)
    try:
        with rules(w):
            until(lambda: admitted(w, w.b, icmp(ask, number=next(marks), family=family), w.a, family=family), "the rule", 5)
            for number in (5, 0, 8, 0x0800, 0x8000, 0x0d00, 0x8008, 0xffff):
                assert admitted(w, w.b, icmp(ask, number=number, family=family), w.a, family=family)
                assert not admitted(w, w.a, icmp(ask, number=number, family=family), family=family), f"a question, {number}"
                assert not admitted(w, w.a, icmp(answer, number=number ^ 1, family=family), family=family), f"another answer, {number}"
                assert admitted(w, w.a, icmp(answer, number=number, family=family), family=family), f"the answer, {number}"
                assert not admitted(w, w.c, icmp(answer, number=number, family=family), family=family), f"of another, {number}"
                assert not admitted(w, w.a, icmp(ask, number=number, family=family), family=family), f"a question later, {number}"
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.senders, IpPermissions=inward)


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_lets_only_its_own_answers_in(w, family):
    """The five-tuple turned round, and nothing near it."""
    inward = [tcp_rule(80, cidr="10.0.0.0/16", cidr6="::/0"), udp_rule(80, cidr="10.0.0.0/16", cidr6="::/0")]
    w.ec2.authorize_security_group_ingress(GroupId=w.senders, IpPermissions=inward)
    try:
        with rules(w):
            until(lambda: admitted(w, w.b, t(80), w.a, family=family), "the rule", 5)
            for make in (lambda s, d, f=SYN: tcp(s, d, f), lambda s, d, f=0: udp(s, d)):
                assert admitted(w, w.b, make(5555, 80), w.a, family=family)
                assert admitted(w, w.a, make(80, 5555, SYN | ACK), family=family)
                assert admitted(w, w.b, make(5555, 80, ACK), w.a, family=family)
                assert admitted(w, w.a, make(80, 5555, ACK), family=family)
                assert not admitted(w, w.a, make(80, 5556, SYN | ACK), family=family)
                assert not admitted(w, w.a, make(81, 5555, SYN | ACK), family=family)
                assert not admitted(w, w.c, make(80, 5555, SYN | ACK), family=family)
                assert not admitted(w, w.a, make(5555, 80, SYN | ACK), family=family)
            for flags in (ACK, SYN | ACK, RST, 0, RST | ACK):
                assert not admitted(w, w.a, tcp(80, 6000, flags), family=family), "no flag makes an answer of nothing"
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.senders, IpPermissions=inward)


@pytest.mark.parametrize("family", [4, 6])
def test_a_connection_is_not_turned_round(w, family):
    """Whom b once connected to may answer, not begin a connection of its own to b's port, whatever became of the first."""
    inward = [tcp_rule(80, cidr="10.0.0.0/16", cidr6="::/0")]
    w.ec2.authorize_security_group_ingress(GroupId=w.senders, IpPermissions=inward)
    try:
        with rules(w):
            until(lambda: admitted(w, w.b, t(80), w.a, family=family), "the rule", 5)
            assert admitted(w, w.b, tcp(5600, 80, SYN), w.a, family=family)
            assert not admitted(w, w.a, tcp(80, 5600, SYN), family=family), "before the answer"
            assert admitted(w, w.a, tcp(80, 5600, SYN | ACK), family=family)
            assert not admitted(w, w.a, tcp(80, 5600, SYN), family=family), "half open"
            assert admitted(w, w.b, tcp(5600, 80, ACK), w.a, family=family)
            assert not admitted(w, w.a, tcp(80, 5600, SYN), family=family), "open"
            assert admitted(w, w.a, tcp(80, 5600, ACK), family=family), "which does the connection no harm"
            assert admitted(w, w.b, tcp(5600, 80, ACK), w.a, family=family)
            assert admitted(w, w.b, tcp(5600, 80, ACK | RST), w.a, family=family)
            assert not admitted(w, w.a, tcp(80, 5600, SYN), family=family), "closed"
    finally:
        w.ec2.revoke_security_group_ingress(GroupId=w.senders, IpPermissions=inward)


def test_icmp_errors_are_judged(w):
    """An error message that nobody asked for needs a rule, whatever it quotes."""
    quoted = ipv4(w.b.ip, w.a.ip, udp(1, 2))
    with rules(w):
        for kind, code in ((3, 3), (3, 4), (11, 0), (5, 1), (4, 0), (12, 0)):
            assert not admitted(w, w.a, icmp(kind, code, 0, 0, data=quoted))
        for kind, code in ((1, 4), (2, 0), (3, 0), (4, 0)):
            assert not admitted(w, w.a, icmp(kind, code, 0, 0, data=ipv6(w.b.ip6, w.a.ip6, udp(1, 2)), family=6), family=6)


def test_options_do_not_hide_ports(w):
    """The ports that count are those of the transport header, not bytes of an option that stands where it often is."""
    fake4 = bytes([148, 4, 0, 80])  # router alert, read as ports: 37892 > 80
    fake6 = (60, bytes([0, 0, 1, 4, 0, 80, 0, 80]))  # a padded destination option
    with rules(w, [tcp_rule(80, cidr="0.0.0.0/0", cidr6="::/0"), udp_rule(80, cidr="0.0.0.0/0", cidr6="::/0")]):
        for make in (t, u):
            assert not admitted(w, w.a, make(81), options=fake4)
            assert not admitted(w, w.a, make(81), options=fake4 * 10)
            assert not admitted(w, w.a, make(81), family=6, extensions=[fake6])
            assert not admitted(w, w.a, make(81), family=6, extensions=[(0, fake6[1]), fake6, fake6])
            assert admitted(w, w.a, make(80), family=6, extensions=[fake6])
        # Nor does a protocol number inside: the first header that is no extension is the protocol.
        assert not admitted(w, w.c, bytes(t(80)), family=6, protocol=50)
        assert not admitted(w, w.c, ipv4(w.c.ip, w.b.ip, t(80)), protocol=4)
        assert not admitted(w, w.c, ipv4(w.c.ip, w.b.ip, t(80)), family=6, protocol=4)
        assert not admitted(w, w.c, ipv6(w.c.ip6, w.b.ip6, t(80)), protocol=41)


def test_the_hosts_own_packets_never_get_in(w):
    """What the host itself sends into an interface's device ends there, whatever it claims to be."""
    import subprocess
    place = w.cloud.host_place()
    status = w.cloud.agent(cmd="status")
    index = next(n["ifindex"] for i in status["instances"] if i["id"] == w.b.id for n in i["interfaces"])
    links = subprocess.run(["ip", "-o", "link"], stdout=subprocess.PIPE, text=True, check=True).stdout
    device = next(line.split()[1].split("@")[0] for line in links.splitlines() if line.startswith(f"{index}:"))
    w.b.wires.drain()
    with place.wire(device) as behind, w.cloud.dropping("host-to-interface", 2):
        for raw in (ether(w.b.mac, w.a.mac, ipv4(w.a.ip, w.b.ip, udp(1, 2, b"host"))),
                    ether(w.b.mac, "06:00:00:00:00:01", ipv6(w.a.ip6, w.b.ip6, udp(1, 2, b"host")))):
            with pytest.raises(OSError):  # the kernel tells its own senders
                behind.send(raw)
    assert not [f for f in w.b.wires.drain() if f.payload == b"host"]
