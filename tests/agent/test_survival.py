# SPDX-License-Identifier: Apache-2.0
"""Packets go on, whoever dies.

    a ====(TCP stream, a line every 10 ms and its echo)==== b
          packet path in the kernel, pinned
    supervisor -- worker, agent: killed, kept dead, replaced

VPCD_CHURN_SECONDS is how long new connections are opened while the agent is dead (20; 300 are the five minutes
that an operator might take).
"""
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from conftest import BUILD, agent_status, inside, netns, pools, until, vpcctl

STALL = 1.0  # seconds; a lost segment is sent again after 0.2 at least
RULE = netns.tcp(80, cidr="10.20.0.0/16")
CHURN = float(os.environ.get("VPCD_CHURN_SECONDS", "20"))

STREAM = """
import socket, sys, time, select
s = socket.create_connection((sys.argv[1], 80), 5)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
f = s.makefile("rb")
f.readline()
print("flows", flush=True)
longest = n = 0
while not select.select([sys.stdin], [], [], 0.01)[0]:
    begin = time.monotonic()
    s.sendall(b"%d\\n" % n)
    assert f.readline() == b"%d\\n" % n
    longest = max(longest, time.monotonic() - begin)
    n += 1
print(n, longest, flush=True)
"""

CHURNING = """
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
n = failed = 0
while time.monotonic() < end:
    try:
        c = socket.create_connection((sys.argv[1], 80), 2)
        c.settimeout(2)
        c.sendall(b"x\\n")
        if not c.makefile("rb").readline():
            failed += 1
        c.close()
    except OSError as e:
        print(e, file=sys.stderr)
        failed += 1
    n += 1
print(n, failed, flush=True)
"""


class Stream:
    """A connection that notes the longest time an echo took."""

    def __init__(self, a, b):
        self.process = a.start("/usr/bin/python3", "-c", STREAM, b.ip, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               text=True)
        assert self.process.stdout.readline() == "flows\n"

    def end(self):
        output = self.process.communicate("\n", 30)[0].split()
        assert self.process.returncode == 0, "the stream broke"
        lines, longest = int(output[0]), float(output[1])
        assert lines > 0 and longest < STALL, f"it stood still for {longest:.3f} s"


def two(cloud, **more):
    vpc = cloud.vpc("10.20.0.0/16")
    subnet = cloud.subnet(vpc, "10.20.1.0/24")
    # Not 0.0.0.0/0: such flows are not tracked, and end with their rule.
    group = cloud.group(vpc, "survival", [RULE])
    a, b = cloud.instances(2, subnet, [group], **more)
    b.listen(80)
    return a, b, group


def worker_pid(cloud):
    path = os.path.join(cloud.directory, "run/control.sock")
    out = subprocess.run(["ss", "-Hlxp", "src", path], stdout=subprocess.PIPE, text=True).stdout
    return int(out.split("pid=")[1].split(",")[0]) if "pid=" in out else None


def in_step(cloud, but=None):
    return until(lambda: (lambda s: s and s["open"] and s["connected"] and s["pid"] != but)(agent_status(cloud)),
                 "an agent in step with vpcd")


def test_the_agent_is_killed(own_cloud):
    a, b, group = two(own_cloud)
    stream = Stream(a, b)
    for _ in range(3):
        agent = own_cloud.agent_pid()
        os.kill(agent, signal.SIGKILL)
        assert a.connect(b.ip, 80) == b.id, "a new connection while it is away"
        in_step(own_cloud, but=agent)
    # The new one knows the rules, and changes them.
    own_cloud.client().revoke_security_group_ingress(GroupId=group, IpPermissions=[RULE])
    until(lambda: a.connect(b.ip, 80, 0.3) is None, "the rule's removal in force")
    stream.end()


def test_the_worker_is_killed(own_cloud):
    a, b, _ = two(own_cloud)
    stream = Stream(a, b)
    worker = worker_pid(own_cloud)
    os.kill(worker, signal.SIGKILL)
    until(lambda: worker_pid(own_cloud) not in (None, worker), "another worker")
    in_step(own_cloud)
    assert a.connect(b.ip, 80) == b.id
    stream.end()


def test_the_supervisor_is_killed_and_comes_back(own_cloud):
    a, b, _ = two(own_cloud)
    stream = Stream(a, b)
    agent = own_cloud.agent_pid()
    own_cloud.supervisor.kill()
    own_cloud.supervisor.wait()
    until(lambda: worker_pid(own_cloud) is None, "the worker ends with it")
    assert own_cloud.agent_pid() == agent, "the agent does not"
    own_cloud.start()
    in_step(own_cloud)
    assert own_cloud.agent_pid() == agent, "it was left alone"
    assert a.connect(b.ip, 80) == b.id
    stream.end()


def test_new_connections_while_the_agent_stays_dead(own_cloud):
    a, b, _ = two(own_cloud)
    stream = Stream(a, b)
    agent = own_cloud.agent_pid()
    own_cloud.supervisor.kill()  # or it would start the agent again
    own_cloud.supervisor.wait()
    os.kill(agent, signal.SIGKILL)
    until(lambda: not own_cloud.agent_pid(), "the agent's end")
    done = a.run("/usr/bin/python3", "-c", CHURNING, b.ip, CHURN, timeout=CHURN + 30)
    opened, failed = map(int, done.stdout.split()[-2:])
    assert opened > 100 and failed == 0, f"{failed} of {opened} connections failed"
    assert not own_cloud.agent_pid()
    stream.end()
    own_cloud.start()
    in_step(own_cloud)
    assert a.connect(b.ip, 80) == b.id


def test_the_agent_is_replaced_by_a_build_with_other_flow_entries():
    with tempfile.TemporaryDirectory(prefix="vpcd-build-") as build:
        os.chmod(build, 0o755)  # the worker is not root
        for name in ("vpcd", "vpc-agent", "vpc-instance", "vpc-services", "vpc-upstream", "vpc-logs"):
            shutil.copy2(os.path.join(BUILD, name), build)
        cloud = netns.Cloud(**pools(2))
        try:
            cloud.start(build)
            a, b, _ = two(cloud)
            stream = Stream(a, b)
            agent = cloud.agent_pid()
            shutil.copy2(os.path.join(BUILD, "vpc-agent-next"), os.path.join(build, "new"))
            os.rename(os.path.join(build, "new"), os.path.join(build, "vpc-agent"))
            os.kill(agent, signal.SIGKILL)
            in_step(cloud, but=agent)
            assert a.connect(b.ip, 80) == b.id
            stream.end()
        finally:
            cloud.close()


def test_two_vpcds_on_one_machine(cloud, own_cloud):
    a, b, _ = two(cloud, public=True)
    c, d, _ = two(own_cloud, public=True)  # the same addresses inside
    assert a.connect(b.ip, 80) == b.id and c.connect(d.ip, 80) == d.id
    stream = Stream(a, b)
    assert vpcctl(own_cloud, "down", timeout=60).returncode == 0
    own_cloud.supervisor.wait(30)
    assert a.connect(b.ip, 80) == b.id
    assert inside(cloud, a, "true").returncode == 0
    stream.end()
