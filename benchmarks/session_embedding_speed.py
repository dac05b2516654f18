"""Claim: raw JSON to a session's vector at 4 times the sessions per second of the same encoder window by window.

    python benchmarks/session_embedding_speed.py runs/sessions/model datasets_scripts/rrweb_sessions/samples

The other side calls the encoder as a user would without packing: each window of a session by itself, padded to the
longest, then the mean of the same tokens. Both read the same raw JSON with the same tokenizer, batch by batch in turn,
so that a machine that slows down slows both; their vectors must agree. On one thread of a CPU the clock is the
processor's, else the wall's. Where the time goes is printed too. Prints one JSON line.
"""

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np
import orjson
import torch
from sentence_transformers import SentenceTransformer

from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session


class Clock:
    """Adds up seconds by name; of the processor, or of the wall when several threads or a GPU are at work."""

    def __init__(self, device, threads):
        self.device, self.seconds = device, {}
        self.now = time.process_time if device == "cpu" and threads == 1 else time.perf_counter

    def run(self, name, function, *arguments):
        """Returns the result of a call, and adds its time to `name`."""
        started = self.now()
        result = function(*arguments)
        if self.device != "cpu":
            torch.cuda.synchronize()
        self.seconds[name] = self.seconds.get(name, 0.0) + self.now() - started
        return result


@torch.inference_mode()
def window_by_window(model, text):
    """Returns the vector of one session, float32 (D,): every window alone in a batch, padded to the longest."""
    encoder = model[0]
    tokenizer, device = encoder.tokenizer, model.device
    session = tokenizer.tokenize_session(text)
    own, position = encoder.parts(session), 0
    rows = tokenizer.windows(
        session, max_length=encoder.max_seq_length, padding="max_length", return_header_lengths=True
    )
    sums = counts = 0
    windows = list(zip(rows["input_ids"], rows["attention_mask"], rows["header_lengths"], strict=True))
    read = []
    for ids, mask, start in windows:
        ids = np.asarray(ids[: sum(mask)])
        body = len(ids) - 1 - start
        read.append((ids, encoder.window_parts(ids, start, own[position : position + body])))
        position += body
    for (ids, mask, _), chosen in zip(windows, encoder.pooled(read), strict=True):
        outputs = encoder.model(
            input_ids=torch.tensor([ids], device=device),
            attention_mask=torch.tensor([mask], device=device),
            output_hidden_states=encoder.n_parts > 1,
        )
        hidden = outputs.last_hidden_state[0].float()
        if encoder.n_parts > 1:
            hidden = torch.cat([outputs.hidden_states[0][0].float(), hidden], dim=-1)
        weights = torch.from_numpy(chosen).float().to(device)
        sums, counts = sums + weights @ hidden[: sum(mask)], counts + weights.sum(1, keepdim=True)
    means = (sums / counts.clamp(min=1))[None]
    if encoder.n_parts > 1:
        means = encoder.centres(means) / (2 * encoder.n_parts) ** 0.5
    elif encoder.normalize:
        means = torch.nn.functional.normalize(means, dim=-1)
    features = {"sentence_embedding": means.flatten(1)}
    for module in list(model)[1:]:
        features = module(features)
    return features["sentence_embedding"][0].float().cpu().numpy()


def measure(model, reference, texts, batch_size, clock):
    """Returns the vectors of both ways, each (sessions, D), read batch by batch in turn."""
    packed, padded = [], []
    for start in range(0, len(texts), batch_size):
        batch = texts[start : start + batch_size]
        packed.append(
            clock.run("packed", lambda batch=batch: model.encode(batch, batch_size=batch_size, show_progress_bar=False))
        )
        padded.append(
            clock.run("window_by_window", lambda batch=batch: [window_by_window(reference, text) for text in batch])
        )
        # the parts of the packed way, once more by themselves
        clock.run("orjson", lambda batch=batch: [orjson.loads(text) for text in batch])
        clock.run("read", lambda batch=batch: [read_session(text) for text in batch])
        clock.run(
            "read_and_tokenize", lambda batch=batch: [model[0].tokenizer.tokenize_session(text) for text in batch]
        )
        features = clock.run("preprocess", model[0].preprocess, batch)
        features = {name: values.to(model.device) for name, values in features.items()}
        with torch.inference_mode():
            clock.run("forward", model.forward, features)
    return np.concatenate(packed), np.concatenate(padded).reshape(len(texts), -1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="folder that SentenceTransformer loads, of a session encoder")
    parser.add_argument("data", nargs="+", help="folders, files or globs of recordings")
    parser.add_argument("--pooling", help="what is averaged, in place of what the folder says; leaves a projection out")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true", help="the packed way in half precision, the other in single")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=32, help="sessions that are packed together")
    parser.add_argument("--sessions", type=int, help="so many of them, evenly spaced [all]")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = reference = loaded(args.model, args, torch.float32)
    if args.bfloat16:
        model = loaded(args.model, args, torch.bfloat16)
    files = list_session_files(args.data)
    if args.sessions is not None and args.sessions < len(files):
        files = [files[i * len(files) // args.sessions] for i in range(args.sessions)]
    texts = [recording_text(file) for file in files]
    model.encode(texts[:2], show_progress_bar=False)
    runs = []
    for _ in range(args.repeats):
        clock = Clock(args.device, args.threads)
        packed, padded = measure(model, reference, texts, args.batch_size, clock)
        cosines = (packed * padded).sum(1) / (np.linalg.norm(packed, axis=1) * np.linalg.norm(padded, axis=1))
        runs.append(clock.seconds | {"least_cosine": float(cosines.min())})
    median = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    tokens = [len(model[0].tokenizer.tokenize_session(text)) for text in texts]
    record = {
        "benchmark": "session_embedding_speed",
        "command": "python " + " ".join(sys.argv),
        "sessions": len(texts),
        "megabytes": round(sum(map(len, texts)) / 1e6, 1),
        "tokens": sum(tokens),
        "window": model[0].max_seq_length,
        "pooling": model[0].pooling,
        "packed_precision": "bfloat16" if args.bfloat16 else "float32",
        "device": args.device,
        "threads": args.threads,
        "cores": os.cpu_count(),
        "packed_sessions_per_s": round(len(texts) / median["packed"], 2),
        "window_by_window_sessions_per_s": round(len(texts) / median["window_by_window"], 2),
        "times": round(median["window_by_window"] / median["packed"], 2),
        "times_of_each_repeat": [round(run["window_by_window"] / run["packed"], 2) for run in runs],
        "least_cosine_between_both": round(median["least_cosine"], 6),
        "seconds": {name: round(value, 3) for name, value in median.items() if name != "least_cosine"},
    }
    print(json.dumps(record), flush=True)


def loaded(folder, args, dtype):
    """Returns the encoder of a folder in a precision; with --pooling without what follows the means."""
    kwargs = {"model_kwargs": {"dtype": dtype}}
    model = SentenceTransformer(folder, trust_remote_code=True, device=args.device, **kwargs)
    if args.pooling is None:
        return model
    encoder = model[0]
    encoder = type(encoder)(encoder.model, encoder.tokenizer, encoder.max_seq_length, pooling=args.pooling)
    return SentenceTransformer(modules=[encoder], device=args.device)


def recording_text(files):
    """Returns the decompressed JSON of one recording, as `bytes`."""
    import gzip

    (content,) = files.read()
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


if __name__ == "__main__":
    main()
