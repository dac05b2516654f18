"""The command `traceformers encode`. It imports what it needs when run."""

from pathlib import Path
from typing import Annotated

import typer


def encode(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help=".txt (one text a line), .jsonl or Parquet; - for standard input.", show_default=False
        ),
    ],
    model: Annotated[str, typer.Option(help="Folder or Hub id of an n-gram encoder.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="The file to write: .safetensors, .npy or .jsonl.", show_default=False)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="safetensors, npy or jsonl [default: as OUTPUT ends].", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu (the student without torch), or cuda ...")] = "cpu",
    precision: Annotated[
        str | None,
        typer.Option(help="Of the table: float32, float16 or int8 [default: as stored].", show_default=False),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the CPU.")] = 1,
    dimension: Annotated[
        int | None,
        typer.Option(
            help="Of the vectors, one of the model's matryoshka_dims [default: the whole].", show_default=False
        ),
    ] = None,
    dtype: Annotated[str, typer.Option(help="Of the vectors in the file: float32 or float16.")] = "float32",
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a Hub id.", show_default=False)] = None,
    documents: Annotated[
        bool, typer.Option("--documents", help="Encode documents: by the teacher, if the repository names one.")
    ] = False,
    monitor: Annotated[
        bool, typer.Option("--monitor", help="Say whether the texts are like those of training.")
    ] = False,
    write_snapshot: Annotated[
        bool,
        typer.Option("--write-snapshot", help="Instead: FILE holds training texts; note in MODEL what they are like."),
    ] = False,
):
    """Write one vector a text to a file; row i is line i.

    Example: traceformers encode texts.txt --model user/encoder --output vectors.safetensors
    """
    from traceformers.apps.encode import encode_file

    if write_snapshot:
        from traceformers.training.evaluation import encoder_monitor

        if not Path(model).is_dir():
            raise ValueError(f"Expected a folder to write the snapshot into, got {model!r}. Download the model first.")
        snapshot = encoder_monitor.make_snapshot(
            encode_file.load_encoder(model, threads=threads), encode_file.read_texts(file)
        )
        encoder_monitor.write_snapshot(model, snapshot)
        typer.echo(f"{snapshot['texts']} texts described in {Path(model) / encoder_monitor.FILE_NAME}")
        return
    if output is None:
        raise ValueError("Expected --output, got none. Name the file to write, such as vectors.safetensors.")
    done = encode_file.encode_file(
        file, model, output, kind, device, precision, threads, dtype, revision, monitor, True, dimension, documents
    )
    for line in done.monitor:
        typer.echo(line)
    typer.echo(
        f"{done.texts} texts in {done.seconds:.2f} s, {done.texts_per_second:,.0f} texts/s "
        f"(and {done.load_seconds:.2f} s to load) -> {output}"
    )
