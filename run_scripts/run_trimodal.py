"""Trains the trimodal model on recordings with screenshots: windows, their logs and pictures of the page.

A few minutes on two cores, with a folder that `record_sessions.mjs --screenshots` wrote and an RRWebBERT:
    python run_scripts/run_trimodal.py run_scripts/configs/rrweb/trimodal_tiny.yaml --recordings recorded \
        --rrweb_model runs/small/model --held_out_sites todo.test --output_dir runs/trimodal
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json, trainer_state.json, checkpoints, and model/: weights, processor and
code, as they go to the Hub. Arguments are read from the YAML file, then from the command line.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.model_cards.trimodal_card import write_trimodal_card
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json
from traceformers.training.trimodal.trimodal_arguments import parse_trimodal
from traceformers.training.trimodal.trimodal_run import (
    build_model,
    build_processor,
    build_trainer,
    reports,
    temperatures,
)
from traceformers.training.trimodal.triple_dataset import TripleDataset


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    model_arguments, data_arguments, arguments = parse_trimodal(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir = Path(arguments.output_dir)
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(output_dir, arguments.world_size)
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    about_data = data_arguments.about_data
    if push and not (about_data and Path(about_data).is_file()):
        raise ValueError(
            f"Expected --about_data, the YAML of name, source, people and licence that a card must tell, got "
            f"{about_data}. Write it; model_cards/about_samples.yaml is one."
        )
    commit = git_commit()

    # 2. Processor, triples, model, trainer
    set_seed(arguments.seed)
    processor = build_processor(model_arguments)
    processor.tokenizer.model_max_length = data_arguments.max_length
    triples = TripleDataset.from_recordings(
        data_arguments.recordings, processor, data_arguments.max_length, data_arguments.extra_windows
    )
    datasets = triples.split(data_arguments.held_out_sites, data_arguments.held_out_share)
    model, pretrained = build_model(model_arguments, data_arguments.max_length)
    trainer = build_trainer(
        model, processor, datasets, data_arguments, arguments, pretrained, frozen=model_arguments.frozen_encoders
    )
    if trainer.is_world_process_zero():
        write_config(output_dir / "run.yaml", resolved_config(model_arguments, data_arguments, arguments))
    untrained = None if resume else reports(trainer, datasets)

    # 3. Training
    started = time.perf_counter()
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    train_figures = {
        "loss": result.training_loss,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "seconds": time.perf_counter() - started,
        "resumed_from": resume and Path(resume).name,
        "parameters": model.num_parameters(),
        "trained_parameters": model.num_parameters(only_trainable=True),
        "temperatures": temperatures(model),
        "ranks": arguments.world_size,
        "hardware": describe_hardware(),
    }

    # 4. Evaluation and record, then the model folder: no training state and nothing pickled in it
    names = ("train", "sessions", "sites")
    metrics = {
        "retrieval": reports(trainer, datasets),
        "untrained": untrained,
        "train": train_figures,
        "data": {name: part.counts() for name, part in zip(names, datasets, strict=True)},
        "left_out": dict(triples.left_out),
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
        "max_length": data_arguments.max_length,
    }
    if trainer.is_world_process_zero():
        write_json(output_dir / "metrics.json", metrics)
        trainer.save_state()
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(output_dir / "model")
        processor.save_pretrained(output_dir / "model")
        repository = arguments.hub_model_id or output_dir.name
        if about_data and Path(about_data).is_file():
            write_trimodal_card(output_dir, repository if push else None, about_data=about_data)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"run_trimodal: {error}")
