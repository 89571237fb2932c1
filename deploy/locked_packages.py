"""`python -m deploy.locked_packages`: what is locked and installed is what we think it is.

Checked are that each pin has hashes and no registry address, that each advisory is recent, still about the locked
version and backed by a test that exists, and that no installed package brings a `.pth` file that runs code at start.
"""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from sysconfig import get_paths

from pydantic import BaseModel, ConfigDict, TypeAdapter

from ontology.yaml_documents import read_yaml

ROOT = Path(__file__).parent.parent
OLDEST_CHECK = timedelta(days=90)
# Our own editable install, as hatchling names it, and the interpreter's own.
EXPECTED_PTH = re.compile(r"(_editable_impl_portable_harness|distutils-precedence)\.pth")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
ADDRESS = re.compile(r"^\s*(--(extra-)?index-url|--find-links|-i\b|-f\b)|@ https?://")


class Advisory(BaseModel):
    """One known vulnerability of a locked version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str
    version: str
    id: str
    what: str
    unreachable: str
    test: str
    checked: date


def pins(path: Path) -> dict[str, str]:
    """Package names to the version that a requirements file locks."""
    found = (PIN.match(line) for line in path.read_text(encoding="utf-8").splitlines())
    return {match[1].lower(): match[2] for match in found if match}


def requirement_problems(path: Path) -> Iterator[str]:
    """Pins without a hash, and addresses of registries."""
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if ADDRESS.search(line):
            yield f"{path.name}:{number}: a registry's address: remove it"
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text):
        if PIN.match(block) and "--hash=sha256:" not in block:
            yield f"{path.name}: {block.split()[0]} has no hash"


def advisory_problems(advisories: list[Advisory], locked: dict[str, str], today: date) -> Iterator[str]:
    """Advisories that are old, about another version, or whose test is gone."""
    for each in advisories:
        if today - each.checked > OLDEST_CHECK:
            yield f"advisories.yaml: {each.id}: last checked {each.checked}: look whether there is a fix"
        if locked.get(each.package) != each.version:
            yield f"advisories.yaml: {each.id}: {each.package} {locked.get(each.package)} is locked, not {each.version}"
        file, _, name = each.test.partition("::")
        path = ROOT / file
        if not path.is_file() or f"def {name}(" not in path.read_text(encoding="utf-8"):
            yield f"advisories.yaml: {each.id}: there is no test {each.test}"


def pth_problems(site_packages: Path) -> Iterator[str]:
    """Files that Python runs at every start and that nobody expects."""
    for path in sorted(site_packages.glob("*.pth")):
        if not EXPECTED_PTH.fullmatch(path.name):
            yield f"{path}: an unexpected .pth file: it runs at every start of Python; find out which package brings it"


def problems() -> list[str]:
    """All that is wrong; empty when nothing is."""
    requirements = sorted((ROOT / "requirements").glob("*.txt"))
    locked = {name: version for path in requirements for name, version in pins(path).items()}
    written = read_yaml(ROOT / "deploy" / "advisories.yaml").value
    advisories = TypeAdapter(list[Advisory]).validate_python(written)
    found = [problem for path in requirements for problem in requirement_problems(path)]
    found += advisory_problems(advisories, locked, datetime.now(UTC).date())
    found += pth_problems(Path(get_paths()["purelib"]))
    return found


if __name__ == "__main__":
    failures = problems()
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    sys.exit(1 if failures else 0)
