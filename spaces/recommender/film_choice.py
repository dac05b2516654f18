"""What the Space shows, without its pages: films by title in, recommended films with scores and reasons out.

Needs torch, transformers and the model's repository, nothing else: the model is loaded as anyone loads it.
"""

import torch
from transformers import AutoModel

HEADERS = ["", "film", "score", "because you picked", "its vector is made of"]
MOST_CHOICES = 30  # titles that are offered at a time; a browser grows slow with thousands
NEAREST = 2


def load(name, revision=None):
    """Returns the model of a repository or folder, with its item tokenizer."""
    return AutoModel.from_pretrained(name, revision=revision, trust_remote_code=True).eval()


def shown_title(tokenizer, token_id):
    """Returns "title (year)" of a token id, or the item's id where the repository has no title."""
    place = token_id - tokenizer.id_of(tokenizer.items[0])
    title = tokenizer.titles[place] if tokenizer.titles else None
    year = tokenizer.years[place] if tokenizer.years else None
    if not title:
        return tokenizer.items[place]
    return title if not year or title.endswith(f"({year})") else f"{title} ({year})"


def matching_titles(tokenizer, text="", picked=()):
    """Returns `[(title, item id)]`: what was picked, then the first `MOST_CHOICES` titles with all words of a text.

    Args:
        text (`str`): words in any order, in any case. picked (sequence of `str`): item ids.
    """
    words = text.lower().split()
    found, first = [*picked], tokenizer.id_of(tokenizer.items[0])
    for place, item in enumerate(tokenizer.items):
        if len(found) - len(picked) == MOST_CHOICES:
            break
        title = shown_title(tokenizer, first + place).lower()
        if item not in picked and all(word in title for word in words):
            found.append(item)
    return [(shown_title(tokenizer, tokenizer.id_of(item)), item) for item in found]


def recommended_rows(model, picked, k=10, diversity=0.0, until=None):
    """Returns rows of `HEADERS` for the films that were picked, first picked first; best row first.

    Args:
        model: with `recommend` and `item_tokenizer`.
        picked (`list[str]`): item ids; none is fine, the model then says what it says of an empty history.
        k (`int`), diversity (`float`): of `recommend`. until (`int`, *optional*): last year of release.
    """
    tokenizer = model.item_tokenizer
    options = {} if not until else {"released_until": int(until)}
    found = model.recommend([list(picked)], k=int(k), diversity=float(diversity), **options)
    items, scores = found.items[0], found.scores[0]
    token_ids = [tokenizer.id_of(item) for item in items]
    reasons = nearest_picked(model, [tokenizer.id_of(item) for item in picked], token_ids)
    gates = gate_texts(model, token_ids)
    return [
        [rank, shown_title(tokenizer, token_id), round(score, 3), reason, gate]
        for rank, (token_id, score, reason, gate) in enumerate(zip(token_ids, scores, reasons, gates, strict=True), 1)
    ]


@torch.no_grad()
def nearest_picked(model, picked, token_ids):
    """Returns for each film the picked ones with the greatest positive cosine of item vectors, as text."""
    vectors = model.item_vectors()
    if vectors is None or not picked or not token_ids:
        return [""] * len(token_ids)
    mine, found = (torch.nn.functional.normalize(vectors[ids].float(), dim=-1) for ids in (picked, token_ids))
    cosines, places = (found @ mine.T).topk(min(NEAREST, len(picked)), dim=1)
    return [
        ", ".join(
            f"{shown_title(model.item_tokenizer, picked[place])} ({cosine:.2f})"
            for cosine, place in zip(*row, strict=True)
            if cosine > 0
        )
        for row in zip(cosines.tolist(), places.tolist(), strict=True)
    ]


def gate_texts(model, token_ids):
    """Returns for each film the shares of item, genre, director ... in its vector; "" for a model without gates."""
    if getattr(model.config, "metadata_fusion", None) != "gate" or not token_ids:
        return [""] * len(token_ids)
    names = ["item", *model.config.metadata_features]
    rows = model.gates(torch.tensor(token_ids)).tolist()
    return [
        ", ".join(f"{name} {share:.0%}" for name, share in sorted(zip(names, row, strict=True), key=lambda p: -p[1]))
        for row in rows
    ]
