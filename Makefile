# One command an intention. The environment is .venv, made from requirements.lock alone, every package by its hash.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# Compiled modules are kept wherever that is switched off: the tests start many processes.
export PYTHONDONTWRITEBYTECODE :=
PROCESSES := 4  # that run tests: two for each core of the machine it is measured on, since tests also wait

.PHONY: help demo notebook test test-deep check bench fuzz laws contention torture format docs lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(READY)  ## the whole story on this machine, offline: send, collect, close the books
	$(BIN)/smsrecon demo --dir demo

notebook: $(READY) demo/data  ## one campaign of the demo in pictures, in the browser
	$(BIN)/marimo run --token notebooks/campaign_review.py -- --data-dir demo/data

demo/data:
	$(BIN)/smsrecon demo --dir demo

test: $(READY)  ## all tests, few cases each; one kind: make test KIND=unit
	$(BIN)/pytest -n $(PROCESSES) $(addprefix tests/,$(KIND))

test-deep: $(READY)  ## the same tests with all their cases, and a table of what was run: make test-deep KIND=crash
	$(BIN)/pytest -n $(PROCESSES) --deep $(addprefix tests/,$(KIND))

check: $(READY)  ## format, lint, types, import layers, SQL
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sqlfluff lint sql

bench: $(READY)  ## speed and memory, as ratios to a floor measured beside them
	$(BIN)/python -m tests.benchmarks

fuzz: $(READY)  ## damaged answers for the decoder, CASES of them: make fuzz CASES=1000000
	$(BIN)/python -m tests.fuzz --cases $(or $(CASES),100000)

laws: $(READY)  ## the books of WORLDS random worlds against a slow twin: make laws WORLDS=2000
	TESTS_WORLDS=$(or $(WORLDS),2000) $(BIN)/pytest -n 2 --timeout 0 tests/property/test_world_laws.py tests/property/test_increment_laws.py

torture: $(READY)  ## processes killed by the thousand: make torture KILLS=5000; one seed again: make torture SEED=1007
	$(BIN)/python -m tests.crash --kills $(or $(KILLS),5000) $(if $(SEED),--seed $(SEED))

contention: $(READY)  ## eight processes on one data folder, for as long as told: make contention SECONDS=600
	$(BIN)/python -m tests.contention --seconds $(or $(SECONDS),60)

format: $(READY)  ## put code and SQL into form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/sqlfluff fix sql

docs: $(READY)  ## the generated parts of the pages, such as tables and settings, from the code
	$(BIN)/python -m tests.conventions.parts

lock: $(READY)  ## choose versions anew
	uv=$$(command -v uv || echo $(BIN)/uv); \
	$$uv pip compile pyproject.toml --group dev --extra shared --universal --upgrade \
		--generate-hashes --no-emit-index-url --no-header --quiet --output-file requirements.lock

clean:  ## remove what the other commands made
	rm -rf .venv demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

# uv where it is found; else the one of requirements.lock, fetched by pip with its hash.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "smsrecon needs Python 3.11 or newer: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv --clear .venv
	@set -e; uv=$$(command -v uv || true); \
	if [ -z "$$uv" ]; then \
		awk '/^[^ #]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.lock; \
		$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.lock; \
		uv=$(BIN)/uv; \
	fi; \
	$$uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock; \
	$$uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
