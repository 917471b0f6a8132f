# The words of this project. Each works alone from a fresh clone and may be run again at any time.
#
#   make demo     set up, run the example, name the report      make check    ruff, mypy, import-linter, bandit
#   make test     set up, run the tests                         make fix      format and repair what ruff can
#   make docs     build the documentation as a site         make clean    remove what was made here (the runs too)
#   make audit    ask PyPI's advisories about every pinned dependency (needs the network; CI does not run it)
#
# PYTHON=python3.12        another Python than python3 (3.11 or newer)
# PIP_ARGS="..."           passed to every pip install. On Linux the default torch build brings CUDA libraries of several
#                          gigabytes; on a machine without a GPU, name PyTorch's address of CPU builds here:
#                          make demo PIP_ARGS="--extra-index-url ADDRESS"
# TEST_ARGS="..."          passed to pytest, e.g. TEST_ARGS="-k losses"

PYTHON ?= python3
PIP_ARGS ?=
TEST_ARGS ?=
EXAMPLE ?= examples/helpdesk/helpdesk.yaml

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CODE := src tests benchmarks docs/conf.py docs/generate.py

.PHONY: help demo test check audit docs fix clean
.DELETE_ON_ERROR:

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

demo: $(VENV)/installed-all
	HF_HUB_OFFLINE=1 $(BIN)/augtune run $(EXAMPLE)

test: $(VENV)/installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(TEST_ARGS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml src

audit: $(VENV)/installed-dev
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[audit]'
	$(BIN)/pip-audit --disable-pip --no-deps --requirement constraints.txt

docs: $(VENV)/installed-dev
	HF_HUB_OFFLINE=1 $(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html
	@echo docs/_build/html/index.html

fix: $(VENV)/installed-dev
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

clean:
	rm -rf $(VENV) runs build dist docs/_build docs/reference/generated src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are written last, so an installation that was cut off is taken up again.
$(VENV)/installed-all: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/installed-all

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "make: no '$(PYTHON)' here; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: augtune needs Python 3.11 or newer and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
