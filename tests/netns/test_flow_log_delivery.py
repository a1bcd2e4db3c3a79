# SPDX-License-Identifier: Apache-2.0
"""Flow logs from a packet to who reads it: the real programs, a log group with the AWS CLI, an S3 server.

    a ---- b     packets --> vpc-agent --> STATE/spool --> vpc-logs --> log group <-- vpcd <-- aws logs
    (subnet 10.0.1.0/24)                                          \\--> S3 (tests/deliver/s3.py)
"""
import gzip
import json
import os
import signal
import subprocess
import sys
import types

import pytest

from conftest import BOUND, BUILD, TOP, Cloud, everything, until

sys.path.insert(0, os.path.join(TOP, "tests", "deliver"))
from s3 import KEY, REGION, SECRET, Server  # noqa: E402

ROLE = "arn:aws:iam::000000000001:role/logs"


@pytest.fixture(scope="module")
def w(tmp_path_factory):
    s3 = Server()
    keys = tmp_path_factory.mktemp("keys") / "s3"
    for directory in keys.parents:
        if directory.stat().st_uid == os.geteuid() and str(directory) != "/tmp":
            directory.chmod(0o755)
    keys.write_text(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    cloud = Cloud(options=["--flow-log-window", "1", "--flow-log-s3-endpoint", s3.endpoint, "--flow-log-s3-region", REGION,
                           "--flow-log-s3-credentials", str(keys), "--flow-log-s3-seconds", "1"])
    try:
        cloud.start()
        w = types.SimpleNamespace(cloud=cloud, s3=s3, ec2=cloud.client(), logs=cloud.client("logs"))
        w.vpc = cloud.vpc()
        w.subnet = cloud.subnet(w.vpc, "10.0.1.0/24")
        w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0")])
        w.a, w.b = cloud.instances(2, w.subnet, [w.open])
        yield w
    finally:
        cloud.close()
        s3.close()


def flow_log(w, **what):
    made = w.ec2.create_flow_logs(ResourceIds=[w.vpc["VpcId"]], ResourceType="VPC", TrafficType="ALL", MaxAggregationInterval=60, **what)
    assert not made["Unsuccessful"], made
    return made["FlowLogIds"][0]


def delivery(w, log):
    row, = w.ec2.describe_flow_logs(FlowLogIds=[log])["FlowLogs"]
    return row["DeliverLogsStatus"], row.get("DeliverLogsErrorMessage")


def pings(messages, source, destination):
    """Packets of ICMP that records tell, in that direction."""
    rows = [m.split() for m in messages]
    return sum(int(r[8]) for r in rows if r[3] == source and r[4] == destination and r[7] == "1" and r[12] == "ACCEPT")


def in_group(w, name, eni):
    try:
        pages = w.logs.get_paginator("filter_log_events").paginate(logGroupName=name, logStreamNamePrefix=eni)
        return [e["message"] for page in pages for e in page["events"]]
    except w.logs.exceptions.ResourceNotFoundException:
        return []


def in_bucket(w, log, bucket="flow-logs"):
    return [line for key, body in list(w.s3.objects[bucket].items()) if log in key
            for line in gzip.decompress(body).decode().splitlines()[1:]]


def kill_deliverer(w):
    pid = w.cloud.pid_in("logs/vpc-logs.lock")
    assert pid
    os.kill(pid, signal.SIGKILL)


def test_to_a_log_group_and_to_s3(w):
    group = flow_log(w, LogGroupName="vpc/flow", DeliverLogsPermissionArn=ROLE)
    bucket = flow_log(w, LogDestinationType="s3", LogDestination="arn:aws:s3:::flow-logs/prod/")
    eni = w.a.eni
    until(lambda: in_group(w, "vpc/flow", eni), "the group, made at the first delivery")
    assert w.a.ping(w.b.ip, count=5)
    # Both interfaces tell all five, in both directions; the one that is killed meanwhile loses and doubles nothing.
    kill_deliverer(w)
    for name in (eni, w.b.eni):
        until(lambda: pings(in_group(w, "vpc/flow", name), w.a.ip, w.b.ip) >= 5, "records in the group")
        assert pings(in_group(w, "vpc/flow", name), w.a.ip, w.b.ip) == 5
        assert pings(in_group(w, "vpc/flow", name), w.b.ip, w.a.ip) == 5
    until(lambda: pings(in_bucket(w, bucket), w.a.ip, w.b.ip) >= 10, "records in the bucket")
    assert pings(in_bucket(w, bucket), w.a.ip, w.b.ip) == 10
    assert all(key.startswith("prod/AWSLogs/000000000001/vpcflowlogs/us-east-1/") for key in w.s3.objects["flow-logs"])
    assert delivery(w, group) == delivery(w, bucket) == ("SUCCESS", None)

    aws = subprocess.run(["/usr/bin/aws", "--endpoint-url", w.cloud.endpoint, "logs", "tail", "vpc/flow", "--format", "short"],
                         env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "AWS_DEFAULT_REGION": "us-east-1",
                              **{k.upper(): v for k, v in w.cloud.keys().items()}}, check=True, stdout=subprocess.PIPE,
                         text=True, timeout=BOUND).stdout
    assert any(f" {w.a.ip} {w.b.ip} " in line for line in aws.splitlines())
    w.ec2.delete_flow_logs(FlowLogIds=[group, bucket])


def test_outage(w):
    """The S3 server refuses for a while: nothing is lost, the log group goes on, and the API says how it is."""
    w.s3.behave = lambda handler, bucket, key: 503
    bucket = flow_log(w, LogDestinationType="s3", LogDestination="arn:aws:s3:::flow-logs/outage/")
    group = flow_log(w, LogGroupName="outage", DeliverLogsPermissionArn=ROLE)
    eni = w.a.eni
    until(lambda: in_group(w, "outage", eni), "records in the group")
    until(lambda: delivery(w, bucket) == ("FAILED", "Unknown error"), "the failure in DescribeFlowLogs")
    assert w.a.ping(w.b.ip, count=7)
    until(lambda: pings(in_group(w, "outage", eni), w.a.ip, w.b.ip) == 7, "records in the group meanwhile")
    status = json.loads(subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, "status", "--json"],
                                       check=True, stdout=subprocess.PIPE, timeout=BOUND).stdout)
    assert [row["name"] for row in status["logs"]["down"]] == ["s3 000000000001 flow-logs"] and status["logs"]["waiting"]
    w.s3.behave = None
    kill_deliverer(w)  # its pause may be long by now; the next one begins at once
    until(lambda: pings(in_bucket(w, bucket), w.a.ip, w.b.ip) >= 14, "what had waited")
    assert pings(in_bucket(w, bucket), w.a.ip, w.b.ip) == 14
    until(lambda: delivery(w, bucket) == ("SUCCESS", None), "success in DescribeFlowLogs")
    w.ec2.delete_flow_logs(FlowLogIds=[group, bucket])


def test_spool_belongs_to_root(w):
    """The deliverer may take from ready/ and nothing else; whom it belongs to is seen from outside."""
    spool = os.path.join(w.cloud.directory, "spool")
    worker = os.stat(os.path.join(w.cloud.directory, "logs")).st_gid
    for name, gid, mode in (("", 0, 0o755), ("new", 0, 0o700), ("ready", worker, 0o770)):
        st = os.stat(os.path.join(spool, name))
        assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, gid, mode)
    assert worker != 0
