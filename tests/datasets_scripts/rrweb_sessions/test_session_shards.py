import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_rrweb import click, element, page, tiny_tokenizer

from traceformers.datasets_scripts.rrweb_sessions import session_shards
from traceformers.datasets_scripts.rrweb_sessions.session_shards import (
    SCHEMA,
    SPLITS,
    assign_splits,
    position,
    read_arrow,
    record_batch,
    session_row,
    write_arrow,
    write_json,
    write_splits,
)

KEYS = st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=40)
SHARES = st.sampled_from([(0.05, 0.05), (0, 0), (0.3, 0), (0, 0.3), (0.5, 0.4), (0.1, 0.85)])


def row(number, site="a.test"):
    session = tiny_tokenizer().tokenize_session(
        [*page(element(10, "p", f"Text {number}")), *(click(10, i) for i in range(number))]
    )
    return session_row(f"s{number}", site, f"{number:032x}", f"/{number}.json", session), session


def part(folder, numbers, name="part"):
    path = folder / f"{name}.arrow"
    write_arrow(path, [record_batch([row(n, site=f"{n % 3}.test")[0] for n in numbers])])
    return path


def test_a_row_comes_back_from_arrow_as_it_was(tmp_path):
    one, session = row(3)
    write_arrow(tmp_path / "x.arrow", [record_batch([one]), record_batch([])])
    table = read_arrow(tmp_path / "x.arrow")
    assert table.schema == SCHEMA and table.num_rows == 1
    back = table.to_pylist()[0]
    for name in ("ids", "event_offsets", "event_times_ms", "node_offsets", "context_of_event"):
        assert back[name] == getattr(session, name).tolist()
    assert back["contexts"] == [c.tolist() for c in session.contexts]
    assert [back[n] for n in ("session", "site", "fingerprint", "source_file")] == [
        "s3",
        "a.test",
        one["fingerprint"],
        "/3.json",
    ]
    assert not list(tmp_path.glob("*.writing"))


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    def batches():
        yield record_batch([row(1)[0]])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_arrow(tmp_path / "x.arrow", batches())
    assert not (tmp_path / "x.arrow").exists()
    write_json(tmp_path / "x.json", {"a": "é"})
    with pytest.raises(TypeError):
        write_json(tmp_path / "x.json", {"a": object()})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": "é"}


@given(KEYS, SHARES)
def test_every_session_has_one_split_and_none_that_was_asked_for_is_empty(keys, shares):
    splits = assign_splits([(key, "") for key in keys], "session", *shares)
    assert len(splits) == len(keys) and set(splits) <= set(SPLITS)
    if keys:
        assert "train" in splits
    if len(keys) >= 3:
        assert {s for s, share in zip(("validation", "test"), shares, strict=True) if share} == set(splits) - {"train"}


@given(KEYS, KEYS, SHARES)
def test_more_data_moves_nothing_where_no_split_would_be_empty(keys, more, shares):
    def natural(places):
        test, held_out = shares[1], sum(shares)
        names = {"test" if p < test else "validation" if p < held_out else "train" for p in places}
        return len(names) == 1 + sum(share > 0 for share in shares)

    both = list(dict.fromkeys([*keys, *more]))
    if len(keys) >= 3 and natural(map(position, keys)) and natural(map(position, both)):
        rows = [(key, "") for key in both]
        assert assign_splits(rows, "session", *shares)[: len(keys)] == assign_splits(
            rows[: len(keys)], "session", *shares
        )


@given(KEYS, st.randoms(use_true_random=False))
def test_the_order_of_sessions_does_not_matter(keys, random):
    splits = dict(zip(keys, assign_splits([(key, "") for key in keys]), strict=True))
    mixed = random.sample(keys, len(keys))
    assert dict(zip(mixed, assign_splits([(key, "") for key in mixed]), strict=True)) == splits


def test_splits_have_the_asked_shares():
    splits = assign_splits([(f"key {i}", "") for i in range(20_000)], "session", 0.1, 0.2)
    assert splits.count("validation") / 20_000 == pytest.approx(0.1, abs=0.01)
    assert splits.count("test") / 20_000 == pytest.approx(0.2, abs=0.01)


@given(st.lists(st.tuples(st.text(max_size=8), st.sampled_from("abcdef")), max_size=40))
def test_by_site_a_site_is_in_one_split_only(rows):
    splits = assign_splits(rows, "site", 0.3, 0.3)
    of_site = {}
    for (_, site), split in zip(rows, splits, strict=True):
        assert of_site.setdefault(site, split) == split


@pytest.mark.parametrize("shares", [(-0.1, 0.1), (0.5, 0.5), (1, 0), (0.1, float("nan"))])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="less than 1 together"):
        assign_splits([("a", "")], "session", *shares)


def test_splits_are_disjoint_and_complete_and_counted(tmp_path):
    paths = [part(tmp_path, range(0, 20), "one"), part(tmp_path, range(15, 40), "two")]
    counts, duplicates = write_splits(paths, tmp_path, "session", 0.2, 0.2)
    tables = {s: pa.concat_tables([read_arrow(tmp_path / f) for f in counts[s]["files"]]) for s in SPLITS}
    marks = {s: tables[s]["fingerprint"].to_pylist() for s in SPLITS}
    everything = [mark for split in SPLITS for mark in marks[split]]
    assert len(everything) == len(set(everything)) == 40
    assert duplicates == [(f"/{n}.json", f"/{n}.json") for n in range(15, 20)]
    for split, table in tables.items():
        assert counts[split]["sessions"] == table.num_rows
        assert counts[split]["tokens"] == sum(map(len, table["ids"].to_pylist()))
        assert counts[split]["events"] == sum(map(len, table["event_times_ms"].to_pylist()))
        assert counts[split]["sites"] == sorted(set(table["site"].to_pylist()))


def test_large_splits_are_several_files(tmp_path, monkeypatch):
    monkeypatch.setattr(session_shards, "SHARD_TOKENS", 200)
    monkeypatch.setattr(session_shards, "ROWS_A_BATCH", 2)
    counts, _ = write_splits([part(tmp_path, range(12))], tmp_path, "session", 0, 0)
    files = counts["train"]["files"]
    assert len(files) > 2 and files[0] == f"train-00000-of-{len(files):05d}.arrow"
    tables = [read_arrow(tmp_path / name) for name in files]
    assert pa.concat_tables(tables)["session"].to_pylist() == [f"s{n}" for n in range(12)]
    for table in tables:
        sizes = [len(ids) for ids in table["ids"].to_pylist()]
        assert sum(sizes) <= 200 or len(sizes) == 1


def test_a_split_without_sessions_is_an_empty_file(tmp_path):
    counts, _ = write_splits([part(tmp_path, range(3))], tmp_path, "session", 0, 0)
    assert counts["test"]["sessions"] == 0
    assert read_arrow(tmp_path / counts["test"]["files"][0]).num_rows == 0


def test_positions_are_spread_evenly():
    places = np.sort([position(str(i)) for i in range(10_000)])
    assert np.all((places >= 0) & (places < 1))
    assert np.abs(places - np.linspace(0, 1, 10_000)).max() < 0.03
