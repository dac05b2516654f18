"""Pulling from the loopback Hub with the real client: every byte as it was pushed, or one line that says why not."""

import os
import shutil
import subprocess
import sys
import zlib

import pytest
from filelock import FileLock
from hub_folders import model_folder
from huggingface_hub import HfApi, constants
from typer.testing import CliRunner

from traceformers.apps.hub import hub_faults
from traceformers.apps.hub.hub_commands import app


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(hub_faults, "FIRST_WAIT", 0.01)


def run_pull(*arguments, code=0):
    """Returns the output of `traceformers hub pull ...`."""
    result = CliRunner().invoke(app, ["pull", *map(str, arguments)])
    assert result.exit_code == code, f"{result.exit_code}\n{result.output}\n{result.exception}"
    return result.output


def held_by(folder):
    """Returns {path: bytes} of a pulled folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".cache" not in path.parts
    }


@pytest.fixture
def pushed(tmp_path, hub, request):
    """The name of a repository of this test with a model in it, tagged v1, and another commit after it."""
    name = f"user/pull-{zlib.crc32(request.node.name.encode()):08x}"
    folder = model_folder(tmp_path / "pushed", name)
    api = HfApi()
    api.create_repo(name, private=True, exist_ok=True)
    api.upload_folder(repo_id=name, folder_path=folder)
    api.create_tag(name, tag="v1")
    hub.put(name, {"vocab.json": b"{}", "sub/folder/more.txt": b"more"})
    return name


def downloads(hub, start):
    return [request for request in hub.requests[start:] if request.startswith("GET") and "/resolve/" in request]


def test_a_pulled_folder_is_what_the_hub_has_at_each_revision(tmp_path, hub, pushed):
    run_pull(pushed, "--output-dir", tmp_path / "newest")
    assert held_by(tmp_path / "newest") == hub.files(pushed)
    commit = hub.repositories["model", pushed].tags["v1"]
    for revision in ("v1", commit):
        out = run_pull(pushed, "--revision", revision, "--output-dir", tmp_path / revision)
        assert held_by(tmp_path / revision) == hub.files(pushed, revision="v1") and commit[:8] in out


def test_a_second_pull_fetches_only_what_differs(tmp_path, hub, pushed):
    folder = tmp_path / "pulled"
    run_pull(pushed, "--revision", "v1", "--output-dir", folder)
    start = len(hub.requests)
    assert "0 files fetched, 4 held" in run_pull(pushed, "--revision", "v1", "--output-dir", folder)
    assert downloads(hub, start) == []
    assert "2 files fetched, 3 held" in run_pull(pushed, "--output-dir", folder)
    assert "sub/folder/more.txt is in the folder and not in the repository; kept" in run_pull(
        pushed, "--revision", "v1", "--output-dir", folder
    )


@pytest.mark.parametrize("damage", ["cut", "same size", "gone", "a link"])
def test_a_file_that_was_damaged_is_fetched_again(tmp_path, hub, pushed, damage):
    folder = tmp_path / "pulled"
    run_pull(pushed, "--output-dir", folder)
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(whole[:1000])
    elif damage == "same size":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif damage == "a link":
        (tmp_path / "elsewhere").write_bytes(b"not this")
        path.symlink_to(tmp_path / "elsewhere")
    assert "1 files fetched" in run_pull(pushed, "--output-dir", folder)
    assert path.read_bytes() == whole and not path.is_symlink()


def test_a_connection_cut_in_the_middle_of_a_file_goes_on_where_it_broke(tmp_path, hub, pushed, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 25_000)  # what is written at a time; 10 MB otherwise
    with hub.failing("GET .*/resolve/.*model.safetensors", cut_after=50_000, times=2) as fault:
        run_pull(pushed, "--output-dir", tmp_path / "pulled")
    assert fault.met == 2
    assert held_by(tmp_path / "pulled") == hub.files(pushed)
    assert hub.ranges[-1] == "bytes=100000-"


def test_a_pull_that_broke_off_keeps_the_files_that_are_whole(tmp_path, hub, pushed):
    folder = tmp_path / "pulled"
    with hub.failing("GET .*/resolve/.*vocab.json", status=500, times=99):
        out = run_pull(pushed, "--output-dir", folder, code=hub_faults.UNREACHED)
    assert "Run the same command again later" in out.strip().splitlines()[-1]
    assert "config.json" in held_by(folder) and not list(folder.rglob("*.incomplete"))
    start = len(hub.requests)
    run_pull(pushed, "--output-dir", folder)
    assert not [request for request in downloads(hub, start) if request.endswith("config.json")]
    assert held_by(folder) == hub.files(pushed)


def test_a_busy_hub_is_asked_again(tmp_path, hub, pushed):
    with (
        hub.failing("GET /api/models/[^/]+/[^/]+", status=429, headers={"Retry-After": "0"}),
        hub.failing("GET .*/tree/.*", status=503, headers={"Retry-After": "0"}),
        hub.failing("GET .*/resolve/.*config.json", status=429, headers={"Retry-After": "0"}),
    ):
        out = run_pull(pushed, "--output-dir", tmp_path / "pulled")
    assert "the Hub answered 429; try 2 of 6" in out
    assert held_by(tmp_path / "pulled") == hub.files(pushed)


def test_bytes_that_are_not_those_of_the_hash_are_refused(tmp_path, hub, pushed):
    sha = hub.repositories["model", pushed].commits[hub.repositories["model", pushed].branches["main"]][
        "model.safetensors"
    ]
    whole = hub.blobs[sha]
    hub.blobs[sha] = whole[:-1] + bytes([whole[-1] ^ 1])
    try:
        out = run_pull(pushed, "--output-dir", tmp_path / "pulled", code=hub_faults.UNREACHED)
    finally:
        hub.blobs[sha] = whole
    assert "model.safetensors with" in out and "got another file twice" in out


@pytest.mark.parametrize("name", ["../evil.py", "a/../../evil.py", ".cache/huggingface/evil"])
def test_a_repository_cannot_write_outside_of_the_folder(tmp_path, hub, pushed, name):
    hub.put(pushed, {name: b"evil"})
    out = run_pull(pushed, "--output-dir", tmp_path / "one" / "pulled", code=1)
    assert "Do not trust this repository" in out and not list(tmp_path.rglob("evil*"))


def test_what_is_not_there_is_told_in_one_line(tmp_path, hub, pushed, monkeypatch):
    folder = ("--output-dir", tmp_path / "pulled")
    assert "Check the name" in run_pull("user/nobody-made-this", *folder, code=hub_faults.MISSING)
    assert "has none of that name" in run_pull(pushed, "--revision", "v9", *folder, code=hub_faults.MISSING)
    assert "Check the name" in run_pull(pushed, "--kind", "dataset", *folder, code=hub_faults.MISSING)
    assert "model or dataset" in run_pull(pushed, "--kind", "space", *folder, code=1)
    with hub.failing("HEAD .*/resolve/.*", status=404, headers={"X-Error-Code": "EntryNotFound"}, times=9):
        out = run_pull(pushed, *folder, code=hub_faults.MISSING)
    assert "Expected a file that" in out.strip().splitlines()[-1]
    monkeypatch.setenv("HF_TOKEN", "hf_unknown")
    out = run_pull(pushed, *folder, code=hub_faults.REFUSED)
    assert "answered 401" in out and "hf_unknown" not in out
    monkeypatch.setenv("HF_TOKEN", "")
    assert "it does not exist, or is private" in run_pull(pushed, *folder, code=hub_faults.REFUSED)


def test_a_public_repository_is_pulled_without_a_token(tmp_path, hub, monkeypatch):
    hub.put("user/public-text", {"config.json": b"{}"})
    monkeypatch.setenv("HF_TOKEN", "")
    run_pull("user/public-text", "--output-dir", tmp_path / "pulled")
    assert held_by(tmp_path / "pulled") == {"config.json": b"{}"}


def test_a_folder_with_files_of_its_own_is_left_alone(tmp_path, pushed):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine")
    assert "Name another --output-dir" in run_pull(pushed, "--output-dir", tmp_path / "mine", code=1)
    assert "got a file" in run_pull(pushed, "--output-dir", tmp_path / "mine" / "config.json", code=1)
    assert (tmp_path / "mine" / "config.json").read_text() == "mine"


def test_a_data_set_is_found_without_saying_that_it_is_one(tmp_path, hub):
    hub.put("user/rows-to-pull", {"data/train.jsonl": b'{"a": 1}\n'}, kind="dataset")
    assert "dataset at" in run_pull("user/rows-to-pull", "--output-dir", tmp_path / "rows")
    assert held_by(tmp_path / "rows") == {"data/train.jsonl": b'{"a": 1}\n'}


def test_two_pulls_into_one_folder_do_not_mix(tmp_path, pushed):
    (tmp_path / "pulled" / ".cache" / "huggingface").mkdir(parents=True)
    with FileLock(tmp_path / "pulled" / ".cache" / "huggingface" / "pull.lock"):
        out = run_pull(pushed, "--output-dir", tmp_path / "pulled", code=hub_faults.CONFLICT)
    assert "another pull" in out


def test_a_full_disk_has_its_line_and_its_code():
    with pytest.raises(OSError) as caught, open("/dev/full", "w") as full:
        full.write("x" * 100_000)
    fault = hub_faults.fault_of(caught.value)
    assert fault.exit_code == hub_faults.DISK and "No space left on device" in str(fault)


FILLED = """
import sys
from typer.testing import CliRunner
from traceformers.apps.hub import hub_pull
from traceformers.apps.hub.hub_commands import app
if sys.argv[2] == "unforeseen":  # as if another program took the room after it was measured
    hub_pull._check_room = lambda folder, needed: None
result = CliRunner().invoke(app, ["pull", sys.argv[1], "--output-dir", sys.argv[3] + "/pulled"])
print(result.output)
sys.exit(result.exit_code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("when", ["foreseen", "unforeseen"])
def test_a_pull_onto_a_full_disk_stops_with_one_line_and_goes_on_when_there_is_room(tmp_path, hub, when):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"]).returncode:
        pytest.skip("a small disk needs a mount namespace of its own")
    name, disk = f"user/fills-{when}", tmp_path / "disk"
    disk.mkdir()
    hub.put(name, {"a.json": b"{}", "large.safetensors": os.urandom(3_000_000)})
    script = f"mount -t tmpfs -o size=2m tmpfs {disk} && {sys.executable} -c '{FILLED}' {name} {when} {disk}; code=$?; "
    script += f"find {disk}/pulled -type f | grep -v .cache; exit $code"
    run = subprocess.run(["unshare", "-rm", "bash", "-c", script], capture_output=True, text=True, timeout=300)
    assert run.returncode == hub_faults.DISK, run.stdout + run.stderr
    assert "files that are complete are kept" in " ".join(run.stdout.split())
    assert (f"{disk}/pulled/a.json" in run.stdout) == (when == "unforeseen")
    assert "large.safetensors" not in run.stdout.splitlines()[-1]


@pytest.mark.slow
def test_a_pull_that_was_killed_goes_on(tmp_path, hub):
    name, folder = "user/killed-pull", tmp_path / "pulled"
    hub.put(name, {f"part-{number:02}.safetensors": os.urandom(200_000) for number in range(12)})
    command = [sys.executable, "-c", "from traceformers.apps.hub.hub_commands import app; app()"]
    command += ["pull", name, "--output-dir", str(folder)]
    with hub.failing("GET .*/resolve/.*part-06.*", before=lambda: process.kill()) as fault:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert process.wait(120) == -9
    assert fault.met == 1
    before = sorted(path.name for path in folder.glob("*.safetensors"))
    assert before == [f"part-{number:02}.safetensors" for number in range(6)]
    assert "6 files fetched, 6 held" in run_pull(name, "--output-dir", folder)
    assert held_by(folder) == hub.files(name)
    assert not list(folder.rglob("*.incomplete"))
