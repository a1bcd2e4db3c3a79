# SPDX-License-Identifier: Apache-2.0
"""What Terraform's AWS provider asks, replayed with boto3: Debian has no Terraform, so this is no test of the program, but
of the calls that its resources make (internal/service/ec2 of the provider's sources) and of what they read from the answers.

Each resource: create, read until it is as wanted, read its attributes, plan again (read, compare), delete, read until the
code that the provider takes for "gone".
"""
import pytest
from botocore.exceptions import ClientError
from conftest import filters


def gone(code, call, **params):
    """The provider waits for this code (or for an empty list)."""
    try:
        answer = call(**params)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    listed = [v for k, v in answer.items() if isinstance(v, list)]
    assert listed == [[]], answer


def tags(kind, name="tf"):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


@pytest.fixture
def tf_vpc(ec2):
    """aws_vpc: CreateVpc, DescribeVpcs until available, ModifyVpcAttribute, then the read."""
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16", AmazonProvidedIpv6CidrBlock=False, TagSpecifications=tags("vpc"))["Vpc"]
    assert vpc["State"] in ("pending", "available")
    vpc_id = vpc["VpcId"]
    assert ec2.describe_vpcs(VpcIds=[vpc_id])["Vpcs"][0]["State"] == "available"
    ec2.modify_vpc_attribute(VpcId=vpc_id, EnableDnsHostnames={"Value": True})
    assert ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]
    return vpc_id


def read_vpc(ec2, vpc):
    (shown,) = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"]
    attributes = [list(ec2.describe_vpc_attribute(VpcId=vpc, Attribute=a)[a[0].upper() + a[1:]].values())
                  for a in ("enableDnsHostnames", "enableDnsSupport", "enableNetworkAddressUsageMetrics")]
    (acl,) = ec2.describe_network_acls(Filters=filters(default="true", vpc_id=vpc))["NetworkAcls"]
    (table,) = ec2.describe_route_tables(Filters=[*filters(vpc_id=vpc), {"Name": "association.main", "Values": ["true"]}])[
        "RouteTables"]
    (group,) = ec2.describe_security_groups(Filters=filters(group_name="default", vpc_id=vpc))["SecurityGroups"]
    return shown, attributes, acl["NetworkAclId"], table["RouteTableId"], group["GroupId"]


def test_vpc(ec2, tf_vpc):
    first = read_vpc(ec2, tf_vpc)
    assert first == read_vpc(ec2, tf_vpc)
    shown = first[0]
    assert shown["OwnerId"] and shown["DhcpOptionsId"] and shown["InstanceTenancy"] == "default"
    assert shown["CidrBlockAssociationSet"][0]["CidrBlockState"]["State"] == "associated"
    ec2.create_tags(Resources=[tf_vpc], Tags=[{"Key": "more", "Value": ""}])
    ec2.delete_tags(Resources=[tf_vpc], Tags=[{"Key": "Name"}])
    assert ec2.describe_vpcs(VpcIds=[tf_vpc])["Vpcs"][0]["Tags"] == [{"Key": "more", "Value": ""}]
    ec2.delete_vpc(VpcId=tf_vpc)
    gone("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[tf_vpc])


@pytest.fixture
def tf_subnet(ec2, tf_vpc):
    subnet = ec2.create_subnet(VpcId=tf_vpc, CidrBlock="10.50.1.0/24", TagSpecifications=tags("subnet"))["Subnet"]["SubnetId"]
    ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
    return subnet


def test_subnet(ec2, tf_subnet):
    (shown,) = ec2.describe_subnets(SubnetIds=[tf_subnet])["Subnets"]
    for name in ("SubnetArn", "AssignIpv6AddressOnCreation", "AvailabilityZone", "AvailabilityZoneId", "CidrBlock", "EnableDns64",
                 "MapPublicIpOnLaunch", "OwnerId", "VpcId", "PrivateDnsNameOptionsOnLaunch"):
        assert name in shown
    assert shown["State"] == "available" and shown["MapPublicIpOnLaunch"]
    # Its delete first looks for interfaces that lambda and others left.
    assert ec2.describe_network_interfaces(Filters=filters(subnet_id=tf_subnet))["NetworkInterfaces"] == []
    ec2.delete_subnet(SubnetId=tf_subnet)
    gone("InvalidSubnetID.NotFound", ec2.describe_subnets, SubnetIds=[tf_subnet])


def test_security_group(ec2, tf_vpc):
    group = ec2.create_security_group(GroupName="tf-1", Description="Managed by Terraform", VpcId=tf_vpc,
                                      TagSpecifications=tags("security-group"))["GroupId"]
    # aws_security_group takes the rule away that AWS makes.
    every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=every)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=every)
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
         "Ipv6Ranges": [{"CidrIpv6": "::/0", "Description": "all"}]}])
    (shown,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    (rule,) = shown["IpPermissions"]
    assert rule["IpRanges"] == [{"CidrIp": "10.0.0.0/8"}] and rule["Ipv6Ranges"] == [{"CidrIpv6": "::/0", "Description": "all"}]
    # aws_vpc_security_group_ingress_rule: by id.
    made = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": group}]}],
        TagSpecifications=tags("security-group-rule"))["SecurityGroupRules"]
    rule_id = made[0]["SecurityGroupRuleId"]
    (shown,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule_id])["SecurityGroupRules"]
    assert not shown["IsEgress"] and shown["ReferencedGroupInfo"]["GroupId"] == group and shown["Tags"]
    ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[{"SecurityGroupRuleId": rule_id, "SecurityGroupRule": {
        "IpProtocol": "tcp", "FromPort": 81, "ToPort": 81, "ReferencedGroupId": group, "Description": "x"}}])
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule_id])
    gone("InvalidSecurityGroupRuleId.NotFound", ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule_id])
    ec2.delete_security_group(GroupId=group)
    gone("InvalidGroup.NotFound", ec2.describe_security_groups, GroupIds=[group])


def test_routes_gateways_and_addresses(ec2, tf_vpc, tf_subnet):
    igw = ec2.create_internet_gateway(TagSpecifications=tags("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=tf_vpc)
    (shown,) = ec2.describe_internet_gateways(InternetGatewayIds=[igw])["InternetGateways"]
    assert shown["Attachments"] == [{"State": "available", "VpcId": tf_vpc}]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip"))["AllocationId"]
    (eip,) = ec2.describe_addresses(AllocationIds=[address])["Addresses"]
    assert eip["Domain"] == "vpc" and "AssociationId" not in eip
    nat = ec2.create_nat_gateway(SubnetId=tf_subnet, AllocationId=address, ConnectivityType="public", ClientToken="tf",
                                 TagSpecifications=tags("natgateway"))["NatGateway"]["NatGatewayId"]
    (shown,) = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"]
    assert shown["State"] == "available" and shown["NatGatewayAddresses"][0]["AllocationId"] == address
    assert {"NetworkInterfaceId", "PrivateIp", "PublicIp"} <= set(shown["NatGatewayAddresses"][0])
    table = ec2.create_route_table(VpcId=tf_vpc, TagSpecifications=tags("route-table"))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=igw)
    (shown,) = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
    assert {r["State"] for r in shown["Routes"]} == {"active"}
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=tf_subnet)["AssociationId"]
    (found,) = ec2.describe_route_tables(Filters=[
        {"Name": "association.route-table-association-id", "Values": [association]}])["RouteTables"]
    assert found["Associations"][0]["AssociationState"]["State"] == "associated"
    ec2.disassociate_route_table(AssociationId=association)
    assert ec2.describe_route_tables(Filters=[
        {"Name": "association.route-table-association-id", "Values": [association]}])["RouteTables"] == []
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_route_table(RouteTableId=table)
    gone("InvalidRouteTableID.NotFound", ec2.describe_route_tables, RouteTableIds=[table])
    ec2.delete_nat_gateway(NatGatewayId=nat)
    states = [g["State"] for g in ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"]]
    assert states == ["deleted"]
    ec2.release_address(AllocationId=address)
    gone("InvalidAllocationID.NotFound", ec2.describe_addresses, AllocationIds=[address])
    ec2.detach_internet_gateway(InternetGatewayId=igw, VpcId=tf_vpc)
    ec2.delete_internet_gateway(InternetGatewayId=igw)
    gone("InvalidInternetGatewayID.NotFound", ec2.describe_internet_gateways, InternetGatewayIds=[igw])


def test_network_acl(ec2, tf_vpc, tf_subnet):
    acl = ec2.create_network_acl(VpcId=tf_vpc, TagSpecifications=tags("network-acl"))["NetworkAcl"]["NetworkAclId"]
    ec2.create_network_acl_entry(NetworkAclId=acl, Egress=False, Protocol="6", RuleAction="allow", RuleNumber=100,
                                 CidrBlock="10.0.0.0/8", PortRange={"From": 80, "To": 80})
    (default,) = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [tf_subnet]}])["NetworkAcls"]
    (own,) = [a for a in default["Associations"] if a["SubnetId"] == tf_subnet]
    new = ec2.replace_network_acl_association(AssociationId=own["NetworkAclAssociationId"], NetworkAclId=acl)["NewAssociationId"]
    (shown,) = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"]
    assert [a["NetworkAclAssociationId"] for a in shown["Associations"]] == [new]
    assert [e["RuleNumber"] for e in shown["Entries"] if not e["Egress"]] == [100, 32767]
    ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=default["NetworkAclId"])
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    ec2.delete_network_acl(NetworkAclId=acl)
    gone("InvalidNetworkAclID.NotFound", ec2.describe_network_acls, NetworkAclIds=[acl])


def test_peering(ec2, account, tf_vpc):
    peer = ec2.create_vpc(CidrBlock="10.51.0.0/16")["Vpc"]["VpcId"]
    pcx = ec2.create_vpc_peering_connection(VpcId=tf_vpc, PeerVpcId=peer, PeerOwnerId=account.id, TagSpecifications=tags(
        "vpc-peering-connection"))["VpcPeeringConnection"]["VpcPeeringConnectionId"]

    def read():
        return ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[pcx])["VpcPeeringConnections"][0]

    assert read()["Status"]["Code"] == "pending-acceptance"
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    shown = read()
    assert shown["Status"]["Code"] == "active" and shown["AccepterVpcInfo"]["VpcId"] == peer
    assert shown["RequesterVpcInfo"]["CidrBlock"] == "10.50.0.0/16"
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=pcx)
    assert read()["Status"]["Code"] == "deleted"


def test_prefix_list(ec2):
    made = ec2.create_managed_prefix_list(PrefixListName="tf", AddressFamily="IPv4", MaxEntries=5, ClientToken="tf-pl",
                                          Entries=[{"Cidr": "10.0.0.0/8", "Description": "a"}],
                                          TagSpecifications=tags("prefix-list"))["PrefixList"]
    pl = made["PrefixListId"]

    def read():
        return ec2.describe_managed_prefix_lists(PrefixListIds=[pl])["PrefixLists"][0]

    assert read()["State"] == "create-complete" and read()["Version"] == 1
    ec2.modify_managed_prefix_list(PrefixListId=pl, CurrentVersion=1, AddEntries=[{"Cidr": "192.0.2.0/24"}],
                                   RemoveEntries=[{"Cidr": "10.0.0.0/8"}])
    assert read()["State"] == "modify-complete" and read()["Version"] == 2
    assert ec2.get_managed_prefix_list_entries(PrefixListId=pl)["Entries"] == [{"Cidr": "192.0.2.0/24"}]
    ec2.delete_managed_prefix_list(PrefixListId=pl)
    gone("InvalidPrefixListID.NotFound", ec2.describe_managed_prefix_lists, PrefixListIds=[pl])


def test_instance_and_interface(ec2, tf_subnet):
    assert ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"]
    instance = ec2.run_instances(ImageId="ami-netns", InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=tf_subnet,
                                 ClientToken="tf-i", TagSpecifications=tags("instance"))["Instances"][0]["InstanceId"]
    (shown,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert shown["State"]["Name"] == "running" and shown["NetworkInterfaces"]
    for attribute in ("instanceInitiatedShutdownBehavior", "disableApiTermination", "disableApiStop", "userData"):
        ec2.describe_instance_attribute(InstanceId=instance, Attribute=attribute)
    ec2.describe_instance_credit_specifications(InstanceIds=[instance])
    ec2.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [instance]}])
    eni = ec2.create_network_interface(SubnetId=tf_subnet, ClientToken="tf-e", TagSpecifications=tags("network-interface"))[
        "NetworkInterface"]["NetworkInterfaceId"]
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)["AttachmentId"]
    (shown,) = ec2.describe_network_interfaces(Filters=[{"Name": "attachment.attachment-id", "Values": [attachment]}])[
        "NetworkInterfaces"]
    assert shown["Attachment"]["Status"] == "attached" and shown["Attachment"]["DeviceIndex"] == 1
    ec2.detach_network_interface(AttachmentId=attachment, Force=True)
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Status"] == "available"
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    gone("InvalidNetworkInterfaceID.NotFound", ec2.describe_network_interfaces, NetworkInterfaceIds=[eni])
    ec2.terminate_instances(InstanceIds=[instance])
    (shown,) = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"]
    assert shown["State"]["Name"] == "terminated"
