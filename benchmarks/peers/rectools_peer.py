"""RecTools (github.com/MobileTeleSystems/RecTools) on a task: ease, popular, bert4rec, sasrec, esasrec.

    env/bin/python benchmarks/peers/rectools_peer.py runs/task --model bert4rec --output runs/rectools.npy \
        --set n_factors=256 epochs=1 session_max_len=200

Its environment: pip install "rectools[torch]==0.19.0". `--set` names the arguments of the model's class; `epochs` 0
builds a transformer without training it, to see what recommending costs alone. It has no variational autoencoder. Its
EASE ranks by `X B^T` where the paper has `X B`: NumPy gives the same ranking quality to four digits with the transpose.
"""

import logging
import warnings

import numpy as np
from peer_task import ndcg, peer_main

SIZE = {"n_blocks": 2, "n_heads": 4, "n_factors": 256, "session_max_len": 200, "dropout_rate": 0.2}
TRAINING = {"lr": 1e-3, "batch_size": 128, "epochs": 1, "loss": "softmax", "recommend_batch_size": 256}


def rectools_dataset(frame):
    """Returns a rectools Dataset of a frame; only the order of a user's times means anything."""
    import pandas as pd
    from rectools.dataset import Dataset

    frame = frame.rename(columns={"user": "user_id", "item": "item_id", "value": "weight"})
    frame["datetime"] = pd.Timestamp("2000-01-01") + pd.to_timedelta(frame.pop("time"), unit="s")
    return Dataset.construct(frame)


def ranking_of(recommendations, n_users, k):
    """Returns the ranking (U, k) of a frame (user_id, item_id, rank from 1)."""
    ranking = np.full((n_users, k), -1, np.int64)
    ranking[recommendations["user_id"], recommendations["rank"] - 1] = recommendations["item_id"]
    return ranking


def transformer(name, options):
    """Returns an unfitted BERT4Rec, SASRec, or SASRec with LiGR layers (eSASRec)."""
    from pytorch_lightning import Trainer
    from rectools.models import BERT4RecModel, SASRecModel

    arguments = SIZE | TRAINING | options

    def trainer():
        return Trainer(
            max_epochs=arguments["epochs"],
            accelerator="cpu",
            devices=1,
            gradient_clip_val=5.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    if name == "bert4rec":
        return BERT4RecModel(get_trainer_func=trainer, verbose=0, **{"mask_prob": 0.15} | arguments)
    if name == "esasrec":
        from rectools.models.nn.transformers.ligr import LiGRLayers

        arguments["transformer_layers_type"] = LiGRLayers
    return SASRecModel(get_trainer_func=trainer, verbose=0, **arguments)


def build(name, options, lap):
    """Returns (fit, recommend) of a model."""
    import torch
    from rectools.models import EASEModel, PopularModel

    seed = options.pop("seed")
    torch.manual_seed(seed)
    np.random.seed(seed)  # RecTools masks by the global generator
    kept = {}

    def fit_transformer(task):
        dataset = rectools_dataset(task.frame("fit"))
        lap("prepare")
        kept["model"] = transformer(name, options).fit(dataset)
        parameters = sum(weight.numel() for weight in kept["model"].lightning_model.torch_model.parameters())
        return {"parameters": parameters, "epochs": (TRAINING | options)["epochs"]}

    def fit_closed_form(task):
        values = options.pop("regularization", [100, 250, 500, 1000]) if name == "ease" else [None]
        dataset, best = rectools_dataset(task.frame("fit")), -1.0
        for value in values if isinstance(values, list) else [values]:
            model = EASEModel(regularization=value) if name == "ease" else PopularModel()
            model.fit(dataset)
            if len(np.atleast_1d(values)) == 1:
                kept.update(model=model, regularization=value)
                break
            users = np.flatnonzero(task.valid_targets >= 0)
            found = model.recommend(users=users, dataset=dataset, k=10, filter_viewed=True)
            quality = ndcg(ranking_of(found, task.n_users, 10), task.valid_targets)
            if quality > best:
                best = quality
                kept.update(model=model, regularization=value)
        return {"regularization": kept["regularization"], "valid_ndcg@10": round(best, 5) if best >= 0 else None}

    def recommend(task, k):
        import pandas as pd

        context = task.frame("context")
        context = context[context["item"].isin(np.unique(task.fit_items))]  # it knows no other
        if name in (
            "ease",
            "popular",
        ):  # these score by internal ids: give the items the order that they had in the fit
            context = pd.concat([task.frame("fit"), context]).drop_duplicates(["user", "item"])
        users, dataset = context["user"].unique(), rectools_dataset(context)
        lap("prepare_context")
        found = kept["model"].recommend(users=users, dataset=dataset, k=k, filter_viewed=True)
        return ranking_of(found, task.n_users, k)

    return (fit_closed_form if name in ("ease", "popular") else fit_transformer), recommend


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    peer_main(__doc__, build)
