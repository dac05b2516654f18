"""Keys and passwords of the feed: read from the environment or from secrets.toml, which only its owner may read.

They are no part of the settings, are never logged, and `repr` does not show them.
"""

import os
import stat
import tomllib
from dataclasses import dataclass, fields

from traceformers.apps.feed.feed_home import read_text, write_atomically

PREFIX = "TRACEFORMERS_FEED_"


@dataclass(frozen=True, repr=False)
class FeedSecrets:
    """What nobody else may see; "" is "not set". A variable TRACEFORMERS_FEED_<NAME> goes before the file.

    Attributes:
        youtube_api_key: key of a Google project for public data.
        youtube_client_id: of the OAuth client of a Google project, for likes and dislikes.
        youtube_client_secret: of the same client.
        youtube_refresh_token: `traceformers feed collect --sign-in` gets it.
        database_password: put into the URL of a PostgreSQL server.
        site_password: asked for by the site; needed when it listens on more than this machine.
    """

    youtube_api_key: str = ""
    youtube_client_id: str = ""
    youtube_client_secret: str = ""
    youtube_refresh_token: str = ""
    database_password: str = ""
    site_password: str = ""

    def __repr__(self):
        known = ", ".join(field.name for field in fields(self) if getattr(self, field.name))
        return f"FeedSecrets({known or 'none'} set)"

    @classmethod
    def load(cls, home, environment=None):
        """Returns the secrets of a home; a missing file is no error.

        Args:
            home (`FeedHome`), environment (`dict`, *optional*): instead of `os.environ`.

        Raises:
            PermissionError: others than its owner may read the file.
            ValueError: the file is no TOML, or has an unknown key or a value that is no text.
        """
        environment = os.environ if environment is None else environment
        values = {}
        if home.secrets.is_file():
            mode = stat.S_IMODE(home.secrets.stat().st_mode)
            if os.name == "posix" and mode & 0o077:
                raise PermissionError(
                    f"Expected {home.secrets} to be readable by its owner alone (0600), got {mode:04o}. "
                    f"Run: chmod 600 {home.secrets}"
                )
            try:
                values = tomllib.loads(read_text(home.secrets))
            except tomllib.TOMLDecodeError as error:
                place = " ".join(str(error).split())  # says line and column and shows no value
                raise ValueError(f"Expected TOML in {home.secrets}, got: {place}. Correct that line.") from None
        names = [field.name for field in fields(cls)]
        for key, value in values.items():
            if key not in names or not isinstance(value, str):
                raise ValueError(
                    f"{home.secrets}: {key}: expected a text under one of {', '.join(names)}, got "
                    f"{'an unknown key' if key not in names else type(value).__name__}. Correct or remove that line."
                )
        for name in names:
            if given := environment.get(PREFIX + name.upper()):
                values[name] = given
        return cls(**values)


def write_secrets(home, **values):
    """Writes secrets.toml, 0600 from its first byte on; empty secrets are left as comments.

    Args:
        home (`FeedHome`), **values (`str`): fields of `FeedSecrets`.
    """
    import tomlkit

    helps = dict(_help_lines())
    document = tomlkit.document()
    document.add(tomlkit.comment("Keys and passwords of the feed. Keep this file to yourself; it is not exported."))
    document.add(tomlkit.comment(f"The environment goes before it: {PREFIX}SITE_PASSWORD=... and so on."))
    for field in fields(FeedSecrets):
        document.add(tomlkit.nl())
        document.add(tomlkit.comment(helps[field.name]))
        value = values.get(field.name, "")
        if value:
            document.add(field.name, value)
        else:
            document.add(tomlkit.comment(f'{field.name} = ""'))
    write_atomically(home.secrets, tomlkit.dumps(document), mode=0o600)


def keep_secrets(home, **values):
    """Writes some secrets into secrets.toml; the others and the comments stay as they are.

    Args:
        home (`FeedHome`), **values (`str`): fields of `FeedSecrets`.
    """
    import tomlkit

    document = tomlkit.parse(read_text(home.secrets)) if home.secrets.is_file() else tomlkit.document()
    for name, value in values.items():
        document[name] = value
    write_atomically(home.secrets, tomlkit.dumps(document), mode=0o600)


def _help_lines():
    """Yields `(name, help)` of each secret out of the docstring, where each is written once."""
    for line in FeedSecrets.__doc__.split("Attributes:")[1].splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon:
            yield name, text[:1].upper() + text[1:]
