"""From texts and a teacher to a vocabulary with its vectors and counts; every step goes on where it was killed.

The folder then holds the saved `NgramTokenizer`, `entry_vectors.safetensors` ("vectors", float16 (V, D)),
`entry_counts.safetensors` ("counts", int64 (V,)) and the report, all in the order of ids; and in `work/` the counts and
the vectors of all entries that were ever encoded, so that another choice of entries takes seconds.
"""

import hashlib
import json
import math
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from traceformers.datasets_scripts.distillation.text_files import iterate_texts, list_text_files
from traceformers.tokenization.ngram.ngram_vocabulary import CONTINUATION, FIRST_PIECE, NGRAM, SKIPGRAM, NgramVocabulary
from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer
from traceformers.training.tensor_files import write_tensors
from traceformers.training.vocabulary.entry_embeddings import EntryEmbeddings, entry_vectors
from traceformers.training.vocabulary.entry_selection import (
    SELECTIONS,
    candidates,
    select_ngrams,
    select_pieces,
    select_words,
)
from traceformers.training.vocabulary.ngram_counts import (
    MEMORY_KEYS,
    MEMORY_WORDS,
    count_entries,
    count_ngrams,
    count_skipgrams,
    count_words,
    load_counts,
    save_counts,
    write_word_ids,
)
from traceformers.training.vocabulary.vocabulary_import import import_vocabulary
from traceformers.training.vocabulary.vocabulary_report import vocabulary_report, word_coverage, write_report

UNKNOWN_WORDS = ("pieces", "buckets", "unk")
SPARE = 1.2  # n-grams chosen for each that is wanted: some occur only where longer ones or those before them match
HELD_OUT_ONE_IN, MOST_HELD_OUT = 100, 10_000


@dataclass(frozen=True)
class VocabularyOptions:
    """What a vocabulary is built with.

    Attributes:
        words (`int`): words at most. min_count (`int`): occurrences of a word or n-gram at least.
        ngrams, skipgrams (`int`): how many at most.
        selection (`str`): "count", "gain" or "pmi", see `entry_selection`.
        unknown_words (`str`): "pieces" of the teacher's WordPiece vocabulary, hashed "buckets", or "unk".
        buckets (`int`): how many, for "buckets".
        column (`str`): key or column of the texts.
    """

    words: int = 60_000
    min_count: int = 3
    ngrams: int = 10_000
    skipgrams: int = 0
    selection: str = "gain"
    unknown_words: str = "pieces"
    buckets: int = 4096
    column: str = "text"

    def __post_init__(self):
        for name, choices in (("selection", SELECTIONS), ("unknown_words", UNKNOWN_WORDS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"Expected {name} of {', '.join(choices)}, got {getattr(self, name)!r}. Choose one.")
        for name, least in (("words", 1), ("min_count", 1), ("ngrams", 0), ("skipgrams", 0), ("buckets", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"Expected {name} of at least {least}, got {getattr(self, name)}. Raise it.")


class Corpus:
    """Texts of files, and a small part of them that nothing is counted on.

    Args:
        paths: as of `list_text_files`.
        column (`str`): key or column of the texts.
        heldout (list of paths, *optional*): the other part; one text in `HELD_OUT_ONE_IN` by default.
        progress (`bool`).
    """

    def __init__(self, paths, column="text", heldout=None, progress=True):
        self.files, self.column, self.progress = list_text_files(paths), column, progress
        self.heldout_files = list_text_files(heldout) if heldout else None

    def texts(self, label):
        """Yields the texts that are counted, under a progress bar with this label."""
        texts = iterate_texts(self.files, self.column, label if self.progress else None)
        if self.heldout_files:
            return texts
        return (text for i, text in enumerate(texts, 1) if i % HELD_OUT_ONE_IN or i > HELD_OUT_ONE_IN * MOST_HELD_OUT)

    def heldout(self):
        """Yields at most `MOST_HELD_OUT` texts that are not counted."""
        if self.heldout_files:
            return islice(iterate_texts(self.heldout_files, self.column), MOST_HELD_OUT)
        texts = iterate_texts(self.files, self.column)
        return islice(texts, HELD_OUT_ONE_IN - 1, HELD_OUT_ONE_IN * MOST_HELD_OUT, HELD_OUT_ONE_IN)

    def plan(self, **options):
        """Returns a digest of all that counts depend on: the files, as they are now, and options."""
        files = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in self.files]
        content = [files, bool(self.heldout_files), self.column, sorted(options.items())]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def build_vocabulary(
    corpus, teacher, options, output_dir, batch_size=None, memory_words=MEMORY_WORDS, memory_keys=MEMORY_KEYS
):
    """Builds a vocabulary in `output_dir`; returns the content of its report.json.

    Args:
        corpus (`Corpus`).
        teacher (`Teacher`): see `training/distillation/teacher.py`.
        options (`VocabularyOptions`).
        batch_size (`int`, *optional*): texts that the teacher encodes at a time.
        memory_words, memory_keys (`int`): different words, and n-grams, held in memory before they go to disk.

    Raises:
        ValueError: if pieces are wanted of a teacher that has none, or no word is frequent enough.
    """
    pieces = ((), ())
    if options.unknown_words == "pieces":
        wordpieces = teacher.wordpieces()
        if wordpieces is None:
            raise ValueError(
                f"Expected a teacher with a WordPiece tokenizer for --unknown-words pieces, got {teacher.name}, which "
                "has another kind. Use --unknown-words buckets."
            )
        pieces = select_pieces(sorted(wordpieces, key=wordpieces.get))
    output_dir = Path(output_dir)
    work = output_dir / "work"
    work.mkdir(parents=True, exist_ok=True)
    embeddings = EntryEmbeddings(work / "entries", teacher, batch_size)  # first: it may be another teacher's folder
    counted = _counts(corpus, options, work, memory_words, memory_keys)
    word_counts, ngrams, skipgrams = counted
    words = select_words(word_counts, options.words, options.min_count)
    encode = partial(embeddings.encode, progress="encoding candidates" if corpus.progress else None)
    pool = candidates(ngrams, sum(len(counts) for _, counts in ngrams))
    choose = partial(select_ngrams, selection=options.selection, word_counts=word_counts, words=words, encode=encode)
    chosen = choose(*pool, math.ceil(SPARE * options.ngrams))
    skipping = choose(*skipgrams, math.ceil(SPARE * options.skipgrams), joint=" _ ")
    buckets = options.buckets if options.unknown_words == "buckets" else 0
    vocabulary = NgramVocabulary.assemble(words, *pieces, buckets, chosen.tokens, skipping.tokens)
    vocabulary = _without_unused(vocabulary, corpus, options)
    vectors = entry_vectors(vocabulary, embeddings, "encoding entries" if corpus.progress else None)
    settings = {**asdict(options), "teacher": teacher.fingerprint, "files": [str(file) for file in corpus.files]}
    selected = [
        (name, choice.among(vocabulary.ids)) for name, choice in (("n-grams", chosen), ("skip-grams", skipping))
    ]
    return save_vocabulary(output_dir, vocabulary, vectors, corpus, settings, selected, word_counts)


def save_vocabulary(output_dir, vocabulary, vectors, corpus=None, settings=None, selected=(), word_counts=None):
    """Writes tokenizer, vectors, counts and report of a vocabulary; returns the content of report.json.

    Args:
        vectors (V, D).
        corpus (`Corpus`, *optional*): without one, the counts are 1 for all entries but [PAD].
        settings, selected, word_counts: as of `vocabulary_report`.
    """
    output_dir = Path(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    tokenizer = NgramTokenizer(vocabulary=vocabulary)
    counts, coverage = (np.arange(len(vocabulary)) > 0).astype(np.int64), {}
    if corpus is not None:
        counts = count_entries(tokenizer, corpus.texts("counting ids"), len(vocabulary))
        held_out = word_coverage(vocabulary, tokenizer, corpus.heldout())
        coverage["held-out texts"] = held_out
        if not held_out["words"]:  # fewer texts than one is held out of
            coverage = {
                "the texts themselves": word_coverage(vocabulary, tokenizer, corpus.texts("measuring coverage"))
            }
    settings = settings or {}
    report = vocabulary_report(vocabulary, counts, vectors, coverage, settings, selected, word_counts)
    fingerprint = {"teacher": json.dumps(settings["teacher"])} if "teacher" in settings else None
    write_tensors(output_dir / "entry_vectors.safetensors", {"vectors": np.asarray(vectors, np.float16)}, fingerprint)
    write_tensors(output_dir / "entry_counts.safetensors", {"counts": counts})
    tokenizer.save_pretrained(output_dir)
    write_report(output_dir, report, vocabulary, counts, vectors, word_counts)
    return report


def import_and_save(tokens_file, embeddings_file, output_dir, corpus=None, dimension=None):
    """Imports a vocabulary that was built elsewhere into `output_dir`; returns the content of report.json.

    Arguments as of `import_vocabulary` and `save_vocabulary`.
    """
    vocabulary, vectors = import_vocabulary(tokens_file, embeddings_file, dimension)
    settings = {"tokens": str(tokens_file), "embeddings": str(embeddings_file)}
    return save_vocabulary(output_dir, vocabulary, vectors, corpus, settings)


def _counts(corpus, options, work, memory_words, memory_keys):
    """Returns (`WordCounts`, n-grams, skip-grams), read from `work` if they were counted before."""
    plan = corpus.plan(
        words=options.words, min_count=options.min_count, ngrams=options.ngrams > 0, skipgrams=options.skipgrams > 0
    )
    counted = load_counts(work / "counts.safetensors", plan)
    if counted is not None:
        return counted
    scratch = work / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # of a run that was killed
    scratch.mkdir()
    word_counts = count_words(corpus.texts("counting words"), options.min_count, memory_words, scratch)
    n_words = len(select_words(word_counts, options.words, options.min_count))
    settings = {"n_words": n_words, "min_count": options.min_count, "memory_keys": memory_keys, "folder": scratch}
    settings["progress"] = partial(tqdm, desc="counting n-grams", unit="chunk", disable=not corpus.progress)
    ngrams, skipgrams = [], (np.zeros((0, 2), np.int32), np.zeros(0, np.int64))
    if options.ngrams or options.skipgrams:
        path = write_word_ids(corpus.texts("reading words"), word_counts.words[:n_words], scratch / "word_ids")
        ids = np.memmap(path, np.int32, "r")
        ngrams = count_ngrams(ids, **settings) if options.ngrams else ngrams
        skipgrams = count_skipgrams(ids, **settings) if options.skipgrams else skipgrams
        del ids
    shutil.rmtree(scratch)
    save_counts(work / "counts.safetensors", word_counts, ngrams, skipgrams, plan)
    return word_counts, ngrams, skipgrams


def _without_unused(vocabulary, corpus, options):
    """Returns the vocabulary without what the tokenizer makes too little use of in the corpus.

    Pieces that no word of the corpus needs go, for a row that no training text reaches would stay as the teacher left
    it among rows that moved; single characters stay, so that whatever could be spelled still can be. N-grams and
    skip-grams go that are matched fewer than `min_count` times, then the worst of those that are too many.
    """
    if not options.ngrams + options.skipgrams and options.unknown_words != "pieces":
        return vocabulary
    tokenizer = NgramTokenizer(vocabulary=vocabulary)
    counts = count_entries(tokenizer, corpus.texts("counting matches"), len(vocabulary))
    kinds, keep = np.asarray(vocabulary.kinds), np.ones(len(vocabulary), bool)
    single = np.array([len(token) == 3 for token in vocabulary.tokens])
    keep[np.isin(kinds, (FIRST_PIECE, CONTINUATION)) & ~single & (counts == 0)] = False
    for kind, wanted in ((NGRAM, options.ngrams), (SKIPGRAM, options.skipgrams)):
        ids = np.flatnonzero(kinds == kind)  # the best first
        keep[ids] = False
        keep[ids[counts[ids] >= options.min_count][:wanted]] = True
    return vocabulary.select(keep)[0]
