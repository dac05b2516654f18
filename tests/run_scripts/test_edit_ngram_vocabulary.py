import json

import pytest
import torch
from tiny_teacher import tiny_teacher

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.run_scripts.edit_ngram_vocabulary import main, parse
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

VOCABULARY = assemble(["new", "york", "cat", "dog", "the"], ["n"], ["x"], ngrams=["new york"])
TEXT = "the red cat\n" * 6 + "the dog\n"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.fixture
def model(teacher, tmp_path):
    torch.manual_seed(0)
    config = NgramEncoderConfig(
        vocab_size=len(VOCABULARY), hidden_size=16, teacher_name=teacher, teacher_pooling="mean"
    )
    encoder = NgramEncoderModel(config)
    encoder.set_vocabulary(VOCABULARY)
    encoder.fold().save_pretrained(tmp_path / "model")
    NgramTokenizer(vocabulary=VOCABULARY, model_max_length=77).save_pretrained(tmp_path / "model")
    (tmp_path / "texts.txt").write_text(TEXT)
    return str(tmp_path / "model")


def run(model, tmp_path, *arguments):
    main([model, *arguments, "--teacher-precision", "float32", "--output-dir", f"{tmp_path}/out"])
    return NgramTokenizer.from_pretrained(tmp_path / "out"), NgramEncoderModel.from_pretrained(tmp_path / "out")


def test_words_of_new_texts_are_added(model, tmp_path, capsys):
    cache = tmp_path / "cache"
    arguments = (f"{tmp_path}/texts.txt", "--add-words", "9", "--add-ngrams", "2", "--cache", str(cache))
    tokenizer, edited = run(model, tmp_path, *arguments)
    assert tokenizer.vocabulary.tokens == [*VOCABULARY.tokens, "red", "the red", "red cat"]
    assert edited.config.vocab_size == len(VOCABULARY) + 3 and tokenizer.model_max_length == 77
    printed = capsys.readouterr()
    assert "10 entries, 0 pruned, 3 added: 13 ->" in printed.out and "reading texts" in printed.err
    assert list(cache.iterdir()), "the next edit need not encode them again"
    (done,) = json.loads((tmp_path / "out" / "vocabulary_edits.json").read_text())
    assert done["tokens_added"] == ["red", "the red", "red cat"] and done["entries"] == 13


def test_rare_entries_and_named_ones_are_pruned_and_others_added(model, tmp_path):
    (tmp_path / "add.txt").write_text("house\nthe house\n")
    (tmp_path / "prune.txt").write_text("cat\n")
    named = ("--add-tokens", f"{tmp_path}/add.txt", "--prune-tokens", f"{tmp_path}/prune.txt", "--quiet")
    tokenizer, edited = run(model, tmp_path, f"{tmp_path}/texts.txt", "--prune-below", "1", *named)
    assert tokenizer.vocabulary.tokens == ["[PAD]", "[UNK]", "dog", "the", "n##", "##x", "house", "the house"]
    assert edited.table.shape == (8, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected something to add or prune"),
        (["--add-words", "5"], "got no text file"),
        (["texts.txt"], "got text files only"),
        (["texts.txt", "--add-words", "5", "--teacher", "other"], "vectors of width 16, got 8"),
        (["--prune-tokens", "texts.txt"], r"tokens of the model to prune, got \d others: \['the red cat'"),
        (["--add-tokens", "tokens.txt"], "Expected every token once, got 'cat' twice"),
    ],
)
def test_what_does_not_fit_is_one_clear_line_and_writes_nothing(model, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    tiny_teacher("other", dimension=8)
    (tmp_path / "tokens.txt").write_text("cat\n")
    with pytest.raises(SystemExit, match=f"^edit_ngram_vocabulary: .*{message}"):
        run(model, tmp_path, *arguments)
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_in_it_is_not_written_to(model, tmp_path):
    with pytest.raises(SystemExit, match="--output-dir to be new or empty"):
        main([model, f"{tmp_path}/texts.txt", "--prune-below", "1", "--output-dir", model])


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        parse(["--help"])
    assert "python run_scripts/edit_ngram_vocabulary.py runs/encoder" in capsys.readouterr().out
