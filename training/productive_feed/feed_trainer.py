"""Trainer of the productive feed: balanced batches in, figures of probabilities out, F1 smoothed over evaluations."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader, SequentialSampler
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import speed_metrics

from traceformers.modeling.productive_feed.feed_heads import feed_loss
from traceformers.training.epoch_batches import batch_as_it_is
from traceformers.training.productive_feed.calibration import sigmoid
from traceformers.training.productive_feed.feed_evaluation import feed_figures
from traceformers.training.productive_feed.feed_residual import adjusted_logits
from traceformers.training.productive_feed.weighted_f1_ema import combined_f1, next_ema

#: Weights of a checkpoint: only what is trained. With LoRA, the vectors of the events of the epoch are beside them.
TRAINED, EVENTS = "trained.safetensors", "event_vectors.safetensors"
CHOSEN_BY = "eval_ema_f1"
#: Figure of validation that guards the linear model, and ends a training that does not lower it any more.
GUARD = "eval_log_loss"


class FeedTrainer(Trainer):
    """`Trainer` for a `ProductiveFeedModel`, see the module.

    What differs from `Trainer`, and why:
    - Batches come whole from `BalancedBatches`; what they are follows from (seed, epoch) alone, so resumed runs and
      ranks agree.
    - Evaluation gives average precision, Brier and F1 of both heads, and a moving average of F1 that chooses the best
      checkpoint. What it was before is read in the log of the run, so a resumed run smooths on.
    - A checkpoint holds what is trained, not the frozen encoder of gigabytes.
    - A model that begins as the linear one is judged before its first step: a checkpoint can only be the best one with
      a lower log loss on validation and no lower F1 than it had then. Without any, no checkpoint is the best.
    - Where the encoder is trained, the vectors of the events are made anew at each epoch and each evaluation: when the
      model is used, the encoder that it has then will make them.

    Args:
        Everything as in `Trainer`; `train_dataset` is a `BalancedBatches`, `eval_dataset` an `OrderedBatches`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, data_collator=batch_as_it_is, **kwargs)
        if self.args.n_gpu > 1:
            raise ValueError(
                f"Expected one GPU for a process, got {self.args.n_gpu}. Start one process a GPU: accelerate launch."
            )
        self.trains_events = getattr(self.model, "has_lora", False) and self.model.config.use_activity
        self._events_of_step = None
        self.is_residual = self.model.config.head == "residual"
        self.add_callback(Guard(self))
        if self.trains_events:
            self.add_callback(FreshEvents(self))

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # batches are whole

    def floating_point_ops(self, inputs):
        return 0

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        inputs = dict(inputs)
        labels, offsets = inputs.pop("labels"), inputs.pop("offsets", None)
        output = model(**inputs)
        config = self.accelerator.unwrap_model(self.model).config
        loss = feed_loss(config, adjusted_logits(config, output.logits, offsets), labels)
        return (loss, output) if return_outputs else loss

    def _determine_best_metric(self, metrics, trial):
        first = next((entry for entry in self.state.log_history if entry["step"] == 0 and GUARD in entry), None)
        if self.is_residual and first is not None:
            is_candidate = metrics[GUARD] < first[GUARD] and metrics[CHOSEN_BY] >= first[CHOSEN_BY]
        else:
            is_candidate = True
        return is_candidate and super()._determine_best_metric(metrics, trial)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns `eval_loss`, `eval_log_loss` and `eval_f1` (of both heads, weighted), `eval_ema_f1` and the heads'.

        `eval_<head>_<figure>` is a figure of `feed_figures`.

        Args:
            eval_dataset (`OrderedBatches`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        logits, loss = self.logits(dataset)
        config = self.accelerator.unwrap_model(self.model).config
        figures = feed_figures(dataset.labels, sigmoid(adjusted_logits(config, torch.from_numpy(logits)).numpy()))
        f1, log_loss = (
            combined_f1(*(each.get(name) for each in figures.values()), self.args.ema_productive_weight)
            for name in ("f1", "log_loss")
        )
        f1 = 0.0 if np.isnan(f1) else f1
        before = [entry[CHOSEN_BY] for entry in self.state.log_history if CHOSEN_BY in entry]
        metrics = {"loss": loss, "f1": f1, "ema_f1": next_ema(f1, before[-1] if before else None, self.args.ema_alpha)}
        metrics |= {} if np.isnan(log_loss) else {"log_loss": log_loss}
        for head, each in figures.items():
            shown = ("average_precision", "brier", "f1", "precision", "recall")
            metrics |= {f"{head}_{name}": each[name] for name in shown if each.get(name) is not None}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(dataset))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def logits(self, dataset):
        """Returns (logits float32 (n, 2), mean loss) of an `OrderedBatches`, see `model_logits`; every rank has all."""
        model = self.accelerator.unwrap_model(self.model)
        inputs, kept = dataset.inputs, None
        if self.trains_events:
            kept = inputs.event_vectors  # an epoch goes on with those it began with
            inputs.encode_events(anew=True)
        found = model_logits(model, dataset, self.args.eval_batch_size, self.args.device, self.args.eval_num_workers)
        if kept is not None:
            inputs.event_vectors = kept
        return found

    def _save(self, output_dir=None, state_dict=None):
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        model = self.accelerator.unwrap_model(self.model)
        save_file(trained_tensors(model), folder / TRAINED)
        model.config.save_pretrained(folder)
        if self.trains_events:
            save_file({"vectors": torch.from_numpy(self.train_dataset.inputs.event_vectors)}, folder / EVENTS)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        model = self.accelerator.unwrap_model(self.model if model is None else model)
        folder = Path(resume_from_checkpoint)
        load_trained(model, folder / TRAINED)
        epoch = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))["epoch"]
        if self.trains_events and epoch != int(epoch):  # in the middle of an epoch
            self.train_dataset.inputs.event_vectors = load_file(folder / EVENTS)["vectors"].numpy()
            self._events_of_step = "resumed"

    def _load_best_model(self):
        model = self.accelerator.unwrap_model(self.model)
        load_trained(model, Path(self.state.best_model_checkpoint) / TRAINED)


class FreshEvents(TrainerCallback):
    """Has the vectors of the events made anew at the start of each epoch, but where a checkpoint brought them."""

    def __init__(self, trainer):
        self.trainer = trainer

    def on_epoch_begin(self, args, state, control, **kwargs):
        """See the class."""
        if self.trainer._events_of_step != "resumed":
            self.trainer.train_dataset.inputs.encode_events(anew=True)
        self.trainer._events_of_step = None


class Guard(TrainerCallback):
    """Judges a model that begins as the linear one before its first step, and ends a training that gains no more."""

    def __init__(self, trainer):
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs):
        """See the class."""
        if self.trainer.is_residual and state.global_step == 0:
            self.trainer.evaluate()

    def on_evaluate(self, args, state, control, **kwargs):
        """See the class. What counts is in the log, so a resumed run ends where it would have."""
        losses = [entry[GUARD] for entry in state.log_history if GUARD in entry]
        if args.patience and len(losses) > args.patience and np.argmin(losses) < len(losses) - args.patience:
            control.should_training_stop = True


def model_logits(model, dataset, batch_size=32, device=None, workers=0):
    """Returns (logits float32 (n, 2), mean loss) of an `OrderedBatches` without dropout; the model's mode stays.

    Where its inputs have offsets, these are in the logits.
    """
    device = device or next(model.parameters()).device
    was_training = model.training
    model.eval()
    found, losses = [], []
    loader = DataLoader(dataset, batch_size, collate_fn=batch_as_it_is, num_workers=workers)
    try:
        with torch.inference_mode():
            for batch in loader:
                batch = {name: tensor.to(device) for name, tensor in batch.items()}
                labels, offsets = batch.pop("labels"), batch.pop("offsets", None)
                logits = model(**batch).logits.float()
                loss = feed_loss(model.config, adjusted_logits(model.config, logits, offsets), labels)
                found.append((logits if offsets is None else logits + offsets).cpu().numpy())
                losses.append((float(loss), len(found[-1])))
    finally:
        model.train(was_training)
    loss = sum(loss * count for loss, count in losses) / max(1, sum(count for _, count in losses))
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.float32), loss


def trained_tensors(model):
    """Returns what training changes of a model, {name: tensor}: parameters with a gradient."""
    return {name: p.detach().contiguous().cpu() for name, p in model.named_parameters() if p.requires_grad}


def load_trained(model, path):
    """Puts the tensors of a checkpoint into a model.

    Raises:
        ValueError: the file holds others than the model trains.
    """
    tensors = load_file(path)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if parameters.keys() != tensors.keys():
        differ = sorted(parameters.keys() ^ tensors.keys())
        raise ValueError(
            f"Expected in {path} the {len(parameters)} weights that the model trains, got others: {differ[:3]}. Go on "
            "with the settings that the run began with, or begin anew."
        )
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(tensors[name])
