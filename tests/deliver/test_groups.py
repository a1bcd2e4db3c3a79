# SPDX-License-Identifier: Apache-2.0
"""Flow logs in log groups: AWS's names, one event a record, each of them once."""
import random

from conftest import wait_until


def put(logs, records, **what):
    what.setdefault("flow_log", "fl-00000000000000001")
    return logs.spool.put(records, to="log-group", destination=what.pop("group", "vpc/flow"), **what)


def test_streams_and_times(logs):
    put(logs, [(1700000001, "2 1 ACCEPT"), (1700000031, "2 2 REJECT")], eni="eni-1")
    put(logs, [(1700000002, "2 3 REJECT")], eni="eni-1", traffic="reject", flow_log="fl-00000000000000002")
    put(logs, [(1700000003, "2 4 ACCEPT")], eni="eni-2", traffic="accept", account="000000000002", region="eu-west-1",
        flow_log="fl-00000000000000003")
    logs.start()
    logs.spool.wait_empty()
    assert sorted(logs.events()) == [
        (1, "us-east-1", "vpc/flow", "eni-1-all", 1700000001000, "2 1 ACCEPT"),
        (1, "us-east-1", "vpc/flow", "eni-1-all", 1700000031000, "2 2 REJECT"),
        (1, "us-east-1", "vpc/flow", "eni-1-reject", 1700000002000, "2 3 REJECT"),
        (2, "eu-west-1", "vpc/flow", "eni-2-accept", 1700000003000, "2 4 ACCEPT")]
    wait_until(lambda: not logs.query("SELECT * FROM batches"))
    assert logs.status() == (True, None)


def test_large_batch(logs):
    put(logs, [f"2 {i} ACCEPT" for i in range(25000)])
    logs.start()
    logs.spool.wait_empty()
    assert [e[5] for e in logs.events()] == [f"2 {i} ACCEPT" for i in range(25000)]


def test_killed_at_any_moment(logs):
    expected = []
    for i in range(400):
        put(logs, [f"2 {i} {n}" for n in range(3)], eni=f"eni-{i % 7}", end=1700000100 + i)
        expected += [f"2 {i} {n}" for n in range(3)]
    for _ in range(10):
        logs.start()
        left = len(logs.spool.names()) - random.randrange(40)
        wait_until(lambda: len(logs.spool.names()) <= max(left, 0))
        logs.kill()
    logs.start()
    logs.spool.wait_empty()
    assert sorted(e[5] for e in logs.events()) == sorted(expected)


def test_file_that_comes_back(logs):
    """As after a loss of power: the file is there again, its name not yet forgotten."""
    name = put(logs, ["2 1 ACCEPT"])
    content = open(f"{logs.spool.ready}/{name}").read()
    logs.start()
    logs.spool.wait_empty()
    logs.stop()
    import sqlite3
    db = sqlite3.connect(f"{logs.directory}/logs/logs.db")
    db.execute("INSERT INTO batches (name, done) VALUES (?, 1)", (name,))
    db.commit()
    db.close()
    with open(f"{logs.spool.ready}/{name}", "w") as f:
        f.write(content)
    logs.start()
    logs.spool.wait_empty()
    assert len(logs.events()) == 1


def test_account_without_room(logs):
    """Its records wait; those of another account go on."""
    put(logs, ["2 %d %s" % (i, "x" * 100) for i in range(100)])
    put(logs, ["2 1 ACCEPT"], account="000000000002", flow_log="fl-00000000000000002")
    logs.start(options=["--account-log-bytes", "4096"])
    wait_until(lambda: logs.status() == (True, "Rate limited") and logs.status("fl-00000000000000002") == (True, None))
    assert [e[0] for e in logs.events()] == [2] and len(logs.spool.names()) == 1
    wait_until(lambda: logs.report().get("failures"))


def test_second_one_is_refused(logs):
    import os
    import subprocess
    from conftest import BUILD
    logs.start()
    wait_until(logs.report)
    other = subprocess.run([os.path.join(BUILD, "vpc-logs"), "--state-dir", logs.directory], capture_output=True, text=True)
    assert other.returncode == 1 and "another vpc-logs" in other.stderr
