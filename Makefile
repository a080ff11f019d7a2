# One command per task. Each makes the virtual environment if it is not there.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed

LOWEST = .venv-lowest
LOWEST_INSTALLED = $(LOWEST)/.installed
LOWEST_TESTS = tests/models tests/weights tests/test_layers.py tests/training/test_trainer.py tests/distributed/test_replicas.py

.PHONY: help demo check docs quick test test-all test-random test-lowest coverage dist clean

help:
	@echo "make demo      train a small ResNet on handwritten digits, export it, predict with the export"
	@echo "make check     style and static checks, spelling, and the documentation"
	@echo "make docs      build the documentation site, build/docs/index.html"
	@echo "make quick     the tests that take under 10 seconds each"
	@echo "make test      a few cases of each check"
	@echo "make test-all  all tests"
	@echo "make test-random   the tests of make test in random order"
	@echo "make test-lowest   quick tests of models, weights, and training with the lowest supported versions"
	@echo "make coverage  the lines and branches of the package that all tests reach"
	@echo "make dist      build the source distribution and the wheel, and check them"
	@echo "make clean     remove the virtual environments, the distributions, and the demo's run"

# Renewed when the requirements change; the stamp is written last, so a broken install is tried again.
$(INSTALLED): setup.py pyproject.toml
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

test-random: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --random-order -m 'not exhaustive'

# uv takes the lowest version of each requirement in setup.py.
$(LOWEST_INSTALLED): $(INSTALLED)
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[test]'
	@touch $(LOWEST_INSTALLED)

test-lowest: $(LOWEST_INSTALLED)
	$(LOWEST)/bin/python -m pytest -n 2 --dist worksteal -m 'not slow and not exhaustive' \
		-o filterwarnings=default $(LOWEST_TESTS)

coverage: $(INSTALLED)
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term-missing:skip-covered --cov-report=json

dist: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) $(LOWEST) build dist runs/demo
