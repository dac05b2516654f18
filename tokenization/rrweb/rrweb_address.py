"""Page addresses as words: host, path, query and fragment, percent signs decoded."""

from urllib.parse import unquote, unquote_plus, urlsplit


def address_parts(href):
    """Returns `[(kind, text)]` of an address; kind is page, query or fragment, empty parts are left out.

    >>> address_parts("https://shop.test/search/?q=red+shoes&id=7#top")
    [('page', 'shop.test/search/'), ('query', 'q=red shoes id=7'), ('fragment', 'top')]
    """
    try:
        parts = urlsplit(href)
        host = parts.hostname or parts.scheme
    except ValueError:  # a malformed port or IPv6 host
        return [("page", href)]
    page = host + unquote(parts.path)
    query = " ".join(unquote_plus(pair) for pair in parts.query.split("&"))
    found = (("page", page), ("query", query), ("fragment", unquote(parts.fragment)))
    return [(kind, text) for kind, text in found if text.strip()]


def page_key(href):
    """Returns what two addresses of the same page share: everything before the query and the fragment."""
    return href.split("#", 1)[0].split("?", 1)[0]


def site_of(href):
    """Returns the host of an address without `www.`, or `""`.

    >>> site_of("https://www.shop.test:8080/a")
    'shop.test'
    """
    try:
        host = urlsplit(href).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")
