# SPDX-License-Identifier: Apache-2.0
"""How instances begin, change and end, and what is left of them.

    EC2 API -> vpcd -> vpc-agent -> /run/netns/i-..., v<hash>e<n> ==== eth0, cgroup, record
"""
import os
import re
import shutil
import signal
import subprocess

from conftest import BOUND, BUILD, agent_status, inside, script, until, vpcctl


def machine(cloud, ids=()):
    """What vpcd could leave behind, as the kernel shows it: {what: set}. Other daemons may share the machine: what
    their marks are on, and instances that are not among `ids`, is left out."""
    def lines(*command):
        return set(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.splitlines())

    def tree(path):
        return {os.path.join(d, n) for d, dirs, _ in os.walk(path) for n in dirs}

    def ours(text):
        marks = re.findall(r"\bv([0-9a-f]{6})", text) + re.findall(r"(?:bpf|cgroup/unified|cgroup)/vpcd-(\w+)", text) + \
            re.findall(r"\bvpcd-([0-9a-f]{6})-services", text)
        names = re.findall(r"\bi-[0-9a-f]{17}\b", text)
        return all(m == digest(cloud) for m in marks) and all(n in ids for n in names)

    links = {line.split(":")[1].strip().split("@")[0] for line in lines("ip", "-o", "link")}
    found = {
        "links": links,
        "routes": lines("ip", "route", "show", "table", "all") | lines("ip", "-6", "route", "show", "table", "all"),
        "namespaces": set(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else set(),
        "pins": tree("/sys/fs/bpf"),
        "mounts": {line.split()[4] for line in open("/proc/self/mountinfo")},
        "cgroups": {d for d in tree("/sys/fs/cgroup") if "vpcd" in d},
    }
    return {what: {text for text in texts if ours(text)} for what, texts in found.items()}


def await_machine(before, cloud, ids):
    difference = {}

    def same():
        after = machine(cloud, ids)
        difference.clear()
        difference.update({what: before[what] ^ after[what] for what in before if before[what] != after[what]})
        return not difference
    try:
        until(same, "")
    except AssertionError:
        raise AssertionError(f"the machine is not as before: {difference}") from None


def digest(cloud):
    """The six digits that are in the names of the daemon's devices and pins (link/owner.c)."""
    h = 0xcbf29ce484222325
    for byte in os.path.realpath(cloud.directory).encode():
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return f"{(h ^ h >> 24 ^ h >> 48) & 0xffffff:06x}"


def processes(cloud):
    """Commands whose arguments or environment name the state directory, and inits of instances."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                line = f.read()
            with open(f"/proc/{pid}/environ", "rb") as f:
                line += f.read()
        except OSError:
            continue
        if cloud.directory.encode() in line and int(pid) != os.getpid():
            found.add((pid, line[:100]))
    return found


def some(cloud, count=1, cidr="10.9.0.0/16", **more):
    vpc = cloud.vpc(cidr)
    subnet = cloud.subnet(vpc, cidr.replace("0.0/16", "1.0/24"))
    return cloud.instances(count, subnet, [cloud.group(vpc, "life")], **more)


def state(cloud, instance):
    row = cloud.client().describe_instances(InstanceIds=[instance.id])["Reservations"][0]["Instances"][0]
    return row["State"]["Name"]


def pid_of(cloud, instance):
    return {row["id"]: row["pid"] for row in cloud.agent(cmd="status")["instances"]}.get(instance.id)


def test_an_instance_without_its_eth0_gets_another(cloud):
    a, = some(cloud, cidr="10.10.0.0/16")
    assert script(cloud, a, "ip link delete eth0").returncode == 0
    until(lambda: a.mac in script(cloud, a, "ip -o link show dev eth0").stdout, "another eth0")
    until(lambda: a.ip in script(cloud, a, "ip -o addr show dev eth0").stdout, "its address")
    assert state(cloud, a) == "running"


def test_stop_and_start(cloud):
    a, = some(cloud, cidr="10.11.0.0/16", UserData="#!/bin/sh\ntouch /run/mark\n")
    ec2 = cloud.client()
    until(lambda: script(cloud, a, "test -e /run/mark").returncode == 0, "the user data ran")
    ec2.stop_instances(InstanceIds=[a.id])
    until(lambda: state(cloud, a) == "stopped", "stopped")
    assert not os.path.exists(f"/run/netns/{a.id}")
    assert inside(cloud, a, "true").returncode == 125
    ec2.start_instances(InstanceIds=[a.id])
    until(lambda: state(cloud, a) == "running", "running again")
    assert a.ip in script(cloud, a, "ip -o addr show dev eth0").stdout


def test_reboot_is_another_start(cloud):
    a, = some(cloud, cidr="10.12.0.0/16")
    before = pid_of(cloud, a)
    assert script(cloud, a, "touch /run/mark").returncode == 0
    cloud.client().reboot_instances(InstanceIds=[a.id])
    until(lambda: pid_of(cloud, a) not in (0, None, before), "another init")
    until(lambda: script(cloud, a, "test ! -e /run/mark && ip -o addr show dev eth0 | grep -q " + a.ip).returncode == 0,
          "fresh, with its network")


def test_an_instance_that_shuts_itself_down_is_stopped(cloud):
    a, = some(cloud, cidr="10.13.0.0/16")
    script(cloud, a, "kill -TERM 1")
    until(lambda: state(cloud, a) == "stopped", "stopped")


def test_terminated_leaves_nothing(cloud):
    vpc = cloud.vpc("10.14.0.0/16")
    subnet = cloud.subnet(vpc, "10.14.1.0/24")
    group = cloud.group(vpc, "life")
    before = machine(cloud)
    made = cloud.instances(3, subnet, [group])
    ids = [i.id for i in made]
    assert machine(cloud, ids)["links"] - before["links"]
    cloud.client().terminate_instances(InstanceIds=ids)
    until(lambda: all(state(cloud, i) == "terminated" for i in made), "terminated")
    await_machine(before, cloud, ids)
    for i in made:
        assert not os.path.exists(f"{cloud.directory}/agent/instances/{i.id}")


def test_agent_takes_over_what_lives(own_cloud):
    a, b = some(own_cloud, 2)
    pids = [pid_of(own_cloud, i) for i in (a, b)]
    agent = own_cloud.agent_pid()
    os.kill(agent, signal.SIGKILL)
    until(lambda: own_cloud.agent_pid() not in (None, agent), "another agent")
    until(lambda: (agent_status(own_cloud) or {}).get("open"), "in step")
    assert [pid_of(own_cloud, i) for i in (a, b)] == pids
    assert a.mac in script(own_cloud, a, "ip -o link show dev eth0").stdout


def test_a_dirty_machine(own_cloud):
    """What is ours and not wanted goes; what only looks like ours stays."""
    a, b = some(own_cloud, 2)
    ec2 = own_cloud.client()
    rows = own_cloud.agent(cmd="status")["instances"]
    prefix = "v" + digest(own_cloud)
    own_cloud.stop()
    # Ours by name and alias, of an interface that no longer is; and two that are not ours.
    alias = f"vpcd {own_cloud.directory} eni-0123456789abcdef0"
    made = [(prefix + "efffff", alias), (prefix + "x", "somebody's"), ("v00000fe1", "vpcd /nonexistent eni-1")]
    try:
        for name, text in made:
            subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", name[:-1] + "p"], check=True)
            subprocess.run(["ip", "link", "set", name, "alias", text], check=True)
        # An instance that dies while nobody looks.
        os.kill(next(row["pid"] for row in rows if row["id"] == b.id), signal.SIGKILL)
        until(lambda: not os.path.exists(f"/proc/{rows[0]['pid']}/ns") or not os.path.exists(f"/proc/{rows[1]['pid']}/ns"), "its end")
        own_cloud.start()
        until(lambda: not os.path.exists("/sys/class/net/" + made[0][0]), "the left-over device goes")
        assert all(os.path.exists("/sys/class/net/" + name) for name, _ in made[1:])
        until(lambda: state(own_cloud, b) == "stopped", "the dead one is stopped")
        assert inside(own_cloud, a, "true").returncode == 0
        ec2 = own_cloud.client()
        ec2.start_instances(InstanceIds=[b.id])
        until(lambda: inside(own_cloud, b, "true").returncode == 0, "it runs again")
    finally:
        for name, _ in made[1:]:
            subprocess.run(["ip", "link", "delete", name])


def test_down_leaves_the_machine_as_it_was(own_cloud):
    own_cloud.down()
    before = machine(own_cloud)
    own_cloud.start()
    a, b = some(own_cloud, 2, public=True)
    assert machine(own_cloud, (a.id, b.id)) != before
    done = vpcctl(own_cloud, "down", timeout=60)
    assert done.returncode == 0, done.stdout
    own_cloud.supervisor.wait(BOUND)
    await_machine(before, own_cloud, (a.id, b.id))
    until(lambda: not processes(own_cloud), "no process is left")
    # Again, with nothing there.
    assert vpcctl(own_cloud, "down").returncode == 0
    # What the API knows runs again.
    own_cloud.start()
    until(lambda: inside(own_cloud, a, "true").returncode == 0, "it runs again")


def test_down_when_all_was_killed(own_cloud):
    own_cloud.down()
    before = machine(own_cloud)
    own_cloud.start()
    ids = [i.id for i in some(own_cloud, 2)]
    agent = own_cloud.agent_pid()
    own_cloud.supervisor.kill()
    own_cloud.supervisor.wait()
    os.kill(agent, signal.SIGKILL)
    until(lambda: not own_cloud.agent_pid(), "the agent's end")
    done = vpcctl(own_cloud, "down")
    assert done.returncode == 0, done.stdout
    await_machine(before, own_cloud, ids)


def test_stop_leaves_everything_running(own_cloud):
    a, = some(own_cloud)
    pid = pid_of(own_cloud, a)
    agent = own_cloud.agent_pid()
    done = vpcctl(own_cloud, "stop")
    assert done.returncode == 0 and "has ended" in done.stdout
    own_cloud.supervisor.wait(BOUND)
    assert not own_cloud.agent_pid() and not os.path.exists(f"/proc/{agent}")
    assert os.path.exists(f"/proc/{pid}/ns/net") and os.path.exists(f"/run/netns/{a.id}")
    status = vpcctl(own_cloud, "status")
    assert status.returncode == 1 and "does not run" in status.stdout
    assert "no vpcd runs" in vpcctl(own_cloud, "stop").stdout


def test_status_and_accounts(cloud):
    a, = some(cloud, cidr="10.15.0.0/16")
    done = vpcctl(cloud, "status")
    assert done.returncode == 0 and a.id in done.stdout and a.ip in done.stdout and "ready" in done.stdout
    number = vpcctl(cloud, "account", "create", "somebody").stdout.strip()
    assert number in vpcctl(cloud, "account", "list").stdout
    key = vpcctl(cloud, "key", "create", number).stdout
    assert "aws_secret_access_key" in key
    name = key.split("aws_access_key_id = ")[1].split()[0]
    assert name in vpcctl(cloud, "key", "list", number).stdout
    assert vpcctl(cloud, "account", "delete", number).returncode == 1
    assert vpcctl(cloud, "key", "delete", name).returncode == 0
    assert vpcctl(cloud, "account", "delete", number).returncode == 0
    done = vpcctl(cloud, "doctor")
    assert "FAIL" not in done.stdout and done.returncode == 0, done.stdout


def test_a_pool_of_the_hosts_own_is_refused():
    directory = f"/var/lib/vpcd-refused-{os.getpid()}"
    try:
        done = subprocess.run([os.path.join(BUILD, "vpcd"), "--state-dir", directory, "--listen", "127.0.0.1:0",
                               "--public-pool", "127.0.0.0/8"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=BOUND)
        assert done.returncode == 78 and "overlaps" in done.stdout and "--public-pool" in done.stdout
        assert "vpcd ready" not in done.stdout
    finally:
        subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", directory, "down"], check=True, timeout=BOUND)
        shutil.rmtree(directory)
