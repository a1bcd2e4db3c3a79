# SPDX-License-Identifier: Apache-2.0
"""Route tables, routes and associations (VPC user guide, "Configure route tables"; EC2 API reference)."""
import re

import pytest

from conftest import (error_code, filters, main_table, make_gateway, make_subnet, make_table, make_vpc)


def show(ec2, table):
    return ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]


def routes(ec2, table):
    return {r.get("DestinationCidrBlock") or r["DestinationIpv6CidrBlock"]: r for r in show(ec2, table)["Routes"]}


@pytest.fixture
def table(ec2, vpc):
    return make_table(ec2, vpc)


def test_new_table_has_the_local_route_and_no_association(ec2, vpc, account):
    created = ec2.create_route_table(VpcId=vpc)["RouteTable"]
    described = show(ec2, created["RouteTableId"])
    assert {"Associations": [], "PropagatingVgws": [], "Tags": [], **created} == described
    assert re.fullmatch("rtb-[0-9a-f]{17}", created["RouteTableId"])
    assert described["OwnerId"] == account.id and described["VpcId"] == vpc
    assert described["Associations"] == [] and described["PropagatingVgws"] == []
    assert described["Routes"] == [{"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local",
                                    "Origin": "CreateRouteTable", "State": "active"}]


def test_route_to_an_attached_gateway(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    assert ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)["Return"] is True
    assert routes(ec2, table)["0.0.0.0/0"] == {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": gateway,
                                               "Origin": "CreateRoute", "State": "active"}


def test_ipv6_route_to_a_gateway(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", GatewayId=gateway)
    assert routes(ec2, table)["::/0"]["GatewayId"] == gateway


def test_gateway_must_be_attached_to_the_tables_vpc(ec2, table):
    for gateway in (make_gateway(ec2), make_gateway(ec2, make_vpc(ec2, "10.9.0.0/16"))):
        assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                          GatewayId=gateway) == "InvalidParameterValue"


def test_unknown_targets_are_not_found(ec2, table):
    def code(**target):
        return error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)

    assert code(GatewayId="igw-0123456789abcdef0") == "InvalidInternetGatewayID.NotFound"
    assert code(NatGatewayId="nat-0123456789abcdef0") == "InvalidNatGatewayID.NotFound"
    assert code(NetworkInterfaceId="eni-0123456789abcdef0") == "InvalidNetworkInterfaceID.NotFound"
    assert code(InstanceId="i-0123456789abcdef0") == "InvalidInstanceID.NotFound"
    assert code(VpcPeeringConnectionId="pcx-0123456789abcdef0") == "InvalidVpcPeeringConnectionID.NotFound"


def test_exactly_one_target_and_one_destination(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0") == "MissingParameter"
    assert error_code(ec2.create_route, RouteTableId=table, GatewayId=gateway) == "MissingParameter"
    assert error_code(ec2.create_route, RouteTableId=table, GatewayId=gateway, DestinationCidrBlock="0.0.0.0/0",
                      NetworkInterfaceId="eni-0123456789abcdef0") == "InvalidParameterCombination"


def test_destination_loses_its_host_bits(ec2, vpc, table):
    # CreateRoute: "if you specify 100.68.0.18/18, we modify it to 100.68.0.0/18"
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="100.68.0.18/18", GatewayId=make_gateway(ec2, vpc))
    assert "100.68.0.0/18" in routes(ec2, table)


def test_second_route_to_another_target_exists_already(ec2, vpc, table):
    interface = ec2.create_network_interface(SubnetId=make_subnet(ec2, vpc))["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=make_gateway(ec2, vpc))
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                      NetworkInterfaceId=interface) == "RouteAlreadyExists"


def test_route_to_an_interface_names_it(ec2, vpc, table):
    interface = ec2.create_network_interface(SubnetId=make_subnet(ec2, vpc))["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/24", NetworkInterfaceId=interface)
    route = routes(ec2, table)["192.168.0.0/24"]
    assert route["NetworkInterfaceId"] == interface


@pytest.mark.parametrize("cidr", ["10.0.0.0/16", "10.0.1.0/24", "10.0.200.0/24"])
def test_within_the_vpc_a_gateway_cannot_be_the_target(ec2, vpc, table, cidr):
    make_subnet(ec2, vpc, "10.0.1.0/24")
    gateway = make_gateway(ec2, vpc)
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock=cidr,
                      GatewayId=gateway) in ("InvalidParameterValue", "RouteAlreadyExists")


def test_more_specific_than_local_must_be_a_whole_subnet(ec2, vpc, table):
    interface = ec2.create_network_interface(
        SubnetId=make_subnet(ec2, vpc, "10.0.1.0/24"))["NetworkInterface"]["NetworkInterfaceId"]
    make_subnet(ec2, vpc, "10.0.2.0/24")
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.0.2.0/24", NetworkInterfaceId=interface)
    for cidr in ("10.0.3.0/24", "10.0.2.0/25", "10.0.2.0/23"):
        assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock=cidr,
                          NetworkInterfaceId=interface) == "InvalidParameterValue"


def test_less_specific_than_local_is_allowed(ec2, vpc, table):
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.0.0.0/8", GatewayId=make_gateway(ec2, vpc))
    assert "10.0.0.0/8" in routes(ec2, table)


def test_route_to_a_detached_gateway_is_a_blackhole(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "blackhole"
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "active"
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "blackhole"
    found = ec2.describe_route_tables(Filters=[{"Name": "route.state", "Values": ["blackhole"]}])["RouteTables"]
    assert [t["RouteTableId"] for t in found] == [table]


def test_replace_route_changes_the_target(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    interface = ec2.create_network_interface(SubnetId=make_subnet(ec2, vpc))["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface)
    route = routes(ec2, table)["0.0.0.0/0"]
    assert route["NetworkInterfaceId"] == interface and "GatewayId" not in route


def test_replace_of_no_route_is_refused(ec2, vpc, table):
    assert error_code(ec2.replace_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                      GatewayId=make_gateway(ec2, vpc)) == "InvalidParameterValue"


def test_delete_route(ec2, vpc, table):
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=make_gateway(ec2, vpc))
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    assert list(routes(ec2, table)) == ["10.0.0.0/16"]
    assert error_code(ec2.delete_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0") == "InvalidRoute.NotFound"


def test_local_route_cannot_be_deleted(ec2, table):
    assert error_code(ec2.delete_route, RouteTableId=table, DestinationCidrBlock="10.0.0.0/16") == "InvalidParameterValue"


def test_association_moves_a_subnet_off_the_main_table(ec2, vpc, table):
    subnet = make_subnet(ec2, vpc)
    answer = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
    assert re.fullmatch("rtbassoc-[0-9a-f]{17}", answer["AssociationId"])
    assert answer["AssociationState"]["State"] == "associated"
    (association,) = show(ec2, table)["Associations"]
    assert association == {"Main": False, "RouteTableAssociationId": answer["AssociationId"], "RouteTableId": table,
                           "SubnetId": subnet, "AssociationState": {"State": "associated"}}
    found = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["RouteTables"]
    assert [t["RouteTableId"] for t in found] == [table]


def test_same_association_again_is_the_same(ec2, vpc, table):
    subnet = make_subnet(ec2, vpc)
    first = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    assert ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"] == first


def test_subnet_has_one_table(ec2, vpc, table):
    subnet = make_subnet(ec2, vpc)
    ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)
    assert error_code(ec2.associate_route_table, SubnetId=subnet,
                      RouteTableId=make_table(ec2, vpc)) == "Resource.AlreadyAssociated"


def test_subnet_and_table_must_be_of_one_vpc(ec2, table):
    stranger = make_subnet(ec2, make_vpc(ec2, "10.9.0.0/16"), "10.9.0.0/24")
    assert error_code(ec2.associate_route_table, SubnetId=stranger, RouteTableId=table) == "InvalidParameterValue"


def test_disassociate(ec2, vpc, table):
    subnet = make_subnet(ec2, vpc)
    association = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    ec2.disassociate_route_table(AssociationId=association)
    assert show(ec2, table)["Associations"] == []
    assert error_code(ec2.disassociate_route_table, AssociationId=association) == "InvalidAssociationID.NotFound"


def test_main_association_cannot_be_ended(ec2, vpc):
    association = main_table(ec2, vpc)["Associations"][0]["RouteTableAssociationId"]
    assert error_code(ec2.disassociate_route_table, AssociationId=association) == "InvalidParameterValue"


def test_replace_association_moves_a_subnet_under_a_new_id(ec2, vpc, table):
    subnet, to = make_subnet(ec2, vpc), make_table(ec2, vpc)
    old = ec2.associate_route_table(SubnetId=subnet, RouteTableId=table)["AssociationId"]
    new = ec2.replace_route_table_association(AssociationId=old, RouteTableId=to)["NewAssociationId"]
    assert new != old
    assert show(ec2, table)["Associations"] == []
    assert [a["RouteTableAssociationId"] for a in show(ec2, to)["Associations"]] == [new]


def test_replace_of_the_main_association_makes_another_table_main(ec2, vpc, table):
    old = main_table(ec2, vpc)
    ec2.replace_route_table_association(AssociationId=old["Associations"][0]["RouteTableAssociationId"], RouteTableId=table)
    assert main_table(ec2, vpc)["RouteTableId"] == table
    ec2.delete_route_table(RouteTableId=old["RouteTableId"])
    assert error_code(ec2.delete_route_table, RouteTableId=table) == "DependencyViolation"


def test_main_table_cannot_be_deleted(ec2, vpc):
    assert error_code(ec2.delete_route_table, RouteTableId=main_table(ec2, vpc)["RouteTableId"]) == "DependencyViolation"


def test_associated_table_cannot_be_deleted(ec2, vpc, table):
    ec2.associate_route_table(SubnetId=make_subnet(ec2, vpc), RouteTableId=table)
    assert error_code(ec2.delete_route_table, RouteTableId=table) == "DependencyViolation"


def test_delete(ec2, table):
    ec2.delete_route_table(RouteTableId=table)
    assert error_code(ec2.describe_route_tables, RouteTableIds=[table]) == "InvalidRouteTableID.NotFound"


def test_filters(ec2, vpc, table):
    gateway = make_gateway(ec2, vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/16", GatewayId=gateway)
    main = main_table(ec2, vpc)["RouteTableId"]

    def ids(name, *values):
        return {t["RouteTableId"] for t in ec2.describe_route_tables(
            Filters=filters(vpc_id=vpc) + [{"Name": name, "Values": list(values)}])["RouteTables"]}

    assert ids("route.destination-cidr-block", "192.168.*") == {table}
    assert ids("route.gateway-id", gateway) == {table}
    assert ids("route.gateway-id", "local") == {table, main}
    assert ids("route.origin", "CreateRoute") == {table}
    assert ids("association.main", "true") == {main}
    assert ids("route-table-id", table) == {table}
