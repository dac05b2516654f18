import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import SOURCE, click, element, meta, page, sessions, snapshot, tiny_tokenizer, tokenizer_folder
from transformers import AutoTokenizer

from traceformers.tokenization.rrweb.rrweb_envelopes import SessionFormatError, read_session
from traceformers.tokenization.rrweb.rrweb_privacy import personal_spans
from traceformers.tokenization.rrweb.rrweb_vocabulary import CLASSES
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer, empty_bpe

SHORT = page(element(10, "button", "Pay now"))
LONG = [*SHORT, *(click(10, 100 * i) for i in range(1, 30))]
DATA = "TRACEFORMERS_RRWEB_DATA"  # a folder with the sub-folders public and recorded


@pytest.fixture
def tok():
    return tiny_tokenizer()


# -- ids --------------------------------------------------------------------------------------------------


def test_sizes_specials_and_classes(tok):
    assert tok.structural_vocab_size == 520
    assert len(tok) == tok.vocab_size == 520 + tok.bpe.get_vocab_size() == len(tok.get_vocab())
    assert [tok.pad_token_id, tok.unk_token_id, tok.cls_token_id, tok.sep_token_id, tok.mask_token_id] == [
        0,
        1,
        2,
        3,
        4,
    ]
    classes = tok.token_classes
    assert classes.dtype == "u1" and classes.shape == (len(tok),)
    assert all(classes[520:] == CLASSES.index("text")) and not any(classes[:520] == CLASSES.index("text"))
    assert sorted(tok.get_vocab().values()) == list(range(len(tok)))


def test_too_large_a_vocabulary_is_refused(tmp_path):
    vocab = {f"t{i}": i for i in range(65_536)}
    (tmp_path / "text_bpe.json").write_text(
        json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": vocab, "merges": []}, "added_tokens": []})
    )
    with pytest.raises(ValueError, match="at most 65536 ids"):
        RRWebTokenizer(tiny_tokenizer().vocab_file, tmp_path / "text_bpe.json")


def test_a_vocabulary_without_merges_encodes_everything(tmp_path):
    empty_bpe().save(str(tmp_path / "text_bpe.json"))
    tok = RRWebTokenizer(tiny_tokenizer().vocab_file, tmp_path / "text_bpe.json")
    assert len(tok) == 776 and tok.log(SOURCE) == tiny_tokenizer().log(SOURCE)


# -- text -------------------------------------------------------------------------------------------------

PLAIN = st.text(st.characters(exclude_categories=["Cs"]), max_size=80).filter(lambda text: not personal_spans(text))


@given(PLAIN)
def test_plain_text_comes_back(text):
    tok = tiny_tokenizer()
    encoding = tok(text)
    assert tok.decode(encoding["input_ids"], skip_special_tokens=True) == text
    assert encoding["input_ids"][0] == tok.cls_token_id and encoding["input_ids"][-1] == tok.sep_token_id
    assert encoding["token_type_ids"] == [int(i >= 520) for i in encoding["input_ids"]]
    assert tok.unk_token_id not in encoding["input_ids"]


@given(st.text(st.characters(), max_size=40))
def test_no_text_gives_unknown_or_special_ids(text):
    tok = tiny_tokenizer()
    ids = tok(text, add_special_tokens=False)["input_ids"]
    assert all(i >= 5 for i in ids)


@pytest.mark.parametrize(
    "text", ["[MASK]", "[CLS] x [SEP]", "[PAD][UNK]", "[tag:button] [body]", "<s>", " [MASK] ", "[gap:3]"]
)
def test_names_of_tokens_in_text_are_text(tok, text):
    ids = tok(text, add_special_tokens=False)["input_ids"]
    assert all(i >= 520 for i in ids) and tok.decode(ids) == text


def test_tokens_and_ids_are_inverse(tok):
    ids = list(range(len(tok)))
    assert tok.convert_tokens_to_ids(tok.convert_ids_to_tokens(ids)) == ids
    assert tok.convert_tokens_to_string(tok.tokenize("sign in")) == "sign in"


def test_pairs_of_texts_have_true_token_types(tok):
    encoding = tok("sign in", "sign out")
    assert encoding["token_type_ids"] == [int(i >= 520) for i in encoding["input_ids"]]


# -- sessions ---------------------------------------------------------------------------------------------


def test_all_forms_of_a_session_are_the_same(tok, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(LONG))
    (tmp_path / "session.json.gz").write_bytes(gzip.compress(json.dumps(LONG).encode()))
    expected = tok(events=LONG)["input_ids"]
    for form in (
        {"events": LONG}, json.dumps(LONG), json.dumps(LONG).encode(), gzip.compress(json.dumps(LONG).encode()),
        path, tmp_path / "session.json.gz", read_session(LONG), tuple(LONG), "\n".join(map(json.dumps, LONG)),
    ):  # fmt: skip
        assert tok(events=form)["input_ids"] == expected
        assert tok(events=[form])["input_ids"] == [expected]


def test_a_str_is_never_a_path(tok, tmp_path):
    path = tmp_path / "session.json"
    path.write_text(json.dumps(LONG))
    with pytest.raises(SessionFormatError, match="never a path"):
        tok(events=str(path))
    assert tok.decode(tok(str(path))["input_ids"], skip_special_tokens=True) == str(path)
    with pytest.raises(FileNotFoundError):
        tok(events=tmp_path / "nothing.json")


def test_the_frame_of_a_whole_session(tok):
    encoding = tok(events=SHORT)
    ids, body = encoding["input_ids"], tok.tokenize_session(SHORT).ids.tolist()
    assert ids == [2, tok.vocabulary.ids["[body]"], *body, 3]
    assert tok(events=SHORT, add_special_tokens=False)["input_ids"] == body
    assert encoding["attention_mask"] == [1] * len(ids)
    assert encoding["token_type_ids"] == [int(i >= 520) for i in ids]
    assert set(encoding) == {"input_ids", "attention_mask", "token_type_ids"}


@given(st.lists(sessions(), min_size=1, max_size=3))
def test_a_batch_is_its_sessions_one_by_one(batch):
    tok = tiny_tokenizer()
    rows = tok(events=batch)
    for i, session in enumerate(batch):
        assert {name: rows[name][i] for name in rows} == dict(tok(events=session))


def test_nothing_is_cut_unless_it_is_asked_for(tok):
    long = [*SHORT, *(click(10, 100 * i) for i in range(1, 500))]
    for options in ({}, {"max_length": 20}, {"truncation": False}, {"truncation": "do_not_truncate"}):
        assert len(tok(events=long, **options)["input_ids"]) > tok.model_max_length


@pytest.mark.parametrize("length", [3, 20, 50])
def test_truncation_cuts_on_the_asked_side_and_keeps_the_frame(tok, length):
    whole = tok(events=LONG)["input_ids"]
    right = tok(events=LONG, truncation=True, max_length=length)["input_ids"]
    left = tok(events=LONG, truncation=True, max_length=length, truncation_side="left")["input_ids"]
    assert right == [*whole[: length - 1], 3]
    assert left == whole[:2] + (whole[len(whole) - length + 2 :])
    assert len(tok(events=LONG, truncation=True, max_length=length, add_special_tokens=False)["input_ids"]) == length
    assert tok(events=LONG, truncation=True)["input_ids"] == whole[:2047] + [3] * (len(whole) > 2047)
    other = RRWebTokenizer.from_pretrained(tokenizer_folder(), truncation_side="left")
    assert other(events=LONG, truncation=True, max_length=length)["input_ids"] == left


def test_padding_adds_padding_only(tok):
    single = [tok(events=e)["input_ids"] for e in (SHORT, LONG)]
    for side in ("right", "left"):
        rows = tok(events=[SHORT, LONG], padding=True, padding_side=side, return_tensors="pt")
        assert rows["input_ids"].shape == rows["attention_mask"].shape == rows["token_type_ids"].shape
        for i, ids in enumerate(single):
            mask = rows["attention_mask"][i].bool()
            assert rows["input_ids"][i][mask].tolist() == ids and int(mask.sum()) == len(ids)
            assert set(rows["input_ids"][i][~mask].tolist()) <= {tok.pad_token_id}
            assert set(rows["token_type_ids"][i][~mask].tolist()) <= {0}
    fixed = tok(events=SHORT, padding="max_length", max_length=100)
    assert len(fixed["input_ids"]) == 100 == len(fixed["attention_mask"])
    assert len(tok(events=SHORT, padding=True, pad_to_multiple_of=64)["input_ids"]) % 64 == 0


@pytest.mark.parametrize("kind, module", [("pt", "torch"), ("np", "numpy")])
def test_tensors_have_a_batch_axis(tok, kind, module):
    ids = tok(events=SHORT, return_tensors=kind)["input_ids"]
    assert type(ids).__module__ == module and ids.shape == (1, len(tok(events=SHORT)["input_ids"]))


def test_masks_and_types_can_be_left_out(tok):
    assert set(tok(events=SHORT, return_attention_mask=False, return_token_type_ids=False)) == {"input_ids"}


def test_text_and_events_together_are_refused(tok):
    for arguments in ({"text": "x"}, {"text_pair": "x"}):
        with pytest.raises(ValueError, match="got both"):
            tok(events=SHORT, **arguments)


@pytest.mark.parametrize("length", [64, 300])
def test_windows_cover_a_session_as_rows(tok, length):
    rows = tok.windows(LONG, max_length=length, return_header_lengths=True)
    bodies = [row[h:-1] for row, h in zip(rows["input_ids"], rows["header_lengths"], strict=True)]
    assert [i for body in bodies for i in body] == tok.tokenize_session(LONG).ids.tolist()
    assert rows["token_type_ids"] == [[int(i >= 520) for i in row] for row in rows["input_ids"]]
    padded = tok.windows(LONG, max_length=length, padding="max_length", return_tensors="pt")
    assert padded["input_ids"].shape == (len(bodies), length)
    assert tok.windows(tok.tokenize_session(LONG), max_length=length)["input_ids"] == rows["input_ids"]
    assert all(len(row) <= 2048 for row in tok.windows(SOURCE)["input_ids"])


def test_notes_say_what_was_left_out(tok):
    assert tok.tokenize_session([*SHORT, None, "x", {"type": 4}]).notes == {"not an object": 2, "bad timestamp": 1}


# -- saving -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"keep_typed_text": True}, {"keep_personal_text": True, "keep_typed_text": True}]
)
def test_saving_and_loading_keeps_ids_and_switches(tmp_path, options):
    tok = tiny_tokenizer(**options)
    tok.save_pretrained(tmp_path / "one")
    again = RRWebTokenizer.from_pretrained(tmp_path / "one")
    again.save_pretrained(tmp_path / "one")  # onto its own files
    again.save_pretrained(tmp_path / "two")
    third = RRWebTokenizer.from_pretrained(tmp_path / "two")
    for name in ("structural_vocab.json", "text_bpe.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    for other in (again, third):
        assert other(events=SOURCE)["input_ids"] == tok(events=SOURCE)["input_ids"]
        assert other("mail ada@example.org") == tok("mail ada@example.org")
        assert (other.keep_typed_text, other.keep_personal_text) == (tok.keep_typed_text, tok.keep_personal_text)
        assert other.get_vocab() == tok.get_vocab() and other.model_max_length == 2048


def test_the_auto_class_loads_it_from_a_saved_folder(tmp_path):
    tiny_tokenizer().save_pretrained(tmp_path)
    tok = AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=True)
    assert type(tok).__name__ == "RRWebTokenizer"
    assert tok(events=SOURCE)["input_ids"] == tiny_tokenizer()(events=SOURCE)["input_ids"]


def test_the_auto_class_loads_it_after_registration(tmp_path):
    code = (
        "from transformers import AutoConfig, AutoTokenizer\n"
        "from traceformers.modeling.rrweb_bert.configuration_rrweb_bert import RRWebBertConfig\n"
        "from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer\n"
        "AutoConfig.register(RRWebBertConfig.model_type, RRWebBertConfig, exist_ok=True)\n"
        "AutoTokenizer.register(RRWebBertConfig, slow_tokenizer_class=RRWebTokenizer, exist_ok=True)\n"
        f"tok = AutoTokenizer.from_pretrained({str(tokenizer_folder())!r})\n"
        "assert type(tok) is RRWebTokenizer, type(tok)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]


def test_two_tokenizers_in_one_process_do_not_share_what_they_remember():
    plain, kept = tiny_tokenizer(), tiny_tokenizer(keep_personal_text=True)
    for _ in range(2):
        events = [meta(), snapshot(element(10, "p", "ada@example.org"))]
        assert "ada" not in plain.log(events) and "ada@example.org" in kept.log(events)


# -- real recordings --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_all_real_recordings_tokenize():
    assert DATA in os.environ, f"set {DATA} to the folder that holds public/ and recorded/"
    folder, tok, n_read = Path(os.environ[DATA]), tiny_tokenizer(), 0
    for path in sorted([*(folder / "public").rglob("*.json*"), *(folder / "recorded").rglob("*.json*")]):
        session = tok.tokenize_session(path)
        windows = tok.windows(session, max_length=512)["input_ids"]
        assert len(session.ids) and all(len(row) <= 512 for row in windows) and tok.decode(windows[0])
        problems = {k: v for k, v in session.notes.items() if k in ("malformed event", "malformed node")}
        assert not problems, f"{path}: {problems}"
        n_read += 1
    assert n_read, f"no recordings in {folder}"


HUGE = """
import json, resource, sys
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer
from pathlib import Path
session = RRWebTokenizer.from_pretrained(sys.argv[1]).tokenize_session(Path(sys.argv[2]))
print(json.dumps([len(session.event_times_ms), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20]))
"""


@pytest.mark.slow
def test_a_session_of_200_megabytes_needs_less_than_two_gigabytes(tmp_path):
    path, n_events, size = tmp_path / "huge.json", 0, 0
    with path.open("w") as file:
        file.write("[" + json.dumps(meta()))
        while size < 200_000_000:
            start = n_events * 500
            nodes = [element(10 + i, "p", f"Row {start + i} of many words", class_="row wide") for i in range(400)]
            nodes.append(element(5000, "style", "p{color:red}" * 20_000))
            size += file.write("," + json.dumps(snapshot(*nodes, time=10 + n_events)))
            n_events += 1
        file.write("]")
    run = subprocess.run(
        [sys.executable, "-c", HUGE, str(tokenizer_folder()), str(path)], capture_output=True, text=True, check=True
    )
    found, gigabytes = json.loads(run.stdout)
    assert found == n_events + 1 and gigabytes < 2, f"{gigabytes:.2f} GB"


def test_words_are_their_text():
    tok = tiny_tokenizer()
    words, other = ["Sign", "in", "now"], ["Buy"]
    assert dict(tok(words, is_split_into_words=True)) == dict(tok("Sign in now"))
    assert dict(tok([words, other], is_split_into_words=True)) == dict(tok(["Sign in now", "Buy"]))
    assert dict(tok(words, other, is_split_into_words=True)) == dict(tok("Sign in now", "Buy"))


def test_a_batch_is_refused_where_one_session_is_meant():
    tok, session = tiny_tokenizer(), page(element(5, "button", "Pay"))
    for method in (tok.windows, tok.log, tok.tokenize_session):
        with pytest.raises(ValueError, match="one session, got a list of 2"):
            method([session, session])


def test_a_broken_session_of_a_batch_is_named():
    with pytest.raises(SessionFormatError, match="session 1 of the batch"):
        tiny_tokenizer()(events=[page(element(5, "p", "a")), '[{"type": 4'])


@pytest.mark.parametrize("arguments", [{"max_length": 2, "truncation": True}, {"max_length": 0, "truncation": True}])
def test_a_length_without_room_is_refused(arguments):
    with pytest.raises(ValueError, match="max_length >= 3"):
        tiny_tokenizer()(events=page(element(5, "p", "a")), **arguments)


def test_an_argument_that_sessions_do_not_have_is_named():
    with pytest.raises(TypeError, match=r"stride.*windows"):
        tiny_tokenizer()(events=page(element(5, "p", "a")), stride=3)
