"""Recommenders of a dozen items, one of each kind, with random weights or fitted on a few histories.

tiny_recommender("ease")              a model with its item tokenizer, ready to recommend
KINDS                                 the model types there are
"""

from functools import cache

import numpy as np
import torch
from transformers import AutoTokenizer

from traceformers.modeling.recommender.configuration_bert4rec import Bert4RecConfig
from traceformers.modeling.recommender.configuration_ease import EASEConfig
from traceformers.modeling.recommender.configuration_ensemble import EnsembleRecommenderConfig
from traceformers.modeling.recommender.configuration_multivae import MultiVAEConfig
from traceformers.modeling.recommender.configuration_popularity import PopularityConfig
from traceformers.modeling.recommender.configuration_sasrec import SASRecConfig
from traceformers.modeling.recommender.modeling_bert4rec import Bert4RecModel
from traceformers.modeling.recommender.modeling_ease import EASEModel
from traceformers.modeling.recommender.modeling_ensemble import EnsembleRecommenderModel
from traceformers.modeling.recommender.modeling_multivae import MultiVAEModel
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.modeling.recommender.modeling_sasrec import SASRecModel
from traceformers.tokenization.item.tokenization_item import ItemTokenizer

#: Ids as users have them: digits, names with spaces, a special token's text.
ITEMS = ["1193", "661", "914", "3408", "the matrix", "[MASK]", "日本", "2355", "1197", "1287", "2804", "594"]
TITLES = [f"Title of {item}" for item in ITEMS[:-1]] + [None]
YEARS = [1975, 1996, 1964, 2000, 1999, None, 1998, 1998, 1987, 1959, 1983, 1937]
GENRES = [["Drama"], ["Animation", "Musical"], ["Musical"], ["Drama"], ["Action", "Drama"], []] * 2
DIRECTORS = [["A"], ["B", "A"], ["C"], [], ["D"], ["A"]] * 2
WRITERS = [["W"], [], ["X", "Y"], ["W"], ["Z", "W"], ["Y"]] * 2
HISTORIES = [
    ["1193", "661", "914"],
    ["3408", "the matrix"],
    [],
    ["[MASK]", "日本", "2355", "1197", "1287", "1193", "661", "914"],
    ["594"],
]
SEQUENTIAL = {"bert4rec": (Bert4RecConfig, Bert4RecModel), "sasrec": (SASRecConfig, SASRecModel)}
KINDS = (*SEQUENTIAL, "multivae", "ease", "popularity", "ensemble_recommender")
CONFIGS = (
    Bert4RecConfig,
    SASRecConfig,
    MultiVAEConfig,
    EASEConfig,
    PopularityConfig,
    EnsembleRecommenderConfig,
)
for _config in CONFIGS:  # as the package does at the first use of a public name
    AutoTokenizer.register(_config, slow_tokenizer_class=ItemTokenizer, exist_ok=True)
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "max_history": 6}


def tiny_item_tokenizer():
    """Returns an `ItemTokenizer` of `ITEMS` with all columns."""
    return ItemTokenizer(items=ITEMS, titles=TITLES, years=YEARS, genres=GENRES, directors=DIRECTORS, writers=WRITERS)


@cache
def _training_histories(n_users=60):
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 8, n_users)
    ids = generator.integers(3, 3 + len(ITEMS), lengths.sum())
    return ids, np.concatenate([[0], np.cumsum(lengths)])


def randomized(model, seed=0):
    """Returns the model in evaluation mode with every floating-point parameter drawn anew."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def metadata_settings(fusion="gate", features=("genre", "director", "writer", "title")):
    """Returns the config fields of a sequential model that fuses what `tiny_item_tokenizer` knows."""
    return {
        "metadata_fusion": fusion,
        "metadata_features": list(features),
        "output_embedding": "fused",
        "num_genres": 4,
        "num_directors": 4,
        "num_writers": 4,
        "max_genres": 2,
        "max_writers": 2,
        "title_embedding_size": 5,
    }


def tiny_recommender(kind, seed=0, **settings):
    """Returns a model of `kind`, in evaluation mode, with `tiny_item_tokenizer()` assigned.

    Args:
        settings: fields of its config.
    """
    size = 3 + len(ITEMS)
    if kind in SEQUENTIAL:
        config_class, model_class = SEQUENTIAL[kind]
        model = randomized(model_class(config_class(vocab_size=size, **{**SIZES, **settings})), seed)
    elif kind == "multivae":
        config = MultiVAEConfig(vocab_size=size, **{"hidden_size": 12, "latent_size": 6, **settings})
        model = randomized(MultiVAEModel(config), seed)
    elif kind == "ease":
        model = EASEModel.fit(*_training_histories(), vocab_size=size, **{"l2": 2.0, **settings})
    elif kind == "popularity":
        model = PopularityModel.fit(*_training_histories(), vocab_size=size, **settings)
    elif kind == "ensemble_recommender":
        members = [tiny_recommender(member, seed) for member in ("sasrec", "ease", "popularity")]
        model = EnsembleRecommenderModel.from_models(members, **{"method": "reciprocal_rank", **settings})
    else:
        raise ValueError(f"Expected kind to be one of {', '.join(KINDS)}, got {kind!r}.")
    model.item_tokenizer = tiny_item_tokenizer()
    return model.eval()
