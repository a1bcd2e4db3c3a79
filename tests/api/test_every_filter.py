# SPDX-License-Identifier: Apache-2.0
"""Every filter that EC2's reference documents for each Describe call that is answered here: known, or refused for a reason.

The names are read from the text of botocore's model; they are what a user finds in the reference.
"""
import json
import os
import re
import subprocess

import model
import pytest
from botocore.exceptions import ClientError
from conftest import BUILD

# Filters that are documented and refused, so that nobody believes an empty answer.
HARDWARE = {  # of instance types: facts about machines that these here are not
    "auto-recovery-supported", "current-generation", "ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps",
    "ebs-info.ebs-optimized-info.baseline-iops", "ebs-info.ebs-optimized-info.baseline-throughput-in-mbps",
    "ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps", "ebs-info.ebs-optimized-info.maximum-iops",
    "ebs-info.ebs-optimized-info.maximum-throughput-in-mbps", "ebs-info.ebs-optimized-support", "ebs-info.encryption-support",
    "ebs-info.nvme-support", "free-tier-eligible", "instance-storage-info.disk.count", "instance-storage-info.disk.size-in-gb",
    "instance-storage-info.disk.type", "instance-storage-info.encryption-support", "instance-storage-info.nvme-support",
    "instance-storage-info.total-size-in-gb", "instance-storage-supported", "memory-info.size-in-mib",
    "network-info.efa-info.maximum-efa-interfaces", "network-info.encryption-in-transit-supported",
    "network-info.network-performance", "processor-info.sustained-clock-speed-in-ghz", "supported-boot-mode",
    "vcpu-info.default-cores", "vcpu-info.default-threads-per-core", "vcpu-info.default-vcpus", "vcpu-info.valid-cores",
    "vcpu-info.valid-threads-per-core",
}
REFUSED = {("DescribeInstanceTypes", name) for name in HARDWARE} | {
    ("DescribeImages", "tag:Name"),  # images cannot be tagged
    ("DescribeInstances", "group-id"), ("DescribeInstances", "group-name"),  # EC2-Classic only
    ("DescribeInstances", "network-interface.addresses.association.ip-owner-id"),
    ("DescribeNetworkInterfacePermissions", "network-interface-permission.aws-service"),  # there are no services of AWS here
}


def documented():
    """(operation, member that takes the filters, name of a filter)"""
    actions = json.loads(subprocess.run([os.path.join(BUILD, "vpcd"), "--dump-api"], stdout=subprocess.PIPE, check=True).stdout)["actions"]
    for action, row in sorted(actions.items()):
        if not row["filters"] or action not in model.service().operation_names:
            continue
        shape = model.service().operation_model(action).input_shape
        for member in ("Filters", "Filter"):
            if member in shape.members:
                text = shape.members[member].documentation
                for name in re.findall(r"<li> ?<p> ?<code>([^<]+)</code>", text):
                    yield action, member, name
                break


ALL = list(documented())


def test_the_model_documents_filters():
    assert len(ALL) > 300 and len({action for action, _, _ in ALL}) > 25


def call(ec2, action, member, name, value):
    if action == "GetSubnetCidrReservations":
        subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
        return ec2.get_subnet_cidr_reservations(SubnetId=subnet, Filters=[{"Name": name, "Values": [value]}])
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower()
    return getattr(ec2, snake)(**{member: [{"Name": name, "Values": [value]}]})


@pytest.mark.parametrize("action, member, name", ALL, ids=[f"{a}-{n}" for a, _, n in ALL])
def test_a_documented_filter_is_known(ec2, action, member, name):
    """With wildcards; what matches nothing gives an empty reply, not an error."""
    name = name.replace(":&lt;key&gt;", ":Name").replace(":<key>", ":Name")
    if name == "tag":
        name = "tag:Name"
    if (action, name) in REFUSED:
        with pytest.raises(ClientError, match="filter"):
            call(ec2, action, member, name, "*")
        return
    call(ec2, action, member, name, "*no*such?thing*")
