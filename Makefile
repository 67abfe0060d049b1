# Every target sets up what it needs: a .venv with pinned packages, rebuilt when the pins change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread per test process: two processes already share the cores.
QUIET_CORES := OMP_NUM_THREADS=1

.PHONY: help demo test test-integration test-slow lint types format bench bench-scale gpu-check train-motion motion-table compare-search rehearsal docs site golden clean vscode tree-sitter tree-sitter-parser

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "AnetDSL needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "setting up $(VENV) (once; takes minutes if packages must be downloaded)"
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	@touch $@

demo: $(READY) ## run the network of the paper on a clip, then a small search, its finals and its report; minutes
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: $(READY) ## run the tests; minutes
	$(QUIET_CORES) $(BIN)/python -m pytest -n 2 --dist worksteal

test-integration: $(READY) ## run the tests of whole documents, commands and several processes; minutes
	$(QUIET_CORES) $(BIN)/python -m pytest -n 2 --dist worksteal -m 'integration and not slow'

test-slow: $(READY) ## run the slow tests
	$(QUIET_CORES) $(BIN)/python -m pytest -n 2 --dist worksteal -m slow

lint: $(READY) ## run ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## run mypy, strict
	$(BIN)/mypy

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## measure speed, as ratios in one process
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m pytest benchmarks -o addopts= -o python_files='bench_*.py' --benchmark-only --benchmark-columns=median,ops --benchmark-sort=name

bench-scale: $(READY) ## simulate a search with 1,000 trials at a time, on threads and on Dask; an hour
	$(BIN)/python benchmarks/scale_search.py --executor threads
	$(BIN)/python benchmarks/scale_search.py --executor dask --seconds 180 --candidates 4000
	$(BIN)/python benchmarks/scale_search.py --executor threads --order index --window 2000 --seconds 120 --candidates 3000

gpu-check: $(READY) ## check everything that needs a GPU, on a machine with one; nine minutes
	$(BIN)/python benchmarks/gpu_check.py

train-motion: $(READY) ## train a small network on `motion` and check the accuracy of docs/motion.md; minutes
	rm -rf demo/motion
	$(BIN)/python benchmarks/train_motion.py --out demo/motion --at-least 80

motion-table: $(READY) ## measure the tables of docs/motion.md, resumable; hours
	mkdir -p demo
	$(BIN)/python benchmarks/motion_table.py --level 1 --out demo/motion-1.jsonl
	$(BIN)/python benchmarks/motion_table.py --level 2 --out demo/motion-2.jsonl
	$(BIN)/python benchmarks/motion_table.py --level 3 --out demo/motion-3.jsonl

compare-search: $(READY) ## compare the methods of the search (docs/search.md); an hour
	@for seed in 0 1 2; do for method in guided standard random; do \
	  run=demo/compare/$$method-$$seed; \
	  if [ -e $$run/settings.toml ]; then set -- --resume $$run; \
	  else set -- --preset small --config benchmarks/search_motion.toml --method $$method --seed $$seed --out $$run; fi; \
	  mkdir -p demo/compare && $(QUIET_CORES) $(BIN)/anetc evolve "$$@" || exit 1; \
	done; done
	$(BIN)/anetc report demo/compare/* -o demo/compare.html

rehearsal: $(READY) ## run train, eval, evolve and finals at the paper's full size, one step each; needs 6 GiB, minutes
	$(QUIET_CORES) $(BIN)/python benchmarks/rehearse_paper.py --out demo/rehearsal

vscode: ## compile and pack the VS Code extension: editors/vscode/anet.vsix; needs Node.js 20 and the network
	cd editors/vscode && npm ci --ignore-scripts --no-audit --no-fund
	cd editors/vscode && npm run --silent check && npm run --silent compile && npm run --silent package

tree-sitter: $(READY) ## build the tree-sitter parser and run its tests; needs a C compiler
	mkdir -p editors/tree-sitter/build
	$(CC) -shared -fPIC -O2 -Ieditors/tree-sitter/src editors/tree-sitter/src/parser.c -o editors/tree-sitter/build/anet.so
	$(BIN)/python -m pytest -q tests/test_tree_sitter.py

tree-sitter-parser: ## write the tree-sitter parser anew from grammar.js; needs Node.js and the network
	cd editors/tree-sitter && npm ci --no-audit --no-fund && npm run --silent generate

site: $(READY) ## make the documentation site: build/site/index.html
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[site]'
	$(BIN)/python docs/make_site.py
	$(BIN)/python -m mkdocs build --strict --quiet --clean -f build/mkdocs.yml

docs: $(READY) ## regenerate docs/errors.md and docs/pictures/motion.png
	$(BIN)/python docs/make_errors.py
	$(BIN)/python docs/make_motion_picture.py

golden: $(READY) ## rewrite the golden files; read the difference before you commit it
	$(QUIET_CORES) $(BIN)/python -m pytest -n 2 --update-golden -q -m 'not slow'

clean: ## remove the environment and all generated files
	rm -rf $(VENV) dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
