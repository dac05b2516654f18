"""Makes a retrieval set and training texts from the docstrings of the Python packages on this machine.

    python datasets_scripts/docstrings/prepare_docstrings.py --output-dir data/docstrings

The first paragraph of a docstring becomes a query and the rest the document that answers it: real text, on every
machine, with one known answer a query. The standard library is evaluated on and everything installed is trained on, so
no text of an evaluated package is trained on. Sources are parsed, never imported.
"""

import argparse
import ast
import inspect
import json
import re
import sys
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

SKIPPED_FOLDERS = {
    "test",
    "tests",
    "testing",
    "_vendor",
    "vendor",
    "site-packages",
    "idlelib",
    "lib2to3",
    "__pycache__",
}
SUMMARY_WORDS = (4, 30)
FEWEST_BODY_WORDS = 20
MOST_BODY_WORDS = 200
LARGEST_SOURCE_BYTES = 2_000_000


@dataclass(frozen=True)
class Docstring:
    """One docstring: where it is, its first paragraph, and the text below; `body` may be empty."""

    name: str
    summary: str
    body: str


def docstrings_of(source, module):
    """Yields the `Docstring` of a module, its classes and its functions, in their order in the source.

    Args:
        source (`str`): Python code. Code of another version of Python yields nothing.
        module (`str`): dotted name of the module, the first part of every name.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of code that is not ours
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return
    nodes = [(module, tree)]
    while nodes:
        name, node = nodes.pop(0)
        text = ast.get_docstring(node, clean=False)
        if text:
            summary, _, body = inspect.cleandoc(text).partition("\n\n")
            yield Docstring(name, one_line(summary), one_line(prose(body)))
        nodes += [
            (f"{name}.{child.name}", child)
            for child in node.body
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]


def prose(text):
    """Returns `text` without interpreter sessions, output included, and without lines of punctuation."""
    paragraphs = [paragraph.partition(">>>")[0] for paragraph in text.split("\n\n")]
    return "\n".join(line for paragraph in paragraphs for line in paragraph.splitlines() if re.search(r"\w", line))


def one_line(text):
    """Returns the words of `text` with single spaces, at most `MOST_BODY_WORDS` of them."""
    return " ".join(text.split()[:MOST_BODY_WORDS])


def package_sources(folder, packages=()):
    """Returns {module: path} of the Python sources of a folder's packages, tests and vendored copies left out.

    Args:
        folder (`Path`).
        packages: names of those to read; all without any.
    """
    sources = {}
    for path in sorted(file for name in packages or ["."] for file in (folder / name).rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        if not set(parts) & SKIPPED_FOLDERS and path.stat().st_size <= LARGEST_SOURCE_BYTES:
            sources[".".join(part for part in parts if part != "__init__") or folder.name] = path
    return sources


def read_docstrings(folder, packages=()):
    """Yields every `Docstring` of the packages in `folder`, each summary and body once."""
    seen = set()
    for module, path in tqdm(package_sources(folder, packages).items(), desc=folder.name, unit="file"):
        for docstring in docstrings_of(path.read_text(encoding="utf-8", errors="replace"), module):
            if docstring.summary not in seen and docstring.body not in seen:
                seen.update(filter(None, (docstring.summary, docstring.body)))
                yield docstring


def answers(docstrings):
    """Returns those docstrings whose summary can be a query and whose body a document."""
    fewest, most = SUMMARY_WORDS
    return [
        docstring
        for docstring in docstrings
        if fewest <= len(docstring.summary.split()) <= most and len(docstring.body.split()) >= FEWEST_BODY_WORDS
    ]


def training_texts(docstrings, kept_out):
    """Returns summaries and bodies of at least three words, each once, without those of `kept_out`."""
    out = {text for docstring in kept_out for text in (docstring.summary, docstring.body)}
    texts = (text for docstring in docstrings for text in (docstring.summary, docstring.body))
    return [text for text in dict.fromkeys(texts) if len(text.split()) >= 3 and text not in out]


def write_retrieval(folder, docstrings):
    """Writes `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv`: BEIR's layout."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    rows = list(enumerate(docstrings))
    write_lines(folder / "corpus.jsonl", (json.dumps({"_id": f"d{i}", "title": "", "text": d.body}) for i, d in rows))
    write_lines(folder / "queries.jsonl", (json.dumps({"_id": f"q{i}", "text": d.summary}) for i, d in rows))
    write_lines(folder / "qrels/test.tsv", ["query-id\tcorpus-id\tscore", *(f"q{i}\td{i}\t1" for i, _ in rows)])


def write_lines(path, lines):
    """Writes lines to a file, which is there whole or not at all."""
    half = path.with_name(path.name + ".half")
    with half.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    half.replace(path)


def prepare(output_dir, evaluated, trained, packages=(), max_queries=None, max_texts=None):
    """Returns the counts of what it wrote to `output_dir`: `train.txt`, `heldout.txt`, `retrieval/`, `counts.json`.

    Args:
        output_dir, evaluated, trained: folders; the latter two hold Python packages.
        packages: names of those in `trained` to train on; all without any.
        max_queries, max_texts: so many at most, evenly spaced over all, so that no package is missing.

    Raises:
        ValueError: a folder has no docstrings to work with.
    """
    output_dir = Path(output_dir)
    asked = list(read_docstrings(Path(evaluated)))
    pairs = spaced(answers(asked), max_queries)
    if not pairs:
        raise ValueError(f"Expected documented Python sources in {evaluated}, found none. Name a folder of packages.")
    texts = spaced(training_texts(read_docstrings(Path(trained), packages), asked), max_texts)
    if not texts:
        raise ValueError(f"Expected documented Python sources in {trained}, found none. Name a folder of packages.")
    output_dir.mkdir(parents=True, exist_ok=True)
    heldout = spaced(training_texts(asked, pairs), 2000)
    write_retrieval(output_dir / "retrieval", pairs)
    write_lines(output_dir / "train.txt", texts)
    write_lines(output_dir / "heldout.txt", heldout)
    counts = {"queries": len(pairs), "documents": len(pairs), "heldout": len(heldout), "train": len(texts)}
    write_lines(output_dir / "counts.json", [json.dumps(counts)])
    return counts


def spaced(items, most):
    """Returns at most `most` of the items, evenly spaced; all without `most`."""
    items = list(items)
    if most is None or len(items) <= most:
        return items
    return [items[len(items) * k // most] for k in range(most)]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    paths = sysconfig.get_paths()
    parser.add_argument("--output-dir", required=True, help="folder to write to")
    parser.add_argument("--evaluated", default=paths["stdlib"], help="packages to ask about [the standard library]")
    parser.add_argument("--trained", default=paths["purelib"], help="packages to train on [those installed]")
    parser.add_argument("--packages", nargs="*", default=(), help="names of those to train on [all in --trained]")
    parser.add_argument("--max-queries", type=int, help="at most so many queries, evenly spaced [all]")
    parser.add_argument("--max-texts", type=int, help="at most so many training texts, evenly spaced [all]")
    args = parser.parse_args(argv)
    try:
        counts = prepare(**vars(args))
    except ValueError as error:
        sys.exit(f"prepare_docstrings: {error}")
    print("  ".join(f"{name} {number:,}" for name, number in counts.items()))


if __name__ == "__main__":
    main()
