"""Recommendations for one history with titles and reasons: the logic of `traceformers recommend`.

A reason is what of the history lies nearest to an item by the cosine of the model's item vectors and, where the model
fuses metadata by gates, how much each source has in the item's vector. It says what the model holds for alike, not
what caused the score. A model without item vectors, as that of popularity, gives none.
"""

from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from traceformers.modeling.recommender.configuration_recommender import FIRST_ITEM_ID

NEAREST = 2  # items of the history that are named as reason
LONGEST_TITLE = 44


@dataclass
class RecommendedItem:
    """One recommended item.

    Attributes:
        rank (`int`): 1 for the best.
        item (`str`): its id.
        title (`str` or None), year (`int` or None): as far as the vocabulary knows.
        score (`float`): the model's own; scores of different models do not compare.
        because (`list` of `dict`): the nearest items of the history: item, title, similarity (cosine).
        gates (`{source: float}`): shares of the sources in the item's vector, largest first; they sum to one.
    """

    rank: int
    item: str
    title: str | None
    year: int | None
    score: float
    because: list = field(default_factory=list)
    gates: dict = field(default_factory=dict)

    def to_json(self):
        """Returns the fields, JSON-safe."""
        return asdict(self)


def recommended_items(model, history, k=10, nearest=NEAREST, **options):
    """Returns the best items for a history, a list of `RecommendedItem`.

    Args:
        model (`RecommenderPreTrainedModel`): with its item tokenizer.
        history (`list` of `str` or `int`): item ids, oldest first.
        k (`int`): how many items; nearest (`int`): how many items of the history are named as reason.
        options: `exclude_seen`, `released_until`, `diversity`, ... of `recommend`.

    Raises:
        ValueError: the history has items, but the model knows none of them.
    """
    tokenizer = model.item_tokenizer
    known = [tokenizer.id_of(item) for item in history if item in tokenizer]
    if len(history) and not known:
        raise ValueError(
            f"Expected items that the model knows, got {', '.join(map(str, history[:5]))}. Its ids look like "
            f"{', '.join(tokenizer.items[:3])}; they are those of the data it was trained on."
        )
    found = model.recommend([list(history)], k=k, **options)
    items, scores = found.items[0], found.scores[0]
    token_ids = [tokenizer.id_of(item) for item in items]
    # What the model does not read is no reason.
    reasons = nearest_items(model, _newest(known, model.config.max_history), token_ids, nearest)
    gates = gates_of(model, token_ids)
    return [
        RecommendedItem(
            rank,
            item,
            _column(tokenizer.titles, token_id),
            _column(tokenizer.years, token_id),
            float(score),
            [
                {"item": tokenizer.item_of(other), "title": _column(tokenizer.titles, other), "similarity": similarity}
                for other, similarity in reason
            ],
            gate,
        )
        for rank, (item, token_id, score, reason, gate) in enumerate(
            zip(items, token_ids, scores, reasons, gates, strict=True), 1
        )
    ]


def nearest_items(model, history_ids, token_ids, n=NEAREST):
    """Returns for each item the n items of a history with the greatest cosine, lists of `(token id, cosine)`.

    Items with a cosine of zero or less are unlike and left out.

    Args:
        model (`RecommenderPreTrainedModel`), history_ids (`list[int]`), token_ids (`list[int]`), n (`int`).
    """
    with torch.no_grad():
        vectors = model.item_vectors()
    if vectors is None or not history_ids or not token_ids:
        return [[] for _ in token_ids]
    history_ids = list(dict.fromkeys(history_ids))
    unit = torch.nn.functional.normalize(vectors.detach()[history_ids + list(token_ids)].float(), dim=-1).cpu().numpy()
    cosines = unit[len(history_ids) :] @ unit[: len(history_ids)].T  # (items, history)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
    return [
        [(history_ids[place], float(row[place])) for place in places.tolist() if row[place] > 0]
        for row, places in zip(cosines, order, strict=True)
    ]


def gates_of(model, token_ids):
    """Returns for each item `{source: share}`, largest first; {} for a model without gates.

    Args:
        model (`RecommenderPreTrainedModel`), token_ids (`list[int]`).
    """
    if getattr(model.config, "metadata_fusion", None) != "gate" or not token_ids:
        return [{} for _ in token_ids]
    names = ["item", *model.config.metadata_features]
    rows = model.gates(torch.tensor(token_ids)).tolist()
    return [dict(sorted(zip(names, row, strict=True), key=lambda pair: -pair[1])) for row in rows]


def table_lines(rows):
    """Returns the lines of a table of `RecommendedItem`: rank, item, title, score, and because of what."""
    cells = [["", "item", "title", "score", "because of"]]
    cells += [[str(row.rank), row.item, _title(row), f"{row.score:.3f}", _reason(row)] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]) - 1)]
    align = (str.rjust, str.ljust, str.ljust, str.rjust)
    lines = []
    for *row, last in cells:
        padded = [how(cell, width) for how, cell, width in zip(align, row, widths, strict=True)]
        lines.append("  ".join([*padded, last]).rstrip())
    return lines


def _title(row):
    title = _short(row.title or "")
    return f"{title} ({row.year})" if row.year and not title.endswith(f"({row.year})") else title


def _reason(row):
    near = [f"{_short(one['title'] or one['item'])} ({one['similarity']:.2f})" for one in row.because]
    gates = [f"{name} {share:.2f}" for name, share in row.gates.items()]
    return "; ".join(filter(None, [", ".join(near), " ".join(gates)]))


def _short(text):
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


def _newest(ids, n):
    return ids[-n:] if n else ids


def _column(column, token_id):
    return None if column is None else column[token_id - FIRST_ITEM_ID]
