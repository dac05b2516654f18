"""Pushing a folder to the loopback Hub, with the real client: what arrives, who may see it, what a second push does."""

import json
import subprocess
import sys
import threading
from functools import partial

import pytest
from hub_folders import model_folder
from huggingface_hub import HfApi
from made_up_runs import RUNS
from typer.testing import CliRunner

from traceformers.apps.hub import hub_faults
from traceformers.apps.hub.folder_kind import look_at, privacy_of
from traceformers.apps.hub.hub_commands import app
from traceformers.apps.hub.hub_push import push

WITHOUT_LOADING = ("--skip-check", "loads")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 0.01)


def run(*arguments, code=0):
    """Returns the output of `traceformers hub ...`."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, f"{result.exit_code}\n{result.output}\n{result.exception}"
    return result.output


run_push = partial(run, "push")


def commits_since(hub, start):
    return [request for request in hub.requests[start:] if request.startswith("POST") and "/commit/" in request]


def test_a_pushed_folder_is_on_the_hub_to_the_byte_private_and_tagged(tmp_path, hub):
    folder = model_folder(tmp_path / "model", "user/first")
    out = run_push(folder, "user/first", *WITHOUT_LOADING)
    files = hub.files("user/first", revision="v1")
    assert files == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert hub.repositories["model", "user/first"].private
    assert "tag v1" in out


def test_a_run_is_pushed_as_its_model_with_its_metrics_and_no_training_state(tmp_path, hub):
    folder = model_folder(tmp_path / "run" / "model", "user/a-run").parent
    (folder / "metrics.json").write_text('{"test": 0.5}')
    (folder / "checkpoint-8").mkdir()
    (folder / "checkpoint-8" / "optimizer.pt").write_bytes(b"state")
    (folder / "model" / "training_args.bin").write_bytes(b"state")
    (folder / "model" / ".secret").write_text("hidden")
    out = run_push(folder, "user/a-run", "--dry-run", *WITHOUT_LOADING)
    assert "training_args.bin (training state)" in out and ".secret (hidden)" in out
    assert ("model", "user/a-run") not in hub.repositories
    run_push(folder, "user/a-run", *WITHOUT_LOADING)
    assert sorted(hub.files("user/a-run")) == [
        "README.md",
        "config.json",
        "metrics.json",
        "model.safetensors",
        "vocab.json",
    ]


def test_a_push_of_the_same_makes_no_commit_and_sends_nothing(tmp_path, hub):
    folder = model_folder(tmp_path, "user/same")
    run_push(folder, "user/same", *WITHOUT_LOADING)
    start = len(hub.requests)
    assert "nothing changed" in run_push(folder, "user/same", *WITHOUT_LOADING)
    assert {request.split()[0] for request in hub.requests[start:]} == {"GET"}


def test_a_push_of_a_changed_file_sends_that_file_alone(tmp_path, hub):
    folder = model_folder(tmp_path, "user/changes")
    run_push(folder, "user/changes", *WITHOUT_LOADING)
    start, before = len(hub.requests), hub.files("user/changes")
    (folder / "config.json").write_text(json.dumps({"model_type": "rrweb_bert", "seed": 1}))
    out = run_push(folder, "user/changes", *WITHOUT_LOADING, "--dry-run")
    assert "changed     config.json" in out and "same        model.safetensors" in out
    assert commits_since(hub, start) == []
    out = run_push(folder, "user/changes", *WITHOUT_LOADING)
    assert "sending 1 files" in out and "stays at" in out  # the tag of the card names the files of before
    assert not [request for request in hub.requests[start:] if request.startswith("PUT")]
    assert {name: data for name, data in hub.files("user/changes").items() if before[name] != data}.keys() == {
        "config.json"
    }


def test_files_that_are_only_on_the_hub_are_kept_unless_told(tmp_path, hub):
    folder = model_folder(tmp_path, "user/grown")
    (folder / "extra.txt").write_text("more")
    run_push(folder, "user/grown", *WITHOUT_LOADING)
    (folder / "extra.txt").unlink()
    assert "extra.txt" in run_push(folder, "user/grown", *WITHOUT_LOADING)
    assert "extra.txt" in hub.files("user/grown")
    run_push(folder, "user/grown", "--delete", *WITHOUT_LOADING)
    assert "extra.txt" not in hub.files("user/grown")


@pytest.mark.parametrize(
    ("model_type", "licence", "private"),
    [
        ("rrweb_bert", "apache-2.0", True),
        ("productive_feed", "apache-2.0", True),
        ("sasrec", "other", True),
        ("sasrec", "cc-by-4.0", False),
        ("ngram_encoder", "apache-2.0", False),
        ("something_new", "apache-2.0", True),
    ],
)
def test_what_was_learned_from_traces_of_people_is_private_unless_told(tmp_path, model_type, licence, private):
    folder = model_folder(tmp_path, model_type=model_type)
    card = (folder / "README.md").read_text()
    (folder / "README.md").write_text(card.replace("license: apache-2.0", f"license: {licence}"))
    assert privacy_of(look_at(folder))[0] is private


def test_public_is_said_and_a_public_repository_takes_no_private_folder(tmp_path, hub):
    folder = model_folder(tmp_path, "user/open")
    run_push(folder, "user/open", "--public", *WITHOUT_LOADING)
    assert not hub.repositories["model", "user/open"].private
    start = len(hub.requests)
    out = run_push(folder, "user/open", *WITHOUT_LOADING, code=hub_faults.REFUSED)
    assert "user/open is public" in out and not commits_since(hub, start)
    assert "nothing changed" in run_push(folder, "user/open", "--public", *WITHOUT_LOADING)


def test_a_failed_check_stops_the_push_unless_it_is_skipped_by_name(tmp_path, hub):
    folder = model_folder(tmp_path, "user/elsewhere")
    out = run_push(folder, "user/named", *WITHOUT_LOADING, code=hub_faults.CHECKS)
    assert "the code on the card loads user/elsewhere, not user/named" in out and "--skip-check card" in out
    assert ("model", "user/named") not in hub.repositories
    run_push(folder, "user/named", *WITHOUT_LOADING, "--skip-check", "card")
    out = run_push(folder, "user/named", "--skip-check", "cards", code=1)
    assert "sizes, pickle, card, secrets, personal, loads, got cards" in out


def test_a_tag_is_never_moved(tmp_path, hub):
    folder = model_folder(tmp_path, "user/tagged", revision="v2")
    run_push(folder, "user/tagged", *WITHOUT_LOADING)
    first = hub.repositories["model", "user/tagged"].tags["v2"]
    (folder / "vocab.json").write_text("{}")
    out = run_push(folder, "user/tagged", "--tag", "v2", *WITHOUT_LOADING, code=hub_faults.CONFLICT)
    assert "Take another --tag" in out and hub.files("user/tagged")["vocab.json"] != b"{}"
    out = run_push(folder, "user/tagged", "--tag", "v3", *WITHOUT_LOADING, code=hub_faults.CHECKS)
    assert "the card pins v2, --tag says v3" in out
    model_folder(folder, "user/tagged", revision="v3")
    run_push(folder, "user/tagged", "--tag", "v3", *WITHOUT_LOADING)
    tags = hub.repositories["model", "user/tagged"].tags
    assert tags["v2"] == first != tags["v3"]


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        ("", "user/x", "found none. Run: hf auth login"),
        ("hf_unknown", "user/x", "answered 401. Run: hf auth login"),
        ("hf_reader", "user/x", "Use a token with write access"),
        ("hf_loopback", "stranger/x", "Use a token with write access"),
    ],
)
def test_who_may_not_write_is_told_in_one_line_without_the_token(tmp_path, monkeypatch, token, name, said):
    monkeypatch.setenv("HF_TOKEN", token)
    folder = model_folder(tmp_path, name)
    out = run_push(folder, name, *WITHOUT_LOADING, code=hub_faults.REFUSED)
    last = out.strip().splitlines()[-1]
    assert last.startswith("traceformers hub: Expected") and said in last
    assert not token or token not in out


def test_a_busy_hub_is_asked_again(tmp_path, hub):
    folder = model_folder(tmp_path, "user/busy")
    again = {"status": 429, "headers": {"Retry-After": "0"}}
    with (
        hub.failing("POST /api/repos/create", **again),
        hub.failing("POST .*/preupload/main", **again),
        hub.failing("POST .*/commit/main", status=503, times=2),
        hub.failing("GET /api/models/user/busy", status=502, after=1),
        hub.failing("POST .*/tag/.*", cut_after=0),
    ):
        out = run_push(folder, "user/busy", *WITHOUT_LOADING)
    assert "the Hub answered 429; try 2 of 6 in 0 s" in out and "the Hub answered 503; try 3 of 6" in out
    assert sorted(hub.files("user/busy", revision="v1")) == sorted(path.name for path in folder.iterdir())


def test_a_hub_that_stays_down_is_given_up_in_one_line(tmp_path, hub):
    folder = model_folder(tmp_path, "user/down")
    with hub.failing("POST /api/repos/create", status=503, times=99) as fault:
        out = run_push(folder, "user/down", *WITHOUT_LOADING, code=hub_faults.UNREACHED)
    assert fault.met == hub_faults.TRIES
    assert "the Hub answered 503 6 times. Run the same command again later" in out.strip().splitlines()[-1]


def test_an_interrupted_push_goes_on_with_what_the_hub_lacks(tmp_path, hub):
    folder = model_folder(tmp_path / "model", "user/broken", seed=100)
    for number in range(3):
        other = model_folder(tmp_path / "other", seed=101 + number)
        (other / "model.safetensors").rename(folder / f"shard-{number}.safetensors")
    start = len(hub.requests)
    with hub.failing("PUT /_lfs/.*", status=400, after=1, times=99) as fault:
        run_push(folder, "user/broken", *WITHOUT_LOADING, code=1)
    assert fault.met and not commits_since(hub, start)
    assert list(hub.files("user/broken")) == []  # nothing of it can be seen
    assert sum(request.startswith("PUT") for request in hub.requests[start:]) > 1
    start = len(hub.requests)
    run_push(folder, "user/broken", *WITHOUT_LOADING)
    assert sum(request.startswith("PUT") for request in hub.requests[start:]) == 3  # of four, one had arrived
    assert len(commits_since(hub, start)) == 1


def test_a_commit_whose_answer_was_lost_is_not_made_twice(tmp_path, hub):
    folder = model_folder(tmp_path, "user/lost")
    with hub.failing("POST .*/commit/main", cut_after=0) as fault:
        out = run_push(folder, "user/lost", *WITHOUT_LOADING)
    assert fault.met == 1 and "pushed as" in out
    assert len(hub.repositories["model", "user/lost"].commits) == 2  # the initial one, and this


def test_two_pushes_at_once_end_as_one_of_them_and_never_mixed(tmp_path, hub):
    one, two = (model_folder(tmp_path / name, "user/both", seed=seed) for name, seed in (("one", 1), ("two", 2)))
    run_push(one, "user/both", *WITHOUT_LOADING)
    (one / "vocab.json").write_text(json.dumps({"one": 0}))
    theirs = {path.name: path.read_bytes() for path in two.iterdir()}
    with hub.failing("POST .*/commit/main", before=lambda: hub.put("user/both", theirs)):
        out = run_push(one, "user/both", *WITHOUT_LOADING)
    assert "somebody else pushed at the same moment; comparing again" in out
    assert hub.files("user/both") == {path.name: path.read_bytes() for path in one.iterdir()}


def test_threads_that_push_at_once_all_end_and_one_of_them_whole(tmp_path, hub):
    folders = [model_folder(tmp_path / str(seed), "user/threads", seed=seed, size=100) for seed in range(3)]
    HfApi().create_repo("user/threads", private=True)
    start, ended = threading.Barrier(3), []

    def work(folder):
        start.wait()
        ended.append(push(look_at(folder), "user/threads").commit)

    threads = [threading.Thread(target=work, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(set(ended)) == 3
    for commit in ended:  # every commit is one folder whole
        found = hub.files("user/threads", revision=commit)
        assert found in [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]


def test_a_folder_of_nothing_and_a_name_of_nobody_are_refused(tmp_path):
    assert "Expected the folder of a model" in run_push(tmp_path, "user/x", code=1)
    assert "found none at" in run_push(tmp_path / "absent", "user/x", code=1)
    folder = model_folder(tmp_path / "model")
    for name in ("x", "user/a/b", "user/--x", "user/x y"):
        assert "Expected a repository as user/name" in run_push(folder, name, code=1)


def test_the_card_of_a_run_is_written_for_the_name_and_tag_it_is_pushed_to(tmp_path, hub):
    folder, path = RUNS["rrweb"](tmp_path)
    out = run_push(folder, "user/with-card", *WITHOUT_LOADING, code=hub_faults.CHECKS)
    assert "loads user/made-up, not user/with-card" in out
    out = run_push(folder, "user/with-card", "--write-card", "--tag", "v3", *WITHOUT_LOADING)
    assert f"wrote {path}" in out and "tag v3" in out
    assert b'name, revision = "user/with-card", "v3"' in hub.files("user/with-card", revision="v3")["README.md"]
    (tmp_path / "about.yaml").write_text("name: mine\nsource: From me.\npeople: Only me.\nlicence: none\n")
    run_push(
        folder,
        "user/with-card",
        "--write-card",
        "--tag",
        "v4",
        "--about-data",
        tmp_path / "about.yaml",
        *WITHOUT_LOADING,
    )
    assert b"Only me." in hub.files("user/with-card", revision="v4")["README.md"]
    assert "with --write-card" in run_push(folder, "user/with-card", "--about-data", path, code=1)


def test_a_collection_holds_what_was_pushed_once(tmp_path, hub):
    for name in ("user/part-one", "user/part-two"):
        run_push(model_folder(tmp_path / name, name), name, *WITHOUT_LOADING)
    for _ in range(2):
        out = run("collection", "Four families", "user/part-one", "user/part-two")
    (slug,) = hub.collections
    assert slug in out and hub.collections[slug]["private"]
    assert [item["id"] for item in hub.collections[slug]["items"]] == ["user/part-one", "user/part-two"]
    out = run("collection", "Four families", "user/never-pushed", code=hub_faults.MISSING)
    assert "Check the name" in out


@pytest.mark.parametrize("command", ["push", "pull", "collection"])
def test_every_command_has_help_with_an_example(command):
    assert f"Example: traceformers hub {command}" in " ".join(run(command, "--help").split())


def started_push(folder, name):
    """Returns the process of a push by the command."""
    code = "from traceformers.apps.hub.hub_commands import app; app()"
    command = [sys.executable, "-c", code, "push", str(folder), name, *WITHOUT_LOADING]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.slow
def test_a_push_that_was_killed_before_its_commit_sends_no_large_file_again(tmp_path, hub):
    folder = model_folder(tmp_path, "user/killed-push", seed=200)
    with hub.failing("POST .*/commit/main", status=500, before=lambda: process.kill()) as fault:
        process = started_push(folder, "user/killed-push")
        process.communicate(timeout=120)
    assert process.returncode == -9 and fault.met == 1 and hub.files("user/killed-push") == {}
    start = len(hub.requests)
    run_push(folder, "user/killed-push", *WITHOUT_LOADING)
    assert not [request for request in hub.requests[start:] if request.startswith("PUT")]
    assert hub.files("user/killed-push") == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_processes_that_push_at_once_all_end_and_no_commit_is_a_mixture(tmp_path, hub):
    folders = [model_folder(tmp_path / str(seed), "user/processes", seed=300 + seed) for seed in range(2)]
    processes = [started_push(folder, "user/processes") for folder in folders]
    said = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    whole = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    repository = hub.repositories["model", "user/processes"]
    assert len(repository.commits) == 3  # the empty one, and one each
    for commit in repository.commits:
        assert hub.files("user/processes", revision=commit) in [{}, *whole]
    assert sum(1 for out in said if "stays at" in out) <= 1  # the tag of the card is the first one's
