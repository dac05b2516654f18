"""A page on which one picks films by title and sees what a recommender makes of them.

    RECOMMENDER_MODEL=user/bert4rec-movielens-small python app.py

RECOMMENDER_MODEL is a repository or folder of a traceformers recommender, RECOMMENDER_REVISION the commit or tag whose
code and weights are used. The code in that repository runs here.
"""

import os
import sys

import gradio
from film_choice import HEADERS, load, matching_titles, recommended_rows

ABOUT = """# What to watch next
Pick films you like, in the order you saw them. They are all the model is told of you, and nothing is kept."""
LIMITS = """Scores are the model's own and only rank these films. *Because you picked* names the films whose vectors
are nearest: what the model holds for alike, not what caused the score. The model knows the films of its training data
only, and favours the popular ones."""

WIDTHS = ["6%", "27%", "9%", "31%", "27%"]


def build(model):
    """Returns the page of a model, a `gradio.Blocks`."""

    tokenizer = model.item_tokenizer

    def answer(picked, k, diversity, until):
        return recommended_rows(model, picked or [], k, diversity, until)

    def offer(text, picked):
        return gradio.Dropdown(choices=matching_titles(tokenizer, text, picked or []))

    with gradio.Blocks(title="What to watch next") as page:
        gradio.Markdown(ABOUT)
        search = gradio.Textbox(label="Search a title", placeholder="Words of it, or its year", elem_id="search")
        picked = gradio.Dropdown(
            matching_titles(tokenizer), multiselect=True, filterable=False, label="Films you like", elem_id="picked"
        )
        search.change(offer, [search, picked], picked, show_progress="hidden")
        with gradio.Row():
            k = gradio.Slider(1, 50, 10, step=1, label="How many")
            diversity = gradio.Slider(0, 1, 0, step=0.05, label="Diversity", visible=model.item_vectors() is not None)
            until = gradio.Number(
                0, label="Nothing newer than (year; 0: any)", precision=0, visible=bool(tokenizer.years)
            )
        ask = gradio.Button("Recommend", variant="primary", elem_id="ask")
        found = gradio.Dataframe(
            headers=HEADERS,
            column_widths=WIDTHS,
            max_height=1200,
            interactive=False,
            wrap=True,
            label="For you",
            elem_id="found",
        )
        gradio.Markdown(LIMITS)
        ask.click(answer, [picked, k, diversity, until], found, api_name="recommend")
    return page


if __name__ == "__main__":
    name = os.environ.get("RECOMMENDER_MODEL")
    if not name:
        sys.exit("Expected RECOMMENDER_MODEL, a repository or folder of a recommender, got nothing. Set the variable.")
    build(load(name, os.environ.get("RECOMMENDER_REVISION"))).launch()
