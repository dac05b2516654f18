"""Texts of files, one after the other in bounded memory: plain lines, JSON lines and Parquet, compressed or not.

What a file is follows from its first bytes (gzip, xz, zstd, Parquet) and, for the lines within, from its name:
`.jsonl` is JSON, anything else is one text a line. Folders of the BEIR layout are read as they are.
"""

import gzip
import json
import lzma
import zlib
from glob import glob, has_magic
from pathlib import Path

from tqdm import tqdm

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError:  # plain, gzip and xz texts need nothing else
    pa = pq = None

COMPRESSIONS = (".gz", ".xz", ".zst")
SUFFIXES = (".txt", ".jsonl", ".parquet")  # what is taken from a folder, with or without a compression
MAX_LINE_BYTES = 1 << 26
ROWS_A_BATCH = 4096
_BROKEN = () if pa is None else (pa.ArrowInvalid,)
_GZIP, _XZ, _ZSTD, _PARQUET = b"\x1f\x8b", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"PAR1"


def list_text_files(paths):
    """Returns the text files that `paths` name, as a list of `Path` without repetitions.

    Args:
        paths (`str`, `os.PathLike` or a list of these): files, globs, and folders, of which all `.txt`, `.jsonl` and
            `.parquet` files are taken, compressed (.gz, .xz, .zst) or not, in the order of their names.

    Raises:
        FileNotFoundError: if a path names nothing.
    """
    paths = [paths] if isinstance(paths, str) or hasattr(paths, "__fspath__") else list(paths)
    files = []
    for path in map(str, paths):
        matches = sorted(glob(path, recursive=True)) if has_magic(path) and not Path(path).exists() else [path]
        found = [file for match in matches for file in _files_of(Path(match))]
        if not found:
            raise FileNotFoundError(
                f"Expected text files at {path}, found none. "
                f"Give a file, a glob, or a folder that holds {', '.join(SUFFIXES)} files."
            )
        files += found
    return list(dict.fromkeys(files))


def _files_of(path):
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file() and text_suffix(file) in SUFFIXES)
    return [path] if path.is_file() else []


def text_suffix(path):
    """Returns the suffix of a file name below its compression, in lower case: ".jsonl" of `a.JSONL.gz`."""
    path = Path(path)
    return Path(path.stem).suffix.lower() if path.suffix.lower() in COMPRESSIONS else path.suffix.lower()


def iterate_texts(paths, column="text", progress=None):
    """Yields the texts of files, stripped, without empty ones; a title comes before its text, with a space.

    Args:
        paths: as in `list_text_files`.
        column (`str`): the key (JSON lines) or the column (Parquet) of the text; `title` is read where there is one.
        progress (`str`, *optional*): label of a progress bar over the bytes of the files.

    Raises:
        FileNotFoundError: if a path names nothing.
        ValueError: at a line that is no text or no JSON object with the key, with file and line; at a Parquet file
            without the column.

    Example:
        >>> list(iterate_texts("corpus.jsonl"))  # doctest: +SKIP
        ['Title of one Text of one', 'Text of two']
    """
    for title, text in iterate_rows(paths, column, progress):
        text = f"{title} {text}".strip() if title else text
        if text:
            yield text


def iterate_rows(paths, column="text", progress=None):
    """Yields (title, text) of each text of files, both stripped, the title "" where there is none.

    Arguments and errors as of `iterate_texts`.
    """
    files = list_text_files(paths)
    total = sum(file.stat().st_size for file in files)
    with tqdm(total=total, desc=progress, unit="B", unit_scale=True, disable=progress is None) as bar:
        before = 0
        for file in files:
            for i, (position, row) in enumerate(_rows_of(file, column)):
                if i % ROWS_A_BATCH == 0:
                    bar.update(before + position - bar.n)
                yield row
            before += file.stat().st_size
            bar.update(before - bar.n)


def iterate_lines(path, stripped=True):
    """Yields (bytes of the file read so far, line) of a text file, compressed or not; empty lines too.

    Args:
        path (path): one file.
        stripped (`bool`): without the white space around it; else with its end.

    Raises:
        ValueError: at a line that is no text, with file and line.
    """
    with open(path, "rb") as raw:
        for line in _lines(path, _decompressed(_first_bytes(path, raw), raw), stripped):
            yield raw.tell(), line


def is_parquet(path):
    """Returns whether a file begins as Parquet does."""
    with open(path, "rb") as raw:
        return raw.read(len(_PARQUET)) == _PARQUET


def _first_bytes(path, raw):
    start = raw.read(8)
    raw.seek(0)
    if pa is None and start.startswith((_PARQUET, _ZSTD)):
        raise ImportError(
            f"Expected pyarrow, which Parquet and zstd files are read with, for {path}; it is not installed. "
            "Run: pip install pyarrow, or give plain text or JSON lines, gzipped or not."
        )
    return start


def _rows_of(path, column):
    """Yields (bytes of the file read so far, (title, text))."""
    with open(path, "rb") as raw:
        start = _first_bytes(path, raw)
        if start.startswith(_PARQUET):
            rows = _parquet_rows(path, raw, column)
        else:
            lines = _lines(path, _decompressed(start, raw))
            rows = _json_rows(path, lines, column) if text_suffix(path) == ".jsonl" else (("", line) for line in lines)
        for row in rows:
            yield raw.tell(), row


def _decompressed(start, raw):
    if start.startswith(_GZIP):
        return gzip.open(raw)
    if start.startswith(_XZ):
        return lzma.open(raw)
    if start.startswith(_ZSTD):
        return pa.CompressedInputStream(raw, "zstd")
    return raw


def _lines(path, stream, stripped=True):
    """Yields the lines of a binary stream as text."""
    number = 0
    try:
        for number, line in enumerate(_byte_lines(stream), 1):
            if len(line) > MAX_LINE_BYTES:
                raise _no_text(path, number, f"a line of more than {MAX_LINE_BYTES >> 20} MiB")
            if b"\0" in line:
                raise _no_text(path, number, "a NUL byte")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise _no_text(path, number, f"byte {line[error.start]:#04x} at column {error.start + 1}") from error
            yield text.strip() if stripped else text
    except (EOFError, lzma.LZMAError, zlib.error, OSError, *_BROKEN) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(
            f"Expected a whole compressed file, got {path}, which breaks off after line {number} ({error}). "
            "Copy or compress the file again."
        ) from error


def _byte_lines(stream):
    if pa is None or not isinstance(stream, pa.NativeFile):  # which has no readline
        while line := stream.readline(MAX_LINE_BYTES + 1):
            yield line
        return
    rest = b""
    while block := stream.read(1 << 20):
        *lines, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if len(rest) > MAX_LINE_BYTES:
            yield rest
    if rest:
        yield rest


def _no_text(path, line, what):
    return ValueError(
        f"Expected UTF-8 text in {path}, got {what} in line {line}. Give text files: one text a line, or .jsonl or "
        "Parquet with a column of texts."
    )


def _json_rows(path, lines, column):
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(
                f"Expected a JSON object in line {number} of {path}, got {line[:60]!r} ({error}). Correct the line."
            ) from error
        yield _title_and_text(row, column, f"line {number} of {path}")


def _parquet_rows(path, raw, column):
    try:
        table = pq.ParquetFile(raw)
    except pa.ArrowInvalid as error:
        raise ValueError(f"Expected a whole Parquet file, got {path} ({error}). Write or copy it again.") from error
    names = table.schema_arrow.names
    if column not in names:
        raise ValueError(f"Expected a column {column!r} in {path}, found {names}. Name the column of the texts.")
    columns = [column, *(["title"] if "title" in names and column != "title" else [])]
    for i, batch in enumerate(table.iter_batches(ROWS_A_BATCH, columns=columns)):
        for j, row in enumerate(batch.to_pylist()):
            yield _title_and_text(row, column, f"row {i * ROWS_A_BATCH + j} of {path}")


def _title_and_text(row, column, where):
    text = row.get(column) if isinstance(row, dict) else None
    if not isinstance(text, str):
        got = f"{type(row).__name__}" if not isinstance(row, dict) else f"{column}={text!r:.60}, keys {sorted(row)}"
        raise ValueError(f"Expected an object with a text {column!r} in {where}, got {got}. Correct it.")
    title = row.get("title") if column != "title" else None
    return _clean(title) if isinstance(title, str) else "", _clean(text)


def _clean(text):
    text = text.strip()
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
