"""Which hosts may be reached."""

import pytest

from harness.tools.allowed_hosts import AllowedHosts, HttpBlock, origin_of

ALLOWED = AllowedHosts(["API.example.com", "127.0.0.1:8080", "[::1]:9000", "localhost"])


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://api.example.com/x", True),
        ("http://api.example.com", True),
        ("https://API.EXAMPLE.COM:443?x", True),
        ("https://api.example.com:8443/", False),
        ("https://example.com/", False),
        ("https://api.example.com.evil.test/", False),
        ("http://127.0.0.1:8080/", True),
        ("http://127.0.0.1/", False),
        ("http://[::1]:9000/", True),
        ("http://[::1]/", False),
        ("http://localhost/", True),
        ("http://localhost:81/", False),
    ],
)
def test_a_host_is_reached_where_it_is_listed_with_its_port(url, allowed):
    origin = origin_of(url)

    assert origin is not None
    assert (origin in ALLOWED) is allowed


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com@evil.test/",
        "https://u:p@api.example.com/",
        "https://api.example.com\\.evil.test/",
        "https://api.example.com#.evil.test/",
        "https:///x",
        "//api.example.com/",
        "ftp://api.example.com/",
        "https://api.example.com:99999/",
        "https://api.exa mple.com/",
        "https://{host}/",
    ],
)
def test_what_could_be_taken_for_another_host_is_none(url):
    assert origin_of(url) is None


@pytest.mark.parametrize("entry", ["https://a.example", "a.example/x", "*.a.example", "a.example:0", "a:70000", ""])
def test_only_a_host_and_its_port_are_listed(entry):
    with pytest.raises(ValueError, match="name a host as"):
        HttpBlock(allowed_hosts=(entry,))
