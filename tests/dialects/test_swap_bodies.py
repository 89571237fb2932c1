"""Any conversation at all, whole or broken, as the body of every dialect: the vendors' schemas and written rules hold."""

import json

import pytest
from hypothesis import given, settings

from tests.dialects import swap_matrix
from tests.dialects.swap_bodies import rule_breaks
from tests.dialects.swap_histories import requests
from tests.dialects.swap_schemas import problems

TARGETS = swap_matrix.WIRES | swap_matrix.SERVERS


@pytest.mark.parametrize("name", TARGETS)
@settings(deadline=None, max_examples=40)  # the machine may be busy
@given(request_=requests)
def test_any_conversation_becomes_a_body_that_the_vendor_accepts(name, request_):
    dialect, wire_name, quirks = TARGETS[name]
    body, _ = swap_matrix.continued(request_, swap_matrix.target_of(dialect, wire_name, quirks))
    assert problems(dialect, body) == []
    assert rule_breaks(dialect, body) == []
    assert "secret" not in json.dumps(body)
