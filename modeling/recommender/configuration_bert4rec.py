"""Configuration of BERT4Rec."""

from transformers import AutoConfig

from .configuration_sequential import SequentialRecommenderConfig


class Bert4RecConfig(SequentialRecommenderConfig):
    """Configuration of a `Bert4RecModel`; everything is documented in `SequentialRecommenderConfig`.

    Example:
        >>> Bert4RecConfig(vocab_size=103, hidden_size=64, num_attention_heads=2).intermediate_size
        256
    """

    model_type = "bert4rec"


Bert4RecConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(Bert4RecConfig.model_type, Bert4RecConfig, exist_ok=True)
