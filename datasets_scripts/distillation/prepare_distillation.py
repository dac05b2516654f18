"""Writes text files of any size as training and held-out texts: deduplicated, shuffled, in bounded memory.

On a laptop, in seconds:

    python datasets_scripts/distillation/prepare_distillation.py README.md LOG.md --heldout 50 --output-dir runs/texts

A corpus, without the texts that models will be evaluated on:

    python datasets_scripts/distillation/prepare_distillation.py "texts/*.jsonl.gz" passages.parquet \
        --exclude beir/scifact beir/msmarco stsbenchmark --heldout 5000 --seed 0 --output-dir runs/texts

Two texts are the same if their words are, whatever their case, spacing and punctuation; the longest is kept. The order
is that of a hash of the words and the seed. So the result depends on the texts and the seed only, not on the order of
the files or their number, the held-out texts are the first of that order, and none of them is in the training texts.
"""

import argparse
import json
import os
import re
import shutil
import struct
import sys
from collections import Counter
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from traceformers.datasets_scripts.distillation.text_files import SUFFIXES, iterate_rows, list_text_files, text_suffix
from traceformers.datasets_scripts.retrieval.retrieval_folder import open_text

SCHEMA = pa.schema([("text", pa.string())])
ROWS_A_GROUP = 8192
ROWS_A_FILE = 1_000_000
DIGEST_BYTES = 16
EXCLUDED = 0xFFFFFFFF  # in place of a length: the words of an evaluation text, which is not stored
_WORD = re.compile(r"\w+")
_HEAD = struct.Struct(f"<{DIGEST_BYTES}sI")


def text_digest(text, seed):
    """Returns 16 bytes that say where a text comes in the shuffled order: equal for texts of the same words.

    >>> text_digest("New  York!", 0) == text_digest("new york", 0) != text_digest("new york", 1)
    True
    """
    words = " ".join(_WORD.findall(text.casefold())) or text
    return blake2b(words.encode(), digest_size=DIGEST_BYTES, key=str(seed).encode()).digest()


def evaluation_texts(path):
    """Yields the texts of an evaluation folder or file, each document with and without its title.

    Args:
        path (`str`): a folder of the BEIR layout, a text file, or tab-separated pairs (`.csv`, `.tsv`, compressed or
            not), of which every field is taken; a folder may hold any of them.
    """
    path = Path(path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    tables = [file for file in files if re.search(r"\.(csv|tsv)(\.gz)?$", file.name) and file.parent.name != "qrels"]
    for table in tables:
        with open_text(table) as lines:
            for line in lines:
                yield from (field for field in line.rstrip("\r\n").split("\t") if field)
    if not tables or any(text_suffix(file) in SUFFIXES for file in files):
        for title, text in iterate_rows(path):
            yield from dict.fromkeys(filter(None, (text, f"{title} {text}".strip())))


def prepare(data, output_dir, exclude=(), heldout=5000, seed=0, column="text", memory_mb=512, progress=True):
    """Writes `train-*.parquet`, `heldout-*.parquet` and `prepared.json`; returns the content of the last.

    Args:
        data (`str` or list): text files, globs or folders, see `list_text_files`.
        output_dir (`str`): must be missing or hold nothing but an unfinished preparation.
        exclude (list of `str`): evaluation folders and files, see `evaluation_texts`.
        heldout (`int`): number of held-out texts.
        seed (`int`): of the order.
        column (`str`): key or column of the text in JSON lines and Parquet.
        memory_mb (`int`): memory for texts, about; more of them take more parts on disk, not more memory.

    Raises:
        ValueError: if there are no texts, or too few to hold out so many.
        FileExistsError: if `output_dir` holds a finished preparation.
    """
    output_dir, files = Path(output_dir), list_text_files(data)
    if (output_dir / "prepared.json").exists():
        raise FileExistsError(
            f"Expected {output_dir} to be empty, but it holds prepared texts. Give another --output-dir or delete it."
        )
    # A part is held in memory as Python objects, about 3 bytes a byte; compressed texts grow about fourfold.
    size = sum(file.stat().st_size * (1 if file.suffix in (".txt", ".jsonl") else 4) for file in files)
    n_parts = min(512, int(3 * size / (memory_mb * 2**20)) + 1)
    parts = output_dir / "parts"
    shutil.rmtree(parts, ignore_errors=True)  # of a run that was killed
    for half in output_dir.glob("*.half"):
        half.unlink()
    parts.mkdir(parents=True)
    counts = Counter()
    label = "reading" if progress else None
    _write_parts(parts, n_parts, files, exclude, seed, column, counts, label)
    writer = _SplitWriter(output_dir, heldout)
    for part in tqdm(range(n_parts), desc="shuffling and writing", unit="part", disable=not progress):
        for text in _read_part(parts / f"{part:03d}", counts):
            writer.write(text)
    shutil.rmtree(parts)
    written = writer.rows
    if written["heldout"] < heldout or not written["train"]:
        raise ValueError(
            f"Expected more than {heldout} different texts, got {sum(written.values())} of {counts['read']} read. "
            "Give more texts, or a smaller --heldout."
        )
    info = {
        "format": 1,
        "texts": written,
        "read": counts["read"],
        "duplicates": counts["duplicates"],
        "excluded": counts["excluded"],
        "excluded_from": [str(path) for path in exclude],
        "sources": {str(file): counts[file] for file in files},
        "seed": seed,
        "files": writer.close(),
    }
    _write_json(output_dir / "prepared.json", info)
    return info


def _write_parts(folder, n_parts, files, exclude, seed, column, counts, label):
    """Deals texts to the files of `folder` by the leading bits of their digests, so that equal texts meet."""
    with ExitStack() as stack:
        parts = [stack.enter_context(open(folder / f"{i:03d}", "wb", buffering=1 << 16)) for i in range(n_parts)]

        def part_of(digest):
            return parts[int.from_bytes(digest[:4], "big") * n_parts >> 32]

        for path in exclude:
            for text in evaluation_texts(path):
                digest = text_digest(text, seed)
                part_of(digest).write(_HEAD.pack(digest, EXCLUDED))
                counts["evaluation"] += 1
        for file in files:
            for title, text in iterate_rows(file, column, f"{label} {file.name}" if label else None):
                text = " ".join(f"{title} {text}".split())
                if not text:
                    continue
                digest, data = text_digest(text, seed), text.encode()
                part_of(digest).write(_HEAD.pack(digest, len(data)) + data)
                counts["read"] += 1
                counts[file] += 1


def _read_part(path, counts):
    """Yields the different texts of a part in the order of their digests."""
    excluded, texts = set(), {}
    with open(path, "rb") as part:
        while head := part.read(_HEAD.size):
            digest, length = _HEAD.unpack(head)
            if length == EXCLUDED:
                excluded.add(digest)
                continue
            data = part.read(length)
            if digest in excluded:  # these were written before all texts
                counts["excluded"] += 1
                continue
            known = texts.get(digest)
            counts["duplicates"] += known is not None
            if known is None or (len(data), data) > (len(known), known):
                texts[digest] = data
    for digest in sorted(texts):
        yield texts[digest].decode()


class _SplitWriter:
    """Writes the first `heldout` texts as one split, the others as the other."""

    def __init__(self, folder, heldout):
        self.folder, self.heldout = folder, heldout
        self.rows = {"train": 0, "heldout": 0}
        self._half, self._pending, self._open = {"train": [], "heldout": []}, [], None

    def write(self, text):
        split = "heldout" if self.rows["heldout"] < self.heldout else "train"
        if split == "train" and self.rows["train"] % ROWS_A_FILE == 0:
            self._finish_file()
        self.rows[split] += 1
        if self._open is None:
            name = self.folder / f"{split}-{len(self._half[split]):05d}.parquet.half"
            self._half[split].append(name)
            self._open = pq.ParquetWriter(name, SCHEMA, compression="zstd")
        self._pending.append(text)
        if len(self._pending) == ROWS_A_GROUP:
            self._flush()

    def _flush(self):
        if self._pending:
            self._open.write_table(pa.table({"text": self._pending}, SCHEMA))
            self._pending = []

    def _finish_file(self):
        if self._open is not None:
            self._flush()
            self._open.close()
            self._open = None

    def close(self):
        """Gives the files their names, in which their number is; returns {split: names}."""
        self._finish_file()
        names = {}
        for split, halves in self._half.items():
            names[split] = [f"{split}-{i:05d}-of-{len(halves):05d}.parquet" for i in range(len(halves))]
            for half, name in zip(halves, names[split], strict=True):
                with open(half, "rb") as file:
                    os.fsync(file.fileno())
                half.replace(self.folder / name)
        return names


def _write_json(path, content):
    half = path.with_suffix(".half")
    with open(half, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", help="text files, globs or folders (.txt, .jsonl, .parquet; .gz, .xz, .zst)")
    parser.add_argument("--output-dir", required=True, help="where train-*.parquet and heldout-*.parquet go")
    parser.add_argument(
        "--exclude", nargs="+", default=[], help="evaluation folders and files whose texts to leave out"
    )
    parser.add_argument("--heldout", type=int, default=5000, help="number of held-out texts (5000)")
    parser.add_argument("--seed", type=int, default=0, help="of the order (0)")
    parser.add_argument("--text-column", default="text", help="key or column of the texts (text)")
    parser.add_argument("--memory-mb", type=int, default=512, help="memory for texts, about (512)")
    args = parser.parse_args(argv)
    try:
        info = prepare(
            args.data, args.output_dir, args.exclude, args.heldout, args.seed, args.text_column, args.memory_mb
        )
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_distillation: {error}")
    for source, count in info["sources"].items():
        print(f"{count:>12,} texts read from {source}")
    print(f"{info['duplicates']:>12,} duplicates left out")
    print(f"{info['excluded']:>12,} texts of {len(args.exclude)} evaluation sets left out")
    for split, count in info["texts"].items():
        print(f"{count:>12,} {split} texts -> {args.output_dir}")


if __name__ == "__main__":
    main()
