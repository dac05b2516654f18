"""The arguments of session-classification runs."""

import dataclasses

from transformers import TrainingArguments

from traceformers.training.run_arguments import parse_run

WINDOWS = ("actions", "all")
BASELINES = ("majority", "tfidf", "counters", "probe")


@dataclasses.dataclass
class ClassificationModelArguments:
    """The encoder to start from, and what of it learns."""

    model_name_or_path: str = dataclasses.field(
        default="",
        metadata={"help": "Saved RRWebBERT, folder or Hub id; `{fold}` in it stands for the name of the fold."},
    )
    model_revision: str = dataclasses.field(default="main", metadata={"help": "Revision of a model on the Hub."})
    attn_implementation: str = dataclasses.field(
        default="sdpa_varlen", metadata={"help": "sdpa_varlen, or flash_attention_2 and its kin on a GPU."}
    )
    lora: bool = dataclasses.field(default=True, metadata={"help": "Train an adapter and the classifier, not all."})
    lora_r: int = dataclasses.field(default=8, metadata={"help": "Rank of the adapter."})
    lora_alpha: float = dataclasses.field(default=16, metadata={"help": "The adapter counts lora_alpha / lora_r."})
    lora_layers: int = dataclasses.field(
        default=0,
        metadata={"help": "Layers from above that get an adapter, all if 0; with few a step is twice as fast."},
    )
    lora_dropout: float = dataclasses.field(default=0.0, metadata={"help": "Dropout of the adapter's input."})
    head_dropout: float = dataclasses.field(default=0.1, metadata={"help": "Dropout before the classifier."})


@dataclasses.dataclass
class ClassificationDataArguments:
    """Labels, split and windows."""

    labels: str = dataclasses.field(default="", metadata={"help": "CSV with a column `file` and a row a recording."})
    recordings: str | None = dataclasses.field(
        default=None, metadata={"help": "Folder of the recordings; that of the CSV if not given."}
    )
    label_column: str = dataclasses.field(default="label", metadata={"help": "Column that is foretold."})
    group_column: str = dataclasses.field(
        default="site", metadata={"help": "Column whose values are never on both sides of a split."}
    )
    classes: list[str] = dataclasses.field(
        default_factory=list, metadata={"help": "Labels to tell apart; rows with others are left out. All by default."}
    )
    evidence_only: bool = dataclasses.field(
        default=False, metadata={"help": "Leave out rows whose column task_evidence is not 1."}
    )
    drop_classes_of_one_group: bool = dataclasses.field(
        default=False, metadata={"help": "Leave out a label that occurs in one group only, instead of refusing it."}
    )
    folds: int = dataclasses.field(default=5, metadata={"help": "Parts of the groups, each held out once."})
    folds_file: str | None = dataclasses.field(
        default=None, metadata={"help": 'JSON {"0": [groups out], ...} instead: which groups an encoder never saw.'}
    )
    test_groups: list[str] = dataclasses.field(
        default_factory=list, metadata={"help": "One split instead of folds: the groups to test on."}
    )
    validation_groups: list[str] = dataclasses.field(
        default_factory=list, metadata={"help": "Groups that choose the checkpoint; drawn if not given."}
    )
    validation_share: float = dataclasses.field(
        default=0.2, metadata={"help": "Share of the training groups that choose the checkpoint; 0 trains on all."}
    )
    max_length: int = dataclasses.field(default=256, metadata={"help": "Longest window, in tokens."})
    windows: str = dataclasses.field(
        default="actions", metadata={"help": "Windows that are read: those with an action of a person, or all."}
    )
    windows_per_session: int = dataclasses.field(
        default=4, metadata={"help": "Windows of a session drawn for a step of the training."}
    )
    max_eval_windows: int = dataclasses.field(
        default=64, metadata={"help": "Windows of a session that are read to judge it, evenly spaced, at most."}
    )
    swap_text_in: float = dataclasses.field(
        default=0.25, metadata={"help": "Share of training windows in which half of the words become others."}
    )
    class_weights: bool = dataclasses.field(
        default=True, metadata={"help": "Weigh the classes so that each counts alike in the loss."}
    )
    baselines: list[str] = dataclasses.field(
        default_factory=lambda: list(BASELINES), metadata={"help": f"Of {', '.join(BASELINES)}; `none` for none."}
    )
    seeds: list[int] = dataclasses.field(
        default_factory=list, metadata={"help": "Repeat training and folds with each; --seed alone if not given."}
    )
    final_model: bool = dataclasses.field(
        default=True,
        metadata={
            "help": "After folds, train the model that is saved on all groups, on the encoder of the first fold."
        },
    )
    about_data: str | None = dataclasses.field(
        default=None, metadata={"help": "YAML of what no run knows of its data, for the card."}
    )

    def __post_init__(self):
        if self.windows not in WINDOWS:
            raise ValueError(f"Expected windows to be one of {', '.join(WINDOWS)}, got {self.windows!r}. Choose one.")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"Expected validation_share in [0, 1), got {self.validation_share}. 0.2 is usual.")
        if self.windows_per_session < 1 or self.max_eval_windows < 1:
            raise ValueError(
                "Expected windows_per_session and max_eval_windows of at least 1, got "
                f"{self.windows_per_session} and {self.max_eval_windows}. A session is read by its windows."
            )
        unknown = sorted(set(self.baselines) - {*BASELINES, "none"})
        if unknown:
            raise ValueError(f"Expected baselines among {', '.join(BASELINES)}, got {', '.join(unknown)}.")


@dataclasses.dataclass
class ClassificationTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this task's defaults and early stopping."""

    learning_rate: float = dataclasses.field(default=1e-3, metadata={"help": "Highest learning rate of AdamW."})
    weight_decay: float = dataclasses.field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    lr_scheduler_type: str = dataclasses.field(default="cosine", metadata={"help": "One of Trainer's schedules."})
    early_stopping_patience: int | None = dataclasses.field(
        default=None, metadata={"help": "Stop after so many evaluations without a better macro-F1 on validation."}
    )
    load_best_model_at_end: bool = dataclasses.field(
        default=True, metadata={"help": "End with the checkpoint that is best on validation, if there is one."}
    )
    metric_for_best_model: str | None = dataclasses.field(
        default="eval_loss", metadata={"help": "Figure of validation that chooses: eval_loss or eval_macro_f1."}
    )
    eval_strategy: str = dataclasses.field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    save_strategy: str = dataclasses.field(default="epoch", metadata={"help": "When to save: no, steps, epoch."})

    def always_written(self):
        """Returns what a config of the run says for arguments that this class has changed, `dict`."""
        return {"lr_scheduler_type": getattr(self.lr_scheduler_type, "value", self.lr_scheduler_type)}


def parse_classification(argv, description=None):
    """Returns the filled arguments of model, data and training, see `parse_run`."""
    types = (ClassificationModelArguments, ClassificationDataArguments, ClassificationTrainingArguments)
    return parse_run(argv, description, types)
