# make repro: environment, pipeline, table.   make test: environment, everything CI checks.
# The first Python 3.11 or 3.12 that runs (a version manager's shim may not) and can make environments.
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c '$(FITS)' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: env repro share test lint lock clean

env: .venv/ready

.venv/ready: requirements.lock
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "error: needs Python 3.11 or 3.12 with its venv module \
	(Debian: apt install python3-venv), or make PYTHON=/path/to/python3.12"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

repro: env
	dvc repro
	python -m stages.compare

# make share REMOTE=...: data, models and the record of every run to where colleagues get them (docs/sharing.md).
share: env
	@test -n "$(REMOTE)" || { echo "error: say where to, for example \
	make share REMOTE=ssh://user@host/srv/schematics (docs/sharing.md)"; exit 1; }
	dvc remote add --quiet --force --default shared "$(REMOTE)"
	dvc push --run-cache
	git add .dvc/config
	@echo 'now tell colleagues where it is: git commit -m "Share data and models" .dvc/config && git push'

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
