"""NgramTokenizer: text to the ids of words, n-grams and skip-grams, behind the interface of any tokenizer.

`encode_flat` is the fast path: a batch to one array of ids and where each text's begin. `tok(texts, padding=True)`
gives the same ids in rows. A text is plain text: "[PAD]" in it is a word in brackets.
"""

import os
from functools import cached_property
from itertools import pairwise

import numpy as np
from transformers import AddedToken, BatchEncoding, PreTrainedTokenizer

from .ngram_kernel import BACK_ENDS, numba, tokenizer_for
from .ngram_vocabulary import PAD_ID, SPECIAL_TOKENS, UNK_ID, NgramVocabulary

VOCAB_FILES_NAMES = {"vocab_file": "ngram_vocabulary.safetensors"}
NO_LIMIT = 1 << 31


class NgramTokenizer(PreTrainedTokenizer):
    """Tokenizes text by longest match over the words, n-grams and skip-grams of a vocabulary.

    Args:
        vocab_file (`str`): `ngram_vocabulary.safetensors`, mapped into memory.
        vocabulary (`NgramVocabulary`): a vocabulary at hand, instead of a file.
        back_end (`str`): "numba", the default where it can be imported, or "python": the ids are equal. Not saved.
        model_max_length (`int`, defaults to 512): most ids of a text in `encode_flat` and with `truncation=True`.

    Raises:
        ValueError: if neither or both of `vocab_file` and `vocabulary` are given.
        VocabularyFormatError: if the file is no vocabulary.

    Example:

        >>> tok = AutoTokenizer.from_pretrained(repo, trust_remote_code=True)  # doctest: +SKIP
        >>> ids, offsets = tok.encode_flat(["More than New York", "the city"])  # doctest: +SKIP
    """

    vocab_files_names = VOCAB_FILES_NAMES
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(self, vocab_file=None, vocabulary=None, back_end=None, **kwargs):
        if (vocab_file is None) == (vocabulary is None):
            raise ValueError(
                f"Expected either vocab_file or vocabulary, got {'neither' if vocabulary is None else 'both'}. Give "
                f"the path of {VOCAB_FILES_NAMES['vocab_file']}, or an NgramVocabulary."
            )
        if back_end not in (None, *BACK_ENDS):
            raise ValueError(f"Expected back_end to be one of {', '.join(BACK_ENDS)}, got {back_end!r}.")
        self.vocabulary = NgramVocabulary.load(vocab_file) if vocabulary is None else vocabulary
        self.back_end = back_end or ("python" if numba is None else "numba")
        names = {"pad_token": SPECIAL_TOKENS[PAD_ID], "unk_token": SPECIAL_TOKENS[UNK_ID]}
        for name, token in names.items():
            kwargs[name] = AddedToken(str(kwargs.get(name) or token), special=True, normalized=False)
        # Known from the start, so that no search through the vocabulary is needed for them.
        self._added_tokens_decoder = {PAD_ID: kwargs["pad_token"], UNK_ID: kwargs["unk_token"]}
        kwargs.setdefault("model_max_length", 512)
        kwargs.setdefault("split_special_tokens", True)
        kwargs.setdefault("special_tokens_pattern", "none")
        super().__init__(**kwargs)

    @cached_property
    def engine(self):
        """The `KernelTokenizer` or `ReferenceTokenizer` behind this one."""
        return tokenizer_for(self.vocabulary, self.back_end)

    # -- ids ----------------------------------------------------------------------------------------------

    def encode_flat(self, texts, max_length=None, threads=1):
        """Returns the ids of all texts, `int32 (N,)`, and where each text's begin and end, `int64 (B + 1,)`.

        Args:
            texts: list of `str`.
            max_length (`int`, defaults to `model_max_length`): most ids of one text.
            threads (`int`): how many parts of the batch numba works on at once; "python" uses one.

        Raises:
            TypeError: if `texts` is one text, or holds something else than text.
        """
        limit = self.model_max_length if max_length is None else max_length
        limit = None if limit >= NO_LIMIT else int(limit)
        if self.back_end == "numba":
            return self.engine.encode_flat(texts, limit, threads)
        return self.engine.encode_flat(texts, limit)

    def _encode_plus(self, text, text_pair=None, is_split_into_words=False, **kwargs):
        if is_split_into_words:  # the words of a text, as the text: n-grams reach across them
            text, text_pair = _joined_words(text), None if text_pair is None else _joined_words(text_pair)
        texts = [text] if isinstance(text, str) else text
        if text_pair is None and self._is_plain(texts, kwargs):
            encoding = self._encode_rows(texts, not isinstance(text, str), **kwargs)
            if encoding is not None:
                return encoding
        return super()._encode_plus(text, text_pair, **kwargs)

    def _is_plain(self, texts, arguments):
        """Returns whether the fast path does all that is asked for."""
        special = ("return_token_type_ids", "return_overflowing_tokens", "return_special_tokens_mask", "return_length")
        return (
            isinstance(texts, list | tuple)
            and all(isinstance(text, str) for text in texts)
            and not any(arguments.get(name) for name in (*special, "sanitize_control_tokens"))
            and arguments.get("split_special_tokens", self.split_special_tokens)
            and str(arguments["truncation_strategy"].value) != "only_second"
            and (self.truncation_side == "right" or arguments["truncation_strategy"].value == "do_not_truncate")
        )

    def _encode_rows(
        self,
        texts,
        batched,
        padding_strategy,
        truncation_strategy,
        max_length=None,
        pad_to_multiple_of=None,
        padding_side=None,
        return_tensors=None,
        return_attention_mask=None,
        verbose=True,
        **_,
    ):
        """Returns a `BatchEncoding`, or None where the library has to see to it."""
        cut = truncation_strategy.value != "do_not_truncate" and max_length
        ids, offsets = self.encode_flat(texts, max_length if cut else NO_LIMIT)
        lengths = np.diff(offsets)
        longest = int(lengths.max()) if len(texts) else 0
        self._eventual_warn_about_too_long_sequence(range(longest), max_length, verbose)
        if return_attention_mask is None:
            return_attention_mask = "attention_mask" in self.model_input_names
        if padding_strategy.value == "do_not_pad":
            borders = offsets.tolist()
            flat = ids.tolist()
            rows = [flat[first:last] for first, last in pairwise(borders)]
            data = {"input_ids": rows}
            if return_attention_mask:
                data["attention_mask"] = [[1] * len(row) for row in rows]
        else:
            width = max_length if padding_strategy.value == "max_length" and max_length else longest
            if longest > width:  # rows of several lengths after all
                return None
            width += -width % (pad_to_multiple_of or 1)
            places = np.arange(width)
            if (padding_side or self.padding_side) == "left":
                kept = places >= width - lengths[:, None]  # (B, T)
            else:
                kept = places < lengths[:, None]
            rows = np.full(kept.shape, self.pad_token_id, np.int64)
            rows[kept] = ids
            data = {"input_ids": rows}
            if return_attention_mask:
                data["attention_mask"] = kept.astype(np.int64)
            if return_tensors is None:
                data = {name: array.tolist() for name, array in data.items()}
        if not batched and return_tensors is None:
            data = {name: rows[0] for name, rows in data.items()}
        return BatchEncoding(data, tensor_type=return_tensors)

    # -- the contract of PreTrainedTokenizer --------------------------------------------------------------

    @property
    def vocab_size(self):
        return len(self.vocabulary)

    def get_vocab(self):
        return {**self.vocabulary.ids, **self.added_tokens_encoder}

    def _update_total_vocab_size(self):
        added = sum(i >= self.vocab_size for i in self._added_tokens_decoder)
        self.total_vocab_size = self.vocab_size + added

    def _add_tokens(self, new_tokens, special_tokens=False):
        if new_tokens:
            return super()._add_tokens(new_tokens, special_tokens)
        self._update_trie()  # the parent class would copy the whole vocabulary to add nothing to it
        self._update_total_vocab_size()
        return 0

    def _tokenize(self, text, **kwargs):
        ids, _ = self.encode_flat([text], NO_LIMIT)
        tokens = self.vocabulary.tokens
        return [tokens[i] for i in ids.tolist()]

    def _convert_token_to_id(self, token):
        return self.vocabulary.ids.get(token, UNK_ID)

    def _convert_id_to_token(self, index):
        return self.vocabulary.tokens[index] if 0 <= index < self.vocab_size else str(self.unk_token)

    def convert_tokens_to_string(self, tokens):
        """Returns the words of `tokens` in normal form; skip-grams only repeat words and are left out."""
        words = []
        for token in tokens:
            if token.startswith("##") and words:
                words[-1] += token[2:]
            elif " _ " not in token:
                words.append(token.replace("##", ""))
        return " ".join(words)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        """Writes the vocabulary file into `save_directory` and returns its path in a tuple."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = os.path.join(save_directory, prefix + VOCAB_FILES_NAMES["vocab_file"])
        self.vocabulary.save(path)
        return (path,)


def _joined_words(words):
    """Returns lists of words as texts, whatever they are nested in: a batch, or a pair."""
    if all(isinstance(word, str) for word in words):
        return " ".join(words)
    return type(words)(_joined_words(part) for part in words)


NgramTokenizer.register_for_auto_class("AutoTokenizer")
