"""Texts of a file to a file of vectors, one row a text: the logic of `traceformers encode`."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from traceformers.apps.encode.vector_writers import FORMATS, VectorWriter
from traceformers.modeling.ngram_encoder.ngram_runtime import PRECISIONS, NgramRuntime
from traceformers.training.model_files import model_folder
from traceformers.training.repository_teacher import RepositoryTeacher, document_side, names_teacher

CHUNK_TEXTS, CHUNK_CHARACTERS = 16_384, 1 << 24  # held in memory at a time
SUFFIXES = {".safetensors": "safetensors", ".npy": "npy", ".jsonl": "jsonl"}


@dataclass
class EncodedFile:
    """What `encode_file` did: number of texts, seconds without loading, seconds of loading, lines of the monitor."""

    texts: int
    seconds: float
    load_seconds: float
    monitor: list = field(default_factory=list)

    @property
    def texts_per_second(self):
        return self.texts / max(self.seconds, 1e-9)


class TorchEncoder:
    """The n-gram encoder through torch, for devices other than the CPU; `encode(texts)` as of `NgramRuntime`.

    Args:
        runtime (`NgramRuntime`): of the same folder; its tokenizer is used.
        folder (path), device (`str`), precision (`str` or None): as for `load_encoder`; the length of the vectors is
            that of the runtime.
    """

    def __init__(self, runtime, folder, device, precision):
        import torch
        from torch.nn.functional import normalize

        from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel

        self.torch, self.normalize = torch, normalize if runtime.normalize else None
        self.tokenizer, self.max_length, self.dimension = runtime.tokenizer, runtime.max_length, runtime.dimension
        try:
            self.device = torch.device(device)
            torch.empty(0, device=self.device).cpu()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise ValueError(
                f"Expected a device that torch can use here, got {device} ({str(error).splitlines()[0]}). "
                "Use --device cpu, or install torch for this device."
            ) from error
        model = NgramEncoderModel.from_pretrained(folder)
        if precision not in (None, model.config.table_dtype):
            model = model.fold(precision)
        self.model = model.to(self.device).eval()

    def encode(self, texts):
        """Returns the vectors of texts, float32 (B, D)."""
        ids, offsets = self.tokenizer.encode_flat(texts, self.max_length)
        with self.torch.inference_mode():
            ids, offsets = (
                self.torch.from_numpy(np.ascontiguousarray(part)).to(self.device) for part in (ids, offsets)
            )
            vectors = self.model(ids, offsets=offsets).pooler_output.float()[:, : self.dimension]
            return (self.normalize(vectors) if self.normalize else vectors).cpu().numpy()


class TeacherEncoder:
    """Documents by the teacher that a repository names; `encode(texts)` as of `NgramRuntime`.

    Args:
        folder (path): of a published n-gram encoder.
        device (`str`): of the teacher.
        dimension (`int`, *optional*): of the vectors, one that the model was trained for; the whole by default.
    """

    def __init__(self, folder, device="cpu", dimension=None):
        # Of the student for what it refuses: a length it was not trained for, a folder that holds none.
        runtime = NgramRuntime.from_pretrained(folder, dimension=dimension)
        self.dimension, self.normalize = runtime.dimension, runtime.normalize
        self.teacher = RepositoryTeacher(folder, device)

    def encode(self, texts):
        """Returns the vectors of documents, float32 (B, D)."""
        vectors = self.teacher.encode_documents(texts)
        if self.dimension < vectors.shape[1]:
            vectors = vectors[:, : self.dimension]
            if self.normalize:
                vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return vectors


def document_encoder(folder, device="cpu", precision=None, threads=1, dimension=None):
    """Returns the encoder of a repository's documents: its teacher if it names one, else the student.

    Args: as for `load_encoder`.

    Raises:
        ValueError: as for `load_encoder`; or documents are the teacher's, and none is named or a precision is given.
    """
    if not names_teacher(folder) and document_side(folder) != "teacher":
        return load_encoder(folder, device, precision, threads, dimension)
    if precision is not None:
        raise ValueError(
            f"Expected no precision for documents, which the teacher of {folder} encodes, got {precision}. "
            "It is of the student's table: leave it out."
        )
    return TeacherEncoder(folder, device, dimension)


def load_encoder(folder, device="cpu", precision=None, threads=1, dimension=None):
    """Returns an encoder with `encode(texts)` and `dimension`: without torch on the CPU, with it elsewhere.

    Args:
        folder (path): of a published n-gram encoder.
        device (`str`): "cpu", or a device of torch such as "cuda".
        precision (`str`, *optional*): of the table, "float32", "float16" or "int8"; as stored by default.
        threads (`int`): of the CPU.
        dimension (`int`, *optional*): of the vectors, one that the model was trained for; the whole by default.

    Raises:
        ValueError: the precision is none of these, the device cannot be used, the model was not trained for the
            dimension, or the folder holds no folded n-gram encoder.
    """
    if precision not in (None, *PRECISIONS):
        raise ValueError(f"Expected a precision of {', '.join(PRECISIONS)}, got {precision!r}. Choose one.")
    if device == "cpu":
        return NgramRuntime.from_pretrained(folder, threads=threads, precision=precision, dimension=dimension)
    return TorchEncoder(NgramRuntime.from_pretrained(folder, dimension=dimension), folder, device, precision)


def encode_file(
    file,
    model,
    output,
    kind=None,
    device="cpu",
    precision=None,
    threads=1,
    dtype="float32",
    revision=None,
    monitor=False,
    progress=False,
    dimension=None,
    documents=False,
):
    """Returns an `EncodedFile` after the vectors of all texts of `file` were written to `output`.

    Args:
        file (path): .txt (one text a line), .jsonl or Parquet with a column `text`, compressed or not; "-" reads lines
            of the standard input. Row i is line i: an empty line has the vector of an empty text.
        model (`str`): folder or Hub id of an n-gram encoder; revision (`str`): of a Hub id.
        output (path): the file to write; it appears when it is whole.
        kind (`str`, *optional*): "safetensors", "npy" or "jsonl"; by default what the suffix of `output` says.
        device, precision, threads, dimension: as for `load_encoder`.
        dtype (`str`): of the vectors in the file, "float32" or "float16".
        monitor (`bool`): compare the texts with those of training; needs `encoder_snapshot.json` in the repository.
        progress (`bool`): show a progress bar.
        documents (`bool`): encode as the repository encodes documents: by the teacher if it names one.

    Raises:
        ValueError: for unknown settings or lines that are no text. FileNotFoundError: there is no such file.
    """
    kind = kind or SUFFIXES.get(Path(output).suffix.lower())
    if kind not in FORMATS:
        raise ValueError(
            f"Expected an output of {', '.join(SUFFIXES)}, got {str(output)!r}. Rename it, or give --format."
        )
    started = time.perf_counter()
    folder = model_folder(model, revision)
    if documents and monitor:
        raise ValueError("Expected --monitor or --documents, got both. The monitor watches the student: use it alone.")
    encoder = (document_encoder if documents else load_encoder)(folder, device, precision, threads, dimension)
    watch = _monitor(folder, encoder, device) if monitor else None
    loaded = time.perf_counter()
    with (
        VectorWriter(output, encoder.dimension, kind, dtype, {"model": str(model)}) as writer,
        tqdm(desc="encode", unit=" texts", disable=not progress) as bar,
    ):
        for chunk in chunks(read_texts(file)):
            writer.write(encoder.encode(chunk))
            if watch is not None:
                watch.update(chunk)
            bar.update(len(chunk))
    done = time.perf_counter()
    lines = [] if watch is None else watch.report().lines()
    return EncodedFile(writer.count, done - loaded, loaded - started, lines)


def _monitor(folder, encoder, device):
    from traceformers.training.evaluation.encoder_monitor import DriftMonitor, read_snapshot

    if device != "cpu":
        raise ValueError(f"Expected --device cpu with --monitor, got {device}. Watch a sample of the texts on the CPU.")
    return DriftMonitor(encoder, read_snapshot(folder))


def read_texts(file):
    """Yields the texts of a file, or the lines of the standard input where `file` is "-"."""
    if str(file) == "-":
        for number, line in enumerate(sys.stdin.buffer, 1):
            try:
                yield line.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"Expected UTF-8 on the standard input, got byte {line[error.start]:#04x} in line {number}. "
                    "Give text, one a line."
                ) from error
        return
    from traceformers.datasets_scripts.distillation.text_files import iterate_rows

    for title, text in iterate_rows([file]):
        yield f"{title} {text}".strip() if title else text


def chunks(texts, most_texts=CHUNK_TEXTS, most_characters=CHUNK_CHARACTERS):
    """Yields lists of texts, each as long as memory should hold at a time."""
    texts, chunk, characters = iter(texts), [], 0
    for text in texts:
        chunk.append(text)
        characters += len(text)
        if len(chunk) >= most_texts or characters >= most_characters:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
