# The first Python 3.11 or 3.12 that runs (a version manager's shim may not) and can make environments.
FITS := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))
PYTHON ?= $(shell for p in python3.12 python3.11 python3 python; do \
	$$p -c '$(FITS)' 2>/dev/null && command -v $$p && break; done)
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# A file's tests stay in one process, which makes what they share once. Files start in order: the long ones first.
PYTEST := python -m pytest -q --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: help env repro tasks share lint unit test-fast test lock clean

help:  ## list these commands
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 12

env: .venv/ready  ## make the environment in .venv

.venv/ready: requirements.lock
	@"$(PYTHON)" -c '$(FITS)' 2>/dev/null || { echo "error: needs Python 3.11 or 3.12 with its venv module \
	(Debian: apt install python3-venv), or make PYTHON=/path/to/python3.12"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

repro: env  ## run the pipeline, then print the table with before and after
	dvc repro
	python -m stages.compare

TASKS ?= components json yaml schematic
# Enlarged tiles, which labels need, and LoRA on the vision tower too, as the figures in README are of.
SETTINGS ?= -S profiles.sample.image.max_side=768 -S profiles.sample.image.max_pixels=400000 \
	-S profiles.sample.image.tiles=9 -S profiles.sample.train.epochs=4 -S profiles.sample.train.max_sheets=880 \
	-S profiles.sample.train.step_tokens=7168 -S profiles.sample.train.packed_length=7168 \
	-S profiles.sample.train.learning_rate=4.0e-3 -S 'lora.extra_targets=[vision,merger]' \
	-S evaluate.max_new_tokens=1024
SHOWN := Experiment|task$$|.*(baseline|evaluate).json:f1$$|.*evaluate.json:(symbols|labels).f1$$|.*answers.valid

tasks: env  ## train and judge each task as an experiment of its name, then list all
	for task in $(TASKS); do \
		if dvc exp list --name-only | grep -qx $$task; then \
			echo "experiment $$task is there: dvc exp remove $$task, to train it again"; \
		else dvc exp run --temp --name $$task -S task=$$task $(SETTINGS) || exit; fi; \
	done
	dvc exp show --no-pager --md --hide-queued --drop '.*' --keep '$(SHOWN)'

share: env  ## REMOTE=...: send data, models and the record of every run to where colleagues get them
	@test -n "$(REMOTE)" || { echo "error: say where to, for example \
	make share REMOTE=ssh://user@host/srv/schematics (docs/sharing.md)"; exit 1; }
	dvc remote add --quiet --force --default shared "$(REMOTE)"
	dvc push --run-cache
	git add .dvc/config
	@echo 'now tell colleagues where it is: git commit -m "Share data and models" .dvc/config && git push'

lint: env  ## check style, format and types
	ruff check .
	ruff format --check .
	mypy

unit: env  ## run the unit tests that are not slow, in parallel
	$(PYTEST) -m "not slow and not gpu" tests/unit

test-fast: env  ## lint and unit at the same time; before every commit
	@$(MAKE) --no-print-directory --jobs 2 --output-sync=target lint unit

test: lint  ## lint and every test, as CI does
	$(PYTEST)

lock:  ## write requirements.lock anew from pyproject.toml; needs uv
	uv pip compile --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url \
		--no-header --no-annotate pyproject.toml -o requirements.lock

clean:  ## remove the environment, the cached answers and the caches of the tools
	rm -rf .venv .answer_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
