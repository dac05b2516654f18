"""Dates as Google writes them into HTML, in any language: "Sep 7, 2025, 3:04:05 PM CST", "07.09.2025, 15:04:05 MESZ".

The clock, the order of the numbers and the zone are read here; a month's name is looked up, and what is not in the
table is asked of `dateparser` (if installed) once a name, not once a date. A zone that several countries call by one
name is decided when the whole file is read: by the reader's own zone if it is given, else by what the file shows.
"""

import re
import unicodedata
from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

try:
    import dateparser
except ImportError:  # the table below and the numbers are enough for the common languages
    dateparser = None

EPOCH = datetime(1970, 1, 1)
SECOND = timedelta(seconds=1)
LONGEST_DATE = 100  # characters
BUDDHIST_YEARS = 543
FIRST_YEAR, LAST_YEAR = 2005, 2199  # YouTube began in 2005
APRIL, OCTOBER = 103, 290  # days of a year between which no country of the north has its winter time
KEPT_DAYS = 20_000
MOST_UNKNOWN_MONTHS = 40  # a file of nonsense is not asked about for hours
CLOCK_WORDS = ("uhr", "ч", "г", "h", "น", "kl")

HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\u061c]")
CLOCK = re.compile(r"(?<!\d)(\d{1,2}) ?[:h時时시] ?(\d{2}) ?(?:[:m分분]|min) ?(\d{2})(?:\.\d+)?(?!\d) ?[s秒초]?")
DOTTED_CLOCK = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{2})\.(\d{2})(?!\d)")
BEFORE_NOON = re.compile(
    r"(?:^|[\s\d,])(a\.?\s?m\.?|上午|午前|오전|凌晨|早上|清晨|ص|π\.?μ\.?|sa|öö|পূর্বাহ্ণ|पूर्वाह्न)(?=$|[\s\d,])", re.I
)
AFTER_NOON = re.compile(
    r"(?:^|[\s\d,])(p\.?\s?m\.?|下午|午後|오후|中午|晚上|م|μ\.?μ\.?|ch|ös|অপরাহ্ণ|अपराह्न)(?=$|[\s\d,])", re.I
)
HALVES = ((BEFORE_NOON, 0), (AFTER_NOON, 12))
OFFSET = re.compile(r"(?:gmt|utc|z|[^\d+\-−–]{0,12}([+\-−–])\s?(\d{1,2})(?::?(\d{2}))?)$", re.IGNORECASE)
NUMBERS = re.compile(r"\d+")
WORDS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")

# Months by the first letters of their names: English, German, French, Spanish, Italian, Portuguese, Dutch, the
# Scandinavian languages, Polish, Czech, Turkish, Russian, Ukrainian, Romanian, Hungarian, Finnish, Indonesian, Greek.
MONTH_STARTS = {
    1: "jan jän ene gen sty led oca янв січ ian tammi ιαν sij",
    2: "feb fév fev febr lut úno şub фев лют helmi φεβ pebr velj",
    3: "mar mär már mrt març бер maali μαρ ožu bře мар",
    4: "apr avr abr kwi dub nis апр квіт huhti απρ abril tra",
    5: "may mai maj mei mag mayo máj maio kvě květ мая май трав touko μαϊ μαΐ svi",
    6: "jun juin juni giu cze čer haz июн черв iun jún kesä ιουν",
    7: "jul juil juli lug lip čvc tem июл лип iul júl heinä ιουλ",
    8: "aug aoû août ago sie srp ağu авг серп ogos elo αυγ kol",
    9: "sep set wrz zář eyl сен вер szept syys σεπ ruj",
    10: "oct okt out ott paź říj eki окт жовт loka οκτ lok",
    11: "nov lis kas ноя лист marra νοε stu",
    12: "dec dez déc dic gru pro ara дек груд des joulu δεκ",
}
# Zones by name: minutes east of Greenwich. Names that several countries use are in `SHARED_ZONES`.
ZONE_NAMES = {
    -660: "sst",
    -600: "hst",
    -540: "akst hdt",
    -480: "pst akdt hnp",
    -420: "mst pdt hnr hap",
    -360: "mdt hnc har",
    -300: "cot pet est cdt hne hac",
    -240: "clt vet edt hae hna",
    -210: "nst",
    -180: "brt art clst adt haa",
    -150: "ndt",
    -120: "brst",
    0: "utc gmt z wet",
    60: "west cet met mez hnec wat seč",
    120: "cest mest mesz heec eet oez sast cat selč",
    180: "eest oesz msk мск trt eat idt",
    240: "gst",
    300: "pkt",
    345: "npt",
    420: "ict wib",
    480: "wita hkt sgt myt pht awst",
    540: "wit jst kst",
    570: "acst",
    600: "aest chst",
    630: "acdt",
    660: "aedt",
    720: "nzst",
    780: "nzdt",
}
#: name → the minutes of its readings; the first counts where the file does not tell.
SHARED_ZONES = {"cst": (-360, 480), "ist": (330, 120, 60), "bst": (60, 360), "ast": (-240, 180)}


class LocalDate(NamedTuple):
    """What a clock on a wall showed: seconds since 1970 on it, and its zone in lower case or ""."""

    seconds: int
    zone: str


class DateReader:
    """Reads the dates of one file: first all of them, then, when the whole file was seen, their times in UTC.

    Args:
        time_zone (`str`, *optional*): IANA name of the reader's own zone, such as "Europe/Berlin".
        day_first (`bool`): what "07/09/2025" means where neither number is above 12: the 7th of September.

    Attributes:
        guessed (`Counter`): what was taken for granted, in words → number of dates.

    Raises:
        ValueError: if there is no such time zone.
    """

    def __init__(self, time_zone=None, day_first=True):
        try:
            self._own = ZoneInfo(time_zone) if time_zone else None
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f"Expected the IANA name of a time zone, such as Europe/Berlin, got {time_zone!r}. Name another."
            ) from error
        self._day_first = day_first
        self._seen = Counter()  # (zone, whether it is summer in the north)
        self._months, self._unknown_months = dict(MONTHS), 0
        self._days, self._fixed = {}, {}
        self.guessed = Counter()

    def read(self, text):
        """Returns the `LocalDate` of a text, None if it is none; takes note of its zone."""
        text = _plain(text) if len(text) <= LONGEST_DATE else ""
        clock = CLOCK.search(text) or DOTTED_CLOCK.search(text)
        if not clock:
            return None
        hour, minute, second = map(int, clock.groups())
        before, zone = text[: clock.start()], _zone_text(text[clock.end() :])
        for pattern, noon in HALVES:
            if found := pattern.search(zone):
                zone = _zone_text(zone[: found.start()] + " " + zone[found.end() :])
            elif (found := pattern.search(before)) and not found[1].isascii():  # "am" before a clock is German
                before = before[: found.start(1)] + " " + before[found.end(1) :]
            else:
                continue
            if 1 <= hour <= 12:
                hour = hour % 12 + noon
            break
        if NUMBERS.search(before) is None:  # the clock comes first: 15:04:05 7 thg 9, 2025
            before, zone = _without_zone(zone)
        if before not in self._days:
            if len(self._days) >= KEPT_DAYS:
                self._days.clear()
            self._days[before] = self._day(before)
        day = self._days[before]
        if day is None or hour > 23 or minute > 59 or second > 60:
            return None
        seconds = day + 3600 * hour + 60 * minute + second
        zone = zone.lower()
        self._seen[zone, APRIL < day // 86_400 % 365.25 < OCTOBER] += 1
        return LocalDate(seconds, zone)

    def _day(self, text):
        """Returns the part of a date before its clock as seconds since 1970, None if it cannot be read."""
        numbers = [int(number) for number in NUMBERS.findall(text)]
        places = [place for place, number in enumerate(numbers) if number > 999]
        if not 2 <= len(numbers) <= 3 or len(places) != 1:
            return None
        year = numbers.pop(places[0])
        if year > LAST_YEAR:
            year -= BUDDHIST_YEARS
        if not FIRST_YEAR <= year <= LAST_YEAR:
            return None
        if len(numbers) == 1:
            month, day = self._month(text), numbers[0]
        else:
            year_first = places[0] == 0  # 2025/09/07, 2025年9月7日, 2025. 9. 7.
            month_first = numbers[1] > 12 or ("/" in text and not self._day_first and numbers[0] <= 12)
            month, day = numbers if year_first or month_first else reversed(numbers)
        try:
            return None if month is None else (datetime(year, month, day) - EPOCH) // SECOND
        except ValueError:
            return None

    def _month(self, text):
        """Returns the number of the month that a date names."""
        words = [word.lower() for word in WORDS.findall(text)]
        for word in words:
            for length in (len(word), 5, 4, 3):
                if month := self._months.get(word[:length]):
                    return month
        name = " ".join(NUMBERS.sub(" ", text).split()).strip(" ,.")
        if name not in self._months:
            self._unknown_months += 1
            self._months[name] = _asked(name) if self._unknown_months <= MOST_UNKNOWN_MONTHS else None
        return self._months[name]

    def utc(self, date):
        """Returns a date in seconds since 1970, UTC."""
        seconds, zone = date
        if offset := OFFSET.match(zone):
            return seconds - 60 * _minutes(offset)
        if self._own is not None:
            return self._in_own(seconds, zone)
        if zone not in self._fixed:
            self._fixed[zone] = self._minutes_of(zone)
        minutes, guess = self._fixed[zone]
        if guess:
            self.guessed[guess] += 1
        return seconds - 60 * minutes

    def _in_own(self, seconds, zone):
        """Returns UTC by the reader's zone; a zone in the text that is not it counts as it stands, if it is known."""
        local = EPOCH + seconds * SECOND
        offsets = []
        for fold in (0, 1):  # the hour that comes twice in autumn is told apart by the name of the zone
            moment = local.replace(tzinfo=self._own, fold=fold)
            offsets.append(int(moment.utcoffset().total_seconds()))
            if zone and (moment.tzname() or "").lower() == zone:
                return seconds - offsets[-1]
        if zone in SHARED_ZONES:
            known = [minutes * 60 for minutes in SHARED_ZONES[zone]]
            return seconds - next((offset for offset in offsets if offset in known), known[0])
        if zone in ZONES:
            return seconds - 60 * ZONES[zone]
        return seconds - offsets[0]

    def _minutes_of(self, zone):
        """Returns (minutes east of Greenwich, what was guessed in words or "")."""
        if zone in SHARED_ZONES:
            names = {name for name, _ in self._seen}
            readings = SHARED_ZONES[zone]
            if zone == "cst" and self._seen[zone, True] and "cdt" not in names:
                chosen = readings[1]  # no daylight saving: China, not Chicago
            elif zone == "ist" and "idt" in names:
                chosen = readings[1]
            elif zone == "ist" and "gmt" in names:
                chosen = readings[2]
            elif (
                (zone == "bst" and ("gmt" in names or not self._seen[zone, False]))  # British summer
                or (zone == "cst" and "cdt" in names)
                or (zone == "ast" and "adt" in names)
            ):
                return readings[0], ""
            else:
                chosen = readings[0]
            return chosen, f'the zone "{zone.upper()}", which several countries use, as {_offset_text(chosen)}'
        if zone in ZONES:
            return ZONES[zone], ""
        if not zone:
            return 0, "dates without a zone as UTC"
        return 0, f'the unknown zone "{zone[:20]}" as UTC'


def _asked(name):
    """Returns the month that `dateparser` knows by a name, in any of its languages; None if it knows none."""
    if dateparser is None or len(name) < 2:
        return None
    try:
        found = dateparser.parse(f"15 {name} 2020", settings={"REQUIRE_PARTS": ["day", "month", "year"]})
    except Exception:  # it is a parser of free text: what it raises on nonsense is not ours to list
        return None
    return found.month if found is not None and (found.year, found.day) == (2020, 15) else None


def _zone_text(text):
    words = [word for word in text.strip(" ,.()[]").split() if word.lower().strip(".") not in CLOCK_WORDS]
    return " ".join(words).strip(" ,.()[]")


def _without_zone(text):
    """Returns (date, zone) of what follows a clock that comes first."""
    words = text.rsplit(" ", 1)
    if len(words) == 2 and (words[1].lower() in ZONES or words[1].lower() in SHARED_ZONES or OFFSET.match(words[1])):
        return words[0], words[1]
    words = text.split(" ", 1)
    if len(words) == 2 and (words[0].lower() in ZONES or words[0].lower() in SHARED_ZONES or OFFSET.match(words[0])):
        return words[1], words[0]
    return text, ""


def _plain(text):
    text = unicodedata.normalize("NFKC", HIDDEN.sub("", text))
    return " ".join(text.split())


def _minutes(offset):
    sign, hours, minutes = offset.groups()
    if sign is None:
        return 0
    total = min(int(hours) * 60 + int(minutes or 0), 14 * 60)
    return total if sign == "+" else -total


def _offset_text(minutes):
    return f"UTC{'+' if minutes >= 0 else '-'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


ZONES = {name: minutes for minutes, names in ZONE_NAMES.items() for name in names.split()}
MONTHS = {start: month for month, starts in MONTH_STARTS.items() for start in starts.split()}
