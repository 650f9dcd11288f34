# What a person needs: `make demo` to see it work, `make test` before a change is
# proposed, `make quick` while working. Nothing is installed outside of .venv.

PYTHON ?= python3
# for example: make test TESTS="tests/test_select.py -x"
TESTS ?=

VENV := .venv
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
SHELL := bash

.PHONY: help demo test quick lint types docs docs-serve bench bench-quick clean

help:
	@echo "make demo    digest this Python's standard library with goroutines"
	@echo "make test    everything that has to pass on one Python"
	@echo "make quick   lint, types and unit tests: in little more than a minute"
	@echo "make docs    build the documentation into site/ and check it (PICTURES=folder:"
	@echo "             and take pictures of some pages); make docs-serve to look at it"
	@echo "make bench-quick  measure what the floors name (CHECK=1: and compare)"
	@echo "make bench        measure everything, write the tables and the plot"
	@echo "make clean   remove what the others have made"

demo: $(VENV)/demo.stamp
	python examples/md5all.py

test: lint types docs
	@echo "== the slow tests, meanwhile; and the others, with branch coverage"
	@coverage erase
	@set -o pipefail; \
	    python -m pytest -q -m slow -p no:cacheprovider $(TESTS) \
	        > $(VENV)/slow.log 2>&1 & slow=$$!; \
	    coverage run -m pytest -m "not slow" $(TESTS) | tee $(VENV)/pytest.log; fast=$$?; \
	    wait $$slow; slow=$$?; \
	    echo "== the slow tests"; cat $(VENV)/slow.log; \
	    test $$fast -eq 0 && { test $$slow -eq 0 || test $$slow -eq 5; }
	@coverage combine -q
	@coverage report
	@tail -n 1 $(VENV)/slow.log
	@tail -n 1 $(VENV)/pytest.log

# suites that say the same of something larger, and what needs other processes
SUITES := $(addprefix tests/,golang race memory_model) $(wildcard $(addsuffix *.py, \
    $(addprefix tests/test_,benchmarks command_line docs example exports on_futures \
    packaging peers process pytest_plugin)))

quick: lint
	@echo "== types, meanwhile; and the unit tests that are not slow"
	@$(MAKE) --no-print-directory types > $(VENV)/types.log 2>&1 & types=$$!; \
	    python -m pytest -q -m "not slow" \
        $(if $(TESTS),$(TESTS),$(addprefix --ignore=,$(SUITES))); \
	    tests=$$?; wait $$types; types=$$?; cat $(VENV)/types.log; \
	    test $$tests -eq 0 -a $$types -eq 0

lint: $(VENV)/dev.stamp
	@echo "== ruff format"
	@ruff format --check
	@echo "== ruff check"
	@ruff check
	@echo "== import-linter"
	@lint-imports

types: $(VENV)/dev.stamp
	@echo "== mypy"
	@mypy
	@echo "== pyright"
	@pyright
	@echo "== pyright --verifytypes"
	@pyright --verifytypes gochan --ignoreexternal

docs: $(VENV)/npm.stamp
	@echo "== the documentation"
	@python docs/generate.py --check
	@NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@python docs/check.py site $(if $(PICTURES),--pictures $(PICTURES))

docs-serve: $(VENV)/npm.stamp
	NO_MKDOCS_2_WARNING=1 mkdocs serve --dev-addr 127.0.0.1:8000

bench: $(VENV)/bench.stamp
	python -m benchmarks --json $(VENV)/bench.json --markdown --plot \
	    $(if $(CHECK),--check) $(if $(BESIDE),--beside $(BESIDE))

bench-quick: $(VENV)/bench.stamp
	python -m benchmarks --quick --json $(VENV)/bench-quick.json $(if $(CHECK),--check)

# The stamps: what is installed is installed again only when pyproject.toml changes.

$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
	    "gochan needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	python -m pip install -q --upgrade "pip>=25.1"
	@touch $@

$(VENV)/demo.stamp: $(VENV)/pip.stamp pyproject.toml
	python -m pip install -q -e . --group examples
	@touch $@

$(VENV)/dev.stamp: $(VENV)/pip.stamp pyproject.toml
	python -m pip install -q -e . --group dev
	@touch $@ $(VENV)/demo.stamp

$(VENV)/docs.stamp: $(VENV)/pip.stamp pyproject.toml
	python -m pip install -q -e . --group docs
	@touch $@

# With the Node that pip has installed. Once it is there, nothing is fetched again.
$(VENV)/npm.stamp: $(VENV)/docs.stamp docs/fetch.py
	python docs/fetch.py $(VENV)/npm
	@touch $@

$(VENV)/bench.stamp: $(VENV)/pip.stamp pyproject.toml
	python -m pip install -q -e . --group bench
	@touch $@

clean:
	rm -rf $(VENV) .ci/work build dist site .coverage .coverage.* .hypothesis \
	    .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
