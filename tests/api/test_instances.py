# SPDX-License-Identifier: Apache-2.0
"""Instances on paper (no agent), instance types and images; each rule of EC2 a test.

    VPC 10.0.0.0/16
      subnet 10.0.0.0/24 (us-east-1a)    instances
"""
import base64

import pytest
from conftest import error_code
from net import Net, addresses, instance, interface

HEX_AMI, HEX_TAP = "ami-00000006e65746e73", "ami-00000000000746170"


@pytest.fixture
def net(ec2):
    return Net(ec2)


def run(ec2, count=1, **params):
    return ec2.run_instances(**{"ImageId": "ami-netns", "MinCount": count, "MaxCount": count, **params})


# Launch


def test_answers_pending_then_running(ec2, net):
    reply = run(ec2, SubnetId=net.subnet)
    i = reply["Instances"][0]
    assert i["State"] == {"Code": 0, "Name": "pending"}
    assert reply["ReservationId"].startswith("r-") and reply["Groups"] == []
    seen = instance(ec2, i["InstanceId"])
    assert seen["State"] == {"Code": 16, "Name": "running"}
    assert {k: v for k, v in seen.items() if k != "State"} == {k: v for k, v in i.items() if k != "State"}


def test_waiters_find_it_at_once(ec2, net):
    ids = [net.run()["InstanceId"]]
    fast = {"WaiterConfig": {"Delay": 1, "MaxAttempts": 1}}
    ec2.get_waiter("instance_running").wait(InstanceIds=ids, **fast)
    ec2.get_waiter("instance_status_ok").wait(InstanceIds=ids, **fast)
    ec2.terminate_instances(InstanceIds=ids)
    ec2.get_waiter("instance_terminated").wait(InstanceIds=ids, **fast)


def test_what_an_instance_shows(ec2, net):
    i = net.run()
    eni = i["NetworkInterfaces"][0]
    assert (i["InstanceType"], i["ImageId"]) == ("t3.micro", "ami-netns")
    assert (i["VpcId"], i["SubnetId"]) == (net.vpc, net.subnet)
    assert i["Placement"] == {"AvailabilityZone": "us-east-1a", "GroupName": "", "Tenancy": "default"}
    assert i["SecurityGroups"] == eni["Groups"] == [{"GroupId": net.default_group, "GroupName": "default"}]
    assert i["PrivateIpAddress"] == eni["PrivateIpAddress"]
    assert (eni["Attachment"]["DeviceIndex"], eni["Attachment"]["DeleteOnTermination"]) == (0, True)
    assert i["SourceDestCheck"] is True
    assert (i["RootDeviceType"], i["VirtualizationType"]) == ("ebs", "hvm")
    assert interface(ec2, eni["NetworkInterfaceId"])["Attachment"]["InstanceId"] == i["InstanceId"]


def test_public_names_are_those_of_a_vpc_with_dns_hostnames(ec2, net):
    i = net.run(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}])
    want = f"ec2-{i['PublicIpAddress'].replace('.', '-')}.compute-1.amazonaws.com"

    def names():
        shown = instance(ec2, i["InstanceId"])
        inside = shown["NetworkInterfaces"][0]
        outside = interface(ec2, inside["NetworkInterfaceId"])
        return {shown["PublicDnsName"]} | {place["Association"]["PublicDnsName"] for eni in (inside, outside)
                                           for place in (eni, eni["PrivateIpAddresses"][0])}

    def found():
        return len(ec2.describe_network_interfaces(Filters=[{"Name": "association.public-dns-name", "Values": [want]}]
                                                   )["NetworkInterfaces"])
    assert (names(), found()) == ({""}, 0)
    ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsHostnames={"Value": True})
    assert (names(), found()) == ({want}, 1)


def test_interfaces_are_in_order_of_device_index(ec2, net):
    enis = [{"DeviceIndex": index, "SubnetId": net.subnet} for index in (2, 0, 1)]
    for _ in range(4):  # ids are random: by chance one may be in order
        i = net.run(InstanceType="t3.medium", NetworkInterfaces=enis)
        shown = instance(ec2, i["InstanceId"])["NetworkInterfaces"]
        assert [eni["Attachment"]["DeviceIndex"] for eni in shown] == [0, 1, 2]
        assert shown[0]["PrivateIpAddress"] == i["PrivateIpAddress"]


def test_default_vpc_is_the_default(account):
    ec2 = account.client("ec2", "eu-central-1")
    i = instance(ec2, run(ec2)["Instances"][0]["InstanceId"])
    default = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    assert i["VpcId"] == default and "PublicIpAddress" in i
    assert i["PublicDnsName"].endswith(".eu-central-1.compute.amazonaws.com")
    c = instance(ec2, run(ec2, Placement={"AvailabilityZone": "eu-central-1c"})["Instances"][0]["InstanceId"])
    assert c["Placement"]["AvailabilityZone"] == "eu-central-1c"
    ec2.terminate_instances(InstanceIds=[i["InstanceId"], c["InstanceId"]])


def test_no_default_vpc(account):
    ec2 = account.client("ec2", "sa-east-1")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    assert error_code(run, ec2=ec2) == "MissingInput"
    gateway = ec2.describe_internet_gateways()["InternetGateways"][0]["InternetGatewayId"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)
    assert error_code(run, ec2=ec2) == "VPCIdNotSpecified"


def test_groups_by_name_in_the_default_vpc_only(ec2, net):
    assert error_code(run, ec2=ec2, SecurityGroups=["nobody"]) == "InvalidGroup.NotFound"
    assert error_code(run, ec2=ec2, SecurityGroups=["default"], SubnetId=net.subnet) == "InvalidParameterCombination"
    i = instance(ec2, run(ec2, SecurityGroups=["default"])["Instances"][0]["InstanceId"])
    assert [g["GroupName"] for g in i["SecurityGroups"]] == ["default"]
    ec2.terminate_instances(InstanceIds=[i["InstanceId"]])


def test_groups_by_id(ec2, net):
    a, b = net.group("a"), net.group("b")
    assert {g["GroupId"] for g in net.run(SecurityGroupIds=[a, b])["SecurityGroups"]} == {a, b}
    elsewhere = Net(ec2, "10.7.0.0/16", "10.7.0.0/24").default_group
    assert error_code(net.run, SecurityGroupIds=[elsewhere]) == "InvalidParameter"
    assert error_code(net.run, SecurityGroupIds=["sg-0123456789abcdef0"]) == "InvalidGroup.NotFound"


def test_private_address(ec2, net):
    assert net.run(PrivateIpAddress="10.0.0.44")["PrivateIpAddress"] == "10.0.0.44"
    assert error_code(net.run, PrivateIpAddress="10.0.0.44") == "InvalidIPAddress.InUse"
    assert error_code(net.run, PrivateIpAddress="10.0.0.45", MinCount=2, MaxCount=2) == "InvalidParameterCombination"


def test_ipv6(ec2):
    net = Net(ec2, ipv6=True)
    i = net.run(Ipv6AddressCount=1)
    assert i["Ipv6Address"] == i["NetworkInterfaces"][0]["Ipv6Addresses"][0]["Ipv6Address"]
    wanted = net.cidr6.replace("/64", "5")
    assert net.run(Ipv6Addresses=[{"Ipv6Address": wanted}])["Ipv6Address"] == wanted


def test_image(ec2, net):
    assert net.run(ImageId=HEX_AMI)["ImageId"] == HEX_AMI
    assert error_code(net.run, ImageId="ami-0123456789abcdef0") == "InvalidAMIID.NotFound"
    assert error_code(net.run, ImageId="debian") == "InvalidAMIID.Malformed"
    assert net.run(ImageId="ami-tap")["ImageId"] == "ami-tap"
    assert error_code(net.run, ImageId="ami-host") == "UnsupportedOperation"


def test_type(ec2, net):
    assert net.run(InstanceType="m5.large")["InstanceType"] == "m5.large"
    assert error_code(net.run, InstanceType="m5.enormous") == "InvalidParameterValue"


def test_key_pairs_do_not_exist(net):
    assert error_code(net.run, KeyName="mine") == "InvalidKeyPair.NotFound"


def test_what_does_not_exist_is_refused(net):
    assert error_code(net.run, IamInstanceProfile={"Name": "admin"}) == "InvalidParameterValue"
    assert error_code(net.run, Placement={"Tenancy": "dedicated"}) == "InvalidParameterValue"


def test_counts(ec2, net):
    reply = run(ec2, 3, SubnetId=net.subnet)
    assert sorted(i["AmiLaunchIndex"] for i in reply["Instances"]) == [0, 1, 2]
    assert error_code(net.run, MinCount=2, MaxCount=1) == "InvalidParameterValue"
    assert error_code(net.run, MinCount=0, MaxCount=1) == "InvalidParameterValue"


def test_as_many_as_fit(ec2, net):
    small = ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.9.0/28")["Subnet"]["SubnetId"]
    assert error_code(run, ec2=ec2, count=12, SubnetId=small) == "InsufficientFreeAddressesInSubnet"
    assert len(run(ec2, SubnetId=small, MaxCount=50)["Instances"]) == 11
    assert error_code(run, ec2=ec2, SubnetId=small) == "InsufficientFreeAddressesInSubnet"


def test_quota_of_instances(net):
    assert error_code(net.run, MinCount=1001, MaxCount=1001) == "InvalidParameterValue"


def test_one_call_launches_what_one_transaction_holds(ec2, net):
    """Beyond that it launches what it can, or says how many it could."""
    wide = ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.16.0/20")["Subnet"]["SubnetId"]
    assert error_code(run, ec2=ec2, SubnetId=wide, count=900) == "InvalidParameterValue"
    launched = run(ec2, SubnetId=wide, MaxCount=1000)["Instances"]
    assert 200 < len(launched) < 1000
    assert len({i["PrivateIpAddress"] for i in launched}) == len(launched)
    assert error_code(run, ec2=ec2, SubnetId=wide, count=900) == "InstanceLimitExceeded"
    ids = [i["InstanceId"] for i in launched]
    ec2.terminate_instances(InstanceIds=ids)
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_client_token_makes_one(ec2, net):
    first = run(ec2, SubnetId=net.subnet, ClientToken="once")
    again = run(ec2, SubnetId=net.subnet, ClientToken="once")
    assert again["Instances"] == first["Instances"]
    assert instance(ec2, first["Instances"][0]["InstanceId"])["ClientToken"] == "once"
    assert error_code(run, ec2=ec2, SubnetId=net.subnet, ClientToken="once", InstanceType="m5.large") == \
        "IdempotentParameterMismatch"


def test_dry_run(ec2, net):
    assert error_code(net.run, DryRun=True) == "DryRunOperation"
    assert ec2.describe_instances()["Reservations"] == []
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_tags(ec2, net):
    def tags(kind, name):
        return {"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}

    i = net.run(TagSpecifications=[tags("instance", "web"), tags("network-interface", "web-eni"), tags("volume", "disk")])
    assert i["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert interface(ec2, i["NetworkInterfaces"][0]["NetworkInterfaceId"])["TagSet"][0]["Value"] == "web-eni"
    assert error_code(net.run, TagSpecifications=[tags("vpc", "x")]) == "InvalidParameterValue"


# Interfaces at launch


def test_interfaces_in_order_of_device_index(ec2, net):
    existing = net.eni()["NetworkInterfaceId"]
    i = net.run(InstanceType="t3.large", NetworkInterfaces=[
        {"DeviceIndex": 2, "NetworkInterfaceId": existing},
        {"DeviceIndex": 0, "SubnetId": net.subnet, "Description": "first", "PrivateIpAddress": "10.0.0.30",
         "SecondaryPrivateIpAddressCount": 1},
        {"DeviceIndex": 1, "SubnetId": net.subnet, "DeleteOnTermination": False,
         "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.31", "Primary": True}, {"PrivateIpAddress": "10.0.0.32"}]}])
    by_index = {e["Attachment"]["DeviceIndex"]: e for e in i["NetworkInterfaces"]}
    assert i["PrivateIpAddress"] == by_index[0]["PrivateIpAddress"] == "10.0.0.30"
    assert by_index[0]["Description"] == "first" and len(by_index[0]["PrivateIpAddresses"]) == 2
    assert addresses(by_index[1]) == ["10.0.0.31", "10.0.0.32"]
    assert by_index[2]["NetworkInterfaceId"] == existing
    assert [by_index[n]["Attachment"]["DeleteOnTermination"] for n in range(3)] == [True, False, False]
    ec2.terminate_instances(InstanceIds=[i["InstanceId"]])
    left = {e["NetworkInterfaceId"] for e in ec2.describe_network_interfaces()["NetworkInterfaces"]}
    assert left == {existing, by_index[1]["NetworkInterfaceId"]}


def test_existing_interface_as_primary(ec2, net):
    eni = net.eni(PrivateIpAddress="10.0.0.33")["NetworkInterfaceId"]
    asked = [{"DeviceIndex": 0, "NetworkInterfaceId": eni}]
    i = net.run(NetworkInterfaces=asked)
    assert (i["PrivateIpAddress"], i["SubnetId"]) == ("10.0.0.33", net.subnet)
    assert error_code(net.run, NetworkInterfaces=asked) == "InvalidNetworkInterface.InUse"
    ec2.terminate_instances(InstanceIds=[i["InstanceId"]])
    assert interface(ec2, eni)["Status"] == "available"


def test_interfaces_and_the_instances_own_parameters(net):
    asked = [{"DeviceIndex": 0, "SubnetId": net.subnet}]
    for more in ({"SubnetId": net.subnet}, {"SecurityGroupIds": [net.default_group]}, {"PrivateIpAddress": "10.0.0.9"}):
        assert error_code(net.run, NetworkInterfaces=asked, **more) == "InvalidParameterCombination"


@pytest.mark.parametrize("indices, code", [((1,), "InvalidParameterCombination"), ((0, 0), "InvalidParameterValue"),
                                           ((0, 1, 2), "AttachmentLimitExceeded")])
def test_device_indices(net, indices, code):
    asked = [{"DeviceIndex": n, "SubnetId": net.subnet} for n in indices]
    assert error_code(net.run, NetworkInterfaces=asked, InstanceType="t3.micro") == code


def test_public_address_for_a_single_interface_only(net):
    asked = [{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True},
             {"DeviceIndex": 1, "SubnetId": net.subnet}]
    assert error_code(net.run, NetworkInterfaces=asked) == "InvalidParameterCombination"


def test_type_limits_addresses_at_launch(net):
    asked = [{"DeviceIndex": 0, "SubnetId": net.subnet, "SecondaryPrivateIpAddressCount": 2}]
    assert error_code(net.run, NetworkInterfaces=asked, InstanceType="t3.micro") == \
        "InvalidInterface.IpAddressLimitExceeded"


# User data


def test_user_data(ec2, net):
    i = net.run(UserData="#!/bin/sh\necho hello\n")["InstanceId"]
    got = ec2.describe_instance_attribute(InstanceId=i, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(got) == b"#!/bin/sh\necho hello\n"
    assert ec2.describe_instance_attribute(InstanceId=net.run()["InstanceId"], Attribute="userData")["UserData"] == {}


def test_user_data_is_limited(net):
    net.run(UserData="x" * 16384)
    assert error_code(net.run, UserData="x" * 16385) == "InvalidParameterValue"


def test_user_data_changes_while_stopped(ec2, net):
    i = net.run(UserData="old")["InstanceId"]
    change = {"InstanceId": i, "UserData": {"Value": b"new"}}
    assert error_code(ec2.modify_instance_attribute, **change) == "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[i])
    ec2.modify_instance_attribute(**change)
    got = ec2.describe_instance_attribute(InstanceId=i, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(got) == b"new"


# States


def test_stop_start_terminate(ec2, net):
    i = net.run()["InstanceId"]

    def change(call, key):
        c = call(InstanceIds=[i])[key][0]
        return c["PreviousState"]["Name"], c["CurrentState"]["Name"], instance(ec2, i)["State"]["Name"]

    assert change(ec2.stop_instances, "StoppingInstances") == ("running", "stopping", "stopped")
    assert change(ec2.stop_instances, "StoppingInstances") == ("stopped", "stopped", "stopped")
    assert instance(ec2, i)["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert change(ec2.start_instances, "StartingInstances") == ("stopped", "pending", "running")
    assert "StateReason" not in instance(ec2, i)
    assert change(ec2.start_instances, "StartingInstances") == ("running", "running", "running")
    ec2.reboot_instances(InstanceIds=[i])
    assert change(ec2.terminate_instances, "TerminatingInstances") == ("running", "shutting-down", "terminated")
    assert change(ec2.terminate_instances, "TerminatingInstances") == ("terminated", "terminated", "terminated")
    for call in (ec2.start_instances, ec2.stop_instances, ec2.reboot_instances):
        assert error_code(call, InstanceIds=[i]) == "IncorrectInstanceState"


def test_terminated_instance_has_no_network(ec2, net):
    i = net.run()["InstanceId"]
    ec2.terminate_instances(InstanceIds=[i])
    seen = instance(ec2, i)
    assert seen["NetworkInterfaces"] == [] and seen["SecurityGroups"] == []
    assert not {"VpcId", "SubnetId", "PrivateIpAddress"} & set(seen)
    assert seen["StateTransitionReason"].startswith("User initiated (")
    ec2.delete_subnet(SubnetId=net.subnet)
    ec2.delete_vpc(VpcId=net.vpc)


def test_stop_keeps_the_private_address(ec2, net):
    before = net.run()
    ec2.stop_instances(InstanceIds=[before["InstanceId"]])
    assert instance(ec2, before["InstanceId"])["PrivateIpAddress"] == before["PrivateIpAddress"]
    assert error_code(ec2.delete_subnet, SubnetId=net.subnet) == "DependencyViolation"


def test_termination_protection(ec2, net):
    a, b = net.run(DisableApiTermination=True)["InstanceId"], net.run()["InstanceId"]
    assert error_code(ec2.terminate_instances, InstanceIds=[b, a]) == "OperationNotPermitted"
    assert instance(ec2, b)["State"]["Name"] == "running"
    ec2.modify_instance_attribute(InstanceId=a, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[b, a])


def test_unknown_and_malformed_ids(ec2, net, other):
    for call in (ec2.terminate_instances, ec2.stop_instances, ec2.start_instances, ec2.describe_instances):
        assert error_code(call, InstanceIds=["i-0123456789abcdef0"]) == "InvalidInstanceID.NotFound"
        assert error_code(call, InstanceIds=["x"]) == "InvalidInstanceID.Malformed"
    assert error_code(other.ec2.terminate_instances, InstanceIds=[net.run()["InstanceId"]]) == \
        "InvalidInstanceID.NotFound"
    assert other.ec2.describe_instances()["Reservations"] == []


# Described


def test_reservations(ec2, net):
    one, two = run(ec2, 2, SubnetId=net.subnet), run(ec2, SubnetId=net.subnet)
    seen = {r["ReservationId"]: r for r in ec2.describe_instances()["Reservations"]}
    assert {k: len(r["Instances"]) for k, r in seen.items()} == {one["ReservationId"]: 2, two["ReservationId"]: 1}
    found = ec2.describe_instances(Filters=[{"Name": "reservation-id", "Values": [two["ReservationId"]]}])
    assert [r["ReservationId"] for r in found["Reservations"]] == [two["ReservationId"]]


def test_pages_of_instances(ec2, net):
    made = {i["InstanceId"] for n in (3, 1, 4, 4) for i in run(ec2, n, SubnetId=net.subnet)["Instances"]}
    pages = list(ec2.get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 5}))
    seen = [[i["InstanceId"] for r in p["Reservations"] for i in r["Instances"]] for p in pages]
    assert [len(p) for p in seen] == [5, 5, 2] and {i for p in seen for i in p} == made
    assert error_code(ec2.describe_instances, InstanceIds=list(made), MaxResults=5) == "InvalidParameterCombination"


@pytest.mark.parametrize("name, path", [
    ("instance-id", "InstanceId"), ("vpc-id", "VpcId"), ("subnet-id", "SubnetId"), ("image-id", "ImageId"),
    ("instance-type", "InstanceType"), ("private-ip-address", "PrivateIpAddress"), ("private-dns-name", "PrivateDnsName"),
    ("instance-state-name", "State.Name"), ("availability-zone", "Placement.AvailabilityZone"),
    ("tenancy", "Placement.Tenancy"), ("architecture", "Architecture"), ("root-device-type", "RootDeviceType"),
    ("monitoring-state", "Monitoring.State"), ("client-token", "ClientToken"),
    ("instance.group-id", "SecurityGroups.0.GroupId"), ("instance.group-name", "SecurityGroups.0.GroupName"),
    ("network-interface.network-interface-id", "NetworkInterfaces.0.NetworkInterfaceId"),
    ("network-interface.mac-address", "NetworkInterfaces.0.MacAddress"),
    ("network-interface.subnet-id", "NetworkInterfaces.0.SubnetId"),
    ("network-interface.addresses.private-ip-address", "NetworkInterfaces.0.PrivateIpAddress"),
    ("network-interface.attachment.attachment-id", "NetworkInterfaces.0.Attachment.AttachmentId"),
    ("network-interface.group-id", "NetworkInterfaces.0.Groups.0.GroupId")])
def test_filters(ec2, net, name, path):
    value = i = net.run()
    for step in path.split("."):
        value = value[int(step)] if step.isdigit() else value[step]
    found = ec2.describe_instances(Filters=[{"Name": name, "Values": [str(value)]}])["Reservations"]
    assert [i] == [x for r in found for x in r["Instances"]]
    assert ec2.describe_instances(Filters=[{"Name": name, "Values": ["nothing"]}])["Reservations"] == []


def test_unknown_filters(ec2):
    for name in ("colour", "network-interface.colour"):
        assert error_code(ec2.describe_instances, Filters=[{"Name": name, "Values": ["x"]}]) == "InvalidParameterValue"


def test_status_shows_the_running_unless_asked_for_all(ec2, net):
    a, b = net.run()["InstanceId"], net.run()["InstanceId"]
    ec2.stop_instances(InstanceIds=[b])
    seen = ec2.describe_instance_status()["InstanceStatuses"]
    assert [(s["InstanceId"], s["InstanceStatus"]["Status"], s["SystemStatus"]["Status"]) for s in seen] == [(a, "ok", "ok")]
    seen = ec2.describe_instance_status(IncludeAllInstances=True)["InstanceStatuses"]
    assert {s["InstanceId"]: s["InstanceStatus"]["Status"] for s in seen} == {a: "ok", b: "not-applicable"}


# Attributes


def test_attributes(ec2, net):
    i = net.run(InstanceInitiatedShutdownBehavior="terminate", EbsOptimized=True)["InstanceId"]

    def get(name):
        reply = ec2.describe_instance_attribute(InstanceId=i, Attribute=name)
        assert reply["InstanceId"] == i
        return reply

    assert get("instanceType")["InstanceType"] == {"Value": "t3.micro"}
    assert get("disableApiTermination")["DisableApiTermination"] == {"Value": False}
    assert get("disableApiStop")["DisableApiStop"] == {"Value": False}
    assert get("instanceInitiatedShutdownBehavior")["InstanceInitiatedShutdownBehavior"] == {"Value": "terminate"}
    assert get("sourceDestCheck")["SourceDestCheck"] == {"Value": True}
    assert get("ebsOptimized")["EbsOptimized"] == {"Value": True}
    assert get("groupSet")["Groups"] == [{"GroupId": net.default_group}]
    assert get("blockDeviceMapping")["BlockDeviceMappings"] == []
    assert get("rootDeviceName")["RootDeviceName"] == {"Value": "/dev/xvda"}
    assert error_code(ec2.describe_instance_attribute, InstanceId=i, Attribute="colour") == "InvalidParameterValue"


def test_modify_groups_and_check(ec2, net):
    i, g = net.run()["InstanceId"], net.group("g")
    ec2.modify_instance_attribute(InstanceId=i, Groups=[g])
    ec2.modify_instance_attribute(InstanceId=i, SourceDestCheck={"Value": False})
    seen = instance(ec2, i)
    assert [x["GroupId"] for x in seen["SecurityGroups"]] == [g]
    assert seen["SourceDestCheck"] is False and seen["NetworkInterfaces"][0]["SourceDestCheck"] is False
    ec2.attach_network_interface(InstanceId=i, NetworkInterfaceId=net.eni()["NetworkInterfaceId"], DeviceIndex=1)
    assert error_code(ec2.modify_instance_attribute, InstanceId=i, SourceDestCheck={"Value": True}) == "InvalidInstanceID"


def test_check_of_the_interface_is_the_instances(ec2, net):
    i = net.run()
    ec2.modify_network_interface_attribute(NetworkInterfaceId=i["NetworkInterfaces"][0]["NetworkInterfaceId"],
                                           SourceDestCheck={"Value": False})
    assert instance(ec2, i["InstanceId"])["SourceDestCheck"] is False


def test_modify_type_while_stopped(ec2, net):
    i = net.run(InstanceType="t3.large", NetworkInterfaces=[
        {"DeviceIndex": n, "SubnetId": net.subnet} for n in range(3)])["InstanceId"]
    assert error_code(ec2.modify_instance_attribute, InstanceId=i, InstanceType={"Value": "m5.large"}) == \
        "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[i])
    ec2.modify_instance_attribute(InstanceId=i, InstanceType={"Value": "m5.large"})
    assert instance(ec2, i)["InstanceType"] == "m5.large"
    assert error_code(ec2.modify_instance_attribute, InstanceId=i, InstanceType={"Value": "t3.micro"}) == \
        "AttachmentLimitExceeded"
    assert error_code(ec2.modify_instance_attribute, InstanceId=i, InstanceType={"Value": "no.such"}) == \
        "InvalidInstanceAttributeValue"


def test_modify_in_the_older_form(ec2, net):
    i = net.run()["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=i, Attribute="disableApiTermination", Value="true")
    assert error_code(ec2.terminate_instances, InstanceIds=[i]) == "OperationNotPermitted"
    assert error_code(ec2.modify_instance_attribute, InstanceId=i) == "InvalidParameterCombination"


def test_credits_are_none(ec2, net):
    i = net.run()["InstanceId"]
    assert ec2.describe_instance_credit_specifications(InstanceIds=[i])["InstanceCreditSpecifications"] == []
    assert error_code(ec2.describe_instance_credit_specifications, InstanceIds=["i-0123456789abcdef0"]) == \
        "InvalidInstanceID.NotFound"


# Images and types


def test_images(ec2, net):
    images = ec2.describe_images()["Images"]
    assert [(i["ImageId"], i["Name"]) for i in images] == [(HEX_TAP, "tap"), (HEX_AMI, "netns"), ("ami-netns", "netns"), ("ami-tap", "tap")]
    for i in images:
        assert (i["OwnerId"], i["ImageOwnerAlias"], i["Public"]) == ("000000000000", "vpcd", True)
        assert (i["RootDeviceType"], i["RootDeviceName"], i["State"]) == ("ebs", "/dev/xvda", "available")
        assert i["BlockDeviceMappings"][0]["DeviceName"] == "/dev/xvda"
    assert len(ec2.describe_images(Owners=["vpcd"])["Images"]) == 4
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    assert len(ec2.describe_images(ImageIds=["ami-netns"])["Images"]) == 1
    assert error_code(ec2.describe_images, ImageIds=["ami-0123456789abcdef0"]) == "InvalidAMIID.NotFound"
    wanted = [{"Name": "name", "Values": ["net*"]}, {"Name": "architecture", "Values": [images[0]["Architecture"]]},
              {"Name": "virtualization-type", "Values": ["hvm"]}, {"Name": "state", "Values": ["available"]}]
    assert len(ec2.describe_images(Filters=wanted)["Images"]) == 2
    assert len(ec2.describe_images(Filters=[{"Name": "name", "Values": ["tap"]}])["Images"]) == 2
    assert ec2.describe_images(Filters=[{"Name": "name", "Values": ["host"]}])["Images"] == []


def test_a_virtual_machine(ec2, net):
    """The same life as any instance's; but vpcd does not run it, and so cannot reboot it."""
    i = net.run(ImageId=HEX_TAP)["InstanceId"]
    ec2.get_waiter("instance_running").wait(InstanceIds=[i])
    assert error_code(ec2.reboot_instances, InstanceIds=[i]) == "UnsupportedOperation"
    status = ec2.describe_instance_status(InstanceIds=[i])["InstanceStatuses"][0]
    assert (status["InstanceStatus"]["Status"], status["SystemStatus"]["Status"]) == ("ok", "ok")
    assert ec2.get_console_output(InstanceId=i).get("Output", "") == ""
    ec2.stop_instances(InstanceIds=[i])
    ec2.start_instances(InstanceIds=[i])
    ec2.terminate_instances(InstanceIds=[i])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[i])


def test_types(ec2):
    t = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"][0]
    assert (t["InstanceType"], t["Hypervisor"], t["BareMetal"]) == ("m5.large", "nitro", False)
    assert t["NetworkInfo"] == {"MaximumNetworkInterfaces": 3, "MaximumNetworkCards": 1, "Ipv4AddressesPerInterface": 10,
                                "Ipv6AddressesPerInterface": 10, "Ipv6Supported": True,
                                "EnaSupport": "required", "EfaSupported": False}
    old = ec2.describe_instance_types(InstanceTypes=["m1.small"])["InstanceTypes"][0]
    assert old["NetworkInfo"]["Ipv6Supported"] is False
    assert error_code(ec2.describe_instance_types, InstanceTypes=["m5.large", "no.such"]) == "InvalidInstanceType"


def test_pages_of_types(ec2):
    pages = ec2.get_paginator("describe_instance_types").paginate(PaginationConfig={"PageSize": 100})
    names = [t["InstanceType"] for p in pages for t in p["InstanceTypes"]]
    assert len(names) > 1000 and names == sorted(set(names))
    few = ec2.describe_instance_types(Filters=[{"Name": "instance-type", "Values": ["t3.*"]}])["InstanceTypes"]
    assert {t["InstanceType"] for t in few} == {n for n in names if n.startswith("t3.")}
    many = ec2.describe_instance_types(Filters=[
        {"Name": "network-info.maximum-network-interfaces", "Values": ["15"]}])["InstanceTypes"]
    assert many and all(t["NetworkInfo"]["MaximumNetworkInterfaces"] == 15 for t in many)


@pytest.mark.parametrize("name, architecture", [
    ("m6g.large", "arm64"), ("c7gn.large", "arm64"), ("a1.large", "arm64"), ("g4dn.xlarge", "x86_64"),
    ("m5.large", "x86_64"), ("is4gen.large", "arm64")])
def test_architectures(ec2, name, architecture):
    t = ec2.describe_instance_types(InstanceTypes=[name])["InstanceTypes"][0]
    assert t["ProcessorInfo"]["SupportedArchitectures"] == [architecture]
    found = ec2.describe_instance_types(Filters=[
        {"Name": "processor-info.supported-architecture", "Values": [architecture]},
        {"Name": "instance-type", "Values": [name]}])["InstanceTypes"]
    assert len(found) == 1


def test_facts_of_types(ec2):
    t = ec2.describe_instance_types(InstanceTypes=["t3.micro"])["InstanceTypes"][0]
    assert t["BurstablePerformanceSupported"] is True and t["HibernationSupported"] is False
    assert t["SupportedRootDeviceTypes"] == ["ebs"] and t["SupportedVirtualizationTypes"] == ["hvm"]
    assert (t["NetworkInfo"]["EnaSupport"], t["NetworkInfo"]["EfaSupported"]) == ("required", False)
    burst = ec2.describe_instance_types(Filters=[{"Name": "burstable-performance-supported", "Values": ["true"]}])
    assert {i["InstanceType"].split(".")[0] for i in burst["InstanceTypes"]} == {"t1", "t2", "t3", "t3a", "t4g"}


def test_offerings(ec2):
    pages = ec2.get_paginator("describe_instance_type_offerings").paginate(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}])
    seen = [(o["InstanceType"], o["Location"]) for p in pages for o in p["InstanceTypeOfferings"]]
    assert seen == [("t3.micro", f"us-east-1{zone}") for zone in "abc"]
    whole = ec2.describe_instance_type_offerings(Filters=[{"Name": "instance-type", "Values": ["t3.micro"]}])
    assert whole["InstanceTypeOfferings"] == [{"InstanceType": "t3.micro", "LocationType": "region",
                                              "Location": "us-east-1"}]
