"""The models of a feed: whole or not there, one of them current, and a way back."""

import pytest

from traceformers.apps.feed.model_registry import ModelRegistry, NoModel

NOW = 1_700_000_000_000


def add(registry, kind="linear", now=NOW):
    half = registry.begin(kind, now)
    (half / "model").mkdir()
    (half / "model" / "config.json").write_text("{}")
    return registry.finish(half)


@pytest.fixture
def registry(tmp_path):
    return ModelRegistry(tmp_path / "models")


def test_a_model_is_listed_when_it_is_whole_and_never_before(registry):
    half = registry.begin("linear", NOW)
    assert registry.names() == []
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        registry.finish(half)
    assert registry.names() == []
    assert add(registry) == "20231114T221320-linear"
    assert registry.names() == ["20231114T221320-linear"] and registry.current() is None


def test_what_a_killed_training_left_is_deleted_by_the_next(registry):
    (registry.begin("hybrid", NOW) / "checkpoint").mkdir()
    half = registry.begin("linear", NOW)
    assert [path.name for path in registry.folder.iterdir()] == [half.name]


def test_two_models_of_one_second_have_two_names(registry):
    assert len({add(registry), add(registry), add(registry)}) == 3


def test_a_promotion_replaces_the_current_model_and_a_rollback_brings_it_back(registry):
    first, second, third = (add(registry, now=NOW + 1000 * i) for i in range(3))
    for name in (first, second, third):
        registry.promote(name)
        assert registry.current() == name
    assert registry.before() == [first, second]
    assert registry.rollback() == second and registry.current() == second
    assert registry.rollback() == first
    with pytest.raises(NoModel, match="found none"):
        registry.rollback()
    assert registry.current() == first


def test_a_model_promoted_twice_is_not_its_own_predecessor(registry):
    first, second = add(registry), add(registry, now=NOW + 1000)
    for name in (first, second, second, first):
        registry.promote(name)
    assert registry.before() == [second]


def test_what_is_not_there_cannot_be_promoted_and_changes_nothing(registry):
    name = add(registry)
    registry.promote(name)
    with pytest.raises(NoModel, match="got 'other'"):
        registry.promote("other")
    assert registry.current() == name


def test_pruning_keeps_the_newest_the_current_and_the_one_before_it(registry):
    names = [add(registry, now=NOW + 1000 * i) for i in range(6)]
    registry.promote(names[0])
    registry.promote(names[1])
    assert registry.prune(2) == names[2:4]
    assert registry.names() == [names[0], names[1], *names[4:]]
    assert registry.rollback() == names[0]


def test_a_deleted_folder_counts_as_no_model(registry):
    import shutil

    name = add(registry)
    registry.promote(name)
    shutil.rmtree(registry.path(name))
    assert registry.current() is None


def test_a_spoilt_file_is_told_with_what_to_do(registry):
    add(registry)
    (registry.folder / "current").write_text("not json")
    with pytest.raises(ValueError, match="feed train"):
        registry.current()


def test_forgetting_leaves_no_model(registry):
    registry.promote(add(registry))
    registry.forget()
    assert registry.names() == [] and registry.current() is None and registry.before() == []
