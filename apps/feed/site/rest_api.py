"""The feed for other programs: REST with JSON, in the same app as the pages.

GET  /api/feed            ?order, limit, search, filters as `FeedQuery`, after → {feed_id, order, videos: [...], next}
                          The next page: the same with feed=feed_id and after=next. `next` is null at the end.
GET  /api/videos/{id}     → one video, its opinions and its place in the newest feed
POST /api/feedback        {feedback_id, video_id, head, value: 1 | 0 | null, said_at?} → {saved, repeated}
POST /api/feed/updated    a newer feed was scored: the open pages are told → {feed_id}
GET  /api/status          → runs, quota, labels, drift

Every error is {"error": "what was expected, what came, what to do"}: 400 a value is wrong, 401 no password, 403 another
host or origin, 404 not known, 409 a feedback_id that already means something else, 413 too long, 415 no JSON, 429 too
many wrong passwords, 503 the database or the site is not ready: try again with the same feedback_id.
"""

import json
import logging
import re
from collections import OrderedDict

from fastapi import Request
from fastapi.responses import FileResponse, JSONResponse

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.site.display_text import points
from traceformers.apps.feed.site.feed_query import FeedQuery
from traceformers.apps.feed.site.thumbnails import picture_type
from traceformers.datasets_scripts.feed.feed_records import HEADS, Feedback

logger = logging.getLogger(__name__)
MOST_BYTES, MOST_ROWS, KEPT_IDS = 16_384, 200, 20_000
FEEDBACK_ID = re.compile(r"[\x21-\x7e]{8,128}")
MOST_AHEAD_MS = 300_000


class ApiError(Exception):
    """An answer other than 200."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def add_rest(app, site, thumbnails):
    """Adds the routes.

    Args:
        app (`FastAPI`), site (`Site`)
        thumbnails (`ThumbnailCache`, *optional*): None answers 404 for every picture.
    """
    taken = OrderedDict()  # feedback_id → what it said: a repeated call is known without another write

    @app.exception_handler(ApiError)
    async def _refuse(request, error):
        return JSONResponse({"error": str(error)}, error.status)

    @app.exception_handler(FeedDatabaseError)
    async def _not_ready(request, error):
        return JSONResponse({"error": str(error)}, 503)

    @app.get("/api/feed")
    async def feed(request: Request):
        params = dict(request.query_params)
        try:
            query = FeedQuery.from_params(params)
            limit = _whole(params, "limit", site.options.page_size, 1, MOST_ROWS)
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        feed_id = query.feed if query.feed is not None else await site.ask("feed_version")
        after, filters = params.get("after") or None, query.filters(site.now())
        try:
            cards = await site.ask("feed_page", query.order, limit + 1, filters, query.search or None, feed_id, after)
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        videos = [
            video_json(
                card.video, card.row, dict(zip(HEADS, (card.interest_label, card.productive_label), strict=True))
            )
            | {"watched_at": card.watched_at}
            for card in (cards or ())[:limit]
        ]
        more = len(cards or ()) > limit
        return JSONResponse(
            {
                "feed_id": feed_id,
                "order": query.order,
                "videos": videos,
                "next": videos[-1]["video_id"] if more else None,
            }
        )

    @app.get("/api/videos/{video_id}")
    async def video(video_id: str):
        found = await site.ask("video", video_id)
        if found is None:
            raise ApiError(404, f"Expected the id of a known video, got {video_id[:64]!r}. Take one of /api/feed.")
        row, opinions, watched_at = await site.card(found)
        return JSONResponse(
            video_json(found, row, opinions) | {"description": found.description, "watched_at": watched_at}
        )

    @app.post("/api/feedback")
    async def feedback(request: Request):
        said = checked_feedback(await _json_body(request), site.now())
        meaning = (said.video_id, said.head, said.value)
        if taken.get(said.feedback_id, meaning) != meaning:
            raise ApiError(
                409,
                f"Expected a new feedback_id for another opinion, got {said.feedback_id!r} again. Make one for each.",
            )
        if said.feedback_id in taken:
            return JSONResponse({"saved": True, "repeated": True, "feedback_id": said.feedback_id})
        if await site.ask("video", said.video_id) is None:
            raise ApiError(404, f"Expected the id of a known video, got {said.video_id!r}. Take one of /api/feed.")
        counts = await site.ask("add_feedback", [said])
        if counts is None:
            raise ApiError(503, "Expected to write the opinion, but the site is being stopped. Try again later.")
        taken[said.feedback_id] = meaning
        while len(taken) > KEPT_IDS:
            taken.popitem(last=False)
        return JSONResponse({"saved": True, "repeated": not counts.added, "feedback_id": said.feedback_id})

    @app.post("/api/feed/updated")
    async def updated():
        return JSONResponse({"feed_id": await site.look_for_feed()})

    @app.get("/api/status")
    async def status():
        return JSONResponse((await site.look_at_health()).as_json())

    @app.get("/thumbnails/{name}")
    async def thumbnail(name: str):
        video_id = name.removesuffix(".jpg")
        known = thumbnails and name.endswith(".jpg") and await site.ask("video", video_id)
        path = await thumbnails.get(video_id) if known else None
        if path is None:
            raise ApiError(404, "There is no picture of this video.")
        return FileResponse(path, media_type=picture_type(path), headers={"Cache-Control": "private, max-age=604800"})


def video_json(video, row, opinions):
    """Returns a video as the API gives it, JSON. Texts are as their source gave them: escape them where you show them.

    Args:
        video (`Video`), row (`FeedRow`, *optional*), opinions (`dict[str, float | None]`)
    """
    names = (
        "video_id",
        "title",
        "channel",
        "channel_id",
        "published_at",
        "duration",
        "category",
        "is_short",
        "is_live",
    )
    return {
        **{name: getattr(video, name) for name in names},
        "opinions": {head: opinions.get(head) for head in HEADS},
        "feed": row
        and {
            "rank": row.rank,
            "score": row.score,
            "interest": row.interest,
            "productive": row.productive,
            "points": {name: points(getattr(row, name)) for name in ("score", *HEADS)},
            "terms": row.terms,
            "reasons": list(row.reasons),
            "explored": row.explored,
            "propensity": row.propensity,
        },
    }


def checked_feedback(body, now):
    """Returns the `Feedback` that a body of `POST /api/feedback` says; an `ApiError` says what is wrong in it.

    Args:
        body: JSON value. now (`int`): milliseconds since 1970.
    """
    if not isinstance(body, dict):
        raise ApiError(
            400, f"Expected a JSON object, got {type(body).__name__}. Send {{feedback_id, video_id, head, value}}."
        )
    feedback_id, video_id, head, value = (body.get(name) for name in ("feedback_id", "video_id", "head", "value"))
    said_at = body.get("said_at", now)
    if not isinstance(feedback_id, str) or not FEEDBACK_ID.fullmatch(feedback_id):
        raise ApiError(
            400,
            f"Expected feedback_id of 8 to 128 ASCII characters, got {str(feedback_id)[:64]!r}. Make one.",
        )
    if not isinstance(video_id, str) or not 0 < len(video_id) <= 128:
        raise ApiError(400, f"Expected video_id to be a text, got {str(video_id)[:64]!r}. Take one of /api/feed.")
    if head not in HEADS:
        raise ApiError(
            400, f"Expected head to be one of {', '.join(HEADS)}, got {str(head)[:64]!r}. Choose one of them."
        )
    if "value" not in body or isinstance(value, bool) or value not in (0, 1, None):
        raise ApiError(400, f"Expected value to be 1, 0 or null, got {str(value)[:64]!r}. Send one of them.")
    if isinstance(said_at, bool) or not isinstance(said_at, int) or not 0 <= said_at <= now + MOST_AHEAD_MS:
        raise ApiError(
            400,
            f"Expected said_at in milliseconds since 1970, not to come, got {str(said_at)[:64]}. Leave it out.",
        )
    return Feedback(feedback_id, video_id, head, None if value is None else float(value), said_at, "feed")


async def _json_body(request):
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError(
            415, "Expected a body of type application/json, got another. Set Content-Type: application/json."
        )
    body = b""
    async for block in request.stream():
        body += block
        if len(body) > MOST_BYTES:
            raise ApiError(413, f"Expected at most {MOST_BYTES} bytes, got more. Send one opinion at a time.")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "Expected a body of JSON, got something else. Correct it.") from error


def _whole(params, name, default, least, most):
    text = params.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}", text) or not least <= int(text) <= most:
        raise ValueError(f"Expected {name} to be a whole number from {least} to {most}, got {text[:64]!r}. Correct it.")
    return int(text)
