# Everything runs from a fresh clone on a machine with Python >= 3.11, git and make: the first target makes .venv.
PYTHON ?= python3
RUN = .venv/bin/python -m
SAMPLES = datasets_scripts/rrweb_sessions/samples

.DELETE_ON_ERROR:
.PHONY: quickstart test test-slow test-upstream bench fuzz style

# The stamp is newer than what the environment was made from, so nothing is installed twice.
.venv/stamp: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(f"Python 3.11 or newer is needed, found {sys.version.split()[0]}: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --upgrade-strategy only-if-needed -c constraints.txt -e '.[test]'
	@touch $@

# The main job of each family, small: prepare the data, learn the vocabulary, train, evaluate, write the card, use it.
quickstart: .venv/stamp
	.venv/bin/traceformers quickstart --output-dir runs/quickstart
	.venv/bin/traceformers search quickstart --output-dir runs/quickstart-text
	.venv/bin/python run_scripts/run_recommender.py run_scripts/configs/recommender/sasrec_movielens_small.yaml --num_train_epochs 30 --output_dir runs/quickstart-items
	.venv/bin/traceformers recommend runs/quickstart-items/model --history 1,260,1210
	.venv/bin/traceformers feed demo --home runs/quickstart-feed --no-serve

# A process a core; the tests of one file stay together, for what they share is made once a file.
test: .venv/stamp
	$(RUN) pytest -m "not slow" -n auto --dist loadfile

test-slow: .venv/stamp
	$(RUN) pytest -m slow

# The common tests of transformers, from its source distribution: needs a package index.
test-upstream: .venv/stamp
	$(RUN) pytest -o addopts="--import-mode=importlib -q" tests/upstream/upstream_*.py

# Each claim next to its peer, as JSON lines, on what the quickstart left.
bench: .venv/stamp runs/quickstart/run/metrics.json runs/quickstart-text/run/metrics.json
	.venv/bin/python benchmarks/tokenizer_throughput.py "$(SAMPLES)/*.json.gz" --tokenizer runs/quickstart/tokenizer
	.venv/bin/python benchmarks/loader_tokens_per_second.py --data_dir runs/quickstart/sessions --max_length 512
	.venv/bin/python benchmarks/training_step.py --data_dir runs/quickstart/sessions --max_length 256 --windows 64 --batch_sizes 4 8
	.venv/bin/python benchmarks/ngram_tokenizer_throughput.py runs/quickstart-text/texts/train.txt --tokenizer runs/quickstart-text/run/model
	.venv/bin/python benchmarks/encoder_speed.py runs/quickstart-text/run/model --queries runs/quickstart-text/texts/heldout.txt --passages runs/quickstart-text/texts/train.txt
	.venv/bin/python benchmarks/embedding_service_load.py runs/quickstart-text/run/model

runs/quickstart/run/metrics.json runs/quickstart-text/run/metrics.json:
	$(MAKE) quickstart

# The tests on generated input, with a hundred times as many examples and other ones each time.
fuzz: .venv/stamp
	HYPOTHESIS_PROFILE=fuzz $(RUN) pytest -m hypothesis -o timeout=0

style: .venv/stamp
	$(RUN) ruff check .
