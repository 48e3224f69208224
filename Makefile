# Two commands matter: `make serve` and `make test`. Everything is installed into .venv, from pinned and hashed lists.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: serve test lint bench fuzz lock docs clean

serve: $(VENV)/run.stamp
	@exec $(BIN)/pillarbox quickstart .pillarbox

test: $(VENV)/dev.stamp
	@tests/install-peers
	@$(BIN)/python -m pytest

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/run.stamp
	@$(BIN)/python -m bench

fuzz: $(VENV)/dev.stamp
	@$(BIN)/python -m fuzz

docs: $(VENV)/dev.stamp
	$(BIN)/python docs/generate.py

# Pins everything anew. Needs uv.
lock:
	for part in run dev; do uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --extra passwd-file --extra tokens --extra policy --extra fetch \
		$$([ $$part = dev ] && echo --extra keyring) pyproject.toml requirements/$$part.in \
		--output-file requirements/$$part.txt; done

clean:
	rm -rf $(VENV) .pillarbox .mypy_cache .ruff_cache .pytest_cache .hypothesis bench/popload bench/popflood bench/results

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Pillarbox needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with: make PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt install python3-venv" >&2; exit 1; }

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing Pillarbox into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	@echo "Installing what the tests need ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
