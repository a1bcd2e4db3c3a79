# SPDX-License-Identifier: Apache-2.0
"""Real DHCP clients in an instance whose interface has lost its addresses: udhcpc, dhclient, systemd-networkd.

    subnet 10.0.1.0/24, a /64 --- i (one instance for each client)
"""
import os
import re
import shutil
import subprocess
import types

import pytest

from conftest import BOUND, everything, until
from frames import ICMP6, Transport, ether, ipv6, mac_bytes

DUMP = "#!/bin/sh\n{ echo \"event=$1$reason\"; env; } | sort >>%s\n"


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud)
    vpc = cloud.vpc(ipv6=True)
    w.subnet = cloud.subnet(vpc, "10.0.1.0/24", 1)
    w.group = cloud.group(vpc, "g", [everything(cidr="10.0.0.0/16")])
    return w


@pytest.fixture
def i(w):
    i = w.cloud.instance(w.subnet, [w.group], ipv6=True)
    i.run("sh", "-c", "ip -4 addr flush dev eth0; ip -6 addr flush dev eth0 scope global; ip -6 route del default")
    yield i
    w.cloud.client().terminate_instances(InstanceIds=[i.id])


@pytest.fixture
def script(tmp_path):
    """What a client tells its script, one variable a line."""
    out, path = tmp_path / "told", tmp_path / "script"
    out.touch()
    path.write_text(DUMP % out)
    path.chmod(0o755)
    return types.SimpleNamespace(path=str(path), told=lambda: out.read_text())


def wants(program):
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")


def test_udhcpc(i, script):
    wants("udhcpc")
    i.run("udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "5", "-T", "2", "-s", script.path)
    told = script.told()
    for line in (f"ip={i.ip}", "subnet=255.255.255.0", "router=10.0.1.1", "dns=10.0.0.2", "domain=ec2.internal", "mtu=9001",
                 "lease=3600", "serverid=10.0.1.1", "hostname=ip-" + i.ip.replace(".", "-")):
        assert re.search(f"^{re.escape(line)}$", told, re.M), (line, told)


def test_dhclient(i, script, tmp_path):
    wants("dhclient")
    base = ["dhclient", "-1", "-v", "-sf", script.path, "-lf", str(tmp_path / "leases"), "-pf", str(tmp_path / "pid")]
    i.run(*base, "-4", "eth0")
    told = script.told()
    for line in (f"new_ip_address={i.ip}", "new_routers=10.0.1.1", "new_domain_name=ec2.internal", "new_interface_mtu=9001",
                 "new_dhcp_lease_time=3600", "new_broadcast_address=10.0.1.255"):
        assert re.search(f"^{re.escape(line)}$", told, re.M), (line, told)
    # With the lease it has, it begins by asking for the same again; then it gives it back.
    i.run(*base, "-4", "-x", "eth0", check=False)
    done = i.run(*base, "-4", "eth0")
    assert "DHCPACK" in done.stdout and "DHCPNAK" not in done.stdout, done.stdout
    i.run(*base, "-4", "-r", "eth0")


def test_dhclient_six(i, script, tmp_path):
    wants("dhclient")
    base = ["dhclient", "-6", "-1", "-v", "-sf", script.path, "-lf", str(tmp_path / "leases"), "-pf", str(tmp_path / "pid")]
    i.run(*base, "eth0")
    told = script.told()
    for line in (f"new_ip6_address={i.ip6}", "new_preferred_life=140", "new_max_life=450"):
        assert re.search(f"^{re.escape(line)}$", told, re.M), (line, told)
    i.run(*base, "-r", "eth0")


def test_networkd(i, tmp_path):
    """systemd-networkd by itself: a mount namespace with what it wants to write to, and a read-only /sys, by which it
    knows that there is no udev. It solicits the router, obeys its managed flag and asks both servers."""
    networkd = "/lib/systemd/systemd-networkd"
    if not os.path.exists(networkd):
        pytest.skip("systemd-networkd is not installed")
    shell = ("mount --make-rprivate / && mount -t tmpfs none /run && mount -t sysfs -o ro none /sys && mkdir -p /run/systemd/network"
             " /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp && "
             "printf '[Match]\\nName=eth0\\n[Network]\\nDHCP=yes\\nIPv6AcceptRA=yes\\n' >/run/systemd/network/10.network && "
             "mount -t tmpfs none /etc/systemd && chmod -R a+rwX /run/systemd && "
             f"SYSTEMD_LOG_TARGET=console SYSTEMD_LOG_LEVEL=debug exec {networkd}")
    log = open(tmp_path / "log", "w+")
    process = i.start("unshare", "-m", "sh", "-c", shell, stdout=log, stderr=log)
    try:
        def configured():
            return i.ip in i.run("ip", "-4", "addr", "show", "eth0").stdout and i.ip6 in i.run("ip", "-6", "addr", "show", "eth0").stdout
        until(configured, "both addresses: " + str(tmp_path / "log"), 30)
        routes = i.run("ip", "route").stdout
        assert re.search(r"^default via 10\.0\.1\.1 dev eth0 proto dhcp", routes, re.M), routes
        until(lambda: re.search(r"^default via fe80::1 dev eth0 proto ra", i.run("ip", "-6", "route").stdout, re.M), "the router's route", BOUND)
    except AssertionError:
        log.seek(0)
        print(log.read()[-6000:])
        raise
    finally:
        process.terminate()
        process.wait(BOUND)


def test_router_advertisement(i):
    """The kernel's own client, for which we ask."""
    local = re.search(r"inet6 (fe80::\S+)/64", i.run("ip", "-6", "addr", "show", "eth0").stdout).group(1)
    i.run("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/accept_ra")
    with i.wire() as wire:
        def ask(hops, options=b""):
            body = Transport.of(ICMP6, 2, bytes([133, 0, 0, 0, 0, 0, 0, 0]) + options)
            wire.send(ether("33:33:00:00:00:02", i.mac, ipv6(local, "ff02::2", body, hops=hops)))
        with i.cloud.dropping("nd-invalid"):
            ask(64)  # as if it had been forwarded
        ask(255, b"\1\1" + mac_bytes(i.mac))
        answer = wire.receive(lambda f: f.raw[20:21] == b"\x3a" and f.raw[54] == 134, "an advertisement")
        assert answer.raw[:6] == mac_bytes(i.mac) and answer.raw[21] == 255
    until(lambda: re.search(r"^default via fe80::1 dev eth0 proto ra .*expires 1[67]\d\dsec hoplimit 255", i.run("ip", "-6", "route").stdout, re.M),
          "a default route by the router's word", BOUND)
    assert "mngtmpaddr" not in i.run("ip", "-6", "addr", "show", "eth0").stdout, "addresses are DHCPv6's to give"
