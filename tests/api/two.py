# SPDX-License-Identifier: Apache-2.0
"""Two vpcd on one state, as they will be on etcd: the shared mode of the SQLite engine makes their conflicts.

    clients --> vpcd 1 --\\
                           one database
    clients --> vpcd 2 --/
"""
import collections
import contextlib
import os
import random
import shutil
import tempfile
import threading
import time

from conftest import Account, Vpcd
from raw import Raw


def seed():
    """Printed, so that a failure can be repeated: VPCD_TEST_SEED sets it."""
    value = int(os.environ.get("VPCD_TEST_SEED", time.time_ns() % 1000000))
    print("seed", value)
    return value


@contextlib.contextmanager
def two_servers(key):
    directory = tempfile.mkdtemp(prefix="vpcd-api-two-")
    options = ["--worker", "--shared", "--public-pool", "198.18.0.0/16"]
    servers = []
    try:
        for n in range(2):
            path = os.path.join(directory, str(n))
            os.mkdir(path)
            if n:
                os.symlink("../0/db", os.path.join(path, "db"))
            servers.append(Vpcd(path, [key], options).start())
        yield servers
    finally:
        for server in servers:
            server.close()
        shutil.rmtree(directory, ignore_errors=True)


class Caller:
    """One client: its connection, its random numbers, and the codes of what it was answered."""

    def __init__(self, server, key, seed_):
        self.raw, self.random = Raw(Account(server, *key), timeout=60), random.Random(seed_)
        self.codes = collections.Counter()

    def send(self, action, **params):
        reply = self.raw.call(action, **params)
        self.codes[reply.code if reply.status != 200 else "ok"] += 1
        assert reply.status in (200, 400), reply.text
        return reply


def run_all(callers):
    """Runs all at once; the codes of all together."""
    errors = []

    def run(caller):
        try:
            caller.run()
        except BaseException as error:
            errors.append(repr(error))

    threads = [threading.Thread(target=run, args=(c,)) for c in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors[0]
    codes = sum((c.codes for c in callers), collections.Counter())
    print(dict(codes))
    return codes


def converge(states):
    """What each of the functions tells, once it is the same: both have heard of everything then."""
    end = time.monotonic() + 30
    while True:
        told = [state() for state in states]
        if told[0] == told[1] or time.monotonic() > end:
            assert told[0] == told[1]
            return told[0]
