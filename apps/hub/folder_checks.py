"""What is checked of a folder before a push: each check returns what is wrong, in lines, and what it looked at."""

import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants

from traceformers.apps.hub import fresh_loader
from traceformers.apps.hub.folder_kind import MODEL
from traceformers.apps.hub.private_text import (
    document_lines,
    kept_lines,
    paths_of_this_home,
    secrets_of,
    table_lines,
    vocabulary_lines,
)

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".dill", ".cloudpickle")
LARGEST_FILE, MOST_FILES = (
    50_000_000_000,
    20_000,
)  # what the Hub takes of one file, and of one commit with room to spare
LOAD_SECONDS = 1_800
PLACEHOLDERS = re.compile(
    r"(?i:more information needed|lorem ipsum)|\{\{|\{%|\bTODO\b|\bFIXME\b|\bTBD\b|\[[Yy]our[ _-]|<[Yy]our[ _-]"
)
SECTIONS = {
    "data and privacy": r"^#+ .*\b(?:privacy|data)\b",
    "limits": r"^#+ .*\b(?:limits|limitations|risks)\b",
    "licence": r"^#+ .*\blicen[cs]e\b",
}
# How cards pin what their code loads: `name, revision = "user/name", "v1"`, or `...("user/name", revision="v1"`.
_PIN = re.compile(r'(?:\bname, revision = |\()"(?P<name>[^"]*)", (?:revision=)?"(?P<revision>[^"]*)"')


@dataclass(frozen=True)
class Checked:
    """What a check found: `lines` of what is wrong, empty when all is well, and a `note` of what was looked at."""

    name: str
    lines: list
    note: str = ""
    skipped: bool = False


def check_loads(folder, repository):
    """The Hub test: a fresh process without this package loads all that the folder promises."""
    with tempfile.TemporaryDirectory(prefix="hub-check-") as room:
        copy = Path(room, "folder")
        for name, path in folder.files.items():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).symlink_to(path.resolve())
        answer = Path(room, "answer.json")
        kept = ("PATH", "OMP_NUM_THREADS", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT", "TMPDIR")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {"HF_HOME": f"{room}/home", "HOME": room, "HF_HUB_CACHE": constants.HF_HUB_CACHE}
        environment |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        try:
            run = subprocess.run(
                [sys.executable, "-I", fresh_loader.__file__, str(copy), folder.kind, str(answer)],
                env=environment,
                cwd=room,
                capture_output=True,
                text=True,
                timeout=LOAD_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return ["a fresh process was still loading it after half an hour"], ""
        if run.returncode:
            said = [line for line in run.stderr.strip().splitlines() if line.strip()] or ["no message"]
            return [f"a process without traceformers cannot load it: {said[-1].replace(room, '')}"], ""
        return [], ", ".join(json.loads(answer.read_text())["loaded"])


def pinned(body):
    """Returns (repository, revision) that the code on a card loads, or None.

    >>> pinned('name, revision = "user/films", "v7"'), pinned('SentenceTransformer("user/x", revision="v1", ...)')
    (('user/films', 'v7'), ('user/x', 'v1'))
    """
    found = _PIN.search("\n".join(re.findall(r"```python\n(.*?)```", body, flags=re.DOTALL)) or body)
    return (found["name"], found["revision"]) if found else None


def check_card(folder, repository):
    """README.md has a YAML header, results of a model, the sections a reader needs, no placeholder and this name."""
    if "README.md" not in folder.files:
        how = "write it with run_scripts/write_model_card.py" if folder.kind == MODEL else "a YAML header with license:"
        return [f"there is no README.md ({how})"], ""
    header, body = folder.card()
    if header is None:
        return ["the YAML header of README.md cannot be read"], ""
    lines = [] if header else ["README.md has no YAML header between --- and ---"]
    if header and not header.get("license"):
        lines.append("the YAML header names no license")
    lines += [f"README.md has a placeholder: {found}" for found in sorted(set(PLACEHOLDERS.findall(body)))]
    pin = pinned(body)
    if pin and pin[0] != repository:
        lines.append(f"the code on the card loads {pin[0]}, not {repository}: write it with --repo-id {repository}")
    if folder.kind != MODEL:
        return lines, "YAML header, licence"
    values = result_values(header)
    if not values:
        lines.append("the YAML header has no model-index with results")
    has_code = any(name.endswith(".py") for name in folder.files)
    if has_code and "custom_code" not in (header.get("tags") or []):
        lines.append("the YAML header lacks the tag custom_code, which a repository with code needs")
    for what, pattern in SECTIONS.items():
        if not re.search(pattern, body, re.IGNORECASE | re.MULTILINE):
            lines.append(f"README.md has no section on {what}")
    return lines, f"YAML header, {len(values)} results, licence, data and privacy, limits"


def result_values(header):
    """Returns the numbers of a model-index."""
    try:
        metrics = [one for part in header["model-index"] for result in part["results"] for one in result["metrics"]]
        return [one["value"] for one in metrics if isinstance(one["value"], int | float)]
    except (KeyError, TypeError):
        return []


def check_secrets(folder, repository):
    """No token, key or password in any file."""
    return secrets_of(folder.files), f"{len(folder.files)} files"


def check_personal(folder, repository):
    """No e-mail address, phone number or long number in vocabularies, texts of an index and tables; no home folder."""
    files = folder.files
    lines = vocabulary_lines(files) + document_lines(files) + table_lines(files) + kept_lines(files)
    return lines + paths_of_this_home(files), "vocabularies, documents, tables, paths"


def check_pickle(folder, repository):
    """No file that runs code when it is read."""
    lines = []
    for name, path in folder.files.items():
        what = pickled(path)
        if what:
            lines.append(f"{name}: {what}; write safetensors or Parquet instead")
    return lines, f"{len(folder.files)} files"


def pickled(path):
    """Returns what makes a file one that runs code when it is read, or None; by its name and by its bytes."""
    if path.suffix.lower() in PICKLE_SUFFIXES:
        return f"{path.suffix} files are pickles"
    with open(path, "rb") as file:
        head = file.read(512)
        if head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
            file.seek(-1, 2)
            if file.read(1) == b".":
                return "begins and ends as a pickle"
    if head.startswith(b"\x93NUMPY") and b"'|O'" in head:
        return "an array of Python objects, which is a pickle"
    if head.startswith(b"PK\x03\x04") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [one for one in archive.namelist() if one.endswith((".pkl", ".pickle"))]
        if inside:
            return f"holds the pickle {inside[0]}"
    return None


def check_sizes(folder, repository):
    """Every file is whole and none is empty or too large for the Hub."""
    lines = []
    if len(folder.files) > MOST_FILES:
        lines.append(f"{len(folder.files)} files, at most {MOST_FILES} fit: join small files to larger ones")
    for name, path in folder.files.items():
        size = path.stat().st_size
        if size == 0 and path.name not in ("__init__.py", "rejected.jsonl"):
            lines.append(f"{name}: empty")
        elif size > LARGEST_FILE:
            lines.append(f"{name}: {said_bytes(size)}, at most {said_bytes(LARGEST_FILE)}: save it in shards")
        else:
            fault = _broken(path, size)
            lines += [f"{name}: {fault}"] if fault else []
    return lines, f"{len(folder.files)} files, {said_bytes(folder.bytes)}"


def _broken(path, size):
    """Returns why a file cannot be whole, told from its own header, or None."""
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy"):
                return None
        except (SafetensorError, OSError) as error:
            return f"no whole safetensors file ({error})"
    if path.suffix == ".parquet":
        with open(path, "rb") as file:
            file.seek(-min(4, size), 2)
            return None if file.read() == b"PAR1" else "no whole Parquet file"
    if path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            return f"no JSON ({error})"
    return None


def said_bytes(size):
    """Returns a size in the unit that suits it.

    >>> said_bytes(950), said_bytes(12_300_000)
    ('950 B', '12.3 MB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"


#: The checks in their order: cheap ones first.
CHECKS = {
    "sizes": check_sizes,
    "pickle": check_pickle,
    "card": check_card,
    "secrets": check_secrets,
    "personal": check_personal,
    "loads": check_loads,
}


def run_checks(folder, repository, skip=()):
    """Yields a `Checked` for each check, those in `skip` too.

    Raises:
        ValueError: `skip` names no check.
    """
    unknown = sorted(set(skip) - set(CHECKS))
    if unknown:
        raise ValueError(f"Expected --skip-check to name one of {', '.join(CHECKS)}, got {', '.join(unknown)}.")
    for name, check in CHECKS.items():
        if name in skip:
            yield Checked(name, [], "skipped", skipped=True)
        else:
            lines, note = check(folder, repository)
            yield Checked(name, lines, note)
