"""The arguments of trimodal runs."""

import dataclasses

from transformers import TrainingArguments

from traceformers.training.run_arguments import parse_run

ENCODERS = ("text", "vision", "rrweb")


@dataclasses.dataclass
class ModelArguments:
    """Where the three encoders come from, or the saved model to go on from."""

    model_name_or_path: str | None = dataclasses.field(
        default=None, metadata={"help": "Saved trimodal model to start from; without it a new one is made."}
    )
    model_revision: str = dataclasses.field(default="main", metadata={"help": "Revision of that model on the Hub."})
    rrweb_model: str | None = dataclasses.field(
        default=None, metadata={"help": "RRWebBERT with its tokenizer, folder or Hub id; no trimodal model without."}
    )
    text_model: str = dataclasses.field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        metadata={"help": "Text encoder: folder, Hub id, or package:<module> that holds one; its tokens are averaged."},
    )
    text_name: str | None = dataclasses.field(
        default=None, metadata={"help": "Hub id that the model is to name where text_model is a copy of it."}
    )
    text_revision: str | None = dataclasses.field(default=None, metadata={"help": "Revision of the text encoder."})
    vision_model: str = dataclasses.field(
        default="openai/clip-vit-base-patch32",
        metadata={"help": "Vision encoder: folder or Hub id; `new` for a small one that starts at random."},
    )
    vision_revision: str | None = dataclasses.field(default=None, metadata={"help": "Revision of the vision encoder."})
    vision_hidden_size: int = dataclasses.field(default=128, metadata={"help": "Width of a new vision encoder."})
    vision_layers: int = dataclasses.field(default=3, metadata={"help": "Layers of a new vision encoder."})
    vision_heads: int = dataclasses.field(default=4, metadata={"help": "Attention heads of a new vision encoder."})
    vision_dropout: float = dataclasses.field(default=0.0, metadata={"help": "Attention dropout of a new one."})
    image_size: int = dataclasses.field(default=96, metadata={"help": "Pixels, both ways, of a new vision encoder."})
    patch_size: int = dataclasses.field(default=16, metadata={"help": "Pixels of a patch of a new vision encoder."})
    projection_dim: int = dataclasses.field(default=512, metadata={"help": "Length of the vectors compared."})
    logit_scale: float = dataclasses.field(default=2.6592, metadata={"help": "Logarithm of the first 1 / temperature."})
    frozen: list[str] = dataclasses.field(
        default_factory=lambda: ["text"],
        metadata={"help": "Encoders that stay as they are: text vision rrweb. Each runs once over all rows."},
    )

    def __post_init__(self):
        unknown = sorted(set(self.frozen) - {*ENCODERS, "none"})
        if unknown:
            raise ValueError(f"Expected frozen to name {', '.join(ENCODERS)} or none, got {', '.join(unknown)}.")
        if self.vision_model == "new" and "vision" in self.frozen:
            raise ValueError(
                "Expected a vision encoder with weights where it is frozen, got a new one. Take vision out of frozen."
            )
        if self.image_size % self.patch_size:
            raise ValueError(
                f"Expected image_size to be a multiple of patch_size = {self.patch_size}, got {self.image_size}."
            )
        if not (self.model_name_or_path or self.rrweb_model):
            raise ValueError(
                "Expected --rrweb_model, the folder or Hub id of an RRWebBERT with its tokenizer, got none. "
                "run_mlm.py trains one."
            )

    @property
    def frozen_encoders(self):
        """Names of the encoders that stay as they are; none for `frozen: [none]`, which a config can say."""
        return [name for name in self.frozen if name != "none"]


@dataclasses.dataclass
class DataArguments:
    """Recordings with screenshots, windows and what is held out."""

    recordings: list[str] = dataclasses.field(
        default_factory=list, metadata={"help": "Folders that record_sessions.mjs --screenshots wrote."}
    )
    held_out_sites: list[str] = dataclasses.field(
        default_factory=list,
        metadata={"help": "Sites no session of which is trained on. The rrweb model must not know them either."},
    )
    held_out_share: float = dataclasses.field(
        default=0.2, metadata={"help": "Share of the other sites' sessions held out, by hash of their names."}
    )
    max_length: int = dataclasses.field(default=256, metadata={"help": "Longest window, in tokens."})
    text_max_length: int = dataclasses.field(default=256, metadata={"help": "Tokens of a log that are read."})
    extra_windows: int = dataclasses.field(
        default=1, metadata={"help": "Most windows without a picture between two pictures."}
    )
    about_data: str | None = dataclasses.field(
        default=None, metadata={"help": "YAML of what no run knows of its data, for the card."}
    )

    def __post_init__(self):
        if not self.recordings:
            raise ValueError(
                "Expected --recordings, folders that record_sessions.mjs --screenshots wrote, got none. Name them, or "
                "set recordings in the config."
            )
        if not 0 <= self.held_out_share < 1:
            raise ValueError(f"Expected held_out_share in [0, 1), got {self.held_out_share}. 0.2 is a fifth.")


@dataclasses.dataclass
class TrimodalTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this task's defaults and a learning rate for encoders that have weights."""

    learning_rate: float = dataclasses.field(default=1e-3, metadata={"help": "Of what starts at random."})
    encoder_learning_rate: float = dataclasses.field(
        default=5e-5, metadata={"help": "Of encoders that were loaded with weights and are not frozen."}
    )
    weight_decay: float = dataclasses.field(default=0.05, metadata={"help": "Weight decay of AdamW."})
    lr_scheduler_type: str = dataclasses.field(default="cosine", metadata={"help": "One of Trainer's schedules."})
    warmup_steps: float = dataclasses.field(default=0.1, metadata={"help": "Steps, or below 1 a share of all."})
    per_device_train_batch_size: int = dataclasses.field(
        default=64, metadata={"help": "Rows of a batch; the others are what each is told from."}
    )
    per_device_eval_batch_size: int = dataclasses.field(default=64, metadata={"help": "Rows encoded at once."})
    dataloader_drop_last: bool = dataclasses.field(default=True, metadata={"help": "Drop a short last batch."})
    eval_strategy: str = dataclasses.field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    metric_for_best_model: str | None = dataclasses.field(
        default="eval_mrr", metadata={"help": "Figure of the held-out sessions, where they choose the checkpoint."}
    )
    greater_is_better: bool | None = dataclasses.field(default=True, metadata={"help": "Of that figure."})
    remove_unused_columns: bool = dataclasses.field(default=False, metadata={"help": "Rows are no columns."})

    def __post_init__(self):
        if self.remove_unused_columns:
            raise ValueError(
                "Expected remove_unused_columns false, got true: rows of triples are made in the collator."
            )
        super().__post_init__()

    def always_written(self):
        """Returns what a config of the run says for arguments that this class has changed, `dict`."""
        return {"lr_scheduler_type": self.lr_scheduler_type.value}


def parse_trimodal(argv, description=None):
    """Returns the filled arguments of model, data and training, see `parse_run`."""
    return parse_run(argv, description, (ModelArguments, DataArguments, TrimodalTrainingArguments))
