"""Vectors of items: what was learned for the id, fused with genres, director, writers and title.

The gate is that of "Gated Multimodal Units" (Arevalo, Solorio, Montes-y-Gomez, Gonzalez, 2017, arXiv 1702.01992), with
a softmax over the sources. The vector of an item depends on the item alone, so it is computed once for each different
item of a batch and looked up, not once a position.

Axes: n ids, V ids in all, F sources (the item itself first), H width, G genres and W writers of an item, E width of a
title vector.
"""

import numpy as np
import torch
from torch import nn

from .configuration_recommender import FIRST_ITEM_ID


class ItemEncoder(nn.Module):
    """Ids to vectors, `none | add | concat | gate`.

    What is known of the items lies in buffers, which are saved with the weights: `genre_ids` int32 (V, G),
    `director_ids` int32 (V,), `writer_ids` int32 (V, W), all 0 where nothing is known, and `title_vectors` (V, E).
    """

    def __init__(self, config):
        super().__init__()
        V, H = config.vocab_size, config.hidden_size
        self.fusion = config.metadata_fusion
        self.item_embeddings = nn.Embedding(V, H, padding_idx=config.pad_token_id)
        self.sources = ["item"]
        if self.fusion == "none":
            return
        self.sources += config.metadata_features
        if "genre" in self.sources:
            self.genre_embeddings = nn.Embedding(config.num_genres + 1, H, padding_idx=0)
            self.register_buffer("genre_ids", torch.zeros(V, max(1, config.max_genres), dtype=torch.int32))
        if "director" in self.sources:
            self.director_embeddings = nn.Embedding(config.num_directors + 1, H, padding_idx=0)
            self.register_buffer("director_ids", torch.zeros(V, dtype=torch.int32))
        if "writer" in self.sources:
            self.writer_embeddings = nn.Embedding(config.num_writers + 1, H, padding_idx=0)
            self.register_buffer("writer_ids", torch.zeros(V, max(1, config.max_writers), dtype=torch.int32))
        if "title" in self.sources:
            self.title_projection = nn.Linear(config.title_embedding_size, H, bias=False)
            self.register_buffer("title_vectors", torch.zeros(V, config.title_embedding_size))
        if self.fusion == "concat":
            self.fusion_layer = nn.Linear(len(self.sources) * H, H)
        elif self.fusion == "gate":
            self.fusion_gate = nn.Linear(len(self.sources) * H, len(self.sources))

    def forward(self, ids):
        """Return vectors (..., H) of ids (...)."""
        if self.fusion == "none":
            return self.item_embeddings(ids)
        different, place = ids.unique(return_inverse=True)
        return nn.functional.embedding(place, self.fused(different))

    def all_items(self):
        """Return the vectors (V, H) of all ids."""
        if self.fusion == "none":
            return self.item_embeddings.weight
        return self.fused(torch.arange(self.item_embeddings.num_embeddings, device=self.item_embeddings.weight.device))

    def fused(self, ids):
        """Return the vectors (n, H) of ids (n,), each computed once."""
        sources = self.features(ids)  # (n, F, H)
        if self.fusion == "add":
            return sources.sum(1)
        if self.fusion == "concat":
            return self.fusion_layer(sources.flatten(1))
        return (self.fusion_gate(sources.flatten(1)).softmax(-1)[:, :, None] * sources).sum(1)

    def features(self, ids):
        """Return the vector of each source (n, F, H) of ids (n,)."""
        found = {"item": lambda: self.item_embeddings(ids)}
        found["genre"] = lambda: _mean(self.genre_embeddings, self.genre_ids[ids].long())
        found["director"] = lambda: self.director_embeddings(self.director_ids[ids].long())
        found["writer"] = lambda: _mean(self.writer_embeddings, self.writer_ids[ids].long())
        found["title"] = lambda: self.title_projection(self.title_vectors[ids].to(self.title_projection.weight.dtype))
        return torch.stack([found[name]() for name in self.sources], 1)

    def gates(self, ids):
        """Return the share of each source (n, F) in the vectors of ids (n,); rows sum to one.

        Raises:
            ValueError: there is no gate.
        """
        if self.fusion != "gate":
            raise ValueError(
                f"Expected metadata_fusion 'gate', got {self.fusion!r}: only a gate weighs sources. Train one with it."
            )
        return self.fusion_gate(self.features(ids).flatten(1)).softmax(-1)

    def set_metadata(self, **tables):
        """Put what is known of the items, or of the last of them, into the buffers.

        Arguments:
            genre_ids (n, G'), director_ids (n,), writer_ids (n, W'), title_vectors (n, E): arrays or tensors for the
                last n ids, V of them unless items were just added; G' and W' up to the sizes of the config.

        Raises:
            ValueError: a table of a source that is not fused, of another width, or with ids that do not exist.
        """
        for name, table in tables.items():
            buffer = getattr(self, name, None)
            if not isinstance(buffer, torch.Tensor):
                raise ValueError(
                    f"Expected tables of the sources {', '.join(self.sources[1:]) or 'none'}, got {name}. "
                    "Leave it out, or make the model with this source in metadata_features."
                )
            table = torch.as_tensor(table, device=buffer.device).to(buffer.dtype)
            n, width = len(table), (table.shape[1:] or (None,))[0]
            fits = table.dim() == buffer.dim() and n <= len(buffer) and (width is None or width <= buffer.shape[1])
            if name == "title_vectors":
                fits = fits and width == buffer.shape[1]
            else:
                known = getattr(self, name.replace("_ids", "_embeddings")).num_embeddings
                fits = fits and (n == 0 or (table.min() >= 0 and table.max() < known))
            if not fits:
                raise ValueError(
                    f"Expected {name} of shape {tuple(buffer.shape)} with values the config has room for, got "
                    f"{tuple(table.shape)}. Make the config from the same metadata."
                )
            rows = buffer[len(buffer) - n :]
            rows.zero_()
            if width is None:
                rows.copy_(table)
            else:
                rows[:, :width] = table

    def extend(self, n):
        """Add n ids, whose own vector is the mean of all items' and of which nothing else is known yet."""
        self.item_embeddings = longer(self.item_embeddings, n)
        for name in ("genre_ids", "director_ids", "writer_ids", "title_vectors"):
            buffer = getattr(self, name, None)
            if isinstance(buffer, torch.Tensor):
                setattr(self, name, torch.cat([buffer, buffer.new_zeros(n, *buffer.shape[1:])]))


def longer(embeddings, n):
    """Returns a table of n more vectors, each the mean of all items'."""
    old = embeddings.weight.data
    mean = old[FIRST_ITEM_ID:].mean(0) if len(old) > FIRST_ITEM_ID else old.new_zeros(old.shape[1])
    return nn.Embedding.from_pretrained(
        torch.cat([old, mean.expand(n, -1)]), freeze=False, padding_idx=embeddings.padding_idx
    )


def number_names(column):
    """Returns {name: number} of a column of lists of names: 1 for the first that occurs, and so on; 0 is none.

    So the numbers follow from the tokenizer alone, and items that are added later do not change them.
    """
    return {name: i for i, name in enumerate(dict.fromkeys(name for names in column for name in names or ()), start=1)}


def name_table(column, numbers, width):
    """Returns the numbers of the first `width` names of each item, int32 array (n, width); 0 for none and unknown ones.

    Args:
        column: (n,) lists of names, or None; numbers: {name: number}.
    """
    column = [(names or ())[:width] for names in column]
    lengths = np.fromiter(map(len, column), np.int64, len(column))
    flat = np.array([numbers.get(name, 0) for names in column for name in names], np.int32)
    table = np.zeros((len(column), width), np.int32)
    table[np.arange(width) < lengths[:, None]] = flat
    return table


def item_tables(encoder, tokenizer, columns):
    """Returns tables for `ItemEncoder.set_metadata` of new items, from what a user knows of them.

    Arguments:
        tokenizer (ItemTokenizer): of the items that are there; it numbers the names.
        columns: {"genres": [[name, ...], ...], "directors": ..., "writers": ..., "title_vectors": (n, E)}, each with an
            entry an item, or None. Of an item's names the first count that there is room for, one director; those
            that the model was not trained with say nothing.

    Raises:
        ValueError: the model reads titles, and there are no vectors of them.
    """
    tables = {}
    for source in encoder.sources[1:]:
        if source == "title":
            if columns.get("title_vectors") is None:
                raise ValueError(
                    "Expected title_vectors of the new items, for this model reads titles, got none. Encode the titles "
                    "with the sentence encoder that config.title_encoder names."
                )
            tables["title_vectors"] = columns["title_vectors"]
            continue
        column = columns.get(f"{source}s")
        if not column:
            continue
        known = getattr(encoder, f"{source}_embeddings").num_embeddings
        numbers = number_names(getattr(tokenizer, f"{source}s") or [])
        buffer = getattr(encoder, f"{source}_ids")
        table = name_table(column, numbers, 1 if buffer.dim() == 1 else buffer.shape[1])
        table[table >= known] = 0
        tables[f"{source}_ids"] = table[:, 0] if buffer.dim() == 1 else table
    return tables


def _mean(embeddings, ids):
    """Return the mean (n, H) of the vectors of ids (n, G), of which 0 does not count; zeros where there is none."""
    known = (ids != 0).sum(1, keepdim=True).clamp(min=1)
    return embeddings(ids).sum(1) / known
