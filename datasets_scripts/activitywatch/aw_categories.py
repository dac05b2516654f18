"""Categories of activity, as ActivityWatch's own rules give them: regular expressions on names, the deepest match wins.

The default classes are those of the ActivityWatch web interface (aw-client 0.5.15, MPL-2.0). A server that was never
asked to keep classes answers `null`, `[]` or 404: each means the defaults.
"""

import re
from functools import lru_cache

UNCATEGORIZED = "Uncategorized"
SEPARATOR = " > "
RANKS_A_LEVEL = 10  # a priority of a rule's own can lie between two levels
CACHED_TEXTS = 65_536

#: (path of names, regular expression, whether capitals count)
DEFAULT_CLASSES = (
    (("Work",), "Google Docs|libreoffice|ReText", True),
    (("Work", "Programming"), "GitHub|Stack Overflow|BitBucket|Gitlab|vim|Spyder|kate|Ghidra|Scite", True),
    (("Work", "Programming", "ActivityWatch"), "ActivityWatch|aw-", False),
    (("Work", "Image"), "Gimp|Inkscape", True),
    (("Work", "Video"), "Kdenlive", True),
    (("Work", "Audio"), "Audacity", True),
    (("Work", "3D"), "Blender", True),
    (("Media", "Games"), "Minecraft|RimWorld", True),
    (("Media", "Video"), "YouTube|Plex|VLC", True),
    (("Media", "Social Media"), "reddit|Facebook|Twitter|Instagram|devRant", False),
    (("Media", "Music"), "Spotify|Deezer", False),
    (("Comms", "IM"), "Messenger|Telegram|Signal|WhatsApp|Rambox|Slack|Riot|Discord|Nheko", True),
    (("Comms", "Email"), "Gmail|Thunderbird|mutt|alpine", True),
)


class Categorizer:
    """Gives each activity its category.

    Args:
        classes (*optional*): what the server's setting `classes` or an exported file of categories holds: a list of
            `{"name": [...], "rule": {"type": "regex", "regex": ..., "ignore_case": ...}}` or of `(path, rule)`, or an
            object with such a list under "categories" or "classes". None, an empty list, and a list without one
            usable rule mean the defaults.

    Attributes:
        faults (`list` of `str`): the classes that were left out, and why.
        is_default (`bool`): whether the default classes are in use.
        names (`list` of `str`): every category it can give, `UNCATEGORIZED` last.
    """

    def __init__(self, classes=None):
        self.faults = []
        rules = [rule for given in _listed(classes) if (rule := self._rule(given)) is not None]
        self.is_default = not any(pattern for _, pattern, _, _ in rules)
        if self.is_default:
            rules = [
                (path, re.compile(text, 0 if capitals else re.IGNORECASE), RANKS_A_LEVEL * len(path), None)
                for path, text, capitals in DEFAULT_CLASSES
            ]
        self.names = [*dict.fromkeys(SEPARATOR.join(path) for path, *_ in rules), UNCATEGORIZED]
        self._rules = [rule for rule in rules if rule[1]]
        self._pick = lru_cache(CACHED_TEXTS)(self._picked)

    def category(self, app="", title="", url=None, tab_title=None):
        """Returns the names of the path of the deepest class that matches one of the texts, joined by " > ".

        Of two classes equally deep the later one counts. A rule's own `priority` stands in place of its depth.
        """
        return self._pick(app, title, url, tab_title)

    def _picked(self, app, title, url, tab_title):
        texts = {"app": (app,), "title": (title, tab_title), "url": (url,)}
        everything = [text for held in texts.values() for text in held if text]
        best, best_rank = UNCATEGORIZED, None
        for path, pattern, rank, keys in self._rules:
            if best_rank is not None and rank < best_rank:
                continue
            chosen = [text for key in keys for text in texts.get(key, ()) if text] if keys else everything
            if any(pattern.search(text) for text in chosen):
                best, best_rank = SEPARATOR.join(path), rank
        return best

    def _rule(self, given):
        """Returns (path, pattern or None, rank, keys or None), or None with the fault noted."""
        if isinstance(given, dict):
            path, rule = given.get("name"), given.get("rule")
        elif isinstance(given, list | tuple) and len(given) == 2:
            path, rule = given
        else:
            path = rule = None
        path = (path,) if isinstance(path, str) else path
        if not isinstance(path, list | tuple) or not path or not all(isinstance(name, str) for name in path):
            self.faults.append(f"a class without a name: {_short(given)}")
            return None
        path = tuple(path)
        rule = rule if isinstance(rule, dict) else {}
        priority = rule.get("priority", rule.get("weight"))
        rank = priority if type(priority) is int else RANKS_A_LEVEL * len(path)
        keys = rule.get("select_keys")
        keys = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) and keys else None
        text = rule.get("regex")
        if not isinstance(text, str) or not text or rule.get("type") == "none":
            return path, None, rank, keys  # a class that only holds others; an empty expression would match all
        try:
            return path, re.compile(text, re.IGNORECASE if rule.get("ignore_case") else 0), rank, keys
        except (re.error, OverflowError, RecursionError) as error:
            self.faults.append(f"{SEPARATOR.join(path)}: {_short(text)} is no regular expression ({error})")
            return None


def _listed(classes):
    if isinstance(classes, dict):
        classes = classes.get("categories") or classes.get("classes")
    return classes if isinstance(classes, list | tuple) else []


def _short(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
