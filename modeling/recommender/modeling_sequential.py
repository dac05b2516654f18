"""What BERT4Rec and SASRec share: fused items, a transformer over them, scores as products with the items' vectors.

Axes: B users, T items of a padded row, Q asked positions of a row, H width, V ids, F sources of an item's vector.
"""

import torch
from torch import nn
from transformers import initialization as init
from transformers.utils.generic import can_return_tuple

from .catalogue_loss import catalogue_loss
from .configuration_recommender import FIRST_ITEM_ID
from .metadata_fusion import ItemEncoder, item_tables, longer
from .modeling_recommender import RecommenderOutput, RecommenderPreTrainedModel
from .sequence_encoder import SequenceEncoder


class SequentialRecommenderModel(RecommenderPreTrainedModel):
    """A recommender that reads a history in order. Subclasses say what a row looks like when the next item is asked."""

    causal = False
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules: list = ["SequenceLayer", "ItemEncoder"]  # noqa: RUF012

    def __init__(self, config):
        super().__init__(config)
        self.items = ItemEncoder(config)
        self.encoder = SequenceEncoder(config, self.causal)
        own = config.output_embedding == "own"
        self.output_embeddings = nn.Embedding(config.vocab_size, config.hidden_size) if own else None
        self.output_bias = nn.Parameter(torch.zeros(config.vocab_size)) if config.output_bias else None
        self.gradient_checkpointing = False
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        if isinstance(module, nn.Linear) and self.config.xavier_layers:
            init.xavier_normal_(module.weight)
        if isinstance(module, SequentialRecommenderModel) and module.output_bias is not None:
            init.zeros_(module.output_bias)
        elif isinstance(module, ItemEncoder):
            for buffer in module.buffers(recurse=False):
                init.zeros_(buffer)

    def get_input_embeddings(self):
        return self.items.item_embeddings

    def set_input_embeddings(self, value):
        self.items.item_embeddings = value

    # --- scores ---------------------------------------------------------------------------------------------

    def item_vectors(self):
        """Returns the vectors (V, H) that states are multiplied with; the first `FIRST_ITEM_ID` are no items'."""
        if self.output_embeddings is not None:
            return self.output_embeddings.weight
        return self.items.all_items() if self.config.output_embedding == "fused" else self.items.item_embeddings.weight

    def item_bias(self):
        """Returns what is added to the score of each id (V,), or None."""
        return self.output_bias

    def states(self, input_ids, attention_mask=None, asked=None):
        """Returns states (B, T, H) of rows (B, T), or (B, Q, H) at the columns asked int64 (B, Q)."""
        if input_ids.dim() != 2:
            raise ValueError(
                f"Expected input_ids of shape (B, T), got {tuple(input_ids.shape)}; call the model's item_tokenizer "
                "with histories=[[...]] and padding=True."
            )
        vectors = self.items(input_ids)
        if self.config.scale_embeddings:
            vectors = vectors * self.config.hidden_size**0.5
        return self.encoder(vectors, attention_mask, asked)

    def position_scores(self, input_ids, attention_mask=None, asked=None):
        """Returns the scores of all ids (B, T, V) at every position, or (B, Q, V) at the columns asked (B, Q)."""
        scores = self.states(input_ids, attention_mask, asked) @ self.item_vectors().T
        return scores if self.output_bias is None else scores + self.output_bias

    def next_item_row(self, input_ids, attention_mask):
        """Returns ids (B, T + 1), mask (B, T + 1), asked (B, 1): a row whose asked state foretells the next item."""
        raise NotImplementedError(f"{type(self).__name__} does not say how the next item is asked for.")

    def query_vectors(self, input_ids, attention_mask=None):
        """Returns the states (B, H) that foretell the next item of each history (B, T)."""
        if attention_mask is None:
            attention_mask = (input_ids != self.config.pad_token_id).long()
        ids, mask, asked = self.next_item_row(input_ids, attention_mask)
        return self.states(ids, mask, asked)[:, 0]

    def next_item_scores(self, input_ids, attention_mask=None):
        """Returns float32 scores (B, V) of the next item of each history (B, T)."""
        return self.scorer()(input_ids, attention_mask)

    def scorer(self):
        """Returns `next_item_scores` for many batches, which fuses the items' vectors once."""
        vectors, bias = self.item_vectors(), self.item_bias()

        def score(input_ids, attention_mask=None):
            scores = (self.query_vectors(input_ids, attention_mask) @ vectors.T).float()
            return scores if bias is None else scores + bias.float()

        return score

    # --- training -------------------------------------------------------------------------------------------

    @can_return_tuple
    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        labels=None,
        num_items_in_batch=None,
        output_gates=False,
        **kwargs,
    ):
        """Return `scores` (B, V) of the next item, or with labels the `loss`, a mean over the positions asked.

        Arguments:
            input_ids int64 (B, T): histories, oldest item first, padded on any side.
            attention_mask (B, T): 1 for items; by default all ids but the padding count.
            labels int64 (B, T): the right id where it is asked, -100 elsewhere.
            num_items_in_batch (number): what the sum of losses is divided by instead of the number asked.
            output_gates: return `gates` (B, T, F) of the items of input_ids too; only with metadata_fusion "gate".
        """
        if input_ids is None:
            raise ValueError("Expected input_ids (B, T), got None; call the model's item_tokenizer on histories.")
        gates = self.gates(input_ids) if output_gates else None
        if labels is None:
            return RecommenderOutput(scores=self.next_item_scores(input_ids, attention_mask), gates=gates)
        states, targets = self._asked(input_ids, attention_mask, labels)
        total = catalogue_loss(
            states,
            targets - FIRST_ITEM_ID,
            self._loss_vectors(),
            None if self.output_bias is None else self.output_bias[FIRST_ITEM_ID:],
            num_items=self.config.vocab_size - FIRST_ITEM_ID,
            loss=self.config.loss,
            num_negatives=self.config.num_negatives,
            calibration=self.config.gbce_calibration,
        )
        count = len(targets) if num_items_in_batch is None else num_items_in_batch
        return RecommenderOutput(loss=total / count, gates=gates)

    def _loss_vectors(self):
        """Return the vectors of items for a loss: a table, or for a few of many fused ones what fuses those asked."""
        if self.config.output_embedding == "fused" and self.config.loss != "full":
            return lambda items: self.items(items + FIRST_ITEM_ID)
        return self.item_vectors()[FIRST_ITEM_ID:]

    def _asked(self, input_ids, attention_mask, labels):
        """Return (states (M, H), ids (M,)) of the positions with labels; the last layer computes few others."""
        is_asked = labels >= 0
        counts = is_asked.sum(1)
        most = int(counts.max())
        if 2 * most > labels.shape[1]:
            return self.states(input_ids, attention_mask)[is_asked], labels[is_asked]
        asked = is_asked.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]  # (B, Q)
        real = torch.arange(most, device=counts.device) < counts[:, None]
        return self.states(input_ids, attention_mask, asked)[real], labels.gather(1, asked)[real]

    # --- metadata -------------------------------------------------------------------------------------------

    def set_item_metadata(self, **tables):
        """Put what is known of the items into the model; see `ItemEncoder.set_metadata`."""
        self.items.set_metadata(**tables)

    @torch.no_grad()
    def gates(self, token_ids):
        """Returns the share of each source (..., F), item and `config.metadata_features`, in vectors of ids (...)."""
        ids = torch.as_tensor(token_ids, device=self.device)
        return self.items.gates(ids.reshape(-1)).view(*ids.shape, -1)

    @torch.no_grad()
    def _extend_items(self, n_new, metadata):
        """Add ids whose own vector is the mean of all items', and as little bias as the rarest item has.

        With `output_embedding` "fused" their metadata tells them apart at once; otherwise only training can.
        """
        tables = item_tables(self.items, self.item_tokenizer, metadata)
        self.items.extend(n_new)
        if tables:
            self.items.set_metadata(**tables)
        if self.output_embeddings is not None:
            self.output_embeddings = longer(self.output_embeddings, n_new)
        if self.output_bias is not None:
            old = self.output_bias.data
            least = old[FIRST_ITEM_ID:].min() if len(old) > FIRST_ITEM_ID else old.new_zeros(())
            self.output_bias = nn.Parameter(torch.cat([old, least.expand(n_new)]))


def newest_columns(input_ids, attention_mask, count):
    """Returns rows (B, T) and their mask, without the columns before the newest `count` where no row has padding."""
    if input_ids.shape[1] <= count or not bool(attention_mask.all()):
        return input_ids, attention_mask
    return input_ids[:, -count:], attention_mask[:, -count:]
