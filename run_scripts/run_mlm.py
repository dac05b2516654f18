"""Trains RRWebBERT to predict masked tokens of recorded web sessions.

A minute on two cores, after `prepare_rrweb_sessions.py` has written a data set to data/:
    python run_scripts/run_mlm.py run_scripts/configs/rrweb/tiny.yaml --data_dir data --output_dir runs/tiny
The base model on all GPUs of a machine:
    accelerate launch run_scripts/run_mlm.py run_scripts/configs/rrweb/base.yaml --data_dir data --output_dir runs/base
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json, trainer_state.json, checkpoints, and model/: weights, tokenizer and
code, as they go to the Hub. Arguments are read from the YAML file, then from the command line.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

from transformers.trainer_utils import set_seed

from traceformers.model_cards.card import write_card
from traceformers.model_cards.measured_energy import measured_energy
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.masked_lm.mlm_arguments import parse_mlm
from traceformers.training.masked_lm.mlm_run import MLMData, build_model, build_trainer, split_report
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    model_arguments, data_arguments, arguments = parse_mlm(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir = Path(arguments.output_dir)
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(output_dir, arguments.world_size)

    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs

    # 2. Data, model, trainer
    set_seed(arguments.seed)
    data = MLMData(data_arguments, arguments.seed)
    data.check_splits()
    about_data = data_arguments.about_data or Path(data_arguments.data_dir) / "about_data.yaml"
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    if push and not Path(about_data).is_file():
        raise ValueError(
            f"Expected {about_data}, the YAML of name, source, people and licence that a card must tell, found none. "
            "Write it (model_cards/about_samples.yaml is one), or name it with --about_data."
        )
    model = build_model(model_arguments, data.tokenizer, data_arguments.max_length)
    trainer = build_trainer(model, data, arguments)
    if trainer.is_world_process_zero():
        write_config(output_dir / "run.yaml", resolved_config(model_arguments, data_arguments, arguments))

    # 3. Training
    started = time.perf_counter()
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    train_figures = {
        "loss": result.training_loss,
        "steps": trainer.state.global_step,
        "tokens": trainer.state.num_input_tokens_seen,
        "seconds": time.perf_counter() - started,
        "best_step": trainer.state.best_global_step,
        "resumed_from": resume and Path(resume).name,
        "parameters": model.num_parameters(),
        "ranks": arguments.world_size,
        "hardware": describe_hardware(),
    }

    # 4. Evaluation: the eval split chose the checkpoint, the test split is read here for the first time
    metrics = {"eval": split_report(trainer, data, data_arguments.eval_split)}
    if data_arguments.test_split is not None:
        metrics["test"] = split_report(trainer, data, data_arguments.test_split)

    # 5. Record, then the model folder: no training state and nothing pickled in it
    metrics |= {
        "train": train_figures,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
        "dataset": data.store(data_arguments.train_split).info.get("name", data_arguments.data_dir),
        "max_length": data_arguments.max_length,
    }
    if trainer.is_world_process_zero():
        write_json(output_dir / "metrics.json", metrics)
        trainer.save_state()
        unwrapped = trainer.accelerator.unwrap_model(trainer.model)
        unwrapped.save_pretrained(output_dir / "model")
        data.tokenizer.save_pretrained(output_dir / "model")
        save_sentence_transformer(output_dir / "model", max_seq_length=data_arguments.max_length)
        if Path(about_data).is_file():
            repository = arguments.hub_model_id or output_dir.name
            write_card(output_dir, repository if push else None, about_data=about_data)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"run_mlm: {error}")
