"""Trainer for masked tokens in packed rows, with an evaluation that adds up over batches and ranks."""

import math
import time

import numpy as np
import torch
from torch.utils.data import DataLoader, SequentialSampler, Subset
from transformers import Trainer
from transformers.trainer_utils import speed_metrics

from traceformers.training.masked_lm.masked_metrics import empty_sums, flat_report, masked_report, prediction_sums
from traceformers.training.masked_lm.warm_restarts import warm_restart_scheduler


class MLMTrainer(Trainer):
    """`Trainer` with packed batches, whose evaluation does not depend on batch size or number of ranks.

    What differs from `Trainer`, and why:
    - Evaluation adds sums and counts by token class over batches and ranks. Trainer averages the means of batches,
      and gathers logits by rows, which are not aligned when only masked tokens have logits.
    - Training windows are read in order: item i of `RandomWindows` is random by itself, and without a sampler that has
      an epoch of its own accelerate hands the epoch to the data set on any number of ranks.
    - The training loss is the sum over all masked tokens of a step divided by their number (`num_items_in_batch`),
      over ranks and accumulated batches: Trainer does that, and counts `labels`.

    Args:
        token_classes (`uint8 (V,)`): class of each id.
        args (`MLMTrainingArguments`).
        Everything else as in `Trainer`; `eval_dataset` is a `FixedWindows`, `data_collator` a `PackingCollator`.
    """

    def __init__(self, *args, token_classes, **kwargs):
        super().__init__(*args, **kwargs)
        self.token_classes = torch.from_numpy(np.asarray(token_classes, dtype=np.int64))

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # items are windows, not columns of the model's inputs

    def create_scheduler(self, num_training_steps, optimizer=None):
        """Returns the learning-rate scheduler: warm restarts when `args.restart_epochs` is set, else Trainer's own."""
        if not self.args.restart_epochs:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            samples_per_step = self.get_total_train_batch_size(self.args)
            self.lr_scheduler = warm_restart_scheduler(
                optimizer or self.optimizer,
                first_epochs=self.args.restart_epochs,
                growth=self.args.restart_growth,
                steps_per_epoch=math.ceil(len(self.train_dataset) / samples_per_step),
                warmup_steps=self.args.get_warmup_steps(num_training_steps),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns the figures of `masked_report`, flat: `eval_loss`, `eval_bits_per_token`, `eval_action_top1`, ...

        Args:
            eval_dataset (`FixedWindows`, *optional*): the trainer's own by default.
            ignore_keys: unused, as logits are never gathered.
            metric_key_prefix (`str`).
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        metrics = flat_report(masked_report(self.evaluation_sums(dataset)), metric_key_prefix)
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(dataset))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def evaluation_sums(self, dataset):
        """Returns the sums of `masked_sums` over all windows of `dataset` and all ranks, the same on every rank.

        Args:
            dataset (`FixedWindows`): rank r takes windows r, r + world size, ...
        """
        rank, world_size = self.args.process_index, self.args.world_size
        share = range(rank, len(dataset), world_size)
        # A sharded model must be called equally often on every rank: a rank without windows repeats one, uncounted.
        n_batches = math.ceil(math.ceil(len(dataset) / world_size) / self.args.eval_batch_size)
        padded = [*share] + [0] * (n_batches * self.args.eval_batch_size - len(share) if not share else 0)
        loader = DataLoader(
            Subset(dataset, padded),
            batch_size=self.args.eval_batch_size,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=self.args.dataloader_pin_memory,
            generator=torch.Generator(),  # so that an evaluation draws nothing from the random numbers of training
        )
        model = self.model
        if not self.is_in_train:
            model = model.to(self.args.device)
        model.eval()
        sums, n_done = empty_sums(), 0
        for inputs in loader:
            inputs = self._prepare_inputs(inputs)
            batch_sums = self._batch_sums(model, inputs)
            sums += batch_sums if share else 0
            n_done += 1
        for _ in range(n_batches - n_done):
            self._batch_sums(model, inputs)
        return self.accelerator.reduce(sums.to(self.args.device), reduction="sum").cpu()

    def _batch_sums(self, model, inputs):
        labels = inputs["labels"]
        with self.accelerator.autocast():
            logits = model(**{name: value for name, value in inputs.items() if name != "labels"}).logits
        if labels.dim() == 2:  # padded rows: logits for every position
            logits, labels = logits[labels >= 0], labels[labels >= 0]
        return prediction_sums(logits, labels, self.token_classes)
