"""ItemTokenizer: item ids of any spelling to token ids and back, in lists, in rows and as text."""

import json
import re
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_recommender import DIRECTORS, GENRES, HISTORIES, ITEMS, TITLES, WRITERS, YEARS, tiny_item_tokenizer
from transformers import AutoTokenizer

from traceformers.tokenization.item.item_vocabulary import ItemVocabularyError
from traceformers.tokenization.item.tokenization_item import FIRST_ITEM_ID, ItemTokenizer

#: Any text but the empty one, halves of surrogate pairs too.
IDS = st.text(st.characters(), min_size=1, max_size=6)


def rows_of(ids, offsets):
    return [row.tolist() for row in np.split(ids, offsets[1:-1])]


# --- ids and back -------------------------------------------------------------------------------------------


@given(st.lists(IDS, min_size=1, max_size=12, unique=True), st.data())
def test_histories_come_back_whatever_the_ids_are(items, data):
    tokenizer = ItemTokenizer(items=items)
    histories = data.draw(st.lists(st.lists(st.sampled_from(items), max_size=5), max_size=4))
    ids, offsets, unknown = tokenizer.encode_histories(histories)
    assert unknown == 0
    assert ids.dtype == np.int32
    assert offsets.dtype == np.int64
    found = [[tokenizer.item_of(i) for i in row] for row in rows_of(ids, offsets)][: len(histories)]
    assert found == histories


@given(st.lists(IDS, min_size=1, max_size=12, unique=True))
def test_a_saved_tokenizer_is_equal(items):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        ItemTokenizer(items=items, titles=items).save_pretrained(folder)
        loaded = ItemTokenizer.from_pretrained(folder)
    assert loaded.items == loaded.titles == items
    assert [loaded.id_of(item) for item in items] == list(range(FIRST_ITEM_ID, FIRST_ITEM_ID + len(items)))


def test_special_tokens_come_first_and_items_after_them():
    tokenizer = tiny_item_tokenizer()
    assert (tokenizer.pad_token_id, tokenizer.mask_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    assert tokenizer.id_of(ITEMS[0]) == FIRST_ITEM_ID == 3
    assert len(tokenizer) == tokenizer.vocab_size == 3 + len(ITEMS)


@pytest.mark.parametrize("item", [1193, "1193", np.int64(1193), np.str_("1193"), np.uint8(9)])
def test_an_integer_is_the_string_of_its_digits(item):
    tokenizer = ItemTokenizer(items=[1193, "9"])
    assert tokenizer.items == ["1193", "9"]
    assert tokenizer.id_of(item) == (4 if item == 9 else 3)
    assert item in tokenizer
    histories = [[item, "1193"], (item,), np.array([item]), [1193, item]]
    ids, offsets, unknown = tokenizer.encode_histories(histories)
    assert unknown == 0
    assert rows_of(ids, offsets)[1] == [tokenizer.id_of(item)]


def test_a_history_never_becomes_a_special_token():
    tokenizer = tiny_item_tokenizer()
    ids, _, unknown = tokenizer.encode_histories([["[MASK]", "[PAD]", "[UNK]"]])
    assert ids.tolist() == [tokenizer.items.index("[MASK]") + 3]
    assert unknown == 2


def test_ids_that_are_no_items_have_no_item():
    tokenizer = tiny_item_tokenizer()
    for token_id in (-1, 0, 2, 3 + len(ITEMS)):
        with pytest.raises(IndexError, match="token id from 3 to 14"):
            tokenizer.item_of(token_id)
    with pytest.raises(KeyError, match="one of the 12 items, got 'new'"):
        tokenizer.id_of("new")


# --- unknown items, long histories --------------------------------------------------------------------------


def test_unknown_items_are_ignored_marked_or_refused():
    tokenizer = ItemTokenizer(items=["a", "b"])
    histories = [["a", "x", "b"], ["y"], [], ["b"]]
    ids, offsets, unknown = tokenizer.encode_histories(histories)
    assert (rows_of(ids, offsets), unknown) == ([[3, 4], [], [], [4]], 2)
    ids, offsets, unknown = tokenizer.encode_histories(histories, unknown="token")
    assert (rows_of(ids, offsets), unknown) == ([[3, 2, 4], [2], [], [4]], 2)
    with pytest.raises(ValueError, match=r"got 2 that it does not hold: 'x', 'y'\. Add them"):
        tokenizer.encode_histories(histories, unknown="error")
    with pytest.raises(ValueError, match="ignore, error, token, got 'drop'"):
        tokenizer.encode_histories(histories, unknown="drop")
    assert tokenizer.unknown_items([["x", "a", "y", "x"]]) == ["x", "y"]


def test_the_newest_known_items_are_kept():
    tokenizer = ItemTokenizer(items=list("abcd"))
    ids, offsets, _ = tokenizer.encode_histories([list("abcd"), ["a", "b", "x", "x"], ["c"], []], max_length=2)
    assert rows_of(ids, offsets) == [[5, 6], [3, 4], [5], []]
    for length in (0, -1, 2.0):
        with pytest.raises(ValueError, match="max_length to be at least 1"):
            tokenizer.encode_histories([[]], max_length=length)


@pytest.mark.parametrize("histories", ["ab", b"ab", {"a": 1}, 7, None, ["ab"], [7], [None], [["a"], "b"], [{"a": 1}]])
def test_what_is_no_list_of_lists_is_refused(histories):
    with pytest.raises(TypeError, match=re.escape("[[1193, 661], [914]]")):
        ItemTokenizer(items=["a", "b"]).encode_histories(histories)


@pytest.mark.parametrize("item", [1193.0, float("nan"), None, True, ["a"], b"a"])
def test_what_is_no_item_id_is_refused(item):
    with pytest.raises(TypeError, match="of type str or int, got"):
        ItemTokenizer(items=["a", "1193", "1"]).encode_histories([["a", item]])


# --- rows and text ------------------------------------------------------------------------------------------


def test_histories_become_rows_with_a_mask():
    tokenizer = tiny_item_tokenizer()
    rows = tokenizer(histories=HISTORIES, padding=True, return_tensors="pt")
    assert rows["input_ids"].shape == (5, 8)
    assert rows["input_ids"].dtype == torch.int64
    assert torch.equal(rows["attention_mask"], (rows["input_ids"] != 0).long())
    for row, history in zip(rows["input_ids"].tolist(), HISTORIES, strict=True):
        assert [tokenizer.item_of(i) for i in row if i] == history
    left = tokenizer(histories=HISTORIES, padding=True, return_tensors="pt", padding_side="left")
    assert left["input_ids"][1].tolist() == [0] * 6 + [tokenizer.id_of(item) for item in HISTORIES[1]]


def test_rows_can_be_plain_cut_or_of_a_fixed_length():
    tokenizer = ItemTokenizer(items=list("abcd"))
    assert tokenizer(histories=[list("abc"), []])["input_ids"] == [[3, 4, 5], []]
    cut = tokenizer(histories=[list("abc"), ["d"]], truncation=True, max_length=2, padding="max_length")
    assert cut["input_ids"] == [[4, 5], [6, 0]]
    assert cut["attention_mask"] == [[1, 1], [1, 0]]
    assert tokenizer(histories=[["a", "x"]], unknown="token")["input_ids"] == [[3, 2]]
    assert "attention_mask" not in tokenizer(histories=[["a"]], return_attention_mask=False)
    assert tokenizer(histories=[])["input_ids"] == []
    with pytest.raises(ValueError, match="either text or histories, got both"):
        tokenizer("a", histories=[["a"]])
    with pytest.raises(TypeError, match="got text_pair"):
        tokenizer(histories=[["a"]], text_pair="b")


def test_rows_of_histories_alone_are_padded_later_by_a_collator():
    tokenizer = ItemTokenizer(items=list("abc"))
    features = [{"input_ids": row} for row in tokenizer(histories=[["a"], ["b", "c"]])["input_ids"]]
    assert tokenizer.pad(features, return_tensors="pt")["input_ids"].tolist() == [[3, 0], [4, 5]]


def test_text_is_split_at_white_space_and_knows_special_tokens():
    tokenizer = ItemTokenizer(items=["1193", "661", "[MASK]"])
    assert tokenizer(" 1193\n661 zzz [MASK]")["input_ids"] == [3, 4, 2, 1]
    assert tokenizer(["1193", "661 1193"], padding=True)["input_ids"] == [[3, 0], [4, 3]]
    assert tokenizer.decode([3, 4, 1]) == "1193 661 [MASK]"
    assert tokenizer.decode([0, 3, 4, 1], skip_special_tokens=True) == "1193 661"


# --- the catalogue ------------------------------------------------------------------------------------------


def test_columns_are_kept_saved_and_loaded(tmp_path):
    tiny_item_tokenizer().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=True)
    assert loaded.items == ITEMS
    assert (loaded.titles, loaded.years, loaded.genres) == (TITLES, YEARS, GENRES)
    assert (loaded.directors, loaded.writers) == (DIRECTORS, WRITERS)
    assert loaded.title_of(3) == TITLES[0]
    assert loaded.title_of(14) == ITEMS[-1]  # no title is known
    assert ItemTokenizer(items=["a"]).titles is None


def test_missing_values_of_data_frames_are_nothing():
    tokenizer = ItemTokenizer(
        items=["a", "b", "c"],
        titles=["x", None, float("nan")],
        years=[1999.0, float("nan"), np.int32(7)],
        genres=[None, ("x", "y"), np.array(["z"])],
    )
    assert tokenizer.titles == ["x", None, None]
    assert tokenizer.years == [1999, None, 7]
    assert tokenizer.genres == [[], ["x", "y"], ["z"]]
    assert json.dumps([tokenizer.titles, tokenizer.years, tokenizer.genres])


def test_added_items_get_the_next_ids_and_leave_the_others_as_they_are(tmp_path):
    tokenizer = ItemTokenizer(items=["a", "b"], years=[1, 2])
    assert tokenizer.add_items(["c", 7], genres=[["x"], []]) == [5, 6]
    assert tokenizer.items == ["a", "b", "c", "7"]
    assert tokenizer.years == [1, 2, None, None]
    assert tokenizer.genres == [[], [], ["x"], []]
    assert len(tokenizer) == 7
    assert tokenizer.encode_histories([[7, "a"]])[0].tolist() == [6, 3]
    assert tokenizer.add_items([]) == []
    tokenizer.save_pretrained(tmp_path)
    assert ItemTokenizer.from_pretrained(tmp_path).genres == tokenizer.genres


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"items": ["b", "a"]}, "got 1 that are there already: 'a'"),
        ({"items": ["b", "b"]}, "each item once, got 1 repetitions: 'b'"),
        ({"items": ["b"], "years": [1, 2]}, "years to hold one entry for each of 1 items, got 2"),
        ({"items": ["b"], "genres": ["x"]}, "genres to hold lists of str, got 'x' at 0"),
    ],
)
def test_items_that_cannot_be_added_change_nothing(call, message):
    tokenizer = ItemTokenizer(items=["a"])
    with pytest.raises(ItemVocabularyError, match=re.escape(message)):
        tokenizer.add_items(**call)
    assert tokenizer.items == ["a"]
    assert tokenizer.years is tokenizer.genres is None
    assert len(tokenizer) == 4


def test_add_tokens_points_at_add_items():
    with pytest.raises(ItemVocabularyError, match="add_items for new items, got add_tokens with 'new'"):
        ItemTokenizer(items=["a"]).add_tokens(["new"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either vocab_file or items, got neither"),
        ({"vocab_file": "x", "items": ["a"]}, "either vocab_file or items, got both"),
        ({"vocab_file": "x", "years": [1]}, "years only with items"),
        ({"items": "abc"}, "list of item ids, got str"),
        ({"items": ["a", ""]}, "at least one character, got '' at 1"),
        ({"items": ["7", 7]}, "got 1 repetitions: '7'"),
        ({"items": ["a"], "titles": "x"}, "titles to be a list, got str"),
        ({"items": ["a"], "titles": [3]}, "titles to hold str or None, got 3 at 0"),
        ({"items": ["a"], "years": ["1999"]}, "years to hold int or None, got '1999' at 0"),
        ({"items": ["a"], "years": [1999.5]}, "years to hold int or None, got 1999.5"),
        ({"items": ["a"], "writers": [[3]]}, "writers to hold lists of str, got [3]"),
        ({"items": ["a"], "genres": [7]}, "genres to hold lists of str, got 7 at 0"),
    ],
)
def test_what_is_no_catalogue_is_refused_with_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ItemTokenizer(**arguments)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "which is not JSON"),
        (b"\xff\xfe", "which is not JSON"),
        (b"[]", "got 'list'"),
        (b'{"format": 2, "items": []}', "got 2 in"),
        (b'{"format": 1}', '"items": [...]'),
        (b'{"format": 1, "items": ["a", "a"]}', "1 repetitions: 'a'"),
        (b'{"format": 1, "items": ["a"], "years": []}', "one entry for each of 1 items, got 0"),
    ],
)
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, content, message):
    path = tmp_path / "item_vocabulary.json"
    path.write_bytes(content)
    with pytest.raises(ItemVocabularyError, match=re.escape(message)):
        ItemTokenizer(vocab_file=str(path))


def test_a_catalogue_of_no_items_is_legal():
    tokenizer = ItemTokenizer(items=[])
    assert len(tokenizer) == 3
    assert tokenizer.encode_histories([["a"]])[2] == 1


@pytest.mark.slow
def test_a_million_items_load_fast(tmp_path):
    n = 1_000_000
    items = list(map(str, range(n)))
    ItemTokenizer(items=items, titles=items, years=[1999] * n, genres=[["x", "y"]] * n).save_pretrained(tmp_path)
    start = time.process_time()
    tokenizer = ItemTokenizer.from_pretrained(tmp_path)
    assert time.process_time() - start < 10  # about 2 s on an idle core; far above it something is quadratic
    assert tokenizer.id_of(n - 1) == n + 2
