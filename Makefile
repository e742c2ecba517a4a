# Everything sets itself up first: make check, make test.
SHELL := /bin/sh
.DEFAULT_GOAL := check
.PHONY: setup check test lint clean

# The first Python that the pinned packages are published for; one that is newer is tried before giving up.
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13; do \
	"$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null \
	&& echo "$$python" && exit; done; \
	python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo python3)

setup:
	@if [ -z "$(PYTHON)" ]; then \
	  echo "setup: Vigie needs Python 3.11 or newer: install python3 (Debian 12, Ubuntu 24.04) or python3.11" >&2; exit 4; \
	fi
	@$(PYTHON) scripts/setup.py

check: setup
	.venv/bin/vigie check --level must,should

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

test: lint
	@mkdir -p .vigie/tmp
	PYTEST_DEBUG_TEMPROOT=$(CURDIR)/.vigie/tmp .venv/bin/pytest tests
	.venv/bin/vigie check --level must,should

# The environment and what tools leave in the checkout; a deployment that still runs is ended first.
# The cache, which other checkouts use, stays.
clean:
	@if [ -x .venv/bin/vigie ]; then .venv/bin/vigie down; fi
	rm -rf .venv .vigie build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf reports/runs reports/latest
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
