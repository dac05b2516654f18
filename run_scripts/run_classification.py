"""Trains RRWebBERT to tell labels of whole sessions apart, and says how well on sites that were held out.

A minute or so on two cores, on the labelled recordings in this package, after run_mlm.py has written runs/tiny/model:
    python run_scripts/run_classification.py run_scripts/configs/rrweb/classification_tiny.yaml \\
        --model_name_or_path runs/tiny/model --output_dir runs/behaviour
Labels of your own, any column of a CSV with a column `file`, all sites held out in turn, three seeds:
    accelerate launch run_scripts/run_classification.py run_scripts/configs/rrweb/classification_small.yaml \\
        --model_name_or_path runs/small/model --labels data/labels.csv --label_column outcome --seeds 0 1 2 \\
        --output_dir runs/outcome
Go on after an interruption: the same command with --resume_from_checkpoint auto
Labels for new recordings:
    python run_scripts/predict_sessions.py runs/behaviour/model data/new --output runs/predictions.csv

The output folder receives run.yaml, metrics.json with fine-tuned model, frozen probe, TF-IDF and counters in a table,
predictions.csv of held-out sessions, confusion.png, checkpoints, and model/: weights, adapter, tokenizer, code, card,
as they go to the Hub. Arguments are read from the YAML file, then from the command line.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from traceformers.model_cards.session_task_card import write_session_task_card
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json
from traceformers.training.session_classification.classification_arguments import parse_classification
from traceformers.training.session_classification.classification_figures import (
    figures_by_class,
    save_confusion,
    table_lines,
)
from traceformers.training.session_classification.classification_model import save_classifier
from traceformers.training.session_classification.classification_run import FINE_TUNED, ClassificationRun


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments and labels
    groups = parse_classification(sys.argv[1:] if argv is None else argv, __doc__)
    m, d, arguments = groups
    output_dir, commit = Path(arguments.output_dir), git_commit()  # of the code that is loaded now
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    run = ClassificationRun(*groups)
    data, is_main = run.data, arguments.process_index == 0
    if is_main:
        write_config(output_dir / "run.yaml", resolved_config(*groups))

    # 2. Held out: baselines, then fine-tuning, fold by fold
    compared = run.compare()
    tested = ~np.isnan(run.scores).any(1)
    numbers, scores = data.numbers[tested], run.scores[tested]

    # 3. The model that is saved
    trainer, tokenizer, about = run.final()

    # 4. Record
    metrics = {
        "task": "session classification",
        "label": d.label_column,
        "classes": data.classes,
        "test": compared[FINE_TUNED] | {"by_class": figures_by_class(numbers, scores, data.classes)},
        "compared": compared,
        "folds": run.trained,
        "train": about | {"hardware": describe_hardware(), "ranks": arguments.world_size},
        "data": {
            "name": Path(d.labels).parent.name,
            "sessions": len(data),
            "group_column": d.group_column,
            "groups": len(set(data.groups.tolist())),
            "classes": data.counts(),
        },
        "encoder": m.model_name_or_path,
        "adapter": {"r": m.lora_r, "alpha": m.lora_alpha, "dropout": m.lora_dropout} if m.lora else None,
        "max_length": d.max_length,
        "windows": d.windows,
        "seeds": run.seeds,
        "seed": run.seeds[0],
        "command": command_line(),
        "git_commit": commit,
    }
    if is_main:
        write_json(output_dir / "metrics.json", metrics)
        trainer.save_state()
        save_confusion(output_dir / "confusion.png", numbers, scores, data.classes)
        held_out = pd.DataFrame(scores.round(6), columns=[f"p({name})" for name in data.classes])
        held_out.insert(0, "file", [file.name for file, kept in zip(data.sessions.files, tested, strict=True) if kept])
        held_out.insert(1, "label", [data.classes[i] for i in numbers])
        held_out.insert(2, "foretold", [data.classes[i] for i in scores.argmax(1)])
        held_out.to_csv(output_dir / "predictions.csv", index=False)
        tokenizer.model_max_length = d.max_length  # what `predict_sessions.py`, and whoever loads it, cuts windows to
        model = trainer.accelerator.unwrap_model(trainer.model)
        model.config.session_windows = d.windows
        save_classifier(model, tokenizer, output_dir / "model")
        repository = arguments.hub_model_id or output_dir.name
        write_session_task_card(output_dir, repository if push else None, about_data=d.about_data)
        for line in table_lines(compared):
            print(line)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError, ImportError) as error:
        sys.exit(f"run_classification: {error}")
