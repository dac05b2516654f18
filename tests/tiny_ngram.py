"""Vocabularies small enough to read: with pieces, with buckets, and with neither for unknown words."""

import tempfile
from functools import cache
from pathlib import Path

from hypothesis import strategies as st

from traceformers.tokenization.ngram.ngram_vocabulary import assemble
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

WORDS = "new york city times more than a b c d don't cafe big the of in o'clock \u6771 \u4eac stra\u00dfe".split()
NGRAMS = "new york|new york city|new york city times|a b c d|b c|the big|in the|\u6771 \u4eac|more than".split("|")
SKIPGRAMS = "more _ than|a _ c|c _ a|the _ city|new _ city|\u6771 _ the".split("|")
FIRST_PIECES = "w wa walk un s st \u00f8 \u0436 \u0436\u0438 p y new do 1 x".split()
CONTINUATIONS = "a l k king ing s 's 't '  \u0436 \u0438 \u00f8 e r 2 23 x".split()
N_BUCKETS = 7
FALLBACKS = ("pieces", "buckets", "neither")

# Any text, and texts that often hold the words above.
ANY_TEXT = st.text(st.characters(), max_size=60)
_pieces = [*WORDS, *(piece for group in NGRAMS for piece in group.split()), "walking", "un'sk", "x1xx", "\u0436\u0438"]
FAMILIAR_TEXT = st.lists(
    st.one_of(st.sampled_from(_pieces), st.sampled_from([" ", " ", "  ", "'", "\u2019", ", ", "\0", "-", "\u0301"])),
    max_size=40,
).map("".join)
SPACED_TEXT = st.lists(st.sampled_from([*WORDS, "walking", "zzz"]), max_size=40).map(" ".join)
TEXTS = st.one_of(ANY_TEXT, FAMILIAR_TEXT, SPACED_TEXT)

_folder = tempfile.TemporaryDirectory(prefix="tiny-ngram-")


@cache
def tiny_vocabulary(fallback="pieces"):
    """Returns an `NgramVocabulary`; `fallback` says what unknown words become: "pieces", "buckets" or "neither"."""
    spelled = {"first_pieces": FIRST_PIECES, "continuations": CONTINUATIONS} if fallback == "pieces" else {}
    buckets = N_BUCKETS if fallback == "buckets" else 0
    return assemble(WORDS, **spelled, buckets=buckets, ngrams=NGRAMS, skipgrams=SKIPGRAMS)


@cache
def tokenizer_folder(fallback="pieces", **options):
    """Returns a folder that a tokenizer with the tiny vocabulary was saved to."""
    folder = Path(_folder.name) / "-".join(map(str, (fallback, *sorted(options.items()))))
    NgramTokenizer(vocabulary=tiny_vocabulary(fallback), **options).save_pretrained(folder)
    return folder


@cache
def tiny_tokenizer(fallback="pieces", back_end=None):
    """Returns the tokenizer of `tokenizer_folder`."""
    return NgramTokenizer.from_pretrained(tokenizer_folder(fallback), back_end=back_end)
