"""Losses between a student's vectors and a teacher's.

Axes: B texts of a batch, D width of a vector, N documents that all texts are scored against, M documents of one text.
"""

import torch
from torch.nn import functional

LOSS_NAMES = ("cosine", "mse", "kl", "student_kl", "margin_mse")
NEEDS_DOCUMENTS = ("margin_mse",)


def cosine_loss(outputs, targets):
    """Returns 1 - the mean cosine of outputs (B, D) and targets (B, D)."""
    return 1 - functional.cosine_similarity(outputs, targets, dim=-1).mean()


def mse_loss(outputs, targets):
    """Returns the mean squared distance of outputs (B, D) to targets (B, D), summed over D.

    The loss of LEAF (Vujanic and Rueckstiess, 2025, arXiv 2509.12539). Between vectors of length 1 it is
    2 - 2 cosine.
    """
    return (outputs - targets).square().sum(-1).mean()


def similarities(queries, documents, similarity="cosine"):
    """Returns the scores (B, N) of queries (B, D) and documents (N, D), or (B, M) of documents (B, M, D)."""
    if similarity == "cosine":
        queries, documents = functional.normalize(queries, dim=-1), functional.normalize(documents, dim=-1)
    return queries @ documents.T if documents.dim() == 2 else torch.einsum("bd,bmd->bm", queries, documents)


def score_kl(student_scores, teacher_scores, temperature=0.05):
    """Returns KL(teacher || student) of the distributions over documents that scores (B, N) give, a mean over B.

    After "Distilling the Knowledge in a Neural Network" (Hinton, Vinyals, Dean, 2015, arXiv 1503.02531), over
    documents in place of classes as in LightRetriever (2025, arXiv 2505.12260). A score of -inf in both is left out.
    """
    student = functional.log_softmax(student_scores / temperature, dim=-1)
    teacher = functional.log_softmax(teacher_scores / temperature, dim=-1)
    left_out = teacher.isneginf()
    terms = teacher.exp() * (teacher.masked_fill(left_out, 0) - student.masked_fill(left_out, 0))
    return terms.sum(-1).mean()


def in_batch_kl(outputs, teacher_vectors, documents, temperature=0.05, similarity="cosine", targets=None):
    """Returns `score_kl` of student queries against teacher documents, the asymmetric use of a student.

    Args:
        outputs (B, D): of the student.
        teacher_vectors (B, D): of the same texts.
        documents (N, D): teacher vectors of what is scored.
        targets (N, D'), *optional*: documents as the student's vectors meet them, a prefix of theirs for instance.
    """
    expected = similarities(teacher_vectors, documents, similarity)
    return score_kl(similarities(outputs, documents if targets is None else targets, similarity), expected, temperature)


def student_kl(outputs, teacher_vectors, temperature=0.05, similarity="cosine"):
    """Returns `score_kl` of the student's vectors (B, D) among themselves against the teacher's (B, D).

    This is the symmetric use of a student. A text is not scored against itself: that score is right whatever the
    student says, and would outweigh all others.
    """
    itself = torch.eye(len(outputs), dtype=torch.bool, device=outputs.device)
    student, teacher = (
        similarities(vectors, vectors, similarity).masked_fill(itself, -torch.inf)
        for vectors in (outputs, teacher_vectors)
    )
    return score_kl(student, teacher, temperature)


def margin_mse(student_scores, teacher_scores):
    """Returns the mean squared difference of margins between the first document of each text and its others (B, M).

    MarginMSE of "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge Distillation"
    (Hofstaetter, Althammer, Schroeder, Sertkan, Hanbury, 2020, arXiv 2010.02666).
    """
    student, teacher = (scores[:, :1] - scores[:, 1:] for scores in (student_scores, teacher_scores))
    return (student - teacher).square().mean()


class DistillationLoss:
    """A weighted sum of losses, at the full width and at prefixes of it.

    Regressions ("cosine", "mse") compare in the space of the targets, scores ("kl", "student_kl", "margin_mse") in
    that of the teacher, into which `transform.inverse` leads. Prefixes are those of "Matryoshka Representation
    Learning" (Kusupati and others, NeurIPS 2022, arXiv 2205.13147), all of one weight; a prefix is to score like the
    whole teacher.

    Args:
        weights (`dict[str, float]`): of the losses in `LOSS_NAMES` that are used.
        transform (`TargetTransform`).
        similarity (`str`): "cosine" or "dot", how the teacher's vectors are compared.
        temperature (`float`): of scores, for vectors of length 1.
        matryoshka_dims (sequence of `int`): widths below D.
    """

    def __init__(self, weights, transform, similarity="cosine", temperature=0.05, matryoshka_dims=()):
        unknown = set(weights) - set(LOSS_NAMES)
        if unknown or not any(weights.values()):
            raise ValueError(
                f"Expected weights of the losses {', '.join(LOSS_NAMES)}, got {weights}. "
                "Write --loss cosine, or --loss cosine=1,kl=0.5."
            )
        self.weights, self.transform, self.similarity = dict(weights), transform, similarity
        self.temperature, self.matryoshka_dims = temperature, tuple(matryoshka_dims)

    def __call__(self, outputs, teacher_vectors, documents=None):
        """Returns the loss of outputs (B, D), in the space of the targets.

        Args:
            teacher_vectors (B, D): as the teacher gives them.
            documents (B, M, D), *optional*: mined documents of each text; "margin_mse" needs them, "kl" scores
                against them besides the batch.
        """
        outputs, teacher_vectors = outputs.float(), teacher_vectors.float()
        documents = None if documents is None else documents.float()
        targets = self.transform.apply(teacher_vectors)
        vectors = self.transform.inverse(outputs)
        # for the dot product: as if the teacher's vectors had length 1, so that a temperature means the same
        scale = 1 if self.similarity == "cosine" else self.transform.scale
        vectors, teacher_vectors = vectors / scale, teacher_vectors / scale
        documents = None if documents is None else documents / scale
        widths = (*self.matryoshka_dims, outputs.shape[1])
        losses = [
            weight * self._loss(name, d, outputs, targets, vectors, teacher_vectors, documents)
            for d in widths
            for name, weight in self.weights.items()
            if weight
        ]
        return sum(losses) / len(widths)

    def _loss(self, name, d, outputs, targets, vectors, teacher_vectors, documents):
        if name == "cosine":
            return cosine_loss(outputs[:, :d], targets[:, :d])
        if name == "mse":
            return mse_loss(outputs[:, :d], targets[:, :d])
        if name == "student_kl":
            return student_kl(vectors[:, :d], teacher_vectors, self.temperature, self.similarity)
        if name == "margin_mse":
            student = similarities(vectors[:, :d], documents[..., :d], self.similarity)
            return margin_mse(student, similarities(teacher_vectors, documents, self.similarity))
        scored = teacher_vectors if documents is None else torch.cat([teacher_vectors, documents.flatten(0, 1)])
        return in_batch_kl(
            vectors[:, :d], teacher_vectors, scored, self.temperature, self.similarity, targets=scored[:, :d]
        )


def parse_loss(text):
    """Returns {name: weight} of a loss as it is written in arguments.

    >>> parse_loss("cosine"), parse_loss("cosine=1,kl=0.5")
    ({'cosine': 1.0}, {'cosine': 1.0, 'kl': 0.5})

    Raises:
        ValueError: for an unknown name, a weight that is no number above 0, or a name given twice.
    """
    weights = {}
    for part in str(text).split(","):
        name, _, weight = part.strip().partition("=")
        try:
            value = float(weight) if weight else 1.0
        except ValueError:
            value = -1.0
        if name not in LOSS_NAMES or name in weights or not 0 < value < float("inf"):
            raise ValueError(
                f"Expected losses of {', '.join(LOSS_NAMES)}, each once with a weight above 0, got {part.strip()!r} in "
                f"{text!r}. Write --loss cosine, or --loss cosine=1,kl=0.5."
            )
        weights[name] = value
    return weights
