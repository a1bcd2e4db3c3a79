# SPDX-License-Identifier: Apache-2.0
"""Gateways and peerings under the hands of clients of two vpcd on one state (two.py).

    us-east-1  VPC 1, 2 (a subnet, a table each); an internet gateway, three VPN gateways, four elastic IPs
    eu-west-1  VPC 3: its peerings with the others have an object in each region

Few of everything, so that nearly every call meets another one. Whatever two calls do at once: a VPC has one gateway of
a kind, an elastic IP one user, a NAT gateway the addresses of its interface and an internet gateway where it is public,
two VPCs one connection of which both regions tell the same, and peers do not overlap.
"""
import collections
import ipaddress
import itertools

from conftest import Account, make_subnet, make_table, make_vpc
from raw import Raw
from two import Caller, converge, run_all, seed, two_servers

KEY = ("AKIATWOGW", "secret", "400000000004")
CLIENTS = 4  # of each vpcd
CALLS = 120  # of each client
THERE = "eu-west-1"


class Client(Caller):
    def __init__(self, server, number, world):
        super().__init__(server, KEY, number)
        self.here, self.there = self.raw, Raw(Account(server, *KEY), region=THERE, timeout=60)
        self.world = world

    def pick(self, kind):
        return self.random.choice(self.world[kind] or [kind + "-0123456789abcdef0"])

    def make(self, kind, path, action, **params):
        reply = self.send(action, **params)
        if reply.status == 200:
            self.world[kind].append(reply.find(path))

    def elsewhere(self, action, **params):
        self.raw = self.there
        self.send(action, **params)
        self.raw = self.here

    def peering(self):
        a, b = self.random.sample(self.world["vpc"], 2)
        choice = self.random.randrange(6)
        if choice == 0:
            self.make("pcx", "vpcPeeringConnection/vpcPeeringConnectionId", "CreateVpcPeeringConnection", VpcId=a,
                      PeerVpcId=b)
        elif choice == 1:
            self.make("pcx", "vpcPeeringConnection/vpcPeeringConnectionId", "CreateVpcPeeringConnection", VpcId=a,
                      PeerVpcId=self.world["far"][0], PeerRegion=THERE)
        else:
            action = ("Accept", "Accept", "Reject", "Delete")[choice - 2] + "VpcPeeringConnection"
            pcx = self.random.choice(self.world["pcx"][-3:] or ["pcx-0123456789abcdef0"])
            self.random.choice((self.send, self.elsewhere))(action, VpcPeeringConnectionId=pcx)

    def nat(self):
        choice = self.random.randrange(4)
        if choice <= 1:
            self.make("nat", "natGateway/natGatewayId", "CreateNatGateway", SubnetId=self.pick("subnet"),
                      AllocationId=self.pick("eipalloc"))
        elif choice == 2:
            self.send("AssociateNatGatewayAddress", NatGatewayId=self.pick("nat"),
                      **{"AllocationId.1": self.pick("eipalloc")})
        else:
            self.send("DeleteNatGateway", NatGatewayId=self.pick("nat"))

    def gateway(self):
        r, vpc = self.random, self.pick("vpc")
        choice = r.randrange(7)
        if choice <= 1:
            self.send(("Attach", "Detach")[choice] + "InternetGateway", InternetGatewayId=self.pick("igw"), VpcId=vpc)
        elif choice <= 3:
            self.send(("Attach", "Detach")[choice - 2] + "VpnGateway", VpnGatewayId=self.pick("vgw"), VpcId=vpc)
        elif choice == 4:
            self.make("eigw", "egressOnlyInternetGateway/egressOnlyInternetGatewayId", "CreateEgressOnlyInternetGateway",
                      VpcId=vpc)
        elif choice == 5:
            self.send("DeleteEgressOnlyInternetGateway", EgressOnlyInternetGatewayId=self.pick("eigw"))
        else:
            self.send("AssociateVpcCidrBlock", VpcId=vpc, CidrBlock=f"10.{r.randrange(50, 54)}.0.0/16")

    def table(self):
        if self.random.randrange(2):
            self.make("rtbassoc", "associationId", "AssociateRouteTable", RouteTableId=self.pick("rtb"),
                      GatewayId=self.pick(self.random.choice(("igw", "vgw"))))
        else:
            self.send("DisassociateRouteTable", AssociationId=self.pick("rtbassoc"))

    def run(self):
        for _ in range(CALLS):
            self.random.choice((self.peering, self.peering, self.nat, self.gateway, self.table))()


def told(here, there):
    return {"igws": here.describe_internet_gateways()["InternetGateways"],
            "eigws": here.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"],
            "vgws": here.describe_vpn_gateways()["VpnGateways"],
            "nats": here.describe_nat_gateways()["NatGateways"],
            "enis": here.describe_network_interfaces()["NetworkInterfaces"],
            "eips": here.describe_addresses()["Addresses"],
            "tables": here.describe_route_tables()["RouteTables"],
            "vpcs": here.describe_vpcs()["Vpcs"] + there.describe_vpcs()["Vpcs"],
            "here": here.describe_vpc_peering_connections()["VpcPeeringConnections"],
            "there": there.describe_vpc_peering_connections()["VpcPeeringConnections"]}


def check_nats(state):
    live = [n for n in state["nats"] if n["State"] == "available"]
    used = collections.Counter(a["AllocationId"] for n in live for a in n["NatGatewayAddresses"])
    assert all(n == 1 for n in used.values())
    assert {e["AllocationId"] for e in state["eips"] if "AssociationId" in e} == set(used)
    of_gateways = {e["NetworkInterfaceId"]: e for e in state["enis"] if e["InterfaceType"] == "nat_gateway"}
    assert sorted(of_gateways) == sorted(n["NatGatewayAddresses"][0]["NetworkInterfaceId"] for n in live)
    for nat in live:
        eni = of_gateways[nat["NatGatewayAddresses"][0]["NetworkInterfaceId"]]
        assert [a["PrivateIpAddress"] for a in eni["PrivateIpAddresses"]] == [
            a["PrivateIp"] for a in nat["NatGatewayAddresses"]]
        assert nat["VpcId"] in attached(state["igws"], "Attachments")


def attached(gateways, key):
    return [a["VpcId"] for g in gateways for a in g[key] if a["State"] in ("available", "attached")]


def check_tables(state):
    of = {g["InternetGatewayId"]: attached([g], "Attachments") for g in state["igws"]}
    of.update({g["VpnGatewayId"]: attached([g], "VpcAttachments") for g in state["vgws"]})
    used = [(a["GatewayId"], t["VpcId"]) for t in state["tables"] for a in t["Associations"] if "GatewayId" in a]
    assert len({g for g, _ in used}) == len(used)
    assert all(of[gateway] == [vpc] for gateway, vpc in used)


def check_peerings(state):
    far = {p["VpcPeeringConnectionId"]: p for p in state["there"]}
    live = collections.Counter()
    blocks = {v["VpcId"]: [ipaddress.ip_network(b["CidrBlock"]) for b in v["CidrBlockAssociationSet"]] for v in state["vpcs"]}
    for p in state["here"]:
        ends = p["RequesterVpcInfo"]["VpcId"], p["AccepterVpcInfo"]["VpcId"]
        if p["AccepterVpcInfo"]["Region"] == THERE and p["Status"]["Code"] != "failed":
            assert far.pop(p["VpcPeeringConnectionId"]) == p
        live[frozenset(ends)] += p["Status"]["Code"] in ("active", "pending-acceptance")
        if p["Status"]["Code"] == "active":
            assert not any(a.overlaps(b) for a, b in itertools.product(*(blocks[e] for e in ends)))
    assert all(n <= 1 for n in live.values())
    assert all(p["Status"]["Code"] == "failed" for p in far.values())


def test_gateways_and_peerings():
    start = seed()
    with two_servers(KEY) as servers:
        accounts = [Account(server, *KEY) for server in servers]
        ec2, there = accounts[0].ec2, accounts[0].client("ec2", THERE)
        world = collections.defaultdict(list)
        world["vpc"] = [make_vpc(ec2, f"10.{n}.0.0/16") for n in (2, 3)]
        world["far"] = [make_vpc(there, "10.4.0.0/16")]
        world["subnet"] = [make_subnet(ec2, v, f"10.{n}.0.0/24") for n, v in zip((2, 3), world["vpc"])]
        world["rtb"] = [make_table(ec2, v) for v in world["vpc"]]
        world["igw"] = [ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"] for _ in range(2)]
        world["vgw"] = [ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"] for _ in range(3)]
        world["eipalloc"] = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(4)]
        for gateway, vpc in zip(world["igw"], world["vpc"]):
            ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        codes = run_all([Client(servers[n % 2], start + n, world) for n in range(2 * CLIENTS)])
        state = converge([lambda a=a: told(a.ec2, a.client("ec2", THERE)) for a in accounts])
    for gateways, key in (("igws", "Attachments"), ("eigws", "Attachments"), ("vgws", "VpcAttachments")):
        vpcs = attached(state[gateways], key)
        assert len(set(vpcs)) == len(vpcs)
    check_nats(state)
    check_tables(state)
    check_peerings(state)
    # it would prove little if the calls had not met
    assert codes["ok"] > CALLS and codes["VpcPeeringConnectionAlreadyExists"] and codes["InvalidStateTransition"]
