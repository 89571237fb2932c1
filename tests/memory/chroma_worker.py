"""A process that uses a vector folder on command: each line of its input is one, each line of its output an answer.

write PREFIX COUNT   stores vectors one by one and says "acknowledged ID served|embedded" after each
bulk PREFIX COUNT    stores vectors in one batch and says so once
own ID               says whether a search by the vector of ID finds it first
ids                  says how many are stored
close                lets go of the folder, and stays
"""

import sys
import zlib
from pathlib import Path

import numpy as np

from memory.chroma_index import ChromaIndex
from memory.spaces import EmbeddingSpace, Vectors

SPACE = EmbeddingSpace(name="test", model_digest="none", dimensions=32, pooling="none")


def vector(key: str) -> Vectors:
    return np.random.default_rng(zlib.crc32(key.encode())).standard_normal(SPACE.dimensions).astype(np.float32)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    index = ChromaIndex(folder)
    for line in sys.stdin:
        match line.split():
            case ["write", prefix, count]:
                for number in range(int(count)):
                    key = f"{prefix}{number}"
                    index.upsert("acme", SPACE, [key], vector(key).reshape(1, -1))
                    say("acknowledged", key, "served" if index.served else "embedded")
            case ["bulk", prefix, count]:
                keys = [f"{prefix}{number}" for number in range(int(count))]
                index.upsert("acme", SPACE, keys, np.stack([vector(key) for key in keys]))
                say("acknowledged", prefix, "served" if index.served else "embedded")
            case ["own", key]:
                say([hit.id for hit in index.query("acme", SPACE, vector(key), 1)] == [key])
            case ["ids"]:
                say(len(index.ids("acme", SPACE)))
            case ["close"]:
                index.close()
                say("closed")
            case other:
                raise ValueError(other)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
