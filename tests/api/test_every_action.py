# SPDX-License-Identifier: Apache-2.0
"""What holds for every action, over the actions of `vpcd --dump-api` and one good call of each (every.py)."""
import json
import os
import re
import subprocess

import every
import pytest
from conftest import BUILD, KEYS, Account, Vpcd
from raw import EC2, Raw

DUMP = json.loads(subprocess.run([os.path.join(BUILD, "vpcd"), "--dump-api"], stdout=subprocess.PIPE,
                                 check=True).stdout)["actions"]
ACTIONS = sorted(set(DUMP) & set(every.CALLS))
DESCRIBES = [a for a in ACTIONS if (DUMP[a]["filters"] or DUMP[a]["pages"]) and DUMP[a]["set"]]
ID = re.compile(r"[a-z]+(-[a-z]+)*-[0-9a-f]{17}")
REQUEST_ID = re.compile(r"<(RequestID|requestId)>[^<]*</")


class World:
    """A vpcd of its own, for its account's one world; calls of it fill the account of an ordinary one."""

    def __init__(self, server, key):
        self.account = Account(server, *key)
        self.ids = every.world(self.account)
        self.raw = Raw(self.account)

    def call(self, action, params=None, **more):
        return self.raw.call(action, **{**(every.CALLS[action](self.ids) if params is None else params), **more})


@pytest.fixture(scope="module")
def server():
    vpcd = Vpcd(credentials=KEYS[:2], options=["--rate", "0"]).start()
    yield vpcd
    vpcd.close()


@pytest.fixture(scope="module")
def world(server):
    return World(server, KEYS[0])


@pytest.fixture(scope="module")
def foreign(server):
    """The same things in another account."""
    return World(server, KEYS[1])


def test_every_action_has_a_call():
    assert sorted(set(DUMP) - {"GetCallerIdentity", "ListAccountAliases"} - set(every.CALLS) - set(every.WITHOUT)) == []
    assert sorted((set(every.CALLS) | set(every.WITHOUT)) - set(DUMP)) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_dry_run(world, action):
    reply = world.call(action, DryRun="true")
    assert (reply.status, reply.code) == (412, "DryRunOperation"), reply.text


def test_dry_runs_changed_nothing(world):
    """Each call can still be made for show."""
    before = [world.call(a, {}).text for a in ACTIONS if a in DESCRIBES]
    for action in ACTIONS:
        world.call(action, DryRun="true")
    after = [world.call(a, {}).text for a in ACTIONS if a in DESCRIBES]
    assert [REQUEST_ID.sub("", t) for t in before] == [REQUEST_ID.sub("", t) for t in after]


def ids_of(params):
    return [name for name, value in params.items() if ID.fullmatch(str(value))]


NAMING = [(a, every.CALLS[a]) for a in ACTIONS] + every.MORE


@pytest.mark.parametrize("action,make", NAMING, ids=[f"{i}-{action}" for i, (action, _) in enumerate(NAMING)])
def test_what_is_foreign_does_not_exist(world, foreign, action, make):
    """Another account's id and one that never was get the same answer, byte for byte."""
    mine, theirs = (make(w.ids) for w in (world, foreign))
    for name in ids_of(mine):
        values = theirs[name], theirs[name][:-17] + "0123456789abcdef0"
        answers = [world.call(action, {**mine, name: value}, DryRun="true") for value in values]
        foreign_text, never_text = (REQUEST_ID.sub("", a.text.replace(v, "ID")) for a, v in zip(answers, values))
        assert answers[0].status == answers[1].status and foreign_text == never_text, name
        # Flow logs tell in their reply what did not succeed, of each resource.
        assert answers[0].status == (412 if action == "CreateFlowLogs" else 400), foreign_text
        assert foreign.ids["account"] not in foreign_text


CREATED = {  # the type of what the action creates, in TagSpecification
    "AcceptAddressTransfer": "elastic-ip", "AllocateAddress": "elastic-ip", "AuthorizeSecurityGroupEgress": "security-group-rule",
    "AuthorizeSecurityGroupIngress": "security-group-rule", "CreateCustomerGateway": "customer-gateway",
    "CreateDhcpOptions": "dhcp-options", "CreateEgressOnlyInternetGateway": "egress-only-internet-gateway",
    "CreateInternetGateway": "internet-gateway", "CreateKeyPair": "key-pair", "CreateManagedPrefixList": "prefix-list",
    "CreateNatGateway": "natgateway", "CreateNetworkAcl": "network-acl", "CreateNetworkInterface": "network-interface",
    "CreateRouteTable": "route-table", "CreateSecurityGroup": "security-group", "CreateSubnet": "subnet",
    "CreateSubnetCidrReservation": "subnet-cidr-reservation", "CreateVpc": "vpc",
    "CreateVpcPeeringConnection": "vpc-peering-connection", "CreateVpnGateway": "vpn-gateway", "ImportKeyPair": "key-pair",
    "RunInstances": "instance", "CreateFlowLogs": "vpc-flow-log",
}
TAGGING = [a for a in ACTIONS if "TagSpecification" in DUMP[a]["params"]]
WITH_TOKEN = [a for a in ACTIONS if DUMP[a]["token"]]


@pytest.mark.parametrize("action", TAGGING)
def test_tag_specifications(world, action):
    wrong = world.call(action, DryRun="true", **every.tag_specification("subnet" if action == "RunInstances" else "volume"))
    assert wrong.status == 400 and wrong.code == "InvalidParameterValue", wrong.text
    bad = world.call(action, DryRun="true", **every.tag_specification(CREATED[action], "aws:k"))
    assert (bad.status, bad.code) == (400, "InvalidParameterValue"), bad.text
    good = world.call(action, DryRun="true", **every.tag_specification(CREATED[action]))
    assert good.code == "DryRunOperation", good.text


@pytest.fixture(scope="module")
def spoilt(server):
    """A world of which calls are really made."""
    vpcd = Vpcd(credentials=KEYS[2:4], options=["--rate", "0"]).start()
    yield World(vpcd, KEYS[2])
    vpcd.close()


@pytest.mark.parametrize("action", WITH_TOKEN)
def test_client_tokens(spoilt, action):
    params = every.CALLS[action](spoilt.ids)
    tag = every.tag_specification(CREATED[action], action)
    first, again = (spoilt.call(action, params, ClientToken="t", **tag) for _ in range(2))
    assert first.status == 200, first.text
    assert REQUEST_ID.sub("", first.text) == REQUEST_ID.sub("", again.text)
    other = spoilt.call(action, params, ClientToken="t", **every.tag_specification(CREATED[action], action, "other"))
    assert (other.status, other.code) == (400, "IdempotentParameterMismatch"), other.text
    tags = spoilt.call("DescribeTags", {"Filter.1.Name": "key", "Filter.1.Value.1": action})
    found = tags.tree.findall(f"{EC2}tagSet/{EC2}item")
    assert [t.findtext(EC2 + "resourceType") for t in found] == [CREATED[action]], tags.text




@pytest.mark.parametrize("action", [a for a in TAGGING if a not in WITH_TOKEN])
def test_what_is_made_with_tags_has_them(spoilt, action):
    made = spoilt.call(action, **every.tag_specification(CREATED[action], action))
    assert made.status == 200, made.text
    tags = spoilt.call("DescribeTags", {"Filter.1.Name": "key", "Filter.1.Value.1": action})
    found = tags.tree.findall(f"{EC2}tagSet/{EC2}item")
    assert [t.findtext(EC2 + "resourceType") for t in found] == [CREATED[action]], tags.text


@pytest.mark.parametrize("action", [a for a in DESCRIBES if DUMP[a]["pages"]])
def test_order_is_stable_and_pages_are_whole(world, action):
    """Page by page the same as at once, whatever the size of the pages."""
    required = {k: v for k, v in every.CALLS[action](world.ids).items() if not k.endswith(".1")}
    at_once = world.call(action, required)
    assert at_once.status == 200, at_once.text

    def items(reply):
        from xml.etree.ElementTree import tostring
        found = reply.tree.find(EC2 + DUMP[action]["set"])
        return [tostring(i) for i in found] if found is not None else []

    whole, pages, token = items(at_once), [], {}
    while True:
        reply = world.call(action, {**required, "MaxResults": 5, **token})
        if reply.code == "InvalidParameterValue" and not pages:
            return  # a minimum of its own above what there is
        assert reply.status == 200, reply.text
        pages.append(items(reply))
        if not reply.find("nextToken"):
            break
        token = {"NextToken": reply.find("nextToken")}
    if not at_once.find("nextToken"):
        assert [i for p in pages for i in p] == whole
    assert all(len(p) == 5 for p in pages[:-1])
