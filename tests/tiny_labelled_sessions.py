"""Recordings made by hand whose label can be read from them, on several sites, with a CSV and a tiny encoder."""

import csv
import gzip
import json

import torch
from tiny_rrweb import click, element, page, tiny_tokenizer, typed

from traceformers import RRWebBertConfig, RRWebBertForMaskedLM

SITES = ("a.test", "b.test", "c.test", "d.test")


def recording(number, label, site):
    """Returns the events of a session: one who buys clicks a button again and again, one who writes fills a field."""
    events = page(
        element(5, "button", f"Pay {number}"), element(6, "input", type="text"), href=f"https://{site}/{number}"
    )
    for n in range(3 + number % 3):
        time = 500 + 700 * n + 13 * number
        events.append(click(5, time) if label == "buys" else typed(6, "abcdef"[: n + 1], time))
    return events


def write_recordings(folder, n_each=3, labels=("buys", "writes"), sites=SITES):
    """Writes `n_each` recordings of each label on each site, and labels.csv; returns the path of that."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, number = [], 0
    for site in sites:
        for label in labels:
            for _ in range(n_each):
                name = f"s{number:03d}.json.gz"
                with gzip.open(folder / name, "wt") as file:
                    json.dump(recording(number, label, site), file)
                rows.append({"file": name, "outcome": label, "site": site, "task_evidence": "1"})
                number += 1
    return write_csv(folder / "labels.csv", rows)


def write_csv(path, rows):
    """Writes rows as CSV; returns its path."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_encoder(folder, seed=0, **changes):
    """Writes a tiny untrained RRWebBERT with its tokenizer; returns the folder."""
    tokenizer = tiny_tokenizer()
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    torch.manual_seed(seed)
    config = RRWebBertConfig(
        vocab_size=tokenizer.vocab_size, structural_vocab_size=520, max_position_embeddings=128, initializer_range=0.1,
        **(shape | changes),
    )  # fmt: skip
    RRWebBertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
