"""What makes a recording that recording, whatever wraps it, whoever tokenizes it."""

import json
from hashlib import blake2b


def fingerprint(session):
    """Returns 32 hex digits that are equal for two recordings with equal events, and differ otherwise.

    Args:
        session (`Session`): as `read_session` gives it.

    >>> from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
    >>> events = [{"type": 4, "data": {"href": "http://a.test"}, "timestamp": 5}]
    >>> fingerprint(read_session(events)) == fingerprint(read_session({"events": events}))
    True
    """
    digest = blake2b(digest_size=16)
    for i, event in enumerate(session.events):
        window = session.window_of[i] if session.window_of else 0
        head = [window, event["type"], event["timestamp"]]
        data = event["data"]
        if event["type"] == 2 and isinstance(data.get("node"), dict):
            head.append(_tree_digest(data["node"]))
            data = {key: value for key, value in data.items() if key != "node"}
        try:
            text = json.dumps([head, data], sort_keys=True, default=str)
        except RecursionError:  # nested deeper than JSON can be written: its size stands for it
            text = json.dumps([head, len(data)])
        digest.update(text.encode())
    return digest.hexdigest()


def _tree_digest(root):
    """Returns a digest of ids, tag names and texts of a serialized tree of any depth."""
    parts, pending = [], [root]
    while pending:
        node = pending.pop()
        if not isinstance(node, dict):
            parts.append(repr(node))
            continue
        parts.append(f"{node.get('id')} {node.get('tagName') or node.get('textContent')}")
        children = node.get("childNodes")
        if isinstance(children, list):
            pending += children
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
