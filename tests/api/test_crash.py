# SPDX-License-Identifier: Apache-2.0
"""kill -9 while 16 clients create things.

    16 processes x { VPC, subnets, groups, interfaces, addresses }  --signed HTTP-->  vpcd  <-- SIGKILL

Each client notes what was acknowledged before it goes on. After the restart: all of that is there, nothing is half
there, and no id, address or CIDR was given out twice. The seed is printed; VPCD_TEST_SEED sets it.
"""
import collections
import http.client
import ipaddress
import multiprocessing
import os
import random
import threading
import time

import pytest

from conftest import Account, Vpcd
from raw import Raw

CLIENTS = 16
ROUNDS = 4
BOUND = 60
ACCOUNTS = [(f"AKIACRASH{n}", f"secret-{n}", f"{200000000000 + n}") for n in range(4)]


class Stopped(Exception):
    """vpcd is gone, which is what the test wants."""


class Client:
    """One client's life: calls until the server dies; what was acknowledged goes down the pipe at once."""

    def __init__(self, account, number, seed, pipe):
        self.raw, self.number, self.pipe = Raw(account, timeout=BOUND), number, pipe
        self.random = random.Random(seed)
        self.subnets, self.groups, self.interfaces = [], {}, []

    def call(self, action, **params):
        try:
            reply = self.raw.call(action, **params)
        except (OSError, http.client.HTTPException):
            raise Stopped from None
        return reply

    def create(self, kind, action, path, **params):
        """The id that the reply names at `path`, noted as acknowledged; None when it was refused."""
        reply = self.call(action, **params)
        made = reply.find(path) if reply.status == 200 else None
        if made:
            self.pipe.send((kind, made))
        return made

    def step(self, vpc):
        choice = self.random.random()
        if choice < 0.25:
            cidr = f"10.{self.number}.{self.random.randrange(256)}.0/24"
            subnet = self.create("subnet", "CreateSubnet", "subnet/subnetId", VpcId=vpc, CidrBlock=cidr)
            if subnet:
                self.subnets.append(subnet)
        elif choice < 0.45:
            name = f"g{self.random.randrange(60)}"
            group = self.create("group", "CreateSecurityGroup", "groupId", VpcId=vpc, GroupName=name,
                                GroupDescription="d")
            if group:
                assert name not in self.groups, "a group name was given out twice"
                self.groups[name] = group
        elif choice < 0.8 and self.subnets:
            groups = self.random.sample(sorted(self.groups.values()), min(2, len(self.groups)))
            interface = self.create("interface", "CreateNetworkInterface", "networkInterface/networkInterfaceId",
                                    SubnetId=self.random.choice(self.subnets),
                                    **{f"SecurityGroupId.{i}": g for i, g in enumerate(groups)})
            if interface:
                self.interfaces.append(interface)
        elif choice < 0.9 and self.interfaces:
            gone = self.interfaces.pop(self.random.randrange(len(self.interfaces)))
            self.pipe.send(("deleting", gone))
            if self.call("DeleteNetworkInterface", NetworkInterfaceId=gone).status == 200:
                self.pipe.send(("deleted", gone))
        else:
            self.create("address", "AllocateAddress", "allocationId")

    def run(self):
        vpc = self.create("vpc", "CreateVpc", "vpc/vpcId", CidrBlock=f"10.{self.number}.0.0/16")
        while vpc:
            self.step(vpc)


def client_main(account, number, seed, pipe):
    try:
        Client(account, number, seed, pipe).run()
    except Stopped:
        pass
    except BaseException as error:  # the parent must hear of it
        pipe.send(("error", repr(error)))
    pipe.close()


class Vpcless:
    """What Raw needs of an account, without a client of boto3 in each process."""

    def __init__(self, endpoint, key, secret):
        self.vpcd, self.key, self.secret = self, key, secret
        self.endpoint = endpoint


def storm(server, seed, calls):
    """Runs the clients until `calls` were acknowledged, then kills vpcd. Returns what they noted, by account."""
    context = multiprocessing.get_context("fork")
    noted = [collections.defaultdict(set) for _ in ACCOUNTS]
    enough, lock, total = threading.Event(), threading.Lock(), [0]
    children, readers = [], []

    def read(pipe, notes):
        try:
            while True:
                kind, made = pipe.recv()
                with lock:
                    notes[kind].add(made)
                    total[0] += 1
                    if total[0] >= calls:
                        enough.set()
        except EOFError:
            pass

    for number in range(CLIENTS):
        ours, theirs = context.Pipe(duplex=False)
        key, secret, _ = ACCOUNTS[number % len(ACCOUNTS)]
        child = context.Process(target=client_main, daemon=True, args=(
            Vpcless(server.endpoint, key, secret), number, seed * 100 + number, theirs))
        child.start()
        theirs.close()
        children.append(child)
        readers.append(threading.Thread(target=read, args=(ours, noted[number % len(ACCOUNTS)]), daemon=True))
        readers[-1].start()
    assert enough.wait(BOUND), "the clients stopped early: " + server.log_text()
    server.kill()
    for child, reader in zip(children, readers):
        reader.join(BOUND)
        child.join(BOUND)
    for notes in noted:
        assert not notes["error"], notes["error"]
    return noted


def everything(ec2):
    def all_of(operation, member):
        return [row for page in ec2.get_paginator(operation).paginate() for row in page[member]]

    return {
        "vpc": {v["VpcId"]: v for v in all_of("describe_vpcs", "Vpcs")},
        "subnet": {s["SubnetId"]: s for s in all_of("describe_subnets", "Subnets")},
        "group": {g["GroupId"]: g for g in all_of("describe_security_groups", "SecurityGroups")},
        "table": {t["RouteTableId"]: t for t in all_of("describe_route_tables", "RouteTables")},
        "acl": {a["NetworkAclId"]: a for a in all_of("describe_network_acls", "NetworkAcls")},
        "gateway": {g["InternetGatewayId"]: g for g in all_of("describe_internet_gateways", "InternetGateways")},
        "interface": {i["NetworkInterfaceId"]: i for i in all_of("describe_network_interfaces", "NetworkInterfaces")},
        "address": {a["AllocationId"]: a for a in ec2.describe_addresses()["Addresses"]},
    }


def check_whole(state):
    """Nothing is half there: what belongs to a thing is there, and the reverse."""
    for vpc in state["vpc"]:
        assert sum(a["Main"] for t in state["table"].values() if t["VpcId"] == vpc for a in t["Associations"]) == 1
        assert sum(g["GroupName"] == "default" for g in state["group"].values() if g["VpcId"] == vpc) == 1
        assert sum(a["IsDefault"] for a in state["acl"].values() if a["VpcId"] == vpc) == 1
    for kind in ("subnet", "group", "table", "acl", "interface"):
        for thing in state[kind].values():
            assert thing["VpcId"] in state["vpc"], (kind, thing)
    for interface in state["interface"].values():
        assert interface["SubnetId"] in state["subnet"]
        assert interface["Groups"] and all(g["GroupId"] in state["group"] for g in interface["Groups"])
        cidr = ipaddress.ip_network(state["subnet"][interface["SubnetId"]]["CidrBlock"])
        assert ipaddress.ip_address(interface["PrivateIpAddress"]) in cidr
    associated = {a["SubnetId"] for acl in state["acl"].values() for a in acl["Associations"]}
    assert associated == set(state["subnet"])


def check_unique(state):
    """No CIDR, name or private address twice."""
    by_vpc = collections.defaultdict(list)
    for subnet in state["subnet"].values():
        by_vpc[subnet["VpcId"]].append(ipaddress.ip_network(subnet["CidrBlock"]))
    for cidrs in by_vpc.values():
        cidrs.sort()
        assert not any(a.overlaps(b) for a, b in zip(cidrs, cidrs[1:])), cidrs
    names = [(g["VpcId"], g["GroupName"]) for g in state["group"].values()]
    assert len(names) == len(set(names))
    private = [(i["SubnetId"], a["PrivateIpAddress"]) for i in state["interface"].values() for a in i["PrivateIpAddresses"]]
    assert len(private) == len(set(private))
    used = collections.Counter(subnet for subnet, _ in private)
    for subnet in state["subnet"].values():
        size = ipaddress.ip_network(subnet["CidrBlock"]).num_addresses
        assert subnet["AvailableIpAddressCount"] == size - 5 - used[subnet["SubnetId"]]


def check_acknowledged(state, noted):
    for kind in ("vpc", "subnet", "group", "address"):
        assert noted[kind] <= set(state[kind]), f"acknowledged and lost: {noted[kind] - set(state[kind])}"
    unsure = noted["deleting"] - noted["deleted"]
    assert noted["interface"] - noted["deleting"] <= set(state["interface"])
    assert not noted["deleted"] & set(state["interface"]), "deleted and there again"
    assert len(unsure) <= CLIENTS


def test_kill_9_loses_no_acknowledged_call_and_leaves_nothing_half_there():
    seed = int(os.environ.get("VPCD_TEST_SEED", time.time_ns() % 1000000))
    print("seed", seed)
    rng = random.Random(seed)
    server = Vpcd(credentials=ACCOUNTS, options=["--public-pool", "198.18.0.0/16"]).start()
    acknowledged = [collections.defaultdict(set) for _ in ACCOUNTS]
    ids = collections.Counter()
    try:
        for turn in range(ROUNDS):
            noted = storm(server, seed + turn, rng.randrange(150, 500))
            server.start()
            public = []
            for account, now, before in zip(ACCOUNTS, noted, acknowledged):
                for kind, made in now.items():
                    if kind not in ("deleting", "deleted"):
                        ids.update(made)
                    before[kind] |= made
                state = everything(Account(server, *account).ec2)
                check_whole(state)
                check_unique(state)
                check_acknowledged(state, before)
                public += [a["PublicIp"] for a in state["address"].values()]
                clean(Account(server, *account).ec2, state, before)
            assert len(public) == len(set(public)), "a public address was given out twice"
        assert max(ids.values()) == 1, "an id was given out twice"
        assert sum(ids.values()) > 100 * ROUNDS
    finally:
        server.close()


def clean(ec2, state, noted):
    """Room for the next round: the quotas of addresses and VPCs are small."""
    for address in state["address"]:
        ec2.release_address(AllocationId=address)
    noted["address"].clear()


def test_kill_9_in_the_first_call_of_an_account():
    """The default VPC and its parts are there whole, once, or not at all."""
    keys = [(f"AKIAFIRST{n}", "secret", f"{300000000000 + n}") for n in range(60)]
    server = Vpcd(credentials=keys).start()
    rng = random.Random(7)
    try:
        for first in range(0, len(keys), 20):
            started = threading.Barrier(21)

            def describe(key):
                raw = Raw(Vpcless(server.endpoint, key[0], key[1]), timeout=BOUND)
                raw.connect().connect()
                started.wait(BOUND)
                try:
                    raw.call("DescribeVpcs")
                except (OSError, http.client.HTTPException):
                    pass

            threads = [threading.Thread(target=describe, args=(key,)) for key in keys[first:first + 20]]
            for thread in threads:
                thread.start()
            started.wait(BOUND)
            # Somewhere within the few milliseconds that the calls take.
            deadline = time.monotonic() + rng.random() * 0.03
            while time.monotonic() < deadline:
                pass
            server.kill()
            for thread in threads:
                thread.join(BOUND)
            server.start()
            for key in keys[first:first + 20]:
                state = everything(Account(server, *key).ec2)
                assert len(state["vpc"]) == 1 and len(state["subnet"]) == 3 and len(state["gateway"]) == 1
                assert len(state["table"]) == len(state["acl"]) == len(state["group"]) == 1
                check_whole(state)
                check_unique(state)
    finally:
        server.close()


def test_stop_and_start_keeps_everything():
    server = Vpcd(credentials=ACCOUNTS[:1]).start()
    try:
        ec2 = Account(server, *ACCOUNTS[0]).ec2
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]["VpcId"]
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
        ec2.create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "\u00fc"}])
        before = everything(ec2)
        assert server.stop() == 0
        server.start()
        assert everything(Account(server, *ACCOUNTS[0]).ec2) == before
    finally:
        server.close()


@pytest.mark.parametrize("first", ["Bearer", "AWS4-HMAC-SHA256"])
def test_a_client_that_goes_away_leaves_its_call_done(vpcd, account, first):
    """A call whose client hung up is done, or not at all; vpcd lives."""
    raw = Raw(account)
    body = "Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0/16"
    headers = raw.signed(body)
    headers["Authorization"] = headers["Authorization"].replace("AWS4-HMAC-SHA256", first)
    connection = raw.connect()
    connection.request("POST", "/", body, headers)
    connection.close()
    vpcs = account.ec2.describe_vpcs()["Vpcs"]
    assert len(vpcs) in (1, 2) and vpcd.process.poll() is None
