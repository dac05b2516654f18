"""Health: what ran, what was spent, how labels and scores are spread."""

from nicegui import ui

from traceformers.apps.feed.site.display_text import shown_age, shown_text, shown_time
from traceformers.apps.feed.site.feed_card import SCALES
from traceformers.apps.feed.site.label_balance import show_balance
from traceformers.apps.feed.site.page_elements import button, tag
from traceformers.apps.feed.site.page_frame import page_frame
from traceformers.datasets_scripts.feed.feed_records import HEADS

STATUS_CLASS = {"ok": "ok", "running": "", "partial": "bad", "failed": "bad", "killed": "bad"}


async def build_health(site):
    """Makes the page.

    Args:
        site (`Site`)
    """
    health = await site.look_at_health()
    with page_frame(site, "health", "Health"):
        with tag("div", "row"):
            tag("h1", "", "Health")
            tag("span", "spring")
            button("Look again", lambda: ui.navigate.reload(), name="again")
        if health.notes:
            with tag("section", "panel", aria_label="To do"):
                tag("h2", "", "To look at")
                with tag("ul"):
                    for note in health.notes:
                        tag("li", "", note)
        with tag("div", "tiles"):
            _tile("Newest feed", shown_age(health.feed_made_at, site.now()) or "none")
            _tile("Model", shown_text(health.model, 80) or "none")
            _tile("Next run", shown_time(health.next_run_at, site.zone) if health.next_run_at else "none is scheduled")
            for head in HEADS:
                _tile(f"Labels: {SCALES[head]}", str(health.balance.of(head)))
            for source, (spent, limit) in health.quota.items():
                _tile(f"Quota today: {source}", f"{spent}" + (f" of {limit}" if limit else ""))
        with tag("section", "panel", aria_label="Last runs"):
            tag("h2", "", "Last runs")
            _show_runs(site, health.runs)
        with tag("div", "tiles"):
            with tag("section", "panel", aria_label="Labels"):
                tag("h2", "", "Labels by source")
                show_balance(health.balance)
                for head in HEADS:
                    if health.balance.short(head):
                        tag("p", "facts", f"{SCALES[head]}, short: {health.balance.short(head)}.")
            for one in health.drift:
                with tag("section", "panel", aria_label=f"Scores: {SCALES[one.head]}"):
                    tag("h2", "", f"Scores: {SCALES[one.head]}")
                    _show_drift(one)


def _tile(name, value):
    with tag("div", "tile"):
        tag("span", "", name)
        tag("b", "", value)


def _show_runs(site, runs):
    if not runs:
        tag("p", "facts", "Nothing ran yet: traceformers feed run-once, or traceformers feed schedule.")
        return
    with tag("div", "scroll", tabindex="0", aria_label="Last runs"), tag("table", "plain"):
        with tag("thead"), tag("tr"):
            for name in ("What", "Started", "Took", "Ended", "Counts"):
                tag("th", "", name, scope="col")
        with tag("tbody"):
            for run in runs:
                with tag("tr", data_run=run.status):
                    tag("td", "", run.kind)
                    tag("td", "", shown_time(run.started_at, site.zone))
                    tag("td", "", _took(run))
                    with tag("td"):
                        tag("span", f"status {STATUS_CLASS.get(run.status, '')}", run.status)
                        if run.error:
                            tag("p", "", shown_text(run.error))
                    tag("td", "", _counts(run.counts))


def _took(run):
    return "" if run.finished_at is None else f"{max(run.finished_at - run.started_at, 0) / 1000:.1f} s"


def _counts(counts):
    if isinstance(counts, dict):
        return shown_text(", ".join(f"{name} {value}" for name, value in counts.items()))
    return "" if counts is None else shown_text(str(counts))


def _show_drift(drift):
    """Shows how the probabilities of the newest feed are spread, beside the share of yes among the labels."""
    highest = max(drift.bins) or 1
    with tag("dl", "meters", data_drift=drift.head):
        for place, count in enumerate(drift.bins):
            step = 100 // len(drift.bins)
            tag("dt", "", f"{place * step}–{(place + 1) * step}")
            with tag("dd"):
                with tag("span", f"bar {drift.head}"):
                    tag("span").style(f"width: {100 * count / highest:.1f}%")
                tag("b", "", str(count))
    said = "" if drift.said is None else f"; yes among your labels: {100 * drift.said:.0f}"
    tag("p", "facts", f"Mean {100 * drift.mean:.0f} of 100{said}.")
