import sys

import pytest

from harness.exceptions import ConfigurationInvalid
from harness.local_models.gguf_files import INSTALL_COMMAND, require_engine, resolve_gguf


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that carries a model and must not be imported."""
    folder = tmp_path / "model_in_a_wheel"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_a_model_in_a_package_is_found_without_importing_it(package):
    (package / "small.gguf").write_bytes(b"GGUF....")
    assert resolve_gguf("package:model-in-a-wheel") == package / "small.gguf"
    assert "model_in_a_wheel" not in sys.modules


def test_a_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF....")
    assert resolve_gguf(str(tmp_path / "m.gguf")) == tmp_path / "m.gguf"


@pytest.mark.parametrize("gguf", ["package:no-such-model", "package:", "package:../etc", "package:a.b"])
def test_a_model_that_is_not_installed_says_how_to_install_it(gguf):
    with pytest.raises(ConfigurationInvalid) as caught:
        resolve_gguf(gguf)
    assert INSTALL_COMMAND in str(caught.value)


def test_a_package_without_a_model_says_so(package):
    with pytest.raises(ConfigurationInvalid, match="holds no GGUF file"):
        resolve_gguf("package:model-in-a-wheel")


def test_a_file_that_is_missing_or_something_else_is_named(tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"<html>")
    with pytest.raises(ConfigurationInvalid, match="is not a GGUF file"):
        resolve_gguf(str(tmp_path / "m.gguf"))
    with pytest.raises(ConfigurationInvalid, match=r"absent\.gguf cannot be read"):
        resolve_gguf(str(tmp_path / "absent.gguf"))


def test_a_missing_engine_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)
    with pytest.raises(ConfigurationInvalid) as caught:
        require_engine()
    assert INSTALL_COMMAND in str(caught.value)
