# SPDX-License-Identifier: Apache-2.0
"""A vpcd without an agent for API tests, and clients for it.

    boto3 / aws  --HTTP-->  vpcd --no-agent (worker)  -->  SQLite in a temporary directory

One vpcd serves a whole test session; each test gets an account of its own by the `account` fixture, so
tests do not see each other's resources. Tests that kill or restart vpcd make their own (class Vpcd).
"""
import itertools
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time

import boto3
import botocore.config
import model
import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VPCD_BUILD", os.path.join(TOP, "build"))
READY_SECONDS = 30

for name in [n for n in os.environ if n.startswith("AWS_")]:
    del os.environ[name]


@pytest.fixture(autouse=True)
def replies_follow_the_model(monkeypatch):
    model.check_replies(monkeypatch)


def pytest_collection_modifyitems(items):
    """Who asks what the other tests have seen comes behind them."""
    items.sort(key=lambda item: item.path.name == "test_replies.py")


class Vpcd:
    """A vpcd process on a port of its own; `start` may be called again after `kill` or `stop`."""

    def __init__(self, directory=None, credentials=(), options=()):
        self.directory = directory or tempfile.mkdtemp(prefix="vpcd-api-")
        self.own_directory = directory is None
        self.credentials = list(credentials)
        self.options = list(options)
        self.process = None
        self.port = 0

    def start(self):
        command = [os.path.join(BUILD, "vpcd"), "--no-agent", "--state-dir", self.directory,
                   "--listen", f"127.0.0.1:{self.port}"]
        if self.credentials:
            keys = os.path.join(self.directory, "keys")
            with open(keys, "w") as f:
                f.writelines(f"{key}:{secret}:{account}\n" for key, secret, account in self.credentials)
            command += ["--credentials-file", keys]
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen(command + self.options, stdout=subprocess.PIPE, stderr=self.log)
        line, deadline = b"", time.monotonic() + READY_SECONDS
        while b"\n" not in line:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise RuntimeError("vpcd did not become ready: " + self.log_text())
            more = os.read(self.process.stdout.fileno(), 4096)
            if not more:
                raise RuntimeError("vpcd ended: " + self.log_text())
            line += more
        self.endpoint = line.decode().split()[-1]
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    def log_text(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(READY_SECONDS)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(READY_SECONDS)
        return self.process.returncode

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        if self.own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, key, secret, service="ec2", region="us-east-1", **config):
        config.setdefault("retries", {"max_attempts": 0})
        return boto3.client(service, endpoint_url=self.endpoint, region_name=region, aws_access_key_id=key,
                            aws_secret_access_key=secret, config=botocore.config.Config(**config))


class Account:
    """An account's clients: account.ec2, account.client("sts"), account.client("ec2", "eu-west-1")."""

    def __init__(self, vpcd, key, secret, number):
        self.vpcd, self.key, self.secret, self.id = vpcd, key, secret, number
        self.ec2 = self.client("ec2")

    def client(self, service="ec2", region="us-east-1", **config):
        return self.vpcd.client(self.key, self.secret, service, region, **config)

    def environment(self):
        """For the AWS CLI."""
        return {"PATH": "/usr/bin:/bin", "HOME": self.vpcd.directory, "AWS_ACCESS_KEY_ID": self.key,
                "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": "us-east-1", "AWS_PAGER": ""}


ACCOUNTS = 4000
KEYS = [(f"AKIATEST{n:012d}", f"secret-of-test-{n}", f"{100000000000 + n}") for n in range(ACCOUNTS)]


@pytest.fixture(scope="session")
def vpcd():
    server = Vpcd(credentials=KEYS).start()
    yield server
    alive = server.process.poll() is None
    status = server.stop()  # with the sanitizers, also what leaked
    text = server.log_text()
    server.close()
    assert alive, "vpcd ended during the tests: " + text
    assert status == 0, f"vpcd ended with {status}: " + text


@pytest.fixture(scope="session")
def account_numbers():
    return itertools.count()


@pytest.fixture
def account(vpcd, account_numbers):
    return Account(vpcd, *KEYS[next(account_numbers)])


@pytest.fixture
def other(vpcd, account_numbers):
    """A second account, that must not see the first one's resources."""
    return Account(vpcd, *KEYS[next(account_numbers)])


@pytest.fixture
def ec2(account):
    return account.ec2


@pytest.fixture
def raw(account):
    from raw import Raw
    connection = Raw(account)
    yield connection
    connection.close()


def error_code(call, **params):
    """The code of the error that the call must answer with."""
    from botocore.exceptions import ClientError
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"]


def error(call, **params):
    """The whole error: code, message, HTTP status."""
    from botocore.exceptions import ClientError
    with pytest.raises(ClientError) as caught:
        call(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def filters(**values):
    """filters(vpc_id=x) -> [{"Name": "vpc-id", "Values": [x]}]; a name that is no identifier: pass a dict."""
    return [{"Name": name.replace("_", "-"), "Values": v if isinstance(v, list) else [v]}
            for name, v in values.items()]


def make_vpc(ec2, cidr="10.0.0.0/16", **params):
    return ec2.create_vpc(CidrBlock=cidr, **params)["Vpc"]["VpcId"]


def make_subnet(ec2, vpc, cidr="10.0.1.0/24", **params):
    return ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, **params)["Subnet"]["SubnetId"]


def make_gateway(ec2, vpc=None):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    if vpc:
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    return gateway


def make_table(ec2, vpc):
    return ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]


def make_group(ec2, vpc, name="group"):
    return ec2.create_security_group(VpcId=vpc, GroupName=name, Description="of a test")["GroupId"]


def main_table(ec2, vpc):
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]},
                                                {"Name": "association.main", "Values": ["true"]}])["RouteTables"]
    assert len(tables) == 1
    return tables[0]


def default_group(ec2, vpc):
    groups = ec2.describe_security_groups(Filters=filters(vpc_id=vpc, group_name="default"))["SecurityGroups"]
    assert len(groups) == 1
    return groups[0]


@pytest.fixture
def vpc(ec2):
    return make_vpc(ec2)
