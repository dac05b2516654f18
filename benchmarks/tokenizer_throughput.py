"""Claim: raw JSON to ids at 0.4 times the speed of `orjson.loads` alone, or better, on one core, cold.

    python benchmarks/tokenizer_throughput.py datasets_scripts/rrweb_sessions/samples --tokenizer runs/tokenizer

File by file, both in turn, so that a machine that slows down slows both. Cold: every repeat starts with a tokenizer
that has seen nothing. Python's garbage collector is as by default for both; the tokenizer pauses it for each session,
and what orjson would do with it paused is printed too. Prints one JSON line.
"""

import argparse
import gc
import gzip
import json
import resource
import statistics
import sys
import time

import orjson

from traceformers.datasets_scripts.rrweb_sessions.session_files import list_session_files
from traceformers.tokenization.rrweb import rrweb_json
from traceformers.tokenization.rrweb.rrweb_envelopes import read_session
from traceformers.tokenization.rrweb.tokenization_rrweb import RRWebTokenizer


def loads_without_collector(text):
    """Returns what `orjson.loads` gives, parsed with the garbage collector paused."""
    gc.disable()
    try:
        return orjson.loads(text)
    finally:
        gc.enable()


def seconds(function, argument):
    """Returns (processor seconds of one call, its result)."""
    started = time.process_time()
    result = function(argument)
    return time.process_time() - started, result


def measure(texts, tokenizer_folder):
    """Returns seconds of orjson, of orjson without the collector, of reading and of tokenizing, and the tokens."""
    tokenizer = RRWebTokenizer.from_pretrained(tokenizer_folder)
    parse = paused = read = tokenize = tokens = 0.0
    for text in texts:
        parse += seconds(orjson.loads, text)[0]
        paused += seconds(loads_without_collector, text)[0]
        took, tokenized = seconds(tokenizer.tokenize_session, text)
        tokenize += took
        tokens += len(tokenized)
        read += seconds(read_session, text)[0]
    return parse, paused, read, tokenize, tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", help="folders, files or globs of recordings")
    parser.add_argument("--tokenizer", required=True, help="folder of a saved RRWebTokenizer")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    texts = [read_session_text(files) for files in list_session_files(args.data)]
    megabytes = sum(map(len, texts)) / 1e6
    runs = [measure(texts, args.tokenizer) for _ in range(args.repeats)]
    ratios = [parse / tokenize for parse, _, _, tokenize, _ in runs]
    parse, paused, read, tokenize, tokens = (statistics.median(column) for column in zip(*runs, strict=True))
    record = {
        "benchmark": "tokenizer_throughput",
        "command": "python " + " ".join(sys.argv),
        "files": len(texts),
        "megabytes": round(megabytes, 1),
        "orjson_mb_per_s": round(megabytes / parse, 1),
        "orjson_without_collector_mb_per_s": round(megabytes / paused, 1),
        "read_mb_per_s": round(megabytes / read, 1),
        "tokenize_mb_per_s": round(megabytes / tokenize, 1),
        "ratio_to_orjson": round(statistics.median(ratios), 3),
        "ratio_min_max": [round(min(ratios), 3), round(max(ratios), 3)],
        "tokens_per_kilobyte": round(tokens / megabytes / 1000, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "json_library": "msgspec" if rrweb_json.msgspec is not None else "json",
    }
    print(json.dumps(record))


def read_session_text(files):
    """Returns the decompressed bytes of a session's first file."""
    content = files.read()[0]
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


if __name__ == "__main__":
    main()
