"""The readable log of a session as bags of words, and TF-IDF over them: what an encoder must beat.

Five bags: the tags of the pages; the actions alone; up to three actions in a row; the text; all of it. A sixth has the
actions with the time before each, because haste is told by time. The best of them on a task is the bar.
"""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy import sparse

QUOTED = re.compile(r'"([^"]*)"')
PLACE = re.compile(r"\bat \d+%(?:,\d+%)?|\bx\d+\b|\.\.\.|\(\d+\+ characters\)|\s+")
ADDRESS = "page "


@dataclass
class SessionTexts:
    """What a log says, in three lists of words, and one of the times.

    Attributes:
        tags: tag of each node of page content, in order.
        actions: each action without its text, place and time: `click mouse button`, `input input type=email`.
        gaps: time before each action, as the log writes it: `64 ms`.
        words: words of page text, labels and addresses, in lower case.
    """

    tags: list
    actions: list
    gaps: list
    words: list


def session_texts(log) -> SessionTexts:
    """Returns the `SessionTexts` of a log (`str`), as `RRWebTokenizer.log` writes it.

    Example:
        >>> session_texts('+  64 ms  click mouse a "Sign in" at 10%,20%')
        SessionTexts(tags=[], actions=['click mouse a'], gaps=['64 ms'], words=['sign', 'in'])
    """
    texts = SessionTexts([], [], [], [])
    for line in log.splitlines():
        texts.words += re.findall(r"\w+", " ".join(QUOTED.findall(line)).lower())
        bare = QUOTED.sub(" ", line)
        if line.startswith("+"):
            gap, _, action = bare[1:].strip().partition("  ")
            if action.startswith(ADDRESS) and not action.startswith(("page content", "page changed", "page loaded")):
                texts.words += re.findall(r"\w+", action.lower())
                action = "page"
            texts.gaps.append(gap)
            texts.actions.append(PLACE.sub(" ", action).strip())
            texts.actions[-1] = " ".join(texts.actions[-1].split())
        else:
            texts.tags += bare.split()[:1]
    return texts


def _tags(texts):
    return texts.tags


def _actions(texts):
    return texts.actions


def _timed_actions(texts):
    return [f"{gap} {action}" for gap, action in zip(texts.gaps, texts.actions, strict=True)]


def _words(texts):
    return texts.words


# name -> (word lists, longest run of words), one pair a part
BAGS = {
    "tags": ((_tags, 1),),
    "actions 1-gram": ((_actions, 1),),
    "actions 1-3-gram": ((_actions, 3),),
    "timed actions 1-3-gram": ((_actions, 3), (_timed_actions, 3)),
    "text": ((_words, 1),),
    "all": ((_tags, 1), (_actions, 3), (_words, 1)),
}


def count_bag(texts, name) -> list:
    """Returns the counts of words of a bag, one `int (n_sessions, n_words)` sparse matrix a part.

    Args:
        texts (list of `SessionTexts`).
        name (`str`): a key of `BAGS`.

    Raises:
        ValueError: there is no such bag.
    """
    if name not in BAGS:
        raise ValueError(f"Expected one of {', '.join(BAGS)}, got {name!r}. Choose one of these.")
    parts = []
    for words, longest in BAGS[name]:
        columns, indices, data, starts = {}, [], [], [0]
        for text in texts:
            counts = Counter(_runs(words(text), longest))
            indices += [columns.setdefault(word, len(columns)) for word in counts]
            data += counts.values()
            starts.append(len(indices))
        shape = (len(texts), max(len(columns), 1))
        parts.append(sparse.csr_matrix((np.array(data, dtype=np.float64), indices, starts), shape=shape))
    return parts


def _runs(words, longest):
    """Returns the words and all runs of up to `longest` of them."""
    runs = list(words)
    for length in range(2, longest + 1):
        runs += ["\n".join(words[i : i + length]) for i in range(len(words) - length + 1)]
    return runs


def tfidf(counts, train, min_sessions=2) -> sparse.csr_matrix:
    """Returns TF-IDF `float (n_sessions, n_words)` of counts, rows of length 1, words of the training rows only.

    As scikit-learn's `TfidfTransformer(sublinear_tf=True)` fitted on the rows `train` alone.

    Args:
        counts (`csr_matrix (n_sessions, n_words)`).
        train (`int` array): rows that decide which words there are and how rare each is.
        min_sessions (`int`): training rows in which a word must occur.
    """
    sessions = np.bincount(counts[train].indices, minlength=counts.shape[1])
    kept = np.flatnonzero(sessions >= min_sessions)
    weighted = counts[:, kept].copy()
    weighted.data = 1 + np.log(weighted.data)
    rarity = np.log((1 + len(train)) / (1 + sessions[kept])) + 1
    weighted = weighted.multiply(rarity[None, :]).tocsr()
    lengths = np.sqrt(np.asarray(weighted.multiply(weighted).sum(1)).ravel())
    return sparse.diags(1 / np.maximum(lengths, 1e-12)) @ weighted


__all__ = ["BAGS", "SessionTexts", "count_bag", "session_texts", "tfidf"]
