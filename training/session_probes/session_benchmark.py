"""The tasks of rrwebbench: labels on sites never seen, the other half of a session, other recorders, what was typed.

Each function yields rows `{"task", "system", "figure", "mean", "spread", "seeds", "n", ...}`, baselines and encoder in
the same run, on the same folds. A session of a site is scored with the encoder that never saw the site, by probes
fitted on sessions of other sites.

Axes: n sessions, D numbers of a vector, K classes.
"""

from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from scipy import sparse

from traceformers.training.session_evidence.session_counters import session_counters
from traceformers.training.session_evidence.session_trace import log_tokenizer
from traceformers.training.session_probes.event_readout import EventReadout
from traceformers.training.session_probes.event_vectors import event_vectors
from traceformers.training.session_probes.hand_rules import HAND_RULES, counter_vectors, rule_scores
from traceformers.training.session_probes.labelled_sessions import class_numbers
from traceformers.training.session_probes.probe import (
    METHODS,
    BagRows,
    DenseRows,
    Spread,
    class_metric,
    held_out_scores,
)
from traceformers.training.session_probes.session_halves import (
    SMALLEST_POOL,
    other_half_ranks,
    rank_figures,
    session_halves,
)
from traceformers.training.session_probes.session_texts import BAGS, count_bag, session_texts, tfidf
from traceformers.training.session_probes.session_variants import session_variants

ENCODER, EVENTS = "encoder", "encoder, events"
FRUSTRATED, ENGAGED, BOT, REST = "frustrated", "engaged", "bot", "rest"
SAME_COSINE = 0.95
LEAST_SITES = 2  # on which a task must be seen


@dataclass
class BenchmarkSessions:
    """Labelled sessions with what baselines need, computed when asked for.

    Attributes:
        sessions (`LabelledSessions`).
        folds (list of (name, sites out)).
        encoders ({fold: `SessionVectors`}).
        tokenized: the sessions as ids, of the encoder that read them last.
    """

    sessions: object
    folds: list
    encoders: dict
    tokenized: dict = field(default_factory=dict)

    @property
    def sites(self):
        return self.sessions.sites.astype(str)

    @cached_property
    def texts(self):
        """`SessionTexts` of each session."""
        tokenizer = log_tokenizer()
        return [session_texts(tokenizer.log(path)) for path in self.sessions.files]

    @cached_property
    def counters(self):
        """Counters of each session."""
        return [session_counters(path) for path in self.sessions.files]

    @cached_property
    def vectors(self):
        """{fold: `float32 (n, D)`}: every session by the encoder of every fold."""
        return {fold: encoder.vectors(self._readable(encoder), "sessions") for fold, encoder in self.encoders.items()}

    @cached_property
    def readouts(self):
        """{fold: `float32 (n, D)`} of `EventReadout`, fitted on the sites that are not out; None without RRWebBERT."""
        if any(encoder.rrweb_bert is None for encoder in self.encoders.values()):
            return None
        return {
            fold: self.encoders[fold].remembered(f"events {fold}", partial(self._readout, fold, out))
            for fold, out in self.folds
        }

    def _readable(self, encoder):
        """Returns a function that gives the sessions as an encoder reads them, as ids where it is an RRWebBERT."""

        def sessions():
            if encoder.rrweb_bert is None:
                return self.sessions.files
            if self.tokenized.get("of") is not encoder:  # of one encoder at a time
                tokenizer = encoder.rrweb_bert[1]
                made = [tokenizer.tokenize_session(path) for path in self.sessions.files]
                self.tokenized.update(of=encoder, sessions=made)
            return self.tokenized["sessions"]

        return sessions

    def _readout(self, fold, out):
        model, tokenizer = self.encoders[fold].rrweb_bert
        model.set_attn_implementation("sdpa_varlen")
        events = list(event_vectors(model, tokenizer, self._readable(self.encoders[fold])()))
        seen = np.flatnonzero(~np.isin(self.sites, list(out)))
        # an encoder that serves all folds saw what it saw; clusters then come from all sessions
        chosen = seen if len(seen) else np.arange(len(events))
        return EventReadout(model.config.num_hidden_layers).fit([events[i] for i in chosen]).transform(events)

    def held_out(self):
        """Yields (fold, its encoder, rows of the sessions whose sites it never saw)."""
        for fold, out in self.folds:
            rows = np.flatnonzero(np.isin(self.sites, list(out)))
            if len(rows):
                yield fold, self.encoders[fold], rows


def row(task, system, figure, values, n, **more):
    """Returns one line of the benchmark; `values` of one or more seeds."""
    spread = Spread(list(values))
    return {
        "task": task, "system": system, "figure": figure, "mean": round(spread.mean, 4),
        "spread": round(spread.spread, 4), "seeds": len(spread.values), "n": int(n), **more,
    }  # fmt: skip


# --- labels -------------------------------------------------------------------------------------------------


def label_tasks(sessions) -> dict:
    """Returns {task: (rows, class names of these rows)}: what is asked of the labels `task` and `behaviour`."""
    task, behaviour, sites = sessions.column("task"), sessions.column("behaviour"), sessions.sites
    often = [name for name in np.unique(task.astype(str)) if len(set(sites[task == name])) >= LEAST_SITES]
    several = np.flatnonzero(np.isin(task.astype(str), often))
    two = np.flatnonzero(np.isin(behaviour.astype(str), [FRUSTRATED, ENGAGED]))
    everyone = np.arange(len(sessions))
    return {
        "task": (several, task[several]),
        "behaviour": (everyone, behaviour),
        "frustrated": (two, behaviour[two]),
        "bot": (everyone, np.where(behaviour == BOT, BOT, REST)),
    }


def label_rows(bench, seeds, tasks=None, n_folds=5):
    """Yields the rows of the classification tasks; macro-F1, or AUROC for two classes.

    Args:
        bench (`BenchmarkSessions`).
        seeds (sequence of `int`): each draws other sites to leave out together.
        tasks (sequence of `str`): of `label_tasks`; all when absent.
        n_folds (`int`): parts of sites that are left out in turn.
    """
    for name, (rows, labels) in label_tasks(bench.sessions).items():
        if tasks is not None and name not in tasks:
            continue
        if name in ("frustrated", "bot"):
            positive = FRUSTRATED if name == "frustrated" else BOT
            class_numbers(labels)
            numbers, figure = (labels == positive).astype(np.int64), "auroc"
        else:
            (numbers, _), figure = class_numbers(labels), "macro_f1"
        sites = bench.sites[rows]
        for rule, scores in (rule_scores(bench.counters, name) if name in HAND_RULES else {}).items():
            values = [class_metric(numbers, np.stack([-scores[rows], scores[rows]], 1))]
            yield row(name, f"rule: {rule}", figure, values, len(rows))
        for system, features, methods, folds in _systems(bench, rows):
            values = [
                class_metric(numbers, held_out_scores(features, numbers, sites, seed, n_folds, folds, methods))
                for seed in seeds
            ]
            yield row(name, system, figure, values, len(rows), probes=list(methods))


def _systems(bench, rows):
    """Yields (system, its rows, probes to choose from, encoder folds or None)."""
    texts = [bench.texts[i] for i in rows]
    for name in BAGS:
        yield f"TF-IDF {name}", BagRows(count_bag(texts, name)), ("linear",), None
    counters = [bench.counters[i] for i in rows]
    yield "plain counters", DenseRows(counter_vectors(counters)), ("linear",), None
    every = DenseRows(counter_vectors(counters, list(counters[0])))
    yield "all counters of session_evidence", every, ("linear",), None
    yield "all counters of session_evidence, any probe", every, METHODS, None
    vectors = {fold: found[rows] for fold, found in bench.vectors.items()}
    yield ENCODER, DenseRows(vectors), ("linear",), bench.folds
    if bench.readouts is not None:
        events = {fold: found[rows] for fold, found in bench.readouts.items()}
        yield EVENTS, DenseRows(events), METHODS, bench.folds


# --- the other half of a session ----------------------------------------------------------------------------


def retrieval_rows(bench):
    """Yields the rows of the task "other half": MRR and R@1 among sessions of one site, by encoder and by TF-IDF."""
    tokenizer, halves_of, logs = log_tokenizer(), {}, {}

    def halves(number):
        if number not in halves_of:
            halves_of.clear()  # one session at a time in memory: recordings are large
            halves_of[number] = session_halves(bench.sessions.files[number])
        return halves_of[number]

    kept = []
    for number in range(len(bench.sessions)):
        if halves(number) is not None:
            kept.append(number)
            logs[number] = [session_texts(tokenizer.log(half)) for half in halves(number)]
    pools = {site: sum(bench.sites[i] == site for i in kept) for site in set(bench.sites)}
    kept = np.array([i for i in kept if pools[bench.sites[i]] >= SMALLEST_POOL], dtype=int)
    sites = bench.sites[kept]
    for name in BAGS:
        words = count_bag([logs[i][side] for side in (0, 1) for i in kept], name)
        vectors = sparse.hstack([tfidf(part, np.arange(2 * len(kept))) for part in words]).tocsr()
        yield from _rank_rows(f"TF-IDF {name}", other_half_ranks(vectors[: len(kept)], vectors[len(kept) :], sites))
    ranks = []
    for fold, encoder, rows in bench.held_out():
        rows = np.intersect1d(rows, kept)
        sides = [
            encoder.vectors(lambda side=side, rows=rows: (halves(i)[side] for i in rows), f"halves {fold} {side}")
            for side in (0, 1)
        ]
        ranks.append(other_half_ranks(*sides, bench.sites[rows]))
    yield from _rank_rows(ENCODER, np.concatenate(ranks))


def _rank_rows(system, ranks):
    for figure, value in rank_figures(ranks).items():
        yield row("other half", system, figure, [value], len(ranks))


# --- other recorders ----------------------------------------------------------------------------------------


def robustness_rows(bench):
    """Yields the rows of the task "same session": how near a session stays to itself as others would record it.

    Of each variant the smallest and the mean cosine, the share at or above `SAME_COSINE`, and the share of sessions
    that are nearest to themselves among all sessions of their site.
    """
    nearest, cosines = {}, {}
    for fold, encoder, rows in bench.held_out():
        own = _unit(encoder.vectors([bench.sessions.files[i] for i in rows], f"held out {fold}"))
        for name in VARIANTS:

            def changed(rows=rows, name=name):
                for i in rows:
                    variant = session_variants(bench.sessions.files[i])[name]
                    yield list(getattr(variant, "events", variant))  # two files are joined as the reader joins them

            variants = _unit(encoder.vectors(changed, f"{name} {fold}"))
            similar = variants @ own.T
            same_site = bench.sites[rows][:, None] == bench.sites[rows][None]
            similar = np.where(same_site, similar, -2)
            itself = np.diag(similar)
            cosines.setdefault(name, []).append(itself)
            nearest.setdefault(name, []).append(itself >= similar.max(1) - 1e-6)
    for name in VARIANTS:
        same, first = np.concatenate(cosines[name]), np.concatenate(nearest[name])
        for figure, value in (
            ("mean cosine", same.mean()), ("smallest cosine", same.min()),
            (f"share with cosine >= {SAME_COSINE}", (same >= SAME_COSINE).mean()), ("nearest to itself", first.mean()),
        ):  # fmt: skip
            yield row(f"same session: {name}", ENCODER, figure, [float(value)], len(same))


VARIANTS = ("masked", "packed", "checkouts", "split")


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


__all__ = [
    "ENCODER", "EVENTS", "VARIANTS", "BenchmarkSessions", "label_rows", "label_tasks", "retrieval_rows",
    "robustness_rows", "row",
]  # fmt: skip
