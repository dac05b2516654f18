"""Reads a retrieval set in the layout of BEIR: a corpus, queries, and grades of some documents for each query.

    folder/corpus.jsonl[.gz]     {"_id": "d1", "title": "may be missing", "text": "..."}
    folder/queries.jsonl[.gz]    {"_id": "q1", "text": "..."}
    folder/qrels/test.tsv        query-id <tab> corpus-id <tab> score, with this header

A document's text is its title, a space, and its text. Queries without a grade above zero in the split are left out:
no ranking of theirs is better than another.

The queries of a set fall into two parts by a hash of their ids (`query_part`): a quarter is "dev", for every choice of
a setting, the others are "test", for figures. The part of a query does not depend on the others.
"""

import gzip
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

HEADER = ("query-id", "corpus-id", "score")
PARTS = ("all", "dev", "test")
DEV_ONE_IN = 4
UNREADABLE = (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error)


def query_part(query_id):
    """Returns "dev" for a quarter of all query ids, "test" for the others: by SHA-256 of the id's UTF-8.

    >>> [query_part(str(i)) for i in range(8)].count("dev")
    1
    """
    first = hashlib.sha256(query_id.encode()).digest()[:8]
    return "dev" if int.from_bytes(first, "big") % DEV_ONE_IN == 0 else "test"


@dataclass(frozen=True)
class RetrievalSet:
    """A corpus of N documents, Q queries, and grades; documents and queries are known by their positions.

    Attributes:
        name (`str`): name of the folder.
        document_ids, documents (`list[str]`): N ids and texts.
        query_ids, queries (`list[str]`): Q ids and texts.
        judged (`list[dict[int, int]]`): for each query, grade by position of document; others have grade 0.
        split (`str`): the split the grades are of.
    """

    name: str
    document_ids: list
    documents: list
    query_ids: list
    queries: list
    judged: list
    split: str = "test"

    def __len__(self):
        return len(self.queries)

    @cached_property
    def minimum_grade(self):
        """The grade from which a document counts as relevant: 2 where there are grades above 1 (0 to 3), else 1."""
        return 2 if max((max(grades.values()) for grades in self.judged), default=0) > 1 else 1

    @cached_property
    def all_grades(self):
        """The grades of all judged documents, `int64 (Q, J)`, padded with zeros."""
        width = max((len(grades) for grades in self.judged), default=0)
        rows = np.zeros((len(self.judged), width), dtype=np.int64)
        for row, grades in zip(rows, self.judged, strict=True):
            row[: len(grades)] = list(grades.values())
        return rows

    def grades_of(self, positions):
        """Returns the grades of ranked documents, `int64 (Q, k)`.

        Args:
            positions (`int64 (Q, k)`): positions of documents, best first; -1 where a ranking has ended.
        """
        rows = [[grades.get(p, 0) for p in row] for grades, row in zip(self.judged, positions.tolist(), strict=True)]
        return np.array(rows, dtype=np.int64).reshape(positions.shape)

    def part(self, part):
        """Returns `bool (Q,)`, which queries belong to a part: "dev", "test" or "all"."""
        if part not in PARTS:
            raise ValueError(f"Expected a part of {', '.join(PARTS)}, got {part!r}.")
        return np.array([part in ("all", query_part(query_id)) for query_id in self.query_ids], dtype=bool)

    def select(self, queries):
        """Returns the set with some of its queries only.

        Args:
            queries (`bool (Q,)` or `int (n,)`): which.
        """
        chosen = np.arange(len(self))[np.asarray(queries)].tolist()
        pick = [[column[i] for i in chosen] for column in (self.query_ids, self.queries, self.judged)]
        return RetrievalSet(self.name, self.document_ids, self.documents, *pick, split=self.split)


def load_retrieval_set(folder, split="test"):
    """Returns the `RetrievalSet` of a folder.

    Args:
        folder (`str` or `os.PathLike`): folder in the layout of BEIR.
        split (`str`): name of a file in `qrels`, without `.tsv`.

    Raises:
        FileNotFoundError: if a file of the layout is missing.
        ValueError: if a line cannot be read, an id is there twice, or a grade names an unknown query or document.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"Expected a folder with corpus.jsonl, queries.jsonl and qrels/, got {folder}.")
    document_ids, documents = _read_texts(_file(folder, "corpus"), titles=True)
    query_ids, queries = _read_texts(_file(folder, "queries"), titles=False)
    grades = read_grades(_qrels(folder, split), document_ids, query_ids)
    kept = [i for i, judged in enumerate(grades) if any(grade > 0 for grade in judged.values())]
    if not kept:
        raise ValueError(f"Expected grades above 0 in {folder}/qrels/{split}.tsv, got none: nothing to evaluate on.")
    return RetrievalSet(
        name=folder.resolve().name,
        document_ids=document_ids,
        documents=documents,
        query_ids=[query_ids[i] for i in kept],
        queries=[queries[i] for i in kept],
        judged=[grades[i] for i in kept],
        split=split,
    )


def read_grades(path, document_ids, query_ids):
    """Returns the grades in a qrels file, a dict of position of document to grade for each of `query_ids`.

    Raises:
        ValueError: if the header is missing, or a line is not a query, a document and a whole number.
    """
    place_of = {name: i for i, name in enumerate(document_ids)}
    query_of = {name: i for i, name in enumerate(query_ids)}
    grades = [{} for _ in query_ids]
    with open(path, encoding="utf-8") as file:
        header = tuple(file.readline().rstrip("\r\n").split("\t"))
        if header != HEADER:
            raise ValueError(
                f"{path}:1: expected the header {' <tab> '.join(HEADER)}, got {'<tab>'.join(header)[:80]!r}. "
                "prepare_retrieval.py writes this layout from MS MARCO's and TREC's files."
            )
        for number, line in enumerate(file, 2):
            fields = line.rstrip("\r\n").split("\t")
            if fields == [""]:
                continue
            if len(fields) != 3 or not fields[2].removeprefix("-").isdigit():
                raise ValueError(f"{path}:{number}: expected query, document and a whole number, got {line[:80]!r}.")
            query, document, grade = fields
            if query not in query_of or document not in place_of:
                kind, name = ("query", query) if query not in query_of else ("document", document)
                raise ValueError(f"{path}:{number}: expected a {kind} of this folder, got {name!r}, not in it.")
            grades[query_of[query]][place_of[document]] = int(grade)
    return grades


def open_text(path):
    """Returns a text file opened for reading as UTF-8, unpacked if its name ends in .gz."""
    return gzip.open(path, "rt", encoding="utf-8") if Path(path).suffix == ".gz" else open(path, encoding="utf-8")


def _read_texts(path, titles):
    names, texts = {}, []
    with open_text(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = _row(line, path, number)
                name = str(row["_id"])
                if name in names:
                    raise ValueError(f"{path}:{number}: expected ids to differ, got {name!r} a second time.")
                names[name] = len(texts)
                title = (row.get("title") or "").strip() if titles else ""
                texts.append(f"{title} {row['text']}".strip())
        except UNREADABLE as error:
            raise ValueError(f"{path}: expected UTF-8 text after row {len(texts)}, got {error}: a cut file?") from error
    if not texts:
        raise ValueError(f"Expected rows in {path}, got an empty file.")
    return list(names), texts


def _row(line, path, number):
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}:{number}: expected one JSON object a line, got {line[:80]!r} ({error}).") from error
    if not isinstance(row, dict) or "_id" not in row or not isinstance(row.get("text"), str):
        raise ValueError(f'{path}:{number}: expected {{"_id": ..., "text": "..."}}, got {line[:80]!r}.')
    return row


def _file(folder, name):
    for path in (folder / f"{name}.jsonl", folder / f"{name}.jsonl.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"Expected {name}.jsonl or {name}.jsonl.gz in {folder}, got {sorted(p.name for p in folder.iterdir())[:8]}. "
        "prepare_retrieval.py writes this layout from tab-separated files."
    )


def _qrels(folder, split):
    path = folder / "qrels" / f"{split}.tsv"
    if not path.is_file():
        found = sorted(p.stem for p in (folder / "qrels").glob("*.tsv"))
        raise FileNotFoundError(f"Expected the split {split!r} as {path}, got splits {found} in this folder.")
    return path
