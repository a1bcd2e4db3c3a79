#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many calls a second the API answers, and how that grows with what an account has.

    bench/api.py [--build DIR] [--sizes 1000,10000,...] [--seconds N]

    botocore's signer -> a file of requests -> bench-load (1 and 16 connections) -> vpcd --no-agent -> disk

For each size a state is filled (bench-fill), vpcd is started on it, and the calls are made. Requests are signed
before the clock runs. Prints a table for each size, with each figure's ratio to that of the smallest one.
"""
import argparse
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import time
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEY = ("AKIABENCH00000000000", "secret-of-the-benchmark", "000000000001")
REQUESTS = 1000  # signed for a run; they are sent round and round


class Server:
    def __init__(self, build, directory):
        began = time.monotonic()
        self.process = subprocess.Popen(
            [build + "/vpcd", "--worker", "--no-agent", "--state-dir", directory, "--listen", "127.0.0.1:0",
             "--rate", "0", "--credential", ":".join(KEY)], stdout=subprocess.PIPE)
        self.endpoint = self.process.stdout.readline().decode().split()[-1]
        self.started = time.monotonic() - began
        self.busy = self.cpu()
        self.port = self.endpoint.rsplit(":", 1)[1]

    def memory(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1]) * 1024

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as f:
            times = f.read().rsplit(")", 1)[1].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def request(endpoint, action, params):
    """A whole signed HTTP request."""
    body = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **params}).encode()
    signed = AWSRequest(method="POST", url=endpoint + "/", data=body,
                        headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"})
    SigV4Auth(Credentials(KEY[0], KEY[1]), "ec2", "us-east-1").add_auth(signed)
    headers = {**dict(signed.headers), "Host": endpoint.split("//")[1], "Content-Length": str(len(body))}
    return b"POST / HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()).encode() + b"\r\n" + body


class Bench:
    def __init__(self, options, directory, size):
        self.options, self.directory, self.size = options, directory, size
        self.rows = {}
        shown = subprocess.run([options.build + "/bench/bench-fill", directory, KEY[2], str(size)], check=True,
                               stdout=subprocess.PIPE, text=True).stdout.split()
        self.vpc, self.subnet, self.group, self.interfaces = *shown[:3], shown[3:]

    def row(self, name, clients, calls):
        """`calls`: (action, params) pairs."""
        path = os.path.join(self.directory, "requests")
        with open(path, "wb") as f:
            for action, params in calls:
                data = request(self.server.endpoint, action, params)
                f.write(struct.pack("=I", len(data)) + data)
        before = self.server.cpu()
        good, bad, seconds, median, tail = subprocess.run(
            [self.options.build + "/bench/bench-load", "127.0.0.1", self.server.port, str(clients),
             str(self.options.seconds), path], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        rate, busy = int(good) / float(seconds), self.server.cpu() - before
        self.rows[name, clients] = (rate, int(good) / busy if busy else 0, int(median), int(tail))
        assert int(bad) == 0

    def run(self):
        self.server = Server(self.options.build, self.directory)
        self.memory = self.server.memory()
        self.started, self.busy = self.server.started, self.server.busy
        some = random.choices(self.interfaces, k=REQUESTS)
        filtered = {"Filter.1.Name": "subnet-id", "Filter.1.Value.1": self.subnet, "MaxResults": 5}
        page = {"MaxResults": 100, "Filter.1.Name": "vpc-id", "Filter.1.Value.1": self.vpc}
        for clients in (1, 16):
            self.row("describe an interface by its id", clients,
                     [("DescribeNetworkInterfaces", {"NetworkInterfaceId.1": i}) for i in some])
            self.row("describe 5 by a filter (subnet-id)", clients, [("DescribeNetworkInterfaces", filtered)])
            self.row("describe a page of 100 (vpc-id)", clients, [("DescribeNetworkInterfaces", page)])
            self.row("describe a subnet (free addresses)", clients,
                     [("DescribeSubnets", {"SubnetId.1": self.subnet})])
        for clients in (1, 16):
            self.row("create an interface", clients, [("CreateNetworkInterface", {"SubnetId": self.spare()})])
            self.row("create a tag", clients, [("CreateTags", {"ResourceId.1": i, "Tag.1.Key": "k", "Tag.1.Value": "v"})
                                               for i in some])
        self.server.stop()

    def spare(self):
        """A new subnet with room for what one run creates."""
        import botocore.session
        ec2 = botocore.session.get_session().create_client(
            "ec2", "us-east-1", endpoint_url=self.server.endpoint, aws_access_key_id=KEY[0],
            aws_secret_access_key=KEY[1])
        vpc = ec2.create_vpc(CidrBlock="10.250.0.0/16")["Vpc"]["VpcId"]
        return ec2.create_subnet(VpcId=vpc, CidrBlock="10.250.0.0/16")["Subnet"]["SubnetId"]


def show(bench, first, empty):
    each = (bench.memory - empty) / bench.size
    print(f"\n{bench.size} interfaces: started in {bench.started:.2f} s ({bench.busy:.2f} s of CPU), {bench.memory / 2**20:.0f} MiB, "
          f"{each:.0f} bytes an interface")
    print(f"{'call':38} {'clients':>7} {'calls/s':>9} {'a CPU s':>9} {'p50 us':>8} {'p99 us':>8} {'ratio':>6}")
    for (name, clients), (rate, by_cpu, median, tail) in bench.rows.items():
        ratio = rate / first.rows[name, clients][0]
        print(f"{name:38} {clients:7} {rate:9.0f} {by_cpu:9.0f} {median:8} {tail:8} {ratio:6.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(TOP, "build"))
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--seconds", default=3, type=float)
    parser.add_argument("--under", default="/var/tmp", help="where the states are made: a real disk")
    options = parser.parse_args()
    first = empty = None
    for size in [0] + [int(s) for s in options.sizes.split(",")]:
        directory = tempfile.mkdtemp(prefix="vpcd-bench-", dir=options.under)
        try:
            if not size:
                server = Server(options.build, directory)
                empty = server.memory()
                server.stop()
                continue
            bench = Bench(options, directory, size)
            bench.run()
            first = first or bench
            show(bench, first, empty)
        finally:
            shutil.rmtree(directory)


main()
