"""What a recording must not teach a model: e-mail addresses, numbers, secrets; see `rrweb_echoes` for typed values.

Two switches undo it, each its own: `keep_typed_text` (what was typed into fields and editors is kept instead
of its length) and `keep_personal_text` (addresses, long digit runs and tokens in page text and URLs are kept).
Passwords and text that was masked by the recorder are never kept, there is nothing to keep.
"""

import re

# The order of the alternatives matters: a masked run first, then what is longest when it matches.
_PERSONAL = re.compile(
    r"""
    (?P<masked> \*(?:[\s*]*\*)+ )
  | (?P<email> (?: (?<! [^\s@<>()\[\]"',;:/?=&] ) | (?<= \* ) )  # a word is tried once: time grows with its length
        [^\s@<>()\[\]"',;:/?=&]++ @ [^\s@<>()\[\]"',;:/?=&]+ \. [^\W\d_]{2,} )
  | (?P<token>
        \b eyJ[\w-]{8,} (?: \.[\w-]+ )*                                      # JSON web token
      | \b (?:sk|pk|rk|ghp|gho|glpat|xox[abp]|hf|AKIA) [-_]? [A-Za-z0-9_-]{12,}   # vendors' key prefixes
      | \b [0-9a-fA-F]{8} (?: - [0-9a-fA-F]{4} ){3} - [0-9a-fA-F]{12} \b     # UUID
        # base64 has a digit between letters, and both cases; the words of a path or title do not
      | (?<![\w+-]) (?= [\w+-]{0,64}[A-Za-z]\d[A-Za-z] ) (?= [\w+-]{0,64}[A-Z] ) (?= [\w+-]{0,64}[a-z] ) [\w+-]{40,} =*
      | (?<![A-Za-z0-9]) (?= [A-Za-z]*\d ) (?= \d*[A-Za-z] ) [A-Za-z0-9]{16,}
    )
  | (?P<number> \d{6,} | (?<! \d ) (?! \d{4}-\d\d-\d\d (?!\d) ) \+?\(?\d (?: [ ().-]{0,2}\d ){7,} )
    """,
    re.VERBOSE,
)
# Nothing of the above can match a text without one of these: most page text is passed on at the cost of one search.
_SUSPECT = re.compile(r"[@\d]|\*[\s*]*\*|eyJ|AKIA|(?:sk|pk|rk|gh[po]|glpat|xox[abp]|hf)[-_]?\w{12}")


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
