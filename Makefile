# Needs only make and Python 3.11, 3.12 or 3.13; `setup`, which every target calls, brings the rest into this folder.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

UV_VERSION := 0.13.9
UV := .venv-uv/bin/uv
UV_READY := .venv-uv/ready-$(UV_VERSION)
READY := .venv/ready
PROOFYARD := .venv/bin/proofyard

# The first Python of a supported version on this machine; `make PYTHON=...` names another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo "$$python" && break; \
	done)

# More arguments for the demo: make demo DEMO="--keep", DEMO="-m 'contest(bidding_ms=1000)'".
DEMO ?=

# Arguments for pytest: `make test PYTEST="-k pool -x"`.
PYTEST ?= -n auto

# uv uses the Python found above and fetches none; settings of the caller's own uv or virtual environment don't count here.
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT UV_PYTHON PYTHONPATH PYTHONHOME

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Create .venv with the proofyard command and all tools in it

$(UV_READY):
	@test -n "$(PYTHON)" || { echo "Proofyard needs Python 3.11, 3.12 or 3.13 as python3 on the PATH" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) can't make virtual environments: install its venv package (Debian: python3-venv)" >&2; exit 1; }
	rm -rf .venv-uv
	"$(PYTHON)" -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@touch $@

$(READY): $(UV_READY) pyproject.toml uv.lock
	$(UV) sync --quiet --frozen --all-extras --python "$$(.venv-uv/bin/python -c 'import sys; print(sys._base_executable)')"
	@touch $@

.PHONY: demo
demo: $(READY) ## Simulate a market, run it live with real proofs on a chain, compare; DEMO=--keep leaves the pages open
	$(PROOFYARD) trial scenarios/payments-rollup.toml --backend noir --transfers 4 --out build/demo --replace $(DEMO)

.PHONY: test
test: check short-run ## Check, run the shortest scenario end to end, run all tests
	.venv/bin/pytest $(PYTEST)

.PHONY: contracts-test
contracts-test: $(READY) ## Test the contracts: unit, fuzz and invariant tests with forge; Slither; proofs with z3 and halmos
	.venv/bin/python -m proofyard.chain.forge
	.venv/bin/pytest -q -p no:xdist tests/chain/test_chain_contracts.py -k slither
	.venv/bin/python -m proofyard.chain.analysers shares
	.venv/bin/python -m proofyard.chain.analysers halmos

.PHONY: short-run
short-run: $(READY)
	rm -rf build/minimal
	$(PROOFYARD) simulate scenarios/minimal.toml --out build/minimal
	@for file in summary.json provers.parquet jobs.parquet report.html; do \
		test -s "build/minimal/$$file" || { echo "the short run left no build/minimal/$$file" >&2; exit 1; }; \
	done

.PHONY: check
check: $(READY) ## Formatting, lint, types, layers, spelling, lock
	@failed=""; \
	for tool in "ruff format --check --quiet" "ruff check --quiet" pyright "lint-imports --no-logo" codespell; do \
		echo "$$tool"; .venv/bin/$$tool || failed+=" $${tool%% --*},"; \
	done; \
	echo "uv lock --check"; $(UV) lock --quiet --check --offline || failed+=" uv lock,"; \
	test -z "$$failed" || { echo "make check: failed:$${failed%,}" >&2; exit 1; }

.PHONY: format
format: $(READY) ## Rewrite the sources as `check` wants them, where that is safe
	.venv/bin/ruff check --quiet --fix-only
	.venv/bin/ruff format

.PHONY: bench
bench: $(READY) ## Measure speed against plain C, SimPy and Mesa
	.venv/bin/python benchmarks/run.py
	.venv/bin/python benchmarks/chain.py
	.venv/bin/python benchmarks/proving.py
	.venv/bin/python benchmarks/market.py

.PHONY: docs
docs: $(READY) ## Rebuild the generated pages under docs/
	.venv/bin/python -m proofyard.lab.docs

.PHONY: clean
clean: ## Remove everything that make made
	rm -rf .venv .venv-uv build dist htmlcov .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find proofyard tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
