# Everything a newcomer or a maintainer runs. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

PYTHON ?= python3
DATA ?= ../shared/data
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q -c constraints.txt
SOURCES := src tests tools docs/conf.py docs/reference_pages.py
PINS := pyproject.toml constraints.txt
DEBIAN := chromium gcc libc6-dev libsundials-dev

.PHONY: help demo test system check bench conformance scvi docs style changelog clean

help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# One stamp per set of extras: repeats are quick, a change of the pins installs again.
$(VENV)/.stamp-venv:
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.stamp-core: $(VENV)/.stamp-venv $(PINS)
	@echo "installing the lean core into $(VENV)"
	$(PIP) -e .
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-core
	@echo "installing what the tests need"
	$(PIP) -e '.[test]'
	@touch $@

$(VENV)/.stamp-bench: $(VENV)/.stamp-test
	@echo "installing the peers that the benchmarks compare with"
	$(PIP) -e '.[bench]'
	@touch $@

$(VENV)/.stamp-scvi: $(VENV)/.stamp-test
	@echo "installing scvi-tools: 150 MB beside what the tests need"
	$(PIP) -e '.[scvi]'
	@touch $@

$(VENV)/.stamp-docs: $(VENV)/.stamp-core
	@echo "installing what the docs need"
	$(PIP) -e '.[docs]'
	@touch $@

demo: $(VENV)/.stamp-core ## run the demo study and print where its dossier is
	$(BIN)/cellula demo

test: $(VENV)/.stamp-test ## fetch what the demo needs, then run the tests (DATA=FOLDER of real data, JOBS=2)
	$(BIN)/cellula data get gdsc
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --data="$(DATA)" -n $(JOBS) --dist loadfile

system: ## install the Debian packages that some tests want (those tests skip without them)
	@if command -v chromium > /dev/null && command -v gcc > /dev/null && [ -e /usr/include/cvodes/cvodes.h ]; then echo "$(DEBIAN): installed"; \
	elif ! command -v apt-get > /dev/null; then \
		echo "no apt-get here: install $(DEBIAN) by hand; the tests that need it skip without it"; \
	elif [ "$$(id -u)" = 0 ]; then \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(DEBIAN) > /dev/null; \
	elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then \
		sudo apt-get -qq update && sudo DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(DEBIAN) > /dev/null; \
	else \
		echo "not root and no password-less sudo: run 'sudo apt-get install $(DEBIAN)'; the tests that need it skip without it"; \
	fi

check: $(VENV)/.stamp-test ## format, lint, types, directions of imports, tests, which requirement each covers
	$(BIN)/ruff format --check -q $(SOURCES)
	$(BIN)/ruff check -q $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --data="$(DATA)"
	$(BIN)/python tools/traceability.py

bench: $(VENV)/.stamp-bench ## ratios against peers in one run, and the slow tests
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1 \
		$(BIN)/python -m pytest -q -s tests/benchmark --data="$(DATA)"

scvi: $(VENV)/.stamp-scvi ## install the extra scvi and run its tests, which skip without it
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --data="$(DATA)" tests/unit/test_scvi.py \
		tests/unit/test_scvi_joint.py tests/unit/test_latent_shift.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --data="$(DATA)" -k vi \
		tests/conformance/test_transform.py tests/conformance/test_model.py

docs: $(VENV)/.stamp-docs ## build the docs into docs/_build/html, every warning an error
	$(BIN)/python -m sphinx -q -W -n --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

conformance: $(VENV)/.stamp-bench ## run the SBML Test Suite in DATA: every failure with its reason
	$(BIN)/python tools/sbml_conformance.py "$(DATA)/models/sbml_suite_semantic.zip"

style: $(VENV)/.stamp-core ## print our numbers beside the compass of the house
	@$(BIN)/python tools/style.py

changelog: $(VENV)/.stamp-venv ## write CHANGELOG.md from the fragments in changes/
	$(BIN)/python tools/changelog.py

clean: ## remove the environment, caches and built files
	rm -rf $(VENV) build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests tools docs -name __pycache__ -type d -exec rm -rf {} +
