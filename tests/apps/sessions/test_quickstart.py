"""The quickstart, made smaller still: every step of it runs, and what it leaves works as its card says."""

import json
import re

import pytest
from assertions import assert_hub_folder_is_self_contained
from tiny_rrweb import click, element, page
from transformers import AutoModel, AutoTokenizer

from traceformers.apps.sessions.quickstart import ABOUT_SAMPLES, CONFIG, run_quickstart
from traceformers.run_scripts import run_mlm

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


def test_a_pushed_run_is_private_with_its_card_and_without_a_pickle(finished, hub, tmp_path):
    output_dir, _ = finished
    command = [str(CONFIG), "--data_dir", str(output_dir / "sessions"), "--output_dir", str(tmp_path / "run"), *SMALLER]
    pushed = ["--push_to_hub", "--hub_model_id", "user/pushed-run", "--about_data", str(ABOUT_SAMPLES)]
    run_mlm.main([*command, *pushed])
    files = set(hub.files("user/pushed-run"))
    assert {"README.md", "model.safetensors", "text_bpe.json", "modules.json", "modeling_rrweb_bert.py"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", "run.yaml"))]
    assert hub.repositories["model", "user/pushed-run"].private
    card = hub.files("user/pushed-run")["README.md"].decode()
    tag = re.search(r'name, revision = "user/pushed-run", "(.*)"', card)[1]
    assert AutoModel.from_pretrained("user/pushed-run", revision=tag, trust_remote_code=True).config.hidden_size == 16
    with pytest.raises(ValueError, match=r"about_data\.yaml"):
        run_mlm.main([*command, "--push_to_hub"])


def test_windows_are_as_long_as_the_model_reads_without_being_told(finished):
    model_dir = finished[0] / "run" / "model"
    tokenizer = AutoTokenizer.from_pretrained(model_dir, trust_remote_code=True)
    model = AutoModel.from_pretrained(model_dir, trust_remote_code=True)
    assert tokenizer.model_max_length == model.config.max_position_embeddings == 64
    session = [*page(element(5, "button", "Pay")), *(click(5, time=100 * i) for i in range(1, 30))]
    rows = tokenizer.windows(session, padding=True, return_tensors="pt")
    assert rows["input_ids"].shape[0] > 1
    assert model(**rows).last_hidden_state.shape[:2] == rows["input_ids"].shape
    assert tokenizer(events=session, truncation=True, return_tensors="pt")["input_ids"].shape == (1, 64)


def test_the_code_in_the_readme_runs(finished, repository_root, monkeypatch, capsys):
    monkeypatch.chdir(repository_root)
    code = re.search(r"```python\n(.*?)```", (repository_root / "README.md").read_text(), re.DOTALL)[1]
    names = {}
    model_dir = str(finished[0] / "run" / "model")
    exec(code.replace("runs/quickstart/run/model", model_dir).replace("max_length=256", "max_length=64"), names)
    assert names["logits"].shape[:2] == names["rows"]["input_ids"].shape
    assert names["vector"].shape == (16,)
    assert "page" in capsys.readouterr().out
