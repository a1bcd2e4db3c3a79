# SPDX-License-Identifier: Apache-2.0
"""vpcctl trace where a packet does not simply arrive: by a middlebox, by a gateway's own route table, at an interface that nobody has; and what
status says of daemons that are gone.

    VPC 10.0.0.0/16  subnet 10.0.1.0/24 --- a      routes 10.0.3.0/24 -> m
                     subnet 10.0.2.0/24 --- m      SourceDestCheck off
                     subnet 10.0.3.0/24 --- c      public address; the internet gateway's table has 10.0.3.0/24 -> m
"""
import json
import os
import signal
import types

import pytest

from conftest import everything, until
from test_explain import REFUSED, step, vpcctl


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), vpc=cloud.vpc())
    w.subnets = [cloud.subnet(w.vpc, f"10.0.{n}.0/24") for n in (1, 2, 3)]
    w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0")])
    w.a, w.m = (cloud.instance(s, [w.open]) for s in w.subnets[:2])
    w.c = cloud.instance(w.subnets[2], [w.open], public=True)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.m.eni, SourceDestCheck={"Value": False})
    w.table = w.ec2.create_route_table(VpcId=w.vpc["VpcId"])["RouteTable"]["RouteTableId"]
    w.ec2.associate_route_table(RouteTableId=w.table, SubnetId=w.subnets[0])
    w.ec2.create_route(RouteTableId=w.table, DestinationCidrBlock="10.0.3.0/24", NetworkInterfaceId=w.m.eni)
    return w


def trace(w, *args):
    return json.loads(vpcctl(w, "trace", *args, "--live", "--json"))


def test_a_middlebox_is_told_and_followed(w):
    until(lambda: trace(w, w.a.id, w.c.id, "tcp/80").get("forwards"), "the route", 10)
    text = vpcctl(w, "trace", w.a.id, w.c.id, "tcp/80")
    again = f"vpcctl trace {w.m.eni} {w.c.ip} tcp/80 --sport 49152 --source {w.a.ip}"
    assert f"delivered to {w.m.eni}" in text and again in text
    alone = trace(w, *again.split()[2:])
    assert alone["accepted"] and alone["arrives"]["at"]["instance"] == w.c.id and not alone.get("forwards")
    answer = trace(w, w.a.id, w.c.id, "tcp/80", "--follow")
    assert answer["next"]["arrives"] == alone["arrives"] and answer["next"]["live"]["agrees"] and "next" not in answer["next"]
    text = vpcctl(w, "trace", w.a.id, w.c.id, "tcp/80", "--follow")
    assert again not in text and f"delivered to {w.c.eni}" in text
    assert "forwards" not in trace(w, w.m.id, w.c.id, "tcp/80")


def test_a_leg_that_refuses_is_the_end(w):
    closed = w.cloud.group(w.vpc, "closed")
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[closed])
    try:
        until(lambda: not trace(w, w.m.id, w.c.id, "tcp/80")["accepted"], "the group", 10)
        vpcctl(w, "trace", w.a.id, w.c.id, "tcp/80")
        assert f"no rule of {closed}" in vpcctl(w, "trace", w.a.id, w.c.id, "tcp/80", "--follow", status=REFUSED)
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.open])
        until(lambda: trace(w, w.m.id, w.c.id, "tcp/80")["accepted"], "the group", 10)


def test_the_gateways_own_route_table_is_named(w):
    edge = w.ec2.create_route_table(VpcId=w.vpc["VpcId"])["RouteTable"]["RouteTableId"]
    gateway = w.ec2.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [w.vpc["VpcId"]]}])["InternetGateways"][0]
    w.ec2.create_route(RouteTableId=edge, DestinationCidrBlock="10.0.3.0/24", NetworkInterfaceId=w.m.eni)
    made = w.ec2.associate_route_table(RouteTableId=edge, GatewayId=gateway["InternetGatewayId"])["AssociationId"]
    try:
        until(lambda: any(edge in h["by"] for h in trace(w, "internet", w.c.id, "tcp/80")["hops"]), "the gateway's table", 10)
        answer = trace(w, "internet", w.c.id, "tcp/80")
        assert step(answer, 7)[0] == {"step": 7, "question": "route table of the internet gateway", "passed": True, "by": f"{edge}: 10.0.3.0/24"}
        assert answer["forwards"] and answer["arrives"]["at"]["instance"] == w.m.id and answer["live"]["agrees"]
    finally:
        w.ec2.disassociate_route_table(AssociationId=made)


def test_an_interface_that_nobody_has(w):
    idle = w.ec2.create_network_interface(SubnetId=w.subnets[1], Groups=[w.open])["NetworkInterface"]
    until(lambda: "not attached" in vpcctl(w, "trace", w.a.id, idle["NetworkInterfaceId"], "tcp/80", status=REFUSED), "the words", 10)
    text = vpcctl(w, "trace", w.a.id, idle["NetworkInterfaceId"], "tcp/80", status=REFUSED)
    assert f"{idle['NetworkInterfaceId']} is not attached to an instance" in text and "no-such-address" in text
    text = vpcctl(w, "trace", idle["NetworkInterfaceId"], w.a.id, "tcp/80", status=REFUSED)
    assert "the interface is attached to an instance" in text and "REFUSED" in text


def test_a_port_of_the_systems_choice_outlives_the_worker(own_cloud):
    """--listen HOST:0; and what status says when nothing runs, and when nothing is there."""
    w = types.SimpleNamespace(cloud=own_cloud)
    worker = json.loads(vpcctl(w, "status", "--json"))["vpcd"]
    os.kill(worker["pid"], signal.SIGKILL)

    def again():
        now = json.loads(vpcctl_any(w, "status", "--json"))["vpcd"]
        return "error" not in now and now["pid"] != worker["pid"] and now
    assert until(again, "a worker")["listen"] == worker["listen"]
    own_cloud.client().describe_vpcs()
    vpcctl(w, "stop")
    assert "packets and instances go on without it" in vpcctl(w, "status", status=1)
    vpcctl(w, "down")
    text = vpcctl(w, "status", status=1)
    assert "go on" not in text and "no packet passes" in text


def vpcctl_any(w, *args):
    try:
        return vpcctl(w, *args)
    except AssertionError as e:
        text = str(e).split("\nassert")[0]
        return text if text.lstrip().startswith("{") else "{\"vpcd\": {\"error\": \"\"}}"
