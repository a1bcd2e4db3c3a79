# SPDX-License-Identifier: Apache-2.0
"""Flow logs of real packets: each packet and byte in its record, once.

    vpc 10.0.0.0/16 and IPv6, internet gateway                     a flow log's minute lasts a second here
      subnet 10.0.1.0/24 --0.0.0.0/0--> NAT gateway in 10.0.2.0/24    p
      subnet 10.0.2.0/24 --0.0.0.0/0--> internet gateway              a, b (public addresses)
      subnet 10.0.3.0/24, an ACL of its own                           c
    host 198.18.x.1 --- uplink
"""
import contextlib
import itertools
import os
import random
import re
import signal
import socket
import struct
import subprocess
import time
import types

import botocore.exceptions
import pytest

import flowlogs
from conftest import TOP, Cloud, everything, tcp, udp, until
from test_nat import nat_gateway, table_to

ports = itertools.count(23000)
IP_UDP = 28


@pytest.fixture(scope="module")
def cloud():
    made = Cloud(options=["--uplink-allow", "all", "--flow-log-window", "1"])
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client(), host=cloud.host_place())
    w.vpc = cloud.vpc(ipv6=True)
    w.private, w.public = cloud.subnet(w.vpc, "10.0.1.0/24"), cloud.subnet(w.vpc, "10.0.2.0/24", number6=2)
    w.third = cloud.subnet(w.vpc, "10.0.3.0/24")
    w.open = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0"), everything(cidr6="::/0")])
    w.picky = cloud.group(w.vpc, "picky", [udp(1, 19999, cidr="0.0.0.0/0")])
    w.a, w.b = cloud.instances(2, w.public, [w.open], public=True, ipv6=True)
    w.p = cloud.instance(w.private, [w.open])
    w.c = cloud.instance(w.third, [w.open])
    row = nat_gateway(w, w.public)
    w.nat, w.nat_public = row["NatGatewayId"], row["NatGatewayAddresses"][0]["PublicIp"]
    w.nat_private, w.nat_eni = row["NatGatewayAddresses"][0]["PrivateIp"], row["NatGatewayAddresses"][0]["NetworkInterfaceId"]
    table_to(w, [w.private], NatGatewayId=w.nat)
    until(lambda: w.p.ping(cloud.host), "the NAT gateway carries packets")
    return w


@pytest.fixture
def log(cloud):
    """flowlogs.create, and deleted at the end."""
    made = []

    def create(*args, **more):
        made.append(flowlogs.create(cloud, *args, **more))
        return made[-1]
    yield create
    for m in made:
        with contextlib.suppress(botocore.exceptions.ClientError):  # gone with its interface
            cloud.client().delete_flow_logs(FlowLogIds=[m.id])


def recorded(cloud, enis):
    """Until the agent keeps logs of so many interfaces."""
    until(lambda: cloud.agent(cmd="status")["flow_logs"]["interfaces"] == enis, f"{enis} interfaces are recorded")


def datagrams(sender, receiver, count, size, to=None, answer=0, port=0):
    """`count` of them, and as many answers of `answer` bytes; the two ports."""
    family6 = to and ":" in to
    with receiver.udp(receiver.ip6 if family6 else receiver.ip, port) as there, \
            sender.udp(sender.ip6 if family6 else sender.ip) as here:
        port = there.getsockname()[1]
        for _ in range(count):
            here.sendto(b"x" * size, (to or receiver.ip, port))
            back = there.recvfrom(9000)[1]
            if answer:
                there.sendto(b"y" * answer, back)
                here.recv(9000)
        return here.getsockname()[1], port


def test_queries_of_the_manual(w):
    """The pipelines of docs/FLOW-LOGS.md, with the real client, on a log group of the default format."""
    text = open(os.path.join(TOP, "docs", "FLOW-LOGS.md")).read().split("## Looking at it")[1].split("###")[0]
    refused, most, missing = [re.sub("^    ", "", block, flags=re.M) for block in re.findall(r"(?:^    .*\n)+", text, re.M)]
    made, = w.ec2.create_flow_logs(ResourceIds=[w.vpc["VpcId"]], ResourceType="VPC", TrafficType="ALL", LogGroupName="flows",
                                   DeliverLogsPermissionArn="arn:aws:iam::000000000001:role/flows",
                                   MaxAggregationInterval=60)["FlowLogIds"]
    recorded(w.cloud, 5)
    keys = w.cloud.keys()
    env = {**os.environ, "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"], "AWS_DEFAULT_REGION": "us-east-1",
           "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"]}

    def ask(command):
        done = subprocess.run(["bash", "-c", f'aws() {{ command aws --endpoint-url {w.cloud.endpoint} "$@"; }}\n{command}'],
                              env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.stdout
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.picky])
    try:
        with w.a.udp(w.a.ip) as here, w.cloud.dropping("security-group-ingress", 3):
            for _ in range(3):
                here.sendto(b"x", (w.c.ip, 22222))
        datagrams(w.a, w.b, 4, 972)
        until(lambda: f"3 {w.a.ip} > {w.c.ip} port 22222" in ask(refused), "the refusals: " + ask(refused), 30, 0.5)
        assert f"4000 {w.a.eni} {w.a.ip} > {w.b.ip}" in ask(most)
        assert ask(missing).strip() in ("", "None")
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.open])
        w.ec2.delete_flow_logs(FlowLogIds=[made])


def test_thousands_of_flows(w, log):
    """Each of 3,000 flows with a count and size of its own, both ways."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 30)))
    print(f"SEED={seed}")
    rng = random.Random(seed)
    of_a, of_b = log(w.a.eni), log(w.b.eni)
    recorded(w.cloud, 2)
    sent, answered = {}, {}
    with w.b.udp(w.b.ip, 5000) as there:
        for port in range(30000, 33000):
            with w.a.udp(w.a.ip, port) as here:
                n, size, back = rng.randrange(1, 4), rng.randrange(1, 1400), rng.randrange(0, 2)
                for _ in range(n):
                    here.sendto(b"x" * size, (w.b.ip, 5000))
                    there.recv(2000)
                sent[port] = n, n * (size + IP_UDP)
                if back:
                    there.sendto(b"y" * size, (w.a.ip, port))
                    here.recv(2000)
                    answered[port] = 1, size + IP_UDP
    total, total_back = sum(n for n, _ in sent.values()), sum(n for n, _ in answered.values())
    for which, there, back in ((of_a, "egress", "ingress"), (of_b, "ingress", "egress")):
        which.wait_packets(total, srcaddr=w.a.ip, dstaddr=w.b.ip, dstport=5000)
        which.wait_packets(total_back, srcaddr=w.b.ip, dstaddr=w.a.ip, srcport=5000)
        for column, direction, wanted in (("srcport", there, sent), ("dstport", back, answered)):
            got = {}
            for row in which.find(flow_direction=direction, protocol=17, action="ACCEPT"):
                n, size = got.get(int(row[column]), (0, 0))
                got[int(row[column])] = n + int(row["packets"]), size + int(row["bytes"])
            assert got == wanted
        assert which.find(log_status="SKIPDATA") == []


def test_every_field_of_a_tcp_connection(w, log):
    of_b = log(w.b.eni)
    recorded(w.cloud, 1)
    port = next(ports)
    with w.b.serve(w.b.ip, port) as listener, w.a.dial(w.b.ip, port) as here, listener.accept()[0] as there:
        source = here.getsockname()[1]
        here.sendall(b"x" * 1000)
        assert len(there.recv(1000, socket.MSG_WAITALL)) == 1000
    of_b.settle(w.b.eni)
    row = of_b.find(srcport=source, dstport=port)[0]
    zone = w.ec2.describe_availability_zones()["AvailabilityZones"]
    subnet = w.ec2.describe_subnets(SubnetIds=[w.public])["Subnets"][0]
    assert {k: row[k] for k in flowlogs.FIELDS if k not in ("packets", "bytes", "start", "end", "tcp-flags", "account-id")} == {
        "version": "5", "interface-id": w.b.eni, "srcaddr": w.a.ip, "dstaddr": w.b.ip, "srcport": str(source),
        "dstport": str(port), "protocol": "6", "action": "ACCEPT", "log-status": "OK", "vpc-id": w.vpc["VpcId"],
        "subnet-id": w.public, "instance-id": w.b.id, "type": "IPv4", "pkt-srcaddr": w.a.ip, "pkt-dstaddr": w.b.ip,
        "region": "us-east-1", "az-id": next(z["ZoneId"] for z in zone if z["ZoneName"] == subnet["AvailabilityZone"]),
        "sublocation-type": "-", "sublocation-id": "-", "pkt-src-aws-service": "-", "pkt-dst-aws-service": "-",
        "flow-direction": "ingress", "traffic-path": "-"}
    assert row["account-id"] == subnet["OwnerId"]
    flags = {direction: 0 for direction in ("ingress", "egress")}
    for row in of_b.find(protocol=6):
        flags[row["flow-direction"]] |= int(row["tcp-flags"])
    assert flags == {"ingress": 3, "egress": 19}  # SYN and FIN; SYN-ACK and FIN
    assert {row["traffic-path"] for row in of_b.find(flow_direction="egress")} == {"1"}


def test_nat_gateway(w, log):
    """The example of AWS's user guide, line by line, and the instance's own two lines."""
    names = "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr".split()
    text = " ".join("${%s}" % n for n in names)
    full = log(w.nat_eni)
    at_nat, at_p = log(w.nat_eni, log_format=text), log(w.p.eni, log_format=text)
    recorded(w.cloud, 2)
    host = types.SimpleNamespace(udp=w.host.udp, ip=w.cloud.host)
    source, port = datagrams(w.p, host, 5, 100, answer=50)
    full.wait_packets(5, flow_direction="egress", dstaddr=w.p.ip)
    until(lambda: len(set(at_nat.look() and at_nat.lines)) >= 5 and len(at_p.look()) >= 2, "the lines", 10)
    mine, host = w.p.ip, w.cloud.host
    lines = {line for line in at_nat.lines if host in line}
    assert lines == {f"- {w.nat_eni} {mine} {w.nat_private} {mine} {host}",
                     f"- {w.nat_eni} {w.nat_private} {host} {w.nat_private} {host}",
                     f"- {w.nat_eni} {host} {w.nat_private} {host} {w.nat_private}",
                     f"- {w.nat_eni} {w.nat_private} {mine} {host} {mine}"}
    assert {line for line in at_p.lines if host in line} == {f"{w.p.id} {w.p.eni} {mine} {host} {mine} {host}",
                                                             f"{w.p.id} {w.p.eni} {host} {mine} {host} {mine}"}
    # Ports: the instance's own inside, the gateway's outside; each direction counted in full.
    for direction, src, packets, size, path in (("ingress", mine, 5, 128, "-"), ("egress", w.nat_private, 5, 128, "8"),
                                                ("ingress", host, 5, 78, "-")):
        rows = [r for r in full.find(flow_direction=direction, srcaddr=src) if int(r["bytes"]) // int(r["packets"]) == size]
        assert sum(int(r["packets"]) for r in rows) == packets, (direction, src, full.rows)
        assert {r["traffic-path"] for r in rows} == {path}
    assert {r["srcport"] for r in full.find(srcaddr=mine)} == {str(source)}
    outside = {r["srcport"] for r in full.find(dstaddr=host)}
    assert len(outside) == 1 and outside == {r["dstport"] for r in full.find(srcaddr=host)}
    assert {(r["dstport"], r["traffic-path"]) for r in full.find(dstaddr=mine)} == {(str(source), "1")}


def test_public_addresses_and_hairpin(w, log):
    """Behind an internet gateway: the private address at one's own interface, the public one at the other's."""
    of_vpc = log(w.vpc["VpcId"])
    recorded(w.cloud, 5)
    host = types.SimpleNamespace(udp=w.host.udp, ip=w.cloud.host)
    source, port = datagrams(w.a, host, 3, 10, answer=20)
    of_vpc.wait_packets(3, eni=w.a.eni, srcaddr=w.a.ip, pkt_srcaddr=w.a.ip, dstaddr=w.cloud.host, srcport=source, dstport=port,
                        traffic_path=8, flow_direction="egress")
    of_vpc.wait_packets(3, eni=w.a.eni, srcaddr=w.cloud.host, dstaddr=w.a.ip, pkt_dstaddr=w.a.ip, flow_direction="ingress")
    source, port = datagrams(w.a, w.b, 4, 10, to=w.b.public_ip)
    of_vpc.wait_packets(4, eni=w.a.eni, srcaddr=w.a.ip, dstaddr=w.b.public_ip, srcport=source, traffic_path=8)
    of_vpc.wait_packets(4, eni=w.b.eni, srcaddr=w.a.public_ip, pkt_srcaddr=w.a.public_ip, dstaddr=w.b.ip, pkt_dstaddr=w.b.ip,
                        srcport=source, flow_direction="ingress")


def test_ipv6_and_icmp(w, log):
    of_a = log(w.a.eni)
    recorded(w.cloud, 1)
    source, port = datagrams(w.a, w.b, 3, 100, to=w.b.ip6)
    of_a.wait_packets(3, type="IPv6", srcaddr=w.a.ip6, dstaddr=w.b.ip6, srcport=source, dstport=port, protocol=17)
    assert of_a.bytes(srcport=source, dstport=port) == 3 * (100 + 48)
    w.a.run("ping", "-n", "-q", "-c", 4, "-i", "0.05", "-s", 100, w.b.ip)
    for where in ({"srcaddr": w.a.ip}, {"srcaddr": w.b.ip}):
        of_a.wait_packets(4, protocol=1, srcport=0, dstport=0, **where)
        assert of_a.bytes(protocol=1, **where) == 4 * 128


def test_refused_by_a_group(w, log):
    """One REJECT, at the receiver; the sender's interface let it out."""
    of_a, of_c = log(w.a.eni), log(w.c.eni)
    only_accepted, only_refused = log(w.c.eni, traffic="ACCEPT"), log(w.third, traffic="REJECT")
    recorded(w.cloud, 2)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.picky])
    try:
        port = 20001
        with w.a.udp(w.a.ip) as here, w.cloud.dropping("security-group-ingress", 7):
            source = here.getsockname()[1]
            for _ in range(7):
                here.sendto(b"x" * 100, (w.c.ip, port))
        of_c.wait_packets(7, srcport=source, dstport=port, action="REJECT", flow_direction="ingress")
        assert of_c.bytes(srcport=source, action="REJECT") == 7 * 128
        of_a.wait_packets(7, srcport=source, dstport=port, action="ACCEPT", flow_direction="egress")
        accepted, port = datagrams(w.a, w.c, 2, 10, port=19999)
        of_c.wait_packets(2, srcport=accepted, action="ACCEPT")
        only_refused.wait_packets(7, srcport=source)
        of_c.settle(w.c.eni)
        assert only_accepted.packets() >= 2 and only_accepted.find(action="REJECT") == []
        assert only_refused.find(action="ACCEPT") == [] and of_c.packets(srcport=source, action="ACCEPT") == 0
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.open])


@contextlib.contextmanager
def acl(w, subnet, *entries):
    """The subnet has an ACL with these entries: (number, egress, action, cidr)."""
    made = w.ec2.create_network_acl(VpcId=w.vpc["VpcId"])["NetworkAcl"]["NetworkAclId"]
    for number, egress, action, cidr in entries:
        w.ec2.create_network_acl_entry(NetworkAclId=made, RuleNumber=number, Protocol="-1", RuleAction=action, Egress=egress,
                                       CidrBlock=cidr)
    row, = [a for n in w.ec2.describe_network_acls()["NetworkAcls"] for a in n["Associations"] if a["SubnetId"] == subnet]
    now = w.ec2.replace_network_acl_association(AssociationId=row["NetworkAclAssociationId"], NetworkAclId=made)["NewAssociationId"]
    try:
        yield
    finally:
        w.ec2.replace_network_acl_association(AssociationId=now, NetworkAclId=row["NetworkAclId"])
        w.ec2.delete_network_acl(NetworkAclId=made)


@pytest.fixture
def one_way_acl(w):
    """The third subnet lets everything in and nothing out."""
    with acl(w, w.third, (100, False, "allow", "0.0.0.0/0")):
        yield


def test_refused_at_a_nat_gateway(w, log):
    """By the ACL of the gateway's subnet, on the way out: the gateway's interface has the REJECT."""
    of_nat, of_p = log(w.nat_eni), log(w.p.eni)
    recorded(w.cloud, 2)
    everywhere = "0.0.0.0/0"
    with acl(w, w.public, (90, True, "deny", w.cloud.host + "/32"), (100, True, "allow", everywhere),
             (100, False, "allow", everywhere)), w.p.udp(w.p.ip) as here, w.cloud.dropping("network-acl-egress", 3):
        source = here.getsockname()[1]
        for _ in range(3):
            here.sendto(b"x" * 100, (w.cloud.host, 9999))
    of_p.wait_packets(3, srcport=source, action="ACCEPT", flow_direction="egress")
    of_nat.wait_packets(3, srcaddr=w.p.ip, dstaddr=w.nat_private, pkt_dstaddr=w.cloud.host, action="ACCEPT",
                        flow_direction="ingress")
    of_nat.wait_packets(3, srcaddr=w.nat_private, dstaddr=w.cloud.host, action="REJECT", flow_direction="egress")


def test_reply_refused_by_an_acl(w, log, one_way_acl):
    """AWS's example with a ping: one ACCEPT, and one REJECT for the answer."""
    of_c = log(w.c.eni)
    recorded(w.cloud, 1)
    with w.cloud.dropping("network-acl-egress", 4):
        w.a.run("ping", "-n", "-q", "-c", 4, "-i", "0.05", "-W", "0.2", w.c.ip, check=False)
    of_c.wait_packets(4, srcaddr=w.a.ip, dstaddr=w.c.ip, protocol=1, action="ACCEPT", flow_direction="ingress")
    of_c.wait_packets(4, srcaddr=w.c.ip, dstaddr=w.a.ip, protocol=1, action="REJECT", flow_direction="egress")
    assert of_c.packets(action="ACCEPT", flow_direction="egress") == 0


def test_secondary_addresses(w, log):
    second = "10.0.2.77"
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.b.eni, PrivateIpAddresses=[second])
    of_a, of_b = log(w.a.eni), log(w.b.eni)
    recorded(w.cloud, 2)
    until(lambda: w.b.run("ip", "addr", "show", "dev", "eth0").stdout.count(second), "the address is there")
    there = types.SimpleNamespace(ip=second, udp=w.b.udp)
    source, port = datagrams(w.a, there, 3, 10, answer=10)
    of_b.wait_packets(3, dstaddr=w.b.ip, pkt_dstaddr=second, srcport=source, dstport=port)
    of_b.wait_packets(3, srcaddr=w.b.ip, pkt_srcaddr=second, dstport=source, srcport=port)
    of_a.wait_packets(3, dstaddr=second, pkt_dstaddr=second, srcport=source, dstport=port)


def test_middlebox(w, log):
    """Twice at the middlebox, in and out, with its own address for its own side."""
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": False})
    w.b.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    table = table_to(w, [w.third], NetworkInterfaceId=w.b.eni)
    w.ec2.create_route(RouteTableId=table, DestinationCidrBlock="10.0.1.0/24", NetworkInterfaceId=w.b.eni)
    try:
        of_vpc = log(w.vpc["VpcId"])
        recorded(w.cloud, 5)
        source, port = datagrams(w.c, w.p, 3, 10)
        of_vpc.wait_packets(3, eni=w.c.eni, srcport=source, srcaddr=w.c.ip, dstaddr=w.p.ip, flow_direction="egress")
        of_vpc.wait_packets(3, eni=w.b.eni, srcport=source, srcaddr=w.c.ip, dstaddr=w.b.ip, pkt_dstaddr=w.p.ip,
                            flow_direction="ingress")
        of_vpc.wait_packets(3, eni=w.b.eni, srcport=source, srcaddr=w.b.ip, pkt_srcaddr=w.c.ip, dstaddr=w.p.ip,
                            flow_direction="egress")
        of_vpc.wait_packets(3, eni=w.p.eni, srcport=source, srcaddr=w.c.ip, dstaddr=w.p.ip, flow_direction="ingress")
    finally:
        row, = [a for t in w.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"] for a in t["Associations"]]
        w.ec2.disassociate_route_table(AssociationId=row["RouteTableAssociationId"])
        w.ec2.delete_route_table(RouteTableId=table)
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.b.eni, SourceDestCheck={"Value": True})


def test_nodata_and_a_later_interface(w, log):
    """Of an interface that is made after its log, too; windows follow one another."""
    of_vpc = log(w.third)
    recorded(w.cloud, 1)
    made = w.cloud.instance(w.third, [w.open])
    rows = of_vpc.wait(3, eni=made.eni, log_status="NODATA")
    assert {row["srcaddr"] + row["packets"] + row["action"] + row["flow-direction"] for row in rows} == {"----"}
    assert {row["instance-id"] for row in rows} == {made.id}
    assert all(one["end"] == two["start"] for one, two in zip(rows, rows[1:]))
    source, port = datagrams(w.a, made, 2, 10)
    of_vpc.wait_packets(2, eni=made.eni, srcport=source)
    assert of_vpc.find(log_status="SKIPDATA") == []
    w.ec2.terminate_instances(InstanceIds=[made.id])


def test_slow_log(w, log):
    """A log of 600 seconds has in one record what one of 60 has in several."""
    slow, fast = log(w.a.eni, interval=600), log(w.a.eni)
    recorded(w.cloud, 1)
    until(lambda: time.time() % 10 < 2, "a slow window has begun")
    with w.b.udp(w.b.ip) as there, w.a.udp(w.a.ip) as here:
        source, port = here.getsockname()[1], there.getsockname()[1]
        for sent in range(1, 5):
            here.sendto(b"x" * 10, (w.b.ip, port))
            there.recv(10)
            until(lambda: fast.packets(srcport=source, dstport=port) >= sent, "the fast log has it", 10)
    assert len(fast.find(srcport=source, dstport=port)) == 4
    slow.wait_packets(4, srcport=source, dstport=port, bound=30)
    assert len(slow.find(srcport=source, dstport=port)) <= 2  # on a busy machine a window of ten seconds may have ended meanwhile


def test_too_many_refusals_are_told(w, log):
    """More kinds of refused packets than are kept: SKIPDATA at both of their ends, and nowhere else."""
    of_c, of_a, of_b = log(w.c.eni), log(w.a.eni), log(w.b.eni)
    recorded(w.cloud, 3)
    w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.picky])
    try:
        with w.a.udp(w.a.ip) as here:
            for port in range(20000, 60000):
                here.sendto(b"", (w.c.ip, port))
        for which, eni, action in ((of_c, w.c.eni, "REJECT"), (of_a, w.a.eni, "ACCEPT")):
            which.wait(1, log_status="SKIPDATA")
            which.settle(eni)
            assert 4000 <= which.packets(action=action, dstaddr=w.c.ip) < 40000
        of_b.settle(w.b.eni)
        assert of_b.find(log_status="SKIPDATA") == []
    finally:
        w.ec2.modify_network_interface_attribute(NetworkInterfaceId=w.c.eni, Groups=[w.open])


def test_last_record_of_a_terminated_instance(w, log):
    made = w.cloud.instance(w.third, [w.open])
    own, of_subnet = log(made.eni), log(w.third)
    recorded(w.cloud, 2)
    source, port = datagrams(made, w.a, 6, 10, answer=10)
    w.ec2.terminate_instances(InstanceIds=[made.id])
    until(lambda: not w.ec2.describe_network_interfaces(Filters=[{"Name": "network-interface-id", "Values": [made.eni]}])
          ["NetworkInterfaces"], "the interface is gone")
    for which in (own, of_subnet):
        which.wait_packets(6, eni=made.eni, srcport=source, flow_direction="egress")
        which.wait_packets(6, eni=made.eni, dstport=source, flow_direction="ingress")
        assert which.find(log_status="SKIPDATA") == []
    assert {row["instance-id"] for row in own.look()} == {made.id}
    of_subnet.settle(w.c.eni)
    told = len(of_subnet.find(eni=made.eni))
    of_subnet.settle(w.c.eni)
    assert len(of_subnet.find(eni=made.eni)) == told  # and no more NODATA


@contextlib.contextmanager
def other_agent(cloud, signal_number):
    """Ends the agent so; returns when the next one is in step."""
    pid = cloud.agent_pid()

    def in_step():
        try:
            return cloud.agent_pid() != pid and cloud.agent(cmd="status").get("connected")
        except OSError:
            return False
    os.kill(pid, signal_number)
    until(lambda: cloud.agent_pid() != pid, "its end")
    yield
    until(in_step, "another agent is in step")


def held_for_slow_logs(text, eni):
    """What src/agent/flow_held.c wrote: since when records for slow logs were in the agent's memory; 0: none were."""
    at = text.find(eni.encode())
    return struct.unpack_from("<qq", text, at + 32)[1] if at >= 0 else 0


def test_killed_agent(w, log):
    """Flows go on being counted; only what the agent had in memory is lost, and is said to be."""
    fast, slow, idle = log(w.a.eni), log(w.a.eni, interval=600), log(w.c.eni)
    recorded(w.cloud, 2)
    held = False
    while not held:  # else a slow window ended just before
        until(lambda: time.time() % 10 < 2, "a slow window has begun")
        source, port = datagrams(w.a, w.b, 5, 10)
        fast.wait_packets(5, srcport=source)  # so the slow log's are in memory
        with w.b.udp(w.b.ip) as there, w.a.udp(w.a.ip) as here:
            here.sendto(b"x" * 10, there.getsockname())
            late = here.getsockname()[1]
            there.recv(10)
            with other_agent(w.cloud, signal.SIGKILL):
                with open(f"{w.cloud.directory}/agent/flow-log-held", "rb") as f:
                    held = held_for_slow_logs(f.read(), w.a.eni)
                here.sendto(b"x" * 10, there.getsockname())
                there.recv(10)
    row, = slow.wait(1, log_status="SKIPDATA", bound=30)
    assert slow.packets(srcport=source) == 0 and int(row["start"]) <= int(row["end"])
    fast.settle(w.a.eni)
    if not fast.find(log_status="SKIPDATA"):  # it may have been killed just when the one packet was in memory
        fast.wait_packets(2, srcport=late)
    idle.settle(w.c.eni)
    assert idle.find(log_status="SKIPDATA") == []
    # A window later all is as before.
    source, port = datagrams(w.a, w.b, 3, 10)
    slow.wait_packets(3, srcport=source, bound=30)
    assert len(slow.find(log_status="SKIPDATA")) == 1


def test_stopped_agent_loses_nothing(w, log):
    """An agent that is told to end writes what it has, and the next one goes on."""
    slow = log(w.a.eni, interval=600)
    recorded(w.cloud, 1)
    until(lambda: time.time() % 10 < 2, "a slow window has begun")
    with w.b.udp(w.b.ip) as there, w.a.udp(w.a.ip) as here:
        source = here.getsockname()[1]
        here.sendto(b"x", there.getsockname())
        there.recv(10)
        with other_agent(w.cloud, signal.SIGTERM):
            here.sendto(b"x", there.getsockname())
            there.recv(10)
    slow.wait_packets(2, srcport=source, bound=30)
    assert slow.find(log_status="SKIPDATA") == []
