"""Next actions from an encoder as it is: small heads on its states, alone and joined with the boosted counters.

Nothing of the encoder is trained, so each window is read once, whatever is fitted on it. Some [MASK] tokens at the end
of the window ask the encoder what it was trained to tell: which tokens stand there. Heads and trees are joined as a
product of their answers; sites held out of their training say how much each counts. (Trees that see the answers of a
probe were tried: they are better at kinds and worse at targets. So was validation alone to choose the share: it is two
sites, and on one of three folds the heads were trusted too much.)

Axes: n examples, M masks, H hidden size, K kinds or targets.
"""

import numpy as np
import torch
from torch import nn
from transformers import AutoModel

from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import next_action_loss
from traceformers.training.next_action.action_examples import packed_row
from traceformers.training.next_action.next_action_baselines import BoostedCounters
from traceformers.training.session_probes.site_folds import inner_folds

N_MASKS = 4
#: Of the networks: how many, their hidden layer, dropout, epochs and batches.
NETWORKS, HIDDEN, DROPOUT, EPOCHS, BATCH_SIZE = 3, 256, 0.6, 12, 64
#: Parts of the training sites, each answered by a fit on the others, which choose how heads and trees are joined.
INNER_FOLDS = 3
#: How much the heads count beside the trees.
SHARES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 1.0)
LEAST_PROBABILITY = 1e-4
FROZEN, WITH_COUNTERS = "RRWebBERT, frozen", ", with counters"


def frozen_action_vectors(folder, windows, mask_id, structural_vocab_size, n_masks=N_MASKS, batch_size=64):
    """Returns `float32 (n, (M + 2) * H)`: the states of the masks, of the last token, and the mean of all.

    Args:
        folder (path): of the encoder.
        windows (`ActionWindows`): the masks come on top of its `max_length`.
        mask_id (`int`), structural_vocab_size (`int`): of the tokenizer.
    """
    model = AutoModel.from_pretrained(str(folder), attn_implementation="sdpa_varlen", trust_remote_code=True).eval()
    asks = np.full(n_masks, mask_id, dtype=np.uint16)
    rows = [np.concatenate([ids[:-1], asks, ids[-1:]]) for ids in (item["ids"] for item in windows)]
    order = np.argsort([len(ids) for ids in rows], kind="stable")
    found = np.zeros((len(rows), n_masks + 2, model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(rows), batch_size):
            chosen = order[start : start + batch_size]
            batch = packed_row([rows[i] for i in chosen], structural_vocab_size)
            states = model(**batch).last_hidden_state[0].float()
            for i, state in zip(chosen, states.split(batch["cu_seq_lens_q"].diff().tolist()), strict=True):
                found[i, :-1], found[i, -1] = state[-n_masks - 1 :].numpy(), state.mean(0).numpy()
    return found.reshape(len(found), -1)


class FrozenHeads:
    """Small networks on vectors of the encoder, two heads each; the mean of their answers.

    One hidden layer with much dropout: logistic regression on the same vectors was tried and is further off on sites
    that were not seen. Validation chooses the epoch of each network.

    Args:
        sizes (K, C).
        seed (`int`): of the first network; the others count on.
        networks (`int`).
    """

    def __init__(self, sizes, seed=0, networks=NETWORKS):
        self.sizes, self.seed, self.n_networks = sizes, seed, networks

    def fit(self, vectors, labels, validation):
        """Fits on vectors `(n, D)` and labels `int (n, 2)`, -100 for not known; returns itself.

        Args:
            validation ((vectors, labels)): chooses the epoch.
        """
        self.mean, self.spread = vectors.mean(0), vectors.std(0) + 1e-6
        rows, labels = self._rows(vectors), torch.from_numpy(np.asarray(labels))
        chosen_by = self._rows(validation[0]), torch.from_numpy(np.asarray(validation[1]))
        self.networks = [self._trained(rows, labels, chosen_by, self.seed + n) for n in range(self.n_networks)]
        return self

    def _rows(self, vectors):
        return torch.from_numpy(((vectors - self.mean) / self.spread).astype(np.float32))

    def _trained(self, rows, labels, chosen_by, seed):
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = nn.Sequential(
                nn.Dropout(DROPOUT), nn.Linear(rows.shape[1], HIDDEN), nn.GELU(), nn.LayerNorm(HIDDEN),
                nn.Dropout(DROPOUT), nn.Linear(HIDDEN, sum(self.sizes)),
            )  # fmt: skip
            optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.1)
            best = None, np.inf
            for _ in range(EPOCHS):
                network.train()
                for batch in torch.randperm(len(rows), generator=generator).split(BATCH_SIZE):
                    optimizer.zero_grad()
                    self._loss(network(rows[batch]), labels[batch]).backward()
                    optimizer.step()
                network.eval()
                with torch.no_grad():
                    loss = self._loss(network(chosen_by[0]), chosen_by[1]).item()
                if loss < best[1]:
                    best = {name: tensor.clone() for name, tensor in network.state_dict().items()}, loss
        if best[0] is not None:
            network.load_state_dict(best[0])
        return network.eval()

    def _loss(self, logits, labels):
        return next_action_loss(*logits.split(self.sizes, dim=1), labels)

    def scores(self, vectors):
        """Returns (kind probabilities `(n, K)`, target probabilities `(n, C)`)."""
        rows = self._rows(vectors)
        with torch.no_grad():
            logits = [network(rows).split(self.sizes, dim=1) for network in self.networks]
        return tuple(torch.stack([each[i].softmax(-1) for each in logits]).mean(0).numpy() for i in range(2))


def frozen_scores(vectors, labels, sizes, seed=0, networks=NETWORKS):
    """Returns (validation, test): each (kind probabilities, target probabilities) of `FrozenHeads`.

    Args:
        vectors (sequence of three arrays): of training, validation and test, see `frozen_action_vectors`.
        labels (sequence of two `int (n, 2)`): of training and validation.
        sizes (K, C), seed (`int`), networks (`int`): as for `FrozenHeads`.
    """
    heads = FrozenHeads(sizes, seed, networks).fit(vectors[0], labels[0], (vectors[1], labels[1]))
    return heads.scores(vectors[1]), heads.scores(vectors[2])


def boosted_scores(features, is_category, labels, sizes, seed=0):
    """Returns (validation, test): each (kind probabilities, target probabilities) of `BoostedCounters`.

    Args:
        features (sequence of three arrays), is_category (`bool (F,)`): see `CounterFeatures`.
        labels, sizes, seed: as for `frozen_scores`.
    """
    trees = [
        BoostedCounters(seed).fit(features[0], is_category, labels[0][:, i], size, (features[1], labels[1][:, i]))
        for i, size in enumerate(sizes)
    ]
    return tuple(tuple(each.scores(rows) for each in trees) for rows in features[1:])


def honest_scores(vectors, features, is_category, labels, sites, sizes, seed=0):
    """Returns (heads, counters): each (kind, target probabilities) of training examples, by fits without their sites.

    The few sites of validation alone say too little of how far to trust which.

    Args:
        vectors, features (sequences of arrays): of training and validation, as for the functions above.
        labels (sequence of two `int (n, 2)`), sites (sequence): of training and validation; site of each in training.
    """
    found = [tuple(np.full((len(labels[0]), size), 1.0 / size) for size in sizes) for _ in range(2)]
    for train, test in inner_folds(np.asarray(sites, dtype=str), INNER_FOLDS, seed):
        given = (labels[0][train], labels[1])
        parts = [(rows[0][train], rows[1], rows[0][test]) for rows in (vectors, features)]
        answers = frozen_scores(parts[0], given, sizes, seed, networks=1)[1]
        counted = boosted_scores(parts[1], is_category, given, sizes, seed)[1]
        for out, scores in zip(found, (answers, counted), strict=True):
            for i in range(2):
                out[i][test] = scores[i]
    return found


def with_counters(own, counted, labels, honest=None):
    """Returns (kind probabilities, target probabilities) of the test: a model's answers joined with those of counters.

    Args:
        own, counted ((validation, test)): see `frozen_scores` and `boosted_scores`.
        labels (`int (n, 2)`): of validation, which chooses how much each counts.
        honest ((own, counted, labels), *optional*): of training, see `honest_scores`; they choose with validation.
    """
    chosen_by = [(own[0], counted[0], labels), *([honest] if honest is not None else [])]
    found = []
    for i in range(2):

        def likelihood(share, i=i):
            sums = [len(known) * log_likelihood(joined(a[i], b[i], share), known[:, i]) for a, b, known in chosen_by]
            return sum(sums)

        found.append(joined(own[1][i], counted[1][i], max(SHARES, key=likelihood)))
    return tuple(found)


def joined(first, second, share):
    """Returns the normalised product first ** share * second ** (1 - share) of probabilities `(n, K)`.

    Example:
        >>> joined(np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]), 0.5).round(2)
        array([[0.75, 0.25]])
    """
    logs = share * np.log(first.clip(LEAST_PROBABILITY)) + (1 - share) * np.log(second.clip(LEAST_PROBABILITY))
    product = np.exp(logs - logs.max(1, keepdims=True))
    return product / product.sum(1, keepdims=True)


def log_likelihood(scores, labels):
    """Returns the mean logarithm of the probability of the labels `int (n,)` that have a column."""
    known = np.flatnonzero(labels >= 0)
    return float(np.log(scores[known, labels[known]].clip(LEAST_PROBABILITY)).mean()) if len(known) else 0.0
