"""The recommenders under transformers' own common tests for models and configurations: `make test-upstream`."""

import copy
import unittest
from pathlib import Path

from upstream.upstream_sources import upstream_tests

from traceformers.modeling.recommender.configuration_bert4rec import Bert4RecConfig
from traceformers.modeling.recommender.configuration_ease import EASEConfig
from traceformers.modeling.recommender.configuration_ensemble import EnsembleRecommenderConfig
from traceformers.modeling.recommender.configuration_multivae import MultiVAEConfig
from traceformers.modeling.recommender.configuration_popularity import PopularityConfig
from traceformers.modeling.recommender.configuration_sasrec import SASRecConfig
from traceformers.modeling.recommender.modeling_bert4rec import Bert4RecModel
from traceformers.modeling.recommender.modeling_ease import EASEModel
from traceformers.modeling.recommender.modeling_ensemble import EnsembleRecommenderModel
from traceformers.modeling.recommender.modeling_multivae import MultiVAEModel
from traceformers.modeling.recommender.modeling_popularity import PopularityModel
from traceformers.modeling.recommender.modeling_sasrec import SASRecModel

upstream_tests(Path(__file__).resolve().parents[2] / "build" / "upstream")

from transformers_tests.test_configuration_common import ConfigTester  # noqa: E402
from transformers_tests.test_modeling_common import ModelTesterMixin, ids_tensor, random_attention_mask  # noqa: E402

SEQUENTIAL = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "max_history": 16,
    "metadata_fusion": "gate",
    "metadata_features": ["genre", "director", "writer", "title"],
    "output_embedding": "fused",
    "num_genres": 4,
    "max_genres": 2,
    "num_directors": 3,
    "num_writers": 5,
    "max_writers": 2,
    "title_embedding_size": 6,
}


class RecommenderTester:
    """What the common tests ask of a model: its size, a config and inputs."""

    batch_size, seq_length, is_training = 3, 12, True
    hidden_size, num_hidden_layers, num_attention_heads, vocab_size = 32, 2, 4, 60

    def __init__(self, config_class, fields):
        self.config_class, self.fields = config_class, fields

    def get_config(self):
        return self.config_class(vocab_size=self.vocab_size, **copy.deepcopy(self.fields))

    def prepare_config_and_inputs_for_common(self):
        shape = [self.batch_size, self.seq_length]
        ids = ids_tensor(shape, self.vocab_size - 3) + 3
        return self.get_config(), {"input_ids": ids, "attention_mask": random_attention_mask(shape)}


class RecommenderTests(ModelTesterMixin):
    """The common tests, without those for which a recommender has nothing to show."""

    test_torch_exportable = False
    has_attentions = False
    config_class, fields = None, {}

    def setUp(self):
        self.model_tester = RecommenderTester(self.config_class, self.fields)
        sequential = "hidden_size" in self.fields and "num_attention_heads" in self.fields
        self.config_tester = ConfigTester(
            self,
            config_class=self.config_class,
            common_properties=None if sequential else [],
            **copy.deepcopy(self.fields),
        )

    def test_config(self):
        self.config_tester.run_common_tests()

    def _prepare_for_class(self, inputs_dict, model_class, return_labels=False):
        inputs = copy.deepcopy(inputs_dict)
        if return_labels:
            inputs["labels"] = inputs["input_ids"].clone()
        return inputs

    def test_hidden_states_output(self):
        self.skipTest("by design what comes out is a score an item, not a state a position")

    def test_retain_grad_hidden_states_attentions(self):
        self.skipTest("by design what comes out is a score an item, not a state a position")

    def test_resize_embeddings_untied(self):
        self.skipTest("by design a catalogue grows by add_items, which needs to know the items")

    def test_resize_tokens_embeddings(self):
        self.skipTest("by design a catalogue grows by add_items, which needs to know the items")


class Trained(RecommenderTests):
    """Models that learn by gradients."""


class ClosedForm(RecommenderTests):
    """Models that are fitted in one step, from counts of items."""

    def test_model_get_set_embeddings(self):
        self.skipTest("by design there are no token embeddings")

    def test_training(self):
        self.skipTest("by design fitted in closed form: there is no loss")

    def check_training_gradient_checkpointing(self, *arguments, **options):
        self.skipTest("by design fitted in closed form: there is no loss")


class Bert4RecUpstreamTest(Trained, unittest.TestCase):
    all_model_classes, config_class, fields = (Bert4RecModel,), Bert4RecConfig, SEQUENTIAL


class SASRecUpstreamTest(Trained, unittest.TestCase):
    all_model_classes, config_class, fields = (SASRecModel,), SASRecConfig, SEQUENTIAL


class MultiVAEUpstreamTest(Trained, unittest.TestCase):
    all_model_classes, config_class = (MultiVAEModel,), MultiVAEConfig
    fields = {"hidden_size": 32, "latent_size": 8}  # noqa: RUF012


class EASEUpstreamTest(ClosedForm, unittest.TestCase):
    all_model_classes, config_class = (EASEModel,), EASEConfig


class PopularityUpstreamTest(ClosedForm, unittest.TestCase):
    all_model_classes, config_class = (PopularityModel,), PopularityConfig

    def test_from_pretrained_no_checkpoint(self):
        self.skipTest("by design its only tensor is counts: a bare state dict has no floating dtype to take")


class EnsembleRecommenderUpstreamTest(ClosedForm, unittest.TestCase):
    all_model_classes, config_class = (EnsembleRecommenderModel,), EnsembleRecommenderConfig

    fields = {  # noqa: RUF012
        "members": EnsembleRecommenderConfig(
            members=[EASEConfig(vocab_size=60), PopularityConfig(vocab_size=60)]
        ).members
    }
