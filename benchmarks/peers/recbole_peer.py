"""RecBole (github.com/RUCAIBox/RecBole) on a task: ease, multivae.

    env/bin/python benchmarks/peers/recbole_peer.py runs/task --model multivae --output runs/recbole.npy

Its environment: pip install recbole==1.2.1 "setuptools<81" "pandas<3" "numpy<2"; it does not import with newer ones.
`ease` tries every `reg_weight`; `multivae` is trained by RecBole's trainer, `check_every` epochs at a time, and the
weights that rank the validation items best are kept. Half of RecBole's `latent_dimension` are means, half variances, so
400 is the paper's 200. Its noise has a standard deviation of 0.01. With its 200,000 `total_anneal_steps` the weight of
the KL term would stay near 0 at 12 steps an epoch of 6,040 users; 5,000 let it reach the paper's 0.2 after 1,000 steps.
"""

import contextlib
import copy
import os
import tempfile
from pathlib import Path

import numpy as np
from peer_task import ndcg, peer_main, ranking_of_scores

CONFIG = {
    "USER_ID_FIELD": "user_id",
    "ITEM_ID_FIELD": "item_id",
    "load_col": {"inter": ["user_id", "item_id"]},
    "benchmark_filename": ["fit", "valid", "valid"],
    "train_neg_sample_args": None,
    "eval_args": {"mode": "full", "order": "RO", "split": {"RS": [0.8, 0.1, 0.1]}, "group_by": "user"},
    "worker": 0,
    "show_progress": False,
    "state": "ERROR",
    "use_gpu": False,
}
VAE = {"mlp_hidden_size": [600], "latent_dimension": 400, "dropout_prob": 0.5, "anneal_cap": 0.2}
VAE |= {"total_anneal_steps": 5000, "learning_rate": 1e-3, "train_batch_size": 512}
EARLY = {"epochs": 200, "check_every": 5, "patience": 8}


def atomic_files(task, folder):
    """Writes the fit and the validation items of a task as RecBole's atomic files `task/task.{fit,valid}.inter`."""
    place = Path(folder) / "task"
    place.mkdir()
    fit = task.frame("fit")
    users = np.flatnonzero(task.valid_targets >= 0)
    rows = {"fit": (fit["user"], fit["item"]), "valid": (users, task.valid_targets[users])}
    for name, (who, what) in rows.items():
        lines = [f"{user}\t{item}" for user, item in zip(who, what, strict=True)]
        (place / f"task.{name}.inter").write_text("\n".join(["user_id:token\titem_id:token", *lines]) + "\n")


def build(name, options, lap):
    """Returns (fit, recommend) of a model."""
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    kept = {}
    class_name = {"ease": "EASE", "multivae": "MultiVAE"}[name]

    def score(model, inputs, columns):
        """Returns scores (users, items) of rows of inputs (csr); items unknown to the fit get -inf."""
        known = columns >= 0
        inner = np.zeros((inputs.shape[0], model.n_items), np.float32)
        inner[:, columns[known]] = inputs[:, known].toarray()
        if name == "ease":
            scores = np.asarray(inner @ model.item_similarity)
        else:
            model.eval()
            with torch.inference_mode():
                scores = model(torch.from_numpy(inner))[0].numpy()
        out = np.full(inputs.shape, -np.inf)
        out[:, known] = scores[:, columns[known]]
        return out

    def quality(model, task, columns):
        inputs = task.matrix("fit")
        ranking = ranking_of_scores(lambda start, end: score(model, inputs[start:end], columns), inputs, 10)
        return ndcg(ranking, task.valid_targets)

    def prepared(task, extra):
        with tempfile.TemporaryDirectory() as folder:
            atomic_files(task, folder)
            settings = CONFIG | {"data_path": folder, "checkpoint_dir": folder} | extra
            config = Config(model=class_name, dataset="task", config_dict=settings)
            init_seed(config["seed"], config["reproducibility"])
            dataset = create_dataset(config)
            train = data_preparation(config, dataset)[0]
        numbers = dataset.field2token_id["item_id"]
        columns = np.array([numbers.get(str(code), -1) for code in range(task.n_items)])
        unseen = np.setdiff1d(np.arange(task.n_items), task.fit_items)
        columns[unseen] = -1
        return config, train, columns

    def fit_ease(task):
        best, tried = -1.0, {}
        for weight in options.get("reg_weight", [100, 250, 500, 1000]):
            config, train, columns = prepared(task, {"reg_weight": weight})
            model = get_model(class_name)(config, train._dataset)
            tried[weight] = found = round(quality(model, task, columns), 5)
            if found > best:
                best = found
                kept.update(model=model, columns=columns, weight=weight)
        return {"valid_ndcg@10": best, "reg_weight": kept["weight"], "tried": tried}

    def fit_vae(task):
        epochs, step, patience = (options.pop(key, default) for key, default in EARLY.items())
        config, train, columns = prepared(task, VAE | {"epochs": epochs} | options)
        lap("prepare")
        model = get_model(class_name)(config, train._dataset)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # it logs to the current folder
            trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        curve = []
        for epoch in range(1, epochs + 1):
            model.train()
            trainer._train_epoch(train, epoch - 1, show_progress=False)
            if epoch % step:
                continue
            curve.append(round(quality(model, task, columns), 5))
            print(epoch, curve[-1], flush=True)
            if curve[-1] == max(curve):
                weights, kept["epoch"] = copy.deepcopy(model.state_dict()), epoch
            elif len(curve) - 1 - int(np.argmax(curve)) >= patience:
                break
        model.load_state_dict(weights)
        kept.update(model=model, columns=columns)
        return {"valid_ndcg@10": max(curve), "epoch": kept["epoch"], "steps": model.update, "curve": curve}

    def recommend(task, k):
        inputs = task.matrix("context")
        return ranking_of_scores(lambda s, e: score(kept["model"], inputs[s:e], kept["columns"]), inputs, k)

    return (fit_ease if name == "ease" else fit_vae), recommend


if __name__ == "__main__":
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    peer_main(__doc__, build)
