# SPDX-License-Identifier: Apache-2.0
"""Managed prefix lists: entries, versions, states (VPC user guide, "Managed prefix lists"; EC2 API reference)."""
import re

import pytest

from conftest import error, error_code, filters


def make_list(ec2, *cidrs, family="IPv4", size=10, name="list", **params):
    return ec2.create_managed_prefix_list(PrefixListName=name, AddressFamily=family, MaxEntries=size,
                                          Entries=[{"Cidr": c} for c in cidrs], **params)["PrefixList"]["PrefixListId"]


def show(ec2, pl):
    return ec2.describe_managed_prefix_lists(PrefixListIds=[pl])["PrefixLists"][0]


def entries(ec2, pl, **params):
    found = ec2.get_managed_prefix_list_entries(PrefixListId=pl, **params)["Entries"]
    return [(e["Cidr"], e["Description"]) if "Description" in e else e["Cidr"] for e in found]


def add(ec2, pl, *cidrs, **params):
    return ec2.modify_managed_prefix_list(PrefixListId=pl, AddEntries=[{"Cidr": c} for c in cidrs], **params)["PrefixList"]


def refused(ec2, pl, **params):
    return error_code(ec2.modify_managed_prefix_list, PrefixListId=pl, **params)


def test_create_answers_in_progress_and_is_complete_at_once(ec2, account):
    made = ec2.create_managed_prefix_list(
        PrefixListName="office", AddressFamily="IPv4", MaxEntries=5,
        Entries=[{"Cidr": "192.0.2.0/24", "Description": "first"}, {"Cidr": "10.0.0.0/8"}],
        TagSpecifications=[{"ResourceType": "prefix-list", "Tags": [{"Key": "a", "Value": "b"}]}])["PrefixList"]
    pl = made["PrefixListId"]
    assert re.fullmatch("pl-[0-9a-f]{17}", pl) and made["State"] == "create-in-progress"
    assert show(ec2, pl) == {
        "PrefixListId": pl, "AddressFamily": "IPv4", "State": "create-complete", "PrefixListName": "office",
        "PrefixListArn": f"arn:aws:ec2:us-east-1:{account.id}:prefix-list/{pl}", "MaxEntries": 5, "Version": 1,
        "Tags": [{"Key": "a", "Value": "b"}], "OwnerId": account.id}
    assert entries(ec2, pl) == ["10.0.0.0/8", ("192.0.2.0/24", "first")]


def test_ipv6(ec2):
    pl = make_list(ec2, "2001:DB8:0::/48", "::/0", family="IPv6")
    assert entries(ec2, pl) == ["::/0", "2001:db8::/48"]


def test_host_bits_are_dropped(ec2):
    assert entries(ec2, make_list(ec2, "10.1.2.3/8")) == ["10.0.0.0/8"]


@pytest.mark.parametrize("name", ["com.amazonaws.us-east-1.s3", "com.amazon.x", "com.aws.x", "n" * 256])
def test_names_that_are_refused(ec2, name):
    assert error_code(make_list, ec2=ec2, name=name) == "InvalidParameterValue"


@pytest.mark.parametrize("name", ["com.amazonaws-probe", "n" * 255, "l\u00edsta"])
def test_allowed_names(ec2, name):
    assert show(ec2, make_list(ec2, name=name))["PrefixListName"] == name


@pytest.mark.parametrize("params", [
    {"size": 0}, {"size": 1001}, {"size": -1}, {"family": "ipv4"}, {"family": "IPv5"},
    {"cidrs": ["::/0"]}, {"cidrs": ["10.0.0.0/8"], "family": "IPv6"}, {"cidrs": ["10.0.0.0"]}, {"cidrs": ["10.0.0.0/33"]},
    {"cidrs": ["10.0.0.0/8", "10.0.0.0/8"]}, {"cidrs": ["10.0.0.0/8", "10.1.0.0/8"]},
    {"cidrs": [f"10.0.{i}.0/24" for i in range(101)], "size": 200},
])
def test_values_that_create_refuses(ec2, params):
    cidrs = params.pop("cidrs", [])
    assert error_code(lambda **p: make_list(ec2, *cidrs, **p), **params) == "InvalidParameterValue"
    assert ec2.describe_managed_prefix_lists()["PrefixLists"] == []


def test_more_entries_than_the_maximum(ec2):
    assert error_code(lambda: make_list(ec2, "10.0.0.0/8", "11.0.0.0/8", size=1)) == "PrefixListMaxEntriesExceeded"
    pl = make_list(ec2, "10.0.0.0/8", size=1)
    assert refused(ec2, pl, AddEntries=[{"Cidr": "11.0.0.0/8"}]) == "PrefixListMaxEntriesExceeded"
    # One out, one in: at no end are there two.
    ec2.modify_managed_prefix_list(PrefixListId=pl, AddEntries=[{"Cidr": "11.0.0.0/8"}], RemoveEntries=[{"Cidr": "10.0.0.0/8"}])
    assert entries(ec2, pl) == ["11.0.0.0/8"]


def test_client_token(ec2):
    token = {"ClientToken": "t"}
    assert make_list(ec2, **token) == make_list(ec2, **token)
    assert error_code(lambda: make_list(ec2, size=11, **token)) == "IdempotentParameterMismatch"


def test_a_change_of_entries_makes_a_version(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    answer = add(ec2, pl, "11.0.0.0/8", CurrentVersion=1)
    assert (answer["State"], answer["Version"]) == ("modify-in-progress", 1)
    assert (show(ec2, pl)["State"], show(ec2, pl)["Version"]) == ("modify-complete", 2)
    ec2.modify_managed_prefix_list(PrefixListId=pl, CurrentVersion=2, RemoveEntries=[{"Cidr": "10.0.0.0/8"}])
    assert [entries(ec2, pl, TargetVersion=v) for v in (1, 2, 3)] == \
        [["10.0.0.0/8"], ["10.0.0.0/8", "11.0.0.0/8"], ["11.0.0.0/8"]]
    assert entries(ec2, pl) == ["11.0.0.0/8"]
    for version in (0, 4):
        assert error_code(ec2.get_managed_prefix_list_entries, PrefixListId=pl,
                          TargetVersion=version) == "InvalidParameterValue"


def test_a_stale_version_is_refused(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    add(ec2, pl, "11.0.0.0/8", CurrentVersion=1)
    code, message, status = error(ec2.modify_managed_prefix_list, PrefixListId=pl, CurrentVersion=1,
                                  AddEntries=[{"Cidr": "12.0.0.0/8"}])
    assert (code, status) == ("PrefixListVersionMismatch", 400)
    assert "prefix list has the incorrect version number" in message  # Terraform looks for it
    assert entries(ec2, pl) == ["10.0.0.0/8", "11.0.0.0/8"]


def test_name_and_size_make_no_version(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    ec2.modify_managed_prefix_list(PrefixListId=pl, PrefixListName="new")
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=20)
    shown = show(ec2, pl)
    assert (shown["PrefixListName"], shown["MaxEntries"], shown["Version"]) == ("new", 20, 1)


def test_modifications_that_are_refused(ec2):
    pl = make_list(ec2, "10.0.0.0/8", "11.0.0.0/8")
    one = [{"Cidr": "12.0.0.0/8"}]
    assert refused(ec2, pl, AddEntries=one, MaxEntries=20) == "InvalidParameterCombination"
    assert refused(ec2, pl, MaxEntries=1) == "InvalidParameterValue"
    assert refused(ec2, pl, MaxEntries=1001) == "InvalidParameterValue"
    assert refused(ec2, pl, PrefixListName="com.aws.x") == "InvalidParameterValue"
    assert refused(ec2, pl) == "MissingParameter"
    assert refused(ec2, pl, AddEntries=one, RemoveEntries=one) == "InvalidParameterValue"
    assert refused(ec2, pl, AddEntries=one + one) == "InvalidParameterValue"
    assert refused(ec2, pl, AddEntries=[{"Cidr": "::/0"}]) == "InvalidParameterValue"
    assert refused(ec2, pl, RemoveEntries=[{"Cidr": f"10.0.{i}.0/24"} for i in range(101)]) == "InvalidParameterValue"
    code, message, _ = error(ec2.modify_managed_prefix_list, PrefixListId=pl, RemoveEntries=one)
    assert code == "InvalidPrefixListModification" and "does not exist." in message  # Terraform looks for it
    assert show(ec2, pl)["Version"] == 1 and entries(ec2, pl) == ["10.0.0.0/8", "11.0.0.0/8"]


def test_entry_that_is_there_gets_the_new_description(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    assert refused(ec2, pl, AddEntries=[{"Cidr": "10.0.0.0/8"}]) == "InvalidPrefixListModification"
    ec2.modify_managed_prefix_list(PrefixListId=pl, AddEntries=[{"Cidr": "10.0.0.0/8", "Description": "d"}])
    assert entries(ec2, pl) == [("10.0.0.0/8", "d")] and entries(ec2, pl, TargetVersion=1) == ["10.0.0.0/8"]


def test_restore(ec2):
    pl = make_list(ec2, "10.0.0.0/8", "11.0.0.0/8")
    ec2.modify_managed_prefix_list(PrefixListId=pl, RemoveEntries=[{"Cidr": "10.0.0.0/8"}])
    restore = {"PrefixListId": pl, "PreviousVersion": 1}
    assert error_code(ec2.restore_managed_prefix_list_version, CurrentVersion=1, **restore) == "PrefixListVersionMismatch"
    answer = ec2.restore_managed_prefix_list_version(CurrentVersion=2, **restore)["PrefixList"]
    assert (answer["State"], answer["Version"]) == ("restore-in-progress", 2)
    assert (show(ec2, pl)["State"], show(ec2, pl)["Version"]) == ("restore-complete", 3)
    assert entries(ec2, pl) == ["10.0.0.0/8", "11.0.0.0/8"] and entries(ec2, pl, TargetVersion=2) == ["11.0.0.0/8"]
    assert error_code(ec2.restore_managed_prefix_list_version, PrefixListId=pl, CurrentVersion=3,
                      PreviousVersion=9) == "InvalidParameterValue"


def test_restore_of_more_than_the_list_may_hold_now(ec2):
    pl = make_list(ec2, "10.0.0.0/8", "11.0.0.0/8")
    ec2.modify_managed_prefix_list(PrefixListId=pl, RemoveEntries=[{"Cidr": "10.0.0.0/8"}])
    ec2.modify_managed_prefix_list(PrefixListId=pl, MaxEntries=1)
    assert error_code(ec2.restore_managed_prefix_list_version, PrefixListId=pl, CurrentVersion=2,
                      PreviousVersion=1) == "PrefixListMaxEntriesExceeded"


def test_history_is_bounded_by_its_entries(ec2):
    pl = make_list(ec2, size=1000)
    for i in range(10):
        add(ec2, pl, *[f"10.{i}.{n}.0/24" for n in range(100)])
    full = show(ec2, pl)["Version"]
    assert len(entries(ec2, pl)) == 1000
    for i in range(22):
        ec2.modify_managed_prefix_list(PrefixListId=pl, AddEntries=[{"Cidr": "10.0.0.0/24", "Description": str(i)}])
    last = full + 22
    assert error_code(ec2.get_managed_prefix_list_entries, PrefixListId=pl, TargetVersion=1) == "InvalidParameterValue"
    assert len(entries(ec2, pl, TargetVersion=last - 20)) == 1000
    assert error_code(ec2.get_managed_prefix_list_entries, PrefixListId=pl, TargetVersion=last - 21) == "InvalidParameterValue"
    ec2.delete_managed_prefix_list(PrefixListId=pl)


def test_delete(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    add(ec2, pl, "11.0.0.0/8")
    assert ec2.delete_managed_prefix_list(PrefixListId=pl)["PrefixList"]["State"] == "delete-in-progress"
    for call in (ec2.delete_managed_prefix_list, ec2.get_managed_prefix_list_entries,
                 ec2.get_managed_prefix_list_associations, ec2.modify_managed_prefix_list):
        assert error_code(call, PrefixListId=pl) == "InvalidPrefixListID.NotFound"
    assert error_code(ec2.describe_managed_prefix_lists, PrefixListIds=[pl]) == "InvalidPrefixListID.NotFound"
    assert error_code(ec2.describe_managed_prefix_lists, PrefixListIds=["vpc-1"]) == "InvalidPrefixListId.Malformed"


def test_a_hundred_lists(ec2):
    for i in range(100):
        make_list(ec2, name=f"l{i}")
    assert error_code(lambda: make_list(ec2)) == "PrefixListLimitExceeded"


def test_another_account_does_not_see_it(ec2, other):
    pl = make_list(ec2, "10.0.0.0/8")
    assert other.ec2.describe_managed_prefix_lists()["PrefixLists"] == []
    for call, params in ((other.ec2.describe_managed_prefix_lists, {"PrefixListIds": [pl]}),
                         (other.ec2.get_managed_prefix_list_entries, {"PrefixListId": pl}),
                         (other.ec2.modify_managed_prefix_list, {"PrefixListId": pl, "PrefixListName": "x"}),
                         (other.ec2.delete_managed_prefix_list, {"PrefixListId": pl})):
        assert error_code(call, **params) == "InvalidPrefixListID.NotFound"


def test_filters(ec2, account):
    pl = make_list(ec2, name="one")
    make_list(ec2, name="two")
    for name, value in (("prefix-list-id", pl), ("prefix-list-name", "one"), ("prefix-list-name", "o?e")):
        found = ec2.describe_managed_prefix_lists(Filters=[{"Name": name, "Values": [value]}])["PrefixLists"]
        assert [p["PrefixListId"] for p in found] == [pl]
    assert len(ec2.describe_managed_prefix_lists(Filters=filters(owner_id=account.id))["PrefixLists"]) == 2
    assert error_code(ec2.describe_managed_prefix_lists, Filters=filters(nonsense="x")) == "InvalidParameterValue"


def test_there_are_no_lists_of_services(ec2):
    """Terraform and the CLI ask for com.amazonaws.REGION.s3: there is no such service to reach."""
    make_list(ec2, "10.0.0.0/8")
    name = filters(prefix_list_name="com.amazonaws.us-east-1.s3")
    assert ec2.describe_managed_prefix_lists(Filters=filters(owner_id="AWS"))["PrefixLists"] == []
    assert ec2.describe_managed_prefix_lists(Filters=name)["PrefixLists"] == []
    assert ec2.describe_prefix_lists(Filters=name)["PrefixLists"] == []
    assert ec2.describe_prefix_lists()["PrefixLists"] == []
    assert error_code(ec2.describe_prefix_lists, PrefixListIds=["pl-63a5400a"]) == "InvalidPrefixListID.NotFound"


def test_pages(ec2):
    made = sorted(make_list(ec2, name=f"l{i}") for i in range(3))
    pages = ec2.get_paginator("describe_managed_prefix_lists").paginate(PaginationConfig={"PageSize": 1})
    assert [[p["PrefixListId"] for p in page["PrefixLists"]] for page in pages] == [[pl] for pl in made]
    pl = make_list(ec2, *[f"{i}.0.0.0/8" for i in range(1, 12)], size=20)
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(PrefixListId=pl, PaginationConfig={"PageSize": 4})
    assert [len(page["Entries"]) for page in pages] == [4, 4, 3]
    for call, most, params in ((ec2.describe_managed_prefix_lists, 100, {}),
                               (ec2.get_managed_prefix_list_entries, 100, {"PrefixListId": pl})):
        assert error_code(call, MaxResults=most + 1, **params) == "InvalidParameterValue"


def test_dry_run_changes_nothing(ec2):
    pl = make_list(ec2, "10.0.0.0/8")
    for call, params in ((ec2.modify_managed_prefix_list, {"PrefixListName": "x"}), (ec2.delete_managed_prefix_list, {}),
                         (ec2.restore_managed_prefix_list_version, {"PreviousVersion": 1, "CurrentVersion": 1})):
        assert error_code(call, PrefixListId=pl, DryRun=True, **params) == "DryRunOperation"
    assert show(ec2, pl)["State"] == "create-complete"


def test_tags(ec2):
    pl = make_list(ec2)
    ec2.create_tags(Resources=[pl], Tags=[{"Key": "k", "Value": "v"}])
    assert show(ec2, pl)["Tags"] == [{"Key": "k", "Value": "v"}]
    (tag,) = ec2.describe_tags(Filters=filters(resource_id=pl))["Tags"]
    assert tag["ResourceType"] == "prefix-list"
