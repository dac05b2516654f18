"""What a reader of the feed asked for: order, filters, search and how far. The address of the page holds all of it.

So two tabs never share it, Back and a reload find the same videos again, and it may be kept as a bookmark. The page
and `GET /api/feed` read the same names.
"""

from dataclasses import dataclass, fields, replace

from traceformers.apps.feed.database.feed_pages import FEED_ORDERS, FeedFilters
from traceformers.apps.feed.site.display_text import DAY

LONGEST_TEXT, MOST_PAGES = 200, 500


@dataclass(frozen=True)
class FeedQuery:
    """What is asked of the feed; defaults are what an address without parameters means.

    Attributes:
        order (`str`): of FEED_ORDERS.
        search (`str`): words that title or channel contain.
        watched, rated, shorts, hidden (`bool`): whether such videos are shown too.
        min_minutes, max_minutes (`float`, *optional*), since_days (`float`, *optional*): published in so many days.
        channel (`str`): its name or id; only its videos.
        unsubscribed (`bool`): only channels that are not subscribed to.
        feed (`int`, *optional*): id of a scored feed, the newest by default.
        at (`int`, *optional*): ms; what was watched and rated later hides nothing, so that pages keep together.
        pages (`int`): how many are shown.
    """

    order: str = "score"
    search: str = ""
    watched: bool = False
    rated: bool = False
    shorts: bool = False
    hidden: bool = False
    min_minutes: float | None = None
    max_minutes: float | None = None
    since_days: float | None = None
    channel: str = ""
    unsubscribed: bool = False
    feed: int | None = None
    at: int | None = None
    pages: int = 1

    def __post_init__(self):
        if self.order not in FEED_ORDERS:
            raise ValueError(f"Expected order to be one of {', '.join(FEED_ORDERS)}, got {self.order!r}. Choose one.")
        for name in ("min_minutes", "max_minutes", "since_days"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1e6:
                raise ValueError(f"Expected {name} to be a number from 0, got {value}. Correct it or leave it out.")
        for name in ("feed", "at"):
            if not 0 <= (getattr(self, name) or 0) < 2**53:
                raise ValueError(
                    f"Expected {name} to be a number this site gave, got {getattr(self, name)}. Leave it out."
                )
        if not 1 <= self.pages <= MOST_PAGES:
            raise ValueError(f"Expected pages from 1 to {MOST_PAGES}, got {self.pages}. Give a number in between.")

    @classmethod
    def from_params(cls, params):
        """Returns the query of an address; a `ValueError` names the parameter that is wrong.

        Args:
            params (`Mapping[str, str]`): unknown names are not read.
        """
        return cls(**{field.name: _read(field, params[field.name]) for field in fields(cls) if params.get(field.name)})

    @classmethod
    def lenient(cls, params):
        """Returns the query of an address, without what is wrong in it: a page never fails for its address."""
        query = cls()
        for field in fields(cls):
            if params.get(field.name):
                try:
                    query = replace(query, **{field.name: _read(field, params[field.name])})
                except ValueError:
                    continue
        return query

    def params(self):
        """Returns the query as it stands in an address: {name: text} of what is not the default."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: _written(value)
            for name, value in shown.items()
            if value != getattr(FeedQuery, name) and value not in (None, "")
        }

    def filters(self, now):
        """Returns the `FeedFilters` of the database.

        Args:
            now (`int`): milliseconds since 1970.
        """
        return FeedFilters(
            hide_watched=not self.watched,
            hide_rated=not self.rated,
            min_duration=None if self.min_minutes is None else 60 * self.min_minutes,
            max_duration=None if self.max_minutes is None else 60 * self.max_minutes,
            shorts=self.shorts,
            hidden_channels=not self.hidden,
            show_hidden=self.hidden,
            since=None if self.since_days is None else (self.at or now) - round(self.since_days * DAY),
            channel=self.channel or None,
            unsubscribed_only=self.unsubscribed,
            as_of=self.at,
        )

    @property
    def narrows(self):
        """Whether something is left out that is shown by default, or searched for."""
        mine = (self.search, self.min_minutes, self.max_minutes, self.since_days, self.channel, self.unsubscribed)
        return any(value not in (None, "", False) for value in mine)


def _read(field, text):
    """Returns the value that a parameter's text stands for."""
    text = str(text)
    try:
        if field.type is bool:
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        if field.type is str:
            return " ".join(text.split())[:LONGEST_TEXT]
        return float(text) if field.type == float | None else int(text)
    except (KeyError, ValueError):
        kind = "1 or 0" if field.type is bool else "a number"
        raise ValueError(f"Expected {field.name} to be {kind}, got {text!r}. Correct it or leave it out.") from None


def _written(value):
    return str(int(value)) if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
