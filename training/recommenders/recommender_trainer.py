"""Trainer of recommenders: whole batches in, ranks among all items out."""

import time

from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback
from transformers.trainer_utils import speed_metrics

from traceformers.training.epoch_batches import batch_as_it_is
from traceformers.training.evaluation.ranking_report import ranking_report
from traceformers.training.recommenders.gate_callback import GateCallback, has_gates
from traceformers.training.recommenders.split_evaluation import ranked_together


class RecommenderTrainer(Trainer):
    """`Trainer` for models with `next_item_scores`, evaluated by the ranks of what users chose next.

    What differs from `Trainer`, and why:
    - A batch is fetched whole by `HistoryBatches.__getitems__`; sampler and collator only pass positions and batches
      on. What a position is depends on (seed, epoch) alone, so resumed runs and ranks agree.
    - Evaluation ranks each target among all items its user has not had. The processes of a run share the users, and
      all get the same figures.
    - Operations are not counted: the count goes through all parameters at each step.

    Args:
        Everything as in `Trainer`; `train_dataset` is a `HistoryBatches`, `eval_dataset` a `NextItems`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, data_collator=batch_as_it_is, **kwargs)
        if self.args.n_gpu > 1:
            raise ValueError(
                f"Expected one GPU for a process, got {self.args.n_gpu}. Start one process a GPU: accelerate launch."
            )
        if self.args.eval_every_epochs > 1:
            self.add_callback(EvaluationInterval(self.args.eval_every_epochs))
        if self.model is not None and has_gates(self.model):
            self.add_callback(GateCallback(self.eval_dataset.histories, self))

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # batches are whole

    def floating_point_ops(self, inputs):
        return 0

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns the figures of `ranking_report` as `eval_ndcg@10`, `eval_hr@10`, ...

        Args:
            eval_dataset (`NextItems`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        asked = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        figures = ranking_report(self.ranked(asked).ranks).figures
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in figures.items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(asked))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def ranked(self, asked, top_k=0):
        """Returns the `RankedTargets` of `NextItems`, see `ranked_together`."""
        model = self.accelerator.unwrap_model(self.model).to(self.args.device)
        return ranked_together(model, asked, top_k, self.args.eval_batch_size)


class EvaluationInterval(TrainerCallback):
    """Lets a run that evaluates and saves by epochs do so after every n-th, and after the last.

    Args:
        epochs (`int`): n.
    """

    def __init__(self, epochs):
        self.epochs = epochs

    def on_epoch_end(self, args, state, control, **kwargs):
        epoch = round(state.epoch)
        is_last = control.should_training_stop or epoch >= args.num_train_epochs
        if epoch % self.epochs and not is_last:
            control.should_evaluate = control.should_save = False
        return control
