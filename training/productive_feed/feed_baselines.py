"""Peers on the same examples: TF-IDF with linear models and a forest, and SetFit where it is installed.

All are also given what the model is given beside the text: category of the video, hour, day, duration, age, and how
much of each kind of activity came before. Each is treated as our own linear model is, see `fitted_peer`; the test is
only scored. The benchmark of the feed's quality has the same peers in more variants.

TF-IDF with a linear SVM is how arxiv-sanity-lite (Karpathy 2021) ranks; SetFit: Tunstall et al. 2022, arXiv 2209.11055.

    axes: n examples, F features
"""

import importlib.util
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.training.productive_feed.calibration import fit_calibration
from traceformers.training.productive_feed.feed_evaluation import feed_figures
from traceformers.training.productive_feed.feed_features import number_rows, video_texts
from traceformers.training.productive_feed.feed_scalers import base_rates, known_categories

NAMES = {
    "tfidf_logistic": "TF-IDF + logistic regression",
    "tfidf_svm": "TF-IDF + linear SVM",
    "random_forest": "TF-IDF + random forest",
    "setfit": "SetFit + logistic regression",
}
#: Which model of `fitted_peer` each is.
_MODELS = {"tfidf_logistic": "logistic", "tfidf_svm": "svm", "random_forest": "forest", "setfit": "logistic"}
GRID_OF_C = (0.01, 0.1, 1.0, 10.0, 100.0)
EXTRAS_WEIGHTS = (1.0, 3.0)  # of what is beside the text, whose rows have length 1
STRETCHES = 4
TREES = 300
#: Most labels of a head that SetFit's contrastive pairs are made of.
SETFIT_LABELS = 200
_NUMBERS = ("duration", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "age_days")
_LOGARITHMIC = [0, 5]


def extra_features(examples, train):
    """Returns what is known beside the text, float64 (n, F): numbers, category of the video, activity before.

    Args:
        examples (`FeedExamples`). train (int array): rows that means, deviations and categories are fitted on.
    """
    videos = examples.videos.take(examples.video_row)
    numbers = number_rows(videos, examples.moments, examples.time_zone, _NUMBERS).astype(np.float64)
    numbers[:, _LOGARITHMIC] = np.log1p(numbers[:, _LOGARITHMIC])
    unknown = np.isnan(numbers)
    numbers = np.where(unknown, 0, numbers)
    kinds = np.array([[kind or "?"] for kind in videos["category"].to_pylist()], dtype=object)
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(kinds[train])
    parts = [numbers, unknown, one_hot.transform(kinds), activity_counts(examples, train)]
    features = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts], axis=1)
    return StandardScaler().fit(features[train]).transform(features)


def activity_counts(examples, train):
    """Returns, for each kind of activity before the examples of `train`, log minutes and log events, and the newest."""
    window, events = examples.window, examples.events
    names = known_categories(window.rows(train), events)
    codes = np.append(events.category_of, -1)[window.event_index]  # (n, E)
    blocks = [np.log1p(window.seconds.sum(axis=1) / 60), np.log1p(window.mask.sum(axis=1)), ~window.mask.any(axis=1)]
    for name in names:
        members = [i for i, each in enumerate(events.category_names) if f"{each} > ".startswith(f"{name} > ")]
        of_kind = np.isin(codes, members) & window.mask
        blocks += [np.log1p((window.seconds * of_kind).sum(axis=1) / 60), np.log1p(of_kind.sum(axis=1)), of_kind[:, 0]]
    return np.stack(blocks, axis=1).astype(np.float64)


def run_baseline(name, examples, split, seed=42, encoder=None):
    """Returns {"name", "validation": {head: figures}, "test": {head: figures}} of one of `NAMES`.

    Args:
        examples (`FeedExamples`), split (`FeedSplit`), seed (`int`).
        encoder (`str`, *optional*): sentence-transformers model that SetFit starts from.

    Raises:
        ValueError: SetFit is asked for and is not installed.
    """
    rates = base_rates(examples.labels[split.train])
    judged = np.tile(np.array(rates), (len(examples), 1))
    probabilities = judged.copy()
    texts = video_texts(examples.videos)  # once: it cleans every text
    texts = [texts[row] for row in examples.video_row]
    extra = extra_features(examples, split.train)
    for head in range(len(HEADS)):
        values = examples.labels[:, head]
        train, validation = (rows[examples.said(head)[rows]] for rows in (split.train, split.validation))
        if len(set((values[train] >= 0.5).tolist())) < 2:
            continue  # nothing to learn from: the base rate stays
        if name == "setfit":
            text = sparse.csr_matrix(setfit_vectors(texts, values >= 0.5, train, encoder, seed))
        else:
            text = tfidf_rows(texts, np.concatenate([train, validation]))
        probabilities[:, head], judged[:, head] = fitted_peer(
            _MODELS[name], text, [extra], values, train, validation, seed, by_stretches=name != "setfit"
        )
    return {
        "name": NAMES[name],
        "validation": feed_figures(examples.labels[split.validation], judged[split.validation], rates),
        "test": feed_figures(examples.labels[split.test], probabilities[split.test], rates),
    }


def tfidf_rows(texts, known):
    """Returns TF-IDF of texts (n, F), sparse, of words and pairs of words; fitted on those of the rows `known`."""
    vectorizer = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=1, max_features=50_000)
    return vectorizer.fit([texts[i] for i in known]).transform(texts)


def fitted_peer(model, text, beside, values, train, validation, seed=42, by_stretches=True):
    """Returns (probabilities (n,), those of a fit on `train` alone (n,), which validation can judge).

    C, and how much the features beside the text weigh, are chosen by log loss on training and validation in the order
    of time, each stretch foretold by a fit on what came before it, as our linear model does; what was foretold
    calibrates. Then the chosen one is fitted on all of it.

    Args:
        model (`str`): logistic, svm or forest. text (sparse (n, F)): features whose rows have about length 1.
        beside (list of float (n, F)): more features, standardised.
        values (float (n,)): labels from 0 to 1. train, validation (int arrays): rows with a label.
        by_stretches (`bool`): without, validation alone is foretold, as where `text` was learned from `train`.
    """
    labels = np.asarray(values) >= 0.5
    learned = np.sort(np.concatenate([train, validation]))  # in the order of time
    stretches = [(train, validation)]
    if by_stretches or not len(validation):
        edges = np.linspace(len(learned) / 3, len(learned), STRETCHES + 1).astype(int)
        stretches = [(learned[:start], learned[start:end]) for start, end in pairwise(edges)]
    tried = []
    for weight in EXTRAS_WEIGHTS if beside and model != "forest" else (1.0,):
        parts = [text, *(sparse.csr_matrix(weight * part / np.sqrt(part.shape[1])) for part in beside)]
        features = sparse.hstack(parts).tocsr()
        for c in GRID_OF_C if model != "forest" else (None,):
            scores = [_scores(model, c, features, labels, rows, seed)[judged] for rows, judged in stretches]
            foretold, truth = np.concatenate(scores), values[np.concatenate([judged for _, judged in stretches])]
            calibration = fit_calibration(foretold, truth)
            p = np.clip(calibration.probabilities(foretold), 1e-6, 1 - 1e-6)
            loss = -np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p))
            tried.append((loss, len(tried), c, features, calibration))
    _, _, c, features, calibration = min(tried, key=lambda each: each[:2])
    fits = (_scores(model, c, features, labels, rows, seed) for rows in (learned, train))
    return tuple(map(calibration.probabilities, fits))


def _scores(model, c, features, labels, rows, seed):
    """Returns logits (n,) of a fit on some rows, zeros where they have one answer only."""
    if len(set(labels[rows].tolist())) < 2:
        return np.zeros(len(labels))
    if model == "forest":
        fitted = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=seed).fit(features[rows], labels[rows])
        p = np.clip(fitted.predict_proba(features)[:, 1], 1e-3, 1 - 1e-3)
        return np.log(p / (1 - p))
    if model == "svm":
        fitted = LinearSVC(C=c, class_weight="balanced", random_state=seed, max_iter=2000)
    else:
        fitted = LogisticRegression(C=c, max_iter=2000)
    return fitted.fit(features[rows], labels[rows]).decision_function(features)


def setfit_vectors(texts, labels, train, encoder, seed=42, iterations=5, tokens=None, most=SETFIT_LABELS):
    """Returns unit vectors of texts (n, H) by a sentence encoder that SetFit trained on pairs of the texts of `train`.

    Args:
        iterations (`int`): pairs of each kind a text. tokens (`int`, *optional*): of a text that are read.
        most (`int`): labels that pairs are made of, drawn at random where there are more.

    Raises:
        ValueError: SetFit is not installed, or no encoder is named.
    """
    if importlib.util.find_spec("setfit") is None:
        raise ValueError("Expected setfit for the baseline setfit, it is not installed. Install it, or leave it out.")
    if encoder is None:
        raise ValueError("Expected a sentence-transformers model for the baseline setfit, got none. Name --encoder.")
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    from traceformers.training.model_files import model_folder

    random = np.random.default_rng(seed)
    chosen = train if len(train) <= most else np.sort(random.choice(train, most, replace=False))
    model = SetFitModel.from_pretrained(str(model_folder(encoder)))
    if tokens is not None:
        model.model_body.max_seq_length = tokens
    rows = Dataset.from_dict({"text": [texts[i] for i in chosen], "label": [int(labels[i]) for i in chosen]})
    arguments = TrainingArguments(
        batch_size=16, num_epochs=1, num_iterations=iterations, seed=seed, save_strategy="no", report_to="none"
    )
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    return model.model_body.encode(texts, show_progress_bar=False, normalize_embeddings=True).astype(np.float64)
