# SPDX-License-Identifier: Apache-2.0
"""Log groups with the AWS CLI, as an operator reads flow logs."""
import json
import os
import select
import subprocess
import time

import pytest

AWS = "/usr/bin/aws"
SSH = ('[version, account, eni, source, destination, srcport, destport="22", protocol="6", packets, bytes, windowstart, '
       'windowend, action="REJECT", flowlogstatus]')


@pytest.fixture
def aws(account):
    def run(*args, check=True):
        done = subprocess.run([AWS, "--endpoint-url", account.vpcd.endpoint, "logs", *args], env=account.environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=120)
        if check:
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout
        return done
    return run


def record(port, action, eni="eni-1"):
    return f"2 123456789012 {eni} 203.0.113.9 10.0.1.5 40000 {port} 6 3 180 1700000000 1700000060 {action} OK"


@pytest.fixture
def group(account):
    logs = account.client("logs")
    logs.create_log_group(logGroupName="vpc/flow", tags={"team": "net"})
    for stream, rows in (("eni-1-all", [(22, "REJECT"), (443, "ACCEPT"), (22, "ACCEPT")]), ("eni-2-all", [(22, "REJECT")])):
        logs.create_log_stream(logGroupName="vpc/flow", logStreamName=stream)
        logs.put_log_events(logGroupName="vpc/flow", logStreamName=stream, logEvents=[
            {"timestamp": int(time.time() * 1000), "message": record(*row, stream[:5])} for row in rows])
    return "vpc/flow"


def test_reading(aws, group):
    named = ["--log-group-name", group]
    row, = aws("describe-log-groups", "--log-group-name-prefix", "vpc/")["logGroups"]
    assert row["logGroupName"] == group and row["storedBytes"] > 0
    streams = aws("describe-log-streams", *named, "--order-by", "LastEventTime", "--descending")["logStreams"]
    assert {s["logStreamName"] for s in streams} == {"eni-1-all", "eni-2-all"}
    events = aws("get-log-events", *named, "--log-stream-name", "eni-1-all", "--start-from-head")["events"]
    assert [e["message"].split()[6] for e in events] == ["22", "443", "22"]
    events = aws("filter-log-events", *named, "--filter-pattern", SSH)["events"]
    assert [e["logStreamName"] for e in events] == ["eni-1-all", "eni-2-all"]
    # The CLI's own pages: one event each, all of them in the end.
    assert len(aws("filter-log-events", *named, "--page-size", "1")["events"]) == 4
    lines = aws("tail", group, "--filter-pattern", "REJECT", "--format", "short").splitlines()
    assert len(lines) == 2 and lines[0].endswith(record(22, "REJECT"))
    refused = aws("tail", "none", check=False)
    assert refused.returncode and "ResourceNotFoundException" in refused.stderr


def test_keeping(aws, group):
    aws("create-log-group", "--log-group-name", "other", "--tags", "a=b,c=d")
    aws("delete-log-group", "--log-group-name", "other")
    aws("put-retention-policy", "--log-group-name", group, "--retention-in-days", "30")
    row, = aws("describe-log-groups")["logGroups"]  # the other one is gone
    assert row["retentionInDays"] == 30
    assert aws("list-tags-for-resource", "--resource-arn", row["arn"].removesuffix(":*"))["tags"] == {"team": "net"}
    aws("delete-log-stream", "--log-group-name", group, "--log-stream-name", "eni-1-all")
    assert len(aws("filter-log-events", "--log-group-name", group)["events"]) == 1


def test_tail_follow(account, group):
    """What comes while the CLI follows is shown, once."""
    process = subprocess.Popen([AWS, "--endpoint-url", account.vpcd.endpoint, "logs", "tail", group, "--follow", "--format",
                                "short"], env={**account.environment(), "PYTHONUNBUFFERED": "1"}, stdout=subprocess.PIPE)
    seen, sent, deadline = b"", False, time.monotonic() + 60
    try:
        while b" 8080 " not in seen or seen.count(b"\n") < 5:
            assert time.monotonic() < deadline and process.poll() is None, seen
            if select.select([process.stdout], [], [], 0.2)[0]:
                seen += os.read(process.stdout.fileno(), 65536)
            if not sent and seen.count(b"\n") >= 4:
                sent = True
                account.client("logs").put_log_events(logGroupName=group, logStreamName="eni-2-all", logEvents=[
                    {"timestamp": int(time.time() * 1000) + 1, "message": record(8080, "ACCEPT")}])
    finally:
        process.kill()
        process.wait()
    assert seen.count(b"\n") == 5
