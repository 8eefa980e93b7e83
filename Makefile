# Everything a newcomer needs: `make demo` and `make test`. Both create .venv and install into it.
PYTHON ?= $(shell command -v python3.12 >/dev/null 2>&1 && python3.12 -c '' 2>/dev/null && echo python3.12 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
CLIP ?=
FACTOR ?= 4
PACKAGES := imf_plugin kernels/imf_kernels host_integrations/imf_hosts ui/imf_ui

.PHONY: demo test check lint type layers bench gpu install clean

$(VENV)/.installed: setup.py pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || { echo "imf_plugin needs Python 3.12 or newer; say where it is with: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,bench,ui,vapoursynth]'
	@touch $@

install: $(VENV)/.installed

demo: install
	$(BIN)/imf demo --factor $(FACTOR) --output-dir demo $(if $(CLIP),-- "$(CLIP)")

test: install
	tools/install-system-packages.sh
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

type: install
	$(BIN)/mypy
	$(BIN)/mypy tests

layers: install
	$(BIN)/lint-imports

check: lint type layers test

# Needs the evaluation data, see README, Numbers.
DATA ?= ../shared/data/dev
bench: install
	$(BIN)/imf bench $(DATA) --peers

gpu: install
	$(BIN)/python -m pytest -m gpu
	$(BIN)/python -m kernels.benchmarks

clean:
	rm -rf $(VENV) build dist *.egg-info demo
