# Everything a person or CI runs. Logic lives in tools/; each target says what it does in one line.
# PYTHON names the interpreter for a new .venv (3.11 or later); ONCE=1 makes the demo end by itself;
# ARGS is passed on to pytest or the benches.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
export PYTHON

bin := .venv/bin

.PHONY: help demo test check fix bench fuzz docs lock clean .venv-run .venv-dev

help: ## show this list
	@printf 'Tieline: make targets\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'
	@printf '\nStart with: make demo\n'

demo: .venv-run ## play the whole path: reserve, call, talk, hand back, read the outcome (ONCE=1 to end by itself)
	@$(bin)/tieline demo $(if $(filter-out 0,$(ONCE)),--once)

test: .venv-dev ## run the checks, then every test tier and the coverage budget (ARGS='-k word' to choose)
	@tools/debian_packages.sh
	@tools/npm_packages.sh
	@$(MAKE) check
	@tools/run_tests.sh $(ARGS)

check: .venv-dev ## style, types, imports, size budgets, documentation
	@$(bin)/python tools/check.py

fix: .venv-dev ## repair style and layout where a tool can
	@$(bin)/ruff check --fix --exit-zero --silent .
	@$(bin)/ruff format .
	@$(bin)/ruff check --quiet .

bench: .venv-dev ## measure: reservations, calls, handoffs, media, floods, memory (ARGS='calls' to choose)
	@tools/debian_packages.sh
	@$(bin)/python -m bench $(ARGS)

fuzz: .venv-dev ## fuzz what reads a peer's bytes (ARGS='stack --seconds 600' to choose)
	@$(bin)/python -c 'import atheris' 2>/dev/null || $(bin)/python -m pip install --quiet 'atheris>=3,<4'
	@$(bin)/python -m fuzz $(ARGS)

docs: .venv-dev ## write the generated reference pages anew
	@$(bin)/python tools/gen_docs.py

lock: .venv-dev ## pin all dependencies anew (ARGS=--upgrade to take newer ones)
	@$(bin)/python tools/lock.py $(ARGS)

clean: ## remove .venv and what checks and tests leave behind
	@rm -rf .venv build coverage.json htmlcov .hypothesis .import_linter_cache .mypy_cache \
		.pytest_cache .ruff_cache

.venv-run:
	@tools/bootstrap.sh run

.venv-dev:
	@tools/bootstrap.sh dev
