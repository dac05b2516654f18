"""Windows of sessions: drawn anew each epoch, with what people did in them, and averaged into one answer a session."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_rrweb import click, element, mutation, page, tiny_tokenizer

from traceformers.training.session_classification.session_windows import (
    DrawnWindows,
    JudgedWindows,
    SessionCollator,
    action_ids,
    mean_over_windows,
    windows_to_judge,
)

LONG = [*page(*(element(i, "p", f"word {i} of a long page") for i in range(10, 90))), click(12, 900), click(14, 1800)]
SETTINGS = SimpleNamespace(max_length=32, windows="actions", windows_per_session=3, max_eval_windows=4)


def tokenized(events=LONG):
    return tiny_tokenizer().tokenize_session(events)


def drawn(sessions=None, **changes):
    sessions = sessions or [tokenized(), tokenized(LONG[:-1]), tokenized([*LONG, click(16, 2600)])]
    settings = SimpleNamespace(**(vars(SETTINGS) | changes))
    return DrawnWindows(sessions, range(len(sessions)), tiny_tokenizer(), settings, seed=1)


def test_windows_that_show_only_a_page_are_not_judged():
    tokenizer, session = tiny_tokenizer(), tokenized()
    done, all_windows = action_ids(tokenizer), windows_to_judge(session, tokenizer, 32, "all", most=10**6)
    found = windows_to_judge(session, tokenizer, 32, "actions")
    assert 0 < len(found) < len(all_windows)
    assert all(np.isin(ids, done).any() for ids in found)
    assert sum(np.isin(ids, done).any() for ids in all_windows) == len(found)


def test_a_session_in_which_nobody_does_anything_is_judged_by_its_pages():
    session = tokenized([*LONG[:2], mutation(900)])
    assert len(windows_to_judge(session, tiny_tokenizer(), 32, "actions", most=10**6)) > 3


def test_of_many_windows_some_are_judged_evenly_spaced():
    tokenizer, session = tiny_tokenizer(), tokenized()
    every = windows_to_judge(session, tokenizer, 32, "all", most=10**6)
    some = windows_to_judge(session, tokenizer, 32, "all", most=4)
    assert [ids.tolist() for ids in some] == [every[i * len(every) // 4].tolist() for i in range(4)]
    assert len(windows_to_judge(tokenized(page()), tokenizer, 32)) == 1


def test_drawn_windows_are_other_windows_each_epoch_and_the_same_for_a_seed():
    first, again = drawn(), drawn()
    rows = [[ids.tolist() for ids in item["windows"]] for item in first]
    assert rows == [[ids.tolist() for ids in item["windows"]] for item in again]
    first.set_epoch(1)
    assert rows != [[ids.tolist() for ids in item["windows"]] for item in first]
    assert sorted(item["label"] for item in first) == [0, 1, 2]


def test_drawn_windows_hold_an_action_where_there_is_one():
    done = action_ids(tiny_tokenizer())

    def share(kind):
        windows = [ids for item in drawn(windows=kind, windows_per_session=20) for ids in item["windows"]]
        return np.mean([np.isin(ids, done).any() for ids in windows])

    assert share("all") < 0.5 < share("actions") == 1


def test_a_short_session_is_not_read_several_times_over():
    short = tokenized([*page(), click(3, 900)])
    assert len(drawn([short])[0]["windows"]) == -(-len(short.ids) // 16) < 3


def test_a_batch_knows_whose_each_window_is():
    sessions = drawn()
    items = [sessions[0], sessions[1]]
    batch = SessionCollator(520)(items)
    counts = [len(item["windows"]) for item in items]
    assert batch["session_of_window"].tolist() == [0] * counts[0] + [1] * counts[1]
    assert len(batch["cu_seq_lens_q"]) == 1 + sum(counts) and batch["labels"].tolist() == [i["label"] for i in items]


def test_logits_of_windows_are_averaged_by_session():
    logits = torch.tensor([[1.0, 0.0], [3.0, 2.0], [5.0, -1.0]])
    found = mean_over_windows(logits, torch.tensor([1, 1, 0]), 2)
    assert found.tolist() == [[5.0, -1.0], [2.0, 1.0]]


def test_sessions_to_judge_need_no_labels():
    judged = JudgedWindows([tokenized()], None, tiny_tokenizer(), SETTINGS)
    assert len(judged) == 1 and judged[0]["label"] == 0
    with pytest.raises(IndexError):
        drawn()[3]
