"""Scoring: the promoted model and no other, texts encoded once, any moment, dry runs, the terms that make the order."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from feed_homes import NOW, feed_home, promote
from invented_feed import DAY, HOUR
from tiny_feed_model import new_feed_model, tiny_feed_model

from traceformers.apps.feed import cold_start
from traceformers.apps.feed.database.feed_pages import FeedFilters
from traceformers.apps.feed.feed_reasons import nearest_events, reasons_of
from traceformers.apps.feed.feed_scoring import FeedScorer, score_feed
from traceformers.apps.feed.open_feed import open_feed
from traceformers.apps.feed.score_histogram import stability_index
from traceformers.apps.feed.scored_lines import moment_of, scored_lines
from traceformers.apps.feed.scoring_model import ScoringModel, VideoVectors, vectors_key
from traceformers.datasets_scripts.feed.feed_records import Feedback, Video, Watch

NO_CHANCE = {"exploration_share": 0.0, "look_back_days": 60.0, "hide_rated": False}


@pytest.fixture
def feed(tmp_path):
    with open_feed(feed_home(tmp_path, scoring=NO_CHANCE)) as opened:
        yield opened


def by_id(scored):
    return {row.video_id: row for row in scored.rows}


def expected_probabilities(feed, model, at):
    """Returns {video id: (interest, productive)} straight from the model, one video and one text at a time."""
    from traceformers.apps.feed.scoring_model import past_opinions
    from traceformers.training.productive_feed.feed_features import ActivityEvents, EventEncoder, FeedFeatures

    features = FeedFeatures(model.config, EventEncoder(model.encode_texts))
    events = ActivityEvents.from_table(feed.database.event_table(end=at))
    past = past_opinions(feed.database, feed.database.feedback_table())
    found = {}
    for video in feed.database.videos(feed.database.video_table()["video_id"].to_pylist()).values():
        vectors = model.encode_text([video.title], [video.channel], [video.description], [video.category or ""])
        inputs = features.activity(events, np.array([at])) | {
            "numbers": features.numbers([video], np.array([at]), past)
        }
        with torch.no_grad():
            logits = model(text_vectors=vectors, **inputs).logits
        found[video.video_id] = tuple(model.probabilities(logits)[0].tolist())
    return found


# -- the model --------------------------------------------------------------------------------------------


def test_to_score_nothing_no_model_is_loaded(tmp_path):
    home = feed_home(tmp_path, scoring={"look_back_days": 0.01})
    with open_feed(home) as feed:
        name = promote(feed, tiny_feed_model("ngram"))
    code = (
        "import sys\nfrom traceformers.apps.feed.feed_scoring import score_feed\n"
        "from traceformers.apps.feed.open_feed import open_feed\n"
        "with open_feed(sys.argv[1]) as feed:\n    scored = score_feed(feed, at=int(sys.argv[2]))\n"
        "print(len(scored.rows), scored.model, scored.feed_id is not None, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(home), str(NOW + 400 * DAY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["0", name, "True", "False"], done.stderr


@pytest.mark.parametrize("head", ["mlp", "linear"])
def test_the_feed_holds_the_calibrated_probabilities_of_the_promoted_model(feed, head):
    model = tiny_feed_model("ngram", head=head, temperatures=[0.7, 2.0], calibration_biases=[0.1, -0.3])
    name = promote(feed, model)
    scored = score_feed(feed, at=NOW)
    assert scored.model == name and len(scored.rows) == 60
    expected = expected_probabilities(feed, model, NOW)
    for row in scored.rows:
        assert (row.interest, row.productive) == pytest.approx(expected[row.video_id], abs=1e-5)


def test_saved_heads_are_the_ones_that_score(feed):
    # The forebear saved the adapter alone: a loaded model scored by random heads.
    model = tiny_feed_model("bert", head="mlp").add_lora(r=2)
    promote(feed, model, "hybrid")
    one, two = (by_id(FeedScorer().score(feed, at=NOW, dry_run=True)) for _ in range(2))
    assert {key: (row.interest, row.productive) for key, row in one.items()} == {
        key: (row.interest, row.productive) for key, row in two.items()
    }
    expected = expected_probabilities(feed, model.eval(), NOW)
    for video_id, row in one.items():
        assert row.productive == pytest.approx(expected[video_id][1], abs=1e-4)


def test_a_scorer_follows_promotion_and_rollback_without_being_told(feed):
    scorer = FeedScorer()
    first = promote(feed, tiny_feed_model("ngram", seed=1))
    before = by_id(scorer.score(feed, at=NOW, dry_run=True))
    second = promote(feed, tiny_feed_model("ngram", seed=2), now=NOW + 1000)
    changed = scorer.score(feed, at=NOW, dry_run=True)
    assert changed.model == second and by_id(changed) != before
    feed.registry.rollback()
    back = scorer.score(feed, at=NOW, dry_run=True)
    assert back.model == first and by_id(back) == before


def test_what_was_being_done_changes_the_scores_and_without_it_there_is_a_feed_too(feed):
    promote(feed, tiny_feed_model("ngram"))
    with_activity = score_feed(feed, at=NOW - 12 * HOUR, dry_run=True)
    without = score_feed(feed, at=NOW - 12 * HOUR, dry_run=True, ignore_activity=True)
    assert with_activity.context["activity"] and not without.context["activity"]
    assert {r.productive for r in with_activity.rows} != {r.productive for r in without.rows}
    assert len(without.rows) == len(with_activity.rows)


def test_a_model_without_activity_scores_too(feed):
    promote(feed, tiny_feed_model("ngram", use_activity=False), "base")
    one, two = (score_feed(feed, at=NOW, dry_run=True, ignore_activity=flag) for flag in (False, True))
    assert [row.productive for row in one.rows] == [row.productive for row in two.rows]


# -- texts once -------------------------------------------------------------------------------------------


def test_a_text_is_encoded_once_and_again_only_when_it_changes(feed):
    promote(feed, tiny_feed_model("ngram"))
    assert score_feed(feed, at=NOW).context["encoded"] == 60
    assert score_feed(feed, at=NOW + HOUR).context["encoded"] == 0
    changed = feed.database.video(feed.database.video_table()["video_id"][0].as_py())
    feed.database.add_videos([replace(changed, title="blue dog river")])
    assert score_feed(feed, at=NOW).context["encoded"] == 1


def test_cached_vectors_give_the_scores_that_fresh_ones_give(feed):
    promote(feed, tiny_feed_model("ngram"))
    fresh, cached = (by_id(score_feed(feed, at=NOW, dry_run=True)) for _ in range(2))
    assert fresh == cached


def test_another_model_on_the_same_encoder_shares_its_vectors_and_another_encoder_does_not(feed):
    promote(feed, tiny_feed_model("ngram", seed=1))
    assert score_feed(feed, at=NOW).context["encoded"] == 60
    promote(feed, tiny_feed_model("ngram", seed=2, head="linear"), now=NOW + 1000)
    assert score_feed(feed, at=NOW).context["encoded"] == 0
    promote(feed, tiny_feed_model("bert"), now=NOW + 2000)
    assert score_feed(feed, at=NOW).context["encoded"] == 60


def test_training_and_scoring_know_texts_by_the_same_key():
    model = new_feed_model("bert")
    plain = model.encoder_key()
    assert vectors_key(model, with_adapter=False) == vectors_key(model, with_adapter=True) == plain
    model.add_lora(r=2)
    assert vectors_key(model, with_adapter=False) == plain
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    assert vectors_key(model, with_adapter=False) == plain != vectors_key(model, with_adapter=True)


def test_training_finds_what_scoring_encoded_and_keeps_events_out_of_the_database(feed):
    model = tiny_feed_model("ngram")
    promote(feed, model)
    score_feed(feed, at=NOW)
    store = VideoVectors(feed.database, feed.database.video_table())
    ids = feed.database.video_table()["video_id"].to_pylist()[:5]
    found, vectors = store.text_vectors(model.encoder_key(), ids, ["the hash of training"] * 5)
    assert found.all() and vectors.shape == (5, model.config.text_size)
    store.save_text_vectors("key", ["event:1"], ["h"], np.ones((1, 4), np.float32))
    assert store.text_vectors("key", ["event:1"], ["h"])[0].all()
    assert not feed.database.text_vectors("key", ["event:1"], ["h"])[0].any()


# -- the joint model --------------------------------------------------------------------------------------


def adapted_model():
    model = tiny_feed_model("bert").add_lora(r=2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3)))
    return model.eval()


def test_the_joint_model_reads_the_best_again_and_only_those(tmp_path):
    home = feed_home(tmp_path, scoring={**NO_CHANCE, "rerank": 7})
    with open_feed(home) as feed:
        model = adapted_model()
        promote(feed, model, "hybrid")
        scored = score_feed(feed, at=NOW)
        assert scored.context["reranked"] == 7 and scored.context["encoded"] == 67
        assert score_feed(feed, at=NOW).context["encoded"] == 0
        joint = expected_probabilities(feed, model, NOW)
        exact = [np.allclose((row.interest, row.productive), joint[row.video_id], atol=1e-4) for row in scored.rows]
        assert sum(exact) == 7


def test_reading_all_again_is_the_joint_model_itself(feed):
    model = adapted_model()
    promote(feed, model, "hybrid")
    joint = expected_probabilities(feed, model, NOW)
    for row in score_feed(feed, at=NOW).rows:
        assert (row.interest, row.productive) == pytest.approx(joint[row.video_id], abs=1e-4)


def test_the_adapter_is_on_again_after_the_fast_lane(tmp_path, feed):
    name = promote(feed, adapted_model(), "hybrid")
    model = ScoringModel(feed.registry.path(name) / "model", name, "cpu")
    before = model.model.encode_texts(["red cat"])
    plain = model._encode_plain(["red cat"])
    assert not torch.equal(before, plain) and torch.equal(before, model.model.encode_texts(["red cat"]))


# -- moments, dry runs, candidates ------------------------------------------------------------------------


def test_a_dry_run_writes_no_feed_and_no_run(feed):
    scored = score_feed(feed, at=NOW, dry_run=True)
    assert scored.feed_id is None and scored.rows
    assert feed.database.feed_version() is None and feed.database.runs() == []


def test_a_written_feed_is_what_was_returned(feed):
    promote(feed, tiny_feed_model("ngram"))
    scored = score_feed(feed, at=NOW)
    page = feed.database.feed_page(limit=1000, feed_id=scored.feed_id, filters=FeedFilters(hide_rated=False))
    assert feed.database.feed_version() == scored.feed_id
    assert [card.row for card in page] == scored.rows
    (run,) = feed.database.runs("score")
    assert run.status == "ok" and run.counts["videos"] == 60 and run.counts["model"] == scored.model


def test_nothing_later_than_the_moment_is_known(feed):
    video = Video("late0000001", title="red", published_at=NOW + HOUR)
    feed.database.add_videos([video])
    known = feed.database.video_table()["video_id"].to_pylist()[0]
    feed.database.add_watches([Watch(known, NOW + HOUR, "takeout")])
    assert "late0000001" not in by_id(score_feed(feed, at=NOW, dry_run=True))
    later = score_feed(feed, at=NOW + 2 * HOUR, dry_run=True)
    assert "late0000001" in by_id(later)
    assert "watched" not in score_feed(feed, at=NOW, dry_run=True).context["left_out"]
    assert later.context["left_out"]["watched"] == 1


def test_the_look_back_is_in_days_before_the_moment(feed):
    published = feed.database.video_table()["published_at"].to_pylist()
    for days in (25.0, 40.0):
        expected = sum(NOW - days * DAY <= at <= NOW for at in published)
        assert len(score_feed(feed, at=NOW, days=days, dry_run=True).rows) == expected


def test_an_empty_database_gives_an_empty_feed(tmp_path):
    with open_feed(feed_home(tmp_path, tables={})) as feed:
        assert score_feed(feed, at=NOW).rows == []
        promote(feed, tiny_feed_model("ngram"))
        assert score_feed(feed, at=NOW).rows == []


@pytest.mark.parametrize(
    "setting,video,reason",
    [
        ({}, {"is_short": True}, "Short"),
        ({}, {"is_live": True}, "live"),
        ({"min_minutes": 5.0}, {"duration": 60.0}, "too short"),
        ({"max_minutes": 5.0}, {"duration": 600.0}, "too long"),
        ({"unsubscribed_only": True}, {"channel_id": "UC" + "c" * 22}, "subscribed"),
    ],
)
def test_what_a_filter_leaves_out_stands_behind_the_others_and_is_counted(tmp_path, setting, video, reason):
    home = feed_home(tmp_path, scoring={**NO_CHANCE, **setting, "look_back_days": 0.9}, videos=5)
    with open_feed(home) as feed:
        fine = [Video(f"fine000000{i}", title="red", published_at=NOW - DAY // 2, duration=300.0) for i in range(3)]
        out = Video("out00000001", **{"title": "red", "published_at": NOW - 1, "duration": 300.0, **video})
        feed.database.add_videos([*fine[:2], out, fine[2]])
        scored = score_feed(feed, at=NOW)
        assert [row.video_id for row in scored.rows][-1] == "out00000001" and len(scored.rows) == 4
        assert scored.context["left_out"] == {reason: 1}


def test_rated_watched_and_hidden_channels_stand_behind_the_others(tmp_path):
    home = feed_home(tmp_path, tables={}, scoring={"exploration_share": 0.0, "hide_rated": True})
    with open_feed(home) as feed:
        names = ("fine", "rated", "watched", "hidden")
        feed.database.add_videos(
            Video(f"{name:_<11}", title=name, channel=name, published_at=NOW - HOUR) for name in names
        )
        feed.database.add_feedback([Feedback("f1", "rated______", "interest", 1.0, NOW - 1, "feed")])
        feed.database.add_watches([Watch("watched____", NOW - 1, "takeout")])
        feed.database.hide_channel("hidden")
        scored = score_feed(feed, at=NOW)
        assert scored.rows[0].video_id == "fine_______"
        assert scored.context["left_out"] == {"hidden channel": 1, "rated": 1, "watched": 1}


# -- the order and its reasons ----------------------------------------------------------------------------


def test_terms_sum_to_the_score_and_shown_rows_are_in_its_order(tmp_path):
    with open_feed(feed_home(tmp_path, scoring={"exploration_share": 0.3})) as feed:
        promote(feed, tiny_feed_model("ngram"))
        scored = score_feed(feed, at=NOW)
        for row in scored.rows:
            assert sum(row.terms.values()) == pytest.approx(row.score, abs=1e-9)
            assert 0 < row.propensity <= 1
        scores = [row.score for row in scored.rows]
        assert scores == sorted(scores, reverse=True)
        assert [row.rank for row in scored.rows] == list(range(1, len(scores) + 1))
        assert any(row.explored for row in scored.rows)
        for row in scored.rows:
            assert row.explored == any("by chance" in reason for reason in row.reasons)


def test_the_same_moment_and_seed_give_the_same_feed(tmp_path):
    with open_feed(feed_home(tmp_path, scoring={"exploration_share": 0.3})) as feed:
        one, two = (score_feed(feed, at=NOW, dry_run=True, seed=1).rows for _ in range(2))
        assert one == two
        assert one != score_feed(feed, at=NOW, dry_run=True, seed=2).rows


def test_opinions_of_a_channel_are_a_reason(feed):
    scored = score_feed(feed, at=NOW)
    channels = {
        video.video_id: video.channel for video in feed.database.videos([r.video_id for r in scored.rows]).values()
    }
    labels = feed.database.labels().to_pylist()
    told = {channels[row.video_id]: [r for r in row.reasons if r.startswith("you liked")] for row in scored.rows}
    for channel, reasons in told.items():
        said = [label["interest"] for label in labels if channels[label["video_id"]] == channel]
        said = [value for value in said if value is not None]
        only = "" if 2 * sum(said) >= len(said) else "only "
        assert reasons == [f"you liked {only}{int(sum(said))} of {len(said)} of this channel"]


def test_the_event_a_video_is_like_is_named_when_it_stands_out():
    texts = np.eye(8, 4, dtype=np.float32) + 0.01
    events = np.eye(2, 4, dtype=np.float32)
    like, likeness = nearest_events(texts, events, np.full((1, 2), 0.5, np.float32))
    assert like[:2].tolist() == [0, 1] and likeness[0] > 1.5 > likeness[5]
    nothing = nearest_events(texts, np.zeros((0, 4), np.float32), np.zeros((1, 0), np.float32))
    assert nothing[0].tolist() == [-1] * 8
    attended = nearest_events(texts, events, np.array([[0.0, 1.0]], np.float32))
    assert attended[0].tolist() == [1] * 8  # what has no weight is never a reason


def test_what_is_like_an_event_says_so_in_words():
    class Candidates:
        channels, subscribed, ages_days = ["", ""], np.array([True, False]), np.array([0.01, 0.5])

    class Ranked:
        order, explored, terms = np.array([0, 1]), np.array([False, True]), {"diversity": np.array([-0.1, 0.0])}

    like, likeness = np.array([0, 0]), np.array([3.0, 0.1])
    told = reasons_of(Candidates, Ranked, np.array([0.9, 0.9]), (0.5, 0.5), {}, like, likeness, ["feed.py\n - editor"])
    assert told == [
        (
            "like what you are doing now: feed.py - editor",
            "you subscribed to this channel",
            "published this hour",
            "lower, for there is more of this channel above",
        ),
        ("drawn by chance from further down, to learn what you think of it", "published today"),
    ]


# -- without a model --------------------------------------------------------------------------------------


def test_without_a_model_the_newest_come_first_and_every_row_says_so(tmp_path):
    home = feed_home(tmp_path, tables={}, scoring={"exploration_share": 0.0})
    with open_feed(home) as feed:
        feed.database.add_videos(
            Video(f"video{i:06}", title="x", channel=f"c{i}", published_at=NOW - i * DAY) for i in range(6)
        )
        scored = score_feed(feed, at=NOW)
        assert scored.model == "cold start"
        assert [row.video_id for row in scored.rows] == [f"video{i:06}" for i in range(6)]
        assert all(any("no model yet" in reason for reason in row.reasons) for row in scored.rows)


def test_without_a_model_work_brings_up_what_is_about_work():
    categories, titles = ["Education", "Gaming", None, None], ["", "", "vim in an hour", "x"]
    subscribed = np.array([False] * 4)
    at_work = cold_start.cold_scores(categories, titles, subscribed, 1.0)[1]
    at_leisure = cold_start.cold_scores(categories, titles, subscribed, -1.0)[1]
    assert at_work[0] > at_work[3] > at_work[1] and at_work[2] == at_work[0]
    assert at_leisure.tolist() == [0.5] * 4
    assert cold_start.work_share(["Work > Programming", "Media > Games"], [300.0, 100.0]) == 0.5
    assert cold_start.work_share([], []) == 0.0


# -- small parts ------------------------------------------------------------------------------------------


def test_the_stability_index_is_that_of_the_textbook():
    assert stability_index([50, 50], [500, 500]) == 0
    assert stability_index([50, 50], [80, 20]) == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
    assert stability_index([], [1]) is None and stability_index([0, 0], [1, 1]) is None


def test_a_moment_is_read_on_the_clock_of_the_person():
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Asia/Hong_Kong")
    assert moment_of("1970-01-01T08:00", zone) == moment_of("1970-01-01 00:00Z", zone) == 0
    with pytest.raises(ValueError, match="2026-11-20T18:00"):
        moment_of("yesterday", zone)


def test_a_feed_is_printed_with_terms_and_reasons(feed):
    promote(feed, tiny_feed_model("ngram"))
    scored = score_feed(feed, at=NOW)
    lines = list(scored_lines(feed.database, scored, 2))
    assert lines[0].startswith("60 videos scored by") and f"feed {scored.feed_id}" in lines[0]
    assert "productive" in " ".join(lines) and "  1. " in "\n".join(lines)
    assert len(list(scored_lines(feed.database, scored, 2, as_json=True))) == 3
