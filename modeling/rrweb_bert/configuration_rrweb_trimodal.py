"""Configuration of the trimodal model: texts, screenshots and rrweb windows in one space."""

import math

from transformers import AutoConfig, PreTrainedConfig

from .configuration_rrweb_bert import RRWebBertConfig

#: The three kinds of input, in the order of everything that is a triple here.
MODALITIES = ("text", "image", "session")

#: The pairs that are learned from, each with a temperature of its own.
PAIRS = (("text", "image"), ("text", "session"), ("image", "session"))

#: Where the encoders of a new model come from when nobody says otherwise; the third is the user's own.
TEXT_ENCODER = ("sentence-transformers/all-MiniLM-L6-v2", "c9745ed1d9f207416be6d2e6f8de32d1f16199bf")
VISION_ENCODER = ("openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268")

#: Sizes of the text encoder named above; those of the vision encoder are transformers' defaults.
_TEXT_SIZES = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
_VISION_SIZES = {"model_type": "clip_vision_model"}


class RRWebTrimodalConfig(PreTrainedConfig):
    """Shape of an `RRWebTrimodalModel`; by default MiniLM (384), CLIP ViT-B/32 (768) and RRWebBERT base (768) to 512.

    Nothing is downloaded: names say where an encoder came from, nested configs say what it is. Weights of all three
    are saved with the model.

    Arguments:
        text_config (dict or config): of a text encoder that transformers knows; its tokens are averaged.
        vision_config (dict or config): of an image encoder that transformers knows, its `pooler_output` is used. Of a
            config of both text and images, as CLIP's is, the vision half is taken.
        rrweb_config (dict or config): an `RRWebBertConfig`.
        text_name, text_revision, vision_name, vision_revision, rrweb_name, rrweb_revision (str or None): where the
            weights came from; a record, never looked up. None for an encoder that started at random.
        projection_dim (int, 512): length of the vectors that are compared.
        logit_scale_init_value (float, 2.6592): logarithm of the first inverse temperature, ln(1 / 0.07).
        max_logit_scale (float, 100.0): the inverse temperature goes no higher.
        initializer_range (float, 0.02): standard deviation of weights that are drawn beside the encoders' own.

    Raises:
        ValueError: a value is of the wrong kind or out of range; the message says what to change.

    Example:
        >>> config = RRWebTrimodalConfig()
        >>> config.text_config.hidden_size, config.vision_config.hidden_size, config.rrweb_config.hidden_size
        (384, 768, 768)
    """

    model_type = "rrweb_trimodal"
    sub_configs = {  # noqa: RUF012 - transformers reads plain dicts
        "text_config": AutoConfig,
        "vision_config": AutoConfig,
        "rrweb_config": RRWebBertConfig,
    }

    text_config: dict | PreTrainedConfig | None = None
    vision_config: dict | PreTrainedConfig | None = None
    rrweb_config: dict | PreTrainedConfig | None = None
    text_name: str | None = None
    text_revision: str | None = None
    vision_name: str | None = None
    vision_revision: str | None = None
    rrweb_name: str | None = None
    rrweb_revision: str | None = None
    projection_dim: int = 512
    logit_scale_init_value: float | int = 2.6592
    max_logit_scale: float | int = 100.0
    initializer_range: float | int = 0.02

    def __post_init__(self, **kwargs):
        self.text_config = _library_config("text_config", self.text_config, _TEXT_SIZES)
        self.vision_config = _library_config("vision_config", self.vision_config, _VISION_SIZES)
        self.rrweb_config = _rrweb_config(self.rrweb_config)
        super().__post_init__(**kwargs)
        self._require(
            isinstance(self.projection_dim, int)
            and not isinstance(self.projection_dim, bool)
            and self.projection_dim > 0,
            "projection_dim",
            "an integer of at least 1",
        )
        self._require(_is_number(self.max_logit_scale) and self.max_logit_scale > 0, "max_logit_scale", "above 0")
        first, highest = self.logit_scale_init_value, math.log(self.max_logit_scale)
        self._require(
            _is_number(first) and first <= highest,
            "logit_scale_init_value",
            f"a logarithm of at most ln(max_logit_scale) = {highest:.4f}",
        )
        deviation = self.initializer_range
        self._require(_is_number(deviation) and deviation >= 0, "initializer_range", "a number of at least 0")

    def _require(self, holds, name, expected):
        if not holds:
            raise ValueError(
                f"RRWebTrimodalConfig: expected {name} to be {expected}, got {getattr(self, name)!r}; change it."
            )

    @property
    def sizes(self) -> dict:
        """Width of what each encoder gives, by modality."""
        configs = (self.text_config, self.vision_config, self.rrweb_config)
        return {name: config.hidden_size for name, config in zip(MODALITIES, configs, strict=True)}


def _library_config(name, given, default):
    """Return the config of an encoder of transformers from a config, a dict with a model_type, or None."""
    if given is None:
        given = default
    if isinstance(given, dict):
        settings = dict(given)
        kind = settings.pop("model_type", None)
        if kind is None:
            raise ValueError(
                f"RRWebTrimodalConfig: expected a model_type in {name}, got the keys {sorted(given)}; say which of "
                "transformers' encoders it is, for instance 'bert' or 'clip_vision_model'."
            )
        given = AutoConfig.for_model(kind, **settings)
    given = getattr(given, "vision_config", given) if name == "vision_config" else given
    if not isinstance(getattr(given, "hidden_size", None), int):
        raise ValueError(
            f"RRWebTrimodalConfig: expected {name} to be the config of an encoder with a hidden_size, got "
            f"{type(given).__name__}; pass AutoConfig.from_pretrained(...) of the encoder."
        )
    return given


def _rrweb_config(given):
    if given is None:
        return RRWebBertConfig()
    if isinstance(given, dict):
        given = RRWebBertConfig.from_dict(given)
    kind = getattr(given, "model_type", None)
    if kind != RRWebBertConfig.model_type:
        raise ValueError(
            f"RRWebTrimodalConfig: expected rrweb_config of model_type 'rrweb_bert', got {kind!r}; pass the config of "
            "an RRWebBertModel."
        )
    return given


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


RRWebTrimodalConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(RRWebTrimodalConfig.model_type, RRWebTrimodalConfig, exist_ok=True)

__all__ = ["MODALITIES", "PAIRS", "RRWebTrimodalConfig"]
