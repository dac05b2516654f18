"""Feed models of a few hundred weights on real tiny text encoders, and inputs for them."""

import tempfile
from functools import cache

import torch
from tiny_ngram import tiny_tokenizer as tiny_ngram_tokenizer
from tiny_ngram_encoder import tiny_encoder as tiny_ngram_encoder
from tiny_teacher import tiny_teacher

from traceformers import ProductiveFeedModel
from traceformers.modeling.productive_feed.feed_texts import video_text

ENCODERS = ("bert", "ngram")
CATEGORIES = ["Work", "Work > Programming", "Games"]
TITLES = ["red cat in new york", "The river and the bank", ""]
CHANNELS = ["search street", "", "a"]
DESCRIPTIONS = ["walking in the big city", "blue house, green dog " * 5, ""]
EVENT_TEXTS = ["Work | code | water", "Games | cat", "in the city", "new york | dog", "a b c"]
SIZES = {
    "event_size": 24,
    "activity_hidden_size": 16,
    "activity_heads": 2,
    "activity_queries": 2,
    "film_hidden_size": 8,
    "head_hidden_size": 8,
    "categories": CATEGORIES,
}


def tiny_encoder_folder(folder, kind="bert", pooling="mean"):
    """Returns `folder`, as `str`, with a tiny text encoder and its tokenizer saved in it: "bert" or "ngram"."""
    if kind == "bert":
        return tiny_teacher(folder, pooling=pooling)
    tiny_ngram_encoder().fold().save_pretrained(folder)
    tiny_ngram_tokenizer().save_pretrained(folder)
    return str(folder)


@cache
def _cached_encoder_folder(kind, pooling):
    room = tempfile.TemporaryDirectory(prefix="tiny-feed-encoder-")
    _cached_encoder_folder.rooms.append(room)
    return tiny_encoder_folder(f"{room.name}/encoder", kind, pooling)


_cached_encoder_folder.rooms = []


def randomized(model, seed=0):
    """Returns the model in evaluation mode, every parameter beside the encoder drawn anew: none is zero by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.startswith("encoder."):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def new_feed_model(kind="bert", encoder=None, pooling=None, seed=0, **settings):
    """Returns a model as it is before training: with first weights that depend on nothing but the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        folder = encoder or _cached_encoder_folder(kind, pooling if pooling in ("cls", "mean") else "mean")
        return ProductiveFeedModel.from_encoder(folder, pooling=pooling, **{**SIZES, **settings})


def tiny_feed_model(kind="bert", encoder=None, seed=0, **settings):
    """Returns a model, in evaluation mode, whose every part does something.

    Args:
        kind: of the text encoder, see `tiny_encoder_folder`. encoder: a folder or repository instead.
        settings: fields of the config.
    """
    return randomized(new_feed_model(kind, encoder, seed=seed, **settings), seed)


def tiny_events(model, sets=1, seed=0):
    """Returns {"event_vectors", "event_numbers", "event_categories", "event_mask"} of 5 events in each of `sets`."""
    generator = torch.Generator().manual_seed(seed)
    E = len(EVENT_TEXTS)
    vectors = model.encode_texts(EVENT_TEXTS)
    order = torch.stack([torch.randperm(E, generator=generator) for _ in range(sets)])
    seconds = torch.rand(sets, E, generator=generator) * 900
    minutes = torch.rand(sets, E, generator=generator) * 300
    return {
        "event_vectors": vectors[order],
        "event_numbers": torch.stack([seconds, minutes], -1),
        "event_categories": torch.randint(0, 1 + len(model.config.categories), (sets, E), generator=generator),
        "event_mask": torch.ones(sets, E, dtype=torch.bool),
    }


def tiny_numbers(model, rows=3, seed=0):
    """Returns raw numbers (rows, N); one duration and one age are not known."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.rand(rows, len(model.config.number_names), generator=generator)
    for column, name in enumerate(model.config.number_names):
        if name in ("duration", "age_days"):
            numbers[:, column] *= 1000
            numbers[column % rows, column] = torch.nan
    return numbers


def tiny_tokens(model):
    """Returns {"input_ids", "attention_mask"} of the three videos, padded on the right."""
    texts = [video_text(*row) for row in zip(TITLES, CHANNELS, DESCRIPTIONS, strict=True)]
    tokens = model.text_tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


def tiny_inputs(model, sets=3):
    """Returns all inputs of the model for the three videos, each with its own events or with one set for all."""
    events = tiny_events(model, sets) if model.config.use_activity else {}
    return {**tiny_tokens(model), **events, "numbers": tiny_numbers(model)}


def logits(model, **inputs):
    """Returns the logits (B, 2) of inputs."""
    with torch.no_grad():
        return model(**inputs).logits
