"""Configuration of the most popular items."""

from .configuration_recommender import RecommenderConfig


class PopularityConfig(RecommenderConfig):
    """Configuration of a `PopularityModel`; it has the vocabulary's fields alone.

    Example:
        >>> PopularityConfig(vocab_size=103).max_history
        0
    """

    model_type = "popularity"

    max_history: int = 0
