"""Labels of new recordings by a saved classifier, which is loaded as any user would."""

from types import SimpleNamespace

import pandas as pd
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.training.session_classification.classification_trainer import session_scores
from traceformers.training.session_classification.session_windows import JudgedWindows, SessionCollator


def predict_labels(model_name, files, revision="main", max_eval_windows=64):
    """Returns a `pandas.DataFrame` with file, label, probability, error and the probability of each class, in order.

    Args:
        model_name (path): folder or repository that run_classification.py saved.
        files: iterable of `SessionFiles`.
        revision (`str`): of a repository.
        max_eval_windows (`int`): windows of a session that are read, at most.

    Raises:
        ValueError: the model tells no labels of sessions apart.
    """
    where = {"revision": revision, "trust_remote_code": True}
    model = AutoModelForSequenceClassification.from_pretrained(model_name, attn_implementation="sdpa_varlen", **where)
    tokenizer = AutoTokenizer.from_pretrained(model_name, **where)
    config = model.config
    if "RRWebBertForSequenceClassification" not in (config.architectures or []):
        raise ValueError(
            f"Expected a classifier in {model_name}, got {', '.join(config.architectures or ['none'])}: its labels "
            "would be random. Train one with run_classification.py."
        )
    settings = SimpleNamespace(
        max_length=min(config.max_position_embeddings, tokenizer.model_max_length),
        windows=getattr(config, "session_windows", "all"),
        max_eval_windows=max_eval_windows,
    )
    collator = SessionCollator(config.structural_vocab_size)
    names = [config.id2label[i] for i in range(config.num_labels)]
    rows = []
    for file in files:
        row = {"file": file.name, "label": "", "probability": None, "error": ""}
        try:
            contents = file.read()
            one = contents[0] if len(contents) == 1 else list(read_session(*contents).events)
            session = tokenizer.tokenize_session(one)
        except (ValueError, OSError) as error:  # of the code that came with the model, which has classes of its own
            rows.append(row | {"error": str(error)})
            continue
        scores = session_scores(model, JudgedWindows([session], None, tokenizer, settings), collator)[0]
        best = int(scores.argmax())
        row |= {"label": names[best], "probability": float(scores[best])}
        rows.append(row | {f"p({name})": float(score) for name, score in zip(names, scores, strict=True)})
    return pd.DataFrame(rows)


def write_predictions(table, place):
    """Writes predictions as CSV to a path or an open file; makes the folder of a path."""
    if hasattr(place, "parent"):
        place.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(place, index=False, float_format="%.6f")
