# make repro [PRESET=mitdb]   raw records -> report        make test   the whole test suite
PRESET ?= simulate
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro test lint

repro: .venv/installed
	@test -f presets/$(PRESET).txt || { echo "PRESET=$(PRESET): unknown; expected one of: $$(ls presets | sed 's/\.txt//' | tr '\n' ' ')" >&2; exit 2; }
	@python -m pipeline.params
	@python -m pipeline.repro presets/$(PRESET).txt
	@echo "Report: $(CURDIR)/reports/report.html"

test: .venv/installed
	@python -m pytest -q

lint: .venv/installed
	@ruff check . && ruff format --check . && mypy

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]}: expected 3.11 to 3.13. Run: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
