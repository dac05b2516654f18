"""The commands `traceformers search build | add | query | info`. They import what they need when run."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="A search index of your own documents.", no_args_is_help=True, rich_markup_mode=None)

IndexFolder = Annotated[Path, typer.Argument(metavar="INDEX", help="Folder of the index.", show_default=False)]
Model = Annotated[
    str | None,
    typer.Option(help="Folder or Hub id of the encoder [default: the recorded one].", show_default=False),
]
Revision = Annotated[str | None, typer.Option(help="Commit or tag of a Hub id.", show_default=False)]
Device = Annotated[
    str | None,
    typer.Option(help="Of the teacher: cpu, cuda ... [default: a GPU if there is one].", show_default=False),
]
Threads = Annotated[int, typer.Option(min=1, help="Threads of the n-gram encoder and of FAISS.")]
Precision = Annotated[
    str | None,
    typer.Option(
        help="Of the n-gram encoder's table: float32, float16 or int8 [default: as stored].", show_default=False
    ),
]


@app.command("build")
def search_build(
    corpus: Annotated[
        Path,
        typer.Argument(
            help=".jsonl (_id, title, text), .txt (one text a line), Parquet or a folder.", show_default=False
        ),
    ],
    model: Annotated[str, typer.Option(help="Folder or Hub id of the encoder.", show_default=False)],
    output_dir: Annotated[Path, typer.Option(help="Folder of the index; goes on if it was begun.", show_default=False)],
    index: Annotated[str, typer.Option(help="flat (exact), ivfpq (small) or hnsw (fast).")] = "flat",
    mode: Annotated[
        str,
        typer.Option(help="symmetric, asymmetric (documents by the teacher) or hybrid (joined with BM25)."),
    ] = "symmetric",
    dtype: Annotated[str, typer.Option(help="Of the stored vectors: float32 or float16.")] = "float32",
    language: Annotated[str, typer.Option(help="Whose word endings BM25 drops, or none.")] = "english",
    passage_words: Annotated[
        int, typer.Option(min=0, help="Cut files of a folder into passages of so many words; 0: never.")
    ] = 200,
    word_weight: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of BM25 in a hybrid index, 0 to 1 [default: 0.5].", show_default=False),
    ] = None,
    revision: Revision = None,
    device: Device = None,
    threads: Threads = 1,
    precision: Precision = None,
):
    """Make an index of a corpus, or bring an index to the corpus as it is now; only what changed is encoded.

    Example: traceformers search build corpus.jsonl --model user/encoder --output-dir index --mode hybrid
    """
    from traceformers.apps.search.search_index import SearchIndex

    made = SearchIndex.build(
        output_dir,
        corpus,
        model,
        revision=revision,
        index=index,
        mode=mode,
        dtype=dtype,
        language=language,
        passage_words=passage_words,
        word_weight=word_weight,
        device=device,
        threads=threads,
        precision=precision,
        progress=True,
    )
    typer.echo(f"{len(made)} documents in {output_dir}")


@app.command("add")
def search_add(
    index: IndexFolder,
    corpus: Annotated[
        Path | None, typer.Argument(help="As for build; new and changed documents are taken.", show_default=False)
    ] = None,
    remove: Annotated[
        list[str] | None, typer.Option(help="Id of a document to remove; may be repeated.", show_default=False)
    ] = None,
    remove_missing: Annotated[bool, typer.Option("--remove-missing", help="Remove what CORPUS does not hold.")] = False,
    model: Model = None,
    revision: Revision = None,
    device: Device = None,
    threads: Threads = 1,
    precision: Precision = None,
):
    """Add new documents to an index, replace changed ones, remove others; the rest is not encoded again.

    Example: traceformers search add index corpus.jsonl --remove-missing
    """
    from traceformers.apps.search.search_index import SearchIndex

    held = SearchIndex(index, model, revision, device, threads, precision)
    done = held.add(corpus, remove or (), remove_missing, progress=True)
    typer.echo(", ".join(f"{count} {what}" for what, count in done.items()) + f"; {len(held)} documents")


@app.command("query")
def search_query(
    index: IndexFolder,
    text: Annotated[str, typer.Argument(help="What to look for.", show_default=False)],
    top_k: Annotated[int, typer.Option(min=1, help="Number of answers.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    word_weight: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Of BM25 in a hybrid index, 0 to 1 [default: as it was built].", show_default=False
        ),
    ] = None,
    teacher_share: Annotated[
        float,
        typer.Option(min=0, max=1, help="Let the teacher encode this share of queries, those the student doubts most."),
    ] = 0.0,
    model: Model = None,
    revision: Revision = None,
    device: Device = None,
    threads: Threads = 1,
    precision: Precision = None,
):
    """Print the documents nearest to a text: score, id, title, and the place that fits.

    Example: traceformers search query index "how a folded table works" --top-k 5
    """
    from traceformers.apps.search.search_index import SearchIndex

    held = SearchIndex(index, model, revision, device, threads, precision)
    (results,) = held.query([text], top_k=top_k, word_weight=word_weight, teacher_share=teacher_share)
    if teacher_share and results:
        typer.echo(f"query encoded by the {results[0].encoded_by}", err=True)
    for rank, result in enumerate(results, 1):
        if as_json:
            typer.echo(json.dumps({"rank": rank, **result.to_dict()}, ensure_ascii=False))
        else:
            typer.echo(f"{rank:3}  {result.score:.4f}  {result.id}" + (f"  {result.title}" if result.title else ""))
            typer.echo(f"     {result.snippet}")


@app.command("info")
def search_info(index: IndexFolder):
    """Print what an index was made from: model, teacher, hashes, mode, number of documents.

    Example: traceformers search info index
    """
    from traceformers.apps.search.search_manifest import read_manifest

    manifest = read_manifest(index)
    size = sum(path.stat().st_size for path in index.rglob("*") if path.is_file())
    state = "finished" if manifest["generation"] else "interrupted; run the same build again"
    typer.echo(json.dumps({**manifest, "bytes": size, "state": state}, indent=2, ensure_ascii=False))
