"""Fine-tunes RRWebBERT into an encoder of whole sessions: two disjoint parts of one session are a pair.

Two minutes on two cores, with a model that run_mlm.py has trained and the data set it was trained on:
    python run_scripts/run_contrastive.py run_scripts/configs/rrweb/contrastive_tiny.yaml \
        --model_name_or_path runs/tiny/model --data_dir data --output_dir runs/tiny-sessions
On all GPUs of a machine:
    accelerate launch run_scripts/run_contrastive.py run_scripts/configs/rrweb/contrastive_small.yaml \
        --model_name_or_path runs/small/model --data_dir data --output_dir runs/small-sessions
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json, trainer_state.json, checkpoints, and model/, which loads through
`SentenceTransformer(folder, trust_remote_code=True)` without this package. Arguments are read from the YAML file, then
from the command line.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.model_cards.session_encoder_card import write_session_encoder_card
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.contrastive.contrastive_arguments import parse_contrastive
from traceformers.training.contrastive.contrastive_run import (
    PairData,
    build_trainer,
    source_card,
    split_report,
    start_model,
    vector_lengths,
)
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    encoder_arguments, pair_arguments, arguments = parse_contrastive(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir = Path(arguments.output_dir)
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(output_dir, arguments.world_size)
    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs
    about_data = source_card(encoder_arguments, pair_arguments)
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    if push and not about_data.is_file():
        raise ValueError(
            f"Expected {about_data}, the YAML of name, source, people and licence that a card must tell, found none. "
            "Write it (model_cards/about_samples.yaml is one), or name it with --about_data."
        )

    # 2. Encoder, pairs, trainer
    set_seed(arguments.seed)
    started = time.perf_counter()
    with arguments.main_process_first(desc="the encoder before training"):
        model = start_model(encoder_arguments, pair_arguments, output_dir / "start", arguments.device)
    seconds_before = time.perf_counter() - started
    data = PairData(pair_arguments, model[0], arguments.train_batch_size * arguments.world_size, arguments.seed)
    trainer = build_trainer(model, data, encoder_arguments, arguments)
    if trainer.is_world_process_zero():
        write_config(output_dir / "run.yaml", resolved_config(encoder_arguments, pair_arguments, arguments))
    lengths = vector_lengths(encoder_arguments, model.get_embedding_dimension())
    splits = [name for name in (pair_arguments.eval_split, pair_arguments.test_split) if name is not None]
    before = split_report(model, data.retrieval(splits[-1]), lengths)

    # 3. Training
    started = time.perf_counter()
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    train_figures = {
        "loss": result.training_loss,
        "steps": trainer.state.global_step,
        "pairs": trainer.state.global_step * data.batch_size * arguments.gradient_accumulation_steps,
        "sessions": len(trainer.train_dataset.sessions),
        "seconds": time.perf_counter() - started,
        "seconds_before": seconds_before,
        "best_step": trainer.state.best_global_step,
        "resumed_from": resume and Path(resume).name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "ranks": arguments.world_size,
        "hardware": describe_hardware(),
    }

    # 4. Evaluation: the eval split chose the checkpoint, the test split is read by the final model
    metrics = {"eval": split_report(model, data.retrieval(pair_arguments.eval_split), lengths)}
    if pair_arguments.test_split is not None:
        metrics["test"] = split_report(model, data.retrieval(pair_arguments.test_split), lengths)

    # 5. Record, then the model folder: no training state and nothing pickled in it
    metrics |= {
        "before": before,
        "train": train_figures,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
        "encoder": {"name": encoder_arguments.model_name_or_path, "revision": encoder_arguments.model_revision},
        "pooling": encoder_arguments.pooling,
        "dataset": data.store(pair_arguments.train_split).info.get("name", pair_arguments.data_dir),
        "max_length": model[0].max_seq_length,
    }
    if trainer.is_world_process_zero():
        write_json(output_dir / "metrics.json", metrics)
        trainer.save_state()
        model.save(str(output_dir / "model"), create_model_card=False)
        repository = arguments.hub_model_id or output_dir.name
        write_session_encoder_card(output_dir, repository if push else None, about_data=about_data)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"run_contrastive: {error}")
