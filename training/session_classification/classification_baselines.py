"""What fine-tuning must beat, on the same folds: the commonest class, TF-IDF of the log, counters, the frozen encoder.

Axes: n sessions, K classes, H hidden size.
"""

from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel

from traceformers.modeling.rrweb_bert.rrweb_bert_pooling import mean_of_tokens, tokens_of_events
from traceformers.training.session_classification.classification_figures import classification_figures
from traceformers.training.session_classification.classification_model import pooling_of_actions
from traceformers.training.session_classification.session_windows import SessionCollator, mean_over_windows
from traceformers.training.session_evidence.session_counters import session_counters
from traceformers.training.session_probes.hand_rules import counter_vectors
from traceformers.training.session_probes.probe import BagRows, DenseRows, probe_scores
from traceformers.training.session_probes.session_texts import BAGS, count_bag, session_texts

COUNTERS, PROBE = "counters", "frozen encoder, linear probe"


def baseline_rows(wanted, files, logs) -> dict:
    """Returns `{method: rows for probe_scores}` of the baselines that need no encoder.

    Args:
        wanted: names out of `BASELINES`.
        files (list of paths): recordings, for counters.
        logs (list of `str`): readable logs, for TF-IDF.
    """
    found = {}
    if "tfidf" in wanted:
        texts = [session_texts(log) for log in logs]
        found |= {f"TF-IDF, {name}": BagRows(count_bag(texts, name)) for name in BAGS}
    if "counters" in wanted:
        counters = [session_counters(Path(file)) for file in files]
        found[COUNTERS] = DenseRows(counter_vectors(counters, list(counters[0])))
    return found


def frozen_vectors(folder, sessions, tokenizer, arguments, kind="actions", per_batch=8):
    """Returns `float32 (n, H)`: the mean over windows of the mean token of each, of the encoder as it is.

    Args:
        folder: of the encoder. sessions (`JudgedWindows`). tokenizer (`RRWebTokenizer`).
        arguments (`ClassificationModelArguments`): revision and attention.
        kind (`str`): `actions` averages the tokens of what people did, where there are such; `all` averages all.
    """
    model = AutoModel.from_pretrained(
        folder,
        revision=arguments.model_revision,
        attn_implementation=arguments.attn_implementation,
        trust_remote_code=True,
    ).eval()
    collator, found = SessionCollator(tokenizer.structural_vocab_size), []
    pooling = pooling_of_actions(tokenizer)
    with torch.inference_mode():
        for start in range(0, len(sessions), per_batch):
            items = [sessions[i] for i in range(start, min(start + per_batch, len(sessions)))]
            batch = collator(items)
            of_session = batch.pop("session_of_window")
            batch.pop("labels")
            borders, chosen = batch["cu_seq_lens_q"], None
            if kind == "actions":
                chosen = tokens_of_events(batch["input_ids"], *pooling.values(), borders)
            vectors = mean_of_tokens(model(**batch).last_hidden_state, None, borders, chosen)  # (W, H)
            found.append(mean_over_windows(vectors, of_session, len(items)).numpy())
    return np.concatenate(found)


def majority_scores(numbers, n_classes, n_test):
    """Returns the shares of the classes in training for each of `n_test` sessions, `(n_test, K)`."""
    return np.tile(np.bincount(numbers, minlength=n_classes) / len(numbers), (n_test, 1))


def probed(rows, data, folds, seed, by_fold=None):
    """Returns class probabilities `(n, K)` of probes, each fitted on the training part of a fold; NaN where untested.

    Args:
        rows (`DenseRows`, `BagRows`, or `{fold: DenseRows}`). data (`ClassificationData`). folds: of `outer_folds`.
    """
    scores = np.full((len(data), len(data.classes)), np.nan)
    for name, train, test in folds:
        of_fold = rows[name] if isinstance(rows, dict) else rows
        scores[test] = probe_scores(
            of_fold, data.numbers, data.groups, train, test, n_classes=len(data.classes), seed=seed
        )
    return scores


def figures_of(scores, data):
    """Returns the figures of the sessions that have scores."""
    tested = ~np.isnan(scores).any(1)
    return classification_figures(data.numbers[tested], scores[tested])
