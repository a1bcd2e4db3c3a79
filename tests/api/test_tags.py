# SPDX-License-Identifier: Apache-2.0
"""Tags (EC2 user guide, "Tag your resources"; CreateTags, DeleteTags, DescribeTags)."""
import pytest

from conftest import (default_group, error_code, main_table, make_gateway, make_group, make_subnet, make_vpc)


def tag(key, value=""):
    return {"Key": key, "Value": value}


def tags_of(ec2, resource):
    found = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
    return {t["Key"]: t["Value"] for t in found}


def test_create_adds_and_overwrites(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "1"), tag("b", "2")])
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "3"), tag("c")])
    assert tags_of(ec2, vpc) == {"a": "3", "b": "2", "c": ""}


def test_of_several_resources_at_once(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    ec2.create_tags(Resources=[vpc, subnet], Tags=[tag("a", "1")])
    assert tags_of(ec2, vpc) == tags_of(ec2, subnet) == {"a": "1"}


def test_all_resources_or_none(ec2, vpc):
    assert error_code(ec2.create_tags, Resources=[vpc, "subnet-0123456789abcdef0"],
                      Tags=[tag("a")]) == "InvalidSubnetID.NotFound"
    assert tags_of(ec2, vpc) == {}


def test_every_resource_can_be_tagged(ec2, vpc):
    group = make_group(ec2, vpc)
    (rule,) = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}])["SecurityGroupRules"]
    subnet = make_subnet(ec2, vpc)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    address = ec2.allocate_address()["AllocationId"]
    options = ec2.describe_dhcp_options()["DhcpOptions"][0]["DhcpOptionsId"]
    acl = ec2.describe_network_acls()["NetworkAcls"][0]["NetworkAclId"]
    types = {vpc: "vpc", subnet: "subnet", group: "security-group", rule["SecurityGroupRuleId"]: "security-group-rule",
             make_gateway(ec2): "internet-gateway", main_table(ec2, vpc)["RouteTableId"]: "route-table",
             interface: "network-interface", address: "elastic-ip", options: "dhcp-options", acl: "network-acl"}
    for resource in types:
        ec2.create_tags(Resources=[resource], Tags=[tag("k", resource)])
    found = {t["ResourceId"]: t["ResourceType"] for t in ec2.describe_tags(Filters=[{"Name": "key", "Values": ["k"]}])["Tags"]}
    assert found == types
    ec2.release_address(AllocationId=address)


def test_delete_by_key_whatever_the_value(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "1"), tag("b", "2")])
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "a"}])
    assert tags_of(ec2, vpc) == {"b": "2"}


def test_delete_with_a_value_only_if_it_is_that(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "1"), tag("b", "2"), tag("c")])
    ec2.delete_tags(Resources=[vpc], Tags=[tag("a", "2"), tag("b", "2"), tag("c", "")])
    assert tags_of(ec2, vpc) == {"a": "1"}
    ec2.delete_tags(Resources=[vpc], Tags=[tag("a", "")])
    assert tags_of(ec2, vpc) == {"a": "1"}


def test_delete_without_tags_deletes_all(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "1"), tag("b", "2")])
    ec2.delete_tags(Resources=[vpc])
    assert tags_of(ec2, vpc) == {}


def test_delete_of_a_tag_that_is_not_there_is_fine(ec2, vpc):
    ec2.delete_tags(Resources=[vpc], Tags=[{"Key": "never"}])


def test_tags_with_the_creation(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=[
        {"ResourceType": "vpc", "Tags": [tag("Name", "main"), tag("x")]}])["Vpc"]
    assert vpc["Tags"] == [tag("Name", "main"), tag("x")]
    assert tags_of(ec2, vpc["VpcId"]) == {"Name": "main", "x": ""}


def test_specification_must_be_for_what_is_created(ec2):
    assert error_code(ec2.create_vpc, CidrBlock="10.0.0.0/16", TagSpecifications=[
        {"ResourceType": "subnet", "Tags": [tag("a")]}]) == "InvalidParameterValue"


def test_keys_beginning_with_aws_are_reserved(ec2, vpc):
    for key in ("aws:x", "AWS:x", "aws:"):
        assert error_code(ec2.create_tags, Resources=[vpc], Tags=[tag(key)]) == "InvalidParameterValue"


def test_fifty_tags_a_resource(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag(f"k{i}") for i in range(50)])
    assert error_code(ec2.create_tags, Resources=[vpc], Tags=[tag("one more")]) == "TagLimitExceeded"
    ec2.create_tags(Resources=[vpc], Tags=[tag("k0", "changed")])
    assert tags_of(ec2, vpc)["k0"] == "changed"


@pytest.mark.parametrize("letter", ["k", "\u00fc", "\u4e16"])
def test_lengths_are_counted_in_characters(ec2, vpc, letter):
    """API reference, Tag: 127 characters for the key, 256 for the value."""
    ec2.create_tags(Resources=[vpc], Tags=[tag(letter * 127, letter * 256)])
    assert tags_of(ec2, vpc) == {letter * 127: letter * 256}
    assert error_code(ec2.create_tags, Resources=[vpc], Tags=[tag(letter * 129)]) == "InvalidParameterValue"
    assert error_code(ec2.create_tags, Resources=[vpc], Tags=[tag("a", letter * 257)]) == "InvalidParameterValue"


@pytest.mark.parametrize("text", ["a&b<c>\"d'", "line\nbreak", "\U0001f600", " spaces ", "a=b;c", "%41+"])
def test_text_comes_back_as_it_went(ec2, vpc, text):
    ec2.create_tags(Resources=[vpc], Tags=[tag("t", text)])
    assert tags_of(ec2, vpc) == {"t": text}


def test_keys_and_values_are_case_sensitive(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a", "x"), tag("A", "X")])
    assert tags_of(ec2, vpc) == {"a": "x", "A": "X"}
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:a", "Values": ["X"]}])["Vpcs"] == []


def test_empty_key_is_refused(ec2, vpc):
    assert error_code(ec2.create_tags, Resources=[vpc], Tags=[tag("")]) == "InvalidParameterValue"


def test_of_what_has_no_such_id(ec2):
    assert error_code(ec2.create_tags, Resources=["nonsense"], Tags=[tag("a")]) == "InvalidID"
    assert error_code(ec2.create_tags, Resources=["vpc-0123456789abcdef0"], Tags=[tag("a")]) == "InvalidVpcID.NotFound"


def test_describe_filters(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    ec2.create_tags(Resources=[vpc, subnet], Tags=[tag("color", "blue")])
    ec2.create_tags(Resources=[subnet], Tags=[tag("colour", "red")])

    def rows(*given):
        return {(t["ResourceId"], t["Key"]) for t in ec2.describe_tags(
            Filters=[{"Name": n, "Values": v} for n, v in given])["Tags"]}

    assert rows(("key", ["color"])) == {(vpc, "color"), (subnet, "color")}
    assert rows(("key", ["colo*"]), ("resource-type", ["subnet"])) == {(subnet, "color"), (subnet, "colour")}
    assert rows(("value", ["red"])) == {(subnet, "colour")}
    assert rows(("resource-id", [vpc])) == {(vpc, "color")}
    assert rows(("tag:color", ["blue"])) == {(vpc, "color"), (subnet, "color")}


def test_tags_are_gone_with_their_resource(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[tag("a")])
    ec2.delete_vpc(VpcId=vpc)
    assert tags_of(ec2, vpc) == {}


def test_describe_pages(ec2, vpc):
    resources = [make_subnet(ec2, vpc, f"10.0.{i}.0/24") for i in range(7)]
    ec2.create_tags(Resources=resources, Tags=[tag("a"), tag("b")])
    shown, token = [], {}
    while True:
        page = ec2.describe_tags(MaxResults=5, **token)
        assert len(page["Tags"]) <= 5
        shown += [(t["ResourceId"], t["Key"]) for t in page["Tags"]]
        if not page.get("NextToken"):
            break
        token = {"NextToken": page["NextToken"]}
    assert sorted(shown) == sorted((r, k) for r in resources for k in "ab")


def test_pages_of_rules_and_of_tags_that_come_and_go(ec2, vpc):
    group = ec2.create_security_group(VpcId=vpc, GroupName="g", Description="d")["GroupId"]
    rules = [r["SecurityGroupRuleId"] for r in ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": i, "ToPort": i, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]} for i in range(8)])[
            "SecurityGroupRules"]]
    ec2.create_tags(Resources=[*rules, group, vpc], Tags=[{"Key": f"stays{i}", "Value": "a" * 200} for i in range(7)])
    ec2.create_tags(Resources=rules, Tags=[{"Key": f"goes{i}", "Value": ""} for i in range(20)])
    for wanted in ([], [{"Name": "resource-id", "Values": [*rules[::-1], group, vpc, rules[0]]}]):
        shown, token, i = [], {}, 0
        while True:
            page = ec2.describe_tags(MaxResults=5, Filters=wanted, **token)
            shown += [(t["ResourceId"], t["Key"]) for t in page["Tags"]]
            if "NextToken" not in page:
                break
            token = {"NextToken": page["NextToken"]}
            ec2.delete_tags(Resources=rules, Tags=[{"Key": f"goes{i}"}])
            ec2.create_tags(Resources=rules, Tags=[{"Key": f"new{i}", "Value": ""}])
            i = min(i + 1, 19)
        assert len(shown) == len(set(shown))
        assert {(r, f"stays{i}") for r in (*rules, group, vpc) for i in range(7)} <= set(shown)
        ec2.delete_tags(Resources=rules, Tags=[{"Key": f"new{i}"} for i in range(20)])
        ec2.create_tags(Resources=rules, Tags=[{"Key": f"goes{i}", "Value": ""} for i in range(20)])


def test_rule_tags_do_not_leak_into_the_group(ec2, vpc):
    group = default_group(ec2, make_vpc(ec2))["GroupId"]
    rule = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"][0]
    ec2.create_tags(Resources=[rule["SecurityGroupRuleId"]], Tags=[tag("a", "b")])
    assert tags_of(ec2, group) == {}
    assert tags_of(ec2, rule["SecurityGroupRuleId"]) == {"a": "b"}
    ec2.delete_tags(Resources=[rule["SecurityGroupRuleId"]])
    assert tags_of(ec2, rule["SecurityGroupRuleId"]) == {}
