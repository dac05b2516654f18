"""about.json: which model made an index, and the check that it is used with the same."""

import json
from pathlib import Path

FORMAT = 1


def read_about(folder):
    """Returns what about.json says.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not of this format.
    """
    path = Path(folder) / "about.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected an index of sessions in {folder}, found no about.json. "
            "Make one: traceformers sessions embed --help"
        )
    about = json.loads(path.read_text(encoding="utf-8"))
    if about.get("format") != FORMAT:
        raise ValueError(
            f"Expected an index of format {FORMAT} in {folder}, got {about.get('format')!r}. Make it again with this "
            "version in another folder."
        )
    return about


def check_model(about, model, folder):
    """Raises ValueError if a `SessionModel` is not the one that made an index: same weights, same vocabulary."""
    if about["fingerprint"] != model.fingerprint:
        held, given = (
            f"{name}{f' at {revision}' if revision else ''} ({print_[:12]})"
            for name, revision, print_ in (
                (about["model"], about["revision"], about["fingerprint"]),
                (model.name, model.revision, model.fingerprint),
            )
        )
        raise ValueError(
            f"Expected the model that made the index in {folder}, {held}, got {given}: their vectors cannot be "
            "compared. Name that model with --model, or make an index for this one in another folder."
        )


def model_of(about, model=None, revision=None, device=None):
    """Returns the `SessionModel` of an index, checked: the recorded one, or `model` where it lies elsewhere now."""
    from traceformers.apps.sessions.session_model import SessionModel

    name, revision = (model, revision) if model else (about["model"], revision or about["revision"])
    return SessionModel(name, revision, device)
