"""What follows the mean is the same for one text and for many, compiled or not, and equal to the model's own."""

import numpy as np
import pytest
import torch

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import Rho
from traceformers.modeling.ngram_encoder.ngram_rho import RhoLayers

SHAPES = {
    "network alone": {"rho": "mlp", "rho_hidden_size": 5},
    "network beside a linear map": {"rho": "mlp", "rho_hidden_size": 5, "num_attention_heads": 2},
    "linear map": {"rho": "linear", "embedding_size": 12},
}


@pytest.fixture(params=SHAPES, ids=str)
def rho(request):
    torch.manual_seed(0)
    config = NgramEncoderConfig(vocab_size=9, hidden_size=8, **SHAPES[request.param])
    module = Rho(config)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    return module, config


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 50])
@pytest.mark.parametrize("compiled", [True, False])
def test_layers_without_torch_equal_the_module(rho, number, compiled):
    module, config = rho
    layers = RhoLayers({name: tensor.numpy() for name, tensor in module.state_dict().items()}, config.layer_norm_eps)
    pooled = np.random.default_rng(number).normal(size=(number, config.embedding_size)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(pooled))
        unit = torch.nn.functional.normalize(expected, dim=-1)
    np.testing.assert_allclose(layers(pooled, False, compiled), expected, atol=1e-4)
    np.testing.assert_allclose(layers(pooled, True, compiled), unit, atol=1e-5)
