"""The trimodal model under transformers' own common tests for models and configurations: `make test-upstream`.

Not collected by `make test`: the tests are downloaded, and what they ask for changes with transformers.
"""

import copy
import unittest
from pathlib import Path

import torch
from tiny_trimodal import IMAGE_SIZE, tiny_config
from upstream.upstream_sources import upstream_tests

from traceformers.modeling.rrweb_bert.configuration_rrweb_trimodal import RRWebTrimodalConfig
from traceformers.modeling.rrweb_bert.modeling_rrweb_trimodal import RRWebTrimodalModel

upstream_tests(Path(__file__).resolve().parents[2] / "build" / "upstream")

from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import (  # noqa: E402
    ModelTesterMixin,
    floats_tensor,
    ids_tensor,
    random_attention_mask,
)


class RRWebTrimodalTester:
    """What the common tests ask of a model: its size, a config and inputs."""

    batch_size, seq_length, is_training = 3, 12, True
    hidden_size, num_hidden_layers, num_attention_heads = 16, 2, 2

    def get_config(self):
        return tiny_config()

    def prepare_config_and_inputs_for_common(self):
        config = self.get_config()
        shape = [self.batch_size, self.seq_length]
        ids = ids_tensor(shape, config.rrweb_config.vocab_size)
        inputs = {
            "input_ids": ids,
            "attention_mask": random_attention_mask(shape),
            "token_type_ids": (ids >= config.rrweb_config.structural_vocab_size).long(),
            "text_input_ids": ids_tensor(shape, config.text_config.vocab_size),
            "text_attention_mask": random_attention_mask(shape),
            "pixel_values": floats_tensor([self.batch_size, 3, IMAGE_SIZE, IMAGE_SIZE]),
        }
        return config, inputs


class RRWebTrimodalUpstreamTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (RRWebTrimodalModel,)
    test_torch_exportable = False
    test_resize_embeddings = False  # the vocabulary is the rrweb encoder's, which has tests of its own
    has_attentions = False  # three encoders: what each attends to is asked of each
    _is_composite = True

    def setUp(self):
        self.model_tester = RRWebTrimodalTester()
        self.config_tester = ConfigTester(self, config_class=RRWebTrimodalConfig, has_text_modality=False)

    def test_config(self):
        self.config_tester.run_common_tests()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        """Returns the inputs: the loss needs no labels."""
        return copy.deepcopy(inputs_dict)

    def _text_features_prepare_config_and_inputs(self):
        """Returns a config and the inputs of `get_text_features`: upstream looks for them under other names."""
        config, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        return config, {name: inputs[f"text_{name}"] for name in ("input_ids", "attention_mask")}

    def test_hidden_states_output(self):
        self.skipTest(
            "by design forward returns vectors: the states of each encoder are in get_text_features and so on"
        )

    def test_retain_grad_hidden_states_attentions(self):
        self.skipTest(
            "by design forward returns vectors: the states of each encoder are in get_text_features and so on"
        )

    def test_model_get_set_embeddings(self):
        self.skipTest("by design the input embeddings are two tables in one module and no torch.nn.Embedding")

    def test_no_modality_is_needed(self):
        _, inputs = self.model_tester.prepare_config_and_inputs_for_common()
        model = RRWebTrimodalModel(self.model_tester.get_config()).eval()
        with torch.no_grad():
            for name in ("input_ids", "text_input_ids", "pixel_values"):
                assert model(**{name: inputs[name]}).loss.item() == 0
