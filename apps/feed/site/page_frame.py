"""What stands around every page: header, dark mode, key help, toast. One `with` a page."""

from contextlib import contextmanager
from pathlib import Path

from nicegui import app, ui

from traceformers.apps.feed.database.database_engine import FeedDatabaseError
from traceformers.apps.feed.site.page_elements import button, tag
from traceformers.apps.feed.site.page_toast import Toast
from traceformers.apps.feed.site.site_keys import EVERYWHERE, KEYS
from traceformers.apps.feed.site.site_theme import style_sheet

PAGES = (("feed", "/", "Feed"), ("label", "/label", "Label"), ("health", "/health", "Health"))
MODES = {"system": None, "dark": True, "light": False}
ICONS = {"system": "brightness_auto", "dark": "dark_mode", "light": "light_mode"}


def share_assets():
    """Adds the style sheet and the keys to all pages of the site."""
    ui.add_css(style_sheet(), shared=True)
    script = Path(__file__).with_name("site_keys.js").read_text("utf-8")
    ui.add_body_html(f"<script>{script}</script>", shared=True)


@contextmanager
def page_frame(site, name, title=None):
    """Puts what is made inside it into the main part of a page; gives the page's `Toast`.

    Args:
        site (`Site`), name (`str`): of KEYS. title (`str`, *optional*): of the window, before the site's own.
    """
    ui.page_title(f"{title} · {site.options.title}" if title else site.options.title)
    tag("a", "skip", "Skip to the content", href="#content")
    with tag("header", "top"), tag("div"):
        tag("a", "brand", site.options.title, href="/")
        with tag("nav", aria_label="Pages"):
            for key, href, text in PAGES:
                tag("a", "", text, href=href, **({"aria_current": "page"} if key == name else {}))
        _mode_button()
        button("?", key="?", name="keys", classes="quiet", title="Keys (?)", aria_label="Keys").on(
            "click", js_handler="() => document.getElementById('key-help').showModal()"
        )
        if site.options.password_hash:
            with tag("form", method="post", action="/login?out=1"):
                tag("button", "quiet", "Sign out", type="submit", data_do="sign-out")
    with tag("div", id="content", tabindex="-1"):  # Quasar's page around it is the <main>
        toast = Toast()
        yield toast
    _key_help(name)


def _mode_button():
    """The button that goes from the system's mode to dark to light; the choice belongs to the browser's session."""
    mode = app.storage.user.get("mode")
    mode = mode if mode in MODES else "system"
    dark = ui.dark_mode(MODES[mode])

    def show():
        icon.text = ICONS[mode]
        made._props.update(title=f"Colours: {mode} (D)", **{"aria-label": f"Colours: {mode}", "data-mode": mode})
        made.update()

    def turn():
        nonlocal mode
        names = list(MODES)
        mode = names[(names.index(mode) + 1) % len(names)]
        app.storage.user["mode"] = mode
        dark.set_value(MODES[mode])
        show()

    with button("", turn, "quiet", key="d", name="mode") as made:
        icon = tag("i", "material-icons", aria_hidden="true")
    show()


def _key_help(name):
    with tag("dialog", id="key-help", aria_labelledby="key-help-title"):
        tag("h2", "", "Keys", id="key-help-title")
        with tag("table", "plain"):
            for key, what in (*KEYS[name], *EVERYWHERE):
                with tag("tr"):
                    with tag("td"):
                        tag("kbd", "", key)
                    tag("td", "", what)
        with tag("div", "row"):
            with tag("label", "check"):
                box = tag("input", type="checkbox", id="keys-on", data_do="keys-on")
                tag("span", "", "Single keys are on in this browser")
            tag("span", "spring")
            close = button("Close", name="close-keys")
        box.on("change", js_handler="(e) => localStorage.setItem('feed-keys', e.target.checked ? 'on' : 'off')")
        box.on("vnodeMounted", js_handler="(e) => { e.el.checked = localStorage.getItem('feed-keys') !== 'off' }")
        close.on("click", js_handler="() => document.getElementById('key-help').close()")


def failed_page(site, error):
    """Makes the page that stands where another one could not be made.

    Args:
        site (`Site`), error (`Exception`)
    """
    with page_frame(site, "health", "Not shown"):
        known = isinstance(error, FeedDatabaseError)
        message = str(error) if known else f"{type(error).__name__}: the log of the site says more."
        with empty_state("This page cannot be shown", message, "Nothing that you said is lost."):
            button("Try again", lambda: ui.navigate.reload(), "main", name="try-again")


def empty_state(heading, *lines, commands=()):
    """Says that there is nothing to show, why, and what to do next; give it buttons inside `with`.

    Args:
        heading (`str`), lines (`str`): sentences. commands (`Sequence[str]`): to type in a terminal.
    """
    with tag("section", "empty", role="status") as box:
        tag("h2", "", heading)
        for line in lines:
            tag("p", "", line)
        for command in commands:
            tag("code", "", command)
    return box
