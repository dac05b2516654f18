from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from traceformers.datasets_scripts.feed.feed_folder import CORE_TABLES, read_feed_folder, table_of
from traceformers.datasets_scripts.feed.feed_records import HEADS
from traceformers.datasets_scripts.simulated_feed.activity_titles import CHORES, LEISURE, WORK
from traceformers.datasets_scripts.simulated_feed.daily_rhythm import MODES, Block
from traceformers.datasets_scripts.simulated_feed.prepare_simulated_feed import simulate_folder
from traceformers.datasets_scripts.simulated_feed.simulated_opinions import relatedness
from traceformers.datasets_scripts.simulated_feed.simulated_person import SimulatedPerson, simulate_days
from traceformers.datasets_scripts.simulated_feed.video_pool import TOPICS, VideoPool, published_over, sample_videos

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def person():
    return SimulatedPerson(seed=3, days=10, feedbacks=300)


@pytest.fixture(scope="module")
def days(person):
    return list(person.simulate_days())


def test_equal_arguments_make_equal_people(days):
    assert list(simulate_days(seed=3, days=10, feedbacks=300)) == days


def test_another_seed_is_another_person(days):
    assert [day.feedback for day in simulate_days(seed=4, days=10, feedbacks=300)] != [day.feedback for day in days]


def test_as_much_is_said_as_was_asked_for(days):
    feedback = [each for day in days for each in day.feedback]
    assert len(feedback) == len({each.feedback_id for each in feedback}) == 300
    assert {each.head for each in feedback} == set(HEADS)
    assert {each.value for each in feedback} == {0.0, 1.0}


def test_of_a_video_each_question_is_answered_once(days):
    said = [(each.video_id, each.head) for day in days for each in day.feedback]
    assert len(said) == len(set(said))


def test_nobody_judges_a_video_that_is_not_published_or_that_is_old(person, days):
    published = {video.video_id: video.published_at for video in person.pool.videos}
    for day in days:
        for each in day.feedback:
            assert published[each.video_id] < each.said_at < published[each.video_id] + 14 * DAY_MS


def test_every_video_comes_on_the_day_it_is_published(person, days):
    assert [video for day in days for video in day.videos] == person.pool.videos
    for day in days[1:]:
        assert all(day.start <= video.published_at < day.end for video in day.videos)


def test_blocks_and_windows_follow_one_another(days):
    for day in days:
        assert all(first.end <= second.start for first, second in pairwise(day.blocks))
        assert all(block.mode in MODES and block.start < block.end for block in day.blocks)
        assert all(a.started_at + a.duration * 1000 <= b.started_at + 1 for a, b in pairwise(day.events))


def test_windows_are_of_the_block_most_of_the_time(days):
    own = {topic: {app for app, _, _ in titles} for topic, titles in WORK.items()}
    for day in days:
        for block in day.blocks:
            if block.mode == "work" and block.end - block.start > 3_600_000:
                events = [each for each in day.events if block.start <= each.started_at < block.end]
                fixed = [title.split("{")[0] for _, title, _ in WORK[block.topic] if not title.startswith("{")]
                known = [e for e in events if e.app in own[block.topic] and e.title.startswith(tuple(fixed))]
                # a third, if four of the five windows begin with what is drawn
                assert len(known) >= 0.05 * len(events)


def test_people_sleep(person, days):
    zone = ZoneInfo(person.time_zone)
    hours = [datetime.fromtimestamp(e.started_at / 1000, zone).hour for day in days for e in day.events]
    assert not any(2 <= hour < 6 for hour in hours)
    assert any(9 <= hour < 17 for hour in hours)


def test_the_working_day_keeps_its_wall_clock_hour_over_the_clock_change():
    person = SimulatedPerson(seed=1, days=40, feedbacks=0, time_zone="Europe/Berlin")  # change: 31 March, day 27
    first = {}
    for day in (21, 28):  # two Mondays
        start = person.blocks(day)[0].start
        first[day] = start - person.midnight(day)
        assert datetime.fromtimestamp(person.midnight(day) / 1000, person.zone).hour == 0
        assert abs(first[day] / 3_600_000 - person.rhythm.work_start) < 2
    assert person.midnight(28) - person.midnight(27) == 23 * 3_600_000


def test_a_feed_that_works_shows_more_of_what_fits(person, days):
    def fitting(person, days):
        topic_of = dict(zip((v.video_id for v in person.pool.videos), person.pool.topics, strict=True))
        said = [each for day in days for each in day.feedback]
        return np.mean([relatedness(topic_of[each.video_id], person.doing(each.said_at).topic) == 1 for each in said])

    served = SimulatedPerson(seed=3, days=10, feedbacks=300, served=1.0)
    assert fitting(served, served.simulate_days()) > fitting(person, days) + 0.1


def test_truth_is_the_share_of_yes():
    values, truth = [], []
    for seed in range(4):
        for day in simulate_days(seed=seed, days=20, feedbacks=500):
            values += [each.value for each in day.feedback]
            truth += [day.truth[each.feedback_id] for each in day.feedback]
    values, truth = np.array(values), np.array(truth)
    deviation = np.sqrt((truth * (1 - truth)).sum()) / len(truth)
    assert abs(values.mean() - truth.mean()) < 4 * deviation
    likely = truth > 0.6
    assert values[likely].mean() > values[~likely].mean() + 0.3


def test_noise_bounds_the_truth(person):
    noisy = SimulatedPerson(seed=3, days=10, feedbacks=0, noise=0.3)
    block = Block(0, 1, "work", "office")
    for video in noisy.pool.videos[:50]:
        assert 0.3 <= noisy.probability(video, "productive", noisy.start, block) <= 0.7


def test_what_fits_the_work_is_productive_and_not_more_interesting(person):
    topic = next(iter(person.taste(0).projects))
    moment = person.start + 11 * 3_600_000
    here, office = (Block(moment - 1, moment + 1, "work", each) for each in (topic, "office"))
    for video, of in zip(person.pool.videos, person.pool.topics, strict=True):
        right = [person.probability(video, "productive", moment, block) for block in (here, office)]
        interest = [person.probability(video, "interest", moment, block) for block in (here, office)]
        assert interest[0] == interest[1]
        assert right[0] > right[1] if relatedness(of, topic) else right[0] == right[1]


def test_without_activity_no_block_changes_an_answer():
    person = SimulatedPerson(seed=3, days=10, feedbacks=0, null=True)
    moment = person.start + 11 * 3_600_000
    blocks = [None, *(Block(moment, moment + 1, mode, topic) for mode in MODES for topic in WORK)]
    for video in person.pool.videos[:20]:
        assert len({person.probability(video, "productive", moment, block) for block in blocks}) == 1


def test_null_and_default_people_live_the_same_days(days):
    null = list(simulate_days(seed=3, days=10, feedbacks=300, null=True))
    assert [day.events for day in null] == [day.events for day in days]


def test_drift_changes_tastes_and_projects_and_its_absence_neither(person):
    drifting = SimulatedPerson(seed=3, days=30, feedbacks=0, drift=True)
    assert drifting.taste(0) == person.taste(0) == person.taste(9)
    assert drifting.taste(29).topics != drifting.taste(0).topics
    assert set(drifting.taste(29).projects) != set(drifting.taste(0).projects)
    assert set(drifting.taste(5).projects) == set(drifting.taste(0).projects)


def test_a_person_answers_about_what_they_are_shown_later(person, days):
    said = [person.say(person.pool.videos[-1], days[-1].end + 40_000_000 + i) for i in range(30)]
    assert {each.head for each in said} == {"productive"}
    assert {each.value for each in said} <= {0.0, 1.0}
    assert len({each.feedback_id for each in said}) == 30
    table_of("feedback", said)


def test_titles_are_not_those_of_the_videos():
    titles = {video.title.lower() for video in sample_videos()[0] if len(video.title.split()) > 3}
    windows = {title.lower() for listed in (*WORK.values(), *LEISURE.values(), CHORES) for _, title, _ in listed}
    shared = [title for title in titles if any(title in window for window in windows)]
    assert shared == ["state of the union"]  # a speech that anybody who writes of politics has on the screen


def test_a_folder_says_nothing_of_the_topics(tmp_path, person):
    truth = simulate_folder(tmp_path / "feed", seed=3, days=10, feedbacks=300)
    folder = read_feed_folder(tmp_path / "feed")
    assert set(folder.tables) == set(CORE_TABLES)
    assert set(truth) == set(folder.tables["feedback"].column("feedback_id").to_pylist())
    text = (tmp_path / "feed" / "about.json").read_text()
    assert "CC BY 4.0" in text and "nobody said any of this" in text
    for table in folder.tables.values():
        assert "topic" not in table.column_names
    music = [v.category for v, topic in zip(person.pool.videos, person.pool.topics, strict=True) if topic == "metal"]
    assert set(music) <= {"Music", "People & Blogs", "Entertainment"}


def test_both_formats_hold_the_same_person(tmp_path):
    found = []
    for kind in ("parquet", "json"):
        simulate_folder(tmp_path / kind, kind, seed=1, days=2, feedbacks=20)
        found.append(read_feed_folder(tmp_path / kind).tables)
    assert all(found[0][name].equals(found[1][name]) for name in CORE_TABLES)


@pytest.mark.parametrize(
    ("options", "said"), [({"days": 0}, "1 day"), ({"noise": 0.5}, "below 0.5"), ({"served": 2.0}, "0 to 1, got 2.0")]
)
def test_impossible_people_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        SimulatedPerson(**options)


def test_a_question_that_there_is_not_is_refused(person):
    with pytest.raises(ValueError, match=r"interest, productive.*'fun'"):
        person.probability(person.pool.videos[0], "fun", person.start)


def test_a_pool_of_ones_own_is_taken():
    videos, topics = sample_videos()
    pool = published_over(0, 5)
    small = VideoPool(pool.videos[:0], [])
    assert len(pool) == len(videos) and sorted(pool.topics) == sorted(topics)
    assert sum(len(day.feedback) for day in simulate_days(days=2, feedbacks=10, pool=small)) == 0


def test_every_topic_of_the_sample_is_known():
    assert set(sample_videos()[1]) == set(TOPICS)
    assert set(LEISURE) | set(WORK) - {"office"} <= set(TOPICS)


def test_right_now_is_asked_again_at_another_time_and_truth_is_of_that_moment():
    once, again = (
        [
            opinion
            for day in SimulatedPerson(seed=3, days=10, feedbacks=400, **options).simulate_days()
            for opinion in day.feedback
        ]
        for options in ({}, {"again": 0.5})
    )
    assert len({(said.video_id, said.head) for said in once}) == len(once)
    moments = {}
    for said in again:
        moments.setdefault((said.video_id, said.head), []).append(said.said_at)
    several = {key: sorted(times) for key, times in moments.items() if len(times) > 1}
    assert len(several) > 20 and {head for _, head in several} == {"productive"}
    assert min(later - before for times in several.values() for before, later in pairwise(times)) >= 2 * 3_600_000
