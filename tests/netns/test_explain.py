# SPDX-License-Identifier: Apache-2.0
"""vpcctl trace, flows and drops: what they say against what packets meet.

    VPC 10.0.0.0/16   subnet 10.0.1.0/24 --- a (group clients)
                      subnet 10.0.2.0/24 --- b (group servers: TCP 80 from clients), with a public address
    VPC 10.0.0.0/16   subnet 10.0.1.0/24 --- other, with a's address
    VPC 10.1.0.0/16   subnet 10.1.1.0/24 --- inner, behind a NAT gateway in subnet 10.1.2.0/24
"""
import json
import os
import select
import subprocess
import types

import pytest

from conftest import BOUND, BUILD, tcp, until

REFUSED = 3  # vpcctl trace: the packet, or the answer to it, does not arrive


@pytest.fixture(scope="module")
def world(cloud):
    vpc, twin = cloud.vpc(), cloud.vpc()
    near, far, elsewhere = cloud.subnet(vpc, "10.0.1.0/24"), cloud.subnet(vpc, "10.0.2.0/24"), cloud.subnet(twin, "10.0.1.0/24")
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), clients=cloud.group(vpc, "clients"), far=far, vpc=vpc)
    w.servers = cloud.group(vpc, "servers", [tcp(80, group=w.clients)])
    w.a = cloud.instance(near, [w.clients], address="10.0.1.9",
                         TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "front"}]}])
    w.b = cloud.instance(far, [w.servers], public=True)
    w.other = cloud.instance(elsewhere, [cloud.group(twin, "x")], address="10.0.1.9")
    w.b.listen(80)
    return w


def vpcctl(w, *args, status=0):
    done = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, *map(str, args)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=BOUND)
    assert done.returncode == status, done.stdout
    return done.stdout


def traced(w, *args, accepted=True):
    """The trace as an object; that the loaded programs agree is part of every one."""
    answer = json.loads(vpcctl(w, "trace", *args, "--live", "--json"))
    assert answer["live"].get("agrees"), answer
    assert answer["accepted"] == accepted, answer
    return answer


def step(answer, number):
    return [hop for hop in answer["hops"] if hop["step"] == number]


def test_a_way_that_is_allowed_names_its_rule_and_the_answer_passes(world):
    w = world
    answer = traced(w, w.a.id, w.b.id, "tcp/80")
    rule = w.ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [w.servers]}])["SecurityGroupRules"]
    assert step(answer, 10)[0]["by"] == next(r["SecurityGroupRuleId"] for r in rule if not r["IsEgress"])
    assert answer["arrives"]["at"]["instance"] == w.b.id
    assert answer["reply"]["accepted"]
    text = vpcctl(w, "trace", w.a.id, w.b.id, "tcp/80")
    assert '"front"' in text and "and the answer to it" in text and "=> delivered" in text


def test_what_is_refused_is_explained_and_packets_meet_the_same(world):
    w = world
    answer = traced(w, w.a.eni, w.b.ip, "tcp/81", accepted=False)
    assert answer["reason"] == "security-group-ingress" and not answer["hops"][-1]["passed"]
    assert w.a.refused(w.cloud, w.b.ip, 81, "security-group-ingress")
    assert "=> dropped: security-group-ingress" in vpcctl(w, "trace", w.a.id, w.b.id, "tcp/81", status=REFUSED)


def test_a_way_in_from_outside_is_translated(world):
    w = world
    answer = traced(w, "internet", w.b.id, "tcp/80", accepted=False)
    assert answer["packet"]["destination"] == w.b.public_ip and answer["reason"] == "security-group-ingress"
    answer = traced(w, w.b.id, "internet", "tcp/443")
    assert answer["arrives"]["at"]["interface"] == "outside" and answer["arrives"]["source"] == w.b.public_ip
    assert traced(w, w.a.id, "internet", "tcp/443", accepted=False)["reason"] == "no-public-address"


def test_spoofed_sources_and_addresses_of_nobody(world):
    w = world
    assert traced(w, w.a.id, w.b.id, "tcp/80", "--source", "10.0.1.77", accepted=False)["reason"] == "spoofed-address"
    assert traced(w, w.a.id, "10.0.2.200", "udp/53", accepted=False)["reason"] == "no-such-address"
    assert traced(w, w.a.id, "10.0.1.1", "icmp", accepted=False)["reason"] == "to-router"
    assert traced(w, w.a.id, "169.254.1.1", "47", accepted=False)["reason"] == "link-local"


def test_trace_writes_nothing(world):
    w = world
    before = w.cloud.drops().get("security-group-ingress")
    for port in range(2000, 2020):
        traced(w, w.a.id, w.b.id, f"tcp/{port}", accepted=False)
    traced(w, w.a.id, w.b.id, "tcp/80")
    assert w.cloud.drops().get("security-group-ingress") == before
    assert json.loads(vpcctl(w, "flows", "--port", 49152, "--json"))["flows"] == []


def test_an_address_in_two_vpcs_must_be_told_apart(world):
    w = world
    text = vpcctl(w, "trace", "10.0.1.9", w.b.id, "tcp/80", status=1)
    assert w.a.eni in text and w.other.eni in text


@pytest.mark.parametrize("args, words", [
    (["i-00000000000000000", "10.0.0.9"], "no instance"), (["eni-1", "10.0.0.9"], "no interface"), (["somewhere", "10.0.0.9"], "no instance"),
])
def test_ends_that_are_not_there(world, args, words):
    assert words in vpcctl(world, "trace", *args, "tcp/80", status=1)


@pytest.mark.parametrize("args", [["a"], ["a", "b", "tcp"], ["a", "b", "tcp/99999"], ["a", "b", "icmp/1/2/3"], ["a", "b", "--sport", "x"],
                                  ["a", "b", "tcp/1", "c"], ["a", "b", "--what"], ["a", "b", "--sport"], ["a", "b", "256"]])
def test_wrong_command_lines(world, args):
    text = vpcctl(world, "trace", *args, status=2)
    assert "trace" in text or "--sport" in text


def test_flows_shows_a_connection_and_what_it_carried(world):
    w = world
    with w.a.dial(w.b.ip, 80) as connection:
        port = connection.getsockname()[1]
        assert connection.recv(100)
        flow, = json.loads(vpcctl(w, "flows", "--port", port, "--json"))["flows"]
        assert (flow["from_instance"], flow["to_instance"], flow["state"], flow["tracked"]) == (w.a.id, w.b.id, "established", True)
        assert flow["packets"] >= 2 and flow["packets_back"] >= 2 and flow["bytes_back"] > 100
        for narrow in (["--of", w.a.id], ["--of", w.b.eni], ["--address", w.b.ip], ["--protocol", "tcp"]):
            assert str(port) in vpcctl(w, "flows", "--port", port, *narrow)
        for elsewhere in (["--of", w.other.id], ["--address", "10.0.9.9"], ["--protocol", "udp"]):
            assert vpcctl(w, "flows", "--port", port, *elsewhere) == "0 flows\n"
    assert "flows" in vpcctl(w, "flows", "--port", "x", status=2)


def test_an_acl_that_refuses_the_answer_is_named(world):
    w = world
    subnet = w.ec2.describe_subnets(SubnetIds=[w.far])["Subnets"][0]
    acl = w.ec2.create_network_acl(VpcId=subnet["VpcId"])["NetworkAcl"]["NetworkAclId"]
    row = w.ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [w.far]}])["NetworkAcls"][0]
    old = next(a for a in row["Associations"] if a["SubnetId"] == w.far)["NetworkAclAssociationId"]
    w.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=7, Protocol="-1", RuleAction="allow", Egress=False, CidrBlock="10.0.0.0/16")
    w.ec2.create_network_acl_entry(NetworkAclId=acl, RuleNumber=9, Protocol="6", RuleAction="deny", Egress=True, CidrBlock="10.0.1.0/24",
                                   PortRange={"From": 1024, "To": 65535})
    new = w.ec2.replace_network_acl_association(AssociationId=old, NetworkAclId=acl)["NewAssociationId"]
    try:
        until(lambda: not w.a.opens(w.b.ip, 80, 0.3), "the ACL")
        answer = traced(w, w.a.id, w.b.id, "tcp/80")
        assert (step(answer, 9)[0]["by"], answer["reply"]["accepted"]) == (f"{acl} rule 7", False)
        assert answer["reply"]["hops"][-1] == {"step": 6, "question": "network ACL of the sender's subnet, egress", "passed": False,
                                               "by": f"{acl} rule 9"}
        vpcctl(w, "trace", w.a.id, w.b.id, "tcp/80", status=REFUSED)
    finally:
        w.ec2.replace_network_acl_association(AssociationId=new, NetworkAclId=row["NetworkAclId"])
    until(lambda: w.a.opens(w.b.ip, 80, 0.3), "the end of the ACL")


def test_a_way_through_a_nat_gateway(world):
    w = world
    vpc = w.cloud.vpc("10.1.0.0/16")
    private, public = w.cloud.subnet(vpc, "10.1.1.0/24"), w.cloud.subnet(vpc, "10.1.2.0/24")
    address = w.ec2.allocate_address(Domain="vpc")
    nat = w.ec2.create_nat_gateway(SubnetId=public, AllocationId=address["AllocationId"])["NatGateway"]["NatGatewayId"]
    w.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat])
    table = w.ec2.create_route_table(VpcId=vpc["VpcId"])["RouteTable"]["RouteTableId"]
    w.ec2.associate_route_table(RouteTableId=table, SubnetId=private)
    w.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    inner = w.cloud.instance(private, [w.cloud.group(vpc, "inner")])
    with w.cloud.host_place().serve(w.cloud.host, 8093) as server:
        until(lambda: inner.opens(w.cloud.host, 8093), "the way out")
        server.accept()[0].close()
    answer = traced(w, inner.id, "internet", "tcp/443")
    assert any(hop["by"].startswith(nat) for hop in answer["hops"])
    assert (answer["arrives"]["source"], answer["reply"]["accepted"]) == (address["PublicIp"], True)
    assert traced(w, "internet", address["PublicIp"], "tcp/443", accepted=False)["reason"]


def test_an_instance_that_is_stopped_is_told(world):
    w = world
    late = w.cloud.instance(w.far, [w.servers])
    w.ec2.stop_instances(InstanceIds=[late.id])
    w.ec2.get_waiter("instance_stopped").wait(InstanceIds=[late.id])
    answer = traced(w, w.a.id, late.eni, "tcp/80", accepted=False)
    assert answer["reason"] == "no-link" and answer["hops"][-1]["by"] == late.id and "reply" not in answer


def test_a_name_does_not_command_the_terminal(world):
    w = world
    w.ec2.create_tags(Resources=[w.b.id], Tags=[{"Key": "Name", "Value": "b\u009b31m\u007f!"}])
    until(lambda: "b?31m?!" in vpcctl(w, "trace", w.a.id, w.b.id, "tcp/80"), "the name, without its controls", 5)


def test_drops_names_the_packet_and_its_reason(world):
    w = world
    assert w.a.refused(w.cloud, w.b.ip, 4711, "security-group-ingress")

    def row():
        rows = json.loads(vpcctl(w, "drops", "--of", w.b.id, "--json"))["recent"]
        return next((r for r in rows if r.get("dport") == 4711), None)
    found = until(row, "the dropped packet", 5)
    assert (found["interface"], found["source"], found["destination"], found["reason"]) == \
        (w.a.eni, w.a.ip, w.b.ip, "security-group-ingress")
    assert w.servers in found["by"]
    assert f"{w.b.ip}:4711" in vpcctl(w, "drops", "--last", 1024)
    assert vpcctl(w, "drops", "--of", w.other.id).count("4711") == 0


def test_drops_follows(world):
    w = world
    process = subprocess.Popen([os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, "drops", "--follow", "--of", w.a.id],
                               stdout=subprocess.PIPE, text=True)
    try:
        until(lambda: w.a.refused(w.cloud, w.b.ip, 4712, "security-group-ingress") and select_line(process), "a line", 10)
    finally:
        process.kill()
        process.wait()


def select_line(process):
    return select.select([process.stdout], [], [], 0.5)[0] and ":4712" in process.stdout.readline()
