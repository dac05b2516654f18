import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.tokenization.rrweb import rrweb_vocabulary
from traceformers.tokenization.rrweb.rrweb_vocabulary import (
    CLASSES,
    MINIMUM_SIZE,
    N_GAPS,
    SCROLLS,
    StructuralVocabulary,
    build_structural_vocabulary,
    count_bucket,
    log2_bucket,
    scroll_name,
    size_bucket,
    write_structural_vocabulary,
)

# packages/types of rrweb 2.2.2, written down a second time from its enums
RRWEB_SOURCES = {
    "Mutation": 0, "MouseMove": 1, "MouseInteraction": 2, "Scroll": 3, "ViewportResize": 4, "Input": 5,
    "TouchMove": 6, "MediaInteraction": 7, "StyleSheetRule": 8, "CanvasMutation": 9, "Font": 10, "Log": 11,
    "Drag": 12, "StyleDeclaration": 13, "Selection": 14, "AdoptedStyleSheet": 15, "CustomElement": 16,
}  # fmt: skip
RRWEB_INTERACTIONS = {
    "MouseUp": 0, "MouseDown": 1, "Click": 2, "ContextMenu": 3, "DblClick": 4, "Focus": 5, "Blur": 6,
    "TouchStart": 7, "TouchMove_Departed": 8, "TouchEnd": 9, "TouchCancel": 10,
}  # fmt: skip
RRWEB_MEDIA = {"Play": 0, "Pause": 1, "Seeked": 2, "VolumeChange": 3, "RateChange": 4}
RRWEB_EVENTS = {
    "DomContentLoaded": 0, "Load": 1, "FullSnapshot": 2, "IncrementalSnapshot": 3, "Meta": 4, "Custom": 5,
    "Plugin": 6, "Asset": 7,
}  # fmt: skip


@pytest.fixture(scope="module")
def vocabulary():
    return StructuralVocabulary(build_structural_vocabulary())


def test_there_are_520_distinct_ids(vocabulary):
    assert len(vocabulary) == 520
    assert len(set(vocabulary.tokens)) == 520
    assert sorted(vocabulary.ids.values()) == list(range(520))


def test_the_first_five_are_the_special_tokens(vocabulary):
    assert vocabulary.tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert [i for i in range(520) if vocabulary.classes[i] == CLASSES.index("special")] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "prefix, enum",
    [
        ("source:", RRWEB_SOURCES),
        ("do:", RRWEB_INTERACTIONS),
        ("media:", RRWEB_MEDIA),
        ("event:", RRWEB_EVENTS),
    ],
)
def test_enums_have_the_numbers_of_rrweb(vocabulary, prefix, enum):
    first = min(vocabulary.ids[f"[{prefix}{name}]"] for name in enum)
    assert {name: vocabulary.ids[f"[{prefix}{name}]"] - first for name in enum} == enum
    assert sum(token.startswith(f"[{prefix}") for token in vocabulary.tokens) == len(enum)


def test_every_id_has_one_group_without_holes_or_overlap():
    data = build_structural_vocabulary()
    ranges = [(group["first_id"], group["first_id"] + len(group["tokens"])) for group in data["groups"]]
    assert ranges[0][0] == 0 and ranges[-1][1] == 520
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(ranges))


def test_the_json_file_beside_the_module_is_what_the_code_builds(tmp_path):
    beside = Path(rrweb_vocabulary.__file__).with_name("structural_vocab.json")
    write_structural_vocabulary(tmp_path / "structural_vocab.json")
    assert beside.read_text() == (tmp_path / "structural_vocab.json").read_text()
    assert json.loads(beside.read_text()) == build_structural_vocabulary()
    assert StructuralVocabulary.from_file(beside).ids == StructuralVocabulary(build_structural_vocabulary()).ids


def test_a_larger_size_only_adds_reserved_ids(vocabulary):
    larger = StructuralVocabulary(build_structural_vocabulary(600))
    reserved = {token for token in larger.tokens if token.startswith("[reserved:")}
    assert len(larger) == 600
    assert {t: i for t, i in larger.ids.items() if t not in reserved}.items() <= vocabulary.ids.items()


def test_too_small_a_size_is_refused():
    with pytest.raises(ValueError, match=f">= {MINIMUM_SIZE}, got 100"):
        build_structural_vocabulary(100)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data["groups"][1]["tokens"].append("[tag:div]"),
        lambda data: data["groups"][1].update(first_id=7),
        lambda data: data["groups"][1].update({"class": "colour"}),
        lambda data: data["groups"][0]["tokens"].reverse(),
        lambda data: data.update(size=519),
    ],
)
def test_a_damaged_file_is_refused(damage):
    data = build_structural_vocabulary()
    damage(data)
    with pytest.raises(ValueError, match="Expected"):
        StructuralVocabulary(data)


@given(st.integers(-10, 10**15), st.integers(0, 10**15))
def test_buckets_never_fall_when_values_grow(value, more):
    for bucket in (lambda v: log2_bucket(v, N_GAPS), count_bucket, lambda v: size_bucket(v, (1, 50, 1000))):
        assert 0 <= bucket(value) <= bucket(value + more)
    assert log2_bucket(value, N_GAPS) < N_GAPS and count_bucket(value) < rrweb_vocabulary.N_COUNTS


@given(st.floats(-1e12, 1e12), st.floats(-1e12, 1e12), st.floats(-1e12, 1e12))
def test_every_scroll_has_a_name(dx, dy, y):
    name = scroll_name(dx, dy, y)
    assert name in SCROLLS
    if dy > abs(dx):
        assert name.startswith("down")
    if dy < -abs(dx):
        assert name.startswith(("up", "top"))
