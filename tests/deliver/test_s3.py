# SPDX-License-Identifier: Apache-2.0
"""Flow logs in S3: AWS's keys, gzip, the header; servers that fail, and what is never lost."""
import gzip
import os
import re
import socket
import ssl
import subprocess
import threading

import pytest
from conftest import HEADER, wait_until
from s3 import KEY, SECRET, Server

FLOW_LOG = "fl-00000000000000001"


def records(server, bucket="flow-logs"):
    """Of all objects: records in the order of keys, without headers."""
    out = []
    for _, body in sorted(server.objects[bucket].items()):
        header, *lines = gzip.decompress(body).decode().splitlines()
        assert header == HEADER
        out += lines
    return out


def test_one_object_of_a_span(logs, s3):
    """The window that ends at 16:20:00 and one before it come into one file, named by the span's end."""
    logs.spool.put(["2 1 REJECT"], end=1529511600, eni="eni-2")  # 2018-06-20T16:20:00Z
    logs.spool.put(["2 1 ACCEPT", "2 2 ACCEPT"], end=1529511540)
    logs.start(s3.endpoint, seconds=300)
    logs.spool.wait_empty()
    (key, body), = s3.objects["flow-logs"].items()
    assert re.fullmatch("AWSLogs/000000000001/vpcflowlogs/us-east-1/2018/06/20/"
                        f"000000000001_vpcflowlogs_us-east-1_{FLOW_LOG}_20180620T1620Z_[0-9a-f]{{8}}[.]log[.]gz", key)
    assert gzip.decompress(body).decode() == HEADER + "\n2 1 ACCEPT\n2 2 ACCEPT\n2 1 REJECT\n"
    assert logs.status() == (True, None)
    wait_until(lambda: not logs.query("SELECT * FROM batches"))


@pytest.mark.parametrize("options,middle", [
    (" hive", "aws-account-id=000000000001/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20"),
    (" per-hour", "000000000001/vpcflowlogs/us-east-1/2018/06/20/16"),
    (" hive per-hour",
     "aws-account-id=000000000001/aws-service=vpcflowlogs/aws-region=us-east-1/year=2018/month=06/day=20/hour=16")])
def test_partitions_and_folders(logs, s3, options, middle):
    logs.spool.put(["2 1 ACCEPT"], end=1529511600, options=options, destination="arn:aws:s3:::flow-logs/a folder/(b)=c+d/")
    logs.start(s3.endpoint)
    logs.spool.wait_empty()
    key, = s3.objects["flow-logs"]
    assert key.startswith(f"a folder/(b)=c+d/AWSLogs/{middle}/000000000001_vpcflowlogs_us-east-1_{FLOW_LOG}_20180620T1620Z_")


def test_flow_logs_and_spans_apart(logs, s3):
    logs.spool.put(["a a a"], end=1529511600)
    logs.spool.put(["b b b"], end=1529511601)
    logs.spool.put(["c c c"], flow_log="fl-00000000000000002", end=1529511600)
    logs.start(s3.endpoint, seconds=300)
    logs.spool.wait_empty()
    assert len(s3.objects["flow-logs"]) == 3
    assert sorted(records(s3)) == ["a a a", "b b b", "c c c"]


def test_a_span_that_is_not_over_waits(logs, s3):
    import time
    logs.spool.put(["a a a"], end=int(time.time()) + 1000)
    logs.spool.put(["b b b"], end=1529511600, flow_log="fl-00000000000000002")
    logs.start(s3.endpoint, seconds=300)
    s3.wait(lambda: s3.requests)
    wait_until(lambda: logs.report().get("waiting") == 1)
    assert records(s3) == ["b b b"]


def test_keys_of_accounts(logs, s3):
    """A section for the account, none for others: those are refused, and delivered once there is one."""
    own = f"[000000000001]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n"
    logs.credentials(own)
    logs.spool.put(["own own own"])
    logs.spool.put(["other other other"], account="000000000002", flow_log="fl-00000000000000002")
    logs.start(s3.endpoint)
    wait_until(lambda: logs.status("fl-00000000000000002") == (True, "Access error") and logs.status() == (True, None))
    assert records(s3) == ["own own own"]
    logs.credentials(own.replace("000000000001", "default"))
    logs.spool.wait_empty()
    assert sorted(records(s3)) == ["other other other", "own own own"]


def test_wrong_secret(logs, s3):
    logs.credentials(f"[default]\naws_access_key_id={KEY}\naws_secret_access_key=wrong\n")
    logs.spool.put(["a a a"])
    logs.start(s3.endpoint)
    s3.wait(lambda: s3.requests)
    assert s3.requests[0][2] == 403
    wait_until(lambda: logs.status() == (True, "Access error"))
    assert "SignatureDoesNotMatch" in logs.log_text() and "wrong" not in logs.log_text().replace("went wrong", "")
    logs.credentials(f"[default]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n")
    logs.spool.wait_empty()
    assert records(s3) == ["a a a"] and logs.status() == (True, None)


def test_no_bucket_does_not_hold_up_others(logs, s3):
    logs.spool.put(["lost lost lost"], destination="arn:aws:s3:::no-such-bucket", flow_log="fl-00000000000000002")
    logs.start(s3.endpoint)
    wait_until(lambda: logs.status("fl-00000000000000002") == (True, "Access error"))
    for i in range(20):
        logs.spool.put([f"{i} a a"], end=1529511600 + i * 1000)
    wait_until(lambda: len(logs.spool.names()) == 1)
    assert len(records(s3)) == 20
    wait_until(lambda: [d["name"] for d in logs.report().get("down", [])] == ["s3 000000000001 no-such-bucket"])


def test_an_hour_without_the_server(logs):
    """An hour's windows wait while nobody listens; all of it arrives, once, when the server is there."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    begin = 1529510400
    for minute in range(60):
        for eni in range(3):
            logs.spool.put([f"{minute} {eni} {n}" for n in range(5)], end=begin + 60 * (minute + 1), eni=f"eni-{eni}")
    logs.start(f"http://127.0.0.1:{port}", seconds=300)
    wait_until(lambda: logs.status() == (True, "Unknown error"))
    assert len(logs.spool.names()) == 180
    s3 = Server(port=port)
    logs.spool.wait_empty()
    assert len(s3.objects["flow-logs"]) == 12
    assert sorted(records(s3)) == sorted(f"{m} {e} {n}" for m in range(60) for e in range(3) for n in range(5))
    assert logs.status() == (True, None)
    s3.close()


def test_errors_that_pass(logs, s3):
    answers = iter([500, 503, 429])
    s3.behave = lambda *a: next(answers, None)
    logs.spool.put(["a a a"])
    logs.start(s3.endpoint)
    logs.spool.wait_empty()
    assert [status for _, _, status in s3.requests] == [500, 503, 429, 200]
    assert len({key for _, key, _ in s3.requests}) == 1
    assert records(s3) == ["a a a"]


def test_killed_at_any_moment(logs, s3):
    """kill -9 before the answer, after it, and at random: nothing is lost, and no second object is made of the same."""
    import random
    for i in range(30):
        logs.spool.put([f"{i} a a", f"{i} b b"], end=1529511600 + 300 * i)
    killed = threading.Event()

    def lose_the_answer(handler, bucket, key):
        """It is stored, but nobody is told."""
        if killed.is_set() or len(s3.requests) < 3:
            return None
        body = None
        s3.objects[bucket].setdefault(key, body)
        killed.set()
        handler.connection.shutdown(socket.SHUT_RDWR)
        return 500

    s3.behave = lose_the_answer
    logs.start(s3.endpoint, seconds=300)
    assert killed.wait(30)
    logs.kill()
    for _ in range(8):
        logs.start(s3.endpoint, seconds=300)
        seen = len(s3.requests) + random.randrange(3)
        wait_until(lambda: len(s3.requests) >= seen or not logs.spool.names())
        logs.kill()
    # A batch that comes late does not change what an object is made of.
    logs.spool.put(["late late late"], end=1529511600)
    logs.start(s3.endpoint, seconds=300)
    logs.spool.wait_empty()
    expected = [f"{i} {x} {x}" for i in range(30) for x in "ab"] + ["late late late"]
    assert sorted(records(s3)) == sorted(expected)
    for bucket, key, body in s3.writes:
        assert s3.objects[bucket][key] == body, "a second attempt sent other bytes"


def test_a_server_that_hangs_does_not_hold_up_others(logs, s3):
    release = threading.Event()
    s3.objects["slow-bucket"] = {}
    s3.behave = lambda handler, bucket, key: release.wait(60) and None if bucket == "slow-bucket" else None
    logs.spool.put(["slow slow slow"], destination="arn:aws:s3:::slow-bucket", flow_log="fl-00000000000000002")
    logs.start(s3.endpoint)
    logs.spool.put(["a a a"])
    logs.spool.put(["2 2 2"], to="log-group", destination="group", flow_log="fl-00000000000000003")
    wait_until(lambda: len(logs.spool.names()) == 1)
    assert records(s3) == ["a a a"] and len(logs.events()) == 1
    release.set()
    logs.spool.wait_empty()
    assert records(s3, "slow-bucket") == ["slow slow slow"]


@pytest.fixture
def certificate(tmp_path):
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, str(cert)


def test_tls_is_verified(logs, certificate):
    context, cert = certificate
    s3 = Server(tls=context)
    logs.spool.put(["a a a"])
    logs.start(s3.endpoint)
    wait_until(lambda: logs.status() == (True, "Unknown error"))
    assert "certificate" in logs.log_text() and not s3.requests
    assert logs.stop() == 0
    logs.start(s3.endpoint, options=["--s3-ca", cert])
    logs.spool.wait_empty()
    assert records(s3) == ["a a a"]
    s3.close()


def test_not_configured(logs):
    logs.spool.put(["a a a"])
    logs.start()
    wait_until(lambda: logs.status() == (True, "Access error"))
    assert "--flow-log-s3-endpoint" in logs.log_text() and len(logs.spool.names()) == 1


def test_strange_files(logs, s3):
    """What is no batch stays and harms nobody; links are not followed."""
    os.symlink("/etc/passwd", os.path.join(logs.spool.ready, "1529511600_fl-9_eni-1_000000000001_5_0123456789abcdef"))
    with open(os.path.join(logs.spool.ready, "README"), "w") as f:
        f.write("no batch")
    logs.spool.put([], text="nonsense\n", flow_log="fl-00000000000000008")
    logs.spool.put(["a a a"])
    logs.start(s3.endpoint)
    wait_until(lambda: len(logs.spool.names()) == 3)
    logs.spool.put([], text="vpcd-flow-batch 1\nflow-log fl-1\n")  # broken, of a flow log that is known
    logs.spool.put(["b b b"])
    wait_until(lambda: len(logs.spool.names()) == 3)
    assert sorted(records(s3)) == ["a a a", "b b b"]
    wait_until(lambda: logs.report().get("strange") == 3)
    assert "broken" in logs.log_text()


def test_a_second_attempt_is_the_first_again(logs, s3):
    """Killed after the server has it and before anybody was told; then a batch of the same span comes late."""
    arrived, killed = threading.Event(), threading.Event()

    def first(handler, bucket, key):
        if arrived.is_set():
            return None
        s3.objects[bucket][key] = None
        arrived.set()
        killed.wait(30)
        return 500

    s3.behave = first
    logs.spool.put(["a a a"], end=1529511600)
    logs.start(s3.endpoint, seconds=300)
    assert arrived.wait(30)
    logs.kill()
    killed.set()
    logs.spool.put(["late late late"], end=1529511600)
    logs.start(s3.endpoint, seconds=300)
    logs.spool.wait_empty()
    assert sorted(records(s3)) == ["a a a", "late late late"]  # the same key as before, and one of its own
