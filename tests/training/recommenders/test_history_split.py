import numpy as np
import pytest

from traceformers.training.recommenders.histories import Histories
from traceformers.training.recommenders.history_split import refuse_times_of_each_user, split_histories

LISTS = [[3, 4, 5, 6], [7, 8, 9], [3, 9], [5]]


def lists(histories):
    return [histories.of(user).tolist() for user in range(len(histories))]


def test_protocol_a_keeps_the_last_two_items_of_each_user():
    split = split_histories(Histories.from_lists(LISTS), "A")
    assert lists(split.train) == [[3, 4], [7], [3, 9], [5]]
    assert lists(split.validation.histories) == [[3, 4], [7]] and split.validation.targets.tolist() == [5, 8]
    assert lists(split.test.histories) == [[3, 4, 5], [7, 8]] and split.test.targets.tolist() == [6, 9]
    assert split.test.users.tolist() == [0, 1] and split.about["users_not_tested"] == 2


def test_protocol_b_trains_on_the_last_but_one_of_those_who_are_not_asked():
    histories = Histories.from_lists([[3, 4, 5, 6]] * 10)
    split = split_histories(histories, "B", eval_users=4, seed=1)
    asked = set(split.validation.users.tolist())
    assert len(asked) == 4
    for user in range(10):
        assert split.train.of(user).tolist() == ([3, 4] if user in asked else [3, 4, 5])
    assert lists(split.validation.histories) == [[3, 4]] * 4 and split.validation.targets.tolist() == [5] * 4
    assert lists(split.test.histories) == [[3, 4, 5]] * 10 and split.test.targets.tolist() == [6] * 10


def test_nothing_that_is_asked_is_trained_on():
    random = np.random.default_rng(0)
    histories = Histories.from_lists([random.permutation(np.arange(3, 40))[:n] for n in random.integers(1, 20, 50)])
    for protocol in "AB":
        split = split_histories(histories, protocol, eval_users=20)
        for asked in (split.validation, split.test):
            for row, user in enumerate(asked.users.tolist()):
                assert asked.targets[row] not in split.train.of(user)
                assert asked.targets[row] not in asked.histories.of(row)


def test_protocol_time_asks_for_the_first_item_after_each_moment():
    histories = Histories.from_lists([[3, 4, 5, 6, 7], [8, 9], [3, 5]])
    histories.times = np.array([1, 2, 10, 20, 21, 1, 20, 30, 31], dtype=float)
    split = split_histories(histories, "time", validation_time=10, test_time=20)
    assert lists(split.train) == [[3, 4], [8], []]
    assert split.validation.users.tolist() == [0] and split.validation.targets.tolist() == [5]
    assert split.test.users.tolist() == [0, 1] and split.test.targets.tolist() == [6, 9]
    assert lists(split.test.histories) == [[3, 4, 5], [8]]


def test_some_users_are_drawn_by_seed_and_keep_their_order():
    split = split_histories(Histories.from_lists([[i, i + 1, i + 2] for i in range(3, 23)]), "A")
    few = split.validation.some(5, seed=2)
    assert len(few) == 5 and (np.diff(few.users) > 0).all()
    assert few.users.tolist() == split.validation.some(5, seed=2).users.tolist()
    assert few.users.tolist() != split.validation.some(5, seed=3).users.tolist()
    assert [few.histories.of(row)[0] for row in range(5)] == [user + 3 for user in few.users]
    assert split.validation.some(None) is split.validation.some(99) is split.validation


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"protocol": "C"}, "Expected a protocol of A, B, time, got 'C'"),
        ({"protocol": "time"}, "Expected interactions with times"),
    ],
)
def test_bad_requests_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        split_histories(Histories.from_lists(LISTS), **options)


def timed(*times):
    histories = Histories.from_lists([range(3, 3 + len(each)) for each in times])
    histories.times = np.concatenate([np.asarray(each, float) for each in times])
    return histories


@pytest.mark.parametrize("times", [[[0, 1, 2], [0, 1], [0]], [[1, 2, 3, 5], [], [1, 2], [2, 3, 4], [1, 2, 3]]])
def test_ranks_that_begin_anew_for_each_user_have_no_moments(times):
    with pytest.raises(ValueError, match=r"ranks that begin at . for 3 of . users and go up by one\. Name a column of"):
        refuse_times_of_each_user(timed(*times))


@pytest.mark.parametrize(
    "times",
    [
        [[0, 1, 2], [3, 4], [5, 6, 7]],  # one count for all
        [[0, 3, 9], [0, 0, 7, 7], [1, 1, 5]],  # weeks, in which most began at once
        [[0, 1, 2, 3]],
        [[], []],
    ],
)
def test_ranks_of_one_clock_may_be_divided_by_a_moment(times):
    refuse_times_of_each_user(timed(*times))


def test_users_too_short_to_ask_and_moments_out_of_order_are_refused():
    with pytest.raises(ValueError, match="Expected users to ask in the validation of protocol A, got none among 2"):
        split_histories(Histories.from_lists([[3, 4], [5]]))
    timed = Histories.from_lists([[3, 4, 5]])
    timed.times = np.arange(3.0)
    with pytest.raises(ValueError, match="Expected a validation_time before the test_time, got 2 and 1"):
        split_histories(timed, "time", validation_time=2, test_time=1)
