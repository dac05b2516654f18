"""Evaluates a saved RRWebBERT on a split of a prepared data set, beside the count baselines, on the same masks.

    python run_scripts/evaluate_mlm.py --model_name_or_path runs/tiny/model --data_dir data --max_length 256

Prints the figures as JSON; `--output_file` writes them too. `--baselines false` leaves the count models out.
The tokenizer is the model's own unless `--tokenizer` names another.
"""

import json
import sys
import tempfile
from dataclasses import dataclass, field

from traceformers.training.masked_lm.masked_metrics import masked_report
from traceformers.training.masked_lm.mlm_arguments import DataArguments, MLMTrainingArguments, ModelArguments
from traceformers.training.masked_lm.mlm_run import MLMData, build_model, build_trainer, split_report
from traceformers.training.run_arguments import parse_run
from traceformers.training.run_record import command_line, git_commit, write_json


@dataclass
class EvaluationArguments:
    """What is evaluated."""

    split: str = field(default="validation", metadata={"help": "Split to evaluate on."})
    baselines: bool = field(default=True, metadata={"help": "Evaluate the count models too."})
    output_file: str | None = field(default=None, metadata={"help": "JSON file to write."})
    per_device_eval_batch_size: int = field(default=8, metadata={"help": "Windows packed in one row."})
    dataloader_num_workers: int = field(default=0, metadata={"help": "Processes that read windows."})
    bf16: bool = field(default=False, metadata={"help": "Run the model in bfloat16."})
    use_cpu: bool = field(default=False, metadata={"help": "Do not use a GPU."})


def main(argv=None):
    """Evaluates what the arguments name; returns the figures."""
    model_arguments, data_arguments, arguments = parse_run(
        sys.argv[1:] if argv is None else argv, __doc__, (ModelArguments, DataArguments, EvaluationArguments)
    )
    if model_arguments.model_name_or_path is None:
        raise ValueError("Expected --model_name_or_path, the folder or Hub id of a saved model, got none.")
    data_arguments.tokenizer = data_arguments.tokenizer or model_arguments.model_name_or_path
    data = MLMData(data_arguments)
    model = build_model(model_arguments, data.tokenizer, data_arguments.max_length)
    with tempfile.TemporaryDirectory() as scratch:
        training_arguments = MLMTrainingArguments(
            output_dir=scratch,
            eval_strategy="no",
            load_best_model_at_end=False,
            per_device_eval_batch_size=arguments.per_device_eval_batch_size,
            dataloader_num_workers=arguments.dataloader_num_workers,
            bf16=arguments.bf16,
            use_cpu=arguments.use_cpu,
        )
        trainer = build_trainer(model, data, training_arguments, train=False)
        if arguments.baselines:
            report = split_report(trainer, data, arguments.split)
        else:
            report = masked_report(trainer.evaluation_sums(data.fixed_windows(arguments.split)))
    report |= {"split": arguments.split, "model": model_arguments.model_name_or_path}
    report |= {"command": command_line(), "git_commit": git_commit(), "max_length": data_arguments.max_length}
    if trainer.is_world_process_zero():
        print(json.dumps(report, indent=2))
        if arguments.output_file:
            write_json(arguments.output_file, report)
    return report


if __name__ == "__main__":
    try:
        main()
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"evaluate_mlm: {error}")
