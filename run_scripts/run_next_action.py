"""Trains RRWebBERT to foretell what a person does next in a session: the kind of action, and on what.

A minute or two on two cores, after run_mlm.py has written a model to runs/tiny/model and the data set to data/:
    python run_scripts/run_next_action.py run_scripts/configs/rrweb/next_action_tiny.yaml \\
        --model_name_or_path runs/tiny/model --data_dir data --output_dir runs/next_action
A larger one on recordings split by site, so that the test asks of sites that were never seen:
    accelerate launch run_scripts/run_next_action.py run_scripts/configs/rrweb/next_action_small.yaml \\
        --model_name_or_path runs/small/model --data_dir data --output_dir runs/next_action_small
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json with the figures of majority, bigram and boosted counters in the same
table, trainer_state.json, checkpoints, and model/: weights, tokenizer, code and card, as they go to the Hub. Arguments
are read from the YAML file, then from the command line.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.model_cards.session_task_card import write_session_task_card
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.next_action.next_action_arguments import parse_next_action
from traceformers.training.next_action.next_action_run import (
    NextActionData,
    build_next_action_model,
    build_next_action_trainer,
    data_folder_about,
    load_tokenizer,
    split_figures,
    table_lines,
)
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    model_arguments, data_arguments, arguments = parse_next_action(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir, m, d = Path(arguments.output_dir), model_arguments, data_arguments
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(output_dir, arguments.world_size)
    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained

    # 2. Data, model, trainer
    set_seed(arguments.seed)
    tokenizer = load_tokenizer(m)
    data = NextActionData(d, tokenizer, arguments.seed)
    model = build_next_action_model(
        m.model_name_or_path, data.names, d.max_length, m.model_revision, m.attn_implementation, m.head_dropout,
        m.frozen_layers,
    )  # fmt: skip
    train, validation = data.windows(d.train_split, train=True), data.windows(d.eval_split)
    trainer = build_next_action_trainer(model, tokenizer, train, validation, arguments)
    if trainer.is_world_process_zero():
        write_config(output_dir / "run.yaml", resolved_config(m, d, arguments))

    # 3. Training
    started = time.perf_counter()
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    train_figures = {
        "loss": result.training_loss,
        "steps": trainer.state.global_step,
        "seconds": time.perf_counter() - started,
        "best_step": trainer.state.best_global_step,
        "resumed_from": resume and Path(resume).name,
        "parameters": model.num_parameters(),
        "ranks": arguments.world_size,
        "hardware": describe_hardware(),
    }

    # 4. Evaluation: the eval split chose the checkpoint, the test split is read here for the first time
    splits = {"eval": d.eval_split} | ({"test": d.test_split} if d.test_split else {})
    metrics = {name: split_figures(trainer, data, split, arguments.seed) for name, split in splits.items()}

    # 5. Record, then the model folder
    metrics |= {
        "train": train_figures,
        "data": {"name": data.dataset_name, "splits": data.counts(), "split_by": data.split_by},
        "task": "next action",
        "encoder": m.model_name_or_path,
        "kinds": list(data.names.kinds),
        "targets": list(data.names.targets),
        "max_length": d.max_length,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
    }
    if trainer.is_world_process_zero():
        write_json(output_dir / "metrics.json", metrics)
        trainer.save_state()
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(output_dir / "model")
        tokenizer.save_pretrained(output_dir / "model")
        repository = arguments.hub_model_id or output_dir.name
        write_session_task_card(output_dir, repository if push else None, about_data=data_folder_about(d))
        for line in table_lines(metrics["test" if d.test_split else "eval"]["compared"]):
            print(line)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"run_next_action: {error}")
