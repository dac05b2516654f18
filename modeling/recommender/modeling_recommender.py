"""What all recommenders share: histories in the user's own item ids in, ranked items in the same ids out.

A model of the family implements `next_item_scores`; `recommend` and all around it is here. The item tokenizer lies in
the model's repository and is loaded from there at first use, so that nothing but the model is needed.

Axes: B users, T items of a history, V token ids, N items of all histories, H width of a vector, k recommended items.
"""

import itertools
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.utils import ModelOutput

from .configuration_recommender import FIRST_ITEM_ID, RecommenderConfig, is_int, is_number
from .item_catalogue import ItemCatalogueMixin, NoItemTokenizerError
from .item_index import ItemIndex
from .item_ranking import NEVER, diversify, pad_rows, top_k, unit_vectors
from .recommendation_rules import UNKNOWN_YEAR, Rules, flat_rows, last_years

#: Scores that are held at once; bounds the memory of a batch where the catalogue is large.
_SCORES_AT_ONCE = 1 << 25
#: With diversity, this many items for each recommended one are compared, and at least as many as the second.
_POOL_FACTOR, _POOL_LEAST = 4, 100
UNKNOWN_ITEMS = ("ignore", "error")


@dataclass
class RecommenderOutput(ModelOutput):
    """What a recommender's `forward` returns; a model fills in what it has.

    Arguments:
        loss (): with labels, the mean over what was asked.
        scores (B, V): of the next item.
        gates (B, T, F): weights of the F sources of an item's vector, which sum to one; on request.
    """

    loss: torch.FloatTensor | None = None
    scores: torch.FloatTensor | None = None
    gates: torch.FloatTensor | None = None


class Recommendations(NamedTuple):
    """Ranked items, one list a user, best first.

    Arguments:
        items: item ids; a list is shorter than k where no more items were allowed.
        scores: the model's score of each.
    """

    items: list[list[str]]
    scores: list[list[float]]


class RecommenderPreTrainedModel(ItemCatalogueMixin, PreTrainedModel):
    """Base of all recommenders.

    A subclass implements `next_item_scores`. For retrieval in large catalogues it implements `query_vectors` and
    `item_vectors` (and `item_bias`) so that query @ item vector + bias is the score; `item_vectors` alone is enough for
    `similar_items` and diversity. To grow, it implements `_extend_items`.
    """

    config_class = RecommenderConfig
    base_model_prefix = "recommender"
    main_input_name = "input_ids"

    _item_index = None

    def __init_subclass__(cls, **kwargs):
        """Register a concrete model, one that names its own config class, with the Auto classes."""
        is_concrete = "config_class" in cls.__dict__  # transformers writes an inherited one there, too
        super().__init_subclass__(**kwargs)
        if is_concrete:
            cls.register_for_auto_class("AutoModel")
            cls.config_class.register_for_auto_class()
            # transformers itself registers the classes of a copy of this file that it loads from a model repository.
            if not cls.__module__.startswith("transformers_modules."):
                AutoConfig.register(cls.config_class.model_type, cls.config_class, exist_ok=True)
                AutoModel.register(cls.config_class, cls, exist_ok=True)

    # A model may have no parameter at all, where transformers looks for both.
    @property
    def device(self) -> torch.device:
        return next((t.device for t in itertools.chain(self.parameters(), self.buffers())), torch.device("cpu"))

    @property
    def dtype(self) -> torch.dtype:
        return next((p.dtype for p in self.parameters() if p.is_floating_point()), torch.float32)

    # --- what a model of the family implements --------------------------------------------------------------

    def next_item_scores(self, input_ids: torch.LongTensor, attention_mask: torch.Tensor | None = None):
        """Return float32 scores (B, V) of the item that follows each history; special tokens have any score.

        Arguments:
            input_ids (B, T) with attention_mask (B, T): histories, oldest item first, padded on any side. A row of
                padding alone is an empty history.
        """
        raise NotImplementedError(f"{type(self).__name__} has to implement next_item_scores.")

    def scorer(self):
        """Return `next_item_scores` for many batches: what is the same for all of them is computed here, once.

        The function is of the weights as they are now, and of the mode, training or evaluation.
        """
        return self.next_item_scores

    def query_vectors(self, input_ids: torch.LongTensor, attention_mask: torch.Tensor | None = None):
        """Return the vectors (B, H) of histories whose product with `item_vectors` scores the items, or None."""
        return None

    def item_vectors(self) -> torch.Tensor | None:
        """Return one vector a token id (V, H), or None where the model has none."""
        return None

    def item_bias(self) -> torch.Tensor | None:
        """Return what is added to the product of each item (V,), or None."""
        return None

    def _extend_items(self, n_new: int, metadata: dict) -> None:
        """Make room for `n_new` items at the end of the catalogue; `config.vocab_size` is raised afterwards.

        Arguments:
            metadata: {"titles": ..., "years": ..., "genres": ..., "directors": ..., "writers": ...}, each a list with
                an entry an item, or None; and "title_vectors", float32 (n_new, E) or None.
        """
        raise ValueError(
            f"Expected a model that can take items it was not trained on, got {type(self).__name__}; train it anew "
            "with these items, or use a model with metadata."
        )

    # --- recommending ---------------------------------------------------------------------------------------

    def recommend(
        self,
        histories,
        k: int = 10,
        exclude_seen: bool = True,
        candidates=None,
        exclude=None,
        released_until=None,
        diversity: float = 0.0,
        unknown_items: str = "ignore",
        batch_size: int = 64,
    ) -> Recommendations:
        """Return the best `k` items for each history, with their scores; equal scores in the order of token ids.

        Arguments:
            histories: list of lists of item ids, `str` or `int`, oldest first. An empty one is legal.
            k: at most this many items a user; fewer where fewer are allowed.
            exclude_seen: leave out the items of the history, those too that are too old to be read.
            candidates: the only items that may be recommended: one list for all, or one list of lists, a user each.
            exclude: items that may not be recommended, in the same two forms; unknown ones need no warning.
            released_until: a year, or one a user (None: any): items of a later year are left out. Items whose year is
                unknown stay.
            diversity: from 0 to 1; see `diversify` in item_ranking.py. Scores are then no longer falling.
            unknown_items: "ignore": items that the model does not know are left out of all lists, with one warning;
                "error": they raise.
            batch_size: histories that are scored at once; fewer for large catalogues. 64 stay in the cache of a
                processor; a GPU likes more.

        Raises:
            TypeError: a list is no list, or an item is neither `str` nor `int`.
            ValueError: an argument is out of range; an item is unknown and `unknown_items` is "error"; no candidate is
                known.

        Example:
            >>> model.recommend([["1193", "661"], []], k=2).items  # doctest: +SKIP
            [['914', '3408'], ['2858', '260']]
        """
        self._check_call(k, diversity, unknown_items, batch_size)
        tokenizer, n = self.item_tokenizer, _n_histories(histories)
        told = []
        ids, offsets = self._encode(histories, "the histories", unknown_items, told)
        candidates = self._encode_list(candidates, "candidates", n, unknown_items, told)
        exclude = self._encode_list(exclude, "exclude", n, unknown_items, [])  # what is unknown is left out anyway
        if told:
            warnings.warn("; ".join(told) + "; left out.", stacklevel=2)
        token_ids, scores = self.recommend_ids(
            ids,
            offsets,
            k,
            exclude_seen=exclude_seen,
            candidates=candidates,
            exclude=exclude,
            released_until=last_years(released_until, n),
            diversity=diversity,
            batch_size=batch_size,
        )
        counts = (token_ids > 0).sum(1).tolist()
        items = tokenizer.items
        rows = zip(token_ids.tolist(), scores.tolist(), counts, strict=True)
        named = [([items[i - FIRST_ITEM_ID] for i in row[:count]], values[:count]) for row, values, count in rows]
        return Recommendations([row for row, _ in named], [values for _, values in named])

    @torch.no_grad()
    def recommend_ids(
        self,
        ids,
        offsets,
        k: int = 10,
        *,
        exclude_seen: bool = True,
        seen=None,
        candidates=None,
        exclude=None,
        released_until=None,
        item_years=None,
        diversity: float = 0.0,
        batch_size: int = 64,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return (token ids int64 (B, n), scores float32 (B, n)), best first, with n = min(k, number of items).

        `recommend` for arrays of token ids. Places without an item hold id 0 and -inf.

        Arguments:
            ids (N,) with offsets (B + 1,): histories, as `ItemTokenizer.encode_histories` gives them.
            seen: (ids, offsets) of what `exclude_seen` leaves out, where it is not the histories themselves.
            candidates, exclude: token ids (M,) for all users, or (ids, offsets (B + 1,)).
            released_until (B,) int64: last year allowed a user; item_years (V,) int64, by default the tokenizer's.
        """
        ids, offsets = flat_rows(ids, offsets, "ids", self.config.vocab_size)
        B, V = len(offsets) - 1, self.config.vocab_size
        lengths = np.diff(offsets)
        if self.config.max_history:
            lengths = np.minimum(lengths, self.config.max_history)
        rules = self._rules(exclude_seen, (ids, offsets), seen, candidates, exclude, released_until, item_years)
        n = min(k, V - FIRST_ITEM_ID)
        token_ids, scores = np.zeros((B, n), np.int64), np.full((B, n), NEVER, np.float32)
        retrieves = self._item_index is not None and rules.can_be_retrieved
        if not retrieves:
            batch_size = max(1, min(batch_size, _SCORES_AT_ONCE // V))
        order = np.argsort(-lengths, kind="stable")
        vectors = self._diversity_vectors() if diversity else None
        was_training = self.training
        self.eval()
        try:
            score = None if retrieves else self.scorer()
            for start in range(0, B, batch_size):
                rows = order[start : start + batch_size]
                batch = pad_rows(ids, offsets[rows + 1] - lengths[rows], lengths[rows])
                batch = [torch.from_numpy(array).to(self.device) for array in batch]
                pool = n if vectors is None else max(_POOL_FACTOR * n, _POOL_LEAST)
                if retrieves:
                    found = self._retrieved(batch, rules, rows, pool)
                else:
                    found = self._ranked(score(*batch).float(), rules, rows, pool)
                if vectors is not None:
                    found = diversify(*found, vectors, n, diversity)
                width = found[0].shape[1]
                token_ids[rows, :width], scores[rows, :width] = found[0].cpu().numpy(), found[1].cpu().numpy()
        finally:
            self.train(was_training)
        return token_ids, scores

    def _ranked(self, scores, rules, rows, n):
        """Return (token ids, scores) of the n best of all items, for the users `rows` whose scores (B, V) these are."""
        expected = (len(rows), self.config.vocab_size)
        if tuple(scores.shape) != expected:
            raise ValueError(
                f"Expected next_item_scores of shape {expected}, got {tuple(scores.shape)}; a score for every token id."
            )
        return top_k(rules.apply(scores, rows), n)

    def _retrieved(self, batch, rules, rows, n):
        """Return (token ids, scores) of the n best items that the index finds."""
        removed, most = rules.removed_keys(rows)
        found, scores = self._item_index.search(self.query_vectors(*batch), n + most)
        keys = found + torch.arange(len(rows), device=found.device)[:, None] * self.config.vocab_size
        scores = scores.masked_fill(torch.isin(keys, removed.to(found.device)), NEVER)
        found, order = found.sort(1)
        places, scores = top_k(scores.gather(1, order), n)
        return found.gather(1, places).masked_fill(scores == NEVER, 0), scores

    def _rules(self, exclude_seen, histories, seen, candidates, exclude, released_until, item_years):
        V, B = self.config.vocab_size, len(histories[1]) - 1
        rules = Rules(V, FIRST_ITEM_ID, self.device)
        if exclude_seen:
            rules.remove(histories if seen is None else flat_rows(*seen, "seen", V, B))
        if isinstance(candidates, tuple):
            rules.allow(flat_rows(*candidates, "candidates", V, B))
        elif candidates is not None:
            rules.allow_only(candidates)
        if isinstance(exclude, tuple):
            rules.remove(flat_rows(*exclude, "exclude", V, B))
        elif exclude is not None:
            rules.block(exclude)
        if released_until is not None:
            rules.release(released_until, self._item_years() if item_years is None else item_years)
        return rules

    def _item_years(self):
        """Return the year of each token id (V,); the least integer where it is unknown."""
        years = self.item_tokenizer.years
        if years is None:
            raise ValueError(
                "Expected years of the items for released_until, got none in the item tokenizer; leave released_until "
                "out, or assign a tokenizer that was made with years=[...]."
            )
        known = [UNKNOWN_YEAR if year is None else year for year in years]
        return np.array([UNKNOWN_YEAR] * FIRST_ITEM_ID + known, np.int64)

    def _diversity_vectors(self):
        vectors = self.item_vectors()
        if vectors is None:
            raise ValueError(
                f"Expected a model with item vectors for diversity, got {type(self).__name__}; leave diversity at 0."
            )
        return vectors

    @torch.no_grad()
    def similar_items(self, items, k: int = 10) -> Recommendations:
        """Return the `k` items whose vectors have the greatest cosine with each of `items`, the item itself left out.

        Arguments:
            items: list of item ids, or one item id; a list of results in either case.

        Raises:
            ValueError: an item is unknown, k is below 1, or the model has no item vectors.
        """
        self._check_call(k)
        vectors = self.item_vectors()
        if vectors is None:
            raise ValueError(
                f"Expected a model with item vectors for similar items, got {type(self).__name__}; use another model."
            )
        tokenizer = self.item_tokenizer
        items = [items] if isinstance(items, str) or is_int(items) else list(items)
        ids, _, _ = tokenizer.encode_histories([items], unknown="error")
        vectors = unit_vectors(vectors)
        found = Recommendations([], [])
        size = max(1, _SCORES_AT_ONCE // len(vectors))
        for part in torch.from_numpy(ids).long().to(vectors.device).split(size):
            scores = vectors[part] @ vectors.T  # (B, V)
            scores[:, :FIRST_ITEM_ID] = NEVER
            scores[torch.arange(len(part), device=part.device), part] = NEVER
            token_ids, values = top_k(scores, min(k, self.config.num_items - 1))
            found.items.extend([tokenizer.items[i - FIRST_ITEM_ID] for i in row] for row in token_ids.tolist())
            found.scores.extend(values.tolist())
        return found

    def build_index(self, kind: str = "flat", **settings) -> ItemIndex:
        """Return a new index of the item vectors, which `recommend` uses from now on; for catalogues of 100,000 items.

        Where users have lists of candidates, or years decide, all items are scored as without an index. An index holds
        the weights as they are: build it again after training; `drop_index` goes back to scoring.

        Arguments:
            kind, settings: see `ItemIndex`.

        Raises:
            ValueError: the scores of this model are no products of vectors.
        """
        vectors = self.item_vectors()
        if vectors is None or type(self).query_vectors is RecommenderPreTrainedModel.query_vectors:
            raise ValueError(
                f"Expected a model whose scores are products of vectors, got {type(self).__name__}; it scores all "
                "items without an index."
            )
        self._item_index = ItemIndex(vectors, self.item_bias(), FIRST_ITEM_ID, kind, **settings)
        return self._item_index

    def drop_index(self) -> None:
        """Forget the index, so that all items are scored again."""
        self._item_index = None

    # --- arguments ------------------------------------------------------------------------------------------

    def _check_call(self, k, diversity=0.0, unknown_items="ignore", batch_size=1):
        if not is_int(k) or k < 1:
            raise ValueError(f"Expected k to be an integer of at least 1, got {k!r}; say how many items are wanted.")
        if not is_number(diversity) or not 0 <= diversity <= 1:
            raise ValueError(f"Expected diversity to be between 0 and 1, got {diversity!r}; 0 is the model's ranking.")
        if unknown_items not in UNKNOWN_ITEMS:
            raise ValueError(
                f"Expected unknown_items to be one of {', '.join(UNKNOWN_ITEMS)}, got {unknown_items!r}; pass one."
            )
        if not is_int(batch_size) or batch_size < 1:
            raise ValueError(f"Expected batch_size to be an integer of at least 1, got {batch_size!r}; raise it.")

    def _encode(self, histories, what, unknown_items, told):
        """Return (ids, offsets) of lists of items; appends a sentence to `told` where some are unknown."""
        tokenizer = self.item_tokenizer
        ids, offsets, n_unknown = tokenizer.encode_histories(histories, unknown=unknown_items)
        if n_unknown:
            example = tokenizer.unknown_items(histories)[0]
            told.append(f"{n_unknown} items in {what} are unknown to the model, for example {example!r}")
        return ids, offsets

    def _encode_list(self, items, name, n, unknown_items, told):
        """Return None, token ids (M,) for all users, or (ids, offsets) of lists, one a user."""
        if items is None:
            return None
        if isinstance(items, (str, bytes, dict)) or not hasattr(items, "__iter__"):
            raise TypeError(
                f"Expected {name} to be a list of item ids, or a list of such lists, got {type(items).__name__}; pass "
                "a list."
            )
        items = list(items)
        nested = [not isinstance(item, (str, bytes)) and hasattr(item, "__len__") for item in items]
        if not any(nested):
            ids, _ = self._encode([items], name, unknown_items, told)
            if name == "candidates" and not len(ids):
                raise ValueError(
                    f"Expected candidates that the model knows, got {items[:5]!r}; pass ids of the catalogue, as in "
                    "model.item_tokenizer.items."
                )
            return ids
        if not all(nested) or len(items) != n:
            raise ValueError(
                f"Expected {name} to be one list of item ids for all, or {n} lists, one a history, got {len(items)} "
                f"entries of which {sum(nested)} are lists; pass one or the other."
            )
        return self._encode([list(row) for row in items], name, unknown_items, told)


def _n_histories(histories):
    return len(histories) if hasattr(histories, "__len__") else 0  # what is no list, the tokenizer refuses


__all__ = [
    "FIRST_ITEM_ID",
    "NoItemTokenizerError",
    "Recommendations",
    "RecommenderOutput",
    "RecommenderPreTrainedModel",
]
