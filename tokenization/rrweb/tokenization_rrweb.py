"""RRWebTokenizer: rrweb recordings, or plain text, to the ids of one joint vocabulary.

Ids below `structural_vocab_size` (520 by default) are structural: events, elements, attributes, places, times.
Ids from there on are byte-level BPE, so that text never becomes [UNK]. `token_type_ids` tell the two apart.
Text found in a recording goes straight to the BPE: no page can write a special or a structural token.
"""

import gc
import os
import shutil

import numpy as np
from tokenizers import Tokenizer
from transformers import AddedToken, BatchEncoding, PreTrainedTokenizer

from .rrweb_envelopes import SessionFormatError, is_batch, read_session
from .rrweb_linearizer import SessionLinearizer
from .rrweb_readable import LogWriter
from .rrweb_text import TextEncoder
from .rrweb_vocabulary import CLASSES, SPECIAL_TOKENS, StructuralVocabulary
from .rrweb_windows import WindowTokens, cut_windows

VOCAB_FILES_NAMES = {"vocab_file": "structural_vocab.json", "bpe_file": "text_bpe.json"}
LARGEST_VOCABULARY = 65_536  # ids are stored as uint16


class RRWebTokenizer(PreTrainedTokenizer):
    """Tokenizes session recordings: `tok(events=session)`; and text: `tok("sign in")`.

    A session is a list of event dicts, a wrapped dict, JSON text (`str` or `bytes`) or an `os.PathLike`; a list of
    sessions is a batch. Nothing is cut unless `truncation=True`; `windows` covers a session of any length.

    Args:
        vocab_file (`str`): `structural_vocab.json`.
        bpe_file (`str`): `text_bpe.json`, a byte-level BPE of the `tokenizers` library.
        keep_typed_text (`bool`, defaults to `False`): keep what people typed into fields instead of its length.
            Passwords are never kept.
        keep_personal_text (`bool`, defaults to `False`): keep e-mail addresses, long numbers and secrets in page text
            and addresses instead of placeholders.

    Raises:
        ValueError: if the two vocabularies have more than 65,536 ids together.

    Example:

        >>> tok = AutoTokenizer.from_pretrained(repo, trust_remote_code=True)  # doctest: +SKIP
        >>> print(tok.log(Path("session.json.gz")))  # doctest: +SKIP
    """

    vocab_files_names = VOCAB_FILES_NAMES
    add_prefix_space = False  # a text begins as it is
    model_input_names = ["input_ids", "attention_mask", "token_type_ids"]  # noqa: RUF012

    def __init__(self, vocab_file, bpe_file, keep_typed_text=False, keep_personal_text=False, **kwargs):
        self.vocab_file, self.bpe_file = str(vocab_file), str(bpe_file)
        self.keep_typed_text, self.keep_personal_text = keep_typed_text, keep_personal_text
        self.vocabulary = StructuralVocabulary.from_file(self.vocab_file)
        self.bpe = Tokenizer.from_file(self.bpe_file)
        n_structural, n_text = len(self.vocabulary), self.bpe.get_vocab_size()
        if n_structural + n_text > LARGEST_VOCABULARY:
            raise ValueError(
                f"Expected at most {LARGEST_VOCABULARY} ids in all, got {n_structural} structural + {n_text} text. "
                "Learn a smaller text vocabulary."
            )
        self.structural_vocab_size = n_structural
        self.encoder = TextEncoder(self.vocabulary, self.bpe, keep_personal_text)
        self.linearizer = SessionLinearizer(self.vocabulary, self.encoder, keep_typed_text)
        self.window_tokens = WindowTokens.from_vocabulary(self.vocabulary)
        text_tokens = {i: token for token, i in self.bpe.get_vocab().items()}
        self.id_to_token = self.vocabulary.tokens + [text_tokens[i] for i in range(n_text)]
        # a structural token wins over an equal piece of text: none is known, page marks and names are split
        self.token_to_id = {token: i for i, token in reversed(list(enumerate(self.id_to_token)))}
        self.log_writer = LogWriter(self.vocabulary.tokens, self._text_of)
        pad, unk, cls, sep, mask = SPECIAL_TOKENS
        names = {"pad_token": pad, "unk_token": unk, "cls_token": cls, "sep_token": sep, "mask_token": mask}
        for name, token in names.items():
            kwargs[name] = AddedToken(str(kwargs.get(name) or token), special=True, normalized=False)
        kwargs.setdefault("model_max_length", 2048)
        kwargs.setdefault("split_special_tokens", True)
        kwargs.setdefault("special_tokens_pattern", "cls_sep")
        super().__init__(keep_typed_text=keep_typed_text, keep_personal_text=keep_personal_text, **kwargs)

    # -- sessions -----------------------------------------------------------------------------------------

    def __call__(self, text=None, text_pair=None, *args, events=None, **kwargs):
        """Returns a `BatchEncoding` of text, or with `events=` of one session or a list of sessions.

        Args:
            text (`str` or list of `str`): plain text, never a path and never JSON.
            events: a session or a list of sessions.
            padding, truncation, max_length, pad_to_multiple_of, padding_side, return_tensors: as for any tokenizer.
                Without `truncation` a session is never cut.
        """
        if events is None:
            return super().__call__(text, text_pair, *args, **kwargs)
        if text is not None or text_pair is not None:
            raise ValueError("Expected either text or events=, got both. Call the tokenizer once for each.")
        return self._encode_sessions(events, **kwargs)

    def _encode_sessions(
        self,
        events,
        padding=False,
        truncation=False,
        max_length=None,
        pad_to_multiple_of=None,
        padding_side=None,
        return_tensors=None,
        return_attention_mask=True,
        return_token_type_ids=True,
        return_special_tokens_mask=False,
        add_special_tokens=True,
        truncation_side=None,
        **unknown,
    ):
        if unknown:
            raise TypeError(
                f"Expected padding, truncation and return_ arguments with events=, got {', '.join(unknown)}. For parts "
                "of a session, with a header each, call `windows`."
            )
        batched = is_batch(events)
        rows = self._whole_batch(events, add_special_tokens) if batched else [self._whole(events, add_special_tokens)]
        if truncation and truncation != "do_not_truncate":
            length = self.model_max_length if max_length is None else max_length
            if length < 3:
                raise ValueError(f"Expected max_length >= 3, [CLS], [SEP] and a token, got {length}.")
            side = truncation_side or self.truncation_side
            rows = [self._cut(row, length, side, add_special_tokens) for row in rows]
        encoding = self._rows(rows, return_attention_mask, return_token_type_ids)
        if return_special_tokens_mask:
            special = set(self.all_special_ids)
            encoding["special_tokens_mask"] = [[int(i in special) for i in row] for row in rows]
        if padding and padding != "do_not_pad":
            encoding = self.pad(
                encoding, padding=padding, max_length=max_length, pad_to_multiple_of=pad_to_multiple_of,
                padding_side=padding_side, return_attention_mask=return_attention_mask,
            )  # fmt: skip
        data = dict(encoding) if batched or return_tensors else {k: v[0] for k, v in encoding.items()}
        return BatchEncoding(data, tensor_type=return_tensors)

    def _whole(self, session, add_special_tokens):
        ids = self.tokenize_session(session).ids.tolist()
        tokens = self.window_tokens
        return [tokens.cls, tokens.body, *ids, tokens.sep] if add_special_tokens else ids

    def _whole_batch(self, sessions, add_special_tokens):
        rows = []
        for i, session in enumerate(sessions):
            try:
                rows.append(self._whole(session, add_special_tokens))
            except SessionFormatError as error:
                raise SessionFormatError(f"session {i} of the batch: {error.reason}", error.offset) from error
        return rows

    def _cut(self, row, length, side, add_special_tokens):
        if len(row) <= length:
            return row
        first, last = (2, 1) if add_special_tokens else (0, 0)
        body = row[first : len(row) - last]
        room = max(length - first - last, 0)
        kept = body[:room] if side == "right" else body[len(body) - room :]
        return row[:first] + kept + row[len(row) - last :]

    def _rows(self, rows, attention_mask=True, token_types=True):
        data = {"input_ids": rows}
        if attention_mask:
            data["attention_mask"] = [[1] * len(row) for row in rows]
        if token_types:
            data["token_type_ids"] = [self._token_types(row) for row in rows]
        return BatchEncoding(data)

    def _token_types(self, ids):
        return [int(i >= self.structural_vocab_size) for i in ids]

    def tokenize_session(self, session):
        """Returns the `TokenizedSession`: ids, event offsets and times, and what was skipped or repaired.

        Args:
            session: a session in any accepted form.

        Raises:
            SessionFormatError: if it is no recording; the message says where reading failed.
        """
        if is_batch(session) and not any(isinstance(part, dict) and "timestamp" in part for part in session):
            raise ValueError(
                f"Expected one session, got a list of {len(session)}. Call this once for each; `tok(events=...)` "
                "takes a batch."
            )
        # A recording is a million small objects and no cycles: looking for garbage only takes time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            return self.linearizer.run(read_session(session))
        finally:
            if collecting:
                gc.enable()

    def windows(self, session, max_length=None, padding=False, return_tensors=None, return_header_lengths=False):
        """Returns a `BatchEncoding` with a row a window; together they hold every token of the session.

        Args:
            session: one session in any accepted form, or a `TokenizedSession`.
            max_length (`int`, defaults to `model_max_length`): longest window, [CLS], header and [SEP] included.
            padding, return_tensors: as for any tokenizer.
            return_header_lengths (`bool`): also give `header_lengths`: where in each row the session's tokens begin.
        """
        if not hasattr(session, "event_offsets"):
            session = self.tokenize_session(session)
        windows, header_lengths = cut_windows(
            session, self.model_max_length if max_length is None else max_length, self.window_tokens
        )
        encoding = self._rows([ids.tolist() for ids in windows])
        if padding:
            encoding = self.pad(encoding, padding=padding, max_length=max_length)
        data = dict(encoding)
        if return_header_lengths:
            data["header_lengths"] = header_lengths
        return BatchEncoding(data, tensor_type=return_tensors)

    def log(self, session):
        """Returns the session as text, one line an action: what `decode` gives for its ids."""
        return self.log_writer.log(self.tokenize_session(session).ids.tolist())

    @property
    def token_classes(self):
        """Class of each id as an index into `CLASSES`, `uint8 (vocab_size,)`."""
        classes = np.full(len(self), CLASSES.index("text"), dtype=np.uint8)
        classes[: self.structural_vocab_size] = self.vocabulary.classes
        return classes

    # -- the contract of PreTrainedTokenizer --------------------------------------------------------------

    @property
    def vocab_size(self):
        return len(self.id_to_token)

    def get_vocab(self):
        return {**self.token_to_id, **self.added_tokens_encoder}

    def _tokenize(self, text, **kwargs):
        text = text.encode("utf-8", "replace").decode("utf-8")
        return [self.id_to_token[i] for i in self.encoder.encode_plain(text)]

    def _convert_token_to_id(self, token):
        return self.token_to_id.get(token, self.token_to_id["[UNK]"])

    def _convert_id_to_token(self, index):
        return self.id_to_token[index] if 0 <= index < len(self.id_to_token) else str(self.unk_token)

    def convert_tokens_to_string(self, tokens):
        """Returns the text or log of `tokens`."""
        return self._decode([self._convert_token_to_id_with_added_voc(token) for token in tokens])

    def _text_of(self, ids):
        first, last = self.structural_vocab_size, len(self.id_to_token)
        return self.bpe.decode([i - first for i in ids if first <= i < last], skip_special_tokens=False)

    def _decode(self, token_ids, skip_special_tokens=False, clean_up_tokenization_spaces=None, **kwargs):
        ids = [token_ids] if isinstance(token_ids, int) else [int(i) for i in token_ids]
        if self.window_tokens.body in ids or any(self._is_gap(i) for i in ids):
            return self.log_writer.log(ids)
        return self._decode_text(ids, skip_special_tokens)

    def _is_gap(self, i):
        first = self.window_tokens.first_gap
        return first <= i < first + self.window_tokens.n_gaps

    def _decode_text(self, ids, skip_special_tokens):
        """Returns plain text: BPE ids as they were, any other token by its name."""
        parts, run = [], []
        for i in [*ids, None]:
            if i is not None and self.structural_vocab_size <= i < len(self.id_to_token):
                run.append(i)
                continue
            parts.append(self._text_of(run))
            run = []
            if i is not None and not (skip_special_tokens and i in self.all_special_ids):
                added = self._added_tokens_decoder.get(i)
                parts.append(str(added) if added is not None else self._convert_id_to_token(i))
        return "".join(parts)

    def create_token_type_ids_from_sequences(self, token_ids_0, token_ids_1=None):
        return self._token_types(self.build_inputs_with_special_tokens(token_ids_0, token_ids_1))

    def _encode_plus(self, text, text_pair=None, is_split_into_words=False, **kwargs):
        if is_split_into_words:  # the words of a text, as the text: their spaces belong to the ids
            text, text_pair = _joined_words(text), None if text_pair is None else _joined_words(text_pair)
        return super()._encode_plus(text, text_pair, **kwargs)

    def prepare_for_model(self, *args, **kwargs):
        encoding = super().prepare_for_model(*args, **kwargs)
        ids = encoding.get("token_type_ids") is not None and encoding["input_ids"]
        if isinstance(ids, list):  # the parent class writes zeros where no special tokens are added
            encoding["token_type_ids"] = self._token_types(ids)
        return encoding

    def save_vocabulary(self, save_directory, filename_prefix=None):
        """Writes both vocabulary files into `save_directory` and returns their paths."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        vocab_file = os.path.join(save_directory, prefix + VOCAB_FILES_NAMES["vocab_file"])
        bpe_file = os.path.join(save_directory, prefix + VOCAB_FILES_NAMES["bpe_file"])
        if os.path.abspath(vocab_file) != os.path.abspath(self.vocab_file):
            shutil.copyfile(self.vocab_file, vocab_file)
        self.bpe.save(bpe_file)
        return vocab_file, bpe_file


def _joined_words(words):
    """Returns lists of words as texts, whatever they are nested in: a batch, or a pair."""
    if all(isinstance(word, str) for word in words):
        return " ".join(words)
    return type(words)(_joined_words(part) for part in words)


def empty_bpe():
    """Returns a byte-level BPE without merges: 256 ids, one a byte; what a vocabulary is learned on top of."""
    from tokenizers import decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={symbol: i for i, symbol in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.decoder = decoders.ByteLevel()
    return bpe


RRWebTokenizer.register_for_auto_class("AutoTokenizer")
