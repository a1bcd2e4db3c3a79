# SPDX-License-Identifier: Apache-2.0
"""Prefix lists in the rules of security groups: what they count, and what they keep from happening (VPC user guide,
"Reference prefix lists in your AWS resources")."""
import pytest

from conftest import error, error_code, filters, make_gateway, make_group, make_table
from test_prefix_lists import add, entries, make_list, show


@pytest.fixture
def group(ec2, vpc):
    return make_group(ec2, vpc)


def rule(pl, port=80, **more):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "PrefixListIds": [{"PrefixListId": pl, **more}]}


def allow(ec2, group, *permissions):
    return ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))["SecurityGroupRules"]


def refused(ec2, group, *permissions):
    return error_code(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=list(permissions))


def cidrs(first, n):
    return {"IpProtocol": "udp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": f"10.{first}.{i}.0/24"} for i in range(n)]}


def associations(ec2, pl):
    return [a["ResourceId"] for a in ec2.get_managed_prefix_list_associations(PrefixListId=pl)["PrefixListAssociations"]]


def test_list_as_source(ec2, group, account):
    pl = make_list(ec2, "10.0.0.0/8")
    (made,) = allow(ec2, group, rule(pl, Description="ours"))
    assert (made["PrefixListId"], made["Description"], "CidrIpv4" in made) == (pl, "ours", False)
    (shown,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"]
    assert shown["PrefixListIds"] == [{"PrefixListId": pl, "Description": "ours"}]
    for direction in ("ip-permission", "egress.ip-permission"):
        found = ec2.describe_security_groups(Filters=filters(**{direction + ".prefix-list-id": pl}))["SecurityGroups"]
        assert len(found) == (direction == "ip-permission")
    assert associations(ec2, pl) == [group]
    (row,) = ec2.get_managed_prefix_list_associations(PrefixListId=pl)["PrefixListAssociations"]
    assert row["ResourceOwner"] == account.id


def test_same_list_twice(ec2, group):
    pl = make_list(ec2)
    allow(ec2, group, rule(pl))
    assert refused(ec2, group, rule(pl)) == "InvalidPermission.Duplicate"
    assert refused(ec2, group, rule(pl, 81), rule(pl, 81)) == "InvalidParameterValue"
    allow(ec2, group, rule(pl, 81))
    assert associations(ec2, pl) == [group]


def test_list_that_is_not_there(ec2, group, other):
    assert refused(ec2, group, rule("pl-0123456789abcdef0")) == "InvalidPrefixListID.NotFound"
    assert refused(ec2, group, rule("10.0.0.0/8")) == "InvalidPrefixListId.Malformed"
    foreign = make_list(other.ec2, "10.0.0.0/8")
    assert refused(ec2, group, rule(foreign)) == "InvalidPrefixListID.NotFound"


def test_revoke(ec2, group):
    pl = make_list(ec2)
    allow(ec2, group, rule(pl))
    assert error_code(ec2.revoke_security_group_ingress, GroupId=group,
                      IpPermissions=[rule(pl, 81)]) == "InvalidPermission.NotFound"
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(pl)])
    assert associations(ec2, pl) == []


def test_revoke_in_the_default_vpc_tells_which_list_was_not_there(ec2):
    group = ec2.create_security_group(GroupName="g", Description="d")["GroupId"]
    pl = make_list(ec2)
    answer = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[rule(pl)])
    assert answer["UnknownIpPermissions"][0]["PrefixListIds"] == [{"PrefixListId": pl}]


def test_a_list_counts_its_maximum_size(ec2, group):
    """However few entries it has, and only in its own family."""
    pl = make_list(ec2, "10.0.0.0/8", size=50)
    allow(ec2, group, rule(pl))
    assert refused(ec2, group, cidrs(0, 11)) == "RulesPerSecurityGroupLimitExceeded"
    allow(ec2, group, cidrs(0, 10))
    assert refused(ec2, group, rule(make_list(ec2, size=1))) == "RulesPerSecurityGroupLimitExceeded"
    allow(ec2, group, rule(make_list(ec2, family="IPv6", size=60)))
    # The other direction counts apart.
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[rule(pl)])
    assert refused(ec2, make_group(ec2, ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"], "b"),
                   rule(make_list(ec2, size=61))) == "RulesPerSecurityGroupLimitExceeded"


def test_growth_needs_room_in_every_reference(ec2, vpc, group):
    """EC2 answers that it began; the list's state tells that it could not, and where there is no room."""
    pl = make_list(ec2, "10.0.0.0/8", size=10)
    groups = [group] + [make_group(ec2, vpc, f"g{i}") for i in range(11)]
    for g in groups:
        allow(ec2, g, rule(pl), cidrs(0, 40))
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=20)
    assert (show(ec2, pl)["State"], show(ec2, pl)["MaxEntries"]) == ("modify-complete", 20)
    answer = ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=21, PrefixListName="new")["PrefixList"]
    assert answer["State"] == "modify-in-progress" and "StateMessage" not in answer
    shown = show(ec2, pl)
    assert (shown["State"], shown["MaxEntries"], shown["PrefixListName"]) == ("modify-failed", 20, "list")
    assert shown["StateMessage"].count("sg-") == 10
    # It goes on as before: it may shrink, and be changed.
    add(ec2, pl, "11.0.0.0/8")
    assert show(ec2, pl)["State"] == "modify-complete" and "StateMessage" not in show(ec2, pl)
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=2)
    allow(ec2, group, cidrs(1, 18))
    assert refused(ec2, group, cidrs(2, 1)) == "RulesPerSecurityGroupLimitExceeded"


def test_two_references_of_one_group_both_grow(ec2, group):
    pl = make_list(ec2, size=20)
    allow(ec2, group, rule(pl, 80), rule(pl, 81))
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=30)
    assert show(ec2, pl)["MaxEntries"] == 30
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=31)
    assert show(ec2, pl)["State"] == "modify-failed" and group in show(ec2, pl)["StateMessage"]


def test_list_in_use_is_not_deleted(ec2, group):
    pl = make_list(ec2, "10.0.0.0/8")
    allow(ec2, group, rule(pl))
    assert ec2.delete_managed_prefix_list(PrefixListId=pl)["PrefixList"]["State"] == "delete-in-progress"
    assert show(ec2, pl)["State"] == "delete-failed" and "in use" in show(ec2, pl)["StateMessage"]
    assert entries(ec2, pl) == ["10.0.0.0/8"]
    ec2.delete_security_group(GroupId=group)
    ec2.delete_managed_prefix_list(PrefixListId=pl)
    assert error(ec2.describe_managed_prefix_lists, PrefixListIds=[pl])[0] == "InvalidPrefixListID.NotFound"


def test_route_tables_refer_too(ec2, vpc, group):
    """A list counts its maximum size in a table, which holds 1,000 routes beyond its local ones."""
    table, gateway = make_table(ec2, vpc), make_gateway(ec2, vpc)
    large, small, third = (make_list(ec2, f"10{i}.0.0.0/8", size=s) for i, s in enumerate((900, 100, 1)))

    def route(pl):
        return {"RouteTableId": table, "DestinationPrefixListId": pl, "GatewayId": gateway}

    for pl in (large, small):
        ec2.create_route(**route(pl))
    assert error_code(ec2.create_route, **route(third)) == "RouteLimitExceeded"
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=101)
    shown = show(ec2, small)
    assert shown["State"] == "modify-failed" and shown["StateMessage"].endswith(table)
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=10)
    allow(ec2, group, rule(small))
    assert associations(ec2, small) == [table, group]
    # Now both have a say.
    ec2.modify_managed_prefix_list(PrefixListId=small, MaxEntries=70)
    assert show(ec2, small)["StateMessage"].endswith(group)
    ec2.create_route(**route(third))
    for pl in (large, small, third):
        ec2.delete_managed_prefix_list(PrefixListId=pl)
        assert show(ec2, pl)["State"] == "delete-failed"
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_managed_prefix_list(PrefixListId=large)
    assert error(ec2.describe_managed_prefix_lists, PrefixListIds=[large])[0] == "InvalidPrefixListID.NotFound"
