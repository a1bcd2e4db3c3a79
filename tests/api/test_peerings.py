# SPDX-License-Identifier: Apache-2.0
"""VPC peering connections (VPC peering guide; EC2 API reference).

    account "ours"  VPC 10.0.0.0/16  --pcx-->  VPC 10.2.0.0/16  account "theirs", or our own
"""
import datetime
import re

import pytest

from conftest import error, error_code, filters, make_vpc

FAILED = "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range"


def ask(ec2, vpc, peer, **params):
    return ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer, **params)["VpcPeeringConnection"]["VpcPeeringConnectionId"]


def show(ec2, pcx):
    return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[pcx])["VpcPeeringConnections"][0]


def status(ec2, pcx):
    return show(ec2, pcx)["Status"]["Code"]


def accept(ec2, pcx):
    return ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)["VpcPeeringConnection"]


@pytest.fixture
def peer(ec2):
    return make_vpc(ec2, "10.2.0.0/16")


class Two:
    """A request from our VPC to another account's."""

    def __init__(self, ours, theirs):
        self.ours, self.theirs, self.account = ours.ec2, theirs.ec2, theirs.id
        self.vpc, self.peer = make_vpc(ours.ec2), make_vpc(theirs.ec2, "10.2.0.0/16")
        self.pcx = ask(ours.ec2, self.vpc, self.peer, PeerOwnerId=theirs.id)

    def statuses(self):
        return status(self.ours, self.pcx), status(self.theirs, self.pcx)


@pytest.fixture
def two(account, other):
    return Two(account, other)


def test_within_an_account(ec2, account, vpc, peer):
    created = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer, TagSpecifications=[
        {"ResourceType": "vpc-peering-connection", "Tags": [{"Key": "a", "Value": "b"}]}])["VpcPeeringConnection"]
    pcx = created["VpcPeeringConnectionId"]
    assert re.fullmatch("pcx-[0-9a-f]{17}", pcx)
    assert created["Status"] == {"Code": "initiating-request", "Message": "Initiating Request to " + account.id}
    pending = show(ec2, pcx)
    assert pending["Status"] == {"Code": "pending-acceptance", "Message": "Pending Acceptance by " + account.id}
    assert pending["RequesterVpcInfo"]["CidrBlock"] == "10.0.0.0/16" and pending["RequesterVpcInfo"]["VpcId"] == vpc
    assert pending["AccepterVpcInfo"] == {"OwnerId": account.id, "VpcId": peer, "Region": "us-east-1"}
    assert pending["Tags"] == [{"Key": "a", "Value": "b"}]
    left = pending["ExpirationTime"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=6, hours=23) < left <= datetime.timedelta(days=7)
    assert accept(ec2, pcx)["Status"]["Code"] == "provisioning"
    active = show(ec2, pcx)
    assert active["Status"] == {"Code": "active", "Message": "Active"} and "ExpirationTime" not in active
    assert active["AccepterVpcInfo"] == {
        "CidrBlock": "10.2.0.0/16", "CidrBlockSet": [{"CidrBlock": "10.2.0.0/16"}], "OwnerId": account.id, "VpcId": peer,
        "Region": "us-east-1", "PeeringOptions": {"AllowDnsResolutionFromRemoteVpc": False,
                                                  "AllowEgressFromLocalClassicLinkToRemoteVpc": False,
                                                  "AllowEgressFromLocalVpcToRemoteClassicLink": False}}
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert show(ec2, pcx)["Status"] == {"Code": "deleted", "Message": "Deleted by " + account.id}


def test_both_accounts_see_it_and_nobody_else(two, vpcd, account_numbers):
    from conftest import KEYS, Account
    third = Account(vpcd, *KEYS[next(account_numbers)]).ec2
    assert two.statuses() == ("pending-acceptance", "pending-acceptance")
    assert show(two.ours, two.pcx) == show(two.theirs, two.pcx)
    assert third.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    for call in (third.accept_vpc_peering_connection, third.reject_vpc_peering_connection,
                 third.delete_vpc_peering_connection):
        assert error_code(call, VpcPeeringConnectionId=two.pcx) == "InvalidVpcPeeringConnectionID.NotFound"
    assert error_code(third.describe_vpc_peering_connections,
                      VpcPeeringConnectionIds=[two.pcx]) == "InvalidVpcPeeringConnectionID.NotFound"


def test_accepter_accepts(two):
    assert error_code(two.ours.accept_vpc_peering_connection, VpcPeeringConnectionId=two.pcx) == "OperationNotPermitted"
    accept(two.theirs, two.pcx)
    assert two.statuses() == ("active", "active")
    assert show(two.ours, two.pcx)["AccepterVpcInfo"]["CidrBlock"] == "10.2.0.0/16"
    assert error_code(two.theirs.accept_vpc_peering_connection,
                      VpcPeeringConnectionId=two.pcx) == "InvalidStateTransition"


def test_accepter_rejects(two):
    assert error_code(two.ours.reject_vpc_peering_connection, VpcPeeringConnectionId=two.pcx) == "OperationNotPermitted"
    assert two.theirs.reject_vpc_peering_connection(VpcPeeringConnectionId=two.pcx)["Return"] is True
    assert two.statuses() == ("rejected", "rejected")
    assert show(two.ours, two.pcx)["Status"]["Message"] == "Rejected by " + two.account
    for call in (two.theirs.accept_vpc_peering_connection, two.theirs.reject_vpc_peering_connection,
                 two.ours.delete_vpc_peering_connection):
        assert error_code(call, VpcPeeringConnectionId=two.pcx) == "InvalidStateTransition"


def test_requester_takes_its_request_back(two):
    assert error_code(two.theirs.delete_vpc_peering_connection,
                      VpcPeeringConnectionId=two.pcx) == "OperationNotPermitted"
    assert two.ours.delete_vpc_peering_connection(VpcPeeringConnectionId=two.pcx)["Return"] is True
    assert two.statuses() == ("deleted", "deleted")
    assert error_code(two.theirs.accept_vpc_peering_connection,
                      VpcPeeringConnectionId=two.pcx) == "InvalidStateTransition"


def test_either_side_ends_an_active_one(two):
    accept(two.theirs, two.pcx)
    two.theirs.delete_vpc_peering_connection(VpcPeeringConnectionId=two.pcx)
    assert two.statuses() == ("deleted", "deleted")
    assert show(two.ours, two.pcx)["Status"]["Message"] == "Deleted by " + two.account
    assert "CidrBlock" not in show(two.ours, two.pcx)["AccepterVpcInfo"]


def test_tags_are_each_sides_own(two):
    two.ours.create_tags(Resources=[two.pcx], Tags=[{"Key": "side", "Value": "ours"}])
    two.theirs.create_tags(Resources=[two.pcx], Tags=[{"Key": "side", "Value": "theirs"}])
    accept(two.theirs, two.pcx)
    assert show(two.ours, two.pcx)["Tags"] == [{"Key": "side", "Value": "ours"}]
    assert show(two.theirs, two.pcx)["Tags"] == [{"Key": "side", "Value": "theirs"}]


@pytest.mark.parametrize("theirs", ["10.0.0.0/16", "10.0.8.0/24", "10.0.0.0/28"])
def test_overlap_fails(ec2, account, other, vpc, theirs):
    for client, owner in ((ec2, account.id), (other.ec2, other.id)):
        pcx = ask(ec2, vpc, make_vpc(client, theirs), PeerOwnerId=owner)
        assert show(ec2, pcx)["Status"] == {"Code": "failed", "Message": FAILED}
        for call in (ec2.accept_vpc_peering_connection, ec2.delete_vpc_peering_connection):
            assert error_code(call, VpcPeeringConnectionId=pcx) == "InvalidStateTransition"
    assert other.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"] == []


def test_overlap_of_a_secondary_cidr_fails(ec2, vpc, peer):
    ec2.associate_vpc_cidr_block(VpcId=peer, CidrBlock="10.20.0.0/16")
    assert status(ec2, ask(ec2, make_vpc(ec2, "10.20.5.0/24"), peer)) == "failed"
    assert status(ec2, ask(ec2, vpc, peer)) == "pending-acceptance"


def test_another_accounts_vpc_is_not_told_apart_from_none(ec2, account, other, vpc):
    theirs = make_vpc(other.ec2, "10.2.0.0/16")
    made_up = [ask(ec2, vpc, "vpc-0123456789abcdef0", PeerOwnerId=other.id),
               ask(ec2, vpc, theirs, PeerOwnerId="999999999999"),
               ask(ec2, vpc, theirs, PeerOwnerId=other.id, PeerRegion="eu-west-1")]
    for pcx in made_up:
        assert show(ec2, pcx)["Status"] == {"Code": "failed", "Message": FAILED}
    assert other.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"] == []
    # Without the owner the VPC is looked for in one's own account.
    code, message, _ = error(ec2.create_vpc_peering_connection, VpcId=vpc, PeerVpcId=theirs)
    assert code == "InvalidVpcID.NotFound" and theirs in message


def test_parameters_are_checked(ec2, vpc, peer):
    def code(**params):
        return error_code(ec2.create_vpc_peering_connection, **{"VpcId": vpc, "PeerVpcId": peer, **params})

    assert code(VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    assert code(PeerVpcId="nonsense") == "InvalidVpcID.Malformed"
    assert code(PeerOwnerId="12") == "InvalidParameterValue"
    assert code(PeerRegion="moon-1") == "InvalidParameterValue"
    assert error_code(ec2.create_vpc_peering_connection, VpcId=vpc) == "MissingParameter"


def test_peer_owner_is_the_caller_unless_said(two):
    params = {"VpcId": two.vpc, "PeerVpcId": two.peer}
    assert error_code(two.ours.create_vpc_peering_connection, **params) == "InvalidVpcID.NotFound"
    assert error_code(two.ours.create_vpc_peering_connection, PeerOwnerId=two.account, **params) == \
        "VpcPeeringConnectionAlreadyExists"


def test_one_connection_between_two_vpcs(ec2, vpc, peer):
    pcx = ask(ec2, vpc, peer)
    again = lambda a, b: error_code(ec2.create_vpc_peering_connection, VpcId=a, PeerVpcId=b)
    assert again(vpc, peer) == again(peer, vpc) == "VpcPeeringConnectionAlreadyExists"
    accept(ec2, pcx)
    assert again(vpc, peer) == "VpcPeeringConnectionAlreadyExists"
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    ask(ec2, vpc, peer)


def test_between_regions(account, ec2, vpc):
    there = account.client("ec2", "eu-west-1")
    peer = make_vpc(there, "10.2.0.0/16")
    pcx = ask(ec2, vpc, peer, PeerRegion="eu-west-1")
    assert status(there, pcx) == "pending-acceptance"
    code, message, _ = error(ec2.accept_vpc_peering_connection, VpcPeeringConnectionId=pcx)
    assert code == "OperationNotPermitted" and "must be accepted in region eu-west-1" in message
    accept(there, pcx)
    assert show(ec2, pcx) == show(there, pcx) and show(ec2, pcx)["Status"]["Code"] == "active"
    assert show(ec2, pcx)["AccepterVpcInfo"]["Region"] == "eu-west-1"


def test_too_many_requests_of_a_vpc(ec2, vpc):
    peers = [make_vpc(ec2, f"10.{n}.0.0/16") for n in range(1, 27)]
    for one in peers[:25]:
        ask(ec2, vpc, one)
    assert error_code(ec2.create_vpc_peering_connection, VpcId=vpc,
                      PeerVpcId=peers[25]) == "OutstandingVpcPeeringConnectionLimitExceeded"


def test_deleting_a_vpc_ends_its_connections(two):
    accept(two.theirs, two.pcx)
    two.theirs.delete_vpc(VpcId=two.peer)
    assert two.statuses() == ("deleted", "deleted")


def test_deleting_a_vpc_takes_its_request_back(two):
    two.ours.delete_vpc(VpcId=two.vpc)
    assert two.statuses() == ("deleted", "deleted")


def test_request_of_another_account_keeps_the_vpc(two):
    assert error_code(two.theirs.delete_vpc, VpcId=two.peer) == "DependencyViolation"
    two.theirs.reject_vpc_peering_connection(VpcPeeringConnectionId=two.pcx)
    two.theirs.delete_vpc(VpcId=two.peer)


def test_new_cidr_must_not_overlap_the_peers(two):
    add = lambda ec2, vpc, cidr: error_code(ec2.associate_vpc_cidr_block, VpcId=vpc, CidrBlock=cidr)
    # The requester adds none while it waits; what the accepter adds may make the request fail.
    assert add(two.ours, two.vpc, "10.4.0.0/16") == "OperationNotPermitted"
    two.theirs.associate_vpc_cidr_block(VpcId=two.peer, CidrBlock="10.20.0.0/16")
    accept(two.theirs, two.pcx)
    assert add(two.ours, two.vpc, "10.20.4.0/24") == "InvalidVpc.Range"
    assert add(two.theirs, two.peer, "10.0.0.0/24") == "InvalidVpc.Range"
    two.ours.associate_vpc_cidr_block(VpcId=two.vpc, CidrBlock="10.4.0.0/16")


def test_overlap_that_came_meanwhile_fails_at_acceptance(two):
    two.theirs.associate_vpc_cidr_block(VpcId=two.peer, CidrBlock="10.0.0.0/24")
    accept(two.theirs, two.pcx)
    assert two.statuses() == ("failed", "failed")


def modify(ec2, pcx, side, **values):
    return ec2.modify_vpc_peering_connection_options(
        VpcPeeringConnectionId=pcx, **{side + "PeeringConnectionOptions": values})


def test_options(two):
    dns = {"AllowDnsResolutionFromRemoteVpc": True}
    assert error_code(modify, ec2=two.ours, pcx=two.pcx, side="Requester", **dns) == "OperationNotPermitted"
    accept(two.theirs, two.pcx)
    assert error_code(modify, ec2=two.ours, pcx=two.pcx, side="Requester",
                      **dns) == "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled"
    for ec2, vpc in ((two.ours, two.vpc), (two.theirs, two.peer)):
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    answer = modify(two.ours, two.pcx, "Requester", **dns)
    assert answer["RequesterPeeringConnectionOptions"]["AllowDnsResolutionFromRemoteVpc"] is True
    assert "AccepterPeeringConnectionOptions" not in answer
    for ec2 in (two.ours, two.theirs):
        shown = show(ec2, two.pcx)
        assert shown["RequesterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is True
        assert shown["AccepterVpcInfo"]["PeeringOptions"]["AllowDnsResolutionFromRemoteVpc"] is False
    assert error_code(modify, ec2=two.ours, pcx=two.pcx, side="Accepter", **dns) == "OperationNotPermitted"
    assert error_code(modify, ec2=two.ours, pcx=two.pcx, side="Requester",
                      AllowEgressFromLocalClassicLinkToRemoteVpc=True) == "InvalidParameterValue"
    assert error_code(two.ours.modify_vpc_peering_connection_options,
                      VpcPeeringConnectionId=two.pcx) == "MissingParameter"


def test_waiters(ec2, vpc, peer):
    pcx = ask(ec2, vpc, peer)
    quick = {"Delay": 1, "MaxAttempts": 1}
    ec2.get_waiter("vpc_peering_connection_exists").wait(VpcPeeringConnectionIds=[pcx], WaiterConfig=quick)
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[pcx], WaiterConfig=quick)


def test_filters(two, account):
    second = make_vpc(two.ours, "10.3.0.0/16")
    inner = ask(two.ours, two.vpc, second)
    accept(two.ours, inner)
    two.ours.create_tags(Resources=[inner], Tags=[{"Key": "k", "Value": "v"}])

    def ids(**values):
        found = two.ours.describe_vpc_peering_connections(Filters=filters(**values))["VpcPeeringConnections"]
        return {p["VpcPeeringConnectionId"] for p in found}

    assert ids(**{"requester-vpc-info.vpc-id": two.vpc}) == {two.pcx, inner}
    assert ids(**{"accepter-vpc-info.vpc-id": second}) == {inner}
    assert ids(**{"accepter-vpc-info.owner-id": two.account}) == {two.pcx}
    assert ids(**{"requester-vpc-info.owner-id": account.id}) == {two.pcx, inner}
    assert ids(**{"requester-vpc-info.cidr-block": "10.0.0.0/16"}) == {two.pcx, inner}
    assert ids(**{"accepter-vpc-info.cidr-block": "10.*"}) == {inner}  # the other one's is not known yet
    assert ids(status_code="active") == {inner} and ids(status_code="pending-acceptance") == {two.pcx}
    assert ids(status_message="Pending*") == {two.pcx}
    assert ids(expiration_time="20*") == {two.pcx}
    assert ids(vpc_peering_connection_id=inner) == {inner}
    assert ids(tag_key="k") == {inner} and ids(**{"tag:k": "v"}) == {inner}
