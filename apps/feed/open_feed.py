"""A feed that is open: its home, settings, secrets, database and models, handed around as one."""

from dataclasses import dataclass, field

from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_secrets import FeedSecrets
from traceformers.apps.feed.feed_settings import FeedSettings
from traceformers.apps.feed.model_registry import ModelRegistry


@dataclass
class OpenFeed:
    """What a command works on; `with open_feed(home) as feed:` closes the database.

    Attributes:
        home (`FeedHome`), settings (`FeedSettings`), secrets (`FeedSecrets`).
        database (`FeedDatabase`), registry (`ModelRegistry`).
    """

    home: FeedHome
    settings: FeedSettings
    secrets: FeedSecrets
    database: object = field(repr=False)
    registry: ModelRegistry = field(repr=False)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.database.close()


def open_feed(home=None):
    """Returns the `OpenFeed` of a home; its database is made or migrated where needed.

    Args:
        home (`FeedHome` or path, *optional*): see `FeedHome`.

    Raises:
        FileNotFoundError: `feed init` was not run there. SettingsError: its settings are wrong.
        FeedDatabaseError: the database cannot be opened.
    """
    from traceformers.apps.feed.database.feed_database import FeedDatabase

    home = (home if isinstance(home, FeedHome) else FeedHome(home)).require()
    settings, secrets = FeedSettings.load(home), FeedSecrets.load(home)
    database = FeedDatabase(database_url(home, settings, secrets))
    return OpenFeed(home, settings, secrets, database, ModelRegistry(home.models))


def database_url(home, settings, secrets):
    """Returns the URL of the database, with the password where there is one: not to be shown.

    Args:
        home (`FeedHome`), settings (`FeedSettings`), secrets (`FeedSecrets`).
    """
    if not settings.general.database:
        return f"sqlite:///{home.database}"
    from sqlalchemy.engine import make_url

    url = make_url(settings.general.database)
    if secrets.database_password:
        url = url.set(password=secrets.database_password)
    return url.render_as_string(hide_password=False)
