"""The whole site: one NiceGUI app with the pages, the login, REST and the thumbnails.

run_site(SiteOptions(home), FeedDatabase(url))      serves until it is stopped

A process serves one site, for NiceGUI has one app a process.
"""

import asyncio

from fastapi import Request
from nicegui import app, core, ui
from nicegui.storage import Storage

from traceformers.apps.feed.site.feed_page import FeedPage
from traceformers.apps.feed.site.feed_query import FeedQuery
from traceformers.apps.feed.site.health_page import build_health
from traceformers.apps.feed.site.label_page import LabelPage
from traceformers.apps.feed.site.login_page import add_login
from traceformers.apps.feed.site.page_frame import failed_page, share_assets
from traceformers.apps.feed.site.rest_api import add_rest
from traceformers.apps.feed.site.site_context import Site
from traceformers.apps.feed.site.site_guard import SiteGuard
from traceformers.apps.feed.site.site_health import site_health
from traceformers.apps.feed.site.site_password import AttemptLimiter, read_or_make_secret
from traceformers.apps.feed.site.thumbnails import ThumbnailCache
from traceformers.apps.feed.site.watch_page import WatchPage


def build_site(options, database, health=None):
    """Returns the `Site`, with all its routes in NiceGUI's app; `run_site` serves it.

    Args:
        options (`SiteOptions`), database (`FeedDatabase`): open.
        health (callable, *optional*): takes the database, returns a `SiteHealth`; `site_health` by default.
    """
    options.sessions_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    Storage.path = options.sessions_folder.resolve()
    core.sio.eio.cors_allowed_origins = []  # no other origin may read; SiteGuard refuses them before
    site, limiter = Site(options, database, health or site_health), AttemptLimiter()
    pictures = None
    if options.thumbnails == "cache":
        pictures = ThumbnailCache(options.thumbnail_folder, options.thumbnail_base)
        app.on_shutdown(pictures.close)
    app.add_middleware(SiteGuard, options=options, limiter=limiter)
    add_login(app, options, limiter)
    add_rest(app, site, pictures)
    app.on_page_exception(lambda error: failed_page(site, error))
    share_assets()
    _add_pages(site)
    looking = []
    app.on_startup(lambda: looking.append(asyncio.create_task(site.keep_looking())))
    app.on_shutdown(lambda: [task.cancel() for task in looking] and None)
    return site


def _add_pages(site):
    @ui.page("/", response_timeout=30)
    async def feed(request: Request):
        await FeedPage(site, FeedQuery.lenient(request.query_params)).build()

    @ui.page("/watch/{video_id}", response_timeout=30)
    async def watch(video_id: str):
        await WatchPage(site, video_id).build()

    @ui.page("/label", response_timeout=30)
    async def label():
        await LabelPage(site).build()

    @ui.page("/health", response_timeout=30)
    async def health():
        await build_health(site)


def run_site(options, database, health=None, on_startup=(), on_shutdown=(), show=False):
    """Serves the site until the process is told to stop.

    Args:
        options, database, health: as in `build_site`.
        on_startup, on_shutdown (`Sequence[callable]`): run in the server's event loop, such as a scheduler's.
        show (`bool`): whether a browser window is opened.
    """
    secret = read_or_make_secret(options.storage_secret_file)
    build_site(options, database, health)
    for handler in on_startup:
        app.on_startup(handler)
    for handler in on_shutdown:
        app.on_shutdown(handler)
    ui.run(
        host=options.host,
        port=options.port,
        title=options.title,
        language="en-US",
        dark=None,
        show=show,
        reload=False,
        tailwind=False,
        show_welcome_message=False,
        storage_secret=secret,
        session_middleware_kwargs={"same_site": "lax", "max_age": options.session_days * 86_400},
        reconnect_timeout=5.0,
        timeout_graceful_shutdown=2,
        proxy_headers=False,
        server_header=False,
    )
