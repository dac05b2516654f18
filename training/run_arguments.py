"""How a YAML file and a command line make the arguments of a run, and how they are written down again."""

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


def parse_run(argv, description, types):
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
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds anything but a mapping.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a YAML file of `key: value` lines at {path}, found none. Correct the path.")
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
        groups: filled dataclasses; that of Trainer's arguments has `always_written()`, what is written as it says.
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
        if isinstance(group, TrainingArguments):
            config |= group.always_written()
    return config


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples in a description."""
