import json

import numpy as np
import pytest
from safetensors import safe_open
from tiny_teacher import tiny_teacher

from traceformers.tokenization.ngram.ngram_vocabulary import BUCKET, NGRAM, SKIPGRAM, WORD
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.distillation.teacher import load_teacher
from traceformers.training.vocabulary import vocabulary_build
from traceformers.training.vocabulary.entry_embeddings import entry_vectors
from traceformers.training.vocabulary.ngram_counts import count_entries, count_ngrams
from traceformers.training.vocabulary.vocabulary_build import Corpus, VocabularyOptions, build_vocabulary

SENTENCES = [
    "the red cat is in new york",
    "a dog and the cat in the house",
    "search the street of new york and the river",
    "walking in new york is the best",
    "the bank of the river is green",
]
FILES = ["entry_counts.safetensors", "entry_vectors.safetensors", "ngram_vocabulary.safetensors", "report.json"]


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return load_teacher(tiny_teacher(tmp_path_factory.mktemp("teacher")), device="cpu", precision="float32")


@pytest.fixture
def texts(tmp_path):
    lines = [SENTENCES[i % 5] + (f" rare{'abcdefghij'[i % 10]}" if i < 10 else "") for i in range(250)]
    (tmp_path / "texts.txt").write_text("\n".join(lines))
    return tmp_path / "texts.txt"


def built(texts, teacher, folder, **options):
    options = VocabularyOptions(**{"words": 25, "ngrams": 6, **options})
    return build_vocabulary(Corpus(texts, progress=False), teacher, options, folder)


def tensor(path, name):
    with safe_open(path, "np") as file:
        return file.get_tensor(name), file.metadata()


@pytest.mark.parametrize("selection", ["count", "gain", "pmi"])
def test_the_folder_holds_tokenizer_vectors_and_counts_in_one_order(texts, teacher, tmp_path, selection):
    report = built(texts, teacher, tmp_path / "out", selection=selection, skipgrams=3)
    tok = NgramTokenizer.from_pretrained(tmp_path / "out")
    vocabulary = tok.vocabulary
    vectors, header = tensor(tmp_path / "out" / "entry_vectors.safetensors", "vectors")
    counts, _ = tensor(tmp_path / "out" / "entry_counts.safetensors", "counts")
    assert len(vocabulary) == len(vectors) == len(counts) == report["entries"]
    assert vectors.dtype == np.float16 and vectors.shape[1] == teacher.dimension and counts.dtype == np.int64
    assert json.loads(header["teacher"]) == teacher.fingerprint
    i = vocabulary.ids["york"]
    assert np.abs(vectors[i] - teacher.encode(["york"])[0]).max() < 1e-3
    corpus = Corpus(texts, progress=False)
    assert (counts == count_entries(tok, corpus.texts("x"), len(vocabulary))).all()
    kinds = np.asarray(vocabulary.kinds)
    assert 0 < (kinds == NGRAM).sum() <= 6 and 0 < (kinds == SKIPGRAM).sum() <= 3 and (kinds == WORD).sum() <= 25
    assert (counts[kinds >= NGRAM] >= 3).all(), "an entry that is never matched is of no use"
    assert report["coverage"]["held-out texts"]["texts"] == 2 and report["corpus"]["texts"] == 248


def test_pieces_spell_what_is_rare_and_single_characters_stay(texts, teacher, tmp_path):
    report = built(texts, teacher, tmp_path / "out")
    tok = NgramTokenizer.from_pretrained(tmp_path / "out")
    assert [tok.vocabulary.tokens[i] for i in tok.encode_flat(["rareb the rareb"])[0]] == [
        *("r##", "##a", "##r", "##e", "##b", "the", "r##", "##a", "##r", "##e", "##b")
    ]
    assert "q##" in tok.vocabulary.ids and "##q" in tok.vocabulary.ids and "é##" not in tok.vocabulary.ids
    assert "##ness" not in tok.vocabulary.ids, "no word of the corpus needs it"
    assert report["classes"]["first piece"]["why"]


def test_buckets_and_nothing_for_unknown_words(texts, teacher, tmp_path):
    built(texts, teacher, tmp_path / "buckets", unknown_words="buckets", buckets=4)
    vocabulary = NgramTokenizer.from_pretrained(tmp_path / "buckets").vocabulary
    assert (np.asarray(vocabulary.kinds) == BUCKET).sum() == 4 and not vocabulary.has_pieces
    built(texts, teacher, tmp_path / "unk", unknown_words="unk", ngrams=0)
    tok = NgramTokenizer.from_pretrained(tmp_path / "unk")
    assert tok.encode_flat(["rareb"])[0].tolist() == [1]


def test_a_teacher_without_wordpiece_needs_buckets(texts, teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(teacher, "wordpieces", lambda: None)
    with pytest.raises(
        ValueError, match=r"WordPiece tokenizer for --unknown-words pieces.*Use --unknown-words buckets"
    ):
        built(texts, teacher, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    built(texts, teacher, tmp_path / "out", unknown_words="buckets", buckets=4)


def test_the_same_build_gives_the_same_bytes_whatever_the_memory(texts, teacher, tmp_path):
    contents = []
    for name, memory in (("one", {}), ("two", {"memory_words": 20, "memory_keys": 40})):
        options = VocabularyOptions(words=25, ngrams=6, skipgrams=2)
        build_vocabulary(Corpus(texts, progress=False), teacher, options, tmp_path / name, **memory)
        contents.append([(tmp_path / name / file).read_bytes() for file in FILES])
    assert contents[0] == contents[1]
    assert [path.name for path in (tmp_path / "two" / "work").iterdir() if path.is_dir()] == ["entries"]


def test_interrupted_it_goes_on_with_what_was_counted_and_encoded(texts, teacher, tmp_path, monkeypatch):
    built(texts, teacher, tmp_path / "whole")

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(vocabulary_build, "count_ngrams", stop)
    with pytest.raises(KeyboardInterrupt):
        built(texts, teacher, tmp_path / "out")
    assert (tmp_path / "out" / "work" / "scratch" / "word_ids").exists()
    monkeypatch.setattr(vocabulary_build, "count_ngrams", count_ngrams)
    monkeypatch.setattr(vocabulary_build, "entry_vectors", stop)
    with pytest.raises(KeyboardInterrupt):
        built(texts, teacher, tmp_path / "out")
    assert not (tmp_path / "out" / "ngram_vocabulary.safetensors").exists()
    assert not (tmp_path / "out" / "work" / "scratch").exists()
    monkeypatch.setattr(vocabulary_build, "entry_vectors", entry_vectors)
    monkeypatch.setattr(vocabulary_build, "count_words", stop)
    built(texts, teacher, tmp_path / "out")
    for name in FILES:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    texts.write_text("other words, three times\n" * 9)
    with pytest.raises(KeyboardInterrupt):  # other texts are counted again
        built(texts, teacher, tmp_path / "out")


def test_few_texts_are_covered_by_themselves(teacher, tmp_path):
    (tmp_path / "few.txt").write_text("the cat\n" * 5)
    report = built(tmp_path / "few.txt", teacher, tmp_path / "out")
    assert report["coverage"]["the texts themselves"]["known"] == 1
    (tmp_path / "heldout.jsonl").write_text('{"text": "the dog"}')
    corpus = Corpus(tmp_path / "few.txt", heldout=[tmp_path / "heldout.jsonl"], progress=False)
    report = build_vocabulary(corpus, teacher, VocabularyOptions(words=9, ngrams=0), tmp_path / "out")
    assert report["coverage"]["held-out texts"]["known"] == 0.5


def test_options_out_of_range_are_errors(texts, teacher, tmp_path):
    with pytest.raises(ValueError, match="selection of count, gain, pmi, got 'best'"):
        VocabularyOptions(selection="best")
    with pytest.raises(ValueError, match="words of at least 1, got 0"):
        VocabularyOptions(words=0)
    with pytest.raises(ValueError, match=r"at least 900 times, got .* Give more texts, or a smaller --min-count"):
        built(texts, teacher, tmp_path / "out", min_count=900)
