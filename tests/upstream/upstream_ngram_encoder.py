"""The n-gram encoder under transformers' own common tests for models and configurations: `make test-upstream`.

Not collected by `make test`: the tests are downloaded, and what they ask for changes with transformers.
"""

import unittest
from pathlib import Path

from upstream.upstream_sources import upstream_tests

from traceformers import NgramEncoderConfig, NgramEncoderModel

upstream_tests(Path(__file__).resolve().parents[2] / "build" / "upstream")

from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import ModelTesterMixin, ids_tensor, random_attention_mask  # noqa: E402


class NgramEncoderTester:
    """What the common tests ask of a model: its size, a config and inputs."""

    batch_size, seq_length, is_training = 3, 12, True
    hidden_size, num_hidden_layers, num_attention_heads, vocab_size = 32, 2, 4, 60

    def get_config(self):
        return NgramEncoderConfig(
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            num_self_attention_layers=self.num_hidden_layers,
            num_self_attention_heads=2,
            num_attention_heads=self.num_attention_heads,
            phi="mlp",
            phi_hidden_size=37,
            rho="mlp",
            rho_hidden_size=37,
        )

    def prepare_config_and_inputs_for_common(self):
        shape = [self.batch_size, self.seq_length]
        return self.get_config(), {
            "input_ids": ids_tensor(shape, self.vocab_size),
            "attention_mask": random_attention_mask(shape),
        }


class NgramEncoderUpstreamTest(ModelTesterMixin, unittest.TestCase):
    all_model_classes = (NgramEncoderModel,)
    test_torch_exportable = False
    has_attentions = False

    def setUp(self):
        self.model_tester = NgramEncoderTester()
        self.config_tester = ConfigTester(self, config_class=NgramEncoderConfig, hidden_size=48)

    def test_config(self):
        self.config_tester.run_common_tests()

    def test_training(self):
        self.skipTest("by design there is no head with a loss: a teacher's vectors are what it is trained on")

    def check_training_gradient_checkpointing(self, *arguments, **options):
        self.skipTest("by design there is no head with a loss: a teacher's vectors are what it is trained on")

    def test_hidden_states_output(self):
        self.skipTest("by design a text is a bag: it has no sequence of hidden states")

    def test_retain_grad_hidden_states_attentions(self):
        self.skipTest("by design a text is a bag: it has no sequence of hidden states")
