"""A run of the productive feed: labels, model, calibration, figures, and the folder it leaves.

    trained = train_feed("exports/feed", "runs/feed", model="linear", encoder="e5-small")
    trained.path, trained.metrics["test"]["productive"]["average_precision"]

What is chosen (C, checkpoint, temperature, which of two models) is chosen on validation; the test, the newest labels,
is read once, for the figures.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from accelerate import PartialState
from transformers.trainer_utils import set_seed

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.model_cards.measured_energy import measured_energy
from traceformers.model_cards.productive_feed_card import write_feed_card
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.productive_feed.calibration import Calibration, fit_calibration
from traceformers.training.productive_feed.feed_arguments import parse_feed
from traceformers.training.productive_feed.feed_batches import BalancedBatches, OrderedBatches
from traceformers.training.productive_feed.feed_evaluation import feed_figures
from traceformers.training.productive_feed.feed_examples import label_counts, read_examples
from traceformers.training.productive_feed.feed_model import build_model, calibrated, inputs_of, prepare_training
from traceformers.training.productive_feed.feed_pictures import save_pictures
from traceformers.training.productive_feed.feed_promotion import compare
from traceformers.training.productive_feed.feed_residual import (
    better_heads,
    forget_residual,
    honest_offsets,
    log_losses,
)
from traceformers.training.productive_feed.feed_split import PARTS, folds, split_by_time
from traceformers.training.productive_feed.feed_trainer import FeedTrainer, model_logits
from traceformers.training.productive_feed.label_needs import ENOUGH_FOR_GRADIENTS, advice, refuse_too_few
from traceformers.training.productive_feed.linear_feed import fit_linear
from traceformers.training.productive_feed.text_vector_cache import TextVectorCache
from traceformers.training.recommenders.run_costs import RunCosts
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json

NAMES = {
    "linear": "frozen encoder + logistic regression",
    "base": "trained, without activity",
    "hybrid": "trained, with activity",
}
#: Share of a fold's training examples, the newest, that chooses in it.
CHOOSING_SHARE = 0.15


@dataclass(frozen=True)
class TrainedFeed:
    """What `train_feed` leaves: the folder of the model, and the content of metrics.json."""

    path: Path
    metrics: dict


@dataclass
class Fitted:
    """A trained model of a run.

    Attributes:
        name (`str`): linear, base or hybrid.
        model (`ProductiveFeedModel`): calibrated. inputs (`FeedInputs`).
        judged (float64 (n, 2)): probabilities that validation may judge: of a fit that did not see it.
        probabilities (float64 (n, 2)): of the model as it is saved.
        about (`dict`): what was chosen. trainer (`FeedTrainer` or None).
    """

    name: str
    model: object
    inputs: object
    judged: np.ndarray
    probabilities: np.ndarray
    about: dict
    trainer: object = None


class FeedData:
    """Examples of a run, divided.

    Args:
        model_arguments (`FeedModelArguments`), data_arguments (`FeedDataArguments`).
        store (*optional*): where text vectors are kept; a folder in `output_dir` by default.
        output_dir (path).
    """

    def __init__(self, model_arguments, data_arguments, output_dir, store=None):
        m, d = model_arguments, data_arguments
        self.examples = read_examples(d.data, m.event_window_hours, m.max_events)
        counts = self.examples.about["labels"]
        refuse_too_few(counts)
        e = self.examples
        self.split = split_by_time(e.moments, e.video_row, d.validation_share, d.test_share, d.gap_hours)
        self.store = store or TextVectorCache(d.vector_cache or Path(output_dir) / "text_vectors")
        parts = {part: label_counts(e.labels[getattr(self.split, part)]) for part in PARTS}
        self.about = {
            "name": "feedback of one person",
            **e.about,
            "split": self.split.about,
            "labels_of_parts": parts,
            "advice": advice(counts),
            "time_zone": e.time_zone,
            # models are compared on labels newer than these
            "trained_until": int(e.moments[self.split.validation].max()),
        }


def train_feed(folder, output_dir, store=None, **settings):
    """Returns the `TrainedFeed` of a feed folder.

    Args:
        folder (path): see feed_folder.py.
        output_dir (path): receives the model folder and all that is known of it.
        store (*optional*): of text vectors: a `TextVectorCache`, or a database with its methods.
        settings: arguments of run_productive_feed.py by their names; a list for several values.

    Raises:
        ValueError: too few labels, or settings that contradict each other. FileNotFoundError: no such folder.
    """
    argv = ["--data", str(folder), "--output_dir", str(output_dir)]
    for name, value in settings.items():
        if value is not None:
            argv += [f"--{name}", *map(str, value if isinstance(value, (list, tuple)) else [value])]
    metrics = run_feed(*parse_feed(argv), store=store)
    return TrainedFeed(Path(output_dir) / "model", metrics)


def run_feed(model_arguments, data_arguments, arguments, store=None):
    """Runs the training that the arguments describe; returns the content of metrics.json."""
    # 1. Labels
    output_dir = Path(arguments.output_dir)
    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs
    if data_arguments.about_data and not Path(data_arguments.about_data).is_file():  # the card, at the end, reads it
        raise FileNotFoundError(
            f"Expected a YAML file of source, people and licence at {data_arguments.about_data}, found none. Correct "
            "--about_data."
        )
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained
    settings = resolved_config(model_arguments, data_arguments, arguments)
    data = FeedData(model_arguments, data_arguments, output_dir, store)
    is_main = PartialState().is_main_process
    if is_main:
        write_config(output_dir / "run.yaml", settings)

    # 2. Training; of several, validation chooses
    costs = RunCosts()
    tried, why = train_models(model_arguments, data_arguments, arguments, data)
    best = tried[-1] if why is None or why.better else tried[0]
    trained = [p for p in best.model.parameters() if p.requires_grad]
    train_figures = costs.figures() | {
        "parameters": best.model.num_parameters(),
        "trained_parameters": sum(p.numel() for p in trained),
        "hardware": describe_hardware(),
        "ranks": arguments.world_size,
    }

    # 3. Figures: the test is read here for the first time
    labels, split, rates = data.examples.labels, data.split, best.model.config.base_rates
    compared = [table_row(NAMES[each.name], each.judged, each.probabilities, labels, split, rates) for each in tried]
    best_row = compared[tried.index(best)]
    compared += baseline_rows(model_arguments, data_arguments, arguments, data)
    metrics = {
        "eval": best_row["validation"],
        "test": best_row["test"],
        "compared": compared,
        "train": train_figures | best.about.pop("train", {}),
        "chosen": {"model": best.name, "why": why and why.why, **best.about},
        "folds": run_folds(model_arguments, data_arguments, arguments, data, best.name),
        "data": data.about,
        "model_type": best.model.config.model_type,
        "encoder": model_arguments.encoder,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
    }

    # 4. Record, then the model folder
    if is_main:
        best.model.config.trained_until = data.about["trained_until"]
        if model_arguments.merge_lora:
            best.model.merge_lora()
        save_model(best.model, output_dir / "model")
        for folder in (output_dir, output_dir / "model"):
            write_json(folder / "metrics.json", metrics)
        write_labels(output_dir / "labels.parquet", data)
        if best.trainer is not None:
            best.trainer.save_state()
        history = best.trainer.state.log_history if best.trainer is not None else []
        save_pictures(output_dir, labels[split.test], best.probabilities[split.test], data.about, history)
        repository = arguments.hub_model_id or output_dir.name
        write_feed_card(output_dir, repository if push else None, about_data=data_arguments.about_data)
        if push:
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    PartialState().wait_for_everyone()
    return metrics


def train_models(model_arguments, data_arguments, arguments, data):
    """Returns (list of `Fitted`, `Verdict` or None): one model, or for `auto` the linear one and one to beat it."""
    split = data.split
    if model_arguments.model != "auto":
        return [fit(model_arguments.model, model_arguments, data_arguments, arguments, data, split)], None
    fitted = [fit("linear", model_arguments, data_arguments, arguments, data, split)]
    counts = label_counts(data.examples.labels[split.train])
    if max(sum(each.values()) for each in counts.values()) >= ENOUGH_FOR_GRADIENTS:
        fitted.append(fit("hybrid", model_arguments, data_arguments, arguments, data, split))
        labels = data.examples.labels[split.validation]
        both = [each.judged[split.validation] for each in fitted]
        return fitted, compare(labels, both[1], both[0], seed=arguments.seed)
    return fitted, None


def fit(name, model_arguments, data_arguments, arguments, data, split, output_dir=None):
    """Returns the `Fitted` model of one kind.

    Args:
        name (`str`): linear, base or hybrid. split (`FeedSplit`): rows of the data.
        output_dir (path, *optional*): of checkpoints; the run's own by default.
    """
    a, examples = arguments, data.examples
    kind = model_arguments.kind(name)
    progress = PartialState().is_main_process and not a.disable_tqdm
    set_seed(a.seed)
    model = build_model(model_arguments, kind, examples, split.train, a.device)
    trainer, about, offsets, found = None, {}, None, [Calibration(), Calibration()]
    if kind["head"] != "mlp" or not kind["lora"]:
        with PartialState().main_process_first():  # the others find what it wrote
            inputs = inputs_of(model, examples, data.store, progress=progress)
    if kind["head"] != "mlp":
        rows = split.train, split.validation
        about["heads"], judged, found = fit_linear(model, inputs, *rows, model_arguments.linear_c)
        calibrate(model, found)
    if kind["head"] == "linear":
        logits, _ = model_logits(model, OrderedBatches(inputs, np.arange(len(examples))), 512, a.device)
    else:
        if kind["head"] == "residual":
            offsets = honest_offsets(model, inputs, split.train, about["heads"], judged)
        prepare_training(model, model_arguments, kind)
        model.to(a.device)
        if kind["lora"]:
            inputs = inputs_of(model, examples, trains_encoder=True, progress=progress)
        inputs.offsets = offsets
        set_seed(a.seed)  # the same whether vectors were computed now or before
        trainer, about["train"] = train(model, inputs, split, data_arguments, a, output_dir)
        everything = OrderedBatches(inputs, np.arange(len(examples)))
        if offsets is not None:
            about["added_to_linear"] = guard(trainer, everything, judged, split.validation)
        judged, _ = trainer.logits(everything)
        logits = judged if offsets is None else judged - offsets
        if offsets is None or about["added_to_linear"]:
            rows = split.validation
            for i, head in enumerate(HEADS):
                if offsets is None or head in about["added_to_linear"]:
                    found[i] = fit_calibration(judged[rows, i], examples.labels[rows, i], found[i])
            calibrate(model, found)
    about["calibration"] = {
        head: {"temperature": each.temperature, "shift": each.shift} for head, each in zip(HEADS, found, strict=True)
    }
    return Fitted(name, model, inputs, calibrated(model, judged), calibrated(model, logits), about, trainer)


def calibrate(model, found):
    """Has a model give the probabilities of a `Calibration` for each head."""
    model.config.temperatures = [each.temperature for each in found]
    model.config.calibration_biases = [each.shift for each in found]


def guard(trainer, everything, linear_logits, rows):
    """Returns the heads that stay with what was added to the linear model; others are made linear again.

    Args:
        trainer (`FeedTrainer`): after training. everything (`OrderedBatches`): of all examples.
        linear_logits (float64 (n, 2)): of the linear model without `rows`. rows (int array): of validation.
    """
    model, labels = trainer.model, everything.labels[rows]
    losses, of_linear = (
        log_losses(labels, calibrated(model, logits[rows])) for logits in (trainer.logits(everything)[0], linear_logits)
    )
    productive = trainer.args.ema_productive_weight
    kept = better_heads(losses, of_linear, (1 - productive, productive), together=model.has_lora)
    if trainer.args.load_best_model_at_end and trainer.state.best_model_checkpoint is None:
        kept = []
    forget_residual(model, [head for head in HEADS if head not in kept])
    return kept


def train(model, inputs, split, data_arguments, arguments, output_dir=None):
    """Returns the `FeedTrainer` after training, the best checkpoint in the model, and the figures of the training."""
    a = arguments
    if output_dir is not None:
        import copy

        a = copy.copy(arguments)
        a.output_dir = str(output_dir)
    resume = a.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(a.output_dir, a.world_size)
    trainer = FeedTrainer(
        model=model,
        args=a,
        train_dataset=BalancedBatches(inputs, split.train, data_arguments.sampler_interest_ratio, a.seed),
        eval_dataset=OrderedBatches(inputs, split.validation),
    )
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    return trainer, {
        "loss": result.training_loss,
        "steps": trainer.state.global_step,
        "epochs": trainer.state.epoch,
        "best_step": trainer.state.best_global_step or (0 if trainer.is_residual else None),
        "resumed_from": resume and Path(resume).name,
    }


def run_folds(model_arguments, data_arguments, arguments, data, name):
    """Returns [{"train", "judged", head: figures}] of the folds that were asked for, None for none.

    In each fold the newest examples of its training part choose; nothing is chosen on what is judged.
    """
    if not data_arguments.folds:
        return None
    examples, rows = data.examples, []
    asked = data_arguments.folds, arguments.seed, data_arguments.gap_hours
    pairs = folds(examples.moments, examples.video_row, examples.labels, *asked)
    for number, (train_rows, judged) in enumerate(pairs):
        folder = Path(arguments.output_dir) / "folds" / f"fold_{number}"
        cut = int(len(train_rows) * (1 - CHOOSING_SHARE))
        split = FoldSplit(train_rows[:cut], train_rows[cut:])
        fitted = fit(name, model_arguments, data_arguments, arguments, data, split, folder)
        found = feed_figures(examples.labels[judged], fitted.probabilities[judged], fitted.model.config.base_rates)
        rows.append({"train": len(train_rows), "judged": len(judged), **found})
        if data_arguments.keep_fold_models and PartialState().is_main_process:
            save_model(fitted.model, folder / "model")
            write_json(folder / "metrics.json", rows[-1])
    return rows


@dataclass(frozen=True)
class FoldSplit:
    """Rows that a fold is trained on, and those that choose in it."""

    train: np.ndarray
    validation: np.ndarray


def table_row(name, judged, probabilities, labels, split, rates):
    """Returns {"name", "validation": {head: figures}, "test": {head: figures}} of one model."""
    return {
        "name": name,
        "validation": feed_figures(labels[split.validation], judged[split.validation], rates),
        "test": feed_figures(labels[split.test], probabilities[split.test], rates),
    }


def baseline_rows(model_arguments, data_arguments, arguments, data):
    """Returns a row as of `table_row` for each baseline that was asked for."""
    if not data_arguments.baselines:
        return []
    from traceformers.training.productive_feed.feed_baselines import run_baseline

    encoder = model_arguments.encoder
    return [run_baseline(name, data.examples, data.split, arguments.seed, encoder) for name in data_arguments.baselines]


def save_model(model, folder):
    """Writes the model, its tokenizer and code to a folder."""
    model.text_tokenizer  # noqa: B018  read now: it is saved beside the model
    model.save_pretrained(folder)


def write_labels(path, data):
    """Writes which label went where: video_id, said_at, head, value, part (train, validation, test or left out)."""
    examples, part_of = data.examples, np.full(len(data.examples), "left out", dtype=object)
    for part in PARTS:
        part_of[getattr(data.split, part)] = part
    rows, heads = np.nonzero(~np.isnan(examples.labels))
    ids = examples.video_ids
    table = {
        "video_id": [ids[row] for row in rows],
        "said_at": examples.moments[rows],
        "head": [HEADS[head] for head in heads],
        "value": examples.labels[rows, heads],
        "part": part_of[rows].tolist(),
    }
    pq.write_table(pa.table(table), path)
