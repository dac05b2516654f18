"""One scoring: from the database to a feed, at any moment, by the promoted model or without one.

A feed that is written is whole and the newest; one of a dry run is only returned.
"""

import time
from dataclasses import dataclass, field

import numpy as np

from traceformers.apps.feed import cold_start
from traceformers.apps.feed.feed_candidates import read_candidates
from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.feed_ranking import TERMS, mix_terms, rank_feed
from traceformers.apps.feed.feed_reasons import channel_opinions, reasons_of
from traceformers.apps.feed.score_histogram import histogram
from traceformers.apps.feed.video_scores import VideoScores, event_rows
from traceformers.datasets_scripts.feed.feed_records import FeedRow
from traceformers.training.productive_feed.activity_window import ActivityEvents

MS_A_HOUR = 3_600_000
UNUSED_MS = 30 * 24 * MS_A_HOUR  # text vectors of an encoder that no feed was scored with for so long are deleted
MS_MOST_EVENT = 24 * MS_A_HOUR  # events that began before the window and reach into it are at most so long


@dataclass(frozen=True)
class ScoredFeed:
    """A feed, and how it came to be.

    Attributes:
        rows (list of `FeedRow`): best first. model (`str`): name of the model, or "cold start".
        context (`dict`): moment, look-back, what was left out, activity.
        feed_id (`int` or None): None for a dry run.
        seconds (`{step: float}`): how long each took.
    """

    rows: list
    model: str
    context: dict
    feed_id: int | None = None
    seconds: dict = field(default_factory=dict)


class FeedScorer:
    """Scores feeds of one home, and keeps the model that it loaded until another one is promoted.

    Args:
        progress (`bool`): shows a progress bar while texts are encoded.
    """

    def __init__(self, progress=False):
        self.progress, self._loaded = progress, None

    def model(self, feed):
        """Returns the `ScoringModel` that was promoted, or None before the first one."""
        name = feed.registry.current()
        if name is None:
            self._loaded = None
        elif self._loaded is None or self._loaded.name != name:
            from traceformers.apps.feed.scoring_model import ScoringModel

            chosen = feed.settings.model
            if chosen.threads:
                import torch

                torch.set_num_threads(chosen.threads)
            self._loaded = ScoringModel(feed.registry.path(name) / "model", name, chosen.device, self.progress)
        return self._loaded

    def score(self, feed, at=None, days=None, dry_run=False, ignore_activity=False, seed=None):
        """Returns the `ScoredFeed` of a moment; without a dry run it is written and noted as a run.

        Args:
            feed (`OpenFeed`). at (`int`, *optional*): ms, now without it.
            days (`float`, *optional*): look-back instead of that of the settings.
            dry_run (`bool`): writes no feed; text vectors are kept all the same.
            ignore_activity (`bool`): as if nothing had been recorded.
            seed (`int`, *optional*): of what is explored; the moment and the setting without it.
        """
        at = now_ms() if at is None else at
        run = None if dry_run else feed.database.start_run("score", {"at": at, "days": days})
        try:
            scored = self._scored(feed, at, days, ignore_activity, seed)
            if dry_run:
                return scored
            started = time.perf_counter()
            feed_id = feed.database.save_feed(scored.rows, run, scored.model, scored.context)
            feed.database.prune_feeds(feed.settings.scoring.feeds_kept)
            if self._loaded is not None:
                feed.database.prune_text_vectors({self._loaded.key, self._loaded.joint_key}, now_ms(), UNUSED_MS)
            seconds = scored.seconds | {"write": time.perf_counter() - started}
            counts = {"videos": len(scored.rows), "feed_id": feed_id, "model": scored.model, "seconds": seconds}
            feed.database.finish_run(run, "ok", counts=counts | {"histogram": scored.context["histogram"]})
        except BaseException as error:
            if run is not None:
                _fail(feed.database, run, error)
            raise
        return ScoredFeed(scored.rows, scored.model, scored.context, feed_id, seconds)

    def _scored(self, feed, at, days, ignore_activity, seed):
        settings, seconds, clock = feed.settings, {}, _Clock()
        days = settings.scoring.look_back_days if days is None else days
        candidates = read_candidates(feed.database, settings.scoring, at, days)
        hours = settings.model.event_window_hours
        start = at - int(hours * MS_A_HOUR) - MS_MOST_EVENT
        activity = feed.database.event_table(at, at) if ignore_activity else feed.database.event_table(start, at)
        seconds["read"] = clock.lap()
        model = self.model(feed) if len(candidates) else None  # to score nothing, no model is loaded
        name = feed.registry.current() or cold_start.NAME
        seconds["load"] = clock.lap()
        found = _cold(candidates, activity, at, hours) if model is None else None
        if found is None:
            found = model.scores(
                feed.database, candidates, activity, at, settings.scoring.rerank, _mix_order(candidates, settings)
            )
        seconds["score"] = clock.lap()
        rng = np.random.default_rng([settings.model.seed, at // 1000] if seed is None else seed)
        rows = feed_rows(candidates, found, settings.scoring, rng, _opinions(feed.database, candidates), model is None)
        seconds["rank"] = clock.lap()
        context = {
            "at": at,
            "days": days,
            "left_out": candidates.left_out,
            "explored": sum(row.explored for row in rows),
            "encoded": found.encoded,
            "reranked": found.reranked,
            "activity": activity_summary(found.events),
            "histogram": {
                "interest": histogram(found.interest[candidates.eligible]),
                "productive": histogram(found.productive[candidates.eligible]),
            },
        }
        return ScoredFeed(rows, name, context, None, seconds)


def score_feed(feed, **options):
    """Returns the `ScoredFeed` of a feed, scored once; see `FeedScorer.score`."""
    return FeedScorer().score(feed, **options)


@dataclass
class _Ranked:
    order: np.ndarray
    explored: np.ndarray
    terms: dict
    scores: np.ndarray
    propensities: np.ndarray


def feed_rows(candidates, found, settings, rng, opinions, is_cold=False):
    """Returns the `FeedRow`s of candidates, best first; those that a filter left out are behind the others.

    Args:
        candidates (`FeedCandidates`), found (`VideoScores`), settings (`ScoringSettings`).
        rng (`numpy.random.Generator`), opinions (`{channel: (liked, rated)}`), is_cold (`bool`): no model yet.
    """
    shown, others = np.flatnonzero(candidates.eligible), np.flatnonzero(~candidates.eligible)
    parts = []
    for rows, chance in ((shown, True), (others, False)):
        channels = [candidates.channels[i] for i in rows.tolist()]
        given = (found.productive[rows], found.interest[rows], candidates.ages_days[rows], channels)
        if chance:
            ranked = rank_feed(*given, settings, rng)
            order, terms, explored = ranked.order, ranked.terms, ranked.explored
            scores, chances = ranked.scores, ranked.propensities
        else:
            terms = mix_terms(*given, settings)
            terms |= {"diversity": np.zeros(len(rows)), "exploration": np.zeros(len(rows))}
            scores = sum(terms[name] for name in TERMS)
            order = np.argsort(-scores, kind="stable")
            terms, scores = {name: values[order] for name, values in terms.items()}, scores[order]
            explored, chances = np.zeros(len(rows), bool), np.ones(len(rows))
        parts.append(_Ranked(rows[order], explored, terms, scores, chances))
    ranked = _Ranked(
        np.concatenate([part.order for part in parts]).astype(np.int64),
        np.concatenate([part.explored for part in parts]),
        {name: np.concatenate([part.terms[name] for part in parts]) for name in TERMS},
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.propensities for part in parts]),
    )
    names = [event["title"] or event["app"] for event in found.events]
    reasons = reasons_of(
        candidates, ranked, found.productive, found.base_rates, opinions, found.like, found.likeness, names
    )
    if is_cold:
        reasons = [
            (*told, "no model yet: newest first, subscriptions and what goes with your work above") for told in reasons
        ]
    columns = [ranked.terms[name].tolist() for name in TERMS]
    rows = zip(
        ranked.order.tolist(),
        ranked.scores.tolist(),
        zip(*columns, strict=True),
        reasons,
        ranked.explored.tolist(),
        ranked.propensities.tolist(),
        strict=True,
    )
    interest, productive = found.interest.tolist(), found.productive.tolist()
    return [
        FeedRow(
            candidates.ids[index],
            rank,
            score,
            interest[index],
            productive[index],
            dict(zip(TERMS, terms, strict=True)),
            told,
            explored,
            propensity,
        )
        for rank, (index, score, terms, told, explored, propensity) in enumerate(rows, 1)
    ]


def activity_summary(events, most=5):
    """Returns what was done before, list of `dict`, longest first: category and minutes. Titles stay where they are."""
    minutes = {}
    for event in events:
        minutes[event["category"]] = minutes.get(event["category"], 0.0) + event["seconds"] / 60
    ordered = sorted(minutes.items(), key=lambda pair: -pair[1])[:most]
    return [{"category": category, "minutes": round(spent, 1)} for category, spent in ordered]


def _mix_order(candidates, settings):
    def order(interest, productive):
        terms = mix_terms(productive, interest, candidates.ages_days, candidates.channels, settings.scoring)
        score = sum(terms.values()) - np.where(candidates.eligible, 0, 1e3)
        return np.argsort(-score, kind="stable")

    return order


def _cold(candidates, activity, at, hours):
    """Returns the `VideoScores` of the rule without a model."""
    events = ActivityEvents.from_table(activity)
    rows = event_rows(events, events.windows(np.array([at]), hours, 128))
    work = cold_start.work_share([row["category"] for row in rows], [row["seconds"] for row in rows])
    table = candidates.table
    interest, productive = cold_start.cold_scores(
        table["category"].to_pylist(), table["title"].to_pylist(), candidates.subscribed, work
    )
    none = np.full(len(candidates), -1)
    return VideoScores(interest, productive, none, np.zeros(len(candidates)), rows, (0.5, 0.5))


def _opinions(database, candidates):
    """Returns `{channel: (liked, rated)}`; channels as those of the candidates."""
    import pyarrow.compute as pc

    rated = pc.unique(candidates.feedback["video_id"]).to_pylist()
    videos = database.videos(rated)
    channel_of = {video_id: video.channel_id or video.channel for video_id, video in videos.items()}
    return channel_opinions(candidates.feedback, channel_of)


def _fail(database, run, error):
    from contextlib import suppress

    with suppress(Exception):  # the first error is the one to be told
        database.finish_run(run, "failed", error=f"{type(error).__name__}: {error}")


class _Clock:
    def __init__(self):
        self.last = time.perf_counter()

    def lap(self):
        now, before = time.perf_counter(), self.last
        self.last = now
        return now - before
