"""The embedding service over real HTTP: OpenAI's requests and answers, and the laws of batching."""

import base64
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import uvicorn
from tiny_encoder_folder import DIMENSION, SHORT_DIMENSION, encoder_folder, some_texts
from tiny_teacher import tiny_teacher

from traceformers.apps.serve.embedding_service import Limits, create_app
from traceformers.apps.serve.query_encoder import DocumentEncoder, QueryEncoder
from traceformers.modeling.ngram_encoder.ngram_runtime import NgramRuntime

LIMITS = Limits(max_texts=64, max_characters=1000, max_body_bytes=100_000, max_batch_texts=32, max_wait_ms=5.0)


class Server:
    """An app in a real server on the loopback interface, in a thread."""

    def __init__(self, app):
        self.app = app
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error):
        self.server.should_exit = True
        self.thread.join(20)
        self.socket.close()

    def request(self, method, path, body=None, headers=None):
        """Returns (status, parsed JSON or text) of one request on a connection of its own."""
        return request(self.port, method, path, body, headers)

    def embed(self, texts, **options):
        """Returns the answer to a request for vectors, which must be 200."""
        status, answer = self.request("POST", "/v1/embeddings", {"input": texts, "model": "tiny", **options})
        assert status == 200, answer
        return answer

    def vectors(self, texts, **options):
        return np.array([row["embedding"] for row in self.embed(texts, **options)["data"]], dtype=np.float32)

    def metrics(self):
        """Returns {name with labels: value}."""
        lines = self.request("GET", "/metrics")[1].splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def request(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json", **(headers or {})})
    response = connection.getresponse()
    content = response.read().decode()
    connection.close()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, json.loads(content) if is_json else content


@pytest.fixture(scope="module")
def runtime():
    return NgramRuntime.from_pretrained(encoder_folder())


@pytest.fixture(scope="module")
def server():
    with Server(create_app(QueryEncoder(encoder_folder(), cache_size=100), "tiny", limits=LIMITS)) as running:
        yield running


def test_vectors_are_those_of_the_encoder_in_the_form_of_openai(server, runtime):
    texts = ["red house", "", "the unknown walrus \u2603"]
    answer = server.embed(texts, user="someone")
    assert set(answer) == {"object", "data", "model", "usage"}
    assert (answer["object"], answer["model"]) == ("list", "tiny")
    assert [(row["object"], row["index"]) for row in answer["data"]] == [("embedding", i) for i in range(3)]
    np.testing.assert_array_equal([row["embedding"] for row in answer["data"]], runtime.encode(texts))
    ids, _ = runtime.tokenizer.encode_flat(texts, 512)
    assert answer["usage"] == {"prompt_tokens": len(ids), "total_tokens": len(ids)}


def test_one_text_need_not_be_a_list(server, runtime):
    np.testing.assert_array_equal(server.vectors("red house")[0], runtime.encode("red house"))


@pytest.mark.parametrize("text", ["\\u0000 red", "\\ud83d\\ude00", "\\ud800 red", "\\n"])
def test_any_json_string_is_answered(server, text):
    status, _ = server.request("POST", "/v1/embeddings", f'{{"input": "{text}", "model": "tiny"}}'.encode())
    assert status == 200


def test_base64_holds_the_same_numbers(server):
    coded = server.embed("red house", encoding_format="base64")["data"][0]["embedding"]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(coded), "<f4"), server.vectors("red house")[0])


def test_shorter_vectors_are_the_beginning_at_length_one(server):
    whole, short = server.vectors("red house")[0], server.vectors("red house", dimensions=SHORT_DIMENSION)[0]
    np.testing.assert_allclose(short, whole[:SHORT_DIMENSION] / np.linalg.norm(whole[:SHORT_DIMENSION]), atol=1e-6)
    np.testing.assert_array_equal(server.vectors("red house", dimensions=DIMENSION)[0], whole)


GOOD = {"input": "x", "model": "tiny"}


@pytest.mark.parametrize(
    ("body", "status", "param", "said"),
    [
        ({**GOOD, "input": [1, 2]}, 400, "input", "token ids"),
        ({**GOOD, "input": [[1, 2]]}, 400, "input", "token ids"),
        ({**GOOD, "input": []}, 400, "input", "at least one"),
        ({**GOOD, "input": None}, 400, "input", "a string or a list of strings"),
        ({**GOOD, "input": ["a", 1]}, 400, "input", "a string or a list of strings"),
        ({"model": "tiny"}, 400, "input", "a string or a list of strings"),
        ({"input": "x"}, 400, "model", "required"),
        ({**GOOD, "model": "gpt"}, 404, "model", "'gpt' does not exist"),
        ({**GOOD, "encoding_format": "hex"}, 400, "encoding_format", "base64"),
        ({**GOOD, "dimensions": 5}, 400, "dimensions", "one of 8, 16"),
        ({**GOOD, "input_type": "passage"}, 400, "input_type", "document"),
        ({**GOOD, "input": ["x"] * 65}, 400, "input", "at most 64 texts, got 65"),
        ({**GOOD, "input": ["x", "y" * 1001]}, 400, "input", r"'input\[1\]' .*at most 1000"),
        ({**GOOD, "input": "x" * 200_000}, 413, None, "at most 100000 bytes"),
        (b"{", 400, None, "JSON object"),
        (b"[]", 400, None, "JSON object"),
        (b"", 400, None, "JSON object"),
    ],
)
def test_what_cannot_be_answered_is_told_as_openai_tells_it(server, body, status, param, said):
    got, answer = server.request("POST", "/v1/embeddings", body)
    assert got == status
    error = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert re.search(said, error["message"])


def test_a_body_without_a_length_is_cut_off_at_the_limit(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    pieces = (b'{"input": "' + b"x" * 60_000 for _ in range(2))
    connection.request("POST", "/v1/embeddings", pieces, {"Content-Type": "application/json"}, encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, "bytes" in json.loads(response.read())["error"]["message"]) == (413, True)
    connection.close()


def test_other_addresses(server):
    assert server.request("GET", "/health") == (200, {"status": "ok", "model": "tiny", "dimension": DIMENSION})
    status, models = server.request("GET", "/v1/models")
    assert (status, [model["id"] for model in models["data"]]) == (200, ["tiny"])
    assert server.request("GET", "/v1/models/tiny")[1]["object"] == "model"
    assert server.request("GET", "/v1/models/other")[1]["error"]["code"] == "model_not_found"
    assert server.request("GET", "/absent")[0] == 404
    assert server.request("GET", "/v1/embeddings")[1]["error"]["message"] == "GET is not for this address."


def test_concurrent_requests_get_the_vectors_of_single_ones(server, runtime):
    before = server.metrics()
    requests = [some_texts(1 + number % 5, seed=number) for number in range(120)]
    requests += [[" ".join(some_texts(30, seed=number))] * 5 for number in range(30)]  # encoded in the thread
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(server.vectors, requests))
    for texts, vectors in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(vectors, runtime.encode(texts))
    after = server.metrics()
    batches, texts = (after[f"traceformers_batch_texts_{name}"] - before[f"traceformers_batch_texts_{name}"]
                      for name in ("count", "sum"))  # fmt: skip
    assert texts == sum(map(len, requests))
    assert batches < len(requests)


def test_metrics_count_what_happened(server, runtime):
    name = 'traceformers_requests_total{path="/v1/embeddings",status="200"}'
    before = server.metrics()
    text = "zyx red"
    ids, _ = runtime.tokenizer.encode_flat([text], 512)
    server.embed([text])
    server.embed([text])
    server.request("GET", "/v1/secret")
    after = server.metrics()
    gained = {key: after[key] - before.get(key, 0) for key in after}
    assert gained[name] == 2
    assert gained['traceformers_texts_total{input_type="query"}'] == 2
    assert gained["traceformers_ids_total"] == 2 * len(ids)
    assert gained["traceformers_unknown_ids_total"] == 2 * (len(ids) - 1)
    assert gained["traceformers_cache_hits_total"] == 1
    assert gained["traceformers_cache_misses_total"] == 1
    assert gained['traceformers_request_seconds_count{path="/v1/embeddings"}'] == 2
    assert gained['traceformers_requests_total{path="other",status="404"}'] == 1
    assert not any("secret" in key for key in after)


def test_documents_are_encoded_by_the_teacher_or_refused(tmp_path):
    teacher = tiny_teacher(tmp_path / "teacher")
    folder = encoder_folder(documents="teacher", teacher_name=teacher)
    texts = ["red house", "the river"]
    documents = DocumentEncoder(folder, "cpu")
    with Server(create_app(QueryEncoder(folder), "tiny", documents)) as running:
        np.testing.assert_allclose(
            running.vectors(texts, input_type="document"), documents.teacher.encode_documents(texts), atol=1e-6
        )
        assert np.abs(running.vectors(texts) - running.vectors(texts, input_type="document")).max() > 0.1
    with Server(create_app(QueryEncoder(folder), "tiny", False)) as running:
        status, answer = running.request("POST", "/v1/embeddings", {**GOOD, "input_type": "document"})
        assert (status, answer["error"]["param"]) == (400, "input_type")


def test_documents_of_a_symmetric_encoder_are_as_queries(server):
    np.testing.assert_array_equal(server.vectors("red", input_type="document"), server.vectors("red"))


class FailingEncoder:
    """Fails at every text that says so; is slow at others."""

    dimension, dimensions, normalize, inline_characters = 2, {2}, True, -1

    def __call__(self, texts):
        time.sleep(0.2)
        if "fail" in texts:
            raise RuntimeError("broken")
        return [(np.ones(2, np.float32), 1, 0)] * len(texts)

    def cache_counts(self):
        return 0, 0


def test_a_failure_is_a_500_and_the_service_goes_on():
    with Server(create_app(FailingEncoder(), "tiny")) as running:
        status, answer = running.request("POST", "/v1/embeddings", {**GOOD, "input": "fail"})
        assert (status, answer["error"]["type"]) == (500, "server_error")
        assert running.vectors("fine").shape == (1, 2)


def test_too_many_waiting_texts_are_refused():
    limits = Limits(max_queued_texts=4, max_batch_texts=2)
    with Server(create_app(FailingEncoder(), "tiny", limits=limits)) as running, ThreadPoolExecutor(8) as pool:
        ask = lambda _: running.request("POST", "/v1/embeddings", {**GOOD, "input": ["a", "b"]})  # noqa: E731
        statuses = [status for status, _ in pool.map(ask, range(8))]
    assert set(statuses) == {200, 503}


def test_terminated_it_answers_what_it_has_taken_and_ends_well():
    command = [sys.executable, "-m", "traceformers.apps.serve.serve_commands", str(encoder_folder()), "--port", "0",
               "--name", "tiny"]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = int(re.search(r":(\d+)/v1/embeddings", process.stdout.readline())[1])
        while True:
            try:
                assert request(port, "GET", "/health")[0] == 200
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        # Half a request is on its way when the signal comes; it is read to its end and answered.
        body = json.dumps({"input": "red house", "model": "tiny"}).encode()
        with socket.create_connection(("127.0.0.1", port)) as client:
            head = f"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body[:5])
            time.sleep(0.3)
            os.kill(process.pid, signal.SIGTERM)
            time.sleep(0.3)
            client.sendall(body[5:])
            answer = b""
            while piece := client.recv(65536):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200")
        assert len(json.loads(answer.split(b"\r\n\r\n", 1)[1])["data"]) == 1
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert "stopped" in output
