# The two commands that matter: `make demo` and `make test`. `make help` lists the others.
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
# The first Python that is new enough; `make PYTHON=/path/to/python3.12 install` chooses another.
PYTHON ?= $(shell for candidate in python3 python3.13 python3.12 python3.11; do \
	$$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$candidate && break; done)
# A slow mirror is waited for: torch with its CUDA libraries is several GB.
export UV_HTTP_TIMEOUT ?= 900
export PIP_DEFAULT_TIMEOUT ?= 180
# uv leaves compiling to the first start, and where that cannot write (a read-only environment,
# PYTHONDONTWRITEBYTECODE) every process compiles torch again: once here costs seconds, and halves each start. Our own
# modules, which stay in this folder, are compiled after it.
INSTALL := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt

.PHONY: help install demo test test-all coverage test-storm test-real test-slurm check docs screenshots release weights samples clean

help:
	@echo "make demo        install, train on Scenes, evaluate, save figures; in a terminal, open the workbench on it"
	@echo "make test        install what tests need and run all tests"
	@echo "make test-all    also the slow ones, which take a quarter of an hour more"
	@echo "make coverage    which lines the tests never run, as a table and in coverage/index.html"
	@echo "make install     make the environment in $(VENV)"
	@echo "make check       linters, types and import contracts"
	@echo "make test-storm  the kill and fuzz tests with their full counts"
	@echo "make test-real   train on, explain and caption real photographs, in an environment of their own"
	@echo "make test-slurm  runs on a SLURM of one node that it installs and starts (root, Debian)"
	@echo "make docs        write the generated pages and build the site into site/, strictly"
	@echo "make screenshots take the pictures of the documents again, from the real app in a pseudo-terminal"
	@echo "make release     build wheel and sdist, and try both in empty environments, on each Python of this machine"
	@echo "make weights     train the small networks of the package again, in three stages (two nights on a CPU)"
	@echo "make samples     draw sample_images/ again, to the same bytes"
	@echo "make clean       remove $(VENV) and caches"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "vitbench needs Python 3.11 or newer: install one, or name it with make PYTHON=..."; exit 1; }
	@echo "Making an environment in $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "Python's venv module is missing: on Debian or Ubuntu, apt install python3-venv"; exit 1; }

$(BIN)/uv: | $(BIN)/python
	@echo "Putting the installer (uv) into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/installed: pyproject.toml constraints.txt | $(BIN)/uv
	@echo "Installing vitbench and what it needs (torch is large: under a minute on a fast line, longer on a slow one)"
	@$(INSTALL) --editable .
	@$(BIN)/python -m compileall -q vitbench screens
	@touch $@

$(VENV)/installed-tests: $(VENV)/installed
	@echo "Installing what the tests need"
	@$(INSTALL) --editable '.[test,check,docs]'
	@touch $@

install: $(VENV)/installed
	@echo "Ready: $(BIN)/vitbench"

demo: $(VENV)/installed
	@$(BIN)/vitbench demo $(if $(HEADLESS),--headless)

# Each process of pytest rewrites and compiles all tests unless it may keep what another one has compiled.
test: $(VENV)/installed-tests
	@echo "Running all tests but the slow ones, which make test-all runs too"
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow" $(PYTEST_ARGUMENTS)

test-all: $(VENV)/installed-tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGUMENTS)
	@$(MAKE) --no-print-directory release

coverage: $(VENV)/installed-tests
	@$(INSTALL) --editable '.[coverage]'
	@$(BIN)/python -m pytest -n 2 --dist worksteal --cov vitbench --cov screens --cov-report term:skip-covered \
		--cov-report html:coverage $(PYTEST_ARGUMENTS)

test-storm: $(VENV)/installed-tests
	@$(BIN)/python benchmarks/storm.py $(if $(PYTEST_ARGUMENTS),-- $(PYTEST_ARGUMENTS))

# Photographs come in the wheels of scikit-image and scikit-learn, which nothing else here needs.
.venv-real/installed: pyproject.toml constraints.txt | $(BIN)/uv
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-real
	@$(BIN)/uv pip install --quiet --python .venv-real/bin/python --constraint constraints.txt \
		--editable '.[test]' scikit-image scikit-learn
	@touch $@

test-real: .venv-real/installed
	@.venv-real/bin/python -m pytest -v -rs tests/real $(PYTEST_ARGUMENTS)

# Daemons of a real cluster on loopback: as root, with Debian's packages.
test-slurm: $(VENV)/installed-tests
	@command -v slurmctld >/dev/null && command -v munged >/dev/null || \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge; }
	@$(INSTALL) --editable '.[slurm]'
	@VITBENCH_TEST_SLURM=1 $(BIN)/python -m pytest -v -rA --no-header tests/slurm $(PYTEST_ARGUMENTS)

check: $(VENV)/installed-tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

docs: $(VENV)/installed-tests
	@$(BIN)/python -m vitbench.reference && $(BIN)/python -m vitbench.generated_pages && $(BIN)/python -m screens.key_language
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The site: site/index.html"

screenshots: $(VENV)/installed-tests
	@$(BIN)/python -m tools.screenshots

release: $(VENV)/installed-tests
	@$(BIN)/python -m tools.release

weights: $(VENV)/installed
	@$(BIN)/python -m vitbench.weights.make

samples: $(VENV)/installed
	@$(BIN)/python -m vitbench.data.scenes.samples

clean:
	rm -rf $(VENV) .venv-real .venv-release site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache coverage .coverage
