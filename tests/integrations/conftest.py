"""Real servers, as programs; after each test none of them is left."""

import time

import pytest

from tests.integrations.mcp_house import HERE, House, processes_with, served

pytest.importorskip("mcp", reason="the extra `mcp` is not installed")


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    deadline = time.monotonic() + 5
    while (left := processes_with(made.mark)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert left == []


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
