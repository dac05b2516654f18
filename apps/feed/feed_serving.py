"""The site of a home: its options out of settings and secrets, and the scheduler inside its process."""

import socket

from traceformers.apps.feed.feed_status import score_drift


def site_options(home, settings, secrets, **changes):
    """Returns the `SiteOptions` that settings and secrets describe.

    Args:
        home (`FeedHome`), settings (`FeedSettings`), secrets (`FeedSecrets`).
        changes: fields of `SiteSettings` that go before those of the settings, None is none.

    Raises:
        ValueError: it would listen on more than this machine without a password.
    """
    from traceformers.apps.feed.site.site_options import SiteOptions
    from traceformers.apps.feed.site.site_password import kept_hash

    password = secrets.site_password
    chosen = settings.changed("site", **{name: value for name, value in changes.items() if value is not None}).site
    return SiteOptions(
        home=home.path,
        host=chosen.host,
        port=chosen.port,
        password_hash=kept_hash(password, home.path / "site_password_hash") if password else None,
        allowed_hosts=chosen.allowed_hosts,
        time_zone=settings.general.time_zone,
        page_size=chosen.page_size,
        thumbnails=chosen.thumbnails,
        embed=chosen.embed,
        thumbnail_folder=home.thumbnails,
    )


def health_of(feed):
    """Returns what the health page asks: a function of the database that returns a `SiteHealth` with drift in words.

    Args:
        feed (`OpenFeed`).
    """
    from traceformers.apps.feed.site.site_health import site_health

    def health(database):
        found = site_health(database, {"youtube": feed.settings.youtube.daily_units})
        for head, row in score_drift(database).items():
            if row["change"] in ("some", "large"):
                found.notes.append(
                    f"{head}: the probabilities of the newest feed differ from those before: {row['change']} change "
                    f"(PSI {row['psi']:.2f})."
                )
        return found

    return health


def serve_feed(feed, schedule=None, open_page=None, **changes):
    """Serves the site until it is told to end.

    Args:
        feed (`OpenFeed`).
        schedule (`bool`, *optional*): run the scheduler inside; as the settings say without it.
        open_page (`str`, *optional*): path of the page to open in a browser. changes: see `site_options`.

    Raises:
        OSError: the address is another program's, or none of this machine.
    """
    from traceformers.apps.feed.site.site_app import run_site

    options = site_options(feed.home, feed.settings, feed.secrets, **changes)
    refuse_taken(options.host, options.port)
    scheduler = None
    if feed.settings.schedule.enabled if schedule is None else schedule:
        from traceformers.apps.feed.feed_scheduler import FeedScheduler
        from traceformers.apps.feed.feed_scoring import FeedScorer

        scheduler = FeedScheduler(feed.home, scorer=FeedScorer())
    run_site(
        options,
        feed.database,
        health=health_of(feed),
        on_startup=[scheduler.start] if scheduler else [],
        on_shutdown=[scheduler.shutdown] if scheduler else [],
        show=open_page or False,
    )


def refuse_taken(host, port):
    """Raises an `OSError` that says what to do if nothing can listen at an address.

    Args:
        host (`str`), port (`int`).
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        raise OSError(
            error.errno,
            f"Expected to listen on {host}:{port}, got: {error.strerror}. End what listens there, perhaps this site, "
            "or name another with --port or --host.",
        ) from None
