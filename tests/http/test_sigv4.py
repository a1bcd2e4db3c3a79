# SPDX-License-Identifier: Apache-2.0
"""What botocore signs, sigv4.c accepts; what was changed after signing, it refuses."""

import calendar
import datetime
import os
import random
import string
import subprocess
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def check():
    process = subprocess.Popen([os.environ["SIGV4_CHECK"]], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE)

    def ask(data, secret=SECRET, now=None):
        line = f"{int(now if now is not None else time.time())} {len(data)} {secret}\n"
        process.stdin.write(line.encode() + data)
        process.stdin.flush()
        return process.stdout.readline().decode().rstrip("\n")

    yield ask
    process.stdin.close()
    assert process.wait(20) == 0


def wire(request):
    """The bytes that a prepared botocore request puts on the wire."""
    prepared = request.prepare()
    url = urllib.parse.urlsplit(prepared.url)
    headers = {n: v.decode() if isinstance(v, bytes) else v for n, v in prepared.headers.items()}
    headers.setdefault("Host", url.netloc)
    body = prepared.body or b""
    if isinstance(body, str):
        body = body.encode()
    if body or request.method == "POST":
        headers["Content-Length"] = str(len(body))
    target = (url.path or "/") + ("?" + url.query if url.query else "")
    lines = [f"{request.method} {target} HTTP/1.1"] + [f"{n}: {v}" for n, v in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def post(data, region="eu-central-1", service="ec2", token=None):
    body = urllib.parse.urlencode(data)
    request = AWSRequest("POST", "http://127.0.0.1:4780/", data=body, headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "User-Agent": "aws-cli/2.9.19  Python/3.11   (blanks)"})
    SigV4Auth(Credentials(KEY, SECRET, token), service, region).add_auth(request)
    return request


def presigned(data, expires=3600, region="us-west-2"):
    request = AWSRequest("GET", "http://127.0.0.1:4780/", params=data)
    SigV4QueryAuth(Credentials(KEY, SECRET), "ec2", region, expires).add_auth(request)
    return request


def random_parameters(rng):
    letters = string.printable + "äß漢\u00a0+%&=;~"
    return {"".join(rng.choices(string.ascii_letters + ".1", k=rng.randint(1, 20))):
            "".join(rng.choices(letters, k=rng.randint(0, 40))) for _ in range(rng.randint(1, 12))}


def test_header_form(check):
    assert check(wire(post({"Action": "DescribeVpcs"}))) == f"ok {KEY} eu-central-1 ec2"
    assert check(wire(post({}, "us-east-1", "sts"))) == f"ok {KEY} us-east-1 sts"


def test_presigned_form(check):
    data = wire(presigned({"Action": "DescribeVpcs", "Version": "2016-11-15"}))
    assert check(data) == f"ok {KEY} us-west-2 ec2"
    assert check(data, now=time.time() + 3500).startswith("ok ")
    assert check(data, now=time.time() + 3700).startswith("400 RequestExpired ")
    assert check(data, now=time.time() - 800).startswith("ok ")
    assert check(data, now=time.time() - 1000).startswith("400 RequestExpired ")


@pytest.mark.parametrize("expires, good", [(1, True), (604800, True), (604801, False), (0, False),
                                           (-1, False)])
def test_expires(check, expires, good):
    answer = check(wire(presigned({"Action": "DescribeVpcs"}, expires)))
    assert answer.startswith("ok " if good else "400 IncompleteSignature X-Amz-Expires"), answer


def test_random_parameters(check):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    for _ in range(500):
        parameters = random_parameters(rng)
        assert check(wire(post(parameters))).startswith("ok "), parameters
        assert check(wire(presigned(parameters))).startswith("ok "), parameters


def test_no_byte_can_be_changed(check):
    """Any changed letter or digit of a signed request is seen, wherever it stands."""
    for request in (post({"Action": "CreateVpc", "CidrBlock": "10.0.0.0/16"}),
                    presigned({"Action": "CreateVpc", "CidrBlock": "10.0.0.0/16"})):
        data = wire(request)
        assert check(data).startswith("ok ")
        agent = data.find(b"User-Agent: ")  # is not signed
        for at in range(len(data)):
            if not data[at:at + 1].isalnum() or agent >= 0 and agent <= at < data.find(b"\r", agent):
                continue
            changed = data[:at] + (b"1" if data[at] != ord("1") else b"2") + data[at + 1:]
            # The program takes the secret for any key; another key is another's secret.
            assert not check(changed).startswith(f"ok {KEY} "), changed


def test_wrong_secret_and_unknown_key(check):
    message = "401 AuthFailure AWS was not able to validate the provided access credentials"
    data = wire(post({"Action": "DescribeVpcs"}))
    assert check(data, secret=SECRET[:-1] + "x") == message
    assert check(data, secret="-") == message
    data = wire(post({}, service="sts"))
    assert check(data, secret="x").startswith("403 SignatureDoesNotMatch ")
    assert check(data, secret="-").startswith("403 InvalidClientTokenId ")


def test_session_token(check):
    answer = check(wire(post({"Action": "DescribeVpcs"}, token="FwoGZXIvYXdzEXAMPLE")))
    assert answer.startswith("403 InvalidClientTokenId ") and "AWS_SESSION_TOKEN" in answer


def test_clock(check):
    data = wire(post({"Action": "DescribeVpcs"}))
    stamp = data.split(b"X-Amz-Date: ")[1][:16].decode()
    at = calendar.timegm(datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").timetuple())
    assert check(data, now=at + 900).startswith("ok ")
    assert check(data, now=at - 900).startswith("ok ")
    assert check(data, now=at + 901) == "400 RequestExpired Request has expired."
    assert check(data, now=at - 901).startswith("400 RequestExpired ")
