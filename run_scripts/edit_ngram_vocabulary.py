"""Adds entries to the vocabulary of a trained n-gram encoder, or prunes it, without training: all other rows stay.

New words and n-grams of texts that the model was not trained on, in a minute on a laptop; the teacher is the one that
the model's configuration names:

    python run_scripts/edit_ngram_vocabulary.py runs/encoder new_texts.txt --add-words 500 --add-ngrams 100 \
        --output-dir runs/encoder-edited

A smaller model for texts of one kind, without what occurs fewer than twice in them:

    python run_scripts/edit_ngram_vocabulary.py runs/encoder "texts/*.jsonl.gz" --prune-below 2 --output-dir runs/small

Tokens by name, one a line:

    python run_scripts/edit_ngram_vocabulary.py runs/encoder --add-tokens new.txt --prune-tokens old.txt \
        --output-dir runs/encoder-edited
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from traceformers.datasets_scripts.distillation.text_files import iterate_texts
from traceformers.training.distillation.teacher import POOLINGS, PRECISIONS, load_teacher
from traceformers.training.vocabulary.entry_embeddings import EntryEmbeddings
from traceformers.training.vocabulary.entry_selection import SELECTIONS
from traceformers.training.vocabulary.vocabulary_edit import (
    entries_to_keep,
    extend,
    load_forms,
    prune,
    save_forms,
    words_and_ngrams_to_add,
)
from traceformers.training.vocabulary.vocabulary_import import read_tokens


def main(argv=None):
    args = parse(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        done, left_out = edit(args)
    except (ValueError, OSError) as error:
        sys.exit(f"edit_ngram_vocabulary: {error}")
    print(
        f"{done['entries_before']:,} entries, {done['pruned']:,} pruned, {done['added']:,} added: "
        f"{done['entries']:,} -> {args.output_dir}"
    )
    for name, fit in done["explained"].items():
        print(f"the map from the teacher's vectors explains {fit:.1%} of the variance of the rows of other {name}")
    print(f"the card in {args.output_dir}, if there is one, is still that of the model before the edit")
    if left_out:
        print(f"not copied, made from the old table: {', '.join(left_out)}. Make them again.")


def edit(args):
    """Returns (what was done, what was not copied)."""
    output_dir = Path(args.output_dir)
    if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
        raise ValueError(f"Expected --output-dir to be new or empty, got {output_dir}. Give another, or delete it.")
    wants_texts = args.add_words or args.add_ngrams or args.prune_below
    if bool(args.data) != bool(wants_texts):
        raise ValueError(
            "Expected text files together with --add-words, --add-ngrams or --prune-below, got "
            f"{'text files only' if args.data else 'no text file'}. Give both."
        )
    if not (wants_texts or args.add_tokens or args.prune_tokens):
        raise ValueError("Expected something to add or prune, got nothing. See --help for the ways to name it.")
    tokenizer, forms = load_forms(args.model)
    vocabulary = tokenizer.vocabulary
    done = {"entries_before": len(vocabulary), "texts": args.data, "explained": {}}

    def texts(label="reading texts"):
        return iterate_texts(args.data, args.text_column, None if args.quiet else label)

    # Pruning first: what is pruned by count may come back by name.
    keep = np.ones(len(vocabulary), bool)
    if args.prune_below:
        keep &= entries_to_keep(vocabulary, tokenizer, texts("counting ids"), args.prune_below)
    if args.prune_tokens:
        keep[ids_of(vocabulary, read_tokens(args.prune_tokens))] = False
    left = prune(forms, vocabulary, keep)
    done["pruned"] = len(vocabulary) - len(left)

    with tempfile.TemporaryDirectory() as folder:
        added = read_tokens(args.add_tokens) if args.add_tokens else []
        if added or args.add_words or args.add_ngrams:
            embeddings = EntryEmbeddings(args.cache or f"{folder}/entries", teacher_of(args, forms[0].model.config))
            if args.add_words or args.add_ngrams:
                wanted = (args.add_words, args.add_ngrams, args.min_count, args.selection, embeddings.encode, folder)
                found = words_and_ngrams_to_add(texts, left, *wanted)
                added += [token for token in found if token not in set(added)]
            label = None if args.quiet else "encoding entries"
            left, done["explained"] = extend(forms, left, added, embeddings, label)
    done |= {"added": len(added), "entries": len(left), "tokens_added": added[:1000]}
    return done, save_forms(args.model, output_dir, forms, left, tokenizer, done)


def ids_of(vocabulary, tokens):
    """Returns the ids of tokens; ValueError for one that there is not."""
    unknown = [token for token in tokens if token not in vocabulary.ids]
    if unknown:
        raise ValueError(
            f"Expected tokens of the model to prune, got {len(unknown)} others: {unknown[:5]}. "
            "Remove them from the file."
        )
    return [vocabulary.ids[token] for token in tokens]


def teacher_of(args, config):
    """Returns the teacher that the model was distilled from."""
    name = args.teacher or config.teacher_name
    if name is None:
        raise ValueError("Expected the model's configuration to name its teacher, got none. Name it with --teacher.")
    revision = args.teacher_revision or (config.teacher_revision if not args.teacher else None)
    pooling = args.teacher_pooling or config.teacher_pooling or "from-config"
    pooling = pooling if pooling in POOLINGS else "from-config"
    teacher = load_teacher(name, revision, pooling, args.device, args.teacher_precision)
    if teacher.dimension != config.hidden_size:
        raise ValueError(
            f"Expected a teacher with vectors of width {config.hidden_size}, got {teacher.dimension} of {name}. "
            "Name the teacher that the model was distilled from with --teacher."
        )
    return teacher


def parse(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", help="folder of a trained model, or of a run with model/ and training_model/")
    add("data", nargs="*", help="text files, globs or folders to add from, or to prune by")
    add("--output-dir", required=True, help="a new folder for the edited model")
    add("--add-words", type=int, default=0, help="new words at most, the most frequent first (0)")
    add("--add-ngrams", type=int, default=0, help="new n-grams at most (0)")
    add("--min-count", type=int, default=5, help="occurrences of what is added, at least (5)")
    add("--selection", choices=SELECTIONS, default="count", help="n-grams by this x count (count)")
    add("--add-tokens", help="file of tokens to add, as they are spelled in the vocabulary")
    add("--prune-below", type=int, default=0, help="prune words and n-grams that occur fewer times in the texts")
    add("--prune-tokens", help="file of tokens to prune, with the n-grams that are made of them")
    add("--teacher", help="in place of the one that the model's configuration names")
    add("--teacher-revision", help="commit or tag of the teacher's repository")
    add("--teacher-pooling", choices=POOLINGS, help="in place of the recorded one")
    add("--teacher-precision", choices=tuple(PRECISIONS), default="bfloat16", help="of its transformer (bfloat16)")
    add("--device", help="of the teacher (a GPU if there is one)")
    add("--threads", type=int, help="CPU threads of the teacher (as torch decides)")
    add("--cache", help="folder of encoded entries, such as work/entries of a built vocabulary (none)")
    add("--text-column", default="text", help="key or column of the texts (text)")
    add("--quiet", action="store_true", help="no progress bars")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
