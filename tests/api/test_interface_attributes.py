# SPDX-License-Identifier: Apache-2.0
"""What of an interface can be changed, granted and reset; what is newer than the client's model goes as bytes."""
import pytest
from conftest import error_code
from net import Net, interface
from raw import Raw


@pytest.fixture
def net(ec2):
    return Net(ec2, ipv6=True, gateway=True)


@pytest.fixture
def raw(account):
    raw = Raw(account)
    yield raw
    raw.close()


TRACKING = "ConnectionTrackingSpecification."
SHOWN = "networkInterfaceSet/item/connectionTrackingConfiguration/"


def modify(raw, eni, **params):
    return raw.call("ModifyNetworkInterfaceAttribute", NetworkInterfaceId=eni,
                    **{name.replace("_", "."): value for name, value in params.items()})


def test_tracking_timeouts(net, raw):
    reply = raw.call("CreateNetworkInterface", SubnetId=net.subnet, **{TRACKING + "TcpEstablishedTimeout": 300})
    assert reply.status == 200
    eni = reply.find("networkInterface/networkInterfaceId")
    assert reply.find("networkInterface/connectionTrackingConfiguration/tcpEstablishedTimeout") == "300"
    assert modify(raw, eni, **{TRACKING + "UdpStreamTimeout": 60, TRACKING + "UdpTimeout": 45}).status == 200
    seen = raw.call("DescribeNetworkInterfaces", **{"NetworkInterfaceId.1": eni})
    assert [seen.find(SHOWN + name) for name in ("tcpEstablishedTimeout", "udpStreamTimeout", "udpTimeout")] == \
        ["300", "60", "45"]
    for name, values in (("TcpEstablishedTimeout", (59, 432001)), ("UdpStreamTimeout", (59, 181)),
                         ("UdpTimeout", (29, 61))):
        for value in values:
            assert modify(raw, eni, **{TRACKING + name: value}).code == "InvalidParameterValue"


def test_no_timeouts_are_shown_where_none_were_set(net, raw):
    eni = net.eni()["NetworkInterfaceId"]
    seen = raw.call("DescribeNetworkInterfaces", **{"NetworkInterfaceId.1": eni})
    assert "connectionTracking" not in seen.text


def test_primary_ipv6(ec2, net, raw):
    eni = net.eni(Ipv6AddressCount=1)
    first, eni = eni["Ipv6Addresses"][0]["Ipv6Address"], eni["NetworkInterfaceId"]
    assert modify(raw, eni, EnablePrimaryIpv6="true").status == 200
    seen = raw.call("DescribeNetworkInterfaces", **{"NetworkInterfaceId.1": eni})
    assert seen.find("networkInterfaceSet/item/ipv6AddressesSet/item/isPrimaryIpv6") == "true"
    assert error_code(ec2.unassign_ipv6_addresses, NetworkInterfaceId=eni, Ipv6Addresses=[first]) == \
        "InvalidParameterValue"
    assert modify(raw, eni, EnablePrimaryIpv6="false").code == "InvalidParameterCombination"
    bare = net.eni()["NetworkInterfaceId"]
    assert modify(raw, bare, EnablePrimaryIpv6="true").code == "InvalidParameterCombination"


def test_public_ip_of_the_primary_interface(ec2, net, raw):
    eni = net.run()["NetworkInterfaces"][0]["NetworkInterfaceId"]
    assert "Association" not in interface(ec2, eni)
    assert modify(raw, eni, AssociatePublicIpAddress="true").status == 200
    assert interface(ec2, eni)["Association"]["IpOwnerId"] == "amazon"
    assert raw.call("DescribeNetworkInterfaceAttribute", NetworkInterfaceId=eni,
                    Attribute="associatePublicIpAddress").find("associatePublicIpAddress") == "true"
    assert modify(raw, eni, AssociatePublicIpAddress="false").status == 200
    assert "Association" not in interface(ec2, eni)


def test_ena_express_is_refused(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    assert error_code(ec2.modify_network_interface_attribute, NetworkInterfaceId=eni,
                      EnaSrdSpecification={"EnaSrdEnabled": True}) == "UnsupportedOperation"
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, EnaSrdSpecification={"EnaSrdEnabled": False})


def test_reset(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck={"Value": False})
    assert interface(ec2, eni)["SourceDestCheck"] is False
    ec2.reset_network_interface_attribute(NetworkInterfaceId=eni, SourceDestCheck="true")
    assert interface(ec2, eni)["SourceDestCheck"] is True
    assert error_code(ec2.reset_network_interface_attribute, NetworkInterfaceId=eni) == "MissingParameter"


@pytest.mark.parametrize("kind", ["efa", "branch", "trunk"])
def test_other_types_are_refused(net, kind):
    assert error_code(net.eni, InterfaceType=kind) == "InvalidParameterValue"


def test_trunks(ec2, net, raw):
    a, b = (net.eni()["NetworkInterfaceId"] for _ in range(2))
    assert error_code(ec2.associate_trunk_interface, TrunkInterfaceId=a, BranchInterfaceId=b, VlanId=7) == \
        "InvalidParameterValue"
    assert error_code(ec2.associate_trunk_interface, TrunkInterfaceId="eni-00000000000000000", BranchInterfaceId=b) == \
        "InvalidNetworkInterfaceID.NotFound"
    assert error_code(ec2.disassociate_trunk_interface, AssociationId="trunk-assoc-1") == \
        "InvalidAssociationID.NotFound"
    assert ec2.describe_trunk_interface_associations()["InterfaceAssociations"] == []


@pytest.mark.parametrize("name", ["availability-zone-id", "association.ip-owner-id", "association.public-dns-name",
                                  "addresses.association.owner-id", "operator.managed"])
def test_newer_filters(ec2, net, account, name):
    ec2.modify_vpc_attribute(VpcId=net.vpc, EnableDnsHostnames={"Value": True})
    eni = net.run(NetworkInterfaces=[{"DeviceIndex": 0, "SubnetId": net.subnet, "AssociatePublicIpAddress": True}]
                  )["NetworkInterfaces"][0]["NetworkInterfaceId"]
    net.eni(SubnetId=ec2.create_subnet(VpcId=net.vpc, CidrBlock="10.0.5.0/24",
                                       AvailabilityZone="us-east-1b")["Subnet"]["SubnetId"])
    value = {"availability-zone-id": "use1-az1", "association.public-dns-name": "ec2-*",
             "operator.managed": "false"}.get(name, "amazon")
    found = ec2.describe_network_interfaces(Filters=[{"Name": name, "Values": [value]}])["NetworkInterfaces"]
    ids = [e["NetworkInterfaceId"] for e in found]
    assert eni in ids and len(ids) == (2 if name == "operator.managed" else 1)


# Permissions


def grant(ec2, eni, account, **params):
    return ec2.create_network_interface_permission(
        NetworkInterfaceId=eni, AwsAccountId=account, Permission="INSTANCE-ATTACH", **params)["InterfacePermission"]


def test_permission_comes_and_goes(ec2, net, other):
    eni = net.eni()["NetworkInterfaceId"]
    made = grant(ec2, eni, other.id)
    assert made["PermissionState"]["State"] == "granted"
    assert (made["NetworkInterfaceId"], made["AwsAccountId"], made["Permission"]) == (eni, other.id, "INSTANCE-ATTACH")
    permission = made["NetworkInterfacePermissionId"]
    assert permission.startswith("eni-perm-")
    assert ec2.describe_network_interface_permissions()["NetworkInterfacePermissions"] == [made]
    for name, value in (("aws-account-id", other.id), ("network-interface-id", eni), ("permission", "INSTANCE-*"),
                        ("network-interface-permission-id", permission)):
        for values, found in (([value], [made]), (["no"], [])):
            assert ec2.describe_network_interface_permissions(Filters=[
                {"Name": "network-interface-permission." + name, "Values": values}])["NetworkInterfacePermissions"] == found
    assert other.ec2.describe_network_interface_permissions()["NetworkInterfacePermissions"] == []
    assert error_code(other.ec2.delete_network_interface_permission, NetworkInterfacePermissionId=permission) == \
        "InvalidNetworkInterfacePermissionID.NotFound"
    assert ec2.delete_network_interface_permission(NetworkInterfacePermissionId=permission)["Return"] is True
    assert ec2.describe_network_interface_permissions()["NetworkInterfacePermissions"] == []


def test_one_permission_at_a_time(ec2, net, other):
    eni = net.eni()["NetworkInterfaceId"]
    grant(ec2, eni, other.id)
    assert error_code(grant, ec2=ec2, eni=eni, account="123456789012") == "InvalidParameterValue"
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    assert ec2.describe_network_interface_permissions()["NetworkInterfacePermissions"] == []


def test_bad_permissions(ec2, net):
    eni = net.eni()["NetworkInterfaceId"]
    assert error_code(grant, ec2=ec2, eni=eni, account="12") == "InvalidUserID.Malformed"
    assert error_code(ec2.create_network_interface_permission, NetworkInterfaceId=eni,
                      Permission="INSTANCE-ATTACH") == "MissingParameter"
    assert error_code(ec2.create_network_interface_permission, NetworkInterfaceId=eni, AwsAccountId="123456789012",
                      Permission="EIP-ASSOCIATE") == "UnsupportedOperation"
    assert error_code(ec2.delete_network_interface_permission,
                      NetworkInterfacePermissionId="eni-perm-00000000000000000") == \
        "InvalidNetworkInterfacePermissionID.NotFound"


def test_a_permission_shows_the_interface_to_nobody(ec2, net, other):
    eni = net.eni()["NetworkInterfaceId"]
    grant(ec2, eni, other.id)
    theirs = Net(other.ec2).run()["InstanceId"]
    assert error_code(other.ec2.describe_network_interfaces, NetworkInterfaceIds=[eni]) == \
        "InvalidNetworkInterfaceID.NotFound"
    assert error_code(other.ec2.attach_network_interface, NetworkInterfaceId=eni, InstanceId=theirs, DeviceIndex=1) == \
        "InvalidNetworkInterfaceID.NotFound"
