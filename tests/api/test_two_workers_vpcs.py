# SPDX-License-Identifier: Apache-2.0
"""VPCs and subnets under the hands of clients of two vpcd on one state (two.py).

Few VPCs and few blocks, so that nearly every call meets another one. Whatever two calls do at once: no blocks overlap
that must not, no subnet stands outside of its VPC's blocks, each has one network ACL that is there, local routes are
the VPC's blocks, a VPC's DHCP options are there, and there is one default VPC.
"""
import ipaddress
import itertools

from conftest import Account, make_vpc
from two import Caller, converge, run_all, seed, two_servers

KEY = ("AKIATWOVPC", "secret", "400000000003")
CLIENTS = 5  # of each vpcd
CALLS = 200  # of each client
VPCS = 2


class Client(Caller):
    def __init__(self, server, number, ids):
        super().__init__(server, KEY, number)
        self.ids = ids  # of each kind: what all clients know

    def pick(self, kind):
        return self.random.choice(self.ids[kind] or [kind + "-0123456789abcdef0"])

    def make(self, kind, path, action, **params):
        """A new one, whose id all may use."""
        reply = self.send(action, **params)
        if reply.status == 200:
            self.ids[kind].append(reply.find(path))

    def drop(self, kind, action, parameter):
        name = self.pick(kind)
        if self.send(action, **{parameter: name}).status == 200 and name in self.ids[kind]:
            self.ids[kind].remove(name)

    def step(self):
        r, vpc = self.random, self.pick("vpc")
        block = f"10.{r.randrange(2, 8)}.0.0/{r.choice((15, 16, 17))}"
        choice = r.randrange(14)
        if choice <= 1:
            self.make("vpc-cidr-assoc", "cidrBlockAssociation/associationId", "AssociateVpcCidrBlock", VpcId=vpc,
                      CidrBlock=block)
        elif choice == 2:
            self.drop("vpc-cidr-assoc", "DisassociateVpcCidrBlock", "AssociationId")
        elif choice <= 4:
            self.make("subnet", "subnet/subnetId", "CreateSubnet", VpcId=vpc,
                      CidrBlock=f"10.{r.randrange(2, 8)}.{r.randrange(2) * 128}.0/{r.choice((17, 18))}")
        elif choice == 5:
            self.drop("subnet", "DeleteSubnet", "SubnetId")
        elif choice == 6:
            self.make("acl", "networkAcl/networkAclId", "CreateNetworkAcl", VpcId=vpc)
        elif choice == 7:
            self.drop("acl", "DeleteNetworkAcl", "NetworkAclId")
        elif choice == 8:
            self.replace_association()
        elif choice == 9:
            self.make("scr", "subnetCidrReservation/subnetCidrReservationId", "CreateSubnetCidrReservation",
                      SubnetId=self.pick("subnet"), ReservationType="explicit",
                      Cidr=f"10.{r.randrange(2, 8)}.0.{r.randrange(4) * 16}/{r.choice((27, 28))}")
        elif choice == 10:
            self.make("dopt", "dhcpOptions/dhcpOptionsId", "CreateDhcpOptions",
                      **{"DhcpConfiguration.1.Key": "domain-name", "DhcpConfiguration.1.Value.1": "x.example"})
        elif choice == 11:
            self.send("AssociateDhcpOptions", VpcId=vpc, DhcpOptionsId=self.pick("dopt"))
        elif choice == 12:
            self.drop("dopt", "DeleteDhcpOptions", "DhcpOptionsId")
        else:
            self.send("CreateDefaultSubnet", AvailabilityZone=f"us-east-1{r.choice('abc')}")

    def replace_association(self):
        acl = self.pick("acl")
        shown = self.send("DescribeNetworkAcls", **{"Filter.1.Name": "association.subnet-id",
                                                    "Filter.1.Value.1": self.pick("subnet")})
        association = shown.find("networkAclSet/item/associationSet/item/networkAclAssociationId")
        self.send("ReplaceNetworkAclAssociation", NetworkAclId=acl, AssociationId=association or "aclassoc-0")

    def run(self):
        # Who makes the default VPC again? One of them.
        self.send("CreateDefaultVpc")
        for _ in range(CALLS):
            self.step()


def networks(rows, key):
    return [ipaddress.ip_network(row[key]) for row in rows]


def apart(blocks):
    return not any(a.overlaps(b) for a, b in itertools.combinations(blocks, 2))


def told(ec2):
    """All that the invariants are about, in one order."""
    state = {"vpcs": ec2.describe_vpcs()["Vpcs"], "subnets": ec2.describe_subnets()["Subnets"],
             "acls": ec2.describe_network_acls()["NetworkAcls"], "tables": ec2.describe_route_tables()["RouteTables"],
             "options": ec2.describe_dhcp_options()["DhcpOptions"]}
    state["reservations"] = {
        s["SubnetId"]: ec2.get_subnet_cidr_reservations(SubnetId=s["SubnetId"])["SubnetIpv4CidrReservations"]
        for s in state["subnets"]}
    return state


def delete_default_vpc(ec2):
    (vpc,) = ec2.describe_vpcs()["Vpcs"]
    for subnet in ec2.describe_subnets()["Subnets"]:
        ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    (gateway,) = ec2.describe_internet_gateways()["InternetGateways"]
    ec2.detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc["VpcId"])
    ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])
    ec2.delete_vpc(VpcId=vpc["VpcId"])


def check_vpc(vpc, state):
    blocks = networks(vpc["CidrBlockAssociationSet"], "CidrBlock")
    subnets = [s for s in state["subnets"] if s["VpcId"] == vpc["VpcId"]]
    acls = [a for a in state["acls"] if a["VpcId"] == vpc["VpcId"]]
    assert apart(blocks) and len(blocks) <= 5
    assert apart(networks(subnets, "CidrBlock"))
    for subnet in networks(subnets, "CidrBlock"):
        assert any(subnet.subnet_of(block) for block in blocks)
    assert sum(a["IsDefault"] for a in acls) == 1
    assert sorted(x["SubnetId"] for a in acls for x in a["Associations"]) == sorted(s["SubnetId"] for s in subnets)
    for table in state["tables"]:
        if table["VpcId"] == vpc["VpcId"]:
            local = [r["DestinationCidrBlock"] for r in table["Routes"] if r.get("GatewayId") == "local"]
            assert sorted(local) == sorted(map(str, blocks))
    assert vpc["DhcpOptionsId"] in {o["DhcpOptionsId"] for o in state["options"]}


def test_blocks_and_what_is_in_them():
    start = seed()
    with two_servers(KEY) as servers:
        clients = [Account(server, *KEY).ec2 for server in servers]
        delete_default_vpc(clients[0])
        ids = {kind: [] for kind in ("vpc", "subnet", "acl", "vpc-cidr-assoc", "scr", "dopt")}
        ids["vpc"] = [make_vpc(clients[0], f"10.{n * 200}.0.0/24") for n in range(1, VPCS)] + [make_vpc(clients[0], "10.100.0.0/24")]
        codes = run_all([Client(servers[n % 2], start + n, ids) for n in range(2 * CLIENTS)])
        state = converge([lambda ec2=ec2: told(ec2) for ec2 in clients])
    for vpc in state["vpcs"]:
        check_vpc(vpc, state)
    for reservations in state["reservations"].values():
        assert apart(networks(reservations, "Cidr"))
    (default,) = [v for v in state["vpcs"] if v["IsDefault"]]
    zones = [s["AvailabilityZone"] for s in state["subnets"] if s["DefaultForAz"]]
    assert sorted(zones) == ["us-east-1a", "us-east-1b", "us-east-1c"] and default["CidrBlock"] == "172.31.0.0/16"
    # it would prove little if the calls had not met
    assert codes["ok"] > CALLS and codes["DefaultVpcAlreadyExists"] == 2 * CLIENTS - 1
    assert codes["InvalidSubnet.Conflict"] and codes["InvalidVpc.Range"]
