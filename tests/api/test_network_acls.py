# SPDX-License-Identifier: Apache-2.0
"""Network ACLs, their entries and associations (VPC user guide, "Network ACLs"; EC2 API reference)."""
import re

import pytest

from conftest import error, error_code, filters, make_subnet, make_vpc
from raw import Raw

TCP_443 = {"Protocol": "6", "PortRange": {"From": 443, "To": 443}}


def make_acl(ec2, vpc, **params):
    return ec2.create_network_acl(VpcId=vpc, **params)["NetworkAcl"]["NetworkAclId"]


def describe(ec2, acl):
    return ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]


def default_acl(ec2, vpc):
    (acl,) = ec2.describe_network_acls(Filters=filters(vpc_id=vpc, default="true"))["NetworkAcls"]
    return acl


def add(ec2, acl, number=100, egress=False, **params):
    given = {"Protocol": "-1", "RuleAction": "allow", "CidrBlock": "0.0.0.0/0", **params}
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=egress, **given)


def entries(ec2, acl, egress=False):
    """The numbered entries of a direction, without the last ones."""
    return [e for e in describe(ec2, acl)["Entries"] if e["Egress"] == egress and e["RuleNumber"] < 32767]


def entry(ec2, acl, egress=False):
    (only,) = entries(ec2, acl, egress)
    return only


@pytest.fixture
def acl(ec2, vpc):
    return make_acl(ec2, vpc)


def last(number, egress, **cidr):
    return {"Egress": egress, "RuleNumber": number, "Protocol": "-1", "RuleAction": "deny", **cidr}


def test_new_acl_denies_all(ec2, account, vpc):
    created = ec2.create_network_acl(VpcId=vpc, TagSpecifications=[
        {"ResourceType": "network-acl", "Tags": [{"Key": "Name", "Value": "web"}]}])["NetworkAcl"]
    assert re.fullmatch("acl-[0-9a-f]{17}", created["NetworkAclId"])
    assert created == describe(ec2, created["NetworkAclId"])
    assert created["VpcId"] == vpc and created["OwnerId"] == account.id
    assert created["IsDefault"] is False and created["Associations"] == []
    assert created["Tags"] == [{"Key": "Name", "Value": "web"}]
    assert created["Entries"] == [last(32767, True, CidrBlock="0.0.0.0/0"), last(32767, False, CidrBlock="0.0.0.0/0")]


def test_new_acl_of_a_vpc_with_ipv6_denies_that_too(ec2):
    acl = make_acl(ec2, make_vpc(ec2, AmazonProvidedIpv6CidrBlock=True))
    assert describe(ec2, acl)["Entries"] == [
        entry for egress in (True, False)
        for entry in (last(32767, egress, CidrBlock="0.0.0.0/0"), last(32768, egress, Ipv6CidrBlock="::/0"))]


def test_token_answers_the_same_acl_again(ec2, account, vpc):
    # Newer clients send one by themselves.
    raw = Raw(account)
    first, again = (raw.call("CreateNetworkAcl", VpcId=vpc, ClientToken="one") for _ in range(2))
    assert first.find("networkAcl/networkAclId") == again.find("networkAcl/networkAclId")
    assert first.find("clientToken") == "one"
    assert raw.call("CreateNetworkAcl", VpcId=make_vpc(ec2), ClientToken="one").code == "IdempotentParameterMismatch"


def test_dry_run_creates_nothing(ec2, vpc):
    assert error_code(ec2.create_network_acl, VpcId=vpc, DryRun=True) == "DryRunOperation"
    assert len(ec2.describe_network_acls(Filters=filters(vpc_id=vpc))["NetworkAcls"]) == 1


def test_vpc_and_acl_must_exist(ec2, other, acl):
    assert error_code(ec2.create_network_acl, VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"
    for ec2_of, code in ((ec2, "InvalidNetworkAclID.NotFound"), (other.ec2, "InvalidNetworkAclID.NotFound")):
        wanted = "acl-0123456789abcdef0" if ec2_of is ec2 else acl
        assert error_code(ec2_of.delete_network_acl, NetworkAclId=wanted) == code
        assert error_code(ec2_of.describe_network_acls, NetworkAclIds=[wanted]) == code
        assert error_code(add, ec2=ec2_of, acl=wanted) == code
        assert error_code(ec2_of.delete_network_acl_entry, NetworkAclId=wanted, RuleNumber=1, Egress=True) == code
    assert entries(ec2, acl) == []


def test_entries_stand_outbound_first_in_the_order_of_their_numbers(ec2, acl):
    for number, egress in ((200, False), (100, True), (1, False), (32766, True), (150, False)):
        add(ec2, acl, number, egress)
    assert [(e["Egress"], e["RuleNumber"]) for e in describe(ec2, acl)["Entries"]] == [
        (True, 100), (True, 32766), (True, 32767), (False, 1), (False, 150), (False, 200), (False, 32767)]


def test_entry_shows_what_it_was_made_of(ec2, acl):
    add(ec2, acl, 100, RuleAction="deny", CidrBlock="10.0.0.0/8", **TCP_443)
    assert entry(ec2, acl) == {"RuleNumber": 100, "Egress": False, "RuleAction": "deny", "Protocol": "6",
                               "CidrBlock": "10.0.0.0/8", "PortRange": {"From": 443, "To": 443}}
    add(ec2, acl, 7, True, Protocol="1", IcmpTypeCode={"Type": 8, "Code": -1})
    assert entry(ec2, acl, True) == {"RuleNumber": 7, "Egress": True, "RuleAction": "allow", "Protocol": "1",
                                     "CidrBlock": "0.0.0.0/0", "IcmpTypeCode": {"Type": 8, "Code": -1}}


def test_entry_for_ipv6_has_the_other_cidr(ec2, acl):
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=5, Egress=False, RuleAction="allow", Protocol="58",
                                 Ipv6CidrBlock="2001:db8::1/32", IcmpTypeCode={"Type": -1, "Code": -1})
    assert entry(ec2, acl) == {"RuleNumber": 5, "Egress": False, "RuleAction": "allow", "Protocol": "58",
                               "Ipv6CidrBlock": "2001:db8::/32", "IcmpTypeCode": {"Type": -1, "Code": -1}}


def test_host_bits_of_the_cidr_are_dropped(ec2, acl):
    # CreateNetworkAclEntry: "we modify the specified CIDR block to its canonical form"
    add(ec2, acl, CidrBlock="100.68.0.18/18")
    assert entry(ec2, acl)["CidrBlock"] == "100.68.0.0/18"


@pytest.mark.parametrize("name, number", [("tcp", "6"), ("udp", "17"), ("all", "-1"), ("47", "47"), ("0", "0")])
def test_protocol_by_name_or_number(ec2, acl, name, number):
    add(ec2, acl, Protocol=name, PortRange={"From": 1, "To": 2})
    assert entry(ec2, acl)["Protocol"] == number
    # "If you specify -1 or a protocol number other than ...": ports have no effect there
    assert ("PortRange" in entry(ec2, acl)) == (number in ("6", "17"))


def test_icmpv6_over_ipv4_has_no_types(ec2, acl):
    # CreateNetworkAclEntry, Protocol: "all ICMP types and codes allowed, regardless of any that you specify"
    add(ec2, acl, Protocol="58", IcmpTypeCode={"Type": 128, "Code": 0})
    assert "IcmpTypeCode" not in entry(ec2, acl)


@pytest.mark.parametrize("params, code", [
    ({"Protocol": "6"}, "MissingParameter"),
    ({"Protocol": "17", "PortRange": {"From": 1}}, "MissingParameter"),
    ({"Protocol": "6", "PortRange": {"From": -1, "To": 5}}, "InvalidParameterValue"),
    ({"Protocol": "6", "PortRange": {"From": 1, "To": 65536}}, "InvalidParameterValue"),
    ({"Protocol": "6", "PortRange": {"From": 2, "To": 1}}, "InvalidParameterValue"),
    ({"Protocol": "1"}, "MissingParameter"),
    ({"Protocol": "1", "IcmpTypeCode": {"Type": 8}}, "MissingParameter"),
    ({"Protocol": "1", "IcmpTypeCode": {"Type": 256, "Code": 0}}, "InvalidParameterValue"),
    ({"Protocol": "256"}, "InvalidParameterValue"),
    ({"Protocol": "-2"}, "InvalidParameterValue"),
    ({"Protocol": "ipx"}, "InvalidParameterValue"),
    ({"RuleAction": "reject"}, "InvalidParameterValue"),
    ({"CidrBlock": "10.0.0.0"}, "InvalidParameterValue"),
    ({"CidrBlock": "2001:db8::/32"}, "InvalidParameterValue"),
    ({"Ipv6CidrBlock": "::/0"}, "InvalidParameterCombination"),
])
def test_malformed_entry(ec2, acl, params, code):
    assert error_code(add, ec2=ec2, acl=acl, **params) == code
    assert entries(ec2, acl) == []


def test_entry_needs_a_cidr(ec2, acl):
    given = dict(NetworkAclId=acl, RuleNumber=1, Egress=False, Protocol="-1", RuleAction="allow")
    assert error_code(ec2.create_network_acl_entry, **given) == "MissingParameter"
    assert error_code(ec2.create_network_acl_entry, Ipv6CidrBlock="10.0.0.0/8", **given) == "InvalidParameterValue"


@pytest.mark.parametrize("number", [0, -1, 32767, 32768, 65535])
def test_numbers_go_from_1_to_32766(ec2, acl, number):
    expected = f"Value ({number}) for parameter ruleNumber is invalid. Rulenumber must be in range 1..32766"
    for call in (lambda **_: add(ec2, acl, number),
                 lambda **_: ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=number, Egress=False)):
        assert error(call)[:2] == ("InvalidParameterValue", expected)


def test_number_is_unique_in_its_direction(ec2, acl):
    add(ec2, acl, 100)
    add(ec2, acl, 100, True)
    assert error(add, ec2=ec2, acl=acl, RuleAction="deny")[:2] == (
        "NetworkAclEntryAlreadyExists", "The network acl entry identified by 100 already exists.")
    # also between the families
    assert error_code(ec2.create_network_acl_entry, NetworkAclId=acl, RuleNumber=100, Egress=False, Protocol="-1",
                      RuleAction="allow", Ipv6CidrBlock="::/0") == "NetworkAclEntryAlreadyExists"


def test_replaced_entry_keeps_nothing_of_the_old_one(ec2, acl):
    add(ec2, acl, 100, **TCP_443)
    ec2.replace_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False, Protocol="1", RuleAction="deny",
                                  Ipv6CidrBlock="::/0")
    assert entry(ec2, acl) == {"RuleNumber": 100, "Egress": False, "RuleAction": "deny", "Protocol": "1",
                               "Ipv6CidrBlock": "::/0"}


def test_what_is_not_there_cannot_be_replaced_or_deleted(ec2, acl):
    add(ec2, acl, 100)
    assert error(ec2.replace_network_acl_entry, NetworkAclId=acl, RuleNumber=100, Egress=True, Protocol="-1",
                 RuleAction="allow", CidrBlock="0.0.0.0/0")[:2] == (
                     "InvalidNetworkAclEntry.NotFound", "no egress entry with number 100")
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    assert error(ec2.delete_network_acl_entry, NetworkAclId=acl, RuleNumber=100, Egress=False)[:2] == (
        "InvalidNetworkAclEntry.NotFound", "no ingress entry with number 100")
    assert entries(ec2, acl) == []


def test_forty_entries_a_direction_and_family(ec2, acl):
    # "Amazon VPC quotas": at most 40, the last rule among them, counted for each direction and family.
    for number in range(1, 40):
        add(ec2, acl, number)
    assert error_code(add, ec2=ec2, acl=acl, number=40) == "NetworkAclEntryLimitExceeded"
    add(ec2, acl, 40, True)
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=40, Egress=False, Protocol="-1", RuleAction="allow",
                                 Ipv6CidrBlock="::/0")
    assert error_code(ec2.replace_network_acl_entry, NetworkAclId=acl, RuleNumber=40, Egress=False, Protocol="-1",
                      RuleAction="allow", CidrBlock="0.0.0.0/0") == "NetworkAclEntryLimitExceeded"
    ec2.replace_network_acl_entry(NetworkAclId=acl, RuleNumber=39, Egress=False, Protocol="-1", RuleAction="deny",
                                  CidrBlock="0.0.0.0/0")
    assert len(entries(ec2, acl)) == 40


def test_200_acls_a_vpc(ec2, vpc):
    for _ in range(199):
        make_acl(ec2, vpc)
    assert error_code(ec2.create_network_acl, VpcId=vpc) == "NetworkAclLimitExceeded"


def test_entries_of_the_default_acl_can_be_changed(ec2, vpc):
    acl = default_acl(ec2, vpc)["NetworkAclId"]
    ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=100, Egress=False)
    assert entries(ec2, acl) == []
    add(ec2, acl, 100, **TCP_443)
    assert entry(ec2, acl)["PortRange"] == {"From": 443, "To": 443}


def test_default_acl_cannot_be_deleted(ec2, vpc):
    acl = default_acl(ec2, vpc)["NetworkAclId"]
    assert error(ec2.delete_network_acl, NetworkAclId=acl)[:2] == (
        "InvalidParameterValue", f"cannot delete default network ACL {acl}")


def test_subnet_moves_between_acls(ec2, vpc, acl):
    subnet = make_subnet(ec2, vpc)
    default = default_acl(ec2, vpc)
    (association,) = default["Associations"]
    assert association == {"NetworkAclAssociationId": association["NetworkAclAssociationId"],
                           "NetworkAclId": default["NetworkAclId"], "SubnetId": subnet}
    new = ec2.replace_network_acl_association(AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl)
    assert re.fullmatch("aclassoc-[0-9a-f]{17}", new["NewAssociationId"])
    assert describe(ec2, acl)["Associations"] == [
        {"NetworkAclAssociationId": new["NewAssociationId"], "NetworkAclId": acl, "SubnetId": subnet}]
    assert default_acl(ec2, vpc)["Associations"] == []
    # the old association is no more
    assert error_code(ec2.replace_network_acl_association, NetworkAclId=default["NetworkAclId"],
                      AssociationId=association["NetworkAclAssociationId"]) == "InvalidAssociationID.NotFound"
    assert error(ec2.delete_network_acl, NetworkAclId=acl)[:2] == (
        "DependencyViolation", f"The networkAcl '{acl}' has dependencies and cannot be deleted.")
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_network_acl(NetworkAclId=acl)
    assert error_code(ec2.describe_network_acls, NetworkAclIds=[acl]) == "InvalidNetworkAclID.NotFound"


def test_association_stays_in_its_vpc_and_account(ec2, other, vpc, acl):
    make_subnet(ec2, vpc)
    association = default_acl(ec2, vpc)["Associations"][0]["NetworkAclAssociationId"]
    elsewhere = make_acl(ec2, make_vpc(ec2))
    assert error_code(ec2.replace_network_acl_association, AssociationId=association,
                      NetworkAclId=elsewhere) == "InvalidParameterValue"
    theirs = make_acl(other.ec2, make_vpc(other.ec2))
    assert error_code(other.ec2.replace_network_acl_association, AssociationId=association,
                      NetworkAclId=theirs) == "InvalidAssociationID.NotFound"
    assert error_code(ec2.replace_network_acl_association, AssociationId=association,
                      NetworkAclId=theirs) == "InvalidNetworkAclID.NotFound"


def test_vpc_with_an_acl_of_its_own_cannot_be_deleted(ec2, vpc, acl):
    assert error_code(ec2.delete_vpc, VpcId=vpc) == "DependencyViolation"
    ec2.delete_network_acl(NetworkAclId=acl)
    ec2.delete_vpc(VpcId=vpc)


def test_filters(ec2, account, vpc, acl):
    subnet = make_subnet(ec2, vpc)
    default = default_acl(ec2, vpc)
    association = default["Associations"][0]["NetworkAclAssociationId"]
    add(ec2, acl, 77, CidrBlock="10.9.0.0/16", RuleAction="deny", Protocol="udp", PortRange={"From": 5000, "To": 5010})
    add(ec2, acl, 78, True, Protocol="1", IcmpTypeCode={"Type": 3, "Code": 4})
    ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=79, Egress=True, Protocol="-1", RuleAction="allow",
                                 Ipv6CidrBlock="2001:db8::/32")
    ec2.create_tags(Resources=[acl], Tags=[{"Key": "Tier", "Value": "web"}])

    def ids(name, *values):
        found = ec2.describe_network_acls(Filters=[{"Name": name, "Values": list(values)},
                                                   {"Name": "vpc-id", "Values": [vpc]}])["NetworkAcls"]
        return {a["NetworkAclId"] for a in found}

    both, mine = {acl, default["NetworkAclId"]}, {acl}
    for name, value in (("association.association-id", association), ("association.subnet-id", subnet),
                        ("association.network-acl-id", default["NetworkAclId"]), ("default", "true")):
        assert ids(name, value) == both - mine, name
    for name, value in (("entry.cidr", "10.9.*"), ("entry.icmp.code", "4"), ("entry.icmp.type", "3"),
                        ("entry.ipv6-cidr", "2001:db8::/32"), ("entry.port-range.from", "5000"),
                        ("entry.port-range.to", "5010"), ("entry.protocol", "udp"), ("entry.protocol", "17"),
                        ("entry.rule-number", "79"), ("network-acl-id", acl), ("tag:Tier", "web"), ("tag-key", "Tier"),
                        ("default", "false")):
        assert ids(name, value) == mine, name
    for name, value in (("entry.egress", "true"), ("entry.rule-action", "deny"), ("owner-id", account.id)):
        assert ids(name, value) == both, name
