"""Homes of a feed for tests: settings, a database with an invented person, and models that need no training.

home = feed_home(tmp_path)
with open_feed(home) as feed:
    promote(feed, tiny_feed_model("ngram"))
"""

import json

from invented_feed import DAY, START, invented_tables

from traceformers.apps.feed.feed_demo import add_tables
from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_settings import FeedSettings, write_settings
from traceformers.apps.feed.open_feed import open_feed
from traceformers.datasets_scripts.feed.feed_folder import table_of
from traceformers.datasets_scripts.feed.feed_records import Subscription

NOW = START + 20 * DAY
CHANGES = {
    "general": {"time_zone": "Europe/Berlin"},
    "activitywatch": {"enabled": False},
    "rss": {"enabled": False},
    "youtube": {"enabled": False},
    "schedule": {"active_from": "00:00", "active_until": "24:00"},
    "scoring": {"look_back_days": 60.0, "hide_rated": False},
}


def feed_settings(**changes):
    """Returns settings that ask no source; `changes` are {section: {name: value}}."""
    settings = FeedSettings()
    for given in (CHANGES, changes):
        for section, values in given.items():
            settings = settings.changed(section, **values)
    return settings


def feed_home(folder, tables=None, videos=60, **changes):
    """Returns a `FeedHome` with an invented person in its database, see `invented_tables`.

    Args:
        folder (path). tables (`dict`, *optional*): instead, {} for an empty database. videos (`int`).
        changes: of the settings.
    """
    home = FeedHome(folder).create()
    write_settings(home, feed_settings(**changes))
    tables = invented_tables(videos=videos) if tables is None else tables
    with open_feed(home) as feed:
        if tables:
            given = {"watches": [], "subscriptions": [Subscription("UC" + "c" * 22, "code channel")]}
            add_tables(feed.database, {name: table_of(name, rows) for name, rows in given.items()} | tables)
    return home


def promote(feed, model, kind="linear", now=NOW, metrics=None):
    """Returns the name under which a model is now current in the registry of a feed."""
    half = feed.registry.begin(kind, now)
    model.save_pretrained(half / "model")
    (half / "metrics.json").write_text(json.dumps(metrics or {}))
    name = feed.registry.finish(half)
    feed.registry.promote(name)
    return name
