"""Evaluates encoders on retrieval sets beside their teacher and BM25: one table, one picture.

    python run_scripts/run_retrieval_eval.py --model runs/student --data data/scifact --output-dir runs/eval
    python run_scripts/run_retrieval_eval.py --model runs/student --model bm25 --model model2vec:runs/static \
        --data data/msmarco-dev --data data/scifact --sts data/stsbenchmark --heldout data/heldout.txt \
        --teacher sentence-transformers/all-MiniLM-L6-v2 --document-vectors runs/vectors --output-dir runs/eval

A set is a folder in the layout of BEIR (`datasets_scripts/retrieval/README.md`); MS MARCO dev is one more, written by
`prepare_retrieval.py`. Students are evaluated symmetric (their own documents), asymmetric (the teacher's documents)
and, with `--model bm25`, hybrid. Weights and signals are chosen on dev queries, a quarter of each set.
"""

import argparse
import sys
from pathlib import Path

from traceformers.datasets_scripts.distillation.text_files import iterate_texts
from traceformers.datasets_scripts.retrieval.retrieval_folder import load_retrieval_set
from traceformers.training.distillation.teacher import POOLINGS, PRECISIONS
from traceformers.training.evaluation.retrieval_run import EvaluationPlan, evaluate_systems
from traceformers.training.evaluation.retrieval_tables import draw_cascade, draw_quality, report_markdown
from traceformers.training.hardware import describe_hardware
from traceformers.training.run_record import command_line, git_commit, write_json


def parse(argv=None):
    """Returns the arguments of a command line."""
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", action="append", required=True, help="folder, Hub id, runtime:<folder>, model2vec:<folder>, bm25")
    add("--data", action="append", required=True, help="folder of a retrieval set; may be given several times")
    add("--split", default="test", help="file of grades in qrels/ (test)")
    add("--teacher", help="folder, Hub id or package:<module>; by default the one that the first student names")
    add("--teacher-revision", help="commit or tag of a teacher on the Hub")
    add("--teacher-pooling", choices=POOLINGS, help="in place of what the student, or the teacher's config, says")
    add("--teacher-precision", choices=tuple(PRECISIONS), default="float32", help="of its transformer (float32)")
    add("--document-vectors", help="folder that keeps vectors of documents, so that they are encoded once")
    add("--sts", help="folder with sts-dev.csv and sts-test.csv")
    add("--heldout", action="append", default=[], help="texts for the agreement with the teacher, one a line")
    add("--device", help="cpu, cuda, ...; a GPU if there is one")
    add("--precision", help="float32, bfloat16, float16; int8 for runtime:<folder>")
    add("--threads", type=int, help="threads of this process")
    add("--failures", type=int, default=5, help="queries to show where a student lost most (5)")
    add("--timing-seconds", type=float, default=2.0, help="how long each speed is measured, at least (2)")
    add("--trust-remote-code", action="store_true", help="run code in repositories of the Hub")
    add("--output-dir", required=True, help="where the report goes")
    return parser.parse_args(argv)


def main(argv=None):
    """Evaluates what the command line names; returns the report."""
    args = parse(argv)
    sets = [load_retrieval_set(folder, args.split) for folder in args.data]
    plan = EvaluationPlan(
        models=args.model,
        teacher=args.teacher,
        teacher_revision=args.teacher_revision,
        teacher_pooling=args.teacher_pooling,
        teacher_precision=args.teacher_precision,
        vectors=args.document_vectors,
        sts=args.sts,
        heldout=list(iterate_texts(args.heldout)) if args.heldout else [],
        device=args.device,
        precision=args.precision,
        threads=args.threads,
        trust_remote_code=args.trust_remote_code,
        failures=args.failures,
        timing_seconds=args.timing_seconds,
    )
    report = evaluate_systems(sets, plan)
    report |= {"command": command_line(), "git_commit": git_commit(), "hardware": describe_hardware()}
    report |= {"threads": args.threads, "precision": args.precision, "split": args.split}

    folder = Path(args.output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = report_markdown(report)
    write_json(folder / "retrieval_report.json", report)
    (folder / "retrieval_report.md").write_text(text, encoding="utf-8")
    draw_quality(report, folder / "retrieval_quality.png")
    if report["cascades"]:
        draw_cascade(report["cascades"], folder / "retrieval_cascade.png")
    print(text)
    print(f"Written to {folder}: {', '.join(sorted(path.name for path in folder.glob('retrieval_*')))}")
    return report


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, ImportError) as error:
        sys.exit(f"run_retrieval_eval: {error}")
