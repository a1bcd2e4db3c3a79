# SPDX-License-Identifier: Apache-2.0
"""Flow logs as resources: what is asked for, refused and shown. Nothing is recorded here."""
import os
import sqlite3
import time

import pytest
from conftest import error, error_code, filters
from net import Net

BUCKET = "arn:aws:s3:::flow-logs"
ROLE = "arn:aws:iam::123456789012:role/logs"
DEFAULT_FORMAT = ("${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "
                  "${packets} ${bytes} ${start} ${end} ${action} ${log-status}")
FIELDS = """version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action
    log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type
    sublocation-id pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path""".split()


@pytest.fixture
def net(ec2):
    return Net(ec2)


@pytest.fixture
def create(ec2, net):
    """Of the VPC to S3, unless something else is said; None takes a parameter out."""
    def call(**params):
        params = {"ResourceIds": [net.vpc], "ResourceType": "VPC", "TrafficType": "ALL", "LogDestinationType": "s3",
                  "LogDestination": BUCKET, **params}
        return ec2.create_flow_logs(**{k: v for k, v in params.items() if v is not None})
    return call


@pytest.fixture
def to_logs(create):
    def call(**params):
        return create(**{"LogDestinationType": None, "LogDestination": None, "LogGroupName": "group",
                         "DeliverLogsPermissionArn": ROLE, **params})
    return call


def described(ec2, **params):
    return ec2.describe_flow_logs(**params)["FlowLogs"]


def test_to_s3(ec2, net, create):
    made = create(TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "a", "Value": "b"}]}])
    assert made["Unsuccessful"] == []
    log, = described(ec2, FlowLogIds=made["FlowLogIds"])
    assert log.pop("CreationTime")
    assert log == {"FlowLogId": made["FlowLogIds"][0], "ResourceId": net.vpc, "TrafficType": "ALL",
                   "LogDestinationType": "s3", "LogDestination": BUCKET, "LogFormat": DEFAULT_FORMAT,
                   "MaxAggregationInterval": 600, "FlowLogStatus": "ACTIVE", "DeliverLogsStatus": "SUCCESS",
                   "Tags": [{"Key": "a", "Value": "b"}]}
    assert made["FlowLogIds"][0].startswith("fl-")


def test_to_log_groups(ec2, account, to_logs):
    by_name, = to_logs()["FlowLogIds"]
    by_arn, = to_logs(LogGroupName=None, LogDestinationType="cloud-watch-logs", TrafficType="REJECT",
                      LogDestination="arn:aws:logs:us-east-1:%s:log-group:other:*" % account.id)["FlowLogIds"]
    shown = {log["FlowLogId"]: log for log in described(ec2)}
    assert shown[by_name]["LogDestinationType"] == "cloud-watch-logs"
    assert shown[by_name]["LogGroupName"] == "group" and shown[by_name]["DeliverLogsPermissionArn"] == ROLE
    assert shown[by_name]["LogDestination"] == f"arn:aws:logs:us-east-1:{account.id}:log-group:group"
    assert shown[by_arn]["LogGroupName"] == "other"


def test_options_and_interval(ec2, create):
    made, = create(MaxAggregationInterval=60, DestinationOptions={"FileFormat": "plain-text", "PerHourPartition": True},
                   LogDestination=BUCKET + "/folder/")["FlowLogIds"]
    log, = described(ec2, FlowLogIds=[made])
    assert log["MaxAggregationInterval"] == 60
    assert log["DestinationOptions"] == {"FileFormat": "plain-text", "HiveCompatiblePartitions": False,
                                         "PerHourPartition": True}


@pytest.mark.parametrize("params, code", [
    ({"TrafficType": None}, "MissingParameter"),
    ({"TrafficType": "SOME"}, "InvalidParameterValue"),
    ({"ResourceType": "Instance"}, "InvalidParameterValue"),
    ({"ResourceType": "TransitGateway"}, "UnsupportedOperation"),
    ({"LogDestinationType": "disk"}, "InvalidParameterValue"),
    ({"LogDestinationType": "kinesis-data-firehose"}, "UnsupportedOperation"),
    ({"LogDestination": None}, "InvalidParameter"),
    ({"LogDestination": "flow-logs"}, "LogDestinationNotFound"),
    ({"LogDestination": "arn:aws:s3:::UPPER"}, "LogDestinationNotFound"),
    ({"LogDestination": "arn:aws:s3:::.hidden"}, "LogDestinationNotFound"),
    ({"LogDestination": BUCKET + "/x/../"}, "LogDestinationNotFound"),
    ({"LogDestination": BUCKET + "/AWSLogs/"}, "InvalidParameter"),
    ({"LogGroupName": "group"}, "InvalidParameter"),
    ({"DeliverLogsPermissionArn": ROLE}, "InvalidParameter"),
    ({"DeliverCrossAccountRole": ROLE}, "UnsupportedOperation"),
    ({"DestinationOptions": {"FileFormat": "parquet"}}, "UnsupportedOperation"),
    ({"MaxAggregationInterval": 61}, "InvalidParameter"),
    ({"LogFormat": " "}, "InvalidParameter"),
    ({"LogFormat": "version"}, "InvalidParameter"),
    ({"LogFormat": "${version}${bytes}"}, "InvalidParameter"),
    ({"LogFormat": "${version} ${unheard-of}"}, "InvalidParameter"),
    ({"LogFormat": "${version"}, "InvalidParameter"),
    ({"LogFormat": "${version} "}, "InvalidParameter"),
    ({"LogFormat": " ${version}"}, "InvalidParameter"),
    ({"LogFormat": "${version} ${ecs-task-id}"}, "InvalidParameter"),
    ({"LogFormat": "${version} " * 64 + "${version}"}, "InvalidParameter"),
    ({"LogFormat": "${version}" + " " * 4090 + "${bytes}"}, "InvalidParameterValue"),
    ({"TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]}, "InvalidParameterValue"),
])
def test_refused(ec2, create, params, code):
    assert error_code(create, **params) == code
    assert described(ec2) == []


@pytest.mark.parametrize("params, code", [
    ({"LogGroupName": None}, "InvalidParameter"),
    ({"LogDestination": "arn:aws:logs:us-east-1:1:log-group:x"}, "InvalidParameter"),
    ({"LogGroupName": None, "LogDestination": BUCKET}, "LogDestinationNotFound"),
    ({"DeliverLogsPermissionArn": None}, "InvalidParameter"),
    ({"DeliverLogsPermissionArn": "role"}, "InvalidParameter"),
    ({"DestinationOptions": {"PerHourPartition": True}}, "InvalidParameter"),
])
def test_refused_to_log_groups(to_logs, params, code):
    assert error_code(to_logs, **params) == code


def test_every_field_of_the_formats(ec2, create):
    wanted = " ".join("${%s}" % name for name in FIELDS)
    made, = create(LogFormat=wanted)["FlowLogIds"]
    assert described(ec2, FlowLogIds=[made])[0]["LogFormat"] == wanted


def test_several_resources(ec2, net, create, other):
    theirs = Net(other.ec2)
    eni = net.eni()["NetworkInterfaceId"]
    gone = "eni-00000000000000000"
    stranger = theirs.eni()["NetworkInterfaceId"]
    made = create(ResourceType="NetworkInterface", ResourceIds=[gone, eni, stranger, net.subnet])
    assert [log["ResourceId"] for log in described(ec2, FlowLogIds=made["FlowLogIds"])] == [eni]
    assert {u["ResourceId"]: u["Error"]["Code"] for u in made["Unsuccessful"]} == {
        gone: "InvalidNetworkInterfaceID.NotFound", stranger: "InvalidNetworkInterfaceID.NotFound",
        net.subnet: "InvalidNetworkInterfaceId.Malformed"}
    # What exists already is told one by one, or for the whole call where nothing else is left.
    second = net.eni()["NetworkInterfaceId"]
    made = create(ResourceType="NetworkInterface", ResourceIds=[eni, second])
    assert [u["Error"]["Code"] for u in made["Unsuccessful"]] == ["FlowLogAlreadyExists"] and len(made["FlowLogIds"]) == 1
    assert error_code(create, ResourceType="NetworkInterface", ResourceIds=[eni, second]) == "FlowLogAlreadyExists"


def test_two_for_a_resource(create):
    create()
    create(TrafficType="REJECT")
    assert create(TrafficType="ACCEPT")["Unsuccessful"][0]["Error"]["Code"] == "FlowLogsLimitExceeded"


def test_client_token(create):
    first = create(ClientToken="t")
    assert create(ClientToken="t")["FlowLogIds"] == first["FlowLogIds"] and first["ClientToken"] == "t"
    assert error_code(create, ClientToken="t", TrafficType="REJECT") == "IdempotentParameterMismatch"


def test_filters_and_pages(ec2, net, create, to_logs):
    eni = net.eni()["NetworkInterfaceId"]
    a, = create(TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": [{"Key": "k", "Value": "v"}]}])["FlowLogIds"]
    b, = to_logs(ResourceType="NetworkInterface", ResourceIds=[eni], TrafficType="REJECT")["FlowLogIds"]
    for wanted, found in (({"log_destination_type": "s3"}, [a]), ({"flow_log_id": b}, [b]), ({"resource_id": net.vpc}, [a]),
                          ({"traffic_type": "REJECT"}, [b]), ({"log_group_name": "gr*"}, [b]), ({"tag:k": "v"}, [a]),
                          ({"tag_key": "k"}, [a]), ({"deliver_log_status": "SUCCESS"}, sorted([a, b])),
                          ({"deliver_log_status": "FAILED"}, [])):
        assert [log["FlowLogId"] for log in described(ec2, Filter=filters(**wanted))] == found
    for n in range(6):
        create(ResourceType="NetworkInterface", ResourceIds=[net.eni()["NetworkInterfaceId"]])
    pages = list(ec2.get_paginator("describe_flow_logs").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(p["FlowLogs"]) for p in pages] == [5, 3]


def test_delete(ec2, create, other):
    made, = create()["FlowLogIds"]
    code, message, _ = error(ec2.delete_flow_logs, FlowLogIds=[made, "fl-00000000000000000", "fl-x"])
    assert code == "InvalidFlowLogId.NotFound" and "[TotalCount: 2] fl-00000000000000000 fl-x" in message
    assert error_code(other.ec2.delete_flow_logs, FlowLogIds=[made]) == "InvalidFlowLogId.NotFound"
    assert error_code(other.ec2.describe_flow_logs, FlowLogIds=[made]) == "InvalidFlowLogId.NotFound"
    assert described(other.ec2) == []
    assert ec2.delete_flow_logs(FlowLogIds=[made, made])["Unsuccessful"] == []
    assert described(ec2) == []


def test_logs_go_with_what_they_are_of(ec2, net, create):
    eni = net.eni()["NetworkInterfaceId"]
    create()
    create(ResourceType="Subnet", ResourceIds=[net.subnet])
    create(ResourceType="NetworkInterface", ResourceIds=[eni])
    for left, delete in ((2, lambda: ec2.delete_network_interface(NetworkInterfaceId=eni)),
                         (1, lambda: ec2.delete_subnet(SubnetId=net.subnet)), (0, lambda: ec2.delete_vpc(VpcId=net.vpc))):
        delete()
        assert len(described(ec2)) == left


def test_integration_template(ec2, create):
    made, = create()["FlowLogIds"]
    athena = {"AthenaIntegrations": [{"IntegrationResultS3DestinationArn": BUCKET, "PartitionLoadFrequency": "none"}]}
    for log, code in ((made, "UnsupportedOperation"), ("fl-00000000000000000", "InvalidFlowLogId.NotFound")):
        assert error_code(ec2.get_flow_logs_integration_template, FlowLogId=log, ConfigDeliveryS3DestinationArn=BUCKET,
                          IntegrateServices=athena) == code


def test_log_group_of_another_account_or_no_name(account, to_logs):
    for arn in ("arn:aws:logs:us-east-1:123456789012:log-group:g", f"arn:aws:logs:eu-west-1:{account.id}:log-group:g"):
        assert error_code(to_logs, LogGroupName=None, LogDestination=arn) == "LogDestinationNotFound"
    for name in ("a b", "a:b", "x" * 513):
        assert error_code(to_logs, LogGroupName=name).startswith("InvalidParameter")


def test_how_the_delivery_goes(vpcd, ec2, account, create):
    """What vpc-logs writes down is what DescribeFlowLogs shows, and what its filter finds."""
    log, = create()["FlowLogIds"]
    other, = create(TrafficType="REJECT")["FlowLogIds"]

    def delivery(message):
        db = sqlite3.connect(os.path.join(vpcd.directory, "logs", "logs.db"), timeout=30)
        db.execute("INSERT OR REPLACE INTO statuses (flow_log, account, region, message, version) VALUES"
                   " (?, ?, 'us-east-1', ?, (SELECT ifnull(max(version), 0) + 1 FROM statuses))",
                   (log, int(account.id), message))
        db.commit()
        db.close()

    def shown(status):
        deadline = time.monotonic() + 30
        while described(ec2, FlowLogIds=[log])[0]["DeliverLogsStatus"] != status:
            assert time.monotonic() < deadline
        return described(ec2, Filters=filters(deliver_log_status=status))

    delivery("Access error")
    row, = shown("FAILED")
    assert (row["FlowLogId"], row["DeliverLogsErrorMessage"], row["FlowLogStatus"]) == (log, "Access error", "ACTIVE")
    delivery(None)
    assert {row["FlowLogId"] for row in shown("SUCCESS")} == {log, other}
    assert "DeliverLogsErrorMessage" not in described(ec2, FlowLogIds=[log])[0]
