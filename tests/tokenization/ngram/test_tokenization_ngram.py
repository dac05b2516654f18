import copy
import json
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from assertions import assert_hub_folder_is_self_contained
from hypothesis import given
from hypothesis import strategies as st
from tiny_ngram import FALLBACKS, TEXTS, tiny_tokenizer, tiny_vocabulary, tokenizer_folder

from traceformers.tokenization.ngram import tokenization_ngram
from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.ngram_vocabulary_file import VocabularyFormatError
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

BATCH = ["More fun than New York city", "", "a b c d", "walking \u6771\u4eac 'tis"]


@pytest.fixture(params=["numba", "python"])
def tok(request):
    return tiny_tokenizer(back_end=request.param)


def rows_of(flat):
    ids, offsets = flat
    return [ids[first:last].tolist() for first, last in pairwise(offsets)]


# -- ids --------------------------------------------------------------------------------------------------


def test_sizes_and_specials(tok):
    assert len(tok) == tok.vocab_size == len(tiny_vocabulary()) == len(tok.get_vocab())
    assert (tok.pad_token, tok.unk_token, tok.pad_token_id, tok.unk_token_id) == ("[PAD]", "[UNK]", 0, 1)
    assert sorted(tok.get_vocab().values()) == list(range(len(tok)))
    assert tok.convert_ids_to_tokens(list(range(len(tok)))) == tiny_vocabulary().tokens
    assert tok.convert_tokens_to_ids(tiny_vocabulary().tokens) == list(range(len(tok)))
    assert tok.convert_tokens_to_ids("nowhere") == tok.unk_token_id
    assert tok.model_max_length == 512 and tok.model_input_names == ["input_ids", "attention_mask"]


@given(texts=st.lists(TEXTS, min_size=1, max_size=5), max_length=st.integers(1, 9))
def test_a_call_gives_the_ids_of_encode_flat(texts, max_length):
    tok = tiny_tokenizer()
    rows = rows_of(tok.encode_flat(texts, max_length))
    encoding = tok(texts, padding=True, truncation=True, max_length=max_length, return_tensors="np")
    ids, mask = encoding["input_ids"], encoding["attention_mask"]
    assert ids.shape == mask.shape == (len(texts), max(map(len, rows)))
    for row, found, kept in zip(rows, ids, mask, strict=True):
        assert found.tolist() == row + [0] * (len(found) - len(row)) and kept.sum() == len(row)
    assert tok(texts, truncation=True, max_length=max_length)["input_ids"] == rows
    assert [tok(text)["input_ids"] for text in texts] == rows_of(tok.encode_flat(texts, 10**9))


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"padding": True},
        {"padding": True, "padding_side": "left"},
        {"padding": "max_length", "max_length": 12, "truncation": True},
        {"padding": "max_length", "max_length": 3, "truncation": True},
        {"padding": "max_length", "max_length": 2},
        {"padding": True, "pad_to_multiple_of": 8},
        {"truncation": True, "max_length": 2},
        {"padding": True, "return_attention_mask": False},
        {"padding": True, "return_tensors": "pt"},
        {"padding": True, "return_tensors": "np"},
    ],
    ids=str,
)
def test_the_fast_path_gives_what_the_library_gives(tok, arguments, monkeypatch):
    fast, one = tok(BATCH, **arguments), tok(BATCH[0], **arguments)
    monkeypatch.setattr(NgramTokenizer, "_is_plain", lambda self, texts, arguments: False)
    for found, expected in ((fast, tok(BATCH, **arguments)), (one, tok(BATCH[0], **arguments))):
        assert list(found) == list(expected)
        for name in found:
            assert type(found[name]) is type(expected[name])
            assert getattr(found[name], "dtype", None) == getattr(expected[name], "dtype", None)
            assert (
                getattr(found[name], "tolist", lambda rows=found[name]: rows)()
                == getattr(expected[name], "tolist", lambda rows=expected[name]: rows)()
            )


def test_rows_of_several_lengths_are_no_tensor_without_padding(tok):
    with pytest.raises(ValueError, match="padding"):
        tok(BATCH, return_tensors="pt")


def test_a_text_is_never_a_special_token(tok):
    assert tok("[PAD] [UNK]")["input_ids"] == tok("pad unk")["input_ids"]
    assert tok("[PAD] a", split_special_tokens=False)["input_ids"][0] == tok.pad_token_id


def test_pairs_and_split_words_are_texts_one_after_the_other(tok):
    pair = tok("new york", "big city")["input_ids"]
    assert pair == tok("new york")["input_ids"] + tok("big city")["input_ids"]
    assert tok(["new", "york"], is_split_into_words=True)["input_ids"] == tok("new york")["input_ids"]
    assert tok([["new", "york"], ["a"]], is_split_into_words=True)["input_ids"] == tok(["new york", "a"])["input_ids"]


def test_cutting_from_the_left_keeps_the_last_ids(tok):
    tok = copy.deepcopy(tok)
    tok.truncation_side = "left"
    whole = tok(BATCH[0])["input_ids"]
    assert tok(BATCH[0], truncation=True, max_length=2)["input_ids"] == whole[-2:]


def test_encode_flat_cuts_at_the_models_length_and_a_call_only_when_asked(tok):
    text = "a " * 600
    assert len(tok.encode_flat([text])[0]) == 512 == len(tok(text, truncation=True)["input_ids"])
    assert len(tok(text)["input_ids"]) > 512
    assert len(tok.encode_flat([text], 10**12)[0]) == len(tok(text)["input_ids"])


def test_an_empty_batch(tok):
    for padding in (True, False):
        assert dict(tok([], padding=padding)) == {"input_ids": [], "attention_mask": []}
    assert tok.encode_flat([])[1].tolist() == [0]


@pytest.mark.parametrize("texts", ["one", [None], [1], ["a", b"b"], None])
def test_what_is_no_text_is_refused(tok, texts):
    with pytest.raises(TypeError, match=r"Expected .*, got"):
        tok.encode_flat(texts)
    if texts not in ("one", [1]):  # a call takes one text, and as any tokenizer's, numbers for ids
        with pytest.raises((TypeError, ValueError)):
            tok(texts)


# -- text back --------------------------------------------------------------------------------------------


@given(
    st.lists(st.sampled_from(["new", "york", "city", "a", "b", "c", "more", "than", "walking", "don't"])).map(" ".join)
)
def test_ids_decode_to_the_words(text):
    tok = tiny_tokenizer()
    ids = tok(text)["input_ids"]
    assert tok.decode(ids, skip_special_tokens=True).split() == words_of(text)


def test_decoding_names_what_is_not_known(tok):
    assert tok.decode(tok("Zzz, NEW York walking!")["input_ids"]) == "[UNK] new york walking"
    assert tok.decode([0, 1], skip_special_tokens=True) == ""
    assert tok.batch_decode([[2], [3]]) == [tok.decode([2]), tok.decode(3)]


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fallback", FALLBACKS)
def test_a_saved_tokenizer_comes_back_to_the_bit(fallback, tmp_path):
    tok = NgramTokenizer(vocabulary=tiny_vocabulary(fallback), model_max_length=7)
    tok.save_pretrained(tmp_path / "one")
    again = NgramTokenizer.from_pretrained(tmp_path / "one")
    again.save_pretrained(tmp_path / "two")
    names = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "two").iterdir())
    for name in set(names) - {"tokenizer_config.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    one, two = (json.loads((tmp_path / name / "tokenizer_config.json").read_text()) for name in ("one", "two"))
    assert one.items() <= two.items()  # the library notes where it was loaded from
    assert again.model_max_length == 7 and again.vocabulary.tokens == tok.vocabulary.tokens
    assert rows_of(again.encode_flat(BATCH)) == rows_of(tok.encode_flat(BATCH))


def test_the_back_end_is_not_saved(tmp_path):
    NgramTokenizer(vocabulary=tiny_vocabulary(), back_end="python").save_pretrained(tmp_path)
    assert "back_end" not in json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert NgramTokenizer.from_pretrained(tmp_path).back_end == tiny_tokenizer().back_end
    assert NgramTokenizer.from_pretrained(tmp_path, back_end="python").back_end == "python"


def test_without_numba_the_default_is_python(monkeypatch):
    expected = rows_of(tiny_tokenizer().encode_flat(BATCH))
    monkeypatch.setattr(tokenization_ngram, "numba", None)
    tok = NgramTokenizer(vocabulary=tiny_vocabulary())
    assert tok.back_end == "python" and rows_of(tok.encode_flat(BATCH)) == expected


def test_a_copy_gives_the_same_ids(tok):
    assert rows_of(copy.deepcopy(tok).encode_flat(BATCH)) == rows_of(tok.encode_flat(BATCH))


def test_tokens_can_be_added_as_to_any_tokenizer():
    tok = NgramTokenizer(vocabulary=tiny_vocabulary(), split_special_tokens=False)
    before = len(tok)
    assert tok.add_tokens(["<mark>"]) == 1 and len(tok) == before + 1
    assert before in tok("new <mark> york")["input_ids"]


@pytest.mark.parametrize("arguments", [{}, {"vocab_file": "x", "vocabulary": assemble(["a"])}])
def test_exactly_one_vocabulary_is_given(arguments):
    with pytest.raises(ValueError, match=r"Expected either vocab_file or vocabulary, got (neither|both)\. Give"):
        NgramTokenizer(**arguments)


def test_an_unknown_back_end_is_refused():
    with pytest.raises(ValueError, match="numba, python, got 'rust'"):
        NgramTokenizer(vocabulary=tiny_vocabulary(), back_end="rust")


def test_a_damaged_file_is_refused_with_its_name(tmp_path):
    tiny_tokenizer().save_pretrained(tmp_path)
    path = tmp_path / "ngram_vocabulary.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(VocabularyFormatError, match=rf"{path} is cut or damaged"):
        NgramTokenizer.from_pretrained(tmp_path)


def test_loading_decodes_no_tokens():
    tok = NgramTokenizer.from_pretrained(tokenizer_folder())
    assert not {"tokens", "ids"} & set(vars(tok.vocabulary))


VISIT = """
import json, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {absent}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from transformers import AutoTokenizer
folder, again, batch = {folder!r}, {again!r}, {batch!r}
for source in (folder, again):
    tok = AutoTokenizer.from_pretrained(source, trust_remote_code=True)
    print(json.dumps([type(tok).__module__, tok.back_end, [tok(text)["input_ids"] for text in batch]]))
    tok.save_pretrained(again)
"""


@pytest.mark.parametrize(
    ("absent", "back_end"),
    [
        (("traceformers", "numba"), "python"),
        pytest.param(("traceformers",), "numba", marks=pytest.mark.slow),  # compiles the kernel of the copied file
    ],
)
def test_a_saved_folder_loads_without_our_package(tmp_path, absent, back_end):
    tiny_tokenizer().save_pretrained(tmp_path / "first")
    assert_hub_folder_is_self_contained(tmp_path / "first")
    folders = {"folder": str(tmp_path / "first"), "again": str(tmp_path / "second")}
    script = VISIT.format(absent=absent, batch=BATCH, **folders)
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-3000:]
    for line in run.stdout.splitlines()[-2:]:
        module, found_back_end, rows = json.loads(line)
        assert module.startswith("transformers_modules.") and found_back_end == back_end
        assert rows == rows_of(tiny_tokenizer().encode_flat(BATCH))


def test_tensors_are_torch_int64(tok):
    encoding = tok(BATCH, padding=True, return_tensors="pt")
    assert encoding["input_ids"].dtype == encoding["attention_mask"].dtype == torch.int64


def test_the_core_needs_neither_torch_nor_transformers():
    script = (
        "import sys; from traceformers.tokenization.ngram import ngram_kernel, ngram_reference, ngram_vocabulary; "
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
