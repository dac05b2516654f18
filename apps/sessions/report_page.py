"""One page on the sessions of an index, for a browser without a network: `report.html`, and replays beside it.

The page holds the time lines of all sessions and the replays of the first ones; the replays of the others lie in
`replays/`, as scripts, because a page from a disk may load a script that lies beside it and nothing else.

The replayed page stands in the frame that rrweb makes: a sandbox in which no script runs. A sandbox around the player
without `allow-same-origin` was tried: rrweb then cannot reach the frame inside it, and nothing is shown. So what keeps
a hostile recording still is, in this order: cleaning (`report_replay`), rrweb's sandbox, and the page's policy, which
allows the two scripts of this package by their hashes and no address but `data:`.
"""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from traceformers.apps.sessions.report_index import read_report_index
from traceformers.apps.sessions.report_replay import NoReplayError, packed_replay
from traceformers.apps.sessions.report_rows import packed_moments, page_data, ranking, shown_text
from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.tokenization.rrweb.rrweb_json import SessionFormatError

ASSETS = Path(__file__).with_name("report_assets")
SCRIPTS = (
    "report_parts",
    "report_map",
    "report_list",
    "report_timeline",
    "report_player",
    "report_session",
    "report_start",
)
REPLAYS = 30
MOST_BYTES = 50_000_000  # of the page; replays that do not fit lie beside it
LONGEST_ROW = 400  # bytes that the page says of a replay, or of why there is none
BESIDE = re.compile(r"\d+\.js")


@dataclass(frozen=True)
class WrittenReport:
    """What was written.

    Attributes:
        path (`Path`): of the page. size (`int`): of the page, in bytes. sessions, inside, beside (`int`): how many
            there are, how many replays are in the page, how many in files beside it.
        without (`dict[str, str]`): why a session has no replay, by its id.
    """

    path: Path
    size: int
    sessions: int
    inside: int
    beside: int
    without: dict


def write_report(
    index_folder,
    recordings_folder,
    out,
    replays=REPLAYS,
    keep_typed_text=False,
    keep_personal_text=False,
    progress=iter,
):
    """Returns the `WrittenReport` of the page that it wrote.

    Args:
        index_folder (`str` or `os.PathLike`): of `traceformers sessions embed`.
        recordings_folder (`str` or `os.PathLike`, *optional*): what was embedded; without it there are no replays.
        out (`str` or `os.PathLike`): folder for report.html and replays/; it is made.
        replays (`int`): how many replays are in the page; those of the sessions most worth watching.
        keep_typed_text, keep_personal_text (`bool`): see `packed_replay`.
        progress (callable): goes around the list of sessions, such as `tqdm`.

    Raises:
        FileNotFoundError, ValueError: as `read_report_index`; there are no recordings; `replays` is negative.
    """
    if replays < 0:
        raise ValueError(
            f"Expected 0 or more replays inside the report, got {replays}. Give --replays a number from 0."
        )
    index, out = read_report_index(index_folder), Path(out)
    files = _files_of(index, recordings_folder)
    order = ranking(index.columns)
    data = page_data(index, order)
    moments = [packed_moments(index.moments[row]) for row in order]
    keep = {"keep_typed_text": keep_typed_text, "keep_personal_text": keep_personal_text}
    (out / "replays").mkdir(parents=True, exist_ok=True)
    for old in (out / "replays").iterdir():
        if BESIDE.fullmatch(old.name):
            old.unlink()
    inside, beside, without = {}, set(), {}
    free = MOST_BYTES - len(render_page(data, moments, {}).encode()) - len(order) * LONGEST_ROW
    for number, row in enumerate(progress(order)):
        name = data["sessions"]["id"][number]
        packed, why = _replay_of(files, row, recordings_folder, keep)
        if packed is None:
            without[name] = why
        elif len(inside) < replays and len(packed) + LONGEST_ROW <= free:
            inside[number], free = packed, free - len(packed) - LONGEST_ROW
        else:
            script = f"sessionReplay({number},{script_json(name)},{script_json(packed)})\n"
            _write(out / "replays" / f"{number}.js", script)
            beside.add(number)
    sessions = data["sessions"]
    sessions["replay"] = ["inside" if n in inside else "beside" if n in beside else "" for n in range(len(order))]
    sessions["no_replay"] = [without.get(name, "") for name in sessions["id"]]
    data["masked"] = not keep_typed_text
    page = render_page(data, moments, inside)
    _write(out / "report.html", page)
    size = (out / "report.html").stat().st_size
    return WrittenReport(out / "report.html", size, len(order), len(inside), len(beside), without)


def render_page(data, moments, replays):
    """Returns the HTML of a report.

    Args:
        data (`dict`): of `page_data`. moments (`list[str]`): of `packed_moments`.
        replays (`dict[int, str]`): row number to `packed_replay`.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    scripts = [_player_script(), _report_script()]
    return environment.get_template("report_page.html.jinja").render(
        style=(ASSETS / "rrweb_player.min.css").read_text("utf-8") + (ASSETS / "report.css").read_text("utf-8"),
        scripts=scripts,
        policy=content_policy(scripts),
        count=len(moments),
        data=script_json(data),
        moments=script_json(moments),
        replays=replays,
    )


def content_policy(scripts):
    """Returns the Content-Security-Policy of a page: these scripts and those beside it, and nothing from elsewhere.

    Args:
        scripts (`list[str]`): the text of each inline script.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return (
        f"default-src 'none'; script-src {hashes} 'self' file:; style-src 'unsafe-inline'; img-src data:; "
        "font-src data:; media-src data:; base-uri 'none'; form-action 'none'"
    )


def script_json(value):
    r"""Returns JSON that may stand in a script: nothing in it ends the script or begins a comment.

    >>> print(script_json("</script><!--"))
    "\u003c/script\u003e\u003c!--"
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _player_script():
    notice, player = ((ASSETS / name).read_text("utf-8") for name in ("RRWEB_PLAYER_LICENCE.md", "rrweb_player.min.js"))
    return f"/*! {notice.strip()}\n*/\n{player}"


def _report_script():
    parts = [(ASSETS / f"{name}.js").read_text("utf-8") for name in SCRIPTS]
    return '(() => {\n"use strict";\n' + "\n".join(parts) + "})();\n"


def _files_of(index, recordings_folder):
    """Returns a list of `SessionFiles`, one a row; None for a row whose recording is not there."""
    if recordings_folder is None:
        return [None] * len(index)
    found = {}
    for files in list_session_files(str(recordings_folder)):
        for name in (files.name, files.source, *(path.rpartition("/")[2] for path in files.paths)):
            found.setdefault(name, files)
    names = index.columns["session_id"]
    paths = index.columns.get("file", names)
    return [
        found.get(name) or found.get(path) or found.get(str(path).rpartition("/")[2])
        for name, path in zip(names, paths, strict=True)
    ]


def _replay_of(files, row, recordings_folder, keep):
    """Returns `(replay, None)`, or `(None, why there is none)`."""
    if recordings_folder is None:
        return None, "The report was made without the folder of recordings."
    if files[row] is None:
        return None, "The recording is no longer in the folder of recordings."
    try:
        return packed_replay(files[row].read(), **keep), None
    except (NoReplayError, SessionFormatError, OSError) as error:
        return None, shown_text(error, 250)


def _write(path, text):
    half = path.with_name(path.name + ".half")
    half.write_text(text, encoding="utf-8")
    half.replace(path)
