# make repro: environment, pipeline, table.   make test: environment, everything CI checks.
PYTHON ?= $(firstword $(shell command -v python3.12 python3.11 python3 python))
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: env repro test lint clean

env: .venv/ready

.venv/ready: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || \
		{ echo "error: needs Python 3.11 or 3.12: run make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || \
		{ echo "error: this Python cannot make environments: install its venv module (Debian: python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

repro: env
	dvc repro
	python -m stages.compare

lint: env
	ruff check .
	ruff format --check .
	mypy

test: lint
	python -m pytest -q

lock:
	uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url \
		--no-header --no-annotate pyproject.toml -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis
