"""Real triples: a window of a recording, its readable log, and the picture of the page at its end.

dataset = TripleDataset.from_recordings(["recorded"], processor, max_length=256)
train, sessions, sites = dataset.split(held_out_sites=["todo.test"], held_out_share=0.2)
"""

import csv
import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from traceformers.training.trimodal.screen_windows import read_screenshots, screen_windows


@dataclass(frozen=True)
class Triple:
    """One row: ids of a window, its log, and its picture or None; where and when it was."""

    session: str
    site: str
    ids: np.ndarray
    text: str
    screenshot: Path | None
    seconds: tuple[float, float]

    @property
    def is_complete(self):
        """Whether all three are there."""
        return self.screenshot is not None


class TripleDataset(torch.utils.data.Dataset):
    """Rows for `TripleCollator`; pictures are read once and kept small.

    Args:
        triples (list of `Triple`).
        picture_size ((height, width)): what the vision encoder reads; a picture is squeezed to it whole.
        left_out (`Counter`): reason -> recordings or pictures that could not be read.

    Attributes:
        vectors (`dict`): modality -> tensor (rows, H): what a frozen encoder gave for all rows, in place of its input.
    """

    def __init__(self, triples, picture_size, left_out=None):
        self.triples, self.picture_size = list(triples), tuple(picture_size)
        self.left_out = Counter(left_out or {})
        self.vectors = {}
        self._pictures = {}

    @classmethod
    def from_recordings(cls, folders, processor, max_length, extra_windows=1):
        """Returns the triples of all recordings that the `labels.csv` of some folders name.

        Args:
            folders (list of paths): what the recorder wrote with `--screenshots`.
            processor (`RRWebTrimodalProcessor`).
            max_length (`int`): longest window, in tokens.
            extra_windows (`int`): see `screen_windows`.

        Raises:
            FileNotFoundError: a folder has no labels.csv.
            ValueError: not a single window has a picture.
        """
        tokenizer, triples, left_out = processor.tokenizer, [], Counter()
        for folder in map(Path, folders):
            for row in _labels(folder):
                try:
                    session = tokenizer.tokenize_session(folder / row["file"])
                    shots = read_screenshots(folder / row["file"])
                except (ValueError, OSError) as error:
                    left_out[f"{row['file']}: {error}"] += 1
                    continue
                windows = screen_windows(session, shots, max_length, tokenizer.window_tokens, extra_windows)
                triples += [
                    Triple(
                        row["session"],
                        row["site"],
                        window.ids,
                        tokenizer.decode(window.ids.tolist()),
                        window.screenshot,
                        window.seconds,
                    )
                    for window in windows
                ]
        if not any(triple.is_complete for triple in triples):
            raise ValueError(
                f"Expected recordings with screenshots in {', '.join(map(str, folders))}, got {len(triples)} windows "
                "without any. Record with `record_sessions.mjs --screenshots`."
            )
        return cls(triples, picture_size_of(processor), left_out)

    def split(self, held_out_sites=(), held_out_share=0.2):
        """Returns three `TripleDataset`s: for training, of held-out sessions of its sites, of held-out sites.

        Args:
            held_out_sites (list of `str`): none of their sessions is trained on.
            held_out_share (`float`): share of the other sites' sessions, chosen by the hash of their names.

        Raises:
            ValueError: a site does not occur, or training would have no row.
        """
        sites = {triple.site for triple in self.triples}
        unknown = sorted(set(held_out_sites) - sites)
        if unknown:
            raise ValueError(
                f"Expected held_out_sites among {', '.join(sorted(sites))}, got {', '.join(unknown)}. Correct the "
                "names."
            )
        parts = {"train": [], "sessions": [], "sites": []}
        for triple in self.triples:
            if triple.site in held_out_sites:
                parts["sites"].append(triple)
            else:
                parts["sessions" if _hash_share(triple.session) < held_out_share else "train"].append(triple)
        if not parts["train"]:
            raise ValueError(
                f"Expected rows to train on, got none: {len(held_out_sites)} of {len(sites)} sites and a share of "
                f"{held_out_share} are held out. Hold out less."
            )
        return tuple(TripleDataset(rows, self.picture_size) for rows in parts.values())

    def complete(self):
        """Returns the rows that have all three, with their vectors."""
        keep = [number for number, triple in enumerate(self.triples) if triple.is_complete]
        part = TripleDataset([self.triples[number] for number in keep], self.picture_size)
        part.vectors = {modality: vectors[keep] for modality, vectors in self.vectors.items()}
        part._pictures = self._pictures
        return part

    def counts(self):
        """Returns how many sessions, sites, windows and pictures there are, `dict`."""
        return {
            "sessions": len({triple.session for triple in self.triples}),
            "sites": len({triple.site for triple in self.triples}),
            "windows": len(self.triples),
            "screenshots": sum(triple.is_complete for triple in self.triples),
        }

    def __len__(self):
        return len(self.triples)

    def __getitem__(self, number):
        """Returns {"session", "text", "image"}: ids, log, and uint8 (h, w, 3) or None; or vectors where there are."""
        triple = self.triples[number]
        row = {"session": triple.ids, "text": triple.text, "image": None}
        if triple.screenshot is not None and "image" not in self.vectors:
            row["image"] = self._picture(triple.screenshot)
        for modality, vectors in self.vectors.items():
            is_there = modality != "image" or triple.is_complete
            row[f"{modality}_vector"] = vectors[number] if is_there else None
        return row

    def _picture(self, file):
        if file not in self._pictures:
            height, width = self.picture_size
            with Image.open(file) as picture:
                small = picture.convert("RGB").resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)
            self._pictures[file] = np.asarray(small)
        return self._pictures[file]


def picture_size_of(processor):
    """Returns (height, width) of what the image processor of a processor gives."""
    image_processor = processor.image_processor
    size = image_processor.crop_size if image_processor.do_center_crop else image_processor.size
    return size["height"], size["width"]


def _labels(folder):
    table = folder / "labels.csv"
    if not table.is_file():
        raise FileNotFoundError(
            f"Expected labels.csv in {folder}, found none. Name a folder that record_sessions.mjs wrote."
        )
    with open(table, newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    missing = {"file", "session", "site"} - set(rows[0] if rows else {"file", "session", "site"})
    if missing:
        raise ValueError(f"Expected the column {', '.join(sorted(missing))} in {table}, found none. Record it again.")
    return rows


def _hash_share(name):
    """Returns a number in [0, 1) that depends on the name alone."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 16**12
