# make demo          set up and play a short day of a tender project; the page stays until Ctrl-C
# make demo ONCE=1   the same, ending by itself; the last line is one JSON object
# make test          set up and run all checks and tests
# make bench NAME=…  set up and run one benchmark of benchmarks/
# make web           build the front end if web/ has changed
# make clean         remove what was built; recordings below var/ stay

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO_FLAGS := $(if $(ONCE),--once) $(if $(FOOTAGE),--footage $(FOOTAGE)) $(if $(PORT),--port $(PORT))

.PHONY: demo test bench web check-python clean

demo: $(VENV)/installed web
	@$(BIN)/jianzheng demo $(DEMO_FLAGS)

test: $(VENV)/installed-dev web
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python web/build.py --check
	$(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_FLAGS)

bench: $(VENV)/installed-dev
	@test -n "$(NAME)" || { echo "Name a benchmark: make bench NAME=..., one of:"; ls benchmarks | sed -n 's/^bench_\(.*\)\.py$$/  \1/p'; exit 2; }
	@$(BIN)/python benchmarks/bench_$(NAME).py

web: $(VENV)/installed
	@$(BIN)/python web/build.py

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Jianzheng needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
	  { echo "Python's venv module is missing; on Debian: apt install python3-venv"; exit 1; }

$(VENV)/bin/python: | check-python
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[web]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[web,dev]'
	@touch $@ $(VENV)/installed

clean:
	rm -rf $(VENV) web/node_modules player_api/static .mypy_cache .ruff_cache .pytest_cache .hypothesis
