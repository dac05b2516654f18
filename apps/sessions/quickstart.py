"""The whole main job in minutes, on the recordings in this package: the logic of `traceformers quickstart`.

Each step is a command of its own, printed before it runs. Training runs under `accelerate launch`, and the last step in
a process that cannot see this package; the others share this process, for each new one costs seconds to start.
"""

import json
from pathlib import Path

from traceformers.datasets_scripts.rrweb_sessions import prepare_rrweb_sessions
from traceformers.run_scripts import train_rrweb_tokenizer, write_model_card
from traceformers.training.pipeline_steps import HOME, LAUNCH, run_process, run_script

SAMPLES = HOME / "datasets_scripts/rrweb_sessions/samples"
CONFIG = HOME / "run_scripts/configs/rrweb/tiny.yaml"
RUN_MLM, EXPLORE = (HOME / f"run_scripts/{name}.py" for name in ("run_mlm", "explore_sessions"))
ABOUT_SAMPLES = HOME / "model_cards/about_samples.yaml"
SPLIT = ("--split-by", "site", "--validation-share", "0.15", "--test-share", "0.15")


def run_quickstart(output_dir, seed=0, recordings=SAMPLES, overrides=()):
    """Does all steps from learning a vocabulary to using the model; yields the lines to print.

    Args:
        output_dir: folder for `tokenizer`, `sessions` (the data set), `run` (figures, `model`) and pictures.
        seed: of the weights, the windows and the masks.
        recordings: folder of rrweb recordings.
        overrides: more arguments of run_mlm.py.

    Raises:
        FileNotFoundError: there are no recordings at `recordings`.
        subprocess.CalledProcessError: a step that runs in a process of its own failed.
    """
    output_dir, recordings = Path(output_dir), Path(recordings)
    if not recordings.is_dir():
        raise FileNotFoundError(f"Expected a folder of recordings, found none at {recordings}. Name one that is there.")
    tokenizer, sessions, run = (output_dir / name for name in ("tokenizer", "sessions", "run"))
    yield from run_script(train_rrweb_tokenizer, recordings, "--output-dir", tokenizer, *SPLIT)
    yield from run_script(prepare_rrweb_sessions, recordings, "--tokenizer", tokenizer, "--output-dir", sessions,
                          "--num-proc", 1, *SPLIT)  # fmt: skip
    yield from run_process(*LAUNCH, RUN_MLM, CONFIG, "--data_dir", sessions, "--output_dir", run, "--seed", seed,
                           *overrides)  # fmt: skip
    yield from results(json.loads((run / "metrics.json").read_text()))
    yield from run_script(write_model_card, run, "--about-data", ABOUT_SAMPLES)
    yield from run_process("python", EXPLORE, run / "model", recordings, "--output-dir", output_dir, "--run-dir", run)
    yield f"The model, its code and its card: {run / 'model'}"


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
