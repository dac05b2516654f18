"""Dates of every language, with zones by letters and clocks of 12 and 24 hours."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traceformers.datasets_scripts.youtube.takeout_dates import DateReader

AFTERNOON = datetime(2025, 9, 7, 13, 4, 5, tzinfo=UTC)


def utc(text, time_zone=None, **options):
    reader = DateReader(time_zone, **options)
    date = reader.read(text)
    return None if date is None else datetime.fromtimestamp(reader.utc(date), UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Sep 7, 2025, 8:04:05\u202fAM CDT",
        "Sep 7, 2025, 1:04:05\u202fPM UTC",
        "Sept 7, 2025, 9:04:05 a.m. EDT",
        "7 Sept 2025, 14:04:05 BST",
        "07.09.2025, 15:04:05 MESZ",
        "7 sept. 2025, 15:04:05 CEST",
        "7 sept. 2025 à 9 h 04 min 05 s HAE",
        "7 sept 2025, 15:04:05 CEST",
        "7/9/2025, 8:04:05 a. m. COT",
        "7 set 2025, 15:04:05 CEST",
        "7 de set. de 2025, 10:04:05 BRT",
        "7 sep 2025 15:04:05 CEST",
        "7. sep. 2025, 15.04.05 CEST",
        "7 wrz 2025, 15:04:05 CEST",
        "7. 9. 2025 15:04:05 SELČ",
        "2025. szept. 7. 15:04:05 CEST",
        "7.9.2025 klo 16.04.05 UTC+3",
        "7 Eyl 2025 16:04:05 GMT+3",
        "7 сент. 2025 г., 16:04:05 MSK",
        "7 Σεπ 2025, 4:04:05 μ.μ. EEST",
        "2025/09/07 22:04:05 JST",
        "2025年9月7日 21:04:05 CST",
        "2025年9月7日 下午9:04:05 [GMT+8]",
        "2025. 9. 7. 오후 10:04:05 KST",
        "20:04:05 GMT+7 7 thg 9, 2025",
        "7 ก.ย. 2568 20:04:05 GMT+7",
        "2025-09-07 15:04:05 CEST",
        "\u200e7 Sep 2025, 18:34:05 GMT+05:30",
        "7 Sep 2025, 09:34:05 GMT\u22123:30",
    ],
)
def test_one_moment_is_read_from_the_dates_of_every_language(text):
    assert utc(text) == AFTERNOON


@pytest.mark.parametrize("text", ["٧ سبتمبر ٢٠٢٥، ٤:٠٤:٠٥ م غرينتش+٣", "7 सित॰ 2025, 6:34:05 pm IST"])
def test_months_that_are_in_no_table_are_asked_of_dateparser(text):
    pytest.importorskip("dateparser")
    assert utc(text) == AFTERNOON


@pytest.mark.parametrize(
    ("text", "hour"),
    [("12:00:01 AM", 0), ("12:00:01 PM", 12), ("11:00:01 PM", 23), ("上午12:00:01", 0), ("중午", None)],
)
def test_noon_and_midnight_on_a_clock_of_twelve_hours(text, hour):
    found = utc(f"Sep 7, 2025, {text} UTC")
    assert (found and found.hour) == hour


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Watched at 8:33 AM",
        "Watched a video that has been removed",
        "12:04:05 AM",
        "Sep 7, 2025",
        "Sep 31, 2025, 1:00:00 PM UTC",
        "Sep 7, 1925, 1:00:00 PM UTC",
        "Foo 7, 2025, 1:00:00 PM UTC",
        "99/99/2025, 1:00:00 PM",
        "7 sep 2025 25:04:05 CEST",
        "x" * 500 + " 7 sep 2025 15:04:05 CEST",
    ],
)
def test_what_is_no_date_is_none(text):
    assert utc(text) is None


def read_all(texts, time_zone=None):
    reader = DateReader(time_zone)
    dates = [reader.read(text) for text in texts]
    return [datetime.fromtimestamp(reader.utc(date), UTC).hour for date in dates], reader.guessed


def test_cst_is_china_where_summer_has_it_too_and_chicago_where_summer_is_cdt():
    winter, summer = "Jan 7, 2025, 12:00:00 PM CST", "Jul 7, 2025, 12:00:00 PM {}"
    hours, guessed = read_all([winter, summer.format("CST")])
    assert hours == [4, 4]
    assert sum(guessed.values()) == 2
    hours, guessed = read_all([winter, summer.format("CDT")])
    assert hours == [18, 17]
    assert not guessed


@pytest.mark.parametrize(
    ("zone", "hour"), [("Asia/Shanghai", 4), ("America/Chicago", 18), ("America/Havana", 17), ("Europe/Berlin", 18)]
)
def test_the_readers_own_zone_decides_what_letters_mean(zone, hour):
    hours, guessed = read_all(["Jan 7, 2025, 12:00:00 PM CST"], zone)
    assert hours == [hour]
    assert not guessed


def test_the_hour_that_comes_twice_in_autumn_is_told_by_its_zone():
    texts = ["26.10.2025, 02:30:00 CEST", "26.10.2025, 02:30:00 CET"]
    assert read_all(texts, "Europe/Berlin")[0] == read_all(texts)[0] == [0, 1]


def test_dates_without_a_zone_or_of_an_unknown_one_are_utc_unless_the_zone_is_given():
    assert utc("2025/09/07 12:00:00").hour == 12
    assert utc("2025/09/07 12:00:00 XYZ").hour == 12
    assert utc("2025/09/07 12:00:00", "Asia/Tokyo").hour == 3
    assert read_all(["2025/09/07 12:00:00"])[1] == {"dates without a zone as UTC": 1}


def test_the_order_of_day_and_month_can_be_chosen_where_nothing_tells_it():
    assert utc("05/04/2025, 12:00:00 UTC").month == 4
    assert utc("05/04/2025, 12:00:00 UTC", day_first=False).month == 5
    assert utc("05/14/2025, 12:00:00 UTC").month == 5


def test_a_wrong_zone_is_refused():
    with pytest.raises(ValueError, match="Europe/Berlin"):
        DateReader("Mars/Olympus")


moments = st.datetimes(datetime(2006, 1, 1), datetime(2035, 1, 1)).map(lambda moment: moment.replace(microsecond=0))


@given(moments, st.integers(-12 * 4, 14 * 4))
def test_a_date_that_was_written_is_read_back(moment, quarters):
    offset = timedelta(minutes=15 * quarters)
    sign, minutes = "+" if quarters >= 0 else "-", abs(15 * quarters)
    zone = f"GMT{sign}{minutes // 60}:{minutes % 60:02}"
    half = "AM" if moment.hour < 12 else "PM"
    expected = moment.replace(tzinfo=timezone(offset))
    for text in (
        f"{moment:%b} {moment.day}, {moment.year}, {moment.hour % 12 or 12}:{moment:%M:%S}\u202f{half} {zone}",
        f"{moment:%d.%m.%Y, %H:%M:%S} {zone}",
        f"{moment:%Y/%m/%d %H:%M:%S} {zone}",
        f"{moment.year}年{moment.month}月{moment.day}日 {moment:%H:%M:%S} {zone}",
    ):
        assert utc(text) == expected


@given(st.text(max_size=120) | st.text(alphabet="0123456789:./, APMCEST+-年月日午後", max_size=40))
def test_no_text_makes_it_fail(text):
    found = utc(text)
    assert found is None or 2005 <= found.year <= 2200
