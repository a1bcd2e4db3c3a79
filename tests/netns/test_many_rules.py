# SPDX-License-Identifier: Apache-2.0
"""As many groups and rules as an interface may have: 16 groups of 62 rules for each family, and only the last rule lets anybody in.

    subnet 10.0.1.0/24, 2001:db8:..01::/64 --- a [clients]
                                           \\-- b [16 groups: 992 rules for IPv4, 992 for IPv6]
"""
import os
import subprocess
import types

import botocore.exceptions
import pytest

from conftest import BOUND, BUILD, permission, tcp

GROUPS, RULES = 16, 62  # 992: "the quota for security groups per network interface multiplied by rules per security group cannot exceed 1,000"


def nobody(group, n, port):
    """Permissions of n rules for each family, about addresses that nobody has."""
    row = permission("tcp", port, port)
    row["IpRanges"] = [{"CidrIp": f"172.20.{group}.{i}/32"} for i in range(n)]
    row["Ipv6Ranges"] = [{"CidrIpv6": f"fd00:{group:x}::{i:x}/128"} for i in range(n)]
    return [row]


@pytest.fixture(scope="module")
def w(cloud):
    cloud = cloud.tenant()  # whose limit is its own
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc(ipv6=True)
    w.subnet = cloud.subnet(w.vpc, "10.0.1.0/24", 1)
    subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "account", "limit", w.vpc["OwnerId"],
                    "rules-per-security-group", str(RULES)], check=True, timeout=BOUND)
    w.clients = cloud.group(w.vpc, "clients")
    w.groups = sorted(cloud.group(w.vpc, f"many{g}") for g in range(GROUPS))
    for n, group in enumerate(w.groups):
        last = n == GROUPS - 1
        w.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=nobody(n, RULES - last, 80))
    w.last = w.groups[-1]
    w.a = cloud.instance(w.subnet, [w.clients], ipv6=True)
    w.b = cloud.instance(w.subnet, w.groups, ipv6=True)
    w.allow = {4: [tcp(80, cidr=f"{w.a.ip}/32")], 6: [tcp(80, cidr6=f"{w.a.ip6}/128")]}
    w.address = {4: w.b.ip, 6: w.b.ip6}
    for family in (4, 6):
        w.b.listen(80, family=family) if family == 4 else w.b.listen(80, address=w.b.ip6, family=6)
        w.ec2.authorize_security_group_ingress(GroupId=w.last, IpPermissions=w.allow[family])
    return w


@pytest.mark.parametrize("family", [4, 6])
def test_the_last_rule_decides(w, family):
    address = w.address[family]
    assert w.a.connect(address, 80, 10) == w.b.id
    assert w.a.refused(w.cloud, address, 81, "security-group-ingress")
    w.ec2.revoke_security_group_ingress(GroupId=w.last, IpPermissions=w.allow[family])
    assert w.a.refused(w.cloud, address, 80, "security-group-ingress")
    assert w.a.connect(w.address[10 - family], 80, 10) == w.b.id  # the other family's is another rule
    w.ec2.authorize_security_group_ingress(GroupId=w.last, IpPermissions=w.allow[family])
    assert w.a.connect(address, 80, 10) == w.b.id


def code(call, **params):
    with pytest.raises(botocore.exceptions.ClientError) as e:
        call(**params)
    return e.value.response["Error"]["Code"]


def test_above_the_limits(w):
    """A clear error, and nothing changes."""
    more = [tcp(82, cidr="0.0.0.0/0")]
    assert code(w.ec2.authorize_security_group_ingress, GroupId=w.last, IpPermissions=more) == "RulesPerSecurityGroupLimitExceeded"
    extra = w.cloud.group(w.vpc, "one more")
    for call, params in ((w.ec2.create_network_interface, {"SubnetId": w.subnet}),
                         (w.ec2.modify_network_interface_attribute, {"NetworkInterfaceId": w.b.eni})):
        assert code(call, Groups=[*w.groups, extra], **params) == "SecurityGroupsPerInterfaceLimitExceeded"
    assert w.a.connect(w.b.ip, 80, 10) == w.b.id
    assert w.a.refused(w.cloud, w.b.ip, 82, "security-group-ingress")
