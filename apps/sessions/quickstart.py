"""The whole main job in minutes, on the recordings in this package: the logic of `traceformers quickstart`.

Each step is a command of its own, printed before it runs. Training runs under `accelerate launch`, and the last step in
a process that cannot see this package; the others share this process, for each new one costs seconds to start.
"""

import json
import subprocess
import sys
from pathlib import Path

import traceformers
from traceformers.datasets_scripts.rrweb_sessions import prepare_rrweb_sessions
from traceformers.run_scripts import train_rrweb_tokenizer, write_model_card

HOME = Path(traceformers.__file__).parent
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
    launch = ("accelerate", "launch", "--num_processes", "1", "--num_machines", "1", "--mixed_precision", "no",
              "--dynamo_backend", "no")  # fmt: skip
    yield from run_script(train_rrweb_tokenizer, recordings, "--output-dir", tokenizer, *SPLIT)
    yield from run_script(prepare_rrweb_sessions, recordings, "--tokenizer", tokenizer, "--output-dir", sessions,
                          "--num-proc", 1, *SPLIT)  # fmt: skip
    yield from run_process(*launch, RUN_MLM, CONFIG, "--data_dir", sessions, "--output_dir", run, "--seed", seed,
                           *overrides)  # fmt: skip
    yield from results(json.loads((run / "metrics.json").read_text()))
    yield from run_script(write_model_card, run, "--about-data", ABOUT_SAMPLES)
    yield from run_process("python", EXPLORE, run / "model", recordings, "--output-dir", output_dir, "--run-dir", run)
    yield f"The model, its code and its card: {run / 'model'}"


def run_script(script, *arguments):
    """Runs `main` of a script as if from a shell, so that what it records of its command is true."""
    arguments = [str(argument) for argument in arguments]
    yield f"\n$ python {' '.join(map(shown, [script.__file__, *arguments]))}"
    kept, sys.argv = sys.argv, [shown(script.__file__), *map(shown, arguments)]
    try:
        script.main(arguments)
    finally:
        sys.argv = kept


def run_process(*command):
    """Runs a command with this Python's own `python` and `accelerate`."""
    command = [str(argument) for argument in command]
    yield f"\n$ {' '.join(map(shown, command))}"
    module = {"python": [], "accelerate": ["-m", "accelerate.commands.accelerate_cli"]}[command[0]]
    sys.stdout.flush()
    subprocess.run([sys.executable, *module, *command[1:]], check=True)


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
