"""What is installed: distributions, what they declare, and their licence texts. A tool of the audit.

Reads metadata and files, imports no package. Reading files within bounds is left to `licence_files`, metadata to
`declarations`; what the texts mean is not asked here.
"""

import re
import sysconfig
from collections.abc import Sequence
from importlib.metadata import Distribution, PathDistribution
from itertools import islice
from pathlib import Path

from packaging.utils import canonicalize_name
from pydantic import BaseModel, ConfigDict

from .declarations import Declaration, declaration
from .licence_files import LicenceFile, joined_text, licence_files
from .visible_text import visible_line

_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
_MAX_NAME_CHARACTERS = 100


class Package(BaseModel):
    """One installed distribution.

    Args:
        text: of its licence files nearest to the root; empty where none could be read.
        files: every licence file, read or not, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    declared: Declaration
    text: str
    files: tuple[LicenceFile, ...]


class PackagesMissing(LookupError):
    """Packages were asked for that are not installed where it was looked."""

    retryable = False

    def __init__(self, names: Sequence[str], folders: Sequence[str]) -> None:
        super().__init__(tuple(names), tuple(folders))
        self.names = tuple(names)
        self.folders = tuple(folders)

    def __str__(self) -> str:
        return f"not installed in {', '.join(self.folders)}: {', '.join(map(repr, self.names))}; leave them out"


def inventory(names: list[str] | None = None, limit: int = 12, site_packages: str | None = None) -> tuple[Package, ...]:
    """The distributions to audit, by name in alphabetical order.

    Without `names` it is the first `limit` that come with a licence file, whatever is in it. Of two installations
    under one name the one whose folder sorts first counts.

    Args:
        names: only these, all of them.
        limit: how many at most, where no names are given.
        site_packages: the folder to look in; None is the environment that runs.

    Raises:
        PackagesMissing: a name that is not installed there.
    """
    folders = [Path(site_packages)] if site_packages else _own_folders()
    found = dict(sorted(_distributions(folders).items()))
    if names:
        wanted = {canonicalize_name(name): name for name in names}
        missing = [name for key, name in wanted.items() if key not in found]
        if missing:
            raise PackagesMissing(missing, [str(folder) for folder in folders])
        return tuple(_package(*found[key]) for key in sorted(wanted))
    with_files = (package for each in found.values() if (package := _package(*each)).files)
    return tuple(islice(with_files, limit))


def _own_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    return [Path(path) for path in dict.fromkeys([paths["purelib"], paths["platlib"]])]


def _distributions(folders: Sequence[Path]) -> dict[str, tuple[str, Path, Distribution]]:
    found: dict[str, tuple[str, Path, Distribution]] = {}
    for site in folders:
        for folder in sorted(site.glob("*.dist-info")):
            if folder.is_dir() and not folder.is_symlink():
                distribution = PathDistribution(folder)
                name = _name_of(distribution, folder)
                found.setdefault(canonicalize_name(name), (name, folder, distribution))
    return found


def _name_of(distribution: Distribution, folder: Path) -> str:
    """The name as the metadata says it; where that is no name, the folder's, with what cannot be seen made visible."""
    said = _header(distribution, "Name")
    if _NAME.match(said) and len(said) <= _MAX_NAME_CHARACTERS:
        return said
    return visible_line(folder.name.removesuffix(".dist-info").split("-")[0])[:_MAX_NAME_CHARACTERS] or "unnamed"


def _header(distribution: Distribution, header: str) -> str:
    try:
        return str((distribution.metadata.get_all(header) or [""])[0]).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _package(name: str, folder: Path, distribution: Distribution) -> Package:
    files = licence_files(folder)
    return Package(
        name=name,
        version=visible_line(_header(distribution, "Version"))[:_MAX_NAME_CHARACTERS],
        declared=_declared(distribution),
        text=joined_text(files),
        files=tuple(each.file for each in files),
    )


def _declared(distribution: Distribution) -> Declaration:
    try:
        return declaration(distribution.metadata)
    except (OSError, UnicodeDecodeError):
        return Declaration(origin="the metadata cannot be read")
