import numpy as np
import pytest
import torch

from traceformers.modeling.ngram_encoder.configuration_ngram_encoder import NgramEncoderConfig
from traceformers.modeling.ngram_encoder.modeling_ngram_encoder import NgramEncoderModel
from traceformers.training.distillation.target_transform import TARGETS, TargetTransform

COMPOSITION = np.full((9, 4), -1, np.int32)
COMPOSITION[7, :2], COMPOSITION[8, :3] = (2, 3), (4, 2, 5)
IDS, OFFSETS = torch.tensor([2, 3, 7, 4, 8, 5, 6]), torch.tensor([0, 3, 5, 7])


def teacher_vectors(n=300, d=6):
    draw = np.random.default_rng(0)
    rotation = np.linalg.qr(draw.normal(0, 1, (d, d)))[0]
    return (draw.normal(0, np.linspace(1, 4, d), (n, d)) @ rotation + 2).astype(np.float32)


def trained_model(**settings):
    torch.manual_seed(0)
    config = NgramEncoderConfig(vocab_size=9, hidden_size=6, normalize=False, **settings)
    model = NgramEncoderModel(config)
    model.set_composition(COMPOSITION)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
    return model


@pytest.mark.parametrize("kind", TARGETS)
def test_the_inverse_leads_back(kind):
    vectors = torch.from_numpy(teacher_vectors())
    transform = TargetTransform.fit(kind, vectors)
    targets = transform.apply(vectors)
    assert targets.square().sum(1).mean().item() == pytest.approx(1, rel=0.02)
    back = transform.inverse(targets)
    if kind == "l2":
        back = back * vectors.norm(dim=1, keepdim=True)
    torch.testing.assert_close(back, vectors, rtol=1e-3, atol=1e-3)
    matrix, bias = transform.affine(6)
    torch.testing.assert_close(targets @ matrix.T + bias, transform.inverse(targets))


def test_whitened_targets_are_centred_and_decorrelated():
    targets = TargetTransform.fit("whitened", teacher_vectors()).apply(torch.from_numpy(teacher_vectors()))
    covariance = torch.cov(targets.T, correction=0) * 6
    assert targets.mean(0).abs().max() < 1e-5
    assert (covariance - covariance.diag().diag()).abs().max() < 0.05 and covariance.diag().min() > 0.8


def test_vectors_of_length_one_are_plain_as_they_are():
    vectors = torch.nn.functional.normalize(torch.from_numpy(teacher_vectors()), dim=-1).half().float()
    transform = TargetTransform.fit("plain", vectors)
    assert transform.scale == 1.0 and torch.equal(transform.apply(vectors), vectors)


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pooling": "mean"},
        {"rho": "linear", "num_attention_heads": 2},
        {"rho": "mlp", "phi": "mlp", "num_attention_heads": 2},
    ],
    ids=str,
)
def test_the_inverse_goes_into_the_model_and_through_its_fold(kind, settings):
    transform = TargetTransform.fit(kind, teacher_vectors())
    model = trained_model(**settings)
    with torch.no_grad():
        expected = transform.inverse(model(IDS, offsets=OFFSETS).pooler_output)
        transform.fold_inverse(model)
        torch.testing.assert_close(model(IDS, offsets=OFFSETS).pooler_output, expected, rtol=1e-3, atol=1e-4)
        folded = model.fold()(IDS, offsets=OFFSETS).pooler_output
    torch.testing.assert_close(folded, expected, rtol=1e-3, atol=1e-3)


def test_a_model_that_cannot_hold_the_inverse_is_refused():
    whitened, plain = (TargetTransform.fit(kind, teacher_vectors()) for kind in ("whitened", "plain"))
    for settings in ({"num_attention_heads": 2}, {"phi": "mlp"}, {"rho": "mlp"}):
        with pytest.raises(ValueError, match="Expected rho linear for whitened targets"):
            whitened.fold_inverse(trained_model(**settings))
    plain.check_foldable(trained_model(num_attention_heads=2).config)
    with pytest.raises(ValueError, match="got rho none"):
        plain.check_foldable(trained_model(phi="mlp").config)


def test_a_network_after_a_table_that_is_the_linear_map_takes_a_change_of_scale():
    plain = TargetTransform.fit("plain", teacher_vectors())
    model = trained_model(rho="mlp")
    assert plain.scale > 2 and model.rho.linear is None
    with torch.no_grad():
        expected = plain.inverse(model(IDS, offsets=OFFSETS).pooler_output)
        plain.fold_inverse(model)
        torch.testing.assert_close(model(IDS, offsets=OFFSETS).pooler_output, expected, rtol=1e-3, atol=1e-4)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="Expected a target of plain, l2, whitened, got 'pca'"):
        TargetTransform.fit("pca", teacher_vectors())
    with pytest.raises(ValueError, match="Expected more than 6 texts to whiten"):
        TargetTransform.fit("whitened", teacher_vectors(5))
    with pytest.raises(ValueError, match="not all zero"):
        TargetTransform.fit("plain", np.zeros((5, 6)))
