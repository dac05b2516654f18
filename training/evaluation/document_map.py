"""A linear map on stored vectors, in closed form: documents need not be encoded again to suit the student.

    map(x) = x A + b

Two uses, one formula. Ridge regression towards the identity, with S the inputs and T the targets (rows are texts):

    A = (S'S + r n I)^-1 (S'T + r n I)          on centred S and T if there is an offset b

`fit_document_map`: the teacher's document vectors are mapped so that the student's queries score them as the
teacher's queries scored the vectors before: q_student . map(d) ~ q_teacher . d. It needs texts like queries only.
`fit_vector_map`: the student's own document vectors are mapped towards the teacher's, for search without the teacher.
"""

from dataclasses import dataclass

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

FILE_NAME = "document_map.safetensors"


@dataclass(frozen=True)
class DocumentMap:
    """`x A + b`, of length 1 afterwards if `normalize`.

    Attributes:
        matrix (`float32 (D, E)`): A.
        offset (`float32 (E,)`): b.
        normalize (`bool`): whether mapped vectors get length 1; not for scores by dot product.
    """

    matrix: np.ndarray
    offset: np.ndarray
    normalize: bool = False

    def __call__(self, vectors):
        """Returns mapped vectors, `float32 (n, E)`, of `float (n, D)`."""
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != self.matrix.shape[0]:
            raise ValueError(
                f"Expected vectors (n, {self.matrix.shape[0]}), got {vectors.shape}: the map is of another encoder."
            )
        mapped = vectors @ self.matrix + self.offset
        if self.normalize:
            mapped /= np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-12)
        return mapped

    def save(self, path):
        """Writes the map as safetensors: "matrix", "offset", and `normalize` in the header."""
        tensors = {"matrix": np.ascontiguousarray(self.matrix), "offset": np.ascontiguousarray(self.offset)}
        save_file(tensors, path, metadata={"normalize": str(self.normalize).lower()})

    @classmethod
    def load(cls, path):
        """Returns a saved map."""
        with safe_open(path, "np") as file:
            normalize = (file.metadata() or {}).get("normalize") == "true"
            return cls(file.get_tensor("matrix"), file.get_tensor("offset"), normalize)


def fit_vector_map(inputs, targets, ridge=0.01, offset=False, normalize=False):
    """Returns the `DocumentMap` that takes `inputs` as near to `targets` as it can, in the mean square.

    Args:
        inputs (`float (n, D)`), targets (`float (n, E)`): vectors of the same n texts.
        ridge (`float`): pull towards the identity (to zero where D and E differ), as a share of n.
        offset (`bool`): fit b as well.
        normalize (`bool`): the map gives vectors of length 1.
    """
    inputs, targets = np.asarray(inputs, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not len(inputs):
        raise ValueError(f"Expected vectors of the same texts, got shapes {inputs.shape} and {targets.shape}.")
    if ridge <= 0:
        raise ValueError(f"Expected a ridge above 0, got {ridge}: fewer texts than widths have no single solution.")
    width, out = inputs.shape[1], targets.shape[1]
    origin = inputs.mean(axis=0) if offset else np.zeros(width)
    aim = targets.mean(axis=0) if offset else np.zeros(out)
    inputs, targets = inputs - origin, targets - aim
    pull = ridge * len(inputs) * np.eye(width)
    start = np.eye(width) if width == out else np.zeros((width, out))
    matrix = np.linalg.solve(inputs.T @ inputs + pull, inputs.T @ targets + pull @ start)
    return DocumentMap(matrix.astype(np.float32), (aim - origin @ matrix).astype(np.float32), normalize)


def fit_document_map(student_queries, teacher_queries, ridge=0.01):
    """Returns the `DocumentMap` for the teacher's stored document vectors, so that the student's queries suit them.

    With q_student A ~ q_teacher, the score q_student . (A d) is near q_teacher . d for every document d; rows of
    stored vectors are multiplied by A transposed. Lengths of the mapped vectors carry the score and are kept.

    Args:
        student_queries, teacher_queries (`float (n, D)`): vectors of the same n texts by both, texts like queries.
        ridge (`float`): pull towards the identity.
    """
    fitted = fit_vector_map(student_queries, teacher_queries, ridge)
    return DocumentMap(np.ascontiguousarray(fitted.matrix.T), np.zeros(fitted.matrix.shape[0], np.float32), False)
