"""The parts of a next-action run put together: examples, model, trainer, and the table with the baselines."""

from dataclasses import dataclass
from pathlib import Path

from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForNextAction
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.next_action.action_examples import ActionCollator, ActionExamples, ActionWindows
from traceformers.training.next_action.next_action_baselines import baseline_scores
from traceformers.training.next_action.next_action_metrics import action_figures
from traceformers.training.next_action.next_action_trainer import NextActionTrainer

MODEL = "RRWebBERT"


@dataclass
class NextActionData:
    """The examples of a run.

    Args:
        arguments (`NextActionDataArguments`).
        tokenizer (`RRWebTokenizer`): of the encoder; the data set must have been prepared with it.
        seed (`int`): of the words that are swapped.

    Raises:
        ValueError: another tokenizer, a split without actions, or no data_dir.
    """

    arguments: object
    tokenizer: object
    seed: int = 0

    def __post_init__(self):
        a = self.arguments
        if not a.data_dir:
            raise ValueError(
                "Expected --data_dir, the folder that prepare_rrweb_sessions.py wrote, got none. Name it, or set "
                "data_dir in the config."
            )
        splits = list(filter(None, (a.train_split, a.eval_split, a.test_split)))
        self.examples = {split: ActionExamples(self._store(split), self.tokenizer) for split in splits}
        self.names = self.examples[a.train_split].names(a.least_actions, a.most_targets)
        for split, examples in self.examples.items():
            if not len(examples):
                raise ValueError(
                    f"Expected actions in the {split} split of {a.data_dir}, found none in {len(examples.sessions)} "
                    "sessions. Prepare more recordings, or other shares; `--test_split none` does without a test."
                )

    def _store(self, split):
        store = SessionStore(self.arguments.data_dir, split)
        prepared = store.info.get("vocab_size", self.tokenizer.vocab_size)
        if prepared != self.tokenizer.vocab_size:
            raise ValueError(
                f"Expected a data set prepared with the tokenizer of the model ({self.tokenizer.vocab_size} ids), got "
                f"{prepared} ids in {self.arguments.data_dir}. Prepare it with --tokenizer <model folder>."
            )
        return store

    def windows(self, split, train=False):
        """Returns the `ActionWindows` of a split; to train on, shuffled, with words swapped as the arguments say."""
        a, tokenizer = self.arguments, self.tokenizer
        text_swap = None
        if train and a.swap_text_in:
            text_swap = TextSwap(tokenizer.structural_vocab_size, tokenizer.vocab_size, a.swap_text_in)
        return ActionWindows(
            self.examples[split], self.names, tokenizer.window_tokens, a.max_length,
            shuffled=train, swap=text_swap, seed=self.seed,
        )  # fmt: skip

    def baselines(self, split, seed=0):
        """Returns `{name: figures}` of the baselines on a split, fitted on the training split."""
        a = self.arguments
        found = baseline_scores(
            self.examples[a.train_split], self.examples[a.eval_split], self.examples[split], self.names, seed
        )
        labels = self.names.numbers(self.examples[split].actions)
        return {name: action_figures(labels, *scores) for name, scores in found.items()}

    @property
    def dataset_name(self):
        """What the data set is called, or its folder."""
        return self._info.get("name", str(self.arguments.data_dir))

    @property
    def split_by(self):
        """What splits divide: site or session; None where the data set does not tell."""
        return self._info.get("split_by")

    @property
    def _info(self):
        return self.examples[self.arguments.train_split].sessions.info

    def counts(self):
        """Returns `{split: {"sessions", "actions"}}`."""
        return {
            split: {"sessions": len(examples.sessions), "actions": len(examples)}
            for split, examples in self.examples.items()
        }


def load_tokenizer(arguments):
    """Returns the tokenizer saved with the encoder.

    Args:
        arguments (`NextActionModelArguments`).

    Raises:
        ValueError: no encoder is named.
    """
    if not arguments.model_name_or_path:
        raise ValueError(
            "Expected --model_name_or_path, a saved RRWebBERT with its tokenizer, got none. Train one with run_mlm.py "
            "and name its model/ folder."
        )
    return RRWebTokenizer.from_pretrained(arguments.model_name_or_path, revision=arguments.model_revision)


def build_next_action_model(
    name_or_path, names, max_length, revision="main", attn="sdpa_varlen", dropout=0.1, frozen=0
):
    """Returns an `RRWebBertForNextAction` on a saved encoder, its two heads new.

    Args:
        name_or_path (path): folder or repository of any RRWebBERT.
        names (`ActionNames`): what the heads tell apart.
        max_length (`int`): tokens that will be read.
        revision (`str`), attn (`str`), dropout (`float`): revision, attention and dropout before the heads.
        frozen (`int`): layers from below that do not learn, with the embeddings.

    Raises:
        ValueError: the encoder has fewer positions than `max_length`, or fewer layers than `frozen`.
    """
    model = RRWebBertForNextAction.from_pretrained(
        name_or_path,
        revision=revision,
        attn_implementation=attn,
        action_kinds=list(names.kinds),
        action_targets=list(names.targets),
        classifier_dropout=dropout,
        ignore_mismatched_sizes=True,  # a model of other actions: its heads are made anew
    )
    config = model.config
    if config.max_position_embeddings < max_length:
        raise ValueError(
            f"Expected max_length of at most {config.max_position_embeddings}, the positions of {name_or_path}, got "
            f"{max_length}. Set --max_length to it or less."
        )
    if not 0 <= frozen <= config.num_hidden_layers:
        raise ValueError(
            f"Expected frozen_layers between 0 and {config.num_hidden_layers}, the layers of {name_or_path}, got "
            f"{frozen}. Freeze fewer."
        )
    if frozen:
        for part in (model.rrweb_bert.embeddings, *model.rrweb_bert.layers[:frozen]):
            part.requires_grad_(False)
    return model


def build_next_action_trainer(model, tokenizer, train, validation, arguments):
    """Returns the `NextActionTrainer` of `ActionWindows` to train on and to choose by."""
    return NextActionTrainer(
        model=model,
        args=arguments,
        data_collator=ActionCollator(tokenizer.structural_vocab_size),
        processing_class=tokenizer,
        train_dataset=train,
        eval_dataset=validation,
    )


def split_figures(trainer, data, split, seed=0):
    """Returns the figures of a split: the model's, by class, and the table with the baselines under `compared`."""
    windows = data.windows(split)
    figures = action_figures(windows.labels, *trainer.scores(windows), data.names)
    short = {part: {k: v for k, v in each.items() if k != "by_class"} for part, each in figures.items()}
    compared = {MODEL: short}
    if data.arguments.baselines:
        compared = data.baselines(split, seed) | compared
    return figures | {"compared": compared}


def table_lines(compared):
    """Returns the lines of a table: accuracy, top 3 and macro-F1 of kinds and of targets, a row a method.

    Example:
        >>> kind = {"accuracy": 0.5, "top3": 0.9, "macro_f1": 0.25}
        >>> print(table_lines({"bigram": {"kind": kind, "target": kind}})[-1])
        | bigram | 0.500 | 0.900 | 0.250 | 0.500 | 0.900 | 0.250 |
    """
    shown = [(part, name) for part in ("kind", "target") for name in ("accuracy", "top3", "macro_f1")]
    lines = ["| | " + " | ".join(f"{part} {name.replace('_', '-')}" for part, name in shown) + " |"]
    lines.append("| --- |" + " ---: |" * len(shown))
    for method, figures in compared.items():
        values = (figures[part][name] for part, name in shown)
        lines.append(f"| {method} | " + " | ".join("-" if v is None else f"{v:.3f}" for v in values) + " |")
    return lines


def data_folder_about(data_arguments):
    """Returns the YAML that tells what no run knows of its data, a path that need not exist."""
    return Path(data_arguments.about_data or Path(data_arguments.data_dir) / "about_data.yaml")
