# Needs Python 3.11 or 3.12 and make, nothing else. Everything is installed into .venv, from one lock with hashes.

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
STAMPS := $(VENV)/.stamps
LOCK   := locks/all.txt
# The modules that write documents from the code
GENERATED := monitor.settings_doc monitor.metrics_doc monitor.store.tables_doc monitor.cli.docs
# Arguments for the command behind a target: make test ARGS="tests/unit -x"
ARGS   ?=
# Test files run side by side, each side with real parts of its own: two need 6 GB
JOBS   ?= 2

FITS   := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
            "$$p" -c '$(FITS)' 2>/dev/null && { echo "$$p"; break; }; done)

.PHONY: help
help: ## Print this list
	@echo "Watchkeeper. Targets:"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(STAMPS)/demo ## See it run: real Kafka, Triton and ClickHouse engine, a synthetic day of chat (no torch)
	$(BIN)/watchkeeper demo $(ARGS)

.PHONY: test
test: $(STAMPS)/test ## Run all tests on the real parts, JOBS files side by side
	$(BIN)/pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: check
check: $(STAMPS)/test ## Run what CI runs beside the tests; changes nothing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@for document in $(GENERATED); do echo "$$document --check" && $(BIN)/python -m $$document --check || exit 1; done
	@$(MAKE) check-lock

.PHONY: check-lock
check-lock: $(UV) ## Check that the locks say what pyproject.toml asks for, and name no registry
	@for lock in bootstrap all; do \
	  cp locks/$$lock.txt $(VENV)/$$lock.txt && \
	  $(MAKE) $(VENV)/compile-$$lock && \
	  diff -u locks/$$lock.txt $(VENV)/$$lock.txt || \
	  { echo "locks/$$lock.txt is out of date: run 'make lock' and commit it"; exit 1; }; \
	done
	@! grep -nE '://|index-url|find-links' locks/*.txt || { echo "a lock names a registry: run 'make lock'"; exit 1; }
	@echo "locks are current and name no registry"

.PHONY: fix
fix: $(STAMPS)/test ## Correct what a program can correct: lint, format, generated documents
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	for document in $(GENERATED); do $(BIN)/python -m $$document || exit 1; done

.PHONY: install
install: $(STAMPS)/test ## Install all that development needs into .venv, and run nothing

.PHONY: lock
lock: $(UV) ## Lock what pyproject.toml asks for, keeping versions (UPGRADE=--upgrade: take newer ones)
	@for lock in bootstrap all; do \
	  cp locks/$$lock.txt $(VENV)/$$lock.txt && $(MAKE) $(VENV)/compile-$$lock && \
	  cp $(VENV)/$$lock.txt locks/$$lock.txt || exit 1; \
	done

.PHONY: clean
clean: ## Remove .venv and everything built or cached here
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- installation -----------------------------------------------------------------------------------------------

# The one lock holds every version with its hashes; a profile installs its extras, constrained by it. uv verifies a
# constraint's hashes, and --no-build lets nothing in that isn't a wheel.
INSTALL := $(UV) pip install --python $(BIN)/python --no-build -r pyproject.toml -c $(LOCK)
# Our own package, without isolation: its build backend is the one that bootstrap.txt installed.
SELF    := $(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .

$(STAMPS)/demo: $(UV) $(LOCK) pyproject.toml
	@echo "installing what the demo needs (about 400 MB to download, once)"
	$(INSTALL) --extra embedded
	$(SELF)
	@touch $@

$(STAMPS)/test: $(UV) $(LOCK) pyproject.toml
	@echo "installing what the tests need (about 3.5 GB to download, once: torch comes with CUDA)"
	$(INSTALL) --extra embedded --extra dev --extra models --extra pdf
	$(SELF)
	@touch $@ $(STAMPS)/demo

$(UV): locks/bootstrap.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or 3.12 with venv found on PATH;" \
	  "install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "making $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	  -r locks/bootstrap.txt
	@mkdir -p $(STAMPS) && touch $@

# --- the lock ---------------------------------------------------------------------------------------------------

# Universal: one resolution for Python 3.11 and later on Linux and macOS. Versions and hashes that the file already
# has are kept.
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
             --custom-compile-command "make lock" $(UPGRADE)

.PHONY: $(VENV)/compile-bootstrap $(VENV)/compile-all
$(VENV)/compile-bootstrap:
	@$(COMPILE) locks/bootstrap.in --output-file $(VENV)/bootstrap.txt
$(VENV)/compile-all:
	@$(COMPILE) pyproject.toml --all-extras --output-file $(VENV)/all.txt
