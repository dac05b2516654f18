"""The arguments of contrastive runs."""

import dataclasses

from sentence_transformers import SentenceTransformerTrainingArguments

from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import POOLINGS
from traceformers.training.run_arguments import parse_run


@dataclasses.dataclass
class EncoderArguments:
    """The encoder to start from, and what a session's vector is made of."""

    model_name_or_path: str = dataclasses.field(
        default="", metadata={"help": "Trained RRWebBERT with its tokenizer, folder or Hub id."}
    )
    model_revision: str = dataclasses.field(default="main", metadata={"help": "Revision of a model on the Hub."})
    pooling: str = dataclasses.field(
        default="kinds", metadata={"help": f"Which tokens a vector averages: {', '.join(POOLINGS)}."}
    )
    embedding_size: int | None = dataclasses.field(
        default=None, metadata={"help": "Length of a vector; that of the encoder if not given."}
    )
    fit_projection: bool = dataclasses.field(
        default=True,
        metadata={"help": "Start the projection where sessions of the training split differ most; else at random."},
    )
    train_encoder: bool = dataclasses.field(
        default=True, metadata={"help": "Train the whole encoder; false trains the projection alone."}
    )
    matryoshka_dims: list[int] = dataclasses.field(
        default_factory=list,
        metadata={"help": "Lengths that a vector may be cut to; halves down to 32 if not given."},
    )

    def __post_init__(self):
        if self.pooling not in POOLINGS:
            raise ValueError(f"Expected pooling to be one of {', '.join(POOLINGS)}, got {self.pooling!r}. Choose one.")


@dataclasses.dataclass
class PairArguments:
    """Data set, views and batches."""

    data_dir: str = dataclasses.field(
        default="", metadata={"help": "Folder of a prepared data set: <split>-*.arrow, dataset_info.json, tokenizer/."}
    )
    train_split: str = dataclasses.field(default="train", metadata={"help": "Split to train on."})
    eval_split: str = dataclasses.field(
        default="validation", metadata={"help": "Split that chooses the best checkpoint; none has to be of a new site."}
    )
    test_split: str | None = dataclasses.field(
        default="test", metadata={"help": "Split evaluated once, by the final model; `none` for no such split."}
    )
    about_data: str | None = dataclasses.field(
        default=None,
        metadata={"help": "YAML of what no run knows of its data, for the card; <data_dir>/about_data.yaml if there."},
    )
    max_length: int | None = dataclasses.field(
        default=None, metadata={"help": "Longest window, in tokens; what the encoder allows if not given."}
    )
    windows_per_view: int = dataclasses.field(
        default=2, metadata={"help": "Most windows with actions in one of the two views of a session."}
    )
    page_windows_per_view: int = dataclasses.field(
        default=1, metadata={"help": "Windows of page content beside them; pooling `actions` needs none."}
    )
    mask_text_in: float = dataclasses.field(
        default=0.25, metadata={"help": "Share of the views in which text is masked, as a recorder may mask it."}
    )
    passes_per_epoch: int = dataclasses.field(
        default=1, metadata={"help": "How often an epoch goes through all sessions."}
    )
    max_eval_windows: int | None = dataclasses.field(
        default=8, metadata={"help": "Windows of half a session read in evaluations; `null` for all."}
    )

    def __post_init__(self):
        if self.test_split in ("none", ""):
            self.test_split = None
        if self.windows_per_view < 1 or self.page_windows_per_view < 0:
            raise ValueError(
                f"Expected windows_per_view >= 1 and page_windows_per_view >= 0, got {self.windows_per_view} and "
                f"{self.page_windows_per_view}. Take 2 and 1."
            )


@dataclasses.dataclass
class ContrastiveTrainingArguments(SentenceTransformerTrainingArguments):
    """`SentenceTransformerTrainingArguments` with this task's defaults."""

    temperature: float = dataclasses.field(
        default=0.05, metadata={"help": "What cosines are divided by in the loss; smaller looks at closer negatives."}
    )
    projection_learning_rate: float | None = dataclasses.field(
        default=None, metadata={"help": "Learning rate of the projection; learning_rate if not given."}
    )
    learning_rate: float = dataclasses.field(default=1e-4, metadata={"help": "Highest learning rate of AdamW."})
    weight_decay: float = dataclasses.field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    lr_scheduler_type: str = dataclasses.field(default="cosine", metadata={"help": "One of Trainer's schedules."})
    early_stopping_patience: int | None = dataclasses.field(
        default=None, metadata={"help": "Stop after so many evaluations without a higher MRR."}
    )
    load_best_model_at_end: bool = dataclasses.field(
        default=True, metadata={"help": "End with the checkpoint of the highest MRR, not the last one."}
    )
    metric_for_best_model: str | None = dataclasses.field(
        default="eval_mrr", metadata={"help": "Figure of the eval split that chooses the best checkpoint."}
    )
    greater_is_better: bool | None = dataclasses.field(
        default=True, metadata={"help": "Whether a higher figure is a better one."}
    )
    eval_strategy: str = dataclasses.field(default="steps", metadata={"help": "When to evaluate: no, steps, epoch."})

    def __post_init__(self):
        if self.temperature <= 0:
            raise ValueError(f"Expected temperature > 0, got {self.temperature}. Take 0.05.")
        super().__post_init__()

    def always_written(self):
        """Returns what a config of the run says for arguments that this class has changed, `dict`."""
        return {"lr_scheduler_type": self.lr_scheduler_type.value}


def parse_contrastive(argv, description=None):
    """Returns the filled arguments of encoder, pairs and training, see `parse_run`."""
    return parse_run(argv, description, (EncoderArguments, PairArguments, ContrastiveTrainingArguments))
