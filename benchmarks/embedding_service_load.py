"""Claim: the embedding service answers single queries at the pace of HTTP, and batches at the pace of the encoder.

    python benchmarks/embedding_service_load.py runs/quickstart/model --texts queries.txt --concurrency 1 8 32

Real HTTP over the loopback interface: the service is a process of its own, started as users start it; the clients keep
their connections open and share a third process. They write HTTP by hand in one event loop: clients in threads waited
for each other more than for the service. Each level of concurrency runs for some seconds after a
warm-up of its own. Latencies are what a client sees, from sending to the last byte. Prints one JSON line.
"""

import argparse
import asyncio
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

WARM_UP_SECONDS = 0.5
HEAD = b"POST /v1/embeddings HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
PERCENTILES = (50, 95, 99)
WORDS = "how what is the of in a river bank new york weather symptoms cost define meaning history water".split()


def start(repository, threads, cache_size):
    """Returns the process of the service and its port, after it answers."""
    command = [sys.executable, "-m", "traceformers.apps.serve.serve_commands", repository, "--port", "0"]
    command += ["--threads", str(threads), "--cache-size", str(cache_size), "--name", "model"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found = re.search(r":(\d+)/v1/embeddings", process.stdout.readline())
    if found is None:
        raise RuntimeError(f"The service did not start; it ended with {process.wait()}.")
    port = int(found[1])
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return process, port
        except ConnectionRefusedError:
            time.sleep(0.05)


async def ask(port, bodies, offset, seconds):
    """Returns (latencies in seconds, number of failures) of one client that asks again as soon as it is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies, failures, number = [], 0, offset
    begun = time.perf_counter()
    while (now := time.perf_counter()) < begun + WARM_UP_SECONDS + seconds:
        body = bodies[number % len(bodies)]
        writer.write(HEAD % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(LENGTH.search(head)[1]))
        failures += not head.startswith(b"HTTP/1.1 200 ")
        if now >= begun + WARM_UP_SECONDS:
            latencies.append(time.perf_counter() - now)
        number += 1
    writer.close()
    return latencies, failures


def load(port, bodies, concurrency, seconds):
    """Returns what `concurrency` clients saw: latencies of all, and failures. It runs in a process of its own."""

    async def clients():
        step = max(len(bodies) // concurrency, 1)
        return await asyncio.gather(*(ask(port, bodies, client * step, seconds) for client in range(concurrency)))

    done = asyncio.run(clients())
    return [latency for latencies, _ in done for latency in latencies], sum(failures for _, failures in done)


def batches(port):
    """Returns (texts, batches) encoded since the service started."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    return tuple(
        float(re.search(rf"^traceformers_batch_texts_{name} (.+)$", text, re.M)[1]) for name in ("sum", "count")
    )


def cpu_seconds(pid):
    """Returns the processor seconds of a process so far; None where the system does not tell."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(process, port, bodies, concurrency, seconds, texts_per_request):
    """Returns one row of the result: a level of concurrency."""
    before, cpu = batches(port), cpu_seconds(process.pid)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        latencies, failures = pool.submit(load, port, bodies, concurrency, seconds).result()
    after, used = batches(port), cpu_seconds(process.pid)
    cuts = statistics.quantiles(latencies, n=100)
    requests = (after[0] - before[0]) / texts_per_request
    return {
        "concurrency": concurrency,
        "requests": len(latencies),
        "failures": failures,
        "requests_per_s": round(len(latencies) / seconds, 1),
        "texts_per_s": round(len(latencies) * texts_per_request / seconds, 1),
        **{f"p{percent}_ms": round(1000 * cuts[percent - 1], 3) for percent in PERCENTILES},
        "texts_per_batch": round((after[0] - before[0]) / max(after[1] - before[1], 1), 2),
        "server_cpu_ms_per_request": None if used is None else round(1000 * (used - cpu) / max(requests, 1), 3),
    }


def encode_microseconds(model, texts, texts_per_request):
    """Returns the median microseconds of one request's texts through the encoder alone, without a cache."""
    from traceformers.apps.serve.query_encoder import QueryEncoder  # not in the clients' process
    from traceformers.training.model_files import model_folder

    encoder, took = QueryEncoder(model_folder(model), cache_size=0), []
    for first in range(0, min(len(texts), 2000), texts_per_request):
        started = time.perf_counter()
        encoder(texts[first : first + texts_per_request])
        took.append(time.perf_counter() - started)
    return 1e6 * statistics.median(took)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder or Hub id of an n-gram encoder")
    parser.add_argument("--texts", help="file with one text a line [default: made-up queries]")
    parser.add_argument("--texts-per-request", type=int, default=1)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache-size", type=int, default=0, help="0 measures encoding, not remembering")
    parser.add_argument("--encoding-format", choices=["float", "base64"], default="base64")
    args = parser.parse_args()
    if args.texts:
        with open(args.texts, encoding="utf-8") as file:
            texts = [line.strip() for line in file if line.strip()]
    else:
        texts = [" ".join(WORDS[(i * 7 + j * (i % 5 + 1)) % len(WORDS)] for j in range(8)) for i in range(5000)]
    size = args.texts_per_request
    groups = [texts[first : first + size] for first in range(0, len(texts) - size + 1, size)]
    bodies = [
        json.dumps({"input": group, "model": "model", "encoding_format": args.encoding_format}).encode()
        for group in groups
    ]
    process, port = start(args.model, args.threads, args.cache_size)
    try:
        rows = [measure(process, port, bodies, level, args.seconds, size) for level in args.concurrency]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    record = {
        "benchmark": "embedding_service_load",
        "command": "python " + " ".join(sys.argv),
        "texts_per_request": size,
        "threads": args.threads,
        "encoding_format": args.encoding_format,
        "cache_size": args.cache_size,
        "encode_alone_us": round(encode_microseconds(args.model, texts, size), 1),
        "levels": rows,
        "exit_code": process.returncode,
    }
    print(json.dumps(record))


if __name__ == "__main__":
    main()
