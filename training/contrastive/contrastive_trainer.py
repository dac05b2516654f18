"""Trainer of sentence-transformers for pairs that come in whole batches and are drawn anew each epoch."""

import copy
import time

from sentence_transformers import SentenceTransformerTrainer
from torch.utils.data import DataLoader, SequentialSampler
from transformers.trainer_utils import speed_metrics


class ContrastiveTrainer(SentenceTransformerTrainer):
    """`SentenceTransformerTrainer` for `PairBatches`.

    What differs from `SentenceTransformerTrainer`, and why:
    - A batch is drawn by (seed, epoch, position), its sessions chosen to be hard to tell apart; the sampler only
      passes positions on. Text columns and their shuffling have no part in it.
    - The projection has a learning rate of its own.
    - Evaluation is the evaluator alone, on every rank alike.
    - No card is written into checkpoints: the one of the run is made from its figures, at the end.

    Args:
        args (`ContrastiveTrainingArguments`).
        Everything else as in `SentenceTransformerTrainer`; `train_dataset` is a `PairBatches`, `data_collator` a
        `PairCollator`, `evaluator` a `ViewRetrieval`.
    """

    def preprocess_dataset(self, dataset=None, dataset_name=None):
        return dataset  # no columns to check

    def add_model_card_callback(self, default_args_dict):
        """Leaves the card to the run."""

    def get_train_dataloader(self):
        """Returns the batches of an epoch, in order."""
        args, dataset = self.args, self.train_dataset
        loader = DataLoader(
            dataset,
            batch_size=args.train_batch_size,
            sampler=SequentialSampler(dataset),
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            drop_last=len(dataset) >= args.train_batch_size,  # a batch of one pair has no negatives
        )
        return self.accelerator.prepare(loader)

    def get_optimizer_cls_and_kwargs(self, args, model=None):
        """Returns the optimizer's class and arguments, the projection in groups of its own."""
        if args.projection_learning_rate is not None:
            args = copy.copy(args)
            args.learning_rate_mapping = {r"\.1\.linear\.": args.projection_learning_rate}
        return super().get_optimizer_cls_and_kwargs(args, model)

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns the figures of the evaluator as `eval_mrr`, `eval_recall_at_1`, ...

        Args:
            eval_dataset (`ViewRetrieval`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        evaluator = self.evaluator if eval_dataset is None else eval_dataset
        started = time.time()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in evaluator(self.model).items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(evaluator.queries))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _save(self, output_dir=None, state_dict=None):
        """Writes the model with its code, and no card."""
        self.model.save(self.args.output_dir if output_dir is None else output_dir, create_model_card=False)
