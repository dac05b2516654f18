import errno
import json

import pyarrow.parquet as pq
import pytest
from feed_states import state_of

from traceformers.apps.feed.database.feed_database import FeedDatabase
from traceformers.apps.feed.database.feed_transfer import export_feed, import_feed
from traceformers.datasets_scripts.feed.feed_folder import SCHEMAS, read_feed_folder
from traceformers.datasets_scripts.feed.feed_records import ActivityEvent, Feedback, FeedRow, Subscription, Video, Watch

pytest_plugins = ("feed_databases",)


def fill(database):
    """Puts something into every table that an export holds."""
    database.add_videos(
        [
            Video(
                "v", "A \U0001f980 <b>", "Ch", "UC1", "About\nit", 5, 61.5, "Music", ("a", "ä,b"), False, True, "rss"
            ),
            Video("w"),
            Video("x", "שלום", is_short=True),
        ]
    )
    database.add_events(
        [ActivityEvent("web", 7, 1.5, "browser", "t", "http://u", "Work > Code"), ActivityEvent("web", 7, 1)]
    )
    database.add_watches([Watch("v", 9, "takeout"), Watch("gone", 9)])
    database.add_feedback(
        [Feedback("1", "v", "interest", 1.0, 10, "like"), Feedback("2", "v", "interest", None, 11, "feed")]
    )
    database.add_feedback([Feedback("3", "w", "productive", 0.0, 12, "labelling")])
    database.set_subscriptions([Subscription("UC1", "Ch"), Subscription("UC2")], "takeout")
    database.set_subscriptions([Subscription("UC1", "Ch")], "youtube")
    database.hide_channel("UC9")
    database.hide_video("x")
    run = database.start_run("score", {"n": [1]})
    for model in ("m1", "m2"):
        row = FeedRow(
            "v", 1, 0.1 + 0.2, 0.5, 1e-9, {"fresh": 0.1, "näher": -2.0}, ("because", "\U0001f980"), True, 0.05
        )
        feed_id = database.save_feed([row, FeedRow("w", 2, -1.0, 0.0, 1.0)], run, model, {"at": 5, "x": [None]})
        database.log_impressions(feed_id, [("v", 0, 0.05), ("w", 1, 1.0)], shown_at=20)
    database.finish_run(run, "partial", counts={"rows": 2}, error="half")
    database.start_run("collect")
    database.set_state("rss", "cursor", {"UC1": 5, "x": None})
    database.spend_quota("youtube", "2026-01-01", 7, 10)


@pytest.mark.parametrize("format", ["parquet", "json"])
def test_an_export_imports_to_the_same_state_and_exports_equal(database, tmp_path, format):
    fill(database)
    about = export_feed(database, tmp_path / "copy", "Europe/Berlin", format)
    assert about["counts"] == database.record_counts()
    assert set(about["counts"]) == set(SCHEMAS)
    assert min(about["counts"].values()) > 0
    with FeedDatabase(f"sqlite:///{tmp_path}/other.sqlite") as other:
        import_feed(other, tmp_path / "copy")
        assert state_of(other) == state_of(database)
        assert other.labels() == database.labels()
        assert [(card.video, card.row) for card in other.feed_page()] == [
            (card.video, card.row) for card in database.feed_page()
        ]
        assert other.feed_about() == database.feed_about()
        again = export_feed(other, tmp_path / "again", "Europe/Berlin", format)
    assert again["sha256"] == about["sha256"]
    first, second = read_feed_folder(tmp_path / "copy"), read_feed_folder(tmp_path / "again")
    assert {name: table.equals(second.tables[name]) for name, table in first.tables.items()} == dict.fromkeys(
        SCHEMAS, True
    )


def test_a_copy_moves_from_one_kind_of_database_to_the_other(database, tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/first.sqlite") as first:
        fill(first)
        export_feed(first, tmp_path / "copy", "UTC")
        import_feed(database, tmp_path / "copy")
        assert state_of(database) == state_of(first)


def test_an_import_into_its_own_database_changes_nothing(database, tmp_path):
    fill(database)
    before = state_of(database)
    export_feed(database, tmp_path / "copy", "UTC")
    counts = import_feed(database, tmp_path / "copy")
    assert {(each.added, each.updated) for each in counts.values()} == {(0, 0)}
    assert state_of(database) == before


def test_an_import_into_another_merges_and_keeps_what_is_known_there(database, tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/old.sqlite") as old:
        old.add_videos([Video("v", "Old title", description="Kept", source="takeout"), Video("only old", "t")])
        old.add_events([ActivityEvent("a", 1, 9.0), ActivityEvent("a", 2, 1.0)])
        old.add_feedback(
            [Feedback("1", "v", "interest", 0.0, 1, "feed"), Feedback("9", "v", "productive", 1.0, 9, "feed")]
        )
        old.set_state("rss", "cursor", 1)
        old.set_state("rss", "other", 1)
        old.spend_quota("youtube", "day", 5, 10)
        export_feed(old, tmp_path / "copy", "UTC")
    database.add_videos([Video("v", "New title", duration=5.0, source="rss")])
    database.add_events([ActivityEvent("a", 1, 3.0), ActivityEvent("a", 3, 1.0)])
    database.add_feedback([Feedback("2", "v", "interest", 1.0, 2, "feed")])
    database.set_state("rss", "cursor", 2)
    database.spend_quota("youtube", "day", 3, 10)
    import_feed(database, tmp_path / "copy")
    assert database.video("v") == Video("v", "New title", description="Kept", duration=5.0, source="rss")
    assert database.video("only old") is not None
    assert database.event_table().column("duration").to_pylist() == [9.0, 1.0, 1.0]
    label = database.labels().to_pylist()[0]
    assert (label["interest"], label["productive"]) == (1.0, 1.0)
    assert (database.state("rss", "cursor"), database.state("rss", "other")) == (2, 1)
    assert database.quota("youtube", "day") == 5


def test_a_damaged_copy_is_refused_before_anything_is_written(database, tmp_path):
    with FeedDatabase(f"sqlite:///{tmp_path}/old.sqlite") as old:
        fill(old)
        export_feed(old, tmp_path / "copy", "UTC")
    path = tmp_path / "copy" / "runs.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(ValueError, match="cut short or edited"):
        import_feed(database, tmp_path / "copy")
    assert set(database.record_counts().values()) == {0}
    with pytest.raises(FileNotFoundError):
        import_feed(database, tmp_path)


def test_an_export_does_not_write_over_another_and_leaves_no_half_one(database, tmp_path, monkeypatch):
    fill(database)
    export_feed(database, tmp_path / "copy", "UTC")
    with pytest.raises(FileExistsError):
        export_feed(database, tmp_path / "copy", "UTC")
    with pytest.raises(ValueError, match="time zone"):
        export_feed(database, tmp_path / "other", "Mars/Base")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        export_feed(database, tmp_path / "full", "UTC")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["copy"]


def test_a_training_folder_without_the_other_tables_may_be_imported(database, tmp_path):
    from traceformers.datasets_scripts.feed.feed_folder import table_of, write_feed_folder

    tables = {"videos": table_of("videos", [Video("v", "t")])}
    tables["feedback"] = table_of("feedback", [Feedback("1", "v", "interest", None, 1, "simulated")])
    write_feed_folder(tmp_path / "set", tables, {"time_zone": "UTC"}, format="json")
    assert json.loads((tmp_path / "set" / "about.json").read_text())["counts"]["events"] == 0
    counts = import_feed(database, tmp_path / "set")
    assert (counts["videos"].added, counts["feedback"].added, counts["events"].added) == (1, 1, 0)
