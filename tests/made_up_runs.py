"""Folders of runs that never were, with made-up figures, and their cards: one of each family.

RUNS["rrweb"](folder)     writes a run and its card for user/made-up, returns (folder, path of the card)
again(folder)             writes the card of such a folder anew
"""

import json
import math

import numpy as np
from safetensors.numpy import save_file
from tiny_feed_model import tiny_feed_model
from tiny_recommender import tiny_recommender

from traceformers.model_cards.card import write_card
from traceformers.model_cards.ngram_card import write_ngram_card
from traceformers.model_cards.productive_feed_card import write_feed_card
from traceformers.model_cards.recommender_card import write_recommender_card
from traceformers.training.evaluation.ranking_report import ranking_report
from traceformers.training.productive_feed.feed_evaluation import feed_figures
from traceformers.training.productive_feed.label_needs import advice


def figures(tokens, bits):
    loss = bits * math.log(2)
    return {
        "tokens": tokens,
        "loss": loss,
        "bits_per_token": bits,
        "top1": 0.25,
        "perplexity": math.exp(loss),
    }


def baseline(bits):
    return {
        "bits_per_token": bits,
        "classes": {name: {"bits_per_token": bits} for name in ("event", "text", "gap")},
    }


def write_rrweb_run(folder):
    """Writes the output folder of run_mlm.py with made-up figures."""
    evaluation = {
        **figures(300, 2.5),
        "classes": {
            "event": figures(100, 1.5),
            "text": figures(200, 3.0),
            "gap": dict.fromkeys(figures(0, 1)) | {"tokens": 0},
        },
        "baselines": {"unigram": baseline(7.25), "bidirectional": baseline(4.125)},
    }
    data_dir = folder / "data"
    files = {
        "metrics.json": {
            "eval": {**evaluation, "tokens": 7},
            "test": evaluation,
            "train": {
                "seconds": 5400.0,
                "tokens": 1234567,
                "resumed_from": None,
                "ranks": 2,
                "hardware": "1 x Imaginary 9000",
            },
            "seed": 17,
            "command": "python run_scripts/run_mlm.py run_scripts/configs/made_up.yaml",
            "git_commit": "0123abc",
        },
        "trainer_state.json": {"global_step": 1234, "epoch": 2.0},
        "run.yaml": {"data_dir": str(data_dir), "learning_rate": 0.0005, "mask_probability": 0.3},
        "model/config.json": {
            "model_type": "rrweb_bert",
            "num_hidden_layers": 2,
            "hidden_size": 16,
            "num_attention_heads": 4,
            "intermediate_size": 32,
            "vocab_size": 600,
            "structural_vocab_size": 520,
            "max_position_embeddings": 128,
            "hidden_act": "gelu",
        },
        "data/dataset_info.json": {
            "splits": {"train": {"sessions": 1000, "events": 20000, "tokens": 300000}},
            "split_by": "site",
            "validation_share": 0.05,
            "test_share": 0.1,
            "files": 1234,
            "rejected": 3,
            "duplicates": [{"file": "a", "kept": "b"}],
            "keep_typed_text": False,
            "keep_personal_text": False,
        },
        "data/about_data.yaml": {
            "name": "made_up_sessions",
            "source": "A script that invents recordings.",
            "people": "None.",
            "licence": "CC0-1.0",
        },
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    weights = {"a.weight": np.zeros((600, 16), np.float32), "a.bias": np.zeros(5, np.float32)}
    save_file(weights, folder / "model" / "model.safetensors")


def system(name, mode, ndcg, label=None):
    row = {"ndcg@10": ndcg, "retention": ndcg / 0.8}
    label = label or (name if mode in ("teacher", "words") else f"{name}, {mode}")
    return {"system": name, "mode": mode, "label": label, "parts": {"test": {"moons": row, "mean": row}}}


def report_with(student):
    return {
        "sets": {"moons": {}},
        "systems": [
            system("user/teacher", "teacher", 0.8),
            system("bm25", "words", 0.5),
            system("model2vec:user/other", "symmetric", 0.4),
            system(student, "symmetric", 0.6),
            system(student, "asymmetric", 0.7),
            system(f"{student}, asymmetric + bm25", "hybrid", 0.75),
        ],
    }


def write_ngram_run(folder):
    """Writes the output folder of run_distillation.py with made-up figures."""
    config = {
        "model_type": "ngram_encoder",
        "vocab_size": 7,
        "hidden_size": 4,
        "embedding_size": 4,
        "pooling": "attention",
        "num_attention_heads": 1,
        "phi": "none",
        "rho": "none",
        "matryoshka_dims": [],
        "table_dtype": "float32",
        "similarity": "cosine",
        "documents": "student",
        "teacher_name": "user/teacher",
        "teacher_revision": None,
    }
    teacher = {"teacher": "user/teacher", "revision": None, "pooling": "mean", "dimension": 4, "similarity": "cosine"}
    teacher |= {"normalize": True, "max_length": 64, "compute_dtype": "float32", "weights_sha256": "beef"}
    train = {"seconds": 60.0, "texts": 90, "ids": 900, "steps": 12, "resumed_from": None, "ranks": 1, "loss": 0.1}
    train |= {"hardware": "1 x Imaginary 9000", "parameters": 28, "vocabulary": 7, "best_step": 12}
    metrics = {
        "eval": {"cosine": 0.875, "pair_spearman": 0.75},
        "train": train,
        "teacher": teacher,
        "heldout_texts": 40,
        "seed": 3,
        "command": "python run_scripts/run_distillation.py made_up.yaml",
        "git_commit": "0123abc",
        "max_length": 64,
        "row_shrinkage": None,
        "search": None,
    }
    settings = {"loss": None, "table_learning_rate": 0.004, "num_train_epochs": 4}
    for name, content in {"metrics.json": metrics, "run.yaml": settings, "model/config.json": config}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    save_file({"table": np.zeros((7, 4), np.float32)}, folder / "model" / "model.safetensors")


RECOMMENDER_SETTINGS = {"seed": 3, "learning_rate": 0.004, "output_dir": "secret/place"}


def split_of(ranks):
    """Returns what run_recommender.py writes of a split."""
    report = ranking_report(
        ranks, targets=[3] * len(ranks), item_counts=[0, 0, 0, 4, 7], history_lengths=[5, 12, 300][: len(ranks)]
    )
    return report.figures | {"users": report.users, "errors": report.errors, "slices": report.slices}


def write_recommender_run(folder, kind="sasrec", licence="CC-BY-4.0", **settings):
    """Writes the output folder of run_recommender.py with made-up figures; returns its metrics."""
    tiny_recommender(kind, **settings).save_pretrained(folder / "model")
    data = {"name": "made-up films", "licence": licence, "items": 12, "protocol": "A", "users": 3, "interactions": 50}
    metrics = {
        "eval": split_of([1, 1, 1]),
        "test": split_of([1, 2, 40]),
        "train": {"seconds": 90.0, "hardware": "1 x Imaginary 9000", "steps": 12},
        "data": data | {"train_interactions": 44},
        "model_type": kind,
        "seed": 3,
        "command": "python run_scripts/run_recommender.py made_up.yaml",
        "git_commit": "0123abc",
    }
    for name, content in {"metrics.json": metrics, "run.yaml": RECOMMENDER_SETTINGS}.items():
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    return metrics


LABELS = [[1, 0], [0, 1], [1, float("nan")], [0, 0]]
P = [[0.9, 0.3], [0.2, 0.6], [0.4, 0.5], [0.5, 0.1]]
COUNTS = {"interest": {"yes": 90, "no": 120}, "productive": {"yes": 20, "no": 31}}


def write_feed_run(folder, folds=None, why=None, **settings):
    """Writes the output folder of run_productive_feed.py with made-up figures; returns its metrics."""
    model = tiny_feed_model(**settings)
    model.text_tokenizer  # noqa: B018
    model.save_pretrained(folder / "model")
    figures = feed_figures(LABELS, P)
    split = {"train": 150, "validation": 20, "test": 40, "gap_hours": 6.0}
    metrics = {
        "eval": figures,
        "test": figures,
        "compared": [{"name": name, "validation": figures, "test": figures} for name in ("ours", "TF-IDF")],
        "chosen": {"model": "linear", "why": why},
        "folds": folds,
        "train": {"seconds": 90.0, "hardware": "1 x Imaginary 9000", "parameters": 4321, "trained_parameters": 21},
        "data": {
            "name": "feedback of one person",
            "feedback": 300,
            "videos": 210,
            "events": 12345,
            "examples": 210,
            "labels": COUNTS,
            "split": split,
            "advice": advice(COUNTS),
        },
        "encoder": "user/encoder",
        "seed": 3,
        "command": "python run_scripts/run_productive_feed.py made_up.yaml",
        "git_commit": "0123abc",
    }
    run = {"seed": 3, "learning_rate": 0.004, "output_dir": "secret/place", "data": "secret/feed"}
    for name, content in {"metrics.json": metrics, "run.yaml": run}.items():
        (folder / name).write_text(json.dumps(content))  # JSON is YAML
    return metrics


WRITERS = {
    "rrweb": (write_rrweb_run, write_card),
    "ngram": (write_ngram_run, write_ngram_card),
    "recommender": (write_recommender_run, write_recommender_card),
    "feed": (write_feed_run, write_feed_card),
}


def _family_run(family):
    def write(folder):
        folder = folder / family
        folder.mkdir()
        write_run, _ = WRITERS[family]
        write_run(folder)
        return folder, again(folder)

    return write


def again(folder):
    """Returns the path of the card of a folder that `RUNS` wrote, written anew."""
    options = {"repo_id": "user/made-up", "revision": "v1"}
    if folder.name == "ngram":
        report = folder / "retrieval_report.json"
        report.write_text(json.dumps(report_with("user/made-up")))
        options["report"] = report
    return WRITERS[folder.name][1](folder, **options)


RUNS = {family: _family_run(family) for family in WRITERS}
