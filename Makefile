# One command per task. Each makes the virtual environment if it is not there.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

.PHONY: help demo check docs quick test test-all clean

help:
	@echo "make demo      train a small ResNet on handwritten digits, export it, predict with the export"
	@echo "make check     style and static checks, spelling, and the documentation"
	@echo "make docs      build the documentation site, build/docs/index.html"
	@echo "make quick     the tests that take under 10 seconds each"
	@echo "make test      a few cases of each check"
	@echo "make test-all  all tests"
	@echo "make clean     remove the virtual environment and the demo's run"

# Renewed when the requirements change; the stamp is written last, so a broken install is tried again.
$(INSTALLED): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or later is needed, this is {sys.version}")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(INSTALLED)

demo: $(INSTALLED)
	$(BIN)/python scripts/demo.py

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell
	@$(MAKE) --no-print-directory docs

# Warnings, such as broken links, are errors.
docs: $(INSTALLED)
	$(BIN)/sphinx-build --fail-on-warning --quiet --conf-dir docs --doctree-dir build/doctrees . build/docs

quick: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not slow and not exhaustive'

test: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not exhaustive'

test-all: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal

clean:
	rm -rf $(VENV) runs/demo
