"""What can be done to the entries of an n-gram encoder: where they start, and a vocabulary that grows or shrinks.

Axes: V entries, n new entries, E width of the table, D width of the result.
"""

import torch
from torch import nn

from .ngram_table import (
    COMPOSITION_WIDTH,
    NOT_COMPOSED,
    add_words,
    as_tensor,
    checked_composition,
    dequantize,
    quantize,
    scale_blocks,
)

#: Kind of a skip-gram in the tokenizer's vocabulary.
SKIPGRAM = 6

#: The `a` of the smooth inverse frequency a / (a + p).
SIF_A = 1e-3


class EntryMethods:
    """Methods of `NgramEncoderModel` that set, add and remove entries."""

    # --- where entries start --------------------------------------------------------------------------------

    def set_vocabulary(self, vocabulary):
        """Store the composition of a tokenizer's `NgramVocabulary`, see `set_composition`."""
        self.set_composition(vocabulary.composition, vocabulary.kinds == SKIPGRAM)

    @torch.no_grad()
    def set_composition(self, composition, beside_words=None):
        """Store which words n-grams are made of, and start their residual rows, and those of skip-grams, at zero.

        Arguments:
            composition int (V, 4): ids of the words, -1 after them and for every other kind of entry.
            beside_words bool (V,) or None: True for composed entries whose words are ids of the text too, such as
                skip-grams: their words are not counted again.

        Raises:
            ValueError: the model has no composed entries, or the shape or a word does not fit.
        """
        self._require_unfolded("set_composition")
        if self.composition is None:
            raise ValueError(
                "Expected a model with composed_entries=True, got one without; make it with that setting, or leave "
                "the composition out: every entry then has a row of its own."
            )
        composition = checked_composition(composition, beside_words, self.config.vocab_size, self.config.vocab_size)
        self.composition.copy_(composition)
        self.embeddings.weight[self._is_composed()] = 0

    def _is_composed(self):
        """Return True for the entries (V,) whose row is a residual."""
        return self.composition[:, 0] != NOT_COMPOSED

    @torch.no_grad()
    def set_entry_vectors(self, vectors):
        """Start the table from vectors of the entries, the teacher's for instance; residual rows stay zero.

        Vectors as wide as the result but not as the table are projected on their first E principal directions, and
        rho starts as the map back.

        Arguments:
            vectors (V, E) or (V, D): tensor or array, one row an entry; the padding's is not used.

        Raises:
            ValueError: the shape fits neither, or a value is not finite.
        """
        self._require_unfolded("set_entry_vectors")
        vectors = as_tensor(vectors).float().to(self.device)
        V, E, D = self.config.vocab_size, self.config.embedding_size, self.config.hidden_size
        if vectors.dim() != 2 or vectors.shape[0] != V or vectors.shape[1] not in (E, D):
            raise ValueError(
                f"Expected vectors of shape ({V}, {E}){'' if D == E else f' or ({V}, {D})'}, one row an entry of the "
                f"vocabulary, got {tuple(vectors.shape)}; vocabulary and vectors must come from the same build."
            )
        if not bool(vectors.isfinite().all()):
            raise ValueError("Expected finite vectors, got NaN or infinity among them; encode these entries again.")
        if vectors.shape[1] != E:
            eigenvectors = torch.linalg.eigh(vectors.T.double() @ vectors.double()).eigenvectors
            directions = eigenvectors[:, -E:].flip(1).float()  # (D, E), the largest first
            vectors = vectors @ directions
            self.rho.linear.weight.copy_(directions)
            self.rho.linear.bias.zero_()
        if self.composition is not None:
            vectors = vectors.masked_fill(self._is_composed()[:, None], 0)
        self.embeddings.weight.copy_(vectors)

    @torch.no_grad()
    def set_entry_frequencies(self, frequencies, a: float = SIF_A):
        """Start the weights at the smooth inverse frequency a / (a + p), p the share of each entry.

        Arguments:
            frequencies (V,): counts or shares; they are divided by their sum.
            a (float): weights fall where p exceeds it.

        Raises:
            ValueError: pooling is "mean", or the frequencies do not fit or are all zero.
        """
        self._require_unfolded("set_entry_frequencies")
        if self.logits is None:
            raise ValueError("Expected pooling 'attention' or 'sif', got 'mean', where every entry weighs 1.")
        frequencies = as_tensor(frequencies).double().to(self.device)
        V = self.config.vocab_size
        if frequencies.shape != (V,) or not bool((frequencies >= 0).all()) or not bool(frequencies.sum() > 0):
            raise ValueError(
                f"Expected {V} frequencies of at least 0, not all zero, got shape {tuple(frequencies.shape)}; count "
                "the ids of the training texts with the model's own tokenizer."
            )
        logits = (a / (a + frequencies / frequencies.sum())).log()
        self.logits.copy_(logits[:, None].expand_as(self.logits))

    # --- a vocabulary that changes --------------------------------------------------------------------------

    def extend_to(self, vocabulary, vectors=None):
        """Add the entries at the end of a tokenizer's `NgramVocabulary` that the model lacks, see `extend_entries`."""
        V = self.config.vocab_size
        beside_words = vocabulary.kinds[V:] == SKIPGRAM
        self.extend_entries(len(vocabulary) - V, vocabulary.composition[V:], beside_words, vectors)

    @torch.no_grad()
    def extend_entries(self, n, composition=None, beside_words=None, vectors=None):
        """Add n entries after the others, none of which changes; n-grams start as the sum of their words.

        A new entry of another kind has the median weight. Without a vector its row is random in the training form,
        and in the folded form it adds nothing.

        Arguments:
            n (int): number of new entries, at least 0.
            composition int (n, 4) or None, beside_words bool (n,) or None: as for `set_composition`, of the new ones.
            vectors (n, E) or None: rows of the new entries, those of composed ones not used.

        Raises:
            ValueError: the shapes do not fit.
        """
        config = self.config
        V, E = config.vocab_size, config.embedding_size
        if composition is None or (not config.folded and not config.composed_entries):
            composition = torch.full((n, COMPOSITION_WIDTH), NOT_COMPOSED)
        composition = checked_composition(composition, beside_words, n, V + n).to(self.device)
        if vectors is not None:
            vectors = as_tensor(vectors).float().to(self.device)
            if vectors.shape != (n, E):
                raise ValueError(
                    f"Expected vectors of shape ({n}, {E}), one row a new entry and as wide as the table, got "
                    f"{tuple(vectors.shape)}; pass them in the order of the new ids."
                )
        extend = self._extend_folded if config.folded else self._extend_trainable
        extend(n, composition, vectors)
        config.vocab_size = V + n

    def _extend_trainable(self, n, composition, vectors):
        E = self.config.embedding_size
        if vectors is None:
            vectors = torch.randn(n, E, device=self.device) * self.config.initializer_range
        rows = vectors.masked_fill(composition[:, :1] != NOT_COMPOSED, 0)
        self._replace("embeddings.weight", torch.cat([self.embeddings.weight, rows.to(self.embeddings.weight.dtype)]))
        if self.logits is not None:
            median = self.logits.median(0).values.expand(n, -1)
            self._replace("logits", torch.cat([self.logits, median]))
        if self.composition is not None:
            self._replace("composition", torch.cat([self.composition, composition.int()]))

    def _extend_folded(self, n, composition, vectors):
        weights = self.weights
        heads = weights.shape[1]
        if vectors is None:
            values, new_weights = weights.new_zeros(n, self.table.shape[1]), weights.new_zeros(n, heads)
        else:
            new_weights = weights[weights[:, 0] > 0].median(0).values.repeat(n, 1)
            values = scale_blocks(vectors, new_weights)
        composed = composition[:, :1] != NOT_COMPOSED
        values = values.masked_fill(composed, 0)
        # Words may be new as well, so they are looked up among old and new ones together; only theirs are dequantised.
        words = composition[composition >= 0].unique()
        V = weights.shape[0]
        old, new = words[words < V], words[words >= V] - V
        scale = None if self.scale is None else self.scale[old]
        word_values = torch.cat([dequantize(self.table[old], scale), values[new]])
        word_weights = torch.cat([weights[old], new_weights[new]])
        places = torch.where(composition >= 0, torch.searchsorted(words, composition.clamp(min=0)), composition)
        values, new_weights = add_words(values, new_weights, places, word_values, word_weights)
        table, scale = quantize(values, heads, self.config.table_dtype)
        self._replace("table", torch.cat([self.table, table]))
        self._replace("weights", torch.cat([weights, new_weights]))
        if scale is not None:
            self._replace("scale", torch.cat([self.scale, scale]))

    @torch.no_grad()
    def select_entries(self, old_ids):
        """Keep only some entries; new id i is the entry that had old_ids[i].

        Arguments:
            old_ids int (n,): as `NgramVocabulary.select` returns them; the padding and [UNK] keep their ids.

        Raises:
            ValueError: an id is no entry or comes twice, a special one moved, or an n-gram would lose a word.
        """
        old_ids = as_tensor(old_ids).long().to(self.device)
        V = self.config.vocab_size
        unique = old_ids.unique()
        if old_ids.dim() != 1 or len(unique) != len(old_ids) or bool(((unique < 0) | (unique >= V)).any()):
            raise ValueError(
                f"Expected different ids in [0, {V}), got {len(old_ids)} of which {len(unique)} differ, the largest "
                f"{int(old_ids.max()) if len(old_ids) else None}; pass what `NgramVocabulary.select` returned."
            )
        for special in (self.config.pad_token_id, self.config.unk_token_id):
            if len(old_ids) <= special or int(old_ids[special]) != special:
                raise ValueError(
                    f"Expected id {special} to stay where it is, got another entry there; keep the special entries."
                )
        if self.config.folded:
            names = ["table", "weights"] + ["scale"] * (self.scale is not None)
        else:
            names = ["embeddings.weight"] + ["logits"] * (self.logits is not None)
            if self.composition is not None:
                self._select_composition(old_ids)
        for name in names:
            self._replace(name, self.get_parameter_or_buffer(name)[old_ids])
        self.config.vocab_size = len(old_ids)

    def _select_composition(self, old_ids):
        new_ids = torch.full((self.config.vocab_size,), NOT_COMPOSED, device=self.device, dtype=torch.int32)
        new_ids[old_ids] = torch.arange(len(old_ids), device=self.device, dtype=torch.int32)
        kept = self.composition[old_ids]
        composition = torch.where(kept >= 0, new_ids[kept.clamp(min=0).long()], kept)
        if bool(((composition == NOT_COMPOSED) & (kept >= 0)).any()):
            raise ValueError(
                "Expected the words of every n-gram among the kept entries, got an n-gram without one; drop it too, "
                "as `NgramVocabulary.select` does."
            )
        self._replace("composition", composition)

    def _replace(self, name, value):
        """Put a tensor of another length in the place of a parameter or buffer."""
        module, _, name = name.rpartition(".")
        owner = self.get_submodule(module)
        value = value.contiguous()
        if isinstance(getattr(owner, name), nn.Parameter):
            setattr(owner, name, nn.Parameter(value, requires_grad=getattr(owner, name).requires_grad))
        else:
            setattr(owner, name, value)
        if isinstance(owner, nn.Embedding):
            owner.num_embeddings = value.shape[0]

    def resize_token_embeddings(self, new_num_tokens=None, pad_to_multiple_of=None, mean_resizing=True):
        """Return the table after cutting entries off its end or adding entries that are words of no text yet.

        Arguments:
            new_num_tokens (int or None): entries wanted in all; None keeps the number (and only pads it).
            pad_to_multiple_of (int or None): round the number of entries up to a multiple of this.
            mean_resizing (bool): start new rows near the mean of the table instead of at random.

        Raises:
            ValueError: the model is folded.
        """
        self._require_unfolded("resize_token_embeddings")
        total = self.config.vocab_size if new_num_tokens is None else new_num_tokens
        if pad_to_multiple_of is not None:
            # refused there, in the words that users of transformers know
            if not isinstance(pad_to_multiple_of, int):
                return super().resize_token_embeddings(total, pad_to_multiple_of, mean_resizing)
            total = -(-total // pad_to_multiple_of) * pad_to_multiple_of
        added = total - self.config.vocab_size
        if added < 0:
            self.select_entries(torch.arange(total))
        elif added > 0:
            vectors = None
            if mean_resizing:
                mean = self.embeddings.weight.detach().float().mean(0)
                vectors = mean + torch.randn(added, len(mean), device=mean.device) * self.config.initializer_range / 100
            self.extend_entries(added, vectors=vectors)
        self.vocab_size = total  # where transformers keeps it as well
        return self.get_input_embeddings()

    def _require_unfolded(self, method):
        if self.config.folded:
            raise ValueError(
                f"Expected the training form for {method}, got a folded model, which has only products left; call it "
                "on the model before `fold`."
            )
