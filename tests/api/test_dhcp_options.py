# SPDX-License-Identifier: Apache-2.0
"""Sets of DHCP options (VPC user guide, "DHCP option sets"; EC2 API reference, CreateDhcpOptions)."""
import re

import pytest

from conftest import error, error_code, filters, make_vpc


def make(ec2, **options):
    configurations = [{"Key": key.replace("_", "-"), "Values": v if isinstance(v, list) else [v]}
                      for key, v in options.items()]
    return ec2.create_dhcp_options(DhcpConfigurations=configurations)["DhcpOptions"]


def shown(options):
    return {c["Key"]: [v["Value"] for v in c["Values"]] for c in options["DhcpConfigurations"]}


def of_vpc(ec2, vpc):
    return ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"]


@pytest.mark.parametrize("region, domain", [("us-east-1", "ec2.internal"), ("eu-west-1", "eu-west-1.compute.internal")])
def test_region_has_a_default_set(account, region, domain):
    (options,) = account.client("ec2", region).describe_dhcp_options()["DhcpOptions"]
    assert shown(options) == {"domain-name": [domain], "domain-name-servers": ["AmazonProvidedDNS"]}
    assert options["OwnerId"] == account.id


def test_new_vpc_gets_the_default_set_whatever_else_there_is(ec2):
    (default,) = ec2.describe_dhcp_options()["DhcpOptions"]
    for _ in range(10):
        make(ec2, domain_name="example.com")
    assert of_vpc(ec2, make_vpc(ec2)) == default["DhcpOptionsId"]


def test_all_options(ec2, account):
    given = {"domain-name": ["example.com"], "domain-name-servers": ["10.2.5.1", "AmazonProvidedDNS", "2001:db8::53"],
             "ntp-servers": ["169.254.169.123", "fd00:ec2::123"], "netbios-name-servers": ["10.2.5.1", "10.2.5.2"],
             "netbios-node-type": ["2"], "ipv6-address-preferred-lease-time": ["140"]}
    made = make(ec2, **given)
    assert re.fullmatch("dopt-[0-9a-f]{17}", made["DhcpOptionsId"])
    assert made["OwnerId"] == account.id
    assert shown(made) == given
    (described,) = ec2.describe_dhcp_options(DhcpOptionsIds=[made["DhcpOptionsId"]])["DhcpOptions"]
    assert described == {"Tags": [], **made}


def test_addresses_may_stand_in_one_value(ec2):
    assert shown(make(ec2, domain_name_servers="10.2.5.1,10.2.5.2")) == {
        "domain-name-servers": ["10.2.5.1", "10.2.5.2"]}


def test_tags(ec2):
    made = ec2.create_dhcp_options(DhcpConfigurations=[{"Key": "domain-name", "Values": ["x.example"]}],
                                   TagSpecifications=[{"ResourceType": "dhcp-options",
                                                       "Tags": [{"Key": "Name", "Value": "x"}]}])["DhcpOptions"]
    assert made["Tags"] == [{"Key": "Name", "Value": "x"}]


@pytest.mark.parametrize("key, values", [
    ("domain-name", ["a.example", "b.example"]),
    ("domain-name", [""]),
    ("domain-name", ["a;b"]),
    ("domain-name-servers", ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]),
    ("domain-name-servers", [f"2001:db8::{n}" for n in range(5)]),
    ("domain-name-servers", ["example.com"]),
    ("ntp-servers", [f"10.0.0.{n}" for n in range(5)]),
    ("ntp-servers", ["AmazonProvidedDNS"]),
    ("netbios-name-servers", [f"10.0.0.{n}" for n in range(5)]),
    ("netbios-name-servers", ["2001:db8::1"]),
    ("netbios-node-type", ["3"]),
    ("netbios-node-type", ["2", "4"]),
    ("ipv6-address-preferred-lease-time", ["139"]),
    ("ipv6-address-preferred-lease-time", ["2147483648"]),
    ("ipv6-address-preferred-lease-time", ["long"]),
    ("router", ["10.0.0.1"]),
])
def test_value_that_an_option_cannot_have(ec2, key, values):
    assert error_code(make, ec2=ec2, **{key: values}) == "InvalidParameterValue"


def test_what_is_missing_or_there_twice(ec2):
    assert error_code(ec2.create_dhcp_options, DhcpConfigurations=[]) == "MissingParameter"
    assert error_code(ec2.create_dhcp_options, DhcpConfigurations=[{"Key": "domain-name"}]) == "MissingParameter"
    twice = [{"Key": "domain-name", "Values": ["a.example"]}] * 2
    assert error_code(ec2.create_dhcp_options, DhcpConfigurations=twice) == "InvalidParameterValue"


def test_set_in_use_cannot_be_deleted(ec2, vpc):
    options = make(ec2, domain_name="example.com")["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc)
    assert of_vpc(ec2, vpc) == options
    assert ec2.describe_vpcs(Filters=filters(dhcp_options_id=options))["Vpcs"][0]["VpcId"] == vpc
    assert error(ec2.delete_dhcp_options, DhcpOptionsId=options)[:2] == (
        "DependencyViolation", f"The dhcpOptions '{options}' has dependencies and cannot be deleted.")
    # "default": none of its own
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc)
    assert of_vpc(ec2, vpc) == "default"
    ec2.delete_dhcp_options(DhcpOptionsId=options)
    assert error_code(ec2.describe_dhcp_options, DhcpOptionsIds=[options]) == "InvalidDhcpOptionID.NotFound"


def test_set_goes_free_with_its_vpc(ec2, vpc):
    options = make(ec2, domain_name="example.com")["DhcpOptionsId"]
    ec2.associate_dhcp_options(DhcpOptionsId=options, VpcId=vpc)
    ec2.delete_vpc(VpcId=vpc)
    ec2.delete_dhcp_options(DhcpOptionsId=options)


def test_default_set_comes_back_when_a_vpc_needs_it(ec2):
    (default,) = ec2.describe_dhcp_options()["DhcpOptions"]
    assert error_code(ec2.delete_dhcp_options, DhcpOptionsId=default["DhcpOptionsId"]) == "DependencyViolation"
    for vpc in ec2.describe_vpcs()["Vpcs"]:
        ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc["VpcId"])
    ec2.delete_dhcp_options(DhcpOptionsId=default["DhcpOptionsId"])
    vpc = make_vpc(ec2)
    (again,) = ec2.describe_dhcp_options()["DhcpOptions"]
    assert of_vpc(ec2, vpc) == again["DhcpOptionsId"] and shown(again) == shown(default)


def test_ids_that_are_not_there(ec2, other, vpc):
    theirs = make(other.ec2, domain_name="example.com")["DhcpOptionsId"]
    for missing in ("dopt-0123456789abcdef0", theirs):
        assert error_code(ec2.associate_dhcp_options, DhcpOptionsId=missing, VpcId=vpc) == "InvalidDhcpOptionID.NotFound"
        # this call has a code of its own for the same
        assert error_code(ec2.delete_dhcp_options, DhcpOptionsId=missing) == "InvalidDhcpOptionsID.NotFound"
    assert error_code(ec2.delete_dhcp_options, DhcpOptionsId="vpc-1") == "InvalidDhcpOptionsId.Malformed"
    mine = make(ec2, domain_name="example.com")["DhcpOptionsId"]
    assert error_code(ec2.associate_dhcp_options, DhcpOptionsId=mine,
                      VpcId="vpc-0123456789abcdef0") == "InvalidVpcID.NotFound"


def test_filters(ec2, account):
    options = make(ec2, domain_name="example.com", ntp_servers=["10.0.0.9"])["DhcpOptionsId"]
    ec2.create_tags(Resources=[options], Tags=[{"Key": "Name", "Value": "x"}])
    for name, value in (("dhcp-options-id", options), ("key", "ntp-*"), ("value", "example.com"), ("value", "10.0.0.?"),
                        ("tag:Name", "x"), ("tag-key", "Name")):
        found = ec2.describe_dhcp_options(Filters=[{"Name": name, "Values": [value]}])["DhcpOptions"]
        assert [o["DhcpOptionsId"] for o in found] == [options], name
    assert len(ec2.describe_dhcp_options(Filters=filters(owner_id=account.id))["DhcpOptions"]) == 2
