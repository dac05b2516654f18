"""The arguments of masked-language-model runs."""

import dataclasses

from transformers import TrainingArguments

from traceformers.training.run_arguments import parse_run


@dataclasses.dataclass
class ModelArguments:
    """Shape of a new model, or the saved model to go on from."""

    model_name_or_path: str | None = dataclasses.field(
        default=None, metadata={"help": "Saved model to start from, folder or Hub id; without it a new one is made."}
    )
    model_revision: str = dataclasses.field(default="main", metadata={"help": "Revision of a model on the Hub."})
    hidden_size: int = dataclasses.field(default=768, metadata={"help": "Width of the encoder."})
    num_hidden_layers: int = dataclasses.field(default=12, metadata={"help": "Number of layers."})
    num_attention_heads: int = dataclasses.field(default=12, metadata={"help": "Attention heads of a layer."})
    intermediate_size: int | None = dataclasses.field(
        default=None, metadata={"help": "Width of the feed-forward layers; four times hidden_size if not given."}
    )
    hidden_dropout_prob: float = dataclasses.field(default=0.1, metadata={"help": "Dropout of hidden states."})
    attention_probs_dropout_prob: float = dataclasses.field(
        default=0.1, metadata={"help": "Dropout of attention; 0 lets a GPU use torch's own kernel for packed rows."}
    )
    initializer_range: float = dataclasses.field(
        default=0.02, metadata={"help": "Deviation of initial weights; narrow models learn sooner with more."}
    )
    attn_implementation: str = dataclasses.field(
        default="sdpa_varlen", metadata={"help": "sdpa_varlen, or flash_attention_2 and its kin on a GPU."}
    )


@dataclasses.dataclass
class DataArguments:
    """Data set, windows and masks."""

    data_dir: str = dataclasses.field(
        default="", metadata={"help": "Folder of a prepared data set: <split>-*.arrow, dataset_info.json, tokenizer/."}
    )
    tokenizer: str | None = dataclasses.field(
        default=None, metadata={"help": "Folder or Hub id of the RRWebTokenizer; <data_dir>/tokenizer if not given."}
    )
    train_split: str = dataclasses.field(default="train", metadata={"help": "Split to train on."})
    eval_split: str = dataclasses.field(
        default="validation", metadata={"help": "Split that chooses the best checkpoint and stops the run."}
    )
    test_split: str | None = dataclasses.field(
        default="test", metadata={"help": "Split evaluated once, by the final model; `none` for no such split."}
    )
    about_data: str | None = dataclasses.field(
        default=None,
        metadata={"help": "YAML of what no run knows of its data, for the card; <data_dir>/about_data.yaml if there."},
    )
    max_length: int = dataclasses.field(default=2048, metadata={"help": "Longest window, in tokens."})
    samples_per_epoch: int = dataclasses.field(default=90_000, metadata={"help": "Windows drawn in an epoch."})
    mask_probability: float = dataclasses.field(default=0.15, metadata={"help": "Share of body tokens masked."})
    mask_whole_events: bool = dataclasses.field(default=False, metadata={"help": "Mask whole events."})
    swap_text_in: float = dataclasses.field(
        default=0.0,
        metadata={"help": "Share of the training windows in which half of the words become others, against rote."},
    )
    max_eval_windows: int | None = dataclasses.field(
        default=None,
        metadata={"help": "Windows of the eval split used during training, evenly spaced; all if not given."},
    )
    baseline_tokens: int = dataclasses.field(
        default=20_000_000, metadata={"help": "Training tokens the count baselines are counted on, at most."}
    )

    def __post_init__(self):
        if self.test_split in ("none", ""):
            self.test_split = None


@dataclasses.dataclass
class MLMTrainingArguments(TrainingArguments):
    """`TrainingArguments` with this task's defaults, warm restarts and early stopping."""

    learning_rate: float = dataclasses.field(default=5e-5, metadata={"help": "Highest learning rate of AdamW."})
    weight_decay: float = dataclasses.field(default=0.01, metadata={"help": "Weight decay of AdamW."})
    lr_scheduler_type: str = dataclasses.field(
        default="cosine", metadata={"help": "One of Trainer's schedules, or cosine_warm_restarts."}
    )
    restart_epochs: float = dataclasses.field(
        default=0.0, metadata={"help": "T_0 of cosine_warm_restarts: epochs of the first cycle."}
    )
    restart_growth: float = dataclasses.field(
        default=1.0, metadata={"help": "T_mult of cosine_warm_restarts: each cycle is so many times the one before."}
    )
    early_stopping_patience: int | None = dataclasses.field(
        default=None, metadata={"help": "Stop after so many evaluations without a lower eval loss."}
    )
    load_best_model_at_end: bool = dataclasses.field(
        default=True, metadata={"help": "End with the checkpoint of the lowest eval loss, not the last one."}
    )
    metric_for_best_model: str | None = dataclasses.field(
        default="eval_loss", metadata={"help": "Figure of the eval split that chooses the best checkpoint."}
    )
    eval_strategy: str = dataclasses.field(default="steps", metadata={"help": "When to evaluate: no, steps, epoch."})
    include_num_input_tokens_seen: bool = dataclasses.field(
        default=True, metadata={"help": "Log tokens seen and tokens a second."}
    )

    def __post_init__(self):
        if self.lr_scheduler_type == "cosine_warm_restarts":
            if self.restart_epochs <= 0:
                raise ValueError(
                    f"Expected restart_epochs > 0 with cosine_warm_restarts, got {self.restart_epochs}. "
                    "Set it to the epochs of the first cycle, e.g. --restart_epochs 10."
                )
            self.lr_scheduler_type = "cosine"  # Trainer knows no other name; restart_epochs is what MLMTrainer reads
        elif self.restart_epochs:
            raise ValueError(
                f"Expected restart_epochs only with lr_scheduler_type cosine_warm_restarts, got {self.restart_epochs} "
                f"with {self.lr_scheduler_type}. Set --lr_scheduler_type cosine_warm_restarts, or leave it out."
            )
        super().__post_init__()

    @property
    def schedule(self):
        """Name of the schedule as it is written in a config."""
        return "cosine_warm_restarts" if self.restart_epochs else self.lr_scheduler_type.value

    def always_written(self):
        """Returns what a config of the run says for arguments that this class has changed, `dict`."""
        return {
            "lr_scheduler_type": self.schedule,
            "include_num_input_tokens_seen": self.include_num_input_tokens_seen != "no",
        }


def parse_mlm(argv, description=None):
    """Returns the filled arguments of model, data and training, see `parse_run`."""
    return parse_run(argv, description, (ModelArguments, DataArguments, MLMTrainingArguments))
