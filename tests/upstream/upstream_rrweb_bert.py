"""RRWebBERT under transformers' own common tests for models and configurations: `make test-upstream`.

Not collected by `make test`: the tests are downloaded, and what they ask for changes with transformers.
"""

import copy
import unittest
from pathlib import Path

import torch
from upstream.upstream_sources import upstream_tests

from traceformers import (
    RRWebBertConfig,
    RRWebBertForMaskedLM,
    RRWebBertForNextAction,
    RRWebBertForSequenceClassification,
    RRWebBertModel,
)

upstream_tests(Path(__file__).resolve().parents[2] / "build" / "upstream")

from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import ModelTesterMixin, ids_tensor, random_attention_mask  # noqa: E402


class RRWebBertTester:
    """What the common tests ask of a model: its size, a config and inputs."""

    batch_size, seq_length, is_training = 3, 12, True
    hidden_size, num_hidden_layers, num_attention_heads, vocab_size = 32, 2, 4, 600

    def get_config(self):
        return RRWebBertConfig(
            vocab_size=self.vocab_size,
            structural_vocab_size=520,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=37,
            max_position_embeddings=64,
            num_labels=3,
        )

    def prepare_config_and_inputs_for_common(self):
        shape = [self.batch_size, self.seq_length]
        ids = ids_tensor(shape, self.vocab_size)
        types = (ids >= 520).long()  # needed beside inputs_embeds, which do not tell
        mask = random_attention_mask(shape)
        return self.get_config(), {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


class RRWebBertUpstreamTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (
        RRWebBertModel,
        RRWebBertForMaskedLM,
        RRWebBertForSequenceClassification,
        RRWebBertForNextAction,
    )
    test_torch_exportable = False

    def setUp(self):
        self.model_tester = RRWebBertTester()
        self.config_tester = ConfigTester(self, config_class=RRWebBertConfig, hidden_size=48)

    def test_config(self):
        self.config_tester.run_common_tests()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        """Returns the inputs with labels of the right shape: upstream knows only its own classes' names."""
        inputs = copy.deepcopy(inputs_dict)
        if return_labels and model_class is RRWebBertForMaskedLM:
            inputs["labels"] = torch.zeros_like(inputs["input_ids"])
        elif return_labels and model_class is RRWebBertForSequenceClassification:
            inputs["labels"] = torch.zeros(len(inputs["input_ids"]), dtype=torch.long)
        elif return_labels and model_class is RRWebBertForNextAction:
            inputs["labels"] = torch.zeros((len(inputs["input_ids"]), 2), dtype=torch.long)
        return inputs

    def only_heads(self, test, *arguments, **options):
        """Runs an upstream test on the classes that have a loss."""
        self.all_model_classes = tuple(cls for cls in self.all_model_classes if cls is not RRWebBertModel)
        test(*arguments, **options)

    def test_training(self):
        self.only_heads(super().test_training)

    def check_training_gradient_checkpointing(self, *arguments, **options):
        self.only_heads(super().check_training_gradient_checkpointing, *arguments, **options)

    def test_model_get_set_embeddings(self):
        self.skipTest("by design the input embeddings are two tables in one module and no torch.nn.Embedding")

    def test_resize_tokens_embeddings(self):
        self.skipTest("by design new ids, which are text, start at the mean of the text vectors and not of all")

    def test_resize_embeddings_untied(self):
        self.skipTest("by design new ids, which are text, start at the mean of the text vectors and not of all")
