"""Keys that can be recognised wherever they turn up, and the search for them in everything that was written."""

import base64
import gzip
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy import inspect, text

from ontology.databases import open_database, sqlite_url

# What every made-up key of the suite that a search is to find begins with.
PREFIX = "sk-test-canary-"


def a_key(name: str) -> str:
    """A key with characters that addresses and base64 write otherwise; its two halves are telling too."""
    return f"{PREFIX}{name}/Q7+w9=R5%t1&{name[::-1]}-Y8u2Io4P6aS0dF+/{name}=="


def forms(key: str) -> dict[str, bytes]:
    """A key in each way that it may be written down."""
    plain = key.encode()
    half = len(key) // 2
    found = {
        "as it is": plain,
        "its first half": plain[:half],
        "its second half": plain[half:],
        "in an address": quote(key, safe="").encode(),
        "in a form": quote_plus(key).encode(),
        "in hexadecimal": plain.hex().encode(),
        "backwards": plain[::-1],
        "in UTF-16": key.encode("utf-16-le"),
    }
    # Base64 groups three bytes: what stands before the key decides where in a group it begins.
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + plain)
        found[f"in base64, moved by {shift}"] = coded[4 if shift else 0 : -4]
    return found | {f"{name}, for addresses": form.translate(_URL_SAFE) for name, form in found.items() if "64" in name}


_URL_SAFE = bytes.maketrans(b"+/", b"-_")


def found_in(folders: Iterable[Path], keys: Iterable[str]) -> list[str]:
    """Where a key is: each file, or value of a database, with the way it is written there."""
    wanted = [(name, form) for key in keys for name, form in forms(key).items()]
    return [f"{place}: {name}" for place, content in _contents(folders) for name, form in wanted if form in content]


def _contents(folders: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file()):
        yield str(path), path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield from ((f"{path}!{name}", archive.read(name)) for name in archive.namelist())
        elif path.suffix == ".gz":
            yield f"{path}!", gzip.decompress(path.read_bytes())
        if path.suffix == ".db":
            # A value that is longer than a page is in pieces in the file.
            yield from _values(path)


def _values(path: Path) -> Iterator[tuple[str, bytes]]:
    engine = open_database(sqlite_url(path))
    try:
        with engine.connect() as connection:
            for table in inspect(engine).get_table_names():
                for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                    values = [each if isinstance(each, bytes) else str(each).encode() for each in row]
                    yield f"{path}:{table}", b"\0".join(values)
    finally:
        engine.dispose()
