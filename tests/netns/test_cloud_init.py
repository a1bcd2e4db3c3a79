# SPDX-License-Identifier: Apache-2.0
"""Debian's cloud-init as it is, in an instance: its EC2 data source finds itself, with and without a network set up before.

    vpc 10.0.0.0/16, IPv6    i 10.0.1.10, 10.0.1.11    cloud-init (overlay over the host's files) -- 169.254.169.254
"""
import json
import os
import subprocess

import pytest

from conftest import BUILD, until

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cloud_init")
USER_DATA = """## template: jinja
#cloud-config
write_files:
- path: /from-user-data
  content: "{{ v1.instance_id }} {{ v1.region }} {{ ds.meta_data.local_ipv4 }} {{ ds.meta_data.tags.instance.Role }}"
"""


@pytest.fixture(scope="module")
def packages():
    done = subprocess.run([os.path.join(HERE, "fetch"), BUILD], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        pytest.skip("cloud-init's package cannot be had: " + done.stdout[-300:])
    return os.path.join(BUILD, "cloud-init", "root")


def test_cloud_init(cloud, packages):
    ec2 = cloud.client()
    vpc = cloud.vpc(ipv6=True)
    key = ec2.create_key_pair(KeyName="ci", KeyType="ed25519")
    public = ec2.describe_key_pairs(KeyNames=["ci"], IncludePublicKey=True)["KeyPairs"][0]["PublicKey"]
    i = cloud.instance(cloud.subnet(vpc, "10.0.1.0/24", 1), [cloud.group(vpc, "none", egress=[])], address="10.0.1.10", ipv6=True,
                       KeyName=key["KeyName"], UserData=USER_DATA,
                       MetadataOptions={"HttpTokens": "required", "InstanceMetadataTags": "enabled"},
                       TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Role", "Value": "web"}]}])
    ec2.assign_private_ip_addresses(NetworkInterfaceId=i.eni, PrivateIpAddresses=["10.0.1.11"])
    addresses = (f"TOKEN=$(curl -s -X PUT http://169.254.169.254/latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60') && curl -s "
                 f"-H \"X-aws-ec2-metadata-token: $TOKEN\" http://169.254.169.254/latest/meta-data/network/interfaces/macs/{i.mac}/local-ipv4s")
    until(lambda: i.run("sh", "-c", addresses).stdout == "10.0.1.10\n10.0.1.11", "the second address in the metadata")
    got = json.loads(i.run(os.path.join(HERE, "run"), packages, timeout=120).stdout.splitlines()[-1])
    data = got["instance"]
    assert data, got["log"][-3000:]
    assert data["v1"]["cloud_name"] == "aws" and data["v1"]["instance_id"] == i.id, data["v1"]
    assert data["v1"]["region"] == "us-east-1" and data["v1"]["availability_zone"] == "us-east-1a"
    assert data["v1"]["public_ssh_keys"] == [public.strip()]
    # The whole tree was read, in the newest version that cloud-init knows.
    meta = data["ds"]["meta-data"]
    assert data["ds"]["_metadata_api_version"] == "2021-03-23"
    assert meta["local-ipv4"] == "10.0.1.10" and meta["tags"]["instance"] == {"Role": "web"}
    nic = meta["network"]["interfaces"]["macs"][i.mac]
    assert nic["interface-id"] == i.eni and nic["ipv6s"] == i.ip6 and nic["subnet-ipv4-cidr-block"] == "10.0.1.0/24"
    document = data["ds"]["dynamic"]["instance-identity"]["document"]
    assert document["instanceId"] == i.id and document["accountId"] == nic["owner-id"]
    # And what it did with it.
    assert got["hostname"] == "ip-10-0-1-10"
    assert got["wrote"] == f"{i.id} us-east-1 10.0.1.10 web"
    assert public.split()[1] in got["keys"]
    config = next(line for line in got["log"].splitlines() if "Applying network configuration from ds" in line)
    assert i.mac in config and "'10.0.1.11/24'" in config and "'dhcp4': True" in config and "'dhcp6': True" in config


def test_before_the_network(cloud, packages):
    """The stage that begins with no address: cloud-init gets its lease by DHCP, reads its metadata, and gives the lease up again."""
    i = cloud.instance(cloud.subnet(cloud.vpc("10.7.0.0/16", internet=False), "10.7.1.0/24"), [], address="10.7.1.10")
    got = json.loads(i.run(os.path.join(HERE, "run"), packages, "--local", timeout=120).stdout.splitlines()[-1])
    assert "Received dhcp lease on eth0 for 10.7.1.10/255.255.255.0" in got["log"], got["log"][-3000:]
    assert got["instance"]["v1"]["instance_id"] == i.id and got["hostname"] == "ip-10-7-1-10"
    assert "10.7.1.10" not in i.run("ip", "-4", "addr", "show", "dev", "eth0").stdout
