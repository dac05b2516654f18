import csv
import json

import numpy as np
import pytest
from tiny_recommender import ITEMS, tiny_recommender

from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.run_scripts.evaluate_recommender import main
from traceformers.tokenization.item.tokenization_item import ItemTokenizer
from traceformers.training.recommenders.histories import from_interactions

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def clicks(tmp_path_factory):
    """A CSV file of 30 users with 4 to 8 items each; the first items are the popular ones."""
    draw, path = np.random.default_rng(0), tmp_path_factory.mktemp("data") / "clicks.csv"
    weights = np.arange(len(ITEMS), 0, -1.0)
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("user", "item", "time"))
        for user in range(30):
            items = draw.choice(len(ITEMS), draw.integers(4, 9), replace=False, p=weights / weights.sum())
            rows.writerows((f"u{user}", ITEMS[item], 1_000_000_000 + 60 * place) for place, item in enumerate(items))
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory, clicks):
    folder = tmp_path_factory.mktemp("models")
    for seed in SEEDS:
        tiny_recommender("sasrec", seed).save_pretrained(folder / f"sasrec-{seed}")
    tiny_recommender("ease").save_pretrained(folder / "ease")
    histories, tokenizer = from_interactions(read_interactions(clicks))
    popular = PopularityModel.fit(histories.items, histories.offsets, len(tokenizer))
    popular.item_tokenizer = tokenizer
    popular.save_pretrained(folder / "popular")
    return folder


@pytest.fixture(scope="module")
def compared(models, clicks, tmp_path_factory):
    output = tmp_path_factory.mktemp("output")
    words = [f"sasrec={models}/sasrec-{{seed}}", f"ease={models}/ease", f"popular={models}/popular"]
    arguments = [word for model in words for word in ("--model", model)]
    arguments += [word for seed in SEEDS for word in ("--seed", str(seed))]
    comparison = main([*arguments, "--data", str(clicks), "--output-dir", str(output), "--k", "3", "--k", "10"])
    return comparison, output


def test_the_figures_of_popularity_are_those_of_counting_by_hand(compared, clicks):
    """Targets are the last items; candidates are in order of popularity, then of first appearance in the file."""
    with open(clicks, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    items = list(dict.fromkeys(row["item"] for row in rows))
    counts = {item: sum(row["item"] == item for row in rows) for item in items}
    order = sorted(items, key=lambda item: (-counts[item], items.index(item)))
    hits = []
    for user in dict.fromkeys(row["user"] for row in rows):
        *seen, target = [row["item"] for row in rows if row["user"] == user]
        hits.append(target in [item for item in order if item not in seen][:3])
    popular = next(one for one in compared[0]["systems"] if one["name"] == "popular")
    assert popular["figures"]["hr@3"] == pytest.approx(np.mean(hits))


def test_seeds_of_one_name_are_one_system(compared):
    systems = {one["name"]: one for one in compared[0]["systems"]}
    assert {name: one["seeds"] for name, one in systems.items()} == {"sasrec": 3, "ease": 1, "popular": 1}
    assert systems["sasrec"]["seed_deviations"]["ndcg@10"] > 0
    assert not systems["ease"]["seed_deviations"]


def test_each_system_is_compared_with_the_best_over_its_seeds(compared):
    comparison, _ = compared
    best = max(comparison["systems"], key=lambda one: one["figures"]["ndcg@10"])
    assert comparison["reference"] == best["name"] and best["versus"] is None
    for one in comparison["systems"]:
        if one is not best:
            difference = one["figures"]["ndcg@10"] - best["figures"]["ndcg@10"]
            assert one["versus"]["difference"] == pytest.approx(difference)
            # Two models in closed form, or one and three seeds of the other: there is a verdict either way.
            assert one["versus"]["significant"] in (True, False)


def test_slices_by_history_and_by_cold_items_are_reported(compared):
    comparison, _ = compared
    for one in comparison["systems"]:
        assert sum(part["users"] for part in one["slices"]["history_length"].values()) == comparison["users"] == 30
        assert "under 10" in one["slices"]["target_popularity"]


def test_a_table_a_picture_and_the_figures_are_written(compared):
    comparison, output = compared
    assert (output / "recommender_comparison.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((output / "recommender_comparison.json").read_text())
    assert written["systems"] == json.loads(json.dumps(comparison["systems"]))
    text = (output / "recommender_comparison.md").read_text()
    for word in ("| sasrec | 3 |", "error over seeds", "By length of the history", "under 10"):
        assert word in text


def test_a_target_that_a_model_does_not_know_is_a_miss(clicks, tmp_path):
    small = PopularityModel.fit([3, 3, 4], [0, 2, 3], 5)
    small.item_tokenizer = ItemTokenizer(items=ITEMS[:2])
    small.save_pretrained(tmp_path / "small")
    comparison = main(["--model", str(tmp_path / "small"), "--data", str(clicks), "--output-dir", str(tmp_path)])
    assert comparison["users"] == 30
    assert 0 < comparison["systems"][0]["figures"]["hr@10"] < 0.5  # at most two of twelve items can be found


def test_a_split_by_time_is_that_of_the_training(models, clicks, tmp_path):
    data = ("--data", str(clicks), "--output-dir", str(tmp_path), "--protocol", "time")
    times = ("--validation-time", "2001-09-09T01:48:40Z", "--test-time", "1000000180")
    about = main(["--model", f"{models}/ease", *data, *times])["data"]
    assert (about["validation_time"], about["test_time"]) == (1000000120, 1000000180)


def test_rows_without_a_time_are_left_out_if_asked_for(models, clicks, tmp_path):
    data = ("--data", str(tmp_path / "clicks.csv"), "--output-dir", str(tmp_path))
    (tmp_path / "clicks.csv").write_text(clicks.read_text(encoding="utf-8") + f"u0,{ITEMS[0]},\n", encoding="utf-8")
    with pytest.raises(ValueError, match="--missing-times"):
        main(["--model", f"{models}/ease", *data])
    comparison = main(["--model", f"{models}/ease", *data, "--missing-times", "drop"])
    assert comparison["data"]["dropped"] == {"no time": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "a=x-{seed}"), "Expected --seed"),
        (("--model", "a=x", "--model", "a=y"), "different names"),
        (("--model", "MODELS/ease", "--figure", "ndcg@7"), "'ndcg@7' among the figures"),
        (("--model", "MODELS/ease", "--reference", "none"), "a reference out of"),
    ],
)
def test_what_cannot_be_compared_is_an_error(models, clicks, tmp_path, arguments, message):
    arguments = [word.replace("MODELS", str(models)) for word in arguments]
    with pytest.raises(ValueError, match=message):
        main([*arguments, "--data", str(clicks), "--output-dir", str(tmp_path)])


def test_help_shows_a_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    printed = capsys.readouterr().out
    assert caught.value.code == 0 and "python run_scripts/evaluate_recommender.py" in printed
    assert " \\\n        --" in printed  # what can be pasted
