# Every target sets itself up: Python 3.11+, make and git are all it takes.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
UV     := $(VENV)/bin/uv
STAMP  := $(VENV)/.synced

.PHONY: setup run doctor invite manifest test check bench chaos lock clean

setup: $(STAMP)

$(STAMP): requirements.lock requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Easel needs Python 3.11 or newer. Name one: make PYTHON=python3.11")'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "On Debian and Ubuntu, first: sudo apt install python3-venv" >&2; exit 1; }
	@test -x $(UV) || $(PY) -m pip install --quiet --disable-pip-version-check "uv>=0.13,<0.14"
	@$(UV) pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements-dev.lock
	@touch $@

run: setup
	@$(PY) -m bot

doctor invite manifest: setup
	@$(PY) -m bot $@

check: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

test: check
	$(PY) -m pytest -n 4 --dist worksteal -m "not processes"
	$(PY) -m pytest -n 2 --dist worksteal -m processes

chaos: setup
	$(PY) -m tests.chaos

bench: setup
	$(PY) -m tests.bench

# The locks carry hashes and no index address.
lock:
	@test -x $(UV) || (test -x $(PY) || $(PYTHON) -m venv $(VENV); $(PY) -m pip install --quiet "uv>=0.13,<0.14")
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" -o requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --python-version 3.11 --custom-compile-command "make lock" --group dev -o requirements-dev.lock -c requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache
