"""A run of session classification: folds and seeds, the table with its baselines, and the model that is saved.

What is chosen (checkpoint, C of the probes) is chosen on groups of the training part. Scores of all test parts
together give one figure a seed; the table has mean and spread over seeds. Each part of a run writes its scores when it
is done, so that an interrupted run goes on with the next.
"""

import copy
import json
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from transformers.trainer_utils import set_seed

from traceformers.model_cards.measured_energy import measured_energy
from traceformers.tokenization.rrweb.rrweb_envelopes import SessionFormatError
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from traceformers.training.checkpoints import last_complete_checkpoint
from traceformers.training.masked_lm.text_swap import TextSwap
from traceformers.training.next_action.frozen_actions import joined
from traceformers.training.session_classification.classification_baselines import (
    COUNTERS,
    PROBE,
    baseline_rows,
    figures_of,
    frozen_vectors,
    majority_scores,
    probed,
)
from traceformers.training.session_classification.classification_data import (
    class_weights,
    outer_folds,
    read_classification,
    refuse_copies,
    validation_rows,
)
from traceformers.training.session_classification.classification_figures import mean_and_spread
from traceformers.training.session_classification.classification_model import build_classifier
from traceformers.training.session_classification.classification_trainer import SessionTrainer
from traceformers.training.session_classification.session_windows import DrawnWindows, JudgedWindows, SessionCollator
from traceformers.training.session_probes.probe import DenseRows

FINE_TUNED = "RRWebBERT, fine-tuned"
#: The product of what both answer, each counting alike.
WITH_COUNTERS = "RRWebBERT, fine-tuned, with counters"
SCORES = "scores.safetensors"


class ClassificationRun:
    """The parts of a run, in order: `compare()`, then `final()`.

    Args:
        model_arguments, data_arguments, arguments: see classification_arguments.py.

    Raises:
        FileNotFoundError, ValueError: labels, recordings or encoder are not as they must be, see their readers.
    """

    def __init__(self, model_arguments, data_arguments, arguments):
        self.m, self.d, self.a = model_arguments, data_arguments, arguments
        if not self.m.model_name_or_path:
            raise ValueError(
                "Expected --model_name_or_path, a saved RRWebBERT with its tokenizer, got none. Train one with "
                "run_mlm.py and name its model/ folder."
            )
        self.data = read_classification(self.d)
        self.seeds = list(self.d.seeds) or [self.a.seed]
        self.folds = {seed: outer_folds(self.data, self.d, seed) for seed in self.seeds}
        self.output_dir = Path(self.a.output_dir)
        self._tokenized, self.trained, self.answers, self.kept = {}, [], {}, None

    # --- recordings -----------------------------------------------------------------------------------------

    def encoder(self, fold):
        """Returns the encoder of a fold: the one that is named, `{fold}` in it replaced."""
        return self.m.model_name_or_path.replace("{fold}", str(fold))

    def tokenized(self, fold):
        """Returns (tokenizer, list of n `TokenizedSession`) for the encoder of a fold; kept while it is the same."""
        folder = self.encoder(fold)
        if folder not in self._tokenized:
            tokenizer = RRWebTokenizer.from_pretrained(folder, revision=self.m.model_revision)
            sessions = [self._read(tokenizer, file) for file in self.data.sessions.files]
            if not self._tokenized:
                refuse_copies(sessions, self.data.sessions.files)
            self._tokenized = {folder: (tokenizer, sessions)}  # one at a time: they are large
        return self._tokenized[folder]

    def _read(self, tokenizer, file):
        try:
            return tokenizer.tokenize_session(Path(file))
        except SessionFormatError as error:
            raise ValueError(
                f"Expected an rrweb recording in {file}, got none: {error} Take it out of the labels, or repair it."
            ) from error

    # --- the table ------------------------------------------------------------------------------------------

    def compare(self):
        """Returns `{method: figures}`, fine-tuning last; keeps `self.scores`, the fine-tuned ones of the first seed."""
        compared = self.baselines()
        by_seed = []
        for seed in self.seeds:
            scores = np.full((len(self.data), len(self.data.classes)), np.nan)
            for name, train, test in self.folds[seed]:
                scores[test] = self.fine_tuned(name, train, test, seed)
            by_seed.append(scores)
        self.scores = by_seed[0]
        if COUNTERS in self.answers:
            both = [joined(own, counted, 0.5) for own, counted in zip(by_seed, self.answers[COUNTERS], strict=True)]
            compared[WITH_COUNTERS] = mean_and_spread([figures_of(scores, self.data) for scores in both])
        compared[FINE_TUNED] = mean_and_spread([figures_of(scores, self.data) for scores in by_seed])
        return compared

    def baselines(self):
        """Returns the figures of the baselines that the arguments ask for."""
        wanted, data, found = self.d.baselines, self.data, {}
        if "majority" in wanted:
            found["majority"] = self._over_seeds(
                "majority",
                lambda seed: self._filled(
                    seed, lambda train, test: majority_scores(data.numbers[train], len(data.classes), len(test))
                ),
            )
        rows = {}
        if {"tfidf", "counters"} & set(wanted):
            tokenizer, sessions = self.tokenized(self.folds[self.seeds[0]][0][0])
            logs = [tokenizer.decode(session.ids.tolist()) for session in sessions] if "tfidf" in wanted else []
            rows = baseline_rows(wanted, data.sessions.files, logs)
        if "probe" in wanted:
            rows[PROBE] = self._frozen()
        for name, each in rows.items():
            found[name] = self._over_seeds(name, lambda seed, each=each: probed(each, data, self.folds[seed], seed))
        return found

    def _frozen(self):
        """Returns `DenseRows` of the encoder as it is, by fold where each fold has its own."""
        vectors = {}
        names = dict.fromkeys(name for seed in self.seeds for name, _, _ in self.folds[seed])
        for name in names:
            folder = self.encoder(name)
            if folder not in vectors:
                tokenizer, sessions = self.tokenized(name)
                judged = JudgedWindows(sessions, None, tokenizer, self.d)
                vectors[folder] = DenseRows(frozen_vectors(folder, judged, tokenizer, self.m, self.d.windows))
        return {name: vectors[self.encoder(name)] for name in names}

    def _filled(self, seed, score):
        scores = np.full((len(self.data), len(self.data.classes)), np.nan)
        for _, train, test in self.folds[seed]:
            scores[test] = score(train, test)
        return scores

    def _over_seeds(self, name, scores_of):
        self.answers[name] = [scores_of(seed) for seed in self.seeds]
        return mean_and_spread([figures_of(scores, self.data) for scores in self.answers[name]])

    # --- training -------------------------------------------------------------------------------------------

    def fine_tuned(self, fold, train, test, seed):
        """Returns class probabilities `(len(test), K)` of a model trained on `train`; from its file if done."""
        room = self._room(fold, seed)
        if self.a.resume_from_checkpoint == "auto" and (room / SCORES).is_file():
            saved = load_file(room / SCORES)
            if np.array_equal(saved["rows"], test) and saved["scores"].shape[1] == len(self.data.classes):
                self.trained.append(json.loads((room / "train.json").read_text()))
                return saved["scores"]
        trainer, about = self.train(fold, train, seed, room)
        if (fold, seed) == (self.folds[self.seeds[0]][0][0], self.seeds[0]):
            self.kept = trainer, about
        tokenizer, sessions = self.tokenized(fold)
        judged = JudgedWindows([sessions[i] for i in test], self.data.numbers[test], tokenizer, self.d)
        scores = trainer.scores(judged)
        about |= {"fold": fold, "seed": seed, "groups_out": sorted(set(self.data.groups[test].tolist()))}
        self.trained.append(about)
        if trainer.is_world_process_zero():
            (room / "train.json").write_text(json.dumps(about))
            save_file({"scores": scores, "rows": np.asarray(test)}, room / SCORES)
        return scores

    def final(self):
        """Returns (trainer, tokenizer, what is known of the training) of the model that is saved.

        That is the model of the one split, or of the first fold; or one more that is trained on all groups.
        """
        seed = self.seeds[0]
        fold, train, _ = self.folds[seed][0]
        if self.d.test_groups or not self.d.final_model:
            # one whose scores were read from their file is read from its last checkpoint
            trainer, about = self.kept or self.train(fold, train, seed, self._room(fold, seed))
        else:
            trainer, about = self.train(fold, np.arange(len(self.data)), seed, self.output_dir / "final")
        return trainer, self.tokenized(fold)[0], about

    def _room(self, fold, seed):
        return self.output_dir / "folds" / f"{fold}-seed-{seed}"

    def train(self, fold, rows, seed, room):
        """Returns the `SessionTrainer` after training on rows of the data, and what is known of it, `dict`."""
        set_seed(seed)
        tokenizer, sessions = self.tokenized(fold)
        numbers, d = self.data.numbers, self.d
        train, chosen_by = validation_rows(self.data, rows, d, seed)
        arguments = copy.copy(self.a)
        arguments.output_dir, arguments.seed = str(room), seed
        if not len(chosen_by):
            arguments.eval_strategy, arguments.load_best_model_at_end = "no", False
        resume = self.a.resume_from_checkpoint
        if resume == "auto":
            resume = last_complete_checkpoint(room, arguments.world_size)
        swap = None
        if d.swap_text_in:
            swap = TextSwap(tokenizer.structural_vocab_size, tokenizer.vocab_size, d.swap_text_in)
        drawn = DrawnWindows([sessions[i] for i in train], numbers[train], tokenizer, d, seed, swap)
        judged = JudgedWindows([sessions[i] for i in chosen_by], numbers[chosen_by], tokenizer, d)
        weights = class_weights(numbers[train], len(self.data.classes)) if d.class_weights else None
        pooling = tokenizer if d.windows == "actions" else None
        model = build_classifier(self.encoder(fold), self.data.classes, self.m, d.max_length, pooling)
        trainer = SessionTrainer(
            model=model,
            args=arguments,
            class_weights=weights,
            data_collator=SessionCollator(tokenizer.structural_vocab_size),
            processing_class=tokenizer,
            train_dataset=drawn,
            eval_dataset=judged if len(judged) else None,
        )
        started = time.perf_counter()
        with measured_energy(self.output_dir):
            result = trainer.train(resume_from_checkpoint=resume)
        return trainer, {
            "loss": result.training_loss,
            "steps": trainer.state.global_step,
            "best_step": trainer.state.best_global_step,
            "resumed_from": resume and Path(resume).name,
            "seconds": time.perf_counter() - started,
            "sessions": len(train),
            "validation_groups": sorted(set(self.data.groups[chosen_by].tolist())),
        }
