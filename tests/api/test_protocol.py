# SPDX-License-Identifier: Apache-2.0
"""The Query protocol: error documents, and what all calls share (EC2 API reference, "Query requests",
"Error codes", "Ensuring idempotency", "Pagination")."""
import os
import re
import socket

import pytest

from conftest import (Account, Vpcd, default_group, error, error_code, filters, main_table, make_gateway, make_group,
                      make_subnet, make_table, make_vpc)
from raw import EC2, VERSION, Raw

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
FORM = f"Action=DescribeVpcs&Version={VERSION}"


# Documents


def test_error_document(raw):
    reply = raw.call("DescribeVpcs", **{"VpcId.1": "vpc-0123456789abcdef0"})
    assert reply.status == 400 and reply.headers["content-type"] == "text/xml;charset=UTF-8"
    tree = reply.tree
    assert tree.tag == "Response" and [e.tag for e in tree] == ["Errors", "RequestID"]
    assert [e.tag for e in tree.find("Errors/Error")] == ["Code", "Message"]
    assert reply.code == "InvalidVpcID.NotFound" and "vpc-0123456789abcdef0" in tree.find("Errors/Error/Message").text
    assert re.fullmatch(UUID, tree.find("RequestID").text)


def test_reply_document(raw):
    reply = raw.call("DescribeVpcs")
    assert reply.headers["content-type"] == "text/xml;charset=UTF-8"
    assert reply.text.startswith('<?xml version="1.0" encoding="UTF-8"?>')
    assert 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"' in reply.text
    assert reply.tree[0].tag == EC2 + "requestId" and re.fullmatch(UUID, reply.tree[0].text)


def test_every_answer_has_an_id_of_its_own(raw):
    ids = [raw.call("DescribeVpcs").find("requestId") for _ in range(3)]
    assert len(set(ids)) == 3


def test_unknown_action(raw):
    reply = raw.call("LaunchRocket")
    assert (reply.status, reply.code) == (400, "InvalidAction")


def test_missing_action(raw):
    assert raw.form(f"Version={VERSION}").code == "MissingAction"


@pytest.mark.parametrize("version", ["2006-01-01", "x", ""])
def test_unknown_version(raw, version):
    assert raw.call("DescribeVpcs", version=version).status == 400


def test_unknown_parameter_is_refused(raw):
    """A misspelt parameter must not be ignored: a filter that is ignored shows everything."""
    reply = raw.call("DescribeVpcs", VpcIdd="x")
    assert (reply.status, reply.code) == (400, "UnknownParameter")
    assert "VpcIdd" in reply.text


@pytest.mark.parametrize("body", ["Action=%zz", "Action=a%0", "Action=%00", "A=1&A=2", "&&&", "=", "%"])
def test_malformed_forms_are_client_errors(raw, body):
    reply = raw.form(body)
    assert 400 <= reply.status < 500 and reply.code


def test_nul_bytes_are_a_client_error(raw):
    for body in ("Action=a\0b", "\0", "Action=DescribeVpcs&Version=2016-11-15\0"):
        for target in ("/", "/?A=1"):
            assert raw.send("POST", target, body, {"Content-Type": "application/x-www-form-urlencoded"}).status == 400
    assert raw.form(FORM).status == 200


@pytest.mark.parametrize("value", ["%FF", "%C0%80", "%ED%A0%80", "%01", "%EF%BF%BE", "a%F4%90%80%80"])
def test_text_that_xml_cannot_hold_is_refused(raw, account, value):
    """What is stored comes back in replies, which must stay well-formed."""
    vpc = make_vpc(account.ec2)
    body = f"Action=CreateTags&Version={VERSION}&ResourceId.1={vpc}&Tag.1.Key=k&Tag.1.Value={value}"
    assert raw.form(body).status == 400
    raw.call("DescribeTags").tree
    raw.form(f"Action=Describe{value}&Version={VERSION}").tree
    raw.form(f"Action=DescribeVpcs&Version={VERSION}&VpcId.1=vpc-{value}").tree


@pytest.mark.parametrize("first", [0, 1, 7])
def test_lists_may_count_from_any_number(raw, account, first):
    a, b = make_vpc(account.ec2), make_vpc(account.ec2)
    reply = raw.call("DescribeVpcs", **{f"VpcId.{first}": a, f"VpcId.{first + 1}": b})
    assert reply.status == 200 and a in reply.text and b in reply.text


def test_lists_keep_the_order_of_their_numbers(raw, account):
    vpc = make_vpc(account.ec2)
    raw.call("CreateTags", **{"ResourceId.0": vpc, **{f"Tag.{i}.Key": f"k{i}" for i in range(12)}})
    assert [t["Key"] for t in account.ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"]] == [f"k{i}" for i in range(12)]


def test_numbers_and_booleans_are_checked(raw):
    assert raw.call("DescribeVpcs", MaxResults="many").code == "InvalidParameterValue"
    assert raw.call("DescribeVpcs", DryRun="perhaps").code == "InvalidParameterValue"


def test_error_texts_are_cut_between_characters(raw):
    for n in range(60, 68):
        for value in ("\u00fc" * n, "a" + "\u4e16" * n):
            assert raw.call("DescribeVpcAttribute", VpcId="vpc-0123456789abcdef0", Attribute=value).tree is not None
            assert raw.call("DescribeVpcs", **{"VpcId.1": value}).tree is not None
            assert raw.call("Describe" + value).tree is not None


# DryRun


def dry_calls(ec2, vpc):
    """Every mutating action of the families tested here, with parameters that would work."""
    subnet, table, group, gateway = make_subnet(ec2, vpc), make_table(ec2, vpc), make_group(ec2, vpc), make_gateway(ec2)
    attached, lone = make_gateway(ec2, vpc), make_vpc(ec2)
    lone_subnet, spare = make_subnet(ec2, lone), make_table(ec2, vpc)
    association = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=attached)
    web = [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=every)
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    return [
        (ec2.create_vpc, dict(CidrBlock="10.0.0.0/16")), (ec2.delete_vpc, dict(VpcId=make_vpc(ec2))),
        (ec2.create_subnet, dict(VpcId=vpc, CidrBlock="10.0.9.0/24")), (ec2.delete_subnet, dict(SubnetId=lone_subnet)),
        (ec2.create_route_table, dict(VpcId=vpc)), (ec2.delete_route_table, dict(RouteTableId=spare)),
        (ec2.create_route, dict(RouteTableId=table, DestinationCidrBlock="1.0.0.0/8", GatewayId=attached)),
        (ec2.replace_route, dict(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=attached)),
        (ec2.delete_route, dict(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")),
        (ec2.associate_route_table, dict(SubnetId=make_subnet(ec2, vpc, "10.0.2.0/24"), RouteTableId=table)),
        (ec2.disassociate_route_table, dict(AssociationId=association)),
        (ec2.replace_route_table_association, dict(AssociationId=association, RouteTableId=spare)),
        (ec2.create_internet_gateway, {}), (ec2.delete_internet_gateway, dict(InternetGatewayId=gateway)),
        (ec2.attach_internet_gateway, dict(InternetGatewayId=gateway, VpcId=lone)),
        (ec2.detach_internet_gateway, dict(InternetGatewayId=attached, VpcId=vpc)),
        (ec2.create_security_group, dict(VpcId=vpc, GroupName="dry", Description="d")),
        (ec2.delete_security_group, dict(GroupId=make_group(ec2, vpc, "unused"))),
        (ec2.authorize_security_group_ingress, dict(GroupId=group, IpPermissions=web)),
        (ec2.authorize_security_group_egress, dict(GroupId=group, IpPermissions=web)),
        (ec2.revoke_security_group_ingress, dict(GroupId=group, IpPermissions=every)),
        (ec2.revoke_security_group_egress, dict(GroupId=group, IpPermissions=every)),
        (ec2.create_tags, dict(Resources=[vpc], Tags=[{"Key": "a", "Value": "b"}])),
        (ec2.delete_tags, dict(Resources=[vpc])),
        (ec2.create_network_interface, dict(SubnetId=subnet)),
        (ec2.delete_network_interface, dict(NetworkInterfaceId=interface)),
        (ec2.allocate_address, {}),
    ]


def snapshot(ec2):
    return [ec2.describe_vpcs()["Vpcs"], ec2.describe_subnets()["Subnets"], ec2.describe_route_tables()["RouteTables"],
            ec2.describe_internet_gateways()["InternetGateways"], ec2.describe_security_groups()["SecurityGroups"],
            ec2.describe_security_group_rules()["SecurityGroupRules"], ec2.describe_tags()["Tags"],
            ec2.describe_network_acls()["NetworkAcls"], ec2.describe_network_interfaces()["NetworkInterfaces"],
            ec2.describe_addresses()["Addresses"]]


def test_dry_run_of_every_action_changes_nothing(ec2, vpc):
    calls = dry_calls(ec2, vpc)
    before = snapshot(ec2)
    for call, params in calls:
        assert error(call, DryRun=True, **params)[::2] == ("DryRunOperation", 412), call
    assert snapshot(ec2) == before


def test_dry_run_still_finds_mistakes(ec2, vpc):
    assert error_code(ec2.create_vpc, CidrBlock="10.0.0.0/8", DryRun=True) == "InvalidVpc.Range"
    assert error_code(ec2.delete_subnet, SubnetId="subnet-0123456789abcdef0", DryRun=True) == "InvalidSubnetID.NotFound"
    assert error_code(ec2.delete_route_table, RouteTableId=main_table(ec2, vpc)["RouteTableId"],
                      DryRun=True) == "DependencyViolation"


def test_dry_run_of_a_describe(ec2):
    assert error_code(ec2.describe_vpcs, DryRun=True) == "DryRunOperation"


# ClientToken


def test_same_token_and_parameters_is_one_call(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    answers = [ec2.create_network_interface(SubnetId=subnet, ClientToken="t")["NetworkInterface"]["NetworkInterfaceId"]
               for _ in range(3)]
    assert len(set(answers)) == 1
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1


def test_same_token_and_other_parameters_is_a_mismatch(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    ec2.create_network_interface(SubnetId=subnet, ClientToken="t")
    assert error_code(ec2.create_network_interface, SubnetId=subnet, Description="x",
                      ClientToken="t") == "IdempotentParameterMismatch"


def test_token_of_a_call_that_failed_is_free(ec2, vpc):
    assert error_code(ec2.create_network_interface, SubnetId="subnet-0123456789abcdef0",
                      ClientToken="t") == "InvalidSubnetID.NotFound"
    assert ec2.create_network_interface(SubnetId=make_subnet(ec2, vpc), ClientToken="t")


def test_token_of_a_dry_run_is_free(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    assert error_code(ec2.create_network_interface, SubnetId=subnet, ClientToken="t", DryRun=True) == "DryRunOperation"
    ec2.create_network_interface(SubnetId=subnet, ClientToken="t")
    assert len(ec2.describe_network_interfaces()["NetworkInterfaces"]) == 1


def test_tokens_belong_to_account_region_and_action(account, other):
    made = set()
    for ec2 in (account.ec2, other.ec2, account.client("ec2", "eu-west-1")):
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        made.add(ec2.create_network_interface(SubnetId=subnet, ClientToken="t")["NetworkInterface"]["NetworkInterfaceId"])
    assert len(made) == 3


@pytest.mark.parametrize("token", ["x" * 64, "a/b c", "\u00fc"])
def test_tokens_of_any_text(ec2, token):
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    a, b = (ec2.create_network_interface(SubnetId=subnet, ClientToken=token)["NetworkInterface"]["NetworkInterfaceId"]
            for _ in range(2))
    assert a == b


# Filters


def test_wildcards(ec2):
    for name in ("web-1", "web-2", "web-10", "db", "we*b", "web?"):
        ec2.create_tags(Resources=[make_vpc(ec2)], Tags=[{"Key": "Name", "Value": name}])

    def names(*values):
        vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": list(values)}])["Vpcs"]
        return sorted(t["Value"] for v in vpcs for t in v["Tags"])

    assert names("web-?") == ["web-1", "web-2"]
    assert names("web-*") == ["web-1", "web-10", "web-2"]
    assert names("*") == sorted(["web-1", "web-2", "web-10", "db", "we*b", "web?"])
    assert names("w*1*") == ["web-1", "web-10"]
    assert names("db", "web-2") == ["db", "web-2"]
    assert names("we\\*b") == ["we*b"] and names("web\\?") == ["web?"]
    ec2.create_tags(Resources=[make_vpc(ec2)], Tags=[{"Key": "Name", "Value": "\u00fc"}])
    assert names("?") == ["\u00fc"]
    assert names("DB") == [] and names("we") == [] and names("") == []


def test_unknown_filter_is_refused(ec2):
    for call in (ec2.describe_vpcs, ec2.describe_subnets, ec2.describe_tags, ec2.describe_security_group_rules):
        code, message, _ = error(call, Filters=filters(no_such="x"))
        assert code == "InvalidParameterValue" and "no-such" in message


def test_filter_without_values_is_refused(raw):
    assert raw.call("DescribeVpcs", **{"Filter.1.Name": "vpc-id"}).code == "InvalidParameterValue"


def test_filter_names_are_case_sensitive(ec2):
    assert error_code(ec2.describe_vpcs, Filters=[{"Name": "VPC-ID", "Values": ["x"]}]) == "InvalidParameterValue"


def test_200_filter_values_at_most(ec2):
    ec2.describe_vpcs(Filters=filters(vpc_id=["x"] * 200))
    assert error_code(ec2.describe_vpcs, Filters=filters(vpc_id=["x"] * 201)) == "FilterLimitExceeded"


def test_hard_wildcards_take_no_time(ec2, vpc):
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "k", "Value": "a" * 250}])
    assert ec2.describe_vpcs(Filters=[{"Name": "tag:k", "Values": ["*a" * 100 + "b"]}])["Vpcs"] == []


# Pages


def pages(call, member, between=lambda: None, **params):
    token = {}
    while True:
        page = call(**params, **token)
        yield page[member]
        if not page.get("NextToken"):
            return
        token = {"NextToken": page["NextToken"]}
        between()


def test_pages_show_everything_once(ec2, vpc):
    made = {make_subnet(ec2, vpc, f"10.0.{i}.0/24") for i in range(23)}
    shown = list(pages(ec2.describe_subnets, "Subnets", MaxResults=5, Filters=filters(vpc_id=vpc)))
    assert [len(p) for p in shown] == [5, 5, 5, 5, 3]
    ids = [s["SubnetId"] for p in shown for s in p]
    assert set(ids) == made and ids == sorted(ids)


def test_last_full_page_has_no_token(ec2, vpc):
    for i in range(5):
        make_subnet(ec2, vpc, f"10.0.{i}.0/24")
    assert "NextToken" not in ec2.describe_subnets(MaxResults=5, Filters=filters(vpc_id=vpc))


def test_pages_while_things_come_and_go(ec2, vpc):
    """What is there all the time is shown exactly once, whatever else is made or deleted between two pages."""
    stays = {make_subnet(ec2, vpc, f"10.0.{i}.0/24") for i in range(20)}
    goes = [make_subnet(ec2, vpc, f"10.0.{i}.0/24") for i in range(100, 120)]
    made = iter(range(200, 250))

    def change():
        for _ in range(3):
            ec2.delete_subnet(SubnetId=goes.pop())
            make_subnet(ec2, vpc, f"10.0.{next(made)}.0/24")

    ids = [s["SubnetId"] for p in pages(ec2.describe_subnets, "Subnets", change, MaxResults=7, Filters=filters(vpc_id=vpc))
           for s in p]
    assert stays <= set(ids) and len(ids) == len(set(ids))


def test_page_goes_on_though_its_last_row_is_gone(ec2, vpc):
    for i in range(8):
        make_subnet(ec2, vpc, f"10.0.{i}.0/24")
    first = ec2.describe_subnets(MaxResults=5, Filters=filters(vpc_id=vpc))
    ec2.delete_subnet(SubnetId=first["Subnets"][-1]["SubnetId"])
    assert len(ec2.describe_subnets(MaxResults=5, Filters=filters(vpc_id=vpc), NextToken=first["NextToken"])["Subnets"]) == 3


@pytest.mark.parametrize("number", [0, -1, 4, 1001])
def test_page_sizes_are_5_to_1000(raw, number):
    assert raw.call("DescribeVpcs", MaxResults=number).code == "InvalidParameterValue"


@pytest.mark.parametrize("token", ["!", "AAAA", "junk", "dnBjLTA=", "A" * 400, "x" * 1000])
def test_made_up_tokens_are_refused(raw, token):
    assert raw.call("DescribeVpcs", NextToken=token).code == "InvalidParameterValue"


def test_tokens_belong_to_their_request(ec2, other, vpc):
    for i in range(8):
        make_subnet(ec2, vpc, f"10.0.{i}.0/24")
    mine = filters(vpc_id=vpc)
    token = ec2.describe_subnets(MaxResults=5, Filters=mine)["NextToken"]
    for call, params in ((ec2.describe_vpcs, {}), (ec2.describe_vpcs, {"Filters": mine}), (ec2.describe_subnets, {}),
                         (ec2.describe_subnets, {"Filters": filters(vpc_id="vpc-0")}),
                         (other.ec2.describe_subnets, {"Filters": mine})):
        code, message, status = error(call, NextToken=token, **params)
        assert (code, status) == ("InvalidParameterValue", 400) and "NextToken" in message
    # Another size of page does not make it another request.
    assert len(ec2.describe_subnets(MaxResults=100, Filters=mine, NextToken=token)["Subnets"]) == 3


# Ids


def test_all_missing_ids_are_in_one_error(ec2, vpc):
    missing = [f"vpc-{i:017x}" for i in range(3)]
    code, message, status = error(ec2.describe_vpcs, VpcIds=[missing[0], vpc, *missing[1:]])
    assert (code, status) == ("InvalidVpcID.NotFound", 400)
    assert all(m in message for m in missing) and vpc not in message


def test_id_named_twice_is_shown_once(ec2, vpc):
    assert len(ec2.describe_vpcs(VpcIds=[vpc, vpc])["Vpcs"]) == 1


def test_order_is_stable(ec2):
    for _ in range(5):
        make_vpc(ec2)
    assert ec2.describe_vpcs()["Vpcs"] == ec2.describe_vpcs()["Vpcs"]


# Other accounts


def test_resources_of_others_do_not_exist(account, other):
    mine, ec2 = account.ec2, other.ec2
    vpc = make_vpc(mine)
    subnet, table, gateway, group = make_subnet(mine, vpc), make_table(mine, vpc), make_gateway(mine, vpc), make_group(mine, vpc)
    association = mine.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    (rule,) = mine.describe_security_group_rules(Filters=filters(group_id=group))["SecurityGroupRules"]
    acl = mine.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"][0]["NetworkAclId"]
    options = mine.describe_dhcp_options()["DhcpOptions"][0]["DhcpOptionsId"]
    interface = mine.create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    address = mine.allocate_address()["AllocationId"]
    my_vpc = make_vpc(ec2)
    my_table, my_group, my_gateway = make_table(ec2, my_vpc), make_group(ec2, my_vpc), make_gateway(ec2, my_vpc)
    my_subnet = make_subnet(ec2, my_vpc)
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    route = dict(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=my_gateway)
    calls = [
        (ec2.describe_vpcs, dict(VpcIds=[vpc])), (ec2.delete_vpc, dict(VpcId=vpc)),
        (ec2.describe_vpc_attribute, dict(VpcId=vpc, Attribute="enableDnsSupport")),
        (ec2.modify_vpc_attribute, dict(VpcId=vpc, EnableDnsSupport={"Value": False})),
        (ec2.create_subnet, dict(VpcId=vpc, CidrBlock="10.0.9.0/24")),
        (ec2.describe_subnets, dict(SubnetIds=[subnet])), (ec2.delete_subnet, dict(SubnetId=subnet)),
        (ec2.modify_subnet_attribute, dict(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})),
        (ec2.create_route_table, dict(VpcId=vpc)), (ec2.describe_route_tables, dict(RouteTableIds=[table])),
        (ec2.delete_route_table, dict(RouteTableId=table)),
        (ec2.create_route, route), (ec2.replace_route, route),
        (ec2.create_route, dict(RouteTableId=my_table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)),
        (ec2.create_route, dict(RouteTableId=my_table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface)),
        (ec2.delete_route, dict(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")),
        (ec2.associate_route_table, dict(SubnetId=my_subnet, RouteTableId=table)),
        (ec2.associate_route_table, dict(SubnetId=subnet, RouteTableId=my_table)),
        (ec2.disassociate_route_table, dict(AssociationId=association)),
        (ec2.replace_route_table_association, dict(AssociationId=association, RouteTableId=my_table)),
        (ec2.describe_internet_gateways, dict(InternetGatewayIds=[gateway])),
        (ec2.delete_internet_gateway, dict(InternetGatewayId=gateway)),
        (ec2.attach_internet_gateway, dict(InternetGatewayId=gateway, VpcId=my_vpc)),
        (ec2.attach_internet_gateway, dict(InternetGatewayId=make_gateway(ec2), VpcId=vpc)),
        (ec2.detach_internet_gateway, dict(InternetGatewayId=gateway, VpcId=vpc)),
        (ec2.create_security_group, dict(VpcId=vpc, GroupName="g", Description="d")),
        (ec2.describe_security_groups, dict(GroupIds=[group])), (ec2.delete_security_group, dict(GroupId=group)),
        (ec2.authorize_security_group_ingress, dict(GroupId=group, IpPermissions=every)),
        (ec2.authorize_security_group_ingress, dict(GroupId=my_group, IpPermissions=[
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}])),
        (ec2.authorize_security_group_ingress, dict(GroupId=my_group, IpPermissions=[
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group, "UserId": account.id}]}])),
        (ec2.revoke_security_group_egress, dict(GroupId=group, IpPermissions=every)),
        (ec2.describe_security_group_rules, dict(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])),
        (ec2.describe_network_acls, dict(NetworkAclIds=[acl])), (ec2.describe_dhcp_options, dict(DhcpOptionsIds=[options])),
        (ec2.describe_network_interfaces, dict(NetworkInterfaceIds=[interface])),
        (ec2.delete_network_interface, dict(NetworkInterfaceId=interface)),
        (ec2.create_network_interface, dict(SubnetId=subnet)),
        (ec2.create_network_interface, dict(SubnetId=my_subnet, Groups=[group])),
        (ec2.describe_addresses, dict(AllocationIds=[address])), (ec2.release_address, dict(AllocationId=address)),
        (ec2.associate_address, dict(AllocationId=address, NetworkInterfaceId=interface)),
    ] + [(call, dict(Resources=[resource], Tags=[{"Key": "a", "Value": "b"}]))
         for call in (ec2.create_tags, ec2.delete_tags)
         for resource in (vpc, subnet, table, gateway, group, rule["SecurityGroupRuleId"], acl, options, interface, address)]
    before = snapshot(mine)
    for call, params in calls:
        code, message, status = error(call, **params)
        assert code.endswith(".NotFound") and status == 400, (call, params, code)
        # As for an id that never was: not even the account's number.
        assert account.id not in message or account.id in str(params), message
    assert snapshot(mine) == before
    for list_of_all in snapshot(ec2):
        text = str(list_of_all)
        assert not any(i in text for i in (vpc, subnet, table, gateway, group, interface, address, account.id))
    mine.release_address(AllocationId=address)


def test_filters_do_not_find_resources_of_others(account, other):
    vpc = make_vpc(account.ec2)
    subnet = make_subnet(account.ec2, vpc)
    account.ec2.create_tags(Resources=[vpc, subnet], Tags=[{"Key": "secret", "Value": "x"}])
    for call, member in ((other.ec2.describe_vpcs, "Vpcs"), (other.ec2.describe_subnets, "Subnets"),
                         (other.ec2.describe_route_tables, "RouteTables"), (other.ec2.describe_network_acls, "NetworkAcls"),
                         (other.ec2.describe_security_groups, "SecurityGroups")):
        assert call(Filters=filters(vpc_id=vpc))[member] == []
    assert other.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["secret"]}])["Tags"] == []


def test_names_of_others_are_free(account, other):
    for ec2 in (account.ec2, other.ec2):
        ec2.create_security_group(GroupName="web", Description="d")
    assert default_group(other.ec2, other.ec2.describe_vpcs()["Vpcs"][0]["VpcId"])["OwnerId"] == other.id


# STS and IAM


def test_caller_identity(account):
    who = account.client("sts").get_caller_identity()
    assert who["Account"] == account.id
    assert who["Arn"] == f"arn:aws:iam::{account.id}:root" and who["UserId"] == account.id


def test_account_aliases(account):
    assert account.client("iam").list_account_aliases()["AccountAliases"] == []


def test_errors_of_sts_have_its_own_form(account):
    reply = Raw(account, service="sts").call("GetCallerIdentityy", version="2011-06-15")
    assert reply.status == 400 and reply.tree.tag.endswith("ErrorResponse")
    ns = "{https://sts.amazonaws.com/doc/2011-06-15/}"
    assert reply.tree.find(f"{ns}Error/{ns}Code").text == "InvalidAction"
    assert re.fullmatch(UUID, reply.tree.find(f"{ns}RequestId").text)


def test_identity_call_makes_no_default_vpc(account):
    account.client("sts").get_caller_identity()
    # Nothing to see from outside, but the first EC2 call then makes exactly one.
    assert len(account.ec2.describe_vpcs()["Vpcs"]) == 1


# Throttling


def test_too_many_calls_are_throttled_for_that_account_alone():
    keys = [("AKIAA", "secret-a", "100000000001"), ("AKIAB", "secret-b", "100000000002")]
    server = Vpcd(credentials=keys, options=["--rate", "5"]).start()
    try:
        fast, slow = (Account(server, *key) for key in keys)
        raw = Raw(fast)
        replies = [raw.call("DescribeRegions") for _ in range(30)]
        refused = [r for r in replies if r.status != 200]
        assert 5 <= len(replies) - len(refused) and refused
        assert {(r.status, r.code) for r in refused} == {(503, "RequestLimitExceeded")}
        assert Raw(slow).call("DescribeRegions").status == 200
        # boto3 knows the code as one to try again after.
        again = server.client("AKIAA", "secret-a", retries={"max_attempts": 8, "mode": "standard"})
        assert again.describe_regions()["Regions"]
    finally:
        server.close()


# Filters


def test_filters_have_a_budget(account):
    ec2, vpc = account.ec2, make_vpc(account.ec2)
    for i in range(20):
        group = make_group(ec2, vpc, f"{i:03}" + "a" * 252)
        ec2.create_tags(Resources=[group], Tags=[{"Key": f"{k}", "Value": "a" * 255} for k in range(50)])
    # As costly as can be: each value tried at each character of each of 50 tags of 20 groups.
    costly = [{"Name": "tag-value", "Values": ["*" + "a" * 120 + f"b{i}" for i in range(200)]}]
    code, message, status = error(ec2.describe_security_groups, Filters=costly)
    assert (code, status) == ("FilterLimitExceeded", 400) and "wildcards" in message
    # Among a few objects the same is fine, and so is an honest filter after it.
    name = [{"Name": "group-name", "Values": ["*" + "a" * 120 + "b", "0*"]}]
    assert len(ec2.describe_security_groups(Filters=name)["SecurityGroups"]) == 20
    assert error(ec2.describe_security_groups, Filters=[{"Name": "description", "Values": ["a" * 257]}])[0] == \
        "InvalidParameterValue"
    assert ec2.describe_security_groups(Filters=[{"Name": "description", "Values": ["\u00fc" * 256]}])


def test_filters_by_the_index_find_the_same_in_the_same_order(account):
    ec2 = account.ec2
    vpcs = [make_vpc(ec2) for _ in range(4)]
    for vpc in vpcs:
        for i in range(3):
            make_subnet(ec2, vpc, f"10.0.{i}.0/24")

    def subnets(**params):
        pages = ec2.get_paginator("describe_subnets").paginate(**params)
        return [s["SubnetId"] for page in pages for s in page["Subnets"]]

    def by_vpc(*values):
        return [{"Name": "vpc-id", "Values": list(values)}]

    wanted = vpcs[:3]
    indexed = subnets(Filters=by_vpc(*wanted, wanted[0], "vpc-0"))
    assert len(indexed) == 9 and indexed == sorted(indexed)
    assert indexed == subnets(Filters=by_vpc(*[v[:-1] + "?" for v in wanted]))
    assert indexed == subnets(Filters=by_vpc(*wanted), PaginationConfig={"PageSize": 5})
    assert subnets(Filters=by_vpc("vpc-0")) == []
    # A second filter is judged besides, whichever has the index.
    both = by_vpc(*vpcs) + [{"Name": "cidr-block", "Values": ["10.0.1.0/24"]}]
    assert len(subnets(Filters=both)) == 4 and subnets(Filters=both) == subnets(Filters=both[::-1])


# vpcctl's socket


def test_vpcd_ends_in_order_while_vpcctl_is_connected():
    server = Vpcd(credentials=[("AKIAA", "secret-a", "100000000001")]).start()
    path = os.path.join(server.directory, "run/control.sock")
    clients = []
    try:
        for text in (b"", b'{"cmd"', b'{"cmd": "account", "op": "list"}\n'):
            clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            clients[-1].connect(path)
            clients[-1].sendall(text)
        assert clients[-1].recv(100)  # so the ones before it were accepted
        assert server.stop() == 0, server.log_text()  # with the sanitizers: nothing leaked
    finally:
        for client in clients:
            client.close()
        server.close()
