# SPDX-License-Identifier: Apache-2.0
"""Signature Version 4, as clients make it and as attackers change it (IAM user guide, "Signature Version 4")."""
import datetime
import unittest.mock
import urllib.parse

import botocore.auth
import pytest

from raw import EC2, VERSION

FORM = f"Action=DescribeVpcs&Version={VERSION}"


def signed_at(raw, moment, body=FORM):
    """The headers of a signature of that moment."""
    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return moment

    with unittest.mock.patch.object(botocore.auth.datetime, "datetime", Clock):
        return raw.signed(body)


def test_signed_call_is_answered(raw):
    reply = raw.form(FORM)
    assert reply.status == 200 and reply.tree.tag == EC2 + "DescribeVpcsResponse"


def test_wrong_secret(raw):
    reply = raw.form(FORM, secret="wrong")
    assert (reply.status, reply.code) in ((401, "AuthFailure"), (403, "SignatureDoesNotMatch"))


def test_unknown_key_answers_as_a_known_one_with_a_wrong_secret(raw, account):
    """Who guesses keys must not learn which exist."""
    unknown = raw.form(FORM, key="AKIANOBODY0000000000")
    wrong = raw.form(FORM, secret="wrong")
    assert (unknown.status, unknown.code) == (wrong.status, wrong.code)
    assert account.id not in unknown.text + wrong.text


def test_key_of_another_account_does_not_help(raw, other):
    assert raw.form(FORM, key=other.key).status in (401, 403)


def test_unsigned_call(raw):
    reply = raw.send("POST", "/", FORM, {"Content-Type": "application/x-www-form-urlencoded"})
    assert reply.code in ("AuthFailure", "MissingAuthenticationToken") and reply.status in (400, 401, 403)


@pytest.mark.parametrize("minutes", [-16, 16, -60 * 24, 60 * 24 * 365])
def test_clock_more_than_15_minutes_off(raw, minutes):
    moment = datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
    reply = raw.send("POST", "/", FORM, signed_at(raw, moment))
    assert reply.code in ("RequestExpired", "AuthFailure", "SignatureDoesNotMatch") and reply.status in (400, 401, 403)


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clock_less_than_15_minutes_off(raw, minutes):
    moment = datetime.datetime.utcnow() + datetime.timedelta(minutes=minutes)
    assert raw.send("POST", "/", FORM, signed_at(raw, moment)).status == 200


def test_body_that_is_not_the_signed_one(raw):
    headers = raw.signed(FORM)
    reply = raw.send("POST", "/", FORM.replace("DescribeVpcs", "DescribeTags"), headers)
    assert reply.status in (401, 403)


@pytest.mark.parametrize("target", ["/?DryRun=true", "/x"])
def test_target_that_is_not_the_signed_one(raw, target):
    assert raw.send("POST", target, FORM, raw.signed(FORM)).status in (401, 403, 404)


@pytest.mark.parametrize("old,new", [("us-east-1", "us-west-2"), ("/ec2/", "/sts/"), ("aws4_request", "aws3_request"),
                                     ("SignedHeaders=", "SignedHeaders=x;"), ("Signature=", "Signature=0")])
def test_authorization_that_was_changed(raw, old, new):
    headers = raw.signed(FORM)
    headers["Authorization"] = headers["Authorization"].replace(old, new)
    assert raw.send("POST", "/", FORM, headers).status in (400, 401, 403)


def test_header_that_was_signed_and_changed(raw):
    headers = raw.signed(FORM)
    headers["X-Amz-Date"] = headers["X-Amz-Date"][:-2] + ("1Z" if headers["X-Amz-Date"][-2] != "1" else "2Z")
    assert raw.send("POST", "/", FORM, headers).status in (401, 403)


def test_get_with_a_signed_query(raw):
    query = urllib.parse.urlencode({"Action": "DescribeVpcs", "Version": VERSION, "Filter.1.Name": "tag:a b",
                                    "Filter.1.Value.1": "c/d+e=f&g"}, quote_via=urllib.parse.quote, safe="")
    reply = raw.send("GET", "/?" + query, None, raw.signed(None, method="GET", query=query))
    assert reply.status == 200 and reply.tree.tag == EC2 + "DescribeVpcsResponse"


def test_presigned_get(raw):
    query = raw.presigned({"Action": "DescribeVpcs", "Version": VERSION})
    assert raw.send("GET", "/?" + query, None, {}).status == 200


def test_presigned_get_with_a_changed_parameter(raw):
    query = raw.presigned({"Action": "DescribeVpcs", "Version": VERSION})
    assert raw.send("GET", "/?" + query.replace("DescribeVpcs", "DescribeTags"), None, {}).status in (401, 403)


def test_presigned_get_that_has_expired(raw):
    class Clock(datetime.datetime):
        @classmethod
        def utcnow(cls):
            return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) - datetime.timedelta(seconds=120)

    with unittest.mock.patch.object(botocore.auth.datetime, "datetime", Clock):
        query = raw.presigned({"Action": "DescribeVpcs", "Version": VERSION}, expires=60)
    reply = raw.send("GET", "/?" + query, None, {})
    assert reply.status in (400, 401, 403)


def test_secret_is_in_no_answer_and_no_log(raw, account, vpcd):
    for reply in (raw.form(FORM, secret="wrong"), raw.form(FORM)):
        assert account.secret not in reply.text
    assert account.secret not in vpcd.log_text()
