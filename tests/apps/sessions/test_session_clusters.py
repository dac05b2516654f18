"""Groups and map: what lies together is together, numbered by size, described by what sets it apart."""

import numpy as np
import pytest

from traceformers.apps.sessions.session_clusters import describe_clusters, find_clusters, map_of


def groups(sizes, seed=0, width=12):
    """Returns vectors of length 1 around one direction a group, and the group of each."""
    rng = np.random.default_rng(seed)
    middles = np.eye(width)[: len(sizes)]
    own = np.repeat(np.arange(len(sizes)), sizes)
    vectors = middles[own] + 0.05 * rng.normal(size=(len(own), width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), own


@pytest.mark.parametrize("method", ["hdbscan", "kmeans"])
def test_groups_that_lie_apart_are_found_and_numbered_by_size(method):
    vectors, own = groups([10, 30, 20])
    labels = find_clusters(vectors, method, clusters=3 if method == "kmeans" else None)
    for name, expected in ((1, 0), (2, 1), (0, 2)):
        found = labels[own == name]
        assert (found[found >= 0] == expected).all() and (found >= 0).mean() > 0.7


def test_the_same_vectors_give_the_same_groups_and_the_same_map():
    vectors, _ = groups([8, 9, 10])
    assert (find_clusters(vectors) == find_clusters(vectors)).all()
    assert (map_of(vectors) == map_of(vectors)).all()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 40])
def test_any_number_of_sessions_has_groups_and_places(count):
    vectors = groups([count])[0]
    assert len(find_clusters(vectors)) == count
    places = map_of(vectors)
    assert places.shape == (count, 2) and np.isfinite(places).all() and (np.abs(places) <= 1).all()


def test_equal_vectors_are_no_error():
    vectors = np.tile(groups([1])[0], (40, 1))
    assert np.isfinite(map_of(vectors)).all() and len(find_clusters(vectors)) == 40


def test_neighbours_are_near_each_other_on_the_map():
    vectors, own = groups([20, 20, 20])
    places = map_of(vectors)
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    assert (own[apart.argmin(axis=1)] == own).mean() > 0.95


def test_settings_that_do_not_fit_are_refused():
    vectors, _ = groups([5, 5])
    for options in ({"method": "ward"}, {"method": "kmeans", "clusters": 11}, {"smallest": 1}):
        with pytest.raises(ValueError, match="Expected"):
            find_clusters(vectors, **options)


def test_a_group_is_described_by_what_others_do_not_have():
    vectors, own = groups([4, 4])
    words = ["cart checkout page page"] * 4 + ["manual chapter page page"] * 4
    steps = [['click mouse a "Buy"', "page x"]] * 4 + [["scrolled #document down", "page x"]] * 4
    columns = {
        "session_id": [f"s{i}" for i in range(8)],
        "start_url": ["shop.test/"] * 4 + ["docs.test/"] * 4,
        "duration_s": [10.0] * 4 + [50.0] * 4,
        "struggle": [0.5] * 4 + [0.0] * 4,
    }
    shop, docs = describe_clusters(own, vectors, words, steps, columns)
    assert set(shop.terms) == {"cart", "checkout"} and set(docs.terms) == {"manual", "chapter"}
    assert (shop.pages, docs.pages) == (["shop.test/"], ["docs.test/"])
    assert (shop.actions, docs.actions) == (["click"], ["scrolled down"])
    assert (docs.median_duration_s, shop.mean_struggle, docs.share) == (50.0, 0.5, 0.5)
    assert shop.example in columns["session_id"][:4]
