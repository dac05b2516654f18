"""The best k of many rows: equal to a full stable sort, whatever ties there are."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from traceformers.modeling.recommender.item_ranking import diversify, pad_rows, take_rows, top_k

NEVER = float("-inf")
#: Few different values, so that ties are the rule.
SCORES = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 40)),
    elements=st.sampled_from([NEVER, -1.0, -0.0, 0.0, 0.5, 2.0]),
)


def sorted_in_full(scores, k):
    """Returns what `top_k` has to: by a stable sort of all columns."""
    values, columns = scores.sort(dim=1, descending=True, stable=True)
    values, columns = values[:, :k], columns[:, :k]
    return columns.masked_fill(values == NEVER, 0), values


@given(SCORES, st.integers(1, 45))
def test_top_k_equals_a_full_stable_sort(scores, k):
    scores = torch.from_numpy(scores)
    columns, values = top_k(scores, k)
    expected_columns, expected_values = sorted_in_full(scores, k)
    assert torch.equal(columns, expected_columns)
    assert torch.equal(values, expected_values)


@given(st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_top_k_of_many_columns_equals_a_full_stable_sort(seed, k):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randint(0, 50, (7, 2000), generator=generator).float()
    for found, expected in zip(top_k(scores, k), sorted_in_full(scores, k), strict=True):
        assert torch.equal(found, expected)


def test_a_row_does_not_depend_on_the_rows_beside_it():
    scores = torch.randint(0, 4, (30, 100), generator=torch.Generator().manual_seed(0)).float()
    together, _ = top_k(scores, 10)
    alone = torch.cat([top_k(row[None], 10)[0] for row in scores])
    assert torch.equal(together, alone)


def test_places_without_an_item_hold_column_zero_and_no_score():
    columns, values = top_k(torch.tensor([[NEVER, 3.0, NEVER], [NEVER, NEVER, NEVER]]), 2)
    assert columns.tolist() == [[1, 0], [0, 0]]
    assert values.tolist() == [[3.0, NEVER], [NEVER, NEVER]]


def test_no_rows_and_no_columns_are_legal():
    assert top_k(torch.zeros(0, 5), 3)[0].shape == (0, 3)
    assert top_k(torch.zeros(2, 5), 0)[0].shape == (2, 0)


def test_nan_is_refused_and_not_recommended():
    with pytest.raises(ValueError, match="got NaN"):
        top_k(torch.tensor([[1.0, float("nan"), 2.0]]), 1)


@given(st.lists(st.lists(st.integers(3, 9), max_size=5), min_size=1, max_size=6), st.data())
def test_rows_of_a_flat_array_are_found_in_any_order(rows, data):
    flat = np.array([value for row in rows for value in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    wanted = np.array(data.draw(st.permutations(range(len(rows)))))
    at, values = take_rows(flat, offsets, wanted)
    assert at.tolist() == [place for place, row in enumerate(wanted) for _ in rows[row]]
    assert values.tolist() == [value for row in wanted for value in rows[row]]
    padded, mask = pad_rows(flat, offsets[wanted], np.diff(offsets)[wanted])
    assert [row[kept == 1].tolist() for row, kept in zip(padded, mask, strict=True)] == [rows[row] for row in wanted]
    assert padded.shape[1] == max(1, *map(len, rows), 0)
    assert not padded[mask == 0].any()


# --- diversity ----------------------------------------------------------------------------------------------


def greedy(columns, scores, vectors, k, diversity):
    """Returns the columns that maximal marginal relevance takes, by its definition, a user at a time."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    left, taken = list(range(len(columns))), []
    while left and len(taken) < k:
        values = [
            relevance[i]
            if not taken
            else (1 - diversity) * relevance[i] - diversity * max(unit[columns[i]] @ unit[columns[j]] for j in taken)
            for i in left
        ]
        taken.append(left.pop(int(np.argmax(values))))
    return [columns[i] for i in taken]


@pytest.mark.parametrize("diversity", [0.0, 0.3, 0.7, 1.0])
def test_diversify_takes_what_its_definition_says(diversity):
    generator = torch.Generator().manual_seed(3)
    vectors = torch.randn(50, 8, generator=generator, dtype=torch.float64)
    columns, scores = top_k(torch.randn(6, 50, generator=generator, dtype=torch.float64), 20)
    found, values = diversify(columns, scores, vectors, 7, diversity)
    for row in range(6):
        wanted = greedy(columns[row].tolist(), scores[row].numpy(), vectors.numpy(), 7, diversity)
        assert found[row].tolist() == wanted
        of_column = dict(zip(columns[row].tolist(), scores[row].tolist(), strict=True))
        assert values[row].tolist() == [of_column[column] for column in wanted]


def test_without_diversity_the_order_is_that_of_the_scores():
    columns, scores = top_k(torch.randn(4, 30, generator=torch.Generator().manual_seed(0)), 10)
    found, values = diversify(columns, scores, torch.randn(30, 5), 10, 0.0)
    assert torch.equal(found, columns)
    assert torch.equal(values, scores)


def test_twins_are_not_taken_together():
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    columns, scores = top_k(torch.tensor([[3.0, 2.9, 1.0]]), 3)
    assert diversify(columns, scores, vectors, 2, 0.0)[0].tolist() == [[0, 1]]
    assert diversify(columns, scores, vectors, 2, 0.6)[0].tolist() == [[0, 2]]


@pytest.mark.parametrize("diversity", [0.0, 0.5, 1.0])
def test_diversify_never_takes_what_is_not_allowed_nor_one_item_twice(diversity):
    columns, scores = top_k(torch.tensor([[NEVER, 1.0, NEVER, 1.0], [NEVER] * 4, [NEVER, NEVER, NEVER, 5.0]]), 4)
    found, values = diversify(columns, scores, torch.randn(4, 3), 4, diversity)
    assert found.tolist() == [[1, 3, 0, 0], [0, 0, 0, 0], [3, 0, 0, 0]]
    assert (values > NEVER).sum(1).tolist() == [2, 0, 1]
