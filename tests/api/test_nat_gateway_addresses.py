# SPDX-License-Identifier: Apache-2.0
"""The addresses of NAT gateways, by actions and parameters that are newer than Debian's botocore, so
by raw calls (EC2 API reference)."""
import pytest
import raw

from conftest import error_code
from net import Net, addresses, interface


@pytest.fixture
def net(ec2):
    return Net(ec2, gateway=True)


@pytest.fixture
def call(account):
    connection = raw.Raw(account)
    yield connection.call
    connection.close()


def numbered(name, values):
    return {f"{name}.{i + 1}": v for i, v in enumerate(values)}


def allocate(ec2, n=1):
    return [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(n)]


def create(call, net, public=0, **params):
    """A gateway with so many elastic IPs; 0: a private one."""
    if public:
        ids = allocate(net.ec2, public)
        params.update({"AllocationId": ids[0], **numbered("SecondaryAllocationId", ids[1:])})
    else:
        params["ConnectivityType"] = "private"
    reply = call("CreateNatGateway", SubnetId=net.subnet, **params)
    assert reply.status == 200, reply.text
    return reply.find("natGateway/natGatewayId")


def rows(reply):
    """The addresses in a reply, each a dict."""
    found = reply.tree.iter(raw.EC2 + "natGatewayAddressSet")
    return [{child.tag[len(raw.EC2):]: child.text for child in item} for item in next(found)]


def shown(call, nat):
    return rows(call("DescribeNatGateways", **{"NatGatewayId.1": nat}))


def test_public_gateway_with_several_addresses(ec2, net, call):
    nat = create(call, net, public=3)
    first, second, third = shown(call, nat)
    assert [a["isPrimary"] for a in (first, second, third)] == ["true", "false", "false"]
    assert {a["status"] for a in (first, second, third)} == {"succeeded"}
    for a in (first, second, third):
        eip = ec2.describe_addresses(AllocationIds=[a["allocationId"]])["Addresses"][0]
        assert (eip["PublicIp"], eip["PrivateIpAddress"]) == (a["publicIp"], a["privateIp"])
        assert eip["AssociationId"] == a["associationId"]
    assert addresses(interface(ec2, first["networkInterfaceId"])) == [a["privateIp"] for a in (first, second, third)]


def test_secondary_addresses_by_name(ec2, net, call):
    one, two = allocate(ec2, 2)
    reply = call("CreateNatGateway", SubnetId=net.subnet, AllocationId=one, PrivateIpAddress="10.0.0.20",
                 **{"SecondaryAllocationId.1": two, "SecondaryPrivateIpAddress.1": "10.0.0.21"})
    assert [(a["allocationId"], a["privateIp"]) for a in rows(reply)] == [(one, "10.0.0.20"), (two, "10.0.0.21")]
    private = create(call, net, **numbered("SecondaryPrivateIpAddress", ["10.0.0.31", "10.0.0.32"]))
    assert [a["privateIp"] for a in shown(call, private)][1:] == ["10.0.0.31", "10.0.0.32"]
    assert len(shown(call, create(call, net, SecondaryPrivateIpAddressCount=7))) == 8


@pytest.mark.parametrize("params,code", [
    ({"SecondaryPrivateIpAddressCount": 8, "ConnectivityType": "private"}, "PrivateIpAddressLimitExceeded"),
    ({"SecondaryPrivateIpAddressCount": 1, "AllocationId": "{eip}"}, "InvalidParameterCombination"),
    ({"SecondaryPrivateIpAddress.1": "10.0.0.9", "AllocationId": "{eip}"}, "InvalidParameterCombination"),
    ({"SecondaryPrivateIpAddress.1": "10.0.0.9", "SecondaryPrivateIpAddressCount": 1,
      "ConnectivityType": "private"}, "InvalidParameterCombination"),
    ({"SecondaryPrivateIpAddress.1": "odd", "ConnectivityType": "private"}, "InvalidParameterValue"),
    ({"SecondaryAllocationId.1": "{eip}", "AllocationId": "{eip}"}, "InvalidParameterValue"),
    ({"SecondaryAllocationId.1": "{eip}", "ConnectivityType": "private"}, "InvalidParameterCombination")])
def test_creation_is_checked(ec2, net, call, params, code):
    eip = allocate(ec2)[0]
    params = {k: v.format(eip=eip) if isinstance(v, str) else v for k, v in params.items()}
    assert call("CreateNatGateway", SubnetId=net.subnet, **params).code == code


def test_associate_and_disassociate(ec2, net, call):
    nat = create(call, net, public=1)
    more = allocate(ec2, 2)
    reply = call("AssociateNatGatewayAddress", NatGatewayId=nat, **numbered("AllocationId", more),
                 **numbered("PrivateIpAddress", ["10.0.0.40", "10.0.0.41"]))
    assert reply.find("natGatewayId") == nat
    assert [(a["allocationId"], a["privateIp"], a["status"]) for a in rows(reply)] == [
        (more[0], "10.0.0.40", "associating"), (more[1], "10.0.0.41", "associating")]
    first, second, third = shown(call, nat)
    reply = call("DisassociateNatGatewayAddress", NatGatewayId=nat, MaxDrainDurationSeconds=60,
                 **{"AssociationId.1": second["associationId"]})
    assert [(a["privateIp"], a["status"]) for a in rows(reply)] == [("10.0.0.40", "disassociating")]
    assert shown(call, nat) == [first, third]
    assert "AssociationId" not in ec2.describe_addresses(AllocationIds=[more[0]])["Addresses"][0]
    assert addresses(interface(ec2, first["networkInterfaceId"])) == [first["privateIp"], "10.0.0.41"]
    assert call("DisassociateNatGatewayAddress", NatGatewayId=nat,
                **{"AssociationId.1": first["associationId"]}).code == "InvalidParameterValue"
    assert call("DisassociateNatGatewayAddress", NatGatewayId=nat,
                **{"AssociationId.1": second["associationId"]}).code == "InvalidAssociationID.NotFound"


def test_association_is_checked(ec2, net, call):
    nat, private = create(call, net, public=8), create(call, net)
    used = shown(call, nat)[0]["allocationId"]
    one = create(call, net, public=1)

    def code(gateway, **params):
        return call("AssociateNatGatewayAddress", NatGatewayId=gateway, **params).code

    assert code(nat, **{"AllocationId.1": allocate(ec2)[0]}) == "PrivateIpAddressLimitExceeded"
    assert code(one, **{"AllocationId.1": used}) == "Resource.AlreadyAssociated"
    assert code(one, **{"AllocationId.1": "eipalloc-0123456789abcdef0"}) == "InvalidElasticIpID.NotFound"
    assert code(private, **{"AllocationId.1": allocate(ec2)[0]}) == "UnsupportedOperation"
    assert code("nat-0123456789abcdef0", **{"AllocationId.1": allocate(ec2)[0]}) == "NatGatewayNotFound"
    assert code(one, **{"AllocationId.1": allocate(ec2)[0], "PrivateIpAddress.1": "10.0.0.40",
                        "PrivateIpAddress.2": "10.0.0.41"}) == "InvalidParameterCombination"
    assert code(one) == "MissingParameter"
    assert len(shown(call, one)) == 1


def test_assign_and_unassign(ec2, net, call):
    nat = create(call, net)
    reply = call("AssignPrivateNatGatewayAddress", NatGatewayId=nat, **{"PrivateIpAddress.1": "10.0.0.50"})
    assert [(a["privateIp"], a["status"]) for a in rows(reply)] == [("10.0.0.50", "assigning")]
    assert len(rows(call("AssignPrivateNatGatewayAddress", NatGatewayId=nat, PrivateIpAddressCount=6))) == 6
    assert call("AssignPrivateNatGatewayAddress", NatGatewayId=nat,
                PrivateIpAddressCount=1).code == "PrivateIpAddressLimitExceeded"
    reply = call("UnassignPrivateNatGatewayAddress", NatGatewayId=nat, **{"PrivateIpAddress.1": "10.0.0.50"})
    assert [(a["privateIp"], a["status"]) for a in rows(reply)] == [("10.0.0.50", "unassigning")]
    left = shown(call, nat)
    assert len(left) == 7
    assert addresses(interface(ec2, left[0]["networkInterfaceId"])) == [a["privateIp"] for a in left]
    for ip in (left[0]["privateIp"], "10.0.0.50", "odd"):
        assert call("UnassignPrivateNatGatewayAddress", NatGatewayId=nat,
                    **{"PrivateIpAddress.1": ip}).code == "InvalidParameterValue"
    assert call("AssignPrivateNatGatewayAddress", NatGatewayId=nat).code == "MissingParameter"
    assert call("AssignPrivateNatGatewayAddress", NatGatewayId=nat, PrivateIpAddressCount=1,
                **{"PrivateIpAddress.1": "10.0.0.60"}).code == "InvalidParameterCombination"
    assert call("AssignPrivateNatGatewayAddress", NatGatewayId=create(call, net, public=1),
                PrivateIpAddressCount=1).code == "UnsupportedOperation"


def test_deleted_gateway_has_nothing_to_change(ec2, net, call):
    nat = create(call, net)
    ec2.delete_nat_gateway(NatGatewayId=nat)
    assert call("AssignPrivateNatGatewayAddress", NatGatewayId=nat, PrivateIpAddressCount=1).code == "NatGatewayNotFound"
    assert error_code(ec2.delete_nat_gateway, NatGatewayId=nat) == "NatGatewayNotFound"
