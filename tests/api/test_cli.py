# SPDX-License-Identifier: Apache-2.0
"""The real AWS CLI: one VPC built, looked at and torn down.

    /usr/bin/aws --endpoint-url  -->  vpcd

    VPC 10.20.0.0/16 -- igw -- route table (0.0.0.0/0) -- subnet public   group web (80 from anywhere)
                            \\- main table (local)       -- subnet private  group db (5432 from web)
"""
import json
import subprocess
import time

import pytest

BOUND = 60


class Cli:
    def __init__(self, account):
        self.environment = account.environment()
        self.base = ["/usr/bin/aws", "--endpoint-url", account.vpcd.endpoint, "--no-cli-pager"]

    def run(self, *args, output="json"):
        return subprocess.run([*self.base, "--output", output, *args], env=self.environment, capture_output=True,
                              text=True, timeout=BOUND, check=False)

    def text(self, *args):
        done = self.run(*args, output="text")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def json(self, *args):
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None


@pytest.fixture
def cli(account):
    return Cli(account)


def test_a_vpc_is_built_and_torn_down(cli, ec2):
    ec2.describe_vpcs()  # the default VPC, so that it is in what must be left
    before = ec2.describe_vpcs()["Vpcs"], ec2.describe_route_tables()["RouteTables"]
    vpc = cli.text("ec2", "create-vpc", "--cidr-block", "10.20.0.0/16", "--query", "Vpc.VpcId", "--tag-specifications",
                   "ResourceType=vpc,Tags=[{Key=Name,Value=three tiers}]")
    start = time.monotonic()
    assert cli.run("ec2", "wait", "vpc-available", "--vpc-ids", vpc).returncode == 0
    # The waiter sleeps 15 s whenever its first look does not see the end.
    assert time.monotonic() - start < 14

    def create(*args, query):
        return cli.text("ec2", *args, "--query", query)

    public = create("create-subnet", "--vpc-id", vpc, "--cidr-block", "10.20.1.0/24", "--availability-zone", "us-east-1a",
                    query="Subnet.SubnetId")
    private = create("create-subnet", "--vpc-id", vpc, "--cidr-block", "10.20.2.0/24", query="Subnet.SubnetId")
    gateway = create("create-internet-gateway", query="InternetGateway.InternetGatewayId")
    cli.json("ec2", "attach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", vpc)
    table = create("create-route-table", "--vpc-id", vpc, query="RouteTable.RouteTableId")
    assert cli.json("ec2", "create-route", "--route-table-id", table, "--destination-cidr-block", "0.0.0.0/0",
                    "--gateway-id", gateway) == {"Return": True}
    association = create("associate-route-table", "--route-table-id", table, "--subnet-id", public, query="AssociationId")
    web = create("create-security-group", "--vpc-id", vpc, "--group-name", "web", "--description", "web", query="GroupId")
    db = create("create-security-group", "--vpc-id", vpc, "--group-name", "db", "--description", "db", query="GroupId")
    cli.json("ec2", "authorize-security-group-ingress", "--group-id", web, "--protocol", "tcp", "--port", "80",
             "--cidr", "0.0.0.0/0")
    cli.json("ec2", "authorize-security-group-ingress", "--group-id", db, "--protocol", "tcp", "--port", "5432",
             "--source-group", web)

    (shown,) = cli.json("ec2", "describe-vpcs", "--filters", "Name=tag:Name,Values=three*")["Vpcs"]
    assert shown["VpcId"] == vpc and shown["Tags"] == [{"Key": "Name", "Value": "three tiers"}]
    routes = cli.text("ec2", "describe-route-tables", "--route-table-ids", table, "--query",
                      "RouteTables[].Routes[].[DestinationCidrBlock,GatewayId,State]")
    assert sorted(line.split("\t") for line in routes.splitlines()) == sorted(
        [["10.20.0.0/16", "local", "active"], ["0.0.0.0/0", gateway, "active"]])

    refused = cli.run("ec2", "delete-vpc", "--vpc-id", vpc)
    assert refused.returncode == 254 and "DependencyViolation" in refused.stderr

    cli.json("ec2", "delete-security-group", "--group-id", db)
    cli.json("ec2", "delete-security-group", "--group-id", web)
    cli.json("ec2", "disassociate-route-table", "--association-id", association)
    cli.json("ec2", "delete-route-table", "--route-table-id", table)
    cli.json("ec2", "detach-internet-gateway", "--internet-gateway-id", gateway, "--vpc-id", vpc)
    cli.json("ec2", "delete-internet-gateway", "--internet-gateway-id", gateway)
    for subnet in (public, private):
        cli.json("ec2", "delete-subnet", "--subnet-id", subnet)
    cli.json("ec2", "delete-vpc", "--vpc-id", vpc)
    assert (ec2.describe_vpcs()["Vpcs"], ec2.describe_route_tables()["RouteTables"]) == before


def test_errors_are_shown_with_code_and_operation(cli):
    done = cli.run("ec2", "describe-vpcs", "--vpc-ids", "vpc-0123456789abcdef0")
    assert done.returncode == 254
    assert "(InvalidVpcID.NotFound) when calling the DescribeVpcs operation" in done.stderr


def test_dry_run(cli):
    done = cli.run("ec2", "create-vpc", "--cidr-block", "10.0.0.0/16", "--dry-run")
    assert done.returncode == 254 and "DryRunOperation" in done.stderr


def test_cli_turns_pages_by_itself(cli, ec2):
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    made = {ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{i}.0/24")["Subnet"]["SubnetId"] for i in range(12)}
    shown = cli.text("ec2", "describe-subnets", "--filters", f"Name=vpc-id,Values={vpc}", "--page-size", "5",
                     "--query", "Subnets[].SubnetId").split()
    assert len(shown) == 12 and set(shown) == made


def test_who_am_i(cli, account):
    assert cli.json("sts", "get-caller-identity")["Account"] == account.id


def test_table_and_yaml_output(cli, ec2):
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    for output in ("table", "yaml"):
        done = cli.run("ec2", "describe-vpcs", output=output)
        assert done.returncode == 0 and vpc in done.stdout
