"""Text tables of any separator, gzip or not, as a `pyarrow.Table` of strings; errors name file and line."""

import csv
import gzip
import re
import zlib
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv

SEPARATORS = (",", "\t", ";", "|", "::")
UNIT_SEPARATOR = "\x1f"  # stands for "::" while a table is parsed: pyarrow splits at one character
GZIP_MAGIC = b"\x1f\x8b"
ROW_NUMBER = re.compile(r"Row #(\d+)")


def find_file(folder, *names):
    """Returns the first of `names` that `folder` holds, plain or with .gz, or None."""
    for name in names:
        for candidate in (Path(folder) / name, Path(folder) / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    return None


def read_text(path, encoding=None):
    """Returns the text of a file, unpacked if it begins as gzip does, without a byte order mark.

    Args:
        path (`str` or `os.PathLike`).
        encoding (`str` or `tuple[str]`, *optional*): UTF-8 by default; of several the first that decodes it all.

    Raises:
        ValueError: if the file is empty, a cut gzip file, or of another encoding.
    """
    data = Path(path).read_bytes()
    if data.startswith(GZIP_MAGIC):
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: expected a whole gzip file, got {error}: a cut file? Fetch it again.") from error
    if not data.strip():
        raise ValueError(f"{path}: expected interactions or metadata, got an empty file. Name another.")
    encodings = (encoding,) if isinstance(encoding, str) else encoding or ("utf-8",)
    for name in encodings:
        try:
            text = data.decode(name)
            return text.removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            fault = error
    line = data.count(b"\n", 0, fault.start) + 1
    raise ValueError(
        f"{path}:{line}: expected {' or '.join(encodings)} text, got the byte 0x{data[fault.start]:02x}. "
        "Name its encoding, encoding='latin-1' (--encoding latin-1) for instance, or convert the file."
    )


def guess_separator(first_line):
    """Returns the separator that cuts a line into most columns; for a line without any a space, or else a comma.

    >>> guess_separator("user_id;item_id;time"), guess_separator("1::1193::5::978300760")
    (';', '::')
    """
    counts = {separator: first_line.count(separator) for separator in SEPARATORS}
    if any(counts.values()):
        return max(counts, key=counts.get)
    return " " if " " in first_line.strip() else ","


def read_text_table(path, separator=None, column_names=None, encoding=None):
    """Returns a `pyarrow.Table` whose columns are all strings, stripped names, in the order of the file.

    Cells of tab-separated tables are taken as they are; those that are quoted as CSV quotes (`"a ""b"" c"`) are
    unquoted. In other tables a quoted cell may hold separators and line ends. An empty cell is an empty string.

    Args:
        path (`str` or `os.PathLike`): plain or gzip.
        separator (`str`, *optional*): guessed from the first line by default.
        column_names (`list[str]`, *optional*): of a file without a header.
        encoding (`str` or `tuple[str]`, *optional*): see `read_text`.

    Raises:
        ValueError: for what `read_text` refuses, a row with another number of columns, or a column named twice.
    """
    text = read_text(path, encoding)
    first_line = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    separator = separator or guess_separator(first_line)
    if column_names is not None and (found := len(first_line.split(separator))) != len(column_names):
        raise ValueError(
            f"{path}: expected {len(column_names)} columns ({', '.join(column_names)}), got {found} in "
            f"{first_line[:80]!r}. Correct the names of the columns or the separator."
        )
    if separator == "\t":
        try:
            table = _parse(text, path, "\t", column_names, quoted=False)
            table = pa.table({name: _unquoted(column) for name, column in zip(table.column_names, table, strict=True)})
        except ValueError:
            table = _parse(text, path, "\t", column_names, quoted=True)
    elif separator == "::":
        table = _parse(text.replace("::", UNIT_SEPARATOR), path, UNIT_SEPARATOR, column_names, quoted=False)
    elif len(separator) == 1:
        table = _parse(text, path, separator, column_names, quoted=True)
    else:
        raise ValueError(f"Expected a separator of one character or '::', got {separator!r}. Name another.")
    return table


def _parse(text, path, separator, column_names, quoted):
    header = column_names
    if header is None:
        header = _header(text, separator, quoted)
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise ValueError(f"{path}: expected columns of different names, got {', '.join(twice)} twice. Rename one.")
    data = text.encode("utf-8")
    skipped = int(column_names is None)
    parse = pacsv.ParseOptions(delimiter=separator, quote_char='"' if quoted else False, newlines_in_values=quoted)
    convert = pacsv.ConvertOptions(
        column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False, quoted_strings_can_be_null=False
    )

    def read(**options):
        options = pacsv.ReadOptions(column_names=header, skip_rows_after_names=skipped, block_size=1 << 24, **options)
        return pacsv.read_csv(BytesIO(data), options, parse, convert)

    try:
        return read()
    except pa.ArrowInvalid:
        try:
            return read(use_threads=False)  # only one thread counts rows
        except pa.ArrowInvalid as error:
            row = ROW_NUMBER.search(str(error))
            where = f"{path}:{row[1]}" if row else str(path)
            reason = str(error).rpartition(": Expected ")[2] if row else str(error)
            raise ValueError(
                f"{where}: expected {len(header)} columns ({', '.join(header)[:80]}), got: {reason[:120]}. "
                "Correct the row, or name the separator."
            ) from error


def _header(text, separator, quoted):
    line = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    names = next(csv.reader([line], delimiter=separator)) if quoted else line.split(separator)
    return [name.strip() for name in names]


def _unquoted(column):
    quoted = pa.compute.match_substring_regex(column, r'^"(?:[^"]|"")*"$')
    if not pa.compute.any(quoted).as_py():
        return column
    bare = pa.compute.replace_substring(pa.compute.utf8_slice_codeunits(column, 1, -1), '""', '"')
    return pa.compute.if_else(quoted, bare, column)
