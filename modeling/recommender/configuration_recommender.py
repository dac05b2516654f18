"""What the configuration of every recommender holds: the ids of the special tokens, and how much history is read."""

from transformers import AutoConfig, PreTrainedConfig

#: Ids below are special: [PAD], [MASK] and [UNK]. Item i of the tokenizer has the id FIRST_ITEM_ID + i.
FIRST_ITEM_ID = 3
#: Score of ids that are no items: below that of any item, and finite, as outputs of models are expected to be.
NO_ITEM_SCORE = -1e9


def is_int(value) -> bool:
    """Return whether `value` is an integer; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value) -> bool:
    """Return whether `value` is an integer or a float; True and False are neither."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class RecommenderConfig(PreTrainedConfig):
    """Shape of a recommender; every recommender's own configuration extends it.

    Arguments:
        vocab_size (int, 1003): number of token ids: FIRST_ITEM_ID special ones and one an item.
        max_history (int, 200): newest items of a history that the model reads; 0 reads all.
        pad_token_id (int, 0), mask_token_id (int, 1), unk_token_id (int, 2): ids of the special tokens; fixed.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message says what to change.

    Example:
        >>> RecommenderConfig(vocab_size=3 + 50).num_items
        50
    """

    model_type = "recommender"

    vocab_size: int = 1003
    max_history: int = 200
    pad_token_id: int = 0
    mask_token_id: int = 1
    unk_token_id: int = 2

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        size, history = self.vocab_size, self.max_history
        self._require(
            is_int(size) and size >= FIRST_ITEM_ID,
            "vocab_size",
            f"an integer of at least {FIRST_ITEM_ID}, the number of special tokens",
            f"set it to {FIRST_ITEM_ID} + the number of items, or to len(tokenizer)",
        )
        self._require(
            is_int(history) and history >= 0, "max_history", "an integer of at least 0", "0 reads whole histories"
        )
        for expected, name in enumerate(("pad_token_id", "mask_token_id", "unk_token_id")):
            value = getattr(self, name)
            self._require(is_int(value) and value == expected, name, str(expected), "leave it out: it is fixed")

    @property
    def num_items(self) -> int:
        """Number of items in the catalogue."""
        return self.vocab_size - FIRST_ITEM_ID

    def _require(self, holds, name, expected, remedy="change this value"):
        """Raise the ValueError for the field `name` unless `holds`."""
        if not holds:
            raise ValueError(
                f"{type(self).__name__}: expected {name} to be {expected}, got {getattr(self, name)!r}; {remedy}."
            )


RecommenderConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(RecommenderConfig.model_type, RecommenderConfig, exist_ok=True)

__all__ = ["FIRST_ITEM_ID", "NO_ITEM_SCORE", "RecommenderConfig", "is_int", "is_number"]
