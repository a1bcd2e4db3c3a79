# SPDX-License-Identifier: Apache-2.0
"""The echo server as a fixture, and a client that sends exactly the bytes it is told to."""

import os
import select
import socket
import subprocess
import time

import pytest

BOUND = 20  # seconds that anything may take before a test fails


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def fields(self):
        return dict(line.split(" ", 1) for line in self.body.decode("latin-1").splitlines())


class Client:
    def __init__(self, address, source=None, wrap=None):
        host, port = address.rsplit(":", 1)
        self.sock = socket.create_connection((host.strip("[]"), int(port)), BOUND,
                                             (source, 0) if source else None)
        if wrap:
            self.sock = wrap(self.sock)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode("latin-1"))

    def more(self):
        piece = self.sock.recv(65536)
        self.data += piece
        return bool(piece)

    def reply(self, body=True):
        """The next reply, or None when the connection ended before it."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                assert self.data == b""
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v for n, v in (line.split(": ", 1) for line in lines[1:])}
        status = int(lines[0].split(" ")[1])
        length = int(headers.get("content-length", 0)) if body else 0
        while len(self.data) < length:
            assert self.more(), "the reply was cut"
        text, self.data = self.data[:length], self.data[length:]
        return Reply(status, headers, text)

    def ask(self, data):
        self.send(data)
        return self.reply()

    def get(self, path):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")

    def post(self, path, body):
        return self.ask(f"POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: {len(body)}\r\n\r\n"
                        .encode() + body)

    def ended(self):
        """Reads up to the end: whether it came with nothing before it."""
        try:
            while self.more():
                pass
        except ConnectionError:
            pass
        return self.data == b""

    def send_slowly(self, data, pause):
        """A byte each `pause` seconds, until there is something to read. How many were sent."""
        for i in range(len(data)):
            self.send(data[i:i + 1])
            if select.select([self.sock], [], [], pause)[0]:
                return i + 1
        return len(data)


class Server:
    def __init__(self, **limits):
        args = [f"{name}={value}" for name, value in limits.items()]
        self.process = subprocess.Popen([os.environ["HTTP_ECHO_SERVER"], *args],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = self.process.stdout.readline().decode().split()
        assert line and line[0] == "ready", "the server did not start"
        self.address = line[1]

    def client(self, source=None, wrap=None):
        return Client(self.address, source, wrap)

    def once(self, path):
        """A reply on a connection of its own."""
        with self.client() as c:
            return c.get(path)

    def counters(self):
        return {name: int(n) for name, n in self.once("/counters").fields().items()}

    def wait_counter(self, name, value):
        """Until the counter is at least `value`."""
        end = time.monotonic() + BOUND
        while True:
            counters = self.counters()
            if counters[name] >= value:
                return counters
            assert time.monotonic() < end, f"{name} stayed at {counters[name]}"

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        with open(f"/proc/{self.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def stop(self):
        self.process.stdin.close()
        code = self.process.wait(BOUND)
        self.process.stdout.close()
        return code


@pytest.fixture
def start():
    """start(limit=value, ...) -> Server; each must end cleanly (under ASan: without a leak)."""
    servers = []

    def start_one(**limits):
        servers.append(Server(**limits))
        return servers[-1]

    yield start_one
    codes = [server.stop() for server in servers]
    assert codes == [0] * len(codes)


@pytest.fixture
def server(start):
    return start()
