"""The parts of a masked-language-model run put together: tokenizer, windows, model, trainer, figures."""

from dataclasses import dataclass
from pathlib import Path

from transformers import EarlyStoppingCallback

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertForMaskedLM
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.masked_lm.count_baselines import baseline_reports, fit_baselines
from traceformers.training.masked_lm.masked_metrics import masked_report
from traceformers.training.masked_lm.masking import Masking
from traceformers.training.masked_lm.mlm_trainer import MLMTrainer
from traceformers.training.masked_lm.packing import PackingCollator
from traceformers.training.masked_lm.session_store import SessionStore
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.masked_lm.window_dataset import FixedWindows, RandomWindows


@dataclass
class MLMData:
    """A prepared data set as windows, with its tokenizer and the masks of a run.

    Args:
        arguments (`DataArguments`).
        seed (`int`): of windows and training masks.

    Evaluation masks do not depend on the seed of the run, so figures of different runs compare.
    """

    arguments: object
    seed: int = 0

    def __post_init__(self):
        if not self.arguments.data_dir:
            raise ValueError(
                "Expected --data_dir, the folder that prepare_rrweb_sessions.py wrote, got none. Name it, or set "
                "data_dir in the config."
            )
        folder = self.arguments.tokenizer or Path(self.arguments.data_dir) / "tokenizer"
        self.tokenizer = RRWebTokenizer.from_pretrained(str(folder))
        self.masking = Masking.from_tokenizer(
            self.tokenizer,
            probability=self.arguments.mask_probability,
            whole_events=self.arguments.mask_whole_events,
        )
        self.collator = PackingCollator(self.masking, self.tokenizer.structural_vocab_size)
        # windows and truncation as long as the model reads, wherever the tokenizer is saved with it
        self.tokenizer.model_max_length = self.arguments.max_length
        self._fixed, self._baselines = {}, None

    def store(self, split):
        """Returns the `SessionStore` of a split.

        Raises:
            ValueError: if the data set was prepared with another tokenizer.
        """
        store = SessionStore(self.arguments.data_dir, split)
        prepared = store.info.get("vocab_size", self.tokenizer.vocab_size)
        if prepared != self.tokenizer.vocab_size:
            raise ValueError(
                f"Expected the tokenizer {self.arguments.data_dir} was prepared with ({prepared} ids), got one "
                f"with {self.tokenizer.vocab_size} ids. Use the `tokenizer` folder of the data set."
            )
        return store

    def check_splits(self):
        """Raises ValueError if a split that the run needs has no session: better before the training than after."""
        a = self.arguments
        for split in filter(None, (a.train_split, a.eval_split, a.test_split)):
            if not len(self.store(split)):
                raise ValueError(
                    f"Expected sessions in the {split} split of {a.data_dir}, got none. Prepare more recordings, or "
                    "with larger --validation-share and --test-share; `--test_split none` does without a test."
                )

    def random_windows(self):
        """Returns the training windows."""
        a, tokenizer = self.arguments, self.tokenizer
        swap = TextSwap(tokenizer.structural_vocab_size, tokenizer.vocab_size, a.swap_text_in)
        return RandomWindows(
            self.store(a.train_split),
            tokenizer.window_tokens,
            a.max_length,
            a.samples_per_epoch,
            self.seed,
            swap if a.swap_text_in else None,
        )

    def fixed_windows(self, split, limit=None):
        """Returns the evaluation windows of a split, cut once."""
        if (split, limit) not in self._fixed:
            self._fixed[split, limit] = FixedWindows(
                self.store(split), self.tokenizer.window_tokens, self.arguments.max_length, limit=limit
            )
        return self._fixed[split, limit]

    def baselines(self):
        """Returns the `CountBaselines` counted on the training split and smoothed on the eval split."""
        if self._baselines is None:
            a = self.arguments
            self._baselines = fit_baselines(
                self.store(a.train_split),
                self.fixed_windows(a.eval_split, a.max_eval_windows),
                self.tokenizer.window_tokens,
                self.masking,
                self.tokenizer.structural_vocab_size,
                a.max_length,
                a.baseline_tokens,
            )
        return self._baselines


def build_model(arguments, tokenizer, max_length):
    """Returns a new `RRWebBertForMaskedLM`, or the saved one that the arguments name.

    Args:
        arguments (`ModelArguments`).
        tokenizer (`RRWebTokenizer`): gives the vocabulary sizes.
        max_length (`int`): longest window; a new model gets so many positions.

    Raises:
        ValueError: if a saved model has another vocabulary or too few positions.
    """
    if arguments.model_name_or_path is None:
        config = RRWebBertConfig(
            vocab_size=tokenizer.vocab_size,
            structural_vocab_size=tokenizer.structural_vocab_size,
            hidden_size=arguments.hidden_size,
            num_hidden_layers=arguments.num_hidden_layers,
            num_attention_heads=arguments.num_attention_heads,
            intermediate_size=arguments.intermediate_size or 4 * arguments.hidden_size,
            hidden_dropout_prob=arguments.hidden_dropout_prob,
            attention_probs_dropout_prob=arguments.attention_probs_dropout_prob,
            initializer_range=arguments.initializer_range,
            max_position_embeddings=max_length,
        )
        return RRWebBertForMaskedLM._from_config(config, attn_implementation=arguments.attn_implementation)
    model = RRWebBertForMaskedLM.from_pretrained(
        arguments.model_name_or_path,
        revision=arguments.model_revision,
        attn_implementation=arguments.attn_implementation,
    )
    if model.config.vocab_size != tokenizer.vocab_size or model.config.max_position_embeddings < max_length:
        raise ValueError(
            f"Expected a model with {tokenizer.vocab_size} ids and at least {max_length} positions, got "
            f"{model.config.vocab_size} and {model.config.max_position_embeddings} in {arguments.model_name_or_path}. "
            "Use the tokenizer saved with the model, and windows no longer than its positions."
        )
    return model


def build_trainer(model, data, training_arguments, train=True):
    """Returns the `MLMTrainer` of a run.

    Args:
        model (`RRWebBertForMaskedLM`).
        data (`MLMData`).
        training_arguments (`MLMTrainingArguments`).
        train (`bool`): False for a trainer that only evaluates.
    """
    patience = training_arguments.early_stopping_patience
    return MLMTrainer(
        model=model,
        args=training_arguments,
        data_collator=data.collator,
        processing_class=data.tokenizer,
        train_dataset=data.random_windows() if train else None,
        eval_dataset=data.fixed_windows(data.arguments.eval_split, data.arguments.max_eval_windows) if train else None,
        callbacks=[EarlyStoppingCallback(patience)] if patience and train else None,
        token_classes=data.tokenizer.token_classes,
    )


def split_report(trainer, data, split):
    """Returns the figures of the trainer's model on all windows of a split, with those of the count baselines.

    All ranks call it; baselines are counted on the first only, the others leave them out.
    """
    windows = data.fixed_windows(split)
    report = masked_report(trainer.evaluation_sums(windows))
    if trainer.is_world_process_zero():
        report["baselines"] = baseline_reports(data.baselines(), windows)
    return report
