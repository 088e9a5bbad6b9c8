# Two environments: .venv for development (everything), .venv-use for inference alone (no torch).
# Each is made once and again only when pyproject.toml or constraints.txt change.

PYTHON ?= python3
DEV := .venv
USE := .venv-use
PIP_FLAGS := --quiet --disable-pip-version-check

# Commands that tests start import the sources from bytecode, even where the environment asks for none.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo setup all test check format lint format-check types imports tests docs trial recipes site dist fuzz fuzz-service attack clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

demo: $(USE)/installed ## recognise a built-in portrait at shrinking sizes (installs what inference needs, without torch)
	@$(USE)/bin/fsrfer demo -o demo.png
	@echo
	@echo "Your own photo:   $(USE)/bin/fsrfer predict PHOTO.jpg --annotate annotated"

test: check tests ## every check and every test (installs the development environment)

all: test demo ## the tests, then the demo

setup: $(DEV)/installed ## make the development environment

check: lint format-check types imports ## the checks that run no code

format: $(DEV)/installed ## rewrite the code in the project's format
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

lint: $(DEV)/installed ## ruff's rules
	$(DEV)/bin/ruff check .

format-check: $(DEV)/installed ## whether the code is formatted
	$(DEV)/bin/ruff format --check .

types: $(DEV)/installed ## mypy, strict
	$(DEV)/bin/mypy

imports: $(DEV)/installed ## which part may import which
	$(DEV)/bin/lint-imports

tests: $(DEV)/installed ## pytest, examples of the documentation included, and what share of the code they reach
	OMP_NUM_THREADS=1 $(DEV)/bin/coverage run -m pytest -n 2 --dist loadfile --no-loadscope-reorder
	$(DEV)/bin/coverage combine --quiet
	$(DEV)/bin/coverage report

docs: $(DEV)/installed ## only the examples, commands and links of the documentation
	$(DEV)/bin/python -m pytest README.md docs src tests/docs

trial: $(DEV)/installed ## score made photos on a Ray cluster of this machine, a node and the command killed (some minutes)
	$(DEV)/bin/python -m pip install $(PIP_FLAGS) -e '.[ray]' -c constraints.txt
	rm -rf build/trial
	$(DEV)/bin/python tools/scoring_trial.py make build/trial/photos --photos 500
	$(DEV)/bin/python tools/scoring_trial.py cluster build/trial/photos build/trial/scored

recipes: $(DEV)/installed ## write docs/reference/recipes.md from the recipes and their schema
	$(DEV)/bin/python tools/recipe_reference.py

site: $(DEV)/installed ## the documentation as pages that work without a network: site/index.html
	$(DEV)/bin/sphinx-build -c docs -d build/site -b html -W --keep-going -q . site

dist: $(DEV)/installed ## source distribution and wheel in dist/, checked
	rm -rf dist
	$(DEV)/bin/python -m build
	$(DEV)/bin/twine check --strict dist/*
	$(DEV)/bin/python tools/check_distributions.py dist

fuzz: $(DEV)/installed ## thousands of damaged pictures, videos, uploads, models and texts (FUZZ="--seed 2" for others)
	PYTHONPATH=tools $(DEV)/bin/python -m fuzzing $(FUZZ)

fuzz-service: $(DEV)/installed ## a running service against its OpenAPI document, by schemathesis (FUZZ="--examples 20" for fewer)
	PYTHONPATH=tools:benchmarks $(DEV)/bin/python tools/fuzz_service.py $(FUZZ)

attack: $(DEV)/installed ## a running service under floods, slow, half-open and oversized requests, 10,000 damaged pictures
	PYTHONPATH=tools:benchmarks $(DEV)/bin/python tools/attack.py $(ATTACK)

clean: ## remove both environments and all caches
	rm -rf $(DEV) $(USE) .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* build dist site demo.png

$(DEV)/installed: pyproject.toml constraints.txt
	$(call new_environment,$(DEV))
	@echo "Installing the development environment into $(DEV); the first time takes a few minutes."
	@$(DEV)/bin/python -m pip install $(PIP_FLAGS) --no-compile -e '.[dev]' -c constraints.txt
	@$(DEV)/bin/python -m compileall -qq -j 0 -x '/tests/' $(DEV)/lib || true  # on all processors, which pip does not
	@touch $@

$(USE)/installed: pyproject.toml constraints.txt
	$(call new_environment,$(USE))
	@echo "Installing fsrfer for use into $(USE)."
	@$(USE)/bin/python -m pip install $(PIP_FLAGS) -e '.[demo]' -c constraints.txt
	@touch $@

define new_environment
@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "fsrfer needs Python 3.11 or newer; say which with: make PYTHON=python3.11 ...")'
@$(PYTHON) -m venv $(1)
endef
