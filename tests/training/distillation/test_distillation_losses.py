import math

import numpy as np
import pytest
import torch

from traceformers.training.distillation.distillation_losses import (
    DistillationLoss,
    cosine_loss,
    in_batch_kl,
    margin_mse,
    mse_loss,
    parse_loss,
    score_kl,
    similarities,
    student_kl,
)
from traceformers.training.distillation.target_transform import TargetTransform

PLAIN = TargetTransform("plain")


def vectors(n=6, d=4, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_cosine_and_mse_are_those_of_the_definition():
    y, t = vectors().numpy(), vectors(seed=1).numpy()
    cosines = [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(y, t, strict=True)]
    assert cosine_loss(*map(torch.from_numpy, (y, t))).item() == pytest.approx(1 - np.mean(cosines), rel=1e-5)
    distances = [np.linalg.norm(a - b) ** 2 for a, b in zip(y, t, strict=True)]
    assert mse_loss(*map(torch.from_numpy, (y, t))).item() == pytest.approx(np.mean(distances), rel=1e-5)


def test_between_unit_vectors_mse_is_twice_the_cosine_loss():
    y, t = (torch.nn.functional.normalize(vectors(seed=s), dim=-1) for s in (0, 1))
    assert mse_loss(y, t).item() == pytest.approx(2 * cosine_loss(y, t).item(), rel=1e-5)


def test_score_kl_is_that_of_a_worked_example():
    student, teacher = torch.tensor([[math.log(0.5), math.log(0.5)]]), torch.tensor([[math.log(0.9), math.log(0.1)]])
    expected = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    assert score_kl(student, teacher, temperature=1.0).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_every_loss_is_zero_for_the_teacher_itself_and_above_for_others(similarity):
    t, other, documents = vectors(), vectors(seed=1), vectors(24, seed=2).view(6, 4, 4)
    for name in ("cosine", "mse", "kl", "student_kl", "margin_mse"):
        loss = DistillationLoss({name: 1.0}, PLAIN, similarity, temperature=0.5)
        assert loss(t, t, documents).item() == pytest.approx(0, abs=1e-5), name
        assert loss(other, t, documents).item() > 0.01, name


def test_losses_of_scores_do_not_change_with_a_rotation_of_all_vectors():
    t, y = vectors(), vectors(seed=1)
    rotation = torch.linalg.qr(vectors(4, 4, seed=3)).Q
    assert student_kl(y @ rotation, t).item() == pytest.approx(student_kl(y, t).item(), rel=1e-4)
    expected = in_batch_kl(y, t, t).item()
    assert in_batch_kl(y @ rotation, t @ rotation, t @ rotation).item() == pytest.approx(expected, rel=1e-4)


def test_a_text_is_not_scored_against_itself():
    # two texts have one other each: whatever the vectors, the distribution over one document is the same
    assert student_kl(vectors(2), vectors(2, seed=1)).item() == pytest.approx(0, abs=1e-6)
    y = vectors().requires_grad_()
    student_kl(y, vectors(seed=1)).backward()
    assert y.grad.isfinite().all()


def test_margin_mse_compares_differences_of_scores():
    student, teacher = torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([[8.0, 5.0, 6.0]])
    assert margin_mse(student, teacher).item() == pytest.approx(((2 - 3) ** 2 + (3 - 2) ** 2) / 2)
    assert margin_mse(student + 5, teacher).item() == margin_mse(student, teacher).item()


def test_mined_documents_are_scored_besides_the_batch():
    t, y, documents = vectors(), vectors(seed=1), vectors(12, seed=2).view(6, 2, 4)
    loss = DistillationLoss({"kl": 1.0}, PLAIN, "dot")
    everything = torch.cat([t, documents.view(12, 4)])
    expected = score_kl(similarities(y, everything, "dot"), similarities(t, everything, "dot"))
    assert loss(y, t, documents).item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_mix_is_the_weighted_sum_and_prefixes_have_one_weight():
    t, y = vectors(), vectors(seed=1)
    mixed = DistillationLoss({"cosine": 2.0, "mse": 0.5}, PLAIN)(y, t).item()
    assert mixed == pytest.approx(2 * cosine_loss(y, t).item() + 0.5 * mse_loss(y, t).item(), rel=1e-5)
    nested = DistillationLoss({"cosine": 1.0}, PLAIN, matryoshka_dims=[2])(y, t).item()
    assert nested == pytest.approx((cosine_loss(y[:, :2], t[:, :2]) + cosine_loss(y, t)).item() / 2, rel=1e-5)
    # the score of a prefix is to be that of the whole teacher
    whole = DistillationLoss({"student_kl": 1.0}, PLAIN, matryoshka_dims=[2])(y, t).item()
    assert whole == pytest.approx((student_kl(y[:, :2], t) + student_kl(y, t)).item() / 2, rel=1e-5)


def test_scores_are_compared_in_the_space_of_the_teacher():
    teacher = torch.from_numpy(np.random.default_rng(0).normal(2, 3, (200, 4)).astype(np.float32))
    transform = TargetTransform.fit("whitened", teacher)
    batch = teacher[:6]
    for name in ("kl", "student_kl", "cosine"):
        loss = DistillationLoss({name: 1.0}, transform)
        assert loss(transform.apply(batch), batch).item() == pytest.approx(0, abs=1e-4)
        assert loss(batch, batch).item() > 1e-3


def test_a_temperature_means_the_same_for_longer_vectors_of_a_dot_product():
    found = []
    for scale in (1.0, 7.0):
        transform = TargetTransform("plain", scale=scale)
        loss = DistillationLoss({"kl": 1.0, "student_kl": 1.0, "mse": 1.0}, transform, "dot")
        found.append(loss(vectors(seed=1), scale * vectors()).item())
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_losses_are_written_as_names_with_weights():
    assert parse_loss("mse") == {"mse": 1.0}
    assert parse_loss("cosine=1, kl=0.5,student_kl=2e-1") == {"cosine": 1.0, "kl": 0.5, "student_kl": 0.2}
    for text in ("mixed", "cosine=x", "cosine=0", "cosine=-1", "cosine,cosine", "", "kl=nan"):
        with pytest.raises(ValueError, match=r"Expected losses of cosine, mse, .* Write --loss"):
            parse_loss(text)
    with pytest.raises(ValueError, match="Expected weights of the losses"):
        DistillationLoss({}, PLAIN)
