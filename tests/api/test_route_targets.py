# SPDX-License-Identifier: Apache-2.0
"""What routes may lead where (VPC user guide, "Configure route tables"; EC2 API reference,
CreateRoute, ReplaceRoute). Each kind of target becomes a blackhole with what it leads to."""
import pytest

from conftest import error, error_code, make_gateway, make_subnet, make_table, make_vpc
from net import Net


@pytest.fixture
def net(ec2):
    return Net(ec2, ipv6=True, gateway=True)


@pytest.fixture
def table(ec2, net):
    return make_table(ec2, net.vpc)


def show(ec2, table):
    return ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]


def routes(ec2, table):
    found = {}
    for r in show(ec2, table)["Routes"]:
        found[r.get("DestinationCidrBlock") or r.get("DestinationIpv6CidrBlock") or r["DestinationPrefixListId"]] = r
    return found


def nat_gateway(ec2, subnet):
    return ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]


def egress_gateway(ec2, vpc):
    return ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]


def vpn_gateway(ec2, vpc=None):
    gateway = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
    if vpc:
        ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
    return gateway


def peering(ec2, vpc, peer):
    return ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)["VpcPeeringConnection"]["VpcPeeringConnectionId"]


def prefix_list(ec2, *cidrs, size=5, family="IPv4"):
    return ec2.create_managed_prefix_list(PrefixListName="list", MaxEntries=size, AddressFamily=family,
                                          Entries=[{"Cidr": c} for c in cidrs])["PrefixList"]["PrefixListId"]


def test_nat_gateway(ec2, net, table):
    nat = nat_gateway(ec2, net.subnet)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert routes(ec2, table)["0.0.0.0/0"] == {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": nat,
                                               "Origin": "CreateRoute", "State": "active"}
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "blackhole"
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="8.0.0.0/8",
                      NatGatewayId=nat) == "InvalidNatGatewayID.NotFound"


def test_nat_gateway_is_for_ipv4(ec2, net, table):
    assert error_code(ec2.create_route, RouteTableId=table, DestinationIpv6CidrBlock="::/0",
                      NatGatewayId=nat_gateway(ec2, net.subnet)) == "InvalidParameterValue"


def test_failed_nat_gateway_is_no_target(ec2):
    net = Net(ec2)  # no internet gateway
    nat = ec2.create_nat_gateway(SubnetId=net.subnet, AllocationId=ec2.allocate_address(
        Domain="vpc")["AllocationId"])["NatGateway"]["NatGatewayId"]
    assert error_code(ec2.create_route, RouteTableId=make_table(ec2, net.vpc), DestinationCidrBlock="0.0.0.0/0",
                      NatGatewayId=nat) == "InvalidNatGatewayID.NotFound"


def test_egress_only_gateway_is_for_ipv6(ec2, net, table):
    gateway = egress_gateway(ec2, net.vpc)
    ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=gateway)
    route = routes(ec2, table)["::/0"]
    assert route["EgressOnlyInternetGatewayId"] == gateway and route["State"] == "active"
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                      EgressOnlyInternetGatewayId=gateway) == "InvalidParameterValue"
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)
    assert routes(ec2, table)["::/0"]["State"] == "blackhole"


def test_vpn_gateway(ec2, net, table):
    gateway = vpn_gateway(ec2, net.vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/16", GatewayId=gateway)
    route = routes(ec2, table)["192.168.0.0/16"]
    assert route["GatewayId"] == gateway and route["State"] == "active"
    ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=net.vpc)
    assert routes(ec2, table)["192.168.0.0/16"]["State"] == "blackhole"


def test_peering(ec2, account, other, net, table):
    theirs = make_vpc(other.ec2, "10.2.0.0/16")
    pcx = ec2.create_vpc_peering_connection(VpcId=net.vpc, PeerVpcId=theirs, PeerOwnerId=other.id)[
        "VpcPeeringConnection"]["VpcPeeringConnectionId"]
    # "You can also add a route for a VPC peering connection that's in the pending-acceptance state."
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.2.0.0/16", VpcPeeringConnectionId=pcx)
    back = make_table(other.ec2, theirs)
    other.ec2.create_route(RouteTableId=back, DestinationCidrBlock="10.0.0.0/16", VpcPeeringConnectionId=pcx)

    def states():
        return routes(ec2, table)["10.2.0.0/16"]["State"], routes(other.ec2, back)["10.0.0.0/16"]["State"]

    assert states() == ("blackhole", "blackhole")
    other.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert states() == ("active", "active")
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert states() == ("blackhole", "blackhole")
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="10.3.0.0/16",
                      VpcPeeringConnectionId=pcx) == "InvalidVpcPeeringConnectionID.NotFound"


def test_instance_and_interface(ec2, net, table):
    instance = net.run()
    eni = instance["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/24", InstanceId=instance["InstanceId"])
    route = routes(ec2, table)["192.168.0.0/24"]
    assert route["NetworkInterfaceId"] == eni and route["InstanceId"] == instance["InstanceId"]
    assert route["State"] == "active"
    ec2.terminate_instances(InstanceIds=[instance["InstanceId"]])
    assert routes(ec2, table)["192.168.0.0/24"]["State"] == "blackhole"


def test_stopped_instance(ec2, net, table):
    instance = net.run()["InstanceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/24", InstanceId=instance)
    state = lambda: routes(ec2, table)["192.168.0.0/24"]["State"]
    assert state() == "active"
    ec2.stop_instances(InstanceIds=[instance])
    assert state() == "blackhole"
    ec2.start_instances(InstanceIds=[instance])
    assert state() == "active"


def test_interface_of_a_gateway_is_no_target(ec2, net, table):
    nat = nat_gateway(ec2, net.subnet)
    eni = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                      NetworkInterfaceId=eni) == "InvalidParameterValue"


def test_targets_of_another_vpc(ec2, net):
    table = make_table(ec2, make_vpc(ec2, "10.9.0.0/16"))

    def answer(**target):
        destination = "DestinationIpv6CidrBlock" if "EgressOnlyInternetGatewayId" in target else "DestinationCidrBlock"
        return error(ec2.create_route, RouteTableId=table,
                     **{destination: "::/0" if "6" in destination else "0.0.0.0/0"}, **target)

    third = make_vpc(ec2, "10.2.0.0/16")
    for target in ({"NatGatewayId": nat_gateway(ec2, net.subnet)}, {"GatewayId": net.gateway},
                   {"GatewayId": vpn_gateway(ec2, net.vpc)}, {"GatewayId": vpn_gateway(ec2)},
                   {"EgressOnlyInternetGatewayId": egress_gateway(ec2, net.vpc)},
                   {"VpcPeeringConnectionId": peering(ec2, net.vpc, third)},
                   {"NetworkInterfaceId": net.eni()["NetworkInterfaceId"]}, {"InstanceId": net.run()["InstanceId"]}):
        code, message, _ = answer(**target)
        assert code == "InvalidParameterValue" and "belong to different networks" in message


def test_unknown_targets(ec2, table):
    def code(**target):
        return error_code(ec2.create_route, RouteTableId=table, DestinationIpv6CidrBlock="2001:db8::/32", **target)

    assert code(GatewayId="vgw-0123456789abcdef0") == "InvalidVpnGatewayID.NotFound"
    assert code(GatewayId="local") == "InvalidGatewayID.NotFound"
    assert code(EgressOnlyInternetGatewayId="eigw-0123456789abcdef0") == "InvalidGatewayID.NotFound"
    assert code(TransitGatewayId="tgw-0123456789abcdef0") == "InvalidTransitGatewayID.NotFound"
    assert code(VpcEndpointId="vpce-0123456789abcdef0") == "InvalidVpcEndpointId.NotFound"
    assert code(CoreNetworkArn="arn:aws:networkmanager::1:core-network/x") == "InvalidParameterValue"


def test_other_accounts_targets_do_not_exist(ec2, other, net):
    table = make_table(other.ec2, make_vpc(other.ec2))
    for name, value, code in [("NatGatewayId", nat_gateway(ec2, net.subnet), "InvalidNatGatewayID.NotFound"),
                              ("GatewayId", net.gateway, "InvalidInternetGatewayID.NotFound"),
                              ("VpcPeeringConnectionId", peering(ec2, net.vpc, make_vpc(ec2, "10.2.0.0/16")),
                               "InvalidVpcPeeringConnectionID.NotFound")]:
        assert error_code(other.ec2.create_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                          **{name: value}) == code


@pytest.mark.parametrize("cidr", ["169.254.168.0/22", "169.254.169.254/32", "fd00:ec2::/32", "fd00:ec2::253/128"])
def test_services_cannot_be_taken_over(ec2, net, table, cidr):
    name = "DestinationIpv6CidrBlock" if ":" in cidr else "DestinationCidrBlock"
    assert error_code(ec2.create_route, RouteTableId=table, GatewayId=net.gateway,
                      **{name: cidr}) == "InvalidParameterValue"


def test_more_specific_than_local(ec2, net, table):
    """A whole subnet's block, to an interface or a NAT gateway."""
    make_subnet(ec2, net.vpc, "10.0.7.0/24")
    nat = nat_gateway(ec2, net.subnet)
    code = lambda cidr, **target: error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock=cidr, **target)
    for target in ({"GatewayId": net.gateway}, {"GatewayId": vpn_gateway(ec2, net.vpc)},
                   {"VpcPeeringConnectionId": peering(ec2, net.vpc, make_vpc(ec2, "10.2.0.0/16"))}):
        assert code("10.0.7.0/24", **target) == "InvalidParameterValue"
    assert code("10.0.7.0/25", NatGatewayId=nat) == code("10.0.8.0/24", NatGatewayId=nat) == "InvalidParameterValue"
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.0.7.0/24", NatGatewayId=nat)
    ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock=net.cidr6,
                     NetworkInterfaceId=net.eni()["NetworkInterfaceId"])
    assert code("10.0.0.0/16", NatGatewayId=nat) == "RouteAlreadyExists"


def test_local_route_takes_another_target_and_back(ec2, net, table):
    eni = net.run()["NetworkInterfaces"][0]["NetworkInterfaceId"]
    change = lambda **target: ec2.replace_route(RouteTableId=table, DestinationCidrBlock="10.0.0.0/16", **target)
    change(NetworkInterfaceId=eni)
    route = routes(ec2, table)["10.0.0.0/16"]
    assert route["NetworkInterfaceId"] == eni and route["Origin"] == "CreateRouteTable" and route["State"] == "active"
    ec2.associate_vpc_cidr_block(VpcId=net.vpc, CidrBlock="10.5.0.0/16")
    assert routes(ec2, table)["10.0.0.0/16"]["NetworkInterfaceId"] == eni
    assert routes(ec2, table)["10.5.0.0/16"]["GatewayId"] == "local"
    assert error_code(ec2.delete_route, RouteTableId=table, DestinationCidrBlock="10.0.0.0/16") == "InvalidParameterValue"
    assert error_code(change, GatewayId=net.gateway) == "InvalidParameterValue"
    change(LocalTarget=True)
    assert routes(ec2, table)["10.0.0.0/16"]["GatewayId"] == "local"
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=net.gateway)
    assert error_code(ec2.replace_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0",
                      LocalTarget=True) == "InvalidParameterValue"


def test_replace_checks_as_create_does(ec2, net, table):
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=net.gateway)
    code = lambda **target: error_code(ec2.replace_route, RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    assert code(EgressOnlyInternetGatewayId=egress_gateway(ec2, net.vpc)) == "InvalidParameterValue"
    assert code(NatGatewayId="nat-0123456789abcdef0") == "InvalidNatGatewayID.NotFound"
    nat = nat_gateway(ec2, net.subnet)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert routes(ec2, table)["0.0.0.0/0"]["NatGatewayId"] == nat


def test_filters_by_target(ec2, account, net, table):
    nat, egress = nat_gateway(ec2, net.subnet), egress_gateway(ec2, net.vpc)
    pcx, instance = peering(ec2, net.vpc, make_vpc(ec2, "10.2.0.0/16")), net.run()["InstanceId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    ec2.create_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0", EgressOnlyInternetGatewayId=egress)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.2.0.0/16", VpcPeeringConnectionId=pcx)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="192.168.0.0/24", InstanceId=instance)

    def ids(name, value):
        found = ec2.describe_route_tables(Filters=[{"Name": name, "Values": [value]}])["RouteTables"]
        return [t["RouteTableId"] for t in found]

    for name, value in (("nat-gateway-id", nat), ("egress-only-internet-gateway-id", egress),
                        ("vpc-peering-connection-id", pcx), ("instance-id", instance), ("state", "blackhole"),
                        ("destination-ipv6-cidr-block", "::/0"), ("destination-cidr-block", "192.168.0.0/24")):
        assert ids("route." + name, value) == [table], name
    assert ids("route.transit-gateway-id", "tgw-0123456789abcdef0") == []
    assert table in ids("owner-id", account.id) and ids("association.route-table-id", table) == []


def test_prefix_list_as_destination(ec2, net, table):
    pl = prefix_list(ec2, "198.51.100.0/24", "203.0.113.0/24")
    create = lambda **target: ec2.create_route(RouteTableId=table, DestinationPrefixListId=pl, **target)
    create(GatewayId=net.gateway)
    create(GatewayId=net.gateway)
    assert routes(ec2, table)[pl] == {"DestinationPrefixListId": pl, "GatewayId": net.gateway, "Origin": "CreateRoute",
                                      "State": "active"}
    nat = nat_gateway(ec2, net.subnet)
    assert error_code(create, NatGatewayId=nat) == "RouteAlreadyExists"
    ec2.replace_route(RouteTableId=table, DestinationPrefixListId=pl, NatGatewayId=nat)
    assert routes(ec2, table)[pl]["NatGatewayId"] == nat
    found = ec2.describe_route_tables(Filters=[{"Name": "route.destination-prefix-list-id", "Values": [pl]}])
    assert [t["RouteTableId"] for t in found["RouteTables"]] == [table]
    ec2.delete_route(RouteTableId=table, DestinationPrefixListId=pl)
    assert pl not in routes(ec2, table)
    assert error_code(ec2.delete_route, RouteTableId=table, DestinationPrefixListId=pl) == "InvalidRoute.NotFound"
    ec2.delete_managed_prefix_list(PrefixListId=pl)


def test_prefix_list_is_checked(ec2, other, net, table):
    code = lambda pl, **target: error_code(ec2.create_route, RouteTableId=table, DestinationPrefixListId=pl, **target)
    assert code("pl-0123456789abcdef0", GatewayId=net.gateway) == "InvalidPrefixListID.NotFound"
    assert code(prefix_list(other.ec2, "198.51.100.0/24"), GatewayId=net.gateway) == "InvalidPrefixListID.NotFound"
    assert code(prefix_list(ec2, "10.0.3.0/24"), GatewayId=net.gateway) == "InvalidParameterValue"
    assert code(prefix_list(ec2, "2001:db8::/32", family="IPv6"),
                NatGatewayId=nat_gateway(ec2, net.subnet)) == "InvalidParameterValue"


def test_prefix_list_counts_its_maximum(ec2, net, table):
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=net.gateway)
    assert error_code(ec2.create_route, RouteTableId=table, GatewayId=net.gateway,
                      DestinationPrefixListId=prefix_list(ec2, size=1000)) == "RouteLimitExceeded"
    ec2.create_route(RouteTableId=table, GatewayId=net.gateway, DestinationPrefixListId=prefix_list(ec2, size=999))
    assert error_code(ec2.create_route, RouteTableId=table, DestinationCidrBlock="8.8.8.8/32",
                      GatewayId=net.gateway) == "RouteLimitExceeded"


def test_local_target_is_of_replace_only(ec2, net, table, account):
    import raw
    connection = raw.Raw(account)
    assert connection.call("CreateRoute", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=make_gateway(ec2),
                           LocalTarget="true").code == "UnknownParameter"
    connection.close()
