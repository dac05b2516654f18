import numpy as np
import pytest

from traceformers.training.distillation.heldout_agreement import (
    agreement_report,
    neighbour_recall,
    save_learning_curves,
    save_similarity_plot,
)


def vectors(n=60, d=8, seed=0):
    drawn = np.random.default_rng(seed).normal(0, 1, (n, d)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_the_teacher_itself_agrees_fully():
    texts = ["short"] * 30 + ["a long text " * 5] * 30
    report = agreement_report(vectors(), vectors(), texts)
    assert report == pytest.approx(
        dict.fromkeys("cosine cosine_short cosine_long pair_spearman top10_asymmetric top10_symmetric".split(), 1.0)
    )


def test_a_rotated_student_finds_its_own_neighbours_and_not_the_teachers():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(0, 1, (8, 8)))[0].astype(np.float32)
    recall = neighbour_recall(vectors() @ rotation, vectors())
    assert recall["top10_symmetric"] == pytest.approx(1) and recall["top10_asymmetric"] < 0.5


def test_recall_is_that_of_a_loop():
    student, teacher = vectors(seed=1) + vectors(), vectors() * np.linspace(1, 3, 60)[:, None]
    for similarity in ("cosine", "dot"):
        s, t = student, teacher
        if similarity == "cosine":
            s, t = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (s, t))
        found = []
        for i in range(60):
            others = [j for j in range(60) if j != i]
            best, ours = (sorted(others, key=lambda j, v=v: -float(v[i] @ t[j]))[:10] for v in (t, s))
            found.append(len(set(best) & set(ours)) / 10)
        assert neighbour_recall(student, teacher, similarity)["top10_asymmetric"] == pytest.approx(np.mean(found))


def test_what_no_text_decides_is_left_out():
    assert set(agreement_report(vectors(5), vectors(5), ["short"] * 5)) == {"cosine", "cosine_short", "pair_spearman"}


def test_pictures_are_written(tmp_path):
    history = [{"step": 1, "loss": 0.5}, {"step": 2, "eval_cosine": 0.7}, {"step": 3, "loss": 0.4}]
    save_learning_curves(tmp_path / "curves.png", history)
    save_learning_curves(tmp_path / "empty.png", [])
    save_similarity_plot(tmp_path / "similarity.png", vectors(seed=1), vectors())
    for name in ("curves.png", "empty.png", "similarity.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
