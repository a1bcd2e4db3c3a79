# SPDX-License-Identifier: Apache-2.0
"""vpc-logs alone, with a spool that the test fills.

    test --files--> STATE/spool/ready --> vpc-logs --> a small S3 (s3.py), or STATE/logs/logs.db
"""
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time

import pytest
from s3 import KEY, REGION, SECRET, Server

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("VPCD_BUILD", os.path.join(TOP, "build"))
SECONDS = int(os.environ.get("VPCD_TEST_SECONDS", "60"))
HEADER = "version account-id action"

for name in [n for n in os.environ if n.startswith("AWS_") or n.lower().endswith("_proxy")]:
    del os.environ[name]


def wait_until(condition, seconds=SECONDS, what=""):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what or "it did not happen"
        time.sleep(0.02)  # between two looks, with a bound


class Spool:
    """The directory as spool_put leaves it (src/flowlog/spool_text.h)."""

    def __init__(self, state):
        self.new, self.ready = os.path.join(state, "spool", "new"), os.path.join(state, "spool", "ready")
        self.numbers = itertools.count()
        os.makedirs(self.new)
        os.makedirs(self.ready)

    def put(self, records, flow_log="fl-00000000000000001", eni="eni-00000000000000001", account="000000000001",
            region="us-east-1", to="s3", destination="arn:aws:s3:::flow-logs", traffic="all", end=1700000100,
            options="", header=HEADER, start=None, text=None):
        """`records` is a list of texts, or of (seconds, text)."""
        start = end - 60 if start is None else start
        lines = "".join("%d %s\n" % (r if isinstance(r, tuple) else (start, r)) for r in records)
        content = text or (
            f"vpcd-flow-batch 1\nflow-log {flow_log}\neni {eni}\naccount {account}\nregion {region}\nto {to}\n"
            f"destination {destination}\ntraffic {traffic}\nwindow {start} {end}\noptions{options}\nheader {header}\n"
            f"bytes {len(lines)}\n\n{lines}")
        name = f"{end}_{flow_log}_{eni}_{account}_{len(content)}_{next(self.numbers):016x}"
        with open(os.path.join(self.new, name), "w") as f:
            f.write(content)
        os.rename(os.path.join(self.new, name), os.path.join(self.ready, name))
        return name

    def names(self):
        return sorted(os.listdir(self.ready))

    def wait_empty(self, seconds=SECONDS):
        wait_until(lambda: not self.names(), seconds, "batches stay in the spool")


class Logs:
    """A vpc-logs; `start` may be called again after `kill` or `stop`."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="vpc-logs-")
        self.spool = Spool(self.directory)
        self.process = None
        self.credentials(f"[default]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")

    def credentials(self, text):
        with open(os.path.join(self.directory, "s3-keys"), "w") as f:
            f.write(text)

    def start(self, endpoint=None, seconds=1, options=(), wrapper=()):
        command = [*wrapper, os.path.join(BUILD, "vpc-logs"), "--state-dir", self.directory, "--s3-seconds", str(seconds)]
        if endpoint:
            command += ["--s3-endpoint", endpoint, "--s3-region", REGION, "--s3-credentials",
                        os.path.join(self.directory, "s3-keys")]
        self.log = open(os.path.join(self.directory, "log"), "ab")
        self.process = subprocess.Popen([*command, *options], stderr=self.log)
        return self

    def log_text(self):
        with open(os.path.join(self.directory, "log"), errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)

    def minds_signals(self):
        """It has begun, so far that SIGTERM ends it as it should."""
        try:
            with open(f"/proc/{self.process.pid}/status") as f:
                masks = [line.split()[1] for line in f if line.startswith(("SigBlk:", "SigCgt:"))]
        except FileNotFoundError:
            masks = []
        return self.process.poll() is not None or any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

    def stop(self):
        wait_until(self.minds_signals)
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)

    def report(self):
        """What `vpcctl status` shows."""
        try:
            with open(os.path.join(self.directory, "logs", "vpc-logs.json")) as f:
                return json.load(f)
        except FileNotFoundError:
            return {}

    def query(self, sql, *values):
        path = os.path.join(self.directory, "logs", "logs.db")
        if not os.path.exists(path):
            return []
        db = sqlite3.connect(path, timeout=30)
        try:
            return db.execute(sql, values).fetchall()
        except sqlite3.OperationalError as e:
            if "no such table" in str(e):
                return []
            raise
        finally:
            db.close()

    def status(self, flow_log="fl-00000000000000001"):
        """(True, message) once the delivery of the flow log was told: message None: well."""
        rows = self.query("SELECT message FROM statuses WHERE flow_log = ?", flow_log)
        return (True, rows[0][0]) if rows else (False, None)

    def events(self):
        return self.query("SELECT g.account, g.region, g.name, s.name, e.time, e.message FROM events e"
                          " JOIN streams s ON s.id = e.stream_id JOIN groups g ON g.id = e.group_id ORDER BY e.id")

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


@pytest.fixture
def logs():
    made = Logs()
    yield made
    alive = made.process and made.process.poll() is None
    status = made.stop() if alive else made.process.returncode if made.process else 0
    text = made.log_text()
    made.close()
    assert status == 0, text


@pytest.fixture
def s3():
    server = Server()
    yield server
    server.close()
