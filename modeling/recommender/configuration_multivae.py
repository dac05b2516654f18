"""Configuration of MultiVAE."""

from .configuration_recommender import RecommenderConfig, is_int, is_number


class MultiVAEConfig(RecommenderConfig):
    """Configuration of a `MultiVAEModel`; the defaults are the paper's I -> 600 -> 200 -> 600 -> I.

    Args:
        hidden_size (`int`): width of the layer between items and latent, on both sides.
        latent_size (`int`): K, width of the latent variable z.
        input_dropout_prob (`float`): share of a history's items that training does not see.
        kl_max_weight (`float`): the weight beta of the KL term in the end.
        kl_anneal_steps (`int`): training steps over which beta rises from 0 to kl_max_weight, by equal amounts; 0 for
            the whole weight from the start. The authors' code takes 40,000 for ML-20M (200,000 steps to a weight of 1
            that is capped at 0.2); data sets of some thousand users want some hundreds.
        recency (`float`): an item of the history with n newer ones enters with (1 + n)^-recency before the scaling to
            length 1. 0: all the same, as in the paper.
        initializer_range (`float`): standard deviation of the biases at first; matrices start by Glorot's rule.

    Raises:
        ValueError: a value is out of range; the message says what to change.

    Example:
        >>> MultiVAEConfig(vocab_size=103, hidden_size=64, latent_size=16).kl_max_weight
        0.2
    """

    model_type = "multivae"

    max_history: int = 0
    hidden_size: int = 600
    latent_size: int = 200
    input_dropout_prob: float | int = 0.5
    kl_max_weight: float | int = 0.2
    kl_anneal_steps: int = 2_000
    recency: float | int = 0.0
    initializer_range: float | int = 0.001

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        for name in ("hidden_size", "latent_size"):
            self._require(is_int(getattr(self, name)) and getattr(self, name) >= 1, name, "an integer of at least 1")
        rate = self.input_dropout_prob
        self._require(is_number(rate) and 0 <= rate < 1, "input_dropout_prob", "a number from 0 to below 1")
        for name in ("kl_max_weight", "kl_anneal_steps", "recency", "initializer_range"):
            self._require(is_number(getattr(self, name)) and getattr(self, name) >= 0, name, "a number of at least 0")
