"""Learns the text half of the vocabulary: a byte-level BPE over exactly the words that the tokenizer will ask for.

Sessions are streamed one by one and only the counts of distinct words are kept, pruned when there are too many,
so memory does not grow with the data. Personal and typed text is replaced before it is counted.
"""

import json
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from .rrweb_envelopes import read_session
from .rrweb_linearizer import SessionLinearizer
from .rrweb_text import LONGEST_WORD, WORD_SEPARATOR, WORDS, TextEncoder
from .rrweb_vocabulary import StructuralVocabulary, build_structural_vocabulary, write_structural_vocabulary

MOST_WORDS = 2_000_000
CHUNK_WORDS = 10_000
MOST_OCCURRENCES = 50_000_000


class WordCounter(TextEncoder):
    """A `TextEncoder` that counts words instead of encoding them; a text counts once a session."""

    def __init__(self, vocabulary, keep_personal_text=False, most_words=MOST_WORDS):
        super().__init__(vocabulary, bpe=None, keep_personal_text=keep_personal_text)
        self.counts, self.session_counts = Counter(), Counter()
        self.most_words = most_words
        self.pruned_below = 1

    def encode_words(self, text):
        self.session_counts.update(word[:LONGEST_WORD] for word in WORDS.findall(text))
        return []

    def begin_pass(self):
        """Forgets what an earlier pass over the session counted: it did not know yet what was typed."""
        self.session_counts.clear()
        self.texts.clear()

    def end_session(self):
        """Adds the session's counts, and drops the rarer half of the words if there are too many.

        Half of them, so that a word of later sessions has time to be seen again.
        """
        self.counts.update(self.session_counts)
        self.begin_pass()
        if len(self.counts) > self.most_words:
            kept = dict(self.counts.most_common(self.most_words // 2))
            most_dropped = max(n for word, n in self.counts.items() if word not in kept)
            self.counts = Counter(kept)
            self.pruned_below = max(self.pruned_below, most_dropped + 1)


def count_words(sessions, vocabulary, keep_typed_text=False, keep_personal_text=False, on_error=None):
    """Returns `(WordCounter, sessions read)` over an iterable of sessions in any accepted form.

    Args:
        sessions (iterable): sessions, or callables that return one (so that a reader's error is caught here).
        vocabulary (`StructuralVocabulary`).
        on_error (`callable`, optional): called with `(index, error)` for a session that cannot be read; without
            it the error is raised.
    """
    counter = WordCounter(vocabulary, keep_personal_text)
    linearizer = SessionLinearizer(vocabulary, counter, keep_typed_text)
    n_read = 0
    for i, session in enumerate(sessions):
        try:
            linearizer.run(read_session(session() if callable(session) else session))
            n_read += 1
        except (ValueError, OSError) as error:
            if on_error is None:
                raise
            on_error(i, error)
            counter.begin_pass()
        counter.end_session()
    return counter, n_read


def learn_bpe(counts, vocab_size=12_000, min_frequency=2):
    """Returns a byte-level BPE (`tokenizers.Tokenizer`) of at most `vocab_size` ids over word counts.

    Every byte has an id, so any text can be encoded. The same counts give the same BPE.

    Raises:
        ValueError: if `vocab_size` cannot hold the 256 bytes.
    """
    if vocab_size < 256:
        raise ValueError(f"Expected text_vocab_size >= 256, got {vocab_size}: every byte needs an id.")
    scale = max(1.0, sum(counts.values()) / MOST_OCCURRENCES)
    words = sorted(counts)

    def chunks():
        row = []
        for word in words:
            row += [word] * max(1, round(counts[word] / scale))
            if len(row) >= CHUNK_WORDS:
                yield WORD_SEPARATOR.join(row)
                row = []
        yield WORD_SEPARATOR.join(row)

    bpe = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(WORD_SEPARATOR, "removed"), byte_level])
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=min_frequency,
        special_tokens=[],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        max_token_length=24,
        show_progress=False,
    )
    bpe.train_from_iterator(chunks(), trainer)
    bpe.pre_tokenizer = byte_level
    return bpe


def vocabulary_report(bpe, counter, n_sessions, structural_size):
    """Returns what a reader wants to know of the learned vocabulary, JSON-safe.

    `tokens_per_word` is weighted by how often a word was seen.
    """
    counts = counter.counts
    n_words = sum(counts.values())
    sizes = [len(e.ids) for e in bpe.encode_batch(list(counts), add_special_tokens=False)] if counts else []
    n_tokens = sum(size * n for size, n in zip(sizes, counts.values(), strict=True))
    whole = sum(n for size, n in zip(sizes, counts.values(), strict=True) if size == 1)
    vocab = bpe.get_vocab()
    longest = sorted(vocab, key=lambda token: (-len(token), token))[:20]
    return {
        "sessions": n_sessions,
        "structural_vocab_size": structural_size,
        "text_vocab_size": len(vocab),
        "vocab_size": structural_size + len(vocab),
        "distinct_words": len(counts),
        "words": n_words,
        "words_dropped_below_count": counter.pruned_below if counter.pruned_below > 1 else 0,
        "tokens_per_word": round(n_tokens / n_words, 4) if n_words else 0.0,
        "share_of_words_with_one_token": round(whole / n_words, 4) if n_words else 0.0,
        "most_frequent_words": [[word, n] for word, n in counts.most_common(50)],
        "longest_tokens": longest,
    }


def write_vocabulary(folder, bpe, structural_size=520, report=None):
    """Writes `structural_vocab.json`, `text_bpe.json` and, if given, `vocabulary_report.json` into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_structural_vocabulary(folder / "structural_vocab.json", structural_size)
    bpe.save(str(folder / "text_bpe.json"))
    if report is not None:
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (folder / "vocabulary_report.json").write_text(text, encoding="utf-8")


def structural_vocabulary(size=520):
    """Returns the `StructuralVocabulary` of the given size."""
    return StructuralVocabulary(build_structural_vocabulary(size))
