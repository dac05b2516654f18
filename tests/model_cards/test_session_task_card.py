"""Cards of runs that never were: every figure out of metrics.json, and what is not known is said to be."""

import json
import re
import subprocess
import sys

import pytest
from huggingface_hub import ModelCard
from tiny_labelled_sessions import write_encoder

from traceformers.model_cards.card import MissingFactError
from traceformers.model_cards.session_task_card import write_session_task_card
from traceformers.modeling.rrweb_bert.modeling_rrweb_next_action import ACTION_KINDS

ROW = {"n": 24, "macro_f1": 0.612, "macro_f1_spread": 0.021, "accuracy": 0.7, "accuracy_spread": 0.0}
ROW |= {"auroc": 0.81, "auroc_spread": 0.01}
PART = {"n": 9, "accuracy": 0.51, "top3": 0.9, "macro_f1": 0.43, "log_loss": 1.2, "classes": 2}
COMMON = {
    "encoder": "user/encoder",
    "seed": 3,
    "command": "python run_scripts/x.py",
    "git_commit": "0123abc",
    "max_length": 96,
}
TRAIN = {"steps": 1200, "seconds": 90.0, "hardware": "1 x Imaginary 9000", "validation_groups": ["c.test"]}
CLASSIFICATION = COMMON | {
    "task": "session classification",
    "label": "mood",
    "classes": ["calm", "cross"],
    "test": ROW | {"by_class": {"calm": {"n": 20, "f1": 0.7, "precision": 0.8, "recall": 0.6}}},
    "compared": {"counters": ROW | {"macro_f1": 0.55}, "RRWebBERT, fine-tuned": ROW},
    "train": TRAIN,
    "data": {
        "name": "made-up",
        "sessions": 24,
        "group_column": "site",
        "groups": 4,
        "classes": {"calm": {"sessions": 20, "groups": 4}},
    },
    "adapter": {"r": 8, "alpha": 16, "dropout": 0.0},
    "windows": "actions",
    "seeds": [3, 4],
}
BOTH = {"kind": PART, "target": PART | {"accuracy": 0.31}, "both": {"n": 9, "accuracy": 0.2}}
NEXT_ACTION = COMMON | {
    "task": "next action",
    "test": BOTH | {"compared": {"bigram": BOTH, "RRWebBERT": BOTH}},
    "train": TRAIN,
    "data": {"name": "made-up", "split_by": "site", "splits": {"train": {"sessions": 1000, "actions": 20000}}},
    "kinds": ["click", "type"],
    "targets": ["other", "button"],
}


def write_run(folder, metrics):
    write_encoder(folder / "model")
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.yaml").write_text(json.dumps({"seed": 3, "learning_rate": 0.004, "output_dir": "secret/place"}))


@pytest.mark.parametrize("metrics", [CLASSIFICATION, NEXT_ACTION], ids=lambda metrics: metrics["task"])
def test_a_card_has_the_figures_of_its_run(metrics, tmp_path):
    write_run(tmp_path, metrics)
    card = ModelCard.load(write_session_task_card(tmp_path, repo_id="user/model"))
    indexed = {one.metric_type: one.metric_value for one in card.data.eval_results}
    if metrics is CLASSIFICATION:
        assert indexed == {"macro_f1": 0.612, "accuracy": 0.7}
        assert "| counters | 0.550 ± 0.021 | 0.700 ± 0.000 | 0.810 ± 0.010 |" in card.text
        assert "| calm | 20 | 0.700 | 0.800 | 0.600 |" in card.text and "rank 8" in card.text
        assert "with c.test to choose the checkpoint" in card.text
    else:
        assert indexed["kind_accuracy"] == 0.51 and indexed["target_accuracy"] == 0.31
        assert "| bigram | 0.510 | 0.900 | 0.430 | 0.310 | 0.900 | 0.430 |" in card.text
        assert "| train | 1,000 | 20,000 |" in card.text and "Kinds: click, type." in card.text
    assert "not told by the run" in card.text
    for word in ("More Information", "None", "secret/place", "Undefined"):
        assert word not in card.text
    assert not re.search(r"\n\n\n\n", card.text)


def test_what_the_owner_of_the_data_tells_is_on_the_card(tmp_path):
    write_run(tmp_path, CLASSIFICATION)
    about = tmp_path / "about.yaml"
    about.write_text("name: mine\nsource: my own site\npeople: my friends\nlicence: mine alone\n")
    card = ModelCard.load(write_session_task_card(tmp_path, about_data=about))
    assert "my friends" in card.text and "not told by the run" not in card.text
    assert {one.dataset_name for one in card.data.eval_results} == {"mine"}


def test_a_card_without_its_facts_names_what_is_missing(tmp_path):
    write_run(tmp_path, {key: value for key, value in NEXT_ACTION.items() if key != "kinds"})
    with pytest.raises(MissingFactError, match="'kinds'"):
        write_session_task_card(tmp_path)
    write_run(tmp_path, NEXT_ACTION | {"task": "singing"})
    with pytest.raises(MissingFactError, match="'singing'"):
        write_session_task_card(tmp_path)


@pytest.mark.parametrize("metrics", [CLASSIFICATION, NEXT_ACTION], ids=lambda metrics: metrics["task"])
def test_the_code_on_the_card_runs_without_this_package(metrics, tmp_path):
    write_run(tmp_path, metrics)
    text = write_session_task_card(tmp_path).read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.S)
    script = "import sys; sys.modules['traceformers'] = None\n" + code
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = ["LABEL_0"] if metrics is CLASSIFICATION else ACTION_KINDS
    assert any(answer in ran.stdout for answer in told), ran.stdout
