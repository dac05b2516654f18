"""The site of a home: its options out of settings and secrets, and the scheduler inside its process."""

import socket


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


def health_of(feed, scheduler=None):
    """Returns what the health page asks: a function of the database that returns a `SiteHealth`.

    Args:
        feed (`OpenFeed`). scheduler (`FeedScheduler`, *optional*): of this site.
    """
    from traceformers.apps.feed.site.site_health import site_health

    def health(database):
        next_run_at = None if scheduler is None else scheduler.next_run_at()
        found = site_health(database, {"youtube": feed.settings.youtube.daily_units}, next_run_at=next_run_at)
        if (
            scheduler is not None
            and scheduler.last_outcome
            and scheduler.last_outcome.startswith(("left out", "failed"))
        ):
            found.notes.append(f"The last scheduled run: {scheduler.last_outcome}")
        return found

    return health


def serve_feed(feed, schedule=None, open_page=None, say=None, **changes):
    """Serves the site until it is told to end.

    Args:
        feed (`OpenFeed`).
        schedule (`bool`, *optional*): run the scheduler inside; as the settings say without it.
        open_page (`str`, *optional*): path of the page to open in a browser.
        say (callable, *optional*): is given the address, once it is known to be free. changes: see `site_options`.

    Raises:
        OSError: the address is another program's, or none of this machine.
    """
    from traceformers.apps.feed.site.site_app import run_site

    options = site_options(feed.home, feed.settings, feed.secrets, **changes)
    refuse_taken(options.host, options.port)
    if say is not None:
        say(f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{options.port}  (Ctrl-C ends it)")
    scheduler = None
    if feed.settings.schedule.enabled if schedule is None else schedule:
        from traceformers.apps.feed.feed_scheduler import FeedScheduler
        from traceformers.apps.feed.feed_scoring import FeedScorer

        scheduler = FeedScheduler(feed.home, scorer=FeedScorer())
    run_site(
        options,
        feed.database,
        health=health_of(feed, scheduler),
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
