"""A page on which one pastes titles of videos and what one was doing, and sees what a feed model makes of them.

    FEED_MODEL=user/productive-feed python feed_app.py

FEED_MODEL is a repository or folder of a productive feed model, FEED_REVISION the commit or tag whose code and weights
are used. The code in that repository runs here.
"""

import os
import sys

import gradio
from title_scores import EXAMPLE_ACTIVITY, EXAMPLE_TITLES, HEADERS, load, scored_rows

ABOUT = """# What to watch now
Paste titles, and what you were just doing. Nothing is kept."""
LIMITS = """Probabilities are those of the person whose opinions the model was trained on: it knows what *they* find
interesting and productive, not what you do. *Most like what you did* is where the model looked and what is near in
meaning; it is a sign, not a proof. Your own model is trained on your machine: `traceformers feed init`."""
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def build(model):
    """Returns the page of a model, a `gradio.Blocks`."""

    def answer(titles, activity, hour, weekday):
        try:
            return scored_rows(model, titles, activity, hour, WEEKDAYS.index(weekday))
        except ValueError as error:
            raise gradio.Error(str(error)) from None

    with gradio.Blocks(title="What to watch now") as page:
        gradio.Markdown(ABOUT)
        with gradio.Row():
            titles = gradio.Textbox(
                EXAMPLE_TITLES, label="Videos: title | channel, one a line", lines=6, elem_id="titles"
            )
            activity = gradio.Textbox(
                EXAMPLE_ACTIVITY,
                label="What you did, newest first: category | app | title",
                lines=6,
                visible=model.config.use_activity,
                elem_id="activity",
            )
        with gradio.Row():
            hour = gradio.Slider(0, 23, 10, step=1, label="Hour of the day")
            weekday = gradio.Dropdown(WEEKDAYS, value="Monday", label="Day")
        ask = gradio.Button("Score", variant="primary", elem_id="ask")
        found = gradio.Dataframe(headers=HEADERS, interactive=False, wrap=True, label="Best first", elem_id="found")
        gradio.Markdown(LIMITS)
        ask.click(answer, [titles, activity, hour, weekday], found, api_name="score")
    return page


if __name__ == "__main__":
    name = os.environ.get("FEED_MODEL")
    if not name:
        sys.exit("Expected FEED_MODEL, a repository or folder of a feed model, got nothing. Set the variable.")
    build(load(name, os.environ.get("FEED_REVISION"))).launch()
