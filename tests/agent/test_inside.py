# SPDX-License-Identifier: Apache-2.0
"""What runs in an instance, and what it cannot reach.

    vpcctl exec ---- vpc-agent ---- instance a: user data, commands, root that is nobody outside
                                \\-- instance b: of somebody else
    host: state directory, control and stream sockets, bpffs, processes, namespaces
"""
import ctypes
import json
import os
import pty
import select
import signal
import socket
import stat
import subprocess

import pytest

from conftest import BOUND, BUILD, inside, script, until, vpcctl

USER_DATA = """#!/bin/sh
echo user data of $(hostname) runs as $(id -u)
ip -o -4 addr show dev eth0 | grep -o 'inet [0-9.]*'
python3 -c 'import socket; socket.create_connection(("127.0.0.1", 9), 1)' 2>&1 | tail -1
touch /run/ran
"""


@pytest.fixture(scope="module")
def pair(cloud):
    vpc = cloud.vpc("10.7.0.0/16")
    subnet = cloud.subnet(vpc, "10.7.1.0/24")
    group = cloud.group(vpc, "inside")
    return (cloud.instance(subnet, [group], UserData=USER_DATA), cloud.instance(subnet, [group]))


def test_user_data_runs_when_the_network_is_there(cloud, pair):
    a, _ = pair
    until(lambda: script(cloud, a, "test -e /run/ran").returncode == 0, "the user data ran")
    console = until(lambda: (lambda t: "refused" in t and t)(vpcctl(cloud, "console", a.id).stdout), "its output")
    name = "ip-" + a.ip.replace(".", "-")
    assert console.splitlines()[:2] == [f"user data of {name} runs as 0", f"inet {a.ip}"]


def test_interface_as_on_aws(cloud, pair):
    a, _ = pair
    link = script(cloud, a, "ip -o link show dev eth0").stdout
    assert "mtu 9001" in link and a.mac in link
    assert script(cloud, a, "ip -o link show dev lo").stdout.count("UP,LOWER_UP") == 1
    assert script(cloud, a, "ip route show default").stdout.startswith("default via 10.7.1.1 dev eth0")


def test_names_are_asked_of_the_vpc(cloud, pair):
    """/etc/resolv.conf says what DHCP would say, and root inside may change its own."""
    a, b = pair
    said = script(cloud, a, "cat /etc/resolv.conf").stdout
    assert "nameserver 10.7.0.2\n" in said and "search ec2.internal\n" in said
    script(cloud, a, "echo '# mine' >>/etc/resolv.conf")
    assert "# mine" in script(cloud, a, "cat /etc/resolv.conf").stdout
    assert "# mine" not in script(cloud, b, "cat /etc/resolv.conf").stdout
    ec2 = cloud.client()
    vpc = ec2.describe_instances(InstanceIds=[a.id])["Reservations"][0]["Instances"][0]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    name = "ip-" + b.ip.replace(".", "-")
    assert script(cloud, a, f"getent hosts {name}").stdout.split() == [b.ip, f"{name}.ec2.internal"]


def test_exec_gives_status_and_streams(cloud, pair):
    a, _ = pair
    assert script(cloud, a, "exit 42").returncode == 42
    assert script(cloud, a, "kill -9 $$").returncode == 137
    assert inside(cloud, a, "no-such-command").returncode == 127
    done = subprocess.run([os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "cat"],
                          input=b"x" * 300000, stdout=subprocess.PIPE, timeout=BOUND)
    assert done.returncode == 0 and done.stdout == b"x" * 300000


def test_exec_says_what_is_wrong(cloud, pair):
    a, _ = pair
    done = vpcctl(cloud, "exec", "i-0123456789abcdef0", "--", "true")
    assert done.returncode == 125 and "no such instance" in done.stdout
    done = vpcctl(cloud, "exec", a.id)
    assert done.returncode == 2 and "usage" in done.stdout
    directory = os.open("/", os.O_RDONLY)  # by which a command would leave the instance
    done = vpcctl(cloud, "exec", a.id, "--", "true", stdin=directory)
    os.close(directory)
    assert done.returncode == 125 and "directory" in done.stdout


def test_a_command_ends_with_vpcctl(cloud, pair):
    a, _ = pair
    for sig in (signal.SIGKILL, signal.SIGTERM):
        command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "/bin/sh", "-c",
                   "setsid sleep 4321 & (sleep 4321 &) ; echo go; sleep 4321"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"go\n"
        assert script(cloud, a, "pgrep -x sleep").returncode == 0
        process.send_signal(sig)
        if sig == signal.SIGTERM:
            assert process.wait(BOUND) == 128 + signal.SIGTERM
            # What a command left behind when it ended by itself stays: end it by hand.
            script(cloud, a, "pkill -x sleep")
        else:
            process.wait(BOUND)
        until(lambda: script(cloud, a, "pgrep -x sleep").returncode != 0, "the command's end")
        process.stdout.close()


def test_a_command_outlives_the_agent(cloud, pair):
    a, _ = pair
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "/bin/sh", "-c",
               "echo go; read line; echo $line; exit 3"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"go\n"
    agent = cloud.agent_pid()
    os.kill(agent, signal.SIGKILL)
    until(lambda: cloud.agent_pid() not in (None, agent), "another agent")
    assert process.communicate(b"on\n", BOUND)[0] == b"on\n"
    assert process.returncode == 3
    until(lambda: inside(cloud, a, "true").returncode == 0, "commands by the new agent")


def test_an_interactive_shell(cloud, pair):
    a, _ = pair
    master, slave = pty.openpty()
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "/bin/bash", "--norc"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    seen = b""

    def wait_for(text):
        nonlocal seen
        until(lambda: select.select([master], [], [], 0.02)[0] and _read() or text in seen, f"{text} after {seen}")

    def _read():
        nonlocal seen
        seen += os.read(master, 4096)
        return False
    try:
        wait_for(b"# ")
        os.write(master, b"tty -s && echo it-is-$((40+2)); sleep 4321\r")
        wait_for(b"it-is-42")
        until(lambda: script(cloud, a, "pgrep -x sleep").returncode == 0, "the command in the foreground")
        os.write(master, b"\x03")  # control-C interrupts the command, not the shell: job control works
        os.write(master, b"echo back-$((40+3)); exit 7\r")
        wait_for(b"back-43")
        assert process.wait(BOUND) == 7
    finally:
        process.kill()
        os.close(master)


def test_no_terminal_is_handed_in(cloud, pair):
    """With output elsewhere the command gets pipes for what is a terminal: nobody inside can read it later."""
    a, _ = pair
    master, slave = pty.openpty()
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "/bin/sh", "-c",
               "for i in 0 1 2; do test -t $i && echo terminal $i; done; ls -l /proc/self/fd; read line; echo got $line"]
    process = subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, start_new_session=True)
    os.close(slave)
    os.write(master, b"typed\n")
    text = process.communicate(timeout=BOUND)[0].decode()
    os.close(master)
    assert process.returncode == 0 and "got typed" in text
    assert "terminal" not in text and "/dev/pts" not in text


def test_the_agent_refuses_terminals(cloud, pair):
    """Also from something else than vpcctl."""
    a, _ = pair
    master, slave = pty.openpty()
    null = os.open("/dev/null", os.O_RDWR)
    request = json.dumps({"cmd": "exec", "instance": a.id, "argv": ["true"]}).encode() + b"\n"
    for fds in ([slave, null, null], [null, null, slave]):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(BOUND)
            s.connect(os.path.join(cloud.directory, "agent/control.sock"))
            socket.send_fds(s, [request], fds)
            assert "terminal" in json.loads(s.makefile().readline())["error"]
    for fd in (master, slave, null):
        os.close(fd)


def test_the_session_keyring_stays_outside(own_cloud_in_session):
    cloud, a = own_cloud_in_session
    code = ("import ctypes; c = ctypes.CDLL(None, use_errno=True)\n"
            "print(c.syscall(250, 10, -3, b'user', b'vpcd-test-secret', 0))")  # KEYCTL_SEARCH in the session keyring
    assert inside(cloud, a, "/usr/bin/python3", "-c", code).stdout == "-1\n"


@pytest.fixture
def own_cloud_in_session(cloud, pair):
    """The agent starts with a session keyring that holds a key."""
    libc = ctypes.CDLL(None, use_errno=True)
    agent = cloud.agent_pid()
    key = libc.syscall(248, b"user", b"vpcd-test-secret", b"hunter2", 7, -3)  # add_key, session keyring
    if key < 0:
        pytest.skip("this kernel has no keyrings for us")
    cloud.stop()
    cloud.start()
    until(lambda: cloud.agent_pid() not in (None, agent), "another agent")
    until(lambda: inside(cloud, pair[0], "true").returncode == 0, "commands by it")
    yield cloud, pair[0]
    libc.syscall(250, 9, key, -3)  # KEYCTL_UNLINK


# Each must fail inside. {state} is the state directory, {other} the id of another instance.
REFUSED = {
    "state directory is empty": "ls -A {state} | grep -q .",
    "write to the state directory": "touch {state}/x",
    "read the credentials": "cat {state}/credentials",
    "uncover the state directory": "umount {state} || umount -l {state}",
    "remount it": "mount -o remount,rw {state}",
    "uncover it in a new mount namespace": "unshare -m umount -l {state}",
    "uncover it in a new user namespace": "unshare -Urm sh -c 'umount -l {state}'",
    "see below it by a bind mount": "mount --bind / /mnt && test -e /mnt{state}/db",
    "the agent's socket": "test -e {state}/agent/control.sock",
    "the stream's socket": "test -e {state}/run/stream.sock",
    "the worker's socket": "test -e {state}/run/control.sock",
    "pins of the data plane": "ls -A /sys/fs/bpf | grep -q .",
    "pins in a bpffs of its own": "mount -t bpf bpf /mnt && ls -A /mnt | grep -q .",
    "load BPF programs": "python3 -c 'import ctypes,os; b=ctypes.create_string_buffer(b\"\\x02\\0\\0\\0\\4\\0\\0\\0\\4\\0\\0\\0\\1\\0\\0\\0\"+b\"\\0\"*64); r=ctypes.CDLL(None).syscall(321,0,b,72); os._exit(0 if r>=0 else 1)'",
    "set up io_uring": "python3 -c 'import ctypes,os; os._exit(0 if ctypes.CDLL(None).syscall(425,8,ctypes.create_string_buffer(256)) >= 0 else 1)'",
    "use keyrings": "python3 -c 'import ctypes,os; os._exit(0 if ctypes.CDLL(None).syscall(250,0,-4,1) >= 0 else 1)'",
    "count the kernel's events": "python3 -c 'import ctypes,os; os._exit(0 if ctypes.CDLL(None).syscall(298,ctypes.create_string_buffer(b\"\\1\\0\\0\\0\\x70\\0\\0\\0\",112),0,-1,-1,0) >= 0 else 1)'",
    "uncover /proc": "umount -l /proc",
    "uncover /sys": "umount -l /sys",
    "names of namespaces": "test -e /run/netns/{other}",
    "enter another instance's network": "nsenter --net=/run/netns/{other} true",
    "the first process's namespaces": "nsenter -t 1 -n true || readlink /proc/1/ns/net",
    "the host's processes": "test -d /proc/{agent}",
    "signal the agent": "kill -0 {agent}",
    "signal another instance's init": "kill -0 {init}",
    "trace its init": "python3 -c 'import ctypes,os; os._exit(0 if ctypes.CDLL(None).ptrace(16,1,0,0)==0 else 1)'",
    "memory of its init": "head -c1 /proc/1/mem >/dev/null",
    "environment of its init": "cat /proc/1/environ | grep -q .",
    "root's files": "cat /etc/shadow",
    "write to the host's files": "touch /etc/vpcd-was-here || touch /usr/vpcd-was-here",
    "the host's disk": "cat /proc/partitions >/dev/null && ls /dev/vd* /dev/sd* /dev/nvme* 2>/dev/null | grep -q .",
    "make a device node": "mknod /run/disk b 254 0",
    "kernel settings": "echo 0 >/proc/sys/kernel/sysrq || echo 1 >/proc/sys/kernel/core_pattern",
    "raise the limit on files": "ulimit -Hn 1048577",
    "raise the limit on processes": "prlimit --nproc=unlimited:unlimited true",
    "mount the disk": "mount $(findmnt -no SOURCE / 2>/dev/null || echo /dev/vda) /mnt",
    "write anywhere on the host's disk": "find / -xdev -type d -perm -o+w ! -path /tmp ! -path /var/tmp 2>/dev/null | while read d; do touch $d/vpcd-x 2>/dev/null && echo $d; done | grep -q .",
    "files of another instance in /tmp": "ls /tmp | grep -q left-by-another",
    "fill more than its share of /tmp": "head -c 200M /dev/zero >/tmp/big",
    "use set-user-id programs": "mount | grep ' / ' | grep -vq nosuid",
    "make the root writable": "mount -o remount,rw / || mount -o remount,rw,bind /",
    "the host's sockets": "ls -A /run/dbus /run/docker.sock 2>/dev/null | grep -q .",
}


@pytest.mark.parametrize("what", REFUSED)
def test_root_inside_is_nobody_outside(cloud, pair, what):
    a, b = pair
    assert script(cloud, b, "touch /tmp/left-by-another /var/tmp/left-by-another").returncode == 0
    pids = {row["id"]: row["pid"] for row in cloud.agent(cmd="status")["instances"]}
    text = REFUSED[what].replace("{state}", cloud.directory).replace("{other}", b.id) \
        .replace("{agent}", str(cloud.agent_pid())).replace("{init}", str(pids[b.id]))
    done = script(cloud, a, f"({text}) 2>&1; echo status=$?")
    assert "status=" in done.stdout, done.stdout
    assert "status=0" not in done.stdout, f"it was possible: {text}: {done.stdout}"


def test_only_root_asks_the_agent(cloud, pair):
    """A user of the host who is not root reaches neither socket, whatever it tries."""
    a, _ = pair
    path = os.path.join(cloud.directory, "agent/control.sock")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, "exec", a.id, "--", "true"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=BOUND)
    assert done.returncode in (125, 126) and "needs root" in done.stdout


def test_user_ids_are_a_range_of_its_own(cloud, pair):
    rows = cloud.agent(cmd="status")["instances"]
    bases = set()
    for row in rows:
        with open(f"/proc/{row['pid']}/uid_map") as f:
            first, base, count = map(int, f.read().split())
        assert (first, count) == (0, 65536) and base >= 0x70000000
        bases.add(base)
    assert len(bases) == len(rows)
