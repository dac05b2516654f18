"""The n-gram encoder: one vector a text from the set of its vocabulary entries, by look-up, weighting and a sum.

After "Deep Sets" (Zaheer, Kottur, Ravanbakhsh, Poczos, Salakhutdinov, Smola, NeurIPS 2017, arXiv 1703.06114), with the
learned-query pooling of "Set Transformer" (Lee, Lee, Kim, Kosiorek, Choi, Teh, ICML 2019, arXiv 1810.00825) and the
smooth inverse frequency of "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (Arora, Liang, Ma, ICLR 2017).
Differences from the papers:
- the elements are entries of a vocabulary (words, n-grams, skip-grams, word pieces), each with a row of a table;
- one query a head, the same for every text, so a weight depends on the entry alone. The softmax is then a ratio of two
  sums, and `fold` turns phi and the attention into one table: exactly, not as an approximation;
- an n-gram adds to its words instead of replacing them: what it means beyond them is a residual row, zero at first.

An entry v has a row e_v; z_v = phi(e_v); w_vh = exp(l_vh), with one logit an entry and head. Then, a block a head,

    out = rho(sum of w_v z_v / sum of w_v)

over the entries of the text. An n-gram counts as all its words, and adds w_v e_v to the upper sum alone; a skip-gram,
whose words have ids of their own in the text, only adds. So a residual has no phi,
which would turn a row of zero into something, and no weight below: a model whose residuals are zero is the model of
words, for every kind of pooling. Its row moves from the first step, since its weight is that of any entry of its
frequency; its logit, which only scales the row, follows.

Axes: B texts, T ids of a padded row, N ids of all texts, M ids after n-grams became words, V entries, E width of the
table, H heads, D width of the result.
"""

import copy
import itertools
from dataclasses import dataclass

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_ngram_encoder import NgramEncoderConfig
from .ngram_entries import EntryMethods
from .ngram_table import (
    COMPOSITION_WIDTH,
    NOT_COMPOSED,
    TABLE_DTYPES,
    add_words,
    bag,
    bag_of_weights,
    dequantize,
    flatten_ids,
    quantize,
    scale_blocks,
)

#: No weight of a folded table is below this; a text whose only entry weighs less would be 0 / 0.
LEAST_WEIGHT = 1e-30

#: Values that are dequantised for one batch without looking for repeated ids first.
_GATHER_AT_ONCE = 1 << 22


@dataclass
class NgramEncoderOutput(ModelOutput):
    """What `NgramEncoderModel` returns.

    Arguments:
        pooler_output (B, D): one vector a text.
    """

    pooler_output: torch.FloatTensor | None = None


# --- parts --------------------------------------------------------------------------------------------------


class ZeroLinear(nn.Linear):
    """A linear map whose weight starts at zero: what it is added to is unchanged at first."""


class IdentityLinear(nn.Linear):
    """A linear map that starts as the identity where it is square."""


class ResidualNetwork(nn.Module):
    """`x + down(activation(up(norm(x))))`; the identity at first, because `down` starts at zero."""

    def __init__(self, width: int, hidden: int, activation: nn.Module, epsilon: float):
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=epsilon)
        self.up = nn.Linear(width, hidden)
        self.activation = activation
        self.down = ZeroLinear(hidden, width)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (..., E) of rows (..., E)."""
        return rows + self.down(self.activation(self.up(self.norm(rows))))


class Rho(nn.Module):
    """What turns the pooled vector into the result: a linear map, and for "mlp" a small network beside it.

    With one head and a table as wide as the result "mlp" has no linear map: the table itself can be that. The
    activation is ReLU and not GELU, because every text pays for it and a runtime without torch computes it too.
    """

    def __init__(self, config: NgramEncoderConfig):
        super().__init__()
        E, D = config.embedding_size, config.hidden_size
        self.has_network = config.rho == "mlp"
        redundant = self.has_network and E == D and config.num_attention_heads == 1
        self.linear = None if redundant else IdentityLinear(E, D)
        if self.has_network:
            self.norm = nn.LayerNorm(E, eps=config.layer_norm_eps)
            self.up = nn.Linear(E, config.rho_hidden_size)
            self.down = ZeroLinear(config.rho_hidden_size, D)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        """Return (B, D) of pooled (B, E)."""
        out = pooled if self.linear is None else self.linear(pooled)
        return out + self.down(self.up(self.norm(pooled)).relu()) if self.has_network else out


class EntryAttention(nn.Module):
    """Pre-norm transformer layer over the entries of a text, without positions: a set has no order."""

    def __init__(self, config: NgramEncoderConfig):
        super().__init__()
        width = config.embedding_size
        self.heads = config.num_self_attention_heads
        self.norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.network = ResidualNetwork(width, 4 * width, nn.GELU(), config.layer_norm_eps)

    def forward(self, entries: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return entries (B, T, E) that have seen those of their text for which mask (B, T) is True."""
        B, T, E = entries.shape
        states = self.query_key_value(self.norm(entries)).view(B, T, 3, self.heads, E // self.heads)
        query, key, value = states.permute(2, 0, 3, 1, 4)  # (B, heads, T, E / heads) each
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None])
        return self.network(entries + self.output(mixed.transpose(1, 2).reshape(B, T, E)))


# --- the model ----------------------------------------------------------------------------------------------


class NgramEncoderPreTrainedModel(PreTrainedModel):
    config_class = NgramEncoderConfig
    base_model_prefix = "ngram_encoder"
    main_input_name = "input_ids"
    input_modalities = ("text",)
    _input_embed_layer = "embeddings"
    _no_split_modules: list = ["EntryAttention"]  # noqa: RUF012

    # A folded model may have no parameter at all, where transformers looks for both.
    @property
    def device(self) -> torch.device:
        return next(itertools.chain(self.parameters(), self.buffers())).device

    @property
    def dtype(self) -> torch.dtype:
        return next((p.dtype for p in self.parameters() if p.is_floating_point()), torch.float32)

    @torch.no_grad()
    def _init_weights(self, module):
        super()._init_weights(module)
        # By the class of the part itself: transformers skips a module without tensors of its own.
        if isinstance(module, ZeroLinear):
            init.zeros_(module.weight)
        elif isinstance(module, IdentityLinear) and module.in_features == module.out_features:
            init.eye_(module.weight)
        elif isinstance(module, NgramEncoderModel):
            self._init_entries(module)

    def _init_entries(self, model):
        if model.config.folded:
            if model.table.is_floating_point():
                init.normal_(model.table, std=self.config.initializer_range)
            else:
                init.zeros_(model.table)
            init.ones_(model.weights)
            if model.scale is not None:
                init.ones_(model.scale)
            return
        if model.logits is not None:
            init.zeros_(model.logits)
        if model.composition is not None:
            init.constant_(model.composition, -1)


class NgramEncoderModel(EntryMethods, NgramEncoderPreTrainedModel):
    """Entries of texts to one vector a text.

    Two forms have this class. The training form holds table, logits, phi and rho; `fold` gives the folded form, in
    which an id costs one row of a sum. What is published is the folded form.

    Example:
        >>> model = NgramEncoderModel(NgramEncoderConfig(vocab_size=9, hidden_size=4))
        >>> model.set_vocabulary(vocabulary)  # doctest: +SKIP
        >>> ids, offsets = torch.tensor([4, 2, 7]), torch.tensor([0, 2, 3])  # two texts
        >>> model(ids, offsets=offsets).pooler_output.shape
        torch.Size([2, 4])
    """

    #: Gradients of table and logits are sparse tensors, for optimizers that take them; with one head and no phi.
    sparse_gradients = False

    def __init__(self, config: NgramEncoderConfig):
        super().__init__(config)
        V, E, H = config.vocab_size, config.embedding_size, config.num_attention_heads
        if config.folded:
            self._make_folded(V, E, H, TABLE_DTYPES[config.table_dtype])
        else:
            self._make_trainable(V, E, H)
        self.rho = None if config.rho == "none" else Rho(config)
        self.post_init()

    def _make_folded(self, V, E, H, dtype):
        # A float32 table can be trained further. The others are no parameters: no optimizer can move an int8.
        table = torch.empty(V, E, dtype=dtype)
        if dtype == torch.float32:
            self.table = nn.Parameter(table)
        else:
            self.register_buffer("table", table)
        # With their types spelled: loading in another default type must not round them.
        self.register_buffer("weights", torch.ones(V, H, dtype=torch.float32))
        quantized = dtype != torch.float32
        self.register_buffer("scale", torch.ones(V, H, dtype=torch.float32) if quantized else None)

    def _make_trainable(self, V, E, H):
        config = self.config
        self.embeddings = nn.Embedding(V, E)
        self.phi = self.logit_map = self.logits = None
        if config.phi == "mlp":
            self.phi = ResidualNetwork(E, config.phi_hidden_size, nn.GELU(), config.layer_norm_eps)
            if config.pooling == "attention":
                self.logit_map = ZeroLinear(E, H, bias=False)
        if config.pooling == "attention":
            self.logits = nn.Parameter(torch.zeros(V, H))
        elif config.pooling == "sif":
            del self.logits
            self.register_buffer("logits", torch.zeros(V, 1, dtype=torch.float32))
        composition = torch.full((V, COMPOSITION_WIDTH), -1, dtype=torch.int32) if config.composed_entries else None
        self.register_buffer("composition", composition)
        self.layers = nn.ModuleList([EntryAttention(config) for _ in range(config.num_self_attention_layers)])

    # --- texts to vectors -----------------------------------------------------------------------------------

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        offsets: torch.LongTensor | None = None,
        **kwargs,
    ) -> NgramEncoderOutput:
        """Return `pooler_output` (B, D); a text without any entry gets the vector of zeros.

        Arguments:
            input_ids (B, T) with attention_mask (B, T): padded rows; without a mask all ids but the padding count.
            input_ids (N,) with offsets (B + 1,): texts one after the other, text b from offsets[b] to offsets[b + 1].
                Nothing is padded, so this is the fast way.

        Raises:
            ValueError: ids and offsets (or mask) do not fit together.
        """
        ids, offsets = self._flat(input_ids, attention_mask, offsets)
        sums, totals = self._folded_sums(ids, offsets) if self.config.folded else self._sums(ids, offsets)
        pooled = scale_blocks(sums, 1 / totals.clamp(min=LEAST_WEIGHT))  # (B, E)
        out = pooled if self.rho is None else self.rho(pooled)  # (B, D)
        out = torch.where(totals[:, :1] > 0, out, 0)  # not rho(0): nothing was said
        if self.config.normalize:
            out = nn.functional.normalize(out.float(), dim=-1)
        return NgramEncoderOutput(pooler_output=out)

    def _flat(self, input_ids, attention_mask, offsets):
        """Return (ids (N,), offsets (B + 1,)), both int64, of either kind of input."""
        if input_ids is None:
            raise ValueError("Expected input_ids, got None; an entry has no vector outside the table.")
        if offsets is None:
            if input_ids.dim() != 2:
                raise ValueError(
                    f"Expected input_ids of shape (B, T), got {tuple(input_ids.shape)} and no offsets; pad them, or "
                    "pass the offsets (B + 1,) of the texts in a flat row of ids."
                )
            if attention_mask is not None and attention_mask.shape != input_ids.shape:
                raise ValueError(
                    f"Expected attention_mask of the shape of input_ids, {tuple(input_ids.shape)}, got "
                    f"{tuple(attention_mask.shape)}; pass the mask that the tokenizer returned with them."
                )
            return flatten_ids(input_ids.long(), attention_mask, self.config.pad_token_id)
        if input_ids.dim() != 1 or offsets.dim() != 1 or attention_mask is not None:
            raise ValueError(
                f"Expected flat input_ids (N,) with offsets (B + 1,) and no attention_mask, got input_ids "
                f"{tuple(input_ids.shape)}, offsets {tuple(offsets.shape)} and "
                f"{'no mask' if attention_mask is None else 'a mask'}; leave offsets out for padded rows."
            )
        if offsets.device.type == "cpu" and (len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(input_ids)):
            raise ValueError(
                f"Expected offsets from 0 to the number of ids, {len(input_ids)}, got {offsets[:1].tolist()} to "
                f"{offsets[-1:].tolist()}; they have one number more than there are texts."
            )
        return input_ids.long(), offsets.long()

    def _sums(self, ids, offsets):
        """Return (sums of weighted rows (B, E), sums of weights (B, H)) of texts, in the training form."""
        if not self.layers:
            return self._sums_of_words(ids, offsets)
        # Entries see each other as what each would be alone: its mean, with its weight.
        alone = torch.arange(ids.numel() + 1, device=ids.device)
        sums, weights = self._sums_of_words(ids, alone)  # (N, E), (N, H)
        # A skip-gram has a row that others can see, but no weight to divide by.
        seen = weights[:, :1] > 0
        rows = torch.where(seen, scale_blocks(sums, 1 / torch.where(seen, weights, 1)), self.embeddings(ids).float())
        lengths = offsets.diff()
        mask = torch.arange(int(lengths.max()) if len(lengths) else 0, device=ids.device) < lengths[:, None]  # (B, T)
        entries = rows.new_zeros(*mask.shape, rows.shape[1])
        entries[mask] = rows
        visible = mask.masked_scatter(mask, ids != self.config.pad_token_id)
        # A text without entries attends to its padding; softmax over nothing is NaN, and its weight is zero anyway.
        visible = visible | ~visible.any(1, keepdim=True)
        for layer in self.layers:
            entries = layer(entries, visible)
        rows = scale_blocks(entries[mask].float(), weights)
        return bag_of_weights(rows, offsets), bag_of_weights(weights, offsets)

    def _sums_of_words(self, ids, offsets):
        """Return (sums (B, E), weights (B, H)) after every composed entry became its words and its residual."""
        items, residual, offsets = self._words_and_residuals(ids, offsets)
        if self.phi is None:
            rows, index = self.embeddings.weight, items
            logits = self._logits(items)
        else:
            # phi on each entry of the batch once, however often it occurs
            unique, index = items.unique(return_inverse=True)
            rows, logits = self._rows_and_logits(unique)
            logits = nn.functional.embedding(index, logits)
        if logits.shape[0]:
            logits = logits - logits.detach().amax(0)  # a factor that both sums share
        weights = logits.exp().masked_fill((items == self.config.pad_token_id)[:, None], 0)  # (M, H)
        sparse = self.sparse_gradients and self.phi is None and weights.shape[1] == 1
        sums = bag(rows, index, offsets, weights, sparse=sparse)
        if residual is not None:
            weights = weights.masked_fill(residual[:, None], 0)
        return sums.float(), bag_of_weights(weights, offsets).float()

    def _words_and_residuals(self, ids, offsets):
        """Return (items (M,), True where an item is a residual (M,) or None, offsets (B + 1,))."""
        if self.composition is None or not ids.numel():
            return ids, None, offsets
        words = self.composition.index_select(0, ids).long()  # (N, 4)
        composed = words[:, 0] != NOT_COMPOSED
        if not bool(composed.any()):
            return ids, None, offsets
        items = torch.cat([ids[:, None], words], 1)  # (N, 5)
        kept = items >= 0
        residual = torch.zeros_like(kept)
        residual[:, 0] = composed
        ends = nn.functional.pad(kept.sum(1).cumsum(0), (1, 0))
        return items[kept], residual[kept], ends[offsets]

    def _logits(self, items):
        """Return the logits (M, H) of entries before phi's share; zeros where all weigh the same."""
        if self.logits is None:
            return torch.zeros(items.shape[0], 1, device=items.device)
        sparse = self.sparse_gradients and self.phi is None and isinstance(self.logits, nn.Parameter)
        return nn.functional.embedding(items, self.logits, sparse=sparse and self.logits.shape[1] == 1).float()

    def _rows_and_logits(self, entries):
        """Return (z (U, E), logits (U, H)) of entries (U,): rows through phi, but residuals as they are."""
        rows, logits = self.embeddings(entries), self._logits(entries)
        if self.phi is None:
            return rows, logits
        through = self.phi(rows)
        if self.composition is not None:
            composed = self._is_composed()[entries, None]
            through = torch.where(composed, rows, through)
        if self.logit_map is not None:
            logits = logits + self.logit_map(through).float()
        return through, logits

    def _folded_sums(self, ids, offsets):
        """Return (sums (B, E), sums of weights (B, H)) of texts from the folded table."""
        totals = bag(self.weights, ids, offsets)
        if self.scale is None:
            return bag(self.table, ids, offsets).float(), totals.float()
        # index_select and not brackets, which take ten times as long for one byte a value
        scale = self.scale.index_select(0, ids)
        index = torch.arange(ids.numel(), device=ids.device)
        if ids.numel() * self.table.shape[1] > _GATHER_AT_ONCE:
            ids, index = ids.unique(return_inverse=True)
        return bag(self.table.index_select(0, ids).float(), index, offsets, scale.float()), totals.float()

    # --- folding --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def entry_contributions(self, chunk_size: int = 8192) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (values (V, E), weights (V, H)) in float32: what one occurrence of each entry adds to the two sums.

        This is the fold: n-grams hold the sum of their words and their residual.

        Raises:
            ValueError: the model has self-attention, so that no entry adds something of its own.
        """
        if self.config.folded:
            return dequantize(self.table, self.scale), self.weights.clone()
        if self.layers:
            raise ValueError(
                f"Expected num_self_attention_layers=0 to fold, got {len(self.layers)}: entries that see each other "
                "add something else in every text, so no table can hold it; use the model unfolded, or train one "
                "without these layers."
            )
        ids = torch.arange(self.config.vocab_size, device=self.device)
        rows, logits = zip(*map(self._rows_and_logits, ids.split(chunk_size)), strict=True)
        logits = torch.cat(logits)
        weights = (logits - logits.amax(0)).exp().clamp(min=LEAST_WEIGHT)  # (V, H)
        weights[self.config.pad_token_id] = 0
        values = scale_blocks(torch.cat(rows).float(), weights)
        if self.composition is not None:
            words = self.composition.long()
            values, weights = add_words(values, weights, words, values.clone(), weights)
        return values, weights

    def fold(self, table_dtype: str = "float32", absorb_rho: bool = True) -> "NgramEncoderModel":
        """Return a new model with the same vectors in which phi, the attention and a linear rho are one table.

        Equal up to rounding for float32; float16 and int8 store one scale a row and head. A folded model can be
        folded again into another type.

        Arguments:
            table_dtype (str): "float32", "float16" or "int8".
            absorb_rho (bool): put a linear rho into the table too, where there is one head (an affine map of a mean
                is the mean of the affine map); the table is then as wide as the result.

        Raises:
            ValueError: the model has self-attention, or the type is none of these.
        """
        if table_dtype not in TABLE_DTYPES:
            raise ValueError(
                f"Expected table_dtype to be one of {', '.join(TABLE_DTYPES)}, got {table_dtype!r}; pass one."
            )
        values, weights = self.entry_contributions()
        config = copy.deepcopy(self.config)
        config.folded, config.table_dtype = True, table_dtype
        absorbs = absorb_rho and config.rho == "linear" and config.num_attention_heads == 1
        if absorbs:
            linear = self.rho.linear
            with torch.no_grad():
                values = values @ linear.weight.T.float() + weights * linear.bias.float()
            config.rho, config.embedding_size = "none", config.hidden_size
        # sif and mean have one weight an entry, whatever the number of heads
        weights = weights.expand(-1, config.num_attention_heads).contiguous()
        folded = type(self)(config)
        table, scale = quantize(values, config.num_attention_heads, table_dtype)
        with torch.no_grad():
            folded.table.data = table
            folded.weights.data = weights
            if scale is not None:
                folded.scale.data = scale
        if folded.rho is not None:
            folded.rho.load_state_dict(self.rho.state_dict())
        return folded.to(self.device).eval()


NgramEncoderModel.register_for_auto_class("AutoModel")
# transformers itself registers the classes of a copy of this file that it loads from a model repository.
if not __name__.startswith("transformers_modules."):
    AutoModel.register(NgramEncoderConfig, NgramEncoderModel, exist_ok=True)

__all__ = ["NgramEncoderModel", "NgramEncoderOutput", "NgramEncoderPreTrainedModel"]
