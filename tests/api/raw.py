# SPDX-License-Identifier: Apache-2.0
"""Calls as bytes: signed with botocore's signer, sent with http.client, so that a test can spoil either."""
import http.client
import urllib.parse
import xml.etree.ElementTree as ElementTree

import model
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

VERSION = "2016-11-15"
EC2 = "{http://ec2.amazonaws.com/doc/2016-11-15/}"


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.text = response.read().decode()

    @property
    def tree(self):
        return ElementTree.fromstring(self.text)

    @property
    def code(self):
        """The error's code, or None."""
        found = self.tree.find("Errors/Error/Code")
        return found.text if found is not None else None

    def find(self, path):
        """The text of the first element on the path (names without namespace)."""
        found = self.tree.find("/".join(EC2 + part for part in path.split("/")))
        return found.text if found is not None else None


class Raw:
    """One connection, kept open, for one account: raw.call("DescribeVpcs", **{"Filter.1.Name": ...})."""

    def __init__(self, account, region="us-east-1", service="ec2", timeout=30):
        self.account, self.region, self.service, self.timeout = account, region, service, timeout
        self.connection = None

    def connect(self):
        host = self.account.vpcd.endpoint.split("//")[1]
        self.connection = http.client.HTTPConnection(host, timeout=self.timeout)
        return self.connection

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def signed(self, body, method="POST", query="", key=None, secret=None):
        """The headers that sign this request."""
        url = self.account.vpcd.endpoint + "/" + ("?" + query if query else "")
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"} if method == "POST" else {}
        request = AWSRequest(method=method, url=url, data=body, headers=headers)
        credentials = Credentials(key or self.account.key, secret or self.account.secret)
        SigV4Auth(credentials, self.service, self.region).add_auth(request)
        return dict(request.headers)

    def presigned(self, params, expires=60):
        """The query string of a presigned GET."""
        url = self.account.vpcd.endpoint + "/?" + urllib.parse.urlencode(params)
        request = AWSRequest(method="GET", url=url)
        credentials = Credentials(self.account.key, self.account.secret)
        SigV4QueryAuth(credentials, self.service, self.region, expires=expires).add_auth(request)
        return request.url.split("?", 1)[1]

    def send(self, method, target, body, headers):
        connection = self.connection or self.connect()
        connection.request(method, target, body, headers)
        return Reply(connection.getresponse())

    def form(self, body, **signing):
        """A signed POST of this form."""
        return self.send("POST", "/", body, self.signed(body, **signing))

    def call(self, action, version=VERSION, **params):
        reply = self.form(urllib.parse.urlencode({"Action": action, "Version": version, **params}))
        if reply.status == 200 and version == VERSION:
            model.check_reply(action, reply.text)
        return reply
