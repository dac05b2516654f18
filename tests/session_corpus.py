"""Random sessions and prepared data sets for tests of training: same schema as the real ones, no rrweb needed."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES, StructuralVocabulary, build_structural_vocabulary
from traceformers.tokenization.rrweb.rrweb_windows import TokenizedSession, WindowTokens
from traceformers.training.masked_lm.masking import Masking

VOCABULARY = StructuralVocabulary(build_structural_vocabulary())
TOKENS = WindowTokens.from_vocabulary(VOCABULARY)
N_TEXT = 256
TOKEN_CLASSES = np.append(VOCABULARY.classes, np.full(N_TEXT, CLASSES.index("text"), dtype=np.uint8))
RESERVED = [i for token, i in VOCABULARY.ids.items() if token.startswith("[reserved:")]
SCHEMA = pa.schema(
    {
        "session": pa.string(),
        "site": pa.string(),
        "fingerprint": pa.string(),
        "source_file": pa.string(),
        "ids": pa.list_(pa.uint16()),
        "event_offsets": pa.list_(pa.uint32()),
        "event_times_ms": pa.list_(pa.uint32()),
        "node_offsets": pa.list_(pa.uint32()),
        "contexts": pa.list_(pa.list_(pa.uint16())),
        "context_of_event": pa.list_(pa.uint16()),
    }
)


def masking(**options):
    """Returns the `Masking` of the test vocabulary."""
    return Masking(TOKEN_CLASSES, VOCABULARY.ids["[MASK]"], VOCABULARY.ids["[body]"], RESERVED, **options)


def random_session(rng, n_events=12, largest_event=9):
    """Returns a `TokenizedSession` with some structure to learn: a text id follows its tag, then counts up."""
    ids = VOCABULARY.ids
    sources = [ids[f"[source:{name}]"] for name in ("Mutation", "Scroll", "Input", "MouseInteraction")]
    tags = [ids[f"[tag:{name}]"] for name in ("a", "button", "input", "p", "li")]
    body, offsets = [], [0]
    for _ in range(n_events):
        tag = int(rng.integers(len(tags)))
        text = 520 + (40 * tag + np.arange(rng.integers(1, largest_event + 1))) % N_TEXT
        gap = ids["[gap:0]"] + int(rng.integers(8))
        body += [gap, sources[int(rng.integers(len(sources)))], tags[tag], *text.tolist()]
        offsets.append(len(body))
    contexts = [[ids["[page]"], 520 + i] for i in range(1 + n_events // 5)]
    return TokenizedSession(
        ids=np.array(body, dtype=np.uint16),
        event_offsets=np.array(offsets, dtype=np.uint32),
        event_times_ms=np.arange(n_events, dtype=np.uint32) * 100,
        node_offsets=np.array(offsets, dtype=np.uint32),
        contexts=[np.array(context, dtype=np.uint16) for context in contexts],
        context_of_event=(np.arange(n_events) // 5).astype(np.uint16),
    )


def random_sessions(seed, n_sessions, **options):
    """Returns `n_sessions` random sessions of different lengths."""
    rng = np.random.default_rng(seed)
    return [random_session(rng, n_events=int(rng.integers(3, 40)), **options) for _ in range(n_sessions)]


def write_store(folder, split, sessions, n_files=1, rows_per_batch=3):
    """Writes sessions as `n_files` Arrow IPC streams, `rows_per_batch` sessions a record batch."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for number, part in enumerate(np.array_split(np.arange(len(sessions)), n_files)):
        path = folder / f"{split}-{number:05d}-of-{n_files:05d}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, SCHEMA) as writer:
            for start in range(0, len(part), rows_per_batch):
                rows = [_row(split, int(i), sessions[i]) for i in part[start : start + rows_per_batch]]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=SCHEMA))


def _row(split, number, session):
    return {
        "session": f"{split}-{number}",
        "site": f"site-{number % 3}",
        "fingerprint": f"{number:08x}",
        "source_file": f"{number}.json",
        "ids": session.ids.tolist(),
        "event_offsets": session.event_offsets.tolist(),
        "event_times_ms": session.event_times_ms.tolist(),
        "node_offsets": session.node_offsets.tolist(),
        "contexts": [session.contexts[i].tolist() for i in range(len(session.contexts))],
        "context_of_event": session.context_of_event.tolist(),
    }


def write_corpus(folder, n_train=24, n_other=8, **options):
    """Writes a data set folder with train, validation and test splits and a tokenizer; returns the folder."""
    from traceformers.tokenization.rrweb.rrweb_vocabulary import write_structural_vocabulary
    from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer, empty_bpe

    folder = Path(folder)
    for seed, (split, n) in enumerate({"train": n_train, "validation": n_other, "test": n_other}.items()):
        write_store(folder, split, random_sessions(seed, n, **options), n_files=2)
    (folder / "tokenizer").mkdir()
    write_structural_vocabulary(folder / "tokenizer" / "structural_vocab.json")
    empty_bpe().save(str(folder / "tokenizer" / "text_bpe.json"))
    files = [str(folder / "tokenizer" / name) for name in ("structural_vocab.json", "text_bpe.json")]
    RRWebTokenizer(*files).save_pretrained(folder / "tokenizer")
    info = {"name": "random sessions", "token_classes": TOKEN_CLASSES.tolist()}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder
