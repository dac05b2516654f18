"""Cards of runs that never were, with models that are: every figure out of metrics.json, and code that runs."""

import json
import re
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard
from made_up_runs import LABELS, P
from made_up_runs import write_feed_run as write_run

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.productive_feed_card import write_feed_card
from traceformers.training.productive_feed.feed_evaluation import feed_figures


@pytest.mark.parametrize("settings", [{}, {"head": "linear"}, {"use_activity": False}], ids=str)
def test_a_card_has_the_figures_of_its_run(settings, tmp_path):
    metrics = write_run(tmp_path, **settings)
    card = ModelCard.load(write_feed_card(tmp_path))
    indexed = {(one.dataset_config, one.metric_type): one.metric_value for one in card.data.eval_results}
    for head in ("interest", "productive"):
        for name in ("average_precision", "brier", "f1"):
            assert indexed[head, name] == metrics["test"][head][name]
    cells = [f"{metrics['test'][head]['brier']:.3f}" for head in ("interest", "productive")]
    assert f"| Brier | {' | '.join(cells)} |" in card.text and "| labels | 4 | 3 |" in card.text
    assert "12,345 events" in card.text and "productive 20 yes 31 no" in card.text
    assert ("just\ndoing" in card.text) == settings.get("use_activity", True)
    assert "secret" not in card.text and "More Information" not in card.text and "0.004" in card.text
    assert card.data.library_name == "transformers" and card.data.license == "other"


def test_limits_say_what_is_short(tmp_path):
    write_run(tmp_path)
    text = write_feed_card(tmp_path).read_text()
    assert "Expected 100 labels of productive yes for good results, got 20. Label 80 more." in text


def test_folds_and_the_choice_are_told_where_there_are_any(tmp_path):
    fold = feed_figures(LABELS, P)
    write_run(tmp_path, folds=[fold, fold], why="Average precision on the newest labels: made up.")
    text = write_feed_card(tmp_path).read_text()
    precision = fold["interest"]["average_precision"]
    assert f"| interest | 2 | {precision:.3f} | {precision:.3f} | {precision:.3f} |" in text
    assert "Average precision on the newest labels: made up." in text


def test_what_a_run_did_not_leave_is_an_error_that_names_it(tmp_path):
    metrics = write_run(tmp_path)
    del metrics["encoder"]
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(MissingFactError, match=r"'encoder'.*metrics\.json"):
        write_feed_card(tmp_path)


def test_the_code_on_the_card_runs(tmp_path):
    write_run(tmp_path)
    text = write_feed_card(tmp_path).read_text()
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)[1]
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    assert re.match(r"tensor\(\[\[0\.\d+, 0\.\d+\]\]", run.stdout)


def test_what_the_owner_says_of_the_data_is_on_the_card(tmp_path):
    write_run(tmp_path)
    (tmp_path / "about.yaml").write_text("people: Only me.\nlicence: CC0-1.0\n")
    text = write_feed_card(tmp_path, about_data=tmp_path / "about.yaml").read_text()
    assert "Only me." in text and "**Licence of the data:** CC0-1.0" in text
