"""BERT4Rec: masked items of a history, foretold from both sides.

After "BERT4Rec: Sequential Recommendation with Bidirectional Encoder Representations from Transformer" (Sun, Liu, Wu,
Pei, Lin, Ou, Jiang, CIKM 2019, arXiv 1904.06690). Differences from the paper, for reasons in "A Systematic Review and
Replicability Study of BERT4Rec" (Petrov, Macdonald, RecSys 2022, arXiv 2207.07483) and measured ones:
- normalised before each part, positions counted from the end (`sequence_encoder.py`);
- no dense layer between states and scores;
- metadata fused into the items' vectors where the config says so (`metadata_fusion.py`).
"""

import torch

from .configuration_bert4rec import Bert4RecConfig
from .modeling_sequential import SequentialRecommenderModel, newest_columns


class Bert4RecModel(SequentialRecommenderModel):
    """A history with masks to the items behind them; the next item is a mask after the newest.

    An empty history is the mask alone: what the model foretells without knowing anything.

    Example:
        >>> model = Bert4RecModel(Bert4RecConfig(vocab_size=9, hidden_size=8, num_attention_heads=2)).eval()
        >>> model(torch.tensor([[3, 5, 4], [7, 0, 0]])).scores.shape
        torch.Size([2, 9])
    """

    config_class = Bert4RecConfig
    causal = False

    def next_item_row(self, input_ids, attention_mask):
        """Returns the rows with a mask after them; the encoder drops the oldest item where they are full then."""
        input_ids, attention_mask = newest_columns(input_ids, attention_mask, self.config.max_history - 1)
        B, T = input_ids.shape
        ids = torch.cat([input_ids, input_ids.new_full((B, 1), self.config.mask_token_id)], 1)
        mask = torch.cat([attention_mask, attention_mask.new_ones(B, 1)], 1)
        return ids, mask, torch.full((B, 1), T, device=ids.device)
