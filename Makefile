# Everything a newcomer needs. A virtual environment is made in .venv; engines are local.
.DELETE_ON_ERROR:
.PHONY: demo test check chaos conformance bench reference lock clean help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*##/\1:/p' $(MAKEFILE_LIST)

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

# uv first, since pip takes several times as long for the other packages; pip where uv can't, for it
# does not know the mirrors and folders that pip is told of.
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/# via/p' requirements.lock > $(VENV)/uv.lock
	$(PIP) --require-hashes -r $(VENV)/uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock \
		|| $(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q bus connectors  # once, and not in each process where Python may not write
	@touch $@

demo: $(READY)  ## a sample region's records through a real Kafka into a real PostgreSQL
	@$(BIN)/bus demo

test: $(READY)  ## every test, on engines that it starts itself
	@$(BIN)/python -m pytest --numprocesses 2 --no-loadscope-reorder

check: $(READY)  ## style, types, import directions: seconds
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/lint-imports
	@$(BIN)/mypy

SECONDS ?= 90
SEED ?= 1

chaos: $(READY)  ## faults of every kind on a real cluster for SECONDS, drawn from SEED; one line of JSON
	@$(BIN)/python -m tests.chaos --seconds $(SECONDS) --seed $(SEED)

conformance: $(READY)  ## sources that ship on a real bus, their runners killed at moments of chance
	@$(BIN)/python -m tests.connectors.conformance

PEERS := .venv-bench

$(PEERS)/ready: tests/bench/requirements.lock
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/bench/requirements.lock
	@touch $@

bench: $(READY) $(PEERS)/ready  ## the bus against its peers and against limits of this machine; one line of JSON
	@$(BIN)/python -m tests.bench --peers $(PEERS)/bin/python

reference: $(READY)  ## write docs/reference/ and the boards from the code
	@$(BIN)/python -m docs.generate
	@$(BIN)/python -m deploy.grafana.generate

lock: $(READY)  ## resolve requirements.lock anew, with hashes
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--extra local --extra connectors --extra tracing --extra demo --extra dev --group build --output-file requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--output-file tests/bench/requirements.lock tests/bench/requirements.in

clean:  ## remove the virtual environment, local engines with their data, and caches
	@if [ -x $(BIN)/bus ]; then $(BIN)/bus local reset --yes; $(BIN)/bus --home .bus/demo local reset --yes; fi
	rm -rf $(VENV) $(PEERS) .bus .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
