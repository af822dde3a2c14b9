# Every target does its own set-up. PYTHON names the interpreter to build the environment with (3.11 or newer).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help demo test test-all papers torture gpu docs lint types format clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## install, run configs/quickstart.yaml, print the summary, draw the figures
	$(BIN)/w2s-sweep launch configs/quickstart.yaml
	$(BIN)/w2s-sweep report runs/quickstart

test: $(VENV)/.dev ## install everything but GPU packages; lint, types, tests, small grids, faults
	PATH="$(abspath $(BIN)):$$PATH" bash .ci/parts quick

test-all: $(VENV)/.dev ## the same and everything that takes longer
	PATH="$(abspath $(BIN)):$$PATH" bash .ci/parts all

papers: $(VENV)/.dev ## launch the small grids of all papers, test every claim, write docs/papers.md
	$(BIN)/w2s-sweep atlas configs --page docs/papers.md

torture: $(VENV)/.dev ## put thousands of faults into runs and print what came of them (ten minutes)
	PATH="$(abspath $(BIN)):$$PATH" RAY_USAGE_STATS_ENABLED=0 python tests/torture

GPU_NEEDS := import cupy, torch, transformers, peft, safetensors, ray, numba, typer, pytest, pytest_timeout, hypothesis
gpu: ## test and measure the GPU of this machine in eight minutes: runs/card/card.md; WHEELS=FOLDER installs from there
	@if ! $(PYTHON) -c '$(GPU_NEEDS)' 2>/dev/null; then $(MAKE) $(VENV)/.gpu; fi
	@if $(PYTHON) -c '$(GPU_NEEDS)' 2>/dev/null; then python="$(PYTHON)"; else python="$(BIN)/python"; fi; \
	PYTHONPATH=kernels:.:$$PYTHONPATH exec $$python -m sweeper bench --gpu

docs: $(VENV)/.dev ## the documentation as a site, in site/index.html
	$(BIN)/mkdocs build --quiet

lint: $(VENV)/.dev ## ruff
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict
	$(BIN)/mypy

format: $(VENV)/.dev ## rewrite the code in the project's format
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean: ## remove the environment and caches; run folders stay
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "w2s-sweep needs Python 3.11 or newer; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "installing the packages of constraints.txt into $(VENV): one to four minutes without a word"
	$(PIP) -e .
	@touch $@

# From a folder of wheels without asking a network, else from the package index.
$(VENV)/.gpu: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) $(if $(WHEELS),--no-index --find-links $(WHEELS)) -e '.[all,dev,gpu]'
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) -e '.[all,dev]'
	@touch $@ $(VENV)/.demo
