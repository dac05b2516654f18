import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import (
    GOLDEN,
    SOURCE,
    attribute_change,
    click,
    element,
    event,
    incremental,
    moved,
    mutation,
    page,
    remove,
    sessions,
    tiny_tokenizer,
    typed,
)

from traceformers.tokenization.rrweb.rrweb_readable import gap_text

LOG = GOLDEN.parent / "source.log"
REWRITE = "TRACEFORMERS_REWRITE_GOLDEN"  # set it to 1 to write the golden log again, then read the difference


@pytest.mark.parametrize("text_vocab_size", [256, 400])
def test_the_golden_session_reads_as_its_golden_log(text_vocab_size):
    log = tiny_tokenizer(text_vocab_size).log(Path(SOURCE))
    if os.environ.get(REWRITE):
        LOG.write_text(log + "\n")
    assert log + "\n" == LOG.read_text(), f"the log of {SOURCE.name} changed; if it should, run with {REWRITE}=1"


@given(st.lists(st.integers(-10, 2000), max_size=60), st.booleans())
def test_any_ids_decode_to_text(ids, skip):
    tok = tiny_tokenizer()
    assert isinstance(tok.decode(ids, skip_special_tokens=skip), str)
    assert isinstance(tok.log_writer.log(ids), str)


@given(st.lists(st.sampled_from(tiny_tokenizer().vocabulary.tokens), max_size=40))
def test_structural_tokens_in_any_order_decode_to_text(tokens):
    tok = tiny_tokenizer()
    ids = tok.convert_tokens_to_ids(tokens)
    assert isinstance(tok.decode(ids), str) and isinstance(tok.log_writer.log(ids), str)


def test_every_structural_token_reads_as_something():
    tok = tiny_tokenizer()
    silent = {"[PAD]", "[CLS]", "[SEP]", "[body]"}
    layout = {"[page]", "[source:MouseInteraction]"}  # what follows them says enough
    for token, i in tok.vocabulary.ids.items():
        if token not in silent | layout:
            assert tok.log_writer.log([i]).strip(), token


@given(sessions())
def test_the_log_of_a_session_has_a_line_for_each_event(events):
    tok = tiny_tokenizer()
    lines = tok.log(events).split("\n")
    session = tok.tokenize_session(events)
    assert sum(line.startswith("+") for line in lines) == len(session.event_times_ms)
    assert all(line.startswith(("+", "    ")) for line in lines)


@given(sessions(), st.sampled_from([40, 200]))
def test_rows_of_windows_read_as_the_log_does(events, length):
    tok = tiny_tokenizer()
    rows = tok.windows(events, max_length=length)["input_ids"]
    for row in rows:
        text = tok.decode(row)
        assert isinstance(text, str) and "[CLS]" not in text and "[body]" not in text
    if len(rows) == 1:
        assert tok.decode(rows[0]) == tok.log(events)


def test_a_log_tells_a_visit():
    tok = tiny_tokenizer()
    nodes = [
        element(10, "h1", "Cart"),
        element(11, "input", type="email", placeholder="Mail"),
        element(12, "button", "Pay now"),
        element(13, "input", type="password"),
    ]
    events = [
        *page(*nodes),
        click(11, 1010, x=640, y=200, pointerType=0),
        typed(11, "me@x.test", 1500),
        typed(13, "hunter2", 1600),
        moved([(0, 0, 12), (640, 400, 12)], 2000),
        incremental(3, 2600, id=1, x=0, y=300),
        mutation(5000, removes=[remove(3, 12)], attributes=[attribute_change(11, style="display:none")]),
        click(99, 5100),
        event(5, {"tag": "done", "payload": {"ok": True}}, 65_000),
    ]
    assert tok.log(events).split("\n") == [
        '+   0 ms  page "shop.test/cart" width 1280+ height 800+',
        "+   8 ms  page content",
        '    h1 "Cart"',
        '    input type=email placeholder= "Mail"',
        '    button "Pay now"',
        "    input type=password",
        '+ 512 ms  click mouse input type=email "Mail" at 52%,27%',
        '+ 256 ms  input input type=email "Mail" typed text (8+ characters)',
        "+  64 ms  input input type=password a password",
        '+ 256 ms  pointer moved x2 at 2%,2% at 52%,52% button "Pay now"',
        "+ 512 ms  scrolled #document down",
        "+  2.0 s  page changed",
        "    removed x1",
        '    button "Pay now"',
        '    attributes of input type=email "Mail" style= hidden',
        "+  64 ms  click (node gone) at 52%,52%",
        '+ 32.8 s  custom "done" data= "ok" value= "True"',
    ]


def test_a_window_inside_a_session_begins_with_where_it_is():
    tok = tiny_tokenizer()
    events = [*page(element(10, "button", "Pay")), *(click(10, 100 * i) for i in range(1, 40))]
    second = tok.decode(tok.windows(events, max_length=200)["input_ids"][1])
    head, first_line = second.split("\n")[:2]
    assert head.startswith("# elapsed ") and "shop.test/cart" in head and "width 1280+" in head
    assert first_line.startswith("+") and "click" in first_line


@given(st.integers(0, 23))
def test_gaps_grow_with_their_buckets(bucket):
    units = {"ms": 1, "s": 1000, "min": 60_000}
    amount, unit = gap_text(bucket).split()
    exact = 0 if bucket == 0 else 2 ** (bucket - 1)
    assert float(amount) * units[unit] == pytest.approx(exact, rel=0.25)


def test_numbers_of_numpy_and_tensors_decode_too():
    tok = tiny_tokenizer()
    ids = tok(events=page(element(10, "p", "Hi")))["input_ids"]
    tensor = tok(events=page(element(10, "p", "Hi")), return_tensors="pt")["input_ids"]
    assert tok.decode(np.array(ids, dtype=np.uint16)) == tok.decode(tensor[0]) == tok.decode(ids)
    assert tok.batch_decode([ids, ids]) == [tok.decode(ids)] * 2


def test_the_log_in_the_readme_is_what_the_tokenizer_says(repository_root):
    shown = (repository_root / "README.md").read_text(encoding="utf-8").split("```\n")
    block = next(part for part in shown if part.startswith("+   0 ms"))
    log = tiny_tokenizer().log(Path(SOURCE)).splitlines()
    at = -1
    for line in (line for line in block.splitlines() if line.strip() != "…"):
        at = log.index(line, at + 1)
