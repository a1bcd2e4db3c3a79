# SPDX-License-Identifier: Apache-2.0
"""Rules that name a group of a peered VPC, of another account, with packets.

    account 1  VPC 10.0.0.0/16 --- b [servers]   its rule names the other account's group "members"
                    |
                   pcx
                    |
    account 2  VPC 10.1.0.0/16 --- m [members]
                               \\-- s [strangers]
"""
import itertools
import types

import pytest

from conftest import until

ports = itertools.count(7500)


def connect(w):
    pcx = w.ec2.create_vpc_peering_connection(VpcId=w.vpc["VpcId"], PeerVpcId=w.peer["VpcId"], PeerOwnerId=w.peer["OwnerId"])[
        "VpcPeeringConnection"]["VpcPeeringConnectionId"]
    w.theirs.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    for ec2, vpc, cidr in ((w.ec2, w.vpc, "10.1.0.0/16"), (w.theirs, w.peer, "10.0.0.0/16")):
        (table,) = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["RouteTables"]
        there = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == cidr]
        (ec2.replace_route if there else ec2.create_route)(
            RouteTableId=table["RouteTableId"], DestinationCidrBlock=cidr, VpcPeeringConnectionId=pcx)
    return pcx


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    tenant = cloud.tenant()
    w.theirs = tenant.client()
    w.vpc, w.peer = cloud.vpc(internet=False), tenant.vpc("10.1.0.0/16", internet=False)
    w.servers, w.members = cloud.group(w.vpc, "servers"), tenant.group(w.peer, "members")
    w.b = cloud.instance(cloud.subnet(w.vpc, "10.0.1.0/24"), [w.servers])
    subnet = tenant.subnet(w.peer, "10.1.1.0/24")
    w.m, w.s = (tenant.instance(subnet, [g]) for g in (w.members, tenant.group(w.peer, "strangers")))
    return w


def rule(w, port):
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port,
            "UserIdGroupPairs": [{"GroupId": w.members, "UserId": w.peer["OwnerId"]}]}


def test_members_of_the_peers_group_and_nobody_else(w):
    pcx, port = connect(w), next(ports)
    with w.b.serve(w.b.ip, port):
        w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=[rule(w, port)])
        until(lambda: w.m.opens(w.b.ip, port, seconds=0.5), "a member comes through")
        assert w.s.refused(w.cloud, w.b.ip, port, "security-group-ingress")
        # Membership is the other account's own affair, and counts at once.
        (interface,) = [i["NetworkInterfaceId"] for i in w.theirs.describe_network_interfaces(
            Filters=[{"Name": "private-ip-address", "Values": [w.s.ip]}])["NetworkInterfaces"]]
        was = w.theirs.describe_network_interfaces(NetworkInterfaceIds=[interface])["NetworkInterfaces"][0]["Groups"][0]["GroupId"]
        w.theirs.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[was, w.members])
        until(lambda: w.s.opens(w.b.ip, port, seconds=0.5), "a new member comes through")
        w.theirs.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[was])
        until(lambda: not w.s.opens(w.b.ip, port, seconds=0.5), "who left no longer does")
        # A rule goes by its connection: one that comes after it does not serve.
        w.theirs.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
        connect(w)
        until(lambda: w.cloud.drops() and not w.m.opens(w.b.ip, port, seconds=0.5), "the stale rule admits nobody")
        assert until(lambda: w.m.refused(w.cloud, w.b.ip, port, "security-group-ingress"), "by the group")
        w.ec2.revoke_security_group_ingress(GroupId=w.servers, IpPermissions=[rule(w, port)])
        w.ec2.authorize_security_group_ingress(GroupId=w.servers, IpPermissions=[rule(w, port)])
        until(lambda: w.m.opens(w.b.ip, port, seconds=0.5), "a rule by the new connection admits")
