"""Writes a retrieval set in the layout of BEIR from tab-separated files, such as those of MS MARCO.

    python datasets_scripts/retrieval/prepare_retrieval.py --collection collection.tsv --queries queries.dev.small.tsv \
        --qrels qrels.dev.small.tsv --output-dir data/msmarco-dev

`collection.tsv` and the queries have an id, a tab and a text in each line (a collection may have a title between);
files may be packed with gzip. Grades are TREC's "query 0 document grade", separated by spaces or tabs, or BEIR's own
three columns with a header. Queries without grades are left out, `--all-queries` keeps them.
"""

import argparse
import gzip
import json
import shutil
import sys
from pathlib import Path

from traceformers.datasets_scripts.retrieval.retrieval_folder import HEADER, UNREADABLE, open_text


def read_table(path, columns=(2,)):
    """Returns an iterator over the rows of a tab-separated file, `list[str]` each.

    Args:
        path (`str` or `os.PathLike`): UTF-8 text, unpacked if its name ends in .gz.
        columns (`tuple[int]`): numbers of columns a row may have.

    Raises:
        ValueError: if a row has another number of columns, or the file is no text.
    """
    number = 0
    with open_text(path) as file:
        try:
            for number, line in enumerate(file, 1):
                fields = line.rstrip("\r\n").split("\t")
                if fields == [""]:
                    continue
                if len(fields) not in columns:
                    raise ValueError(
                        f"{path}:{number}: expected {' or '.join(map(str, columns))} columns with tabs between, got "
                        f"{len(fields)}: {line[:80]!r}."
                    )
                yield fields
        except UNREADABLE as error:
            raise ValueError(f"{path}: expected UTF-8 text after line {number}, got {error}: a cut file?") from error


def read_judgements(path):
    """Returns `[(query id, document id, grade)]` of a qrels file, TREC's four columns or BEIR's three.

    Raises:
        ValueError: if a line is neither.
    """
    rows = []
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            fields = line.split()
            if not fields or (number == 1 and tuple(fields) == HEADER):
                continue
            if len(fields) not in (3, 4) or not fields[-1].removeprefix("-").isdigit():
                raise ValueError(
                    f"{path}:{number}: expected 'query 0 document grade' or 'query document grade', got {line[:80]!r}."
                )
            rows.append((fields[0], fields[-2], int(fields[-1])))
    if not rows:
        raise ValueError(f"Expected grades in {path}, got an empty file.")
    return rows


def prepare(collection, queries, qrels, output_dir, split="test", all_queries=False):
    """Writes `corpus.jsonl.gz`, `queries.jsonl` and `qrels/<split>.tsv`; returns the counts of all three.

    The corpus is streamed. Everything is written beside the folder first, so that a folder is whole or not there.

    Args:
        collection, queries, qrels (`str` or `os.PathLike`): files to read.
        output_dir (`str` or `os.PathLike`): folder to write; its name becomes the name of the set.
        split (`str`): name for the file of grades.
        all_queries (`bool`): keep queries without grades.

    Raises:
        FileExistsError: if the folder is there already.
        ValueError: if a row cannot be read, an id is there twice, or a grade names an unknown query or document.
    """
    output_dir = Path(output_dir)
    if output_dir.exists():
        raise FileExistsError(f"Expected to make the folder {output_dir}, got one that is there: name another.")
    judgements = read_judgements(qrels)
    half = output_dir.with_name(output_dir.name + ".half")
    shutil.rmtree(half, ignore_errors=True)
    (half / "qrels").mkdir(parents=True)
    with gzip.open(half / "corpus.jsonl.gz", "wt", encoding="utf-8", compresslevel=6) as file:
        documents = _write_rows(file, _documents(collection), collection)
    judged = {query for query, _, _ in judgements}
    with open(half / "queries.jsonl", "w", encoding="utf-8") as file:
        rows = ({"_id": name, "text": text} for name, text in read_table(queries) if all_queries or name in judged)
        asked = _write_rows(file, rows, queries)
    for names, column, kind in ((asked, 0, "query"), (documents, 1, "document")):
        unknown = next((row[column] for row in judgements if row[column] not in names), None)
        if unknown is not None:
            source = queries if kind == "query" else collection
            raise ValueError(f"Expected every {kind} of {qrels} in {source}, got {unknown!r}, not in it.")
    with open(half / "qrels" / f"{split}.tsv", "w", encoding="utf-8") as file:
        file.write("\t".join(HEADER) + "\n")
        file.writelines(f"{query}\t{document}\t{grade}\n" for query, document, grade in judgements)
    half.rename(output_dir)
    return {"documents": len(documents), "queries": len(asked), "grades": len(judgements)}


def _documents(collection):
    for fields in read_table(collection, (2, 3)):
        yield {"_id": fields[0], "title": fields[1] if len(fields) == 3 else "", "text": fields[-1]}


def _write_rows(file, rows, source):
    names = set()
    for row in rows:
        if row["_id"] in names:
            raise ValueError(f"Expected ids to differ in {source}, got {row['_id']!r} a second time.")
        names.add(row["_id"])
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
    if not names:
        raise ValueError(f"Expected rows in {source}, got none that is asked for.")
    return names


def main(argv=None):
    description, _, example = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(
        description=description, epilog=example, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collection", required=True, help="id <tab> text, or id <tab> title <tab> text")
    parser.add_argument("--queries", required=True, help="id <tab> text")
    parser.add_argument("--qrels", required=True, help="grades, TREC's or BEIR's columns")
    parser.add_argument("--output-dir", required=True, help="folder to make")
    parser.add_argument("--split", default="test", help="name for the grades (test)")
    parser.add_argument("--all-queries", action="store_true", help="keep queries without grades")
    args = parser.parse_args(argv)
    counts = prepare(args.collection, args.queries, args.qrels, args.output_dir, args.split, args.all_queries)
    print(f"Written to {args.output_dir}: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    return counts


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"prepare_retrieval: {error}")
