# SPDX-License-Identifier: Apache-2.0
"""Each attack that src/http must hold (docs/HTTP.md), as its own test, over real sockets."""

import random
import select
import socket
import struct
import time

import pytest

from conftest import BOUND

HEAD = "POST /echo HTTP/1.1\r\nHost: h\r\n"
SMUGGLED = "GET /seen?smuggled HTTP/1.1\r\nHost: h\r\n\r\n"


def refused(client, status):
    """The next reply is this error, in the daemon's own form, and the last one."""
    reply = client.reply()
    assert reply is not None and reply.status == status
    assert reply.headers["connection"] == "close"
    assert reply.headers["content-type"] == "text/xml;charset=UTF-8"
    assert f"<Status>{status}</Status>".encode() in reply.body
    assert client.ended()


# ---- time ----

def test_byte_by_byte_head(start):
    server = start(request_ms=600)
    with server.client() as c:
        begin = time.monotonic()
        sent = c.send_slowly((HEAD + "X: y\r\n" * 10000).encode(), 0.02)
        refused(c, 408)
        assert 0.5 < time.monotonic() - begin < 5
        assert sent > 5, "no slow attack took place"
    assert server.counters()["timeout_request"] == 1


def test_byte_by_byte_body(start):
    server = start(request_ms=600)
    with server.client() as c:
        c.send(HEAD + "Content-Length: 100000\r\n\r\n")
        begin = time.monotonic()
        c.send_slowly(b"x" * 100000, 0.02)
        refused(c, 408)
        assert time.monotonic() - begin < 5
    counters = server.counters()
    assert counters["timeout_request"] == 1 and counters["body_bytes"] == 0


def test_silent_connection(start):
    server = start(request_ms=300)
    with server.client() as c:
        assert c.ended()
    assert server.counters()["timeout_request"] == 1


def test_idle_connection(start):
    server = start(idle_ms=300)
    with server.client() as c:
        assert c.get("/seen").status == 200
        assert c.ended()
    assert server.counters()["timeout_idle"] == 1


def test_second_request_has_its_deadline_too(start):
    server = start(request_ms=300)
    with server.client() as c:
        assert c.get("/seen").status == 200
        c.send("GET /seen HT")
        refused(c, 408)


def test_slow_reader(start):
    server = start(write_ms=500)
    with server.client() as c:
        c.send("GET /big?20000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        counters = server.wait_counter("timeout_write", 1)
        assert counters["reply_bytes"] == 0
        with pytest.raises(ConnectionError):  # cut off: the kernel forgot the rest as well
            while c.more():
                pass


def test_replies_have_a_budget(start):
    server = start(replies=3000000, write_ms=60000)
    first, second = server.client(), server.client()
    with first, second:
        first.send("GET /big?20000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert first.ended()  # above the budget alone
        first = server.client()
        first.send("GET /big?2900000 HTTP/1.1\r\nHost: h\r\n\r\n")
        assert select.select([first.sock], [], [], BOUND)[0]
        second.send("GET /big?2900000 HTTP/1.1\r\nHost: h\r\n\r\n")
        second.ended()
        assert server.counters()["over_budget"] >= 1
        assert len(first.reply().body) == 2900000
        first.sock.close()
    assert server.counters()["reply_bytes"] < 10000


def test_reply_above_its_limit(start):
    server = start(reply=100000)
    with server.client() as c:
        c.send("GET /big?100001 HTTP/1.1\r\nHost: h\r\n\r\n")
        refused(c, 500)


# ---- size ----

def test_thousands_of_headers(server):
    with server.client() as c:
        c.send("GET / HTTP/1.1\r\nHost: h\r\n" + "a: b\r\n" * 5000)
        refused(c, 431)
    with server.client() as c:
        assert c.ask("GET / HTTP/1.1\r\nHost: h\r\n" + "a: b\r\n" * 63 + "\r\n").status == 200
        c.send("GET / HTTP/1.1\r\nHost: h\r\n" + "a: b\r\n" * 64 + "\r\n")
        refused(c, 431)


def test_oversize_header(server):
    with server.client() as c:
        c.send("GET / HTTP/1.1\r\nHost: h\r\nX: " + "y" * 100000)
        refused(c, 431)
    with server.client() as c:
        c.send("GET / HTTP/1.1\r\nHost: h\r\n" + "y" * 100000)
        refused(c, 431)
    with server.client() as c:
        assert c.ask("GET / HTTP/1.1\r\nHost: h\r\nX: " + "y" * 30000 + "\r\n\r\n").status == 200


def test_oversize_target(server):
    with server.client() as c:
        c.send("GET /" + "y" * 100000)
        refused(c, 414)
    with server.client() as c:
        assert c.get("/?" + "y" * 16000).status == 200


def test_endless_method_and_version(server):
    for text in "G" * 100, "GET / " + "1" * 100000:
        with server.client() as c:
            c.send(text)
            assert c.reply().status in (400, 431)
            assert c.ended()


def test_oversize_body_is_refused_before_it_comes(server):
    with server.client() as c:
        c.send(HEAD + f"Content-Length: {(1 << 20) + 1}\r\n\r\n")
        refused(c, 413)


def test_client_that_sends_on_can_read_the_error(server):
    with server.client() as c:
        c.send(HEAD.encode() + b"Content-Length: 3000000\r\n\r\n" + b"x" * 3000000)
        assert c.reply().status == 413


def test_body_of_exactly_the_limit(server):
    body = bytes(random.Random(1).randbytes(1 << 20))
    with server.client() as c:
        assert c.post("/echo", body).body == body
        assert c.post("/echo", b"").body == b""


def test_bodies_have_a_budget(start):
    server = start(bodies=1000000, bodies_peer=600000)
    head = HEAD + "Content-Length: 600000\r\n\r\n"
    with server.client() as a, server.client() as b, server.client("127.0.0.2") as d:
        a.send(head.encode() + b"x" * 500000)
        server.wait_counter("body_bytes", 500000)
        b.send(head.encode() + b"x" * 200000)  # above what one address may hold
        assert b.reply().status == 503
        d.send(head.encode() + b"x" * 590000)  # above what all may hold
        assert d.reply().status == 503
        a.send(b"x" * 100000)
        assert len(a.reply().body) == 600000
    assert server.counters()["body_bytes"] == 0


def test_announced_lengths_take_no_budget(start):
    server = start(bodies=1000000)
    clients = [server.client() for _ in range(50)]
    for c in clients:
        c.send(HEAD + "Content-Length: 1000000\r\n\r\n")
    with server.client() as c:
        assert c.post("/echo", b"x" * 900000).status == 200
    for c in clients:
        c.sock.close()


# ---- framing ----

LENGTHS = {
    "chunked": ("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
    "chunked with a body": ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 411),
    "chunked and length": ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "length and chunked": ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "other coding": ("Transfer-Encoding: gzip\r\n\r\n", 400),
    "misspelt coding": ("Transfer-Encoding: xchunked\r\n\r\n", 400),
    "coding twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    "chunked is not last": ("Transfer-Encoding: chunked, identity\r\n\r\n", 400),
    "coding behind a tab": ("Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n", 400),
    "coding behind a form feed": ("Transfer-Encoding: \x0bchunked\r\n\r\n", 400),
    "coding with a blank name": ("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "folded coding": ("X: y\r\n Transfer-Encoding: chunked\r\n\r\n", 400),
    "coding on a folded line": ("Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n", 400),
    "two lengths": ("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    "two equal lengths": ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    "list of lengths": ("Content-Length: 5, 5\r\n\r\nhello", 400),
    "signed length": ("Content-Length: +5\r\n\r\nhello", 400),
    "negative length": ("Content-Length: -5\r\n\r\nhello", 400),
    "hexadecimal length": ("Content-Length: 0x5\r\n\r\nhello", 400),
    "length with blank inside": ("Content-Length: 5 5\r\n\r\nhello", 400),
    "empty length": ("Content-Length: \r\n\r\nhello", 400),
    "length of letters": ("Content-Length: five\r\n\r\nhello", 400),
    "length with a fraction": ("Content-Length: 5.0\r\n\r\nhello", 400),
    "length beyond 64 bits": ("Content-Length: 18446744073709551621\r\n\r\nhello", 400),
    "length beyond 63 bits": ("Content-Length: 9223372036854775813\r\n\r\nhello", 413),
    "length with blank name": ("Content-Length : 5\r\n\r\nhello", 400),
    "length with underscore": ("Content_Length: 5\r\n\r\n", 200),
    "length on a bare LF line": ("X: y\nContent-Length: 5\r\n\r\nhello", 400),
    "length behind a bare CR": ("X: y\rContent-Length: 5\r\n\r\nhello", 400),
    "head that ends with bare LFs": ("X: y\n\n", 400),
    "length behind NUL": ("X: y\0Content-Length: 5\r\n\r\nhello", 400),
    "header without name": (": y\r\n\r\n", 400),
    "header without colon": ("Content-Length\r\n\r\n", 400),
    "control byte in a name": ("X\x01: y\r\n\r\n", 400),
    "control byte in a value": ("X: \x7f\r\n\r\n", 400),
    "blanks alone on a line": ("   \r\n\r\n", 400),
    "padded length": ("Content-Length:  5  \r\n\r\nhello", 200),
    "tab behind the length": ("Content-Length: 5\t\r\n\r\nhello", 400),
    "length with zeros": ("Content-Length: 0005\r\n\r\nhello", 200),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_smuggling(server, name):
    text, status = LENGTHS[name]
    with server.client() as c:
        c.send(HEAD + text + SMUGGLED)
        if status == 200:  # one reading, also by whoever stands in front of us
            assert c.reply().status == 200
            assert b"smuggled" in c.reply().body
            return
        refused(c, status)  # and nothing behind it: the smuggled request got no reply
    assert server.counters()["requests"] == 1  # that of /counters itself


LINES = {
    "bare LF": ("GET / HTTP/1.1\nHost: h\n\n", 400),
    "bare CR": ("GET / HTTP/1.1\rHost: h\r\r", 400),
    "empty line first": ("\r\nGET / HTTP/1.1\r\n", 400),
    "blank first": (" GET / HTTP/1.1\r\n", 400),
    "two blanks": ("GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "tab": ("GET\t/ HTTP/1.1\r\n", 400),
    "blank at the end": ("GET / HTTP/1.1 \r\n", 400),
    "no target": ("GET HTTP/1.1\r\nHost: h\r\n\r\n", 400),
    "no version (HTTP/0.9)": ("GET /\r\n", 400),
    "HTTP/1.2": ("GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505),
    "HTTP/2.0": ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
    "HTTP/1.10": ("GET / HTTP/1.10\r\nHost: h\r\n\r\n", 505),
    "RTSP": ("GET / RTSP/1.0\r\nHost: h\r\n\r\n", 400),
    "small letters": ("GET / http/1.1\r\nHost: h\r\n\r\n", 400),
    "not HTTP": ("GET / HTPP/1.1\r\nHost: h\r\n\r\n", 400),
    "HTTP/2 preface": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "8-bit target": ("GET /\xff HTTP/1.1\r\n", 400),
    "fragment": ("GET /#x HTTP/1.1\r\n", 400),
    "NUL": ("GET /\0 HTTP/1.1\r\n", 400),
    "TLS": ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": ("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n", 400),
    "empty host": ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "host with a path": ("GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", 400),
    "host with a user": ("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n", 400),
    "two hosts in one": ("GET / HTTP/1.1\r\nHost: h, i\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", LINES)
def test_malformed(server, name):
    text, status = LINES[name]
    with server.client() as c:
        c.send(text)
        reply = c.reply()
        assert reply.status == status and reply.headers["connection"] == "close"
        assert c.ended()
    assert server.counters()["bad_requests"] == 1


def test_head_has_no_body(server):
    with server.client() as c:
        c.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        reply = c.reply(body=False)
        assert reply.status == 405 and reply.headers["allow"] == "GET, POST"
        assert c.ended()


def test_errors_to_head_have_no_body(server):
    for rest in "Host:\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n", "X\r\n\r\n", "a: b\r\n" * 100:
        with server.client() as c:
            c.send("HEAD / HTTP/1.1\r\n" + rest)
            assert c.reply(body=False).status >= 400
            assert c.ended()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "PROPFIND"])
def test_other_methods(server, method):
    with server.client() as c:
        c.send(f"{method} / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody" + SMUGGLED)
        refused(c, 405)


@pytest.mark.parametrize("method", ["BREW", "get", "GETS", "PRI", "X" * 32])
def test_unknown_methods(server, method):
    with server.client() as c:
        c.send(f"{method} / HTTP/1.1\r\nHost: h\r\n\r\n")
        refused(c, 501)


def test_connect_makes_no_tunnel(server):
    with server.client() as c:
        c.send("CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n" + SMUGGLED)
        refused(c, 405)


def test_upgrade_is_ignored(server):
    with server.client() as c:
        c.send("GET /seen HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\n"
               "Upgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n" + SMUGGLED)
        assert c.reply().status == 200
        assert b"smuggled" in c.reply().body  # a request of its own, read as such


@pytest.mark.parametrize("target, host, seen", [
    ("http://h/a?b=c", "h", ("/a", "b=c")),
    ("HTTP://H/a", "h", ("/a", "")),
    ("https://h:4780/", "h:4780", ("/", "")),
    ("http://h", "h", ("/", "")),
    ("http://h?b=/c", "h", ("/", "b=/c")),
    ("//evil/a?b?c", "h", ("//evil/a", "b?c")),
    ("http://evil/a", "h", None),
    ("http://h:80/a", "h", None),
    ("http://u@h/a", "h", None),
    ("http:///a", "h", None),
    ("ftp://h/a", "h", None),
    ("http:/a", "h", None),
    ("*", "h", None),
    ("h:80", "h", None),
    ("a", "h", None),
])
def test_absolute_uris(server, target, host, seen):
    with server.client() as c:
        c.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        if not seen:
            refused(c, 400)
            return
        reply = c.reply()
        text = reply.body.decode()
        assert f"target {target}\npath {seen[0]}\nquery {seen[1]}\n" in text
        assert f"header Host={host}\n" in text  # as it came: the signature covers it


def test_expect(server):
    with server.client() as c:
        c.send(HEAD + "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert c.reply().status == 100
        assert c.ask("hello").body == b"hello"
        c.send(HEAD + "Expect: 200-ok\r\n\r\n")
        refused(c, 417)
    with server.client() as c:  # no invitation to what will not be read
        c.send(HEAD + "Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n")
        refused(c, 413)


def test_replies_carry_no_injected_header(server):
    with server.client() as c:
        reply = c.post("/echo", b"x")
        assert reply.headers["x-echo"] == "POST"
        assert "x-evil" not in reply.headers and "b" not in reply.headers


# ---- connections ----

def test_pipelining_keeps_order(server):
    with server.client() as c:
        c.send("GET /late?50 HTTP/1.1\r\nHost: h\r\n\r\n"
               "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
               "GET /big?7 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n" + SMUGGLED)
        assert [c.reply().body for _ in range(3)] == [b"late\n", b"abc", b"x" * 7]
        assert c.ended()


def test_pipelining_without_end(start):
    """A client that sends requests and never reads: it is stopped, the others are served."""
    server = start(write_ms=60000)
    before = server.rss()
    with server.client() as c:
        c.sock.setblocking(False)
        sent = 0
        data = b"GET /big?100000 HTTP/1.1\r\nHost: h\r\n\r\n" * 1000
        while select.select([], [c.sock], [], 0.5)[1] and sent < 100 << 20:
            sent += c.sock.send(data)
        assert sent < 100 << 20, "the server took everything"
        assert server.once("/seen").status == 200
        assert server.rss() - before < 8 << 20


def test_half_closed_client_gets_its_reply(server):
    with server.client() as c:
        c.send("GET /late?50 HTTP/1.1\r\nHost: h\r\n\r\n" + SMUGGLED)
        c.sock.shutdown(socket.SHUT_WR)
        assert c.reply().body == b"late\n"
        assert b"smuggled" in c.reply().body
        assert c.ended()


def test_client_leaves_before_its_reply(server):
    with server.client() as c:
        c.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_counter("requests", 2)
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.wait_counter("gone", 1)["client_gone"] == 1


def test_client_leaves_anywhere(server):
    text = (HEAD + "Content-Length: 10\r\n\r\n0123456789").encode()
    for cut in range(len(text)):
        with server.client() as c:
            c.send(text[:cut])
            if cut % 2:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert server.once("/seen").status == 200


def test_flood_in_all(start):
    """The cap is never passed, and the deadline gives everybody in the backlog a turn."""
    server = start(connections=16, connections_peer=1000, request_ms=500)
    flood = [server.client() for _ in range(64)]
    counters = server.counters()  # waits in the backlog behind the flood, and gets its turn
    assert counters["open"] <= 16 and counters["paused"] >= 1
    for c in flood:
        c.sock.close()
    assert server.once("/seen").status == 200


def test_idle_connections_make_room(start):
    server = start(connections=8, connections_peer=1000)
    idle = [server.client() for _ in range(7)]
    for c in idle:
        assert c.get("/seen").status == 200
    new = [server.client() for _ in range(4)]
    assert all(c.get("/seen").status == 200 for c in new)
    assert idle[0].ended()  # the one that was idle longest
    for c in idle + new:
        c.sock.close()
    assert server.counters()["evicted"] >= 4


def test_flood_of_one_address(start):
    server = start(connections=64, connections_peer=4)
    flood = [server.client("127.0.0.2") for _ in range(4)]
    for c in flood:  # so that they have been accepted
        c.send("GET ")
    server.wait_counter("open", 5)
    with server.client("127.0.0.2") as c:
        assert c.ended()
    with server.client("127.0.0.3") as c:
        assert c.get("/seen").status == 200
    flood.pop().sock.close()
    end = time.monotonic() + BOUND
    while time.monotonic() < end:  # until the server has seen the close
        with server.client("127.0.0.2") as c:
            try:
                if c.get("/seen"):
                    break
            except ConnectionError:
                pass
    else:
        pytest.fail("the address stayed refused")
    for c in flood:
        c.sock.close()
    assert server.counters()["refused_peer"] >= 1


def test_descriptors_exhausted(start):
    """Neither spins nor dies, and answers again as soon as there are descriptors."""
    server = start(nofile=24, request_ms=60000)
    flood = [server.client() for _ in range(60)]
    cpu = server.cpu()
    # A client that is neither shed nor accepted waits; one that is shed shows it. A second of that.
    end = time.monotonic() + 1
    while (left := end - time.monotonic()) > 0:
        for sock in select.select([c.sock for c in flood], [], [], left)[0]:
            flood = [c for c in flood if c.sock is not sock]
            sock.close()
    assert server.cpu() - cpu < 0.3
    assert server.process.poll() is None
    for c in flood:
        c.sock.close()
    end = time.monotonic() + BOUND
    while True:
        try:
            counters = server.counters()
            break
        except (ConnectionError, AttributeError):  # shed once more
            assert time.monotonic() < end
    assert counters["starved"] >= 1


def test_stop_lets_replies_out(start):
    server = start()
    with server.client() as busy, server.client() as idle, server.client() as half:
        assert idle.get("/seen").status == 200
        half.send("GET ")
        busy.send("GET /late?300 HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_counter("requests", 3)
        assert server.once("/stop?10000").body == b"stopping\n"
        assert idle.ended() and half.ended()
        reply = busy.reply()
        assert reply.body == b"late\n" and reply.headers["connection"] == "close"
        assert busy.ended()
    assert server.process.wait(BOUND) == 0
    with pytest.raises(ConnectionError):
        server.client()


def test_stop_is_bounded(start):
    server = start()
    with server.client() as c:
        c.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        server.wait_counter("requests", 2)
        assert server.once("/stop?200").status == 200
        assert server.process.wait(BOUND) == 0


def test_end_with_requests_in_hand(start):
    server = start()
    with server.client() as c, server.client() as d:
        c.send("GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
        d.send(HEAD + "Content-Length: 10\r\n\r\n123")
        server.wait_counter("requests", 2)
        assert server.stop() == 0


def test_ipv6(start):
    server = start(listen="[::1]:0")
    assert "peer ::1\n" in server.once("/seen").body.decode()


def test_ipv4_on_an_ipv6_listener_is_ipv4(start):
    server = start(listen="[::]:0")
    server.address = "127.0.0.1:" + server.address.rsplit(":", 1)[1]
    assert "peer 127.0.0.1\n" in server.once("/seen").body.decode()


# ---- noise ----

def mutate(rng, text):
    data = bytearray(text)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(5)
        if kind == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif kind == 2:
            del data[at:at + rng.randint(1, 16)]
        elif kind == 3:
            piece = data[at:at + rng.randint(1, 40)]
            data[at:at] = piece * rng.randint(1, 30)
        else:
            data[at:at] = rng.choice([b"\r\n", b"\n", b"\r", b"\0", b":", b" ", b"\r\n ",
                                      b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"])
    return bytes(data)


def test_malformed_by_the_thousand(start):
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    server = start(request_ms=2000)
    valid = (b"POST /echo?a=b&c=%20d HTTP/1.1\r\nHost: ec2.local:4780\r\nX-Amz-Date: 20260101T000000Z\r\n"
             b"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/ec2/aws4_request,"
             b" SignedHeaders=host;x-amz-date, Signature=0123\r\nContent-Length: 10\r\n\r\n0123456789")

    def rounds(n):
        for _ in range(n):
            with server.client() as c:
                try:
                    c.send(mutate(rng, valid) * rng.randint(1, 2))
                    c.sock.shutdown(socket.SHUT_WR)
                    while c.more():
                        pass
                except ConnectionError:
                    pass

    rounds(1000)
    before = server.rss()
    rounds(4000)
    assert server.rss() - before < 4 << 20
    with server.client() as c:
        assert c.post("/echo", b"still here").body == b"still here"
    counters = server.counters()
    assert counters["bad_requests"] > 1000
    assert counters["open"] == 1 and counters["body_bytes"] == 0
