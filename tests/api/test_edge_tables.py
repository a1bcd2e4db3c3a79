# SPDX-License-Identifier: Apache-2.0
"""Route tables of gateways (VPC user guide, "Gateway route tables"): what comes in by a gateway goes
to an interface in the VPC first."""
import pytest

from conftest import error_code, make_gateway, make_subnet, make_table, make_vpc
from net import Net


@pytest.fixture
def net(ec2):
    return Net(ec2, gateway=True)


@pytest.fixture
def table(ec2, net):
    return make_table(ec2, net.vpc)


@pytest.fixture
def eni(net):
    return net.run()["NetworkInterfaces"][0]["NetworkInterfaceId"]


def associations(ec2, table):
    return ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Associations"]


def associate(ec2, table, gateway):
    return ec2.associate_route_table(RouteTableId=table, GatewayId=gateway)["AssociationId"]


def vpn_gateway(ec2, vpc):
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    return gateway


def test_association_with_either_kind_of_gateway(ec2, net, table):
    for gateway, own in ((net.gateway, table), (vpn_gateway(ec2, net.vpc), make_table(ec2, net.vpc))):
        association = associate(ec2, own, gateway)
        assert associations(ec2, own) == [{"Main": False, "RouteTableAssociationId": association, "RouteTableId": own,
                                           "GatewayId": gateway, "AssociationState": {"State": "associated"}}]
        assert associate(ec2, own, gateway) == association
        found = ec2.describe_route_tables(Filters=[{"Name": "association.gateway-id", "Values": [gateway]}])
        assert [t["RouteTableId"] for t in found["RouteTables"]] == [own]
        assert error_code(ec2.delete_route_table, RouteTableId=own) == "DependencyViolation"


def test_gateway_has_one_table(ec2, net, table):
    first = associate(ec2, table, net.gateway)
    second = make_table(ec2, net.vpc)
    assert error_code(associate, ec2=ec2, table=second, gateway=net.gateway) == "Resource.AlreadyAssociated"
    moved = ec2.replace_route_table_association(AssociationId=first, RouteTableId=second)["NewAssociationId"]
    assert associations(ec2, table) == [] and associations(ec2, second)[0]["GatewayId"] == net.gateway
    ec2.disassociate_route_table(AssociationId=moved)
    assert associations(ec2, second) == []


def test_gateway_must_be_the_vpcs(ec2, table):
    code = lambda gateway: error_code(associate, ec2=ec2, table=table, gateway=gateway)
    assert code(make_gateway(ec2)) == "Gateway.NotAttached"
    assert code(make_gateway(ec2, make_vpc(ec2))) == "InvalidParameterValue"
    assert code("igw-0123456789abcdef0") == "InvalidInternetGatewayID.NotFound"
    assert code("vgw-0123456789abcdef0") == "InvalidVpnGatewayID.NotFound"
    assert code("nat-0123456789abcdef0") == "InvalidGatewayID.NotFound"


def test_one_partner_is_named(ec2, net, table):
    assert error_code(ec2.associate_route_table, RouteTableId=table, GatewayId=net.gateway,
                      SubnetId=net.subnet) == "InvalidParameterCombination"
    assert error_code(ec2.associate_route_table, RouteTableId=table) == "MissingParameter"


def test_it_leads_into_the_vpc_to_interfaces(ec2, net, table, eni):
    subnet = make_subnet(ec2, net.vpc, "10.0.6.0/24")
    associate(ec2, table, net.gateway)
    create = lambda cidr, **target: ec2.create_route(RouteTableId=table, DestinationCidrBlock=cidr, **target)
    code = lambda cidr, **target: error_code(create, cidr=cidr, **target)
    create("10.0.6.0/24", NetworkInterfaceId=eni)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="10.0.0.0/16", NetworkInterfaceId=eni)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="10.0.0.0/16", LocalTarget=True)
    assert code("0.0.0.0/0", NetworkInterfaceId=eni) == "InvalidParameterValue"
    assert code("10.0.0.0/8", NetworkInterfaceId=eni) == "InvalidParameterValue"
    assert code("10.0.7.0/24", NetworkInterfaceId=eni) == "InvalidParameterValue"  # no subnet's block
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    assert code(net_block(ec2, net), NatGatewayId=nat) == "InvalidParameterValue"
    assert error_code(ec2.replace_route, RouteTableId=table, DestinationCidrBlock="10.0.6.0/24",
                      NatGatewayId=nat) == "InvalidParameterValue"
    pl = ec2.create_managed_prefix_list(PrefixListName="l", MaxEntries=2, AddressFamily="IPv4",
                                        Entries=[{"Cidr": "10.0.6.0/24"}])["PrefixList"]["PrefixListId"]
    assert error_code(ec2.create_route, RouteTableId=table, DestinationPrefixListId=pl,
                      NetworkInterfaceId=eni) == "InvalidParameterValue"


def net_block(ec2, net):
    return ec2.describe_subnets(SubnetIds=[net.subnet])["Subnets"][0]["CidrBlock"]


def test_table_with_other_routes_cannot_become_one(ec2, net, table):
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=net.gateway)
    assert error_code(associate, ec2=ec2, table=table, gateway=net.gateway) == "InvalidParameterValue"
    first = associate(ec2, make_table(ec2, net.vpc), net.gateway)
    assert error_code(ec2.replace_route_table_association, AssociationId=first,
                      RouteTableId=table) == "InvalidParameterValue"


def test_no_propagation_with_it(ec2, net, table):
    gateway = vpn_gateway(ec2, net.vpc)
    ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert error_code(associate, ec2=ec2, table=table, gateway=net.gateway) == "InvalidParameterValue"
    ec2.disable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    associate(ec2, table, net.gateway)
    assert error_code(ec2.enable_vgw_route_propagation, GatewayId=gateway,
                      RouteTableId=table) == "InvalidParameterValue"


def test_gateway_with_a_table_stays_attached(ec2, net, table):
    association = associate(ec2, table, net.gateway)
    detach = lambda: ec2.detach_internet_gateway(InternetGatewayId=net.gateway, VpcId=net.vpc)
    assert error_code(detach) == "DependencyViolation"
    ec2.disassociate_route_table(AssociationId=association)
    detach()
    gateway = vpn_gateway(ec2, net.vpc)
    association = associate(ec2, table, gateway)
    assert error_code(ec2.detach_vpn_gateway, VpnGatewayId=gateway, VpcId=net.vpc) == "DependencyViolation"
    ec2.disassociate_route_table(AssociationId=association)
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=net.vpc)
