# SPDX-License-Identifier: Apache-2.0
"""One good call of every action, for the tests that hold for all of them (test_every_*.py).

    world(account)    one of everything, in states in which each call of CALLS would succeed: name -> id
    CALLS             action -> parameters of such a call, as the Query protocol writes them, from a world

    10.0.0.0/16 + IPv6   igw, eigw, vgw -- table -- subnet (instance, interfaces eni, spare_eni, trunk)
                         nat in subnet; peering to vpc2 10.1.0.0/16; list; reservation; acl
"""
import re

from conftest import filters
from raw import Raw

ZERO = "0.0.0.0/0"


def tag_specification(kind, key="k", value="v"):
    return {"TagSpecification.1.ResourceType": kind, "TagSpecification.1.Tag.1.Key": key,
            "TagSpecification.1.Tag.1.Value": value}


def permission(prefix="IpPermissions.1.", port=80, cidr=ZERO):
    return {prefix + "IpProtocol": "tcp", prefix + "FromPort": port, prefix + "ToPort": port,
            prefix + "IpRanges.1.CidrIp": cidr}


def _network(ec2, w):
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    w["vpc"], w["vpc2"], w["spare_vpc"] = made["VpcId"], *(
        ec2.create_vpc(CidrBlock=c)["Vpc"]["VpcId"] for c in ("10.1.0.0/16", "10.2.0.0/16"))
    shown = ec2.describe_vpcs(VpcIds=[w["vpc"]])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]
    w["vpc_cidr6"], block6 = shown["AssociationId"], shown["Ipv6CidrBlock"]
    w["cidr6"] = block6.replace("::/56", "::/64")
    w["free_cidr6"] = block6[:-len("00::/56")] + "01::/64"
    w["vpc_cidr"] = ec2.associate_vpc_cidr_block(VpcId=w["vpc"], CidrBlock="10.9.0.0/16")[
        "CidrBlockAssociation"]["AssociationId"]
    w["subnet"] = ec2.create_subnet(VpcId=w["vpc"], CidrBlock="10.0.0.0/24", Ipv6CidrBlock=w["cidr6"],
                                    AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
    w["bare_subnet"], w["spare_subnet"] = (
        ec2.create_subnet(VpcId=w["vpc"], CidrBlock=f"10.0.{i}.0/24")["Subnet"]["SubnetId"] for i in (1, 2))
    w["spare_cidr6"] = ec2.associate_subnet_cidr_block(
        SubnetId=w["spare_subnet"], Ipv6CidrBlock=block6[:-len("00::/56")] + "02::/64")[
            "Ipv6CidrBlockAssociation"]["AssociationId"]
    w["reservation"] = ec2.create_subnet_cidr_reservation(
        SubnetId=w["subnet"], Cidr="10.0.0.128/28", ReservationType="explicit")[
            "SubnetCidrReservation"]["SubnetCidrReservationId"]
    # Addresses that are named below are given to nobody else.
    ec2.create_subnet_cidr_reservation(SubnetId=w["subnet"], Cidr="10.0.0.64/27", ReservationType="explicit")
    w["dhcp"], w["spare_dhcp"] = (ec2.create_dhcp_options(
        DhcpConfigurations=[{"Key": "domain-name", "Values": [n]}])["DhcpOptions"]["DhcpOptionsId"] for n in ("a", "b"))
    w["acl"], w["spare_acl"] = (ec2.create_network_acl(VpcId=w["vpc"])["NetworkAcl"]["NetworkAclId"] for _ in range(2))
    ec2.create_network_acl_entry(NetworkAclId=w["acl"], RuleNumber=100, Protocol="-1", RuleAction="allow", Egress=False,
                                 CidrBlock=ZERO)
    (default,) = ec2.describe_network_acls(Filters=filters(vpc_id=w["vpc"], default="true"))["NetworkAcls"]
    w["acl_association"] = default["Associations"][0]["NetworkAclAssociationId"]


def _gateways(ec2, raw, w):
    w["igw"], w["spare_igw"] = (ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"] for _ in range(2))
    ec2.attach_internet_gateway(InternetGatewayId=w["igw"], VpcId=w["vpc"])
    w["lone_vpc"], w["empty_vpc"] = (ec2.create_vpc(CidrBlock=c)["Vpc"]["VpcId"] for c in ("10.11.0.0/16", "10.12.0.0/16"))
    w["lone_igw"] = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=w["lone_igw"], VpcId=w["lone_vpc"])
    w["eigw"] = ec2.create_egress_only_internet_gateway(VpcId=w["vpc"])["EgressOnlyInternetGateway"][
        "EgressOnlyInternetGatewayId"]
    w["vgw"], w["spare_vgw"] = (ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"] for _ in range(2))
    ec2.attach_vpn_gateway(VpnGatewayId=w["vgw"], VpcId=w["vpc"])
    w["cgw"] = ec2.create_customer_gateway(Type="ipsec.1", BgpAsn=65000, PublicIp="198.51.100.1")["CustomerGateway"][
        "CustomerGatewayId"]
    w["eip"], w["spare_eip"], w["nat_eip"], w["nat_eip2"], w["offered_eip"] = (
        ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(5))
    ec2.enable_address_transfer(AllocationId=w["offered_eip"], TransferAccountId="999999999999")
    w["nat"] = ec2.create_nat_gateway(SubnetId=w["subnet"], AllocationId=w["nat_eip"])["NatGateway"]["NatGatewayId"]
    added = raw.call("AssociateNatGatewayAddress", **{"NatGatewayId": w["nat"], "AllocationId.1": w["nat_eip2"]})
    w["nat_association"] = re.search("eipassoc-[0-9a-f]+", added.text)[0]
    w["private_nat"] = raw.call("CreateNatGateway", **{
        "SubnetId": w["subnet"], "ConnectivityType": "private", "SecondaryPrivateIpAddress.1": "10.0.0.77"}).find(
            "natGateway/natGatewayId")
    w["peering"], w["pending_peering"] = (ec2.create_vpc_peering_connection(VpcId=w["vpc"], PeerVpcId=peer)[
        "VpcPeeringConnection"]["VpcPeeringConnectionId"] for peer in (w["vpc2"], w["spare_vpc"]))
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=w["peering"])
    for vpc in (w["vpc"], w["vpc2"]):
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    w["table"], w["spare_table"] = (ec2.create_route_table(VpcId=w["vpc"])["RouteTable"]["RouteTableId"] for _ in range(2))
    ec2.create_route(RouteTableId=w["table"], DestinationCidrBlock=ZERO, GatewayId=w["igw"])
    w["association"] = ec2.associate_route_table(RouteTableId=w["table"], SubnetId=w["subnet"])["AssociationId"]


def _interfaces(ec2, w):
    def interface(**params):
        return ec2.create_network_interface(SubnetId=w["subnet"], **params)["NetworkInterface"]["NetworkInterfaceId"]

    w["group"], w["spare_group"] = (ec2.create_security_group(VpcId=w["vpc"], GroupName=n, Description="d")["GroupId"]
                                    for n in ("a", "b"))
    rules = ec2.authorize_security_group_ingress(GroupId=w["group"], IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": ZERO}]}])["SecurityGroupRules"]
    w["rule"] = rules[0]["SecurityGroupRuleId"]
    egress, *_ = [r for r in ec2.describe_security_group_rules(Filters=filters(group_id=w["group"]))["SecurityGroupRules"]
                 if r["IsEgress"]]
    w["egress_rule"] = egress["SecurityGroupRuleId"]
    w["eni"] = interface(PrivateIpAddress="10.0.0.70", SecondaryPrivateIpAddressCount=0, PrivateIpAddresses=[
        {"PrivateIpAddress": "10.0.0.71", "Primary": False}], Ipv6AddressCount=1)
    w["spare_eni"] = interface()
    (shown,) = ec2.describe_network_interfaces(NetworkInterfaceIds=[w["eni"]])["NetworkInterfaces"]
    w["ipv6"] = shown["Ipv6Addresses"][0]["Ipv6Address"]
    w["eip_association"] = ec2.associate_address(AllocationId=w["eip"], NetworkInterfaceId=w["eni"])["AssociationId"]
    w["permission"] = ec2.create_network_interface_permission(
        NetworkInterfaceId=w["eni"], AwsAccountId="999999999999", Permission="INSTANCE-ATTACH")[
            "InterfacePermission"]["NetworkInterfacePermissionId"]
    w["instance"], w["stopped"] = (ec2.run_instances(ImageId="ami-netns", InstanceType="t3.medium", MinCount=1, MaxCount=1,
                                                     SubnetId=w["subnet"])["Instances"][0]["InstanceId"] for _ in range(2))
    ec2.stop_instances(InstanceIds=[w["stopped"]])
    attached = interface()
    w["attachment"] = ec2.attach_network_interface(NetworkInterfaceId=attached, InstanceId=w["instance"], DeviceIndex=1)[
        "AttachmentId"]
    ec2.create_key_pair(KeyName="key")
    w["list"] = ec2.create_managed_prefix_list(PrefixListName="l", AddressFamily="IPv4", MaxEntries=5, Entries=[
        {"Cidr": "10.3.0.0/16"}])["PrefixList"]["PrefixListId"]
    (w["flow_log"],) = ec2.create_flow_logs(ResourceIds=[w["vpc"]], ResourceType="VPC", TrafficType="ALL",
                                            LogDestinationType="s3", LogDestination="arn:aws:s3:::logs")["FlowLogIds"]
    ec2.modify_managed_prefix_list(PrefixListId=w["list"], CurrentVersion=1, AddEntries=[{"Cidr": "10.4.0.0/16"}])


def world(account):
    ec2, w = account.ec2, {"account": account.id}
    _network(ec2, w)
    _gateways(ec2, Raw(account), w)
    _interfaces(ec2, w)
    ec2.create_tags(Resources=[i for i in w.values() if re.fullmatch("[a-z]+-[0-9a-f]{17}", i) and not re.match(
        "(.*assoc|.*attach|eni-perm|eni-a)-", i)], Tags=[{"Key": "world", "Value": "1"}])
    return w


PUBLIC_KEY = ("c3NoLWVkMjU1MTkgQUFBQUMzTnphQzFsWkRJMU5URTVBQUFBSUpaK3J5b3BlZ0pCd0J2cWlxbGpZNGZ3RFJ5c2x3Wlh6bXl0R1M2QXJYM3k=")

# What a world does not have: the action's parameters, or None where no call can succeed.
CALLS = {
    "AcceptVpcPeeringConnection": lambda w: {"VpcPeeringConnectionId": w["pending_peering"]},
    "AllocateAddress": lambda w: {},
    "AssignIpv6Addresses": lambda w: {"NetworkInterfaceId": w["eni"], "Ipv6AddressCount": 1},
    "AssignPrivateIpAddresses": lambda w: {"NetworkInterfaceId": w["eni"], "SecondaryPrivateIpAddressCount": 1},
    "AssignPrivateNatGatewayAddress": lambda w: {"NatGatewayId": w["private_nat"], "PrivateIpAddressCount": 1},
    "AssociateAddress": lambda w: {"AllocationId": w["spare_eip"], "NetworkInterfaceId": w["spare_eni"]},
    "AssociateDhcpOptions": lambda w: {"DhcpOptionsId": w["dhcp"], "VpcId": w["vpc"]},
    "AssociateNatGatewayAddress": lambda w: {"NatGatewayId": w["nat"], "AllocationId.1": w["spare_eip"]},
    "AssociateRouteTable": lambda w: {"RouteTableId": w["table"], "SubnetId": w["bare_subnet"]},
    "AssociateSecurityGroupVpc": lambda w: {"GroupId": w["spare_group"], "VpcId": w["vpc2"]},
    "AssociateSubnetCidrBlock": lambda w: {"SubnetId": w["bare_subnet"], "Ipv6CidrBlock": w["free_cidr6"]},
    "AssociateVpcCidrBlock": lambda w: {"VpcId": w["lone_vpc"], "CidrBlock": "10.8.0.0/16"},
    "AttachInternetGateway": lambda w: {"InternetGatewayId": w["spare_igw"], "VpcId": w["vpc2"]},
    "AttachNetworkInterface": lambda w: {"NetworkInterfaceId": w["spare_eni"], "InstanceId": w["instance"],
                                         "DeviceIndex": 2},
    "AttachVpnGateway": lambda w: {"VpnGatewayId": w["spare_vgw"], "VpcId": w["vpc2"]},
    "AuthorizeSecurityGroupEgress": lambda w: {"GroupId": w["group"], **permission()},
    "AuthorizeSecurityGroupIngress": lambda w: {"GroupId": w["group"], **permission()},
    "CreateCustomerGateway": lambda w: {"Type": "ipsec.1", "BgpAsn": 65001, "PublicIp": "198.51.100.2"},
    "CreateDhcpOptions": lambda w: {"DhcpConfiguration.1.Key": "domain-name", "DhcpConfiguration.1.Value.1": "c"},
    "CreateEgressOnlyInternetGateway": lambda w: {"VpcId": w["vpc2"]},
    "CreateFlowLogs": lambda w: {"ResourceId.1": w["subnet"], "ResourceType": "Subnet", "TrafficType": "ALL",
                                 "LogDestinationType": "s3", "LogDestination": "arn:aws:s3:::logs"},
    "CreateInternetGateway": lambda w: {},
    "CreateKeyPair": lambda w: {"KeyName": "new"},
    "CreateManagedPrefixList": lambda w: {"PrefixListName": "m", "AddressFamily": "IPv4", "MaxEntries": 3},
    "CreateNatGateway": lambda w: {"SubnetId": w["subnet"], "AllocationId": w["spare_eip"]},
    "CreateNetworkAcl": lambda w: {"VpcId": w["vpc"]},
    "CreateNetworkAclEntry": lambda w: {"NetworkAclId": w["acl"], "RuleNumber": 7, "Protocol": "-1", "Egress": "false",
                                        "RuleAction": "deny", "CidrBlock": ZERO},
    "CreateNetworkInterface": lambda w: {"SubnetId": w["subnet"]},
    "CreateNetworkInterfacePermission": lambda w: {"NetworkInterfaceId": w["spare_eni"], "AwsAccountId": "999999999999",
                                                   "Permission": "INSTANCE-ATTACH"},
    "CreateRoute": lambda w: {"RouteTableId": w["table"], "DestinationCidrBlock": "192.0.2.0/24", "GatewayId": w["igw"]},
    "CreateRouteTable": lambda w: {"VpcId": w["vpc"]},
    "CreateSecurityGroup": lambda w: {"VpcId": w["vpc"], "GroupName": "new", "GroupDescription": "d"},
    "CreateSubnet": lambda w: {"VpcId": w["vpc"], "CidrBlock": "10.0.200.0/24"},
    "CreateSubnetCidrReservation": lambda w: {"SubnetId": w["subnet"], "Cidr": "10.0.0.160/28",
                                              "ReservationType": "explicit"},
    "CreateTags": lambda w: {"ResourceId.1": w["vpc"], "Tag.1.Key": "a", "Tag.1.Value": "b"},
    "CreateVpc": lambda w: {"CidrBlock": "10.7.0.0/16"},
    "CreateVpcPeeringConnection": lambda w: {"VpcId": w["vpc2"], "PeerVpcId": w["spare_vpc"]},
    "CreateVpnGateway": lambda w: {"Type": "ipsec.1"},
    "DeleteCustomerGateway": lambda w: {"CustomerGatewayId": w["cgw"]},
    "DeleteDhcpOptions": lambda w: {"DhcpOptionsId": w["spare_dhcp"]},
    "DeleteEgressOnlyInternetGateway": lambda w: {"EgressOnlyInternetGatewayId": w["eigw"]},
    "DeleteFlowLogs": lambda w: {"FlowLogId.1": w["flow_log"]},
    "DeleteInternetGateway": lambda w: {"InternetGatewayId": w["spare_igw"]},
    "DeleteKeyPair": lambda w: {"KeyName": "key"},
    "DeleteManagedPrefixList": lambda w: {"PrefixListId": w["list"]},
    "DeleteNatGateway": lambda w: {"NatGatewayId": w["nat"]},
    "DeleteNetworkAcl": lambda w: {"NetworkAclId": w["spare_acl"]},
    "DeleteNetworkAclEntry": lambda w: {"NetworkAclId": w["acl"], "RuleNumber": 100, "Egress": "false"},
    "DeleteNetworkInterface": lambda w: {"NetworkInterfaceId": w["spare_eni"]},
    "DeleteNetworkInterfacePermission": lambda w: {"NetworkInterfacePermissionId": w["permission"]},
    "DeleteRoute": lambda w: {"RouteTableId": w["table"], "DestinationCidrBlock": ZERO},
    "DeleteRouteTable": lambda w: {"RouteTableId": w["spare_table"]},
    "DeleteSecurityGroup": lambda w: {"GroupId": w["spare_group"]},
    "DeleteSubnet": lambda w: {"SubnetId": w["spare_subnet"]},
    "DeleteSubnetCidrReservation": lambda w: {"SubnetCidrReservationId": w["reservation"]},
    "DeleteTags": lambda w: {"ResourceId.1": w["vpc"]},
    "DeleteVpc": lambda w: {"VpcId": w["empty_vpc"]},
    "DeleteVpcPeeringConnection": lambda w: {"VpcPeeringConnectionId": w["peering"]},
    "DeleteVpnGateway": lambda w: {"VpnGatewayId": w["spare_vgw"]},
    "DescribeAddressTransfers": lambda w: {"AllocationId.1": w["offered_eip"]},
    "DescribeAddresses": lambda w: {"AllocationId.1": w["eip"]},
    "DescribeAddressesAttribute": lambda w: {"AllocationId.1": w["eip"], "Attribute": "domain-name"},
    "DescribeCustomerGateways": lambda w: {"CustomerGatewayId.1": w["cgw"]},
    "DescribeDhcpOptions": lambda w: {"DhcpOptionsId.1": w["dhcp"]},
    "DescribeEgressOnlyInternetGateways": lambda w: {"EgressOnlyInternetGatewayId.1": w["eigw"]},
    "DescribeFlowLogs": lambda w: {"FlowLogId.1": w["flow_log"]},
    "DescribeIdentityIdFormat": lambda w: {"PrincipalArn": f"arn:aws:iam::{w['account']}:root"},
    "DescribeImageAttribute": lambda w: {"ImageId": "ami-netns", "Attribute": "launchPermission"},
    "DescribeInstanceAttribute": lambda w: {"InstanceId": w["instance"], "Attribute": "instanceType"},
    "DescribeInstanceCreditSpecifications": lambda w: {"InstanceId.1": w["instance"]},
    "DescribeInstanceStatus": lambda w: {"InstanceId.1": w["instance"]},
    "DescribeInstances": lambda w: {"InstanceId.1": w["instance"]},
    "DescribeInternetGateways": lambda w: {"InternetGatewayId.1": w["igw"]},
    "DescribeKeyPairs": lambda w: {"KeyName.1": "key"},
    "DescribeManagedPrefixLists": lambda w: {"PrefixListId.1": w["list"]},
    "DescribeNatGateways": lambda w: {"NatGatewayId.1": w["nat"]},
    "DescribeNetworkAcls": lambda w: {"NetworkAclId.1": w["acl"]},
    "DescribeNetworkInterfaceAttribute": lambda w: {"NetworkInterfaceId": w["eni"], "Attribute": "description"},
    "DescribeNetworkInterfacePermissions": lambda w: {"NetworkInterfacePermissionId.1": w["permission"]},
    "DescribeNetworkInterfaces": lambda w: {"NetworkInterfaceId.1": w["eni"]},
    "DescribeRouteTables": lambda w: {"RouteTableId.1": w["table"]},
    "DescribeSecurityGroupReferences": lambda w: {"GroupId.1": w["group"]},
    "DescribeSecurityGroupRules": lambda w: {"SecurityGroupRuleId.1": w["rule"]},
    "DescribeSecurityGroups": lambda w: {"GroupId.1": w["group"]},
    "DescribeStaleSecurityGroups": lambda w: {"VpcId": w["vpc"]},
    "DescribeSubnets": lambda w: {"SubnetId.1": w["subnet"]},
    "DescribeVpcAttribute": lambda w: {"VpcId": w["vpc"], "Attribute": "enableDnsSupport"},
    "DescribeVpcClassicLink": lambda w: {"VpcId.1": w["vpc"]},
    "DescribeVpcClassicLinkDnsSupport": lambda w: {"VpcIds.1": w["vpc"]},
    "DescribeVpcPeeringConnections": lambda w: {"VpcPeeringConnectionId.1": w["peering"]},
    "DescribeVpcs": lambda w: {"VpcId.1": w["vpc"]},
    "DescribeVpnGateways": lambda w: {"VpnGatewayId.1": w["vgw"]},
    "DetachInternetGateway": lambda w: {"InternetGatewayId": w["lone_igw"], "VpcId": w["lone_vpc"]},
    "DetachNetworkInterface": lambda w: {"AttachmentId": w["attachment"]},
    "DetachVpnGateway": lambda w: {"VpnGatewayId": w["vgw"], "VpcId": w["vpc"]},
    "DisableAddressTransfer": lambda w: {"AllocationId": w["offered_eip"]},
    "DisableVgwRoutePropagation": lambda w: {"GatewayId": w["vgw"], "RouteTableId": w["table"]},
    "DisableVpcClassicLink": lambda w: {"VpcId": w["vpc"]},
    "DisableVpcClassicLinkDnsSupport": lambda w: {"VpcId": w["vpc"]},
    "DisassociateAddress": lambda w: {"AssociationId": w["eip_association"]},
    "DisassociateNatGatewayAddress": lambda w: {"NatGatewayId": w["nat"], "AssociationId.1": w["nat_association"]},
    "DisassociateRouteTable": lambda w: {"AssociationId": w["association"]},
    "DisassociateSubnetCidrBlock": lambda w: {"AssociationId": w["spare_cidr6"]},
    "DisassociateVpcCidrBlock": lambda w: {"AssociationId": w["vpc_cidr"]},
    "EnableAddressTransfer": lambda w: {"AllocationId": w["spare_eip"], "TransferAccountId": "999999999999"},
    "EnableVgwRoutePropagation": lambda w: {"GatewayId": w["vgw"], "RouteTableId": w["spare_table"]},
    "GetConsoleOutput": lambda w: {"InstanceId": w["instance"]},
    "GetManagedPrefixListAssociations": lambda w: {"PrefixListId": w["list"]},
    "GetManagedPrefixListEntries": lambda w: {"PrefixListId": w["list"]},
    "GetSecurityGroupsForVpc": lambda w: {"VpcId": w["vpc"]},
    "GetSubnetCidrReservations": lambda w: {"SubnetId": w["subnet"]},
    "ImportKeyPair": lambda w: {"KeyName": "imported", "PublicKeyMaterial": PUBLIC_KEY},
    "ModifyAddressAttribute": lambda w: {"AllocationId": w["eip"], "DomainName": "a.example.com"},
    "ModifyIdFormat": lambda w: {"Resource": "vpc", "UseLongIds": "true"},
    "ModifyIdentityIdFormat": lambda w: {"PrincipalArn": f"arn:aws:iam::{w['account']}:root", "Resource": "vpc",
                                         "UseLongIds": "true"},
    "ModifyInstanceAttribute": lambda w: {"InstanceId": w["instance"], "DisableApiTermination.Value": "true"},
    "ModifyInstanceMetadataDefaults": lambda w: {"HttpTokens": "required"},
    "ModifyInstanceMetadataOptions": lambda w: {"InstanceId": w["instance"], "HttpTokens": "required"},
    "ModifyManagedPrefixList": lambda w: {"PrefixListId": w["list"], "CurrentVersion": 2, "AddEntry.1.Cidr": "10.5.0.0/16"},
    "ModifyNetworkInterfaceAttribute": lambda w: {"NetworkInterfaceId": w["eni"], "Description.Value": "x"},
    "ModifyPrivateDnsNameOptions": lambda w: {"InstanceId": w["stopped"], "PrivateDnsHostnameType": "resource-name"},
    "ModifyPublicIpDnsNameOptions": lambda w: {"NetworkInterfaceId": w["eni"], "HostnameType": "public-ipv4-dns-name"},
    "ModifySecurityGroupRules": lambda w: {
        "GroupId": w["group"], "SecurityGroupRule.1.SecurityGroupRuleId": w["rule"],
        **{f"SecurityGroupRule.1.SecurityGroupRule.{k}": v for k, v in (
            ("IpProtocol", "tcp"), ("FromPort", 23), ("ToPort", 23), ("CidrIpv4", ZERO))}},
    "ModifySubnetAttribute": lambda w: {"SubnetId": w["subnet"], "MapPublicIpOnLaunch.Value": "true"},
    "ModifyVpcAttribute": lambda w: {"VpcId": w["vpc"], "EnableDnsHostnames.Value": "true"},
    "ModifyVpcPeeringConnectionOptions": lambda w: {
        "VpcPeeringConnectionId": w["peering"], "RequesterPeeringConnectionOptions.AllowDnsResolutionFromRemoteVpc": "true"},
    "RebootInstances": lambda w: {"InstanceId.1": w["instance"]},
    "RejectVpcPeeringConnection": lambda w: {"VpcPeeringConnectionId": w["pending_peering"]},
    "ReleaseAddress": lambda w: {"AllocationId": w["spare_eip"]},
    "MonitorInstances": lambda w: {"InstanceId.1": w["instance"]},
    "UnmonitorInstances": lambda w: {"InstanceId.1": w["instance"]},
    "ResetInstanceAttribute": lambda w: {"InstanceId": w["stopped"], "Attribute": "sourceDestCheck"},
    "ReplaceNetworkAclAssociation": lambda w: {"AssociationId": w["acl_association"], "NetworkAclId": w["acl"]},
    "ReplaceNetworkAclEntry": lambda w: {"NetworkAclId": w["acl"], "RuleNumber": 100, "Protocol": "-1", "Egress": "false",
                                         "RuleAction": "deny", "CidrBlock": ZERO},
    "ReplaceRoute": lambda w: {"RouteTableId": w["table"], "DestinationCidrBlock": ZERO, "GatewayId": w["igw"]},
    "ReplaceRouteTableAssociation": lambda w: {"AssociationId": w["association"], "RouteTableId": w["spare_table"]},
    "ResetAddressAttribute": lambda w: {"AllocationId": w["eip"], "Attribute": "domain-name"},
    "ResetNetworkInterfaceAttribute": lambda w: {"NetworkInterfaceId": w["eni"], "SourceDestCheck": "true"},
    "RestoreManagedPrefixListVersion": lambda w: {"PrefixListId": w["list"], "PreviousVersion": 1, "CurrentVersion": 2},
    "RevokeSecurityGroupEgress": lambda w: {"GroupId": w["group"], "IpPermissions.1.IpProtocol": "-1",
                                            "IpPermissions.1.IpRanges.1.CidrIp": ZERO},
    "RevokeSecurityGroupIngress": lambda w: {"GroupId": w["group"], **permission(port=22)},
    "RunInstances": lambda w: {"ImageId": "ami-netns", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1,
                               "SubnetId": w["subnet"]},
    "StartInstances": lambda w: {"InstanceId.1": w["stopped"]},
    "StopInstances": lambda w: {"InstanceId.1": w["instance"]},
    "TerminateInstances": lambda w: {"InstanceId.1": w["stopped"]},
    "UnassignIpv6Addresses": lambda w: {"NetworkInterfaceId": w["eni"], "Ipv6Addresses.1": w["ipv6"]},
    "UnassignPrivateIpAddresses": lambda w: {"NetworkInterfaceId": w["eni"], "PrivateIpAddress.1": "10.0.0.71"},
    "UnassignPrivateNatGatewayAddress": lambda w: {"NatGatewayId": w["private_nat"], "PrivateIpAddress.1": "10.0.0.77"},
    "UpdateSecurityGroupRuleDescriptionsEgress": lambda w: {
        "GroupId": w["group"], "SecurityGroupRuleDescription.1.SecurityGroupRuleId": w["egress_rule"],
        "SecurityGroupRuleDescription.1.Description": "x"},
    "UpdateSecurityGroupRuleDescriptionsIngress": lambda w: {
        "GroupId": w["group"], "SecurityGroupRuleDescription.1.SecurityGroupRuleId": w["rule"],
        "SecurityGroupRuleDescription.1.Description": "x"},
}

ROUTE = {"DestinationCidrBlock": "192.0.2.0/24"}
# More calls that name things; not all of them would succeed.
MORE = [
    ("AssociateAddress", lambda w: {"AllocationId": w["spare_eip"], "InstanceId": w["stopped"]}),
    ("AssociateRouteTable", lambda w: {"RouteTableId": w["table"], "GatewayId": w["igw"]}),
    ("AssociateRouteTable", lambda w: {"RouteTableId": w["table"], "GatewayId": w["vgw"]}),
    ("AuthorizeSecurityGroupIngress", lambda w: {"GroupId": w["group"], "IpPermissions.1.IpProtocol": "-1",
                                                 "IpPermissions.1.Groups.1.GroupId": w["spare_group"]}),
    ("AuthorizeSecurityGroupIngress", lambda w: {"GroupId": w["group"], "IpPermissions.1.IpProtocol": "-1",
                                                 "IpPermissions.1.PrefixListIds.1.PrefixListId": w["list"]}),
    ("CreateNetworkInterface", lambda w: {"SubnetId": w["subnet"], "SecurityGroupId.1": w["group"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], **ROUTE, "NetworkInterfaceId": w["eni"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], **ROUTE, "InstanceId": w["stopped"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], **ROUTE, "NatGatewayId": w["nat"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], **ROUTE, "VpcPeeringConnectionId": w["peering"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], **ROUTE, "GatewayId": w["vgw"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], "DestinationIpv6CidrBlock": "2001:db8:1::/48",
                               "EgressOnlyInternetGatewayId": w["eigw"]}),
    ("CreateRoute", lambda w: {"RouteTableId": w["table"], "DestinationPrefixListId": w["list"], "GatewayId": w["igw"]}),
    ("CreateVpcPeeringConnection", lambda w: {"VpcId": w["vpc"], "PeerVpcId": w["lone_vpc"]}),
    ("AttachClassicLinkVpc", lambda w: {"InstanceId": w["instance"], "VpcId": w["vpc"], "SecurityGroupId.1": w["group"]}),
    ("DetachClassicLinkVpc", lambda w: {"InstanceId": w["instance"], "VpcId": w["vpc"]}),
    ("EnableVpcClassicLink", lambda w: {"VpcId": w["vpc"]}),
    ("EnableVpcClassicLinkDnsSupport", lambda w: {"VpcId": w["vpc"]}),
    ("GetFlowLogsIntegrationTemplate", lambda w: {
        "FlowLogId": w["flow_log"], "ConfigDeliveryS3DestinationArn": "arn:aws:s3:::logs",
        "IntegrateService.AthenaIntegration.1.IntegrationResultS3DestinationArn": "arn:aws:s3:::logs",
        "IntegrateService.AthenaIntegration.1.PartitionLoadFrequency": "none"}),
    ("ModifyVpcTenancy", lambda w: {"VpcId": w["vpc"], "InstanceTenancy": "default"}),
    ("ModifyInstanceAttribute", lambda w: {"InstanceId": w["stopped"], "GroupId.1": w["group"]}),
    ("ModifyNetworkInterfaceAttribute", lambda w: {"NetworkInterfaceId": w["eni"], "SecurityGroupId.1": w["group"]}),
    ("ModifyNetworkInterfaceAttribute", lambda w: {
        "NetworkInterfaceId": w["eni"], "Attachment.AttachmentId": w["attachment"], "Attachment.DeleteOnTermination": "true"}),
    ("RunInstances", lambda w: {"ImageId": "ami-netns", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1,
                                "SubnetId": w["subnet"], "SecurityGroupId.1": w["group"]}),
    ("RunInstances", lambda w: {"ImageId": "ami-netns", "InstanceType": "t3.micro", "MinCount": 1, "MaxCount": 1,
                                "NetworkInterface.1.DeviceIndex": 0, "NetworkInterface.1.NetworkInterfaceId": w["spare_eni"]}),
] + [(action, lambda w, thing=thing: {"ResourceId.1": w[thing], "Tag.1.Key": "a"})
     for action in ("CreateTags", "DeleteTags")
     for thing in ("subnet", "dhcp", "acl", "igw", "eigw", "vgw", "cgw", "eip", "nat", "peering", "table", "group", "rule", "eni",
                   "instance", "list", "reservation")]

# Those that need nothing.
for name in ("DescribeAccountAttributes", "GetInstanceMetadataDefaults", "DescribeAggregateIdFormat", "DescribeClassicLinkInstances", "DescribeIdFormat",
             "DescribeMovingAddresses", "DescribePrincipalIdFormat",
             "DescribeAvailabilityZones", "DescribeImages", "DescribeInstanceTypeOfferings",
             "DescribeInstanceTypes", "DescribePrefixLists", "DescribeRegions", "DescribeSecurityGroupVpcAssociations",
             "DescribeTags", "DescribeTrunkInterfaceAssociations", "DescribeVolumes"):
    CALLS[name] = lambda w: {}

# Actions of which a world has no good call, and why; their own tests have one.
WITHOUT = {
    "AcceptAddressTransfer": "needs another account's offer",
    "AssociateTrunkInterface": "trunk and branch interfaces are AWS's own",
    "DisassociateTrunkInterface": "trunk and branch interfaces are AWS's own",
    "CreateDefaultSubnet": "needs a default VPC that lacks one",
    "CreateDefaultVpc": "needs a region without one",
    "DisassociateSecurityGroupVpc": "needs an association",
    "AttachClassicLinkVpc": "ClassicLink ended",
    "DetachClassicLinkVpc": "ClassicLink ended",
    "EnableVpcClassicLink": "ClassicLink ended",
    "EnableVpcClassicLinkDnsSupport": "ClassicLink ended",
    "GetFlowLogsIntegrationTemplate": "there is no CloudFormation",
    "ModifyAvailabilityZoneGroup": "no group of zones may be left or entered",
    "MoveAddressToVpc": "EC2-Classic ended",
    "RestoreAddressToClassic": "EC2-Classic ended",
    "DeregisterImage": "the images are vpcd's own",
    "RegisterImage": "the images are vpcd's own",
    "ModifyVpcTenancy": "every VPC has the one tenancy that it could get",
}
