"""Trainer of a student of sentence vectors: whole batches in, agreement with the teacher out."""

import time

import numpy as np
import torch
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import SequentialSampler
from transformers import Trainer
from transformers.trainer_utils import SchedulerType, speed_metrics

from traceformers.training.distillation.heldout_agreement import agreement_report
from traceformers.training.distillation.row_adam import RowAdam
from traceformers.training.epoch_batches import batch_as_it_is

TEXTS_PER_EVALUATION_BATCH = 4096


class HeldoutTexts:
    """Texts that a student is compared with its teacher on.

    Args:
        tokens (`TokenizedTexts`), texts (list of `str`), teacher_vectors (float32 (n, D)): of the same n texts.
    """

    def __init__(self, tokens, texts, teacher_vectors):
        if not len(tokens) == len(texts) == len(teacher_vectors):
            raise ValueError(
                f"Expected the same held-out texts as ids, text and vectors, got {len(tokens)}, {len(texts)} and "
                f"{len(teacher_vectors)}. Tokenize and embed the same file."
            )
        self.tokens, self.texts, self.teacher_vectors = tokens, texts, teacher_vectors

    def __len__(self):
        return len(self.texts)


class DistillationTrainer(Trainer):
    """`Trainer` for an `NgramEncoderModel` and the vectors of a teacher.

    What differs from `Trainer`, and why:
    - A batch is fetched whole by `DistillationBatches.__getitems__`; sampler and collator only pass positions and
      batches on. What a position is depends on (seed, epoch) alone, so resumed runs and ranks agree.
    - Table, logits and the rest have learning rates of their own; rows of table and logits that a batch does not
      hold stay where they are (`row_updates` "lazy").
    - A linear schedule ends at a share of the rate, not at zero.
    - While it is trained, the model does not normalize: losses compare in the space of the targets.
    - Evaluation compares with the teacher on held-out texts, on every rank alike.

    Args:
        distillation_loss (`DistillationLoss`).
        args (`DistillationTrainingArguments`).
        Everything else as in `Trainer`; `train_dataset` is a `DistillationBatches`, `eval_dataset` a `HeldoutTexts`.
    """

    def __init__(self, *args, distillation_loss, **kwargs):
        super().__init__(*args, data_collator=batch_as_it_is, **kwargs)
        if self.args.n_gpu > 1:
            raise ValueError(
                f"Expected one GPU for a process, got {self.args.n_gpu}. Start one process a GPU: accelerate launch."
            )
        self.distillation_loss = distillation_loss
        # A loss is a mean over texts: Trainer divides it by the number of accumulated batches itself.
        self.model_accepts_loss_kwargs = False

    def _get_train_sampler(self, train_dataset=None):
        return SequentialSampler(self.train_dataset if train_dataset is None else train_dataset)

    def _get_collator_with_removed_columns(self, data_collator, description=None):
        return data_collator  # batches are whole

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Returns the loss of a batch, or (loss, outputs)."""
        outputs = model(input_ids=inputs["input_ids"], offsets=inputs["offsets"])
        loss = self.distillation_loss(outputs.pooler_output, inputs["teacher_vectors"], inputs.get("documents"))
        return (loss, outputs) if return_outputs else loss

    def _get_grad_norm(self, model, grad_norm=None):
        return grad_norm  # Trainer would compute it, over the whole table, where nothing is clipped

    def create_optimizer(self, model=None):
        """Returns Adam with groups for the table, the logits and everything else."""
        if self.optimizer is None:
            model, args = self.model if model is None else model, self.args
            table, logits = model.get_parameter("embeddings.weight"), model.logits
            own = [(table, args.table_learning_rate)]
            if isinstance(logits, torch.nn.Parameter):
                own.append((logits, args.logit_learning_rate))
            lazy = args.row_updates == "lazy"
            groups = [{"params": [p], "lr": lr, "lazy": lazy} for p, lr in own if p.requires_grad]
            ids = {id(p) for p, _ in own}
            rest = [p for p in model.parameters() if id(p) not in ids and p.requires_grad]
            if rest:
                groups.append({"params": rest, "lr": args.learning_rate, "weight_decay": args.weight_decay})
            betas = (args.adam_beta1, args.adam_beta2)
            if lazy:
                self.optimizer = RowAdam(groups, betas=betas, eps=args.adam_epsilon)
            else:
                for group in groups:
                    group.pop("lazy", None)
                    group.setdefault("weight_decay", 0.0)
                self.optimizer = torch.optim.AdamW(groups, betas=betas, eps=args.adam_epsilon, fused=True)
        return self.optimizer

    def create_scheduler(self, num_training_steps, optimizer=None):
        """Returns the schedule of all groups; a linear one falls to `final_learning_rate` of each rate."""
        if SchedulerType(self.args.lr_scheduler_type) != SchedulerType.LINEAR:
            return super().create_scheduler(num_training_steps, optimizer)
        if self.lr_scheduler is None:
            warmup, final = self.args.get_warmup_steps(num_training_steps), self.args.final_learning_rate

            def share(step):
                if step < warmup:
                    return step / max(1, warmup)
                return max(final, (num_training_steps - step) / max(1, num_training_steps - warmup))

            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, share)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval"):
        """Returns the figures of `agreement_report` as `eval_cosine`, `eval_pair_spearman`, ...

        Args:
            eval_dataset (`HeldoutTexts`, *optional*): the trainer's own by default.
            ignore_keys: unused.
            metric_key_prefix (`str`).
        """
        heldout = self.eval_dataset if eval_dataset is None else eval_dataset
        started = time.time()
        report = agreement_report(
            self.encode(heldout.tokens), heldout.teacher_vectors, heldout.texts, self.distillation_loss.similarity
        )
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in report.items()}
        metrics |= speed_metrics(metric_key_prefix, started, num_samples=len(heldout))
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def encode(self, tokens):
        """Returns the student's vectors of `TokenizedTexts` in the teacher's space, float32 (n, D), not normalized."""
        model = self.model.to(self.args.device)
        training = model.training
        model.eval()
        vectors = []
        for start in range(0, len(tokens), TEXTS_PER_EVALUATION_BATCH):
            indices = np.arange(start, min(len(tokens), start + TEXTS_PER_EVALUATION_BATCH))
            ids, offsets = (torch.from_numpy(array).to(self.args.device) for array in tokens.flat(indices))
            with self.accelerator.autocast():
                outputs = model(input_ids=ids, offsets=offsets).pooler_output
            vectors.append(self.distillation_loss.transform.inverse(outputs.float()).cpu())
        model.train(training)
        return torch.cat(vectors).numpy()
