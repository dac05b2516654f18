"""Cards of a made-up distillation: whose figures go into the model-index, and whose into the table."""

import json

import numpy as np
import pytest
from huggingface_hub import ModelCard
from safetensors.numpy import save_file

from traceformers.model_cards.ngram_card import write_ngram_card


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


@pytest.fixture
def run_dir(tmp_path):
    """The output folder of run_distillation.py with made-up figures."""
    folder = tmp_path / "student"
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
    return folder


def card_of(run_dir, report, **options):
    path = run_dir.parent / "retrieval_report.json"
    path.write_text(json.dumps(report))
    return ModelCard.load(write_ngram_card(run_dir, report=path, **options))


def indexed(card):
    """Returns {metric name: value} of retrieval in the model-index."""
    found = [one for one in card.data.eval_results if one.task_type == "text-retrieval"]
    assert {one.dataset_name for one in found} <= {"moons"}
    return {one.metric_name: one.metric_value for one in found}


OWN = {"nDCG@10, symmetric": 0.6, "nDCG@10, asymmetric": 0.7}


@pytest.mark.parametrize("prefix", ["", "runtime:"])
def test_the_model_index_is_of_this_model_and_the_table_of_all(run_dir, prefix):
    report = report_with(f"{prefix}{run_dir / 'model'}")
    card = card_of(run_dir, report)
    assert indexed(card) == OWN
    for one in report["systems"]:
        assert f"| {one['label']} |" in card.text
    agreement = {one.metric_name: one.metric_value for one in card.data.eval_results if one.dataset_name != "moons"}
    assert agreement == {"mean cosine": 0.875, "rank correlation of the similarities of random pairs": 0.75}


def test_the_model_is_known_by_its_name_on_the_hub_or_as_the_only_student(run_dir):
    two = report_with("user/student")
    two["systems"].append(system("user/rival", "asymmetric", 0.1))
    assert indexed(card_of(run_dir, two, repo_id="user/student")) == OWN
    assert indexed(card_of(run_dir, report_with("elsewhere/model"))) == OWN


def test_of_two_strange_students_none_goes_into_the_model_index(run_dir):
    two = report_with("elsewhere/model")
    two["systems"].append(system("user/rival", "asymmetric", 0.1))
    card = card_of(run_dir, two)
    assert indexed(card) == {} and "| user/rival, asymmetric |" in card.text


def test_a_model_that_names_no_teacher_is_not_said_to_load_one(run_dir):
    assert "which loads user/teacher" in card_of(run_dir, report_with("user/student")).text
    config = json.loads((run_dir / "model" / "config.json").read_text())
    (run_dir / "model" / "config.json").write_text(json.dumps(config | {"teacher_name": None}))
    text = card_of(run_dir, report_with("user/student")).text
    assert "which loads" not in text and "encode documents with the teacher below and queries with this model" in text
