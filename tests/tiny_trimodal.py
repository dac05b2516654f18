"""A trimodal model of random encoders, its processor, and recordings with screenshots made by hand."""

import csv
import gzip
import json

import numpy as np
import torch
from PIL import Image
from tiny_rrweb import click, element, page, typed
from tiny_rrweb import tiny_tokenizer as tiny_rrweb_tokenizer
from tiny_teacher import tiny_tokenizer as tiny_text_tokenizer
from tiny_teacher import wordpieces
from transformers.models.clip import CLIPImageProcessorPil

from traceformers import RRWebTrimodalConfig, RRWebTrimodalModel, RRWebTrimodalProcessor

IMAGE_SIZE = 32
TEXTS = ["red house by the river", "search new york", "the cat and the dog", "blue water", "bank street"]


def tiny_config(**changes):
    """Returns a `RRWebTrimodalConfig` whose encoders have one or two narrow layers."""
    settings = {
        "text_config": {
            "model_type": "bert",
            "vocab_size": len(wordpieces()),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "max_position_embeddings": 64,
        },
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 12,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "image_size": IMAGE_SIZE,
            "patch_size": 16,
        },
        "rrweb_config": {
            "vocab_size": tiny_rrweb_tokenizer().vocab_size,
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 24,
            "max_position_embeddings": 256,
        },
        "projection_dim": 10,
    }
    return RRWebTrimodalConfig(**{**settings, **changes})


def tiny_model(seed=0, **changes):
    """Returns a random `RRWebTrimodalModel` in evaluation mode."""
    torch.manual_seed(seed)
    return RRWebTrimodalModel(tiny_config(**changes)).eval()


def tiny_processor():
    """Returns the `RRWebTrimodalProcessor` of `tiny_model`."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    image_processor = CLIPImageProcessorPil(size=size, crop_size=size, do_center_crop=False)
    return RRWebTrimodalProcessor(tiny_rrweb_tokenizer(), tiny_text_tokenizer(), image_processor)


def tiny_session(number=0, site="shop.test", seconds=20):
    """Returns the events of a session: a page whose words depend on `number`, then a click and typing every second."""
    words = [element(10 + i, "button", f"{TEXTS[(number + i) % len(TEXTS)]} {number}") for i in range(3)]
    events = page(*words, element(20, "input", type="text"), href=f"https://{site}/page-{number}")
    for second in range(1, seconds):
        events.append(click(10 + (number + second) % 3, time=1000 * second, x=100 + 37 * number % 900, y=40 * second))
        events.append(typed(20, "x" * second, time=1000 * second + 300))
    return events


def tiny_picture(number=0, size=(64, 40)):
    """Returns an RGB picture of pillow that depends on `number`."""
    pixels = np.random.default_rng(number).integers(0, 256, (5, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.NEAREST)


def tiny_batch(rows=3, **replaced):
    """Returns the inputs of `rows` complete rows; `events=`, `text=` or `images=` replace a list."""
    lists = {
        "events": [tiny_session(number, seconds=3) for number in range(rows)],
        "text": TEXTS[:rows],
        "images": [tiny_picture(number) for number in range(rows)],
    }
    return dict(tiny_processor()(**{**lists, **replaced}))


def write_recordings(folder, sessions=6, sites=("shop.test", "blog.test"), every=5.0, seconds=20):
    """Returns `folder` with recordings as record_sessions.mjs --screenshots writes them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(sessions):
        name, site = f"s1_{number:04}", sites[number % len(sites)]
        events = tiny_session(number, site, seconds)
        (folder / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(events).encode(), mtime=0))
        write_screens(folder, name, [0.5 + every * k for k in range(int(seconds / every))], number)
        rows.append({"file": f"{name}.json.gz", "session": name, "site": site})
    write_table(folder / "labels.csv", rows)
    return folder


def write_screens(folder, name, seconds, number=0):
    """Writes one picture for each of `seconds` beside the recording `name`."""
    screens = folder / f"{name}_screens"
    screens.mkdir(parents=True, exist_ok=True)
    rows = []
    for k, second in enumerate(seconds):
        tiny_picture(100 * number + k).save(screens / f"{k:03}.webp", lossless=True)
        rows.append({"file": f"{k:03}.webp", "seconds": second, "window": 0, "width": 64, "height": 40, "href": "x"})
    write_table(screens / "screenshots.csv", rows)


def write_table(path, rows):
    """Writes rows, a list of dict, as CSV."""
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]) if rows else ["file", "seconds"])
        writer.writeheader()
        writer.writerows(rows)
