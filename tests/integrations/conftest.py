"""Real servers, as programs; after each test none of them is left."""

from importlib.util import find_spec

import pytest

from tests.integrations.mcp_house import HERE, House, served

# Without the extra `mcp` its tests cannot be imported; the others of this folder need it not.
collect_ignore_glob = [] if find_spec("mcp") else ["test_mcp_*.py"]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    assert made.left_behind() == []


@pytest.fixture
def impatient(monkeypatch):
    """Servers that do not end by themselves are told to sooner."""
    # Late, because it needs the extra.
    from harness.integrations import mcp_stdio

    monkeypatch.setattr(mcp_stdio, "GRACE_SECONDS", 0.3)


@pytest.fixture(scope="session")
def official_url():
    with served(str(HERE / "mcp_server_official.py"), "http") as url:
        yield url


@pytest.fixture(scope="session")
def official_json_url():
    with served(str(HERE / "mcp_server_official.py"), "http", "json") as url:
        yield url


@pytest.fixture
def old_url():
    with served(str(HERE / "mcp_server_old_http.py")) as url:
        yield url
