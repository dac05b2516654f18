"""What the Space shows, without its page: titles and activity in, probabilities and what they are like out.

Needs torch, transformers and the model's repository, nothing else: the model is loaded as anyone loads it.
"""

import math

import torch
from transformers import AutoModel

HEADERS = ["", "video", "productive now", "interesting", "most like what you did"]
MOST_TITLES = 200
MINUTES_EACH = 10  # how long each line of activity took
EXAMPLE_TITLES = """Sorting networks, explained | A channel on algorithms
Best goals of the month | Football
How to sharpen a chisel | Woodwork
Cats in boxes, one hour"""
EXAMPLE_ACTIVITY = """Work > Programming | Code | sort.py
Work > Programming | Firefox | quicksort - Stack Overflow"""


def load(name, revision=None):
    """Returns the model of a repository or folder, with its text tokenizer."""
    return AutoModel.from_pretrained(name, revision=revision, trust_remote_code=True).eval()


def titles_of(text):
    """Returns `[(title, channel)]` of lines `title | channel`; empty lines are left out, the channel may be missing.

    Args:
        text (`str`).

    Raises:
        ValueError: there are none, or too many.
    """
    rows = [tuple(part.strip() for part in [*line.split("|"), ""][:2]) for line in text.splitlines() if line.strip()]
    if not 1 <= len(rows) <= MOST_TITLES:
        raise ValueError(f"Expected 1 to {MOST_TITLES} titles, one a line, got {len(rows)}. Paste fewer.")
    return rows


def activity_of(text):
    """Returns `[{"category", "text", "minutes_ago"}]` of lines `category | app | title`, newest first.

    Args:
        text (`str`): each line took `MINUTES_EACH`, the first was just now.
    """
    rows = [[part.strip() for part in line.split("|")] for line in text.splitlines() if line.strip()]
    return [
        {"category": row[0], "text": " | ".join(filter(None, row)), "minutes_ago": float(MINUTES_EACH * place)}
        for place, row in enumerate(rows)
    ]


@torch.no_grad()
def scored_rows(model, titles, activity="", hour=None, weekday=None):
    """Returns rows of `HEADERS`, the most productive first.

    Args:
        model: as of `load`. titles, activity (`str`): of `titles_of` and `activity_of`.
        hour (`float`, *optional*): of the day, 0 to 24. weekday (`int`, *optional*): 0 is Monday.
    """
    videos, events = titles_of(titles), activity_of(activity)
    vectors = model.encode_text([title for title, _ in videos], [channel for _, channel in videos])
    inputs = event_inputs(model, events) if events and model.config.use_activity else {}
    numbers = number_row(model.config.number_names, hour, weekday).expand(len(videos), -1)
    output = model(text_vectors=vectors, numbers=numbers, **inputs)
    interest, productive = model.probabilities(output.logits).T.tolist()
    reasons = like_events(vectors, inputs.get("event_vectors"), output.activity_weights, events)
    order = sorted(range(len(videos)), key=lambda i: -productive[i])
    return [
        [rank, videos[i][0], f"{productive[i]:.0%}", f"{interest[i]:.0%}", reasons[i]]
        for rank, i in enumerate(order, 1)
    ]


def event_inputs(model, events):
    """Returns {"event_vectors", "event_numbers", "event_categories"} of activity, one set for all videos."""
    config = model.config
    return {
        "event_vectors": model.encode_texts([event["text"] for event in events])[None],
        "event_numbers": torch.tensor([[[60.0 * MINUTES_EACH, event["minutes_ago"]] for event in events]]),
        "event_categories": torch.tensor([[config.category_index(event["category"]) for event in events]]),
    }


def number_row(names, hour=None, weekday=None):
    """Returns the numbers of a moment, (1, N): a video of today whose length is not known.

    Args:
        names (list of `str`): of the config. hour, weekday: as in `scored_rows`.
    """
    known = {"age_days": 0.0}
    if hour is not None:
        angle = 2 * math.pi * hour / 24
        known |= {"hour_sin": math.sin(angle), "hour_cos": math.cos(angle)}
    if hour is not None and weekday is not None:
        angle = 2 * math.pi * (weekday + hour / 24) / 7
        known |= {"weekday_sin": math.sin(angle), "weekday_cos": math.cos(angle)}
    return torch.tensor([[known.get(name, math.nan) for name in names]])


def like_events(vectors, event_vectors, weights, events):
    """Returns for each video the event with the greatest product of attention and cosine, as text; "" for none."""
    if event_vectors is None or weights is None:
        return [""] * len(vectors)
    unit, others = (torch.nn.functional.normalize(rows, dim=-1) for rows in (vectors, event_vectors[0]))
    likeness = (unit @ others.T).clamp(min=0) * weights[:, -len(events) :]
    best, places = likeness.max(1)
    return [events[i]["text"] if worth > 0 else "" for worth, i in zip(best.tolist(), places.tolist(), strict=True)]
