# SPDX-License-Identifier: Apache-2.0
"""The whole product, as tests/netns has it, and vpcctl."""
import importlib.util
import os
import subprocess
import sys
import tempfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.append(os.path.join(TOP, "tests/netns"))  # behind our own directory: for what its conftest imports
spec = importlib.util.spec_from_file_location("netns_conftest", os.path.join(TOP, "tests/netns/conftest.py"))
netns = importlib.util.module_from_spec(spec)
spec.loader.exec_module(netns)

pytest_collection_modifyitems = netns.pytest_collection_modifyitems
until, BUILD, BOUND = netns.until, netns.BUILD, netns.BOUND


def vpcctl(cloud, *args, **more):
    """Runs vpcctl; the finished process with its output as text."""
    command = [os.path.join(BUILD, "vpcctl"), "--state-dir", cloud.directory, *map(str, args)]
    more = {"stdin": subprocess.DEVNULL, "timeout": BOUND, **more}
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)


def inside(cloud, instance, *args, **more):
    """A command in the instance by vpcctl exec."""
    return vpcctl(cloud, "exec", instance.id, "--", *args, **more)


def script(cloud, instance, text, **more):
    return inside(cloud, instance, "/bin/sh", "-c", text, **more)


def pools(number):
    """Pools that nobody else has, also while other runs share the machine."""
    n = (os.getpid() * 2 + number) % 512
    return {"pool": f"198.{18 + n // 256}.{n % 256}.0/24", "pool6": f"2001:db8:{n // 256 + 0x60:x}{n % 256:02x}::/48"}


def running(number):
    # Not below /tmp: instances have their own, and so would see nothing of the directory anyway.
    tempfile.tempdir = "/var/lib"
    try:
        made = netns.Cloud(**pools(number))
    finally:
        tempfile.tempdir = None
    try:
        yield made.start()
    finally:
        made.close()


@pytest.fixture(scope="session")
def cloud():
    yield from running(0)


@pytest.fixture
def own_cloud():
    """A vpcd of the test's own, to kill and to take down."""
    yield from running(1)


def agent_status(cloud):
    """What the agent says of itself; None while it does not answer."""
    try:
        return cloud.agent(cmd="status")
    except (OSError, ValueError):
        return None
