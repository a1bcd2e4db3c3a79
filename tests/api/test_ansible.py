# SPDX-License-Identifier: Apache-2.0
"""Ansible's amazon.aws and community.aws: a VPC is built, built again without a change, and torn down.

    ansible-playbook ansible/build.yml  -->  modules  -->  boto3  -->  vpcd
"""
import json
import os
import subprocess

import pytest

PLAYBOOKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ansible")
BOUND = 400


def everything(ec2):
    """What an account has, without what stands in its default VPC and what is over."""
    return {
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "tables": ec2.describe_route_tables()["RouteTables"],
        "gateways": ec2.describe_internet_gateways()["InternetGateways"],
        "egress": ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"],
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "acls": ec2.describe_network_acls()["NetworkAcls"],
        "interfaces": ec2.describe_network_interfaces()["NetworkInterfaces"],
        "addresses": ec2.describe_addresses()["Addresses"],
        "lists": ec2.describe_managed_prefix_lists()["PrefixLists"],
        "vpn": ec2.describe_vpn_gateways()["VpnGateways"],
        "keys": ec2.describe_key_pairs()["KeyPairs"],
        "dhcp": ec2.describe_dhcp_options()["DhcpOptions"],
        "nats": [g for g in ec2.describe_nat_gateways()["NatGateways"] if g["State"] != "deleted"],
        "peerings": [p for p in ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
                     if p["Status"]["Code"] != "deleted"],
        "instances": [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]
                      if i["State"]["Name"] != "terminated"],
    }


class Ansible:
    def __init__(self, account, directory):
        self.environment = {**account.environment(), "AWS_URL": account.vpcd.endpoint, "AWS_REGION": "us-east-1",
                            "ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_HOME": str(directory), "HOME": str(directory),
                            "ANSIBLE_LOCAL_TEMP": str(directory / "tmp"), "ANSIBLE_LOCALHOST_WARNING": "false",
                            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "LC_ALL": "C.UTF-8",
                            "ANSIBLE_DEPRECATION_WARNINGS": "false"}

    def play(self, name):
        """Runs a playbook; the names of the tasks that changed something."""
        done = subprocess.run(["/usr/bin/ansible-playbook", "-i", "localhost,", "-c", "local",
                               os.path.join(PLAYBOOKS, name)], env=self.environment, capture_output=True, text=True,
                              timeout=BOUND, check=False)
        try:
            play = json.loads(done.stdout[done.stdout.index("{"):])
        except ValueError:
            pytest.fail(done.stdout + done.stderr)
        results = [(t["task"]["name"], t["hosts"]["localhost"]) for p in play["plays"] for t in p["tasks"]]
        for task, result in results:
            if result.get("failed"):
                pytest.fail(f"{name}: {task}: {json.dumps(result, indent=1)[-3000:]}")
        assert done.returncode == 0, done.stderr
        return [task for task, result in results if result.get("changed")]


def test_a_vpc_is_built_twice_and_torn_down(account, tmp_path):
    account.ec2.describe_vpcs()  # the default VPC, so that it is in what must be left
    before = everything(account.ec2)
    ansible = Ansible(account, tmp_path)
    changed = ansible.play("build.yml")
    assert len(changed) == 20, changed
    built = everything(account.ec2)
    assert ansible.play("build.yml") == []
    assert everything(account.ec2) == built
    ansible.play("teardown.yml")
    assert everything(account.ec2) == before
