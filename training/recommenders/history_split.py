"""Which of a user's items are learned from, which choose the model, and which tell how good it is.

Protocols:
- A: without the last two items of each user is trained on; the last but one is the target of validation, the last that
  of the test, whose history holds the item of validation.
- B: all but the last item is trained on; validation asks only some users for their last but one, which for them is not
  trained on. The test is that of A.
- time: what comes before one moment is trained on. Validation asks for the first item between this moment and a
  second one, the test for the first item after the second, each with all that was before the moment as history.

Users of fewer than three items, whom A and B cannot ask, are trained on and not asked. With `time`, users without an
item before the moment are not asked either. Items that only occur in a test are in the catalogue and ranked with the
others; a model that learns from histories alone puts them last or nearly so.
"""

from dataclasses import dataclass

import numpy as np

from traceformers.training.recommenders.histories import Histories

PROTOCOLS = ("A", "B", "time")
#: Users that protocol B asks in validation, where nothing else is said.
EVAL_USERS_B = 2048
FEWEST_ITEMS = 3


@dataclass
class NextItems:
    """Users who are asked for their next item.

    Args:
        histories (`Histories`): what they chose before, n users.
        targets (int64 (n,)): what they chose next.
        users (int64 (n,)): which users of the data set they are.
    """

    histories: Histories
    targets: np.ndarray
    users: np.ndarray

    def __len__(self):
        return len(self.targets)

    def some(self, count, seed=0):
        """Returns the `NextItems` of so many users, drawn by `seed` and in the order they had; all if there are few."""
        if count is None or count >= len(self):
            return self
        rows = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return NextItems(self.histories.cut(rows, self.histories.lengths[rows]), self.targets[rows], self.users[rows])


@dataclass
class HistorySplit:
    """A data set divided: train (`Histories`), validation and test (`NextItems`), about (`dict`: counts and rule)."""

    train: Histories
    validation: NextItems
    test: NextItems
    about: dict


def split_histories(histories, protocol="A", eval_users=None, seed=0, validation_time=None, test_time=None):
    """Returns the `HistorySplit` of a data set by one of the `PROTOCOLS`.

    Args:
        histories (`Histories`): all that is known.
        protocol (`str`).
        eval_users (`int`, *optional*): users who are asked in validation of protocol B, 2,048 by default.
        seed (`int`): of these users.
        validation_time, test_time (`float`, *optional*): the moments of protocol time; by default the times by which
            80 % and 90 % of the interactions were over.

    Raises:
        ValueError: for another protocol, if times are missing, or nobody can be asked.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"Expected a protocol of {', '.join(PROTOCOLS)}, got {protocol!r}. Set --protocol to one.")
    about = {"protocol": protocol}
    lengths, everybody = histories.lengths, np.arange(len(histories))
    if protocol == "time":
        validation_time, test_time = _moments(histories, validation_time, test_time)
        about |= {"validation_time": validation_time, "test_time": test_time}
        known, later = _counts_before(histories, validation_time), _counts_before(histories, test_time)
        train = histories.cut(everybody, known)
        asked, tested = (known > 0) & (later > known), (later > 0) & (lengths > later)
        validation, test = _ask(histories, asked, known), _ask(histories, tested, later)
    else:
        able = lengths >= FEWEST_ITEMS
        asked = able.copy()
        if protocol == "B":
            drawn = np.random.default_rng(seed).permutation(np.flatnonzero(able))
            asked[drawn[EVAL_USERS_B if eval_users is None else eval_users :]] = False
        held = able.astype(np.int64) + asked
        train = histories.cut(everybody, lengths - held)
        validation, test = _ask(histories, asked, lengths - 2), _ask(histories, able, lengths - 1)
    for name, questions in (("validation", validation), ("test", test)):
        if not len(questions):
            raise ValueError(
                f"Expected users to ask in the {name} of protocol {protocol}, got none among {len(histories)}. "
                "Give users of three or more items, or other times."
            )
    about |= {
        "users": len(histories),
        "interactions": len(histories.items),
        "train_interactions": len(train.items),
        "validation_users": len(validation),
        "test_users": len(test),
        "users_not_tested": len(histories) - len(test),
    }
    return HistorySplit(train, validation, test, about)


def refuse_times_of_each_user(histories):
    """Raises `ValueError` if times are ranks that begin anew for each user: no moment then divides all users' items.

    They are taken for such where most users begin at the lowest time there is, and most steps of a user are by one.

    Args:
        histories (`Histories`): with times that are ranks.
    """
    times, lengths = histories.times, histories.lengths
    if times is None or (lengths > 0).sum() < 2:
        return
    lowest = times.min()
    at_lowest = int((times[histories.offsets[:-1][lengths > 0]] == lowest).sum())
    within = np.ones(len(times), bool)
    within[histories.offsets[:-1][lengths > 0]] = False  # steps to another user's first item are none
    steps = np.diff(times, prepend=times[0])[within]
    if 2 * at_lowest > (lengths > 0).sum() and 2 * (steps == 1).sum() > len(steps):
        raise ValueError(
            f"Expected times of one clock for all users with protocol time, got ranks that begin at {lowest:g} for "
            f"{at_lowest:,} of {len(histories):,} users and go up by one. Name a column of dates or seconds with "
            "--time_column, or choose --protocol A or B."
        )


def _ask(histories, asked, counts):
    users = np.flatnonzero(asked)
    targets = histories.items[histories.offsets[users] + counts[users]].astype(np.int64)
    return NextItems(histories.cut(users, counts[users]), targets, users)


def _moments(histories, validation_time, test_time):
    times = histories.times
    if times is None:
        raise ValueError(
            "Expected interactions with times for protocol time, got none. Name their column, or use protocol A or B."
        )
    validation_time = float(np.quantile(times, 0.8)) if validation_time is None else validation_time
    test_time = float(np.quantile(times, 0.9)) if test_time is None else test_time
    if validation_time >= test_time:
        raise ValueError(
            f"Expected a validation_time before the test_time, got {validation_time} and {test_time}. Correct them."
        )
    return validation_time, test_time


def _counts_before(histories, moment):
    """Returns how many items each user chose before a moment, int64 (U,)."""
    before = np.concatenate([[0], np.cumsum(histories.times < moment)])
    return before[histories.offsets[1:]] - before[histories.offsets[:-1]]
