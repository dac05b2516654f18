"""Labelled recordings for classification, checked before anything is trained, and their split by groups.

Axes: n sessions, K classes.
"""

from collections import Counter
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from traceformers.training.session_probes.labelled_sessions import class_numbers, read_labels
from traceformers.training.session_probes.site_folds import named_folds, site_folds


@dataclass
class ClassificationData:
    """Recordings, what they are labelled, and where they come from.

    Attributes:
        sessions (`LabelledSessions`).
        numbers (`int64 (n,)`): class of each. classes: their names.
        groups (`(n,)` of `str`): site, or whatever the group column says.
    """

    sessions: object
    numbers: np.ndarray
    classes: list
    groups: np.ndarray

    def __len__(self):
        return len(self.numbers)

    def counts(self):
        """Returns `{class: {"sessions", "groups"}}`."""
        return {
            name: {
                "sessions": int((self.numbers == i).sum()),
                "groups": len(set(self.groups[self.numbers == i].tolist())),
            }
            for i, name in enumerate(self.classes)
        }


def read_classification(arguments) -> ClassificationData:
    """Returns the labelled recordings that the arguments name.

    Args:
        arguments (`ClassificationDataArguments`).

    Raises:
        FileNotFoundError: the CSV, or recordings that it names, are not there.
        ValueError: a column or labels are missing, a file is named twice, a class occurs in one group only, or there is
            one class; the message says what to do.
    """
    a = arguments
    if not a.labels:
        raise ValueError(
            "Expected --labels, a CSV with a column `file` and one of labels, got none. Name it, or set labels in the "
            "config."
        )
    sessions = read_labels(a.labels, a.recordings, a.evidence_only, columns=(a.label_column, a.group_column))
    labels = np.array([str(value).strip() for value in sessions.column(a.label_column)], dtype=object)
    if a.classes:
        unknown = sorted(set(a.classes) - set(labels))
        if unknown:
            raise ValueError(
                f"Expected classes among the labels {', '.join(sorted(set(labels)))} of column {a.label_column!r}, got "
                f"{', '.join(unknown)}. Correct --classes."
            )
        kept = np.isin(labels, a.classes)
        sessions, labels = sessions.where(kept), labels[kept]
    groups = sessions.column(a.group_column).astype(str)
    single = [name for name in sorted(set(labels)) if len(set(groups[labels == name])) < 2]
    if single and a.drop_classes_of_one_group:
        kept = ~np.isin(labels, single)
        sessions, labels, groups = sessions.where(kept), labels[kept], groups[kept]
    elif single and len(set(labels)) > 1:
        raise ValueError(
            f"Expected every class in at least two values of {a.group_column!r}, found {', '.join(single)} in one "
            "only: held out, it could not be learned. Record it elsewhere too, leave it out of --classes, or set "
            "--drop_classes_of_one_group true."
        )
    if len(set(labels)) < 2:
        without = f" after leaving out {', '.join(single)}" if single else ""
        raise ValueError(
            f"Expected at least two classes in column {a.label_column!r}, found "
            f"{', '.join(sorted(set(labels))) or 'none'}{without}. Label sessions of another class."
        )
    numbers, classes = class_numbers(labels)
    return ClassificationData(sessions, numbers, classes, np.asarray(groups, dtype=str))


def refuse_copies(tokenized, files):
    """Raises ValueError if two recordings hold the same events: one may be trained on and the other tested.

    Args:
        tokenized (list of `TokenizedSession`), files (list of paths).
    """
    met = {}
    for session, file in zip(tokenized, files, strict=True):
        digest = blake2b(np.asarray(session.ids).tobytes(), digest_size=16)
        digest.update(np.asarray(session.event_times_ms).tobytes())
        other = met.setdefault(digest.digest(), file)
        if other is not file:
            raise ValueError(
                f"Expected different recordings, found the same events in {other.name} and {file.name}. Take one of "
                "the two out of the labels."
            )


def outer_folds(data, arguments, seed) -> list:
    """Returns [(name, train rows, test rows)]: folds by group, of a file, or the one split that names its test groups.

    Args:
        data (`ClassificationData`).
        arguments (`ClassificationDataArguments`).
        seed (`int`): which groups come together; a file or named groups leave nothing to draw.

    Raises:
        ValueError: a group is unknown, or more folds than groups; or a class of the test was never trained on.
    """
    a, rows = arguments, np.arange(len(data))
    if a.test_groups:
        _refuse_unknown(a.test_groups, data.groups, "test_groups")
        found = [("test", a.test_groups)]
    elif a.folds_file:
        found = named_folds(a.folds_file, data.groups)
    else:
        return [(str(i), train, test) for i, (train, test) in enumerate(site_folds(data.groups, a.folds, seed))]
    found = [(name, np.isin(data.groups, list(out))) for name, out in found]
    folds = [(name, rows[~is_out], rows[is_out]) for name, is_out in found if is_out.any()]
    for name, train, _ in folds:
        if len(set(data.numbers[train].tolist())) < 2:
            raise ValueError(
                f"Expected two classes or more to train on in fold {name}, found {len(set(data.numbers[train]))}. Hold "
                "fewer groups out."
            )
    return folds


def validation_rows(data, rows, arguments, seed):
    """Returns (rows to train on, rows that choose the checkpoint) of training rows; none of a group is in both.

    Groups are drawn until their share is reached; those that would take the last group of a class stay in training.
    """
    a, groups = arguments, data.groups[rows]
    if a.validation_groups:
        _refuse_unknown(a.validation_groups, data.groups, "validation_groups")
        chosen = [group for group in a.validation_groups if group in groups]
    else:
        chosen = []
        names = np.unique(groups)
        wanted = round(a.validation_share * len(names))
        for group in np.random.default_rng((17, seed)).permutation(names):
            left = ~np.isin(groups, [*chosen, group])
            if len(chosen) < wanted and set(data.numbers[rows][left].tolist()) == set(data.numbers[rows].tolist()):
                chosen.append(str(group))
    is_chosen = np.isin(groups, chosen)
    if is_chosen.all():
        raise ValueError(
            f"Expected groups to train on beside {', '.join(chosen)}, found none. Name fewer validation groups."
        )
    return rows[~is_chosen], rows[is_chosen]


def class_weights(numbers, n_classes):
    """Returns the weight `float64 (K,)` of each class, n / (K * its sessions); 0 for one without sessions.

    Example:
        >>> class_weights([0, 0, 0, 1], 2).round(3).tolist()
        [0.667, 2.0]
    """
    counts = np.bincount(np.asarray(numbers), minlength=n_classes)
    present = max(np.count_nonzero(counts), 1)
    return np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 0.0)


def _refuse_unknown(names, groups, option):
    unknown = sorted(set(names) - set(groups.tolist()))
    if unknown:
        counts = ", ".join(f"{name} ({n})" for name, n in sorted(Counter(groups.tolist()).items()))
        raise ValueError(f"Expected --{option} among {counts}, got {', '.join(unknown)}. Correct the names.")
