"""The Space of the productive feed as it runs: its logic by itself, and the page where gradio can be imported."""

import importlib.util
import os
import subprocess
import sys

import pytest
import yaml
from tiny_feed_model import tiny_feed_model

GRADIO = os.environ.get("TRACEFORMERS_GRADIO", "")
HAS_GRADIO = bool(GRADIO) or importlib.util.find_spec("gradio") is not None
TITLES = "red cat | search street\n\nblue house\nwater bank | new york"
ACTIVITY = "Work > Programming | code | water\nGames | cat"


@pytest.fixture(scope="module")
def space(repository_root):
    return repository_root / "spaces" / "productive_feed"


@pytest.fixture(scope="module")
def title_scores(space):
    spec = importlib.util.spec_from_file_location("title_scores", space / "title_scores.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model():
    return tiny_feed_model("bert")


def test_the_space_needs_the_models_repository_and_nothing_of_this_package(space, model, title_scores, tmp_path):
    model.save_pretrained(tmp_path / "model")
    script = (
        "import sys; sys.modules['traceformers'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from title_scores import load, scored_rows\n"
        "print(scored_rows(load(sys.argv[2]), sys.argv[3], sys.argv[4], 10, 0))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, space, tmp_path / "model", TITLES, ACTIVITY],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == str(title_scores.scored_rows(model, TITLES, ACTIVITY, 10, 0))


def test_rows_are_the_models_probabilities_most_productive_first(title_scores, model):
    import torch

    rows = title_scores.scored_rows(model, TITLES, ACTIVITY, 10, 0)
    assert [row[0] for row in rows] == [1, 2, 3] and {row[1] for row in rows} == {"red cat", "blue house", "water bank"}
    shares = [int(row[2].rstrip("%")) for row in rows]
    assert shares == sorted(shares, reverse=True)
    events = title_scores.event_inputs(model, title_scores.activity_of(ACTIVITY))
    numbers = title_scores.number_row(model.config.number_names, 10, 0)
    with torch.no_grad():
        logits = model(text_vectors=model.encode_text(["blue house"]), numbers=numbers, **events).logits
    interest, productive = model.probabilities(logits)[0].tolist()
    (row,) = [row for row in rows if row[1] == "blue house"]
    assert row[2:4] == [f"{productive:.0%}", f"{interest:.0%}"]
    assert all(row[4] in ("", *ACTIVITY.splitlines()) for row in rows)


def test_without_activity_there_are_rows_without_reasons(title_scores, model):
    assert {row[4] for row in title_scores.scored_rows(model, TITLES)} == {""}
    assert {
        row[4] for row in title_scores.scored_rows(tiny_feed_model("ngram", use_activity=False), TITLES, ACTIVITY)
    } == {""}


def test_lines_are_titles_and_activity_and_too_many_or_none_are_refused(title_scores):
    assert title_scores.titles_of(TITLES)[:2] == [("red cat", "search street"), ("blue house", "")]
    first, second = title_scores.activity_of(ACTIVITY)
    assert (first["category"], first["minutes_ago"], second["minutes_ago"]) == ("Work > Programming", 0.0, 10.0)
    for text in ("", " \n", "x\n" * 201):
        with pytest.raises(ValueError, match="titles, one a line"):
            title_scores.titles_of(text)


def test_the_numbers_are_those_that_training_makes(title_scores):
    import numpy as np

    from traceformers.datasets_scripts.feed.feed_records import Video
    from traceformers.training.productive_feed.feed_features import number_rows

    names = ["duration", "hour_sin", "hour_cos", "weekday_sin", "weekday_cos", "age_days"]
    monday_at_ten = 1_700_474_400_000  # 2023-11-20, 10:00 UTC
    video = Video("v", published_at=monday_at_ten)
    expected = number_rows([video], [monday_at_ten], "UTC", names)
    np.testing.assert_allclose(title_scores.number_row(names, 10, 0).numpy(), expected, atol=1e-6)


def test_the_front_matter_names_files_and_versions_that_are_there(space):
    front = yaml.safe_load((space / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and (space / front["app_file"]).is_file()
    assert f"gradio=={front['sdk_version']}" in (space / "README.md").read_text(encoding="utf-8")
    assert len(front["short_description"]) <= 60  # the Hub refuses more


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GRADIO, reason="install gradio, or set TRACEFORMERS_GRADIO")
def test_the_page_is_built_and_answers(space, model, tmp_path):
    model.save_pretrained(tmp_path / "model")
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from feed_app import build\nfrom title_scores import load\n"
        "page = build(load(sys.argv[1]))\n"
        "block = next(f for f in page.fns.values() if f.api_name == 'score')\n"
        "print(block.fn(sys.argv[2], sys.argv[3], 10, 'Monday')[0][0])"
    )
    environment = os.environ | {"PYTHONPATH": GRADIO, "GRADIO_ANALYTICS_ENABLED": "False"}
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "model", TITLES, ACTIVITY],
        cwd=space, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0 and ran.stdout.strip() == "1", ran.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GRADIO, reason="install gradio, or set TRACEFORMERS_GRADIO")
def test_without_a_model_the_space_says_what_to_set(space):
    environment = {name: value for name, value in os.environ.items() if name != "FEED_MODEL"}
    environment |= {"PYTHONPATH": GRADIO, "GRADIO_ANALYTICS_ENABLED": "False"}
    ran = subprocess.run([sys.executable, "feed_app.py"], cwd=space, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stderr.splitlines()[-1].startswith("Expected FEED_MODEL")
