"""Configuration of an ensemble of recommenders."""

import json

from transformers import PreTrainedConfig

from .configuration_recommender import RecommenderConfig, is_int, is_number
from .score_fusion import METHODS, NORMALIZATIONS

#: What a member's configuration says of a repository of its own, which it no longer has.
_OF_A_REPOSITORY = ("auto_map", "_name_or_path", "_commit_hash")


class EnsembleRecommenderConfig(RecommenderConfig):
    """Configuration of an `EnsembleRecommenderModel`.

    Args:
        members (list of `dict`): whole configurations of recommenders, each with its model_type. vocab_size is theirs.
        method (`str`): "reciprocal_rank": sum of weight / (rank_constant + place); "scores": sum of weight times
            normalised score; "top_then": the best `top_items` of the first of two members, then the second's.
        weights (list of `float`, *optional*): one a member, all 1 by default; without meaning for "top_then".
        rank_constant (`float`): a small one trusts first places more.
        normalization (`str`): of the scores of one user, "zscore" (less the mean, by the standard deviation, over items
            not in the history) or "softmax" (probabilities of these items).
        top_items (`int`): see method.
        seen_last (`bool`): items of the history are not ranked with the others but come after them. False for data in
            which people choose the same item again, and for `recommend(exclude_seen=False)`.

    Raises:
        ValueError: a value is not one of those listed, or the members do not fit together.

    Example:
        >>> members = [{"model_type": "ease", "vocab_size": 9}, {"model_type": "popularity", "vocab_size": 9}]
        >>> EnsembleRecommenderConfig(members=members, weights=[1, 0.5]).vocab_size
        9
    """

    model_type = "ensemble_recommender"

    max_history: int = 0
    members: list | None = None
    method: str = "reciprocal_rank"
    weights: list | None = None
    rank_constant: float | int = 60.0
    normalization: str = "zscore"
    top_items: int = 2
    seen_last: bool = True

    def __post_init__(self, **kwargs):
        given = self.members or []
        self.members = [_without_repository(each) for each in given]
        if self.members:
            self.vocab_size = _one_vocab_size(self.members)
        if self.weights is None:
            self.weights = [1.0] * len(self.members)
        super().__post_init__(**kwargs)
        self._require(self.method in METHODS, "method", f"one of {', '.join(METHODS)}")
        self._require(self.normalization in NORMALIZATIONS, "normalization", f"one of {', '.join(NORMALIZATIONS)}")
        constant, weights = self.rank_constant, self.weights
        self._require(is_number(constant) and constant >= 0, "rank_constant", "a number of at least 0")
        self._require(is_int(self.top_items) and self.top_items >= 1, "top_items", "an integer of at least 1")
        self._require(isinstance(self.seen_last, bool), "seen_last", "True or False")
        fits = len(weights) == len(self.members) and all(is_number(w) and 0 <= w < float("inf") for w in weights)
        self._require(
            fits and (any(weights) or not weights),
            "weights",
            f"{len(self.members)} numbers of at least 0, one a member and not all 0",
        )
        if self.members and self.method == "top_then" and len(self.members) != 2:
            raise ValueError(
                f"Expected two members for method 'top_then', got {len(self.members)}; leave the others out, or use "
                "'reciprocal_rank'."
            )


def _without_repository(member):
    """Return the configuration of a member as a dict that JSON can hold."""
    if isinstance(member, PreTrainedConfig):
        member = json.loads(member.to_json_string(use_diff=False))  # as it comes back from a file
    if not isinstance(member, dict) or "model_type" not in member:
        raise ValueError(
            f"Expected members to be configurations with a model_type, got {member!r}; give model.config.to_dict(), or "
            "make the ensemble by EnsembleRecommenderModel.from_models."
        )
    return {key: value for key, value in member.items() if key not in _OF_A_REPOSITORY}


def _one_vocab_size(members):
    sizes = [member.get("vocab_size") for member in members]
    if len(set(sizes)) != 1:
        of_each = ", ".join(f"{m['model_type']} {size}" for m, size in zip(members, sizes, strict=True))
        raise ValueError(
            f"Expected members of one vocabulary, got vocabulary sizes {of_each}; train all of them with the same "
            "item tokenizer."
        )
    return sizes[0]
