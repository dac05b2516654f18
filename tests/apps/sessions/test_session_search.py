"""Search: the nearest are those of brute force, words of the logs are found, a file finds itself."""

import numpy as np
import pytest
from tiny_session_index import index_folder, session_model_folder, write_visit

from traceformers.apps.sessions.session_index import SessionIndex
from traceformers.apps.sessions.session_model import SessionModel
from traceformers.apps.sessions.session_search import search_like, search_text


@pytest.fixture(scope="module")
def index():
    return SessionIndex(index_folder())


def load_model():
    return SessionModel(session_model_folder())


def no_model():
    raise AssertionError("no model is needed here")


def test_like_a_session_gives_the_nearest_without_itself_and_needs_no_model(index):
    name = index.columns["session_id"][3]
    found = search_like(index, name, no_model, top_k=5)
    cosines = index.vectors @ index.vectors[3]
    cosines[3] = -np.inf
    expected = [index.columns["session_id"][i] for i in np.argsort(-cosines, kind="stable")[:5]]
    assert [session.session_id for session in found] == expected and [s.rank for s in found] == [1, 2, 3, 4, 5]
    assert search_like(index, index.columns["file"][3], no_model, top_k=5) == found


def test_like_a_file_finds_that_session_first(index, tmp_path):
    found = search_like(index, str(write_visit(tmp_path / "copy.json.gz", 7)), load_model, top_k=3)
    assert {session.session_id: session.score for session in found}["visit_07"] == pytest.approx(1.0, abs=1e-5)


def test_like_nothing_known_is_an_error(index, tmp_path):
    with pytest.raises(ValueError, match="neither"):
        search_like(index, str(tmp_path / "nowhere.json"), no_model)


def test_words_find_the_sessions_that_say_them(index):
    found = search_text(index, "offer 7", no_model, top_k=1, word_weight=1.0)
    assert found[0].session_id == "visit_07" and "offer 7" in found[0].why
    enraged = search_text(index, "rage click", no_model, top_k=3, word_weight=1.0)
    assert {session.session_id for session in enraged} == {"visit_00", "visit_04", "visit_08"}


def test_a_text_by_vectors_alone_is_the_ranking_of_cosines(index):
    (vector,) = load_model().embed_texts(["Add to cart"])
    expected = [index.columns["session_id"][i] for i in np.argsort(-(index.vectors @ vector), kind="stable")]
    found = search_text(index, "Add to cart", load_model, top_k=12, word_weight=0.0)
    assert [session.session_id for session in found] == expected


def test_words_and_vectors_joined_give_every_session_once(index):
    found = search_text(index, "offer 7", load_model, top_k=100)
    assert len({session.session_id for session in found}) == len(found) == 12
    assert found[0].session_id == "visit_07"


@pytest.mark.parametrize(("text", "weight"), [(" ", 0.5), ("a", 1.5)])
def test_empty_texts_and_weights_out_of_range_are_refused(index, text, weight):
    with pytest.raises(ValueError, match="Expected a text and a weight"):
        search_text(index, text, no_model, word_weight=weight)


def test_words_that_no_log_has_find_nothing_but_are_no_error(index):
    assert all(session.score == 0.0 for session in search_text(index, "xylophone", no_model, word_weight=1.0))
    assert all(session.score == 0.0 for session in search_text(index, "?", no_model, word_weight=1.0))
