# SPDX-License-Identifier: Apache-2.0
"""Rules and prefix lists under the hands of clients of two vpcd on one state (two.py).

Few groups, close to their limits: whatever two calls do at once, no rule is there twice, no group has more than 60 (a
prefix list counts its maximum size), no list holds more than it may or is gone while a rule names it, and each
acknowledged change of a list's entries made exactly one version.
"""
import collections
import concurrent.futures
import functools
import threading

from conftest import Account, filters, make_group, make_vpc
from raw import Raw
from two import Caller, converge, run_all, seed, two_servers

KEY = ("AKIATWOSG", "secret", "400000000002")
CLIENTS = 5  # of each vpcd
CALLS = 250  # of each client
RULES_MAX = 60


def rule_params(prefix, port, peer):
    """One permission; `peer` is a CIDR, a group or a list."""
    kind = {"sg-": "Groups.1.GroupId", "pl-": "PrefixListIds.1.PrefixListId"}.get(peer[:3], "IpRanges.1.CidrIp")
    return {f"{prefix}.IpProtocol": "tcp", f"{prefix}.FromPort": port, f"{prefix}.ToPort": port, f"{prefix}.{kind}": peer}


class Client(Caller):
    def __init__(self, server, number, groups, lists):
        super().__init__(server, KEY, number)
        self.groups, self.lists = groups, lists
        self.changed = collections.Counter()  # of each list: acknowledged changes of its entries

    def rule(self, action):
        r = self.random
        peer = r.choice((r.choice(self.lists), r.choice(self.groups), *[f"10.{i}.0.0/16" for i in range(4)]))
        self.send(action, GroupId=r.choice(self.groups), **rule_params("IpPermissions.1", r.randrange(12), peer))

    def change_entry(self, name):
        r = self.random
        what = r.choice(("AddEntry", "RemoveEntry"))
        params = {f"{what}.1.Cidr": f"10.{r.randrange(12)}.0.0/16"}
        if what == "AddEntry":
            params["AddEntry.1.Description"] = f"d{r.randrange(3)}"
        self.changed[name] += self.send("ModifyManagedPrefixList", PrefixListId=name, **params).status == 200

    def step(self):
        r = self.random
        name = r.choice(self.lists)
        choice = r.choice(("add", "add", "add", "revoke", "size", "entry", "entry", "restore", "drop", "modify", "six"))
        if choice == "add":
            self.rule("AuthorizeSecurityGroupIngress")
        elif choice == "revoke":
            self.rule("RevokeSecurityGroupIngress")
        elif choice == "six":
            ports = {}
            for n in range(1, 7):
                ports.update(rule_params(f"IpPermissions.{n}", 100 + r.randrange(90), "0.0.0.0/0"))
            self.send("AuthorizeSecurityGroupIngress", GroupId=r.choice(self.groups), **ports)
        elif choice == "size":
            self.send("ModifyManagedPrefixList", PrefixListId=name, MaxEntries=r.randrange(1, 25))
        elif choice == "entry":
            self.change_entry(name)
        elif choice == "restore":
            reply = self.send("RestoreManagedPrefixListVersion", PrefixListId=name, PreviousVersion=r.randrange(1, 20),
                              CurrentVersion=r.randrange(1, 40))
            self.changed[name] += reply.status == 200
        elif choice == "drop" and r.random() < 0.1:
            self.send("DeleteManagedPrefixList", PrefixListId=name)
        elif choice == "modify":
            rules = self.raw.call("DescribeSecurityGroupRules", **{"Filter.1.Name": "group-id", "Filter.1.Value.1": self.groups[0]})
            ids = [e.text for e in rules.tree.iter() if e.tag.endswith("}securityGroupRuleId")]
            self.send("ModifySecurityGroupRules", GroupId=self.groups[0], **{
                "SecurityGroupRule.1.SecurityGroupRuleId": r.choice(ids),
                "SecurityGroupRule.1.SecurityGroupRule.IpProtocol": "tcp",
                "SecurityGroupRule.1.SecurityGroupRule.FromPort": r.randrange(12),
                "SecurityGroupRule.1.SecurityGroupRule.ToPort": 12,
                "SecurityGroupRule.1.SecurityGroupRule.CidrIpv4": "10.0.0.0/16"})

    def run(self):
        for _ in range(CALLS):
            self.step()


def state_of(ec2):
    lists = {p["PrefixListId"]: p for p in ec2.describe_managed_prefix_lists()["PrefixLists"]}
    rules = ec2.describe_security_group_rules()["SecurityGroupRules"]
    return {"lists": lists, "entries": {p: ec2.get_managed_prefix_list_entries(PrefixListId=p)["Entries"] for p in lists},
            "rules": {r["SecurityGroupRuleId"]: r for r in rules},
            "groups": {g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]}}


def check_rules(state):
    seen, weight = set(), collections.Counter()
    for rule in state["rules"].values():
        pl, peer = rule.get("PrefixListId"), rule.get("ReferencedGroupInfo", {}).get("GroupId")
        key = (rule["GroupId"], rule["IsEgress"], rule["IpProtocol"], rule["FromPort"], rule["ToPort"], pl, peer,
               rule.get("CidrIpv4"), rule.get("CidrIpv6"))
        assert key not in seen, "twice: %s" % (key,)
        seen.add(key)
        assert not pl or pl in state["lists"], "a rule names a list that is gone"
        assert not peer or peer in state["groups"]
        if not rule.get("CidrIpv6"):
            weight[rule["GroupId"], rule["IsEgress"]] += state["lists"][pl]["MaxEntries"] if pl else 1
    assert max(weight.values()) <= RULES_MAX, weight
    return max(weight.values())


def check_lists(state, clients):
    changed = sum((c.changed for c in clients), collections.Counter())
    for name, pl in state["lists"].items():
        assert len(state["entries"][name]) <= pl["MaxEntries"]
        cidrs = [e["Cidr"] for e in state["entries"][name]]
        assert len(cidrs) == len(set(cidrs))
        assert pl["Version"] == 1 + changed[name], "a change was lost or counted twice"


def test_rules_and_lists_of_two_workers():
    number = seed()
    with two_servers(KEY) as servers:
        ec2 = Account(servers[0], *KEY).ec2
        vpc = make_vpc(ec2)
        groups = [make_group(ec2, vpc, f"g{i}") for i in range(3)]
        lists = [ec2.create_managed_prefix_list(PrefixListName=f"l{i}", AddressFamily="IPv4", MaxEntries=10)["PrefixList"][
            "PrefixListId"] for i in range(6)]
        clients = [Client(s, number * 100 + i, groups, lists) for i, s in enumerate(servers * CLIENTS)]
        codes = run_all(clients)
        state = converge([functools.partial(state_of, Account(s, *KEY).ec2) for s in servers])
        check_lists(state, clients)
        most = check_rules(state)
        # The limits were in reach, or the test would show nothing.
        assert codes["RulesPerSecurityGroupLimitExceeded"] and codes["InvalidPermission.Duplicate"] and most > RULES_MAX // 2


class Racer:
    """Two calls at one moment, one through each vpcd; `race` gives their codes (None: it was done)."""

    def __init__(self, servers):
        self.raws = [Raw(Account(s, *KEY), timeout=60) for s in servers]
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.barrier = threading.Barrier(2)

    def send(self, raw, call):
        self.barrier.wait(30)
        return raw.call(call[0], **call[1]).code

    def race(self, *calls):
        return list(self.pool.map(self.send, self.raws, calls))


def cidr_rules(n):
    return [{"IpProtocol": "udp", "FromPort": 1, "ToPort": 1, "IpRanges": [{"CidrIp": f"10.0.{i}.0/24"} for i in range(n)]}]


def test_races_at_the_limits():
    """What only one of two calls may do: each pair again and again."""
    with two_servers(KEY) as servers:
        ec2 = Account(servers[0], *KEY).ec2
        other = Account(servers[1], *KEY).ec2
        vpc, racer = make_vpc(ec2), Racer(servers)

        def authorize(group, peer):
            return "AuthorizeSecurityGroupIngress", {"GroupId": group, **rule_params("IpPermissions.1", 80, peer)}

        def grow(name, size):
            return "ModifyManagedPrefixList", {"PrefixListId": name, "MaxEntries": size}

        def one_round(number, kind):
            group = make_group(ec2, vpc, f"{kind}{number}")
            name = ec2.create_managed_prefix_list(PrefixListName="l", AddressFamily="IPv4", MaxEntries=10)["PrefixList"]["PrefixListId"]
            refers = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1, "PrefixListIds": [{"PrefixListId": name}]}]
            filled = {"refer": 40, "rule": 40, "delete": 1, "same": 1}[kind]
            ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=cidr_rules(filled))
            if kind == "rule":
                ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=refers)
            # The other vpcd must know of all that.
            while name not in {p["PrefixListId"] for p in other.describe_managed_prefix_lists()["PrefixLists"]} or len(
                    other.describe_security_group_rules(Filters=filters(group_id=group))["SecurityGroupRules"]) < filled + 1:
                other.create_tags(Resources=[vpc], Tags=[{"Key": "k", "Value": "v"}])
            calls = {"refer": (authorize(group, name), grow(name, 25)),
                     "rule": (("AuthorizeSecurityGroupIngress", {"GroupId": group, **{
                         k: v for n in range(1, 9) for k, v in rule_params(f"IpPermissions.{n}", 90 + n, "0.0.0.0/0").items()}}),
                              grow(name, 20)),
                     "delete": (authorize(group, name), ("DeleteManagedPrefixList", {"PrefixListId": name})),
                     "same": (authorize(group, "0.0.0.0/0"), authorize(group, "0.0.0.0/0"))}[kind]
            codes = racer.race(*calls)
            check_rules(converge([functools.partial(state_of, e) for e in (ec2, other)]))
            ec2.delete_security_group(GroupId=group)
            if kind != "delete" or codes[0] is None:
                ec2.delete_managed_prefix_list(PrefixListId=name)
            if kind == "same":
                assert set(codes) == {None, "InvalidPermission.Duplicate"}

        for kind in ("refer", "rule", "delete", "same"):
            for number in range(20):
                one_round(number, kind)
