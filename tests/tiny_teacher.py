"""A real SentenceTransformer small enough for a test: a random Bert of one layer with WordPiece and pooling.

Weights depend on nothing but the seed, so two folders made with the same arguments hold the same teacher.
"""

import string
import tempfile

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = tuple("the of and in to is red green blue cat dog house bank river street search water new york".split())
ENDINGS = ("##ing", "##ed", "##er", "##ly", "##est", "##ness")


def wordpieces():
    """Returns the tokens of the tiny teacher in id order: specials, characters, continuations, words and endings."""
    characters = string.ascii_lowercase + string.digits + "éü東.,!?'-"
    return [*SPECIALS, *characters, *(f"##{c}" for c in characters if c.isalnum()), *WORDS, *ENDINGS]


def tiny_tokenizer(model_max_length=64):
    """Returns a WordPiece `PreTrainedTokenizerFast` over `wordpieces()`, lower-casing and with [CLS] and [SEP]."""
    vocabulary = {token: i for i, token in enumerate(wordpieces())}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    specials = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=specials)
    named = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=model_max_length, **named)


def tiny_teacher(folder, dimension=16, pooling="mean", normalize=True, seed=0):
    """Returns `folder`, in which a SentenceTransformer is saved, as str.

    Args:
        folder (`str` or `os.PathLike`): made if missing.
        dimension (`int`): width of its vectors; a multiple of 2.
        pooling (`str`): "mean", "cls" or another mode of sentence-transformers' `Pooling`.
        normalize (`bool`): end with `Normalize` (then its similarity is the cosine, otherwise the dot product).
        seed (`int`): of the random weights.
    """
    config = BertConfig(
        vocab_size=len(wordpieces()),
        hidden_size=dimension,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=2 * dimension,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    with tempfile.TemporaryDirectory() as bert:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            BertModel(config).save_pretrained(bert)
        tiny_tokenizer().save_pretrained(bert)
        modules = [Transformer(bert, max_seq_length=64), Pooling(dimension, pooling_mode=pooling)]
    similarity = "cosine" if normalize else "dot"
    teacher = SentenceTransformer(
        modules=[*modules, *([Normalize()] if normalize else [])], device="cpu", similarity_fn_name=similarity
    )
    teacher.save(str(folder), create_model_card=False)
    return str(folder)
