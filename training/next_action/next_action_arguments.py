"""The arguments of next-action runs."""

import dataclasses

from transformers import TrainingArguments

from traceformers.training.run_arguments import parse_run


@dataclasses.dataclass
class NextActionModelArguments:
    """The encoder to start from."""

    model_name_or_path: str = dataclasses.field(
        default="", metadata={"help": "Saved RRWebBERT, folder or Hub id: what run_mlm.py wrote to model/."}
    )
    model_revision: str = dataclasses.field(default="main", metadata={"help": "Revision of a model on the Hub."})
    attn_implementation: str = dataclasses.field(
        default="sdpa_varlen", metadata={"help": "sdpa_varlen, or flash_attention_2 and its kin on a GPU."}
    )
    head_dropout: float = dataclasses.field(default=0.1, metadata={"help": "Dropout before the two heads."})
    frozen_layers: int = dataclasses.field(
        default=0, metadata={"help": "Layers from below, with the embeddings, that do not learn; 0 trains all."}
    )


@dataclasses.dataclass
class NextActionDataArguments:
    """Data set and examples."""

    data_dir: str = dataclasses.field(
        default="", metadata={"help": "Folder of a prepared data set; split by site, or its figures flatter."}
    )
    train_split: str = dataclasses.field(default="train", metadata={"help": "Split to train on."})
    eval_split: str = dataclasses.field(
        default="validation", metadata={"help": "Split that chooses the checkpoint and the number of trees."}
    )
    test_split: str | None = dataclasses.field(
        default="test", metadata={"help": "Split evaluated once, by the final model; `none` for no such split."}
    )
    about_data: str | None = dataclasses.field(
        default=None,
        metadata={"help": "YAML of what no run knows of its data, for the card; <data_dir>/about_data.yaml if there."},
    )
    max_length: int = dataclasses.field(default=256, metadata={"help": "Tokens before an action that are read."})
    least_actions: int = dataclasses.field(
        default=5, metadata={"help": "Actions on a target that gets a name of its own; others are `other`."}
    )
    most_targets: int = dataclasses.field(default=64, metadata={"help": "Targets with a name of their own, at most."})
    swap_text_in: float = dataclasses.field(
        default=0.25, metadata={"help": "Share of training windows in which half of the words become others."}
    )
    baselines: bool = dataclasses.field(
        default=True, metadata={"help": "Majority, bigram and trees in the same table."}
    )

    def __post_init__(self):
        if self.test_split in ("none", ""):
            self.test_split = None


@dataclasses.dataclass
class NextActionTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this task's defaults and early stopping."""

    learning_rate: float = dataclasses.field(default=3e-4, metadata={"help": "Highest learning rate of AdamW."})
    weight_decay: float = dataclasses.field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    lr_scheduler_type: str = dataclasses.field(default="cosine", metadata={"help": "One of Trainer's schedules."})
    early_stopping_patience: int | None = dataclasses.field(
        default=None, metadata={"help": "Stop after so many evaluations without a lower eval loss."}
    )
    load_best_model_at_end: bool = dataclasses.field(
        default=True, metadata={"help": "End with the checkpoint of the lowest eval loss, not the last one."}
    )
    metric_for_best_model: str | None = dataclasses.field(
        default="eval_loss", metadata={"help": "Figure of the eval split that chooses the best checkpoint."}
    )
    eval_strategy: str = dataclasses.field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    save_strategy: str = dataclasses.field(default="epoch", metadata={"help": "When to save: no, steps, epoch."})

    def always_written(self):
        """Returns what a config of the run says for arguments that this class has changed, `dict`."""
        return {"lr_scheduler_type": getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type)}


def parse_next_action(argv, description=None):
    """Returns the filled arguments of model, data and training, see `parse_run`."""
    return parse_run(
        argv, description, (NextActionModelArguments, NextActionDataArguments, NextActionTrainingArguments)
    )
