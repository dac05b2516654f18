"""SASRec: each item of a history foretold from those before it.

After "Self-Attentive Sequential Recommendation" (Kang, McAuley, ICDM 2018, arXiv 1808.09781). Differences, for reasons
in "Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?" (Klenitskiy, Vasilev, RecSys 2023, arXiv
2309.07602) and measured ones:
- cross-entropy over the whole catalogue by default, instead of one negative;
- normalised before each part, positions counted from the end (`sequence_encoder.py`);
- a history begins with [MASK], so that the first item is learned too and an empty history has an answer.
"""

import torch

from .configuration_sasrec import SASRecConfig
from .modeling_sequential import SequentialRecommenderModel, newest_columns


class SASRecModel(SequentialRecommenderModel):
    """A history to the item after each of its positions; no position sees a later one.

    Example:
        >>> model = SASRecModel(SASRecConfig(vocab_size=9, hidden_size=8, num_attention_heads=2)).eval()
        >>> model(torch.tensor([[3, 5, 4], [7, 0, 0]])).scores.shape
        torch.Size([2, 9])
    """

    config_class = SASRecConfig
    causal = True

    def next_item_row(self, input_ids, attention_mask):
        """Returns the rows with [MASK] before them and their newest item asked; full rows push the [MASK] out."""
        input_ids, attention_mask = newest_columns(input_ids, attention_mask, self.config.max_history)
        B, T = input_ids.shape
        if self.config.max_history == T and bool(attention_mask.all()):
            return input_ids, attention_mask, torch.full((B, 1), T - 1, device=input_ids.device)
        ids = torch.cat([input_ids.new_full((B, 1), self.config.mask_token_id), input_ids], 1)
        mask = torch.cat([attention_mask.new_ones(B, 1), attention_mask], 1)
        columns = torch.arange(T + 1, device=ids.device)
        return ids, mask, (mask.long() * columns).amax(1, keepdim=True)
