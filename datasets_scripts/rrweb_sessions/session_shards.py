"""Tokenized sessions in Arrow files: the parts a preparation writes as it goes, and the splits made of them.

A part is written aside and renamed, so that a part that exists is whole and a killed preparation goes on where it
stopped. Axes: N tokens, E events of a session (see `rrweb_windows.TokenizedSession`).
"""

import json
import os
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa

SPLITS = ("train", "validation", "test")
SHARD_TOKENS = 50_000_000
ROWS_A_BATCH = 1024
SCHEMA = pa.schema(
    [
        ("session", pa.string()),
        ("site", pa.string()),
        ("fingerprint", pa.string()),
        ("source_file", pa.string()),
        ("ids", pa.list_(pa.uint16())),
        ("event_offsets", pa.list_(pa.uint32())),
        ("event_times_ms", pa.list_(pa.uint32())),
        ("node_offsets", pa.list_(pa.uint32())),
        ("contexts", pa.list_(pa.list_(pa.uint16()))),
        ("context_of_event", pa.list_(pa.uint16())),
    ]
)

SPLIT_SCHEMA = SCHEMA.append(pa.field("split", pa.string()))  # of the finished files


def session_row(name, site, fingerprint, source_file, tokenized):
    """Returns the row of one `TokenizedSession`, columns as in `SCHEMA`."""
    arrays = ("ids", "event_offsets", "event_times_ms", "node_offsets", "contexts", "context_of_event")
    head = {"session": name, "site": site, "fingerprint": fingerprint, "source_file": source_file}
    return head | {column: getattr(tokenized, column) for column in arrays}


def record_batch(rows):
    """Returns one Arrow record batch of rows."""
    columns = []
    for field in SCHEMA:
        values = [row[field.name] for row in rows]
        if field.name == "contexts":
            values = [[context.tolist() for context in value] for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.record_batch(columns, schema=SCHEMA)


def write_arrow(path, batches, schema=SCHEMA):
    """Writes record batches to an Arrow IPC stream file, aside and renamed: it exists whole or not at all."""
    path = Path(path)
    aside = path.with_name(path.name + ".writing")
    with pa.OSFile(str(aside), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    os.replace(aside, path)


def read_arrow(path):
    """Returns the memory-mapped table of an Arrow IPC stream file."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_stream(source).read_all()


def write_json(path, data):
    """Writes JSON aside and renames it."""
    path = Path(path)
    aside = path.with_name(path.name + ".writing")
    aside.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(aside, path)


def position(key):
    """Returns a number in [0, 1) that depends on `key` alone: where a session or site falls in the splits.

    >>> round(position("a"), 3)
    0.181
    """
    return int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64


def assign_splits(rows, split_by="session", validation_share=0.05, test_share=0.05):
    """Returns the split name of each row of `[(fingerprint, site)]`.

    A key's place never depends on the other keys, so that more data moves nothing between splits; except that
    a split that would stay empty takes the key nearest to it. One or two keys are all for training.

    Args:
        rows: fingerprint and site of each session.
        split_by (`str`): `session`, or `site` to hold whole sites out.

    Raises:
        ValueError: if the shares leave nothing to train on.
    """
    if not (validation_share >= 0 and test_share >= 0 and validation_share + test_share < 1):
        raise ValueError(
            "Expected validation_share and test_share of 0 and more, less than 1 together, got "
            f"{validation_share} and {test_share}. Leave something to train on."
        )
    keys = [site if split_by == "site" else fingerprint for fingerprint, site in rows]
    places = sorted({(position(key), key) for key in keys})
    n_test = sum(place < test_share for place, _ in places)
    n_held_out = sum(place < test_share + validation_share for place, _ in places)
    if len(places) < len(SPLITS):
        n_test = n_held_out = 0
    else:  # the borders move so far that no split which was asked for stays empty
        n_test = max(n_test, int(test_share > 0))
        n_held_out = min(max(n_held_out, n_test + (validation_share > 0)), len(places) - 1)
        n_test = min(n_test, n_held_out - (validation_share > 0))
    names = ["test"] * n_test + ["validation"] * (n_held_out - n_test) + ["train"] * (len(places) - n_held_out)
    split_of_key = {key: split for (_, key), split in zip(places, names, strict=True)}
    return [split_of_key[key] for key in keys]


def write_splits(part_paths, folder, split_by="session", validation_share=0.05, test_share=0.05):
    """Merges parts, in order, into `<split>-00000-of-0000n.arrow` files. Returns `(counts, duplicates)`.

    The second session with a fingerprint is left out, so that no session is in two splits.

    Args:
        part_paths (list of paths).
        folder (path): where the split files go.

    Returns:
        `counts`: `{split: {"sessions", "events", "tokens", "sites", "files"}}`; `duplicates`: `[(file, kept file)]`.
    """
    folder = Path(folder)
    tables = [read_arrow(path) for path in part_paths]
    chosen, kept, duplicates = [], {}, []
    for t, table in enumerate(tables):
        columns = zip(*(table[c].to_pylist() for c in ("fingerprint", "site", "source_file")), strict=True)
        for r, (fingerprint, site, source_file) in enumerate(columns):
            if fingerprint in kept:
                duplicates.append((source_file, kept[fingerprint]))
            else:
                kept[fingerprint] = source_file
                chosen.append((t, r, fingerprint, site))
    splits = assign_splits([row[2:] for row in chosen], split_by, validation_share, test_share)
    counts = {}
    for split in SPLITS:
        rows = [row for row, s in zip(chosen, splits, strict=True) if s == split]
        counts[split] = _write_split(tables, rows, folder, split)
    return counts, duplicates


def _write_split(tables, rows, folder, split):
    shards, tokens, events = [[]], 0, 0
    shard_tokens = 0
    for t, r, _, _ in rows:
        n = len(tables[t]["ids"][r])
        if shard_tokens and shard_tokens + n > SHARD_TOKENS:
            shards.append([])
            shard_tokens = 0
        shards[-1].append((t, r))
        shard_tokens += n
        tokens += n
        events += len(tables[t]["event_times_ms"][r])
    files = []
    for i, shard in enumerate(shards):
        name = f"{split}-{i:05d}-of-{len(shards):05d}.arrow"
        write_arrow(folder / name, _batches(tables, shard, split), SPLIT_SCHEMA)
        files.append(name)
    sites = sorted({site for _, _, _, site in rows})
    return {"sessions": len(rows), "events": events, "tokens": tokens, "sites": sites, "files": files}


def _batches(tables, rows, split):
    """Yields record batches of up to ROWS_A_BATCH of the chosen `(table, row)`, in order, with their split."""
    for start in range(0, len(rows), ROWS_A_BATCH):
        slices = [tables[t].slice(r, 1) for t, r in rows[start : start + ROWS_A_BATCH]]
        table = pa.concat_tables(slices).combine_chunks()
        yield from table.append_column("split", pa.array([split] * table.num_rows)).to_batches()
