import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from traceformers.training.evaluation.next_item_ranks import next_item_ranks, rank_targets

ITEMS = 9
VOCAB = 3 + ITEMS


def flat(lists):
    """Returns `(ids, offsets)` of lists of token ids."""
    return (
        np.array([token for one in lists for token in one], dtype=np.int64),
        np.cumsum([0, *map(len, lists)]),
    )


def bag_scores(table):
    """Returns a function of scores: the mean of a table's rows over what a user has had, zeros for an empty history."""

    def score(input_ids, attention_mask):
        kept = attention_mask.bool()
        summed = (table[input_ids] * kept[..., None]).sum(dim=1)
        return summed / kept.sum(dim=1, keepdim=True).clamp(min=1)

    return score


def by_full_sort(scores, seen, targets):
    """Returns the candidates in order, best first, and the targets' ranks: one user, plain Python."""
    candidates = [token for token in range(3, VOCAB) if token not in seen or token in targets]
    order = sorted(candidates, key=lambda token: (-scores[token], token))
    return order, [order.index(target) + 1 for target in targets]


tokens = st.integers(3, VOCAB - 1)
histories_and_targets = st.lists(
    st.tuples(st.lists(tokens, max_size=7), st.lists(tokens, max_size=3, unique=True)), min_size=1, max_size=8
)
tables = st.lists(
    st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), min_size=VOCAB, max_size=VOCAB), min_size=VOCAB, max_size=VOCAB
)


@given(users=histories_and_targets, table=tables, batch_size=st.integers(1, 5), k=st.integers(1, VOCAB + 2))
def test_ranks_and_top_items_equal_a_full_sort_in_plain_python(users, table, batch_size, k):
    score = bag_scores(torch.tensor(table))
    histories, targets = [user[0] for user in users], [user[1] for user in users]
    expected_ranks, expected_items = [], []
    for history, own in users:
        scores = score(torch.tensor([history or [0]]), torch.tensor([[1] * len(history) or [0]]))[0].tolist()
        order, ranks = by_full_sort(scores, history, own)
        expected_ranks += ranks
        expected_items.append((order + [0] * k)[:k])
    found = rank_targets(score, *flat(histories), *flat(targets), batch_size=batch_size, top_k=k)
    assert found.ranks.tolist() == expected_ranks
    assert found.top_items.tolist() == expected_items


def test_equal_scores_rank_the_lower_token_id_first():
    ranks = next_item_ranks(lambda ids, mask: torch.zeros(len(ids), VOCAB), *flat([[4], [4]]), [3, 7])
    assert ranks.tolist() == [1, 4]


def test_a_seen_item_never_counts_against_the_target_even_if_older_than_the_model_reads():
    lengths = []

    def ascending(input_ids, attention_mask):
        lengths.append(input_ids.shape[1])
        return torch.arange(VOCAB).float().expand(len(input_ids), -1)

    ids, offsets = flat([[11, 10, 9, 5, 6]])
    assert next_item_ranks(ascending, ids, offsets, [8], max_history=2).tolist() == [1]
    assert lengths == [2]
    assert next_item_ranks(ascending, ids, offsets, [8], seen="nothing").tolist() == [4]
    assert next_item_ranks(ascending, ids, offsets, [8], seen=flat([[11]])).tolist() == [3]


def test_a_target_that_was_seen_before_is_still_a_candidate():
    scores = torch.arange(VOCAB).float().expand(1, -1)
    assert next_item_ranks(lambda ids, mask: scores, *flat([[9, 10]]), [9]).tolist() == [2]


def test_the_scores_that_came_are_not_written_to():
    scores = torch.zeros(1, VOCAB)
    next_item_ranks(lambda ids, mask: scores, *flat([[9, 10]]), [4])
    assert scores.eq(0).all()


def test_only_users_of_like_length_share_a_batch_and_results_come_back_in_order():
    shapes = []

    def own_last(input_ids, attention_mask):
        shapes.append(tuple(input_ids.shape))
        last = input_ids.gather(1, attention_mask.sum(dim=1, keepdim=True) - 1)
        return (torch.arange(VOCAB) == last + 1).float()

    histories = [[3] * 50, [4], [5] * 49, [6]]
    ranks = next_item_ranks(own_last, *flat(histories), [4, 5, 6, 7], batch_size=2)
    assert shapes == [(2, 50), (2, 1)]
    assert ranks.tolist() == [1, 1, 1, 1]


def test_the_newest_items_are_read_and_padding_is_on_the_right():
    read = []

    def score(input_ids, attention_mask):
        read.extend([input_ids.tolist(), attention_mask.tolist()])
        return torch.zeros(len(input_ids), VOCAB)

    next_item_ranks(score, *flat([[7, 8, 9], [], [4]]), [5, 5, 5], max_history=2)
    assert read == [[[8, 9], [4, 0], [0, 0]], [[1, 1], [1, 0], [0, 0]]]


def test_a_model_is_scored_without_dropout_and_left_as_it_was():
    class Model(torch.nn.Module):
        def next_item_scores(self, input_ids, attention_mask=None):
            assert not self.training
            assert torch.is_inference_mode_enabled()
            return torch.zeros(len(input_ids), VOCAB)

    model = Model().train()
    next_item_ranks(model, *flat([[4]]), [5])
    assert model.training


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_not_finite_is_an_error(value):
    scores = torch.zeros(1, VOCAB)
    scores[0, 6] = value
    with pytest.raises(ValueError, match=r"finite scores.*token 6"):
        next_item_ranks(lambda ids, mask: scores, *flat([[4]]), [5])


def test_scores_of_special_tokens_are_never_ranked():
    scores = torch.zeros(1, VOCAB)
    scores[0, :3] = torch.tensor([float("inf"), float("nan"), 7.0])
    assert next_item_ranks(lambda ids, mask: scores, *flat([[3]]), [4]).tolist() == [1]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (([3, 4], [0, 1], [5]), "offsets that rise from 0 to the 2 ids"),
        (([3, 4], [0, 2, 1], [5, 6]), "offsets that rise"),
        (([3, 4], [0, 1, 2], [5]), "target_offsets that rise from 0 to the 1 targets"),
        (([3, 4], [0, 1, 2], [5, 6], [0, 2]), "targets of 2 users.*pass target_offsets"),
        (([3], [0, 1], [2]), "targets that are items"),
        (([3.5], [0, 1], [5]), "flat array of token ids"),
        (([-1], [0, 1], [5]), "token ids from 0"),
        (([3], [0, 1], [VOCAB]), "another vocabulary"),
        (([VOCAB], [0, 1], [5]), "another vocabulary"),
        (([3], [0, 1], [5], None, "histories"), 'seen as "history".*pass one of these'),
    ],
)
def test_arrays_that_do_not_belong_together_are_an_error(lists, message):
    with pytest.raises(ValueError, match=message):
        next_item_ranks(lambda ids, mask: torch.zeros(len(ids), VOCAB), *lists)


def test_scores_of_a_wrong_shape_are_an_error():
    with pytest.raises(ValueError, match="one row a history"):
        next_item_ranks(lambda ids, mask: torch.zeros(1, VOCAB), *flat([[4], [5]]), [5, 6])


def test_no_users_give_no_ranks():
    found = rank_targets(lambda ids, mask: torch.zeros(len(ids), VOCAB), [], [0], [], top_k=3)
    assert found.ranks.shape == (0,) and found.top_items.shape == (0, 3)
