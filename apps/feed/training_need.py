"""Whether it is time to train: enough labels at all, and enough that are new."""

import pyarrow.compute as pc

SOURCE, KEY = "training", "labels"


def label_numbers(database):
    """Returns `{head: {"yes": int, "no": int}}` of the opinions that count."""
    from traceformers.datasets_scripts.feed.feed_records import HEADS

    counts = {head: {"yes": 0, "no": 0} for head in HEADS}
    for (_, head, value), count in database.label_counts().items():
        counts[head]["yes" if value >= 0.5 else "no"] += count
    return counts


def training_need(feed):
    """Returns (whether a scheduled run should train, why or why not).

    Args:
        feed (`OpenFeed`).
    """
    from traceformers.training.productive_feed.label_needs import refuse_too_few

    counts = label_numbers(feed.database)
    try:
        refuse_too_few(counts)
    except ValueError as error:
        return False, f"too few labels. {error}"
    said, tried = opinions_said(feed.database), feed.database.state(SOURCE, KEY)
    if tried is None or (feed.registry.current() is None and said != tried):
        return True, "there is no model yet"
    new, needed = said - tried, feed.settings.training.retrain_after
    if new < 0:
        return True, "opinions were deleted"
    if new >= needed:
        return True, f"{new} new labels"
    return False, f"{new} new labels, {needed} are needed"


def note_training(database):
    """Remembers what was said up to now, whether or not the training that begins succeeds."""
    database.set_state(SOURCE, KEY, opinions_said(database))


def opinions_said(database):
    """Returns how many opinions were ever said, those that were taken back or replaced included."""
    return int(pc.count(database.feedback_table()["video_id"]).as_py())
