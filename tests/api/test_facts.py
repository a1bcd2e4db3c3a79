# SPDX-License-Identifier: Apache-2.0
"""What is the same for everybody: account attributes, zones, forms of ids, and what is left of EC2-Classic."""
from conftest import error, error_code, filters, make_group
from net import Net
from raw import Raw


# Account attributes

def attributes(ec2, *names):
    answer = ec2.describe_account_attributes(**({"AttributeNames": list(names)} if names else {}))["AccountAttributes"]
    return {a["AttributeName"]: [v["AttributeValue"] for v in a["AttributeValues"]] for a in answer}


def test_account_attributes(ec2):
    (default,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    known = attributes(ec2)
    assert set(known) == {"supported-platforms", "default-vpc", "max-instances", "vpc-max-security-groups-per-interface",
                          "max-elastic-ips", "vpc-max-elastic-ips"}
    assert known["supported-platforms"] == ["VPC"] and known["default-vpc"] == [default["VpcId"]]
    assert attributes(ec2, "default-vpc") == {"default-vpc": [default["VpcId"]]}


def test_unknown_account_attribute(account):
    assert Raw(account).call("DescribeAccountAttributes", **{"AttributeName.1": "magic"}).code == "InvalidParameterValue"


# Zones

def test_zone_groups_cannot_be_changed(ec2):
    for group in ("us-east-1", "us-east-1-wl1-bos-wlz-1"):
        assert error_code(ec2.modify_availability_zone_group, GroupName=group, OptInStatus="opted-in") == "InvalidParameterValue"


def test_zone_filters(ec2):
    def names(name, value):
        found = ec2.describe_availability_zones(Filters=[{"Name": name, "Values": [value]}])["AvailabilityZones"]
        return [z["ZoneName"] for z in found]

    every = ["us-east-1a", "us-east-1b", "us-east-1c"]
    for name, value in (("group-name", "us-east-1"), ("opt-in-status", "opt-in-not-required"), ("region-name", "us-*"),
                        ("state", "available"), ("zone-type", "availability-zone")):
        assert names(name, value) == every, name
    assert names("zone-id", "use1-az2") == names("zone-name", "us-east-1b") == ["us-east-1b"]
    for name in ("message", "parent-zoneID", "parent-zoneName", "parent-zone-id", "parent-zone-name"):
        assert names(name, "*") == [], name


# Ids

def root(account):
    return f"arn:aws:iam::{account.id}:root"


def test_all_ids_are_long(ec2, account):
    statuses = ec2.describe_id_format()["Statuses"]
    assert {"vpc", "subnet", "network-acl", "security-group", "instance"} <= {s["Resource"] for s in statuses}
    assert all(s["UseLongIds"] and "Deadline" not in s for s in statuses)
    assert ec2.describe_id_format(Resource="vpc")["Statuses"] == [{"Resource": "vpc", "UseLongIds": True}]
    aggregate = ec2.describe_aggregate_id_format()
    assert aggregate["UseLongIdsAggregated"] is True and aggregate["Statuses"] == statuses
    assert ec2.describe_identity_id_format(PrincipalArn=root(account))["Statuses"] == statuses
    assert ec2.describe_identity_id_format(PrincipalArn="all", Resource="vpc")["Statuses"] == [
        {"Resource": "vpc", "UseLongIds": True}]
    assert ec2.describe_principal_id_format(Resources=["vpc"])["Principals"] == []


def test_ids_stay_long(ec2, account):
    ec2.modify_id_format(Resource="vpc", UseLongIds=True)
    ec2.modify_id_format(Resource="all-current", UseLongIds=True)
    ec2.modify_identity_id_format(PrincipalArn=root(account), Resource="vpc", UseLongIds=True)
    assert error_code(ec2.modify_id_format, Resource="vpc", UseLongIds=False) == "InvalidParameterValue"
    assert error_code(ec2.modify_identity_id_format, PrincipalArn="all", Resource="vpc",
                      UseLongIds=False) == "InvalidParameterValue"


def test_unknown_types_and_principals(ec2, other):
    unknown = "InvalidResourceType.Unknown"
    assert error_code(ec2.describe_id_format, Resource="magic") == unknown
    assert error_code(ec2.describe_identity_id_format, PrincipalArn="all", Resource="magic") == unknown
    assert error_code(ec2.describe_principal_id_format, Resources=["vpc", "magic"]) == unknown
    assert error_code(ec2.modify_id_format, Resource="magic", UseLongIds=True) == unknown
    for call, params in ((ec2.describe_identity_id_format, {}),
                         (ec2.modify_identity_id_format, {"Resource": "vpc", "UseLongIds": True})):
        assert error_code(call, PrincipalArn=root(other), **params) == "InvalidTargetArn.Unknown"


# EC2-Classic

def test_no_vpc_can_be_linked(ec2, other, vpc):
    message = "The functionality you requested is not available in this region."
    for call in (ec2.enable_vpc_classic_link, ec2.enable_vpc_classic_link_dns_support):
        assert error(call, VpcId=vpc)[:2] == ("UnsupportedOperation", message)
    for call in (ec2.disable_vpc_classic_link, ec2.disable_vpc_classic_link_dns_support):
        assert call(VpcId=vpc)["Return"] is True
    for call in (other.ec2.enable_vpc_classic_link, other.ec2.disable_vpc_classic_link):
        assert error_code(call, VpcId=vpc) == "InvalidVpcID.NotFound"
    (shown,) = ec2.describe_vpc_classic_link(VpcIds=[vpc])["Vpcs"]
    assert shown == {"VpcId": vpc, "ClassicLinkEnabled": False, "Tags": []}


def test_no_instance_can_be_linked(ec2):
    net = Net(ec2)
    instance, group = net.run()["InstanceId"], make_group(ec2, net.vpc)
    assert error_code(ec2.attach_classic_link_vpc, VpcId=net.vpc, InstanceId=instance,
                      Groups=[group]) == "InvalidInstanceID.NotLinkable"
    assert error_code(ec2.detach_classic_link_vpc, VpcId=net.vpc, InstanceId=instance) == "InvalidParameterValue"
    missing = "i-0123456789abcdef0"
    assert error_code(ec2.detach_classic_link_vpc, VpcId=net.vpc, InstanceId=missing) == "InvalidInstanceID.NotFound"
    assert ec2.describe_classic_link_instances()["Instances"] == []
    assert ec2.describe_classic_link_instances(InstanceIds=[instance])["Instances"] == []
    assert ec2.describe_classic_link_instances(Filters=filters(vpc_id=net.vpc))["Instances"] == []
    assert error_code(ec2.describe_classic_link_instances, InstanceIds=[missing]) == "InvalidInstanceID.NotFound"


def test_no_address_moves(ec2):
    address = ec2.allocate_address(Domain="vpc")["PublicIp"]
    assert ec2.describe_moving_addresses()["MovingAddressStatuses"] == []
    assert ec2.describe_moving_addresses(PublicIps=[address])["MovingAddressStatuses"] == []
    assert ec2.describe_moving_addresses(Filters=filters(moving_status="MovingToVpc"))["MovingAddressStatuses"] == []
    for call in (ec2.move_address_to_vpc, ec2.restore_address_to_classic):
        assert error_code(call, PublicIp=address) == "UnsupportedOperation"
        assert error_code(call, PublicIp="198.51.100.7") == "InvalidAddress.NotFound"
    assert error_code(ec2.describe_moving_addresses, PublicIps=["198.51.100.7"]) == "InvalidAddress.NotFound"
