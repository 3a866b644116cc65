# `make demo` and `make test` need Python 3.11 or newer, git and make; everything else they install into .venv/.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# A path file instead of an import hook, which would cost every process 30 ms.
EDITABLE := --compile --config-settings editable_mode=compat --editable
PROTOS := $(wildcard proto/prsd/v1/*.proto)

.DEFAULT_GOAL := help
.PHONY: help demo test lint format proto proto-check simulate chaos bench oracle clean

help:  ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "prs needs Python 3.11 or newer; name one with make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "this Python lacks venv: on Debian, apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.examples: $(BIN)/python pyproject.toml
	$(PIP) install $(EDITABLE) '.[examples]'
	@touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(PIP) install $(EDITABLE) '.[dev]'
	@touch $@ $(VENV)/.examples

demo: $(VENV)/.examples  ## Install and run the first example
	$(BIN)/prsctl run examples/digits/pipeline.yml

test: $(VENV)/.dev  ## Pass the tests
	$(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(VENV)/.dev proto-check  ## Style, types, import rules, generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev  ## Rewrite the sources in the project's style
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

proto: $(VENV)/.dev  ## Generate prsd/v1 from proto/
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. $(PROTOS)

proto-check: $(VENV)/.dev  ## Fail when prsd/v1 is not what proto/ generates
	@drift=$$(mktemp -d) && trap 'rm -rf "$$drift"' EXIT && \
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I proto --python_out="$$drift" --grpc_python_out="$$drift" --mypy_out="quiet:$$drift" --mypy_grpc_out="quiet:$$drift" $(PROTOS) && \
	for generated in "$$drift"/prsd/v1/*; do cmp "$$generated" "prsd/v1/$$(basename "$$generated")" || { echo "run make proto"; exit 1; }; done

simulate: $(VENV)/.dev  ## Two thousand simulated worlds over the core
	$(BIN)/python -m tests.simulation --worlds 2000

chaos: $(VENV)/.dev  ## Two hundred runs of the real programs with injected faults
	$(BIN)/python -m tests.chaos --runs 200 --seed 1

bench: $(VENV)/.dev  ## W1 to W8 beside other tools; BENCH="--quick --only W1,W3 --peers pool,ray"
	$(BIN)/python -m benchmarks $(BENCH)

ORACLE := .venv-oracle
oracle: $(VENV)/.dev  ## Read 2,600 generated MLTables with the original's published engine, too, and compare
	test -x $(ORACLE)/bin/python || $(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/python -m pip --disable-pip-version-check --quiet install mltable==1.7.0 azureml-dataprep==5.5.0 pandas pytz
	$(BIN)/python -m tests.oracle --engine $(ORACLE)/bin/python --tables 2600

clean:  ## Remove everything that the targets made
	rm -rf $(VENV) $(ORACLE) .bench build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
