# SPDX-License-Identifier: Apache-2.0
"""Rules that are changed in place, and their descriptions (EC2 API reference, ModifySecurityGroupRules,
UpdateSecurityGroupRuleDescriptions*)."""
import pytest

from conftest import error_code, filters, make_group, make_vpc
from test_prefix_lists import make_list

TCP = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80}
WEB = {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


@pytest.fixture
def group(ec2, vpc):
    return make_group(ec2, vpc)


def allow(ec2, group, permission):
    (made,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])["SecurityGroupRules"]
    return made["SecurityGroupRuleId"]


def rule(ec2, name):
    return ec2.describe_security_group_rules(SecurityGroupRuleIds=[name])["SecurityGroupRules"][0]


def update(name, **what):
    return {"SecurityGroupRuleId": name, "SecurityGroupRule": what}


def modify(ec2, group, *updates):
    return ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=list(updates))


def refused(ec2, group, *updates):
    return error_code(ec2.modify_security_group_rules, GroupId=group, SecurityGroupRules=list(updates))


def test_rule_keeps_its_id_and_tags(ec2, group):
    name = allow(ec2, group, {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "old"}]})
    ec2.create_tags(Resources=[name], Tags=[{"Key": "k", "Value": "v"}])
    assert modify(ec2, group, update(name, IpProtocol="udp", FromPort=1, ToPort=2, CidrIpv4="11.1.0.0/8", Description="new"))
    shown = rule(ec2, name)
    assert (shown["IpProtocol"], shown["FromPort"], shown["ToPort"], shown["CidrIpv4"], shown["Description"], shown["Tags"]) == \
        ("udp", 1, 2, "11.0.0.0/8", "new", [{"Key": "k", "Value": "v"}])
    assert not shown["IsEgress"]


def test_every_kind_of_peer(ec2, vpc, group):
    pl, other = make_list(ec2), make_group(ec2, vpc, "other")
    for permission, what in (({"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}, {"CidrIpv6": "2001:db8:1::/48"}),
                             ({"PrefixListIds": [{"PrefixListId": make_list(ec2)}]}, {"PrefixListId": pl}),
                             ({"UserIdGroupPairs": [{"GroupId": group}]}, {"ReferencedGroupId": other})):
        name = allow(ec2, group, {**TCP, **permission})
        modify(ec2, group, update(name, **TCP, **what))
        ((key, value),) = what.items()
        shown = rule(ec2, name)
        assert (shown["ReferencedGroupInfo"]["GroupId"] if key == "ReferencedGroupId" else shown[key]) == value
    assert error_code(ec2.delete_security_group, GroupId=other) == "DependencyViolation"


def test_kind_of_peer_cannot_change(ec2, group):
    name = allow(ec2, group, WEB)
    for what in ({"CidrIpv6": "::/0"}, {"PrefixListId": make_list(ec2)}, {"ReferencedGroupId": group}):
        assert refused(ec2, group, update(name, **TCP, **what)) == "InvalidParameterValue"


def test_changes_that_are_refused(ec2, vpc, group):
    name = allow(ec2, group, WEB)
    far = make_group(ec2, make_vpc(ec2), "far")
    pair = allow(ec2, group, {**TCP, "UserIdGroupPairs": [{"GroupId": group}]})
    listed = allow(ec2, group, {**TCP, "PrefixListIds": [{"PrefixListId": make_list(ec2)}]})
    for wanted, change in (
            ("MissingParameter", update(name, **TCP)),
            ("MissingParameter", update(name, CidrIpv4="10.0.0.0/8")),
            ("InvalidParameterCombination", update(name, **TCP, CidrIpv4="10.0.0.0/8", CidrIpv6="::/0")),
            ("InvalidParameterValue", update(name, **{**TCP, "FromPort": 81}, CidrIpv4="10.0.0.0/8")),
            ("InvalidParameterValue", update(name, **TCP, CidrIpv4="10.0.0.0")),
            ("InvalidParameterValue", update(name, **TCP, CidrIpv4="10.0.0.0/8", Description="a<b")),
            ("InvalidPermission.Malformed", update(name, IpProtocol="x", CidrIpv4="10.0.0.0/8")),
            ("InvalidSecurityGroupRuleId.NotFound", update("sgr-0123456789abcdef0", **TCP, CidrIpv4="10.0.0.0/8")),
            ("InvalidSecurityGroupRuleId.Malformed", update("rule", **TCP, CidrIpv4="10.0.0.0/8")),
            ("InvalidGroup.NotFound", update(pair, **TCP, ReferencedGroupId=far)),
            ("InvalidGroup.NotFound", update(pair, **TCP, ReferencedGroupId="sg-0123456789abcdef0")),
            ("InvalidPrefixListID.NotFound", update(listed, **TCP, PrefixListId="pl-0123456789abcdef0"))):
        assert refused(ec2, group, change) == wanted, change
    good = update(name, **TCP, CidrIpv4="11.0.0.0/8")
    assert refused(ec2, group, good, good) == "InvalidParameterValue"
    assert refused(ec2, make_group(ec2, vpc, "b"), good) == "InvalidSecurityGroupRuleId.NotFound"
    assert rule(ec2, name)["CidrIpv4"] == "10.0.0.0/8"


def test_duplicate_by_a_change(ec2, group):
    first = allow(ec2, group, WEB)
    second = allow(ec2, group, {**WEB, "FromPort": 81, "ToPort": 81})
    assert refused(ec2, group, update(second, **TCP, CidrIpv4="10.0.0.0/8")) == "InvalidPermission.Duplicate"
    # In one call they may change places.
    modify(ec2, group, update(second, **TCP, CidrIpv4="10.0.0.0/8"),
           update(first, IpProtocol="tcp", FromPort=81, ToPort=81, CidrIpv4="10.0.0.0/8"))
    assert (rule(ec2, first)["FromPort"], rule(ec2, second)["FromPort"]) == (81, 80)


def test_a_larger_list_needs_room(ec2, group):
    name = allow(ec2, group, {**TCP, "PrefixListIds": [{"PrefixListId": make_list(ec2, size=10)}]})
    allow(ec2, group, {**TCP, "PrefixListIds": [{"PrefixListId": make_list(ec2, size=50)}]})
    assert refused(ec2, group, update(name, **TCP, PrefixListId=make_list(ec2, size=11))) == "RulesPerSecurityGroupLimitExceeded"


def describe(ec2, group, **params):
    return ec2.update_security_group_rule_descriptions_ingress(GroupId=group, **params)


def test_descriptions_by_permission(ec2, group):
    name = allow(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "old"}]})
    new = {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "new"}]}
    assert describe(ec2, group, IpPermissions=[new])["Return"] is True
    assert rule(ec2, name)["Description"] == "new"
    # Without one, it is taken away.
    describe(ec2, group, IpPermissions=[WEB])
    assert "Description" not in rule(ec2, name)


def test_descriptions_by_id(ec2, group):
    name = allow(ec2, group, WEB)
    given = [{"SecurityGroupRuleId": name, "Description": "d"}]
    describe(ec2, group, SecurityGroupRuleDescriptions=given)
    assert rule(ec2, name)["Description"] == "d"
    assert error_code(ec2.update_security_group_rule_descriptions_egress, GroupId=group,
                      SecurityGroupRuleDescriptions=given) == "InvalidSecurityGroupRuleId.NotFound"


def test_descriptions_of_egress(ec2, group):
    all_out = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all out"}]}
    ec2.update_security_group_rule_descriptions_egress(GroupId=group, IpPermissions=[all_out])
    (shown,) = ec2.describe_security_group_rules(Filters=filters(group_id=group))["SecurityGroupRules"]
    assert shown["Description"] == "all out"


def test_descriptions_that_are_refused(ec2, group):
    name = allow(ec2, group, WEB)
    for wanted, params in (
            ("MissingParameter", {}),
            ("InvalidParameterCombination", {"IpPermissions": [WEB], "SecurityGroupRuleDescriptions": [
                {"SecurityGroupRuleId": name, "Description": "x"}]}),
            ("InvalidPermission.NotFound", {"IpPermissions": [{**WEB, "FromPort": 1, "ToPort": 1}]}),
            ("InvalidParameterValue", {"IpPermissions": [{**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "\u00fc"}]}]}),
            ("InvalidParameterValue", {"SecurityGroupRuleDescriptions": [{"SecurityGroupRuleId": name, "Description": "d" * 256}]}),
            ("InvalidSecurityGroupRuleId.NotFound", {"SecurityGroupRuleDescriptions": [
                {"SecurityGroupRuleId": "sgr-0123456789abcdef0", "Description": "x"}]})):
        assert error_code(ec2.update_security_group_rule_descriptions_ingress, GroupId=group, **params) == wanted, params
    assert error_code(ec2.update_security_group_rule_descriptions_ingress, IpPermissions=[WEB]) == "MissingParameter"


@pytest.mark.parametrize("text", ["d" * 255, "a b._-:/()#,@[]+=&;{}!$*z9"])
def test_allowed_descriptions(ec2, group, text):
    name = allow(ec2, group, {**TCP, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": text}]})
    assert rule(ec2, name)["Description"] == text


@pytest.mark.parametrize("text", ["d" * 256, "a<b", "a'b", "\u00e9", "a\nb"])
def test_refused_descriptions(ec2, group, text):
    for peers in ({"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": text}]},
                  {"Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": text}]},
                  {"UserIdGroupPairs": [{"GroupId": group, "Description": text}]},
                  {"PrefixListIds": [{"PrefixListId": make_list(ec2), "Description": text}]}):
        assert error_code(ec2.authorize_security_group_ingress, GroupId=group,
                          IpPermissions=[{**TCP, **peers}]) == "InvalidParameterValue"
