"""A page on which one drops an rrweb recording and sees what a model makes of it.

    RRWEB_MODEL=user/rrweb-bert RRWEB_SAMPLES=samples python session_app.py

RRWEB_MODEL is a repository or folder of an RRWebBERT, RRWEB_REVISION the commit or tag whose code and weights are used,
RRWEB_SAMPLES a folder of recordings to compare with. The code in that repository runs here.
"""

import os
import sys
from pathlib import Path

import gradio
import pandas
from session_reading import HEADERS, SUFFIXES, SessionReader

ABOUT = """# What happened in this session
Drop a recording made with [rrweb](https://github.com/rrweb-io/rrweb). What people typed is masked; nothing is kept."""
LIMITS = """Bits say how hard it is for the model to guess an action that is hidden from it, from what stands around it:
what it has never met is unexpected, whether it is odd or only new. Likeness is the cosine of two vectors."""


def build(reader):
    """Returns the page of a `SessionReader`, a `gradio.Blocks`."""

    def answer(path):
        if not path:
            return "", _frame([]), []
        try:
            log, actions, rows = reader.read(path)
        except ValueError as error:
            raise gradio.Error(str(error)) from None
        finally:
            Path(path).unlink(missing_ok=True)
        return log, _frame(actions), rows

    with gradio.Blocks(title="What happened in this session", delete_cache=(600, 600)) as page:
        gradio.Markdown(ABOUT)
        dropped = gradio.File(label="Recording", file_types=list(SUFFIXES), elem_id="recording", height=140)
        line = gradio.ScatterPlot(
            _frame([]), x="seconds", y="bits a token", tooltip="all", title="How unexpected each action is",
            height=280, elem_id="line",
        )  # fmt: skip
        with gradio.Row():
            log = gradio.Textbox(label="Log", lines=18, max_lines=18, elem_id="log", scale=3)
            found = gradio.Dataframe(headers=HEADERS, interactive=False, label="Most like it", elem_id="found", scale=2)
        gradio.Markdown(LIMITS)
        dropped.upload(answer, dropped, [log, line, found], api_name="read")
    return page


def _frame(actions):
    return pandas.DataFrame(
        [(round(seconds, 2), round(bits, 2), action[:120]) for seconds, action, bits in actions],
        columns=["seconds", "bits a token", "action"],
    ).astype({"seconds": float, "bits a token": float})


if __name__ == "__main__":
    name = os.environ.get("RRWEB_MODEL")
    if not name:
        sys.exit("Expected RRWEB_MODEL, a repository or folder of an RRWebBERT, got nothing. Set the variable.")
    samples = os.environ.get("RRWEB_SAMPLES") or Path(__file__).with_name("samples")
    if not Path(samples).is_dir():
        sys.exit(f"Expected recordings in {samples}, found no such folder. Copy some there, or set RRWEB_SAMPLES.")
    build(SessionReader(name, samples, os.environ.get("RRWEB_REVISION"))).launch()
