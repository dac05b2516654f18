# Everything runs from a fresh clone on a machine with Python >= 3.11, git and make: the first target makes .venv.
PYTHON ?= python3
RUN = .venv/bin/python -m

.DELETE_ON_ERROR:
.PHONY: quickstart test test-slow test-upstream bench fuzz style

# The stamp is newer than what the environment was made from, so nothing is installed twice.
.venv/stamp: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed, found {sys.version.split()[0]}: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e '.[test]'
	@touch $@

# The main job, small: prepare the packaged recordings, learn the vocabulary, train, evaluate, write the model card.
quickstart: .venv/stamp
	.venv/bin/traceformers quickstart --output-dir runs/quickstart

test: .venv/stamp
	$(RUN) pytest -m "not slow"

test-slow: .venv/stamp
	$(RUN) pytest -m slow

# transformers' own common tests, taken from its source package: needs a package index.
test-upstream: .venv/stamp
	$(RUN) pytest tests/upstream

bench: .venv/stamp
	for script in benchmarks/bench_*.py; do .venv/bin/python $$script || exit 1; done

fuzz: .venv/stamp
	HYPOTHESIS_PROFILE=fuzz $(RUN) pytest -k "fuzz or property"

style: .venv/stamp
	$(RUN) ruff check .
