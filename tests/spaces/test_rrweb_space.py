"""The Space that reads recordings: its logic by itself, and the page in a real browser where gradio can be imported.

gradio is no dependency of this package. For the page install it, or name a folder made by `pip install --target` in
TRACEFORMERS_GRADIO.
"""

import importlib.util
import json
import math
import os
import socket
import subprocess
import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest
import yaml
from feed_browser import chromium
from playwright.sync_api import expect
from tiny_rrweb import click, element, incremental, interaction, page, typed
from tiny_session_index import session_model_folder, visit, write_visit, write_visits

from traceformers.apps.sessions.log import session_log

GRADIO = os.environ.get("TRACEFORMERS_GRADIO", "")
HAS_GRADIO = bool(GRADIO) or importlib.util.find_spec("gradio") is not None


@pytest.fixture(scope="module")
def space(repository_root):
    return repository_root / "spaces" / "rrweb"


@pytest.fixture(scope="module")
def session_reading(space):
    spec = importlib.util.spec_from_file_location("session_reading", space / "session_reading.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = write_visits(tmp_path_factory.mktemp("samples"), range(6))
    (folder / "broken.json").write_text("{")
    (folder / "NOTICE").write_text("words")
    return folder


@pytest.fixture(scope="module")
def reader(session_reading, samples):
    return session_reading.SessionReader(str(session_model_folder()), samples)


def test_the_space_needs_the_models_repository_and_nothing_of_this_package(space, samples, tmp_path):
    script = (
        "import sys; sys.modules['traceformers'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from session_reading import SessionReader\n"
        "log, actions, rows = SessionReader(sys.argv[2], sys.argv[3]).read(sys.argv[3] + '/visit_04.json')\n"
        "print(log); print(len(actions), rows[0][1])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, space, session_model_folder(), samples],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    *log, last = ran.stdout.splitlines()
    assert "\n".join(log).strip() == session_log([samples / "visit_04.json"]).strip()
    assert int(last.split()[0]) > 5 and last.endswith("visit_04")


def test_what_is_no_recording_is_no_sample_and_the_nearest_is_the_session_itself(reader, samples):
    assert reader.names == [f"visit_{n:02}" for n in range(6)]
    _, _, rows = reader.read(samples / "visit_03.json")
    assert rows[0] == [1, "visit_03", 1.0] and [row[2] for row in rows] == sorted((r[2] for r in rows), reverse=True)


def test_a_press_with_its_release_and_click_is_one_action_and_typing_another(session_reading, reader):
    events = [
        *page(element(5, "button", "Pay"), element(6, "input", type="text")),
        interaction(1, 5, 1000),
        interaction(5, 5, 1001),
        interaction(0, 5, 1090),
        click(5, 1092),
        click(5, 1400),
        typed(6, "w", 3000),
        typed(6, "wa", 3200),
        incremental(3, 6000, id=1, x=0, y=900),
    ]
    session = reader.tokenizer.tokenize_session(events)
    groups = session_reading.action_groups(reader.tokenizer, session)
    assert groups == [[0], [2, 3, 4, 5], [6], [7, 8], [9]]
    found = session_reading.action_surprise(reader.model, reader.tokenizer, session)
    assert [seconds for seconds, _, _ in found] == [0.0, 1.0, 1.4, 3.0, 6.0]
    assert "click" in found[1][1] and "Pay" in found[1][1] and "page" in found[0][1]


def test_a_model_that_knows_nothing_needs_the_bits_of_the_vocabulary(session_reading, reader):
    session = reader.tokenizer.tokenize_session(visit(4))
    bits = [bits for _, _, bits in session_reading.action_surprise(reader.model, reader.tokenizer, session)]
    assert np.mean(bits) == pytest.approx(math.log2(len(reader.tokenizer)), abs=0.1)


def test_an_action_is_hidden_as_a_whole_within_a_row_that_the_model_takes(session_reading, reader):
    session = reader.tokenizer.tokenize_session(visit(4))
    for events in session_reading.action_groups(reader.tokenizer, session):
        ids, first, last = session_reading.masked_row(reader.tokenizer, session, events, 64)
        own = np.concatenate([session.ids[slice(*session.event_offsets[i : i + 2])] for i in events])
        assert len(ids) <= 64 and last > first
        assert ids[first:last].tolist() == own[: last - first].tolist()
        assert (ids[0], ids[-1]) == (reader.tokenizer.cls_token_id, reader.tokenizer.sep_token_id)


def test_what_was_typed_is_not_shown(reader, tmp_path):
    path = write_visit(tmp_path / "typed.json.gz", 5)
    log, actions, _ = reader.read(path)
    assert "walrus"[:5] not in log + json.dumps(actions) and "typed text" in log


def test_what_cannot_be_read_says_why(session_reading, reader, tmp_path, monkeypatch):
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    with pytest.raises(ValueError, match="expected"):
        reader.read(bad)
    monkeypatch.setattr(session_reading, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="Expected at most"):
        reader.read(write_visit(tmp_path / "large.json", 1))
    with pytest.raises(ValueError, match="Expected recordings in"):
        session_reading.SessionReader(str(session_model_folder()), _empty(tmp_path))


def _empty(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def test_the_front_matter_names_files_and_versions_that_are_there(space):
    front = yaml.safe_load((space / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and (space / front["app_file"]).is_file()
    assert f"gradio=={front['sdk_version']}" in (space / "README.md").read_text(encoding="utf-8")
    assert len(front["short_description"]) <= 60  # the Hub refuses more


@pytest.fixture(scope="module")
def address(space, samples, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("space")
    log = folder / "log.txt"
    environment = os.environ | {
        "RRWEB_MODEL": str(session_model_folder()),
        "RRWEB_SAMPLES": str(samples),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": str(folder / "dropped"),
        "PYTHONPATH": GRADIO,
    }
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "session_app.py"], cwd=space, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(480):
                assert process.poll() is None, log.read_text()
                try:
                    urlopen(url, timeout=5).close()
                    break
                except (URLError, ConnectionError, TimeoutError):
                    time.sleep(0.5)
            yield url, folder / "dropped"
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.skipif(not HAS_GRADIO, reason="install gradio, or set TRACEFORMERS_GRADIO")
def test_a_recording_is_dropped_and_log_line_and_nearest_appear_and_nothing_stays(address, samples, tmp_path):
    url, dropped = address
    with chromium() as browser:
        page = browser.new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.locator("#recording input[type=file]").set_input_files(samples / "visit_04.json")
        log = page.locator("#log textarea")
        expect(log).to_have_value(session_log([samples / "visit_04.json"]).rstrip("\n"), timeout=60_000)
        expect(page.locator("#found [role=gridcell]").nth(1)).to_contain_text("visit_04")
        expect(page.locator("#line canvas, #line svg").first).to_be_visible()
        assert list(dropped.rglob("*.json")) == []
        broken = tmp_path / "no.json"
        broken.write_text("{")
        page.reload()
        page.locator("#recording input[type=file]").set_input_files(broken)
        expect(page.locator(".toast-body")).to_contain_text("expected a complete JSON text")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GRADIO, reason="install gradio, or set TRACEFORMERS_GRADIO")
def test_without_a_model_the_space_says_what_to_set(space):
    environment = {name: value for name, value in os.environ.items() if name != "RRWEB_MODEL"}
    environment |= {"PYTHONPATH": GRADIO, "GRADIO_ANALYTICS_ENABLED": "False"}
    ran = subprocess.run([sys.executable, "session_app.py"], cwd=space, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stderr.splitlines()[-1].startswith("Expected RRWEB_MODEL")
