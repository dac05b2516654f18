import json
import shutil

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from tiny_teacher import tiny_teacher

from traceformers.run_scripts.build_ngram_vocabulary import main, parse
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def texts(tmp_path):
    (tmp_path / "texts.txt").write_text("the cat in new york\nthe dog of new york\n" * 60)
    return str(tmp_path / "texts.txt")


def test_the_command_builds_and_says_what_it_built(texts, teacher, tmp_path, capsys):
    out = tmp_path / "out"
    main([texts, "--teacher", teacher, "--teacher-precision", "float32", "--ngrams", "3", "--output-dir", str(out)])
    printed = capsys.readouterr()
    assert "7 words" in printed.out and "100.00% known" in printed.out and "report.md" in printed.out
    assert "counting words" in printed.err and "encoding" in printed.err
    assert (out / "report.md").exists() and "new york" in NgramTokenizer.from_pretrained(out).vocabulary.ids


def test_a_teacher_whose_config_names_no_similarity_gets_one(texts, teacher, tmp_path):
    copy = tmp_path / "teacher"
    shutil.copytree(teacher, copy)
    about = json.loads((copy / "config_sentence_transformers.json").read_text())
    (copy / "config_sentence_transformers.json").write_text(json.dumps(about | {"similarity_fn_name": "euclidean"}))
    given = [texts, "--teacher", str(copy), "--quiet", "--output-dir"]
    with pytest.raises(SystemExit, match="Choose one with --teacher_similarity"):
        main([*given, str(tmp_path / "none")])
    main([*given, str(tmp_path / "out"), "--teacher-similarity", "dot"])
    with safe_open(tmp_path / "out" / "entry_vectors.safetensors", "np") as file:
        assert json.loads(file.metadata()["teacher"])["similarity"] == "dot"


def test_a_vocabulary_is_imported_with_its_embeddings(texts, teacher, tmp_path, capsys):
    (tmp_path / "tokens.txt").write_text("the\ncat\nnew\nyork\nnew york\n")
    np.save(tmp_path / "vectors.npy", np.arange(5 * 16, dtype=np.float32).reshape(5, 16))
    given = ["--from-tokens", f"{tmp_path}/tokens.txt", "--embeddings", f"{tmp_path}/vectors.npy", "--quiet"]
    main([texts, *given, "--teacher", teacher, "--output-dir", f"{tmp_path}/out"])
    vectors = load_file(tmp_path / "out" / "entry_vectors.safetensors")["vectors"]
    assert vectors.shape == (7, 16) and vectors[2:].tolist() == np.arange(80).reshape(5, 16).tolist()
    assert load_file(tmp_path / "out" / "entry_counts.safetensors")["counts"].tolist() == [0, 178, 119, 60, 0, 0, 119]
    main([*given, "--output-dir", f"{tmp_path}/without_texts"])
    counts = load_file(tmp_path / "without_texts" / "entry_counts.safetensors")["counts"]
    assert counts.tolist() == [0, 1, 1, 1, 1, 1, 1]
    np.save(tmp_path / "vectors.npy", np.zeros((5, 8), np.float32))
    with pytest.raises(SystemExit, match="embeddings of width 16, got 8"):
        main([*given, "--teacher", teacher, "--output-dir", f"{tmp_path}/out"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected text files, got none"),
        (["--from-tokens", "x.txt"], "--from-tokens and --embeddings together"),
        (["nowhere.txt"], r"Expected text files at nowhere\.txt"),
    ],
)
def test_what_is_missing_is_one_clear_line(tmp_path, arguments, message):
    with pytest.raises(SystemExit, match=rf"^build_ngram_vocabulary: .*{message}"):
        main([*arguments, "--output-dir", str(tmp_path / "out")])


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "python run_scripts/build_ngram_vocabulary.py README.md" in capsys.readouterr().out
