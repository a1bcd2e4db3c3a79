# SPDX-License-Identifier: Apache-2.0
"""vpcctl flows --follow and vpcctl flows top, while packets go.

    subnet 10.0.1.0/24: a "front" (open), b "back" (open), c (group "closed")
"""
import contextlib
import json
import os
import re
import select
import subprocess
import types

import pytest

from conftest import BUILD, everything, until


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.vpc = cloud.vpc()
    subnet = cloud.subnet(w.vpc, "10.0.1.0/24")
    open_ = cloud.group(w.vpc, "open", [everything(cidr="0.0.0.0/0")])
    closed = cloud.group(w.vpc, "closed", [])
    w.a, w.b = cloud.instances(2, subnet, [open_])
    w.c = cloud.instance(subnet, [closed])
    for instance, name in ((w.a, "front"), (w.b, "back\x1b[31m")):
        w.ec2.create_tags(Resources=[instance.id], Tags=[{"Key": "Name", "Value": name.replace("\x1b", "")}])
    return w


def command(w, *args):
    return [os.path.join(BUILD, "vpcctl"), "--state-dir", w.cloud.directory, "flows", *args]


@contextlib.contextmanager
def followed(w, *args):
    """The lines that come; the first look has passed when the process waits for its second."""
    with subprocess.Popen(command(w, "--follow", *args), stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        def waits():
            with open(f"/proc/{process.pid}/wchan") as f:
                return "poll" in f.read()
        until(waits, "the first look has passed")
        lines = []

        def line_with(pattern):
            """The next line in which the pattern is found."""
            def look():
                if select.select([process.stdout], [], [], 0.1)[0]:
                    lines.append(process.stdout.readline())
                return next((line for line in lines if re.search(pattern, line)), None)
            return until(look, f"a line with {pattern} in {lines}", 10, 0)
        line_with.lines = lines
        try:
            yield line_with
        finally:
            process.kill()


def send(w, there, count, size, port=0):
    with there.udp(there.ip, port) as s, w.a.udp(w.a.ip) as here:
        for _ in range(count):
            here.sendto(b"x" * size, s.getsockname())
            s.recv(9000)
        return s.getsockname()[1]


def test_follow(w):
    with followed(w, "--protocol", "udp") as line_with:
        port = send(w, w.b, 5, 72)
        line = line_with(f":{port}  ")
        assert re.match(r"\d\d:\d\d:\d\d\.\d{3}  udp ", line), line
        assert f'{w.a.id} "front" to {w.b.id} "back[31m"' in line
        assert "5 packets (500 B) there, 0 (0 B) back" in line


def test_follow_refused(w):
    with followed(w, "--refused", "--group", "closed") as line_with:
        with w.a.udp(w.a.ip) as here, w.cloud.dropping("security-group-ingress"):
            here.sendto(b"x", (w.c.ip, 4000))
        line = line_with(":4000 ")
        assert "REFUSED  security-group-ingress" in line and w.a.id in line and "closed" not in line.split("REFUSED")[0]


def test_follow_filters(w):
    """Of another instance, of a group, of a VPC: what is not of it does not come."""
    with followed(w, "--of", w.c.id, "--json") as of_c, followed(w, "--group", "open", "--json") as of_group, \
            followed(w, "--vpc", w.vpc["VpcId"], "--json") as of_vpc:
        port = send(w, w.b, 2, 10)
        for line_with in (of_group, of_vpc):
            row = json.loads(line_with(f'"dport":{port}'))
            assert row["packets"] == 2 and row["bytes"] == 76 and row["action"] == "ACCEPT" and row["from_name"] == "front"
        with w.a.udp(w.a.ip) as here, w.cloud.dropping("security-group-ingress"):
            here.sendto(b"x", (w.c.ip, 4001))
        assert json.loads(of_c('"dport":4001'))["action"] == "REJECT"
        assert not any(f'"dport":{port}' in line for line in of_c.lines)  # earlier, and would have come before


def top(w, *args):
    """One answer of top, while a sends to b."""
    with subprocess.Popen(command(w, "top", "--once", "--json", *args), stdout=subprocess.PIPE, text=True) as process:
        with w.b.udp(w.b.ip, 7777) as there, w.a.udp(w.a.ip) as here:
            while process.poll() is None:
                here.sendto(b"x" * 972, (w.b.ip, 7777))
                there.recv(2000)
        return json.loads(process.stdout.read())


def test_top(w):
    row = top(w, "--port", "7777")["top"][0]
    assert row["source"] == w.a.ip and row["bytes"] > 10000 and row["bytes"] == row["packets"] * 1000 and row["bytes_back"] == 0
    rows = {r["id"]: r for r in top(w, "--by", "instance", "--port", "7777")["top"]}
    assert rows[w.a.id]["bytes_out"] == rows[w.b.id]["bytes_in"] > 10000 and rows[w.a.id]["name"] == "front"
    assert rows[w.a.id]["bytes_in"] == 0 and set(rows) == {w.a.id, w.b.id}
    rows = {r["id"]: r for r in top(w, "--by", "vpc", "--of", w.b.eni)["top"]}
    assert rows[w.vpc["VpcId"]]["bytes_out"] == rows[w.vpc["VpcId"]]["bytes_in"] > 10000


def test_top_for_people(w):
    done = subprocess.run(command(w, "top", "--once", "--by", "interface"), stdout=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 0 and done.stdout.splitlines()[0].split() == ["sent", "received", "packets/s", "interface"]


@pytest.mark.parametrize("args", [["top", "--by", "colour"], ["top", "--refused"], ["--once"], ["--interval", "0"], ["--group"]])
def test_wrong_command_lines(w, args):
    done = subprocess.run(command(w, *args), stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == 2 and "usage:" in done.stderr
