import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import (
    SOURCE,
    add,
    click,
    element,
    event,
    mutation,
    page,
    text,
    text_change,
    tiny_tokenizer,
    tokenizer_folder,
    typed,
)

from traceformers.datasets_scripts.rrweb_sessions.prepare_rrweb_sessions import prepare
from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.datasets_scripts.rrweb_sessions.session_shards import read_arrow
from traceformers.run_scripts import train_rrweb_tokenizer
from traceformers.tokenization.rrweb import learn_rrweb_vocabulary
from traceformers.tokenization.rrweb.learn_rrweb_vocabulary import (
    WordCounter,
    count_words,
    learn_bpe,
    structural_vocabulary,
    vocabulary_report,
)
from traceformers.tokenization.rrweb.rrweb_envelopes import SessionFormatError
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer


def count(*sessions, **options):
    return count_words(sessions, structural_vocabulary(), **options)[0].counts


@pytest.fixture(scope="module")
def counts():
    return count(SOURCE)


def test_a_text_counts_once_a_session_and_again_in_the_next():
    session = page(element(10, "p", "hello hello"), element(11, "p", "hello hello"), element(12, "b", "hello"))
    assert count(session) == {"hello": 2, " hello": 1} | dict(count(page()))
    assert count(session, session)["hello"] == 4


def test_what_is_counted_is_what_the_tokenizer_asks_for(counts):
    asked = set()
    tok = RRWebTokenizer(tiny_tokenizer().vocab_file, tiny_tokenizer().bpe_file)
    tok.tokenize_session(SOURCE)
    asked = set(tok.encoder.words)
    assert asked == set(counts)


def test_equal_counts_give_equal_vocabularies_in_any_order(counts):
    words = sorted(counts, reverse=True)
    again = Counter({word: counts[word] for word in words})
    assert learn_bpe(again, 500).to_str() == learn_bpe(counts, 500).to_str()


def test_every_byte_has_an_id_and_the_size_is_a_limit(counts):
    assert learn_bpe({}, 256).get_vocab_size() == 256
    assert learn_bpe(counts, 300).get_vocab_size() == 300
    assert learn_bpe(Counter({"ab": 5}), 12_000).get_vocab_size() == 257
    with pytest.raises(ValueError, match="text_vocab_size >= 256, got 255"):
        learn_bpe(counts, 255)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), st.integers(1, 9), max_size=8
    )
)
def test_a_learned_vocabulary_encodes_any_text_back(words):
    bpe = learn_bpe(Counter(words), 300)
    for word in [*words, "neverSeen東🙂"]:
        assert bpe.decode(bpe.encode(word, add_special_tokens=False).ids, skip_special_tokens=False) == word


def test_huge_counts_are_scaled_and_keep_their_order(monkeypatch):
    monkeypatch.setattr(learn_rrweb_vocabulary, "MOST_OCCURRENCES", 1_000)
    small = learn_bpe(Counter({"aaaa": 40, "bb": 10, "cc": 3}), 270).get_vocab()
    huge = learn_bpe(Counter({"aaaa": 40 * 10**9, "bb": 10**10, "cc": 3 * 10**9}), 270).get_vocab()
    assert set(small) == set(huge)


def test_rare_words_are_forgotten_when_there_are_too_many():
    counter = WordCounter(structural_vocabulary(), most_words=50)
    for session in range(50):
        counter.encode_words(" ".join(f"rare{chr(97 + session % 26)}{chr(97 + i)}x" for i in range(20)) + " common")
        counter.end_session()
        assert len(counter.counts) <= 50 and not counter.texts
    assert counter.counts[" common"] == 50 and counter.pruned_below > 1


SECRETS = "quokka hunter ada@example.org 5551234567 zanzibar"


def test_typed_and_personal_text_is_not_counted():
    session = [
        *page(
            element(10, "input", type="text", value="quokka"),
            element(11, "p", "Results for quokka, write to ada@example.org or 5551234567"),
            element(12, "textarea", "zanzibar notes"),
            element(13, "div", "zanzibar draft", contenteditable="true"),
            element(14, "div", element(15, "div", "zanzibar code"), class_="x ace_editor"),
            element(16, "input", type="password", value="hunter"),
        ),
        typed(10, "quokka", 50),
        typed(16, "hunter", 60),
        mutation(
            70, texts=[text_change(1013, "zanzibar"), text_change(1011, "quokka")], adds=[add(15, text(90, "zanzibar"))]
        ),
        *(click(i, 80 + i) for i in range(10, 17)),
        event(5, {"tag": "t", "payload": {"q": "quokka", "mail": "ada@example.org"}}, 200),
    ]
    words = " ".join(count(session)).lower()
    assert not any(
        part in words for part in ("quokka", "zanzibar", "hunter", "ada", "example", "555", "notes", "draft")
    )
    assert "results" in words
    kept = " ".join(count(session, keep_typed_text=True, keep_personal_text=True)).lower()
    assert all(part in kept for part in ("quokka", "zanzibar", "ada", "555")) and "hunter" not in kept


def test_a_session_that_cannot_be_read_is_reported_or_stops():
    good, bad = page(element(10, "p", "fine")), b"{not json"
    seen = []
    counter, n_read = count_words(
        [good, bad, lambda: good], structural_vocabulary(), on_error=lambda i, e: seen.append((i, e))
    )
    assert n_read == 2 and counter.counts["fine"] == 2
    assert [i for i, _ in seen] == [1] and isinstance(seen[0][1], SessionFormatError)
    with pytest.raises(SessionFormatError):
        count_words([bad], structural_vocabulary())


def test_the_numbers_of_the_report_are_right():
    counter = WordCounter(structural_vocabulary())
    for _ in range(3):
        counter.encode_words("abab abab xyz")
        counter.end_session()
    bpe = learn_bpe(counter.counts, 258, min_frequency=2)
    report = vocabulary_report(bpe, counter, n_sessions=7, structural_size=520)
    sizes = {word: len(bpe.encode(word, add_special_tokens=False).ids) for word in counter.counts}
    assert report["sessions"] == 7 and report["vocab_size"] == 520 + report["text_vocab_size"] == 520 + 258
    assert report["distinct_words"] == 3 and report["words"] == 9
    assert report["tokens_per_word"] == round(sum(sizes.values()) / 3, 4)
    assert report["share_of_words_with_one_token"] == round(sum(size == 1 for size in sizes.values()) / 3, 4)
    assert report["words_dropped_below_count"] == 0
    assert sorted(map(tuple, report["most_frequent_words"])) == [(" abab", 3), (" xyz", 3), ("abab", 3)]
    json.dumps(report)


def test_the_script_learns_saves_and_says_what_it_did(tmp_path, capsys):
    (tmp_path / "bad.json").write_text("[1")
    arguments = [
        str(SOURCE),
        str(tmp_path / "bad.json"),
        "--output-dir",
        str(tmp_path / "out"),
        "--text-vocab-size",
        "300",
    ]
    train_rrweb_tokenizer.main(arguments)
    report = json.loads((tmp_path / "out" / "vocabulary_report.json").read_text())
    tok = RRWebTokenizer.from_pretrained(tmp_path / "out")
    assert len(tok) == report["vocab_size"] == 820 and report["sessions"] == 1
    assert [row["file"].endswith("bad.json") for row in report["unreadable"]] == [True]
    assert "820 ids (520 structural + 300 text) from 1 sessions" in capsys.readouterr().out
    train_rrweb_tokenizer.main([*arguments[:3], str(tmp_path / "again"), *arguments[4:]])
    assert (tmp_path / "again" / "text_bpe.json").read_bytes() == (tmp_path / "out" / "text_bpe.json").read_bytes()


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["nowhere"], "Expected recordings"),
        ([str(SOURCE), "--sample-fraction", "0"], "--sample-fraction"),
        ([str(SOURCE), "--text-vocab-size", "7"], "text_vocab_size >= 256"),
        ([str(SOURCE), "--structural-vocab-size", "7"], "structural_vocab_size >="),
        ([__file__], "none of 1 could be read"),
    ],
)
def test_the_script_ends_with_one_clear_line(tmp_path, arguments, reason):
    with pytest.raises(SystemExit) as stopped:
        train_rrweb_tokenizer.main([*arguments, "--output-dir", str(tmp_path / "out")])
    assert reason in stopped.value.code and "\n" not in stopped.value.code


@pytest.mark.parametrize("split_by", ["session", "site"])
def test_words_are_learned_from_the_sessions_that_are_prepared_for_training(tmp_path, split_by):
    (tmp_path / "data").mkdir()
    for i in range(12):
        events = page(element(10, "p", f"only{chr(97 + i)} word"), href=f"https://site{i % 5}.test/")
        (tmp_path / "data" / f"{i}.json").write_text(json.dumps(events))
    shares = {"split_by": split_by, "validation_share": 0.2, "test_share": 0.2}
    info = prepare(tmp_path / "data", tokenizer_folder(), tmp_path / "out", num_proc=1, progress=False, **shares)
    prepared = [
        row for name in info["splits"]["train"]["files"] for row in read_arrow(tmp_path / "out" / name).to_pylist()
    ]
    chosen = train_rrweb_tokenizer.training_files(list_session_files(tmp_path / "data"), *shares.values())
    assert sorted(files.source for files in chosen) == sorted(row["source_file"] for row in prepared)
    assert 0 < len(chosen) < 12
    arguments = [str(tmp_path / "data"), "--output-dir", str(tmp_path / "tok"), "--split-by", split_by]
    train_rrweb_tokenizer.main([*arguments, "--validation-share", "0.2", "--test-share", "0.2"])
    report = json.loads((tmp_path / "tok" / "vocabulary_report.json").read_text())
    counted = {word for word, _ in report["most_frequent_words"] if word.startswith("only")}
    assert counted == {f"only{chr(97 + int(files.name))}" for files in chosen}
