"""Which documents a run searches, settled once before any model is asked.

A model is given words to search with and never a path. So what the folders are is noted beside the run's own files, and
the tool finds it there by the run it is called in.
"""

import sysconfig
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.workflow.nodes.node_context import NodeContext

from .documents import Document, documents_of_folder, files_of_folder, metadata_files, package_readmes
from .passages import Passage, passages_of
from .ranking import Ranking
from .whole_files import FOLDER, write_whole


class Library(BaseModel):
    """Folders of documents.

    Args:
        folder: absolute.
        sites: folders of installed packages.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    sites: tuple[str, ...]

    def documents(self) -> tuple[Document, ...]:
        """All of them; read again only when a file has changed."""
        return _documents(self.folder, self.sites, _stamp(self))

    def ranking(self) -> Ranking:
        """Their passages, to be searched."""
        return _ranking(self.folder, self.sites, _stamp(self))

    def text_of(self, source: str) -> str | None:
        """What a source says; None where there is none of this name."""
        return next((each.text for each in self.documents() if each.source == source), None)


class Gathered(BaseModel):
    """What a run will search, in numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    documents: int
    passages: int


class LibraryMissing(LookupError):
    """There is nothing to search, or nobody has said what."""

    retryable = False

    def __init__(self, place: str, remedy: str) -> None:
        super().__init__(place, remedy)
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        return f"no documents at {self.place!r}: {self.remedy}"


def gather(folder: str | None, site_packages: str | None, context: NodeContext) -> Gathered:
    """Settle what this run searches, and note it.

    Args:
        folder: from the working folder; None is the nearest `docs/` above the project.
        site_packages: where installed packages are; None is the environment that runs.

    Raises:
        LibraryMissing: there is no such folder, or no text in it.
    """
    place = context.working_folder / folder if folder else _docs_above(context.project_folder)
    sites = [Path(site_packages)] if site_packages else _own_sites()
    library = Library(folder=str(place.resolve()), sites=tuple(str(each.resolve()) for each in sites))
    if not files_of_folder(place):
        raise LibraryMissing(str(place), "name a folder with .md, .rst or .txt files by `--input folder=...`")
    write_whole(_note(context), library.model_dump_json())
    documents = library.documents()
    return Gathered(folder=library.folder, documents=len(documents), passages=sum(1 for _ in _passages(documents)))


def library_of(context: NodeContext) -> Library:
    """What was settled for the run.

    Raises:
        LibraryMissing: nothing was.
    """
    try:
        return Library.model_validate_json(_note(context).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        remedy = "the node `gather` runs first; of a fork it runs where the fork starts at step 0"
        raise LibraryMissing(str(_note(context)), remedy) from error


def _note(context: NodeContext) -> Path:
    return context.working_folder / FOLDER / f".library-{context.run_id}.json"


def _docs_above(project_folder: Path) -> Path:
    found = (above / "docs" for above in project_folder.resolve().parents)
    return next((each for each in found if each.is_dir()), project_folder / "docs")


def _own_sites() -> list[Path]:
    paths = sysconfig.get_paths()
    return [Path(path) for path in dict.fromkeys([paths["purelib"], paths["platlib"]])]


# A file's path, time of change and size: what tells that it is another.
_Stamp = tuple[tuple[str, int, int], ...]


def _stamp(library: Library) -> _Stamp:
    files = (*files_of_folder(Path(library.folder)), *metadata_files([Path(each) for each in library.sites]))
    found = ((path, path.stat()) for path in files)
    return tuple((str(path), of.st_mtime_ns, of.st_size) for path, of in found)


@lru_cache(maxsize=2)
def _documents(folder: str, sites: tuple[str, ...], stamp: _Stamp) -> tuple[Document, ...]:
    assert stamp, "a library has files"
    return (*documents_of_folder(Path(folder)), *package_readmes([Path(each) for each in sites]))


@lru_cache(maxsize=2)
def _ranking(folder: str, sites: tuple[str, ...], stamp: _Stamp) -> Ranking:
    return Ranking(list(_passages(_documents(folder, sites, stamp))))


def _passages(documents: Sequence[Document]) -> Iterator[Passage]:
    return (passage for each in documents for passage in passages_of(each))
