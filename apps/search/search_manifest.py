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
        for key in ("teacher", "teacher_revision", "teacher_pooling", "document_map_sha256"):
            if key not in manifest:  # which indexes of before did not record
                continue
            expected, got = manifest[key], getattr(model, key)
            if expected != got:
                raise ValueError(
                    f"Expected the {key} {_shown(expected)}, which the documents in {folder} were encoded with, got a "
                    f"repository with {_shown(got)}. Name that model with --model, or build an index for this one in "
                    "another folder."
                )


def check_teacher(manifest, model, folder):
    """Raises ValueError if the files of a local teacher are not those that encoded an index's documents."""
    expected, got = manifest.get("teacher_sha256"), model.teacher_sha256
    if expected is not None and got is not None and expected != got:
        name = min(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
        raise ValueError(
            f"Expected the teacher that encoded the documents in {folder}, {model.teacher} whose {name} has SHA-256 "
            f"{_shown(expected.get(name))}, got {_shown(got.get(name))}. Put the teacher back that was there, or "
            "build an index for this one in another folder."
        )


def _shown(value):
    return str(value)[:12] if isinstance(value, str) and len(value) == 64 else value


def write_manifest(folder, manifest):
    """Writes index.json; a reader sees the old one or the whole new one, also after the power went."""
    path = Path(folder) / "index.json"
    half = path.with_name(path.name + ".half")
    with open(half, "w", encoding="utf-8") as file:
        file.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    half.replace(path)
