"""What BERT4Rec and SASRec have in common: a transformer over items, a loss over the catalogue, fused metadata."""

from transformers.activations import ACT2FN

from .configuration_recommender import RecommenderConfig, is_int, is_number

METADATA_FUSIONS = ("none", "add", "concat", "gate")
METADATA_FEATURES = ("genre", "director", "writer", "title")
OUTPUT_EMBEDDINGS = ("item", "fused", "own")
SEQUENTIAL_LOSSES = ("full", "sampled", "gbce")
AT_LEAST_ONE = (
    "max_history",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "num_negatives",
)
COUNTS = ("num_genres", "num_directors", "num_writers", "max_genres", "max_writers", "title_embedding_size")


class SequentialRecommenderConfig(RecommenderConfig):
    """Configuration that `Bert4RecConfig` and `SASRecConfig` extend.

    Args:
        max_history (`int`): newest items that are read, at least 1: each has a position of its own.
        hidden_size (`int`): width of items, states and queries.
        num_hidden_layers, num_attention_heads (`int`).
        intermediate_size (`int`, *optional*): of the feed-forward part; four times `hidden_size` by default.
        hidden_act (`str`).
        hidden_dropout_prob (`float`): of the input and of each part's result.
        attention_probs_dropout_prob (`float`): of attention weights; above zero a CPU takes a much slower path.
        layer_norm_eps (`float`).
        initializer_range (`float`): deviation of initial weights.
        xavier_layers (`bool`): layers' weights begin with a deviation by their width instead (Glorot, Bengio 2010).
        scale_embeddings (`bool`): multiply items' vectors by the root of `hidden_size` where they are read.
        loss (`str`): "full" cross-entropy; "sampled" softmax or "gbce" with `num_negatives` for large catalogues.
        num_negatives (`int`): drawn for a batch and shared by its positions.
        gbce_calibration (`float`): t of gBCE, 0 to 1.
        output_embedding (`str`): an item is scored by its own input vector ("item"), by that vector with its metadata
            ("fused", so that items never seen in training can be scored), or by a vector of its own ("own").
        output_bias (`bool`): one number an item, which learns how popular it is.
        metadata_fusion (`str`): "none", "add", "concat" or "gate".
        metadata_features (list of `str`): which of "genre", "director", "writer", "title" are fused.
        num_genres, num_directors, num_writers (`int`): how many there are; ids are 1 ... n, 0 is none.
        max_genres, max_writers (`int`): most of one item.
        title_embedding_size (`int`): width of the stored title vectors.
        title_encoder, title_encoder_revision (`str`, *optional*): the sentence encoder that made them.

    Raises:
        ValueError: a value is not one of those listed, or sizes do not fit together.
    """

    hidden_size: int = 256
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    intermediate_size: int | None = None
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.2
    attention_probs_dropout_prob: float = 0.0
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    xavier_layers: bool = False
    scale_embeddings: bool = False
    loss: str = "full"
    num_negatives: int = 256
    gbce_calibration: float = 0.75
    output_embedding: str = "item"
    output_bias: bool = True
    metadata_fusion: str = "none"
    metadata_features: list | None = None
    num_genres: int = 0
    num_directors: int = 0
    num_writers: int = 0
    max_genres: int = 0
    max_writers: int = 0
    title_embedding_size: int = 0
    title_encoder: str | None = None
    title_encoder_revision: str | None = None

    def __post_init__(self, **kwargs):
        if self.intermediate_size is None and is_int(self.hidden_size):
            self.intermediate_size = 4 * self.hidden_size
        if self.metadata_features is None:
            self.metadata_features = []
        super().__post_init__(**kwargs)
        for name in AT_LEAST_ONE:
            self._require(is_int(getattr(self, name)) and getattr(self, name) >= 1, name, "an integer of at least 1")
        for name in COUNTS:
            self._require(is_int(getattr(self, name)) and getattr(self, name) >= 0, name, "an integer of at least 0")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            rate = getattr(self, name)
            self._require(is_number(rate) and 0 <= rate < 1, name, "a number from 0 to below 1")
        t = self.gbce_calibration
        self._require(is_number(t) and 0 <= t <= 1, "gbce_calibration", "a number from 0 to 1")
        self._require(self.hidden_act in ACT2FN, "hidden_act", "an activation of transformers", 'use "gelu" or "relu"')
        for name, allowed in (
            ("loss", SEQUENTIAL_LOSSES),
            ("output_embedding", OUTPUT_EMBEDDINGS),
            ("metadata_fusion", METADATA_FUSIONS),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"Expected {name} to be one of {', '.join(allowed)}, got {getattr(self, name)!r}. Use one of them."
                )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"Expected hidden_size to be a multiple of num_attention_heads, got {self.hidden_size} and "
                f"{self.num_attention_heads}. Change one of them."
            )
        twice = len(set(self.metadata_features)) < len(self.metadata_features)
        self._require(not twice, "metadata_features", "names that occur once", "leave out the repetitions")
        unknown = [name for name in self.metadata_features if name not in METADATA_FEATURES]
        if unknown:
            raise ValueError(
                f"Expected metadata_features out of {', '.join(METADATA_FEATURES)}, got {unknown}. Leave them out."
            )
        if self.metadata_fusion != "none" and not self.metadata_features:
            raise ValueError(
                f"Expected metadata_features for metadata_fusion {self.metadata_fusion!r}, got none. Name some of "
                f"{', '.join(METADATA_FEATURES)}, or set metadata_fusion to 'none'."
            )
        if self.metadata_fusion == "none" and self.output_embedding == "fused":
            raise ValueError(
                "Expected metadata_fusion for output_embedding 'fused', got 'none'. Set output_embedding to 'item'."
            )
