# SPDX-License-Identifier: Apache-2.0
"""The default VPC and its subnets, made again once they were deleted (VPC user guide, "Default VPCs")."""
from conftest import error, error_code, filters, main_table, make_subnet
from raw import Raw


def default_vpc(ec2):
    (vpc,) = ec2.describe_vpcs(Filters=filters(is_default="true"))["Vpcs"]
    return vpc["VpcId"]


def subnets(ec2, vpc):
    return sorted(ec2.describe_subnets(Filters=filters(vpc_id=vpc))["Subnets"], key=lambda s: s["AvailabilityZone"])


def delete_default_vpc(ec2):
    vpc = default_vpc(ec2)
    for subnet in subnets(ec2, vpc):
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    for gateway in ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc]}])["InternetGateways"]:
        ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
        ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    ec2.delete_vpc(VpcId=vpc)


def attribute(ec2, name):
    (found,) = ec2.describe_account_attributes(AttributeNames=[name])["AccountAttributes"]
    return [v["AttributeValue"] for v in found["AttributeValues"]]


def test_there_is_only_one_default_vpc(ec2):
    assert error(ec2.create_default_vpc)[0] == "DefaultVpcAlreadyExists"


def test_default_vpc_is_made_again(ec2):
    old = default_vpc(ec2)
    delete_default_vpc(ec2)
    assert attribute(ec2, "default-vpc") == ["none"]
    assert error_code(ec2.create_default_subnet, AvailabilityZone="us-east-1a") == "DefaultVpcDoesNotExist"
    made = ec2.create_default_vpc()["Vpc"]
    assert made["State"] == "pending" and made["IsDefault"] is True and made["CidrBlock"] == "172.31.0.0/16"
    vpc = made["VpcId"]
    assert vpc != old and default_vpc(ec2) == vpc and attribute(ec2, "default-vpc") == [vpc]
    assert [(s["CidrBlock"], s["AvailabilityZone"], s["DefaultForAz"], s["MapPublicIpOnLaunch"]) for s in subnets(ec2, vpc)] == [
        ("172.31.0.0/20", "us-east-1a", True, True), ("172.31.16.0/20", "us-east-1b", True, True),
        ("172.31.32.0/20", "us-east-1c", True, True)]
    routes = {r["DestinationCidrBlock"]: r["GatewayId"] for r in main_table(ec2, vpc)["Routes"]}
    assert routes["172.31.0.0/16"] == "local" and routes["0.0.0.0/0"].startswith("igw-")
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        answer = ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
        assert answer[name[0].upper() + name[1:]]["Value"] is True
    # an instance without a subnet goes there again
    instance = ec2.run_instances(ImageId="ami-netns", InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]
    assert instance["VpcId"] == vpc


def test_dry_run_makes_none(ec2):
    delete_default_vpc(ec2)
    assert error_code(ec2.create_default_vpc, DryRun=True) == "DryRunOperation"
    assert ec2.describe_vpcs()["Vpcs"] == []


def test_default_subnet_is_made_again(ec2):
    vpc = default_vpc(ec2)
    first = subnets(ec2, vpc)[1]
    assert error(ec2.create_default_subnet, AvailabilityZone="us-east-1b")[:2] == (
        "DefaultSubnetAlreadyExistsInAvailabilityZone",
        f"'{first['SubnetId']}' is already the default subnet in us-east-1b.")
    ec2.delete_subnet(SubnetId=first["SubnetId"])
    make_subnet(ec2, vpc, "172.31.20.0/24")
    made = ec2.create_default_subnet(AvailabilityZone="us-east-1b")["Subnet"]
    # the first /20 that nobody has
    assert (made["CidrBlock"], made["DefaultForAz"], made["MapPublicIpOnLaunch"]) == ("172.31.48.0/20", True, True)
    assert made["AvailabilityZone"] == "us-east-1b"


def test_default_subnet_needs_room(ec2):
    vpc = default_vpc(ec2)
    ec2.delete_subnet(SubnetId=subnets(ec2, vpc)[0]["SubnetId"])
    for n in (0, *range(48, 256, 16)):
        make_subnet(ec2, vpc, f"172.31.{n}.0/28")
    assert error_code(ec2.create_default_subnet, AvailabilityZone="us-east-1a") == "InsufficientCidrBlocks"


def test_what_cannot_be_asked_for(account, ec2):
    raw = Raw(account)
    assert raw.call("CreateDefaultSubnet").code == "MissingParameter"
    assert raw.call("CreateDefaultSubnet", AvailabilityZoneId="use1-az1").code == "DefaultSubnetAlreadyExistsInAvailabilityZone"
    assert error_code(ec2.create_default_subnet, AvailabilityZone="us-east-1z") == "InvalidParameterValue"
    assert error_code(ec2.create_default_subnet, AvailabilityZone="us-east-1a", Ipv6Native=True) == "UnsupportedOperation"
