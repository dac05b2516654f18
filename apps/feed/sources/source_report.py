"""What a source says when it has collected: counts, what was dropped and why, and what went wrong."""

from dataclasses import asdict, dataclass, field


class SourceError(Exception):
    """A source cannot go on. What it stored before stays.

    Args:
        message (`str`): one line for the reader: what was expected, what came, what to do. Holds no secret.
        retry_after (`int`, *optional*): milliseconds since 1970; before it, another attempt is of no use.
    """

    def __init__(self, message, retry_after=None):
        super().__init__(message)
        self.retry_after = retry_after


@dataclass
class SourceReport:
    """What one collection of one source did."""

    name: str
    added: int = 0
    updated: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # reason → how many
    error: str | None = None  # one line; what was counted above is stored all the same
    retry_after: int | None = None  # milliseconds since 1970
    warnings: list[str] = field(default_factory=list)  # what the reader should know though nothing went wrong

    @property
    def ok(self):
        """Returns whether nothing went wrong."""
        return self.error is None

    def count(self, counts):
        """Adds what a write of the database answered (with `added` and `updated`)."""
        self.added += counts.added
        self.updated += counts.updated

    def drop(self, reason, count=1):
        """Counts what was not stored."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def fail(self, error):
        """Takes up an exception; the first one is kept."""
        if self.error is None:
            self.error = str(error) if isinstance(error, SourceError) else f"{type(error).__name__}: {error}"
            self.error = " ".join(self.error.split())
            self.retry_after = getattr(error, "retry_after", None)

    def as_dict(self):
        """Returns the report as JSON can hold it, `dict`."""
        return asdict(self)

    def __str__(self):
        """Returns the report in one line."""
        dropped = ", ".join(f"{count} {reason}" for reason, count in sorted(self.dropped.items()))
        parts = [f"{self.added} added", f"{self.updated} updated", dropped and f"dropped: {dropped}", self.error]
        return f"{self.name}: {'; '.join(filter(None, [*parts, *self.warnings]))}"


def is_recent(then, now, span):
    """Returns whether a time is less than `span` ago. One in the future is not: the clock was ahead when it was noted.

    Args:
        then (`int`, *optional*), now (`int`): milliseconds since 1970. span (`int`): milliseconds.
    """
    return then is not None and 0 <= now - then < span
