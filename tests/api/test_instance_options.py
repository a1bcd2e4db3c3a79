# SPDX-License-Identifier: Apache-2.0
"""What of an instance can be asked for and changed besides its network; what there is none of is refused."""
import pytest
from conftest import error_code, filters
from net import Net, instance
from raw import Raw


@pytest.fixture
def net(ec2):
    return Net(ec2)


@pytest.fixture
def raw(account):
    raw = Raw(account)
    yield raw
    raw.close()


def found(ec2, **wanted):
    return [i["InstanceId"] for r in ec2.describe_instances(Filters=filters(**wanted))["Reservations"]
            for i in r["Instances"]]


# The metadata service's settings

EC2_DEFAULT = {"State": "applied", "HttpTokens": "optional", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled",
               "HttpProtocolIpv6": "disabled", "InstanceMetadataTags": "disabled"}


def test_tags_that_metadata_cannot_show(ec2, net):
    """With InstanceMetadataTags, keys are part of a path: EC2 refuses those that cannot be."""
    def tagged(key, **more):
        return net.run(TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": key, "Value": "x"}]}], **more)

    def tag(i, key):
        ec2.create_tags(Resources=[i["InstanceId"]], Tags=[{"Key": key, "Value": "x"}])

    shown, hidden = {"MetadataOptions": {"InstanceMetadataTags": "enabled"}}, tagged("has/slash")
    for key in "has/slash", "a b", "..", ".", "_index", "ä":
        assert error_code(lambda: tagged(key, **shown)) == "InvalidParameterValue", key
    i = tagged("a-Z+=._:,@9", **shown)
    assert error_code(lambda: tag(i, "has/slash")) == "InvalidParameterValue"
    tag(i, "fine")
    assert error_code(ec2.modify_instance_metadata_options, InstanceId=hidden["InstanceId"],
                      InstanceMetadataTags="enabled") == "InvalidParameterValue"
    ec2.delete_tags(Resources=[hidden["InstanceId"]], Tags=[{"Key": "has/slash"}])
    ec2.modify_instance_metadata_options(InstanceId=hidden["InstanceId"], InstanceMetadataTags="enabled")


def test_metadata_options(ec2, net):
    plain = net.run()
    assert plain["MetadataOptions"] == EC2_DEFAULT
    strict = net.run(MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2})
    assert strict["MetadataOptions"] == {**EC2_DEFAULT, "HttpTokens": "required", "HttpPutResponseHopLimit": 2}
    for wanted in ({"metadata-options.http-tokens": "required"}, {"metadata-options.http-put-response-hop-limit": "2"}):
        assert found(ec2, **wanted) == [strict["InstanceId"]]
    assert len(found(ec2, **{"metadata-options.http-endpoint": "enabled"})) == 2
    changed = ec2.modify_instance_metadata_options(InstanceId=plain["InstanceId"], HttpEndpoint="disabled")
    assert changed["InstanceMetadataOptions"] == {**EC2_DEFAULT, "State": "pending", "HttpEndpoint": "disabled"}
    assert instance(ec2, plain["InstanceId"])["MetadataOptions"]["HttpEndpoint"] == "disabled"
    for bad in ({"HttpTokens": "maybe"}, {"HttpPutResponseHopLimit": 65}, {"HttpPutResponseHopLimit": 0}):
        assert error_code(ec2.modify_instance_metadata_options, InstanceId=plain["InstanceId"], **bad) == \
            "InvalidParameterValue"


def test_metadata_defaults_of_the_account(ec2, net, raw):
    assert raw.call("GetInstanceMetadataDefaults").find("accountLevel/httpTokens") is None
    assert raw.call("ModifyInstanceMetadataDefaults", HttpTokens="required", HttpPutResponseHopLimit=3).status == 200
    seen = raw.call("GetInstanceMetadataDefaults")
    assert (seen.find("accountLevel/httpTokens"), seen.find("accountLevel/httpPutResponseHopLimit")) == ("required", "3")
    assert net.run()["MetadataOptions"]["HttpTokens"] == "required"
    mixed = net.run(MetadataOptions={"HttpTokens": "optional"})["MetadataOptions"]
    assert (mixed["HttpTokens"], mixed["HttpPutResponseHopLimit"]) == ("optional", 3)
    assert raw.call("ModifyInstanceMetadataDefaults", HttpTokens="no-preference", HttpPutResponseHopLimit=-1).status == 200
    assert net.run()["MetadataOptions"] == EC2_DEFAULT
    assert raw.call("ModifyInstanceMetadataDefaults", HttpTokens="x").code == "InvalidParameterValue"
    assert raw.call("ModifyInstanceMetadataDefaults", HttpPutResponseHopLimit=0).code == "InvalidParameterValue"


# Names


def test_private_names(ec2, net):
    i = net.run(PrivateDnsNameOptions={"HostnameType": "resource-name", "EnableResourceNameDnsARecord": True})
    assert i["PrivateDnsName"] == i["InstanceId"] + ".ec2.internal"
    assert i["PrivateDnsNameOptions"] == {"HostnameType": "resource-name", "EnableResourceNameDnsARecord": True,
                                          "EnableResourceNameDnsAAAARecord": False}
    assert found(ec2, **{"private-dns-name-options.hostname-type": "resource-name"}) == [i["InstanceId"]]
    id = i["InstanceId"]
    ec2.modify_private_dns_name_options(InstanceId=id, EnableResourceNameDnsAAAARecord=True)
    assert error_code(ec2.modify_private_dns_name_options, InstanceId=id, PrivateDnsHostnameType="ip-name") == \
        "IncorrectInstanceState"
    ec2.stop_instances(InstanceIds=[id])
    ec2.modify_private_dns_name_options(InstanceId=id, PrivateDnsHostnameType="ip-name")
    seen = instance(ec2, id)
    assert seen["PrivateDnsName"].startswith("ip-10-0-0-")
    assert seen["PrivateDnsNameOptions"]["EnableResourceNameDnsAAAARecord"] is True
    assert error_code(ec2.modify_private_dns_name_options, InstanceId=id, PrivateDnsHostnameType="x") == \
        "InvalidParameterValue"


def test_names_as_the_subnet_says(ec2, net):
    ec2.modify_subnet_attribute(SubnetId=net.subnet, PrivateDnsHostnameTypeOnLaunch="resource-name")
    i = net.run()
    assert i["PrivateDnsName"] == i["InstanceId"] + ".ec2.internal"


def test_public_names(net, raw):
    eni = net.eni()["NetworkInterfaceId"]
    for kind, code in (("public-ipv4-dns-name", None), ("public-ipv6-dns-name", "UnsupportedOperation"),
                       ("x", "InvalidParameterValue")):
        assert raw.call("ModifyPublicIpDnsNameOptions", NetworkInterfaceId=eni, HostnameType=kind).code == code


# Monitoring, console, protection


def test_monitoring(ec2, net):
    id = net.run()["InstanceId"]
    assert ec2.monitor_instances(InstanceIds=[id])["InstanceMonitorings"] == [
        {"InstanceId": id, "Monitoring": {"State": "pending"}}]
    assert instance(ec2, id)["Monitoring"]["State"] == "enabled"
    assert ec2.unmonitor_instances(InstanceIds=[id])["InstanceMonitorings"][0]["Monitoring"]["State"] == "disabling"
    assert instance(ec2, id)["Monitoring"]["State"] == "disabled"
    assert error_code(ec2.monitor_instances, InstanceIds=["i-00000000000000000"]) == "InvalidInstanceID.NotFound"
    ec2.terminate_instances(InstanceIds=[id])
    assert error_code(ec2.monitor_instances, InstanceIds=[id]) == "IncorrectInstanceState"


def test_console_output(ec2, net, other):
    id = net.run()["InstanceId"]
    answer = ec2.get_console_output(InstanceId=id, Latest=True)
    assert answer["InstanceId"] == id and answer.get("Output", "") == "" and answer["Timestamp"]
    assert error_code(other.ec2.get_console_output, InstanceId=id) == "InvalidInstanceID.NotFound"


def test_stop_protection(ec2, net):
    id = net.run(DisableApiStop=True)["InstanceId"]
    assert ec2.describe_instance_attribute(InstanceId=id, Attribute="disableApiStop")["DisableApiStop"]["Value"] is True
    assert error_code(ec2.stop_instances, InstanceIds=[id]) == "OperationNotPermitted"
    ec2.modify_instance_attribute(InstanceId=id, DisableApiStop={"Value": False})
    ec2.stop_instances(InstanceIds=[id])
    assert instance(ec2, id)["State"]["Name"] == "stopped"


def test_reset_attribute(ec2, net):
    id = net.run()["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=id, SourceDestCheck={"Value": False})
    ec2.reset_instance_attribute(InstanceId=id, Attribute="sourceDestCheck")
    assert instance(ec2, id)["SourceDestCheck"] is True
    assert error_code(ec2.reset_instance_attribute, InstanceId=id, Attribute="kernel") == "IncorrectInstanceState"
    assert error_code(ec2.reset_instance_attribute, InstanceId=id, Attribute="userData") == "InvalidParameterValue"


# What RunInstances is asked for


@pytest.mark.parametrize("params", [
    {"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8, "VolumeType": "gp3"}}]},
    {"BlockDeviceMappings": [{"DeviceName": "/dev/sdb", "NoDevice": ""}]},
    {"HibernationOptions": {"Configured": False}}, {"EnclaveOptions": {"Enabled": False}},
    {"CapacityReservationSpecification": {"CapacityReservationPreference": "none"}},
    {"MaintenanceOptions": {"AutoRecovery": "default"}}, {"Placement": {"Tenancy": "default", "GroupName": ""}},
])
def test_what_is_there_anyhow(net, params):
    assert net.run(**params)["State"]["Name"] == "running"


@pytest.mark.parametrize("params, code", [
    ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 20}}]}, "InvalidBlockDeviceMapping"),
    ({"BlockDeviceMappings": [{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 8}}]}, "InvalidBlockDeviceMapping"),
    ({"BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"Encrypted": True}}]}, "InvalidBlockDeviceMapping"),
    ({"InstanceMarketOptions": {"MarketType": "spot"}}, "UnsupportedOperation"),
    ({"LaunchTemplate": {"LaunchTemplateId": "lt-00000000000000000"}}, "InvalidLaunchTemplateId.NotFound"),
    ({"LaunchTemplate": {"LaunchTemplateName": "t"}}, "InvalidLaunchTemplateName.NotFoundException"),
    ({"CpuOptions": {"CoreCount": 1}}, "UnsupportedOperation"),
    ({"HibernationOptions": {"Configured": True}}, "UnsupportedHibernationConfiguration"),
    ({"EnclaveOptions": {"Enabled": True}}, "UnsupportedOperation"),
    ({"Placement": {"GroupName": "g"}}, "InvalidPlacementGroup.Unknown"),
    ({"Placement": {"HostId": "h-1"}}, "UnsupportedOperation"),
    ({"KernelId": "aki-1"}, "UnsupportedOperation"),
    ({"CapacityReservationSpecification": {"CapacityReservationTarget": {"CapacityReservationId": "cr-1"}}},
     "InvalidCapacityReservationId.NotFound"),
])
def test_what_is_not_offered(ec2, net, params, code):
    assert error_code(net.run, **params) == code
    assert ec2.describe_instances()["Reservations"] == []


FILTERS = """affinity architecture availability-zone availability-zone-id block-device-mapping.attach-time
    block-device-mapping.delete-on-termination block-device-mapping.device-name block-device-mapping.status
    block-device-mapping.volume-id boot-mode capacity-reservation-id
    capacity-reservation-specification.capacity-reservation-preference
    capacity-reservation-specification.capacity-reservation-target.capacity-reservation-id
    capacity-reservation-specification.capacity-reservation-target.capacity-reservation-resource-group-arn
    client-token current-instance-boot-mode dns-name ebs-optimized ena-support enclave-options.enabled
    hibernation-options.configured host-id hypervisor iam-instance-profile.arn iam-instance-profile.id
    iam-instance-profile.name image-id instance-id instance-lifecycle instance-state-code instance-state-name
    instance-type instance.group-id instance.group-name ip-address ipv6-address kernel-id key-name launch-index
    launch-time maintenance-options.auto-recovery metadata-options.http-endpoint metadata-options.http-protocol-ipv4
    metadata-options.http-protocol-ipv6 metadata-options.http-put-response-hop-limit metadata-options.http-tokens
    metadata-options.instance-metadata-tags monitoring-state network-interface.addresses.association.allocation-id
    network-interface.addresses.association.public-ip network-interface.addresses.primary
    network-interface.addresses.private-ip-address network-interface.association.allocation-id
    network-interface.association.association-id network-interface.association.ip-owner-id
    network-interface.association.public-ip network-interface.attachment.attach-time
    network-interface.attachment.attachment-id network-interface.attachment.delete-on-termination
    network-interface.attachment.device-index network-interface.attachment.instance-id
    network-interface.attachment.instance-owner-id network-interface.attachment.status
    network-interface.availability-zone network-interface.description network-interface.group-id
    network-interface.group-name network-interface.ipv6-addresses.ipv6-address network-interface.mac-address
    network-interface.network-interface-id network-interface.owner-id network-interface.private-dns-name
    network-interface.requester-managed network-interface.source-dest-check network-interface.status
    network-interface.subnet-id network-interface.vpc-id operator.managed operator.principal outpost-arn owner-id
    placement-group-name placement-partition-number platform platform-details private-dns-name
    private-dns-name-options.enable-resource-name-dns-a-record
    private-dns-name-options.enable-resource-name-dns-aaaa-record private-dns-name-options.hostname-type
    private-ip-address product-code product-code.type ramdisk-id reason requester-id reservation-id root-device-name
    root-device-type source-dest-check spot-instance-request-id state-reason-code state-reason-message subnet-id
    tag-key tenancy tpm-support usage-operation usage-operation-update-time virtualization-type vpc-id""".split()


def test_every_filter_is_known(ec2, net):
    net.run()
    for name in FILTERS:
        ec2.describe_instances(Filters=[{"Name": name, "Values": ["no such value"]}])


# Images


def test_image_attributes(ec2):
    def attribute(name):
        return ec2.describe_image_attribute(ImageId="ami-netns", Attribute=name)

    assert attribute("description")["Description"]["Value"]
    assert attribute("launchPermission")["LaunchPermissions"] == [{"Group": "all"}]
    assert attribute("blockDeviceMapping")["BlockDeviceMappings"][0]["DeviceName"] == "/dev/xvda"
    assert attribute("productCodes")["ProductCodes"] == []
    assert attribute("kernel")["ImageId"] == "ami-netns"
    assert error_code(attribute, name="colour") == "InvalidParameterValue"
    assert error_code(ec2.describe_image_attribute, ImageId="ami-00000000000000000", Attribute="description") == \
        "InvalidAMIID.NotFound"


def test_images_are_not_made(ec2):
    assert error_code(ec2.register_image, Name="mine", RootDeviceName="/dev/xvda") == "UnsupportedOperation"
    assert error_code(ec2.deregister_image, ImageId="ami-netns") == "AuthFailure"
    assert error_code(ec2.deregister_image, ImageId="ami-00000000000000000") == "InvalidAMIID.NotFound"
