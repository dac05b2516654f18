"""Cornac (github.com/PreferredAI/cornac) on a task: ease, vaecf.

    env/bin/python benchmarks/peers/cornac_peer.py runs/task --model vaecf --output runs/cornac.npy --set beta=0.2

Its environment: pip install cornac==3.0.1 torch. `ease` tries every `lamb` and both values of `posB` (drop negative
weights), `vaecf` trains `check_every` epochs at a time; both keep what ranks the validation items best. Cornac fits its
VAE to a matrix and goes on from the weights at the next call, with a fresh Adam. It has no dropout and no annealing.
"""

import copy
import itertools

import numpy as np
from peer_task import ndcg, peer_main, ranking_of_scores

VAE = {"k": 200, "autoencoder_structure": [600], "act_fn": "tanh", "likelihood": "mult", "batch_size": 100}
VAE |= {"learning_rate": 1e-3, "beta": 0.2}


def cornac_dataset(matrix):
    """Returns (Dataset, columns): Cornac numbers items as they come; `columns[code]` is its number of an item."""
    from cornac.data import Dataset

    rows, items = matrix.nonzero()
    data = Dataset.from_uir(list(zip(rows.tolist(), items.tolist(), np.ones(len(rows)).tolist(), strict=True)))
    columns = np.full(matrix.shape[1], -1)
    for code, number in data.iid_map.items():
        columns[code] = number
    return data, columns


def build(name, options, lap):
    """Returns (fit, recommend) of a model."""
    import torch
    from cornac.models import EASE, VAECF

    seed, kept = options.pop("seed"), {}

    def score(model, inputs, columns):
        """Returns scores (users, items) of dense rows of inputs; items unknown to the fit get -inf."""
        known = columns >= 0
        inner = np.zeros((inputs.shape[0], known.sum()), np.float32)
        inner[:, columns[known]] = inputs[:, known].toarray()
        if name == "ease":
            scores = inner @ model.B
        else:
            with torch.inference_mode():
                scores = model.vae.decode(model.vae.encode(torch.from_numpy(inner))[0]).numpy()
        out = np.full(inputs.shape, -np.inf)
        out[:, known] = scores[:, columns[known]]
        return out

    def quality(model, task, columns):
        inputs = task.matrix("fit")
        ranking = ranking_of_scores(lambda start, end: score(model, inputs[start:end], columns), inputs, 10)
        return ndcg(ranking, task.valid_targets)

    def fit_ease(task):
        data, columns = cornac_dataset(task.matrix("fit"))
        lap("prepare")
        best, tried = -1.0, {}
        for lamb, positive in itertools.product(options.get("lamb", [100, 250, 500, 1000]), (True, False)):
            model = EASE(lamb=lamb, posB=positive, verbose=False).fit(data)
            tried[f"lamb {lamb} posB {positive}"] = found = round(quality(model, task, columns), 5)
            if found > best:
                best = found
                kept.update(model=model, columns=columns)
        return {"valid_ndcg@10": best, "lamb": kept["model"].lamb, "posB": kept["model"].posB, "tried": tried}

    def fit_vae(task):
        epochs, step, patience = (options.pop(key, default) for key, default in EARLY.items())
        data, columns = cornac_dataset(task.matrix("fit"))
        lap("prepare")
        model = VAECF(seed=seed, verbose=False, **VAE | options)
        curve = []
        for round_ in range(1, epochs // step + 1):
            model.seed, model.n_epochs = seed + round_ - 1, step
            model.fit(data)
            curve.append(round(quality(model, task, columns), 5))
            print(round_ * step, curve[-1], flush=True)
            if curve[-1] == max(curve):
                weights, kept["epoch"] = copy.deepcopy(model.vae.state_dict()), round_ * step
            elif len(curve) - 1 - int(np.argmax(curve)) >= patience:
                break
        model.vae.load_state_dict(weights)
        kept.update(model=model, columns=columns)
        return {"valid_ndcg@10": max(curve), "epoch": kept["epoch"], "curve": curve}

    def recommend(task, k):
        inputs = task.matrix("context")
        return ranking_of_scores(lambda s, e: score(kept["model"], inputs[s:e], kept["columns"]), inputs, k)

    return (fit_ease if name == "ease" else fit_vae), recommend


EARLY = {"epochs": 200, "check_every": 10, "patience": 5}

if __name__ == "__main__":
    peer_main(__doc__, build)
