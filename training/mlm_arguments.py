"""The arguments of masked-language-model runs, and how a YAML file and a command line make them."""

import argparse
import dataclasses
import json
from pathlib import Path

import yaml
from transformers import HfArgumentParser, TrainingArguments

# Arguments of Trainer that are written to a config even where they are its defaults.
ALWAYS_WRITTEN = (
    "output_dir learning_rate weight_decay max_grad_norm adam_beta1 adam_beta2 adam_epsilon num_train_epochs max_steps "
    "warmup_steps per_device_train_batch_size per_device_eval_batch_size gradient_accumulation_steps seed bf16 fp16 "
    "eval_strategy save_strategy save_steps optim load_best_model_at_end dataloader_num_workers"
).split()
# Secrets, what Trainer finds out from the machine, and what only holds for one start of a run.
NEVER_WRITTEN = (
    "hub_token push_to_hub_token deepspeed_plugin distributed_state accelerator_config greater_is_better "
    "resume_from_checkpoint lr_scheduler_type gradient_checkpointing do_eval"
).split()


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


def parse_run(argv, description=None, types=(ModelArguments, DataArguments, MLMTrainingArguments)):
    """Returns one filled dataclass for each of `types`.

    Args:
        argv (list of `str`): optionally the path of a YAML file of `key: value`, then `--key value` overrides.
        description (`str`, *optional*): text of `--help`.
        types (sequence of dataclasses).

    Raises:
        SystemExit: for an unknown key or a value of the wrong type, with a line that names it.
        ValueError: for values that contradict each other.
    """
    parser = HfArgumentParser(
        types,
        description=description,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
        usage="%(prog)s [config.yaml] [--key value ...]",
    )
    argv = list(argv)
    if argv and argv[0].endswith((".yaml", ".yml")):
        argv = [*yaml_arguments(argv[0]), *argv[1:]]
    *groups, unknown = parser.parse_args_into_dataclasses(
        args=argv, look_for_args_file=False, return_remaining_strings=True
    )
    if unknown:
        parser.error(f"unknown arguments: {' '.join(unknown)}; `--help` lists those there are")
    return groups


def yaml_arguments(path):
    """Returns the `key: value` pairs of a YAML file as command-line arguments. A null value leaves its key out.

    Raises:
        ValueError: if the file holds anything but a mapping.
    """
    values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(
            f"Expected `key: value` lines in {path}, got {type(values).__name__}. See configs/rrweb/tiny.yaml."
        )
    arguments = []
    for key, value in values.items():
        if value is None:
            continue
        values = value if isinstance(value, list) else [json.dumps(value) if isinstance(value, dict) else value]
        arguments += [f"--{key}", *map(str, values)]
    return arguments


def resolved_config(*groups):
    """Returns the arguments of a run as JSON-safe data that is itself a config: `parse_run` on it gives the same run.

    Left out are secrets, and those of Trainer's many arguments that have their default value and are not in
    `ALWAYS_WRITTEN`.

    Args:
        groups: filled dataclasses.
    """
    trainers_own = {field.name: field.default for field in dataclasses.fields(TrainingArguments)}
    config = {}
    for group in groups:
        for field in dataclasses.fields(group):
            name, value = field.name, getattr(group, field.name)
            value = getattr(value, "value", value)  # of an enum
            is_default = isinstance(group, TrainingArguments) and trainers_own.get(name, dataclasses.MISSING) == value
            if value in (None, []) or name in NEVER_WRITTEN or (is_default and name not in ALWAYS_WRITTEN):
                continue
            if field.init and not name.startswith("_"):
                config[name] = value
        if isinstance(group, MLMTrainingArguments):
            config["lr_scheduler_type"] = group.schedule
            config["include_num_input_tokens_seen"] = group.include_num_input_tokens_seen != "no"
    return config


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples in a description."""
