"""Tokenizes recordings once, in parallel, into Arrow files that training reads by memory map.

On a laptop, the sample recordings in seconds:

    python datasets_scripts/rrweb_sessions/prepare_rrweb_sessions.py datasets_scripts/rrweb_sessions/samples \
        --tokenizer runs/quickstart/tokenizer --output-dir runs/quickstart/sessions

A corpus, whole sites held out, from any fsspec path, 16 processes; the same command again goes on after a crash:

    python datasets_scripts/rrweb_sessions/prepare_rrweb_sessions.py "s3://bucket/recordings/*.json.gz" \
        --tokenizer runs/tokenizer --output-dir runs/sessions --split-by site --num-proc 16
"""

import argparse
import json
import multiprocessing
import os
import shutil
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import blake2b
from pathlib import Path

from tqdm import tqdm

from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files, printable
from traceformers.datasets_scripts.rrweb_sessions.session_fingerprint import fingerprint, site
from traceformers.datasets_scripts.rrweb_sessions.session_shards import (
    record_batch,
    session_row,
    write_arrow,
    write_json,
    write_splits,
)
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

SESSIONS_A_PART = 32


def tokenize_files(files, tokenizer):
    """Returns `(row, notes)` of one session's files, columns as in `session_shards.SCHEMA`.

    Args:
        files (`SessionFiles`).
        tokenizer (`RRWebTokenizer`).

    Raises:
        SessionFormatError, OSError: if it cannot be read.
    """
    session = read_session(*files.read())
    tokenized = tokenizer.tokenize_session(session)
    row = session_row(files.name, site(session), fingerprint(session), files.source, tokenized)
    return row, tokenized.notes


def prepare_part(part, folder, tokenizer_folder, strict=False):
    """Tokenizes one part of the listing; returns its name. A part that is there already is left alone.

    Writes `<part>.arrow` and then `<part>.json` with what was rejected and noted.
    """
    index, listing = part
    path = Path(folder) / f"part-{index:05d}"
    if path.with_suffix(".json").exists():
        return path
    tokenizer = _tokenizer(tokenizer_folder)
    rows, rejected, notes = [], [], Counter()
    for files in listing:
        try:
            row, session_notes = tokenize_files(files, tokenizer)
        except (ValueError, OSError) as error:
            if strict:
                raise ValueError(f"{files.source}: {error}") from error
            reason, offset = printable(str(error)), getattr(error, "offset", None)
            rejected.append({"file": files.source, "reason": reason, "offset": offset})
            continue
        rows.append(row)
        notes.update(session_notes)
    write_arrow(path.with_suffix(".arrow"), [record_batch(rows)])
    write_json(path.with_suffix(".json"), {"rejected": rejected, "notes": dict(notes), "sessions": len(rows)})
    return path


_LOADED = {}  # a worker loads its tokenizer once


def _tokenizer(folder):
    digest = blake2b(_tokenizer_bytes(folder)).digest()
    if digest not in _LOADED:
        _LOADED.clear()
        _LOADED[digest] = RRWebTokenizer.from_pretrained(folder)
    return _LOADED[digest]


def _tokenizer_bytes(folder):
    """Returns the content of the files that a saved tokenizer is made of."""
    return b"".join(
        (Path(folder) / name).read_bytes()
        for name in ("structural_vocab.json", "text_bpe.json", "tokenizer_config.json")
    )


def plan_of(listing, tokenizer_folder, options):
    """Returns a digest of everything the result depends on: a folder is continued only under the same plan."""
    digest = blake2b(digest_size=16)
    for files in listing:
        digest.update(repr((files.name, files.paths, files.size)).encode())
    digest.update(_tokenizer_bytes(tokenizer_folder))
    digest.update(json.dumps(options, sort_keys=True).encode())
    return digest.hexdigest()


def prepare(
    data,
    tokenizer_folder,
    output_dir,
    split_by="session",
    validation_share=0.05,
    test_share=0.05,
    num_proc=None,
    strict=False,
    progress=True,
):
    """Tokenizes all sessions of `data` into `output_dir`. Returns the content of its `dataset_info.json`.

    Args:
        data (`str` or list): folder, file, glob or fsspec path, or several.
        tokenizer_folder (`str`): a saved `RRWebTokenizer`; a copy goes to `output_dir/tokenizer`.
        output_dir (`str`): made if missing; continued if it holds an unfinished preparation of the same plan.
        split_by (`str`): `session` or `site`.
        validation_share, test_share (`float`): shares of the splits, by hash.
        num_proc (`int`, optional): processes; all cores by default, one for a few sessions.
        strict (`bool`): stop at the first file that cannot be read.

    Raises:
        ValueError: if nothing is found or readable, or the folder holds another preparation.
    """
    output_dir, tokenizer_folder = Path(output_dir), str(tokenizer_folder)
    if not (Path(tokenizer_folder) / "tokenizer_config.json").is_file():
        raise ValueError(
            f"Expected a saved RRWebTokenizer in {tokenizer_folder}, found none. Learn one with "
            "run_scripts/train_rrweb_tokenizer.py, and give its --output-dir."
        )
    listing = list_session_files(data)
    options = {"split_by": split_by, "validation_share": validation_share, "test_share": test_share}
    plan = plan_of(listing, tokenizer_folder, options)
    info_path, plan_path, parts_folder = (output_dir / n for n in ("dataset_info.json", "plan.json", "parts"))
    if plan_path.exists() and json.loads(plan_path.read_text())["plan"] != plan:
        raise ValueError(
            f"Expected {output_dir} to be empty or of the same recordings, tokenizer and options, but it holds "
            "another preparation. Give another --output-dir, or delete that folder."
        )
    if info_path.exists():
        shutil.rmtree(parts_folder, ignore_errors=True)  # killed between the two
        return json.loads(info_path.read_text())
    parts_folder.mkdir(parents=True, exist_ok=True)
    write_json(plan_path, {"plan": plan, "files": len(listing), **options})
    starts = range(0, len(listing), SESSIONS_A_PART)
    parts = [(i, listing[start : start + SESSIONS_A_PART]) for i, start in enumerate(starts)]
    work = partial(prepare_part, folder=str(parts_folder), tokenizer_folder=tokenizer_folder, strict=strict)
    bar = tqdm(total=len(listing), desc="tokenizing", unit="session", disable=not progress)
    paths = []
    for part, path in zip(parts, _run(work, parts, num_proc), strict=True):
        bar.update(len(part[1]))
        paths.append(path)
    bar.close()
    reports = [json.loads(path.with_suffix(".json").read_text()) for path in paths]
    rejected = [row for report in reports for row in report["rejected"]]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rejected)
    (output_dir / "rejected.jsonl").write_text(lines, encoding="utf-8")
    if len(rejected) == len(listing):
        raise ValueError(f"Expected recordings, but none of {len(listing)} could be read: {rejected[0]['reason']}")
    counts, duplicates = write_splits([path.with_suffix(".arrow") for path in paths], output_dir, **options)
    notes = Counter()
    for report in reports:
        notes.update(report["notes"])
    tokenizer = _tokenizer(tokenizer_folder)
    tokenizer.save_pretrained(output_dir / "tokenizer")
    info = {
        "format": 1,
        "splits": counts,
        **options,
        "files": len(listing),
        "rejected": len(rejected),
        "duplicates": [{"file": file, "kept": kept} for file, kept in duplicates],
        "notes": dict(sorted(notes.items())),
        "vocab_size": len(tokenizer),
        "structural_vocab_size": tokenizer.structural_vocab_size,
        "keep_typed_text": tokenizer.keep_typed_text,
        "keep_personal_text": tokenizer.keep_personal_text,
        "plan": plan,
    }
    write_json(info_path, info)
    shutil.rmtree(parts_folder)
    return info


def _run(work, parts, num_proc):
    """Yields the results of `work` in the order of `parts`."""
    num_proc = min(num_proc or os.cpu_count() or 1, len(parts))
    if num_proc <= 1:
        yield from map(work, parts)
        return
    # spawn: a forked tokenizer shares locks with a parent that may have threads
    with ProcessPoolExecutor(num_proc, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(work, parts)


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+", help="folders, files, globs or fsspec paths of recordings")
    parser.add_argument("--tokenizer", required=True, help="folder of a saved RRWebTokenizer")
    parser.add_argument("--output-dir", required=True, help="where the data set goes")
    parser.add_argument("--split-by", choices=("session", "site"), default="session")
    parser.add_argument("--validation-share", type=float, default=0.05)
    parser.add_argument("--test-share", type=float, default=0.05)
    parser.add_argument("--num-proc", type=int, help="processes (all cores)")
    parser.add_argument("--strict", action="store_true", help="stop at the first file that cannot be read")
    args = parser.parse_args(argv)
    try:
        info = prepare(
            args.data, args.tokenizer, args.output_dir, args.split_by, args.validation_share, args.test_share,
            args.num_proc, args.strict,
        )  # fmt: skip
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_rrweb_sessions: {error}")
    for split, counts in info["splits"].items():
        print(f"{split:10} {counts['sessions']:7} sessions {counts['events']:9} events {counts['tokens']:11} tokens")
    print(f"rejected {info['rejected']} of {info['files']} files, {len(info['duplicates'])} duplicates")


if __name__ == "__main__":
    main()
