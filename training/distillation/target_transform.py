"""What a student is trained towards: a teacher's vectors as they are, of length 1, or whitened, and the way back."""

import numpy as np
import torch
from torch.nn import functional

TARGETS = ("plain", "l2", "whitened")
#: Added to every eigenvalue, as a share of their mean: directions in which a teacher hardly varies stay small.
SHRINKAGE = 0.01


class TargetTransform:
    """An invertible map of teacher vectors to targets of mean squared length 1 ("l2": each of length 1).

    Equal lengths make learning rates and weights of losses mean the same for every teacher.

    - plain: divided by one number;
    - l2: each divided by its length, which is lost;
    - whitened: centred, decorrelated and of like variance in each direction of the space (ZCA, Bell and Sejnowski 1997;
      for sentence vectors Su and others 2021, arXiv 2103.15316).

    Args:
        kind (`str`): one of `TARGETS`.
        mean (D,), forth (D, D), back (D, D): of "whitened"; targets are (vectors - mean) @ forth.
        scale (`float`): root of the mean squared length of the teacher's vectors; 1 for "l2".
    """

    def __init__(self, kind, mean=None, forth=None, back=None, scale=1.0):
        self.kind, self.mean, self.forth, self.back, self.scale = kind, mean, forth, back, float(scale)

    @classmethod
    def fit(cls, kind, vectors):
        """Returns the transform for a sample of teacher vectors (n, D).

        Raises:
            ValueError: for an unknown kind, or too few vectors to whiten with.
        """
        vectors = torch.as_tensor(np.asarray(vectors, dtype=np.float32)).double()
        if kind not in TARGETS:
            raise ValueError(f"Expected a target of {', '.join(TARGETS)}, got {kind!r}. Set --target to one of these.")
        if kind == "l2":
            return cls(kind)
        scale = vectors.square().sum(1).mean().sqrt().item()
        scale = 1.0 if abs(scale - 1) < 1e-3 else scale  # vectors of length 1, rounded
        if not scale > 0:
            raise ValueError("Expected teacher vectors that are not all zero, got only zeros. Check the teacher.")
        if kind == "plain":
            return cls(kind, scale=scale)
        n, D = vectors.shape
        if n <= D:
            raise ValueError(
                f"Expected more than {D} texts to whiten vectors of width {D}, got {n}. Use --target plain."
            )
        mean = vectors.mean(0)
        eigenvalues, directions = torch.linalg.eigh((vectors - mean).T @ (vectors - mean) / n)
        eigenvalues = eigenvalues.clamp(min=0)
        spread = (eigenvalues + SHRINKAGE * eigenvalues.mean()).sqrt()
        spread = spread * (eigenvalues / spread.square()).sum().sqrt()  # to a mean squared length of 1
        forth = directions / spread @ directions.T
        back = directions * spread @ directions.T
        return cls(kind, mean.float(), forth.float(), back.float(), scale)

    def apply(self, vectors):
        """Returns the targets (n, D) of teacher vectors (n, D)."""
        if self.kind == "l2":
            return functional.normalize(vectors, dim=-1)
        if self.kind == "plain":
            return vectors / self.scale
        return (vectors - self.mean.to(vectors.device)) @ self.forth.to(vectors.device)

    def inverse(self, targets):
        """Returns the vectors (n, D) in the teacher's space that a student's outputs (n, D) stand for."""
        if self.kind == "l2":
            return targets
        if self.kind == "plain":
            return targets * self.scale
        return targets @ self.back.to(targets.device) + self.mean.to(targets.device)

    def affine(self, dimension):
        """Returns (matrix (D, D), bias (D,)) of `inverse`: targets @ matrix.T + bias."""
        if self.kind == "whitened":
            return self.back.T.contiguous(), self.mean
        return torch.eye(dimension) * (self.scale if self.kind == "plain" else 1.0), torch.zeros(dimension)

    @torch.no_grad()
    def fold_inverse(self, model):
        """Changes a trained `NgramEncoderModel` so that it gives vectors in the teacher's space itself.

        The inverse goes into rho where there is one, else into the table: a mean of rows that went through an affine
        map is the map of their mean. A residual row of an n-gram adds nothing to the weights, so it takes no bias.

        Raises:
            ValueError: if neither can hold it, see `check_foldable`.
        """
        self.check_foldable(model.config)
        matrix, bias = (tensor.to(model.device) for tensor in self.affine(model.config.hidden_size))
        if model.rho is not None:
            linears = [model.rho.linear, model.rho.down if model.rho.has_network else None]
            for linear in filter(None, linears):
                linear.weight.copy_(matrix @ linear.weight)
                linear.bias.copy_(matrix @ linear.bias)
            if model.rho.linear is not None:
                model.rho.linear.bias.add_(bias)
                return
            # the table is the linear map: a change of scale, which the network's norm does not see
        rows = model.embeddings.weight
        shifted = rows @ matrix.T
        composed = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
        if model.composition is not None:
            composed = model.composition[:, 0] >= 0
        rows.copy_(torch.where(composed[:, None], shifted, shifted + bias))

    def check_foldable(self, config):
        """Raises ValueError if a model of this config could not hold the inverse."""
        if self.kind == "l2" or (self.kind == "plain" and self.scale == 1):
            return
        several = config.num_attention_heads > 1 or config.embedding_size != config.hidden_size
        if config.rho == "linear" or (config.rho == "mlp" and several):
            return
        mixes = self.kind == "whitened" and (several or config.rho == "mlp")
        if mixes or config.phi != "none" or config.num_self_attention_layers:
            raise ValueError(
                f"Expected rho linear for {self.kind} targets with {config.num_attention_heads} heads, phi "
                f"{config.phi}, {config.num_self_attention_layers} layers of attention, got rho {config.rho}: nothing "
                "could undo the transform. Set --rho linear."
            )
