"""The default embedder: static word vectors of WordLlama, averaged. Fast, small, offline.

The weights and the tokenizer are taken from the installed wheel by path. Its Python code is never imported: it sets up
the process's logging and can download.

Source: https://github.com/dleemiller/WordLlama (MIT)
"""

# safetensors and tokenizers ship without complete types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false

import hashlib
from collections.abc import Sequence
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from typing_extensions import override

from memory.embedder import Embedder
from memory.exceptions import EmbedderUnavailable
from memory.spaces import EmbeddingSpace, Vectors

NAME = "wordllama-l2-supercat-256"
DIMENSIONS = 256


# Of one text, what is beyond adds nothing to an average but time.
MAX_CHARACTERS = 20_000

_BATCH = 256


class WordLlamaEmbedder(Embedder):
    """`Embedder` on the files of the wheel `wordllama`.

    Making one costs nothing, its space 20 ms (the files are digested, once), its first vector 100 ms (they are loaded).

    Args:
        folder: holds `weights/` and `tokenizers/` as the wheel does; None for the installed one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._loading = Lock()

    @property
    @override
    def space(self) -> EmbeddingSpace:
        return self._space

    @cached_property
    def _space(self) -> EmbeddingSpace:
        weights, tokenizer = self._files
        return EmbeddingSpace(
            name=NAME,
            model_digest=_digest(weights, tokenizer),
            dimensions=DIMENSIONS,
            pooling="mean of token vectors, length 1",
        )

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), _BATCH):
            some = texts[start : start + _BATCH]
            vectors[start : start + len(some)] = self._mean_vectors(some)
        return vectors

    @override
    def embed_query(self, text: str) -> Vectors:
        return self.embed([text])[0]

    @cached_property
    def _files(self) -> tuple[Path, Path]:
        folder = self._folder or _installed_folder()
        files = folder / "weights/l2_supercat_256.safetensors", folder / "tokenizers/l2_supercat_tokenizer_config.json"
        for file in files:
            if not file.is_file():
                raise EmbedderUnavailable(NAME, f"{str(file)!r} is missing; install wordllama anew")
        return files

    @cached_property
    def _model(self) -> tuple[Vectors, Any]:
        # Imported here because a start that embeds nothing should not pay for them.
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        weights, tokenizer = self._files
        try:
            table = load_file(weights)["embedding.weight"].astype(np.float32)
            words = Tokenizer.from_file(str(tokenizer))
        except (SafetensorError, KeyError, OSError) as error:
            raise EmbedderUnavailable(NAME, f"its files are broken ({error}); install wordllama anew") from error
        words.no_padding()
        words.no_truncation()
        return table, words

    def _mean_vectors(self, texts: Sequence[str]) -> Vectors:
        with self._loading:
            table, words = self._model
        encoded = words.encode_batch_fast([text[:MAX_CHARACTERS] for text in texts], add_special_tokens=False)
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, encoding in enumerate(encoded):
            if encoding.ids:
                vectors[row] = table[encoding.ids].mean(axis=0)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)


def _installed_folder() -> Path:
    found = find_spec("wordllama")
    if found is None or found.origin is None:
        raise EmbedderUnavailable(NAME, "the package wordllama is not installed; run `pip install wordllama`")
    return Path(found.origin).parent


def _digest(*files: Path) -> str:
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            whole.update(hashlib.file_digest(content, "sha256").digest())
    return whole.hexdigest()
