# SPDX-License-Identifier: Apache-2.0
"""Two vpcd on one state, as they will be on etcd: the shared mode of the SQLite engine makes their conflicts.

    6 clients --> vpcd 1 --\\
                             one database
    6 clients --> vpcd 2 --/

All clients work for one account, in the same few VPCs, with few CIDRs, names and addresses, so that they get in each
other's way. Then: no address twice, no overlapping subnets, no broken reference, every acknowledged call seen by both.
The seed is printed; VPCD_TEST_SEED sets it.
"""
import collections
import os
import random
import shutil
import tempfile
import threading
import time

from conftest import Account, Vpcd
from raw import Raw
from test_crash import check_unique, check_whole, everything

KEY = ("AKIATWO", "secret", "400000000001")
CLIENTS = 6  # of each vpcd
CALLS = 400  # of each client
EC2 = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


class Client:
    def __init__(self, server, seed):
        self.raw, self.random = Raw(Account(server, *KEY), timeout=60), random.Random(seed)
        self.made, self.gone, self.codes = set(), set(), collections.Counter()
        self.known = {}

    def call(self, action, path=None, gone=None, **params):
        reply = self.raw.call(action, **params)
        self.codes[reply.code if reply.status != 200 else "ok"] += 1
        assert reply.status in (200, 400), reply.text
        if reply.status == 200 and path:
            self.made.add(reply.find(path))
        if reply.status == 200 and gone:
            self.gone.add(gone)

    def some(self, action, element):
        """The id of a random thing that this vpcd shows or showed a moment ago, or one that is not there."""
        if action not in self.known or self.random.random() < 0.2:
            shown = self.raw.call("Describe" + action).tree.findall(f".//{EC2}item/{EC2}{element}")
            self.known[action] = sorted({e.text for e in shown})
        ids = self.known[action]
        return self.random.choice(ids) if ids else "none"

    def vpc(self):
        return self.some("Vpcs", "vpcId")

    def subnet(self):
        return self.some("Subnets", "subnetId")

    def group(self):
        return self.some("SecurityGroups", "groupId")

    def table(self):
        return self.some("RouteTables", "routeTableId")

    def gateway(self):
        return self.some("InternetGateways", "internetGatewayId")

    def step(self):
        r, call = self.random, self.call
        cidr = f"10.0.{r.randrange(4) * 2}.0/{r.choice((22, 23, 24))}"
        choice = r.choice(("subnet", "subnet", "group", "table", "interface", "interface", "associate", "reference", "igw",
                           "attach", "address", "route", "drop subnet", "drop subnet", "drop group", "drop table", "drop interface",
                           "drop vpc", "vpc", "detach", "drop igw"))
        if choice == "vpc":
            call("CreateVpc", "vpc/vpcId", CidrBlock="10.0.0.0/16")
        elif choice == "drop vpc":
            vpc = self.vpc()
            call("DeleteVpc", gone=vpc, VpcId=vpc)
        elif choice == "subnet":
            call("CreateSubnet", "subnet/subnetId", VpcId=self.vpc(), CidrBlock=cidr)
        elif choice == "drop subnet":
            subnet = self.subnet()
            call("DeleteSubnet", gone=subnet, SubnetId=subnet)
        elif choice == "group":
            call("CreateSecurityGroup", "groupId", VpcId=self.vpc(), GroupName=f"g{r.randrange(4)}", GroupDescription="d")
        elif choice == "drop group":
            group = self.group()
            call("DeleteSecurityGroup", gone=group, GroupId=group)
        elif choice == "reference":
            call("AuthorizeSecurityGroupIngress", GroupId=self.group(), **{
                "IpPermissions.1.IpProtocol": "-1", "IpPermissions.1.Groups.1.GroupId": self.group()})
        elif choice == "table":
            call("CreateRouteTable", "routeTable/routeTableId", VpcId=self.vpc())
        elif choice == "drop table":
            table = self.table()
            call("DeleteRouteTable", gone=table, RouteTableId=table)
        elif choice == "associate":
            call("AssociateRouteTable", SubnetId=self.subnet(), RouteTableId=self.table())
        elif choice == "interface":
            call("CreateNetworkInterface", "networkInterface/networkInterfaceId", SubnetId=self.subnet(),
                 **({"SecurityGroupId.1": self.group()} if r.random() < 0.5 else {}))
        elif choice == "drop interface":
            interface = self.some("NetworkInterfaces", "networkInterfaceId")
            call("DeleteNetworkInterface", gone=interface, NetworkInterfaceId=interface)
        elif choice == "igw":
            call("CreateInternetGateway", "internetGateway/internetGatewayId")
        elif choice == "drop igw":
            gateway = self.gateway()
            call("DeleteInternetGateway", gone=gateway, InternetGatewayId=gateway)
        elif choice == "attach":
            call("AttachInternetGateway", InternetGatewayId=self.gateway(), VpcId=self.vpc())
        elif choice == "detach":
            call("DetachInternetGateway", InternetGatewayId=self.gateway(), VpcId=self.vpc())
        elif choice == "route":
            call("CreateRoute", RouteTableId=self.table(), DestinationCidrBlock="0.0.0.0/0", GatewayId=self.gateway())
        else:
            call("AllocateAddress", "allocationId")

    def run(self):
        for _ in range(CALLS):
            self.step()


def check_references(state):
    owner = [a["VpcId"] for g in state["gateway"].values() for a in g["Attachments"]]
    assert len(owner) == len(set(owner)) and set(owner) <= set(state["vpc"])
    associated = [a["SubnetId"] for t in state["table"].values() for a in t["Associations"] if not a["Main"]]
    assert len(associated) == len(set(associated)), "a subnet has two route tables"
    assert set(associated) <= set(state["subnet"])
    for group in state["group"].values():
        for permission in group["IpPermissions"]:
            assert all(p["GroupId"] in state["group"] for p in permission["UserIdGroupPairs"])
    public = [a["PublicIp"] for a in state["address"].values()]
    assert len(public) == len(set(public))


def converge(servers):
    """Both have heard of everything once they answer alike after a write through each."""
    end = time.monotonic() + 30
    while True:
        states = [everything(Account(s, *KEY).ec2) for s in servers]
        if states[0] == states[1] or time.monotonic() > end:
            return states


def test_two_workers_on_one_state():
    seed = int(os.environ.get("VPCD_TEST_SEED", time.time_ns() % 1000000))
    print("seed", seed)
    directory = tempfile.mkdtemp(prefix="vpcd-api-two-")
    options = ["--worker", "--shared", "--public-pool", "198.18.0.0/16"]
    servers = []
    try:
        for n in range(2):
            path = os.path.join(directory, str(n))
            os.mkdir(path)
            if n:
                os.symlink("../0/db", os.path.join(path, "db"))
            servers.append(Vpcd(path, [KEY], options).start())
        clients = [Client(s, seed * 100 + i) for i, s in enumerate(servers * CLIENTS)]
        errors = []

        def run(client):
            try:
                client.run()
            except BaseException as error:
                errors.append(repr(error))

        threads = [threading.Thread(target=run, args=(c,)) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not errors, errors[0]
        codes = sum((c.codes for c in clients), collections.Counter())
        print(dict(codes))
        states = converge(servers)
        assert states[0] == states[1]
        check_whole(states[0])
        check_unique(states[0])
        check_references(states[0])
        made = [i for c in clients for i in c.made]
        gone = [i for c in clients for i in c.gone]
        assert len(made) == len(set(made)) and len(gone) == len(set(gone))
        there = {i for kind in states[0].values() for i in kind}
        assert set(made) - set(gone) <= there, "acknowledged and not there"
        assert not set(gone) & there, "deleted and there"
        assert codes["ok"] > CLIENTS * CALLS // 2
    finally:
        for server in servers:
            server.close()
        shutil.rmtree(directory, ignore_errors=True)
