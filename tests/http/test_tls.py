# SPDX-License-Identifier: Apache-2.0
"""The same server behind TLS."""

import ssl
import subprocess

import pytest


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls")
    cert, key = path / "cert.pem", path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    return {"cert": cert, "key": key}


def wrapper(files, **versions):
    context = ssl.create_default_context(cafile=files["cert"])
    for name, value in versions.items():
        setattr(context, name, value)
    return lambda sock: context.wrap_socket(sock, server_hostname="127.0.0.1")


def test_requests(start, files):
    server = start(**files)
    body = b"x" * (1 << 20)
    with server.client(wrap=wrapper(files)) as c:
        assert c.get("/seen").status == 200
        assert c.post("/echo", body).body == body
        assert len(c.get("/big?5000000").body) == 5000000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions_are_refused(start, files):
    server = start(**files)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        server.client(wrap=wrapper(files, minimum_version=ssl.TLSVersion.TLSv1,
                                   maximum_version=ssl.TLSVersion.TLSv1_1))


def test_error_can_be_read(start, files):
    server = start(**files)
    with server.client(wrap=wrapper(files)) as c:
        c.send("BREW / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert c.reply().status == 501
        assert c.ended()


def test_slow_handshake(start, files):
    server = start(request_ms=500, **files)
    with server.client() as c:
        c.send_slowly(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500, 0.02)
        assert c.ended()


def test_plain_http(start, files):
    server = start(**files)
    with server.client() as c:
        c.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        assert c.ended()
    with server.client(wrap=wrapper(files)) as c:
        assert c.get("/seen").status == 200


def test_slow_reader(start, files):
    server = start(write_ms=500, **files)
    with server.client(wrap=wrapper(files)) as c:
        c.send("GET /big?20000000 HTTP/1.1\r\nHost: h\r\n\r\n")
        with server.client(wrap=wrapper(files)) as d:
            while d.get("/counters").fields()["timeout_write"] != "1":
                pass
