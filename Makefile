# Two commands do all the set-up: `make demo` and `make test`. Both need Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes
TARGET := local

.DEFAULT_GOAL := help
.PHONY: help demo demo-microscopy test test-quick test-slow test-all soak browser scrapyd scrapyd-setup deploy lint format bench docs docs-tables docs-pictures lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.core  ## crawl the replica of the ISIC Archive and show what came out
	@$(BIN)/scrapy demo

demo-microscopy: $(VENV)/.volumes  ## five microscopy datasets at once, in small, from their replicas
	@$(BIN)/scrapy demo microscopy

test: $(VENV)/.dev browser  ## lint, and the tests, side by side: some minutes
	@$(MAKE) --no-print-directory -j2 lint test-quick

test-quick: $(VENV)/.dev browser  ## the tests without the slow ones
	$(BIN)/pytest -m "not slow"

test-slow: $(VENV)/.dev browser  ## the tests that take longer than their quicker relatives
	$(BIN)/pytest -m slow

test-all: test test-slow  ## lint, and every test

soak: $(VENV)/.dev browser  ## hundreds of kills and power cuts, and ten schedules for two hours (IMGCRAWL_SOAK_SECONDS)
	IMGCRAWL_SOAK=1 $(BIN)/pytest -m soak --timeout 14400

browser: $(VENV)/.browser  ## a Chromium for the spider dynamic_page, unless there is one
	@$(BIN)/python -m imgcrawl.browser.chromium || { echo "Getting a Chromium (once) ..."; \
	  { grep -qs '^ID=debian' /etc/os-release && [ "$$(id -u)" = 0 ] && \
	    apt-get install -qq -y chromium >/dev/null 2>&1; } || \
	  $(BIN)/playwright install chromium >/dev/null 2>&1; \
	  $(BIN)/python -m imgcrawl.browser.chromium || echo "None could be had: the tests that need it fail."; }

scrapyd: $(VENV)/.all  ## start a Scrapyd on 127.0.0.1, with a password of its own
	@$(BIN)/scrapy scrapyd

scrapyd-setup: $(VENV)/.all  ## what a Scrapyd and its jobs need, without starting it

# scrapyd-deploy writes a setup.py and leaves what that makes; none of it is ours.
deploy: $(VENV)/.all  ## put this checkout on it as an egg (TARGET=local of scrapy.cfg)
	@export SCRAPYD_USERNAME="$${SCRAPYD_USERNAME:-imgcrawl}"; \
	export SCRAPYD_PASSWORD="$${SCRAPYD_PASSWORD:-$$(cat "$${IMGCRAWL_HOME:-.scrapyd}/password")}"; \
	[ -n "$$SCRAPYD_PASSWORD" ] || { echo "Type 'make scrapyd' first: it makes a password."; exit 1; }; \
	$(BIN)/scrapyd-deploy $(TARGET); status=$$?; \
	rm -rf setup.py build *.egg-info; exit $$status

lint: $(VENV)/.dev  ## ruff, mypy --strict, the floors, and dependencies as declared
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/deptry .

format: $(VENV)/.dev  ## ruff's formatter and its safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## beside Scrapy's own pipelines and img2dataset (some minutes)
	$(BIN)/python -m bench

docs: $(VENV)/.dev  ## the documentation as a site, in build/site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet && echo "build/site/index.html"

docs-tables: $(VENV)/.dev  ## the tables of arguments and settings in docs/ anew
	@$(BIN)/python -m docs.generate tables

docs-pictures: $(VENV)/.dev  ## the pictures of docs/ anew, from the code and from a run of the demo
	@$(BIN)/python -m docs.generate rooms terminal contact_sheet report

lock: $(VENV)/.dev  ## requirements anew from pyproject.toml (UPGRADE=1: the newest)
	$(BIN)/python .ci/lock $(if $(UPGRADE),--upgrade)

clean:  ## remove what make made; data/ stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .scrapy

$(VENV)/.core: requirements/core.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "imgcrawl needs Python 3.11 or later; type: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Setting up $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r $<
	@touch $@

# What an extra adds, or the tests: volumes, browser, all, dev.
$(VENV)/.%: requirements/%.txt $(VENV)/.core
	@echo "Adding requirements/$*.txt (once) ..."
	@$(PIP) -r $<
	@touch $@
