"""The feed model under transformers' own common tests for models and configurations: `make test-upstream`."""

import copy
import json
import unittest
from pathlib import Path

import torch
from upstream.upstream_sources import upstream_tests

from traceformers.modeling.productive_feed.configuration_productive_feed import ProductiveFeedConfig
from traceformers.modeling.productive_feed.modeling_productive_feed import ProductiveFeedModel

upstream_tests(Path(__file__).resolve().parents[2] / "build" / "upstream")

from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import ModelTesterMixin, ids_tensor, random_attention_mask  # noqa: E402

ENCODER = {
    "model_type": "bert",
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 64,
}
FIELDS = {
    # As JSON has it, which is what the common tests compare with.
    "encoder_config": json.loads(ProductiveFeedConfig(encoder_config=ENCODER).to_json_string())["encoder_config"],
    "categories": ["Work", "Games"],
    "event_size": 16,
    "activity_hidden_size": 16,
    "film_hidden_size": 8,
    "head_hidden_size": 8,
}


class ProductiveFeedTester:
    """What the common tests ask of a model: its size, a config and inputs."""

    batch_size, seq_length, is_training = 3, 12, True
    hidden_size, num_hidden_layers, num_attention_heads, vocab_size = 32, 2, 4, 60

    def __init__(self, fields):
        self.fields = fields

    def get_config(self):
        return ProductiveFeedConfig(**copy.deepcopy(self.fields))

    def prepare_config_and_inputs_for_common(self):
        B, E = self.batch_size, 5
        inputs = {
            "input_ids": ids_tensor([B, self.seq_length], self.vocab_size),
            "attention_mask": random_attention_mask([B, self.seq_length]),
            "numbers": torch.rand(B, 10),
        }
        if self.fields.get("use_activity", True):
            inputs |= {
                "event_vectors": torch.rand(B, E, self.hidden_size),
                "event_numbers": torch.rand(B, E, 2) * 100,
                "event_categories": ids_tensor([B, E], 3),
                "event_mask": random_attention_mask([B, E]),
            }
        return self.get_config(), inputs


class ProductiveFeedTests(ModelTesterMixin):
    """The common tests, without those for which a feed model has nothing to show."""

    all_model_classes = (ProductiveFeedModel,)
    test_torch_exportable = False
    has_attentions = False
    fields = FIELDS

    def setUp(self):
        self.model_tester = ProductiveFeedTester(self.fields)
        self.config_tester = ConfigTester(
            self,
            config_class=ProductiveFeedConfig,
            has_text_modality=False,  # the words are the encoder's
            common_properties=["text_size"],
            **copy.deepcopy(self.fields),
        )

    def test_config(self):
        self.config_tester.run_common_tests()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = copy.deepcopy(inputs_dict)
        if return_labels:
            inputs["labels"] = torch.ones(self.model_tester.batch_size, 2)
        return inputs

    def test_hidden_states_output(self):
        self.skipTest("by design what comes out is two logits a video, not a state a position")

    def test_retain_grad_hidden_states_attentions(self):
        self.skipTest("by design what comes out is two logits a video, not a state a position")


class ProductiveFeedUpstreamTest(ProductiveFeedTests, unittest.TestCase):
    """The hybrid model."""


class ProductiveFeedLinearUpstreamTest(ProductiveFeedTests, unittest.TestCase):
    """The linear model."""

    fields = {**FIELDS, "head": "linear"}  # noqa: RUF012


class ProductiveFeedTokenUpstreamTest(ProductiveFeedTests, unittest.TestCase):
    """Activity as a token of the text."""

    fields = {**FIELDS, "activity_fusion": "token"}  # noqa: RUF012


class ProductiveFeedBaseUpstreamTest(ProductiveFeedTests, unittest.TestCase):
    """The model of text and numbers."""

    fields = {**FIELDS, "use_activity": False}  # noqa: RUF012
