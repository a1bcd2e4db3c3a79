# SPDX-License-Identifier: Apache-2.0
"""Reservations of a subnet's addresses (VPC user guide, "Subnet CIDR reservations")."""
import ipaddress
import itertools
import re

import pytest

from conftest import error_code, make_subnet
from net import Net

MISSING = "InvalidSubnetCidrReservationID.NotFound"


def reserve(ec2, subnet, cidr, kind="explicit", **params):
    return ec2.create_subnet_cidr_reservation(SubnetId=subnet, Cidr=cidr, ReservationType=kind,
                                              **params)["SubnetCidrReservation"]


def reservations(ec2, subnet, **params):
    answer = ec2.get_subnet_cidr_reservations(SubnetId=subnet, **params)
    return answer["SubnetIpv4CidrReservations"], answer["SubnetIpv6CidrReservations"]


@pytest.fixture
def net(ec2):
    return Net(ec2, subnet="10.0.0.0/27", ipv6=True)


def test_reservation_shows_what_it_was_made_of(ec2, account, net):
    made = reserve(ec2, net.subnet, "10.0.0.16/28", "prefix", Description="for pods", TagSpecifications=[
        {"ResourceType": "subnet-cidr-reservation", "Tags": [{"Key": "Name", "Value": "x"}]}])
    assert re.fullmatch("scr-[0-9a-f]{17}", made.pop("SubnetCidrReservationId"))
    assert made == {"SubnetId": net.subnet, "Cidr": "10.0.0.16/28", "ReservationType": "prefix", "OwnerId": account.id,
                    "Description": "for pods", "Tags": [{"Key": "Name", "Value": "x"}]}


def test_families_are_shown_apart(ec2, net):
    four = reserve(ec2, net.subnet, "10.0.0.16/28")
    six = reserve(ec2, net.subnet, net.cidr6.replace("::/64", ":1::/80"), "prefix")
    assert [[r["SubnetCidrReservationId"] for r in family] for family in reservations(ec2, net.subnet)] == [
        [four["SubnetCidrReservationId"]], [six["SubnetCidrReservationId"]]]


def test_automatic_addresses_keep_away(ec2, net):
    reserve(ec2, net.subnet, "10.0.0.16/28", "prefix")
    reserve(ec2, net.subnet, "10.0.0.12/30")
    free = 8  # of the rest, without the first four
    given = {net.eni()["PrivateIpAddress"] for _ in range(free)}
    assert given == {str(ipaddress.ip_address("10.0.0.4") + n) for n in range(free)}
    assert error_code(net.eni) == "InsufficientFreeAddressesInSubnet"
    # who names an address may have it
    assert net.eni(PrivateIpAddress="10.0.0.12")["PrivateIpAddress"] == "10.0.0.12"


def test_automatic_prefixes_come_from_reservations_first(ec2):
    net = Net(ec2, subnet="10.0.0.0/24", ipv6=True)
    reserve(ec2, net.subnet, "10.0.0.64/27", "prefix")
    reserve(ec2, net.subnet, "10.0.0.128/25")
    six = net.cidr6.replace("::/64", ":7::/80")
    reserve(ec2, net.subnet, six, "prefix")

    primary = itertools.count(200)

    def prefixes(n):
        return [net.eni(PrivateIpAddress=f"10.0.0.{next(primary)}", Ipv4PrefixCount=1)["Ipv4Prefixes"][0]["Ipv4Prefix"]
                for _ in range(n)]

    assert set(prefixes(2)) == {"10.0.0.64/28", "10.0.0.80/28"}
    assert set(prefixes(5)) == {f"10.0.0.{n}/28" for n in (16, 32, 48, 96, 112)}
    assert error_code(prefixes, n=1) == "InsufficientCidrBlocks"
    assert net.eni(Ipv6PrefixCount=1)["Ipv6Prefixes"] == [{"Ipv6Prefix": six}]
    # who names a prefix may have it
    assert net.eni(Ipv4Prefixes=[{"Ipv4Prefix": "10.0.0.128/28"}])["Ipv4Prefixes"] == [{"Ipv4Prefix": "10.0.0.128/28"}]


def test_half_of_an_ipv6_prefix_may_be_reserved(ec2, net):
    half = net.cidr6.replace("::/64", ":8000::/65")
    reserve(ec2, net.subnet, half)
    for _ in range(8):
        (address,) = net.eni(Ipv6AddressCount=1)["Ipv6Addresses"]
        assert ipaddress.ip_address(address["Ipv6Address"]) not in ipaddress.ip_network(half)


def test_addresses_are_given_out_again_once_the_reservation_is_gone(ec2, net):
    made = reserve(ec2, net.subnet, "10.0.0.0/27")
    assert error_code(net.eni) == "InsufficientFreeAddressesInSubnet"
    deleted = ec2.delete_subnet_cidr_reservation(SubnetCidrReservationId=made["SubnetCidrReservationId"])
    assert deleted["DeletedSubnetCidrReservation"] == {"Tags": [], **made}
    assert net.eni()
    assert error_code(ec2.delete_subnet_cidr_reservation,
                      SubnetCidrReservationId=made["SubnetCidrReservationId"]) == MISSING


def test_whole_ipv6_prefix_may_be_reserved(ec2, net):
    """Looking for a free address must end."""
    reserve(ec2, net.subnet, net.cidr6)
    assert error_code(net.eni, Ipv6AddressCount=1) == "InsufficientFreeAddressesInSubnet"
    wanted = net.cidr6.replace("/64", "77")
    assert net.eni(Ipv6Addresses=[{"Ipv6Address": wanted}])["Ipv6Addresses"][0]["Ipv6Address"] == wanted


def test_used_addresses_may_be_reserved(ec2, net):
    eni = net.eni(PrivateIpAddress="10.0.0.20")
    reserve(ec2, net.subnet, "10.0.0.16/28")
    assert ec2.describe_network_interfaces(NetworkInterfaceIds=[eni["NetworkInterfaceId"]])["NetworkInterfaces"]


def test_reservations_of_a_subnet_do_not_overlap(ec2, net):
    reserve(ec2, net.subnet, "10.0.0.16/28")
    for cidr in ("10.0.0.16/28", "10.0.0.20/32", "10.0.0.0/27"):
        assert error_code(reserve, ec2=ec2, subnet=net.subnet, cidr=cidr) == "InvalidParameterValue"
    reserve(ec2, net.subnet, "10.0.0.12/30")


@pytest.mark.parametrize("cidr, kind", [
    ("10.0.1.0/28", "explicit"), ("10.0.0.0/24", "explicit"), ("2001:db8::/80", "prefix"), ("10.0.0.16", "explicit"),
    ("10.0.0.16/29", "prefix"), ("10.0.0.16/28", "magic")])
def test_malformed_reservation(ec2, net, cidr, kind):
    assert error_code(reserve, ec2=ec2, subnet=net.subnet, cidr=cidr, kind=kind) == "InvalidParameterValue"


def test_goes_with_its_subnet(ec2, vpc):
    subnet = make_subnet(ec2, vpc)
    made = reserve(ec2, subnet, "10.0.1.16/28")["SubnetCidrReservationId"]
    ec2.delete_subnet(SubnetId=subnet)
    assert error_code(ec2.delete_subnet_cidr_reservation, SubnetCidrReservationId=made) == MISSING


def test_pages_and_filters(ec2, net):
    made = {reserve(ec2, net.subnet, f"10.0.0.{n}/32")["SubnetCidrReservationId"] for n in range(8, 15)}
    prefix = reserve(ec2, net.subnet, "10.0.0.16/28", "prefix")["SubnetCidrReservationId"]
    ec2.create_tags(Resources=[prefix], Tags=[{"Key": "Name", "Value": "x"}])
    seen, token = [], {}
    while True:
        answer = ec2.get_subnet_cidr_reservations(SubnetId=net.subnet, MaxResults=5, **token)
        seen += [r["SubnetCidrReservationId"] for r in answer["SubnetIpv4CidrReservations"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert len(seen) == 8 and set(seen) == made | {prefix}
    for name, value in (("reservationType", "prefix"), ("tag:Name", "x"), ("tag-key", "Name")):
        found, _ = reservations(ec2, net.subnet, Filters=[{"Name": name, "Values": [value]}])
        assert [r["SubnetCidrReservationId"] for r in found] == [prefix], name
    found, _ = reservations(ec2, net.subnet, Filters=[{"Name": "subnet-id", "Values": [net.subnet]}])
    assert len(found) == 8


def test_other_accounts_see_none(ec2, other, net):
    made = reserve(ec2, net.subnet, "10.0.0.16/28")["SubnetCidrReservationId"]
    assert error_code(other.ec2.get_subnet_cidr_reservations, SubnetId=net.subnet) == "InvalidSubnetID.NotFound"
    assert error_code(other.ec2.delete_subnet_cidr_reservation, SubnetCidrReservationId=made) == MISSING
