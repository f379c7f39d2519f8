# make repro [PRESET=mitdb] [SET="train_htf.lr=0.002"]   raw records -> report
# make arena [PRESET=mitdb]   the published systems beside ours, on the same records -> reports/arena.html
# make seeds PRESET=mitdb [SEEDS=3]   the same from other seeds: how far scores depend on chance in training
# make folds PRESET=mitdb [FOLDS=5]   cross-validation: every subject is tested once; both without the window head
# make test      the whole test suite, on all cores
# make robustness N=1000   N kills and downloads, 10 N damages, 1000 N fuzzed inputs -> docs/robustness.md
# make bench [ROWS="predict embed"]   the table of speed, each row beside a named peer -> docs/results/speed.json, docs/speed.md
# make mutants   change the code of scores and labels bit by bit: does a test fail each time? -> tests/mutants.md
# make ship      the models of the preset real and the numbers measured of them -> ecgfeat/pretrained, docs/results
# make results   tables of README.md, docs/results.md and docs/ablations.md, from docs/results       make docs   the docs site -> site/
PRESET ?= simulate
N ?= 20
SEEDS ?= 3
FOLDS ?= 5
SET ?=
ROWS ?=
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export DVC_NO_ANALYTICS := 1

.PHONY: repro arena seeds folds ship test robustness bench mutants results docs lint

# Before anything is built or run: a misspelt preset costs no more than a second.
PRESETS := $(patsubst conf/preset/%.yaml,%,$(wildcard conf/preset/*.yaml))
ifeq ($(filter $(PRESET),$(PRESETS)),)
$(error PRESET=$(PRESET): unknown preset; expected one of: $(PRESETS))
endif

repro: .venv/installed
	@python -m pipeline.run.repro $(PRESET) report $(SET)
	@echo "Report: $(CURDIR)/reports/report.html"

# The embedded arena has a smaller run of its own, unless a preset is named.
arena: .venv/installed
	@python -m pipeline.run.repro $(if $(filter file,$(origin PRESET)),arena,$(PRESET)) arena $(SET)
	@echo "Arena: $(CURDIR)/reports/arena.html"

seeds folds: .venv/installed
	@python -m pipeline.run.repeat $@ $(PRESET) $(if $(filter seeds,$@),$(SEEDS),$(FOLDS)) $(SET)
	@echo "Report: $(CURDIR)/reports/report.html"

# Shipped models are trained on real records, unless a preset is named.
ship: SHIPPED = $(if $(filter file,$(origin PRESET)),real,$(PRESET))
ship: .venv/installed
	@python -m pipeline.run.repro $(SHIPPED) outside $(SET)
	@python -m pipeline.run.ship $(SHIPPED)

# Each worker takes tests from the other's list when its own is done; one thread in each, or they slow each other down.
test: .venv/installed
	@OMP_NUM_THREADS=1 python -m pytest -q -n auto --dist worksteal

robustness: .venv/installed
	@OMP_NUM_THREADS=1 python -m tests.robustness $(N) $(if $(filter file,$(origin N)),,--keep)

bench: .venv/installed
	@python -m benchmarks.table $(ROWS)
	@python -m pipeline.run.results

mutants: .venv/installed
	@OMP_NUM_THREADS=1 python -m tests.mutants

results: .venv/installed
	@python -m pipeline.run.results

docs: .venv/installed
	@NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict
	@echo "Docs: $(CURDIR)/site/index.html"

lint: .venv/installed
	@ruff check . && ruff format --check . && mypy

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python {v[0]}.{v[1]}: expected 3.11 to 3.13. Run: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
