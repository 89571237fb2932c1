"""When what a provider reports can be priced."""

import pytest

from harness.models.usage import Usage


@pytest.mark.parametrize(
    ("usage", "known"),
    [
        (Usage(10, 5), True),
        (Usage(0, 0), True),
        (Usage(10, 5, cache_read_tokens=6, cache_write_tokens=4, reasoning_tokens=5), True),
        (Usage(None, 5), False),
        (Usage(10, None), False),
        (Usage(10, 5, cache_read_tokens=11), False),
        (Usage(10, 5, cache_read_tokens=6, cache_write_tokens=5), False),
        (Usage(10, 5, reasoning_tokens=6), False),
    ],
)
def test_a_report_that_lacks_a_side_or_contradicts_itself_is_not_known(usage, known):
    assert usage.known is known
