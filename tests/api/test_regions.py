# SPDX-License-Identifier: Apache-2.0
"""Regions, zones, account attributes, and what an account finds in a region at its first call there."""
import pytest

from conftest import Vpcd, error_code, filters, main_table, make_vpc
from raw import Raw


def test_regions_are_those_of_aws(ec2):
    regions = ec2.describe_regions()["Regions"]
    names = [r["RegionName"] for r in regions]
    assert {"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"} <= set(names)
    assert len(names) == len(set(names))
    assert all(r["Endpoint"] == f"ec2.{r['RegionName']}.amazonaws.com" for r in regions)
    assert {r["OptInStatus"] for r in regions} <= {"opt-in-not-required", "opted-in", "not-opted-in"}


def test_region_by_name(ec2):
    assert [r["RegionName"] for r in ec2.describe_regions(RegionNames=["eu-west-1"])["Regions"]] == ["eu-west-1"]
    assert error_code(ec2.describe_regions, RegionNames=["mars-1"]) == "InvalidParameterValue"


def test_zones_a_b_c(account):
    for region in ("us-east-1", "eu-west-1"):
        zones = account.client("ec2", region).describe_availability_zones()["AvailabilityZones"]
        assert [z["ZoneName"] for z in zones] == [region + letter for letter in "abc"]
        assert len({z["ZoneId"] for z in zones}) == 3
        for z in zones:
            assert (z["State"], z["RegionName"], z["ZoneType"], z["OptInStatus"]) == \
                ("available", region, "availability-zone", "opt-in-not-required")


def test_zone_ids_have_the_short_name_of_the_region(ec2):
    assert [z["ZoneId"][:7] for z in ec2.describe_availability_zones()["AvailabilityZones"]] == ["use1-az"] * 3


def test_zone_by_name_id_and_filter(ec2):
    (zone,) = ec2.describe_availability_zones(ZoneNames=["us-east-1b"])["AvailabilityZones"]
    assert ec2.describe_availability_zones(ZoneIds=[zone["ZoneId"]])["AvailabilityZones"] == [zone]
    assert ec2.describe_availability_zones(Filters=filters(zone_name="*1b"))["AvailabilityZones"] == [zone]
    assert error_code(ec2.describe_availability_zones, ZoneNames=["us-east-1z"]) == "InvalidParameterValue"


def test_account_attributes(ec2):
    (vpc,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    attributes = {a["AttributeName"]: [v["AttributeValue"] for v in a["AttributeValues"]]
                  for a in ec2.describe_account_attributes()["AccountAttributes"]}
    assert attributes["supported-platforms"] == ["VPC"]
    assert attributes["default-vpc"] == [vpc["VpcId"]]
    assert set(attributes) == {"supported-platforms", "default-vpc", "max-instances", "max-elastic-ips",
                               "vpc-max-elastic-ips", "vpc-max-security-groups-per-interface"}
    (one,) = ec2.describe_account_attributes(AttributeNames=["supported-platforms"])["AccountAttributes"]
    assert one["AttributeName"] == "supported-platforms"


def test_default_vpc(ec2):
    """VPC user guide, "Default VPCs": 172.31.0.0/16, a /20 in each zone, a gateway and a route to it."""
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    assert vpc["IsDefault"] is True and vpc["CidrBlock"] == "172.31.0.0/16" and vpc["State"] == "available"
    subnets = ec2.describe_subnets()["Subnets"]
    assert {s["AvailabilityZone"]: s["CidrBlock"] for s in subnets} == {
        "us-east-1a": "172.31.0.0/20", "us-east-1b": "172.31.16.0/20", "us-east-1c": "172.31.32.0/20"}
    assert all(s["DefaultForAz"] and s["MapPublicIpOnLaunch"] and s["VpcId"] == vpc["VpcId"] and
               s["AvailableIpAddressCount"] == 4091 for s in subnets)
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    assert gateway["Attachments"] == [{"State": "available", "VpcId": vpc["VpcId"]}]
    routes = {r["DestinationCidrBlock"]: r["GatewayId"] for r in main_table(ec2, vpc["VpcId"])["Routes"]}
    assert routes == {"172.31.0.0/16": "local", "0.0.0.0/0": gateway["InternetGatewayId"]}
    assert [g["GroupName"] for g in ec2.describe_security_groups()["SecurityGroups"]] == ["default"]
    assert ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"]


def test_default_vpc_has_the_default_acl_on_its_subnets(ec2):
    (acl,) = ec2.describe_network_acls()["NetworkAcls"]
    assert acl["IsDefault"] and {a["SubnetId"] for a in acl["Associations"]} == \
        {s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]}


def test_default_vpc_uses_amazons_dns(account):
    for region, domain in (("us-east-1", "ec2.internal"), ("eu-west-1", "eu-west-1.compute.internal")):
        ec2 = account.client("ec2", region)
        (vpc,) = ec2.describe_vpcs()["Vpcs"]
        (options,) = ec2.describe_dhcp_options(DhcpOptionsIds=[vpc["DhcpOptionsId"]])["DhcpOptions"]
        values = {c["Key"]: [v["Value"] for v in c["Values"]] for c in options["DhcpConfigurations"]}
        assert values == {"domain-name": [domain], "domain-name-servers": ["AmazonProvidedDNS"]}


def test_every_region_and_account_has_its_own_default_vpc(account, other):
    seen = [a.client("ec2", region).describe_vpcs()["Vpcs"] for a in (account, other)
            for region in ("us-east-1", "eu-west-1", "ap-northeast-1")]
    assert all(len(vpcs) == 1 for vpcs in seen)
    assert len({vpcs[0]["VpcId"] for vpcs in seen}) == 6


def test_resources_belong_to_their_region(account):
    vpc = make_vpc(account.ec2)
    elsewhere = account.client("ec2", "eu-west-1")
    assert error_code(elsewhere.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"
    assert error_code(elsewhere.delete_vpc, VpcId=vpc) == "InvalidVpcID.NotFound"


@pytest.mark.parametrize("region", ["mars-1", "us-east-9", "us-east-1a"])
def test_unknown_region_is_refused(account, region):
    reply = Raw(account, region=region).call("DescribeVpcs")
    assert reply.code == "AuthFailure" and reply.status in (401, 403)


def test_served_regions_can_be_limited():
    server = Vpcd(credentials=[("AKIAX", "secret", "100000000001")], options=["--regions", "eu-west-1,eu-central-1"]).start()
    try:
        ec2 = server.client("AKIAX", "secret", region="eu-west-1")
        assert [r["RegionName"] for r in ec2.describe_regions()["Regions"]] in (
            ["eu-west-1", "eu-central-1"], ["eu-central-1", "eu-west-1"])
        assert error_code(server.client("AKIAX", "secret", region="us-east-1").describe_vpcs) == "AuthFailure"
    finally:
        server.close()


def test_what_is_not_about_networks_is_empty(ec2):
    assert ec2.describe_volumes()["Volumes"] == []
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert ec2.describe_vpc_classic_link()["Vpcs"][0]["ClassicLinkEnabled"] is False
    assert ec2.describe_vpc_classic_link_dns_support()["Vpcs"][0]["ClassicLinkDnsSupported"] is False


# Limits of an account over all regions


def test_instances_are_limited_over_all_regions():
    keys = [("AKIAA", "secret-a", "100000000001"), ("AKIAB", "secret-b", "100000000002")]
    server = Vpcd(credentials=keys, options=["--account-instances", "4"]).start()
    try:
        here, other = (server.client(*key[:2]) for key in keys)
        there = server.client(*keys[0][:2], region="eu-west-1")
        first = here.run_instances(ImageId="ami-netns", MinCount=3, MaxCount=3)["Instances"]
        assert error_code(there.run_instances, ImageId="ami-netns", MinCount=2, MaxCount=2) == "InstanceLimitExceeded"
        assert len(there.run_instances(ImageId="ami-netns", MinCount=1, MaxCount=2)["Instances"]) == 1
        assert error_code(here.run_instances, ImageId="ami-netns", MinCount=1, MaxCount=1) == "InstanceLimitExceeded"
        assert len(other.run_instances(ImageId="ami-netns", MinCount=4, MaxCount=4)["Instances"]) == 4
        attribute = here.describe_account_attributes(AttributeNames=["max-instances"])["AccountAttributes"][0]
        assert attribute["AttributeValues"] == [{"AttributeValue": "4"}]
        # What was terminated does not count.
        here.terminate_instances(InstanceIds=[i["InstanceId"] for i in first])
        assert len(there.run_instances(ImageId="ami-netns", MinCount=3, MaxCount=3)["Instances"]) == 3
    finally:
        server.close()


def test_public_addresses_are_limited_over_all_regions():
    keys = [("AKIAA", "secret-a", "100000000001"), ("AKIAB", "secret-b", "100000000002")]
    server = Vpcd(credentials=keys, options=["--public-pool", "198.51.100.0/25"]).start()
    try:
        here, other = (server.client(*key[:2]) for key in keys)
        there = server.client(*keys[0][:2], region="eu-west-1")
        # 125 usable ones, of which an account may have 62: 30 elastic, 30 of instances, 2.
        elastic = [here.allocate_address()["AllocationId"] for _ in range(30)]
        there.run_instances(ImageId="ami-netns", MinCount=30, MaxCount=30)
        there.allocate_address()
        assert error_code(here.run_instances, ImageId="ami-netns", MinCount=2, MaxCount=2) == "AddressLimitExceeded"
        there.allocate_address()
        assert error_code(here.allocate_address) == "AddressLimitExceeded"
        assert error_code(here.allocate_address, Address="198.51.100.120") == "AddressLimitExceeded"
        # An associated elastic address counts once.
        instance = here.run_instances(ImageId="ami-netns", MinCount=1, MaxCount=1, NetworkInterfaces=[
            {"DeviceIndex": 0, "AssociatePublicIpAddress": False}])["Instances"][0]["InstanceId"]
        here.associate_address(AllocationId=elastic[0], InstanceId=instance)
        here.release_address(AllocationId=elastic[1])
        here.allocate_address()
        assert error_code(there.allocate_address) == "AddressLimitExceeded"
        other.allocate_address()
    finally:
        server.close()
