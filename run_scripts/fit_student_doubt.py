"""Fits what tells which queries a teacher had better answer, on held-out texts, and puts it into a published folder.

run_distillation.py does it at its end; this is for a folder without it, or for texts more like the queries that come.
With the cache of the teacher's vectors that the run left, in seconds:

    python run_scripts/fit_student_doubt.py runs/student/model heldout.txt --heldout-cache runs/student/teacher-heldout

With texts that the teacher, the one that the model names, encodes now:

    python run_scripts/fit_student_doubt.py runs/student/model queries.txt
"""

import argparse
import json
import sys
from itertools import islice
from pathlib import Path

import numpy as np

from traceformers.datasets_scripts.distillation.text_files import iterate_texts, list_text_files
from traceformers.training.distillation.published_folder import write_student_doubt
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.distillation.teacher_cache import TeacherCache
from traceformers.training.evaluation.student_doubt import FEWEST_TEXTS, FILE_NAME


def main(argv=None):
    args = parse(argv)
    try:
        doubt, n = fit(args)
    except (ValueError, OSError) as error:
        sys.exit(f"fit_student_doubt: {error}")
    print(f"fitted on {n:,} texts -> {Path(args.model) / FILE_NAME}")
    print(
        "one query in ten, five, two is more doubtful than "
        + ", ".join(f"{doubt.threshold(x):.4f}" for x in (0.1, 0.2, 0.5))
    )


def fit(args):
    """Returns (`StudentDoubt`, number of texts)."""
    cache = TeacherCache.open(args.heldout_cache) if args.heldout_cache else None
    most = len(cache) if cache else args.most
    texts = list(islice(iterate_texts(list_text_files(args.texts)), most))
    if len(texts) < FEWEST_TEXTS:
        raise ValueError(f"Expected {FEWEST_TEXTS} texts or more, got {len(texts)}. Give more files.")
    if cache:
        cache.check_texts(texts)
        vectors = cache.vectors(np.arange(len(cache))).astype(np.float32)
    else:
        vectors = _teacher(args).encode(texts, progress=not args.quiet)
    return write_student_doubt(args.model, texts, vectors), len(texts)


def _teacher(args):
    config = json.loads((Path(args.model) / "config.json").read_text(encoding="utf-8"))
    name = args.teacher or config.get("teacher_name")
    if not name:
        raise ValueError("Expected --teacher or --heldout-cache for a model that names no teacher, got neither.")
    revision = None if args.teacher else config.get("teacher_revision")
    pooling = config.get("teacher_pooling") or "from-config"
    similarity = config.get("similarity") or "from-config"
    return load_teacher(name, revision, pooling, args.device, "float32", similarity=similarity)


def parse(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="folder of a folded n-gram encoder")
    add("texts", nargs="+", help="files, globs or folders of texts that the model was not trained on, queries at best")
    add("--heldout-cache", help="teacher vectors of these texts, or of the first of them")
    add("--most", type=int, default=5_000, help="texts used without a cache, from the first on (%(default)s)")
    add("--teacher", help="in place of the one that the model names")
    add("--device", help="of the teacher (a GPU if there is one)")
    add("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
