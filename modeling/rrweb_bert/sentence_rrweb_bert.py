"""One vector a session, for sentence-transformers: all windows of a recording, averaged over their tokens."""

import json
import os
import shutil
from pathlib import Path

import torch
import transformers
from sentence_transformers import __version__ as sentence_transformers_version
from sentence_transformers.base.modules import InputModule
from transformers import AutoModel, AutoTokenizer

CONFIG_NAME = "session_encoder.json"


class SessionEncoder(InputModule):
    """Sessions or texts to the mean of their token vectors, windows of any number joined.

    Every window of a session is a row of the model; headers, [CLS] and [SEP] are attended to, not averaged,
    so each token of the session counts once, however it is cut. A long text is cut into windows too.

    Arguments:
        model (PreTrainedModel): an `RRWebBertModel`.
        tokenizer (PreTrainedTokenizer): the `RRWebTokenizer` of the same folder.
        max_seq_length (int or None): longest window in tokens; None = what model and tokenizer allow.
        normalize (bool): scale vectors to length 1.
        rows_per_forward (int): windows the model sees at once; bounds memory, not the length of a session.

    Example:
        >>> encoder = SentenceTransformer(folder, trust_remote_code=True)  # doctest: +SKIP
        >>> encoder.encode([Path("session.json").read_text(), "sign in"]).shape  # doctest: +SKIP
        (2, 768)
    """

    # In the root, and under a name of its own: code of a module in a subfolder is not found when saved again.
    save_in_root = True
    config_file_name = CONFIG_NAME
    config_keys = ["max_seq_length", "normalize", "rows_per_forward"]  # noqa: RUF012

    def __init__(self, model, tokenizer, max_seq_length=None, normalize=True, rows_per_forward=16):
        super().__init__()
        longest = min(model.config.max_position_embeddings, tokenizer.model_max_length)
        if max_seq_length is not None and not 1 <= max_seq_length <= longest:
            raise ValueError(
                f"Expected max_seq_length between 1 and {longest}, the longest window of model and "
                f"tokenizer, got {max_seq_length}; longer sessions are cut into windows, so leave it out."
            )
        if rows_per_forward < 1:
            raise ValueError(f"Expected rows_per_forward of at least 1, got {rows_per_forward}; try 16.")
        self.model = model
        self.tokenizer = tokenizer
        self.max_seq_length = max_seq_length or longest
        self.normalize = normalize
        self.rows_per_forward = rows_per_forward

    def get_embedding_dimension(self) -> int:
        """Return the length H of a session's vector."""
        return self.model.config.hidden_size

    # --- sessions to rows ----------------------------------------------------------------------------------

    def preprocess(self, inputs, prompt=None, max_length=None, **kwargs):
        """Return the windows of all inputs as rows, each with the number of its input.

        Arguments:
            inputs (list): each a recording or a text. A str that starts with `[` or `{` is a recording in
                JSON, any other str is text; a list of events, a wrapped dict, bytes or a path is a recording.
            prompt (str or None): put before texts; recordings have none.
            max_length (int or None): longest window, `max_seq_length` when absent.

        Returns:
            dict: input_ids, attention_mask, token_type_ids, body_mask (rows, T) and session_index (rows,).
        """
        max_length = max_length or self.max_seq_length
        rows, body_masks, session_index = [], [], []
        for number, item in enumerate(inputs):
            windows, masks = self._windows(item, prompt or "", max_length)
            if not any(map(any, masks)):  # a session without a single token of its own still needs a vector
                masks = [[1] * len(ids) for ids in windows]
            rows += windows
            body_masks += masks
            session_index += [number] * len(windows)
        features = dict(self.tokenizer.pad({"input_ids": rows}, padding_side="right", return_tensors="pt"))
        types = features["input_ids"] >= self.model.config.structural_vocab_size
        features["token_type_ids"] = types.long()
        width = features["input_ids"].shape[1]
        features["body_mask"] = torch.tensor([mask + [0] * (width - len(mask)) for mask in body_masks])
        features["session_index"] = torch.tensor(session_index)
        return features

    def _windows(self, item, prompt, max_length):
        """Return the rows of ids of one input, and for each row 1 where a token is the input's own."""
        if is_recording(item):
            encoding = self.tokenizer.windows(item, max_length=max_length, return_header_lengths=True)
            rows, starts = encoding["input_ids"], encoding["header_lengths"]
        else:
            ids = self.tokenizer(prompt + item, add_special_tokens=False, verbose=False)["input_ids"]
            room = max_length - 2
            pieces = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
            rows = [[self.tokenizer.cls_token_id, *piece, self.tokenizer.sep_token_id] for piece in pieces]
            starts = [1] * len(rows)
        rows = [list(row) for row in rows]
        masks = [
            [int(start <= i < len(row) - 1) for i in range(len(row))] for row, start in zip(rows, starts, strict=True)
        ]
        return rows, masks

    # --- rows to vectors ------------------------------------------------------------------------------------

    def forward(self, features, **kwargs):
        """Return `features` with `sentence_embedding` (sessions, H)."""
        body = features["body_mask"]
        lengths = features["attention_mask"].sum(1)
        # Windows of like length together, each group no wider than its longest: padding is not computed.
        groups = lengths.argsort(descending=True, stable=True).split(self.rows_per_forward)
        sums = [self._sum_of_body(features, rows, int(lengths[rows].max())) for rows in groups]
        back = torch.cat(groups).argsort()
        sums = torch.cat(sums)[back]  # (rows, H)
        sessions = torch.arange(int(features["session_index"].max()) + 1, device=body.device)
        # A product with the rows of each session instead of index_add, whose order of adding varies on a GPU.
        belongs = (features["session_index"] == sessions[:, None]).to(sums.dtype)  # (sessions, rows)
        vectors = (belongs @ sums) / (belongs @ body.sum(1).to(sums.dtype))[:, None]
        if self.normalize:
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        features["sentence_embedding"] = vectors
        return features

    def _sum_of_body(self, features, rows, width):
        """Return the sum (len(rows), H) of the body's token vectors of some rows, in single precision."""
        names = ("input_ids", "attention_mask", "token_type_ids")
        hidden = self.model(**{name: features[name][rows, :width] for name in names}).last_hidden_state
        return (hidden.float() * features["body_mask"][rows, :width, None]).sum(1)

    # --- files ----------------------------------------------------------------------------------------------

    def save(self, output_path, *args, safe_serialization=True, **kwargs):
        """Write the encoder (no head), the tokenizer, their code and the settings; always as safetensors."""
        self.model.save_pretrained(output_path)
        self.tokenizer.save_pretrained(output_path)
        self.save_config(output_path)

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
        where.update(cache_dir=cache_folder, trust_remote_code=trust_remote_code)
        model = AutoModel.from_pretrained(
            model_name_or_path, **{**where, **(config_kwargs or {}), **(model_kwargs or {})}
        )
        tokenizer = AutoTokenizer.from_pretrained(model_name_or_path, **{**where, **(processor_kwargs or {})})
        return cls(model, tokenizer, **settings)


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
    if isinstance(item, (list, dict, bytes, os.PathLike)):
        return True
    raise ValueError(
        "Expected a recording (JSON text, list of events, dict, bytes or path) or a text, got "
        f"{type(item).__name__}; convert it first."
    )


def save_sentence_transformer(folder, max_seq_length=None, normalize=True, rows_per_forward=16) -> Path:
    """Return `folder`, a saved model and tokenizer, with what sentence-transformers needs to load them added.

    Afterwards `SentenceTransformer(folder, trust_remote_code=True)` works without this package, and the
    folder still loads through AutoModelForMaskedLM and every other class. To train, load it so first: an
    encoder made from the installed package would be saved under a name that only the package can import.

    Arguments:
        folder (path): what `model.save_pretrained` and `tokenizer.save_pretrained` wrote.
        max_seq_length, normalize, rows_per_forward: as for `SessionEncoder`.

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
