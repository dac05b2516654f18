"""Builds the vocabulary of an n-gram encoder from texts and the sentence encoder that it will be distilled from.

On a laptop, from the repository's own texts, in seconds:

    python run_scripts/build_ngram_vocabulary.py README.md LOG.md --teacher sentence-transformers/all-MiniLM-L6-v2 \
        --words 2000 --ngrams 200 --output-dir runs/vocabulary

From a corpus of any size; killed and started again, it goes on where it was:

    python run_scripts/build_ngram_vocabulary.py runs/texts/train-*.parquet --heldout runs/texts/heldout-*.parquet \
        --words 60000 --ngrams 10000 --selection gain --output-dir runs/vocabulary

From a vocabulary and embeddings that were made elsewhere, with counts of texts:

    python run_scripts/build_ngram_vocabulary.py runs/texts/train-*.parquet --from-tokens tokens.txt \
        --embeddings vectors.npy --output-dir runs/vocabulary
"""

import argparse
import sys

import torch

from traceformers.training.distillation.teacher import DEFAULT_TEACHER, POOLINGS, PRECISIONS, load_teacher
from traceformers.training.vocabulary.entry_selection import SELECTIONS
from traceformers.training.vocabulary.vocabulary_build import (
    UNKNOWN_WORDS,
    Corpus,
    VocabularyOptions,
    build_vocabulary,
    import_and_save,
)


def main(argv=None):
    args = parse(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        report = build(args)
    except (ValueError, OSError) as error:
        sys.exit(f"build_ngram_vocabulary: {error}")
    kinds = ", ".join(f"{row['entries']:,} {name}s" for name, row in report["classes"].items())
    print(f"{report['entries']:,} entries ({kinds}) -> {args.output_dir}")
    for name, row in report["coverage"].items():
        rest = ", ".join(f"{row[key]:.2%} {key}" for key in ("known", "spelled", "bucketed", "unknown") if row[key])
        print(f"{row['words']:,} words of {name}: {rest}")
    print(f"{args.output_dir}/report.md says what each class of entry is there for")


def build(args):
    """Returns the content of report.json."""
    corpus = Corpus(args.data, args.text_column, args.heldout, not args.quiet) if args.data else None
    if bool(args.from_tokens) != bool(args.embeddings):
        raise ValueError("Expected --from-tokens and --embeddings together, got one of them. Give both files.")
    if args.from_tokens:
        dimension = _teacher(args).dimension if args.teacher else None
        return import_and_save(args.from_tokens, args.embeddings, args.output_dir, corpus, dimension)
    if corpus is None:
        raise ValueError("Expected text files, got none. Give files, globs or folders, or --from-tokens.")
    names = ("words", "min_count", "ngrams", "skipgrams", "selection", "unknown_words", "buckets")
    options = VocabularyOptions(**{name: getattr(args, name) for name in names}, column=args.text_column)
    return build_vocabulary(corpus, _teacher(args), options, args.output_dir, args.batch_size)


def _teacher(args):
    name = args.teacher or DEFAULT_TEACHER
    return load_teacher(
        name,
        args.teacher_revision,
        args.teacher_pooling,
        args.device,
        args.teacher_precision,
        similarity=args.teacher_similarity,
    )


def parse(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = VocabularyOptions()
    add = parser.add_argument
    add("data", nargs="*", help="text files, globs or folders (.txt, .jsonl, .parquet; .gz, .xz, .zst)")
    add("--output-dir", required=True, help="where tokenizer, vectors, counts and report go")
    add("--teacher", help=f"sentence-transformers model, folder or name ({DEFAULT_TEACHER})")
    add("--teacher-revision", help="commit or tag of the teacher's repository")
    add(
        "--teacher-pooling", choices=POOLINGS, default="from-config", help="in place of the teacher's own (from-config)"
    )
    add(
        "--teacher-similarity",
        choices=("from-config", "cosine", "dot"),
        default="from-config",
        help="how the teacher's vectors are compared, where its config does not say (from-config)",
    )
    add("--teacher-precision", choices=tuple(PRECISIONS), default="bfloat16", help="of its transformer (bfloat16)")
    add("--device", help="of the teacher (a GPU if there is one)")
    add("--threads", type=int, help="CPU threads of the teacher (as torch decides)")
    add("--batch-size", type=int, help="texts that the teacher encodes at a time (as many as suit the device)")
    add("--words", type=int, default=default.words, help="words at most (%(default)s)")
    add("--min-count", type=int, default=default.min_count, help="occurrences of a word or n-gram (%(default)s)")
    add("--ngrams", type=int, default=default.ngrams, help="n-grams of 2 to 4 words at most (%(default)s)")
    add("--skipgrams", type=int, default=default.skipgrams, help="skip-grams at most (%(default)s)")
    add("--selection", choices=SELECTIONS, default=default.selection, help="n-grams by this x count (%(default)s)")
    add("--unknown-words", choices=UNKNOWN_WORDS, default=default.unknown_words, help="what becomes of them (pieces)")
    add(
        "--buckets", type=int, default=default.buckets, help="hashed buckets, for --unknown-words buckets (%(default)s)"
    )
    add("--heldout", nargs="+", help="texts to measure coverage on (one in a hundred of the others)")
    add("--text-column", default="text", help="key or column of the texts (text)")
    add("--from-tokens", help="import this vocabulary, .txt or .json, instead of building one")
    add("--embeddings", help="its embeddings, .safetensors, .npy or .h5")
    add("--quiet", action="store_true", help="no progress bars")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
