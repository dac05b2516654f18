"""One collection: every source that the settings name, one after the other, noted as a run."""

from traceformers.apps.feed.feed_clock import now_ms
from traceformers.apps.feed.feed_secrets import keep_secrets


def collect(feed, now=None, only=None, paths=(), force=False, sources=None, on_report=None):
    """Returns what each source did, `list[SourceReport]`. A dead source stops no other, and what came stays.

    Args:
        feed (`OpenFeed`). now (`int`, *optional*): ms.
        only (`list[str]`, *optional*): names of the sources to ask: activitywatch, takeout, youtube, rss.
        paths: Takeout folders, .zip or files besides those of the settings.
        force (`bool`): ask sources that wait, and read all of ActivityWatch's activity again.
        sources (*optional*): instead of those of the settings.
        on_report (callable, *optional*): is told each report as soon as its source has ended.

    Raises:
        ValueError: there is no source to ask.
    """
    from traceformers.apps.feed.sources.source_list import collect_all

    now = now_ms() if now is None else now
    if sources is None:
        sources = sources_of(feed, only, paths, force)
    if not sources:
        raise ValueError(
            "Expected a source to collect from, got none. Switch one on in settings.toml, or name a Takeout with "
            "`traceformers feed collect takeout.zip`."
        )
    run = feed.database.start_run("collect", {"sources": [source.name for source in sources]})
    try:
        reports = []
        for source in sources:
            reports += collect_all([source], feed.database, now, force)
            if on_report is not None:
                on_report(reports[-1])
    except BaseException as error:
        feed.database.finish_run(run, "failed", error=f"{type(error).__name__}: {error}")
        raise
    failed = [report for report in reports if not report.ok]
    # A source that failed may have stored a part, so "failed" is for a run of which nothing came.
    status = "ok" if not failed else "failed" if len(failed) == len(reports) else "partial"
    if status == "failed" and any(report.added or report.updated for report in reports):
        status = "partial"
    feed.database.finish_run(
        run,
        status,
        counts={report.name: report.as_dict() for report in reports},
        error="; ".join(f"{report.name}: {report.error}" for report in failed) or None,
    )
    return reports


def sources_of(feed, only=None, paths=(), again=False):
    """Returns the sources that settings and secrets describe; making them asks nothing.

    Subscriptions come before what reads them, and the YouTube API after the feeds, for it fills in what they leave out.

    Args:
        feed (`OpenFeed`). only (`list[str]`, *optional*), paths, again (`bool`): see `collect`.

    Raises:
        ValueError: `only` names what is no source.
    """
    from traceformers.apps.feed.sources.privacy_filter import PrivacyFilter

    known = {
        "takeout": _takeouts,
        "activitywatch": _activitywatch,
        "rss": _rss,
        "youtube": _youtube,
    }
    for name in only or ():
        if name not in known:
            raise ValueError(f"Expected sources of {', '.join(known)}, got {name!r}. Name one of these.")

    settings = feed.settings

    def privacy():
        return PrivacyFilter.from_patterns(settings.privacy.drop, settings.privacy.redact)

    asked = known if not only else {name: known[name] for name in known if name in only}
    return [
        source for make in asked.values() for source in make(settings, feed.secrets, privacy, paths, again, feed.home)
    ]


def _takeouts(settings, secrets, privacy, paths, again, home):
    from traceformers.apps.feed.sources.takeout_source import TakeoutSource

    for path in [*settings.takeout.paths, *map(str, paths)]:
        yield TakeoutSource(
            path,
            privacy(),
            again=again or path in map(str, paths),
            time_zone=settings.general.time_zone,
            liked=settings.takeout.liked or None,
            sample=settings.takeout.sample or None,
        )


def _activitywatch(settings, secrets, privacy, paths, again, home):
    chosen = settings.activitywatch
    for path in chosen.exports:
        from traceformers.apps.feed.sources.aw_export_source import AwExportSource

        yield AwExportSource(path, privacy())
    if chosen.enabled:
        from traceformers.apps.feed.sources.activitywatch_source import ActivityWatchSource

        yield ActivityWatchSource(
            chosen.host, chosen.port, chosen.hostname, privacy(), first_days=chosen.first_days, again=again
        )


def _rss(settings, secrets, privacy, paths, again, home):
    if settings.rss.enabled:
        from traceformers.apps.feed.sources.rss_source import RssSource

        yield RssSource(settings.rss.url, settings.rss.channels, privacy())


def _youtube(settings, secrets, privacy, paths, again, home):
    if not settings.youtube.enabled:
        return
    from traceformers.apps.feed.sources.youtube_access import TOKEN_FILE, youtube_sources

    yield from youtube_sources(
        secrets.youtube_api_key,
        secrets.youtube_client_id,
        secrets.youtube_client_secret,
        secrets.youtube_refresh_token,
        token_path=home.path / TOKEN_FILE,
        api_url=settings.youtube.api_url,
        daily_units=settings.youtube.daily_units,
        channels=settings.rss.channels,
        privacy=privacy,
        oembed_url=settings.youtube.oembed_url,
    )


def sign_in_to_youtube(feed, show, ask=None, client_file=None):
    """Signs in to YouTube once, and returns the feed with what it signed in by; the token is kept in the home.

    Args:
        feed (`OpenFeed`). show (callable): is given the address to open in a browser of this machine.
        ask (callable, *optional*): instead of waiting for that browser, is given the address and returns the one that
            another browser came back to.
        client_file (path, *optional*): of the OAuth client, as Google's console offers it; its id and secret are kept
            in secrets.toml once the sign-in was good.

    Raises:
        ValueError: the secrets name no OAuth client, or the file is none.
    """
    from dataclasses import replace

    from traceformers.apps.feed.sources.youtube_access import TOKEN_FILE
    from traceformers.apps.feed.sources.youtube_oauth import OAuthProject, TokenFile, sign_in, sign_in_by_paste

    secrets = feed.secrets
    if client_file is None and not secrets.youtube_client_id:
        raise ValueError(
            f"Expected youtube_client_id and youtube_client_secret in {feed.home.secrets}, got none. Make an OAuth "
            'client of the kind "Desktop app" in a Google project with the YouTube Data API, and write them there, or '
            "name the file that the console offers with --client-file."
        )
    if client_file is None:
        project = OAuthProject(secrets.youtube_client_id, secrets.youtube_client_secret)
    else:
        project = OAuthProject.from_file(client_file)
    tokens = TokenFile(feed.home.path / TOKEN_FILE)
    sign_in(project, tokens, show) if ask is None else sign_in_by_paste(project, tokens, ask)
    if client_file is None:
        return feed
    kept = {"youtube_client_id": project.client_id, "youtube_client_secret": project.client_secret}
    keep_secrets(feed.home, **kept)
    return replace(feed, secrets=replace(secrets, **kept))
