"""The whole main job in a few minutes, on the recordings in this package: what `traceformers quickstart` does.

Each step is a command of run_scripts/ or datasets_scripts/ that works alone too, and is printed before it runs.
"""

import json
import sys
from pathlib import Path

import traceformers
from traceformers.datasets_scripts.rrweb_sessions import prepare_rrweb_sessions
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer
from traceformers.run_scripts import run_mlm, train_rrweb_tokenizer, write_model_card
from traceformers.training.hardware import describe_hardware
from traceformers.training.run_record import write_json

HOME = Path(traceformers.__file__).parent
SAMPLES = HOME / "datasets_scripts/rrweb_sessions/samples"
CONFIG = HOME / "run_scripts/configs/rrweb/tiny.yaml"
ABOUT_SAMPLES = HOME / "model_cards/about_samples.yaml"


def run_quickstart(output_dir, seed=0, recordings=SAMPLES, overrides=()):
    """Learns a vocabulary, prepares the data, trains, evaluates and writes the card; yields lines to print.

    Args:
        output_dir: folder for `tokenizer`, `sessions` (the data set) and `run` (figures, checkpoints, `model`).
        seed: of the weights, the windows and the masks.
        recordings: folder of rrweb recordings.
        overrides: more arguments of run_mlm.py.

    Raises:
        FileNotFoundError: there are no recordings at `recordings`.
    """
    output_dir, recordings = Path(output_dir), Path(recordings)
    if not recordings.is_dir():
        raise FileNotFoundError(f"Expected a folder of recordings at {recordings}, found none; name another.")
    tokenizer, sessions, run = (output_dir / name for name in ("tokenizer", "sessions", "run"))
    shares = ("--validation-share", 0.15, "--test-share", 0.15)
    bars = ("--disable_tqdm", not sys.stderr.isatty())
    steps = [
        (train_rrweb_tokenizer, recordings, "--output-dir", tokenizer, "--text-vocab-size", 2000),
        (prepare_rrweb_sessions, recordings, "--tokenizer", tokenizer, "--output-dir", sessions, *shares),
        (run_mlm, CONFIG, "--data_dir", sessions, "--output_dir", run, "--seed", seed, *bars, *overrides),
        (write_model_card, run, "--about-data", ABOUT_SAMPLES),
    ]
    for script, *arguments in steps:
        arguments = [str(argument) for argument in arguments]
        yield f"$ python {shown(script.__file__)} {' '.join(map(shown, arguments))}"
        run_script(script, arguments)
        if script is run_mlm:
            metrics = json.loads((run / "metrics.json").read_text())
            metrics["train"].setdefault("hardware", describe_hardware())
            write_json(run / "metrics.json", metrics)
            save_sentence_transformer(run / "model")
    yield from results(json.loads((run / "metrics.json").read_text()))
    yield f"The model, its code and its card: {run / 'model'}"


def run_script(script, arguments):
    """Runs `main` of a script as if from a shell, so that what it records of its command is true."""
    kept, sys.argv = sys.argv, [shown(script.__file__), *map(shown, arguments)]
    try:
        script.main(arguments)
    finally:
        sys.argv = kept


def shown(argument):
    """Returns a path of this package as it is in the repository, anything else as it is."""
    path = Path(argument)
    return str(path.relative_to(HOME)) if path.is_relative_to(HOME) else argument


def results(metrics):
    """Yields a table: bits per masked token of the test split, by token class, next to the baselines."""
    report = metrics["test"]
    unigram, bidirectional = report["baselines"]["unigram"], report["baselines"]["bidirectional"]
    rows = [("all", report, unigram, bidirectional)]
    for name, figures in report["classes"].items():
        rows.append((name, figures, unigram["classes"][name], bidirectional["classes"][name]))
    yield f"{'masked tokens':14} {'number':>7} {'top-1':>7}   bits per token: model, unigram, bidirectional"
    for name, figures, *baselines in rows:
        bits = " ".join(f"{row['bits_per_token']:8.2f}" for row in (figures, *baselines))
        yield f"{name:14} {figures['tokens']:7} {figures['top1']:7.1%}   {bits}"
