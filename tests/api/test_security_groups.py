# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules (VPC user guide, "Security groups"; EC2 API reference)."""
import re

import pytest

from conftest import default_group, error, error_code, filters, make_group, make_subnet, make_vpc
from raw import Raw

WEB = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}


def show(ec2, group):
    return ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]


def rules(ec2, group):
    return ec2.describe_security_group_rules(Filters=filters(group_id=group))["SecurityGroupRules"]


@pytest.fixture
def group(ec2, vpc):
    return make_group(ec2, vpc)


def allow(ec2, group, *permissions):
    return ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))


def refused(ec2, group, *permissions):
    return error_code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=list(permissions))


def test_new_group_lets_nothing_in_and_all_out(ec2, vpc, group, account):
    shown = show(ec2, group)
    assert re.fullmatch("sg-[0-9a-f]{17}", group)
    assert shown["IpPermissions"] == []
    assert shown["IpPermissionsEgress"] == [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [],
                                             "PrefixListIds": [], "UserIdGroupPairs": []}]
    assert (shown["GroupName"], shown["Description"], shown["VpcId"], shown["OwnerId"]) == \
        ("group", "of a test", vpc, account.id)


def test_without_a_vpc_it_is_in_the_default_vpc(ec2):
    (vpc,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    assert show(ec2, group)["VpcId"] == vpc["VpcId"]
    # There its name is enough.
    assert ec2.describe_security_groups(GroupNames=["g"])["SecurityGroups"][0]["GroupId"] == group
    ec2.delete_security_group(GroupName="g")
    assert error_code(ec2.describe_security_groups, GroupNames=["g"]) == "InvalidGroup.NotFound"


def test_name_is_unique_in_its_vpc(ec2, vpc, group):
    assert error_code(ec2.create_security_group, VpcId=vpc, GroupName="group", Description="d") == "InvalidGroup.Duplicate"
    assert make_group(ec2, make_vpc(ec2), "group")


def test_name_of_a_deleted_group_is_free_again(ec2, vpc, group):
    ec2.delete_security_group(GroupId=group)
    assert make_group(ec2, vpc, "group")


@pytest.mark.parametrize("name", ["n" * 255, "a b._-:/()#,@[]+=&;{}!$*z", "Group 1"])
def test_allowed_names(ec2, vpc, name):
    assert show(ec2, make_group(ec2, vpc, name))["GroupName"] == name


def test_long_names_are_told_apart(ec2, vpc):
    assert make_group(ec2, vpc, "n" * 254 + "a") != make_group(ec2, vpc, "n" * 254 + "b")
    assert error_code(ec2.create_security_group, VpcId=vpc, GroupName="n" * 254 + "a",
                      Description="d") == "InvalidGroup.Duplicate"


@pytest.mark.parametrize("name", ["sg-web", "n" * 256, "gr\u00fcppe", "a\nb", "a<b"])
def test_names_that_are_refused(ec2, vpc, name):
    assert error_code(ec2.create_security_group, VpcId=vpc, GroupName=name, Description="d") == "InvalidParameterValue"


def test_default_is_reserved(ec2, vpc):
    assert error_code(ec2.create_security_group, VpcId=vpc, GroupName="default", Description="d") in \
        ("InvalidGroup.Reserved", "InvalidParameterValue")


def test_default_group_cannot_be_deleted(ec2, vpc):
    assert error_code(ec2.delete_security_group, GroupId=default_group(ec2, vpc)["GroupId"]) == "CannotDelete"


def test_group_of_an_interface_cannot_be_deleted(ec2, vpc, group):
    interface = ec2.create_network_interface(SubnetId=make_subnet(ec2, vpc), Groups=[group])["NetworkInterface"]
    assert error_code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    ec2.delete_security_group(GroupId=group)
    assert error_code(ec2.describe_security_groups, GroupIds=[group]) == "InvalidGroup.NotFound"


def test_group_that_another_names_cannot_be_deleted(ec2, vpc, group):
    allow(ec2, make_group(ec2, vpc, "other"), {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]})
    assert error_code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"


def test_group_that_names_itself_can_be_deleted(ec2, group):
    allow(ec2, group, {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]})
    ec2.delete_security_group(GroupId=group)


def test_authorize_answers_the_new_rules(ec2, group, account):
    answer = allow(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "10.1.0.0/16", "Description": "ours"}]})
    assert answer["Return"] is True
    (rule,) = answer["SecurityGroupRules"]
    assert re.fullmatch("sgr-[0-9a-f]{17}", rule["SecurityGroupRuleId"])
    assert {k: v for k, v in rule.items() if k != "SecurityGroupRuleId"} == {
        "GroupId": group, "GroupOwnerId": account.id, "IsEgress": False, "IpProtocol": "tcp", "FromPort": 80,
        "ToPort": 80, "CidrIpv4": "10.1.0.0/16", "Description": "ours", "Tags": []}
    assert [r for r in rules(ec2, group) if not r["IsEgress"]] == [rule]


def test_rules_of_one_port_are_shown_as_one_permission(ec2, group):
    allow(ec2, group, WEB)
    allow(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "11.0.0.0/8", "Description": "more"}],
                       "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]})
    assert show(ec2, group)["IpPermissions"] == [
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "PrefixListIds": [], "UserIdGroupPairs": [],
         "IpRanges": [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "11.0.0.0/8", "Description": "more"}],
         "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}]


def test_flat_form(ec2, group):
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0")
    assert show(ec2, group)["IpPermissions"][0]["FromPort"] == 22


def test_group_as_source(ec2, vpc, group, account):
    peer = make_group(ec2, vpc, "peer")
    allow(ec2, group, {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80,
                       "UserIdGroupPairs": [{"GroupId": peer, "UserId": account.id}]})
    assert show(ec2, group)["IpPermissions"][0]["UserIdGroupPairs"] == [{"GroupId": peer, "UserId": account.id}]
    (rule,) = [r for r in rules(ec2, group) if not r["IsEgress"]]
    assert rule["ReferencedGroupInfo"] == {"GroupId": peer, "UserId": account.id}


def test_group_of_another_vpc_cannot_be_a_source(ec2, group):
    peer = make_group(ec2, make_vpc(ec2), "peer")
    assert refused(ec2, group, {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": peer}]}) == "InvalidGroup.NotFound"


def test_host_bits_of_a_cidr_are_dropped(ec2, group):
    allow(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "100.68.0.18/18"}]})
    assert show(ec2, group)["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "100.68.0.0/18"}]


def test_same_rule_twice_is_a_duplicate(ec2, group):
    allow(ec2, group, WEB)
    assert refused(ec2, group, WEB) == "InvalidPermission.Duplicate"
    # The description is no part of what makes a rule.
    assert refused(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "x"}]}) == \
        "InvalidPermission.Duplicate"


def test_same_rule_twice_in_one_call(ec2, group):
    assert refused(ec2, group, WEB, WEB) == "InvalidParameterValue"
    assert show(ec2, group)["IpPermissions"] == []


def test_a_call_adds_all_rules_or_none(ec2, group):
    allow(ec2, group, WEB)
    assert refused(ec2, group, {**WEB, "FromPort": 81, "ToPort": 81}, WEB) == "InvalidPermission.Duplicate"
    assert len(show(ec2, group)["IpPermissions"]) == 1


@pytest.mark.parametrize("bad", [
    {"FromPort": -2}, {"ToPort": 65536}, {"FromPort": 90}, {"IpRanges": [{"CidrIp": "10.0.0.0"}]},
    {"IpRanges": [{"CidrIp": "10.0.0.0/33"}]}, {"IpRanges": [{"CidrIp": "::/0"}]}, {"IpRanges": []},
    {"IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "10.0.0.0/8"}]},
])
def test_values_that_are_refused(ec2, group, bad):
    assert refused(ec2, group, {**WEB, **bad}) in ("InvalidParameterValue", "InvalidPermission.Malformed")


@pytest.mark.parametrize("protocol", ["tcpp", "256", "-2", ""])
def test_protocols_that_are_refused(ec2, group, protocol):
    assert refused(ec2, group, {**WEB, "IpProtocol": protocol}) in ("InvalidPermission.Malformed", "InvalidParameterValue",
                                                                    "MissingParameter")


def test_tcp_needs_ports(ec2, group):
    assert refused(ec2, group, {"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}) in \
        ("InvalidParameterValue", "InvalidPermission.Malformed", "MissingParameter")


@pytest.mark.parametrize("given,shown", [("6", "tcp"), ("17", "udp"), ("1", "icmp"), ("TCP", "tcp"), ("50", "50")])
def test_protocol_numbers_are_shown_by_name(ec2, group, given, shown):
    allow(ec2, group, {**WEB, "IpProtocol": given, "FromPort": 8 if given == "1" else 80, "ToPort": -1 if given == "1" else 80})
    assert show(ec2, group)["IpPermissions"][0]["IpProtocol"] == shown


def test_icmp_has_type_and_code(ec2, group):
    allow(ec2, group, {"IpProtocol": "icmp", "FromPort": 3, "ToPort": 4, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
          {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
          {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]})
    assert sorted((p["FromPort"], p["ToPort"]) for p in show(ec2, group)["IpPermissions"]) == [(-1, -1), (3, 4), (8, -1)]


def test_revoke(ec2, group):
    allow(ec2, group, WEB)
    assert ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[WEB])["Return"] is True
    assert show(ec2, group)["IpPermissions"] == []


def test_revoke_needs_no_description(ec2, group):
    allow(ec2, group, {**WEB, "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "x"}]})
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[WEB])
    assert show(ec2, group)["IpPermissions"] == []


def test_revoke_of_what_is_not_there(ec2, group):
    """In a VPC that is not the default one: an error, and no rule is revoked."""
    allow(ec2, group, WEB)
    other = {**WEB, "FromPort": 81, "ToPort": 81}
    assert error_code(ec2.revoke_security_group_ingress, GroupId=group,
                      IpPermissions=[WEB, other]) == "InvalidPermission.NotFound"
    assert len(show(ec2, group)["IpPermissions"]) == 1


def test_revoke_in_the_default_vpc_tells_what_was_not_there(ec2):
    """In the default VPC: no error, the answer says which rules were not revoked."""
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    allow(ec2, group, WEB)
    answer = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[WEB, {**WEB, "FromPort": 81, "ToPort": 81}])
    assert [(p["FromPort"], p["IpRanges"]) for p in answer["UnknownIpPermissions"]] == [(81, [{"CidrIp": "10.0.0.0/8"}])]
    assert show(ec2, group)["IpPermissions"] == []


def test_revoke_by_id(ec2, group):
    (rule,) = allow(ec2, group, WEB)["SecurityGroupRules"]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert show(ec2, group)["IpPermissions"] == []
    assert error_code(ec2.revoke_security_group_ingress, GroupId=group,
                      SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]) == "InvalidSecurityGroupRuleId.NotFound"


def test_egress_rules_are_apart_from_ingress(ec2, group):
    allow(ec2, group, WEB)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[WEB])
    assert len(show(ec2, group)["IpPermissions"]) == 1 and len(show(ec2, group)["IpPermissionsEgress"]) == 2
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])
    assert len(show(ec2, group)["IpPermissionsEgress"]) == 1
    (rule,) = [r for r in rules(ec2, group) if r["IsEgress"]]
    assert error_code(ec2.revoke_security_group_ingress, GroupId=group,
                      SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]]) == "InvalidSecurityGroupRuleId.NotFound"


def test_sixty_rules_a_direction_and_family(ec2, group):
    def ports(first, last):
        return [{**WEB, "FromPort": p, "ToPort": p} for p in range(first, last)]

    allow(ec2, group, *ports(1, 61))
    assert refused(ec2, group, *ports(61, 62)) == "RulesPerSecurityGroupLimitExceeded"
    allow(ec2, group, {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]})


def test_rules_can_be_tagged_when_they_are_made(ec2, group):
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[WEB], TagSpecifications=[
        {"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}])["SecurityGroupRules"]
    assert rule["Tags"] == [{"Key": "a", "Value": "b"}]


def test_describe_rules_by_id_group_and_tag(ec2, group):
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[WEB], TagSpecifications=[
        {"ResourceType": "security-group-rule", "Tags": [{"Key": "a", "Value": "b"}]}])["SecurityGroupRules"]
    allow(ec2, group, {**WEB, "FromPort": 81, "ToPort": 81})
    name = rule["SecurityGroupRuleId"]

    def ids(**params):
        return [r["SecurityGroupRuleId"] for r in ec2.describe_security_group_rules(**params)["SecurityGroupRules"]]

    assert ids(SecurityGroupRuleIds=[name]) == [name]
    assert ids(Filters=[{"Name": "security-group-rule-id", "Values": [name]}]) == [name]
    assert len(ids(Filters=filters(group_id=group))) == 3
    assert ids(Filters=[{"Name": "tag:a", "Values": ["b"]}]) == [name]
    assert ids(Filters=[{"Name": "tag:a", "Values": ["c"]}]) == []
    assert ids(Filters=[{"Name": "tag-key", "Values": ["a"]}]) == [name]


def test_pages_of_rules_survive_the_removal_of_shown_ones(ec2, group):
    allow(ec2, group, *[{**WEB, "FromPort": p, "ToPort": p} for p in range(1, 12)])
    everything = {r["SecurityGroupRuleId"] for r in rules(ec2, group)}
    page = ec2.describe_security_group_rules(Filters=filters(group_id=group), MaxResults=5)
    shown = [r["SecurityGroupRuleId"] for r in page["SecurityGroupRules"]]
    gone = [r["SecurityGroupRuleId"] for r in page["SecurityGroupRules"] if not r["IsEgress"]][:2]
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=gone)
    while "NextToken" in page:
        page = ec2.describe_security_group_rules(Filters=filters(group_id=group), MaxResults=5, NextToken=page["NextToken"])
        shown += [r["SecurityGroupRuleId"] for r in page["SecurityGroupRules"]]
    assert len(shown) == len(set(shown)) and set(shown) == everything


def test_filters(ec2, vpc, group):
    allow(ec2, group, {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}, WEB,
          {**WEB, "IpProtocol": "udp", "FromPort": 53, "ToPort": 54, "IpRanges": [], "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]})

    def ids(name, *values):
        return {g["GroupId"] for g in ec2.describe_security_groups(
            Filters=filters(vpc_id=vpc) + [{"Name": name, "Values": list(values)}])["SecurityGroups"]}

    default = default_group(ec2, vpc)["GroupId"]
    assert ids("group-name", "gr*") == {group}
    assert ids("group-id", group) == {group}
    assert ids("description", "of a test") == {group}
    assert ids("ip-permission.from-port", "80") == {group}
    assert ids("ip-permission.to-port", "54") == {group}
    assert ids("ip-permission.protocol", "udp") == {group}
    assert ids("ip-permission.cidr", "10.0.0.0/8") == {group}
    assert ids("ip-permission.ipv6-cidr", "2001:db8::/32") == {group}
    assert ids("ip-permission.group-id", group) == {group}
    assert ids("egress.ip-permission.cidr", "0.0.0.0/0") == {group, default}
    assert ids("egress.ip-permission.from-port", "80") == set()


def test_malformed_and_unknown_ids(ec2):
    assert error_code(ec2.describe_security_groups, GroupIds=["vpc-0123456789abcdef0"]) == "InvalidGroupId.Malformed"
    assert error_code(ec2.delete_security_group, GroupId="sg-0123456789abcdef0") == "InvalidGroup.NotFound"
    assert error_code(ec2.describe_security_group_rules,
                      SecurityGroupRuleIds=["sgr-0123456789abcdef0"]) == "InvalidSecurityGroupRuleId.NotFound"


def test_error_text_names_the_rule(ec2, group):
    allow(ec2, group, WEB)
    code, message, status = error(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[WEB])
    assert (code, status) == ("InvalidPermission.Duplicate", 400)
    assert "10.0.0.0/8" in message and "80" in message and "TCP" in message.upper()


def test_names_do_not_differ_by_case_or_spaces_behind(ec2, vpc, group):
    for name in ("Group", "group  "):
        assert error_code(ec2.create_security_group, VpcId=vpc, GroupName=name, Description="d") == "InvalidGroup.Duplicate"
    assert show(ec2, make_group(ec2, vpc, "Other "))["GroupName"] == "Other"
    ec2.delete_security_group(GroupId=group)
    assert show(ec2, make_group(ec2, vpc, "GROUP"))["GroupName"] == "GROUP"
    for name in ("Default", "SG-x", "   "):
        assert error_code(ec2.create_security_group, VpcId=vpc, GroupName=name, Description="d") in \
            ("InvalidGroup.Reserved", "InvalidParameterValue")


def test_revoke_answers_with_the_rules_it_took(account, ec2, group):
    (rule,) = allow(ec2, group, WEB)["SecurityGroupRules"]
    reply = Raw(account).call("RevokeSecurityGroupIngress", GroupId=group,
                              **{"SecurityGroupRuleId.1": rule["SecurityGroupRuleId"]})
    at = "revokedSecurityGroupRuleSet/item/"
    assert (reply.find(at + "securityGroupRuleId"), reply.find(at + "cidrIpv4"), reply.find("return")) == \
        (rule["SecurityGroupRuleId"], "10.0.0.0/8", "true")


def test_flat_form_with_a_group_lets_its_members_do_anything(ec2):
    peer = ec2.create_security_group(GroupName="peer", Description="d")["GroupId"]
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    (rule,) = ec2.authorize_security_group_ingress(GroupName="g", SourceSecurityGroupName="peer")["SecurityGroupRules"]
    assert (rule["GroupId"], rule["IpProtocol"], rule["ReferencedGroupInfo"]["GroupId"]) == (group, "-1", peer)
    call = ec2.authorize_security_group_ingress
    for more in ({"IpProtocol": "tcp"}, {"FromPort": 1, "ToPort": 1}, {"CidrIp": "10.0.0.0/8"}):
        assert error_code(call, GroupName="g", SourceSecurityGroupName="peer", **more) == "InvalidParameterCombination"
    assert error_code(call, GroupName="g", SourceSecurityGroupName="peer",
                      SourceSecurityGroupOwnerId="000000000009") == "InvalidGroup.NotFound"
    ec2.revoke_security_group_ingress(GroupName="g", SourceSecurityGroupName="peer")
    assert show(ec2, group)["IpPermissions"] == []


def test_pages_of_rules_over_groups(ec2, vpc):
    """Pages end within groups and at their ends; by all groups, by some, and by ids they say the same."""
    groups = [make_group(ec2, vpc, f"g{i}") for i in range(5)]
    for n, group in enumerate(groups):
        allow(ec2, group, *[{**WEB, "FromPort": p, "ToPort": p} for p in range(1, 2 + 2 * n)])
    everything = [r["SecurityGroupRuleId"] for r in ec2.describe_security_group_rules()["SecurityGroupRules"]]
    pages = ec2.get_paginator("describe_security_group_rules")

    def paged(**params):
        return [r["SecurityGroupRuleId"] for page in pages.paginate(PaginationConfig={"PageSize": 5}, **params)
                for r in page["SecurityGroupRules"]]

    assert paged() == everything and len(everything) == len(set(everything))
    mine = paged(Filters=filters(group_id=groups + groups[:1]))
    assert len(mine) == 5 + 25 and set(mine) == {r for g in groups for r in paged(Filters=filters(group_id=g))}
    some = sorted(everything)[::3]
    shown = [r["SecurityGroupRuleId"] for r in ec2.describe_security_group_rules(SecurityGroupRuleIds=some + some[:1])["SecurityGroupRules"]]
    assert sorted(shown) == some and paged(Filters=filters(security_group_rule_id=some)) == shown
    assert paged(Filters=filters(group_id="sg-0123456789abcdef0")) == []
