"""EASE: a linear item-to-item model in closed form.

After "Embarrassingly Shallow Autoencoders for Sparse Data" (Steck, WWW 2019, arXiv 1905.03375). With X the sets of all
users as rows of zeros and ones, the weights are the minimum of

    |X - X B|^2 + lambda |B|^2   with diag(B) = 0,   that is   B_ij = -P_ij / P_jj,   P = (X'X + lambda I)^-1   (Eq. 8)

and a user's scores are the sum of the rows of B of what the user has had. Differences from the paper:
- the inverse is that of a Cholesky factor, in float64; the weights are kept in float32;
- neither X nor the scores of all users are ever made: X'X is counted, and scores are summed a batch at a time;
- with `recency` newer items of a history count more, in scores alone: what comes next has to do with what was last;
- who has had nothing gets the most popular items, not zeros.

Axes: B users, T items of a padded row, V ids, I = V - FIRST_ITEM_ID items.
"""

import torch
from torch import nn
from transformers import initialization as init
from transformers.utils.generic import can_return_tuple

from .bag_of_items import flat_item_sets, item_gram, placed_item_sets, recency_weights
from .configuration_ease import EASEConfig
from .configuration_recommender import FIRST_ITEM_ID, NO_ITEM_SCORE
from .modeling_recommender import RecommenderOutput, RecommenderPreTrainedModel

#: What fitting takes for each pair of items: the Gram matrix in float32, its factor and its inverse in float64.
BYTES_PER_PAIR = 20
GIB = 1 << 30


def require_memory(items, limit_gib):
    """Checks that the fit of so many items stays below a limit.

    Args:
        items (`int`): I. limit_gib (`float`).

    Raises:
        ValueError: it takes more; the message says how much, and for how many items the limit is enough.
    """
    needed = items * items * BYTES_PER_PAIR / GIB
    if needed > limit_gib:
        enough = int((limit_gib * GIB / BYTES_PER_PAIR) ** 0.5)
        raise ValueError(
            f"Expected a catalogue that EASE fits in {limit_gib:g} GiB (about {enough:,} items), got {items:,} items, "
            f"which take {needed:,.1f} GiB; keep the most popular items only, raise memory_limit_gib if there is that "
            "much, or use another model."
        )


def solve_ease(gram, l2):
    """Returns the weights B, float64 (I, I), with a diagonal of zeros.

    Args:
        gram (float (I, I)): X'X; it is left as it was.
        l2 (`float`): lambda.
    """
    matrix = gram.double()
    matrix = matrix.clone() if matrix is gram else matrix
    matrix.diagonal().add_(l2)
    factor = torch.linalg.cholesky(matrix)
    del matrix
    weights = torch.cholesky_inverse(factor)
    del factor
    weights.div_(-weights.diagonal().clone())  # column j by P_jj
    weights.diagonal().zero_()
    return weights


class EASEModel(RecommenderPreTrainedModel):
    """Sets of items to the scores of all items, by a sum of rows. An item chosen twice counts once.

    Example:
        >>> model = EASEModel.fit([3, 4, 3, 4, 5, 6, 5, 6], [0, 2, 4, 6, 8], l2=1)
        >>> model.next_item_scores(torch.tensor([[3]])).argmax().item()
        4
    """

    config_class = EASEConfig

    def __init__(self, config: EASEConfig):
        super().__init__(config)
        V = config.vocab_size
        self.weight = nn.Parameter(torch.zeros(V, V), requires_grad=False)
        self.register_buffer("counts", torch.zeros(V, dtype=torch.int64))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, EASEModel):
            init.zeros_(module.weight)
            init.zeros_(module.counts)

    @classmethod
    def fit(cls, ids, offsets, l2=EASEConfig.l2, vocab_size=None, memory_limit_gib=16.0, recency=0.0):
        """Returns the model of histories ids[offsets[u]:offsets[u + 1]].

        Args:
            ids (int (N,)): token ids. offsets (int (U + 1,)).
            l2 (`float`): lambda.
            vocab_size (`int`, *optional*): V; by default up to the largest id.
            memory_limit_gib (`float`): see `require_memory`. recency (`float`): see `EASEConfig`.

        Raises:
            ValueError: ids, offsets and vocab_size do not fit together, or the catalogue is too large.
        """
        require_memory(flat_item_sets(ids, offsets, vocab_size)[2], memory_limit_gib)
        return cls.from_gram(torch.from_numpy(item_gram(ids, offsets, vocab_size)), l2, recency)

    @classmethod
    @torch.no_grad()
    def from_gram(cls, gram, l2=EASEConfig.l2, recency=0.0):
        """Returns the model of a Gram matrix (I, I), which is left as it was, so that several l2 can be tried."""
        model = cls(EASEConfig(vocab_size=len(gram) + FIRST_ITEM_ID, l2=l2, recency=recency))
        model.weight[FIRST_ITEM_ID:, FIRST_ITEM_ID:] = solve_ease(gram, l2)
        model.counts[FIRST_ITEM_ID:] = gram.diagonal()
        return model.eval()

    def next_item_scores(self, input_ids, attention_mask=None):
        """Returns float32 scores (B, V) of sets of items (B, T); `NO_ITEM_SCORE` for ids that are no items.

        An empty history gets the numbers of users who have had each item.
        """
        ids, offsets, newer = placed_item_sets(input_ids, attention_mask)
        recency = self.config.recency
        weights = recency_weights(newer, recency).to(self.dtype) if recency else None
        bags = nn.functional.embedding_bag(ids, self.weight, offsets[:-1], mode="sum", per_sample_weights=weights)
        scores = bags.float()  # (B, V)
        empty = offsets[1:] == offsets[:-1]
        if bool(empty.any()):
            scores[empty] = self.counts.float()
        scores[:, :FIRST_ITEM_ID] = NO_ITEM_SCORE
        return scores

    def item_vectors(self):
        """Returns the rows of B (V, V): items are alike that speak for the same items."""
        return self.weight

    @can_return_tuple
    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        """Return `scores` (B, V) of histories input_ids (B, T)."""
        return RecommenderOutput(scores=self.next_item_scores(input_ids, attention_mask))

    @torch.no_grad()
    def _extend_items(self, n_new, metadata=None):
        """Add n_new ids that nobody has chosen: they score 0 for everyone, as an item without a neighbour does."""
        grown = nn.functional.pad(self.weight.data, (0, n_new, 0, n_new))
        self.weight = nn.Parameter(grown, requires_grad=False)
        self.counts = torch.cat([self.counts, self.counts.new_zeros(n_new)])
