"""What must never be stored: what matches the reader's own patterns. (Private windows go where tabs are joined.)

    PrivacyFilter([{"field": "title", "pattern": "(?i)bank", "action": "drop"},
                   {"field": "url", "pattern": "^https://mail\\.", "action": "redact"}])

Every source passes its records through a filter before the database sees them. "drop" leaves a record out; "redact"
keeps that there was something (time, duration, app), without its title and address. A rule on "any" looks at all three.
"""

import re
from collections import Counter
from dataclasses import replace

FIELDS = ("app", "title", "url", "any")
ACTIONS = ("drop", "redact")
REDACTED = "[redacted]"
#: Patterns look at so many characters, so that a hostile title cannot keep one busy for long.
READ_CHARACTERS = 2000


class PrivacyFilter:
    """Drops or redacts records.

    Args:
        rules (list of `dict`): each with `pattern` (a regular expression, searched anywhere), `field` (one of `FIELDS`;
            "any" if not given) and `action` (one of `ACTIONS`; "drop" if not given).

    Attributes:
        counts (`Counter`): how many records were dropped ("private") and redacted ("redacted").

    Raises:
        ValueError: a pattern that is no regular expression, with the position of the fault; an unknown field or action.
    """

    def __init__(self, rules=()):
        self.counts = Counter()
        self.rules = [compiled_rule(number, rule) for number, rule in enumerate(rules, 1)]

    @classmethod
    def from_patterns(cls, drop=(), redact=()):
        """Returns a filter whose patterns look at app, title and address alike.

        Args:
            drop, redact (iterables of `str`): regular expressions.
        """
        lists = (("drop", drop), ("redact", redact))
        return cls([{"pattern": pattern, "action": action} for action, patterns in lists for pattern in patterns])

    def take_counts(self):
        """Returns the counts since the last call, `dict`."""
        counts, self.counts = dict(self.counts), Counter()
        return counts

    def matches(self, action, app="", title="", url=""):
        """Returns the fields that a rule with this action matches, `set`: of "app", "title", "url"."""
        values = {"app": app or "", "title": title or "", "url": url or ""}
        found = set()
        for field, pattern, rule_action in self.rules:
            if rule_action == action:
                for name in values if field == "any" else (field,):
                    if values[name] and pattern.search(values[name][:READ_CHARACTERS]):
                        found.add(name)
        return found

    def event(self, event):
        """Returns an `ActivityEvent` as it may be stored, or None."""
        if self.matches("drop", event.app, event.title, event.url):
            self.counts["private"] += 1
            return None
        found = self.matches("redact", event.app, event.title, event.url)
        if found:
            self.counts["redacted"] += 1
            # The address says what the title says: one is never hidden without the other.
            app = REDACTED if "app" in found else event.app
            return replace(event, app=app, title=REDACTED, url=None)
        return event

    def events(self, events):
        """Yields the events that may be stored."""
        yield from filter(None, map(self.event, events))

    def keeps_video(self, video):
        """Returns whether a `Video` may be stored; one to be redacted is not, for nothing would be left of it."""
        address = f"https://www.youtube.com/watch?v={video.video_id}"
        for action in ACTIONS:
            if self.matches(action, "", video.title, address) or self.matches(action, "", video.channel):
                self.counts["private"] += 1
                return False
        return True

    def videos(self, videos):
        """Yields the videos that may be stored."""
        return filter(self.keeps_video, videos)


def compiled_rule(number, rule):
    """Returns (field, compiled pattern, action) of the rule that a reader wrote as the `number`th."""
    field, action, pattern = rule.get("field", "any"), rule.get("action", "drop"), rule.get("pattern")
    if field not in FIELDS:
        raise ValueError(
            f"Expected the field of privacy rule {number} to be one of {', '.join(FIELDS)}, got {field!r}."
        )
    if action not in ACTIONS:
        raise ValueError(f"Expected the action of privacy rule {number} to be drop or redact, got {action!r}.")
    if not isinstance(pattern, str) or not pattern:
        raise ValueError(
            f"Expected a regular expression in privacy rule {number}, got {pattern!r}. "
            "An empty one would match everything."
        )
    try:
        return field, re.compile(pattern), action
    except re.error as error:
        raise ValueError(
            f"Expected a regular expression in privacy rule {number}, got {pattern!r}: {error.msg} at position "
            f"{error.pos}. Correct it, or write it in re.escape's form if it is meant as plain text."
        ) from None
