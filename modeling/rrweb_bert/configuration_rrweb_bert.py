"""Configuration of RRWebBERT, a bidirectional encoder of rrweb session recordings."""

from transformers import AutoConfig, PreTrainedConfig

#: Token ids are stored as uint16 in prepared data sets, so no vocabulary may be larger than this.
MAX_VOCAB_SIZE = 65_536

#: Ids of the documented structural vocabulary, see the tokenizer.
STRUCTURAL_VOCAB_SIZE = 520

_AT_LEAST_ONE = (
    "vocab_size",
    "structural_vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
)


class RRWebBertConfig(PreTrainedConfig):
    """Shape of an RRWebBERT model; the defaults are the base size.

    Arguments:
        vocab_size (int, 12520): number of token ids, structural and text together; at most 65,536.
        structural_vocab_size (int, 520, or vocab_size where that is less): ids below this are structural (special
            tokens, events, tags ...), ids from it on are text. It decides the embedding table of an id and its
            default token type.
        hidden_size (int, 768): width of the encoder; a multiple of `num_attention_heads`.
        num_hidden_layers (int, 12), num_attention_heads (int, 12), intermediate_size (int, 3072): the layers.
        hidden_act (str, "gelu"): activation of the feed-forward layers and of the masked-token head.
        hidden_dropout_prob (float, 0.1), attention_probs_dropout_prob (float, 0.1): dropout, in [0, 1).
        max_position_embeddings (int, 2048): longest window in tokens.
        rope_theta (float, 10000.0): base of the wavelengths of rotary positions.
        type_vocab_size (int, 2): token types; 0 = structural, 1 = text.
        initializer_range (float, 0.02): standard deviation of the initial weights.
        layer_norm_eps (float, 1e-12): epsilon of every layer norm.
        pad_token_id (int or None, 0): its embedding starts at zero and gets no gradient from the input side.
        classifier_dropout (float or None, None): dropout before the classifier; None = `hidden_dropout_prob`.
        tie_word_embeddings (bool, True): share both embedding tables with the masked-token decoder.
        pooled_marks (list of int or None, None): the classifier averages the tokens of events that hold one of these
            ids; None = all tokens.
        event_starts (pair of int or None, None): first id, and number, of the tokens that events begin with; needed
            with `pooled_marks`.
        action_kinds, action_targets (list of str or None, None): what the next-action head tells apart, by name; None =
            the names in modeling_rrweb_next_action.py.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message says what to change.

    Example:
        >>> RRWebBertConfig(hidden_size=64, num_attention_heads=4, num_hidden_layers=2).text_vocab_size
        12000
    """

    model_type = "rrweb_bert"

    vocab_size: int = 12_520
    structural_vocab_size: int | None = None
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    max_position_embeddings: int = 2048
    rope_theta: float | int = 10_000.0
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    classifier_dropout: float | int | None = None
    tie_word_embeddings: bool = True
    pooled_marks: list[int] | None = None
    event_starts: list[int] | None = None
    action_kinds: list[str] | None = None
    action_targets: list[str] | None = None

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        if self.structural_vocab_size is None and _is_int(self.vocab_size):
            self.structural_vocab_size = min(STRUCTURAL_VOCAB_SIZE, self.vocab_size)
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            self._require(_is_int(value) and value >= 1, name, "an integer of at least 1")
        self._require(
            self.structural_vocab_size <= self.vocab_size,
            "structural_vocab_size",
            f"at most vocab_size = {self.vocab_size}",
            "raise vocab_size: it counts structural and text ids together",
        )
        self._require(
            self.vocab_size <= MAX_VOCAB_SIZE,
            "vocab_size",
            f"at most {MAX_VOCAB_SIZE}, because ids are stored as uint16",
            "train a smaller text vocabulary",
        )
        self._require(
            self.hidden_size % self.num_attention_heads == 0,
            "hidden_size",
            f"a multiple of num_attention_heads = {self.num_attention_heads}",
            "change one of the two",
        )
        self._require(
            self.hidden_size // self.num_attention_heads % 2 == 0,
            "hidden_size",
            f"an even multiple of num_attention_heads = {self.num_attention_heads}, for rotary positions turn channels "
            "in pairs",
            "change one of the two",
        )
        self._require(_is_number(self.rope_theta) and self.rope_theta > 0, "rope_theta", "a number above 0")
        self._require(
            _is_int(self.type_vocab_size) and self.type_vocab_size >= 2,
            "type_vocab_size",
            "an integer of at least 2 (0 = structural, 1 = text)",
        )
        pad = self.pad_token_id
        self._require(
            pad is None or (_is_int(pad) and 0 <= pad < self.vocab_size),
            "pad_token_id",
            f"None or an id in [0, {self.vocab_size})",
        )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            value = getattr(self, name)
            optional = name == "classifier_dropout" and value is None
            self._require(optional or (_is_number(value) and 0 <= value < 1), name, "a number in [0, 1)")
        marks, starts = self.pooled_marks, self.event_starts
        self._require(
            marks is None or (isinstance(marks, (list, tuple)) and marks and all(map(_is_int, marks))),
            "pooled_marks",
            "None or a list of ids",
        )
        are_starts = isinstance(starts, (list, tuple)) and len(starts) == 2 and all(map(_is_int, starts))
        self._require(
            are_starts or (starts is None and marks is None),
            "event_starts",
            "the first id, and the number, of the tokens that events begin with",
            "take them from tokenizer.window_tokens: [first_gap, n_gaps]",
        )
        for name in ("action_kinds", "action_targets"):
            names = getattr(self, name)
            are_names = isinstance(names, (list, tuple)) and all(isinstance(each, str) for each in names)
            holds = names is None or (are_names and 2 <= len(set(names)) == len(names))
            self._require(holds, name, "None or a list of at least two different names")
        epsilon, deviation = self.layer_norm_eps, self.initializer_range
        self._require(_is_number(epsilon) and epsilon > 0, "layer_norm_eps", "a number above 0")
        self._require(_is_number(deviation) and deviation >= 0, "initializer_range", "a number of at least 0")

    def _require(self, holds, name, expected, remedy="change this value"):
        if not holds:
            raise ValueError(
                f"RRWebBertConfig: expected {name} to be {expected}, got {getattr(self, name)!r}; {remedy}."
            )

    @property
    def text_vocab_size(self) -> int:
        """Number of text ids: `vocab_size - structural_vocab_size`."""
        return self.vocab_size - self.structural_vocab_size


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


RRWebBertConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(RRWebBertConfig.model_type, RRWebBertConfig, exist_ok=True)

__all__ = ["MAX_VOCAB_SIZE", "RRWebBertConfig"]
