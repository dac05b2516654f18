"""The arguments of recommender runs: which model of which shape, on what data, and how it is trained."""

import dataclasses
from dataclasses import field

from transformers import TrainingArguments

from traceformers.datasets_scripts.interactions.interaction_numbers import moment
from traceformers.modeling.recommender import MODEL_TYPES
from traceformers.training.recommenders.history_split import PROTOCOLS
from traceformers.training.recommenders.length_buckets import BUCKET_BATCHES
from traceformers.training.recommenders.unused_options import choose_titles, named_options, refuse_unused
from traceformers.training.run_arguments import parse_run

#: Model arguments that are no fields of a config, or several values to choose one from.
NO_FIELDS = ("model_type", "members", "member_configs", "l2", "recency")
#: All model arguments that say something to a model type that is not trained by steps.
OF_SOLVED = {"ease": {"l2", "recency"}, "popularity": set(), "ensemble_recommender": {"members", "member_configs"}}


@dataclasses.dataclass
class RecommenderModelArguments:
    """Which model, and the fields of its config. A field that is not given is what the config says by itself."""

    model_type: str = field(default="bert4rec", metadata={"help": f"One of {', '.join(MODEL_TYPES)}."})
    max_history: int | None = field(default=None, metadata={"help": "Newest items that are read of a history."})
    hidden_size: int | None = field(default=None, metadata={"help": "Width of the encoder."})
    num_hidden_layers: int | None = field(default=None, metadata={"help": "Number of layers."})
    num_attention_heads: int | None = field(default=None, metadata={"help": "Attention heads of a layer."})
    intermediate_size: int | None = field(default=None, metadata={"help": "Width of the feed-forward layers."})
    hidden_dropout_prob: float | None = field(default=None, metadata={"help": "Dropout of hidden states."})
    attention_probs_dropout_prob: float | None = field(default=None, metadata={"help": "Dropout of attention."})
    initializer_range: float | None = field(default=None, metadata={"help": "Deviation of initial weights."})
    xavier_layers: bool | None = field(default=None, metadata={"help": "Whether layers begin with weights by width."})
    scale_embeddings: bool | None = field(default=None, metadata={"help": "Whether items' vectors are scaled as read."})
    loss: str | None = field(default=None, metadata={"help": "full, sampled or gbce."})
    num_negatives: int | None = field(default=None, metadata={"help": "Negatives of a sampled loss."})
    gbce_calibration: float | None = field(default=None, metadata={"help": "t of gbce, from 0 to 1."})
    output_bias: bool | None = field(default=None, metadata={"help": "Whether each item has a bias."})
    hidden_act: str | None = field(default=None, metadata={"help": "Activation of the feed-forward layers."})
    output_embedding: str | None = field(default=None, metadata={"help": "Items are scored by: item, fused or own."})
    metadata_fusion: str | None = field(default=None, metadata={"help": "none, add, concat or gate."})
    metadata_features: list[str] = field(
        default_factory=list, metadata={"help": "Of genre, director, writer, title; those there are by default."}
    )

    max_genres: int | None = field(default=None, metadata={"help": "Most genres of an item; the most there are."})
    max_writers: int | None = field(default=None, metadata={"help": "Most writers of an item; the most there are."})
    latent_size: int | None = field(default=None, metadata={"help": "Width of a multivae's latent."})
    input_dropout_prob: float | None = field(default=None, metadata={"help": "Dropout of a multivae's input."})
    kl_max_weight: float | None = field(default=None, metadata={"help": "Largest beta of a multivae."})
    kl_anneal_steps: int | None = field(default=None, metadata={"help": "Steps until beta is largest."})
    l2: list[float] = field(
        default_factory=list, metadata={"help": "Lambda of ease, or several to choose from by validation."}
    )
    recency: list[float] = field(
        default_factory=list,
        metadata={"help": "How much newer items count more for ease or multivae, 0 by default; for ease or several."},
    )
    members: list[str] = field(
        default_factory=list, metadata={"help": "Folders of trained models that an ensemble is made of."}
    )
    member_configs: list[str] = field(
        default_factory=list, metadata={"help": "Configs of the models to train for an ensemble without members."}
    )

    def __post_init__(self):
        _expect("model_type", self.model_type, MODEL_TYPES)
        is_ensemble = self.model_type == "ensemble_recommender"
        if is_ensemble != bool(self.members or self.member_configs):
            raise ValueError(
                f"Expected --members or --member_configs with model_type ensemble_recommender and no other, got "
                f"model_type {self.model_type} {'without' if is_ensemble else 'with'} them. Correct one of the two."
            )
        given = set(self._given()) - {"model_type"}
        none_of = {"l2"} if self.model_type == "multivae" else {"l2", "recency"}
        strange = sorted(given - OF_SOLVED.get(self.model_type, given - none_of))
        if strange:
            raise ValueError(
                f"Expected arguments that say something to {self.model_type}, got --{strange[0]}. Leave it out: it "
                "belongs to other model types."
            )
        if self.model_type == "multivae" and len(self.recency) > 1:
            raise ValueError(
                f"Expected one value of --recency for a multivae, got {len(self.recency)}. Only ease tries several."
            )

    def config_fields(self):
        """Returns the fields of the model's config that were given, `dict`."""
        fields = {name: value for name, value in self._given().items() if name not in NO_FIELDS}
        return fields | ({"recency": self.recency[0]} if self.model_type == "multivae" and self.recency else {})

    def reads_titles(self):
        """Returns whether titles are among what the model is told of items."""
        is_fused = self.metadata_fusion not in (None, "none")
        return is_fused and (not self.metadata_features or "title" in self.metadata_features)

    def _given(self):
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {name: value for name, value in given.items() if value not in (None, [])}


@dataclasses.dataclass
class RecommenderDataArguments:
    """Interactions, how they are split, and how batches are made of them."""

    data: str = field(
        default="movielens-small", metadata={"help": "File or folder of interactions, or the name of a built-in set."}
    )
    data_format: str | None = field(default=None, metadata={"help": "Format of the data; found out by default."})
    items_path: str | None = field(default=None, metadata={"help": "Table of what is known of items, one row each."})
    missing_times: str = field(default="error", metadata={"help": "Rows without a time: error, drop or order."})
    duplicates: str = field(default="first", metadata={"help": "Of a user's rows of one item: first, last or all."})
    user_column: str | None = field(default=None, metadata={"help": "Column of users in a table."})
    item_column: str | None = field(default=None, metadata={"help": "Column of items in a table."})
    time_column: str | None = field(default=None, metadata={"help": "Column of times in a table."})
    value_column: str | None = field(default=None, metadata={"help": "Column of values in a table."})
    separator: str | None = field(default=None, metadata={"help": "Of a text table; guessed by default."})
    column_names: list[str] = field(
        default_factory=list, metadata={"help": "Columns of a text table without a header: user item time."}
    )
    encoding: str | None = field(default=None, metadata={"help": "Of a text table; UTF-8 by default."})
    about_data: str | None = field(
        default=None, metadata={"help": "YAML of what no run knows of its data, for the card: source, people, licence."}
    )
    protocol: str = field(default="A", metadata={"help": "A, B (see history_split.py) or time."})
    eval_users: int | None = field(
        default=None, metadata={"help": "Users asked in validation while training; all, for protocol B 2048."}
    )
    validation_time: str | None = field(
        default=None,
        metadata={"help": "Moment from which protocol time validates: a date, seconds since 1970 or a rank."},
    )
    test_time: str | None = field(default=None, metadata={"help": "Moment from which protocol time tests, so too."})
    title_encoder: str | None = field(
        default=None,
        metadata={"help": "Encoder of titles, for the feature title: a Hub id, a folder or package:<module>."},
    )
    title_encoder_revision: str | None = field(default=None, metadata={"help": "Commit or tag of its Hub id."})
    title_embeddings: str | None = field(
        default=None, metadata={"help": "Folder of prepare_title_embeddings.py, in place of a title_encoder."}
    )
    mask_probability: float = field(default=0.15, metadata={"help": "Share of items masked, by bert4rec."})
    last_item_probability: float = field(
        default=0.0, metadata={"help": "Share of rows whose last item is masked besides, by bert4rec."}
    )
    random_windows: bool = field(
        default=False, metadata={"help": "Train on another stretch of long histories each epoch, not on the newest."}
    )
    bucket_batches: int = field(
        default=BUCKET_BATCHES, metadata={"help": "Batches sorted by length together; 1 for none."}
    )

    def __post_init__(self):
        _expect("protocol", self.protocol, PROTOCOLS)
        self.validation_time = moment(self.validation_time, "validation_time")
        self.test_time = moment(self.test_time, "test_time")


@dataclasses.dataclass
class RecommenderTrainingArguments(TrainingArguments):
    """`TrainingArguments` with what suits recommenders: Adam at a constant rate, ranks of validation, patience."""

    learning_rate: float = field(default=1e-3, metadata={"help": "Learning rate of Adam."})
    lr_scheduler_type: str = field(default="constant", metadata={"help": "One of Trainer's schedules."})
    weight_decay: float = field(default=0.0, metadata={"help": "Weight decay of Adam."})
    adam_beta2: float = field(default=0.98, metadata={"help": "Beta2 of Adam."})
    max_grad_norm: float = field(default=5.0, metadata={"help": "Longest gradient; 0 for no limit."})
    optim: str = field(default="adamw_torch_fused", metadata={"help": "Optimizer."})
    num_train_epochs: float = field(default=200.0, metadata={"help": "Most epochs."})
    per_device_train_batch_size: int = field(default=128, metadata={"help": "Histories in a batch of a rank."})
    per_device_eval_batch_size: int = field(default=64, metadata={"help": "Histories scored at once."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint: no, steps, epoch."})
    eval_every_epochs: int = field(default=1, metadata={"help": "Evaluate and save after so many epochs."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the loss: no, steps, epoch."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "End with the best checkpoint."})
    metric_for_best_model: str | None = field(
        default="eval_ndcg@10", metadata={"help": "Figure of validation that chooses the best checkpoint."}
    )
    greater_is_better: bool | None = field(default=True, metadata={"help": "Whether a larger figure is better."})
    early_stopping_patience: int | None = field(
        default=20, metadata={"help": "Stop after so many evaluations without a better figure; 0 for never."}
    )
    restore_callback_states_from_checkpoint: bool = field(
        default=True, metadata={"help": "Go on counting the evaluations without a better figure after a resume."}
    )
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "Look at the loss of every step."})
    search_trials: int = field(
        default=0, metadata={"help": "Trials of a search for rate, dropout and masking before the run; needs optuna."}
    )

    def __post_init__(self):
        if self.eval_every_epochs < 1:
            raise ValueError(f"Expected eval_every_epochs of 1 or more, got {self.eval_every_epochs}. Correct it.")
        if not self.num_train_epochs > 0 and self.max_steps <= 0:
            raise ValueError(
                f"Expected num_train_epochs above 0, got {self.num_train_epochs:g}. Set --num_train_epochs, a part of "
                "one for a try."
            )
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of 1 or more, got {getattr(self, name)}. Set --{name}.")
        super().__post_init__()

    def always_written(self):
        """Returns what a config of the run says for arguments that `resolved_config` may leave out, `dict`.

        These are all whose default here is not Trainer's: Trainer's own value is then one that was asked for.
        """
        trainers = {each.name: each.default for each in dataclasses.fields(TrainingArguments)}
        ours = {each.name for each in dataclasses.fields(self) if each.default != trainers.get(each.name)}
        values = {name: getattr(getattr(self, name), "value", getattr(self, name)) for name in sorted(ours)}
        return {name: value for name, value in values.items() if value is not None}


TYPES = (RecommenderModelArguments, RecommenderDataArguments, RecommenderTrainingArguments)


def parse_recommender(argv, description=None):
    """Returns the filled `TYPES` of a YAML file and `--key value` overrides, see `parse_run` and `refuse_unused`."""
    argv = list(argv)
    groups = model_arguments, data_arguments, _ = parse_run(argv, description, TYPES)
    named = named_options(argv)
    refuse_unused(named, model_arguments)
    choose_titles(named, data_arguments)
    return groups


def _expect(name, value, choices):
    if value not in choices:
        raise ValueError(f"Expected {name} of {', '.join(choices)}, got {value!r}. Set --{name} to one of these.")
