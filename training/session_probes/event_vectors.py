"""What an RRWebBERT makes of each event of a session, layer by layer: the time before it, what it is, what it is about.

A mean over tokens hides what is told once, a burst of clicks or a long pause: of ten tokens of an event one is its
time. So the three are kept apart. Page content is left out but for its beginning: 80 % of the tokens, none of them of
the user.

Axes: N tokens of the outline, E events, P parts, H hidden size.
"""

from dataclasses import dataclass

import numpy as np
import torch

from traceformers.tokenization.rrweb.rrweb_windows import TokenizedSession, cut_windows

#: Tokens kept of an event: of page content its name, of a change of the page its beginning, of anything else this many.
LONGEST_EVENT = 40
SHORTENED = (("[event:FullSnapshot]", 2), ("[source:Mutation]", 8), ("[source:StyleSheetRule]", 3),
             ("[source:StyleDeclaration]", 3), ("[source:AdoptedStyleSheet]", 3), ("[source:CanvasMutation]", 3),
             ("[source:Font]", 3), ("[source:CustomElement]", 3), ("[source:Log]", 3))  # fmt: skip
BY_PAGE = ("[source:Mutation]", "[source:StyleSheetRule]", "[source:StyleDeclaration]", "[source:AdoptedStyleSheet]")
GAP, KIND, REST = 0, 1, 2  # first token of an event, second, mean of the others
#: Tokens that differ between events on the same thing.
OF_THE_MOMENT = ("[gap:", "[x:", "[y:", "[length:", "[count:")
WINDOW, WINDOWS_PER_FORWARD = 256, 12


@dataclass
class SessionEvents:
    """The events of one session as vectors.

    Attributes:
        parts (`float16 (E, P, H)`): P pairs of layer and GAP, KIND or REST, as `parts_of` lists them.
        seconds (`float64 (E,)`): since the session began.
        weights (`float32 (E,)`): 0 of what the page did; of what the user did, less the more often the same is done: n
            times the same event count 1 + log n in all.
    """

    parts: np.ndarray
    seconds: np.ndarray
    weights: np.ndarray


def parts_of(n_layers) -> tuple:
    """Returns the pairs (layer, GAP | KIND | REST) that are kept; layer 0 are the embeddings."""
    first, middle = 1, max(1, round(2 * n_layers / 3))
    return (
        (0, GAP), (0, KIND), (first, GAP), (first, KIND), (middle, GAP), (middle, KIND), (middle, REST),
    )  # fmt: skip


def outline(session, tokenizer) -> TokenizedSession:
    """Returns a `TokenizedSession` with every event, page content and the like cut short."""
    offsets = session.event_offsets.astype(np.int64)
    lengths = np.diff(offsets)
    kinds = session.ids[np.minimum(offsets[:-1] + 1, max(len(session.ids) - 1, 0))] if len(lengths) else offsets[:0]
    most = np.full(len(lengths), LONGEST_EVENT)
    for name, tokens in SHORTENED:
        most[kinds == tokenizer.vocabulary.ids[name]] = tokens
    kept = np.minimum(lengths, most)
    event = np.repeat(np.arange(len(kept)), kept)
    starts = np.concatenate([[0], np.cumsum(kept)])
    ids = session.ids[offsets[event] + np.arange(len(event)) - starts[event]]
    borders = starts.astype(np.uint32)
    return TokenizedSession(
        ids, borders, session.event_times_ms, borders, session.contexts, session.context_of_event, session.notes
    )


def event_weights(session, tokenizer) -> np.ndarray:
    """Returns the `weights` of `SessionEvents` for an outline."""
    structural = tokenizer.vocabulary.tokens
    passing = np.array([token.startswith(OF_THE_MOMENT) for token in structural] + [False] * (2**16 - len(structural)))
    by_page = {tokenizer.vocabulary.ids[name] for name in BY_PAGE}
    keys, count = [], {}
    for start, end in zip(session.event_offsets[:-1].tolist(), session.event_offsets[1:].tolist(), strict=True):
        ids = session.ids[start:end]
        kind = int(ids[1]) if len(ids) > 1 else -1
        name = structural[kind] if 0 <= kind < len(structural) else ""
        by_user = (name.startswith("[source:") and kind not in by_page) or name == "[event:Meta]"
        key = ids[~passing[ids]].tobytes() if by_user else None
        keys.append(key)
        count[key] = count.get(key, 0) + 1
    return np.array([0 if k is None else (1 + np.log(count[k])) / count[k] for k in keys], dtype=np.float32)


@torch.inference_mode()
def event_vectors(model, tokenizer, sessions):
    """Yields the `SessionEvents` of each session, in order.

    Args:
        model (`RRWebBertModel`): its attention must take packed rows (`set_attn_implementation("sdpa_varlen")`).
        tokenizer (`RRWebTokenizer`).
        sessions (iterable): sessions in any form, or `TokenizedSession`s.
    """
    parts = parts_of(model.config.num_hidden_layers)
    longest = min(WINDOW, model.config.max_position_embeddings)
    for session in sessions:
        if not hasattr(session, "event_offsets"):
            session = tokenizer.tokenize_session(session)
        brief = outline(session, tokenizer)
        hidden = _token_vectors(model, cut_windows(brief, longest, tokenizer.window_tokens), longest, parts)
        yield SessionEvents(
            _per_event(hidden, brief.event_offsets.astype(np.int64), parts),
            brief.event_times_ms / 1000.0,
            event_weights(brief, tokenizer),
        )


def _token_vectors(model, cut, longest, parts):
    """Returns {layer: `float32 (N, H)`} of the windows' bodies, one after the other."""
    windows, header_lengths = cut
    layers = sorted({layer for layer, _ in parts})
    found = {layer: [] for layer in layers}
    for first in range(0, len(windows), WINDOWS_PER_FORWARD):
        rows, headers = (each[first : first + WINDOWS_PER_FORWARD] for each in (windows, header_lengths))
        borders = np.cumsum([0, *map(len, rows)])
        spans = torch.tensor(borders, dtype=torch.int32, device=model.device)
        states = model(
            input_ids=torch.from_numpy(np.concatenate(rows).astype(np.int64))[None].to(model.device),
            cu_seq_lens_q=spans,
            cu_seq_lens_k=spans,
            max_length_q=longest,
            max_length_k=longest,
            output_hidden_states=True,
        ).hidden_states
        for layer in layers:
            vectors = states[layer][0].float().cpu().numpy()
            found[layer] += [
                vectors[start + header : start + len(row) - 1]
                for row, header, start in zip(rows, headers, borders, strict=False)
            ]
    return {layer: np.concatenate(vectors) for layer, vectors in found.items()}


def _per_event(hidden, offsets, parts):
    """Returns `float16 (E, P, H)` of {layer: (N, H)} and the borders of events in N."""
    starts, lengths = offsets[:-1], np.diff(offsets)
    out = []
    for layer, part in parts:
        vectors = hidden[layer]
        if not len(starts):
            out.append(np.zeros((0, vectors.shape[1])))
            continue
        second = np.minimum(starts + 1, len(vectors) - 1)
        if part == REST:
            sums = np.add.reduceat(vectors, starts, axis=0) - vectors[starts] - vectors[second] * (lengths > 1)[:, None]
            out.append(sums / np.maximum(lengths - 2, 1)[:, None])
        else:
            out.append(vectors[starts if part == GAP else second])
    return np.stack(out, axis=1).astype(np.float16)


__all__ = ["GAP", "KIND", "REST", "SessionEvents", "event_vectors", "event_weights", "outline", "parts_of"]
