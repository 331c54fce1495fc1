# Every target sets up what it needs in $(VENV); a plain `python3` (3.11 or newer) is enough to start from.
PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
DEMO ?= demo
DATA ?= $(or $(UNFADE_DATA),../shared/data)
ARGS ?=

BIN := $(VENV)/bin
PEER := .oracles/tracking-py-ctcmetrics/bin/python
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt
PINNED := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs bench oracles wheel constraints clean

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 14

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "unfade needs Python 3.11 or newer: make PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet uv
	@echo "Setting up $(VENV); the first time this downloads about 3 GB."

$(VENV)/.run: $(PINNED) | $(BIN)/uv
	$(INSTALL) -e .
	@touch $@

$(VENV)/.dev: $(PINNED) | $(BIN)/uv
	$(INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.docs: $(PINNED) | $(BIN)/uv
	$(INSTALL) -e '.[dev,docs]'
	@touch $@ $(VENV)/.run $(VENV)/.dev

$(DEMO)/movie.ome.tif: | $(VENV)/.run
	@mkdir -p $(DEMO)
	$(BIN)/unfade synthesize $@ --seed 0

demo: $(VENV)/.run $(DEMO)/movie.ome.tif ## run the main job on a small generated movie
	$(BIN)/unfade run $(DEMO)/movie.ome.tif -o $(DEMO)/run
	@echo "Open the report: $(CURDIR)/$(DEMO)/run/report.html"

test: $(VENV)/.dev ## run the tests; ARGS=tests/unit/score runs a part of them
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

lint: $(VENV)/.dev ## check style, types and the import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## bring the code into its one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.docs ## build the manual into docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "Open the manual: $(CURDIR)/docs/_build/html/index.html"

bench: $(VENV)/.dev $(DEMO)/movie.ome.tif ## measure speed and memory; where real data are, accuracy too
	$(BIN)/python benchmarks/overhead.py $(DEMO)/movie.ome.tif
	$(BIN)/python benchmarks/memory.py $(DEMO)/movie.ome.tif
	@if [ -d $(DATA)/dsb2018 ]; then set -x; $(BIN)/python benchmarks/stills.py $(DATA)/dsb2018; fi
	@if [ -d $(DATA)/ctc ]; then set -x; $(BIN)/python benchmarks/link_truth.py --data $(DATA) && UNFADE_DATA=$(DATA) $(BIN)/python benchmarks/score_oracles.py; fi
	@if [ -x $(PEER) ] && [ -d $(DATA)/ctc ]; then set -x; UNFADE_DATA=$(DATA) $(BIN)/python benchmarks/score_speed.py --oracle $(PEER); fi

oracles: $(BIN)/uv ## run other implementations, each in its own environment, and write their figures to tests/oracles
	@set -e; for pins in tests/oracles/*.txt; do \
		name=$$(basename $$pins .txt); topic=$${name%%-*}; place=.oracles/$$name; \
		$(BIN)/uv venv --quiet --clear --python 3.11 $$place; \
		$(BIN)/uv pip install --quiet --python $$place/bin/python -r $$pins; \
		$$place/bin/python tests/oracles/make_$$topic.py $$(echo $${name#$$topic} | cut -c2-); \
	done

wheel: $(BIN)/uv ## build the wheel, install it alone in a clean environment and run the main job there
	$(BIN)/uv build --quiet --clear --wheel --out-dir dist
	PYTHON=$(PYTHON) UV=$(BIN)/uv .ci/wheel dist/*.whl

constraints: $(BIN)/uv ## choose the newest versions of all dependencies
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-annotate --no-emit-find-links \
		--no-emit-index-url --python-version 3.11 --all-extras pyproject.toml -o constraints.txt

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) .oracles build dist docs/_build $(DEMO)
