"""What the Space shows, without its pages: a recording in; its log, the surprise of its actions, and its like out.

Needs the model's repository and nothing else of traceformers: tokenizer and model are loaded as anyone loads them.

Axes: A actions, N tokens of a session, T tokens of a row, S samples, H width of a vector.
"""

from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import AutoModelForMaskedLM

HEADERS = ["", "session", "likeness"]
NEAREST = 8
CONTEXT = 256  # tokens around an action that the model sees, if it takes so many
MASKED_SHARE = 3  # at most one token in so many of them belongs to the action
MOST_ACTIONS, ROWS = 300, 16
MOST_BYTES = 30_000_000
MOST_LINES = 2_000
LONGEST_PAUSE_MS = 1_000  # inside one action
# What a person does; focus and pointer paths only go with it.
DONE = ("[source:MouseInteraction]", "[source:Scroll]", "[source:Input]", "[source:Drag]", "[event:Meta]")
PRESSES = ("[do:MouseDown]", "[do:TouchStart]", "[do:Click]", "[do:DblClick]")
SUFFIXES = (".json", ".jsonl", ".gz", ".bin", ".ndjson", ".rrweb")


class SessionReader:
    """A model and a collection of sessions, ready for recordings.

    Args:
        name (`str`): repository or folder of an RRWebBERT.
        samples (path): folder of recordings.
        revision (`str`, *optional*): commit or tag.

    Attributes:
        names (`list[str]`): of the samples that could be read. vectors (`float32 (S, H)`): of length 1.
    """

    def __init__(self, name, samples, revision=None):
        self.encoder = SentenceTransformer(name, revision=revision, trust_remote_code=True)
        self.model = AutoModelForMaskedLM.from_pretrained(name, revision=revision, trust_remote_code=True).eval()
        self.tokenizer = self.encoder[0].tokenizer
        paths = [path for path in sorted(Path(samples).iterdir()) if path.suffix in SUFFIXES and self._reads(path)]
        if not paths:
            raise ValueError(f"Expected recordings in {samples}, found none. Copy some, or set RRWEB_SAMPLES.")
        self.names = [path.name.split(".")[0] for path in paths]
        self.vectors = self.encoder.encode(paths, normalize_embeddings=True)

    def _reads(self, path):
        try:
            return len(self.tokenizer.tokenize_session(path)) > 0
        except ValueError:  # not a recording
            return False

    def read(self, path):
        """Returns `(log, actions, rows)` of a recording.

        Args:
            path (path): of the file.

        Returns:
            the log, one line an event; the actions of `action_surprise`; rows of `HEADERS`, the nearest first.

        Raises:
            ValueError: it is too large, or no recording; the message says where reading failed.
        """
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            raise ValueError(f"Expected at most {MOST_BYTES // 10**6} MB, got {size / 1e6:.0f} MB. Cut the recording.")
        session = self.tokenizer.tokenize_session(Path(path))
        lines = self.tokenizer.decode(session.ids.tolist()).splitlines()
        if len(lines) > MOST_LINES:
            lines[MOST_LINES:] = [f"... {len(lines) - MOST_LINES} more lines"]
        vector = self.encoder.encode([Path(path)], normalize_embeddings=True)[0]
        likeness = self.vectors @ vector  # (S,)
        nearest = np.argsort(-likeness, kind="stable")[:NEAREST].tolist()
        rows = [[rank, self.names[i], round(float(likeness[i]), 3)] for rank, i in enumerate(nearest, 1)]
        return "\n".join(lines), action_surprise(self.model, self.tokenizer, session), rows


@torch.no_grad()
def action_surprise(model, tokenizer, session):
    """Returns `[(seconds, action, bits)]`: how unexpected each action is, masked as a whole, given what is around it.

    Args:
        model: with a head for masked tokens. tokenizer (`RRWebTokenizer`). session (`TokenizedSession`).
    """
    context = min(CONTEXT, model.config.max_position_embeddings)
    groups = action_groups(tokenizer, session)
    kept = np.unique(np.linspace(0, len(groups) - 1, min(len(groups), MOST_ACTIONS)).round().astype(int))
    groups = [groups[i] for i in kept.tolist()]
    found = []
    for start in range(0, len(groups), ROWS):
        part = groups[start : start + ROWS]
        rows = [masked_row(tokenizer, session, events, context) for events in part]
        ids = torch.full((len(rows), max(len(row) for row, _, _ in rows)), tokenizer.pad_token_id)  # (A, T)
        for number, (row, _, _) in enumerate(rows):
            ids[number, : len(row)] = torch.from_numpy(row)
        lengths = torch.tensor([len(row) for row, _, _ in rows])
        attended = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        types = (ids >= tokenizer.structural_vocab_size).long()  # of the true ids, as in training
        places = torch.cat([torch.arange(first, last) + n * ids.shape[1] for n, (_, first, last) in enumerate(rows)])
        true = ids.view(-1)[places]
        ids.view(-1)[places] = tokenizer.mask_token_id
        out = model(input_ids=ids, attention_mask=attended, token_type_ids=types, masked_positions=places)
        nats = torch.nn.functional.cross_entropy(out.logits.float(), true, reduction="none")
        for events, own in zip(part, nats.split([last - first for _, first, last in rows]), strict=True):
            seconds = float(session.event_times_ms[events[0]]) / 1000
            found.append((seconds, action_words(tokenizer, session, events), float(own.mean() / np.log(2))))
    return found


def action_groups(tokenizer, session):
    """Returns the events of each action, lists of event numbers: a press with its release and click is one action."""
    kinds = [_kind(tokenizer, session, event) for event in range(len(session.event_times_ms))]
    groups, last = [], None
    for event, (kind, what) in enumerate(kinds):
        if kind not in DONE:
            continue
        time = int(session.event_times_ms[event])
        again = last is not None and kind == last[0] and time - last[1] <= LONGEST_PAUSE_MS and kind != "[event:Meta]"
        started = kind == DONE[0] and (what in PRESSES[:2] or (what == PRESSES[2] and last and last[2] == PRESSES[2]))
        if again and not started:
            groups[-1].append(event)
        else:
            groups.append([event])
        last = (kind, time, what)
    return [
        events for events in groups if kinds[events[0]][0] != DONE[0] or any(kinds[i][1] in PRESSES for i in events)
    ]


def masked_row(tokenizer, session, events, context=CONTEXT):
    """Returns `(ids, first, last)`: a row of at most `context` tokens; the action is `ids[first:last]`."""
    window, borders = tokenizer.window_tokens, session.event_offsets.astype(np.int64)
    own = np.concatenate([session.ids[borders[i] : borders[i + 1]] for i in events])[: context // MASKED_SHARE]
    begin, end = int(borders[events[0]]), int(borders[events[-1] + 1])
    start = max(begin - (context - len(own) - context // 4 - 8) // 2, 0)
    page = session.contexts[int(session.context_of_event[np.searchsorted(borders, start, side="right") - 1])]
    elapsed = int(session.event_times_ms[np.searchsorted(borders, start, side="right") - 1])
    gap = window.first_gap + min(elapsed.bit_length(), window.n_gaps - 1)
    header = [window.elapsed, gap, *page[: context // 4].tolist()] if start else []
    head = np.array([window.cls, *header, window.body])
    left = session.ids[start:begin]
    right = session.ids[end : end + max(context - len(head) - len(left) - len(own) - 1, 0)]
    ids = np.concatenate([head, left, own, right, [window.sep]]).astype(np.int64)
    first = len(head) + len(left)
    return ids, first, first + len(own)


def action_words(tokenizer, session, events):
    """Returns the line of the log that says most of an action: of a press its click, of the others the last."""
    borders = session.event_offsets
    named = {_kind(tokenizer, session, event)[1]: event for event in events}
    telling = next((named[what] for what in reversed(PRESSES) if what in named), events[-1])
    text = tokenizer.decode(session.ids[borders[telling] : borders[telling + 1]].tolist())
    return text.strip().splitlines()[0].lstrip("+").strip().partition("  ")[2].strip() or text.strip()


def _kind(tokenizer, session, event):
    """Returns the names of what an event is and of what was done; its first token is a gap, then perhaps a window."""
    first, last = (int(border) for border in session.event_offsets[event : event + 2])
    names = tokenizer.convert_ids_to_tokens(session.ids[first : min(first + 6, last)].tolist())
    kind = next((i for i, name in enumerate(names) if name.startswith(("[source:", "[event:"))), None)
    if kind is None:
        return "", ""
    return names[kind], names[kind + 1] if kind + 1 < len(names) else ""
