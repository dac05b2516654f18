"""What needs no encoder: the commonest action, the action that follows the last one most often, boosted counters.

All give probabilities of kinds and targets for the same examples as a model. The trees know the last three actions, how
often each kind was done, pages, pauses, and where the pointer was heading: all there is but text and page content.

Axes: n examples, K kinds or targets, F features.
"""

from collections import Counter

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from traceformers.training.next_action.action_sequence import PAGES, PATHS

#: Weight of the distribution of all actions beside the counts after one previous action.
BACKOFF = 2.0
LAST_ACTIONS = 3
#: Trees of a class; validation chooses among the stages up to them.
ROUNDS = 80


class Majority:
    """How often each class occurs in training, whatever came before."""

    def fit(self, labels, previous, n_classes):
        """Counts labels `int (n,)`; returns itself."""
        self.shares = _shares(labels, n_classes)
        return self

    def scores(self, previous):
        """Returns probabilities `(len(previous), K)`."""
        return np.tile(self.shares, (len(previous), 1))


class Bigram:
    """How often each class follows the previous action; the more often that was seen, the less the rest counts."""

    def fit(self, labels, previous, n_classes):
        """Counts labels `int (n,)` by their previous actions (list of n hashables); returns itself."""
        self.shares, self.counts = _shares(labels, n_classes), {}
        for label, before in zip(np.asarray(labels).tolist(), previous, strict=True):
            if label >= 0:
                self.counts.setdefault(before, np.zeros(n_classes))[label] += 1
        return self

    def scores(self, previous):
        """Returns probabilities `(len(previous), K)`."""
        none = np.zeros(len(self.shares))
        counts = np.stack([self.counts.get(before, none) for before in previous])
        return (counts + BACKOFF * self.shares) / (counts.sum(1, keepdims=True) + BACKOFF)


def _shares(labels, n_classes):
    labels = np.asarray(labels)
    counts = np.bincount(labels[labels >= 0], minlength=n_classes) + 1e-6
    return counts / counts.sum()


def previous_actions(examples, targets):
    """Returns the (kind, target) of the action before each example, a list; targets not in `targets` are `other`."""
    known, found = set(targets), []
    for i in range(len(examples)):
        place = int(examples.place[i])
        before = examples.of_session[examples.session[i]][place - 1] if place else None
        found.append((before.kind, before.target if before.target in known else "other") if before else None)
    return found


class CounterFeatures:
    """Numbers of what came before each example.

    Args:
        names (`ActionNames`): of the training part; what is not there is one more category.
    """

    def __init__(self, names):
        self.kinds = {name: i for i, name in enumerate(names.kinds)}
        self.targets = {name: i for i, name in enumerate(names.targets)}
        self.event_kinds = {}

    def fit(self, examples):
        """Learns the names of kinds of events; returns itself."""
        counts = Counter(event.kind for events in examples.events for event in events)
        self.event_kinds = {name: i for i, (name, _) in enumerate(counts.most_common(60))}
        return self

    def __call__(self, examples):
        """Returns (features `float64 (n, F)`, which of the F are categories `bool (F,)`)."""
        rows = [self._row(examples, i) for i in range(len(examples))]
        n_categories = 2 * LAST_ACTIONS + 3
        values = np.array(rows, dtype=np.float64).reshape(len(rows), -1)
        return values, np.arange(values.shape[1]) < n_categories

    def _row(self, examples, i):
        session, place = int(examples.session[i]), int(examples.place[i])
        actions, action = examples.of_session[session][:place], examples.action(i)
        before = examples.events[session][: action.event]  # nothing of the action itself, nor of what is later
        times = examples.sessions[session].event_times_ms
        now_ms = int(times[action.event - 1]) if before else 0
        since = actions[-1].event if actions else 0
        recent = [*actions[::-1][:LAST_ACTIONS], *[None] * LAST_ACTIONS][:LAST_ACTIONS]
        row = []
        for each in recent:
            row += [_code(self.kinds, each and each.kind), _code(self.targets, each and each.target)]
        paths = [event.target for event in before[since:] if event.kind in PATHS]
        focused = [event.target for event in before[since:] if event.kind == "do:Focus"]
        row += [_code(self.targets, found[-1] if found else None) for found in (paths, focused)]
        row += [_code(self.event_kinds, before[-1].kind if before else None)]
        done, happened = Counter(each.kind for each in actions), Counter(event.kind for event in before)
        run = next((n for n, each in enumerate(actions[::-1]) if each.kind != actions[-1].kind), len(actions))
        row += [np.log1p(now_ms), np.log1p(max(now_ms - actions[-1].time_ms, 0)) if actions else -1]
        row += [len(actions), len(before), run, len(before) - since, len(paths)]
        row += [
            happened[name] for name in (*PAGES, "do:TouchStart", "source:Mutation", "source:Input", "source:Scroll")
        ]
        row += [done[kind] for kind in self.kinds]
        row += [len(actions) / max(now_ms / 1000, 1), len({each.target for each in actions})]
        return row


def _code(table, name):
    """Returns the number of a name in a table, the next one for a name not in it, and the one after for None."""
    return len(table) + 1 if name is None else table.get(name, len(table))


class BoostedCounters:
    """Gradient-boosted trees on `CounterFeatures`; the stage with the lowest loss on validation answers.

    Args:
        seed (`int`), rounds (`int`): trees of a class.
    """

    def __init__(self, seed=0, rounds=ROUNDS):
        self.seed, self.rounds = seed, rounds

    def fit(self, features, is_category, labels, n_classes, validation=None):
        """Fits on features `(n, F)` and labels `int (n,)`; returns itself.

        Args:
            validation ((features, labels), *optional*): chooses the number of trees; all are used without it.
        """
        labels, self.n_classes = np.asarray(labels), n_classes
        known = labels >= 0
        self.model, self.stage = None, None
        self.shares = _shares(labels, n_classes)
        if len(np.unique(labels[known])) < 2:
            return self
        self.model = HistGradientBoostingClassifier(
            max_iter=self.rounds, learning_rate=0.08, max_leaf_nodes=15, min_samples_leaf=10, l2_regularization=1.0,
            categorical_features=is_category, early_stopping=False, random_state=self.seed,
        )  # fmt: skip
        self.model.fit(features[known], labels[known])
        if validation is not None and (validation[1] >= 0).any():
            rows = validation[1] >= 0
            losses = [
                -np.log(self._wide(stage)[np.arange(rows.sum()), validation[1][rows]].clip(1e-6)).mean()
                for stage in self.model.staged_predict_proba(validation[0][rows])
            ]
            self.stage = int(np.argmin(losses))
        return self

    def scores(self, features):
        """Returns probabilities `(n, K)` of features `(n, F)`."""
        if self.model is None:
            return np.tile(self.shares, (len(features), 1))
        if self.stage is None:
            return self._wide(self.model.predict_proba(features))
        stages = self.model.staged_predict_proba(features)
        return self._wide(next(found for stage, found in enumerate(stages) if stage == self.stage))

    def _wide(self, found):
        wide = np.zeros((len(found), self.n_classes))
        wide[:, self.model.classes_] = found
        return wide


def baseline_scores(train, validation, test, names, seed=0, which=("majority", "bigram", "boosted counters")):
    """Returns `{name: (kind probabilities (n, K), target probabilities (n, C))}` of the test examples.

    Args:
        train, validation, test (`ActionExamples`): the second, or None, chooses the number of trees.
        names (`ActionNames`).
        seed (`int`): of the trees.
        which: names of the baselines wanted.
    """
    labels = names.numbers(train.actions)
    sizes = len(names.kinds), len(names.targets)
    before = [previous_actions(each, names.targets) for each in (train, test)]
    found = {}
    for name, make in (("majority", Majority), ("bigram", Bigram)):
        if name in which:
            found[name] = tuple(
                make().fit(labels[:, part], before[0], sizes[part]).scores(before[1]) for part in range(2)
            )
    if "boosted counters" in which:
        features = CounterFeatures(names).fit(train)
        seen, is_category = features(train)
        unseen = features(test)[0]
        chosen_by = None if validation is None or not len(validation) else features(validation)[0]
        found["boosted counters"] = tuple(
            BoostedCounters(seed)
            .fit(
                seen,
                is_category,
                labels[:, part],
                sizes[part],
                None if chosen_by is None else (chosen_by, names.numbers(validation.actions)[:, part]),
            )
            .scores(unseen)
            for part in range(2)
        )
    return found
