import numpy as np
import pytest
import torch
from assertions import assert_save_load_keeps_outputs

from traceformers.modeling.recommender.configuration_multivae import MultiVAEConfig
from traceformers.modeling.recommender.configuration_recommender import NO_ITEM_SCORE
from traceformers.modeling.recommender.modeling_multivae import (
    MultiVAEModel,
    kl_to_standard_normal,
    multinomial_loss,
)

V = 11
IDS = torch.tensor([[3, 5, 8, 4], [7, 9, 0, 0], [10, 0, 0, 0], [0, 0, 0, 0]])
MASK = (IDS > 0).long()


def tiny(seed=0, **settings):
    settings = {"vocab_size": V, "hidden_size": 7, "latent_size": 3, "kl_anneal_steps": 10} | settings
    model = MultiVAEModel(MultiVAEConfig(**settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():  # far from the small initial values, so that every term counts
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
    return model.eval()


def by_numpy(model, X, noise=None):
    """Returns (log pi (B, I), mean, log-variance) of X (B, I), zeros and ones, as the paper has it: float64, dense."""
    weights = {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}
    length = np.sqrt((X**2).sum(1, keepdims=True))
    x = X / np.where(length > 0, length, 1)
    hidden = np.tanh(x @ weights["encoder_items.weight"][3:] + weights["encoder_bias"])
    latent = hidden @ weights["encoder_latent.weight"].T + weights["encoder_latent.bias"]
    K = latent.shape[1] // 2
    mean, log_variance = latent[:, :K], latent[:, K:]
    z = mean if noise is None else mean + noise * np.exp(log_variance / 2)
    hidden = np.tanh(z @ weights["decoder_hidden.weight"].T + weights["decoder_hidden.bias"])
    logits = hidden @ weights["decoder_items.weight"][3:].T + weights["decoder_items.bias"][3:]
    return logits - np.log(np.exp(logits).sum(1, keepdims=True)), mean, log_variance


def dense(ids):
    X = np.zeros((len(ids), V - 3))
    for row, tokens in enumerate(ids.tolist()):
        X[row, [token - 3 for token in tokens if token >= 3]] = 1
    return X


def loss_by_numpy(model, X, beta, noise=None, targets=None):
    log_pi, mean, log_variance = by_numpy(model, X, noise)
    likelihood = ((X if targets is None else targets) * log_pi).sum(1).mean()  # Eq. 2
    variance = np.exp(log_variance)
    divergence = 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(1).mean()
    return -likelihood + beta * divergence  # Eq. 6


@pytest.mark.parametrize("steps", [0, 4, 25])
def test_the_loss_in_training_equals_the_papers_formula(steps):
    model = tiny(input_dropout_prob=0.0).train()
    model.training_steps.fill_(steps)
    torch.manual_seed(5)
    loss = model(IDS, MASK).loss
    torch.manual_seed(5)
    noise = torch.randn(4, 3).double().numpy()
    beta = 0.2 * min(1, steps / 10)
    assert loss.item() == pytest.approx(loss_by_numpy(model, dense(IDS), beta, noise), rel=1e-5)


def test_the_loss_with_labels_is_of_what_they_name_and_without_noise_in_evaluation():
    model = tiny()
    model.training_steps.fill_(10)
    labels = torch.tensor([[9, -100], [3, 4], [-100, -100], [8, 0]])
    out = model(IDS, MASK, labels=labels)
    expected = loss_by_numpy(model, dense(IDS), 0.2, targets=dense(labels))
    assert out.loss.item() == pytest.approx(expected, rel=1e-5)
    assert out.loss.item() == pytest.approx((out.reconstruction_loss + 0.2 * out.kl_divergence).item())
    assert model.training_steps == 10


def test_scores_rank_as_log_probabilities_at_the_mean():
    log_pi = by_numpy(tiny(), dense(IDS))[0]
    scores = tiny()(IDS, MASK).scores
    np.testing.assert_allclose(scores[:, 3:].log_softmax(1).detach().numpy(), log_pi, rtol=1e-4, atol=1e-5)
    assert (scores[:, :3] == NO_ITEM_SCORE).all()


def test_scores_are_products_of_query_and_item_vectors():
    model = tiny()
    products = model.query_vectors(IDS, MASK) @ model.item_vectors().T + model.item_bias()
    torch.testing.assert_close(products[:, 3:], model.next_item_scores(IDS, MASK)[:, 3:])


def test_dropout_hides_whole_items_of_the_scaled_input_and_only_in_training():
    model = tiny(input_dropout_prob=0.5)
    with torch.no_grad():
        model.encoder_items.weight.copy_(torch.eye(V, 7) + 1)
        model.encoder_bias.zero_()
    ids, offsets = torch.tensor([3, 4, 5, 6]), torch.tensor([0, 4])
    seen = []
    model.encoder_latent.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].atanh()))
    model.train()
    torch.manual_seed(0)
    for _ in range(200):
        model.encode(ids, offsets)
    own = torch.cat(seen)[:, 3:7] - torch.cat(seen)[:, :1]  # items 3 to 6 have a one in their own column
    assert set(own.mul(10).round().unique().tolist()) == {0.0, 10.0}  # 0, or 1 / sqrt(4) * 2
    assert 0.4 < (own > 0.5).float().mean() < 0.6
    model.eval()
    seen.clear()
    model.encode(ids, offsets)
    torch.testing.assert_close(seen[0][:, 3:7] - seen[0][:, :1], torch.full((1, 4), 0.5))


def test_with_recency_the_input_falls_with_age_and_has_length_one():
    model = tiny(recency=0.5)
    age = np.zeros((1, V - 3))
    age[0, [3 - 3, 8 - 3, 5 - 3]] = [3**-0.5, 2**-0.5, 1]
    log_pi = by_numpy(model, age)[0]
    scores = model(torch.tensor([[3, 8, 5]])).scores
    np.testing.assert_allclose(scores[:, 3:].log_softmax(1).detach().numpy(), log_pi, rtol=1e-4, atol=1e-5)


def test_the_kl_weight_rises_by_equal_amounts_to_its_maximum():
    model = tiny(kl_anneal_steps=4).train()
    assert [model(IDS, MASK).kl_weight for _ in range(7)] == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2, 0.2])
    assert tiny(kl_anneal_steps=0, kl_max_weight=0.7).kl_weight() == 0.7


def test_the_kl_schedule_goes_on_after_save_and_load(tmp_path):
    model = tiny().train()
    for _ in range(3):
        model(IDS, MASK)
    model.save_pretrained(tmp_path)
    again = MultiVAEModel.from_pretrained(tmp_path).train()
    assert again.kl_weight() == model.kl_weight() == pytest.approx(0.06)
    assert again(IDS, MASK).kl_weight == model(IDS, MASK).kl_weight
    assert again.kl_weight() == pytest.approx(0.08)


def test_a_long_schedule_is_counted_exactly_in_half_precision(tmp_path):
    model = tiny(kl_anneal_steps=100_000)
    model.training_steps.fill_(70_001)
    model.save_pretrained(tmp_path)
    assert MultiVAEModel.from_pretrained(tmp_path, dtype=torch.bfloat16).kl_weight() == model.kl_weight()


def test_order_and_duplicates_change_nothing_because_a_history_is_a_set():
    model = tiny()
    scores = model(torch.tensor([[3, 5, 8]])).scores
    for same in ([8, 3, 5], [5, 5, 3, 8, 3], [1, 3, 2, 5, 8]):
        assert torch.equal(model(torch.tensor([same])).scores, scores)
    assert torch.equal(
        model(torch.tensor([[3, 5]]), labels=torch.tensor([[8, 8, 9]])).loss,
        model(torch.tensor([[5, 3]]), labels=torch.tensor([[9, 8, -100]])).loss,
    )


def test_a_batch_equals_its_users_alone_and_padding_changes_nothing():
    model = tiny()
    together = model(IDS, MASK).scores
    assert torch.equal(model(IDS).scores, together)
    assert torch.equal(model(IDS.flip(1), MASK.flip(1)).scores, together)
    assert torch.equal(model(torch.nn.functional.pad(IDS, (3, 5))).scores, together)
    for row in range(len(IDS)):
        torch.testing.assert_close(model(IDS[row : row + 1]).scores[0], together[row])


def test_saved_and_loaded_it_gives_equal_bits():
    assert_save_load_keeps_outputs(tiny(), {"input_ids": IDS, "attention_mask": MASK})


def test_initial_weights_are_glorots_and_the_step_is_zero():
    torch.manual_seed(0)
    model = MultiVAEModel(MultiVAEConfig(vocab_size=500))
    for weight in (model.encoder_items.weight, model.encoder_latent.weight, model.decoder_items.weight):
        assert weight.std().item() == pytest.approx((2 / sum(weight.shape)) ** 0.5, rel=0.02)
    for bias in (model.encoder_bias, model.encoder_latent.bias, model.decoder_items.bias):
        assert 0 < bias.abs().max() < 0.01
    assert model.training_steps == 0


def test_in_a_checkerboard_only_items_of_the_own_group_are_recommended():
    torch.manual_seed(0)
    even, odd = [3, 5, 7, 9], [4, 6, 8, 10]
    ids = torch.tensor([[i for i in group if i != left] for group in (even, odd) for left in group] * 2)
    model = MultiVAEModel(MultiVAEConfig(vocab_size=V, hidden_size=16, latent_size=4)).train()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        model(ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found, _ = model.recommend_ids(np.array([3, 5, 10, 4, 7]), np.array([0, 2, 4, 5]), k=2)
    assert [set(row) for row in found.tolist()[:2]] == [{7, 9}, {6, 8}]
    assert set(found[2].tolist()) < set(even)


def test_an_empty_history_gets_finite_scores_that_come_near_to_popularity():
    scores = tiny()(torch.tensor([[0, 0]])).scores
    assert scores[:, 3:].isfinite().all()


def test_new_items_change_no_other_score_and_are_the_last():
    model = tiny()
    before = model(IDS).scores
    model._extend_items(2)
    after = model(IDS).scores
    torch.testing.assert_close(after[:, :V], before)
    assert (after[:, V:] == model.decoder_items.bias[3:V].min()).all()
    assert model.decoder_items.weight.requires_grad and model.encoder_items.weight.requires_grad


def test_the_two_terms_are_zero_where_they_should_be():
    assert kl_to_standard_normal(torch.zeros(2, 3), torch.zeros(2, 3)) == 0
    sure = torch.tensor([[0.0, -torch.inf]])
    assert multinomial_loss(sure, torch.tensor([0]), torch.tensor([0, 1])) == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_size", 0),
        ("latent_size", 1.5),
        ("input_dropout_prob", 1),
        ("input_dropout_prob", -0.1),
        ("kl_max_weight", -1),
        ("kl_anneal_steps", -1),
    ],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(Exception, match=field):
        MultiVAEConfig(**{field: value})
