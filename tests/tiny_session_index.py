"""A tiny RRWebBERT in a folder and a folder of recordings made by hand, for tests of what works on an index."""

import gzip
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import torch
from tiny_rrweb import click, element, incremental, mutation, page, text_change, tokenizer_folder, typed

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM, RRWebBertModel
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer

_folder = tempfile.TemporaryDirectory(prefix="tiny-session-index-")


@cache
def session_model_folder(seed=0, head=True):
    """Returns the folder of a model that sentence-transformers loads; without a head for masked tokens if asked."""
    folder = Path(_folder.name) / f"model-{seed}-{head}"
    tok = RRWebTokenizer.from_pretrained(tokenizer_folder())
    torch.manual_seed(seed)
    config = RRWebBertConfig(
        vocab_size=len(tok),
        structural_vocab_size=tok.structural_vocab_size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=128,
    )
    (RRWebBertForMaskedLM if head else RRWebBertModel)(config).save_pretrained(folder)
    tok.save_pretrained(folder)
    return save_sentence_transformer(folder)


def visit(number):
    """Returns the events of one visit; every fourth visitor is enraged."""
    shop = page(
        element(5, "button", "Add to cart"),
        element(6, "input", type="text", name="city"),
        element(7, "p", f"Offer {number}"),
        href=f"https://{'shop' if number % 2 else 'blog'}.test/page{number % 3}",
        time=1_000_000 * number,
    )
    start, events = 1_000_000 * number + 1000, []
    for step in range(4 + number % 3):
        at = start + 3000 * step
        events += [click(5, at), mutation(at + 100, texts=[text_change(1007, f"Offer {number} {step}")])]
    events += [typed(6, "walrus"[: n + 1], start + 20_000 + 100 * n) for n in range(number % 6)]
    events.append(incremental(3, start + 25_000, id=1, x=0, y=300 + number))
    if number % 4 == 0:
        events += [click(5, start + 30_000 + 90 * n, x=50, y=50) for n in range(6)]
    return [*shop, *events, incremental(3, start + 60_000, id=1, x=0, y=0)]


def write_visit(path, number, events=None):
    """Writes one visit, as JSON or gzip by the name."""
    text = json.dumps(visit(number) if events is None else events).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def write_visits(folder, numbers):
    """Returns a folder with a recording for each number, `visit_<n>.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        write_visit(folder / f"visit_{number:02}.json", number)
    return folder


@cache
def index_folder(count=12):
    """Returns the folder of an index of `count` visits; do not change it."""
    from traceformers.apps.sessions.session_index import SessionIndex
    from traceformers.apps.sessions.session_model import SessionModel

    base = Path(_folder.name) / f"index-{count}"
    SessionIndex.create(
        base / "index", write_visits(base / "recordings", range(count)), SessionModel(session_model_folder())
    )
    return base / "index"


def copied_index(target, count=12):
    """Returns a copy of `index_folder` that a test may change."""
    return shutil.copytree(index_folder(count), target)
