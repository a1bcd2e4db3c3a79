# SPDX-License-Identifier: Apache-2.0
"""Addresses and prefixes of interfaces under the hands of clients of two vpcd on one state (two.py).

Whatever two calls do at once: no address and no prefix twice, no address inside a prefix, of either family. All ask for
the same few blocks by name, so that they meet.
"""
import functools
import ipaddress

from conftest import Account
from net import Net
from two import Caller, converge, run_all, seed, two_servers

KEY = ("AKIATWOPFX", "secret", "400000000007")
CLIENTS = 4  # of each vpcd
CALLS = 200  # of each client
BLOCKS = range(1, 5)


class Client(Caller):
    def __init__(self, server, number, net, enis):
        super().__init__(server, KEY, number)
        self.enis, self.v6 = enis, int(ipaddress.ip_network(net.cidr6)[0])

    def block(self, family):
        n = self.random.choice(BLOCKS)
        return ipaddress.ip_network(f"10.0.0.{16 * n}/28") if family == 4 else ipaddress.ip_network((self.v6 + (n << 48), 80))

    def run(self):
        r = self.random
        for _ in range(CALLS):
            family, eni = r.choice((4, 6, 6)), r.choice(self.enis)
            name, address = ("PrivateIpAddresses", "PrivateIpAddress") if family == 4 else ("Ipv6Addresses", "Ipv6Addresses")
            block = self.block(family)
            params = {f"Ipv{family}Prefix.1": str(block)} if r.random() < 0.4 else \
                {f"{address}.1": str(block[r.randrange(1, 15)])}
            self.send(r.choice(("Assign", "Assign", "Unassign")) + name, NetworkInterfaceId=eni, **params)


def interfaces(ec2, ids):
    try:
        return ec2.describe_network_interfaces(NetworkInterfaceIds=ids)["NetworkInterfaces"]
    except ec2.exceptions.ClientError:  # this one has not heard of them all
        return None


def check(enis):
    for family, addresses, prefixes in ((4, "PrivateIpAddresses", "Ipv4Prefixes"), (6, "Ipv6Addresses", "Ipv6Prefixes")):
        one = "PrivateIpAddress" if family == 4 else "Ipv6Address"
        networks = [ipaddress.ip_network(a[one]) for e in enis for a in e.get(addresses, [])]
        networks += [ipaddress.ip_network(p[prefixes[:-2]]) for e in enis for p in e.get(prefixes, [])]
        networks.sort()
        for a, b in zip(networks, networks[1:]):
            assert not a.overlaps(b), (a, b)


def test_prefixes_and_addresses_exclude_each_other():
    first = seed()
    with two_servers(KEY) as servers:
        ec2 = [Account(s, *KEY).ec2 for s in servers]
        net = Net(ec2[0], ipv6=True)
        enis = [net.eni(PrivateIpAddress=f"10.0.0.{100 + n}")["NetworkInterfaceId"] for n in range(6)]
        converge([functools.partial(interfaces, c, enis) for c in ec2])
        codes = run_all([Client(s, first + 10 * k + n, net, enis) for n, s in enumerate(servers) for k in range(CLIENTS)])
        assert codes["ok"] > 100 and codes["InvalidIPAddress.InUse"] > 20
        assert set(codes) <= {"ok", "InvalidIPAddress.InUse", "InvalidParameterValue", "PrivateIpAddressLimitExceeded"}
        check(converge([functools.partial(interfaces, c, enis) for c in ec2]))
