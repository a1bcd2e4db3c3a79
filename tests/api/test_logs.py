# SPDX-License-Identifier: Apache-2.0
"""Log groups over CloudWatch Logs' API: groups, streams, events, filters, tags, limits, and who may see what."""
import json
import os
import re
import subprocess
import time

import botocore.session
import pytest
from botocore.exceptions import ClientError
from conftest import BUILD, Account, Vpcd, error, error_code
from test_model import DUMP

MODEL = botocore.session.get_session().get_service_model("logs")
DAY = 86400000


def now():
    return int(time.time() * 1000)


@pytest.fixture
def logs(account):
    return account.client("logs", parameter_validation=False)


@pytest.fixture
def group(logs):
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    return "g"


def put(logs, *messages, stream="s", group="g", at=None, step=1):
    at = now() - 60000 if at is None else at
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=[
        {"timestamp": at + i * step, "message": m} for i, m in enumerate(messages)])


def get(logs, **what):
    answer = logs.get_log_events(logGroupName="g", logStreamName="s", **what)
    return [e["message"] for e in answer["events"]], answer["nextForwardToken"], answer["nextBackwardToken"]


def filtered(logs, **what):
    """All pages."""
    messages = []
    while True:
        answer = logs.filter_log_events(logGroupName="g", **what)
        messages += [e["message"] for e in answer["events"]]
        if "nextToken" not in answer:
            return messages
        what["nextToken"] = answer["nextToken"]


# ---- the tables ----

@pytest.mark.parametrize("action", sorted(DUMP["logs"]))
def test_members_are_those_of_the_model(action):
    """Names, types, bounds, patterns and what is required, against the model that clients are made from."""
    types = {"string": "string", "integer": "integer", "long": "integer", "boolean": "boolean", "map": "map"}
    shape = MODEL.operation_model(action).input_shape
    for name, row in DUMP["logs"][action].items():
        member = shape.members[name]
        known = member.member if member.type_name == "list" else member
        if member.type_name == "list":
            assert row["type"] == ("events" if name == "logEvents" else "strings")
            assert row["items"] == member.metadata.get("max", 50)
        else:
            assert row["type"] == types[member.type_name]
        if row["type"] in ("string", "strings") and "max" in known.metadata:
            assert row["max"] == known.metadata["max"], name
        if row["type"] == "integer" and "max" in known.metadata:
            assert row["max"] == known.metadata["max"], name
        if row["pattern"] and known.type_name == "string":
            assert row["pattern"] == known.metadata["pattern"], name
        # A group may be named by its identifier instead.
        if name != "logGroupName" or "logGroupIdentifier" not in DUMP["logs"][action]:
            assert row["required"] == (name in shape.required_members), name


REFUSED = {
    "CreateLogGroup": {"kmsKeyId"},  # no keys are managed here
    "DescribeLogGroups": {"accountIdentifiers", "includeLinkedAccounts"},  # no accounts are linked
}


@pytest.mark.parametrize("action", sorted(DUMP["logs"]))
def test_other_members_are_refused_by_name(logs, action):
    members = MODEL.operation_model(action).input_shape.members
    assert set(members) - set(DUMP["logs"][action]) == REFUSED.get(action, set())
    for name in REFUSED.get(action, ()):
        call = getattr(logs, botocore.xform_name(action))
        required = {m: "g" for m, row in DUMP["logs"][action].items() if row["required"]}
        code, message, status = error(call, **required, **{name: True if "include" in name else ["1" * 12]
                                                           if "account" in name else "k"})
        assert (code, status) == ("InvalidParameterException", 400) and name in message


# ---- groups ----

def test_groups(logs):
    logs.create_log_group(logGroupName="vpc/flow", tags={"a": "b"})
    before = now()
    logs.create_log_group(logGroupName="vpc/other")
    one, two = logs.describe_log_groups(logGroupNamePrefix="vpc/")["logGroups"]
    account = one["arn"].split(":")[4]
    assert one["logGroupName"] == "vpc/flow" and one["storedBytes"] == 0 and one["metricFilterCount"] == 0
    assert one["arn"] == f"arn:aws:logs:us-east-1:{account}:log-group:vpc/flow:*"
    assert abs(two["creationTime"] - before) < 60000 and "retentionInDays" not in one
    assert error_code(logs.create_log_group, logGroupName="vpc/flow") == "ResourceAlreadyExistsException"
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePattern="othe")["logGroups"]] == ["vpc/other"]
    assert error_code(logs.describe_log_groups, logGroupNamePattern="o", logGroupNamePrefix="o") == "InvalidParameterException"
    logs.delete_log_group(logGroupName="vpc/flow")
    assert error_code(logs.delete_log_group, logGroupName="vpc/flow") == "ResourceNotFoundException"
    logs.create_log_group(logGroupName="vpc/flow")


def test_pages_of_groups_and_streams(logs):
    for i in range(7):
        logs.create_log_group(logGroupName=f"g{i}")
        logs.create_log_stream(logGroupName="g0", logStreamName=f"s{i}")
    for what, name, key in (("describe_log_groups", "logGroupName", {}), ("describe_log_streams", "logStreamName",
                                                                          {"logGroupName": "g0"})):
        pages = list(logs.get_paginator(what).paginate(**key, PaginationConfig={"PageSize": 3}))
        assert [len(next(v for v in p.values() if isinstance(v, list))) for p in pages] == [3, 3, 1]
        found = [row[name] for p in pages for v in p.values() if isinstance(v, list) for row in v]
        assert found == [f"{name[3].lower()}{i}" for i in range(7)]
    assert error_code(logs.describe_log_groups, nextToken="a b") == "InvalidParameterException"
    assert error_code(logs.describe_log_streams, logGroupName="g0", nextToken="x") == "InvalidParameterException"
    assert error_code(logs.describe_log_groups, limit=51) == "InvalidParameterException"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "ü", "x" * 513])
def test_names_of_groups(logs, name):
    code, message, status = error(logs.create_log_group, logGroupName=name)
    assert (code, status) == ("InvalidParameterException", 400) and "logGroupName" in message


def test_streams(logs, group):
    logs.create_log_stream(logGroupName=group, logStreamName="eni-1-all")
    put(logs, "a", "b", stream="eni-1-all", at=now() - 5000)
    assert error_code(logs.create_log_stream, logGroupName=group, logStreamName="s") == "ResourceAlreadyExistsException"
    assert error_code(logs.create_log_stream, logGroupName=group, logStreamName="a:b") == "InvalidParameterException"
    assert error_code(logs.create_log_stream, logGroupName="none", logStreamName="s") == "ResourceNotFoundException"
    streams = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
    assert [s["logStreamName"] for s in streams] == ["eni-1-all", "s"]
    assert streams[0]["lastEventTimestamp"] - streams[0]["firstEventTimestamp"] == 1
    assert "firstEventTimestamp" not in streams[1]
    assert streams[0]["arn"].endswith(":log-group:g:log-stream:eni-1-all")
    assert [s["logStreamName"] for s in logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="eni")["logStreams"]] \
        == ["eni-1-all"]
    assert error_code(logs.describe_log_streams, logGroupName=group, orderBy="LastEventTime", logStreamNamePrefix="e") \
        == "InvalidParameterException"
    assert error_code(logs.describe_log_streams, logGroupName=group, orderBy="Size") == "InvalidParameterException"
    logs.delete_log_stream(logGroupName=group, logStreamName="eni-1-all")
    assert error_code(logs.get_log_events, logGroupName=group, logStreamName="eni-1-all") == "ResourceNotFoundException"
    assert filtered(logs) == []


# ---- events ----

def test_forward_and_backward(logs, group):
    put(logs, *"abcdefg")
    page, forward, backward = get(logs, limit=3)
    assert page == ["e", "f", "g"]  # the latest ones, in their order
    page, _, backward = get(logs, nextToken=backward, limit=3)
    assert page == ["b", "c", "d"]
    page, forward_of_head, backward = get(logs, nextToken=backward, limit=3)
    assert page == ["a"]
    page, _, again = get(logs, nextToken=backward, limit=3)
    assert page == [] and again == backward  # the end
    page, forward_of_head, _ = get(logs, nextToken=forward_of_head, limit=2)
    assert page == ["b", "c"]
    page, again, _ = get(logs, nextToken=forward)
    assert page == [] and again == forward
    put(logs, "h", at=now() - 30000)
    page, after, back = get(logs, nextToken=forward)
    assert page == ["h"] and after != forward
    page, _, back = get(logs, nextToken=after)
    assert page == []
    assert get(logs, nextToken=back)[0] == list("abcdefgh")  # from the end back again
    assert get(logs, startFromHead=True, limit=2)[0] == ["a", "b"]
    assert error_code(logs.get_log_events, logGroupName="g", logStreamName="s", nextToken="f/x") == "InvalidParameterException"


def test_an_empty_stream_can_be_followed(logs, group):
    page, forward, backward = get(logs)
    assert page == []
    put(logs, "a")
    assert get(logs, nextToken=forward)[0] == ["a"]


def test_times(logs, group):
    at = now() - 60000
    put(logs, *"abcde", at=at, step=1000)
    assert get(logs, startTime=at + 1000, endTime=at + 3000)[0] == ["b", "c"]  # the end is not included
    assert filtered(logs, startTime=at + 1000, endTime=at + 3000) == ["b", "c", "d"]  # here it is
    assert error_code(logs.filter_log_events, logGroupName="g", startTime=2, endTime=1) == "InvalidParameterException"


def test_any_text(logs, group):
    messages = ["\x1b[31mred\x1b[0m\ttab", "ä€𝄞", "two\nlines", "\\ \" /", " "]
    put(logs, *messages)
    assert get(logs)[0] == messages == filtered(logs)


def test_page_of_a_megabyte(logs, group):
    at = now() - 60000
    for i in range(3):
        put(logs, *[f"{i}{n}" + "x" * 99998 for n in range(9)], at=at + i * 100)
    page, forward, _ = get(logs, startFromHead=True)
    assert len(page) == 10
    answer = logs.filter_log_events(logGroupName="g")
    assert len(answer["events"]) == 10 and answer["nextToken"]
    assert [m[:2] for m in filtered(logs)] == [f"{i}{n}" for i in range(3) for n in range(9)]


def test_filters(logs, group):
    logs.create_log_stream(logGroupName="g", logStreamName="t")
    at = now() - 60000
    put(logs, "2 1 eni-1 10.0.0.1 10.0.0.2 1000 22 6 5 300 1 2 REJECT OK", "2 1 eni-1 - - - - - - - 1 2 - NODATA", at=at)
    put(logs, "2 1 eni-2 10.0.0.9 10.0.0.2 1000 80 6 7 400 1 2 ACCEPT OK", stream="t", at=at)
    ssh = ('[version, account, eni, source, destination, srcport, destport="22", protocol="6", packets, bytes, windowstart, '
           'windowend, action="REJECT", flowlogstatus]')
    assert [m[:9] for m in filtered(logs, filterPattern=ssh)] == ["2 1 eni-1"]
    assert len(filtered(logs, filterPattern="REJECT")) == 1
    assert len(filtered(logs, filterPattern="?REJECT ?ACCEPT")) == 2
    assert len(filtered(logs, filterPattern="-NODATA")) == 2
    assert len(filtered(logs, filterPattern='"10.0.0.9"')) == 1
    assert len(filtered(logs, filterPattern="")) == 3
    assert len(filtered(logs, logStreamNames=["t"])) == 1
    assert len(filtered(logs, logStreamNames=["s", "t"], filterPattern="OK")) == 2
    assert len(filtered(logs, logStreamNamePrefix="s")) == 2
    events = logs.filter_log_events(logGroupName="g")["events"]
    assert [e["logStreamName"] for e in events] == ["s", "t", "s"] and len({e["eventId"] for e in events}) == 3
    assert error_code(logs.filter_log_events, logGroupName="g", logStreamNames=["none"]) == "ResourceNotFoundException"
    assert error_code(logs.filter_log_events, logGroupName="g", logStreamNames=["s"], logStreamNamePrefix="s") \
        == "InvalidParameterException"
    for pattern in ("{ $.a = 1 }", "%re%", "10.0.0.1", "[a", "x" * 1025):
        code, message, _ = error(logs.filter_log_events, logGroupName="g", filterPattern=pattern)
        assert code == "InvalidParameterException", pattern


def test_pages_of_a_filter_have_all_and_none_twice(logs, group):
    at = now() - 60000
    for i in range(5):
        put(logs, *[f"n{i * 200 + n}" for n in range(200)], at=at, step=0)
    assert filtered(logs, limit=7) == [f"n{n}" for n in range(1000)]
    assert error_code(logs.filter_log_events, logGroupName="g", nextToken="b/1/1") == "InvalidParameterException"


def test_what_is_not_taken(logs, group):
    at = now()
    answer = logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[
        {"timestamp": at - 15 * DAY, "message": "too old"}, {"timestamp": at - 15 * DAY + 1, "message": "too old"}])
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}
    answer = logs.put_log_events(logGroupName="g", logStreamName="s", logEvents=[
        {"timestamp": at, "message": "good"}, {"timestamp": at + 3 * 3600000, "message": "too new"}])
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1} and answer["nextSequenceToken"]
    assert filtered(logs) == ["good"]
    def refused(*events):
        return error_code(logs.put_log_events, logGroupName="g", logStreamName="s", logEvents=list(events))
    event = {"timestamp": at, "message": "x"}
    assert refused() == "InvalidParameterException"
    assert refused(event, {"timestamp": at - 1, "message": "x"}) == "InvalidParameterException"
    assert refused({"timestamp": at - DAY - 10, "message": "x"}, event) == "InvalidParameterException"
    assert refused({"timestamp": at, "message": "x" * (256 * 1024)}) == "InvalidParameterException"
    assert refused({"timestamp": at, "message": ""}) == "InvalidParameterException"
    assert refused({"timestamp": -1, "message": "x"}) == "InvalidParameterException"
    assert refused({"timestamp": at}) == "InvalidParameterException"
    assert refused(*[event] * 10001) == "InvalidParameterException"
    assert refused({"timestamp": "x", "message": "x"}) == "SerializationException"
    assert error_code(logs.put_log_events, logGroupName="g", logStreamName="none", logEvents=[event]) == "ResourceNotFoundException"
    assert filtered(logs) == ["good"]


def test_retention(logs, group):
    put(logs, "old", at=now() - 2 * DAY)
    put(logs, "new")
    logs.put_retention_policy(logGroupName="g", retentionInDays=1)
    assert logs.describe_log_groups()["logGroups"][0]["retentionInDays"] == 1
    assert filtered(logs) == ["new"] and get(logs)[0] == ["new"]
    answer = put(logs, "old", at=now() - 2 * DAY)
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert error_code(logs.put_retention_policy, logGroupName="g", retentionInDays=2) == "InvalidParameterException"
    assert error_code(logs.put_retention_policy, logGroupName="none", retentionInDays=1) == "ResourceNotFoundException"
    logs.delete_retention_policy(logGroupName="g")
    assert "retentionInDays" not in logs.describe_log_groups()["logGroups"][0]


def test_tags(logs, account):
    logs.create_log_group(logGroupName="g", tags={"a": "1"})
    arn = f"arn:aws:logs:us-east-1:{account.id}:log-group:g"
    logs.tag_resource(resourceArn=arn, tags={"b": "2", "c": ""})
    logs.untag_resource(resourceArn=arn + ":*", tagKeys=["a"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2", "c": ""}
    logs.tag_log_group(logGroupName="g", tags={"d": "4"})
    logs.untag_log_group(logGroupName="g", tags=["b", "c"])
    assert logs.list_tags_log_group(logGroupName="g")["tags"] == {"d": "4"}
    assert error_code(logs.tag_resource, resourceArn=arn, tags={f"k{i}": "" for i in range(50)}) == "TooManyTagsException"
    assert error_code(logs.tag_resource, resourceArn=arn, tags={"aws:x": ""}) == "InvalidParameterException"
    for other in (arn + "x", arn.replace("us-east-1", "eu-west-1"), arn.replace(account.id, "123456789012"), "arn:x"):
        assert error_code(logs.list_tags_for_resource, resourceArn=other) == "ResourceNotFoundException"


# ---- who, where, how much ----

def test_accounts_and_regions_apart(account, other, logs, group):
    put(logs, "mine")
    for stranger in (other.client("logs"), account.client("logs", "eu-west-1")):
        assert stranger.describe_log_groups()["logGroups"] == []
        assert error_code(stranger.get_log_events, logGroupName="g", logStreamName="s") == "ResourceNotFoundException"
        assert error_code(stranger.delete_log_group, logGroupName="g") == "ResourceNotFoundException"
        stranger.create_log_group(logGroupName="g")
        assert stranger.describe_log_streams(logGroupName="g")["logStreams"] == []
    assert error_code(other.client("logs", parameter_validation=False).describe_log_streams,
                      logGroupIdentifier=f"arn:aws:logs:us-east-1:{account.id}:log-group:g") == "ResourceNotFoundException"
    answer = logs.describe_log_streams(logGroupIdentifier=f"arn:aws:logs:us-east-1:{account.id}:log-group:g:*")
    assert [s["logStreamName"] for s in answer["logStreams"]] == ["s"]


def test_signatures(vpcd, account):
    wrong = vpcd.client(account.key, "wrong", "logs")
    assert error_code(wrong.describe_log_groups) == "InvalidSignatureException"
    assert error_code(vpcd.client("AKIANOBODY", "x", "logs").describe_log_groups) == "UnrecognizedClientException"


def raw_call(account, target, body, service="logs", **headers):
    import http.client
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("POST", account.vpcd.endpoint + "/", data=body, headers={
        "X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.1", **headers})
    if service:
        SigV4Auth(Credentials(account.key, account.secret), service, "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(account.vpcd.endpoint.removeprefix("http://"))
    connection.request("POST", "/", body, dict(request.headers))
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    return reply, json.loads(text) if text else {}


@pytest.mark.parametrize("target,body,service,code", [
    ("Logs_20140328.DescribeLogGroups", "{}", None, "MissingAuthenticationTokenException"),
    ("Logs_20140328.DescribeLogGroups", "{}", "ec2", "InvalidSignatureException"),
    ("Logs_20140328.StartQuery", "{}", "logs", "UnknownOperationException"),
    ("Logs_20140327.DescribeLogGroups", "{}", "logs", "UnknownOperationException"),
    ("DynamoDB_20120810.ListTables", "{}", "logs", "UnknownOperationException"),
    ("Logs_20140328.DescribeLogGroups", "", "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", "[]", "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", "[" * 100000, "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", '{"limit": 1, "limit": 2}', "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", '{"limit": "1"}', "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", '{"limit": 1.5}', "logs", "SerializationException"),
    ("Logs_20140328.DescribeLogGroups", '{"limit": 99999999999999999999}', "logs", "SerializationException"),
    ("Logs_20140328.CreateLogGroup", '{"logGroupName": "a\\u0000b"}', "logs", "SerializationException"),
    ("Logs_20140328.CreateLogGroup", '{"logGroupName": null}', "logs", "InvalidParameterException"),
    ("Logs_20140328.CreateLogGroup", '{"logGroupName": "a", "surprise": 1}', "logs", "InvalidParameterException"),
])
def test_protocol(account, target, body, service, code):
    reply, error_body = raw_call(account, target, body, service)
    assert reply.status == 400 and error_body["__type"] == code and error_body["message"]
    assert reply.headers["Content-Type"] == "application/x-amz-json-1.1" and reply.headers["x-amzn-RequestId"]


def test_a_signature_for_logs_is_none_for_ec2(account):
    import urllib.request
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    request = AWSRequest("POST", account.vpcd.endpoint + "/", data="Action=DescribeVpcs&Version=2016-11-15")
    SigV4Auth(Credentials(account.key, account.secret), "logs", "us-east-1").add_auth(request)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(request.url, request.data.encode(), dict(request.headers)))
    assert caught.value.code == 401


def test_limits_of_an_account():
    vpcd = Vpcd(credentials=[("AKIAONE", "one", "100000000001"), ("AKIATWO", "two", "100000000002")],
                options=["--account-log-bytes", "4096"]).start()
    one, two = (Account(vpcd, *row).client("logs") for row in vpcd.credentials)
    for logs in (one, two):
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
    put(one, "x" * 4000)
    with pytest.raises(ClientError) as caught:
        put(one, "y" * 100)
    assert caught.value.response["Error"]["Code"] == "LimitExceededException"
    put(two, "y" * 100)
    assert filtered(one) == ["x" * 4000] and filtered(two) == ["y" * 100]
    assert vpcd.stop() == 0
    vpcd.close()


def test_they_survive(account):
    """What was answered is there after a kill -9."""
    vpcd = Vpcd(credentials=[("AKIAONE", "one", "100000000001")]).start()
    logs = Account(vpcd, *vpcd.credentials[0]).client("logs")
    logs.create_log_group(logGroupName="g")
    logs.create_log_stream(logGroupName="g", logStreamName="s")
    put(logs, "a", "b")
    vpcd.kill()
    vpcd.start()
    logs = Account(vpcd, *vpcd.credentials[0]).client("logs")
    assert filtered(logs) == ["a", "b"]
    assert vpcd.stop() == 0
    vpcd.close()


def test_a_new_account_has_none_of_the_old_one():
    """Numbers of deleted accounts are given out again."""
    vpcd = Vpcd(credentials=[("AKIAONE", "one", "100000000001")]).start()

    def vpcctl(*args):
        return subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", vpcd.directory, *args], check=True, text=True,
                              stdout=subprocess.PIPE).stdout

    def new_client(number):
        keys = dict(re.findall(r"^(aws_\w+) = (\S+)$", vpcctl("key", "create", number), re.M))
        return keys["aws_access_key_id"], vpcd.client(keys["aws_access_key_id"], keys["aws_secret_access_key"], "logs")

    number = vpcctl("account", "create").strip()
    key, logs = new_client(number)
    logs.create_log_group(logGroupName="g")
    vpcctl("key", "delete", key)
    vpcctl("account", "delete", number)
    assert vpcctl("account", "create").strip() == number
    assert new_client(number)[1].describe_log_groups()["logGroups"] == []
    assert vpcd.stop() == 0
    vpcd.close()
