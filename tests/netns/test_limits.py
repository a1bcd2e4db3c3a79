# SPDX-License-Identifier: Apache-2.0
"""One tenant takes all the rules that it may; another's changes take effect as ever.

    tenant 1   10.0.1.0/24 --- a [clients]
                           \\-- b [servers]
    tenant 2   20 groups of 60 rules with odd port ranges, sets of 16 of them, on interfaces and on instances
"""
import random
import time

import pytest

from conftest import permission, tcp, until

RULES, GROUPS, IN_SET, IDLE, RUNNING = 60, 20, 16, 60, 24


def odd_range(n, k):
    """A permission for a port range that many prefixes make up, for an address of its own."""
    chance = random.Random(k)
    return permission("tcp" if k % 2 else "udp", 1 + 2 * chance.randrange(12000), 65534 - 2 * chance.randrange(12000),
                      cidr=f"77.{k // 250}.{k % 250}.{n}/32")


def fill(cloud):
    """Makes the groups and gives their sets to interfaces that nobody plugs in."""
    ec2 = cloud.client()
    vpc = cloud.vpc()
    subnet = cloud.subnet(vpc, "10.0.0.0/20")
    groups = []
    for g in range(GROUPS):
        rules = [odd_range(1, g * RULES + r) for r in range(RULES)]
        groups.append(cloud.group(vpc, f"g{g}", rules, rules))
    chance = random.Random(3)
    sets = [chance.sample(groups, IN_SET) for _ in range(IDLE)]
    for s in sets:
        ec2.create_network_interface(SubnetId=subnet, Groups=s)
    return subnet, sets, groups


@pytest.fixture
def w(own_cloud):
    class World:
        pass
    w = World()
    w.cloud, w.ec2 = own_cloud, own_cloud.client()
    vpc = own_cloud.vpc()
    w.subnet = own_cloud.subnet(vpc, "10.0.1.0/24")
    w.clients = own_cloud.group(vpc, "clients")
    w.servers = own_cloud.group(vpc, "servers", [tcp(80, cidr="0.0.0.0/0"), tcp(81, cidr="10.0.0.0/8")])
    w.a, w.b = own_cloud.instance(w.subnet, [w.clients]), own_cloud.instance(w.subnet, [w.servers])
    w.b.listen(80)
    assert w.a.connect(w.b.ip, 80) == w.b.id
    return w


def test_a_tenant_that_fills_its_share_disturbs_nobody(w):
    other = w.cloud.tenant()
    subnet, sets, groups = fill(other)
    assert "not in force" not in w.cloud.log_text()
    assert "cannot be put into force" not in w.cloud.log_text(), "what is not plugged in costs nothing"

    # Now as many large sets as it may have on instances, and more.
    greedy = [other.instance(subnet, s) for s in sets[:RUNNING]]
    until(lambda: "its account's share" in w.cloud.log_text(), "the share is used up")
    assert "not in force" not in w.cloud.log_text()

    # The first tenant's revocation, while the other changes rules of all its sets.
    begin = time.monotonic()
    other.client().revoke_security_group_ingress(GroupId=groups[0], IpPermissions=[odd_range(1, 0)])
    w.ec2.revoke_security_group_ingress(GroupId=w.servers, IpPermissions=[tcp(80, cidr="0.0.0.0/0")])
    until(lambda: w.a.connect(w.b.ip, 80, 0.3) is None, "the revocation is in force", 10)
    print(f"after {time.monotonic() - begin:.1f} s")
    w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=[tcp(80, group=w.clients)])
    until(lambda: w.a.connect(w.b.ip, 80) == w.b.id, "the new rule is in force", 10)
    c = w.cloud.instance(w.subnet, [w.clients])
    until(lambda: c.connect(w.b.ip, 80) == w.b.id, "a new instance reaches the other", 10)

    # Room that the other gives back serves those of its sets that had none.
    other.client().terminate_instances(InstanceIds=[i.id for i in greedy[:RUNNING - 2]])
    until(lambda: "everything is in force again" in w.cloud.log_text(), "room is used", 60)
