"""The folder that goes to the Hub: weights, tokenizer, code, sentence-transformers' files, ONNX, snapshot, doubt."""

from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime
from traceformers.modeling.ngram_encoder.sentence_ngram_encoder import save_sentence_transformer
from traceformers.training.distillation.export_ngram import export
from traceformers.training.evaluation.encoder_monitor import FEWEST_TEXTS, TextFigures, make_snapshot, write_snapshot
from traceformers.training.evaluation.student_doubt import FEWEST_TEXTS as FEWEST_HELDOUT_TEXTS
from traceformers.training.evaluation.student_doubt import FILE_NAME as DOUBT
from traceformers.training.evaluation.student_doubt import fit_query_doubt


def write_published_folder(folder, model, tokenizer, texts, max_seq_length=None):
    """Returns `folder`, from which `SentenceTransformer`, `AutoModel`, `NgramRuntime` and onnxruntime load the encoder.

    A folded model comes with `onnx/model.onnx`, its table stored as the model's, where the packages of the export extra
    are installed, and with `encoder_snapshot.json`, which `traceformers encode --monitor` compares texts with, unless
    there are too few texts to describe.

    Args:
        folder (path).
        model (`NgramEncoderModel`), tokenizer (`NgramTokenizer`).
        texts (iterable of `str`): those it was trained on.
        max_seq_length (`int`, *optional*): most ids of a text; what the tokenizer allows by default.
    """
    folder = Path(folder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    save_sentence_transformer(folder, max_seq_length)
    if model.config.folded:
        if len(list(islice(texts, FEWEST_TEXTS))) == FEWEST_TEXTS:
            write_snapshot(folder, make_snapshot(NgramRuntime.from_pretrained(folder), texts))
        if all(find_spec(name) for name in ("onnx", "onnxscript", "onnxruntime")):
            export(folder, "onnx", folder / "onnx" / "model.onnx")
    return folder


def write_student_doubt(folder, texts, teacher_vectors):
    """Returns the `StudentDoubt` that is now in a published folder, or None if there are too few texts for one.

    Args:
        folder (path): of a folded model.
        texts (`list[str]`): n texts that the model was not trained on.
        teacher_vectors (`float (n, D)`): of the same texts.
    """
    if len(texts) < FEWEST_HELDOUT_TEXTS:
        return None
    doubt = fit_query_doubt(TextFigures(NgramRuntime.from_pretrained(folder)), texts, teacher_vectors)
    doubt.save(Path(folder) / DOUBT)
    return doubt
