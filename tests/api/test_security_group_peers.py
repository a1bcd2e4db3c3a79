# SPDX-License-Identifier: Apache-2.0
"""Groups of peered VPCs in rules (VPC peering guide, "Update your security groups to reference peer security groups").

    account "ours"  VPC 10.0.0.0/16, group "near"  --pcx-->  VPC 10.2.0.0/16, group "far"  account "theirs", or our own
"""
import pytest

from conftest import error, error_code, make_group, make_vpc
from test_peerings import accept, ask, show

TCP = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


class Peers:
    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.account = ours.ec2, theirs.ec2, theirs.id
        self.vpc, self.peer = make_vpc(ours.ec2), make_vpc(theirs.ec2, "10.2.0.0/16")
        self.near, self.far = make_group(ours.ec2, self.vpc, "near"), make_group(theirs.ec2, self.peer, "far")

    def ask(self):
        params = {} if self.ours is self.theirs else {"PeerOwnerId": self.account}
        self.pcx = ask(self.ours, self.vpc, self.peer, **params)
        return self

    def join(self):
        self.ask()
        accept(self.theirs, self.pcx)
        return self

    def pair(self, **more):
        return {**TCP, "UserIdGroupPairs": [{"GroupId": self.far, "UserId": self.account, **more}]}

    def allow(self, **more):
        made = self.ours.authorize_security_group_ingress(GroupId=self.near, IpPermissions=[self.pair(**more)])
        return made["SecurityGroupRules"][0]

    def refused(self, **more):
        return error_code(self.ours.authorize_security_group_ingress, GroupId=self.near, IpPermissions=[self.pair(**more)])

    def shown(self):
        (permission,) = self.ours.describe_security_groups(GroupIds=[self.near])["SecurityGroups"][0]["IpPermissions"]
        return permission["UserIdGroupPairs"][0]

    def stale(self):
        return self.ours.describe_stale_security_groups(VpcId=self.vpc)["StaleSecurityGroupSet"]

    def references(self):
        return self.theirs.describe_security_group_references(GroupId=[self.far])["SecurityGroupReferenceSet"]

    def end(self):
        self.ours.delete_vpc_peering_connection(VpcPeeringConnectionId=self.pcx)


@pytest.fixture(params=["own", "other"])
def peers(request, account, other):
    return Peers(account, account if request.param == "own" else other)


def test_a_rule_names_the_peer_and_the_connection(peers):
    rule = peers.join().allow(Description="theirs")
    place = {"VpcId": peers.peer, "VpcPeeringConnectionId": peers.pcx, "PeeringStatus": "active"}
    assert rule["ReferencedGroupInfo"] == {"GroupId": peers.far, "UserId": peers.account, **place}
    assert peers.shown() == {"GroupId": peers.far, "UserId": peers.account, "Description": "theirs", **place}
    assert peers.stale() == []
    assert error_code(peers.ours.authorize_security_group_ingress, GroupId=peers.near,
                      IpPermissions=[peers.pair()]) == "InvalidPermission.Duplicate"


def test_only_an_active_connection_carries_groups(peers):
    for step in (lambda: None, peers.ask, lambda: accept(peers.theirs, peers.pcx), peers.end):
        step()
        if hasattr(peers, "pcx") and show(peers.ours, peers.pcx)["Status"]["Code"] == "active":
            peers.allow()
            peers.ours.revoke_security_group_ingress(GroupId=peers.near, IpPermissions=[peers.pair()])
        else:
            assert peers.refused() == "InvalidGroup.NotFound"


def test_what_is_said_of_the_peer_must_be_true(peers, other):
    peers.join().allow(VpcId=peers.peer, VpcPeeringConnectionId=peers.pcx, PeeringStatus="active")
    peers.ours.revoke_security_group_ingress(GroupId=peers.near, IpPermissions=[peers.pair()])
    for wrong in ({"VpcId": peers.vpc}, {"VpcPeeringConnectionId": "pcx-0123456789abcdef0"}, {"UserId": "000000000009"},
                  {"GroupId": "sg-0123456789abcdef0"}):
        assert peers.refused(**wrong) == "InvalidGroup.NotFound", wrong
    assert peers.refused(UserId="nobody") == "InvalidUserID.Malformed"


def test_another_accounts_group_is_not_told_from_one_that_is_not_there(account, other):
    """Before the connection, and for groups of VPCs behind it: the same words."""
    peers = Peers(account, other)
    beyond = make_group(other.ec2, make_vpc(other.ec2, "10.3.0.0/16"), "beyond")

    def words(group):
        code, message, status = error(account.ec2.authorize_security_group_ingress, GroupId=peers.near, IpPermissions=[
            {**TCP, "UserIdGroupPairs": [{"GroupId": group, "UserId": other.id}]}])
        return code, message.replace(group, "ID"), status

    missing = words("sg-0123456789abcdef0")
    assert words(peers.far) == missing
    peers.join()
    assert words(beyond) == missing
    # Without the account's number it is one of ours that is missing.
    assert error_code(account.ec2.authorize_security_group_ingress, GroupId=peers.near, IpPermissions=[
        {**TCP, "UserIdGroupPairs": [{"GroupId": peers.far}]}]) == "InvalidGroup.NotFound"
    assert error_code(account.ec2.describe_security_groups, GroupIds=[peers.far]) == "InvalidGroup.NotFound"
    assert error_code(account.ec2.describe_security_group_references, GroupId=[peers.far]) == "InvalidGroup.NotFound"
    # Its name is not told either.
    peers.allow()
    assert account.ec2.describe_security_groups(Filters=[{"Name": "ip-permission.group-name", "Values": ["far"]}])[
        "SecurityGroups"] == []


def test_references(peers):
    peers.join()
    assert peers.references() == []
    peers.allow()
    wanted = [{"GroupId": peers.far, "ReferencingVpcId": peers.vpc, "VpcPeeringConnectionId": peers.pcx}]
    assert peers.references() == wanted
    peers.ours.authorize_security_group_egress(GroupId=peers.near, IpPermissions=[peers.pair()])
    assert peers.references() == wanted
    # A group of the same VPC is no reference of this kind.
    peers.theirs.authorize_security_group_ingress(GroupId=make_group(peers.theirs, peers.peer, "x"), IpPermissions=[
        {**TCP, "UserIdGroupPairs": [{"GroupId": peers.far}]}])
    assert peers.references() == wanted
    peers.end()
    assert peers.references() == []


def test_a_peers_rule_does_not_keep_the_group(peers):
    peers.join().allow(Description="d")
    peers.theirs.delete_security_group(GroupId=peers.far)
    (stale,) = peers.stale()
    assert (stale["GroupId"], stale["GroupName"], stale["VpcId"], stale["StaleIpPermissionsEgress"]) == \
        (peers.near, "near", peers.vpc, [])
    assert stale["StaleIpPermissions"] == [{**TCP, "UserIdGroupPairs": [{
        "GroupId": peers.far, "UserId": peers.account, "VpcId": peers.peer, "VpcPeeringConnectionId": peers.pcx,
        "PeeringStatus": "active", "Description": "d"}]}]
    peers.ours.update_security_group_rule_descriptions_ingress(GroupId=peers.near, IpPermissions=[peers.pair(Description="e")])
    # What was shown can be sent back to be rid of it.
    peers.ours.revoke_security_group_ingress(GroupId=peers.near, IpPermissions=stale["StaleIpPermissions"])
    assert peers.stale() == []


def test_an_ended_connection_leaves_stale_rules(peers):
    rule = peers.join().allow()
    peers.ours.authorize_security_group_egress(GroupId=peers.near, IpPermissions=[peers.pair()])
    peers.end()
    assert peers.shown()["PeeringStatus"] == "deleted"
    (stale,) = peers.stale()
    assert len(stale["StaleIpPermissions"]) == len(stale["StaleIpPermissionsEgress"]) == 1
    # A new connection does not wake them; a new rule would name it.
    old, _ = peers.pcx, peers.join()
    assert peers.shown()["VpcPeeringConnectionId"] == old and len(peers.stale()) == 1
    peers.ours.revoke_security_group_ingress(GroupId=peers.near, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    assert peers.allow()["ReferencedGroupInfo"]["VpcPeeringConnectionId"] == peers.pcx


def test_rules_are_changed_to_a_peers_group_by_its_id(peers):
    peers.join()
    own = make_group(peers.ours, peers.vpc, "own")
    (made,) = peers.ours.authorize_security_group_ingress(GroupId=peers.near, IpPermissions=[
        {**TCP, "UserIdGroupPairs": [{"GroupId": own}]}])["SecurityGroupRules"]
    peers.ours.modify_security_group_rules(GroupId=peers.near, SecurityGroupRules=[{
        "SecurityGroupRuleId": made["SecurityGroupRuleId"], "SecurityGroupRule": {**TCP, "ReferencedGroupId": peers.far}}])
    assert (peers.shown()["GroupId"], peers.shown()["VpcPeeringConnectionId"]) == (peers.far, peers.pcx)
    peers.ours.delete_security_group(GroupId=own)


def test_connections_between_regions_carry_no_groups(account):
    far = account.client(region="us-west-2")
    vpc, peer = make_vpc(account.ec2), make_vpc(far, "10.2.0.0/16")
    pcx = account.ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer, PeerRegion="us-west-2")[
        "VpcPeeringConnection"]["VpcPeeringConnectionId"]
    accept(far, pcx)
    group = make_group(far, peer)
    assert error_code(account.ec2.authorize_security_group_ingress, GroupId=make_group(account.ec2, vpc), IpPermissions=[
        {**TCP, "UserIdGroupPairs": [{"GroupId": group, "UserId": account.id}]}]) == "InvalidGroup.NotFound"


def test_stale_groups_of_a_vpc_in_pages(account):
    peers = Peers(account, account).join()
    groups = [make_group(account.ec2, peers.vpc, f"g{i}") for i in range(7)]
    for group in groups:
        account.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[peers.pair()])
    peers.end()
    pages = account.ec2.get_paginator("describe_stale_security_groups").paginate(VpcId=peers.vpc, PaginationConfig={"PageSize": 5})
    assert [[g["GroupId"] for g in page["StaleSecurityGroupSet"]] for page in pages] == [sorted(groups)[:5], sorted(groups)[5:]]
    assert error_code(account.ec2.describe_stale_security_groups, VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    assert error_code(account.ec2.describe_stale_security_groups, VpcId=peers.vpc, MaxResults=256) == "InvalidParameterValue"
