"""transformers' own tokenizer tests on NgramTokenizer: `make test-upstream`."""

import shutil
import unittest
from importlib import import_module
from pathlib import Path

from tiny_ngram import tokenizer_folder
from upstream.upstream_sources import upstream_tests

from traceformers.tokenization.ngram.tokenization_ngram import NgramTokenizer

upstream_tests(Path(__file__).parents[2] / "build" / "upstream")
common = import_module("transformers_tests.test_tokenization_common")


class NgramTokenizerUpstreamTest(common.TokenizerTesterMixin, unittest.TestCase):
    tokenizer_class = NgramTokenizer
    rust_tokenizer_class = None
    test_rust_tokenizer = False
    test_tokenizer_from_extractor = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        shutil.copytree(tokenizer_folder(), cls.tmpdirname, dirs_exist_ok=True)
        cls.tokenizers_list = [(cls.tokenizer_class, cls.tmpdirname, {})]

    @classmethod
    def get_tokenizer(cls, pretrained_name=None, **kwargs):
        # By default a text is text, and "[PAD]" in it a word in brackets; the common tests ask for the usual way.
        return super().get_tokenizer(pretrained_name, **{"split_special_tokens": False, **kwargs})

    @unittest.skip(
        "a vocabulary is a file, and the back end is a machine's, not a repository's: neither is in the config"
    )
    def test_tokenizer_store_full_signature(self):
        pass
