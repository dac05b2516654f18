"""Configuration of SASRec."""

from transformers import AutoConfig

from .configuration_sequential import SequentialRecommenderConfig


class SASRecConfig(SequentialRecommenderConfig):
    """Configuration of a `SASRecModel`; everything is documented in `SequentialRecommenderConfig`.

    As in the paper, items' vectors are scaled where they are read, and layers begin with weights by their width.

    Example:
        >>> SASRecConfig(vocab_size=103, hidden_size=64, num_attention_heads=1).loss
        'full'
    """

    model_type = "sasrec"

    # What a position foretells hangs on its own item most: unscaled, the layers' results drown it for many epochs.
    scale_embeddings: bool = True
    xavier_layers: bool = True


SASRecConfig.register_for_auto_class()
# A copy of this file loaded from a model repository must not displace the installed class.
if not __name__.startswith("transformers_modules."):
    AutoConfig.register(SASRecConfig.model_type, SASRecConfig, exist_ok=True)
