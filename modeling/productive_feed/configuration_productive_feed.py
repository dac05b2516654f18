"""Configuration of the productive feed: a text encoder, what is known beside the text, and two heads."""

import math

from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from .encoder_classes import encoder_config_in_repository, encoder_config_of

#: The two questions, in the order of labels, logits and everything that is a pair here.
HEADS = ("interest", "productive")
POOLINGS = ("cls", "mean", "encoder")
FUSIONS = ("film", "token")
HEAD_KINDS = ("mlp", "linear", "residual")
#: Numbers that are told in the logarithm of 1 + their value.
LOGARITHMIC = ("duration", "age_days")
NUMBER_NAMES = (
    *("duration", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "age_days"),
    # how much more was liked than usual, of what was said before of this channel or category
    *("channel_interest", "channel_productive", "category_interest", "category_productive"),
)
#: Numbers of an event; the last may be left out of the input.
EVENT_NUMBER_NAMES = ("duration", "minutes_ago", "hour")

#: Sizes of BAAI/bge-m3, the encoder where nothing else is said.
DEFAULT_ENCODER = "BAAI/bge-m3"
_DEFAULT_SIZES = {
    "vocab_size": 250_002,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
_AT_LEAST_ONE = (
    "max_length",
    "event_size",
    "activity_hidden_size",
    "activity_layers",
    "activity_heads",
    "activity_queries",
    "max_events",
    "film_hidden_size",
    "head_hidden_size",
)
_FLAGS = ("encoder_saved", "normalize", "use_activity")
_RATES = ("interest_dropout", "productive_dropout", "activity_dropout", "vector_dropout")
_NOT_NEGATIVE = ("interest_loss_weight", "productive_loss_weight")
_POSITIVE = ("event_window_hours", "activity_half_life_minutes")
_SMOOTHINGS = ("interest_label_smoothing", "productive_label_smoothing")


class ProductiveFeedConfig(PreTrainedConfig):
    """Shape of a `ProductiveFeedModel`, and all that was fitted on training data beside its weights.

    Arguments:
        encoder_config (dict or config): of the text encoder; sizes of BGE-M3 by default.
        encoder_name, encoder_revision (str or None): the repository that the encoder came from. With `encoder_saved`
            they only say so; without, the encoder is loaded from there.
        encoder_sha256 (str or None): of the encoder's weights when it was named, without an adapter.
        encoder_saved (bool, True): the encoder's weights lie in the model's own repository.
        pooling (str, "cls"): from tokens to a text's vector: "cls", the first; "mean"; "encoder", what the encoder
            itself returns as `pooler_output`, as the n-gram encoder does.
        normalize (bool, True): scale text vectors to length 1.
        text_prefix (str, ""): put before every text; multilingual E5 wants "query: ".
        max_length (int, 8192): tokens of a text that are read, where the encoder takes that many.
        use_activity (bool, True): read what the person was doing. False is the model of the text and the numbers.
        activity_fusion (str, "film"): how activity meets the text. "film": it conditions the text's vector, which can
            be cached; "token": as one more token in the encoder, which then has to read every text anew.
        event_size (int, 384): width of an event. activity_hidden_size (int, 128): of what is made of them.
        activity_layers (int, 2), activity_heads (int, 4), activity_queries (int, 4), activity_dropout (float, 0.1).
        activity_half_life_minutes (float, 20): for the "linear" head, after which an event counts half.
        max_events (int, 128): newest events that are read. event_window_hours (float, 6): how far back.
        categories (list of str): names of categories that have a vector; see `category_index`.
        number_names (list of str): the inputs `numbers`, in their order.
        number_means, number_stds (list of float): of the numbers, after the logarithm for those in `LOGARITHMIC`.
        event_number_means, event_number_stds (list of 2 floats): of log(1 + seconds) and log(1 + minutes ago).
        head (str, "mlp"): "mlp" on the conditioned text; "linear" on `linear_features`; "residual": the linear one, and
            added to it an mlp on the conditioned text whose last map starts at zero.
        head_hidden_size (int, 128), film_hidden_size (int, 64).
        interest_dropout, productive_dropout (float, 0.1): in the heads. vector_dropout (float, 0): of the vectors of
            texts and events that everything but a linear head reads.
        interest_loss_weight, productive_loss_weight (float, 1): what a head's loss is multiplied by.
        interest_label_smoothing, productive_label_smoothing (float, 0).
        class_weights ([[no, yes], [no, yes]]): weights of the labels 0 and 1 of each head.
        temperatures, calibration_biases (list of 2 floats): probability = sigmoid(logit / temperature + bias).
        base_rates (list of 2 floats or None): share of 1 among each head's training labels.
        time_zone (str, "UTC"): IANA name; where hours and days of the week are read.
        lora (dict or None): {"r", "alpha", "dropout", "target"} of the adapter; see `ProductiveFeedModel.add_lora`.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message says what to change.

    Example:
        >>> ProductiveFeedConfig(encoder_config={"model_type": "bert", "hidden_size": 64}).text_size
        64
    """

    model_type = "productive_feed"
    sub_configs_defaults = {  # noqa: RUF012
        "encoder_config": SubConfigSpec(AutoConfig, model_type="xlm-roberta", init_kwargs=_DEFAULT_SIZES)
    }

    encoder_config: dict | PreTrainedConfig | None = None
    encoder_name: str | None = None
    encoder_revision: str | None = None
    encoder_sha256: str | None = None
    encoder_saved: bool = True
    pooling: str = "cls"
    normalize: bool = True
    text_prefix: str = ""
    max_length: int = 8192
    use_activity: bool = True
    activity_fusion: str = "film"
    event_size: int = 384
    activity_hidden_size: int = 128
    activity_layers: int = 2
    activity_heads: int = 4
    activity_queries: int = 4
    activity_dropout: float | int = 0.1
    vector_dropout: float | int = 0.0
    activity_half_life_minutes: float | int = 20.0
    max_events: int = 128
    event_window_hours: float | int = 6.0
    categories: list | tuple = ()
    number_names: list | tuple = NUMBER_NAMES
    number_means: list | tuple | None = None
    number_stds: list | tuple | None = None
    event_number_means: list | tuple = (0.0, 0.0)
    event_number_stds: list | tuple = (1.0, 1.0)
    head: str = "mlp"
    head_hidden_size: int = 128
    film_hidden_size: int = 64
    interest_dropout: float | int = 0.1
    productive_dropout: float | int = 0.1
    interest_loss_weight: float | int = 1.0
    productive_loss_weight: float | int = 1.0
    interest_label_smoothing: float | int = 0.0
    productive_label_smoothing: float | int = 0.0
    class_weights: list | tuple = ((1.0, 1.0), (1.0, 1.0))
    temperatures: list | tuple = (1.0, 1.0)
    calibration_biases: list | tuple = (0.0, 0.0)
    base_rates: list | tuple | None = None
    time_zone: str = "UTC"
    lora: dict | None = None

    def __post_init__(self, **kwargs):
        if self.encoder_config is None:
            self.encoder_config = {"model_type": "xlm-roberta", **_DEFAULT_SIZES}
            self.encoder_name = self.encoder_name or DEFAULT_ENCODER
        self.encoder_config = encoder_config_of(self.encoder_config, __name__)
        attention = self.encoder_config._attn_implementation
        super().__post_init__(**kwargs)
        if self._attn_implementation is None:  # which was set for the encoder too, that may be a built one's
            self.encoder_config._attn_implementation = attention
        self._check_choices()
        self._check_lists()
        self._check_fit()

    # --- what follows from the fields -----------------------------------------------------------------------

    @property
    def text_size(self) -> int:
        """Width of a text's vector, the encoder's."""
        return self.encoder_config.hidden_size

    @property
    def hidden_size(self) -> int:
        """`text_size`, under the name that trainers look for."""
        return self.text_size

    def get_text_config(self, decoder=None, encoder=None) -> PreTrainedConfig:
        """Return the encoder's config: the words are its own."""
        return self.encoder_config

    @property
    def num_features(self) -> int:
        """Width of `ProductiveFeedModel.number_features`: each number, and a flag where it is not known."""
        return 2 * len(self.number_names)

    @property
    def num_event_features(self) -> int:
        """Width of what the model is told of an event in numbers: two logarithms, the hour's sine and cosine."""
        return 4

    def category_index(self, name: str | None) -> int:
        """Return the input `event_categories` of a category: that of the deepest parent that is known, or 0.

        Example:
            >>> config = ProductiveFeedConfig(categories=["Work", "Work > Programming"])
            >>> [config.category_index(name) for name in ("Work > Programming > Python", "Work > Mail", "Games")]
            [2, 1, 0]
        """
        names = list(self.categories)
        parts = (name or "").split(" > ")
        for length in range(len(parts), 0, -1):
            path = " > ".join(parts[:length])
            if path in names:
                return 1 + names.index(path)
        return 0

    # --- repositories ---------------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, **kwargs):
        """Return the configuration of a folder or repository, as for any model.

        An encoder that transformers does not know is built from the code that lies beside the configuration.
        """
        config_dict, unused = cls.get_config_dict(pretrained_model_name_or_path, **kwargs)
        place = {name: kwargs[name] for name in _PLACE if kwargs.get(name) is not None}
        config_dict = dict(config_dict)
        config_dict["encoder_config"] = encoder_config_in_repository(
            config_dict.get("encoder_config"), pretrained_model_name_or_path, __name__, **place
        )
        return cls.from_dict(config_dict, **unused)

    # --- checks ---------------------------------------------------------------------------------------------

    def _check_choices(self):
        for name, choices in (
            ("pooling", POOLINGS),
            ("activity_fusion", FUSIONS),
            ("head", HEAD_KINDS),
        ):
            self._require(getattr(self, name) in choices, name, f"one of {', '.join(choices)}")
        for name in _FLAGS:
            self._require(isinstance(getattr(self, name), bool), name, "True or False")
        for name in _AT_LEAST_ONE:
            value = getattr(self, name)
            self._require(_is_int(value) and value >= 1, name, "an integer of at least 1")
        for name in _RATES:
            self._require(_is_number(getattr(self, name)) and 0 <= getattr(self, name) < 1, name, "from 0 to below 1")
        for name in _SMOOTHINGS:
            self._require(_is_number(getattr(self, name)) and 0 <= getattr(self, name) < 1, name, "from 0 to below 1")
        for name in _NOT_NEGATIVE:
            self._require(_is_number(getattr(self, name)) and getattr(self, name) >= 0, name, "a number of at least 0")
        for name in _POSITIVE:
            self._require(_is_number(getattr(self, name)) and getattr(self, name) > 0, name, "a number above 0")
        for name in ("encoder_name", "encoder_revision", "encoder_sha256"):
            value = getattr(self, name)
            self._require(value is None or (isinstance(value, str) and value), name, "a name or None")
        self._require(isinstance(self.text_prefix, str), "text_prefix", "a text")
        self._require(isinstance(self.time_zone, str) and self.time_zone, "time_zone", "an IANA name", 'as in "UTC"')

    def _check_lists(self):
        for name in ("number_names", "categories"):
            values = getattr(self, name)
            self._require(
                isinstance(values, (list, tuple))
                and all(isinstance(value, str) and value for value in values)
                and len(set(values)) == len(values),
                name,
                "a list of different names",
            )
            setattr(self, name, list(values))  # what JSON gives back
        N = len(self.number_names)
        if self.number_means is None:
            self.number_means = [0.0] * N
        if self.number_stds is None:
            self.number_stds = [1.0] * N
        for name, length in (
            ("number_means", N),
            ("number_stds", N),
            ("event_number_means", 2),
            ("event_number_stds", 2),
            ("temperatures", 2),
            ("calibration_biases", 2),
            ("base_rates", 2),
        ):
            values = getattr(self, name)
            if name == "base_rates" and values is None:
                continue
            self._require(
                isinstance(values, (list, tuple)) and len(values) == length and all(map(_is_number, values)),
                name,
                f"a list of {length} numbers",
            )
            setattr(self, name, [float(value) for value in values])
        for name in ("number_stds", "event_number_stds", "temperatures"):
            self._require(all(value > 0 for value in getattr(self, name)), name, "numbers above 0")
        pairs = self.class_weights
        self._require(
            isinstance(pairs, (list, tuple))
            and len(pairs) == 2
            and all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs)
            and all(_is_number(weight) and weight >= 0 for pair in pairs for weight in pair),
            "class_weights",
            "[[weight of no, weight of yes]] for each of the two heads, all at least 0",
        )
        self.class_weights = [[float(weight) for weight in pair] for pair in pairs]

    def _check_fit(self):
        size = getattr(self.encoder_config, "hidden_size", None)
        self._require(_is_int(size) and size >= 1, "encoder_config", "the config of an encoder with a hidden_size")
        self._require(
            self.activity_hidden_size % self.activity_heads == 0,
            "activity_hidden_size",
            f"a multiple of activity_heads = {self.activity_heads}",
            "change one of the two",
        )
        self._require(
            not (self.activity_fusion == "token" and self.pooling == "encoder"),
            "activity_fusion",
            "'film' where pooling is 'encoder'",
            "such an encoder takes no vectors as tokens",
        )
        self._require(
            not (self.activity_fusion == "token" and self.head != "mlp"),
            "activity_fusion",
            f"'film' where head is {self.head!r}",
            "a linear head reads the activity itself",
        )
        lora = self.lora
        self._require(
            lora is None or (isinstance(lora, dict) and {"r", "alpha", "target"} <= set(lora)),
            "lora",
            "None or a dict with r, alpha and target",
            "leave it out and call model.add_lora",
        )

    def _require(self, holds, name, expected, remedy="change this value"):
        """Raise the ValueError for the field `name` unless `holds`."""
        if not holds:
            raise ValueError(
                f"ProductiveFeedConfig: expected {name} to be {expected}, got {getattr(self, name)!r}; {remedy}."
            )


_PLACE = ("cache_dir", "force_download", "local_files_only", "token", "revision", "proxies", "code_revision")


def _is_int(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


ProductiveFeedConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(ProductiveFeedConfig.model_type, ProductiveFeedConfig, exist_ok=True)

__all__ = ["HEADS", "ProductiveFeedConfig"]
