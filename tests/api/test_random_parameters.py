# SPDX-License-Identifier: Apache-2.0
"""Random parameters for every action, from the API's own tables (`vpcd --dump-api`): ids of things that are there or were,
numbers at their bounds, CIDRs of both families, text that is none. Whatever comes: an answer that is XML, an error that is
the caller's, and a vpcd that goes on.

VPCD_TEST_SEED repeats a run; VPCD_TEST_CALLS and VPCD_TEST_ACTIONS (a regular expression) make one longer or narrower.
"""
import json
import os
import random
import re
import subprocess

import pytest
from conftest import BUILD
from raw import Raw
from two import seed

ACTIONS = json.loads(subprocess.run([os.path.join(BUILD, "vpcd"), "--dump-api"], stdout=subprocess.PIPE,
                                    check=True).stdout)["actions"]
CALLS = int(os.environ.get("VPCD_TEST_CALLS", 3000))
EC2_ACTIONS = sorted(a for a in ACTIONS if a not in ("GetCallerIdentity", "ListAccountAliases") and
                     re.search(os.environ.get("VPCD_TEST_ACTIONS", ""), a))
OWN_ID = re.compile(r">([a-z]+-[0-9a-f]{17})<")

CIDRS = ["10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/28", "10.0.0.17/8", "0.0.0.0/0", "255.255.255.255/32", "10.0.0.0/33", "::/0",
         "2001:db8::/32", "2600:1f00::/56", "::ffff:10.0.0.0/104", "2001:db8::1/128", "fd00::/129"]
ADDRESSES = ["10.0.0.4", "10.0.0.0", "10.0.0.255", "203.0.113.7", "2001:db8::1", "::", "1.2.3"]
NUMBERS = ["0", "1", "-1", "2", "60", "100", "255", "256", "1000", "1001", "32767", "65535", "65536", "2147483647", "-2147483648",
           "9223372036854775807", "9223372036854775808", "1e3", "0x10", " 1"]
TEXTS = ["", "a", "default", "tcp", "udp", "icmp", "-1", "all", "true", "false", "IPv4", "IPv6", "us-east-1a", "t3.micro", "ami-netns",
         "*", "?", "\\", "a" * 255, "a" * 256, "\u00e9\U0001f600", "<&>\"'", "\x01", "%00", "a/b", "aws:x", "vpc", "security-group",
         "prefix-list", "000000000000", "100000000001", "sgr-0123456789abcdef0", "vpc-", "pl-0123456789abcdef0", "pcx-1"]


# What begins the ids that such a parameter names.
PREFIXES = {"Group": "sg", "SecurityGroup": "sg", "ReferencedGroup": "sg", "SecurityGroupRule": "sgr", "PrefixList": "pl", "Vpc": "vpc",
            "Subnet": "subnet", "RouteTable": "rtb", "InternetGateway": "igw", "NetworkInterface": "eni", "Allocation": "eipalloc",
            "Association": "eipassoc", "Instance": "i", "NetworkAcl": "acl", "DhcpOptions": "dopt", "NatGateway": "nat",
            "EgressOnlyInternetGateway": "eigw", "VpcPeeringConnection": "pcx", "VpnGateway": "vgw", "CustomerGateway": "cgw"}

# Values that mostly fit, or hardly a call would get past its first check.
FITTING = {"IpProtocol": ["tcp", "udp", "icmp", "-1", "6", "58"], "FromPort": ["0", "80", "-1"], "ToPort": ["80", "65535", "-1"],
           "AddressFamily": ["IPv4", "IPv6"], "MaxEntries": ["1", "10", "50", "1000"], "CurrentVersion": ["1", "2", "3"],
           "PreviousVersion": ["1", "2"], "Description": ["a", "a b"], "GroupName": ["a", "b", "c"], "PrefixListName": ["a", "b"],
           "GroupDescription": ["a"], "UserId": ["000000000000", "100000000001", ""], "Domain": ["vpc"],
           "ResourceType": ["vpc", "subnet", "security-group", "prefix-list"], "Key": ["a", "b"], "Value": ["a", ""]}


class Parameters:
    def __init__(self, random_):
        self.random, self.ids, self.skip = random_, [], 0

    def value(self, name):
        r = self.random
        if r.random() < 0.1:
            return r.choice(TEXTS + NUMBERS + CIDRS + ADDRESSES)
        if name in FITTING and r.random() < 0.9:
            return r.choice(FITTING[name])
        if "Cidr" in name:
            return r.choice(CIDRS)
        if re.search("Ids?$", name) or name == "ResourceId":
            begin = PREFIXES.get(re.sub("Ids?$", "", name), "")
            same = [i for i in self.ids if i.split("-")[0].startswith(begin)]
            return r.choice(same or self.ids or TEXTS) if r.random() < 0.9 else r.choice(self.ids + TEXTS)
        if "Address" in name or "Ip" == name[-2:]:
            return r.choice(ADDRESSES)
        if re.search("Port|Count|Max|Min|Version|Number|Index|Code|Type$", name):
            return r.choice(NUMBERS)
        return r.choice(TEXTS + NUMBERS)

    def make(self, members, prefix=""):
        r, made = self.random, {}
        for name, what in members.items():
            if r.random() < self.skip:
                continue
            for item in range(1, r.choice((1, 1, 1, 2, 3)) + 1) if what["list"] else (None,):
                at = prefix + name + (f".{item}" if item is not None else "")
                if "members" in what:
                    made.update(self.make(what["members"], at + "."))
                else:
                    made[at] = self.value(name)
        return made

    def shared(self, row):
        r, made = self.random, {}
        if row["filters"] and r.random() < 0.5:
            made.update({"Filter.1.Name": r.choice(("vpc-id", "tag:a", "tag-key", "owner-id", "state", "x")),
                         "Filter.1.Value.1": r.choice(TEXTS + self.ids)})
        if row["filters"] and r.random() < 0.3:
            made.update({"MaxResults": r.choice(NUMBERS), "NextToken": r.choice(("", "x", "dnBjLTA=", "////"))})
        if row["token"] and r.random() < 0.2:
            made["ClientToken"] = r.choice(("a", "b", ""))
        if r.random() < 0.05:
            made["DryRun"] = "true"
        return made


def test_random_parameters(account):
    rng = random.Random(seed())
    parameters, raw, good = Parameters(rng), Raw(account, timeout=60), set()
    for _ in range(CALLS):
        action = rng.choice(EC2_ACTIONS)
        parameters.skip = rng.choice((0.1, 0.4, 0.7, 0.9))
        given = {**parameters.make(ACTIONS[action]["params"]), **parameters.shared(ACTIONS[action])}
        reply = raw.call(action, **given)
        reply.tree  # it is XML, whatever was sent back in it
        if reply.status == 200:
            good.add(action)
            found = OWN_ID.findall(reply.text)
            parameters.ids = (parameters.ids + rng.sample(found, min(len(found), 20)))[-200:]
        else:
            assert reply.status in (400, 401, 403, 412) or reply.code == "InsufficientAddressCapacity", (action, given, reply.text)
            assert reply.code and reply.code != "InternalError", (action, given, reply.text)
    print(len(good), "of", len(EC2_ACTIONS), "actions did something")
    if len(EC2_ACTIONS) > 50 and CALLS >= 3000:
        assert len(good) > len(EC2_ACTIONS) // 4, "hardly a call was good: the values are no use"
