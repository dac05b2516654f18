"""The most popular items: the same scores for every user, the number of users who have had each item.

The baseline that every other recommender must beat, and an answer for users of whom nothing is known.

Axes: B users, T items of a padded row, V ids.
"""

import torch
from transformers import initialization as init
from transformers.utils.generic import can_return_tuple

from .bag_of_items import item_counts
from .configuration_popularity import PopularityConfig
from .configuration_recommender import FIRST_ITEM_ID, NO_ITEM_SCORE
from .modeling_recommender import RecommenderOutput, RecommenderPreTrainedModel


class PopularityModel(RecommenderPreTrainedModel):
    """Any history to the counts of all items. An item that a user chose twice counts once.

    Example:
        >>> model = PopularityModel.fit([3, 4, 3, 5, 3], [0, 2, 4, 5])  # three histories
        >>> model.next_item_scores(torch.tensor([[4]])).tolist()
        [[-1000000000.0, -1000000000.0, -1000000000.0, 3.0, 1.0, 1.0]]
    """

    config_class = PopularityConfig

    def __init__(self, config: PopularityConfig):
        super().__init__(config)
        self.register_buffer("counts", torch.zeros(config.vocab_size, dtype=torch.int64))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, PopularityModel):
            init.zeros_(module.counts)

    @classmethod
    def fit(cls, ids, offsets, vocab_size=None):
        """Returns the model of histories ids[offsets[u]:offsets[u + 1]].

        Args:
            ids (int (N,)): token ids. offsets (int (U + 1,)).
            vocab_size (`int`, *optional*): V; by default up to the largest id.
        """
        counts = torch.from_numpy(item_counts(ids, offsets, vocab_size))
        model = cls(PopularityConfig(vocab_size=len(counts)))
        model.counts.copy_(counts)
        return model.eval()

    def next_item_scores(self, input_ids, attention_mask=None):
        """Returns float32 scores (B, V), equal rows; `NO_ITEM_SCORE` for ids that are no items."""
        scores = self.counts.float()
        scores[:FIRST_ITEM_ID] = NO_ITEM_SCORE
        return scores.expand(len(input_ids), -1).clone()

    @can_return_tuple
    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        """Return `scores` (B, V) of histories input_ids (B, T)."""
        return RecommenderOutput(scores=self.next_item_scores(input_ids, attention_mask))

    @torch.no_grad()
    def _extend_items(self, n_new, metadata=None):
        """Add n_new ids that nobody has chosen."""
        self.counts = torch.cat([self.counts, self.counts.new_zeros(n_new)])
