"""rrwebbench: one command gives a line a figure, baselines beside the encoder, and the privacy switch shows."""

import importlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from test_house import ROOT
from tiny_rrweb import click, element, moved, page, tiny_tokenizer, tokenizer_folder, typed

from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_bert import RRWebBertModel
from traceformers.modeling.rrweb_bert.sentence_rrweb_bert import save_sentence_transformer
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session

BEHAVIOURS = ("engaged", "frustrated", "bot")
SITES = ("a.test", "b.test", "c.test", "d.test")


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks" / "rrwebbench"))
        yield importlib.import_module("score_session_encoder")


def visit(number, behaviour, task, site):
    """A visit to a form or a list; who is frustrated clicks fast, a bot never pauses and has no pointer."""
    field = element(11, "input", type="text", placeholder="Name") if task == "form" else element(11, "li", "Milk")
    nodes = [element(10, "button", "Send"), field, element(12, "p", f"{site} {number}")]
    events, time = page(*nodes, href=f"https://{site}/{task}"), 100
    for step in range(3):
        time += 40 if behaviour == "bot" else 2000 + 100 * (number % 7)
        if behaviour != "bot":
            events.append(moved([(50, 60, 10), (90 + step, 70, 11)], time))
        if task == "form":
            events.append(typed(11, ("Ada Lovelace " * 2)[: 5 + step + number % 5], time + 10))
        for again in range(7 if behaviour == "frustrated" and step == 1 else 1):
            events.append(click(10 if task == "form" else 11, time + 20 + 90 * again))
    return events


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder, rows = tmp_path_factory.mktemp("recordings"), []
    for number in range(24):
        behaviour, site = BEHAVIOURS[number % 3], SITES[number // 3 % 4]
        task = ("form", "list")[number // 12 % 2]
        (folder / f"{number}.json").write_text(json.dumps(visit(number, behaviour, task, site)))
        rows.append((f"{number}.json", site, task, behaviour, 1))
    table = pd.DataFrame(rows, columns=["file", "site", "task", "behaviour", "task_evidence"])
    table.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = RRWebBertConfig(
        vocab_size=len(tiny_tokenizer()), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128, initializer_range=0.3,
    )  # fmt: skip
    RRWebBertModel(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    shutil.copytree(tokenizer_folder(), folder, dirs_exist_ok=True)
    return save_sentence_transformer(folder, pooling="actions")


def scored(bench, recordings, capsys, *more, encoder="tiny_session_encoder:count_events"):
    bench.main(["--encoder", str(encoder), "--labels", str(recordings / "labels.csv"), "--n_folds", "2", *more])
    out = capsys.readouterr().out
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")], out


@pytest.fixture
def function(monkeypatch):
    import sys
    import types

    module = types.ModuleType("tiny_session_encoder")
    module.count_events = lambda sessions: np.array([[len(read_session(s).events), 1.0] for s in sessions])
    monkeypatch.setitem(sys.modules, "tiny_session_encoder", module)


@pytest.mark.usefixtures("function")
def test_any_function_is_scored_beside_the_baselines(bench, recordings, capsys, tmp_path):
    lines, out = scored(
        bench, recordings, capsys, "--tasks", "bot", "other half", "--seeds", "0", "--name", "counts", "--out",
        str(tmp_path / "lines.jsonl"),
    )  # fmt: skip
    systems = {line["system"] for line in lines if line["task"] == "bot"}
    assert {"encoder", "plain counters", "rule: never pauses", "TF-IDF all"} <= systems
    assert "encoder, events" not in systems
    best = {line["system"]: line["mean"] for line in lines if line["task"] == "bot"}
    assert best["rule: never pauses"] == 1.0  # by construction, so the figures are of the right column
    assert {line["figure"] for line in lines if line["task"] == "other half"} == {"mrr", "recall@1"}
    assert all(line["encoder"] == "counts" and line["command"] for line in lines)
    assert [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()] == lines
    assert out.rstrip().splitlines()[-1].startswith("| other half | encoder")


@pytest.mark.slow
def test_an_rrweb_bert_is_also_read_event_by_event(bench, recordings, encoder, capsys, tmp_path):
    folds = {"0": list(SITES[:2]), "1": list(SITES[2:])}
    (tmp_path / "folds.json").write_text(json.dumps(folds))
    for fold in folds:
        shutil.copytree(encoder, tmp_path / fold)
    options = ("--tasks", "bot", "--seeds", "0", "--folds", str(tmp_path / "folds.json"))
    lines, _ = scored(
        bench, recordings, capsys, *options, "--scratch", str(tmp_path / "kept"), encoder=tmp_path / "{fold}"
    )
    found = {line["system"]: line["mean"] for line in lines}
    assert found["encoder, events"] > 0.9  # a bot never pauses: gap tokens alone tell it, even with random weights
    assert len(list((tmp_path / "kept").iterdir())) == 4  # vectors and events of each fold
    again, _ = scored(
        bench, recordings, capsys, *options, "--scratch", str(tmp_path / "kept"), encoder=tmp_path / "{fold}"
    )
    assert [line["mean"] for line in again] == [line["mean"] for line in lines]


def test_other_recorders_and_typed_words(bench, recordings, encoder, capsys):
    lines, _ = scored(
        bench, recordings, capsys, "--tasks", "same session", "privacy", "--seeds", "0", "--privacy_sessions", "8",
        encoder=encoder,
    )  # fmt: skip
    packed = {line["figure"]: line["mean"] for line in lines if line["task"] == "same session: packed"}
    assert packed["smallest cosine"] > 0.999
    privacy = [line for line in lines if line["task"] == "privacy"]
    hidden = [line["mean"] for line in privacy if not line["typed_text_kept"]]
    kept = {line["system"]: line["mean"] for line in privacy if line["typed_text_kept"]}
    assert np.allclose(hidden, 1 / 8)
    assert kept["layer 0"] > 0.5
    assert kept["all layers"] > 0.5


def test_a_fold_in_the_name_needs_a_file_of_folds(bench, capsys):
    with pytest.raises(SystemExit):
        bench.parse_arguments(["--encoder", "folds/{fold}/model"])
    assert "--folds" in capsys.readouterr().err
