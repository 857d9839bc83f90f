# `make run` and `make test` do all the set-up on a machine that has Python 3.11 or newer and make.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: run test clean

run: $(INSTALLED)
	$(BIN)/python -m socialized_learning.main --config=socialized_learning/configs/lewis_config.py

test: $(INSTALLED)
	$(BIN)/python -m pytest

$(INSTALLED): requirements.txt setup.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $(INSTALLED)

clean:
	rm -rf .venv build *.egg-info .pytest_cache .hypothesis
