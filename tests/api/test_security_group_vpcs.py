# SPDX-License-Identifier: Apache-2.0
"""Security groups in other VPCs of their account (VPC user guide, "Associate security groups with multiple VPCs").

The calls are newer than Debian's botocore, so they are signed and read here.
"""
import pytest

from conftest import default_group, error_code, make_group, make_subnet, make_vpc
from raw import EC2, Raw


class Calls(Raw):
    def items(self, action, element, **params):
        """The rows of a set, each as a dictionary."""
        reply = self.call(action, **params)
        assert reply.status == 200, reply.text
        return [{e.tag[len(EC2):]: e.text for e in item if e.tag != EC2 + "tagSet"}
                for item in reply.tree.findall(f"{EC2}{element}/{EC2}item")], reply.find("nextToken")

    def associations(self, **filters):
        pairs = {}
        for n, (name, value) in enumerate(filters.items(), 1):
            pairs.update({f"Filter.{n}.Name": name.replace("_", "-"), f"Filter.{n}.Value.1": value})
        return self.items("DescribeSecurityGroupVpcAssociations", "securityGroupVpcAssociationSet", **pairs)[0]

    def for_vpc(self, vpc, **params):
        return self.items("GetSecurityGroupsForVpc", "securityGroupForVpcSet", VpcId=vpc, **params)


@pytest.fixture
def calls(account):
    return Calls(account)


@pytest.fixture
def group(ec2, vpc):
    return make_group(ec2, vpc)


@pytest.fixture
def second(ec2):
    return make_vpc(ec2, "10.1.0.0/16")


def associate(calls, group, vpc):
    reply = calls.call("AssociateSecurityGroupVpc", GroupId=group, VpcId=vpc)
    assert reply.find("state") == "associating", reply.text


def disassociate(calls, group, vpc):
    reply = calls.call("DisassociateSecurityGroupVpc", GroupId=group, VpcId=vpc)
    assert reply.find("state") == "disassociating", reply.text


def test_interfaces_of_an_associated_vpc_may_have_the_group(calls, ec2, account, group, second):
    subnet = make_subnet(ec2, second, "10.1.1.0/24")
    assert error_code(ec2.create_network_interface, SubnetId=subnet, Groups=[group]) == "InvalidParameter"
    associate(calls, group, second)
    assert calls.associations() == [{"groupId": group, "vpcId": second, "vpcOwnerId": account.id, "state": "associated",
                                     "groupOwnerId": account.id}]
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    assert [g["GroupId"] for g in interface["Groups"]] == [group]
    # It cannot leave the VPC while an interface has it, nor be deleted.
    disassociate(calls, group, second)
    (shown,) = calls.associations()
    assert shown["state"] == "disassociation-failed" and shown["stateReason"]
    assert error_code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    disassociate(calls, group, second)
    assert calls.associations() == []
    assert error_code(ec2.create_network_interface, SubnetId=subnet, Groups=[group]) == "InvalidParameter"
    ec2.delete_security_group(GroupId=group)


def test_association_keeps_group_and_vpc(calls, ec2, group, second):
    associate(calls, group, second)
    associate(calls, group, second)
    assert len(calls.associations()) == 1
    assert error_code(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert error_code(ec2.delete_vpc, VpcId=second) == "DependencyViolation"
    disassociate(calls, group, second)
    ec2.delete_vpc(VpcId=second)
    ec2.delete_security_group(GroupId=group)


def test_refusals(calls, ec2, other, vpc, group, second):
    foreign = make_vpc(other.ec2)
    default = [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if v["IsDefault"]][0]
    for wanted, name, where in (
            ("InvalidParameterValue", group, vpc), ("InvalidParameterValue", group, default),
            ("InvalidParameterValue", default_group(ec2, vpc)["GroupId"], second),
            ("InvalidVpcID.NotFound", group, foreign), ("InvalidVpcID.NotFound", group, "vpc-0123456789abcdef0"),
            ("InvalidGroup.NotFound", make_group(other.ec2, foreign), second), ("InvalidGroupId.Malformed", "vpc-1", second)):
        assert calls.call("AssociateSecurityGroupVpc", GroupId=name, VpcId=where).code == wanted, (name, where)
    assert calls.call("DisassociateSecurityGroupVpc", GroupId=group, VpcId=second).code == "InvalidParameterValue"
    assert calls.call("AssociateSecurityGroupVpc", GroupId=group).code == "MissingParameter"
    assert calls.call("AssociateSecurityGroupVpc", GroupId=group, VpcId=second, DryRun="true").code == "DryRunOperation"
    assert calls.associations() == []


def test_filters_of_associations(calls, ec2, account, other, vpc, group, second):
    third, another = make_vpc(ec2, "10.2.0.0/16"), make_group(ec2, vpc, "another")
    for name, where in ((group, second), (group, third), (another, second)):
        associate(calls, name, where)

    def found(**filters):
        return sorted((a["groupId"], a["vpcId"]) for a in calls.associations(**filters))

    assert found(group_id=group) == sorted([(group, second), (group, third)])
    assert found(vpc_id=second) == sorted([(group, second), (another, second)])
    assert found(group_id=another, vpc_id=third) == []
    assert len(found(state="associated")) == len(found(vpc_owner_id=account.id)) == len(found(group_owner_id=account.id)) == 3
    assert found(state="disassociation-failed") == []
    assert Calls(other).associations() == []


def test_pages_of_associations(calls, ec2, vpc):
    where = [make_vpc(ec2, f"10.{i}.0.0/16") for i in range(1, 7)]
    group = make_group(ec2, vpc)
    for name in reversed(where):
        associate(calls, group, name)
    shown, token = [], None
    while True:
        rows, token = calls.items("DescribeSecurityGroupVpcAssociations", "securityGroupVpcAssociationSet", MaxResults=5,
                                  **({"NextToken": token} if token else {}))
        shown += [r["vpcId"] for r in rows]
        if not token:
            break
    assert shown == sorted(where)


def test_groups_for_a_vpc(calls, ec2, account, other, vpc, group, second):
    own = default_group(ec2, second)["GroupId"]
    assert [g["groupId"] for g in calls.for_vpc(second)[0]] == [own]
    associate(calls, group, second)
    rows = {g["groupId"]: g for g in calls.for_vpc(second)[0]}
    assert set(rows) == {own, group}
    assert rows[group] == {"groupId": group, "groupName": "group", "description": "of a test", "ownerId": account.id,
                           "primaryVpcId": vpc}
    for name, value in (("group-id", group), ("group-name", "group"), ("description", "of a*"), ("primary-vpc-id", vpc)):
        found = calls.for_vpc(second, **{"Filter.1.Name": name, "Filter.1.Value.1": value})[0]
        assert [g["groupId"] for g in found] == [group], name
    assert len(calls.for_vpc(second, **{"Filter.1.Name": "owner-id", "Filter.1.Value.1": account.id})[0]) == 2
    assert Calls(other).call("GetSecurityGroupsForVpc", VpcId=second).code == "InvalidVpcID.NotFound"
