# Everything starts here. `make demo` and `make test` need nothing but Python 3.11–3.13 and make.
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
# The first interpreter that fits; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null && echo $$p && break; done)

# Each clone has a home of its own and takes free ports, so clones never meet.
export IIAB_HOME ?= $(CURDIR)/.iiab
DEMO_ENV = IIAB_PORTS=$${IIAB_PORTS:-auto}

.PHONY: help setup demo lab test lint bench soak down clean
help:
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup: $(VENV)/.ready ## the environment alone: .venv, every package, Prometheus
$(VENV)/.ready: pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11–3.13 with venv was found."; echo "  → install one (Debian: apt install python3-venv; macOS: brew install python@3.12) or run: make PYTHON=/path/to/python3"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	$(BIN)/python -m iiab_lab.engines.embedded.processes.provide
	@touch $@

demo: setup ## boot, run every notebook headless, print the table of checks, write report/
	$(DEMO_ENV) $(BIN)/iiab up && { $(DEMO_ENV) $(BIN)/iiab run --report report; code=$$?; $(BIN)/iiab down; exit $$code; }

lab: setup ## boot and open JupyterLab on the first notebook
	$(BIN)/iiab up
	JUPYTER_CONFIG_PATH=$(CURDIR)/notebooks/.jupyter $(BIN)/jupyter lab notebooks/00_start.ipynb

test: setup ## the tests
	$(BIN)/python -m pytest -n 2 --ignore tests/e2e
	$(BIN)/python -m pytest tests/e2e # one platform at a time: their files take most of a user's inotify instances

lint: setup ## style, types, contracts
	$(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: setup ## figures: time to first 200, latency, throughput, memory, apply → in force
	$(BIN)/python -m tests.bench

soak: setup ## the long runs: crash, fuzz
	$(BIN)/python -m pytest -n 0 -m soak tests

down: ## stop the platform of this clone
	$(BIN)/iiab down

clean: ## stop, and remove the environment, the home and the reports
	@test ! -x $(BIN)/iiab || $(BIN)/iiab down
	rm -rf $(VENV) $(IIAB_HOME) report build *.egg-info
