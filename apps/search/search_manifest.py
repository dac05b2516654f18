"""index.json: what a search index was made from, and the check that it is asked with the same model."""

import json
import os
from pathlib import Path

FORMAT = 1


def read_manifest(folder):
    """Returns what index.json says.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not of this format.
    """
    path = Path(folder) / "index.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a search index in {folder}, found no index.json. Make one: traceformers search build --help"
        )
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("format") != FORMAT:
        raise ValueError(
            f"Expected an index of format {FORMAT} in {folder}, got {manifest.get('format')!r}. "
            "Build it again with this version."
        )
    return manifest


def check_model(manifest, model, folder):
    """Raises ValueError if a `SearchModel` is not the one that an index was built with."""
    hashes = model.hashes
    differing = sorted(
        name for name in manifest["sha256"].keys() | hashes.keys() if manifest["sha256"].get(name) != hashes.get(name)
    )
    if differing:
        name = differing[0]
        raise ValueError(
            f"Expected the model that the index in {folder} was built with, {manifest['model']} whose {name} has "
            f"SHA-256 {str(manifest['sha256'].get(name))[:12]}, got {model.name} with {str(hashes.get(name))[:12]}. "
            "Name that model with --model, or build an index for this one in another folder."
        )
    if manifest["documents_by"] == "teacher":
        expected, got = (manifest["teacher"], manifest["teacher_revision"]), (model.teacher, model.teacher_revision)
        if expected != got:
            raise ValueError(
                f"Expected the teacher {expected[0]} at revision {expected[1]}, which encoded the documents in "
                f"{folder}, got a repository that names {got[0]} at {got[1]}. Build an index for it in another folder."
            )


def write_manifest(folder, manifest):
    """Writes index.json; a reader sees the old one or the whole new one, also after the power went."""
    path = Path(folder) / "index.json"
    half = path.with_name(path.name + ".half")
    with open(half, "w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
