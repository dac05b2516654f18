"""What a recording must not teach a model: typed values and their echoes, e-mail addresses, numbers, secrets.

Two switches undo it, each its own: `keep_typed_text` (the value of an input is kept instead of its length)
and `keep_personal_text` (addresses, long digit runs and tokens in page text and URLs are kept). Passwords
and text that was masked by the recorder are never kept, there is nothing to keep.
"""

import re

# The order of the alternatives matters: a masked run first, then what is longest when it matches.
_PERSONAL = re.compile(
    r"""
    (?P<masked> \*(?:[\s*]*\*)+ )
  | (?P<email> [^\s@<>()\[\]"',;:/?=&]+ @ [^\s@<>()\[\]"',;:/?=&]+ \. [^\W\d_]{2,} )
  | (?P<token>
        \b eyJ[\w-]{8,} (?: \.[\w-]+ )*                                      # JSON web token
      | \b (?:sk|pk|rk|ghp|gho|glpat|xox[abp]|hf|AKIA) [-_]? [A-Za-z0-9_-]{12,}   # vendors' key prefixes
      | \b [0-9a-fA-F]{8} (?: - [0-9a-fA-F]{4} ){3} - [0-9a-fA-F]{12} \b     # UUID
      | (?<![A-Za-z0-9]) (?= [A-Za-z]*\d ) (?= \d*[A-Za-z] ) [A-Za-z0-9]{16,}
      | (?<![\w+/-]) (?= [^\s\d]{0,64}\d ) [\w+/-]{40,} =*
    )
  | (?P<number> \d{6,} | (?! \d{4}-\d\d-\d\d (?!\d) ) \+?\(?\d (?: [ ().-]{0,2}\d ){7,} )
    """,
    re.VERBOSE,
)
# Nothing of the above can match a text without one of these: most page text is passed on at the cost of one search.
_SUSPECT = re.compile(r"[@\d]|\*[\s*]*\*|eyJ|AKIA|(?:sk|pk|rk|gh[po]|glpat|xox[abp]|hf)[-_]?\w{12}")

SHORTEST_ECHO = 3
LONGEST_ECHO_STEPWISE = 48


def personal_spans(text):
    """Returns `[(start, end, kind)]` of what must not reach the BPE; kind is masked, email, token or number.

    >>> personal_spans("mail ada@example.org or call 555 123 4567")
    [(5, 20, 'email'), (29, 41, 'number')]
    >>> personal_spans("Released 2024-01-15, 3 items")
    []
    """
    if not _SUSPECT.search(text):
        return []
    return [(m.start(), m.end(), m.lastgroup) for m in _PERSONAL.finditer(text)]


class TypedEchoes:
    """Finds the values a person typed, and every state on the way to them, in later or earlier text.

    An application shows what is being typed key by key ("Results for bu", "Results for buy"), so every
    prefix of a value counts, on word borders, in any case, with the separators that URLs put for spaces.
    Values shorter than three characters are found only where they are the whole text.

    Args:
        values (iterable of `str`): the texts of all Input events of a session.

    >>> TypedEchoes(["Buy m", "Buy milk"]).spans("You searched for buy+milk.")
    [(17, 25)]
    """

    def __init__(self, values):
        distinct = {" ".join(value.split()) for value in values}
        distinct -= {""}
        distinct = {value for value in distinct if value.strip("*")}
        self.short = {v.casefold() for v in distinct if len(v) < SHORTEST_ECHO}
        long = sorted((v for v in distinct if len(v) >= SHORTEST_ECHO), key=lambda v: (v.casefold(), v))
        # Sorted, a value stands right before those it is a prefix of: only the longest of a chain is needed.
        final = [
            v for i, v in enumerate(long)
            if i + 1 == len(long) or not long[i + 1].casefold().startswith(v.casefold())
        ]
        self.pattern = re.compile("|".join(map(_stepwise, final)), re.IGNORECASE) if final else None

    def __bool__(self):
        return bool(self.short) or self.pattern is not None

    def spans(self, text):
        """Returns `[(start, end)]` of the echoes in `text`."""
        stripped = text.strip()
        if stripped.casefold() in self.short:
            start = text.index(stripped)
            return [(start, start + len(stripped))]
        return [m.span() for m in self.pattern.finditer(text)] if self.pattern else []


def _stepwise(value):
    """Returns a pattern for `value` and its prefixes of three characters and more, longest first."""
    step, rest = value[:LONGEST_ECHO_STEPWISE], value[LONGEST_ECHO_STEPWISE:]
    pattern = f"(?:{_literal(rest)})?" if rest else ""
    for char in reversed(step[SHORTEST_ECHO:]):
        pattern = f"(?:{_literal(char)}{pattern})?"
    return rf"(?<!\w){_literal(step[:SHORTEST_ECHO])}{pattern}(?!\w)"


def _literal(text):
    return "".join(r"(?:[\s+_-]|%20)+" if char == " " else re.escape(char) for char in text)
