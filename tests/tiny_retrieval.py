"""A retrieval set small enough to rank by hand."""

import gzip
import json

CORPUS = {
    "d1": ("Cats", "cats chase mice in the barn"),
    "d2": ("", "dogs bark at the moon"),
    "d3": ("Mice", "mice eat cheese"),
    "d4": ("", "the moon orbits the earth"),
    "d5": ("Cheese", "cheese is made of milk by a dairy"),
    "d6": ("", "birds sing at dawn"),
}
QUERIES = {
    "q0": "what do mice eat",
    "q1": "who barks at the moon",
    "q2": "how is cheese made",
    "q3": "what orbits the earth",
    "q4": "when do birds sing",
    "q5": "nobody judged this one",
}
GRADES = {
    "q0": {"d3": 2, "d5": 1, "d2": 0},
    "q1": {"d2": 2, "d4": 1},
    "q2": {"d5": 2},
    "q3": {"d4": 2},
    "q4": {"d6": 1, "d1": 0},
}


def write_retrieval_folder(folder, corpus=CORPUS, queries=QUERIES, grades=GRADES, split="test", packed=False):
    """Writes a folder in the layout of BEIR; returns it."""
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    rows = {
        "corpus": [{"_id": name, "title": title, "text": text} for name, (title, text) in corpus.items()],
        "queries": [{"_id": name, "text": text} for name, text in queries.items()],
    }
    for name, lines in rows.items():
        data = "".join(json.dumps(line) + "\n" for line in lines).encode()
        path = folder / (f"{name}.jsonl.gz" if packed else f"{name}.jsonl")
        path.write_bytes(gzip.compress(data) if packed else data)
    lines = [
        f"{query}\t{document}\t{grade}\n" for query, judged in grades.items() for document, grade in judged.items()
    ]
    (folder / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder
