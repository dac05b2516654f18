"""Learns the text vocabulary of RRWebTokenizer from recordings, in bounded memory, and saves the tokenizer.

Only sessions that `prepare_rrweb_sessions.py` will put into the training split are read, so give both the same
--split-by, --validation-share and --test-share; `--split-by none` reads all.

On a laptop, from the sample recordings in seconds:

    python run_scripts/train_rrweb_tokenizer.py datasets_scripts/rrweb_sessions/samples --output-dir runs/tokenizer

From a corpus, a tenth of its sessions:

    python run_scripts/train_rrweb_tokenizer.py "s3://bucket/recordings/*.json.gz" --output-dir runs/tokenizer \
        --text-vocab-size 12000 --sample-fraction 0.1
"""

import argparse
import sys

from tqdm import tqdm

from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.datasets_scripts.rrweb_sessions.session_fingerprint import fingerprint, site
from traceformers.datasets_scripts.rrweb_sessions.session_shards import assign_splits, position
from traceformers.tokenization.rrweb.learn_rrweb_vocabulary import (
    count_words,
    learn_bpe,
    structural_vocabulary,
    vocabulary_report,
    write_vocabulary,
)
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", help="folders, files, globs or fsspec paths of recordings")
    parser.add_argument("--output-dir", required=True)
    parser.add_argument("--text-vocab-size", type=int, default=12_000, help="BPE ids at most (12000)")
    parser.add_argument("--structural-vocab-size", type=int, default=520, help="structural ids (520)")
    parser.add_argument("--min-frequency", type=int, default=2, help="least count of a merged pair (2)")
    parser.add_argument("--sample-fraction", type=float, default=1.0, help="share of the sessions, by hash of the name")
    parser.add_argument("--split-by", choices=("session", "site", "none"), default="session")
    parser.add_argument("--validation-share", type=float, default=0.05)
    parser.add_argument("--test-share", type=float, default=0.05)
    parser.add_argument("--keep-typed-text", action="store_true", help="learn from what people typed")
    parser.add_argument("--keep-personal-text", action="store_true", help="learn from addresses, numbers and tokens")
    args = parser.parse_args(argv)
    try:
        report = train(args)
    except (ValueError, OSError) as error:
        sys.exit(f"train_rrweb_tokenizer: {error}")
    print(
        f"{report['vocab_size']} ids ({report['structural_vocab_size']} structural + {report['text_vocab_size']} text) "
        f"from {report['sessions']} sessions, {report['tokens_per_word']} tokens a word -> {args.output_dir}"
    )


def train(args):
    """Learns and saves; returns the vocabulary report."""
    vocabulary = structural_vocabulary(args.structural_vocab_size)
    listing = list_session_files(args.data)
    chosen = listing
    if args.split_by != "none":
        chosen = training_files(listing, args.split_by, args.validation_share, args.test_share)
    chosen = [files for files in chosen if position(files.name) < args.sample_fraction]
    if not chosen:
        raise ValueError(f"Expected --sample-fraction to leave sessions, got none of {len(listing)}. Raise it.")
    bar = tqdm(chosen, desc="counting words", unit="session")
    unreadable = []
    counter, n_read = count_words(
        ((lambda files=files: read_session(*files.read())) for files in bar),
        vocabulary,
        args.keep_typed_text,
        args.keep_personal_text,
        on_error=lambda i, error: unreadable.append({"file": chosen[i].source, "reason": str(error)}),
    )
    if not n_read:
        raise ValueError(f"Expected recordings, but none of {len(chosen)} could be read: {unreadable[0]['reason']}")
    bpe = learn_bpe(counter.counts, args.text_vocab_size, args.min_frequency)
    report = vocabulary_report(bpe, counter, n_read, len(vocabulary)) | {"unreadable": unreadable}
    write_vocabulary(args.output_dir, bpe, len(vocabulary), report)
    tokenizer = RRWebTokenizer(
        f"{args.output_dir}/structural_vocab.json",
        f"{args.output_dir}/text_bpe.json",
        keep_typed_text=args.keep_typed_text,
        keep_personal_text=args.keep_personal_text,
    )
    tokenizer.save_pretrained(args.output_dir)
    return report


def training_files(listing, split_by, validation_share, test_share):
    """Returns the `SessionFiles` of `listing` whose sessions fall into the training split, and the unreadable ones."""
    rows, readable = [], []
    for files in tqdm(listing, desc="finding the training split", unit="session"):
        try:
            session = read_session(*files.read())
        except (ValueError, OSError):
            continue  # reported when its words are to be counted
        rows.append((fingerprint(session), site(session)))
        readable.append(files)
    splits = assign_splits(rows, split_by, validation_share, test_share)
    held_out = {files.paths for files, split in zip(readable, splits, strict=True) if split != "train"}
    return [files for files in listing if files.paths not in held_out]


if __name__ == "__main__":
    main()
