"""A scored feed in a terminal, and moments as people type them."""

import json
from dataclasses import asdict
from datetime import UTC, datetime


def moment_of(text, zone):
    """Returns the ms of a moment as it was typed: ISO, on the clock of a zone unless it names another.

    Args:
        text (`str`): 2026-11-20T18:00, 2026-11-20 18:00, 2026-11-20T17:00Z. zone (`ZoneInfo`).

    Raises:
        ValueError: it is no moment, or one before 1970.

    >>> from zoneinfo import ZoneInfo
    >>> moment_of("1970-01-01T01:00", ZoneInfo("Europe/Berlin"))
    0
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"Expected a moment such as 2026-11-20T18:00, got {text!r}. Write year-month-dayThour:minute."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        milliseconds = int(moment.astimezone(UTC).timestamp() * 1000)
    except OverflowError:  # at the ends of the calendar
        milliseconds = -1
    if milliseconds < 0:
        raise ValueError(f"Expected a moment between 1970 and 9999, got {text!r}. Name another.")
    return milliseconds


def scored_lines(database, scored, top=10, as_json=False):
    """Yields a `ScoredFeed` as lines: how it came to be, then the best videos with their terms and reasons.

    Args:
        database (`FeedDatabase`), scored (`ScoredFeed`), top (`int`), as_json (`bool`): a JSON object a line.
    """
    best = scored.rows[:top]
    videos = database.videos([row.video_id for row in best])
    if as_json:
        about = {"feed_id": scored.feed_id, "model": scored.model, "videos": len(scored.rows), **scored.context}
        yield json.dumps(about, ensure_ascii=False)
        for row in best:
            yield json.dumps({"title": videos[row.video_id].title, **asdict(row)}, ensure_ascii=False)
        return
    yield f"{len(scored.rows)} videos scored by {scored.model} in {sum(scored.seconds.values()):.2f} s" + (
        "; no feed was written" if scored.feed_id is None else f"; feed {scored.feed_id}"
    )
    left_out = ", ".join(f"{count} {name}" for name, count in scored.context["left_out"].items())
    if left_out:
        yield f"behind the others: {left_out}"
    doing = ", ".join(f"{row['category']} {row['minutes']:.0f} min" for row in scored.context["activity"])
    yield f"before it: {doing or 'no activity recorded'}"
    for row in best:
        video = videos[row.video_id]
        yield f"{row.rank:3}. {row.score:.3f}  {video.title}  ({video.channel})"
        terms = "  ".join(f"{name} {value:+.3f}" for name, value in row.terms.items() if value)
        yield f"     productive {row.productive:.0%}, interesting {row.interest:.0%}   {terms}"
        for reason in row.reasons:
            yield f"     - {reason}"
