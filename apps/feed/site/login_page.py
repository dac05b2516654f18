"""The password: a plain form, without any of the other pages' code."""

import html
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from nicegui import run

from traceformers.apps.feed.site.site_guard import LOGIN
from traceformers.apps.feed.site.site_password import entry_mark, password_fits
from traceformers.apps.feed.site.site_theme import style_sheet

MOST_BYTES = 4096


def add_login(app, options, limiter):
    """Adds `GET /login` and `POST /login`, where a password is asked for.

    Args:
        app (`FastAPI`), options (`SiteOptions`), limiter (`AttemptLimiter`)
    """

    @app.get(LOGIN, include_in_schema=False)
    async def form(request: Request):
        return _page(options, request.query_params.get("to", "/"))

    @app.post(LOGIN, include_in_schema=False)
    async def enter(request: Request):
        if "out" in request.query_params:
            request.session.clear()
            return RedirectResponse(LOGIN, 303)
        target = request.query_params.get("to", "/")
        address = request.client.host if request.client else ""
        if wait := limiter.wait_seconds(address):
            return _page(options, target, f"Too many wrong passwords. Try again in {wait:.0f} seconds.", 429)
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MOST_BYTES:
                return _page(options, target, "That is too long for a password.", 413)
        password = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
        limiter.failed(address)  # taken back below: tries that run at once count as well
        if not options.password_hash or await run.io_bound(password_fits, password, options.password_hash) is not True:
            return _page(options, target, "That is not the password.", 401)
        limiter.fitted(address)
        request.session["entry"] = entry_mark(options.password_hash)
        return RedirectResponse(_own_path(target), 303)


def _own_path(target):
    """Returns a path of this site: never another one's address."""
    ours = (
        target.startswith("/") and not target.startswith(("//", "/\\")) and "\\" not in target and target.isprintable()
    )
    return target if ours else "/"


def _page(options, target, problem="", status=200):
    title, action = (
        html.escape(options.title),
        html.escape(_own_path(target), quote=True).replace("?", "%3F").replace("&amp;", "%26"),
    )
    alert = f'<p role="alert" class="status bad">{html.escape(problem)}</p>' if problem else ""
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Sign in · {title}</title>
<style>{style_sheet()}</style></head><body class="plain"><main class="login"><div class="panel"><h1>{title}</h1>
<form method="post" action="{LOGIN}?to={action}"><label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus>{alert}
<button class="main" type="submit">Sign in</button></form></div></main></body></html>""",
        status,
        {"Cache-Control": "no-store"},
    )
