import json

import h5py
import numpy as np
import pytest
from safetensors.numpy import save_file

from traceformers.training.vocabulary import vocabulary_import
from traceformers.training.vocabulary.vocabulary_import import import_vocabulary

TOKENS = ["[PAD]", "[UNK]", "new", "york", "y##", "##s", "new york", "new _ york"]
VECTORS = np.arange(8 * 3, dtype=np.float32).reshape(8, 3)


def write_tokens(path, tokens):
    path.write_text("\n".join(tokens) + "\n" if path.suffix == ".txt" else json.dumps(tokens))
    return path


def write_table(path, table):
    if path.suffix == ".npy":
        np.save(path, table)
    elif path.suffix == ".safetensors":
        save_file({"vectors": table, "norms": np.ones(len(table), np.float32)}, path)
    else:
        with h5py.File(path, "w") as file:
            file["group/embeddings"] = table
            file["norms"] = np.ones(len(table))
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "npy", "h5", "hdf5"])
@pytest.mark.parametrize("form", ["txt", "json", "ids.json"])
def test_tokens_and_embeddings_come_in_every_format(tmp_path, suffix, form):
    tokens = {token: i for i, token in enumerate(TOKENS)} if form == "ids.json" else TOKENS
    tokens = write_tokens(tmp_path / f"tokens.{form}", tokens)
    vocabulary, vectors = import_vocabulary(tokens, write_table(tmp_path / f"table.{suffix}", VECTORS), dimension=3)
    assert vocabulary.tokens == TOKENS and (vectors == VECTORS).all()


def test_missing_specials_are_put_before_the_others(tmp_path):
    tokens = write_tokens(tmp_path / "t.txt", ["new", "york", "[UNK]", "y##"])
    vocabulary, vectors = import_vocabulary(tokens, write_table(tmp_path / "t.npy", VECTORS[:4]))
    assert vocabulary.tokens == ["[PAD]", "[UNK]", "new", "york", "y##"]
    assert vectors.tolist() == [[0, 0, 0], *VECTORS[[2, 0, 1, 3]].tolist()]
    tokens = write_tokens(tmp_path / "t.txt", ["new", "york", "y##"])
    vocabulary, vectors = import_vocabulary(tokens, write_table(tmp_path / "t.npy", VECTORS[:3]))
    assert vectors[1].tolist() == VECTORS[:2].mean(axis=0).tolist(), "[UNK] is the mean of the words"


@pytest.mark.parametrize(
    ("tokens", "table", "message"),
    [
        (TOKENS[:7], VECTORS, r"one row of embeddings a token, got 7 tokens in .*t\.txt and 8 rows in .*t\.npy"),
        ([*TOKENS[:7], "new"], VECTORS, r"every token once in .*t\.txt, got 1 duplicates: 'new' \(lines 3 and 8\)"),
        ([*TOKENS[:7], "New York!"], VECTORS, r"as tokenization/ngram spells them.*'New York!'"),
        ([*TOKENS[:7], "new haven"], VECTORS, r"'new haven'.*no 'haven'"),
        (TOKENS, VECTORS[:, :2], r"embeddings of width 3, got 2 in .*t\.npy"),
        (
            TOKENS,
            np.where(VECTORS == 10, np.nan, VECTORS),
            r"finite embeddings in .*t\.npy, got others in rows 3 \('york'\)",
        ),
        (TOKENS, VECTORS[0], r"a table of numbers \(tokens, width\).* got float32 of shape \(3,\)"),
        (TOKENS, VECTORS.astype(int), r"a table of numbers.* got int64"),
    ],
)
def test_what_does_not_fit_together_is_named(tmp_path, tokens, table, message):
    with pytest.raises(ValueError, match=message):
        import_vocabulary(write_tokens(tmp_path / "t.txt", tokens), write_table(tmp_path / "t.npy", table), dimension=3)


def test_an_array_that_needs_code_to_be_read_is_refused(tmp_path):
    np.save(tmp_path / "t.npy", np.array([{"a": 1}], object), allow_pickle=bool(1))
    with pytest.raises(ValueError, match=r"t\.npy, got what numpy cannot read without running code"):
        import_vocabulary(write_tokens(tmp_path / "t.txt", TOKENS), tmp_path / "t.npy")


@pytest.mark.parametrize("suffix", ["safetensors", "npy", "h5"])
def test_a_damaged_file_is_named(tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(b"no table at all")
    with pytest.raises(ValueError, match=rf"Expected .*t\.{suffix}"):
        import_vocabulary(write_tokens(tmp_path / "t.txt", TOKENS), path)


def test_other_formats_and_missing_files_are_errors(tmp_path):
    tokens = write_tokens(tmp_path / "t.txt", TOKENS)
    with pytest.raises(ValueError, match=r"\.safetensors, \.npy, \.h5, \.hdf5, got t\.csv"):
        import_vocabulary(tokens, tmp_path / "t.csv")
    with pytest.raises(FileNotFoundError, match="found no file"):
        import_vocabulary(tokens, tmp_path / "t.npy")
    (tmp_path / "ids.json").write_text('{"a": 0, "b": 2}')
    with pytest.raises(ValueError, match="ids 0 to 1"):
        import_vocabulary(tmp_path / "ids.json", write_table(tmp_path / "t.npy", VECTORS))
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"UTF-8 lines or JSON in .*binary\.txt"):
        import_vocabulary(tmp_path / "binary.txt", tmp_path / "t.npy")


def test_of_two_tables_the_name_decides(tmp_path):
    tokens = write_tokens(tmp_path / "t.txt", TOKENS)
    save_file({"vectors": VECTORS, "other": VECTORS + 1}, tmp_path / "a.safetensors")
    assert (import_vocabulary(tokens, tmp_path / "a.safetensors")[1] == VECTORS).all()
    save_file({"one": VECTORS, "other": VECTORS}, tmp_path / "b.safetensors")
    with pytest.raises(
        ValueError, match=r"one table in .*got arrays \['one', 'other'\].*Name the embeddings 'vectors'"
    ):
        import_vocabulary(tokens, tmp_path / "b.safetensors")


def test_without_h5py_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(vocabulary_import, "h5py", None)
    table = write_table(tmp_path / "t.h5", VECTORS)
    with pytest.raises(ValueError, match=r"package h5py.*convert the table to \.safetensors or \.npy"):
        import_vocabulary(write_tokens(tmp_path / "t.txt", TOKENS), table)
