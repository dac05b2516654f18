"""What a recommender run is made of: interactions, split, batches, model, trainer, and the figures it leaves."""

import copy
import dataclasses
import re
from pathlib import Path

from transformers import EarlyStoppingCallback

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.reading_options import reading_options
from traceformers.datasets_scripts.interactions.title_embeddings import load_title_vectors
from traceformers.modeling.recommender import CLOSED_FORMS
from traceformers.training.evaluation.saved_recommender import recommender_class
from traceformers.training.recommenders.bag_batches import BagBatches
from traceformers.training.recommenders.causal_batches import CausalBatches
from traceformers.training.recommenders.closed_form_fit import L2_GRID, fit_ease, fit_popularity
from traceformers.training.recommenders.cloze_batches import ClozeBatches
from traceformers.training.recommenders.histories import from_interactions
from traceformers.training.recommenders.history_split import refuse_times_of_each_user, split_histories
from traceformers.training.recommenders.item_metadata import known_features, metadata_tables
from traceformers.training.recommenders.recommender_trainer import RecommenderTrainer
from traceformers.training.recommenders.title_encoding import encode_titles

try:
    import optuna
except ImportError:
    optuna = None

#: What a search tries: name of the argument, lowest and highest value, and whether on a logarithmic scale.
SEARCH_SPACE = (
    ("learning_rate", 3e-4, 3e-3, True),
    ("hidden_dropout_prob", 0.1, 0.4, False),
    ("mask_probability", 0.1, 0.3, False),
    ("input_dropout_prob", 0.2, 0.7, False),
    ("kl_max_weight", 0.05, 0.5, True),
)


class RecommenderData:
    """Interactions of a run as histories, divided into what is trained on and who is asked.

    Args:
        arguments (`RecommenderDataArguments`).
        seed (`int`): of batches.

    Attributes:
        tokenizer (`ItemTokenizer`), histories (`Histories`), split (`HistorySplit`), about (`dict`).
        title_folder (path or None): where vectors of the titles are.
    """

    def __init__(self, arguments, seed=0):
        self.arguments, self.seed = arguments, seed
        a = arguments
        interactions = read_interactions(a.data, a.data_format, **reading_options(a))
        self.histories, self.tokenizer = from_interactions(interactions)
        self.title_folder = a.title_embeddings
        if a.protocol == "time" and interactions.about.get("time") == "order":
            refuse_times_of_each_user(self.histories)
        self.split = split_histories(
            self.histories, a.protocol, a.eval_users, 0, a.validation_time, a.test_time
        )  # who is asked does not depend on the seed of the run, so figures of different runs compare
        self.about = {
            **{name: interactions.about.get(name) for name in ("name", "licence", "time", "dropped", "sha256")},
            "items": len(self.tokenizer.items),
            **self.split.about,
        }

    def encode_titles(self, folder, device=None, progress=False):
        """Has the run's encoder write vectors of the titles into a folder, if it has one; see `encode_titles`."""
        a = self.arguments
        if a.title_encoder is not None:
            revision = a.title_encoder_revision
            encode_titles(a.title_encoder, self.tokenizer, folder, revision, device, progress)
            self.title_folder = folder

    def title_vectors(self):
        """Returns (vectors float32 (items, E), what is known of them) of the titles, or (None, None)."""
        if self.title_folder is None:
            return None, None
        return load_title_vectors(self.title_folder, self.tokenizer.items, self.tokenizer.titles)

    @property
    def watched(self):
        """Who is asked in validation while the model is trained, `NextItems`."""
        return self.split.validation.some(self.arguments.eval_users)

    def batches(self, config, batch_size):
        """Returns the `HistoryBatches` that a model of this config is trained on.

        Args:
            config (`RecommenderConfig`).
            batch_size (`int`): of all ranks together.
        """
        a = self.arguments
        common = (self.split.train, config.max_history, batch_size, self.seed, a.bucket_batches)
        if config.model_type == "bert4rec":
            return ClozeBatches(
                *common,
                vocab_size=config.vocab_size,
                mask_id=config.mask_token_id,
                mask_probability=a.mask_probability,
                last_item_probability=a.last_item_probability,
                random_windows=a.random_windows,
            )
        if config.model_type == "sasrec":
            return CausalBatches(*common, mask_id=config.mask_token_id, random_windows=a.random_windows)
        return BagBatches(*common)


def build_model(model_arguments, data):
    """Returns a new model for the data of a run, what is known of its items in it.

    Args:
        model_arguments (`RecommenderModelArguments`).
        data (`RecommenderData`).

    Raises:
        ValueError: a field that a config of this model type does not have, or sizes that do not fit together.
    """
    model_class = recommender_class(model_arguments.model_type)
    config_class = model_class.config_class
    fields, tables = model_arguments.config_fields(), {}
    known = {each.name for each in dataclasses.fields(config_class)}
    for name in fields:
        if name not in known:
            raise ValueError(
                f"Expected arguments that a {model_arguments.model_type} has, got --{name}. Leave it out: it belongs "
                "to other model types."
            )
    if fields.get("metadata_fusion", "none") == "none" and "metadata_features" in fields:
        raise ValueError(
            f"Expected --metadata_fusion add, concat or gate with the metadata_features {fields['metadata_features']}, "
            "got none. Set it, or leave --metadata_features out."
        )
    if fields.get("metadata_fusion", "none") != "none":
        vectors, about = data.title_vectors()
        features = fields.get("metadata_features") or known_features(data.tokenizer, vectors is not None)
        sizes, tables = metadata_tables(
            data.tokenizer, features, vectors, *map(fields.get, ("max_genres", "max_writers"))
        )
        fields |= sizes | {"metadata_features": features}
        if "title" in features:
            fields |= {"title_encoder": about["model"], "title_encoder_revision": about.get("revision")}
    model = model_class(config_class(vocab_size=len(data.tokenizer), **fields))
    if tables:
        model.set_item_metadata(**tables)
    model.item_tokenizer = data.tokenizer
    return model


def fit_closed_form(model_arguments, data, progress=False):
    """Returns a model of one of the `CLOSED_FORMS` and what was tried for it, list of `dict` or None.

    Args:
        model_arguments (`RecommenderModelArguments`), data (`RecommenderData`).
        progress (`bool`): show a progress bar.
    """
    size, trials = len(data.tokenizer), None
    if model_arguments.model_type == "popularity":
        model = fit_popularity(data.split.train, size)
    else:
        grids = model_arguments.l2 or L2_GRID, model_arguments.recency or (0.0,)
        model, trials = fit_ease(data.split.train, size, data.split.validation, *grids, progress=progress)
    model.item_tokenizer = data.tokenizer
    return model, trials


def build_trainer(data, training_arguments, model=None, model_init=None, config=None):
    """Returns the `RecommenderTrainer` of a run.

    Args:
        data (`RecommenderData`).
        training_arguments (`RecommenderTrainingArguments`).
        model (`RecommenderPreTrainedModel`), model_init (callable): one of the two; the latter with its config.
    """
    a = training_arguments
    batch_size = a.per_device_train_batch_size * a.world_size
    patience = a.early_stopping_patience if a.eval_strategy != "no" else None
    return RecommenderTrainer(
        model=model,
        model_init=model_init,
        args=a,
        train_dataset=data.batches(model.config if config is None else config, batch_size),
        eval_dataset=data.watched,
        callbacks=[EarlyStoppingCallback(patience)] if patience else None,
    )


def search(model_arguments, data, training_arguments):
    """Returns {"parameters": {name: value}, "objective": float} of the best of `search_trials` runs.

    A trial is judged by its best evaluation and stops when none is better for long, as the run itself does.

    Args:
        model_arguments (`RecommenderModelArguments`), data (`RecommenderData`).
        training_arguments (`RecommenderTrainingArguments`): of the run, and of each trial but for what it tries.
    """
    if optuna is None:
        raise ValueError("Expected optuna for --search_trials, it is not installed. Install it: pip install optuna.")
    if model_arguments.model_type in CLOSED_FORMS or model_arguments.members:
        raise ValueError(
            f"Expected a model type that is trained for --search_trials, got {model_arguments.model_type}. "
            "Leave it out: ease and ensembles are chosen by validation anyway."
        )
    if training_arguments.world_size > 1:
        raise ValueError(
            f"Expected one rank for a search, got {training_arguments.world_size}. Search on one, then set the values."
        )
    arguments = copy.deepcopy(training_arguments)
    arguments.output_dir = str(Path(arguments.output_dir) / "search")
    arguments.save_strategy, arguments.load_best_model_at_end = "no", False
    tried = copy.deepcopy(model_arguments)
    config = build_model(tried, data).config
    trainer = None

    def suggested(trial):
        return {name: trial.suggest_float(name, low, high, log=log) for name, low, high, log in space}

    def new_model(trial=None):
        # Trainer makes the model before it asks for the trial's values; a name has the same value each time.
        for name, value in {} if trial is None else suggested(trial).items():
            if hasattr(tried, name):
                setattr(tried, name, value)
            elif name == "mask_probability":
                trainer.train_dataset.mask_probability = value
        return build_model(tried, data)

    space = [
        (name, *rest)
        for name, *rest in SEARCH_SPACE
        if name == "learning_rate"
        or (name == "mask_probability" and config.model_type == "bert4rec")
        or hasattr(config, name)
    ]
    trainer = build_trainer(data, arguments, model_init=new_model, config=config)
    metric = re.sub("^(eval_)?", "eval_", training_arguments.metric_for_best_model)
    choose = max if training_arguments.greater_is_better else min

    def best_so_far(metrics):  # as the run itself keeps its best evaluation
        return choose(entry[metric] for entry in trainer.state.log_history if metric in entry)

    best = trainer.hyperparameter_search(
        hp_space=lambda trial: {name: value for name, value in suggested(trial).items() if hasattr(arguments, name)},
        compute_objective=best_so_far,
        n_trials=training_arguments.search_trials,
        direction="maximize" if training_arguments.greater_is_better else "minimize",
        backend="optuna",
        sampler=optuna.samplers.TPESampler(seed=training_arguments.seed),
    )
    return {"parameters": best.hyperparameters, "objective": best.objective}
