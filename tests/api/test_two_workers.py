# SPDX-License-Identifier: Apache-2.0
"""Random calls by six clients of each of two vpcd on one state (two.py).

All clients work for one account, in the same few VPCs, with few CIDRs, names and addresses, so that they get in each
other's way. Then: no address twice, no overlapping subnets, no broken reference, every acknowledged call seen by both.
The seed is printed; VPCD_TEST_SEED sets it.
"""
import functools

from conftest import Account
from test_crash import check_unique, check_whole, everything
from two import Caller, converge, run_all, seed, two_servers

KEY = ("AKIATWO", "secret", "400000000001")
CLIENTS = 6  # of each vpcd
CALLS = 400  # of each client
EC2 = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


class Client(Caller):
    def __init__(self, server, number):
        super().__init__(server, KEY, number)
        self.made, self.gone, self.known = set(), set(), {}

    def call(self, action, path=None, gone=None, **params):
        reply = self.send(action, **params)
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


def test_two_workers_on_one_state():
    number = seed()
    with two_servers(KEY) as servers:
        clients = [Client(s, number * 100 + i) for i, s in enumerate(servers * CLIENTS)]
        codes = run_all(clients)
        state = converge([functools.partial(everything, Account(s, *KEY).ec2) for s in servers])
        check_whole(state)
        check_unique(state)
        check_references(state)
        made = [i for c in clients for i in c.made]
        gone = [i for c in clients for i in c.gone]
        assert len(made) == len(set(made)) and len(gone) == len(set(gone))
        there = {i for kind in state.values() for i in kind}
        assert set(made) - set(gone) <= there, "acknowledged and not there"
        assert not set(gone) & there, "deleted and there"
        assert codes["ok"] > CLIENTS * CALLS // 2
