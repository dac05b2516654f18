"""A text encoder made on the spot, for where no other is installed: every word a random vector, a text their mean.

Texts with the same words are near each other, which is enough to show how the feed works. It is an n-gram encoder like
any other, with random weights and the words of the texts it is made for.
"""

from collections import Counter
from pathlib import Path

MOST_WORDS = 8_000
BUCKETS = 512
WIDTH = 128


def write_word_encoder(folder, texts, seed=0):
    """Returns `folder`, in which an encoder of the words of some texts is saved with its tokenizer.

    Args:
        folder (`os.PathLike`). texts (iterable of `str`). seed (`int`): of the vectors.
    """
    import torch

    from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
    from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
    from traceformers.tokenization.ngram.ngram_normalization import words_of
    from traceformers.tokenization.ngram.ngram_vocabulary import NgramVocabulary
    from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

    counts = Counter(word for text in texts for word in words_of(text))
    words = sorted(sorted(counts), key=lambda word: -counts[word])[:MOST_WORDS]
    vocabulary = NgramVocabulary.assemble(words, buckets=BUCKETS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = NgramEncoderConfig(vocab_size=len(vocabulary.tokens), hidden_size=WIDTH, initializer_range=0.5)
        model = NgramEncoderModel(config).eval()
    model.fold().save_pretrained(folder)
    NgramTokenizer(vocabulary=vocabulary).save_pretrained(folder)
    return Path(folder)
