"""An ensemble of recommenders that is a recommender itself: members' scores, fused as its configuration says.

Each member reads what it was made to read of a history: its newest `max_history` items. How scores are fused, and why
items of the history come last: `score_fusion.py`. Fusion comes before `candidates`, so that an item's score does not
depend on what else is allowed.

Axes: M members, B users, T items of a padded row, V ids.
"""

import torch
from torch import nn
from transformers.utils.generic import can_return_tuple

from .bag_of_items import item_sets, newest_items
from .configuration_bert4rec import Bert4RecConfig
from .configuration_ease import EASEConfig
from .configuration_ensemble import EnsembleRecommenderConfig
from .configuration_multivae import MultiVAEConfig
from .configuration_popularity import PopularityConfig
from .configuration_sasrec import SASRecConfig
from .modeling_bert4rec import Bert4RecModel
from .modeling_ease import EASEModel
from .modeling_multivae import MultiVAEModel
from .modeling_popularity import PopularityModel
from .modeling_recommender import RecommenderOutput, RecommenderPreTrainedModel
from .modeling_sasrec import SASRecModel
from .score_fusion import fuse_scores

MEMBER_CLASSES = {
    "bert4rec": (Bert4RecConfig, Bert4RecModel),
    "sasrec": (SASRecConfig, SASRecModel),
    "multivae": (MultiVAEConfig, MultiVAEModel),
    "ease": (EASEConfig, EASEModel),
    "popularity": (PopularityConfig, PopularityModel),
}


class EnsembleRecommenderModel(RecommenderPreTrainedModel):
    """Histories to scores of all items, fused of its members'. Members are trained alone, before.

    Example:
        >>> histories = [3, 4, 3, 4, 5, 6, 5, 6, 7], [0, 2, 4, 6, 9]
        >>> members = [EASEModel.fit(*histories, l2=1), PopularityModel.fit(*histories)]
        >>> model = EnsembleRecommenderModel.from_models(members, method="top_then", top_items=1)
        >>> model.next_item_scores(torch.tensor([[3]]))[0, 3:]  # 4 is 3's neighbour, then come the popular
        tensor([-0.7500,  1.0000,  0.5000,  0.3333,  0.2500])
    """

    config_class = EnsembleRecommenderConfig

    def __init__(self, config: EnsembleRecommenderConfig):
        super().__init__(config)
        if not config.members:
            raise ValueError(
                "Expected members in the configuration, got none; make the ensemble by "
                "EnsembleRecommenderModel.from_models([model, ...])."
            )
        self.members = nn.ModuleList(map(_member, config.members))
        self.post_init()

    @classmethod
    def from_models(cls, models, **settings):
        """Returns the ensemble of models, which it holds and does not copy; it takes over the first's item tokenizer.

        Args:
            models (list): recommenders of one vocabulary.
            settings: fields of `EnsembleRecommenderConfig`: method, weights, rank_constant and so on.

        Raises:
            ValueError: the vocabularies differ, in size or in an item.
        """
        models = list(models)
        tokenizer = _one_tokenizer(models)
        config = EnsembleRecommenderConfig(members=[model.config for model in models], **settings)
        with torch.device("meta"):  # members are put in below
            ensemble = cls(config)
        ensemble.members = nn.ModuleList(models)
        if tokenizer is not None:
            ensemble.item_tokenizer = tokenizer
        return ensemble.eval()

    def member_scores(self, input_ids, attention_mask=None, scorers=None):
        """Returns (list of M scores (B, V), one a member; bool (B, V), True for what is ranked).

        Args:
            input_ids (int64 (B, T)), attention_mask (B, T): histories.
            scorers (list of functions, *optional*): the members' `scorer()`, where many batches are scored.
        """
        if attention_mask is None:
            attention_mask = (input_ids != self.config.pad_token_id).long()
        tables = [
            score(*newest_items(input_ids, attention_mask, member.config.max_history))
            for member, score in zip(self.members, scorers or self._member_scorers(), strict=True)
        ]
        unseen = torch.ones_like(tables[0], dtype=torch.bool)
        if not self.config.seen_last:
            return tables, unseen
        ids, offsets = item_sets(input_ids, attention_mask)
        users = torch.repeat_interleave(torch.arange(len(unseen), device=ids.device), offsets.diff())
        unseen[users, ids] = False
        return tables, unseen

    def next_item_scores(self, input_ids, attention_mask=None):
        """Returns float32 scores (B, V) of histories (B, T); with `seen_last` what was had is below all else.

        An empty history gets what the members say of it.
        """
        return self.scorer()(input_ids, attention_mask)

    def scorer(self):
        """Returns `next_item_scores` for many batches; each member prepares once."""
        config, scorers = self.config, self._member_scorers()

        def score(input_ids, attention_mask=None):
            return fuse_scores(
                *self.member_scores(input_ids, attention_mask, scorers),
                config.method,
                config.weights,
                config.rank_constant,
                config.normalization,
                config.top_items,
            )

        return score

    def _member_scorers(self):
        return [member.scorer() for member in self.members]

    def item_vectors(self):
        """Returns the item vectors of the first member that has some, or None."""
        return next((vectors for member in self.members if (vectors := member.item_vectors()) is not None), None)

    @can_return_tuple
    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        """Return `scores` (B, V) of histories input_ids (B, T)."""
        return RecommenderOutput(scores=self.next_item_scores(input_ids, attention_mask))

    @torch.no_grad()
    def _extend_items(self, n_new, metadata=None):
        """Add n_new ids to every member."""
        for member in self.members:
            member._extend_items(n_new, metadata)
            member.config.vocab_size = self.config.vocab_size + n_new
        self.config.members = EnsembleRecommenderConfig(members=[member.config for member in self.members]).members


def _member(settings):
    """Return a new model of a member's configuration."""
    if settings["model_type"] not in MEMBER_CLASSES:
        raise ValueError(
            f"Expected members of model_type {', '.join(MEMBER_CLASSES)}, got {settings['model_type']!r}; leave it out."
        )
    config_class, model_class = MEMBER_CLASSES[settings["model_type"]]
    return model_class(config_class.from_dict(settings))


def _one_tokenizer(models):
    """Return the first item tokenizer of models, None without any; an error if their items differ."""
    known = [(model, model.item_tokenizer) for model in models if model._has_item_tokenizer()]
    for model, tokenizer in known[1:]:
        first, other = known[0][1].items, tokenizer.items
        if first != other:
            at = next((i for i, (a, b) in enumerate(zip(first, other, strict=False)) if a != b), None)
            what = f"{len(first)} and {len(other)} items" if at is None else f"{first[at]!r} and {other[at]!r} at {at}"
            raise ValueError(
                f"Expected members of one vocabulary, got {what} in those of {known[0][0].config.model_type} and "
                f"{model.config.model_type}; train all of them with the same item tokenizer."
            )
    return known[0][1] if known else None
