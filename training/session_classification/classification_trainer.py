"""Trainer for labels of sessions: the loss is of a session, from several of its windows; so is every figure.

Axes: S sessions, W windows, K classes.
"""

import time

import numpy as np
import torch
from torch.utils.data import DataLoader, SequentialSampler
from transformers import EarlyStoppingCallback, Trainer
from transformers.trainer_utils import speed_metrics

from traceformers.training.session_classification.classification_figures import classification_figures
from traceformers.training.session_classification.session_windows import mean_over_windows


class SessionTrainer(Trainer):
    """`Trainer` of an `RRWebBertForSequenceClassification`, with an adapter around it or without.

    Args:
        class_weights (`float (K,)`, *optional*): weight of each class in the loss; 1 by default.
        args (`ClassificationTrainingArguments`).
        Everything else as in `Trainer`: `train_dataset` is a `DrawnWindows`, `eval_dataset` a `JudgedWindows` or None,
        `data_collator` a `SessionCollator`.
    """

    def __init__(self, *args, class_weights=None, **kwargs):
        super().__init__(*args, **kwargs)
        self.model_accepts_loss_kwargs = False  # the loss is a mean over sessions, whatever is accumulated
        self.class_weights = None if class_weights is None else torch.as_tensor(class_weights, dtype=torch.float32)
        if self.args.early_stopping_patience and self.eval_dataset is not None:
            self.add_callback(EarlyStoppingCallback(self.args.early_stopping_patience))

    def _get_train_sampler(self, train_dataset=None):
        # the data set shuffles itself: a sampler with an epoch of its own would keep the epoch from it
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # items are sessions, not columns of the model's inputs

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        inputs = dict(inputs)
        labels, of_session = inputs.pop("labels"), inputs.pop("session_of_window")
        output = model(**inputs)
        logits = mean_over_windows(output.logits.float(), of_session, len(labels))  # (S, K)
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        losses = torch.nn.functional.cross_entropy(logits, labels, weight=weights, reduction="none")
        loss = losses.mean()  # the weights have a mean of 1 over all sessions
        return (loss, output) if return_outputs else loss

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns `eval_loss`, `eval_macro_f1` and `eval_accuracy` of sessions, all their windows read.

        Args:
            eval_dataset (`JudgedWindows`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        scores = self.scores(dataset)
        own = scores[np.arange(len(scores)), dataset.numbers].clip(1e-6)
        weights = np.ones(scores.shape[1]) if self.class_weights is None else self.class_weights.numpy()
        figures = classification_figures(dataset.numbers, scores)
        metrics = {"loss": float(np.average(-np.log(own), weights=weights[dataset.numbers] + 1e-12))}
        metrics |= {name: figures[name] for name in ("macro_f1", "accuracy")}
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in metrics.items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(dataset))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def scores(self, dataset):
        """Returns the class probabilities `float64 (n, K)` of the sessions of a `JudgedWindows`."""
        model = self.accelerator.unwrap_model(self.model)
        return session_scores(model, dataset, self.data_collator, self.args.eval_batch_size, self.args.device)

    def _save(self, output_dir=None, state_dict=None):
        super()._save(output_dir, state_dict)
        self.accelerator.unwrap_model(self.model).config.save_pretrained(output_dir or self.args.output_dir)


def session_scores(model, dataset, collator, sessions_per_batch=8, device=None):
    """Returns the class probabilities `float64 (n, K)` of sessions: the softmax of the mean logits of their windows.

    Args:
        model (`RRWebBertForSequenceClassification`): with packed rows; its mode stays as it was.
        dataset (`JudgedWindows`), collator (`SessionCollator`).
        sessions_per_batch (`int`): bounds memory with the windows of a session.
        device (*optional*): the model's own by default.
    """
    device = device or next(model.parameters()).device
    was_training = model.training
    model.to(device).eval()
    loader = DataLoader(dataset, sessions_per_batch, collate_fn=collator, generator=torch.Generator())
    found = []
    try:
        with torch.inference_mode():
            for batch in loader:
                labels, of_session = batch.pop("labels"), batch.pop("session_of_window")
                batch = {name: v.to(device) if torch.is_tensor(v) else v for name, v in batch.items()}
                logits = mean_over_windows(model(**batch).logits.double().cpu(), of_session, len(labels))
                found.append(logits.softmax(-1).numpy())
    finally:
        model.train(was_training)
    return np.concatenate(found)
