# Two commands matter: `make demo` and `make test`. Both do all set-up themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
export PYTHONHASHSEED ?= 0

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup:  ## install what is missing: system packages, .venv, Node packages
	@scripts/setup/setup.sh

demo: setup  ## run a verified job end to end on this machine (DEMO="--minilm FILE" for the other model)
	@$(BIN)/python -m scripts.demo $(DEMO)

# Four workers on two processors: many tests wait for blocks.
test: setup lint contracts-test  ## everything CI checks
	@$(BIN)/pytest -n 4 --dist loadgroup -m "not soak" $(ARGS)

contracts-test: setup  ## Solidity unit, fuzz and invariant tests, gas snapshots
	@scripts/contracts test

lint: setup  ## formatter, linter, strict types, import rules
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

fmt: setup  ## format and mend what the linter can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

soak: setup  ## long tests, and all others with new random examples
	@GAVEL_RANDOM=1 $(BIN)/pytest --timeout 3600 -m "soak or not soak" $(ARGS)

broken: setup  ## break the contracts on purpose, see the adversaries' tests fail: takes an hour (BROKEN="--between copy")
	@$(BIN)/python -m scripts.broken $(BROKEN)

prove: setup  ## prove the soft float with halmos: takes minutes (PROVE="Sum Order" for those whose names begin so)
	@scripts/prove/prove.sh float $(PROVE)

bench: setup  ## run benchmarks: make bench NAME=gas|auction|tape|transfer|daemon|cli|dispute|all
	@$(BIN)/python -m scripts.bench $(or $(NAME),all)

lock:  ## resolve and pin Python dependencies again
	@scripts/setup/lock.sh

clean:  ## remove what set-up and builds made
	@rm -rf $(VENV) contracts/node_modules contracts/out contracts/cache build protocol/engines/cpu/_kernels*.so *.egg-info .mypy_cache .ruff_cache .pytest_cache

.PHONY: help setup demo test contracts-test lint fmt soak broken prove bench lock clean
