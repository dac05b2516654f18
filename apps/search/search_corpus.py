"""Documents of a corpus, one after the other in bounded memory.

corpus.jsonl    one JSON object a line: {"_id": "d1", "title": "may be missing", "text": "..."} (the layout of BEIR)
corpus.txt      one text a line; its id is the name of the file and the number of the line, corpus.txt:12
corpus.parquet  a column `text`, and `title` and `_id` or `id` where there are; else the id is corpus.parquet:12
a folder        corpus.jsonl or corpus.parquet in it if there is one, else its .txt, .md and .markdown files, cut into
                passages

All but Parquet may be compressed: .gz, .xz or .zst.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

TEXT_SUFFIXES = (".txt", ".md", ".markdown")
PASSAGE_WORDS = 200
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_PARAGRAPHS = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Document:
    """A document of a corpus: what it is called, and what it says."""

    id: str
    title: str
    text: str

    @property
    def encoded_text(self):
        """The text that is encoded: the title, a space, and the text."""
        return f"{self.title} {self.text}".strip() if self.title else self.text


def iterate_documents(corpus, passage_words=PASSAGE_WORDS, progress=None):
    """Yields every `Document` of a corpus.

    Args:
        corpus (path): a `.txt`, `.jsonl` or Parquet file, or a folder; compressed or not.
        passage_words (`int`): a file of a folder is cut at paragraphs into passages of about so many words, for an
            encoder reads the beginning of a long text only; 0 leaves files whole.
        progress (`str`, *optional*): label of a progress bar over the bytes read.

    Raises:
        FileNotFoundError: there is nothing at `corpus`, or no text in the folder.
        ValueError: a line is not UTF-8 text or not a document; the message names file and line.
    """
    files, root = corpus_files(corpus)
    total = sum(path.stat().st_size for path in files)
    with tqdm(total=total, desc=progress, unit="B", unit_scale=True, disable=progress is None) as bar:
        before = 0
        for path in files:
            for number, (position, document) in enumerate(_documents_of(path, root, passage_words)):
                if number % 256 == 0:
                    bar.update(before + position - bar.n)
                yield document
            before += path.stat().st_size
            bar.update(before - bar.n)


def corpus_files(corpus):
    """Returns the files of a corpus and, for a folder of texts, the folder their ids are relative to, else None."""
    from traceformers.datasets_scripts.distillation.text_files import COMPRESSIONS, text_suffix

    corpus = Path(corpus)
    if corpus.is_file():
        return [corpus], None
    for name in ("corpus.jsonl", *(f"corpus.jsonl{suffix}" for suffix in COMPRESSIONS), "corpus.parquet"):
        if (corpus / name).is_file():
            return [corpus / name], None
    files = sorted(path for path in corpus.rglob("*") if path.is_file() and text_suffix(path) in TEXT_SUFFIXES)
    if not files:
        raise FileNotFoundError(
            f"Expected a corpus at {corpus}, found none. "
            "Give a .txt, .jsonl or Parquet file, or a folder with corpus.jsonl, corpus.parquet or "
            f"{', '.join(TEXT_SUFFIXES)} files."
        )
    return files, corpus


def _documents_of(path, root, passage_words):
    """Yields (bytes of the file read so far, Document)."""
    # Here, for a query reads no corpus.
    from traceformers.datasets_scripts.distillation.text_files import (
        COMPRESSIONS,
        is_parquet,
        iterate_lines,
        text_suffix,
    )

    name = path.stem if path.suffix.lower() in COMPRESSIONS else path.name
    if root is not None:
        text = "".join(line for _, line in iterate_lines(path, stripped=False)).replace("\r\n", "\n")
        for document in passages(path.relative_to(root).as_posix(), Path(name).stem, text, passage_words):
            yield path.stat().st_size, document
    elif is_parquet(path):
        yield from _parquet_documents(path, name)
    elif text_suffix(path) == ".jsonl":
        for number, (position, line) in enumerate(iterate_lines(path), 1):
            if line:
                yield position, _json_document(path, number, line)
    else:
        for number, (position, line) in enumerate(iterate_lines(path), 1):
            if line:
                yield position, Document(f"{name}:{number}", "", line)


def _parquet_documents(path, name):
    from traceformers.datasets_scripts.distillation.text_files import iterate_rows

    size, ids = path.stat().st_size, _parquet_ids(path)
    for number, (title, text) in enumerate(iterate_rows([path]), 1):
        identity = f"{name}:{number}" if ids is None else next(ids)
        if text or title:
            yield size, Document(_identity(identity, f"row {number - 1} of {path}"), title, text)


def _parquet_ids(path):
    """Returns an iterator over the column of ids of a Parquet file, or None if it has none."""
    import pyarrow.parquet as pq

    table = pq.ParquetFile(path)
    column = next((name for name in ("_id", "id") if name in table.schema_arrow.names), None)
    if column is None:
        table.close()
        return None
    return (identity for batch in table.iter_batches(columns=[column]) for identity in batch[0].to_pylist())


def _identity(value, where):
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise ValueError(f"Expected a string or a number as the id in {where}, got {value!r}. Correct it.")
    return _clean(str(value))


def passages(name, stem, text, words):
    """Yields the passages of one file: whole paragraphs, together of about `words` words; longer ones are cut.

    The id of the first is `name`, of the others `name#2`, `name#3` ...; the title is the file's first Markdown
    heading, or its stem.
    """
    heading = _HEADING.search(text)
    title = heading[1] if heading else stem
    pieces, size = [[]], 0
    for paragraph in _PARAGRAPHS.split(text):
        for piece in _cut(paragraph.strip(), words):
            length = len(piece.split())
            if words and pieces[-1] and size + length > words:
                pieces.append([])
                size = 0
            pieces[-1].append(piece)
            size += length
    for number, parts in enumerate(filter(None, pieces), 1):
        yield Document(name if number == 1 else f"{name}#{number}", title, "\n\n".join(parts))


def _cut(paragraph, words):
    """Returns the paragraph in pieces of at most `words` words; white space changes only where it is cut."""
    split = paragraph.split()
    if not split or not words or len(split) <= words:
        return [paragraph] if split else []
    return [" ".join(split[start : start + words]) for start in range(0, len(split), words)]


def _json_document(path, number, line):
    try:
        row = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(
            f"Expected a JSON object in line {number} of {path}, got {line[:60]!r} ({error}). Correct the line."
        ) from error
    identity = row.get("_id", row.get("id")) if isinstance(row, dict) else None
    if not isinstance(identity, str | int) or isinstance(identity, bool) or not isinstance(row.get("text"), str):
        got = f"the keys {sorted(row)}" if isinstance(row, dict) else type(row).__name__
        raise ValueError(
            f'Expected {{"_id": ..., "text": ...}} in line {number} of {path}, got {got}. Add what is missing.'
        )
    title = row.get("title")
    return Document(_clean(str(identity)), _clean(title) if isinstance(title, str) else "", _clean(row["text"]))


def _clean(text):
    """Returns the text stripped; lone surrogates, which JSON can hold and UTF-8 cannot, become U+FFFD."""
    text = text.strip()
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
