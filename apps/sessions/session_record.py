"""One recording as an index keeps it: what it is, what happened, how it scores by itself, its time line, its words."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b

import numpy as np

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_evidence.action_surprise import action_surprise
from traceformers.training.session_evidence.dead_clicks import dead_clicks
from traceformers.training.session_evidence.session_actions import session_actions
from traceformers.training.session_evidence.session_counters import session_counters
from traceformers.training.session_evidence.session_scores import RHYTHM, session_scores
from traceformers.training.session_evidence.session_trace import trace_of

LONGEST_WORDS = 20_000  # characters of a session's log that are searched
COUNTED = (
    "events", "actions", "steps", "clicks", "rage_clicks", "pages", "page_returns", "inputs", "fields",
    "retyped_fields", "scrolls", "scroll_thrashing", "pointer_thrashing", "selections", "resizes", "mutations",
)  # fmt: skip
MEASURED = ("duration_s", "clicks_without_pointer", *RHYTHM)


@dataclass
class SessionRecord:
    """One session, ready for the index but for its vector.

    Attributes:
        row (`dict`): columns of the index that need no other session.
        timeline (list of `dict`): seconds, action, target, surprise_bits, n_tokens, flags.
        words (`str`): log of its actions and of the page content, as far as text search looks.
    """

    row: dict
    timeline: list = field(default_factory=list)
    words: str = ""


def read_trace(contents, model):
    """Returns the `SessionTrace` of a recording, tokenized.

    Args:
        contents (list of `bytes`): of its files, parts of one session.
        model (`SessionModel`).

    Raises:
        SessionFormatError: it is no recording.
    """
    trace = trace_of(read_session(*contents), model.tokenizer)
    _ = trace.tokens  # here, so that what cannot be tokenized is known before anything is embedded
    return trace


def describe(trace, model, with_surprise=True):
    """Returns the `SessionRecord` of a session.

    Args:
        trace (`SessionTrace`): of `read_trace`.
        model (`SessionModel`): whose surprise it is; NaN without a head for masked tokens.
        with_surprise (`bool`): ask the model at all, which costs about two thirds of a vector.
    """
    masked = model.masked_model if with_surprise else None
    if masked is None:
        actions = session_actions(trace)
    else:
        context = min(256, masked.config.max_position_embeddings)
        actions = action_surprise(masked, model.tokenizer, trace, context_tokens=context)
    scores, counters = session_scores(trace), session_counters(trace)
    pages = [trace.address(i) for i in np.flatnonzero(trace.new_page)[:50].tolist()]
    bits = np.array([action.surprise_bits for action in actions])
    bits = bits[np.isfinite(bits)]
    row = {
        "site": trace.site,
        "start_url": pages[0] if pages else "",
        "started_at": datetime.fromtimestamp(trace.started_at_ms / 1000, UTC),
        **{name: round(counters[name], 4) for name in MEASURED},
        **{name: int(counters[name]) for name in COUNTED},
        "dead_clicks": len(dead_clicks(trace)),
        "tokens": len(trace.tokens),
        **token_shares(trace.tokens.ids, model.tokenizer),
        "surprise_mean": round(float(bits.mean()), 4) if len(bits) else float("nan"),
        "surprise_p90": round(float(np.quantile(bits, 0.9)), 4) if len(bits) else float("nan"),
        "struggle": scores.struggle,
        "quality": scores.quality,
        "struggle_reasons": [evidence.words for evidence in scores.struggle_reasons[:5]],
        "quality_reasons": [evidence.words for evidence in scores.quality_reasons[:3]],
        "content": content_hash(trace),
    }
    timeline = [
        {name: getattr(action, name) for name in ("seconds", "action", "target", "surprise_bits", "n_tokens", "flags")}
        for action in actions
    ]
    return SessionRecord(row, timeline, _words(pages, timeline, row["struggle_reasons"], trace, model.tokenizer))


def token_shares(ids, tokenizer):
    """Returns the shares of a session's tokens that the vocabulary had no better name for, `unknown` and `other`.

    `unknown` is [UNK] and unknown kinds of events; `other` are tags, attributes, roles and input types beyond the list.
    """
    names = tokenizer.vocabulary.tokens
    unknown = [i for i, name in enumerate(names) if name in ("[UNK]", "[unknown]")]
    other = [i for i, name in enumerate(names) if name.endswith((":other]", ":custom]"))]
    named = [i for i, name in enumerate(names) if name.startswith(("[tag:", "[attr:", "[role:", "[type:"))]
    n_named = max(int(np.isin(ids, named).sum()), 1)
    return {
        "unknown_share": round(float(np.isin(ids, unknown).mean()) if len(ids) else 0.0, 6),
        "other_share": round(float(np.isin(ids, other).sum()) / n_named, 6),
    }


def content_hash(trace):
    """Returns 32 hex digits that are equal for equal sessions, whatever wraps them: by tokens, times and start."""
    digest = blake2b(digest_size=16)
    digest.update(f"{trace.started_at_ms:.0f}".encode())
    digest.update(trace.tokens.ids.tobytes())
    digest.update(trace.tokens.event_times_ms.tobytes())
    return digest.hexdigest()


def _words(pages, timeline, reasons, trace, tokenizer):
    """Returns what text search looks at: pages, actions, flags and reasons first, then what the pages said."""
    done = [" ".join([step["action"], *step["flags"]]) for step in timeline]
    first = "\n".join([*pages, *reasons, *done])[:LONGEST_WORDS]
    ids = trace.tokens.ids[: 2 * LONGEST_WORDS]
    text = tokenizer.log_writer.log(ids.tolist()) if len(first) < LONGEST_WORDS else ""
    return f"{first}\n{text}"[:LONGEST_WORDS]
