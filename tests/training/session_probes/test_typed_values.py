"""Typed words: swapped everywhere, invisible with the privacy switch on, found by the probe with it off."""

import json

import numpy as np
from tiny_rrweb import click, element, meta, mutation, page, snapshot, text_change, tiny_tokenizer, typed

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_probes.typed_values import WORDS, typed_fields, with_typed_word, word_accuracy

FIELDS = [
    element(10, "p", "Welcome"),
    element(20, "input", type="text"),
    element(21, "input", type="password"),
    element(22, "input", type="checkbox"),
]


def search():
    """Somebody types, ticks, types a password; the page says what was typed, and so does the next address."""
    return [
        *page(*FIELDS), typed(20, "app", 50), typed(20, "apple pie", 60), typed(22, "on", 65, checked=True),
        typed(21, "secret", 70), mutation(80, texts=[text_change(1010, "Nothing found for apple pie")]), click(10, 90),
        meta("https://shop.test/?q=apple pie", 100), snapshot(*FIELDS, time=110),
    ]  # fmt: skip


def test_only_what_is_typed_into_text_fields_is_swapped():
    assert typed_fields(read_session(search())) == [2, 3]
    events = with_typed_word(search(), "harbour")
    texts = [event["data"]["text"] for event in events if event["data"].get("source") == 5]
    assert texts == ["har", "harbourha", "on", "secret"]


def test_what_the_page_says_of_it_is_swapped_too_and_said_twice_more():
    told = json.dumps(with_typed_word(search(), "harbour"))
    assert "apple pie" not in told
    assert "Nothing found for harbourha" in told
    assert "q=harbourha" in told
    assert "Results for harbourha" in told
    assert '?q=harbourha"' in told


def test_a_part_of_a_word_of_the_page_is_no_echo_and_what_is_too_short_to_echo_is_left_out():
    session = [
        *page(*FIELDS),
        typed(20, "pine", 50),
        typed(20, "pineapple", 60),
        mutation(80, texts=[text_change(1010, "a pinecone")]),
    ]
    assert "a pinecone" in json.dumps(with_typed_word(session, "harbour"))
    assert with_typed_word([*page(*FIELDS), typed(20, "pine", 50)], "harbour") is None


def test_a_session_without_typing_has_none():
    assert with_typed_word([*page(*FIELDS), click(10)], "harbour") is None


def test_words_are_of_one_length_so_that_lengths_do_not_tell():
    assert len({len(word) for word in WORDS}) == 1


def test_with_the_switch_on_all_words_give_the_same_ids_and_off_others():
    ids = [tiny_tokenizer().tokenize_session(with_typed_word(search(), word)).ids.tolist() for word in WORDS[:3]]
    assert ids[0] == ids[1] == ids[2]
    open_tokenizer = tiny_tokenizer(keep_typed_text=True)
    ids = [open_tokenizer.tokenize_session(with_typed_word(search(), word)).ids.tolist() for word in WORDS[:3]]
    assert ids[0] != ids[1] != ids[2]


def test_equal_vectors_are_a_guess_and_vectors_with_the_word_are_read():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(12, 1, 20)).repeat(len(WORDS), axis=1)
    assert np.isclose(word_accuracy(base), 1 / len(WORDS))
    leak = 0.2 * rng.normal(size=(len(WORDS), 20))
    assert word_accuracy(base + leak) > 0.9


def test_noise_that_is_not_of_the_word_stays_near_chance():
    noise = np.random.default_rng(1).normal(size=(40, len(WORDS), 10))
    assert abs(np.mean([word_accuracy(noise, seed) for seed in range(3)]) - 1 / len(WORDS)) < 0.08
