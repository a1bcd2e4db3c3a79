#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long after the API's answer a change is in force for packets, on a host with many interfaces.

    sudo bench/change.py [--interfaces 1000] [--changes 200] [--raw FILE]

    a --- packet path --- b       UDP packets, each with its time of sending, one after another without a pause

For a change that opens the way: the sending time of the first packet that arrives, less the time of the answer; for
one that closes it: that of the last one. Never less than 0. The other interfaces are of the same VPC and carry the same groups.
"""
import argparse
import json
import os
import statistics
import struct
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests", "netns"))
from conftest import Cloud, everything, udp, until  # noqa: E402

TYPE, PER_INSTANCE = "c5.24xlarge", 15  # an instance type with many interfaces
AFTER = 0.25  # seconds after an answer during which packets are looked at


class Stream:
    """A thread that sends, another that notes the sending times of what arrives."""

    def __init__(self, a, b):
        self.out, self.into, self.arrived, self.on = a.udp("0.0.0.0"), b.udp("0.0.0.0", 5000), [], True
        self.out.connect((b.ip, 5000))
        self.threads = [threading.Thread(target=f, daemon=True) for f in (self.send, self.receive)]
        for thread in self.threads:
            thread.start()

    def send(self):
        while self.on:
            try:
                self.out.send(struct.pack("d", time.monotonic()))
            except OSError:
                pass
            time.sleep(0.0001)

    def receive(self):
        while self.on:
            try:
                self.arrived.append(struct.unpack("d", self.into.recv(64))[0])
            except OSError:
                pass

    def effect(self, change, opens):
        """Milliseconds from the answer of change() until its effect."""
        change()
        answered = time.monotonic()
        time.sleep(AFTER)
        times = [t for t in self.arrived if t > answered]
        self.arrived.clear()
        if opens:
            assert times, "nothing came through"
            return (times[0] - answered) * 1e3
        assert not times or times[-1] - answered < AFTER / 2, "it goes on"
        return (times[-1] - answered) * 1e3 if times else 0.0

    def close(self):
        self.on = False
        for thread in self.threads:
            thread.join()


def build(cloud, interfaces):
    ec2 = cloud.client()
    vpc = cloud.vpc("10.0.0.0/16", internet=False)
    near, far = cloud.subnet(vpc, "10.0.0.0/20"), cloud.subnet(vpc, "10.0.16.0/20")
    groups = [cloud.group(vpc, "crowd", ingress=[everything(cidr="192.0.2.0/24")]), cloud.group(vpc, "b")]
    a, b = cloud.instance(near, groups[:1]), cloud.instance(far, groups[1:])
    made = 2
    while made < interfaces:
        count = min(10, (interfaces - made + PER_INSTANCE - 1) // PER_INSTANCE)
        nics = [{"DeviceIndex": i, "SubnetId": near, "Groups": groups} for i in range(PER_INSTANCE)]
        ids = [i["InstanceId"] for i in ec2.run_instances(ImageId="ami-netns", InstanceType=TYPE, MinCount=count, MaxCount=count,
                                                          NetworkInterfaces=nics)["Instances"]]
        cloud.running(ids)
        made += count * PER_INSTANCE
        print(f"{made} interfaces", file=sys.stderr)
    return ec2, vpc, far, groups, a, b


def changes(ec2, vpc, far, group):
    """name: (opens, closes)"""
    rule = [udp(5000, cidr="10.0.0.0/16")]
    acl = ec2.create_network_acl(VpcId=vpc["VpcId"])["NetworkAcl"]["NetworkAclId"]
    row = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [far]}])["NetworkAcls"][0]
    old = next(x for x in row["Associations"] if x["SubnetId"] == far)["NetworkAclAssociationId"]
    everybody = {"NetworkAclId": acl, "Protocol": "-1", "CidrBlock": "0.0.0.0/0"}
    ec2.create_network_acl_entry(RuleNumber=100, RuleAction="allow", Egress=True, **everybody)
    ec2.create_network_acl_entry(RuleNumber=100, RuleAction="allow", Egress=False, **everybody)
    ec2.replace_network_acl_association(AssociationId=old, NetworkAclId=acl)
    deny = {"NetworkAclId": acl, "RuleNumber": 50, "Egress": False}
    return {
        "a group's rule": (lambda: ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rule),
                           lambda: ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rule)),
        "an ACL's entry": (lambda: ec2.delete_network_acl_entry(NetworkAclId=acl, RuleNumber=50, Egress=False),
                           lambda: ec2.create_network_acl_entry(RuleAction="deny", Protocol="-1", CidrBlock="10.0.0.0/16", **deny)),
    }


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, len(values) * p // 100)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--interfaces", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--raw", help="a file for the raw figures")
    arguments = parser.parse_args()
    cloud, raw = Cloud(options=("--uplink-allow", "all", "--rate", "0")), {}
    try:
        cloud.start()
        ec2, vpc, far, groups, a, b = build(cloud, arguments.interfaces)
        stream = Stream(a, b)
        print(f"{'ms after the answer':28}{'p50':>8}{'p99':>8}{'max':>8}")
        rule = changes(ec2, vpc, far, groups[1])
        for name, (opens, closes) in rule.items():
            if name == "an ACL's entry":
                rule["a group's rule"][0]()
                until(lambda: stream.arrived, "packets")
                closes()
            raw[name + ", opens"], raw[name + ", closes"] = [], []
            for _ in range(arguments.changes // 2):
                raw[name + ", opens"].append(stream.effect(opens, True))
                if name != "a group's rule":  # a tracked flow outlives its rule
                    raw[name + ", closes"].append(stream.effect(closes, False))
                    continue
                closes()
                stream.out.close()
                stream.out = a.udp("0.0.0.0")
                stream.out.connect((b.ip, 5000))
                time.sleep(0.05)
                stream.arrived.clear()
        for what, values in raw.items():
            if values:
                print(f"{what:28}{statistics.median(values):8.2f}{percentile(values, 99):8.2f}{max(values):8.2f}")
        stream.close()
    finally:
        cloud.close()
    if arguments.raw:
        with open(arguments.raw, "w") as f:
            json.dump(raw, f, indent=1)


if __name__ == "__main__":
    main()
