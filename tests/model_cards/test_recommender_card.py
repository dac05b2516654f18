"""Cards of runs that never were, with models that are: every figure out of metrics.json, and code that runs."""

import json
import re
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard
from made_up_runs import write_recommender_run as write_run
from tiny_recommender import KINDS, metadata_settings, tiny_recommender

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.recommender_card import duration, figure_rows, write_recommender_card


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_card_with_the_figures_of_its_run(kind, tmp_path):
    metrics = write_run(tmp_path, kind)
    card = ModelCard.load(write_recommender_card(tmp_path))
    indexed = {one.metric_type: one.metric_value for one in card.data.eval_results}
    assert indexed == {name: metrics["test"][name] for name in ("hr@10", "ndcg@10", "mrr@10")}
    for name in ("hr", "ndcg", "mrr", "recall"):
        cells = [
            f"{metrics['test'][f'{name}@{k}']:.4f} ± {metrics['test']['errors'][f'{name}@{k}']:.4f}"
            for k in (5, 10, 20)
        ]
        assert f"| {name} | {' | '.join(cells)} |" in card.text
    assert "| items of the history | 10-19 | 1 |" in card.text
    assert "under 10, 4 to 4 | 3 |" in card.text
    assert card.data.license == "apache-2.0" and kind in card.data.tags
    for word in ("More Information", "None", "TODO", "secret/place", "Undefined"):
        assert word not in card.text
    assert not re.search(r"\n\n\n", card.text.split("## How to use")[1])


@pytest.mark.parametrize("kind", ["bert4rec", "ease"])
def test_the_code_on_the_card_runs_without_this_package(kind, tmp_path):
    write_run(tmp_path, kind)
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    script = "import sys; sys.modules['traceformers'] = None\n" + code
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    items, titles = ran.stdout.splitlines()
    expected = tiny_recommender(kind).recommend([["1193", "661"]]).items[0]
    assert items.startswith(str(expected))
    assert titles.startswith("['Title of ")


@pytest.mark.parametrize("output_embedding", ["item", "fused"])
def test_new_items_are_promised_only_of_models_whose_metadata_scores_them(output_embedding, tmp_path):
    write_run(tmp_path, "bert4rec", **metadata_settings() | {"output_embedding": output_embedding})
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert ("new ones by their metadata" in text) == (output_embedding == "fused")


def test_the_licence_of_the_data_decides_that_of_the_weights(tmp_path):
    write_run(tmp_path, "popularity", licence=None)
    card = ModelCard.load(write_recommender_card(tmp_path))
    assert card.data.license == "other"
    assert "none was told. Treat the data, and this model, as not to be passed on" in card.text
    (tmp_path / "about.yaml").write_text(
        "licence: CC0-1.0\npeople: Friends who were asked.\nsource: From a film club.\n"
    )
    card = ModelCard.load(write_recommender_card(tmp_path, about_data=tmp_path / "about.yaml"))
    assert card.data.license == "apache-2.0"
    assert "Friends who were asked." in card.text and "From a film club." in card.text


def test_what_a_run_may_leave_out_is_no_error(tmp_path):
    metrics = write_run(tmp_path, "popularity")
    del metrics["data"]["licence"], metrics["test"]["errors"], metrics["test"]["slices"], metrics["train"]["steps"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    (tmp_path / "about.yaml").write_text("source: From a film club.\n")
    text = write_recommender_card(tmp_path, about_data=tmp_path / "about.yaml").read_text(encoding="utf-8")
    assert "none was told" in text and "by slices" not in text
    assert f"| hr | {metrics['test']['hr@5']:.4f} |" in text


def test_the_card_names_the_repository_it_is_pushed_to(tmp_path):
    write_run(tmp_path, "popularity")
    text = write_recommender_card(tmp_path, repo_id="user/films", revision="v7").read_text(encoding="utf-8")
    assert 'name, revision = "user/films", "v7"' in text and "# films\n" in text


def test_gates_of_the_last_evaluation_are_told(tmp_path):
    write_run(tmp_path, "bert4rec", **metadata_settings())
    history = [
        {"val_gate/item": 0.5, "val_gate/title": 0.5},
        {"loss": 1},
        {"val_gate/item": 0.25, "val_gate/title": 0.75},
    ]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": history}))
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert "title 0.75, item 0.25." in text
    assert "new ones by their metadata after `model.add_items`" in text


def test_what_a_model_reads_besides_ids_is_told(tmp_path):
    write_run(tmp_path, "bert4rec")
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert "from nothing but the ids of what was chosen" in text and "metadata_features" not in text
    write_run(tmp_path, "bert4rec", **metadata_settings("add", ("genre", "writer")))
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert "what is known of the items (genre, writer)" in text and "nothing but the ids" not in text
    assert "| `metadata_features` | ['genre', 'writer'] |" in text


@pytest.mark.parametrize(
    ("chosen", "words"),
    [([0, 1], "`method` scores. Its NDCG@10 is +0.0200 ± 0.0100 against"), ([1], "Validation chose one member alone")],
)
def test_the_members_of_an_ensemble_are_told(tmp_path, chosen, words):
    metrics = write_run(tmp_path, "ensemble_recommender")
    metrics["ensemble"] = {
        "members": ["ease of a", "sasrec of b", "multivae of c"],
        "validation_ndcg@10_of_members": {"ease of a": 0.25, "sasrec of b": 0.375, "multivae of c": 0.125},
        "chosen": {"members": chosen, "settings": {"method": "scores"}, "ndcg": 0.4},
        "validation_gain_over_best_member": 0.02,
        "standard_error": 0.01,
    }
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert words in text
    assert f"| ease of a | {'yes' if 0 in chosen else 'no'} | 0.2500 |" in text
    assert "| sasrec of b | yes | 0.3750 |" in text and "| multivae of c | no | 0.1250 |" in text


def test_a_length_of_time_has_the_unit_that_suits_it(tmp_path):
    assert [duration(seconds) for seconds in (3.2, 90, 9000)] == ["3.2 seconds", "1.5 minutes", "2.5 hours"]
    write_run(tmp_path, "popularity")
    assert "12 steps in 1.5 minutes on 1 x" in write_recommender_card(tmp_path).read_text(encoding="utf-8")


def test_how_much_of_a_history_is_read_is_said_as_the_model_has_it(tmp_path):
    write_run(tmp_path, "sasrec")
    assert "The newest 6 items" in write_recommender_card(tmp_path).read_text(encoding="utf-8")
    write_run(tmp_path, "multivae")
    assert "as a set: its order does not matter" in write_recommender_card(tmp_path).read_text(encoding="utf-8")


def test_settings_of_steps_are_told_of_models_that_take_steps(tmp_path):
    metrics = write_run(tmp_path, "popularity")
    assert "| `learning_rate` | `0.004` |" in write_recommender_card(tmp_path).read_text(encoding="utf-8")
    del metrics["train"]["steps"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    text = write_recommender_card(tmp_path).read_text(encoding="utf-8")
    assert "learning_rate" not in text and "| `seed` | `3` |" in text


def test_a_missing_figure_is_a_dash_not_a_number():
    table = figure_rows({"hr@5": 0.5, "hr@10": 0.6, "coverage@5": 0.1})
    assert table["rows"][1] == {"name": "coverage", "cells": [(0.1, None), None]}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("metrics.json", lambda metrics: metrics.pop("command"), "command"),
        ("metrics.json", lambda metrics: [metrics.pop(split) for split in ("test", "eval")], "'test' or 'eval'"),
        ("model/config.json", lambda config: config.update(model_type="bert"), "the card is of recommenders"),
    ],
)
def test_what_a_run_did_not_leave_is_named(tmp_path, name, change, message):
    write_run(tmp_path, "popularity")
    content = json.loads((tmp_path / name).read_text())
    change(content)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(MissingFactError, match=message):
        write_recommender_card(tmp_path)


def test_a_folder_without_a_run_is_an_error(tmp_path):
    with pytest.raises(MissingFactError, match=r"metrics\.json"):
        write_recommender_card(tmp_path)
