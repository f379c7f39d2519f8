# make repro [PRESET=mitdb]   raw records -> report        make test   the whole test suite, on all cores
# make arena [PRESET=mitdb]   the published systems beside ours, on the same records -> reports/arena.html
# make seeds PRESET=mitdb [SEEDS=3]   the same again from other seeds: how far scores depend on chance in training
# make folds PRESET=mitdb [FOLDS=5]   cross-validation: every subject tested once; both without the window head
# make mutants   change the code of scores and labels bit by bit: does a test fail each time? -> tests/mutants.md
PRESET ?= simulate
SEEDS ?= 3
FOLDS ?= 5
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro arena seeds folds test lint mutants

define check_preset
@test -f presets/$(PRESET).txt || { echo "PRESET=$(PRESET): unknown; expected one of: $$(ls presets | sed 's/\.txt//' | tr '\n' ' ')" >&2; exit 2; }
@python -m pipeline.check
endef

repro: .venv/installed
	$(check_preset)
	@python -m pipeline.repro presets/$(PRESET).txt report
	@echo "Report: $(CURDIR)/reports/report.html"

# The embedded arena has a smaller run of its own, unless a preset is asked for.
arena: PRESET := $(if $(filter file,$(origin PRESET)),arena,$(PRESET))
arena: .venv/installed
	$(check_preset)
	@python -m pipeline.repro presets/$(PRESET).txt arena
	@echo "Arena: $(CURDIR)/reports/arena.html"

seeds folds: .venv/installed
	$(check_preset)
	@python -m pipeline.repeat $@ presets/$(PRESET).txt $(if $(filter seeds,$@),$(SEEDS),$(FOLDS))
	@echo "Report: $(CURDIR)/reports/report.html"

# Each worker takes tests from the other's list when its own is done; one thread in each, or they slow each other down.
test: .venv/installed
	@OMP_NUM_THREADS=1 python -m pytest -q -n auto --dist worksteal

mutants: .venv/installed
	@OMP_NUM_THREADS=1 python -m tests.mutants

lint: .venv/installed
	@ruff check . && ruff format --check . && mypy

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]}: expected 3.11 to 3.13. Run: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
