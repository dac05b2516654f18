"""The quickstart, made smaller still: every step of it runs, and what it leaves works as its card says."""

import json
import re

import pytest
from assertions import assert_hub_folder_is_self_contained
from tiny_rrweb import click, element, page

from traceformers.apps.sessions.quickstart import run_quickstart

SMALLER = (
    "--max_steps 4 --eval_steps 2 --save_steps 2 --logging_steps 2 --samples_per_epoch 16 --max_length 64 "
    "--per_device_train_batch_size 4 --num_hidden_layers 1 --hidden_size 16"
).split()


def write_recordings(folder, number):
    """Writes `number` different recordings of eight sites' page with five buttons into `folder`."""
    names = ["Pay now", "Back to the shop", "Remove", "Help", "Add another one"]
    for n in range(number):
        buttons = [element(10 + i, "button", names[(n + i) % 5]) for i in range(5)]
        clicks = [click(10 + (n * k) % 5, time=700 * k) for k in range(1, 4 + n % 3)]
        shown = page(element(5, "p", f"Order {n} of today"), *buttons, href=f"https://shop{n % 8}.example/cart")
        events = [*shown, *clicks]
        (folder / f"{n}.json").write_text(json.dumps(events))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(output folder, lines printed) of a quickstart on invented recordings."""
    recordings, output_dir = tmp_path_factory.mktemp("recordings"), tmp_path_factory.mktemp("quickstart")
    write_recordings(recordings, 30)
    return output_dir, list(run_quickstart(output_dir, seed=3, recordings=recordings, overrides=SMALLER))


def test_it_prints_each_command_and_a_table_with_baselines(finished):
    _, lines = finished
    commands = [line for line in "\n".join(lines).splitlines() if line.startswith("$ ")]
    scripts = [re.search(r"(\w+)\.py", command).group(1) for command in commands]
    assert scripts == [
        "train_rrweb_tokenizer", "prepare_rrweb_sessions", "run_mlm", "write_model_card", "explore_sessions",
    ]  # fmt: skip
    assert commands[2].startswith("$ accelerate launch ")
    assert any(re.match(r"all +\d+ +[\d.]+% +[\d.]+ +[\d.]+ +[\d.]+$", line) for line in lines)


def test_it_leaves_figures_and_a_folder_that_can_be_pushed(finished):
    output_dir, _ = finished
    metrics = json.loads((output_dir / "run" / "metrics.json").read_text())
    assert metrics["seed"] == 3
    assert metrics["test"]["tokens"] > 0
    assert_hub_folder_is_self_contained(output_dir / "run" / "model")
    for picture in ("loss.png", "session_map.png"):
        assert (output_dir / picture).read_bytes().startswith(b"\x89PNG")


def test_the_code_in_its_card_runs(finished, capsys):
    output_dir, _ = finished
    card = (output_dir / "run" / "model" / "README.md").read_text()
    names = {}
    for code in re.findall(r"```python\n(.*?)```", card, re.DOTALL):
        exec(code, names)
    assert names["vectors"].shape[-1] == 16
    assert names["embeddings"].shape == (2, 16)
    assert "shop.example/cart" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no-recordings"):
        list(run_quickstart(tmp_path, recordings=tmp_path / "no-recordings"))
