# SPDX-License-Identifier: Apache-2.0
"""Elastic IPs that change accounts, and their reverse names.

    account --(offers)--> other
"""
import datetime

import pytest
from conftest import error, error_code
from net import Net


@pytest.fixture
def eip(ec2, other):
    """Released by whoever has it in the end."""
    address = ec2.allocate_address(Domain="vpc")
    yield address
    for client in (ec2, other.ec2):
        for seen in client.describe_addresses(PublicIps=[])["Addresses"]:
            if seen["PublicIp"] == address["PublicIp"]:
                if "AssociationId" in seen:
                    client.disassociate_address(AssociationId=seen["AssociationId"])
                client.release_address(AllocationId=seen["AllocationId"])


def offer(ec2, eip, account):
    return ec2.enable_address_transfer(AllocationId=eip["AllocationId"], TransferAccountId=account)["AddressTransfer"]


def transfers(ec2, **params):
    return ec2.describe_address_transfers(**params)["AddressTransfers"]


def test_offered_and_accepted(ec2, eip, account, other):
    ec2.create_tags(Resources=[eip["AllocationId"]], Tags=[{"Key": "of", "Value": "source"}])
    made = offer(ec2, eip, other.id)
    assert (made["PublicIp"], made["AllocationId"], made["TransferAccountId"], made["AddressTransferStatus"]) == \
        (eip["PublicIp"], eip["AllocationId"], other.id, "pending")
    week = made["TransferOfferExpirationTimestamp"] - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(days=6, hours=23) < week <= datetime.timedelta(days=7)
    assert transfers(ec2) == [made] and transfers(ec2, AllocationIds=[eip["AllocationId"]]) == [made]
    assert transfers(other.ec2) == []
    taken = other.ec2.accept_address_transfer(Address=eip["PublicIp"], TagSpecifications=[
        {"ResourceType": "elastic-ip", "Tags": [{"Key": "of", "Value": "mine"}]}])["AddressTransfer"]
    assert taken["AddressTransferStatus"] == "accepted" and "TransferOfferAcceptedTimestamp" in taken
    assert error_code(ec2.describe_addresses, AllocationIds=[eip["AllocationId"]]) == "InvalidAllocationID.NotFound"
    seen = other.ec2.describe_addresses(AllocationIds=[eip["AllocationId"]])["Addresses"][0]
    assert seen["PublicIp"] == eip["PublicIp"] and seen["Tags"] == [{"Key": "of", "Value": "mine"}]
    assert transfers(ec2) == [taken] and transfers(other.ec2) == []
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidAddress.NotFound"


def test_taken_address_works(eip, ec2, other):
    offer(ec2, eip, other.id)
    other.ec2.accept_address_transfer(Address=eip["PublicIp"])
    net = Net(other.ec2, gateway=True)
    other.ec2.associate_address(AllocationId=eip["AllocationId"], NetworkInterfaceId=net.eni()["NetworkInterfaceId"])


def test_withdrawn(ec2, eip, other):
    offer(ec2, eip, other.id)
    assert ec2.disable_address_transfer(AllocationId=eip["AllocationId"])["AddressTransfer"][
        "AddressTransferStatus"] == "disabled"
    assert transfers(ec2) == []
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidAddress.NotFound"
    assert error_code(ec2.disable_address_transfer, AllocationId=eip["AllocationId"]) == "InvalidParameterValue"


def test_only_whom_it_was_offered_to(ec2, eip, account, other):
    offer(ec2, eip, "123456789012")
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidAddress.NotFound"
    assert error_code(ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidAddress.NotFound"
    assert error_code(offer, ec2=ec2, eip=eip, account=other.id) == "InvalidParameterValue"
    assert error_code(offer, ec2=ec2, eip=eip, account="4711") == "InvalidUserID.Malformed"
    ec2.disable_address_transfer(AllocationId=eip["AllocationId"])
    assert error_code(offer, ec2=ec2, eip=eip, account=account.id) == "InvalidParameterValue"
    assert error_code(other.ec2.enable_address_transfer, AllocationId=eip["AllocationId"],
                      TransferAccountId=account.id) == "InvalidAllocationID.NotFound"


def test_an_offer_is_of_its_region(ec2, eip, other):
    offer(ec2, eip, other.id)
    assert error_code(other.client("ec2", "eu-west-1").accept_address_transfer, Address=eip["PublicIp"]) == \
        "InvalidAddress.NotFound"


def test_what_stands_in_the_way(ec2, eip, other):
    net = Net(ec2, gateway=True)
    association = ec2.associate_address(AllocationId=eip["AllocationId"],
                                        NetworkInterfaceId=net.eni()["NetworkInterfaceId"])["AssociationId"]
    offer(ec2, eip, other.id)
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidTransfer.AddressAssociated"
    ec2.disassociate_address(AssociationId=association)
    ec2.modify_address_attribute(AllocationId=eip["AllocationId"], DomainName="mail.example.com")
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == \
        "InvalidTransfer.AddressCustomPtrSet"
    ec2.reset_address_attribute(AllocationId=eip["AllocationId"], Attribute="domain-name")
    other.ec2.accept_address_transfer(Address=eip["PublicIp"])


def test_release_ends_an_offer(ec2, other):
    eip = ec2.allocate_address(Domain="vpc")
    offer(ec2, eip, other.id)
    ec2.release_address(AllocationId=eip["AllocationId"])
    assert transfers(ec2) == []
    assert error_code(other.ec2.accept_address_transfer, Address=eip["PublicIp"]) == "InvalidAddress.NotFound"


def test_reverse_name(ec2, eip):
    def shown():
        return ec2.describe_addresses_attribute(AllocationIds=[eip["AllocationId"]],
                                                Attribute="domain-name")["Addresses"]

    bare = {"PublicIp": eip["PublicIp"], "AllocationId": eip["AllocationId"]}
    assert shown() == [bare]
    named = ec2.modify_address_attribute(AllocationId=eip["AllocationId"], DomainName="mail.example.com")["Address"]
    assert named == {**bare, "PtrRecord": "mail.example.com."} and shown() == [named]
    assert ec2.reset_address_attribute(AllocationId=eip["AllocationId"], Attribute="domain-name")["Address"] == bare
    for bad in ("mail", "-a.example.com", "a..example.com", "a b.example.com", "a.example.com-"):
        assert error_code(ec2.modify_address_attribute, AllocationId=eip["AllocationId"], DomainName=bad) == \
            "InvalidParameterValue"


def test_pools_that_are_not_there(ec2):
    assert error_code(ec2.allocate_address, CustomerOwnedIpv4Pool="ipv4pool-coip-1") == "UnsupportedOperation"
    assert error_code(ec2.allocate_address, PublicIpv4Pool="ipv4pool-ec2-1") == "InvalidPublicIpv4PoolID.NotFound"


def test_what_is_not_there_is_an_allocation(ec2):
    code, message, _ = error(ec2.describe_address_transfers, AllocationIds=["eipalloc-0123456789abcdef0"])
    assert code == "InvalidAllocationID.NotFound" and message == "The allocation ID 'eipalloc-0123456789abcdef0' does not exist"
