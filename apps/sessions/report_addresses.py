"""Attributes and styles of a recorded page without what a browser would fetch, run or follow.

What is kept of addresses: pictures and fonts that are inside the recording (`data:`) and places on the same page (`#`).
"""

import re

#: Attributes whose value a browser fetches or follows.
ADDRESSES = frozenset(
    "src srcset imagesrcset poster background data href xlink:href action formaction ping cite longdesc manifest "
    "codebase archive classid profile usemap rr_src lowsrc dynsrc".split()
)
#: What a page must not do inside a report: take the focus, start by itself, carry a page, or go somewhere.
NEVER = frozenset("srcdoc autofocus autoplay http-equiv target integrity nonce sandbox allow".split())
FRAMES = frozenset(("iframe", "frame", "embed", "object", "portal", "fencedframe"))
_INSIDE = re.compile(r"\s*(?:data:(?:image|font|audio|video)/|#)", re.IGNORECASE)
_CSS_ADDRESS = re.compile(
    r"""url\( \s* (?: "(?!\s*(?:data:|\#))[^"]*" | '(?!\s*(?:data:|\#))[^']*' | (?!["'\s]|data:|\#)[^)]* ) \s* \)""",
    re.IGNORECASE | re.VERBOSE,
)
_CSS_IMPORT = re.compile(r"@(?:import|namespace)\b[^;{}]*;?", re.IGNORECASE)


def safe_attributes(tag, attributes):
    """Returns the attributes of an element that may be shown.

    Args:
        tag (`str`, *optional*): lower case; None for a change of attributes of an unknown element.
        attributes (`dict`): name to str, number, bool or None, as rrweb records them.

    >>> safe_attributes("a", {"href": "http://a.test/b", "title": "b", "onclick": "c()"})
    {'href': '#', 'title': 'b'}
    >>> safe_attributes("img", {"src": "http://a.test/b.png", "alt": "b"})
    {'alt': 'b'}
    """
    kept = {}
    for name, value in attributes.items():
        low = name.lower()
        if low in NEVER or low.startswith(("on", "rr_media")):
            continue
        if low in ADDRESSES:
            if value.__class__ is not str or (_INSIDE.match(value) and tag not in FRAMES):
                kept[name] = value
            elif low == "href" and tag in ("a", "area"):
                kept[name] = "#"  # a link still looks like one
        elif low == "rr_dataurl":
            if isinstance(value, str) and _INSIDE.match(value):
                kept[name] = value
        elif low in ("style", "_csstext") and value.__class__ is str:
            kept[name] = clean_css(value)
        else:
            kept[name] = value
    return kept


def clean_css(text):
    """Returns a style sheet, rule or value without addresses outside the recording.

    >>> clean_css("@import 'x.css'; b { background: url(http://a.test/c.png) red }")
    ' b { background: none red }'
    >>> clean_css("b { src: url('data:font/woff2;base64,AA') }")
    "b { src: url('data:font/woff2;base64,AA') }"
    """
    if "@" in text:
        text = _CSS_IMPORT.sub("", text)
    return _CSS_ADDRESS.sub("none", text) if "(" in text else text


def clean_style(style):
    """Returns a changed style, `{property: value, [value, priority] or False}`, without addresses."""
    return {
        name: clean_css(value)
        if isinstance(value, str)
        else [clean_css(part) if isinstance(part, str) else part for part in value]
        if isinstance(value, list)
        else value
        for name, value in style.items()
    }
