"""Cards of a made-up distillation: whose figures go into the model-index, and whose into the table."""

import json

import pytest
from huggingface_hub import ModelCard
from made_up_runs import report_with, system, write_ngram_run

from traceformers.model_cards.ngram_card import write_ngram_card


@pytest.fixture
def run_dir(tmp_path):
    """The output folder of run_distillation.py with made-up figures."""
    write_ngram_run(tmp_path / "student")
    return tmp_path / "student"


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
