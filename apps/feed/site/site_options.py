"""What the site is told when it starts.

SiteOptions(home="~/feed")                                          127.0.0.1, no password
SiteOptions(home="~/feed", host="0.0.0.0", password_hash=hash_password("..."))
"""

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

THUMBNAILS = ("cache", "off")
EMBEDS = ("click", "auto")


def is_loopback(host):
    """Returns whether only this machine can reach an address: "localhost" or an address of 127.0.0.0/8 or ::1."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class SiteOptions:
    """Where the site listens and how it behaves; checked where it is made.

    Attributes:
        home (`Path`): folder that keeps the cookie secret, the sessions and the thumbnails.
        host (`str`): address that is bound; one that other machines reach needs `password_hash`.
        port (`int`)
        password_hash (`str`, *optional*): of `site_password.hash_password`; with it every page asks for the password.
        allowed_hosts (`tuple[str]`): names that a browser may call the site by, besides addresses and "localhost".
        time_zone (`str`): IANA name; in it times are shown.
        title (`str`): of the pages.
        page_size (`int`): videos that the feed shows at once.
        thumbnails (`str`): "cache" fetches each once and keeps it, "off" draws letters instead.
        thumbnail_base (`str`): `{thumbnail_base}/{video_id}/mqdefault.jpg` is fetched.
        embed (`str`): "click" asks before the player of another company is loaded, "auto" loads it with the page.
        poll_seconds (`float`): between two looks for a newer feed.
        session_days (`int`): how long a browser stays signed in.
        storage_secret_file, sessions_folder, thumbnail_folder (`Path`, *optional*): default to files in `home`.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8090
    password_hash: str | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    time_zone: str = "UTC"
    title: str = "Productive feed"
    page_size: int = 21
    thumbnails: str = "cache"
    thumbnail_base: str = "https://i.ytimg.com/vi"
    embed: str = "click"
    poll_seconds: float = 20.0
    session_days: int = 14
    storage_secret_file: Path | None = None
    sessions_folder: Path | None = None
    thumbnail_folder: Path | None = None

    def __post_init__(self):
        home = Path(self.home).expanduser()
        paths = {"storage_secret_file": "site_secret", "sessions_folder": "sessions", "thumbnail_folder": "thumbnails"}
        object.__setattr__(self, "home", home)
        for name, default in paths.items():
            object.__setattr__(self, name, Path(getattr(self, name) or home / default))
        _one_of("thumbnails", self.thumbnails, THUMBNAILS)
        _one_of("embed", self.embed, EMBEDS)
        for name, least in (("page_size", 1), ("session_days", 1), ("poll_seconds", 0.05)):
            if getattr(self, name) < least:
                raise ValueError(f"Expected {name} of at least {least}, got {getattr(self, name)}. Give a larger one.")
        if self.page_size > 200:
            raise ValueError(f"Expected page_size of at most 200, got {self.page_size}. Give a smaller one.")
        if not 1 <= self.port <= 65535:
            raise ValueError(f"Expected a port from 1 to 65535, got {self.port}. Give another one.")
        if urlsplit(self.thumbnail_base).scheme not in ("http", "https"):
            raise ValueError(
                f"Expected thumbnail_base to be an http or https address, got {self.thumbnail_base!r}. "
                'Correct it, or set thumbnails = "off".'
            )
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(
                f'Expected an IANA time zone such as "Europe/Berlin", got {self.time_zone!r}. Correct time_zone.'
            ) from error
        if not is_loopback(self.host) and not self.password_hash:
            raise ValueError(
                f"Expected a password, because {self.host} can be reached by other machines, and got none. "
                "Set site_password in secrets.toml, or listen on 127.0.0.1."
            )


def _one_of(name, value, known):
    if value not in known:
        raise ValueError(f"Expected {name} to be one of {', '.join(known)}, got {value!r}. Choose one of them.")
