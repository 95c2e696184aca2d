# make demo: erase a person from a short clip that it makes itself.   make test: everything that CI checks.
# make test-gpu: the tests that need an NVIDIA GPU.
# They make an environment in .venv, install into it what they need, and do that only once.
# VENV, PYTHON and PIP_ARGS can be given: make test VENV=/tmp/eraser PYTHON=python3.12 PIP_ARGS="--index-url ..."

VENV ?= .venv
PYTHON ?= python3
PIP_ARGS ?=
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt
SETUP := pyproject.toml constraints.txt

.PHONY: demo test test-gpu clean

demo: $(VENV)/.demo-installed
	$(BIN)/python -m benchmarks.demo

test: $(VENV)/.test-installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q

test-gpu: $(VENV)/.gpu-installed
	$(BIN)/python -m engines.doctor
	$(BIN)/python -m pytest -q -m gpu

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "Python 3.10 or newer is needed: make PYTHON=python3.12 ..., say"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "This Python cannot make environments: on Debian and Ubuntu, apt install python3-venv"; exit 1; }

$(VENV)/.demo-installed: $(SETUP) | $(BIN)/python
	$(INSTALL) -e ".[demo]"
	@touch $@

$(VENV)/.test-installed: $(SETUP) | $(BIN)/python
	$(INSTALL) -e ".[test]"
	@touch $@ $(VENV)/.demo-installed

# The extra `gpu` is gigabytes: without a GPU nothing is installed, and this fails instead of skipping every test.
$(VENV)/.gpu-installed: $(SETUP) | $(BIN)/python
	@$(BIN)/python -c 'import sys; from engines.gpu import find_gpus; sys.exit(find_gpus().lack or 0)'
	$(INSTALL) -e ".[gpu,test]"
	@touch $@ $(VENV)/.test-installed $(VENV)/.demo-installed
