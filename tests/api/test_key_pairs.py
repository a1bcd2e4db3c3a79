# SPDX-License-Identifier: Apache-2.0
"""Key pairs: what EC2 answers, and whether OpenSSL agrees with the keys and their fingerprints."""
import base64
import hashlib
import struct
import subprocess

import pytest
from conftest import error, error_code, filters
from net import Net


def openssl(*command, data):
    return subprocess.run(["openssl", *command], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


def colons(digest):
    return ":".join(f"{b:02x}" for b in digest)


def strings(wire):
    """The strings of SSH's wire format."""
    found = []
    while wire:
        n, = struct.unpack(">I", wire[:4])
        found.append(wire[4:4 + n])
        wire = wire[4 + n:]
    return found


def make_public(kind="rsa", bits=2048):
    """A key pair of OpenSSL's: its public half as DER, and as a line of OpenSSH's."""
    options = ["-algorithm", "ed25519"] if kind == "ed25519" else ["-algorithm", "rsa", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
    der = openssl("pkey", "-pubout", "-outform", "DER", data=openssl("genpkey", *options, data=b""))
    if kind == "ed25519":
        parts = [b"ssh-ed25519", der[-32:]]
    else:
        text = openssl("rsa", "-pubin", "-inform", "DER", "-noout", "-modulus", data=der)
        modulus = bytes.fromhex(text.decode().split("=")[1])
        parts = [b"ssh-rsa", b"\x01\x00\x01", b"\0" + modulus]
    wire = b"".join(struct.pack(">I", len(p)) + p for p in parts)
    return der, wire, f"{parts[0].decode()} {base64.b64encode(wire).decode()} me@home\n".encode()


def described(ec2, **params):
    return ec2.describe_key_pairs(**params)["KeyPairs"]


def test_rsa(ec2):
    made = ec2.create_key_pair(KeyName="a")
    assert made["KeyPairId"].startswith("key-") and made["KeyName"] == "a"
    pem = made["KeyMaterial"].encode()
    assert pem.startswith(b"-----BEGIN RSA PRIVATE KEY-----") and pem.endswith(b"-----END RSA PRIVATE KEY-----")
    der = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", data=pem)
    assert made["KeyFingerprint"] == colons(hashlib.sha1(der).digest())
    assert b"2048 bit" in openssl("rsa", "-noout", "-text", data=pem)
    seen = described(ec2, KeyNames=["a"], IncludePublicKey=True)[0]
    assert (seen["KeyPairId"], seen["KeyFingerprint"], seen["KeyType"]) == (made["KeyPairId"], made["KeyFingerprint"], "rsa")
    modulus = openssl("rsa", "-noout", "-modulus", data=pem).decode().strip().split("=")[1].lower()
    assert strings(base64.b64decode(seen["PublicKey"].split()[1]))[2].hex() == "00" + modulus
    assert "CreateTime" in seen and "PublicKey" not in described(ec2)[0]


def test_ed25519(ec2):
    made = ec2.create_key_pair(KeyName="e", KeyType="ed25519")
    lines = made["KeyMaterial"].split("\n")
    assert (lines[0], lines[-1]) == ("-----BEGIN OPENSSH PRIVATE KEY-----", "-----END OPENSSH PRIVATE KEY-----")
    data = base64.b64decode("".join(lines[1:-1]))
    head = b"openssh-key-v1\0" + b"\0\0\0\4none" * 2 + b"\0\0\0\0" + b"\0\0\0\1"
    assert data.startswith(head)
    public, secret = strings(data[len(head):])
    seen = described(ec2, KeyNames=["e"], IncludePublicKey=True)[0]
    assert base64.b64decode(seen["PublicKey"].split()[1]) == public
    assert made["KeyFingerprint"] == base64.b64encode(hashlib.sha256(public).digest()).decode()
    # Two equal check numbers, the public key again, the seed and the public key, the comment, the padding.
    assert secret[:4] == secret[4:8] and len(secret) % 8 == 0
    name, key, pair = strings(secret[8:8 + 4 + 11 + 4 + 32 + 4 + 64])
    assert (name, key) == (b"ssh-ed25519", strings(public)[1]) and pair[32:] == key
    # The seed makes this public key (RFC 8410: its DER is a fixed head and the seed).
    der = bytes.fromhex("302e020100300506032b657004220420") + pair[:32]
    assert openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", data=der)[-32:] == key


@pytest.mark.parametrize("bits", [1024, 2048, 4096])
def test_import_rsa(ec2, bits):
    der, _, line = make_public(bits=bits)
    made = ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=line)
    assert made["KeyFingerprint"] == colons(hashlib.md5(der).digest())
    assert "KeyMaterial" not in made
    seen = described(ec2, KeyPairIds=[made["KeyPairId"]], IncludePublicKey=True)[0]
    assert seen["KeyType"] == "rsa" and seen["PublicKey"].split()[:2] == line.decode().split()[:2]


def test_import_ed25519(ec2):
    _, wire, line = make_public("ed25519")
    made = ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=line)
    assert made["KeyFingerprint"] == base64.b64encode(hashlib.sha256(wire).digest()).decode()


def test_import_other_forms(ec2):
    der, wire, _ = make_public()
    body = base64.b64encode(wire).decode()
    file = "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a \\\nb\"\n" + "\n".join(
        body[i:i + 70] for i in range(0, len(body), 70)) + "\n---- END SSH2 PUBLIC KEY ----\n"
    want = colons(hashlib.md5(der).digest())
    assert ec2.import_key_pair(KeyName="file", PublicKeyMaterial=file.encode())["KeyFingerprint"] == want
    assert ec2.import_key_pair(KeyName="der", PublicKeyMaterial=base64.b64encode(der))["KeyFingerprint"] == want


def test_import_what_is_no_key(ec2):
    _, wire, line = make_public()
    short = make_public(bits=1536)[2]
    for bad in (b"x", b"ssh-rsa", b"ssh-rsa AAAA", line[:60], b"ssh-dss " + base64.b64encode(wire), short,
                b"ssh-rsa " + base64.b64encode(wire + b"\0"), b"\0" + line, b"ssh-ed25519 " + base64.b64encode(
                    struct.pack(">I", 0xffffffff) + b"ssh-ed25519")):
        assert error_code(ec2.import_key_pair, KeyName="bad", PublicKeyMaterial=bad) == "InvalidKey.Format", bad
    assert described(ec2) == []


def test_names(ec2, account):
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    assert error_code(ec2.create_key_pair, KeyName="k", KeyType="ed25519") == "InvalidKeyPair.Duplicate"
    assert error_code(ec2.import_key_pair, KeyName="k", PublicKeyMaterial=make_public("ed25519")[2]) == \
        "InvalidKeyPair.Duplicate"
    assert error_code(ec2.create_key_pair, KeyName="") == "MissingParameter"
    assert error_code(ec2.create_key_pair, KeyName="x" * 256) == "InvalidParameterValue"
    assert error_code(ec2.create_key_pair, KeyName="ä") == "InvalidParameterValue"
    ec2.create_key_pair(KeyName="x" * 255, KeyType="ed25519")
    account.client("ec2", "eu-west-1").create_key_pair(KeyName="k", KeyType="ed25519")
    assert error_code(ec2.create_key_pair, KeyName="p", KeyFormat="ppk") == "InvalidParameterValue"
    assert error_code(ec2.create_key_pair, KeyName="p", KeyType="dsa") == "InvalidParameterValue"


def test_delete(ec2, other):
    a, b = (ec2.create_key_pair(KeyName=n, KeyType="ed25519")["KeyPairId"] for n in "ab")
    other.ec2.delete_key_pair(KeyName="a")
    assert error_code(other.ec2.delete_key_pair, KeyPairId=a) == "InvalidKeyPair.NotFound"
    ec2.delete_key_pair(KeyName="a")
    ec2.delete_key_pair(KeyName="a")  # it is gone: as on EC2, no error
    ec2.delete_key_pair(KeyPairId=b)
    assert error_code(ec2.delete_key_pair) == "MissingParameter"
    assert described(ec2) == []
    ec2.create_key_pair(KeyName="a", KeyType="ed25519")


def test_describe(ec2, other):
    made = [ec2.create_key_pair(KeyName=n, KeyType="ed25519", TagSpecifications=[
        {"ResourceType": "key-pair", "Tags": [{"Key": "of", "Value": n}]}]) for n in ("one", "two", "three")]
    for name, value in (("key-pair-id", made[1]["KeyPairId"]), ("fingerprint", made[1]["KeyFingerprint"]),
                        ("key-name", "tw?"), ("tag:of", "two")):
        assert [k["KeyName"] for k in described(ec2, Filters=filters(**{name: value}))] == ["two"]
    assert len(described(ec2, Filters=filters(tag_key="of"))) == 3
    assert [k["KeyName"] for k in described(ec2, KeyNames=["two"], KeyPairIds=[made[1]["KeyPairId"]])] == ["two"]
    code, message, _ = error(ec2.describe_key_pairs, KeyNames=["no", "one", "nor"])
    assert code == "InvalidKeyPair.NotFound" and "'no, nor'" in message
    assert error_code(other.ec2.describe_key_pairs, KeyNames=["one"]) == "InvalidKeyPair.NotFound"
    assert error_code(other.ec2.describe_key_pairs, KeyPairIds=[made[0]["KeyPairId"]]) == "InvalidKeyPair.NotFound"
    assert described(other.ec2) == []


def test_run_with_a_key(ec2, other):
    net = Net(ec2)
    ec2.create_key_pair(KeyName="k", KeyType="ed25519")
    other.ec2.create_key_pair(KeyName="theirs", KeyType="ed25519")
    assert net.run(KeyName="k")["KeyName"] == "k"
    for name in ("none", "theirs"):
        assert error_code(net.run, KeyName=name) == "InvalidKeyPair.NotFound"
    assert len(ec2.describe_instances(Filters=filters(key_name="k"))["Reservations"]) == 1
