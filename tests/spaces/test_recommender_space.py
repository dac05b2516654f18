"""The Space as it runs: its logic by itself, and the page in a real browser where gradio can be imported.

gradio is no dependency of this package. For the page install it, or name a folder made by `pip install --target` in
TRACEFORMERS_GRADIO.
"""

import importlib.util
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
from chromium_page import CHROMIUM, ChromiumPage
from tiny_recommender import ITEMS, metadata_settings, tiny_recommender

GRADIO = os.environ.get("TRACEFORMERS_GRADIO", "")
HAS_GRADIO = bool(GRADIO) or importlib.util.find_spec("gradio") is not None


@pytest.fixture(scope="module")
def space(repository_root):
    return repository_root / "spaces" / "recommender"


@pytest.fixture(scope="module")
def film_choice(space):
    spec = importlib.util.spec_from_file_location("film_choice", space / "film_choice.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gated():
    return tiny_recommender("bert4rec", **metadata_settings())


@pytest.fixture(scope="module")
def folder(gated, tmp_path_factory):
    path = tmp_path_factory.mktemp("gated")
    gated.save_pretrained(path)
    return path


def test_the_space_needs_the_models_repository_and_nothing_of_this_package(space, folder, tmp_path):
    script = (
        "import sys; sys.modules['traceformers'] = None; sys.path.insert(0, sys.argv[1])\n"
        "from film_choice import load, recommended_rows\n"
        "print(recommended_rows(load(sys.argv[2]), ['1193'], 2)[0][1])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, space, folder], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    expected = tiny_recommender("bert4rec", **metadata_settings()).recommend([["1193"]], k=1).items[0][0]
    assert ran.stdout.startswith(f"Title of {expected}")


def test_rows_are_the_recommendations_with_title_reason_and_gates(film_choice, gated):
    rows = film_choice.recommended_rows(gated, ["1193", "661"], k=3)
    found = gated.recommend([["1193", "661"]], k=3)
    assert [row[0] for row in rows] == [1, 2, 3]
    for row, item, score in zip(rows, found.items[0], found.scores[0], strict=True):
        assert len(row) == len(film_choice.HEADERS)
        assert row[1].startswith(f"Title of {item}") or row[1] == item
        assert row[2] == pytest.approx(score, abs=1e-3)
        assert "Title of 1193 (1975) (" in row[3] and "Title of 661 (1996) (" in row[3]
        shares = [int(part.split()[1].rstrip("%")) for part in row[4].split(", ")]
        assert len(shares) == 5 and abs(sum(shares) - 100) <= 3


def test_the_first_reason_is_the_nearest_by_cosine(film_choice, gated):
    ids = [gated.item_tokenizer.id_of(item) for item in ("1193", "661", "914")]
    vectors = gated.item_vectors().detach().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)
    for token_id, text in zip((7, 8), film_choice.nearest_picked(gated, ids, [7, 8]), strict=True):
        best = ids[int(np.argmax(unit[ids] @ unit[token_id]))]
        assert text.startswith(film_choice.shown_title(gated.item_tokenizer, best))
        for film in ids:  # what is unlike is no reason
            title = film_choice.shown_title(gated.item_tokenizer, film)
            assert title not in text or unit[film] @ unit[token_id] > 0


def test_nothing_picked_and_models_without_vectors_give_rows_without_reasons(film_choice, gated):
    assert [row[3] for row in film_choice.recommended_rows(gated, [], k=2)] == ["", ""]
    assert [row[3:] for row in film_choice.recommended_rows(tiny_recommender("popularity"), ["1193"], k=1)] == [
        ["", ""]
    ]


def test_a_year_leaves_out_what_is_newer_and_none_is_no_limit(film_choice, gated):
    year_of = dict(zip(gated.item_tokenizer.items, gated.item_tokenizer.years, strict=True))
    old = [row[1] for row in film_choice.recommended_rows(gated, ["1193"], k=12, until=1980)]
    newer = {film_choice.shown_title(gated.item_tokenizer, gated.item_tokenizer.id_of(item))
             for item, year in year_of.items() if year and year > 1980}  # fmt: skip
    assert old and not newer & set(old)
    assert len(film_choice.recommended_rows(gated, ["1193"], k=12, until=0)) == len(ITEMS) - 1


def test_titles_are_found_by_words_in_any_order_and_picked_ones_stay(film_choice, gated):
    tokenizer = gated.item_tokenizer
    assert sorted(item for _, item in film_choice.matching_titles(tokenizer)) == sorted(ITEMS)
    assert film_choice.matching_titles(tokenizer, "1999 MATRIX") == [("Title of the matrix (1999)", "the matrix")]
    found = film_choice.matching_titles(tokenizer, "matrix", ["661", "the matrix"])
    assert [item for _, item in found] == ["661", "the matrix"]
    assert film_choice.matching_titles(tokenizer, "no such film") == []
    assert film_choice.matching_titles(tokenizer, "594") == [("594", "594")]  # no title: found by its id


def test_the_front_matter_names_files_and_versions_that_are_there(space):
    front = yaml.safe_load((space / "README.md").read_text(encoding="utf-8").split("---")[1])
    assert front["sdk"] == "gradio" and (space / front["app_file"]).is_file()
    assert f"gradio=={front['sdk_version']}" in (space / "README.md").read_text(encoding="utf-8")
    assert len(front["short_description"]) <= 60  # the Hub refuses more


@pytest.fixture(scope="module")
def address(space, folder, tmp_path_factory):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("space") / "log.txt"
    environment = os.environ | {
        "RECOMMENDER_MODEL": str(folder),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "PYTHONPATH": GRADIO,
    }
    with open(log, "w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=space, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            url = f"http://127.0.0.1:{port}"
            for _ in range(240):
                assert process.poll() is None, log.read_text()
                try:
                    urlopen(url, timeout=5).close()
                    break
                except (URLError, ConnectionError, TimeoutError):
                    time.sleep(0.5)
            yield url
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not (HAS_GRADIO and CHROMIUM), reason="install gradio (or set TRACEFORMERS_GRADIO) and chromium")
def test_a_film_is_picked_by_title_and_recommendations_appear(address, gated):
    with ChromiumPage(address) as page:
        page.wait_for("document.querySelector('#ask')")
        time.sleep(2)  # the page still moves while its parts load
        page.click("#search input, #search textarea")
        page.type_text("1193")
        time.sleep(1)
        page.click("#picked input")
        page.wait_for("document.querySelectorAll('[role=option]').length === 1")
        page.click("[role=option]")
        page.press("Tab")
        page.wait_for("!document.querySelector('[role=option]')")
        page.click("#ask")
        page.wait_for("document.querySelectorAll('#found [role=gridcell]').length >= 50")
        cells = page.value_of("[...document.querySelectorAll('#found [role=gridcell]')].map(c => c.innerText.trim())")
        assert page.errors == []
    expected = gated.recommend([["1193"]], k=10).items[0]
    titles = cells[1::5]
    assert len(titles) == 10
    for title, item in zip(titles, expected, strict=True):
        assert title.startswith(f"Title of {item}") or title == item
    assert all("Title of 1193 (1975)" in reason for reason in cells[3::5])
    assert all("genre" in gates for gates in cells[4::5])


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GRADIO, reason="install gradio, or set TRACEFORMERS_GRADIO")
def test_without_a_model_the_space_says_what_to_set(space):
    environment = {name: value for name, value in os.environ.items() if name != "RECOMMENDER_MODEL"}
    environment |= {"PYTHONPATH": GRADIO, "GRADIO_ANALYTICS_ENABLED": "False"}
    ran = subprocess.run([sys.executable, "app.py"], cwd=space, env=environment, capture_output=True, text=True)
    assert ran.returncode == 1 and ran.stderr.splitlines()[-1].startswith("Expected RECOMMENDER_MODEL")
