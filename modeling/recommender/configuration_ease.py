"""Configuration of EASE."""

from .configuration_recommender import RecommenderConfig, is_number


class EASEConfig(RecommenderConfig):
    """Configuration of an `EASEModel`.

    Args:
        l2 (`float`): lambda, what was added to the diagonal of the Gram matrix. Larger catalogues and denser data
            want more of it; choose it on validation data.
        recency (`float`): an item of the history with n newer ones counts (1 + n)^-recency. 0: all the same, as in the
            paper; 0.5 to 1 where the next item is asked for and the order is known.

    Raises:
        ValueError: recency is below zero, or l2 not above it: without it the matrix of items that nobody chose has no
            inverse.

    Example:
        >>> EASEConfig(vocab_size=103, l2=200).l2
        200
    """

    model_type = "ease"

    max_history: int = 0
    l2: float | int = 500.0
    recency: float | int = 0.0

    def __post_init__(self, **kwargs):
        super().__post_init__(**kwargs)
        self._require(is_number(self.l2) and self.l2 > 0, "l2", "a number above 0", "start at 500 and tune it")
        self._require(is_number(self.recency) and self.recency >= 0, "recency", "a number of at least 0")
