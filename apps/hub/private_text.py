"""Finds secrets in files, and what names a person in vocabularies and texts. Says where and how many, never what."""

import gzip
import json
import re
import sqlite3
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from huggingface_hub import get_token

PART, OVERLAP = 8 << 20, 256  # bytes
#: Vendors' tokens, private keys, and values that a name before them says are secret.
SECRETS = {
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "GitLab token": r"\bglpat-[\w-]{18,}",
    "Slack token": r"\bxox[abeoprs]-[\w-]{10,}",
    "AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "Google key": r"\bAIza[\w-]{35}",
    "Google refresh token": r"\b1//0[\w-]{30,}",
    "OpenAI or Stripe key": r"\b(?:sk|rk|pk)[-_](?:live[-_]|test[-_]|proj[-_])?[A-Za-z0-9]{20,}",
    "private key": r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----",
    "web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "password in an address": r"\b[a-z][a-z0-9+.-]{0,20}://[^\s/:@\"'<>]{1,100}:[^\s/:@\"'<>{}$]{1,200}@",
    "secret in a setting": (
        r"(?i:[\"']?\b(?:api[_-]?key|secret(?:[_-]?key)?|client[_-]?secret|access[_-]?token|refresh[_-]?token|hub[_-]?token"
        r"|password|passwd)[\"']?\s*[:=]\s*[\"'](?!(?:null|none|true|false|str|your)\b)[^\s\"',;{}<>()\[\]*.]{8,200}[\"'])"
    ),
}
# A kind is searched for where one of these is in the text, which is told much sooner than by the pattern.
_TELLING = {
    "Hugging Face token": ("hf_",),
    "GitHub token": ("gh", "github_pat_"),
    "GitLab token": ("glpat-",),
    "Slack token": ("xox",),
    "AWS key": ("AKIA", "ASIA"),
    "Google key": ("AIza",),
    "Google refresh token": ("1//0",),
    "OpenAI or Stripe key": ("sk-", "sk_", "rk-", "rk_", "pk-", "pk_"),
    "private key": ("PRIVATE KEY",),
    "web token": ("eyJ",),
    "password in an address": ("://",),
    "secret in a setting": (
        "key",
        "secret",
        "token",
        "passw",
        "KEY",
        "SECRET",
        "TOKEN",
        "PASSW",
        "Key",
        "Secret",
        "Passw",
    ),
}
_SECRETS = {kind: re.compile(pattern) for kind, pattern in SECRETS.items()}
# Addresses that RFC 2606 keeps for examples, and those of programs, name nobody.
EMAIL = re.compile(
    r"(?<![\w.+@/:-])(?!git@|noreply@|no-reply@)[\w.+-]{1,64}@(?!example\.|localhost)(?:[\w-]{1,63}\.)+"
    r"(?!test\b|example\b|invalid\b|local\b|py\b|js\b|json\b|png\b|jpg\b|svg\b)[A-Za-z]{2,24}\b"
)
PHONE = re.compile(
    r"(?<![\w.,/+-])(?:\+\d{1,3}[ ().-]{0,2}(?:\d[ ().-]{0,2}){6,12}\d"
    r"|\(?\d{3}\)[ .-]?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|0\d{2,4}[ /]\d{3,4}[ -]?\d{3,6})(?![\w.,/-])"
)
LONG_DIGITS = re.compile(r"\d{7,}")
KINDS = {"e-mail address": EMAIL, "phone number": PHONE, "long number": LONG_DIGITS}
#: Files whose entries a model learned from text, by pattern.
VOCABULARIES = (
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.json",
    "text_bpe.json",
    "added_tokens.json",
    "*vocab*.json",
    "*vocabulary.json",
)


def secrets_in(text):
    """Returns {kind of secret: how many} of a text.

    >>> secrets_in("api_key = " + repr("abcdefgh12345"))
    {'secret in a setting': 1}
    """
    counts = {
        kind: sum(1 for _ in pattern.finditer(text))
        for kind, pattern in _SECRETS.items()
        if any(part in text for part in _TELLING[kind])
    }
    return {kind: count for kind, count in counts.items() if count}


def personal_in(text, kinds=("e-mail address", "phone number")):
    """Returns {kind: how many} of what may name a person in a text.

    >>> personal_in("mail ada@lovelace.name or call +44 20 7946 0958")
    {'e-mail address': 1, 'phone number': 1}
    """
    found = {kind: sum(1 for _ in KINDS[kind].finditer(text)) for kind in kinds}
    return {kind: count for kind, count in found.items() if count}


def text_of(path):
    """Yields the text of a file, also of a gzipped one, in parts that overlap; nothing of a file that is not text."""
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with (gzip.open if is_gzip else open)(path, "rb") as file:
        try:
            rest = file.read(PART)
            if b"\0" in rest[:4096]:
                return
            while rest:
                yield rest.decode("utf-8", errors="replace")
                more = file.read(PART)
                rest = rest[-OVERLAP:] + more if more else b""
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return  # not whole: the check of sizes is for that


def secrets_of(files):
    """Returns a line for each file with a secret in it: vendors' tokens, keys, passwords, this machine's own token."""
    own, lines = (get_token() or "").encode(), []
    for name, path in files.items():
        found = Counter()
        for part in text_of(path):
            found.update(secrets_in(part))
        if len(own) >= 8 and _holds(path, own):
            found["the token this machine is logged in with"] += 1
        if found:
            lines.append(f"{name}: {_said(found)}")
    return lines


def _holds(path, needle):
    before = b""
    with open(path, "rb") as file:
        while part := file.read(PART):
            if needle in before + part:
                return True
            before = part[-len(needle) :]
    return False


def paths_of_this_home(files):
    """Returns a line for each text file that names a path in this user's home folder, which tells a user name."""
    home = str(Path.home())
    if len(home) < 2:
        return []
    named = re.compile(re.escape(home) + r"(?![\w-])")
    counts = {name: sum(len(named.findall(part)) for part in text_of(path)) for name, path in files.items()}
    return [f"{name}: {count} x a path in your home folder" for name, count in counts.items() if count]


def entries_of(name, path):
    """Yields (entry, is an id) of a vocabulary file; byte-level BPE is read as the text it stands for.

    Args:
        name: the file's name in the repository; `item_vocabulary.json` has ids, which may be long numbers.
    """
    if name.endswith(".safetensors"):
        yield from ((entry, False) for entry in _safetensors_entries(path))
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    if not name.endswith(".json"):
        yield from ((_unescaped(line), False) for line in text.splitlines())
        return
    try:
        told = json.loads(text)
    except json.JSONDecodeError:
        yield text, False
        return
    items = told.get("items") if isinstance(told, dict) else None
    if isinstance(items, list):
        yield from ((str(item), True) for item in items)
        told = {key: value for key, value in told.items() if key != "items"}
    yield from ((_unescaped(entry), False) for entry in _strings(told))


def _strings(told):
    waiting = [told]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, dict):
            waiting.extend(one.keys())
            waiting.extend(one.values())


def _byte_level_alphabet():
    """Returns {character: byte} of byte-level BPE: printable bytes are themselves, others follow from U+0100."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in kept]
    return {chr(byte): byte for byte in kept} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES = _byte_level_alphabet()


def _unescaped(entry):
    """Returns what an entry of a byte-level vocabulary stands for; another as it is."""
    if any(ord(character) > 127 for character in entry) and all(character in _BYTES for character in entry):
        return bytes(_BYTES[character] for character in entry).decode("utf-8", errors="replace")
    return entry


def _safetensors_entries(path):
    from safetensors.numpy import load_file

    for name, array in load_file(path).items():
        if array.dtype == np.uint8 and ("byte" in name or "token" in name):
            yield from array.tobytes().decode("utf-8", errors="replace").split("\n")


def vocabulary_lines(files):
    """Returns a line for each vocabulary file with an entry that may name a person."""
    lines = []
    for name, path in files.items():
        base = name.rpartition("/")[2]
        if any(Path(base).match(pattern) for pattern in VOCABULARIES) or base.endswith("vocabulary.safetensors"):
            found = Counter()
            for entry, is_id in entries_of(base, path):
                if not (entry.startswith("[") and entry.endswith("]")):  # [BUCKET_...] and the like are not learned
                    found.update(personal_in(entry, ("e-mail address",) if is_id else tuple(KINDS)))
            if found:
                lines.append(f"{name}: {_said(found)} among its entries")
    return lines


def document_lines(files):
    """Returns a line for each SQLite file whose texts hold what may name a person."""
    lines = []
    for name, path in files.items():
        if not name.endswith((".sqlite", ".db")):
            continue
        found = Counter()
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            for table in tables:
                quoted = table.replace('"', '""')
                for row in connection.execute(f'SELECT * FROM "{quoted}"'):
                    for value in row:
                        if isinstance(value, str):
                            found.update(personal_in(value))
        finally:
            connection.close()
        if found:
            lines.append(f"{name}: {_said(found)} in its texts")
    return lines


def table_lines(files):
    """Returns a line for each column of text, in Parquet and Arrow files, with what may name a person or is secret."""
    lines = []
    for name, path in files.items():
        if name.endswith((".parquet", ".arrow")):
            found = {}
            for column, values in _text_columns(path):
                counts = found.setdefault(column, Counter())
                text = "\n".join(value for value in values if value)
                counts.update(personal_in(text) | secrets_in(text))
            lines += [f"{name}, column {column}: {_said(counts)}" for column, counts in found.items() if counts]
        elif name.endswith((".jsonl", ".csv", ".tsv", ".jsonl.gz", ".csv.gz")):
            counts = Counter()
            for part in text_of(path):
                counts.update(personal_in(part))
            if counts:
                lines.append(f"{name}: {_said(counts)}")
    return lines


def _text_columns(path):
    """Yields (column, list of strings) of a table, a batch at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".parquet":
        batches = pq.ParquetFile(path).iter_batches(batch_size=10_000)
    else:
        source = pa.memory_map(str(path))
        try:
            batches = iter(pa.ipc.open_stream(source))
        except pa.ArrowInvalid:
            reader = pa.ipc.open_file(source)
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    for batch in batches:
        for field, column in zip(batch.schema, batch.columns, strict=True):
            while pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
                column = column.flatten()
            if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
                yield field.name, column.to_pylist()


def kept_lines(files):
    """Returns a line where a prepared data set says that typed or personal text was kept in its tokens."""
    path = files.get("dataset_info.json")
    if path is None:
        return []
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return []
    return [f"dataset_info.json: {key} is set" for key in ("keep_typed_text", "keep_personal_text") if info.get(key)]


def _said(counts):
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
