# SPDX-License-Identifier: Apache-2.0
"""Every filter of DescribeSecurityGroups and DescribeSecurityGroupRules (EC2 API reference)."""
import pytest

from conftest import filters, make_group
from test_prefix_lists import make_list

TCP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81}


@pytest.fixture
def world(ec2, vpc):
    """One group with a rule of each kind inwards, one with the same outwards, one with none."""
    peer, pl = make_group(ec2, vpc, "peer"), make_list(ec2)
    rules = [{**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8"}], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
              "PrefixListIds": [{"PrefixListId": pl}], "UserIdGroupPairs": [{"GroupId": peer}]}]
    inward = ec2.create_security_group(VpcId=vpc, GroupName="in", Description="inward", TagSpecifications=[
        {"ResourceType": "security-group", "Tags": [{"Key": "k", "Value": "v"}]}])["GroupId"]
    outward = make_group(ec2, vpc, "out")
    ec2.authorize_security_group_ingress(GroupId=inward, IpPermissions=rules)
    ec2.authorize_security_group_egress(GroupId=outward, IpPermissions=rules)
    return {"peer": peer, "pl": pl, "in": inward, "out": outward, "vpc": vpc}


def test_filters_of_permissions(ec2, world, account):
    def found(name, value):
        ids = {g["GroupId"] for g in ec2.describe_security_groups(
            Filters=filters(vpc_id=world["vpc"], group_name=["in", "out", "peer"]) +
            [{"Name": name, "Values": [value]}])["SecurityGroups"]}
        return {name for name in ("in", "out", "peer") if world[name] in ids}

    for name, good, bad in (("cidr", "10.0.0.0/8", "11.0.0.0/8"), ("ipv6-cidr", "2001:db8::/32", "::/0"),
                            ("from-port", "80", "81"), ("to-port", "81", "80"), ("protocol", "tcp", "udp"),
                            ("group-id", world["peer"], world["in"]), ("group-name", "peer", "in"),
                            ("user-id", account.id, "000000000000"), ("prefix-list-id", world["pl"], "pl-0123456789abcdef0")):
        assert found("ip-permission." + name, good) == {"in"}, name
        assert found("egress.ip-permission." + name, good) == {"out"}, name
        assert found("ip-permission." + name, bad) == found("egress.ip-permission." + name, bad) == set(), name


def test_filters_of_groups(ec2, world, account):
    def found(name, value):
        return [g["GroupId"] for g in ec2.describe_security_groups(Filters=[{"Name": name, "Values": [value]}])["SecurityGroups"]]

    for name, value in (("description", "inward"), ("description", "inw?rd"), ("group-id", world["in"]), ("group-name", "in"),
                        ("tag:k", "v"), ("tag-key", "k")):
        assert found(name, value) == [world["in"]], name
    assert len(found("vpc-id", world["vpc"])) == 4
    assert len(found("owner-id", account.id)) == 5 and found("owner-id", "000000000000") == []


def test_filters_of_rules(ec2, world):
    def found(**values):
        return ec2.describe_security_group_rules(Filters=filters(**values))["SecurityGroupRules"]

    assert len(found(group_id=world["in"])) == 5 and len(found(group_id=[world["in"], world["out"]])) == 10
    (rule,) = [r for r in found(group_id=world["in"]) if "PrefixListId" in r]
    assert found(security_group_rule_id=rule["SecurityGroupRuleId"]) == [rule]
    ec2.create_tags(Resources=[rule["SecurityGroupRuleId"]], Tags=[{"Key": "r", "Value": "s"}])
    for name, value in (("tag:r", "s"), ("tag-key", "r")):
        (shown,) = ec2.describe_security_group_rules(Filters=[{"Name": name, "Values": [value]}])["SecurityGroupRules"]
        assert shown["SecurityGroupRuleId"] == rule["SecurityGroupRuleId"]
