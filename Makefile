# Everything runs in .venv, which `make install` builds with nothing but Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# The first tiers share nothing and wait half of their time, so more of them run at once than there are cores; what
# computes comes first. The others share one running service.
ALONE := tests/simulation tests/contract tests/unit
SERVICE := tests/integration tests/chaos
CODE := actors api bench domain ops platforms sandbox services storage serve_app.py
# Keep the lock files free of any registry's address.
LOCKING := --quiet --universal --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"
LOCK := $(BIN)/uv pip compile pyproject.toml $(LOCKING)
LOCK_PEERS := $(BIN)/uv pip compile bench/requirements-peers.in $(LOCKING)

.DEFAULT_GOAL := help
.PHONY: bench chaos docs help install demo test test-all test-demo test-heavy test-unit simulate lint format lock clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

install: $(STAMP) ## Build the environment in .venv

# A target of its own and not only `install`, so that every other one rebuilds it when it is stale.
$(STAMP): requirements-dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not sys.version_info >= (3, 11))' \
		|| { echo "Rookery needs Python 3.11 or later; name one with make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

demo: $(STAMP) ## Show the whole service at work; ONCE=1 checks itself and exits
	$(BIN)/rookery demo $(if $(ONCE),--once)

# The guards only end a run that hangs.
test: $(STAMP) ## Run unit, contract, simulation, integration and a short chaos tier
	timeout --foreground 1800 $(BIN)/python -m pytest -n 4 --dist worksteal -m "not heavy" $(ALONE)
	timeout --foreground 1500 $(BIN)/python -m pytest -m "not heavy" $(SERVICE)

test-heavy: $(STAMP) ## Run the tests that take their time, left out of `make test`
	timeout --foreground 1800 $(BIN)/python -m pytest -n 2 --dist worksteal -m heavy $(ALONE)
	timeout --foreground 1500 $(BIN)/python -m pytest -m heavy $(SERVICE)

test-all: test test-heavy ## Run everything but the demo's tests, as CI does

test-demo: $(STAMP) ## Run the demo, as it is and with each protection switched off
	$(BIN)/python -m pytest tests/e2e

test-unit: $(STAMP) ## Run the tests that need no server
	$(BIN)/python -m pytest -n 2 tests/unit

bench: $(STAMP) ## Measure everything and write docs/benchmarks.md; half an hour on a quiet machine
	$(BIN)/python -m bench all

docs: $(STAMP) ## Write docs/platforms.md from the registries, the specs and the tests
	$(BIN)/python -m tests.contract.table

simulate: $(STAMP) ## Simulate crashes by seed; SEEDS=1000000 START=0 for more
	$(BIN)/python -m tests.simulation.run --processes 2 --start $(or $(START),0) --seeds $(or $(SEEDS),300)

chaos: $(STAMP) ## Kill, stop and cut off parts of the running service for 5 minutes; MINUTES=60 SEED=1 for more
	$(BIN)/python -m tests.chaos.run --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

lint: $(STAMP) ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(CODE) tests
	$(BIN)/lint-imports

format: $(STAMP) ## Let ruff repair what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Resolve pyproject.toml into the requirements files again
	test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	$(LOCK) --output-file requirements.txt
	$(LOCK) --extra embedded --extra dev --output-file requirements-dev.txt
	$(LOCK_PEERS) --output-file bench/requirements-peers.txt

clean: ## Remove .venv and caches; your data in .rookery stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
