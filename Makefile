# Everything sets itself up first: make check, make test, make containers.
SHELL := /bin/sh
.DEFAULT_GOAL := check
# A run has five processes that read the same modules: what one of them compiled, the others and the next run need not.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: setup check prove containers test test-containers lint bench clean

# The first Python that the pinned packages are published for; one that is newer is tried before giving up. The
# distribution's goes before others: it is built with profile-guided optimization, as those built from source often are not.
PYTHON ?= $(shell for python in /usr/bin/python3 python3 python3.11 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo "$$python" && exit; done; \
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo python3)

setup:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "setup: Vigie needs Python 3.11 or newer: install python3 (Debian 12, Ubuntu 24.04) or python3.11" >&2; exit 4; \
	fi
	@$(PYTHON) scripts/setup.py

check: setup
	.venv/bin/vigie check

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

# With the engine that answers, or one of Debian's under this folder, which is ended afterwards.
containers: setup
	.venv/bin/python -m fixtures.engine run -- .venv/bin/vigie check --deployment containers

# Every seeded fault in force once: the suite must turn red for it, and for its reason.
prove: setup
	.venv/bin/vigie prove

# The seed of the suite where it stands for the project's own tests: they repeat, while `make check` looks elsewhere each time.
SEED := 2991972247

# Tests that hold when the machine is busy with others: crowds whose figures nobody judges and visits, which wait for most of
# their time, and all that is neither.
CROWDS := tests/vigie/test_load_workers.py tests/vigie/test_load_visit.py tests/vigie/test_visit.py
# Two that leave each other enough: what comes late is told from what is lost by seconds.
TROUBLE := tests/load/test_trouble.py
FEW := tests/vigie/test_load.py tests/vigie/test_load_machines.py tests/load/test_acts.py
# Figures are judged: it has the machine alone.
ALONE := tests/vigie/test_smoke.py
REST := tests --ignore=tests/containers $(addprefix --ignore=,$(CROWDS) $(TROUBLE) $(FEW) $(ALONE))
# Without a shell between them (double quotes would bring one): where make is ended, that shell would be all that ends with it.
TOGETHER := .venv/bin/python scripts/side_by_side.py

test: export PYTEST_DEBUG_TEMPROOT := $(CURDIR)/.vigie/tmp
test: lint
	@mkdir -p .vigie/tmp
	$(TOGETHER) 'crowds=.venv/bin/pytest $(CROWDS)' 'rest=.venv/bin/pytest $(REST)'
	$(TOGETHER) 'trouble=.venv/bin/pytest $(TROUBLE)' 'few=.venv/bin/pytest $(FEW)'
	$(TOGETHER) 'smoke=.venv/bin/pytest $(ALONE)'
	.venv/bin/vigie check --seed $(SEED)
	.venv/bin/vigie prove --healthy reports/latest

# What takes an engine: the launcher, an operator's image, and the same verdict on containers as on processes.
test-containers: export PYTEST_DEBUG_TEMPROOT := $(CURDIR)/.vigie/tmp
test-containers: export VIGIE_SEED := $(SEED)
test-containers: setup
	@mkdir -p .vigie/tmp
	.venv/bin/python -m fixtures.engine run -- .venv/bin/pytest tests/containers

# How fast the load generator is, beside others: figures and ratios, about four minutes.
bench: setup
	.venv/bin/python -m load.bench

# The environment and what tools leave in the checkout; a deployment that still runs is ended first.
# The cache, which other checkouts use, stays.
clean:
	@if [ -x .venv/bin/vigie ]; then .venv/bin/vigie down; fi
	rm -rf .venv .vigie build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf reports/runs reports/latest reports/proofs reports/latest-proof
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
