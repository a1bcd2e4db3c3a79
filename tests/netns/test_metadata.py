# SPDX-License-Identifier: Apache-2.0
"""The instance metadata service, asked by real clients over real packets.

    account 1   vpc A 10.0.0.0/16, IPv6, internet gateway     a 10.0.1.10  (eth0: public; a prefix; eth1)
                                                              container behind a: an address of a's prefixes
                vpc B 10.0.0.0/16                             b 10.0.1.10
    vpc-services in a namespace of its own                    169.254.169.254, fd00:ec2::254
"""
import base64
import contextlib
import ipaddress
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
import types
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session

from conftest import Place, until

METADATA, METADATA6 = "169.254.169.254", "fd00:ec2::254"
USER_DATA = bytes(range(256)) * 64  # the most that EC2 takes
LIFE = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


@pytest.fixture(scope="module")
def w(cloud):
    w = types.SimpleNamespace(cloud=cloud, ec2=cloud.client())
    w.A, w.B = cloud.vpc(ipv6=True), cloud.vpc(internet=False)
    w.key = w.ec2.create_key_pair(KeyName="mine")
    w.subnet = cloud.subnet(w.A, "10.0.1.0/24", 1)
    w.group = cloud.group(w.A, "web")
    # No rule lets anything out: metadata need none.
    closed = cloud.group(w.B, "closed", egress=[])
    w.a = cloud.instance(w.subnet, [w.group], ipv6=True, public=True, address="10.0.1.10", KeyName="mine",
                         UserData=USER_DATA, MetadataOptions={"InstanceMetadataTags": "enabled", "HttpProtocolIpv6": "enabled"},
                         TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "web 1"}]}])
    w.b = cloud.instance(cloud.subnet(w.B, "10.0.1.0/24"), [closed], address="10.0.1.10")
    yield w


def exchange(place, request, address=METADATA, seconds=30, source=None):
    """All that comes back for these bytes, until the service closes."""
    with place.dial(address, 80, source=source) as s:
        s.settimeout(seconds)
        s.sendall(request)
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while more := s.recv(65536):
                got += more
        return got


def ask(place, path, method="GET", address=METADATA, source=None, **headers):
    """(status, headers, body) of one request."""
    host = f"[{address}]" if ":" in address else address
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
    head, _, body = exchange(place, "\r\n".join(lines + ["", ""]).encode(), address, source=source).partition(b"\r\n\r\n")
    status, *rest = head.decode().split("\r\n")
    assert status.startswith("HTTP/1.1 "), status
    return int(status.split()[1]), dict(line.split(": ", 1) for line in rest), body


def get(place, path, **more):
    status, _, body = ask(place, "/latest/meta-data/" + path, **more)
    return body.decode() if status == 200 else status


def token(place, seconds=60, **more):
    status, headers, body = ask(place, "/latest/api/token", "PUT", **{LIFE.replace("-", "_"): seconds}, **more)
    assert status == 200 and headers["X-Aws-Ec2-Metadata-Token-Ttl-Seconds"] == str(seconds)
    return body.decode()


def with_token(place, path, value, **more):
    return get(place, path, **{TOKEN.replace("-", "_"): value}, **more)


@contextlib.contextmanager
def options(w, i, **wanted):
    """These metadata options of the instance meanwhile."""
    before = w.ec2.describe_instances(InstanceIds=[i.id])["Reservations"][0]["Instances"][0]["MetadataOptions"]
    w.ec2.modify_instance_metadata_options(InstanceId=i.id, **wanted)
    try:
        yield
    finally:
        w.ec2.modify_instance_metadata_options(InstanceId=i.id, **{k: before[k] for k in wanted})


def call(w, action, **parameters):
    """An action that Debian's boto3 does not know yet."""
    body = urllib.parse.urlencode({"Action": action, "Version": "2016-11-15", **parameters})
    request = AWSRequest("POST", w.cloud.endpoint + "/", {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}, body)
    keys = w.cloud.keys()
    SigV4Auth(Credentials(keys["aws_access_key_id"], keys["aws_secret_access_key"]), "ec2", "us-east-1").add_auth(request)
    assert URLLib3Session().send(request.prepare()).status_code == 200


def described(w, i):
    return w.ec2.describe_instances(InstanceIds=[i.id])["Reservations"][0]["Instances"][0]


# Whose metadata

def test_equal_addresses(w):
    """Both have 10.0.1.10 and ask at once; each hears of itself, again and again."""
    heard = {w.a.id: set(), w.b.id: set()}

    def hear(i):
        for _ in range(30):
            heard[i.id].add(get(i, "instance-id"))
    threads = [threading.Thread(target=hear, args=(i,)) for i in (w.a, w.b, w.a, w.b)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert heard == {w.a.id: {w.a.id}, w.b.id: {w.b.id}}
    assert get(w.a, "mac") == w.a.mac and get(w.b, "mac") == w.b.mac
    assert get(w.a, "local-ipv4") == get(w.b, "local-ipv4") == "10.0.1.10"


def test_what_the_api_says(w):
    row, nic = described(w, w.a), described(w, w.a)["NetworkInterfaces"][0]
    for path, value in {
            "instance-id": w.a.id, "ami-id": row["ImageId"], "ami-launch-index": "0", "instance-type": "t3.micro",
            "local-ipv4": "10.0.1.10", "public-ipv4": row["PublicIpAddress"], "ipv6": w.a.ip6, "mac": w.a.mac,
            "hostname": row["PrivateDnsName"], "local-hostname": "ip-10-0-1-10.ec2.internal", "public-hostname": 404,
            "security-groups": "web", "placement/availability-zone": row["Placement"]["AvailabilityZone"],
            "placement/region": "us-east-1", "public-keys/": "0=mine", "tags/instance/Name": "web 1",
            "block-device-mapping/root": row["RootDeviceName"], "iam/": 404, "services/domain": "amazonaws.com",
            f"network/interfaces/macs/{w.a.mac}/interface-id": nic["NetworkInterfaceId"],
            f"network/interfaces/macs/{w.a.mac}/security-group-ids": w.group,
            f"network/interfaces/macs/{w.a.mac}/owner-id": nic["OwnerId"],
            f"network/interfaces/macs/{w.a.mac}/vpc-id": w.A["VpcId"],
            f"network/interfaces/macs/{w.a.mac}/subnet-id": w.subnet,
            f"network/interfaces/macs/{w.a.mac}/ipv6s": w.a.ip6,
            f"network/interfaces/macs/{w.a.mac}/subnet-ipv4-cidr-block": "10.0.1.0/24",
            f"network/interfaces/macs/{w.a.mac}/vpc-ipv6-cidr-blocks": w.A["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"],
            f"network/interfaces/macs/{w.a.mac}/ipv4-associations/{row['PublicIpAddress']}": "10.0.1.10",
            f"network/interfaces/macs/{w.b.mac}/interface-id": 404}.items():
        assert get(w.a, path) == value, path
    zone = row["Placement"]["AvailabilityZone"]
    zones = w.ec2.describe_availability_zones(ZoneNames=[zone])["AvailabilityZones"]
    assert get(w.a, "placement/availability-zone-id") == zones[0]["ZoneId"]
    assert get(w.a, "reservation-id") == w.ec2.describe_instances(InstanceIds=[w.a.id])["Reservations"][0]["ReservationId"]
    assert ask(w.a, "/latest/user-data")[2] == USER_DATA
    assert ask(w.b, "/latest/user-data")[0] == 404
    assert get(w.b, "public-ipv4") == get(w.b, "tags/instance") == get(w.b, "public-keys/") == 404
    assert "web" not in get(w.b, "")


def test_changes_at_once(w):
    w.ec2.create_tags(Resources=[w.a.id], Tags=[{"Key": "Stage", "Value": "test"}])
    until(lambda: get(w.a, "tags/instance/Stage") == "test", "the new tag")
    w.ec2.modify_vpc_attribute(VpcId=w.A["VpcId"], EnableDnsHostnames={"Value": True})
    until(lambda: get(w.a, "public-hostname") == described(w, w.a)["PublicDnsName"] != "", "the public name")
    w.ec2.modify_vpc_attribute(VpcId=w.A["VpcId"], EnableDnsHostnames={"Value": False})
    until(lambda: get(w.a, "public-hostname") == 404, "no public name any more")


def test_the_key_of_the_launch(w):
    """The public half of the private key that CreateKeyPair answered, also when the key pair is gone."""
    have = get(w.a, "public-keys/0/openssh-key").split()
    done = subprocess.run(["ssh-keygen", "-y", "-f", "/dev/stdin"], input=w.key["KeyMaterial"], text=True, stdout=subprocess.PIPE) \
        if os.path.exists("/usr/bin/ssh-keygen") else None
    if done and done.returncode == 0:
        assert done.stdout.split()[:2] == have[:2]
    assert have[0] == "ssh-rsa" and base64.b64decode(have[1])[4:11] == b"ssh-rsa"
    w.ec2.delete_key_pair(KeyName="mine")
    assert get(w.a, "public-keys/0/openssh-key").split() == have


# Sessions and options

def test_sessions(w):
    mine = token(w.a)
    assert len(mine) == 56
    assert with_token(w.a, "instance-id", mine) == w.a.id
    assert with_token(w.b, "instance-id", mine) == 401  # another instance's
    short = token(w.a, 1)
    until(lambda: with_token(w.a, "instance-id", short) == 401, "the end of a token of a second")
    assert ask(w.a, "/latest/api/token", "PUT")[0] == 400
    for bad in ("0", "21601", "x"):
        assert ask(w.a, "/latest/api/token", "PUT", **{LIFE.replace("-", "_"): bad})[0] == 400
    assert ask(w.a, "/latest/api/token", "PUT", X_Forwarded_For="1.2.3.4", **{LIFE.replace("-", "_"): 60})[0] == 403


def services_pid(cloud):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = open(f"/proc/{pid}/cmdline").read().split("\0")
            if words[0].endswith("/vpc-services") and cloud.directory in words:
                return int(pid)
    return None


def test_killed(w):
    """kill -9 of vpc-services: sessions go on with the next one, and identity documents have the same key."""
    mine, pid = token(w.a), services_pid(w.cloud)
    certificate = open(f"{w.cloud.directory}/services/identity/certificate.pem").read()
    os.kill(pid, signal.SIGKILL)
    until(lambda: services_pid(w.cloud) not in (None, pid), "another vpc-services")
    until(lambda: with_token(w.a, "instance-id", mine) == w.a.id, "the session goes on")
    assert open(f"{w.cloud.directory}/services/identity/certificate.pem").read() == certificate


def test_options(w):
    mine = token(w.b)
    with options(w, w.b, HttpTokens="required"):
        until(lambda: get(w.b, "instance-id") == 401, "no answer without a token")
        assert with_token(w.b, "instance-id", mine) == w.b.id
        assert ask(w.b, "/")[0] == ask(w.b, "/latest/user-data")[0] == 401
        assert get(w.a, "instance-id") == w.a.id
    until(lambda: get(w.b, "instance-id") == w.b.id, "answers without a token again")
    with options(w, w.b, HttpEndpoint="disabled"):
        until(lambda: with_token(w.b, "instance-id", mine) == 403, "no metadata at all")
        assert ask(w.b, "/latest/api/token", "PUT", **{LIFE.replace("-", "_"): 60})[0] == 403
    until(lambda: get(w.b, "instance-id") == w.b.id, "metadata again")


def test_defaults_of_the_account(w):
    """What ModifyInstanceMetadataDefaults says holds for instances that are launched after it."""
    call(w, "ModifyInstanceMetadataDefaults", HttpTokens="required", HttpPutResponseHopLimit="3")
    try:
        i = w.cloud.instance(w.subnet, [w.group])
        until(lambda: get(i, "instance-id") == 401, "no answer without a token")
        assert with_token(i, "instance-id", token(i)) == i.id
        assert put_hops(i, f"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n{LIFE}: 60\r\n\r\n".encode(), METADATA) == 3
        assert get(w.a, "instance-id") == w.a.id
        w.ec2.terminate_instances(InstanceIds=[i.id])
    finally:
        call(w, "ModifyInstanceMetadataDefaults", HttpTokens="no-preference", HttpPutResponseHopLimit="-1")


def test_ipv6(w):
    assert get(w.a, "instance-id", address=METADATA6) == w.a.id
    assert with_token(w.a, "ipv6", token(w.a, address=METADATA6), address=METADATA6) == w.a.ip6
    with options(w, w.a, HttpProtocolIpv6="disabled"):
        until(lambda: get(w.a, "instance-id", address=METADATA6) == 403, "none by IPv6")
        assert get(w.a, "instance-id") == w.a.id


# Hops

@pytest.fixture(scope="module")
def container(w):
    """A namespace behind a, with addresses of a's prefixes: one more hop, and no NAT."""
    name = f"vpcd-test-{os.getpid()}-{random.randrange(1 << 30):x}"
    w.ec2.assign_private_ip_addresses(NetworkInterfaceId=w.a.eni, Ipv4PrefixCount=1)
    w.ec2.assign_ipv6_addresses(NetworkInterfaceId=w.a.eni, Ipv6PrefixCount=1)
    nic = described(w, w.a)["NetworkInterfaces"][0]
    ip4 = str(ipaddress.ip_network(nic["Ipv4Prefixes"][0]["Ipv4Prefix"])[1])
    ip6 = str(ipaddress.ip_network(nic["Ipv6Prefixes"][0]["Ipv6Prefix"])[1])
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        place = Place()
        place.namespace = f"/run/netns/{name}"
        for command in ("ip link add c0 type veth peer name eth0 netns " + name, "ip link set c0 up",
                        "ip addr add 169.254.77.1/32 dev c0", f"ip route add {ip4}/32 dev c0", "ip -6 addr add fe80::77/64 dev c0 nodad",
                        f"ip -6 route add {ip6}/128 dev c0", "sysctl -q -w net.ipv4.ip_forward=1", "sysctl -q -w net.ipv6.conf.all.forwarding=1",
                        # Forwarding turns off what tells an interface its router (IPv6).
                        "sysctl -q -w net.ipv6.conf.eth0.accept_ra=2"):
            w.a.run(*command.split())
        for command in ("ip link set eth0 up", "ip link set lo up", f"ip addr add {ip4}/32 dev eth0", "ip route add default via 169.254.77.1 dev eth0 onlink",
                        f"ip -6 addr add {ip6}/128 dev eth0 nodad", "ip -6 route add default via fe80::77 dev eth0"):
            subprocess.run(["nsenter", f"--net=/run/netns/{name}", *command.split()], check=True)
        until(lambda: get(w.a, f"network/interfaces/macs/{w.a.mac}/ipv6-prefix") != 404, "the prefix is the interface's")
        yield place
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
        w.ec2.unassign_private_ip_addresses(NetworkInterfaceId=w.a.eni, Ipv4Prefixes=[nic["Ipv4Prefixes"][0]["Ipv4Prefix"]])
        w.ec2.unassign_ipv6_addresses(NetworkInterfaceId=w.a.eni, Ipv6Prefixes=[nic["Ipv6Prefixes"][0]["Ipv6Prefix"]])


@pytest.mark.parametrize("address", [METADATA, METADATA6])
def test_hop_limit(w, container, address):
    """A token goes no further than the instance unless its options say so; the rest of the metadata does."""
    put = (f"PUT /latest/api/token HTTP/1.1\r\nHost: x\r\n{LIFE}: 60\r\n\r\n").encode()
    assert get(container, "instance-id", address=address) == w.a.id
    with w.a.wire() as wire, container.dial(address, 80) as s:
        s.sendall(put)
        frame = wire.receive(lambda f: b"HTTP/1.1 200" in f.raw, "the token's packet at the instance")
        assert (frame.raw[22] if ":" not in address else frame.raw[21]) == 1
        s.settimeout(1)
        with pytest.raises(OSError):
            s.recv(1000)
    assert len(token(w.a, address=address)) == 56
    with options(w, w.a, HttpPutResponseHopLimit=2):
        until(lambda: put_hops(w.a, put, address) == 2, "the new limit acts")
        mine = token(container, address=address)
        assert with_token(container, "instance-id", mine, address=address) == w.a.id


def put_hops(i, put, address):
    with i.wire() as wire:
        assert b"200 OK" in exchange(i, put, address)
        raw = wire.receive(lambda f: b"HTTP/1.1 200" in f.raw, "the reply").raw
        return raw[21] if ":" in address else raw[22]


def test_another_interface(w):
    """What the instance asks through its second interface is answered as through its first."""
    group = w.cloud.group(w.A, "second")
    eni = w.ec2.create_network_interface(SubnetId=w.subnet, Groups=[group])["NetworkInterface"]
    w.ec2.attach_network_interface(NetworkInterfaceId=eni["NetworkInterfaceId"], InstanceId=w.a.id, DeviceIndex=1)
    until(lambda: w.a.run("ip", "-4", "-o", "addr", "show", "dev", "eth1", check=False).stdout.count(eni["PrivateIpAddress"]), "eth1")
    w.a.run("ip", "route", "replace", METADATA + "/32", "via", "10.0.1.1", "dev", "eth1", "src", eni["PrivateIpAddress"])
    try:
        assert get(w.a, "instance-id") == w.a.id and get(w.a, "mac") == w.a.mac
        assert set(get(w.a, "network/interfaces/macs/").split()) == {w.a.mac + "/", eni["MacAddress"] + "/"}
        assert get(w.a, f"network/interfaces/macs/{eni['MacAddress']}/device-number") == "1"
        assert get(w.a, f"network/interfaces/macs/{eni['MacAddress']}/security-groups") == "second"
        assert with_token(w.a, "instance-id", token(w.a)) == w.a.id
    finally:
        w.a.run("ip", "route", "del", METADATA + "/32", check=False)
    assert with_token(w.a, "instance-id", token(w.a)) == w.a.id


# Clients that people have

def test_curl(w):
    """As in EC2's documentation."""
    script = (f'TOKEN=$(curl -s -X PUT http://{METADATA}/latest/api/token -H "{LIFE}: 21600") && '
              f'curl -s -H "{TOKEN}: $TOKEN" http://{METADATA}/latest/meta-data/instance-id')
    assert w.a.run("sh", "-c", script).stdout == w.a.id


def test_aws_cli(w):
    """Where nothing else names a region, the AWS CLI (version 2) takes the instance's."""
    said = w.a.run("env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", "/usr/bin/aws", "configure", "list").stdout
    assert ["region", "us-east-1", "imds"] in [line.split()[:3] for line in said.splitlines()], said


def test_botocore(w):
    """The region and the (missing) credentials of the SDK's default chain, with tokens required."""
    code = ("import botocore.session, botocore.utils as u, json\n"
            "s = botocore.session.Session()\n"
            "print(json.dumps([u.IMDSRegionProvider(s).provide(),\n"
            "                  u.InstanceMetadataFetcher(timeout=5, num_attempts=1).retrieve_iam_role_credentials()]))\n")
    with options(w, w.a, HttpTokens="required"):
        until(lambda: get(w.a, "instance-id") == 401, "tokens required")
        out = w.a.run("env", "-i", "/usr/bin/python3", "-W", "ignore", "-c", code).stdout
        assert json.loads(out.splitlines()[-1]) == ["us-east-1", {}]
        six = "import os; os.environ['AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE']='ipv6'\n" + code
        out = w.a.run("env", "-i", "/usr/bin/python3", "-W", "ignore", "-c", six).stdout
        assert json.loads(out.splitlines()[-1])[0] == "us-east-1"


def test_identity_document(w, tmp_path):
    """Verified with openssl as EC2's documentation says, with this installation's certificate."""
    certificate = f"{w.cloud.directory}/services/identity/certificate.pem"
    assert os.stat(f"{w.cloud.directory}/services/identity/key.pem").st_mode & 0o077 == 0
    base = "/latest/dynamic/instance-identity/"
    document = ask(w.a, base + "document")[2]
    said = json.loads(document)
    assert said["instanceId"] == w.a.id and said["privateIp"] == "10.0.1.10" and said["region"] == "us-east-1"
    (tmp_path / "document").write_bytes(document)
    for name in "pkcs7", "rsa2048":
        (tmp_path / name).write_bytes(b"-----BEGIN PKCS7-----\n" + ask(w.a, base + name)[2] + b"\n-----END PKCS7-----\n")
        verify = ["openssl", "smime", "-verify", "-in", tmp_path / name, "-inform", "PEM", "-certfile", certificate, "-noverify"]
        done = subprocess.run(verify, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert done.returncode == 0 and done.stdout == document, done.stderr
    (tmp_path / "signature").write_bytes(base64.b64decode(ask(w.a, base + "signature")[2]))
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], stdout=subprocess.PIPE, check=True).stdout
    (tmp_path / "key").write_bytes(key)
    check = ["openssl", "dgst", "-sha256", "-verify", tmp_path / "key", "-signature", tmp_path / "signature"]
    assert subprocess.run([*check, tmp_path / "document"], stdout=subprocess.DEVNULL).returncode == 0
    (tmp_path / "document").write_bytes(document.replace(b"10.0.1.10", b"10.0.1.11"))
    assert subprocess.run([*check, tmp_path / "document"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0
    assert json.loads(ask(w.b, base + "document")[2])["instanceId"] == w.b.id


# Attacks

def test_malformed(w):
    """One reply of its own to each, and the next client is served."""
    host = b"\r\nHost: x\r\n\r\n"
    for request, status in ((b"GET / HTTP/1.1\r\n\r\n", 400), (b"\r\n" + host, 400), (b"POST / HTTP/1.1" + host, 405), (b"GET / HTTP/9.9" + host, 505),
                            (b"GET /" + b"a" * 5000 + b" HTTP/1.1" + host, 414),
                            (b"GET / HTTP/1.1\r\nA: " + b"a" * 20000 + host, 431), (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + host, 431),
                            (b"GET / HTTP/1.1\r\nContent-Length: 5" + host + b"hello", 413),
                            (b"PUT /latest/api/token HTTP/1.1\r\nTransfer-Encoding: chunked" + host + b"0\r\n\r\n", 411),
                            (b"GET /latest/meta-data/../user-data HTTP/1.1" + host, 404), (b"GET /latest/meta-data/%2e%2e/ HTTP/1.1" + host, 404),
                            (b"GET /../../../../etc/passwd HTTP/1.1" + host, 404), (bytes(range(256)), 400)):
        got = exchange(w.b, request)
        assert got.startswith(b"HTTP/1.1 %d " % status), (request[:60], got[:60])
        assert b"Connection: close" in got
    # What is behind the first request is not looked at.
    got = exchange(w.b, b"GET /latest/meta-data/mac HTTP/1.1" + host + b"GET /latest/meta-data/local-ipv4 HTTP/1.1" + host)
    assert got.endswith(w.b.mac.encode()) and got.count(b"HTTP/1.1") == 1
    assert get(w.b, "instance-id") == w.b.id


def test_slow_and_many(w):
    """An instance that holds all the connections it may, a byte at a time, is cut off after ten seconds, whatever
    it sends; meanwhile another is served at once, and its own further connections are closed."""
    began = time.monotonic()
    held = [w.b.dial(METADATA, 80) for _ in range(64)]
    try:
        for s in held:
            s.sendall(b"G")
        assert exchange(w.b, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b"" or pytest.fail("a 65th connection was served")
        for _ in range(20):
            asked = time.monotonic()
            assert get(w.a, "instance-id") == w.a.id
            assert time.monotonic() - asked < 2
        drip, got = held[0], b""
        drip.settimeout(0.5)
        while time.monotonic() - began < 20:
            with contextlib.suppress(TimeoutError):
                more = drip.recv(1000)
                got += more
                if not more:
                    break
            with contextlib.suppress(OSError):
                drip.sendall(b"E")
        took = time.monotonic() - began
        assert got.startswith(b"HTTP/1.1 408 ") and 8 < took < 19, (took, got)
    finally:
        for s in held:
            s.close()
    until(lambda: get(w.b, "instance-id") == w.b.id, "it is served again")


def test_flood(w):
    """Connections as fast as one instance can make them do not keep another from being served."""
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                with w.b.dial(METADATA, 80, seconds=0.2) as s:
                    s.sendall(b"GET /latest/dynamic/instance-identity/pkcs7 HTTP/1.1\r\nHost: x\r\n\r\n")
    threads = [threading.Thread(target=flood) for _ in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(30):
            asked = time.monotonic()
            assert get(w.a, "instance-id") == w.a.id
            assert time.monotonic() - asked < 2
    finally:
        stop.set()
        for t in threads:
            t.join()
