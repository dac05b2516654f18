"""Windows between pictures: on the clock of the events, none of them overlapping, each with its own picture."""

import shutil

import numpy as np
import pytest
from tiny_rrweb import element, page, tiny_tokenizer
from tiny_trimodal import tiny_session, write_recordings, write_screens, write_table

from traceformers.training.trimodal.screen_windows import Screenshot, read_screenshots, screen_windows

TOK = tiny_tokenizer()


def cut(events, seconds, max_length=64, **options):
    session = TOK.tokenize_session(events)
    shots = [Screenshot(second, f"{second}.webp") for second in seconds]
    return session, screen_windows(session, shots, max_length, TOK.window_tokens, **options)


def body(window):
    ids = window.ids.tolist()
    return ids[ids.index(TOK.window_tokens.body) + 1 : -1]


def test_a_window_ends_with_the_last_event_before_its_picture():
    session, windows = cut(tiny_session(seconds=10), [0.5, 4.6, 7.2], max_length=512)
    assert [window.screenshot for window in windows] == ["0.5.webp", "4.6.webp", "7.2.webp", None]
    assert [window.seconds for window in windows] == [(0.0, 0.01), (1.0, 4.3), (5.0, 7.0), (7.3, 9.3)]
    assert [token for window in windows for token in body(window)] == session.ids.tolist()


def test_no_window_is_longer_than_asked_and_none_shares_a_token():
    session, windows = cut(tiny_session(seconds=30), [0.5, 9.9, 20.1], max_length=48, extra_windows=1000)
    assert max(len(window.ids) for window in windows) <= 48
    assert [token for window in windows for token in body(window)] == session.ids.tolist()
    assert [window.screenshot for window in windows if window.screenshot] == ["0.5.webp", "9.9.webp", "20.1.webp"]


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_of_a_long_page_only_so_many_windows_without_a_picture_are_kept(extra):
    long_page = page(*(element(10 + i, "button", f"button number {i}") for i in range(60)))
    _, windows = cut(long_page, [0.5], max_length=64, extra_windows=extra)
    assert [bool(window.screenshot) for window in windows] == [True] + [False] * extra
    top = TOK.decode(windows[0].ids.tolist())
    assert "button number 0" in top  # the picture shows the top of the page, and so does its window
    assert len(windows[0].ids) > 44  # and it is full, but for a node


def test_a_picture_before_anything_happened_is_left_to_the_next():
    _, windows = cut(tiny_session(seconds=5), [0.5, 0.6, 0.7, 3.5], max_length=512, extra_windows=0)
    assert [window.screenshot for window in windows] == ["0.5.webp", "3.5.webp"]


def test_without_pictures_there_are_windows_all_the_same():
    _, windows = cut(tiny_session(seconds=5), [])
    assert len(windows) == 1 and windows[0].screenshot is None


def test_pictures_are_read_in_the_order_of_time(tmp_path):
    write_recordings(tmp_path, sessions=1)
    shots = read_screenshots(tmp_path / "s1_0000.json.gz")
    assert [shot.seconds for shot in shots] == [0.5, 5.5, 10.5, 15.5]
    assert all(shot.file.is_file() for shot in shots)
    assert read_screenshots(tmp_path / "s1_0009.json.gz") == []


def test_of_equal_pictures_in_a_row_the_last_is_kept(tmp_path):
    write_screens(tmp_path, "s", [1.0, 2.0, 3.0, 4.0])
    for name in ("001", "002"):
        shutil.copyfile(tmp_path / "s_screens" / "000.webp", tmp_path / "s_screens" / f"{name}.webp")
    assert [shot.seconds for shot in read_screenshots(tmp_path / "s.json.gz")] == [3.0, 4.0]


def test_a_picture_that_is_gone_and_a_table_of_another_kind_are_refused(tmp_path):
    write_screens(tmp_path, "s", [1.0, 2.0])
    (tmp_path / "s_screens" / "001.webp").unlink()
    with pytest.raises(ValueError, match=r"Expected the picture .*001.webp that screenshots.csv names"):
        read_screenshots(tmp_path / "s.json.gz")
    write_table(tmp_path / "s_screens" / "screenshots.csv", [{"file": "000.webp", "time": 3}])
    with pytest.raises(ValueError, match="Expected the columns file and seconds"):
        read_screenshots(tmp_path / "s.json.gz")


def test_ids_are_stored_small():
    _, windows = cut(tiny_session(seconds=3), [0.5])
    assert windows[0].ids.dtype == np.uint16
