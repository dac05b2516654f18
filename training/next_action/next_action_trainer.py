"""Trainer for next actions in packed rows, whose evaluation tells what was foretold and how well."""

import time

import numpy as np
import torch
from torch.utils.data import DataLoader, SequentialSampler, Subset
from transformers import EarlyStoppingCallback, Trainer
from transformers.trainer_utils import speed_metrics

from traceformers.training.next_action.next_action_metrics import PARTS, action_figures


class NextActionTrainer(Trainer):
    """`Trainer` with packed batches and figures of kinds and targets; `eval_loss` is the mean of both log losses.

    Args:
        args (`NextActionTrainingArguments`).
        Everything else as in `Trainer`; data sets are `ActionWindows`, `data_collator` an `ActionCollator`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.args.early_stopping_patience:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))

    def _get_train_sampler(self, train_dataset=None):
        # the data set shuffles itself: a sampler with an epoch of its own would keep the epoch from it
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # items are windows, not columns of the model's inputs

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns `eval_loss`, `eval_kind_accuracy`, `eval_target_macro_f1` and so on.

        Args:
            eval_dataset (`ActionWindows`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        figures = action_figures(dataset.labels, *self.scores(dataset))
        metrics = {"loss": float(np.mean([figures[part]["log_loss"] for part in PARTS]))}
        for part in PARTS:
            metrics |= {f"{part}_{name}": figures[part][name] for name in ("accuracy", "top3", "macro_f1")}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(dataset))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def scores(self, dataset):
        """Returns (kind probabilities `(n, K)`, target probabilities `(n, C)`), see `action_scores`."""
        model = self.accelerator.unwrap_model(self.model)
        return action_scores(model, dataset, self.data_collator, self.args.eval_batch_size, self.args.device)


def action_scores(model, dataset, collator, batch_size=32, device=None):
    """Returns (kind probabilities `float32 (n, K)`, target probabilities `(n, C)`) of an `ActionWindows`, in order.

    Args:
        model (`RRWebBertForNextAction`): with packed rows; its mode stays as it was.
        dataset (`ActionWindows`), collator (`ActionCollator`), batch_size (`int`).
        device (*optional*): the model's own by default.
    """
    device = device or next(model.parameters()).device
    was_training = model.training
    model.to(device).eval()
    lengths = np.array([len(item["ids"]) for item in dataset])
    order = np.argsort(lengths, kind="stable")
    loader = DataLoader(
        Subset(dataset, order.tolist()), batch_size, collate_fn=collator, generator=torch.Generator()
    )  # a generator of its own: an evaluation draws nothing from the random numbers of training
    kinds, targets = [], []
    try:
        with torch.inference_mode():
            for batch in loader:
                batch.pop("labels")
                batch = {name: v.to(device) if torch.is_tensor(v) else v for name, v in batch.items()}
                outputs = model(**batch)
                kinds.append(outputs.kind_logits.float().softmax(-1).cpu().numpy())
                targets.append(outputs.target_logits.float().softmax(-1).cpu().numpy())
    finally:
        model.train(was_training)
    back = np.argsort(order)
    return np.concatenate(kinds)[back], np.concatenate(targets)[back]
