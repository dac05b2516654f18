"""How far a student agrees with its teacher on texts that it was not trained on, and pictures of it."""

import numpy as np
import torch

from traceformers.training.evaluation.sts_agreement import random_pairs, teacher_agreement

NEIGHBOURS = 10
#: Texts whose neighbours are compared, at most.
QUERIES = 1000


def agreement_report(student, teacher, texts, similarity="cosine", seed=0):
    """Returns {name: number} of how alike the vectors of n texts are.

    - cosine, cosine_short, cosine_long: mean cosine, of all texts, of those below 12 words, of the others;
    - pair_spearman: rank correlation of the cosines of random pairs of texts;
    - top10_asymmetric, top10_symmetric: share of the ten texts that the teacher finds nearest to a text which a query
      by the student finds too, among the teacher's vectors or among the student's own.

    A name is left out where no text decides it.

    Args:
        student, teacher (float (n, D)): vectors in the same space.
        texts (list of `str`).
        similarity (`str`): "cosine" or "dot", how the teacher's vectors are compared.
        seed (`int`): of the pairs.
    """
    report = teacher_agreement(student, teacher, texts, seed=seed)
    report = {name: value for name, value in report.items() if value is not None and name not in ("texts", "pairs")}
    return report | neighbour_recall(student, teacher, similarity)


def neighbour_recall(student, teacher, similarity="cosine", k=NEIGHBOURS, queries=QUERIES):
    """Returns {"top10_asymmetric", "top10_symmetric"} of vectors (n, D); {} for fewer than k + 2 texts.

    Args:
        k (`int`): neighbours of a text.
        queries (`int`): evenly spaced texts whose neighbours among all others are compared.
    """
    student, teacher = (torch.as_tensor(np.asarray(v, dtype=np.float32)) for v in (student, teacher))
    if len(student) < k + 2:
        return {}
    if similarity == "cosine":
        student, teacher = (torch.nn.functional.normalize(v, dim=-1) for v in (student, teacher))
    rows = torch.linspace(0, len(student) - 1, min(queries, len(student))).round().long()

    def top(query_vectors, documents):
        scores = query_vectors[rows] @ documents.T
        scores[torch.arange(len(rows)), rows] = -torch.inf  # the text itself
        return scores.topk(k, dim=1).indices

    expected = top(teacher, teacher)
    recall = {}
    for name, documents in (("asymmetric", teacher), ("symmetric", student)):
        found = top(student, documents)
        recall[f"top{k}_{name}"] = (found[:, :, None] == expected[:, None, :]).any(1).float().mean().item()
    return recall


def save_learning_curves(path, log_history):
    """Writes a picture of the training loss and of every `eval_` figure of a `trainer_state.json` over the steps."""
    figure, (left, right) = _figure(ncols=2)
    losses = [(entry["step"], entry["loss"]) for entry in log_history if "loss" in entry]
    if losses:
        left.plot(*zip(*losses, strict=True))
    left.set(xlabel="step", ylabel="training loss")
    names = ("cosine", "cosine_short", "cosine_long", "pair_spearman", "top10_asymmetric", "top10_symmetric")
    for name in names:
        points = [(entry["step"], entry[f"eval_{name}"]) for entry in log_history if f"eval_{name}" in entry]
        if points:
            right.plot(*zip(*points, strict=True), marker="o", label=name)
    right.set(xlabel="step", ylabel="held-out texts")
    if right.has_data():
        right.legend(fontsize="small")
    figure.savefig(path)


def save_similarity_plot(path, student, teacher, pairs=5000, seed=0):
    """Writes a scatter plot of the cosines of random pairs of texts: the student's over the teacher's."""
    student, teacher = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-12) for v in (student, teacher))
    left, right = random_pairs(len(student), pairs, seed)
    ours, theirs = ((v[left] * v[right]).sum(axis=1) for v in (student, teacher))
    figure, axes = _figure(ncols=1)
    axes.plot([-1, 1], [-1, 1], linewidth=0.5, color="gray")
    axes.scatter(theirs, ours, s=2, alpha=0.4)
    low = float(min(theirs.min(), ours.min())) - 0.05
    axes.set(xlabel="teacher's cosine", ylabel="student's cosine", xlim=(low, 1), ylim=(low, 1))
    figure.savefig(path)


def _figure(ncols):
    # Without pyplot: it holds figures of the whole process, and may open a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * ncols, 4), dpi=120, layout="constrained")
    return figure, figure.subplots(ncols=ncols)
