"""The card of whatever run a folder holds: finds which of the cards it is, and writes it.

from traceformers.model_cards.card_of_run import write_card_of_run

write_card_of_run("runs/base", repo_id="user/rrweb-bert-base", revision="v1")  # writes runs/base/model/README.md
"""

import importlib
from pathlib import Path

from traceformers.model_cards.card import MODEL, MissingFactError, read

REPORT = "retrieval_report.json"
#: Which function of which module writes the card of each kind of run.
WRITERS = {
    "encoder of sessions": ("session_encoder_card", "write_session_encoder_card"),
    "task on sessions": ("session_task_card", "write_session_task_card"),
    "rrweb_bert": ("card", "write_card"),
    "rrweb_trimodal": ("trimodal_card", "write_trimodal_card"),
    "ngram_encoder": ("ngram_card", "write_ngram_card"),
    "productive_feed": ("productive_feed_card", "write_feed_card"),
    **dict.fromkeys(
        ("bert4rec", "sasrec", "multivae", "ease", "popularity", "ensemble_recommender"),
        ("recommender_card", "write_recommender_card"),
    ),
}


def kind_of_run(run_dir):
    """Returns the key of `WRITERS` for the output folder of a run.

    Raises:
        MissingFactError: there is no model in it, or one that has no card.
    """
    model = Path(run_dir) / MODEL
    model_type = read(model / "config.json")["model_type"]
    if model_type == "rrweb_bert":
        if "task" in read(Path(run_dir) / "metrics.json"):
            return "task on sessions"
        if (model / "1_Dense").is_dir():  # the linear layer that a session encoder is trained with
            return "encoder of sessions"
    if model_type not in WRITERS:
        raise MissingFactError(f"the card needs a model of {', '.join(WRITERS)}, {model} has {model_type!r}")
    return model_type


def write_card_of_run(run_dir, repo_id=None, revision=None, about_data=None, report=None):
    """Writes README.md into the model's folder and returns its path.

    Args:
        run_dir: output folder of a run script.
        repo_id: where the model will be pushed, "user/name"; without it the snippet names the folder.
        revision: tag or commit that the snippet pins; without it "v" and the version of this package.
        about_data: YAML file of `name`, `source`, `people` and `licence` of the data, as their owner tells them.
        report: `retrieval_report.json`, for an n-gram encoder; without it the one in the run's folder.

    Raises:
        MissingFactError: the run lacks something that its card has to say.
    """
    module, name = WRITERS[kind_of_run(run_dir)]
    write = getattr(importlib.import_module(f"traceformers.model_cards.{module}"), name)
    options = {}
    if module == "ngram_card":
        held = Path(run_dir) / REPORT
        options["report"] = report or (held if held.is_file() else None)
    return write(run_dir, repo_id, revision, about_data, **options)
