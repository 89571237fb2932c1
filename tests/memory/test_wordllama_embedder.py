import os
import subprocess
import sys

import numpy as np
import pytest

from memory.exceptions import EmbedderUnavailable
from memory.wordllama_embedder import DIMENSIONS, WordLlamaEmbedder


def test_texts_of_one_meaning_are_nearer_than_of_another(embedder):
    cat, kitten, budget = embedder.embed(["the cat sleeps", "a kitten is sleeping", "quarterly budget report"])
    assert cat @ kitten > cat @ budget + 0.2


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(embedder):
    texts = ["short", "a rather longer text about ships", "שלום", "你好吗", "😀", "x" * 100_000]
    together = embedder.embed(texts)
    assert together.shape == (6, DIMENSIONS)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    for text, row in zip(texts, together, strict=True):
        assert embedder.embed_query(text) == pytest.approx(row, abs=1e-6)


def test_no_texts_give_no_vectors(embedder):
    assert embedder.embed([]).shape == (0, DIMENSIONS)


def test_vectors_are_those_of_the_wheels_own_code(embedder):
    """In a process of its own: importing the wheel sets up logging."""
    program = """
import sys
from safetensors.numpy import load_file
from tokenizers import Tokenizer
from wordllama.inference import WordLlamaInference
from memory.wordllama_embedder import WordLlamaEmbedder
texts = ["ada: the report is due on friday", "grace: when was it sent?"]
theirs = WordLlamaInference(load_file(sys.argv[1])["embedding.weight"], Tokenizer.from_file(sys.argv[2]))
print(float(abs(theirs.embed(texts, norm=True) - WordLlamaEmbedder().embed(texts)).max()))
"""
    command = [sys.executable, "-c", program, *map(str, embedder._files)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."})
    assert float(said.stdout) < 1e-5


def test_the_space_is_known_without_loading_the_model():
    embedder = WordLlamaEmbedder()
    space = embedder.space
    assert (space.name, space.dimensions) == ("wordllama-l2-supercat-256", 256)
    assert "_model" not in vars(embedder)


def test_other_weights_of_the_same_width_are_another_space(embedder, tmp_path):
    weights, tokenizer = embedder._files
    for file in (weights, tokenizer):
        target = tmp_path / file.parent.name / file.name
        target.parent.mkdir()
        target.write_bytes(file.read_bytes())
    assert WordLlamaEmbedder(tmp_path).space == embedder.space
    changed = tmp_path / "weights" / weights.name
    changed.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert WordLlamaEmbedder(tmp_path).space.digest != embedder.space.digest


def test_missing_and_broken_files_are_named(tmp_path, embedder):
    with pytest.raises(EmbedderUnavailable, match="is missing"):
        _ = WordLlamaEmbedder(tmp_path).space
    for file in embedder._files:
        target = tmp_path / file.parent.name / file.name
        target.parent.mkdir()
        target.write_bytes(b"not a model")
    with pytest.raises(EmbedderUnavailable, match="broken"):
        WordLlamaEmbedder(tmp_path).embed(["text"])
