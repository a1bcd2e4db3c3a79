# SPDX-License-Identifier: Apache-2.0
"""The API's own tables (`vpcd --dump-api`) against botocore's model of EC2.

What a table accepts and the model does not know is a misspelt parameter: no client could send it. What the model has
and no table accepts stands in refused.py, and is refused by its name.
Replies are held against the model in every other test (conftest, model.check_replies; test_replies.py).
"""
import fnmatch
import json
import os
import subprocess

import model
import pytest
import refused
from conftest import BUILD
from raw import Raw

DUMP = json.loads(subprocess.run([os.path.join(BUILD, "vpcd"), "--dump-api"], stdout=subprocess.PIPE,
                                 check=True).stdout)
SERVICE = model.service()

TRACKING = ["ConnectionTrackingSpecification." + name
            for name in ("TcpEstablishedTimeout", "UdpStreamTimeout", "UdpTimeout")]

# Of EC2's, but newer than Debian's botocore.
NEWER = {
    "CreateCustomerGateway": {"BgpAsnExtended"},
    "AssociateSubnetCidrBlock": {"Ipv6IpamPoolId", "Ipv6NetmaskLength"},
    "CreateDefaultSubnet": {"AvailabilityZoneId"},
    "CreateNetworkAcl": {"ClientToken"},
    "CreateRouteTable": {"ClientToken"},
    "CreateSubnet": {"Ipv4IpamPoolId", "Ipv4NetmaskLength", "Ipv6IpamPoolId", "Ipv6NetmaskLength"},
    "AllocateAddress": {"IpamPoolId"},
    "CreateNatGateway": {"SecondaryAllocationId.N", "SecondaryPrivateIpAddress.N", "SecondaryPrivateIpAddressCount"},
    "DescribeImages": {"IncludeDisabled", "MaxResults", "NextToken"},
    "DeregisterImage": {"DeleteAssociatedSnapshots"},
    "RegisterImage": {"TagSpecification.N." + name for name in ("ResourceType", "Tag.N.Key", "Tag.N.Value")},
    "StopInstances": {"SkipOsShutdown"},
    "CreateNetworkInterface": {"EnablePrimaryIpv6", "Ipv6Addresses.N.IsPrimaryIpv6", *TRACKING},
    "ModifyNetworkInterfaceAttribute": {"EnablePrimaryIpv6", "AssociatePublicIpAddress", *TRACKING},
    "RunInstances": {"CpuOptions.AmdSevSnp", "EnablePrimaryIpv6", "Ipv6Address.N.IsPrimaryIpv6", "NetworkInterface.N.PrimaryIpv6",
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
NEWER_ACTIONS = {"GetInstanceMetadataDefaults", "ModifyInstanceMetadataDefaults", "ModifyPublicIpDnsNameOptions",
                 "AssociateSecurityGroupVpc", "DescribeSecurityGroupVpcAssociations", "DisassociateSecurityGroupVpc",
                 "GetSecurityGroupsForVpc", "AssignPrivateNatGatewayAddress", "AssociateNatGatewayAddress",
                 "DisassociateNatGatewayAddress", "UnassignPrivateNatGatewayAddress"}
EC2_ACTIONS = sorted(a for a in DUMP["actions"] if a in SERVICE.operation_names)


def test_actions_are_those_of_ec2():
    assert set(DUMP["actions"]) - set(EC2_ACTIONS) <= {"GetCallerIdentity", "ListAccountAliases"} | NEWER_ACTIONS


def accepted(action):
    """Every parameter that the action takes, the shared ones too."""
    row = DUMP["actions"][action]
    shared = {"DryRun"} | ({"ClientToken"} if row["token"] else set())
    shared |= {"Filter.N.Name", "Filter.N.Value.N"} if row["filters"] else set()
    shared |= {"MaxResults", "NextToken"} if row["pages"] else set()
    return names(row["params"]) | shared


def in_model(action):
    return model.parameter_names(SERVICE.operation_model(action).input_shape)


def reason(action, member):
    return next((row for row in refused.PARAMETERS
                 if fnmatch.fnmatchcase(action, row[0]) and fnmatch.fnmatchcase(member, row[1])), None)


def missing(action):
    return sorted(in_model(action) - accepted(action))


@pytest.mark.parametrize("action", EC2_ACTIONS)
def test_parameters(action):
    known = in_model(action)
    unknown = accepted(action) - {"DryRun"} - known - NEWER.get(action, set()) - SHARED_TABLE.get(action, set())
    assert not unknown


@pytest.mark.parametrize("action", EC2_ACTIONS)
def test_every_parameter_of_the_model_is_known_or_refused_for_a_reason(action):
    assert not [m for m in missing(action) if not reason(action, m)]


def test_no_reason_without_a_parameter():
    used = {reason(a, m) for a in EC2_ACTIONS for m in missing(a)}
    assert not [row for row in refused.PARAMETERS if row not in used]


def test_refused_parameters_are_named(account):
    """A parameter that is not taken is an error that names it, whatever else is missing or wrong."""
    raw = Raw(account)
    for action in EC2_ACTIONS:
        for member in missing(action):
            sent = member.replace(".N", ".1")
            reply = raw.call(action, **{sent: "1"})
            message = reply.tree.findtext("Errors/Error/Message") or ""
            assert (reply.status, reply.code) == (400, "UnknownParameter") and sent in message, (action, member)
    raw.close()


@pytest.mark.parametrize("action", [a for a in EC2_ACTIONS if DUMP["actions"][a]["set"]])
def test_sets(action):
    shape = SERVICE.operation_model(action).output_shape
    assert DUMP["actions"][action]["set"] in {m.serialization.get("name", n) for n, m in shape.members.items()}
