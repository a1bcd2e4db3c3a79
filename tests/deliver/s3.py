# SPDX-License-Identifier: Apache-2.0
"""A small S3: PutObject by path, for tests of what vpc-logs sends.

Debian has no S3 server that runs by itself, and s3rver of npm is archived and believes every signature. This one keeps
objects in memory and checks what a real one would: the signature, computed by botocore, the payload's hash, the date,
that the bucket is there. `behave` makes it fail as a test wants.
"""
import hashlib
import http.server
import threading
import urllib.parse

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

KEY, SECRET, REGION = "AKIAS3TEST", "secret/of+the=test", "eu-central-1"


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, buckets=("flow-logs",), port=0, tls=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.objects = {bucket: {} for bucket in buckets}
        self.writes = []     # (bucket, key, body), also of what was written before
        self.requests = []   # (bucket, key, status)
        self.behave = None   # function (handler, bucket, key) -> status, or None: as it should
        self.changed = threading.Condition()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.endpoint = f"{'https' if tls else 'http'}://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request, client_address):
        pass  # clients that are killed

    def wait(self, condition, seconds=30):
        """Until the condition holds, which may change with each request."""
        with self.changed:
            assert self.changed.wait_for(condition, seconds), f"{self.requests[-5:]}"

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, code=""):
        body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def signature_is_wrong(self, body):
        fields = dict(part.strip().split("=", 1)
                      for part in self.headers["Authorization"].removeprefix("AWS4-HMAC-SHA256").split(","))
        names = fields["SignedHeaders"].split(";")
        if "host" not in names or "x-amz-content-sha256" not in names or "x-amz-date" not in names:
            return "AccessDenied"
        if self.headers["x-amz-content-sha256"] != hashlib.sha256(body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        key, *scope = fields["Credential"].split("/")
        if key != KEY:
            return "InvalidAccessKeyId"
        date = self.headers["x-amz-date"]
        if scope != [date[:8], REGION, "s3", "aws4_request"]:
            return "AuthorizationHeaderMalformed"
        request = AWSRequest(self.command, f"http://{self.headers['Host']}{self.path}", data=body,
                             headers={name: self.headers[name] for name in names})
        request.context["timestamp"] = date
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        text = signer.string_to_sign(request, signer.canonical_request(request))
        return None if signer.signature(text, request) == fields["Signature"] else "SignatureDoesNotMatch"

    def put(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        bucket, key = self.path[1:].split("/", 1)
        key = urllib.parse.unquote(key)
        status = self.server.behave(self, bucket, key) if self.server.behave else None
        code = "" if status else self.signature_is_wrong(body)
        if not status and not code and bucket not in self.server.objects:
            status, code = 404, "NoSuchBucket"
        status = status or (403 if code else 200)
        if status == 200:
            self.server.objects[bucket][key] = body
            self.server.writes.append((bucket, key, body))
        return bucket, key, status, code

    def do_PUT(self):
        bucket, key, status, code = self.put()
        with self.server.changed:
            self.server.requests.append((bucket, key, status))
            self.server.changed.notify_all()
        if status:
            self.answer(status, code)
