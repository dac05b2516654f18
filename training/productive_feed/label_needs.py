"""How many labels there have to be, and what to say when there are too few."""

from traceformers.datasets_scripts.feed.feed_records import HEADS

#: Labels in all, and in the smallest of interest yes/no and productive yes/no, from which results are worth much.
RECOMMENDED, RECOMMENDED_SMALLEST = 500, 100
#: Below these of one head nothing is trained on it; without any such head training refuses.
NEEDED, NEEDED_SMALLEST = 40, 10
#: Labels of a head from which training a text encoder is tried (`--model auto`).
ENOUGH_FOR_GRADIENTS = 200


def trainable_heads(counts):
    """Returns the heads that can be trained, list of `str`.

    Args:
        counts (`dict`): {head: {"yes", "no"}} as of `label_counts`.
    """
    return [
        head for head in HEADS if sum(counts[head].values()) >= NEEDED and min(counts[head].values()) >= NEEDED_SMALLEST
    ]


def refuse_too_few(counts):
    """Raises a `ValueError` that says what is missing, if no head can be trained."""
    if not trainable_heads(counts):
        raise ValueError(
            f"Expected {NEEDED} labels of interest or of productive with {NEEDED_SMALLEST} of each answer, got "
            f"{_told(counts)}. Label {' or '.join(_missing(counts[head], head) for head in HEADS)} more."
        )


def advice(counts):
    """Returns what more labels would help, list of `str`, empty when there are as many as recommended.

    >>> advice({"interest": {"yes": 400, "no": 300}, "productive": {"yes": 30, "no": 200}})
    ['Expected 100 labels of productive yes for good results, got 30. Label 70 more.']
    """
    told = []
    total = sum(sum(count.values()) for count in counts.values())
    if total < RECOMMENDED:
        told.append(
            f"Expected {RECOMMENDED} labels in all for good results, got {total}. Label {RECOMMENDED - total} more."
        )
    for head in HEADS:
        for answer, count in counts[head].items():
            if count < RECOMMENDED_SMALLEST:
                told.append(
                    f"Expected {RECOMMENDED_SMALLEST} labels of {head} {answer} for good results, got {count}. "
                    f"Label {RECOMMENDED_SMALLEST - count} more."
                )
    return told


def _told(counts):
    return ", ".join(f"{head} {count['yes']} yes {count['no']} no" for head, count in counts.items())


def _missing(count, head):
    lacking = {answer: max(0, NEEDED_SMALLEST - count[answer]) for answer in count}
    rest = max(0, NEEDED - sum(count.values()) - sum(lacking.values()))
    parts = [f"{number} {head} {answer}" for answer, number in lacking.items() if number]
    return " and ".join([*parts, *([f"{rest} of {head}"] if rest else [])])
