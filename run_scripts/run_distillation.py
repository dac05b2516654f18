"""Trains an n-gram encoder towards the vectors of a sentence encoder.

Minutes on two cores, after `build_ngram_vocabulary.py` has written vocabulary/:
    python run_scripts/run_distillation.py run_scripts/configs/ngram/tiny.yaml --vocabulary vocabulary \\
        --texts train.txt --heldout heldout.txt --teacher sentence-transformers/all-MiniLM-L6-v2 --output_dir runs/tiny
The same on all GPUs of a machine:
    accelerate launch run_scripts/run_distillation.py run_scripts/configs/ngram/minilm.yaml ...
On a CPU, THP_MEM_ALLOC_ENABLE=1 in the environment (large pages for torch) halves the time of a step.
Go on after an interruption, of the teacher's pass or of the training: the same command with
    --resume_from_checkpoint auto
Documents by the teacher, queries by the student, with a linear map of the documents' vectors that suits its queries:
    ... --documents teacher --document_map true

The output folder receives run.yaml, metrics.json, trainer_state.json, pictures, checkpoints, model/ (folded weights,
tokenizer, what sentence-transformers needs, code, and what tells which queries the teacher had better answer, as they
go to the Hub) and training_model/ (unfolded, to train on). Arguments are read from the YAML file, then from the command
line.
"""

import sys
import time
from importlib.metadata import version
from pathlib import Path

from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.distillation.distillation_arguments import parse_distillation
from traceformers.training.distillation.distillation_run import (
    DistillationData,
    build_student,
    build_trainer,
    finished_student,
    search,
    shrink_rows,
    student_document_map,
)
from traceformers.training.distillation.heldout_agreement import save_learning_curves, save_similarity_plot
from traceformers.training.distillation.published_folder import write_published_folder, write_student_doubt
from traceformers.training.evaluation.document_map import FILE_NAME as DOCUMENT_MAP
from traceformers.training.hardware import describe_hardware
from traceformers.training.hub_folder import push_folder
from traceformers.training.run_arguments import resolved_config
from traceformers.training.run_record import command_line, git_commit, write_config, write_json


def main(argv=None):
    """Runs the distillation that the arguments describe; returns the content of metrics.json."""
    # 1. Arguments
    student, teacher, arguments = parse_distillation(sys.argv[1:] if argv is None else argv, __doc__)
    output_dir = Path(arguments.output_dir)
    resume = arguments.resume_from_checkpoint
    if resume == "auto":
        resume = last_complete_checkpoint(output_dir, arguments.world_size)
    commit = git_commit()  # of the code that is loaded now, whatever is committed while it runs
    push, arguments.push_to_hub = arguments.push_to_hub, False  # once, at the end: not what is half trained

    # 2. Texts and teacher vectors, learning rates, student, trainer
    data = DistillationData(student, teacher, output_dir, arguments.seed, arguments.use_cpu)
    searched = None
    if arguments.search_trials:
        searched = search(data, arguments)
        for name, value in searched["parameters"].items():
            setattr(arguments, name, value)
    set_seed(arguments.seed)
    trainer = build_trainer(data, arguments, build_student(data))
    if trainer.is_world_process_zero():
        write_config(output_dir / "run.yaml", resolved_config(student, teacher, arguments))
        if trainer.model.config.teacher_name is None:
            print(
                f"The saved model will name no teacher: {data.about_teacher['teacher']} is a folder of this machine. "
                "Give its Hub id with --teacher_name."
            )

    # 3. Training
    started = time.perf_counter()
    with measured_energy(trainer.args.output_dir):
        result = trainer.train(resume_from_checkpoint=resume)
    seconds = time.perf_counter() - started

    # 4. Rare rows, evaluation, then the model as it is used
    shrinkage = shrink_rows(trainer, data) if arguments.shrink_rare_rows else None
    metrics = {
        "eval": {
            name.removeprefix("eval_"): value
            for name, value in trainer.evaluate().items()
            if not name.endswith(("_runtime", "_per_second"))
        },
        "train": {
            "loss": result.training_loss,
            "steps": trainer.state.global_step,
            "seconds": seconds,
            "best_step": trainer.state.best_global_step,
            "resumed_from": resume and Path(resume).name,
            "texts": len(data.tokens),
            "ids": len(data.tokens.ids),
            "parameters": trainer.model.num_parameters(),
            "ranks": arguments.world_size,
            "hardware": describe_hardware(),
        },
        "row_shrinkage": shrinkage,
        "heldout_texts": len(data.heldout),
        "teacher": data.about_teacher,
        "search": searched,
        "seed": arguments.seed,
        "command": command_line(),
        "git_commit": commit,
        "max_length": student.model_max_length,
    }
    vectors = trainer.encode(data.heldout.tokens)
    if trainer.is_world_process_zero():
        unwrapped = trainer.accelerator.unwrap_model(trainer.model)
        model = finished_student(unwrapped, data, trainer.distillation_loss.weights)
        model.save_pretrained(output_dir / "training_model")
        data.tokenizer.save_pretrained(output_dir / "training_model")
        published = model if model.layers else model.fold(student.table_dtype)
        if student.document_map:
            published.config.document_map = True
            (output_dir / "model").mkdir(parents=True, exist_ok=True)
            student_document_map(published, data).save(output_dir / "model" / DOCUMENT_MAP)
        write_published_folder(output_dir / "model", published, data.tokenizer, data.texts)
        if published.config.folded:
            write_student_doubt(output_dir / "model", data.heldout.texts, data.heldout.teacher_vectors)

        # 5. Record
        metrics["train"]["vocabulary"] = model.config.vocab_size
        for folder in (output_dir, output_dir / "model"):
            write_json(folder / "metrics.json", metrics)
        trainer.save_state()
        save_learning_curves(output_dir / "learning_curves.png", trainer.state.log_history)
        save_similarity_plot(output_dir / "similarity.png", vectors, data.heldout.teacher_vectors)
        if push:
            repository = arguments.hub_model_id or output_dir.name
            private = arguments.hub_private_repo is not False
            push_folder(output_dir / "model", repository, private, tag=f"v{version('traceformers')}")
    return metrics


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"run_distillation: {error}")
