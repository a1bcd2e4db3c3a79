# SPDX-License-Identifier: Apache-2.0
"""The API's own tables (`vpcd --dump-api`) against botocore's model of EC2.

What a table accepts and the model does not know is a misspelt parameter: no client could send it.
Replies are held against the model in every other test (conftest, model.check_replies).
"""
import json
import os
import subprocess

import model
import pytest
from conftest import BUILD

DUMP = json.loads(subprocess.run([os.path.join(BUILD, "vpcd"), "--dump-api"], stdout=subprocess.PIPE,
                                 check=True).stdout)
SERVICE = model.service()

TRACKING = ["ConnectionTrackingSpecification." + name
            for name in ("TcpEstablishedTimeout", "UdpStreamTimeout", "UdpTimeout")]

# Of EC2's, but newer than Debian's botocore.
NEWER = {
    "CreateCustomerGateway": {"BgpAsnExtended"},
    "CreateNetworkAcl": {"ClientToken"},
    "CreateRouteTable": {"ClientToken"},
    "AllocateAddress": {"IpamPoolId"},
    "CreateNatGateway": {"SecondaryAllocationId.N", "SecondaryPrivateIpAddress.N", "SecondaryPrivateIpAddressCount"},
    "DescribeImages": {"IncludeDisabled"},
    "CreateNetworkInterface": {"EnablePrimaryIpv6", "Ipv6Addresses.N.IsPrimaryIpv6", *TRACKING},
    "ModifyNetworkInterfaceAttribute": {"EnablePrimaryIpv6", "AssociatePublicIpAddress", *TRACKING},
    "RunInstances": {"EnablePrimaryIpv6", "Ipv6Address.N.IsPrimaryIpv6", "NetworkInterface.N.PrimaryIpv6",
                     "NetworkInterface.N.Ipv6Addresses.N.IsPrimaryIpv6",
                     *("NetworkInterface.N." + name for name in TRACKING)},
}
# One table serves two actions, and only the other one has this on EC2.
SHARED_TABLE = {
    "CreateRoute": {"LocalTarget"},
    "AuthorizeSecurityGroupEgress": {"GroupName"},
    "RevokeSecurityGroupEgress": {"GroupName"},
}


def names(params, prefix=""):
    found = set()
    for name, what in params.items():
        at = f"{prefix}.{name}" if prefix else name
        at += ".N" if what["list"] else ""
        found |= names(what["members"], at) if "members" in what else {at}
    return found


# Of EC2's, and all new.
NEWER_ACTIONS = {"AssociateSecurityGroupVpc", "DescribeSecurityGroupVpcAssociations", "DisassociateSecurityGroupVpc",
                 "GetSecurityGroupsForVpc", "AssignPrivateNatGatewayAddress", "AssociateNatGatewayAddress",
                 "DisassociateNatGatewayAddress", "UnassignPrivateNatGatewayAddress"}
EC2_ACTIONS = sorted(a for a in DUMP["actions"] if a in SERVICE.operation_names)


def test_actions_are_those_of_ec2():
    assert set(DUMP["actions"]) - set(EC2_ACTIONS) <= {"GetCallerIdentity", "ListAccountAliases"} | NEWER_ACTIONS


@pytest.mark.parametrize("action", EC2_ACTIONS)
def test_parameters(action):
    row = DUMP["actions"][action]
    known = model.parameter_names(SERVICE.operation_model(action).input_shape)
    ours = names(row["params"]) | ({"ClientToken"} if row["token"] else set())
    unknown = ours - known - NEWER.get(action, set()) - SHARED_TABLE.get(action, set())
    assert not unknown
    if row["filters"]:
        assert known & {"Filter.N.Name", "MaxResults"}


@pytest.mark.parametrize("action", [a for a in EC2_ACTIONS if DUMP["actions"][a]["set"]])
def test_sets(action):
    shape = SERVICE.operation_model(action).output_shape
    assert DUMP["actions"][action]["set"] in {m.serialization.get("name", n) for n, m in shape.members.items()}
