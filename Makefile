# Sekisho: every target explains itself in `make help`. A fresh machine needs Python 3.11+, make and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DOCS := build/docs-env
DURATION ?= 60

.DEFAULT_GOAL := help

.PHONY: help setup demo unit test check bench chaos soak model lock docs clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.ready ## Make the environment in .venv from the hashed lock

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Sekisho needs Python 3.11 or newer: set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Broker, worker, simulated traffic with fraud and a live view, for DURATION=60 seconds
	$(BIN)/sekisho demo --duration $(DURATION)

# pytest-xdist gives each file to one of two processes, in order, so that no long file is last
IN_TWO := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m unit

unit: setup ## Tests that need no broker, no Prometheus, no browser: the inner loop, with a tenth of the examples
	SEKISHO_HYPOTHESIS=quick PYTHONDONTWRITEBYTECODE= $(IN_TWO) -q

test: setup ## Every test that this machine can run, those of `make unit` first; what it cannot is skipped with its reason
	$(IN_TWO) --ignore tests/integration; unit=$$?; $(BIN)/python -m pytest -m "not unit" && exit $$unit

check: setup ## Style, types, and every generated file against its source; names the command that renews it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m deploy.generated

bench: setup ## Figures of the README, measured beside their peers in one run; writes bench.json
	$(BIN)/python -m tests.bench

chaos: setup ## Kill workers and brokers, break produces: the books must balance to the byte; writes chaos.json
	$(BIN)/python -m tests.chaos

soak: setup ## Ten million events through one worker on Apache Kafka: its memory must stay flat
	$(BIN)/python -m tests.bench.soak

model: setup ## Rebuild the demonstration bundle from the seeded simulator
	$(BIN)/python -m models.training --out models/bundles/demo

docs: setup $(DOCS)/.ready ## The documentation as a site in build/site/html, its links checked
	$(BIN)/python -m deploy.site.build --mkdocs $(DOCS)/bin/mkdocs

$(DOCS)/.ready: deploy/locks/docs.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r deploy/locks/docs.txt
	@touch $@

LOCK := uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --quiet
lock: ## Renew requirements.lock, the image's part of it and the site's lock from pyproject.toml (needs uv)
	$(LOCK) pyproject.toml --all-extras --python-version 3.11 --no-header --output-file requirements.lock
	$(LOCK) pyproject.toml --constraint requirements.lock --python-version 3.12 --no-header --output-file deploy/locks/runtime.txt
	sed -i '1i # What the image runs: pyproject.toml without extras, a part of ../../requirements.lock. Renewed by `make lock`.' deploy/locks/runtime.txt
	$(LOCK) --group docs --python-version 3.11 --no-header --output-file deploy/locks/docs.txt
	sed -i '1i # What `make docs` installs: the group `docs` of pyproject.toml. Renewed by `make lock`.' deploy/locks/docs.txt

clean: ## Remove the environment, the site and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build *.egg-info
