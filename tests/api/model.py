# SPDX-License-Identifier: Apache-2.0
"""Holds requests and replies against botocore's model of EC2, which clients are made from.

`check_replies` makes every reply that a test receives fail the test when it has an element that the
model does not know: a client would silently drop it.
"""
import collections
import functools
import xml.etree.ElementTree as ElementTree

import botocore.parsers
import botocore.session

# Elements of EC2's that are newer than Debian's botocore.
NEWER = {
    "clientToken", "securityGroupArn", "securityGroupRuleArn",
    "ipSource", "ipv6AddressAttribute",  # of an IPv6 block
    "associationId", "isPrimary", "failureMessage", "status",  # of a NAT gateway's address
    "groupId",  # DeleteSecurityGroup answers with it
    "clientToken",  # CreateNetworkAcl does too
    "revokedSecurityGroupRuleSet",
    "connectionTrackingConfiguration", "isPrimaryIpv6", "associatePublicIpAddress",  # of an interface
}


# Elements that replies to the tests of this process had: name of the structure's shape -> names.
SEEN = collections.defaultdict(set)


@functools.lru_cache
def service():
    return botocore.session.get_session().get_service_model("ec2")


def parameter_names(shape, prefix="", seen=()):
    """Every parameter of the shape as the Query protocol writes it, list items as N."""
    if shape is None or shape.name in seen:
        return set()
    if shape.type_name == "structure":
        names = set()
        for name, member in shape.members.items():
            wire = member.serialization.get("queryName")
            if not wire:
                wire = member.serialization.get("name", name)
                wire = wire[0].upper() + wire[1:]
            names |= parameter_names(member, f"{prefix}.{wire}" if prefix else wire, (*seen, shape.name))
        return names
    if shape.type_name == "list":
        return parameter_names(shape.member, prefix + ".N", seen)
    return {prefix}


def unknown_elements(node, shape, path=""):
    """Paths of the elements below `node` that the shape does not have."""
    unknown = []
    for child in node:
        name = child.tag.split("}")[-1]
        at = f"{path}/{name}"
        if shape.type_name == "structure":
            members = {m.serialization.get("name", n): m for n, m in shape.members.items()}
            if name in members:
                unknown += unknown_elements(child, members[name], at)
            elif name not in NEWER:
                unknown.append(at)
        elif shape.type_name == "list":
            if name == shape.member.serialization.get("name", "member"):
                unknown += unknown_elements(child, shape.member, at)
            else:
                unknown.append(at)
        else:
            unknown.append(at)
    return unknown


def unknown_in_reply(body, shape):
    """The same for a whole reply, whose requestId and <return>true</return> no model names."""
    root = ElementTree.fromstring(body)
    for name in ("requestId", "return"):
        for child in [c for c in root if c.tag.split("}")[-1] == name]:
            root.remove(child)
    if shape is None:
        return ["/" + c.tag for c in root if c.tag.split("}")[-1] not in NEWER]
    return unknown_elements(root, shape)


def elements(shape, into):
    """The elements that each structure within a reply of this shape may have: name of the shape -> names."""
    if shape is None or shape.name in into:
        return into
    if shape.type_name == "list":
        return elements(shape.member, into)
    if shape.type_name == "structure":
        into[shape.name] = {m.serialization.get("name", n) for n, m in shape.members.items()}
        for member in shape.members.values():
            elements(member, into)
    return into


def note_elements(node, shape):
    """Remembers what the reply has; a list counts only when it has items."""
    for child in node:
        name = child.tag.split("}")[-1]
        member = shape.member if shape.type_name == "list" else next(
            (m for n, m in shape.members.items() if m.serialization.get("name", n) == name), None)
        if member is None:
            continue
        if shape.type_name == "structure" and (member.type_name != "list" or len(child)):
            SEEN[shape.name].add(name)
        if member.type_name in ("list", "structure"):
            note_elements(child, member)


def check(body, shape, name):
    unknown = unknown_in_reply(body, shape)
    assert not unknown, f"elements that the model of {name} lacks: {unknown}"
    if shape:
        note_elements(ElementTree.fromstring(body), shape)


def check_reply(action, body):
    """A good reply of an action, as botocore knows it; one that is newer than it is not looked at."""
    if action in service().operation_names:
        check(body, service().operation_model(action).output_shape, action)


def check_replies(monkeypatch):
    original = botocore.parsers.EC2QueryParser._do_parse

    def checked(self, response, shape):
        check(response["body"], shape, shape.name if shape else "the reply")
        return original(self, response, shape)

    monkeypatch.setattr(botocore.parsers.EC2QueryParser, "_do_parse", checked)
