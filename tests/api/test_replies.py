# SPDX-License-Identifier: Apache-2.0
"""Every element that EC2's model of a reply has was in an answer to some test, or stands in refused.py.

It looks at what the other tests of the session received (model.SEEN), so it runs behind them, and only with all of
them: the names that a reply *may* have are no proof that it ever has them.
"""
import fnmatch
import os
import re

import model
import pytest
import refused
from test_model import EC2_ACTIONS, SERVICE

HERE = os.path.dirname(os.path.abspath(__file__))
APART = re.compile("test_(replies|cli.*|crash|two_workers.*|ansible)[.]py")  # as in meson.build


@pytest.fixture(autouse=True)
def whole_suite(request):
    ran = {item.path.name for item in request.session.items}
    left = {f for f in os.listdir(HERE) if f.startswith("test_") and f.endswith(".py")} - ran
    left = {f for f in left if not APART.fullmatch(f)}
    if left:
        pytest.skip("needs the other tests: " + ", ".join(sorted(left)))


def reason(shape, element):
    return next((row for row in refused.ELEMENTS
                 if fnmatch.fnmatchcase(shape, row[0]) and fnmatch.fnmatchcase(element, row[1])), None)


def unseen(action):
    """(structure, element) that no reply had. The same structure in another call's reply counts."""
    may = model.elements(SERVICE.operation_model(action).output_shape, {})
    return sorted((shape, element) for shape, names in may.items() for element in names - model.SEEN[shape])


@pytest.mark.parametrize("action", EC2_ACTIONS)
def test_elements(action):
    assert not [what for what in unseen(action) if not reason(*what)]
