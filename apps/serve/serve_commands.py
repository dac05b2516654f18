"""The command `traceformers serve`. It imports what it needs when run."""

import os
import signal
import socket
from pathlib import Path
from typing import Annotated

import typer


def serve(
    repository: Annotated[
        str, typer.Argument(metavar="REPO", help="Folder or Hub id of an n-gram encoder.", show_default=False)
    ],
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for every network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 takes a free one.")] = 8080,
    threads: Annotated[int, typer.Option(min=1, help="Threads that encode.")] = 1,
    name: Annotated[
        str | None, typer.Option(help="What clients call the model [default: as REPO ends].", show_default=False)
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a Hub id.", show_default=False)] = None,
    precision: Annotated[
        str | None,
        typer.Option(help="Of the table: float32, float16 or int8 [default: as stored].", show_default=False),
    ] = None,
    cache_size: Annotated[int, typer.Option(min=0, help="Texts remembered with their vectors.")] = 10_000,
    documents: Annotated[
        bool, typer.Option("--documents", help="Load the teacher too: it answers input_type document.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Of the teacher [default: a GPU if there is one].", show_default=False)
    ] = None,
    max_texts: Annotated[int, typer.Option(min=1, help="Texts of a request.")] = 2048,
    max_body_bytes: Annotated[int, typer.Option(min=1, help="Length of a request.")] = 32 << 20,
    max_batch_texts: Annotated[int, typer.Option(min=1, help="Texts encoded together.")] = 1024,
    max_wait_ms: Annotated[float, typer.Option(min=0, help="Longest wait for requests on their way.")] = 1.0,
    requests_per_second: Annotated[float, typer.Option(min=0, help="Of one client; 0 sets no limit.")] = 0.0,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name, besides localhost and addresses, that clients call it by.", show_default=False),
    ] = None,
):
    """Answer OpenAI's POST /v1/embeddings, with /health and /metrics (Prometheus).

    Where others can reach it (--host), clients must send the key that is in the variable TRACEFORMERS_API_KEY.

    Example: traceformers serve user/encoder --port 8080
    """
    from traceformers.apps.serve import query_encoder
    from traceformers.apps.serve.embedding_service import Limits, create_app
    from traceformers.apps.serve.service_guard import checked_key
    from traceformers.training.model_files import model_folder

    try:
        import uvicorn
    except ImportError as error:
        raise ImportError(
            "Expected uvicorn, which the service runs in; it is not installed. Run: pip install 'traceformers[serve]'"
        ) from error
    key = checked_key(host, os.environ.get("TRACEFORMERS_API_KEY"))
    limits = Limits(
        max_texts=max_texts,
        max_body_bytes=max_body_bytes,
        max_batch_texts=max_batch_texts,
        max_wait_ms=max_wait_ms,
        requests_per_second=requests_per_second,
    )
    folder = model_folder(repository, revision)
    encoder = query_encoder.QueryEncoder(folder, threads, precision, cache_size)
    document_encoder = False if query_encoder.documents_by_teacher(folder) else None
    if documents:
        document_encoder = query_encoder.DocumentEncoder(folder, device)
    name = name or (Path(repository).resolve().name if Path(repository).is_dir() else repository)
    app = create_app(encoder, name, document_encoder, limits, allow_host or (), key)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol spelled: asyncio sets TCP_NODELAY only then, and without it every answer waits 40 ms.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        at = f"[{host}]" if ":" in host else host
        typer.echo(f"{name} at http://{at}:{listener.getsockname()[1]}/v1/embeddings")
        # uvicorn raises the signal that ended it once more when everything is answered; that is no failure.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=30)
        uvicorn.Server(config).run(sockets=[listener])
    typer.echo("stopped")


if __name__ == "__main__":
    typer.run(serve)
