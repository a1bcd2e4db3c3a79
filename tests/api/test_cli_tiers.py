# SPDX-License-Identifier: Apache-2.0
"""The real AWS CLI: three tiers with everything that stands between them, built, waited for and torn down.

    /usr/bin/aws  -->  vpcd

    10.30.0.0/16, IPv6   web  10.30.1.0/24 -- igw                 NAT gateway with an elastic IP
                         app  10.30.2.0/24 -- NAT, eigw, peering  instance, group by prefix list and by group
                         db   10.30.3.0/24 -- local               network ACL
    10.31.0.0/16         peered
"""
import pytest
from test_ansible import everything
from test_cli import Cli


@pytest.fixture
def aws(account):
    cli = Cli(account)

    def run(*args, query=None):
        if query:
            return cli.text("ec2", *args, "--query", query)
        return cli.json("ec2", *args)
    return run


class Tiers:
    """What is built, in order; `undo` has the ways back."""

    def __init__(self, aws):
        self.aws, self.undo = aws, []

    def make(self, *args, query, undo=None):
        made = self.aws(*args, query=query)
        if undo:
            self.undo.append([made if u == "ID" else u for u in undo])
        return made

    def build(self):
        self.networks()
        self.gateways()
        self.routes()
        self.filters()
        self.machines()

    def networks(self):
        self.vpc = self.make("create-vpc", "--cidr-block", "10.30.0.0/16", "--amazon-provided-ipv6-cidr-block", query="Vpc.VpcId",
                             undo=["delete-vpc", "--vpc-id", "ID"])
        self.peer = self.make("create-vpc", "--cidr-block", "10.31.0.0/16", query="Vpc.VpcId", undo=["delete-vpc", "--vpc-id", "ID"])
        self.aws("wait", "vpc-available", "--vpc-ids", self.vpc, self.peer)
        self.aws("wait", "vpc-exists", "--vpc-ids", self.vpc)
        block = self.aws("describe-vpcs", "--vpc-ids", self.vpc, query="Vpcs[0].Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock")
        self.web, self.app, self.db = (
            self.make("create-subnet", "--vpc-id", self.vpc, "--cidr-block", f"10.30.{i}.0/24", "--ipv6-cidr-block",
                      block.replace("00::/56", f"0{i}::/64"), query="Subnet.SubnetId",
                      undo=["delete-subnet", "--subnet-id", "ID"]) for i in (1, 2, 3))
        self.aws("wait", "subnet-available", "--subnet-ids", self.web, self.app, self.db)

    def gateways(self):
        self.igw = self.make("create-internet-gateway", query="InternetGateway.InternetGatewayId",
                             undo=["delete-internet-gateway", "--internet-gateway-id", "ID"])
        self.aws("wait", "internet-gateway-exists", "--internet-gateway-ids", self.igw)
        self.aws("attach-internet-gateway", "--internet-gateway-id", self.igw, "--vpc-id", self.vpc)
        self.undo.append(["detach-internet-gateway", "--internet-gateway-id", self.igw, "--vpc-id", self.vpc])
        self.eigw = self.make("create-egress-only-internet-gateway", "--vpc-id", self.vpc,
                              query="EgressOnlyInternetGateway.EgressOnlyInternetGatewayId",
                              undo=["delete-egress-only-internet-gateway", "--egress-only-internet-gateway-id", "ID"])
        address = self.make("allocate-address", "--domain", "vpc", query="AllocationId",
                            undo=["release-address", "--allocation-id", "ID"])
        self.nat = self.make("create-nat-gateway", "--subnet-id", self.web, "--allocation-id", address,
                             query="NatGateway.NatGatewayId")
        self.aws("wait", "nat-gateway-available", "--nat-gateway-ids", self.nat)
        self.undo += [["wait", "nat-gateway-deleted", "--nat-gateway-ids", self.nat],
                      ["delete-nat-gateway", "--nat-gateway-id", self.nat]]
        self.pcx = self.make("create-vpc-peering-connection", "--vpc-id", self.vpc, "--peer-vpc-id", self.peer,
                             query="VpcPeeringConnection.VpcPeeringConnectionId")
        self.aws("wait", "vpc-peering-connection-exists", "--vpc-peering-connection-ids", self.pcx)
        assert self.aws("accept-vpc-peering-connection", "--vpc-peering-connection-id", self.pcx,
                        query="VpcPeeringConnection.Status.Code") in ("active", "provisioning")
        self.undo += [["wait", "vpc-peering-connection-deleted", "--vpc-peering-connection-ids", self.pcx],
                      ["delete-vpc-peering-connection", "--vpc-peering-connection-id", self.pcx]]

    def routes(self):
        for subnet, routes in (
                (self.web, [("--destination-cidr-block", "0.0.0.0/0", "--gateway-id", self.igw),
                            ("--destination-ipv6-cidr-block", "::/0", "--gateway-id", self.igw)]),
                (self.app, [("--destination-cidr-block", "0.0.0.0/0", "--nat-gateway-id", self.nat),
                            ("--destination-ipv6-cidr-block", "::/0", "--egress-only-internet-gateway-id", self.eigw),
                            ("--destination-cidr-block", "10.31.0.0/16", "--vpc-peering-connection-id", self.pcx)]),
                (self.db, [])):
            table = self.make("create-route-table", "--vpc-id", self.vpc, query="RouteTable.RouteTableId",
                              undo=["delete-route-table", "--route-table-id", "ID"])
            for route in routes:
                self.aws("create-route", "--route-table-id", table, *route)
            self.make("associate-route-table", "--route-table-id", table, "--subnet-id", subnet, query="AssociationId",
                      undo=["disassociate-route-table", "--association-id", "ID"])

    def filters(self):
        self.list = self.make("create-managed-prefix-list", "--prefix-list-name", "offices", "--address-family", "IPv4",
                              "--max-entries", "5", "--entries", "Cidr=198.51.100.0/24,Description=a",
                              query="PrefixList.PrefixListId", undo=["delete-managed-prefix-list", "--prefix-list-id", "ID"])
        groups = [self.make("create-security-group", "--vpc-id", self.vpc, "--group-name", n, "--description", n, query="GroupId",
                            undo=["delete-security-group", "--group-id", "ID"]) for n in ("web", "app", "db")]
        self.aws("wait", "security-group-exists", "--group-ids", *groups)
        self.aws("authorize-security-group-ingress", "--group-id", groups[0], "--ip-permissions",
                 f"IpProtocol=tcp,FromPort=443,ToPort=443,PrefixListIds=[{{PrefixListId={self.list}}}]")
        for to, of, port in ((groups[1], groups[0], "8080"), (groups[2], groups[1], "5432")):
            self.aws("authorize-security-group-ingress", "--group-id", to, "--protocol", "tcp", "--port", port, "--source-group", of)
        self.group = groups[1]
        acl = self.make("create-network-acl", "--vpc-id", self.vpc, query="NetworkAcl.NetworkAclId")
        for way in ("--ingress", "--egress"):
            self.aws("create-network-acl-entry", "--network-acl-id", acl, way, "--rule-number", "100", "--protocol", "-1",
                     "--rule-action", "allow", "--cidr-block", "10.30.0.0/16")
        default, association = self.aws(
            "describe-network-acls", "--filters", f"Name=association.subnet-id,Values={self.db}", query="NetworkAcls[0].["
            f"NetworkAclId,Associations[?SubnetId=='{self.db}'].NetworkAclAssociationId|[0]]").split("\t")
        self.make("replace-network-acl-association", "--association-id", association, "--network-acl-id", acl,
                  query="NewAssociationId", undo=["replace-network-acl-association", "--association-id", "ID",
                                                  "--network-acl-id", default])
        self.undo.insert(-1, ["delete-network-acl", "--network-acl-id", acl])

    def machines(self):
        instance = self.make("run-instances", "--image-id", "ami-netns", "--instance-type", "t3.micro", "--subnet-id", self.app,
                             "--security-group-ids", self.group, query="Instances[0].InstanceId")
        self.aws("wait", "instance-exists", "--instance-ids", instance)
        self.aws("wait", "instance-running", "--instance-ids", instance)
        self.aws("wait", "instance-status-ok", "--instance-ids", instance)
        self.aws("stop-instances", "--instance-ids", instance)
        self.aws("wait", "instance-stopped", "--instance-ids", instance)
        self.undo += [["wait", "instance-terminated", "--instance-ids", instance],
                      ["terminate-instances", "--instance-ids", instance]]
        interface = self.make("create-network-interface", "--subnet-id", self.db, query="NetworkInterface.NetworkInterfaceId",
                              undo=["delete-network-interface", "--network-interface-id", "ID"])
        self.aws("wait", "network-interface-available", "--network-interface-ids", interface)


def test_three_tiers(aws, ec2):
    ec2.describe_vpcs()
    before = everything(ec2)
    tiers = Tiers(aws)
    tiers.build()
    routes = aws("describe-route-tables", "--filters", f"Name=association.subnet-id,Values={tiers.app}",
                 query="RouteTables[0].Routes[].State").split()
    assert len(routes) == 5 and set(routes) == {"active"}
    assert aws("get-managed-prefix-list-associations", "--prefix-list-id", tiers.list,
               query="length(PrefixListAssociations)") == "1"
    for way_back in reversed(tiers.undo):
        aws(*way_back)
    assert everything(ec2) == before
