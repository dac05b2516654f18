"""ItemTokenizer: the ids that items have in someone's data, to and from the token ids of a recommender.

`encode_histories` is the fast path: the histories of many users to one array of ids and where each user's begin.
`tok(histories=[["1193", 661], ...], padding=True, return_tensors="pt")` gives the same ids in rows with a mask.
"""

import os
from itertools import chain, repeat

import numpy as np
from transformers import AddedToken, BatchEncoding, PreTrainedTokenizer

from .item_vocabulary import (
    COLUMNS,
    LIST_COLUMNS,
    ItemVocabularyError,
    checked_column,
    checked_items,
    name_of,
    read_vocabulary,
    without_garbage_collection,
    write_vocabulary,
)

VOCAB_FILES_NAMES = {"vocab_file": "item_vocabulary.json"}
SPECIAL_TOKENS = ("[PAD]", "[MASK]", "[UNK]")
PAD_ID, MASK_ID, UNK_ID = range(3)
FIRST_ITEM_ID = 3
UNKNOWN_CHOICES = ("ignore", "error", "token")
_NAMES_IN_MESSAGE = 5


class ItemTokenizer(PreTrainedTokenizer):
    """Maps item ids to token ids; item i of the catalogue has the token id 3 + i.

    Args:
        vocab_file (`str`): `item_vocabulary.json`.
        items (list of `str` or `int`): the catalogue at hand, instead of a file.
        titles (list of `str` or `None`), years (list of `int` or `None`), genres, directors, writers (lists of lists
            of `str`): what is known of each item, in the order of `items`; all optional.

    Raises:
        ItemVocabularyError: a `ValueError`; if the file or the lists are no catalogue.

    Example:

        >>> tok = ItemTokenizer(items=["1193", "661"], titles=["Cuckoo's Nest", "James and the Giant Peach"])
        >>> ids, offsets, unknown = tok.encode_histories([[661, "1193"], ["661", "9"]])
        >>> ids.tolist(), offsets.tolist(), unknown
        ([4, 3, 4], [0, 2, 3], 1)
    """

    vocab_files_names = VOCAB_FILES_NAMES
    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012

    def __init__(
        self, vocab_file=None, items=None, titles=None, years=None, genres=None, directors=None, writers=None, **kwargs
    ):
        columns = dict(zip(COLUMNS, (titles, years, genres, directors, writers), strict=True))
        columns = {name: column for name, column in columns.items() if column is not None}
        if (vocab_file is None) == (items is None):
            raise ValueError(
                f"Expected either vocab_file or items, got {'neither' if items is None else 'both'}. Give the path of "
                f"{VOCAB_FILES_NAMES['vocab_file']}, or a list of item ids."
            )
        if items is None and columns:
            raise ValueError(
                f"Expected {', '.join(columns)} only with items, got them with vocab_file, which has its own. "
                "Leave them out."
            )
        with without_garbage_collection():
            if items is None:
                items, columns = read_vocabulary(vocab_file)
            self._items = checked_items(items)
            n = len(self._items)
            self._columns = {name: checked_column(name, column, n) for name, column in columns.items()}
            self._ids = dict(zip(self._items, range(FIRST_ITEM_ID, FIRST_ITEM_ID + n), strict=True))
        if len(self._ids) != len(self._items):
            raise _duplicates(self._items)
        names = ("pad_token", "mask_token", "unk_token")
        for name, token in zip(names, SPECIAL_TOKENS, strict=True):
            kwargs[name] = AddedToken(str(kwargs.get(name) or token), special=True, normalized=False)
        # Known from the start, so that no search through the catalogue is needed for them.
        self._added_tokens_decoder = {number: kwargs[name] for number, name in enumerate(names)}
        kwargs.setdefault("special_tokens_pattern", "none")
        super().__init__(**kwargs)

    # -- the catalogue ------------------------------------------------------------------------------------

    @property
    def items(self):
        """The ids of all items, `list[str]`, in the order of their token ids."""
        return self._items

    @property
    def titles(self):
        """The titles of all items, `list[str | None]`, or None where the catalogue has none."""
        return self._columns.get("titles")

    @property
    def years(self):
        """The years of all items, `list[int | None]`, or None where the catalogue has none."""
        return self._columns.get("years")

    @property
    def genres(self):
        """The genres of all items, `list[list[str]]`, or None where the catalogue has none."""
        return self._columns.get("genres")

    @property
    def directors(self):
        """The directors of all items, `list[list[str]]`, or None where the catalogue has none."""
        return self._columns.get("directors")

    @property
    def writers(self):
        """The writers of all items, `list[list[str]]`, or None where the catalogue has none."""
        return self._columns.get("writers")

    def __contains__(self, item):
        return name_of(item) in self._ids

    def id_of(self, item):
        """Returns the token id of an item, `int`.

        Raises:
            KeyError: if the catalogue does not hold it.
        """
        found = self._ids.get(name_of(item))
        if found is None:
            raise KeyError(f"Expected one of the {len(self._items)} items, got {item!r}. Add it with add_items.")
        return found

    def item_of(self, token_id):
        """Returns the item with a token id, `str`.

        Raises:
            IndexError: if the id is that of a special token, or of none.
        """
        index = int(token_id) - FIRST_ITEM_ID
        if not 0 <= index < len(self._items):
            raise IndexError(
                f"Expected a token id from {FIRST_ITEM_ID} to {len(self) - 1}, got {token_id}. Ids below "
                f"{FIRST_ITEM_ID} are special tokens."
            )
        return self._items[index]

    def title_of(self, token_id):
        """Returns the title of the item with a token id, its id where no title is known."""
        item = self.item_of(token_id)
        return (self.titles[int(token_id) - FIRST_ITEM_ID] if self.titles else None) or item

    def add_items(self, items, titles=None, years=None, genres=None, directors=None, writers=None):
        """Appends items to the catalogue and returns their token ids, `list[int]`; known ids do not change.

        A column that is not given gets entries of nothing; one that the catalogue lacked begins to exist.

        Raises:
            ItemVocabularyError: if an item is there already, occurs twice, or a column does not fit. Nothing is added.
        """
        items, columns = self.checked_new_items(items, titles, years, genres, directors, writers)
        first, n = len(self._items), len(items)
        for name in {**self._columns, **columns}:
            empty = self._empty(name, first) if name not in self._columns else self._columns[name]
            self._columns[name] = empty + (columns[name] if name in columns else self._empty(name, n))
        self._items = self._items + items
        token_ids = list(range(FIRST_ITEM_ID + first, FIRST_ITEM_ID + first + n))
        self._ids.update(zip(items, token_ids, strict=True))
        self._update_total_vocab_size()
        return token_ids

    def checked_new_items(self, items, titles=None, years=None, genres=None, directors=None, writers=None):
        """Returns (items, {column: list}) as `add_items` would take them, and adds nothing.

        Raises:
            ItemVocabularyError: as `add_items`.
        """
        items = checked_items(items)
        known = [item for item in items if item in self._ids]
        if known:
            raise ItemVocabularyError(
                f"Expected items that are new, got {len(known)} that are there already: {_some(known)}. Drop them."
            )
        if len(set(items)) != len(items):
            raise _duplicates(items)
        columns = dict(zip(COLUMNS, (titles, years, genres, directors, writers), strict=True))
        given = {name: column for name, column in columns.items() if column is not None}
        return items, {name: checked_column(name, column, len(items)) for name, column in given.items()}

    @staticmethod
    def _empty(name, n):
        return [[] for _ in range(n)] if name in LIST_COLUMNS else [None] * n

    # -- histories ----------------------------------------------------------------------------------------

    def encode_histories(self, histories, max_length=None, unknown="ignore"):
        """Returns (ids `int32 (N,)`, offsets `int64 (B + 1,)`, how many items are unknown).

        Args:
            histories: list of lists of item ids, `str` or `int`, oldest first; one list a user.
            max_length (`int`): newest items of a history that are kept; None keeps all.
            unknown (`str`): what becomes of an item that the catalogue does not hold. "ignore": it is left out;
                "token": it becomes [UNK]; "error": a `ValueError` names some.

        Raises:
            TypeError: if `histories` is no list of lists, or an item is neither `str` nor `int`.
            ValueError: see `unknown`.
        """
        if unknown not in UNKNOWN_CHOICES:
            raise ValueError(f"Expected unknown to be one of {', '.join(UNKNOWN_CHOICES)}, got {unknown!r}. Pass one.")
        if max_length is not None and (not isinstance(max_length, int) or max_length < 1):
            raise ValueError(f"Expected max_length to be at least 1, or None for all, got {max_length!r}. Change it.")
        check_histories(histories)
        lengths = np.fromiter(map(len, histories), np.int64, len(histories))
        names = _names_of(histories)
        ids = np.fromiter(map(self._ids.get, names, repeat(-1)), np.int32, len(names))
        known = ids >= 0
        n_unknown = len(ids) - int(np.count_nonzero(known))
        if n_unknown and unknown == "error":
            missing = [name for name, is_known in zip(names, known.tolist(), strict=True) if not is_known]
            raise ValueError(
                f"Expected items of the catalogue, got {n_unknown} that it does not hold: {_some(missing)}. Add them "
                "with add_items, or leave them out."
            )
        offsets = _offsets(lengths)
        if n_unknown and unknown == "token":
            ids[~known] = UNK_ID
        elif n_unknown:
            before = np.concatenate([[0], np.cumsum(known)])
            ids, offsets = ids[known], before[offsets]
        if max_length is not None:
            lengths = np.diff(offsets)
            from_end = np.repeat(offsets[1:], lengths) - np.arange(len(ids))
            ids, offsets = ids[from_end <= max_length], _offsets(np.minimum(lengths, max_length))
        return ids, offsets, n_unknown

    def unknown_items(self, histories):
        """Returns the different items of histories that the catalogue does not hold, `list[str]`, in order."""
        check_histories(histories)
        return [name for name in dict.fromkeys(_names_of(histories)) if name not in self._ids]

    def __call__(self, text=None, *args, histories=None, unknown="ignore", **kwargs):
        """Returns a `BatchEncoding` of histories, or of plain text, in which white space separates items.

        Args:
            text: text as for any tokenizer. "[MASK]" in it is the special token.
            histories: list of lists of item ids. Whatever an id holds, white space or "[MASK]", it is an item.
            unknown (`str`): see `encode_histories`; for histories.
            padding, truncation, max_length, padding_side, pad_to_multiple_of, return_tensors, return_attention_mask:
                as for any tokenizer, but truncation keeps the newest items.
        """
        if histories is None:
            return super().__call__(text, *args, **kwargs)
        if text is not None or args:
            raise ValueError("Expected either text or histories, got both. Pass one of them.")
        cut = bool(kwargs.pop("truncation", False)) and kwargs.get("max_length")
        ids, offsets, _ = self.encode_histories(histories, cut or None, unknown)
        rows = [row.tolist() for row in np.split(ids, offsets[1:-1])] if len(offsets) > 1 else []
        tensors = kwargs.pop("return_tensors", None)
        names = ("padding", "max_length", "pad_to_multiple_of", "padding_side", "return_attention_mask", "verbose")
        strange = sorted(set(kwargs) - set(names))
        if strange:
            raise TypeError(f"Expected with histories only {', '.join(names)}, got {', '.join(strange)}. Drop it.")
        data = {"input_ids": rows}
        if kwargs.get("return_attention_mask") is not False:
            data["attention_mask"] = [[1] * len(row) for row in rows]
        if kwargs.get("padding"):
            data = self.pad(data, **kwargs)
        return BatchEncoding(dict(data), tensor_type=tensors)

    # -- the contract of PreTrainedTokenizer --------------------------------------------------------------

    @property
    def vocab_size(self):
        return FIRST_ITEM_ID + len(self._items)

    def get_vocab(self):
        """Returns {token: id}; an item that is spelled like a special token has no place in it."""
        return {**self._ids, **self.added_tokens_encoder}

    def _update_total_vocab_size(self):
        self.total_vocab_size = self.vocab_size

    def _add_tokens(self, new_tokens, special_tokens=False):
        if new_tokens:
            raise ItemVocabularyError(
                f"Expected add_items for new items, got add_tokens with {_some(list(map(str, new_tokens)))}. Call "
                "model.add_items, which lets the model grow too, or tokenizer.add_items."
            )
        self._update_trie()  # the parent class would copy the whole catalogue to add nothing to it
        self._update_total_vocab_size()
        return 0

    def _tokenize(self, text, **kwargs):
        return text.split()

    def _convert_token_to_id(self, token):
        return self._ids.get(token, UNK_ID)

    def _convert_id_to_token(self, index):
        position = index - FIRST_ITEM_ID
        return self._items[position] if 0 <= position < len(self._items) else str(self.unk_token)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        """Writes the vocabulary file into `save_directory` and returns its path in a tuple."""
        prefix = f"{filename_prefix}-" if filename_prefix else ""
        path = os.path.join(save_directory, prefix + VOCAB_FILES_NAMES["vocab_file"])
        write_vocabulary(path, self._items, self._columns)
        return (path,)


def check_histories(histories):
    """Raises a `TypeError` unless `histories` is a list of lists: of users, and of the items of each."""
    remedy = "Pass a list of users, each a list of item ids: [[1193, 661], [914]]."
    if isinstance(histories, str | bytes | dict) or not hasattr(histories, "__len__"):
        raise TypeError(f"Expected a list of histories, got {type(histories).__name__}. {remedy}")
    for kind in set(map(type, histories)):
        if issubclass(kind, str | bytes | dict) or not hasattr(kind, "__len__") or not hasattr(kind, "__iter__"):
            raise TypeError(f"Expected each history to be a list of item ids, got {kind.__name__}. {remedy}")


def _names_of(histories):
    """Returns the ids of all items of histories, one after the other, `list[str]`."""
    if any(hasattr(kind, "tolist") for kind in set(map(type, histories))):  # arrays: their scalars are slow one by one
        histories = [history.tolist() if hasattr(history, "tolist") else history for history in histories]
    names = list(chain.from_iterable(histories))
    kinds = set(map(type, names))
    if kinds - {str, int}:
        return [name_of(name) for name in names]
    return list(map(str, names)) if int in kinds else names


def _offsets(lengths):
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def _duplicates(items):
    seen, twice = set(), []
    for item in items:
        if item in seen:
            twice.append(item)
        seen.add(item)
    return ItemVocabularyError(
        f"Expected each item once, got {len(twice)} repetitions: {_some(twice)}. Drop them; the integer 7 and the "
        "string '7' are the same item."
    )


def _some(names):
    shown = ", ".join(map(repr, names[:_NAMES_IN_MESSAGE]))
    return f"{shown}, ..." if len(names) > _NAMES_IN_MESSAGE else shown


ItemTokenizer.register_for_auto_class("AutoTokenizer")
