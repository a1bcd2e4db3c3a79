# SPDX-License-Identifier: Apache-2.0
"""A virtual machine: Debian's kernel 6.1 in QEMU, with an initramfs of busybox that runs the commands that come over
its second serial line.

QEMU is the unprivileged user of --tap-user; the words of its network are those that `vpcctl instance ID --qemu` prints.
Software emulation: a machine boots in about 5 s. VPCD_VM_ACCEL=kvm takes the processor's instead.
"""
import glob
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile

import frames
from conftest import BOUND, BUILD, TOP, UID, until, vpcctl

MODULES = ["drivers/virtio/virtio", "drivers/virtio/virtio_ring", "drivers/virtio/virtio_pci_modern_dev",
           "drivers/virtio/virtio_pci_legacy_dev", "drivers/virtio/virtio_pci", "net/core/failover", "drivers/net/net_failover",
           "drivers/net/virtio_net"]
VNET = 12  # bytes of struct virtio_net_hdr_mrg_rxbuf
BOOT = 120  # seconds, on a machine that is busy; 5 on an idle one

INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci failover net_failover virtio_net; do
    insmod /modules/$module.ko
done
ip link set lo up
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1 2>&1
echo ready
while read -r line; do
    eval "$line" </dev/null
    echo "<status $?>"
done
"""

# What the clients of DHCP call with what they were told: udhcpc of busybox for IPv4, ISC's dhclient for IPv6. Routes of
# IPv6 come with router advertisements.
DHCP4 = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip addr flush dev $interface scope global
ip addr add $ip/$mask dev $interface
ip link set $interface mtu $mtu
for r in $router; do ip route add default via $r dev $interface metric 10${interface#eth}; done
[ $interface = eth0 ] || exit 0
: >/etc/resolv.conf
for d in $dns; do echo "nameserver $d" >>/etc/resolv.conf; done
echo "search $domain" >>/etc/resolv.conf
hostname $hostname
"""
DHCP6 = """#!/bin/sh
case $reason in
BOUND6|RENEW6|REBIND6) ip -6 addr add $new_ip6_address/128 dev $interface || true ;;
esac
"""


def image(directory):
    """The kernel and an initramfs, where an unprivileged user can read them: their paths."""
    subprocess.run([os.path.join(TOP, "tests/bpf/kernel61/kernel"), BUILD], check=True, timeout=300, stderr=subprocess.DEVNULL)
    linux = os.path.join(BUILD, "kernel61/linux")
    root, kernel = os.path.join(directory, "root"), os.path.join(directory, "vmlinuz")
    shutil.copyfile(glob.glob(linux + "/boot/vmlinuz-6.1.*")[0], kernel)
    for name in "bin", "proc", "sys", "dev", "tmp", "run", "etc", "modules":
        os.makedirs(os.path.join(root, name))
    shutil.copy(shutil.which("busybox"), root + "/bin/busybox")
    libraries = subprocess.run(["ldd", shutil.which("dhclient")], stdout=subprocess.PIPE, text=True, check=True).stdout
    for path in re.findall(r"/[^ ]*", libraries):
        os.makedirs(root + os.path.dirname(path), exist_ok=True)
        shutil.copy(path, root + path)
    shutil.copy(shutil.which("dhclient"), root + "/bin/dhclient")
    for module in MODULES:
        shutil.copy(glob.glob(f"{linux}/lib/modules/6.1.*/kernel/{module}.ko")[0], root + "/modules")
    for name, text in (("init", INIT), ("etc/dhcp4", DHCP4), ("etc/dhcp6", DHCP6)):
        with open(os.path.join(root, name), "w") as f:
            f.write(text)
        os.chmod(os.path.join(root, name), 0o755)
    with open(root + ".gz", "wb") as f:
        subprocess.run("find . | cpio -o -H newc --quiet | gzip -1", shell=True, cwd=root, stdout=f, check=True)
    os.chmod(root + ".gz", 0o644)
    return kernel, root + ".gz"


class Guest:
    """The machine of an instance. `more(words)` may change the words of its network; dumps are what passes its
    network cards, as the machine sees it."""

    def __init__(self, machine, more=lambda words: words):
        self.machine, self.events = machine, []
        self.directory = tempfile.mkdtemp(prefix="vpcd-vm-")
        os.chown(self.directory, UID, UID)
        os.chmod(self.directory, 0o755)
        self.process = None
        try:
            self._start(more)
        except BaseException:
            self.close()
            raise

    def _start(self, more):
        kernel, initrd = image(self.directory)
        words = more(vpcctl(self.machine.cloud, "instance", self.machine.id, "--qemu").stdout.split())
        self.serial, serial = socket.socketpair()
        self.monitor, monitor = socket.socketpair()
        for name in re.findall(r"tap,id=(\w+)", " ".join(words)):
            words += ["-object", f"filter-dump,id=dump-{name},netdev={name},file={self.directory}/{name}.pcap"]
        qemu = ["qemu-system-x86_64", "-accel", os.environ.get("VPCD_VM_ACCEL", "tcg"), "-m", "256", "-nodefaults", "-display", "none",
                "-no-reboot", "-kernel", kernel, "-initrd", initrd, "-append", "console=ttyS0 quiet panic=-1",
                "-serial", f"file:{self.directory}/console", "-chardev", f"socket,id=line,fd={serial.fileno()}",
                "-serial", "chardev:line", "-chardev", f"socket,id=monitor,fd={monitor.fileno()}",
                "-mon", "chardev=monitor,mode=control", *words]
        # As on any Debian host, where everybody may open /dev/net/tun; the taps have an owner.
        script = ("mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 && "
                  f'exec setpriv --reuid={UID} --regid={UID} --clear-groups "$@"')
        with open(self.directory + "/qemu.log", "wb") as log:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, "sh", *qemu], cwd=self.directory,
                                            pass_fds=[serial.fileno(), monitor.fileno()], stdout=log, stderr=log)
        serial.close()
        monitor.close()
        self.lines = self.monitor.makefile("r")
        self.monitor.settimeout(BOUND)
        self.text = b""
        self._read(b"ready\n", BOOT)
        assert "QMP" in json.loads(self.lines.readline())
        self.qmp("qmp_capabilities")

    def _read(self, end, bound):
        self.serial.settimeout(bound)
        while end not in self.text:
            try:
                more = self.serial.recv(65536)
            except socket.timeout:
                more = b""
            if not more:
                raise AssertionError(f"the machine says no more than {self.text!r}; {self.logs()}")
            self.text += more
        text, self.text = self.text.split(end, 1)
        return text.decode(errors="replace")

    def logs(self):
        return {name: open(os.path.join(self.directory, name), errors="replace").read()[-2000:]
                for name in ("qemu.log", "console") if os.path.exists(os.path.join(self.directory, name))}

    def run(self, command, check=True, bound=BOUND):
        """A line of shell in the machine; what it prints. check None: (status, what it prints)."""
        self.serial.sendall(command.encode() + b"\n")
        text = self._read(b"<status ", bound)
        status = int(self._read(b">\n", BOUND))
        if check is None:
            return status, text
        assert (status == 0) == check, f"{command}: {status} {text}"
        return text

    def qmp(self, command, **arguments):
        self.monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode())
        while True:
            answer = json.loads(self.lines.readline())
            if "return" in answer:
                return answer["return"]
            assert "error" not in answer, f"{command} {arguments}: {answer}"
            self.events.append(answer)

    def event(self, name, **data):
        """Waits for an event of the monitor."""
        while True:
            for e in self.events:
                if e.get("event") == name and data.items() <= e.get("data", {}).items():
                    self.events.remove(e)
                    return e
            self.events.append(json.loads(self.lines.readline()))

    def device(self, mac, bound=BOUND):
        """The name of the network card with this MAC, once it is there."""
        def look():
            found = self.run(f"grep -il {mac} /sys/class/net/*/address", check=None)[1].split()
            return found and found[0].split("/")[4]
        return until(look, f"a card {mac} in the machine", bound, 0.2)

    def configure(self, eni):
        """Gets the interface's addresses by DHCP of both families, and its IPv6 routes from a router; its name."""
        name = self.device(eni["MacAddress"])
        self.run(f"ip link set {name} up && udhcpc -i {name} -n -q -t 5 -T 2 -s /etc/dhcp4 -O mtu")
        self.await_addresses(name)
        self.run(f": >/run/lease-{name}; dhclient -6 -1 -cf /dev/null -lf /run/lease-{name} -pf /run/pid-{name} -sf /etc/dhcp6 {name}")
        until(lambda: "default via fe80::1" in self.run(f"ip -6 route show dev {name}"), "a router", pause=0.2)
        self.await_addresses(name)
        text = self.run(f"ip addr show dev {name}")
        assert f" {eni['PrivateIpAddress']}/24 " in text and f" {eni['Ipv6Addresses'][0]['Ipv6Address']}/128 " in text, text
        return name

    def await_addresses(self, name):
        """Duplicate detection, as every machine does it, must find nobody."""
        def done():
            text = self.run(f"ip -6 addr show dev {name}")
            assert "dadfailed" not in text, text
            return " fe80::" in text and "tentative" not in text
        until(done, "its IPv6 addresses", pause=0.2)

    def dump(self, netdev="net0"):
        """The frames that passed a card so far; frame.vnet is what card and tap say to each other about each."""
        raw = open(f"{self.directory}/{netdev}.pcap", "rb").read()
        at, got = 24, []
        while at + 16 <= len(raw):
            length = struct.unpack("<I", raw[at + 8:at + 12])[0]
            if at + 16 + length > len(raw):
                break
            got.append(frames.Frame(raw[at + 16 + VNET:at + 16 + length]))
            got[-1].vnet = raw[at + 16:at + 16 + VNET]
            at += 16 + length
        return got

    def busy(self):
        """Clock ticks that QEMU's main thread, which moves packets, has used."""
        words = open(f"/proc/{self.process.pid}/task/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return int(words[11]) + int(words[12])

    def close(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
