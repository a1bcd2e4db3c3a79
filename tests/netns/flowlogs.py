# SPDX-License-Identifier: Apache-2.0
"""What a flow log says, read from the spool: batches as the agent hands them over.

The logs of these tests go to a bucket that is nowhere, so nobody takes their batches away.
"""
import collections
import glob
import os

from conftest import until

BUCKET = "arn:aws:s3:::flow-logs-of-tests"
FIELDS = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status "
          "vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id "
          "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path").split()
EVERY = " ".join("${%s}" % name for name in FIELDS)


def create(cloud, resource, traffic="ALL", interval=60, log_format=EVERY, bucket=BUCKET):
    kind = {"vpc": "VPC", "sub": "Subnet", "eni": "NetworkInterface"}[resource[:3]]
    made = cloud.client().create_flow_logs(ResourceIds=[resource], ResourceType=kind, TrafficType=traffic,
                                           LogDestinationType="s3", LogDestination=bucket, LogFormat=log_format,
                                           MaxAggregationInterval=interval)
    assert not made["Unsuccessful"], made
    return Log(cloud, made["FlowLogIds"][0])


class Log:
    def __init__(self, cloud, log_id):
        self.cloud, self.id, self.seen, self.rows, self.lines = cloud, log_id, set(), [], []

    def look(self):
        """All records so far, as dictionaries."""
        for path in sorted(glob.glob(f"{self.cloud.directory}/spool/ready/*_{self.id}_*")):
            name = os.path.basename(path)
            if name in self.seen:
                continue
            self.seen.add(name)
            head, lines = open(path).read().split("\n\n", 1)
            meta = dict(line.split(" ", 1) for line in head.splitlines() if " " in line)
            for line in lines.splitlines():
                seconds, *values = line.split(" ")
                row = dict(zip(meta["header"].split(), values, strict=True))
                assert row.get("start", seconds) == seconds
                self.rows.append({**row, "eni": meta["eni"]})
                self.lines.append(line.split(" ", 1)[1])
        return self.rows

    def find(self, **wanted):
        """Those with these values; names with _ for -."""
        wanted = {k.replace("_", "-"): str(v) for k, v in wanted.items()}
        return [row for row in self.look() if all(row.get(k) == v for k, v in wanted.items())]

    def wait(self, count=1, bound=20, **wanted):
        """The first that there are, at least `count`."""
        return until(lambda: len(self.find(**wanted)) >= count and self.find(**wanted), f"{count} of {wanted}", bound, 0.1)

    def packets(self, **wanted):
        return sum(int(row["packets"]) for row in self.find(log_status="OK", **wanted))

    def bytes(self, **wanted):
        return sum(int(row["bytes"]) for row in self.find(log_status="OK", **wanted))

    def wait_packets(self, packets, bound=20, **wanted):
        """Until so many are told, and no more than that."""
        until(lambda: self.packets(**wanted) >= packets, f"{packets} packets of {wanted}: {self.packets(**wanted)}", bound, 0.1)
        assert self.packets(**wanted) == packets

    def settle(self, eni, bound=20):
        """A whole window of the interface without traffic passed from now on: all before it is told."""
        before = len(self.find(eni=eni, log_status="NODATA"))
        until(lambda: len(self.find(eni=eni, log_status="NODATA")) > before + 1, "windows without traffic", bound, 0.1)

    def tuples(self, *names):
        """How often each combination of values is there, of records of traffic."""
        return collections.Counter(tuple(row[n] for n in names) for row in self.look() if row["log-status"] == "OK")
