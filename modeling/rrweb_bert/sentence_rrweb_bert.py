"""One vector a session, for sentence-transformers: the windows of a recording, averaged over their tokens.

Axes: B sessions, W windows of all of them, N tokens of all windows one after the other, P parts, H hidden size.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import __version__ as sentence_transformers_version
from sentence_transformers.base.modules import InputModule, Module
from transformers import AutoModel, AutoTokenizer

CONFIG_NAME = "session_encoder.json"
CENTRES_FOLDER = "session_centres"
# What a person does; everything else but the address of a page is what the page shows and does.
ACTIONS = ("MouseMove MouseInteraction Scroll ViewportResize Input TouchMove MediaInteraction Drag Selection").split()
# What a token of a window belongs to: [CLS], [SEP] and time of its frame; an action; the page; an event that tells the
# address and the viewport; the same told in a header.
FRAME, ACTION, PAGE, ADDRESS, CONTEXT = range(5)
# Kinds of tokens, by what their names begin with: the pause before an action, what was done, where and how much; the
# element is every other structural token, its words are text, or the length of what is masked or was typed.
GAP, DEED, AMOUNT, ELEMENT, WORD = range(5)
KINDS = {
    **dict.fromkeys(("gap",), GAP),
    **dict.fromkeys(("source", "do", "event", "pointer", "change", "media", "input"), DEED),
    **dict.fromkeys(("x", "y", "count", "scroll", "width", "height"), AMOUNT),
    **dict.fromkeys(("length", "is:masked"), WORD),
}
POOLINGS = {"actions": ((ACTION, ADDRESS),), "all": ((ACTION, PAGE, ADDRESS),), "kinds": None}


class KindCentres(Module):
    """What the means of kinds of tokens are in an average session, to be taken off each: (P, 2 H), 0 until fitted."""

    def __init__(self, n_parts, width):
        super().__init__()
        self.register_buffer("values", torch.zeros(n_parts, width))

    def forward(self, means):
        """Return means (B, P, 2 H) without the centres, each layer's of length 1; a kind that is absent stays 0."""
        absent = (means == 0).all(-1, keepdim=True)
        layers = (means - self.values).masked_fill(absent, 0).unflatten(-1, (2, -1))
        return torch.nn.functional.normalize(layers, dim=-1).flatten(-2)

    def save(self, output_path, *args, safe_serialization=True, **kwargs):
        """Write the centres as safetensors."""
        self.save_torch_weights(str(output_path))


class SessionEncoder(InputModule):
    """Sessions or texts to the mean of their token vectors, windows of any number joined.

    Headers, [CLS] and [SEP] are attended to, not averaged, so each token of the session counts once, however it
    is cut. A long text is cut into windows too. Windows are packed, none is padded, and a window none of whose
    tokens is averaged is not computed: under "actions" most are not, for most of a recording is page content.

    Arguments:
        model (PreTrainedModel): an `RRWebBertModel`; it is set to attend within the windows of a packed row.
        tokenizer (PreTrainedTokenizer): the `RRWebTokenizer` of the same folder.
        max_seq_length (int or None): longest window in tokens; None = what model and tokenizer allow.
        normalize (bool): scale vectors to length 1.
        rows_per_forward (int): windows the model sees at once; bounds memory, not the length of a session.
        pooling (str): what is averaged: the tokens of "actions", which are what a person did and the addresses
            visited; "all" tokens; or "kinds", six means one after the other, of addresses, pauses, deeds, amounts,
            elements and words, each of the embeddings and of the last layer, without what is average and of length
            1 (12 H). It keeps apart what one mean blurs, and wants a linear layer to follow, as run_contrastive
            trains.

    Example:
        >>> encoder = SentenceTransformer(folder, trust_remote_code=True)  # doctest: +SKIP
        >>> encoder.encode([Path("session.json").read_text(), "sign in"]).shape  # doctest: +SKIP
        (2, 768)
    """

    # In the root, and under a name of its own: code of a module in a subfolder is not found when saved again.
    save_in_root = True
    config_file_name = CONFIG_NAME
    config_keys = ["max_seq_length", "normalize", "rows_per_forward", "pooling"]  # noqa: RUF012

    def __init__(self, model, tokenizer, max_seq_length=None, normalize=True, rows_per_forward=16, pooling="actions"):
        super().__init__()
        longest = min(model.config.max_position_embeddings, tokenizer.model_max_length)
        if max_seq_length is not None and not 1 <= max_seq_length <= longest:
            raise ValueError(
                f"Expected max_seq_length between 1 and {longest}, the longest window of model and "
                f"tokenizer, got {max_seq_length}; longer sessions are cut into windows, so leave it out."
            )
        if rows_per_forward < 1:
            raise ValueError(f"Expected rows_per_forward of at least 1, got {rows_per_forward}; try 16.")
        if pooling not in POOLINGS:
            raise ValueError(f"Expected pooling to be one of {', '.join(POOLINGS)}, got {pooling!r}; try 'actions'.")
        if "flash_attention" not in model.config._attn_implementation:
            model.set_attn_implementation("sdpa_varlen")
        self.model = model
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length or longest
        self.normalize = normalize
        self.rows_per_forward = rows_per_forward
        self.pooling = pooling
        if self.n_parts > 1:
            self.centres = KindCentres(self.n_parts, 2 * model.config.hidden_size)
        ids = {name: tokenizer.convert_tokens_to_ids(f"[source:{name}]") for name in ACTIONS}
        self._action_ids = np.array(list(ids.values()))
        self._meta_id, self._switch_id, self._elapsed_id = tokenizer.convert_tokens_to_ids(
            ["[event:Meta]", "[switch]", "[elapsed]"]
        )
        names = tokenizer.convert_ids_to_tokens(list(range(model.config.structural_vocab_size)))
        kinds = [KINDS.get(name[1:-1], KINDS.get(name[1:].partition(":")[0], ELEMENT)) for name in names]
        self._kind_of_id = np.array(kinds + [WORD] * (model.config.vocab_size - len(kinds)))

    @property
    def n_parts(self) -> int:
        """Number of means a vector is made of, each of the hidden size or, of two layers, of twice that."""
        return 1 if POOLINGS[self.pooling] else 6

    def get_embedding_dimension(self) -> int:
        """Return the length of a session's vector: H, or 12 H."""
        return self.model.config.hidden_size * (1 if self.n_parts == 1 else 2 * self.n_parts)

    # --- sessions to windows --------------------------------------------------------------------------------

    def preprocess(self, inputs, prompt=None, max_length=None, **kwargs):
        """Return the windows of all inputs in one packed row, each with the number of its input.

        Arguments:
            inputs (list): each a recording or a text. A str that starts with `[` or `{` is a recording in
                JSON, any other str is text; a list of events, a wrapped dict, bytes, a path or what
                `tokenizer.tokenize_session` gives is a recording.
            prompt (str or None): put before texts; recordings have none.
            max_length (int or None): longest window, `max_seq_length` when absent.

        Returns:
            dict: see `pack`.
        """
        max_length = max_length or self.max_seq_length
        return self.pack([self._windows(item, prompt or "", max_length) for item in inputs])

    def pack(self, sessions):
        """Return the features of sessions whose windows are cut already.

        Arguments:
            sessions (list): for each a list of windows, each `(ids, parts)`: two arrays of one length, `parts` as
                `window_parts` gives them.

        Returns:
            dict: input_ids (1, N), pooled (P, N) the weights of tokens, window_lengths (W,) and
            session_index (W,).
        """
        rows, pooled, session_index = [], [], []
        for number, windows in enumerate(sessions):
            for (ids, _), chosen in zip(windows, self.pooled(windows), strict=True):
                if chosen.any():
                    rows.append(ids)
                    pooled.append(chosen)
                    session_index.append(number)
        return {
            "input_ids": torch.from_numpy(np.concatenate(rows).astype(np.int64))[None],
            "pooled": torch.from_numpy(np.concatenate(pooled, axis=1)),
            "window_lengths": torch.tensor([len(row) for row in rows]),
            "session_index": torch.tensor(session_index),
        }

    def pooled(self, windows):
        """Return, for each window of one session, the weights (P, n) its tokens are averaged with; 0 leaves one out.

        Under "kinds" the n occurrences of an id in a session weigh as much as the square root of n: one more scroll
        says less than the first.

        Arguments:
            windows (list of `(ids, parts)`): all windows of the session.
        """
        ids, parts = (np.concatenate(column) for column in zip(*windows, strict=True))
        borders = np.cumsum([len(ids) for ids, _ in windows])[:-1]
        if self.n_parts == 1:  # what has no action is told by its page, what has no token of its own by its frame
            every = (*POOLINGS[self.pooling], (PAGE,), (FRAME, CONTEXT))
            chosen = next(filter(np.any, (np.isin(parts, told) for told in every)))[None]
            return np.split(chosen.astype(np.float32), borders, axis=1)
        # A header's address alone is no reason to read a window, unless a session has nothing else.
        acting = (parts == ACTION) | (parts == ADDRESS)
        is_read = [of.any() for of in np.split(acting, borders)]
        is_read = np.repeat(np.array(is_read) | (not any(is_read)), [len(ids) for ids, _ in windows])
        kinds = self._kind_of_id[ids]
        of_actions = [(parts == ACTION) & (kinds == kind) for kind in (GAP, DEED, AMOUNT, ELEMENT, WORD)]
        chosen = np.stack([((parts == ADDRESS) | (parts == CONTEXT)) & is_read, *of_actions]).astype(np.float32)
        if not chosen.any():
            chosen[0] = 1
        for weights in chosen:
            _, which, counts = np.unique(ids[weights > 0], return_inverse=True, return_counts=True)
            weights[weights > 0] = counts[which] ** -0.5
        return np.split(chosen, borders, axis=1)

    def _windows(self, item, prompt, max_length):
        """Return the windows of one input, as `pack` takes them."""
        if is_recording(item):
            session = item if hasattr(item, "event_offsets") else self.tokenizer.tokenize_session(item)
            encoding = self.tokenizer.windows(session, max_length=max_length, return_header_lengths=True)
            rows, starts = encoding["input_ids"], encoding["header_lengths"]
            own = self.parts(session)
        else:
            ids = self.tokenizer(prompt + item, add_special_tokens=False, verbose=False)["input_ids"]
            room = max_length - 2
            pieces = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
            rows = [[self.tokenizer.cls_token_id, *piece, self.tokenizer.sep_token_id] for piece in pieces]
            starts = [1] * len(rows)
            own = np.full(len(ids), ACTION)
        windows, position = [], 0
        for row, start in zip(rows, starts, strict=True):
            row, body = np.asarray(row), len(row) - 1 - start
            windows.append((row, self.window_parts(row, start, own[position : position + body])))
            position += body
        return windows

    def window_parts(self, ids, header_length, own):
        """Return what each token of a window belongs to, int64 (len(ids),).

        Arguments:
            ids (n,): the window, [CLS] header own tokens [SEP].
            header_length (int): where its own tokens begin.
            own (n - header_length - 1,): what these belong to, from `parts`.
        """
        parts = np.full(len(ids), FRAME)
        if header_length > 3 and ids[1] == self._elapsed_id:  # [CLS] [elapsed] gap address and viewport [body]
            parts[3 : header_length - 1] = CONTEXT
        parts[header_length : header_length + len(own)] = own
        return parts

    def parts(self, session):
        """Return ACTION, PAGE or ADDRESS for each token of a tokenized session, int64 (tokens,)."""
        starts = session.event_offsets[:-1].astype(np.int64)
        if not len(session.ids):
            return np.zeros(0, dtype=np.int64)
        # After the gap stands the event's kind; where another browser window takes over, its number stands between.
        second, fourth = (session.ids[np.minimum(starts + n, len(session.ids) - 1)] for n in (1, 3))
        kinds = np.where(second == self._switch_id, fourth, second)
        of_event = np.where(np.isin(kinds, self._action_ids), ACTION, PAGE)
        of_event[kinds == self._meta_id] = ADDRESS
        return np.repeat(of_event, np.diff(session.event_offsets.astype(np.int64)))

    # --- windows to vectors ---------------------------------------------------------------------------------

    def forward(self, features, **kwargs):
        """Return `features` with `sentence_embedding` (B, H), or (B, 12 H)."""
        vectors = self.means(features)  # (B, P, H) or (B, P, 2 H)
        if self.n_parts > 1:
            vectors = self.centres(vectors) / (2 * self.n_parts) ** 0.5
        elif self.normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        features["sentence_embedding"] = vectors.flatten(1).to(self.model.dtype)  # as what follows is loaded
        return features

    def means(self, features):
        """Return the mean vectors (B, P, H) of each session's parts, or of two layers (B, P, 2 H); 0 of no token."""
        pooled, lengths = features["pooled"], features["window_lengths"]
        chunks = lengths.split(self.rows_per_forward)
        tokens = [int(chunk.sum()) for chunk in chunks]
        ids = features["input_ids"].split(tokens, dim=1)
        weights = pooled.split(tokens, dim=1)
        parts = [self._sums(*chunk) for chunk in zip(ids, weights, chunks, strict=True)]
        sums, counts = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))  # (P, W, H), (P, W, 1)
        sessions = torch.arange(int(features["session_index"].max()) + 1, device=pooled.device)
        # A product with the windows of each session instead of index_add, whose order of adding varies on a GPU.
        belongs = (features["session_index"] == sessions[:, None]).to(sums.dtype)  # (B, W)
        return ((belongs @ sums) / (belongs @ counts).clamp(min=1)).transpose(0, 1)

    def _sums(self, ids, weights, lengths):
        """Return the sums (P, windows, H) of some windows' averaged token vectors, and their numbers."""
        borders = torch.nn.functional.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
        longest = int(lengths.max())
        names = {"cu_seq_lens_q": borders, "cu_seq_lens_k": borders, "max_length_q": longest, "max_length_k": longest}
        outputs = self.model(input_ids=ids, output_hidden_states=self.n_parts > 1, **names)
        hidden = outputs.last_hidden_state[0].float()  # (N, H)
        if self.n_parts > 1:
            hidden = torch.cat([outputs.hidden_states[0][0].float(), hidden], dim=-1)  # (N, 2 H)
        window = torch.repeat_interleave(torch.arange(len(lengths), device=ids.device), lengths)
        of_window = torch.arange(len(lengths), device=ids.device)[:, None] == window  # (windows, N)
        chosen = weights[:, None] * of_window  # (P, windows, N)
        return chosen @ hidden, chosen.sum(-1, keepdim=True)

    # --- files ----------------------------------------------------------------------------------------------

    def save(self, output_path, *args, safe_serialization=True, **kwargs):
        """Write the encoder (no head), the tokenizer, their code and the settings; always as safetensors."""
        self.model.save_pretrained(output_path)
        self.tokenizer.save_pretrained(output_path)
        self.save_config(output_path)
        if self.n_parts > 1:
            folder = Path(output_path, CENTRES_FOLDER)
            folder.mkdir(exist_ok=True)
            self.centres.save(folder)

    @classmethod
    def load(
        cls,
        model_name_or_path,
        subfolder="",
        token=None,
        cache_folder=None,
        revision=None,
        local_files_only=False,
        trust_remote_code=False,
        model_kwargs=None,
        processor_kwargs=None,
        config_kwargs=None,
        **kwargs,
    ):
        """Return the encoder of a folder or repository; `model_kwargs` takes dtype and the like."""
        where = {
            "subfolder": subfolder,
            "token": token,
            "revision": revision,
            "local_files_only": local_files_only,
        }
        settings = cls.load_config(model_name_or_path, cache_folder=cache_folder, **where)
        centres = None
        if settings.get("pooling") == "kinds":
            there = {**where, "subfolder": "/".join(filter(None, (subfolder, CENTRES_FOLDER)))}
            if cls.load_file_path(model_name_or_path, "model.safetensors", cache_folder=cache_folder, **there):
                centres = cls.load_torch_weights(model_name_or_path, cache_folder=cache_folder, **there)
        where.update(cache_dir=cache_folder, trust_remote_code=trust_remote_code)
        model = AutoModel.from_pretrained(
            model_name_or_path, **{**where, **(config_kwargs or {}), **(model_kwargs or {})}
        )
        tokenizer = AutoTokenizer.from_pretrained(model_name_or_path, **{**where, **(processor_kwargs or {})})
        encoder = cls(model, tokenizer, **settings)
        if centres is not None:
            encoder.centres.load_state_dict(centres)
        return encoder


def is_recording(item) -> bool:
    """Return whether an input is a recording of a session; a text is not.

    Raises:
        ValueError: it is neither; or it is one event, because events came where sessions belong.
    """
    if isinstance(item, str):
        return item.lstrip("\ufeff \t\r\n")[:1] in ("[", "{")
    if isinstance(item, dict) and isinstance(item.get("type"), int) and "timestamp" in item:
        raise ValueError(
            f"Expected a session, got a single event with the keys {sorted(item)}; a session is one list of "
            "events, so call encode([events]) and not encode(events)."
        )
    if isinstance(item, (list, dict, bytes, os.PathLike)) or hasattr(item, "event_offsets"):
        return True
    raise ValueError(
        "Expected a recording (JSON text, list of events, dict, bytes or path) or a text, got "
        f"{type(item).__name__}; convert it first."
    )


def save_sentence_transformer(
    folder, max_seq_length=None, normalize=True, rows_per_forward=16, pooling="actions"
) -> Path:
    """Return `folder`, a saved model and tokenizer, with what sentence-transformers needs to load them added.

    Afterwards `SentenceTransformer(folder, trust_remote_code=True)` works without this package, and the
    folder still loads through AutoModelForMaskedLM and every other class. To train, load it so first: an
    encoder made from the installed package would be saved under a name that only the package can import.

    Arguments:
        folder (path): what `model.save_pretrained` and `tokenizer.save_pretrained` wrote.
        max_seq_length, normalize, rows_per_forward, pooling: as for `SessionEncoder`.

    Raises:
        FileNotFoundError: the folder holds no saved model or tokenizer.
    """
    folder = Path(folder)
    for name in ("config.json", "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"Expected a saved model and tokenizer in {folder}, found no {name}; call save_pretrained of "
                "both with this folder first."
            )
    module = Path(__file__).stem
    here = {"idx": 0, "name": "0", "path": "", "type": f"{module}.{SessionEncoder.__name__}"}
    settings = {
        "max_seq_length": max_seq_length,
        "normalize": normalize,
        "rows_per_forward": rows_per_forward,
        "pooling": pooling,
    }
    versions = {
        "sentence_transformers": sentence_transformers_version,
        "transformers": transformers.__version__,
        "pytorch": torch.__version__,
    }
    about = {
        "model_type": "SentenceTransformer",
        "__version__": versions,
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "cosine",
    }
    for name, content in (
        ("modules.json", [here]),
        (CONFIG_NAME, settings),
        ("config_sentence_transformers.json", about),
    ):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if folder.resolve() != Path(__file__).resolve().parent:
        shutil.copyfile(__file__, folder / Path(__file__).name)
    return folder


__all__ = ["SessionEncoder", "is_recording", "save_sentence_transformer"]
