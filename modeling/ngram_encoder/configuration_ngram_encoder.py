"""Configuration of the n-gram encoder, which turns a set of vocabulary entries into one vector."""

from transformers import AutoConfig, PreTrainedConfig

POOLINGS = ("attention", "sif", "mean")
PHIS = ("none", "mlp")
RHOS = ("none", "linear", "mlp")
SIMILARITIES = ("cosine", "dot")
TABLE_DTYPES = ("float32", "float16", "int8")
DOCUMENTS = ("student", "teacher")

_CHOICES = {
    "pooling": POOLINGS,
    "phi": PHIS,
    "rho": RHOS,
    "similarity": SIMILARITIES,
    "table_dtype": TABLE_DTYPES,
    "documents": DOCUMENTS,
}
_AT_LEAST_ONE = (
    "vocab_size",
    "hidden_size",
    "embedding_size",
    "num_attention_heads",
    "phi_hidden_size",
    "rho_hidden_size",
    "num_self_attention_heads",
)
_FLAGS = ("composed_entries", "normalize", "folded", "document_map")


class NgramEncoderConfig(PreTrainedConfig):
    """Shape of an n-gram encoder; the defaults fit a teacher of width 384.

    Arguments:
        vocab_size (int, 30000): number of entries of the vocabulary, special ones included.
        hidden_size (int, 384): width of a text's vector, the teacher's.
        embedding_size (int, `hidden_size`): width of the table.
        pooling (str, "attention"): weight of an entry in the mean. "attention": a learned logit an entry and head,
            plus a linear map of phi's output where there is a phi; "sif": fixed, a / (a + frequency); "mean": 1.
        num_attention_heads (int, 1): blocks of the table's width that are weighted each by itself.
        phi (str, "none"): what a table row goes through. "mlp": a residual network of width `phi_hidden_size`; it
            costs nothing after `fold`.
        phi_hidden_size (int, 1024): see phi.
        rho (str, "none"): what the pooled vector goes through. "linear" costs nothing after `fold` where there is
            one head; "mlp" adds a residual network of width `rho_hidden_size`, which every text pays for.
        rho_hidden_size (int, 128): see rho.
        num_self_attention_layers (int, 0): layers in which the entries of a text see each other. Such a model
            cannot be folded.
        num_self_attention_heads (int, 6): heads of these layers; divides `embedding_size` where there are layers.
        composed_entries (bool, True): the contribution of an n-gram or skip-gram is that of its words plus a
            residual of its own; otherwise it is an entry like any other.
        matryoshka_dims (list of int, []): prefixes of the vector that training made usable by themselves.
        normalize (bool, True): scale vectors to length 1.
        similarity (str, "cosine"): how vectors are compared, "cosine" or "dot".
        initializer_range (float, 0.02): standard deviation of the initial weights.
        layer_norm_eps (float, 1e-6): epsilon of every layer norm.
        pad_token_id (int, 0): the entry that contributes nothing. unk_token_id (int, 1): the entry of a text
            without any other.
        folded (bool, False): the model is a folded one: a premultiplied table and the weights.
        table_dtype (str, "float32"): storage of a folded table, "float32", "float16" or "int8".
        teacher_name, teacher_revision, teacher_pooling (str or None, None): the sentence encoder that the model was
            distilled from.
        documents (str, "student"): who encodes documents, this model or the teacher, loaded by name and revision.
        document_map (bool, False): the repository holds a linear map for the teacher's document vectors.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message says what to change.

    Example:
        >>> NgramEncoderConfig(vocab_size=1000, hidden_size=64, num_attention_heads=4).embedding_size
        64
    """

    model_type = "ngram_encoder"
    attribute_map = {"num_hidden_layers": "num_self_attention_layers"}  # noqa: RUF012

    vocab_size: int = 30_000
    hidden_size: int = 384
    embedding_size: int | None = None
    pooling: str = "attention"
    num_attention_heads: int = 1
    phi: str = "none"
    phi_hidden_size: int = 1024
    rho: str = "none"
    rho_hidden_size: int = 128
    num_self_attention_layers: int = 0
    num_self_attention_heads: int = 6
    composed_entries: bool = True
    matryoshka_dims: list | tuple = ()
    normalize: bool = True
    similarity: str = "cosine"
    initializer_range: float | int = 0.02
    layer_norm_eps: float | int = 1e-6
    pad_token_id: int = 0
    unk_token_id: int = 1
    folded: bool = False
    table_dtype: str = "float32"
    teacher_name: str | None = None
    teacher_revision: str | None = None
    teacher_pooling: str | None = None
    documents: str = "student"
    document_map: bool = False

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        if self.embedding_size is None:
            self.embedding_size = self.hidden_size
        for name, choices in _CHOICES.items():
            self._require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        for name in _FLAGS:
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            self._require(_is_int(value) and value >= 1, name, "an integer of at least 1")
        layers = self.num_self_attention_layers
        self._require(_is_int(layers) and layers >= 0, "num_self_attention_layers", "an integer of at least 0")
        self._require(
            self.embedding_size % self.num_attention_heads == 0,
            "embedding_size",
            f"a multiple of num_attention_heads = {self.num_attention_heads}",
            "change one of the two",
        )
        self._require(
            layers == 0 or self.embedding_size % self.num_self_attention_heads == 0,
            "embedding_size",
            f"a multiple of num_self_attention_heads = {self.num_self_attention_heads}",
            "change one of the two",
        )
        self._require(
            self.rho != "none" or self.embedding_size == self.hidden_size,
            "embedding_size",
            f"hidden_size = {self.hidden_size} where rho is 'none'",
            "set rho='linear' for a table of another width",
        )
        self._require(
            not (self.folded and layers),
            "num_self_attention_layers",
            "0 in a folded model",
            "entries that see each other have no table row of their own; keep the model unfolded",
        )
        self._require(
            self.folded or self.table_dtype == "float32",
            "table_dtype",
            "'float32' in a model that is not folded",
            "train in float32 and call fold(table_dtype=...)",
        )
        dims = self.matryoshka_dims
        self._require(
            isinstance(dims, (list, tuple)) and all(_is_int(d) and 1 <= d <= self.hidden_size for d in dims),
            "matryoshka_dims",
            f"a list of integers between 1 and hidden_size = {self.hidden_size}",
        )
        self.matryoshka_dims = list(dims)  # what JSON gives back
        for name in ("pad_token_id", "unk_token_id"):
            value = getattr(self, name)
            self._require(_is_int(value) and 0 <= value < self.vocab_size, name, f"an id in [0, {self.vocab_size})")
        for name in ("teacher_name", "teacher_revision", "teacher_pooling"):
            value = getattr(self, name)
            self._require(value is None or (isinstance(value, str) and value), name, "a name or None")
        self._require(
            self.documents == "student" or self.teacher_name is not None,
            "teacher_name",
            "the name of a sentence encoder, because documents is 'teacher'",
            "name it, or set documents='student'",
        )
        deviation, epsilon = self.initializer_range, self.layer_norm_eps
        self._require(_is_number(deviation) and deviation >= 0, "initializer_range", "a number of at least 0")
        self._require(_is_number(epsilon) and epsilon > 0, "layer_norm_eps", "a number above 0")

    def _require(self, holds, name, expected, remedy="change this value"):
        if not holds:
            raise ValueError(
                f"NgramEncoderConfig: expected {name} to be {expected}, got {getattr(self, name)!r}; {remedy}."
            )


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


NgramEncoderConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(NgramEncoderConfig.model_type, NgramEncoderConfig, exist_ok=True)

__all__ = ["NgramEncoderConfig"]
