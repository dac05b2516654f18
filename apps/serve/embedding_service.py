"""The OpenAI-compatible embedding service: `POST /v1/embeddings`, `GET /v1/models`, `/health` and `/metrics`.

app = create_app(QueryEncoder("folder"), "user/encoder")

Differences from OpenAI's interface: token ids are refused, for the ids of another tokenizer mean nothing here;
`input_type` ("query" or "document") chooses the side where documents are encoded by a teacher; an empty text has a
vector, as everywhere in this package.
"""

import asyncio
import base64
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np

from traceformers.apps.serve.request_batcher import QueueFull, RequestBatcher
from traceformers.apps.serve.service_guard import RequestPace, ServiceGuard
from traceformers.apps.serve.service_metrics import CONTENT_TYPE, ServiceMetrics

try:
    from fastapi import FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError
    from pydantic import BaseModel, Field
    from starlette.exceptions import HTTPException
except ImportError as error:
    raise ImportError(
        "Expected FastAPI, which the service is made of; it is not installed. Run: pip install 'traceformers[serve]'"
    ) from error

try:
    from msgspec.json import encode as to_json
except ImportError:

    def to_json(data):
        """Returns data as JSON, bytes."""
        return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


PATH = "/v1/embeddings"
COUNTED_PATHS = {PATH, "/v1/models", "/health", "/metrics"}  # others share one label, or a scan would fill the memory


@dataclass(frozen=True)
class Limits:
    """How much the service takes at once.

    Attributes:
        max_texts (`int`): of a request.
        max_characters (`int`): of a text; what lies beyond the model's length limit is not read anyway.
        max_body_bytes (`int`): of a request.
        max_batch_texts (`int`): encoded together.
        max_wait_ms (`float`): longest wait for requests on their way.
        max_queued_texts (`int`): that may wait; more requests are refused with 503.
        requests_per_second (`float`): of one client; 0 sets no limit, more are refused with 429.
    """

    max_texts: int = 2048
    max_characters: int = 1_000_000
    max_body_bytes: int = 32 << 20
    max_batch_texts: int = 1024
    max_wait_ms: float = 1.0
    max_queued_texts: int = 65_536
    requests_per_second: float = 0.0

    def __post_init__(self):
        for name, value in vars(self).items():
            if value < 0 or (value == 0 and name not in ("max_wait_ms", "requests_per_second")):
                raise ValueError(f"Expected {name} above 0, got {value}. Give a larger one.")


class EmbeddingRequest(BaseModel):
    """The body of `POST /v1/embeddings`."""

    input: str | list[str] | list[int] | list[list[int]] = Field(description="A text, or a list of texts.")
    model: str = Field(description="The name that /v1/models tells.")
    encoding_format: Literal["float", "base64"] = Field("float", description="base64: float32, little endian.")
    dimensions: int | None = Field(None, description="Length of the vectors, one the model was trained for.")
    user: str | None = Field(None, description="Taken, and not used.")
    input_type: Literal["query", "document"] = Field("query", description="Which side of a search the texts are.")


class ApiError(Exception):
    """An answer other than 200, in the form OpenAI gives it."""

    def __init__(self, status, message, param=None, code=None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def response(self, headers=None):
        """Returns the response."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": str(self), "type": kind, "param": self.param, "code": self.code}
        return Response(to_json({"error": error}), self.status, headers, "application/json")


def create_app(encoder, name, document_encoder=None, limits=None, hosts=(), key=None):
    """Returns the FastAPI app.

    Args:
        encoder (callable): of a list of texts to a list of (vector float32 (D,), number of ids, unknown ids), with the
            attributes of `QueryEncoder`.
        name (`str`): what clients call the model.
        document_encoder (callable, *optional*): the same for documents, where they are not encoded as queries are;
            False refuses them.
        limits (`Limits`, *optional*).
        hosts (iterable of `str`): names besides localhost and addresses that clients call the service by.
        key (`str`, *optional*): what clients must send as `Authorization: Bearer KEY`.
    """
    limits, started = limits or Limits(), int(time.time())
    metrics, arriving, batchers = ServiceMetrics(encoder.cache_counts), _Arriving(), {}

    @asynccontextmanager
    async def lifespan(app):
        for side, encode in (("query", encoder), ("document", document_encoder)):
            if encode:
                batchers[side] = RequestBatcher(
                    encode,
                    limits.max_batch_texts,
                    limits.max_wait_ms,
                    limits.max_queued_texts,
                    coming=arriving.count,
                    observe=metrics.batches.observe,
                    inline_characters=encode.inline_characters,
                )
                batchers[side].start()
        yield
        await asyncio.gather(*(batcher.stop() for batcher in batchers.values()))

    app = FastAPI(title="traceformers embeddings", lifespan=lifespan)
    app.state.metrics = metrics
    app.add_middleware(_BodyLimit, limit=limits.max_body_bytes)
    app.add_middleware(_Measure, metrics=metrics, arriving=arriving)
    pace = RequestPace(limits.requests_per_second)
    app.add_middleware(ServiceGuard, refuse=_refused, hosts=hosts, key=key, pace=pace)
    _answer_errors_as_openai_does(app)

    @app.post(PATH)
    async def embeddings(request: EmbeddingRequest, http: Request):
        texts = checked_texts(request, name, limits)
        dimension = checked_dimension(request.dimensions, encoder)
        side = request.input_type
        if side == "document" and document_encoder is False:
            raise ApiError(
                400,
                "Documents of this model are encoded by its teacher, which this service does not hold. "
                "Start it with --documents, or encode documents with `traceformers search build`.",
                "input_type",
            )
        batcher = batchers[side if side in batchers else "query"]
        arriving.leave(http.scope)
        try:
            items = await batcher.submit(texts)
        except QueueFull as error:
            raise ApiError(503, f"The service is overloaded: {error}. Try again later.", code="overloaded") from error
        tokens = sum(ids for _, ids, _ in items)
        metrics.texts.labels(side).inc(len(texts))
        metrics.ids.inc(tokens)
        metrics.unknown_ids.inc(sum(unknown for _, _, unknown in items))
        data = [
            {"object": "embedding", "index": index, "embedding": shown(vector, request.encoding_format)}
            for index, vector in enumerate(cut([vector for vector, _, _ in items], dimension, encoder.normalize))
        ]
        answer = {
            "object": "list",
            "data": data,
            "model": name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return Response(to_json(answer), media_type="application/json")

    @app.get("/v1/models")
    async def models():
        model = {"id": name, "object": "model", "created": started, "owned_by": "traceformers"}
        return {"object": "list", "data": [model]}

    @app.get("/v1/models/{model_id:path}")
    async def one_model(model_id: str):
        check_name(model_id, name)
        return {"id": name, "object": "model", "created": started, "owned_by": "traceformers"}

    @app.get("/health")
    async def health():
        return {"status": "ok", "model": name, "dimension": encoder.dimension}

    @app.get("/metrics")
    async def prometheus():
        return Response(metrics.exposition(), media_type=CONTENT_TYPE)

    return app


def checked_texts(request, name, limits):
    """Returns the texts of a request as a list; `ApiError` tells what is wrong with it."""
    check_name(request.model, name)
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts:
        raise ApiError(400, "'input' must hold at least one text.", "input")
    if not isinstance(texts[0], str):
        raise ApiError(
            400,
            "'input' must be a string or a list of strings: token ids of another tokenizer mean nothing here.",
            "input",
        )
    if len(texts) > limits.max_texts:
        raise ApiError(
            400,
            f"'input' must hold at most {limits.max_texts} texts, got {len(texts)}. Send several requests.",
            "input",
        )
    for index, text in enumerate(texts):
        if len(text) > limits.max_characters:
            raise ApiError(
                400,
                f"'input[{index}]' must have at most {limits.max_characters} characters, got {len(text)}. Cut it.",
                "input",
            )
    return texts


def check_name(asked, name):
    """Raises the 404 of OpenAI if another model is asked for."""
    if asked != name:
        raise ApiError(
            404,
            f"The model {asked[:100]!r} does not exist here; this service has {name!r}.",
            "model",
            "model_not_found",
        )


def checked_dimension(asked, encoder):
    """Returns the length of vectors asked for; `ApiError` if the model was not trained for it."""
    if asked is None:
        return encoder.dimension
    if asked not in encoder.dimensions:
        allowed = ", ".join(map(str, sorted(encoder.dimensions)))
        raise ApiError(400, f"'dimensions' must be one of {allowed} for this model, got {asked}.", "dimensions")
    return asked


def cut(vectors, dimension, normalize):
    """Returns the first `dimension` components of vectors (n, D), float32, scaled to length 1 if `normalize`."""
    vectors = np.asarray(vectors, dtype=np.float32)
    if dimension == vectors.shape[1]:
        return vectors
    vectors = vectors[:, :dimension]
    if normalize:
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(vectors)


def shown(vector, encoding_format):
    """Returns a vector as a list of floats, or as base64 of float32 in little endian."""
    if encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()


def _answer_errors_as_openai_does(app):
    @app.exception_handler(ApiError)
    async def api_error(request, error):
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def validation_error(request, error):
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part != "body"]
        if where[:1] == ["input"]:
            return ApiError(400, "'input' must be a string or a list of strings.", "input").response()
        if first["type"] == "json_invalid" or not where:
            return ApiError(400, "The body must be a JSON object.").response()
        return ApiError(400, f"'{where[0]}': {first['msg']}.", where[0]).response()

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error):
        message = {404: f"There is nothing at {request.url.path}.", 405: f"{request.method} is not for this address."}
        return ApiError(error.status_code, message.get(error.status_code, str(error.detail))).response()

    @app.exception_handler(Exception)
    async def server_error(request, error):
        return ApiError(500, f"The service failed: {type(error).__name__}.").response()


def _refused(status, message, headers):
    code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
    return ApiError(status, message, code=code).response(headers)


class _BodyLimit:
    """Refuses a body that is too long, before it is held in memory."""

    def __init__(self, app, limit):
        self.app, self.limit = app, limit

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        too_large = ApiError(413, f"The body must have at most {self.limit} bytes. Send several requests.")
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.limit:
            return await too_large.response()(scope, receive, send)
        read = 0

        async def limited():
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                raise HTTPException(413, str(too_large))
            return message

        return await self.app(scope, limited, send)


class _Arriving:
    """How many requests for vectors have begun to come in and have not asked for them yet."""

    def __init__(self):
        self.scopes = set()

    def enter(self, scope):
        if scope["path"] == PATH and scope["method"] == "POST":
            scope["traceformers"] = object()  # the scope may be copied on its way, this goes along
            self.scopes.add(scope["traceformers"])

    def leave(self, scope):
        self.scopes.discard(scope.get("traceformers"))

    def count(self):
        return len(self.scopes)


class _Measure:
    """Counts requests and their seconds."""

    def __init__(self, app, metrics, arriving):
        self.app, self.metrics, self.arriving = app, metrics, arriving

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"] if scope["path"] in COUNTED_PATHS else "other"
        started, status = time.perf_counter(), 500

        async def watched(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_flight.inc()
        self.arriving.enter(scope)
        try:
            await self.app(scope, receive, watched)
        finally:
            self.arriving.leave(scope)
            self.metrics.in_flight.dec()
            self.metrics.requests.labels(path, status).inc()
            self.metrics.latency.labels(path).observe(time.perf_counter() - started)
